"""The bound from the likely pairs: the one of the whole model, and valid whatever the part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tdh.siting import columns, dual
from tdh.siting.allocation import check, model_of
from tdh.siting.model import Arrays


def model(seed: int, **limits: Any) -> Arrays:
    rng = np.random.default_rng(seed)
    sites, cells = rng.uniform(0, 1, (300, 2)), rng.uniform(0, 1, (2_000, 2))
    near = np.hypot(*(sites[:, None] - cells[None]).transpose(2, 0, 1)) < 0.09
    demand = rng.gamma(1.0, 5.0, (2, len(cells)))
    return model_of(check([sparse.csr_array(near)] * 2, demand, [15, 10], **limits)).arrays


LIMITS: list[dict[str, Any]] = [
    {"sharing_capacity": 2},
    {"sharing_capacity": 1},
    {
        "sharing_capacity": 1,
        "xy_m": np.random.default_rng(5).uniform(0, 3_000, (300, 2)),
        "spacing_m": 150.0,
    },
]


@pytest.mark.parametrize("limits", LIMITS, ids=["free", "shared", "spaced"])
@pytest.mark.parametrize("each", [2, 6])
def test_the_bound_is_that_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], each: int
) -> None:
    m = model(1, **limits)
    whole = dual.relax(m, chunks=200, tolerance=1e-5)
    sizes = []
    relax = dual.relax

    def noted(part: Arrays, **work: Any) -> dual.Prices:
        sizes.append(part.n_pairs)
        return relax(part, **work)

    monkeypatch.setattr(dual, "relax", noted)
    monkeypatch.setattr(columns, "LARGE", 0)
    monkeypatch.setattr(columns, "EACH", each)
    found = columns.relax(m, chunks=200, tolerance=1e-5)
    assert min(sizes) < m.n_pairs
    assert found.bound == pytest.approx(whole.bound, rel=5e-4)
    # Prices prove their bound on the whole model.
    again, reduced = dual.bound_of(m, found.u, found.mu, found.phi)
    assert again == pytest.approx(found.bound, rel=1e-12)
    np.testing.assert_allclose(reduced, found.reduced)


def test_a_part_that_lacks_the_best_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    m = model(2)
    whole = dual.relax(m, chunks=200, tolerance=1e-5)
    monkeypatch.setattr(columns, "LARGE", 0)
    # Prices that favour the pairs that are worth least.
    poor = dual.Prices(
        float(m.weight.sum()),
        np.zeros(m.n_pairs),
        -whole.reduced,
        np.zeros(m.n_groups),
        whole.mu,
        whole.phi,
        m.weight,
    )
    found = columns.relax(m, chunks=200, tolerance=1e-5, start=poor)
    assert found.bound == pytest.approx(whole.bound, rel=5e-4)
    assert found.bound >= whole.bound * (1 - 1e-4)
