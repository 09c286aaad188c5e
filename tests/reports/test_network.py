"""Today's network in report, workbook and GeoPackage, traced to the run's tables."""

from __future__ import annotations

import importlib.util
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import geopandas as gpd
import openpyxl
import pytest

from tdh import display, reports, today
from tdh.maps import layers
from tdh.reports import report


def _helper(name: str) -> Any:
    """A test module of the maps, for the invented runs that it builds."""
    known = f"tdh_tests_maps_{name}"
    if known not in sys.modules:
        path = Path(__file__).parents[1] / "maps" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


@pytest.fixture(scope="module")
def network_run(fake_run: Any) -> Any:
    """A run with throughput, people by day, loads and expected people."""
    return _helper("test_network_browser").told_run(fake_run)


@pytest.fixture(scope="module")
def reasoned_run(fake_run: Any) -> Any:
    """A run with gap regions and people of each reason."""
    return _helper("test_regions_browser").with_regions(fake_run)


def rows_of(html: str, anchor: str) -> list[list[str]]:
    """The cells of the first table behind an anchor, as text."""
    body = html.split(f'id="{anchor}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    cell = re.compile(r"<t[hd].*?>(.*?)</t[hd]>", re.DOTALL)
    return [[unescape(re.sub("<.*?>", "", c)).strip() for c in cell.findall(r)] for r in rows]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_report_tells_today(network_run: Any, language: Any) -> None:
    html = report.render(network_run, language)
    shown = rows_of(html, "expected")
    for row, texts in zip(network_run.expected_people.itertuples(), shown, strict=True):
        names = ("people", "covered_before", "expected_before", "covered_after", "expected_after")
        assert texts[1:] == [f"{getattr(row, name):,.0f}" for name in names]
    assert today.EXPECTED.render(language) in unescape(html)
    found = today.throughput(network_run)
    assert found is not None
    shown = rows_of(html, "throughput")
    people = [*found.classes["people"], found.unmeasured["people"], found.below["people"]]
    assert [texts[1] for texts in shown] == [f"{value:,.0f}" for value in people]
    slow = html.split('id="slow"')[1].split("</p>")[0]
    assert f"{found.below['people_day']:,.0f}" in slow
    order = today.busiest(today.sites(network_run))
    for row, texts in zip(order.itertuples(), rows_of(html, "busy"), strict=False):
        assert texts[0] == row.Index
        numbers = (row.customers, row.customers_day, row.capacity_mbps, row.kbps_per_customer)
        assert texts[4:8] == [f"{value:,.0f}" for value in numbers]
        assert texts[8] == f"{row.load:.0%}"
        assert texts[9:] == [f"{row.customers_after:,.0f}", f"{row.load_after:.0%}"]
    table = today.expected_municipalities(network_run)
    assert table is not None
    told = table[table["carrier_id"].isin(["any", "at_least_2"])]
    for row, texts in zip(told.itertuples(), rows_of(html, "expected-places"), strict=True):
        assert texts[0] == row.municipality
        assert texts[6] == f"{row.expected_after:,.0f}"
    assert "<img src=x" not in html  # a file's name stays text


def test_people_by_day_stand_on_the_first_page(network_run: Any) -> None:
    html = report.render(network_run, "en")
    first = html.split("</section>")[0]
    by_day = today.people_by_day(network_run, display.service(network_run).served)
    assert by_day is not None
    people = network_run.cells["population_day"].to_numpy()
    served = display.service(network_run).served
    for carrier in network_run.carriers:
        expected = people[~served[carrier.id, "before"]].sum() * 0.25
        assert by_day.at[carrier.id, "before"] == pytest.approx(expected)
        assert f"by day {expected:,.0f}" in html
    assert f"{by_day['before'].sum():,.0f} → {by_day['after'].sum():,.0f}" in first


def test_a_poor_run_tells_none_of_it(poor_run: Any) -> None:
    html = report.render(poor_run, "en")
    for part in ('id="network"', 'id="slow"', 'id="by-day"', "by day "):
        assert part not in html


def test_sheets(network_run: Any, fake_run: Any, tmp_path: Path) -> None:
    reports.write_workbook(network_run, tmp_path / "a.xlsx", "en")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    for name in ("People covered", "Present sites", "Measured throughput"):
        assert name in book.sheetnames
    sites = list(book["Present sites"].iter_rows(min_row=2, values_only=True))
    assert len(sites) == len(network_run.sites)
    loads = network_run.site_load
    for row in sites[:-1]:  # the last serves nobody
        assert row[6] == pytest.approx(loads.at[row[0], "customers"])
        assert row[9] == pytest.approx(loads.at[row[0], "kbps_per_customer"])
        assert row[10] == pytest.approx(loads.at[row[0], "load"])
    assert sites[-1][9] is None
    carried = list(book["Load of offers"].iter_rows(min_row=2, values_only=True))
    offers = today.offers(network_run)
    assert offers is not None
    assert [row[5] for row in carried] == pytest.approx(offers["customers_after"].tolist())
    places = list(book["Covered by municipality"].iter_rows(min_row=2, values_only=True))
    assert len(places) == len(network_run.expected_municipalities)
    speeds = list(book["Measured throughput"].iter_rows(min_row=2, values_only=True))
    found = today.throughput(network_run)
    assert found is not None
    assert [row[1] for row in speeds[:-2]] == pytest.approx(found.classes["people"].tolist())
    covered = list(book["People covered"].iter_rows(min_row=2, values_only=True))
    expected = network_run.expected_people["expected_after"]
    assert [row[5] for row in covered] == pytest.approx(expected.tolist())
    heads, *carriers = book["Carriers"].iter_rows(values_only=True)
    by_day = today.people_by_day(network_run, display.service(network_run).served)
    assert by_day is not None
    at = heads.index("In a gap by day, with the plan (people)")
    assert [row[at] for row in carriers] == pytest.approx(by_day["after"].tolist())
    reports.write_workbook(fake_run, tmp_path / "b.xlsx", "en")
    assert "Present sites" not in openpyxl.load_workbook(tmp_path / "b.xlsx").sheetnames


def test_regions_are_the_same_everywhere(reasoned_run: Any, tmp_path: Path) -> None:
    table = display.todays_regions(reasoned_run)
    assert table is not None
    reports.write_geopackage(reasoned_run, tmp_path / "a.gpkg")
    layer = gpd.read_file(tmp_path / "a.gpkg", layer="gap_regions").set_index("region_id")
    assert list(layer.index) == list(table.index)
    for name in ("unmet_people", "rank", "people_no_site_near", "people_blocked"):
        assert layer[name].tolist() == pytest.approx(table[name].tolist(), nan_ok=True)
    slow = layer[layer["reason"] == "capacity"]
    assert slow["people_capacity"].tolist() == slow["unmet_people"].tolist() != []
    assert layer.area.tolist() == pytest.approx(table.area.tolist())
    drawn = layers.regions_layer(reasoned_run, "docomo", language="en")
    mine = table[table["carrier_id"] == "docomo"]
    assert len(drawn._children) == len(mine)
    assert "gaps of today" in drawn.layer_name
    reports.write_workbook(reasoned_run, tmp_path / "a.xlsx", "en")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Gaps of today"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    assert [row[-1] for row in rows] == list(table.index)
    assert [row[3] for row in rows] == pytest.approx(table["unmet_people"].tolist())
    parts = today.people_by_reason(table).fillna(0).sum(axis=1)
    assert [sum(v or 0 for v in row[7:11]) for row in rows] == pytest.approx(parts.tolist())
    style = reports.geopackage.read_styles(tmp_path / "a.gpkg").set_index("f_table_name")
    assert 'value=""' in style.at["gap_regions", "styleQML"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_reasons_add_up_to_the_region(reasoned_run: Any, language: Any) -> None:
    html = report.render(reasoned_run, language)
    for texts in rows_of(html, "regions"):
        parts = [float(t.replace(",", "")) for t in texts[-4:] if t != "–"]
        assert sum(parts) == pytest.approx(float(texts[3].replace(",", "")), abs=2.0)
