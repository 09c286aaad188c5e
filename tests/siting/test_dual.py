"""The bound: steps on threads are the steps on one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from tdh.siting import dual
from tdh.siting.allocation import check, model_of


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    n_sites, n_cells = 80, 3_000
    near = sparse.csr_array(rng.random((n_sites, n_cells)) < 0.03)
    demand = rng.gamma(1.0, 5.0, (3, n_cells))
    ward = np.arange(n_cells) % 4
    problem = {
        "footprints": [near] * 3,
        "demand": demand,
        "max_sites": [12, 9, 7],
        "sharing_capacity": 2,
        "xy_m": rng.uniform(0, 3000, (n_sites, 2)),
        "spacing_m": 200.0,
        "floors": [(ward == w, 0.2 * float(demand[:, ward == w].sum())) for w in range(4)],
    }
    m = model_of(check(**problem)).arrays
    serial = dual.relax(m, chunks=8, tolerance=1e-6)
    calls = []
    for threads in (2, 3):
        monkeypatch.setattr(dual, "THREADED", 0)
        monkeypatch.setattr(dual, "available_threads", lambda n=threads: calls.append(n) or n)
        threaded = dual.relax(m, chunks=8, tolerance=1e-6)
        assert threaded.bound == serial.bound
        for name in ("x", "reduced", "u", "mu", "phi"):
            np.testing.assert_array_equal(getattr(threaded, name), getattr(serial, name))
    assert {2, 3} <= set(calls)


@pytest.mark.filterwarnings("error")
def test_a_bound_may_fall_to_nothing() -> None:
    """Where nothing may be chosen the bound is zero, from which no share of it is counted."""
    near = sparse.csr_array(np.eye(3, dtype=bool))
    m = model_of(check([near], np.full((1, 3), 1e9), 1)).arrays._replace(limit=np.zeros(1))
    loose = dual.bound_of(m, np.zeros(3), np.zeros(0), np.zeros(0))[0]
    start = dual.Prices(
        loose, np.zeros(3), np.zeros(3), np.ones(3), np.zeros(0), np.zeros(0), m.weight
    )
    found = dual.relax(m, chunks=8, tolerance=1e-6, start=start)
    assert found.bound == pytest.approx(0.0, abs=1e-5)
