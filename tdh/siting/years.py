"""Several fiscal years: what to build when, with what is not spent carried over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from tdh import seeds
from tdh.errors import InfeasibleError, Problem
from tdh.language import Text
from tdh.siting import contradicting, elastic, exact, horizon, infeasible, lacking, planning
from tdh.siting.allocation import Request, answer, check, model_of
from tdh.siting.counting import cells_of
from tdh.siting.inputs import Checks
from tdh.siting.plan import Status
from tdh.siting.solving import Effort
from tdh.siting.wording import YEARLY_MONEY, YEARLY_SITES, Names, OverYears, Untold, through


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
    sites: np.ndarray  # (n_years, n_carriers) most sites of a year, or, carried over, so far
    money: np.ndarray  # (n_years,) most cost likewise
    carry_over: bool
    must: np.ndarray  # (n_carriers, n_sites) bool


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
    fixed: Any = None,
    forbidden: Any = None,
    max_total: Any = None,
    budget: Any = None,
    programme_budget: float | None = None,
    floors: Sequence[tuple[Any, ...]] | None = None,
    at_most: Sequence[tuple[Any, float]] | None = None,
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
        & \sum_{cs} x_{cis} \le K_i, \text{ spacing between a carrier's sites of all years}, \\
        & \sum_{c \in C_f} \sum_{j \in f} d_{Tcj} y_{Tcj} \ge L_f \text{ in the last year } T

    (the multi-period MCLP of Gunawardane 1982; sites once built stay). Without carry-over each
    year's limits hold by themselves. The whole horizon is one model of what *stands* in each year
    (:mod:`tdh.siting.horizon`), whose relaxation bounds every schedule; schedules come from what
    stands in it and greedy choice. Where that leaves more open than the effort allows, branch and
    cut of what the relaxation leaves open finds better ones and tightens the bound, or, where that
    is too large, annealed moves of sites and years.

    Floors hold at the end of the last year, as without years. Where none of these schedules keeps
    them, a plan without years (:func:`solve_allocation`) is put into its best years, or says which
    floor is out of reach.

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
    fixed : pairs (carrier, site), optional
        Choices that have to be made, in whatever year is best.
    max_total : int or sequence, optional
        Most sites that a carrier builds over all years.
    budget : float or sequence, optional
        Most cost of what a carrier builds over all years.
    programme_budget : float, optional
        Most cost over all years and carriers.
    floors : sequence of (bool mask (n_cells,), float) or (mask, float, carrier), optional
        Least demand of the last year that is covered by its end, as for :func:`solve_allocation`.
    at_most : sequence of (pairs, int), optional
        Sets of pairs, given as ``fixed`` is, of which at most so many may stand at the end.

    Returns
    -------
    YearsPlan

    Raises
    ------
    InputError, InfeasibleError, NoSolutionError
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
    effort, seed = effort or Effort(), seeds.whole(seed)
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
        fixed,
        in_place,
        xy_m=xy_m,
        spacing_m=spacing_m,
        forbidden=forbidden,
        total=max_total,
        budget=budget,
        programme_budget=programme_budget,
        floors=floors,
        at_most=at_most,
    )
    return _solve(years, seed, effort, begun)


def _solve(years: _Years, seed: int, effort: Effort, begun: float) -> YearsPlan:
    request = years.request
    h = _horizon(years, request, _accounts(years))
    without = _without_years(years)
    # What stands at the end may all be built in the last year, if earlier ones pass on what they leave.
    build = model_of if years.carry_over else None

    def at_the_end() -> tuple[np.ndarray, bool]:
        model = model_of(without)
        kept = infeasible.explain(without, model, False, build=build)
        stands, in_time = without.fixed.ravel().copy(), kept.in_time
        if kept.chosen is not None:
            stands[
                model.carrier[kept.chosen] * request.fixed.shape[1] + model.site[kept.chosen]
            ] = True
        else:
            plan = answer(without, seed, effort)
            stands[plan.selected @ [request.fixed.shape[1], 1]] = True
            in_time = plan.reproducible
        return stands[h.pair], in_time

    with _told(years, h, seed):
        if request.floors:
            infeasible.check_reach(without, model_of(without), build)
        found = planning.solve(h, request.cost.ravel()[h.pair], seed, effort, at_the_end)
    chosen = np.zeros((len(years.factor), *request.fixed.shape), dtype=bool)
    built = np.flatnonzero(found.when < h.n_years)
    chosen.reshape(len(chosen), -1)[found.when[built], h.pair[built]] = True
    schedule, covered = _schedule(years, chosen)
    objective = float(covered @ years.factor)
    bound = max(objective, found.bound)
    spent = np.bincount(schedule["year"], schedule["cost"], len(years.factor))
    return YearsPlan(
        schedule,
        covered,
        spent,
        objective,
        bound,
        Status.OPTIMAL if bound - objective <= 1e-6 * bound else Status.FEASIBLE,
        found.method,
        found.reproducible,
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
    must: Any,
    in_place: Any,
    total: Any,
    **limits: Any,
) -> _Years:
    checks = Checks()
    rows = checks.footprints(footprints)
    n_carriers, (n_sites, n_cells) = len(rows), rows[0].shape
    given = {
        name: array
        for name, values in (
            ("max_sites", max_sites),
            ("yearly_budget", yearly_budget),
            ("demand", demand),
        )
        if values is not None and (array := checks.array(values, name, np.float64)) is not None
    }
    # Demand of two dimensions is that of every year.
    by_year = [a for name, a in given.items() if name != "demand" or a.ndim == 3]
    lengths = {len(np.atleast_1d(a)) for a in by_year} | (
        {n_years} if n_years is not None else set()
    )
    if len(lengths) != 1 or min(lengths) < 1:
        checks.add(
            "the number of years is not clear",
            "年数が決まりません",
            "max_sites, yearly_budget, demand, n_years",
            sorted(lengths),
        )
    discount = checks.fraction(discount, "discount")
    wanted_pairs = checks.pairs(must, n_carriers, n_sites, "fixed")
    standing = checks.pairs(in_place, n_carriers, n_sites, "in_place")
    prices = checks.costs(cost, (n_carriers, n_sites))
    checks.payable(prices, wanted_pairs & ~standing)
    # What stands is not paid again, whatever its cost.
    prices[standing & np.isinf(prices)] = 0.0
    checks.done()
    count = lengths.pop()
    each = np.full((count, n_carriers), np.inf)
    if max_sites is not None:
        most = given["max_sites"]
        most = most[:, None] if most.ndim == 1 else most
        each = checks.numbers(most, (count, n_carriers), "max_sites")
    money = np.full(count, np.inf)
    if yearly_budget is not None:
        money = checks.numbers(yearly_budget, (count,), "yearly_budget")
    wanted = checks.numbers(demand, (count, n_carriers, n_cells), "demand", finite=True)
    request = check(
        rows,
        wanted[0],
        total,
        sharing_capacity,
        cost=prices,
        fixed=standing,
        checks=checks,
        **limits,
    )
    _refuse_shut(request)
    wanted_pairs &= ~request.fixed
    # What is in place costs nothing; what has to be built must be possible beside it.
    in_place = (request.cost * request.fixed).sum(axis=1)
    request = replace(
        request,
        max_sites=request.max_sites + request.fixed.sum(axis=1),
        budget=request.budget + in_place,
        programme_budget=request.programme_budget + float(in_place.sum()),
    )
    factor = discount ** np.arange(count)
    years = _Years(
        request,
        wanted * factor[:, None, None],
        factor,
        np.cumsum(each, axis=0) if carry_over else each,
        np.cumsum(money) if carry_over else money,
        carry_over,
        wanted_pairs,
    )
    with through(lambda names: _over_years(years, names)):
        infeasible.check_fixed(_without_years(years))
    return years


def _refuse_shut(request: Request) -> None:
    """Refuse sites that are in place and forbidden: which of the two holds nobody said."""
    both = np.argwhere(request.fixed & request.forbidden).tolist()
    if both:
        raise InfeasibleError(
            Problem(
                Text(
                    "a site is in place and forbidden",
                    "既設の局が禁止にも指定されています",
                ),
                value=[tuple(pair) for pair in both[:3]],
                where="in_place, forbidden",
                fix=Text(
                    "take it out of one of them; what is in place is not built again",
                    "どちらか一方から外してください。既設の局が再び選ばれることはありません",
                ),
            )
        )


def _without_years(years: _Years) -> Request:
    """What may stand at the end of the last year, as if all were built in it.

    With carry-over it may; without, money of several years may not pay for one costly site.
    """
    request = years.request
    most = (years.sites[-1], years.money[-1])
    if not years.carry_over:
        most = (years.sites.sum(axis=0), years.money.sum())
    in_place = (request.cost * request.fixed).sum()
    return replace(
        request,
        demand=years.demand[-1] / years.factor[-1],
        max_sites=np.minimum(request.max_sites, most[0] + request.fixed.sum(axis=1)),
        programme_budget=float(min(request.programme_budget, most[1] + in_place)),
        fixed=request.fixed | years.must,
    )


def _over_years(years: _Years, names: Names, *, by_year: bool = False) -> Names:
    """How the limits of :func:`_without_years` are called; those over all years ``by_year``."""
    request = years.request
    most = (years.sites[-1], years.money[-1])
    if not years.carry_over:
        most = (years.sites.sum(axis=0), years.money.sum())
    if by_year:
        most = (np.full(len(request.fixed), np.inf), np.inf)
    counts, spent = request.fixed.sum(axis=1), (request.cost * request.fixed).sum(axis=1)
    total = [*(request.max_sites - counts), request.programme_budget - spent.sum()]
    return OverYears(names, total, [*most[0], most[1]], [*counts, spent.sum()], spent.tolist())


def _horizon(years: _Years, request: Request, accounts: horizon.Accounts) -> horizon.Horizon:
    """The model of the years with a request's limits and accounts."""
    floors = [f._replace(need=f.need * years.factor[-1]) for f in request.floors]
    return horizon.horizon_of(replace(request, floors=floors), years.demand, years.must, accounts)


