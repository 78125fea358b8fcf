"""Steps of PyTorch's optimisers with weight decay, recorded: what candle-optimisers and our own must do.

    python3 tests/oracle/optimisers.py tests/oracle/optimisers.json

Needs torch. Twelve parameters, forty steps of gradients that do not depend on the parameters, in float64. Decay is
decoupled (θ ← θ·(1 − lr·λ) before the step), by the optimiser itself where PyTorch has it (AdamW, NAdam, RAdam) and by
hand where it has not, but for RMSprop, whose decay is λθ added to the gradient.
"""

import json
import math
import sys

import torch

N, STEPS, LR, DECAY, BETA1, BETA2, EPS = 12, 40, 0.01, 0.3, 0.9, 0.98, 1e-8
DECOUPLED = dict(lr=LR, betas=(BETA1, BETA2), eps=EPS, weight_decay=DECAY)

OPTIMISERS = {
    "adamw": (torch.optim.AdamW, DECOUPLED),
    "adam": (torch.optim.AdamW, DECOUPLED),
    "adadelta": (torch.optim.Adadelta, dict(lr=LR, rho=BETA2, eps=EPS)),
    "adagrad": (torch.optim.Adagrad, dict(lr=LR, eps=EPS)),
    "adamax": (torch.optim.Adamax, dict(lr=LR, betas=(BETA1, BETA2), eps=EPS)),
    "nadam": (torch.optim.NAdam, DECOUPLED | dict(decoupled_weight_decay=True)),
    "radam": (torch.optim.RAdam, DECOUPLED | dict(decoupled_weight_decay=True)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=LR, alpha=BETA2, eps=EPS, weight_decay=DECAY)),
    "sgd": (torch.optim.SGD, dict(lr=LR, momentum=BETA1)),
}


def gradient(step):
    """Of a few signs and sizes; `optim/oracle_tests.rs` has the same."""
    return [math.cos(7 * i + 0.3 * step) * 10.0 ** -(i % 4) for i in range(N)]


def run(make, options):
    p = torch.nn.Parameter(torch.tensor([math.sin(i + 1.0) for i in range(N)]))
    optimiser = make([p], **options)
    rows = []
    for step in range(STEPS):
        p.grad = torch.tensor(gradient(step))
        if "weight_decay" not in options:
            with torch.no_grad():
                p.mul_(1 - LR * DECAY)
        optimiser.step()
        if step % 10 in (0, 9):
            rows.append([step, p.detach().tolist()])
    return rows


torch.set_default_dtype(torch.float64)
record = {"framework": f"PyTorch {torch.__version__}"}
record |= {name: run(make, options) for name, (make, options) in OPTIMISERS.items()}
with open(sys.argv[1], "w") as f:
    json.dump(record, f, indent=1)
    f.write("\n")
