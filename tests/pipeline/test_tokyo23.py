"""The real data: around Shinjuku against an exact solve, and the 23 wards as a whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, sparse
from scipy.spatial import cKDTree

import tdh
from tdh import siting
from tdh.results import Run

SCENARIO = Path(__file__).parents[2] / "benchmarks" / "tokyo23.toml"

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def shinjuku(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    scenario = tdh.read_scenario(SCENARIO, "shinjuku")
    return tdh.run(scenario, tmp_path_factory.mktemp("shinjuku") / "run")


def check(run: Run, recount: Callable[[Run], dict[str, float]]) -> None:
    facts = {s["name"]: s["facts"] for s in run.manifest["stages"]}["assets"]
    assert facts["rows"] == records_in(run)
    assert facts["rows"] == facts["accepted"] + facts["rejected"] + facts["needs_position"]
    assert facts["accepted"] == len(run.assets) + facts["merged"]
    plan, rules = run.plan, run.scenario.siting
    assert plan.groupby("asset_id").size().max() <= rules.sharing_capacity
    for carrier in run.carriers:
        own = plan[plan["carrier_id"] == carrier.id]
        assert 0 < len(own) <= carrier.max_sites
        xy = np.column_stack([own.geometry.x, own.geometry.y])
        assert cKDTree(xy).query(xy, k=2)[0][:, 1].min() >= rules.spacing_m - 1e-6
    summary = run.summary
    assert sum(recount(run).values()) == pytest.approx(summary["objective"], rel=1e-9)
    assert 0 < summary["objective"] <= summary["bound"] * (1 + 1e-9)


def records_in(run: Run) -> int:
    """Records of the registers, counted with the standard library; blank lines do not count."""
    total = 0
    for source in run.scenario.assets:
        content = source.path.read_bytes()
        if source.path.suffix == ".json":
            total += len(json.loads(content))
            continue
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp932")
        rows = list(csv.reader(text.splitlines(keepends=True)))
        total += sum(any(cell.strip() for cell in row) for row in rows[1:])
    return total


def test_around_shinjuku(shinjuku: Run, recount: Callable[[Run], dict[str, float]]) -> None:
    check(shinjuku, recount)


def test_the_gap_is_valid_against_an_exact_solve(shinjuku: Run) -> None:
    """Two carriers, the forty best assets: a straight integer programme lies within the bound."""
    run = shinjuku
    carriers = [c.id for c in run.carriers[:2]]
    best = run.scores[run.scores["carrier_id"].isin(carriers)]
    ids = best.sort_values("people_newly_served", ascending=False)["asset_id"].unique()[:40]
    position = {cell: i for i, cell in enumerate(run.cells.index)}
    footprints, demand = [], np.zeros((2, len(run.cells)))
    for k, carrier in enumerate(carriers):
        (band,) = run.carriers[k].bands
        signals = run.footprint(carrier, band)
        rows = signals.site_ids.get_indexer(ids)
        footprints.append(signals.footprint()[rows].tocsr())
        own = run.gaps[run.gaps["carrier_id"] == carrier]
        demand[k, [position[c] for c in own["cell_id"]]] = own["unmet_people"]
    points = run.assets.geometry.loc[ids]
    xy = np.column_stack([points.x, points.y])
    plan = siting.solve_allocation(
        footprints, demand, max_sites=4, sharing_capacity=1, xy_m=xy, spacing_m=300, seed=0
    )
    optimum = exact(footprints, demand, 4, 1, xy, 300.0)
    assert plan.objective <= optimum * (1 + 1e-6)
    assert plan.bound >= optimum * (1 - 1e-6)
    assert plan.objective >= optimum * (1 - 0.02)


def exact(
    footprints: list[sparse.csr_array],
    demand: np.ndarray,
    max_sites: int,
    capacity: int,
    xy: np.ndarray,
    spacing_m: float,
) -> float:
    """The allocation as one integer programme, written from its definition, solved by HiGHS."""
    n_sites = len(xy)
    pairs = cKDTree(xy).query_pairs(spacing_m - 1e-9, output_type="ndarray")
    blocks_x, blocks_y, weights, limits, budgets = [], [], [], [], []
    for k, footprint in enumerate(footprints):
        wanted = np.flatnonzero((demand[k] > 0) & (footprint.astype(float).sum(axis=0) > 0))
        cover = footprint[:, wanted].astype(float).T.tocsr()  # y_j <= sum of x_i that cover j
        blocks_x.append(-cover)
        blocks_y.append(sparse.eye_array(len(wanted)))
        weights.append(demand[k, wanted])
        apart = sparse.coo_array(
            (
                np.ones(2 * len(pairs)),
                (np.repeat(np.arange(len(pairs)), 2), pairs.ravel()),
            ),
            shape=(len(pairs), n_sites),
        )
        limits.append(apart)
        budgets.append(np.ones((1, n_sites)))
    n_y = sum(map(len, weights))
    covering = sparse.hstack([sparse.block_diag(blocks_x), sparse.block_diag(blocks_y)])
    zero = sparse.coo_array

    def on_sites(block: sparse.sparray) -> sparse.sparray:
        return sparse.hstack([block, zero((block.shape[0], n_y))])

    sharing = sparse.hstack([sparse.eye_array(n_sites)] * len(footprints))
    constraints = [
        optimize.LinearConstraint(covering.tocsc(), -np.inf, 0),
        optimize.LinearConstraint(on_sites(sparse.block_diag(budgets)).tocsc(), -np.inf, max_sites),
        optimize.LinearConstraint(on_sites(sharing).tocsc(), -np.inf, capacity),
    ]
    if len(pairs):
        constraints.append(
            optimize.LinearConstraint(on_sites(sparse.block_diag(limits)).tocsc(), -np.inf, 1)
        )
    n_x = n_sites * len(footprints)
    result = optimize.milp(
        -np.concatenate([np.zeros(n_x), *weights]),
        constraints=constraints,
        bounds=optimize.Bounds(0, 1),
        integrality=np.concatenate([np.ones(n_x), np.zeros(n_y)]),
        options={"mip_rel_gap": 1e-7, "time_limit": 120},
    )
    assert result.status == 0, result.message
    return float(-result.fun)


@pytest.mark.slow
def test_the_23_wards(
    data_dir: Path, tmp_path: Path, recount: Callable[[Run], dict[str, float]]
) -> None:
    run = tdh.run(SCENARIO, tmp_path / "run")
    check(run, recount)
    facts = {s["name"]: s["facts"] for s in run.manifest["stages"]}
    assert (
        facts["assets"]["candidates"] > 4_200
    )  # the others lie in Tama and on the islands, or are merged
    assert facts["cells"]["cells"] > 950_000
    assert 8.5e6 < facts["cells"]["people"] < 9.8e6  # the 2015 census counts 9.27 million
    assert set(run.assets.loc[run.assets["in_area"], "municipality_code"].str[:3]) == {"131"}
    assert run.summary["gap"] < 0.05
    assert max(s["peak_memory_mb"] for s in run.manifest["stages"]) < 8_000
