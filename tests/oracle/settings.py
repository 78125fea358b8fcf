"""Settings that the paper leaves open and groklab has no key for, tried on S5 x·y·x in JAX (docs/settings).

    python3 tests/oracle/settings.py --out docs/settings/jax.csv present clip-3 bos gelu-tanh equal-steps replacement clip-1
    python3 tests/oracle/settings.py --out docs/settings/jax.csv --table

Trains preset `paper` from its definition, with nothing of groklab's: S5, the split, the initial values and the order of
rows are made here, by NumPy. Each of the tries named changes one thing; `a+b` is two at once. Appends a row an evaluation
(try, seed, epoch, lar, val_accuracy); a run that the file holds whole is not run again, one that it holds in part is run
anew. `--table` prints the means of the seeds. Tries of one seed share initial values, split and, where they can, order.

    present       the preset as it is: the control, which must agree with docs/settings/lar.csv
    clip-C        the gradient of all parameters together is no longer than C
    bos           a token before x, so five positions; the added position is the first
    gelu-tanh     GELU by tanh instead of erf
    equal-steps   15 batches of 512 an epoch, from shuffles one after another: what an epoch leaves over begins the next
    replacement   15 batches of 512 an epoch, each of 512 independent draws of a training row

Recorded with JAX 0.10.2 and NumPy 2.4.6 on one core (XLA_FLAGS=--xla_cpu_multi_thread_eigen=false), a run in about 90 s.
Everything in f32, LAR in f64 from f32 inputs.
"""

import argparse
import csv
import itertools
import math
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

SYMBOLS, D, HEADS, MLP, LAYERS, BATCH, EPOCHS = 120, 128, 4, 512, 2, 512, 100
OPERATOR, EQUALS, BEGIN = SYMBOLS, SYMBOLS + 1, SYMBOLS + 2
EVALUATED = [0, 1, 20, 40, 60, 80, 100]
# the paper's means of five seeds; validation accuracy is given for 40 and 60 alone
PAPER = {20: 0.746, 40: 0.719, 60: 0.664, 80: 0.634, 100: 0.621}
FIELDS = ["try", "seed", "epoch", "lar", "val_accuracy"]


def equations():
    """x, y, x·y·x for all pairs of S5."""
    elements = list(itertools.permutations(range(5)))
    number = {p: i for i, p in enumerate(elements)}
    times = np.array([[number[tuple(a[i] for i in b)] for b in elements] for a in elements])
    x, y = (a.ravel() for a in np.indices((SYMBOLS, SYMBOLS)))
    return np.stack([x, y, times[times[x, y], x]], axis=1).astype(np.int32)


def initial(seed, bos):
    draws = np.random.default_rng([seed, 1])
    linear = lambda o, i: draws.uniform(-(i**-0.5), i**-0.5, (o, i))
    norm = lambda: (np.ones(D), np.zeros(D))
    p = {
        "token": draws.normal(size=(SYMBOLS + 3, D)),
        "position": draws.normal(size=(5, D)),
        "blocks": [
            {"norm1": norm(), "norm2": norm(), "q": linear(D, D), "k": linear(D, D), "v": linear(D, D), "o": linear(D, D),
             "up": linear(MLP, D), "down": linear(D, MLP)}
            for _ in range(LAYERS)
        ],
        "norm": norm(),
        "head": linear(SYMBOLS, D),
    }  # fmt: skip
    if not bos:
        p |= {"token": p["token"][:BEGIN], "position": p["position"][1:]}
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), p)


def layer_norm(p, h):
    centred = h - h.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p[0] + p[1]


