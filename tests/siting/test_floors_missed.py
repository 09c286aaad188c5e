"""Floors that are hard to keep: which plan counts as better, and what is said when none is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError, NoSolutionError
from tdh.siting import (
    Objective,
    exact,
    infeasible,
    programme,
    solve_allocation,
    solve_backup_cover,
    solve_lexicographic,
    solve_shared_cost,
    solve_years,
    solving,
)
from tdh.siting.allocation import check, model_of
from tdh.siting.model import Arrays
from tdh.siting.solving import Effort, Solution

# Site 0 serves 100 far from the floor, sites 1 and 2 serve the floor's cells.
COVER = sparse.csr_array(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool))
DEMAND = np.array([[100.0, 10.0, 0.001]])
FLOOR = [(np.array([False, True, True]), 10.001)]


def arrays(number: int) -> Arrays:
    return model_of(
        check([COVER], DEMAND, number, 1, None, 0.0, FLOOR)
    ).arrays  # fmt: skip


def test_no_demand_makes_up_for_a_floor_that_is_missed_by_little() -> None:
    m = arrays(2)
    search = solving._Search(m, 0, Effort(), lambda done, total: None, 0.0)
    first, *floor = np.argsort(-m.weight[m.cover_idx])  # pairs by what each covers
    kept, almost = np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)
    kept[floor] = True
    almost[[first, floor[0]]] = True  # lacks a thousandth, and covers 100 more
    assert search.keep(kept)
    assert not search.keep(almost)
    assert np.array_equal(search.best, kept) and search.gap < np.inf
    other = solving._Search(m, 0, Effort(), lambda done, total: None, 0.0)
    assert other.keep(almost) and other.gap == np.inf
    assert other.keep(kept) and other.gap < np.inf


def test_fixed_choices_that_serve_more_than_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "SMALL", -1)  # the way of large problems
    floor = [(np.array([True, True, False]), 1.0)]
    plan = solve_allocation([COVER], DEMAND, 2, floors=floor, fixed=[(0, 0)])
    assert plan.objective == pytest.approx(110.0)


def test_what_the_nearest_plan_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = Solution(None, 110.0, False, "search", lack=np.array([0.25]))
    monkeypatch.setattr(solving, "solve", lambda *a, **k: missed)
    none = exact.Shortfall(None, 0.0)
    monkeypatch.setattr(exact, "least_shortfall", lambda *a, **k: none)
    with pytest.raises(NoSolutionError) as caught:
        solve_allocation([COVER], DEMAND, 2, floors=FLOOR)
    (problem,) = caught.value.problems
    assert problem.where == "floors[0]"
    assert "lacks 0.25 of the floor's 10.001" in problem.render("en")
    assert "10.001 のうち 0.25 が不足" in problem.render("ja")


CLOCK = {"en": "not reproducible", "ja": "再現しない"}


def clock_is_named(error: NoSolutionError) -> bool:
    """In both languages, or in none."""
    told = {language: word in error.render(language) for language, word in CLOCK.items()}
    assert len(set(told.values())) == 1
    return told["en"]


@pytest.mark.parametrize("searched", [True, False])
@pytest.mark.parametrize("relaxed", [True, False])
def test_a_wall_clock_that_ended_the_search_is_said(
    searched: bool, relaxed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search's own, or that of the model in which floors may be missed."""
    missed = Solution(None, 110.0, False, "search", searched, np.array([0.25]))
    monkeypatch.setattr(solving, "solve", lambda *a, **k: missed)
    left = exact.Shortfall(None, 0.0, in_time=relaxed)
    monkeypatch.setattr(exact, "least_shortfall", lambda *a, **k: left)
    asks: list[Callable[[], Any]] = [
        lambda: solve_allocation([COVER], DEMAND, 2, floors=FLOOR),
        lambda: solve_shared_cost([COVER], DEMAND, 9, 1, 1, 2, floors=FLOOR),
    ]
    for ask in asks:
        with pytest.raises(NoSolutionError) as caught:
            ask()
        assert clock_is_named(caught.value) is not (searched and relaxed)


