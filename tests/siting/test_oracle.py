"""Every small allocation against enumeration of all plans."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError, NoSolutionError
from tdh.siting import Plan, Status, solve_allocation, solve_mclp, solving, verify


@st.composite
def allocations(draw: st.DrawFn) -> dict[str, Any]:
    """Up to twelve sites, two carriers, every kind of limit."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_carriers, n_sites = draw(st.integers(1, 2)), draw(st.integers(2, 12))
    n_cells = draw(st.integers(1, 25))
    dense = rng.random((n_carriers, n_sites, n_cells)) < draw(st.sampled_from([0.1, 0.3, 0.6]))
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "demand": rng.integers(0, 9, (n_carriers, n_cells)).astype(float),
        "max_sites": rng.integers(0, 4, n_carriers).tolist(),
        "sharing_capacity": rng.integers(0, 3, n_sites),
        "xy_m": rng.integers(0, 6, (n_sites, 2)) * 100.0,
        "spacing_m": draw(st.sampled_from([0.0, 150.0, 300.0])),
    }
    if draw(st.booleans()):
        mask = rng.random(n_cells) < 0.4
        share = draw(st.sampled_from([0.2, 0.5, 0.8]))
        out["floors"] = [(mask, share * out["demand"][:, mask].sum())]
    if draw(st.integers(0, 2)) == 0:
        mask, c = rng.random(n_cells) < 0.5, int(rng.integers(n_carriers))
        floor = (mask, 0.3 * out["demand"][c, mask].sum(), c)
        out["floors"] = [*out.get("floors", []), floor]
    if draw(st.booleans()):
        out["cost"] = rng.integers(1, 5, (n_carriers, n_sites)).astype(float)
        out["budget"] = [5.0] * n_carriers
    if draw(st.booleans()):
        out["programme_budget"] = 4.0
    if draw(st.booleans()):
        out["forbidden"] = [(0, int(rng.integers(n_sites)))]
    if draw(st.integers(0, 3)) == 0:
        out["fixed"] = [(n_carriers - 1, int(rng.integers(n_sites)))]
    return out


def best_of_all(problem: dict[str, Any]) -> float | None:
    """The optimum by enumeration, or None if nothing keeps the limits."""
    n_carriers, n_sites = len(problem["footprints"]), problem["footprints"][0].shape[0]
    limits = {k: v for k, v in problem.items() if k not in ("footprints", "demand")}
    own = []
    for c in range(n_carriers):
        most = problem["max_sites"][c]
        subsets = [s for k in range(most + 1) for s in itertools.combinations(range(n_sites), k)]
        alone = {**limits, "floors": None, "fixed": None}
        own.append(
            [
                [(c, i) for i in s]
                for s in subsets
                if not verify(
                    np.array([(c, i) for i in s], dtype=int).reshape(-1, 2),
                    problem["footprints"],
                    problem["demand"],
                    **alone,
                )
            ]
        )
    best = None
    covers = [f.toarray() for f in problem["footprints"]]
    for choice in itertools.product(*own):
        pairs = [p for part in choice for p in part]
        value = _value(problem, covers, pairs)
        if best is not None and value <= best:
            continue
        if not verify(
            np.array(pairs, dtype=int).reshape(-1, 2),
            problem["footprints"],
            problem["demand"],
            **limits,
        ):
            best = value
    return best


def _value(problem: dict[str, Any], covers: list[np.ndarray], pairs: list[Any]) -> float:
    hit = np.zeros(problem["demand"].shape, dtype=bool)
    for c, i in pairs:
        hit[c] |= covers[c][i]
    return float(problem["demand"][hit].sum())


def check(plan: Plan, problem: dict[str, Any], optimum: float | None) -> None:
    limits = {k: v for k, v in problem.items() if k not in ("footprints", "demand")}
    assert verify(plan, problem["footprints"], problem["demand"], **limits) == []
    assert optimum is not None
    assert plan.objective <= optimum + 1e-9
    assert plan.bound >= optimum - 1e-6 * optimum
    assert 0 <= plan.gap <= 1


@given(allocations())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_exact_against_enumeration(problem: dict[str, Any]) -> None:
    optimum = best_of_all(problem)
    try:
        plan = solve_allocation(**problem)
    except InfeasibleError:
        assert optimum is None
        return
    check(plan, problem, optimum)
    assert plan.status is Status.OPTIMAL
    assert plan.objective == pytest.approx(optimum, abs=1e-9)


@given(allocations())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_bound_and_search_against_enumeration(problem: dict[str, Any]) -> None:
    """The way of large problems, forced upon small ones."""
    optimum = best_of_all(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "SMALL", -1)
        patch.setattr(solving, "WORK", 1e7)
        try:
            plan = solve_allocation(**problem)
        except (InfeasibleError, NoSolutionError):
            assert optimum is None
            return
    check(plan, problem, optimum)
    assert plan.objective >= 0.95 * (optimum or 0)


def test_one_carrier_is_the_mclp() -> None:
    rng = np.random.default_rng(1)
    covers = sparse.csr_array(rng.random((40, 300)) < 0.05)
    demand = rng.random(300)
    plan = solve_mclp(covers, demand, max_sites=6, fixed=[3], forbidden=[5], seed=2)
    pair = solve_allocation(
        [covers], demand[None], 6, 1, fixed=[(0, 3)], forbidden=[(0, 5)], seed=2
    )
    assert plan.objective == pytest.approx(pair.objective)
    assert plan.selected.tolist() == pair.selected[:, 1].tolist()
    assert 3 in plan.selected
    assert 5 not in plan.selected
    assert verify(plan, covers, demand, 6, fixed=[3], forbidden=[5]) == []
    assert plan == solve_mclp(covers, demand, max_sites=6, fixed=[3], forbidden=[5], seed=2)
