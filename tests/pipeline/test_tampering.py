"""Every number of a plan's files, changed one at a time, is found when the run is counted again."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tdh.pipeline import checks, claims, counted, planned, recounts
from tdh.pipeline.context import Context
from tdh.results import Run, read_run
from tdh.scenario import Costs
from tdh.scenario.models import Backup, Choice, FiscalYear

YEN = {"roof": 9e6, "pole": 3e6, "ground": 5e6}
YEARS = [
    FiscalYear(fiscal_year=2026, max_sites=1, budget_yen=20e6),
    FiscalYear(fiscal_year=2027, budget_yen=30e6),
]

RULES: dict[str, tuple[dict[str, Any], Costs]] = {
    "years": ({"years": YEARS, "discount": 0.9}, Costs(yen=YEN)),
    "first": ({"first": ["any_carrier", "two_carriers"]}, Costs()),
    "backup": ({"backup": Backup(weight=0.5)}, Costs()),
    "shared": ({"budget_yen": 30e6}, Costs(yen=YEN, shared_saving=0.5)),
}


def small(demo_run: Run, folder: Path, name: str) -> Run:
    """The sample planned by other rules among few assets, in a copy of its folder."""
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    if name == "sample":
        return read_run(folder)
    siting, costs = RULES[name]
    kept = set(demo_run.plan["asset_id"].drop_duplicates().iloc[:8])
    ids = demo_run.footprint(*next(iter(demo_run.bands))).site_ids
    choices = [
        Choice(carrier=c.id, asset=asset, offer=False)
        for c in demo_run.carriers
        for asset in ids
        if asset not in kept
    ]
    scenario = demo_run.scenario
    scenario = scenario.model_copy(
        update={
            "costs": costs,
            "siting": scenario.siting.model_copy(update={**siting, "choices": choices}),
            "carriers": [
                c.model_copy(update={"max_sites": 3, "budget_yen": 20e6 if costs.yen else None})
                for c in scenario.carriers
            ],
        }
    )
    context = Context(scenario, folder)
    context.run.manifest["grid"] = demo_run.manifest["grid"]
    facts = planned.plan(context)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["scenario"] = scenario.model_dump(mode="json")
    manifest["stages"] = [{"name": "plan", "facts": facts}]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return read_run(folder)


@pytest.fixture(scope="module", params=["sample", *RULES])
def run(
    request: pytest.FixtureRequest, demo_run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    made = small(demo_run, tmp_path_factory.mktemp("tampered") / "run", request.param)
    assert [str(p) for p in recounts.verify(made)] == []
    assert len(made.plan) > 3
    return made


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The path of every scalar."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else None
    )
    if inside is None:
        yield path
        return
    for key, part in inside:
        yield from places(part, *path, key)


def other(value: Any) -> Any:
    """A value like another, but not it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + (0.01 if abs(value) <= 1 else 1)
    if value in ("optimal", "feasible"):
        return "feasible" if value == "optimal" else "optimal"
    return 9e9 if value is None else f"{value}x"


def with_part(summary: dict[str, Any], path: tuple[Any, ...], change: Callable[..., None]) -> Any:
    changed = copy.deepcopy(summary)
    part = changed
    for key in path[:-1]:
        part = part[key]
    change(part, path[-1])
    return changed


CHANGES: dict[str, Callable[[Any, Any], None]] = {
    "another": lambda part, key: part.__setitem__(key, other(part[key])),
    "no number": lambda part, key: part.__setitem__(key, float("nan")),
    "too large": lambda part, key: part.__setitem__(key, 10**400),
    "a table": lambda part, key: part.__setitem__(key, {"x": "y"}),
    "nothing": lambda part, key: part.__delitem__(key),
}


def found(run: Run, plan: counted.Counted, summary: dict[str, Any]) -> list[str]:
    """What is found of another ``plan.json``, by the checks that read it."""
    own = run.summary
    run.__dict__["summary"] = summary
    try:
        reading = claims.summary, recounts._manifest, recounts._order
        return [str(p) for check in reading for p in check(plan)]
    finally:
        run.__dict__["summary"] = own


@pytest.fixture(scope="module")
def plan(run: Run) -> counted.Counted:
    counts, problems = counted.read(run)
    assert counts is not None and problems == []
    return counts


