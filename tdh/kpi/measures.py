"""Single indicators, by their definitions, on arrays over the plan's cells.

All ask which carriers serve each cell, in the band class that counts. A mesh's area is the area of
the plan's cells in it, so that the sea and what lies outside the plan do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike
from pyproj import Transformer
from scipy.spatial import cKDTree

from tdh import mesh
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text

EXACTLY = 1e-9
"""Shares that differ from a limit by less than this are equal to it."""


def meshes_of_cells(cells: gpd.GeoDataFrame, digits: int) -> np.ndarray:
    """The code of the mesh in which each cell's centre lies: str, (n_cells,)."""
    to_degrees = Transformer.from_crs(cells.crs, mesh.CRS, always_xy=True)
    longitude, latitude = to_degrees.transform(
        cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    )
    return mesh.from_lonlat(longitude, latitude, digits)


def mesh_shares(codes: np.ndarray, covered: ArrayLike, people: ArrayLike) -> pd.DataFrame:
    """Covered share of the area, and people, of every mesh.

    Returns
    -------
    DataFrame
        Index mesh code; ``cells``, ``covered_share`` (0 to 1), ``population``.
    """
    frame = pd.DataFrame(
        {
            "mesh_code": codes,
            "covered_share": np.asarray(covered, dtype=float),
            "population": np.asarray(people, dtype=float),
        }
    )
    grouped = frame.groupby("mesh_code")
    return pd.DataFrame(
        {
            "cells": grouped.size(),
            "covered_share": grouped["covered_share"].mean(),
            "population": grouped["population"].sum(),
        }
    )


def reaches(share: ArrayLike, limit: float, rule: Literal[">=", ">"] = ">=") -> np.ndarray:
    """Whether shares reach a limit: at least, or more than.

    >>> reaches([0.5, 0.49], 0.5).tolist(), reaches([0.5], 0.5, ">").tolist()
    ([True, False], [False])
    """
    values = np.asarray(share, dtype=float)
    if rule not in (">=", ">"):
        raise InputError(
            Problem(
                Text("the rule is not known", "判定規則が不正です"), value=rule, expected=">= or >"
            )
        )
    met: np.ndarray = values >= limit - EXACTLY if rule == ">=" else values > limit + EXACTLY
    return met


def population_coverage(
    codes_500m: np.ndarray,
    covered: ArrayLike,
    people: ArrayLike,
    *,
    limit: float = 0.5,
    rule: Literal[">=", ">"] = ">=",
) -> float:
    """5G人口カバー率: share of people in 500 m meshes that count as covered as a whole.

    Parameters
    ----------
    codes_500m : ndarray of str, shape (n_cells,)
    covered : array_like of bool, shape (n_cells,)
    people : array_like of float, shape (n_cells,)
    limit : float
        Share of a mesh's area from which all its people count, below it none.
    rule : {">=", ">"}
        Reports differ between 半分以上 (at least half) and 過半 (more than half).

    Returns
    -------
    float
        0 to 1; NaN where nobody lives.
    """
    table = mesh_shares(codes_500m, covered, people)
    return _share(table["population"], reaches(table["covered_share"], limit, rule))


def deployment(
    codes: np.ndarray,
    covered: ArrayLike,
    station_codes: Sequence[str] | np.ndarray = (),
    *,
    counted: Sequence[str] | np.ndarray | None = None,
    limit: float | None = 0.75,
) -> float:
    """サブ6展開率 (1 km) and 5G基盤展開率 (10 km): share of meshes that are served.

    Parameters
    ----------
    codes : ndarray of str, shape (n_cells,)
        Mesh of each cell, of the KPI's level.
    covered : array_like of bool, shape (n_cells,)
        Coverage by the band class that counts.
    station_codes : sequence of str
        Meshes in which a station of the kind that counts stands.
    counted : sequence of str, optional
        Meshes of the denominator (such as those of much traffic); by default all of the plan.
    limit : float or None
        Share of the area that serves a mesh without a station; None: only stations count, as for
        5G基盤展開率.
    """
    table = mesh_shares(codes, covered, np.zeros(len(codes)))
    served = table.index.isin(list(station_codes))
    if limit is not None:
        served = served | reaches(table["covered_share"], limit)
    wanted = np.ones(len(table)) if counted is None else table.index.isin(list(counted))
    return _share(pd.Series(np.asarray(wanted, dtype=float)), np.asarray(served))


def area_covered_ha(
    areas: gpd.GeoSeries, cells: gpd.GeoDataFrame, grid: Grid, covered: ArrayLike
) -> tuple[float, float]:
    """Covered and whole area of polygons in ha, by the cells whose centres lie in them."""
    inside = cells_in(areas, cells, grid)
    size = grid.cell_size_m**2 / 10_000
    return float((inside & np.asarray(covered)).sum() * size), float(inside.sum() * size)


def cells_in(areas: gpd.GeoSeries, cells: gpd.GeoDataFrame, grid: Grid) -> np.ndarray:
    """Cells whose centres lie in any of some polygons: bool, (n_cells,)."""
    inside: np.ndarray = shapely.contains_xy(
        areas.to_crs(grid.crs).union_all(), cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    )
    return inside


