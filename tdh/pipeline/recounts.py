"""A finished run's plan counted again from its tables and footprints, with nothing of the solver.

Shared with the stages that wrote the run are the reasons in words, the scenario's limits and costs
in numbers (:mod:`tdh.pipeline.rules`), what today's stations serve and how files are read: an error
in these is not found here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tdh import gaps, siting
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline import claims, counted, rules, tallies
from tdh.pipeline.counted import Counted
from tdh.results import Run
from tdh.scenario.combining import sites_of_year
from tdh.siting.claims import over

_RELATIVE = 1e-6
_FILE = "plan.json"
_FACTS = ("status", "method", "objective", "bound", "gap")
"""What the manifest tells of the stage of the plan."""


def verify(run: Run) -> list[Problem]:
    """What is wrong with a finished run's plan; nothing if it keeps all that it says.

    Every limit is counted again, and all that ``plan.json`` and ``plan.parquet`` say: people,
    money, the years, the order of ``first`` (each objective's value, what is held of it, its
    bound), second covers, each offer. What is said of the plan in ``manifest.json`` is compared.
    """
    plan, problems = counted.read(run)
    return problems if plan is None else problems + of(plan)


def of(plan: Counted) -> list[Problem]:
    """The same of offers that are counted already."""
    of_tables = claims.summary, claims.offers, _manifest, _gaps, _people
    return [p for check in (*of_tables, _limits, _money, _order, _years) for p in check(plan)]


def _manifest(plan: Counted) -> list[Problem]:
    """What ``manifest.json`` says of the plan, which ``plan.json`` must say, too; and the seed."""
    manifest, summary = plan.run.manifest, plan.run.summary
    stages = [s for s in claims.entries(manifest.get("stages")) if s.get("name") == "plan"]
    if len(stages) != 1:
        what = Text("the plan is not one stage", "計画の段階が1つではありません")
        return [Problem(what, value=len(stages), expected="1", where="manifest.json: stages")]
    facts = stages[0].get("facts")
    facts = facts if isinstance(facts, dict) else {}
    pairs = {
        name: (summary.get(name), facts.get(name)) for name in dict.fromkeys((*_FACTS, *facts))
    }
    pairs["seed"] = (plan.scenario.seed, manifest.get("seed"))
    what = Text("plan.json and manifest.json differ", "plan.json と manifest.json が違います")
    return [
        Problem(what, value=of_plan, expected=str(told), where=name)
        for name, (of_plan, told) in pairs.items()
        if told is None or type(of_plan) is not type(told) or of_plan != told
    ]


def _gaps(plan: Counted) -> list[Problem]:
    """Which cells are a gap, against the rasters of today; each once, and of a known carrier."""
    run, names = plan.run, plan.run.gaps[["carrier_id", "cell_id"]].astype(str)
    ground, served = tallies.Ground(run), np.zeros(plan.missing.shape, dtype=bool)
    for k, carrier in enumerate(run.carriers):
        for band in carrier.bands:
            level = ground.level(carrier.id, band, "before")
            served[k] |= level >= run.bands[carrier.id, band].covered_dbm

    def cells(which: np.ndarray) -> list[str]:
        return [f"{plan.carriers[c]}, {run.cells.index[j]}" for c, j in np.argwhere(which).tolist()]

    def rows(which: pd.Series) -> list[str]:
        return [f"{carrier}, {cell}" for carrier, cell in names[which].to_numpy().tolist()]

    findings = (
        (
            Text("a cell that is not served is no gap", "カバーされないセルが不足区域にありません"),
            cells(~served & ~plan.missing),
        ),
        (
            Text("a cell that is served is a gap", "カバー済みのセルが不足区域にあります"),
            cells(served & plan.missing),
        ),
        (Text("a gap occurs twice", "同じ不足セルが重複しています"), rows(names.duplicated())),
        (
            Text("there is no such carrier", "その事業者はありません"),
            rows(~names["carrier_id"].isin(plan.carriers)),
        ),
    )
    return [
        Problem(what, value=f"{found[0]} ({len(found)})", where="gaps.parquet")
        for what, found in findings
        if found
    ]


def _people(plan: Counted) -> list[Problem]:
    """People of the table ``gaps`` against residents, shares and which cells are a gap."""
    said = gaps.unmet_matrix(plan.run.gaps, plan.run.cells, plan.carriers)
    wrong = np.argwhere(~(np.abs(said - plan.unmet) <= 1e-9 * np.maximum(1.0, plan.unmet)))
    if not wrong.size:
        return []
    c, j = wrong[0].tolist()
    return [
        Problem(
            Text("other people are in a gap", "不足区域の人口が一致しません"),
            value=float(said[c, j]),
            expected=f"{plan.unmet[c, j]:.9g}",
            where=f"gaps.parquet: {plan.carriers[c]}, {plan.run.cells.index[j]} ({len(wrong)})",
        )
    ]


def _limits(plan: Counted) -> list[Problem]:
    """Every limit of single choices; money that sharing saves is counted with the money."""
    run = plan.run
    codes = run.cells["municipality_code"].to_numpy()
    given = rules.limits(run.scenario, run.assets.loc[plan.ids], codes, plan.unmet)
    if run.scenario.costs.shared_saving:
        given = {k: v for k, v in given.items() if k not in ("cost", "budget", "programme_budget")}
    pairs = np.column_stack([plan.who, plan.site])
    found = siting.verify(pairs, plan.footprints, plan.unmet, **given)
    return rules.named(found, run.scenario, codes, plan.unmet, plan.ids.tolist())


def _money(plan: Counted) -> list[Problem]:
    """What all offers cost, an asset's first carrier in full and the others less their saving."""
    most = plan.scenario.siting.budget_yen
    if plan.yen is None or most is None or not over(plan.yen.sum(), most):
        return []
    return [
        Problem(
            Text("the programme's budget is exceeded", "事業全体の予算を超えています"),
            value=float(plan.yen.sum()),
            expected=f"<= {most:.0f}",
            where="siting.budget_yen",
        )
    ]


