"""The plan's cells and the people in them.

People are known per mesh and wanted per cell. Within each mesh they are spread over the cells
whose centres lie in it, by the volume of buildings (dasymetric mapping); by area where the mesh
holds no building. What a mesh loses beyond the area of the plan stays outside, so that sums are
kept exactly for meshes wholly inside.
"""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
from pyproj import Transformer
from rasterio.features import rasterize

from tdh import mesh, schemas
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.surface import Surface

Weigh = Callable[[Surface, Grid], np.ndarray]
"""From a surface and a grid to a weight per cell of the grid, float64 of the grid's shape."""

_KNOWN_BEYOND = 0.5
"""Beyond the plan's border buildings count as known if they are at least half as dense there."""
_SIDE_M = {4: 100_000, 6: 13_000, 8: 1_300, 9: 650, 10: 325, 11: 163}
"""More than a mesh's longer side anywhere in Japan, in metres."""
_WIDEST_MARGIN_M = 1_300
"""Meshes larger than 1 km that straddle the grid's border are split by area of what is seen."""


def make_cells(
    grid: Grid,
    municipalities: gpd.GeoDataFrame,
    population: pd.DataFrame,
    surface: Surface | None = None,
    *,
    weigh: Weigh | None = None,
) -> gpd.GeoDataFrame:
    """Cells of the grid whose centres lie in a municipality, with residents.

    Parameters
    ----------
    grid : Grid
        The plan's grid.
    municipalities : GeoDataFrame
        Table ``municipalities``, in the grid's CRS.
    population : DataFrame
        ``mesh_code`` and ``population`` (:func:`tdh.demand.read_population`). Columns of other
        kinds of people (``population_…``) are spread likewise.
    surface : Surface, optional
        Buildings; without it people are spread by area. It should reach beyond the grid by a mesh,
        so that meshes at the border are split by all their buildings.
    weigh : callable, optional
        Weight of cells instead of :func:`building_volume_m3`, such as a fitted
        :class:`tdh.demand.DasymetricRegressor`'s.

    Returns
    -------
    GeoDataFrame
        Table ``cells``. ``cell_id`` names the cell by its place in the CRS and so is the same
        in every area of the same CRS and cell size: ``n-1439e-0519``, counts of cells north and
        east of the CRS's origin.

    Raises
    ------
    InputError
        If no cell's centre lies in a municipality.
    """
    belongs = municipality_of_cells(grid, municipalities)
    row, col = np.nonzero(belongs >= 0)
    if row.size == 0:
        raise InputError(
            Problem(
                Text("no cell lies in a municipality", "市区町村内のセルがありません"),
                value=grid.bounds,
                fix=Text("smaller cells?", "セルを小さくしてください"),
            )
        )
    x, y = grid.centres(row, col)
    codes = municipalities.index.to_numpy(dtype=object)[belongs[row, col]]
    columns: dict[str, object] = {
        "row": row.astype(np.int64),
        "col": col.astype(np.int64),
        "municipality_code": codes,
    }
    kinds = [c for c in population.columns if c == "population" or c.startswith("population_")]
    for name, values in spread(grid, population, kinds, surface, weigh, belongs >= 0).items():
        columns[name] = values[row, col]
    cells = gpd.GeoDataFrame(
        columns,
        index=pd.Index(cell_ids(grid, row, col), name="cell_id", dtype="str"),
        geometry=gpd.points_from_xy(x, y),
        crs=grid.crs,
    )
    return schemas.conform(cells, "cells")