@pytest.mark.parametrize("change", CHANGES)
def test_every_scalar_of_plan_json(run: Run, plan: counted.Counted, change: str) -> None:
    missed = [
        path
        for path in places(run.summary)
        if not found(run, plan, with_part(run.summary, path, CHANGES[change]))
    ]
    assert missed == []


@pytest.mark.parametrize("path", [("more",), ("carriers", "x"), ("carriers", "carrier-a", "more")])
def test_what_plan_json_should_not_say(
    run: Run, plan: counted.Counted, path: tuple[str, ...]
) -> None:
    more = with_part(run.summary, path, lambda part, key: part.__setitem__(key, 1))
    assert [".".join(path) in text for text in found(run, plan, more)] == [True]


def test_lists_of_plan_json(run: Run, plan: counted.Counted) -> None:
    for path in (("objectives",), ("years", "each")):
        if path[0] in run.summary:
            for wrong in ([], [1], "x", None):
                less = with_part(
                    run.summary, path, lambda part, key, w=wrong: part.__setitem__(key, w)
                )
                said = " ".join(found(run, plan, less))
                assert "not those of the scenario" in said


def altered(values: pd.Series) -> Any:
    """Another value for the last row of a column."""
    last = values.iloc[-1]
    if values.name == "fiscal_year":
        return "2026" if last != "2026" else "2027"
    if isinstance(last, float) or np.issubdtype(type(last), np.number):
        return 5e6 if pd.isna(last) else last + 1
    if hasattr(last, "geom_type"):
        return values.translate(5000.0, 0.0).iloc[-1]
    others = values[values != last]  # known words, of another row
    return others.iloc[0] if len(others) else "n99"


def tampered(run: Run, table: pd.DataFrame | None = None, **tables: Any) -> list[str]:
    """What is found of a run with another table ``plan``, or with others of its tables."""
    wrong = read_run(run.folder)
    wrong.__dict__.update(cells=run.cells, gaps=run.gaps, assets=run.assets, plan=run.plan)
    wrong.__dict__.update(tables if table is None else {**tables, "plan": table})
    return [str(p) for p in recounts.verify(wrong)]


def test_every_column_of_plan_parquet(run: Run) -> None:
    missed = []
    for column in run.plan:
        table = run.plan.copy()
        rows = table.index[-1:]
        table.loc[rows, column] = altered(table[column])
        if not tampered(run, table):
            missed.append(column)
        without = pd.DataFrame(run.plan.drop(columns=column))
        if run.plan[column].notna().any() and not tampered(run, without):
            missed.append(f"{column} left out")
    assert missed == []


def test_numbers_of_plan_parquet_as_words(run: Run) -> None:
    plan = run.plan
    columns = ["order", "people_gained", "people_lost_without"]
    columns += ["cost_yen"] if run.scenario.costs.yen else []
    for column in columns:
        wrong = plan.assign(**{column: plan[column].astype(str)})
        assert any(f"{column}: the column holds no numbers" in p for p in tampered(run, wrong))
        # The reasons are counted all the same.
        wrong = wrong.assign(reason_en="because")
        assert any("reason_en (" in p for p in tampered(run, wrong))


def test_lists_in_plan_parquet(run: Run) -> None:
    plan = run.plan
    for column in set(plan) - {"asset_id", "carrier_id", "geometry"}:
        found = " ".join(tampered(run, plan.assign(**{column: [[1, 2]] * len(plan)})))
        assert f"plan.parquet: {column}" in found


def test_crs_of_plan_parquet(run: Run) -> None:
    for crs in ("EPSG:6669", None):
        (said,) = tampered(run, run.plan.set_crs(crs, allow_override=True))
        assert "the CRS is not that of the run" in said


def test_a_bound_that_does_not_follow_from_its_parts(run: Run, plan: counted.Counted) -> None:
    """A higher bound with the gap and the status that follow from it."""
    summary = copy.deepcopy(run.summary)
    value, bound = summary["objective"], 2 * summary["bound"]
    summary.update(bound=bound, gap=(bound - value) / bound, status="feasible")
    told = {"years", "objectives", "backup"} & set(summary)
    problems = found(run, plan, summary)
    assert any(p.startswith("plan.json: bound") for p in problems) == bool(told)


