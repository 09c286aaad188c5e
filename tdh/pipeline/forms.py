"""Tables and rasters of a finished run as they are written: columns, types, ranges, keys, links.

This is what can be said of a table from the table itself (by ``columns.csv``) and from those that
it names assets, cells, sites and municipalities of. What it says otherwise is counted again by
:mod:`tdh.pipeline.tallies`; what registers, carriers' lists and files of places say of an asset, a
site or a place is nowhere else in the run, and stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import RasterioIOError

from tdh import schemas
from tdh.errors import InputError, Problem, SchemaError
from tdh.language import Text
from tdh.pipeline import claims, facts, standing
from tdh.results import Run


@dataclass(frozen=True)
class Form:
    """What a table must be beyond its columns.

    Attributes
    ----------
    stage : str
        The stage that writes it.
    key : tuple of str
        Columns that name a row; empty: the index does.
    links : mapping of str to str
        Column to what it names: a table, ``carriers``, or ``bands`` (``band`` of ``carrier_id``).
    """

    stage: str
    key: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)


_OWN_BAND = {"band": "bands"}
BASES: dict[str, Form] = {
    "municipalities": Form("area"),
    "assets": Form("assets"),
    "cells": Form("cells", ("row", "col"), {"municipality_code": "municipalities"}),
    "places": Form("places"),
    "sites": Form("present", links=_OWN_BAND),
    "border_sites": Form("present", links=_OWN_BAND),
    "gaps": Form("gaps", ("carrier_id", "cell_id"), {"cell_id": "cells", **_OWN_BAND}),
}
"""Tables that others are counted from."""
COUNTED: dict[str, Form] = {
    "present": Form("present", ("carrier_id", "band", "evidence"), _OWN_BAND),
    "throughput": Form("present", ("cell_id", "quadkey", "source"), {"cell_id": "cells"}),
    "site_load": Form("present", links={"site_id": "sites", **_OWN_BAND}),
    "gap_regions": Form("regions", links={"municipality_code": "municipalities"}),
    "candidates": Form("candidates", ("carrier_id", "asset_id"), {"asset_id": "assets"}),
    "scores": Form("scores", ("carrier_id", "asset_id"), {"asset_id": "assets"}),
    "scores_public": Form("scores", ("carrier_id", "asset_id"), {"asset_id": "assets"}),
    "score_weights": Form("scores", ("carrier_id", "component")),
    "antennas": Form("links", ("asset_id", "carrier_id", "band", "azimuth_deg")),
    "profiles": Form("links", ("asset_id", "carrier_id"), {"cell_id": "cells", **_OWN_BAND}),
    "kpis": Form("kpis"),
    "expected_people": Form("kpis", ("carrier_id", "band")),
    "expected_municipalities": Form(
        "kpis", ("carrier_id", "municipality_code"), {"municipality_code": "municipalities"}
    ),
    "site_load_after": Form("kpis", ("carrier_id", "band", "site_id"), _OWN_BAND),
}
"""Tables that are counted again."""

MISSING = Text("a column is missing", "列がありません")
TWICE = Text("a row occurs twice", "同じ行が重複しています")
_UNKNOWN = {
    "assets": Text("there is no such asset", "そのアセットはありません"),
    "bands": Text("the carrier has no such band", "その事業者にこの周波数帯はありません"),
    "cells": Text("there is no such cell", "そのセルはありません"),
    "municipalities": Text("there is no such municipality", "その市区町村はありません"),
    "sites": Text("there is no such site", "その局はありません"),
}


def of_bases(run: Run) -> list[Problem]:
    """What is wrong with the tables and rasters that everything else is counted from."""
    problems = [p for table in BASES for p in of_table(run, table)]
    return problems or [*_rasters(run), *_kept(run)]


def of_table(run: Run, table: str) -> list[Problem]:
    """What is wrong with a table; nothing of one that the run need not have."""
    form = (BASES | COUNTED)[table]
    if run.__dict__.get(table) is None and not (run.folder / f"{table}.parquet").exists():
        if not _written(run, table, form):
            return []
        return [Problem(Text("the table is missing", "表がありません"), where=f"{table}.parquet")]
    try:
        frame = getattr(run, table)
    except InputError as error:
        return list(error.problems)
    problems = list(_columns(frame, table, run.crs, every=facts.same_version(run)))
    problems = problems or _ranges(frame, table)
    if not problems:
        problems += _keys(frame, table, form)
        for column, named in form.links.items():
            problems += _links(run, frame, table, column, named)
    return problems


def _written(run: Run, table: str, form: Form) -> bool:
    """Whether this version writes such a table for the run's scenario; earlier ones knew fewer."""
    scenario = run.scenario
    if not {"places": scenario.places, "throughput": scenario.throughput}.get(table, True):
        return False
    stages = [s.get("name") for s in claims.entries(run.manifest.get("stages"))]
    return facts.same_version(run) and form.stage in stages


