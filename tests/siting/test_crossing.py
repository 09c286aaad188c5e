"""Partition crossover: against a recount, both parents, and all ways to take the parts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from tdh.siting import crossing, exact
from tdh.siting.allocation import check, model_of
from tdh.siting.model import Arrays


def arrays(n_sites: int, number: int, rng: np.random.Generator) -> Arrays:
    """Discs in a plane: sites far from each other share nothing."""
    xy, cells = rng.uniform(0, 20, (n_sites, 2)), rng.uniform(0, 20, (600, 2))
    near = ((xy[:, None] - cells) ** 2).sum(axis=2) < 5.0
    request = check(
        [sparse.csr_array(near)], rng.integers(1, 9, (1, 600)) * 1.0, number, 1, None, 0.0,
        None, None, None, None, None,
    )  # fmt: skip
    return model_of(request).arrays


def value(m: Arrays, chosen: np.ndarray) -> float:
    return float(m.weight[exact.covered(m, chosen)].sum())


def plan(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros(n, dtype=bool)
    out[rng.choice(n, size, replace=False)] = True
    return out


@pytest.mark.parametrize("seed", range(20))
def test_the_best_of_all_ways_to_take_the_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = arrays(40, 12, rng)
    one = plan(40, int(rng.integers(10, 13)), rng)
    other = plan(40, 13, rng)
    other[rng.permutation(np.flatnonzero(one))[:6]] = True  # in common, and some too many
    child = crossing.cross(m, one, other, 12)
    part, gain, more = crossing._parts(m.cover_ptr, m.cover_idx, m.weight, one, other)
    assert np.array_equal(part >= 0, one != other)
    best = -np.inf
    for taken in itertools.product([False, True], repeat=len(gain)):
        mixed = np.where((part >= 0) & np.array(taken)[part], other, one)
        # What the parts change adds up, for any of them together.
        assert value(m, mixed) == value(m, one) + gain @ np.array(taken)
        assert mixed.sum() == one.sum() + more @ np.array(taken)
        if mixed.sum() <= 12:
            best = max(best, value(m, mixed))
    assert child.sum() <= 12
    assert value(m, child) == best
    assert np.array_equal(child, crossing.cross(m, one, other, 12))


def test_a_child_is_better_than_parents_that_are_good_in_different_places() -> None:
    rng = np.random.default_rng(3)
    m = arrays(120, 15, rng)
    better = 0
    for _ in range(50):
        one, change = plan(120, 15, rng), plan(120, 4, rng)
        other = one.copy()
        other[rng.choice(np.flatnonzero(one), 4, replace=False)] = False
        other |= change
        other[np.flatnonzero(other)[15:]] = False
        child = crossing.cross(m, one, other, 15)
        parents = max(value(m, one), value(m, other))
        assert child.sum() <= 15
        assert value(m, child) >= parents
        better += value(m, child) > parents
    assert better >= 10


def test_parts_are_those_that_share_what_is_not_covered_in_common() -> None:
    """Sites in a row, each sharing a cell with the next; the one in the middle is in both plans."""
    covers = np.zeros((5, 6), dtype=bool)
    for p in range(5):
        covers[p, p : p + 2] = True
    covers[2, 1:5] = True
    request = check(
        [sparse.csr_array(covers)], np.ones((1, 6)), 3, 1, None, 0.0, None, None, None, None, None
    )
    m = model_of(request).arrays
    one, other = np.array([True, False, True, True, False]), np.array([0, 1, 1, 0, 1], dtype=bool)
    part, gain, more = crossing._parts(m.cover_ptr, m.cover_idx, m.weight, one, other)
    # 0 and 1 share nothing that 2 does not cover, nor do 3 and 4.
    assert sorted(part.tolist()) == [-1, 0, 1, 2, 3]
    assert gain[part[[0, 1, 3, 4]]].tolist() == [-1, 0, 0, 1]
    assert more[part[[0, 1, 3, 4]]].tolist() == [-1, 1, -1, 1]
    assert crossing.cross(m, one, other, 3).tolist()[0]
    assert crossing.cross(m, one, other, 3).tolist()[4]
    assert crossing.cross(m, one, one, 3).tolist() == one.tolist()
