"""Why an asset was not chosen: the nearest reason, and what it would take."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tdh.language import Text
from tdh.siting.allocation import Request, check
from tdh.siting.counting import cells_of
from tdh.siting.inputs import Checks
from tdh.siting.plan import Plan
from tdh.siting.replacing import best_swaps
from tdh.siting.spacing import TOUCH_M


class Reason(StrEnum):
    """The nearest reason why a pair was not chosen."""

    FORBIDDEN = "forbidden"
    """It was ruled out."""
    NO_DEMAND = "no_demand"
    """It covers no open demand of the carrier."""
    DOMINATED = "dominated"
    """A chosen site of the carrier covers all that it would."""
    COVERED = "covered"
    """Chosen sites together cover all that it would."""
    CAPACITY = "capacity"
    """Other carriers take all places on the site."""
    SPACING = "spacing"
    """A chosen site of the carrier is too near."""
    AT_MOST = "at_most"
    """It belongs to a set of which no more may be chosen."""
    BUDGET = "budget"
    """It would add demand, but the carrier's sites, or money, are spent on others."""
    ROOM = "room"
    """It would add demand within every limit: the plan is not the best."""


_SWAPPED = Text(
    "; in the stead of {rival} the plan would change by {change}",
    "({rival}と入れ替えた場合の増減 {change})",
)
_NO_SWAP = Text(
    "; it can replace no choice alone within the limits",
    "(上限の範囲で一対一に入れ替えられる局はありません)",
)
_TEXTS = {
    Reason.FORBIDDEN: ("ruled out", "除外されています"),
    Reason.NO_DEMAND: ("covers no open demand", "未充足の需要に届きません"),
    Reason.DOMINATED: (
        "site {by} covers all that it would",
        "候補地{by}がその範囲をすべて含みます",
    ),
    Reason.COVERED: (
        "chosen sites together cover all that it would",
        "選ばれた局が合わせてその範囲をすべてカバーします",
    ),
    Reason.CAPACITY: (
        "all places are taken by {holders}; it would add {gain}",
        "共用枠は{holders}で埋まっています(追加できた需要 {gain})",
    ),
    Reason.SPACING: (
        "too near the chosen site {by}; it would add {gain}{swap}",
        "選ばれた候補地{by}に近すぎます(追加できた需要 {gain}){swap}",
    ),
    Reason.AT_MOST: (
        "no more may be chosen of a set that it belongs to; it would add {gain}{swap}",
        "属する集合から選べる数の上限に達しています(追加できた需要 {gain}){swap}",
    ),
    Reason.BUDGET: (
        "{spent} went to other choices; it would add {gain}{next}{swap}",
        "{spent}は、他の選択に使われています(追加できた需要 {gain}{next}){swap}",
    ),
    Reason.ROOM: (
        "no limit stands in its way: the plan is not the best, and with it would be better by "
        "{gain}{swap}",
        "妨げとなる上限はありません。計画は最適ではなく、追加すると{gain}増えます{swap}",
    ),
}
_SPENT = (
    Text("the carrier's number of sites", "事業者の局数"),
    Text("the carrier's budget", "事業者の予算"),
    Text("the programme's budget", "事業全体の予算"),
)
"""What may be used up, in the order of :func:`_used_up`."""
_AND = Text("{one} and {other}", "{one}と{other}")
_NO_PLACE = ("no carrier may use it", "どの事業者も利用できません")
_NEXT = {
    False: Text(", and is number {rank} among those next", "、次点順位 {rank}"),
    True: Text(
        ", and is number {rank} among those next by demand for their cost",
        "、費用あたりの次点順位 {rank}",
    ),
}


