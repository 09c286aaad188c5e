"""The last stages: what people open. They read the run folder and nothing else."""

from __future__ import annotations

from typing import Any

from tdh import exchange, maps, reports
from tdh.language import current
from tdh.pipeline.context import Context
from tdh.scenario import Scenario


def labels(scenario: Scenario) -> Any:
    """What is shown beside the results: names, sources, licences, marks, and the language."""
    shown = {"source", "licence", "synthetic", "name", "id"}
    parts = [scenario.area, scenario.surface, scenario.demand, *scenario.assets, *scenario.carriers]
    return [current(), scenario.name, [p.model_dump(include=shown) for p in parts]]


def tables(context: Context) -> dict[str, Any]:
    """The planner's workbook and the GeoPackage for QGIS."""
    reports.write_workbook(context.run, context.folder / "offers.xlsx", language=current())
    reports.write_geopackage(context.run, context.folder / "plan.gpkg")
    return {}


def map_page(context: Context) -> dict[str, Any]:
    """The map, in one file."""
    maps.save(maps.plan_map(context.run, language=current()), context.folder / "map.html")
    return {"bytes": (context.folder / "map.html").stat().st_size}


def report(context: Context) -> dict[str, Any]:
    """The report, in one file."""
    reports.write_report(context.run, context.folder / "report.html", language=current())
    return {}


def packages(context: Context) -> dict[str, Any]:
    """One package per carrier; each holds nothing that derives from another carrier's data."""
    source = context.scenario.packages.round
    terms = None if source is None else exchange.read_round(source)
    around = exchange.Surroundings(context.surface, context.run.municipalities)
    for carrier in context.run.carriers:
        target = context.folder / f"packages/{carrier.id}.zip"
        exchange.write_package(context.run, carrier.id, target, round=terms, surroundings=around)
    return {}
