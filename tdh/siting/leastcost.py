"""The cheapest sites that cover a share of the demand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from tdh.siting import programme, setcover, solving
from tdh.siting.allocation import Request, answer, model_of
from tdh.siting.inputs import Floor
from tdh.siting.layered import Objective, groups_of, rows_of
from tdh.siting.model import unit_of
from tdh.siting.plan import Plan
from tdh.siting.solving import Effort

START = 0.1
"""Share of the work for a cover of everything, with which the search for less begins."""
NEAR = 1e-3
"""How near each other two costs are, relatively, when no budget between them is tried; whole costs
are told apart to the last."""
CORE, CORE_NODES = 20_000, 300
"""Non-zeros, and branch-and-bound nodes, of what the relaxation favours."""


def cheapest(request: Request, target: float, seed: int, effort: Effort) -> tuple[Plan, float]:
    r"""A plan that covers at least a target, and a cost that none falls below.

    .. math::

        \min \sum_i k_i x_i \quad\text{s.t.}\quad \sum_j d_j y_j \ge L,\;
        y_j \le \sum_{i \in N(j)} x_i,\; x, y \in \{0, 1\}

    Small problems go to branch and cut. Of larger ones three things are known: the linear
    relaxation's cost is a lower bound (:func:`tdh.siting.solving.least_limit`); an MCLP of some
    budget whose *bound* misses the target proves that the budget is too small; one whose *plan*
    reaches it is a plan.

    Parameters
    ----------
    request : Request
        One carrier, with its costs and without budgets.
    target : float
        :math:`L`, in the unit of demand.
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
    p = _programme(request.in_unit(unit), target / unit)
    cost = request.cost[0]

    def spent(chosen: np.ndarray) -> float:
        return float(cost[chosen].sum())

    if p.matrix.nnz <= programme.SMALL:
        nodes = round(programme.NODES * max(effort.work, 0.05))
        answer_ = programme.branch(p, nodes=nodes, seed=seed)
        if answer_.proven and answer_.values is not None:
            best = _trim(request, answer_.values[: p.n_whole] > 0.5, target)
            return _told(request, best, "SCIP", answer_.reproducible, effort), max(
                0.0, min(-answer_.bound, spent(best))
            )
    step = setcover.unit_of(cost[~request.forbidden[0]])
    best = _trim(request, _all_of(request, seed, START * effort.work).chosen, target)
    relaxed, likely = _relaxation(request, target, spent(best))
    least = setcover.up(relaxed, step)
    bottom, top = least - (step or NEAR * least), spent(best)
    while top - bottom > (1.5 * step or NEAR * top):
        middle = 0.5 * (bottom + top)
        middle = bottom + step * max(1.0, np.floor((middle - bottom) / step)) if step else middle
        plan = _mclp(request, middle, seed, effort)
        if plan is not None and plan.objective >= target:
            found = _trim(request, plan, target)
            best = found if spent(found) < spent(best) else best
            top = min(middle, spent(best))
        else:
            bottom = middle
            if plan is None or plan.bound < target:
                least = max(least, middle + step)
    method, reproducible = "bound and bisection of budgets", True
    inside = np.bincount(p.matrix.indices, minlength=len(p.gain))[: p.n_whole][likely | best].sum()
    if spent(best) > least * (1 + NEAR) and inside <= CORE:
        most = np.ones(len(p.gain))
        most[: p.n_whole] = likely | best
        nodes = max(1, round(CORE_NODES * effort.work))
        answer_ = programme.branch(p, nodes=nodes, seed=seed, most=most)
        method, reproducible = method + " + SCIP on what the bound favours", answer_.reproducible
        if answer_.values is not None and programme.keeps(p, answer_.values):
            found = _trim(request, answer_.values[: p.n_whole] > 0.5, target)
            best = found if spent(found) < spent(best) else best
    least = max(0.0, min(least, spent(best)))
    return _told(request, best, method, reproducible, effort), least


def _relaxation(request: Request, target: float, enough: float) -> tuple[float, np.ndarray]:
    """The relaxation's cost of a target, with what is fixed, and the sites that it takes."""
    model = model_of(request)
    m = model.arrays
    taken = np.zeros(request.fixed.shape[1], dtype=bool)
    base = float((request.cost * request.fixed).sum())
    if target <= model.base or not m.n_pairs:
        return base, taken
    # The model has costs of its own unit.
    dearest = int(np.argmax(m.cost))
    unit = float(request.cost[0, model.site[dearest]] / (m.cost[dearest] or 1.0)) or 1.0
    limit, shares = solving.least_limit(m, target - model.base, (enough - base) / unit)
    taken[model.site[shares > 1e-3]] = True
    return base + limit * unit, taken


def of_all(request: Request, seed: int, effort: Effort) -> tuple[Plan, float]:
    """As :func:`cheapest` for all that can be covered; see :func:`tdh.siting.setcover.solve`."""
    found = _all_of(request, seed, effort.work)
    least = min(found.least, float(request.cost[0, found.chosen].sum()))
    return _told(request, found.chosen, found.method, found.reproducible, effort), least


def _all_of(request: Request, seed: int, work: float) -> setcover.Found:
    return setcover.solve(
        request.footprints[0],
        request.demand[0],
        request.cost[0],
        usable=~(request.forbidden | request.fixed)[0],
        fixed=request.fixed[0],
        seed=seed,
        work=work,
    )


def _told(
    request: Request, chosen: np.ndarray, method: str, reproducible: bool, effort: Effort
) -> Plan:
    """A choice as a plan: the answer to the request with nothing left to choose."""
    others = ~chosen[None]
    table = answer(replace(request, forbidden=others, floors=[]), 0, effort)
    return replace(table, method=method, reproducible=table.reproducible and reproducible)


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


def _programme(request: Request, target: float) -> programme.Programme:
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
    return programme.Programme(gain, matrix, np.concatenate(limits), n_x)
