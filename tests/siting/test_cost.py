"""Cost: the cheapest sites for a share, the curve over budgets, when an asset enters."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError
from tdh.siting import (
    Effort,
    Reason,
    Status,
    cost_curve,
    explain_unchosen,
    programme,
    solve_allocation,
    solve_partial_cover,
    solving,
    verify_cover,
)


def cheapest_of_all(
    dense: np.ndarray, demand: np.ndarray, cost: np.ndarray, share: float, fixed: list[int]
) -> float:
    """Every subset, as rows of a bool matrix."""
    subsets = np.array(list(itertools.product([False, True], repeat=len(cost))))
    subsets = subsets[subsets[:, fixed].all(axis=1)]
    covered = subsets @ dense.astype(int) > 0
    target = share * demand[dense.any(axis=0)].sum()
    return float((subsets @ cost)[covered @ demand >= target - 1e-7 * target].min())


@pytest.mark.parametrize("small", [programme.SMALL, -1])
def test_cheapest_share_against_enumeration(small: int) -> None:
    @given(
        st.integers(0, 2**32 - 1),
        st.integers(2, 12),
        st.sampled_from([0.3, 0.7, 0.95, 1.0]),
        st.booleans(),
        st.booleans(),
    )
    @settings(max_examples=30, deadline=None, derandomize=True)
    def run(seed: int, n_sites: int, share: float, whole: bool, held: bool) -> None:
        rng = np.random.default_rng(seed)
        dense = rng.random((n_sites, 20)) < 0.3
        demand = rng.integers(1, 9, 20).astype(float)
        cost = rng.integers(0, 6, n_sites).astype(float) if whole else rng.uniform(1, 6, n_sites)
        fixed = [0] if held else []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(programme, "SMALL", small)
            cover = solve_partial_cover(
                sparse.csr_array(dense),
                demand,
                share,
                cost=cost,
                fixed=fixed or None,
                effort=Effort(gap=1e-9, work=0.1),
            )
        recount = verify_cover(
            cover, sparse.csr_array(dense), demand, share, cost=cost, fixed=fixed or None
        )
        assert recount == []
        least = cheapest_of_all(dense, demand, cost, share, fixed)
        assert cover.least_cost <= least + 1e-6
        assert cover.cost >= least - 1e-6
        assert cover.cost == pytest.approx(cost[cover.plan.selected].sum())
        got = demand[dense[cover.plan.selected].any(axis=0)].sum()
        assert got >= share * demand[dense.any(axis=0)].sum() * (1 - 1e-8)
        assert set(fixed) <= set(cover.plan.selected.tolist())
        if small > 0:
            assert cover.status is Status.OPTIMAL
            assert cover.cost == pytest.approx(least)
        else:
            assert cover.cost <= 1.25 * least + 1e-6

    run()


def test_a_cover_that_is_wrong_is_found() -> None:
    near, demand = sparse.csr_array(np.eye(3, dtype=bool)), np.ones(3)
    cover = solve_partial_cover(near, demand, 0.6)
    assert cover.sites == 2 and verify_cover(cover, near, demand, 0.6) == []
    text = " ".join(map(str, verify_cover(cover, near, demand, 1.0)))
    assert "share is not reached" in text
    wrong = replace(cover, sites=3, cost=1.0, least_cost=9.0)
    text = " ".join(map(str, verify_cover(wrong, near, demand, 0.6)))
    for words in ("sites", "cost", "least_cost"):
        assert words in text


def test_a_share_that_is_out_of_reach_at_any_cost() -> None:
    near = sparse.csr_array(np.eye(3, dtype=bool))
    with pytest.raises(InfeasibleError, match="do not cover the share"):
        solve_partial_cover(near, np.ones(3), 0.9, cost=np.ones(3), forbidden=[1])


def test_cost_curve_never_falls_and_keeps_its_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "SMALL", -1)
    rng = np.random.default_rng(2)
    near = [sparse.csr_array(rng.random((30, 200)) < 0.05) for _ in range(2)]
    demand, cost = rng.random((2, 200)), rng.integers(1, 6, (2, 30)).astype(float)
    effort = Effort(work=0.01)
    curve = cost_curve(near, demand, cost, [20, 5, 10, 40], 1, effort=effort)
    assert curve["budget"].tolist() == [5, 10, 20, 40]
    assert (curve["cost"] <= curve["budget"] + 1e-9).all()
    assert (np.diff(curve["objective"]) > 0).all()
    assert (np.diff(curve["bound"]) >= -1e-9).all()
    assert (curve["objective"] <= curve["bound"] + 1e-9).all()


def test_the_budget_at_which_an_asset_enters() -> None:
    near = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]]) > 0)
    demand, cost = [[9.0, 9.0, 4.0, 3.0]], [[1.0, 1.0, 2.0, 1.0]]
    plan = solve_allocation([near], demand, cost=cost, programme_budget=1.0)
    limits = {"cost": cost, "programme_budget": 1.0}
    table = explain_unchosen(plan, [near], demand, **limits).set_index("site")
    assert (table["reason"] == Reason.BUDGET).all()
    # By gain for cost: site 1 (4 for 1), then site 3 (3 for 1); site 2 then adds nothing.
    assert table["enters_at"].to_dict() == {1: 2, 2: 0, 3: 3}
    assert table["enters_at_cost"].to_dict() == {
        1: 2.0,
        2: pytest.approx(np.nan, nan_ok=True),
        3: 3.0,
    }
    richer = solve_allocation([near], demand, cost=cost, programme_budget=2.0)
    assert richer.selected[:, 1].tolist() == [0, 1]
