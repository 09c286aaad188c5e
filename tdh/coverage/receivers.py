"""Where signals are predicted: a receiver in each cell of the plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numba
import numpy as np

from tdh.errors import Problem, SchemaError
from tdh.grid import Grid
from tdh.language import Text
from tdh.surface import Surface

Place = Literal["street", "roof"]


@dataclass(frozen=True, eq=False)
class Receivers:
    """Where each cell's signal is predicted; see :func:`receivers`."""

    points: np.ndarray
    """float64 (n, 3): easting, northing, height in metres."""
    inside: np.ndarray
    """uint8 (n,): 1 where the whole cell is built over."""
    lookup: np.ndarray
    """int32 (grid.shape): the cell's position, −1 where there is none."""


def receivers(
    cells: gpd.GeoDataFrame,
    surface: Surface | None,
    grid: Grid,
    receiver_height_m: float = 1.5,
    place: Place = "street",
) -> Receivers:
    """Receivers in the open place, or on the roof, nearest each cell's centre.

    Parameters
    ----------
    cells : GeoDataFrame
        Table "cells": row and col in the grid.
    surface : Surface or None
        None: all receivers stand at their cell's centre, on flat ground.
    grid : Grid
        The plan's grid.
    receiver_height_m : float
        Height above what the receiver stands on.
    place : {"street", "roof"}
        On the ground, or on the roof wherever the plan cell holds a building.

    Notes
    -----
    The open place (the roof) is a surface cell without (with) building whose centre lies in the
    plan cell. For "street", a plan cell with none is indoors: its receiver stands at the cell's
    centre at the same height, the building around it does not block, and P.2109's entry loss is
    charged instead. For "roof", a plan cell with none has its receiver on the ground at its centre.
    """
    problems = [
        Problem(Text("a column is missing", "列がありません"), expected=c, where="cells")
        for c in ("row", "col")
        if c not in cells.columns
    ]
    if problems:
        raise SchemaError(*problems)
    row, col = cells["row"].to_numpy(dtype=np.int64), cells["col"].to_numpy(dtype=np.int64)
    if not grid.contains(row, col).all():
        raise SchemaError(
            Problem(
                Text("cells lie outside the grid", "セルが計画格子の外にあります"),
                value=cells.index[~grid.contains(row, col)][:3].tolist(),
                where="cells",
            )
        )
    lookup = np.full(grid.shape, -1, dtype=np.int32)
    lookup[row, col] = np.arange(len(cells), dtype=np.int32)
    x, y = grid.centres(row, col)
    inside = np.zeros(len(cells), dtype=np.uint8)
    if surface is None:
        z = np.full(len(cells), float(receiver_height_m))
        return Receivers(np.stack([x, y, z], axis=1), inside, lookup)
    nearest = np.empty((len(cells), 2), dtype=np.int64)
    _nearest_places(
        surface.building_m,
        np.array([surface.grid.x_min_m, surface.grid.y_max_m, surface.grid.cell_size_m]),
        np.stack([x, y], axis=1),
        grid.cell_size_m,
        place == "roof",
        nearest,
    )
    found = nearest[:, 0] >= 0
    found_x, found_y = surface.grid.centres(nearest[:, 0], nearest[:, 1])
    built = surface.building_height_m(x, y) > 0
    x, y = np.where(found, found_x, x), np.where(found, found_y, y)
    z = surface.ground_m(x, y).astype(float) + receiver_height_m
    if place == "roof":
        z += np.where(found | built, surface.building_height_m(x, y), 0.0)
    else:
        # Without an open place: indoors where there is a building, else finer than the surface.
        inside[~found & built] = 1
    return Receivers(np.stack([x, y, z], axis=1), inside, lookup)


def grid_of(cells: gpd.GeoDataFrame) -> Grid:
    """The grid that cells were cut from, by their rows, columns and centres.

    Raises
    ------
    SchemaError
        If the cells have no row, col and CRS, or are too few or too irregular to tell.
    """
    known = {"row", "col"} <= set(cells.columns) and cells.crs is not None and len(cells) > 0
    if known:
        row, col = cells["row"].to_numpy(dtype=float), cells["col"].to_numpy(dtype=float)
        x, y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
        side = max(np.ptp(col), np.ptp(row))
        if side > 0:
            cell = (np.ptp(x) if np.ptp(col) >= np.ptp(row) else np.ptp(y)) / side
            cell = round(float(cell), 6)
            left, top = (
                float((x - (col + 0.5) * cell).mean()),
                float((y + (row + 0.5) * cell).mean()),
            )
            grid = Grid(
                round(left, 6),
                round(top, 6),
                cell,
                int(row.max()) + 1,
                int(col.max()) + 1,
                cells.crs.to_string(),
            )
            centre_x, centre_y = grid.centres(row, col)
            if max(abs(centre_x - x).max(), abs(centre_y - y).max()) < 0.01 * cell:
                return grid
    raise SchemaError(
        Problem(
            Text("the cells do not tell their grid", "セルから計画格子を求められません"),
            expected="row, col, centres, CRS",
            where="cells",
            fix=Text("give grid=", "grid= を指定してください"),
        )
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _nearest_places(building, surface, centres, cell_m, built, out):  # type: ignore[no-untyped-def]
    """The surface cell nearest to each plan cell's centre, within the plan cell, open or built over.

    ``surface`` is (x_min, y_max, cell); ``centres`` float64 (n, 2). ``out`` int64 (n, 2) takes row
    and column, −1 where the plan cell has no such cell (or lies off the surface).
    """
    rows, cols = building.shape
    half = cell_m / 2.0
    for k in range(centres.shape[0]):
        x, y = centres[k]
        c0 = max(math.ceil((x - half - surface[0]) / surface[2] - 0.5), 0)
        c1 = min(math.floor((x + half - surface[0]) / surface[2] - 0.5), cols - 1)
        r0 = max(math.ceil((surface[1] - y - half) / surface[2] - 0.5), 0)
        r1 = min(math.floor((surface[1] - y + half) / surface[2] - 0.5), rows - 1)
        nearest = np.inf
        out[k, 0] = out[k, 1] = -1
        for r in range(r0, r1 + 1):
            dy = surface[1] - (r + 0.5) * surface[2] - y
            for c in range(c0, c1 + 1):
                dx = surface[0] + (c + 0.5) * surface[2] - x
                far = dx * dx + dy * dy
                if (building[r, c] > 0.0) == built and far < nearest - 1e-6:
                    nearest = far
                    out[k, 0], out[k, 1] = r, c
