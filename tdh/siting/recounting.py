"""Independent recounts of the plans of the wider problems, from their definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from tdh.errors import Problem
from tdh.language import Text
from tdh.siting.backup import BackupPlan
from tdh.siting.fair import FairPlan
from tdh.siting.layered import Objective
from tdh.siting.lexicographic import LexicographicPlan
from tdh.siting.partial import Cover
from tdh.siting.tenancy import TenancyPlan
from tdh.siting.verifying import verify
from tdh.siting.years import YearsPlan

_RELATIVE = 1e-6


def served(footprints: Sequence[Any], pairs: np.ndarray) -> np.ndarray:
    """How many chosen sites of each carrier serve each cell, (n_carriers, n_cells) int."""
    out = np.zeros((len(footprints), footprints[0].shape[1]), dtype=np.int64)
    for c, i in np.asarray(pairs).tolist():
        row = sparse.csr_array(footprints[c])[[i]]
        row.sum_duplicates()
        out[c, row.indices[row.data != 0]] += 1
    return out


def verify_lexicographic(
    plan: LexicographicPlan,
    footprints: Sequence[Any],
    objectives: Sequence[Any],
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    *,
    tolerance: float = 0.0,
    floors: Sequence[tuple[Any, ...]] | None = None,
    **limits: Any,
) -> list[Problem]:
    """What is wrong with a lexicographic plan; nothing if it keeps all that it says.

    Parameters
    ----------
    plan : LexicographicPlan
    footprints, objectives, max_sites, sharing_capacity, tolerance, floors, **limits
        As the problem was given to :func:`solve_lexicographic`.

    Returns
    -------
    list of Problem
    """
    wanted = [o if isinstance(o, Objective) else Objective(np.asarray(o)) for o in objectives]
    count = served(footprints, plan.selected)
    demand = np.zeros(count.shape)
    if wanted[0].at_least is None:
        demand = np.broadcast_to(np.asarray(wanted[0].demand, dtype=np.float64), count.shape)
    found = verify(
        plan.selected,
        footprints,
        demand,
        max_sites,
        sharing_capacity,
        floors=floors if wanted[0].at_least is None else None,
        **limits,
    )

    def report(en: str, ja: str, where: str, value: float, expected: str) -> None:
        found.append(Problem(Text(en, ja), value=value, expected=expected, where=where))

    for k, o in enumerate(wanted):
        weight = np.asarray(o.demand, dtype=np.float64)
        if o.at_least is None:
            counts = np.broadcast_to(weight, count.shape)[count > 0]
        else:
            counts = weight[(count > 0).sum(axis=0) >= o.at_least]
        value, where = float(counts.sum()), f"objectives[{k}]"
        if abs(value - plan.values[k]) > _RELATIVE * max(1.0, value):
            report(
                "the objective differs",
                "目的関数値が一致しません",
                where,
                float(plan.values[k]),
                f"{value:.9g}",
            )
        least = (1 - tolerance) * plan.found[k]
        if value < least - _RELATIVE * max(1.0, least):
            report(
                "an earlier objective is not held",
                "先の目的が保たれていません",
                where,
                value,
                f">= {least:.9g}",
            )
        if plan.bounds[k] < plan.found[k] - _RELATIVE * max(1.0, value):
            report(
                "the bound is below the plan",
                "上界が計画値を下回ります",
                where,
                float(plan.bounds[k]),
                f">= {plan.found[k]:.9g}",
            )
    if wanted[0].at_least is not None:
        reached = (count > 0).sum(axis=0) >= wanted[0].at_least
        for k, (mask, need, *_) in enumerate(floors or ()):
            got = float(np.asarray(wanted[0].demand)[np.asarray(mask) & reached].sum())
            if got < need - _RELATIVE * max(1.0, need):
                report(
                    "a floor is missed",
                    "下限に達していません",
                    f"floors[{k}]",
                    got,
                    f">= {need:.9g}",
                )
    return found


def verify_backup(
    backup: BackupPlan,
    footprints: Sequence[Any],
    demand: Any,
    weights: Sequence[float] = (1.0, 0.5),
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    **limits: Any,
) -> list[Problem]:
    """What is wrong with an r-fold cover; nothing if it keeps all that it says.

    Parameters
    ----------
    backup : BackupPlan
    footprints, demand, weights, max_sites, sharing_capacity, **limits
        As the problem was given to :func:`solve_backup_cover`.

    Returns
    -------
    list of Problem
    """
    plan = backup.plan
    found = verify(plan.selected, footprints, demand, max_sites, sharing_capacity, **limits)
    count = served(footprints, plan.selected)
    wanted = np.broadcast_to(np.asarray(demand, dtype=np.float64), count.shape)
    levels = [float(wanted[count > k].sum()) for k in range(len(weights))]
    value = float(np.dot(weights, levels))
    for where, said, is_ in [
        ("objective", plan.objective, value),
        *((f"covered[{k}]", backup.covered[k], level) for k, level in enumerate(levels)),
    ]:
        if abs(said - is_) > _RELATIVE * max(1.0, is_):
            text = Text("the objective differs", "目的関数値が一致しません")
            found.append(Problem(text, value=float(said), expected=f"{is_:.9g}", where=where))
    if plan.bound < value * (1 - _RELATIVE):
        text = Text("the bound is below the plan", "上界が計画値を下回ります")
        found.append(Problem(text, value=plan.bound, expected=f">= {value:.9g}", where="bound"))
    return found


def verify_years(
    plan: YearsPlan,
    footprints: Sequence[Any],
    demand: Any,
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    *,
    yearly_budget: Any = None,
    cost: Any = None,
    discount: float = 1.0,
    carry_over: bool = True,
    in_place: Any = None,
    max_total: Any = None,
    budget: Any = None,
    programme_budget: float | None = None,
    **limits: Any,
) -> list[Problem]:
    """What is wrong with a schedule; nothing if it keeps all that it says.

    What is in place counts for sharing, spacing and floors; sites and money are those of what is
    built. Floors are counted at the end of the last year.

    Parameters
    ----------
    plan : YearsPlan
    footprints, demand, max_sites, sharing_capacity, yearly_budget, cost, discount, carry_over, \
