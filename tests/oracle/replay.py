"""Replays a trace of groklab in PyTorch, from the definitions, and records what PyTorch got.

    cargo run --release -- trace add --steps 20 --out trace.safetensors
    python3 tests/oracle/replay.py trace.safetensors tests/oracle/replay-paper.json

`replay-epsilon.json` is of a run whose gradients are all below 1e-9, so that ε = 1e-8 sets the steps; its losses do
not move, its parameters do:

    cargo run --release -- trace add --steps 20 --set model.output_scale=1e-8 --set optim.weight_decay=0 --out trace.safetensors

`replay-sequence.json` is of equations without their operator:

    cargo run --release -- trace add --steps 20 --set model.sequence=without-operator --out trace.safetensors

Needs torch, safetensors and Python 3.11 (tomllib). The model is written with torch.nn.functional and the
optimiser is torch.optim.AdamW; nothing is taken from groklab but the numbers in the file. It computes in
float64, the fairer judge: with preset `power`, PyTorch's own float32 is 1e-4 from its float64 after 20 steps
(presumably units near the kink of ReLU).
"""

import json
import math
import sys
import tomllib

import torch
import torch.nn.functional as F
from safetensors import safe_open


def positions(params, model, n_ctx):
    d = model["d_model"]
    if model["positions"] == "learned":
        return params["embed.position.weight"]
    return torch.tensor(
        [
            [
                math.sin(t / 10000 ** (i / d)) if i % 2 == 0 else math.cos(t / 10000 ** ((i - 1) / d))
                for i in range(d)
            ]
            for t in range(n_ctx)
        ]
    )


def forward(params, rows, config, n_symbols):
    model = config["model"]
    d, heads = model["d_model"], model["n_heads"]
    b = len(rows)
    sign = lambda i: torch.full((b,), n_symbols + i)
    if model.get("sequence", "with-operator") == "with-operator":
        tokens = torch.stack([rows[:, 0], sign(0), rows[:, 1], sign(1)], dim=1)
    else:
        tokens = torch.stack([rows[:, 0], rows[:, 1], sign(0)], dim=1)
    n_ctx = tokens.shape[1]

    def norm(name, h):
        return F.layer_norm(h, (d,), params[name + ".weight"], params[name + ".bias"], 1e-5)

    def linear(name, h):
        return F.linear(h, params[name + ".weight"], params.get(name + ".bias"))

    def attention(l, h):
        q, k, v = (
            linear(f"blocks.{l}.attn.{x}", h).view(b, n_ctx, heads, d // heads).transpose(1, 2) for x in "qkv"
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return linear(f"blocks.{l}.attn.o", mixed.transpose(1, 2).reshape(b, n_ctx, d))

    def mlp(l, h):
        activation = F.gelu if model["activation"] == "gelu" else F.relu
        return linear(f"blocks.{l}.mlp.down", activation(linear(f"blocks.{l}.mlp.up", h)))

    h = F.embedding(tokens, params["embed.token.weight"]) + positions(params, model, n_ctx)
    for l in range(model["n_layers"]):
        n1, n2 = f"blocks.{l}.norm1", f"blocks.{l}.norm2"
        if model["norm"] == "pre":
            h = h + attention(l, norm(n1, h))
            h = h + mlp(l, norm(n2, h))
        elif model["norm"] == "post":
            h = norm(n1, h + attention(l, h))
            h = norm(n2, h + mlp(l, h))
        else:
            h = h + attention(l, h)
            h = h + mlp(l, h)
    x = h[:, -1]
    if model["final_norm"]:
        x = norm("final_norm", x)
    w = params["embed.token.weight"][:n_symbols] if model["tied"] else params["unembed.weight"]
    return model.get("output_scale", 1) * (x @ w.T)


def main(trace, out):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    with safe_open(trace, "pt") as f:
        tensors = {name: f.get_tensor(name) for name in f.keys()}
        metadata = json.loads(f.metadata()["groklab"])
    config, n_symbols = tomllib.loads(metadata["config"]), int(metadata["n_symbols"])
    params = {
        name.removeprefix("initial."): torch.nn.Parameter(t.double())
        for name, t in tensors.items()
        if name.startswith("initial.")
    }
    optim = config["optim"]
    optimizer = torch.optim.AdamW(
        params.values(),
        lr=optim["learning_rate"],
        betas=(optim["beta1"], optim["beta2"]),
        eps=optim["epsilon"],
        weight_decay=optim["weight_decay"],
    )
    initial = {name: p.detach().clone() for name, p in params.items()}
    losses, largest, start = [], 0.0, 0
    for size, lr in zip(tensors["batch_sizes"].tolist(), tensors["learning_rates"].tolist()):
        rows = tensors["equations"][tensors["batch_rows"][start : start + size]]
        start += size
        loss = F.cross_entropy(forward(params, rows, config, n_symbols), rows[:, 2])
        optimizer.zero_grad()
        loss.backward()
        largest = max(largest, *(p.grad.abs().max().item() for p in params.values()))
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        losses.append(loss.item())

    def worst(prefix, values):
        return max((tensors[prefix + n] - v).abs().max().item() for n, v in values.items())

    difference = max(abs(a - b) for a, b in zip(losses, tensors["losses"].tolist()))
    record = {
        "framework": f"PyTorch {torch.__version__}",
        "config": config,
        "losses": losses,
        "largest_gradient": largest,
        # of each parameter, how far its first eight entries went
        "moved": {n: (p.detach() - initial[n]).flatten()[:8].tolist() for n, p in params.items()},
        "largest_difference": {
            "loss": difference,
            "final parameter": worst("final.", {n: p.detach() for n, p in params.items()}),
            "first moment": worst("adamw.m.", {n: optimizer.state[p]["exp_avg"] for n, p in params.items()}),
            "second moment": worst("adamw.v.", {n: optimizer.state[p]["exp_avg_sq"] for n, p in params.items()}),
        },
    }
    with open(out, "w") as f:
        json.dump(record, f, indent=1)
        f.write("\n")
    print(json.dumps(record["largest_difference"]))
    if difference > 1e-4:
        sys.exit("the losses differ by more than 1e-4")


if __name__ == "__main__":
    main(*sys.argv[1:])
