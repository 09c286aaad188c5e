"""The first stages, from the files of a scenario to tables: area, assets, cells, places.

Each function reads tables of earlier stages from the run folder, writes its own, and returns the
facts that the manifest shall hold.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from tdh import demand, inventory, schemas
from tdh.errors import InputError, Problem, ScenarioError
from tdh.files import atomic
from tdh.grid import Grid
from tdh.language import Text
from tdh.pipeline import hazards
from tdh.pipeline.context import Context, write_table
from tdh.pipeline.limits import too_many_cells
from tdh.scenario import Scenario


def read_area(scenario: Scenario, municipalities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The municipalities of the plan, clipped to its bounds.

    Raises
    ------
    ScenarioError
        If nothing is left, or more than ``area.max_cells``.
    """
    area = scenario.area
    chosen = municipalities
    if area.municipalities:
        unknown = [
            code
            for code in area.municipalities
            if not municipalities.index.str.startswith(code).any()
        ]
        if unknown:
            raise ScenarioError(
                Problem(
                    Text(
                        "no municipality has such a code", "このコードで始まる市区町村がありません"
                    ),
                    value=", ".join(unknown),
                    expected=", ".join(municipalities.index[:30]),
                    where="area.municipalities",
                )
            )
        chosen = municipalities[municipalities.index.str.startswith(tuple(area.municipalities))]
    if area.bounds is not None:
        box = gpd.GeoSeries([shapely.box(*area.bounds).segmentize(0.01)], crs="EPSG:6668")
        chosen = gpd.clip(chosen, box.to_crs(scenario.crs)).sort_index()
    chosen = chosen[~chosen.is_empty & (chosen.area > 0)]
    if chosen.empty:
        west, south, east, north = municipalities.to_crs("EPSG:6668").total_bounds
        raise ScenarioError(
            Problem(
                Text("the area is empty", "対象区域が空です"),
                value=list(area.bounds or ()),
                where="area.bounds",
                fix=Text(
                    "the boundaries lie between longitude {west:.2f} and {east:.2f}, "
                    "latitude {south:.2f} and {north:.2f}",
                    "境界データの範囲は 経度{west:.2f}〜{east:.2f}、緯度{south:.2f}〜{north:.2f} です",
                    west=west,
                    east=east,
                    south=south,
                    north=north,
                ),
            )
        )
    problems = too_many_cells(area, chosen)
    if problems:
        raise ScenarioError(*problems)
    return schemas.conform(chosen, "municipalities")


def area(context: Context) -> dict[str, Any]:
    """Municipalities and the plan's grid."""
    scenario = context.scenario
    municipalities = read_area(scenario, context.all_municipalities)
    grid = Grid.around(tuple(municipalities.total_bounds), scenario.area.cell_size_m, scenario.crs)
    write_table(municipalities, context.folder, "municipalities")
    return {
        "municipalities": len(municipalities),
        "area_km2": round(float(municipalities.area.sum()) / 1e6, 3),
        "grid": asdict(grid),
    }


def read_registers(scenario: Scenario) -> list[inventory.Register]:
    """Every register of the scenario.

    Raises
    ------
    InputError
        With the problems of all registers: unreadable, or without a single position.
    """
    registers: list[inventory.Register] = []
    problems: list[Problem] = []
    for source in scenario.assets:
        try:
            register = inventory.read_assets(
                source.path,
                mapping=source.mapping,
                crs=source.crs,
                kind=source.kind,
                owner=source.owner,
                synthetic=source.synthetic,
                plan_crs=scenario.crs,
            )
        except InputError as error:
            problems += error.problems
            continue
        if scenario.inventory.geocoder is not None:
            register = inventory.geocode(register, scenario.inventory.geocoder)
        if register.rows and register.assets.empty:
            problems.append(
                Problem(
                    Text(
                        "no record of the register has a usable position",
                        "位置の使える行が1行もありません",
                    ),
                    where=source.path.name,
                    fix=Text(
                        "see: tdh check --mapping {file}; name the columns of latitude and "
                        "longitude in mapping = {{…}}, or add coordinates",
                        "tdh check --mapping {file} で列の対応を確認し、mapping = {{…}} で緯度・経度の"
                        "列を指定するか、座標を加えてください",
                        file=source.path.name,
                    ),
                )
            )
        registers.append(register)
    if problems:
        raise InputError(*problems)
    return registers


