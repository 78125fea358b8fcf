#!/usr/bin/env python3
"""Runs groklab and its peers in turn on one pinned core and prints the medians of all rounds and their ratios."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--core", type=int, default=0)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--groklab", default=str(ROOT / "target/release/groklab"))
args = parser.parse_args()
python = os.environ.get("PYTHON", sys.executable)

programs = [
    [args.groklab, "bench", "--json"],
    [python, str(HERE / "jax_step.py")],
    [python, str(HERE / "torch_step.py"), "eager"],
    [python, str(HERE / "torch_step.py"), "compile"],
]
os.sched_setaffinity(0, {args.core})  # children inherit it
environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
results: dict[str, list[float]] = {}
for round_ in range(args.rounds):
    for command in programs:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            print(f"left out: {' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        result = json.loads(done.stdout.strip().splitlines()[-1])
        if "program" in result:
            rows = {result["program"]: result["ms_per_step"]}
        else:  # groklab bench
            rows = {"groklab, factored": result["step"]["ms"], "groklab, plain candle model": result["plain"]["ms"]}
        for name, ms in rows.items():
            results.setdefault(name, []).append(ms)

ours = statistics.median(results["groklab, factored"])
print("| program | ms / step | ratio to ours |\n|---|---|---|")
for name, times in results.items():
    median = statistics.median(times)
    print(f"| {name} | {median:.1f} | {median / ours:.1f} |")
