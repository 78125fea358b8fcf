"""Milliseconds per training step of the preset lm-small in PyTorch, one thread: 8 sequences of 64, Adam at 4e-3, gradients
clipped at norm 1. usage: torch_text.py eager|compile"""

import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

V, T, D, L, H, FF, B = 512, 64, 64, 2, 4, 256, 8
WARM_UP, STEPS = 10, 60


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(D))

    def forward(self, x):
        return F.rms_norm(x, (D,), 1 + self.gain, 1e-6)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda inputs, outputs: nn.Linear(inputs, outputs, bias=False)
        self.q, self.k, self.v, self.o = (linear(D, D) for _ in range(4))
        self.gate, self.up, self.down = linear(D, FF), linear(D, FF), linear(FF, D)
        self.attn_in, self.attn_out, self.mlp_in, self.mlp_out = (Norm() for _ in range(4))

    def forward(self, x, cos, sin):
        def heads(y):
            return y.unflatten(-1, (H, D // H)).transpose(1, 2)

        def rotate(y):
            left, right = y.chunk(2, dim=-1)
            return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)

        h = self.attn_in(x)
        q, k, v = rotate(heads(self.q(h))), rotate(heads(self.k(h))), heads(self.v(h))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_out(self.o(mixed.transpose(1, 2).flatten(2)))
        h = self.mlp_in(x)
        return x + self.mlp_out(self.down(F.gelu(self.gate(h), approximate="tanh") * self.up(h)))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.unembed = nn.Embedding(V, D), nn.Linear(D, V, bias=False)
        self.blocks, self.final = nn.ModuleList(Block() for _ in range(L)), Norm()
        half = D // H // 2
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=1 / math.sqrt(D))

    def forward(self, ids):
        x = self.embed(ids) * math.sqrt(D)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.unembed(self.final(x))


def main(mode):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Model()
    assert sum(p.numel() for p in model.parameters()) == 197_184
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3, betas=(0.95, 0.999), eps=1e-8)
    loss_of = lambda x, y: F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    if mode == "compile":
        loss_of = torch.compile(loss_of)
    ids = torch.randint(0, V, (WARM_UP + STEPS, B, T + 1))
    times = []
    for step in range(WARM_UP + STEPS):
        start = time.perf_counter()
        loss = loss_of(ids[step, :, :-1], ids[step, :, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter() - start)
    assert math.isfinite(loss.item())
    times = sorted(times[WARM_UP:])
    print(json.dumps({"program": f"PyTorch {torch.__version__} {mode}", "ms_per_step": 1e3 * times[len(times) // 2]}))


main(sys.argv[1])
