"""Exposure of sites, choice of antennas, and tiles that know nothing of each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from tdh import coverage
from tdh.coverage import Tile, choose_antennas, exposure_of_sites, gather, run_tile, store_surface
from tdh.errors import DomainError, InputError
from tdh.grid import Grid
from tdh.radio import bands
from tdh.surface import Surface

N78 = bands.get("n78")


def test_exposure_adds_bands_and_flags_who_comes_too_near(plan_grid: Grid) -> None:
    grid = Grid.around(plan_grid.bounds, 4.0, plan_grid.crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[100:110, 100:110] = 20.0
    building[100:110, 112:118] = 24.0  # a neighbour, 8 m from the eastern edge
    town = Surface(grid, building)
    x, y = grid.centres([105, 105, 50, 50], [102, 108, 50, 60])
    sites = gpd.GeoDataFrame(
        {
            "antenna_height_agl_m": [23.0, 23.0, 6.0, 40.0],
            "placement": ["roof", "roof", "pole", "roof"],
        },
        geometry=gpd.points_from_xy(x, y), crs=grid.crs, index=list("abcd"),
    )  # fmt: skip
    got = exposure_of_sites(sites, {"n78": N78, "n28": bands.get("n28")}, town)
    assert got.loc["a", "compliance_n78_m"] == pytest.approx(14.3, abs=0.1)
    assert got.loc["a", "combined_m"] > got.loc["a", "compliance_n78_m"]
    assert np.isnan(got.loc["c", "compliance_n28_m"])
    assert got["building_inside"].tolist() == [False, True, False, False]
    assert got["roof_inside"].tolist() == [True, True, False, False]
    assert got["flag"].tolist() == [False, True, False, False]
    strict = exposure_of_sites(sites, {"n78": bands.get("n78", eirp_pole_dbm=70.0)}, town)
    assert strict.loc["c", "flag"]  # a pole of 6 m with 70 dBm reaches people on the street


def test_antennas_turn_to_what_they_close(plan_grid: Grid, cells: gpd.GeoDataFrame) -> None:
    sites = gpd.GeoDataFrame(
        {
            "antenna_height_agl_m": [25.0, 6.0],
            "placement": ["roof", "pole"],
            "azimuths_deg": ["0 120 240", ""],
            "tilt_deg": [2.0, np.nan],
            "radius_m": [600.0, 200.0],
        },
        geometry=gpd.points_from_xy([-14500.0, -14200.0], [-35600.0, -35600.0]),
        crs=plan_grid.crs, index=["roof", "pole"],
    )  # fmt: skip
    bearing = np.degrees(np.arctan2(cells.geometry.x + 14500, cells.geometry.y + 35600)) % 360
    distance = np.hypot(cells.geometry.x + 14500, cells.geometry.y + 35600)
    wedge = (abs(bearing - 60) < 15) & (distance > 300) & (distance < 580)
    band = bands.get("n78", covered_dbm=-90.0, good_dbm=-80.0)
    got = choose_antennas(
        sites, None, cells, band, wedge.astype(float), grid=plan_grid, floor_dbm=-120.0
    )
    assert got.loc["roof", "azimuths_deg"] == "60 180 300"
    assert got.loc["roof", "antenna_gain_weight"] > 0
    assert got.loc["pole", "azimuths_deg"] == ""
    before = coverage.compute(sites, None, cells, band, grid=plan_grid).footprint()
    assert got.loc["roof", "antenna_gain_weight"] >= (before[[0]].astype(float) @ wedge)[0]
    with pytest.raises(DomainError):
        choose_antennas(sites, None, cells, band, -wedge.astype(float), grid=plan_grid)
    nothing = choose_antennas(sites, None, cells, band, np.zeros(len(cells)), grid=plan_grid)
    assert nothing.loc["roof", "azimuths_deg"] == "0 120 240"


@pytest.mark.parametrize("with_terrain", [False, True])
def test_tiles_together_are_the_whole(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid,
    tmp_path: Path, with_terrain: bool,
) -> None:  # fmt: skip
    if with_terrain:
        slope = np.linspace(0, 16, town.grid.n_cols, dtype=np.float32)
        town = Surface(town.grid, town.building_m, np.tile(slope, (town.grid.n_rows, 1)))
    chosen = {"n78": N78, "n257": bands.get("n257")}
    whole = coverage.compute_many(sites, town, cells, chosen, grid=plan_grid)
    # Tiles of neighbours, as a plan would cut them.
    order = np.argsort(sites.geometry.x.to_numpy(), kind="stable")
    sites.iloc[order].to_parquet(tmp_path / "sites.parquet")
    cells.to_parquet(tmp_path / "cells.parquet")
    store_surface(town, tmp_path / "surface")
    tiles = [
        Tile(
            str(tmp_path / "sites.parquet"), str(tmp_path / "cells.parquet"),
            str(tmp_path / "surface"), first, min(first + 9, len(sites)),
            tuple(chosen.values()), plan_grid, str(tmp_path / "out"),
        )
        for first in range(0, len(sites), 9)
    ]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run_tile, tiles))
    for b, name in enumerate(chosen):
        got = gather([paths[b] for paths in done], cells.index)
        assert list(got.site_ids) == list(sites.index[order])
        assert (got.signal != whole[name].signal[order]).nnz == 0
        np.testing.assert_array_equal(got.best_server()[0], whole[name].best_server()[0])
    stamps = [p.stat().st_mtime_ns for paths in done for p in paths]
    again = [run_tile(tile) for tile in tiles]
    assert [p.stat().st_mtime_ns for paths in again for p in paths] == stamps
    with pytest.raises(InputError, match="other cells"):
        gather([done[0][0]], cells.index[:5])


def test_what_is_not_a_stored_surface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        coverage.open_surface(tmp_path / "nowhere")


def test_the_choice_of_antennas_is_the_best_of_all_that_are_tried(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    """Against footprints computed whole for every choice; two bands, of which either may serve."""
    strict = {"covered_dbm": -90.0, "good_dbm": -80.0}
    held = {name: bands.get(name, **strict) for name in ("n78", "n257")}
    roofs = sites.iloc[:12].assign(placement="roof", azimuths_deg="0 120 240", tilt_deg=3.0)
    weight = np.random.default_rng(3).gamma(1.0, 5.0, len(cells))
    turns, tilts = (0.0, 40.0, 80.0), (2.0, 8.0)
    got = choose_antennas(
        roofs, town, cells, held, weight, grid=plan_grid, turns_deg=turns, tilts_deg=tilts
    )
    tried = {}
    for turn in turns:
        for tilt in tilts:
            words = " ".join(f"{(a + turn) % 360:g}" for a in (0, 120, 240))
            turned = roofs.assign(azimuths_deg=words, tilt_deg=tilt)
            whole = coverage.compute_many(turned, town, cells, held, grid=plan_grid)
            union = sum(c.footprint().astype(int) for c in whole.values()) > 0
            tried[words, tilt] = union.astype(float) @ weight
    best = np.max(list(tried.values()), axis=0)
    assert (best > 0).any()
    chosen = [
        tried[a, t][i] for i, (a, t) in enumerate(zip(got.azimuths_deg, got.tilt_deg, strict=True))
    ]
    # Signals of the choice are rounded to half a decibel before the pattern, not after it.
    np.testing.assert_allclose(got["antenna_gain_weight"], chosen, rtol=0.1, atol=0.02 * best.max())
    assert (np.array(chosen) >= 0.95 * best).all()


def test_bands_may_have_antennas_of_their_own(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    roofs = sites.iloc[:6].assign(azimuths_deg="0 120 240", tilt_deg=3.0)
    other = roofs.assign(azimuths_deg="45", tilt_deg=9.0)
    n257 = bands.get("n257")
    got = coverage.compute_many(
        roofs, town, cells, {"a": N78, "b": n257, "c": N78}, grid=plan_grid,
        antennas={"b": other, "c": other},
    )  # fmt: skip
    for name, band, own in (("a", N78, roofs), ("b", n257, other), ("c", N78, other)):
        alone = coverage.compute(own, town, cells, band, grid=plan_grid)
        assert (got[name].signal != alone.signal).nnz == 0
