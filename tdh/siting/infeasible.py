"""Why no plan keeps the limits, and the least that would have to give."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tdh.errors import InfeasibleError, NoSolutionError, Problem
from tdh.language import Text
from tdh.siting import dual, exact, kernels, restricting
from tdh.siting.spacing import too_near

if TYPE_CHECKING:
    from tdh.siting.allocation import Request
    from tdh.siting.model import Arrays, Model


def check_fixed(request: Request) -> None:
    """Refuse fixed choices that break a limit by themselves.

    Raises
    ------
    InfeasibleError
        With every limit that they break.
    """
    fixed, found = request.fixed, []

    def report(en: str, ja: str, value: object, expected: object, where: str) -> None:
        found.append(Problem(Text(en, ja), value=value, expected=str(expected), where=where))

    for c, i in zip(*np.nonzero(fixed & request.forbidden), strict=True):
        found.append(
            Problem(
                Text("a choice is fixed and forbidden", "固定と禁止が同じ選択に指定されています"),
                value=(int(c), int(i)),
                where="fixed",
            )
        )
    counts, spent = fixed.sum(axis=1), (request.cost * fixed).sum(axis=1)
    for c in range(len(fixed)):
        if counts[c] > request.max_sites[c]:
            report(
                "fixed choices exceed the number of sites",
                "固定した選択が局数の上限を超えています",
                int(counts[c]),
                f"<= {request.max_sites[c]:g}",
                f"max_sites[{c}]",
            )
        if spent[c] > request.budget[c] + 1e-9:
            report(
                "fixed choices exceed the budget",
                "固定した選択が予算を超えています",
                float(spent[c]),
                f"<= {request.budget[c]:g}",
                f"budget[{c}]",
            )
    if spent.sum() > request.programme_budget + 1e-9:
        report(
            "fixed choices exceed the programme's budget",
            "固定した選択が事業全体の予算を超えています",
            float(spent.sum()),
            f"<= {request.programme_budget:g}",
            "programme_budget",
        )
    for k, (mask, most) in enumerate(request.at_most):
        if (mask & fixed).sum() > most:
            report(
                "fixed choices exceed the limit of a set",
                "固定した選択が集合の上限を超えています",
                int((mask & fixed).sum()),
                f"<= {most:g}",
                f"at_most[{k}]",
            )
    for i in np.flatnonzero(fixed.sum(axis=0) > request.capacity):
        report(
            "fixed choices exceed the sharing capacity of a site",
            "固定した選択が共用の上限を超えています",
            int(fixed[:, i].sum()),
            f"<= {request.capacity[i]:g}",
            f"sharing_capacity[{i}]",
        )
    if request.xy_m is not None:
        for a, b in too_near(request.xy_m, request.spacing_m):
            for c in np.flatnonzero(fixed[:, a] & fixed[:, b]):
                distance = float(np.hypot(*(request.xy_m[a] - request.xy_m[b])))
                report(
                    "two fixed choices of a carrier are too near each other",
                    "固定した同じ事業者の2局が近すぎます",
                    f"{int(a)}, {int(b)}: {distance:.1f} m",
                    f">= {request.spacing_m:g} m",
                    f"fixed[{c}]",
                )
    if found:
        raise InfeasibleError(*found)


ELASTIC = 4_000
"""Non-zeros up to which the least relaxation of all floors is found exactly."""
ELASTIC_MOST, ELASTIC_NODES, PATIENCE_S = 100_000, 200, 60.0
"""Non-zeros up to which it is sought, and branch-and-bound nodes and wall clock for that."""


def check_reach(request: Request, model: Model) -> None:
    """Refuse floors that even sums of single sites do not reach: no search is needed for that.

    Raises
    ------
    InfeasibleError
        As :func:`check_alone`.
    """
    m = model.arrays
    if len(m.need) and _short(m.need, reach(m)).any():
        check_alone(request, model)


def check_alone(request: Request, model: Model) -> None:
    """Refuse floors that are out of reach one by one, with what is possible instead.

    Raises
    ------
    InfeasibleError
        With every such floor, the most that a plan may reach of it, and by how much to lower it.
    """
    m = model.arrays
    most = np.minimum(
        [most_within(model, f) for f in range(len(request.floors))], reach(m)[: len(request.floors)]
    )
    found = []
    for f in np.flatnonzero(_short(m.need[: len(most)], most)).tolist():
        _, need, carrier = request.floors[f]
        possible = need - float(m.need[f]) + float(most[f])
        found.append(
            Problem(
                Text(
                    "a floor is out of reach even if everything else is given up for it",
                    "他をすべて諦めても下限に届きません",
                ),
                value=need,
                expected=f"<= {possible:.6g}",
                where=_name(f, carrier),
                fix=Text(
                    "lower it by at least {lack:.6g}, or allow more sites",
                    "少なくとも {lack:.6g} 下げるか、局数の上限を増やしてください",
                    lack=need - possible,
                ),
            )
        )
    if found:
        raise InfeasibleError(*found)


def _short(need: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Which floors a bound of what can be reached lies below, beyond rounding."""
    return most < need * (1 - 1e-9) - 1e-9


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
    order = np.argsort(-worth / np.maximum(cost, 1e-300), kind="stable")
    before = np.cumsum(cost[order]) - cost[order]
    share = np.clip((limit - before) / np.maximum(cost[order], 1e-300), 0.0, 1.0)
    return float(worth[order] @ np.where(before <= limit, share, 0.0))