def attend(q, k, v):
    """Causal attention; the queries are those of the last positions."""
    heads = lambda a: a.reshape(*a.shape[:2], HEADS, D // HEADS)
    mask = jnp.tril(jnp.ones((k.shape[1], k.shape[1]), bool))[-q.shape[1] :]
    scores = jnp.einsum("bqhd,bkhd->bqkh", heads(q), heads(k)) * (D // HEADS) ** -0.5
    weights = jax.nn.softmax(jnp.where(mask[..., None], scores, -jnp.inf), axis=2)
    return jnp.einsum("bqkh,bkhd->bqhd", weights, heads(v)).reshape(q.shape)


@partial(jax.jit, static_argnames="tanh")
def features(p, x, y, tanh):
    """What the head reads: the final norm's output at "=".

    Two savings, both exact: what stands before y depends on x alone and is computed once a symbol, not once a row; the last
    block computes "=" alone.
    """
    before, after = p["position"][:-2], p["position"][-2:]
    symbols, of_x, of_y = p["token"][:SYMBOLS], jax.nn.one_hot(x, SYMBOLS), jax.nn.one_hot(y, SYMBOLS)
    constant = lambda token, rows: jnp.broadcast_to(p["token"][token], (len(rows), D))
    front = [constant(BEGIN, symbols)] * (len(before) - 2) + [symbols, constant(OPERATOR, symbols)]
    front = jnp.stack(front, axis=1) + before  # (SYMBOLS, T - 2, D)
    back = jnp.stack([of_y @ symbols, constant(EQUALS, y)], axis=1) + after  # (B, 2, D)
    for l, b in enumerate(p["blocks"]):
        mlp = lambda h: h + jax.nn.gelu(layer_norm(b["norm2"], h) @ b["up"].T, approximate=tanh) @ b["down"].T
        f, n = layer_norm(b["norm1"], front), layer_norm(b["norm1"], back)
        k, v = f @ b["k"].T, f @ b["v"].T
        whole = lambda front, back: jnp.concatenate([jnp.einsum("bs,std->btd", of_x, front), back], axis=1)
        keys, values = whole(k, n @ b["k"].T), whole(v, n @ b["v"].T)  # (B, T, D)
        if l == LAYERS - 1:
            n, back = n[:, -1:], back[:, -1:]
        else:
            front = mlp(front + attend(f @ b["q"].T, k, v) @ b["o"].T)
        back = mlp(back + attend(n @ b["q"].T, keys, values) @ b["o"].T)
    return layer_norm(p["norm"], back[:, -1])


def loss_of(p, rows, tanh):
    logits = features(p, rows[:, 0], rows[:, 1], tanh) @ p["head"].T
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), rows[:, 2:], axis=1).mean()


@partial(jax.jit, static_argnames=["tanh", "clip"], donate_argnums=0)
def adamw(state, rows, tanh, clip):
    """A step of PyTorch's AdamW, decay on every parameter; the rate grows from 0 over ten steps."""
    p, m, v, t = state
    g = jax.grad(loss_of)(p, rows, tanh)
    if clip:
        length = jnp.sqrt(sum((a**2).sum() for a in jax.tree.leaves(g)))
        g = jax.tree.map(lambda a: a * jnp.minimum(1, clip / (length + 1e-6)), g)
    rate, t = 1e-3 * jnp.minimum(1, t / 10), t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.98 * v + 0.02 * g * g, v, g)
    update = lambda p, m, v: p * (1 - rate) - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.98**t)) + 1e-8)
    return jax.tree.map(update, p, m, v), m, v, t


def batches(changes, rows, seed):
    """Of every epoch, its batches, as numbers of training rows."""
    draws = np.random.default_rng([seed, 2])
    steps, left = math.ceil(rows / BATCH), np.array([], int)
    while True:
        if "replacement" in changes:
            yield [draws.integers(rows, size=BATCH) for _ in range(steps)]
        elif "equal-steps" in changes:
            while len(left) < steps * BATCH:
                left = np.append(left, draws.permutation(rows))
            epoch, left = left[: steps * BATCH], left[steps * BATCH :]
            yield np.split(epoch, steps)
        else:
            yield np.split(draws.permutation(rows), range(BATCH, rows, BATCH))


