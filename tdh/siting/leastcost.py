"""The cheapest sites that cover a share of the demand."""

from __future__ import annotations

import heapq
import time
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
TOLERANCE = 1e-6
"""Relative gap up to which a choice counts as the cheapest."""
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
    search = _Search(request, target, seed, effort)
    methods = ["row weighting"]
    if search.gap > 0 and search.entries <= programme.SMALL:
        nodes = round(programme.NODES * max(effort.work, 0.05))
        search.branch(np.ones(len(search.best), dtype=bool), nodes)
        methods.append("SCIP")
    if search.gap > TOLERANCE:
        likely = search.relax()
        search.bisect()
        methods.append("bound and bisection of budgets")
        likely |= search.best
        if search.gap > TOLERANCE and search.inside(likely) <= CORE and not search.late():
            search.branch(likely, round(CORE_NODES * effort.work))
            methods.append("SCIP on what the bound favours")
    plan = _told(request, search.best, " + ".join(methods), search.reproducible, effort)
    return plan, max(0.0, min(search.least, search.spent(search.best)))


class _Search:
    """The cheapest choice so far that reaches the target, and what no such choice costs less than."""

    def __init__(self, request: Request, target: float, seed: int, effort: Effort) -> None:
        limit = np.inf if effort.time_limit_s is None else effort.time_limit_s
        self.deadline = time.monotonic() + limit
        self.target, self.seed, self.effort = target, seed, effort
        self.cost, self.fixed = request.cost[0], request.fixed[0]
        self.reproducible = True
        self.request = request
        hurried = replace(effort, work=START * effort.work)
        self.best = self.trim(_all_of(request, seed, hurried).chosen)
        # What costs more than all of these is in no better choice, and would leave the costs of the
        # others among a solver's tolerances.
        dear = (self.cost > self.spent(self.best)) & ~self.fixed
        self.request = replace(request, forbidden=request.forbidden | dear[None])
        self.least = float(self.cost[self.fixed].sum())
        self.unit = setcover.unit_of(self.cost[~self.request.forbidden[0]])
        unit = unit_of(request.demand)
        self.programme = _programme(self.request.in_unit(unit), target / unit)

    @property
    def gap(self) -> float:
        """How far, relatively, the best choice may be from the cheapest."""
        spent = self.spent(self.best)
        return (spent - self.least) / spent if spent > 0 else 0.0

    @property
    def entries(self) -> int:
        """Non-zeros of the programme."""
        return int(self.programme.matrix.nnz)

    def spent(self, chosen: np.ndarray) -> float:
        """What a choice costs."""
        return float(self.cost[chosen].sum())

    def inside(self, sites: np.ndarray) -> int:
        """Non-zeros of the programme at some sites."""
        p = self.programme
        each = np.bincount(p.matrix.indices, minlength=len(p.gain))[: p.n_whole]
        return int(each[sites].sum())

    def late(self) -> bool:
        """Whether the time limit has passed; then the plan is not reproducible."""
        late = time.monotonic() > self.deadline
        self.reproducible &= not late
        return late

    def keep(self, chosen: np.ndarray) -> bool:
        """Take a choice that reaches the target, without what it does not need, if it is cheaper."""
        people = self.request.demand[0]
        if float(people[_covered(self.request, chosen) > 0].sum()) < self.target:
            return False
        trimmed = self.trim(chosen)
        if self.spent(trimmed) < self.spent(self.best):
            self.best = trimmed
        return True

    def branch(self, sites: np.ndarray, nodes: int) -> None:
        """Branch and cut among some sites; what it proves holds where they are all."""
        p = self.programme
        most = np.ones(len(p.gain))
        most[: p.n_whole] = sites
        left = min(programme.PATIENCE_S, max(0.1, self.deadline - time.monotonic()))
        found = programme.branch(
            p, nodes=max(1, nodes), seed=self.seed, most=most, time_limit_s=left
        )
        self.reproducible &= found.reproducible
        if found.values is not None:
            self.keep(found.values[: p.n_whole] > 0.5)
            if sites.all():
                self.least = max(self.least, setcover.up(-found.bound, self.unit))

    def relax(self) -> np.ndarray:
        """The relaxation's bound, and the sites that it takes."""
        relaxed, likely = _relaxation(self.request, self.target, self.spent(self.best))
        self.least = max(self.least, setcover.up(relaxed, self.unit))
        return likely

    def bisect(self) -> None:
        """Budgets between what is proven to be needed and what is known to be enough."""
        top = self.spent(self.best)
        step = self.unit if self.unit > NEAR * NEAR * top else 0.0
        bottom = self.least - (step or NEAR * self.least)
        held = float(self.cost[self.fixed].sum())
        while top - bottom > (1.5 * step or NEAR * top) and not self.late():
            middle = 0.5 * (bottom + top)
            if step:
                middle = bottom + step * max(1.0, np.floor((middle - bottom) / step))
            plan = None
            if middle >= held:
                left = self.deadline - time.monotonic()
                limit = None if np.isinf(left) else max(0.1, left)
                budget = replace(self.request, budget=np.array([middle]))
                plan = answer(budget, self.seed, replace(self.effort, time_limit_s=limit))
                self.reproducible &= plan.reproducible
            if plan is not None and self.keep(_mask(plan, len(self.best))):
                top = min(middle, self.spent(self.best))
            else:
                bottom = middle
                if plan is None or plan.bound < self.target:
                    self.least = max(self.least, middle + step)

    def trim(self, chosen: np.ndarray) -> np.ndarray:
        """Without sites that the target does not need, the dearest first, then what adds least."""
        out = chosen.copy()
        matrix, people = self.request.footprints[0], self.request.demand[0]
        count = _covered(self.request, out)
        spare = float(people[count > 0].sum()) - self.target

        def lost(i: int) -> float:
            cells = matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]
            return float(people[cells[count[cells] == 1]].sum())

        # What a site loses only rises as others go: one that has not changed is the next.
        queue = [
            (-float(self.cost[i]), lost(i), i) for i in np.flatnonzero(out & ~self.fixed).tolist()
        ]
        heapq.heapify(queue)
        while queue:
            price, before, i = heapq.heappop(queue)
            now = lost(i)
            if now > spare:
                continue
            if now > before:
                heapq.heappush(queue, (price, now, i))
                continue
            spare -= now
            out[i] = False
            count[matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]] -= 1
        return out


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
    found = _all_of(request, seed, effort)
    least = min(found.least, float(request.cost[0, found.chosen].sum()))
    return _told(request, found.chosen, found.method, found.reproducible, effort), least


