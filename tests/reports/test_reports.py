"""Workbook, GeoPackage and report: what they say, and that register text stays text."""

from __future__ import annotations

import base64
import copy
import dataclasses
import html
import json
import re
import sqlite3
import struct
import xml.etree.ElementTree as ET
import zlib
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import openpyxl
import pyogrio
import pytest

import tdh
from tdh import details, display, reports
from tdh.inventory import findings
from tdh.reports import charts, figures, report
from tdh.reports.geopackage import read_styles
from tdh.results import Run


@pytest.fixture(scope="module")
def workbook(fake_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("book") / "offers.xlsx"
    reports.write_workbook(fake_run, path)
    return openpyxl.load_workbook(path)


def test_sheets(workbook: Any) -> None:
    assert workbook.sheetnames == [
        "説明",
        "提供計画",
        "アンテナ諸元",
        "目標と指標",
        "事業者別",
        "市区町村別",
        "アセット評価",
        "データ品質",
    ]


def test_offers_sheet(workbook: Any, fake_run: Any) -> None:
    sheet = workbook["提供計画"]
    head = [cell.value for cell in sheet[1]]
    assert "高さ (m)" in head
    assert sheet.max_row == len(fake_run.plan) + 1
    assert sheet.freeze_panes == "D2"
    assert sheet.auto_filter.ref is not None
    column = head.index("増分充足人口 (人)") + 1
    values = [sheet.cell(row, column).value for row in range(2, sheet.max_row + 1)]
    assert values == pytest.approx(fake_run.plan["people_gained"].tolist())
    assert sheet.cell(2, column).number_format == "#,##0"
    assert sheet.cell(2, 1).font.name == "Yu Gothic"
    links = [sheet.cell(row, head.index("地図") + 1).hyperlink for row in (2, 3)]
    assert all(link is not None and link.target.startswith("map.html") for link in links)
    assert sheet.conditional_formatting
    assert "年度" not in head, "the plan is not by years"


def test_offers_sheet_of_a_plan_by_years(fake_run: Any, tmp_path: Path) -> None:
    run, years = copy.copy(fake_run), ["2026", "2027"]
    run.plan = fake_run.plan.assign(fiscal_year=np.resize(years, len(fake_run.plan)))
    reports.write_workbook(run, tmp_path / "offers.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "offers.xlsx")["提供計画"]
    column = [cell.value for cell in sheet[1]].index("年度") + 1
    values = [sheet.cell(row, column).value for row in range(2, sheet.max_row + 1)]
    assert values == run.plan["fiscal_year"].tolist()


def test_goals_and_antennas_sheets(workbook: Any, fake_run: Any) -> None:
    sheet = workbook["目標と指標"]
    head = [cell.value for cell in sheet[1]]
    rows = [dict(zip(head, (c.value for c in row), strict=True)) for row in sheet.iter_rows(2)]
    assert len(rows) == len(fake_run.kpis)
    assert rows[0]["範囲"] == "全域"
    assert rows[0]["計画後"] == pytest.approx(97.5)
    assert rows[0]["達成状況"] == "達成"
    hectares = next(r for r in rows if r["単位"] == "ha")
    assert (hectares["現状"], hectares["達成状況"]) == (210, "あと90.0 ha")
    assert rows[-1]["範囲"] in set(fake_run.municipalities["municipality"])
    antennas = workbook["アンテナ諸元"]
    assert antennas.max_row == len(fake_run.antennas) + 1
    azimuths = [antennas.cell(r, 5).value for r in range(2, antennas.max_row + 1)]
    expected = fake_run.antennas["azimuth_deg"].dropna()
    assert sorted(a for a in azimuths if a is not None) == sorted(expected)
    named = [cell.value for cell in workbook["説明"]["A"]]
    assert {"アンテナ諸元", "目標と指標"} <= set(named)


def test_workbook_of_a_run_without_any_of_it(poor_run: Any, tmp_path: Path) -> None:
    reports.write_workbook(poor_run, tmp_path / "a.xlsx")
    names = openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames
    assert "アンテナ諸元" not in names
    assert "目標と指標" not in names


def test_english_workbook(fake_run: Any, tmp_path: Path) -> None:
    reports.write_workbook(fake_run, tmp_path / "a.xlsx", language="en")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames[1] == "Offers"
    assert book["Offers"]["H1"].value == "Height (m)"


def test_synthetic_is_said_in_the_workbook(workbook: Any) -> None:
    words = [cell.value for row in workbook["説明"].iter_rows() for cell in row if cell.value]
    assert any("架空のデータ" in str(word) for word in words)
    assert any("予測値" in str(word) for word in words)


def test_no_cell_is_a_formula(hostile_run: Any, attacks: list[str], tmp_path: Path) -> None:
    reports.write_workbook(hostile_run, tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    texts = set()
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", (sheet.title, cell.coordinate, cell.value)
                if cell.hyperlink is not None:
                    target = cell.hyperlink.target or ""
                    assert target == "" or target.startswith(("map.html", "report.html"))
                if isinstance(cell.value, str):
                    texts.add(cell.value)
                    if cell.value.startswith("="):
                        assert cell.quotePrefix
    assert attacks[6] in texts


# --- GeoPackage ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def geopackage(fake_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gpkg") / "plan.gpkg"
    reports.write_geopackage(fake_run, path)
    return path


def test_layers(geopackage: Path, fake_run: Any) -> None:
    names = {str(name) for name, _ in pyogrio.list_layers(geopackage)}
    assert {"offers", "assets", "sites", "municipalities"} <= names
    offers = gpd.read_file(geopackage, layer="offers")
    assert len(offers) == len(fake_run.plan)
    assert offers.crs == fake_run.crs
    assert {"carrier", "name", "reason_ja", "people_gained"} <= set(offers.columns)
    municipalities = gpd.read_file(geopackage, layer="municipalities")
    assert municipalities["gap_after"].sum() == pytest.approx(
        fake_run.summary["people_in_gap_after"]
    )


def test_styles_are_qgis_xml(geopackage: Path, fake_run: Any) -> None:
    styles = read_styles(geopackage).set_index("f_table_name")["styleQML"]
    assert set(styles.index) == {"offers", "assets", "sites", "gap_regions", "municipalities"}
    for style in styles:
        root = ET.fromstring(style.split("\n", 1)[1])
        renderer = root.find("renderer-v2")
        assert renderer is not None
        symbols = {s.get("name") for s in renderer.findall("symbols/symbol")}
        used = {c.get("symbol") for c in [*renderer.iter("category"), *renderer.iter("range")]}
        assert used and used <= symbols
    offers = ET.fromstring(styles["offers"].split("\n", 1)[1])
    values = [c.get("value") for c in offers.iter("category")]
    assert values == [c.id for c in fake_run.carriers]
    assert offers.get("labelsEnabled") == "1"


def test_style_table_is_registered(geopackage: Path) -> None:
    with closing(sqlite3.connect(geopackage)) as db:
        rows = db.execute(
            "SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'"
        ).fetchall()
        defaults = db.execute("SELECT f_geometry_column, useAsDefault FROM layer_styles").fetchall()
    assert rows == [("attributes",)]
    assert all(row == ("geom", 1) for row in defaults)


def test_hostile_geopackage(hostile_run: Any, tmp_path: Path) -> None:
    reports.write_geopackage(hostile_run, tmp_path / "a.gpkg")
    styles = read_styles(tmp_path / "a.gpkg")["styleQML"]
    assert len(styles) >= 4
    for style in styles:
        assert ET.fromstring(style.split("\n", 1)[1]).tag == "qgis"
    assets = gpd.read_file(tmp_path / "a.gpkg", layer="assets")
    assert set(assets["owner"]) == set(hostile_run.assets["owner"])  # words stay words


# --- report --------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Every start tag of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", ["ja", "en"])
def test_report_says_what_matters(fake_run: Any, tmp_path: Path, language: Any) -> None:
    path = tmp_path / "report.html"
    reports.write_report(fake_run, path, language)
    html = path.read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in html
    for notice in fake_run.notices:
        assert notice.render(language) in html
    for carrier in fake_run.carriers:
        assert carrier.name in html
    assert f"{fake_run.summary['people_in_gap_after']:,.0f}" in html
    assert 'id="asset-assets-1"' in html
    for line in fake_run.attributions:
        assert line in html
    if language == "en":
        body = re.sub(r"<[^>]+>", "", html)
        assert "不足" not in body


def test_report_asks_for_nothing(fake_run: Any, hostile_run: Any, tmp_path: Path) -> None:
    for run in (fake_run, hostile_run):
        reports.write_report(run, tmp_path / "report.html")
        tags = Tags()
        tags.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
        names = {name for name, _ in tags.found}
        assert not names & {"script", "img", "link", "iframe", "object", "form"}
        for name, attributes in tags.found:
            assert not any(key.startswith("on") for key in attributes)
            for key in ("src", "href", "xlink:href"):
                value = attributes.get(key) or "#"
                assert value.startswith(("#", "data:image/png", "map.html")), (name, value)


@pytest.mark.browser
def test_report_in_a_browser(hostile_run: Any, tmp_path: Path, context: Any) -> None:
    path = tmp_path / "report.html"
    reports.write_report(hostile_run, path)
    page = context.new_page()
    seen: list[str] = []
    page.on("dialog", lambda d: (seen.append(d.message), d.dismiss()))
    page.on("pageerror", lambda e: seen.append(str(e)))
    page.on("request", lambda r: r.url.startswith("data:") or seen.append(r.url))
    page.goto(path.as_uri())
    assert seen == [path.as_uri()]
    assert page.title().startswith("</script>")
    page.pdf(prefer_css_page_size=True)


def test_map_picture_counts_the_same_cells(fake_run: Any) -> None:
    found = display.service(fake_run)
    ids = [c.id for c in fake_run.carriers]
    shown = charts.classes(fake_run, found, ids)
    assert (shown == 1).sum() == (found.count("before") >= 1).sum()
    assert (shown == 3).sum() == (found.count("after") == 0).sum()


def test_overview_counts_carriers(fake_run: Any) -> None:
    found = display.service(fake_run)
    shown = charts.overview(found, len(fake_run.carriers))
    before, after = found.count("before"), found.count("after")
    assert (shown == 4).sum() == (after == 0).sum()
    assert (shown == 3).sum() == (after > before).sum()
    assert ((shown == 1) == (before == 4)).all()


def test_png_is_what_was_drawn() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    content = charts.png(pixels)
    assert struct.unpack(">II", content[16:24]) == (7, 5)
    at = content.index(b"IDAT")
    raw = zlib.decompress(content[at + 4 : -16])
    rows = np.frombuffer(raw, np.uint8).reshape(5, 29)
    assert (rows[:, 1:].reshape(5, 7, 4) == pixels).all()


def test_charts_escape_and_parse() -> None:
    svg = charts.before_after(["<b>&"], [10.0], [4.0], "en")
    assert "&lt;b&gt;&amp;" in svg
    ET.fromstring(str(svg))
    ET.fromstring(str(charts.gains([("a", "#0072b2", "circle", [3.0, 2.0])], "ja")))
    ET.fromstring(str(charts.gains([("a", "#0072b2", "circle", [])], "ja")))


def test_embedded_picture_is_a_png(fake_run: Any) -> None:
    found = display.service(fake_run)
    svg = str(charts.map_picture(fake_run, found, ["docomo"], "ja", number=True))
    packed = re.search(r"data:image/png;base64,([^\"]+)", svg)
    assert packed is not None
    assert base64.b64decode(packed[1]).startswith(b"\x89PNG")


def test_an_empty_plan_is_no_error(fake_run: Any, tmp_path: Path) -> None:
    import copy

    run = copy.copy(fake_run)
    run.__dict__["plan"] = fake_run.plan.iloc[:0]
    run.__dict__["findings"] = fake_run.findings.iloc[:0]
    reports.write_workbook(run, tmp_path / "a.xlsx")
    reports.write_geopackage(run, tmp_path / "a.gpkg")
    reports.write_report(run, tmp_path / "a.html")
    assert openpyxl.load_workbook(tmp_path / "a.xlsx")["提供計画"].max_row == 1  # its headings
    assert len(gpd.read_file(tmp_path / "a.gpkg", layer="offers")) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "</html>" in page and 'id="asset-' not in page
    from tdh import maps

    maps.save(maps.plan_map(run), tmp_path / "map.html")
    assert "</html>" in (tmp_path / "map.html").read_text(encoding="utf-8")


# --- goals, paths and antennas ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(fake_run: Any) -> dict[str, str]:
    return {language: report.render(fake_run, language) for language in ("ja", "en")}


def test_goals_stand_on_the_directors_pages(pages: dict[str, str]) -> None:
    first, second, annex = pages["ja"].split('<section class="page"')[1:4]
    assert "91.0% → 97.5%  達成" in second
    assert "84.0% → 90.0%  あと6.0ポイント" in second
    assert "210.0 ha → 90.0 ha  あと90.0 ha" in second
    assert "2社以上" in annex
    assert "プログラムの目標" not in first
    assert "84.0% → 90.0%  6.0 points to go" in pages["en"]


def test_goals_that_were_not_measured_are_named(fake_run: Any, monkeypatch: Any) -> None:
    table = fake_run.kpis.copy()
    lost = table["kpi"] == "places"
    table.loc[lost, ["before", "after"]] = np.nan
    table.loc[lost, "note_ja"] = "未計測: 施設の台帳がありません"
    monkeypatch.setattr(fake_run, "kpis", table)
    text = report.render(fake_run, "ja")
    assert "未計測: 重点施設のカバー率" in text
    assert "施設の台帳がありません" in text


def test_bullets_are_as_long_as_their_values() -> None:
    rows = [figures.Bullet("目標", "全社", 0.25, 0.5, 0.75, "25% → 50%", False)]
    root = ET.fromstring(figures.bullets(rows, "ja"))
    bars = [r for r in root if r.tag.endswith("rect")][3:]
    track, before, after, target = (float(r.get("width")) for r in bars)
    assert before == pytest.approx(track / 4, abs=0.1)
    assert after == pytest.approx(track / 2, abs=0.1)
    left = float(bars[0].get("x"))
    assert float(bars[3].get("x")) + target / 2 == pytest.approx(left + 0.75 * track, abs=0.1)


def test_paths_are_drawn_once_an_offer(pages: dict[str, str], fake_run: Any) -> None:
    assert pages["ja"].count('<figure class="path">') == len(fake_run.plan)
    assert pages["ja"].count('aria-label="見通しあり"') == fake_run.profiles["line_of_sight"].sum()


def test_only_what_stands_between_blocks(fake_run: Any) -> None:
    for path in details.profiles(fake_run).values():
        blocked = "#c8470b" in figures.profile(path, "ja")
        assert blocked != path.line_of_sight
    tower = dataclasses.replace(path, top_m=np.where(path.distance_m > 300, 200.0, path.ground_m))
    assert not tower.between[tower.distance_m > 300].any()
    assert "#c8470b" not in figures.profile(tower, "ja")


def test_antennas_in_the_sheets(pages: dict[str, str], fake_run: Any) -> None:
    table = fake_run.antennas
    roof = table[table["azimuth_deg"].notna()]
    first = roof[(roof["asset_id"] == roof["asset_id"].iloc[0])].head(3)
    words = ", ".join(f"{a:.0f}°" for a in sorted(first["azimuth_deg"]))
    assert f"方位 {words}" in pages["ja"]
    assert "方位 無指向" in pages["ja"]


def test_report_of_a_run_without_any_of_it(poor_run: Any) -> None:
    text = report.render(poor_run, "ja")
    assert "プログラムの目標" not in text
    assert '<figure class="path">' not in text


def test_report_of_hostile_goals_and_paths(hostile_run: Any) -> None:
    text = report.render(hostile_run, "ja")
    assert "<script" not in text
    assert "<img src=x" not in text


def test_bands_are_named_plainly(pages: dict[str, str]) -> None:
    assert "バンド: n78, n28" in pages["ja"]


def test_costs_and_objectives_are_shown_where_the_plan_has_them(
    demo_run: tdh.Run, tmp_path: Path
) -> None:
    run = tdh.read_run(demo_run.folder)
    run.__dict__["plan"] = run.plan.assign(cost_yen=4.5e6)
    summary = json.loads(json.dumps(run.summary))
    summary |= {"cost_yen": 4.5e6 * len(run.plan), "budget_yen": 2e8}
    for carrier, own in summary["carriers"].items():
        own["cost_yen"] = 4.5e6 * float((run.plan["carrier_id"] == carrier).sum())
    summary["objectives"] = [
        {"name": "places", "value": 3.0, "bound": 4.0, "gap": 0.25, "status": "feasible"}
    ]
    run.__dict__["summary"] = summary
    total = f"{4.5 * len(run.plan):,.1f}"
    page = report.render(run, "en")
    assert f"{total} <small>million yen" in page and "of 200.0" in page
    assert "Places in a gap, by priority" in page and "25.00%" in page
    assert "million yen" not in report.render(demo_run, "en")
    reports.write_workbook(run, tmp_path / "offers.xlsx", "ja")
    book = openpyxl.load_workbook(tmp_path / "offers.xlsx")
    sheet = book["提供計画"]
    heads = [cell.value for cell in sheet[1]]
    column = heads.index("費用 (百万円)") + 1
    assert [sheet.cell(r, column).value for r in range(2, 4)] == [4.5, 4.5]
    assert any(total in str(cell.value) for row in book["説明"].iter_rows() for cell in row)


def test_findings_are_told_in_the_language_asked_for(demo_run: Run, tmp_path: Path) -> None:
    """Written in one language by the run, in another by the report: every one is translated."""
    table = demo_run.findings
    assert len(table)
    texts = {lang: findings.messages(table, lang) for lang in ("ja", "en")}
    written = next(lang for lang, told in texts.items() if told.equals(table["message"]))
    other = "en" if written == "ja" else "ja"
    assert (texts[other] != texts[written]).all()
    again = table.assign(message=texts[other])
    assert findings.messages(again, written).equals(table["message"])
    told = tmp_path / "report.html"
    reports.write_report(demo_run, told, language=other)
    shown = told.read_text(encoding="utf-8")
    grouped = table.groupby(["source", "severity", "rule"])["message"].first().index
    for key in grouped:
        rows = (table[["source", "severity", "rule"]] == list(key)).all(axis=1)
        assert html.escape(texts[other][rows].iloc[0], quote=True) in shown
        assert html.escape(texts[written][rows].iloc[0], quote=True) not in shown
