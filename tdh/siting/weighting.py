"""Local search for covering with weights of groups that rise while nothing covers them.

Where (nearly) all has to be covered, the value of a plan says little: most moves change it by next
to nothing. What is hard to cover has to count for more. So each step takes out the site that is
missed least, puts in one that covers a group drawn from those left out, and then lets everything
that is left out weigh more: what is missed again and again is kept in the end, and no plan is
visited for long. (Row weighting: Gao, Weise and Li 2015, "An efficient local search heuristic with
row weighting for the unicost set covering problem"; by cost here.)
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np

from tdh.siting.drawing import below
from tdh.threads import available_threads

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")

CHAINS = 2
"""Independent searches, shared by the threads that there are."""
LOOKED_AT = 300
"""Chosen sites among which the one that is missed least is sought; drawn, where there are more."""
RATE = 1e8
"""Elementary operations a second that a time limit counts on."""
STEP = 100.0
"""Elementary operations that a step counts for at least."""


class Sets(NamedTuple):
    """Which sites cover which groups, and what they cost.

    Attributes
    ----------
    cover_ptr, cover_idx : (n_sites + 1,) int64, (nnz,) int32
        Groups of each site, ascending.
    group_ptr, group_idx : (n_groups + 1,) int64, (nnz,) int32
        Sites of each group, ascending.
    cost : (n_sites,) float64
        Above zero.
    """

    cover_ptr: np.ndarray
    cover_idx: np.ndarray
    group_ptr: np.ndarray
    group_idx: np.ndarray
    cost: np.ndarray

    @property
    def n_sites(self) -> int:
        """How many sites there are."""
        return len(self.cost)

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.group_ptr) - 1


def cheapest(
    sets: Sets, start: np.ndarray, *, unit: float, enough: float, work: float, seed: Sequence[int]
) -> np.ndarray:
    """A cover of all groups at little cost.

    Parameters
    ----------
    sets : Sets
    start : (n_sites,) bool
        Where to begin; it need not cover all.
    unit : float
        Above zero: by how much less the next cover has to cost. 1 where costs are whole.
    enough : float
        A cost at which to stop.
    work : float
        Elementary operations of each search.
    seed : sequence of int
        The same seed gives the same cover, on one thread or several.

    Returns
    -------
    (n_sites,) bool
    """
    found = _searches(sets, np.ones(sets.n_groups), start, work, seed, unit, enough)
    return min(found, key=lambda own: float(sets.cost[own].sum()))


def fuller(
    sets: Sets,
    worth: np.ndarray,
    chosen: np.ndarray,
    *,
    work: float,
    seed: Sequence[int],
) -> np.ndarray:
    """A choice of the same cost that leaves out no more than one that is known.

    Parameters
    ----------
    sets : Sets
    worth : (n_groups,) float64
        What it is to cover each group.
    chosen : (n_sites,) bool
    work, seed
        As for :func:`cheapest`.

    Returns
    -------
    (n_sites,) bool
    """
    found = _searches(sets, worth, chosen, work, seed, 0.0, 0.0)
    return max(found, key=lambda own: _covered(sets, worth, own))


def _covered(sets: Sets, worth: np.ndarray, chosen: np.ndarray) -> float:
    count = np.zeros(sets.n_groups, dtype=bool)
    for i in np.flatnonzero(chosen).tolist():
        count[sets.cover_idx[sets.cover_ptr[i] : sets.cover_ptr[i + 1]]] = True
    return float(worth[count].sum())


def _searches(
    sets: Sets,
    worth: np.ndarray,
    start: np.ndarray,
    work: float,
    seed: Sequence[int],
    unit: float,
    enough: float,
) -> list[np.ndarray]:
    def chain(k: int) -> np.ndarray:
        draws = np.random.default_rng([*seed, k]).integers(1 << 31)
        found: np.ndarray = _search(sets, worth, start, work, draws, unit, enough)
        return found

    with ThreadPoolExecutor(min(CHAINS, available_threads())) as pool:
        return list(pool.map(chain, range(CHAINS)))


class _State(NamedTuple):
    """What a search keeps.

    Attributes
    ----------
    weight : (n_groups,) int64
    score : (n_sites,) int64
        Of a site that is out the weight that it would cover more, of one that is in the weight that
        only it covers: coming or going itself does not change it.
    moved : (n_sites,) int64
        The step at which it last came or went.
    times, coverers : (n_groups,) int64
        How many sites that are in cover a group, and the exclusive or of them.
    left, left_at : (n_groups,) int64
        The groups that none covers, and where each stands among them.
    within, within_at : (n_sites,) int64
        The sites that are in, and where each stands among them.
    size : (2,) int64
        Groups left, and sites that are in.
    total : (2,) float64
        What is left out, by worth, and what is spent.
    work : (1,) float64
        Elementary operations so far.
    """

    weight: np.ndarray
    score: np.ndarray
    moved: np.ndarray
    times: np.ndarray
    coverers: np.ndarray
    left: np.ndarray
    left_at: np.ndarray
    within: np.ndarray
    within_at: np.ndarray
    size: np.ndarray
    total: np.ndarray
    work: np.ndarray


@_njit
def _insert(members, place, size, k):  # type: ignore[no-untyped-def]
    """Put k into a set that is kept as a list; returns its size."""
    members[size], place[k] = k, size
    return size + 1


@_njit
def _delete(members, place, size, k):  # type: ignore[no-untyped-def]
    """Take k out of a set that is kept as a list; returns its size."""
    last = members[size - 1]
    members[place[k]], place[last] = last, place[k]
    place[k] = -1
    return size - 1


@_njit
def _add(sets, worth, s, site):  # type: ignore[no-untyped-def]
    """Take a site in."""
    for k in range(sets.cover_ptr[site], sets.cover_ptr[site + 1]):
        j = sets.cover_idx[k]
        if s.times[j] == 0:
            for q in range(sets.group_ptr[j], sets.group_ptr[j + 1]):
                s.score[sets.group_idx[q]] -= s.weight[j]
            s.score[site] += s.weight[j]
            s.work[0] += sets.group_ptr[j + 1] - sets.group_ptr[j]
            s.size[0] = _delete(s.left, s.left_at, s.size[0], j)
            s.total[0] -= worth[j]
        elif s.times[j] == 1:
            s.score[s.coverers[j]] -= s.weight[j]
        s.times[j] += 1
        s.coverers[j] ^= site
    s.size[1] = _insert(s.within, s.within_at, s.size[1], site)
    s.total[1] += sets.cost[site]
    s.work[0] += sets.cover_ptr[site + 1] - sets.cover_ptr[site]


@_njit
def _drop(sets, worth, s, site):  # type: ignore[no-untyped-def]
    """Take a site out."""
    for k in range(sets.cover_ptr[site], sets.cover_ptr[site + 1]):
        j = sets.cover_idx[k]
        s.times[j] -= 1
        s.coverers[j] ^= site
        if s.times[j] == 0:
            for q in range(sets.group_ptr[j], sets.group_ptr[j + 1]):
                s.score[sets.group_idx[q]] += s.weight[j]
            s.score[site] -= s.weight[j]
            s.work[0] += sets.group_ptr[j + 1] - sets.group_ptr[j]
            s.size[0] = _insert(s.left, s.left_at, s.size[0], j)
            s.total[0] += worth[j]
        elif s.times[j] == 1:
            s.score[s.coverers[j]] += s.weight[j]
    s.size[1] = _delete(s.within, s.within_at, s.size[1], site)
    s.total[1] -= sets.cost[site]
    s.work[0] += sets.cover_ptr[site + 1] - sets.cover_ptr[site]


@_njit
def _least_missed(sets, s, step, state):  # type: ignore[no-untyped-def]
    """The site whose loss is least for its cost, of those that did not come just now; or -1."""
    site, n_in = -1, s.size[1]
    s.work[0] += min(n_in, LOOKED_AT)
    for k in range(min(n_in, LOOKED_AT)):
        other = s.within[k if n_in <= LOOKED_AT else below(state, n_in)]
        if s.moved[other] == step - 1:
            continue
        if site >= 0:
            beside = s.score[other] * sets.cost[site] - s.score[site] * sets.cost[other]
            if beside > 0.0 or (beside == 0.0 and s.moved[other] >= s.moved[site]):
                continue
        site = other
    return site


@_njit
def _most_gained(sets, s, step, j, room):  # type: ignore[no-untyped-def]
    """The site that covers group j and gains most for its cost, of those that did not go; or -1."""
    site = -1
    s.work[0] += sets.group_ptr[j + 1] - sets.group_ptr[j]
    for q in range(sets.group_ptr[j], sets.group_ptr[j + 1]):
        other = sets.group_idx[q]
        if s.moved[other] == step or sets.cost[other] > room:
            continue
        if site >= 0:
            beside = s.score[other] * sets.cost[site] - s.score[site] * sets.cost[other]
            if beside < 0.0 or (beside == 0.0 and s.moved[other] >= s.moved[site]):
                continue
        site = other
    return site


@_njit
def _fill(sets, worth, s, step, limit, state):  # type: ignore[no-untyped-def]
    """Take in sites for groups drawn from those left, as long as one fits."""
    while s.size[0] > 0:
        j = s.left[below(state, s.size[0])]
        site = _most_gained(sets, s, step, j, limit - s.total[1])
        if site < 0:
            return
        _add(sets, worth, s, site)
        s.moved[site] = step


@_njit
def _search(sets, worth, start, work, seed, unit, enough):  # type: ignore[no-untyped-def]
    """The best choice that was seen.

    With a ``unit`` the cheapest that covers all; without one that which leaves out least, at no
    more than the cost of ``start``.
    """
    n, n_groups = sets.cost.size, worth.size
    state = np.array([np.uint64(88172645463325252) + np.uint64(seed) * np.uint64(2654435761)])
    s = _State(
        np.ones(n_groups, np.int64),
        sets.cover_ptr[1:] - sets.cover_ptr[:-1],
        np.full(n, -2, np.int64),
        np.zeros(n_groups, np.int64),
        np.zeros(n_groups, np.int64),
        np.arange(n_groups),
        np.arange(n_groups),
        np.empty(n, np.int64),
        np.full(n, -1, np.int64),
        np.array([n_groups, 0]),
        np.array([worth.sum(), 0.0]),
        np.zeros(1),
    )
    for site in np.flatnonzero(start):
        _add(sets, worth, s, site)
    if unit > 0.0:
        _fill(sets, worth, s, 0, np.inf, state)
    best, least, limit = s.within_at >= 0, s.total[0], s.total[1] * (1 + 1e-12)
    step = 0
    while s.work[0] < work and s.size[1] > 0:
        if s.size[0] == 0:
            best[:] = s.within_at >= 0
            if unit == 0.0 or s.total[1] <= enough:
                break
            limit = s.total[1] - unit
        step += 1
        s.work[0] += STEP
        gone = 0
        while s.size[1] > 0 and (gone == 0 or s.total[1] > limit):
            site = _least_missed(sets, s, step, state)
            if site < 0:
                site = s.within[0]
            _drop(sets, worth, s, site)
            s.moved[site] = step
            gone += 1
        _fill(sets, worth, s, step, limit, state)
        for k in range(s.size[0]):
            j = s.left[k]
            s.weight[j] += 1
            for q in range(sets.group_ptr[j], sets.group_ptr[j + 1]):
                s.score[sets.group_idx[q]] += 1
            s.work[0] += sets.group_ptr[j + 1] - sets.group_ptr[j]
        if unit == 0.0 and s.total[0] < least:
            best[:], least = s.within_at >= 0, s.total[0]
    if s.size[0] == 0 and (unit == 0.0 or s.total[1] <= limit):
        best[:] = s.within_at >= 0
    return best
