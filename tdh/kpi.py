"""The numbers that the programme is judged by.

* つながる東京: priority places, commercial area (ha) and roads (km) covered by any carrier, and by
  at least k (展開方針 2023-08; targets of the 3か年アクションプラン 2023-12 in :data:`TARGETS`).
* 5G人口カバー率: people of the 500 m meshes of which half or more of the area is covered.
* サブ6展開率: 1 km meshes with an outdoor sub6 station, or with ¾ of the area covered by sub6.
* 5G基盤展開率: 10 km meshes with a station of the wide-band kind.

All work on arrays over the plan's cells: which carriers serve each cell, in the band class that
is asked about. A mesh's area is the area of the plan's cells in it, so that the sea and what lies
outside the plan do not count.
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

from tdh import mesh, schemas
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text

TARGETS: dict[str, dict[int, float]] = {
    "places": {2023: 0.83, 2024: 0.85, 2025: 0.88, 2026: 0.96},
    "commercial_uncovered_ha": {2023: 300.0, 2024: 250.0, 2025: 150.0, 2026: 0.0},
    "roads": {2023: 0.88, 2024: 0.90, 2025: 0.93, 2026: 0.97},
    "sub6": {2027: 0.80},
    "population": {2025: 0.97, 2030: 0.99},
}
"""KPI to fiscal year to target; 2023 is the state of 2023-12. Sources: つながる東京
3か年アクションプラン; 総務省 (sub6 per carrier, FY2027; population, national)."""

EXACTLY = 1e-9
"""Shares that differ from a limit by less than this are equal to it."""


def meshes_of_cells(cells: gpd.GeoDataFrame, digits: int) -> np.ndarray:
    """The code of the mesh in which each cell's centre lies: str, (n_cells,)."""
    points = cells.geometry.to_crs(mesh.CRS)
    return mesh.from_lonlat(points.x.to_numpy(), points.y.to_numpy(), digits)


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
    inside = shapely.contains_xy(
        areas.to_crs(grid.crs).union_all(), cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    )
    size = grid.cell_size_m**2 / 10_000
    return float((inside & np.asarray(covered)).sum() * size), float(inside.sum() * size)


def length_covered_km(
    lines: gpd.GeoSeries, cells: gpd.GeoDataFrame, grid: Grid, covered: ArrayLike
) -> tuple[float, float]:
    """Covered and whole length of lines in km, inside the plan.

    Lines are cut into pieces of at most a quarter of a cell; a piece counts to the cell in which
    its middle lies.
    """
    column, length, _ = _pieces(lines.to_crs(grid.crs), cells, grid)
    known = column >= 0
    good = np.zeros(column.size, dtype=bool)
    good[known] = np.asarray(covered, dtype=bool)[column[known]]
    return float(length[good].sum() / 1000), float(length[known].sum() / 1000)


def places_covered(
    places: gpd.GeoDataFrame, cells: gpd.GeoDataFrame, grid: Grid, covered: ArrayLike
) -> np.ndarray:
    """Whether each place (its point) is covered: float, NaN outside the plan, (n_places,)."""
    points = places.geometry.to_crs(grid.crs)
    column = cell_at(points.x.to_numpy(), points.y.to_numpy(), cells, grid)
    values = np.asarray(covered, dtype=float)
    return np.where(column >= 0, values[column.clip(min=0)], np.nan)


def cell_at(x_m: np.ndarray, y_m: np.ndarray, cells: pd.DataFrame, grid: Grid) -> np.ndarray:
    """Position in ``cells`` of the cell in which points lie, −1 outside: int64."""
    lookup = np.full(grid.shape, -1, dtype=np.int64)
    lookup[cells["row"].to_numpy(), cells["col"].to_numpy()] = np.arange(len(cells))
    row, col = grid.rowcol(x_m, y_m)
    inside = grid.contains(row, col)
    return np.where(inside, lookup[np.where(inside, row, 0), np.where(inside, col, 0)], -1)


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


HIGH_BANDS = ("sub6", "mmw")
"""高周波数帯5G: what the programme's goals for places, areas and roads are about."""


