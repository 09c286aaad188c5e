"""How many assets a share of a carrier's gap takes, whatever the plan's budgets are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tdh import schemas, siting
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.pipeline import questions
from tdh.pipeline.context import Context
from tdh.results import Run
from tdh.scenario import Scenario


def needed(run: Run, shares: Sequence[float], scenario: Scenario | None = None) -> pd.DataFrame:
    """The fewest assets, or the cheapest, for shares of each carrier's gap.

    Each carrier is asked about alone: assets that the scenario rules out for it stay out and those
    that must be offered are in, but nothing else limits it: no budget, spacing, floor or sharing.

    Parameters
    ----------
    run : Run
    shares : sequence of float
        In (0, 1], of the people in the gap whom all assets that the carrier may use could serve.
    scenario : Scenario, optional
        Other rules of the plan than the run's: choices and costs.

    Returns
    -------
    DataFrame
        Table ``plan_needed``, by carrier and share.

    Raises
    ------
    InputError
        If there is no share, or one is not in (0, 1].
    """
    wrong = [share for share in shares if not 0 < share <= 1]
    if wrong or not shares:
        what = Text("a share is not above 0 and at most 1", "割合は0より大きく1以下です")
        none = Text("there is no share", "割合がありません")
        values: list[Any] = wrong or [None]
        problems = [
            Problem(what if wrong else none, value=value, expected="0 < share <= 1", where="share")
            for value in values
        ]
        raise InputError(*problems)
    context = Context.of(run, scenario)
    question = questions.asked(context)
    limits = question.limits(context)
    rows: list[dict[str, Any]] = []
    for k, carrier in enumerate(context.scenario.carriers):
        held, shut = (_own(limits[name], k, len(question.ids)) for name in ("fixed", "forbidden"))
        allowed = np.flatnonzero(~shut)
        near, unmet = question.footprints[k][allowed], question.unmet[k]
        cost = limits["cost"][allowed] if "cost" in limits else None
        reach = float(unmet[np.bincount(near.indices, minlength=len(unmet)) > 0].sum())
        for share in sorted(set(shares)):
            cover = siting.solve_partial_cover(near, unmet, share, cost=cost, fixed=held[allowed])
            row = {
                "carrier_id": carrier.id,
                "share": share,
                "people": share * reach,
                "sites": cover.sites,
                "people_served": cover.plan.objective,
                "gap": cover.gap,
                "status": str(cover.status),
            }
            if cost is None:
                row["at_least"] = float(cover.at_least)
            else:
                row |= {"yen": cover.cost, "at_least_yen": cover.least_cost}
            rows.append(row)
    return schemas.conform(pd.DataFrame(rows), "plan_needed")


def _own(pairs: np.ndarray | None, carrier: int, n_sites: int) -> np.ndarray:
    """The sites of a carrier's pairs, as a mask."""
    mask = np.zeros(n_sites, dtype=bool)
    if pairs is not None:
        mask[pairs[pairs[:, 0] == carrier, 1]] = True
    return mask
