"""Antennas, path profiles, places and goals on the map, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tdh import details, maps

pytestmark = pytest.mark.browser


def app(page: Any, expression: str) -> Any:
    """A value of the page's application."""
    return page.evaluate(f"TDH.app.{expression}")


def offer(run: Any, at: int = 0) -> tuple[str, str]:
    """Asset and carrier of an offer."""
    row = run.plan.iloc[at]
    return row["asset_id"], row["carrier_id"]


def painted(page: Any, pane: str) -> int:
    """Pixels of a pane's canvases that are not empty."""
    return page.evaluate(
        """(pane) => { let n = 0;
          for (const c of TDH.app.map.getPane(pane).querySelectorAll("canvas")) {
            const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
            for (let i = 3; i < d.length; i += 4) if (d[i]) n++; }
          return n; }""",
        pane,
    )


def test_sectors_look_where_the_antennas_do(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file, "#view=none")
    for at in range(len(fake_run.plan)):
        asset, carrier = offer(fake_run, at)
        mine = fake_run.antennas
        mine = mine[(mine["asset_id"] == asset) & (mine["carrier"] == carrier)]
        expected = {None if np.isnan(a) else a for a in mine["azimuth_deg"]}
        assert set(app(page, f"store.directions({at})")) == expected


def test_sectors_can_be_hidden_and_are_not_drawn_far_out(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file, "#view=none&layers=chosen,sectors")
    page.evaluate("TDH.app.map.setZoom(15, {animate: false})")
    page.settled()
    with_sectors = painted(page, "chosen")
    page.uncheck("#tdh-layers input[value=sectors]")
    without = painted(page, "chosen")
    assert with_sectors > 1.5 * without > 0
    page.evaluate("TDH.app.map.setZoom(12, {animate: false})")
    page.settled()
    far = painted(page, "chosen")
    page.check("#tdh-layers input[value=sectors]")
    assert painted(page, "chosen") == far


