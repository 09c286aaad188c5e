"""What decides a search besides its moves: floors out of reach, and clocks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError
from tdh.siting import Effort, allocation, exact, solve_allocation, solving
from tdh.siting.model import Arrays


def floored(seed: int) -> tuple[list[sparse.csr_array], np.ndarray, list[tuple[np.ndarray, float]]]:
    """Footprints, demand, and floors that a plan of six sites keeps."""
    rng = np.random.default_rng(seed)
    footprint = sparse.csr_array(rng.random((30, 200)) < 0.06)
    demand = rng.gamma(1, 10, (1, 200))
    mask = rng.integers(0, 4, 200)
    kept = footprint[rng.choice(30, 6, replace=False)].sum(axis=0) > 0
    floors = [(mask == k, 0.95 * float(demand[0, kept & (mask == k)].sum())) for k in range(4)]
    return [footprint], demand, floors


def arrays(seed: int) -> Arrays:
    footprints, demand, floors = floored(seed)
    request = allocation.check(
        footprints, demand, 6, 1, None, 0.0, floors, None, None, None, None
    )  # fmt: skip
    return allocation.model_of(request).arrays


def search(m: Arrays, effort: Effort) -> solving._Search:
    return solving._Search(m, 0, effort, lambda done, total: None, time.monotonic())


def test_a_plan_that_the_integer_programme_finds_is_no_proof_that_there_is_none() -> None:
    kept = []
    for seed in range(3):
        missed = search(arrays(seed), Effort())
        assert missed.gap == np.inf, "nothing is chosen yet"
        missed.decide_floors()
        assert not missed.infeasible
        kept.append(missed.gap < np.inf)
    assert any(kept), "the root of the programme finds a plan, which is taken"


def test_infeasible_models_are_told_after_the_first_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    m = arrays(0)._replace(need=arrays(0).need * 1.6)
    assert exact.solve(m, nodes=1_000, seed=0).chosen is None
    asked = []
    solve = exact.solve
    monkeypatch.setattr(exact, "solve", lambda *a, **k: asked.append(k) or solve(*a, **k))
    found = search(m, Effort()).run()
    assert found.chosen is None
    assert found.proven
    assert len(asked) == 1


@pytest.mark.parametrize("large", [1e5, 1e6, 1e7])
def test_a_little_floor_beside_a_large_one_is_named(large: float) -> None:
    footprint = sparse.csr_array(np.eye(2, dtype=bool))
    floors = [(np.array([True, False]), large), (np.array([False, True]), 1.0)]
    with pytest.raises(InfeasibleError, match="floors"):
        solve_allocation([footprint], np.array([[large, 1.0]]), 1, 1, floors=floors)


def test_a_plan_that_a_clock_ended_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "SMALL", -1)
    footprints, demand, _ = floored(1)
    hurried = solve_allocation(footprints, demand, 6, 1, effort=Effort(0.0, 1.0, 1e-6))
    assert not hurried.reproducible
    assert solve_allocation(footprints, demand, 6, 1).reproducible
