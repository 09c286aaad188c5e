"""Numbers that the page shows, counted again from the run's tables and rasters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.browser


def rows_of(page: Any, selector: str) -> list[list[str]]:
    """The texts of a table's rows, a list of cells each."""
    return page.eval_on_selector_all(
        f"{selector} tbody tr",
        "rows => rows.map(r => [...r.children].map(c => c.innerText.trim()))",
    )


def people_short(run: Any, carrier: Any, when: str) -> np.ndarray:
    """The carrier's people in each cell that none of its bands serves."""
    rows, cols = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    short = np.ones(len(run.cells), dtype=bool)
    for band in carrier.bands:
        level = run.bands[carrier.id, band].covered_dbm
        short &= ~(run.signal(carrier.id, band, when)[rows, cols] >= level)
    return run.cells["population"].to_numpy() * carrier.market_share * short


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace(",", ""))


def test_sums_of_the_panel(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    shown = rows_of(page, "#tdh-kpis")
    totals = np.zeros(3)
    for carrier, row in zip(fake_run.carriers, shown, strict=False):
        sites = int((fake_run.plan["carrier_id"] == carrier.id).sum())
        before, after = (people_short(fake_run, carrier, w).sum() for w in ("before", "after"))
        said = fake_run.summary["carriers"][carrier.id]
        assert before == pytest.approx(said["people_in_gap_before"])
        assert after == pytest.approx(said["people_in_gap_after"])
        assert row[0] == carrier.name
        assert number(row[1]) == sites
        assert number(row[2]) == pytest.approx(before, abs=0.6)
        assert number(row[3]) == pytest.approx(after, abs=0.6)
        totals += (sites, before, after)
    last = [number(text) for text in shown[len(fake_run.carriers)][1:4]]
    assert last == pytest.approx(totals, abs=1.0)
    assert totals[1] > totals[2] > 0


def test_municipalities(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    page.click("#tdh-tab-kpi")
    shown = {
        row[0]: row
        for row in page.eval_on_selector_all(
            "#tdh-kpi-sheet table:last-of-type tbody tr",
            "rows => rows.map(r => [...r.children].map(c => c.innerText.trim()))",
        )
    }
    codes = fake_run.cells["municipality_code"].to_numpy(dtype=object)
    places = fake_run.assets["municipality_code"].reindex(fake_run.plan["asset_id"]).to_numpy()
    short = {
        when: sum(people_short(fake_run, c, when) for c in fake_run.carriers)
        for when in ("before", "after")
    }
    for code, name in fake_run.municipalities["municipality"].items():
        row = shown[name]
        assert number(row[1]) == (places == code).sum()
        assert number(row[2]) == pytest.approx(short["before"][codes == code].sum(), abs=1.0)
        assert number(row[3]) == pytest.approx(short["after"][codes == code].sum(), abs=1.0)


def test_counts_of_assets(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    assert number(page.locator("#tdh-count").inner_text().split()[0]) == len(fake_run.assets)
    page.select_option("#tdh-f-status", "chosen")
    page.settled()
    chosen = fake_run.plan["asset_id"].nunique()
    assert number(page.locator("#tdh-count").inner_text().split()[0]) == chosen
