"""What the plan is the best for: people, or other objectives before, beside or year by year."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import gaps, siting
from tdh.errors import Problem, ScenarioError
from tdh.language import Text
from tdh.pipeline.context import Context
from tdh.pipeline.scored import place_priorities
from tdh.siting import counting, infeasible
from tdh.siting.allocation import check
from tdh.siting.claims import served


@dataclass(frozen=True, eq=False)
class Answer:
    """A plan in the terms of people, with what else its solver says.

    Attributes
    ----------
    plan : Plan
        Objective and bound count people in a gap; the bound holds for every plan that is as good
        in what comes before people, or counts beside them.
    facts : dict
        Further entries of ``plan.json``.
    columns : dict of str to ndarray, shape (n_choices,)
        Further columns of the table ``plan``, in the order of the plan's assignments.
    broken : list of Problem
        What an independent recount finds wrong.
    """

    plan: siting.Plan
    facts: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    broken: list[Problem] = field(default_factory=list)


def allocate(
    context: Context, footprints: list[sparse.csr_array], unmet: np.ndarray, limits: dict[str, Any]
) -> Answer:
    """The plan that serves most people of the gaps."""
    plan = siting.solve_allocation(footprints, unmet, seed=context.scenario.seed, **limits)
    return Answer(plan, broken=siting.verify(plan, footprints, unmet, **limits))


def in_order(
    context: Context,
    footprints: list[sparse.csr_array],
    unmet: np.ndarray,
    wanted: np.ndarray,
    limits: dict[str, Any],
) -> Answer:
    """The plan with what comes before people, each as good as the earlier ones allow.

    ``footprints`` and ``unmet`` hold the cells ``wanted`` of the plan alone.
    """
    scenario = context.scenario
    first = scenario.siting.first
    infeasible.check_fixed(check(footprints, unmet, **limits))
    given, bounds_of = footprints, limits
    if "two_carriers" in first:
        given, bounds_of = with_today(footprints, limits, ~_missing(context)[:, wanted])
    aims = [*(_demand(context, name, wanted) for name in first), unmet]
    gives = scenario.siting.first_gives
    found = siting.solve_lexicographic(
        given, aims, seed=scenario.seed, tolerance=gives, **bounds_of
    )
    broken = siting.verify_lexicographic(found, given, aims, tolerance=gives, **bounds_of)
    facts = [
        {
            "name": name,
            "value": float(value),
            "held": float(held),
            "bound": float(bound),
            "gap": float(gap),
            "status": str(status),
        }
        for name, value, held, bound, gap, status in zip(
            [*first, "people"],
            found.values,
            found.found,
            found.bounds,
            found.gaps,
            found.statuses,
            strict=True,
        )
    ]
    selected = without_today(found.selected, footprints)
    plan = siting.Plan(
        assignments(footprints, unmet, limits, selected),
        selected,
        float(found.values[-1]),
        float(found.bounds[-1]),
        found.statuses[-1],
        " → ".join(dict.fromkeys(found.methods)),
        found.reproducible,
    )
    return Answer(plan, {"objectives": facts}, broken=broken)


def fairly(
    context: Context,
    footprints: list[sparse.csr_array],
    unmet: np.ndarray,
    codes: np.ndarray,
    limits: dict[str, Any],
) -> Answer:
    """The plan that closes as much as it can of the gap of the municipality that gets least.

    ``codes`` are the cells' municipalities. Those without a gap, or with one that no asset reaches,
    do not count.
    """
    scenario = context.scenario
    people = unmet.sum(axis=0)
    masks = [codes == code for code in pd.Index(codes[people > 0]).dropna().unique().sort_values()]
    gives = scenario.siting.first_gives
    found = siting.solve_max_min(
        footprints, unmet, masks, seed=scenario.seed, tolerance=gives, **limits
    )
    broken = siting.verify_max_min(found, footprints, unmet, masks, tolerance=gives, **limits)
    plan, held = found.plan, found.least_share if found.held is None else found.held
    facts = [
        {
            "name": "worst_municipality",
            "value": found.least_share,
            "held": held,
            "bound": found.bound,
            "gap": found.gap,
            "status": str(found.status),
        },
        {
            "name": "people",
            "value": plan.objective,
            "held": plan.objective,
            "bound": plan.bound,
            "gap": plan.gap,
            "status": str(plan.status),
        },
    ]
    return Answer(plan, {"objectives": facts}, broken=broken)


def _missing(context: Context) -> np.ndarray:
    """Which cells are which carrier's gap."""
    carriers = [c.id for c in context.scenario.carriers]
    return gaps.gap_matrix(context.run.gaps, context.run.cells, carriers)


