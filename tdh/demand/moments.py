"""People by day, by night and in a disaster: what else a scenario names beside its residents.

A source is counts per JIS X 0410 mesh, read as residents are (people by day, workers); features
with a weight: evacuation areas and whom they hold, buildings and who works there, roads by their
length; stations and their passengers (:mod:`tdh.demand.stations`); or a table of day/night ratios
(:mod:`tdh.demand.ratios`). Meshes and people by ratio are placed in the cells by the volume of
buildings; points, areas and lines as :func:`tdh.demand.on_cells` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from pyogrio.errors import DataSourceError

from tdh import inventory
from tdh.demand.cells import Weigh, building_volume_m3, make_cells
from tdh.demand.population import read_population
from tdh.demand.ratios import by_day, read_ratios
from tdh.demand.sources import on_cells
from tdh.demand.stations import Stations, read_stations
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.inventory import headers, notes
from tdh.inventory.findings import Findings
from tdh.inventory.opening import open_register
from tdh.language import Text
from tdh.surface import Surface

MOMENTS = ("day", "night", "disaster")
"""Table ``cells`` holds each in ``population_<moment>``."""
_AREAS_AND_LINES = {".geojson", ".gpkg", ".shp", ".fgb", ".gml", ".parquet", ".zip"}


def people_at(
    sources: Sequence[Any],
    cells: gpd.GeoDataFrame,
    grid: Grid,
    municipalities: gpd.GeoDataFrame,
    surface: Surface | None = None,
) -> dict[str, np.ndarray]:
    """People in each cell by moment, the sum of its sources; moments without a source are missing.

    Parameters
    ----------
    sources : sequence
        Objects with ``path``, ``moment`` (day, night or disaster), ``type`` (mesh, features,
        stations or ratio), ``column`` (of counts, weights or ratios, or S12's year; None: a mesh's
        residents, 1 a feature, the newest year) and ``factor`` (people per unit).
    cells : GeoDataFrame
        Table ``cells``.
    grid : Grid
    municipalities : GeoDataFrame
        Where cells are.
    surface : Surface, optional
        Buildings by whose volume meshes are placed.

    Raises
    ------
    InputError
        With the problems of all sources.
    """
    return place_sources(sources, cells, grid, municipalities, surface)[0]


def place_sources(
    sources: Sequence[Any],
    cells: gpd.GeoDataFrame,
    grid: Grid,
    municipalities: gpd.GeoDataFrame,
    surface: Surface | None = None,
    *,
    weigh: Weigh | None = None,
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """As :func:`people_at`, and what became of each source.

    Parameters
    ----------
    weigh : callable, optional
        Where people live, for meshes of people by night; others are placed by volume.

    Returns
    -------
    people : dict of str to ndarray of float64, shape (n_cells,)
        By moment.
    told : list of dict
        For each source its file, moment, type, people in the plan, and what :func:`read_source`
        says of it.

    Raises
    ------
    InputError
        With the problems of all sources.
    """
    found: dict[str, np.ndarray] = {}
    told: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for source in sources:
        try:
            people, facts = _people(source, cells, grid, municipalities, surface, weigh)
        except InputError as error:
            problems += error.problems
            continue
        people = people * source.factor
        found[source.moment] = found.get(source.moment, 0.0) + people
        told.append(
            {
                "file": source.path.name,
                "moment": source.moment,
                "type": source.type,
                "people": round(float(people.sum()), 1),
                **facts,
            }
        )
    if problems:
        raise InputError(*problems)
    return {moment: found[moment] for moment in MOMENTS if moment in found}, told


def read_source(source: Any, crs: str) -> float | dict[str, Any]:
    """Read a source alone: how many people it holds, wherever they are.

    Returns
    -------
    float or dict
        People; of stations also the fiscal year, how many have a figure, whose figure is not
        published, and how many records are told in another; of ratios, of how many municipalities.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if source.type == "mesh":
        return (
            float(read_population(source.path, source.column)["population"].sum()) * source.factor
        )
    if source.type == "stations":
        stations = read_stations(source.path, crs, source.column)
        return {"people": float(stations.passengers.sum()) * source.factor, **_of(stations)}
    if source.type == "ratio":
        return _of_ratios(read_ratios(source.path, source.column))
    shapes, weight = read_weighted(source.path, source.column, crs)
    return float(np.broadcast_to(weight, len(shapes)).sum()) * source.factor


