"""Carriers' requests to awards, by published rules, each award and refusal with its reason.

>>> import pandas as pd
>>> requests = pd.DataFrame({
...     "carrier": ["alpha", "alpha", "beta"],
...     "asset": ["pole-1", "pole-2", "pole-1"],
...     "rank": [1, 2, 1],
... })
>>> award = match(requests, capacity=1, rule="welfare_maximal")
>>> sorted(award.pairs)
[('alpha', 'pole-2'), ('beta', 'pole-1')]
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.matching import acceptance, assignment, sequential
from tdh.matching.award import RULE_TEXT, Award
from tdh.matching.checks import blocking_pairs, verify
from tdh.matching.market import EVERYONE, Key, build

RULES = tuple(RULE_TEXT)

__all__ = ["EVERYONE", "RULES", "RULE_TEXT", "Award", "blocking_pairs", "match", "verify"]


def match(
    requests: pd.DataFrame,
    capacity: Mapping[str, int] | pd.Series | int,
    rule: str,
    priority: Mapping[Key, int] | None = None,
    caps: Mapping[Key, int] | int | None = None,
    seed: int = 0,
    *,
    areas: Mapping[str, str] | pd.Series | None = None,
    once: bool = False,
) -> Award:
    """Resolve a round.

    Parameters
    ----------
    requests : DataFrame
        Columns ``carrier``, ``asset``, ``rank`` (1 is wanted most; distinct within a carrier), and
        optionally ``places`` (places of the asset that it takes, 1), ``tenants`` (carriers that
        the installation would serve, 1: a sharing firm brings several), ``brings`` (their names,
        for the result) and ``value`` (points in place of those that follow from the rank).
    capacity : mapping of asset to int, or int
        Places of each asset; a number is for all.
    rule : str
        One of ``RULES``; :data:`RULE_TEXT` holds their published wording.
    priority : mapping, optional
        Class (1 is first) of a carrier, or of a pair (carrier, asset), which goes before its
        carrier's. What is not named comes behind all that is.
    caps : mapping or int, optional
        Most awards of a carrier, of ``"*"`` (everyone), or of a pair (carrier or ``"*"``, area).
        A carrier's own cap goes before everyone's.
    seed : int
        Published seed of the lotteries.
    areas : mapping of asset to area, optional
        Needed where caps name areas.
    once : bool
        Whether a carrier may be served only once on an asset: by itself, or through one firm that
        ``brings`` it.

    Returns
    -------
    Award

    Raises
    ------
    InputError
        With everything that is wrong with the requests, places, caps or rule.

    Notes
    -----
    The result does not depend on the order of rows. Lotteries are SHA-256 of the seed and the
    names, so that everybody can draw them again.
    """
    if rule not in RULES:
        raise InputError(
            Problem(
                Text("the rule is not known", "知らないルールです"),
                value=rule,
                expected=", ".join(RULES),
            )
        )
    market = build(requests, capacity, priority, caps, areas, seed, once)
    if rule == "deferred_acceptance":
        return acceptance.accept(market)
    if rule in ("welfare_maximal", "lexicographic_fairness"):
        return assignment.assign(market, rule)
    return sequential.draft(market, rule)
