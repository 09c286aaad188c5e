"""The bundled sample from end to end: whole, consistent, labelled, and quick to plan again."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

import tdh
from tdh.errors import InputError, OverwriteError
from tdh.results import Run
from tdh.scenario import Choice, Scenario

OUTPUTS = [
    "manifest.json",
    "assets.parquet",
    "findings.csv",
    "rejected.csv",
    "cells.parquet",
    "gaps.parquet",
    "scores.parquet",
    "plan.parquet",
    "plan.json",
    "plan.gpkg",
    "offers.xlsx",
    "map.html",
    "report.html",
]


def test_every_output_is_there(demo_run: Run) -> None:
    for name in OUTPUTS:
        assert (demo_run.folder / name).stat().st_size > 0, name
    for carrier in demo_run.carriers:
        assert zipfile.is_zipfile(demo_run.folder / "packages" / f"{carrier.id}.zip")
        for band in carrier.bands:
            for when in ("before", "after"):
                assert (demo_run.folder / f"coverage/{carrier.id}-{band}-{when}.tif").exists()
    hidden = [p.name for p in demo_run.folder.iterdir() if p.name.startswith(".")]
    assert hidden == [".stages"], "a draft or a lock was left behind"


def test_counts_add_up(demo_run: Run) -> None:
    facts = {s["name"]: s["facts"] for s in demo_run.manifest["stages"]}["assets"]
    assert facts["rows"] == facts["accepted"] + facts["rejected"] + facts["needs_position"]
    merged = len(pd.read_csv(demo_run.folder / "merged.csv"))
    assert facts["accepted"] == len(demo_run.assets) + merged
    assert facts["rejected"] == len(pd.read_csv(demo_run.folder / "rejected.csv"))


def test_the_plan_keeps_every_limit(demo_run: Run) -> None:
    check_limits(demo_run)


def check_limits(run: Run) -> None:
    plan, siting = run.plan, run.scenario.siting
    assert len(plan)
    assert not plan.duplicated(["asset_id", "carrier_id"]).any()
    assert plan.groupby("asset_id").size().max() <= siting.sharing_capacity
    for carrier in run.carriers:
        own = plan[plan["carrier_id"] == carrier.id]
        assert len(own) <= carrier.max_sites
        if len(own) > 1:
            xy = np.column_stack([own.geometry.x, own.geometry.y])
            nearest = cKDTree(xy).query(xy, k=2)[0][:, 1]
            assert nearest.min() >= siting.spacing_m - 1e-6


def test_the_objective_is_what_a_recount_gives(
    demo_run: Run, recount: Callable[[Run], dict[str, float]]
) -> None:
    people = recount(demo_run)
    summary = demo_run.summary
    assert sum(people.values()) == pytest.approx(summary["objective"], rel=1e-9)
    for carrier, numbers in summary["carriers"].items():
        closed = numbers["people_in_gap_before"] - numbers["people_in_gap_after"]
        assert people.get(carrier, 0.0) == pytest.approx(closed, rel=1e-9, abs=1e-6)
    assert summary["objective"] <= summary["bound"] * (1 + 1e-9)
    assert summary["gap"] == pytest.approx(1 - summary["objective"] / summary["bound"], abs=1e-9)


def test_the_plan_helps(demo_run: Run) -> None:
    summary = demo_run.summary
    assert summary["people_in_gap_after"] < 0.9 * summary["people_in_gap_before"]
    for carrier in demo_run.carriers:
        for band in carrier.bands:
            before = demo_run.signal(carrier.id, band, "before")
            after = demo_run.signal(carrier.id, band, "after")
            known = ~np.isnan(before)
            assert (after[known] >= before[known]).all()


def test_marginal_gains_add_up_to_the_objective(demo_run: Run) -> None:
    plan = demo_run.plan
    assert plan["people_gained"].sum() == pytest.approx(demo_run.summary["objective"], rel=1e-9)
    assert (plan["people_lost_without"] <= plan["people_gained"] * (1 + 1e-9) + 1e-6).all()


def test_the_manifest_tells_what_was_read(demo_run: Run) -> None:
    manifest = demo_run.manifest
    parts = {entry["part"] for entry in manifest["inputs"]}
    assert parts == {"area", "assets", "surface", "demand", "carriers"}
    assert all(len(entry["sha256"]) == 64 for entry in manifest["inputs"])
    assert {s["name"] for s in manifest["stages"]} >= {"assets", "plan", "map"}
    assert all(s["seconds"] >= 0 for s in manifest["stages"])
    assert manifest["versions"]["tdh"] == tdh.__version__


def test_what_is_invented_says_so(demo_run: Run) -> None:
    assert demo_run.synthetic
    for name in ("map.html", "report.html"):
        page = (demo_run.folder / name).read_text(encoding="utf-8")
        assert "架空" in page or "ynthetic" in page, name
    for carrier in demo_run.carriers:
        with zipfile.ZipFile(demo_run.folder / f"packages/{carrier.id}.zip") as package:
            manifest = json.loads(package.read("manifest.json"))
        assert "ynthetic" in json.dumps(manifest) or "架空" in json.dumps(
            manifest, ensure_ascii=False
        )
    (notice, *_) = demo_run.notices
    assert str(notice).endswith("buildings, residents, people by day")
    with zipfile.ZipFile(demo_run.folder / "packages" / "carrier-a.zip") as package:
        told = json.loads(package.read("manifest.json"))["notices"]["en"]
    assert any("residents, people by day, by night or in a disaster" in line for line in told)


def test_planning_again(demo_run: Run, tmp_path: Path) -> None:
    """Another budget: only the plan and what shows it are made again, and the result is sane."""
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    more = {
        "carriers": [
            c.model_copy(update={"max_sites": c.max_sites + 2}) for c in demo_run.scenario.carriers
        ]
    }
    wider = demo_run.scenario.model_copy(update=more)
    with pytest.raises(OverwriteError):
        tdh.run(wider, folder)
    again = tdh.run(wider, folder, overwrite=True)
    reused = {s["name"] for s in again.manifest["stages"] if s["reused"]}
    assert reused == {
        *("area", "assets", "cells", "places", "present", "candidates", "gaps", "regions"),
        "scores",
    }
    assert again.summary["objective"] >= demo_run.summary["objective"] * (1 - 1e-9)
    check_limits(again)


def test_a_run_that_fails_is_no_run_and_the_same_scenario_gives_the_same_plan(
    demo_run: Run, tmp_path: Path
) -> None:
    scenario = demo_run.scenario
    nowhere = scenario.area.model_copy(update={"bounds": (139.0, 35.0, 139.1, 35.1)})
    broken = scenario.model_copy(update={"area": nowhere})
    with pytest.raises(InputError, match="the area is empty"):
        tdh.run(broken, tmp_path / "run")
    with pytest.raises(InputError, match="not the folder of a finished run"):
        tdh.read_run(tmp_path / "run")
    # Mended, it goes on in the same folder without --overwrite.
    again = tdh.run(scenario, tmp_path / "run")
    pd.testing.assert_frame_equal(
        pd.DataFrame(again.plan.drop(columns="geometry")),
        pd.DataFrame(demo_run.plan.drop(columns="geometry")),
    )
    assert again.summary == demo_run.summary


def test_check_reads_every_input(demo_run: Run) -> None:
    result = tdh.check(demo_run.scenario)
    assert result.ok
    assert result.facts["people"] > 0
    assert {row["source"] for row in result.facts["assets"]}


def test_check_reports_faults_of_several_inputs_at_once(demo_run: Run, tmp_path: Path) -> None:
    scenario = demo_run.scenario
    no_position = tmp_path / "no_position.csv"
    no_position.write_text("名称,所在地\n区役所,新宿区歌舞伎町1-4-1\n", encoding="utf-8")
    others = tmp_path / "sites.csv"
    others.write_text(
        "carrier_id,latitude,longitude,antenna_height_agl_m,band,frequency_mhz,eirp_dbm\n"
        "somebody,35.69,139.69,20,n78,3650,61\n",
        encoding="utf-8",
    )
    broken = scenario.model_copy(
        update={
            "assets": [
                *scenario.assets,
                scenario.assets[0].model_copy(update={"path": no_position}),
            ],
            "carriers": [
                scenario.carriers[0].model_copy(update={"sites": others}),
                *scenario.carriers[1:],
            ],
        }
    )
    said = "\n".join(str(p) for p in tdh.check(broken).problems)
    assert "no_position.csv: no record of the register has a usable position" in said
    assert "the carrier has no site in the file" in said


def test_two_runs_do_not_write_into_one_folder(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / ".stages").mkdir(parents=True)
    (folder / ".running").write_text("1")  # process 1 is always there
    with pytest.raises(tdh.errors.TdhError, match="another run is writing there"):
        tdh.run(demo_run.scenario, folder)


def test_a_plan_is_completed_around_the_planners_choices(demo_run: Run, tmp_path: Path) -> None:
    plan = demo_run.plan
    carrier = demo_run.carriers[0].id
    best = plan.loc[plan["carrier_id"] == carrier, "asset_id"].iloc[0]
    scores = demo_run.scores[demo_run.scores["carrier_id"] == carrier]
    poor = scores.sort_values("rank")["asset_id"].iloc[-1]
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)

    def with_choices(*choices: Choice) -> Scenario:
        siting = demo_run.scenario.siting.model_copy(update={"choices": list(choices)})
        return demo_run.scenario.model_copy(update={"siting": siting})

    mine = with_choices(
        Choice(carrier=carrier, asset=poor), Choice(carrier=carrier, asset=best, offer=False)
    )
    again = tdh.run(mine, folder, overwrite=True)
    own = set(again.plan.loc[again.plan["carrier_id"] == carrier, "asset_id"])
    assert poor in own
    assert best not in own
    assert again.summary["objective"] < demo_run.summary["objective"]
    check_limits(again)
    with pytest.raises(InputError, match="the asset is no candidate"):
        tdh.run(with_choices(Choice(carrier=carrier, asset="nothing")), folder, overwrite=True)


def test_places_of_a_scenario_reach_scores_goals_and_map(tmp_path: Path, demo_run: Run) -> None:
    profiles = demo_run.profiles
    assert profiles is not None
    served = demo_run.cells.loc[profiles["cell_id"].iloc[0]]  # a gap that an asset closes
    at = gpd.GeoSeries([served.geometry], crs=demo_run.crs).to_crs("EPSG:6668")[0]
    inputs = tmp_path / "inputs"
    shutil.copytree(demo_run.folder.parent / "inputs", inputs)
    text = f"名称,緯度,経度\n某区役所,{at.y:.7f},{at.x:.7f}\n遠い病院,36.5,140.5\n"
    (inputs / "places.csv").write_text(text, encoding="cp932")
    scenario = inputs / "demo.toml"
    old = scenario.read_text(encoding="utf-8")
    scenario.write_text(old + '\n[[places]]\npath = "places.csv"\n', encoding="utf-8")
    got = tdh.run(scenario, tmp_path / "run")
    assert got.places is not None
    assert got.places["kind"].tolist() == ["town_hall"]  # the hospital lies outside the area
    scores = got.scores
    near = scores["contribution_places"] > 0
    assert near.any() and not near.all()
    assert (scores.loc[near, "place_priority_newly_served"] == 3.0).all()
    parts = [c for c in scores.columns if c.startswith("contribution_")]
    assert abs(scores[parts].sum(axis=1) - scores["score"]).max() < 1e-9
    kpis = got.kpis
    assert kpis is not None
    whole = kpis[(kpis["kpi"] == "places") & (kpis["level"] == "metropolis")]
    assert (whole["total"] == 1).all() and whole["before"].notna().all()
    # The same folder without places forgets them.
    scenario.write_text(old, encoding="utf-8")
    again = tdh.run(scenario, tmp_path / "run", overwrite=True)
    assert again.places is None and not (again.scores["contribution_places"] > 0).any()


def test_rankings_say_how_firm_they_are(demo_run: Run) -> None:
    scores = demo_run.scores
    assert scores["stays_in_top"].between(0, 1).all()
    firm = scores.groupby("carrier_id", observed=True)["stays_in_top"].sum()
    assert (firm.round(6) == demo_run.scenario.scoring.top).all()
    public = demo_run.scores_public
    assert (public["carrier_id"] == "public").all() and public["score"].between(0, 100).all()
