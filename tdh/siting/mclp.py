"""The maximal covering location problem (Church and ReVelle 1974)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tdh.siting.allocation import answer, check
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
        :math:`k`; 1 by default.
    budget : float, optional
        :math:`B`.
    fixed, forbidden : sites, optional
        Positions of sites that must and must not be chosen; fixed ones count against the limits.
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
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=bool))
    >>> plan = solve_mclp(covers, [3, 4, 4, 1], max_sites=2)
    >>> plan.selected.tolist(), plan.objective, plan.gap
    ([0, 2], 12.0, 0.0)
    """
    begun = time.perf_counter()
    request = check(
        [footprints],
        np.atleast_2d(np.asarray(demand, dtype=np.float64)),
        max_sites,
        1,
        xy_m,
        spacing_m,
        None,
        as_pairs(fixed),
        as_pairs(forbidden),
        cost,
        budget,
    )
    plan = answer(request, seed, effort, progress, begun)
    return replace(plan, selected=plan.selected[:, 1])


def as_pairs(sites: Any) -> np.ndarray | None:
    """Sites, by position or as a bool array, as pairs of the only carrier."""
    if sites is None:
        return None
    array = np.asarray(sites)
    if array.dtype == bool:
        array = np.flatnonzero(array)
    array = array.astype(np.int64).ravel()
    return np.column_stack([np.zeros(len(array), dtype=np.int64), array])
