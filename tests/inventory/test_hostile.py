"""Hostile input is refused or neutralised with a message; nothing but TdhError comes out."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdh import inventory
from tdh.errors import RegisterError, TdhError
from tdh.inventory import archives, opening, records, textfiles

Write = Callable[..., Path]
BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<kml><Document><Placemark><name>&b;</name></Placemark></Document></kml>"""
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<kml><Placemark><name>&x;</name><Point><coordinates>139.7,35.7</coordinates></Point></Placemark></kml>"""


@pytest.mark.parametrize("document", [BILLION_LAUGHS, EXTERNAL])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(document: str, encoding: str, write: Write) -> None:
    if encoding == "utf-16":
        document = document.replace("?>", ' encoding="UTF-16"?>', 1)
    with pytest.raises(RegisterError, match="document type"):
        inventory.read_assets(write("a.kml", document, encoding))


def test_entities_in_a_workbook_are_refused(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as source,
        zipfile.ZipFile(tmp_path / "b.xlsx", "w") as target,
    ):
        for info in source.infolist():
            data = source.read(info)
            if info.filename.endswith("sheet1.xml"):
                data = b'<!DOCTYPE x [<!ENTITY a "b">]>' + data
            target.writestr(info.filename, data)
    with pytest.raises(RegisterError, match="document type"):
        inventory.read_assets(tmp_path / "b.xlsx")


def test_deep_xml_is_refused(write: Write) -> None:
    with pytest.raises(RegisterError, match="nested"):
        inventory.read_assets(write("a.gml", "<a>" * 100_000))


def test_deep_json_is_refused(write: Write) -> None:
    with pytest.raises(RegisterError, match="nested"):
        inventory.read_assets(write("a.json", "[" * 200_000))


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_zip_bomb_is_refused(write: Write) -> None:
    bomb = zipped({"a.csv": b"0" * (80 << 20)})
    with pytest.raises(RegisterError, match="swells"):
        inventory.read_assets(write("a.zip", bomb))


def test_nested_archives_are_refused(write: Write) -> None:
    data = zipped({"a.csv": "名称,緯度,経度\n".encode()})
    for _ in range(4):
        data = zipped({"a.zip": data})
    with pytest.raises(RegisterError, match="nested"):
        inventory.read_assets(write("a.zip", data))


def test_paths_that_climb_out_write_nothing(write: Write, tmp_path: Path) -> None:
    row = "名称,緯度,経度\n東公園,35.661111,139.701111\n".encode()
    path = write("a.zip", zipped({"../../evil.csv": row, "/etc/evil.csv": row}))
    register = inventory.read_assets(path)
    assert register.rows == 1  # one stem, one register
    assert not (tmp_path.parent.parent / "evil.csv").exists()


def test_long_single_line_is_refused(write: Write) -> None:
    path = write("a.csv", b"a" * (textfiles.MAX_LINE_BYTES * 3))
    with pytest.raises(RegisterError, match="too long"):
        inventory.read_assets(path)


def test_many_columns_are_refused(write: Write) -> None:
    path = write("a.csv", b"a," * 1_000_000 + b"\n")
    with pytest.raises(RegisterError, match="columns"):
        inventory.read_assets(path)


def test_nul_bytes_are_removed_and_reported(write: Write) -> None:
    path = write("a.csv", "名称,緯度,経度\n東\x00公園,35.661111,139.701111\n")
    register = inventory.read_assets(path)
    assert register.assets["name"].tolist() == ["東公園"]
    assert "nul_bytes" in set(register.findings["rule"])


def test_formulas_and_markup_stay_text(write: Write) -> None:
    path = write(
        "a.csv",
        "名称,住所,緯度,経度\n"
        '"=HYPERLINK(""http://x"")",港区芝1,35.661111,139.701111\n'
        "<script>alert(1)</script>公園,港区芝2,35.662222,139.702222\n",
    )
    register = inventory.read_assets(path)
    assert register.assets["name"].tolist() == [
        '=HYPERLINK("http://x")',
        "<script>alert(1)</script>公園",
    ]
    assert "formula_text" in set(register.findings["rule"])


def test_ragged_rows_and_open_quotes(write: Write) -> None:
    ragged = inventory.read_assets(
        write(
            "a.csv", "名称,緯度,経度\n東公園,35.661111,139.701111,x,y\n西公園,35.662222,139.702\n"
        )
    )
    assert len(ragged.assets) == 2
    assert "ragged" in set(ragged.findings["rule"])
    quotes = inventory.read_assets(
        write(
            "b.csv", '名称,緯度,経度\n"東公園,35.661111,139.701111\n西公園,35.662222,139.702222\n'
        )
    )
    assert quotes.assets["name"].tolist() == ["東公園", "西公園"]
    assert "bad_quotes" in set(quotes.findings["rule"])


def test_invalid_bytes_do_not_change_the_encoding(write: Write) -> None:
    text = "名称,緯度,経度\n" + "東公園,35.661111,139.701111\n" * 20
    register = inventory.read_assets(write("a.csv", text.encode() + b"\xe6\x9d,35.6611,139.7011\n"))
    assert register.encoding == "utf-8"
    assert "undecodable" in set(register.findings["rule"])
    assert register.assets["name"].iloc[0] == "東公園"


def read_quietly(data: bytes, name: str) -> None:
    """Read and describe bytes; only TdhError may come out, and the counts must add up."""
    try:
        register = records.build(opening.read_bytes(data, name), records.Options(name))
    except TdhError as error:
        assert str(error)
        return
    total = len(register.assets) + len(register.rejected) + len(register.needs_position)
    assert register.rows == total
    inventory.summary_text(register, "ja")


QUIET = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
STARTS = [
    b"", b"{", b"[{", b"<", b"<kml>", b"PK\x03\x04", b"PAR1", b"SQLite format 3\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b'{"type":"FeatureCollection","features":[', b"\x1b$B",
    "名称,緯度,経度\n".encode(), "名称,緯度,経度\n".encode("cp932"),
]  # fmt: skip


@QUIET
@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_any_bytes(start: bytes, rest: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_quietly(start + rest, "fuzz.csv")


CELL = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "0", "35.66", "139.7", "35°41′22″", "354122", "-9999", "1e999", "nan", "北緯35度", "＝", "=1",
         "東京都港区", "POINT(139 35)", "131016", "９", "35.66,139.70", "\ufeff", "\u2028"]
    ),
)  # fmt: skip
HEADER = st.sampled_from(
    ["名称", "緯度", "経度", "住所", "X座標", "Y座標", "lat,lon", "wkt", "市区町村コード", "種別", "高さ",
     "緯度（日本測地系）", "経度（日本測地系）", "系番号", "", "階数", "ID", "設置年", "location"]
)  # fmt: skip


@QUIET
@given(st.lists(HEADER, min_size=1, max_size=8), st.lists(st.lists(CELL, max_size=9), max_size=6))
def test_any_cells(header: list[str], rows: list[list[str]]) -> None:
    import csv

    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    writer.writerows(rows)
    read_quietly(buffer.getvalue().encode("utf-8", errors="replace"), "fuzz.csv")


@QUIET
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["features", "geometry", "coordinates", "type", "name", "lat", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_any_json(document: object) -> None:
    import json

    read_quietly(json.dumps({"type": "FeatureCollection", "features": [document]}).encode(), "a")
    read_quietly(json.dumps([document, {"name": "a", "lat": 35.6, "lon": 139.7}]).encode(), "a")


def test_archive_that_lies_about_sizes() -> None:
    data = bytearray(zipped({"a.csv": b"name,lat,lon\n" * 100}))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    with pytest.raises(RegisterError):
        archives.read(bytes(data), "a.zip", 0, opening.read_bytes)
