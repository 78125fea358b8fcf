"""Oracle of src/analysis/claims.rs: means, a difference of means and their percentile bootstrap intervals
by SciPy. Writes claims.json.

An interval of 10,000 resamples is random: mean and standard deviation of its ends over 200 repetitions are recorded.
"""

import json
import pathlib

import numpy as np
from scipy.stats import bootstrap

rng = np.random.default_rng(2605_28975)
a = rng.normal(0.08, 0.05, 23).round(4)
b = rng.gamma(2.0, 0.02, 17).round(4)


def ends(samples, statistic):
    lows, highs = [], []
    for _ in range(200):
        result = bootstrap(
            samples, statistic, n_resamples=10_000, method="percentile", vectorized=True, random_state=rng
        )
        lows.append(result.confidence_interval.low)
        highs.append(result.confidence_interval.high)
    return {k: [float(np.mean(v)), float(np.std(v, ddof=1))] for k, v in (("low", lows), ("high", highs))}


out = {
    "a": a.tolist(),
    "b": b.tolist(),
    "mean": float(a.mean()),
    "difference": float(a.mean() - b.mean()),
    "mean_interval": ends((a,), np.mean),
    "difference_interval": ends((a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis)),
}
pathlib.Path(__file__).with_name("claims.json").write_text(json.dumps(out, indent=1) + "\n")
