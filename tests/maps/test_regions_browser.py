"""Today's gaps as areas on the map: what is told of each, traced to the run's table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh import display, gaps, maps, schemas
from tdh.reports import report


def with_regions(fake_run: Any) -> Any:
    """A run with table ``gap_regions``: rectangles of cells, with a reason each."""
    run = type(fake_run)(n_assets=200, rows=50, cols=60)
    grid = run.grid
    # Docomo twice, too few carriers twice, one of a single class of bands, one of capacity.
    records = [
        ("docomo", "", 1, (5, 8, 12, 14), "no_site_near"),
        ("docomo", "", 1, (30, 40, 4, 5), "blocked"),
        ("docomo", "mmw", 1, (0, 0, 50, 60), "blocked"),
        ("", "", 1, (20, 20, 6, 6), "indoors_only"),
        ("", "", 2, (18, 18, 10, 10), "blocked"),
        ("", "", 1, (44, 50, 3, 3), "capacity"),
    ]
    rows = []
    for k, (carrier, band_class, least, (row, col, height, width), reason) in enumerate(records):
        size = grid.cell_size_m
        left, top = grid.x_min_m + col * size, grid.y_max_m - row * size
        box = shapely.box(left, top - height * size, left + width * size, top)
        rows.append(
            {
                "carrier_id": carrier,
                "band_class": band_class or None,
                "at_least": least,
                "threshold_dbm": -110.0,
                "cells": height * width,
                "area_m2": box.area,
                "unmet_people": 5000.0 - 700 * k,
                "places": 2.0 if k == 0 else 0.0,
                "place_names": "<b>第一病院</b>、区役所" if k == 0 else None,
                "municipality_code": run.municipalities.index[0],
                "municipality": run.municipalities["municipality"].iloc[0],
                "shortfall_db": 7.25,
                "nearest_site_m": np.nan if k == 3 else 640.0,
                "reason": reason,
                "geometry": box,
            }
        )
    frame = gpd.GeoDataFrame(pd.DataFrame(rows), geometry="geometry", crs=run.crs)
    frame.index = pd.Index([f"gap-{k}" for k in range(len(frame))], name="region_id")
    # Of the people, most have the region's reason, and the others the next one.
    told = ["no_site_near", "blocked", "indoors_only"]
    for k, reason in enumerate(told):
        share = np.where(frame["reason"] == reason, 0.7, 0.0)
        share += np.where(frame["reason"] == told[k - 1], 0.3, 0.0)
        frame[f"people_{reason}"] = (frame["unmet_people"] * share).where(
            frame["reason"] != "capacity"
        )
    run.gap_regions = schemas.conform(frame, "gap_regions")
    return run


@pytest.fixture(scope="module")
def reasoned_run(fake_run: Any) -> Any:
    """That run."""
    return with_regions(fake_run)


@pytest.fixture(scope="module")
def reasoned_map(reasoned_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of that run."""
    path = tmp_path_factory.mktemp("regions") / "map.html"
    maps.save(maps.plan_map(reasoned_run), path)
    return path


def test_people_left_are_counted_cell_by_cell(reasoned_run: Any) -> None:
    run, found = reasoned_run, display.service(reasoned_run)
    table = display.todays_regions(run, found)
    assert table is not None
    assert "gap-2" not in table.index  # of one class of bands only
    cells, count = run.cells, found.count("after")
    for region_id, row in table.iterrows():
        inside = shapely.within(cells.geometry.to_numpy(), row["geometry"])
        short = ~found.served["docomo", "after"] if row["carrier_id"] else count < row["at_least"]
        share = 0.25 if row["carrier_id"] else 1.0
        people = cells["population"].to_numpy()[inside & short].sum() * share
        if row["reason"] == "capacity":
            assert np.isnan(row["unmet_after"])
        else:
            assert row["unmet_after"] == pytest.approx(people), region_id
    assert table["unmet_after"].sum() > 0


def test_a_run_without_the_table_has_none(fake_run: Any) -> None:
    assert display.todays_regions(fake_run) is None


