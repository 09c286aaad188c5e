"""Annealed moves of single sites, for models in which the number of choices is the only limit.

Choices that overlap much hold each other in place: ruin and recreate, which takes several at a
time, stays behind there. A plan gets better by moving one site to another near it (one that covers
part of the same demand), often a little worse at first; the counts of how often each group is
covered make a move cheap. Most moves go to one of the sites that cover most nearly the same: they
are taken more often, and only what the two do not share has to be counted.

How many sites a part of the plane holds has to change too. A move from one end of the plane to the
other is hardly ever an improvement by itself, so sites are also added and dropped singly, as in the
grand canonical ensemble of statistical mechanics (Norman and Filinov 1969): each costs a price, the
number may differ a little from the wanted one, and the price follows what the number lacks.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from tdh.siting.model import Arrays
from tdh.threads import available_threads

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")

OVERLAP = 8.0
"""Sites that cover a group, on average, from which moves find better plans than ruin and recreate."""
SHIFTS, MOVES = 0.7, 0.8
"""Share of the steps that move a site to one of the nearest, and of those that move one at all; the
others add or drop one."""
NEAREST, LISTED = 24, 20_000_000
"""How many sites are nearest, and how many entries of footprints all their lists may hold."""
FEWEST = 8
"""Nearest sites below which they are not listed: footprints so large change little by a shift."""
PRICE = 0.35
"""Price of a site at the start, in mean gains of a choice; it adapts."""
STIFFNESS = 0.1
"""How much the price of a site rises with each one above the wanted number, in mean gains."""
ADAPTING = 0.1
"""Part of that rise that stays."""
CHAINS = 2
"""Independent searches, shared by the threads that there are. Few long ones find better plans than
many short ones, even where the plans are put together afterwards."""
WORK, MOST = 4.4e9, 120_000
"""Elementary operations of all searches at effort 1, and steps for each choice of a plan."""
HOT, COLD, COLDEST = 0.04, 0.004, 0.1
"""Starting and final heat, in mean gains of a choice, and the least part of the final one that
:func:`final_heat` gives."""


def applies(m: Arrays) -> bool:
    """Whether only a number of choices limits the model, and sites overlap much."""
    if len(m.limit) != 1 or len(m.row_limit) or len(m.need) or m.n_pairs == 0:
        return False
    if len(m.cover_idx) < OVERLAP * m.n_groups:
        return False
    return bool((m.cost == m.cost[0]).all() and m.cost[0] > 0 and m.limit[0] >= m.cost[0])


def number_of(m: Arrays) -> int:
    """How many pairs a plan of a model that it :func:`applies` to may have."""
    return min(int(m.limit[0] / m.cost[0] + 1e-9), m.n_pairs)


def final_heat(left: float, mean: float) -> float:
    """The heat to end at where so much is left that no plan may cover.

    Where that is less than a choice gains, moves change little, and the search has to end colder.
    """
    return COLD * min(1.0, max(COLDEST, left / max(mean, 1e-12)))


def steps_for(m: Arrays, effort: float) -> int:
    """How many steps are worth while: a limit on the work, and one for each choice of a plan."""
    per_step = 40.0 + 3.0 * len(m.cover_idx) / m.n_pairs
    return int(effort * min(WORK / per_step, MOST * number_of(m)))


def improve(
    m: Arrays, chosen: np.ndarray, steps: int, seed: int, hot: float = HOT, cold: float = COLD
) -> list[np.ndarray]:
    """The best plans on the way of annealed searches from a plan, the best first.

    Parameters
    ----------
    m : Arrays
        A model that it :func:`applies` to.
    chosen : (n_pairs,) bool
        Where to start; filled up to the number that is allowed.
    steps : int
        Steps of all searches together: the work limit.
    seed : int
        The same seed gives the same plan, on one thread or several.
    hot, cold : float
        Heat at the start and at the end, in mean gains of a choice.

    Returns
    -------
    list of (n_pairs,) bool
        One of each search.
    """
    number = number_of(m)
    start = np.flatnonzero(chosen)[:number].astype(np.int64)
    each = min(NEAREST, LISTED // max(1, len(m.cover_idx)))
    near = _nearest(
        m.cover_ptr, m.cover_idx, m.group_ptr, m.group_idx, m.weight, each if each >= FEWEST else 0
    )
    apart_ptr, apart_idx = _apart(m.cover_ptr, m.cover_idx, near)

    def chain(k: int) -> tuple[np.ndarray, float]:
        return _anneal(
            m.cover_ptr, m.cover_idx, m.group_ptr, m.group_idx, m.weight, near, apart_ptr, apart_idx,
            start, number, steps // CHAINS, seed * CHAINS + k, hot, cold,
        )  # fmt: skip

    with ThreadPoolExecutor(min(CHAINS, available_threads())) as pool:
        found = sorted(pool.map(chain, range(CHAINS)), key=lambda plan: -plan[1])
    out = np.zeros((CHAINS, m.n_pairs), dtype=bool)
    for row, (sites, _) in zip(out, found, strict=True):
        row[sites] = True
    return list(out)


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
def _luck(state, ratio):  # type: ignore[no-untyped-def]
    """Whether something of a probability (above 1: surely) happens."""
    return ratio >= 1.0 or _below(state, 1 << 30) < ratio * (1 << 30)


@_njit
def _gain(cover_ptr, cover_idx, weight, count, site, when):  # type: ignore[no-untyped-def]
    """The weight of a site's groups that are covered so many times."""
    total = 0.0
    for k in range(cover_ptr[site], cover_ptr[site + 1]):
        if count[cover_idx[k]] == when:
            total += weight[cover_idx[k]]
    return total


