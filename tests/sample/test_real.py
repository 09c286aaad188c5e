"""Positions and heights of the facts against registers and outlines that others published."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh.sample import place

pytestmark = pytest.mark.real

TOLERANCE_M = 100.0

# Facility to the record that names it, or what stands at its door (a stop of the same place).
IN_REGISTERS: dict[str, tuple[str, str]] = {
    "tocho-1": ("stay", "東京都庁第一本庁舎"),
    "shinjuku-tozei": ("stay", "新宿都税事務所"),
    "yodobashi-kyusuijo": ("water", "淀橋給水所"),
    "chuo-koen": ("evacuation", "新宿中央公園・高層ビル群一帯"),
    "busta": ("wireless", "東京観光情報センター（バスタ新宿 3階）"),
    "eki-tochomae": ("wireless", "デジタルサイネージ（都営大江戸線都庁前駅出入口）"),
    "eki-shinjukunishiguchi": ("wireless", "観光案内標識（新宿区西新宿1-3）"),
    "sign-keioplaza": ("wireless", "デジタルサイネージ（京王プラザホテル前）"),
    "sign-island": ("wireless", "デジタルサイネージ（新宿アイランド前）"),
    "sign-nishishinjuku6": ("wireless", "観光案内標識（新宿区西新宿6-6）"),
    "sign-nishishinjuku7": ("wireless", "観光案内標識（新宿区西新宿7-11）"),
    "sign-nishishinjuku8": ("wireless", "観光案内標識（新宿区西新宿8-19）"),
    "sign-yoyogi1": ("wireless", "観光案内標識（渋谷区代々木1-34）"),
    "tel-yoyogi3-36": ("wireless", "公衆電話（渋谷区代々木3丁目36-8）"),
    "tel-yoyogi3-23": ("wireless", "公衆電話（渋谷区代々木3丁目23）"),
    "tel-yoyogi4-30": ("wireless", "公衆電話（渋谷区代々木4丁目30-8）"),
    "tel-nishishinjuku3-9": ("wireless", "公衆電話（新宿区西新宿3-9-2）"),
    "tel-nishishinjuku6-11": ("wireless", "公衆電話（新宿区西新宿6-11-1）"),
    "eki-shinjuku-metro": ("station", "新宿"),
    "eki-shinjuku3": ("station", "新宿三丁目"),
    "eki-seibushinjuku": ("station", "西武新宿"),
    "eki-yoyogi": ("station", "代々木"),
    "eki-nakanosakaue": ("stop", "中野坂上"),
    "eki-nishishinjuku": ("stop", "東京医大病院前"),
    "eki-hatsudai": ("stop", "新国立劇場前"),
    "bus-tocho-1": ("stop", "都庁第一本庁舎"),
    "bus-tocho-2": ("stop", "都庁第二本庁舎"),
    "bus-togikai": ("stop", "都議会議事堂"),
    "bus-shinjuku-nishiguchi": ("stop", "新宿駅西口"),
    "bus-shinjuku-higashiguchi": ("stop", "新宿駅東口"),
    "bus-nakanosakaue": ("stop", "中野坂上"),
    "bus-hosenji": ("stop", "宝仙寺前"),
    "bus-narukozakashita": ("stop", "成子坂下"),
    "bus-tokyo-idai": ("stop", "東京医大病院前"),
    "bus-shinkokuritsu": ("stop", "新国立劇場前"),
    "bus-operacity": ("stop", "東京オペラシティ南"),
    "bus-kabukicho": ("stop", "歌舞伎町"),
    "bus-sendagaya5": ("stop", "千駄ヶ谷五丁目"),
    "bus-shinjuku4": ("stop", "新宿四丁目"),
}

# Facility to the least area and height of the building that must stand within 30 m of its point.
BY_OUTLINE: dict[str, tuple[float, float]] = {
    "tocho-1": (4_000, 240),
    "tocho-2": (4_000, 160),
    "togikai": (7_000, 38),
    "hygeia": (4_000, 80),
    "shinjuku-kokyo": (3_500, 30),
    "shinjuku-kuyakusho": (2_000, 40),
    "nishishinjuku-sho": (1_500, 14),
    "nishishinjuku-chu": (2_500, 16),
    "shinjuku-keisatsusho": (1_200, 50),
    "shinkokuritsu-gekijo": (15_000, 40),
    "tokyo-ika-daigaku": (8_000, 85),
}

# Their positions rest on the publications alone: no record of the data at hand names them.
UNCHECKED = {
    "honmachi-toshokan",
    "yoyogi-toshokan",
    "eki-nishishinjuku5",
    "eki-shinjuku-toei",
    "eki-minamishinjuku",
}


def _csv(path: Path, name: str, latitude: str, longitude: str, encoding: str) -> pd.DataFrame:
    table = pd.read_csv(path, encoding=encoding, dtype=str)
    return pd.DataFrame(
        {
            "name": table[name].str.strip(),
            "latitude": pd.to_numeric(table[latitude], errors="coerce"),
            "longitude": pd.to_numeric(table[longitude], errors="coerce"),
        }
    )


@pytest.fixture(scope="module")
def records(data_dir: Path) -> Callable[[str], gpd.GeoDataFrame]:
    assets = data_dir / "tokyo" / "assets"

    @cache
    def read(register: str) -> gpd.GeoDataFrame:
        if register == "stay":
            path = assets / "都立一時滞在施設一覧.csv"
            table = _csv(path, "施設名称", "緯度", "経度", "utf-8-sig")
        elif register == "water":
            path = assets / "給水拠点一覧.csv"
            table = _csv(path, "施設名", "緯度", "経度", "cp932")
        elif register == "wireless":
            path = assets / "130001_public_wireless_lan_20240901.csv"
            table = _csv(path, "名称", "緯度", "経度", "cp932")
        elif register == "evacuation":
            path = assets / "130001_evacuation_area.csv"
            table = _csv(path, "施設名", "緯度", "経度", "utf-8-sig")
        elif register == "stop":
            table = pd.DataFrame(json.loads((assets / "toei_bus_stops.json").read_text("utf-8")))
        else:
            path = data_dir / "tokyo" / "population" / "S12-22_stations_passenger_derived.json"
            table = pd.DataFrame(json.loads(path.read_text("utf-8")))
            table = table.rename(columns={"lat": "latitude", "lng": "longitude"})
        table = table.dropna(subset=["latitude", "longitude"])
        xy = place.to_metres(table[["longitude", "latitude"]].to_numpy(float))
        return gpd.GeoDataFrame(
            {"name": table["name"].to_numpy()},
            geometry=gpd.points_from_xy(xy[:, 0], xy[:, 1]),
            crs=place.CRS,
        )

    return read


@pytest.fixture(scope="module")
def outlines(data_dir: Path) -> gpd.GeoDataFrame:
    path = data_dir / "tokyo" / "buildings" / "shinjuku_buildings.parquet"
    west, south, east, north = place.BOUNDS
    return gpd.read_parquet(path).cx[west:east, south:north].to_crs(place.CRS)


@pytest.fixture(scope="module")
def points() -> pd.Series:
    table = place.read_facts("facilities.csv")
    return table.set_index("id").geometry


def test_every_facility_is_checked_or_said_not_to_be(points: pd.Series) -> None:
    checked = set(IN_REGISTERS) | set(BY_OUTLINE)
    assert not checked & UNCHECKED
    assert checked | UNCHECKED == set(points.index)


@pytest.mark.parametrize("facility", IN_REGISTERS)
def test_within_100_m_of_the_published_position(
    facility: str, points: pd.Series, records: Callable[[str], gpd.GeoDataFrame]
) -> None:
    register, name = IN_REGISTERS[facility]
    table = records(register)
    named = table[table["name"] == name]
    assert len(named), "the register does not name it"
    assert named.distance(points[facility]).min() <= TOLERANCE_M


@pytest.mark.parametrize("facility", BY_OUTLINE)
def test_its_building_stands_there(
    facility: str, points: pd.Series, outlines: gpd.GeoDataFrame
) -> None:
    area, height = BY_OUTLINE[facility]
    near = outlines[outlines.distance(points[facility]) <= 30]
    assert ((near.area >= area) & (near["height_m"] >= height)).any()


@pytest.mark.parametrize("name", ["facilities.csv", "towers.csv"])
def test_published_heights_agree_with_the_outlines(name: str, outlines: gpd.GeoDataFrame) -> None:
    """Within 10 %: outlines carry the highest point, masts included."""
    table = place.read_facts(name).dropna(subset=["height_m"])
    tall = outlines[outlines["height_m"] > 30]
    tree = shapely.STRtree(np.asarray(tall.geometry))
    for row in table.itertuples():
        near = tree.query(row.geometry, predicate="dwithin", distance=40)
        ratio = tall["height_m"].to_numpy()[near] / row.height_m
        assert (np.abs(ratio - 1) < 0.1).any(), (row.id, ratio)
