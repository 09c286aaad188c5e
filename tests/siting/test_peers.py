"""Problems too large to enumerate, against integer programmes that are written from the definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import optimize, sparse

from tdh.siting import (
    Effort,
    planning,
    solve_partial_cover,
    solve_shared_cost,
    solve_years,
    solving,
    verify_cover,
    verify_shared_cost,
    verify_years,
)

N_SITES, N_CELLS, N_YEARS = 40, 400, 3


class Programme:
    """Rows of names; every variable lies in [0, 1]."""

    def __init__(self) -> None:
        self.position: dict[Any, int] = {}
        self.rows: list[tuple[dict[Any, float], float]] = []
        self.gain: dict[Any, float] = {}

    def at_most(self, row: dict[Any, float], limit: float) -> None:
        for name in row:
            self.position.setdefault(name, len(self.position))
        self.rows.append((row, limit))

    def solve(self, whole: str) -> tuple[float, set[Any]]:
        """The greatest gain, and the whole variables (named so) that are one."""
        for name in self.gain:
            self.position.setdefault(name, len(self.position))
        matrix = sparse.lil_array((len(self.rows), len(self.position)))
        for k, (row, _) in enumerate(self.rows):
            for name, coef in row.items():
                matrix[k, self.position[name]] = coef
        gain = np.zeros(len(self.position))
        for name, value in self.gain.items():
            gain[self.position[name]] = value
        found = optimize.milp(
            -gain,
            constraints=optimize.LinearConstraint(
                sparse.csc_array(matrix), -np.inf, [limit for _, limit in self.rows]
            ),
            bounds=optimize.Bounds(0, 1),
            integrality=[name[0] == whole for name in self.position],
            options={"mip_rel_gap": 1e-7},
        )
        assert found.status == 0, found.message
        ones = {n for n, k in self.position.items() if n[0] == whole and found.x[k] > 0.5}
        return -float(found.fun), ones


def plane(seed: int, n_carriers: int) -> tuple[list[sparse.csr_array], np.ndarray, np.ndarray]:
    """Discs in a square of 3 km; each carrier has a reach and people of its own."""
    rng = np.random.default_rng(seed)
    sites, cells = rng.uniform(0, 3000, (N_SITES, 2)), rng.uniform(0, 3000, (N_CELLS, 2))
    distance = np.hypot(*(sites[:, None] - cells[None]).transpose(2, 0, 1))
    reach = rng.uniform(250, 600, (n_carriers, N_SITES))
    covers = [sparse.csr_array(distance < reach[c][:, None]) for c in range(n_carriers)]
    return covers, np.round(rng.lognormal(3, 1, (n_carriers, N_CELLS))), sites


def together(p: Programme, sites: np.ndarray, spacing_m: float, names: Any) -> None:
    """Two sites of a carrier that are too near are not both chosen."""
    for i, k in itertools.combinations(range(N_SITES), 2):
        if np.hypot(*(sites[i] - sites[k])) < spacing_m:
            for a, b in zip(names(i), names(k), strict=True):
                p.at_most({**a, **b}, 1.0)


def years_by_building(problem: dict[str, Any]) -> float:
    """The best schedule, with a variable for each year of building."""
    p, covers = Programme(), problem["footprints"]
    n_carriers, years = len(covers), range(N_YEARS)
    pairs = list(itertools.product(range(n_carriers), range(N_SITES)))
    for c, i in pairs:
        p.at_most({("x", c, i, t): 1.0 for t in years}, 1.0)
    for i in range(N_SITES):
        every = {("x", c, i, t): 1.0 for c in range(n_carriers) for t in years}
        p.at_most(every, problem["sharing_capacity"])
    for t in years:
        so_far = range(t + 1) if problem["carry_over"] else [t]
        for c in range(n_carriers):
            row = {("x", c, i, s): 1.0 for i in range(N_SITES) for s in so_far}
            p.at_most(row, sum(problem["max_sites"][s] for s in so_far))
        if "yearly_budget" in problem:
            row = {("x", c, i, s): problem["cost"][c][i] for c, i in pairs for s in so_far}
            p.at_most(row, sum(problem["yearly_budget"][s] for s in so_far))
    for c, i in problem.get("fixed", []):
        p.at_most({("x", c, i, t): -1.0 for t in years}, -1.0)
    together(
        p,
        problem["xy_m"],
        problem["spacing_m"],
        lambda i: [{("x", c, i, t): 1.0 for t in years} for c in range(n_carriers)],
    )
    for c, cover in enumerate(covers):
        columns = sparse.csc_array(cover)
        for j, t in itertools.product(range(N_CELLS), years):
            own = columns.indices[columns.indptr[j] : columns.indptr[j + 1]]
            row = {("x", c, int(i), s): -1.0 for i in own for s in range(t + 1)}
            p.at_most({("y", c, j, t): 1.0, **row}, 0.0)
            p.gain["y", c, j, t] = problem["discount"] ** t * problem["demand"][c, j]
    for mask, need in problem.get("floors", []):
        last = {
            ("y", c, int(j), N_YEARS - 1): -problem["demand"][c, j]
            for c in range(n_carriers)
            for j in np.flatnonzero(mask)
        }
        p.at_most(last, -need)
    return p.solve("x")[0]


@pytest.mark.parametrize("way", ["whole", "searched"])
@pytest.mark.parametrize("carry_over", [True, False])
@pytest.mark.parametrize(
    ("money", "rules"), [(False, ""), (True, ""), (True, "fixed"), (True, "floors")]
)
def test_years(
    money: bool, rules: str, carry_over: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "searched":
        monkeypatch.setattr(planning, "SMALL", -1)
    covers, demand, sites = plane(4, 2)
    rng = np.random.default_rng(5)
    problem: dict[str, Any] = {
        "footprints": covers,
        "demand": demand,
        "max_sites": [3, 2, 3],
        "sharing_capacity": 1,
        "carry_over": carry_over,
        "discount": 0.9,
        "xy_m": sites,
        "spacing_m": 300.0,
    }
    if money:
        problem["cost"] = rng.choice([3.0, 5.0, 9.0], (2, N_SITES))
        problem["yearly_budget"] = [20.0, 14.0, 23.0]
    if rules == "fixed":
        # What serves least of all has to be built.
        worst = [int(np.argmin(cover @ own)) for cover, own in zip(covers, demand, strict=True)]
        problem["fixed"] = [(c, i) for c, i in enumerate(worst)]
    if rules == "floors":
        free = solve_years(**problem)
        reach = demand * np.array([cover.sum(axis=0) > 0 for cover in covers])
        quarter = np.arange(N_CELLS) % 4
        served = np.zeros(demand.shape, dtype=bool)
        for c, i in free.schedule[["carrier", "site"]].to_numpy():
            served[c, covers[c][[i]].indices] = True
        share = [
            (demand * served)[:, quarter == q].sum() / reach[:, quarter == q].sum()
            for q in range(4)
        ]
        # What is served worst has to come to what is served half as badly.
        mask = quarter == int(np.argmin(share))
        problem["floors"] = [(mask, 0.5 * (min(share) + np.median(share)) * reach[:, mask].sum())]
        assert verify_years(free, **problem), "the floor does not bind"
    best = years_by_building(problem)
    plan = solve_years(**problem)
    assert verify_years(plan, **problem) == []
    assert plan.objective <= best * (1 + 1e-6)
    assert plan.bound >= best * (1 - 1e-6)
    assert plan.gap <= 0.005


@pytest.mark.parametrize("saving", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("small", [solving.SMALL, -1])
def test_shared_cost(saving: float, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tenant a variable, and one for whether a site has any."""
    monkeypatch.setattr(solving, "SMALL", small)
    covers, demand, sites = plane(6, 3)
    first = np.random.default_rng(7).choice([3.0, 5.0, 9.0], N_SITES)
    more = first * (1 - saving)
    problem: dict[str, Any] = {
        "footprints": covers,
        "demand": demand,
        "programme_budget": 60.0,
        "cost_first": first,
        "cost_next": more,
        "max_sites": [6, 5, 5],
        "sharing_capacity": 2,
        "xy_m": sites,
        "spacing_m": 300.0,
        "fixed": [(1, 3)],
    }
    p = Programme()
    spent: dict[Any, float] = {}
    for i in range(N_SITES):
        p.at_most({("x", c, i): 1.0 for c in range(3)}, 2.0)
        spent["x", -1, i] = first[i] - more[i]
        for c in range(3):
            p.at_most({("x", c, i): 1.0, ("x", -1, i): -1.0}, 0.0)
            spent["x", c, i] = more[i]
    p.at_most(spent, 60.0)
    for c, most in enumerate([6, 5, 5]):
        p.at_most({("x", c, i): 1.0 for i in range(N_SITES)}, most)
    p.at_most({("x", 1, 3): -1.0}, -1.0)
    together(p, sites, 300.0, lambda i: [{("x", c, i): 1.0} for c in range(3)])
    for c, cover in enumerate(covers):
        columns = sparse.csc_array(cover)
        for j in range(N_CELLS):
            own = columns.indices[columns.indptr[j] : columns.indptr[j + 1]]
            p.at_most({("y", c, j): 1.0, **{("x", c, int(i)): -1.0 for i in own}}, 0.0)
            p.gain["y", c, j] = demand[c, j]
    best, _ = p.solve("x")
    shared = solve_shared_cost(**problem, effort=Effort(gap=0.002))
    assert verify_shared_cost(shared, **problem) == []
    assert shared.plan.objective <= best * (1 + 1e-6)
    assert shared.plan.bound >= best * (1 - 1e-6)
    assert shared.plan.gap <= 0.01


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("with_cost", [False, True])
def test_partial_cover(share: float, with_cost: bool) -> None:
    """The share as a row, and the fewest or cheapest sites as the objective."""
    (cover,), demand, _ = plane(8, 1)
    cost = np.random.default_rng(9).choice([3.0, 5.0, 9.0], N_SITES) if with_cost else None
    fixed, forbidden = [2], [11, 12]
    each = np.ones(N_SITES) if cost is None else cost
    reach = float(demand[0][cover.sum(axis=0) > 0].sum())
    open_ = np.setdiff1d(np.arange(N_SITES), forbidden)
    if share == 1.0:
        share = float(demand[0][cover[open_].sum(axis=0) > 0].sum()) / reach
    p, columns = Programme(), sparse.csc_array(cover)
    for j in range(N_CELLS):
        own = columns.indices[columns.indptr[j] : columns.indptr[j + 1]]
        p.at_most({("y", j): 1.0, **{("x", int(i)): -1.0 for i in own}}, 0.0)
    p.at_most({("y", j): -demand[0, j] for j in range(N_CELLS)}, -share * reach * (1 - 1e-9))
    p.at_most({("x", fixed[0]): -1.0}, -1.0)
    p.at_most({("x", i): 1.0 for i in forbidden}, 0.0)
    p.gain = {("x", i): -each[i] for i in range(N_SITES)}
    least = -p.solve("x")[0]
    problem = {"share": share, "cost": cost, "fixed": fixed, "forbidden": forbidden}
    found = solve_partial_cover(cover, demand[0], **problem)
    assert verify_cover(found, cover, demand[0], **problem) == []
    if with_cost:
        assert found.cost >= least * (1 - 1e-9)
        assert found.least_cost <= least * (1 + 1e-9)
    else:
        assert found.sites >= least - 1e-6
        assert found.at_least <= least + 1e-6
    assert found.gap <= 0.1
