"""Outlines of buildings with heights, burnt onto a grid."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio.features
from numpy.typing import ArrayLike
from pyproj import Transformer

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text

HIGHEST_M = 1000.0
"""Building heights above this are taken for no-data (PLATEAU writes 9999)."""

_HEIGHT_COLUMNS = (
    "height_m",
    "measuredheight",
    "measured_height",
    "bldg_measuredheight",
    "height",
    "height_agl_m",
    "高さ",
    "建物高さ",
    "計測高さ",
)


def read(path: Path, grid: Grid) -> np.ndarray:
    """Buildings' outlines burnt onto a grid, in metres above ground."""
    frame = _read_frame(path, grid)
    if frame.crs is None:
        raise InputError(
            Problem(
                Text("the outlines have no CRS", "建物外形に座標参照系がありません"),
                where=str(path),
            )
        )
    column = next(
        (c for c in frame.columns if str(c).split(":")[-1].lower() in _HEIGHT_COLUMNS), None
    )
    if column is None:
        raise InputError(
            Problem(
                Text("no column of heights was found", "高さの列が見つかりません"),
                value=", ".join(str(c) for c in frame.columns)[:200],
                expected=", ".join(_HEIGHT_COLUMNS),
                where=str(path),
            )
        )
    height = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    return burn(frame.geometry.to_crs(grid.crs), height, grid)


def burn(outlines: gpd.GeoSeries, height_m: ArrayLike, grid: Grid) -> np.ndarray:
    """Outlines burnt onto a grid: a cell takes the highest outline that holds its centre.

    Parameters
    ----------
    outlines : GeoSeries
        Polygons in the grid's CRS.
    height_m : array_like of float, shape (n,)
        Heights in metres; not finite, not positive or above 1,000 m: left out.
    grid : Grid

    Returns
    -------
    ndarray of float32, shape grid.shape
    """
    height = np.asarray(height_m, dtype=float)
    usable = np.isfinite(height) & (height > 0) & (height <= HIGHEST_M)
    usable &= ~(outlines.is_empty | outlines.isna()).to_numpy()
    order = np.flatnonzero(usable)
    order = order[np.argsort(height[order], kind="stable")]
    if order.size == 0:
        return np.zeros(grid.shape, dtype=np.float32)
    # Later shapes overwrite earlier ones: rising heights leave the highest.
    shapes = zip(outlines.to_numpy()[order], height[order], strict=True)
    burnt: np.ndarray = rasterio.features.rasterize(
        shapes, out_shape=grid.shape, transform=grid.transform, fill=0.0, dtype="float32"
    )
    return burnt


def _read_frame(path: Path, grid: Grid) -> gpd.GeoDataFrame:
    try:
        if path.suffix.lower() in {".parquet", ".geoparquet"}:
            frame = gpd.read_parquet(path)
            if frame.crs is None:
                return frame
            left, bottom, right, top = _bounds_in(grid, frame.crs)
            return frame.cx[left:right, bottom:top]
        info = pyogrio.read_info(path)
        box = _bounds_in(grid, info["crs"]) if info["crs"] else None
        return gpd.read_file(path, bbox=box)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            Problem(
                Text("the outlines cannot be read", "建物外形を読めません"),
                value=str(error),
                where=str(path),
            )
        ) from error


def _bounds_in(grid: Grid, crs: object) -> tuple[float, float, float, float]:
    left, bottom, right, top = Transformer.from_crs(grid.crs, crs, always_xy=True).transform_bounds(
        *grid.bounds
    )
    return left, bottom, right, top
