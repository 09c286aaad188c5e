"""Files of buildings and terrain onto one grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import rasterio
import rasterio.errors
import rasterio.vrt
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.windows import Window

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.surface import citygml, fg_gml, outlines
from tdh.surface.model import Surface

DEFAULT_CELL_M = 4.0
"""Cell of a surface made of outlines, where none is asked for."""
_RASTERS = {".tif", ".tiff", ".vrt", ".img"}
_VECTORS = {".gpkg", ".parquet", ".geoparquet", ".shp", ".geojson", ".fgb"}
_DOCUMENTS = {".gml", ".xml", ".zip"}

Source = str | Path


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
        GeoTIFF of heights above ground (its scale and offset are respected), outlines
        (GeoPackage, GeoParquet, …) with a column of heights, PLATEAU CityGML (also zipped), or
        folders of these. Where sources overlap, the highest counts; a raster that is finer than
        the surface gives each cell the highest roof that touches it.
    terrain : path or paths
        GeoTIFF of heights above sea level or FG-GML elevation models (also zipped), or folders of
        these; later files fill what earlier ones leave out. None: flat ground.
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
        try:
            heights = _buildings(path, grid)
        except InputError as error:
            problems.extend(error.problems)
            continue
        heights[~((heights > 0) & (heights <= outlines.HIGHEST_M))] = 0.0
        np.maximum(building, heights, out=building)
    ground: np.ndarray | None = None
    for path in terrain_paths:
        try:
            heights = _terrain(path, grid)
        except InputError as error:
            problems.extend(error.problems)
            continue
        ground = heights if ground is None else np.where(np.isnan(ground), heights, ground)
    if problems:
        raise InputError(*problems)
    if ground is not None:
        ground[np.isnan(ground)] = 0.0
    return Surface(grid, building, ground)


def _buildings(path: Path, grid: Grid) -> np.ndarray:
    suffix = path.suffix.lower()
    if suffix in _RASTERS:
        return _read_raster(path, grid, Resampling.max, fill=0.0)
    if suffix in _VECTORS:
        return outlines.read(path, grid)
    if suffix in _DOCUMENTS:
        frame = citygml.read(path)
        return outlines.burn(frame.geometry.to_crs(grid.crs), frame["height_m"], grid)
    raise InputError(_unknown_format(path, _RASTERS | _VECTORS | _DOCUMENTS))


def _terrain(path: Path, grid: Grid) -> np.ndarray:
    suffix = path.suffix.lower()
    if suffix in _RASTERS:
        return _read_raster(path, grid, Resampling.bilinear, fill=np.nan)
    if suffix not in _DOCUMENTS:
        raise InputError(_unknown_format(path, _RASTERS | _DOCUMENTS))
    ground = np.full(grid.shape, np.nan, dtype=np.float32)
    for tile in fg_gml.read(path):
        laid = fg_gml.lay(tile, grid)
        if laid is not None:
            rows, columns, height = laid
            here = ground[rows, columns]
            ground[rows, columns] = np.where(np.isnan(here), height, here)
    return ground


def _paths(sources: Source | Iterable[Source]) -> list[Path]:
    """The files that are named; a folder stands for the files in it that can be read."""
    named = [sources] if isinstance(sources, str | Path) else list(sources)
    known = _RASTERS | _VECTORS | _DOCUMENTS
    out: list[Path] = []
    for source in map(Path, named):
        if source.is_dir():
            out += sorted(p for p in source.iterdir() if p.suffix.lower() in known)
        else:
            out.append(source)
    return out


def _unknown_format(path: Path, known: Iterable[str]) -> Problem:
    return Problem(
        Text("the format is not known", "対応していない形式です"),
        value=path.suffix,
        expected=", ".join(sorted(known)),
        where=str(path),
    )


def _own_cell_size(paths: Sequence[Path], crs: str) -> float:
    for path in paths:
        if path.suffix.lower() not in _RASTERS:
            continue
        try:
            with rasterio.open(path) as source:
                if source.crs is not None and source.crs == rasterio.CRS.from_user_input(crs):
                    return float(abs(source.transform.a))
        except rasterio.errors.RasterioError:
            continue  # reading it says what is wrong, together with all else
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
            aligned = _aligned_window(source, grid)
            if aligned is not None:
                return _read_window(source, grid, *aligned, fill)
            if (
                resampling is Resampling.max
                and _cell_in(source, grid.crs) > 0.75 * grid.cell_size_m
            ):
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


def _cell_in(source: rasterio.DatasetReader, crs: str) -> float:
    """The width of a source's cells, in its middle, in the units of another CRS."""
    if source.crs == rasterio.CRS.from_user_input(crs):
        return float(abs(source.transform.a))
    t = source.transform
    x, y = t.c + t.a * source.width / 2, t.f + t.e * source.height / 2
    forth = Transformer.from_crs(source.crs, crs, always_xy=True)
    (x0, x1), (y0, y1) = forth.transform([x, x + t.a], [y, y])
    return math.hypot(x1 - x0, y1 - y0)


def _aligned_window(source: rasterio.DatasetReader, grid: Grid) -> tuple[int, int] | None:
    """The source's row and column at the grid's corner, where their cells coincide."""
    t = source.transform
    cell = grid.cell_size_m
    if source.crs != rasterio.CRS.from_user_input(grid.crs) or t.b or t.d:
        return None
    if not (math.isclose(t.a, cell) and math.isclose(-t.e, cell)):
        return None
    row, col = (t.f - grid.y_max_m) / cell, (grid.x_min_m - t.c) / cell
    if abs(row - round(row)) > 1e-3 or abs(col - round(col)) > 1e-3:
        return None
    return round(row), round(col)


def _read_window(
    source: rasterio.DatasetReader, grid: Grid, row: int, col: int, fill: float
) -> np.ndarray:
    """The source's own cells, where no resampling is needed."""
    out = np.full(grid.shape, fill, dtype=np.float32)
    r0, r1 = max(row, 0), min(row + grid.n_rows, source.height)
    c0, c1 = max(col, 0), min(col + grid.n_cols, source.width)
    if r0 >= r1 or c0 >= c1:
        return out
    raw = source.read(1, window=Window(c0, r0, c1 - c0, r1 - r0))
    here = out[r0 - row : r1 - row, c0 - col : c1 - col]
    np.multiply(raw, np.float32(source.scales[0]), out=here, casting="unsafe")
    if source.offsets[0] != 0.0:
        here += np.float32(source.offsets[0])
    if source.nodata is not None and not math.isnan(source.nodata):
        here[raw == source.nodata] = fill
    here[~np.isfinite(here)] = fill
    return out