def _all_of(request: Request, seed: int, effort: Effort) -> setcover.Found:
    return setcover.solve(
        request.footprints[0],
        request.demand[0],
        request.cost[0],
        usable=~(request.forbidden | request.fixed)[0],
        fixed=request.fixed[0],
        seed=seed,
        work=effort.work,
        time_limit_s=effort.time_limit_s,
    )


def _told(
    request: Request, chosen: np.ndarray, method: str, reproducible: bool, effort: Effort
) -> Plan:
    """A choice as a plan: the answer to the request with nothing left to choose."""
    others = ~chosen[None]
    table = answer(replace(request, forbidden=others, floors=[]), 0, effort)
    return replace(table, method=method, reproducible=table.reproducible and reproducible)


def _mask(plan: Plan, n_sites: int) -> np.ndarray:
    """The sites of a plan of one carrier."""
    chosen = np.zeros(n_sites, dtype=bool)
    chosen[plan.selected[:, -1]] = True
    return chosen


def _covered(request: Request, chosen: np.ndarray) -> np.ndarray:
    matrix = request.footprints[0]
    return np.bincount(matrix[np.flatnonzero(chosen)].indices, minlength=matrix.shape[1])


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
    # What may not be chosen costs nothing: a solver measures by the dearest.
    cost = np.where(request.forbidden[0], 0.0, request.cost[0])
    gain = np.concatenate([-cost, np.zeros(n_groups)])
    matrix = sparse.csr_array(sparse.vstack(parts, format="csr"))
    return programme.Programme(gain, matrix, np.concatenate(limits), n_x)
