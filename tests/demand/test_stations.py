"""Passengers of stations as 国土数値情報 S12 gives them."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tdh
from tdh.demand import read_stations
from tdh.errors import InputError
from tdh.results import Run
from tdh.scenario import DemandSource

CRS = "EPSG:6677"

# As published (S12 through the API of 不動産情報ライブラリ): two stations of JR East in Kita ward.
# Passengers by fiscal year from 2011; those of 2022 have codes as numbers, the others as text.
KAMINAKAZATO = [14104, 13966, 13946, 14188, 14488, 14818, 15280, 16124, 16124, 11776, 12314, 13094]
OKU = [15368, 15288, 15486, 16056, 16248, 17744, 18084, 20000, 20000, 16758, 17560, 18970]
LINES = {
    "上中里": [[139.74696278572083, 35.74652314444997], [139.74711030721664, 35.74644912960676]],
    "尾久": [[139.7545427083969, 35.74652314444997], [139.75508987903595, 35.74627062293705]],
}


def record(
    name: str,
    figures: list[int | None],
    code: str | None,
    line: list[list[float]],
    *,
    company: str = "東日本旅客鉄道",
    rail: str = "東北線",
    codes: tuple[Any, Any] = ("1", "1"),
) -> dict[str, Any]:
    """One record; ``codes`` are 重複コード and データ有無コード of every year."""
    columns: dict[str, Any] = {"S12_001": name, "S12_002": company, "S12_003": rail}
    if code is not None:
        columns |= {"S12_001c": code, "S12_001g": code}
    for k, figure in enumerate(figures):
        columns |= {
            f"S12_{6 + 4 * k:03d}": codes[0],
            f"S12_{7 + 4 * k:03d}": codes[1],
            f"S12_{8 + 4 * k:03d}": "",
            f"S12_{9 + 4 * k:03d}": figure,
        }
    geometry = {"type": "LineString", "coordinates": line}
    return {"type": "Feature", "properties": columns, "geometry": geometry}


def written(path: Path, *records: dict[str, Any]) -> Path:
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::6668"}}
    whole = {"type": "FeatureCollection", "crs": name, "features": list(records)}
    path.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    return path


def two_published(years: int = 12) -> list[dict[str, Any]]:
    found = [
        record("上中里", KAMINAKAZATO[:years], "003277", LINES["上中里"]),
        record("尾久", OKU[:years], "003278", LINES["尾久"]),
    ]
    for one in found:
        if years == 12:
            one["properties"] |= {"S12_050": 1, "S12_051": 1}
    return found


def test_the_newest_year_is_found_by_itself(tmp_path: Path) -> None:
    found = read_stations(written(tmp_path / "s12.geojson", *two_published()), CRS)
    assert found.year == 2022
    assert found.passengers.tolist() == [13094.0, 18970.0]
    assert found.unknown == () and found.elsewhere == 0
    # An earlier release, S12-20, ends with fiscal year 2019; the first has 2011 alone.
    assert read_stations(written(tmp_path / "a.geojson", *two_published(9)), CRS).year == 2019
    first = read_stations(written(tmp_path / "b.geojson", *two_published(1)), CRS)
    assert (first.year, first.passengers.sum()) == (2011, 14104 + 15368)
    assert found.shapes.crs == CRS and found.shapes.length.max() < 100


@pytest.mark.parametrize(("column", "expected"), [("2019", 36124), ("S12_045", 28534)])
def test_another_year_can_be_named(tmp_path: Path, column: str, expected: float) -> None:
    found = read_stations(written(tmp_path / "s.geojson", *two_published()), CRS, column)
    assert found.passengers.sum() == expected


def test_a_year_without_any_figure_is_passed_over(tmp_path: Path) -> None:
    records = two_published()
    for one in records:
        one["properties"] |= {"S12_051": 3, "S12_053": 0}
    found = read_stations(written(tmp_path / "s.geojson", *records), CRS)
    assert (found.year, found.passengers.sum()) == (2021, 12314 + 17560)


def test_nobody_counts_twice_and_unpublished_is_not_zero(tmp_path: Path) -> None:
    """One station of two companies and three lines; by hand 800,000 + 300,000."""
    here, there = LINES["上中里"], LINES["尾久"]
    path = written(
        tmp_path / "s.geojson",
        # Told once for two lines: the second line's record says 2 and holds 0 (or repeats it).
        record("大駅", [800_000], "000001", here, rail="東海道線"),
        record("大駅", [0], "000002", here, rail="山手線", codes=("2", "1")),
        record("大駅", [800_000], "000003", here, rail="中央線", codes=(2, 1)),
        # Another company, its platforms in two records of one code.
        record("大駅", [300_000], "000004", here, company="地下鉄", rail="1号線"),
        record("大駅", [300_000], "000004", there, company="地下鉄", rail="1号線"),
        # Not public; no figures; not yet built; published as zero.
        record("秘駅", [0], "000005", there, codes=("1", "3")),
        record("無人駅", [None], "000006", there, codes=("1", "2")),
        record("新駅", [0], "000007", there, codes=("1", "4")),
        record("休駅", [0], "000008", there),
    )
    found = read_stations(path, CRS)
    assert sorted(found.passengers.tolist()) == [0.0, 300_000.0, 800_000.0]
    assert found.elsewhere == 2
    assert [name.split()[-1] for name in found.unknown] == ["無人駅", "秘駅"]
    assert len(found.shapes) == 3
    both = found.shapes[found.passengers == 300_000].iloc[0]
    assert len(both.geoms) == 2  # its passengers stand on both platforms


def test_a_release_without_station_codes(tmp_path: Path) -> None:
    here, there = LINES["上中里"], LINES["尾久"]
    path = written(
        tmp_path / "s.geojson",
        record("大駅", [500], None, here),
        record("大駅", [500], None, there),
        record("大駅", [500], None, there, company="地下鉄"),
    )
    assert read_stations(path, CRS).passengers.tolist() == [500.0, 500.0]


def test_the_zip_as_downloaded(tmp_path: Path) -> None:
    inner = written(tmp_path / "S12-23.geojson", *two_published())
    with zipfile.ZipFile(tmp_path / "S12-23_GML.zip", "w") as archive:
        archive.writestr("S12-23_GML/KS-META-S12-23.xml", "<x/>")
        archive.writestr("S12-23_GML/Shift-JIS/S12-23.geojson", "{}")
        archive.write(inner, "S12-23_GML/UTF-8/S12-23.geojson")
    assert read_stations(tmp_path / "S12-23_GML.zip", CRS).passengers.sum() == 13094 + 18970


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "s.geojson", *two_published())
    with pytest.raises(InputError, match="no such year") as caught:
        read_stations(path, CRS, "1999")
    assert "2022 (S12_053)" in str(caught.value)
    other = {"type": "Feature", "properties": {"passenger": 5}}
    other["geometry"] = {"type": "Point", "coordinates": LINES["尾久"][0]}
    with pytest.raises(InputError, match="columns of S12"):
        read_stations(written(tmp_path / "o.geojson", other), CRS)
    records = two_published()
    for one, figure in zip(records, ("多数", "18,970"), strict=True):
        one["properties"]["S12_053"] = figure
    with pytest.raises(InputError, match="not numbers"):
        read_stations(written(tmp_path / "p.geojson", *records), CRS)
    for one in records:
        one["properties"]["S12_053"] = -1
    with pytest.raises(InputError, match="negative"):
        read_stations(written(tmp_path / "p.geojson", *records), CRS)
    (tmp_path / "x.zip").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_stations(tmp_path / "x.zip", CRS)


def test_a_run_gets_its_stations(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    lonlat = demo_run.cells.geometry.iloc[[4000, 9000]].to_crs("EPSG:6668")
    lines = [[[p.x, p.y], [p.x + 1e-6, p.y]] for p in lonlat]
    path = written(
        tmp_path / "s12.geojson",
        record("西", KAMINAKAZATO, "1", lines[0]),
        record("西", KAMINAKAZATO, "2", lines[0], codes=("2", "1")),
        record("東", OKU, "3", lines[1]),
        record("秘", OKU, "4", lines[1], codes=("1", "3")),
    )
    source = DemandSource(path=path, moment="day", type="stations", factor=0.5)
    demand = demo_run.scenario.demand.model_copy(update={"sources": [source]})
    scenario = demo_run.scenario.model_copy(update={"demand": demand})
    facts = tdh.check(scenario).facts["people by day: s12.geojson"]
    assert facts["people"] == (13094 + 18970) / 2 and facts["year"] == 2022
    run = tdh.run(scenario, folder, overwrite=True)
    day = run.cells["population_day"]
    assert np.flatnonzero(day).tolist() == [4000, 9000]
    assert day.iloc[[4000, 9000]].tolist() == [13094 / 2, 18970 / 2]
    cells = next(s for s in run.manifest["stages"] if s["name"] == "cells")
    (told,) = cells["facts"]["sources"]
    assert (told["year"], told["stations"], told["told_elsewhere"]) == (2022, 2, 1)
    assert len(told["not_published"]) == 1


def test_another_table_of_stations_is_told_how_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "stations.json"
    path.write_text(
        '[{"name": "甲", "lat": 35.7, "lng": 139.7, "passenger": 10}]', encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"type = .features. and the column"):
        read_stations(path, "EPSG:6677")
