"""A finished run's plan counted again from its tables and footprints, with nothing of the solver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import gaps, resilience, siting
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline import rules, standing
from tdh.results import Run

_RELATIVE = 1e-6
_FILE = "plan.json"


@dataclass(frozen=True, eq=False)
class _Plan:
    """The plan of a run as positions: carriers, assets, cells."""

    run: Run
    footprints: list[sparse.csr_array]
    ids: pd.Index
    site: np.ndarray
    who: np.ndarray

    @cached_property
    def carriers(self) -> list[str]:
        return [c.id for c in self.run.carriers]

    @cached_property
    def missing(self) -> np.ndarray:
        """Which cells are which carrier's gap, (n_carriers, n_cells)."""
        return gaps.gap_matrix(self.run.gaps, self.run.cells, self.carriers)

    @cached_property
    def unmet(self) -> np.ndarray:
        """People of each carrier's gap."""
        return gaps.unmet_matrix(self.run.gaps, self.run.cells, self.carriers)

    @cached_property
    def count(self) -> np.ndarray:
        """How many offers of each carrier serve each cell."""
        own = [f[self.site[self.who == k]] for k, f in enumerate(self.footprints)]
        return np.vstack([np.bincount(f.indices, minlength=f.shape[1]) for f in own])

    @cached_property
    def people(self) -> float:
        """People of the gaps whom the plan serves."""
        return float(self.unmet[self.count > 0].sum())


def verify(run: Run) -> list[Problem]:
    """What is wrong with a finished run's plan; nothing if it keeps all that it says.

    Every limit is counted again, and all that ``plan.json`` says: people, money, the years, the
    order of ``first`` (each objective's value, what is held of it, its bound), second covers.
    """
    footprints = []
    for carrier in run.carriers:
        signals = [run.footprint(carrier.id, band) for band in carrier.bands]
        served = signals[0].footprint()
        for other in signals[1:]:
            served = (served + other.footprint()).astype(bool)
        footprints.append(sparse.csr_array(served))
    ids = signals[0].site_ids
    site = ids.get_indexer(run.plan["asset_id"])
    if (site < 0).any():
        unknown = run.plan.loc[site < 0, "asset_id"].tolist()
        return [
            Problem(
                Text("the plan names assets without a footprint", "未知のアセットです"), unknown
            )
        ]
    who = pd.Index([c.id for c in run.carriers]).get_indexer(run.plan["carrier_id"])
    plan = _Plan(run, footprints, ids, site, who)
    problems = _limits(plan)
    said = float(run.summary["objective"])
    if _differ(said, plan.people):
        problems.append(
            Problem(
                Text("plan.json says another objective", "plan.json の目的関数値が一致しません"),
                value=said,
                expected=f"{plan.people:.6f}",
                where=str(run.folder / _FILE),
            )
        )
    if float(run.summary["bound"]) < plan.people * (1 - _RELATIVE):
        problems.append(_below(run.summary["bound"], plan.people, "bound"))
    return [*problems, *_money(plan), *_order(plan), *_years(plan), *_backup(plan)]


def counted_in_order(run: Run) -> list[dict[str, Any]]:
    """What ``plan.json`` says of each objective, in order; empty where people alone count."""
    found: list[dict[str, Any]] = run.summary.get("objectives", [])
    return found


def _differ(said: float, counted: float) -> bool:
    return abs(said - counted) > _RELATIVE * max(1.0, abs(counted))


def _below(bound: float, value: float, where: str) -> Problem:
    return Problem(
        Text("the bound is below the plan", "上界が計画値を下回ります"),
        value=bound,
        expected=f">= {value:.6f}",
        where=f"{_FILE}: {where}",
    )


def _said(where: str, said: float, counted: float) -> list[Problem]:
    """A problem where ``plan.json`` says another number than counted."""
    if not _differ(said, counted):
        return []
    what = Text("plan.json says another number", "plan.json の値が再集計と一致しません")
    return [Problem(what, value=said, expected=f"{counted:.6f}", where=f"{_FILE}: {where}")]


