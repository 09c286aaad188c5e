"""r-fold cover, against enumeration of all plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError, InputError, NoSolutionError
from tdh.siting import (
    Effort,
    Status,
    backup,
    programme,
    solve_allocation,
    solve_backup_cover,
    verify_backup,
)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Up to twelve sites, two carriers, three covers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_carriers, n_sites = draw(st.integers(1, 2)), draw(st.integers(6, 12))
    n_cells = draw(st.integers(5, 20))
    dense = rng.random((n_carriers, n_sites, n_cells)) < draw(st.sampled_from([0.15, 0.3, 0.6]))
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "demand": rng.integers(0, 9, (n_carriers, n_cells)).astype(float),
        "weights": draw(st.sampled_from([(1.0, 0.5), (1.0, 1.0), (1.0, 0.6, 0.1), (1.0, 0.0)])),
        "max_sites": rng.integers(1, 4, n_carriers).tolist(),
        "sharing_capacity": rng.integers(1, 3, n_sites),
        "xy_m": rng.integers(0, 6, (n_sites, 2)) * 100.0,
        "spacing_m": draw(st.sampled_from([0.0, 150.0])),
    }
    if draw(st.booleans()):
        out["cost"] = rng.integers(1, 5, (n_carriers, n_sites)).astype(float)
        out["programme_budget"] = 7.0
    if draw(st.integers(0, 3)) == 0:
        out["fixed"] = [(n_carriers - 1, int(rng.integers(n_sites)))]
    if draw(st.integers(0, 2)) == 0:
        mask = rng.random(n_cells) < 0.5
        out["floors"] = [(mask, 0.4 * out["demand"][0, mask].sum(), 0)]
    return out


def best_of_all(problem: dict[str, Any], plans: Any) -> float | None:
    best = None
    covers = [f.toarray().astype(int) for f in problem["footprints"]]
    for pairs in plans:
        count = np.zeros(problem["demand"].shape, dtype=int)
        for c, i in pairs:
            count[c] += covers[c][i]
        covered = problem["demand"] * (count > 0)
        if any(covered[c, mask].sum() < need for mask, need, c in problem.get("floors", [])):
            continue
        levels = enumerate(problem["weights"])
        value = float(sum(w * problem["demand"][count > k].sum() for k, w in levels))
        best = value if best is None else max(best, value)
    return best


@pytest.mark.parametrize("small", [programme.SMALL, -1])
def test_against_enumeration(small: int, every_plan: Callable[..., Any]) -> None:
    """Both ways: straight to branch and cut, and by relaxation, greedy choice and exchanges."""

    @given(problems())
    @settings(max_examples=40, deadline=None, derandomize=True)
    def run(problem: dict[str, Any]) -> None:
        best = best_of_all(problem, every_plan(problem))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(programme, "SMALL", small)
            try:
                backup = solve_backup_cover(**problem)
            except (InfeasibleError, NoSolutionError):
                assert best is None or (small < 0 and "floors" in problem)
                return
        assert best is not None
        assert verify_backup(backup, **problem) == []
        assert backup.plan.objective <= best + 1e-6
        assert backup.plan.bound >= best * (1 - 1e-6)
        assert backup.plan.objective >= 0.9 * best
        if small > 0:
            assert backup.plan.status is Status.OPTIMAL
            assert backup.plan.objective == pytest.approx(best)

    run()


def test_without_a_second_cover_it_is_the_allocation() -> None:
    rng = np.random.default_rng(3)
    footprints = [sparse.csr_array(rng.random((40, 400)) < 0.04) for _ in range(2)]
    demand = rng.random((2, 400))
    backup = solve_backup_cover(footprints, demand, (1.0,), 4, 1, effort=Effort(work=0.3))
    plan = solve_allocation(footprints, demand, 4, 1)
    assert backup.plan.bound >= plan.objective * (1 - 1e-6)
    assert plan.bound >= backup.plan.objective * (1 - 1e-6)
    assert backup.plan.objective >= 0.99 * plan.objective
    table = backup.plan.assignments
    assert table["gain"].sum() == pytest.approx(backup.plan.objective)
    assert (table["loss_without"] <= table["gain"] + 1e-9).all()


def test_costs_in_yen_and_in_millions_are_the_same_problem() -> None:
    rng = np.random.default_rng(8)
    near = [sparse.csr_array(rng.random((30, 200)) < 0.06)]
    demand, cost = rng.random((1, 200)), rng.integers(1, 9, (1, 30)).astype(float)
    plans = [
        solve_backup_cover(
            near, demand, max_sites=None, cost=cost * unit, programme_budget=20.0 * unit
        )
        for unit in (1.0, 1e6, 1e-6)
    ]
    assert plans[0].plan.status is Status.OPTIMAL
    for other in plans[1:]:
        assert other.plan.objective == pytest.approx(plans[0].plan.objective)
        assert other.plan.bound == pytest.approx(plans[0].plan.bound)


def test_recount_finds_what_is_wrong() -> None:
    near = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool))
    backup = solve_backup_cover([near], [[5, 4, 3]], (1, 0.5), 2)
    assert verify_backup(backup, [near], [[5, 4, 3]], (1, 0.5), 2) == []
    text = " ".join(map(str, verify_backup(backup, [near], [[5, 4, 9]], (1, 1.0), 1)))
    assert "too many sites" in text
    assert "objective differs" in text
    assert "bound is below" in text


def test_weights_must_not_rise() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    with pytest.raises(InputError, match="rise or are negative"):
        solve_backup_cover([near], np.ones((1, 2)), (0.5, 1.0), 1)


def test_a_time_limit_ends_the_search_and_is_told() -> None:
    rng = np.random.default_rng(2)
    near = [sparse.csr_array(rng.random((300, 3_000)) < 0.02)]
    demand = rng.random((1, 3_000))
    effort = Effort(time_limit_s=0.01)
    backup = solve_backup_cover(near, demand, (1, 0.5), 40, effort=effort)
    assert not backup.plan.reproducible
    assert verify_backup(backup, near, demand, (1, 0.5), 40) == []


def test_prices_bound_as_tightly_as_the_relaxation(monkeypatch: pytest.MonkeyPatch) -> None:
    """With fixed pairs, costs and three covers; and no programme is written out where it is large."""
    rng = np.random.default_rng(4)
    sites, cells = rng.random((80, 2)), rng.random((900, 2))
    near = np.linalg.norm(sites[:, None] - cells, axis=2) < 0.13
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(near & (rng.random(near.shape) < 0.8)) for _ in range(2)],
        "demand": rng.gamma(1.0, 5.0, (2, 900)),
        "weights": (2.0, 1.0, 0.5),
        "max_sites": [9, 7],
        "sharing_capacity": 1,
        "xy_m": sites * 5_000,
        "spacing_m": 300.0,
        "fixed": [(0, 3), (0, 17), (1, 40)],
    }
    relaxed: list[float] = []
    solve = programme.solve

    def noted(p: programme.Programme, **options: Any) -> programme.Answer:
        found = programme.simplex(p, steps=100_000)
        assert found is not None
        relaxed.append(found[1])
        return solve(p, **options)

    monkeypatch.setattr(programme, "solve", noted)
    plans = [solve_backup_cover(**problem)]
    monkeypatch.setattr(backup, "WHOLE", -1)
    plans.append(solve_backup_cover(**problem))
    assert len(relaxed) == 1
    for made in plans:
        assert verify_backup(made, **problem) == []
        assert "primal-dual bound" in made.plan.method
        assert made.plan.objective >= 0.98 * relaxed[0]
        assert relaxed[0] * (1 - 1e-9) <= plans[1].plan.bound <= relaxed[0] * (1 + 1e-3)
