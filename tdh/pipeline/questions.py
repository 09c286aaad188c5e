"""What the plan of a scenario asks, by position, and the solver's answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import gaps
from tdh.errors import InfeasibleError, NoSolutionError, TdhError
from tdh.pipeline import backed, objectives, rules, tenants, yearly
from tdh.pipeline.called import ScenarioNames
from tdh.pipeline.context import Context
from tdh.pipeline.covered import carrier_footprints
from tdh.pipeline.objectives import Answer
from tdh.siting.wording import Untold


@dataclass(frozen=True, eq=False)
class Question:
    """What assets would serve whom, whatever the numbers of sites and other limits are.

    Attributes
    ----------
    ids : Index
        Assets, (n_sites,).
    footprints : list of csr_array, shape (n_sites, n_wanted)
        One a carrier.
    unmet : ndarray of float, shape (n_carriers, n_wanted)
        People of each carrier's gap.
    wanted : ndarray of int, shape (n_wanted,)
        Positions of the cells that count, among all.
    codes : ndarray of str, shape (n_wanted,)
        Their municipalities.
    """

    ids: pd.Index
    footprints: list[sparse.csr_array]
    unmet: np.ndarray
    wanted: np.ndarray
    codes: np.ndarray

    def limits(self, context: Context) -> dict[str, Any]:
        """The limits that the context's scenario sets, as :func:`tdh.pipeline.rules.limits`."""
        offered = context.run.assets.loc[self.ids]
        return rules.limits(context.scenario, offered, self.codes, self.unmet)


def asked(context: Context) -> Question:
    """The question of a scenario's plan; cells that count for none of its objectives are left out."""
    scenario, run = context.scenario, context.run
    carriers = [c.id for c in scenario.carriers]
    ids, footprints = carrier_footprints(context)
    unmet = gaps.unmet_matrix(run.gaps, run.cells, carriers)
    counts = unmet.sum(axis=0) > 0
    if scenario.siting.first:  # places and people of whom no carrier has a customer count, too
        counts |= gaps.gap_matrix(run.gaps, run.cells, carriers).any(axis=0)
    if scenario.siting.backup is not None:  # so does who depends on one station today
        counts[:] = True
    wanted = np.flatnonzero(counts)
    return Question(
        ids,
        [footprints[c][:, wanted].tocsr() for c in carriers],
        unmet[:, wanted],
        wanted,
        run.cells["municipality_code"].to_numpy()[wanted],
    )


def answered(
    context: Context, question: Question, at_most: Sequence[tuple[np.ndarray, int]] = ()
) -> Answer:
    """The plan, by the problem that the scenario's rules make of it, counted again.

    Parameters
    ----------
    context : Context
    question : Question
    at_most : sequence of (ndarray of int, shape (n, 2), int)
        Sets of pairs (carrier, site) of which at most so many may be chosen.

    Raises
    ------
    InfeasibleError
        If no plan keeps the rules, in the names of the scenario.
    NoSolutionError
        If none was found.
    """
    limits = question.limits(context)
    if at_most:
        limits["at_most"] = list(at_most)
    try:
        answer = _answer(context, question, limits)
    except Untold as error:
        names = ScenarioNames(
            context.scenario,
            context.run.assets.loc[question.ids],
            rules.asked_floors(context.scenario, question.codes, question.unmet),
        )
        raise InfeasibleError(*error.tell(names)) from error
    except (InfeasibleError, NoSolutionError) as error:
        said = rules.named(error.problems, context.scenario, question.codes, question.unmet)
        raise type(error)(*said) from error
    if answer.broken:
        raise TdhError(*answer.broken)
    return answer


def _answer(context: Context, question: Question, limits: dict[str, Any]) -> Answer:
    footprints, unmet = question.footprints, question.unmet
    rules_of = context.scenario.siting
    if rules_of.years:
        return yearly.by_years(context, footprints, unmet, limits)
    if rules_of.backup is not None:
        return backed.backed(context, footprints, unmet, limits)
    if rules_of.first == ["worst_municipality"]:
        return objectives.fairly(context, footprints, unmet, question.codes, limits)
    if rules_of.first:
        return objectives.in_order(context, footprints, unmet, question.wanted, limits)
    if tenants.saves(context.scenario):
        return tenants.sharing(context, footprints, unmet, limits)
    return objectives.allocate(context, footprints, unmet, limits)
