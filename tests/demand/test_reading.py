"""Published files as they are: e-Stat's mesh statistics, plain tables, N03 boundaries."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tdh import demand
from tdh.errors import InputError

ESTAT = (
    "KEY_CODE,HTKSYORI,HTKSAKI,GASSAN,T001141001,T001141019\n"
    ",,,, 人口(総数), 65歳以上人口 総数\n"
    "533945251,0,,,1200,300\n"
    "533945252,1,,533945253,45,9\n"
    "533945253,2,533945252,,*,*\n"
    "533945254,0,,,0,0\n"
)


def write(path: Path, text: str, encoding: str = "cp932") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_e_stat_as_downloaded(tmp_path: Path) -> None:
    """``*`` is counted in the mesh that it was moved to: 1245 people, nothing lost."""
    path = write(tmp_path / "tblT001141H5339.txt", ESTAT)
    people = demand.read_population(path)
    assert people["mesh_code"].tolist() == [f"53394525{i}" for i in (1, 2, 3, 4)]
    assert people["population"].tolist() == [1200.0, 45.0, 0.0, 0.0]


@pytest.mark.parametrize("column", ["T001141019", "65歳以上人口 総数", "65歳以上人口 総数"])
def test_another_count_by_code_or_label(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "a.txt", ESTAT)
    assert demand.read_population(path, column)["population"].sum() == 309.0


def test_in_a_zip_and_joined_with_a_neighbour_that_repeats_a_mesh(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tbl.txt", ESTAT.encode("cp932"))
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    other = write(tmp_path / "b.csv", "mesh,人口\n533945254,0\n533946111,7\n")
    people = demand.read_population([tmp_path / "a.zip", other])
    assert len(people) == 5
    assert people["population"].sum() == 1252.0


def test_unnamed_columns_are_guessed_by_what_they_hold(tmp_path: Path) -> None:
    frame = pd.DataFrame({"grid500m": ["533945251", "533945252"], "people_2015": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "p.parquet")
    assert demand.read_population(tmp_path / "p.parquet")["population"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mesh,population\n533945251,1\n533945999,2\n", "mesh codes are not valid"),
        ("mesh,population\n533945251,-1\n", "counts are not numbers"),
        ("mesh,population\n533945251,1\n533945251,2\n", "two different counts"),
        ("mesh,population\n53394525,9\n533945251,2\n", "beside their own parts"),
        ("place,number of dogs\nx,1\n", "no column holds people"),
        ("", "not a table"),
    ],
)
def test_what_cannot_be_used_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        demand.read_population(write(tmp_path / "p.csv", text))


def test_a_damaged_parquet_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        demand.read_population(write(tmp_path / "p.parquet", "PAR1 not really"))


def boundaries(path: Path, properties: list[dict[str, object]]) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": p,
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [
                        [139 + i, 35],
                        [139.5 + i, 35],
                        [139.5 + i, 35.5],
                        [139 + i, 35.5],
                        [139 + i, 35],
                    ]
                ],
            },
        }
        for i, p in enumerate(properties)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_boundaries_are_dissolved_by_code_and_recognised(tmp_path: Path) -> None:
    path = boundaries(
        tmp_path / "n03.geojson",
        [
            {"N03_001": "東京都", "N03_004": "大島町", "N03_007": "13361"},
            {"N03_001": "東京都", "N03_004": "所属未定地", "N03_007": None},
            {"N03_001": "東京都", "N03_004": "大島町", "N03_007": "13361"},
            {"N03_001": "北海道", "N03_004": "函館市", "N03_007": "01202"},
        ],
    )
    table = demand.read_municipalities(path, "EPSG:6677")
    assert table.index.tolist() == ["01202", "13361"]
    assert table["municipality"].tolist() == ["函館市", "大島町"]
    only = demand.read_municipalities(path, "EPSG:6677", ["13"])
    assert only.index.tolist() == ["13361"]
    assert only.area.iloc[0] == pytest.approx(2 * 45_500 * 55_500, rel=0.03)
    with pytest.raises(InputError, match="no municipality"):
        demand.read_municipalities(path, "EPSG:6677", ["14"])


def test_codes_as_numbers_regain_their_zero(tmp_path: Path) -> None:
    path = boundaries(tmp_path / "b.geojson", [{"code": 1, "JISCODE": 1202, "name": "函館市"}])
    assert demand.read_municipalities(path, "EPSG:6677").index.tolist() == ["01202"]


def test_boundaries_that_cannot_be_used_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column holds municipality codes"):
        demand.read_municipalities(boundaries(tmp_path / "a.geojson", [{"x": 1}]), "EPSG:6677")
    with pytest.raises(InputError, match="cannot be read"):
        demand.read_municipalities(write(tmp_path / "b.geojson", "{}"), "EPSG:6677")


@pytest.mark.real
def test_real_files(data_dir: Path) -> None:
    tokyo = data_dir / "tokyo"
    people = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    assert (len(people), people["population"].sum()) == (16_734, 29_333_587.0)
    table = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", "EPSG:6677"
    )
    assert len(table) == 62
    assert np.all(table.is_valid)


def test_a_folder_of_files_is_read_as_one(tmp_path: Path) -> None:
    """Two prefectures' files that share a mesh at the border, and a note that is no table."""
    folder = tmp_path / "census"
    folder.mkdir()
    head = "KEY_CODE,HTKSYORI,HTKSAKI,GASSAN,T001141001\n,,,,人口（総数）\n"
    rows = ("533945253,0,,,120\n533945254,0,,,80\n", "533945254,0,,,80\n533945261,0,,,7\n")
    for name, body in zip(("a.txt", "b.txt"), rows, strict=True):
        (folder / name).write_text(head + body, encoding="cp932")
    (folder / "README.md").write_text("no table", encoding="utf-8")
    assert demand.read_population(folder)["population"].tolist() == [120.0, 80.0, 7.0]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no table"):
        demand.read_population(empty)
