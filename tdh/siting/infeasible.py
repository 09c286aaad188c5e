"""Why no plan keeps the limits, and the least that would have to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tdh.errors import NoSolutionError, Problem
from tdh.language import Text
from tdh.siting import contradicting, dual, elastic, exact, kernels, restricting, shortfall, solving
from tdh.siting.wording import Names, Positions, Untold

if TYPE_CHECKING:
    from tdh.siting.allocation import Request
    from tdh.siting.model import Arrays, Model

NOT_FOUND = Text(
    "no plan that keeps every floor was found within the effort",
    "許された計算量では、すべての下限を満たす計画が見つかりませんでした",
)
LESS = Text("allow more work, or lower the floors", "計算量を増やすか、下限を下げてください")


def check_fixed(request: Request) -> None:
    """Refuse fixed choices that break a limit by themselves.

    Raises
    ------
    InfeasibleError
        With every limit that they break.
    """
    if contradicting.told_fixed(request, Positions()):
        raise Untold(lambda names: contradicting.told_fixed(request, names))


ELASTIC = 4_000
"""Non-zeros up to which the least relaxation of all floors is found exactly."""
ELASTIC_MOST, ELASTIC_NODES, PATIENCE_S = 30_000, 200, 60.0
"""Non-zeros up to which it is sought so, and branch-and-bound nodes and wall clock for that."""


Build = Callable[["Request"], "Model"] | elastic.Posing
"""From a request to its model, to ask what it would be with a looser limit."""


def check_reach(request: Request, model: Model, build: Build | None = None) -> None:
    """Refuse floors that even sums of single sites do not reach: no search is needed for that.

    Parameters
    ----------
    request : Request
    model : Model
        With the request's floors first.
    build : callable, optional
        What made the model; without it no other limits are named.

    Raises
    ------
    InfeasibleError
        As :func:`check_alone`.
    """
    m = model.arrays
    if len(m.need) and exact.short(m.need, reach(m)).any():
        check_alone(request, model, build)


def check_alone(request: Request, model: Model, build: Build | None = None) -> None:
    """Refuse floors that are out of reach one by one, with a relaxation that mends all of them.

    Raises
    ------
    InfeasibleError
        With every such floor, the most that a plan may reach of it, every floor that has to give
        way, and what else would mend it.
    """
    m = model.arrays
    most = np.minimum(
        [most_within(model, f) for f in range(len(request.floors))], reach(m)[: len(request.floors)]
    )
    if exact.short(m.need[: len(most)], most).any():
        least = least_lack(m)
        lack = None if least.lack is not None else _searched(m, most)
        raise told(request, m, least, lack, most, build)


def least_lack(m: Arrays) -> exact.Shortfall:
    """The least that floors lack altogether; what is near it where the model is large."""
    if exact.size(m) > ELASTIC_MOST:
        return shortfall.of_large(m)
    nodes = 20_000 if exact.size(m) <= ELASTIC else ELASTIC_NODES
    return exact.least_shortfall(m, nodes=nodes, time_limit_s=PATIENCE_S)


def _searched(m: Arrays, most: np.ndarray) -> np.ndarray | None:
    """What floors lack in a plan of the ordinary search, which aims at what each can reach."""
    aim = np.minimum(m.need, most)
    found = solving.solve(m._replace(need=aim), seed=0, effort=solving.Effort(work=0.2))
    if found.chosen is not None:
        lack: np.ndarray = np.maximum(m.need - exact.within(m, found.chosen), 0.0)
        return lack
    return None if found.lack is None else found.lack + (m.need - aim)


def reach(m: Arrays) -> np.ndarray:
    """A bound on what a plan covers within each floor: of all, and of single sites added up.

    Each budget buys, by the fraction if need be, the pairs that cover most of the floor for their
    cost (Dantzig 1957); what several cover counts for each.

    Returns
    -------
    (n_floors,) float64
    """
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    shape = (len(m.need), m.n_groups)
    inside = sparse.csr_array((m.weight[group], (m.floor_idx, group)), shape=shape)
    by_group = sparse.csr_array(
        (np.ones(len(m.group_idx)), m.group_idx, m.group_ptr), shape=(m.n_groups, m.n_pairs)
    )
    alone = sparse.csr_array(inside @ by_group)
    most = np.zeros(len(m.need))
    for f in range(len(most)):
        span = slice(alone.indptr[f], alone.indptr[f + 1])
        pairs, worth = alone.indices[span], alone.data[span]
        for k in np.unique(m.budget[pairs]):
            own = m.budget[pairs] == k
            most[f] += _knapsack(worth[own], m.cost[pairs[own]], float(m.limit[k]))
    return np.minimum(most, inside.sum(axis=1))


def _knapsack(worth: np.ndarray, cost: np.ndarray, limit: float) -> float:
    """The relaxed knapsack's value.

    >>> _knapsack(np.array([6.0, 5.0, 1.0]), np.array([2.0, 1.0, 0.0]), 2.0)
    9.0
    """
    paid = cost > 0
    rate = np.divide(worth, cost, out=np.full(len(worth), np.inf), where=paid)
    order = np.argsort(-rate, kind="stable")
    before = np.cumsum(cost[order]) - cost[order]
    share = np.divide(limit - before, cost[order], out=np.ones(len(worth)), where=paid[order])
    share = np.clip(share, 0.0, 1.0)
    return float(worth[order] @ np.where(before <= limit, share, 0.0))


def explain(
    request: Request,
    model: Model,
    proven: bool,
    lack: np.ndarray | None = None,
    build: Build | None = None,
) -> exact.Shortfall:
    """Raise if the floors are proven to be out of reach, with what is possible instead.

    Each floor is first tried alone: the most that can be covered within its mask is bounded by the
    relaxation. If every floor can be kept alone, an elastic model (each floor may be missed, at a
    price) finds the least shortfall altogether, where the model is small; elsewhere what it finds,
    or what the nearest plan lacks (``lack``), is a relaxation that suffices, and is said beside what
    the elastic model proves to be needed.

    Returns
    -------
    Shortfall
        With a plan only if that keeps every floor: the elastic model may find what a search did not.

    Raises
    ------
    InfeasibleError
        If no plan keeps the floors.
    """
    check_alone(request, model, build)
    m = model.arrays
    least = least_lack(m)
    rounding = kernels.TOLERANCE * (1 + float(np.maximum(m.need, 0.0).sum()))
    if proven or least.least > rounding:
        raise told(request, m, least, lack, build=build)
    kept = least.lack is not None and float(least.lack.sum()) <= rounding
    return least if kept else replace(least, chosen=None)


def not_found(*problems: Problem, in_time: bool) -> NoSolutionError:
    """That no plan was found, and whether that would be so again.

    Parameters
    ----------
    *problems : Problem
    in_time : bool
        False where a wall clock, and not the work limit, ended a solver.
    """
    if in_time:
        return NoSolutionError(*problems)
    clock = Problem(
        Text(
            "a wall clock ended the search, so this outcome is not reproducible",
            "計算時間の上限で探索を打ち切ったため、この結果は再現しないことがあります",
        ),
        fix=Text(
            "allow more time, or run it again when the machine has less to do: a plan may be found",
            "時間の上限を延ばすか、ほかの処理が少ないときに再度実行してください。"
            "計画が見つかることがあります",
        ),
    )
    return NoSolutionError(*problems, clock)


def told(
    request: Request,
    m: Arrays,
    found: exact.Shortfall,
    lack: np.ndarray | None,
    most: np.ndarray | None = None,
    build: Build | None = None,
) -> Untold:
    """That the floors cannot be kept, what relaxation of them suffices, and what else does.

    Parameters
    ----------
    request : Request
    m : Arrays
        Its model, or one whose first floors are the request's.
    found : Shortfall
        Of the elastic model.
    lack : (n_floors,) float64 or None
        What a plan lacks that was found elsewhere.
    most : (n_floors,) float64, optional
        Bounds of what can be reached of each floor alone.
    build : callable, optional
        As for :func:`check_reach`.
    """
    n = len(request.floors)
    known = [s[:n] for s in (found.lack, lack) if s is not None]
    lacks = min(known, key=lambda s: float(s.sum()), default=np.maximum(m.need[:n], 0.0))
    alone = np.zeros(n) if most is None else np.maximum(m.need[:n] - most[:n], 0.0)
    if most is not None:
        alone[~exact.short(m.need[:n], most[:n])] = 0.0
    # Each against its own need: what one of millions lacks by rounding may be all that another asks.
    lowered = np.flatnonzero((lacks > 1e-9 * (1 + np.abs(m.need[:n]))) | (alone > 0))
    if len(lowered) == 0:
        lowered = np.array([int(lacks.argmax())])
    instead = [] if build is None else elastic.loosened(request, build)
    sums = (float(lacks.sum()), found.least)
    lows = {f: (float(lacks[f]), float(alone[f])) for f in lowered.tolist()}
    return Untold(lambda names: _told(request, names, lows, sums, instead))


def _told(
    request: Request,
    names: Names,
    lows: dict[int, tuple[float, float]],
    sums: tuple[float, float],
    instead: list[elastic.Loosened],
) -> list[Problem]:
    """The floors that give way, and the limits of which one would do instead."""
    total, least = sums
    to = {f: max(0.0, request.floors[f].need - lack) for f, (lack, _) in lows.items()}
    proven = total - least <= 1e-6 * (1 + total)
    problems = []
    for f, (lack, alone) in lows.items():
        floor = request.floors[f]
        values = {
            "lack": names.people(lack, up=True),
            "to": names.lowered(f, to),
            "total": names.people(total, up=True),
            "least": names.people(least, up=False),
        }
        if proven:
            fix = Text(
                "the least relaxation lowers it by {lack}, to {to}",
                "最小の緩和では、これを {lack} 下げて {to} とします",
                **values,
            )
        else:
            fix = Text(
                "a plan is known once it is lowered by {lack}, to {to} ({total} in all floors; "
                "none is possible below {least} in all)",
                "これを {lack} 下げて {to} とすれば計画があります"
                "(下限全体で {total}。全体で {least} 未満の緩和では計画はありません)",
                **values,
            )
        what = Text(
            "a floor is out of reach even if all other floors are given up for it",
            "他の下限をすべて諦めても、この下限に届きません",
        )
        if alone <= 0:
            what = _CONFLICT[len(request.floors) > 1]
        expected = None
        if alone > 0:
            possible = names.people(floor.need - alone, up=True)
            expected = Text("<= {possible}", "{possible} 以下", possible=possible)
        problems.append(
            Problem(
                what,
                value=names.asked(f, floor.need),
                expected=expected,
                where=names.floor(f, floor.carrier),
                fix=fix,
            )
        )
    return [*problems, *told_instead(instead, names, bool(request.floors))]


_CONFLICT = {
    True: Text(
        "the floors conflict: not all of them can be kept together",
        "下限が両立しません。すべてを同時には満たせません",
    ),
    False: Text(
        "the floor cannot be kept within the other limits",
        "他の上限の範囲では、この下限を満たせません",
    ),
}
_ALONE = {
    True: Text(
        "it stands in the way: looser alone, it lets every floor be kept as it is",
        "これが下限の妨げです。これだけを緩めれば、下限を変えずに満たせます",
    ),
    False: Text(
        "it stands in the way: looser alone, it lets all that must be built be built",
        "これが妨げです。これだけを緩めれば、必ず選ぶものをすべて選べます",
    ),
}
_OR = {
    True: Text("or, instead of lowering floors, ", "下限を下げる代わりに、"),
    False: Text("or, ", "または、"),
}


def told_instead(
    ways: Sequence[elastic.Loosened], names: Names, floors: bool = True
) -> list[Problem]:
    """Limits that mend it without any floor being lowered, or without floors, in someone's names."""
    return [_instead(one, names, floors) for one in ways]


