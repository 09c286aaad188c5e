"""Max-min cover: the municipality served worst is served as well as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tdh.errors import InfeasibleError, InputError, NoSolutionError, Problem
from tdh.language import Text
from tdh.siting.allocation import check, solve_allocation
from tdh.siting.counting import cells_of
from tdh.siting.plan import Plan
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
    reached and what is not.

    Parameters
    ----------
    footprints, demand, max_sites, sharing_capacity, seed, effort, **limits
        As for :func:`solve_allocation` (without floors).
    masks : sequence of bool (n_cells,)
        Such as one a municipality; each must hold demand.

    Returns
    -------
    FairPlan

    Raises
    ------
    InputError
        If a mask holds no demand.

    Examples
    --------
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool))
    >>> halves = [np.array([True, True, False]), np.array([False, False, True])]
    >>> fair = solve_max_min([covers], [[4, 4, 1]], halves, max_sites=1)
    >>> fair.plan.selected.tolist(), fair.least_share, fair.gap < 0.02
    ([[0, 2]], 0.5, True)
    """
    request = check(footprints, demand, max_sites, sharing_capacity)
    inside = np.array([np.asarray(mask, dtype=bool) for mask in masks])
    people = request.demand.sum(axis=0)
    whole = inside @ people
    if not len(masks) or (whole <= 0).any():
        raise InputError(
            Problem(
                Text("every mask must hold demand", "各マスクに需要が必要です"),
                value=np.flatnonzero(whole <= 0).tolist(),
                where="masks",
            )
        )
    effort = effort or Effort(gap=0.005, work=0.2)
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
    low, high = best[1].min(), bound
    for _ in range(HALVINGS):
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
