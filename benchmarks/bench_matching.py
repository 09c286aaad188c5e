"""Matching at the size of a national round, and a whole round from the plan to the awards.

The first: 10,000 assets, 8 carriers, 1,000 ranked requests each. The second: 15,000 assets, 4
carriers and 2 sharing firms; everything from a run folder on, which is generated: packages with
their site sheets, answers by the carriers' API, and what comes of them by each rule.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from shapely import box

import tdh
from tdh import exchange, matching, schemas
from tdh.coverage import Coverage
from tdh.grid import Grid
from tdh.manifest import FORMAT, versions
from tdh.radio import bands
from tdh.scenario import Scenario
from tdh.surface import Surface

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


# --- a whole round -------------------------------------------------------------------------------

CRS = "EPSG:6677"
OPERATORS, FIRMS = ("op-a", "op-b", "op-c", "op-d"), ("firm-x", "firm-y")
SIDE_M, CELL_M, REACH_M = 20_000.0, 100.0, 250.0


def write_run(folder: Path, n_assets: int, offers: int) -> tdh.Run:
    """A run folder as the packages need it: all invented, every carrier with a gap of its own."""
    rng = np.random.default_rng(15)
    carriers = [*OPERATORS, *FIRMS]
    scenario = Scenario.model_validate(
        {
            "name": "benchmark",
            "area": {"boundaries": "none.geojson", "synthetic": True, "cell_size_m": CELL_M},
            "assets": [{"path": "none.csv", "synthetic": True}],
            "demand": {"population": "none.csv", "synthetic": True},
            "carriers": [
                {"id": c, "bands": ["n78"], "new_entrant": True, "synthetic": True,
                 "max_sites": offers}
                for c in carriers
            ],
        }
    )  # fmt: skip
    band = bands.get("n78")
    grid = Grid.around((0.0, 0.0, SIDE_M, SIDE_M), CELL_M, CRS)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "format": FORMAT,
        "versions": versions(),
        "scenario": scenario.model_dump(mode="json"),
        "grid": asdict(grid),
        "bands": [{"carrier_id": c, "band": asdict(band)} for c in carriers],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    x, y = rng.uniform(500, SIDE_M - 500, (2, n_assets))
    ids = [f"公有財産-{i:05d}" for i in range(n_assets)]
    points = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=CRS)
    degrees = points.to_crs("EPSG:6668")
    assets = gpd.GeoDataFrame(
        {
            "asset_id": ids,
            "name": [f"都営住宅 {i} 号棟" for i in range(n_assets)],
            "kind": "housing",
            "owner": "東京都",
            "bureau": "住宅政策本部",
            "address": "東京都新宿区西新宿2-8-1",
            "municipality_code": "13104",
            "municipality": "新宿区",
            "latitude": degrees.y,
            "longitude": degrees.x,
            "height_agl_m": 30.0,
            "height_source": "register",
            "placement": "roof",
            "mounting_height_m": 33.0,
            "source": "register.csv",
            "source_row": range(1, n_assets + 1),
            "repaired": False,
            "synthetic": True,
            "structure": "RC造",
        },
        geometry=points,
    )
    schemas.conform(assets, "assets").to_parquet(folder / "assets.parquet")
    town = gpd.GeoDataFrame(
        {"municipality_code": ["13104"], "municipality": ["新宿区"]},
        geometry=[box(0, 0, SIDE_M, SIDE_M)],
        crs=CRS,
    )
    schemas.conform(town, "municipalities").to_parquet(folder / "municipalities.parquet")
    row, col = (v.ravel() for v in np.indices(grid.shape))
    cell_x, cell_y = grid.centres(row, col)
    cell_ids = [f"r{r}c{c}" for r, c in zip(row.tolist(), col.tolist(), strict=True)]
    cells = gpd.GeoDataFrame(
        {"cell_id": cell_ids, "row": row, "col": col, "population": 50.0},
        geometry=gpd.points_from_xy(cell_x, cell_y, crs=CRS),
    )
    schemas.conform(cells, "cells").to_parquet(folder / "cells.parquet")
    reach = int(REACH_M // CELL_M)
    around = np.array([(a, b) for a in range(-reach, reach + 1) for b in range(-reach, reach + 1)])
    at = np.stack(grid.rowcol(x, y), axis=1)
    near = at[:, None, :] + around[None, :, :]
    columns = np.sort(near[..., 0] * grid.n_cols + near[..., 1], axis=1)
    signal = sparse.csr_array(
        (np.full(columns.size, 140, np.uint8), columns.ravel(),
         np.arange(n_assets + 1) * columns.shape[1]),
        shape=(n_assets, len(cells)),
    )  # fmt: skip
    coverage = Coverage(band, pd.Index(ids), pd.Index(cell_ids), signal)
    for carrier in carriers:
        coverage.save(folder / f"footprints/{carrier}-n78.npz")
    gaps, candidates = [], []
    for carrier in carriers:
        people = rng.gamma(0.5, 20.0, len(cells)).round(1)
        gaps.append(
            pd.DataFrame({"cell_id": cell_ids, "carrier_id": carrier, "unmet_people": people})
        )
        candidates.append(
            pd.DataFrame(
                {
                    "asset_id": ids,
                    "carrier_id": carrier,
                    "antenna_height_agl_m": 33.0,
                    "placement": "roof",
                    "environment": "UMa",
                    "radius_m": 1000.0,
                    "azimuths_deg": "0 120 240",
                    "tilt_deg": 6.0,
                }
            )
        )
    pd.concat(gaps).to_parquet(folder / "gaps.parquet")
    pd.concat(candidates).to_parquet(folder / "candidates.parquet")
    return tdh.read_run(folder)


def surroundings(run: tdh.Run) -> exchange.Surroundings:
    """Blocks of houses on a hill, 4 m cells."""
    grid = Grid.around((-1500.0, -1500.0, SIDE_M + 1500, SIDE_M + 1500), 4.0, CRS)
    rng = np.random.default_rng(1)
    blocks = rng.choice([0.0, 0.0, 6.0, 12.0, 40.0], (grid.n_rows // 5 + 1, grid.n_cols // 5 + 1))
    building = np.kron(blocks, np.ones((5, 5)))[: grid.n_rows, : grid.n_cols].astype(np.float32)
    terrain = np.linspace(0, 60, grid.n_cols, dtype=np.float32)[None, :].repeat(grid.n_rows, 0)
    return exchange.Surroundings(Surface(grid, building, terrain), run.municipalities)


TERMS = {
    "id": "2027-1",
    "opens": date(2027, 1, 10),
    "closes": date(2027, 3, 31),
    "sharing_capacity": 3,
    "capacity_counts": "tenants",
    "firms": dict.fromkeys(FIRMS, OPERATORS),
    "caps": {"*": 1000},
    "seed": 7,
}


def whole_round(
    run: tdh.Run, around: exchange.Surroundings, out: Path, rule: str
) -> dict[str, Any]:
    """From the plan to the awards: packages, what each carrier answers, and the matching."""
    terms = exchange.Round(rule=rule, **TERMS)
    rng = np.random.default_rng(3)
    packages, answers = [], []
    for carrier in run.carriers:
        packages.append(out / f"{carrier.id}.zip")
        exchange.write_package(run, carrier.id, packages[-1], round=terms, surroundings=around)
    for carrier, package in zip(run.carriers, packages, strict=True):
        offer = tdh.read_offer(package)
        wishes = [{"asset_id": asset, "antennas": 3} for asset in offer.assets.index]
        if carrier.id in FIRMS:
            for wish in wishes:
                wish["tenants"] = list(OPERATORS[: rng.integers(1, 4)])
        answers.append(out / f"{carrier.id}-answer.zip")
        offer.request(wishes).write(answers[-1])
    exchange.note_receipts(out / "receipts.csv", answers, "desk", date(2027, 3, 1))
    award = exchange.match_round(packages, answers, receipts=out / "receipts.csv")
    exchange.write_award(award, out / "awards.xlsx")
    return {"award": award, "offers": sum(len(tdh.read_offer(p).assets) for p in packages)}


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["serial_rotation", "welfare_maximal"])
def test_a_whole_round(benchmark: Any, tmp_path: Path, rule: str) -> None:
    """15,000 assets, 2,500 offered to each of six (15,000 offers, as many sheets)."""
    run = write_run(tmp_path / "run", 15_000, 2_500)
    around = surroundings(run)
    done = benchmark.pedantic(whole_round, (run, around, tmp_path, rule), rounds=1)
    award = done["award"]
    assert done["offers"] == len(award.awards) + len(award.refusals) > 10_000
    places = award.awards.groupby("asset")["places"].sum()
    assert places.max() <= 3
    assert award.awards.groupby("carrier").size().max() <= 1000


def test_a_small_round(benchmark: Any, tmp_path: Path) -> None:
    """The same with 300 assets: a smoke test."""
    run = write_run(tmp_path / "run", 300, 40)
    around = surroundings(run)
    done = benchmark.pedantic(whole_round, (run, around, tmp_path, "serial_rotation"), rounds=1)
    assert done["offers"] == 240
