"""What floors lack on models too large to branch whole, against the exact elastic model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.errors import InfeasibleError
from tdh.siting import Effort, exact, infeasible, programme, shortfall, solve_allocation, solving
from tdh.siting.allocation import check, model_of


def problem(seed: int, share: float) -> dict[str, Any]:
    """Two carriers, 20 sites, four floors that share what they may use."""
    rng = np.random.default_rng(seed)
    demand = np.round(rng.gamma(1.0, 30.0, (2, 60)), 2)
    part = np.arange(60) % 4
    return {
        "footprints": [sparse.csr_array(rng.random((20, 60)) < 0.08) for _ in range(2)],
        "demand": demand,
        "max_sites": [4, 3],
        "sharing_capacity": 1,
        "floors": [(part == k, share * float(demand[:, part == k].sum())) for k in range(4)],
    }


@pytest.mark.parametrize("simplex", [programme.SIMPLEX, 0])
@pytest.mark.parametrize("share", [0.2, 0.45, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_bound_and_plan_enclose_the_least(
    seed: int, share: float, simplex: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programme, "SIMPLEX", simplex)
    m = model_of(check(**problem(seed, share))).arrays
    truth = exact.least_shortfall(m, nodes=20_000)
    assert truth.lack is not None
    least = float(truth.lack.sum())
    found = shortfall.of_large(m)
    assert found.lack is not None and found.chosen is not None
    assert found.least <= least * (1 + 1e-9) + 1e-9
    assert least * (1 - 1e-9) - 1e-6 <= float(found.lack.sum()) <= 1.5 * least + 1e-6
    again = np.maximum(m.need - exact.within(m, found.chosen), 0.0)
    assert again == pytest.approx(found.lack, abs=1e-6)


def test_floors_that_conflict_only_together_are_proven_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large model: neither a floor alone nor the search says so, the relaxation's prices do."""
    monkeypatch.setattr(infeasible, "ELASTIC_MOST", -1)
    monkeypatch.setattr(solving, "SMALL", -1)
    for step in ("close", "decide_floors"):
        monkeypatch.setattr(solving._Search, step, lambda *args: False)
    with pytest.raises(InfeasibleError, match="the floors conflict") as caught:
        solve_allocation(**problem(0, 0.45), effort=Effort(work=0.02))
    assert "none is possible below" in caught.value.render("en")
