"""Several fiscal years, against enumeration of all schedules."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError, InputError
from tdh.siting import (
    Effort,
    Status,
    horizon,
    planning,
    programme,
    scheduling,
    solve_mclp,
    solve_years,
    verify_years,
)
from tdh.siting.allocation import check


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Up to twelve sites, two carriers, three years, at most three choices altogether."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_carriers, n_years = draw(st.integers(1, 2)), draw(st.integers(2, 3))
    n_sites, n_cells = draw(st.integers(6, 12 // n_carriers)), draw(st.integers(5, 20))
    dense = rng.random((n_carriers, n_sites, n_cells)) < draw(st.sampled_from([0.15, 0.3, 0.6]))
    demand = rng.integers(0, 9, (n_carriers, n_cells)).astype(float)
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "demand": demand
        if draw(st.booleans())
        else np.stack([demand * (t + 1) for t in range(n_years)]),
        "sharing_capacity": rng.integers(1, 3, n_sites),
        "xy_m": rng.integers(0, 6, (n_sites, 2)) * 100.0,
        "spacing_m": draw(st.sampled_from([0.0, 150.0])),
        "discount": draw(st.sampled_from([1.0, 0.8])),
        "carry_over": draw(st.booleans()),
        "yearly_budget": rng.multinomial(3, np.ones(n_years) / n_years).astype(float),
        "cost": rng.integers(1, 4, (n_carriers, n_sites)).astype(float),
    }
    if draw(st.booleans()):
        out["max_sites"] = rng.integers(0, 3, n_years)
    if draw(st.integers(0, 2)) == 0:
        out["in_place"] = [(0, int(rng.integers(n_sites)))]
    if draw(st.booleans()):
        out["fixed"] = [(n_carriers - 1, int(rng.integers(n_sites)))]
    if draw(st.booleans()):
        out["max_total"] = rng.integers(1, 4, n_carriers)
    if draw(st.booleans()):
        out["budget"] = rng.integers(1, 4, n_carriers).astype(float)
        out["programme_budget"] = 2.0
    if draw(st.integers(0, 2)) == 0:
        last = out["demand"] if out["demand"].ndim == 2 else out["demand"][-1]
        masks = [rng.random(n_cells) < 0.5 for _ in range(draw(st.integers(1, 2)))]
        share = draw(st.sampled_from([0.1, 0.3, 0.6]))
        out["floors"] = [(m, share * last[:, m].sum()) for m in masks]
        if draw(st.booleans()):
            out["floors"].append((masks[0], share * last[0, masks[0]].sum(), 0))
    if draw(st.integers(0, 2)) == 0:
        among = rng.random((n_carriers, n_sites)) < 0.6
        out["at_most"] = [(np.argwhere(among), draw(st.integers(0, 2)))]
    return out


def kept(floors: list[tuple[Any, ...]], demand: np.ndarray, hit: np.ndarray) -> bool:
    """Whether what is covered at the end keeps every floor."""
    for mask, need, *of in floors:
        whose = slice(None) if not of else slice(of[0], of[0] + 1)
        if (demand * hit)[whose][:, mask].sum() < need - 1e-9:
            return False
    return True


def best_of_all(problem: dict[str, Any]) -> float | None:
    """The value of the best schedule; None if none keeps the limits."""
    covers = [f.toarray() for f in problem["footprints"]]
    n_carriers, n_sites = len(covers), covers[0].shape[0]
    n_years = len(problem["yearly_budget"])
    demand = problem["demand"]
    demand = demand if demand.ndim == 3 else np.stack([demand] * n_years)
    start = problem.get("in_place", [])
    most = problem.get("max_sites", np.full(n_years, 99))
    every = [(c, i) for c in range(n_carriers) for i in range(n_sites) if (c, i) not in start]
    total = problem.get("max_total", np.full(n_carriers, 99))
    xy, must = problem["xy_m"], set(problem.get("fixed", []))
    best = None
    for k in range(4):
        for pairs in itertools.combinations(every, k):
            if not must <= {*pairs, *start}:
                continue
            if (
                np.bincount(np.array([c for c, _ in pairs], dtype=int), minlength=n_carriers)
                > total
            ).any():
                continue
            spent = np.bincount(
                np.array([c for c, _ in pairs], dtype=int),
                [problem["cost"][p] for p in pairs],
                n_carriers,
            )
            if (spent > problem.get("budget", np.inf)).any():
                continue
            if spent.sum() > problem.get("programme_budget", np.inf):
                continue
            both = [*pairs, *start]
            used = np.bincount([i for _, i in both], minlength=n_sites)
            if (used > problem["sharing_capacity"]).any():
                continue
            if any(
                a[0] == b[0] and np.hypot(*(xy[a[1]] - xy[b[1]])) < problem["spacing_m"]
                for a, b in itertools.combinations(both, 2)
            ):
                continue
            if any(
                len(set(both) & set(map(tuple, of))) > n for of, n in problem.get("at_most", [])
            ):
                continue
            for when in itertools.product(range(n_years), repeat=k):
                money = np.zeros(n_years)
                sites = np.zeros((n_years, n_carriers))
                for (c, i), t in zip(pairs, when, strict=True):
                    money[t] += problem["cost"][c, i]
                    sites[t, c] += 1
                allowed, each = problem["yearly_budget"], most
                if problem["carry_over"]:
                    money, sites = np.cumsum(money), np.cumsum(sites, axis=0)
                    allowed, each = np.cumsum(allowed), np.cumsum(each)
                if (money > allowed).any() or (sites > each[:, None]).any():
                    continue
                value = 0.0
                for t in range(n_years):
                    hit = np.zeros(demand.shape[1:], dtype=bool)
                    for c, i in [*start, *(p for p, s in zip(pairs, when, strict=True) if s <= t)]:
                        hit[c] |= covers[c][i]
                    value += problem["discount"] ** t * demand[t][hit].sum()
                if not kept(problem.get("floors", []), demand[-1], hit):
                    continue
                best = value if best is None else max(best, value)
    return best


@pytest.mark.parametrize(("small", "whole"), [(planning.SMALL, 0), (-1, 0), (-1, planning.WHOLE)])
def test_against_enumeration(small: int, whole: int) -> None:
    """Straight to branch and cut; by bound and moves; and with what the bound leaves open."""

    @given(problems())
    @settings(max_examples=40, deadline=None, derandomize=True)
    def run(problem: dict[str, Any]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planning, "SMALL", small)
            patch.setattr(planning, "WORK", 1e7)
            patch.setattr(planning, "WHOLE", whole)
            best = best_of_all(problem)
            if best is None:
                with pytest.raises(InfeasibleError):
                    solve_years(**problem)
                return
            plan = solve_years(**problem)
        assert verify_years(plan, **problem) == []
        assert plan.objective <= best + 1e-6
        assert plan.bound >= best * (1 - 1e-6)
        if small > 0:
            assert plan.status is Status.OPTIMAL
            assert plan.objective == pytest.approx(best)
        elif whole:
            assert plan.objective >= 0.997 * best
            assert plan.bound <= best * 1.003 + 1e-6
        else:
            assert plan.objective >= 0.95 * best

    run()


def test_floors_hold_at_the_end_of_the_last_year() -> None:
    """Site 0 serves 9 elsewhere; the floor needs site 1 or site 2, and the cheap one in time."""
    near = sparse.csr_array(np.eye(3, dtype=bool))
    inside = np.array([False, True, True])
    problem: dict[str, Any] = {
        "footprints": [near],
        "demand": np.array([[9.0, 2.0, 3.0]]),
        "max_sites": [1, 1],
    }
    assert solve_years(**problem).schedule["site"].tolist() == [0, 2]
    with_floor = {**problem, "floors": [(inside, 2.0)]}
    plan = solve_years(**with_floor)
    assert plan.schedule["site"].tolist() == [0, 2], "the floor is not binding before the end"
    assert plan.status is Status.OPTIMAL
    both = {**problem, "floors": [(inside, 5.0, 0)]}
    plan = solve_years(**both)
    assert plan.schedule["site"].tolist() == [2, 1]
    assert verify_years(plan, **both) == []
    missed = solve_years(**problem)
    assert "a floor is missed" in " ".join(map(str, verify_years(missed, **both)))


@pytest.mark.parametrize("small", [planning.SMALL, -1])
def test_a_floor_out_of_reach_is_named(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By how much it is out of reach, as for plans without years; two that conflict, too."""
    monkeypatch.setattr(planning, "SMALL", small)
    near = sparse.csr_array(np.eye(3, dtype=bool))
    cells = np.eye(3, dtype=bool)
    problem: dict[str, Any] = {
        "footprints": [near],
        "demand": np.array([[9.0, 2.0, 3.0]]),
        "discount": 0.5,
        "max_sites": [0, 1, 0],
    }
    with pytest.raises(InfeasibleError, match=r"(?s)out of reach.*lowers it by 1, to 3"):
        solve_years(**problem, floors=[(cells[1] | cells[2], 4.0)])
    with pytest.raises(
        InfeasibleError, match=r"(?s)floors\[1\]: the floors conflict.*lowers it by 2"
    ):
        solve_years(**problem, floors=[(cells[0], 9.0), (cells[1], 2.0)])
    dear = {"yearly_budget": [1, 0, 1], "cost": [[1, 2, 1]], "carry_over": False}
    with pytest.raises(InfeasibleError, match="floors"):
        solve_years([near], problem["demand"], **dear, floors=[(cells[1], 2.0)])


