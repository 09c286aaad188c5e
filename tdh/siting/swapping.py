"""Annealed moves of single sites, for models in which the number of choices is the only limit.

Choices that overlap much hold each other in place: ruin and recreate, which takes several at a
time, stays behind there. A plan gets better by moving one site to another near it (one that covers
part of the same demand), often a little worse at first; the counts of how often each group is
covered make a move cheap.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from tdh.siting.model import Arrays

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")

OVERLAP = 20.0
"""Sites that cover a group, on average, from which moves find better plans than ruin and recreate."""
ANYWHERE = 0.02
"""Share of the moves that go to any site, not to one that overlaps."""
HOT, COLD = 0.05, 0.002
"""Starting and final heat, in mean gains of a choice."""


def applies(m: Arrays) -> bool:
    """Whether only a number of choices limits the model, and sites overlap much."""
    if len(m.limit) != 1 or len(m.row_limit) or len(m.need) or m.n_pairs == 0:
        return False
    if len(m.cover_idx) < OVERLAP * m.n_groups:
        return False
    return bool((m.cost == m.cost[0]).all() and m.cost[0] > 0 and m.limit[0] >= m.cost[0])


def steps_for(m: Arrays, work: float) -> int:
    """How many moves an amount of work (elementary operations) is."""
    return int(work / (40.0 + 3.0 * len(m.cover_idx) / m.n_pairs))


def improve(
    m: Arrays, chosen: np.ndarray, steps: int, seed: int, hot: float = HOT, cold: float = COLD
) -> np.ndarray:
    """The best plan on the way of annealed moves from a plan.

    Parameters
    ----------
    m : Arrays
        A model that it :func:`applies` to.
    chosen : (n_pairs,) bool
        Where to start; filled up to the number that is allowed.
    steps : int
        Moves to try: the work limit.
    seed : int
        The same seed gives the same plan.
    hot, cold : float
        Heat at the start and at the end, in mean gains of a choice.

    Returns
    -------
    (n_pairs,) bool
    """
    number = min(int(m.limit[0] / m.cost[0] + 1e-9), m.n_pairs)
    start = np.flatnonzero(chosen)[:number].astype(np.int64)
    sites = _anneal(
        m.cover_ptr, m.cover_idx, m.group_ptr, m.group_idx, m.weight,
        start, number, steps, seed, hot, cold,
    )  # fmt: skip
    out = np.zeros(m.n_pairs, dtype=bool)
    out[sites] = True
    return out


@_njit
def _below(state, n):  # type: ignore[no-untyped-def]
    """A number from 0 to n − 1, by the xorshift sequence in ``state``."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.int64(x >> np.uint64(33)) % n


@_njit
def _anneal(  # type: ignore[no-untyped-def]
    cover_ptr, cover_idx, group_ptr, group_idx, weight, start, number, steps, seed, hot, cold
):
    n = cover_ptr.size - 1
    count = np.zeros(weight.size, np.int32)
    inside = np.zeros(n, np.bool_)
    slots = np.empty(number, np.int64)
    value = 0.0
    state = np.array([np.uint64(88172645463325252) + np.uint64(seed) * np.uint64(2654435761)])
    for r in range(number):
        site = start[r] if r < start.size else _below(state, n)
        while inside[site]:
            site = (site + 1) % n
        slots[r], inside[site] = site, True
        for k in range(cover_ptr[site], cover_ptr[site + 1]):
            j = cover_idx[k]
            if count[j] == 0:
                value += weight[j]
            count[j] += 1
    best, best_slots = value, slots.copy()
    if number == n:
        return best_slots
    mean = max(value, 1e-12) / number
    heat = hot * mean
    cooling = (cold / hot) ** (1.0 / max(1, steps - 1))
    often = np.int64(ANYWHERE * 1_000_000)
    for _ in range(steps):
        heat *= cooling
        r = _below(state, number)
        old = slots[r]
        a, b = cover_ptr[old], cover_ptr[old + 1]
        if b == a or _below(state, 1_000_000) < often:
            new = _below(state, n)
        else:
            j = cover_idx[a + _below(state, b - a)]
            new = group_idx[group_ptr[j] + _below(state, group_ptr[j + 1] - group_ptr[j])]
        if inside[new]:
            continue
        change = 0.0
        for k in range(a, b):
            j = cover_idx[k]
            count[j] -= 1
            if count[j] == 0:
                change -= weight[j]
        for k in range(cover_ptr[new], cover_ptr[new + 1]):
            if count[cover_idx[k]] == 0:
                change += weight[cover_idx[k]]
        if change >= 0.0 or _below(state, 1 << 30) < math.exp(change / heat) * (1 << 30):
            for k in range(cover_ptr[new], cover_ptr[new + 1]):
                count[cover_idx[k]] += 1
            slots[r] = new
            inside[old], inside[new] = False, True
            value += change
            if value > best * (1 + 1e-12):
                best, best_slots = value, slots.copy()
        else:
            for k in range(a, b):
                count[cover_idx[k]] += 1
    return best_slots
