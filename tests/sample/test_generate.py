"""What is invented: the same for the same seed, labelled, and with gaps worth closing."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from tdh.sample import carriers, generate, place
from tdh.scenario import read_scenario

CANDIDATE_REACH_M = 400.0
"""About what a site of the demo's power serves at its threshold without line of sight."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    generate.write_inputs(path)
    return path


@pytest.fixture(scope="module")
def buildings(folder: Path) -> gpd.GeoDataFrame:
    return gpd.read_parquet(folder / "buildings.parquet")


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    generate.write_inputs(tmp_path, seed=0)
    names = sorted(p.name for p in folder.iterdir())
    assert names == sorted(p.name for p in tmp_path.iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_another_seed_gives_another_city_and_the_same_facts(folder: Path, tmp_path: Path) -> None:
    generate.write_inputs(tmp_path, seed=1)
    same = {p.name for p in folder.iterdir() if p.read_bytes() == (tmp_path / p.name).read_bytes()}
    assert same == {"demo.toml", "facilities.csv", "municipalities.geojson"}


def test_the_scenario_finds_all_its_files(folder: Path) -> None:
    scenario = read_scenario(folder / "demo.toml")
    assert scenario.crs == place.CRS
    assert scenario.area.bounds == place.BOUNDS
    assert {c.id for c in scenario.carriers} == set(carriers.NETWORKS)
    assert sum(scenario.market_shares.values()) == pytest.approx(1)


def test_only_the_facts_are_not_synthetic(folder: Path) -> None:
    scenario = read_scenario(folder / "demo.toml")
    real = [name for name, p in scenario.provenances() if not p.synthetic]
    assert real == ["assets: facilities.csv"]
    assert all(p.source and p.licence for _, p in scenario.provenances())


def test_carriers_bands_are_those_of_their_sites(folder: Path) -> None:
    scenario = read_scenario(folder / "demo.toml")
    sites = pd.read_csv(folder / "sites.csv")
    for carrier in scenario.carriers:
        own = sites[sites["carrier_id"] == carrier.id]
        assert set(own["band"]) == set(carrier.band_ids)
        assert set(own["frequency_mhz"]) == {carrier.bands[0].frequency_mhz}


@pytest.mark.parametrize("name", ["sites.csv", "population.csv", "people_by_day.csv"])
def test_tables_say_that_they_are_synthetic(folder: Path, name: str) -> None:
    assert pd.read_csv(folder / name)["synthetic"].all()


def test_buildings_say_that_they_are_synthetic(buildings: gpd.GeoDataFrame) -> None:
    assert buildings["synthetic"].all()
    assert buildings["building_id"].str.startswith("synthetic-").all()
    real = buildings[buildings["height_source"] != "synthetic"]
    facts = pd.concat([place.read_facts("facilities.csv"), place.read_facts("towers.csv")])
    published = facts.dropna(subset=["height_m"]).set_index("name")["height_m"]
    assert dict(zip(real["name"], real["height_m"], strict=True)) == published.to_dict()


def test_registers_say_that_they_are_invented(folder: Path) -> None:
    text = (folder / "ward_register_synthetic_cp932.csv").read_bytes().decode("cp932")
    rows = [r for r in csv.reader(text.splitlines()) if any(r)]
    assert "架空" in rows[0][0]
    assert "架空" in rows[-1][0]
    header, body = rows[1], rows[2:-1]
    assert all("架空" in r[header.index("名称")] for r in body)
    assert all("架空" in r[header.index("備考")] for r in body)
    sheet = openpyxl.load_workbook(folder / "ward_register_synthetic.xlsx")["台帳"]
    assert "架空" in str(sheet["A1"].value)


def test_registers_are_messy_in_the_ways_that_they_claim(folder: Path) -> None:
    text = (folder / "ward_register_synthetic_cp932.csv").read_bytes().decode("cp932")
    rows = list(csv.reader(text.splitlines()))
    header = rows[1]
    table = pd.DataFrame(rows[2:-1], columns=header)
    latitude, longitude = table["緯度"], table["経度"]
    assert latitude.str.startswith("139").sum() == 1
    assert longitude.str.startswith("35").sum() == 1
    assert latitude.str.contains("度").sum() == 1
    assert latitude.str.contains("[０-９]", regex=True).sum() == 2
    assert (latitude == "0").sum() == 1
    # One record without a position, one line without anything.
    assert (latitude == "").sum() == 2
    assert table[table["NO"] != ""].duplicated().sum() == 1


def test_buildings_fill_the_area(buildings: gpd.GeoDataFrame) -> None:
    area = place.area_m()
    assert buildings.geometry.is_valid.all()
    share = buildings.clip(area).area.sum() / area.area
    assert 0.25 < share < 0.6
    assert buildings["height_m"].between(3, 250).all()


def test_population_is_in_meshes_of_250_m(folder: Path) -> None:
    people = pd.read_csv(folder / "population.csv", dtype={"KEY_CODE": str})
    assert people["KEY_CODE"].is_unique
    assert people["KEY_CODE"].str.fullmatch(r"533945[0-9]{2}[1-4]{2}").all()
    per_km2 = people["population"].sum() / (place.area_m(place.MARGIN_M).area / 1e6)
    assert 8_000 < per_km2 < 20_000


def test_towers_draw_people_by_day(folder: Path) -> None:
    night, day = (
        pd.read_csv(folder / name, dtype={"KEY_CODE": str}).set_index("KEY_CODE")["population"]
        for name in ("population.csv", "people_by_day.csv")
    )
    ratio = day / night
    assert 1.5 < day.sum() / night.sum() < 5
    assert (ratio < 0.8).any()  # streets of houses
    assert ratio.loc["5339452532"] > 10  # the metropolitan government's towers


@pytest.mark.parametrize(
    ("longitude", "latitude", "code"),
    [(139.6917, 35.6895, "5339452532"), (139.7671, 35.6812, "5339461132")],
)
def test_mesh_codes(longitude: float, latitude: float, code: str) -> None:
    assert generate.mesh_codes(np.array([longitude]), np.array([latitude])).tolist() == [code]


@pytest.mark.parametrize("carrier", carriers.NETWORKS)
def test_every_carrier_has_a_hole_that_candidates_can_close(
    folder: Path, buildings: gpd.GeoDataFrame, carrier: str
) -> None:
    """By distance alone: a third or so of the homes are far from its sites, most near an asset."""
    homes = buildings[(buildings["use"] == "lot") & buildings.within(place.area_m())]
    xy = np.column_stack([homes.centroid.x, homes.centroid.y])
    sites = pd.read_csv(folder / "sites.csv")
    roofs = sites[(sites["carrier_id"] == carrier) & (sites["eirp_dbm"] == carriers.ROOF_EIRP_DBM)]
    present = place.to_metres(roofs[["longitude", "latitude"]].to_numpy())
    far = cKDTree(present).query(xy)[0] > CANDIDATE_REACH_M
    assert 0.1 < far.mean() < 0.7
    facts = place.read_facts("facilities.csv")
    assets = np.column_stack([facts.geometry.x, facts.geometry.y])
    near = cKDTree(assets).query(xy[far])[0] <= CANDIDATE_REACH_M
    assert near.mean() > 0.5
