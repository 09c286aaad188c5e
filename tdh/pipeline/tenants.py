"""The plan where carriers that share an asset save money, and what each offer then costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from tdh import siting
from tdh.pipeline.context import Context
from tdh.pipeline.objectives import Answer
from tdh.scenario import Scenario


def saves(scenario: Scenario) -> bool:
    """Whether sharing changes what the budget of the plan buys."""
    return scenario.costs.shared_saving > 0 and scenario.siting.budget_yen is not None


def split(cost: np.ndarray, tenants: np.ndarray, saving: float) -> np.ndarray:
    """What each of an asset's tenants pays: the same part of first and further tenants' costs.

    >>> split(np.array([8.0]), np.array([2]), 0.5).tolist()
    [6.0]
    """
    shares: np.ndarray = cost * (1 + (tenants - 1) * (1 - saving)) / np.maximum(tenants, 1)
    return shares


def sharing(
    context: Context, footprints: list[sparse.csr_array], unmet: np.ndarray, limits: dict[str, Any]
) -> Answer:
    """The plan that serves most people for a budget of which sharing saves a part."""
    scenario = context.scenario
    first = np.asarray(limits["cost"], dtype=float)
    rest = {k: v for k, v in limits.items() if k not in ("cost", "budget", "programme_budget")}
    problem = {
        "programme_budget": limits["programme_budget"],
        "cost_first": first,
        "cost_next": first * (1 - scenario.costs.shared_saving),
        **rest,
    }
    found = siting.solve_shared_cost(footprints, unmet, seed=scenario.seed, **problem)
    broken = siting.verify_shared_cost(found, footprints, unmet, **problem)
    return Answer(found.plan, broken=broken)
