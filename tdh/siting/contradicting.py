"""Choices that must be made and that break a limit by themselves, in someone's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tdh.errors import Problem
from tdh.language import Text
from tdh.siting.spacing import too_near
from tdh.siting.wording import Names

if TYPE_CHECKING:
    from tdh.siting.allocation import Request


def told_fixed(request: Request, names: Names) -> list[Problem]:
    """Every limit that fixed choices break, in someone's names."""
    return [
        *_ruled_out(request, names),
        *_too_many(request, names),
        *_too_dear(request, names),
        *_shared_too_often(request, names),
        *_fixed_too_near(request, names),
    ]


def _chosen(names: Names, fixed: np.ndarray) -> str:
    """Choices in words, at most ten of them."""
    pairs = np.argwhere(fixed).tolist()
    told = [f"{names.site(i)} ({names.carrier(c)})" for c, i in pairs[:10]]
    return ", ".join(told) + (" …" if len(pairs) > 10 else "")


def _ruled_out(request: Request, names: Names) -> list[Problem]:
    return [
        Problem(
            Text("a choice is fixed and forbidden", "固定と禁止が同じ選択に指定されています"),
            value=f"{names.site(i)} ({names.carrier(c)})",
            where=names.choices(c, i),
            fix=Text("take out one of the two", "どちらかを消してください"),
        )
        for c, i in np.argwhere(request.fixed & request.forbidden).tolist()
    ]


def _too_many(request: Request, names: Names) -> list[Problem]:
    found = []
    counts = request.fixed.sum(axis=1)
    for c in np.flatnonzero(counts > request.max_sites).tolist():
        most, count = float(request.max_sites[c]), float(counts[c])
        found.append(
            Problem(
                Text(
                    "fixed choices exceed the number of sites",
                    "固定した選択が局数の上限を超えています",
                ),
                value=f"{int(counts[c])}: {_chosen(names, request.fixed & _only(request, c))}",
                expected=_most(names, "max_sites", most),
                where=names.limit("max_sites", c),
                fix=_or_less(
                    names, request.fixed & _only(request, c), "max_sites", count - most, count, c
                ),
            )
        )
    for k, (mask, limit) in enumerate(request.at_most):
        count = float((mask & request.fixed).sum())
        if count > limit:
            found.append(
                Problem(
                    Text(
                        "fixed choices exceed the limit of a set",
                        "固定した選択が集合の上限を超えています",
                    ),
                    value=f"{int(count)}: {_chosen(names, mask & request.fixed)}",
                    expected=f"<= {limit:g}",
                    where=names.limit("at_most", k),
                    fix=_or_less(names, mask & request.fixed, "at_most", count - limit, count, k),
                )
            )
    return found


def _too_dear(request: Request, names: Names) -> list[Problem]:
    found = []
    spent = (request.cost * request.fixed).sum(axis=1)
    for c in np.flatnonzero(spent > request.budget + 1e-9).tolist():
        found.append(
            dear(
                names,
                Text("fixed choices exceed the budget", "固定した選択が予算を超えています"),
                "budget",
                float(request.budget[c]),
                float(spent[c]),
                request.fixed & _only(request, c),
                c,
            )
        )
    if spent.sum() > request.programme_budget + 1e-9:
        most = request.programme_budget
        found.append(dear_together(names, most, float(spent.sum()), request.fixed))
    return found


def crowded(names: Names, fixed: np.ndarray, limits: list[str], fix: Text) -> Problem:
    """That choices find no room in years of which each has limits of its own."""
    return Problem(
        Text(
            "what has to be built does not fit into the years' limits",
            "必ず選ぶものが各年度の上限に収まりません",
        ),
        value=_chosen(names, fixed),
        where=", ".join([names.choices(-1), *limits]),
        fix=fix,
    )


def dear_together(names: Names, most: float, spent: float, fixed: np.ndarray) -> Problem:
    """That choices cost more than the programme's budget."""
    what = Text(
        "fixed choices exceed the programme's budget",
        "固定した選択が事業全体の予算を超えています",
    )
    return dear(names, what, "programme_budget", most, spent, fixed)


def dear(
    names: Names,
    what: Text,
    limit: str,
    most: float,
    spent: float,
    fixed: np.ndarray,
    at: int | None = None,
) -> Problem:
    """That choices cost more than a limit of money allows."""
    return Problem(
        what,
        value=Text(
            "{cost}: {which}",
            "{cost}: {which}",
            cost=names.amount(limit, spent, up=True),
            which=_chosen(names, fixed),
        ),
        expected=_most(names, limit, most),
        where=names.limit(limit, at),
        fix=_or_less(names, fixed, limit, spent - most, spent, at),
    )


def _shared_too_often(request: Request, names: Names) -> list[Problem]:
    found = []
    counts = request.fixed.sum(axis=0)
    for i in np.flatnonzero(counts > request.capacity).tolist():
        most, count = float(request.capacity[i]), float(counts[i])
        at = np.arange(request.fixed.shape[1]) == i
        who = ", ".join(names.carrier(c) for c in np.flatnonzero(request.fixed[:, i]).tolist())
        found.append(
            Problem(
                Text(
                    "fixed choices exceed the sharing capacity of a site",
                    "固定した選択が共用の上限を超えています",
                ),
                value=f"{names.site(i)}: {int(counts[i])} ({who})",
                expected=_most(names, "sharing_capacity", most),
                where=names.limit("sharing_capacity", i),
                fix=_or_less(names, request.fixed & at, "sharing_capacity", count - most, count, i),
            )
        )
    return found


def _fixed_too_near(request: Request, names: Names) -> list[Problem]:
    if request.xy_m is None:
        return []
    found = []
    for a, b in too_near(request.xy_m, request.spacing_m).tolist():
        for c in np.flatnonzero(request.fixed[:, a] & request.fixed[:, b]).tolist():
            both = np.zeros_like(request.fixed)
            both[c, [a, b]] = True
            distance = float(np.hypot(*(request.xy_m[a] - request.xy_m[b])))
            found.append(
                Problem(
                    Text(
                        "two fixed choices of a carrier are too near each other",
                        "固定した同じ事業者の2局が近すぎます",
                    ),
                    value=f"{names.site(a)}, {names.site(b)} ({names.carrier(c)}): "
                    f"{distance:.1f} m",
                    expected=f">= {request.spacing_m:g} m",
                    where=names.choices(c, a, b),
                    fix=_or_less(names, both, "spacing_m", distance - request.spacing_m, distance),
                )
            )
    return found


def _only(request: Request, carrier: int) -> np.ndarray:
    """Which pairs are of a carrier: (n_carriers, 1) bool."""
    rows: np.ndarray = np.arange(len(request.fixed))[:, None] == carrier
    return rows


def _most(names: Names, limit: str, most: float) -> Text:
    return Text("<= {most}", "{most} 以下", most=names.amount(limit, most, up=False))


def _or_less(
    names: Names, fixed: np.ndarray, limit: str, by: float, to: float, at: int | None = None
) -> Text:
    """Fewer choices, or a looser limit."""
    pairs = np.argwhere(fixed).tolist()
    keys = list(dict.fromkeys(names.choices(c, i) for c, i in pairs))
    return Text(
        "take out one of these choices ({which}), or set {key} to {to}",
        "該当する選択({which})を減らすか、{key} を {to} にしてください",
        which=", ".join(keys[:10]) + (" …" if len(keys) > 10 else ""),
        key=names.limit(limit, at),
        to=names.raised(limit, by, to, at),
    )
