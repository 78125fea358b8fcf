"""Writes jacobian.json: GrokAlign's Jacobian term R = mean_i sqrt(max(C |v_i^T J(x_i)|^2, 1e-8)) of three small transformers,
and of its gradient by each parameter the norm and one inner product, by double backward in float64.

The forward pass is replay.py's; J is the derivative of the logits by the embedded tokens. Parameters are those of
diagnostics.py, directions come from the same formula; the test repeats both.

Recorded with PyTorch 2.9.0 and NumPy 2.4.6:  python tests/oracle/jacobian.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch

import replay
from diagnostics import MODELS, SYMBOLS, parameters, wave

torch.set_default_dtype(torch.float64)


def of_model(model, scale):
    pairs = torch.tensor([(x, y, (x + y) % SYMBOLS) for x in range(SYMBOLS) for y in range(SYMBOLS)])
    rows = pairs[(3 * pairs[:, 0] + 5 * pairs[:, 1]) % 7 < 4]
    params = parameters(model, SYMBOLS)
    v = torch.tensor(wave(np.arange(len(rows) * SYMBOLS)).reshape(len(rows), SYMBOLS))
    v = v / v.norm(dim=1, keepdim=True)

    caught = []
    embedding = torch.nn.functional.embedding

    def seen_embedding(tokens, table):
        caught.append(embedding(tokens, table))
        return caught[-1]

    def attention(q, k, v, is_causal):
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        return scores.masked_fill(torch.ones(4, 4).triu(1).bool(), -torch.inf).softmax(-1) @ v

    replay.F.embedding, replay.F.scaled_dot_product_attention = seen_embedding, attention
    logits = scale * replay.forward(params, rows, {"model": model}, SYMBOLS)
    replay.F.embedding = embedding
    (g,) = torch.autograd.grad((logits * v).sum(), caught, create_graph=True)
    r = (SYMBOLS * g.flatten(1).square().sum(1)).clamp(min=1e-8).sqrt().mean()
    names = list(params)
    grads = torch.autograd.grad(r, [params[name] for name in names], allow_unused=True)
    found = {}
    for name, grad in zip(names, grads):
        grad = np.zeros(params[name].numel()) if grad is None else grad.numpy().ravel()
        found[name] = [float(np.linalg.norm(grad)), float(grad @ wave(np.arange(len(grad))))]
    return {"scale": scale, "mean_norm": r.item(), "gradient": found}


def main():
    found = {name: of_model(model, scale) for (name, model), scale in zip(MODELS.items(), [1.0, 1.0, 0.5])}
    (Path(__file__).parent / "jacobian.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
