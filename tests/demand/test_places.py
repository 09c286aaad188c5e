"""Places that must be served: any register, kinds by words, nothing lost without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdh.demand import PRIORITY_OF_KIND, PlaceSource, read_places
from tdh.errors import InputError

CRS = "EPSG:6677"


def write(path: Path, rows: list[str], encoding: str = "cp932") -> Path:
    path.write_text("\n".join(["名称,緯度,経度", *rows]), encoding=encoding)
    return path


def test_kinds_come_from_words_and_priorities_from_kinds(tmp_path: Path) -> None:
    mixed = write(
        tmp_path / "主要施設.csv",
        [
            "新宿区役所,35.6938,139.7036",
            "都立広尾病院(災害拠点病院),35.6465,139.7220",
            "新宿駅,35.6896,139.7006",
            "どこかの広場,35.70,139.70",
            "中央合同庁舎第2号館,35.6751,139.7512",
            "目黒区総合庁舎,35.6413,139.6982",
        ],
    )
    shelters = write(tmp_path / "避難場所一覧.csv", ["戸山公園一帯,35.7020,139.7160"])
    got = read_places([PlaceSource(mixed), PlaceSource(shelters, priority=7.0)], CRS)
    assert got.places["kind"].tolist() == [
        "town_hall",
        "disaster_hospital",
        "station",
        "other",
        "other",
        "town_hall",
        "evacuation_area",
    ]
    assert got.places["priority"].tolist() == [
        *(PRIORITY_OF_KIND[k] for k in got.places["kind"][:6]),
        7.0,
    ]
    assert got.places.crs == CRS and got.places.index.is_unique
    assert (got.rows, got.without_position) == (7, 0)


def test_a_kind_given_wins_and_lost_records_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["新宿駅,35.6896,139.7006", "位置なし,,"])
    got = read_places([PlaceSource(path, kind="temporary_stay")], CRS)
    assert got.places["kind"].tolist() == ["temporary_stay"]
    assert (got.rows, got.without_position) == (2, 1)
    twice = read_places([PlaceSource(path), PlaceSource(path)], CRS)
    assert len(twice.places) == 2 and twice.places.index.is_unique


def test_all_problems_at_once(tmp_path: Path) -> None:
    nowhere = write(tmp_path / "b.csv", ["位置なし,,"])
    with pytest.raises(InputError) as caught:
        read_places([PlaceSource(nowhere), PlaceSource(nowhere, kind="castle")], CRS)
    assert len(caught.value.problems) == 2
    assert read_places([], CRS).places.empty


@pytest.mark.real
def test_the_registers_of_tokyo(data_dir: Path) -> None:
    folder = data_dir / "tokyo"
    got = read_places(
        [
            PlaceSource(folder / "assets" / "130001_evacuation_area.csv"),
            PlaceSource(folder / "assets" / "都立一時滞在施設一覧.csv"),
            PlaceSource(folder / "population" / "S12-22_stations_passenger_derived.json"),
        ],
        CRS,
    )
    kinds = got.places["kind"].value_counts()
    assert kinds["station"] == 696
    assert kinds["temporary_stay"] + kinds["town_hall"] >= 220
    assert kinds["evacuation_area"] > 2200
    assert len(got.places) + got.without_position == got.rows
