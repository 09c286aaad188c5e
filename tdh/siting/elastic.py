"""By how much each limit alone would have to be looser so that every floor can be kept.

For each limit the model is built without it, and the least is sought by which a plan that keeps
all floors and all other limits exceeds it (an elastic model with the slack of one limit).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy import sparse

from tdh.siting import exact
from tdh.siting.spacing import TOUCH_M, too_near

if TYPE_CHECKING:
    from tdh.siting.allocation import Request
    from tdh.siting.model import Model

MOST = 60_000
"""Non-zeros of a model up to which this is sought: it is one search a limit."""
NODES, PATIENCE_S, ALL_S = 2_000, 10.0, 40.0
"""Branch-and-bound nodes and wall clock of a limit, and wall clock after which no other is tried."""


@dataclass(frozen=True)
class Loosened:
    """A limit which, looser by so much, lets every floor be kept.

    Attributes
    ----------
    limit : str
        The argument: max_sites, budget, programme_budget, sharing_capacity, spacing_m, forbidden,
        at_most, or a year's limits.
    at : int or None
        Whose, or which; None: of all.
    now, to : float
        What it is, and what suffices; of ``forbidden`` the number of pairs, of the years' limits the
        sum.
    least : bool
        Whether it is proven that nothing tighter suffices.
    pairs : tuple of (int, int)
        Pairs that need not be ruled out (of ``forbidden``).
    each : tuple of float
        What suffices of every year.
    beside : (str, int or None, float) or None
        A limit that has to be so much with it.
    differ : bool
        Whether it is several limits, not the same now, of which each has to be looser by so much.
    """

    limit: str
    at: int | None
    now: float
    to: float
    least: bool
    pairs: tuple[tuple[int, int], ...] = ()
    each: tuple[float, ...] = ()
    beside: tuple[str, int | None, float] | None = None
    differ: bool = False


class Posed(NamedTuple):
    """A problem and its floors as an integer programme whose columns lie between 0 and ``most``.

    Attributes
    ----------
    rows : csr_array (n_rows, n_columns)
    lower, upper : (n_rows,) float64
        Of each row.
    most : (n_columns,) float64
    n_whole : int
        The first so many columns are whole numbers.
    stands : csr_array (n_carriers * n_sites, n_whole)
        Which pairs (carrier, site) a column puts into the plan.
    keeps : callable
        Whether whole columns, bool, keep the floors, counted again.
    """

    rows: sparse.csr_array
    lower: np.ndarray
    upper: np.ndarray
    most: np.ndarray
    n_whole: int
    stands: sparse.csr_array
    keeps: Callable[[np.ndarray], bool]


class Beside(NamedTuple):
    """A limit that may have to rise with another.

    Attributes
    ----------
    limit : str
    at : int or None
    now, left : float
        What it is, and what fixed choices leave of it.
    uses : csr_array (1, n_whole)
        What a column takes of it.
    """

    limit: str
    at: int | None
    now: float
    left: float
    uses: sparse.csr_array


class Slack(NamedTuple):
    """A limit to be exceeded: the problem without it, and what it limits.

    Attributes
    ----------
    limit : str
    at : int or None
        As those of :class:`Loosened`.
    now : float
    posed : Posed or None
        Without the limit; None where that is too large to ask.
    uses : csr_array (n_limits, n_whole)
        What a column takes of each of the limit's rows.
    left : (n_limits,) float64
        What fixed choices leave of it.
    whole : bool
        Whether it is a whole number.
    each : bool
        Whether the rows rise one by one, by the least sum, and not all alike.
    beside : Beside, optional
        The problem is posed without it, too.
    differ : bool
        Whether the rows, which rise alike, are not the same now.
    """

    limit: str
    at: int | None
    now: float
    posed: Posed | None
    uses: sparse.csr_array
    left: np.ndarray
    whole: bool
    each: bool = False
    beside: Beside | None = None
    differ: bool = False


class Posing(Protocol):
    """A problem of siting that is no covering model of pairs, or has limits of its own."""

    def posed(self, request: Request) -> Posed | None:
        """The problem with a request's limits; None where it is too large to ask."""

    def own(self) -> Iterator[Slack]:
        """Limits that no request holds."""


class _Covering:
    """The covering model of a request."""

    def __init__(self, model_of: Callable[[Request], Model]) -> None:
        self.model_of = model_of

    def posed(self, request: Request) -> Posed | None:
        n_carriers, n_sites = request.fixed.shape
        model = self.model_of(request)
        stands = np.arange(model.arrays.n_pairs)
        pair = model.carrier * n_sites + model.site
        return posed_of(
            model,
            sparse.csr_array(
                (np.ones(len(pair)), (pair, stands)), shape=(n_carriers * n_sites, len(pair))
            ),
        )

    def own(self) -> Iterator[Slack]:
        return iter(())


