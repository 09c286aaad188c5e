"""Siting on generated planes of 45 x 25 km: time, and the gap that is proven.

``pytest benchmarks/bench_siting.py --benchmark-only`` runs the small sizes; the large ones are
marked ``slow``: ``-m slow``. The proven gap stands in ``extra_info``.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import sparse
from scipy.spatial import cKDTree
from sklearn.neighbors import BallTree

from tdh.siting import (
    Effort,
    solve_allocation,
    solve_mclp,
    solve_partial_cover,
    solve_years,
    verify,
    verify_cover,
    verify_years,
)

WIDTH_M, HEIGHT_M = 45_000.0, 25_000.0


def plane(
    n_sites: int, n_cells: int, seed: int, directions: int = 0
) -> tuple[sparse.csr_array, np.ndarray, np.ndarray, np.ndarray]:
    """Footprints, demand, sites' positions and cells' positions.

    Discs of 400 to 1,000 m, or ragged: half of so many directions are blocked at 30 to 100 % of
    the radius, as buildings do. The narrower the directions, the farther the linear relaxation is
    from any plan. Beyond 10,000 sites they are smaller, so that one in twenty still leaves much.
    Demand gathers around 60 centres.
    """
    rng = np.random.default_rng(seed)
    side = np.sqrt(WIDTH_M * HEIGHT_M / n_cells)
    n_cols, n_rows = int(WIDTH_M / side), int(HEIGHT_M / side)
    xy = rng.uniform([0, 0], [WIDTH_M, HEIGHT_M], (n_sites, 2))
    radius = rng.uniform(400, 1000, n_sites) * min(1.0, np.sqrt(10_000 / n_sites))
    rows, cols = np.divmod(np.arange(n_rows * n_cols), n_cols)
    cells = np.column_stack([(cols + 0.5) * side, (rows + 0.5) * side])
    demand = np.full(len(cells), 0.02)
    for centre in rng.uniform([0, 0], [WIDTH_M, HEIGHT_M], (60, 2)):
        spread = rng.uniform(800, 4000)
        distance = ((cells - centre) ** 2).sum(axis=1)
        demand += rng.lognormal() * np.exp(-distance / (2 * spread**2))
    demand *= rng.lognormal(0, 0.7, len(cells))
    parts = []
    for (x, y), reach in zip(xy, radius, strict=True):
        first_col, last_col = (int(np.clip((x + d) / side, 0, n_cols)) for d in (-reach, reach))
        first_row, last_row = (int(np.clip((y + d) / side, 0, n_rows)) for d in (-reach, reach))
        col, row = np.meshgrid(
            np.arange(first_col, min(last_col + 1, n_cols)),
            np.arange(first_row, min(last_row + 1, n_rows)),
        )
        dx, dy = (col + 0.5) * side - x, (row + 0.5) * side - y
        limit: Any = reach
        if directions:
            blocked = rng.random(directions) < 0.5
            open_share = np.where(blocked, rng.uniform(0.3, 1, directions), 1.0)
            turn = (np.arctan2(dy, dx) + np.pi) / (2 * np.pi)
            limit = reach * open_share[(turn * directions).astype(int) % directions]
        inside = np.hypot(dx, dy) <= limit
        parts.append((row[inside] * n_cols + col[inside]).astype(np.int32))
    indices = np.concatenate(parts)
    indptr = np.concatenate([[0], np.cumsum([len(p) for p in parts])])
    footprint = sparse.csr_array(
        (np.ones(len(indices), dtype=bool), indices, indptr), shape=(n_sites, len(cells))
    )
    return footprint, demand, xy, cells


def carriers(n_sites: int, n_cells: int, seed: int, floor: float) -> dict[str, Any]:
    """Four carriers with gaps of their own, 300 m spacing, K = 2, floors in 23 wards."""
    footprint, people, xy, cells = plane(n_sites, n_cells, seed)
    rng = np.random.default_rng(seed + 99)
    demand = []
    for share in (0.4, 0.3, 0.2, 0.1):
        inside = np.zeros(len(cells), dtype=bool)
        for centre in rng.uniform([0, 0], [WIDTH_M, HEIGHT_M], (25, 2)):
            inside |= np.hypot(*(cells - centre).T) < rng.uniform(2000, 6000)
        demand.append(people * share * np.where(inside, 1.0, 0.15))
    problem: dict[str, Any] = {
        "footprints": [footprint] * 4,
        "demand": np.array(demand),
        "max_sites": [int(n_sites / 20 * s) for s in (1.1, 1.0, 0.9, 0.8)],
        "sharing_capacity": 2,
        "xy_m": xy,
        "spacing_m": 300.0,
    }
    if floor:
        free = solve_allocation(**problem, effort=Effort(gap=0.05))
        served = np.zeros(problem["demand"].shape, dtype=bool)
        for carrier, site in free.selected:
            part = slice(footprint.indptr[site], footprint.indptr[site + 1])
            served[carrier, footprint.indices[part]] = True
        wards = np.random.default_rng(5).uniform([0, 0], [WIDTH_M, HEIGHT_M], (23, 2))
        ward = cKDTree(wards).query(cells)[1]
        whole = np.bincount(ward, problem["demand"].sum(axis=0), 23)
        got = np.bincount(ward, (problem["demand"] * served).sum(axis=0), 23)
        # Floors near the middle ward's share bind in those that the free plan serves worst.
        least = floor * float(np.median(got / whole))
        problem["floors"] = [(ward == w, least * whole[w]) for w in range(23)]
    return problem


LARGE = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("n_sites", "n_cells"), [(200, 5_000), (500, 12_000)])
def test_beside_spopt(benchmark: BenchmarkFixture, n_sites: int, n_cells: int) -> None:
    """The same objective as PySAL spopt, and the ratio of the times; needs spopt and pulp.

    spopt is given the matrix of costs, so that its time holds no distances.
    """
    locate, pulp = pytest.importorskip("spopt.locate"), pytest.importorskip("pulp")
    footprint, demand, _, _ = plane(n_sites, n_cells, 0)
    number = n_sites // 20
    plan = benchmark.pedantic(
        solve_mclp,
        (footprint, demand),
        {"max_sites": number, "effort": Effort(gap=0.0)},
        rounds=5,
        warmup_rounds=1,
    )
    begun = time.perf_counter()
    cost = np.where(footprint.toarray(), 0.0, 2.0).T
    peer = locate.MCLP.from_cost_matrix(cost, demand, service_radius=1.0, p_facilities=number)
    peer = peer.solve(pulp.PULP_CBC_CMD(msg=False))
    took = time.perf_counter() - begun
    assert benchmark.stats is not None
    benchmark.extra_info.update(times_quicker=took / benchmark.stats.stats.median)
    assert plan.status == "optimal"
    assert np.isclose(plan.objective, peer.problem.objective.value(), rtol=1e-9)


@pytest.mark.parametrize(
    "n_cells", [100_000, *(pytest.param(n, marks=LARGE) for n in (10**6, 10**7))]
)
def test_few_sites_that_overlap_much(benchmark: BenchmarkFixture, n_cells: int) -> None:
    """100 sites of radius 5.5 in a square of 30 (as Cordeau, Furini and Ljubic 2019), 10 of them."""
    rng = np.random.default_rng(0)
    cells, sites = rng.uniform(0, 30, (n_cells, 2)), rng.uniform(0, 30, (100, 2))
    demand = rng.integers(1, 101, n_cells).astype(float)
    rows = [np.flatnonzero(((cells - s) ** 2).sum(axis=1) <= 5.5**2) for s in sites]
    indptr = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    indices = np.concatenate(rows).astype(np.int32)
    footprint = sparse.csr_array(
        (np.ones(len(indices), dtype=bool), indices, indptr), (100, n_cells)
    )
    plan = benchmark.pedantic(
        solve_mclp,
        (footprint, demand),
        {"max_sites": 10, "effort": Effort(gap=0.0 if n_cells <= 100_000 else 0.004)},
        rounds=1,
    )
    benchmark.extra_info.update(gap=plan.gap, method=plan.method)
    assert plan.gap <= 0.02


@pytest.mark.parametrize("directions", [0, 8, 64], ids=["discs", "ragged", "splintered"])
@pytest.mark.parametrize(
    ("n_sites", "n_cells"),
    [
        (200, 5_000),
        (1_000, 50_000),
        pytest.param(5_000, 500_000, marks=LARGE),
        pytest.param(10_000, 2_000_000, marks=LARGE),
        pytest.param(20_000, 10_000_000, marks=LARGE),
    ],
)
def test_mclp(benchmark: BenchmarkFixture, n_sites: int, n_cells: int, directions: int) -> None:
    footprint, demand, _, _ = plane(n_sites, n_cells, 0, directions)
    plan = benchmark.pedantic(
        solve_mclp,
        (footprint, demand),
        {"max_sites": n_sites // 20, "effort": Effort(gap=0.008)},
        rounds=1,
    )
    benchmark.extra_info.update(gap=plan.gap, method=plan.method, nonzeros=footprint.nnz)
    assert plan.gap <= 0.02


@pytest.mark.parametrize("share", [1.0, 0.9])
@pytest.mark.parametrize(
    ("n_sites", "n_cells"),
    [
        (500, 20_000),
        pytest.param(2_000, 100_000, marks=LARGE),
        pytest.param(10_000, 2_000_000, marks=LARGE),
    ],
)
def test_fewest(benchmark: BenchmarkFixture, n_sites: int, n_cells: int, share: float) -> None:
    """The fewest sites for all that can be covered, and for most of it."""
    footprint, demand, *_ = plane(n_sites, n_cells, 0)
    cover = benchmark.pedantic(solve_partial_cover, (footprint, demand, share), rounds=1)
    benchmark.extra_info.update(sites=cover.sites, at_least=cover.at_least, gap=cover.gap)
    assert verify_cover(cover, footprint, demand, share) == []
    assert cover.gap <= (0.0 if n_sites == 500 else 0.06)


@pytest.mark.slow
def test_growth(benchmark: BenchmarkFixture) -> None:
    """How time grows with the entries of the footprints: the exponent of a power law through all."""
    entries, seconds = [], []

    def sizes() -> None:
        for n_sites, n_cells in ((2_000, 200_000), (5_000, 500_000), (10_000, 2_000_000)):
            footprint, demand, _, _ = plane(n_sites, n_cells, 0)
            begun = time.process_time()
            plan = solve_mclp(footprint, demand, max_sites=n_sites // 20, effort=Effort(gap=0.01))
            seconds.append(time.process_time() - begun)
            entries.append(footprint.nnz)
            assert plan.gap <= 0.012

    solve_mclp(*plane(2_000, 50_000, 0)[:2], max_sites=100, effort=Effort(gap=0.01))  # compiled
    benchmark.pedantic(sizes, rounds=1)
    exponent = float(np.polyfit(np.log(entries), np.log(seconds), 1)[0])
    benchmark.extra_info.update(exponent=exponent, entries=entries, seconds=seconds)


EARTH_M = 6_378_137.0
"""The radius that reproduces the published values."""


def published(folder: Path) -> list[tuple[str, sparse.csr_array, np.ndarray, int, float]]:
    """Name, footprints, demand, number of sites and published value of the 24 instances."""
    out = []
    for path in sorted((folder / "best_known").glob("*.txt")):
        name, number, radius_m = path.stem.split("_")
        best = float(path.read_text().splitlines()[0].split(":")[1])
        lines = [line.strip() for line in (folder / f"{name}.txt").read_text().splitlines()]
        size = int(next(line for line in lines if line.startswith("DIMENSION")).split(":")[1])
        at, to = (lines.index(f"{part}_SECTION") + 1 for part in ("NODE_COORD", "DEMAND"))
        points = np.radians([[float(v) for v in line.split()] for line in lines[at : at + size]])
        demand = np.array([float(line.removesuffix("EOF")) for line in lines[to : to + size]])
        near = BallTree(points, metric="haversine").query_radius(points, float(radius_m) / EARTH_M)
        indptr = np.concatenate([[0], np.cumsum([len(cells) for cells in near])])
        covers = np.ones(indptr[-1], dtype=bool)
        footprint = sparse.csr_array((covers, np.concatenate(near), indptr), (size, size))
        out.append((path.stem, footprint, demand, int(number), best))
    return out


WORK = 0.8
"""Effort for each of the published instances: a minute for all on two cores."""


@pytest.mark.slow
def test_published(benchmark: BenchmarkFixture) -> None:
    """The 24 published instances: value against the published one, and the gap that is proven."""
    if "TDH_DATA" not in os.environ:
        pytest.skip("TDH_DATA is not set: no real data")
    instances = published(Path(os.environ["TDH_DATA"]) / "benchmarks" / "mclp")
    solve_mclp(*instances[0][1:3], max_sites=5)  # compiled

    def one(instance: tuple[str, sparse.csr_array, np.ndarray, int, float]) -> tuple[float, float]:
        _, footprint, demand, number, best = instance
        plan = solve_mclp(footprint, demand, max_sites=number, effort=Effort(gap=0.0, work=WORK))
        assert plan.bound >= best * (1 - 1e-9), "a published plan lies above the bound"
        return 100 * (plan.objective / best - 1), 100 * plan.gap

    def all_of_them() -> dict[str, tuple[float, float]]:
        # Two at a time: the bound of one takes one core, which leaves the other to the next.
        with ThreadPoolExecutor(2) as pool:
            return dict(
                zip([name for name, *_ in instances], pool.map(one, instances), strict=True)
            )

    found = benchmark.pedantic(all_of_them, rounds=1)
    beside, gap = np.array(list(found.values())).T
    benchmark.extra_info.update(
        found=found, mean_beside_percent=beside.mean(), reached=int((beside >= 0).sum())
    )
    print(
        *(f"{name}: {b:+.3f} %, proven gap {g:.3f} %" for name, (b, g) in found.items()), sep="\n"
    )
    assert gap.max() < 2.0
    assert beside.min() > -0.3


@pytest.mark.parametrize("floor", [0.0, 0.8], ids=["free", "floors"])
@pytest.mark.parametrize(
    ("n_sites", "n_cells"),
    [
        (500, 20_000),
        pytest.param(2_000, 100_000, marks=LARGE),
        pytest.param(5_000, 500_000, marks=LARGE),
        pytest.param(10_000, 2_000_000, marks=LARGE),
    ],
)
def test_allocation(benchmark: BenchmarkFixture, n_sites: int, n_cells: int, floor: float) -> None:
    problem = carriers(n_sites, n_cells, 0, floor)
    plan = benchmark.pedantic(
        solve_allocation,
        (),
        {**problem, "effort": Effort(0.009, 0.2 if n_sites < 1000 else 1.0)},
        rounds=1,
    )
    benchmark.extra_info.update(gap=plan.gap, method=plan.method)
    footprints, demand = problem.pop("footprints"), problem.pop("demand")
    assert verify(plan, footprints, demand, **problem) == []
    assert plan.gap <= 0.05


@pytest.mark.parametrize("money", [False, True])
@pytest.mark.parametrize(
    ("n_sites", "n_cells"),
    [(500, 20_000), pytest.param(2_000, 100_000, marks=LARGE)],
)
def test_years(benchmark: BenchmarkFixture, n_sites: int, n_cells: int, money: bool) -> None:
    """Three years of an allocation; with money, too, that carries over and costs of three levels."""
    problem = carriers(n_sites, n_cells, 0, 0.0)
    most = np.array(problem.pop("max_sites"))
    problem["max_sites"] = np.array([most // 3, most // 3, most - 2 * (most // 3)])
    if money:
        cost = np.random.default_rng(7).choice([3.0, 5.0, 9.0], n_sites)
        problem["cost"] = np.broadcast_to(cost, (4, n_sites))
        problem["yearly_budget"] = np.full(3, most.sum() * 4.0 / 3)
    plan = benchmark.pedantic(solve_years, (), problem, rounds=1)
    benchmark.extra_info.update(gap=plan.gap, method=plan.method)
    footprints, demand = problem.pop("footprints"), problem.pop("demand")
    assert verify_years(plan, footprints, demand, **problem) == []
    assert plan.gap <= 0.02
