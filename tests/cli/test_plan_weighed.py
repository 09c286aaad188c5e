"""``tdh plan`` beside other plans: not chosen, the curve, alternatives and a comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import optimize, sparse
from shapely import Point

from tdh.cli import group
from tdh.language import speaking
from tdh.pipeline import questions
from tdh.pipeline.context import Context
from tdh.pipeline.needed import needed
from tdh.results import Run
from tdh.scenario.models import Choice


def rows(*arguments: object) -> list[dict[str, Any]]:
    result = CliRunner().invoke(group(), ["plan", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_every_pair_is_offered_or_has_its_reason(demo_run: Run) -> None:
    left = rows(demo_run.folder, "--not-chosen", 10_000)
    pairs = {(r["carrier_id"], r["asset_id"]) for r in left}
    offered = set(zip(demo_run.plan["carrier_id"], demo_run.plan["asset_id"], strict=True))
    first = demo_run.carriers[0]
    candidates = demo_run.footprint(first.id, first.bands[0]).site_ids
    assert not pairs & offered
    assert len(pairs | offered) == len(candidates) * len(demo_run.carriers)
    assert all(r.get("reason_en") or r.get("reason_ja") for r in left)


def test_the_curve_passes_through_the_plan(demo_run: Run) -> None:
    fewer, same = rows(demo_run.folder, "--curve", "6,3")
    assert (fewer["max_sites"], same["max_sites"]) == (3, 6)
    assert same["people_served"] == pytest.approx(demo_run.summary["objective"])
    assert fewer["people_served"] <= fewer["bound"] < same["people_served"]


def test_an_alternative_differs_and_is_nearly_as_good(demo_run: Run) -> None:
    other = rows(demo_run.folder, "--alternatives", 1)
    shared = sum(r["in_plan"] for r in other)
    assert len(other) > 0 and shared <= 0.7 * len(demo_run.plan)
    assert other[0]["people_served"] >= 0.98 * demo_run.summary["objective"]
    assert sum(r["people_gained"] for r in other) == pytest.approx(other[0]["people_served"])


def test_a_plan_equals_itself(demo_run: Run) -> None:
    beside = rows(demo_run.folder, "--compare", demo_run.folder)
    assert len(beside) == len(demo_run.plan)
    assert all(r["where"] == "both" and r["people_in_one"] == r["people_in_other"] for r in beside)


@pytest.mark.parametrize("given", [["--curve", "2,x"], ["--curve", "2", "--not-chosen", "3"]])
def test_what_makes_no_sense_is_refused(demo_run: Run, given: list[str]) -> None:
    result = CliRunner().invoke(group(), ["plan", str(demo_run.folder), *given])
    assert result.exit_code == 2
    assert "--curve" in result.output


def test_a_carrier_is_known_by_its_name(demo_run: Run) -> None:
    first = demo_run.carriers[0]
    assert rows(demo_run.folder, "--carrier", first.name) == rows(
        demo_run.folder, "--carrier", first.id
    )


def test_the_curve_is_told_in_words(demo_run: Run) -> None:
    with speaking("ja"):
        result = CliRunner().invoke(group(), ["plan", str(demo_run.folder), "--curve", "2"])
    assert result.exit_code == 0, result.output
    assert "最適" in result.stdout
    assert "optimal" not in result.stdout and "feasible" not in result.stdout


def test_how_few_assets_a_share_takes(demo_run: Run) -> None:
    found = rows(demo_run.folder, "--share", "30, 60%,100")
    assert len(found) == 3 * len(demo_run.carriers)
    for carrier in demo_run.carriers:
        own = [r for r in found if r["carrier_id"] == carrier.id]
        assert [r["share"] for r in own] == [0.3, 0.6, 1.0]
        assert own[0]["sites"] < own[1]["sites"] < own[2]["sites"]
        for row in own:
            assert row["people_served"] >= row["people"] * (1 - 1e-9)
            assert row["at_least"] <= row["sites"]
            assert (row["status"] == "optimal") is (row["at_least"] == row["sites"])
    # One carrier's 60 % again, as sites that an exact solver chooses.
    question = questions.asked(Context.of(demo_run))
    near, people = question.footprints[0].toarray(), question.unmet[0]
    near, people = near[:, people > 0], people[people > 0]
    n_sites, n_cells = near.shape
    reach = people[near.any(axis=0)].sum()
    program = optimize.milp(
        np.concatenate([np.ones(n_sites), np.zeros(n_cells)]),
        constraints=[
            optimize.LinearConstraint(
                sparse.hstack([sparse.csr_array(near.T, dtype=float), -sparse.eye_array(n_cells)]),
                0,
            ),
            optimize.LinearConstraint(
                np.concatenate([np.zeros(n_sites), people])[None], 0.6 * reach * (1 - 1e-9)
            ),
        ],
        integrality=np.repeat([1, 0], [n_sites, n_cells]),
        bounds=optimize.Bounds(0, 1),
    )
    first = next(
        r
        for r in found
        if r["carrier_id"] == demo_run.scenario.carriers[0].id and r["share"] == 0.6
    )
    assert first["people"] == pytest.approx(0.6 * reach)
    assert first["at_least"] <= round(program.fun) <= first["sites"]


@pytest.mark.parametrize("given", ["", "0", "101", "x", "50,-1", "nan"])
def test_shares_that_make_no_sense_are_refused(demo_run: Run, given: str) -> None:
    result = CliRunner().invoke(group(), ["plan", str(demo_run.folder), "--share", given])
    assert result.exit_code == 2
    assert "--share" in result.output


def test_shares_follow_the_planners_choices_and_costs(demo_run: Run) -> None:
    carrier = demo_run.scenario.carriers[0].id
    (before, *_) = rows(demo_run.folder, "--share", "60", "--carrier", carrier)
    question = questions.asked(Context.of(demo_run))
    useless = question.ids[np.diff(question.footprints[0].indptr).argmin()]
    useful = question.ids[np.asarray(question.footprints[0] @ question.unmet[0]).argmax()]
    scenario = demo_run.scenario
    choices = [
        Choice(carrier=carrier, asset=useless, offer=True),
        Choice(carrier=carrier, asset=useful, offer=False),
    ]
    siting = scenario.siting.model_copy(update={"choices": choices})
    after = needed(demo_run, [0.6], scenario.model_copy(update={"siting": siting})).iloc[0]
    # The useless one counts, and what the useful one served takes others.
    assert after["people"] <= before["people"]
    assert after["at_least"] > before["sites"]
    yen = dict.fromkeys(demo_run.assets["placement"].unique(), 3000000.0) | dict.fromkeys(
        demo_run.assets["kind"].unique(), 3e6
    )
    costs = scenario.costs.model_copy(update={"yen": yen})
    row = needed(demo_run, [0.6], scenario.model_copy(update={"costs": costs})).iloc[0]
    assert row["yen"] == 3e6 * before["sites"] and np.isnan(row["at_least"])
    assert row["at_least_yen"] <= row["yen"]


def test_the_other_plan_speaks_for_what_it_alone_has(demo_run: Run, tmp_path: Path) -> None:
    """A run with another register and another carrier: names and carriers are those of that run."""
    other = tmp_path / "other"
    shutil.copytree(demo_run.folder, other)
    plan = gpd.read_parquet(other / "plan.parquet")
    assets = gpd.read_parquet(other / "assets.parquet")
    moved = plan["asset_id"].iloc[0]
    plan["asset_id"] = plan["asset_id"].replace(moved, "elsewhere-1")
    plan["carrier_id"] = plan["carrier_id"].replace("carrier-d", "carrier-x")
    plan.to_parquet(other / "plan.parquet")
    assets = assets.rename(index={moved: "elsewhere-1"})
    assets.loc["elsewhere-1", "name"] = "別の施設"
    assets.to_parquet(other / "assets.parquet")
    manifest = (other / "manifest.json").read_text(encoding="utf-8")
    manifest = manifest.replace("carrier-d", "carrier-x").replace("架空キャリアD", "架空キャリアX")
    (other / "manifest.json").write_text(manifest, encoding="utf-8")

    result = CliRunner().invoke(group(), ["plan", str(demo_run.folder), "--compare", str(other)])
    assert result.exit_code == 0, result.output
    assert "別の施設" in result.stdout and "架空キャリアX" in result.stdout
    found = rows(demo_run.folder, "--compare", other)
    assert {r["name"] for r in found if r["asset_id"] == "elsewhere-1"} == {"別の施設"}
    assert moved not in result.stderr
    theirs = rows(demo_run.folder, "--compare", other, "--carrier", "架空キャリアX")
    assert theirs and {r["where"] for r in theirs} == {"other"}


def test_an_id_that_means_another_asset_is_told(demo_run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(demo_run.folder, other)
    assets = gpd.read_parquet(other / "assets.parquet")
    first = demo_run.plan["asset_id"].iloc[0]
    assets.loc[first, "geometry"] = Point(assets.geometry[first].x + 300, assets.geometry[first].y)
    assets.to_parquet(other / "assets.parquet")
    for language, says in (
        ("en", "1 of the assets stand elsewhere"),
        ("ja", "位置が異なるアセットが1件"),
    ):
        with speaking(language):
            result = CliRunner().invoke(
                group(), ["plan", str(demo_run.folder), "--compare", str(other)]
            )
        assert says in result.stderr and first in result.stderr


def test_a_swap_that_gains_says_why_it_was_not_made(demo_run: Run, tmp_path: Path) -> None:
    """A plan that a search left short of the best: the exchange that it missed is told so."""
    left = [r for r in rows(demo_run.folder, "--not-chosen", 3) if r["reason"] == "budget"]
    swap = max(left, key=lambda r: r["people_changed"])
    rival = swap["reason_en"].split("in the stead of ")[1].split(" ")[0]
    worse = tmp_path / "worse"
    shutil.copytree(demo_run.folder, worse)
    plan = gpd.read_parquet(worse / "plan.parquet")
    own = (plan["carrier_id"] == swap["carrier_id"]) & (plan["asset_id"] == rival)
    plan.loc[own, "asset_id"] = swap["asset_id"]
    plan.to_parquet(worse / "plan.parquet")
    said = json.loads((worse / "plan.json").read_text(encoding="utf-8"))
    said |= {"status": "feasible", "gap": 0.0123}
    (worse / "plan.json").write_text(json.dumps(said), encoding="utf-8")
    (missed,) = [
        r
        for r in rows(worse, "--not-chosen", 10_000)
        if (r["carrier_id"], r["asset_id"]) == (swap["carrier_id"], rival)
    ]
    assert missed["people_changed"] >= -swap["people_changed"] - 1e-6
    assert "not swapped, as the search ended early" in missed["reason_en"]
    assert "1.23%" in missed["reason_en"]


def test_more_sites_never_serve_fewer(demo_run: Run) -> None:
    """Searches of each step end where they end; the curve holds the better of them."""
    steps = rows(demo_run.folder, "--curve", "35,40,100")
    for name in ("people_served", "bound"):
        values = [row[name] for row in steps]
        assert values == sorted(values)


def test_a_gap_that_is_open_is_not_shown_as_none() -> None:
    from tdh.cli.plan import _gap

    assert _gap(1e-5, "feasible") == "<0.01%"
    assert (_gap(1e-17, "optimal"), _gap(0.0046, "feasible")) == ("0.00%", "0.46%")
    assert _gap(np.nan, "infeasible") == ""