def posed_of(model: Model, stands: sparse.csr_array) -> Posed | None:
    """A covering model, posed; None where it is too large to ask."""
    m = model.arrays
    if exact.size(m) > MOST:
        return None
    need = max(float(m.need.max(initial=0.0)), 1e-300)
    rows, lower, upper = exact.matrix(model.in_unit(need).arrays)
    return Posed(
        sparse.csr_array(rows),
        lower,
        upper,
        np.ones(rows.shape[1]),
        m.n_pairs,
        stands,
        lambda chosen: not exact.short(m.need, exact.within(m, chosen)).any(),
    )


def loosened(request: Request, build: Callable[[Request], Model] | Posing) -> list[Loosened]:
    """Every limit that alone can mend it, by the least that does; none where that takes long.

    Parameters
    ----------
    request : Request
        Which has no plan.
    build : callable or Posing
        What makes its model, such as :func:`tdh.siting.allocation.model_of`, or poses it.
    """
    posing = _Covering(build) if callable(build) else build
    found: list[Loosened] = []
    if posing.posed(request) is None:
        return found
    begun = time.monotonic()
    for slack in chain(posing.own(), _slacks(request, posing)):
        if time.monotonic() - begun > ALL_S:
            return found
        if slack.at is None and any(f.limit == slack.limit for f in found):
            continue  # one carrier's suffices
        one = _least(slack, request)
        if one is not None:
            found.append(one)
    if time.monotonic() - begun < ALL_S:
        nearer = _spacing(request, posing)
        found += [] if nearer is None else [nearer]
    return found


def _slacks(request: Request, posing: Posing) -> Iterator[Slack]:
    """The request's limits that may stand in the way."""
    n_carriers, n_sites = request.fixed.shape
    # Without floors it is fixed choices that find no room.
    of_all = [
        not request.floors or any(f.carrier in (None, c) for f in request.floors)
        for c in range(n_carriers)
    ]
    counts = request.fixed.sum(axis=1)
    spent = (request.cost * request.fixed).sum(axis=1)
    left_count = np.floor(request.max_sites + 1e-9) - counts
    own = _grouped(np.repeat(np.arange(n_carriers), n_sites), n_carriers)
    every = np.arange(n_carriers)

    def slack(
        limit: str,
        at: int | None,
        now: float,
        free: Request,
        uses: sparse.csr_array,
        left: np.ndarray,
        whole: bool,
    ) -> Slack:
        posed = posing.posed(free)
        stands = uses if posed is None else sparse.csr_array(uses @ posed.stands)
        return Slack(limit, at, now, posed, stands, left, whole)

    limited = np.flatnonzero(np.isfinite(request.max_sites))
    for c in [c for c in limited.tolist() if of_all[c]]:
        free = replace(request, max_sites=np.where(every == c, np.inf, request.max_sites))
        now = float(request.max_sites[c])
        yield slack("max_sites", c, now, free, own[[c]], left_count[[c]], True)
    if len(limited) > 1:
        free = replace(request, max_sites=np.full(n_carriers, np.inf))
        one = slack("max_sites", None, 0.0, free, own[limited], left_count[limited], True)
        yield one._replace(differ=True)
    money = sparse.csr_array(own @ sparse.diags_array(request.cost.ravel()))
    for c in [c for c in every.tolist() if of_all[c] and np.isfinite(request.budget[c])]:
        free = replace(request, budget=np.where(every == c, np.inf, request.budget))
        now = float(request.budget[c])
        yield slack("budget", c, now, free, money[[c]], np.array([now - spent[c]]), False)
    if np.isfinite(request.programme_budget):
        now, whole = request.programme_budget, sparse.csr_array(request.cost.reshape(1, -1))
        free = replace(request, programme_budget=np.inf)
        left = np.array([now - spent.sum()])
        yield slack("programme_budget", None, now, free, whole, left, False)
    if (request.capacity < n_carriers).any():
        free = replace(request, capacity=np.full(n_sites, float(n_carriers)))
        left = np.floor(request.capacity + 1e-9) - request.fixed.sum(axis=0)
        now = float(request.capacity.min())
        by_site = _grouped(np.tile(np.arange(n_sites), n_carriers), n_sites)
        one = slack("sharing_capacity", None, now, free, by_site, left, True)
        yield one._replace(differ=bool((request.capacity != now).any()))
    for k, (mask, limit) in enumerate(request.at_most):
        others = [of for j, of in enumerate(request.at_most) if j != k]
        free = replace(request, at_most=others)
        held = sparse.csr_array(mask.reshape(1, -1).astype(np.float64))
        left = np.array([np.floor(limit + 1e-9) - (mask & request.fixed).sum()])
        yield slack("at_most", k, limit, free, held, left, True)
    vetoed = request.forbidden & ~request.unavailable
    if vetoed.any():
        free = replace(request, forbidden=request.unavailable)
        ruled = sparse.csr_array(vetoed.reshape(1, -1).astype(np.float64))
        now = float(vetoed.sum())
        yield slack("forbidden", None, now, free, ruled, np.zeros(1), True)


