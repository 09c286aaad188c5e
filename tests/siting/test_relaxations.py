"""What is said where no plan keeps the floors, applied word for word, against enumeration."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError, Problem
from tdh.siting import elastic, infeasible, solve_allocation, solve_years, wording

Floors = list[tuple[Any, ...]]


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, Any], Floors]:
    """Two carriers, few sites, each option there or not, and floors that ask for much."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sites, n_cells = draw(st.integers(3, 6)), 12
    dense = rng.random((2, n_sites, n_cells)) < 0.35
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "demand": np.round(rng.gamma(1.0, 300.0, (2, n_cells)), 3),
        "max_sites": rng.integers(1, 4, 2).tolist(),
        "sharing_capacity": draw(st.sampled_from([1, 2])),
    }
    if draw(st.booleans()):
        out["xy_m"] = rng.random((n_sites, 2)) * 400.0
        out["spacing_m"] = 200.0
    if draw(st.booleans()):
        out["cost"] = rng.integers(1, 9, (2, n_sites)) * 1_234_567.0
        out["budget"] = [6_000_000.0, 12_000_000.0]
        out["programme_budget"] = 15_000_000.0
    if draw(st.booleans()):
        out["forbidden"] = [(0, 0), (1, 1)]
    share = draw(st.sampled_from([0.4, 0.7, 0.95]))
    cells = np.arange(n_cells)
    floors: Floors = []
    for k, carrier in enumerate([None, 0, 1][: draw(st.integers(1, 3))]):
        mask = cells % 3 == k
        of = out["demand"] if carrier is None else out["demand"][carrier]
        floors.append((mask, share * float(of[..., mask].sum()), carrier))
    return out, floors


def lacks(problem: dict[str, Any], floors: Floors, plans: Callable[..., Any]) -> np.ndarray:
    """What each plan lacks of each floor: (n_plans, n_floors)."""
    covers, demand = [f.toarray() for f in problem["footprints"]], problem["demand"]
    out = []
    for pairs in plans(problem):
        got = np.zeros(demand.shape)
        for c, i in pairs:
            got[c][covers[c][i]] = demand[c][covers[c][i]]
        served = [(got if c is None else got[c])[..., mask].sum() for mask, _, c in floors]
        out.append([max(0.0, need - s) for (_, need, _), s in zip(floors, served, strict=True)])
    return np.array(out).reshape(-1, len(floors))


def kept(problem: dict[str, Any], floors: Floors, plans: Callable[..., Any]) -> bool:
    short = lacks(problem, floors, plans).max(axis=1, initial=0.0)
    return bool((short <= 1e-9 * (1 + sum(need for _, need, _ in floors))).any())


def lowered(floors: Floors, told: list[Problem]) -> tuple[Floors, Floors]:
    """Floors as they are said to be, by the number that is taken off and by the one that stays."""
    off, stay = [list(f) for f in floors], [list(f) for f in floors]
    for problem in told:
        at = re.match(r"floors\[(\d+)\]", str(problem.where))
        if at is None:
            continue
        said = re.search(r"lowers it by ([\d.]+), to ([\d.]+)$", problem.render("en"))
        assert said is not None, problem.render("en")
        off[int(at[1])][1] -= float(said[1])
        stay[int(at[1])][1] = float(said[2])
    return [tuple(f) for f in off], [tuple(f) for f in stay]


def looser(problem: dict[str, Any], told: Problem) -> dict[str, Any] | None:
    """The problem with a limit set as it is said; None where the problem is a floor's."""
    where, text = str(told.where), told.render("en")
    name = where.split("[")[0]
    if name == "floors":
        return None
    out = dict(problem)
    if name == "forbidden":
        free = [(int(c), int(i)) for i, c in re.findall(r"(\d+) \(carrier\[(\d+)\]\)", text)]
        out[name] = [p for p in problem[name] if p not in free]
    elif every := re.search(r"allow every carrier (\d+) more", text):
        out[name] = [n + int(every[1]) for n in problem[name]]
    else:
        value = re.search(r"set it to ([\d.]+) ", text)
        assert value is not None, text
        out[name] = float(value[1])
        if at := re.search(r"\[(\d+)\]", where):
            out[name] = list(problem[name])
            out[name][int(at[1])] = float(value[1])
    return out


