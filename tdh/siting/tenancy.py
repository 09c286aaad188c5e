"""Sharing that saves money: a site's later tenants cost less than its first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tdh import seeds
from tdh.errors import Problem
from tdh.siting import contradicting, infeasible, solving, stacked
from tdh.siting.allocation import Request, check, limits_of
from tdh.siting.counting import assignments
from tdh.siting.elastic import Posed, Slack, posed_of
from tdh.siting.inputs import Checks
from tdh.siting.layered import matrix_of
from tdh.siting.model import Rows
from tdh.siting.plan import Plan, Status
from tdh.siting.solving import Effort
from tdh.siting.wording import Untold

MOST_BUNDLES = 64
"""Sets of tenants of one site; eight carriers of which two share have 36."""


@dataclass(frozen=True, eq=False)
class TenancyPlan:
    """An allocation whose sites cost by their tenants.

    Attributes
    ----------
    plan : Plan
        The allocation.
    tenants : (n_sites,) int64
        Carriers on each site.
    spent : float
        Cost altogether.
    saved : float
        What the same choices would cost more if nobody shared.
    """

    plan: Plan
    tenants: np.ndarray
    spent: float
    saved: float


def solve_shared_cost(
    footprints: Sequence[Any],
    demand: ArrayLike,
    programme_budget: float,
    cost_first: ArrayLike,
    cost_next: ArrayLike,
    max_sites: Any = None,
    sharing_capacity: ArrayLike = 2,
    *,
    seed: int = 0,
    effort: Effort | None = None,
    **limits: Any,
) -> TenancyPlan:
    r"""The allocation that covers most for a budget where sharing a site saves money.

    A site with n tenants costs :math:`k_i + (n - 1) k'_i`, which no sum over pairs says. Instead
    of pairs, *bundles* are chosen: a site i with the set S of its tenants,

    .. math::

        \max \sum_c \sum_j d_{cj} y_{cj} \quad\text{s.t.}\quad
        & y_{cj} \le \sum_{i \in N_c(j)} \sum_{S \ni c} x_{iS},\; \sum_S x_{iS} \le 1, \\
        & \sum_{iS} (k_i + (|S| - 1) k'_i)\, x_{iS} \le B,\;
          \text{other limits with } x_{ci} = \sum_{S \ni c} x_{iS}

    which is exact and again a covering model, so that its bound holds for every allocation. Sites
    have as many bundles as there are sets of at most K carriers: 10 of four carriers with K = 2.

    Parameters
    ----------
    footprints, demand, max_sites, sharing_capacity, seed, effort
        As for :func:`solve_allocation`.
    programme_budget : float
        :math:`B`, in the unit of the costs.
    cost_first, cost_next : float or array (n_sites,)
        :math:`k_i` and :math:`k'_i \le k_i`: what a site costs with one tenant (``np.inf`` if it
        cannot be had), and what each further tenant adds.
    **limits
        ``xy_m``, ``spacing_m``, ``fixed``, ``forbidden``, ``at_most``, ``floors``. The first
        tenant of a site with fixed choices is paid.

    Returns
    -------
    TenancyPlan

    Raises
    ------
    InputError, InfeasibleError, NoSolutionError
        As :func:`solve_allocation`.

    Examples
    --------
    >>> near = sparse.csr_array(np.array([[1, 0], [0, 1]], dtype=bool))
    >>> shared = solve_shared_cost([near, near], [[4, 3], [4, 4]], 3, 2, 1)
    >>> shared.plan.selected.tolist(), shared.spent, shared.saved
    ([[0, 0], [1, 0]], 3.0, 1.0)
    """
    begun = time.perf_counter()
    seed = seeds.whole(seed)
    checks = Checks()
    rows = checks.footprints(footprints)
    n_sites = rows[0].shape[0]
    first = checks.numbers(cost_first, (n_sites,), "cost_first")
    more = checks.numbers(cost_next, (n_sites,), "cost_next")
    if (more > first).any():
        worst = float((more - first)[more > first].max())
        checks.add(
            "a further tenant costs more than the first",
            "2者目以降の費用が1者目を上回っています",
            "cost_next",
            worst,
            "cost_next <= cost_first",
        )
    programme_budget = checks.number(programme_budget, "programme_budget")
    request = check(rows, demand, max_sites, sharing_capacity, checks=checks, **limits)
    lost = np.isinf(first)
    checks.payable(first, request.fixed, "cost_first")
    checks.done()
    request = replace(
        request, forbidden=request.forbidden | lost, unavailable=request.unavailable | lost
    )
    first, more = np.where(lost, 0.0, first), np.where(lost, 0.0, more)
    infeasible.check_fixed(request)
    base = cost_of(request.fixed, first, more)
    if base > programme_budget + 1e-9:
        raise Untold(
            lambda names: [
                contradicting.dear_together(names, programme_budget, base, request.fixed)
            ]
        )
    _check_bundles(request)
    shared = _Shared(request, first, more, programme_budget)
    bundles, model = shared.bundles, shared.model
    infeasible.check_reach(request, model, shared)
    solution = solving.solve(model.arrays, seed=seed, effort=effort)
    if solution.chosen is None:
        kept = infeasible.explain(request, model, solution.proven, solution.lack, shared)
        in_time = solution.reproducible and kept.in_time
        if kept.chosen is None:
            raise infeasible.not_found(
                Problem(
                    infeasible.NOT_FOUND,
                    where="floors",
                    fix=infeasible.LESS,
                ),
                in_time=in_time,
            )
        solution = replace(
            solution,
            chosen=kept.chosen,
            method=f"{solution.method} + SCIP on the floors alone",
            reproducible=in_time,
        )
    assert solution.chosen is not None
    chosen = request.fixed.copy()
    for bundle in model.site[solution.chosen].tolist():
        tenants, i = bundles[bundle // n_sites], bundle % n_sites
        chosen[list(tenants), i] = True
    table = assignments(request, chosen)
    pairs = np.array(sorted(zip(table["carrier"], table["site"], strict=True)), dtype=np.int64)
    chosen = np.zeros_like(chosen)
    chosen[tuple(pairs.reshape(-1, 2).T)] = True
    objective = float(table["gain"].sum())
    bound = max(objective, solution.bound + model.base)
    plan = Plan(
        table,
        pairs.reshape(-1, 2),
        objective,
        bound,
        Status.OPTIMAL if bound - objective <= 1e-6 * bound else Status.FEASIBLE,
        solution.method,
        solution.reproducible,
        time.perf_counter() - begun,
    )
    spent = cost_of(chosen, first, more)
    return TenancyPlan(plan, chosen.sum(axis=0), spent, float((chosen * first).sum()) - spent)


def cost_of(chosen: np.ndarray, first: np.ndarray, more: np.ndarray) -> float:
    """Cost of an allocation (n_carriers, n_sites) bool.

    Examples
    --------
    >>> both = np.array([[True, True], [True, False]])
    >>> cost_of(both, np.array([5.0, 4.0]), np.array([2.0, 2.0]))
    11.0
    """
    tenants = chosen.sum(axis=0)
    return float(np.where(tenants > 0, first + (tenants - 1) * more, 0.0).sum())


def _bundles(request: Request) -> list[tuple[int, ...]]:
    """Sets of carriers that may share a site, the small ones first."""
    n_carriers = len(request.fixed)
    # Of sites that nobody may use there are bundles too, none of which can be chosen.
    most = int(np.clip(request.capacity.max(initial=0), 1, n_carriers))
    return [s for k in range(1, most + 1) for s in combinations(range(n_carriers), k)]


def _check_bundles(request: Request) -> None:
    count = len(_bundles(request))
    if count > MOST_BUNDLES:
        checks = Checks()
        checks.add(
            "too many sets of tenants",
            "共用の組合せが多すぎます",
            "sharing_capacity",
            count,
            f"<= {MOST_BUNDLES}",
        )
        checks.done()


class _Shared:
    """The problem of a request, and the same with other limits; see :class:`elastic.Posing`."""

    def __init__(
        self, request: Request, first: np.ndarray, more: np.ndarray, programme_budget: float
    ) -> None:
        self.request, self.first, self.more = request, first, more
        self.programme_budget = programme_budget
        self.left = programme_budget - cost_of(request.fixed, first, more)
        self.bundles = _bundles(request)
        self.model, _ = _model(request, self.bundles, first, more, self.left)

    def posed(self, request: Request) -> Posed | None:
        return self._posed(request, self.left)[0]

    def _posed(self, request: Request, left: float) -> tuple[Posed | None, np.ndarray]:
        """The problem, and what each of its columns costs."""
        bundles = _bundles(request)
        if len(bundles) > MOST_BUNDLES:
            return None, np.zeros(0)
        model, price = _model(request, bundles, self.first, self.more, left)
        n_sites = request.fixed.shape[1]
        pairs, columns = [], []
        for column, position in enumerate(model.site.tolist()):
            tenants, i = bundles[position // n_sites], position % n_sites
            pairs += [c * n_sites + i for c in tenants]
            columns += [column] * len(tenants)
        stands = sparse.csr_array(
            (np.ones(len(pairs)), (pairs, columns)), shape=(request.fixed.size, len(model.site))
        )
        return posed_of(model, stands), price[model.site]

    def own(self) -> Iterator[Slack]:
        """The programme's budget."""
        if np.isfinite(self.programme_budget):
            posed, price = self._posed(self.request, np.inf)
            uses = sparse.csr_array(price.reshape(1, -1))
            left = np.array([self.left])
            yield Slack(
                "programme_budget", None, self.programme_budget, posed, uses, left, whole=False
            )


def _model(
    request: Request,
    bundles: list[tuple[int, ...]],
    first: np.ndarray,
    more: np.ndarray,
    left: float,
) -> tuple[stacked.Model, np.ndarray]:
    """The covering model, and what each of its positions costs."""
    n_carriers, n_sites = request.fixed.shape
    usable, cost, limit, rows = limits_of(request)
    n_cells = request.demand.shape[1]
    none = sparse.csr_array((n_sites, n_cells), dtype=bool)
    every = np.arange(n_sites)
    paid = request.fixed.any(axis=0)
    cover, price, may, incidence = [], [], [], []
    for tenants in bundles:
        parts = [f if c in tenants else none for c, f in enumerate(request.footprints)]
        cover.append(sparse.csr_array(sparse.hstack(parts, format="csr")))
        price.append(np.where(paid, len(tenants) * more, first + (len(tenants) - 1) * more))
        may.append(usable[list(tenants)].all(axis=0) & (price[-1] <= left + 1e-9))
        pairs = np.concatenate([c * n_sites + every for c in tenants])
        shape = (n_carriers * n_sites, n_sites)
        column = np.tile(every, len(tenants))
        incidence.append(sparse.csr_array((np.ones(len(pairs)), (pairs, column)), shape=shape))
    # Fixed choices are rows of their own behind the bundles; they are in every plan.
    fixed = np.flatnonzero(request.fixed.ravel())
    layer = stacked.each_carrier(request, request.demand)
    cover.append(layer.cover[fixed])
    n = len(bundles) * n_sites + len(fixed)
    over_pairs = Rows(
        [*(c * n_sites + every for c in range(n_carriers)), *rows.pairs],
        [*cost, *rows.coefs],
        [*limit.tolist(), *rows.limits],
    )
    matrix = matrix_of(over_pairs, usable.ravel()) @ sparse.hstack(incidence, format="csr")
    matrix = sparse.csr_array(matrix)
    spans = list(zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True))
    members = [matrix.indices[a:b].astype(np.int64) for a, b in spans]
    coefs = [matrix.data[a:b] for a, b in spans]
    limits = list(over_pairs.limits)
    if len(bundles) > 1:
        for i in range(n_sites):
            members.append(np.arange(len(bundles)) * n_sites + i)
            coefs.append(np.ones(len(bundles)))
            limits.append(1.0)
    prices = np.concatenate([*price, np.zeros(len(fixed))])
    available = np.concatenate([*may, np.zeros(len(fixed), dtype=bool)])
    held = np.zeros(n, dtype=bool)
    held[n - len(fixed) :] = True
    needs: list[tuple[int, np.ndarray | None, float]] = []
    for mask, need, carrier in request.floors:
        whose = np.ones(n_carriers, bool) if carrier is None else np.arange(n_carriers) == carrier
        needs.append((0, (whose[:, None] & mask).ravel(), need))
    whole = sparse.csr_array(sparse.vstack(cover, format="csr"))
    model = stacked.stack(
        [stacked.Layer(whole, layer.weight)],
        available,
        held,
        stacked.Budgets(np.array([0, n], dtype=np.int64), prices, np.array([left])),
        Rows(members, coefs, limits),
        needs,
    )
    return model, prices
