"""Writes two files called diagnostics.json: every diagnostic of groklab's registry, computed by NumPy and PyTorch on
routes of their own, of models here and of single matrices in crates/groklab-probe/tests/oracle.

Matrices: PCA and RankMe by SVD of X itself, lines by numpy.polyfit, Gini by its sum over pairs, Fourier energies by
numpy.fft.rfft, the part of logits at some frequencies by a masked fft2.

Models: small transformers computed by replay.py's forward pass in float64. The inputs of each linear layer are
caught where torch.nn.functional.linear is called; positions reach the loss where autograd leaves a gradient that is
not zero on the layer's output; Jacobians are those of autograd, one logit at a time; attention weights are computed from q and k as they are handed to
scaled_dot_product_attention. Parameters come from a formula that the test repeats.

Recorded with NumPy 2.4.6 and PyTorch 2.9.0:  python tests/oracle/diagnostics.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch

import replay

torch.set_default_dtype(torch.float64)

SYMBOLS = 13
PAPER = {"n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 12, "norm": "pre", "final_norm": True,
         "activation": "gelu", "positions": "learned", "bias": False, "tied": False}
MODELS = {
    "paper": PAPER,
    "power, biases, tied": PAPER | {"norm": "post", "final_norm": False, "activation": "relu",
                                    "positions": "sinusoidal", "bias": True, "tied": True},
    "one layer, no norm": PAPER | {"n_layers": 1, "norm": "none", "final_norm": False, "activation": "relu",
                                   "bias": True},
    "no operator": PAPER | {"sequence": "without-operator"},
}


def has_operator(model):
    return model.get("sequence", "with-operator") == "with-operator"


def entropy(values):
    shares = np.asarray(values) / np.sum(values)
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))


def line(values, first):
    if len(values) < 3:
        return math.nan, math.nan
    x, y = np.log(np.arange(first, first + len(values))), np.log(values)
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(1 - np.sum((y - slope * x - intercept) ** 2) / np.sum((y - y.mean()) ** 2))


def of_activations(x, answers):
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / len(x)
    variances = variances[variances > 1e-14 * variances[0]]
    head = math.isqrt(len(variances))
    singular = np.linalg.svd(x, compute_uv=False)
    singular = np.where(singular > 1e-7 * singular[0], singular, 0)
    shares = singular / singular.sum() + 1e-7
    means = np.array([x[answers == a].mean(axis=0) for a in answers])
    within = math.sqrt(np.mean(np.sum((x - means) ** 2, axis=1)))
    between = math.sqrt(np.mean(np.sum((means - x.mean(axis=0)) ** 2, axis=1)))
    head_slope, head_r2 = line(variances[:head], 1)
    tail_slope, tail_r2 = line(variances[head:], head + 1)
    return {
        "participation_ratio": float(1 / np.sum((variances / variances.sum()) ** 2)),
        "spectral_entropy": entropy(variances),
        "rankme": float(np.exp(-np.sum(shares * np.log(shares)))),
        "head_slope": head_slope,
        "head_r2": head_r2,
        "tail_slope": tail_slope,
        "tail_r2": tail_r2,
        "within_class_distance": within,
        "between_class_distance": between,
        "class_distance_ratio": within / between,
    }


def energies(a):
    p = len(a)
    squares = np.sum(np.abs(np.fft.rfft(a, axis=0)) ** 2, axis=1)[1:] / p
    # frequencies k and p - k are one, but for p/2
    return np.array([e if 2 * (k + 1) == p else 2 * e for k, e in enumerate(squares)])


def gini(values):
    values = np.asarray(values)
    return float(np.abs(values[:, None] - values[None, :]).sum() / (2 * len(values) * values.sum()))


def component(logits, p, frequencies):
    """The part of logits[(x, y), m] with the same frequency, up to sign, in x and y."""
    spectrum = np.fft.fft2(logits.reshape(p, p, -1), axes=(0, 1))
    k = np.minimum(np.arange(p), p - np.arange(p))
    mask = (k[:, None] == k[None, :]) & np.isin(k, frequencies)[:, None]
    return np.fft.ifft2(spectrum * mask[:, :, None], axes=(0, 1)).real.reshape(p * p, -1)


def key_frequencies(e):
    order = sorted(range(len(e)), key=lambda i: -e[i])
    return [i + 1 for i in order if e[i] > 2 * np.mean(e)]


def cross_entropy(logits, answers):
    return float(torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(answers)))


def lar(w, x):
    n = w.shape[1]
    rms = lambda a: np.sqrt(np.mean(a**2))
    return float(np.log(rms(x @ w.T) / (rms(w) * rms(x))) / np.log(n))


def shapes(model, v):
    d, m = model["d_model"], model["d_mlp"]
    operators = int(has_operator(model))
    yield "embed.token.weight", (v + 1 + operators, d)
    if model["positions"] == "learned":
        yield "embed.position.weight", (3 + operators, d)
    for l in range(model["n_layers"]):
        b = f"blocks.{l}."
        for part in [["attn." + x for x in "qkvo"], ["mlp.up", "mlp.down"]]:
            norm = b + ("norm1" if part[0] == "attn.q" else "norm2")
            if model["norm"] != "none":
                yield norm + ".weight", (d,)
                yield norm + ".bias", (d,)
            size = {"mlp.up": (m, d), "mlp.down": (d, m)}
            yield from ((b + x + ".weight", size.get(x, (d, d))) for x in part)
            if model["bias"]:
                yield from ((b + x + ".bias", size.get(x, (d, d))[:1]) for x in part)
    if model["final_norm"]:
        yield "final_norm.weight", (d,)
        yield "final_norm.bias", (d,)
    if not model["tied"]:
        yield "unembed.weight", (v, d)


def wave(i):
    return 2 * ((i * i % 1009 * 31 + 17 * i) % 1009) / 1009 - 1


def parameters(model, v):
    """The flat buffer is 2·((i² mod 1009)·31 + 17 i mod 1009) / 1009 − 1; gains are around 1, embeddings are waves besides."""
    params, start = {}, 0
    for name, shape in shapes(model, v):
        i = np.arange(start, start + math.prod(shape))
        values = wave(i)
        start += len(i)
        if "norm" in name and name.endswith(".weight"):
            values = 1 + 0.5 * values
        if name in ("unembed.weight", "embed.token.weight"):
            row, column = np.divmod(np.arange(len(i)), shape[1])
            k = np.where(column % 2 == 0, 2, 5)
            values = values * 0.25 + np.cos(2 * np.pi * ((k * row) % v) / v + column)
        params[name] = torch.tensor(values.astype(np.float32).astype(np.float64).reshape(shape), requires_grad=True)
    return params


def cosines(a, b):
    return np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def of_jacobian(params, model, v, train, val):
    """J of the logits by the embedded tokens: torch.autograd.grad of each logit."""
    caught = []
    layer = torch.nn.functional.embedding

    def jacobian(rows):
        replay.F.embedding = lambda tokens, table: caught.append(layer(tokens, table)) or caught[-1]
        logits = replay.forward(params, torch.tensor(rows), {"model": model}, v)
        replay.F.embedding = layer
        j = [torch.autograd.grad(logits[:, c].sum(), caught[-1], retain_graph=True)[0].flatten(1) for c in range(v)]
        x = caught[-1] + replay.positions(params, model, caught[-1].shape[1])
        return torch.stack(j, dim=1).numpy(), x.detach().flatten(1).numpy()

    found = {}
    for side, rows in [("train", train[:512]), ("val", val[:512])]:
        j, x = jacobian(rows)
        centroids = j.sum(axis=1)
        slopes = j[np.arange(len(j)), rows[:, 2]] - j.mean(axis=1)
        found["centroid_align_" + side] = float(cosines(centroids, x).mean())
        found["class_align" + ("_val" if side == "val" else "")] = float(cosines(slopes, x).mean())
        if side == "train":
            found["centroid_norm"] = float(np.linalg.norm(centroids, axis=1).mean())
            _, s, vt = np.linalg.svd(j[:64], full_matrices=False)
            found["jacobian_norm"] = float(np.sqrt(np.sum(s**2, axis=1)).mean())
            found["jacobian_pc1"] = float((s[:, 0] ** 2 / np.sum(s**2, axis=1)).mean())
            found["jacobian_align"] = float(np.abs(cosines(vt[:, 0], x[:64])).mean())
    return found


def of_model(model, v):
    pairs = np.array([(x, y, (x + y) % v) for x in range(v) for y in range(v)])
    is_train = (3 * pairs[:, 0] + 5 * pairs[:, 1]) % 7 < 4
    rows = pairs[is_train]
    params = parameters(model, v)
    names = {id(p): name.removesuffix(".weight") for name, p in params.items()}

    calls, looks, norms = [], [], []
    linear, norm = torch.nn.functional.linear, torch.nn.functional.layer_norm

    def seen_linear(h, w, b):
        out = linear(h, w, b)
        out.retain_grad()
        calls.append((names[id(w)], h, out))
        return out

    def seen_attention(q, k, v, is_causal):
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -torch.inf).softmax(-1)
        looks.append(weights)
        return weights @ v

    def seen_norm(*args):
        norms.append(norm(*args))
        return norms[-1]

    replay.F.linear, replay.F.scaled_dot_product_attention, replay.F.layer_norm = seen_linear, seen_attention, seen_norm
    logits = replay.forward(params, torch.tensor(rows), {"model": model}, v)
    torch.nn.functional.cross_entropy(logits, torch.tensor(rows[:, 2])).backward()

    found = {}
    x = norms[-1] if norms[-1].dim() == 2 else norms[-1][:, -1]
    x = x.detach().numpy()
    embed = params["embed.token.weight"].detach().numpy()
    w = embed[:v] if model["tied"] else params["unembed.weight"].detach().numpy()
    found |= of_activations(x, rows[:, 2])

    n = w.shape[1]
    _, s, vt = np.linalg.svd(w, full_matrices=True)
    p = np.zeros(n)
    p[: len(s)] = s**2 / np.sum(s**2)
    q = np.sum((x @ vt.T) ** 2, axis=0) / np.sum(x**2)
    for k in (1, 2, 3, 5, 10):
        partial = 1 + 0.5 * np.log(np.sum(p[:k] * q[:k])) / np.log(n)
        found |= {f"l_{k}": float(partial), f"delta_{k}": lar(w, x) - float(partial)}

    for name, param in params.items():
        if param.dim() == 2:
            found["norm." + name.removesuffix(".weight")] = float(param.detach().norm())
    found["gini_embed"] = gini(np.sqrt(energies(embed[:v])))
    found["gini_unembed"] = gini(np.sqrt(energies(w)))
    key = key_frequencies(energies(w))
    found["key_frequencies"] = float(len(key))
    found |= {f"key_frequency_{i + 1}": float(key[i]) if i < len(key) else math.nan for i in range(10)}

    sign = lambda i: np.full(len(rows), v + i)
    middle = [sign(0), rows[:, 1], sign(1)] if has_operator(model) else [rows[:, 1], sign(0)]
    tokens = np.stack([rows[:, 0], *middle], axis=1)
    found["lar.embed.token"] = lar(embed.T, np.eye(len(embed))[tokens.ravel()])
    for name, h, out in calls:
        lives = (out.grad.abs().amax(-1) > 0).numpy().ravel()
        inputs = h.detach().numpy().reshape(-1, h.shape[-1])[lives]
        found["lar." + name] = lar(params[name + ".weight"].detach().numpy(), inputs)
    found["lar.unembed"] = lar(w, x)
    for l, weights in enumerate(looks):
        for h in range(weights.shape[1]):
            each = [entropy(row) for row in weights[:, h, -1].detach().numpy()]
            found[f"attention_entropy.blocks.{l}.head.{h}"] = float(np.mean(each))

    replay.F.linear = linear
    found["gini_embed_tokens"] = gini(np.sqrt(energies(np.delete(embed, v, axis=0) if has_operator(model) else embed)))
    found |= of_jacobian(params, model, v, rows, pairs[~is_train])
    whole = replay.forward(params, torch.tensor(pairs), {"model": model}, v).detach().numpy()
    at_key = component(whole, v, key)
    found["restricted_loss"] = cross_entropy(whole.mean(axis=0) + at_key, pairs[:, 2])
    found["excluded_loss"] = cross_entropy((whole - at_key)[is_train], rows[:, 2])
    replay.F.linear, replay.F.layer_norm = linear, norm
    return found


def main():
    rng = np.random.default_rng(20260528)
    matrices = []
    for rows, n in [(40, 6), (12, 20), (200, 16)]:
        x = 0.4 + rng.standard_normal((rows, n)) / np.arange(1, n + 1) ** 1.2
        answers = rng.integers(0, 4, rows)
        case = {"n": n, "x": x.astype(np.float32).ravel().tolist(), "answers": answers.tolist()}
        matrices.append(case | {"expected": of_activations(x.astype(np.float32).astype(float), answers)})

    fourier = []
    for p, width, frequencies in [(7, 3, [2]), (8, 2, [1, 4]), (11, 4, [5, 1, 3])]:
        a = rng.standard_normal((p, width))
        logits = rng.standard_normal((p * p, width)).astype(np.float32)
        fourier.append(
            {
                "p": p,
                "a": a.ravel().tolist(),
                "energies": energies(a).tolist(),
                "gini": gini(np.sqrt(energies(a))),
                "logits": logits.ravel().tolist(),
                "frequencies": frequencies,
                "component": component(logits.astype(float), p, frequencies).ravel().tolist(),
            }
        )

    models = {name: of_model(model, SYMBOLS) for name, model in MODELS.items() if model["norm"] != "none"}
    # JSON has no NaN
    clean = lambda found: {k: None if math.isnan(v) else v for k, v in found.items()}
    single = {"matrices": [case | {"expected": clean(case["expected"])} for case in matrices], "fourier": fourier}
    here = Path(__file__).parent
    for folder, out in [
        (here, {name: clean(found) for name, found in models.items()}),
        (here / "../../crates/groklab-probe/tests/oracle", single),
    ]:
        (folder / "diagnostics.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
