"""OpenCelliD: cells that phones have seen, and the sites that they are estimated to stand on.

The export has no header: radio, mcc, net, area, cell, unit, lon, lat, range, samples, changeable,
created, updated, averageSignal. A cell's position is the middle of where it was heard, not the
mast; sites estimated from it are off by tens to hundreds of metres and are called estimated
wherever they are shown.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.present.tables import decoded

COLUMNS = (
    "radio",
    "mcc",
    "net",
    "area",
    "cell",
    "unit",
    "lon",
    "lat",
    "range",
    "samples",
    "changeable",
    "created",
    "updated",
    "averageSignal",
)
_STATION_BITS = {"LTE": 8, "NR": 12}
"""Low bits of a cell's identity that number the cell within its station: 8 of LTE's 28 (3GPP TS
36.300, 8.2); of NR's 36 4 to 14 (TS 38.300, 8.2), of which 12 is the most usual."""
_MOST_RANGE_M = 5_000.0
"""A cell that was heard over a wider range says nothing of where it stands."""


def read_sites(
    path: str | os.PathLike[str],
    plmn: Collection[str],
    *,
    radios: Sequence[str] = ("NR",),
    crs: str,
    prefix: str = "opencellid",
) -> gpd.GeoDataFrame:
    """Sites estimated from a carrier's cells.

    Parameters
    ----------
    path : path
        OpenCelliD's CSV (also packed as ``.csv.gz``), with or without a header.
    plmn : collection of str
        The carrier's network codes, mcc and mnc: ``440-10``, ``44010``.
    radios : sequence of {"NR", "LTE"}
        LTE's sites are where 5G's often stand, too; whether that is good enough is for the planner.
    crs : str
        The plan's CRS.

    Returns
    -------
    GeoDataFrame
        One row per base station, index ``site_id``: ``cells``, ``samples``, ``radio``; the median
        of its cells' positions in ``crs``.

    Raises
    ------
    InputError
        With every problem: not such a file, wrong codes, no cell of the carrier.
    """
    where = Path(path).name
    codes = {_code(p) for p in plmn}
    bad = sorted(p for p in plmn if _code(p) is None)
    if bad or not codes:
        raise InputError(
            Problem(
                Text(
                    "a network code is not mcc and mnc", "ネットワーク番号がmccとmncではありません"
                ),
                value=", ".join(bad) or "-",
                expected="440-10",
                where=where,
                fix=Text(
                    'say plmn = ["440-10"]; codes are listed by the ministry',
                    'plmn = ["440-10"] のように指定してください',
                ),
            )
        )
    table = _table(Path(path))
    own = pd.Series(False, index=table.index)
    for mcc, net in (c for c in codes if c is not None):
        own |= (table["mcc"] == mcc) & (table["net"] == net)
    known = table["radio"].isin(list(radios))
    placed = table["lat"].between(20, 46) & table["lon"].between(122, 154)
    placed &= ~(table["range"] > _MOST_RANGE_M) & table["cell"].notna()
    used = table[own & known & placed]
    if used.empty:
        held = table.groupby(["mcc", "net", "radio"]).size()
        raise InputError(
            Problem(
                Text("no cell of the carrier can be used", "この事業者の使えるセルがありません"),
                value=f"{', '.join(sorted(plmn))}; {', '.join(radios)}",
                expected=", ".join(f"{m}-{n} {r}: {k}" for (m, n, r), k in held.head(10).items())
                or "-",
                where=where,
            )
        )
    shift = used["radio"].map(_STATION_BITS).to_numpy(np.int64)
    station = used["cell"].to_numpy(np.int64) >> shift
    points = gpd.points_from_xy(used["lon"], used["lat"], crs="EPSG:4326").to_crs(crs)
    each = pd.DataFrame(
        {
            "station": [
                f"{prefix}-{r}-{m}{n:02d}-{s}".lower()
                for r, m, n, s in zip(used["radio"], used["mcc"], used["net"], station, strict=True)
            ],
            "radio": used["radio"].to_numpy(),
            "samples": used["samples"].fillna(0).to_numpy(np.int64),
            "x": points.x,
            "y": points.y,
        }
    )
    grouped = each.groupby("station", sort=True)
    sites = grouped.agg(
        radio=("radio", "first"),
        cells=("x", "size"),
        samples=("samples", "sum"),
        x=("x", "median"),
        y=("y", "median"),
    )
    sites.index.name = "site_id"
    return gpd.GeoDataFrame(
        sites[["radio", "cells", "samples"]],
        geometry=gpd.points_from_xy(sites["x"], sites["y"]),
        crs=crs,
    )


def _code(plmn: str) -> tuple[int, int] | None:
    """mcc and mnc as numbers; None if it is not a code.

    >>> _code("440-10"), _code("44011"), _code("docomo")
    ((440, 10), (440, 11), None)
    """
    digits = plmn.replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) in (5, 6)):
        return None
    return int(digits[:3]), int(digits[3:])


def _table(path: Path) -> pd.DataFrame:
    not_it = Problem(
        Text("it is not an export of OpenCelliD", "OpenCelliDの書き出しではありません"),
        expected=",".join(COLUMNS),
        where=path.name,
    )
    packed = path.suffix.lower() == ".gz"
    if not packed:
        decoded(path)
    try:
        table = pd.read_csv(
            path, header=None, names=list(COLUMNS), dtype=str, index_col=False, low_memory=False
        )
    except (ValueError, OSError):
        raise InputError(not_it) from None
    if len(table) and str(table["radio"].iloc[0]).strip().lower() == "radio":
        table = table.iloc[1:]
    table["radio"] = table["radio"].str.strip().str.upper()
    for name in ("mcc", "net", "cell", "lon", "lat", "range", "samples"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    sound = table["mcc"].between(200, 999) & table["net"].notna() & table["lat"].notna()
    if not sound.any():
        raise InputError(not_it)
    return table[sound].astype({"mcc": int, "net": int})
