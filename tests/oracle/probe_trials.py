"""Writes probe_trials/expected.json: what `groklab probe` must find in the files there, by NumPy in f64.

Safetensors headers are read here by hand, with the standard library; dequantisation follows the formulas that AutoGPTQ
documents. Recorded with NumPy 2.4.6:  python tests/oracle/probe_trials.py
"""

import json
import struct
from pathlib import Path

import numpy as np

DIR = Path(__file__).parent / "probe_trials"
DTYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}


def load(file):
    raw = (DIR / file).read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    data = raw[8 + size :]
    return {
        name: np.frombuffer(data[e["data_offsets"][0] : e["data_offsets"][1]], DTYPES[e["dtype"]]).reshape(e["shape"])
        for name, e in header.items()
        if e["dtype"] in DTYPES
    }


def lar(w, x):
    """w (outputs, inputs)."""
    w, x = w.astype(float), x.astype(float)
    rms = lambda a: np.sqrt(np.mean(a**2))
    return float(np.log(rms(x @ w.T) / (rms(w) * rms(x))) / np.log(x.shape[1]))


def measures(w):
    s = np.linalg.svd(np.asarray(w, dtype=float), compute_uv=False)
    share = s[s > 0] / s.sum()
    return {
        "frobenius_norm": float(np.sqrt((s**2).sum())),
        "spectral_norm": float(s[0]),
        "stable_rank": float((s**2).sum() / s[0] ** 2),
        "effective_rank": float(np.exp(-(share * np.log(share)).sum())),
    }


def gptq(t, layer):
    q, z, s, g = (t[f"{layer}.{part}"] for part in ("qweight", "qzeros", "scales", "g_idx"))
    shifts = np.arange(0, 32, 4)
    q = (q[:, None, :].view(np.uint32) >> shifts[None, :, None]) & 15
    q = q.reshape(-1, q.shape[-1]).astype(float)
    z = ((z[:, :, None].view(np.uint32) >> shifts) & 15).reshape(z.shape[0], -1).astype(float)
    return (q - (z[g] + 1)) * s.astype(float)[g]


def main():
    x, xc = np.load(DIR / "x.npy"), np.load(DIR / "xc.npy")
    gpt2, moe, quantised = load("gpt2.safetensors"), load("moe.safetensors"), load("gptq.safetensors")
    bf16 = (np.fromfile(DIR / "wbf.npy", "<u2")[-13 * 8 :].astype(np.uint32) << 16).view(np.float32).reshape(13, 8)
    wpy2 = np.fromfile(DIR / "wpy2.npy", "<f4")[-13 * 8 :].reshape(13, 8)
    experts = moe["model.layers.0.mlp.experts.gate_up_proj"]
    expected = {
        "lar": {
            "gpt2.safetensors:h.0.attn.c_proj.weight xc.npy": lar(gpt2["h.0.attn.c_proj.weight"].T, xc),
            "gpt2.safetensors:h.0.attn.c_attn.weight xc.npy": lar(gpt2["h.0.attn.c_attn.weight"].T, xc),
            "mtp.safetensors x.npy": lar(load("mtp.safetensors")["model.embed_tokens.weight"], x),
            "attnoutput.safetensors x.npy": lar(load("attnoutput.safetensors")["transformer.embedding.weight"], x),
            "ov.safetensors.index.json x.npy": lar(load("ov-overlay.safetensors")["lm_head.weight"], x),
            "nested.safetensors.index.json x.npy": lar(load("sub/m1.safetensors")["lm_head.weight"], x),
            "sub x.npy": lar(load("sub/m1.safetensors")["lm_head.weight"], x),
            "tfcolon.safetensors:dense/kernel:0 x.npy": lar(load("tfcolon.safetensors")["dense/kernel:0"].T, x),
            "w.npz x.npy": lar(np.load(DIR / "w.npz")["w"], x),
            "wbf.npy x.npy": lar(bf16, x),
            "wpy2.npy x.npy": lar(wpy2, x),
            "r1.npy x.npy": lar(np.load(DIR / "r1.npy"), x),
            "base.safetensors xconst.npy": lar(load("base.safetensors")["lm_head.weight"], np.load(DIR / "xconst.npy")),
        },
        "all": {
            "moe.safetensors": {
                "conv.weight": measures(moe["conv.weight"].reshape(6, 27)),
                "conv1d.weight": measures(moe["conv1d.weight"].reshape(8, 4)),
                "model.layers.0.mlp.gate.weight": measures(moe["model.layers.0.mlp.gate.weight"]),
            }
            | {f"model.layers.0.mlp.experts.gate_up_proj[{i}]": measures(e) for i, e in enumerate(experts)},
            "gptq.safetensors": {
                "model.embed_tokens.weight": measures(quantised["model.embed_tokens.weight"]),
                "model.layers.0.q_proj": measures(gptq(quantised, "model.layers.0.q_proj")),
            },
        },
    }
    (DIR / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
