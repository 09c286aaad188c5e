"""The main job on real data: the 23 wards cold, and again with another budget.

The smoke test on every change takes Shinjuku and its surroundings: the 23 wards as a whole are run
by the tests (``tests/pipeline/test_tokyo23.py``), and here by hand.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tdh
from tdh.scenario import Scenario

SCENARIO = Path(__file__).with_name("tokyo23.toml")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("shinjuku", id="around-shinjuku"),
        pytest.param(None, id="23-wards", marks=pytest.mark.slow),
    ],
)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    if not os.environ.get("TDH_DATA"):
        pytest.skip("TDH_DATA is not set: no real data")
    return tdh.read_scenario(SCENARIO, request.param)


@pytest.fixture(scope="module")
def folder(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokyo23") / "run"


def note(benchmark: Any, run: tdh.Run) -> None:
    stages = run.manifest["stages"]
    benchmark.extra_info["seconds"] = {s["name"]: s["seconds"] for s in stages if not s["reused"]}
    benchmark.extra_info["peak_memory_mb"] = max(s["peak_memory_mb"] for s in stages)
    benchmark.extra_info["gap"] = run.summary["gap"]


def test_cold(benchmark: Any, scenario: Scenario, folder: Path) -> None:
    run = benchmark.pedantic(tdh.run, args=(scenario, folder), rounds=1, iterations=1)
    note(benchmark, run)
    assert len(run.plan)


def test_another_budget(benchmark: Any, scenario: Scenario, folder: Path) -> None:
    if not (folder / "manifest.json").exists():  # the two may be run by different processes
        tdh.run(scenario, folder)
    fewer = {"max_sites": scenario.carriers[0].max_sites * 2 // 3}
    carriers = [c.model_copy(update=fewer) for c in scenario.carriers]
    other = scenario.model_copy(update={"carriers": carriers})
    run = benchmark.pedantic(
        tdh.run, args=(other, folder), kwargs={"overwrite": True}, rounds=1, iterations=1
    )
    note(benchmark, run)
    made = {s["name"] for s in run.manifest["stages"] if not s["reused"]}
    assert made == {"choices", "plan", "links", "kpis", "tables", "map", "report", "packages"}
