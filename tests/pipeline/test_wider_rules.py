"""Years, second covers, shared costs and the order of objectives, from scenario to recount."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tdh
from tdh import gaps, language, resilience
from tdh.cli import main
from tdh.errors import InfeasibleError, InputError
from tdh.pipeline import (
    connected,
    planned,
    recounts,
    stages,
    standing,
    tenants,
    weighing,
    yearly,
)
from tdh.pipeline.context import Context
from tdh.results import Run, read_run
from tdh.scenario import Costs, Floor, PlaceSource, Scenario
from tdh.scenario.models import Backup, Choice, FiscalYear
from tdh.scenario.problems import contradictions

YEN = {"roof": 9e6, "pole": 3e6, "ground": 5e6}


@pytest.fixture
def folder(demo_run: Run, tmp_path: Path) -> Path:
    shutil.copytree(demo_run.folder, tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run"


def changed(
    run: Run, siting: dict[str, Any], costs: Costs | None = None, **carriers: Any
) -> Scenario:
    scenario = run.scenario
    return scenario.model_copy(
        update={
            "costs": costs or Costs(),
            "siting": scenario.siting.model_copy(update=siting),
            "carriers": [c.model_copy(update=carriers) for c in scenario.carriers],
        }
    )


def all_but(run: Run, n: int) -> list[Choice]:
    """All assets but n ruled out, so that a small problem is left."""
    kept = set(run.plan["asset_id"].drop_duplicates().iloc[:n])
    ids = run.footprint(*next(iter(run.bands))).site_ids
    return [
        Choice(carrier=c.id, asset=asset, offer=False)
        for c in run.carriers
        for asset in ids
        if asset not in kept
    ]


def planned_again(demo_run: Run, scenario: Scenario, folder: Path) -> Run:
    """The stage of the plan alone, in a copy of a finished run."""
    assert contradictions(scenario, "s") == []
    context = Context(scenario, folder)
    context.run.manifest["grid"] = demo_run.manifest["grid"]
    facts = planned.plan(context)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["scenario"] = scenario.model_dump(mode="json")
    manifest["seed"] = scenario.seed
    manifest["stages"] = [{"name": "plan", "facts": facts}]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return read_run(folder)


def tampered(run: Run, *keys: str | int, add: float) -> list[str]:
    """What a recount says after a number of ``plan.json`` was changed."""
    path = run.folder / "plan.json"
    text = path.read_text(encoding="utf-8")
    summary = json.loads(text)
    entry = summary
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] += add
    path.write_text(json.dumps(summary), encoding="utf-8")
    said = [str(p) for p in recounts.verify(read_run(run.folder))]
    path.write_text(text, encoding="utf-8")
    return said


def counts(run: Run) -> np.ndarray:
    """How many offers of each carrier serve each cell, with loops only."""
    found = np.zeros((len(run.carriers), len(run.cells)), dtype=int)
    for k, carrier in enumerate(run.carriers):
        for asset in run.plan.loc[run.plan["carrier_id"] == carrier.id, "asset_id"]:
            cells: set[int] = set()
            for band in carrier.bands:
                signals = run.footprint(carrier.id, band)
                cells |= set(signals.footprint()[[signals.site_ids.get_loc(asset)]].indices)
            found[k, sorted(cells)] += 1
    return found


def test_years_take_what_they_may_and_carry_over(
    demo_run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    years = [
        FiscalYear(fiscal_year=2026, max_sites=1, budget_yen=12e6),
        FiscalYear(fiscal_year=2027, max_sites={"carrier-a": 0}, budget_yen=24e6),
        FiscalYear(fiscal_year=2028, budget_yen=0),
    ]
    rules = {"years": years, "choices": all_but(demo_run, 8)}
    wanted = changed(demo_run, rules, Costs(yen=YEN), max_sites=3)
    run = planned_again(demo_run, wanted, folder)
    assert recounts.verify(run) == []
    spent = run.plan.groupby("fiscal_year")["cost_yen"].sum()
    assert spent["2026"] <= 12e6 and spent.sum() <= 36e6
    assert spent.sum() > 24e6, "nothing is carried over, or the budgets are not used"
    first = run.plan[run.plan["fiscal_year"] == "2026"]
    assert first["carrier_id"].value_counts().max() == 1
    assert run.plan["carrier_id"].value_counts().max() <= 3
    assert all(row.reason_ja.startswith(f"{row.fiscal_year}年度") for row in run.plan.itertuples())
    each = run.summary["years"]["each"]
    assert [y["fiscal_year"] for y in each] == [2026, 2027, 2028]
    served = [y["people_served"] for y in each]
    assert served == sorted(served)
    assert run.summary["years"]["objective"] == pytest.approx(sum(served))
    assert run.summary["objective"] == pytest.approx(served[-1])
    # Offers of a carrier are in the order of their years.
    for _, own in run.plan.groupby("carrier_id"):
        assert own.sort_values("order")["fiscal_year"].is_monotonic_increasing
    assert any("years.objective" in t for t in tampered(run, "years", "objective", add=50.0))
    said = tampered(run, "years", "each", 0, "people_served", add=9.0)
    assert any("2026" in text for text in said)
    main(["plan", str(folder), "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [row["fiscal_year"] for row in listed] == run.plan["fiscal_year"].tolist()
    moved = read_run(folder)
    moved.__dict__["plan"] = run.plan.assign(fiscal_year="2026")
    assert any("a year's limit is exceeded" in str(p) for p in recounts.verify(moved))


@pytest.mark.parametrize("carry_over", [True, False])
def test_years_with_choices_that_must_be_made_and_money_over_all_years(
    demo_run: Run, folder: Path, carry_over: bool
) -> None:
    some = all_but(demo_run, 8)
    carrier = demo_run.carriers[0].id
    own = demo_run.plan[demo_run.plan["carrier_id"] == carrier]
    worst = own.sort_values("people_gained")["asset_id"].iloc[0]
    some = [c for c in some if (c.carrier, c.asset) != (carrier, worst)]
    must = Choice(carrier=carrier, asset=worst, offer=True)
    rules = {
        "years": [FiscalYear(fiscal_year=2026, max_sites=1), FiscalYear(fiscal_year=2027)],
        "choices": [*some, must],
        "carry_over": carry_over,
        "budget_yen": 40e6,
    }
    wanted = changed(demo_run, rules, Costs(yen=YEN), max_sites=3, budget_yen=12e6)
    run = planned_again(demo_run, wanted, folder)
    assert recounts.verify(run) == []
    assert ((run.plan["carrier_id"] == carrier) & (run.plan["asset_id"] == worst)).sum() == 1
    assert run.plan.groupby("carrier_id")["cost_yen"].sum().max() <= 12e6
    assert run.plan["cost_yen"].sum() <= 40e6
    assert run.plan["carrier_id"].value_counts().max() <= 3


def test_years_and_what_each_municipality_has_by_their_end(demo_run: Run, folder: Path) -> None:
    years = [FiscalYear(fiscal_year=2026, max_sites=1), FiscalYear(fiscal_year=2027, max_sites=2)]
    carrier = demo_run.carriers[0].id
    rules = {
        "years": years,
        "choices": all_but(demo_run, 12),
        "floors": [Floor(municipality="each", carrier=carrier, share=0.15)],
    }
    run = planned_again(demo_run, changed(demo_run, rules, max_sites=3), folder)
    assert recounts.verify(run) == []
    unmet = gaps.unmet_matrix(run.gaps, run.cells, [c.id for c in run.carriers])[0]
    served = counts(run)[0] > 0
    codes = run.cells["municipality_code"]
    for code in codes.dropna().unique():
        there = (codes == code).to_numpy()
        assert unmet[there & served].sum() >= 0.15 * unmet[there].sum() - 1e-6
    without = run.plan[run.plan["carrier_id"] == carrier].index
    moved = read_run(folder)
    moved.__dict__["plan"] = run.plan.drop(without)
    assert any("a floor is missed" in str(p) for p in recounts.verify(moved))
    rules["floors"] = [Floor(municipality="each", carrier=carrier, share=0.9)]
    with pytest.raises(
        InfeasibleError, match=rf"siting\.floors\[0\] \(\d+, {carrier}\).*out of reach"
    ):
        planned_again(demo_run, changed(demo_run, rules, max_sites=3), folder)


def test_years_without_an_offer(demo_run: Run, folder: Path) -> None:
    years = [FiscalYear(fiscal_year=2026, max_sites=0)]
    run = planned_again(demo_run, changed(demo_run, {"years": years}), folder)
    assert run.plan.empty and run.summary["objective"] == 0
    assert recounts.verify(run) == []


def test_limits_of_years() -> None:
    assert yearly._capped(np.array([np.inf, 1.0]), 5).tolist() == [5.0, 0.0]
    assert yearly._capped(np.array([2.0, 2.0]), 9).tolist() == [2.0, 2.0]


def test_second_covers_of_people_are_bought_with_first_ones(demo_run: Run, folder: Path) -> None:
    run = planned_again(demo_run, changed(demo_run, {"backup": Backup(weight=0.5)}), folder)
    assert recounts.verify(run) == []
    carriers = [c.id for c in run.carriers]
    missing = gaps.gap_matrix(run.gaps, run.cells, carriers)
    people = run.cells["population"].to_numpy()

    def second(of: Run) -> float:
        """Customers who newly have a second station, cell by cell."""
        total, count = 0.0, counts(of)
        for k, c in enumerate(carriers):
            depth = resilience.depth(standing.network(of, c).footprint)
            before = np.where(missing[k], 0, depth)
            newly = (before < 2) & (before + count[k] >= 2) & (missing[k] | (depth == 1))
            total += of.scenario.market_shares[c] * float(people[newly].sum())
        return total

    assert run.summary["backup"]["value"] == pytest.approx(0.5 * second(run))
    assert second(run) > second(demo_run), "counting second covers brought none"
    assert run.summary["objective"] <= demo_run.summary["objective"] * (1 + 1e-9)
    both = run.summary["objective"] + 0.5 * second(run)
    assert both >= demo_run.summary["objective"] + 0.5 * second(demo_run) - 1e-6
    assert run.summary["backup"]["bound"] >= both * (1 - 1e-9)
    assert any("backup.value" in text for text in tampered(run, "backup", "value", add=30.0))


@pytest.fixture
def with_places(demo_run: Run, folder: Path) -> tuple[Scenario, np.ndarray]:
    """A scenario with 25 hospitals of priority 2 in ``folder``, and their cells."""
    cells = demo_run.cells.geometry.to_crs("EPSG:6668")
    at = np.random.default_rng(0).choice(len(cells), 25, replace=False)
    places = folder.parent / "places.csv"
    lines = [f"病院{i},{p.y:.7f},{p.x:.7f}" for i, p in enumerate(cells.iloc[at])]
    places.write_text("\n".join(["名称,緯度,経度", *lines]), encoding="utf-8")
    source = PlaceSource(path=places, kind="disaster_hospital", priority=2.0)
    wanted = changed(demo_run, {"backup": Backup(weight=0.5, of="places")})
    wanted = wanted.model_copy(update={"places": [source]})
    context = Context(wanted, folder)
    context.run.manifest["grid"] = demo_run.manifest["grid"]
    stages.places(context)
    return wanted, at


def test_second_covers_of_places(
    demo_run: Run,
    folder: Path,
    with_places: tuple[Scenario, np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted, at = with_places
    run = planned_again(demo_run, wanted, folder)
    assert recounts.verify(run) == []
    carriers = [c.id for c in run.carriers]
    missing = gaps.gap_matrix(run.gaps, run.cells, carriers)[:, at]

    def value(of: Run) -> float:
        total, count = 0.0, counts(of)[:, at]
        for k, c in enumerate(carriers):
            once = (resilience.depth(standing.network(of, c).footprint)[at] == 1) & ~missing[k]
            total += 2000.0 * (missing[k] & (count[k] >= 1)).sum()
            total += 1000.0 * (missing[k] & (count[k] >= 2)).sum()
            total += 1000.0 * (once & (count[k] >= 1)).sum()
        return total

    assert run.summary["backup"]["value"] == pytest.approx(value(run))
    assert value(run) > value(demo_run)

    # What more could keep them connected when the most important stations fail.
    worst = ",".join(run.sites.index[:40])
    table = connected.keep_connected(run, [worst], fold=2)
    assert set(table["carrier_id"]) == set(carriers)
    for k, c in enumerate(carriers):
        stations = standing.network(run, c, "after")
        left = np.array([not set(m) & set(worst.split(",")) for m in stations.stations["members"]])
        missing_now = np.clip(2 - resilience.depth(stations.footprint, left)[at], 0, None)
        own = table[table["carrier_id"] == c].sort_values("order")
        assert not set(own["site_id"]) & set(run.plan.loc[run.plan["carrier_id"] == c, "asset_id"])
        for asset, gained in zip(own["site_id"], own["gained"], strict=True):
            reach = np.zeros(len(run.cells), dtype=bool)
            for band in run.carriers[k].bands:
                signals = run.footprint(c, band)
                row = signals.footprint()[[signals.site_ids.get_loc(asset)]]
                reach[row.indices] = True
            gets = reach[at] & (missing_now > 0)
            assert gained == pytest.approx(2.0 * gets.sum())
            missing_now = missing_now - gets
    command = ["kpi", str(folder), "--outage", worst, "--keep-connected"]
    before = language.current()
    try:
        main([*command, "2", "--json", "--xlsx", str(folder / "outage.xlsx")])
        told = json.loads(capsys.readouterr().out)["keep_connected"]
        main([*command, "--lang", "en"])
        assert "keep places connected" in capsys.readouterr().out
        with pytest.raises(SystemExit) as stopped:
            main(["kpi", str(folder), "--keep-connected"])
    finally:
        language.use(before)
    assert [row["site_id"] for row in told] == table["site_id"].tolist()
    assert stopped.value.code == 2 and "--outage" in capsys.readouterr().err


def test_sharing_saves_what_the_budget_buys_more_with(demo_run: Run, folder: Path) -> None:
    rules = {"budget_yen": 30e6, "choices": all_but(demo_run, 10)}
    carriers = {"max_sites": 3}
    dear = planned_again(demo_run, changed(demo_run, rules, Costs(yen=YEN), **carriers), folder)
    assert recounts.verify(dear) == []
    without = dear.summary["objective"]
    costs = Costs(yen=YEN, shared_saving=0.5)
    run = planned_again(demo_run, changed(demo_run, rules, costs, **carriers), folder)
    assert recounts.verify(run) == []
    spent = 0.0
    for asset, own in run.plan.groupby("asset_id"):
        full = YEN[str(run.assets["placement"][asset])]
        assert own["cost_yen"].nunique() == 1, "its carriers share the cost evenly"
        assert own["cost_yen"].sum() == pytest.approx(full * (1 + 0.5 * (len(own) - 1)))
        spent += full * (1 + 0.5 * (len(own) - 1))
    assert spent <= 30e6 and run.summary["cost_yen"] == pytest.approx(spent)
    full = run.assets["placement"].loc[run.plan["asset_id"]].map(YEN).sum()
    assert run.summary["saved_yen"] == pytest.approx(full - spent)
    assert full > 30e6, "nobody shared"
    assert run.summary["objective"] >= without
    assert run.summary["bound"] >= run.summary["objective"]
    assert any("cost_yen" in text for text in tampered(run, "cost_yen", add=1e6))
    assert tenants.split(np.array([6.0]), np.array([3]), 1.0).tolist() == [2.0]


@pytest.mark.parametrize("gives", [0.0, 0.2])
def test_the_municipality_that_gets_least_comes_first(
    gives: float, demo_run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = {"first": ["worst_municipality"], "first_gives": gives, "choices": all_but(demo_run, 8)}
    run = planned_again(demo_run, changed(demo_run, rules, max_sites=2), folder)
    assert recounts.verify(run) == []
    unmet = gaps.unmet_matrix(run.gaps, run.cells, [c.id for c in run.carriers])
    codes, reached = run.cells["municipality_code"].to_numpy(), counts(run) > 0
    allowed = set(demo_run.plan["asset_id"].drop_duplicates().iloc[:8])
    could = np.zeros(unmet.shape, dtype=bool)
    for k, carrier in enumerate(run.carriers):
        for band in carrier.bands:
            signals = run.footprint(carrier.id, band)
            could[k, signals.footprint()[signals.site_ids.isin(allowed)].indices] = True
    shares = [
        unmet[:, own][reached[:, own]].sum() / unmet[:, own].sum()
        for own in (codes == code for code in np.unique(codes))
        if unmet[:, own][could[:, own]].sum() > 0
    ]
    assert len(shares) > 1
    first, people = run.summary["objectives"]
    assert [first["name"], people["name"]] == ["worst_municipality", "people"]
    assert first["value"] == pytest.approx(min(shares))
    assert first["held"] * (1 - gives) - 1e-6 <= first["value"] <= first["bound"] + 1e-9
    assert people["value"] == pytest.approx(unmet[reached].sum())
    assert any("not held" in t for t in tampered(run, "objectives", 0, "held", add=0.5))
    assert any("worst_municipality" in t for t in tampered(run, "objectives", 0, "value", add=0.1))
    main(["plan", str(folder), "--curve", "1,2", "--lang", "en"])
    assert f"{first['value']:.2%}" in capsys.readouterr().out


def test_two_carriers_come_first_and_are_counted_with_todays(
    demo_run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {"first": ["any_carrier", "two_carriers"], "choices": all_but(demo_run, 6)}
    wanted = changed(demo_run, first, max_sites=2)
    run = tdh.run(wanted, folder, overwrite=True)
    assert recounts.verify(run) == []
    carriers = [c.id for c in run.carriers]
    missing = gaps.gap_matrix(run.gaps, run.cells, carriers)
    reached, people = counts(run) > 0, run.cells["population"].to_numpy()
    before, after = (~missing).sum(axis=0), (~missing | reached).sum(axis=0)
    assert [o["name"] for o in run.summary["objectives"]] == [
        "any_carrier",
        "two_carriers",
        "people",
    ]
    assert [o["value"] for o in run.summary["objectives"]] == pytest.approx(
        [
            people[(before == 0) & (after >= 1)].sum(),
            people[(before < 2) & (after >= 2)].sum(),
            gaps.unmet_matrix(run.gaps, run.cells, carriers)[reached].sum(),
        ]
    )
    main(["verify", str(folder), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and told["objectives"] == run.summary["objectives"]
    # What is held, and the bound, are compared with the recount.
    said = tampered(run, "objectives", 0, "held", add=100.0)
    assert any("an earlier objective is not held" in text for text in said)
    assert any("bound is below" in t for t in tampered(run, "objectives", 1, "bound", add=-1e6))
    assert any("two_carriers" in t for t in tampered(run, "objectives", 1, "value", add=5.0))
    run.__dict__["summary"] = {**run.summary, "objectives": []}
    assert any("not those of the scenario" in str(p) for p in recounts.verify(run))


@pytest.mark.parametrize(
    ("siting", "costs", "said"),
    [
        ({"first": ["places"], "backup": Backup()}, {}, "siting.backup, siting.first"),
        (
            {"years": [FiscalYear(fiscal_year=2026)], "first": ["places"], "backup": Backup()},
            {},
            "no order of objectives",
        ),
        (
            {"years": [FiscalYear(fiscal_year=2026)]},
            {"yen": YEN, "shared_saving": 0.2},
            "[[siting.choices]]",
        ),
        (
            {"years": [FiscalYear(fiscal_year=2027), FiscalYear(fiscal_year=2026)]},
            {},
            "not in order",
        ),
        (
            {"years": [FiscalYear(fiscal_year=2026, max_sites={"x": 1})]},
            {},
            "there is no such carrier",
        ),
        ({"years": [FiscalYear(fiscal_year=2026, budget_yen=1)]}, {}, "needs costs"),
        ({"backup": Backup(of="places")}, {}, "the scenario names none"),
        ({}, {"shared_saving": 0.2}, "a saving needs costs"),
        (
            {"first": ["any_carrier"], "budget_yen": 1e7},
            {"yen": YEN, "shared_saving": 0.2},
            "costs.shared_saving, siting.budget_yen + siting.first",
        ),
    ],
)
def test_what_cannot_go_together_is_said(
    demo_run: Run, siting: dict[str, Any], costs: dict[str, Any], said: str
) -> None:
    scenario = changed(demo_run, siting, Costs(**costs)).model_copy(update={"places": []})
    found = contradictions(scenario, "s")
    assert said in " ".join(str(p) for p in found)
    assert all(p.what.render("ja") != p.what.render("en") for p in found)


def test_a_little_of_what_comes_first_is_given_for_people(demo_run: Run, folder: Path) -> None:
    strict = {"first": ["two_carriers"], "choices": all_but(demo_run, 12)}
    people = []
    for gives in (0.0, 0.2):
        wanted = changed(demo_run, {**strict, "first_gives": gives}, max_sites=1)
        run = planned_again(demo_run, wanted, folder)
        assert recounts.verify(run) == []
        first, last = run.summary["objectives"]
        assert first["value"] >= (1 - gives) * first["held"] * (1 - 1e-6)
        people.append(last["value"])
    assert first["value"] < first["held"] * (1 - 1e-6) and people[0] < people[1]
    # What is given up is counted against what the scenario allows, not against what is written.
    said = tampered(run, "objectives", 0, "held", add=first["held"])
    assert any("an earlier objective is not held" in text for text in said)


YEARS = [FiscalYear(fiscal_year=2026, max_sites=1), FiscalYear(fiscal_year=2027, max_sites=2)]
WIDER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "years": ({"years": YEARS, "discount": 0.9}, {}),
    "backup": ({"backup": Backup(weight=0.5)}, {}),
    "first": ({"first": ["any_carrier", "two_carriers"]}, {}),
    "shared cost": ({"budget_yen": 20e6}, {"yen": YEN, "shared_saving": 0.5}),
    "floors": ({"floors": [Floor(municipality="each", share=0.02)]}, {}),
}


def reached(facts: dict[str, Any]) -> list[float]:
    """What a plan is the best for, most important first, from ``plan.json``."""
    if "years" in facts or "backup" in facts:
        return [facts["years" if "years" in facts else "backup"]["objective"]]
    return [o["value"] for o in facts.get("objectives", [{"value": facts["objective"]}])]


@pytest.mark.parametrize("kind", WIDER)
def test_the_curve_is_of_the_scenarios_own_objective(
    demo_run: Run, folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row is what running the scenario with that number gives, bounds and all."""
    siting, costs = WIDER[kind]
    siting = {**siting, "choices": all_but(demo_run, 8)}

    def run(most: int) -> Run:
        return planned_again(
            demo_run, changed(demo_run, siting, Costs(**costs), max_sites=most), folder
        )

    said = {most: run(most).summary for most in (1, 2, 3)}
    table = weighing.curve(run(3), [3, 1, 2])
    assert table["max_sites"].tolist() == [1, 2, 3]
    names = {"years": ["people_over_years"], "backup": ["people_and_backup"]}
    wider = names.get(kind, ["any_carrier", "two_carriers"] if kind == "first" else [])
    for row in table.to_dict("records"):
        plan = said[row["max_sites"]]
        assert row["people_served"] == pytest.approx(plan["objective"])
        assert row["bound"] == pytest.approx(plan["bound"]) and row["status"] == plan["status"]
        assert row["people_in_gap_after"] == pytest.approx(plan["people_in_gap_after"])
        assert row["sites"] == sum(c["sites"] for c in plan["carriers"].values())
        values = [row[name] for name in wider]
        assert values == pytest.approx(reached(plan)[: len(values)])
        assert all(row[f"{name}_bound"] >= row[name] * (1 - 1e-6) for name in wider)
    best = table[wider or ["people_served"]].round(6).to_numpy().tolist()
    assert best == sorted(best) and best[-1] > best[0]
    main(["plan", str(folder), "--curve", "1", "--json"])
    (told,) = json.loads(capsys.readouterr().out)
    every = {"people_over_years", "people_and_backup", "places", "any_carrier", "two_carriers"}
    assert set(told) & every == set(wider), "columns of other scenarios"


