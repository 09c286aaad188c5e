"""Annealed moves of single sites: against all plans, and near the published ones."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from tdh.siting import restricting, solve_mclp, swapping
from tdh.siting.allocation import check, model_of
from tdh.siting.model import Arrays

EARTH_M = 6_378_137.0


def arrays(footprint: sparse.csr_array, demand: np.ndarray, number: int) -> Arrays:
    request = check(
        [footprint], demand[None], number, 1, None, 0.0, None, None, None, None, None
    )  # fmt: skip
    return model_of(request).arrays


def value(m: Arrays, chosen: np.ndarray) -> float:
    got = {
        int(j) for p in np.flatnonzero(chosen) for j in m.cover_idx[slice(*m.cover_ptr[p : p + 2])]
    }
    return float(m.weight[sorted(got)].sum())


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_all_plans_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    footprint = sparse.csr_array(rng.random((18, 60)) < 0.25)
    m = arrays(footprint, rng.integers(1, 50, 60).astype(float), 4)
    ends = swapping.anneal(m, swapping.nearest(m), np.zeros(m.n_pairs, dtype=bool), 60_000, (seed,))
    plans = itertools.combinations(range(m.n_pairs), 4)
    chosen = np.zeros(m.n_pairs, dtype=bool)
    best = 0.0
    for plan in plans:
        chosen[:] = False
        chosen[list(plan)] = True
        best = max(best, value(m, chosen))
    assert max(value(m, end) for end in ends if end.sum() <= 4) == best


def test_the_same_seed_gives_the_same_plans() -> None:
    rng = np.random.default_rng(9)
    m = arrays(sparse.csr_array(rng.random((60, 300)) < 0.2), rng.gamma(1, 10, 300), 6)
    start = np.zeros(m.n_pairs, dtype=bool)
    start[[3, 8, 15, 21, 40, 55]] = True
    near = swapping.nearest(m)
    ends = swapping.anneal(m, near, start, 1_000, (1, 2))
    assert np.array_equal(ends, swapping.anneal(m, near, start, 1_000, (1, 2)))
    assert not np.array_equal(ends, swapping.anneal(m, near, start, 1_000, (1, 3)))
    assert not np.array_equal(ends[0], ends[1])
    assert (swapping.anneal(m, near, start, 0, (1, 2)) == start).all()


def test_only_models_of_a_number_and_much_overlap() -> None:
    rng = np.random.default_rng(2)
    thick = sparse.csr_array(rng.random((80, 400)) < 0.4)
    thin = sparse.csr_array(rng.random((80, 400)) < 0.03)
    demand = np.ones(400)
    assert swapping.applies(arrays(thick, demand, 5))
    assert not swapping.applies(arrays(thin, demand, 5))
    dear = check(
        [thick], demand[None], None, 1, None, 0.0, None, None, None,
        rng.uniform(1, 2, 80), 7.0,
    )  # fmt: skip
    assert not swapping.applies(model_of(dear).arrays)


def read(path: Path, radius_m: float) -> tuple[sparse.csr_array, np.ndarray]:
    """A published instance: every point is a site and holds demand."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    size = int(next(line for line in lines if line.startswith("DIMENSION")).split(":")[1])
    first, second = lines.index("NODE_COORD_SECTION") + 1, lines.index("DEMAND_SECTION") + 1
    points = np.array([[float(v) for v in line.split()] for line in lines[first : first + size]])
    demand = np.array([float(line) for line in lines[second : second + size]])
    lat, lon = np.radians(points).T
    chord = np.sin((lat[:, None] - lat) / 2) ** 2
    chord += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return sparse.csr_array(2 * EARTH_M * np.arcsin(np.sqrt(chord)) <= radius_m), demand


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "number", "radius_m"), [("NewYork", 50, 400), ("Bronx", 100, 600)]
)
def test_published_instances(data_dir: Path, name: str, number: int, radius_m: int) -> None:
    folder = data_dir / "benchmarks" / "mclp"
    footprint, demand = read(folder / f"{name}.txt", radius_m)
    best = (folder / "best_known" / f"{name}_{number}_{radius_m}.txt").read_text().splitlines()
    published = float(best[0].split(":")[1])
    sites = np.array(best[1].split(":")[1].split(), dtype=int)
    reached = demand[footprint[sites].sum(axis=0) > 0].sum()
    assert reached == published, "the instance is read as its authors meant it"
    plan = solve_mclp(footprint, demand, max_sites=number)
    assert "annealed moves" in plan.method
    assert plan.objective >= 0.998 * published
    assert plan.bound >= published


@pytest.mark.parametrize("part", [False, True])
def test_what_sites_near_each_other_do_not_share(part: bool) -> None:
    rng = np.random.default_rng(4)
    m = arrays(sparse.csr_array(rng.random((40, 200)) < 0.2), rng.integers(1, 9, 200) * 1.0, 4)
    if part:
        free = rng.random(40) < 0.7
        got = restricting.restrict(m, free, np.zeros(40, dtype=bool))
        assert got is not None
        m = got.arrays
    n, each = m.n_pairs, 5
    cover = m.cover_idx.view(np.uint32)
    near = swapping._nearest(m.cover_ptr, cover, m.group_ptr, m.group_idx, m.weight, each)
    ptr, idx = swapping._apart(m.cover_ptr, cover, near)
    own = [set(m.cover_idx[slice(*m.cover_ptr[p : p + 2])].tolist()) for p in range(n)]
    for p in range(n):
        apart = {q: m.weight[sorted(own[p] ^ own[q])].sum() for q in range(n) if own[p] & own[q]}
        least = sorted(value for q, value in apart.items() if q != p)[:each]
        assert np.allclose([apart[q] for q in near[p]], least)
        for r, q in enumerate(near[p].tolist()):
            changes = idx[ptr[p * each + r] : ptr[p * each + r + 1]]
            lost, won = changes[changes % 2 == 0] // 2, changes[changes % 2 == 1] // 2
            assert sorted(lost.tolist()) == sorted(own[p] - own[q])
            assert sorted(won.tolist()) == sorted(own[q] - own[p])


def test_changes_add_up_to_what_a_recount_finds() -> None:
    rng = np.random.default_rng(6)
    m = arrays(sparse.csr_array(rng.random((50, 200)) < 0.2), rng.gamma(1, 9, 200), 5)
    cover = m.cover_idx.view(np.uint32)
    near = swapping._nearest(m.cover_ptr, cover, m.group_ptr, m.group_idx, m.weight, 12)
    start = rng.choice(m.n_pairs, 5, replace=False)
    for steps in (50, 500, 5_000):
        sites, reached = swapping._anneal(
            m.cover_ptr, cover, m.group_ptr, m.group_idx, m.weight, near,
            *swapping._apart(m.cover_ptr, cover, near), start, 5, steps, 3, 0.3, 0.05,
        )  # fmt: skip
        chosen = np.zeros(m.n_pairs, dtype=bool)
        chosen[sites] = True
        assert chosen.sum() == len(sites)
        assert np.isclose(reached, value(m, chosen), rtol=1e-9)
        assert not np.array_equal(np.sort(sites), np.sort(start))
