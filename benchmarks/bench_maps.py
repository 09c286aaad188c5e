"""The map of a large city: how big its file is, how soon it answers, how smoothly it moves.

    pytest benchmarks/bench_maps.py --benchmark-only -s

50,000 invented assets and 1 M cells of four carriers, in headless Chromium with software rendering.
Beside it, in the same run, folium's own GeoJson and CircleMarker on the same Leaflet, with as many
cells and markers as TDH_BENCH_PLAIN says (default 10,000; several with commas, smallest first), each
with its ratio to the map of four layers. What is not open after TDH_BENCH_PATIENCE seconds (default
120) is said to be so, and no larger one is tried.

With ``--benchmark-disable``, as the smoke test runs them, each map is opened once, and no time is
measured against a limit: the machine may be busy.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import folium
import numpy as np
import pytest

from tdh import maps
from tdh.maps import page as pages

REPEATS = 5
PLAIN = [int(n) for n in os.environ.get("TDH_BENCH_PLAIN", "10000").split(",")]
PATIENCE_S = float(os.environ.get("TDH_BENCH_PATIENCE", "120"))
OURS: dict[int, dict[str, float]] = {}
"""What was found of the map, by its number of layers: plain folium is set beside it."""

READY = """
() => new Promise((done) => {
  const look = () => window.TDH && TDH.app && TDH.app.times && TDH.app.times.interactive
    ? done(TDH.app.times) : setTimeout(look, 10);
  look();
})
"""

PLAIN_READY = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
  () => done({ interactive: performance.now() }))))
"""

RECORD = """
() => { window.frames_ = []; let last = performance.now(), on = true;
  const step = (now) => { frames_.push(now - last); last = now; if (on) requestAnimationFrame(step); };
  requestAnimationFrame(step); window.stopFrames = () => { on = false; return frames_.slice(1); }; }
"""


def _load(name: str, folder: str = "maps") -> Any:
    known = f"tdh_tests_{name}"
    if known not in sys.modules:
        path = Path(__file__).parents[1] / "tests" / folder / f"{name}.py"
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


@pytest.fixture(scope="module", params=[1, 3], ids=["4_layers", "12_layers"])
def city(request: pytest.FixtureRequest) -> Any:
    """50,000 assets, 1.08 M cells, four carriers with one or three bands each."""
    run = _load("fake_run").FakeRun(
        n_assets=50_000, rows=1150, cols=1150, n_bands=request.param, max_sites=60
    )
    for carrier in run.carriers:
        for band in carrier.bands:
            run.signal(carrier.id, band, "after")
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api")
    flags = _load("conftest", "").CHROMIUM_FLAGS
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, headless=True, args=flags)
        yield opened
        opened.close()


def _open(browser: Any, path: Path, ready: str) -> dict[str, float]:
    """One fresh profile: interactive (ms), heap (MB), 95th percentile of a frame (ms) in motion."""
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri(), timeout=PATIENCE_S * 1000)
    times = page.evaluate(ready)
    page.wait_for_timeout(1500)
    heap = page.evaluate("performance.memory.usedJSHeapSize / 1e6")
    context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    live = page.evaluate("performance.memory.usedJSHeapSize / 1e6")
    box = page.locator(".folium-map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(RECORD)
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(40):
        page.mouse.move(x + 8 * (i % 20) - 80, y + 5 * (i % 13))
    page.mouse.up()
    pan = page.evaluate("stopFrames()")
    page.evaluate(RECORD)
    for step in (-240, -240, 240, 240):
        page.mouse.wheel(0, step)
        page.wait_for_timeout(500)
    zoom = page.evaluate("stopFrames()")
    context.close()
    return {
        "interactive_ms": times["interactive"],
        "heap_mb": heap,
        "heap_live_mb": live,
        "pan_p95_ms": float(np.percentile(pan, 95)),
        "zoom_p95_ms": float(np.percentile(zoom, 95)),
        "zoom_worst_ms": float(max(zoom)),
    }


def _medians(browser: Any, path: Path, ready: str, repeats: int) -> dict[str, float]:
    runs = [_open(browser, path, ready) for _ in range(repeats)]
    found = {key: round(statistics.median(r[key] for r in runs), 1) for key in runs[0]}
    return {"mb": round(path.stat().st_size / 1e6, 2), **found}


def test_map_of_a_city(benchmark: Any, city: Any, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.html"

    def write() -> None:
        maps.save(maps.plan_map(city), path)

    benchmark.pedantic(write, rounds=3, warmup_rounds=1)
    found = _medians(browser, path, READY, REPEATS if benchmark.enabled else 1)
    benchmark.extra_info.update(found)
    print("\n", len(city.bands), "layers", json.dumps(found))
    layers = len(city.bands)
    OURS[layers] = found
    assert found["mb"] <= (5 if layers == 4 else 10)
    if benchmark.enabled:
        assert found["interactive_ms"] <= (2000 if layers == 4 else 3000)


def _markers(drawn: folium.Map, n: int) -> None:
    rng = np.random.default_rng(0)
    for lat, lon in rng.uniform([35.6, 139.6], [35.8, 139.9], (n, 2)):
        folium.CircleMarker([lat, lon], radius=3).add_to(drawn)


def _cells(drawn: folium.Map, n: int) -> None:
    rng = np.random.default_rng(0)
    side = round(n**0.5)
    features = []
    for k in range(side * side):
        x, y = 139.6 + 0.003 * (k % side), 35.6 + 0.002 * (k // side)
        ring = [[x, y], [x + 0.003, y], [x + 0.003, y + 0.002], [x, y + 0.002], [x, y]]
        features.append(
            {
                "type": "Feature",
                "properties": {"rsrp_dbm": float(rng.integers(-120, -60))},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        )

    def colour(feature: dict[str, Any]) -> dict[str, str]:
        served = feature["properties"]["rsrp_dbm"] > -100
        return {"fillColor": "#08306b" if served else "#cc6b1c"}

    folium.GeoJson(
        {"type": "FeatureCollection", "features": features}, style_function=colour
    ).add_to(drawn)


@pytest.mark.parametrize("draw", [_cells, _markers], ids=["cells", "markers"])
def test_plain_folium(benchmark: Any, browser: Any, tmp_path: Path, draw: Any) -> None:
    from playwright.sync_api import TimeoutError as NotOpen

    kind, path = draw.__name__.strip("_"), tmp_path / "plain.html"

    def write(n: int) -> None:
        drawn = pages.StandaloneMap(
            "plain", "en", (35.68, 139.75), zoom_start=12, prefer_canvas=True
        )
        draw(drawn, n)
        maps.save(drawn, path)

    benchmark.pedantic(write, args=(PLAIN[0],), rounds=1)
    for n in PLAIN:
        if n != PLAIN[0]:
            write(n)
        try:
            found = _medians(browser, path, PLAIN_READY, REPEATS if benchmark.enabled else 1)
        except NotOpen:
            size = path.stat().st_size / 1e6
            print(f"\n plain folium {n} {kind}: {size:.1f} MB, not open after {PATIENCE_S:g} s")
            break
        benchmark.extra_info[f"{n} {kind}"] = found
        print("\n", "plain folium", n, kind, json.dumps(found))
        if 4 in OURS:
            ratios = {k: round(v / OURS[4][k], 2) for k, v in found.items() if OURS[4][k] > 0}
            print(
                "   times the map of 4 layers (1 M cells each, 50,000 assets):", json.dumps(ratios)
            )