def _instead(one: elastic.Loosened, names: Names, floors: bool) -> Problem:
    by = one.to - one.now
    more = {
        "or_": _OR[floors],
        "by": names.amount(one.limit, abs(by), up=True),
        "least": _LEAST[one.least],
    }
    if one.limit == "forbidden":
        which = ", ".join(f"{names.site(i)} ({names.carrier(c)})" for c, i in one.pairs)
        return Problem(
            _ALONE[floors],
            where=names.limit("forbidden"),
            fix=Text(
                "{or_}do not rule out: {which}{least}",
                "{or_}次の除外を外してください: {which}{least}",
                which=which,
                **more,
            ),
        )
    if one.differ:
        return Problem(
            _ALONE[floors],
            where=names.limit(one.limit),
            fix=Text(
                "{or_}{every}{least}", "{or_}{every}{least}", every=_every(one, names), **more
            ),
        )
    to = names.raised(one.limit, by, one.to, one.at) if not one.each else _by_year(one, names)
    if one.beside is not None:
        limit, at, value = one.beside
        to = Text(
            "{to}, and {other} to {value}",
            "{to}、{other} を {value}",
            to=to,
            other=names.limit(limit, at),
            value=names.raised(limit, 1.0, value, at),
        )
    return Problem(
        _ALONE[floors],
        value=None if one.each else names.raised(one.limit, 0.0, one.now, one.at),
        where=names.limit(one.limit, one.at),
        fix=Text(
            "{or_}set it to {to} ({by} {way}{least})",
            "{or_}{to} にしてください({by} {way}{least})",
            to=to,
            way=_WAY[by > 0],
            **more,
        ),
    )


