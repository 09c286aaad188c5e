"""The units of money and of demand change neither the plan nor its bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh import siting
from tdh.errors import InfeasibleError
from tdh.language import Text


@pytest.mark.parametrize("counted", [True, False])
def test_costs_in_yen_and_in_millions_are_the_same_problem(counted: bool) -> None:
    rng = np.random.default_rng(4)
    n_sites, n_cells = 60, 900
    at, cell = rng.random((n_sites, 2)), rng.random((n_cells, 2))
    reach = (
        np.hypot(*(at[:, None] - cell[None]).transpose(2, 0, 1))
        < rng.uniform(0.08, 0.2, n_sites)[:, None]
    )
    near = sparse.csr_array(reach)
    demand = rng.gamma(1.0, 5.0, (2, n_cells))
    million = rng.integers(3, 12, n_sites).astype(float)
    limits = {"max_sites": 8 if counted else None, "sharing_capacity": 1}
    plans = [
        siting.solve_allocation(
            [near, near],
            demand,
            cost=million * unit,
            budget=45.0 * unit,
            programme_budget=70.0 * unit,
            **limits,
        )
        for unit in (1.0, 1e6, 1e-3)
    ]
    assert plans[0].gap < 0.02
    for plan in plans[1:]:
        # Dividing by powers of two leaves other roundings: the same quality, not the same bits.
        assert plan.gap < 0.02
        assert plan.objective <= plans[0].bound * (1 + 1e-9)
        assert plan.bound >= plans[0].objective * (1 - 1e-9)


SMALL_DEMAND = (1e-5, 1e-7, 1e-12)
"""Shares of people, such as those of a country, are demand as well."""


class Problem:
    """Floors that bind, on two carriers of six sites, with demand in some unit."""

    def __init__(self, unit: float) -> None:
        rng = np.random.default_rng(11)
        self.near = [sparse.csr_array(rng.random((6, 16)) < 0.3) for _ in range(2)]
        self.people = rng.integers(1, 9, (2, 16)) * unit
        self.mask = np.arange(16) < 5
        # Without it the best plan serves less of these cells.
        self.floors = [(self.mask, 0.75 * float(self.people[:, self.mask].sum()))]
        self.of_first = [(self.mask, 0.75 * float(self.people[0, self.mask].sum()))]
        self.cost = np.array([3.0, 2.0, 4.0, 1.0, 2.0, 3.0])

    def solved(self) -> dict[str, tuple[list[Any], list[float], list[float]]]:
        """Of each problem the choice, what does not depend on the unit, and what does."""
        out: dict[str, tuple[list[Any], list[float], list[float]]] = {}
        given = (self.near, self.people)
        plan = siting.solve_allocation(*given, 2, 2, floors=self.floors)
        out["allocation"] = self.of(plan)
        assert siting.verify(plan, *given, 2, 2, floors=self.floors) == []
        shared = siting.solve_shared_cost(*given, 8.0, self.cost, 1.0, floors=self.floors)
        out["shared"] = self.of(shared.plan)
        assert shared.spent <= 8.0
        backup = siting.solve_backup_cover(*given, (1, 0.5), 2, 2, floors=self.floors)
        chosen, fixed, scaled = self.of(backup.plan)
        out["backup"] = (chosen, fixed, scaled + backup.covered.tolist())
        years = siting.solve_years(*given, [1, 1], 2, discount=0.9, floors=self.floors)
        table = years.schedule
        out["years"] = (
            table[["year", "carrier", "site"]].to_numpy().tolist(),
            [years.gap],
            [years.objective, years.bound, *table["gain"], *years.covered],
        )
        second = self.people[0] + self.people[1]
        for name, objectives in (
            ("in order", [self.people, siting.Objective(second, 2)]),
            ("two first", [siting.Objective(second, 2), np.ceil(self.people / self.people.max())]),
        ):
            floors = self.floors if name == "in order" else []
            order = siting.solve_lexicographic(self.near, objectives, 2, 2, floors=floors)
            n = 2 if name == "in order" else 1
            out[name] = (
                order.selected.tolist(),
                [*order.gaps, *order.values[n:]],
                [*order.values[:n], *order.found[:n], *order.bounds[:n], *order.losses["loss_1"]],
            )
        for cost in (None, self.cost):
            cover = siting.solve_partial_cover(self.near[0], self.people[0], 0.7, cost=cost)
            chosen, fixed, scaled = self.of(cover.plan)
            out[f"cover {cost is None}"] = (chosen, [*fixed, cover.cost, cover.least_cost], scaled)
        fair = siting.solve_max_min(*given, [self.mask, ~self.mask], 2, 2)
        chosen, _, scaled = self.of(fair.plan)
        out["fair"] = (chosen, [fair.least_share, fair.bound], scaled)
        return out

    @staticmethod
    def of(plan: siting.Plan) -> tuple[list[Any], list[float], list[float]]:
        table = plan.assignments
        scaled = [plan.objective, plan.bound, *table["gain"], *table["loss_without"]]
        return plan.selected.tolist(), [plan.gap], scaled


@pytest.mark.parametrize("unit", SMALL_DEMAND)
def test_small_demand_is_the_same_problem(unit: float) -> None:
    people, small = Problem(1.0).solved(), Problem(unit).solved()
    for name, (chosen, fixed, scaled) in people.items():
        assert small[name][0] == chosen, name
        assert small[name][1] == pytest.approx(fixed, rel=1e-6, abs=1e-9), name
        assert small[name][2] == pytest.approx([s * unit for s in scaled], rel=1e-6, abs=0), name


@pytest.mark.parametrize("unit", SMALL_DEMAND)
def test_small_floors_that_conflict_are_out_of_reach(unit: float) -> None:
    """One site, and two cells with a site each."""
    near, first = sparse.csr_array(np.eye(2, dtype=bool)), np.array([True, False])
    people = np.array([[5.0, 3.0]]) * unit
    floors = [(first, 5.0 * unit), (~first, 3.0 * unit)]
    both = siting.Objective(people[0], 2)
    for solve in (
        lambda: siting.solve_allocation([near], people, 1, floors=floors),
        lambda: siting.solve_backup_cover([near], people, (1, 0.5), 1, floors=floors),
        lambda: siting.solve_lexicographic([near], [people], 1, floors=floors),
        lambda: siting.solve_years([near], people, [1, 0], floors=floors),
        lambda: siting.solve_shared_cost([near], people, 1, 1, 1, floors=floors),
    ):
        with pytest.raises(InfeasibleError, match="floors"):
            solve()
    with pytest.raises(InfeasibleError) as caught:
        siting.solve_lexicographic([near, near], [both], 1, 2, floors=floors)
    (problem,) = caught.value.problems
    assert problem.value == pytest.approx(3.0 * unit)
    assert isinstance(problem.fix, Text)
    assert float(problem.fix.values["lack"]) == pytest.approx(3.0 * unit)
