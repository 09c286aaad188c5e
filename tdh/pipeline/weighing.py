"""A finished run's plan against others: what it leaves out, what more sites bring, other plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import schemas, siting
from tdh.errors import InfeasibleError, InputError, NoSolutionError, Problem
from tdh.language import Text
from tdh.pipeline import questions, rules, tenants, yearly
from tdh.pipeline.context import Context
from tdh.pipeline.objectives import Answer
from tdh.results import Run
from tdh.scenario import Scenario
from tdh.scenario.combining import sites_of_year
from tdh.siting import explaining
from tdh.siting.exploring import apart, better_of


@dataclass(frozen=True, eq=False)
class _Question:
    """What the plan of a run answers, by position; cells without people in a gap are left out."""

    run: Run
    ids: pd.Index
    footprints: list[sparse.csr_array]
    unmet: np.ndarray
    limits: dict[str, Any]

    @property
    def carriers(self) -> np.ndarray:
        return np.array([c.id for c in self.run.carriers], dtype=object)


def _question(run: Run) -> _Question:
    context = Context.of(run)
    asked = questions.asked(context)
    counts = np.flatnonzero(asked.unmet.sum(axis=0) > 0)
    footprints = [sparse.csr_array(f[:, counts]) for f in asked.footprints]
    codes, unmet = asked.codes[counts], asked.unmet[:, counts]
    limits = rules.limits(run.scenario, run.assets.loc[asked.ids], codes, unmet)
    if run.scenario.siting.years:
        limits |= _over_years(run.scenario, limits)
    return _Question(run, asked.ids, footprints, unmet, limits)


def _over_years(scenario: Scenario, limits: dict[str, Any]) -> dict[str, Any]:
    """The limits that the fiscal years set together, where they are nearer than the plan's own."""
    sites, yen = yearly.year_limits(scenario)
    found: dict[str, Any] = {"max_sites": np.minimum(limits["max_sites"], sites.sum(axis=0))}
    if yen is not None:
        most = limits["programme_budget"]
        found["programme_budget"] = min(np.inf if most is None else most, float(yen.sum()))
    return found


def _plan(question: _Question) -> siting.Plan:
    """The run's plan by position, with what its solver proved of it."""
    run = question.run
    selected = _selected(run, question.carriers, question.ids)
    assignments = pd.DataFrame(
        {
            "carrier": selected[:, 0],
            "site": selected[:, 1],
            "gain": run.plan["people_gained"].to_numpy(),
            "loss_without": run.plan["people_lost_without"].to_numpy(),
            "order": run.plan["order"].to_numpy(),
        }
    )
    said = run.summary
    return siting.Plan(
        assignments,
        selected,
        float(said["objective"]),
        float(said["bound"]),
        siting.Status(said["status"]),
        str(said["method"]),
        True,
    )


