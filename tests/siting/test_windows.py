"""Windows of a plan that are decided anew, and floors that are proven to be out of reach."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError
from tdh.siting import solve_allocation, solving, verify, windows
from tdh.siting.allocation import check, model_of
from tdh.siting.solving import Effort


def town(seed: int = 0) -> dict[str, Any]:
    """60 sites along a road in six districts, each of which has a floor; two carriers."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 600, 60))
    cells = np.arange(600) + 0.5
    cover = sparse.csr_array(np.abs(cells - x[:, None]) < rng.uniform(4, 12, 60)[:, None])
    demand = rng.lognormal(size=(2, 600))
    return {
        "footprints": [cover, cover],
        "demand": demand,
        "max_sites": [9, 9],
        "sharing_capacity": 1,
        "floors": [
            (cells // 100 == d, 0.22 * demand[:, cells // 100 == d].sum()) for d in range(6)
        ],
    }


def test_a_window_holds_what_is_near_and_not_more_than_asked() -> None:
    problem = town()
    limits = [problem[k] for k in ("footprints", "demand", "max_sites", "sharing_capacity")]
    m = model_of(check(*limits, None, 0.0, problem["floors"])).arrays
    near = windows.neighbours(m)
    size = np.diff(m.cover_ptr)
    free = windows.around(m, near, 7, 200)
    assert free[7] and 150 < size[free].sum() <= 200
    assert windows.around(m, near, 7, int(size.sum())).all()  # floors join what nothing else does
    # What overlaps the middle comes before what only shares a floor with it.
    first = windows.around(m, near, 7, int(size[7] + 1))
    overlapping = near[[7]].toarray()[0] >= 1
    assert (overlapping | ~first).all()


def test_windows_make_a_plan_better_and_keep_every_limit() -> None:
    problem = town()
    best = solve_allocation(**problem, effort=Effort(gap=0.0))
    poor = solve_allocation(**problem, forbidden=best.selected[::3], effort=Effort(gap=0.0))
    limits = [problem[k] for k in ("footprints", "demand", "max_sites", "sharing_capacity")]
    model = model_of(check(*limits, None, 0.0, problem["floors"]))
    search = solving._Search(model.arrays, 0, Effort(gap=0.0), lambda done, total: None, 0.0)
    search.bound = best.objective
    pairs = {tuple(pair) for pair in poor.selected.tolist()}
    chosen = [p in pairs for p in zip(model.carrier.tolist(), model.site.tolist(), strict=True)]
    assert search.keep(np.array(chosen)) and search.short == 0
    assert search.merit == pytest.approx(poor.objective)
    search.decide_windows()
    assert poor.objective < search.merit <= best.objective * (1 + 1e-9)
    selected = np.column_stack([model.carrier, model.site])[search.best]
    assert verify(selected, **problem) == []


def test_floors_that_the_relaxation_proves_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = town()
    problem["floors"] = [(mask, 2.0 * need) for mask, need in problem["floors"]]
    monkeypatch.setattr(solving, "SMALL", -1)
    monkeypatch.setattr("tdh.siting.infeasible.ELASTIC_MOST", -1)
    with pytest.raises(InfeasibleError) as caught:
        solve_allocation(**problem)
    of_floors = [p for p in caught.value.problems if "floors[" in str(p.where)]
    assert all("once it is lowered by" in p.render("en") for p in of_floors)
    # Lowered by what it says, the floors can be kept.
    lowered = list(problem["floors"])
    for told in of_floors:
        floor = re.search(r"floors\[(\d+)\]", str(told.where))
        lack = re.search(r"lowered by ([\d.e+-]+)", told.render("en"))
        assert floor and lack
        mask, need = lowered[int(floor[1])]
        lowered[int(floor[1])] = (mask, need - float(lack[1]))
    problem["floors"] = lowered
    monkeypatch.undo()
    assert verify(solve_allocation(**problem), **problem) == []


def test_the_floors_alone_decide_where_a_search_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = town()
    best = solve_allocation(**problem, effort=Effort(gap=0.0))

    def nothing(m: Any, **given: Any) -> solving.Solution:
        return solving.Solution(None, float(m.weight.sum()), False, "a search")

    monkeypatch.setattr(solving, "solve", nothing)
    plan = solve_allocation(**problem)
    assert verify(plan, **problem) == []
    assert plan.method == "a search + SCIP on the floors alone"
    assert plan.objective <= best.objective <= plan.bound
    problem["floors"] = [(mask, 2.0 * need) for mask, need in problem["floors"]]
    with pytest.raises(InfeasibleError, match="conflict"):
        solve_allocation(**problem)
