"""Costs, budgets and floors of a scenario, through a whole run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tdh
from tdh import gaps
from tdh.errors import InfeasibleError, ScenarioError
from tdh.pipeline import weighing
from tdh.pipeline.checks import verify
from tdh.results import Run
from tdh.scenario import Choice, Costs, Floor, PlaceSource, Scenario
from tdh.scenario.problems import contradictions

YEN = {"roof": 9e6, "pole": 3e6, "ground": 5e6}


def changed(run: Run, siting: dict[str, Any] | None = None, **carriers: Any) -> Scenario:
    scenario = run.scenario
    return scenario.model_copy(
        update={
            "costs": Costs(yen=YEN),
            "siting": scenario.siting.model_copy(update=siting or {}),
            "carriers": [c.model_copy(update=carriers) for c in scenario.carriers],
        }
    )


@pytest.fixture
def folder(demo_run: Run, tmp_path: Path) -> Path:
    shutil.copytree(demo_run.folder, tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run"


def served(run: Run) -> dict[tuple[str, str], tuple[float, float]]:
    """Carrier and municipality to people in the gap before, and of them those served after."""
    found = {}
    for c in run.carriers:
        reached = np.zeros(len(run.cells), dtype=bool)
        for band in c.bands:
            signals = run.footprint(c.id, band)
            chosen = run.plan.loc[run.plan["carrier_id"] == c.id, "asset_id"]
            rows = signals.footprint()[signals.site_ids.get_indexer(chosen)]
            reached |= np.asarray(rows.sum(axis=0)).ravel() > 0
        gap = run.gaps[run.gaps["carrier_id"] == c.id].set_index("cell_id")["unmet_people"]
        people = gap.reindex(run.cells.index).fillna(0.0).to_numpy()
        for code in run.cells["municipality_code"].dropna().unique():
            there = (run.cells["municipality_code"] == code).to_numpy()
            found[c.id, str(code)] = (
                float(people[there].sum()),
                float(people[there & reached].sum()),
            )
    return found


@pytest.mark.usefixtures("rough_plan")
def test_budgets_in_yen_hold_and_are_shown(demo_run: Run, folder: Path) -> None:
    wanted = changed(demo_run, {"budget_yen": 90e6}, budget_yen=25e6)
    run = tdh.run(wanted, folder, overwrite=True)
    placement = run.assets["placement"].loc[run.plan["asset_id"]].to_numpy()
    assert run.plan["cost_yen"].tolist() == [YEN[p] for p in placement]
    spent = run.plan.groupby("carrier_id")["cost_yen"].sum()
    assert (spent <= 25e6).all() and spent.sum() <= 90e6
    assert spent.sum() > 60e6, "the budget is not used"
    assert run.summary["cost_yen"] == spent.sum() and run.summary["budget_yen"] == 90e6
    for carrier, own in run.summary["carriers"].items():
        assert own["cost_yen"] == spent.get(carrier, 0.0) and own["budget_yen"] == 25e6
    assert verify(run) == []
    # A plan that costs more than it may is found out.
    tighter = wanted.siting.model_copy(update={"budget_yen": 60e6})
    run.__dict__["scenario"] = wanted.model_copy(update={"siting": tighter})
    assert any("budget" in str(p) for p in verify(run))


@pytest.mark.usefixtures("rough_plan")
def test_floors_hold_by_municipality_and_carrier(demo_run: Run, folder: Path) -> None:
    before = served(demo_run)
    some = {key: v for key, v in before.items() if v[0] > 100 and v[1] > 0}
    carrier, code = min(some, key=lambda key: some[key][1] / some[key][0])
    _, got = before[carrier, code]
    # More than the free plan serves there, and a share everywhere.
    wanted = changed(
        demo_run,
        {
            "floors": [
                Floor(municipality=code, carrier=carrier, people=1.1 * got),
                Floor(municipality="each", share=0.2),
            ]
        },
    )
    run = tdh.run(wanted, folder, overwrite=True)
    after = served(run)
    assert after[carrier, code][1] >= 1.1 * got - 1e-6
    for m in {code for _, code in after}:
        people = np.array([v for (_, c), v in after.items() if c == m]).sum(axis=0)
        assert people[1] >= 0.2 * people[0] - 1e-6
    assert run.summary["objective"] <= demo_run.summary["objective"] * (1 + 1e-9)
    assert verify(run) == []


@pytest.mark.usefixtures("rough_plan")
def test_a_floor_out_of_reach_is_named(demo_run: Run, folder: Path) -> None:
    code = str(demo_run.cells["municipality_code"].dropna().iloc[0])
    first = demo_run.carriers[0].id
    floor = Floor(municipality=code, carrier=first, share=1.0)
    with pytest.raises(InfeasibleError, match="relaxation lowers it by") as caught:
        tdh.run(changed(demo_run, {"floors": [floor]}), folder, overwrite=True)
    assert f"siting.floors[0] ({code}, {first})" in str(caught.value)
    nowhere = changed(demo_run, {"floors": [Floor(municipality="99999", people=1)]})
    with pytest.raises(ScenarioError, match="no cell with people in a gap"):
        tdh.run(nowhere, folder, overwrite=True)


def test_a_kind_without_a_cost_is_named(demo_run: Run, folder: Path) -> None:
    wanted = changed(demo_run)
    wanted = wanted.model_copy(update={"costs": Costs(yen={"roof": 1e6})})
    with pytest.raises(ScenarioError, match="have no cost"):
        tdh.run(wanted, folder, overwrite=True)


def reached_of(run: Run) -> np.ndarray:
    """Which cells the plan's sites serve, by carrier."""
    found = np.zeros((len(run.carriers), len(run.cells)), dtype=bool)
    for k, c in enumerate(run.carriers):
        chosen = run.plan.loc[run.plan["carrier_id"] == c.id, "asset_id"]
        for band in c.bands:
            signals = run.footprint(c.id, band)
            rows = signals.footprint()[signals.site_ids.get_indexer(chosen)]
            found[k] |= np.asarray(rows.sum(axis=0)).ravel() > 0
    return found


