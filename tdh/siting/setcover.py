"""Set covering: the cheapest sites that together cover all that can be covered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tdh.siting import kernels, programme, weighting
from tdh.siting.model import aggregate
from tdh.siting.reducing import reduce

WORK = 4e9
"""Elementary operations of each search at effort 1, some seconds."""
QUICK = 2e6
"""The same of a first cover: what costs more than all of it is left out."""
STEPS = 6e9
"""Steps of the first-order method times non-zeros at effort 1, within its least and most steps."""
LEAST, MOST = 1_000, 10_000
OPEN, NODES = 30_000, 50
"""Non-zeros up to which what the bound leaves open is branched on, and the nodes."""
ROUNDING = 1e-9
"""Share of the costs that the rounding of their sum may take."""


@dataclass(frozen=True, eq=False)
class Found:
    """A cover of everything.

    Attributes
    ----------
    chosen : (n_sites,) bool
    least : float
        No cover costs less.
    method : str
    reproducible : bool
        False where the wall clock ended a solver.
    """

    chosen: np.ndarray
    least: float
    method: str
    reproducible: bool = True


def solve(
    footprint: sparse.csr_array,
    demand: np.ndarray,
    cost: np.ndarray,
    *,
    usable: np.ndarray,
    fixed: np.ndarray,
    seed: int = 0,
    work: float = 1.0,
    time_limit_s: float | None = None,
) -> Found:
    r"""The cheapest sites that cover every cell with demand that a site can cover.

    .. math::

        \min \sum_i k_i x_i \quad\text{s.t.}\quad \sum_{i \in N(j)} x_i \ge 1 \;\;\forall j,\;
        x \in \{0, 1\}

    What dominates is kept (:mod:`tdh.siting.reducing`); of the rest the linear relaxation gives a
    bound, row weighting (:mod:`tdh.siting.weighting`) a cover, and branch and cut decides what is
    small, or what the bound leaves open of it.

    Parameters
    ----------
    footprint : csr_array, shape (n_sites, n_cells)
        Indices sorted.
    demand : (n_cells,) float64
    cost : (n_sites,) float64
        Not negative; finite for usable and fixed sites.
    usable, fixed : (n_sites,) bool
        Sites that may be chosen, and that are.
    seed : int
    work : float
        Factor on the work limits.
    time_limit_s : float, optional
        Work is limited to what takes about so long; the clock itself is not looked at.

    Returns
    -------
    Found
    """
    if time_limit_s is not None:
        work = min(work, time_limit_s * weighting.RATE / WORK)
    # What costs nothing is taken: no cover is cheaper without it.
    chosen = fixed | (usable & (cost <= 0))
    done = np.zeros(len(demand), dtype=bool)
    done[footprint[np.flatnonzero(chosen)].indices] = True
    left = np.where(done, 0.0, demand)
    signature = np.zeros(len(demand), dtype=np.uint64)
    ptr, idx, weight, *_ = aggregate(footprint, left, usable & ~chosen, signature)
    cover = sparse.csr_array(
        (np.ones(len(idx), dtype=bool), idx, ptr), shape=(len(cost), len(weight))
    )
    cover.sort_indices()
    open_ = reduce(cover, np.where(usable, cost, 0.0))
    chosen |= open_.forced
    base = float(cost[chosen].sum())
    if not len(open_.group):
        return Found(_trimmed(footprint, demand, cost, chosen, fixed), base, "reduction")
    part = sparse.csr_array(cover[open_.site][:, open_.group])
    patience = min(time_limit_s or np.inf, programme.PATIENCE_S)
    own, least, method, reproducible = _cover(part, cost[open_.site], seed, work, patience)
    chosen[open_.site[own]] = True
    return Found(
        _trimmed(footprint, demand, cost, chosen, fixed), base + least, method, reproducible
    )


def _cover(
    cover: sparse.csr_array, cost: np.ndarray, seed: int, work: float, patience_s: float
) -> tuple[np.ndarray, float, str, bool]:
    """Of what cannot be reduced: a cover, the least cost, the method, whether it is reproducible."""
    sets = weighting.Sets(*both_ways(cover), cost)
    step = unit_of(cost) or 1e-6 * float(cost.min())
    first = weighting.cheapest(
        sets, np.zeros(len(cost), dtype=bool), unit=step, enough=0.0, work=QUICK, seed=(seed,)
    )
    spent = float(cost[first].sum())
    if (cost > spent).any():
        # No better cover has them, and beside them a solver would not tell other costs apart.
        kept = np.flatnonzero(cost <= spent)
        own, least, method, sure = _cover(
            sparse.csr_array(cover[kept]), cost[kept], seed, work, patience_s
        )
        best = np.zeros(len(cost), dtype=bool)
        best[kept[own]] = True
        return best, least, method, sure
    n_sites, n_groups = cover.shape
    rows = sparse.csr_array(-cover.T.astype(np.float64).tocsr())
    p = programme.Programme(-cost, rows, -np.ones(n_groups), n_sites)
    if rows.nnz <= programme.SMALL:
        nodes = round(programme.NODES * max(work, 0.05))
        answer = programme.branch(p, nodes=nodes, seed=seed, time_limit_s=patience_s)
        if answer.values is not None and answer.proven and programme.keeps(p, answer.values):
            return answer.values > 0.5, -answer.bound, "SCIP", answer.reproducible
    unit = unit_of(cost)
    steps = min(MOST, max(LEAST, STEPS / rows.nnz)) * max(work, 0.1)
    shares, bound, prices = programme.relax(p, iterations=round(steps))
    least = up(-bound, unit)
    best = weighting.cheapest(
        sets, shares > 0.5, unit=step, enough=least, work=WORK * work, seed=(seed,)
    )
    best = min(best, first, key=lambda own: float(cost[own].sum()))
    spent = float(cost[best].sum())
    method, reproducible = "row weighting + PDLP bound", True
    # A site whose reduced cost is more than what the bound leaves open is in no better cover.
    room = spent - step + bound + ROUNDING * spent
    likely = cost + rows.T @ prices <= room
    if spent > least + ROUNDING * spent and cover[np.flatnonzero(likely)].nnz <= OPEN:
        most = likely.astype(np.float64)
        nodes = max(1, round(NODES * work))
        answer = programme.branch(p, nodes=nodes, seed=seed, most=most, time_limit_s=patience_s)
        method, reproducible = method + " + SCIP on what it leaves open", answer.reproducible
        none = answer.values is None and answer.proven
        within = spent - (0.0 if unit else step) if none else -answer.bound
        least = max(least, up(min(within, spent), unit))
        if answer.values is not None and programme.keeps(p, answer.values):
            own = answer.values > 0.5
            if float(cost[own].sum()) < spent:
                best, spent = own, float(cost[own].sum())
    return best, min(least, spent), method, reproducible


def unit_of(cost: np.ndarray) -> float:
    """What all costs are multiples of; 0 where they are not whole.

    Examples
    --------
    >>> unit_of(np.array([6.0, 0.0, 9.0])), unit_of(np.array([0.5, 1.0]))
    (3.0, 0.0)
    """
    whole = np.round(cost)
    if (cost != whole).any() or np.max(whole, initial=0.0) > 2**53:
        return 0.0
    return float(np.gcd.reduce(whole.astype(np.int64)))


def up(least: float, unit: float) -> float:
    """What a bound says of costs that are multiples of a unit.

    Examples
    --------
    >>> up(97.2, 1.0), up(6.0000001, 3.0), up(97.2, 0.0)
    (98.0, 6.0, 97.2)
    """
    return float(np.ceil(least / unit - 1e-6)) * unit if unit else least


def both_ways(cover: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both directions of the covering matrix."""
    ptr, idx = cover.indptr.astype(np.int64), cover.indices.astype(np.int32)
    by_group = kernels.transpose(ptr, idx, cover.shape[1])
    return ptr, idx, by_group[0], by_group[1]


def _trimmed(
    footprint: sparse.csr_array,
    demand: np.ndarray,
    cost: np.ndarray,
    chosen: np.ndarray,
    fixed: np.ndarray,
) -> np.ndarray:
    """Without sites that the others do without, the dearest first."""
    out = chosen.copy()
    count = np.bincount(footprint[np.flatnonzero(out)].indices, minlength=len(demand))
    own = np.flatnonzero(out & ~fixed)
    for i in own[np.argsort(-cost[own], kind="stable")].tolist():
        cells = footprint.indices[footprint.indptr[i] : footprint.indptr[i + 1]]
        if (count[cells[demand[cells] > 0]] > 1).all():
            out[i] = False
            count[cells] -= 1
    return out