def _limits(plan: _Plan) -> list[Problem]:
    """Every limit of single choices; money that sharing saves is counted with the money."""
    run = plan.run
    codes = run.cells["municipality_code"].to_numpy()
    given = rules.limits(run.scenario, run.assets.loc[plan.ids], codes, plan.unmet)
    if run.scenario.costs.shared_saving:
        given = {k: v for k, v in given.items() if k not in ("cost", "budget", "programme_budget")}
    pairs = np.column_stack([plan.who, plan.site])
    found = siting.verify(pairs, plan.footprints, plan.unmet, **given)
    return rules.named(found, run.scenario, codes, plan.unmet)


def _money(plan: _Plan) -> list[Problem]:
    """What the offers cost, an asset's first carrier in full and the others less their saving."""
    run, scenario = plan.run, plan.run.scenario
    full = rules.cost_yen(scenario, run.assets.loc[plan.ids])
    if full is None:
        return []
    spent, seen = 0.0, set()
    for i in plan.site.tolist():
        spent += float(full[i]) * (1 - scenario.costs.shared_saving if i in seen else 1)
        seen.add(i)
    problems = _said("cost_yen", float(run.summary["cost_yen"]), spent)
    problems += _said("cost_yen (plan.parquet)", float(run.plan["cost_yen"].sum()), spent)
    most = scenario.siting.budget_yen
    if most is not None and spent > most * (1 + 1e-9):
        problems.append(
            Problem(
                Text("the programme's budget is exceeded", "事業全体の予算を超えています"),
                value=spent,
                expected=f"<= {most:.0f}",
                where="siting.budget_yen",
            )
        )
    return problems


def _order(plan: _Plan) -> list[Problem]:
    """The objectives of ``first``, then people: counted, and compared with what is held."""
    wanted, said = plan.run.scenario.siting, counted_in_order(plan.run)
    first, gives = wanted.first, wanted.first_gives
    if not first:
        return []
    names = [*first, "people"]
    if [o["name"] for o in said] != names:
        return [
            Problem(
                Text("the objectives are not those of the scenario", "目的の順序が違います"),
                value=", ".join(str(o["name"]) for o in said) or None,
                expected=", ".join(names),
                where=f"{_FILE}: objectives",
            )
        ]
    problems = []
    for k, entry in enumerate(said):
        where = f"objectives[{k}] ({entry['name']})"
        counted = _value(plan, entry["name"])
        held, bound = float(entry.get("held", entry["value"])), float(entry["bound"])
        problems += _said(f"{where}.value", float(entry["value"]), counted)
        kept = held * (1.0 - (gives if k < len(first) else 0.0))
        if counted < kept - _RELATIVE * max(1.0, held):
            problems.append(
                Problem(
                    Text("an earlier objective is not held", "先の目的が保たれていません"),
                    value=counted,
                    expected=f">= {kept:.6f}",
                    where=where,
                )
            )
        if bound < max(held, counted) - _RELATIVE * max(1.0, held):
            problems.append(_below(bound, max(held, counted), f"{where}.bound"))
        if entry["status"] == "optimal" and _differ(bound, held):
            problems += _said(f"{where}.bound (optimal)", bound, held)
    return problems


def _value(plan: _Plan, name: str) -> float:
    """What the plan reaches of an objective, from its definition."""
    run, reached = plan.run, plan.count > 0
    people = run.cells["population"].to_numpy(float)
    before = (~plan.missing).sum(axis=0)
    after = (~plan.missing | reached).sum(axis=0)
    if name == "any_carrier":
        return float(people[(before == 0) & (after > 0)].sum())
    if name == "two_carriers":
        return float(people[(before < 2) & (after >= 2)].sum())
    if name == "places":
        closed = (plan.missing & reached).sum(axis=0)
        return float(sum(p * closed[j] for j, p in _places(run)))
    return plan.people


def _places(run: Run) -> list[tuple[int, float]]:
    """The cell and the priority of each place that lies in a cell of the plan."""
    if run.places is None:
        return []
    row, col = run.grid.rowcol(
        run.places.geometry.x.to_numpy(float), run.places.geometry.y.to_numpy(float)
    )
    at = {
        key: j
        for j, key in enumerate(
            zip(run.cells["row"].tolist(), run.cells["col"].tolist(), strict=True)
        )
    }
    keys = zip(row.tolist(), col.tolist(), run.places["priority"].tolist(), strict=True)
    return [(at[r, c], float(p)) for r, c, p in keys if (r, c) in at]


