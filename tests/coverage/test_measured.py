"""Against signals that were measured, without any calibration and without buildings."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh import coverage
from tdh.grid import Grid
from tdh.radio import bands

CRS = "EPSG:32617"
FARTHEST_M = 1000.0
"""Beyond it the set holds signals behind the sector and 60 dB too strong: another cell's, with the
same physical identity."""


@pytest.mark.real
@pytest.mark.parametrize("environment", ["UMa", "UMi"])
def test_uncalibrated_prediction_is_within_nine_decibels(data_dir: Path, environment: str) -> None:
    folder = data_dir / "measured"
    measured, sites = points(folder / "duke_cbrs_rsrp.csv"), points(folder / "duke_cbrs_sites.csv")
    sites = sites.set_index("PCI")
    grid = Grid.around(tuple(measured.total_bounds), 10.0, CRS)
    row, col = grid.rowcol(measured.geometry.x, measured.geometry.y)
    measured["cell"] = row * grid.n_cols + col
    mean = measured.groupby(["PCI", "device", "cell"], as_index=False)["rsrp"].mean()
    keys = np.unique(mean["cell"])
    x, y = grid.centres(keys // grid.n_cols, keys % grid.n_cols)
    cells = gpd.GeoDataFrame(
        {"row": keys // grid.n_cols, "col": keys % grid.n_cols},
        geometry=gpd.points_from_xy(x, y), crs=CRS, index=pd.Index(keys.astype(str)),
    )  # fmt: skip
    # Left out in turn or not, no cell's measurements enter the prediction.
    sites = sites.rename(columns={"antenna_height_m": "antenna_height_agl_m"})
    got = coverage.compute(
        sites.assign(tilt_deg=3.0, environment=environment),
        None,
        cells,
        bands.get("n78", frequency_mhz=3650.0),
        grid=grid,
        radius_m=FARTHEST_M,
        floor_dbm=-150.0,
    )
    signal = coverage.to_dbm(got.signal.toarray())
    predicted = signal[sites.index.get_indexer(mean["PCI"]), np.searchsorted(keys, mean["cell"])]
    error = (mean["rsrp"] - predicted)[~np.isnan(predicted)]
    groups = [mean.loc[error.index, c] for c in ("PCI", "device")]
    error -= error.groupby(groups).transform("mean")
    assert len(error) > 3000
    assert np.sqrt((error**2).mean()) <= 9.0


def points(path: Path) -> gpd.GeoDataFrame:
    table = pd.read_csv(path)
    geometry = gpd.points_from_xy(table["longitude"], table["latitude"], crs="EPSG:4326")
    return gpd.GeoDataFrame(table, geometry=geometry).to_crs(CRS)
