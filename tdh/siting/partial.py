"""Set covering: the least number of sites for a share of the demand (LSCP where it is all)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tdh.errors import InfeasibleError, InputError, Problem
from tdh.language import Text
from tdh.siting.mclp import solve_mclp
from tdh.siting.plan import Plan, Status
from tdh.siting.solving import Effort


@dataclass(frozen=True, eq=False)
class Cover:
    """The fewest sites that were found for a share of the demand.

    Attributes
    ----------
    plan : Plan
        The sites, and the demand that they cover.
    sites : int
        Their number.
    at_least : int
        No cover of the share has fewer sites.
    status : Status
        Optimal where both agree.
    """

    plan: Plan
    sites: int
    at_least: int
    status: Status

    @property
    def gap(self) -> float:
        """The share of the sites that is not proven to be needed."""
        return (self.sites - self.at_least) / self.sites if self.sites else 0.0


def solve_partial_cover(
    footprints: Any,
    demand: ArrayLike,
    share: float = 1.0,
    *,
    fixed: Any = None,
    forbidden: Any = None,
    seed: int = 0,
    effort: Effort | None = None,
) -> Cover:
    r"""The fewest sites that cover a share of what can be covered.

    .. math::

        \min \sum_i x_i \quad\text{s.t.}\quad \sum_j d_j y_j \ge \alpha D,\;
        y_j \le \sum_{i \in N(j)} x_i,\; x, y \in \{0, 1\}

    where D is the demand that all sites together cover. It is solved by bisection on the number
    of sites p: an MCLP whose *bound* misses the share proves that p is too few, and one whose
    *plan* reaches it that p is enough.

    Parameters
    ----------
    footprints : csr_array, shape (n_sites, n_cells)
    demand : array, shape (n_cells,)
    share : float
        :math:`\alpha`, in (0, 1]; 1 is the location set covering problem.
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
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool))
    >>> cover = solve_partial_cover(covers, [1, 1, 1, 1])
    >>> cover.plan.selected.tolist(), cover.at_least
    ([0, 2], 2)
    """
    if not 0 < share <= 1:
        raise InputError(
            Problem(Text("the share is out of range", "割合が範囲外です"), share, "(0, 1]", "share")
        )
    effort = effort or Effort(gap=1e-9, work=0.3)
    every = solve_mclp(footprints, demand, fixed=fixed, forbidden=forbidden, effort=effort)
    whole = np.asarray(demand, dtype=np.float64)
    reachable = (
        solve_mclp(footprints, whole, effort=effort).objective
        if forbidden is not None
        else (every.objective)
    )
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
    low, high, best = 0, len(every.selected), every
    too_few = -1  # the largest number of sites proven too few
    while low < high:
        middle = (low + high) // 2
        if fixed is not None and middle < np.asarray(fixed).size:
            low = middle + 1
            too_few = max(too_few, middle)
            continue
        plan = solve_mclp(
            footprints, demand, middle, fixed=fixed, forbidden=forbidden, seed=seed, effort=effort
        )
        if plan.objective >= target:
            high, best = middle, plan
        else:
            low = middle + 1
            if plan.bound < target:
                too_few = max(too_few, middle)
    sites = len(best.selected)
    at_least = min(sites, too_few + 1)
    return Cover(best, sites, at_least, Status.OPTIMAL if sites == at_least else Status.FEASIBLE)
