"""KML, CZML, COG, PDF and PNG."""

from __future__ import annotations

import copy
import json
import shutil
import struct
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Geod, Transformer

from tdh import reports
from tdh.reports import exports, slides

KML = {"k": exports.KML}


def test_kml(fake_run: Any, tmp_path: Path) -> None:
    reports.write_kml(fake_run, tmp_path / "plan.kml")
    root = ET.parse(tmp_path / "plan.kml").getroot()
    marks = root.findall(".//k:Placemark", KML)
    assert len(marks) == len(fake_run.plan)
    place = root.findtext(".//k:coordinates", namespaces=KML)
    lon, lat, height = (float(v) for v in str(place).split(","))
    asset = fake_run.assets.loc[fake_run.plan["asset_id"].iloc[0]]
    assert (lon, lat) == pytest.approx((asset["longitude"], asset["latitude"]), abs=2e-6)
    assert height == pytest.approx(asset["mounting_height_m"])
    described = root.findtext("k:Document/k:description", namespaces=KML)
    assert "架空のデータ" in str(described)


def test_kmz_and_hostile_names(hostile_run: Any, attacks: list[str], tmp_path: Path) -> None:
    reports.write_kml(hostile_run, tmp_path / "plan.kmz")
    with zipfile.ZipFile(tmp_path / "plan.kmz") as archive:
        assert archive.namelist() == ["doc.kml"]
        root = ET.fromstring(archive.read("doc.kml"))
    names = [str(n.text) for n in root.findall(".//k:Placemark/k:name", KML)]
    assert any(attacks[0] in name for name in names)