def _every(one: elastic.Loosened, names: Names) -> Text:
    """Limits that differ, all by so much."""
    by = names.amount(one.limit, one.to - one.now, up=True)
    if one.limit == "max_sites":
        return Text(
            "allow every carrier {by} more", "各事業者の上限を {by} 増やしてください", by=by
        )
    return Text("allow every site {by} more", "各候補地の上限を {by} 増やしてください", by=by)


def _by_year(one: elastic.Loosened, names: Names) -> Text:
    """What suffices of each year, in order."""
    each = [
        Text("no limit", "上限なし") if np.isinf(most) else names.amount(one.limit, most, up=True)
        for most in one.each
    ]
    return Text(
        "{years} in the years' order",
        "年度順に {years}",
        years=Text(
            ", ".join(f"{{y{t}}}" for t in range(len(each))),
            "、".join(f"{{y{t}}}" for t in range(len(each))),
            **{f"y{t}": amount for t, amount in enumerate(each)},
        ),
    )


_LEAST = {True: Text("; no less suffices", "。これ未満では足りません"), False: Text("", "")}
_WAY = {True: Text("more", "増"), False: Text("less", "減")}


def most_within(model: Model, floor: int) -> float:
    """A bound on the open demand that any plan covers within one floor's mask."""
    m = model.arrays
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    groups = np.unique(group[m.floor_idx == floor])
    if m.n_pairs == 0 or not len(groups):
        return 0.0
    part = _of_groups(m, groups)
    alone = restricting.restrict(
        part, np.ones(part.n_pairs, dtype=bool), np.zeros(part.n_pairs, dtype=bool)
    )
    if alone is None or alone.arrays.n_pairs == 0:
        return 0.0
    if exact.size(alone.arrays) <= 4_000:
        return exact.solve(alone.arrays, nodes=5_000, seed=0).bound
    return dual.relax(alone.arrays, chunks=20, tolerance=1e-4).bound


