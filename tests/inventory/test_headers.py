"""Headers are mapped by name; what is guessed is reported; a mapping of the user wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tdh import inventory
from tdh.errors import InputError, RegisterError
from tdh.inventory import headers, kinds

Write = Callable[..., Path]
OLD = (
    "都道府県コード又は市区町村コード,NO,都道府県名,市区町村名,名称,名称_カナ,名称_通称,POIコード,住所,方書,緯度,経度,電話番号,"
    "内線番号,法人番号,団体名,利用可能曜日,開始時間,終了時間,利用可能時間特記事項,説明,バリアフリー情報,URL,備考"
)
NEW = (
    "全国地方公共団体コード,ID,地方公共団体名,名称,名称_カナ,名称_英語,所在地_全国地方公共団体コード,町字ID,所在地_連結表記,"
    "所在地_都道府県,所在地_市区町村,所在地_町字,所在地_番地以下,建物名等(方書),設置位置,緯度,経度,高度の種別,高度の値,備考"
)
ENGLISH = (
    "localgov_code,id,localgov_name,name,name_kana,name_english,seat_localgov_code,choaza_id,"
    "seat_copulative_spell,seat_prefecture,seat_city,seat_choaza,seat_after_address,"
    "buillding_name_etc,set_position,latitude,longitude,advanced_classification,advanced_value"
)
HALF_WIDTH = NEW.replace("コード", "ｺｰﾄﾞ").replace("連結表記", "連結標記").replace("_", "＿")


@pytest.mark.parametrize("header", [OLD, NEW, ENGLISH, HALF_WIDTH])
def test_published_schemas(header: str) -> None:
    found = {c: m[0] for c in header.split(",") if (m := headers.classify(c))}
    fields = {field: column for column, field in found.items()}
    for wanted in ("name", "latitude", "longitude", "address", "id", "municipality_code"):
        assert wanted in fields, wanted
    assert "height" not in fields  # 高度の値 is an elevation, not a height above ground


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("1.名称", "name"), ("①施設名称", "name"), ("名称※", "name"), ("【必須】名称", "name"),
        ("施 設 名", "name"), ("公園の名称", "name"), ("FacilityName", "name"), ("FACNAME", "name"),
        ("施設緯度", "latitude"), ("緯度(世界測地系)", "latitude"), ("緯度(10進法)", "latitude"),
        ("Latitude (WGS84)", "latitude"), ("LAT_DD", "latitude"), ("経\n度", "longitude"),
        ("緯度（旧日本測地系）", "latitude_tokyo"), ("lon_tokyo", "longitude_tokyo"),
        ("設置場所の住所", "address"), ("所在地（地番）", "address"), ("Street Address", "address"),
        ("名称カナ", "name_kana"), ("区市町村\nコード", "municipality_code"),
        ("建物の高さ(m)", "height"), ("標高", "elevation"), ("延床面積（㎡）", "area_m2"),
        ("所管局", "bureau"), ("設置者", "owner"), ("竣工年月", "year_built"),
    ],
)  # fmt: skip
def test_variants(header: str, field: str) -> None:
    match = headers.classify(header)
    assert match is not None
    assert match[0] == field


@pytest.mark.parametrize(
    "header", ["担当者名", "路線名", "電話番号", "画像ファイル名", "メールアドレス", "ファイル名称"]
)
def test_what_is_no_field_of_an_asset(header: str) -> None:
    match = headers.classify(header)
    assert match is None or match[0] in ("other", "bureau")


def test_mapping_wins_and_is_checked(write: Write) -> None:
    path = write("a.csv", "名称,愛称名,緯度,経度\n東公園,ひがし,35.661111,139.701111\n")
    register = inventory.read_assets(path, mapping={"name": "愛称名"})
    assert register.assets["name"].tolist() == ["ひがし"]
    with pytest.raises(RegisterError) as caught:
        inventory.read_assets(path, mapping={"name": "無い列", "colour": "名称"})
    assert len(caught.value.problems) == 2


def test_bad_arguments(write: Write) -> None:
    path = write("a.csv", "名称,緯度,経度\n東公園,35.661111,139.701111\n")
    for arguments in (
        {"kind": "castle"},
        {"crs": "EPSG:0"},
        {"plan_crs": "EPSG:6668"},
        {"plan_crs": "nonsense"},
    ):
        with pytest.raises(InputError):
            inventory.read_assets(path, **arguments)


def test_header_without_names_is_guessed_and_reported(write: Write) -> None:
    path = write("a.csv", "列1,住所,緯度,経度\n東公園,江東区亀戸1,35.691234,139.821234\n")
    register = inventory.read_assets(path)
    assert register.mapping["name"] == "列1"
    assert "guessed_column" in set(register.findings["rule"])


def test_no_header(write: Write) -> None:
    path = write(
        "a.csv",
        "中央公園,新宿区西新宿2-11,35.6904,139.6895\n戸山公園,新宿区戸山3-2-1,35.7047,139.7087\n",
    )
    register = inventory.read_assets(path)
    assert register.assets["name"].tolist() == ["中央公園", "戸山公園"]
    assert register.needs_position.empty
    assert {"no_header", "guessed_column"} <= set(register.findings["rule"])


def test_titles_notes_blank_lines_and_repeated_headers(write: Write) -> None:
    path = write(
        "a.csv",
        "公園一覧\n令和5年4月1日現在\n\n番号,名称,緯度,経度\n1,東公園,35.661111,139.701111\n,,,\n"
        "番号,名称,緯度,経度\n2,西公園,35.662222,139.702222\n※座標は世界測地系\nVer1.2\n",
    )
    register = inventory.read_assets(path)
    assert register.rows == 2
    assert register.assets["source_row"].tolist() == [1, 2]
    assert {"title_lines", "blank_rows", "note_line", "repeated_header"} <= set(
        register.findings["rule"]
    )


def test_columns_of_the_same_name(write: Write) -> None:
    path = write("a.csv", "名称,緯度,経度,緯度,経度\n東公園,,,35.661111,139.701111\n")
    register = inventory.read_assets(path)
    assert register.assets["latitude"].tolist() == [35.661111]  # the filled ones are taken
    assert "duplicate_header" in set(register.findings["rule"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("日比谷公園", "park"), ("日比谷公園前バス停", "bus_stop"), ("公衆電話（江東区亀戸）", "phone_booth"),
        ("デジタルサイネージ（カラオケ館前）", "signage"), ("江東区立万年橋際公衆便所", "toilet"),
        ("都立一橋高等学校", "school"), ("港区役所", "office"), ("東京都美術館", "museum"),
        ("新宿駅A1出入口", "subway_entrance"), ("〇〇歩道橋", "footbridge"), ("西新宿二丁目用地", "land"),
        ("Public toilet at Ueno Park", "toilet"), ("Street lights", "street_light"),
        ("大島給水所", "waterworks"), ("駒沢給水塔", "tower"), ("消火栓", "hydrant"),
        ("City Hall, 2nd building", "building"), ("Parking lot", "bicycle_parking"),
    ],
)  # fmt: skip
def test_kinds_by_name(name: str, kind: str) -> None:
    import pandas as pd

    assert kinds.by_words(pd.Series([name])).tolist() == [kind]


def test_kind_by_the_register(write: Write) -> None:
    rows = "東陽六丁目,35.675119,139.812199\n豊島区役所,35.732,139.715\n"
    stops = inventory.read_assets(write("bus_stops.csv", "名称,緯度,経度\n" + rows))
    assert stops.assets["kind"].tolist() == ["bus_stop", "bus_stop"]
    by_header = inventory.read_assets(write("a.csv", "停留所名,緯度,経度\n" + rows))
    assert by_header.assets["kind"].tolist() == ["bus_stop", "bus_stop"]
    said = inventory.read_assets(write("a.csv", "名称,緯度,経度\n" + rows), kind="pole")
    assert said.assets["kind"].tolist() == ["pole", "pole"]
    nothing = inventory.read_assets(write("a.csv", "名称,緯度,経度\n東陽,35.675119,139.812199\n"))
    assert nothing.assets["kind"].tolist() == ["other"]
    assert nothing.assets["placement"].tolist() == ["none"]
    assert "kind_unknown" in set(nothing.findings["rule"])


def test_every_kind_is_complete() -> None:
    table = kinds.table()
    assert table.index.is_unique
    assert set(table["placement"]) <= {"roof", "pole", "ground", "none"}
    standing = table[table["placement"] != "none"]
    assert standing["mounting_m"].notna().all()
    assert standing[standing["placement"].isin(["roof", "pole"])]["height_m"].notna().all()


def test_kinds_of_the_user(write: Write) -> None:
    table = write(
        "kinds.csv",
        "kind,label_en,label_ja,installation,placement,height_m,mounting_m,from_surface,words\n"
        "ferris_wheel,Ferris wheel,観覧車,no,roof,60,62,no,観覧車\npark,,,,,,20,,遊歩苑\n",
    )
    path = write(
        "a.csv", "名称,緯度,経度\n大観覧車,35.66,139.7\n東遊歩苑,35.67,139.7\n西公園,35.68,139.7\n"
    )
    with kinds.extended(table):
        assets = inventory.read_assets(path).assets
        assert assets["kind"].tolist() == ["ferris_wheel", "park", "park"]
        done, _ = inventory.complete(assets)
        assert done["mounting_height_m"].tolist() == [62, 20, 20]
    assert inventory.read_assets(path).assets["kind"].tolist()[0] == "other"
    bad = write("bad.csv", table.read_text().replace("roof", "sky").replace("60", "high"))
    with pytest.raises(InputError) as caught, kinds.extended(bad):
        pass
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match="lacks columns"), kinds.extended(path):
        pass
