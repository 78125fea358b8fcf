#!/usr/bin/env python3
"""Compares two results directories of one experiment. usage: compare.py A B TOLERANCE

TOLERANCE 0: every file but locks and manifests (which hold times) has the same bytes. Otherwise: the same runs, epochs (where the kind has them)
and steps, and losses of metrics.csv within that relative difference.
"""

import csv
import pathlib
import sys

a, b, tolerance = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])


def files(root):
    skipped = {"manifest.json", ".lock"}
    return {str(p.relative_to(root)): p for p in root.rglob("*") if p.is_file() and p.name not in skipped}


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def same_numbers(path_a, path_b):
    worst = 0.0
    rows_a, rows_b = rows(path_a), rows(path_b)
    if [(r["run"], r.get("epoch"), r["step"]) for r in rows_a] != [(r["run"], r.get("epoch"), r["step"]) for r in rows_b]:
        return float("inf")
    for row_a, row_b in zip(rows_a, rows_b):
        for column in ("train_loss", "val_loss", "lar"):
            x, y = float(row_a[column]), float(row_b[column])
            worst = max(worst, abs(x - y) / max(abs(x), 1e-6))
    return worst


of_a, of_b = files(a), files(b)
if set(of_a) != set(of_b) or not of_a:
    sys.exit(f"different files: {sorted(set(of_a) ^ set(of_b))[:4]} of {len(of_a)} and {len(of_b)}")
worst = 0.0
for name, path in of_a.items():
    if tolerance == 0:
        if path.read_bytes() != of_b[name].read_bytes():
            sys.exit(f"{name} differs")
    elif path.name == "metrics.csv":
        worst = max(worst, same_numbers(path, of_b[name]))
if not worst <= tolerance:
    sys.exit(f"numbers differ by {worst:.1e}, bound {tolerance:.0e}")
print(f"{len(of_a)} files of {a} and {b}: " + ("the same bytes" if tolerance == 0 else f"worst difference {worst:.1e}"))
