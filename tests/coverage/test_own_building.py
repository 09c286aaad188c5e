"""Ends of a link that stand on, in or beside a building, or beyond the surface."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest

from tdh import coverage
from tdh.coverage import Model
from tdh.grid import Grid
from tdh.radio import bands
from tdh.radio.prediction import link_geometry
from tdh.surface import Surface

N78 = bands.get("n78")


def raster(*roofs: tuple[int, int, float], size: int = 100) -> np.ndarray:
    """A row of cells with roofs (first, last, height)."""
    top = np.zeros((1, size), dtype=np.float32)
    for first, last, height in roofs:
        top[0, first:last] = height
    return top


def blocked(
    top: np.ndarray, rx: tuple[float, float], tx: tuple[float, float], *, roof: float = np.nan,
    inside: bool = False, own: float = 40.0, edges: bool = True,
) -> bool:  # fmt: skip
    got = link_geometry(top, rx[0], 0.5, rx[1], tx[0], 0.5, tx[1], 4.0, roof, inside, own, edges)
    return bool(got[0])


@pytest.mark.parametrize("edges", [True, False])
def test_the_roof_that_an_antenna_stands_on_does_not_block_it(edges: bool) -> None:
    top = raster((40, 52, 20.0))  # 48 m long; the point lies 24 m from either end
    street, antenna = (60.5, 1.5), (46.0, 23.0)
    assert blocked(top, street, antenna, own=0.0, edges=edges)
    assert blocked(top, street, antenna, roof=20.0, own=0.0, edges=edges)
    assert not blocked(top, street, antenna, roof=20.0, edges=edges)
    assert blocked(top, street, antenna, roof=20.0, own=10.0, edges=edges)


def test_only_the_own_roof_is_left_out() -> None:
    # A gap and a neighbour's equal roof behind it: the neighbour blocks.
    top = raster((40, 48, 20.0), (50, 56, 20.0))
    assert blocked(top, (60.5, 1.5), (44.0, 23.0), roof=20.0)
    # A tower on the own building blocks, though it adjoins.
    tower = raster((40, 48, 20.0), (48, 52, 60.0))
    assert blocked(tower, (75.5, 1.5), (44.0, 23.0), roof=20.0)


def test_an_antenna_below_its_roof_by_error_still_reaches_the_street() -> None:
    top = raster((40, 48, 20.0))
    assert not blocked(top, (56.5, 1.5), (44.0, 12.0), roof=20.0)


def test_a_receiver_indoors_is_not_blocked_by_its_own_building() -> None:
    top = raster((70, 76, 15.0))
    antenna = (20.5, 30.0)
    assert blocked(top, (73.5, 1.5), antenna, own=0.0)
    assert not blocked(top, (73.5, 1.5), antenna, inside=True)
    behind = raster((60, 66, 25.0), (70, 76, 15.0))
    assert blocked(behind, (73.5, 1.5), antenna, inside=True)


def test_a_pole_that_shares_its_cell_with_a_wall() -> None:
    top = raster((40, 41, 20.0))
    assert not blocked(top, (30.5, 1.5), (40.5, 8.0))
    assert blocked(raster((39, 41, 20.0)), (30.5, 1.5), (40.5, 8.0))


def test_beyond_the_surface_all_is_open(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    west, south, _, north = town.grid.bounds
    half = Grid.around((west, south, west + 500, north), 4.0, town.grid.crs)
    cropped = np.ascontiguousarray(town.building_m[:, : half.n_cols])
    padded = np.zeros_like(town.building_m)
    padded[:, : half.n_cols] = cropped
    got = coverage.compute(sites, Surface(half, cropped), cells, N78, grid=plan_grid)
    wanted = coverage.compute(sites, Surface(town.grid, padded), cells, N78, grid=plan_grid)
    assert got.line_of_sight is not None and wanted.line_of_sight is not None
    # Beyond the border receivers stand at cells' centres, not in a surface cell: compare the others,
    # which sites beyond the border serve, too. The profile's points stand closer at the border, and
    # now and then meet a corner that others pass.
    within = cells.geometry.x.to_numpy() < west + 500
    beyond = sites.geometry.x.to_numpy() > west + 500
    assert wanted.signal[beyond][:, within].nnz > 500
    assert got.signal.nnz == wanted.signal.nnz
    same = within[got.signal.indices]
    np.testing.assert_array_equal(got.line_of_sight[same], wanted.line_of_sight[same])
    apart = abs(got.signal.data.astype(int) - wanted.signal.data)
    assert (apart[same] > 3).mean() < 1e-3


def test_a_calibrated_model_shifts_what_it_says(
    sites: gpd.GeoDataFrame, town: Surface, cells: gpd.GeoDataFrame, plan_grid: Grid
) -> None:
    plain = coverage.compute(sites, town, cells, N78, grid=plan_grid, floor_dbm=-150)
    shifted = coverage.compute(
        sites, town, cells, N78, grid=plan_grid, floor_dbm=-150,
        model=Model(los_offset_db=3.0, nlos_offset_db=3.0),
    )  # fmt: skip
    lost = plain.signal.astype(int) - shifted.signal.astype(int)
    assert abs(lost.data - 6).max() <= 1
    steeper = coverage.compute(
        sites, town, cells, N78, grid=plan_grid, floor_dbm=-150,
        model=Model(los_slope_db=5.0, nlos_slope_db=5.0),
    )  # fmt: skip
    change = (steeper.signal.astype(int) - plain.signal.astype(int)).tocoo()
    site, cell = sites.geometry.iloc[change.row], cells.geometry.iloc[change.col]
    distance = np.hypot(
        site.x.to_numpy() - cell.x.to_numpy(), site.y.to_numpy() - cell.y.to_numpy()
    )
    assert change.data[distance > 150].max() <= 0
    assert change.data[distance < 60].min() >= 0
