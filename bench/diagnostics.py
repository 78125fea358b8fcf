"""What the diagnostics cost beside the training: CPU seconds of short runs of x + y, preset paper.

    python3 bench/diagnostics.py target/release/groklab

Steps and evaluations come from two runs without diagnostics, `forward` and `pairs` from what a run with them takes more,
six evaluations each. `cheap` is lost in the noise of that: 101 evaluations of a model that is small but as wide show it.
"""

import os
import subprocess
import sys
import tempfile


def cpu_seconds(names, *args):
    with tempfile.TemporaryDirectory() as out:
        before = os.times()
        command = [sys.argv[1], "train", "add", "--set", f"probe.diagnostics={names}", "--out", out, *args]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def epochs(last, dense_until):
    return ["--set", f"train.max_epochs={last}", "--set", f"probe.dense_until={dense_until}"]


six = cpu_seconds("[]", *epochs(5, 5))  # and 50 steps
three = cpu_seconds("[]", *epochs(10, 0))  # and 100 steps
evaluation = (2 * six - three) / 9
step = (three - 3 * evaluation) / 100
whole = 200 * step + evaluation
print(f"step {step * 1e3:.1f} ms, evaluation and probe {evaluation * 1e3:.0f} ms, 20 epochs {whole:.2f} s")

small = ["--fraction", "0.05", "--set", "model.n_layers=1", "--set", "model.d_mlp=1", *epochs(100, 100)]
took = {"cheap": (cpu_seconds('["cheap"]', *small) - cpu_seconds("[]", *small)) / 101}
for name in ["forward", "pairs"]:
    took[name] = (cpu_seconds(f'["{name}"]', *epochs(5, 5)) - six) / 6
for name, seconds in took.items():
    print(f"{name}: {seconds * 1e3:.1f} ms an evaluation, {100 * seconds / whole:.2f} % of 20 epochs")