def _demand(context: Context, name: str, wanted: np.ndarray) -> Any:
    missing = _missing(context)
    if name in ("any_carrier", "two_carriers"):
        least = 1 if name == "any_carrier" else 2
        fewer = (~missing).sum(axis=0) < least
        people = context.run.cells["population"].to_numpy() * fewer
        return siting.Objective(people[wanted], at_least=least)
    priorities = place_priorities(context)
    if priorities is None:
        raise ScenarioError(
            Problem(
                Text("places come first, but the scenario names none", "重点施設がありません"),
                where="siting.first",
                fix=Text("add [[places]]", "[[places]] を加えてください"),
            )
        )
    return (missing * priorities)[:, wanted]


def with_today(
    footprints: list[sparse.csr_array], limits: dict[str, Any], served: np.ndarray
) -> tuple[list[sparse.csr_array], dict[str, Any]]:
    """The problem with today's network as one more site that every carrier holds already.

    It takes nothing from any limit: it costs nothing, stands apart from all, and each carrier may
    hold one site more.

    Parameters
    ----------
    footprints : list of csr_array, shape (n_sites, n_cells)
    limits : dict
        As :func:`tdh.pipeline.rules.limits` gives them.
    served : ndarray of bool, shape (n_carriers, n_cells)
        What counts as covered already.
    """
    n_carriers, n_sites = len(footprints), footprints[0].shape[0]
    more = [
        sparse.csr_array(sparse.vstack([f, sparse.csr_array(row[None])], format="csr"))
        for f, row in zip(footprints, served, strict=True)
    ]
    known = dict(limits)
    known["max_sites"] = [None if m is None else m + 1 for m in limits["max_sites"]]
    capacity = np.broadcast_to(np.asarray(limits["sharing_capacity"]), (n_sites,))
    known["sharing_capacity"] = np.append(capacity, n_carriers)
    far = limits["xy_m"].max(axis=0, initial=0.0) + 1e7
    known["xy_m"] = np.vstack([limits["xy_m"], far])
    held = np.array([(c, n_sites) for c in range(n_carriers)], dtype=np.int64)
    fixed = limits.get("fixed")
    known["fixed"] = held if fixed is None else np.vstack([fixed, held])
    if limits.get("cost") is not None:
        known["cost"] = np.append(limits["cost"], 0.0)
    return more, known


def without_today(selected: np.ndarray, footprints: list[sparse.csr_array]) -> np.ndarray:
    """The choices of a plan of :func:`with_today` that are assets."""
    kept: np.ndarray = selected[selected[:, 1] < footprints[0].shape[0]]
    return kept


def assignments(
    footprints: list[sparse.csr_array],
    unmet: np.ndarray,
    limits: dict[str, Any],
    selected: np.ndarray,
) -> pd.DataFrame:
    """People gained by each choice, in order; those that serve nobody new come last.

    Nobody depends on a choice alone whom one of those serves as well.
    """
    known = {key: value for key, value in limits.items() if key != "floors"}
    chosen = np.zeros((len(footprints), footprints[0].shape[0]), dtype=bool)
    chosen[tuple(selected.T)] = True
    table = counting.assignments(check(footprints, unmet, **known), chosen)
    counted = set(zip(table["carrier"], table["site"], strict=True))
    rest = [pair for pair in map(tuple, selected.tolist()) if pair not in counted]
    more = pd.DataFrame(rest, columns=["carrier", "site"])
    more["order"] = len(table) + 1 + np.arange(len(more))
    more[["gain", "loss_without"]] = 0.0
    if not rest:
        return table
    table = pd.concat([table, more[table.columns]], ignore_index=True)
    once = unmet * (served(footprints, selected) == 1)
    table["loss_without"] = [
        float(once[c, footprints[c].indices[slice(*footprints[c].indptr[i : i + 2])]].sum())
        for c, i in zip(table["carrier"], table["site"], strict=True)
    ]
    return table
