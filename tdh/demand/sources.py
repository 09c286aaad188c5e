"""Any source of demand on the plan's cells: points, areas and lines with a weight.

Stations with passengers, places that must be served with a priority, an office district with its
workers, roads by their length: all become a number per cell.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text

PIECES_PER_CELL = 4


def on_cells(
    source: gpd.GeoDataFrame | gpd.GeoSeries,
    cells: pd.DataFrame,
    grid: Grid,
    weight: ArrayLike = 1.0,
) -> np.ndarray:
    """Sum a source by cell.

    Parameters
    ----------
    source : GeoDataFrame or GeoSeries
        Points count to the cell in which they lie; areas evenly to the cells whose centres lie in
        them (the cell of an inner point, if there is none); lines by length.
    cells : DataFrame
        Table ``cells``.
    grid : Grid
    weight : array_like of float, shape (n_features,) or scalar
        What each feature is worth: passengers, priority, workers. It is kept in total, apart from
        what lies outside the plan.

    Returns
    -------
    ndarray of float64, shape (n_cells,)

    Raises
    ------
    InputError
        If a weight is negative or missing, or a feature has no geometry.

    Examples
    --------
    A station's passengers as demand of the day::

        cells["population_day"] += on_cells(stations, cells, grid, stations["passenger"] / 2)
    """
    shapes = source.geometry.to_crs(grid.crs).to_numpy()
    weights = np.broadcast_to(np.asarray(weight, dtype=float), shapes.shape)
    _check(shapes, weights)
    lookup = np.full(grid.shape, -1, dtype=np.int64)
    lookup[cells["row"].to_numpy(), cells["col"].to_numpy()] = np.arange(len(cells))
    dimension = shapely.get_dimensions(shapes)
    parts = [_points(shapes, dimension == 0), _lines(shapes, dimension == 1, grid)]
    parts += [_areas(shapes, dimension == 2, grid)]
    x, y, share, feature = (np.concatenate(column) for column in zip(*parts, strict=True))
    row, col = grid.rowcol(x, y)
    inside = grid.contains(row, col)
    at = np.where(inside, lookup[np.where(inside, row, 0), np.where(inside, col, 0)], -1)
    kept = at >= 0
    value = share * weights[feature]
    return np.bincount(at[kept], value[kept], minlength=len(cells)).astype(float)


Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""x, y, share of the feature's weight, position of the feature."""


def _points(shapes: np.ndarray, wanted: np.ndarray) -> Part:
    which = np.flatnonzero(wanted)
    xy, of = shapely.get_coordinates(shapes[which], return_index=True)
    number = np.bincount(of, minlength=which.size)
    return xy[:, 0], xy[:, 1], 1.0 / number[of], which[of]


def _lines(shapes: np.ndarray, wanted: np.ndarray, grid: Grid) -> Part:
    which = np.flatnonzero(wanted)
    parts, of = shapely.get_parts(shapes[which], return_index=True)
    fine = shapely.segmentize(parts, grid.cell_size_m / PIECES_PER_CELL)
    xy, line = shapely.get_coordinates(fine, return_index=True)
    same = line[1:] == line[:-1]
    middle = (xy[:-1][same] + xy[1:][same]) / 2
    length = np.hypot(*(xy[1:][same] - xy[:-1][same]).T)
    feature = of[line[1:][same]]
    total = np.bincount(feature, length, minlength=which.size)
    share = np.divide(length, total[feature], out=np.zeros_like(length), where=length > 0)
    return middle[:, 0], middle[:, 1], share, which[feature]


def _areas(shapes: np.ndarray, wanted: np.ndarray, grid: Grid) -> Part:
    xs, ys, shares, features = ([np.zeros(0)] for _ in range(4))
    for i in np.flatnonzero(wanted):
        x_min, y_min, x_max, y_max = shapely.bounds(shapes[i])
        top, left = (int(v) for v in grid.rowcol(x_min, y_max))
        bottom, right = (int(v) for v in grid.rowcol(x_max, y_min))
        row, col = np.mgrid[top : bottom + 1, left : right + 1].reshape(2, -1)
        x, y = grid.centres(row, col)
        inside = shapely.contains_xy(shapes[i], x, y)
        if inside.any():
            x, y = x[inside], y[inside]
        else:
            point = shapely.point_on_surface(shapes[i])
            x, y = np.array([point.x]), np.array([point.y])
        xs.append(x)
        ys.append(y)
        shares.append(np.full(x.size, 1.0 / x.size))
        features.append(np.full(x.size, i))
    x, y, share, feature = (np.concatenate(v) for v in (xs, ys, shares, features))
    return x, y, share, feature.astype(np.int64)


def _check(shapes: np.ndarray, weights: np.ndarray) -> None:
    problems = []
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    if empty.any():
        problems.append(
            Problem(
                Text(
                    "{n} features have no geometry", "{n} 件に位置がありません", n=int(empty.sum())
                ),
                value=np.flatnonzero(empty)[:5].tolist(),
            )
        )
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        problems.append(
            Problem(
                Text(
                    "{n} weights are negative or missing",
                    "重みが負か欠損です({n}件)",
                    n=int(bad.sum()),
                ),
                value=weights[bad][:5].tolist(),
                expected=">= 0",
            )
        )
    if problems:
        raise InputError(*problems)