def test_floors_that_only_a_plan_without_years_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the greedy choice nor branch and cut keeps the floors."""
    monkeypatch.setattr(planning, "SMALL", -1)
    monkeypatch.setattr(planning, "WHOLE", -1)
    monkeypatch.setattr(scheduling.Search, "fill", lambda self, when, rate: when)
    monkeypatch.setattr(scheduling.Search, "take", lambda self, when, order, wanted: when)
    rng = np.random.default_rng(3)
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(rng.random((20, 80)) < 0.1)],
        "demand": rng.random((1, 80)),
        "max_sites": [2, 2],
        "floors": [(np.arange(80) < 40, 9.0)],
    }
    plan = solve_years(**problem)
    assert verify_years(plan, **problem) == []
    assert "what keeps the floors" in plan.method
    assert (plan.schedule["year"] == 0).sum() == 2, "the years are not put to use"


@pytest.mark.parametrize("carry_over", [True, False])
def test_floors_are_kept_by_what_the_relaxation_favours(
    carry_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where greedy choice misses them and branch and cut of all years is not tried."""
    monkeypatch.setattr(planning, "SMALL", -1)
    monkeypatch.setattr(planning, "FAVOURED", 0)
    monkeypatch.setattr(planning._Planner, "decide", lambda self, prices: None)
    monkeypatch.setattr(scheduling.Search, "fill", lambda self, when, rate: when)
    rng = np.random.default_rng(3)
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(rng.random((60, 300)) < 0.05)],
        "demand": rng.random((1, 300)),
        "max_sites": [4, 4],
        "carry_over": carry_over,
        "floors": [(np.arange(300) < 150, 27.0)],
    }
    plan = solve_years(**problem, effort=Effort(work=0.1))
    assert verify_years(plan, **problem) == []
    assert "HiGHS on what the relaxation favours" in plan.method
    assert "what keeps the floors" not in plan.method
    assert plan.gap <= 0.06


