"""One register in every container gives the same assets."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import openpyxl
import pandas as pd
import pytest

from tdh import inventory
from tdh.errors import RegisterError

COMPARED = ["name", "kind", "owner", "address", "municipality_code", "source_row", "published_id"]


def geographic(facilities: pd.DataFrame) -> gpd.GeoDataFrame:
    """The facilities with points; GeoJSON and KML take no latitude beyond 90, so they are right."""
    lat = facilities["緯度"].astype(float)
    lon = facilities["経度"].astype(float)
    swapped = lat > lon
    points = gpd.points_from_xy(lon.where(~swapped, lat), lat.where(~swapped, lon))
    return gpd.GeoDataFrame(
        facilities.drop(columns=["緯度", "経度"]), geometry=points, crs="EPSG:6668"
    )


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "a.csv": lambda f, p: f.to_csv(p, index=False),
    "bom.csv": lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig"),
    "sjis.csv": lambda f, p: f.to_csv(p, index=False, encoding="cp932"),
    "euc.csv": lambda f, p: f.to_csv(p, index=False, encoding="euc_jp"),
    "utf16.txt": lambda f, p: f.to_csv(p, index=False, encoding="utf-16", sep="\t"),
    "a.xlsx": lambda f, p: f.to_excel(p, index=False),
    "excel.csv": lambda f, p: (
        f.to_excel(p.with_suffix(".xlsx"), index=False)
        or p.write_bytes(p.with_suffix(".xlsx").read_bytes())
    ),
    "a.json": lambda f, p: f.to_json(p, orient="records", force_ascii=False),
    "a.geojson": lambda f, p: geographic(f).to_file(p),
    "a.gpkg": lambda f, p: geographic(f).to_file(p),
    "plane.gpkg": lambda f, p: geographic(f).to_crs("EPSG:6677").to_file(p),
    "a.shp": lambda f, p: geographic(f).to_file(p, encoding="utf-8"),
    "sjis.shp": lambda f, p: geographic(f).to_file(p, encoding="cp932"),
    "a.parquet": lambda f, p: geographic(f).to_parquet(p),
    "a.kml": lambda f, p: geographic(f).to_file(p, driver="KML"),
    "lib.kml": lambda f, p: geographic(f).to_file(p, driver="LIBKML"),
    "a.kmz": lambda f, p: geographic(f).to_file(p, driver="LIBKML"),
    "a.gml": lambda f, p: geographic(f).to_file(p, driver="GML"),
    "a.fgb": lambda f, p: geographic(f).to_file(p, SPATIAL_INDEX="NO"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_every_container_gives_the_same_assets(
    name: str, facilities: pd.DataFrame, tmp_path: Path
) -> None:
    facilities.to_csv(tmp_path / "reference.csv", index=False)
    expected = inventory.read_assets(tmp_path / "reference.csv", source="facilities")
    WRITERS[name](facilities, tmp_path / name)
    got = inventory.read_assets(tmp_path / name, source="facilities")
    assert len(got.assets) == 5
    assert got.rejected.empty and got.needs_position.empty
    left, right = expected.assets, got.assets
    pd.testing.assert_index_equal(left.index, right.index)
    pd.testing.assert_frame_equal(
        pd.DataFrame(left[COMPARED]).fillna(""), pd.DataFrame(right[COMPARED]).fillna("")
    )
    assert left.geometry.distance(right.geometry).max() < 0.01


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_shapefile_in_a_zip_with_japanese_names(facilities: pd.DataFrame, tmp_path: Path) -> None:
    data = geographic(facilities)
    for folder, encoding in (("UTF-8", "utf-8"), ("Shift-JIS", "cp932")):
        (tmp_path / folder).mkdir()
        data.to_file(tmp_path / folder / "施設.shp", encoding=encoding)
    with zipfile.ZipFile(tmp_path / "施設.zip", "w") as archive:
        for path in sorted(tmp_path.glob("*/施設.*")):
            archive.write(path, path.relative_to(tmp_path))
    register = inventory.read_assets(tmp_path / "施設.zip")
    assert register.rows == 5  # the same data in two encodings is one register
    assert register.format == "zip:shp"
    assert register.assets["name"].tolist()[0] == "神南小学校"


def test_workbook_with_cover_titles_merged_headers_and_notes(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "表紙"
    book.active["A1"] = "この表について"
    sheet = book.create_sheet("施設")
    sheet["A1"] = "施設一覧（令和5年）"
    sheet.merge_cells("A1:F1")
    sheet.append([])
    sheet.append(["No.", "名称", "所在地", "位置", None, "設置年月日"])
    sheet.append([None, None, None, "緯度", "経度", None])
    sheet.merge_cells("D3:E3")
    sheet.append([1, "東図書館", "港区芝1-1", 35.651111, 139.751111, pd.Timestamp("2000-04-01")])
    sheet.append([2, "西図書館", "港区芝2-1", 35.652222, 139.752222, 36617])
    sheet.append(["※出典：港区"])
    legend = book.create_sheet("凡例")
    legend.append(["項目", "説明"])
    legend.append(["名称", "施設の名称"])
    book.save(tmp_path / "施設.xlsx")
    register = inventory.read_assets(tmp_path / "施設.xlsx")
    assert register.assets["name"].tolist() == ["東図書館", "西図書館"]
    assert register.assets["year_built"].tolist() == ["2000-04-01", "2000-04-01"]
    assert register.assets["source_row"].tolist() == [1, 2]
    assert {"title_lines", "two_row_header", "note_line", "skipped_part"} <= set(
        register.findings["rule"]
    )


def test_gtfs_feed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "feed.zip", "w") as archive:
        archive.writestr("agency.txt", "agency_id,agency_name\n1,都営バス\n")
        archive.writestr(
            "stops.txt", "stop_id,stop_name,stop_lat,stop_lon\n1_1,渋谷駅前,35.661234,139.701234\n"
        )
    register = inventory.read_assets(tmp_path / "feed.zip")
    assert register.format == "gtfs"
    assert register.assets["kind"].tolist() == ["bus_stop"]


KSJ = """<?xml version="1.0" encoding="{encoding}"?>
<ksj:Dataset xmlns:ksj="k" xmlns:gml="http://www.opengis.net/gml/3.2"
 xmlns:xlink="http://www.w3.org/1999/xlink">