in_place, max_total, budget, programme_budget, **limits
        As the problem was given to :func:`solve_years`.

    Returns
    -------
    list of Problem
    """
    table, n_years = plan.schedule, len(plan.covered)
    start = np.asarray([] if in_place is None else in_place)
    start = np.argwhere(start) if start.dtype == bool else start.astype(np.int64).reshape(-1, 2)
    built = table[["carrier", "site"]].to_numpy(dtype=np.int64)
    shape = (len(footprints), footprints[0].shape[1])
    wanted = np.broadcast_to(np.asarray(demand, dtype=np.float64), (n_years, *shape))
    limits.pop("n_years", None)
    pairs = np.concatenate([start, built])
    found = verify(pairs, footprints, wanted[-1], None, sharing_capacity, **limits)
    found += verify(
        built,
        footprints,
        wanted[0],
        max_total,
        cost=cost,
        budget=budget,
        programme_budget=programme_budget,
    )

    def check(ok: bool, en: str, ja: str, where: str, value: float, expected: str) -> None:
        if not ok:
            found.append(Problem(Text(en, ja), value=value, expected=expected, where=where))

    costs = np.broadcast_to(1.0 if cost is None else cost, (shape[0], footprints[0].shape[0]))
    count, total = served(footprints, start), 0.0
    sites, money = np.zeros((n_years, shape[0])), np.zeros(n_years)
    for t in range(n_years):
        new = built[table["year"].to_numpy() == t]
        count = count + served(footprints, new)
        for c, i in new.tolist():
            sites[t, c] += 1
            money[t] += costs[c, i]
        value = float(wanted[t][count > 0].sum())
        total += discount**t * value
        check(
            abs(value - plan.covered[t]) <= _RELATIVE * max(1.0, value),
            "the objective differs",
            "目的関数値が一致しません",
            f"covered[{t}]",
            float(plan.covered[t]),
            f"{value:.9g}",
        )
    for name, used, given in [
        ("max_sites", sites, max_sites),
        ("yearly_budget", money, yearly_budget),
    ]:
        if given is None:
            continue
        most = np.asarray(given, dtype=np.float64)
        most = np.broadcast_to(most[:, None] if most.ndim < used.ndim else most, used.shape)
        if carry_over:
            used, most = np.cumsum(used, axis=0), np.cumsum(most, axis=0)
        for at in np.argwhere(used > most * (1 + 1e-9) + 1e-9).tolist():
            check(
                False,
                "a year's limit is exceeded",
                "年度の上限を超えています",
                f"{name}{at}",
                float(used[tuple(at)]),
                f"<= {most[tuple(at)]:.9g}",
            )
    check(
        abs(total - plan.objective) <= _RELATIVE * max(1.0, total),
        "the objective differs",
        "目的関数値が一致しません",
        "objective",
        plan.objective,
        f"{total:.9g}",
    )
    check(
        plan.bound >= total * (1 - _RELATIVE),
        "the bound is below the plan",
        "上界が計画値を下回ります",
        "bound",
        plan.bound,
        f">= {total:.9g}",
    )
    return found


def verify_max_min(
    fair: FairPlan,
    footprints: Sequence[Any],
    demand: Any,
    masks: Sequence[Any],
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    **limits: Any,
) -> list[Problem]:
    """What is wrong with a plan for the mask served worst; nothing if it keeps all that it says.

    Parameters
    ----------
    fair : FairPlan
    footprints, demand, masks, max_sites, sharing_capacity, **limits
        As the problem was given to :func:`solve_max_min`.

    Returns
    -------
    list of Problem
    """
    found = verify(fair.plan, footprints, demand, max_sites, sharing_capacity, **limits)
    count = served(footprints, fair.plan.selected)
    wanted = np.broadcast_to(np.asarray(demand, dtype=np.float64), count.shape)
    shares = []
    for k, mask in enumerate(masks):
        inside = np.asarray(mask, dtype=bool)
        got = float(np.where(count > 0, wanted, 0.0)[:, inside].sum())
        shares.append(got / float(wanted[:, inside].sum()))
        found += _said_otherwise(f"shares[{k}]", float(fair.shares[k]), shares[-1])
    return [*found, *_bounded("bound", fair.bound, max_value=min(shares))]


def verify_cover(
    cover: Cover,
    footprints: Any,
    demand: Any,
    share: float = 1.0,
    *,
    cost: Any = None,
    fixed: Any = None,
    forbidden: Any = None,
) -> list[Problem]:
    """What is wrong with a cover of a share; nothing if it keeps all that it says.

    Parameters
    ----------
    cover : Cover
    footprints, demand, share, cost, fixed, forbidden
        As the problem was given to :func:`solve_partial_cover`.

    Returns
    -------
    list of Problem
    """
    found = verify(cover.plan, footprints, demand, fixed=fixed, forbidden=forbidden)
    sites = cover.plan.selected
    every = np.arange(footprints.shape[0])
    reach, got = (
        served([footprints], np.column_stack([np.zeros(len(own), dtype=np.int64), own]))[0] > 0
        for own in (every, sites)
    )
    weight = np.asarray(demand, dtype=np.float64)
    target, value = share * float(weight[reach].sum()), float(weight[got].sum())
    if value < target * (1 - _RELATIVE):
        text = Text("the share is not reached", "割合に達していません")
        found.append(Problem(text, value=value, expected=f">= {target:.9g}", where="share"))
    each = np.broadcast_to(1.0 if cost is None else np.asarray(cost, dtype=np.float64), len(every))
    spent = float(each[sites].sum())
    return [
        *found,
        *_said_otherwise("sites", cover.sites, len(sites)),
        *_said_otherwise("cost", cover.cost, spent),
        *_bounded("least_cost", -cover.least_cost, max_value=-spent),
    ]


def _said_otherwise(where: str, said: float, counted: float) -> list[Problem]:
    """A problem where a plan says another number than counted."""
    if abs(said - counted) <= _RELATIVE * max(1.0, abs(counted)):
        return []
    text = Text("another number is counted", "再集計と一致しません")
    return [Problem(text, value=float(said), expected=f"{counted:.9g}", where=where)]


def _bounded(where: str, bound: float, *, max_value: float) -> list[Problem]:
    """A problem where a bound is on the wrong side of the plan."""
    if bound >= max_value - _RELATIVE * max(1.0, abs(max_value)):
        return []
    text = Text("the bound is below the plan", "上界が計画値を下回ります")
    return [Problem(text, value=abs(bound), expected=f"{abs(max_value):.9g}", where=where)]


def verify_shared_cost(
    shared: TenancyPlan,
    footprints: Sequence[Any],
    demand: Any,
    programme_budget: float,
    cost_first: Any,
    cost_next: Any,
    max_sites: Any = None,
    sharing_capacity: Any = 2,
    **limits: Any,
) -> list[Problem]:
    """What is wrong with a plan whose sites cost by their tenants; nothing if it is right.

    Parameters
    ----------
    shared : TenancyPlan
    footprints, demand, programme_budget, cost_first, cost_next, max_sites, sharing_capacity, \
**limits
        As the problem was given to :func:`solve_shared_cost`.

    Returns
    -------
    list of Problem
    """
    found = verify(shared.plan, footprints, demand, max_sites, sharing_capacity, **limits)
    n_sites = footprints[0].shape[0]
    first = np.broadcast_to(np.asarray(cost_first, dtype=np.float64), (n_sites,))
    more = np.broadcast_to(np.asarray(cost_next, dtype=np.float64), (n_sites,))
    spent, seen = 0.0, set()
    for _, i in shared.plan.selected.tolist():
        spent += float(more[i] if i in seen else first[i])
        seen.add(i)
    if abs(spent - shared.spent) > _RELATIVE * max(1.0, spent):
        text = Text("the cost differs", "費用が一致しません")
        found.append(Problem(text, value=shared.spent, expected=f"{spent:.9g}", where="spent"))
    if spent > programme_budget * (1 + 1e-9) + 1e-9:
        text = Text("the programme's budget is exceeded", "事業全体の予算を超えています")
        where = "programme_budget"
        found.append(Problem(text, value=spent, expected=f"<= {programme_budget:g}", where=where))
    return found
