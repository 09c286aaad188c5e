"""Objectives in order, against enumeration of all plans."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tdh.errors import InfeasibleError, InputError, NoSolutionError
from tdh.siting import (
    Effort,
    LexicographicPlan,
    Objective,
    Status,
    lexicographic,
    pricing,
    programme,
    solve_allocation,
    solve_lexicographic,
    solving,
    verify_lexicographic,
)
from tdh.siting.allocation import check
from tdh.siting.layered import groups_of, programme_of, rows_of


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Up to twelve sites, two carriers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sites, n_cells = draw(st.integers(6, 12)), draw(st.integers(5, 20))
    dense = rng.random((2, n_sites, n_cells)) < draw(st.sampled_from([0.15, 0.3, 0.6]))
    people = rng.integers(0, 9, n_cells).astype(float)
    places = rng.integers(0, 2, (2, n_cells)).astype(float)
    kinds = {
        "any, two": [Objective(people, 1), Objective(people, 2)],
        "places, people": [places, np.stack([people, 2 * people])],
        "places, any, two": [places, Objective(people, 1), Objective(people, 2)],
        "two, all": [Objective(people, 2), np.stack([people, people])],
    }
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "objectives": kinds[draw(st.sampled_from(sorted(kinds)))],
        "max_sites": rng.integers(1, 4, 2).tolist(),
        "sharing_capacity": rng.integers(1, 3, n_sites),
        "xy_m": rng.integers(0, 6, (n_sites, 2)) * 100.0,
        "spacing_m": draw(st.sampled_from([0.0, 150.0])),
        "tolerance": draw(st.sampled_from([0.0, 0.2])),
    }
    if draw(st.booleans()):
        out["cost"] = rng.integers(1, 5, (2, n_sites)).astype(float)
        out["programme_budget"] = 7.0
    if draw(st.integers(0, 3)) == 0:
        out["fixed"] = [(1, int(rng.integers(n_sites)))]
    if draw(st.integers(0, 2)) == 0 and out["objectives"][0] is places:
        mask = rng.random(n_cells) < 0.5
        out["floors"] = [(mask, 0.4 * places[0, mask].sum(), 0)]
    return out


def plans_of(problem: dict[str, Any]) -> list[np.ndarray]:
    """Covered cells (2, n_cells) of every allocation that keeps the limits."""
    covers = [f.toarray() for f in problem["footprints"]]
    n_sites = covers[0].shape[0]
    xy, spacing = problem["xy_m"], problem["spacing_m"]
    cost = problem.get("cost", np.ones((2, n_sites)))
    fixed = problem.get("fixed", [])
    own = []
    for c in range(2):
        sets = []
        for k in range(problem["max_sites"][c] + 1):
            for s in itertools.combinations(range(n_sites), k):
                if any(
                    np.hypot(*(xy[a] - xy[b])) < spacing for a, b in itertools.combinations(s, 2)
                ):
                    continue
                if any(carrier == c and site not in s for carrier, site in fixed):
                    continue
                sets.append((s, cost[c, list(s)].sum(), covers[c][list(s)].any(axis=0)))
        own.append(sets)
    out = []
    for one, two in itertools.product(*own):
        used = np.bincount([*one[0], *two[0]], minlength=n_sites)
        if (used > problem["sharing_capacity"]).any():
            continue
        if one[1] + two[1] > problem.get("programme_budget", np.inf):
            continue
        covered = np.stack([one[2], two[2]])
        floors = problem.get("floors", [])
        places = problem["objectives"][0]
        if all((places * covered)[c, mask].sum() >= need for mask, need, c in floors):
            out.append(covered)
    return out


def values_of(problem: dict[str, Any], plans: list[np.ndarray]) -> np.ndarray:
    columns = []
    for o in problem["objectives"]:
        given = o if isinstance(o, Objective) else Objective(o)
        if given.at_least is None:
            columns.append([(given.demand * p).sum() for p in plans])
        else:
            columns.append([given.demand[p.sum(axis=0) >= given.at_least].sum() for p in plans])
    return np.array(columns).T


def without_objectives(problem: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in problem.items() if k not in ("footprints", "objectives")}


@given(problems())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_step_against_enumeration(problem: dict[str, Any]) -> None:
    plans = plans_of(problem)
    try:
        plan = solve_lexicographic(**problem)
    except InfeasibleError:
        assert not plans
        return
    limits = without_objectives(problem)
    assert verify_lexicographic(plan, problem["footprints"], problem["objectives"], **limits) == []
    values = values_of(problem, plans)
    for k in range(values.shape[1]):
        assert plan.found[k] == pytest.approx(values[:, k].max())
        assert plan.statuses[k] is Status.OPTIMAL
        keep = values[:, k] >= (1 - problem["tolerance"]) * plan.found[k] - 1e-6
        values = values[keep]


@pytest.mark.parametrize(
    ("simplex", "root", "equal", "far"),
    [
        (programme.SIMPLEX, lexicographic.ROOT, lexicographic.EQUAL, lexicographic.FAR),
        (programme.SIMPLEX, -1, 0.2, -1.0),
        (-1, -1, lexicographic.EQUAL, lexicographic.FAR),
    ],
)
@given(problem=problems())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_bounds_of_the_large_way_against_enumeration(
    simplex: int, root: int, equal: float, far: float, problem: dict[str, Any]
) -> None:
    """Nothing small is left to one solver: at prices, with levels that move, by first-order steps."""
    plans = plans_of(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programme, "SIMPLEX", simplex)
        patch.setattr(programme, "SMALL", -1)
        patch.setattr(lexicographic, "ROOT", root)
        patch.setattr(lexicographic, "EQUAL", equal)
        patch.setattr(lexicographic, "FAR", far)
        patch.setattr(solving, "SMALL", -1)
        patch.setattr(solving, "WORK", 1e7)
        try:
            plan = solve_lexicographic(**problem)
        except (InfeasibleError, NoSolutionError):
            assert not plans or "floors" in problem
            return
    limits = without_objectives(problem)
    assert verify_lexicographic(plan, problem["footprints"], problem["objectives"], **limits) == []
    values = values_of(problem, plans)
    for k in range(values.shape[1]):
        assert plan.found[k] <= values[:, k].max() + 1e-6
        assert plan.bounds[k] >= values[:, k].max() * (1 - 1e-6) - 1e-6
        keep = values[:, k] >= (1 - problem["tolerance"]) * plan.found[k] - 1e-6
        values = values[keep]


def test_halves_of_three_carriers_are_not_two() -> None:
    """The relaxation may not serve a cell by half of each of three carriers."""
    near = sparse.csr_array(np.ones((1, 1), dtype=bool))
    request = check([near] * 3, np.ones((3, 1)), 1, 3, programme_budget=1.5)
    groups = groups_of(request, Objective(np.ones(1), 2), np.ones((3, 1), dtype=bool))
    _, rows, most = rows_of(request)
    p = programme_of(request, [groups], np.ones((3, 1), dtype=bool), rows, most, [])
    found = programme.simplex(p, steps=1_000)
    assert found is not None and found[1] == pytest.approx(0.75)
    assert programme.branch(p, nodes=10, seed=0).bound == pytest.approx(0.0)


def test_rows_at_any_price_prove_a_bound() -> None:
    """Two of three units that gain 3, 2, 1; a row that leaves out the first."""
    rows = sparse.csr_array(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))
    p = programme.Programme(np.array([3.0, 2.0, 1.0]), rows, np.array([2.0, 0.0]), 3)
    assert programme.cut(p, nodes=10).bound == pytest.approx(3.0)
    for price, bound in ((0.0, 5.0), (1.0, 4.0), (2.0, 3.0), (9.0, 3.0)):
        answer = pricing.priced(p, np.array([1]), np.array([price]), nodes=10)
        assert answer.bound == pytest.approx(bound) and not answer.proven


def test_cut_of_a_programme_whose_choices_are_all_settled() -> None:
    """What is held may settle every choice; what they cover is still to be counted."""
    rows = sparse.csr_array(np.array([[1.0, 1.0], [1.0, 0.0]]))
    p = programme.Programme(np.array([3.0, 2.0]), rows, np.array([1.5, 0.75]), 0)
    answer = programme.cut(p, nodes=10)
    assert answer.values is not None and answer.values.tolist() == pytest.approx([0.75, 0.75])
    assert answer.bound == pytest.approx(3.75)


def plane(n_sites: int, n_cells: int) -> tuple[list[sparse.csr_array], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    dense = [rng.random((n_sites, n_cells)) < 0.04 for _ in range(3)]
    return [sparse.csr_array(d) for d in dense], rng.random(n_cells), rng.random((3, n_cells))


def test_any_carrier_first_serves_more_people_than_the_sum_does() -> None:
    footprints, people, _ = plane(30, 200)
    order = [Objective(people, 1), Objective(people, 2)]
    plan = solve_lexicographic(footprints, order, 4, 2, seed=1, effort=Effort(work=0.02))
    every = solve_allocation(footprints, np.tile(people, (3, 1)), 4, 2, effort=Effort(work=0.02))
    count = np.zeros((3, 200), dtype=bool)
    for c, i in every.selected.tolist():
        count[c, footprints[c][[i]].indices] = True
    assert plan.values[0] >= people[count.any(axis=0)].sum() * (1 - 1e-6)
    assert (plan.gaps >= 0).all()
    assert plan.gaps[0] < 0.02
    assert verify_lexicographic(plan, footprints, order, 4, 2) == []
    again = solve_lexicographic(footprints, order, 4, 2, seed=1, effort=Effort(work=0.02))
    assert again.selected.tolist() == plan.selected.tolist()
    assert again.bounds.tolist() == plan.bounds.tolist()


def test_places_before_people() -> None:
    """A town hall decides where people alone would not."""
    near = sparse.csr_array(np.eye(2, dtype=bool))
    halls, people = np.array([[0.0, 1.0]]), np.array([[9.0, 2.0]])
    plan = solve_lexicographic([near], [halls, people], 1)
    assert plan.selected.tolist() == [[0, 1]]
    assert plan.losses[["loss_1", "loss_2"]].to_numpy().tolist() == [[1.0, 2.0]]
    assert solve_lexicographic([near], [people, halls], 1).selected.tolist() == [[0, 0]]


def test_recount_finds_what_is_wrong() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    halls, people = np.array([[0.0, 1.0]]), np.array([[9.0, 2.0]])
    plan = solve_lexicographic([near], [halls, people], 1)
    other = type(plan)(
        np.array([[0, 0]]),
        plan.values,
        plan.found,
        plan.bounds - 1,
        plan.statuses,
        plan.methods,
        plan.losses,
    )
    text = " ".join(map(str, verify_lexicographic(other, [near], [halls, people], 1)))
    for words in ("objective differs", "not held", "bound is below"):
        assert words in text


def rings(seed: int) -> tuple[list[sparse.csr_array], list[Any]]:
    """Two carriers' sites in a square, people in it, and those at its edge to be served first."""
    rng = np.random.default_rng(seed)
    sites, cells = rng.random((40, 2)), rng.random((300, 2))
    near = np.linalg.norm(sites[:, None] - cells, axis=2) < 0.12
    footprints = [sparse.csr_array(near & (rng.random(near.shape) < 0.8)) for _ in range(2)]
    people = rng.random((2, 300))
    edge = np.where(cells[:, 0] < 0.2, rng.random(300), 0.0)
    return footprints, [Objective(edge, 1), people]


