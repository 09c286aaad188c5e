"""Rasters of signal in dBm, of any CRS and resolution, on the plan's cells."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling, transform_bounds

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.present.evidence import Evidence, Kind

POSSIBLE_DBM = (-200.0, -1.0)
"""Anything else in a raster stands for no data: 0, 255, −9999, −3.4e38 …"""
_SAMPLE = 512
"""A raster is checked by a thumbnail of so many cells a side."""
_MOST_FINER = 8
"""Of a raster finer than this, so many values a side of a cell are taken for its mean."""


@dataclass(frozen=True)
class SignalRaster:
    """A raster that can be read.

    Attributes
    ----------
    path : Path
    crs : str
    """

    path: Path
    crs: str


def read(path: str | os.PathLike[str], crs: str | None = None) -> SignalRaster:
    """Check a raster of signals.

    Parameters
    ----------
    path : path
        GeoTIFF, or anything that GDAL reads, with one band of dBm first; scale and offset of the
        band are applied.
    crs : str, optional
        CRS of a file that names none.

    Raises
    ------
    InputError
        If it is no raster, has no CRS, or holds no value that could be dBm.
    """
    where = Path(path).name
    problems = []
    try:
        with rasterio.open(path) as raster:
            system = raster.crs.to_wkt() if raster.crs else crs
            height, width = min(raster.height, _SAMPLE), min(raster.width, _SAMPLE)
            sample = raster.read(1, out_shape=(height, width), masked=True)
            found = sample.compressed() * raster.scales[0] + raster.offsets[0]
            # What lies between the thumbnail's cells is looked at only where those are all empty.
            blocks = (raster.read(1, window=w, masked=True) for _, w in raster.block_windows(1))
            holds = any(
                not np.isnan(_dbm(part, raster.scales[0], raster.offsets[0])).all()
                for part in itertools.chain([sample], blocks)
            )
    except RasterioIOError:
        raise InputError(
            Problem(
                Text("it is not a raster", "ラスタとして読めません"),
                expected="GeoTIFF",
                where=where,
            )
        ) from None
    try:
        known = system is not None and bool(CRS.from_user_input(system))
    except CRSError:
        known = False
    if not known:
        problems.append(
            Problem(
                Text("the raster names no known CRS", "座標系が分かりません"),
                value=crs,
                where=where,
                fix=Text('say crs = "EPSG:…"', 'crs = "EPSG:…" と指定してください'),
            )
        )
    if not holds:
        shown = f"{found.min():g} … {found.max():g}" if found.size else None
        problems.append(
            Problem(
                Text("the raster holds no signal in dBm", "dBmの値がありません"),
                value=shown,
                expected="−200 … −1",
                where=where,
                fix=Text(
                    "give RSRP in dBm; classes belong into an area",
                    "RSRPをdBmで入れてください。区分は area で渡してください",
                ),
            )
        )
    if problems:
        raise InputError(*problems)
    return SignalRaster(Path(path), str(system))


def on_cells(
    raster: SignalRaster, cells: pd.DataFrame, grid: Grid, kind: Kind = "predicted"
) -> Evidence:
    """A raster's signal at the cells.

    A raster finer than the plan is averaged over each cell (mean dBm of what holds a value), a
    coarser one gives each cell the value at its centre.
    """
    with rasterio.open(raster.path) as source:
        scale, offset, nodata = source.scales[0], source.offsets[0], source.nodata
        area = transform_bounds(raster.crs, grid.crs, *source.bounds)
        if not _overlap(area, grid.bounds):
            empty = np.full(len(cells), np.nan)
            return Evidence.of_signal(kind, empty)
        across = (area[2] - area[0]) / source.width, (area[3] - area[1]) / source.height
        finer = grid.cell_size_m / min(across)
        # Values are cleaned before they are averaged: so each cell is first read in pieces as
        # fine as the raster itself.
        pieces = int(np.clip(np.ceil(finer), 1, _MOST_FINER))
        shape = (grid.n_rows * pieces, grid.n_cols * pieces)
        fine = grid.cell_size_m / pieces
        with WarpedVRT(
            source,
            src_crs=raster.crs,
            crs=grid.crs,
            transform=Affine(fine, 0, grid.x_min_m, 0, -fine, grid.y_max_m),
            width=shape[1],
            height=shape[0],
            resampling=Resampling.nearest,
            nodata=nodata,
            add_alpha=nodata is None,
        ) as warped:
            values = np.full(grid.shape, np.nan)
            # Whole rows of cells at a time, so that a large plan fits into memory.
            step = max(1, 4_000_000 // max(1, shape[1] * pieces))
            for top in range(0, grid.n_rows, step):
                n = min(step, grid.n_rows - top)
                window = ((top * pieces, (top + n) * pieces), (0, shape[1]))
                block = _dbm(warped.read(1, window=window, masked=True), scale, offset)
                parts = block.reshape(n, pieces, grid.n_cols, pieces)
                count = (~np.isnan(parts)).sum(axis=(1, 3))
                total = np.nansum(parts, axis=(1, 3))
                values[top : top + n] = np.divide(
                    total, count, out=np.full(total.shape, np.nan), where=count > 0
                )
    return Evidence.of_signal(kind, values[cells["row"].to_numpy(), cells["col"].to_numpy()])


def _dbm(values: np.ma.MaskedArray, scale: float, offset: float) -> np.ndarray:
    """Values in dBm, NaN where there is none or it cannot be one."""
    out = np.ma.filled(values.astype(float), np.nan) * scale + offset
    out[~((out >= POSSIBLE_DBM[0]) & (out <= POSSIBLE_DBM[1]))] = np.nan
    return np.asarray(out)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
