"""Today's network on the map: throughput, present sites, people by day, traced to the tables."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh import display, maps, schemas, today
from tdh.maps import content, network
from tdh.present import ookla

ATTACK = "<img src=x onerror=alert('n')>"


def told_run(fake_run: Any, *, busy_kbps: float | None = 400.0) -> Any:
    """A run with throughput, people by day, loads and people covered by probability."""
    run = type(fake_run)(n_assets=200, rows=80, cols=100)
    rng = np.random.default_rng(5)
    cells = run.cells
    cells["population_day"] = cells["population"] * rng.uniform(0.5, 6.0, len(cells))
    x, y = run.grid.centres(cells["row"], cells["col"])
    centres = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=run.crs).to_crs("EPSG:4326")
    keys = np.unique(ookla.quadkeys(centres.x.to_numpy(), centres.y.to_numpy(), 16))
    parts = []
    for source, own in (("first.csv", keys[1:]), (f"{ATTACK}.csv", keys[1 : len(keys) // 2])):
        tiles = pd.DataFrame(
            {
                "download_mbps": rng.uniform(3, 400, len(own)),
                "upload_mbps": rng.uniform(1, 40, len(own)),
                "latency_ms": rng.uniform(10, 60, len(own)),
                "tests": rng.integers(1, 90, len(own)),
            },
            index=pd.Index(own, name="quadkey"),
        )
        parts.append(ookla.on_cells(tiles, cells, run.grid).assign(source=source))
    run.throughput = schemas.conform(pd.concat(parts, ignore_index=True), "throughput")
    run.scenario.gaps = SimpleNamespace(least_download_mbps=35.0)
    sites = run.sites
    customers = rng.uniform(0, 900, len(sites)).round()
    customers[0] = 0.0
    most = np.where(customers > 0, customers * 2.5, np.nan)
    run.site_load = schemas.conform(
        pd.DataFrame(
            {
                "carrier_id": sites["carrier_id"],
                "band": sites["band"],
                "customers": customers,
                "customers_day": customers * 2.5,
                "capacity_mbps": 585.0,
                "kbps_per_customer": 585e3 / most,
                "load": np.nan if busy_kbps is None else customers * 2.5 * busy_kbps / 585e3,
            },
            index=sites.index,
        ),
        "site_load",
    )
    run.site_load_after = _with_plan(run, busy_kbps)
    who = [*(c.id for c in run.carriers), "any", "at_least_2"]
    people = float(cells["population"].sum())
    run.expected_people = pd.DataFrame(
        {
            "carrier_id": who,
            "band": "",
            "people": people,
            **{
                name: people * (0.4 + 0.05 * k + 0.01 * np.arange(len(who)))
                for k, name in enumerate(
                    ("expected_before", "covered_before", "expected_after", "covered_after")
                )
            },
        }
    )
    codes = run.municipalities.index
    run.expected_municipalities = pd.concat(
        [
            pd.DataFrame(
                {
                    "carrier_id": name,
                    "municipality_code": codes,
                    "municipality": run.municipalities["municipality"].to_numpy(),
                    "people": 1000.0 + np.arange(len(codes)),
                    "covered_before": 700.0 + 10 * np.arange(len(codes)),
                    "expected_before": 650.0 + 11 * np.arange(len(codes)) - 5 * k,
                    "covered_after": 800.0 + 10 * np.arange(len(codes)),
                    "expected_after": 760.0 + 11 * np.arange(len(codes)) - 5 * k,
                }
            )
            for k, name in enumerate(who)
        ],
        ignore_index=True,
    )
    return run


def _with_plan(run: Any, busy_kbps: float | None) -> pd.DataFrame:
    """Loads with the plan on air: of present sites a little less than today's, and of the offers."""
    present = run.site_load.reset_index()
    offers = run.plan[["asset_id", "carrier_id"]].rename(columns={"asset_id": "site_id"})
    offers = offers.assign(band="n78", origin="plan", capacity_mbps=585.0)
    offers["customers_after"] = 100.0 + np.arange(len(offers))
    kept = present[["site_id", "carrier_id", "band", "capacity_mbps"]].assign(
        origin="present", customers_after=0.8 * present["customers"]
    )
    table = pd.concat([kept, offers], ignore_index=True)
    most = table["customers_after"].where(table["customers_after"] > 0) * 2.5
    table["kbps_per_customer_after"] = 585e3 / most
    table["load_after"] = np.nan if busy_kbps is None else most * busy_kbps / 585e3
    return table


