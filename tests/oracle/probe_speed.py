"""Measures a model of twelve layers 768 wide with `groklab probe --all` and with WeightWatcher, on one core, in one run.

    pip install weightwatcher==0.7.7 safetensors
    python tests/oracle/probe_speed.py target/release/groklab [LAYERS]

Weights are noise with a falling spectrum in it, f32, by numpy.random.default_rng(0). WeightWatcher is given the arrays
as they are: without PyTorch, and so without a GPU, its singular values come from SciPy as they do with PyTorch on a CPU.
Its time is that of analyze(), imports left out; ours is the whole process. Both are given as CPU time too, which other
work on the machine does not lengthen much. Values are compared matrix by matrix.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import types
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np
from safetensors.numpy import save_file

warnings.simplefilter("ignore")
try:
    import torch  # noqa: F401
except ImportError:
    stub = types.ModuleType("torch")
    stub.Tensor = type("Tensor", (), {})
import weightwatcher as ww
import weightwatcher.weightwatcher as inner

if "torch" not in sys.modules:
    inner.torch = stub
logging.getLogger("weightwatcher").setLevel(logging.ERROR)

LAYERS = int(sys.argv[2]) if len(sys.argv) > 2 else 12


def model(layers, d=768):
    r, tensors = np.random.default_rng(0), {}
    sides = {"attn.q": (d, d), "attn.k": (d, d), "attn.v": (d, d), "attn.o": (d, d), "mlp.up": (4 * d, d), "mlp.down": (d, 4 * d)}
    for layer in range(layers):
        for name, shape in sides.items():
            w = r.standard_normal(shape) * 0.02
            u, v = r.standard_normal((shape[0], 64)), r.standard_normal((64, shape[1]))
            w += (u / np.sqrt(np.arange(1, 65.0))) @ v * 0.01
            tensors[f"model.layers.{layer}.{name}.weight"] = w.astype("f4")
    return tensors


def cpu():
    times = os.times()
    return times.user + times.system, times.children_user + times.children_system


def ours(path, *args):
    wall, (_, before) = time.perf_counter(), cpu()
    out = subprocess.run([sys.argv[1], "probe", "--all", "--json", *args, "--weights", path], check=True, capture_output=True)
    return json.loads(out.stdout)["matrices"], time.perf_counter() - wall, cpu()[1] - before


def theirs(tensors, **options):
    wall, (before, _) = time.perf_counter(), cpu()
    found = ww.WeightWatcher(model=tensors).analyze(plot=False, **options)
    return found, time.perf_counter() - wall, cpu()[0] - before


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)  # WeightWatcher writes figures where it is
    tensors = model(LAYERS)
    save_file(tensors, "model.safetensors")
    print(f"{len(tensors)} matrices; weightwatcher {ww.__version__}, NumPy {np.__version__}")
    for what, args, options in [
        ("power laws, norms, ranks", [], {}),
        ("besides, noise edges and shuffled matrices", ["--shuffle"], {"mp_fit": True, "randomize": True}),
    ]:
        matrices, our_wall, our_cpu = ours("model.safetensors", *args)
        frame, wall, their_cpu = theirs(tensors, **options)
        print(f"{what}: groklab {our_wall:.1f} s ({our_cpu:.1f} s of CPU), weightwatcher {wall:.1f} s ({their_cpu:.1f} s of CPU): {their_cpu / our_cpu:.1f} times the CPU time")
        rows = {row["longname"]: row for _, row in frame.iterrows()}
        worst = dict.fromkeys(["alpha", "x_min", "ks", "alpha_error", "alpha_weighted", "log_alpha_norm", "log_norm", "log_spectral_norm", "stable_rank"], 0.0)
        same = 0
        for m in matrices:
            row = rows[m["tensor"].removesuffix(".weight")]
            pairs = {
                "alpha": (m["tail"]["alpha"], row["alpha"]),
                "x_min": (m["tail"]["x_min"], row["xmin"]),
                "ks": (m["tail"]["ks"], row["D"]),
                "alpha_error": (m["tail"]["alpha_error"], row["sigma"]),
            }
            is_same = abs(pairs["x_min"][0] / pairs["x_min"][1] - 1) < 1e-9
            same += is_same
            pairs |= {key: (m[key], row[key]) for key in worst if key not in pairs}
            for key, (a, b) in pairs.items():
                if is_same or key in ("log_norm", "log_spectral_norm", "stable_rank"):
                    worst[key] = max(worst[key], abs(a / b - 1))
        print(f"  the same x_min in {same} of {len(matrices)}; there the largest relative differences:")
        print("  " + ", ".join(f"{key} {value:.1e}" for key, value in worst.items()))
        if "mp_fit" in options:
            print("  spikes: groklab", [m["bulk"]["spikes"] for m in matrices[:6]], "weightwatcher", frame["num_spikes"].tolist()[:6] if "num_spikes" in frame else None)
