"""On what today's coverage stands, on the map: traced to the run's rasters and sites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tdh import maps, present
from tdh.maps import content


@pytest.fixture(scope="module")
def known_run(fake_run: Any) -> Any:
    """A run with a band that is measured and declared in part, and estimated sites."""
    run = type(fake_run)(n_assets=200, rows=50, cols=60)
    inside = np.zeros(run.grid.shape, dtype=bool)
    inside[run.cells["row"].to_numpy(), run.cells["col"].to_numpy()] = True

    def evidence(carrier: str, band: str) -> np.ndarray | None:
        received = ~np.isnan(run.signal(carrier, band, "before"))
        codes = np.where(received, present.CODES["predicted"], present.CODES["none"])
        if (carrier, band) == ("docomo", "n78"):
            codes[:20, :30] = present.CODES["measured"]
            codes[20:35] = present.CODES["declared"]
        elif carrier == "rakuten":
            return None
        return np.where(inside, codes, content.NO_CELL).astype(np.uint8)

    run.evidence = evidence
    run.sites["evidence"] = np.where(np.arange(len(run.sites)) % 3 == 0, "estimated", "known")
    return run


@pytest.fixture(scope="module")
def known_map(known_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of that run."""
    path = tmp_path_factory.mktemp("evidence") / "map.html"
    maps.save(maps.plan_map(known_run), path)
    return path


def test_only_more_than_predictions_is_kept(known_run: Any, fake_run: Any) -> None:
    meta = content.collect(known_run).meta
    assert [k for k in meta["rasters"] if k.endswith("/source")] == ["0/n78/source"]
    assert meta["sites"]["estimated"] == (known_run.sites["evidence"] == "estimated").sum() > 0
    plain = content.collect(fake_run).meta
    assert "evidence" not in plain
    assert not [k for k in plain["rasters"] if k.endswith("/source")]


@pytest.mark.browser
def test_every_cell_shows_its_evidence(open_map: Any, known_map: Path, known_run: Any) -> None:
    page = open_map(known_map, "#view=evidence&who=0&band=n78&layers=")
    assert page.locator("#tdh-view input[value=evidence]").is_checked()
    for carrier, who in (("docomo", 0), ("kddi", 1)):
        shown = page.evaluate(f"TDH.app.store.evidence({who}, 'n78').then(a => Array.from(a))")
        expected = known_run.evidence(carrier, "n78").ravel()
        expected = np.where(expected == content.NO_CELL, 0, expected + 1)
        assert shown == expected.tolist()
    legend = page.locator("#tdh-legend").inner_text()
    for word in ("実測", "公表", "予測"):
        assert word in legend
    assert "モデルによる予測値" not in legend  # a part of it is measured
    row, col = known_run.cells[["row", "col"]].to_numpy()[
        (known_run.cells["row"] < 20) & (known_run.cells["col"] < 30)
    ][0]
    lon, lat = page.evaluate(f"TDH.app.store.toGeo({col + 0.5}, {row + 0.5}, [0, 0])")
    page.evaluate(f"TDH.app.read({{lat: {lat}, lng: {lon}}})")
    assert "n78 (実測)" in page.locator("#tdh-readout").inner_text()
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_estimated_sites_have_a_mark_of_their_own(
    open_map: Any, known_map: Path, known_run: Any
) -> None:
    page = open_map(known_map)
    page.locator("#tdh-layers input[value=sites]").check()
    page.until("TDH.app.siteTable !== undefined")
    marked = page.evaluate("Array.from(TDH.app.siteTable.estimated).reduce((a, b) => a + b, 0)")
    assert marked == (known_run.sites["evidence"] == "estimated").sum()
    assert "推定した既存局" in page.locator("#tdh-legend").inner_text()
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_a_map_of_predictions_only_has_no_such_view(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file, "#view=evidence")
    assert page.locator("#tdh-view input[value=evidence]").count() == 0
    assert page.evaluate("TDH.app.state.view") == "gap"