def _grouped(rows: np.ndarray, n_rows: int) -> sparse.csr_array:
    """A matrix of ones with one entry a column, in the row that is given."""
    entries = (np.ones(len(rows)), (rows, np.arange(len(rows))))
    return sparse.csr_array(entries, shape=(n_rows, len(rows)))


def _least(slack: Slack, request: Request) -> Loosened | None:
    """The least by which a limit is exceeded; None where no plan is found that way."""
    posed, uses = slack.posed, slack.uses
    if posed is None or posed.n_whole == 0:
        return None
    unit = 1.0 if slack.whole else max(float(uses.max()) if uses.nnz else 0.0, 1e-300)
    rise = sparse.eye_array(len(slack.left)) if slack.each else np.ones((len(slack.left), 1))
    n, n_rises = posed.rows.shape[1], rise.shape[1]
    above = sparse.hstack(
        [uses / unit, sparse.csr_array((uses.shape[0], n - posed.n_whole)), -sparse.csr_array(rise)]
    )
    free = sparse.csr_array((len(posed.lower), n_rises))
    whole = np.arange(posed.n_whole)
    if slack.whole:
        whole = np.concatenate([whole, n + np.arange(n_rises)])
    most = float((abs(uses).sum(axis=1) + np.maximum(-slack.left, 0.0)).max(initial=0.0)) / unit
    found = exact.minimise(
        np.concatenate([np.zeros(n), np.ones(n_rises)]),
        np.concatenate([posed.most, np.full(n_rises, most)]),
        sparse.csr_matrix(sparse.vstack([sparse.hstack([posed.rows, free]), above])),
        np.concatenate([posed.lower, np.full(uses.shape[0], -np.inf)]),
        np.concatenate([posed.upper, slack.left / unit]),
        whole,
        nodes=NODES,
        time_limit_s=PATIENCE_S,
    )
    if found.values is None:
        return None
    chosen = found.values[: posed.n_whole] > 0.5
    if not posed.keeps(chosen):
        return None
    # Counted again: the solver's own slack is right to its tolerances only.
    missing = np.maximum(uses @ chosen - slack.left, 0.0)
    over = float(missing.sum() if slack.each else missing.max(initial=0.0))
    if over <= 0:
        return None  # then the limit beside it is what stands in the way
    least = over <= found.least * unit * (1 + 1e-6) + (0.5 if slack.whole else 0.0)
    pairs: tuple[tuple[int, int], ...] = ()
    if slack.limit == "forbidden":
        held = np.flatnonzero(posed.stands @ chosen.astype(np.float64))
        who = [divmod(k, request.fixed.shape[1]) for k in held.tolist()]
        pairs = tuple((c, i) for c, i in who if request.forbidden[c, i])
    beside = None
    if slack.beside is not None:
        more = float((slack.beside.uses @ chosen)[0]) - slack.beside.left
        if more > 1e-9 * max(1.0, abs(slack.beside.left)):
            beside = (slack.beside.limit, slack.beside.at, slack.beside.now + more)
    by_row = tuple((slack.left + missing).tolist()) if slack.each else ()
    to = slack.now + over
    return Loosened(
        slack.limit, slack.at, slack.now, to, least, pairs, by_row, beside, slack.differ
    )


def _spacing(request: Request, posing: Posing) -> Loosened | None:
    """The greatest spacing at which every floor can be kept."""
    if request.xy_m is None or request.spacing_m <= 0:
        return None
    near = too_near(request.xy_m, request.spacing_m)
    step = request.xy_m[near[:, 0]] - request.xy_m[near[:, 1]]
    # A spacing is kept at exactly its distance; the next wider one already forbids that pair.
    steps = np.unique(np.append(np.hypot(*step.T), 0.0))
    steps = steps[np.append(np.diff(steps) > 2 * TOUCH_M, True)]
    least = True

    def keeps(spacing_m: float) -> bool:
        nonlocal least
        posed = posing.posed(replace(request, spacing_m=spacing_m))
        if posed is None or posed.n_whole == 0:
            return False
        found = exact.minimise(
            np.zeros(len(posed.most)),
            posed.most,
            sparse.csr_matrix(posed.rows),
            posed.lower,
            posed.upper,
            np.arange(posed.n_whole),
            nodes=NODES,
            time_limit_s=PATIENCE_S,
        )
        least &= found.values is not None or found.infeasible
        return found.values is not None and posed.keeps(found.values[: posed.n_whole] > 0.5)

    low, high = 0, len(steps)
    if not len(steps) or not keeps(float(steps[0])):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if keeps(float(steps[middle])):
            low = middle
        else:
            high = middle
    return Loosened("spacing_m", None, request.spacing_m, float(steps[low]), least)
