"""The maximal covering location problem (Church and ReVelle 1974)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from tdh import seeds
from tdh.siting.allocation import Request, answer, check
from tdh.siting.inputs import Checks
from tdh.siting.plan import Plan
from tdh.siting.solving import Effort, Progress


def solve_mclp(
    footprints: Any,
    demand: ArrayLike,
    max_sites: int | None = None,
    cost: ArrayLike | None = None,
    budget: float | None = None,
    fixed: Any = None,
    seed: int = 0,
    *,
    forbidden: Any = None,
    xy_m: ArrayLike | None = None,
    spacing_m: float = 0.0,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> Plan:
    r"""The sites that cover the most demand for a number or a cost.

    .. math::

        \max \sum_j d_j y_j \quad\text{s.t.}\quad y_j \le \sum_{i \in N(j)} x_i,\;
        \sum_i x_i \le p,\; \sum_i k_i x_i \le B,\; x, y \in \{0, 1\}

    Parameters
    ----------
    footprints : csr_array, shape (n_sites, n_cells)
        Which cells a site covers.
    demand : array, shape (n_cells,)
    max_sites : int, optional
        :math:`p`.
    cost : array, shape (n_sites,), optional
        :math:`k`; 1 by default, ``np.inf`` for a site that cannot be had.
    budget : float, optional
        :math:`B`.
    fixed, forbidden : sites, optional
        Positions, or a bool mask (n_sites,), of sites that must and must not be chosen; fixed ones
        count against the limits.
    seed : int
        The same inputs and seed give the same plan.
    xy_m, spacing_m
        Coordinates, and the least distance between two chosen sites.
    effort, progress
        As for :func:`solve_allocation`.

    Returns
    -------
    Plan
        ``selected`` holds the sites' positions, ascending.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool))
    >>> plan = solve_mclp(covers, [3, 4, 4, 1], max_sites=2)
    >>> plan.selected.tolist(), plan.objective, plan.gap
    ([0, 2], 12.0, 0.0)
    """
    begun = time.perf_counter()
    seed = seeds.whole(seed)
    request = of_one_carrier(
        footprints,
        demand,
        fixed,
        forbidden,
        max_sites=max_sites,
        xy_m=xy_m,
        spacing_m=spacing_m,
        cost=cost,
        budget=budget,
    )
    plan = answer(request, seed, effort, progress, begun)
    return replace(plan, selected=plan.selected[:, 1])


def of_one_carrier(
    footprints: Any,
    demand: ArrayLike,
    fixed: Any,
    forbidden: Any,
    *,
    checks: Checks | None = None,
    **limits: Any,
) -> Request:
    """The arguments of a problem without carriers as an allocation to one of them.

    Parameters
    ----------
    footprints : csr_array, shape (n_sites, n_cells)
    demand : array, shape (n_cells,)
    fixed, forbidden : sites
        By position, or as a bool mask (n_sites,).
    checks : Checks, optional
        Problems that are known already; all are raised together.
    **limits
        As for :func:`tdh.siting.allocation.check`.
    """
    checks = checks or Checks()
    rows = checks.footprints([footprints])
    n_sites = rows[0].shape[0]
    held, ruled_out = (
        checks.sites(sites, n_sites, where)[None]
        for sites, where in ((fixed, "fixed"), (forbidden, "forbidden"))
    )
    return check(rows, demand, fixed=held, forbidden=ruled_out, checks=checks, **limits)
