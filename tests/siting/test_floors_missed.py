"""Floors that are hard to keep: which plan counts as better, and what is said when none is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import NoSolutionError
from tdh.siting import infeasible, solve_allocation, solving
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
    monkeypatch.setattr(infeasible, "ELASTIC_MOST", -1)
    with pytest.raises(NoSolutionError) as caught:
        solve_allocation([COVER], DEMAND, 2, floors=FLOOR)
    (problem,) = caught.value.problems
    assert problem.where == "floors[0]"
    assert "lacks 0.25 of the floor's 10.001" in problem.render("en")
    assert "10.001 のうち 0.25 が不足" in problem.render("ja")
