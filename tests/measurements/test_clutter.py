"""Heights and density of buildings around receivers and under links."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh import measurements
from tdh.grid import Grid
from tdh.radio import bands
from tdh.surface import Surface

CRS = "EPSG:6677"


def quarters() -> Surface:
    """A square of 800 m: west open, east in blocks of 16 m, 12 m high, a third of the ground."""
    grid = Grid.around((0, 0, 800, 800), 4.0, CRS)
    building = np.zeros(grid.shape, dtype=np.float32)
    for r in range(0, grid.n_rows, 7):
        for c in range(grid.n_cols // 2, grid.n_cols, 7):
            building[r : r + 4, c : c + 4] = 12.0
    return Surface(grid, building)


def test_buildings_around_and_on_the_way() -> None:
    surface = quarters()
    receiver = np.array([[100.0, 400.0], [600.0, 400.0], [100.0, 400.0], [-500.0, 400.0]])
    site = np.array([[300.0, 400.0], [700.0, 410.0], [700.0, 410.0], [-600.0, 400.0]])
    found = measurements.clutter_features(receiver, site, surface)
    assert found.loc[0].tolist() == found.loc[3].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert found.loc[1, "clutter_height_m"] == found.loc[1, "path_clutter_height_m"] == 12.0
    assert found.loc[1, "building_density"] == pytest.approx(16 / 49, abs=0.05)
    # Half of the third link's way lies in the open.
    along = np.linspace(receiver[2], site[2], 20_001)
    share = (surface.building_height_m(along[:, 0], along[:, 1]) > 0).mean()
    assert 0.1 < share < 0.3
    assert found.loc[2, "path_building_density"] == pytest.approx(share, abs=0.04)
    assert found.loc[2, ["clutter_height_m", "building_density"]].tolist() == [0.0, 0.0]


def test_mean_height_counts_what_is_built() -> None:
    grid = Grid.around((0, 0, 400, 400), 10.0, CRS)
    building = np.zeros(grid.shape, dtype=np.float32)
    building[20, 20], building[20, 21], building[0, 0] = 10.0, 30.0, 99.0
    x, y = grid.centres(np.array([20]), np.array([20]))
    found = measurements.clutter_features(
        np.column_stack([x, y]), np.column_stack([x + 200, y]), Surface(grid, building)
    )
    assert found["clutter_height_m"][0] == 20.0
    assert found["building_density"][0] == pytest.approx(2 / 81)  # cells within 50 m: 81


def test_the_residual_learns_what_buildings_around_take_away() -> None:
    """Sites left out: shadow that follows the density of buildings is carried to a new site."""
    surface, rng = quarters(), np.random.default_rng(0)
    sites = gpd.GeoDataFrame(
        {"antenna_height_agl_m": 40.0},
        index=pd.Index(list("abcd"), name="site"),
        geometry=gpd.points_from_xy([300, 500, 300, 500], [300, 300, 500, 500]),
        crs=CRS,
    )
    at = gpd.points_from_xy(rng.uniform(50, 750, 900), rng.uniform(50, 750, 900))
    points = gpd.GeoDataFrame({"site": rng.choice(sites.index, 900)}, geometry=at, crs=CRS)
    X = measurements.predict_links(points, sites, surface, bands.get("n78"))
    dense = X["building_density"] > 0.2
    assert 0.3 < dense.mean() < 0.7
    y = X["predicted_dbm"] - 12.0 * dense + rng.normal(0, 3, len(X))
    model = measurements.MeasuredCoverage().fit(X, y.to_numpy())
    assert model.residual_used_
    assert model.site_rmse_["residual"] < 0.8 * model.site_rmse_["calibrated"]
    blind = measurements.MeasuredCoverage(residual="always").fit(
        X.drop(columns=[c for c in X if "density" in c or "clutter" in c]), y.to_numpy()
    )
    assert model.site_rmse_["residual"] < blind.site_rmse_["residual"]
