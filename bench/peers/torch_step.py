"""Milliseconds per training step of the study's model in PyTorch, one thread. usage: torch_step.py eager|compile"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch_model import B, V, Model

WARM_UP, STEPS = 5, 20


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
