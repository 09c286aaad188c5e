"""The cheapest sites that cover a share of the demand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from tdh.siting import programme
from tdh.siting.allocation import Request, answer
from tdh.siting.inputs import Floor
from tdh.siting.layered import Objective, groups_of, rows_of
from tdh.siting.model import unit_of
from tdh.siting.plan import Plan
from tdh.siting.solving import Effort

HALVINGS = 12
"""Budgets tried."""


def cheapest(
    request: Request, target: float, every: Plan, seed: int, effort: Effort
) -> tuple[Plan, float]:
    r"""A plan that covers at least a target, and a cost that none falls below.

    .. math::

        \min \sum_i k_i x_i \quad\text{s.t.}\quad \sum_j d_j y_j \ge L,\;
        y_j \le \sum_{i \in N(j)} x_i,\; x, y \in \{0, 1\}

    Small problems go to branch and cut. Of larger ones three things are known: the linear
    relaxation's cost is a lower bound; an MCLP of some budget whose *bound* misses the target
    proves that the budget is too small; one whose *plan* reaches it is a plan.

    Parameters
    ----------
    request : Request
        One carrier, with its costs and without budgets.
    target : float
        :math:`L`, in the unit of demand.
    every : Plan
        A plan that reaches it.
    seed : int
    effort : Effort

    Returns
    -------
    plan : Plan
        Its ``objective`` is the demand that it covers; its bound is that of its own sites.
    least : float
        No plan that covers the target costs less.
    """
    unit = unit_of(request.demand)
    p, cover = _programme(request.in_unit(unit), target / unit)
    cost = request.cost[0]
    whole = bool((cost == np.round(cost)).all())
    every_cost = float(cost.sum()) or 1.0
    low = 0.0
    best = _trim(request, every, target)

    def spent(chosen: np.ndarray) -> float:
        return float(cost[chosen].sum())

    def polish(shares: np.ndarray) -> np.ndarray | None:
        nonlocal low, best
        relaxed = float(cost @ shares)
        bottom, top = min(relaxed, spent(best)) * 0.98, spent(best)
        for _ in range(HALVINGS):
            if top - bottom <= max(1e-3 * top, 0.5 if whole else 0.0):
                break
            middle = 0.5 * (bottom + top)
            middle = float(np.floor(middle)) if whole else middle
            plan = _mclp(request, middle, seed, effort)
            if plan is not None and plan.objective >= target:
                found = _trim(request, plan, target)
                if spent(found) < spent(best):
                    best = found
                top = min(middle, spent(best))
            else:
                bottom = middle
                if plan is None or plan.bound < target:
                    low = max(low, middle)
        return _variables(cover, best)

    found = programme.solve(p, seed=seed, work=effort.work, polish=polish)
    if (
        found.values is not None
        and found.values[: p.n_whole] @ cost < spent(best) - 1e-9 * every_cost
    ):
        best = _trim(request, found.values[: p.n_whole] > 0.5, target)
    least = max(low, -found.bound)
    if whole:
        least = float(np.ceil(least - 1e-6))
    least = min(least, spent(best))
    held = np.zeros(request.fixed.shape, dtype=bool)
    held[0] = best
    table = answer(_only(request, held), seed, effort)
    sure = table.reproducible and found.reproducible
    return replace(table, method=found.method, reproducible=sure), max(0.0, least)


def _only(request: Request, chosen: np.ndarray) -> Request:
    """The request with nothing left to choose."""
    return replace(request, forbidden=~chosen, floors=[])


def _mclp(request: Request, budget: float, seed: int, effort: Effort) -> Plan | None:
    if float((request.cost * request.fixed).sum()) > budget:
        return None
    return answer(replace(request, budget=np.array([budget])), seed, effort)


def _covered(request: Request, chosen: np.ndarray) -> np.ndarray:
    matrix = request.footprints[0]
    return np.bincount(matrix[np.flatnonzero(chosen)].indices, minlength=matrix.shape[1])


def _trim(request: Request, plan: Plan | np.ndarray, target: float) -> np.ndarray:
    """Without sites that the target does not need, the dearest for what they add first."""
    if isinstance(plan, Plan):
        chosen = np.zeros(request.fixed.shape[1], dtype=bool)
        chosen[plan.selected[:, -1] if plan.selected.ndim == 2 else plan.selected] = True
    else:
        chosen = plan.copy()
    matrix, demand = request.footprints[0], request.demand[0]
    count = _covered(request, chosen)
    spare = float(demand[count > 0].sum()) - target
    while True:
        own = np.flatnonzero(chosen & ~request.fixed[0])
        once = np.where(count == 1, demand, 0.0)
        lost = np.asarray(matrix[own] @ once)
        can = np.flatnonzero(lost <= spare)
        if not len(can):
            return chosen
        i = own[can[np.argmax(request.cost[0, own[can]] - 1e-9 * lost[can])]]
        spare -= float(lost[own == i][0])
        chosen[i] = False
        count[matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]] -= 1


def _programme(request: Request, target: float) -> tuple[programme.Programme, sparse.csr_array]:
    available, rows, most = rows_of(request)
    floors = [Floor(np.ones(request.demand.shape[1], dtype=bool), target), *request.floors]
    groups = groups_of(request, Objective(request.demand), available, [f.mask for f in floors])
    (_, cover), *_ = groups.covers
    n_groups, n_x = cover.shape
    below = sparse.block_array([[-cover, sparse.eye_array(n_groups)]], format="csr")
    n = n_x + n_groups
    parts = [sparse.csr_array((rows.data, rows.indices, rows.indptr), (len(most), n)), below]
    limits = [most, np.zeros(n_groups)]
    for mask, need, _ in floors:
        row = np.zeros(n)
        row[n_x:] = np.where(mask[groups.cell], -groups.weight, 0.0)
        parts.append(sparse.csr_array(row[None] / max(1.0, need)))
        limits.append(np.array([-need / max(1.0, need)]))
    gain = np.concatenate([-request.cost[0], np.zeros(n_groups)])
    matrix = sparse.csr_array(sparse.vstack(parts, format="csr"))
    return programme.Programme(gain, matrix, np.concatenate(limits), n_x), cover


def _variables(cover: sparse.csr_array, chosen: np.ndarray) -> np.ndarray:
    return np.concatenate([chosen, cover @ chosen.astype(np.float64) > 0.5]).astype(np.float64)
