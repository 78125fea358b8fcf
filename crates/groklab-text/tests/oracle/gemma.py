"""Logits and loss of a tiny model in NumPy, f64, written from the formulas with loops over heads and positions:
python gemma.py > gemma.json

Parameters are a formula of their flat index, so none is written down: the first matrices of the layout come first.
"""

import json
import numpy as np

V, T, D, L, H, FF = 11, 6, 8, 2, 2, 12
INPUTS = [[3, 1, 4, 1, 5, 9], [2, 6, 5, 10, 0, 7]]
TARGETS = [[1, 4, 1, 5, 9, 2], [6, 5, 10, 0, 7, 8]]


def take(flat, at, *shape):
    n = int(np.prod(shape))
    return flat[at:at + n].reshape(shape), at + n


def rms(x, g):
    return x / np.sqrt((x * x).mean() + 1e-6) * (1 + g)


def rotate(x, t):
    half = len(x) // 2
    out = x.copy()
    for i in range(half):
        # a complex number turned by an angle
        z = (x[i] + 1j * x[i + half]) * np.exp(1j * t * 10000.0 ** (-2 * i / len(x)))
        out[i], out[i + half] = z.real, z.imag
    return out


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def logits(flat, ids, tied):
    at = 0
    embed, at = take(flat, at, V, D)
    x = [embed[i] * np.sqrt(D) for i in ids]
    for _ in range(L):
        g1, at = take(flat, at, D)
        q, at = take(flat, at, D, D)
        k, at = take(flat, at, D, D)
        v, at = take(flat, at, D, D)
        o, at = take(flat, at, D, D)
        g2, at = take(flat, at, D)
        g3, at = take(flat, at, D)
        gate, at = take(flat, at, FF, D)
        up, at = take(flat, at, FF, D)
        down, at = take(flat, at, D, FF)
        g4, at = take(flat, at, D)
        h = [rms(row, g1) for row in x]
        size = D // H
        mixed = [np.zeros(D) for _ in x]
        for head in range(H):
            part = slice(head * size, (head + 1) * size)
            qs = [rotate((q @ row)[part], t) for t, row in enumerate(h)]
            ks = [rotate((k @ row)[part], t) for t, row in enumerate(h)]
            vs = [(v @ row)[part] for row in h]
            for t in range(len(x)):
                scores = np.array([qs[t] @ ks[s] / np.sqrt(size) for s in range(t + 1)])
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                mixed[t][part] = sum(w * vs[s] for s, w in enumerate(weights))
        x = [row + rms(o @ m, g2) for row, m in zip(x, mixed)]
        x = [row + rms(down @ (gelu(gate @ rms(row, g3)) * (up @ rms(row, g3))), g4) for row in x]
    final, at = take(flat, at, D)
    head = embed if tied else take(flat, at, V, D)[0]
    return np.array([head @ rms(row, final) for row in x])


def count(tied):
    return V * D * (1 if tied else 2) + L * (4 * D * D + 3 * D * FF + 4 * D) + D


def case(tied):
    flat = 0.4 * np.sin(1.7 * np.arange(count(tied)) + 0.3)
    out = [logits(flat, ids, tied) for ids in INPUTS]
    loss = np.mean([np.log(np.exp(row).sum()) - row[t] for o, ts in zip(out, TARGETS) for row, t in zip(o, ts)])
    return {"tied": tied, "logits": np.concatenate(out).ravel().tolist(), "loss": float(loss)}


print(json.dumps({"inputs": INPUTS, "targets": TARGETS, "cases": [case(False), case(True)]}))
