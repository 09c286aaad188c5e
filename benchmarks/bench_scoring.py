"""Scores of some 5,000 assets for 4 carriers in 2 bands over the 23 wards, every component on.

The coverage is made first and not timed: the scenario of ``tokyo23.toml`` with mmW beside sub6, the
register of evacuation areas as further assets, and data for each component of a score; costs and
the map of floods are invented. ``-m slow`` takes the 23 wards, the smoke test the surroundings of
Shinjuku. As a script it prints the same in a process of its own, so that the peak of memory is the
scores' alone::

    python benchmarks/bench_scoring.py FOLDER [--around-shinjuku]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

import tdh
from tdh import manifest, scoring
from tdh.pipeline import STAGES, scored
from tdh.pipeline.context import Context
from tdh.pipeline.engine import run_stages
from tdh.results import Run
from tdh.scenario import Scenario

BASE = Path(__file__).with_name("tokyo23.toml")


def scenario(folder: Path, overrides: str | None = None) -> Scenario:
    """The 23 wards with two bands a carrier and something to say in every component."""
    tokyo = Path(os.environ["TDH_DATA"]) / "tokyo"
    base = tdh.read_scenario(BASE, *([overrides] if overrides else []))
    told = base.model_dump(mode="python")
    told["name"] += ", all components"
    evacuation = tokyo / "assets" / "130001_evacuation_area.csv"
    told["assets"].append({"path": evacuation, "owner": "東京都"})
    told["bands"].append({"id": "n257"})
    for carrier in told["carriers"]:
        carrier["bands"].append({"band": "n257"})
    told["places"] = [
        {"path": tokyo / "assets" / "都立一時滞在施設一覧.csv", "kind": "temporary_stay"},
        {"path": evacuation, "kind": "evacuation_area"},
    ]
    stations = tokyo / "population" / "S12-22_stations_passenger_derived.json"
    told["demand"]["sources"] = [
        {"path": stations, "moment": "day", "column": "passenger", "factor": 0.1}
    ]
    told["costs"] = {"yen": {"roof": 8e6, "pole": 2e6, "ground": 5e6}, "synthetic": True}
    told["floods"] = [{"path": floods(folder), "depth": "depth_m", "synthetic": True}]
    return Scenario.model_validate(told)


def floods(folder: Path) -> Path:
    """An invented map: all that lies east of Shinjuku stands under three metres of water."""
    path = folder / "floods.geojson"
    east = [shapely.box(139.7, 35.5, 139.95, 35.85)]
    gpd.GeoDataFrame({"depth_m": [3.0]}, geometry=east, crs="EPSG:6668").to_file(path)
    return path


def covered(folder: Path, overrides: str | None = None) -> tuple[Context, bool]:
    """A run up to its coverage, all stages before the scores, and whether it was there already."""
    context = Context(scenario(folder, overrides), folder / "run")
    before = [stage.name for stage in STAGES].index("scores")
    context.folder.mkdir(exist_ok=True)
    (context.folder / ".stages").mkdir(exist_ok=True)
    records = run_stages(STAGES[:before], context)
    return context, all(record.reused for record in records)


def check(run: Run, facts: dict[str, Any]) -> None:
    """Every component has earned points, and they add up."""
    assert facts["components_without_points"] == []
    for table in (run.scores, run.scores_public):
        parts = [c for c in table.columns if c.startswith("contribution_")]
        assert len(parts) == len(scoring.DEFAULT_WEIGHTS)
        assert (table[parts].sum(axis=1) - table["score"]).abs().max() < 1e-9


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param("shinjuku", id="around-shinjuku"),
        pytest.param(None, id="23-wards", marks=pytest.mark.slow),
    ],
)
def test_scores_with_all_components(benchmark: Any, tmp_path: Path, overrides: str | None) -> None:
    if not os.environ.get("TDH_DATA"):
        pytest.skip("TDH_DATA is not set: no real data")
    context, _ = covered(tmp_path, overrides)
    facts = benchmark.pedantic(scored.scores, args=(context,), rounds=1, iterations=1)
    benchmark.extra_info["assets"] = len(context.run.scores_public)
    benchmark.extra_info["peak_memory_mb"] = manifest.peak_memory_mb()
    check(context.run, facts)


def main(folder: Path, *words: str) -> None:
    """Make the coverage if it is not there yet; where it is, score and print what that took."""
    overrides = "shinjuku" if "--around-shinjuku" in words else None
    folder.mkdir(parents=True, exist_ok=True)
    context, ready = covered(folder, overrides)
    if not ready:
        print("the coverage is made; call again for the scores")
        return
    before = manifest.peak_memory_mb()
    start = time.perf_counter()
    facts = scored.scores(context)
    seconds = time.perf_counter() - start
    check(context.run, facts)
    print(
        f"{len(context.run.scores_public)} assets, {len(context.bands)} carriers' bands, "
        f"{len(context.run.cells)} cells: {seconds:.1f} s, peak {manifest.peak_memory_mb():.0f} MB "
        f"({before:.0f} MB before)"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
