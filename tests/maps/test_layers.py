"""Layers one by one on a plain ``folium.Map``, in a real browser."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import folium
import numpy as np
import pandas as pd
import pytest

from tdh import maps
from tdh.errors import InputError
from tdh.maps import layers, page


@pytest.fixture
def open_plain(context: Any) -> Any:
    """Open a plain folium map; Leaflet comes from the package, other hosts answer nothing."""

    def opener(drawn: folium.Map, path: Path) -> Any:
        drawn.save(str(path))
        opened = context.new_page()
        opened.errors, opened.dialogs = [], []
        opened.on("pageerror", lambda e: opened.errors.append(str(e)))

        def refuse(dialog: Any) -> None:
            opened.dialogs.append(dialog.message)
            dialog.dismiss()

        opened.on("dialog", refuse)

        def answer(route: Any) -> None:
            name = route.request.url.rsplit("/", 1)[-1]
            body = ""
            if name in ("leaflet.js", "leaflet.css"):
                body = files("js_lib_leaflet").joinpath("static/js_lib_leaflet", name).read_text()
            kind = "text/css" if name.endswith(".css") else "text/javascript"
            route.fulfill(body=body, content_type=kind)

        opened.route(re.compile("^https?:"), answer)
        opened.goto(path.as_uri())
        return opened

    return opener


def bounds(run: Any) -> list[list[float]]:
    """South-west and north-east corner of the area."""
    west, south, east, north = run.municipalities.to_crs("EPSG:6668").total_bounds
    return [[south, west], [north, east]]


def plain(run: Any) -> folium.Map:
    """A map of folium's own, without tiles and without what it takes from other hosts but Leaflet."""
    drawn = folium.Map(tiles=None, max_zoom=20)
    drawn.default_js = [("leaflet", "https://example.org/leaflet.js")]
    drawn.default_css = [("leaflet_css", "https://example.org/leaflet.css")]
    drawn.fit_bounds(bounds(run))
    return drawn


def name_of(layer: Any) -> str:
    """The variable of a layer in the page."""
    return layer.get_name()


@pytest.mark.browser
def test_two_layers_on_a_plain_map(open_plain: Any, fake_run: Any, tmp_path: Path) -> None:
    drawn = plain(fake_run)
    gap = layers.gap_layer(fake_run, "docomo").add_to(drawn)
    assets = layers.assets_layer(fake_run).add_to(drawn)
    folium.LayerControl().add_to(drawn)
    opened = open_plain(drawn, tmp_path / "plain.html")
    opened.evaluate(f"Promise.all([{name_of(gap)}.ready, {name_of(assets)}.ready])")
    assert opened.errors == []
    codes = opened.evaluate(f"Array.from({name_of(gap)}.codes)")
    served = [fake_run._served("docomo", when) for when in ("before", "after")]
    expected = np.zeros(fake_run.grid.shape, dtype=int)
    cells = fake_run.cells
    expected[cells["row"], cells["col"]] = np.where(served[0], 1, np.where(served[1], 2, 3))
    assert codes == expected.ravel().tolist()
    assert opened.evaluate(f"{name_of(assets)}.points.n") == len(fake_run.assets)
    painted = opened.evaluate(
        """Array.from(document.querySelectorAll("canvas")).filter(c => c.getContext("2d")
           .getImageData(0, 0, c.width, c.height).data.some(v => v)).length"""
    )
    assert painted > 2
    assert opened.locator(".leaflet-control-layers-overlays label").count() == 2
    asset = fake_run.assets.iloc[0]
    opened.evaluate(
        f"""(() => {{ const map = {name_of(drawn)};
          map.setView([{asset["latitude"]}, {asset["longitude"]}], 18, {{animate: false}});
          map.fire("click", {{latlng: map.getCenter()}}); }})()"""
    )
    text = opened.locator(".leaflet-popup-content").inner_text()
    assert asset["name"] in text
    assert f"{asset['height_agl_m']:g} m" in text