@pytest.mark.usefixtures("rough_plan")
def test_places_and_whom_nobody_serves_come_before_people(demo_run: Run, folder: Path) -> None:
    carriers = [c.id for c in demo_run.carriers]
    missing = gaps.gap_matrix(demo_run.gaps, demo_run.cells, carriers)
    # Places where the plan for people leaves someone's gap open that some asset could close.
    could = np.zeros_like(missing)
    for k, c in enumerate(demo_run.carriers):
        for band in c.bands:
            signals = demo_run.footprint(c.id, band).footprint()
            could[k] |= np.asarray(signals.sum(axis=0)).ravel() > 0
    open_ = missing & could & ~reached_of(demo_run)
    rng = np.random.default_rng(0)
    at = rng.choice(np.flatnonzero(open_.any(axis=0)), 12, replace=False)
    points = demo_run.cells.geometry.iloc[at].to_crs("EPSG:6668")
    places = folder.parent / "places.csv"
    lines = [f"町役場{i},{p.y:.7f},{p.x:.7f}" for i, p in enumerate(points)]
    places.write_text("\n".join(["名称,緯度,経度", *lines]), encoding="utf-8")
    wanted = changed(demo_run, {"first": ["places", "any_carrier"]}).model_copy(
        update={"places": [PlaceSource(path=places, kind="town_hall", priority=2.0)]}
    )
    run = tdh.run(wanted, folder, overwrite=True)
    nobody = missing.all(axis=0) * run.cells["population"].to_numpy()

    def counted(of: Run) -> tuple[float, float, float]:
        reached = reached_of(of)
        closed = (missing & reached)[:, at]
        people = gaps.unmet_matrix(of.gaps, of.cells, carriers)
        return (
            2.0 * closed.sum(),
            float(nobody[reached.any(axis=0)].sum()),
            float(people[reached].sum()),
        )

    got, free = counted(run), counted(demo_run)
    assert [o["name"] for o in run.summary["objectives"]] == ["places", "any_carrier", "people"]
    assert [o["value"] for o in run.summary["objectives"]] == pytest.approx(got)
    assert got[0] > free[0], "places gained nothing by coming first"
    assert got[2] == pytest.approx(run.summary["objective"])
    assert all(o["bound"] >= o["value"] * (1 - 1e-9) for o in run.summary["objectives"])
    assert verify(run) == []


