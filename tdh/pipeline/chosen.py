"""The planner's own choices against the limits, before anything is computed that takes long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh.errors import InfeasibleError, Problem
from tdh.language import Text
from tdh.pipeline import rules, tenants, yearly
from tdh.pipeline.called import ScenarioNames
from tdh.pipeline.context import Context
from tdh.scenario import Scenario
from tdh.siting import contradicting, tenancy
from tdh.siting.allocation import Request, check
from tdh.siting.wording import YEARLY_MONEY, Names, OverYears


def choices(context: Context) -> dict[str, Any]:
    """Refuse choices that exclude each other.

    Raises
    ------
    ScenarioError
        If an asset that must be offered is no candidate.
    InfeasibleError
        If choices are too near each other, too many for an asset or a carrier, or too dear.
    """
    assets = context.run.assets
    candidates = assets[assets["in_area"] & (assets["placement"] != "none")]
    scenario = context.scenario
    # Floors need people, who are not known yet.
    siting = scenario.siting.model_copy(update={"floors": []})
    scenario = scenario.model_copy(update={"siting": siting})
    n_carriers = len(scenario.carriers)
    limits = rules.limits(
        scenario, candidates, np.zeros(0, dtype=object), np.zeros((n_carriers, 0))
    )
    nothing = sparse.csr_array((len(candidates), 1), dtype=bool)
    request = check([nothing] * n_carriers, np.zeros((n_carriers, 1)), **limits)
    found = problems(scenario, candidates, request)
    if found:
        raise InfeasibleError(*found)
    return {"choices": len(siting.choices)}


def problems(scenario: Scenario, candidates: pd.DataFrame, request: Request) -> list[Problem]:
    """What is wrong with the choices that a request fixes, in the scenario's terms."""
    plain = ScenarioNames(scenario, candidates, [])
    names: Names = plain
    found = []
    if scenario.siting.years:
        sites, yen = yearly.year_limits(scenario)
        total = [*request.max_sites, request.programme_budget]
        years = [*sites.sum(axis=0), np.inf if yen is None else float(yen.sum())]
        names = OverYears(plain, total, years, np.zeros(len(total)).tolist())
        request = replace(
            request,
            max_sites=np.minimum(request.max_sites, years[:-1]),
            programme_budget=min(request.programme_budget, years[-1]),
        )
        if yen is not None and not scenario.siting.carry_over:
            found += _dearer_than_a_year(request, yen, names)
    if tenants.saves(scenario):
        most = request.programme_budget
        request = replace(request, programme_budget=np.inf)
        first = request.cost[0]
        more = first * (1 - scenario.costs.shared_saving)
        spent = tenancy.cost_of(request.fixed, first, more)
        if spent > most + 1e-9:
            found.append(contradicting.dear_together(names, most, spent, request.fixed))
    return [*contradicting.told_fixed(request, names), *found]


def _dearer_than_a_year(request: Request, yen: np.ndarray, names: Names) -> list[Problem]:
    """Choices that no single year can pay for, where nothing is carried over."""
    most = float(yen.max())
    return [
        Problem(
            Text(
                "no fiscal year can pay for a choice that must be made",
                "必ず選ぶアセットの費用が、どの年度の予算も上回ります",
            ),
            value=Text(
                "{cost}: {site} ({carrier})",
                "{cost}: {site} ({carrier})",
                cost=names.amount(YEARLY_MONEY, float(request.cost[c, i]), up=True),
                site=names.site(i),
                carrier=names.carrier(c),
            ),
            expected=Text(
                "<= {most}", "{most} 以下", most=names.amount(YEARLY_MONEY, most, up=False)
            ),
            where=names.choices(c, i),
            fix=Text(
                "raise a year's budget_yen, set carry_over = true, or take out the choice",
                "いずれかの年度の budget_yen を増やすか、carry_over = true とするか、この選択を"
                "外してください",
            ),
        )
        for c, i in np.argwhere(request.fixed & (request.cost > most + 1e-9)).tolist()
    ]