def explain_unchosen(
    plan: Plan, footprints: Sequence[Any], demand: ArrayLike, *args: Any, **limits: Any
) -> pd.DataFrame:
    """The nearest reason why each pair was not chosen.

    Parameters
    ----------
    plan : Plan
        An allocation.
    footprints, demand, *args, **limits
        The problem that it solves, as for :func:`solve_allocation` (without seed and effort).

    Returns
    -------
    DataFrame
        One row per pair not chosen: carrier, site, reason (:class:`Reason`), by (the site that
        stands in the way; -1 if none), gain (demand that it would add to the plan as it is),
        rival and change (the choice of the carrier, fixed ones aside, that it would replace best
        without breaking a limit, and what that changes of the plan's demand; -1 and NaN where
        there is none), enters_at and enters_at_cost (sites of the carrier, and their cost,
        at which the plan, its choices kept and extended by what adds most, takes it in: most for
        its cost where the carrier or the programme has a budget; 0 and NaN where it never does; a
        plan made anew with as many sites may choose others) and text (see :func:`named`).

    Raises
    ------
    InputError
        If the plan chooses what the problem does not have.
    """
    request = check(footprints, demand, *args, **limits)
    checks = Checks()
    n_carriers, n_sites = request.fixed.shape
    chosen = checks.pairs(plan.pairs, n_carriers, n_sites, "plan")
    checks.done()
    frames = [_of_carrier(request, chosen, c) for c in range(n_carriers)]
    return pd.concat(frames, ignore_index=True)


def named(text: Text, ids: Sequence[object], carriers: Sequence[object]) -> Text:
    """A reason with the names of assets and carriers, and not their positions.

    Examples
    --------
    >>> text = Text("taken by {holders}, near {by}", "", by=1, holders=(0, 2))
    >>> named(text, ["roof", "pole"], ["a", "b", "c"]).render("en")
    'taken by a, c, near pole'
    """
    values = dict(text.values)
    for name in ("by", "rival"):
        site = values.get(name)
        if isinstance(site, int) and site >= 0:
            values[name] = ids[site]
    holders = values.get("holders")
    if isinstance(holders, tuple):
        values["holders"] = ", ".join(str(carriers[c]) for c in holders)
    return Text(text.en, text.ja, **values)


def _of_carrier(request: Request, chosen: np.ndarray, c: int) -> pd.DataFrame:
    own = np.flatnonzero(chosen[c])
    demand = request.demand[c]
    count = np.zeros(len(demand), dtype=np.int64)
    for i in own.tolist():
        count[cells_of(request, c, i)] += 1
    matrix = request.footprints[c].astype(np.float64)
    alone = matrix @ demand
    gain = matrix @ np.where(count == 0, demand, 0.0)
    rivals, changes = best_swaps(request, chosen, c, count)
    reasons = {
        i: _reason(request, chosen, c, i, own, alone[i], gain[i])
        for i in np.flatnonzero(~chosen[c]).tolist()
    }
    spent = float(request.cost[c, own].sum())
    entry = _extension(
        request, chosen, c, [i for i, (r, _) in reasons.items() if r is Reason.BUDGET], count
    )
    rows = []
    for i, (reason, by) in reasons.items():
        rival, change = int(rivals[i]), float(changes[i])
        place, cost = entry.get(i, (-len(own), np.nan))
        enters = (len(own) + place, spent + cost)
        values: dict[str, object] = {
            "by": by,
            "holders": tuple(np.flatnonzero(chosen[:, i]).tolist()),
            "gain": amount(float(gain[i])),
            "rival": rival,
            "change": amount(change, "+"),
            "rank": place,
            "spent": _spent(_used_up(request, chosen, c, i)),
        }
        text = _text(reason, values, place if i in entry else 0, _by_cost(request, c))
        rows.append((c, i, str(reason), by, float(gain[i]), rival, change, *enters, text))
    names = ["carrier", "site", "reason", "by", "gain", "rival", "change", "enters_at"]
    names += ["enters_at_cost", "text"]
    return pd.DataFrame(rows, columns=names)


def _text(reason: Reason, values: dict[str, object], place: int, dear: bool) -> Text:
    """A reason in words, with one set of values so that names can take the place of positions."""
    en, ja = _TEXTS[reason]
    if reason is Reason.CAPACITY and not values["holders"]:
        en, ja = _NO_PLACE
    swap = _NO_SWAP if values["rival"] == -1 else _SWAPPED
    following = _NEXT[dear] if place else Text("", "")
    parts = [
        words.replace("{swap}", more).replace("{next}", then)
        for words, more, then in ((en, swap.en, following.en), (ja, swap.ja, following.ja))
    ]
    return Text(parts[0], parts[1], **values)


def amount(value: float, sign: str = "") -> str:
    """Demand in words: whole where it is large, and never so short that something is nothing.

    >>> amount(1234.5), amount(0.04), amount(-2.5, "+"), amount(0.0)
    ('1,234', '0.04', '-2.5', '0')
    """
    return format(value, f"{sign},.0f" if abs(value) >= 100 or value == 0 else f"{sign}.3g")


