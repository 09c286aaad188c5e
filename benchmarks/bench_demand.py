"""Cells, gaps and scores at the size of the 23 wards: a million cells, 5,000 assets, 4 carriers.

``pytest benchmarks/bench_demand.py --benchmark-only -o python_files='bench_*.py'``
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh import demand, gaps, mesh, scoring, surface
from tdh.grid import Grid

CRS = "EPSG:6677"
CARRIERS = ("a", "b", "c", "d")


def invented(side: int, n_assets: int) -> tuple[gpd.GeoDataFrame, pd.DataFrame, dict[Any, Any]]:
    """A square of 25 m cells, and footprints of 45 by 45 cells of which two thirds are served."""
    rng = np.random.default_rng(0)
    row, col = np.divmod(np.arange(side * side), side)
    cells = gpd.GeoDataFrame(
        {
            "row": row,
            "col": col,
            "population": rng.gamma(0.5, 18.0, row.size),
            "municipality_code": np.char.add(
                "131", np.char.zfill((col * 23 // side).astype(str), 2)
            ),
        },
        index=pd.Index(np.char.add("c", np.arange(row.size).astype(str)), name="cell_id"),
        geometry=gpd.points_from_xy(col * 25.0, -row * 25.0),
        crs=CRS,
    )
    assets = pd.DataFrame(
        {
            "placement": rng.choice(["roof", "pole"], n_assets),
            "height_source": "register",
            "mounting_height_m": 20.0,
            "backup_hours": np.nan,
            "flood_depth_m": np.nan,
        },
        index=pd.Index([f"x{i:05d}" for i in range(n_assets)], name="asset_id"),
    )
    steps = np.arange(45)
    square = (steps[:, None] * side + steps).ravel()
    corners = rng.integers(0, side - 45, (n_assets, 2)) @ np.array([side, 1])
    footprints = {}
    for carrier in CARRIERS:
        for band in ("n78", "n257"):
            kept = rng.random((n_assets, square.size)) < 2 / 3
            indices = (corners[:, None] + square)[kept].astype(np.int32)
            indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
            data = np.ones(indices.size, dtype=bool)
            footprints[carrier, band] = sparse.csr_array(
                (data, indices, indptr), shape=(n_assets, side * side)
            )
    return cells, assets, footprints


@pytest.fixture(scope="module")
def case() -> tuple[gpd.GeoDataFrame, pd.DataFrame, dict[Any, Any]]:
    return invented(1000, 5000)


def test_gaps_of_four_carriers(benchmark: Any, case: Any) -> None:
    cells, _, _ = case
    rng = np.random.default_rng(1)
    keys = [(carrier, band) for carrier in CARRIERS for band in ("n78", "n257")]
    signals = {key: rng.uniform(-125, -95, len(cells)).astype(np.float32) for key in keys}
    shares = dict.fromkeys(CARRIERS, 0.25)
    thresholds = {"n78": -110.0, "n257": -105.0}
    found = benchmark.pedantic(gaps.find, (cells, signals, thresholds, shares), rounds=1)
    assert len(found) > 1_000_000


def test_scores_of_5000_assets(benchmark: Any, case: Any) -> None:
    cells, assets, footprints = case
    rng = np.random.default_rng(2)
    people = cells["population"].to_numpy()
    unmet = np.where(rng.random((4, len(cells))) < 0.3, people / 4, 0.0)
    table = benchmark.pedantic(
        scoring.score_assets, (assets, footprints, unmet), {"cells": cells}, rounds=1
    )
    assert len(table) == 20_000


def test_cells_of_the_23_wards(benchmark: Any) -> None:
    if "TDH_DATA" not in os.environ:
        pytest.skip("TDH_DATA is not set: no real data")
    tokyo = Path(os.environ["TDH_DATA"]) / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["131"]
    )
    people = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    grid = Grid.around(tuple(wards.total_bounds), 25, CRS)
    heights = surface.read(
        [tokyo / "buildings" / "tokyo23_building_height_4m.tif"],
        bounds=tuple(wards.buffer(1000).total_bounds),
        crs=CRS,
    )
    cells = benchmark.pedantic(demand.make_cells, (grid, wards, people, heights), rounds=1)
    assert len(cells) > 900_000


@pytest.mark.slow
def test_learnt_placing_of_the_23_wards(benchmark: Any) -> None:
    """Learnt, tested on blocks held out, and 1 km sums divided: error against that by area."""
    if "TDH_DATA" not in os.environ:
        pytest.skip("TDH_DATA is not set: no real data")
    tokyo = Path(os.environ["TDH_DATA"]) / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["131"]
    )
    fine = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    sums = fine.assign(mesh_code=mesh.parents(fine["mesh_code"], 8))
    sums = sums.groupby("mesh_code", as_index=False)["population"].sum()
    heights = surface.read(
        [tokyo / "buildings" / "tokyo23_building_height_4m.tif"],
        bounds=tuple(wards.buffer(1000).total_bounds),
        crs=CRS,
    )
    placing = benchmark.pedantic(demand.learn_placing, (sums, wards, heights, fine), rounds=1)
    told = placing.facts
    benchmark.extra_info.update(told)
    assert told["rmse_learnt"] <= 0.6 * told["rmse_areal"]
    assert placing.population["population"].sum() == pytest.approx(sums["population"].sum())