def test_what_follows_from_the_bound_of_all_that_was_solved(
    run: Run, plan: counted.Counted
) -> None:
    """Parts that are less well proven, with what follows for people, are a plan like another."""
    summary, rules = copy.deepcopy(run.summary), run.scenario.siting
    if rules.first:
        part, share, key = summary["objectives"][-1], 1.0, "value"
    elif rules.years or rules.backup:
        part, key = summary["years" if rules.years else "backup"], "objective"
        share = rules.discount ** (len(rules.years) - 1) if rules.years else 1.0
    else:
        part, share, key = summary, 1.0, "objective"
    for own, more in ((part, 100.0), (summary, 100.0 / share)):
        value = own[key if own is part else "objective"]
        own["bound"] = value + more
        own.update(gap=more / own["bound"], status="feasible")
    problems = [p for p in found(run, plan, summary) if "and manifest.json differ" not in p]
    assert problems == []


def test_nothing_is_held_of_less_than_nothing(run: Run, plan: counted.Counted) -> None:
    summary = copy.deepcopy(run.summary)
    for entry in summary.get("objectives", [])[:1]:
        entry.update(held=-5.0, gap=(entry["bound"] + 5) / entry["bound"], status="feasible")
        assert any("held" in p for p in found(run, plan, summary))


def test_rows_of_plan_parquet(run: Run) -> None:
    plan = run.plan
    assert "occurs twice" in " ".join(tampered(run, pd.concat([plan, plan.iloc[:1]])))
    assert tampered(run, plan.iloc[1:])
    swapped = plan.rename(columns={"asset_id": "carrier_id", "carrier_id": "asset_id"})
    said = " ".join(tampered(run, swapped))
    assert "without a footprint" in said and "no such carrier" in said
    assert "says something else" in " ".join(tampered(run, plan.assign(more=1, order=1)))
    orders = plan["order"].to_numpy().copy()
    orders[:2] = orders[:2][::-1]
    assert tampered(run, plan.assign(order=orders))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"asset_id": "nobody"},
            "assets without a footprint: nobody, nobody, nobody, nobody, nobody",
        ),
        ({"carrier_id": "carrier-x"}, "there is no such carrier: carrier-x"),
        ({"asset_id": 99, "carrier_id": -1}, "there is no such carrier: -1"),
    ],
)
def test_a_plan_that_names_what_is_not_there_is_a_finding(
    demo_run: Run, change: dict[str, Any], said: str
) -> None:
    wrong = read_run(demo_run.folder)
    wrong.__dict__["plan"] = demo_run.plan.assign(**change)
    problems, tables = checks.recounted(wrong)
    assert said in " ".join(map(str, problems)) and tables == []


def test_people_of_the_gaps_are_residents_with_their_carriers_share(run: Run) -> None:
    wrong = read_run(run.folder)
    wrong.__dict__["gaps"] = run.gaps.assign(unmet_people=run.gaps["unmet_people"] * 1.1)
    assert "other people are in a gap" in " ".join(map(str, recounts.verify(wrong)))


def test_gaps_are_the_cells_that_the_rasters_do_not_serve(run: Run) -> None:
    gaps, nobody = run.gaps, run.gaps["unmet_people"] == 0
    assert nobody.any()
    less = " ".join(tampered(run, gaps=gaps[~nobody]))
    assert "a cell that is not served is no gap" in less and f"({int(nobody.sum())})" in less
    served = set(run.cells.index) - set(gaps["cell_id"].astype(str))
    more = gaps.iloc[:1].assign(cell_id=min(served), unmet_people=0.0)
    plain = gaps.astype({"cell_id": "str", "carrier_id": "str"})
    for row, said in (
        (more, "a cell that is served is a gap"),
        (plain.iloc[:1], "a gap occurs twice"),
        (plain.iloc[:1].assign(carrier_id="nobody"), "there is no such carrier: nobody"),
    ):
        assert said in " ".join(tampered(run, gaps=pd.concat([plain, row])))


def test_gaps_and_plan_json_that_are_changed_together(run: Run) -> None:
    """Fewer people in a gap, told alike by the table and by ``plan.json``."""
    counts, _ = counted.read(run)
    assert counts is not None
    left = counts.missing & (counts.count == 0)
    dropped = run.cells.index[left[0]].tolist()
    first = run.gaps["carrier_id"].astype(str) == counts.carriers[0]
    fewer = run.gaps[~(first & run.gaps["cell_id"].astype(str).isin(dropped))]
    wrong = read_run(run.folder)
    wrong.__dict__.update(gaps=fewer)
    forged, _ = counted.read(wrong)
    assert forged is not None
    summary = {**claims._summary(forged, run.summary), "method": run.summary["method"]}
    assert summary["people_in_gap_before"] < run.summary["people_in_gap_before"]
    assert "is no gap" in " ".join(tampered(run, gaps=fewer, summary=summary))