def _years(plan: _Plan) -> list[Problem]:
    """Each year's offers, money and people, and that no year takes more than it may."""
    run, rules_of = plan.run, plan.run.scenario.siting
    if not rules_of.years:
        return []
    said = run.summary["years"]["each"]
    known = [str(y.fiscal_year) for y in rules_of.years]
    year_of = run.plan["fiscal_year"].astype(str).to_numpy()
    unknown = sorted(set(year_of) - set(known))
    if unknown or [str(y["fiscal_year"]) for y in said] != known:
        what = Text("the years are not those of the scenario", "年度がシナリオと違います")
        return [Problem(what, value=", ".join(unknown), expected=", ".join(known), where=_FILE)]
    problems: list[Problem] = []
    seen = np.zeros(plan.unmet.shape, dtype=bool)
    left_sites = dict.fromkeys(plan.carriers, 0.0)
    left_yen = total = 0.0
    for t, (year, entry) in enumerate(zip(rules_of.years, said, strict=True)):
        now = year_of == known[t]
        where = f"years ({known[t]})"
        for k, carrier in enumerate(plan.carriers):
            own = plan.site[now & (plan.who == k)]
            seen[k, plan.footprints[k][own].indices] = True
            most = (
                year.max_sites.get(carrier) if isinstance(year.max_sites, dict) else year.max_sites
            )
            left_sites[carrier] += np.inf if most is None else most
            problems += _year_over(where, carrier, len(own), left_sites[carrier])
            left_sites[carrier] = left_sites[carrier] - len(own) if rules_of.carry_over else 0.0
            problems += _said(f"{where}.sites.{carrier}", entry["sites"][carrier], len(own))
        people = float(plan.unmet[seen].sum())
        total += rules_of.discount**t * people
        problems += _said(f"{where}.people_served", entry["people_served"], people)
        if run.scenario.costs.yen:
            spent = float(run.plan.loc[now, "cost_yen"].sum())
            problems += _said(f"{where}.cost_yen", entry["cost_yen"], spent)
            left_yen += np.inf if year.budget_yen is None else year.budget_yen
            problems += _year_over(where, "budget_yen", spent, left_yen)
            left_yen = left_yen - spent if rules_of.carry_over else 0.0
    problems += _said("years.objective", run.summary["years"]["objective"], total)
    if run.summary["years"]["bound"] < total * (1 - _RELATIVE):
        problems.append(_below(run.summary["years"]["bound"], total, "years.bound"))
    return problems


def _year_over(where: str, of: str, used: float, most: float) -> list[Problem]:
    if used <= most * (1 + 1e-9) + 1e-9:
        return []
    what = Text("a year's limit is exceeded", "年度の上限を超えています")
    return [Problem(what, value=used, expected=f"<= {most:.9g}", where=f"{where}, {of}")]


def _backup(plan: _Plan) -> list[Problem]:
    """What second covers count for."""
    run, backup = plan.run, plan.run.scenario.siting.backup
    if backup is None:
        return []
    value = 0.0
    people = run.cells["population"].to_numpy(float)
    at_places = np.zeros(len(people))
    for j, priority in _places(run):
        at_places[j] += backup.place_people * priority
    for k, carrier in enumerate(plan.carriers):
        today = resilience.depth(standing.network(run, carrier).footprint)
        once = (today == 1) & ~plan.missing[k]
        second = (once & (plan.count[k] >= 1)) | (plan.missing[k] & (plan.count[k] >= 2))
        if backup.of == "people":
            value += backup.weight * run.scenario.market_shares[carrier] * people[second].sum()
        else:
            newly = plan.missing[k] & (plan.count[k] >= 1)
            value += backup.weight * at_places[second].sum() + at_places[newly].sum()
    said = run.summary["backup"]
    problems = _said("backup.value", said["value"], float(value))
    problems += _said("backup.objective", said["objective"], plan.people + float(value))
    if said["bound"] < (plan.people + value) * (1 - _RELATIVE):
        problems.append(_below(said["bound"], plan.people + float(value), "backup.bound"))
    return problems
