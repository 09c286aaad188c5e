"""Values of cells as rasters in the plan's grid."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import ArrayLike

from tdh import files
from tdh.grid import Grid


def to_grid(values: ArrayLike, cells: pd.DataFrame, grid: Grid) -> np.ndarray:
    """Values of cells on the grid, float32, NaN where there is no cell."""
    out = np.full(grid.shape, np.nan, dtype=np.float32)
    out[cells["row"].to_numpy(), cells["col"].to_numpy()] = np.asarray(values, dtype=np.float32)
    return out


def write_raster(
    path: str | os.PathLike[str],
    values: ArrayLike,
    cells: pd.DataFrame,
    grid: Grid,
    *,
    description: str = "",
    unit: str = "",
) -> None:
    """Write values of cells as a GeoTIFF: float32, NaN for no data, the plan's CRS.

    Parameters
    ----------
    path : path
    values : array_like of float, shape (n_cells,)
    cells : DataFrame
        Table "cells" with row and col in the grid.
    grid : Grid
    description, unit : str
        What the band holds, and in which unit.
    """
    raster = to_grid(values, cells, grid)
    with (
        files.atomic(path) as draft,
        rasterio.open(draft, "w", **geotiff(grid, "float32", float("nan")), predictor=3) as target,
    ):
        target.write(raster, 1)
        if description:
            target.set_band_description(1, description)
        if unit:
            target.set_band_unit(1, unit)


def geotiff(grid: Grid, dtype: str, nodata: float) -> dict[str, Any]:
    """How a raster of one band on a grid is written: compressed, in tiles."""
    return {
        "driver": "GTiff",
        "width": grid.n_cols,
        "height": grid.n_rows,
        "count": 1,
        "dtype": dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": nodata,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
    }
