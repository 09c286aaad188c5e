"""Every entry that takes a seed refuses what is none in the same words, before it computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tdh
from tdh import demand, matching, scoring, seeds, siting
from tdh.errors import InputError

NEAR = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1]], dtype=bool))
PEOPLE = [3.0, 2.0, 1.0]
HALVES = [np.array([True, False, False]), np.array([False, True, True])]
REQUESTS = pd.DataFrame({"carrier": ["a"], "asset": ["roof"], "rank": [1]})
ENTRIES: dict[str, Callable[[Any], object]] = {
    "mclp": lambda s: siting.solve_mclp(NEAR, PEOPLE, 1, seed=s),
    "cover": lambda s: siting.solve_partial_cover(NEAR, PEOPLE, 0.5, seed=s),
    "allocation": lambda s: siting.solve_allocation([NEAR], [PEOPLE], 1, seed=s),
    "max_min": lambda s: siting.solve_max_min([NEAR], [PEOPLE], HALVES, 1, seed=s),
    "backup": lambda s: siting.solve_backup_cover([NEAR], [PEOPLE], (1, 0.5), 1, seed=s),
    "in_order": lambda s: siting.solve_lexicographic([NEAR], [[PEOPLE]], 1, seed=s),
    "shared_cost": lambda s: siting.solve_shared_cost([NEAR], [PEOPLE], 3, 2, 1, seed=s),
    "years": lambda s: siting.solve_years([NEAR], [PEOPLE], [[1]], n_years=1, seed=s),
    "curve": lambda s: siting.coverage_curve([NEAR], [PEOPLE], [1], seed=s),
    "cost_curve": lambda s: siting.cost_curve([NEAR], [PEOPLE], [1, 1], [1], seed=s),
    "scores": lambda s: scoring.stability(pd.DataFrame({"carrier_id": []}), 1, seed=s),
    "placing": lambda s: demand.learn_placing(
        pd.DataFrame({"mesh_code": [], "population": []}), None, None, seed=s
    ),
    "lottery": lambda s: matching.match(REQUESTS, 1, "serial_rotation", seed=s),
    "demo": lambda s: tdh.demo(Path("nowhere"), seed=s),
}


@pytest.mark.parametrize("seed", [-1, 1.5, "x", None, True, np.nan, [1]])
@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_no_seed_is_refused(entry: str, seed: Any) -> None:
    with pytest.raises(InputError, match="seed: a seed is a whole number from 0"):
        ENTRIES[entry](seed)
    assert not Path("nowhere").exists()


def test_a_seed_beyond_the_generators_is_refused() -> None:
    with pytest.raises(InputError, match="expected: 0 … 4294967295"):
        siting.solve_mclp(NEAR, PEOPLE, 1, seed=2**32)
    assert seeds.whole(np.int64(2**32 - 1)) == 2**32 - 1
    assert matching.match(REQUESTS, 1, "serial_rotation", seed=2**70).seed == 2**70