@_njit
def _count(cover_ptr, cover_idx, count, site, by):  # type: ignore[no-untyped-def]
    for k in range(cover_ptr[site], cover_ptr[site + 1]):
        count[cover_idx[k]] += by


@_njit
def _nearest(cover_ptr, cover_idx, group_ptr, group_idx, weight, each):  # type: ignore[no-untyped-def]
    """The sites whose footprints differ least from a site's by weight, of those that overlap it."""
    n = cover_ptr.size - 1
    near = np.full((n, each), -1, np.int32)
    if each == 0:
        return near
    whole = np.zeros(n)
    for site in range(n):
        for k in range(cover_ptr[site], cover_ptr[site + 1]):
            whole[site] += weight[cover_idx[k]]
    shared, meets = np.zeros(n), np.zeros(n, np.bool_)
    met = np.empty(n, np.int32)
    for site in range(n):
        n_met = 0
        meets[site] = True
        for k in range(cover_ptr[site], cover_ptr[site + 1]):
            j = cover_idx[k]
            for q in range(group_ptr[j], group_ptr[j + 1]):
                other = group_idx[q]
                if other != site and not meets[other]:
                    meets[other] = True
                    met[n_met] = other
                    n_met += 1
                shared[other] += weight[j]
        others = met[:n_met]
        order = np.argsort(whole[others] - 2.0 * shared[others], kind="mergesort")
        for r in range(min(each, n_met)):
            near[site, r] = others[order[r]]
        for k in range(n_met):
            shared[others[k]], meets[others[k]] = 0.0, False
        shared[site], meets[site] = 0.0, False
    return near


@_njit
def _only(cover_ptr, cover_idx, one, other, out, at, write):  # type: ignore[no-untyped-def]
    """Write down what one site covers and another does not; returns where the list ends."""
    b, end = cover_ptr[other], cover_ptr[other + 1]
    for a in range(cover_ptr[one], cover_ptr[one + 1]):
        j = cover_idx[a]
        while b < end and cover_idx[b] < j:
            b += 1
        if b == end or cover_idx[b] != j:
            if write:
                out[at] = j
            at += 1
    return at


@_njit
def _apart(cover_ptr, cover_idx, near):  # type: ignore[no-untyped-def]
    """What a site covers that one near it does not, and the other way round, list after list."""
    n, each = near.shape
    ptr = np.zeros(2 * n * each + 1, np.int64)
    idx = np.empty(0, np.int32)
    for write in (False, True):
        if write:
            idx = np.empty(ptr[-1], np.int32)
        at = 0
        for site in range(n):
            for r in range(each):
                other, pair = near[site, r], 2 * (site * each + r)
                if other >= 0:
                    at = _only(cover_ptr, cover_idx, site, other, idx, at, write)
                ptr[pair + 1] = at
                if other >= 0:
                    at = _only(cover_ptr, cover_idx, other, site, idx, at, write)
                ptr[pair + 2] = at
    return ptr, idx


