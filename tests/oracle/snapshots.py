"""Oracle of the numbers in the snapshots of crates/groklab-cli/src/studies/grokking/csv.rs. Writes snapshots.json.

The made-up runs of store/made.rs have LAR 0.5 + shift + 0.001·epoch, k_pred = 128^(2(1 − LAR)) and k95 = round(2·k_pred), so
everything that the tables say of them follows from the epochs of their milestones. Intervals are not drawn but counted: all
resamples of five runs (5^5), and all of two stages (which of two groups twice, then their runs), each with its probability.
An interval of 10,000 draws then lies between the quantiles half a percent to either side: 0.025 has a standard error of 0.0016.
"""

import itertools
import json
import math
import pathlib
from collections import Counter

N = 128


def point(epoch, shift=0.0):
    lar = 0.5 + shift + 0.001 * epoch
    k_pred = N ** (2 * (1 - lar))
    return {"epoch": epoch, "lar": lar, "k_pred": k_pred, "k95": math.floor(2 * k_pred + 0.5)}


# task, seed: milestones; a final only of runs that ended as planned
END = 200
runs = [
    ("add", 0, 0.0, 40, 120, END),
    ("add", 1, 0.0, 60, 140, END),
    ("x3_xy", 0, 0.0, 60, None, END),
    ("x3_xy", 1, 0.02, 80, None, END),
    ("x3_xy", 2, 0.01, 80, None, END),
    ("x3_xy", 3, 0.0, None, None, None),
    ("sub", 0, 0.0, None, None, None),
]
lines = []
for task, seed, shift, *epochs in runs:
    names = ["memorized", "grokked", "final"]
    points = {name: point(epoch, shift) for name, epoch in zip(names, epochs) if epoch is not None}
    lines.append({"task": task, "seed": seed, "points": points})


def error(p):
    return p["k95"] - p["k_pred"]


cells = {
    "memorized": [(l["task"], error(l["points"]["memorized"])) for l in lines if "memorized" in l["points"]],
    "grokked": [(l["task"], error(l["points"]["grokked"])) for l in lines if "grokked" in l["points"]],
    "final_grokked": [
        (l["task"], error(l["points"]["final"])) for l in lines if "final" in l["points"] and "grokked" in l["points"]
    ],
    "final_no_grok": [
        (l["task"], error(l["points"]["final"])) for l in lines if "final" in l["points"] and "grokked" not in l["points"]
    ],
}


def quantile(weights, level):
    """Of a discrete distribution {value: probability}."""
    total = 0.0
    for value, weight in sorted(weights.items()):
        total += weight
        if total >= level - 1e-12:
            return value
    raise ValueError(level)


def over_runs(errors):
    weights = Counter()
    for drawn in itertools.product([e * e for _, e in errors], repeat=len(errors)):
        weights[round(math.sqrt(sum(drawn) / len(drawn)), 12)] += len(errors) ** -len(errors)
    return weights


def over_tasks(errors):
    groups = {}
    for task, e in errors:
        groups.setdefault(task, []).append(e * e)
    groups = list(groups.values())

    def sums(group):
        weights = Counter()
        for drawn in itertools.product(group, repeat=len(group)):
            weights[sum(drawn)] += len(group) ** -len(group)
        return weights

    of_group = [sums(group) for group in groups]
    weights = Counter()
    for drawn in itertools.product(range(len(groups)), repeat=len(groups)):
        count = sum(len(groups[i]) for i in drawn)
        for parts in itertools.product(*(of_group[i].items() for i in drawn)):
            probability = len(groups) ** -len(groups) * math.prod(p for _, p in parts)
            weights[round(math.sqrt(sum(v for v, _ in parts) / count), 12)] += probability
    return weights


def ends(weights):
    """Least and greatest of either end of an interval of 10,000 draws."""
    return [[quantile(weights, level - 0.005), quantile(weights, level + 0.005)] for level in (0.025, 0.975)]


out = {"runs": lines, "cells": {}}
for name, errors in cells.items():
    cell = {"runs": len(errors), "rmse": math.sqrt(sum(e * e for _, e in errors) / len(errors)),
            "mean": sum(e for _, e in errors) / len(errors)}
    if len(errors) >= 5:
        cell |= {"over_runs": ends(over_runs(errors)), "over_tasks": ends(over_tasks(errors))}
    out["cells"][name] = cell
pathlib.Path(__file__).with_name("snapshots.json").write_text(json.dumps(out, indent=1) + "\n")
