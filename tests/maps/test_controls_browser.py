"""The map's remaining controls, and what its pixels show, in a real browser.

Screenshots are compared with what the run says of each cell, not with stored pictures: a new
font or a new shade does not fail, a raster that is shifted, mirrored or of another class does.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from tdh import display, maps

pytestmark = pytest.mark.browser

BARE = "&layers=&opacity=100"
LEFT, RIGHT = 0.15, 0.7
"""Part of the map's width that neither tools nor legend cover."""


def app(page: Any, expression: str) -> Any:
    """A value of the page's application."""
    return page.evaluate(f"TDH.app.{expression}")


def screenshot(page: Any, path: Path) -> np.ndarray:
    """The map as it is seen: int, (rows, cols, 3)."""
    page.settled()
    page.locator(".folium-map").screenshot(path=path)
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(path) as opened:
        return opened.read([1, 2, 3]).astype(int).transpose(1, 2, 0)


def colours_of_cells(page: Any, run: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Cells in sight, as rows of ``run.cells``, and the colour at the middle of each."""
    picture = screenshot(page, path)
    row, col = run.cells["row"].tolist(), run.cells["col"].tolist()
    at = np.array(
        page.evaluate(
            """([rows, cols]) => rows.map((r, k) => {
              const [lon, lat] = TDH.app.store.toGeo(cols[k] + 0.5, r + 0.5, [0, 0]);
              const p = TDH.app.map.latLngToContainerPoint([lat, lon]); return [p.x, p.y]; })""",
            [row, col],
        )
    )
    high, wide, _ = picture.shape
    seen = (at[:, 0] > LEFT * wide) & (at[:, 0] < RIGHT * wide)
    seen &= (at[:, 1] > 20) & (at[:, 1] < high - 60)
    x, y = np.floor(at[seen]).astype(int).T
    return np.flatnonzero(seen), picture[y, x]


def nearest(colours: np.ndarray, palette: list[list[int]]) -> np.ndarray:
    """Index of the palette's colour that is nearest to each."""
    distance = np.abs(colours[:, None, :] - np.array(palette)[None]).sum(axis=2)
    return distance.argmin(axis=1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_picture_of_gaps_is_the_run_s(
    open_map: Any, map_file: Path, fake_run: Any, tmp_path: Path, when: str
) -> None:
    page = open_map(map_file, f"#view=gap&who=0&when={when}{BARE}")
    seen, colours = colours_of_cells(page, fake_run, tmp_path / "a.png")
    assert len(seen) > 0.3 * len(fake_run.cells)
    carrier = fake_run.carriers[0].id
    before, after = (fake_run._served(carrier, w)[seen] for w in ("before", "after"))
    classes = np.where(before, 0, np.where(after, 1, 2))
    if when == "before":
        classes = np.where(before, 0, 2)
    # The picture's own palette: the median colour of the cells of each class.
    groups = np.unique(classes)
    palette = [np.median(colours[classes == k], axis=0).astype(int).tolist() for k in groups]
    apart = np.abs(np.subtract.outer(np.array(palette), np.array(palette))).sum(axis=(1, 3))
    assert apart[~np.eye(len(groups), dtype=bool)].min() > 100
    assert (groups[nearest(colours, palette)] == classes).mean() > 0.98


def test_picture_of_counts_is_the_run_s(
    open_map: Any, map_file: Path, fake_run: Any, tmp_path: Path
) -> None:
    page = open_map(map_file, f"#view=count&who=any&when=after{BARE}")
    seen, colours = colours_of_cells(page, fake_run, tmp_path / "a.png")
    served = np.sum([fake_run._served(c.id, "after")[seen] for c in fake_run.carriers], axis=0)
    n = len(fake_run.carriers)
    palette = page.evaluate(f"Array.from({{length: {n + 1}}}, (_, i) => TDH.countColour(i, {n}))")
    assert (nearest(colours, [list(c)[:3] for c in palette]) == served).mean() > 0.98


def test_signal_looks_stronger_where_it_is(
    open_map: Any, map_file: Path, fake_run: Any, tmp_path: Path
) -> None:
    page = open_map(map_file, f"#view=signal&who=0&band=n78&when=before{BARE}")
    seen, colours = colours_of_cells(page, fake_run, tmp_path / "a.png")
    row, col = (fake_run.cells[k].to_numpy()[seen] for k in ("row", "col"))
    margin = fake_run.signal("docomo", "n78", "before")[row, col]
    margin = margin - fake_run.bands["docomo", "n78"].covered_dbm
    served, weak = margin >= 1, margin <= -1
    assert served.any() and weak.any()
    blue = colours[:, 2] - colours[:, 0]
    assert (blue[served] > 0).mean() > 0.98 and (blue[weak] < 0).mean() > 0.98
    dark = -colours.sum(axis=1)
    assert np.corrcoef(margin[served], dark[served])[0, 1] > 0.9


def test_every_view_and_layer_changes_the_picture(
    open_map: Any, map_file: Path, tmp_path: Path
) -> None:
    page = open_map(map_file, f"#view=none&who=0{BARE}")
    bare = screenshot(page, tmp_path / "bare.png")
    pictures = [bare]
    for view in ("gap", "signal", "count", "change", "kpi"):
        page.check(f"#tdh-view input[value={view}]")
        pictures.append(screenshot(page, tmp_path / f"{view}.png"))
    for k, one in enumerate(pictures):
        for other in pictures[k + 1 :]:
            assert (np.abs(one - other).sum(axis=2) > 30).mean() > 0.02
    page.check("#tdh-view input[value=none]")
    names = page.eval_on_selector_all("#tdh-layers input", "n => n.map(e => e.value)")
    assert set(names) == {
        *("chosen", "sectors", "assets", "sites", "places", "stations", "regions", "wards")
    }
    page.evaluate("TDH.app.map.setZoom(15, {animate: false})")
    nothing = screenshot(page, tmp_path / "nothing.png")
    for name in names:
        if name == "sectors":  # part of the offers' marks
            page.check("#tdh-layers input[value=chosen]")
            nothing_here = screenshot(page, tmp_path / "chosen.png")
        else:
            nothing_here = nothing
        page.check(f"#tdh-layers input[value={name}]")
        shown = screenshot(page, tmp_path / f"{name}.png")
        assert (np.abs(shown - nothing_here).sum(axis=2) > 30).sum() > 30, name
        page.uncheck(f"#tdh-layers input[value={name}]")
        if name == "sectors":
            page.uncheck("#tdh-layers input[value=chosen]")
    again = screenshot(page, tmp_path / "again.png")
    assert (np.abs(again - nothing).sum(axis=2) > 30).mean() < 0.01


def test_filters_of_owner_municipality_and_score(
    open_map: Any, map_file: Path, fake_run: Any
) -> None:
    page = open_map(map_file)
    assets = fake_run.assets
    best = display.best_scores(fake_run.scores)["score"].reindex(assets.index).fillna(0)
    page.select_option("#tdh-f-owner", label="区")
    keep = assets["owner"] == "区"
    assert app(page, "table.rows.length") == keep.sum()
    name = assets["municipality"].iloc[0]
    page.select_option("#tdh-f-municipality", label=name)
    keep &= assets["municipality"] == name
    assert app(page, "table.rows.length") == keep.sum() > 0
    page.fill("#tdh-f-score", "40")
    keep &= best.round() >= 40
    assert abs(app(page, "table.rows.length") - keep.sum()) <= 1
    page.select_option("#tdh-f-status", "other")
    keep &= ~assets.index.isin(fake_run.plan["asset_id"])
    assert abs(app(page, "table.rows.length") - keep.sum()) <= 1
    # What the file holds is what the table shows, and the map's dots are the same.
    with page.expect_download() as waiting:
        page.click("#tdh-csv")
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    rows = [row["asset_id"] for row in csv.DictReader(io.StringIO(text))]
    assert len(rows) == app(page, "table.rows.length")
    assert set(rows) <= set(assets.index[assets["owner"] == "区"])
    assert app(page, "store.points.visible.reduce((n, v) => n + v, 0)") == len(rows)
    page.click("#tdh-reset")
    assert app(page, "table.rows.length") == len(assets)
    page.fill("#tdh-q", "assets-17")
    assert app(page, "table.rows.length") == assets.index.str.contains("assets-17").sum()
    page.fill("#tdh-q", "そのような名はない")
    assert app(page, "table.rows.length") == 0
    assert page.seen["errors"] == []


def test_row_opens_its_asset_and_selection_can_be_cleared(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    row = page.locator(".rows .row").nth(2)
    name = row.locator(".cell").nth(1).inner_text()
    row.locator(".cell").nth(1).click()
    assert name == page.locator(".leaflet-popup-content h3").inner_text()
    row = page.locator(".rows .row").nth(2)
    row.locator(".pick").click()
    assert app(page, "table.selected.size") == 1
    page.click("#tdh-clear")
    assert app(page, "table.selected.size") == 0
    assert page.locator("#tdh-csv-sel").is_disabled()


def test_panel_and_table_fold_and_the_map_grows(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    wide, high = (app(page, f"map.getSize().{k}") for k in "xy")
    assert high == page.evaluate("TDH.app.map.getContainer().clientHeight")
    page.click("#tdh-burger")
    assert page.get_attribute("#tdh-burger", "aria-expanded") == "false"
    assert app(page, "map.getSize().x") > wide
    page.click("#tdh-fold")
    assert page.get_attribute("#tdh-fold", "aria-expanded") == "false"
    assert app(page, "map.getSize().y") > high
    page.click("#tdh-burger")
    page.click("#tdh-fold")
    assert (app(page, "map.getSize().x"), app(page, "map.getSize().y")) == (wide, high)


def test_tabs_zoom_opacity_and_marks(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    page.locator("#tdh-tab-assets").focus()
    for name in ("kpi", "regions", "sites", "assets"):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == f"tdh-tab-{name}"
        assert page.locator(f"#tdh-{name}-sheet").is_visible()
    start = app(page, "map.getZoom()")
    page.locator(".folium-map").focus()
    page.keyboard.press("+")
    page.until(f"TDH.app.map.getZoom() > {start}")  # the map glides
    page.get_by_role("button", name="全体を表示").click()
    page.until(f"TDH.app.map.getZoom() <= {start}")
    page.locator("#tdh-opacity").focus()
    page.keyboard.press("Home")
    assert page.evaluate("TDH.app.map.getPane('after').style.opacity") == "0.1"
    for word in fake_run.attributions:
        assert word in page.locator(".leaflet-control-attribution").text_content()
    assert page.locator(".leaflet-control-scale-line").inner_text().endswith(("m", "km"))
    assert page.get_by_role("img", name="上が北です").count() == 1
    notices = page.locator("#tdh-notices").inner_text()
    assert all(n.render("ja") in notices for n in fake_run.notices)


def test_link_is_offered(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file, "#view=count")
    page.click("#tdh-link")
    # Copied where the browser lets a file do so, else shown to be copied by hand.
    page.until(lambda: page.locator("#tdh-say").inner_text() or page.seen["dialogs"])
    assert "view=count" in page.evaluate("location.hash")


def test_only_an_online_map_asks_for_tiles(open_map: Any, fake_run: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    maps.save(maps.plan_map(fake_run, online_base=True), path)
    page = open_map(path)
    assert page.seen["requests"] == [path.as_uri()]  # not before it is switched on
    page.context.route("https://**", lambda route: route.abort())
    page.check("#tdh-layers input[value=gsi]")
    page.until(lambda: page.seen["requests"][1:])
    page.settled()
    asked = page.seen["requests"][1:]
    assert all(url.startswith("https://cyberjapandata.gsi.go.jp/xyz/") for url in asked)
    assert "地理院タイル" in page.locator(".leaflet-control-attribution").text_content()