def explain(
    request: Request, model: Model, proven: bool, lack: np.ndarray | None = None
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
    check_alone(request, model)
    m = model.arrays
    elastic = exact.Shortfall(None, 0.0)
    if exact.size(m) <= ELASTIC_MOST:
        nodes = 20_000 if exact.size(m) <= ELASTIC else ELASTIC_NODES
        elastic = exact.least_shortfall(m, nodes=nodes, time_limit_s=PATIENCE_S)
    rounding = kernels.TOLERANCE * (1 + float(np.maximum(m.need, 0.0).sum()))
    if proven or elastic.least > rounding:
        raise InfeasibleError(*_conflict(request, m, elastic, lack))
    kept = elastic.lack is not None and float(elastic.lack.sum()) <= rounding
    return elastic if kept else replace(elastic, chosen=None)


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


def _conflict(
    request: Request, m: Arrays, found: exact.Shortfall, lack: np.ndarray | None
) -> list[Problem]:
    """Which floors give way, and by how much, in the least relaxation of all floors together."""
    known = [s for s in (found.lack, lack) if s is not None]
    shortfall = min(known, key=lambda s: float(s.sum()), default=np.maximum(m.need, 0.0))
    total = float(shortfall.sum())
    if total - found.least <= 1e-6 * (1 + total):
        fix_en = "the least relaxation lowers it by {lack:.6g}"
        fix_ja = "最小の緩和では、これを {lack:.6g} 下げます"
    else:
        fix_en = (
            "a plan is known once it is lowered by {lack:.6g} ({total:.6g} in all floors; "
            "none is possible below {least:.6g} in all)"
        )
        fix_ja = (
            "これを {lack:.6g} 下げれば計画があります"
            "(下限全体で {total:.6g}。全体で {least:.6g} 未満の緩和では計画はありません)"
        )
    # Each against its own need: what one of millions lacks by rounding may be all that another asks.
    named = np.flatnonzero(shortfall > 1e-6 * (1 + np.abs(m.need)))
    if len(named) == 0:
        named = np.array([int(shortfall.argmax())])
    return [
        Problem(
            Text(
                "the floors conflict: each can be kept alone, but not all together",
                "下限が両立しません。一つずつなら満たせますが、同時には満たせません",
            ),
            value=request.floors[f].need,
            where=_name(int(f), request.floors[f].carrier),
            fix=Text(fix_en, fix_ja, lack=float(shortfall[f]), total=total, least=found.least),
        )
        for f in named
    ]


def _name(floor: int, carrier: int | None) -> str:
    return f"floors[{floor}]" if carrier is None else f"floors[{floor}], carrier[{carrier}]"


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