def length_by_cell_km(lines: gpd.GeoSeries, cells: pd.DataFrame, grid: Grid) -> np.ndarray:
    """Length of lines in each cell, in km: float64, (n_cells,); pieces as for the whole length."""
    column, length, _ = _pieces(lines.to_crs(grid.crs), cells, grid)
    known = column >= 0
    return np.bincount(column[known], length[known] / 1000, minlength=len(cells))


def length_covered_km(
    lines: gpd.GeoSeries, cells: gpd.GeoDataFrame, grid: Grid, covered: ArrayLike
) -> tuple[float, float]:
    """Covered and whole length of lines in km, inside the plan.

    Lines are cut into pieces of at most a quarter of a cell; a piece counts to the cell in which
    its middle lies.
    """
    length = length_by_cell_km(lines, cells, grid)
    return float(length[np.asarray(covered, dtype=bool)].sum()), float(length.sum())


def places_covered(
    places: gpd.GeoDataFrame, cells: gpd.GeoDataFrame, grid: Grid, covered: ArrayLike
) -> np.ndarray:
    """Whether each place (its point) is covered: float, NaN outside the plan, (n_places,).

    Which cell a place counts to: :func:`place_at`.
    """
    column = place_at(places, cells, grid)
    values = np.asarray(covered, dtype=float)
    return np.where(column >= 0, values[column.clip(min=0)], np.nan)


def cell_at(x_m: np.ndarray, y_m: np.ndarray, cells: pd.DataFrame, grid: Grid) -> np.ndarray:
    """Position in ``cells`` of the cell in which points lie, −1 outside: int64."""
    lookup = np.full(grid.shape, -1, dtype=np.int64)
    lookup[cells["row"].to_numpy(), cells["col"].to_numpy()] = np.arange(len(cells))
    row, col = grid.rowcol(x_m, y_m)
    inside = grid.contains(row, col)
    return np.where(inside, lookup[np.where(inside, row, 0), np.where(inside, col, 0)], -1)


def place_at(places: gpd.GeoDataFrame, cells: gpd.GeoDataFrame, grid: Grid) -> np.ndarray:
    """Position in ``cells`` of the cell of each place, −1 outside the plan: int64, (n_places,).

    At a border a place can lie inside while the centre of its square lies outside, so that the
    square is no cell of the plan: it counts to the nearest cell, at most a diagonal away.
    """
    points = places.geometry.to_crs(grid.crs)
    x, y = points.x.to_numpy(), points.y.to_numpy()
    at = cell_at(x, y, cells, grid)
    lost = np.flatnonzero(at < 0)
    if lost.size and len(cells):
        centres = np.column_stack([cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()])
        diagonal = np.sqrt(2.0) * grid.cell_size_m
        distance, nearest = cKDTree(centres).query(
            np.column_stack([x, y])[lost], distance_upper_bound=diagonal
        )
        at[lost] = np.where(np.isfinite(distance), nearest, -1)
    return at


def _pieces(
    lines: gpd.GeoSeries, cells: pd.DataFrame, grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, length and line of every short piece."""
    fine = shapely.segmentize(lines.explode().to_numpy(), grid.cell_size_m / 4)
    points, line = shapely.get_coordinates(fine, return_index=True)
    same = line[1:] == line[:-1]
    start, end = points[:-1][same], points[1:][same]
    middle = (start + end) / 2
    column = cell_at(middle[:, 0], middle[:, 1], cells, grid)
    return column, np.hypot(*(end - start).T), line[1:][same]


@dataclass(frozen=True)
class Service:
    """Who serves each cell, in each class of bands, at one time.

    Parameters
    ----------
    served : mapping of (carrier, band class) to ndarray of bool, shape (n_cells,)
    stations : mapping of (carrier, band class) to ndarray of str, optional
        1 km meshes (8 digits) of outdoor stations.
    """

    served: Mapping[tuple[str, str], np.ndarray]
    stations: Mapping[tuple[str, str], np.ndarray]

    def carriers(self) -> list[str]:
        """Carriers, in order of appearance."""
        return list(dict.fromkeys(carrier for carrier, _ in self.served))

    def of(self, carrier: str, classes: Sequence[str] | None = None) -> np.ndarray:
        """Cells that a carrier serves in any of some classes (by default all)."""
        chosen = [
            cells
            for (owner, kind), cells in self.served.items()
            if owner == carrier and (classes is None or kind in classes)
        ]
        n = len(next(iter(self.served.values())))
        return np.logical_or.reduce(chosen) if chosen else np.zeros(n, dtype=bool)

    def count(self, classes: Sequence[str] | None = None) -> np.ndarray:
        """How many carriers serve each cell: int64, (n_cells,)."""
        total: np.ndarray = np.sum([self.of(c, classes) for c in self.carriers()], axis=0)
        return total

    def meshes_with_station(self, carrier: str | None, kind: str, digits: int = 8) -> np.ndarray:
        """Meshes in which the carrier (None: anyone) has an outdoor station of a band class."""
        found = [
            codes
            for (owner, its), codes in self.stations.items()
            if its == kind and (carrier is None or owner == carrier) and len(codes)
        ]
        return mesh.parents(np.concatenate(found), digits) if found else np.zeros(0, dtype="<U8")


def _share(weight: pd.Series, counts: np.ndarray) -> float:
    total = float(weight.sum())
    return float(weight.to_numpy()[counts].sum()) / total if total > 0 else float("nan")
