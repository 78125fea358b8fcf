"""Ten steps of Adam, AdamW and Muon in NumPy, f64, from their definitions: python optim.py > optim.json

Gradients are drawn once and written down; parameters are compared after every step.
"""

import json
import numpy as np

rng = np.random.default_rng(20)
SHAPES = [("embedding", (5, 4)), ("matrix", (4, 6)), ("matrix", (6, 4)), ("gain", (4,)), ("unembedding", (5, 4))]
STEPS = 10
f32 = lambda a: np.asarray(a, dtype=np.float32).astype(np.float64)

start = [f32(rng.normal(size=shape)) for _, shape in SHAPES]
# gradients over four orders of magnitude, as at the beginning and the end of a training
grads = [[f32(rng.normal(size=shape) * 10.0 ** -(step % 4)) for _, shape in SHAPES] for step in range(STEPS)]


def adam(theta, g, state, lr, beta1, beta2, eps, decay):
    state["t"] = state.get("t", 0) + 1
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
    m_hat = state["m"] / (1 - beta1 ** state["t"])
    v_hat = state["v"] / (1 - beta2 ** state["t"])
    return theta * (1 - lr * decay) - lr * m_hat / (np.sqrt(v_hat) + eps)


def newton_schulz(g):
    x = g / (np.linalg.norm(g) + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x - 4.7750 * a @ x + 2.0315 * a @ a @ x
    return x.T if tall else x


def muon(w, g, state, lr, scaling, decay):
    state["m"] = 0.95 * state.get("m", 0) + g
    x = newton_schulz(g + 0.95 * state["m"])
    rows, cols = w.shape
    s = 0.2 * np.sqrt(max(rows, cols)) if scaling == "match-adam" else np.sqrt(max(1, rows / cols))
    return w * (1 - lr * decay) - lr * s * x


def run(rule):
    thetas, states, path = [t.copy() for t in start], [{} for _ in start], []
    for step in range(STEPS):
        lr = 0.01 * (step + 1) / STEPS
        thetas = [rule(role, t, g, s, lr) for (role, _), t, g, s in zip(SHAPES, thetas, grads[step], states)]
        path.append(np.concatenate([t.ravel() for t in thetas]).tolist())
    return path


def with_muon(scaling, ratio, decay):
    def rule(role, t, g, s, lr):
        if role == "matrix":
            return muon(t, g, s, ratio * lr, scaling, decay)
        return adam(t, g, s, lr, 0.95, 0.999, 1e-8, 0.0)
    return rule


flat = lambda arrays: np.concatenate([a.ravel() for a in arrays]).tolist()
print(json.dumps({
    "start": flat(start),
    "grads": [flat(g) for g in grads],
    "adam": run(lambda role, t, g, s, lr: adam(t, g, s, lr, 0.95, 0.999, 1e-8, 0.0)),
    "adamw": run(lambda role, t, g, s, lr: adam(t, g, s, lr, 0.9, 0.98, 1e-6, 0.0 if role == "gain" else 0.1)),
    "muon-match-adam": run(with_muon("match-adam", 1.0, 0.1)),
    "muon-original": run(with_muon("original", 50.0, 0.0)),
}))