def cell_ids(grid: Grid, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Names of cells by their place in the CRS, whatever the grid's corner.

    >>> cell_ids(Grid(-50, 75, 25, 3, 2, "EPSG:6677"), np.array([0, 2]), np.array([0, 1])).tolist()
    ['n00002e-0002', 'n00000e-0001']
    """
    top = round(grid.y_max_m / grid.cell_size_m)
    left = round(grid.x_min_m / grid.cell_size_m)
    norths = [f"n{i:05d}" for i in range(top - 1, top - 1 - grid.n_rows, -1)]
    easts = [f"e{i:05d}" for i in range(left, left + grid.n_cols)]
    return np.char.add(np.array(norths)[row], np.array(easts)[col])


def municipality_of_cells(grid: Grid, municipalities: gpd.GeoDataFrame) -> np.ndarray:
    """Position of the municipality in which each cell's centre lies, −1 outside: int32, grid.shape.

    Where polygons overlap, the last one counts.
    """
    shapes = (
        (shape, position + 1)
        for position, shape in enumerate(municipalities.geometry)
        if shape is not None and not shape.is_empty
    )
    return (
        rasterize(shapes, out_shape=grid.shape, transform=grid.transform, fill=0, dtype="int32") - 1
    )


def spread(
    grid: Grid,
    population: pd.DataFrame,
    kinds: list[str],
    surface: Surface | None,
    weigh: Weigh | None,
    inside: np.ndarray,
) -> dict[str, np.ndarray]:
    """People of meshes on the cells of a grid: column to float64, grid.shape.

    A mesh that reaches beyond ``inside`` is split between inside and outside by the same weights
    if the surface shows enough buildings outside, otherwise by area: a register of buildings that
    ends at the border must not draw the neighbours' people in.
    """
    digits = population["mesh_code"].str.len()
    people = {kind: np.zeros(grid.shape) for kind in kinds}
    for level in sorted(digits.unique()):
        rows = population[digits == level]
        _spread_level(grid, rows, int(level), kinds, surface, weigh, inside, people)
    return people


def _spread_level(
    grid: Grid,
    rows: pd.DataFrame,
    level: int,
    kinds: list[str],
    surface: Surface | None,
    weigh: Weigh | None,
    inside: np.ndarray,
    people: dict[str, np.ndarray],
) -> None:
    margin = -(-min(_SIDE_M[level], _WIDEST_MARGIN_M) // int(np.ceil(grid.cell_size_m)))
    size = grid.cell_size_m
    wide = Grid(
        grid.x_min_m - margin * size,
        grid.y_max_m + margin * size,
        size,
        grid.n_rows + 2 * margin,
        grid.n_cols + 2 * margin,
        grid.crs,
    )
    number = _mesh_of_cells(wide, rows["mesh_code"].to_numpy(str), level)
    within = np.zeros(wide.shape, dtype=bool)
    own = (slice(margin, margin + grid.n_rows), slice(margin, margin + grid.n_cols))
    within[own] = inside
    known = number >= 0
    at, n = number[known], len(rows)
    within = within[known]
    touched = np.bincount(at[within], minlength=n) > 0
    weight = np.ones(at.size)
    if surface is not None:
        weight = (weigh or building_volume_m3)(surface, wide)[known].astype(float)
    share = _shares(at, weight, within, n)
    for kind in kinds:
        counts = np.where(touched, rows[kind].to_numpy(float), 0.0)
        placed = np.zeros(wide.shape)
        placed[known] = np.where(within, share * counts[at], 0.0)
        people[kind] += placed[own]


def _shares(at: np.ndarray, weight: np.ndarray, within: np.ndarray, n: int) -> np.ndarray:
    """Each cell's share of its mesh's people; over a mesh's cells they sum to 1.

    ``at`` is each cell's mesh, ``within`` whether the cell is in the plan, ``n`` meshes.
    """

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, values, minlength=n)

    def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.divide(a, b, out=np.zeros(n), where=b > 0)

    area, area_in = total(np.ones(at.size)), total(within.astype(float))
    built = weight > 0
    density_in = ratio(total((built & within).astype(float)), area_in)
    density_out = ratio(total((built & ~within).astype(float)), area - area_in)
    unknown_beyond = (area_in < area) & (density_out < _KNOWN_BEYOND * density_in)
    volume, volume_in = total(weight), total(weight * within)
    # What lies inside: by volume, or by area where buildings beyond the border are not known.
    part_in = np.where(unknown_beyond | (volume == 0), ratio(area_in, area), 1.0)
    part_in = np.where(~unknown_beyond & (volume > 0), ratio(volume_in, volume), part_in)
    inner = np.where(
        (volume_in > 0)[at], weight * ratio(part_in, volume_in)[at], ratio(part_in, area_in)[at]
    )
    outer = ratio(1.0 - part_in, area - area_in)[at]
    return np.where(within, inner, outer)


def _mesh_of_cells(grid: Grid, codes: np.ndarray, level: int) -> np.ndarray:
    """Position in ``codes`` of the mesh in which each cell's centre lies, −1 none: int64."""
    row, col, _ = mesh.indices(codes)
    side = mesh.SIZE_IN_EIGHTHS[level]
    keys = row // side * 1_000_000 + col // side
    order = np.argsort(keys)
    x, y = grid.centres(np.arange(grid.n_rows)[:, None], np.arange(grid.n_cols)[None, :])
    xx, yy = np.broadcast_arrays(x, y)
    lon, lat = Transformer.from_crs(grid.crs, mesh.CRS, always_xy=True).transform(xx, yy)
    cell_row = np.floor(lat * (960 / side)).astype(np.int64)
    cell_col = np.floor((lon - 100.0) * (640 / side)).astype(np.int64)
    wanted = cell_row * 1_000_000 + cell_col
    place = np.searchsorted(keys[order], wanted).clip(max=keys.size - 1)
    found = order[place]
    return np.where(keys[found] == wanted, found, -1)


def sum_on_grid(surface: Surface, values: np.ndarray, grid: Grid) -> np.ndarray:
    """Sums of a surface's cells by the grid's cell in which their centres lie: float64, grid.shape."""
    fine = surface.grid
    _, y = fine.centres(np.arange(fine.n_rows), np.zeros(fine.n_rows))
    x, _ = fine.centres(np.zeros(fine.n_cols), np.arange(fine.n_cols))
    row = grid.rowcol(np.full(y.shape, grid.x_min_m), y)[0]
    col = grid.rowcol(x, np.full(x.shape, grid.y_max_m))[1]
    rows = np.flatnonzero((row >= 0) & (row < grid.n_rows))
    cols = np.flatnonzero((col >= 0) & (col < grid.n_cols))
    out = np.zeros(grid.shape)
    if rows.size == 0 or cols.size == 0:
        return out
    part = values[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    row, col = row[rows], col[cols]
    row_starts = np.flatnonzero(np.diff(row, prepend=-1))
    col_starts = np.flatnonzero(np.diff(col, prepend=-1))
    by_row = np.add.reduceat(part, row_starts, axis=0, dtype=np.float32)
    both = np.add.reduceat(by_row.astype(float), col_starts, axis=1)
    out[np.ix_(row[row_starts], col[col_starts])] = both
    return out


def building_volume_m3(surface: Surface, grid: Grid) -> np.ndarray:
    """Volume of buildings per cell of the grid: float64, grid.shape."""
    return sum_on_grid(surface, surface.building_m, grid) * surface.grid.cell_size_m**2
