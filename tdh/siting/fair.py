"""Max-min cover: the municipality served worst is served as well as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tdh import seeds
from tdh.errors import InfeasibleError, NoSolutionError
from tdh.language import Text
from tdh.siting.allocation import Request, check, solve_allocation
from tdh.siting.counting import cells_of
from tdh.siting.inputs import Checks
from tdh.siting.plan import Plan, Status
from tdh.siting.solving import Effort

PRICINGS = 8
"""Rounds of prices for the bound."""
HALVINGS = 5
"""Levels tried as floors."""


@dataclass(frozen=True, eq=False)
class FairPlan:
    """The best least share that was found.

    Attributes
    ----------
    plan : Plan
        The allocation.
    shares : (n_masks,) float64
        The share of each mask's demand that it covers.
    bound : float
        In no allocation is the least share higher.
    """

    plan: Plan
    shares: np.ndarray
    bound: float

    @property
    def least_share(self) -> float:
        """The share of the mask served worst."""
        return float(self.shares.min())

    @property
    def status(self) -> Status:
        """Whether the least share is proven to be the highest."""
        proven = self.bound - self.least_share <= 1e-6 * self.bound
        return Status.OPTIMAL if proven else Status.FEASIBLE

    @property
    def gap(self) -> float:
        """The share of the bound that is not proven to be out of reach."""
        return float((self.bound - self.least_share) / self.bound) if self.bound > 0 else 0.0


def solve_max_min(
    footprints: Sequence[Any],
    demand: ArrayLike,
    masks: Sequence[ArrayLike],
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 1,
    *,
    seed: int = 0,
    effort: Effort | None = None,
    **limits: Any,
) -> FairPlan:
    r"""The allocation whose worst-served mask has the highest share of its demand covered.

    .. math::

        \max\; t \quad\text{s.t.}\quad \sum_{j \in f} d_j y_j \ge t D_f\ \forall f,\;
        (x, y) \text{ an allocation}

    For any prices :math:`\alpha \ge 0` that add up to 1 the least share is at most
    :math:`\max_x \sum_f \alpha_f \sum_{j \in f} d_j y_j / D_f`, an allocation with other weights,
    whose bound is a bound here; prices rise where the share is low. Plans come from these rounds
    and from allocations with every share as a floor, at levels that are halved between what is
    reached and what is not. Where some mask gets nothing in all of them, the same allocation with
    one for every cell with demand says whether any gives each mask a cell.

    Parameters
    ----------
    footprints, demand, max_sites, sharing_capacity, seed, effort, **limits
        As for :func:`solve_allocation`, without floors: those are the masks' part here.
    masks : sequence of bool (n_cells,)
        Such as one a municipality; each must hold demand.

    Returns
    -------
    FairPlan

    Raises
    ------
    InputError
        If a mask holds no demand, or floors are given.

    Examples
    --------
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool))
    >>> halves = [np.array([True, True, False]), np.array([False, False, True])]
    >>> fair = solve_max_min([covers], [[4, 4, 1]], halves, max_sites=1)
    >>> fair.plan.selected.tolist(), fair.least_share, fair.gap < 0.02
    ([[0, 2]], 0.5, True)
    """
    seed = seeds.whole(seed)
    request, inside, whole = _check(footprints, demand, masks, max_sites, sharing_capacity, limits)
    effort = effort or Effort(gap=0.005, work=0.2)
    limits.pop("floors", None)
    rules: dict[str, Any] = {
        "max_sites": max_sites,
        "sharing_capacity": sharing_capacity,
        "seed": seed,
        "effort": effort,
        **limits,
    }

    def shares_of(plan: Plan) -> np.ndarray:
        served = np.zeros(request.demand.shape[1])
        for c in range(len(request.demand)):
            hit = np.zeros(len(served), dtype=bool)
            for i in plan.selected[plan.selected[:, 0] == c, 1].tolist():
                hit[cells_of(request, c, i)] = True
            served += request.demand[c] * hit
        return (inside @ served) / whole

    price = np.full(len(masks), 1.0 / len(masks))
    bound, best = 1.0, None
    for _ in range(PRICINGS):
        weight = (price / whole) @ inside
        plan = solve_allocation(request.footprints, request.demand * weight, **rules)
        bound = min(bound, plan.bound)
        shares = shares_of(plan)
        if best is None or shares.min() > best[1].min():
            best = plan, shares
        price = price * np.exp(-2.0 * (shares - shares.min()))
        price /= price.sum()
    assert best is not None
    if best[1].min() <= 0:
        # Cells of any demand count alike: a share of nearly nothing is told from one of nothing.
        one = [(mask, 1.0) for mask in inside]
        try:
            plan = solve_allocation(
                request.footprints, (request.demand > 0).astype(float), floors=one, **rules
            )
        except InfeasibleError:
            bound = 0.0
        except NoSolutionError:
            pass
        else:
            best = plan, shares_of(plan)
    low, high = best[1].min(), bound
    for _ in range(HALVINGS if high > 0 else 0):
        level = 0.5 * (low + high)
        floors = [(mask, level * d) for mask, d in zip(inside, whole, strict=True)]
        try:
            plan = solve_allocation(request.footprints, request.demand, floors=floors, **rules)
        except InfeasibleError:
            bound = min(bound, level)  # proven: no allocation gives every mask this share
            high = level
        except NoSolutionError:
            high = level
        else:
            best = plan, shares_of(plan)
            low = best[1].min()
        if high - low <= effort.gap * high:
            break
    # The plan's objective is counted with the weights of its round; count the demand itself.
    final = solve_allocation(
        request.footprints,
        request.demand,
        **{**rules, "fixed": [tuple(p) for p in best[0].selected.tolist()]},
    )
    shares = shares_of(final)
    return FairPlan(final, shares, max(float(bound), float(shares.min())))


def _check(
    footprints: Sequence[Any],
    demand: ArrayLike,
    masks: Sequence[ArrayLike],
    max_sites: Any,
    sharing_capacity: ArrayLike,
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
