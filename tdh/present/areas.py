"""Declared service areas: polygons of any vector file, with a level, a class, or neither."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataSourceError
from rasterio import features

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.present.evidence import Evidence, Kind
from tdh.present.tables import numbers, selected

LEVEL_RANGE_DBM = (-160.0, -20.0)
FIELDS = ("level_dbm", "class")
"""What a mapping of columns may name."""


@dataclass(frozen=True, eq=False)
class Areas:
    """Polygons with their levels.

    Attributes
    ----------
    polygons : GeoDataFrame
        ``level_dbm``; NaN: served, at a level that is not said.
    skipped : int
        Features without a usable area.
    """

    polygons: gpd.GeoDataFrame
    skipped: int


def read(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    levels: Mapping[str, float] | None = None,
    level_dbm: float | None = None,
    select: Mapping[str, str | Sequence[str]] | None = None,
    crs: str | None = None,
) -> Areas:
    """Read a declared service area.

    Parameters
    ----------
    path : path
        GeoJSON, GeoPackage, Shapefile, KML, MapInfo … or GeoParquet.
    columns : mapping, optional
        ``{"level_dbm": column}`` where polygons carry a level, ``{"class": column}`` where they
        carry a class.
    levels : mapping, optional
        Class to dBm; every class of the file must be listed.
    level_dbm : float, optional
        Level of all polygons.
    select : mapping, optional
        Column to the value or values of the features that are wanted.
    crs : str, optional
        CRS of a file that names none.

    Raises
    ------
    InputError
        With every problem: not a vector file, no CRS, no area, unknown columns or classes.
    """
    where = Path(path).name
    frame = _open(Path(path))
    problems = []
    if frame.crs is None and crs is not None:
        frame = frame.set_crs(crs)
    if frame.crs is None:
        problems.append(
            Problem(
                Text("the file names no CRS", "座標系が書かれていません"),
                where=where,
                fix=Text('say crs = "EPSG:…"', 'crs = "EPSG:…" と指定してください'),
            )
        )
    wanted, more = selected(
        pd.DataFrame(frame.drop(columns=frame.geometry.name)), select or {}, where
    )
    level, others = _levels(frame, columns or {}, levels or {}, level_dbm, wanted, where)
    problems += more + others
    if problems:
        raise InputError(*problems)
    frame, level = frame[wanted], level[wanted.to_numpy()]
    shapes = shapely.force_2d(shapely.make_valid(frame.geometry.to_numpy()))
    usable = ~shapely.is_missing(shapes) & (shapely.area(shapes) > 0)
    if not usable.any():
        raise InputError(
            Problem(
                Text("the file holds no area", "面のデータがありません"),
                value=", ".join(sorted(frame.geom_type.dropna().unique())) or "-",
                expected="Polygon, MultiPolygon",
                where=where,
            )
        )
    polygons = gpd.GeoDataFrame(
        {"level_dbm": level[usable]}, geometry=shapes[usable], crs=frame.crs
    )
    return Areas(polygons, int((~usable).sum()))


def on_cells(
    areas: Areas,
    cells: pd.DataFrame,
    grid: Grid,
    *,
    served_dbm: float,
    kind: Kind = "declared",
    outside: str = "unknown",
) -> list[Evidence]:
    """What areas say of the cells whose centres lie in them.

    Where areas overlap the highest level counts. An area without a level says at least
    ``served_dbm``, the threshold from which a cell counts as served.

    Parameters
    ----------
    outside : {"unknown", "not_served"}
        Whether the areas are all there is.
    """
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    polygons = areas.polygons.to_crs(grid.crs)
    known = polygons["level_dbm"].notna()
    found = []
    inside = np.zeros(len(cells), dtype=bool)
    for own, at_least in ((polygons[known], False), (polygons[~known], True)):
        if own.empty:
            continue
        own = own.sort_values("level_dbm", kind="stable")
        level = own["level_dbm"].fillna(served_dbm)
        # Drawn in the order of their levels: the highest stays.
        raster = features.rasterize(
            zip(own.geometry, level, strict=True),
            out_shape=grid.shape,
            transform=grid.transform,
            fill=np.nan,
            dtype="float64",
        )
        rsrp = raster[rows, cols]
        evidence = Evidence(kind, rsrp, ~np.isnan(rsrp), at_least=at_least)
        inside |= evidence.said
        found.append(evidence)
    if outside == "not_served":
        found.append(Evidence(kind, np.full(len(cells), np.nan), ~inside))
    return found


def _open(path: Path) -> gpd.GeoDataFrame:
    not_vector = Problem(
        Text("it is not a file of areas", "面のファイルとして読めません"),
        expected="GeoJSON, GeoPackage, Shapefile, KML, GeoParquet",
        where=path.name,
    )
    if path.suffix.lower() in {".parquet", ".geoparquet"}:
        try:
            return gpd.read_parquet(path)
        except (ValueError, OSError):
            raise InputError(not_vector) from None
    try:
        frame = pyogrio.read_dataframe(path)
    except (DataSourceError, ValueError):
        raise InputError(not_vector) from None
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(not_vector)
    return frame


def _levels(
    frame: gpd.GeoDataFrame,
    columns: Mapping[str, str],
    levels: Mapping[str, float],
    level_dbm: float | None,
    wanted: pd.Series,
    where: str,
) -> tuple[np.ndarray, list[Problem]]:
    """Level of each feature (NaN: not said), and what is wrong."""
    out = np.full(len(frame), np.nan if level_dbm is None else level_dbm)
    held = [str(c) for c in frame.columns if c != frame.geometry.name]
    problems = []
    for field, name in columns.items():
        if field not in FIELDS or name not in held:
            problems.append(
                Problem(
                    Text("the mapping names something unknown", "列の対応に知らない名前があります"),
                    value=field if field not in FIELDS else name,
                    expected=", ".join(FIELDS if field not in FIELDS else held) or "-",
                    where=where,
                )
            )
    if problems:
        return out, problems
    if "level_dbm" in columns:
        text = frame[columns["level_dbm"]]
        out = numbers(text.astype("str").where(text.notna())).to_numpy(float)
    if "class" in columns:
        said = frame[columns["class"]].astype("str").str.strip()
        unknown = sorted(set(said[wanted]) - set(levels))
        if unknown:
            problems.append(
                Problem(
                    Text("classes have no level", "水準の決まっていない区分があります"),
                    value=", ".join(unknown[:20]),
                    expected=", ".join(levels) or "levels",
                    where=f"{where}: {columns['class']}",
                    fix=Text(
                        'list all of them: levels = {{ "{name}" = -100 }}, or select some',
                        'levels = {{ "{name}" = -100 }} のようにすべて書くか、select で選んでください',
                        name=unknown[0],
                    ),
                )
            )
        out = said.map(dict(levels)).to_numpy(float)
    bad = ~np.isnan(out) & ~((out >= LEVEL_RANGE_DBM[0]) & (out <= LEVEL_RANGE_DBM[1]))
    if bad.any():
        problems.append(
            Problem(
                Text("{n} levels are not dBm", "dBmでない水準が{n}件あります", n=int(bad.sum())),
                value=float(out[bad][0]),
                expected="−160 … −20",
                where=where,
            )
        )
    return out, problems