def tighter(problem: dict[str, Any], given: dict[str, Any]) -> dict[str, Any] | None:
    """A limit that was loosened a step less; None where that says nothing."""
    (name,) = (k for k in given if given[k] is not problem[k])
    now, then = np.array(problem[name], dtype=float), np.array(given[name], dtype=float)
    if name in ("forbidden", "spacing_m"):
        return None
    step = 1.0 if name in ("max_sites", "sharing_capacity") else 1e-4 * then
    value = np.where(then > now, np.maximum(now, then - step), now).tolist()
    return {**given, name: value}


@given(asked=problems())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_what_is_said_mends_it_and_nothing_less_does(
    every_plan: Callable[..., Any], asked: tuple[dict[str, Any], Floors]
) -> None:
    problem, floors = asked
    short = lacks(problem, floors, every_plan)
    try:
        solve_allocation(**problem, floors=floors)
    except InfeasibleError as error:
        told = list(error.problems)
    else:
        assert kept(problem, floors, every_plan)
        return
    assert not kept(problem, floors, every_plan)
    for floor in lowered(floors, told):
        assert kept(problem, floor, every_plan), [p.render("en") for p in told]
        less = sum(a - b for (_, a, _), (_, b, _) in zip(floors, floor, strict=True))
        assert less == pytest.approx(short.sum(axis=1).min(), rel=1e-4, abs=0.01)
    for one in told:
        given = looser(problem, one)
        if given is not None:
            assert kept(given, floors, every_plan), one.render("en")
            less_loose = tighter(problem, given)
            if less_loose is not None:
                assert "no less suffices" in one.render("en")
                assert not kept(less_loose, floors, every_plan), one.render("en")


@given(asked=problems())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_no_limit_that_alone_would_do_is_left_out(
    every_plan: Callable[..., Any], asked: tuple[dict[str, Any], Floors]
) -> None:
    problem, floors = asked
    if kept(problem, floors, every_plan):
        return
    with pytest.raises(InfeasibleError) as caught:
        solve_allocation(**problem, floors=floors)
    named = {str(p.where).split(",")[0] for p in caught.value.problems}
    free: dict[str, dict[str, Any]] = {
        "sharing_capacity": {"sharing_capacity": 2},
        "spacing_m": {"spacing_m": 0.0},
        "forbidden": {"forbidden": []},
        "programme_budget": {"programme_budget": np.inf},
    }
    free |= {
        f"max_sites[{c}]": {"max_sites": [99 if k == c else n for k, n in enumerate(problem["max_sites"])]}
        for c in range(2)
    }  # fmt: skip
    for name, change in free.items():
        argument = name.split("[")[0]
        if argument in problem and change[argument] != problem[argument]:
            assert (name in named) == kept({**problem, **change}, floors, every_plan), name


def test_a_plan_of_years_is_mended_as_it_is_said(every_plan: Callable[..., Any]) -> None:
    """Money of three years that buys no dear site: more sites are not what is advised."""
    near = sparse.csr_array(np.eye(3, dtype=bool))
    problem: dict[str, Any] = {
        "footprints": [near],
        "demand": np.array([[9.0, 2.0, 3.0]]),
        "max_sites": [1, 1, 1],
        "yearly_budget": [4e6, 3e6, 1e6],
        "cost": [[9e6, 3e6, 3e6]],
    }
    every = np.ones(3, dtype=bool)
    with pytest.raises(InfeasibleError) as caught:
        solve_years(**problem, floors=[(every, 9.5)])
    text = caught.value.render("en")
    assert "to 5" in text and "12000000" in text and "max_sites" not in text
    assert solve_years(**problem, floors=[(every, 5.0)]).covered[-1] == 5.0
    more = {**problem, "yearly_budget": [4e6, 3e6, 5e6]}
    assert solve_years(**more, floors=[(every, 9.5)]).covered[-1] >= 9.5


