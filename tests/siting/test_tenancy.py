"""Sharing that saves money, against enumeration of all plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError, InputError
from tdh.siting import Status, solve_shared_cost, solving, verify_shared_cost


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Up to twelve sites, two carriers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sites, n_cells = draw(st.integers(6, 12)), draw(st.integers(5, 20))
    dense = rng.random((2, n_sites, n_cells)) < draw(st.sampled_from([0.15, 0.3, 0.6]))
    first = rng.integers(2, 6, n_sites).astype(float)
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "demand": rng.integers(0, 9, (2, n_cells)).astype(float),
        "programme_budget": float(rng.integers(4, 12)),
        "cost_first": first,
        "cost_next": np.floor(first * draw(st.sampled_from([0.0, 0.4, 1.0]))),
        "max_sites": rng.integers(1, 4, 2).tolist(),
        "sharing_capacity": rng.integers(1, 3, n_sites),
        "xy_m": rng.integers(0, 6, (n_sites, 2)) * 100.0,
        "spacing_m": draw(st.sampled_from([0.0, 150.0])),
    }
    if draw(st.integers(0, 2)) == 0:
        out["fixed"] = [(1, int(rng.integers(n_sites)))]
    if draw(st.integers(0, 2)) == 0:
        mask = rng.random(n_cells) < 0.5
        out["floors"] = [(mask, 0.4 * out["demand"][0, mask].sum(), 0)]
    return out


def best_of_all(problem: dict[str, Any], every_plan: Callable[..., Any]) -> float | None:
    covers, best = [f.toarray() for f in problem["footprints"]], None
    plain = {k: v for k, v in problem.items() if k != "programme_budget"}
    for pairs in every_plan(plain):
        sites = [i for _, i in pairs]
        cost = sum(problem["cost_first"][list(set(sites))])
        cost += sum(problem["cost_next"][i] * (sites.count(i) - 1) for i in set(sites))
        if cost > problem["programme_budget"]:
            continue
        hit = np.zeros(problem["demand"].shape, dtype=bool)
        for c, i in pairs:
            hit[c] |= covers[c][i]
        covered = problem["demand"] * hit
        if all(covered[c, mask].sum() >= need for mask, need, c in problem.get("floors", [])):
            best = max(best or 0.0, float(covered.sum()))
    return best


@pytest.mark.parametrize("small", [solving.SMALL, -1])
def test_against_enumeration(small: int, every_plan: Callable[..., Any]) -> None:
    @given(problems())
    @settings(max_examples=25, deadline=None, derandomize=True)
    def run(problem: dict[str, Any]) -> None:
        best = best_of_all(problem, every_plan)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(solving, "SMALL", small)
            patch.setattr(solving, "WORK", 1e7)
            try:
                shared = solve_shared_cost(**problem)
            except InfeasibleError:
                assert best is None
                return
        assert best is not None
        assert verify_shared_cost(shared, **problem) == []
        assert shared.plan.objective <= best + 1e-6
        assert shared.plan.bound >= best * (1 - 1e-6)
        assert shared.saved >= 0
        if small > 0:
            assert shared.plan.status is Status.OPTIMAL
            assert shared.plan.objective == pytest.approx(best)
        else:
            assert shared.plan.objective >= 0.85 * best

    run()


def test_saving_brings_carriers_together() -> None:
    near = sparse.csr_array(np.eye(3, dtype=bool))
    problem: dict[str, Any] = {
        "footprints": [near, near],
        "demand": [[4.0, 5.0, 0.0], [4.0, 0.0, 5.0]],
        "programme_budget": 4.0,
        "cost_first": 2.0,
    }
    apart = solve_shared_cost(**problem, cost_next=2.0)
    assert apart.plan.selected.tolist() == [[0, 1], [1, 2]]
    assert apart.saved == 0
    together = solve_shared_cost(**{**problem, "programme_budget": 3.0}, cost_next=1.0)
    assert together.plan.selected.tolist() == [[0, 0], [1, 0]]
    assert (together.spent, together.saved) == (3.0, 1.0)
    wrong = replace(together, spent=2.0)
    limits = {**problem, "programme_budget": 2.5, "cost_next": 1.0}
    text = " ".join(map(str, verify_shared_cost(wrong, **limits)))
    assert "cost differs" in text
    assert "budget is exceeded" in text


def test_costs_that_make_no_sense() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    with pytest.raises(InputError, match="more than the first"):
        solve_shared_cost([near, near], np.ones((2, 2)), 3.0, 1.0, 2.0)
    with pytest.raises(InfeasibleError, match="programme's budget"):
        solve_shared_cost([near, near], np.ones((2, 2)), 1.0, 2.0, 1.0, fixed=[(0, 0)])