@contextmanager
def _told(years: _Years, h: horizon.Horizon, seed: int) -> Iterator[None]:
    """Why there is no schedule, in names of the years' limits.

    Where nothing is carried over, what mends it is what the years' own limits allow.
    """
    try:
        with through(lambda names: _over_years(years, names)):
            yield
    except InfeasibleError as error:
        if years.carry_over:
            raise
        raise _year_by_year(years, h, seed, error) from error


def _year_by_year(
    years: _Years, h: horizon.Horizon, seed: int, error: InfeasibleError
) -> InfeasibleError:
    """What mends it where each year has limits of its own."""
    request, accounts = years.request, _accounts(years)
    bare = replace(request, floors=[])
    fixed = years.must.any() and lacking.needed(h, seed).values is None
    if not fixed and not request.floors:
        return error
    of = bare if fixed else request
    ways = elastic.loosened(
        of,
        lacking.YearByYear(of, accounts, lambda request, given: _horizon(years, request, given)),
    )
    limited = [k for k in range(len(accounts.limits)) if np.isfinite(accounts.limits[k]).any()]

    def by_total(names: Names) -> Names:
        return _over_years(years, names, by_year=True)

    if fixed:

        def told(names: Names) -> list[Problem]:
            keys = [
                names.limit(
                    *((YEARLY_SITES, k) if k < len(request.fixed) else (YEARLY_MONEY, None))
                )
                for k in limited
            ]
            first = contradicting.crowded(names, years.must, keys, _ROOM)
            return [first, *infeasible.told_instead(ways, by_total(names), floors=False)]

        return Untold(told)
    without = _without_years(years)
    model = model_of(without)

    def at_the_end() -> exact.Shortfall:
        found = infeasible.least_lack(model.arrays)
        if found.lack is None or found.chosen is None:
            return replace(found, lack=None, chosen=None, least=found.least * years.factor[-1])
        stands = np.zeros(request.fixed.size, dtype=bool)
        stands[model.carrier[found.chosen] * request.fixed.shape[1] + model.site[found.chosen]] = (
            True
        )
        return replace(
            found,
            lack=found.lack * years.factor[-1],
            least=found.least * years.factor[-1],
            chosen=stands[h.pair],
        )

    found = lacking.least_lack(h, at_the_end, seed)
    rounding = horizon.ROUNDING * max(1.0, float(np.maximum(h.need, 0.0).sum()))
    if found.lack is None and found.least <= rounding:
        why = error.tell if isinstance(error, Untold) else lambda names: list(error.problems)
        return Untold(lambda names: [*why(names), *infeasible.told_instead(ways, by_total(names))])
    real = replace(
        found,
        lack=None if found.lack is None else found.lack / years.factor[-1],
        least=found.least / years.factor[-1],
    )
    floors = infeasible.told(without, model.arrays, real, None)
    return Untold(
        lambda names: [*floors.tell(names), *infeasible.told_instead(ways, by_total(names))]
    )


