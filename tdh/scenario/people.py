"""Who is to be served: residents, people at other times, and places."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tdh.scenario.tables import Provenance


class DemandSource(Provenance):
    """People by day, by night or in a disaster: per mesh, features, stations, or by ratio."""

    path: Path = Field(
        description="Counts per mesh as residents', a vector file, a register, KSJ S12, or ratios"
    )
    moment: Literal["day", "night", "disaster"] = Field(description="When they are there")
    type: Literal["mesh", "features", "stations", "ratio"] = Field(
        "features",
        description="Counts per JIS X 0410 mesh; points, areas and lines; passengers of KSJ S12; "
        "or residents times the day/night ratio of their municipality (census)",
    )
    column: str | None = Field(
        None,
        description="Column of counts, weights or ratios, or S12's fiscal year; empty: a mesh's "
        "residents, 1 a feature, the newest year, the one column of ratios",
    )
    factor: float = Field(1.0, gt=0, description="People per unit of the column")

    @model_validator(mode="after")
    def _ratio_is_of_the_day(self) -> DemandSource:
        if self.type == "ratio" and self.moment != "day":
            raise PydanticCustomError("ratio_by_day", "moment must be day")
        return self


class Demand(Provenance):
    """People."""

    population: Path = Field(
        description="People per JIS X 0410 mesh: CSV, Parquet, e-Stat, or a folder of them"
    )
    placing: Literal["learnt", "volume"] = Field(
        "learnt",
        description="How people stand inside their mesh: by what the meshes' own counts tell of the "
        "kinds of buildings, where that does better on blocks held out (Tokyo's kinds where there "
        "are too few), or by volume of buildings",
    )
    training: Path | None = Field(
        None,
        description="People per finer mesh to learn from, such as 500 m where population is per "
        "1 km; empty: population itself",
    )
    commercial: Path | None = Field(
        None, description="Polygons of commercial areas, for the indicator of their hectares"
    )
    roads: Path | None = Field(
        None, description="Lines of main roads, for the indicator of their kilometres"
    )
    sources: list[DemandSource] = Field(
        [],
        description="People by day, by night and in a disaster; each moment is the sum of its "
        "sources",
    )

    @model_validator(mode="after")
    def _training_is_learnt_from(self) -> Demand:
        if self.training is not None and self.placing != "learnt":
            raise PydanticCustomError("training_unread", "placing must be learnt")
        return self


class PlaceSource(Provenance):
    """A register of places that must be served: town halls, hospitals, evacuation areas."""

    path: Path = Field(description="The register's file")
    kind: (
        Literal[
            "town_hall",
            "disaster_hospital",
            "temporary_stay",
            "evacuation_area",
            "station",
            "other",
        ]
        | None
    ) = Field(None, description="Kind of all its places; empty: from its words")
    priority: float | None = Field(
        None, gt=0, description="What a place is worth against others; empty: by its kind"
    )