def assets(context: Context) -> dict[str, Any]:
    """Registers to assets with heights, kinds and municipalities."""
    with inventory.kinds.extended(*context.scenario.inventory.kinds):
        register = inventory.concat(read_registers(context.scenario))
        found, more = inventory.complete(
            register.assets, context.surface, context.all_municipalities
        )
    unique = inventory.deduplicate(found)
    found, accepted = unique.assets, len(found)
    inside = found.geometry.within(context.run.municipalities.union_all())
    found["in_area"] = inside.to_numpy()
    usable = found["in_area"] & (found["placement"] != "none")
    if not usable.any():
        raise InputError(
            Problem(
                Text(
                    "no asset on which an antenna can stand lies in the area",
                    "対象区域内に、アンテナを置けるアセットがありません",
                ),
                value=Text(
                    "{n} assets, {m} of them in the area",
                    "アセット{n}件のうち区域内{m}件",
                    n=len(found),
                    m=int(inside.sum()),
                ),
                where="assets",
                fix=Text("widen the area or add registers", "区域を広げるか、台帳を加えてください"),
            )
        )
    found = schemas.conform(found, "assets")
    flooded = hazards.add_floods(found, context.scenario)
    findings = pd.concat([register.findings, more], ignore_index=True)
    write_table(found, context.folder, "assets")
    for name, frame in (
        ("findings", schemas.conform(findings, "findings")),
        ("rejected", register.rejected),
        ("merged", unique.matches),
        ("needs_position", pd.DataFrame(register.needs_position)),
    ):
        with atomic(context.folder / f"{name}.csv") as path:
            frame.to_csv(path, index=name == "needs_position", encoding="utf-8-sig")
    return {
        "rows": register.rows,
        "accepted": accepted,
        "merged": len(unique.matches),
        "assets": len(found),
        "rejected": len(register.rejected),
        "needs_position": len(register.needs_position),
        "in_area": int(inside.sum()),
        "candidates": int(usable.sum()),
        "floods_from_maps": flooded,
        "findings": {k: int(v) for k, v in findings["rule"].value_counts().items()},
    }


def cells(context: Context) -> dict[str, Any]:
    """The plan's cells, with people."""
    placing = _placing(context)
    table = demand.make_cells(
        context.grid,
        context.run.municipalities,
        placing.population,
        context.surface,
        weigh=placing.weigh,
    )
    if not table["population"].sum() > 0:
        raise InputError(
            Problem(
                Text("nobody lives in the area", "対象区域の人口が0人です"),
                where=context.scenario.demand.population.name,
                fix=Text(
                    "the population's meshes do not meet the area: another 1st-order mesh?",
                    "人口メッシュが区域と重なっていません。1次メッシュを確認してください",
                ),
            )
        )
    sources = context.scenario.demand.sources
    present, told = demand.place_sources(
        sources,
        table,
        context.grid,
        context.run.municipalities,
        context.surface,
        weigh=placing.weigh,
    )
    table = table.drop(
        columns=[f"population_{moment}" for moment in demand.MOMENTS], errors="ignore"
    )
    for moment, people in present.items():
        table[f"population_{moment}"] = people
    write_table(table, context.folder, "cells")
    return {
        "cells": len(table),
        "people": round(float(table["population"].sum()), 1),
        **{f"people_{k}": round(float(v.sum()), 1) for k, v in present.items()},
        "placing": placing.facts,
        "sources": told,
    }


def _placing(context: Context) -> demand.Placing:
    """Residents per mesh, and how they are placed inside it."""
    given = context.scenario.demand
    population = demand.read_population(given.population)
    if given.placing == "volume":
        used = "area" if context.surface is None else "volume"
        return demand.Placing(None, population, {"used": used})
    return demand.learn_placing(
        population,
        context.run.municipalities,
        context.surface,
        None if given.training is None else demand.read_population(given.training),
        seed=context.scenario.seed,
    )


def places(context: Context) -> dict[str, Any]:
    """Places that must be served, where the scenario names any."""
    target = context.folder / "places.parquet"
    context.run.__dict__.pop("places", None)  # read again below, not what an earlier run had
    if not context.scenario.places:
        target.unlink(missing_ok=True)
        return {"places": 0}
    read = demand.read_places(context.scenario.places, context.scenario.crs)
    inside = read.places.within(context.run.municipalities.union_all())
    write_table(read.places[inside], context.folder, "places")
    return {
        "rows": read.rows,
        "without_position": read.without_position,
        "outside": int((~inside).sum()),
        "places": int(inside.sum()),
    }
