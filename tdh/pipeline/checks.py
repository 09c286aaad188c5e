"""All problems of a scenario at once, without computing anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tdh import demand, inventory, measurements
from tdh.errors import InputError, Problem
from tdh.pipeline import counted, covered, facts, forms, hazards, recounts, stages, tallies
from tdh.pipeline import known as present_known
from tdh.pipeline.context import carrier_bands
from tdh.results import Run
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
    attempt("people", lambda: _people(known.demand.population))
    if known.demand.training is not None:
        training = known.demand.training
        attempt("people to learn from", lambda: _people(training))
    for source in known.demand.sources:
        name = f"people by {source.moment}: {source.path.name}"
        attempt(name, partial(demand.read_source, source, known.crs))
    attempt("carriers", lambda: {k: len(v.sites) for k, v in covered.read_networks(known).items()})
    if known.throughput or any(c.coverage for c in known.carriers):
        attempt("coverage", lambda: present_known.facts(known))
    if known.coverage.calibration:
        attempt("calibration", lambda: asdict(measurements.model_of(known)))
    if known.floods:
        attempt("floods", lambda: sum(len(f) for f in hazards.read_floods(known)))
    return CheckResult(problems, facts)


def verify(run: Run) -> list[Problem]:
    """Count a finished run again: its plan with nothing of the solver, its tables from the rasters.

    Returns
    -------
    list of Problem
        Empty if the plan keeps every limit and serves what ``plan.json`` says, and every table of
        :func:`tdh.pipeline.tallies.of_run` says what is counted.
    """
    problems, counted_again = recounted(run)
    return problems + [p for tally in counted_again for p in tally.problems]


def recounted(run: Run) -> tuple[list[Problem], list[tallies.Tally]]:
    """What is wrong with a run's plan, and its tables counted again.

    Where the scenario, the tables and rasters that others are counted from, or the names of the
    plan are wrong, nothing more is counted.
    """
    problems = facts.of_frame(run) or forms.of_bases(run)
    if problems:
        return problems, []
    plan, unreadable = counted.read(run)
    problems = unreadable if plan is None else unreadable + recounts.of(plan)
    if plan is None or unreadable:
        return problems, []
    found = tallies.of_run(run)
    # What is told of tables that are not as they are written has been said.
    readable = all(t.numbers or t.skipped is None for t in found)
    return problems + (facts.of_stages(plan) if readable else []), found


def _area(scenario: Scenario) -> dict[str, Any]:
    municipalities = demand.read_municipalities(scenario.area.boundaries, scenario.crs)
    chosen = stages.read_area(scenario, municipalities)
    return {
        "municipalities": len(chosen),
        "area_km2": round(float(chosen.area.sum()) / 1e6, 3),
    }


def _assets(scenario: Scenario) -> list[dict[str, Any]]:
    with inventory.kinds.extended(*scenario.inventory.kinds):
        registers = stages.read_registers(scenario)
    return [
        {
            "source": register.source,
            "rows": register.rows,
            "accepted": len(register.assets),
            "rejected": len(register.rejected),
            "needs_position": len(register.needs_position),
        }
        for register in registers
    ]


def _people(path: Path) -> float:
    return round(float(demand.read_population(path)["population"].sum()), 1)