def test_floors_whose_best_plan_fits_into_no_years(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sites 0 and 1 of cost 2 keep the floor for 4, but not in years of 3 and 1; 0 and 2 do."""
    monkeypatch.setattr(planning, "SMALL", -1)
    monkeypatch.setattr(planning, "WHOLE", -1)
    monkeypatch.setattr(scheduling.Search, "fill", lambda self, when, rate: when)
    monkeypatch.setattr(scheduling.Search, "take", lambda self, when, order, wanted: when)
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(np.array([[1, 0, 0], [0, 1, 1], [0, 1, 0]], dtype=bool))],
        "demand": np.array([[4.0, 4.0, 9.0]]),
        "cost": [[2, 2, 1]],
        "yearly_budget": [3, 1],
        "carry_over": False,
        "floors": [(np.array([True, True, False]), 8.0)],
    }
    plan = solve_years(**problem)
    assert sorted(plan.schedule["site"]) == [0, 2]
    assert verify_years(plan, **problem) == []
    assert "HiGHS on the floors alone" in plan.method
    with pytest.raises(InfeasibleError, match="set it to 3, 2 in the years' order") as caught:
        solve_years(**problem, forbidden=[(0, 2)])
    where = [str(p.where) for p in caught.value.problems]
    assert where == ["floors[0]", "yearly_budget", "forbidden"]


def test_what_is_not_spent_is_carried_over() -> None:
    """The site worth most costs two years' money; nothing else is worth waiting for."""
    near = sparse.csr_array(np.eye(2, dtype=bool))
    problem: dict[str, Any] = {
        "footprints": [near],
        "demand": np.array([[1.0, 90.0]]),
        "yearly_budget": [1, 1],
        "cost": [[1, 2]],
    }
    plan = solve_years(**problem)
    assert plan.schedule[["year", "site"]].to_numpy().tolist() == [[1, 1]]
    assert plan.spent.tolist() == [0.0, 2.0]
    strict = solve_years(**problem, carry_over=False)
    assert strict.schedule[["year", "site"]].to_numpy().tolist() == [[0, 0]]
    text = " ".join(map(str, verify_years(plan, **problem, carry_over=False)))
    assert "yearly_budget[1]" in text
    wrong = replace(plan, objective=1.0, bound=2.0)
    text = " ".join(map(str, verify_years(wrong, **problem)))
    assert "objective differs" in text
    assert "bound is below" in text


def test_what_is_in_place_costs_nothing_but_stands() -> None:
    """A site in place takes none of the money or the number, but its share and its distance."""
    near = sparse.csr_array(np.eye(3, dtype=bool))
    problem: dict[str, Any] = {
        "footprints": [near],
        "demand": np.array([[9.0, 5.0, 2.0]]),
        "yearly_budget": [1],
        "cost": [[7, 1, 1]],
        "max_total": 1,
        "budget": 1,
        "programme_budget": 1,
        "in_place": [(0, 0)],
        "xy_m": [[0, 0], [50, 0], [500, 0]],
        "spacing_m": 100.0,
    }
    plan = solve_years(**problem)
    assert plan.schedule["site"].tolist() == [2]
    assert plan.covered.tolist() == [11.0]
    assert verify_years(plan, **problem) == []
    two = replace(plan, schedule=pd.concat([plan.schedule, plan.schedule.assign(site=1)]))
    text = " ".join(map(str, verify_years(two, **problem)))
    for words in ("too many sites", "a budget", "programme's budget", "too near", "year's limit"):
        assert words in text


def test_one_year_is_the_mclp() -> None:
    rng = np.random.default_rng(1)
    covers = sparse.csr_array(rng.random((40, 300)) < 0.05)
    demand = rng.random(300)
    plan = solve_years([covers], demand[None], [6], effort=Effort(work=0.1))
    assert plan.objective == pytest.approx(solve_mclp(covers, demand, 6).objective)
    later = solve_years([covers], demand[None], [2, 2, 2], effort=Effort(work=0.1), discount=0.9)
    assert (np.diff(later.covered) > 0).all()
    assert later.covered[-1] <= plan.bound + 1e-6


def test_years_and_places_must_agree() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    with pytest.raises(InputError, match="number of years"):
        solve_years([near], np.ones((1, 2)), [1, 1], yearly_budget=[1, 1, 1])
    with pytest.raises(InputError, match="discount"):
        solve_years([near], np.ones((1, 2)), [1, 1], discount=0.0)
    with pytest.raises(InfeasibleError, match="in place and forbidden"):
        solve_years([near], np.ones((1, 2)), [1], in_place=[(0, 0)], forbidden=[(0, 0)])


@pytest.mark.parametrize("small", [planning.SMALL, -1])
def test_floors_where_nothing_can_be_chosen(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in place keeps them, or no schedule does."""
    monkeypatch.setattr(planning, "SMALL", small)
    problem: dict[str, Any] = {
        "footprints": [sparse.csr_array(np.eye(2, dtype=bool))],
        "demand": np.array([[3.0, 2.0]]),
        "max_sites": [0, 0],
        "in_place": [(0, 0)],
    }
    plan = solve_years(**problem, floors=[(np.array([True, False]), 3.0)])
    assert plan.schedule.empty and plan.covered.tolist() == [3.0, 3.0]
    assert plan.status is Status.OPTIMAL
    with pytest.raises(InfeasibleError, match="lowers it by 2, to 3"):
        solve_years(**problem, floors=[(np.array([True, True]), 5.0)])


def test_what_must_be_built_serves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SMALL", -1)
    near = sparse.csr_array(np.array([[1], [0]], dtype=bool))
    must = {"in_place": [(0, 0)], "fixed": [(0, 1)], "sharing_capacity": 1}
    plan = solve_years([near], [[4.0]], [1, 1], **must)
    assert plan.schedule["site"].tolist() == [1] and plan.objective == 8.0


def test_none_within_the_room_is_a_bound_too() -> None:
    """No schedule is better than the known one by the gap: HiGHS proves that there is none."""
    one = sparse.csr_array(np.array([[1.0, 1.0]]))
    at_least = sparse.csr_array(sparse.vstack([one, -one], format="csr"))
    empty = programme.Programme(np.ones(2), at_least, np.array([0.5, -0.7]), 2)
    answer = programme.cut(empty, nodes=5)
    assert answer.values is None and answer.proven and answer.bound == -np.inf


def test_the_programme_of_no_pairs_within_a_box() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    every = np.ones((1, 2), dtype=bool)
    request = check([near], [[3.0, 2.0]], forbidden=every)
    accounts = horizon.Accounts(sparse.csr_array((1, 2)), np.ones((1, 3)), True)
    h = horizon.horizon_of(request, np.ones((3, 1, 2)), ~every, accounts)
    box = programme.Box(np.zeros(0), np.zeros(0))
    assert h.pair.size == 0
    assert horizon.programme_of(h, box).gain.size == horizon.programme_of(h).gain.size == 0
