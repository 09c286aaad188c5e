"""Independent recounts of the plans of the wider problems, from their definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh.errors import Problem
from tdh.siting.backup import BackupPlan
from tdh.siting.claims import (
    bounded,
    cells_of,
    differing,
    given_pairs,
    numbers,
    of_choices,
    over,
    problem,
    proven,
    read_pairs,
    served,
)
from tdh.siting.fair import FairPlan
from tdh.siting.layered import Objective
from tdh.siting.lexicographic import LexicographicPlan
from tdh.siting.partial import Cover
from tdh.siting.tenancy import TenancyPlan
from tdh.siting.verifying import verify
from tdh.siting.years import YearsPlan

_HELD = 1e-6
"""Share of a held value or of a floor that rounding may take."""


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
    rows = [sparse.csr_array(f) for f in footprints]
    pairs, _ = read_pairs(plan.selected, len(rows), rows[0].shape[0])
    covered = served(rows, pairs)
    weights = [
        np.broadcast_to(
            np.asarray(o.demand, dtype=np.float64),
            covered.shape if o.at_least is None else covered.shape[1:],
        )
        for o in wanted
    ]
    people_first = wanted[0].at_least is None
    found = verify(
        plan.selected,
        rows,
        weights[0] if people_first else np.zeros(covered.shape),
        max_sites,
        sharing_capacity,
        floors=floors if people_first else None,
        **limits,
    )
    n, held = len(wanted), numbers(plan.found)
    for name in ("values", "found", "bounds", "statuses"):
        if len(getattr(plan, name)) != n:
            what = "another number of objectives", "目的の数が違います"
            return [*found, problem(*what, name, len(getattr(plan, name)), n)]
    for k, (o, weight) in enumerate(zip(wanted, weights, strict=True)):
        value, whole, where = _value(o, weight, covered), float(weight.sum()), f"objectives[{k}]"
        claims = {"objective": (plan.values[k], value)}
        if k == n - 1:  # nothing comes after it to give it up for
            claims["found"] = (plan.found[k], value)
        told = differing(claims, whole)
        told += proven(float(held[k]), plan.bounds[k], plan.statuses[k], scale=whole)
        if not told:  # later objectives may have taken an earlier one further than it was held
            told = bounded(value * (1 - _HELD), plan.bounds[k], scale=whole)
        found += [_inside(p, where) for p in told]
        least = (1 - tolerance) * float(held[k])
        if value < least - _HELD * max(1.0, least):
            what = "an earlier objective is not held", "先の目的が保たれていません"
            found.append(problem(*what, where, value, f">= {least:.9g}"))
    for k, (mask, need, *_) in enumerate(() if people_first else floors or ()):
        got = _value(wanted[0], np.where(mask, weights[0], 0.0), covered)
        if got < need - _HELD * max(1.0, need):
            what = "a floor is missed", "下限に達していません"
            found.append(problem(*what, f"floors[{k}]", got, f">= {need:.9g}"))
    return [*found, *_losses(plan.losses, pairs, rows, wanted, weights)]


def _value(objective: Objective, weight: np.ndarray, count: np.ndarray) -> float:
    """What counts of an objective where so many sites of each carrier serve each cell."""
    if objective.at_least is None:
        return float(weight[count > 0].sum())
    return float(weight[(count > 0).sum(axis=0) >= objective.at_least].sum())


def _inside(found: Problem, where: str) -> Problem:
    return Problem(found.what, found.value, found.expected, f"{where}.{found.where}")


def _losses(
    table: pd.DataFrame,
    pairs: np.ndarray,
    rows: Sequence[sparse.csr_array],
    wanted: Sequence[Objective],
    weights: Sequence[np.ndarray],
) -> list[Problem]:
    """What each objective would lose without each choice alone."""
    names = [f"loss_{k + 1}" for k in range(len(wanted))]
    missing = [c for c in ("carrier", "site", *names) if c not in table]
    if missing:
        what = "a column is missing", "列がありません"
        return [problem(*what, "losses", ", ".join(missing))]
    own, found = read_pairs(
        table[["carrier", "site"]].to_numpy(), len(rows), rows[0].shape[0], "losses"
    )
    if found or {*map(tuple, own.tolist())} != {*map(tuple, pairs.tolist())}:
        what = "what is selected and what is told of each choice differ", "選択と内訳が違います"
        return [*found, problem(*what, "losses", len(own), len(pairs))]
    count = served(rows, pairs)
    counted = np.zeros((len(own), len(wanted)))
    for row, (c, cells) in enumerate(zip(own[:, 0].tolist(), cells_of(rows, own), strict=True)):
        there = count[:, cells]
        without = there.copy()
        without[c] -= 1
        for k, (o, weight) in enumerate(zip(wanted, weights, strict=True)):
            part = weight[..., cells]
            counted[row, k] = _value(o, part, there) - _value(o, part, without)
    return differing(
        {name: (table[name], counted[:, k]) for k, name in enumerate(names)},
        max(float(w.sum()) for w in weights),
    )


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
    rows = [sparse.csr_array(f) for f in footprints]
    pairs, _ = read_pairs(plan.selected, len(rows), rows[0].shape[0])
    count = served(rows, pairs)
    wanted = np.broadcast_to(np.asarray(demand, dtype=np.float64), count.shape)
    levels = [float(wanted[count > k].sum()) for k in range(len(weights))]
    value, whole = float(np.dot(weights, levels)), float(np.sum(weights) * wanted.sum())
    claims = {"objective": (plan.objective, value), "covered": (backup.covered, levels)}
    fixed = given_pairs(limits.get("fixed"))
    return [
        *found,
        *differing(claims, whole),
        *proven(value, plan.bound, plan.status, scale=whole),
        *of_choices(plan.assignments, pairs, rows, wanted, weights, together=fixed),
    ]


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
    rows = [sparse.csr_array(f) for f in footprints]
    shape, n_sites = (len(rows), rows[0].shape[1]), rows[0].shape[0]
    by_year = [max_sites, yearly_budget, demand if np.ndim(demand) == 3 else None]
    given = [len(np.atleast_1d(a)) for a in by_year if a is not None]
    n_years = limits.pop("n_years", None) or (given or [len(plan.covered)])[0]
    wanted = np.broadcast_to(np.asarray(demand, dtype=np.float64), (n_years, *shape))
    missing = [
        c for c in ("year", "carrier", "site", "cost", "gain") if c not in plan.schedule.columns
    ]
    if missing:
        what = "a column is missing", "列がありません"
        return [problem(*what, "schedule", ", ".join(missing))]
    told = plan.schedule[["carrier", "site"]].to_numpy()
    built, found = read_pairs(told, *(len(rows), n_sites), "schedule")
    year = numbers(plan.schedule["year"])
    known = np.isin(year, np.arange(n_years))
    if not known.all():
        what = "there is no such year", "その年度はありません"
        found.append(problem(*what, "schedule.year", year[~known].tolist(), f"0 … {n_years - 1}"))
    if found:
        return found  # nothing else can be counted by the year
    start = np.array(sorted(given_pairs(in_place)), dtype=np.int64).reshape(-1, 2)
    pairs = np.concatenate([start, built])
    found = verify(pairs, rows, wanted[-1], None, sharing_capacity, **limits)
    found += verify(
        built,
        rows,
        wanted[0],
        max_total,
        cost=cost,
        budget=budget,
        programme_budget=programme_budget,
    )
    costs = np.broadcast_to(1.0 if cost is None else np.asarray(cost), (shape[0], n_sites))
    each = np.array([costs[c, i] for c, i in built.tolist()])
    sites, money = np.zeros((n_years, shape[0])), np.zeros(n_years)
    covered, added = np.zeros(n_years), np.zeros(n_years)
    count = served(rows, start)
    for t in range(n_years):
        new = year == t
        sites[t] = np.bincount(built[new, 0], minlength=shape[0])
        money[t] = each[new].sum()
        before = float(wanted[t][count > 0].sum())
        count = count + served(rows, built[new])
        covered[t] = float(wanted[t][count > 0].sum())
        added[t] = covered[t] - before
    for name, used, most in [
        ("max_sites", sites, max_sites),
        ("yearly_budget", money, yearly_budget),
    ]:
        if most is not None:
            found += _of_years(name, used, np.asarray(most, dtype=np.float64), carry_over)
    value = float(covered @ discount ** np.arange(n_years))
    whole = float(wanted.sum())
    # In which order a year's sites are built is not told, so that their gains are known together.
    gains = np.bincount(year.astype(np.int64), numbers(plan.schedule["gain"]), n_years)
    return [
        *found,
        *differing({"schedule.cost": (plan.schedule["cost"], each), "spent": (plan.spent, money)}),
        *differing({"covered": (plan.covered, covered), "schedule.gain": (gains, added)}, whole),
        *differing({"objective": (plan.objective, value)}),
        *proven(value, plan.bound, plan.status, scale=whole),
    ]


def _of_years(name: str, used: np.ndarray, most: np.ndarray, carry_over: bool) -> list[Problem]:
    """Where a year, or with carry-over the years so far, take more than they may."""
    most = np.broadcast_to(most[:, None] if most.ndim < used.ndim else most, used.shape)
    if carry_over:
        used, most = np.cumsum(used, axis=0), np.cumsum(most, axis=0)
    what = "a year's limit is exceeded", "年度の上限を超えています"
    return [
        problem(*what, f"{name}{at}", float(used[tuple(at)]), f"<= {most[tuple(at)]:.9g}")
        for at in np.argwhere(over(used, most)).tolist()
    ]


def verify_max_min(
    fair: FairPlan,
    footprints: Sequence[Any],
    demand: Any,
    masks: Sequence[Any],
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    *,
    tolerance: float = 0.0,
    **limits: Any,
) -> list[Problem]:
    """What is wrong with a plan for the mask served worst; nothing if it keeps all that it says.

    Parameters
    ----------
    fair : FairPlan
    footprints, demand, masks, max_sites, sharing_capacity, tolerance, **limits
        As the problem was given to :func:`solve_max_min`.

    Returns
    -------
    list of Problem
    """
    found = verify(fair.plan, footprints, demand, max_sites, sharing_capacity, **limits)
    pairs, _ = read_pairs(fair.plan.selected, len(footprints), footprints[0].shape[0])
    count = served(footprints, pairs)
    wanted = np.broadcast_to(np.asarray(demand, dtype=np.float64), count.shape)
    inside = np.asarray(masks, dtype=np.float64)
    got = inside @ np.where(count > 0, wanted, 0.0).sum(axis=0)
    shares = got / (inside @ wanted.sum(axis=0))
    allowed = np.ones((len(footprints), footprints[0].shape[0]), dtype=bool)
    cost = limits.get("cost")
    allowed &= np.isfinite(1.0 if cost is None else np.asarray(cost, dtype=np.float64))
    for where, allows in (("forbidden", False), ("fixed", True)):
        for pair in given_pairs(limits.get(where)):
            allowed[pair] = allows
    reach = served(footprints, np.argwhere(allowed))
    reachable = inside @ np.where(reach > 0, wanted, 0.0).sum(axis=0) > 0
    told = np.asarray(reachable if fair.reachable is None else fair.reachable)
    told = told.astype(np.int64) if told.dtype == bool else told  # truths are no numbers
    least = float(shares[reachable].min(initial=1.0)) if reachable.any() else 0.0
    held = float(numbers(least if fair.held is None else fair.held))
    if not held * (1.0 - tolerance) - _HELD <= least <= held + _HELD:
        what = "the least share is not what is held", "最小の割合が保証した値と合いません"
        expected = f"{least:.9g}" + (f" … {least / (1 - tolerance):.9g}" if tolerance < 1 else " …")
        found.append(problem(*what, "held", held, expected))
    return [
        *found,
        *differing({"shares": (fair.shares, shares)}, 1.0),
        *differing({"reachable": (told, reachable)}),
        *bounded(float(np.fmax(held, least)), fair.bound, scale=1.0) * bool(reachable.any()),
    ]


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
    n_sites = footprints.shape[0]
    pairs, _ = read_pairs(cover.plan.selected, 1, n_sites)
    every = np.column_stack([np.zeros(n_sites, dtype=np.int64), np.arange(n_sites)])
    reach, got = (served([footprints], own)[0] > 0 for own in (every, pairs))
    weight = np.asarray(demand, dtype=np.float64)
    target, value = share * float(weight[reach].sum()), float(weight[got].sum())
    if value < target * (1 - _HELD):
        what = "the share is not reached", "割合に達していません"
        found.append(problem(*what, "share", value, f">= {target:.9g}"))
    each = np.broadcast_to(1.0 if cost is None else np.asarray(cost, dtype=np.float64), n_sites)
    spent = float(each[pairs[:, 1]].sum())
    # Without costs what is proven is the number of sites; with them, no more of it than this.
    least = float(numbers(cover.least_cost))
    at_least = least if cost is None else min(1, len(pairs))
    claims = {
        "sites": (cover.sites, len(pairs)),
        "cost": (cover.cost, spent),
        "at_least": (cover.at_least, at_least),
    }
    found += differing(claims)
    if bounded(-spent, -least):
        what = "the plan costs less than is told to be the least", "下界が計画の費用を上回ります"
        return [*found, problem(*what, "least_cost", cover.least_cost, f"<= {spent:.9g}")]
    return found + proven(-spent, -least, cover.status)


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
    pairs, _ = read_pairs(shared.plan.selected, len(footprints), n_sites)
    first = np.broadcast_to(np.asarray(cost_first, dtype=np.float64), (n_sites,))
    more = np.broadcast_to(np.asarray(cost_next, dtype=np.float64), (n_sites,))
    tenants = np.zeros(n_sites, dtype=np.int64)
    spent = 0.0
    for i in pairs[:, 1].tolist():
        spent += float(more[i] if tenants[i] else first[i])
        tenants[i] += 1
    alone = float(first[pairs[:, 1]].sum())
    claims = {
        "spent": (shared.spent, spent),
        "saved": (shared.saved, alone - spent),
        "tenants": (shared.tenants, tenants),
    }
    found += differing(claims, alone)
    if over(spent, programme_budget):
        what = "the programme's budget is exceeded", "事業全体の予算を超えています"
        found.append(problem(*what, "programme_budget", spent, f"<= {programme_budget:g}"))
    return found
