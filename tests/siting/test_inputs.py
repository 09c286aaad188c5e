"""What the siting problems refuse, and what they read in more than one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError, InputError
from tdh.language import speaking
from tdh.siting import (
    Cover,
    Objective,
    Status,
    plan_in_order,
    plan_max_min,
    plan_shared_cost,
    plan_sites,
    solve_allocation,
    solve_backup_cover,
    solve_lexicographic,
    solve_max_min,
    solve_mclp,
    solve_partial_cover,
    solve_shared_cost,
    solve_years,
    verify,
    verify_cover,
)

NEAR = sparse.csr_array(np.eye(2, dtype=bool))
PEOPLE = [[5.0, 3.0]]
FIRST = np.array([True, False])


def refused(call: Callable[[], Any]) -> str:
    """What an InputError says, in English; every problem is told in Japanese as well."""
    with pytest.raises(InputError) as caught:
        call()
    for problem in caught.value.problems:
        assert problem.where
        assert not problem.render("ja").isascii()
    with speaking("en"):
        return str(caught.value)


@pytest.mark.parametrize(
    "fixed",
    [[0], [0, 0, 0], np.array([True, False, False, False, False]), np.array([0], np.int8), 0],
)
def test_a_cover_counts_each_fixed_site_once_however_it_is_named(fixed: Any) -> None:
    near, people = sparse.csr_array(np.eye(5, dtype=bool)), [5.0, 4.0, 3.0, 2.0, 1.0]
    cover = solve_partial_cover(near, people, 0.5, fixed=fixed)
    assert cover.plan.selected.tolist() == [0, 1]
    assert (cover.sites, cover.at_least, cover.status) == (2, 2, Status.OPTIMAL)
    cheap = solve_partial_cover(near, people, 0.5, fixed=fixed, cost=np.ones(5))
    assert (cheap.cost, cheap.least_cost) == (2.0, 2.0)
    assert verify_cover(cover, near, people, 0.5, fixed=[0]) == []


def test_forbidden_sites_of_a_cover_by_mask() -> None:
    near = sparse.csr_array(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=bool))

    def found(forbidden: Any) -> Cover:
        return solve_partial_cover(near, [1, 1, 1], forbidden=forbidden)

    assert found([0]).plan.selected.tolist() == [1, 2]
    assert found(np.array([True, False, False])).plan.selected.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ([0.9], "positions of sites"),
        (["a"], "positions of sites"),
        ([[0, 1]], "positions of sites"),
        ([2], "out of range"),
        ([-1], "out of range"),
        (np.array([True, False, True]), "bool (3,)"),
        ([[0], [0, 1]], "even array"),
    ],
)
@pytest.mark.parametrize("name", ["fixed", "forbidden"])
def test_sites_that_are_none_are_refused(name: str, sites: Any, says: str) -> None:
    given: dict[str, Any] = {name: sites}
    for text in (
        refused(lambda: solve_mclp(NEAR, PEOPLE[0], 1, **given)),
        refused(lambda: solve_partial_cover(NEAR, PEOPLE[0], **given)),
    ):
        assert says in text
        assert name in text


@pytest.mark.parametrize("name", ["fixed", "in_place", "forbidden"])
@pytest.mark.parametrize("pairs", [[(0, 99)], [(1, 0)], [1], [(0, -1)], [(0.0, 1.0)], 7])
def test_pairs_of_a_years_plan_that_are_none_are_refused(name: str, pairs: Any) -> None:
    given: dict[str, Any] = {name: pairs}
    text = refused(lambda: solve_years([NEAR], PEOPLE, [1, 1], **given))
    assert text.startswith(f"{name}: ")


def test_a_site_in_place_and_forbidden_is_named_so() -> None:
    with pytest.raises(InfeasibleError) as caught:
        solve_years([NEAR], PEOPLE, [1, 1], in_place=[(0, 0)], forbidden=[(0, 0)])
    assert "in place and forbidden" in str(caught.value)
    assert "fixed" not in str(caught.value)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_sites": [0, 0]},
        {"yearly_budget": [1, 1], "cost": [[3, 3]]},
        {"yearly_budget": [2, 2], "cost": [[3, 3]], "carry_over": False},
        {"max_sites": [1, 1], "max_total": 0},
        {"max_sites": [1, 1], "forbidden": [(0, 0), (0, 1)]},
    ],
)
def test_years_that_can_buy_nothing_name_the_floor(limits: dict[str, Any]) -> None:
    with pytest.raises(InfeasibleError) as caught:
        solve_years([NEAR], PEOPLE, floors=[(FIRST, 5)], **limits)
    assert "floors" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    def call() -> Any:
        return solve_allocation(
            [NEAR],
            [["many", 3.0]],
            -1,
            np.nan,
            xy_m=[[0, 0], [np.inf, 1]],
            spacing_m=-5,
            floors=[
                (FIRST, 1, "x"),
                (FIRST, np.nan),
                5,
                (FIRST, "all"),
                ([1, 0], 1),
                (FIRST, 1, 1),
            ],
            fixed=[(0, 7)],
            forbidden=[0.5],
            at_most=[([(0, 0)], np.nan), ([(0, 0)], -1), 3, ([(0, 9)], 1)],
        )

    text = refused(call)
    wanted = ["demand", "max_sites", "sharing_capacity", "xy_m", "spacing_m", "fixed", "forbidden"]
    wanted += [f"floors[{k}]" for k in range(6)] + [f"at_most[{k}]" for k in range(4)]
    for name in wanted:
        assert f"{name}: " in text


@pytest.mark.parametrize("footprints", [NEAR, [], 3, ["rows"], [np.ones(2)], [NEAR, NEAR[:1]]])
def test_footprints_that_are_none_are_refused(footprints: Any) -> None:
    assert "footprint" in refused(lambda: solve_allocation(footprints, PEOPLE, 1))


def test_entries_stored_twice_serve_their_cell() -> None:
    people = [1.0, 1.0]
    cancels = sparse.csr_array(([1.0, -1.0, 1.0], [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    assert solve_mclp(cancels, people, 2).selected.tolist() == [0, 1]
    assert solve_mclp(cancels.tocoo(), people, 2).objective == 2.0
    at = np.zeros(256, int)
    many = np.ones(256, np.int8)
    for footprint in (
        sparse.coo_array((many, (at, at)), shape=(2, 2)),
        sparse.csr_matrix((many, at, [0, 256, 256]), shape=(2, 2)),
    ):
        assert solve_mclp(footprint, people, 2).objective == 1.0
    nothing = sparse.csr_array(([0.0, 0.0, 1.0], [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    assert solve_mclp(nothing, people, 2).objective == 1.0


class TestInfiniteCost:
    """A site of infinite cost cannot be had; the others are chosen as without it."""

    def test_of_one_carrier(self) -> None:
        for limits in ({"budget": 1}, {}):
            plan = solve_mclp(NEAR, [1, 1], 2, cost=[1, np.inf], **limits)
            assert plan.selected.tolist() == [0]
            assert (plan.objective, plan.bound, plan.status) == (1.0, 1.0, Status.OPTIMAL)
            given = ([NEAR], [[1, 1]], 2)
            assert verify(plan, *given, cost=[1, np.inf], **limits) == []

    def test_of_a_cover(self) -> None:
        near = sparse.csr_array(np.array([[1, 1], [1, 0], [0, 1]], dtype=bool))
        cover = solve_partial_cover(near, [1, 1], cost=[np.inf, 2, 3])
        assert (cover.plan.selected.tolist(), cover.cost, cover.least_cost) == ([1, 2], 5.0, 5.0)
        with pytest.raises(InfeasibleError):
            solve_partial_cover(near, [1, 1], cost=[np.inf, np.inf, 3])

    def test_of_years(self) -> None:
        plan = solve_years([NEAR], PEOPLE, yearly_budget=[1, 1], cost=[[np.inf, 1]])
        assert plan.schedule["site"].tolist() == [1]
        plan = solve_years(
            [NEAR], PEOPLE, yearly_budget=[1, 1], cost=[[np.inf, 1]], in_place=[(0, 0)]
        )
        assert plan.covered.tolist() == [8.0, 8.0]

    def test_where_sharing_saves(self) -> None:
        shared = solve_shared_cost([NEAR, NEAR], PEOPLE * 2, 3, [np.inf, 2], [np.inf, 1])
        assert shared.plan.selected.tolist() == [[0, 1], [1, 1]]
        assert (shared.spent, shared.saved) == (3.0, 1.0)

    def test_of_choices_that_are_fixed(self) -> None:
        cost = [1, np.inf]
        for text in (
            refused(lambda: solve_mclp(NEAR, [1, 1], 2, cost=cost, fixed=[1])),
            refused(lambda: solve_partial_cover(NEAR, [1, 1], cost=cost, fixed=[1])),
            refused(lambda: solve_years([NEAR], PEOPLE, [1], cost=[cost], fixed=[(0, 1)])),
            refused(lambda: solve_shared_cost([NEAR], PEOPLE, 9, cost, [1, 1], fixed=[(0, 1)])),
        ):
            assert "infinite" in text
            assert "cost" in text


def test_nothing_to_choose_from_is_an_empty_plan() -> None:
    none = sparse.csr_array((0, 2), dtype=bool)
    for plan in (
        solve_mclp(none, [5, 3], 1),
        solve_backup_cover([none], PEOPLE).plan,
        solve_shared_cost([none], PEOPLE, 1, 1, 1).plan,
        solve_shared_cost([NEAR], PEOPLE, 1, 1, 1, sharing_capacity=0).plan,
        solve_max_min([none], PEOPLE, [~FIRST, FIRST]).plan,
    ):
        assert (len(plan.selected), plan.objective, plan.bound) == (0, 0.0, 0.0)
        assert plan.status is Status.OPTIMAL
    ordered = solve_lexicographic([none], [np.array(PEOPLE)])
    assert (ordered.values.tolist(), ordered.statuses) == ([0.0], (Status.OPTIMAL,))
    for solve in (
        lambda floors: solve_shared_cost(
            [NEAR], PEOPLE, 1, 1, 1, sharing_capacity=0, floors=floors
        ),
        lambda floors: solve_backup_cover([none], PEOPLE, floors=floors),
        lambda floors: solve_lexicographic([none], [np.array(PEOPLE)], floors=floors),
    ):
        with pytest.raises(InfeasibleError, match="floors"):
            solve([(FIRST, 5)])


@pytest.mark.parametrize("weights", [(0, 0), (), (0.5, 1), (1, -1), "one", [[1, 0]], (np.nan,)])
def test_weights_of_covers_that_are_none_are_refused(weights: Any) -> None:
    assert refused(lambda: solve_backup_cover([NEAR], PEOPLE, weights)).startswith("weights: ")


class TestMaxMin:
    """What the problem of the mask served worst refuses, and what is proven of it."""

    def test_masks_that_are_none_are_refused(self) -> None:
        for masks in ([], [np.array([True])], [FIRST, [0, 1]], [np.array([False, False])]):
            assert "mask" in refused(lambda masks=masks: solve_max_min([NEAR], PEOPLE, masks, 1))

    def test_floors_are_refused(self) -> None:
        def call() -> Any:
            return solve_max_min([NEAR], PEOPLE, [FIRST], 1, floors=[(FIRST, 1)])

        assert refused(call).startswith("floors: ")
        assert solve_max_min([NEAR], PEOPLE, [FIRST], 1, floors=None).least_share == 1.0

    def test_a_best_of_nothing_is_proven(self) -> None:
        near = sparse.csr_array(np.eye(3, dtype=bool))
        masks = list(np.eye(3, dtype=bool))
        fair = solve_max_min([near], [[5, 3, 2]], masks, 2)
        assert (fair.least_share, fair.bound, fair.gap) == (0.0, 0.0, 0.0)
        assert fair.status is Status.OPTIMAL
        assert solve_max_min([near], [[5, 3, 2]], masks, 3).status is Status.OPTIMAL

    def test_a_share_of_nearly_nothing_is_found(self) -> None:
        # One site serves all of the first mask, the other a millionth of each.
        near = sparse.csr_array(np.array([[1, 0, 0, 0], [0, 1, 0, 1]], dtype=bool))
        masks = [np.array([True, True, False, False]), np.array([False, False, True, True])]
        fair = solve_max_min([near], [[1e6, 1.0, 1e6, 1.0]], masks, 1)
        assert fair.plan.selected.tolist() == [[0, 1]]
        assert fair.least_share == pytest.approx(1e-6, rel=1e-5)


class TestFaces:
    """The same with ids."""

    roofs = gpd.GeoDataFrame(
        index=["R1", "R2"], geometry=gpd.points_from_xy([0, 9], [0, 0]), crs=6677
    )
    people = pd.DataFrame({"a": [5.0, 3.0]}, index=["m1", "m2"])

    def test_areas_of_no_cell(self) -> None:
        areas = pd.Series("ward", index=["m8", "m9"])
        text = refused(
            lambda: plan_max_min(self.roofs, {"a": NEAR}, self.people, areas, max_sites=1)
        )
        assert text.startswith("areas: ")

    def test_floors_beside_areas(self) -> None:
        areas = pd.Series("ward", index=self.people.index)

        def call() -> Any:
            floors = [(FIRST, 1)]
            return plan_max_min(self.roofs, {"a": NEAR}, self.people, areas, floors=floors)

        assert refused(call).startswith("floors: ")

    def test_no_objective(self) -> None:
        assert "objectives" in refused(lambda: plan_in_order(self.roofs, {"a": NEAR}, []))

    def test_spacing_in_feet(self) -> None:
        feet = self.roofs.to_crs(2225)

        def call() -> Any:
            return plan_sites(feet, {"a": NEAR}, self.people, max_sites=1, spacing_m=5.0)

        assert "US survey foot" in refused(call)

    def test_an_infinite_rent(self) -> None:
        rent = pd.Series([np.inf, 2.0], self.roofs.index)
        made = plan_shared_cost(self.roofs, {"a": NEAR}, self.people, 2.0, rent, rent)
        assert made.chosen[["asset_id", "cost"]].to_numpy().tolist() == [["R2", 2.0]]
        sites = plan_sites(self.roofs, {"a": NEAR}, self.people, max_sites=2, cost=rent)
        assert sites.unchosen["reason"].tolist() == ["forbidden"]

    def test_entries_stored_twice(self) -> None:
        twice = sparse.coo_array(([1, -1, 1], ([0, 0, 1], [0, 0, 1])), shape=(2, 2))
        made = plan_sites(self.roofs, {"a": twice}, self.people, max_sites=2)
        assert len(made.chosen) == 2

    def test_columns_of_text(self) -> None:
        people = self.people.astype(object)
        people.loc["m2", "a"] = "三人"
        roofs = self.roofs.assign(rent=["2", "高い"])

        def call() -> Any:
            return plan_sites(
                roofs, {"a": NEAR}, people, max_sites=1, cost="rent", fixed=[("a", 1)]
            )

        text = refused(call)
        for name in ("demand[a]: ", "cost: ", "fixed: "):
            assert name in text


@pytest.mark.parametrize("at_least", [0, 3, 1.5, "two"])
def test_so_many_carriers_there_are_not(at_least: Any) -> None:
    def call() -> Any:
        return solve_lexicographic([NEAR, NEAR], [Objective(np.array([5.0, 3.0]), at_least)], 1)

    assert refused(call).startswith("objectives[0].at_least: ")
