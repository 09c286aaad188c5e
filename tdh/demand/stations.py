"""Passengers of stations from 国土数値情報 S12 (駅別乗降客数), as published.

S12 has one record for each platform of a line and, for each fiscal year since 2011, four columns:
重複コード (1: the figure is told here, 2: in the record of another line or company of the same
station), データ有無コード (1: published, 2: none, 3: not public, 4: no station in that year),
備考, and 乗降客数, passengers a day who get on or off. Each later release adds four columns.
"""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyogrio.errors import DataSourceError

from tdh.errors import InputError, Problem
from tdh.language import Text

FIRST_YEAR = 2011
"""Fiscal year of the first four columns, S12_006 to S12_009."""
_FIRST, _STEP = 6, 4
_HERE, _ELSEWHERE = 1, 2
_PUBLISHED, _NO_STATION = 1, 4
_KEYS = (("s12_001", "s12_001_ja"), ("s12_002", "s12_002_ja"), ("s12_003", "s12_003_ja"))
_JGD2011 = "EPSG:6668"


@dataclass(frozen=True, eq=False)
class Stations:
    """Stations with the passengers of one year.

    Parameters
    ----------
    shapes : GeoSeries
        A platform, or several, for each figure.
    passengers : ndarray of float64, shape (n,)
        Getting on or off per day.
    year : int
        The fiscal year.
    unknown : tuple of str
        Stations whose figure is not published. They are not among ``shapes``: they are unknown,
        not empty.
    elsewhere : int
        Records whose passengers are told in another record.
    """

    shapes: gpd.GeoSeries
    passengers: np.ndarray
    year: int
    unknown: tuple[str, ...]
    elsewhere: int


def read_stations(path: str | os.PathLike[str], crs: str, column: str | None = None) -> Stations:
    """Read passengers of stations.

    Parameters
    ----------
    path : path
        S12 as GeoJSON, Shapefile, or the zip as downloaded.
    crs : str
        CRS of the result.
    column : str, optional
        The fiscal year wanted (``2019``) or its column of passengers (``S12_041``); by default the
        newest year with a figure.

    Returns
    -------
    Stations
        Records of one station of one line (the same station code, or the same name, company and
        line where a release has no codes) with the same figure are one: platforms told apart.

    Raises
    ------
    InputError
        If the file cannot be read, has not S12's columns or not the year, or figures or codes that
        are not numbers.

    Notes
    -----
    国土数値情報 駅別乗降客数データ S12, 製品仕様書.
    """
    where = Path(path).name
    frame = _read(Path(path), where)
    frame.columns = [str(c) if c == frame.geometry.name else str(c).lower() for c in frame.columns]
    years = _years(frame)
    if not years:
        raise InputError(
            Problem(
                Text("it has not the columns of S12", "S12の列がありません"),
                value=", ".join(str(c) for c in frame.columns[:12]),
                expected="S12_006, S12_007, S12_008, S12_009, …",
                where=where,
                fix=Text(
                    'for other tables of stations: type = "features" and a column',
                    'それ以外の駅の表は type = "features" と column を指定してください',
                ),
            )
        )
    year = _year(frame, years, column, where)
    first = years[year]
    repeated, told, figure = (
        _numbers(frame[_name(first + k)], f"{where}: {_name(first + k).upper()}") for k in (0, 1, 3)
    )
    known = frame.geometry.notna() & ~frame.geometry.is_empty
    here = known.to_numpy() & (repeated != _ELSEWHERE) & (told != _NO_STATION)
    counted = here & (told == _PUBLISHED) & ~np.isnan(figure)
    if (figure[counted] < 0).any():
        raise InputError(
            Problem(
                Text("passengers are negative", "乗降客数が負です"),
                value=figure[counted].min(),
                where=f"{where}: {_name(first + 3).upper()}",
            )
        )
    station = _stations(frame)
    once = pd.DataFrame(
        {"station": station[counted], "figure": figure[counted]}, index=np.flatnonzero(counted)
    )
    shapes, passengers = [], []
    for (_, value), rows in once.groupby(["station", "figure"], sort=False):
        parts = shapely.force_2d(frame.geometry.to_numpy()[rows.index])
        shapes.append(parts[0] if len(parts) == 1 else shapely.union_all(parts))
        passengers.append(value)
    unknown = set(station[here & ~counted]) - set(station[counted])
    return Stations(
        gpd.GeoSeries(shapes, crs=frame.crs).to_crs(crs),
        np.array(passengers, dtype=float),
        year,
        tuple(sorted(name.split("\t")[-1] for name in unknown)),
        int((known.to_numpy() & (repeated == _ELSEWHERE) & (told != _NO_STATION)).sum()),
    )


