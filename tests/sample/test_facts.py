"""The tables of facts: whole, inside the area, each with its source."""

from __future__ import annotations

import geopandas as gpd
import pytest

from tdh.inventory import kinds
from tdh.sample import place

WARD_OF_ADDRESS = {"新宿区": "13104", "渋谷区": "13113", "中野区": "13114"}


@pytest.fixture(scope="module")
def facilities() -> gpd.GeoDataFrame:
    return place.read_facts("facilities.csv")


@pytest.fixture(scope="module")
def towers() -> gpd.GeoDataFrame:
    return place.read_facts("towers.csv")


def test_there_are_enough_of_them(facilities: gpd.GeoDataFrame) -> None:
    assert 40 <= len(facilities) <= 60


@pytest.mark.parametrize("name", ["facilities.csv", "towers.csv"])
def test_every_row_is_whole(name: str) -> None:
    table = place.read_facts(name)
    assert table["id"].is_unique
    assert table["name"].is_unique
    assert table["id"].str.fullmatch(r"[a-z0-9][a-z0-9-]*").all()
    for column in set(table.columns) - {"height_m", "note"}:
        assert table[column].notna().all(), column
        assert (table[column].astype(str).str.strip() != "").all(), column


@pytest.mark.parametrize("name", ["facilities.csv", "towers.csv"])
def test_positions_lie_in_the_area(name: str) -> None:
    table = place.read_facts(name)
    west, south, east, north = place.BOUNDS
    assert table["longitude"].between(west, east).all()
    assert table["latitude"].between(south, north).all()


def test_kinds_are_words_that_the_inventory_knows(facilities: gpd.GeoDataFrame) -> None:
    words = set(kinds.table()["words"].str.split("|").explode())
    assert set(facilities["kind"]) <= words


def test_heights_are_plausible(facilities: gpd.GeoDataFrame, towers: gpd.GeoDataFrame) -> None:
    assert facilities["height_m"].dropna().between(3, 250).all()
    assert towers["height_m"].between(100, 250).all()


def test_wards_drawn_by_hand_hold_the_addresses(facilities: gpd.GeoDataFrame) -> None:
    wards = place.wards().to_crs(place.CRS)
    joined = facilities.sjoin(wards, predicate="within")
    assert len(joined) == len(facilities)
    expected = joined["address"].str.extract("(新宿区|渋谷区|中野区)")[0].map(WARD_OF_ADDRESS)
    wrong = joined.loc[expected != joined["N03_007"], "id"]
    assert wrong.empty, list(wrong)


def test_wards_cover_the_area_without_overlap() -> None:
    wards = place.wards().to_crs(place.CRS).geometry
    whole = wards.union_all()
    # Straight edges in degrees are straight in metres to a millimetre over this distance.
    assert place.area_m().difference(whole).area < 1
    assert wards.area.sum() == pytest.approx(whole.area, rel=1e-9)


def test_landmarks_do_not_stand_in_each_other() -> None:
    towers = place.read_facts("towers.csv").geometry
    for i, point in enumerate(towers):
        assert towers.drop(index=i).distance(point).min() > 60
