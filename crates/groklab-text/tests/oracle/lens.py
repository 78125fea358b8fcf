"""The toy of Spectral Lens in PyTorch, f64, as modules of torch.nn with its own attention: logits, loss, gradients.

python lens.py > lens.json        (recorded with PyTorch 2.9.0 and NumPy 2.4.6)

Parameters are a formula of their flat index, so none is written down. Gradients are summed up by parameter: their sum, and
their scalar product with a fixed wave, which is different for every order of the entries. Singular values are those of the
stack of the gradients of each sequence's own loss.
"""

import json

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
V, T, D, L, H, FF = 11, 6, 8, 2, 2, 12
INPUTS = [[3, 1, 4, 1, 5, 9], [2, 6, 5, 10, 0, 7], [8, 8, 0, 2, 4, 1]]
TARGETS = [[1, 4, 1, 5, 9, 2], [6, 5, 10, 0, 7, 8], [8, 0, 2, 4, 1, 3]]
EPS = 1e-6


def norm(x):
    return F.rms_norm(x, (x.shape[-1],), eps=EPS)


def rope(x):
    """Halves rotated, as complex numbers: x (B, H, T, size)."""
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[2])[:, None] * 10000.0 ** (-2 * torch.arange(half) / x.shape[-1])
    z = torch.complex(x[..., :half].contiguous(), x[..., half:].contiguous()) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], dim=-1)


def names(rotary, own_head):
    found = [("embed", (V, D))]
    if not rotary:
        found.append(("positions", (T, D)))
    for b in range(L):
        maps = [("q", (D, D)), ("k", (D, D)), ("v", (D, D))] if rotary else [("qkv", (3 * D, D))]
        found += [(f"{b}.{n}", s) for n, s in maps + [("o", (D, D)), ("up", (FF, D)), ("down", (D, FF))]]
    if own_head:
        found.append(("unembed", (V, D)))
    return found


def parameters(rotary, own_head):
    at, params = 0, {}
    for name, shape in names(rotary, own_head):
        n = int(np.prod(shape))
        params[name] = torch.tensor(0.4 * np.sin(1.7 * np.arange(at, at + n) + 0.3)).reshape(shape).requires_grad_()
        at += n
    return params


def forward(p, ids, rotary, own_head, normalised):
    x = F.embedding(ids, p["embed"])
    if not rotary:
        x = x + p["positions"]
    if normalised:
        x = norm(x)
    heads = lambda y: y.unflatten(-1, (H, D // H)).transpose(1, 2)
    for b in range(L):
        h = norm(x)
        if rotary:
            q, k, v = (heads(F.linear(h, p[f"{b}.{n}"])) for n in "qkv")
            q, k = rope(norm(q)), rope(norm(k))
        else:
            q, k, v = (heads(y) for y in F.linear(h, p[f"{b}.qkv"]).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.linear(mixed.transpose(1, 2).flatten(2), p[f"{b}.o"])
        x = x + F.linear(F.relu(F.linear(norm(x), p[f"{b}.up"])).square(), p[f"{b}.down"])
    return F.linear(norm(x), p["unembed" if own_head else "embed"])


def case(rotary, own_head, normalised):
    p = parameters(rotary, own_head)
    ids, targets = torch.tensor(INPUTS), torch.tensor(TARGETS)
    out = forward(p, ids, rotary, own_head, normalised)
    loss = F.cross_entropy(out.flatten(0, 1), targets.flatten())
    loss.backward()
    sums = []
    for name, _ in names(rotary, own_head):
        g = p[name].grad.flatten().numpy()
        sums.append([float(g.sum()), float(g @ np.cos(0.9 * np.arange(len(g))))])
    spectra = {}
    for name in ["0.o", f"{L - 1}.down", "embed", "unembed" if own_head else "embed"]:
        rows = []
        for i in range(len(INPUTS)):
            one = F.cross_entropy(forward(p, ids[i : i + 1], rotary, own_head, normalised)[0], targets[i])
            rows.append(torch.autograd.grad(one, p[name])[0].flatten().numpy())
        spectra[name] = np.linalg.svd(np.array(rows), compute_uv=False).tolist()
    return {
        "rotary": rotary,
        "own_head": own_head,
        "normalised_embedding": normalised,
        "logits": out.detach().flatten().tolist(),
        "loss": loss.item(),
        "gradient_sums": sums,
        "singular_values": spectra,
    }


cases = [case(False, False, False), case(True, False, False), case(True, True, True), case(False, True, False), case(True, False, True)]
print(json.dumps({"inputs": INPUTS, "targets": TARGETS, "cases": cases}))