def _read(path: Path, where: str) -> gpd.GeoDataFrame:
    try:
        source = _member(path) if zipfile.is_zipfile(path) else str(path)
        frame = gpd.read_file(source)
    except (OSError, ValueError, zipfile.BadZipFile, DataSourceError) as error:
        raise InputError(
            Problem(
                Text("it cannot be read", "読めません"),
                value=str(error),
                where=where,
                fix=Text(
                    "S12 is a zip, GeoJSON or Shapefile; any other table of stations is read with type "
                    '= "features" and the column of its passengers',
                    'S12はzip・GeoJSON・Shapefileです。その他の駅の表は type = "features" と乗降客数の'
                    "列(column)を指定してください",
                ),
            )
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise InputError(Problem(Text("it holds no station", "駅がありません"), where=where))
    return frame if frame.crs is not None else frame.set_crs(_JGD2011)


def _member(path: Path) -> str:
    """The one layer to read of an archive, which holds the same in several formats."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for suffix in (".geojson", ".json", ".shp"):
        found = sorted(n for n in names if PurePosixPath(n).suffix.lower() == suffix)
        unicode = [n for n in found if "utf" in n.lower()]
        if found:
            return f"zip://{path}!{(unicode or found)[0]}"
    raise ValueError("no GeoJSON and no Shapefile: " + ", ".join(names[:10]))


def _name(number: int) -> str:
    return f"s12_{number:03d}"


def _years(frame: pd.DataFrame) -> dict[int, int]:
    """Fiscal year to the number of the first of its four columns."""
    found = {}
    number = _FIRST
    while all(_name(number + k) in frame.columns for k in (0, 1, 3)):
        found[FIRST_YEAR + (number - _FIRST) // _STEP] = number
        number += _STEP
    return found


def _year(frame: pd.DataFrame, years: dict[int, int], column: str | None, where: str) -> int:
    if column is None:
        for year in sorted(years, reverse=True):
            told = _numbers(frame[_name(years[year] + 1)], where)
            figure = _numbers(frame[_name(years[year] + 3)], where)
            if ((told == _PUBLISHED) & ~np.isnan(figure)).any():
                return year
    by_name = {_name(number + 3): year for year, number in years.items()}
    wanted = (column or "").strip().lower()
    digits = re.fullmatch(r"\d{4}", wanted)
    if digits and int(wanted) in years:
        return int(wanted)
    if wanted in by_name:
        return by_name[wanted]
    raise InputError(
        Problem(
            Text("it has no such year", "その年度がありません")
            if column
            else Text("it holds no figure", "乗降客数がありません"),
            value=column,
            expected=", ".join(f"{y} ({_name(n + 3).upper()})" for y, n in years.items()),
            where=where,
        )
    )


def _stations(frame: pd.DataFrame) -> np.ndarray:
    """What is one station of one line: its code where there is one; the name stands at the end."""

    def text(names: tuple[str, ...]) -> pd.Series:
        column = next((n for n in names if n in frame.columns), None)
        if column is None:
            return pd.Series("", index=frame.index)
        return frame[column].fillna("").astype(str).str.strip()

    name, company, line = (text(names) for names in _KEYS)
    code = text(("s12_001c",))
    label = company + " " + line + " " + name
    return (code.where(code != "", label) + "\t" + label.str.strip()).to_numpy(dtype=object)


def _numbers(column: pd.Series, where: str) -> np.ndarray:
    """Numbers, which S12 writes as text in some years; NaN where it is blank."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float)
    text = column.astype(object).where(column.notna(), "").astype(str)
    plain = text.str.normalize("NFKC").str.replace(",", "").str.strip()
    values = pd.to_numeric(plain.where(plain != ""), errors="coerce").astype(float)
    bad = values.isna() & (plain != "")
    if bad.any():
        raise InputError(
            Problem(
                Text(
                    "{n} cells are not numbers", "数値でないセルが{n}件あります", n=int(bad.sum())
                ),
                value=text[bad].iloc[:3].tolist(),
                where=where,
            )
        )
    return values.to_numpy(dtype=float)
