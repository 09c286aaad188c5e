"""Ids and geometries go in and come out as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh.coverage import Coverage
from tdh.errors import InputError
from tdh.radio.bands import Band
from tdh.siting import SitePlan, plan_sites, solve_allocation

BAND = Band("n78", 3500.0, 100.0, 30.0, 273, 60.0, 50.0, -100.0, -90.0, "sub6")


@pytest.fixture(scope="module")
def town() -> dict[str, Any]:
    """Twenty roofs at random, two carriers, four hundred cells; one band per footprint."""
    rng = np.random.default_rng(4)
    xy = rng.uniform(0, 2000, (20, 2))
    assets = gpd.GeoDataFrame(
        {"rent": rng.integers(1, 5, 20).astype(float), "mounts": rng.integers(1, 3, 20)},
        index=[f"T-{k:02d}" for k in range(20)],
        geometry=gpd.points_from_xy(*xy.T),
        crs=6677,
    )
    cells = pd.Index([f"c{k:03d}" for k in range(400)])
    at = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1).reshape(-1, 2) * 100.0 + 50
    distance = np.hypot(*(xy[:, None] - at[None]).transpose(2, 0, 1))

    def signals(reach: float) -> Coverage:
        level = np.where(distance < reach, 110, np.where(distance < 2 * reach, 60, 0))
        matrix = sparse.csr_array(level.astype(np.uint8))
        return Coverage(BAND, assets.index, cells, matrix)

    people = pd.DataFrame(rng.integers(0, 50, (400, 2)).astype(float), cells, ["a", "b"])
    return {
        "assets": assets,
        "footprints": {"a": [signals(300), signals(200)], "b": signals(250)},
        "demand": people,
        "near": distance,
    }


def solved(town: dict[str, Any], **limits: Any) -> SitePlan:
    given = {k: v for k, v in town.items() if k != "near"}
    return plan_sites(**given, **limits)


def test_ids_stand_for_positions(town: dict[str, Any]) -> None:
    made = solved(
        town,
        max_sites={"a": 4, "b": 3},
        sharing_capacity="mounts",
        spacing_m=250.0,
        cost="rent",
        fixed=[("b", "T-07")],
        forbidden=[("a", "T-01")],
    )
    assets = town["assets"]
    plan = solve_allocation(
        [sparse.csr_array(town["near"] < 300), sparse.csr_array(town["near"] < 250)],
        town["demand"].to_numpy().T,
        [4, 3],
        assets["mounts"].to_numpy(),
        np.column_stack([assets.geometry.x, assets.geometry.y]),
        250.0,
        cost=assets["rent"].to_numpy(),
        fixed=[(1, 7)],
        forbidden=[(0, 1)],
    )
    assert made.plan == plan
    chosen = made.chosen
    assert chosen.crs == assets.crs
    assert len(chosen) == len(plan.selected)
    assert ("T-07", "b") in set(zip(chosen["asset_id"], chosen["carrier_id"], strict=True))
    assert chosen["gain"].sum() == pytest.approx(plan.objective)
    for row in chosen.itertuples():
        assert row.geometry.equals(assets.geometry[row.asset_id])
        assert row.cost == assets["rent"][row.asset_id]
    both = pd.concat([chosen, made.unchosen])[["asset_id", "carrier_id"]]
    assert len(both.drop_duplicates()) == 40
    by_pair = made.unchosen.set_index(["asset_id", "carrier_id"])
    assert by_pair.loc[("T-01", "a"), "reason"] == "forbidden"
    for row in made.unchosen[made.unchosen["reason"] == "spacing"].itertuples():
        assert row.by_asset_id in row.reason_en
        assert row.by_asset_id in row.reason_ja
        apart = assets.geometry[row.asset_id].distance(assets.geometry[row.by_asset_id])
        assert apart < 250


def test_order_of_assets_and_cells_does_not_matter(town: dict[str, Any]) -> None:
    one = solved(town, max_sites=3)
    turned = {**town, "assets": town["assets"][::-1], "demand": town["demand"][::-1]}
    other = solved(turned, max_sites=3)
    assert other.plan.objective == pytest.approx(one.plan.objective)
    fewer = {**town, "assets": town["assets"].drop(one.chosen["asset_id"].iloc[0])}
    assert solved(fewer, max_sites=3).plan.objective <= one.plan.objective


def test_a_floor_by_ids(town: dict[str, Any]) -> None:
    cells = town["demand"].index
    corner = pd.Series(True, index=cells[np.argsort(town["near"][3])[:20]])
    need = 0.5 * town["demand"].loc[corner.index, "a"].sum()
    made = solved(town, max_sites=2, floors=[(corner, need, "a")])
    mine = made.chosen[made.chosen["carrier_id"] == "a"]["asset_id"]
    hit = (town["near"][town["assets"].index.get_indexer(mine)] < 300).any(axis=0)
    inside = cells.isin(corner.index)
    assert town["demand"]["a"].to_numpy()[hit & inside].sum() >= need


def test_unknown_names_are_all_named(town: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        solved(
            town,
            max_sites={"a": 1, "c": 1},
            cost="rents",
            fixed=[("a", "T-77"), ("d", "T-01")],
        )
    assert len(caught.value.problems) == 4
    assert "rent" in str(caught.value)
    with pytest.raises(InputError, match="projected CRS"):
        solved({**town, "assets": town["assets"].to_crs(4326)}, max_sites=1, spacing_m=100.0)
    part = replace(town["footprints"]["b"], site_ids=pd.Index([f"X{k}" for k in range(20)]))
    with pytest.raises(InputError, match="no id of its sites"):
        solved({**town, "footprints": {"b": part}}, max_sites=1)
