"""An invented run and its map."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ATTACKS = [
    "<script>alert('a')</script>",
    "</script><script>alert('b')</script>",
    "<img src=x onerror=alert('c')>",
    "\"><svg onload=alert('d')>",
    "${alert('e')} {{7*7}} {% raise %} `${alert('f')}`",
    "' onmouseover='alert(1)",
    '=HYPERLINK("https://evil.example/x","y")',
    "javascript:alert('g')",
    "<!-- ]]> <![CDATA[ <style>*{display:none}</style>",
    "<a href='https://evil.example/'>link</a>\u2028\u2029\x1f",
]


PATIENCE_S = 60.0

SETTLED = """
() => new Promise((done) => {
  const { map } = TDH.app;
  let still = 0;
  const look = () => {
    const glides = map._animatingZoom || (map._panAnim && map._panAnim._inProgress);
    still = glides ? 0 : still + 1;
    if (still > 4) done(); else requestAnimationFrame(() => setTimeout(look, 20));
  };
  look();
})
"""


def load(name: str) -> ModuleType:
    """A helper module beside this file."""
    known = f"tdh_tests_{name}"
    if known not in sys.modules:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


@pytest.fixture(scope="session")
def fake_run() -> Any:
    """A small invented run."""
    return load("fake_run").FakeRun(n_assets=600, rows=80, cols=100)


@pytest.fixture(scope="session")
def poor_run() -> Any:
    """A run of before antennas, profiles, places and goals were kept."""
    return load("fake_run").FakeRun(n_assets=200, rows=50, cols=60, rich=False)


@pytest.fixture(scope="session")
def hostile_run() -> Any:
    """A run whose register, carriers, owners and sources hold markup and scripts."""
    run = load("fake_run").FakeRun(n_assets=200, rows=50, cols=60, names=ATTACKS)
    run.assets["owner"] = ATTACKS[1]
    run.assets["address"] = ATTACKS[2]
    run.assets["source"] = ATTACKS[3]
    run.assets["kind"] = ATTACKS[0]
    run.municipalities["municipality"] = ATTACKS[4]
    run.assets["municipality"] = ATTACKS[1]
    run.places["name"] = [ATTACKS[i % len(ATTACKS)] for i in range(len(run.places))]
    run.places["kind"] = ["station", ATTACKS[2]] * (len(run.places) // 2) + ["station"]
    run.kpis["kpi"] = [ATTACKS[i % len(ATTACKS)] for i in range(len(run.kpis))]
    run.kpis["unit"] = ATTACKS[2]
    run.profiles["band"] = ATTACKS[1]
    run.profiles["cell_id"] = ATTACKS[2]
    run.plan["reason_ja"] = ATTACKS[3]
    run.plan["reason_en"] = ATTACKS[3]
    run.name = ATTACKS[1]
    run.attributions = [ATTACKS[2], ATTACKS[9]]
    fake = load("fake_run")
    run.carriers = [
        fake.FakeCarrier(c.id, ATTACKS[i], c.bands, c.max_sites, c.market_share)
        for i, c in enumerate(run.carriers)
    ]
    return run


@pytest.fixture
def open_map(context: Any) -> Any:
    """Open a saved map; the page's requests, errors and dialogs are kept in its ``seen``.

    Its ``until`` waits for a condition, in JavaScript or a function; its ``settled`` until the map
    no longer glides and what was asked for is drawn. A busy machine may take its time.
    """

    def opener(path: Path, fragment: str = "") -> Any:
        page = context.new_page()
        page.seen = {"requests": [], "errors": [], "dialogs": []}
        inside = ("data:", "blob:")
        page.on(
            "request",
            lambda r: None if r.url.startswith(inside) else page.seen["requests"].append(r.url),
        )
        page.on("pageerror", lambda e: page.seen["errors"].append(str(e)))
        page.on(
            "console",
            lambda m: page.seen["errors"].append(m.text) if m.type == "error" else None,
        )

        def refuse(dialog: Any) -> None:
            page.seen["dialogs"].append(dialog.message)
            dialog.dismiss()

        page.on("dialog", refuse)

        def until(condition: str | Callable[[], Any]) -> None:
            # Playwright's own waiting evaluates text, which the page's security policy forbids.
            end = time.monotonic() + PATIENCE_S
            while not (condition() if callable(condition) else page.evaluate(condition)):
                assert time.monotonic() < end, f"never so: {condition}"
                page.wait_for_timeout(50)

        page.until = until
        page.settled = lambda: page.evaluate(SETTLED)
        page.goto(f"{path.as_uri()}{fragment}")
        page.wait_for_selector("html[data-tdh=ready]")
        return page

    return opener


@pytest.fixture(scope="session")
def map_file(fake_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved map of the small run."""
    from tdh import maps

    path = tmp_path_factory.mktemp("map") / "map.html"
    maps.save(maps.plan_map(fake_run), path)
    return path
