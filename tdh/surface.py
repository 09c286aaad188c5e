"""Heights of buildings and terrain as rasters: what decides line of sight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import rasterio.features
import rasterio.vrt
from numpy.typing import ArrayLike
from rasterio.enums import Resampling

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text

DEFAULT_CELL_M = 4.0
"""Cell of a surface made of outlines, where none is asked for."""
HIGHEST_M = 1000.0
"""Building heights above this are taken for no-data (PLATEAU writes 9999)."""

_RASTERS = {".tif", ".tiff", ".vrt", ".img"}
_VECTORS = {".gpkg", ".parquet", ".geoparquet", ".shp", ".geojson", ".fgb"}
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

Source = str | Path


@dataclass(frozen=True, eq=False)
class Surface:
    """Buildings above ground, and the ground.

    Parameters
    ----------
    grid : Grid
        The rasters' grid, in the plan's CRS.
    building_m : ndarray of float32, shape grid.shape
        Height of buildings above ground in metres, 0 where there is none.
    terrain_m : ndarray of float32, shape grid.shape, or None
        Ground above sea level in metres; None: flat at 0.
    """

    grid: Grid
    building_m: np.ndarray
    terrain_m: np.ndarray | None = None

    @cached_property
    def top_m(self) -> np.ndarray:
        """Ground plus buildings, float32."""
        if self.terrain_m is None:
            return self.building_m
        return self.terrain_m + self.building_m

    def building_height_m(
        self, x_m: ArrayLike, y_m: ArrayLike, radius_m: float = 0.0
    ) -> np.ndarray:
        """The highest building at points, or within a radius of them.

        Parameters
        ----------
        x_m, y_m : array_like of float
            Easting and northing in metres; they broadcast.
        radius_m : float
            Radius in metres: cells whose centres lie within it count, and the point's own.

        Returns
        -------
        ndarray of float32
            Height above ground in metres; 0 in the open and off the raster.
        """
        x, y = np.broadcast_arrays(np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float))
        out = self._at(self.building_m, x, y)
        if radius_m > 0:
            cell = self.grid.cell_size_m
            row, col = self.grid.rowcol(x, y)
            reach = math.ceil(radius_m / cell)
            for dr in range(-reach, reach + 1):
                for dc in range(-reach, reach + 1):
                    cx, cy = self.grid.centres(row + dr, col + dc)
                    near = np.hypot(cx - x, cy - y) <= radius_m
                    out = np.where(near, np.maximum(out, self._at(self.building_m, cx, cy)), out)
        return out

    def ground_m(self, x_m: ArrayLike, y_m: ArrayLike) -> np.ndarray:
        """The ground's height above sea level at points, in metres; 0 where none is known."""
        x, y = np.broadcast_arrays(np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float))
        if self.terrain_m is None:
            return np.zeros(x.shape, dtype=np.float32)
        return self._at(self.terrain_m, x, y)

    def _at(self, raster: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        row, col = self.grid.rowcol(x, y)
        inside = self.grid.contains(row, col)
        values = raster[np.where(inside, row, 0), np.where(inside, col, 0)]
        return np.where(inside, values, np.float32(0.0))


def read(
    buildings: Source | Iterable[Source],
    terrain: Source | Iterable[Source] = (),
    *,
    bounds: tuple[float, float, float, float],
    crs: str,
    cell_size_m: float | None = None,
) -> Surface:
    """Read buildings and terrain onto one grid.

    Parameters
    ----------
    buildings : path or paths
        GeoTIFF of heights above ground (its scale and offset are respected), or outlines
        (GeoPackage, GeoParquet, …) with a column of heights. Where sources overlap, the highest
        counts.
    terrain : path or paths
        GeoTIFF of heights above sea level; later files fill what earlier ones leave out. None:
        flat ground.
    bounds : tuple of float
        x_min, y_min, x_max, y_max in metres of ``crs``: nothing beyond is read.
    crs : str
        The plan's projected CRS.
    cell_size_m : float, optional
        Side of a cell in metres; by default that of the first raster of buildings that is in the
        plan's CRS, otherwise 4 m.

    Returns
    -------
    Surface

    Raises
    ------
    InputError
        With every file that cannot be read, and why.
    """
    building_paths, terrain_paths = _paths(buildings), _paths(terrain)
    problems = [
        Problem(
            Text("the file does not exist", "ファイルがありません"),
            where=str(path),
        )
        for path in [*building_paths, *terrain_paths]
        if not path.exists()
    ]
    x_min, y_min, x_max, y_max = bounds
    if not (x_max > x_min and y_max > y_min):
        problems.append(
            Problem(
                Text("the bounds are empty", "範囲が空です"),
                value=bounds,
                expected="x_min < x_max, y_min < y_max",
            )
        )
    if problems:
        raise InputError(*problems)
    if cell_size_m is None:
        cell_size_m = _own_cell_size(building_paths, crs)
    grid = Grid.around(bounds, cell_size_m, crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    for path in building_paths:
        suffix = path.suffix.lower()
        try:
            if suffix in _RASTERS:
                heights = _read_raster(path, grid, Resampling.max, fill=0.0)
            elif suffix in _VECTORS:
                heights = _read_outlines(path, grid)
            else:
                raise InputError(_unknown_format(path, _RASTERS | _VECTORS))
        except InputError as error:
            problems.extend(error.problems)
            continue
        heights[~(heights > 0) | (heights > HIGHEST_M)] = 0.0
        np.maximum(building, heights, out=building)
    ground: np.ndarray | None = None
    for path in terrain_paths:
        try:
            if path.suffix.lower() not in _RASTERS:
                raise InputError(_unknown_format(path, _RASTERS))
            heights = _read_raster(path, grid, Resampling.bilinear, fill=np.nan)
        except InputError as error:
            problems.extend(error.problems)
            continue
        ground = heights if ground is None else np.where(np.isnan(ground), heights, ground)
    if problems:
        raise InputError(*problems)
    if ground is not None:
        ground = np.nan_to_num(ground, nan=0.0).astype(np.float32)
    return Surface(grid, building, ground)


def _paths(sources: Source | Iterable[Source]) -> list[Path]:
    if isinstance(sources, str | Path):
        return [Path(sources)]
    return [Path(source) for source in sources]


def _unknown_format(path: Path, known: Iterable[str]) -> Problem:
    return Problem(
        Text("the format is not known", "対応していない形式です"),
        value=path.suffix,
        expected=", ".join(sorted(known)),
        where=str(path),
    )


def _own_cell_size(paths: Sequence[Path], crs: str) -> float:
    for path in paths:
        if path.suffix.lower() in _RASTERS:
            with rasterio.open(path) as source:
                if source.crs is not None and source.crs == rasterio.CRS.from_user_input(crs):
                    return float(abs(source.transform.a))
    return DEFAULT_CELL_M


def _read_raster(path: Path, grid: Grid, resampling: Resampling, fill: float) -> np.ndarray:
    """A raster's first band on a grid, in metres; ``fill`` where it has no data."""
    try:
        with rasterio.open(path) as source:
            if source.crs is None:
                raise InputError(
                    Problem(
                        Text("the raster has no CRS", "ラスタに座標参照系がありません"),
                        where=str(path),
                    )
                )
            own = abs(source.transform.a)
            same = source.crs == rasterio.CRS.from_user_input(grid.crs)
            if same and own >= grid.cell_size_m * 0.999 and resampling is Resampling.max:
                resampling = Resampling.nearest
            # Cells off the source are masked only through an alpha band or a no-data value.
            nodata = source.nodata
            alpha = {} if nodata is not None else {"add_alpha": True}
            with rasterio.vrt.WarpedVRT(
                source,
                crs=grid.crs,
                transform=grid.transform,
                width=grid.n_cols,
                height=grid.n_rows,
                resampling=resampling,
                **alpha,
            ) as vrt:
                raw = vrt.read(1, masked=False)
                missing = (
                    vrt.read(vrt.count) == 0
                    if alpha
                    else (np.isnan(raw) if math.isnan(nodata) else raw == nodata)
                )
            out = raw.astype(np.float32)
            del raw
            scale, offset = source.scales[0], source.offsets[0]
            if scale != 1.0:
                out *= np.float32(scale)
            if offset != 0.0:
                out += np.float32(offset)
            missing |= ~np.isfinite(out)
            out[missing] = fill
            return out
    except rasterio.errors.RasterioError as error:
        raise InputError(
            Problem(
                Text("the raster cannot be read", "ラスタを読めません"),
                value=str(error),
                where=str(path),
            )
        ) from error


def _read_outlines(path: Path, grid: Grid) -> np.ndarray:
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
        import pyogrio

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
    from pyproj import Transformer

    left, bottom, right, top = Transformer.from_crs(grid.crs, crs, always_xy=True).transform_bounds(
        *grid.bounds
    )
    return left, bottom, right, top
