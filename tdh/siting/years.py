"""Several fiscal years: what to build when, with what is not spent carried over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from tdh.errors import NoSolutionError
from tdh.siting import infeasible, solving, stacked
from tdh.siting.allocation import Request, answer, check, limits_of
from tdh.siting.counting import cells_of
from tdh.siting.inputs import Checks
from tdh.siting.model import Model, Rows
from tdh.siting.plan import Status
from tdh.siting.solving import Effort


@dataclass(frozen=True, eq=False)
class YearsPlan:
    """What is built when.

    Attributes
    ----------
    schedule : DataFrame
        One row a choice: year (from 0), carrier, site, cost, and ``gain``, the demand of its own
        year that it adds to what is in place and chosen before it; sorted.
    covered : (n_years,) float64
        Demand covered in each year.
    spent : (n_years,) float64
        Cost of what each year builds.
    objective, bound : float
        Discounted sum of ``covered``, and what no schedule exceeds.
    status : Status
    method : str
        What found the schedule.
    reproducible : bool
    seconds : float
    """

    schedule: pd.DataFrame
    covered: np.ndarray
    spent: np.ndarray
    objective: float
    bound: float
    status: Status
    method: str
    reproducible: bool
    seconds: float

    @property
    def gap(self) -> float:
        """The share of the bound that is not proven to be out of reach."""
        return (self.bound - self.objective) / self.bound if self.bound > 0 else 0.0


@dataclass(frozen=True, eq=False)
class _Years:
    request: Request
    demand: np.ndarray  # (n_years, n_carriers, n_cells), discounted
    factor: np.ndarray  # (n_years,)
    sites: np.ndarray  # (n_years, n_carriers) most sites so far
    money: np.ndarray  # (n_years,) most cost so far
    carry_over: bool
    each_sites: np.ndarray
    each_money: np.ndarray


def solve_years(
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: ArrayLike | None = None,
    sharing_capacity: ArrayLike = 1,
    *,
    n_years: int | None = None,
    yearly_budget: ArrayLike | None = None,
    cost: ArrayLike | None = None,
    discount: float = 1.0,
    carry_over: bool = True,
    xy_m: ArrayLike | None = None,
    spacing_m: float = 0.0,
    in_place: Any = None,
    forbidden: Any = None,
    seed: int = 0,
    effort: Effort | None = None,
) -> YearsPlan:
    r"""Which assets to offer to which carriers in which year.

    With :math:`x_{cit}` for a site of a carrier that is built in year t,

    .. math::

        \max \sum_t \delta^t \sum_c \sum_j d_{tcj} y_{tcj} \quad\text{s.t.}\quad
        & y_{tcj} \le \sum_{s \le t} \sum_{i \in N_c(j)} x_{cis}, \\
        & \sum_{s \le t} \sum_i x_{cis} \le \sum_{s \le t} p_{sc},\;
          \sum_{s \le t} \sum_{ci} k_{ci} x_{cis} \le \sum_{s \le t} B_s\ \forall t, \\
        & \sum_{cs} x_{cis} \le K_i, \text{ spacing between a carrier's sites of all years}

    (the multi-period MCLP of Gunawardane 1982; sites once built stay). Without carry-over each
    year's limits hold by themselves. The whole horizon is one covering model, whose bound is
    valid for every schedule and which is solved exactly where it is small; besides, the years are
    planned one after the other, each for the demand of all years to come, and the better
    schedule is kept.

    Parameters
    ----------
    footprints, sharing_capacity, cost, xy_m, spacing_m, forbidden, seed, effort
        As for :func:`solve_allocation`.
    demand : array, shape (n_carriers, n_cells) or (n_years, n_carriers, n_cells)
        What is open, of one year after the other if it changes.
    max_sites : array, shape (n_years,) or (n_years, n_carriers), optional
        :math:`p`, most new sites of each carrier in a year.
    n_years : int, optional
        Number of years; needed only where nothing else is given by the year.
    yearly_budget : array, shape (n_years,), optional
        :math:`B`, most cost of the whole programme in a year, in the unit of ``cost``.
    discount : float
        :math:`\delta` in (0, 1]: what a person served a year later counts.
    carry_over : bool
        Whether what a year leaves may be spent later.
    in_place : pairs (carrier, site), optional
        Sites that serve from the start; they cost nothing and count for sharing and spacing.

    Returns
    -------
    YearsPlan

    Raises
    ------
    InputError, InfeasibleError
        As :func:`solve_allocation`.

    Examples
    --------
    >>> near = sparse.csr_array(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool))
    >>> cost = [[3, 2, 1]]
    >>> plan = solve_years([near], [[9, 4, 3]], yearly_budget=[2, 2], cost=cost)
    >>> plan.schedule[["year", "site"]].to_numpy().tolist(), plan.covered.tolist()
    ([[0, 2], [1, 0]], [3.0, 12.0])
    """
    begun = time.perf_counter()
    effort = effort or Effort()
    years = _check(
        footprints,
        demand,
        max_sites,
        sharing_capacity,
        n_years,
        yearly_budget,
        cost,
        discount,
        carry_over,
        xy_m=xy_m,
        spacing_m=spacing_m,
        fixed=in_place,
        forbidden=forbidden,
    )
    infeasible.check_fixed(years.request)
    model = _model(years)
    solution = solving.solve(model.arrays, seed=seed, effort=effort)
    request = years.request
    shape = (len(request.fixed), len(years.factor), request.fixed.shape[1])
    found, method = None, solution.method
    if solution.chosen is not None:
        found = np.zeros(shape, dtype=bool)
        found.ravel()[model.site[solution.chosen]] = True
    reproducible = solution.reproducible
    if not solution.proven:
        rolled, sure = _roll(years, seed, effort)
        reproducible &= sure
        if found is None or _value(years, rolled) > _value(years, found):
            found, method = rolled, "year after year; bound: " + solution.method
    assert found is not None  # nothing built is a schedule
    schedule, covered = _schedule(years, found)
    objective = float(covered @ years.factor)
    bound = max(objective, solution.bound + model.base)
    spent = np.bincount(schedule["year"], schedule["cost"], len(years.factor))
    return YearsPlan(
        schedule,
        covered,
        spent,
        objective,
        bound,
        Status.OPTIMAL if bound - objective <= 1e-6 * bound else Status.FEASIBLE,
        method,
        reproducible,
        time.perf_counter() - begun,
    )


def _check(
    footprints: Sequence[Any],
    demand: ArrayLike,
    max_sites: ArrayLike | None,
    sharing_capacity: ArrayLike,
    n_years: int | None,
    yearly_budget: ArrayLike | None,
    cost: ArrayLike | None,
    discount: float,
    carry_over: bool,
    **limits: Any,
) -> _Years:
    checks = Checks()
    rows = checks.footprints(footprints)
    n_carriers, n_cells = len(rows), rows[0].shape[1]
    wanted = np.asarray(demand, dtype=np.float64)
    lengths = {
        len(np.atleast_1d(np.asarray(a)))
        for a in (max_sites, yearly_budget, wanted if wanted.ndim == 3 else None)
        if a is not None
    } | ({n_years} if n_years is not None else set())
    if len(lengths) != 1 or min(lengths) < 1:
        checks.add(
            "the number of years is not clear",
            "年数が決まりません",
            "max_sites, yearly_budget, demand, n_years",
            sorted(lengths),
        )
    if not 0 < discount <= 1:
        checks.add("the factor is out of range", "係数が範囲外です", "discount", discount, "(0, 1]")
    checks.done()
    count = lengths.pop()
    if wanted.ndim != 3:
        wanted = np.broadcast_to(wanted, (count, *np.shape(wanted)))
    each = np.full((count, n_carriers), np.inf)
    if max_sites is not None:
        given = np.asarray(max_sites, dtype=np.float64)
        given = given[:, None] if given.ndim == 1 else given
        each = checks.numbers(given, (count, n_carriers), "max_sites")
    money = np.full(count, np.inf)
    if yearly_budget is not None:
        money = checks.numbers(yearly_budget, (count,), "yearly_budget")
    wanted = checks.numbers(wanted, (count, n_carriers, n_cells), "demand")
    checks.done()
    request = check(rows, wanted[0], None, sharing_capacity, cost=cost, **limits)
    factor = discount ** np.arange(count)
    return _Years(
        request,
        wanted * factor[:, None, None],
        factor,
        np.cumsum(each, axis=0),
        np.cumsum(money),
        carry_over,
        each,
        money,
    )


def _model(years: _Years) -> Model:
    """The whole horizon; pairs are ordered by carrier, year and site."""
    request = years.request
    n_years, (n_carriers, n_sites) = len(years.factor), request.fixed.shape
    usable, _, _, rows = limits_of(request)
    block = n_years * n_sites

    def position(c: np.ndarray, t: int, i: np.ndarray) -> np.ndarray:
        return c * block + t * n_sites + i

    members, coefs, limits = [], [], []
    for pairs, coef, limit in zip(rows.pairs, rows.coefs, rows.limits, strict=True):
        c, i = pairs // n_sites, pairs % n_sites
        members.append(np.concatenate([position(c, t, i) for t in range(n_years)]))
        coefs.append(np.tile(coef, n_years))
        limits.append(limit)
    every = np.arange(n_sites)
    counted = bool(np.isfinite(years.sites).all())
    for t in range(n_years):
        since = 0 if years.carry_over else t
        for c in range(n_carriers):
            most = (years.sites if years.carry_over else years.each_sites)[t, c]
            if np.isfinite(most):
                span = [position(np.array(c), s, every) for s in range(since, t + 1)]
                members.append(np.concatenate(span))
                coefs.append(np.ones(len(members[-1])))
                limits.append(float(np.floor(most + 1e-9)))
        most = (years.money if years.carry_over else years.each_money)[t]
        if np.isfinite(most):
            carriers = np.repeat(np.arange(n_carriers), n_sites)
            sites = np.tile(every, n_carriers)
            span = [position(carriers, s, sites) for s in range(since, t + 1)]
            members.append(np.concatenate(span))
            coefs.append(np.tile(request.cost.ravel(), t + 1 - since))
            limits.append(float(most))
    layers = []
    for t in range(n_years):
        parts = []
        for footprint in request.footprints:
            none = sparse.csr_array(footprint.shape, dtype=footprint.dtype)
            parts.append(
                sparse.vstack([footprint if s <= t else none for s in range(n_years)], format="csr")
            )
        cover = sparse.csr_array(sparse.block_diag(parts, format="csr"))
        layers.append(stacked.Layer(cover, years.demand[t].ravel()))
    cost = np.broadcast_to(request.cost[:, None, :], (n_carriers, n_years, n_sites))
    affordable = cost <= (years.money if years.carry_over else years.each_money)[:, None] + 1e-9
    may = (usable[:, None, :] & affordable).ravel()
    fixed = np.zeros((n_carriers, n_years, n_sites), dtype=bool)
    fixed[:, 0] = request.fixed
    if counted:
        ptr = np.arange(n_carriers + 1, dtype=np.int64) * block
        budgets = stacked.Budgets(ptr, np.ones(may.size), np.floor(years.sites[-1] + 1e-9))
    else:
        most = years.money[-1] if np.isfinite(years.money[-1]) else float(cost.sum())
        ptr = np.array([0, may.size], dtype=np.int64)
        budgets = stacked.Budgets(ptr, np.ascontiguousarray(cost).ravel(), np.array([most]))
    return stacked.stack(layers, may, fixed.ravel(), budgets, Rows(members, coefs, limits))


def _roll(years: _Years, seed: int, effort: Effort) -> tuple[np.ndarray, bool]:
    """One year after the other, each for the demand of all years to come."""
    request = years.request
    n_years, (n_carriers, n_sites) = len(years.factor), request.fixed.shape
    out = np.zeros((n_carriers, n_years, n_sites), dtype=bool)
    first = float((request.cost * request.fixed).sum())
    had, sure = request.fixed.sum(axis=1), True
    held = request.fixed.copy()
    part = Effort(effort.gap, effort.work / n_years, effort.time_limit_s)
    for t in range(n_years):
        if years.carry_over:
            most, money = had + years.sites[t], first + years.money[t]
        else:
            most = held.sum(axis=1) + years.each_sites[t]
            money = float((request.cost * held).sum()) + years.each_money[t]
        ahead = replace(
            request,
            demand=years.demand[t:].sum(axis=0),
            fixed=held,
            max_sites=most.astype(np.float64),
            programme_budget=float(money),
        )
        try:
            plan = answer(ahead, seed, part)
        except NoSolutionError:
            break
        sure &= plan.reproducible
        new = np.zeros_like(held)
        new[tuple(plan.selected.T)] = True
        out[:, t] = new & ~held
        held = held | new
    return out, sure


def _counts(years: _Years, chosen: np.ndarray) -> np.ndarray:
    """Discounted demand covered in each year."""
    request = years.request
    covered = np.zeros(years.demand.shape[1:], dtype=bool)
    totals = np.zeros(len(years.factor))
    for t in range(len(totals)):
        for c, matrix in enumerate(request.footprints):
            new = chosen[c, t] | request.fixed[c] if t == 0 else chosen[c, t]
            covered[c, matrix[np.flatnonzero(new)].indices] = True
        totals[t] = years.demand[t][covered].sum()
    return totals


def _value(years: _Years, chosen: np.ndarray) -> float:
    return float(_counts(years, chosen).sum())


def _schedule(years: _Years, chosen: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The choices that add something, each year's greedily, and the demand covered in each year."""
    request = years.request
    open_ = np.ones(years.demand.shape[1:], dtype=bool)
    for c, i in np.argwhere(request.fixed).tolist():
        open_[c, cells_of(request, c, i)] = False
    rows, covered = [], []
    for t in range(len(years.factor)):
        ahead = years.demand[t:].sum(axis=0)
        left = {(c, i) for c, i in np.argwhere(chosen[:, t]).tolist()}

        def worth(pair: tuple[int, int], demand: np.ndarray) -> float:
            cells = cells_of(request, *pair)
            return float(demand[pair[0], cells][open_[pair[0], cells]].sum())

        while left:
            values = {pair: worth(pair, ahead) for pair in left}
            pair = max(left, key=lambda p: (values[p], -p[0], -p[1]))
            if values[pair] <= 0:
                break
            gain = worth(pair, years.demand[t]) / years.factor[t]
            rows.append((t, *pair, float(request.cost[pair]), gain))
            open_[pair[0], cells_of(request, *pair)] = False
            left.remove(pair)
        covered.append(float(years.demand[t][~open_].sum()) / years.factor[t])
    table = pd.DataFrame(rows, columns=["year", "carrier", "site", "cost", "gain"])
    kinds = {"year": "int64", "carrier": "int64", "site": "int64", "cost": "float64"}
    table = table.astype({**kinds, "gain": "float64"})
    return table.sort_values(["year", "carrier", "site"], ignore_index=True), np.array(covered)
