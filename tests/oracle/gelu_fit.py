"""Coefficients of src/kinds/operations/engine/cpu/vector.rs and activation.rs. Needs numpy and mpmath; prints gelu_fit.txt.

exp:   e^r on |r| <= ln(2)/2 as a polynomial of degree 6.
Mills: R(t) = (1 - Phi(t)) / phi(t) on 0 <= t <= 13.25 as a polynomial of degree 9 in u = (t - 3) / (t + 3).
Both minimise the largest relative error (least squares on Chebyshev nodes, reweighted by Lawson's rule).
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def fit(u, y, degree):
    powers, weight = np.vander(u, degree + 1, increasing=True), np.ones(len(u))
    for _ in range(200):
        root = np.sqrt(weight)
        c = np.linalg.lstsq(powers * (root / y)[:, None], root, rcond=None)[0]
        error = np.abs(powers @ c / y - 1)
        weight *= error + 1e-18
        weight /= weight.mean()
    return c, error.max()


def show(name, c, error):
    print(f"{name}: largest relative error {error:.2e}, coefficients from the constant up")
    for v in c:
        print(f"    {np.float32(v)!s},")


nodes = np.cos(np.pi * (np.arange(800) + 0.5) / 800)

r = nodes * float(mp.log(2) / 2) * 1.0001
show("exp", *fit(r, np.array([float(mp.exp(mp.mpf(v))) for v in r]), 6))

A, T = 3.0, 13.25
low, high = -1.0, (T - A) / (T + A)
u = (low + high) / 2 + (high - low) / 2 * nodes
t = A * (1 + u) / (1 - u)
mills = [float(mp.sqrt(mp.pi / 2) * mp.exp(mp.mpf(v) ** 2 / 2) * mp.erfc(mp.mpf(v) / mp.sqrt(2))) for v in t]
show("mills", *fit(u, np.array(mills), 9))
