"""Max-min cover: the municipality served worst is served as well as possible."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tdh import seeds
from tdh.errors import InfeasibleError, NoSolutionError
from tdh.language import Text
from tdh.siting import infeasible, programme
from tdh.siting.allocation import Request, check, solve_allocation
from tdh.siting.counting import assignments, cells_of
from tdh.siting.inputs import Checks
from tdh.siting.model import unit_of
from tdh.siting.plan import Plan, Status
from tdh.siting.raising import Raised, Raising, Sharing, most_of, sharing
from tdh.siting.solving import Effort

ROUNDING = 1e-7
"""Share of the least share that may be given up to rounding where the most demand is sought."""


@dataclass(frozen=True, eq=False)
class FairPlan:
    """The best least share that was found.

    Attributes
    ----------
    plan : Plan
        The allocation. Its objective and bound count demand: no allocation with such a least share
        covers more.
    shares : (n_masks,) float64
        The share of each mask's demand that it covers.
    bound : float
        In no allocation is the least share higher.
    reachable : (n_masks,) bool, optional
        Masks that some choice serves that is not ruled out; the others get nothing in any plan and
        do not count. All by default.
    held : float, optional
        The highest least share that was found; the plan keeps all of it but the tolerance. By
        default what the plan has.
    """

    plan: Plan
    shares: np.ndarray
    bound: float
    reachable: np.ndarray | None = None
    held: float | None = None

    @property
    def least_share(self) -> float:
        """The share of the mask served worst, of those that can be served."""
        counts = self.shares if self.reachable is None else self.shares[self.reachable]
        return float(counts.min()) if len(counts) else 0.0

    @property
    def status(self) -> Status:
        """Whether the least share that was found is proven to be the highest."""
        return Status.of(self._found, self.bound)

    @property
    def gap(self) -> float:
        """The share of the bound that is not proven to be out of reach."""
        return float((self.bound - self._found) / self.bound) if self.bound > 0 else 0.0

    @property
    def _found(self) -> float:
        return self.least_share if self.held is None else self.held


def solve_max_min(
    footprints: Sequence[Any],
    demand: ArrayLike,
    masks: Sequence[ArrayLike],
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 1,
    *,
    seed: int = 0,
    effort: Effort | None = None,
    tolerance: float = 0.0,
    **limits: Any,
) -> FairPlan:
    r"""The allocation whose worst-served mask has the highest share of its demand covered.

    .. math::

        \max\; t \quad\text{s.t.}\quad \sum_{j \in f} d_j y_j \ge t D_f\ \forall f,\;
        (x, y) \text{ an allocation}

    and of all those the one that covers most demand altogether. Small problems are solved exactly.
    Of larger ones the linear relaxation gives the bound; the plan comes from exchanges at prices of
    the masks, from branch and cut among what the relaxation takes up, and from windows in which the
    worst-served mask and some others are decided anew.

    A mask that no site serves for any carrier, but for what is forbidden or cannot be had, gets
    nothing in any plan and would leave nothing to choose between plans: it does not count, and
    ``reachable`` tells it from the others.

    Parameters
    ----------
    footprints, demand, max_sites, sharing_capacity, seed, effort, **limits
        As for :func:`solve_allocation`, without floors: those are the masks' part here.
    masks : sequence of bool (n_cells,)
        Such as one a municipality; each must hold demand.
    tolerance : float
        Share of the least share that may be given up for demand altogether.

    Returns
    -------
    FairPlan

    Raises
    ------
    InputError
        If a mask holds no demand, floors are given, or the tolerance is not in [0, 1].
    InfeasibleError
        If the fixed choices break a limit.

    Examples
    --------
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool))
    >>> halves = [np.array([True, True, False]), np.array([False, False, True])]
    >>> fair = solve_max_min([covers], [[4, 4, 1]], halves, max_sites=1)
    >>> fair.plan.selected.tolist(), fair.least_share, str(fair.status)
    ([[0, 2]], 0.5, 'optimal')
    """
    begun, seed = time.perf_counter(), seeds.whole(seed)
    request, inside, whole = _check(
        footprints, demand, masks, max_sites, sharing_capacity, tolerance, limits
    )
    infeasible.check_fixed(request)
    effort = effort or Effort()
    unit = unit_of(request.demand)
    s = sharing(request.in_unit(unit), inside, whole / unit)
    reachable = _reachable(request, inside)
    told = replace(s, part=sparse.csr_array(s.part[np.flatnonzero(reachable)]))
    if reachable.any() and told.part.sum(axis=1).min() > 0:
        found = Raising(told, seed, effort).run()
    else:
        found = Raised(s.fixed.copy(), 0.0, "nothing to choose", True)
    if found.bound > 0 and told.shares(found.chosen).min() <= 0:
        found = _of_any(found, request, inside[reachable], seed, effort)
    if effort.time_limit_s is not None:
        left_s = max(0.1, effort.time_limit_s - (time.perf_counter() - begun))
        effort = replace(effort, time_limit_s=left_s)
    highest = float(told.shares(found.chosen).min(initial=1.0)) if reachable.any() else 0.0
    most = _most(told, found, highest * (1.0 - max(tolerance, ROUNDING)), seed, effort)
    chosen = most.chosen.reshape(request.fixed.shape)
    table = assignments(request, chosen)
    pairs = np.array(sorted(zip(table["carrier"], table["site"], strict=True)), dtype=np.int64)
    hit = np.zeros(request.demand.shape, dtype=bool)
    for c, i in pairs.tolist():
        hit[c, cells_of(request, c, i)] = True
    served = np.where(hit, request.demand, 0.0).sum(axis=0)
    shares = (inside @ served) / whole
    objective = float(served.sum())
    bound = max(most.bound * unit, objective)
    plan = Plan(
        table,
        pairs.reshape(-1, 2),
        objective,
        bound,
        Status.of(objective, bound),
        found.method,
        found.reproducible and most.reproducible,
        time.perf_counter() - begun,
    )
    least = float(shares[reachable].min()) if reachable.any() else 0.0
    held = max(highest, least) if tolerance else least
    return FairPlan(plan, shares, max(found.bound, held), reachable, held)


def _reachable(request: Request, inside: np.ndarray) -> np.ndarray:
    """Which masks hold demand that some choice serves, whatever the limits are: (n_masks,) bool."""
    served = np.zeros(request.demand.shape, dtype=bool)
    for c, matrix in enumerate(request.footprints):
        allowed = ~request.forbidden[c] | request.fixed[c]
        served[c, matrix[np.flatnonzero(allowed)].indices] = True
    out: np.ndarray = inside @ np.where(served, request.demand, 0.0).sum(axis=0) > 0
    return out


def _of_any(
    found: Raised, request: Request, inside: np.ndarray, seed: int, effort: Effort
) -> Raised:
    """The answer where some mask gets nothing: whether any choice serves a cell of each.

    Cells of any demand count alike: a share of nearly nothing is told from one of nothing.
    """
    known = {
        name: getattr(request, name)
        for name in ("max_sites", "xy_m", "spacing_m", "fixed", "forbidden", "cost", "budget")
    }
    try:
        plan = solve_allocation(
            request.footprints,
            (request.demand > 0).astype(float),
            sharing_capacity=request.capacity,
            programme_budget=request.programme_budget,
            at_most=request.at_most,
            floors=[(mask, 1.0) for mask in inside],
            seed=seed,
            effort=effort,
            **known,
        )
    except InfeasibleError:
        return found._replace(bound=0.0)
    except NoSolutionError:
        return found
    chosen = np.zeros(request.fixed.shape, dtype=bool)
    chosen[tuple(plan.selected.T)] = True
    return found._replace(
        chosen=chosen.ravel(), reproducible=found.reproducible and plan.reproducible
    )


def _most(s: Sharing, found: Raised, least: float, seed: int, effort: Effort) -> Raised:
    """The most demand that a plan covers with at least a share of each mask; and its bound."""
    p = most_of(s, least)
    search = s.search(s.weight)
    search.start(np.flatnonzero(found.chosen & ~s.fixed))
    known = np.concatenate([search.chosen, s.covered(search.chosen)]).astype(np.float64)
    answer = programme.solve(
        p,
        seed=seed,
        work=effort.work,
        polish=lambda shares: known,
        time_limit_s=effort.time_limit_s,
    )
    chosen = search.chosen
    if answer.values is not None:
        better = answer.values[: p.n_whole] > 0.5
        # A solver may miss what has to be reached by its tolerance.
        if s.shares(better).min(initial=1.0) >= least * (1.0 - ROUNDING):
            chosen = better if s.weight @ s.covered(better) >= search.value else chosen
    return Raised(chosen, answer.bound, answer.method, answer.reproducible)


def _check(
    footprints: Sequence[Any],
    demand: ArrayLike,
    masks: Sequence[ArrayLike],
    max_sites: Any,
    sharing_capacity: ArrayLike,
    tolerance: float,
    limits: dict[str, Any],
) -> tuple[Request, np.ndarray, np.ndarray]:
    """The allocation; the masks, (n_masks, n_cells) bool; and the demand of each."""
    checks = Checks()
    rows = checks.footprints(footprints)
    n_cells = rows[0].shape[1]
    if limits.get("floors"):
        checks.add(
            "floors are not part of this problem",
            "この問題では下限を指定できません",
            "floors",
            fix=Text(
                "give their cells as masks, or solve an allocation with the floors",
                "セルをマスクとして指定するか、下限つきの割当(solve_allocation)を使ってください",
            ),
        )
    inside = np.array(
        [checks.mask(mask, n_cells, f"masks[{k}]") for k, mask in enumerate(masks)], dtype=bool
    ).reshape(-1, n_cells)
    if not len(inside):
        checks.add(
            "there is no mask",
            "マスクがありません",
            "masks",
            fix=Text(
                "give at least one mask of cells, such as one a municipality",
                "市区町村ごとなど、セルのマスクを1つ以上指定してください",
            ),
        )
    checks.fraction(tolerance, "tolerance", zero=True, one=True)
    others = {name: value for name, value in limits.items() if name != "floors"}
    request = check(rows, demand, max_sites, sharing_capacity, checks=checks, **others)
    whole = inside @ request.demand.sum(axis=0)
    if (whole <= 0).any():
        checks.add(
            "every mask must hold demand",
            "各マスクに需要が必要です",
            "masks",
            np.flatnonzero(whole <= 0).tolist(),
            fix=Text(
                "leave out masks of cells without demand",
                "需要のないセルだけのマスクは除いてください",
            ),
        )
        checks.done()
    return request, inside, whole