def _people(
    source: Any,
    cells: gpd.GeoDataFrame,
    grid: Grid,
    municipalities: gpd.GeoDataFrame,
    surface: Surface | None,
    weigh: Weigh | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    if source.type == "mesh":
        counts = read_population(source.path, source.column)
        by = weigh if source.moment == "night" else None
        placed = make_cells(grid, municipalities, counts, surface, weigh=by)["population"]
        return placed.reindex(cells.index).fillna(0.0).to_numpy(dtype=float), {}
    if source.type == "stations":
        stations = read_stations(source.path, grid.crs, source.column)
        return on_cells(stations.shapes, cells, grid, stations.passengers), _of(stations)
    if source.type == "ratio":
        ratios = read_ratios(source.path, source.column)
        volume = None
        if surface is not None:
            volume = building_volume_m3(surface, grid)[cells["row"], cells["col"]]
        return by_day(ratios, cells, volume, source.path.name), _of_ratios(ratios)
    features, weight = read_weighted(source.path, source.column, grid.crs)
    return on_cells(features, cells, grid, weight), {}


def _of(stations: Stations) -> dict[str, Any]:
    return {
        "year": stations.year,
        "stations": len(stations.shapes),
        "not_published": list(stations.unknown),
        "told_elsewhere": stations.elsewhere,
    }


def _of_ratios(ratios: pd.Series) -> dict[str, Any]:
    return {"derived": "from ratio", "municipalities": len(ratios)}


def read_weighted(
    path: Path, column: str | None, crs: str
) -> tuple[gpd.GeoSeries, np.ndarray | float]:
    """Features of a file with a weight each.

    Parameters
    ----------
    path : path
        A vector file, or any register that :func:`tdh.inventory.read_assets` reads (points; records
        without a position are left out).
    column : str or None
        The column of weights, as the file names it; None: each feature counts 1.
    crs : str
        CRS of the result.

    Raises
    ------
    InputError
        If it cannot be read, has no such column, or weights that are not numbers.
    """
    if path.suffix.lower() in _AREAS_AND_LINES:
        shapes, table = _vector(path)
        shapes = shapes.to_crs(crs)
        weights = None if column is None else _column(table, column, path)
    else:
        register = inventory.read_assets(path, plan_crs=crs)
        shapes = register.assets.geometry.reset_index(drop=True)
        weights = None
        if column is not None:
            rows = register.assets["source_row"].to_numpy(dtype=int) - 1
            weights = _column(_rows(path, rows), column, path)
    known = ~(shapes.is_empty | shapes.isna()).to_numpy()
    if weights is None:
        return shapes[known], 1.0
    return shapes[known], weights[known]


def _vector(path: Path) -> tuple[gpd.GeoSeries, pd.DataFrame]:
    try:
        read = gpd.read_parquet if path.suffix.lower() == ".parquet" else gpd.read_file
        frame = read(path)
    except (OSError, ValueError, DataSourceError) as error:
        raise InputError(
            Problem(Text("it cannot be read", "読めません"), value=str(error), where=path.name)
        ) from error
    if frame.crs is None:
        raise InputError(
            Problem(Text("the file names no CRS", "座標参照系がありません"), where=path.name)
        )
    return frame.geometry, pd.DataFrame(frame.drop(columns=frame.geometry.name))


def _rows(path: Path, rows: np.ndarray) -> pd.DataFrame:
    tables, _ = open_register(path)
    for table in tables:  # records are numbered without blank lines, notes and repeated headers
        notes.drop(table, headers.map_columns(table, None), Findings(path.name))
    whole = pd.concat([table.frame for table in tables], ignore_index=True)
    return whole.iloc[rows].reset_index(drop=True)


def _column(table: pd.DataFrame, column: str, path: Path) -> np.ndarray:
    if column not in table.columns:
        raise InputError(
            Problem(
                Text("there is no such column", "その列がありません"),
                value=column,
                expected=", ".join(str(c) for c in table.columns[:20]),
                where=path.name,
            )
        )
    text = table[column]
    plain = text.astype("str").str.normalize("NFKC").str.replace(",", "").str.strip()
    empty = text.isna() | plain.isin(["", "-", "…", "*"])
    values = pd.to_numeric(plain.where(~empty), errors="coerce").astype(float)
    bad = values.isna() & ~empty
    if bad.any():
        raise InputError(
            Problem(
                Text(
                    "{n} weights are not numbers", "数値でない重みが{n}件あります", n=int(bad.sum())
                ),
                value=text[bad].iloc[:3].tolist(),
                where=f"{path.name}: {column}",
            )
        )
    return values.fillna(0.0).to_numpy(dtype=float)
