"""`groklab.capture` against PyTorch's own products and singular values: python python/tests/with_torch.py

Needs PyTorch and safetensors. Prints the largest difference; ends with an error above 1e-10.
"""

import json
import math
import subprocess
import tempfile
from pathlib import Path

import groklab
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(97, 32)
        self.block = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.lm_head = torch.nn.Linear(32, 97, bias=False)

    def forward(self, tokens):
        return self.lm_head(self.block(self.embed(tokens)))


torch.manual_seed(1)
model = Model().double()
batches = [torch.randint(97, (8, 20)) for _ in range(5)]
with torch.no_grad(), groklab.capture(model, ["lm_head"]) as rows, groklab.capture(model, ["lm_head"], gram=True) as sums:
    outputs = torch.cat([model(batch) for batch in batches]).reshape(-1, 97)
with torch.no_grad():
    model(batches[0])  # the hooks are gone
x, w = rows["lm_head"], model.lm_head.weight.detach()
assert x.shape == (800, 32), x.shape
_, s, v = torch.linalg.svd(w)
p = s.square() / s.square().sum()
q = (x @ v.T).square().sum(0) / x.square().sum()
lar = 1 + 0.5 * math.log(outputs.square().sum() / (x.square().sum() * w.square().sum())) / math.log(32)
expected = {"lar": lar, "lar_spectra": 1 + 0.5 * math.log(p @ q) / math.log(32), "p1": p[0].item(), "q1": q[0].item()}
found = rows.probe("lm_head")
worst = max(abs(found[key] - value) for key, value in expected.items())
worst = max(worst, abs(sums["lm_head"].lar(w) - lar))
centred = x - x.mean(0)
worst = max(worst, (torch.tensor(sums["lm_head"].covariance()) - centred.T @ centred / len(x)).abs().max().item())
with tempfile.TemporaryDirectory() as directory:
    weights, activations = Path(directory) / "w.safetensors", Path(directory) / "x.safetensors"
    rows.save(weights, activations)
    command = [groklab.program(), "probe", "--json", "--all", "--weights", weights, "--activations", activations]
    [layer] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["layers"]
    worst = max(worst, abs(layer["lar"] - lar))
print(f"PyTorch {torch.__version__}: largest difference {worst:.1e}")
assert worst < 1e-10
