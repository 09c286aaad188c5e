"""Every control of the map, in a real browser."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from tdh import display, maps

pytestmark = pytest.mark.browser


def app(page: Any, expression: str) -> Any:
    """A value of the page's application."""
    return page.evaluate(f"TDH.app.{expression}")


def at_cell(page: Any, run: Any, row: int, col: int) -> None:
    """Put a cell in the middle of the map and the mouse on it."""
    lon, lat = page.evaluate(f"TDH.app.store.toGeo({col + 0.5}, {row + 0.5}, [0, 0])")
    page.evaluate(f"TDH.app.map.setView([{lat}, {lon}], 17, {{animate: false}})")
    box = page.locator(".folium-map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + 30, y)
    page.mouse.move(x, y)
    page.settled()


def test_no_request_and_no_error(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    assert page.seen["requests"] == [map_file.as_uri()]
    assert page.seen["errors"] == []
    assert page.title() == "架空の街の試算"
    assert page.locator("#tdh-notices span.warn").inner_text().startswith("架空のデータ")


def test_hover_value_equals_the_raster(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    rng = np.random.default_rng(1)
    cells = fake_run.cells.iloc[rng.choice(len(fake_run.cells), 12, replace=False)]
    for row, col in zip(cells["row"], cells["col"], strict=True):
        at_cell(page, fake_run, row, col)
        shown = page.eval_on_selector_all(
            "#tdh-readout td[data-key]", "n => n.map(e => [e.dataset.key, e.dataset.value])"
        )
        assert len(shown) == 2 * len(fake_run.bands)
        for key, value in shown:
            index, band, when = key.split("/")
            carrier = fake_run.carriers[int(index)].id
            expected = fake_run.signal(carrier, band, when)[row, col]
            if np.isnan(expected):
                assert value == ""
            else:
                assert float(value) == expected


def pixel(page: Any, x: float, y: float) -> list[int]:
    """The colour of the raster's canvas under a point of the window."""
    return page.evaluate(
        """([x, y]) => { for (const pane of ["after", "before"]) {
          for (const c of TDH.app.map.getPane(pane).querySelectorAll("canvas")) {
            const b = c.getBoundingClientRect();
            if (x >= b.left && x < b.right && y >= b.top && y < b.bottom) {
              const d = c.getContext("2d").getImageData(x - b.left, y - b.top, 1, 1).data;
              if (d[3]) return Array.from(d);
            } } } return [0, 0, 0, 0]; }""",
        [x, y],
    )


def test_pixels_follow_the_threshold(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file, "#view=signal&who=0&band=n78&when=before&opacity=100")
    signal = fake_run.signal("docomo", "n78", "before")
    served = np.argwhere(signal >= -105)
    row, col = served[len(served) // 2]
    at_cell(page, fake_run, row, col)
    box = page.locator(".folium-map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    blue = pixel(page, x, y)
    assert blue[2] > blue[0]
    page.evaluate(
        """() => { const s = document.getElementById("tdh-shift"); s.value = 30;
                   s.dispatchEvent(new Event("input")); }"""
    )
    page.settled()
    orange = pixel(page, x, y)
    assert (signal[row, col] >= -80) == (orange[2] > orange[0])
    assert "-80 dBm" in page.locator("#tdh-shift-text").inner_text()


def test_gap_classes_equal_a_recount(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    for index, carrier in enumerate(fake_run.carriers):
        found = page.evaluate(
            f"""(async () => {{ const n = [0, 0, 0, 0];
              for (const v of TDH.app.store.classes({index}, 0)) n[v]++; return n; }})()"""
        )
        before, after = (fake_run._served(carrier.id, w) for w in ("before", "after"))
        assert found[1] == before.sum()
        assert found[2] == (after & ~before).sum()
        assert found[3] == (~after).sum()
    counts = page.evaluate(
        """(() => { const n = [0, 0, 0, 0, 0, 0];
            for (const v of TDH.app.store.count('after', 0)) n[v]++; return n; })()"""
    )
    served = np.sum([fake_run._served(c.id, "after") for c in fake_run.carriers], axis=0)
    assert counts[1:] == [int((served == k).sum()) for k in range(5)]
    any_carrier = page.evaluate(
        "TDH.app.store.margin('two', 'before').reduce((n, m) => n + (m >= 128), 0)"
    )
    before = np.sum([fake_run._served(c.id, "before") for c in fake_run.carriers], axis=0)
    assert any_carrier == (before >= 2).sum()


def test_inflate_without_decompression_stream(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    same = page.evaluate(
        """async () => {
          const blocks = document.querySelectorAll('script[type="text/plain"]');
          for (const id of Array.from(blocks, s => s.id)) {
          const packed = TDH.fromBase64(document.getElementById(id).textContent);
          const slow = TDH.inflate(packed), fast = await TDH.block(id);
          if (slow.length !== fast.length || slow.some((v, i) => v !== fast[i])) return id; }
          return true; }"""
    )
    assert same is True


def test_filters_search_and_table(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    assert app(page, "table.rows.length") == len(fake_run.assets)
    page.fill("#tdh-q", "若葉 公園")
    names = fake_run.assets["name"] + " " + fake_run.assets["address"]
    expected = names.str.contains("若葉") & names.str.contains("公園")
    assert app(page, "table.rows.length") == expected.sum()
    page.fill("#tdh-q", "")
    page.select_option("#tdh-f-status", "chosen")
    assert app(page, "table.rows.length") == fake_run.plan["asset_id"].nunique()
    page.click("#tdh-reset")
    page.fill("#tdh-f-height", "20")
    assert app(page, "table.rows.length") == (fake_run.assets["height_agl_m"] >= 20).sum()
    page.click("#tdh-reset")
    page.select_option("#tdh-f-kind", label="学校")
    assert app(page, "table.rows.length") == (fake_run.assets["kind"] == "school").sum()
    page.click("#tdh-reset")
    page.click(".row.head button:has-text('高さ')")
    tallest = page.locator(".rows .row").nth(0).inner_text()
    assert f"{fake_run.assets['height_agl_m'].max():.1f}" in tallest
    assert page.locator(".rows .row").count() < 40  # only the rows in sight exist


def test_selection_to_csv(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    assert page.locator("#tdh-csv-sel").is_disabled()
    for i in range(3):
        page.locator(".rows .row").nth(i).locator(".pick").click()
    with page.expect_download() as waiting:
        page.click("#tdh-csv-sel")
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3
    for row in rows:
        asset = fake_run.assets.loc[row["asset_id"]]
        assert row["名称"] == asset["name"]
        assert float(row["latitude"]) == pytest.approx(asset["latitude"], abs=2e-6)
        assert float(row["高さ (m)"]) == asset["height_agl_m"]
    page.click(".tdh-tools button >> nth=2")
    box = page.locator(".folium-map").bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5, steps=4)
    page.mouse.up()
    assert app(page, "table.selected.size") > 300


def test_swipe(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    page.check("#tdh-when input[value=swipe]", force=True)
    bar = page.get_by_role("slider", name="左右に比較")
    assert bar.is_visible()
    box = bar.bounding_box()
    page.mouse.move(box["x"] + 14, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] - 200, box["y"] + 150, steps=4)
    page.mouse.up()
    assert app(page, "swipe.at") < 0.4
    at = app(page, "swipe.at")
    bar.focus()
    page.keyboard.press("ArrowRight")
    assert app(page, "swipe.at") == pytest.approx(at + 0.02)
    assert page.evaluate("getComputedStyle(TDH.app.map.getPane('before')).clip") != "auto"


def test_language(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    page.click("#tdh-lang")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("#tdh-tab-assets").inner_text() == "Assets"
    assert "Gap that remains" in page.locator("#tdh-legend").inner_text()
    missing = page.evaluate(
        """(() => { const [a, b] = [TDH.WORDS.ja, TDH.WORDS.en].map(Object.keys);
            return a.filter(k => !b.includes(k)).concat(b.filter(k => !a.includes(k))); })()"""
    )
    assert missing == []


def test_regions_that_remain(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    page.click("#tdh-tab-regions")
    first = page.locator("#tdh-regions-sheet tbody tr").first
    expected = display.gap_regions(fake_run)
    mine = expected[expected["carrier_id"] == "docomo"].iloc[0]
    assert f"{mine['people']:,.0f}" in first.inner_text()
    first.get_by_role("button").click()
    assert app(page, "state.layers.regions") is True
    assert app(page, "outlines.getLayers().length") == (expected["carrier_id"] == "docomo").sum()


def written(page: Any) -> str:
    """The address once it tells all that is shown: it is written a moment later."""
    page.until("location.hash === TDH.permalink.write(TDH.app.state, TDH.app.map)")
    return str(page.evaluate("location.hash"))


def test_permalink(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    page.check("#tdh-view input[value=signal]")
    page.check("#tdh-who input[value='2']")
    page.select_option("#tdh-band", "n28")
    page.uncheck("#tdh-layers input[value=assets]")
    page.fill("#tdh-q", "公園")
    page.evaluate("TDH.app.map.setView([35.668, 139.668], 15, {animate: false})")
    link = written(page)
    other = open_map(map_file, link)
    assert app(other, "state.view") == "signal"
    assert app(other, "state.who") == 2
    assert app(other, "state.band") == "n28"
    assert app(other, "state.layers.assets") is False
    assert app(other, "state.q") == "公園"
    assert app(other, "map.getZoom()") == 15
    assert app(other, "table.rows.length") == app(page, "table.rows.length")


def test_permalink_of_an_asset_opens_it(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file, "#asset=assets-1")
    popup = page.locator(".leaflet-popup-content")
    assert fake_run.assets.loc["assets-1", "name"] in popup.inner_text()
    assert "選定" in popup.inner_text()
    asset = fake_run.assets.loc["assets-1"]
    assert f"{asset['mounting_height_m']:.1f} m" in popup.inner_text()
    link = popup.locator("a").get_attribute("href")
    assert link == "report.html#asset-assets-1"


@pytest.mark.parametrize("link", ["#view=x&who=99&shift=1e9&map=a/b/c", "#%%%", "#map=NaN/1"])
def test_bad_permalinks_are_ignored(open_map: Any, map_file: Path, link: str) -> None:
    page = open_map(map_file, link)
    assert page.seen["errors"] == []
    assert app(page, "state.view") == "gap"


def test_keyboard_and_measure(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    page.locator(".scroller").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert app(page, "table.selected.size") == 1
    page.keyboard.press("Enter")
    assert page.locator(".leaflet-popup-content").is_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="距離を測る").click()
    box = page.locator(".folium-map").bounding_box()
    page.settled()  # a map that still glides to the popup takes no clicks
    for n, x in enumerate((300, 400), start=1):
        page.mouse.click(box["x"] + x, box["y"] + 400)
        page.until(f"TDH.app.measure.points.length === {n}")
    said = page.locator("#tdh-say").inner_text()
    expected = page.evaluate(
        "TDH.app.map.distance(TDH.app.measure.points[0], TDH.app.measure.points[1])"
    )
    assert said.replace(",", "").startswith(f"{expected:.0f} m") or "km" in said
    page.keyboard.press("Escape")
    assert app(page, "measure.active") is False


def test_sheet_of_paper_shows_the_raster(open_map: Any, map_file: Path, tmp_path: Path) -> None:
    reader = shutil.which("pdftoppm")
    if reader is None:
        pytest.skip("no pdftoppm on this machine")
    page = open_map(map_file, "#view=count&who=any&layers=wards")
    width = page.evaluate("TDH.app.map.getSize().x")
    page.pdf(path=tmp_path / "map.pdf", prefer_css_page_size=True, print_background=True)
    picture = tmp_path / "map"
    subprocess.run([reader, "-r", "30", "-png", tmp_path / "map.pdf", picture], check=True)
    (sheet,) = tmp_path.glob("map*.png")
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(sheet) as opened:
        pixels = opened.read([1, 2, 3]).astype(int)
    rows, cols = pixels.shape[1:]
    assert cols / rows == pytest.approx(420 / 297, rel=0.02)  # one sheet of A3
    middle = pixels[:, rows // 4 : -rows // 4, cols // 4 : -cols // 4]
    assert (np.ptp(middle, axis=0) > 40).mean() > 0.4  # coloured, not white
    assert page.evaluate("TDH.app.map.getSize().x") == width
    assert page.locator(".paper-copy").count() == 0


def test_print_hides_tools_and_keeps_the_legend(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    page.emulate_media(media="print")
    assert not page.locator("#tdh-panel").is_visible()
    assert not page.locator("#tdh-drawer").is_visible()
    assert page.locator("#tdh-title").is_visible()
    assert page.locator("#tdh-legend").is_visible()
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page") >= 1
    assert b"/MediaBox [0 0 119" in pdf  # A3 is 1190.55 points wide


def test_hostile_register_is_only_text(
    open_map: Any, hostile_run: Any, tmp_path: Path, context: Any
) -> None:
    path = tmp_path / "map.html"
    maps.save(maps.plan_map(hostile_run), path)
    page = open_map(path)
    names = hostile_run.assets["name"]
    for i in range(10):
        index = app(page, f"store.ids.indexOf('assets-{i + 1}')")
        page.evaluate(f"TDH.app.open({index}, true)")
        shown = page.locator(".leaflet-popup-content h3").text_content()
        assert shown == names.iloc[i].replace("\x1f", " ")
    page.mouse.move(700, 400)
    page.click("#tdh-lang")
    page.click("#tdh-tab-kpi")
    for view in ("signal", "count", "change", "kpi", "none"):
        page.check(f"#tdh-view input[value={view}]")
    with page.expect_download() as waiting:
        page.click("#tdh-csv")
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    assert not any(
        cell.startswith(("=", "+", "@")) for row in csv.reader(io.StringIO(text)) for cell in row
    )
    assert page.seen == {"requests": [path.as_uri()], "errors": [], "dialogs": []}
    assert (
        page.evaluate(
            "document.querySelectorAll('img, iframe, body script:not([type]) ~ style').length"
        )
        == 0
    )
    assert page.locator("#tdh-head").is_visible()


def test_no_serious_accessibility_violation(open_map: Any, map_file: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_map(map_file)
    for act in (None, "#tdh-tab-kpi", "#tdh-tab-regions", "#tdh-lang"):
        if act:
            page.click(act)
        page.settled()
        script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})
        page.evaluate(script)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        serious = [
            (v["id"], [n["html"][:120] for n in v["nodes"]][:3])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], json.dumps(serious, ensure_ascii=False, indent=1)


def test_folium_layers_can_be_added(open_map: Any, fake_run: Any, tmp_path: Path) -> None:
    import folium

    drawn = maps.plan_map(fake_run)
    folium.CircleMarker([35.668, 139.668], radius=9, color="red").add_to(drawn)
    maps.save(drawn, tmp_path / "map.html")
    page = open_map(tmp_path / "map.html")
    assert page.seen["errors"] == []
    assert page.evaluate("document.querySelectorAll('.leaflet-overlay-pane path').length") == 1
