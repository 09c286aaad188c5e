"""What is said of years and of shared cost where nothing is feasible, applied word for word."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError, Problem
from tdh.siting import (
    elastic,
    lacking,
    planning,
    solve_allocation,
    solve_shared_cost,
    solve_years,
    verify_shared_cost,
    verify_years,
)

Told = dict[str, str]
NEAR = sparse.csr_array(np.eye(4, dtype=bool))
CELLS = np.eye(4, dtype=bool)


def told(solve: Any, problem: dict[str, Any]) -> Told:
    """What is said, by the place it is said of; in both languages it can be."""
    with pytest.raises(InfeasibleError) as caught:
        solve(**problem)
    problems: list[Problem] = list(caught.value.problems)
    assert all(p.fix is not None for p in problems), caught.value.render("en")
    caught.value.render("ja")
    return {str(p.where): p.render("en") for p in problems}


def test_money_of_a_year_that_nothing_is_carried_into() -> None:
    """A site of 5 in years of 4 and 3; both years' sites are there."""
    years: dict[str, Any] = {
        "footprints": [NEAR],
        "demand": np.array([[9.0, 2.0, 3.0, 1.0]]),
        "cost": [[5.0, 1.0, 1.0, 1.0]],
        "yearly_budget": [4.0, 3.0],
        "carry_over": False,
        "floors": [(CELLS[0], 9.0)],
    }
    said = told(solve_years, years)
    assert list(said) == ["floors[0]", "yearly_budget"]
    assert "the least relaxation lowers it by 9, to 0" in said["floors[0]"]
    assert "set it to 5, 3 in the years' order (1 more; no less suffices)" in said["yearly_budget"]
    more = {**years, "yearly_budget": [5.0, 3.0]}
    assert verify_years(solve_years(**more), **more) == []


def test_a_limit_over_all_years_follows_the_years() -> None:
    years: dict[str, Any] = {
        "footprints": [NEAR, NEAR],
        "demand": np.ones((2, 4)),
        "sharing_capacity": 2,
        "max_sites": [[1, 2], [1, 2]],
        "max_total": [2, 4],
        "carry_over": False,
        "floors": [(CELLS.any(axis=0), 3.0, 0)],
    }
    said = told(solve_years, years)
    assert list(said) == ["floors[0], carrier[0]", "max_sites[:, 0]"]
    assert re.search(
        r"set it to \d, \d in the years' order, and max_total\[0\] to 3 \(1 more; no less suffices\)",
        said["max_sites[:, 0]"],
    )
    more = {**years, "max_sites": [[1, 2], [2, 2]], "max_total": [3, 4]}
    assert verify_years(solve_years(**more), **more) == []


@pytest.mark.parametrize("floors", [[], [(CELLS[2], 1.0)]])
def test_choices_that_fit_into_no_years(floors: list[Any]) -> None:
    """Three that cost 2 in years of 3 and 3: no floor has to do with it."""
    years: dict[str, Any] = {
        "footprints": [NEAR],
        "demand": np.array([[9.0, 2.0, 3.0, 1.0]]),
        "cost": 2.0,
        "yearly_budget": [3.0, 3.0],
        "carry_over": False,
        "fixed": [(0, 0), (0, 1), (0, 3)],
        "floors": floors,
    }
    said = told(solve_years, years)
    assert list(said) == ["fixed, yearly_budget", "yearly_budget"]
    assert "0 (carrier[0]), 1 (carrier[0]), 3 (carrier[0])" in said["fixed, yearly_budget"]
    mend = re.search(r"set it to (\d), (\d) in the years' order \(1 more", said["yearly_budget"])
    assert mend is not None
    more = {**years, "yearly_budget": [float(mend[1]), float(mend[2])], "floors": []}
    assert verify_years(solve_years(**more), **more) == []


def test_years_name_every_other_limit_too() -> None:
    """Sets, spacing, sharing and exclusions, whether or not a year passes on what it leaves."""
    base: dict[str, Any] = {"demand": np.array([[9.0, 2.0, 3.0, 1.0]]), "max_sites": [2, 2]}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"at_most": [([(0, 0), (0, 1)], 1)]}, "at_most[0]", "set it to 2 (1 more"),
        ({"forbidden": [(0, 1)]}, "forbidden", "do not rule out: 1 (carrier[0])"),
        (
            {"xy_m": [[0, 0], [50, 0], [500, 0], [900, 0]], "spacing_m": 80.0},
            "spacing_m",
            "set it to 50 (30 less",
        ),
        ({"sharing_capacity": [0, 1, 1, 1]}, "sharing_capacity", "allow every site 1 more"),
        ({"sharing_capacity": 0}, "sharing_capacity", "set it to 1 (1 more"),
        ({"max_total": [1]}, "max_total[0]", "set it to 2 (1 more"),
        ({"budget": [1.5], "cost": 1.0}, "budget[0]", "set it to 2 (0.5 more"),
        ({"programme_budget": 1.5}, "programme_budget", "set it to 2 (0.5 more"),
    ]
    for limit, where, fix in cases:
        for carry_over in (True, False):
            years = {"footprints": [NEAR], **base, **limit, "carry_over": carry_over}
            said = told(solve_years, {**years, "floors": [(CELLS[0] | CELLS[1], 11.0)]})
            assert set(said) == {"floors[0]", where}
            assert fix in said[where], said[where]
    alone = {"footprints": [NEAR], **base, **cases[0][0], "max_sites": 4}
    assert "at_most[0]" in told(solve_allocation, {**alone, "floors": [(CELLS[:2].any(0), 11.0)]})


