"""Coordinates: every spelling, repaired where certain, flagged where doubtful."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdh import inventory
from tdh.inventory import coordinates, datum

QUIET = settings(deadline=None, derandomize=True)
Write = Callable[..., Path]
SPELLINGS = [
    ("35°41′22″", "139°41′30″"),
    ("35度41分22秒", "139度41分30秒"),
    ("北緯35度41分22秒", "東経139度41分30秒"),
    ("35.41.22", "139.41.30"),
    ("354122", "1394130"),
    ("35:41:22", "139:41:30"),
    ("35 41 22", "139 41 30"),
    ("N35°41'22\"", "E139°41'30\""),
    ("35°41'22\"N", "139°41'30\"E"),
    ("３５．６８９４４４", "１３９．６９１６６７"),
    ("35,689444", "139,691667"),
    ("35/689444", "139/691667"),
    ("35.689444°", "139.691667°"),
    ("128482000", "502890000"),
    ("35689444", "139691667"),
    ("139.691667", "35.689444"),
    ("139°41′30″", "35°41′22″"),
]


@pytest.mark.parametrize(("lat", "lon"), SPELLINGS)
def test_spellings(lat: str, lon: str, write: Write) -> None:
    frame = pd.DataFrame({"名称": ["東公園"], "緯度": [lat], "経度": [lon]})
    path = write("a.csv", frame.to_csv(index=False))
    register = inventory.read_assets(path)
    asset = register.assets.iloc[0]
    assert asset["latitude"] == pytest.approx(35.689444, abs=2e-6)
    assert asset["longitude"] == pytest.approx(139.691667, abs=2e-6)
    assert asset["repaired"]
    found = register.findings[register.findings["rule"].isin(["respelled", "swapped"])]
    assert found["before"].iloc[0] == f"{lat},{lon}"


@pytest.mark.parametrize(
    ("lat", "lon", "rule"),
    [
        ("", "", "blank_coordinates"),
        ("0", "0", "zero_coordinates"),
        ("0.0", "139.7", "zero_coordinates"),
        ("不明", "不明", "unreadable_coordinates"),
        ("35.68", "", "unreadable_coordinates"),
        ("35.99.99", "139.41.30", "unreadable_coordinates"),
        ("356896", "1396917", "outside_japan"),
        ("-35.68", "139.7", "outside_japan"),
        ("nan", "inf", "unreadable_coordinates"),
    ],
)
def test_unusable_points(lat: str, lon: str, rule: str, write: Write) -> None:
    frame = pd.DataFrame(
        {
            "名称": ["東公園", "西公園", "南公園", "北公園", "中公園", "上公園"],
            "住所": ["", "港区芝1-1", "", "", "", ""],
            "緯度": [lat, lat, *["35.661111"] * 4],
            "経度": [lon, lon, *["139.701111"] * 4],
        }
    )
    register = inventory.read_assets(write("a.csv", frame.to_csv(index=False)))
    assert (register.findings["rule"] == rule).sum() == 2
    # A record with an address waits for a position; one without is refused, with its cells.
    assert register.needs_position["name"].tolist() == ["西公園"]
    assert register.rejected["source_row"].tolist() == [1]
    assert '"名称":"東公園"' in register.rejected["original"].iloc[0]
    assert register.rows == 6


def test_remote_islands_are_not_repaired(write: Write) -> None:
    text = (
        "名称,都道府県名,緯度,経度\n南鳥島,東京都,24.288889,153.979167\n沖ノ鳥島,東京都,20.422746,136.0811\n"
        "父島,東京都,27.094512,142.191812\n"
    )
    register = inventory.read_assets(write("a.csv", text), kind="land")
    assert len(register.assets) == 3
    assert not register.assets["repaired"].any()
    assert register.findings.empty


def test_point_outside_the_prefecture_is_not_used(write: Write) -> None:
    text = "名称,住所,緯度,経度\n東公園,東京都多摩市1,42.562611,141.349451\n"
    register = inventory.read_assets(write("a.csv", text))
    assert register.assets.empty
    assert register.needs_position["name"].tolist() == ["東公園"]
    assert "outside_prefecture" in set(register.findings["rule"])


def test_foreign_register_is_kept_and_flagged(write: Write) -> None:
    text = (
        "FACNAME,ADDRESS,BORO,FACTYPE,LATITUDE,LONGITUDE\n"
        "P.S. 1,8 HENRY ST,MANHATTAN,ELEMENTARY SCHOOL,40.712345,-73.998765\n"
    )
    register = inventory.read_assets(write("a.csv", text), plan_crs="EPSG:32618")
    assert register.assets["kind"].tolist() == ["school"]
    assert "foreign_register" in set(register.findings["rule"])


PLANE = pyproj.Transformer.from_crs("EPSG:6668", "EPSG:6677", always_xy=True)
UTM = pyproj.Transformer.from_crs("EPSG:6668", "EPSG:6691", always_xy=True)
MERCATOR = pyproj.Transformer.from_crs("EPSG:6668", "EPSG:3857", always_xy=True)


@pytest.mark.parametrize(
    ("header", "system", "northing_first"),
    [
        ("X座標,Y座標", PLANE, True),
        ("平面直角座標X,平面直角座標Y", PLANE, True),
        ("x,y", PLANE, False),
        ("easting,northing", PLANE, False),
        ("X,Y", UTM, False),
        ("x_coord,y_coord", MERCATOR, False),
    ],
)
def test_metres(
    header: str, system: pyproj.Transformer, northing_first: bool, write: Write
) -> None:
    east, north = system.transform(139.691667, 35.689444)
    pair = (north, east) if northing_first else (east, north)
    text = f"名称,住所,{header}\n東公園,東京都新宿区1,{pair[0]:.3f},{pair[1]:.3f}\n"
    register = inventory.read_assets(write("a.csv", text))
    asset = register.assets.iloc[0]
    assert asset["latitude"] == pytest.approx(35.689444, abs=1e-6)
    assert asset["longitude"] == pytest.approx(139.691667, abs=1e-6)
    assert "crs_assumed" in set(register.findings["rule"])


def test_metres_without_a_system_are_a_question(write: Write) -> None:
    text = "名称,X座標,Y座標\n東公園,-34419.1,-12874.6\n"
    register = inventory.read_assets(write("a.csv", text))
    assert register.assets.empty
    assert "crs_unknown" in set(register.findings["rule"])
    said = inventory.read_assets(write("a.csv", text), crs="EPSG:6677")
    assert said.assets["latitude"].iloc[0] == pytest.approx(35.68968, abs=1e-4)


def test_zone_column(write: Write) -> None:
    east, north = pyproj.Transformer.from_crs(6668, 6674, always_xy=True).transform(135.5, 34.7)
    text = f"名称,系番号,X座標,Y座標\n東公園,6系,{north:.3f},{east:.3f}\n"
    asset = inventory.read_assets(write("a.csv", text)).assets.iloc[0]
    assert (asset["latitude"], asset["longitude"]) == (
        pytest.approx(34.7, abs=1e-6),
        pytest.approx(135.5, abs=1e-6),
    )


# The first-order triangulation point at Tsukuba, from the TKY2JGD documentation: input in the Tokyo
# datum, output in JGD2000.
def test_tokyo_datum_against_the_published_point() -> None:
    lat, lon, approximate = datum.tokyo_to_jgd(
        np.array([36.103774791666666 - 0.0031918821, 36.100578889]),
        np.array([140.08785504166664 + 0.003278, 140.091149167]),
    )
    assert lat[1] == pytest.approx(36.10377077065109, abs=1e-10)
    assert lon[1] == pytest.approx(140.08787082896106, abs=1e-10)
    assert not approximate.any()


@QUIET
@given(st.floats(24.5, 45.4), st.floats(123.0, 148.0))
def test_tokyo_datum_against_the_peer(lat: float, lon: float) -> None:
    import tky2jgd

    if not tky2jgd.tky2jgd.PAR:
        tky2jgd.load_parameter(Path(tky2jgd.__file__).parent / "data" / "TKY2JGD.par")
    d_lat, d_lon = tky2jgd.bilinear(lat, lon)
    new_lat, new_lon, approximate = datum.tokyo_to_jgd(np.array([lat]), np.array([lon]))
    if d_lat is None:
        assert approximate[0]
        assert abs(new_lat[0] - lat) < 0.01
    elif not approximate[0]:
        assert new_lat[0] == pytest.approx(lat + d_lat / 3600, abs=1e-9)
        assert new_lon[0] == pytest.approx(lon + d_lon / 3600, abs=1e-9)


@pytest.mark.parametrize("how", ["header", "argument", "column"])
def test_tokyo_datum_registers(how: str, write: Write) -> None:
    names = ("緯度（日本測地系）", "経度（日本測地系）") if how == "header" else ("緯度", "経度")
    stated = "日本測地系" if how == "column" else ""
    text = f"名称,{names[0]},{names[1]},測地系\n東公園,35.686200,139.694900,{stated}\n"
    register = inventory.read_assets(
        write("a.csv", text), crs="EPSG:4301" if how == "argument" else None
    )
    asset = register.assets.iloc[0]
    assert asset["latitude"] == pytest.approx(35.689435, abs=1e-5)
    assert asset["longitude"] == pytest.approx(139.691672, abs=1e-5)
    assert "datum_tokyo" in set(register.findings["rule"])


@QUIET
@given(st.floats(20.1, 45.9), st.floats(122.1, 153.9))
def test_degrees_minutes_seconds_round_trip(lat: float, lon: float) -> None:
    for value in (lat, lon):
        seconds = round(value * 3600, 3)
        degrees, rest = divmod(seconds, 3600)
        minutes, rest = divmod(rest, 60)
        text = f"{int(degrees)}°{int(minutes)}′{rest:.3f}″"
        if rest < 59.9995:
            assert coordinates.parse_angle(text) == pytest.approx(value, abs=2e-7)


@QUIET
@given(st.lists(st.tuples(st.floats(20.1, 45.9), st.floats(122.1, 153.9)), min_size=1, max_size=20))
def test_repair_is_idempotent_and_never_touches_what_is_right(
    pairs: list[tuple[float, float]],
) -> None:
    lat, lon = np.array(pairs).T
    written, plain = np.ones(len(lat), bool), np.zeros(len(lat), bool)
    points = coordinates.repair(lat, lon, written, plain)
    np.testing.assert_array_equal(points.lat, lat)
    np.testing.assert_array_equal(points.lon, lon)
    assert not (points.swapped | points.respelled).any()
    swapped = coordinates.repair(lon, lat, written, plain)
    np.testing.assert_array_equal(swapped.lat, lat)
    assert swapped.swapped.all()


def test_pairs_in_one_cell_and_well_known_text(write: Write) -> None:
    pair = inventory.read_assets(
        write("a.csv", '名称,位置情報\n東公園,"35.661111, 139.701111"\n西公園,"139.702,35.662"\n')
    )
    assert pair.assets["latitude"].tolist() == [35.661111, 35.662]
    wkt = inventory.read_assets(
        write("b.csv", 'name,the_geom\nlibrary,POINT (139.701111 35.661111)\nnone,""\n')
    )
    assert wkt.assets["longitude"].tolist() == [139.701111]
    assert len(wkt.rejected) == 1


def test_coarse_and_shared_positions_are_flagged(write: Write) -> None:
    rows = [f"第{i}公園,港区芝{i}-1,35.661111,139.701111" for i in range(12)]
    text = "名称,住所,緯度,経度\n" + "\n".join(rows) + "\n東公園,港区台場1,35.63,139.77\n"
    found = inventory.read_assets(write("a.csv", text)).findings
    assert (found["rule"] == "same_position").sum() == 12
    assert found[found["rule"] == "coarse_coordinates"]["source_row"].tolist() == [13]
