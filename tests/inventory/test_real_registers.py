"""The real registers load without help; their dirt is found and what is clean stays as it is."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh import inventory

pytestmark = pytest.mark.real

# file, records, usable, waiting for a position, kind of most
EXPECTED = [
    ("130001_evacuation_area.csv", 2251, 2250, 1, "school"),
    ("130001_public_wireless_lan_20240901.csv", 737, 737, 0, "phone_booth"),
    ("130001_public_wireless_lan_20240901.xlsx", 737, 737, 0, "phone_booth"),
    ("132241_public_toilet.csv", 176, 165, 11, "toilet"),
    ("GIS_131083_public_toilet.csv", 191, 191, 0, "toilet"),
    ("GIS_131105_public_toilet_20210401.csv", 20, 20, 0, "toilet"),
    ("GIS_132098_public_toilet.csv", 192, 192, 0, "toilet"),
    ("tmg_public_facilities.csv", 136, 134, 2, "park"),
    ("toei_bus_stops.json", 3695, 3695, 0, "bus_stop"),
    ("給水拠点一覧.csv", 213, 213, 0, "waterworks"),
    ("都立一時滞在施設一覧.csv", 227, 227, 0, "school"),
]


@pytest.fixture(scope="module")
def folder(data_dir: Path) -> Path:
    return data_dir / "tokyo" / "assets"


@pytest.mark.parametrize(("name", "rows", "usable", "waiting", "kind"), EXPECTED)
def test_loads_without_mapping(
    folder: Path, name: str, rows: int, usable: int, waiting: int, kind: str
) -> None:
    register = inventory.read_assets(folder / name)
    assert register.rows == rows
    assert len(register.assets) == usable
    assert len(register.needs_position) == waiting
    assert len(register.rejected) == 0
    assert register.assets["kind"].mode().iloc[0] == kind
    assert (register.assets["kind"] != "other").all()
    assert register.assets["longitude"].between(138.9, 142.3).all()
    assert register.assets["latitude"].between(26, 35.91).all()


def test_swapped_rows_of_the_facilities(folder: Path) -> None:
    register = inventory.read_assets(folder / "tmg_public_facilities.csv")
    found = register.findings
    swapped = found[found["rule"] == "swapped"]["source_row"].tolist()
    assert swapped == [64, 78, 87, 92, 112, 119]
    # Two of them lie in Hokkaido and Fukuoka even so: their points are not used.
    assert sorted(register.needs_position["name"]) == ["明治公園", "桜ヶ丘公園"]
    # One carries the address of a park in Minato and lies in Nerima.
    assert found[found["rule"] == "stray"]["source_row"].tolist() == [92]
    # One is genuinely Ogasawara.
    ogasawara = register.assets[register.assets["name"] == "大神山公園"].iloc[0]
    assert ogasawara["latitude"] == 27.093979
    assert ogasawara["municipality_code"] in ("13421", None) or pd.isna(
        ogasawara["municipality_code"]
    )
    assert register.assets["repaired"].sum() == 4


def test_clean_rows_are_not_repaired(folder: Path) -> None:
    path = folder / "130001_public_wireless_lan_20240901.csv"
    register = inventory.read_assets(path)
    published = pd.read_csv(path, encoding="cp932")
    np.testing.assert_array_equal(register.assets["latitude"], published["緯度"])
    np.testing.assert_array_equal(register.assets["longitude"], published["経度"])
    assert register.assets["name"].tolist() == published["名称"].tolist()
    assert not register.assets["repaired"].any()
    # 公衆電話（中央区日本橋室町1-1） stands in Shibuya; nothing else is doubted.
    assert register.findings[["source_row", "rule"]].to_numpy().tolist() == [[347, "stray"]]


def test_csv_and_excel_of_one_register_agree(folder: Path) -> None:
    one = inventory.read_assets(folder / "130001_public_wireless_lan_20240901.csv", source="w")
    two = inventory.read_assets(folder / "130001_public_wireless_lan_20240901.xlsx", source="w")
    pd.testing.assert_frame_equal(pd.DataFrame(one.assets), pd.DataFrame(two.assets))


def test_blank_lines_and_damaged_lots(folder: Path) -> None:
    evacuation = inventory.read_assets(folder / "130001_evacuation_area.csv")
    assert "blank_rows" in set(evacuation.findings["rule"])
    machida = inventory.read_assets(folder / "GIS_132098_public_toilet.csv")
    counts = machida.findings["rule"].value_counts()
    assert counts["swapped"] == 1
    assert counts["excel_date"] == 91


def test_points_against_addresses(folder: Path, data_dir: Path) -> None:
    register = inventory.read_assets(folder / "tmg_public_facilities.csv")
    boundaries = gpd.read_file(
        data_dir / "tokyo" / "boundaries" / "N03-21_13_210101_simplified.geojson"
    )
    boundaries = boundaries.dropna(subset=["N03_007"]).dissolve("N03_007").to_crs("EPSG:6677")
    boundaries = boundaries.rename(columns={"N03_004": "municipality"})
    assets, found = inventory.complete(register.assets, None, boundaries)
    assert len(assets) == len(register.assets)
    rows = found[found["source_row"] > 0].set_index("source_row")["rule"]
    assert rows[92] == "municipality_differs"  # 石神井公園, with the address of a park in Minato
    assert rows[80] == "outside_municipalities"  # 狭山・境緑道, a tenth of a degree too far north
    assert len(rows) == 6


@pytest.mark.slow
def test_hydrants(folder: Path) -> None:
    register = inventory.read_assets(folder / "消火栓一覧.csv")
    assert register.rows == len(register.assets) == 134_734
    assert set(register.assets["kind"]) == {"hydrant"}
    assert set(register.assets["placement"]) == {"none"}
    assert register.encoding == "cp932"
