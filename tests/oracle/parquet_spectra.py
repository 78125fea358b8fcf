"""Reads back what `groklab export parquet RESULTS --out EXPORT` wrote for the experiment directory RESULTS, with
pyarrow (pip install pyarrow), and compares every value with the spectra.csv files.

python3 tests/oracle/parquet_spectra.py RESULTS EXPORT
"""

import csv
import pathlib
import sys

import pyarrow.parquet

results, export = map(pathlib.Path, sys.argv[1:])
ours = pyarrow.parquet.read_table(export / f"{results.name}-spectra.parquet").to_pylist()
numbers = ("singular_value", "p", "q", "covariance_eigenvalue")
at = 0
for table in sorted(results.glob("*/spectra.csv")):
    with (table.parent / "metrics.csv").open() as metrics:
        run = next(csv.DictReader(metrics))
    for row in csv.DictReader(table.open()):
        got = ours[at]
        expected = {name: float(row[name]) for name in numbers}
        expected |= {"run": row["run"], "checkpoint": row["checkpoint"]}
        expected |= {"epoch": int(row["epoch"]), "i": int(row["i"]), "task": run["task"]}
        expected |= {"train_fraction": float(run["train_fraction"])}
        expected |= {"seed": int(run["seed"]), "split_seed": int(run["split_seed"])}
        assert got == expected, (at, got, expected)
        at += 1
assert at == len(ours) > 0, (at, len(ours))
print(f"{at} rows are those of spectra.csv")