def with_footprint(run: Run, change: Callable[[Any], Any], number: int = -1) -> list[str]:
    """What is found if the footprint of one of the bands were another."""
    at, own = list(run.bands)[number], run.footprint
    wrong = read_run(run.folder)
    wrong.__dict__["footprint"] = lambda *who: change(own(*who)) if who == at else own(*who)
    problems, tables = checks.recounted(wrong)
    assert tables == []
    return [str(p) for p in problems]


@pytest.mark.parametrize("number", [0, 1, -1])
def test_footprints_are_of_the_runs_assets_cells_and_bands(demo_run: Run, number: int) -> None:
    def turned(index: pd.Index) -> pd.Index:
        return index[::-1]

    for change, said in (
        (lambda own: replace(own, site_ids=turned(own.site_ids)), "its assets are not those"),
        (lambda own: replace(own, cell_ids=turned(own.cell_ids)), "its cells are not those"),
        (lambda own: replace(own, band=replace(own.band, covered_dbm=-120.0)), "its band is not"),
    ):
        assert said in " ".join(with_footprint(demo_run, change, number))


def test_what_cannot_be_a_name_is_a_finding(run: Run) -> None:
    plan = run.plan
    for column, said in (
        ("asset_id", "assets without a footprint"),
        ("carrier_id", "no such carrier"),
    ):
        for wrong in (None, [1], np.nan, 7):
            names = plan[column].astype(object)
            names.iloc[0] = wrong
            assert said in " ".join(tampered(run, plan.assign(**{column: names})))


def test_assets_that_are_gone_or_occur_twice_are_findings(run: Run) -> None:
    assets, chosen = run.assets, run.plan["asset_id"].iloc[0]
    for wrong in (assets.drop(index=chosen), pd.concat([assets, assets.loc[[chosen]]])):
        (said,) = tampered(run, assets=wrong)
        assert "assets are missing, or occur twice" in said and chosen in said


def test_the_manifest_tells_once_what_plan_json_tells(run: Run) -> None:
    def findings(**changes: Any) -> str:
        wrong = read_run(run.folder)
        wrong.manifest.update(changes)
        wrong.__dict__.update(scenario=run.scenario)
        counts, _ = counted.read(wrong)
        assert counts is not None
        return " ".join(map(str, recounts._manifest(counts)))

    (stage,) = [s for s in run.manifest["stages"] if s["name"] == "plan"]
    facts = stage["facts"]
    assert findings(stages=[stage]) == ""
    for stages in (None, {}, [5], [], [{**stage, "name": "map"}], [stage, stage]):
        assert "the plan is not one stage" in findings(stages=stages)
    for wrong in (None, [], {}, [facts], "x", {**facts, "more": 1}, {**facts, "more": None}):
        assert "manifest.json differ" in findings(stages=[{**stage, "facts": wrong}])
    for name, value in facts.items():
        less = {k: v for k, v in facts.items() if k != name}
        for told in (less, {**facts, name: other(value)}, {**facts, name: [value]}):
            assert f"{name}: plan.json and" in findings(stages=[{**stage, "facts": told}])
    for seed in (run.scenario.seed + 1, None, "0", [0], True):
        assert "seed: plan.json and" in findings(seed=seed)


def test_findings_name_carriers_and_assets(run: Run) -> None:
    plan, own = run.plan, run.scenario
    carriers = [c.model_copy(update={"max_sites": 0}) for c in own.carriers]
    siting = own.siting.model_copy(update={"spacing_m": 1e5, "sharing_capacity": 0})
    scenario = own.model_copy(update={"carriers": carriers, "siting": siting})
    found = tampered(run, scenario=scenario)
    for carrier in plan["carrier_id"].unique():
        assert any(p.startswith(f"{carrier}: a carrier has too many sites") for p in found)
    for asset in plan["asset_id"].unique():
        assert any(p.startswith(f"{asset}: too many carriers share") for p in found)
    assert any(p.startswith(f"{plan['carrier_id'].iloc[0]}, ") and "too near" in p for p in found)