def test_what_cannot_be_combined_is_said(demo_run: Run) -> None:
    rules = {"first": ["places", "places"], "floors": [Floor(share=0.1)], "budget_yen": 1e6}
    scenario = changed(demo_run, rules).model_copy(update={"costs": Costs()})
    said = " ".join(str(p) for p in contradictions(scenario, "s"))
    assert "nothing can come before people" in said
    assert "more than once" in said and "needs costs" in said
    rules = {"first": ["places", "worst_municipality"]}
    said = " ".join(str(p) for p in contradictions(changed(demo_run, rules), "s"))
    assert "stands alone" in said


def pair(run: Run, *assets: str) -> list[Choice]:
    return [Choice(carrier=run.carriers[0].id, asset=asset) for asset in assets]


def test_choices_that_exclude_each_other_are_told_before_anything_takes_long(
    demo_run: Run, folder: Path
) -> None:
    first, asset = demo_run.carriers[0], str(demo_run.plan["asset_id"].iloc[0])
    name = str(demo_run.assets.loc[asset, "name"])
    near = pair(demo_run, "facilities-tocho-1", "facilities-bus-tocho-1")
    everyone = [Choice(carrier=c.id, asset=asset) for c in demo_run.carriers]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"choices": near}, ["siting.choices[0], siting.choices[1]", "90.6 m", "siting.spacing_m"]),
        (
            {"choices": everyone},
            [
                "siting.sharing_capacity: ",
                f"{asset} {name}: {len(everyone)} (",
                "siting.choices[3]",
            ],
        ),
        (
            {"choices": pair(demo_run, asset), "budget_yen": 2e6},
            ["siting.budget_yen: ", f"{asset} {name} ({first.id} {first.name})", "2,000,000 yen"],
        ),
    ]
    for rules, said in cases:
        with pytest.raises(InfeasibleError) as caught:
            tdh.run(changed(demo_run, rules), folder, overwrite=True)
        text = caught.value.render("en")
        for words in said:
            assert words in text, (words, text)
        assert "e+0" not in text and "e+0" not in caught.value.render("ja")
        # Nothing that the run would have made anew is left, nor has anything else been made.
        assert not (folder / "map.html").exists() and not (folder / "plan.json").exists()
        assert (folder / "gaps.parquet").exists()


@pytest.mark.usefixtures("rough_plan")
def test_what_is_said_of_a_floor_mends_the_scenario(demo_run: Run, folder: Path) -> None:
    """Applied as it is printed: the share, or the number of sites of every carrier."""
    code = str(demo_run.cells["municipality_code"].dropna().iloc[0])
    first = demo_run.carriers[0]
    rules = {"floors": [Floor(municipality=code, carrier=first.id, share=0.5)]}
    with pytest.raises(InfeasibleError) as caught:
        tdh.run(changed(demo_run, rules, max_sites=1), folder, overwrite=True)
    text = caught.value.render("en")
    share = re.search(r"lowers it by [\d,]+ people, to share = ([\d.]+)", text)
    assert share is not None, text
    lower = {"floors": [Floor(municipality=code, carrier=first.id, share=float(share[1]))]}
    run = tdh.run(changed(demo_run, lower, max_sites=1), folder, overwrite=True)
    there, got = served(run)[first.id, code]
    assert got >= float(share[1]) * there - 1e-6


@pytest.mark.usefixtures("rough_plan")
def test_a_required_choice_is_told_as_one(demo_run: Run, folder: Path) -> None:
    asset = str(demo_run.plan["asset_id"].iloc[0])
    run = tdh.run(changed(demo_run, {"choices": pair(demo_run, asset)}), folder, overwrite=True)
    row = run.plan.set_index(["carrier_id", "asset_id"]).loc[(demo_run.carriers[0].id, asset)]
    assert "siting.choices[0]" in row["reason_en"] and "siting.choices[0]" in row["reason_ja"]
    assert sum("siting.choices" in text for text in run.plan["reason_en"]) == 1
    left = weighing.not_chosen(run)
    own = left[left["carrier_id"] == demo_run.carriers[0].id]
    assert not own["reason_en"].str.contains(f"stead of {asset} ").any()
