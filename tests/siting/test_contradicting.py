"""Choices that must be made and break a limit: told by position, by id, and with what would mend it."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError
from tdh.siting import plan_backup, plan_sites, plan_years, solve_allocation, solve_years

ROOFS = gpd.GeoDataFrame(
    {"rent": [4e6, 5e6, 6e6]},
    index=["R1", "R2", "R3"],
    geometry=gpd.points_from_xy([0, 60, 900], [0, 0, 0]),
    crs=6677,
)
NEAR = {"a": sparse.csr_array(np.eye(3, dtype=bool)), "b": sparse.csr_array(np.eye(3, dtype=bool))}
PEOPLE = pd.DataFrame({"a": [5.0, 4, 3], "b": [1.0, 2, 3]}, index=["m1", "m2", "m3"])
BOTH = [("a", "R1"), ("a", "R2")]

CASES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"spacing_m": 100, "fixed": BOTH}, ("R1, R2 (a): 60.0 m", ">= 100 m", "spacing_m to 60")),
    ({"fixed": [("a", "R3"), ("b", "R3")]}, ("sharing_capacity[R3]", "2 (a, b)", "to 2")),
    ({"max_sites": {"a": 1}, "fixed": BOTH}, ("max_sites[a]", "R1 (a), R2 (a)", "max_sites[a] to 2")),
    (
        {"budget": {"a": 8e6}, "cost": "rent", "fixed": BOTH},
        ("budget[a]", "9000000: R1 (a), R2 (a)", "<= 8000000", "budget[a] to 9000000"),
    ),
    (
        {"programme_budget": 8e6, "cost": "rent", "fixed": BOTH},
        ("programme_budget: ", "programme_budget to 9000000"),
    ),
    ({"fixed": BOTH, "forbidden": BOTH[:1]}, ("fixed and forbidden: R1 (a)",)),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "said"), CASES)
def test_frames_tell_ids_and_what_would_mend_it(
    rules: dict[str, Any], said: tuple[str, ...]
) -> None:
    for plan in (plan_sites, plan_backup):
        with pytest.raises(InfeasibleError) as caught:
            plan(ROOFS, NEAR, PEOPLE, **rules)
        for words in said:
            assert words in caught.value.render("en")
        assert "e+0" not in caught.value.render("ja")


def test_floors_of_frames_are_told_in_ids() -> None:
    cells = pd.Series(True, index=PEOPLE.index)
    with pytest.raises(InfeasibleError) as caught:
        plan_sites(ROOFS, NEAR, PEOPLE, max_sites={"a": 1}, floors=[(cells, 9, "a")])
    text = caught.value.render("en")
    assert "floors[0], a: " in text and "lowers it by 4, to 5" in text
    assert "max_sites[a]" in text and "set it to 2 (1 more; no less suffices)" in text


def test_years_tell_the_limit_that_binds() -> None:
    with pytest.raises(InfeasibleError) as caught:
        plan_years(
            ROOFS, NEAR, PEOPLE, [2026, 2027], yearly_budget={2026: 5e6, 2027: 3e6}, cost="rent",
            fixed=BOTH, programme_budget=8.5e6,
        )  # fmt: skip
    text = caught.value.render("en")
    assert "yearly_budget: " in text
    assert "to 9000000 over all years, and programme_budget likewise" in text
    arrays = list(NEAR.values())
    with pytest.raises(InfeasibleError, match=r"max_total\[0\].*exceed the number"):
        solve_years(
            arrays, PEOPLE.to_numpy().T, [2, 2], 2, max_total=1, in_place=[(0, 2)],
            fixed=[(0, 0), (0, 1)],
        )  # fmt: skip


def test_arrays_tell_positions() -> None:
    with pytest.raises(InfeasibleError, match=r"max_sites\[0\]: .*: 2: 0 \(carrier\[0\]\), 1"):
        solve_allocation([NEAR["a"]], [[5, 4, 3]], 1, fixed=[(0, 0), (0, 1)])
