"""Where people live inside a mesh: invented truth found again, and the real 23 wards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from tdh import demand, mesh, surface
from tdh.demand.dasymetric import CLASSES
from tdh.errors import InputError
from tdh.grid import Grid
from tdh.surface import Surface

CRS = "EPSG:6677"


def test_classes_by_hand() -> None:
    """A house, a tower and a shed in one cell each; volumes are theirs."""
    grid = Grid(0, 400, 4, 100, 100, CRS)
    height = np.zeros(grid.shape, dtype=np.float32)
    height[10:12, 10:12] = 6.0  # 8 m wide
    height[60:63, 10:13] = 40.0  # 12 m wide
    height[55:75, 55:80] = 12.0  # 80 m by 100 m
    coarse = Grid(0, 400, 200, 2, 2, CRS)
    volumes = demand.building_classes(Surface(grid, height), coarse)
    shown = {
        (int(r), int(c)): dict(zip(CLASSES, volumes[r, c], strict=True))
        for r, c in zip(*np.nonzero(volumes.any(axis=2)), strict=True)
    }
    assert shown[0, 0]["h7_w18"] == pytest.approx(4 * 16 * 6 / 1000)
    assert shown[1, 0]["h60_w18"] == pytest.approx(9 * 16 * 40 / 1000)
    shed = shown[1, 1]
    assert shed["h16_winf"] > 0.5 * sum(shed.values())
    assert sum(shed.values()) == pytest.approx(500 * 16 * 12 / 1000)
    assert volumes.sum() * 1000 == pytest.approx(height.sum() * 16, rel=1e-6)


def invented(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A hundred 1 km meshes in which only the first three classes hold people."""
    rng = np.random.default_rng(seed)
    parents = mesh.children(["533945"], 8)[0]
    codes = mesh.children(parents, 9).ravel()
    volumes = rng.gamma(0.7, 20.0, (codes.size, len(CLASSES)))
    people = volumes[:, :3] @ np.array([10.0, 5.0, 2.0])
    return pd.DataFrame(volumes, index=codes, columns=CLASSES), people


def test_an_invented_truth_is_found_again() -> None:
    X, people = invented(0)
    model = demand.DasymetricRegressor(occupancy=0.0, correct=False).fit(X, people)
    coef = model.coef_ / model.coef_[0]
    assert coef[:3] == pytest.approx([1.0, 0.5, 0.2], abs=0.02)
    assert coef[3:].max() < 0.02


def test_sums_are_kept_exactly() -> None:
    X, people = invented(1)
    totals = pd.Series(people).groupby(mesh.parents(X.index, 8)).sum()
    model = clone(demand.DasymetricRegressor()).fit(X, people)
    other = totals * np.linspace(0.0, 3.0, len(totals))
    got = pd.Series(model.predict(X, other)).groupby(mesh.parents(X.index, 8)).sum()
    assert np.allclose(got, other, rtol=1e-12)


def test_too_little_to_learn_from_is_refused() -> None:
    X, people = invented(0)
    with pytest.raises(InputError, match="too few"):
        demand.DasymetricRegressor().fit(X[:80], people[:80])


@pytest.mark.real
@pytest.mark.slow
def test_held_out_blocks_of_the_23_wards(data_dir: Path) -> None:
    """From 1 km sums to 500 m counts with at most 0.6 of the RMSE of areal weighting.

    Blocks of 10 km (second-order meshes) are held out in five folds.
    """
    tokyo = data_dir / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["131"]
    )
    people = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    people = people.set_index("mesh_code")["population"]
    west, south, east, north = wards.to_crs("EPSG:6668").total_bounds
    lon, lat = np.meshgrid(np.arange(west, east, 1 / 200), np.arange(south, north, 1 / 300))
    kilometres = np.unique(mesh.from_lonlat(lon, lat, 8))
    within = mesh.polygons(kilometres, CRS).within(wards.union_all())
    codes = mesh.children(kilometres[within.to_numpy()], 9).ravel()
    heights = surface.read(
        [tokyo / "buildings" / "tokyo23_building_height_4m.tif"],
        bounds=tuple(wards.total_bounds),
        crs=CRS,
    )
    X = demand.mesh_classes(heights, codes)
    truth = people.reindex(codes).fillna(0.0).to_numpy()
    parents = pd.Index(mesh.parents(codes, 8))
    totals = pd.Series(truth).groupby(parents).sum()
    predicted = np.zeros(len(codes))
    folds = GroupKFold(5).split(X, groups=mesh.parents(codes, 6))
    for train, test in folds:
        model = demand.DasymetricRegressor().fit(X.iloc[train], truth[train])
        predicted[test] = model.predict(X.iloc[test], totals)
    areal = totals.reindex(parents).to_numpy() / 4
    ratio = np.sqrt(np.mean((predicted - truth) ** 2) / np.mean((areal - truth) ** 2))
    assert len(codes) > 1500
    assert ratio <= 0.6
    assert np.allclose(pd.Series(predicted).groupby(parents).sum(), totals, rtol=1e-12)
    print(f"{len(codes)} half meshes, RMSE {ratio:.3f} of areal weighting")