@pytest.mark.parametrize("seed", range(3))
def test_one_node_proves_a_plan_though_the_solver_counts_less_of_what_is_held(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may leave a held group uncounted, within its tolerance, whose pairs it has chosen."""
    footprints, wanted = rings(seed)
    exact = solve_lexicographic(footprints, wanted, 4)
    monkeypatch.setattr(programme, "SMALL", -1)
    plan = solve_lexicographic(footprints, wanted, 4)
    assert plan.methods == ("HiGHS", "HiGHS")
    assert plan.statuses == (Status.OPTIMAL, Status.OPTIMAL)
    assert plan.found == pytest.approx(exact.found)
    assert verify_lexicographic(plan, footprints, wanted, 4) == []


def test_a_time_limit_ends_every_step_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    footprints, wanted = rings(0)
    wanted.insert(1, Objective(wanted[1].sum(axis=0), 2))
    given: list[float] = []
    for name in ("branch", "cut"):
        solver = getattr(programme, name)

        def timed(*args: Any, solver: Any = solver, **options: Any) -> Any:
            given.append(options["time_limit_s"])
            return solver(*args, **options)

        monkeypatch.setattr(programme, name, timed)
    monkeypatch.setattr(pricing, "cut", programme.cut)
    monkeypatch.setattr(pricing, "branch", programme.branch)
    for small in (programme.SMALL, -1):
        monkeypatch.setattr(programme, "SMALL", small)
        plan = solve_lexicographic(footprints, wanted, 4, effort=Effort(time_limit_s=0.01))
        assert not plan.reproducible
        assert verify_lexicographic(plan, footprints, wanted, 4) == []
    assert given and max(given) <= 0.1


def test_wrong_objectives_are_all_named() -> None:
    near = sparse.csr_array(np.eye(2, dtype=bool))
    with pytest.raises(InputError) as caught:
        solve_lexicographic([near], [np.ones(5), Objective(np.ones(2), 3)], 1, tolerance=1.0)
    assert len(caught.value.problems) == 3


def test_a_price_beyond_the_solver_proves_no_bound_below_a_plan() -> None:
    """Held at its best, a row has prices at which the people would be lost in the tolerances."""
    rng = np.random.default_rng(3)
    places = sparse.csr_array(rng.random((30, 40)) < 0.2)
    people = sparse.csr_array(rng.random((30, 300)) < 0.1)
    first, then = np.ones((1, 40)), rng.random((1, 300))
    every = sparse.csr_array(sparse.hstack([places, people]), dtype=bool)
    halls = np.hstack([first, np.zeros((1, 300))])
    homes = np.hstack([np.zeros((1, 40)), then])
    exact = solve_lexicographic([every], [halls, homes], 8)
    assert exact.statuses == (Status.OPTIMAL, Status.OPTIMAL)
    request = check([every], halls, 8)
    available, rows, limits = rows_of(request)
    groups = [groups_of(request, Objective(d), available) for d in (halls, homes)]
    p = programme_of(request, groups, available, rows, limits, [exact.found[0]])
    hard = np.array([len(p.limit) - 1])
    for price in (1.0, 1e6, 1e12):
        answer = pricing.priced(p, hard, np.array([price]), nodes=50)
        assert answer.bound >= exact.found[1] * (1 - 1e-9)
    found = programme.settled(p, exact.found[1], programme.open_box(len(p.gain)), steps=9_999)
    assert found is not None
    box, bound = found
    best = programme.branch(p, nodes=9_999, seed=0).values
    assert best is not None and bound >= exact.found[1] * (1 - 1e-9)
    assert (best >= box.least - 1e-9).all() and (best <= box.most + 1e-9).all()
    poor = programme.branch(p._replace(gain=-p.gain), nodes=9_999, seed=0).values
    assert poor is not None
    kept = pricing.at_prices(p, hard, np.zeros(1), poor, work=1.0, seed=0)
    assert kept is not None and not kept.level
    known = kept.answer
    assert known.values is not None and known.bound >= exact.found[1] * (1 - 1e-9)
    assert (p.matrix @ known.values <= p.limit + 1e-6).all()
    assert 0 < float(p.gain @ known.values) <= exact.found[1] * (1 + 1e-9)


def test_a_plan_at_a_price_is_the_best_that_keeps_the_row_as_far() -> None:
    """A row that may give way a little: the bound is that of plans that miss it no more."""
    rng = np.random.default_rng(11)
    first, then = rng.integers(90, 111, 12).astype(float), rng.random(12)
    best = float(np.sort(first)[-4:].sum())
    rows = sparse.csr_array(np.vstack([np.ones((1, 12)), -first[None] / best]))
    p = programme.Programme(then, rows, np.array([4.0, -1.0]), 12)
    misses = []
    for price, give in itertools.product((0.2, 1.0, 4.0), (1e-3, 0.02, 0.1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pricing, "PRICE", price)
            kept = pricing.at_prices(p, np.array([1]), np.array([give]), None, work=1.0, seed=0)
        assert kept is not None and kept.level and kept.answer.values is not None
        reached = float(first @ kept.answer.values)
        assert reached >= best * (1 - give) - 1e-9
        misses.append(reached < best)
        most = max(
            then[list(s)].sum()
            for k in range(5)
            for s in itertools.combinations(range(12), k)
            if first[list(s)].sum() >= reached - 1e-9
        )
        assert most - 0.02 <= float(p.gain @ kept.answer.values) <= most + 1e-9
        assert most - 1e-9 <= kept.answer.bound <= most + 0.02
    assert any(misses) and not all(misses)


def test_what_the_sum_of_gains_cannot_do_without_is_settled() -> None:
    """One site covers all: its prices leave nothing to the groups, which have to be covered."""
    rows = sparse.csr_array(np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])[:, [2, 0, 1]])
    p = programme.Programme(np.array([0.0, 5.0, 1e-4]), rows, np.zeros(2), 1)
    found = programme.settled(p, 5.0001, programme.open_box(3), steps=100)
    assert found is not None and found[0].least.tolist()[1:] == [1.0, 1.0]
    left = programme.within(p, found[0])
    assert left.base == pytest.approx(5.0001) and left.programme.matrix.shape[1] <= 1


@pytest.mark.parametrize("seed", range(20))
def test_floors_of_cells_that_several_must_serve_against_enumeration(seed: int) -> None:
    """Out of reach or not is told, and the least relaxation, applied as it is told, is enough."""
    rng = np.random.default_rng(seed)
    dense = rng.random((2, 4, 6)) < 0.4
    people = rng.integers(1, 9, 6) * 1.1
    first = np.arange(6) < 3
    needs = [(mask, float(0.5 * people[mask].sum())) for mask in (first, ~first)]
    most = [int(rng.integers(0, 3)), 2]
    served = []
    for chosen in itertools.product([False, True], repeat=8):
        x = np.reshape(chosen, (2, 4))
        if (x.sum(axis=1) <= most).all():
            both = np.einsum("ci,cij->cj", x, dense).astype(bool).all(axis=0)
            served.append([people[both & mask].sum() for mask, _ in needs])
    lack = np.maximum(0.0, [need for _, need in needs] - np.array(served)).sum(axis=1).min()

    def solve(floors: list[tuple[np.ndarray, float]]) -> LexicographicPlan:
        near = [sparse.csr_array(d) for d in dense]
        return solve_lexicographic(near, [Objective(people, 2)], most, 2, floors=floors)

    if lack <= 1e-9:
        solve(needs)
        return
    with pytest.raises(InfeasibleError) as caught:
        solve(needs)
    told = {p.where: float(p.fix.values["lack"]) for p in caught.value.problems}
    assert sum(told.values()) == pytest.approx(lack, rel=1e-5)
    solve([(mask, need - told.get(f"floors[{f}]", 0.0)) for f, (mask, need) in enumerate(needs)])


@pytest.mark.parametrize("small", [programme.SMALL, -1])
def test_a_floor_that_several_cannot_serve_is_named(
    small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programme, "SMALL", small)
    near = sparse.csr_array(np.eye(2, dtype=bool))
    floors = [(np.array([True, False]), 5.0)]
    with pytest.raises(InfeasibleError) as caught:
        solve_lexicographic(
            [near, near], [Objective(np.array([5.0, 3.0]), 2)], [1, 0], floors=floors
        )
    (problem,) = caught.value.problems
    assert (problem.where, problem.value) == ("floors[0]", 5.0)
    assert "lowers it by 5" in problem.render("en")
    assert "5 下げます" in problem.render("ja")


def test_what_is_held_may_settle_every_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programme, "SMALL", -1)
    monkeypatch.setattr(lexicographic, "ROOT", -1)
    near = sparse.csr_array(np.eye(2, dtype=bool))
    wanted = [np.array([[5.0, 3.0]]), np.zeros((1, 2))]
    plan = solve_lexicographic([near], wanted, 1, fixed=[(0, 0)])
    assert (plan.found.tolist(), plan.bounds.tolist()) == ([5.0, 0.0], [5.0, 0.0])


def test_people_served_first_bound_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices of the covering model say little of what is held at its best."""
    monkeypatch.setattr(programme, "SMALL", -1)
    monkeypatch.setattr(lexicographic, "ROOT", -1)
    footprints, wanted = rings(1)
    plan = solve_lexicographic(footprints, wanted, 4, effort=Effort(work=0.1))
    assert plan.methods[1] == "HiGHS at prices"
    assert (plan.gaps < 1e-3).all()
    assert verify_lexicographic(plan, footprints, wanted, 4) == []
