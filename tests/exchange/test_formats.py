"""Every format of a package read by GDAL and openpyxl: the same facts, Japanese intact, no formula."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pytest

from tdh import exchange

NAMES = {
    "A-1": '=HYPERLINK("http://x","<b>&髙橋🗼',
    "A-2": "都営バス停 〜①㈱ 表示ソ能十",  # characters whose second byte is a backslash
    "A-3": "+81,改行\nあり;\t\"引用\"",
}  # fmt: skip
FACTS = {
    "structure": "RC造・地上3階",
    "access": "北側通用口",
    "restrictions": "夜間工事不可",
    "floors": 3.0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fake_session: Any) -> Path:
    """An unpacked package whose register is full of characters that break things."""
    out = tmp_path_factory.mktemp("formats")
    assets = fake_session.assets(NAMES)
    for column, value in FACTS.items():
        assets[column] = value
    terms = exchange.Round(id="第1回", basis="joint")
    exchange.write_package(fake_session.run(assets=assets), "alpha", out / "p.zip", round=terms)
    with zipfile.ZipFile(out / "p.zip") as package:
        package.extractall(out)
    return out


def frame_of(path: Path, **options: Any) -> pd.DataFrame:
    return pyogrio.read_dataframe(path, **options).set_index("asset_id")


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "gpkg": lambda f: frame_of(f / "offers.gpkg", layer="offers"),
    "geojson": lambda f: frame_of(f / "offers.geojson"),
    "kml": lambda f: frame_of(f / "offers.kml"),
    "mif": lambda f: frame_of(f / "mapinfo/offers.mif"),
    "csv": lambda f: frame_of(f / "offers.csv"),
    "cp932": lambda f: pd.read_csv(f / "offers-cp932.csv", encoding="cp932").set_index("asset_id"),
}


def expected(value: str, reader: str) -> str:
    """What a format may do to a text: what its encoding or its cells cannot hold."""
    if reader in ("mif", "cp932"):
        value = value.replace("🗼", "〓").replace("〜", "～")
    if reader == "mif":
        value = " ".join(value.split())
    if reader in ("csv", "cp932") and value[0] in "=+":
        value = f"'{value}"
    return value


@pytest.mark.parametrize("reader", READERS)
def test_every_format_holds_the_same_facts(folder: Path, reader: str) -> None:
    table = READERS[reader](folder)
    offer = exchange.read_offer(folder / "p.zip").assets
    assert list(table.index) == list(offer.index)
    names = table["name" if "name" in table else "Name"]
    for asset, name in names.items():
        assert str(name).replace("\r\n", "\n") == expected(NAMES[str(asset)], reader)
    for column in ("structure", "access", "restrictions", "bureau", "municipality", "reason_ja"):
        assert list(table[column]) == list(offer[column]), column
    for column in ("floors", "mounting_height_m", "people_alone", "latitude"):
        got = pd.to_numeric(table[column]).to_numpy()
        np.testing.assert_allclose(got, offer[column].to_numpy(), atol=1e-9, err_msg=column)
    if isinstance(table, gpd.GeoDataFrame) and reader != "csv":
        assert table.to_crs(offer.crs).distance(offer).max() < 0.001


def test_each_format_declares_its_encoding_and_datum(folder: Path) -> None:
    head = (folder / "mapinfo/offers.mif").read_bytes()
    assert b'Charset "WindowsJapanese"' in head and b"CoordSys Earth Projection 1, 104" in head
    assert (
        pyogrio.read_info(folder / "mapinfo/offers.mif")["encoding"] == "UTF-8"
    )  # as GDAL recodes
    assert (folder / "offers.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert (
        (folder / "offers.kml").read_bytes().startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    )
    assert pyogrio.read_info(folder / "offers.gpkg", layer="offers")["crs"] == "EPSG:6677"
    assert pyogrio.read_info(folder / "offers.geojson")["crs"] == "EPSG:4326"


def test_the_geopackage_is_whole_and_carries_its_styles(folder: Path) -> None:
    path = folder / "offers.gpkg"
    layers = dict(pyogrio.list_layers(path).tolist())
    assert layers == {"offers": "Point", "layer_styles": None}
    style = pyogrio.read_dataframe(path, layer="layer_styles").iloc[0]
    assert (style["f_table_name"], bool(style["useAsDefault"])) == ("offers", True)
    symbol = ElementTree.fromstring(style["styleQML"]).find(".//symbol")
    assert symbol is not None and symbol.get("type") == "marker"
    assert ElementTree.fromstring(style["styleSLD"]).tag.endswith("StyledLayerDescriptor")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        columns = {row[1] for row in connection.execute("PRAGMA table_info(offers)")}
    connection.close()
    assert {"structure", "ground_m", "access", "restrictions", "exposure_distance_m"} <= columns


def test_the_form_survives_a_round_trip_through_openpyxl(folder: Path) -> None:
    """Opened, saved and opened again: still text, still with its drop-downs, still the form."""
    book = openpyxl.load_workbook(folder / "form/request.xlsx")
    once = io.BytesIO()
    book.save(once)
    book = openpyxl.load_workbook(once)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    sheet = book["要望"]
    assert sum(rule.type == "list" for rule in sheet.data_validations.dataValidation) >= 4
    heads = {cell.value: cell.column for cell in sheet[1]}
    line = next(cell.row for cell in sheet["A"] if cell.value == "A-2")
    sheet.cell(line, heads["希望順位"], 1)
    book.save(folder / "filled.xlsx")
    answer = exchange.read_answer(folder / "filled.xlsx", folder / "p.zip")
    assert [(r.asset_id, r.rank) for r in answer.requests] == [("A-2", 1)]
