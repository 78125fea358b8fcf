"""Milliseconds per training step of the study's model in PyTorch, one thread. usage: torch_step.py eager|compile"""

import json
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

V, D, H, M, L, B, T = 97, 128, 4, 512, 2, 512, 4
WARM_UP, STEPS = 5, 20


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.o = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D, bias=False)
        self.up, self.down = nn.Linear(D, M, bias=False), nn.Linear(M, D, bias=False)

    def forward(self, h):
        b = h.shape[0]
        q, k, v = self.qkv(self.norm1(h)).view(b, T, 3, H, D // H).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.o(mixed.transpose(1, 2).reshape(b, T, D))
        return h + self.down(F.gelu(self.up(self.norm2(h))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(V + 2, D), nn.Parameter(torch.randn(T, D))
        self.blocks = nn.Sequential(*[Block() for _ in range(L)])
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, V, bias=False)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.token(tokens) + self.position)[:, -1]))


def main(mode):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=1.0)
    loss_of = lambda tokens, answers: F.cross_entropy(model(tokens), answers)
    if mode == "compile":
        loss_of = torch.compile(loss_of)
    x, y = torch.randint(0, V, (WARM_UP + STEPS, B)), torch.randint(0, V, (WARM_UP + STEPS, B))
    times = []
    for i in range(WARM_UP + STEPS):
        tokens = torch.stack([x[i], torch.full((B,), V), y[i], torch.full((B,), V + 1)], dim=1)
        start = time.perf_counter()
        loss = loss_of(tokens, (x[i] + y[i]) % V)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    times = sorted(times[WARM_UP:])
    print(json.dumps({"program": f"PyTorch {torch.__version__} {mode}", "ms_per_step": 1e3 * times[len(times) // 2]}))


main(sys.argv[1])
