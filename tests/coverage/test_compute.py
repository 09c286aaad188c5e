"""Coverage as a whole: against the models it is made of, and what may not change it."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio

from tdh import coverage
from tdh.coverage import Coverage, Model, compute, compute_many, grid_of
from tdh.errors import DomainError, InputError, SchemaError
from tdh.grid import Grid
from tdh.radio import antenna, bands, p2108, p2109, tr38901
from tdh.surface import Surface

N78 = bands.get("n78")


def same(a: Coverage, b: Coverage) -> bool:
    return (
        np.array_equal(a.signal.indptr, b.signal.indptr)
        and np.array_equal(a.signal.indices, b.signal.indices)
        and np.array_equal(a.signal.data, b.signal.data)
        and np.array_equal(a.line_of_sight, b.line_of_sight)
    )


@pytest.fixture(scope="session")
def whole(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> Coverage:
    return compute(sites, town, cells, N78, grid=plan_grid, threads=1)


def test_signal_over_open_ground_is_the_budget(cells: gpd.GeoDataFrame, plan_grid: Grid) -> None:
    grid = Grid.around(plan_grid.bounds, 4.0, plan_grid.crs)
    flat = Surface(grid, np.zeros(grid.shape, dtype=np.float32))
    site = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [25.0], "environment": ["UMa"], "azimuth_deg": [90.0],
         "tilt_deg": [3.0], "eirp_dbm": [60.0], "radius_m": [400.0]},
        geometry=gpd.points_from_xy([-14500.0], [-35600.0]), crs=plan_grid.crs, index=["a"],
    )  # fmt: skip
    got = compute(site, flat, cells, N78, grid=plan_grid)
    points = compute_receivers(cells, flat, plan_grid)
    east, north = points[:, 0] + 14500, points[:, 1] + 35600
    distance = np.hypot(east, north)
    loss = tr38901.path_loss_db("UMa", True, np.maximum(distance, 10), 3.65, 25.0, 1.5)
    gain = antenna.site_pattern_db(
        np.degrees(np.arctan2(east, north)),
        np.degrees(np.arctan2(1.5 - 25.0, distance)),
        [90.0],
        3.0,
    )
    wanted = 60.0 + N78.carrier_to_rsrp_db + gain - loss
    columns = got.signal.indices
    assert got.line_of_sight is not None and got.line_of_sight.all()
    assert abs(coverage.to_dbm(got.signal.data) - wanted[columns]).max() <= 0.2501
    near = np.hypot(cells.geometry.x + 14500, cells.geometry.y + 35600) <= 400
    assert columns.size == (near & (wanted >= -125)).sum()


def compute_receivers(cells: gpd.GeoDataFrame, surface: Surface, grid: Grid) -> np.ndarray:
    return coverage.receivers(cells, surface, grid).points


def test_nothing_depends_on_threads_tiles_or_the_order_of_sites(
    whole: Coverage,
    sites: gpd.GeoDataFrame,
    town: Surface,
    cells: gpd.GeoDataFrame,
    plan_grid: Grid,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib

    module = importlib.import_module("tdh.coverage.compute")
    for threads, links in ((3, 300_000), (2, 1), (1, 5_000)):
        monkeypatch.setattr(module, "TILE_LINKS", links)
        assert same(whole, compute(sites, town, cells, N78, grid=plan_grid, threads=threads))
    order = np.random.default_rng(0).permutation(len(sites))
    other = compute(sites.iloc[order], town, cells, N78, grid=plan_grid)
    assert (other.signal != whole.signal[order]).nnz == 0
    rsrp, server = whole.best_server()
    rsrp2, server2 = other.best_server()
    np.testing.assert_array_equal(rsrp, rsrp2)
    served = server >= 0
    np.testing.assert_array_equal(whole.site_ids[server[served]], other.site_ids[server2[served]])


def test_the_order_of_cells_only_moves_columns(
    whole: Coverage,
    sites: gpd.GeoDataFrame,
    town: Surface,
    cells: gpd.GeoDataFrame,
    plan_grid: Grid,
) -> None:
    order = np.random.default_rng(1).permutation(len(cells))
    other = compute(sites, town, cells.iloc[order], N78, grid=plan_grid)
    assert other.signal.has_sorted_indices
    assert (other.signal != whole.signal[:, order]).nnz == 0
    seen = np.zeros(whole.signal.shape, dtype=bool)
    rows = np.repeat(np.arange(len(sites)), np.diff(whole.signal.indptr))
    seen[rows, whole.signal.indices] = whole.line_of_sight
    rows2 = np.repeat(np.arange(len(sites)), np.diff(other.signal.indptr))
    np.testing.assert_array_equal(other.line_of_sight, seen[rows2, order[other.signal.indices]])


def test_a_larger_surface_and_grid_change_nothing(
    whole: Coverage, sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame,
    plan_grid: Grid,
) -> None:  # fmt: skip
    left, bottom, right, top = town.grid.bounds
    grid = Grid.around((left - 400, bottom - 400, right + 400, top + 400), 4.0, town.grid.crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[100:-100, 100:-100] = town.building_m
    assert same(whole, compute(sites, Surface(grid, building), cells, N78, grid=plan_grid))


def test_bands_together_are_bands_alone(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    chosen = {name: bands.get(name) for name in ("n28", "n78", "n257")}
    together = compute_many(sites, town, cells, chosen, grid=plan_grid)
    for name, band in chosen.items():
        assert same(together[name], compute(sites, town, cells, band, grid=plan_grid))
    poles = np.flatnonzero(sites["placement"] == "pole")
    assert together["n28"].signal[poles].nnz == 0  # n28 is not used on poles
    assert together["n78"].signal[poles].nnz > 0


def test_a_higher_antenna_keeps_what_lies_open(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    # An omnidirectional antenna; without one the pattern's tilt could point elsewhere.
    omni = sites.drop(columns=["azimuths_deg", "tilt_deg"])
    seen = np.zeros((len(sites), len(cells)), dtype=bool)
    for more in (0.0, 5.0, 20.0):
        higher = omni.assign(antenna_height_agl_m=omni["antenna_height_agl_m"] + more)
        got = compute(higher, town, cells, N78, grid=plan_grid, floor_dbm=-150)
        rows = np.repeat(np.arange(len(sites)), np.diff(got.signal.indptr))
        now = np.zeros_like(seen)
        now[rows, got.signal.indices] = got.line_of_sight
        assert not (seen & ~now).any()
        seen = now
    assert seen.mean() > 0.01


def test_blocked_links_lie_between_the_two_laws(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    with_edges = compute(sites, town, cells, N78, grid=plan_grid, floor_dbm=-150)
    without = compute(
        sites, town, cells, N78, grid=plan_grid, floor_dbm=-150, model=Model(diffraction=False)
    )
    assert np.array_equal(with_edges.signal.indices, without.signal.indices)
    gained = with_edges.signal.data.astype(int) - without.signal.data
    assert (gained >= 0).all()
    assert (gained[with_edges.line_of_sight] == 0).all()
    assert gained[~with_edges.line_of_sight].max() > 10


def test_without_a_surface_probability_and_clutter_rule(
    cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    site = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [25.0], "radius_m": [600.0]},
        geometry=gpd.points_from_xy([-14500.0], [-35600.0]), crs=plan_grid.crs, index=["a"],
    )  # fmt: skip
    got = compute(site, None, cells, N78, grid=plan_grid)
    x, y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
    distance = np.hypot(x + 14500, y + 35600)[got.signal.indices]
    flat = np.maximum(distance, 10)
    share = tr38901.los_probability("UMa", distance)
    los = tr38901.path_loss_db("UMa", True, flat, 3.65, 25.0, 1.5)
    nlos = tr38901.path_loss_db("UMa", False, flat, 3.65, 25.0, 1.5)
    clutter = np.where(
        distance >= 250,
        p2108.terrestrial_clutter_loss_db(3.65, distance / 1e3, outside="ignore"),
        0,
    )
    field = share * 10 ** (-los / 20) + (1 - share) * 10 ** (-np.maximum(nlos, los + clutter) / 20)
    wanted = 70.0 + N78.carrier_to_rsrp_db + 20 * np.log10(field)
    assert abs(coverage.to_dbm(got.signal.data) - wanted).max() < 0.6


def test_indoors_costs_the_entry_loss(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    poles = sites[sites["placement"] == "pole"]
    outside = compute(poles, town, cells, N78, grid=plan_grid, floor_dbm=-150)
    inside = compute(
        poles, town, cells, N78, grid=plan_grid, floor_dbm=-150, model=Model(indoor="efficient")
    )
    lost = (outside.signal - inside.signal.astype(int)).tocsr()
    least = p2109.building_entry_loss_db(3.65, 50, "efficient")
    assert np.median(lost.data) * 0.5 == pytest.approx(float(least), abs=1.0)


def test_a_cell_that_is_built_over_is_indoors(plan_grid: Grid, cells: gpd.GeoDataFrame) -> None:
    grid = Grid.around(plan_grid.bounds, 4.0, plan_grid.crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[100:120, 120:140] = 12.0
    found = coverage.receivers(cells, Surface(grid, building), plan_grid)
    assert found.inside.sum() == 6  # 80 m squared hold two by three whole cells of 25 m there
    open_height = Surface(grid, building).building_height_m(found.points[:, 0], found.points[:, 1])
    assert ((open_height == 0) == (found.inside == 0)).all()
    centres = np.stack([cells.geometry.x, cells.geometry.y], axis=1)
    assert abs(found.points[:, :2] - centres).max() <= 12.5


def test_receivers_on_roofs_stand_on_what_is_built(
    plan_grid: Grid, cells: gpd.GeoDataFrame
) -> None:
    grid = Grid.around(plan_grid.bounds, 4.0, plan_grid.crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[100:120, 120:140] = 12.0
    surface = Surface(grid, building)
    roof = coverage.receivers(cells, surface, plan_grid, place="roof")
    assert not roof.inside.any()
    under = surface.building_height_m(roof.points[:, 0], roof.points[:, 1])
    assert np.array_equal(roof.points[:, 2], under + 1.5)
    # Every cell that holds some of the building has its receiver on it, the others at the centre.
    row, col = np.nonzero(building)
    x, y = grid.centres(row, col)
    held = np.unique(roof.lookup[plan_grid.rowcol(x, y)])
    assert np.array_equal(np.flatnonzero(under > 0), held)
    rest = np.setdiff1d(np.arange(len(cells)), held)
    centres = np.stack([cells.geometry.x, cells.geometry.y], axis=1)
    assert np.array_equal(roof.points[rest, :2], centres[rest])


def test_a_roof_sees_what_the_street_behind_it_does_not(
    plan_grid: Grid, cells: gpd.GeoDataFrame
) -> None:
    grid = Grid.around(plan_grid.bounds, 4.0, plan_grid.crs)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[100:120, 120:140] = 12.0
    surface = Surface(grid, building)
    x, y = grid.centres(110, 100)
    site = gpd.GeoDataFrame(
        {"antenna_height_agl_m": [20.0], "environment": ["UMi"], "eirp_dbm": [50.0],
         "radius_m": [400.0]},
        geometry=gpd.points_from_xy([x], [y]), crs=plan_grid.crs, index=["a"],
    )  # fmt: skip
    there = {"grid": plan_grid, "model": Model(indoor_cells="efficient")}
    street = compute(site, surface, cells, N78, **there)
    roof = compute(site, surface, cells, N78, receiver_place="roof", **there)
    points = coverage.receivers(cells, surface, plan_grid, place="roof").points
    on = np.flatnonzero(surface.building_height_m(points[:, 0], points[:, 1]) > 0)
    entry = float(p2109.building_entry_loss_db(3.65, 50, "efficient"))
    inside = coverage.receivers(cells, surface, plan_grid).inside[on] == 1
    high, low = (c.signal[[0], :][:, on].toarray()[0].astype(float) * 0.5 for c in (roof, street))
    assert (high[inside] - low[inside] > entry - 1).all() and inside.any()
    for i in on:
        link = coverage.explain_link(
            site, "a", *points[i, :2], surface, N78, receiver_place="roof",
            model=Model(indoor_cells="efficient"),
        )  # fmt: skip
        assert link.line_of_sight and not link.indoors
        assert link.rsrp_dbm == pytest.approx(high[on == i][0] - 150.5, abs=0.27)


def test_rain_weakens_28_ghz(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    band = bands.get("n257")
    dry = compute(sites, town, cells, band, grid=plan_grid)
    wet = compute(sites, town, cells, band, grid=plan_grid, model=Model(rain_rate_mm_h=100.0))
    assert wet.signal.nnz <= dry.signal.nnz
    assert wet.signal.sum() < dry.signal.sum()


def test_terrain_lifts_both_ends(
    whole: Coverage, sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame,
    plan_grid: Grid,
) -> None:  # fmt: skip
    raised = Surface(town.grid, town.building_m, np.full(town.grid.shape, 64.0, dtype=np.float32))
    got = compute(sites, raised, cells, N78, grid=plan_grid)
    assert got.signal.nnz == whole.signal.nnz
    assert abs(got.signal.data.astype(int) - whole.signal.data).max() <= 1


def test_best_server_and_footprint_against_a_dense_count(whole: Coverage) -> None:
    dense = whole.signal.toarray()
    rsrp, server = whole.best_server()
    best = dense.max(axis=0)
    np.testing.assert_array_equal(np.isnan(rsrp), best == 0)
    np.testing.assert_allclose(rsrp[best > 0], -150.5 + 0.5 * best[best > 0])
    served = np.flatnonzero(best > 0)
    np.testing.assert_array_equal(dense[server[served], served], best[served])
    for threshold in (None, -100.0, -80.25):
        level = whole.band.covered_dbm if threshold is None else threshold
        wanted = (dense > 0) & (-150.5 + 0.5 * dense.astype(float) >= level)
        got = whole.footprint(threshold)
        assert got.dtype == bool
        np.testing.assert_array_equal(got.toarray(), wanted)


def test_save_and_load(whole: Coverage, tmp_path: Path) -> None:
    whole.save(tmp_path / "a.npz")
    back = Coverage.load(tmp_path / "a.npz")
    assert same(whole, back)
    assert back.band == whole.band
    pd.testing.assert_index_equal(back.site_ids, whole.site_ids, exact=False)
    pd.testing.assert_index_equal(back.cell_ids, whole.cell_ids, exact=False)
    back.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["short", "other", "missing"])
def test_damaged_footprints_are_refused(whole: Coverage, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    whole.save(path)
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "other":
        np.savez(path, signal=np.zeros(3))
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"a\.npz"):
        Coverage.load(path)


def test_no_sites_give_empty_coverage(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    got = compute(sites.iloc[:0], town, cells, N78, grid=plan_grid)
    assert got.signal.shape == (0, len(cells))
    rsrp, server = got.best_server()
    assert np.isnan(rsrp).all() and (server == -1).all()
    assert got.footprint().nnz == 0


def test_everything_wrong_with_sites_is_said(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    bad = sites.assign(antenna_height_agl_m=-1.0, environment="city")
    with pytest.raises(SchemaError) as caught:
        compute(bad, town, cells, N78, grid=plan_grid)
    assert len(caught.value.problems) == 2
    with pytest.raises(SchemaError, match="antenna_height_agl_m"):
        compute(sites[["geometry"]], town, cells, N78, grid=plan_grid)
    with pytest.raises(DomainError, match="CRS"):
        compute(sites.to_crs("EPSG:6668"), town, cells, N78, grid=plan_grid)


def test_progress_ends_at_all_sites(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    calls: list[tuple[int, int]] = []
    compute(
        sites,
        town,
        cells,
        N78,
        grid=plan_grid,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (len(sites), len(sites))


def test_candidate_sites(sites: gpd.GeoDataFrame) -> None:
    assets = gpd.GeoDataFrame(
        {
            "placement": ["roof", "pole", "none", "ground", "roof"],
            "mounting_height_m": [33.0, 6.0, 10.0, 9.0, np.nan],
        },
        geometry=sites.geometry.iloc[:5].to_numpy(),
        crs=sites.crs,
        index=pd.Index(list("abcde"), name="asset_id"),
    )
    got = coverage.candidate_sites(assets, radius_roof_m=800, radius_pole_m=200)
    assert list(got.index) == ["a", "b", "d"]
    assert got.index.name == "site_id"
    assert got["radius_m"].tolist() == [800, 200, 800]
    assert got["environment"].tolist() == ["UMa", "UMi", "UMi"]
    assert got["azimuths_deg"].tolist() == ["0 120 240", "", ""]


def test_rasters_hold_values_where_the_cells_are(
    whole: Coverage, cells: gpd.GeoDataFrame, plan_grid: Grid, tmp_path: Path
) -> None:
    rsrp, _ = whole.best_server()
    path = tmp_path / "rsrp.tif"
    coverage.write_raster(path, rsrp, cells, plan_grid, description="SS-RSRP", unit="dBm")
    with rasterio.open(path) as source:
        assert source.dtypes == ("float32",)
        assert np.isnan(source.nodata)
        assert source.crs.to_string() == plan_grid.crs
        assert source.transform == plan_grid.transform
        values = list(source.sample([(p.x, p.y) for p in cells.geometry.iloc[:50]]))
    np.testing.assert_array_equal(np.ravel(values), rsrp[:50])


def test_cells_tell_their_grid(
    whole: Coverage, sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame,
    plan_grid: Grid,
) -> None:  # fmt: skip
    assert grid_of(cells) == plan_grid
    assert same(whole, compute(sites, town, cells, N78))
    part = cells.sample(50, random_state=1)
    few = compute(sites, town, part, N78)
    assert (few.signal != compute(sites, town, part, N78, grid=plan_grid).signal).nnz == 0
    with pytest.raises(SchemaError, match="grid"):
        compute(sites, town, cells.iloc[:1], N78)
    with pytest.raises(SchemaError, match="grid"):
        compute(sites, town, cells.drop(columns="row"), N78)
    with pytest.raises(SchemaError, match="grid"):
        compute(sites, town, cells.assign(row=cells["row"].to_numpy()[::-1]), N78)
