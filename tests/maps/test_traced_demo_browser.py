"""The map of the bundled sample, as a run makes it: its numbers against the run's own tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tdh import units
from tdh.results import Run

pytestmark = pytest.mark.browser


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.split()[0].replace(",", "").rstrip("%"))


@pytest.fixture
def page(open_map: Any, demo_run: Run) -> Any:
    """The run's own map, in English, for any carrier."""
    return open_map(demo_run.folder / "map.html", "#lang=en&who=any")


def texts(page: Any, selector: str) -> list[list[str]]:
    """Rows of a table as texts."""
    found: list[list[str]] = page.eval_on_selector_all(
        f"{selector} tbody tr",
        "rows => rows.map(r => [...r.children].map(c => c.innerText.trim()))",
    )
    return found


def test_people_by_day_are_those_of_the_cells(page: Any, demo_run: Run) -> None:
    cells = demo_run.cells
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    shown = page.eval_on_selector_all(
        "#tdh-kpis table:first-of-type tbody tr",
        "rows => rows.map(r => [...r.querySelectorAll('small.day')].map(c => c.innerText))",
    )
    for carrier, said in zip(demo_run.carriers, shown, strict=False):
        for when, text in zip(("before", "after"), said, strict=True):
            short = np.ones(len(cells), dtype=bool)
            for band in carrier.bands:
                level = demo_run.bands[carrier.id, band].covered_dbm
                short &= ~(demo_run.signal(carrier.id, band, when)[rows, cols] >= level)
            people = cells["population_day"].to_numpy()[short].sum() * carrier.market_share
            assert number(text.removeprefix("by day ")) == pytest.approx(people, abs=0.6)


def test_present_sites_are_those_of_the_tables(page: Any, demo_run: Run) -> None:
    page.click("#tdh-tab-sites")
    page.wait_for_selector("#tdh-sites-sheet tbody tr")
    page.evaluate("TDH.app.map.setZoom(12, {animate: false})")
    loads = demo_run.site_load
    assert loads is not None
    page.until(
        f"document.querySelectorAll('#tdh-sites-sheet tbody tr').length === {len(demo_run.sites)}"
    )
    heights = demo_run.sites["antenna_height_agl_m"]
    for row in texts(page, "#tdh-sites-sheet"):
        load = loads.loc[row[2]]
        assert number(row[4]) == pytest.approx(heights[row[2]], abs=0.06)
        assert number(row[5]) == pytest.approx(load["customers"], abs=0.51)
        assert number(row[6]) == pytest.approx(load["customers_day"], abs=0.51)
        assert number(row[7]) == pytest.approx(load["capacity_mbps"], abs=0.51)
        if pd.notna(load["kbps_per_customer"]):
            assert number(row[8]) == pytest.approx(load["kbps_per_customer"], abs=0.51)
        else:
            assert row[8] == "–"


def test_expected_people_are_those_of_the_table(page: Any, demo_run: Run) -> None:
    page.click("#tdh-tab-kpi")
    table = demo_run.expected_people
    assert table is not None
    table = table[table["band"] == ""]
    for row, said in zip(
        table.itertuples(), texts(page, "#tdh-kpi-sheet table.expected"), strict=True
    ):
        covered, expected = (text.split(" → ") for text in said[1:])
        assert number(covered[0]) == pytest.approx(row.covered_before, abs=0.6)
        assert number(covered[1]) == pytest.approx(row.covered_after, abs=0.6)
        assert number(expected[0]) == pytest.approx(row.expected_before, abs=0.6)
        assert number(expected[1]) == pytest.approx(row.expected_after, abs=0.6)


def test_regions_by_reason_are_those_of_the_table(page: Any, demo_run: Run) -> None:
    page.check("#tdh-who input[value='0']")
    page.click("#tdh-tab-regions")
    table = demo_run.gap_regions
    assert table is not None
    own = table[(table["carrier_id"] == demo_run.carriers[0].id) & (table["band_class"] == "")]
    own = own.sort_values("unmet_people", ascending=False, kind="stable").head(40)
    shown = texts(page, "#tdh-regions-sheet")
    assert len(shown) == len(own) > 0
    for row, said in zip(own.itertuples(), shown, strict=True):
        assert number(said[3]) == pytest.approx(row.unmet_people, abs=0.6)
        parts = (row.people_no_site_near, row.people_blocked, row.people_indoors_only)
        assert [number(text) for text in said[-5:-2]] == pytest.approx(parts, abs=0.6)
        assert said[-2] == "–"  # of throughput, nothing was measured
    assert page.seen["errors"] == []


def test_scores_of_an_asset_are_those_of_the_tables(open_map: Any, demo_run: Run) -> None:
    """What a click tells of an asset: score, rank, how often it stays among the best, people."""
    ranks = demo_run.scores.groupby("asset_id")["stays_in_top"].agg(lambda s: (s % 1 > 0).sum())
    asset = str(ranks.idxmax())  # one whose ranks are in doubt
    page = open_map(demo_run.folder / "map.html", f"#lang=en&asset={asset}")
    page.wait_for_selector(".leaflet-popup-content table tbody tr")
    shown = page.eval_on_selector_all(
        ".leaflet-popup-content h4",
        "heads => { const h = heads.find((e) => e.innerText === 'For each carrier'); return "
        "[...h.nextElementSibling.querySelectorAll('tr')].map(r => [...r.children].map(c => c.innerText)); }",
    )
    assert f"In best {demo_run.scenario.scoring.top}" in shown[0]
    both = pd.concat([demo_run.scores, demo_run.scores_public])
    own = both[both["asset_id"] == asset].set_index("carrier_id")
    assert own["stays_in_top"].between(0.01, 0.99).any()
    named = {carrier.id: carrier.name for carrier in demo_run.carriers} | {
        "public": "For the public"
    }
    for (carrier, name), (who, score, rank, stays, people, cells, _) in zip(
        named.items(), shown[1:], strict=True
    ):
        row = own.loc[carrier]
        assert name in who
        assert number(score) == pytest.approx(row["score"], abs=0.051)
        assert (number(rank), number(cells)) == (row["rank"], row["gap_cells_closed"])
        assert stays == f"{units.percent(row['stays_in_top'], 0)[:-1]} %"
        assert number(people) == pytest.approx(row["people_newly_served"], abs=0.51)


def test_what_is_learnt_of_people_stands_below_their_sums(page: Any, demo_run: Run) -> None:
    """Not in the head, which is for what is invented and what is modelled."""
    (note,) = (n.render("en") for n in demo_run.people_notices)
    assert page.locator("#tdh-kpis .people-note").all_inner_texts() == [note]
    head = page.locator("#tdh-notices").inner_text()
    assert note not in head
    others = [n.render("en") for n in demo_run.notices[:-1]]
    assert len(others) == 2 and all(text in head for text in others)
