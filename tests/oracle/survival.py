"""Oracle of src/analysis/survival.rs: Kaplan-Meier curves and medians by lifelines. Writes survival.json.

A case is: times with many ties between events and censorings; few runs; a curve that reaches exactly one half; one
that never gets there; every run censored.
"""

import json
import pathlib

import numpy as np
from lifelines import KaplanMeierFitter

rng = np.random.default_rng(1958)
cases = []


def add(times, ended):
    times, ended = np.asarray(times, float), np.asarray(ended, bool)
    fit = KaplanMeierFitter().fit(times, ended)
    curve = fit.survival_function_["KM_estimate"]
    events = sorted(set(times[ended]))
    median = float(fit.median_survival_time_)
    cases.append(
        {
            "times": times.tolist(),
            "ended": ended.tolist(),
            "survival": [[float(t), float(curve[t])] for t in events],
            "median": median if np.isfinite(median) else None,
        }
    )


latent, watched = rng.geometric(0.02, 60) * 20, rng.integers(1, 120, 60) * 20
add(np.minimum(latent, watched), latent <= watched)
add(rng.geometric(0.05, 5) * 20, [True] * 5)
add([20, 40, 60, 60], [True, True, False, False])
add([20, 40, 60, 80, 80], [True, True, False, False, False])
add([50_000] * 5, [False] * 5)
pathlib.Path(__file__).with_name("survival.json").write_text(json.dumps(cases, indent=1) + "\n")
