"""A finished run's plan against others: what it leaves out, what more sites bring, other plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import gaps, schemas, siting
from tdh.errors import InfeasibleError, InputError, Problem
from tdh.language import Text
from tdh.pipeline import rules, tenants
from tdh.results import Run
from tdh.siting import explaining


@dataclass(frozen=True, eq=False)
class _Question:
    """What the plan of a run answers, by position; cells without people in a gap are left out."""

    run: Run
    ids: pd.Index
    footprints: list[sparse.csr_array]
    unmet: np.ndarray
    codes: np.ndarray
    limits: dict[str, Any]

    @property
    def carriers(self) -> np.ndarray:
        return np.array([c.id for c in self.run.carriers], dtype=object)

    def named(self, error: InfeasibleError) -> InfeasibleError:
        """The error with names of floors and carriers instead of their positions."""
        problems = rules.named(error.problems, self.run.scenario, self.codes, self.unmet)
        return InfeasibleError(*problems)


def _question(run: Run) -> _Question:
    carriers = [c.id for c in run.carriers]
    unmet = gaps.unmet_matrix(run.gaps, run.cells, carriers)
    wanted = np.flatnonzero(unmet.sum(axis=0) > 0)
    footprints, ids = [], pd.Index([])
    for carrier in run.carriers:
        served = None
        for band in carrier.bands:
            signals = run.footprint(carrier.id, band)
            ids, own = signals.site_ids, signals.footprint()
            served = own if served is None else (served + own).astype(bool)
        footprints.append(sparse.csr_array(sparse.csr_array(served)[:, wanted]))
    codes, unmet = run.cells["municipality_code"].to_numpy()[wanted], unmet[:, wanted]
    limits = rules.limits(run.scenario, run.assets.loc[ids], codes, unmet)
    return _Question(run, ids, footprints, unmet, codes, limits)


def _plan(question: _Question) -> siting.Plan:
    """The run's plan by position, with what its solver proved of it."""
    run = question.run
    carrier = pd.Index(question.carriers).get_indexer(run.plan["carrier_id"])
    selected = np.column_stack([carrier, question.ids.get_indexer(run.plan["asset_id"])])
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
    table = siting.explain_unchosen(
        _plan(question), question.footprints, question.unmet, **question.limits
    )
    ids, by = question.ids.to_numpy(dtype=object), table["by"].to_numpy(dtype=int)
    rivals = [str(ids[k]) if k >= 0 else None for k in by]
    names = [c.name or c.id for c in run.carriers]
    texts = [explaining.named(text, list(ids), names) for text in table["text"]]
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
    if "cost" in question.limits:
        found["enters_at_yen"] = table["enters_at_cost"].to_numpy(dtype=float)
    place = pd.Index(question.carriers).get_indexer(found["carrier_id"])
    order = np.lexsort((found["asset_id"], -found["people_gained"], place))
    return schemas.conform(found.iloc[order].reset_index(drop=True), "not_chosen")


def curve(run: Run, max_sites: Sequence[int]) -> pd.DataFrame:
    """How many people more or fewer sites would serve, each number with its proven bound.

    Parameters
    ----------
    run : Run
    max_sites : sequence of int
        Most sites of each carrier, for one plan each; all other rules stay.

    Returns
    -------
    DataFrame
        Table ``plan_curve``, ascending.

    Raises
    ------
    InputError
        If the scenario's plan is not one of people in a gap alone (years, ``first``, backup,
        shared cost).
    InfeasibleError
        If a number of sites cannot keep the other rules.
    """
    _of_people_alone(run, "--curve")
    question = _question(run)
    limits = {k: v for k, v in question.limits.items() if k != "max_sites"}
    steps = sorted(set(max_sites))
    try:
        table = siting.coverage_curve(
            question.footprints, question.unmet, steps, seed=run.scenario.seed, **limits
        )
    except InfeasibleError as error:
        raise question.named(error) from error
    before = float(question.unmet.sum())
    found = table[["max_sites", "sites", "gap", "status"]].assign(
        people_served=table["objective"],
        bound=table["bound"],
        people_in_gap_after=before - table["objective"],
    )
    return schemas.conform(found, "plan_curve")


def alternatives(run: Run, count: int, differ: float = 0.3, lose: float = 0.02) -> pd.DataFrame:
    """Plans nearly as good that differ, each against the run's plan.

    Parameters
    ----------
    run : Run
    count : int
        Most alternatives wanted.
    differ, lose : float
        Least share of other choices; greatest share of people lost.

    Returns
    -------
    DataFrame
        Table ``plan_alternatives``: one row a choice of an alternative, best first; empty where no
        such plan exists.

    Raises
    ------
    InputError
        As :func:`curve`.
    """
    _of_people_alone(run, "--alternatives")
    question = _question(run)
    plan = _plan(question)
    found = siting.alternatives(
        plan,
        question.footprints,
        question.unmet,
        count=count,
        differ=differ,
        lose=lose,
        seed=run.scenario.seed,
        **question.limits,
    )
    held = set(map(tuple, plan.selected.tolist()))
    rows = [
        {
            "alternative": number,
            "people_served": other.objective,
            "carrier_id": question.carriers[row.carrier],
            "order": row.place,
            "asset_id": question.ids[row.site],
            "in_plan": (row.carrier, row.site) in held,
            "people_gained": row.gain,
        }
        for number, other in enumerate(found, 1)
        for row in _in_turn(other.assignments).itertuples()
    ]
    names = schemas.columns("plan_alternatives")["column"]
    return schemas.conform(pd.DataFrame(rows, columns=list(names)), "plan_alternatives")


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


def _of_people_alone(run: Run, option: str) -> None:
    """Refuse a run whose plan another solver made: its curve would be of another question."""
    given = run.scenario.siting
    has = {
        "siting.years": bool(given.years),
        "siting.first": bool(given.first),
        "siting.backup": given.backup is not None,
        "costs.shared_saving": tenants.saves(run.scenario),
    }
    names = [name for name, there in has.items() if there]
    if names:
        raise InputError(
            Problem(
                Text(
                    "only plans of people in a gap alone can be made anew here",
                    "ここで作り直せるのは未充足人口だけを目的とする計画です",
                ),
                value=", ".join(names),
                where=option,
                fix=Text(
                    "change the scenario with tdh run … --set KEY=VALUE --out OTHER, then tdh plan "
                    "RUN --compare OTHER",
                    "tdh run … --set KEY=VALUE --out 別のフォルダ で計算し、tdh plan 計算フォルダ "
                    "--compare 別のフォルダ で比べてください",
                ),
            )
        )
