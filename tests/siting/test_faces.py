"""Every problem by ids: the same plan as by positions, with geometries, and what is unknown named."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh import siting
from tdh.errors import InputError
from tdh.siting import Objective


@pytest.fixture(scope="module")
def town() -> dict[str, Any]:
    """Sixteen roofs at random, two carriers, 225 cells in three wards."""
    rng = np.random.default_rng(5)
    xy = rng.uniform(0, 1500, (16, 2))
    assets = gpd.GeoDataFrame(
        {"rent": rng.integers(2, 6, 16).astype(float), "more": 1.0},
        index=[f"T-{k:02d}" for k in range(16)],
        geometry=gpd.points_from_xy(*xy.T),
        crs=6677,
    )
    cells = pd.Index([f"c{k:03d}" for k in range(225)])
    at = np.stack(np.meshgrid(np.arange(15), np.arange(15)), -1).reshape(-1, 2) * 100.0 + 50
    near = np.hypot(*(xy[:, None] - at[None]).transpose(2, 0, 1))
    return {
        "assets": assets,
        "footprints": {"b": sparse.csr_array(near < 260), "a": sparse.csr_array(near < 310)},
        "demand": pd.DataFrame(rng.integers(0, 40, (225, 2)).astype(float), cells, ["a", "b"]),
    }


def by_position(town: dict[str, Any]) -> tuple[list[Any], np.ndarray]:
    """The carriers in the order of the footprints: b, then a."""
    return list(town["footprints"].values()), town["demand"][["b", "a"]].to_numpy().T


def pairs(chosen: gpd.GeoDataFrame, town: dict[str, Any]) -> set[tuple[int, int]]:
    assets = town["assets"]
    for row in chosen.itertuples():
        assert row.geometry.equals(assets.geometry[row.asset_id])
    assert chosen.crs == assets.crs
    site = assets.index.get_indexer(chosen["asset_id"])
    carrier = pd.Index(["b", "a"]).get_indexer(chosen["carrier_id"])
    return set(zip(carrier.tolist(), site.tolist(), strict=True))


def test_cover_by_ids(town: dict[str, Any]) -> None:
    near, people = town["footprints"]["a"], town["demand"]["a"]
    made = siting.plan_cover(
        town["assets"], near, people, 0.8, cost="rent", fixed=["T-03"], forbidden=["T-05"]
    )
    cost = town["assets"]["rent"].to_numpy()
    found = siting.solve_partial_cover(
        near, people.to_numpy(), 0.8, cost=cost, fixed=[3], forbidden=[5]
    )
    assert made.result.cost == found.cost == made.chosen["cost"].sum()
    assert made.result.least_cost == found.least_cost
    ids = set(made.chosen["asset_id"])
    assert "T-03" in ids
    assert "T-05" not in ids
    assert ids == set(town["assets"].index[found.plan.selected])
    assert list(made.chosen.columns[:1]) == ["asset_id"]
    with pytest.raises(InputError, match="T-99"):
        siting.plan_cover(town["assets"], near, people, fixed=["T-99"])


def test_the_worst_served_area_by_its_name(town: dict[str, Any]) -> None:
    wards = pd.Series(np.repeat(["港区", "新宿区", "渋谷区"], 75), town["demand"].index)
    made = siting.plan_max_min(**town, areas=wards[::-1], max_sites=2, sharing_capacity=2)
    rows, wanted = by_position(town)
    masks = [(wards == name).to_numpy() for name in sorted(wards.unique())]
    found = siting.solve_max_min(rows, wanted, masks, 2, 2)
    assert made.result.least_share == pytest.approx(found.least_share)
    assert made.shares is not None
    assert made.shares.index.tolist() == ["新宿区", "渋谷区", "港区"]
    served = {c: np.zeros(225, dtype=bool) for c in "ab"}
    for row in made.chosen.itertuples():
        site = town["assets"].index.get_loc(row.asset_id)
        served[row.carrier_id] |= town["footprints"][row.carrier_id].toarray()[site] > 0
    people = sum(town["demand"][c] * served[c] for c in "ab")
    share = people.groupby(wards).sum() / town["demand"].sum(axis=1).groupby(wards).sum()
    assert made.shares.to_dict() == pytest.approx(share.to_dict())


def test_backup_shared_cost_and_order_by_ids(town: dict[str, Any]) -> None:
    rows, wanted = by_position(town)
    backup = siting.plan_backup(**town, weights=(1.0, 0.4), max_sites={"a": 3, "b": 2})
    same = siting.solve_backup_cover(rows, wanted, (1.0, 0.4), [2, 3])
    assert pairs(backup.chosen, town) == {tuple(p) for p in same.plan.selected.tolist()}
    assert backup.result.plan.objective == same.plan.objective

    shared = siting.plan_shared_cost(
        **town, programme_budget=14.0, cost_first="rent", cost_next="more"
    )
    cost = town["assets"]["rent"].to_numpy()
    other = siting.solve_shared_cost(rows, wanted, 14.0, cost, np.ones(16))
    assert pairs(shared.chosen, town) == {tuple(p) for p in other.plan.selected.tolist()}
    assert shared.chosen["cost"].sum() == pytest.approx(other.spent)

    anybody = town["demand"].max(axis=1)
    town_of = {k: v for k, v in town.items() if k != "demand"}
    order = siting.plan_in_order(
        **town_of,
        objectives=[(anybody, 1), town["demand"][::-1]],
        max_sites=2,
        forbidden=[("a", "T-02")],
    )
    objectives = [Objective(anybody.to_numpy(), 1), Objective(wanted)]
    straight = siting.solve_lexicographic(rows, objectives, 2, forbidden=[(1, 2)])
    assert order.result.values == pytest.approx(straight.values)
    assert (1, 2) not in pairs(order.chosen, town)
    assert {"loss_1", "loss_2"} <= set(order.chosen.columns)


def test_years_by_their_names(town: dict[str, Any]) -> None:
    rows, wanted = by_position(town)
    given = {
        "max_sites": {2026: 1, 2027: {"a": 2, "b": 1}, 2029: 1},
        "yearly_budget": {2026: 6.0, 2027: 8.0, 2029: 9.0},
    }
    made = siting.plan_years(
        **town,
        years=[2026, 2027, 2028, 2029],
        **given,
        cost="rent",
        sharing_capacity=2,
        in_place=[("b", "T-00")],
    )
    same = siting.solve_years(
        rows,
        wanted,
        [[1, 1], [1, 2], [0, 0], [1, 1]],
        2,
        yearly_budget=[6.0, 8.0, 0.0, 9.0],
        cost=town["assets"]["rent"].to_numpy(),
        in_place=[(0, 0)],
    )
    assert made.result.objective == same.objective
    assert made.result.bound == same.bound
    assert pairs(made.chosen, town) == {
        tuple(p) for p in same.schedule[["carrier", "site"]].to_numpy().tolist()
    }
    assert set(made.chosen["year"]) <= {2026, 2027, 2028, 2029}
    spent = made.chosen.groupby("year")["cost"].sum().cumsum()
    assert (spent <= pd.Series({2026: 6.0, 2027: 14.0, 2028: 14.0, 2029: 23.0})[spent.index]).all()
    free = siting.plan_years(**town, years=["first", "second"], max_sites={"second": {"a": 2}})
    assert set(free.chosen["year"]) == {"second"}
    assert (free.chosen["carrier_id"] == "a").sum() == 2


def test_unknown_years_carriers_and_columns_are_all_named(town: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        siting.plan_years(
            **town, years=[2026, 2027], max_sites={2028: 1}, yearly_budget={2025: 1.0}, cost="rents"
        )
    assert [p.value for p in caught.value.problems] == [2028, 2025, "rents"]
    with pytest.raises(InputError, match="c"):
        siting.plan_years(**town, years=[2026], max_sites={2026: {"c": 1}})
