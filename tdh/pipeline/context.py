"""What the stages of one run share: the scenario, the folder, and what is costly to read twice."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from tdh import demand, measurements, surface
from tdh.files import atomic
from tdh.grid import Grid
from tdh.manifest import StageRecord
from tdh.measurements.kinds import Kinds
from tdh.pipeline.engine import Report
from tdh.radio import bands
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.results import Run
from tdh.scenario import Scenario
from tdh.surface import Surface


def carrier_bands(scenario: Scenario) -> dict[tuple[str, str], Band]:
    """(carrier, band id) to the band as that carrier holds it.

    Raises
    ------
    DomainError
        If a band is neither known nor defined in full.
    """
    changes = {b.id: b.changes() for b in scenario.bands}
    resolved = {}
    for carrier in scenario.carriers:
        for held in carrier.bands:
            own = {
                key: value
                for key, value in (
                    ("frequency_mhz", held.frequency_mhz),
                    ("bandwidth_mhz", held.bandwidth_mhz),
                )
                if value is not None
            }
            resolved[carrier.id, held.band] = bands.get(
                held.band, **{**changes.get(held.band, {}), **own}
            )
    return resolved


class Context:
    """Handed from stage to stage; tables go through the run folder, not through here."""

    def __init__(self, scenario: Scenario, folder: Path, report: Report | None = None) -> None:
        self.scenario = scenario
        self.folder = folder
        self.report = report
        self.bands = carrier_bands(scenario)
        self.facts: dict[str, dict[str, Any]] = {}
        self.run = Run(
            folder,
            {
                "scenario": scenario.model_dump(mode="json"),
                "bands": [
                    {"carrier_id": carrier, "band": asdict(band)}
                    for (carrier, _), band in self.bands.items()
                ],
            },
        )

    @classmethod
    def of(cls, run: Run, scenario: Scenario | None = None) -> Context:
        """The context of a finished run, whose tables stand, by its own or other rules of the plan."""
        context = cls(scenario or run.scenario, run.folder)
        context.run = run
        return context

    def finished(self, record: StageRecord) -> None:
        """Take note of what a stage found."""
        self.facts[record.name] = record.facts
        if record.name == "area":
            self.run.manifest["grid"] = record.facts["grid"]
        if record.name == "cells":
            self.run.manifest["placing"] = record.facts["placing"]
        if record.name == "present" and "calibrated" in record.facts:
            self.run.manifest["calibrated"] = record.facts["calibrated"]

    @property
    def grid(self) -> Grid:
        """The plan's grid."""
        return self.run.grid

    @cached_property
    def all_municipalities(self) -> gpd.GeoDataFrame:
        """Every municipality of the file of boundaries, also outside the area."""
        return demand.read_municipalities(self.scenario.area.boundaries, self.scenario.crs)

    @cached_property
    def model(self) -> Model:
        """How signals are predicted."""
        return measurements.model_of(self.scenario)

    @cached_property
    def learnt_from(self) -> Kinds | None:
        """The kinds of links that the calibration was learnt from; None: none, or it says nothing."""
        return measurements.kinds_of(self.scenario)

    @cached_property
    def surface(self) -> Surface | None:
        """Heights over the area and as far around it as a signal is followed."""
        source = self.scenario.surface
        if not source.buildings and not source.terrain:
            return None
        x_min, y_min, x_max, y_max = self.grid.bounds
        reach = max(self.scenario.coverage.radius_roof_m, self.scenario.coverage.radius_pole_m)
        return surface.read(
            source.buildings,
            source.terrain,
            bounds=(x_min - reach, y_min - reach, x_max + reach, y_max + reach),
            crs=self.scenario.crs,
            cell_size_m=source.cell_size_m,
        )


def write_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write a table as (Geo)Parquet."""
    with atomic(folder / f"{name}.parquet") as path:
        frame.to_parquet(path, compression="zstd")