def test_names_with_what_xml_forbids(hostile_run: Any, tmp_path: Path) -> None:
    """One name with a control character or a noncharacter does not cost the whole file."""
    odd = "a\x07\x1b[31mb\ufffe\uffff"
    run = copy.copy(hostile_run)
    vars(run)["assets"] = hostile_run.assets.assign(name=odd, owner=odd)
    reports.write_kml(run, tmp_path / "plan.kml")
    names = ET.parse(tmp_path / "plan.kml").getroot().findall(".//k:Placemark/k:name", KML)
    assert names and all(str(n.text).endswith("a[31mb") for n in names)
    reports.write_report(run, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a[31mb" in text and not set("\x07\x1b\ufffe\uffff") & set(text)


@pytest.fixture(scope="module")
def packets(fake_run: Any, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("czml") / "plan.czml"
    reports.write_czml(fake_run, path)
    return json.loads(path.read_text(encoding="utf-8"))


def test_czml(packets: list[dict[str, Any]], fake_run: Any) -> None:
    assert packets[0]["id"] == "document" and packets[0]["version"] == "1.0"
    assert len({p["id"] for p in packets}) == len(packets)
    masts = [p for p in packets if "cylinder" in p]
    assert len(masts) == len(fake_run.plan)
    for packet in masts:
        lon, lat, middle = packet["position"]["cartographicDegrees"]
        assert 139 < lon < 140 and 35 < lat < 36
        assert middle * 2 == pytest.approx(packet["cylinder"]["length"])
        assert "description" not in packet


def test_czml_sectors_look_where_the_antennas_do(
    packets: list[dict[str, Any]], fake_run: Any
) -> None:
    wedges = [p for p in packets if "/sector/" in p["id"]]
    unique = fake_run.antennas.drop_duplicates(["asset_id", "carrier", "azimuth_deg"])
    assert len(wedges) == len(unique)
    geod = Geod(ellps="GRS80")
    roof = unique[unique["azimuth_deg"].notna()].iloc[0]
    mine = [p for p in wedges if p["id"] == f"{roof['carrier']}/{roof['asset_id']}/sector/0"]
    points = np.array(mine[0]["polygon"]["positions"]["cartographicDegrees"]).reshape(-1, 3)
    middle = points[1:][len(points[1:]) // 2]
    azimuth, _, metres = geod.inv(*points[0, :2], *middle[:2])
    assert azimuth % 360 == pytest.approx(roof["azimuth_deg"], abs=0.5)  # grid north, not true
    assert metres == pytest.approx(45, abs=0.1)
    assert mine[0]["polygon"]["height"] == roof["height_agl_m"]


def test_czml_newly_served_cells(packets: list[dict[str, Any]], fake_run: Any) -> None:
    asset, carrier = fake_run.plan.iloc[0][["asset_id", "carrier_id"]]
    served = np.zeros(len(fake_run.cells), dtype=bool)
    for (owner, band), spec in fake_run.bands.items():
        if owner == carrier:
            coverage = fake_run.footprint(owner, band)
            row = coverage.footprint(spec.covered_dbm)[[coverage.site_ids.get_loc(asset)]]
            served[row.indices] = True
    cells = (served & ~fake_run._served(carrier, "before")).sum()
    mine = [p for p in packets if p["id"].startswith(f"{carrier}/{asset}/newly-served/")]
    to_plan = Transformer.from_crs("EPSG:6668", fake_run.crs, always_xy=True)

    def area(flat: list[float]) -> float:
        points = np.array(flat).reshape(-1, 3)
        return shapely.Polygon(np.column_stack(to_plan.transform(*points[:, :2].T))).area

    total = 0.0
    for packet in mine:
        total += area(packet["polygon"]["positions"]["cartographicDegrees"])
        total -= sum(area(h) for h in packet["polygon"]["holes"]["cartographicDegrees"])
    assert cells > 0
    assert total == pytest.approx(cells * fake_run.cell_size_m**2, rel=1e-3)


def test_czml_of_a_run_without_antennas(poor_run: Any, tmp_path: Path) -> None:
    reports.write_czml(poor_run, tmp_path / "a.czml")
    found = json.loads((tmp_path / "a.czml").read_text(encoding="utf-8"))
    assert not [p for p in found if "/sector/" in p["id"]]


def test_geoparquet(fake_run: Any, tmp_path: Path) -> None:
    written = reports.write_geoparquet(fake_run, tmp_path / "geo")
    names = {p.stem for p in written}
    assert names == {
        "municipalities", "gap_regions", "sites", "assets", "offers", "antennas", "places"
    }  # fmt: skip
    for path in written:
        assert gpd.read_parquet(path).crs == fake_run.crs
    offers = gpd.read_parquet(tmp_path / "geo/offers.parquet")
    assert offers["people_gained"].tolist() == fake_run.plan["people_gained"].tolist()
    assert offers.geometry.geom_equals(fake_run.plan.geometry).all()
    antennas = gpd.read_parquet(tmp_path / "geo/antennas.parquet")
    first = antennas.iloc[0]
    assert first.geometry == fake_run.assets.geometry[first["asset_id"]]


def test_geoparquet_of_a_run_without_antennas(poor_run: Any, tmp_path: Path) -> None:
    names = {p.stem for p in reports.write_geoparquet(poor_run, tmp_path)}
    assert "antennas" not in names
    assert "places" not in names


def test_slides(fake_run: Any, hostile_run: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = reports.write_slides(fake_run, tmp_path, dpi=48)
    assert [p.name for p in written] == [
        "plan.png",
        *(f"gap-{c.id}.png" for c in fake_run.carriers),
    ]
    head = written[0].read_bytes()[16:24]
    assert struct.unpack(">II", head) == (640, 360)
    again = reports.write_slides(fake_run, tmp_path / "again", dpi=48)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in written]
    assert len(reports.write_slides(hostile_run, tmp_path / "hostile", dpi=48)) == 5


def test_slides_without_a_japanese_font(monkeypatch: Any, fake_run: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(slides, "FONTS", ("No Such Font",))
    with pytest.raises(slides.SlideError, match="font"):
        reports.write_slides(fake_run, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_cog(fake_run: Any, tmp_path: Path) -> None:
    reports.write_cog(fake_run, tmp_path / "a.tif", "docomo", "n78", "before")
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.crs.to_string() == fake_run.crs
        assert raster.tags()["modelled"] == "yes"
        np.testing.assert_array_equal(raster.read(1), fake_run.signal("docomo", "n78", "before"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_no_browser_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(exports.shutil, "which", lambda name: None)
    (tmp_path / "a.html").write_text("<p>x")
    with pytest.raises(reports.PrintError, match="prints pages"):
        reports.write_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_pdf_and_picture(fake_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports.write_report(fake_run, tmp_path / "report.html")
    reports.write_pdf(tmp_path / "report.html", tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    monkeypatch.chdir(tmp_path)
    reports.write_picture(fake_run, "map.png", width=900)
    content = (tmp_path / "map.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">I", content[16:20]) == (900,)
