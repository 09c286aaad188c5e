"""Goals counted by hand on a few cells, and again mesh by mesh on the real wards."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh import demand, kpi, mesh
from tdh.errors import InputError
from tdh.grid import Grid

CRS = "EPSG:6677"


def square(side: int = 4, size: float = 25.0) -> tuple[Grid, gpd.GeoDataFrame]:
    """side × side cells in one municipality per column half, ten people in each."""
    grid = Grid(0, 0, size, side, side, CRS)
    row, col = np.divmod(np.arange(side * side), side)
    x, y = grid.centres(row, col)
    cells = gpd.GeoDataFrame(
        {
            "row": row,
            "col": col,
            "population": 10.0,
            "municipality_code": np.where(col < side / 2, "13101", "13102"),
        },
        index=pd.Index([f"c{i}" for i in range(side * side)], name="cell_id"),
        geometry=gpd.points_from_xy(x, y),
        crs=CRS,
    )
    return grid, cells


@pytest.mark.parametrize(("rule", "expected"), [(">=", 30 / 60), (">", 10 / 60)])
def test_population_by_hand(rule: str, expected: float) -> None:
    """Mesh a: 2 of 4 cells; b: all of 1; c: none of 1. Exactly half is where the rules differ."""
    codes = np.array(["a", "a", "a", "a", "b", "c"])
    covered = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    people = np.array([5.0, 5.0, 5.0, 5.0, 10.0, 30.0])
    got = kpi.population_coverage(codes, covered, people, rule=rule)  # type: ignore[arg-type]
    assert got == pytest.approx(expected)


def test_deployment_by_hand() -> None:
    codes = np.array(["a"] * 4 + ["b"] * 4 + ["c"] * 4 + ["d"] * 4)
    covered = np.array([1, 1, 1, 0] + [1, 1, 0, 0] + [0] * 4 + [0] * 4, dtype=bool)
    # a by ¾ of its area, c by its station.
    assert kpi.deployment(codes, covered, ["c"]) == 0.5
    assert kpi.deployment(codes, covered, ["c"], counted=["a", "b", "c"]) == pytest.approx(2 / 3)
    assert kpi.deployment(codes, covered, ["c"], limit=None) == 0.25
    assert np.isnan(kpi.deployment(codes, covered, [], counted=["z"]))


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="rule"):
        kpi.reaches([0.5], 0.5, "=")  # type: ignore[arg-type]


def test_places_areas_and_roads_by_hand() -> None:
    grid, cells = square()
    covered = np.zeros(16, dtype=bool)
    covered[:8] = True  # the northern half
    places = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy([10, 10, 500], [-10, -90, 0]), crs=CRS
    ).to_crs("EPSG:6668")
    at = kpi.places_covered(places, cells, grid, covered)
    assert at.tolist()[:2] == [1.0, 0.0]
    assert np.isnan(at[2])
    area = gpd.GeoSeries([shapely.box(0, -75, 100, 0)], crs=CRS)
    assert kpi.area_covered_ha(area, cells, grid, covered) == pytest.approx((0.5, 0.75))
    # 100 m down through the middle of a column, and 50 m that leave the plan.
    roads = gpd.GeoSeries(
        [shapely.LineString([(12, 0), (12, -100)]), shapely.LineString([(75, -20), (125, -20)])],
        crs=CRS,
    )
    good, whole = kpi.length_covered_km(roads, cells, grid, covered)
    assert (good, whole) == pytest.approx((0.075, 0.125), abs=1e-9)


def test_the_whole_table_by_hand() -> None:
    grid, cells = square()
    west = (cells["col"] < 2).to_numpy()
    none, all_of_it = np.zeros(16, dtype=bool), np.ones(16, dtype=bool)
    here = np.unique(kpi.meshes_of_cells(cells, 8))
    before = kpi.Service({("a", "sub6"): west, ("b", "low"): all_of_it, ("b", "sub6"): none}, {})
    after = kpi.Service(
        {("a", "sub6"): all_of_it, ("b", "low"): all_of_it, ("b", "sub6"): west},
        {("b", "sub6"): here},
    )
    place = gpd.GeoDataFrame(geometry=gpd.points_from_xy([90], [-10]), crs=CRS)
    table = kpi.table(
        cells, grid, {"before": before, "after": after}, places=place,
        commercial=gpd.GeoSeries([shapely.box(0, -100, 100, 0)], crs=CRS),
    )  # fmt: skip
    whole = table[table["municipality_code"].isna()].set_index(["kpi", "carrier_id", "state"])

    def value(kind: str, who: str, state: str) -> float:
        return float(whole.loc[(kind, who, state), "value"])

    assert value("population", "b", "before") == 1.0
    assert value("population", "any", "before") == 1.0
    assert value("places", "any", "before") == 0.0
    assert value("places", "any", "after") == 1.0
    assert value("places", "at_least_2", "after") == 0.0
    assert value("commercial_uncovered_ha", "any", "before") == pytest.approx(0.5)
    assert value("commercial_uncovered_ha", "at_least_2", "after") == pytest.approx(0.5)
    assert whole.loc[("places", "any", "before"), "missing"] == pytest.approx(0.96)
    assert whole.loc[("commercial_uncovered_ha", "any", "before"), "missing"] == 0.5
    assert value("sub6", "b", "before") == 0.0
    assert value("sub6", "b", "after") == 1.0
    assert value("infrastructure", "b", "after") > 0.0
    by_ward = table[table["municipality_code"].notna() & (table["carrier_id"] == "b")]
    assert by_ward["value"].tolist() == [1.0] * 4


@pytest.mark.real
def test_a_recount_on_the_23_wards(data_dir: Path) -> None:
    """Population and sub6 figures of an invented coverage, counted mesh by mesh in plain Python."""
    tokyo = data_dir / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["131"]
    )
    people = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    grid = Grid.around(tuple(wards.total_bounds), 100, CRS)
    cells = demand.make_cells(grid, wards, people)
    x, y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    covered = (np.sin(x / 700) + np.cos(y / 900)) > -0.3
    lonlat = cells.to_crs("EPSG:6668").geometry
    inside: dict[str, list[tuple[bool, float]]] = {}
    kilometres: dict[str, list[bool]] = {}
    for lon, lat, good, n in zip(lonlat.x, lonlat.y, covered, cells["population"], strict=True):
        code = str(mesh.from_lonlat(lon, lat, 9))
        inside.setdefault(code, []).append((bool(good), n))
        kilometres.setdefault(code[:8], []).append(bool(good))
    served = sum(
        sum(n for _, n in rows)
        for rows in inside.values()
        if 2 * sum(g for g, _ in rows) >= len(rows)
    )
    total = sum(n for rows in inside.values() for _, n in rows)
    stations = sorted(kilometres)[::7]
    deployed = sum(
        4 * sum(rows) >= 3 * len(rows) or code in stations for code, rows in kilometres.items()
    )
    service = kpi.Service({("a", "sub6"): covered}, {("a", "sub6"): np.array(stations)})
    table = kpi.table(cells, grid, {"now": service}, by_municipality=False)
    got = table[table["carrier_id"] == "a"].set_index("kpi")["value"]
    assert got["population"] == pytest.approx(served / total, rel=1e-12)
    assert got["sub6"] == pytest.approx(deployed / len(kilometres), rel=1e-12)
