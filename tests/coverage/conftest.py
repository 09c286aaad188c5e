"""A small invented town."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh.grid import Grid
from tdh.surface import Surface

CRS = "EPSG:6677"


@pytest.fixture(scope="session")
def town() -> Surface:
    rng = np.random.default_rng(7)
    grid = Grid.around((-15000, -36000, -14000, -35200), 4.0, CRS)
    building = np.zeros(grid.shape, dtype=np.float32)
    for _ in range(700):
        r, c = rng.integers(0, grid.n_rows), rng.integers(0, grid.n_cols)
        building[r : r + rng.integers(2, 8), c : c + rng.integers(2, 8)] = rng.gamma(4, 3) + 3
    return Surface(grid, building)


@pytest.fixture(scope="session")
def plan_grid() -> Grid:
    return Grid.around((-15000, -36000, -14000, -35200), 25.0, CRS)


@pytest.fixture(scope="session")
def cells(plan_grid: Grid) -> gpd.GeoDataFrame:
    row, col = (a.ravel() for a in np.mgrid[: plan_grid.n_rows, : plan_grid.n_cols])
    x, y = plan_grid.centres(row, col)
    ids = [f"r{r:04d}c{c:04d}" for r, c in zip(row, col, strict=True)]
    return gpd.GeoDataFrame(
        {"row": row, "col": col},
        geometry=gpd.points_from_xy(x, y),
        crs=CRS,
        index=pd.Index(ids, name="cell_id"),
    )


@pytest.fixture(scope="session")
def sites(town: Surface) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(11)
    n = 40
    x, y = rng.uniform(-14950, -14050, n), rng.uniform(-35950, -35250, n)
    pole = np.arange(n) % 3 == 0
    roof = town.building_height_m(x, y, 12.0) + 3
    return gpd.GeoDataFrame(
        {
            "antenna_height_agl_m": np.where(pole, 6.0, np.maximum(roof, 9.0)),
            "placement": np.where(pole, "pole", "roof"),
            "azimuths_deg": np.where(pole, "", "0 120 240"),
            "tilt_deg": np.where(pole, np.nan, 4.0),
            "radius_m": np.where(pole, 200.0, 500.0),
        },
        geometry=gpd.points_from_xy(x, y),
        crs=CRS,
        index=pd.Index([f"s{i:03d}" for i in rng.permutation(n)], name="site_id"),
    )
