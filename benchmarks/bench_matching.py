"""Matching at the size of a national round: 10,000 assets, 8 carriers, 1,000 ranked requests each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tdh import matching

N_ASSETS, N_CARRIERS, N_REQUESTS = 10_000, 8, 1_000


def requests() -> pd.DataFrame:
    """Lists that overlap: some assets are wanted by nearly all."""
    rng = np.random.default_rng(0)
    weight = 1.0 / np.arange(1, N_ASSETS + 1) ** 0.7
    weight /= weight.sum()
    rows = []
    for carrier in range(N_CARRIERS):
        wanted = rng.choice(N_ASSETS, N_REQUESTS, replace=False, p=weight)
        rows += [(f"carrier-{carrier}", f"asset-{a:05d}", r) for r, a in enumerate(wanted, 1)]
    return pd.DataFrame(rows, columns=["carrier", "asset", "rank"])


@pytest.mark.parametrize("rule", matching.RULES)
def test_a_national_round(benchmark: Any, rule: str) -> None:
    wanted = requests()
    capacity = {f"asset-{a:05d}": 2 for a in range(N_ASSETS)}
    award = benchmark.pedantic(
        matching.match,
        (wanted, capacity, rule),
        {"caps": 200, "seed": 1},
        rounds=1,
    )
    assert matching.verify(award, wanted, capacity, caps=200) == []
    assert len(award.awards) + len(award.refusals) == N_CARRIERS * N_REQUESTS
