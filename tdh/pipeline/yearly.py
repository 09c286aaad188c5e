"""The plan by fiscal years: which asset is offered in which year, with what is left carried over."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from tdh import siting
from tdh.pipeline.context import Context
from tdh.pipeline.objectives import Answer
from tdh.scenario import Scenario
from tdh.scenario.combining import sites_of_year
from tdh.siting.claims import served


def year_limits(scenario: Scenario) -> tuple[np.ndarray, np.ndarray | None]:
    """Most new sites of each carrier, (n_years, n_carriers), and yen, (n_years,) or None, by year.

    With carry-over what counts is the sum so far, so that a limit over all years caps the sums: the
    same schedules, and a tighter relaxation.
    """
    rules, n_years = scenario.siting, len(scenario.siting.years)
    sites = np.empty((n_years, len(scenario.carriers)))
    for k, carrier in enumerate(scenario.carriers):
        given = [sites_of_year(scenario, t, k) for t in range(n_years)]
        each = np.array([np.inf if n is None else n for n in given], dtype=float)
        sites[:, k] = _capped(each, carrier.max_sites) if rules.carry_over else each
    yen = np.array([np.inf if y.budget_yen is None else y.budget_yen for y in rules.years])
    if rules.budget_yen is not None and rules.carry_over:
        yen = _capped(yen, rules.budget_yen)
    return sites, None if np.isinf(yen).all() else yen


def _capped(each: np.ndarray, total: float) -> np.ndarray:
    """Amounts by year whose sums are those of ``each``, but never above a total.

    >>> _capped(np.array([2.0, np.inf, 5.0]), 6).tolist()
    [2.0, 4.0, 0.0]
    """
    return np.diff(np.minimum(np.cumsum(each), total), prepend=0.0)


def by_years(
    context: Context, footprints: list[sparse.csr_array], unmet: np.ndarray, limits: dict[str, Any]
) -> Answer:
    """The schedule that serves most people, each counted in every year from its first.

    Of the plan, objective and bound are people at the end of the last year: no schedule that
    serves as many in the years before serves more then. ``plan.json`` has, under ``years``, what
    is maximised: the sum over the years.
    """
    scenario = context.scenario
    sites, yen = year_limits(scenario)
    problem: dict[str, Any] = {
        "max_sites": sites,
        "yearly_budget": yen,
        "sharing_capacity": limits["sharing_capacity"],
        "cost": limits.get("cost"),
        "discount": scenario.siting.discount,
        "carry_over": scenario.siting.carry_over,
        "xy_m": limits["xy_m"],
        "spacing_m": limits["spacing_m"],
        "fixed": limits["fixed"],
        "forbidden": limits["forbidden"],
        "floors": limits["floors"],
        "at_most": limits.get("at_most"),
        "budget": limits.get("budget"),
        "programme_budget": limits.get("programme_budget"),
    }
    found = siting.solve_years(
        footprints, unmet, seed=scenario.seed, max_total=limits["max_sites"], **problem
    )
    broken = siting.verify_years(found, footprints, unmet, **problem)
    # The schedule's gains are those of greedy choice within a year, so they tell its order.
    table = found.schedule.sort_values(
        ["year", "gain", "carrier", "site"], ascending=[True, False, True, True], ignore_index=True
    )
    pairs = table[["carrier", "site"]].to_numpy(dtype=np.int64)
    count = served(footprints, pairs)
    losses = []
    for c, i in pairs.tolist():
        own = footprints[c].indices[footprints[c].indptr[i] : footprints[c].indptr[i + 1]]
        losses.append(float(unmet[c, own][count[c, own] == 1].sum()))
    made = table[["carrier", "site"]].assign(
        order=np.arange(1, len(table) + 1), gain=table["gain"], loss_without=losses
    )
    last = float(found.covered[-1])
    bound = last + (found.bound - found.objective) / scenario.siting.discount ** (
        len(found.covered) - 1
    )
    plan = siting.Plan(
        made,
        np.array(sorted(pairs.tolist()), dtype=np.int64).reshape(-1, 2),
        last,
        bound,
        siting.Status.of(last, bound),  # of the last year alone, less may be proven than of all
        found.method,
        found.reproducible,
        found.seconds,
    )
    years = np.array([y.fiscal_year for y in scenario.siting.years], dtype=np.int64)
    facts = {
        "years": {
            "carry_over": scenario.siting.carry_over,
            "discount": scenario.siting.discount,
            "objective": found.objective,
            "bound": found.bound,
            "gap": found.gap,
            "status": str(found.status),
            "each": _each(scenario, found, years, yen is not None),
        }
    }
    broken += siting.verify(plan, footprints, unmet, **limits)
    return Answer(
        plan, facts, {"fiscal_year": years[table["year"].to_numpy(dtype=int)].astype(str)}, broken
    )


def _each(
    scenario: Scenario, found: siting.YearsPlan, years: np.ndarray, with_yen: bool
) -> list[dict[str, Any]]:
    """What each year offers, spends and serves."""
    rows = []
    for t, year in enumerate(years.tolist()):
        of_year = found.schedule[found.schedule["year"] == t]
        sites = {
            c.id: int((of_year["carrier"] == k).sum()) for k, c in enumerate(scenario.carriers)
        }
        row: dict[str, Any] = {"fiscal_year": year, "sites": sites}
        if scenario.costs.yen:
            row["cost_yen"] = float(found.spent[t])
        if with_yen:
            row["budget_yen"] = scenario.siting.years[t].budget_yen
        rows.append({**row, "people_served": float(found.covered[t])})
    return rows
