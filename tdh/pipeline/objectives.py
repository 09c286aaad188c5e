"""What the plan is the best for: people, or other objectives before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import gaps, siting
from tdh.errors import Problem, ScenarioError
from tdh.language import Text
from tdh.pipeline.context import Context
from tdh.pipeline.scored import place_priorities
from tdh.siting import counting
from tdh.siting.allocation import check


def solve(
    context: Context,
    footprints: list[sparse.csr_array],
    unmet: np.ndarray,
    wanted: np.ndarray,
    limits: dict[str, Any],
) -> tuple[siting.Plan, list[dict[str, Any]]]:
    """The plan, and what it reaches of each objective in order, for ``plan.json``.

    ``footprints`` and ``unmet`` hold the cells ``wanted`` of the plan alone.
    """
    scenario = context.scenario
    first = scenario.siting.first
    if not first:
        plan = siting.solve_allocation(footprints, unmet, seed=scenario.seed, **limits)
        return plan, []
    demands = [_demand(context, name, wanted) for name in first]
    found = siting.solve_lexicographic(footprints, [*demands, unmet], seed=scenario.seed, **limits)
    facts = [
        {
            "name": name,
            "value": float(value),
            "bound": float(bound),
            "gap": float(gap),
            "status": str(status),
        }
        for name, value, bound, gap, status in zip(
            [*first, "people"], found.values, found.bounds, found.gaps, found.statuses, strict=True
        )
    ]
    plan = siting.Plan(
        _assignments(footprints, unmet, limits, found.selected),
        found.selected,
        float(found.values[-1]),
        float(found.bounds[-1]),
        found.statuses[-1],
        " → ".join(dict.fromkeys(found.methods)),
        found.reproducible,
    )
    return plan, facts


def _demand(context: Context, name: str, wanted: np.ndarray) -> Any:
    run = context.run
    missing = gaps.gap_matrix(run.gaps, run.cells, [c.id for c in context.scenario.carriers])
    if name == "any_carrier":
        nobody = missing.all(axis=0)
        people = run.cells["population"].to_numpy() * nobody
        return siting.Objective(people[wanted], at_least=1)
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


def _assignments(
    footprints: list[sparse.csr_array],
    unmet: np.ndarray,
    limits: dict[str, Any],
    selected: np.ndarray,
) -> pd.DataFrame:
    """People gained by each choice, in order; those that serve places alone come last."""
    known = {key: value for key, value in limits.items() if key != "floors"}
    chosen = np.zeros((len(footprints), footprints[0].shape[0]), dtype=bool)
    chosen[tuple(selected.T)] = True
    table = counting.assignments(check(footprints, unmet, **known), chosen)
    counted = set(zip(table["carrier"], table["site"], strict=True))
    rest = [pair for pair in map(tuple, selected.tolist()) if pair not in counted]
    more = pd.DataFrame(rest, columns=["carrier", "site"])
    more["order"] = len(table) + 1 + np.arange(len(more))
    more[["gain", "loss_without"]] = 0.0
    return pd.concat([table, more[table.columns]], ignore_index=True) if rest else table
