"""Holds `groklab probe --all` against NumPy on safetensors that Python packages ship: trained models of other people.

    pip install --no-deps silero-vad==6.2.3 wordllama==0.4.0.post1 && pip install numpy safetensors
    python tests/oracle/probe_packages.py target/release/groklab

Every tensor must be measured, with norms and ranks as numpy.linalg.svd in f64 finds them, or skipped with a reason.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def files():
    for package in ("silero_vad", "wordllama"):
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations if spec else []:
            yield from sorted(Path(folder).rglob("*.safetensors"))


def matrix(t):
    return t.reshape(t.shape[0], -1).astype(float)


checked = 0
for file in files():
    out = subprocess.run([sys.argv[1], "probe", "--all", "--json", "--weights", str(file)], check=True, capture_output=True)
    found = json.loads(out.stdout)
    measured = {m["tensor"]: m for m in found["matrices"]}
    skipped = {s["tensor"]: s["reason"] for s in found["skipped"]}
    tensors = load_file(file)
    worst = 0.0
    for name, t in tensors.items():
        if name in skipped:
            assert skipped[name] and (t.ndim < 2 or t.dtype.kind != "f"), (name, skipped[name])
            continue
        s = np.linalg.svd(matrix(t), compute_uv=False)
        share = s[s > 0] / s.sum()
        expected = {
            "frobenius_norm": np.sqrt((s**2).sum()),
            "spectral_norm": s[0],
            "stable_rank": (s**2).sum() / s[0] ** 2,
            "effective_rank": np.exp(-(share * np.log(share)).sum()),
        }
        for key, value in expected.items():
            worst = max(worst, abs(measured[name][key] / value - 1))
    print(f"{file.name}: {len(tensors)} tensors, {len(measured)} measured, {len(skipped)} skipped, worst error {worst:.1e}")
    assert worst < 1e-9 and len(measured) + len(skipped) >= len(tensors)
    checked += 1
assert checked, "no package with safetensors is installed"
