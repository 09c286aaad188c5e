"""Stations too far for their signal to be followed still stand in the plan's meshes."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from tdh.pipeline import STAGES, kpis
from tdh.pipeline.context import Context
from tdh.pipeline.engine import run_stages
from tdh.results import Run

SITES = pd.DataFrame(
    {
        "site_id": ["border", "north", "elsewhere"],
        "carrier_id": "carrier-a",
        # 150 m beyond the plan's edge; 2.4 km; and in the next 10 km mesh.
        "latitude": [35.69985, 35.72, 35.76],
        "longitude": 139.69,
        "antenna_height_agl_m": 20.0,
        "band": "n78",
        "frequency_mhz": 3650,
        "bandwidth_mhz": 100,
        "eirp_dbm": 61,
        "synthetic": True,
    }
)


@pytest.fixture
def run(demo_run: Run, tmp_path: Path) -> Run:
    """The demo up to present coverage, all stations of one carrier beyond the border."""
    SITES.to_csv(tmp_path / "sites.csv", index=False)
    scenario = demo_run.scenario
    carriers = list(scenario.carriers)
    carriers[0] = carriers[0].model_copy(update={"sites": tmp_path / "sites.csv"})
    reach = {"radius_roof_m": 100.0, "radius_pole_m": 50.0}
    changed = scenario.model_copy(
        update={"carriers": carriers, "coverage": scenario.coverage.model_copy(update=reach)}
    )
    folder = tmp_path / "run"
    (folder / ".stages").mkdir(parents=True)
    context = Context(changed, folder)
    run_stages([s for s in STAGES if s.name in ("area", "cells", "present")], context)
    return context.run


def test_they_count_in_the_meshes_of_the_plan(run: Run) -> None:
    assert "carrier-a" not in set(run.sites["carrier_id"]), "their signal is followed after all"
    border = run.border_sites
    assert border is not None
    own = border[border["carrier_id"] == "carrier-a"]
    assert set(own.index) == {"border", "north"}
    assert set(own["evidence"]) == {"known"}
    service = kpis.service(run, "before")
    # JIS X 0410 by hand: 35.69985 N is row 3 of 30" from 35.6667 N, 139.69 E column 5 of 45".
    assert service.meshes_with_station("carrier-a", "sub6").tolist() == ["53394535", "53394565"]
    assert service.meshes_with_station("carrier-a", "sub6", 6).tolist() == ["533945"] * 2
    failed = kpis.service(run, "before", failed={"carrier-a": ["border"]})
    assert failed.meshes_with_station("carrier-a", "sub6").tolist() == ["53394565"]


def test_nobody_is_listed_twice(run: Run) -> None:
    border = run.border_sites
    assert border is not None
    assert not set(border.index) & set(run.sites.index)
    assert isinstance(border, gpd.GeoDataFrame)
    assert border.crs == run.crs


def test_with_all_sites_near_there_is_none(demo_run: Run) -> None:
    assert demo_run.border_sites is not None
    assert demo_run.border_sites.empty