def not_chosen(run: Run) -> pd.DataFrame:
    """Why each asset is not offered to each carrier, and what it would take.

    Where the plan also weighs what comes before or beside people, the reasons are those of people
    in a gap alone.

    Returns
    -------
    DataFrame
        Table ``not_chosen``: who would gain most comes first, carrier by carrier.
    """
    question = _question(run)
    limits, paid = _prices(question)
    table = siting.explain_unchosen(_plan(question), question.footprints, question.unmet, **limits)
    ids, by = question.ids.to_numpy(dtype=object), table["by"].to_numpy(dtype=int)
    rivals = [str(ids[k]) if k >= 0 else None for k in by]
    names = [c.name or c.id for c in run.carriers]
    texts = [explaining.named(text, list(ids), names) for text in table["text"]]
    texts = _not_swapped(run, table, texts)
    if run.scenario.siting.years and not run.scenario.siting.carry_over:
        table, texts = _within_years(table, texts)
    enters = table["enters_at"].to_numpy(dtype=float)
    found = pd.DataFrame(
        {
            "carrier_id": question.carriers[table["carrier"].to_numpy(dtype=int)],
            "asset_id": ids[table["site"].to_numpy(dtype=int)],
            "reason": table["reason"].astype(str),
            "by_asset_id": rivals,
            "people_gained": table["gain"].to_numpy(dtype=float),
            "people_changed": table["change"].to_numpy(dtype=float),
            "enters_at_sites": np.where(enters > 0, enters, np.nan),
            "reason_ja": [text.render("ja") for text in texts],
            "reason_en": [text.render("en") for text in texts],
        }
    )
    if paid is not None:
        counted = limits["cost"][tuple(_selected(run, question.carriers, question.ids).T)]
        of = _selected(run, question.carriers, question.ids)[:, 0]
        own = table["carrier"].to_numpy(dtype=int)
        spent = np.bincount(of, counted, len(question.carriers))[own]
        more = table["enters_at_cost"].to_numpy(dtype=float) - spent
        found["enters_at_yen"] = np.bincount(of, paid, len(question.carriers))[own] + more
        if run.scenario.siting.budget_yen is not None:
            found["enters_at_budget_yen"] = paid.sum() + more
    place = pd.Index(question.carriers).get_indexer(found["carrier_id"])
    order = np.lexsort((found["asset_id"], -found["people_gained"], place))
    return schemas.conform(found.iloc[order].reset_index(drop=True), "not_chosen")


def _prices(question: _Question) -> tuple[dict[str, Any], np.ndarray | None]:
    """The limits with what each offer would cost now, and what those of the plan cost.

    Where sharing saves money an asset that another carrier holds costs less, and giving up one that
    is shared saves less; the budget is what then remains the same.
    """
    limits, scenario = dict(question.limits), question.run.scenario
    if "cost" not in limits:
        return limits, None
    pairs = _selected(question.run, question.carriers, question.ids)
    paid = question.run.plan["cost_yen"].to_numpy(dtype=float)
    held = np.zeros((len(question.carriers), len(question.ids)), dtype=bool)
    held[tuple(pairs.T)] = True
    shared = held.sum(axis=0) - held > 0
    saving = scenario.costs.shared_saving if tenants.saves(scenario) else 0.0
    limits["cost"] = limits["cost"] * np.where(shared, 1.0 - saving, 1.0)
    if limits["programme_budget"] is not None:
        counted = float(limits["cost"][held].sum())
        limits["programme_budget"] += counted - float(paid.sum())
    return limits, paid


def _not_swapped(run: Run, table: pd.DataFrame, texts: list[Text]) -> list[Text]:
    """Reasons with why a swap that gains people was not made.

    The plan is not the best for people alone, or not proven to be the best.
    """
    rules = run.scenario.siting
    if rules.first:
        aim = Text(
            "{keys} (siting.first) come before people",
            "人口より {keys}(siting.first)を優先しているためです",
            keys=", ".join(rules.first),
        )
    elif rules.backup is not None:
        aim = Text(
            "second stations count, too (siting.backup)",
            "2局目によるカバーも評価しているためです(siting.backup)",
        )
    elif rules.years:
        aim = Text(
            "people of all fiscal years count, within the limits of each (siting.years)",
            "各年度の上限のもとで、全年度の人口の合計を最大化しているためです(siting.years)",
        )
    else:
        aim = Text(
            "the search ended early: the plan may be {gap:.2%} below the best",
            "探索を打ち切ったためです(最適値との差は最大{gap:.2%})",
            gap=float(run.summary["gap"]),
        )
    gains = table["change"].to_numpy(dtype=float) > 0
    more = Text("{said}; not swapped, as {aim}", "{said}。入れ替えていないのは、{aim}")
    return [
        Text(more.en, more.ja, said=text, aim=aim) if gain else text
        for text, gain in zip(texts, gains, strict=True)
    ]