def test_a_sector_is_painted_ahead_and_not_behind(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    ahead, behind = page.evaluate(
        """(() => { const c = document.createElement("canvas"); c.width = c.height = 100;
          const x = c.getContext("2d"); TDH.sector(x, 50, 50, 90, 40, "#0072b2", 65);
          return [[70, 50], [30, 50]].map(([u, v]) => x.getImageData(u, v, 1, 1).data[3]); })()"""
    )
    assert ahead > 0
    assert behind == 0


def test_profile_of_a_path(open_map: Any, map_file: Path, fake_run: Any) -> None:
    table = fake_run.profiles
    for clear in (True, False):
        row = table[table["line_of_sight"] == clear].iloc[0]
        page = open_map(map_file, f"#asset={row['asset_id']}")
        page.wait_for_selector(".profile")
        carriers = [c.id for c in fake_run.carriers]
        mine = fake_run.plan[fake_run.plan["asset_id"] == row["asset_id"]]
        order = sorted(mine["carrier_id"], key=carriers.index)
        picture = page.locator(".profile").nth(order.index(row["carrier"]))
        words = picture.locator("text").all_text_contents()
        assert ("見通しあり" in words) == clear
        assert any("標高 (m)" in w for w in words)
        assert any("アンテナからの距離 (m)" in w for w in words)
        assert {"0", "100", "200", "300"} <= set(words)
        assert picture.locator(".blocked").count() == (0 if clear else 1)
        assert "320" in picture.get_attribute("aria-label")
        assert app(page, "pathLines.getLayers().length") == 3 * len(order)
        ends = app(page, "pathLines.getLayers()[1].getLatLngs().map(p => [p.lat, p.lng])")
        asset = fake_run.assets.loc[row["asset_id"]]
        assert ends[0] == pytest.approx([asset["latitude"], asset["longitude"]], abs=2e-6)
        first = table[(table["asset_id"] == row["asset_id"]) & (table["carrier"] == order[0])]
        cell = fake_run.cells.loc[first["cell_id"].iloc[0]]
        at = app(page, f"store.toCell({ends[1][1]}, {ends[1][0]}, [0, 0])")
        assert at == pytest.approx([cell["col"] + 0.5, cell["row"] + 0.5], abs=0.01)
        page.keyboard.press("Escape")
        assert app(page, "map.hasLayer(TDH.app.pathLines)") is False


def test_heights_of_a_path_survive_packing(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    for (asset, carrier), path in details.profiles(fake_run).items():
        same = (fake_run.plan["asset_id"] == asset) & (fake_run.plan["carrier_id"] == carrier)
        at = int(np.flatnonzero(same)[0])
        shown = page.evaluate(f"TDH.app.store.profile({at}).then(TDH.pathOf)")
        assert shown["along"] == pytest.approx(path.distance_m.tolist(), abs=0.11)
        assert shown["ground"] == pytest.approx(path.ground_m.tolist(), abs=0.11)
        assert shown["top"] == pytest.approx(path.top_m.tolist(), abs=0.16)
        assert shown["sight"] == pytest.approx(path.sight_m.tolist(), abs=0.11)


def test_popup_tells_antennas_gain_and_the_way_to_the_report(
    open_map: Any, map_file: Path, fake_run: Any
) -> None:
    asset, _ = offer(fake_run)
    page = open_map(map_file, f"#asset={asset}&lang=en")
    page.wait_for_selector(".profile")
    text = page.locator(".leaflet-popup-content").inner_text()
    for word in ("Antennas", "Compliance distance", "Parts of the score", "Gained in the plan"):
        assert word in text
    gained = fake_run.plan["people_gained"].iloc[0]
    assert f"{gained:,.0f}" in text
    free = fake_run.assets.index.difference(fake_run.plan["asset_id"])[0]
    other = open_map(map_file, f"#asset={free}")
    assert other.locator(".leaflet-popup-content a").count() == 0
    assert other.locator(".profile").count() == 0


def test_newly_served_cells_stand_out(open_map: Any, map_file: Path, fake_run: Any) -> None:
    asset, carrier = offer(fake_run)
    page = open_map(map_file, f"#asset={asset}&who=0")
    page.until("TDH.app.fresh !== undefined")
    served = np.zeros(len(fake_run.cells), dtype=bool)
    for (owner, band), spec in fake_run.bands.items():
        if owner == carrier:
            coverage = fake_run.footprint(owner, band)
            row = coverage.footprint(spec.covered_dbm)[[coverage.site_ids.get_loc(asset)]]
            served[row.indices] = True
    expected = (served & ~fake_run._served(carrier, "before")).sum()
    assert app(page, "fresh") == expected > 0


def test_places_tell_who_serves_them(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    places = fake_run.places
    rows, cols = fake_run.grid.rowcol(places.geometry.x, places.geometry.y)
    for k, place in enumerate(places.itertuples()):
        cell = f"r{rows[k]:05d}c{cols[k]:05d}"
        at = fake_run.cells.index.get_loc(cell)
        expected = sum(fake_run._served(c.id, "after")[at] for c in fake_run.carriers)
        page.evaluate(f"TDH.app.openPlace({k})")
        text = page.locator(".leaflet-popup-content").inner_text()
        assert place.name in text
        assert (f"{expected} 社" if expected else "計画後も不足") in text


def test_place_under_the_cursor_opens(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file, "#view=none&layers=places")
    hospital = fake_run.places[fake_run.places["kind"] == "disaster_hospital"].to_crs("EPSG:6668")
    point = hospital.geometry.iloc[0]
    page.evaluate(f"TDH.app.map.setView([{point.y}, {point.x}], 17, {{animate: false}})")
    assert painted(page, "places") > 0
    box = page.locator(".folium-map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".leaflet-popup-content")
    text = page.locator(".leaflet-popup-content").inner_text()
    assert "災害拠点病院" in text
    page.click("#tdh-lang")
    assert "Disaster hospital" in page.locator(".leaflet-popup-content").inner_text()


def test_goals_in_panel_and_table(open_map: Any, map_file: Path) -> None:
    page = open_map(map_file)
    lines = page.locator(".goals tbody tr").all_inner_texts()
    assert any("91.0% → 97.5%" in x and "達成" in x for x in lines)
    assert any("84.0% → 90.0%" in x and "あと 6.0ポイント" in x for x in lines)
    assert any("210.0 ha → 90.0 ha" in x and "あと 90.0 ha" in x for x in lines)
    page.click("#tdh-tab-kpi")
    assert page.locator(".goal-table tbody tr").count() == 4


def test_goal_by_municipality(open_map: Any, map_file: Path, fake_run: Any) -> None:
    page = open_map(map_file)
    assert not page.locator("#tdh-goal").is_visible()
    page.check("#tdh-view input[value=kpi]")
    page.select_option("#tdh-goal", "0.0")
    codes = list(fake_run.municipalities.index)
    table = fake_run.kpis[fake_run.kpis["level"] == "municipality"].set_index("municipality_code")
    for when, column in (("before", "before"), ("after", "after")):
        page.check(f"#tdh-when input[value={when}]", force=True)
        page.settled()
        for i, code in enumerate(codes):
            missing = 1 - table.loc[code, column]
            step = sum(missing >= s - 1e-9 for s in (0, 0.05, 0.15, 0.3)) - 1
            expected = page.evaluate(f"TDH.css(TDH.mix(TDH.KPI_RAMP, {step} * 0.25))")
            assert app(page, f"wards[{i}].options.fillColor") == expected
    assert "95–100%" in page.locator("#tdh-legend").inner_text()
    page.until("location.hash === TDH.permalink.write(TDH.app.state, TDH.app.map)")
    other = open_map(map_file, page.evaluate("location.hash"))
    assert app(other, "state.goal") == "0.0"
    assert other.locator("#tdh-goal").input_value() == "0.0"


@pytest.mark.parametrize("link", ["#goal=9.9&view=kpi", "#goal=<b>&view=kpi"])
def test_goals_that_are_not_there(open_map: Any, map_file: Path, link: str) -> None:
    page = open_map(map_file, link)
    assert page.seen["errors"] == []
    assert app(page, "state.goal") == ""


def test_run_without_any_of_it(open_map: Any, poor_run: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    maps.save(maps.plan_map(poor_run), path)
    page = open_map(path, "#asset=assets-1&view=kpi")
    assert page.seen["errors"] == []
    layers = page.eval_on_selector_all("#tdh-layers input", "n => n.map(e => e.value)")
    assert layers == ["chosen", "assets", "sites", "regions", "wards"]
    assert page.locator(".profile, .goals, .goal-table").count() == 0
    assert not page.locator("#tdh-goal").is_visible()


def test_hostile_words_stay_words(open_map: Any, hostile_run: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    maps.save(maps.plan_map(hostile_run), path)
    page = open_map(path, "#asset=assets-1")
    page.wait_for_selector(".profile")
    for k in range(len(hostile_run.places)):
        page.evaluate(f"TDH.app.openPlace({k})")
    page.click("#tdh-tab-kpi")
    page.check("#tdh-view input[value=kpi]")
    for option in page.eval_on_selector_all("#tdh-goal option", "n => n.map(e => e.value)"):
        page.select_option("#tdh-goal", option)
    page.click("#tdh-lang")
    assert page.seen == {"requests": [path.as_uri()], "errors": [], "dialogs": []}
    assert (
        page.evaluate("document.querySelectorAll('img, iframe, [onload], [onerror]').length") == 0
    )


def test_popups_have_no_serious_accessibility_violation(
    open_map: Any, map_file: Path, fake_run: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_map(map_file, f"#asset={offer(fake_run)[0]}&view=kpi&who=any")
    page.wait_for_selector(".profile")
    script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})
    for act in (None, "TDH.app.openPlace(1)"):
        if act:
            page.evaluate(act)
        page.evaluate(script)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        serious = [
            (v["id"], [n["html"][:150] for n in v["nodes"]][:3])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []
