"""One asset in many registers.

The threshold (0.72) and the weights were chosen on the registers of the real-data test below: of the
matches between these registers all were read by eye (165). Three are doubtful (a court named after the park
that it stands in, a park beside a garden, two parts of one park); none is plainly wrong. Of the pairs
just below, also read by eye, two in three tell an asset as part of a larger area.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from tdh import inventory, schemas
from tdh.inventory import deduplicating

Record = tuple[str, str, str, float, float]


def assets_of(records: list[Record]) -> gpd.GeoDataFrame:
    """Assets of (register, name, kind, easting, northing)."""
    placements = inventory.kinds.table()["placement"]
    frame = gpd.GeoDataFrame(
        {
            "asset_id": [f"a{i}" for i in range(len(records))],
            "name": [name for _, name, *_ in records],
            "kind": [kind for _, _, kind, *_ in records],
            "placement": [placements[kind] for _, _, kind, *_ in records],
            "source": [source for source, *_ in records],
            "source_row": range(1, len(records) + 1),
            "latitude": 35.0,
            "longitude": 139.0,
            "repaired": False,
            "synthetic": True,
            "geometry": [shapely.Point(x, y) for *_, x, y in records],
        },
        crs="EPSG:6677",
    )
    return schemas.conform(frame, "assets")


SAME = [
    [("a", "都立日比谷高等学校", "school", 0, 0), ("b", "日比谷高校（校庭）", "school", 60, 0)],
    [("a", "渋谷区立自由ヶ丘公園", "park", 0, 0), ("b", "自由ケ丘公園", "park", 200, 0)],
    [("a", "東京文化会館", "museum", 0, 0), ("b", "東京文化会館", "museum", 71, 0)],
    [("a", "第三小学校", "school", 0, 0), ("b", "第３小学校", "school", 20, 0)],
    [("a", "芝公園", "park", 0, 0), ("a", "芝公園", "park", 0, 0)],
]
DIFFERENT = [
    [("a", "第一小学校", "school", 0, 0), ("b", "第二小学校", "school", 50, 0)],
    [("a", "芝公園", "park", 0, 0), ("b", "芝公園前", "bus_stop", 5, 0)],
    [("a", "芝公園", "park", 0, 0), ("b", "芝公園", "park", 5000, 0)],
    [("a", "中央会館", "community", 0, 0), ("b", "中央会館", "toilet", 5, 0)],
    [("a", "東陽六丁目", "bus_stop", 0, 0), ("a", "東陽六丁目", "bus_stop", 20, 0)],
    [
        ("a", "公衆電話（港区芝1-1）", "phone_booth", 0, 0),
        ("b", "公衆電話（港区芝2-9）", "phone_booth", 9, 0),
    ],
    [("a", "港図書館", "library", 0, 0), ("b", "港区役所", "office", 30, 0)],
]


@pytest.mark.parametrize("records", SAME)
def test_the_same_asset_is_merged(records: list[Record]) -> None:
    done = inventory.deduplicate(assets_of(records))
    assert len(done.assets) == 1
    assert len(done.matches) == 1
    assert done.matches["reason"].iloc[0]
    assert done.assets["sources"].iloc[0].count("#") == 2


@pytest.mark.parametrize("records", DIFFERENT)
def test_different_assets_stay_apart(records: list[Record]) -> None:
    done = inventory.deduplicate(assets_of(records))
    assert len(done.assets) == 2
    assert done.matches.empty


def test_what_one_record_lacks_comes_from_the_other() -> None:
    assets = assets_of(SAME[2])
    assets.loc["a0", ["owner", "bureau", "address"]] = ["東京都", "生活文化局", "台東区上野公園5"]
    assets.loc["a1", "height_agl_m"] = 22.0
    done = inventory.deduplicate(assets).assets
    assert done.index.tolist() == ["a0"]
    assert done["height_agl_m"].tolist() == [22.0]
    assert done["owner"].tolist() == ["東京都"]
    assert done["sources"].tolist() == ["a#1; b#2"]


def test_two_records_of_a_register_never_meet_through_a_third() -> None:
    records: list[Record] = [
        ("a", "中央公園", "park", 0, 0),
        ("a", "中央公園", "park", 300, 0),
        ("b", "中央公園", "park", 150, 0),
    ]
    assert len(inventory.deduplicate(assets_of(records)).assets) == 2


def test_order_does_not_matter_and_a_second_run_changes_nothing() -> None:
    records = [record for pair in SAME[:4] for record in pair]
    moved = [(s, n, k, x + 3000 * (i // 2), y) for i, (s, n, k, x, y) in enumerate(records)]
    assets = assets_of(moved)
    one = inventory.deduplicate(assets)
    two = inventory.deduplicate(assets.iloc[::-1])
    assert len(one.assets) == len(two.assets) == 4
    again = inventory.deduplicate(one.assets)
    pd.testing.assert_frame_equal(pd.DataFrame(again.assets), pd.DataFrame(one.assets))


def test_nothing_and_one() -> None:
    for n in (0, 1):
        done = inventory.deduplicate(assets_of(SAME[0][:n]))
        assert len(done.assets) == n
        assert done.matches.empty


@pytest.mark.real
def test_real_registers(data_dir: Path) -> None:
    folder = data_dir / "tokyo" / "assets"
    names = ["tmg_public_facilities.csv", "給水拠点一覧.csv", "都立一時滞在施設一覧.csv",
             "130001_evacuation_area.csv", "130001_public_wireless_lan_20240901.csv"]  # fmt: skip
    register = inventory.concat(inventory.read_assets(folder / name) for name in names)
    done = inventory.deduplicate(register.assets)
    matches = done.matches
    assert len(done.assets) + len(matches) == len(register.assets)
    assert 150 <= len(matches) <= 185
    merged = set(zip(matches["name"], matches["merged_name"], strict=True))
    assert any("文京高等学校" in a and "文京高等学校" in b for a, b in merged)
    # 小石川後楽園 stands twice in one register, word for word.
    assert sum("小石川後楽園" in a for a, _ in merged) >= 1
    assert (matches["score"] >= deduplicating.THRESHOLD).all()