def _within_years(table: pd.DataFrame, texts: list[Text]) -> tuple[pd.DataFrame, list[Text]]:
    """Reasons where each year has limits of its own, which are not those of all years together."""
    rest = table["reason"] == explaining.Reason.ROOM
    said = [
        Text(
            "the sites or the money of each fiscal year went to other choices; it would add {gain}",
            "各年度の局数または予算は、他の選択に使われています(追加できた需要 {gain})",
            gain=explaining.amount(gain),
        )
        if one
        else text
        for text, one, gain in zip(texts, rest, table["gain"], strict=True)
    ]
    return table.assign(reason=table["reason"].mask(rest, str(explaining.Reason.BUDGET))), said


def curve(run: Run, max_sites: Sequence[int]) -> pd.DataFrame:
    """What more or fewer sites would serve: the scenario's plan for each number, with its bounds.

    Parameters
    ----------
    run : Run
    max_sites : sequence of int
        Most sites of each carrier (with fiscal years, over all of them), for one plan each; all
        other rules stay.

    Returns
    -------
    DataFrame
        Table ``plan_curve``, ascending. Where the scenario's plan is not one of people alone, also
        what else it is the best for, each with its bound: people over all years, people and second
        covers, or what comes before people.

    Raises
    ------
    InputError
        If there is no number, one is negative, or the fiscal years allow fewer to every carrier.
    InfeasibleError, NoSolutionError
        If no number of sites can keep the other rules, or no plan was found that does. Where only
        some cannot, their rows say why.
    """
    steps = sorted(set(max_sites))
    _can_be_asked(run, steps)
    question = questions.asked(Context.of(run))
    before = float(question.unmet.sum())
    rows: list[dict[str, Any]] = []
    plans: list[siting.Plan | InfeasibleError | NoSolutionError] = []
    facts: list[Mapping[str, Any]] = []
    for most in steps:
        try:
            answer = _with_most(run, question, most)
        except (InfeasibleError, NoSolutionError) as error:
            plans.append(error)
            facts.append({})
            continue
        plans.append(answer.plan)
        facts.append(answer.facts)
    if not any(_beside_people(one) for one in facts):
        # Elsewhere a bound of people holds among plans that are as good in something else.
        plans = better_of(plans, np.array(steps, dtype=float)[:, None], before)
    for most, plan, beside in zip(steps, plans, facts, strict=True):
        if not isinstance(plan, siting.Plan):
            rows.append(_without_plan(most, plan))
            continue
        row = {
            "max_sites": most,
            "sites": len(plan.selected),
            "people_served": plan.objective,
            "bound": plan.bound,
            "gap": plan.gap,
            "people_in_gap_after": before - plan.objective,
            "status": str(plan.status),
        }
        for name, (value, bound) in _beside_people(beside).items():
            row |= {name: value, f"{name}_bound": bound}
        rows.append(row)
    failed = [plan for plan in plans if not isinstance(plan, siting.Plan)]
    if len(failed) == len(steps):
        proven = all(isinstance(error, InfeasibleError) for error in failed)
        family = InfeasibleError if proven else NoSolutionError
        raise family(*(problem for error in failed for problem in error.problems))
    return schemas.conform(pd.DataFrame(rows), "plan_curve")


def _without_plan(most: int, error: InfeasibleError | NoSolutionError) -> dict[str, Any]:
    """The row of a number of sites for which there is no plan."""
    return {
        "max_sites": most,
        "status": "infeasible" if isinstance(error, InfeasibleError) else "not_found",
        "reason_ja": error.render("ja"),
        "reason_en": error.render("en"),
    }


def _with_most(run: Run, question: questions.Question, most: int) -> Answer:
    """The scenario's plan with another number of sites of each carrier."""
    carriers = [c.model_copy(update={"max_sites": most}) for c in run.scenario.carriers]
    scenario = run.scenario.model_copy(update={"carriers": carriers})
    try:
        return questions.answered(Context.of(run, scenario), question)
    except (InfeasibleError, NoSolutionError) as error:
        # Of several numbers, which one.
        said = [
            replace(
                p,
                where=Text(
                    "max_sites = {n}: {where}",
                    "max_sites = {n}: {where}",
                    n=most,
                    where=p.where or "plan",
                ),
            )
            for p in error.problems
        ]
        raise type(error)(*said) from error


