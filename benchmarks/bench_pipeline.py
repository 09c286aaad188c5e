"""The main job on real data: the 23 wards cold, and again with another budget."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tdh
from tdh.scenario import Scenario

SCENARIO = Path(__file__).with_name("tokyo23.toml")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    if not os.environ.get("TDH_DATA"):
        pytest.skip("TDH_DATA is not set: no real data")
    return tdh.read_scenario(SCENARIO)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokyo23") / "run"


def note(benchmark: Any, run: tdh.Run) -> None:
    stages = run.manifest["stages"]
    benchmark.extra_info["seconds"] = {s["name"]: s["seconds"] for s in stages if not s["reused"]}
    benchmark.extra_info["peak_memory_mb"] = max(s["peak_memory_mb"] for s in stages)
    benchmark.extra_info["gap"] = run.summary["gap"]


def test_23_wards_cold(benchmark: Any, scenario: Scenario, folder: Path) -> None:
    run = benchmark.pedantic(tdh.run, args=(scenario, folder), rounds=1, iterations=1)
    note(benchmark, run)
    assert len(run.plan)


def test_23_wards_another_budget(benchmark: Any, scenario: Scenario, folder: Path) -> None:
    carriers = [c.model_copy(update={"max_sites": 40}) for c in scenario.carriers]
    other = scenario.model_copy(update={"carriers": carriers})
    run = benchmark.pedantic(
        tdh.run, args=(other, folder), kwargs={"overwrite": True}, rounds=1, iterations=1
    )
    note(benchmark, run)
    made = {s["name"] for s in run.manifest["stages"] if not s["reused"]}
    assert made == {"plan", "links", "kpis", "tables", "map", "report", "packages"}