_ROOM = Text(
    "give the years more sites or money, or take out choices that must be made",
    "年度の局数か予算を増やすか、必ず選ぶものを減らしてください",
)


def _accounts(years: _Years) -> horizon.Accounts:
    """Each carrier's sites, and the programme's money."""
    n_carriers, n_sites = years.request.fixed.shape
    every = np.arange(n_carriers * n_sites)
    sites = sparse.csr_array(
        (np.ones(len(every)), (every // n_sites, every)), shape=(n_carriers, len(every))
    )
    uses = sparse.vstack([sites, sparse.csr_array(years.request.cost.reshape(1, -1))], format="csr")
    limits = np.vstack([np.floor(years.sites.T + 1e-9), years.money])
    return horizon.Accounts(sparse.csr_array(uses), limits, years.carry_over)


def _schedule(years: _Years, chosen: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The choices that add something or must be, each year's greedily, and the demand covered."""
    request = years.request
    open_ = np.ones(years.demand.shape[1:], dtype=bool)
    for c, i in np.argwhere(request.fixed).tolist():
        open_[c, cells_of(request, c, i)] = False
    rows, covered = [], []
    for t in range(len(years.factor)):
        ahead = years.demand[t:].sum(axis=0)
        left = {(c, i) for c, i in np.argwhere(chosen[t]).tolist()}

        def worth(pair: tuple[int, int], demand: np.ndarray) -> float:
            cells = cells_of(request, *pair)
            return float(demand[pair[0], cells][open_[pair[0], cells]].sum())

        while left:
            values = {pair: worth(pair, ahead) for pair in left}
            pair = max(left, key=lambda p: (values[p], -p[0], -p[1]))
            if values[pair] <= 0:
                left = {p for p in left if years.must[p]}
                if pair not in left:
                    continue
            gain = worth(pair, years.demand[t]) / years.factor[t]
            rows.append((t, *pair, float(request.cost[pair]), gain))
            open_[pair[0], cells_of(request, *pair)] = False
            left.remove(pair)
        covered.append(float(years.demand[t][~open_].sum()) / years.factor[t])
    table = pd.DataFrame(rows, columns=["year", "carrier", "site", "cost", "gain"])
    kinds = {"year": "int64", "carrier": "int64", "site": "int64", "cost": "float64"}
    table = table.astype({**kinds, "gain": "float64"})
    return table.sort_values(["year", "carrier", "site"], ignore_index=True), np.array(covered)