@pytest.mark.parametrize("in_time", [True, False])
def test_a_wall_clock_is_said_of_programmes(in_time: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Second covers, objectives in order and fiscal years."""
    none = programme.Answer(None, 110.0, False, "SCIP", in_time)
    for name in ("solve", "branch", "cut"):
        monkeypatch.setattr(programme, name, lambda *a, **k: none)
    monkeypatch.setattr(programme, "SMALL", -1)
    monkeypatch.setattr(infeasible, "ELASTIC_MOST", -1)
    missed = Solution(None, 110.0, False, "search")
    monkeypatch.setattr(solving, "solve", lambda *a, **k: missed)
    two = [Objective(DEMAND[0], 1), Objective(DEMAND[0], 2)]
    asks: list[Callable[[], Any]] = [
        lambda: solve_backup_cover([COVER], DEMAND, (1.0, 0.5), 2, floors=FLOOR),
        lambda: solve_lexicographic(
            [COVER, COVER], two, 2, 2, floors=[(np.array([False, True, True]), 10.001)]
        ),
        lambda: solve_years([COVER], DEMAND, [1, 1], fixed=[(0, 0)]),
    ]
    for ask in asks:
        with pytest.raises(NoSolutionError) as caught:
            ask()
        assert clock_is_named(caught.value) is not in_time


def test_a_users_time_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "SMALL", -1)
    monkeypatch.setattr(solving._Search, "keep", lambda self, chosen: False)  # finds nothing
    none = exact.Shortfall(None, 0.0)
    monkeypatch.setattr(exact, "least_shortfall", lambda *a, **k: none)
    monkeypatch.setattr(solving, "WINDOWED", -1)
    monkeypatch.setattr(solving, "RESIDUAL", -1)
    monkeypatch.setattr(solving, "FEW_RESIDUAL", -1)
    for limit in (None, 0.0):
        with pytest.raises(NoSolutionError) as caught:
            solve_allocation([COVER], DEMAND, 2, floors=FLOOR, effort=Effort(time_limit_s=limit))
        assert clock_is_named(caught.value) is (limit is not None)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_possible_within_a_floor_alone(
    seed: int, every_plan: Callable[[dict[str, Any]], Iterator[list[tuple[int, int]]]]
) -> None:
    """No plan covers more; the sums of single sites bound it, too, and the search by little."""
    rng = np.random.default_rng(seed)
    covers = rng.random((2, 6, 30)) < 0.25
    demand = rng.integers(0, 9, (2, 30)).astype(float)
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(c) for c in covers],
        "max_sites": [2, 1],
        "sharing_capacity": 1,
        "xy_m": rng.integers(0, 4, (6, 2)) * 100.0,
        "spacing_m": 150.0,
        "cost": rng.integers(1, 4, (2, 6)).astype(float),
        "programme_budget": 5.0,
        "fixed": [(0, int(rng.integers(6)))],
    }
    inside = rng.random((3, 30)) < 0.3
    floors = [(inside[0], 1.0), (inside[1], 1.0, 1), (inside[2], 1.0, 0)]
    request = check(demand=demand, floors=floors, **problem)
    model = model_of(request)
    sums = infeasible.reach(model.arrays)
    for f, (mask, need, *of) in enumerate(floors):
        best = 0.0
        for pairs in every_plan(problem):
            hit = np.zeros((2, 30), dtype=bool)
            for c, i in pairs:
                hit[c] |= covers[c, i]
            whose = of or [0, 1]
            best = max(best, (demand * hit)[whose][:, mask].sum())
        # What fixed choices serve of it is no longer needed.
        served = need - model.arrays.need[f]
        most = infeasible.most_within(model, f)
        assert best <= served + min(most, sums[f]) + 1e-6
        assert most == pytest.approx(best - served)


@pytest.mark.parametrize("solve", [solve_allocation, solve_years])
def test_what_single_sites_cannot_reach_is_said_without_a_search(
    solve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a plan is sought")

    monkeypatch.setattr(solving, "solve", none)
    most = 1 if solve is solve_allocation else [1, 0]
    both = [(np.array([True, True, False]), 103.0), (np.array([False, True, True]), 10.001)]
    with pytest.raises(InfeasibleError) as caught:
        solve([COVER], DEMAND, most, floors=both)
    assert [str(p.where)[:9] for p in caught.value.problems][:2] == ["floors[0]", "floors[1]"]
    assert [str(p.expected) for p in caught.value.problems[:2]] == ["<= 100", "<= 10"]
