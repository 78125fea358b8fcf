"""The study's model and its AdamW step in plain JAX."""

import jax
import jax.numpy as jnp

V, D, H, M, L, B, T = 97, 128, 4, 512, 2, 512, 4
MASK = jnp.tril(jnp.ones((T, T), bool))


def initial(key):
    keys = iter(jax.random.split(key, 64))
    linear = lambda o, i: jax.random.uniform(next(keys), (o, i), minval=-(i**-0.5), maxval=i**-0.5)
    norm = lambda: (jnp.ones(D), jnp.zeros(D))
    block = lambda: {
        "norm1": norm(), "norm2": norm(), "qkv": linear(3 * D, D), "o": linear(D, D), "up": linear(M, D), "down": linear(D, M)
    }
    return {
        "token": jax.random.normal(next(keys), (V + 2, D)),
        "position": jax.random.normal(next(keys), (T, D)),
        "blocks": [block() for _ in range(L)],
        "norm": norm(),
        "head": linear(V, D),
    }


def layer_norm(p, h):
    centred = h - h.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p[0] + p[1]


def loss_of(p, x, y):
    tokens = jnp.stack([x, jnp.full_like(x, V), y, jnp.full_like(x, V + 1)], axis=1)
    h = p["token"][tokens] + p["position"]
    for b in p["blocks"]:
        q, k, v = (layer_norm(b["norm1"], h) @ b["qkv"].T).reshape(B, T, 3, H, D // H).transpose(2, 0, 3, 1, 4)
        scores = jnp.where(MASK, q @ k.swapaxes(-1, -2) * (D // H) ** -0.5, -jnp.inf)
        mixed = jax.nn.softmax(scores) @ v
        h = h + mixed.transpose(0, 2, 1, 3).reshape(B, T, D) @ b["o"].T
        h = h + jax.nn.gelu(layer_norm(b["norm2"], h) @ b["up"].T, approximate=False) @ b["down"].T
    logits = layer_norm(p["norm"], h[:, -1]) @ p["head"].T
    answers = jax.nn.one_hot((x + y) % V, V)
    return -(answers * jax.nn.log_softmax(logits)).sum(-1).mean()


def adamw(state, batch):
    p, m, v, t = state
    loss, g = jax.value_and_grad(loss_of)(p, *batch)
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.98 * v + 0.02 * g * g, v, g)
    update = lambda p, m, v: p * (1 - 1e-3) - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.98**t)) + 1e-8)
    return (jax.tree.map(update, p, m, v), m, v, t), loss
