"""Ookla's open data: throughput measured per tile of about 500 m, of all carriers together.

Measured evidence of what people get, but not a signal and of no one carrier: it is shown beside
the coverage and changes none of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
from pyarrow.lib import ArrowInvalid
from pyogrio.errors import DataSourceError

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.present.tables import read_text_table

_NEEDED = ("quadkey", "avg_d_kbps", "avg_u_kbps", "avg_lat_ms", "tests")


def read(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read tiles from Parquet, CSV or a Shapefile (also zipped).

    Returns
    -------
    DataFrame
        Index ``quadkey`` (str): ``download_mbps``, ``upload_mbps``, ``latency_ms`` (float64),
        ``tests`` (int64). Tiles that a file holds twice (two quarters) are averaged by tests.

    Raises
    ------
    InputError
        If it is not such a file, or holds no tile.
    """
    where = Path(path).name
    table = _table(Path(path))
    table.columns = [str(c).strip().lower() for c in table.columns]
    missing = [c for c in _NEEDED if c not in table.columns]
    if missing:
        raise InputError(
            *(
                Problem(
                    Text("a column is missing", "列がありません"),
                    value=name,
                    expected=", ".join(_NEEDED),
                    where=where,
                )
                for name in missing
            )
        )
    key = table["quadkey"].astype("str").str.strip()
    values = table[list(_NEEDED[1:])].apply(pd.to_numeric, errors="coerce")
    sound = key.str.fullmatch("[0-3]{1,23}") & values.notna().all(axis=1) & (values["tests"] > 0)
    if not sound.any():
        raise InputError(
            Problem(
                Text("the file holds no tile", "タイルがありません"),
                value=key.head(3).tolist(),
                expected="quadkey 0–3",
                where=where,
            )
        )
    key, values = key[sound], values[sound]
    weighted = values[["avg_d_kbps", "avg_u_kbps", "avg_lat_ms"]].mul(values["tests"], axis=0)
    total = weighted.assign(tests=values["tests"]).groupby(key).sum()
    means = total[["avg_d_kbps", "avg_u_kbps", "avg_lat_ms"]].div(total["tests"], axis=0)
    out = pd.DataFrame(
        {
            "download_mbps": means["avg_d_kbps"] / 1000,
            "upload_mbps": means["avg_u_kbps"] / 1000,
            "latency_ms": means["avg_lat_ms"],
            "tests": total["tests"].astype("int64"),
        }
    )
    out.index.name = "quadkey"
    return out


def on_cells(tiles: pd.DataFrame, cells: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Each cell's tile.

    Returns
    -------
    DataFrame
        Cells that lie in a tile: ``cell_id``, ``quadkey`` and the columns of ``tiles``. A tile is
        larger than a cell: ``tests`` are the tile's, so do not add them up over cells.
    """
    x, y = grid.centres(cells["row"], cells["col"])
    centres = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=grid.crs).to_crs("EPSG:4326")
    frames = []
    for zoom, own in tiles.groupby(tiles.index.str.len()):
        key = quadkeys(centres.x.to_numpy(), centres.y.to_numpy(), int(zoom))
        at = own.index.get_indexer(key)
        inside = at >= 0
        frames.append(
            own.iloc[at[inside]].reset_index().assign(cell_id=cells.index.to_numpy()[inside])
        )
    table = pd.concat(frames, ignore_index=True)
    return table[["cell_id", *[c for c in table.columns if c != "cell_id"]]]


def quadkeys(lon: np.ndarray, lat: np.ndarray, zoom: int) -> np.ndarray:
    """The keys of the Web Mercator tiles in which points lie, as text.

    The tile of column 3 and row 5 at zoom 3:

    >>> quadkeys(np.array([-22.5]), np.array([-55.8]), 3).tolist()
    ['213']
    """
    n = 2**zoom
    column = np.floor((np.asarray(lon) + 180) / 360 * n).astype(np.int64)
    sine = np.sin(np.radians(np.asarray(lat)))
    row = np.floor((0.5 - np.log((1 + sine) / (1 - sine)) / (4 * np.pi)) * n).astype(np.int64)
    digits = np.zeros(column.shape, dtype=object)
    digits[...] = ""
    for bit in range(zoom - 1, -1, -1):
        digit = ((column >> bit) & 1) + 2 * ((row >> bit) & 1)
        digits = digits + digit.astype(str).astype(object)
    return digits


def _table(path: Path) -> pd.DataFrame:
    suffix = path.suffix.lower()
    problem = Problem(
        Text("it is not a file of tiles", "タイルのファイルとして読めません"),
        expected="Parquet, CSV, Shapefile",
        where=path.name,
    )
    if suffix == ".parquet":
        try:
            held = pq.read_schema(path).names
            return pq.read_table(path, columns=[c for c in held if c in _NEEDED]).to_pandas()
        except (ArrowInvalid, OSError):
            raise InputError(problem) from None
    if suffix in {".csv", ".txt"}:
        return read_text_table(path, lambda names: "quadkey" in {n.lower() for n in names})
    try:
        return pd.DataFrame(pyogrio.read_dataframe(path, read_geometry=False))
    except (DataSourceError, ValueError):
        raise InputError(problem) from None
