"""Day/night ratios of municipalities: read from tables as published, and made people by day."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest

import tdh
from tdh import demand, surface
from tdh.demand.ratios import by_day, read_ratios
from tdh.errors import InputError
from tdh.grid import Grid
from tdh.results import Run
from tdh.scenario import DemandSource

CRS = "EPSG:6677"

# 平成27年国勢調査: 千代田区 58,406 residents, 853,068 by day, 1460.6; 中央区 431.1; 港区 386.7.
CENSUS = """第3表 昼夜間人口比率 - 市区町村,,,,,
,,,,,
地域コード,地域,常住地による人口,従業地・通学地による人口,,昼夜間
,,(夜間人口),(昼間人口),,"人口
比率"
13100,特別区部,"９,２７２,７４０","12,033,592",,129.8
１３１０１,千代田区,"58,406","853,068",,１，４６０．６
131024,中央区,,,,431.1
13103,港区,,,,386.7
13421,小笠原村,,,,-
(注) 年齢不詳を含む。,,,,,
"""


def test_the_census_table_with_its_messy_heads(tmp_path: Path) -> None:
    path = tmp_path / "ratio.csv"
    path.write_text(CENSUS, encoding="cp932")
    expected = {"13100": 1.298, "13101": 14.606, "13102": 4.311, "13103": 3.867}
    assert read_ratios(path).to_dict() == pytest.approx(expected)


def test_a_workbook_with_codes_before_names(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["第1-1表 昼夜間人口比率"])
    sheet.append([])
    sheet.append(["地域", "夜間人口", "", "昼夜間人口比率", "", ""])
    sheet.append(["", "総数", "男", "総数", "男", "女"])
    sheet.append(["13101_千代田区", 58406, 29000, 1460.6, 1700.1, 1220.2])
    sheet.append(["13102_中央区", 141183, 67000, 431.1, 466.0, 399.0])
    book.save(tmp_path / "ratio.xlsx")
    assert read_ratios(tmp_path / "ratio.xlsx").to_dict() == pytest.approx(
        {"13101": 14.606, "13102": 4.311}
    )


def test_the_ratio_from_people_by_day_and_by_night(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(
        '市区町村コード,昼間人口,夜間人口\n13101,"853,068","58,406"\n13102,…,141183\n',
        encoding="utf-8",
    )
    ratios = read_ratios(path)
    assert list(ratios.index) == ["13101"]
    assert ratios["13101"] == pytest.approx(14.606, abs=5e-4)  # the census rounds to 0.1 %


def test_one_figure_a_row_as_the_database_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(
        '"統計名：","社会・人口統計体系"\n"表番号：","0000020201"\n\n'
        '"調査年 コード","調査年","地域 コード","地域","項目","value"\n'
        '"2015100000","2015年度","13101","千代田区","A6108_昼夜間人口比率","1460.6"\n'
        '"2020100000","2020年度","13101","千代田区","A6108_昼夜間人口比率","1753.7"\n'
        '"2020100000","2020年度","13101","千代田区","A1101_総人口","66680"\n',
        encoding="cp932",
    )
    assert read_ratios(path).to_dict() == pytest.approx({"13101": 17.537})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("地域コード,人口\n13101,5\n", "no table holds"),
        ("地域コード,昼夜間人口比率\n13101,14.6\n13102,4.3\n", "not percents"),
        ("地域コード,昼夜間人口比率\n13101,多数\n", "not numbers"),
        ("地域コード,昼夜間人口比率\n13101,90\n131016,91\n", "several different"),
        ("地域コード,昼夜間人口比率(H27),昼夜間人口比率(R2)\n13101,90,91\n", "several columns"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_ratios(path)


def test_one_of_several_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("地域コード,昼夜間人口比率(H27),昼夜間人口比率(R2)\n13101,90,91\n", "utf-8")
    assert read_ratios(path, "昼夜間人口比率（R2）").to_dict() == pytest.approx({"13101": 0.91})


def test_people_by_day_by_hand() -> None:
    """Two municipalities; in the first a tower stands where nobody lives, in the second nothing."""
    cells = pd.DataFrame(
        {
            "municipality_code": ["13101", "13101", "13101", "13102", "13102"],
            "population": [100.0, 0.0, 300.0, 30.0, 10.0],
        }
    )
    ratios = pd.Series({"13101": 2.0, "13102": 0.5})
    volume = np.array([1.0, 6.0, 1.0, 0.0, 0.0])
    got = by_day(ratios, cells, volume, "t.csv")
    assert got == pytest.approx([100.0, 600.0, 100.0, 15.0, 5.0])
    assert by_day(ratios, cells, None, "t.csv") == pytest.approx([200.0, 0.0, 600.0, 15.0, 5.0])
    with pytest.raises(InputError, match="1 municipalities") as caught:
        by_day(ratios.drop("13102"), cells, volume, "t.csv")
    assert "13102" in str(caught.value)


def test_a_run_gets_people_by_day_and_by_night(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    codes = sorted(demo_run.cells["municipality_code"].unique())
    path = tmp_path / "ratio.csv"
    lines = [f"{code},{100 + 10 * i}" for i, code in enumerate(codes)]
    path.write_text("\n".join(["市区町村コード,昼夜間人口比率", *lines]), encoding="cp932")
    source = demo_run.scenario.demand
    sources = [
        DemandSource(path=path, moment="day", type="ratio", source="invented", synthetic=True),
        DemandSource(path=source.population, moment="night", type="mesh", factor=0.9),
    ]
    scenario = demo_run.scenario.model_copy(
        update={"demand": source.model_copy(update={"sources": sources})}
    )
    assert "demand: ratio.csv (derived from ratio)" in dict(scenario.provenances())
    assert tdh.check(scenario).facts["people by day: ratio.csv"] == {
        "derived": "from ratio",
        "municipalities": len(codes),
    }
    run = tdh.run(scenario, folder, overwrite=True)
    sums = run.cells.groupby("municipality_code")[["population", "population_day"]].sum()
    expected = [(1 + 0.1 * i) * sums.loc[code, "population"] for i, code in enumerate(codes)]
    np.testing.assert_allclose(sums.loc[codes, "population_day"], expected)
    np.testing.assert_allclose(run.cells["population_night"], 0.9 * run.cells["population"])
    assert run.summary["people_night_in_gap_before"] == pytest.approx(
        0.9 * run.summary["people_in_gap_before"]
    )
    assert run.gap_regions["unmet_people_night"].sum() == pytest.approx(
        0.9 * run.gap_regions["unmet_people"].sum()
    )
    told = next(s for s in run.manifest["stages"] if s["name"] == "cells")["facts"]["sources"]
    assert told[0]["derived"] == "from ratio" and told[1]["moment"] == "night"
    listed = next(i for i in run.manifest["inputs"] if i["path"] == str(path))
    assert listed["source"] == "invented" and listed["synthetic"]


def test_a_ratio_is_of_the_day() -> None:
    with pytest.raises(ValueError, match="moment must be day"):
        DemandSource(path=Path("r.csv"), moment="night", type="ratio")


@pytest.mark.real
def test_chiyoda_by_day(data_dir: Path, tmp_path: Path) -> None:
    """The census's 853,068 people by day (2015), from its meshes of residents and its ratio."""
    tokyo = data_dir / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["13101"]
    )
    grid = Grid.around(tuple(wards.total_bounds), 25, CRS)
    heights = surface.read(
        [tokyo / "buildings" / "tokyo23_building_height_4m.tif"],
        bounds=tuple(wards.buffer(1000).total_bounds),
        crs=CRS,
    )
    residents = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    cells = demand.make_cells(grid, wards, residents, heights)
    path = tmp_path / "ratio.csv"
    path.write_text(CENSUS, encoding="cp932")
    source = DemandSource(path=path, moment="day", type="ratio")
    day = demand.people_at([source], cells, grid, wards, heights)["day"]
    assert day.sum() == pytest.approx(853_068, rel=0.05)
    # Where few live and many work: within 400 m of Tokyo station.
    station = gpd.GeoSeries.from_xy([139.7671], [35.6812], crs="EPSG:6668").to_crs(CRS)[0]
    near = cells.distance(station) < 400
    residents_near, day_near = cells["population"][near].sum(), day[near].sum()
    assert cells["population"].sum() == pytest.approx(58_406, rel=0.05)
    assert residents_near < 0.02 * cells["population"].sum()
    assert day_near > 0.05 * day.sum()