def _beside_people(facts: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """What a plan is the best for besides people at its end, and the bound of each.

    Parameters
    ----------
    facts : mapping
        ``plan.json``, or the facts of an answer.
    """
    for name, key in (("people_over_years", "years"), ("people_and_backup", "backup")):
        if key in facts:
            return {name: (float(facts[key]["objective"]), float(facts[key]["bound"]))}
    first = [o for o in facts.get("objectives", []) if o["name"] != "people"]
    return {o["name"]: (float(o["value"]), float(o["bound"])) for o in first}


def alternatives(run: Run, count: int, differ: float = 0.3, lose: float = 0.02) -> pd.DataFrame:
    """Plans nearly as good that differ, each against the run's plan.

    Parameters
    ----------
    run : Run
    count : int
        Most alternatives wanted.
    differ, lose : float
        Least share of other choices (the same in another year is none); greatest share lost of
        what the plan is the best for: people, people over all years, people and second covers, or
        each of what comes before people, and people.

    Returns
    -------
    DataFrame
        Table ``plan_alternatives``: one row a choice of an alternative, best first; empty where no
        such plan was found.

    Raises
    ------
    InputError
        If the scenario fixes every choice of the plan.

    Notes
    -----
    Each is the best that was found apart from those before it: that there is none does not prove
    that none exists.
    """
    context = Context.of(run)
    question = questions.asked(context)
    carriers = np.array([c.id for c in run.carriers], dtype=object)
    selected = _selected(run, carriers, question.ids)
    fixed = rules.choices(run.scenario, question.ids, offer=True)
    _leaves_a_choice(selected, fixed)
    least = [(1.0 - lose) * value - 1e-9 for value in _values(run.summary)]

    def near(other: Answer) -> bool:
        values = _values({"objective": other.plan.objective, **other.facts})
        return all(v >= floor for v, floor in zip(values, least, strict=True))

    found = apart(
        selected,
        lambda at_most: questions.answered(context, question, at_most),
        lambda other: other.plan.selected,
        near,
        count=count,
        differ=differ,
        fixed=fixed,
    )
    found.sort(key=lambda a: _values({"objective": a.plan.objective, **a.facts}), reverse=True)
    held = set(map(tuple, selected.tolist()))
    rows = []
    for number, other in enumerate(found, 1):
        beside = {name: value for name, (value, _) in _beside_people(other.facts).items()}
        rows += [
            {
                "alternative": number,
                "people_served": other.plan.objective,
                "carrier_id": carriers[row.carrier],
                "order": row.place,
                "asset_id": question.ids[row.site],
                "in_plan": (row.carrier, row.site) in held,
                "people_gained": row.gain,
                **{name: getattr(row, name) for name in other.columns},
                **beside,
            }
            for row in _in_turn(other.plan.assignments.assign(**other.columns)).itertuples()
        ]
    table = pd.DataFrame(rows, columns=None if rows else _required("plan_alternatives"))
    return schemas.conform(table, "plan_alternatives")


def _values(facts: Mapping[str, Any]) -> list[float]:
    """What a plan is the best for, the most important first."""
    beside = [value for value, _ in _beside_people(facts).values()]
    # A sum has people in it; what comes before people does not.
    return beside if beside and "objectives" not in facts else [*beside, float(facts["objective"])]


def _required(table: str) -> list[str]:
    spec = schemas.columns(table)
    return list(spec.loc[spec["required"] == "yes", "column"])


def _selected(run: Run, carriers: np.ndarray, ids: pd.Index) -> np.ndarray:
    """Pairs (carrier, site) of the run's plan, by position."""
    of = pd.Index(carriers).get_indexer(run.plan["carrier_id"])
    return np.column_stack([of, ids.get_indexer(run.plan["asset_id"])])


def _in_turn(assignments: pd.DataFrame) -> pd.DataFrame:
    """Choices carrier by carrier, with the place of each among its carrier's."""
    table = assignments.sort_values(["carrier", "order"])
    return table.assign(place=table.groupby("carrier").cumcount() + 1)


def compared(run: Run, other: Run) -> pd.DataFrame:
    """The plans of two runs side by side: one row an offer of either.

    Returns
    -------
    DataFrame
        Table ``plan_compared``; people are missing where a plan does not make the offer.
    """
    key = ["carrier_id", "asset_id"]
    sides = [r.plan.set_index(key)["people_lost_without"].astype(float) for r in (run, other)]
    table = pd.concat(sides, axis=1, keys=["people_in_one", "people_in_other"]).sort_index()
    one, two = table["people_in_one"].notna(), table["people_in_other"].notna()
    table["where"] = np.select([one & two, one], ["both", "one"], "other")
    return schemas.conform(table.reset_index(), "plan_compared")


def moved(run: Run, other: Run, least_m: float = 50.0) -> list[str]:
    """Assets of either plan that stand elsewhere in the other run: one id, but two assets.

    A register without identifiers of its own numbers its records, so that a record put in between
    gives all that follow the ids of others.

    Parameters
    ----------
    run, other : Run
    least_m : float
        Distance from which an asset is another: positions may be told anew, or more exactly.
    """
    offered = set(run.plan["asset_id"]) | set(other.plan["asset_id"])
    known = sorted(offered & set(run.assets.index) & set(other.assets.index))
    here = run.assets.geometry.loc[known]
    there = other.assets.geometry.loc[known].to_crs(here.crs)
    return here.index[here.distance(there) >= least_m].tolist()


def _can_be_asked(run: Run, steps: Sequence[int]) -> None:
    """Refuse numbers of sites that say nothing."""
    where, problems = "--curve", []
    if not steps:
        what = Text("there is no number of sites", "局数がありません")
        problems.append(Problem(what, where=where))
    elif steps[0] < 0:
        what = Text("a number of sites is negative", "局数が負です")
        problems.append(Problem(what, value=steps[0], expected=">= 0", where=where))
    if run.scenario.siting.years:
        most = max(_most_by_years(run.scenario, k) for k in range(len(run.carriers)))
        if steps and steps[-1] > most:
            problems.append(
                Problem(
                    Text(
                        "the fiscal years allow fewer sites to every carrier",
                        "各年度の局数上限の合計を超えています",
                    ),
                    value=steps[-1],
                    expected=f"<= {most:g}",
                    where=where,
                    fix=Text(
                        "ask for fewer, or allow more in [[siting.years]] with tdh run … --set "
                        "KEY=VALUE --out OTHER",
                        "少ない局数を指定するか、tdh run … --set KEY=VALUE --out 別のフォルダ で "
                        "[[siting.years]] の局数を増やしてください",
                    ),
                )
            )
    if problems:
        raise InputError(*problems)


def _most_by_years(scenario: Scenario, carrier: int) -> float:
    """Most sites of a carrier that the fiscal years allow together."""
    given = [sites_of_year(scenario, t, carrier) for t in range(len(scenario.siting.years))]
    return float(sum(np.inf if n is None else n for n in given))


def _leaves_a_choice(selected: np.ndarray, fixed: np.ndarray | None) -> None:
    """Refuse a plan all of whose choices are the planner's own: no other can differ."""
    held = set() if fixed is None else set(map(tuple, fixed.tolist()))
    if len(selected) and set(map(tuple, selected.tolist())) <= held:
        raise InputError(
            Problem(
                Text(
                    "the scenario makes every choice of the plan itself, so no plan can differ",
                    "計画のすべての選択がシナリオで固定されており、異なる案はありえません",
                ),
                where="siting.choices",
                fix=Text(
                    "take out choices with offer = true",
                    "offer = true の choices を減らしてください",
                ),
            )
        )
