"""Drive tests: what phones and scanners logged on the way, from CSV of many makes.

Columns are recognised by their words, not by a list of products: ``SS-RSRP``, ``nr_ssRsrp``,
``5G KPI PCell RF Serving SS-RSRP [dBm]``, ``SS-RSRP (NR SpCell)``, ``RSRP_5G`` … are all the NR
serving cell's; neighbours, secondary cells, single beams and CSI-RS are left alone. Missing values
are empty or ``-``; numbers may carry their unit. Positions are decimal degrees, or ``x`` and ``y``
in a CRS that the file (``epsg``) or the caller names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from pyproj import CRS
from pyproj.exceptions import CRSError

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.present.evidence import Evidence
from tdh.present.tables import compact, numbers, read_text_table, selected, words

Radio = Literal["NR", "LTE"]

RSRP_RANGE_DBM = (-160.0, -20.0)
"""What SS-RSRP can be reported as (3GPP TS 38.133, 10.1.6: −156 to −31 dBm), with some room."""

_NOWHERE_DBM = -999.0
"""Stands for "no service" while a median is taken."""

_LATITUDE = ("latitude", "lat", "gpslat", "gpslatitude", "locationlatitude", "緯度", "y")
_LONGITUDE = (
    *("longitude", "lon", "lng", "long", "gpslon", "gpslong", "gpslongitude"),
    *("locationlongitude", "経度", "x"),
)
_SITE = ("siteid", "site", "pci", "nrpci", "cell", "cellid", "nci", "eci")
"""What names the site by a list of sites goes before what the phone heard."""
_DEVICE = ("device", "devicemodel", "deviceserialnumber", "model", "端末")
_TECHNOLOGY = ("networktech", "networkmode", "networktype", "eventtechnology", "technology", "rat")
_PLAIN = ("rsrp", "servingrsrp", "rsrpavg", "level", "coverage", "signal")
"""Names that do not say whether the signal is LTE's or NR's; the first goes first."""
_NOT_SERVING = re.compile(
    "neighbo|nbr|nrx|(?<!p)scell|detect|csi|brsrp|beam|std|count|thresh|top|rx[0-3]"
)
_SERVING = re.compile("serving|pcell|spcell|pscell")
_NR_WORDS = frozenset({"nr", "5g", "5gnr", "nr5g", "ss", "ssb"})
_LTE_WORDS = frozenset({"lte", "4g", "eutra"})
_WORDS_OF: dict[str, re.Pattern[str]] = {
    "NR": re.compile("nr|5g|endc|nsa", re.IGNORECASE),
    "LTE": re.compile("lte|4g|endc|nsa", re.IGNORECASE),
}
FIELDS = ("latitude", "longitude", "rsrp_dbm", "site", "device", "technology")
"""What a mapping of columns may name."""


@dataclass(frozen=True, eq=False)
class DriveTest:
    """The rows of a drive test.

    Attributes
    ----------
    points : GeoDataFrame
        ``source_row`` (from 1), ``rsrp_dbm`` (NaN: no service there), ``site`` and ``device`` (str,
        "" where not said).
    rejected : DataFrame
        ``source_row``, ``reason`` ("no position", "no signal", "other radio"), ``original``.
    columns : dict of str to str
        Which column was taken for which field.
    """

    points: gpd.GeoDataFrame
    rejected: pd.DataFrame
    columns: dict[str, str]


def read(
    path: str | os.PathLike[str],
    *,
    radio: Radio = "NR",
    columns: Mapping[str, str] | None = None,
    select: Mapping[str, str | Sequence[str]] | None = None,
    crs: str | None = None,
    missing: Literal["ignore", "not_served"] = "ignore",
) -> DriveTest:
    """Read a drive test.

    Parameters
    ----------
    path : path
        CSV with ``,`` ``;`` ``|`` or tab, UTF-8 (also UTF-16) or CP932; comments and title lines
        before the header are passed over.
    radio : {"NR", "LTE"}
        Whose signal is wanted. A column that does not say is taken for either, unless the row's
        technology says the other.
    columns : mapping, optional
        Field (:data:`FIELDS`) to column, where the recognition is to be overruled.
    select : mapping, optional
        Column to the value or values of the rows that are wanted: an operator, a band.
    crs : str, optional
        CRS of the coordinates; by default WGS 84, or what a column ``epsg`` says.
    missing : {"ignore", "not_served"}
        What a row with a position and without a signal means: nothing, or that there is no service.

    Raises
    ------
    InputError
        With every problem: columns not found, no row selected, no usable row, a CRS not known.
    """
    where = Path(path).name
    table = read_text_table(Path(path), _looks_like_header)
    at, problems = _columns(list(table.columns), radio, columns or {}, where)
    wanted, more = selected(table, select or {}, where)
    problems += more
    system, more = _system(table, crs, where)
    problems += more
    if problems:
        raise InputError(*problems)
    table = table[wanted]
    lat, lon = numbers(table[at["latitude"]]), numbers(table[at["longitude"]])
    signal = numbers(table[at["rsrp_dbm"]])
    if system.is_geographic:
        placed = lat.between(-90, 90) & lon.between(-180, 180) & ~((lat == 0) & (lon == 0))
    else:
        placed = lat.notna() & lon.notna()
    possible = signal.between(*RSRP_RANGE_DBM)
    plain = compact(at["rsrp_dbm"]) in _PLAIN
    if "technology" in at and plain:
        said = words(table[at["technology"]])
        other = (said != "") & ~said.str.contains(_WORDS_OF[radio])
    else:
        other = pd.Series(False, index=table.index)
    lost = other | ~possible
    reason = np.select([~placed, other, ~possible], ["no position", "other radio", "no signal"], "")
    kept = (placed & ~lost) if missing == "ignore" else placed
    rejected = pd.DataFrame(
        {
            "source_row": table.index[~kept] + 1,
            "reason": reason[~kept],
            "original": [",".join(row) for row in table[~kept].fillna("").to_numpy()],
        }
    )
    if not (placed & ~lost).any():
        counts = pd.Series(reason).value_counts().to_dict()
        raise InputError(
            Problem(
                Text("no row holds a signal with a position", "使える行がありません"),
                value=", ".join(f"{k}: {v}" for k, v in counts.items()),
                where=where,
                fix=Text("read as: {at}", "読み取った列: {at}", at=_shown(at)),
            )
        )
    points = gpd.GeoDataFrame(
        {
            "source_row": table.index[kept] + 1,
            "rsrp_dbm": signal.where(~lost)[kept].to_numpy(float),
            "site": _words(table, at.get("site"))[kept].to_numpy(),
            "device": _words(table, at.get("device"))[kept].to_numpy(),
        },
        geometry=gpd.points_from_xy(lon[kept], lat[kept]),
        crs=system,
    )
    return DriveTest(points, rejected, at)


def on_cells(
    tests: Sequence[DriveTest], cells: pd.DataFrame, grid: Grid, *, least_points: int = 1
) -> Evidence:
    """The median signal of each cell, over all points of all tests.

    A cell counts as measured from ``least_points`` points; where more than half of them found no
    service, it has none.
    """
    signal = np.concatenate([t.points["rsrp_dbm"].to_numpy(float) for t in tests])
    placed = [t.points.geometry.to_crs(grid.crs) for t in tests]
    x = np.concatenate([p.x.to_numpy() for p in placed])
    y = np.concatenate([p.y.to_numpy() for p in placed])
    row, col = grid.rowcol(x, y)
    lookup = np.full(grid.shape, -1, dtype=np.int64)
    lookup[cells["row"].to_numpy(), cells["col"].to_numpy()] = np.arange(len(cells))
    inside = grid.contains(row, col)
    at = np.where(inside, lookup[np.where(inside, row, 0), np.where(inside, col, 0)], -1)
    kept = at >= 0
    grouped = pd.Series(np.where(np.isnan(signal), _NOWHERE_DBM, signal)[kept]).groupby(at[kept])
    middle, count = grouped.median(), grouped.size()
    points = np.zeros(len(cells), dtype=np.int64)
    points[count.index.to_numpy(int)] = count.to_numpy()
    rsrp = np.full(len(cells), np.nan)
    rsrp[middle.index.to_numpy(int)] = middle.where(middle >= RSRP_RANGE_DBM[0]).to_numpy()
    said = points >= least_points
    return Evidence("measured", np.where(said, rsrp, np.nan), said, points=points)


# --- columns -------------------------------------------------------------------------------------


def _looks_like_header(names: list[str]) -> bool:
    short = {compact(n) for n in names}
    return bool(short & set(_LATITUDE)) and bool(short & set(_LONGITUDE))


def _columns(
    header: list[str], radio: Radio, given: Mapping[str, str], where: str
) -> tuple[dict[str, str], list[Problem]]:
    """Field to column, and what is missing or unknown."""
    problems = []
    at = {}
    for field, name in given.items():
        if field not in FIELDS or name not in header:
            known = FIELDS if field not in FIELDS else header[:30]
            problems.append(
                Problem(
                    Text("the mapping names something unknown", "列の対応に知らない名前があります"),
                    value=field if field not in FIELDS else name,
                    expected=", ".join(known),
                    where=where,
                )
            )
        else:
            at[field] = name
    short = {name: compact(name) for name in reversed(header)}
    back = {s: name for name, s in short.items()}
    for field, aliases in (
        ("latitude", _LATITUDE),
        ("longitude", _LONGITUDE),
        ("site", _SITE),
        ("device", _DEVICE),
        ("technology", _TECHNOLOGY),
    ):
        found = next((back[a] for a in aliases if a in back), None)
        if found is not None:
            at.setdefault(field, found)
    signal = signal_column(header, radio)
    if signal is not None:
        at.setdefault("rsrp_dbm", signal)
    for field in ("latitude", "longitude", "rsrp_dbm"):
        if field not in at and field not in given:
            problems.append(
                Problem(
                    Text("no column holds {field}", "{field} の列がありません", field=field),
                    expected={
                        "latitude": "latitude, lat, 緯度, y",
                        "longitude": "longitude, lon, 経度, x",
                    }.get(field, f"{radio} RSRP"),
                    where=where,
                    fix=Text(
                        'say columns = {{ {field} = "…" }}; found: {f}',
                        'columns = {{ {field} = "…" }} と指定してください。現在の列: {f}',
                        field=field,
                        f=", ".join(header[:30]),
                    ),
                )
            )
    return at, problems


def signal_column(header: Sequence[str], radio: Radio) -> str | None:
    """The column of the serving cell's RSRP of a radio, or None.

    >>> signal_column(["LTE RSRP", "5G KPI PCell RF Serving SS-RSRP [dBm]", "RSRP"], "NR")
    '5G KPI PCell RF Serving SS-RSRP [dBm]'
    >>> signal_column(["rsrp", "NRxRSRP"], "NR"), signal_column(["NRxRSRP"], "NR")
    ('rsrp', None)
    """
    nr, lte, plain = [], [], []
    for name in header:
        short = compact(name)
        if short in _PLAIN:
            plain.append(name)
        if "rsrp" not in short or _NOT_SERVING.search(short):
            continue
        words = set(re.split(r"[^0-9a-z]+", name.lower()))
        says_lte = bool(words & _LTE_WORDS) or "ltersrp" in short
        says_nr = bool(words & _NR_WORDS) or bool(re.search("ssb?rsrp|nrrsrp|5grsrp", short))
        if says_lte and not says_nr:
            lte.append(name)
        elif says_nr:
            nr.append(name)
    plain.sort(key=lambda n: _PLAIN.index(compact(n)))
    own = nr if radio == "NR" else lte
    own.sort(key=lambda n: not _SERVING.search(compact(n)))
    return next(iter([*own, *plain]), None)


def _system(table: pd.DataFrame, crs: str | None, where: str) -> tuple[CRS, list[Problem]]:
    given: str | None = crs
    if given is None:
        named = next((c for c in table.columns if compact(c) == "epsg"), None)
        codes = [c for c in words(table[named]).unique() if c] if named is not None else []
        if len(codes) > 1:
            return CRS("EPSG:4326"), [
                Problem(
                    Text("rows have different CRSs", "行によって座標系が違います"),
                    value=", ".join(codes[:5]),
                    where=where,
                )
            ]
        if len(codes) == 1:
            given = codes[0] if codes[0].lower().startswith("epsg") else f"EPSG:{codes[0]}"
    try:
        return CRS.from_user_input(given or "EPSG:4326"), []
    except CRSError:
        return CRS("EPSG:4326"), [
            Problem(Text("the CRS is not known", "知らない座標系です"), given, "EPSG:4326", where)
        ]


def _words(table: pd.DataFrame, name: str | None) -> pd.Series:
    if name is None:
        return pd.Series("", index=table.index, dtype="str")
    return words(table[name])


def _shown(at: Mapping[str, str]) -> str:
    return ", ".join(f"{field} = {name}" for field, name in at.items())
