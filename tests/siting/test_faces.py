"""Every problem by ids: the same plan as by positions, with geometries, and what is unknown named."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh import siting
from tdh.errors import InfeasibleError, InputError
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


def test_choices_that_contradict_are_told_by_ids(town: dict[str, Any]) -> None:
    assets, near, people = town["assets"], town["footprints"]["a"], town["demand"]["a"]
    for share in (0.1, 1.0):
        with pytest.raises(InfeasibleError, match="fixed and forbidden: T-03"):
            siting.plan_cover(assets, near, people, share, fixed=["T-03"], forbidden=["T-03"])
    dear = assets["rent"].where(assets.index != "T-04", np.inf)
    with pytest.raises(InputError, match="cannot be had: T-04"):
        siting.plan_cover(assets, near, people, cost=dear, fixed=["T-04"])
    both = [("a", "T-03"), ("a", "T-04")]
    with pytest.raises(InfeasibleError, match=r"max_sites\[:, a\].*T-03 \(a\), T-04 \(a\)"):
        siting.plan_years(
            assets, town["footprints"], town["demand"], [2026], max_sites={2026: 1}, fixed=both
        )


def test_what_is_in_place_may_cost_anything(town: dict[str, Any]) -> None:
    dear = town["assets"]["rent"].where(town["assets"].index != "T-04", np.inf)
    held = [("a", "T-04")]
    made = siting.plan_years(
        *(town[name] for name in ("assets", "footprints", "demand")),
        [2026],
        max_sites={2026: 2},
        cost=dear,
        fixed=held,
        in_place=held,
    )
    assert made.result.covered[0] > 0


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"fixed": [("a", "T-03", 2026)]}, "a choice is a carrier and an asset"),
        ({"fixed": ["T-03"]}, "a choice is a carrier and an asset: T-03"),
        ({"spacing_m": "far"}, "spacing_m: numbers are expected: far"),
        ({"floors": [7]}, r"floors\[0\]: a floor is a mask, a number"),
        ({"floors": [(pd.Series([True], ["c000"]), 1, "a", 2)]}, r"floors\[0\].*4 values"),
        ({"floors": [(pd.Series([True], ["elsewhere"]), 1)]}, r"floors\[0\]: a truth value"),
        ({"floors": [(pd.Series([True, np.nan], ["c000", "c001"]), 1)]}, "a truth value by cell"),
    ],
)
def test_rules_of_another_form_are_refused(
    town: dict[str, Any], rules: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        siting.plan_sites(town["assets"], town["footprints"], town["demand"], **rules)


def test_arguments_of_another_kind_are_refused(town: dict[str, Any]) -> None:
    assets, footprints, demand = (town[name] for name in ("assets", "footprints", "demand"))
    with pytest.raises(InputError, match="footprints: it is of another kind: list"):
        siting.plan_sites(assets, list(footprints.values()), demand)
    with pytest.raises(InputError, match="assets: it is of another kind: DataFrame"):
        siting.plan_sites(pd.DataFrame(assets[["rent"]]), footprints, demand)
    with pytest.raises(InputError, match=r"footprints\[a\]: it is of another kind: NoneType"):
        siting.plan_sites(assets, {**footprints, "a": None}, demand)
    with pytest.raises(InputError, match="demand: it is of another kind: list"):
        siting.plan_cover(assets, footprints["a"], [1.0])
    with pytest.raises(InputError, match="areas: it is of another kind: list"):
        siting.plan_max_min(assets, footprints, demand, ["x"])
    with pytest.raises(InputError, match=r"objectives\[0\]: an objective is a table.*Series"):
        siting.plan_in_order(assets, footprints, [demand["a"]])
    with pytest.raises(InputError, match="there is no objective: DataFrame"):
        siting.plan_in_order(assets, footprints, demand)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_sites": 1}, "max_sites: it is of another kind: int"),
        ({"max_sites": {2026: "many"}}, r"max_sites\[2026\]: numbers are expected: many"),
        ({"yearly_budget": {2026: "much"}}, "yearly_budget: numbers are expected"),
        ({"years": [2026, 2026]}, "years: a year occurs twice: 2026"),
    ],
)
def test_limits_of_years_of_another_form_are_refused(
    town: dict[str, Any], limits: dict[str, Any], says: str
) -> None:
    given = {"years": [2026, 2027], **limits}
    with pytest.raises(InputError, match=says):
        siting.plan_years(town["assets"], town["footprints"], town["demand"], **given)


def test_codes_of_areas_may_be_numbers_in_part(town: dict[str, Any]) -> None:
    areas = pd.Series([13101, "13102"] + [None] * 223, town["demand"].index, dtype=object)
    made = siting.plan_max_min(
        town["assets"], town["footprints"], town["demand"], areas, max_sites=2
    )
    assert made.shares is not None and made.shares.index.tolist() == [13101, "13102"]