def _used_up(request: Request, chosen: np.ndarray, c: int, i: int) -> tuple[bool, bool, bool]:
    """Whether the carrier's sites, its budget, and the programme's leave no room for a site."""
    cost, spent = request.cost[c, i], (request.cost * chosen).sum(axis=1)
    own, whole = (
        after > most + 1e-9 * max(1.0, after)
        for after, most in (
            (spent[c] + cost, request.budget[c]),
            (spent.sum() + cost, request.programme_budget),
        )
    )
    return bool(chosen[c].sum() + 1 > request.max_sites[c]), bool(own), bool(whole)


def _spent(used: tuple[bool, bool, bool]) -> Text:
    """What is used up, in words."""
    found = [text for text, up in zip(_SPENT, used, strict=True) if up]
    said = found[0] if found else Text("", "")
    for text in found[1:]:
        said = Text(_AND.en, _AND.ja, one=said, other=text)
    return said


def _by_cost(request: Request, c: int) -> bool:
    """Whether what adds most for its cost comes next, and not what adds most."""
    limited = bool(np.isfinite(min(request.budget[c], request.programme_budget)))
    return limited and bool((request.cost[c] != request.cost[c, :1]).any())


def _extension(
    request: Request, chosen: np.ndarray, c: int, candidates: list[int], count: np.ndarray
) -> dict[int, tuple[int, float]]:
    """When the plan, extended by what adds most, takes in each site: its place, the cost so far."""
    open_ = np.where(count == 0, request.demand[c], 0.0)
    cost = request.cost[c]
    by_cost = _by_cost(request, c)
    left = [(mask[c], most - (mask & chosen).sum()) for mask, most in request.at_most]

    def rate(i: int) -> float:
        gain = float(open_[cells_of(request, c, i)].sum())
        return gain / max(float(cost[i]), 1e-12) if by_cost else gain

    def free(i: int) -> bool:
        sets = all(not own[i] or own[taken].sum() + 1 <= most for own, most in left)
        return sets and not _too_near(request, i, taken)

    # Gains only fall, so a rate that is the largest after being counted again is the largest.
    heap = [(-rate(i), i) for i in candidates]
    heapq.heapify(heap)
    out: dict[int, tuple[int, float]] = {}
    taken: list[int] = []
    total = 0.0
    while heap:
        _, i = heapq.heappop(heap)
        value = rate(i)
        if value <= 0 or not free(i):
            continue
        if heap and value < -heap[0][0]:
            heapq.heappush(heap, (-value, i))
            continue
        taken.append(i)
        total += float(cost[i])
        out[i] = len(taken), total
        open_[cells_of(request, c, i)] = 0.0
    return out


def _too_near(request: Request, i: int, others: list[int]) -> bool:
    if request.xy_m is None or request.spacing_m <= 0 or not others:
        return False
    distance = np.hypot(*(request.xy_m[others] - request.xy_m[i]).T)
    return bool(distance.min() < request.spacing_m - TOUCH_M)


def _reason(
    request: Request,
    chosen: np.ndarray,
    c: int,
    i: int,
    own: np.ndarray,
    alone: float,
    gain: float,
) -> tuple[Reason, int]:
    if request.forbidden[c, i]:
        return Reason.FORBIDDEN, -1
    if alone <= 0:
        return Reason.NO_DEMAND, -1
    if gain <= 0:
        cells = cells_of(request, c, i)
        wanted = cells[request.demand[c, cells] > 0]
        for k in own.tolist():
            if np.isin(wanted, cells_of(request, c, k), assume_unique=True).all():
                return Reason.DOMINATED, k
        return Reason.COVERED, -1
    if chosen[:, i].sum() + 1 > request.capacity[i]:
        return Reason.CAPACITY, -1
    if request.xy_m is not None and request.spacing_m > 0 and len(own):
        distance = np.hypot(*(request.xy_m[own] - request.xy_m[i]).T)
        if distance.min() < request.spacing_m - TOUCH_M:
            return Reason.SPACING, int(own[distance.argmin()])
    for mask, most in request.at_most:
        if mask[c, i] and (mask & chosen).sum() + 1 > most:
            return Reason.AT_MOST, -1
    return Reason.BUDGET if any(_used_up(request, chosen, c, i)) else Reason.ROOM, -1
