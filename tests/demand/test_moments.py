"""People by day and in a disaster: read, placed, and carried through a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

import tdh
from tdh import demand, gaps, mesh
from tdh.demand.moments import read_weighted
from tdh.demand.population import read_population
from tdh.errors import InputError
from tdh.results import Run
from tdh.scenario import DemandSource

CRS = "EPSG:6677"


def test_a_register_of_stations_with_passengers(tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text(
        "駅名,緯度,経度,乗降客数\n西駅,35.69,139.69,「1」\n".replace("「1」", '"1,200"')
        + "東駅,35.70,139.70,3００\n北駅,35.71,139.71,\n遠駅,,,999\n",
        encoding="cp932",
    )
    shapes, weight = read_weighted(path, "乗降客数", CRS)
    assert np.asarray(weight).tolist() == [1200.0, 300.0, 0.0]
    assert len(shapes) == 3 and shapes.crs == CRS
    assert read_weighted(path, None, CRS)[1] == 1.0
    with pytest.raises(InputError, match="no such column") as caught:
        read_weighted(path, "乗客", CRS)
    assert "乗降客数" in str(caught.value)
    path.write_text("駅名,緯度,経度,乗降客数\n西駅,35.69,139.69,多数\n", encoding="utf-8")
    with pytest.raises(InputError, match="not numbers"):
        read_weighted(path, "乗降客数", CRS)


def test_weights_stay_with_their_records_beside_blank_lines_and_notes(tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text(
        "駅名,緯度,経度,乗降客数\n,,,\n西駅,35.69,139.69,100\n,,,\n無駅,,,5\n東駅,35.70,139.70,300\n",
        encoding="utf-8",
    )
    shapes, weight = read_weighted(path, "乗降客数", CRS)
    east = shapes.to_crs("EPSG:6668").x.round(2).tolist()
    assert dict(zip(east, np.asarray(weight).tolist(), strict=True)) == {139.69: 100, 139.70: 300}


def test_areas_keep_their_totals_and_problems_come_together(
    tmp_path: Path, demand_run: Run
) -> None:
    run = demand_run
    inner = run.municipalities.union_all().buffer(-300)
    frame = gpd.GeoDataFrame({"persons": [900.0]}, geometry=[inner], crs=CRS)
    frame.to_file(tmp_path / "workers.gpkg")
    one = DemandSource(path=tmp_path / "workers.gpkg", moment="day", column="persons", factor=0.5)
    found = demand.people_at([one, one], run.cells, run.grid, run.municipalities)
    assert set(found) == {"day"} and found["day"].sum() == pytest.approx(900.0)
    outside = ~shapely.contains_xy(inner, run.cells.geometry.x, run.cells.geometry.y)
    assert not found["day"][outside].any()
    bad = DemandSource(path=tmp_path / "none.gpkg", moment="day")
    worse = DemandSource(path=tmp_path / "workers.gpkg", moment="disaster", column="who")
    with pytest.raises(InputError) as caught:
        demand.people_at([bad, worse], run.cells, run.grid, run.municipalities)
    assert len(caught.value.problems) == 2


@pytest.fixture(scope="module")
def demand_run(demo_run: Run) -> Run:
    return demo_run


def test_people_by_day_reach_cells_scores_and_plan(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    places = demo_run.cells.geometry.iloc[[500, 4000, 9000]].to_crs("EPSG:6668")
    lines = [f"駅{i},{p.y:.7f},{p.x:.7f},{1000 * (i + 1)}" for i, p in enumerate(places)]
    (tmp_path / "stations.csv").write_text(
        "\n".join(["駅名,緯度,経度,乗降客数", *lines]), encoding="utf-8"
    )
    source = demo_run.scenario.demand
    sources = [
        DemandSource(
            path=tmp_path / "stations.csv", moment="day", column="乗降客数", factor=0.5,
            source="invented", synthetic=True,
        ),
        DemandSource(path=source.population, moment="disaster", type="mesh", factor=0.1),
    ]  # fmt: skip
    scenario = demo_run.scenario.model_copy(
        # By volume, as people in a disaster are: residents stand by kinds of buildings elsewhere.
        update={"demand": source.model_copy(update={"sources": sources, "placing": "volume"})}
    )
    facts = tdh.check(scenario).facts
    assert facts["people by day: stations.csv"] == 3000.0
    run = tdh.run(scenario, folder, overwrite=True)
    day = run.cells["population_day"]
    assert day.sum() == pytest.approx(3000.0) and (day > 0).sum() == 3
    np.testing.assert_allclose(run.cells["population_disaster"], 0.1 * run.cells["population"])
    # A hand count: customers of each carrier in its gap cells, by day.
    for carrier, own in run.summary["carriers"].items():
        share = scenario.market_shares[carrier]
        cells = run.gaps.loc[run.gaps["carrier_id"] == carrier, "cell_id"]
        assert own["people_day_in_gap_before"] == pytest.approx(share * day.loc[cells].sum())
        assert own["people_disaster_in_gap_before"] == pytest.approx(
            0.1 * own["people_in_gap_before"]
        )
    assert run.summary["people_disaster_in_gap_after"] == pytest.approx(
        0.1 * run.summary["people_in_gap_after"]
    )
    assert (run.scores["contribution_daytime"] > 0).any()
    assert (
        gaps.people_matrix(run.gaps, run.cells, ["carrier-a"], {"carrier-a": 1.0}, "none") is None
    )


def test_the_sample_has_people_by_day(demo_run: Run) -> None:
    """What the sample's file holds inside the plan reaches cells, gaps, areas and scores."""
    (source,) = demo_run.scenario.demand.sources
    named = read_population(source.path).set_index("mesh_code")["population"]
    cells = demo_run.cells
    lon, lat = (getattr(cells.to_crs("EPSG:6668").geometry, axis).to_numpy() for axis in "xy")
    placed = cells["population_day"].groupby(mesh.from_lonlat(lon, lat, 10)).sum()
    whole = mesh.polygons(named.index, CRS).within(
        shapely.box(*demo_run.grid.bounds).buffer(-demo_run.grid.cell_size_m)
    )
    inner = named.index[whole.to_numpy()]
    assert len(inner) > 50
    np.testing.assert_allclose(placed.reindex(inner), named.reindex(inner), rtol=1e-9)
    assert cells["population_day"].sum() > 1.5 * cells["population"].sum()
    summary = demo_run.summary
    assert 0 < summary["people_day_in_gap_after"] < summary["people_day_in_gap_before"]
    assert summary["people_day_in_gap_before"] != summary["people_in_gap_before"]
    assert (demo_run.scores["contribution_daytime"] > 0).any()


@pytest.mark.real
def test_published_stations(data_dir: Path) -> None:
    path = data_dir / "tokyo" / "population" / "S12-22_stations_passenger_derived.json"
    shapes, weight = read_weighted(path, "passenger", CRS)
    assert len(shapes) == 696
    assert np.asarray(weight).max() >= 1_926_362  # Ikebukuro's
