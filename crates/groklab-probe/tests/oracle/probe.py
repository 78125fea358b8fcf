"""Writes probe.json: small matrices and their probes, computed by NumPy and SciPy on routes of their own.

LAR comes from RMS norms of the product itself, q from a full SVD (averaged over the null space of W), the
dimensions k from the singular values of the centred X (PCA without a covariance), Spearman from SciPy.
Recorded with NumPy 2.4.6 and SciPy 1.17.1:  python tests/oracle/probe.py > tests/oracle/probe.json
"""

import json
import sys

import numpy as np
from scipy import stats


def rms(a):
    return np.sqrt(np.mean(a**2))


def probe(w, x):
    m, n = w.shape
    log_n = lambda v: np.log(v) / np.log(n)
    _, s, vt = np.linalg.svd(w, full_matrices=True)
    rank = np.linalg.matrix_rank(w)

    p = np.zeros(n)
    p[:rank] = s[:rank] ** 2 / np.sum(s**2)
    q = np.sum((x @ vt.T) ** 2, axis=0) / np.sum(x**2)
    q[rank:] = q[rank:].mean() if rank < n else 0.0

    variances = np.zeros(n)
    pca = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / len(x)
    variances[: len(pca)] = pca
    held = np.cumsum(variances) / np.sum(variances)
    k = lambda share: int(np.argmax(held >= share)) + 1

    lar = log_n(rms(x @ w.T) / (rms(w) * rms(x)))
    return {
        "probe": {
            "lar": lar,
            "lar_spectra": 1 + 0.5 * log_n(p @ q),
            "k_pred": n ** (2 * (1 - lar)),
            "k90": k(0.90),
            "k95": k(0.95),
            "k99": k(0.99),
            "p1": p[0],
            "q1": q[0],
            "l1": 1 + 0.5 * log_n(p[0] * q[0]),
            "sigma_p": np.std(p),
            "sigma_q": np.std(q),
            # of a single direction, equal shares of the null space make it +-1 whatever X is
            "pearson": stats.pearsonr(p, q).statistic if rank > 1 else None,
            "spearman": stats.spearmanr(p, q).statistic if rank > 1 else None,
            "stable_rank": np.linalg.norm(w, "fro") ** 2 / np.linalg.norm(w, 2) ** 2,
            "effective_rank": np.exp(stats.entropy(s)),
        },
        "spectra": {
            "singular_values": s.tolist(),
            "p": p.tolist(),
            "q": q.tolist(),
            "covariance_eigenvalues": variances.tolist(),
        },
    }


def main():
    rng = np.random.default_rng(20260528)
    cases = []

    def add(name, w, x):
        cases.append({"name": name, "n": w.shape[1], "w": w.ravel().tolist(), "x": x.ravel().tolist()} | probe(w, x))

    def inputs(rows, n):
        return 0.5 + rng.standard_normal((rows, n)) / np.arange(1, n + 1)

    add("m < n", rng.standard_normal((3, 5)), inputs(7, 5))
    add("m = n", rng.standard_normal((6, 6)), inputs(20, 6))
    add("m > n", rng.standard_normal((9, 4)), inputs(20, 4))
    add("one output", rng.standard_normal((1, 4)), inputs(9, 4))
    add("fewer rows than columns", rng.standard_normal((8, 7)), inputs(3, 7))
    add("low-rank W", rng.standard_normal((8, 3)) @ rng.standard_normal((3, 6)), inputs(15, 6))
    # X along the leading directions of W, as after grokking
    w = rng.standard_normal((10, 12)) * 0.7 ** np.arange(12)
    add("aligned", w, rng.standard_normal((40, 10)) @ w + 0.05 * rng.standard_normal((40, 12)))
    json.dump(cases, sys.stdout, indent=None, separators=(",", ":"))
    print()


main()
