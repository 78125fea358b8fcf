#!/usr/bin/env python3
"""Makes a directory of many long runs, to measure what reading them takes:

    groklab sweep small.toml && scripts/many-runs.py results/small/RUN DIR [RUNS]
    /usr/bin/time -v groklab table DIR

A run of 50,000 epochs, 2,502 evaluations of random numbers, by the files of a finished run: 10 fractions x 50 seeds a
setting (weight decay). Vouched for as the program does it, so that nothing is left out for damage. 9 GB for 10,000 runs.
"""

import hashlib
import json
import pathlib
import random
import sys

ZEROS = "0" * 64
template, out = map(pathlib.Path, sys.argv[1:3])
runs = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
manifest = json.loads((template / "manifest.json").read_text())
config = (template / "config.toml").read_text()
fixed = {name: (template / name).read_bytes() for name in ("task.toml", "final.safetensors")}
head, first = (template / "metrics.csv").read_text().splitlines()[:2]
spectra = (template / "spectra.csv").read_text()
task = manifest["task"]

random.seed(0)
epochs = [0, 1, *range(20, 50_001, 20)]
columns = head.split(",")
whole = {"k90", "k95", "k99"}


def body(epoch):
    """Everything of a row after run, task, fraction and seeds, which stand as one @."""
    values = [str(random.randint(5, 60)) if c in whole else repr(random.random()) for c in columns[7:]]
    return ",".join(["@", str(epoch), str(2 * epoch), *values])


# a few tables, dealt out in turn: other numbers would be parsed alike
tables = ["\n".join(map(body, epochs)) + "\n" for _ in range(4)]
digest = lambda data: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
plan = ["run,task,train_fraction,seed,max_epochs,patience"]
for i in range(runs):
    seed, fraction, decay = i % 50, 0.05 * (1 + i // 50 % 10), 0.1 * (1 + i // 500)
    run = f"{task}-f{fraction:.2f}-s{seed}-{i:012x}"
    recipe = config.replace("seed = 0\nsplit_seed = 0", f"seed = {seed}\nsplit_seed = {seed}")
    recipe = recipe.replace("train_fraction = 0.05", f"train_fraction = {fraction:.2f}")
    recipe = recipe.replace("weight_decay = 1.0", f"weight_decay = {decay:.1f}")
    files = {
        **fixed,
        "config.toml": recipe.encode(),
        "metrics.csv": f"{head}\n{tables[i % 4]}".replace("@", f"{run},{task},{fraction:.2f},{seed},{seed}").encode(),
        "spectra.csv": spectra.replace(manifest["run"], run).encode(),
    }
    mark = lambda epoch: {"epoch": epoch, "step": 2 * epoch}
    marks = {"memorized": mark(40), "grokked": mark(200 + 20 * (i % 50)), "collapsed": None, "diverged": None}
    end = {"epoch": 50_000, "step": 100_000, "stopped": "budget", "milestones": marks}
    mine = {
        **manifest,
        "run": run,
        "budget": {"max_epochs": 50_000, "patience": 100_000},
        "epochs": 50_000,
        "steps": 100_000,
        "stopped": "budget",
        "milestones": marks,
        "ends": [end],
        "saved": [{"epochs": 50_000, "files": {name: digest(files[name]) for name in sorted(files)}}],
        "digest": ZEROS,
    }
    text = json.dumps(mine, indent=2, ensure_ascii=False) + "\n"
    files["manifest.json"] = text.replace(ZEROS, hashlib.sha256(text.encode()).hexdigest()).encode()
    (out / run).mkdir(parents=True)
    for name, data in files.items():
        (out / run / name).write_bytes(data)
    plan.append(f"{run},{task},{fraction:.2f},{seed},50000,100000")
(out / "plan.csv").write_text("\n".join(plan) + "\n")
