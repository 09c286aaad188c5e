"""Floods to expect at assets, from the maps of hazard that a scenario names."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.scenario import FloodSource, Scenario


def read_floods(scenario: Scenario) -> list[gpd.GeoDataFrame]:
    """Polygons with ``depth_m``, of each source, in the plan's CRS.

    Raises
    ------
    InputError
        With the problems of all sources: files that cannot be read, columns and classes that are
        not known.
    """
    found: list[gpd.GeoDataFrame] = []
    problems: list[Problem] = []
    for source in scenario.floods:
        try:
            found.append(_read(source, scenario.crs))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


def _read(source: FloodSource, crs: str) -> gpd.GeoDataFrame:
    try:
        read = gpd.read_file(source.path)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            Problem(
                Text("it cannot be read", "読めません"), value=str(error), where=source.path.name
            )
        ) from None
    if source.depth not in read.columns:
        raise InputError(
            Problem(
                Text("the column of depths is missing", "浸水深の列がありません"),
                value=source.depth,
                expected=", ".join(map(str, read.columns.drop("geometry"))),
                where=source.path.name,
            )
        )
    words = read[source.depth].astype("string").str.strip()
    if source.levels:
        depth = words.map(source.levels).astype(float)
    else:
        depth = pd.to_numeric(words, errors="coerce").astype(float)
    bad = depth.isna() | (depth < 0)
    if bad.any():
        raise InputError(
            Problem(
                Text("{n} depths are not known", "不明な浸水深が {n} 件あります", n=int(bad.sum())),
                value=", ".join(map(str, words[bad].unique()[:10])),
                expected=", ".join(source.levels) or "m",
                where=f"{source.path.name}: {source.depth}",
                fix=Text(
                    "give each class its depth in metres under levels",
                    "levels に階級ごとの浸水深(m)を書いてください",
                ),
            )
        )
    if read.crs is None:
        read = read.set_crs("EPSG:6668")
    shapes = gpd.GeoDataFrame({"depth_m": depth.to_numpy()}, geometry=read.geometry.to_numpy(),
                              crs=read.crs)  # fmt: skip
    return shapes[shapes.geom_type.isin(["Polygon", "MultiPolygon"])].to_crs(crs)


def flood_depth_m(points: gpd.GeoSeries, floods: list[gpd.GeoDataFrame]) -> np.ndarray:
    """The deepest flood that any map expects at each point: float64, (n,); 0 outside of all."""
    depth = np.zeros(len(points))
    for shapes in floods:
        point, shape = shapes.sindex.query(points.to_crs(shapes.crs), predicate="intersects")
        np.maximum.at(depth, point, shapes["depth_m"].to_numpy()[shape])
    return depth


def add_floods(assets: gpd.GeoDataFrame, scenario: Scenario) -> int:
    """Fill ``flood_depth_m`` where the register says nothing; how many assets were filled.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets`` before it is written; changed in place.
    """
    floods = read_floods(scenario)
    if not floods:
        return 0
    told = assets.get("flood_depth_m", pd.Series(np.nan, index=assets.index)).astype(float)
    assets["flood_depth_m"] = told.where(told.notna(), flood_depth_m(assets.geometry, floods))
    return int(told.isna().sum())
