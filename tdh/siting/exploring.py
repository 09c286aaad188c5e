"""More than one plan: the curve over budgets, near-optimal plans that differ, and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tdh.errors import InfeasibleError, NoSolutionError
from tdh.siting.allocation import solve_allocation
from tdh.siting.plan import Plan


def coverage_curve(
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: Iterable[Any],
    sharing_capacity: ArrayLike = 1,
    **limits: Any,
) -> pd.DataFrame:
    """What more sites bring: one plan, with its bound, for each number of sites.

    Parameters
    ----------
    footprints, demand, sharing_capacity, **limits
        As for :func:`solve_allocation`.
    max_sites : iterable
        Each as ``max_sites`` of :func:`solve_allocation`: a number, or one a carrier.

    Returns
    -------
    DataFrame
        Columns max_sites, sites, objective, bound, gap, status, plan; one row a budget.

    Examples
    --------
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.eye(3, dtype=bool))
    >>> curve = coverage_curve([covers], [[5, 3, 1]], [0, 1, 2, 3])
    >>> curve["objective"].tolist(), curve["bound"].tolist()
    ([0.0, 5.0, 8.0, 9.0], [0.0, 5.0, 8.0, 9.0])
    """
    rows = []
    for most in max_sites:
        plan = solve_allocation(footprints, demand, most, sharing_capacity, **limits)
        rows.append(
            {
                "max_sites": most,
                "sites": len(plan.selected),
                "objective": plan.objective,
                "bound": plan.bound,
                "gap": plan.gap,
                "status": str(plan.status),
                "plan": plan,
            }
        )
    return pd.DataFrame(rows)


def alternatives(
    plan: Plan,
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 1,
    *,
    count: int = 3,
    differ: float = 0.3,
    lose: float = 0.02,
    **limits: Any,
) -> list[Plan]:
    """Plans nearly as good that differ from the plan and from each other.

    Each shares at most ``1 - differ`` of every earlier plan's choices (fixed ones aside) and
    covers at least ``1 - lose`` of what the plan covers.

    Parameters
    ----------
    plan : Plan
        An allocation.
    footprints, demand, max_sites, sharing_capacity, **limits
        The problem that it solves.
    count : int
        Most alternatives wanted.
    differ, lose : float
        Shares in [0, 1].

    Returns
    -------
    list of Plan
        Best first; fewer than asked for where no more exist. The bound of each holds for plans
        that differ so much.
    """
    held = _pairs(limits.get("fixed"))
    apart = list(limits.pop("at_most", None) or ())
    found: list[Plan] = []
    for _ in range(count):
        last = (found or [plan])[-1]
        free = [p for p in map(tuple, last.selected.tolist()) if p not in held]
        if not free:
            break
        apart.append((np.array(free), int(np.floor((1.0 - differ) * len(free)))))
        try:
            other = solve_allocation(
                footprints, demand, max_sites, sharing_capacity, at_most=apart, **limits
            )
        except (InfeasibleError, NoSolutionError):
            break
        if other.objective < (1.0 - lose) * plan.objective:
            break
        found.append(other)
    return sorted(found, key=lambda p: -p.objective)


def _pairs(fixed: Any) -> set[tuple[int, ...]]:
    array = np.asarray([] if fixed is None else fixed)
    return {tuple(p) for p in (np.argwhere(array) if array.dtype == bool else array).tolist()}


def compare(one: Plan, other: Plan) -> pd.DataFrame:
    """Two allocations side by side: one row per pair that either chose.

    Returns
    -------
    DataFrame
        Columns carrier, site, where (``both``, ``one`` or ``other``) and the demand that is lost
        without the pair in each plan (NaN where it was not chosen).
    """
    tables = []
    for plan, name in ((one, "loss_in_one"), (other, "loss_in_other")):
        table = plan.assignments.set_index(["carrier", "site"])["loss_without"]
        tables.append(table.rename(name))
    joined = pd.concat(tables, axis=1).sort_index()
    missing = joined.isna()
    where = np.select(
        [missing["loss_in_other"].to_numpy(), missing["loss_in_one"].to_numpy()],
        ["one", "other"],
        "both",
    )
    joined.insert(0, "where", where)
    return joined.reset_index()