def _order(plan: Counted) -> list[Problem]:
    """The objectives of ``first``, then people: what the plan reaches, against what is held."""
    wanted, problems = plan.scenario.siting, []
    told = claims.entries(plan.run.summary.get("objectives"))
    for name, said in zip((*wanted.first, "people"), told, strict=False):
        held = said.get("held")
        if not claims.is_number(held):
            continue
        value, gives = plan.objective(name)[0], 0.0 if name == "people" else wanted.first_gives
        if value < held * (1.0 - gives) - _RELATIVE * max(1.0, held):
            problems.append(
                Problem(
                    Text("an earlier objective is not held", "先の目的が保たれていません"),
                    value=value,
                    expected=f">= {held * (1.0 - gives):.6f}",
                    where=f"{_FILE}: objectives ({name})",
                )
            )
    return problems


def _years(plan: Counted) -> list[Problem]:
    """That no year, or with carry-over no years so far, take more than they may."""
    scenario, years = plan.scenario, plan.scenario.siting.years
    now = plan.year == np.arange(len(years))[:, None]
    taken: list[tuple[str, np.ndarray, list[float | None]]] = [
        (
            carrier,
            now @ (plan.who == k).astype(float),
            [sites_of_year(scenario, t, k) for t in range(len(years))],
        )
        for k, carrier in enumerate(plan.carriers)
    ]
    if plan.yen is not None:
        taken.append(("budget_yen", now @ plan.yen, [y.budget_yen for y in years]))
    so_far = np.cumsum if scenario.siting.carry_over else np.asarray
    what, problems = Text("a year's limit is exceeded", "年度の上限を超えています"), []
    for name, used, given in taken:
        total, most = so_far(used), so_far([np.inf if m is None else m for m in given])
        problems += [
            Problem(
                what,
                value=float(total[t]),
                expected=f"<= {most[t]:.9g}",
                where=f"years ({years[t].fiscal_year}), {name}",
            )
            for t in np.flatnonzero(over(total, most)).tolist()
        ]
    return problems
