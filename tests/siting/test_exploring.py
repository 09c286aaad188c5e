"""Curves, alternatives, explanations, covers and infeasibility, on a seeded plane of discs."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from tdh.errors import InfeasibleError, InputError, NoSolutionError, Problem
from tdh.siting import (
    Effort,
    Plan,
    Reason,
    Status,
    alternatives,
    compare,
    cost_curve,
    coverage_curve,
    exact,
    explain_unchosen,
    exploring,
    solve_allocation,
    solve_max_min,
    solve_mclp,
    solve_partial_cover,
    solving,
    verify,
)
from tdh.siting.explaining import named
from tdh.siting.spacing import cliques, too_near


@pytest.fixture(scope="module")
def plane() -> dict[str, Any]:
    """Sixty sites, two carriers, a thousand cells of 100 m."""
    rng = np.random.default_rng(7)
    xy = rng.uniform(0, 4000, (60, 2))
    cells = np.stack(np.meshgrid(np.arange(40), np.arange(25)), -1).reshape(-1, 2) * 100.0 + 50
    near = cKDTree(cells).query_ball_point(xy, 450)
    dense = np.zeros((60, len(cells)), dtype=bool)
    for i, hits in enumerate(near):
        dense[i, hits] = True
    return {
        "footprints": [sparse.csr_array(dense), sparse.csr_array(dense)],
        "demand": rng.integers(0, 100, (2, len(cells))).astype(float),
        "max_sites": [6, 4],
        "sharing_capacity": 1,
        "xy_m": xy,
        "spacing_m": 600.0,
    }


def parts(problem: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    limits = {k: v for k, v in problem.items() if k not in ("footprints", "demand")}
    return problem["footprints"], problem["demand"], limits


def test_two_ways_agree(plane: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    exact = solve_allocation(**plane)
    monkeypatch.setattr(solving, "SMALL", -1)
    searched = solve_allocation(**plane, effort=Effort(gap=0.0, work=0.05))
    footprints, demand, limits = parts(plane)
    assert verify(searched, footprints, demand, **limits) == []
    assert searched.objective <= exact.bound * (1 + 1e-9)
    assert searched.bound >= exact.objective * (1 - 1e-9)
    assert searched.objective >= 0.98 * exact.objective
    assert searched == solve_allocation(**plane, effort=Effort(gap=0.0, work=0.05))


def test_assignments_count_the_plan(plane: dict[str, Any]) -> None:
    plan = solve_allocation(**plane, fixed=[(1, 2)])
    table = plan.assignments
    assert table["gain"].sum() == pytest.approx(plan.objective)
    assert table.loc[0, ["carrier", "site"]].tolist() == [1, 2]
    footprints, demand, _ = parts(plane)
    for row in table.itertuples():
        rest = plan.selected[(plan.selected != [row.carrier, row.site]).any(axis=1)]
        covered = sum(
            demand[c][footprints[c][rest[rest[:, 0] == c, 1]].sum(axis=0) > 0].sum()
            for c in range(2)
        )
        assert plan.objective - covered == pytest.approx(row.loss_without)


def test_curve_rises_within_its_bounds(plane: dict[str, Any]) -> None:
    footprints, demand, limits = parts(plane)
    limits.pop("max_sites")
    curve = coverage_curve(footprints, demand, [0, 1, 3, 6], **limits)
    assert curve["objective"].iloc[0] == 0
    assert (np.diff(curve["objective"]) > 0).all()
    assert (curve["objective"] <= curve["bound"] * (1 + 1e-9)).all()


def test_alternatives_differ(plane: dict[str, Any]) -> None:
    footprints, demand, limits = parts(plane)
    plan = solve_allocation(**plane)
    others = alternatives(plan, footprints, demand, **limits, count=2, differ=0.4, lose=0.5)
    assert len(others) == 2
    plans = [set(map(tuple, p.selected.tolist())) for p in (plan, *others)]
    for one, other in itertools.combinations(plans, 2):
        assert len(one & other) <= 0.6 * len(one) + 1
    for other in others:
        assert verify(other, footprints, demand, **limits) == []
        assert other.objective <= plan.bound
    table = compare(plan, others[0])
    assert (table["where"] == "both").sum() == len(plans[0] & plans[1])


def test_alternatives_of_fewer_choices_differ_in_their_own() -> None:
    """Site 4 does what two of the plan do nearly as well: the alternative makes fewer choices."""
    covers = np.zeros((5, 8), dtype=bool)
    for site in range(4):
        covers[site, [2 * site, 2 * site + 1]] = True
    covers[4, :4] = True
    footprint = sparse.csr_array(covers)
    demand = [[5.0, 5, 5, 5, 9, 9, 9, 9]]
    plan = solve_allocation([footprint], demand, 4, fixed=None)
    rules: dict[str, Any] = {"count": 3, "differ": 0.3, "lose": 0.5}
    found = alternatives(plan, [footprint], demand, 4, **rules)
    assert found
    known = [plan, *found]
    for one in found:
        own = set(map(tuple, one.selected.tolist()))
        for other in known:
            if other is not one and known.index(other) < known.index(one):
                shared = own & set(map(tuple, other.selected.tolist()))
                assert len(shared) <= 0.7 * min(len(own), len(other.selected)) + 1e-9


def test_a_curve_goes_on_where_a_step_has_no_plan() -> None:
    eye = sparse.csr_array(np.eye(3, dtype=bool))
    floors = [(np.array([True, True, False]), 8.0)]
    curve = coverage_curve([eye], [[5, 3, 1]], [0, 1, 2, 3], floors=floors)
    assert curve["status"].tolist() == ["infeasible", "infeasible", "optimal", "optimal"]
    assert curve["objective"].tolist()[2:] == [8.0, 9.0]
    assert "max_sites[0]" in str(curve["error"][1]) and curve["plan"][1] is None
    by_cost = cost_curve([eye], [[5, 3, 1]], [4, 1, 1], [1, 5, 6], floors=floors)
    assert by_cost["status"].tolist() == ["infeasible", "optimal", "optimal"]
    assert by_cost["objective"].tolist()[1:] == [8.0, 9.0]
    assert "programme_budget" in str(by_cost["error"][0])


def test_every_unchosen_pair_has_a_reason(plane: dict[str, Any]) -> None:
    footprints, demand, limits = parts(plane)
    plan = solve_allocation(**plane, forbidden=[(0, 5)])
    table = explain_unchosen(plan, footprints, demand, **limits, forbidden=[(0, 5)])
    assert len(table) == 120 - len(plan.selected)
    by_pair = table.set_index(["carrier", "site"])
    assert by_pair.loc[(0, 5), "reason"] == Reason.FORBIDDEN
    chosen = {tuple(p) for p in plan.selected.tolist()}
    for row in table[table["reason"] == Reason.SPACING].itertuples():
        assert (row.carrier, row.by) in chosen
        assert np.hypot(*(plane["xy_m"][row.site] - plane["xy_m"][row.by])) < 600
    for row in table[table["reason"] == Reason.CAPACITY].itertuples():
        assert (1 - row.carrier, row.site) in chosen
        said = named(row.text, ["?"] * 60, ["first", "second"]).render("en")
        assert said.startswith("all places are taken by " + ["second", "first"][row.carrier])
    for row in table.itertuples():
        assert "{" not in row.text.render("ja") + row.text.render("en")
    # The plan is optimal: no single exchange improves it.
    swaps = table[table["reason"].isin([Reason.SPACING, Reason.BUDGET])]
    assert plan.status is Status.OPTIMAL
    assert (swaps.loc[swaps["reason"] == Reason.BUDGET, "gain"] >= 0).all()


def test_assets_come_in_as_the_plan_is_extended(plane: dict[str, Any]) -> None:
    """Each keeps every limit at its number of sites, and none would add more in its turn."""
    footprints, demand, limits = parts(plane)
    plan = solve_allocation(**plane)
    table = explain_unchosen(plan, footprints, demand, **limits)
    for c in range(2):
        own = table[(table["carrier"] == c) & (table["enters_at"] > 0)].sort_values("enters_at")
        assert len(own) > 3
        held = plan.selected.tolist()
        before = sum(k == c for k, _ in held)
        assert own["enters_at"].tolist() == list(range(before + 1, before + 1 + len(own)))
        for row in own.itertuples():
            hit = np.zeros(demand.shape[1], dtype=bool)
            for i in (i for k, i in held if k == c):
                hit[footprints[c][[i]].indices] = True
            adds = [
                float((demand[c] * ~hit)[footprints[c][[i]].indices].sum()) for i in own["site"]
            ]
            rest = {**limits, "max_sites": None}
            free = [
                gain
                for i, gain in zip(own["site"], adds, strict=True)
                if not verify(np.array([*held, [c, i]]), footprints, demand, **rest)
            ]
            assert adds[own["site"].tolist().index(row.site)] == pytest.approx(max(free))
            held = [*held, [c, row.site]]


def test_fewest_sites_against_enumeration() -> None:
    rng = np.random.default_rng(3)
    dense = rng.random((10, 30)) < 0.3
    demand = rng.integers(1, 9, 30).astype(float)
    for share in (0.5, 0.8, 1.0):
        cover = solve_partial_cover(sparse.csr_array(dense), demand, share)
        target = share * demand[dense.any(axis=0)].sum()
        fewest = next(
            k
            for k in range(11)
            for s in itertools.combinations(range(10), k)
            if demand[dense[list(s)].any(axis=0)].sum() >= target - 1e-9
        )
        assert cover.sites == cover.at_least == fewest
        assert cover.status is Status.OPTIMAL


def test_a_floor_out_of_reach_says_what_is_possible(plane: dict[str, Any]) -> None:
    mask = np.zeros(1000, dtype=bool)
    mask[:500] = True
    whole = float(plane["demand"][:, mask].sum())
    with pytest.raises(InfeasibleError, match=r"floors\[0\].*out of reach") as caught:
        solve_allocation(**plane, floors=[(mask, whole)])
    assert "least relaxation lowers it by" in str(caught.value)


def test_floors_that_conflict_name_the_least_relaxation() -> None:
    apart = sparse.csr_array(np.eye(2, dtype=bool))
    floors = [(np.array([True, False]), 5.0), (np.array([False, True]), 3.0)]
    with pytest.raises(InfeasibleError, match="conflict") as caught:
        solve_allocation([apart], [[5, 3]], 1, floors=floors)
    assert "least relaxation lowers it by 3" in str(caught.value)


def test_a_relaxation_that_is_not_proven_least_says_what_is_needed(
    plane: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = np.arange(1000) % 40
    masks = [
        (columns // 10 == k, 0.35 * plane["demand"][:, columns // 10 == k].sum()) for k in range(4)
    ]
    with pytest.raises(InfeasibleError, match="conflict") as caught:
        solve_allocation(**plane, floors=masks)
    least = sum(
        map(float, re.findall(r"least relaxation lowers it by ([\d.]+)", str(caught.value)))
    )
    assert least > 0
    found = exact.Shortfall(None, 0.5 * least)
    monkeypatch.setattr(exact, "least_shortfall", lambda *args, **given: found)
    with pytest.raises(InfeasibleError, match="conflict") as caught:
        solve_allocation(**plane, floors=masks)
    said = re.search(
        r"\(([\d.]+) in all floors; none is possible below ([\d.]+)", str(caught.value)
    )
    assert said is not None
    assert float(said[1]) >= least * (1 - 1e-5) and float(said[2]) == pytest.approx(
        0.5 * least, rel=1e-4
    )


def test_a_floor_of_one_carrier_counts_its_demand_alone() -> None:
    near = sparse.csr_array(np.array([[1, 0], [0, 1]], dtype=bool))
    inside, demand = np.array([False, True]), [[5.0, 3.0], [9.0, 8.0]]
    plan = solve_allocation([near, near], demand, 1, 2, floors=[(inside, 3.0, 0)])
    assert plan.selected.tolist() == [[0, 1], [1, 0]]
    assert verify(plan, [near, near], demand, 1, 2, floors=[(inside, 3.0, 0)]) == []
    without = [(0, 0), (1, 1)]
    found = verify(np.array(without), [near, near], demand, 1, 2, floors=[(inside, 3.0, 0)])
    assert "floor is missed" in str(found[0])
    with pytest.raises(InfeasibleError, match=r"floors\[0\], carrier\[1\].*out of reach"):
        solve_allocation([near, near], demand, [1, 0], 2, floors=[(inside, 3.0, 1)])
    with pytest.raises(InputError, match="no such carrier"):
        solve_allocation([near, near], demand, 1, 2, floors=[(inside, 3.0, 2)])


def test_fixed_choices_that_break_limits_are_all_named(plane: dict[str, Any]) -> None:
    with pytest.raises(InfeasibleError) as caught:
        solve_allocation(
            **{**plane, "max_sites": [0, 4]}, fixed=[(0, 1), (1, 1)], forbidden=[(1, 1)]
        )
    text = str(caught.value)
    assert "fixed and forbidden" in text
    assert "max_sites[0]" in text
    assert "sharing_capacity[1]" in text


def test_wrong_arguments_are_all_named(plane: dict[str, Any]) -> None:
    wrong = {**plane, "demand": -np.ones((3, 2)), "xy_m": None, "max_sites": [1, 2, 3]}
    with pytest.raises(InputError) as caught:
        solve_allocation(**wrong)
    assert len(caught.value.problems) == 3


def test_verify_finds_every_breach(plane: dict[str, Any]) -> None:
    footprints, demand, limits = parts(plane)
    near = too_near(plane["xy_m"], 600.0)
    a, b = near[0].tolist()
    chosen = np.array([[0, a], [0, b], [1, a]])
    floors = [(np.ones(1000, dtype=bool), 1e9)]
    found = verify(chosen, footprints, demand, **{**limits, "max_sites": 1}, floors=floors)
    text = " ".join(map(str, found))
    for words in ("too many sites", "too near", "share a site", "floor is missed"):
        assert words in text


def test_cliques_hold_every_pair() -> None:
    xy = np.random.default_rng(0).uniform(0, 1000, (80, 2))
    pairs = {tuple(p) for p in too_near(xy, 200).tolist()}
    held = set()
    for clique in cliques(too_near(xy, 200), 80):
        inside = set(itertools.combinations(clique.tolist(), 2))
        assert inside <= pairs
        held |= inside
    assert held == pairs


def test_cost_budgets(plane: dict[str, Any]) -> None:
    footprints, demand, _ = parts(plane)
    cost = np.random.default_rng(1).integers(1, 6, 60).astype(float)
    plan = solve_mclp(footprints[0], demand[0], cost=cost, budget=12.0)
    assert cost[plan.selected].sum() <= 12
    assert verify(plan, footprints[0], demand[0], cost=cost, budget=12.0) == []
    shared = solve_allocation(footprints, demand, None, 1, cost=cost, programme_budget=12.0)
    assert verify(shared, footprints, demand, None, 1, cost=cost, programme_budget=12.0) == []
    assert shared.objective >= plan.objective * (1 - 1e-6)


def test_max_min_against_enumeration() -> None:
    rng = np.random.default_rng(11)
    for _ in range(4):
        dense = rng.random((9, 24)) < 0.2
        demand = rng.integers(1, 9, (1, 24)).astype(float)
        masks = [np.arange(24) // 8 == k for k in range(3)]
        fair = solve_max_min([sparse.csr_array(dense)], demand, masks, max_sites=3)
        best = max(
            min(demand[0, m & dense[list(s)].any(axis=0)].sum() / demand[0, m].sum() for m in masks)
            for s in itertools.combinations(range(9), 3)
        )
        assert fair.least_share <= best + 1e-9
        assert fair.bound >= best - 1e-6
        assert fair.least_share >= 0.9 * best
        assert len(fair.plan.selected) <= 3


def test_a_search_that_finds_less_with_more_is_no_step_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plans and bounds of a curve are the better of its steps, whichever search found them."""
    eye = sparse.csr_array(np.eye(3, dtype=bool))
    real = solve_allocation

    def poor(*args: Any, **limits: Any) -> Plan:
        most = args[2] if len(args) > 2 else limits["programme_budget"]
        if most == 2:
            raise NoSolutionError(Problem("none was found"))
        plan = real(*args, **limits)
        if most == 3:
            return replace(plan, objective=4.0, bound=20.0, status=Status.FEASIBLE)
        return replace(plan, bound=plan.bound + most, status=Status.FEASIBLE)

    monkeypatch.setattr(exploring, "solve_allocation", poor)
    for curve in (
        coverage_curve([eye], [5, 3, 1], [3, 1, 4, 2]).sort_values("max_sites"),
        cost_curve([eye], [5, 3, 1], 1, [3, 1, 4, 2]),
    ):
        assert curve["objective"].tolist() == [5.0, 5.0, 5.0, 9.0]
        assert curve["bound"].tolist() == [6.0, 13.0, 13.0, 13.0]
        assert set(curve["status"]) == {"feasible"}


