"""Set covering: the fewest or cheapest sites for a share of the demand (LSCP where it is all)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike

from tdh.errors import InfeasibleError, Problem
from tdh.language import Text
from tdh.siting.inputs import Checks
from tdh.siting.leastcost import cheapest
from tdh.siting.mclp import of_one_carrier, solve_mclp
from tdh.siting.plan import Plan, Status
from tdh.siting.solving import Effort


@dataclass(frozen=True, eq=False)
class Cover:
    """The fewest, or cheapest, sites that were found for a share of the demand.

    Attributes
    ----------
    plan : Plan
        The sites, and the demand that they cover.
    sites : int
        Their number.
    at_least : int
        No cover of the share has fewer sites (1 where costs were given: then see ``least_cost``).
    status : Status
        Optimal where what was found and what is proven agree.
    cost : float
        What the sites cost; their number where no costs were given.
    least_cost : float
        No cover of the share costs less.
    """

    plan: Plan
    sites: int
    at_least: int
    status: Status
    cost: float
    least_cost: float

    @property
    def gap(self) -> float:
        """The share of the sites, or of their cost, that is not proven to be needed."""
        return (self.cost - self.least_cost) / self.cost if self.cost > 0 else 0.0


def solve_partial_cover(
    footprints: Any,
    demand: ArrayLike,
    share: float = 1.0,
    *,
    cost: ArrayLike | None = None,
    fixed: Any = None,
    forbidden: Any = None,
    seed: int = 0,
    effort: Effort | None = None,
) -> Cover:
    r"""The fewest, or cheapest, sites that cover a share of what can be covered.

    .. math::

        \min \sum_i k_i x_i \quad\text{s.t.}\quad \sum_j d_j y_j \ge \alpha D,\;
        y_j \le \sum_{i \in N(j)} x_i,\; x, y \in \{0, 1\}

    where D is the demand that all sites together cover (the location set covering problem of
    Toregas et al. 1971 where the share is 1; partial set covering, Daskin and Owen 1999). Without
    costs it is solved by bisection on the number of sites p: an MCLP whose *bound* misses the
    share proves that p is too few, and one whose *plan* reaches it that p is enough. With costs see
    :func:`tdh.siting.leastcost.cheapest`.

    Parameters
    ----------
    footprints : csr_array, shape (n_sites, n_cells)
    demand : array, shape (n_cells,)
    share : float
        :math:`\alpha`, in (0, 1]; 1 is the location set covering problem.
    cost : array, shape (n_sites,), optional
        :math:`k`, ``np.inf`` for a site that cannot be had; without it the number of sites is made
        least.
    fixed, forbidden, seed, effort
        As for :func:`solve_mclp`.

    Returns
    -------
    Cover

    Raises
    ------
    InputError
        If the share is not in (0, 1].
    InfeasibleError
        If the sites that are allowed cannot cover the share.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool))
    >>> cover = solve_partial_cover(covers, [1, 1, 1, 1])
    >>> cover.plan.selected.tolist(), cover.at_least
    ([0, 2], 2)
    >>> cheap = solve_partial_cover(covers, [1, 1, 1, 1], 0.75, cost=[5, 1, 2])
    >>> cheap.plan.selected.tolist(), cheap.cost, cheap.least_cost
    ([1, 2], 3.0, 3.0)
    """
    checks = Checks()
    share = checks.fraction(share, "share")
    request = of_one_carrier(footprints, demand, fixed, forbidden, cost=cost, checks=checks)
    (rows,), (whole,), (held,), (shut,) = (
        request.footprints,
        request.demand,
        request.fixed,
        request.forbidden,
    )
    effort = effort or Effort(gap=1e-9, work=0.3)
    every = solve_mclp(rows, whole, fixed=held, forbidden=shut, effort=effort)
    reachable = every.objective
    if shut.any():
        reachable = solve_mclp(rows, whole, effort=effort).objective
    target = share * reachable * (1 - 1e-9)
    if every.objective < target:
        raise InfeasibleError(
            Problem(
                Text(
                    "the sites that are allowed do not cover the share",
                    "許された候補地ではその割合に届きません",
                ),
                value=share,
                expected=f"<= {every.objective / reachable:.6g}",
                where="share",
            )
        )
    if cost is not None:
        plan, least = cheapest(request, target, every, seed, effort)
        plan = replace(plan, selected=plan.selected[:, 1])
        spent = float(request.cost[0, plan.selected].sum())
        proven = spent - least <= 1e-6 * spent
        status = Status.OPTIMAL if proven else Status.FEASIBLE
        return Cover(plan, len(plan.selected), min(1, len(plan.selected)), status, spent, least)
    n_held = int(held.sum())
    low, high, best = 0, len(every.selected), every
    too_few = -1  # the largest number of sites proven too few
    while low < high:
        middle = (low + high) // 2
        if middle < n_held:
            low = middle + 1
            too_few = max(too_few, middle)
            continue
        plan = solve_mclp(rows, whole, middle, fixed=held, forbidden=shut, seed=seed, effort=effort)
        if plan.objective >= target:
            high, best = middle, plan
        else:
            low = middle + 1
            if plan.bound < target:
                too_few = max(too_few, middle)
    sites = len(best.selected)
    at_least = min(sites, too_few + 1)
    status = Status.OPTIMAL if sites == at_least else Status.FEASIBLE
    return Cover(best, sites, at_least, status, float(sites), float(at_least))
