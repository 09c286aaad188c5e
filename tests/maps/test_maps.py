"""What a map's file holds, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import folium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import Transformer

from tdh import display, maps
from tdh.errors import DomainError
from tdh.grid import Grid
from tdh.maps import codec, georeference, page


def unpredict(packed: str, shape: tuple[int, int]) -> np.ndarray:
    """What ``codec.js`` does, cell by cell."""
    content = zlib.decompress(base64.b64decode(packed))
    n = len(codec.SLOPES) + 1
    sizes = np.frombuffer(content[: 4 * n], "<u4")
    rest = np.frombuffer(content[4 * n :], np.uint8)
    groups = [iter(g.tolist()) for g in np.split(rest, np.cumsum(sizes)[:-1])]
    out = np.zeros(shape, dtype=int)
    for r in range(shape[0]):
        for c in range(shape[1]):
            west = out[r, c - 1] if c else 0
            north = out[r - 1, c] if r else 0
            corner = out[r - 1, c - 1] if r and c else 0
            low, high = min(west, north), max(west, north)
            guess = low if corner >= high else high if corner <= low else west + north - corner
            slope = abs(west - corner) + abs(corner - north)
            group = sum(slope >= s for s in codec.SLOPES)
            out[r, c] = (next(groups[group]) + guess) & 255
    assert not any(list(g) for g in groups)
    return out.astype(np.uint8)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
@settings(max_examples=60, deadline=None)
def test_raster_survives_packing(codes: np.ndarray) -> None:
    assert (unpredict(codec.raster(codes), codes.shape) == codes).all()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=30), st.sampled_from(["u32", "u32d"]))
@settings(deadline=None)
def test_columns_hold_any_number(values: list[int], kind: str) -> None:
    if kind.endswith("d"):
        values = [v // 2 for v in values]
    layout, packed = codec.columns({"a": (np.array(values, dtype=np.int64), kind)})
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
    numbers = planes.reshape(4, len(values)).astype(np.int64)
    whole = sum(numbers[i] << (8 * i) for i in range(4))
    if kind.endswith("d"):
        whole = np.cumsum(np.where(whole & 1, -(whole + 1) // 2, whole // 2))
    assert layout == [["a", kind]]
    assert np.asarray(whole).tolist() == values


def test_column_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        codec.columns({"a": (np.array([300]), "u8")})


def test_signal_codes_keep_half_a_decibel() -> None:
    values = np.arange(-149.0, -24.0, 0.5)[None, :]
    codes = codec.signal_codes(values, np.ones(values.shape, dtype=bool))
    assert np.array_equal(codes / 2 - 150.5, values)


def test_words_cannot_break_out_of_a_list() -> None:
    packed = codec.words(["a\x1fb", None, float("nan"), "c"])
    text = zlib.decompress(base64.b64decode(packed)).decode()
    assert text.split("\x1f") == ["a b", "", "", "c"]


@pytest.mark.parametrize("crs", ["EPSG:6677", "EPSG:6682", "EPSG:32654"])
def test_polynomials_follow_the_projection(crs: str) -> None:
    to_plan = Transformer.from_crs("EPSG:6668", crs, always_xy=True)
    x, y = to_plan.transform(139.4, 35.9)
    grid = Grid(round(x), round(y), 25.0, 1600, 2000, crs)
    fit = georeference.polynomials(grid)
    rng = np.random.default_rng(0)
    col, row = rng.uniform(0, grid.n_cols, 500), rng.uniform(0, grid.n_rows, 500)
    to_geo = Transformer.from_crs(crs, "EPSG:6668", always_xy=True)
    lon, lat = to_geo.transform(grid.x_min_m + col * 25, grid.y_max_m - row * 25)

    def evaluate(part: dict[str, Any], a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        u, v = ((s - c) / h for s, c, h in zip((a, b), part["centre"], part["half"], strict=True))
        basis = [u**i * v**j for i in range(6) for j in range(6 - i)]
        return [sum(t * p for t, p in zip(terms, basis, strict=True)) for terms in part["terms"]]

    found_col, found_row = evaluate(fit["to_cell"], lon, lat)
    assert np.abs(found_col - col).max() * 25 < 0.1
    assert np.abs(found_row - row).max() * 25 < 0.1


def test_area_too_large_for_polynomials_is_refused() -> None:
    with pytest.raises(DomainError, match="too large"):
        georeference.polynomials(Grid(-900_000, 900_000, 1000.0, 1800, 1800, "EPSG:6677"))


# --- the page ------------------------------------------------------------------------------------


def test_plan_map_is_a_folium_map(fake_run: Any) -> None:
    drawn = maps.plan_map(fake_run)
    assert isinstance(drawn, folium.Map)
    assert "<iframe" in drawn._repr_html_()


def test_other_maps_keep_their_libraries(fake_run: Any) -> None:
    before = list(folium.Map.default_js)
    maps.plan_map(fake_run)
    assert folium.Map.default_js == before
    assert folium.Map().default_js == before


def test_page_names_no_other_host(map_file: Path) -> None:
    html = map_file.read_text(encoding="utf-8")
    assert page.unknown_addresses(html) == []
    assert "<link" not in html
    assert not re.search(r"<script[^>]*\bsrc=", html)


def test_policy_lists_every_script_by_its_hash(map_file: Path) -> None:
    html = map_file.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
        if "type=" not in attributes:
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy[1]


def test_gsi_tiles_only_where_asked_for(fake_run: Any, tmp_path: Path, map_file: Path) -> None:
    assert "gsi.go.jp" not in re.sub(r"<script type=.*?</script>", "", map_file.read_text("utf-8"))
    maps.save(maps.plan_map(fake_run, online_base=True), tmp_path / "online.html")
    html = (tmp_path / "online.html").read_text(encoding="utf-8")
    assert f"img-src data: blob: {page.GSI_HOST};" in html


def test_writer_refuses_unknown_addresses(fake_run: Any, tmp_path: Path) -> None:
    drawn = maps.plan_map(fake_run)
    folium.TileLayer("https://tiles.example.com/{z}/{x}/{y}.png", attr="x").add_to(drawn)
    with pytest.raises(maps.PageError, match=r"tiles\.example\.com"):
        maps.save(drawn, tmp_path / "map.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "piece",
    [
        "<img src=x>",
        '<link rel="icon" href="a.png">',
        '<script src="a.js"></script>',
        "<style>@import 'a.css';</style>",
        "<style>a{background:url(a.png)}</style>",
        "fetch('//cdn.example.org/x')",
    ],
)
def test_every_kind_of_reference_is_seen(piece: str) -> None:
    assert page.unknown_addresses(f"<html>{piece}</html>")


def test_data_is_inert() -> None:
    html = '<script type="application/json" id="x">{"a":"https://evil.example/"}</script>'
    assert page.unknown_addresses(html) == []


def test_changed_leaflet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(page.LEAFLET_SHA256, "leaflet.js", "0" * 64)
    page.leaflet.cache_clear()
    with pytest.raises(page.PageError, match="Leaflet"):
        page.leaflet("leaflet.js")


def test_same_run_same_file(fake_run: Any, tmp_path: Path, map_file: Path) -> None:
    maps.save(maps.plan_map(fake_run), tmp_path / "again.html")
    name = re.compile(r"map_[0-9a-f]{32}|sha256-[\w+/=]+")
    first, second = (
        name.sub("", p.read_text("utf-8")) for p in (map_file, tmp_path / "again.html")
    )
    assert first == second


def test_sums_agree_with_the_plan(fake_run: Any, map_file: Path) -> None:
    html = map_file.read_text(encoding="utf-8")
    found = re.search(r'id="tdh-meta">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    meta = json.loads(found[1])
    for carrier, sums in zip(fake_run.carriers, meta["sums"], strict=True):
        expected = fake_run.summary["carriers"][carrier.id]
        assert sums["before"] == pytest.approx(expected["people_in_gap_before"], abs=0.2)
        assert sums["after"] == pytest.approx(expected["people_in_gap_after"], abs=0.2)
        assert sums["sites"] == expected["sites"]


def test_municipalities_add_up(fake_run: Any) -> None:
    table = display.by_municipality(fake_run)
    total = table.groupby("carrier_id")["gap_after"].sum()
    for carrier in fake_run.carriers:
        expected = fake_run.summary["carriers"][carrier.id]["people_in_gap_after"]
        assert total[carrier.id] == pytest.approx(expected)
    assert table["sites"].sum() == len(fake_run.plan)


def test_gap_regions_hold_the_gap_cells(fake_run: Any) -> None:
    regions = display.gap_regions(fake_run, most=10_000)
    population = fake_run.cells["population"].to_numpy()
    for carrier in fake_run.carriers:
        mine = regions[regions["carrier_id"] == carrier.id]
        gap = ~fake_run._served(carrier.id, "after")
        assert mine["people"].sum() == pytest.approx(0.25 * population[gap].sum())
        assert mine["people"].is_monotonic_decreasing
        assert mine.area.sum() == pytest.approx(mine["area_ha"].sum() * 1e4)
        assert mine.geometry.is_valid.all()
