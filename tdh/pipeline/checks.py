"""All problems of a scenario at once, without computing anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tdh import demand
from tdh.errors import InputError, Problem
from tdh.pipeline import stages
from tdh.pipeline.context import carrier_bands
from tdh.scenario import Scenario, read_scenario


@dataclass(frozen=True)
class CheckResult:
    """What ``check`` found.

    Attributes
    ----------
    problems : list of Problem
        What stands in the way of a run; empty: it can be run.
    facts : dict
        What was read: rows, people, sites.
    """

    problems: list[Problem]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of a run."""
        return not self.problems


def check(
    scenario: Scenario | str | os.PathLike[str],
    override: str | None = None,
    settings: Iterable[str] = (),
) -> CheckResult:
    """Read every input of a scenario and collect what is wrong with any of them."""
    if not isinstance(scenario, Scenario):
        try:
            scenario = read_scenario(scenario, override, settings)
        except InputError as error:
            return CheckResult(list(error.problems))
    problems: list[Problem] = []
    facts: dict[str, Any] = {}

    def attempt(name: str, read: Callable[[], Any]) -> None:
        try:
            facts[name] = read()
        except InputError as error:
            problems.extend(error.problems)

    known: Scenario = scenario
    attempt("bands", lambda: [f"{c}: {b}" for c, b in carrier_bands(known)])
    attempt("area", lambda: _area(known))
    attempt("assets", lambda: _assets(known))
    attempt("people", lambda: _people(known))
    attempt("carriers", lambda: {k: len(v.sites) for k, v in stages.read_networks(known).items()})
    return CheckResult(problems, facts)


def _area(scenario: Scenario) -> dict[str, Any]:
    municipalities = demand.read_municipalities(scenario.area.boundaries, scenario.crs)
    chosen = stages.read_area(scenario, municipalities)
    return {
        "municipalities": len(chosen),
        "area_km2": round(float(chosen.area.sum()) / 1e6, 3),
    }


def _assets(scenario: Scenario) -> list[dict[str, Any]]:
    return [
        {
            "source": register.source,
            "rows": register.rows,
            "accepted": len(register.assets),
            "rejected": len(register.rejected),
            "needs_position": len(register.needs_position),
        }
        for register in stages.read_registers(scenario)
    ]


def _people(scenario: Scenario) -> float:
    return round(float(demand.read_population(scenario.demand.population)["population"].sum()), 1)