@_njit
def _anneal(  # type: ignore[no-untyped-def]
    cover_ptr, cover_idx, group_ptr, group_idx, weight, near, apart_ptr, apart_idx,
    start, number, steps, seed, hot, cold,
):  # fmt: skip
    n = cover_ptr.size - 1
    count = np.zeros(weight.size, np.int32)
    place = np.full(n, -1, np.int64)  # where a chosen site stands among the slots
    slots = np.empty(n, np.int64)
    size, value = number, 0.0
    state = np.array([np.uint64(88172645463325252) + np.uint64(seed) * np.uint64(2654435761)])
    for r in range(number):
        site = start[r] if r < start.size else _below(state, n)
        while place[site] >= 0:
            site = (site + 1) % n
        slots[r], place[site] = site, r
        value += _gain(cover_ptr, cover_idx, weight, count, site, 0)
        _count(cover_ptr, cover_idx, count, site, 1)
    best, best_slots = value, slots[:size].copy()
    if number == n:
        return best_slots, best
    mean = max(value, 1e-12) / number
    heat, stiffness, price = hot * mean, STIFFNESS * mean, PRICE * mean
    cooling = (cold / hot) ** (1.0 / max(1, steps - 1))
    each = near.shape[1]
    moving = np.int64(MOVES * 1_000_000)
    shifting = np.int64(SHIFTS * 1_000_000) if each else np.int64(0)
    for step in range(steps):
        heat *= cooling
        if step % 4096 == 0:
            # Where it is cold hardly any site comes or goes, and the price has to follow still.
            price += ADAPTING * stiffness * (size - number)
        what = _below(state, 1_000_000)
        if what < shifting:
            if size == 0:
                continue
            r, to = _below(state, size), _below(state, each)
            old = slots[r]
            new = near[old, to]
            if new < 0 or place[new] >= 0:
                continue
            pair = 2 * (old * each + to)
            a, b, end = apart_ptr[pair], apart_ptr[pair + 1], apart_ptr[pair + 2]
            change = 0.0
            for k in range(a, b):
                if count[apart_idx[k]] == 1:
                    change -= weight[apart_idx[k]]
            for k in range(b, end):
                if count[apart_idx[k]] == 0:
                    change += weight[apart_idx[k]]
            if not _luck(state, math.exp(min(0.0, change / heat))):
                continue
            for k in range(a, b):
                count[apart_idx[k]] -= 1
            for k in range(b, end):
                count[apart_idx[k]] += 1
            slots[r], place[old], place[new] = new, -1, r
            value += change
        elif what < moving:
            if size == 0:
                continue
            r = _below(state, size)
            old = slots[r]
            a, b = cover_ptr[old], cover_ptr[old + 1]
            if b == a:
                new = _below(state, n)
            else:
                j = cover_idx[a + _below(state, b - a)]
                new = group_idx[group_ptr[j] + _below(state, group_ptr[j + 1] - group_ptr[j])]
            if place[new] >= 0:
                continue
            change = 0.0
            for k in range(a, b):
                j = cover_idx[k]
                count[j] -= 1
                if count[j] == 0:
                    change -= weight[j]
            change += _gain(cover_ptr, cover_idx, weight, count, new, 0)
            if not _luck(state, math.exp(min(0.0, change / heat))):
                _count(cover_ptr, cover_idx, count, old, 1)
                continue
            _count(cover_ptr, cover_idx, count, new, 1)
            slots[r], place[old], place[new] = new, -1, r
            value += change
        elif what % 2 == 0:
            new = _below(state, n)
            if place[new] >= 0:
                continue
            gain = _gain(cover_ptr, cover_idx, weight, count, new, 0)
            worth = gain - price - stiffness * (size - number + 0.5)
            # Any of n may come and any of size + 1 go back: what makes the steps reversible.
            if not _luck(state, math.exp(min(50.0, worth / heat)) * n / (size + 1.0)):
                continue
            _count(cover_ptr, cover_idx, count, new, 1)
            slots[size], place[new] = new, size
            size += 1
            value += gain
            price += ADAPTING * stiffness * (size - number)
        else:
            if size == 0:
                continue
            r = _below(state, size)
            old = slots[r]
            loss = _gain(cover_ptr, cover_idx, weight, count, old, 1)
            worth = price - loss + stiffness * (size - number - 0.5)
            if not _luck(state, math.exp(min(50.0, worth / heat)) * size / n):
                continue
            _count(cover_ptr, cover_idx, count, old, -1)
            size -= 1
            slots[r] = slots[size]
            place[slots[r]] = r
            place[old] = -1
            value -= loss
            price += ADAPTING * stiffness * (size - number)
        if size <= number and value > best * (1 + 1e-12):
            best, best_slots = value, slots[:size].copy()
    return best_slots, best