def train(name, seed):
    """Yields the evaluations of one run."""
    changes = set(name.split("+")) - {"present"}
    clips = [float(c.removeprefix("clip-")) for c in changes if c.startswith("clip-")]
    unknown = {c for c in changes if not c.startswith("clip-")} - {"bos", "gelu-tanh", "equal-steps", "replacement"}
    if unknown or len(clips) > 1:
        raise SystemExit(f"no such try: {name}")
    tanh, clip = "gelu-tanh" in changes, (clips or [None])[0]
    training, validation = np.split(np.random.default_rng([seed, 0]).permutation(equations()), 2)
    p = initial(seed, "bos" in changes)
    zeros = lambda: jax.tree.map(jnp.zeros_like, p)
    state = (p, zeros(), zeros(), jnp.float32(0))
    parts = lambda rows: [part[:, :2].T for part in np.split(rows, 10)]
    read = lambda rows: np.concatenate([features(state[0], x, y, tanh) for x, y in parts(rows)], dtype=np.float64)
    order = batches(changes, len(training), seed)
    for epoch in range(EPOCHS + 1):
        if epoch > 0:
            for batch in next(order):
                state = adamw(state, training[batch], tanh, clip)
        if epoch in EVALUATED:
            x, w = read(training), np.asarray(state[0]["head"], np.float64)
            rms = lambda a: np.sqrt((a**2).mean())
            lar = math.log(rms(x @ w.T) / rms(w) / rms(x), D)
            right = (read(validation) @ w.T).argmax(1) == validation[:, 2]
            yield dict(zip(FIELDS, [name, seed, epoch, lar, right.mean()]))


def read_rows(path):
    return list(csv.DictReader(path.open())) if path.exists() else []


def write(path, rows):
    with path.open("w", newline="") as f:
        out = csv.DictWriter(f, FIELDS, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def table(rows):
    """The means of the seeds of each try, as docs/settings/README.md has them; a run that is not whole does not count."""
    line = lambda *cells: print("| " + " | ".join(cells) + " |")
    deviation = "root mean square deviation, 40 to 100"
    line("try", "seeds", "LAR at 20", "40", "60", "80", "100", deviation, "validation accuracy at 40, 60")
    line(*["---"] * 9)
    short = lambda x, digits=3: f"{x:.{digits}f}".removeprefix("0")
    line("paper", "5", *map(short, PAPER.values()), "", "18.1 %, 11.9 %")
    for name in dict.fromkeys(r["try"] for r in rows):
        runs = [[r for r in rows if (r["try"], r["seed"]) == (name, seed)] for seed in {r["seed"] for r in rows}]
        runs = [{int(r["epoch"]): r for r in run} for run in runs if len(run) == len(EVALUATED)]
        if runs:
            mean = lambda field, epoch: np.mean([float(run[epoch][field]) for run in runs])
            lars = {epoch: mean("lar", epoch) for epoch in PAPER}
            deviation = math.sqrt(np.mean([(lars[e] - PAPER[e]) ** 2 for e in (40, 60, 80, 100)]))
            accuracies = ", ".join(f"{100 * mean('val_accuracy', e):.1f}" for e in (40, 60))
            line(name, str(len(runs)), *map(short, lars.values()), short(deviation, 4), accuracies)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tries", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    run = lambda r: (r["try"], int(r["seed"]))
    for wanted in itertools.product(given.tries, given.seeds):
        rows = read_rows(given.out)
        if sum(run(r) == wanted for r in rows) == len(EVALUATED):
            continue
        write(given.out, [r for r in rows if run(r) != wanted])
        start = time.monotonic()
        for row in train(*wanted):
            with given.out.open("a", newline="") as f:
                csv.DictWriter(f, FIELDS, lineterminator="\n").writerow(row)
            print(*row.values(), f"{time.monotonic() - start:.0f} s", flush=True)
    if given.table:
        table(read_rows(given.out))


if __name__ == "__main__":
    main()
