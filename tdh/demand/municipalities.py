"""Municipalities' areas from polygons as they are published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from tdh import schemas
from tdh.errors import InputError, Problem
from tdh.language import Text

_CODE = ("n03_007", "municipality_code", "jiscode", "city_code", "行政区域コード", "市区町村コード")
_PREFECTURE = ("n03_001", "prefecture", "pref", "都道府県名", "都道府県")
_NAME = ("n03_004", "municipality", "city", "city_name", "name", "市区町村名", "市区町村")
_WARD = ("n03_005",)
"""Wards of designated cities, which have codes of their own since N03 of 2022."""


def read_municipalities(
    path: str | os.PathLike[str], crs: str, codes: Sequence[str] | None = None
) -> gpd.GeoDataFrame:
    """Read municipalities' areas, one row per code.

    Parameters
    ----------
    path : path
        Any file that GDAL reads as polygons: 国土数値情報 N03 (``N03_001`` prefecture, ``N03_004``
        name, ``N03_007`` code), or a file whose columns are named after what they hold.
    crs : str
        The plan's CRS.
    codes : sequence of str, optional
        Codes of five digits, or beginnings of codes, to keep; by default all.

    Returns
    -------
    GeoDataFrame
        Table ``municipalities``, sorted by code. Polygons without a code (N03's 所属未定地, such
        as reclaimed land that no municipality has yet) are left out.

    Raises
    ------
    InputError
        If the file cannot be read, has no column of codes or no polygon, or a code is not there.
    """
    where = Path(path).name
    frame = _read(path, where)
    code_column = _column(frame, _CODE)
    if code_column is None:
        raise InputError(
            Problem(
                Text("no column holds municipality codes", "市区町村コードの列がありません"),
                expected=", ".join(_CODE).upper(),
                where=where,
                fix=Text(
                    "name the column municipality_code; found: {found}",
                    "列名を municipality_code にしてください。現在の列: {found}",
                    found=", ".join(map(str, frame.columns[:20])),
                ),
            )
        )
    table = gpd.GeoDataFrame(
        {
            "municipality_code": _five_digits(frame[code_column]),
            "municipality": _names(frame),
            "prefecture": _text(frame, _column(frame, _PREFECTURE)),
        },
        geometry=_polygons(frame).to_numpy(),
        crs=frame.crs or "EPSG:6668",
    )
    table = table[table["municipality_code"].notna() & table.geometry.notna()]
    table = _only(table, codes, where)
    table = table.dissolve("municipality_code", aggfunc="first", sort=True).to_crs(crs)
    table["municipality"] = table["municipality"].fillna(pd.Series(table.index, table.index))
    return schemas.conform(table, "municipalities")


def _read(path: str | os.PathLike[str], where: str) -> gpd.GeoDataFrame:
    try:
        frame = gpd.read_file(path)
    except (OSError, ValueError, pyogrio.errors.DataSourceError) as error:
        raise InputError(
            Problem(
                Text("it cannot be read as polygons", "ポリゴンとして読めません"),
                value=str(error),
                where=where,
            )
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise InputError(Problem(Text("it holds no polygon", "ポリゴンがありません"), where=where))
    return frame


def _column(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    known = {str(column).strip().lower(): str(column) for column in frame.columns}
    return next((known[name] for name in names if name in known), None)


def _text(frame: pd.DataFrame, column: str | None) -> pd.Series:
    if column is None:
        return pd.Series([None] * len(frame), dtype="str")
    return frame[column].astype("str").str.strip().reset_index(drop=True)


def _names(frame: pd.DataFrame) -> pd.Series:
    """The municipality's name; of a designated city's ward, the city's before it."""
    names = _text(frame, _column(frame, _NAME))
    ward = _text(frame, _column(frame, _WARD))
    return names.str.cat(ward.where(ward.notna() & (ward != names), ""), na_rep="").where(
        names.notna()
    )


def _five_digits(values: pd.Series) -> pd.Series:
    """Codes as text of five digits: numbers regain their zero, check digits (six) are cut off."""
    text = values.astype("str").str.strip().str.removesuffix(".0").reset_index(drop=True)
    numeric = text.str.fullmatch(r"\d{4,6}")
    text = text.where(numeric.fillna(False).astype(bool))
    return text.str.zfill(5).str.slice(0, 5)


def _polygons(frame: gpd.GeoDataFrame) -> gpd.GeoSeries:
    """Geometries made valid, without what is not an area."""
    shapes = shapely.make_valid(frame.geometry.to_numpy())
    kinds = shapely.get_type_id(shapes)
    areas = np.isin(kinds, (3, 6))
    mixed = kinds == 7
    for i in np.flatnonzero(mixed):
        parts = [p for p in shapes[i].geoms if p.geom_type in ("Polygon", "MultiPolygon")]
        shapes[i] = shapely.union_all(parts) if parts else None
    shapes[~(areas | mixed)] = None
    return gpd.GeoSeries(shapes, crs=frame.crs)


def _only(table: gpd.GeoDataFrame, codes: Sequence[str] | None, where: str) -> gpd.GeoDataFrame:
    if codes:
        unknown = [c for c in codes if not table["municipality_code"].str.startswith(c).any()]
        if unknown:
            raise InputError(
                Problem(
                    Text("no municipality has such a code", "このコードの市区町村がありません"),
                    value=", ".join(unknown),
                    expected=", ".join(sorted(table["municipality_code"].unique())[:30]),
                    where=where,
                )
            )
        table = table[table["municipality_code"].str.startswith(tuple(codes))]
    if table.empty:
        raise InputError(
            Problem(
                Text(
                    "no polygon has a municipality code", "市区町村コードのあるポリゴンがありません"
                ),
                where=where,
            )
        )
    return table
