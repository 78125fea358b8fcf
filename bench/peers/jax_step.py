"""Milliseconds per training step of the study's model in JAX (plain model, jit over a scan of steps), one thread."""

import json
import os
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
from jax_model import B, V, adamw, initial

STEPS, ROUNDS = 10, 5

run = jax.jit(lambda state, x, y: jax.lax.scan(adamw, state, (x, y)))
key = jax.random.key(0)
p = initial(key)
zeros = jax.tree.map(jnp.zeros_like, p)
state = (p, zeros, zeros, jnp.float32(0))
times = []
for i in range(ROUNDS + 1):
    x, y = jax.random.randint(jax.random.fold_in(key, i), (2, STEPS, B), 0, V)
    start = time.perf_counter()
    state, losses = jax.block_until_ready(run(state, x, y))
    times.append((time.perf_counter() - start) / STEPS)
times = sorted(times[1:])  # the first one compiles
print(json.dumps({"program": f"JAX {jax.__version__} jit", "ms_per_step": 1e3 * times[len(times) // 2]}))
