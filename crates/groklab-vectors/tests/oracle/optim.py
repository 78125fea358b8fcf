"""Trajectories of SGD and AdamW in f64, by the update rules of PyTorch's documentation; writes optim.csv beside it: name, rate, momentum,
decay, then the four parameters after each of 50 steps.

Gradient: of ½ Σ a_i θ_i² + b_i θ_i, so that it depends on the parameters.
"""

from pathlib import Path

import numpy as np

A, B = np.array([1.0, 0.1, 3.0, 0.0]), np.array([0.5, -1.0, 0.0, 2.0])
START, STEPS = np.array([1.0, -2.0, 0.25, 3.0]), 50


def sgd(lr, momentum, decay):
    theta, buf, path = START.copy(), None, []
    for _ in range(STEPS):
        g = A * theta + B + decay * theta
        buf = g if buf is None else momentum * buf + g  # dampening 0: the first buffer is the gradient
        theta = theta - lr * (buf if momentum else g)
        path.append(theta.tolist())
    return path


def adamw(lr, decay, b1=0.9, b2=0.999, eps=1e-8):
    theta, m, v, path = START.copy(), np.zeros(4), np.zeros(4), []
    for t in range(1, STEPS + 1):
        g = A * theta + B
        theta = theta - lr * decay * theta
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        theta = theta - lr / (1 - b1**t) * m / (np.sqrt(v) / np.sqrt(1 - b2**t) + eps)
        path.append(theta.tolist())
    return path


cases = [
    ("sgd", 0.1, 0.0, 0.0, sgd(0.1, 0.0, 0.0)),
    ("sgd", 0.1, 0.0, 0.1, sgd(0.1, 0.0, 0.1)),
    ("sgd", 0.05, 0.9, 0.1, sgd(0.05, 0.9, 0.1)),
    ("adamw", 0.01, 0.0, 0.0, adamw(0.01, 0.0)),
    ("adamw", 0.01, 0.0, 1.0, adamw(0.01, 1.0)),
]
with Path(__file__).with_suffix(".csv").open("w") as file:
    for *head, path in cases:
        numbers = [f"{number:.9g}" for step in path for number in step]
        print(",".join([str(h) for h in head] + numbers), file=file)
