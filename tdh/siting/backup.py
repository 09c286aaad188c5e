"""r-fold cover: what stays served when a site fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from tdh import seeds
from tdh.errors import InfeasibleError, Problem
from tdh.language import Text
from tdh.siting import columns, infeasible, programme, stacked
from tdh.siting.allocation import Request, check, limits_of, model_of
from tdh.siting.exchanging import Exchange
from tdh.siting.inputs import Checks
from tdh.siting.layered import Groups, Objective, groups_of, rows_of
from tdh.siting.model import unit_of
from tdh.siting.plan import Plan, Status
from tdh.siting.programme import Answer, Programme
from tdh.siting.solving import CHUNKS, TIGHT, Effort

MOVES = 20_000
"""Exchanges tried at effort 1."""
WHOLE = 1_000_000
"""Entries of the covering matrix up to which the programme is written out, for branch and cut."""


@dataclass(frozen=True, eq=False)
class BackupPlan:
    """An allocation with what it covers once, twice, and so on.

    Attributes
    ----------
    plan : Plan
        Its objective and bound are the weighted sum.
    covered : (n_levels,) float64
        Demand that at least one, two, … chosen sites of its carrier serve.
    """

    plan: Plan
    covered: np.ndarray


def solve_backup_cover(
    footprints: Sequence[Any],
    demand: ArrayLike,
    weights: Sequence[float] = (1.0, 0.5),
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 1,
    *,
    seed: int = 0,
    effort: Effort | None = None,
    **limits: Any,
) -> BackupPlan:
    r"""The allocation that covers the most demand once, and again.

    .. math::

        \max \sum_c \sum_j d_{cj} \sum_{l=1}^r w_l z_{cjl} \quad\text{s.t.}\quad
        \sum_{l=1}^r z_{cjl} \le \sum_{i \in N_c(j)} x_{ci},\; x \text{ an allocation}

    the backup coverage problem (Hogan and ReVelle 1986, BACOP2) with r covers: the l-th cover of a
    cell counts :math:`w_l`, with :math:`w_1 \ge w_2 \ge \dots`, so that no cover counts before an
    earlier one. Small problems are solved exactly; of larger ones the linear relaxation gives the
    bound (its prices as in :mod:`tdh.siting.dual`; with floors by PDLP), and the plan comes from
    rounding it, greedy choice and exchanges, or from branch and cut among what the relaxation takes
    up, whichever is better.

    Parameters
    ----------
    footprints, demand, max_sites, sharing_capacity, seed, effort, **limits
        As for :func:`solve_allocation`; ``floors`` count the first cover.
    weights : sequence of float
        :math:`w`, not negative and not rising, the first above zero; their number is r.

    Returns
    -------
    BackupPlan

    Raises
    ------
    InputError, InfeasibleError, NoSolutionError
        As :func:`solve_allocation`.

    Examples
    --------
    >>> near = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool))
    >>> solve_backup_cover([near], [[5, 4, 3]], (1, 0.25), 2).plan.selected.tolist()
    [[0, 0], [0, 2]]
    >>> backed = solve_backup_cover([near], [[5, 4, 3]], (1, 0.5), 2)
    >>> backed.plan.selected.tolist(), backed.plan.objective, backed.covered.tolist()
    ([[0, 0], [0, 1]], 13.5, [9.0, 9.0])
    """
    begun = time.monotonic()
    effort, seed = effort or Effort(), seeds.whole(seed)
    checks = Checks()
    levels = _weights(weights, checks)
    request = check(footprints, demand, max_sites, sharing_capacity, checks=checks, **limits)
    infeasible.check_fixed(request)
    given, unit = request, unit_of(request.demand, [floor.need for floor in request.floors])
    request = request.in_unit(unit)
    available, rows, most = rows_of(request)
    masks = [floor.mask for floor in request.floors]
    groups = groups_of(request, Objective(request.demand), available, masks)
    cover = sparse.csr_array(sparse.vstack([part for _, part in groups.covers], format="csr"))
    del groups.covers[:]  # as large as what was made of them
    fixed = request.fixed.ravel()
    worth = np.outer(levels, groups.weight)
    moves = round(MOVES * effort.work)
    limit_s = effort.time_limit_s
    deadline = np.inf if limit_s is None else begun + limit_s
    empty = _search(request, cover, worth, rows, most, available)

    def searched(shares: np.ndarray) -> Exchange:
        found = []
        order = np.argsort(-shares, kind="stable")
        for start in (order[shares[order] > 0.5], order[:0]):
            search = empty.copy()
            search.start(start)
            search.improve(moves, deadline)
            found.append(search)
        return max(found, key=lambda search: search.value)

    size = rows.nnz + cover.nnz + worth.size
    relaxed = None
    if size > programme.SMALL and not request.floors:
        relaxed = _relaxed(request, cover, levels, groups.weight, effort, deadline)
    if relaxed is not None and cover.nnz > WHOLE:
        best = searched(relaxed[0])
        answer = Answer(
            best.chosen.astype(np.float64),
            relaxed[1],
            False,
            "primal-dual bound + greedy and exchanges",
        )
    else:
        p = _programme(request, groups, cover, levels, rows, most)

        def polish(shares: np.ndarray) -> np.ndarray | None:
            values = _variables(searched(shares).chosen, cover, len(levels))
            return values if (p.matrix @ values <= p.limit + 1e-6).all() else None

        left_s = None if limit_s is None else max(0.1, deadline - time.monotonic())
        answer = programme.solve(
            p,
            seed=seed,
            work=effort.work,
            polish=polish,
            relaxed=relaxed,
            time_limit_s=left_s,
        )
    in_time = answer.reproducible and time.monotonic() <= deadline
    if answer.values is None:
        _explain(given, answer)
    assert answer.values is not None
    search = empty.copy()
    table = _assignments(search, np.flatnonzero((answer.values[: len(fixed)] > 0.5) & ~fixed))
    n_sites = request.fixed.shape[1]
    table.insert(0, "carrier", table["pair"] // n_sites)
    table.insert(1, "site", table.pop("pair") % n_sites)
    pairs = np.array(sorted(zip(table["carrier"], table["site"], strict=True)), dtype=np.int64)
    table[["gain", "loss_without"]] *= unit
    objective = search.value * unit
    bound = max(objective, answer.bound * unit)
    plan = Plan(
        table,
        pairs.reshape(-1, 2),
        objective,
        bound,
        Status.OPTIMAL if bound - objective <= 1e-6 * bound else Status.FEASIBLE,
        answer.method,
        in_time,
        time.monotonic() - begun,
    )
    covered = [float(groups.weight[search.count >= k + 1].sum()) for k in range(len(levels))]
    return BackupPlan(plan, np.array(covered) * unit)


def _weights(weights: Sequence[float], checks: Checks) -> np.ndarray:
    given = checks.array(weights, "weights", np.float64)
    levels = np.ones(1) if given is None else np.atleast_1d(given)
    if levels.ndim != 1 or levels.size == 0 or not np.isfinite(levels).all():
        checks.add("weights of the covers are needed", "各段の重みが必要です", "weights", weights)
        return np.ones(1)
    if (np.diff(levels) > 0).any() or levels.min() < 0:
        checks.add(
            "weights of later covers rise or are negative",
            "後の段の重みが増えているか、負です",
            "weights",
            levels.tolist(),
            "w1 >= w2 >= … >= 0",
        )
    elif levels[0] == 0:
        # Then no choice adds anything, not even what a floor needs.
        checks.add(
            "the first cover counts nothing",
            "最初の段の重みがゼロです",
            "weights",
            levels.tolist(),
            "w1 > 0",
            Text(
                "give the first cover a weight, such as 1",
                "最初の段に1などの重みを指定してください",
            ),
        )
    return levels


def _relaxed(
    request: Request,
    cover: sparse.csr_array,
    levels: np.ndarray,
    weight: np.ndarray,
    effort: Effort,
    deadline: float,
) -> tuple[np.ndarray, float]:
    """How far the linear relaxation chooses each pair, and what it proves.

    As the covering model, in which what fixed pairs cover of a group is taken out of its covers.
    """
    usable, cost, limit, rows = limits_of(request)
    fixed = request.fixed.ravel()
    n_levels = len(levels)
    served = np.minimum(np.rint(cover @ fixed.astype(np.float64)).astype(np.int64), n_levels)
    left = np.concatenate([levels, np.zeros(n_levels)])
    model = stacked.stack(
        [stacked.Layer(sparse.csr_array(cover.T.tocsr()), left[served] * weight)],
        usable.ravel(),
        np.zeros_like(fixed),
        stacked.budgets_of(cost, limit),
        rows,
        # Floors of nothing tell apart what different numbers of fixed pairs serve.
        [(0, served == k, 0.0) for k in range(1, n_levels)],
    )
    m = model.arrays
    kind = np.zeros(m.n_groups, dtype=np.int64)
    kind[np.diff(m.floor_ptr) > 0] = m.floor_idx + 1
    first = np.where(levels > 0, levels, 1.0)
    m = m._replace(
        floor_ptr=np.zeros_like(m.floor_ptr),
        floor_idx=m.floor_idx[:0],
        need=m.need[:0],
        later=np.array([left[kind + k] / first[kind] for k in range(1, n_levels)]).reshape(
            n_levels - 1, m.n_groups
        ),
    )
    shares = fixed.astype(np.float64)
    base = float(weight @ np.concatenate([[0.0], np.cumsum(levels)])[served])
    if not m.n_pairs:
        return shares, base
    chunks = round(CHUNKS * max(1.0, effort.work))
    # Where there is no branch and cut the plan is not so near that it would show.
    tolerance = TIGHT if cover.nnz <= WHOLE else max(TIGHT, 0.2 * effort.gap)
    prices = columns.relax(m, chunks=chunks, tolerance=tolerance, deadline=deadline)
    shares[model.site] = prices.x
    return shares, base + prices.bound


def _programme(
    request: Request,
    groups: Groups,
    cover: sparse.csr_array,
    levels: np.ndarray,
    rows: sparse.csr_array,
    most: np.ndarray,
) -> Programme:
    n_groups, n_x = cover.shape
    eye = sparse.eye_array(n_groups)
    below = sparse.block_array([[-cover, *([eye] * len(levels))]], format="csr")
    n = below.shape[1]
    wide = sparse.csr_array((rows.data, rows.indices, rows.indptr), (rows.shape[0], n))
    parts, limits = [wide, below], [most, np.zeros(n_groups)]
    for mask, need, carrier in request.floors:
        inside = mask[groups.cell] & ((groups.carrier == carrier) if carrier is not None else True)
        row = np.zeros(n)
        row[n_x : n_x + n_groups] = np.where(inside, -groups.weight, 0.0)
        parts.append(sparse.csr_array(row[None] / max(1.0, need)))
        limits.append(np.array([-need / max(1.0, need)]))
    gain = np.concatenate([np.zeros(n_x), np.outer(levels, groups.weight).ravel()])
    matrix = sparse.csr_array(sparse.vstack(parts, format="csr"))
    return Programme(gain, matrix, np.concatenate(limits), n_x)


def _search(
    request: Request,
    cover: sparse.csr_array,
    worth: np.ndarray,
    rows: sparse.csr_array,
    most: np.ndarray,
    available: np.ndarray,
) -> Exchange:
    # The rows that hold the fixed pairs are the only ones below zero; they are kept anyway.
    upper = np.flatnonzero(most >= 0)
    fixed = request.fixed.ravel()
    return Exchange(cover, worth, rows[upper], most[upper], available.ravel(), fixed)


def _variables(chosen: np.ndarray, cover: sparse.csr_array, levels: int) -> np.ndarray:
    x = chosen.astype(np.float64)
    count = cover @ x
    return np.concatenate([x, *((count >= k + 1).astype(np.float64) for k in range(levels))])


def _assignments(search: Exchange, pairs: np.ndarray) -> pd.DataFrame:
    """One row a choice, fixed ones first, then greedily; useless ones are left out."""
    rows = []
    whole = search.value
    fixed = np.flatnonzero(search.fixed)
    for k, p in enumerate(fixed.tolist()):
        rows.append((p, whole if k == 0 else 0.0))
    left = set(pairs.tolist())
    while left:
        p = max(left, key=lambda q: (search.gain[q], -q))
        gain = float(search.gain[p])
        if gain <= 0:
            break
        rows.append((p, gain))
        search.move(p, 1)
        left.remove(p)
    return pd.DataFrame(
        {
            "pair": np.array([p for p, _ in rows], dtype=np.int64),
            "order": np.arange(1, len(rows) + 1),
            "gain": np.array([g for _, g in rows], dtype=np.float64),
            "loss_without": np.array([search.loss[p] for p, _ in rows], dtype=np.float64),
        }
    )


def _explain(request: Request, answer: Answer) -> None:
    """Floors count the first cover, so what an allocation cannot keep is out of reach here."""
    model = model_of(request)
    left = infeasible.explain(request, model, answer.proven, build=model_of)
    problem = Problem(
        Text(
            "no plan that keeps every floor was found within the effort",
            "許された計算量では、すべての下限を満たす計画が見つかりませんでした",
        ),
        where="floors",
    )
    if answer.proven:
        raise InfeasibleError(problem)
    raise infeasible.not_found(problem, in_time=answer.reproducible and left.in_time)
