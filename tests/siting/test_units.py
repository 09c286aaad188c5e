"""The unit of money changes neither the plan nor its bound."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from tdh import siting


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
