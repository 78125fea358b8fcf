"""Writes heavy_tail.json: eigenvalues of some matrices and their power laws, by `powerlaw` and by WeightWatcher's own fit.

Both choose x_min by the least Kolmogorov-Smirnov distance; WeightWatcher is given what it fits after its own threshold on
eigenvalues. Recorded with powerlaw 2.0.0, weightwatcher 0.7.7, NumPy 2.4.6, SciPy 1.17.1:
    python tests/oracle/heavy_tail.py > tests/oracle/heavy_tail.json
"""

import contextlib
import io
import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
with contextlib.redirect_stdout(io.StringIO()):
    import powerlaw
    from weightwatcher.WW_powerlaw import WWFit


def by_powerlaw(values):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        fit = powerlaw.Fit(values, verbose=False)
        found = {"alpha": fit.power_law.alpha, "alpha_error": fit.power_law.sigma, "x_min": fit.xmin, "ks": fit.power_law.D}
        for other in ("lognormal", "exponential"):
            ratio, p = fit.distribution_compare("power_law", other, normalized_ratio=True)
            found[other] = {"ratio": ratio, "p": p}
            raw, _ = fit.distribution_compare("power_law", other, normalized_ratio=False)
            found[other]["log_likelihoods"] = raw
    return {k: v if isinstance(v, dict) else float(v) for k, v in found.items()}


def by_weightwatcher(values):
    fit = WWFit(values)
    return {"alpha": float(fit.alpha), "alpha_error": float(fit.sigma), "x_min": float(fit.xmin), "ks": float(fit.D)}


def main():
    rng = np.random.default_rng(20210712)
    turn = lambda n: np.linalg.qr(rng.standard_normal((n, n)))[0]
    falling = lambda m, n, power: turn(m)[:, :n] @ np.diag(np.arange(1, n + 1.0) ** -power) @ turn(n)
    matrices = {
        "noise": rng.standard_normal((120, 80)),
        "heavy-tailed entries": rng.standard_t(2.2, (150, 100)),
        "falling as 1/i": falling(90, 90, 1.0),
        "falling slowly, with noise": falling(200, 120, 0.5) + 0.02 * rng.standard_normal((200, 120)),
        "low rank and noise": rng.standard_normal((100, 6)) @ rng.standard_normal((6, 70)) + rng.standard_normal((100, 70)),
        "thirty values": rng.standard_t(3, (60, 30)),
    }
    cases = []
    for name, w in matrices.items():
        values = np.sort(np.linalg.svd(w, compute_uv=False) ** 2)[::-1]
        cases.append(
            {"name": name, "eigenvalues": values.tolist(), "powerlaw": by_powerlaw(values), "weightwatcher": by_weightwatcher(values)}
        )
    json.dump(cases, sys.stdout, separators=(",", ":"), default=float)
    print()


main()
