"""Annealed moves of single sites, for models in which the number of choices is the only limit.

Choices that overlap much hold each other in place: ruin and recreate, which takes several at a
time, stays behind there. A plan gets better by moving one site to another near it (one that covers
part of the same demand), often a little worse at first. Most moves go to one of the sites that
cover most nearly the same: they are taken more often, and only what the two do not share has to be
looked at. Nearly all moves are refused, so what each group is worth, if a site more or a site less
covered it, is kept: the change that a move makes is then a plain sum.

How many sites a part of the plane holds has to change too. A move from one end of the plane to the
other is hardly ever an improvement by itself, so sites are also added and dropped singly, as in the
grand canonical ensemble of statistical mechanics (Norman and Filinov 1969): each costs a price, the
number may differ a little from the wanted one, and the price follows what the number lacks.

Where a search ends, some parts of the plane have come out better than others. Cooling it more
slowly mends all of them a little; many short searches, of which the good parts are put together
(:mod:`tdh.siting.crossing`), mend far more in the same time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np

from tdh.siting.drawing import below, draw, scale
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
"""Independent searches of a round, shared by the threads that there are."""
WORK, MOST = 8.8e9, 280_000
"""Elementary operations of all searches at effort 1, and steps for each choice of a plan."""
HOT, COLD, COLDEST = 0.025, 0.004, 0.1
"""Starting and final heat, in mean gains of a choice, and the least part of the final one that
:func:`final_heat` gives. Begun colder, the searches of a round find too much the same."""
QUENCHED = 0.1
"""Share of the steps after that, which take nothing that is worse."""


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


class Near(NamedTuple):
    """The sites nearest to each, and what a move to one of them changes.

    Attributes
    ----------
    site : (n_pairs, each) int32
        Those whose footprints differ least by weight; -1 where fewer overlap.
    ptr, idx : (n_pairs * each + 1,) int64, uint32
        For each of them the groups that are covered once less (2 j) and once more (2 j + 1).
    """

    site: np.ndarray
    ptr: np.ndarray
    idx: np.ndarray


def nearest(m: Arrays) -> Near:
    """The nearest sites of each; none where footprints are too large to list."""
    each = min(NEAREST, LISTED // max(1, len(m.cover_idx)))
    cover_idx = m.cover_idx.view(np.uint32)
    site = _nearest(
        m.cover_ptr, cover_idx, m.group_ptr, m.group_idx, m.weight, each if each >= FEWEST else 0
    )
    return Near(site, *_apart(m.cover_ptr, cover_idx, site))


def anneal(
    m: Arrays, near: Near, chosen: np.ndarray, steps: int, seed: Sequence[int], cold: float = COLD
) -> np.ndarray:
    """Where independent searches from a plan end; any of them may be worse than the plan.

    Parameters
    ----------
    m : Arrays
        A model that it :func:`applies` to.
    near : Near
        From :func:`nearest`.
    chosen : (n_pairs,) bool
        Where to start; filled up to the number that is allowed.
    steps : int
        Steps of each search: the work limit.
    seed : sequence of int
        The same seed gives the same plans, on one thread or several.
    cold : float
        Heat at the end, in mean gains of a choice.

    Returns
    -------
    (CHAINS, n_pairs) bool
        Some of them may have a few sites too many or too few.
    """
    number = number_of(m)
    start = np.flatnonzero(chosen)[:number].astype(np.int64)
    # Without a sign: numba would look at each index whether it counts from the end.
    cover_idx = m.cover_idx.view(np.uint32)
    arrays = (m.cover_ptr, cover_idx, m.group_ptr, m.group_idx, m.weight, *near)
    ends = np.zeros((CHAINS, m.n_pairs), dtype=bool)

    def chain(k: int) -> None:
        draws = np.random.default_rng([*seed, k]).integers(1 << 31)
        ends[k, _anneal(*arrays, start, number, steps, draws, HOT, cold)[0]] = True

    with ThreadPoolExecutor(min(CHAINS, available_threads())) as pool:
        list(pool.map(chain, range(CHAINS)))
    return ends


@_njit
def _taken(state, change, heat):  # type: ignore[no-untyped-def]
    """Whether a change of the value is taken: by Metropolis, exp(change / heat) of the time."""
    if change >= 0.0 or change < -20.0 * heat:
        return change >= 0.0
    return change > heat * math.log((below(state, 1 << 30) + 0.5) / (1 << 30))


@_njit
def _set_worth(worth, weight, count, j):  # type: ignore[no-untyped-def]
    """Keep what group j is worth, covered once less and once more, after its count has changed."""
    worth[2 * j] = -weight[j] if count[j] == 1 else 0.0
    worth[2 * j + 1] = weight[j] if count[j] == 0 else 0.0


@_njit
def _sum(idx, a, b, worth):  # type: ignore[no-untyped-def]
    """What the changes ``idx[a:b]`` (2 j: group j once less, 2 j + 1: once more) do to the value."""
    total = 0.0
    for k in range(a, b):
        total += worth[idx[k]]
    return total


@_njit
def _make(idx, a, b, count, worth, weight):  # type: ignore[no-untyped-def]
    """Make the changes that :func:`_sum` adds up."""
    for k in range(a, b):
        j = np.int64(idx[k] >> np.uint32(1))
        count[j] += 1 if idx[k] & np.uint32(1) else -1
        _set_worth(worth, weight, count, j)


@_njit
def _sum_site(cover_ptr, cover_idx, worth, site, more):  # type: ignore[no-untyped-def]
    """What a site less (``more`` 0) or more (1) does to the value."""
    total = 0.0
    for k in range(cover_ptr[site], cover_ptr[site + 1]):
        total += worth[2 * cover_idx[k] + more]
    return total


@_njit
def _make_site(cover_ptr, cover_idx, count, worth, weight, site, more):  # type: ignore[no-untyped-def]
    """Take a site away (``more`` 0) or add it (1)."""
    for k in range(cover_ptr[site], cover_ptr[site + 1]):
        j = cover_idx[k]
        count[j] += 2 * more - 1
        _set_worth(worth, weight, count, j)


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
def _only(cover_ptr, cover_idx, one, other, out, at, more, write):  # type: ignore[no-untyped-def]
    """Write down what one site covers and another does not, as changes; returns where it ends."""
    b, end = cover_ptr[other], cover_ptr[other + 1]
    for a in range(cover_ptr[one], cover_ptr[one + 1]):
        j = cover_idx[a]
        while b < end and cover_idx[b] < j:
            b += 1
        if b == end or cover_idx[b] != j:
            if write:
                out[at] = 2 * j + more
            at += 1
    return at


@_njit
def _apart(cover_ptr, cover_idx, near):  # type: ignore[no-untyped-def]
    """What changes for the groups by a move from a site to each near it, list after list."""
    n, each = near.shape
    ptr = np.zeros(n * each + 1, np.int64)
    idx = np.empty(0, np.uint32)
    for write in (False, True):
        if write:
            idx = np.empty(ptr[-1], np.uint32)
        at = 0
        for site in range(n):
            for r in range(each):
                other = near[site, r]
                if other >= 0:
                    at = _only(cover_ptr, cover_idx, site, other, idx, at, 0, write)
                    at = _only(cover_ptr, cover_idx, other, site, idx, at, 1, write)
                ptr[site * each + r + 1] = at
    return ptr, idx


@_njit
def _anneal(  # type: ignore[no-untyped-def]
    cover_ptr, cover_idx, group_ptr, group_idx, weight, near, apart_ptr, apart_idx,
    start, number, steps, seed, hot, cold,
):  # fmt: skip
    """The sites at the end, about ``number`` of them, and their value."""
    n = cover_ptr.size - 1
    count, worth = np.zeros(weight.size, np.int32), np.zeros(2 * weight.size)
    worth[1::2] = weight
    place = np.full(n, -1, np.int64)  # where a chosen site stands among the slots
    slots = np.empty(n, np.int64)
    size, value = number, 0.0
    state = np.array([np.uint64(88172645463325252) + np.uint64(seed) * np.uint64(2654435761)])
    for r in range(number):
        site = start[r] if r < start.size else below(state, n)
        while place[site] >= 0:
            site = (site + 1) % n
        slots[r], place[site] = site, r
        value += _sum_site(cover_ptr, cover_idx, worth, site, 1)
        _make_site(cover_ptr, cover_idx, count, worth, weight, site, 1)
    if number == n:
        return slots[:size].copy(), value
    mean = max(value, 1e-12) / number
    heat, stiffness, price = hot * mean, STIFFNESS * mean, PRICE * mean
    cooled = steps - np.int64(QUENCHED * steps)
    cooling = (cold / hot) ** (1.0 / max(1, cooled - 1))
    each = near.shape[1]
    moving = np.int64(MOVES * 1_000_000)
    shifting = np.int64(SHIFTS * 1_000_000) if each else np.int64(0)
    for step in range(steps):
        heat = heat * cooling if step < cooled else 1e-9 * mean
        if step % 4096 == 0:
            # Where it is cold hardly any site comes or goes, and the price has to follow still.
            price += ADAPTING * stiffness * (size - number)
        what = below(state, 1_000_000)
        if what < moving and size == 0:
            continue
        if what < shifting:
            bits = draw(state)
            r, to = scale(bits, size), scale(bits >> np.uint64(32), each)
            old = slots[r]
            new = near[old, to]
            if new < 0 or place[new] >= 0:
                continue
            pair = old * each + to
            a, b = apart_ptr[pair], apart_ptr[pair + 1]
            change = _sum(apart_idx, a, b, worth)
            if not _taken(state, change, heat):
                continue
            _make(apart_idx, a, b, count, worth, weight)
            slots[r], place[old], place[new] = new, -1, r
            value += change
        elif what < moving:
            r = below(state, size)
            old = slots[r]
            a, b = cover_ptr[old], cover_ptr[old + 1]
            if b == a:
                new = below(state, n)
            else:
                j = cover_idx[a + below(state, b - a)]
                new = np.int64(
                    group_idx[group_ptr[j] + below(state, group_ptr[j + 1] - group_ptr[j])]
                )
            if place[new] >= 0:
                continue
            change = _sum_site(cover_ptr, cover_idx, worth, new, 1)
            q, end = cover_ptr[new], cover_ptr[new + 1]
            for k in range(a, b):
                j = cover_idx[k]
                if worth[2 * j] < 0.0:  # lost, unless the new one covers it too
                    while q < end and cover_idx[q] < j:
                        q += 1
                    if q == end or cover_idx[q] != j:
                        change += worth[2 * j]
            if not _taken(state, change, heat):
                continue
            _make_site(cover_ptr, cover_idx, count, worth, weight, old, 0)
            _make_site(cover_ptr, cover_idx, count, worth, weight, new, 1)
            slots[r], place[old], place[new] = new, -1, r
            value += change
        elif what % 2 == 0:
            new = below(state, n)
            if place[new] >= 0:
                continue
            gain = _sum_site(cover_ptr, cover_idx, worth, new, 1)
            # Any of n may come and any of size + 1 go back: what makes the steps reversible.
            change = gain - price - stiffness * (size - number + 0.5)
            if not _taken(state, change + heat * math.log(n / (size + 1.0)), heat):
                continue
            _make_site(cover_ptr, cover_idx, count, worth, weight, new, 1)
            slots[size], place[new] = new, size
            size += 1
            value += gain
            price += ADAPTING * stiffness * (size - number)
        else:
            if size == 0:
                continue
            r = below(state, size)
            old = slots[r]
            loss = -_sum_site(cover_ptr, cover_idx, worth, old, 0)
            change = price - loss + stiffness * (size - number - 0.5)
            if not _taken(state, change + heat * math.log(size / n), heat):
                continue
            _make_site(cover_ptr, cover_idx, count, worth, weight, old, 0)
            size -= 1
            slots[r] = slots[size]
            place[slots[r]] = r
            place[old] = -1
            value -= loss
            price += ADAPTING * stiffness * (size - number)
    return slots[:size].copy(), value
