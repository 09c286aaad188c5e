"""The mask served worst: what the plan says of itself, exactly and the large way."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InputError
from tdh.siting import Effort, Status, programme, raising, solve_max_min, verify_max_min


def town(seed: int) -> dict[str, Any]:
    """Eight sites, two carriers, three masks; cells outside all of them, too."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 4, 24)
    return {
        "footprints": [sparse.csr_array(rng.random((8, 24)) < 0.25) for _ in range(2)],
        "demand": rng.integers(0, 9, (2, 24)) + 0.5,
        "masks": [own == k for k in range(3)],
        "max_sites": [2, 1],
        "sharing_capacity": 1,
    }


def every_plan(problem: dict[str, Any]) -> list[tuple[float, float]]:
    """Least share and demand covered altogether of every plan."""
    covers, demand = [f.toarray() for f in problem["footprints"]], problem["demand"]
    out = []
    for two in itertools.combinations(range(8), 2):
        for one in set(range(8)) - set(two):
            got = demand * [covers[0][list(two)].any(axis=0), covers[1][one]]
            shares = [got[:, m].sum() / demand[:, m].sum() for m in problem["masks"]]
            out.append((min(shares), float(got.sum())))
    return out


@pytest.mark.parametrize("small", [programme.SMALL, -1])
@pytest.mark.parametrize("seed", range(12))
def test_least_share_and_then_most_demand_against_enumeration(
    seed: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programme, "SMALL", small)
    problem = town(seed)
    plans = every_plan(problem)
    best = max(least for least, _ in plans)
    fair = solve_max_min(**problem)
    assert verify_max_min(fair, **problem) == []
    assert fair.least_share == pytest.approx(best)
    assert fair.bound >= best * (1 - 1e-6)
    most = max(all_ for least, all_ in plans if least >= fair.least_share * (1 - 1e-6))
    assert fair.plan.bound >= most * (1 - 1e-6)
    assert fair.plan.objective == pytest.approx(most)
    if small > 0:
        assert (fair.status, fair.plan.status) == (Status.OPTIMAL, Status.OPTIMAL)


def test_a_share_of_what_the_worst_get_may_go_for_more_altogether() -> None:
    gained = 0
    for seed, tolerance in itertools.product(range(6), (0.3, 1.0)):
        problem = town(seed)
        plans = every_plan(problem)
        best = max(least for least, _ in plans)
        fair = solve_max_min(**problem, tolerance=tolerance)
        assert verify_max_min(fair, **problem, tolerance=tolerance) == []
        assert fair.held == pytest.approx(best) and fair.status == Status.OPTIMAL
        allowed = best * (1 - tolerance) - 1e-6
        most = max(all_ for least, all_ in plans if least >= allowed)
        assert fair.plan.objective == pytest.approx(most)
        if fair.least_share < best - 1e-6:
            gained += 1
            assert "held" in [p.where for p in verify_max_min(fair, **problem)]
    assert gained, "nothing was given up in any case"
    with pytest.raises(InputError, match="tolerance"):
        solve_max_min(**problem, tolerance=1.5)


@pytest.mark.parametrize("rich", [0, 1])
def test_of_plans_as_fair_that_which_serves_most(rich: int) -> None:
    """Both sites serve both masks; one serves ten people outside of them, too."""
    near = np.array([[1, 1, 0], [1, 1, 0]], dtype=bool)
    near[rich, 2] = True
    masks = [np.array([True, False, False]), np.array([False, True, False])]
    fair = solve_max_min([sparse.csr_array(near)], [[1.0, 1.0, 10.0]], masks, 1)
    assert fair.plan.selected.tolist() == [[0, rich]]
    assert (fair.plan.objective, fair.plan.status) == (12.0, Status.OPTIMAL)


def test_a_mask_that_nothing_serves_leaves_the_others_their_share() -> None:
    near = sparse.csr_array(np.array([[1, 0, 1, 0, 0], [1, 1, 0, 0, 0]], dtype=bool))
    masks = [np.arange(5) // 2 == k for k in range(3)]
    fair = solve_max_min([near], [[5.0, 5.0, 2.0, 2.0, 9.0]], masks, 1)
    assert fair.plan.selected.tolist() == [[0, 0]]
    assert fair.shares.tolist() == [0.5, 0.5, 0.0]
    assert fair.reachable is not None and fair.reachable.tolist() == [True, True, False]
    assert (fair.least_share, fair.status) == (0.5, Status.OPTIMAL)
    none = solve_max_min([near], [[5.0, 5.0, 2.0, 2.0, 9.0]], masks, 1, forbidden=[(0, 0), (0, 1)])
    assert verify_max_min(fair, [near], [[5.0, 5.0, 2.0, 2.0, 9.0]], masks, 1) == []
    assert (none.least_share, none.bound, none.plan.objective) == (0.0, 0.0, 0.0)
    assert none.status is Status.OPTIMAL


def test_windows_raise_what_the_first_plan_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    dense = rng.random((90, 900)) < 0.02
    demand, own = rng.lognormal(0, 1, (1, 900)), rng.integers(0, 9, 900)
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(dense)],
        "demand": demand,
        "masks": [own == k for k in range(9)],
        "max_sites": 12,
    }
    monkeypatch.setattr(programme, "SMALL", -1)
    monkeypatch.setattr(raising, "CORE_SIZE", -1)
    effort = Effort(work=0.5)
    fair = solve_max_min(**problem, effort=effort)
    assert "windows" in fair.plan.method
    assert verify_max_min(fair, **problem) == []
    again = solve_max_min(**problem, effort=effort)
    assert again.plan == fair.plan and again.bound == fair.bound
    monkeypatch.setattr(raising, "WINDOWS", 0)
    assert fair.least_share > solve_max_min(**problem, effort=effort).least_share
