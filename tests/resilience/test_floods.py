"""Floods from maps: depths at points by hand, problems, and what a run makes of them."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import tdh
from tdh.errors import InputError
from tdh.pipeline import hazards
from tdh.results import Run
from tdh.scenario import FloodSource


def test_depths_by_hand() -> None:
    points = gpd.GeoSeries(gpd.points_from_xy([0, 5, 15, 30], [0, 5, 5, 5]), crs="EPSG:6677")
    one = gpd.GeoDataFrame(
        {"depth_m": [0.5, 3.0]},
        geometry=[shapely.box(-1, -1, 20, 10), shapely.box(10, 0, 20, 10)],
        crs="EPSG:6677",
    )
    two = gpd.GeoDataFrame({"depth_m": [1.0]}, geometry=[shapely.box(4, 4, 6, 6)], crs="EPSG:6677")
    assert hazards.flood_depth_m(points, [one, two]).tolist() == [0.5, 1.0, 3.0, 0.0]


def map_of(run: Run, folder: Path) -> Path:
    """The western half of the area floods by class 2, a strip of it by class 3."""
    x_min, y_min, x_max, y_max = run.grid.bounds
    middle = (x_min + x_max) / 2
    shapes = gpd.GeoDataFrame(
        {"rank": [2, 3]},
        geometry=[
            shapely.box(x_min - 9e3, y_min - 9e3, middle, y_max + 9e3),
            shapely.box(middle - 100, y_min - 9e3, middle, y_max + 9e3),
        ],
        crs=run.crs,
    )
    path = folder / "floods.geojson"
    shapes.to_file(path)
    return path


def test_a_run_knows_floods_and_scores_them(demo_run: Run, tmp_path: Path) -> None:
    source = FloodSource(path=map_of(demo_run, tmp_path), depth="rank", levels={"2": 3, "3": 5})
    scenario = demo_run.scenario.model_copy(update={"floods": [source]})
    run = tdh.run(scenario, tmp_path / "run")
    x_min, _, x_max, _ = run.grid.bounds
    east = (run.assets.geometry.x - (x_min + x_max) / 2).to_numpy()
    expected = np.where(east > 0, 0.0, np.where(east >= -100, 5.0, 3.0))
    clear = (np.abs(east) > 1) & (np.abs(east + 100) > 1)  # beyond the rounding of degrees
    assert run.assets["flood_depth_m"].to_numpy()[clear] == pytest.approx(expected[clear])
    scores = run.scores.set_index("asset_id")
    dry = run.assets["flood_depth_m"].reindex(scores.index) == 0
    closes = scores["gap_cells_closed"] > 0
    # No register tells hours or fibre: one part of three is for no flood.
    points = scores["contribution_resilience"]
    assert (points[dry & closes] > 0).all() and (points[~dry] == 0).all()
    parts = scores[[c for c in scores.columns if c.startswith("contribution_")]]
    assert np.abs(parts.sum(axis=1) - scores["score"]).max() < 1e-9
    named = scores["reason_en"].str.contains("resilience")
    assert named[(points >= 0.05) & closes].all() and not named[points == 0].any()
    assert any(entry["part"] == "floods" for entry in run.manifest["inputs"])


def test_the_register_goes_before_the_map(demo_run: Run, tmp_path: Path) -> None:
    source = FloodSource(path=map_of(demo_run, tmp_path), depth="rank", levels={"2": 3, "3": 5})
    scenario = demo_run.scenario.model_copy(update={"floods": [source]})
    assets = demo_run.assets.head(4).copy()
    assets["flood_depth_m"] = pd.Series([0.2, np.nan, np.nan, np.nan], index=assets.index)
    assert hazards.add_floods(assets, scenario) == 3
    assert assets["flood_depth_m"].iloc[0] == 0.2
    assert assets["flood_depth_m"].notna().all()


def test_problems_of_all_maps(demo_run: Run, tmp_path: Path) -> None:
    path = map_of(demo_run, tmp_path)
    sources = [
        FloodSource(path=path, depth="depth"),
        FloodSource(path=path, depth="rank", levels={"2": 3}),
    ]
    scenario = demo_run.scenario.model_copy(update={"floods": sources})
    with pytest.raises(InputError) as caught:
        hazards.read_floods(scenario)
    assert len(caught.value.problems) == 2
    assert "rank" in str(caught.value) and "levels" in str(caught.value)
