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
parser.add_argument("--what", choices=["step", "text"], default="step", help="the study's model, or the language model lm-small")
args = parser.parse_args()
python = os.environ.get("PYTHON", sys.executable)

torch = {"step": "torch_step.py", "text": "torch_text.py"}[args.what]
programs = [[python, str(HERE / torch), "eager"], [python, str(HERE / torch), "compile"]]
if args.what == "step":
    programs = [[args.groklab, "bench", "--json"], [python, str(HERE / "jax_step.py")]] + programs
else:  # cargo build --release --examples
    example = str(pathlib.Path(args.groklab).parent / "examples/train_lm_small")
    programs = [[example, "adam", "fresh", "60", "0", way] for way in ("fused", "plain")] + programs


def rows_of(command, printed):
    """Milliseconds a step by program, of what a program printed last."""
    if command[0] == args.groklab:
        result = json.loads(printed)
        return {"groklab, factored": result["step"]["ms"], "groklab, plain candle model": result["plain"]["ms"]}
    if command[0].endswith("train_lm_small"):
        return {f"groklab, {command[-1]} operations": float(printed.split()[-1])}
    result = json.loads(printed)
    return {result["program"]: result["ms_per_step"]}


os.sched_setaffinity(0, {args.core})  # children inherit it
environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
results: dict[str, list[float]] = {}
for round_ in range(args.rounds):
    for command in programs:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            print(f"left out: {' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        rows = rows_of(command, done.stdout.strip().splitlines()[-1])
        for name, ms in rows.items():
            results.setdefault(name, []).append(ms)

ours = statistics.median(next(iter(results.values())))
print("| program | ms / step | ratio to ours |\n|---|---|---|")
for name, times in results.items():
    median = statistics.median(times)
    print(f"| {name} | {median:.1f} | {median / ours:.1f} |")
