"""Writes probe_model/: small models and activations as files, and expected.json: their probes by PyTorch.

Each case is a list of arguments for `groklab probe`. Numbers are computed in float64 from what the files hold after
rounding, by torch.linalg.svd of W and of the centred X and by norms of the product itself.
Recorded with PyTorch 2.15.0+cu132, NumPy 2.4.6:  python tests/oracle/probe_model.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "probe_model"
M, N, ROWS = 24, 12, 40


def ranks(v):
    return v.argsort().argsort().double()


def probe(w, x):
    """w (m, n) and x (rows, n) in float64, m >= n, full rank."""
    n = w.shape[1]
    log_n = lambda v: (torch.log(v) / np.log(n)).item()
    _, s, vt = torch.linalg.svd(w, full_matrices=False)
    p = s**2 / (s**2).sum()
    q = ((x @ vt.T) ** 2).sum(0) / (x**2).sum()
    rms = lambda a: (a**2).mean().sqrt()
    lar = log_n(rms(x @ w.T) / (rms(w) * rms(x)))
    variances = torch.linalg.svdvals(x - x.mean(0)) ** 2
    held = variances.cumsum(0) / variances.sum()
    k = lambda share: int((held < share).sum()) + 1
    corr = lambda a, b: torch.corrcoef(torch.stack([a, b]))[0, 1].item()
    share = s / s.sum()
    return {
        "lar": lar,
        "lar_spectra": 1 + 0.5 * log_n((p * q).sum()),
        "k_pred": n ** (2 * (1 - lar)),
        "k90": k(0.90),
        "k95": k(0.95),
        "k99": k(0.99),
        "p1": p[0].item(),
        "q1": q[0].item(),
        "l1": 1 + 0.5 * log_n(p[0] * q[0]),
        "sigma_p": p.std(correction=0).item(),
        "sigma_q": q.std(correction=0).item(),
        "pearson": corr(p, q),
        "spearman": corr(ranks(p), ranks(q)),
        "stable_rank": (torch.linalg.matrix_norm(w) ** 2 / torch.linalg.matrix_norm(w, 2) ** 2).item(),
        "effective_rank": torch.exp(-(share * share.log()).sum()).item(),
    }


def measures(w):
    s = torch.linalg.svdvals(w)
    share = s / s.sum()
    return {
        "frobenius_norm": torch.linalg.matrix_norm(w).item(),
        "spectral_norm": s[0].item(),
        "p1": (s[0] ** 2 / (s**2).sum()).item(),
        "stable_rank": ((s**2).sum() / s[0] ** 2).item(),
        "effective_rank": torch.exp(-(share * share.log()).sum()).item(),
    }


def main():
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(6)
    falling = torch.arange(1, N + 1).double() ** -0.7
    turn = torch.linalg.qr(torch.randn(N, N).double())[0]
    w = (torch.randn(M, N).double() * falling) @ turn.T + 0.1
    x = (torch.randn(ROWS, N).double() * falling) @ turn.T + 0.2
    cases = []

    def case(name, args, w, x, tied=False, transposed=False):
        about = {"tied": tied, "transposed": transposed, "rows": len(x)}
        cases.append({"name": name, "args": args, **about, "probe": probe(w.double(), x.double())})

    # one file, f32 and f32; other tensors beside it
    save_file({"lm_head.weight": w.float(), "steps": torch.arange(3), "norm.weight": torch.ones(N)}, OUT / "f32.safetensors")
    np.save(OUT / "x-f32.npy", x.float().numpy())
    case("f32", ["--weights", "f32.safetensors", "--activations", "x-f32.npy"], w.float(), x.float())

    # shards behind an index: the head in bf16; activations of three dimensions, in bf16, beside a mask
    save_file({"model.embed_tokens.weight": torch.randn(M, N).bfloat16()}, OUT / "model-00001-of-00002.safetensors")
    save_file({"model.norm.weight": torch.ones(N).bfloat16(), "lm_head.weight": w.bfloat16()}, OUT / "model-00002-of-00002.safetensors")
    index = {
        "metadata": {"total_size": 0},
        "weight_map": {
            "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
            "lm_head.weight": "model-00002-of-00002.safetensors",
            "model.norm.weight": "model-00002-of-00002.safetensors",
        },
    }
    (OUT / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"x": x.bfloat16().reshape(4, 10, N), "mask": torch.ones(4, 10).bool()}, OUT / "x-bf16.safetensors")
    args = ["--weights", "model.safetensors.index.json", "--activations", "x-bf16.safetensors"]
    case("index, bf16, three dimensions", args, w.bfloat16(), x.bfloat16())

    # tied heads, f16; activations in two files of unequal length, f16
    save_file({"transformer.wte.weight": w.half(), "transformer.h.0.attn.weight": torch.ones(N, 2 * N).half()}, OUT / "tied-f16.safetensors")
    np.save(OUT / "x-f16-a.npy", x.half()[:7].numpy())
    np.save(OUT / "x-f16-b.npy", x.half()[7:].numpy())
    args = ["--weights", "tied-f16.safetensors", "--activations", "x-f16-a.npy", "x-f16-b.npy"]
    case("tied, f16, two files", args, w.half(), x.half(), tied=True)

    # (width, outputs) in f64, as TransformerLens keeps it; activations in f64, Fortran order
    save_file({"unembed.W_U": w.T.contiguous(), "W_E": w.clone()}, OUT / "transposed-f64.safetensors")
    np.save(OUT / "x-fortran.npy", np.asfortranarray(x.numpy()))
    args = ["--weights", "transposed-f64.safetensors:unembed.W_U", "--activations", "x-fortran.npy"]
    case("transposed, f64, Fortran order", args, w, x, transposed=True)

    # a square matrix, which only --transposed can tell from its transpose; .npy weights
    square = w[:N] + torch.eye(N).double()
    np.save(OUT / "square.npy", square.T.contiguous().numpy())
    args = ["--weights", "square.npy", "--transposed", "--activations", "x-fortran.npy"]
    case("square, transposed", args, square, x, transposed=True)

    every = {"unembed.W_U": measures(w), "W_E": measures(w)}
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    text = json.dumps({"versions": versions, "cases": cases, "all": every}, indent=1)
    (OUT / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
