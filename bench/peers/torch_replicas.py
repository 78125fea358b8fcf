"""Replica-steps per second of the study's model in PyTorch on the default device.

usage: torch_replicas.py MODE REPLICAS... [--precision f32|tf32]
MODE vmap: torch.func over replicas, eager; compile: the same compiled; graphs: compiled into CUDA graphs.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch_model import B, V, Model, written_out

STEPS, ROUNDS = 10, 5  # an epoch of x + y at one half of the table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("mode", choices=["vmap", "compile", "graphs"])
parser.add_argument("replicas", type=int, nargs="+")
parser.add_argument("--precision", choices=["f32", "tf32"], default="f32")
args = parser.parse_args()
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
torch.manual_seed(0)


def loss_of(p, x, y):
    tokens = torch.stack([x, torch.full_like(x, V), y, torch.full_like(y, V + 1)], dim=1)
    return F.cross_entropy(torch.func.functional_call(skeleton, p, (tokens,)), (x + y) % V)


gradient = torch.func.vmap(torch.func.grad_and_value(loss_of))


def step(p, m, v, t, x, y):
    g, loss = gradient(p, x, y)
    t += 1
    for k in p:  # in place, so that a graph reads and writes the same memory
        m[k].mul_(0.9).add_(g[k], alpha=0.1)
        v[k].mul_(0.98).addcmul_(g[k], g[k], value=0.02)
        p[k].mul_(1 - 1e-3).sub_(1e-3 * (m[k] / (1 - 0.9**t)) / ((v[k] / (1 - 0.98**t)).sqrt() + 1e-8))
    return loss


if args.mode != "vmap":
    step = torch.compile(step, mode="reduce-overhead" if args.mode == "graphs" else None)
wait = torch.cuda.synchronize if device == "cuda" else lambda: None
skeleton = Model(written_out).to(device)
for replicas in args.replicas:
    models = [Model(written_out).to(device) for _ in range(replicas)]
    p = {k: torch.stack([dict(model.named_parameters())[k].detach() for model in models]) for k, _ in models[0].named_parameters()}
    m, v = ({k: torch.zeros_like(w) for k, w in p.items()} for _ in range(2))
    t = torch.zeros((), device=device)
    times = []
    for _ in range(ROUNDS + 1):
        x, y = torch.randint(0, V, (2, STEPS, replicas, B), device=device)
        wait()
        start = time.perf_counter()
        for i in range(STEPS):
            loss = step(p, m, v, t, x[i], y[i])
        wait()
        times.append(time.perf_counter() - start)
    median = sorted(times[1:])[ROUNDS // 2]  # the first one compiles
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(json.dumps({
        "program": f"PyTorch {torch.__version__} {args.mode}, {args.precision}, {name}",
        "replicas": replicas,
        "replica_steps_per_second": replicas * STEPS / median,
        "mean_loss_of_the_last_step": float(loss.mean()),
    }), flush=True)
