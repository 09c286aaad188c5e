"""More than one plan: the curve over budgets, near-optimal plans that differ, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tdh.errors import InfeasibleError, NoSolutionError
from tdh.siting.allocation import solve_allocation
from tdh.siting.plan import Plan, Status


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
        Columns max_sites, sites, objective, bound, gap, status, plan, error; one row a budget. Where
        the limits conflict, or no plan was found, status is ``infeasible`` or ``not_found``, plan
        None, and error says why.

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
        try:
            plan = solve_allocation(footprints, demand, most, sharing_capacity, **limits)
        except (InfeasibleError, NoSolutionError) as error:
            rows.append({"max_sites": most, **_failed(error)})
            continue
        rows.append({"max_sites": most, **_step(plan)})
    return pd.DataFrame(rows)


def _step(plan: Plan) -> dict[str, Any]:
    """A plan's columns of a curve."""
    return {
        "sites": len(plan.selected),
        "objective": plan.objective,
        "bound": plan.bound,
        "gap": plan.gap,
        "status": str(plan.status),
        "plan": plan,
        "error": None,
    }


def _failed(error: InfeasibleError | NoSolutionError) -> dict[str, Any]:
    """The columns where there is no plan."""
    return {
        "sites": 0,
        **dict.fromkeys(("objective", "bound", "gap"), np.nan),
        "status": "infeasible" if isinstance(error, InfeasibleError) else "not_found",
        "plan": None,
        "error": error,
    }


def cost_curve(
    footprints: Sequence[Any],
    demand: ArrayLike,
    cost: ArrayLike,
    budgets: Iterable[float],
    sharing_capacity: ArrayLike = 1,
    **limits: Any,
) -> pd.DataFrame:
    """What more money brings: one plan, with its bound, for each budget of the programme.

    What a smaller budget reaches a larger one reaches too, and what bounds a larger one bounds a
    smaller; the curve holds the better of both.

    Parameters
    ----------
    footprints, demand, sharing_capacity, **limits
        As for :func:`solve_allocation`.
    cost : array broadcast to (n_carriers, n_sites)
        Cost of a choice.
    budgets : iterable of float
        Most cost altogether, in the unit of ``cost``.

    Returns
    -------
    DataFrame
        Columns budget (ascending), cost (what the plan spends), and those of
        :func:`coverage_curve`.

    Examples
    --------
    >>> from scipy import sparse
    >>> covers = sparse.csr_array(np.eye(3, dtype=bool))
    >>> curve = cost_curve([covers], [[5, 3, 1]], [4, 1, 1], [1, 2, 5])
    >>> curve["objective"].tolist(), curve["cost"].tolist()
    ([3.0, 4.0, 8.0], [1.0, 2.0, 5.0])
    """
    steps = sorted(float(b) for b in budgets)
    plans: list[Plan | None] = []
    bounds: list[float] = []
    errors: dict[int, InfeasibleError | NoSolutionError] = {}
    for k, most in enumerate(steps):
        before = plans[-1] if plans else None
        try:
            plan = solve_allocation(
                footprints,
                demand,
                sharing_capacity=sharing_capacity,
                cost=cost,
                programme_budget=most,
                **limits,
            )
        except (InfeasibleError, NoSolutionError) as error:
            errors[k] = error
            # All that is open bounds a plan that was not found.
            bounds.append(float(np.sum(demand)))
            plans.append(before)
            continue
        bounds.append(plan.bound)
        plans.append(plan if before is None else max(plan, before, key=lambda p: p.objective))
    least = np.minimum.accumulate(bounds[::-1])[::-1]
    each = np.broadcast_to(
        np.asarray(cost, dtype=np.float64), (len(footprints), footprints[0].shape[0])
    )
    rows = []
    for k, (most, found) in enumerate(zip(steps, plans, strict=True)):
        if found is None:
            rows.append({"budget": most, "cost": np.nan, **_failed(errors[k])})
            continue
        bound = max(float(least[k]), found.objective)
        proven = bound - found.objective <= 1e-6 * bound
        plan = replace(found, bound=bound, status=Status.OPTIMAL if proven else Status.FEASIBLE)
        spent = float(each[tuple(plan.pairs.T)].sum())
        rows.append({"budget": most, "cost": spent, **_step(plan)})
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

    Each shares at most ``1 - differ`` of every earlier plan's choices, and of its own (fixed ones
    aside), and covers at least ``1 - lose`` of what the plan covers.

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
    rules = [*(limits.pop("at_most", None) or ())]

    def again(at_most: list[tuple[np.ndarray, int]]) -> Plan:
        sets = [*rules, *at_most]
        return solve_allocation(
            footprints, demand, max_sites, sharing_capacity, at_most=sets, **limits
        )

    found = apart(
        plan.pairs,
        again,
        lambda other: other.selected,
        lambda other: other.objective >= (1.0 - lose) * plan.objective,
        count=count,
        differ=differ,
        fixed=limits.get("fixed"),
    )
    return sorted(found, key=lambda p: -p.objective)


Found = TypeVar("Found")


def apart(
    selected: np.ndarray,
    again: Callable[[list[tuple[np.ndarray, int]]], Found],
    pairs_of: Callable[[Found], np.ndarray],
    good: Callable[[Found], bool],
    *,
    count: int,
    differ: float,
    fixed: Any = None,
) -> list[Found]:
    """Answers of any solver that differ from a plan and from each other.

    Parameters
    ----------
    selected : (n, 2) int64
        Pairs (carrier, site) of the plan.
    again : callable
        From sets of pairs, each with the most of it that may be chosen, to the best answer.
    pairs_of, good : callable
        The pairs of an answer; whether it is near enough to the plan.
    count : int
        Most answers wanted.
    differ : float
        Least share of other choices, in [0, 1]; those that are fixed do not count.
    fixed : pairs (carrier, site), or bool (n_carriers, n_sites), optional

    Returns
    -------
    list
        In the order in which they were found, up to the first that is not good.
    """
    held = _pairs(fixed)
    sets: list[tuple[np.ndarray, int]] = []
    found: list[Found] = []
    for _ in range(count):
        last = pairs_of(found[-1]) if found else selected
        free = [p for p in map(tuple, last.tolist()) if p not in held]
        if not free:
            break
        sets.append((np.array(free), int(np.floor((1.0 - differ) * len(free) + 1e-9))))
        try:
            other = _differing(again, sets, pairs_of, held, differ)
        except (InfeasibleError, NoSolutionError):
            break
        if not good(other):
            break
        found.append(other)
    return found


def _differing(
    again: Callable[[list[tuple[np.ndarray, int]]], Found],
    sets: list[tuple[np.ndarray, int]],
    pairs_of: Callable[[Found], np.ndarray],
    held: set[tuple[int, ...]],
    differ: float,
) -> Found:
    """An answer of whose own choices, too, enough are others: it may make fewer than the plan."""
    sets = list(sets)
    while True:
        other = again(sets)
        own = {pair for pair in map(tuple, pairs_of(other).tolist()) if pair not in held}
        most = int(np.floor((1.0 - differ) * len(own) + 1e-9))
        shared = [len(own & set(map(tuple, pairs.tolist()))) for pairs, _ in sets]
        if max(shared) <= most:
            return other
        # Each round allows fewer, so that it ends.
        sets = [
            (pairs, most if n > most else limit)
            for (pairs, limit), n in zip(sets, shared, strict=True)
        ]


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
