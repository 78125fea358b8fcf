"""Writes lens.json: spectra of Spectral Lens (arXiv 2605.05683) by NumPy and SciPy on routes of their own.

Activations: eigenvalues are squared singular values of the centred samples over n - 1, slopes come from numpy.polyfit, the
divergence is the square of SciPy's distance. Gradients: each sample's is a sum of outer products in loops, then an SVD of
the stack. Recorded with NumPy 2.4.6 and SciPy 1.17.1:
    python tests/oracle/lens.py > tests/oracle/lens.json
"""

import json
import sys

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy


def slope(values, first, last):
    ranks = np.arange(first, min(last, len(values)) + 1)
    x, y = np.log(ranks), np.log(values[ranks - 1])
    a, b = np.polyfit(x, y, 1)
    return {"alpha": -a, "r2": 1 - np.sum((y - a * x - b) ** 2) / np.sum((y - y.mean()) ** 2)}


def shape(values):
    d = len(values)
    return {
        "eigenvalues": values.tolist(),
        "rankme": np.exp(entropy(values)),
        "top10": np.sum(values[:10]) / np.sum(values),
        "head": slope(values, 1, 10),
        "tail": slope(values, int(25 * d / 64), 200),
    }


def activations(rng, sequences, length, d):
    # energy falls along the channels; positions of a sequence share a part
    falling = np.arange(1, d + 1.0) ** -0.8
    h = (rng.standard_normal((sequences, length, d)) + rng.standard_normal((sequences, 1, d)) + 0.5) * falling
    h = np.round(h, 6)
    samples = {"last": h[:, -1], "mean": h.mean(axis=1), "token": h.reshape(-1, d)}
    found = {}
    for name, x in samples.items():
        s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
        found[name] = shape(s**2 / (len(x) - 1))
    unit = h / np.sqrt(np.mean(h**2, axis=2, keepdims=True) + 1e-6)
    x = unit[:, -1]
    found["unit_last"] = shape(np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / (len(x) - 1))
    pairs = [("last", "mean"), ("last", "token"), ("mean", "token")]
    js = [jensenshannon(found[a]["eigenvalues"], found[b]["eigenvalues"]) ** 2 for a, b in pairs]
    return {"hidden": h.ravel().tolist(), "sequences": sequences, "positions": length, "d": d, "expected": found, "js": js}


def gradients(rng, samples, length, a, b):
    x = np.round(rng.standard_normal((samples, length, a)) / np.arange(1, a + 1.0), 6)
    delta = np.round(rng.standard_normal((samples, length, b)) * 0.1, 6)
    stack = np.zeros((samples, b * a))
    for s in range(samples):
        for t in range(length):
            stack[s] += np.outer(delta[s, t], x[s, t]).ravel()
    s = np.linalg.svd(stack, compute_uv=False)
    tail = slope(s, 11, len(s)) if len(s) > 12 else None
    return {
        "x": x.ravel().tolist(),
        "delta": delta.ravel().tolist(),
        "samples": samples,
        "positions": length,
        "a": a,
        "b": b,
        "singular_values": s.tolist(),
        "head": slope(s, 1, 10) if len(s) >= 10 else None,
        "tail": tail,
    }


def main():
    rng = np.random.default_rng(260505683)
    json.dump(
        {
            "activations": activations(rng, 40, 3, 20),
            "gradients": [
                gradients(rng, 16, 1, 9, 7),
                gradients(rng, 14, 5, 6, 4),
                gradients(rng, 12, 4, 3, 2),  # fewer entries than samples
            ],
        },
        sys.stdout,
        separators=(",", ":"),
    )
    print()


main()