def _columns(frame: pd.DataFrame, table: str, crs: str, *, every: bool) -> Iterator[Problem]:
    """Columns that are missing, and those that hold something else than they should.

    This version writes every column, earlier ones those that they knew.
    """
    for row in schemas.columns(table.removesuffix("_public")).itertuples():
        name, dtype = str(row.column), str(row.dtype)
        if dtype == "index":
            if frame.index.duplicated().any():
                yield _some(TWICE, frame.index[frame.index.duplicated()], table)
        elif name not in frame:
            # Who lives there by day is no column where nobody says it.
            if row.required == "yes" or (every and not name.startswith("population_")):
                yield Problem(MISSING, value=name, where=table)
        elif not _holds(frame[name], dtype):
            number = Text("the column holds no numbers", "数値の列ではありません")
            other = Text("the column is of another type", "列の型が違います")
            what = number if dtype in ("float64", "int64") else other
            yield Problem(what, value=name, expected=dtype, where=table)
    if isinstance(frame, gpd.GeoDataFrame):
        if frame.crs != crs:
            what = Text("the CRS is not that of the run", "座標系が計算と違います")
            yield Problem(what, value=frame.crs, expected=crs, where=table)
        shapes = frame.geometry
        empty = shapes.isna() | shapes.is_empty | ~np.isfinite(shapes.bounds).all(axis=1)
        if empty.any():
            what = Text("the geometry is empty", "図形が空です")
            yield _some(what, frame.index[empty], table)


def _holds(values: pd.Series, dtype: str) -> bool:
    """Whether a column holds what it should; one without any value may be of any type."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(values.cat.categories)
    if dtype == "geometry":
        return str(values.dtype) == "geometry"
    known = values.dropna()
    if known.empty:
        return True
    if dtype == "list":
        return bool(known.map(lambda v: isinstance(v, np.ndarray | list)).all())
    kinds = {"float64": ("floating", "integer"), "int64": ("integer",), "bool": ("boolean",)}
    return pd.api.types.infer_dtype(known) in kinds.get(dtype, ("string",))


def _ranges(frame: pd.DataFrame, table: str) -> list[Problem]:
    """Values that are missing or out of range, by ``columns.csv``; infinite ones."""
    floats = frame.select_dtypes("floating")
    problems = [
        Problem(Text("the number is infinite", "無限大の値があります"), value=name, where=table)
        for name in floats
        if np.isinf(floats[name].to_numpy()).any()
    ]
    try:
        schemas.conform(frame, table.removesuffix("_public"))
    except SchemaError as error:
        problems += error.problems
    return problems


def _keys(frame: pd.DataFrame, table: str, form: Form) -> list[Problem]:
    twice = frame.duplicated(list(form.key)) if form.key else np.zeros(len(frame), dtype=bool)
    if not twice.any():
        return []
    return [_some(TWICE, frame.loc[twice, list(form.key)].agg(_joined, axis=1), table)]


def _joined(row: pd.Series) -> str:
    return ", ".join(map(str, row))


def _links(run: Run, frame: pd.DataFrame, table: str, column: str, named: str) -> list[Problem]:
    """Names of what is not there. A gap without any signal names no band."""
    if named == "bands":
        pairs = frame[["carrier_id", "band"]].drop_duplicates()
        pairs = pairs[pairs["band"].notna()]
        known = pd.MultiIndex.from_tuples(list(run.bands))
        unknown = pd.MultiIndex.from_frame(pairs.astype("str")).difference(known)
        names = pd.Index([", ".join(pair) for pair in unknown])
    else:
        values = frame.index if frame.index.name == column else pd.Index(frame[column].unique())
        values = values.dropna()
        names = values[~values.isin(getattr(run, named).index)]
    return [_some(_UNKNOWN[named], names, f"{table}: {column}")] if len(names) else []


def _some(what: Text, values: pd.Index | pd.Series, where: str) -> Problem:
    """A finding that names the first value, and how many there are."""
    return Problem(what, value=f"{next(iter(values))} ({len(values)})", where=where)


def _kept(run: Run) -> list[Problem]:
    """Files of what today's sites serve that are not of the band's sites and of the cells."""
    problems = []
    for carrier, band in run.bands:
        path = standing.path_of(run.folder, carrier, band)
        if not path.exists():
            continue  # it is told where it is needed
        sites = run.sites
        own = sites.index[(sites["carrier_id"] == carrier) & (sites["band"] == band)]
        try:
            kept = pd.read_parquet(path)
            right = isinstance(kept["site_id"].dtype, pd.CategoricalDtype)
            right = right and bool(kept["site_id"].cat.categories.isin(own).all())
            right = right and kept["cell"].dtype.kind == "i" and not kept.isna().any(axis=None)
            right = right and bool(kept["cell"].between(0, len(run.cells) - 1).all())
        except (OSError, ValueError, KeyError):
            right = False
        if not right:
            what = Text(
                "it does not hold sites of the band and cells", "帯域の局とセルの表ではありません"
            )
            problems.append(Problem(what, where=f"footprints/{path.name}"))
    return problems


def _rasters(run: Run) -> list[Problem]:
    """Rasters that do not lie on the run's grid."""
    grid, problems = run.grid, []
    types = {"before": "float32", "after": "float32", "source": "uint8", "server": "int32"}
    for carrier, band in run.bands:
        for name, dtype in (types | {"trust": "uint8"}).items():
            path = run.folder / f"coverage/{carrier}-{band}-{name}.tif"
            if not path.exists():
                continue  # those that nothing can do without are told when they are read
            try:
                with rasterio.open(path) as raster:
                    is_ = (raster.shape, raster.transform, raster.crs, raster.dtypes)
            except RasterioIOError:
                continue
            if is_ != (grid.shape, grid.transform, rasterio.CRS.from_string(grid.crs), (dtype,)):
                what = Text(
                    "the raster does not lie on the run's grid", "ラスタが計算の格子と違います"
                )
                expected = f"{grid.shape}, {grid.crs}, {dtype}"
                value = f"{is_[0]}, {is_[2]}, {', '.join(is_[3])}"
                problems.append(
                    Problem(what, value=value, expected=expected, where=f"coverage/{path.name}")
                )
    return problems
