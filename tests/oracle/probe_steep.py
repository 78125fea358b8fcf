"""Holds `groklab probe` against NumPy on a matrix whose Gram matrix loses a quarter of its effective rank.

    pip install numpy safetensors && python tests/oracle/probe_steep.py target/release/groklab

2600 x 1300 in f32, a falling spectrum and a common row that holds 95 % of its energy. With products in f32 WᵀW resolves
singular values down to 2.4e-4 of the largest: every number must be right or be printed as a bound.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

r = np.random.default_rng(5)
m, n = 2600, 1300
q = np.linalg.qr(r.normal(size=(n, n)))[0]
w = r.normal(size=(m, n)) @ (q / np.arange(1, n + 1.0)).T
c = r.normal(size=(1, n))
w += c * np.sqrt(19 * (w**2).sum() / m / (c**2).sum())
w = w.astype("f4")
s = np.linalg.svd(w.astype("f8"), compute_uv=False)
share = s / s.sum()
effective_rank = np.exp(-(share * np.log(share)).sum())
stable_rank = (s**2).sum() / s[0] ** 2

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "steep.safetensors"
    save_file({"lm_head.weight": w}, path)
    x = Path(folder) / "x.npy"
    np.save(x, r.normal(size=(64, n)))
    for method in ("auto", "gram", "gram-f32"):
        run = lambda *args: json.loads(
            subprocess.run([sys.argv[1], "probe", "--json", "--method", method, "--weights", path, *args], check=True, capture_output=True).stdout
        )
        found = run("--all")["matrices"][0]
        one = run("--activations", x)
        stable_error = abs(found["stable_rank"] / stable_rank - 1)
        print(
            f"{method}: effective_rank {found['effective_rank']:.6f} of {effective_rank:.6f}, {found['unresolved']} unresolved, stable_rank {stable_error:.1e} off, {found['method']}"
        )
        # sums of 1,024 products in f32, each rounded
        assert stable_error < (1024 * 2.0**-24 if method == "gram-f32" else 1e-10)
        for rank in (found["effective_rank"], one["probe"]["effective_rank"]):
            if found["unresolved"]:
                assert rank < effective_rank and any("lower bound" in note for note in one["notes"])
            else:
                assert abs(rank / effective_rank - 1) < 1e-8
    assert run("--all")["matrices"][0]["unresolved"] and method == "gram-f32"
