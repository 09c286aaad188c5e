"""Goals counted by hand on a few cells, and again mesh by mesh on the real wards."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

import tdh
from tdh import demand, kpi, mesh
from tdh.errors import InputError
from tdh.grid import Grid
from tdh.results import Run
from tdh.scenario import Goals

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


def test_a_place_on_the_border_counts_to_the_nearest_cell() -> None:
    """Without the eastern column, 5 m beyond the last cell is inside; 60 m beyond is not."""
    grid, cells = square()
    fewer = cells[cells["col"] < 3]
    covered = (fewer["row"] == 0).to_numpy()
    places = gpd.GeoDataFrame(geometry=gpd.points_from_xy([80, 80, 135], [-10, -60, -10]), crs=CRS)
    at = kpi.places_covered(places, fewer, grid, covered)
    assert at.tolist()[:2] == [1.0, 0.0]
    assert np.isnan(at[2])
    service = kpi.Service({("a", "sub6"): covered}, {})
    table = kpi.table(fewer, grid, {"now": service}, places=places).set_index("kpi")
    whole = table[table["municipality_code"].isna() & (table["carrier_id"] == "a")]
    assert whole.loc["places", ["covered", "total"]].tolist() == [1.0, 2.0]


def test_the_edges_of_meshes_by_hand() -> None:
    """A border belongs to the mesh north and east of it; half and three quarters are reached."""
    south, west = 35 + 2 / 3, 139.75
    for step, code in ((1e-7, "53394600"), (0.0, "53394600"), (-1e-7, "53393599")):
        points = gpd.GeoSeries(gpd.points_from_xy([west + step], [south + step]), crs="EPSG:6668")
        found = kpi.meshes_of_cells(gpd.GeoDataFrame(geometry=points), 8)
        assert found.tolist() == [code]
    for limit, covered in ((0.5, 2), (0.75, 3)):
        share = np.array([covered / 4, covered / 4 - 1e-6, 0.1 + 0.2 + (limit - 0.3)])
        assert kpi.reaches(share, limit, ">=").tolist() == [True, False, True]
        assert kpi.reaches(share, limit, ">").tolist() == [False, False, False]


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
    by_ward = by_ward[by_ward["kpi"] == "population"]
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


def wide_of(run: Run) -> pd.DataFrame:
    assert run.kpis is not None
    whole = run.kpis[run.kpis["level"] == "metropolis"]
    return whole.set_index(["kpi", "carrier"])


def test_a_recount_of_a_run_from_its_files_alone(demo_run: Run) -> None:
    """Rasters, cells and sites, with nothing of tdh.kpi: people by 500 m, deployment by 1 km."""
    cells = pd.DataFrame(demo_run.cells.drop(columns="geometry")).reset_index()
    degrees = demo_run.cells.to_crs("EPSG:6668").geometry
    cells["half"] = list(zip((degrees.y * 240) // 1, (degrees.x * 160) // 1, strict=True))
    cells["kilometre"] = list(zip((degrees.y * 120) // 1, (degrees.x * 80) // 1, strict=True))
    served, stations = {}, {}
    for entry in demo_run.manifest["bands"]:
        carrier, band = entry["carrier_id"], entry["band"]
        with rasterio.open(
            demo_run.folder / f"coverage/{carrier}-{band['id']}-after.tif"
        ) as raster:
            signal = raster.read(1)
        served[carrier] = signal[cells["row"], cells["col"]] >= band["covered_dbm"]
        of_carrier = demo_run.sites["carrier_id"] == carrier
        offered = demo_run.plan["carrier_id"] == carrier
        points = pd.concat([demo_run.sites[of_carrier].geometry, demo_run.plan[offered].geometry])
        at = gpd.GeoSeries(points, crs=demo_run.crs).to_crs("EPSG:6668")
        stations[carrier] = set(zip((at.y * 120) // 1, (at.x * 80) // 1, strict=True))
    found = wide_of(demo_run)

    def population(good: np.ndarray) -> float:
        share = pd.Series(good).groupby(cells["half"]).mean()
        people = cells.groupby("half")["population"].sum()
        return float(people[share >= 0.5].sum())

    for carrier, good in served.items():
        assert found.loc[("population", carrier), "covered_after"] == pytest.approx(
            population(good), rel=1e-12
        )
        share = pd.Series(good).groupby(cells["kilometre"]).mean()
        deployed = sum(m in stations[carrier] or part >= 0.75 for m, part in share.items())
        assert found.loc[("sub6", carrier), "covered_after"] == deployed
        assert found.loc[("sub6", carrier), "total"] == len(share)
    number = np.sum(list(served.values()), axis=0)
    for name, least in (("", 1), ("at_least_2", 2)):
        assert found.loc[("population", name), "covered_after"] == pytest.approx(
            population(number >= least), rel=1e-12
        )


def test_municipalities_add_up_to_the_whole(demo_run: Run) -> None:
    assert demo_run.kpis is not None
    keys = ["kpi", "carrier"]
    columns = ["covered_before", "covered_after", "total"]
    counted = demo_run.kpis[demo_run.kpis["kpi"].isin(["population", "sub6"])]
    parts = counted[counted["level"] == "municipality"].groupby(keys)[columns].sum()
    whole = counted[counted["level"] == "metropolis"].set_index(keys)[columns].loc[parts.index]
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_what_is_not_measured_is_said_and_not_invented(demo_run: Run) -> None:
    found = wide_of(demo_run)
    for name, key in (("commercial_uncovered_ha", "commercial"), ("roads", "roads")):
        row = found.loc[(name, "")]
        assert np.isnan(row[["before", "after", "total"]].to_numpy(float)).all()
        assert key in row["note_en"]
        assert key in row["note_ja"]
        assert row["target"] >= 0


def test_a_scenario_sets_its_own_targets(demo_run: Run, tmp_path: Path) -> None:
    """Another year and a target of one's own; wards and areas drawn for the occasion."""
    commercial = tmp_path / "commercial.geojson"
    roads = tmp_path / "roads.geojson"
    x, y = demo_run.cells.geometry.x, demo_run.cells.geometry.y
    box = shapely.box(x.median() - 300, y.median() - 300, x.median() + 300, y.median() + 300)
    gpd.GeoSeries([box], crs=demo_run.crs).to_crs("EPSG:6668").to_file(commercial)
    line = shapely.LineString([(x.median() - 400, y.median()), (x.median() + 400, y.median())])
    gpd.GeoSeries([line], crs=demo_run.crs).to_crs("EPSG:6668").to_file(roads)
    scenario = demo_run.scenario.model_copy(
        update={
            "goals": Goals(year=2027, targets={"population": {2027: 1.0}, "roads": 0.5}),
            "demand": demo_run.scenario.demand.model_copy(
                update={"commercial": commercial, "roads": roads}
            ),
        }
    )
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    again = tdh.run(scenario, folder, overwrite=True)
    remade = {s["name"] for s in again.manifest["stages"] if not s["reused"]}
    assert "kpis" in remade
    assert "plan" not in remade
    found = wide_of(again)
    assert found.loc[("population", ""), "target"] == 1.0
    assert found.loc[("roads", ""), "total"] == pytest.approx(0.8, rel=1e-3)
    assert found.loc[("roads", ""), ["target", "target_year"]].tolist() == [0.5, 2027]
    assert found.loc[("commercial_uncovered_ha", ""), "total"] == pytest.approx(36, rel=0.05)
    # By hand: cells whose centres lie in the box and that no carrier reaches.
    reached = np.zeros(len(x), dtype=bool)
    for (carrier, band), own in again.bands.items():
        signal = again.signal(carrier, band, "after")[again.cells["row"], again.cells["col"]]
        reached |= signal >= own.covered_dbm
    inside = shapely.contains_xy(box, x, y)
    left = (inside & ~reached).sum() * again.scenario.area.cell_size_m**2 / 1e4
    assert found.loc[("commercial_uncovered_ha", ""), "after"] == pytest.approx(left, abs=0.2)