def table(
    cells: gpd.GeoDataFrame,
    grid: Grid,
    states: Mapping[str, Service],
    *,
    at_least: Sequence[int] = (1, 2),
    rule: Literal[">=", ">"] = ">=",
    places: gpd.GeoDataFrame | None = None,
    commercial: gpd.GeoSeries | None = None,
    roads: gpd.GeoSeries | None = None,
    counted_1km: Sequence[str] | None = None,
    classes: Sequence[str] = HIGH_BANDS,
    year: int = 2026,
    by_municipality: bool = True,
) -> pd.DataFrame:
    """All KPIs as one long table.

    Parameters
    ----------
    cells : GeoDataFrame
        Table ``cells``.
    grid : Grid
    states : mapping of name to Service
        Such as ``before`` and ``after`` the plan.
    at_least : sequence of int
        Numbers of carriers: 1 is coverage by any, 2 the goal for 2030.
    rule : {">=", ">"}
        Of 5G人口カバー率.
    places, commercial, roads : optional
        What つながる東京 counts; KPIs without data are left out.
    counted_1km : sequence of str, optional
        Denominator of サブ6展開率.
    classes : sequence of str
        Classes of bands that count for places, areas and roads.
    year : int
        Fiscal year of the targets.
    by_municipality : bool
        Whether rows of municipalities follow those of the whole area (population only).

    Returns
    -------
    DataFrame
        Table ``kpis``.
    """
    half, kilometre = meshes_of_cells(cells, 9), meshes_of_cells(cells, 8)
    ten = mesh.parents(kilometre, 6)
    people = cells["population"].to_numpy(float)
    rows: list[dict[str, object]] = []
    for state, service in states.items():
        who = {c: (service.of(c), service.of(c, classes), c) for c in service.carriers()}
        for k in at_least:
            name = "any" if k == 1 else f"at_least_{k}"
            who[name] = (service.count() >= k, service.count(classes) >= k, None)  # type: ignore[assignment]
        for name, (all_bands, high, carrier) in who.items():

            def add(kpi: str, value: float, unit: str = "", code: str | None = None) -> None:
                rows.append(
                    {
                        "kpi": kpi,
                        "carrier_id": name,  # noqa: B023
                        "state": state,  # noqa: B023
                        "municipality_code": code,
                        "value": value,
                        "unit": unit,
                        "target": np.nan if code else TARGETS.get(kpi, {}).get(year, np.nan),
                    }
                )

            add("population", population_coverage(half, all_bands, people, rule=rule))
            if carrier is not None or name == "any":
                sub6 = service.of(carrier, ["sub6"]) if carrier else service.count(["sub6"]) >= 1
                near = service.meshes_with_station(carrier, "sub6")
                add("sub6", deployment(kilometre, sub6, near, counted=counted_1km))
                wide = service.meshes_with_station(carrier, "sub6", 6)
                wide = np.union1d(wide, service.meshes_with_station(carrier, "mmw", 6))
                add("infrastructure", deployment(ten, all_bands, wide, limit=None))
            if places is not None:
                at = places_covered(places, cells, grid, high)
                known = ~np.isnan(at)
                add("places", float(at[known].mean()) if known.any() else np.nan)
            if commercial is not None:
                good, whole = area_covered_ha(commercial, cells, grid, high)
                add("commercial_uncovered_ha", whole - good, "ha")
            if roads is not None:
                good, whole = length_covered_km(roads, cells, grid, high)
                add("roads", good / whole if whole > 0 else np.nan)
            if by_municipality:
                codes = cells["municipality_code"].to_numpy()
                covered = _whole_meshes(half, all_bands, rule)
                for code, value in _by(codes, people, covered).items():
                    add("population", value, code=str(code))
    return _with_gap_to_target(pd.DataFrame(rows))


def _whole_meshes(codes: np.ndarray, covered: np.ndarray, rule: Literal[">=", ">"]) -> np.ndarray:
    """Cells of the 500 m meshes that count as covered."""
    shares = mesh_shares(codes, covered, np.zeros(len(codes)))
    good = pd.Series(reaches(shares["covered_share"], 0.5, rule), index=shares.index)
    return good.reindex(codes).to_numpy()


def _by(codes: np.ndarray, people: np.ndarray, covered: np.ndarray) -> pd.Series:
    frame = pd.DataFrame({"code": codes, "people": people, "good": people * covered})
    sums = frame.groupby("code")[["people", "good"]].sum()
    return (sums["good"] / sums["people"]).where(sums["people"] > 0)


def _with_gap_to_target(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds what is missing to the target (never negative), in the KPI's unit."""
    less_is_better = rows["kpi"].eq("commercial_uncovered_ha")
    missing = (rows["target"] - rows["value"]).where(
        ~less_is_better, rows["value"] - rows["target"]
    )
    rows["missing"] = missing.clip(lower=0.0)
    return schemas.conform(rows, "kpis")


def _share(weight: pd.Series, counts: np.ndarray) -> float:
    total = float(weight.sum())
    return float(weight.to_numpy()[counts].sum()) / total if total > 0 else float("nan")