<gml:Point gml:id="n1"><gml:pos>35.66 139.70</gml:pos></gml:Point>
<ksj:BusStop gml:id="B1"><ksj:position xlink:href="#n1"/>
<ksj:busStopName>渋谷駅前</ksj:busStopName></ksj:BusStop></ksj:Dataset>"""


@pytest.mark.parametrize("encoding", ["UTF-8", "Shift_JIS"])
def test_ksj_gml(encoding: str, write: Callable[..., Path]) -> None:
    path = write("P11.xml", KSJ.format(encoding=encoding), encoding)
    asset = inventory.read_assets(path).assets.iloc[0]
    assert (asset["name"], asset["kind"]) == ("渋谷駅前", "bus_stop")
    assert (asset["latitude"], asset["longitude"]) == (35.66, 139.70)


CITYGML = """<core:CityModel xmlns:core="c" xmlns:bldg="b" xmlns:gml="http://www.opengis.net/gml">
<gml:boundedBy><gml:Envelope srsName="http://www.opengis.net/def/crs/EPSG/0/6697">
<gml:lowerCorner>35 139 0</gml:lowerCorner></gml:Envelope></gml:boundedBy>
<core:cityObjectMember><bldg:Building gml:id="BLD_1">
<bldg:measuredHeight uom="m">{height}</bldg:measuredHeight>
<bldg:storeysAboveGround>9999</bldg:storeysAboveGround>
<bldg:lod0RoofEdge><gml:MultiSurface><gml:surfaceMember><gml:Polygon><gml:exterior>
<gml:LinearRing><gml:posList>35.0 139.0 5 35.0 139.001 5 35.001 139.001 5 35.001 139.0 5
35.0 139.0 5</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember>
</gml:MultiSurface></bldg:lod0RoofEdge><undeclared:extra>1</undeclared:extra>
</bldg:Building></core:cityObjectMember></core:CityModel>"""


@pytest.mark.parametrize(("stated", "height"), [("12.5", 12.5), ("-9999", None), ("9999", None)])
def test_plateau_buildings(stated: str, height: float | None, write: Callable[..., Path]) -> None:
    path = write("bldg.gml", CITYGML.format(height=stated))
    register = inventory.read_assets(path)
    asset = register.assets.iloc[0]
    assert asset["kind"] == "building"
    assert asset["latitude"] == pytest.approx(35.0005)
    assert asset["longitude"] == pytest.approx(139.0005)
    assert pd.isna(asset["height_agl_m"]) if height is None else asset["height_agl_m"] == height
    assert pd.isna(asset["floors"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"   \n\n", "empty"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
        (b"<html><body>Not found</body></html>", "web page"),
        (b"<a><b>1</b></a>", "no register"),
        (b'{"a": 1}', "record"),
        (b"PK\x03\x04broken", "damaged"),
        (b"SQLite format 3\x00broken", "damaged"),
        (b"PAR1broken", "damaged"),
        (b'[{"a": 1}, {"a"', "damaged"),
    ],
)
def test_what_is_no_register_is_refused(
    content: bytes, said: str, write: Callable[..., Path]
) -> None:
    if said == "record":
        # One object is one record: it has neither point nor address, and is refused as such.
        assert len(inventory.read_assets(write("a.csv", content)).rejected) == 1
        return
    with pytest.raises(RegisterError, match=said):
        inventory.read_assets(write("a.csv", content))


def test_a_table_in_a_web_page(write: Callable[..., Path]) -> None:
    page = (
        "<html><table><tr><th>名称</th><th>緯度</th><th>経度</th></tr>"
        "<tr><td>東公園</td><td>35.661111</td><td>139.701111</td></tr></table></html>"
    )
    register = inventory.read_assets(write("a.xls", page))
    assert register.format == "html"
    assert register.assets["kind"].tolist() == ["park"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO("名称,緯度,経度\n東公園,35.661111,139.701111\n".encode("cp932"))

    monkeypatch.setattr("sys.stdin", Stdin())
    register = inventory.read_assets("-")
    assert register.source == "stdin"
    assert len(register.assets) == 1


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(RegisterError):
            inventory.read_assets(path)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_headers_cut_at_ten_bytes(encoding: str, tmp_path: Path) -> None:
    """Cut, several headers of the municipal standard become the same; cells tell them apart."""
    frame = gpd.GeoDataFrame(
        {
            "全国地方公共団体コード": ["131130", "131041"],
            "地方公共団体名": ["渋谷区", "新宿区"],
            "名称": ["神南小学校", "中央公園"],
            "名称_カナ": ["ジンナンショウガッコウ", "チュウオウコウエン"],
            "所在地_全国地方公共団体コード": ["131130", "131041"],
            "所在地_連結表記": ["東京都渋谷区神南1-1", "東京都新宿区西新宿2-11"],
            "所在地_都道府県": ["東京都", "東京都"],
            "所在地_市区町村": ["渋谷区", "新宿区"],
            "所在地_町字": ["神南", "西新宿"],
            "高度の種別": ["", ""],
            "高度の値": ["", ""],
        },
        geometry=gpd.points_from_xy([139.701234, 139.689512], [35.664321, 35.690412]),
        crs="EPSG:6668",
    )
    frame.to_file(tmp_path / "a.shp", encoding=encoding)
    assets = inventory.read_assets(tmp_path / "a.shp").assets
    assert assets["name"].tolist() == ["神南小学校", "中央公園"]
    assert assets["address"].tolist() == ["東京都渋谷区神南1-1", "東京都新宿区西新宿2-11"]
    assert assets["municipality_code"].tolist() == ["13113", "13104"]
    assert assets["height_agl_m"].isna().all()
