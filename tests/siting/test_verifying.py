"""Every number that a plan says, changed one at a time, is found by its recount."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh import siting
from tdh.siting import Objective, Plan, Status

UNDECIDED = {
    "method",  # what found the plan, in words
    "methods",
    "reproducible",  # whether a wall clock ended the search
    "seconds",
}
"""Fields that no recount can decide."""

RNG = np.random.default_rng(5)
NEAR = [sparse.csr_array(RNG.random((12, 60)) < 0.15) for _ in range(2)]
DEMAND = RNG.integers(1, 50, (2, 60)).astype(float)
COST = RNG.integers(1, 4, (2, 12)).astype(float)
PLACES = DEMAND * (RNG.random((2, 60)) < 0.2)
HALVES = [np.arange(60) < 30, np.arange(60) >= 30]

PROBLEMS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]]
PROBLEMS = {
    "mclp": (siting.solve_mclp, siting.verify, (NEAR[0], DEMAND[0], 4), {"fixed": [2]}),
    "allocation": (
        siting.solve_allocation,
        siting.verify,
        (NEAR, DEMAND, 3, 1),
        {"fixed": [(0, 5)], "cost": COST, "programme_budget": 14.0},
    ),
    "lexicographic": (
        siting.solve_lexicographic,
        siting.verify_lexicographic,
        (NEAR, [PLACES, Objective(DEMAND[0], 2), DEMAND], 3, 2),
        {},
    ),
    "backup": (
        siting.solve_backup_cover,
        siting.verify_backup,
        (NEAR, DEMAND, (1.0, 0.5), 3),
        {"fixed": [(0, 5), (1, 6)]},
    ),
    "years": (
        siting.solve_years,
        siting.verify_years,
        (NEAR, DEMAND, [2, 1], 1),
        {"cost": COST, "yearly_budget": [6.0, 5.0], "discount": 0.9, "in_place": [(0, 1)]},
    ),
    "max_min": (siting.solve_max_min, siting.verify_max_min, (NEAR, DEMAND, HALVES, 3), {}),
    "cover": (siting.solve_partial_cover, siting.verify_cover, (NEAR[0], DEMAND[0], 0.6), {}),
    "cheapest cover": (
        siting.solve_partial_cover,
        siting.verify_cover,
        (NEAR[0], DEMAND[0], 0.6),
        {"cost": COST[0]},
    ),
    "shared_cost": (
        siting.solve_shared_cost,
        siting.verify_shared_cost,
        (NEAR, DEMAND, 9.0, 3.0, 1.0, 3, 2),
        {},
    ),
}


def other(name: str, value: Any) -> Any:
    """A value like another, but not it; bounds on the side that is certainly wrong."""
    if isinstance(value, Status):
        return Status.FEASIBLE if value == Status.OPTIMAL else Status.OPTIMAL
    if name in ("bound", "bounds"):
        return value * 0.9
    return value + 1


def changes(plan: Any) -> Iterator[tuple[str, Any]]:
    """The plan with one number changed, for each that it says."""
    for field in fields(plan):
        name, value = field.name, getattr(plan, field.name)
        if name in UNDECIDED:
            continue
        if is_dataclass(value):
            for inner, wrong in changes(value):
                yield f"{name}.{inner}", replace(plan, **{name: wrong})
        elif isinstance(value, pd.DataFrame):
            for column in value:
                table = value.copy()
                table.loc[table.index[-1], column] = other(column, table[column].iloc[-1])
                yield f"{name}.{column}", replace(plan, **{name: table})
                yield (
                    f"{name}.{column}: words",
                    replace(plan, **{name: value.assign(**{column: "x"})}),
                )
            yield f"{name}: a row less", replace(plan, **{name: value.iloc[1:]})
            for column in value:
                yield (
                    f"{name}.{column} left out",
                    replace(plan, **{name: value.drop(columns=column)}),
                )
        elif isinstance(value, np.ndarray | tuple):
            for k in range(len(value)):
                wrong = list(value)
                wrong[k] = other(name, wrong[k])
                made = tuple(wrong) if isinstance(value, tuple) else np.array(wrong)
                yield f"{name}[{k}]", replace(plan, **{name: made})
            yield f"{name}: one less", replace(plan, **{name: value[:-1]})
            yield f"{name}: words", replace(plan, **{name: ["x"] * len(value)})
        else:
            yield f"{name}: words", replace(plan, **{name: "x"})
            yield name, replace(plan, **{name: other(name, value)})


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_number_that_is_changed_is_found(name: str) -> None:
    solve, verify, given, limits = PROBLEMS[name]
    plan = solve(*given, **limits)
    assert verify(plan, *given, **limits) == []
    missed = [what for what, wrong in changes(plan) if not verify(wrong, *given, **limits)]
    assert missed == []


@pytest.mark.parametrize(
    "bad",
    [[[0, 99]], [[5, 0]], [[0, -1]], [[-1, 0]], [[0.5, 1]], [[np.nan, 0]], [[0, 1, 2]], ["x"]],
)
def test_what_cannot_be_a_choice_is_a_finding(bad: Any) -> None:
    found = siting.verify(bad, NEAR, DEMAND, 3)
    assert any(p.where == "selected" for p in found)
    assert all(p.what.render("ja") != p.what.render("en") for p in found)  # type: ignore[union-attr]


def test_swapped_and_repeated_columns_are_findings() -> None:
    plan = siting.solve_allocation(NEAR, DEMAND, 3, 1)
    swapped = replace(plan, selected=plan.selected[:, ::-1])
    assert siting.verify(swapped, NEAR, DEMAND, 3, 1)
    twice = replace(plan, selected=np.vstack([plan.selected, plan.selected[:1]]))
    assert "occurs twice" in " ".join(map(str, siting.verify(twice, NEAR, DEMAND, 3, 1)))


def test_a_bound_far_above_is_not_that_of_an_optimal_plan() -> None:
    plan = siting.solve_allocation(NEAR, DEMAND, 3, 1)
    assert plan.status == Status.OPTIMAL
    told = siting.verify(replace(plan, bound=2 * plan.bound), NEAR, DEMAND, 3, 1)
    assert [p.where for p in told] == ["status"]
    open_ = replace(plan, bound=2 * plan.bound, status=Status.FEASIBLE)
    assert siting.verify(open_, NEAR, DEMAND, 3, 1) == []
    for bound in (np.nan, np.inf):
        assert siting.verify(replace(plan, bound=bound), NEAR, DEMAND, 3, 1)


def masked(n: int, *sites: int) -> np.ndarray:
    mask = np.zeros(n, dtype=bool)
    mask[list(sites)] = True
    return mask


def test_masks_are_read_as_the_solvers_read_them() -> None:
    limits: dict[str, Any] = {"fixed": masked(12, 3), "forbidden": masked(12, 0, 7)}
    plan: Plan = siting.solve_mclp(NEAR[0], DEMAND[0], 4, **limits)
    assert siting.verify(plan, NEAR[0], DEMAND[0], 4, **limits) == []
    with_it = siting.verify(plan, NEAR[0], DEMAND[0], 4, forbidden=masked(12, 3))
    assert [(p.where, p.value) for p in with_it] == [("forbidden", (0, 3))]
    without = np.array([i for i in range(4) if i != 3])
    left_out = siting.verify(without, NEAR[0], DEMAND[0], 4, fixed=masked(12, 3))
    assert [(p.where, p.value) for p in left_out] == [("fixed", (0, 3))]
    cover = siting.solve_partial_cover(NEAR[0], DEMAND[0], 0.8, fixed=[3], forbidden=[0, 7])
    assert siting.verify_cover(cover, NEAR[0], DEMAND[0], 0.8, **limits) == []

    pairs = np.zeros((2, 12), dtype=bool)
    pairs[1, 4] = True
    plan = siting.solve_allocation(NEAR, DEMAND, 3, 1, fixed=pairs)
    assert siting.verify(plan, NEAR, DEMAND, 3, 1, fixed=pairs) == []
    found = siting.verify(plan, NEAR, DEMAND, 3, 1, forbidden=pairs)
    assert [(p.where, p.value) for p in found] == [("forbidden", (1, 4))]
    # An empty plan is read as pairs, too, where there are several carriers.
    found = siting.verify([], NEAR, DEMAND, 3, 1, fixed=[(1, 4)])
    assert [(p.where, p.value) for p in found] == [("fixed", (1, 4))]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("selected", [[0, 1], [1]]),
        ("selected", None),
        ("selected", "ab"),
        ("selected", iter([0, 1])),
        ("objective", 10**400),
        ("bound", 10**400),
        ("status", np.array(["optimal", "feasible"])),
        ("status", None),
        ("assignments", None),
        ("assignments", [[0, 1]]),
    ],
)
def test_what_has_another_form_is_a_finding(field: str, wrong: Any) -> None:
    plan = siting.solve_allocation(NEAR, DEMAND, 3, 1)
    found = siting.verify(replace(plan, **{field: wrong}), NEAR, DEMAND, 3, 1, fixed=[])
    assert any(str(p.where).startswith(field) for p in found)
    plan = siting.solve_mclp(NEAR[0], DEMAND[0], 4)
    found = siting.verify(replace(plan, **{field: wrong}), NEAR[0], DEMAND[0], 4)
    assert any(str(p.where).startswith(field) for p in found)


def test_findings_name_carriers_and_sites_by_position() -> None:
    xy = np.column_stack([np.arange(12) * 10.0, np.zeros(12)])
    pairs = [(1, 3), (1, 4), (0, 3)]
    limits: dict[str, Any] = {"cost": COST, "budget": [None, 1.0], "xy_m": xy, "spacing_m": 15.0}
    told = {str(p.where) for p in siting.verify(pairs, NEAR, DEMAND, [3, 1], 1, **limits)}
    assert told == {"carrier[1]", "carrier[1], site[3], site[4]", "site[3]"}


def test_words_and_truths_are_no_numbers() -> None:
    plan = siting.solve_mclp(NEAR[0], DEMAND[0], 2)
    for wrong in (
        {"objective": str(plan.objective)},
        {"selected": [str(i) for i in plan.selected]},
        {"selected": np.isin(np.arange(12), plan.selected)},
        {"selected": [*plan.selected[:-1].tolist(), True]},
        {"bound": True},
    ):
        (field,) = wrong
        found = siting.verify(replace(plan, **wrong), NEAR[0], DEMAND[0], 2)
        assert any(str(p.where).startswith(field) for p in found)


def test_sets_of_a_single_carrier() -> None:
    for members in ([0], [(0, 0)], masked(12, 0)):
        assert siting.verify([0, 3], NEAR[0], DEMAND[0], at_most=[(members, 1)]) == []
        (found,) = siting.verify([0, 3], NEAR[0], DEMAND[0], at_most=[(members, 0)])
        assert (found.where, found.value) == ("at_most[0]", 1)