def test_what_is_in_place_is_no_part_of_a_budget_to_be_set() -> None:
    years: dict[str, Any] = {
        "footprints": [NEAR],
        "demand": np.array([[9.0, 2.0, 3.0, 1.0]]),
        "max_sites": [2, 2],
        "cost": [[7.0, 2.0, 3.0, 1.0]],
        "budget": [2.0],
        "in_place": [(0, 0)],
        "floors": [(CELLS[2], 3.0)],
    }
    assert (
        "[0]: it stands in the way: looser alone, it lets every floor be kept as it is: 2\n"
        in (told(solve_years, years)["budget[0]"])
    )
    assert "set it to 3 (1 more; no less suffices)" in told(solve_years, years)["budget[0]"]
    assert solve_years(**{**years, "budget": [3.0]}).covered[-1] == 12.0


def test_a_set_of_which_too_many_are_fixed_says_how_to_mend_it() -> None:
    with pytest.raises(InfeasibleError, match=r"or set at_most\[0\] to 2"):
        both = [(0, 0), (0, 1)]
        solve_years([NEAR], np.ones((1, 4)), [2], fixed=both, at_most=[(both, 1)])


def test_a_large_horizon_is_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its least lack lies between what the relaxation proves and what a schedule lacks."""
    rng = np.random.default_rng(5)
    demand = np.round(rng.gamma(1.0, 30.0, (1, 60)), 2)
    part = np.arange(60) % 3
    years: dict[str, Any] = {
        "footprints": [sparse.csr_array(rng.random((25, 60)) < 0.08)],
        "demand": demand,
        "cost": rng.integers(2, 5, (1, 25)) * 1e6,
        "yearly_budget": [5e6, 4e6, 3e6],
        "carry_over": False,
        "floors": [(part == k, 0.6 * float(demand[:, part == k].sum())) for k in range(3)],
    }
    exact = told(solve_years, years)
    least = sum(float(n) for n in re.findall(r"lowers it by ([\d.]+)", " ".join(exact.values())))
    assert least > 0
    monkeypatch.setattr(lacking, "MOST", 1_000)
    monkeypatch.setattr(planning, "SMALL", -1)
    near = told(solve_years, years)
    text = next(iter(near.values()))
    if "least relaxation" not in text:
        bounds = re.search(
            r"\(([\d.]+) in all floors; none is possible below ([\d.]+) in all", text
        )
        assert bounds is not None, text
        assert float(bounds[2]) <= least * (1 + 1e-4) and float(bounds[1]) >= least * (1 - 1e-4)


@pytest.fixture
def shared() -> dict[str, Any]:
    """Two carriers on one site save 1 of 4; the floor asks for both there, and for site 1."""
    return {
        "footprints": [NEAR, NEAR],
        "demand": np.array([[9.0, 2.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]]),
        "programme_budget": 5.0,
        "cost_first": 2.0,
        "cost_next": 1.0,
        "floors": [(CELLS[0] | CELLS[1], 20.0)],
    }


def test_shared_cost_names_each_limit_that_would_do(shared: dict[str, Any]) -> None:
    assert solve_shared_cost(**shared).spent == 5.0
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"programme_budget": 4.0}, "programme_budget", "set it to 5 (1 more; no less"),
        ({"sharing_capacity": 1}, "sharing_capacity", "set it to 2 (1 more; no less"),
        ({"max_sites": [1, 3]}, "max_sites[0]", "set it to 2 (1 more; no less"),
        ({"forbidden": [(1, 0)]}, "forbidden", "do not rule out: 0 (carrier[1])"),
        ({"at_most": [([(0, 0), (1, 0)], 1)]}, "at_most[0]", "set it to 2 (1 more; no less"),
        (
            {"xy_m": [[0, 0], [50, 0], [500, 0], [900, 0]], "spacing_m": 80.0},
            "spacing_m",
            "set it to 50 (30 less; no less",
        ),
    ]
    for limit, where, fix in cases:
        said = told(solve_shared_cost, {**shared, **limit})
        assert set(said) == {"floors[0]", where}
        assert "the least relaxation lowers it by" in said["floors[0]"]
        assert fix in said[where], said[where]


def test_what_cannot_be_had_is_no_choice_to_give_back(shared: dict[str, Any]) -> None:
    """A site of infinite cost is not ruled out by anybody."""
    lost = {**shared, "cost_first": [np.inf, 2.0, 2.0, 2.0]}
    assert set(told(solve_shared_cost, lost)) == {"floors[0]"}


def test_a_plan_of_shared_cost_that_only_the_elastic_model_finds(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tdh.siting import solving

    missed = solving.Solution(None, 20.0, False, "search", lack=np.array([1.0]))
    monkeypatch.setattr(solving, "solve", lambda *a, **k: missed)
    plan = solve_shared_cost(**shared)
    assert verify_shared_cost(plan, **shared) == []


def test_too_many_sets_of_tenants_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven carriers of which two share have 28 sets; all together would have 127."""
    near = sparse.csr_array(np.eye(2, dtype=bool))
    problem: dict[str, Any] = {
        "footprints": [near] * 7,
        "demand": np.ones((7, 2)),
        "programme_budget": 9.0,
        "cost_first": 1.0,
        "cost_next": 1.0,
        "floors": [(np.array([True, False]), 3.0)],
    }
    assert set(told(solve_shared_cost, problem)) == {"floors[0]"}
    monkeypatch.setattr(elastic, "MOST", -1)
    assert set(told(solve_shared_cost, problem)) == {"floors[0]"}
