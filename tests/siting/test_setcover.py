"""Covers of everything: reduction, row weighting, bounds; against enumeration and an exact solver."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from tdh.siting import (
    Effort,
    Status,
    programme,
    setcover,
    solve_partial_cover,
    verify_cover,
    weighting,
)
from tdh.siting.reducing import reduce


def least_cost(dense: np.ndarray, cost: np.ndarray) -> float:
    """By scipy's branch and cut, on the matrix as it is."""
    need = dense.any(axis=0)
    if not need.any():
        return 0.0
    rows = optimize.LinearConstraint(dense[:, need].T.astype(float), 1.0, np.inf)
    found = optimize.milp(
        cost, constraints=rows, integrality=np.ones(len(cost)), bounds=optimize.Bounds(0, 1)
    )
    assert found.status == 0
    return float(found.fun)


def sets_of(dense: np.ndarray, cost: np.ndarray) -> weighting.Sets:
    return weighting.Sets(*setcover.both_ways(sparse.csr_array(dense)), cost)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 25),
    st.integers(1, 30),
    st.sampled_from([0.08, 0.2, 0.4]),
    st.sampled_from(["ones", "whole", "real"]),
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_what_reduction_leaves_costs_the_same(
    seed: int, n_sites: int, n_cells: int, density: float, costs: str
) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.random((n_sites, n_cells)) < density
    dense = dense[:, dense.any(axis=0)]
    cost = {
        "ones": np.ones(n_sites),
        "whole": rng.integers(0, 5, n_sites).astype(float),
        "real": rng.uniform(0.5, 5, n_sites),
    }[costs]
    left = reduce(sparse.csr_array(dense), cost)
    part = dense[np.ix_(left.site, left.group)]
    assert part.any(axis=0).all(), "a group that is left has a site"
    found = float(cost[left.forced].sum()) + least_cost(part, cost[left.site])
    assert found == pytest.approx(least_cost(dense, cost), abs=1e-6)
    # What was dropped is covered by whatever covers the rest.
    chosen = left.forced.copy()
    chosen[left.site] = True
    assert (dense[chosen].any(axis=0) == dense.any(axis=0)).all()


@pytest.mark.parametrize("small", [programme.SMALL, -1])
@pytest.mark.parametrize("costs", ["ones", "whole", "real"])
def test_covers_of_everything_against_an_exact_solver(
    monkeypatch: pytest.MonkeyPatch, small: int, costs: str
) -> None:
    monkeypatch.setattr(programme, "SMALL", small)
    optimal = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sites, cells = rng.uniform(0, 10, (40, 2)), rng.uniform(0, 10, (300, 2))
        dense = np.hypot(*(sites[:, None] - cells[None]).transpose(2, 0, 1)) <= 2.2
        demand = rng.integers(0, 5, 300).astype(float)
        cost = {
            "ones": None,
            "whole": rng.integers(0, 9, 40) * 3.0,
            "real": rng.uniform(1, 9, 40),
        }[costs]
        fixed, forbidden = [0], [1, 2]
        problem = {"cost": cost, "fixed": fixed}
        cover = solve_partial_cover(
            sparse.csr_array(dense), demand, **problem, effort=Effort(work=0.01)
        )
        assert verify_cover(cover, sparse.csr_array(dense), demand, **problem) == []
        each = np.ones(40) if cost is None else cost
        rest = dense[:, (demand > 0) & ~dense[0]]
        least = least_cost(rest, np.where(np.arange(40) == 0, 0.0, each)) + each[0]
        assert cover.least_cost <= least + 1e-6
        assert cover.cost >= least - 1e-6
        assert cover.cost <= 1.04 * least
        optimal += cover.status is Status.OPTIMAL
        # Without two sites, of what the others cover.
        allowed = np.setdiff1d(np.arange(40), forbidden)
        demand = np.where(dense[allowed].any(axis=0), demand, 0.0)
        shut = solve_partial_cover(
            sparse.csr_array(dense),
            demand,
            forbidden=forbidden,
            **problem,
            effort=Effort(work=0.01),
        )
        rest = dense[np.ix_(allowed, np.flatnonzero((demand > 0) & ~dense[0]))]
        least = least_cost(rest, np.where(allowed == 0, 0.0, each[allowed])) + each[0]
        assert not set(forbidden) & set(shut.plan.selected.tolist())
        assert shut.least_cost - 1e-6 <= least <= shut.cost + 1e-6
    assert optimal == 12