@pytest.mark.parametrize("seed", range(12))
def test_years_that_pass_nothing_on_against_enumeration(seed: int) -> None:
    """Two years, each with its own money: the least that is lacking in any schedule."""
    rng = np.random.default_rng(seed)
    dense = rng.random((4, 8)) < 0.4
    demand = np.round(rng.gamma(1.0, 300.0, (1, 8)), 3)
    cost = rng.integers(1, 5, 4) * 1e6
    years: dict[str, Any] = {
        "max_sites": [1, 1],
        "yearly_budget": [2e6, 3e6],
        "cost": cost[None],
        "carry_over": False,
        "discount": 0.9,
    }
    cells = np.arange(8)
    floors: Floors = [
        (cells % 2 == k, 0.9 * float(demand[0, cells % 2 == k].sum()), None) for k in range(2)
    ]
    ways = [[k for k in range(4) if cost[k] <= m] for m in years["yearly_budget"]]
    stands = [
        {*a, *b} for a in ([], *([k] for k in ways[0])) for b in ([], *([k] for k in ways[1]))
    ]
    short = []
    for sites in stands:
        hit = dense[sorted(sites)].any(axis=0)
        short.append([max(0.0, need - demand[0, hit & mask].sum()) for mask, need, _ in floors])
    least = np.array(short).sum(axis=1).min()
    given = ([sparse.csr_array(dense)], demand)
    if least == 0:
        solve_years(*given, **years, floors=floors)
        return
    with pytest.raises(InfeasibleError) as caught:
        solve_years(*given, **years, floors=floors)
    for floor in lowered(floors, list(caught.value.problems)):
        less = sum(a - b for (_, a, _), (_, b, _) in zip(floors, floor, strict=True))
        assert less == pytest.approx(least, rel=1e-4, abs=0.01)
        assert solve_years(*given, **years, floors=floor).covered[-1] > 0 or least > 0


def test_a_model_too_large_for_the_elastic_one(
    monkeypatch: pytest.MonkeyPatch, every_plan: Callable[..., Any]
) -> None:
    """The ordinary search finds a relaxation that suffices."""
    monkeypatch.setattr(infeasible, "ELASTIC_MOST", -1)
    monkeypatch.setattr(elastic, "MOST", -1)
    near = sparse.csr_array(np.eye(3, dtype=bool))
    problem = {"footprints": [near], "demand": np.array([[5.0, 3.0, 2.0]]), "max_sites": [1]}
    cells = np.eye(3, dtype=bool)
    floors: Floors = [(cells[0] | cells[1], 8.0, None), (cells[2], 1.0, None)]
    with pytest.raises(InfeasibleError, match="out of reach") as caught:
        solve_allocation(**problem, floors=floors)
    for p in caught.value.problems:
        said = re.search(r"to ([\d.]+)", p.render("en"))
        assert said is not None
        k = int(str(p.where)[7])
        floors[k] = (floors[k][0], float(said[1]), None)
    assert kept(problem, floors, every_plan)


@pytest.mark.parametrize("value", [1 / 3, 7482.143440408253, 1e-7, 123456.7, 4991177.2, 0.1 + 0.2])
def test_numbers_are_rounded_outward(value: float) -> None:
    low, high = wording.outward(value, up=False), wording.outward(value, up=True)
    assert float(low) <= value * (1 + 1e-11) and float(high) >= value * (1 - 1e-11)
    assert float(high) - float(low) <= 2e-5 * value and "e" not in low + high