@pytest.mark.browser
def test_a_site_tells_what_it_carries(open_plain: Any, fake_run: Any, tmp_path: Path) -> None:
    run = type(fake_run)(n_assets=50, rows=50, cols=60)
    sites = run.sites
    sites["evidence"] = "estimated"
    run.site_load = pd.DataFrame(
        {"customers": 7734.0, "capacity_mbps": 585.0, "kbps_per_customer": 75.6},
        index=sites.index,
    )
    drawn = plain(run)
    layer = layers.sites_layer(run, "kddi", language="en").add_to(drawn)
    opened = open_plain(drawn, tmp_path / "plain.html")
    opened.evaluate(f"{name_of(layer)}.ready")
    site = sites[sites["carrier_id"] == "kddi"].iloc[[0]].to_crs("EPSG:6668")
    at = site.geometry.iloc[0]
    opened.evaluate(
        f"""(() => {{ const map = {name_of(drawn)};
          map.setView([{at.y}, {at.x}], 18, {{animate: false}});
          map.fire("click", {{latlng: map.getCenter()}}); }})()"""
    )
    text = opened.locator(".leaflet-popup-content").inner_text()
    height = site["antenna_height_agl_m"].iloc[0]
    for word in ("7,734", "76 kbit/s", "estimated site", f"{height:g} m", site["band"].iloc[0]):
        assert word in text


@pytest.mark.browser
def test_all_layers_together_and_beside_the_plan(
    open_map: Any, fake_run: Any, tmp_path: Path
) -> None:
    drawn = maps.plan_map(fake_run)
    added = [
        layers.signal_layer(fake_run, "kddi", "n28", "before", show=False),
        layers.gap_layer(fake_run, at_least=2, show=False),
        layers.assets_layer(fake_run),
        layers.sites_layer(fake_run, "docomo"),
        layers.sites_layer(fake_run),
        layers.offers_layer(fake_run, "rakuten"),
        layers.offers_layer(fake_run),
        layers.places_layer(fake_run),
        layers.regions_layer(fake_run, "softbank"),
    ]
    for layer in added:
        layer.add_to(drawn)
    maps.save(drawn, tmp_path / "map.html")
    opened = open_map(tmp_path / "map.html")
    for layer in added[:-1]:
        opened.evaluate(f"{name_of(layer)}.ready")
    assert opened.seen["errors"] == []
    codes = opened.evaluate(f"Array.from({name_of(added[0])}.codes)")
    signal = fake_run.signal("kddi", "n28", "before").ravel()
    heard = ~np.isnan(signal)
    assert np.array_equal(np.array(codes)[heard] / 2 - 150.5, signal[heard])
    mine = fake_run.plan[fake_run.plan["carrier_id"] == "rakuten"]
    assert opened.evaluate(f"{name_of(added[5])}.points.n") == len(mine)


@pytest.mark.browser
def test_layers_of_a_hostile_register(open_plain: Any, hostile_run: Any, tmp_path: Path) -> None:
    drawn = plain(hostile_run)
    carrier = hostile_run.carriers[0].id
    added = [
        layers.assets_layer(hostile_run, name="<img src=x onerror=alert(1)>{{ 7 * 7 }}"),
        layers.offers_layer(hostile_run, carrier),
        layers.places_layer(hostile_run),
        layers.regions_layer(hostile_run, carrier),
    ]
    for layer in added:
        layer.add_to(drawn)
    folium.LayerControl(collapsed=False).add_to(drawn)
    opened = open_plain(drawn, tmp_path / "plain.html")
    for layer in added[:3]:
        opened.evaluate(f"{name_of(layer)}.ready")
        for i in range(4):
            opened.evaluate(
                f"""(() => {{ const map = {name_of(drawn)}, l = {name_of(layer)};
                  map.setView([TDH.mercator.lat(l.points.y[{i}]), TDH.mercator.lon(l.points.x[{i}])],
                    18, {{animate: false}});
                  map.fire("click", {{latlng: map.getCenter()}}); }})()"""
            )
            assert opened.locator(".leaflet-popup-content").count() >= 1
    assert "{{ 7 * 7 }}" in opened.locator(".leaflet-control-layers-overlays").inner_text()
    assert opened.evaluate("document.querySelectorAll('img, iframe').length") == 0
    assert opened.errors == []
    assert opened.dialogs == []


def test_library_is_in_the_page_once(fake_run: Any) -> None:
    drawn = page.StandaloneMap("x", "en", (35.6, 139.6))
    layers.gap_layer(fake_run).add_to(drawn)
    layers.gap_layer(fake_run, "kddi").add_to(drawn)
    assert drawn.get_root().render().count("TDH.kit = {") == 1


def test_unknown_carrier_band_and_places(fake_run: Any, poor_run: Any) -> None:
    with pytest.raises(InputError, match="no such carrier"):
        layers.gap_layer(fake_run, "nobody")
    with pytest.raises(InputError, match="no such band"):
        layers.signal_layer(fake_run, "docomo", "n1")
    with pytest.raises(InputError, match="no places"):
        layers.places_layer(poor_run)
    assert layers.offers_layer(poor_run).spec["sectors"][0] == []