@pytest.fixture(scope="module")
def network_run(fake_run: Any) -> Any:
    """A run that tells of today's network."""
    return told_run(fake_run)


@pytest.fixture(scope="module")
def network_map(network_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of that run."""
    path = tmp_path_factory.mktemp("network") / "map.html"
    maps.save(maps.plan_map(network_run), path)
    return path


def cell_speeds(run: Any) -> pd.Series:
    """Each measured cell's download, counted row by row."""
    table = run.throughput
    weighted = (table["download_mbps"] * table["tests"]).groupby(table["cell_id"]).sum()
    return weighted / table["tests"].groupby(table["cell_id"]).sum()


def test_people_of_each_class_of_speed(network_run: Any) -> None:
    found = today.throughput(network_run)
    assert found is not None
    speed = cell_speeds(network_run).reindex(network_run.cells.index)
    assert found.classes["low"].tolist() == [0, 10, 35, 100, 300]
    for row in found.classes.itertuples():
        mine = network_run.cells[(speed >= row.low) & (speed < row.high)]
        assert row.people == pytest.approx(mine["population"].sum())
        assert row.people_day == pytest.approx(mine["population_day"].sum())
        assert row.cells == len(mine)
    slow = network_run.cells[speed < 35.0]
    assert found.below["people"] == pytest.approx(slow["population"].sum()) != 0
    missing = network_run.cells[speed.isna()]
    assert found.unmeasured["people"] == pytest.approx(missing["population"].sum()) != 0
    total = found.classes["people"].sum() + found.unmeasured["people"]
    assert total == pytest.approx(network_run.cells["population"].sum())
    assert len(found.tiles) == network_run.throughput["quadkey"].nunique()


def test_a_poor_run_has_no_such_view(fake_run: Any) -> None:
    meta = content.collect(fake_run, signals=False).meta
    assert "throughput" not in meta
    assert "expected" not in meta
    assert "day" not in meta["sums"][0]
    assert not meta["sites"]["load"]["known"]
    assert meta["sites"]["load"]["level"] is None


def test_tiles_of_a_quadkey() -> None:
    longitude, latitude = np.array([139.69]), np.array([35.69])
    key = ookla.quadkeys(longitude, latitude, 16)[0]
    column, row, zoom = network._tile(key)
    assert zoom == 16
    assert column == int((139.69 + 180) / 360 * 2**16)
    assert ookla.quadkeys(np.array([(column + 0.5) / 2**16 * 360 - 180]), latitude, 16)[0] == key
    assert row > 0


def test_busy_without_loads_is_the_least_tenth(fake_run: Any) -> None:
    found = today.sites(told_run(fake_run, busy_kbps=None))
    assert not found.by_load
    serving = found.table["kbps_per_customer"].dropna()
    assert len(serving) == len(found.table) - 1  # one serves nobody
    assert found.table["busy"].sum() == pytest.approx(0.1 * len(serving), abs=1)
    quiet = found.table.loc[~found.table["busy"], "kbps_per_customer"]
    assert found.table.loc[found.table["busy"], "kbps_per_customer"].max() <= quiet.min()


@pytest.mark.browser
@pytest.mark.parametrize("language", ["ja", "en"])
def test_throughput_is_shown_as_measured(
    open_map: Any, network_map: Path, network_run: Any, language: str
) -> None:
    page = open_map(network_map, f"#view=throughput&lang={language}&layers=")
    assert page.locator("#tdh-view input[value=throughput]").is_checked()
    found = today.throughput(network_run)
    legend = page.locator("#tdh-legend").inner_text()
    for people in [*found.classes["people"], found.unmeasured["people"], found.below["people_day"]]:
        assert f"{people:,.0f}" in legend
    assert {"ja": "実測値です", "en": "Measured by users"}[language] in legend
    # Of no carrier, and no prediction.
    assert {"ja": "モデルによる予測値", "en": "Modelled, not measured"}[language] not in legend
    assert f"{ATTACK}.csv" in legend  # text, never markup
    row = network_run.throughput.iloc[len(network_run.throughput) // 3]
    cell = network_run.cells.loc[row["cell_id"]]
    lon, lat = page.evaluate(
        f"TDH.app.store.toGeo({cell['col'] + 0.5}, {cell['row'] + 0.5}, [0, 0])"
    )
    page.evaluate(f"TDH.app.read({{lat: {lat}, lng: {lon}}})")
    said = page.locator("#tdh-readout p.measured").inner_text()
    tile = found.tiles.loc[row["quadkey"]]
    for value in (f"{tile['download_mbps']:.1f}", f"{tile['tests']:.0f}", row["quadkey"]):
        assert value in said
    drawn = page.evaluate("document.querySelectorAll('.leaflet-after-pane canvas').length")
    assert drawn > 0
    page.check("#tdh-view input[value=gap]")
    page.until("!TDH.app.map.hasLayer(TDH.app.tileLayer)")
    assert page.locator("#tdh-readout p.measured").count() == 0
    assert page.seen == {"requests": [network_map.as_uri()], "errors": [], "dialogs": []}


@pytest.mark.browser
def test_people_by_day_and_by_probability(
    open_map: Any, network_map: Path, network_run: Any
) -> None:
    page = open_map(network_map)
    found = display.service(network_run)
    rows = page.eval_on_selector_all(
        "#tdh-kpis table:first-of-type tbody tr",
        "rows => rows.map(r => [...r.querySelectorAll('small.day')].map(c => c.innerText))",
    )
    by_day = network_run.cells["population_day"].to_numpy()
    totals = np.zeros(2)
    for carrier, shown in zip(network_run.carriers, rows, strict=False):
        people = [
            0.25 * by_day[~found.served[carrier.id, when]].sum() for when in ("before", "after")
        ]
        assert shown == [f"昼間 {value:,.0f}" for value in people]
        totals += people
    said = [float(text.split()[1].replace(",", "")) for text in rows[-1]]
    assert said == pytest.approx(totals, abs=1.0)
    page.click("#tdh-tab-kpi")
    shown = page.eval_on_selector_all(
        "#tdh-kpi-sheet table.expected tbody tr",
        "rows => rows.map(r => [...r.children].map(c => c.innerText.trim()))",
    )
    for row, texts in zip(network_run.expected_people.itertuples(), shown, strict=True):
        assert texts[1] == f"{row.covered_before:,.0f} → {row.covered_after:,.0f}"
        assert texts[2] == f"{row.expected_before:,.0f} → {row.expected_after:,.0f}"
    table = network_run.expected_municipalities
    shown = page.eval_on_selector_all(
        "#tdh-kpi-sheet table:last-of-type tbody tr",
        "rows => rows.map(r => [r.children[0].innerText.trim(),"
        " ...[...r.querySelectorAll('.expected-share')].map(c => c.innerText)])",
    )
    for name, *texts in shown:
        for who, said in zip(("any", "at_least_2"), texts, strict=True):
            own = table[(table["municipality"] == name) & (table["carrier_id"] == who)].iloc[0]
            shares = [own[f"expected_{w}"] / own["people"] for w in ("before", "after")]
            assert said == f"{shares[0]:.1%} → {shares[1]:.1%}"
    page.click("#tdh-lang")
    what = page.locator("#tdh-kpi-sheet table.expected abbr").get_attribute("title")
    assert what == today.EXPECTED.render("en")
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_sites_are_listed_and_opened_by_keyboard(
    open_map: Any, network_map: Path, network_run: Any
) -> None:
    page = open_map(network_map, "#who=any&lang=en")
    page.focus("#tdh-tab-regions")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#tdh-sites-sheet tbody tr")
    order = today.busiest(today.sites(network_run))
    shown = page.eval_on_selector_all(
        "#tdh-sites-sheet tbody tr",
        "rows => rows.map(r => [...r.children].map(c => c.innerText.trim()))",
    )
    assert len(shown) == len(network_run.sites) <= 200
    names = {c.id: c.name for c in network_run.carriers}
    assert [float(texts[8].replace(",", "")) for texts in shown[: len(order)]] == pytest.approx(
        order["kbps_per_customer"].tolist(), abs=0.51
    )
    for texts in shown[: len(order)]:
        row = order.loc[texts[2]]
        assert texts[:2] == [names[row["carrier_id"]], row["band"]]
        assert texts[5] == f"{row['customers']:,.0f}"
        assert float(texts[9].rstrip("%")) == pytest.approx(100 * row["load"], abs=0.51)
        assert float(texts[10].replace(",", "")) == pytest.approx(0.8 * row["customers"], abs=0.51)
        assert float(texts[11].rstrip("%")) == pytest.approx(80 * row["load"], abs=0.51)
    button = page.locator("#tdh-sites-sheet tbody tr button").first
    button.focus()
    page.keyboard.press("Enter")
    popup = page.locator(".leaflet-popup-content")
    popup.wait_for()
    first = order.loc[shown[0][2]]
    text = popup.inner_text()
    for value in (first.name, names[first["carrier_id"]], f"{first['customers_day']:,.0f}"):
        assert value in text
    assert f"{first['antenna_height_agl_m']:.1f}" in text
    assert "modelled" in text
    assert f"→ {0.8 * first['customers']:,.0f}" in text
    assert f"site={first.name}" in page.evaluate("TDH.permalink.write(TDH.app.state, TDH.app.map)")
    # Three sectors of a band stand on the mast.
    assert popup.locator("table.site tbody tr").count() == 3
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_an_offer_tells_what_it_would_carry(
    open_map: Any, network_map: Path, network_run: Any
) -> None:
    offer = today.offers(network_run).iloc[7]
    page = open_map(network_map, f"#lang=en&asset={offer['asset_id']}")
    rows = page.locator(".leaflet-popup-content .carried tbody tr")
    rows.first.wait_for()
    mine = today.offers(network_run).query("asset_id == @offer.asset_id")
    assert rows.count() == len(mine)
    for k, row in enumerate(mine.itertuples()):
        text = rows.nth(k).inner_text()
        assert f"{row.customers_after:,.0f}" in text
        assert f"{row.kbps_after:,.0f}" in text
        assert f"{row.load_after:.0%}" in text
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_a_click_opens_a_site(open_map: Any, network_map: Path, network_run: Any) -> None:
    page = open_map(network_map, "#who=1&layers=sites")
    page.until("TDH.app.siteLayer && TDH.app.map.hasLayer(TDH.app.siteLayer)")
    legend = page.locator("#tdh-legend").inner_text()
    busy = int((network_run.site_load["load"] >= 1).sum())
    assert f"{busy:,} 局" in legend
    after = network_run.site_load_after
    later = int(((after["load_after"] >= 1) & (after["origin"] == "present")).sum())
    assert f"計画後は {later:,} 局" in legend
    mine = network_run.sites[network_run.sites["carrier_id"] == "kddi"]
    at = mine.iloc[[0]].to_crs("EPSG:6668").geometry.iloc[0]
    page.evaluate(f"TDH.app.map.setView([{at.y}, {at.x}], 17, {{animate: false}})")
    box = page.locator(".folium-map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x, y)
    popup = page.locator(".leaflet-popup-content")
    popup.wait_for()
    assert "架空KDDI" in popup.inner_text()
    assert page.evaluate("TDH.app.state.site").startswith("kddi-")
    # Without a mouse: what lies at the centre of the map that has the focus.
    page.keyboard.press("Escape")
    popup.wait_for(state="detached")
    page.evaluate(f"TDH.app.map.setView([{at.y}, {at.x}], 17, {{animate: false}})")
    page.locator(".folium-map").focus()
    page.keyboard.press("Enter")
    popup.wait_for()
    assert "架空KDDI" in popup.inner_text()
    # Of a carrier that is not looked at, nothing is drawn and nothing opens.
    page.keyboard.press("Escape")
    page.check("#tdh-who input[value='2']")
    hit = page.evaluate(f"TDH.app.hitSite(L.latLng({at.y}, {at.x}), 1)")
    assert hit == -1
    assert page.seen["errors"] == []


@pytest.mark.browser
def test_hostile_sites_stay_text(open_map: Any, fake_run: Any, tmp_path: Path) -> None:
    run = told_run(fake_run)
    kind = type(run.carriers[0])
    run.carriers = [kind(c.id, ATTACK, c.bands, c.max_sites, c.market_share) for c in run.carriers]
    index = pd.Index([f"{ATTACK}{i}" for i in range(len(run.sites))], name="site_id")
    run.sites = run.sites.set_axis(index)
    run.sites["band"] = ATTACK
    run.sites["placement"] = ATTACK
    run.site_load = run.site_load.set_axis(index)
    maps.save(maps.plan_map(run), tmp_path / "map.html")
    page = open_map(tmp_path / "map.html", "#view=throughput&who=any&layers=sites")
    page.click("#tdh-tab-sites")
    page.locator("#tdh-sites-sheet tbody tr button").first.click()
    popup = page.locator(".leaflet-popup-content")
    popup.wait_for()
    assert ATTACK in popup.inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert page.seen["dialogs"] == []
    assert page.seen["errors"] == []
