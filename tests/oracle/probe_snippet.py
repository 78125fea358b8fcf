"""Runs the export snippet of docs/probe.md on a small torch model, then `groklab probe` on what it wrote, and compares
with PyTorch's own SVD:  cargo build && python tests/oracle/probe_snippet.py target/debug/groklab
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from probe_model import probe


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(97, 32)
        self.block = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.norm = torch.nn.LayerNorm(32)
        self.lm_head = torch.nn.Linear(32, 97, bias=False)

    def forward(self, tokens):
        return self.lm_head(self.norm(self.block(self.embed(tokens))))


def main():
    groklab = Path(sys.argv[1]).resolve()
    text = (Path(__file__).parents[2] / "docs" / "probe.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    torch.manual_seed(1)
    names = {"model": Model().eval(), "batches": [torch.randint(97, (8, 20)) for _ in range(5)]}
    with tempfile.TemporaryDirectory() as directory:
        # the snippet writes into the current directory
        os.chdir(directory)
        exec(snippet, names)
        command = [groklab, "probe", "--json", "--weights", "weights.safetensors", "--activations", "activations.safetensors"]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["probe"]
        os.chdir("/")
    expected = probe(names["model"].lm_head.weight.detach().double(), torch.cat(names["rows"]).double())
    worst = max(abs(found[key] - value) for key, value in expected.items())
    print(f"{len(expected)} numbers, largest difference {worst:.1e}")
    assert worst < 1e-10


main()
