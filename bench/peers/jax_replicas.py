"""Replica-steps per second of the study's model in JAX: vmap over replicas, jit over a scan of steps, on the default device.

usage: jax_replicas.py REPLICAS... [--precision f32|tf32]
"""

import argparse
import json
import time

import jax
import jax.numpy as jnp
from jax_model import B, V, adamw, initial

STEPS, ROUNDS = 10, 5  # an epoch of x + y at one half of the table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("replicas", type=int, nargs="+")
parser.add_argument("--precision", choices=["f32", "tf32"], default="f32")
args = parser.parse_args()
jax.config.update("jax_default_matmul_precision", {"f32": "float32", "tf32": "tensorfloat32"}[args.precision])

epoch = jax.jit(jax.vmap(lambda state, x, y: jax.lax.scan(adamw, state, (x, y))), donate_argnums=0)
for replicas in args.replicas:
    p = jax.vmap(initial)(jax.random.split(jax.random.key(0), replicas))
    zeros = lambda: jax.tree.map(jnp.zeros_like, p)
    state = (p, zeros(), zeros(), jnp.zeros(replicas))
    times = []
    for i in range(ROUNDS + 1):
        x, y = jax.random.randint(jax.random.fold_in(jax.random.key(1), i), (2, replicas, STEPS, B), 0, V)
        jax.block_until_ready((x, y))
        start = time.perf_counter()
        state, losses = jax.block_until_ready(epoch(state, x, y))
        times.append(time.perf_counter() - start)
    median = sorted(times[1:])[ROUNDS // 2]  # the first one compiles
    print(json.dumps({
        "program": f"JAX {jax.__version__} vmap, {args.precision}, {jax.devices()[0].device_kind}",
        "replicas": replicas,
        "replica_steps_per_second": replicas * STEPS / median,
        "mean_loss_of_the_last_step": float(losses[:, -1].mean()),
    }), flush=True)
