"""GeoTIFF and outlines onto a grid, and what a surface answers."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from tdh import surface
from tdh.errors import InputError
from tdh.grid import Grid
from tdh.surface import Surface

CRS = "EPSG:6677"
BOUNDS = (0.0, 0.0, 40.0, 40.0)


def write(path: Path, values: np.ndarray, cell: float, **more: object) -> Path:
    scale, offset = more.pop("scale", 1.0), more.pop("offset", 0.0)
    profile = {"crs": CRS, "transform": Affine(cell, 0, 0, 0, -cell, 40)} | more
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1],
        dtype=values.dtype, **profile,
    ) as target:  # fmt: skip
        target.write(values, 1)
        target.scales, target.offsets = (scale,), (offset,)
    return path


def test_scale_and_offset_are_respected(tmp_path: Path) -> None:
    raw = np.arange(100, dtype=np.uint16).reshape(10, 10)
    path = write(tmp_path / "a.tif", raw, 4.0, scale=0.1, offset=2.0)
    got = surface.read(path, bounds=BOUNDS, crs=CRS)
    assert got.grid == Grid.around(BOUNDS, 4.0, CRS)
    assert got.building_m.dtype == np.float32
    np.testing.assert_allclose(got.building_m, raw * 0.1 + 2.0, rtol=1e-6)


@pytest.mark.parametrize("nodata", [-9999.0, float("nan")])
def test_no_data_is_no_building_and_open_terrain(tmp_path: Path, nodata: float) -> None:
    raw = np.full((10, 10), 7.0, dtype=np.float32)
    raw[3, 4] = nodata
    path = write(tmp_path / "a.tif", raw, 4.0, nodata=nodata)
    assert surface.read(path, bounds=BOUNDS, crs=CRS).building_m[3, 4] == 0
    fill = write(tmp_path / "b.tif", np.full((10, 10), 5.0, dtype=np.float32), 4.0)
    got = surface.read(path, [path, fill], bounds=BOUNDS, crs=CRS)
    assert got.terrain_m is not None and got.terrain_m[3, 4] == 5.0
    assert got.top_m[0, 0] == 14.0


def test_only_the_bounds_are_read_and_beyond_the_file_is_open(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.full((10, 10), 9.0, dtype=np.float32), 4.0)
    got = surface.read(path, bounds=(20, 20, 60, 60), crs=CRS)
    assert got.grid.shape == (10, 10)
    assert (got.building_m[5:, :5] == 9).all() and got.building_m.sum() == 9 * 25


def test_coarser_cells_keep_the_highest_roof_and_finer_ones_their_own(tmp_path: Path) -> None:
    raw = np.zeros((10, 10), dtype=np.float32)
    raw[2, 2], raw[3, 3] = 10.0, 30.0
    path = write(tmp_path / "a.tif", raw, 4.0)
    coarse = surface.read(path, bounds=BOUNDS, crs=CRS, cell_size_m=8.0)
    assert coarse.building_m[1, 1] == 30.0 and (coarse.building_m > 0).sum() == 1
    fine = surface.read(path, bounds=BOUNDS, crs=CRS, cell_size_m=2.0)
    np.testing.assert_array_equal(fine.building_m, np.kron(raw, np.ones((2, 2))))


def test_another_crs_is_warped(tmp_path: Path) -> None:
    outline = gpd.GeoSeries([box(8, 8, 32, 32)], crs=CRS)
    left, bottom, right, top = outline.to_crs("EPSG:6668").total_bounds
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=50, width=50, dtype="float32", crs="EPSG:6668",
        transform=Affine((right - left) / 50, 0, left, 0, -(top - bottom) / 50, top),
    ) as target:  # fmt: skip
        target.write(np.full((50, 50), 12.0, dtype=np.float32), 1)
    got = surface.read(path, bounds=BOUNDS, crs=CRS, cell_size_m=2.0)
    assert got.building_m[10, 10] == 12.0 and got.building_m[0, 0] == 0
    # Finer than the surface: each cell takes the highest roof that touches it.
    assert 144 <= (got.building_m > 0).sum() <= 14 * 14


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".geojson"])
def test_outlines_of_each_format(tmp_path: Path, suffix: str) -> None:
    frame = gpd.GeoDataFrame(
        {"measuredHeight": [12.0, 30.0, 9999.0, -9999.0, None]},
        geometry=[box(0, 0, 20, 20), box(10, 10, 20, 20), box(20, 20, 24, 24),
                  box(28, 28, 32, 32), box(36, 36, 40, 40)], crs=CRS,
    )  # fmt: skip
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".geojson":
        frame.to_crs("EPSG:4326").to_file(path)
    else:
        frame.to_file(path)
    got = surface.read(path, bounds=BOUNDS, crs=CRS, cell_size_m=2.0).building_m
    assert np.unique(got).tolist() == [0, 12, 30]
    assert (got == 30).sum() == 25 and (got == 12).sum() == 75


def test_the_order_of_outlines_and_sources_does_not_matter(tmp_path: Path) -> None:
    shapes = [box(0, 0, 20, 20), box(10, 10, 30, 30), box(5, 5, 25, 12)]
    heights = [12.0, 30.0, 20.0]
    grid = Grid.around(BOUNDS, 2.0, CRS)
    first = surface.burn(gpd.GeoSeries(shapes), heights, grid)
    second = surface.burn(gpd.GeoSeries(shapes[::-1]), heights[::-1], grid)
    np.testing.assert_array_equal(first, second)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    junk = tmp_path / "junk.tif"
    junk.write_bytes(b"not a raster")
    gpd.GeoDataFrame({"name": ["a"]}, geometry=[box(0, 0, 1, 1)], crs=CRS).to_parquet(
        tmp_path / "a.parquet"
    )
    (tmp_path / "b.doc").write_text("?")
    with pytest.raises(InputError) as caught:
        surface.read([junk, tmp_path / "a.parquet", tmp_path / "b.doc"], bounds=BOUNDS, crs=CRS)
    assert len(caught.value.problems) == 3
    with pytest.raises(InputError, match=r"nowhere\.tif"):
        surface.read(tmp_path / "nowhere.tif", bounds=BOUNDS, crs=CRS)
    with pytest.raises(InputError, match="bounds"):
        surface.read([], bounds=(1, 1, 1, 2), crs=CRS)


def test_heights_at_points() -> None:
    grid = Grid.around(BOUNDS, 4.0, CRS)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[5, 5] = 20.0  # x 20..24, y 16..20
    got = Surface(grid, building)
    assert got.building_height_m([22, 18, 22, 100], [18, 18, 30, 0]).tolist() == [20, 0, 0, 0]
    assert got.building_height_m([18, 18, 5], [18, 18, 18], radius_m=6.0).tolist() == [20, 20, 0]
    assert got.ground_m(22, 18) == 0


@pytest.mark.real
def test_the_raster_of_tokyo_agrees_with_its_outlines(data_dir: Path) -> None:
    folder = data_dir / "tokyo" / "buildings"
    bounds = (-13000, -35500, -12000, -34500)
    raster = surface.read(folder / "tokyo23_building_height_4m.tif", bounds=bounds, crs=CRS)
    burnt = surface.read(folder / "shinjuku_buildings.parquet", bounds=bounds, crs=CRS)
    assert raster.grid == burnt.grid
    assert abs(raster.building_m - burnt.building_m).mean() < 0.05
    assert raster.building_m.max() == pytest.approx(243, abs=60)
