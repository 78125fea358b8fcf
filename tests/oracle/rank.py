"""Oracle of src/analysis/rank.rs: Kendall's tau-b by SciPy where nothing is censored, pairs counted one by one where something
is; partial tau from the three; permutation p of the tau within groups. Writes rank.json. SciPy 1.15 or later.

Cases: no ties, ties in both, few runs, censored at the end, censored on the way, all censored, groups of different levels.
"""

import itertools
import json
import math
import pathlib

import numpy as np
from scipy.stats import kendalltau

rng = np.random.default_rng(1982)


def known(a, b):
    """-1, 0, 1: which of two (time, ended) came first is known and how; None: it is not."""
    (s, s_ended), (t, t_ended) = a, b
    if s_ended and t_ended:
        return (t > s) - (t < s)
    if s_ended and not t_ended:
        return 1 if s <= t else None
    if t_ended and not s_ended:
        return -1 if t <= s else None
    return None


def sign(a, b):
    return (b > a) - (b < a)


def pairs(x, lives, groups=None):
    """(sign of x, sign of y) of each pair whose order in y is known."""
    for i, j in itertools.combinations(range(len(x)), 2):
        y = known(lives[i], lives[j])
        if y is not None and (groups is None or groups[i] == groups[j]):
            yield i, j, sign(x[i], x[j]), y


def counted(signs):
    concordant = sum(1 for a, b in signs if a * b > 0)
    discordant = sum(1 for a, b in signs if a * b < 0)
    only_x = sum(1 for a, b in signs if a != 0 and b == 0)
    only_y = sum(1 for a, b in signs if a == 0 and b != 0)
    most = math.sqrt((concordant + discordant + only_x) * (concordant + discordant + only_y))
    return (concordant - discordant) / most if most else None


def case(x, z, times, ended, groups=None, with_p=False):
    x, z, times, groups = (list(map(float, x)), list(map(float, z)), list(map(float, times)), groups or [0] * len(x))
    ended = [bool(e) for e in ended]
    lives = list(zip(times, ended))
    found = list(pairs(x, lives))
    tau = counted([(a, b) for _, _, a, b in found])
    within = counted([(a, b) for _, _, a, b in pairs(x, lives, groups)])
    xz = counted([(a, sign(z[i], z[j])) for i, j, a, _ in found])
    yz = counted([(b, sign(z[i], z[j])) for i, j, _, b in found])
    if all(ended):
        # SciPy has the last word where it can speak
        tau = float(kendalltau(x, times).statistic)
        xz, yz = float(kendalltau(x, z).statistic), float(kendalltau(times, z).statistic)
    rest = None if None in (tau, xz, yz) else (1 - xz**2) * (1 - yz**2)
    partial = (tau - xz * yz) / math.sqrt(rest) if rest else None
    p = None
    if with_p:
        # x dealt out within groups, 40,000 times; the noise of 9,999 such orders beside it
        seen, extreme, n = abs(within), 0, 40_000
        table = [(i, j, b) for i, j, _, b in pairs(x, lives, groups)]
        left = np.array([i for i, _, _ in table])
        right = np.array([j for _, j, _ in table])
        y = np.array([b for *_, b in table])
        members = [np.flatnonzero(np.array(groups) == g) for g in sorted(set(groups))]
        values = np.array(x)
        for _ in range(n):
            dealt = values.copy()
            for m in members:
                dealt[m] = rng.permutation(dealt[m])
            signs = np.sign(dealt[right] - dealt[left])
            most = math.sqrt(np.sum(signs != 0) * np.sum(y != 0))
            extreme += most > 0 and abs(float(np.sum(signs * y)) / most) >= seen - 1e-12
        share = extreme / n
        p = [share, math.sqrt(share * (1 - share) * (1 / 9_999 + 1 / n))]
    return dict(x=x, z=z, times=times, ended=ended, groups=groups, tau=tau, tau_within=within, partial=partial, p=p)


def uncensored(n, ties):
    x, z = rng.normal(size=n), rng.normal(size=n)
    times = np.round(200 * np.exp(0.4 * x + 0.4 * z + rng.normal(size=n)))
    if ties:
        x, z, times = np.round(x, 0), np.round(z, 0), 100 * np.ceil(times / 100)
    return case(x, z, times, [True] * n)


def censored(n, last, groups=1, with_p=False):
    group = [i * groups // n for i in range(n)]
    level = np.array(group)
    x, z = rng.normal(size=n) + 2 * level, rng.normal(size=n)
    times = 20 * np.ceil(10 * np.exp(0.5 * x - 1.5 * level + 0.3 * z + 0.7 * rng.normal(size=n)))
    watched = np.full(n, last) if last else 20 * rng.integers(5, 40, n)
    return case(x, z, np.minimum(times, watched), times <= watched, group, with_p)


cases = [
    uncensored(20, False),
    uncensored(25, True),
    uncensored(5, True),
    censored(20, 240),
    censored(20, None),
    censored(40, 400, groups=4, with_p=True),
    censored(18, None, groups=3, with_p=True),
    case([1, 2, 3], [3, 1, 2], [50, 50, 50], [False] * 3),
    # by hand: of 10, 20+, 30, 40 the pairs 10-20+, 10-30, 10-40, 30-40 are known; x 2 1 3 4 turns the first round: 3 - 1 of 4
    case([2, 1, 3, 4], [1, 2, 4, 3], [10, 20, 30, 40], [True, False, True, True]),
]
assert cases[-1]["tau"] == 0.5, cases[-1]
pathlib.Path(__file__).with_name("rank.json").write_text(json.dumps(cases, indent=1) + "\n")
