#!/usr/bin/env python3
"""Least LAR of the first epochs by batch and share of the table, of the published runs of batch-dip-1009; and Kendall's tau_b of
it with the batch alone and with the batch beside the data set. Prints CSV, and tau to standard error."""

import csv, gzip, itertools, math, pathlib, sys, tomllib

RUNS = pathlib.Path(__file__).resolve().parents[2] / "results/published/batch-dip-1009"


def tau_b(x, y):
    concordant = discordant = only_x = only_y = 0
    for (a, b), (c, d) in itertools.combinations(zip(x, y), 2):
        sign = (a - c) * (b - d)
        concordant += sign > 0
        discordant += sign < 0
        only_x += a == c and b != d
        only_y += a != c and b == d
    counted = concordant + discordant
    return (concordant - discordant) / math.sqrt((counted + only_x) * (counted + only_y))


runs = []
for directory in sorted(RUNS.glob("add_1009-*")):
    config = tomllib.loads((directory / "config.toml").read_text())
    with gzip.open(directory / "metrics.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    lar, epoch = min((float(row["lar"]), int(row["epoch"])) for row in rows)
    batch = config.get("data", {}).get("batch_size", 512)
    loss = float(rows[-1]["train_loss"])
    runs.append((config["train_fraction"], batch, lar, epoch, float(rows[-1]["lar"]), loss))
runs.sort()
out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["train_fraction", "batch_size", "least_lar", "at_epoch", "lar_at_epoch_10", "train_loss_at_epoch_10"])
for share, batch, lar, epoch, last, loss in runs:
    out.writerow([share, batch, f"{lar:.4f}", epoch, f"{last:.4f}", f"{loss:.4f}"])
least = [run[2] for run in runs]
print(f"tau_b with the batch {tau_b([run[1] for run in runs], least):.3f}", file=sys.stderr)
print(f"tau_b with batch / data set {tau_b([run[1] / run[0] for run in runs], least):.3f}", file=sys.stderr)
