"""An independent recount of a plan: from the definition, with nothing of the solver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tdh.errors import Problem
from tdh.language import Text
from tdh.siting.plan import Plan

_RELATIVE = 1e-9


def verify(
    plan: Plan | ArrayLike,
    footprints: Any,
    demand: ArrayLike,
    max_sites: Any = None,
    sharing_capacity: Any = None,
    xy_m: ArrayLike | None = None,
    spacing_m: float = 0.0,
    floors: Sequence[tuple[Any, ...]] | None = None,
    *,
    fixed: Any = None,
    forbidden: Any = None,
    cost: ArrayLike | None = None,
    budget: Any = None,
    programme_budget: float | None = None,
    at_most: Sequence[tuple[Any, float]] | None = None,
    seed: int = 0,
) -> list[Problem]:
    """What is wrong with a plan; nothing if it keeps every limit and covers what it says.

    Parameters
    ----------
    plan : Plan or array
        A plan, or what it selects: sites (MCLP) or pairs (carrier, site), shape (n, 2).
    footprints : csr_array or sequence of csr_array
        (n_sites, n_cells); one a carrier for an allocation.
    demand, max_sites, sharing_capacity, xy_m, spacing_m, floors, fixed, forbidden, cost, budget, \
programme_budget, at_most, seed
        As the problem was given to :func:`solve_mclp` or :func:`solve_allocation`.

    Returns
    -------
    list of Problem
    """
    chosen = np.asarray(plan.selected if isinstance(plan, Plan) else plan, dtype=np.int64)
    if sparse.issparse(footprints) or isinstance(footprints, np.ndarray):
        footprints = [footprints]
    if chosen.ndim == 1:
        chosen = np.column_stack([np.zeros(len(chosen), dtype=np.int64), chosen])
        fixed, forbidden = _as_pairs(fixed), _as_pairs(forbidden)
    rows = [sparse.csr_array(f) for f in footprints]
    n_sites, n_cells = rows[0].shape
    wanted = np.atleast_2d(np.asarray(demand, dtype=np.float64))
    found: list[Problem] = []

    def report(en: str, ja: str, where: str, value: object, expected: object = None) -> None:
        found.append(
            Problem(
                Text(en, ja),
                value=value,
                expected=None if expected is None else str(expected),
                where=where,
            )
        )

    pairs = [(int(c), int(i)) for c, i in chosen]
    if len(set(pairs)) < len(pairs):
        report("a choice occurs twice", "同じ選択が重複しています", "selected", len(pairs))
    covered = np.zeros((len(rows), n_cells), dtype=bool)
    for c, i in pairs:
        row = rows[c]
        part = slice(row.indptr[i], row.indptr[i + 1])
        covered[c, row.indices[part][row.data[part] != 0]] = True
    total = float(sum(wanted[c][covered[c]].sum() for c in range(len(rows))))
    costs = np.ones((len(rows), n_sites)) if cost is None else np.asarray(cost, dtype=np.float64)
    costs = np.broadcast_to(costs, (len(rows), n_sites))
    for c in range(len(rows)):
        own = [i for k, i in pairs if k == c]
        most = _limit(max_sites, c)
        if len(own) > most:
            report(
                "a carrier has too many sites", "局数が上限を超えています", f"[{c}]", len(own), most
            )
        spent, most = float(sum(costs[c, i] for i in own)), _limit(budget, c)
        if spent > most * (1 + _RELATIVE) + 1e-9:
            report("a budget is exceeded", "予算を超えています", f"[{c}]", spent, most)
        if spacing_m > 0 and xy_m is not None and len(own) > 1:
            xy = np.asarray(xy_m, dtype=np.float64)[own]
            for k in range(len(own) - 1):
                near = np.hypot(*(xy[k + 1 :] - xy[k]).T) < spacing_m - 1e-5
                for other in np.flatnonzero(near):
                    report(
                        "two sites of a carrier are too near",
                        "同じ事業者の局が近すぎます",
                        f"[{c}]",
                        (own[k], own[k + 1 + other]),
                        f">= {spacing_m} m",
                    )
    if programme_budget is not None:
        spent = float(sum(costs[c, i] for c, i in pairs))
        if spent > programme_budget * (1 + _RELATIVE) + 1e-9:
            report(
                "the programme's budget is exceeded",
                "事業全体の予算を超えています",
                "programme_budget",
                spent,
                programme_budget,
            )
    if sharing_capacity is not None:
        capacity = np.broadcast_to(np.asarray(sharing_capacity), (n_sites,))
        users = np.bincount([i for _, i in pairs], minlength=n_sites)
        for i in np.flatnonzero(users > capacity).tolist():
            report(
                "too many carriers share a site",
                "共用の上限を超えています",
                f"[{i}]",
                int(users[i]),
                capacity[i],
            )
    for k, (mask, need, *of) in enumerate(floors or ()):
        whose = slice(None) if not of or of[0] is None else [of[0]]
        got = float((wanted[whose] * covered[whose])[:, np.asarray(mask)].sum())
        if got < need * (1 - _RELATIVE) - 1e-9:
            report("a floor is missed", "下限に達していません", f"floors[{k}]", got, need)
    for c, i in () if fixed is None else np.asarray(fixed, dtype=np.int64).reshape(-1, 2):
        if (int(c), int(i)) not in pairs:
            report(
                "a fixed choice is missing", "固定した選択がありません", "fixed", (int(c), int(i))
            )
    for c, i in () if forbidden is None else np.asarray(forbidden, dtype=np.int64).reshape(-1, 2):
        if (int(c), int(i)) in pairs:
            report(
                "a forbidden choice is made",
                "禁止した選択があります",
                "forbidden",
                (int(c), int(i)),
            )
    for k, (members, most) in enumerate(at_most or ()):
        among = np.asarray(members)
        among = np.argwhere(among) if among.dtype == bool else among
        used = len({(int(c), int(i)) for c, i in among} & set(pairs))
        if used > most:
            report("too many of a set", "集合の上限を超えています", f"at_most[{k}]", used, most)
    if isinstance(plan, Plan):
        if abs(plan.objective - total) > _RELATIVE * max(1.0, total):
            report(
                "the objective differs",
                "目的関数値が一致しません",
                "objective",
                plan.objective,
                total,
            )
        if plan.bound < total * (1 - _RELATIVE):
            report(
                "the bound is below the plan",
                "上界が計画値を下回ります",
                "bound",
                plan.bound,
                total,
            )
    return found


def _limit(values: Any, carrier: int) -> float:
    value = values if values is None or np.ndim(values) == 0 else values[carrier]
    return np.inf if value is None else float(value)


def _as_pairs(sites: Any) -> Any:
    if sites is None:
        return None
    flat = np.asarray(sites, dtype=np.int64).ravel()
    return np.column_stack([np.zeros(len(flat), dtype=np.int64), flat])