def test_row_weighting_finds_a_cover_that_is_known() -> None:
    """Of 10 sites that share out the cells and 190 that mislead: each takes of two or three."""
    rng = np.random.default_rng(3)
    n_cells = 400
    home = rng.permutation(np.arange(n_cells) % 10)
    dense = np.zeros((200, n_cells), dtype=bool)
    dense[np.arange(10)[home], np.arange(n_cells)] = True
    for i in range(10, 200):
        dense[i] = np.isin(home, rng.choice(10, 3, replace=False)) & (rng.random(n_cells) < 0.5)
    sets = sets_of(dense[rng.permutation(200)], np.ones(200))
    nothing = np.zeros(200, dtype=bool)
    found = weighting.cheapest(sets, nothing, unit=1.0, enough=10.0, work=5e7, seed=(1,))
    assert found.sum() == 10
    again = weighting.cheapest(sets, nothing, unit=1.0, enough=10.0, work=5e7, seed=(1,))
    assert (found == again).all()


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_row_weighting_keeps_what_it_promises(seed: int, priced: bool) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.random((30, 60)) < 0.12
    dense = dense[:, dense.any(axis=0)]
    cost = rng.uniform(1, 4, 30) if priced else np.ones(30)
    sets = sets_of(dense, cost)
    cover = weighting.cheapest(
        sets, rng.random(30) < 0.2, unit=1e-6, enough=0.0, work=2e5, seed=(seed,)
    )
    assert dense[cover].any(axis=0).all()
    assert cost[cover].sum() >= least_cost(dense, cost) - 1e-6
    worth, start = rng.uniform(0, 3, dense.shape[1]), rng.random(30) < 0.2
    better = weighting.fuller(sets, worth, start, work=2e5, seed=(seed,))
    assert cost[better].sum() <= cost[start].sum() * (1 + 1e-9)
    before, after = (worth[dense[own].any(axis=0)].sum() for own in (start, better))
    assert after >= before - 1e-9


def test_cells_of_a_share_that_leaves_no_room_are_all_covered() -> None:
    """The share is below 1, but no cell is small enough to be left out."""
    near = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool))
    cover = solve_partial_cover(near, [4, 4, 2], 0.9)
    assert cover.plan.objective == 10 and cover.sites == cover.at_least == 2


def test_demand_that_is_far_apart_is_covered_all_the_same() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    cover = solve_partial_cover(near, [1e-9, 1e9])
    assert cover.sites == cover.at_least == 2


def test_nothing_to_cover_takes_nothing() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    cover = solve_partial_cover(near, [0, 0])
    assert (cover.sites, cover.at_least, cover.cost) == (0, 0, 0.0)
    assert cover.status is Status.OPTIMAL
    held = solve_partial_cover(near, [0, 1], fixed=[0], cost=[2, 3])
    assert held.plan.selected.tolist() == [0, 1] and held.least_cost == 5.0


@pytest.mark.parametrize("share", [0.7, 1.0])
def test_a_site_that_is_very_dear_does_not_hide_the_others_costs(share: float) -> None:
    """A solver's tolerances are relative to the dearest: what no good cover has is left out."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        dense = rng.random((9, 12)) < 0.3
        cost = rng.integers(2, 9, 9).astype(float)
        dense[0], cost[0] = rng.random(12) < 0.6, 10.0 ** rng.integers(7, 13)
        dense[1:, ~dense[1:].any(axis=0)] = True
        subsets = (np.arange(2**9)[:, None] >> np.arange(9)) & 1 > 0
        reached = (subsets @ dense.astype(int) > 0).sum(axis=1) >= share * 12 - 1e-6
        cover = solve_partial_cover(sparse.csr_array(dense), np.ones(12), share, cost=cost)
        assert cover.cost == cover.least_cost == (subsets @ cost)[reached].min()


@pytest.mark.parametrize("share", [1e-12, 1e-9, 1e-7, 1e-3])
def test_a_share_that_is_tiny_is_reached(share: float) -> None:
    near, demand, cost = sparse.csr_array(np.eye(5, dtype=bool)), [1e6, 2, 1, 1, 1], [5, 3, 2, 1, 1]
    for problem in ({}, {"cost": cost}):
        cover = solve_partial_cover(near, demand, share, **problem)
        assert verify_cover(cover, near, demand, share, **problem) == []
        assert cover.sites == 1 and cover.status is Status.OPTIMAL
    assert cover.cost == (1.0 if share < 1e-6 else 5.0)