@pytest.mark.browser
def test_the_list_tells_people_place_and_reason(
    open_map: Any, reasoned_map: Path, reasoned_run: Any
) -> None:
    page = open_map(reasoned_map)
    table = display.todays_regions(reasoned_run)
    assert table is not None
    page.click("#tdh-tab-regions")
    for who, carrier, least in (("0", "docomo", 1), ("any", "", 1), ("two", "", 2)):
        page.check(f"#tdh-who input[value='{who}']")
        mine = table[(table["carrier_id"] == carrier) & (table["at_least"] == least)]
        shown = page.locator("#tdh-regions-sheet tbody tr")
        assert shown.count() == len(mine)
        for k, row in enumerate(mine.itertuples()):
            text = shown.nth(k).inner_text()
            assert f"{row.unmet_people:,.0f}" in text
            assert row.municipality in text
            assert gaps.REASONS[row.reason].render("ja") in text
            parts = {r: getattr(row, f"people_{r}", np.nan) for r in gaps.REASONS}
            if row.reason == "capacity":
                assert "どの事業者も届かない" not in text
                assert "全社合計の実測" in text  # measured, and of no carrier
                parts = {"capacity": row.unmet_people}
            said = shown.nth(k).locator("td").all_inner_texts()[-5:-1]
            for reason, cell in zip(gaps.REASONS, said, strict=True):
                value = parts.get(reason, np.nan)
                assert cell == ("–" if value != value else f"{value:,.0f}")
            if row.unmet_after == row.unmet_after:
                assert f"{row.unmet_after:,.0f}" in text
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_a_region_opens_by_keyboard(open_map: Any, reasoned_map: Path) -> None:
    page = open_map(reasoned_map, "#lang=en")
    page.click("#tdh-tab-regions")
    page.locator("#tdh-regions-sheet tbody tr button").first.focus()
    page.keyboard.press("Enter")
    popup = page.locator(".leaflet-popup-content")
    popup.wait_for()
    assert "5,000 people" in popup.inner_text()
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_a_click_opens_what_is_under_the_cursor(
    open_map: Any, reasoned_map: Path, reasoned_run: Any
) -> None:
    page = open_map(reasoned_map)
    page.click("#tdh-tab-regions")
    page.locator("#tdh-regions-sheet tbody tr").first.get_by_role("button").click()
    for name in ("chosen", "assets", "places", "stations"):
        page.locator(f"#tdh-layers input[value={name}]").uncheck()
    box = page.locator(".folium-map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + 20, y)
    page.mouse.move(x, y)
    line = page.locator("#tdh-readout p.region")
    line.wait_for()
    assert "5,000" in line.inner_text()
    assert "近くに基地局なし" in line.inner_text()
    page.mouse.click(x, y)
    popup = page.locator(".leaflet-popup-content")
    popup.wait_for()
    assert "5,000 人" in popup.inner_text()
    assert "<b>第一病院</b>" in popup.inner_text()  # text, never markup
    assert "640 m" in popup.inner_text()
    assert "3,500 人" in popup.inner_text()  # 0.7 of them: no site is near
    assert "1,500 人" in popup.inner_text()
    legend = page.locator("#tdh-legend").inner_text()
    assert "近くに基地局なし" in legend
    assert "屋内のみ" not in legend  # none of what is shown
    page.click("#tdh-lang")
    assert "no site near" in popup.inner_text()
    assert "No carrier" not in popup.inner_text()
    assert page.seen["errors"] == []
    assert page.seen["requests"] == [reasoned_map.as_uri()]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_report_lists_the_largest(reasoned_run: Any, fake_run: Any, language: Any) -> None:
    html = report.render(reasoned_run, language)
    part = html.split('id="regions"')[1].split("</table>")[0]
    for reason in ("no_site_near", "blocked", "indoors_only", "capacity"):
        assert gaps.REASONS[reason].render(language) in part
    assert part.count("<tr>") == 1 + 5
    assert {"ja": "全社合計の実測", "en": "all carriers together (measured)"}[language] in part
    assert "&lt;b&gt;第一病院&lt;/b&gt;" in part
    assert 'id="regions"' not in report.render(fake_run, language)