@pytest.mark.parametrize("kind", WIDER)
def test_alternatives_are_near_in_the_scenarios_own_objective(
    demo_run: Run, folder: Path, kind: str
) -> None:
    """Counted again cell by cell; and none is told that is too far."""
    siting, costs = WIDER[kind]
    siting = {**siting, "choices": all_but(demo_run, 10)}
    run = planned_again(demo_run, changed(demo_run, siting, Costs(**costs), max_sites=2), folder)
    table = weighing.alternatives(run, 2, differ=0.3, lose=0.5)
    assert table["alternative"].nunique() > 0
    of_carrier = {c.id: k for k, c in enumerate(run.carriers)}
    unmet = gaps.unmet_matrix(run.gaps, run.cells, list(of_carrier))
    aims = {"years": "people_over_years", "backup": "people_and_backup", "first": "two_carriers"}
    for _, own in table.groupby("alternative"):
        assert own["in_plan"].sum() <= 0.7 * len(run.plan)
        other = read_run(folder)
        other.__dict__["plan"] = own
        served = unmet[counts(other) > 0].sum()
        assert own["people_served"].unique() == pytest.approx([served])
        assert own["people_gained"].sum() == pytest.approx(served)
        assert own["fiscal_year"].notna().all() == (kind == "years")
        if kind in aims:
            place = 1 if kind == "first" else 0
            assert own[aims[kind]].min() >= 0.5 * reached(run.summary)[place] - 1e-6
    near = weighing.alternatives(run, 1, differ=0.3, lose=1e-9)
    assert near.empty or near["people_served"].min() > 0
    assert weighing.alternatives(run, 1, differ=1.0, lose=0.0).empty


def test_what_a_curve_or_an_alternative_cannot_say_is_refused(demo_run: Run, folder: Path) -> None:
    few = all_but(demo_run, 4)
    run = planned_again(demo_run, changed(demo_run, {"years": YEARS, "choices": few}), folder)
    with pytest.raises(InputError, match="fiscal years allow fewer") as error:
        weighing.curve(run, [1, 4])
    assert "年度" in error.value.render("ja") and "<= 3" in str(error.value)
    with pytest.raises(InputError, match="negative"):
        weighing.curve(run, [-1])
    with pytest.raises(InputError, match="no number of sites"):
        weighing.curve(run, [])
    made = [
        Choice(carrier=row.carrier_id, asset=row.asset_id, offer=True)
        for row in run.plan.itertuples()
    ]
    rules = {"years": YEARS, "choices": [*few, *made]}
    fixed = planned_again(demo_run, changed(demo_run, rules), folder)
    assert len(fixed.plan) == len(made)
    with pytest.raises(InputError, match="no plan can differ"):
        weighing.alternatives(fixed, 1)
    with pytest.raises(InfeasibleError, match=r"max_sites = 0: .*fixed"):
        weighing.curve(fixed, [0])
