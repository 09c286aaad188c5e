"""The components of a score, what each is worth, and how they are called."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tdh.errors import InputError, Problem
from tdh.language import Text

DEFAULT_WEIGHTS: dict[str, float] = {
    "people": 50.0,
    "area": 10.0,
    "equity": 10.0,
    "sharing": 10.0,
    "places": 10.0,
    "quality": 5.0,
    "resilience": 5.0,
    "installability": 5.0,
    "daytime": 10.0,
    "second_cover": 5.0,
    "neighbours": 5.0,
    "cost": 5.0,
}
"""Weight of each component; only their proportions matter."""

LABELS: dict[str, Text] = {
    "people": Text("people", "人口"),
    "area": Text("area", "面積"),
    "equity": Text("equity between municipalities", "地域間の公平"),
    "sharing": Text("sharing", "共用"),
    "places": Text("priority places", "重点施設"),
    "quality": Text("signal quality", "品質"),
    "resilience": Text("resilience", "耐災害性"),
    "installability": Text("installability", "設置しやすさ"),
    "daytime": Text("people by day", "昼間人口"),
    "second_cover": Text("second cover", "二重カバー"),
    "neighbours": Text("when neighbours fail", "周辺局の停止時"),
    "cost": Text("cost", "費用"),
}

UNITS: dict[str, Text] = {
    "people": Text("people", "人"),
    "area": Text("cells", "セル"),
    "equity": Text("people × share worse", "人×格差"),
    "sharing": Text("people", "人"),
    "places": Text("priority", "優先度"),
    "quality": Text("people dB", "人・dB"),
    "resilience": Text("0 to 1", "0〜1"),
    "installability": Text("0 to 1", "0〜1"),
    "daytime": Text("people", "人"),
    "second_cover": Text("people", "人"),
    "neighbours": Text("people", "人"),
    "cost": Text("0 to 1", "0〜1"),
}
"""What each component is measured in, before any weight."""

OWN_SCALE = frozenset({"resilience", "installability", "cost"})
"""Components that come as values from 0 to 1 and are not compared with the best asset."""


def resolve_weights(weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """The weight of every component: those given, and defaults for the others.

    Raises
    ------
    InputError
        With every problem: unknown components, negative weights, all of them zero.
    """
    given = dict(weights or {})
    problems = [
        Problem(
            Text("no such component of a score", "その評価項目はありません"),
            value=name,
            expected=", ".join(DEFAULT_WEIGHTS),
            where="scoring.weights",
        )
        for name in given
        if name not in DEFAULT_WEIGHTS
    ]
    problems += [
        Problem(
            Text("a weight must be a number of at least 0", "重みは0以上の数にしてください"),
            value=value,
            where=f"scoring.weights.{name}",
        )
        for name, value in given.items()
        if not (np.isfinite(value) and value >= 0)
    ]
    merged = {**DEFAULT_WEIGHTS, **given}
    if not problems and sum(merged.values()) <= 0:
        problems.append(
            Problem(
                Text("all weights are zero", "重みがすべて0です"),
                where="scoring.weights",
                fix=Text("give one component a weight", "どれかの項目に重みをつけてください"),
            )
        )
    if problems:
        raise InputError(*problems)
    return merged