def _of_groups(m: Arrays, groups: np.ndarray) -> Arrays:
    """The model of some groups and the pairs that cover any of them, without floors."""
    by_group = sparse.csr_array(
        (np.ones(len(m.group_idx)), m.group_idx, m.group_ptr), shape=(m.n_groups, m.n_pairs)
    )[groups]
    pairs = np.unique(by_group.indices)
    by_group = sparse.csr_array(by_group[:, pairs])
    cover = by_group.T.tocsr()
    rows = sparse.csr_array(
        (m.row_coef, m.row_idx, m.row_ptr), shape=(len(m.row_limit), m.n_pairs)
    )[:, pairs].tocsr()
    by_pair = rows.T.tocsr()
    return m._replace(
        cover_ptr=cover.indptr.astype(np.int64),
        cover_idx=cover.indices.astype(np.int32),
        group_ptr=by_group.indptr.astype(np.int64),
        group_idx=by_group.indices.astype(np.int32),
        weight=m.weight[groups],
        budget=m.budget[pairs],
        cost=m.cost[pairs],
        budget_ptr=np.searchsorted(m.budget[pairs], np.arange(len(m.limit) + 1)).astype(np.int64),
        row_ptr=rows.indptr.astype(np.int64),
        row_idx=rows.indices.astype(np.int32),
        row_coef=rows.data.astype(np.float64),
        pair_ptr=by_pair.indptr.astype(np.int64),
        pair_idx=by_pair.indices.astype(np.int32),
        pair_coef=by_pair.data.astype(np.float64),
        floor_ptr=np.zeros(len(groups) + 1, dtype=np.int64),
        floor_idx=np.zeros(0, dtype=np.int32),
        need=np.zeros(0),
    )
