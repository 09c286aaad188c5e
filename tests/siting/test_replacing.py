"""What one exchange of a plan changes, against the recount of every exchange."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InputError
from tdh.siting import (
    Reason,
    alternatives,
    explain_unchosen,
    solve_allocation,
    solve_mclp,
    verify,
)


def problem(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    mask = np.arange(30) < 15
    demand = rng.integers(0, 50, (2, 30)).astype(float)
    return {
        "footprints": [sparse.csr_array(rng.random((10, 30)) < 0.25) for _ in range(2)],
        "demand": demand,
        "max_sites": [3, 4],
        "sharing_capacity": rng.integers(0, 3, 10),
        "xy_m": rng.random((10, 2)) * 500,
        "spacing_m": 120.0,
        "cost": rng.integers(1, 6, (2, 10)).astype(float),
        "budget": [9.0, 12.0],
        "programme_budget": 16.0,
        "floors": [(mask, 0.3 * demand[:, mask].sum()), (~mask, 0.2 * demand[0, ~mask].sum(), 0)],
        "fixed": [(0, int(rng.integers(10)))],
        "forbidden": [(1, int(rng.integers(10)))],
        "at_most": [([(0, 1), (0, 2), (1, 3), (1, 4)], 1)],
    }


def covered(given: dict[str, Any], pairs: set[tuple[int, int]]) -> float:
    total = 0.0
    for c, footprint in enumerate(given["footprints"]):
        own = [i for k, i in pairs if k == c]
        total += given["demand"][c, footprint[own].sum(axis=0) > 0].sum()
    return float(total)


PLANNED = [2, 3, 5, 7, 8, 13, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 31]
"""Seeds whose limits do not conflict."""


@pytest.mark.parametrize("seed", PLANNED)
def test_swaps_keep_every_limit_and_are_the_best(seed: int) -> None:
    given = problem(seed)
    rules = {k: v for k, v in given.items() if k not in ("footprints", "demand")}
    plan = solve_allocation(**given)
    table = explain_unchosen(plan, given["footprints"], given["demand"], **rules)
    chosen = {(c, i) for c, i in plan.selected.tolist()}
    for row in table.itertuples():
        found: dict[tuple[int, int], float] = {}
        for pair in chosen - set(given["fixed"]):
            other = chosen - {pair} | {(row.carrier, row.site)}
            if pair[0] == row.carrier and not verify(
                np.array(sorted(other)), given["footprints"], given["demand"], **rules
            ):
                found[pair] = covered(given, other) - plan.objective
        text = row.text.render("en")
        if not found:
            assert row.rival == -1 and np.isnan(row.change), text
            continue
        assert row.change == pytest.approx(max(found.values()), abs=1e-9), text
        assert found[row.carrier, row.rival] == pytest.approx(row.change, abs=1e-9)
        assert "{" not in text + row.text.render("ja")


def test_a_choice_that_must_be_made_is_not_swapped() -> None:
    eye = sparse.csr_array(np.eye(2, dtype=bool))
    plan = solve_allocation([eye], [[5, 3]], 1, fixed=[(0, 1)])
    (row,) = explain_unchosen(plan, [eye], [[5, 3]], 1, fixed=[(0, 1)]).itertuples()
    assert np.isnan(row.change) and "can replace no choice" in row.text.render("en")


def test_what_stands_in_the_way_is_named() -> None:
    eye = sparse.csr_array(np.eye(3, dtype=bool))
    rules: dict[str, Any] = {
        "sharing_capacity": [1, 1, 0],
        "at_most": [([(0, 0), (0, 1)], 1)],
    }
    plan = solve_allocation([eye], [[5, 3, 2]], 2, **rules)
    table = explain_unchosen(plan, [eye], [[5, 3, 2]], 2, **rules).set_index("site")
    assert table["reason"].to_dict() == {1: Reason.AT_MOST, 2: Reason.CAPACITY}
    assert table.loc[2, "text"].render("en") == "no carrier may use it"


def test_the_place_among_the_next_is_that_of_the_extension() -> None:
    eye = sparse.csr_array(np.eye(4, dtype=bool))
    demand, cost = [[9.0, 8.0, 6.0, 2.0]], [1.0, 8.0, 2.0, 1.0]
    plan = solve_allocation([eye], demand, 1, cost=cost, budget=1.0)
    table = explain_unchosen(plan, [eye], demand, 1, cost=cost, budget=1.0).set_index("site")
    for site, place in {2: 1, 3: 2, 1: 3}.items():
        assert table.loc[site, "enters_at"] == 1 + place
        said = f"number {place} among those next by demand for their cost"
        assert said in table.loc[site, "text"].render("en")


def test_a_plan_of_one_carrier_is_one_of_pairs() -> None:
    eye, demand = sparse.csr_array(np.eye(3, dtype=bool)), [[5, 4.9, 3]]
    plan = solve_mclp(eye, demand[0], 1)
    assert explain_unchosen(plan, [eye], demand, 1)["site"].tolist() == [1, 2]
    (other,) = alternatives(plan, [eye], demand, 1)
    assert other.selected.tolist() == [[0, 1]]


def test_the_reason_names_the_limit_that_is_used_up() -> None:
    eye, demand, cost = sparse.csr_array(np.eye(3, dtype=bool)), [[9.0, 4.0, 3.0]], [5.0, 3.0, 1.0]
    for limits, says in (
        ({"max_sites": 1}, "the carrier's number of sites went"),
        ({"budget": 6.0}, "the carrier's budget went"),
        ({"programme_budget": 6.0}, "the programme's budget went"),
        ({"max_sites": 2, "budget": 6.0}, "the carrier's number of sites and the carrier's budget"),
    ):
        plan = solve_allocation([eye], demand, cost=cost, **limits)
        table = explain_unchosen(plan, [eye], demand, cost=cost, **limits).set_index("site")
        assert table.loc[1, "reason"] == Reason.BUDGET
        assert table.loc[1, "text"].render("en").startswith(says)


def test_a_plan_that_leaves_room_says_so() -> None:
    eye, demand = sparse.csr_array(np.eye(2, dtype=bool)), [[5.0, 0.3]]
    plan = solve_allocation([eye], demand, 1)
    (row,) = explain_unchosen(plan, [eye], demand, 2).itertuples()
    assert (row.reason, row.enters_at) == (Reason.ROOM, 0)
    said = row.text.render("en")
    assert "no limit stands in its way" in said and "better by 0.3" in said


def test_what_a_huge_demand_hides_is_not_covered() -> None:
    near = sparse.csr_array(np.array([[1, 0], [1, 1]], dtype=bool))
    plan = solve_allocation([near], [[1e12, 1.0]], 1, forbidden=[(0, 1)])
    (row,) = explain_unchosen(plan, [near], [[1e12, 1.0]], 1).itertuples()
    assert (row.reason, row.gain) == (Reason.BUDGET, 1.0)


def test_without_a_budget_in_money_what_adds_most_comes_next() -> None:
    eye, demand, cost = sparse.csr_array(np.eye(3, dtype=bool)), [[9.0, 4.0, 3.0]], [1.0, 8.0, 1.0]
    for limits, order in (({}, [2, 3]), ({"budget": 1.0}, [3, 2])):
        plan = solve_allocation([eye], demand, 1, cost=cost, **limits)
        table = explain_unchosen(plan, [eye], demand, 1, cost=cost, **limits)
        assert table.set_index("site").loc[[1, 2], "enters_at"].tolist() == order


def test_an_extension_keeps_the_limits_of_sets() -> None:
    eye, demand = sparse.csr_array(np.eye(4, dtype=bool)), [[9.0, 4.0, 3.0, 2.0]]
    rules: dict[str, Any] = {"at_most": [([(0, 1), (0, 2)], 1)]}
    plan = solve_allocation([eye], demand, 1, **rules)
    table = explain_unchosen(plan, [eye], demand, 1, **rules).set_index("site")
    assert table["enters_at"].to_dict() == {1: 2, 2: 0, 3: 3}


def test_floors_of_tiny_demand_are_kept_by_exchanges() -> None:
    """Site 1 alone serves what the floor asks for, in whatever unit people are counted."""
    eye = sparse.csr_array(np.eye(2, dtype=bool))
    for unit in (1.0, 1e-12):
        demand = np.array([[5.0, 3.0]]) * unit
        floors = [(np.array([False, True]), 2.0 * unit)]
        plan = solve_allocation([eye], demand, 1, floors=floors)
        (row,) = explain_unchosen(plan, [eye], demand, 1, floors=floors).itertuples()
        assert (plan.selected.tolist(), row.rival) == ([[0, 1]], -1)


def test_a_plan_of_another_problem_is_refused_and_no_sites_have_no_reasons() -> None:
    eye = sparse.csr_array(np.eye(2, dtype=bool))
    plan = solve_allocation([eye, eye], [[1, 2], [2, 1]], 1)
    with pytest.raises(InputError, match="plan: positions are out of range"):
        explain_unchosen(plan, [eye], [[1, 2]], 1)
    none = sparse.csr_array((0, 2), dtype=bool)
    assert explain_unchosen(solve_allocation([none], [[1, 2]], 1), [none], [[1, 2]], 1).empty
