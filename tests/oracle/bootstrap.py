"""Oracle of src/analysis/bootstrap.rs: RMSE, percentile bootstrap over runs, two-stage bootstrap over tasks and the runs
of each, and quantiles by NumPy. Writes bootstrap.json.

An interval of 10,000 resamples is random; mean and standard deviation over 400 repetitions are recorded, 100 of the two-stage one.
"""

import json
import pathlib

import numpy as np

rng = np.random.default_rng(20260528)
k_pred = rng.uniform(8, 45, 46).round(3)
k95 = (k_pred + rng.gamma(2.0, 9.0, 46)).round()
squares = (k95 - k_pred) ** 2


def half_interval():
    rows = rng.integers(0, len(squares), (10_000, len(squares)))
    low, high = np.percentile(np.sqrt(squares[rows].mean(axis=1)), [2.5, 97.5])
    return (high - low) / 2


halves = [half_interval() for _ in range(400)]
values = np.sort(rng.normal(size=11)).round(6)

# ten tasks of three to six runs that differ more between than within: like runs by rank, shaken a little
rank = np.argsort(np.argsort(squares + rng.normal(0, 150, len(squares))))
tasks = np.searchsorted(np.cumsum([3, 5, 5, 6, 4, 5, 5, 3, 6, 4]), rank, side="right")
members = [squares[tasks == task] for task in range(10)]


def two_stage_interval():
    means = np.empty(10_000)
    for i in range(len(means)):
        drawn = [members[task] for task in rng.integers(0, len(members), len(members))]
        means[i] = np.concatenate([rng.choice(runs, len(runs)) for runs in drawn]).mean()
    return np.percentile(np.sqrt(means), [2.5, 97.5])


ends = np.array([two_stage_interval() for _ in range(100)])
out = {
    "pairs": list(zip(k95.tolist(), k_pred.tolist())),
    "rmse": float(np.sqrt(squares.mean())),
    "half_ci_mean": float(np.mean(halves)),
    "half_ci_sd": float(np.std(halves, ddof=1)),
    "tasks": tasks.tolist(),
    "clustered_low": [float(ends[:, 0].mean()), float(ends[:, 0].std(ddof=1))],
    "clustered_high": [float(ends[:, 1].mean()), float(ends[:, 1].std(ddof=1))],
    "quantile_of": values.tolist(),
    "quantiles": [[q, float(np.quantile(values, q))] for q in (0.0, 0.025, 0.33, 0.5, 0.975, 1.0)],
}
pathlib.Path(__file__).with_name("bootstrap.json").write_text(json.dumps(out, indent=1) + "\n")
