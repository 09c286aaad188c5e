"""An independent recount of a plan: from the definition, with nothing of the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tdh.errors import Problem
from tdh.siting import claims
from tdh.siting.claims import given_pairs, over, problem
from tdh.siting.plan import Plan


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
    single = sparse.issparse(footprints) or isinstance(footprints, np.ndarray)
    rows = [sparse.csr_array(f) for f in ([footprints] if single else footprints)]
    n_sites, n_cells = rows[0].shape
    chosen = plan.selected if isinstance(plan, Plan) else plan
    pairs, found = claims.read_pairs(chosen, len(rows), n_sites)
    case = _Case(
        rows,
        np.broadcast_to(np.asarray(demand, dtype=np.float64), (len(rows), n_cells)),
        pairs,
        np.broadcast_to(np.asarray(1.0 if cost is None else cost, float), (len(rows), n_sites)),
        max_sites,
        budget,
        programme_budget,
        np.inf if sharing_capacity is None else sharing_capacity,
        None if xy_m is None else np.asarray(xy_m, dtype=np.float64),
        spacing_m,
        floors or (),
        given_pairs(fixed),
        given_pairs(forbidden),
        [(given_pairs(members), most) for members, most in at_most or ()],
    )
    for limit in _LIMITS:
        found += limit(case)
    if isinstance(plan, Plan):
        found += _said(plan, case)
    return found


@dataclass(frozen=True, eq=False)
class _Case:
    """A problem and the choices of a plan that can be counted."""

    rows: list[sparse.csr_array]
    demand: np.ndarray
    pairs: np.ndarray
    cost: np.ndarray
    max_sites: Any
    budget: Any
    programme_budget: float | None
    capacity: Any
    xy_m: np.ndarray | None
    spacing_m: float
    floors: Sequence[tuple[Any, ...]]
    fixed: set[tuple[int, int]]
    forbidden: set[tuple[int, int]]
    at_most: list[tuple[set[tuple[int, int]], float]]

    @cached_property
    def chosen(self) -> set[tuple[int, int]]:
        return {(c, i) for c, i in self.pairs.tolist()}

    @cached_property
    def covered(self) -> np.ndarray:
        """Demand that the plan covers, cell by cell, (n_carriers, n_cells)."""
        covered = np.zeros(self.demand.shape)
        for (c, _), cells in zip(
            self.pairs.tolist(), claims.cells_of(self.rows, self.pairs), strict=True
        ):
            covered[c, cells] = self.demand[c, cells]
        return covered

    def own(self, carrier: int) -> np.ndarray:
        """The sites of a carrier."""
        sites: np.ndarray = self.pairs[self.pairs[:, 0] == carrier, 1]
        return sites


def _said(plan: Plan, case: _Case) -> list[Problem]:
    """What a plan says of itself: demand covered, bound and status, and each choice."""
    value, whole = float(case.covered.sum()), float(case.demand.sum())
    return [
        *claims.differing({"objective": (plan.objective, value)}),
        *claims.proven(value, plan.bound, plan.status, scale=whole),
        *claims.of_choices(plan.assignments, case.pairs, case.rows, case.demand),
    ]


def _too_many(case: _Case) -> Iterator[Problem]:
    for c in range(len(case.rows)):
        n, most = len(case.own(c)), _limit(case.max_sites, c)
        if n > most:
            what = "a carrier has too many sites", "局数が上限を超えています"
            yield problem(*what, f"carrier[{c}]", n, most)


def _budgets(case: _Case) -> Iterator[Problem]:
    for c in range(len(case.rows)):
        spent, most = float(case.cost[c, case.own(c)].sum()), _limit(case.budget, c)
        if over(spent, most):
            what = "a budget is exceeded", "予算を超えています"
            yield problem(*what, f"carrier[{c}]", spent, most)


def _programme(case: _Case) -> Iterator[Problem]:
    spent, most = float(case.cost[tuple(case.pairs.T)].sum()), _limit(case.programme_budget, 0)
    if over(spent, most):
        what = "the programme's budget is exceeded", "事業全体の予算を超えています"
        yield problem(*what, "programme_budget", spent, most)


def _near(case: _Case) -> Iterator[Problem]:
    if case.spacing_m <= 0 or case.xy_m is None:
        return
    what = "two sites of a carrier are too near", "同じ事業者の局が近すぎます"
    for c in range(len(case.rows)):
        own = case.own(c)
        xy = case.xy_m[own]
        for k in range(len(own) - 1):
            apart = np.hypot(*(xy[k + 1 :] - xy[k]).T)
            for other in np.flatnonzero(apart < case.spacing_m - 1e-5).tolist():
                where = f"carrier[{c}], site[{own[k]}], site[{own[k + 1 + other]}]"
                yield problem(*what, where, f"{apart[other]:.1f} m", f">= {case.spacing_m} m")


def _shared(case: _Case) -> Iterator[Problem]:
    n_sites = case.rows[0].shape[0]
    capacity = np.broadcast_to(np.asarray(case.capacity), (n_sites,))
    users = np.bincount(case.pairs[:, 1], minlength=n_sites)
    for i in np.flatnonzero(users > capacity).tolist():
        what = "too many carriers share a site", "共用の上限を超えています"
        yield problem(*what, f"site[{i}]", int(users[i]), capacity[i])


def _missed(case: _Case) -> Iterator[Problem]:
    for k, (mask, need, *of) in enumerate(case.floors):
        whose = slice(None) if not of or of[0] is None else [of[0]]
        got = float(case.covered[whose][:, np.asarray(mask)].sum())
        if over(need, got):
            yield problem("a floor is missed", "下限に達していません", f"floors[{k}]", got, need)


def _left_out(case: _Case) -> Iterator[Problem]:
    for pair in sorted(case.fixed - case.chosen):
        yield problem("a fixed choice is missing", "固定した選択がありません", "fixed", pair)


def _ruled_out(case: _Case) -> Iterator[Problem]:
    for pair in sorted(case.forbidden & case.chosen):
        yield problem("a forbidden choice is made", "禁止した選択があります", "forbidden", pair)


def _of_sets(case: _Case) -> Iterator[Problem]:
    for k, (members, most) in enumerate(case.at_most):
        n = len(members & case.chosen)
        if n > most:
            what = "too many of a set", "集合の上限を超えています"
            yield problem(*what, f"at_most[{k}]", n, most)


_LIMITS: tuple[Callable[[_Case], Iterator[Problem]], ...] = (
    _too_many,
    _budgets,
    _programme,
    _near,
    _shared,
    _missed,
    _left_out,
    _ruled_out,
    _of_sets,
)


def _limit(values: Any, carrier: int) -> float:
    value = values if values is None or np.ndim(values) == 0 else values[carrier]
    return np.inf if value is None else float(value)