def test_a_step_without_bound_counts_the_demand_of_every_carrier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eye = sparse.csr_array(np.eye(2, dtype=bool))
    real = solve_allocation

    def only_the_first(*args: Any, **limits: Any) -> Plan:
        if limits["programme_budget"] > 1:
            raise NoSolutionError(Problem("none was found"))
        return real(*args, **limits)

    monkeypatch.setattr(exploring, "solve_allocation", only_the_first)
    curve = cost_curve([eye, eye], [5, 3], 1, [1, 4], sharing_capacity=2)
    assert curve["bound"].tolist() == [5.0, 16.0]


def test_steps_that_are_none_are_refused() -> None:
    eye = sparse.csr_array(np.eye(2, dtype=bool))
    for steps in (3, "3", np.array(3)):
        with pytest.raises(InputError, match="max_sites: it is of another kind"):
            coverage_curve([eye], [[5, 3]], steps)
    with pytest.raises(InputError, match="budgets: numbers are expected"):
        cost_curve([eye], [[5, 3]], 1, ["much"])  # type: ignore[list-item]
    assert "objective" in coverage_curve([eye], [[5, 3]], [])
    assert "budget" in cost_curve([eye], [[5, 3]], 1, [])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"differ": 2}, "differ: it is out of range: 2"),
        ({"lose": -1}, "lose: it is out of range: -1"),
        ({"differ": "x"}, "differ: numbers are expected: x"),
        ({"count": 1.5}, "count: a whole number"),
        ({"count": -1}, "count: a value is too small"),
    ],
)
def test_alternatives_that_make_no_sense_are_refused(given: dict[str, Any], says: str) -> None:
    eye = sparse.csr_array(np.eye(2, dtype=bool))
    plan = solve_allocation([eye], [[5, 3]], 1)
    with pytest.raises(InputError, match=says):
        alternatives(plan, [eye], [[5, 3]], 1, **given)
