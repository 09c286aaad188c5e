"""Allocation of assets to carriers, and its special case for one carrier."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tdh import seeds
from tdh.errors import Problem
from tdh.language import Text
from tdh.siting import infeasible, solving
from tdh.siting.counting import assignments
from tdh.siting.inputs import Checks, Floor
from tdh.siting.model import Arrays, Model, Rows, build
from tdh.siting.plan import Plan, Status
from tdh.siting.solving import Effort, Progress
from tdh.siting.spacing import cliques, too_near


@dataclass(frozen=True, eq=False)
class Request:
    """An allocation, checked: every array in its full shape.

    Attributes
    ----------
    footprints : list of csr_array (n_sites, n_cells)
    demand : (n_carriers, n_cells) float64
    max_sites, budget : (n_carriers,) float64
    capacity : (n_sites,) float64
    cost : (n_carriers, n_sites) float64
    programme_budget : float
    xy_m : (n_sites, 2) float64 or None
    spacing_m : float
    floors : list of Floor
    fixed, forbidden : (n_carriers, n_sites) bool
    unavailable : (n_carriers, n_sites) bool
        Those of the forbidden ones that cannot be had at any cost.
    at_most : list of (bool mask (n_carriers, n_sites), limit)
    """

    footprints: list[sparse.csr_array]
    demand: np.ndarray
    max_sites: np.ndarray
    budget: np.ndarray
    capacity: np.ndarray
    cost: np.ndarray
    programme_budget: float
    xy_m: np.ndarray | None
    spacing_m: float
    floors: list[Floor]
    fixed: np.ndarray
    forbidden: np.ndarray
    unavailable: np.ndarray
    at_most: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def in_unit(self, unit: float) -> Request:
        """The same with demand in another unit."""
        floors = [floor._replace(need=floor.need / unit) for floor in self.floors]
        return replace(self, demand=self.demand / unit, floors=floors)


def solve_allocation(
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 1,
    xy_m: ArrayLike | None = None,
    spacing_m: float = 0.0,
    floors: Sequence[tuple[Any, ...]] | None = None,
    seed: int = 0,
    *,
    fixed: Any = None,
    forbidden: Any = None,
    cost: ArrayLike | None = None,
    budget: Any = None,
    programme_budget: float | None = None,
    at_most: Sequence[tuple[Any, float]] | None = None,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> Plan:
    r"""Which assets to offer to which carriers so that the most demand is covered.

    .. math::

        \max \sum_c \sum_j d_{cj} y_{cj} \quad\text{s.t.}\quad
        & y_{cj} \le \sum_{i \in N_c(j)} x_{ci}, \\
        & \sum_i x_{ci} \le p_c,\; \sum_i k_{ci} x_{ci} \le B_c,\; \sum_{ci} k_{ci} x_{ci} \le B, \\
        & \sum_c x_{ci} \le K_i,\; x_{ci} + x_{ci'} \le 1 \text{ where } \|i - i'\| < s, \\
        & \sum_{c \in C_f} \sum_{j \in f} d_{cj} y_{cj} \ge L_f,\; x, y \in \{0, 1\}

    Places that matter beyond the people who live there (town halls, disaster hospitals) are
    demand too, as in the weighted objectives of Church and ReVelle (1974): add to a cell what its
    places count for, in people. To put them *before* people use :func:`solve_lexicographic`.

    Parameters
    ----------
    footprints : sequence of csr_array, shape (n_sites, n_cells)
        One a carrier: which cells a site would serve in any of the carrier's bands.
    demand : array, shape (n_carriers, n_cells)
        What is still open, such as people in the carrier's gap.
    max_sites : int or sequence, optional
        Most sites of a carrier, :math:`p_c`; 0 is none, None no limit.
    sharing_capacity : int or array (n_sites,)
        Most carriers on one site, :math:`K_i`.
    xy_m : array, shape (n_sites, 2), optional
        Projected coordinates in metres; needed for spacing.
    spacing_m : float
        Least distance between two sites of one carrier; exactly the distance is allowed.
    floors : sequence of (bool mask (n_cells,), float) or (mask, float, carrier), optional
        Least demand to cover within a mask, in the unit of ``demand``: over all carriers, or of
        the one carrier whose position is given.
    seed : int
        The same inputs and seed give the same plan, whatever the machine's load.
    fixed, forbidden : pairs (carrier, site), or bool (n_carriers, n_sites), optional
        Choices made already (they count against every limit), and choices ruled out.
    cost : array broadcast to (n_carriers, n_sites), optional
        Cost of a choice; 1 by default. ``np.inf`` is a choice that cannot be had.
    budget : float or sequence, optional
        Most cost of a carrier, :math:`B_c`.
    programme_budget : float, optional
        Most cost altogether, :math:`B`.
    at_most : sequence of (pairs, int), optional
        Sets of pairs, given as ``fixed`` is, of which at most so many may be chosen.
    effort : Effort, optional
        When to stop.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    Plan
        ``selected`` holds pairs (carrier, site), sorted.

    Raises
    ------
    InputError
        If arguments are of the wrong shape or value.
    InfeasibleError
        If no plan keeps the limits; it names those that conflict and the least relaxation.
    NoSolutionError
        If none was found within the effort.

    Examples
    --------
    >>> near = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1]], dtype=bool))
    >>> plan = solve_allocation([near, near], [[5, 1, 1], [4, 1, 1]], 1, sharing_capacity=1)
    >>> plan.selected.tolist(), plan.objective, str(plan.status)
    ([[0, 0], [1, 1]], 8.0, 'optimal')
    """
    begun = time.perf_counter()
    seed = seeds.whole(seed)
    request = check(
        footprints,
        demand,
        max_sites,
        sharing_capacity,
        xy_m,
        spacing_m,
        floors,
        fixed,
        forbidden,
        cost,
        budget,
        programme_budget,
        at_most,
    )
    return answer(request, seed, effort, progress, begun)


def check(
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 1,
    xy_m: ArrayLike | None = None,
    spacing_m: float = 0.0,
    floors: Sequence[tuple[Any, ...]] | None = None,
    fixed: Any = None,
    forbidden: Any = None,
    cost: ArrayLike | None = None,
    budget: Any = None,
    programme_budget: float | None = None,
    at_most: Sequence[tuple[Any, float]] | None = None,
    checks: Checks | None = None,
) -> Request:
    """The arguments of :func:`solve_allocation`, checked and in full shape.

    ``checks`` holds what is known to be wrong already: all problems are raised together.
    """
    checks = checks or Checks()
    rows = checks.footprints(footprints)
    n_carriers, (n_sites, n_cells) = len(rows), rows[0].shape
    spacing = checks.number(spacing_m, "spacing_m")
    points = None
    if xy_m is not None:
        points = checks.numbers(xy_m, (n_sites, 2), "xy_m", least=None, finite=True)
    elif spacing > 0:
        checks.add("spacing needs coordinates", "離隔には座標が必要です", "xy_m")
    prices = checks.costs(cost, (n_carriers, n_sites))
    held = checks.pairs(fixed, n_carriers, n_sites, "fixed")
    ruled_out = checks.pairs(forbidden, n_carriers, n_sites, "forbidden")
    checks.payable(prices, held)
    # Infinity times no choice is no number: what cannot be had is forbidden, at no cost.
    lost = np.isinf(prices)
    request = Request(
        rows,
        checks.numbers(demand, (n_carriers, n_cells), "demand", finite=True),
        checks.limits(max_sites, n_carriers, "max_sites"),
        checks.limits(budget, n_carriers, "budget"),
        checks.numbers(sharing_capacity, (n_sites,), "sharing_capacity"),
        np.where(lost, 0.0, prices),
        float(checks.limits(programme_budget, 1, "programme_budget")[0]),
        points,
        spacing,
        checks.floors(floors, n_cells, n_carriers),
        held,
        ruled_out | (lost & ~held),
        lost & ~held,
        checks.sets(at_most, n_carriers, n_sites),
    )
    checks.done()
    return request


def answer(
    request: Request,
    seed: int = 0,
    effort: Effort | None = None,
    progress: Progress | None = None,
    begun: float | None = None,
) -> Plan:
    """Solve a checked request."""
    begun = time.perf_counter() if begun is None else begun
    infeasible.check_fixed(request)
    model = model_of(request)
    infeasible.check_reach(request, model, model_of)
    solution = solving.solve(model.arrays, seed=seed, effort=effort, progress=progress)
    if solution.chosen is None:
        kept = infeasible.explain(request, model, solution.proven, solution.lack, model_of)
        in_time = solution.reproducible and kept.in_time
        if kept.chosen is None:
            raise infeasible.not_found(*_missed(request, solution.lack), in_time=in_time)
        solution = replace(
            solution,
            chosen=kept.chosen,
            method=f"{solution.method} + SCIP on the floors alone",
            reproducible=in_time,
        )
    assert solution.chosen is not None
    chosen = request.fixed.copy()
    chosen[model.carrier[solution.chosen], model.site[solution.chosen]] = True
    table = assignments(request, chosen)
    selected = np.array(sorted(zip(table["carrier"], table["site"], strict=True)), dtype=np.int64)
    objective = float(
        sum(
            demand[(matrix[np.flatnonzero(own)].sum(axis=0) > 0)].sum()
            for matrix, demand, own in zip(request.footprints, request.demand, chosen, strict=True)
        )
    )
    bound = max(objective, solution.bound + model.base)
    proven = bound - objective <= 1e-6 * bound
    return Plan(
        table,
        selected.reshape(-1, 2),
        objective,
        bound,
        Status.OPTIMAL if proven else Status.FEASIBLE,
        solution.method,
        solution.reproducible,
        time.perf_counter() - begun,
    )


def _missed(request: Request, lack: np.ndarray | None) -> list[Problem]:
    """Which floors the nearest plan that was found misses, and by how much."""
    if lack is None:
        return [
            Problem(
                infeasible.NOT_FOUND,
                where="floors",
                fix=infeasible.LESS,
            )
        ]
    return [
        Problem(
            Text(
                "no plan that keeps every floor was found within the effort; "
                "the nearest lacks {lack:.4g} of the floor's {need:.6g}",
                "許された計算量では、すべての下限を満たす計画が見つかりませんでした。"
                "最も近い計画では、下限 {need:.6g} のうち {lack:.4g} が不足します",
                lack=float(lack[f]),
                need=request.floors[f].need,
            ),
            where=f"floors[{f}]",
            fix=Text(
                "allow more work, or lower the floor by about so much",
                "計算量を増やすか、下限をその程度下げてください",
            ),
        )
        for f in np.flatnonzero(lack).tolist()
    ]


def model_of(request: Request) -> Model:
    """The covering model: fixed choices taken out, all limits as budgets and rows."""
    n_carriers = len(request.fixed)
    fixed = request.fixed
    demand, base = request.demand.copy(), 0.0
    covered = np.zeros(demand.shape, dtype=bool)
    for c in range(n_carriers):
        rows = request.footprints[c][np.flatnonzero(fixed[c])]
        covered[c, rows.indices] = True
        base += float(demand[c][covered[c]].sum())
    floors = []
    for mask, need, carrier in request.floors:
        of = slice(None) if carrier is None else slice(carrier, carrier + 1)
        served = float((demand[of] * covered[of])[:, mask].sum())
        floors.append((mask, need - served))
    demand[covered] = 0.0
    usable, cost, limit, rows = limits_of(request)
    model = build(request.footprints, demand, usable, cost, limit, rows, floors, base)
    if any(floor.carrier is not None for floor in request.floors):
        arrays = _of_their_carriers(model.arrays, [floor.carrier for floor in request.floors])
        model = replace(model, arrays=arrays)
    return model


def _of_their_carriers(m: Arrays, carriers: Sequence[int | None]) -> Arrays:
    """Floors of one carrier lose the groups of the others."""
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    owner = m.budget[m.group_idx[m.group_ptr[:-1]]]  # one budget a carrier
    wanted = np.array([-1 if c is None else c for c in carriers])[m.floor_idx]
    keep = (wanted < 0) | (wanted == owner[group])
    counts = np.bincount(group[keep], minlength=m.n_groups)
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return m._replace(floor_ptr=ptr, floor_idx=m.floor_idx[keep])


def limits_of(request: Request) -> tuple[np.ndarray, np.ndarray, np.ndarray, Rows]:
    """What fixed choices leave: usable pairs, cost and limit of the budgets, and all other rows.

    Returns
    -------
    usable : (n_carriers, n_sites) bool
    cost : (n_carriers, n_sites) float64
        What a pair takes from its carrier's budget.
    limit : (n_carriers,) float64
    rows : Rows
    """
    fixed = request.fixed
    n_carriers = len(fixed)
    near = too_near(request.xy_m, request.spacing_m) if request.xy_m is not None else None
    usable = ~fixed & ~request.forbidden
    capacity = request.capacity - fixed.sum(axis=0)
    usable &= capacity >= 1
    spent = (request.cost * fixed).sum(axis=1)
    left_count = request.max_sites - fixed.sum(axis=1)
    left_cost = request.budget - spent
    left_programme = request.programme_budget - spent.sum()
    usable &= (left_count >= 1)[:, None]
    usable &= request.cost <= np.minimum(left_cost, left_programme)[:, None] + 1e-9
    if near is not None and len(near):
        for c in range(n_carriers):
            for a, b in (near.T, near.T[::-1]):
                usable[c, b[fixed[c, a]]] = False
    # The count is each carrier's own budget where there is one; a cost limit is then a row.
    counted = np.isfinite(left_count)
    cost = np.where(counted[:, None], 1.0, request.cost)
    limit = np.where(counted, np.floor(left_count + 1e-9), left_cost)
    limit = np.where(np.isinf(limit), cost.sum(axis=1), limit)
    for c in range(n_carriers):
        unit = _unit(cost[c])
        cost[c], limit[c] = cost[c] / unit, limit[c] / unit
    rows = _rows(request, usable, capacity, near, counted, left_cost, left_programme)
    return usable, cost, limit, rows


def _unit(cost: np.ndarray) -> float:
    """A power of two near the mean cost: dividing by it is exact, and steps of the relaxation suit
    coefficients about 1, whatever the currency."""
    mean = float(cost.mean()) if cost.size else 0.0
    return 2.0 ** round(np.log2(mean)) if mean > 0 else 1.0


def _rows(
    request: Request,
    usable: np.ndarray,
    capacity: np.ndarray,
    near: np.ndarray | None,
    counted: np.ndarray,
    left_cost: np.ndarray,
    left_programme: float,
) -> Rows:
    n_carriers, n_sites = usable.shape
    members, coefs, limits = [], [], []

    def row(pairs: np.ndarray, coef: np.ndarray, limit: float) -> None:
        members.append(pairs)
        coefs.append(coef)
        limits.append(limit)

    for i in np.flatnonzero(usable.sum(axis=0) > capacity).tolist():
        carriers = np.flatnonzero(usable[:, i])
        row(carriers * n_sites + i, np.ones(len(carriers)), float(np.floor(capacity[i] + 1e-9)))
    if near is not None and len(near):
        for clique in cliques(near, n_sites):
            for c in range(n_carriers):
                own = clique[usable[c, clique]]
                if len(own) > 1:
                    row(c * n_sites + own, np.ones(len(own)), 1.0)
    for c in np.flatnonzero(counted & np.isfinite(left_cost)).tolist():
        unit = _unit(request.cost[c])
        row(c * n_sites + np.arange(n_sites), request.cost[c] / unit, float(left_cost[c]) / unit)
    for mask, most in request.at_most:
        own = np.flatnonzero(mask & usable)
        row(own, np.ones(len(own)), float(np.floor(most - (mask & request.fixed).sum() + 1e-9)))
    if np.isfinite(left_programme):
        unit = _unit(request.cost)
        row(np.arange(usable.size), request.cost.ravel() / unit, float(left_programme) / unit)
    return Rows(members, coefs, limits)
