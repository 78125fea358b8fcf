r"""Fingerprints of the built-in tasks, twelve operations and x + y modulo 31 and 1009, made with Python's own integers and itertools.

    python3 tests/oracle/tasks.py > tests/oracle/tasks.json

`sha256` is over the lines "x,y,z\n" of each table, x-major; `digest` over its little-endian bytes:
the number of symbols as u32, then x, y, z of each row as u16. Permutations are numbered in the order of
itertools.permutations; (a·b)(i) = a(b(i)).
"""

import hashlib
import itertools
import json
import struct

P = 97
S5 = list(itertools.permutations(range(5)))
NUMBER = {p: i for i, p in enumerate(S5)}


def mul(a, b):
    return tuple(a[i] for i in b)


def inv(a):
    return tuple(a.index(i) for i in range(5))


def div(x, y):
    return x * pow(y, -1, P)


MODULAR = {
    "add": (lambda x, y: x + y, False),
    "add_31": (lambda x, y: x + y, False),
    "add_1009": (lambda x, y: x + y, False),
    "sub": (lambda x, y: x - y, False),
    "div": (div, True),
    "div_or_sub": (lambda x, y: div(x, y) if y % 2 else x - y, True),
    "x2_y2": (lambda x, y: x**2 + y**2, False),
    "x2_xy_y2": (lambda x, y: x**2 + x * y + y**2, False),
    "x2_xy_y2_x": (lambda x, y: x**2 + x * y + y**2 + x, False),
    "x3_xy": (lambda x, y: x**3 + x * y, False),
    "x3_xy2_y": (lambda x, y: x**3 + x * y**2 + y, False),
}
GROUP = {
    "s5_mul": lambda x, y: mul(x, y),
    "s5_conj": lambda x, y: mul(mul(x, y), inv(x)),
    "s5_aba": lambda x, y: mul(mul(x, y), x),
}


def modulus(name):
    return {"add_31": 31, "add_1009": 1009}.get(name, P)


def rows(name):
    if name in MODULAR:
        f, without_zero = MODULAR[name]
        p = modulus(name)
        return [(x, y, f(x, y) % p) for x in range(p) for y in range(p) if y or not without_zero]
    f = GROUP[name]
    return [(i, j, NUMBER[f(x, y)]) for i, x in enumerate(S5) for j, y in enumerate(S5)]


def fingerprint(name):
    table = rows(name)
    lines = "".join(f"{x},{y},{z}\n" for x, y, z in table)
    packed = struct.pack("<I", modulus(name) if name in MODULAR else len(S5)) + b"".join(struct.pack("<HHH", *r) for r in table)
    return {
        "rows": len(table),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "digest": hashlib.sha256(packed).hexdigest(),
    }


print(json.dumps({name: fingerprint(name) for name in [*MODULAR, *GROUP]}, indent=2))
