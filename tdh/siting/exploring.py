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
from tdh.siting.inputs import Checks
from tdh.siting.plan import Plan, Status


def coverage_curve(
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: Iterable[Any],
    sharing_capacity: ArrayLike = 1,
    **limits: Any,
) -> pd.DataFrame:
    """What more sites bring: one plan, with its bound, for each number of sites.

    What fewer sites reach more reach too, and what bounds more bounds fewer; the curve holds the
    better of both.

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
    limits_of = _listed(max_sites, "max_sites")
    checks = Checks()
    n = len(footprints)
    most = np.array([checks.limits(each, n, "max_sites") for each in limits_of]).reshape(-1, n)
    checks.done()
    found: list[Plan | InfeasibleError | NoSolutionError] = []
    for each in limits_of:
        try:
            found.append(solve_allocation(footprints, demand, each, sharing_capacity, **limits))
        except (InfeasibleError, NoSolutionError) as error:
            found.append(error)
    steps = better_of(found, most, _all_open(footprints, demand))
    rows = [{"max_sites": m, **_step(s)} for m, s in zip(limits_of, steps, strict=True)]
    return pd.DataFrame(rows, columns=["max_sites", *_COLUMNS])


_COLUMNS = ("sites", "objective", "bound", "gap", "status", "plan", "error")


def better_of(
    found: Sequence[Plan | InfeasibleError | NoSolutionError], limits: np.ndarray, most: float
) -> list[Plan | InfeasibleError | NoSolutionError]:
    """The answers of a curve, each with what the others say of it.

    A plan keeps wider limits too, and a bound of wider limits holds within narrower ones.

    Parameters
    ----------
    found : sequence of Plan or error, (n,)
        Answers to problems that differ in these limits alone.
    limits : (n, m) float
    most : float
        What no plan exceeds whatever the limits.

    Returns
    -------
    list of Plan or error, (n,)

    Examples
    --------
    >>> plan = Plan(pd.DataFrame(), np.zeros(0, int), 5.0, 9.0, Status.FEASIBLE, "search")
    >>> worse = replace(plan, objective=4.0, bound=6.0)
    >>> [(p.objective, p.bound) for p in better_of([plan, worse], np.array([[1.0], [2.0]]), 99.0)]
    [(5.0, 6.0), (5.0, 6.0)]
    """
    out: list[Plan | InfeasibleError | NoSolutionError] = []
    for answer, own in zip(found, limits, strict=True):
        pairs = list(zip(found, limits, strict=True))
        within = [p for p, limit in pairs if isinstance(p, Plan) and (limit <= own).all()]
        around = [p.bound for p, limit in pairs if isinstance(p, Plan) and (limit >= own).all()]
        if not within:
            out.append(answer)
            continue
        # Of equals its own.
        best = max([answer, *within] if isinstance(answer, Plan) else within, key=_objective)
        bound = max(min(around, default=most), best.objective)
        out.append(replace(best, bound=bound, status=Status.of(best.objective, bound)))
    return out


def _objective(plan: Plan) -> float:
    return plan.objective


def _all_open(footprints: Sequence[Any], demand: ArrayLike) -> float:
    """All demand."""
    shape = (len(footprints), footprints[0].shape[1])
    return float(np.broadcast_to(np.asarray(demand, dtype=np.float64), shape).sum())


def _listed(values: Any, where: str) -> list[Any]:
    """The steps of a curve."""
    checks = Checks()
    if isinstance(values, str) or getattr(values, "ndim", 1) == 0:
        checks.kind(where, values, list, "list")
    else:
        checks.kind(where, values, Iterable, "list")
    checks.done()
    return list(values)


def _step(answer: Plan | InfeasibleError | NoSolutionError) -> dict[str, Any]:
    """An answer's columns of a curve."""
    if isinstance(answer, Plan):
        return {
            "sites": len(answer.selected),
            "objective": answer.objective,
            "bound": answer.bound,
            "gap": answer.gap,
            "status": str(answer.status),
            "plan": answer,
            "error": None,
        }
    return {
        "sites": 0,
        **dict.fromkeys(("objective", "bound", "gap"), np.nan),
        "status": "infeasible" if isinstance(answer, InfeasibleError) else "not_found",
        "plan": None,
        "error": answer,
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
    given = _listed(budgets, "budgets")
    checks = Checks()
    steps = np.sort(checks.numbers(given, (len(given),), "budgets"))
    checks.done()
    found: list[Plan | InfeasibleError | NoSolutionError] = []
    for most in steps.tolist():
        try:
            plan = solve_allocation(
                footprints,
                demand,
                sharing_capacity=sharing_capacity,
                cost=cost,
                programme_budget=most,
                **limits,
            )
            found.append(plan)
        except (InfeasibleError, NoSolutionError) as error:
            found.append(error)
    each = np.broadcast_to(
        np.asarray(cost, dtype=np.float64), (len(footprints), footprints[0].shape[0])
    )
    rows = []
    answers = better_of(found, steps[:, None], _all_open(footprints, demand))
    for most, answer in zip(steps.tolist(), answers, strict=True):
        spent = float(each[tuple(answer.pairs.T)].sum()) if isinstance(answer, Plan) else np.nan
        rows.append({"budget": most, "cost": spent, **_step(answer)})
    return pd.DataFrame(rows, columns=["budget", "cost", *_COLUMNS])


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
        Best first; fewer than asked for where no more were found. The bound of each holds for
        plans that differ so much.

    Raises
    ------
    InputError
        If the count is no whole number, or a share is not in [0, 1].
    """
    checks = Checks()
    checks.fraction(differ, "differ", zero=True)
    checks.fraction(lose, "lose", zero=True)
    if checks.number(count, "count", finite=True) % 1:
        checks.add("a whole number is expected", "整数ではありません", "count", count)
    checks.done()
    least = (1.0 - lose) * plan.objective * (1.0 - 1e-12)
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
        lambda other: other.objective >= least,
        count=int(count),
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
