"""Set covering: the fewest or cheapest sites for a share of the demand (LSCP where it is all)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tdh import seeds
from tdh.errors import InfeasibleError, Problem
from tdh.language import Text
from tdh.siting.infeasible import check_fixed
from tdh.siting.inputs import Checks
from tdh.siting.leastcost import cheapest, of_all
from tdh.siting.mclp import of_one_carrier
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
        No cover of the share costs less; where the share is 1, no cover of every cell.
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

    where D is the demand that all sites together cover. Where the share is 1 it is the location set
    covering problem (Toregas et al. 1971); see :func:`tdh.siting.setcover.solve`. For a smaller
    share (partial set covering, Daskin and Owen 1999) see :func:`tdh.siting.leastcost.cheapest`.

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
    seed = seeds.whole(seed)
    checks = Checks()
    share = checks.fraction(share, "share")
    request = of_one_carrier(footprints, demand, fixed, forbidden, cost=cost, checks=checks)
    check_fixed(request)
    effort = effort or Effort(gap=1e-9, work=0.3)
    people, shut = request.demand[0], request.forbidden[0]
    by_any, by_allowed = (
        np.bincount(request.footprints[0][np.flatnonzero(own)].indices, minlength=len(people)) > 0
        for own in (np.ones(len(shut), dtype=bool), ~shut)
    )
    reachable, allowed = float(people[by_any].sum()), float(people[by_allowed].sum())
    target = share * reachable * (1 - 1e-9)
    if allowed < target:
        raise InfeasibleError(
            Problem(
                Text(
                    "the sites that are allowed do not cover the share",
                    "許された候補地ではその割合に届きません",
                ),
                value=share,
                expected=f"<= {allowed / reachable:.6g}",
                where="share",
            )
        )
    smallest = float(np.min(people[by_allowed & (people > 0)], initial=np.inf))
    if share == 1 or allowed - smallest < target:
        plan, least = of_all(request, seed, effort)
    else:
        plan, least = cheapest(request, target, seed, effort)
    plan = replace(plan, selected=plan.selected[:, 1])
    sites, spent = len(plan.selected), float(request.cost[0, plan.selected].sum())
    status = Status.OPTIMAL if spent - least <= 1e-6 * spent else Status.FEASIBLE
    at_least = min(1, sites) if cost is not None else round(least)
    return Cover(plan, sites, at_least, status, spent, least)
