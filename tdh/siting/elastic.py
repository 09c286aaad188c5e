"""By how much each limit alone would have to be looser so that every floor can be kept.

For each limit the model is built without it, and the least is sought by which a plan that keeps
all floors and all other limits exceeds it (an elastic model with the slack of one limit).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

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
        The argument: max_sites, budget, programme_budget, sharing_capacity, spacing_m, forbidden.
    carrier : int or None
        Whose; None: of all.
    now, to : float
        What it is, and what suffices; of ``forbidden`` the number of pairs.
    least : bool
        Whether it is proven that nothing tighter suffices.
    pairs : tuple of (int, int)
        Pairs that need not be ruled out (of ``forbidden``).
    """

    limit: str
    carrier: int | None
    now: float
    to: float
    least: bool
    pairs: tuple[tuple[int, int], ...] = ()


class _Slack(NamedTuple):
    """A limit to be exceeded: the request without it, and what it limits."""

    limit: str
    carrier: int | None
    now: float
    request: Request
    uses: sparse.csr_array  # (n_rows, n_carriers * n_sites) of each of its rows
    most: np.ndarray  # (n_rows,) what fixed choices leave
    whole: bool


def loosened(request: Request, model_of: Callable[[Request], Model]) -> list[Loosened]:
    """Every limit that alone can mend it, by the least that does; none where that takes long.

    Parameters
    ----------
    request : Request
        Whose floors cannot all be kept.
    model_of : callable
        :func:`tdh.siting.allocation.model_of`.
    """
    found: list[Loosened] = []
    if exact.size(model_of(request).arrays) > MOST:
        return found
    begun = time.monotonic()
    for slack in _slacks(request):
        if time.monotonic() - begun > ALL_S:
            return found
        if slack.carrier is None and any(f.limit == slack.limit for f in found):
            continue  # one carrier's suffices
        one = _least(slack, request, model_of(slack.request))
        if one is not None:
            found.append(one)
    if time.monotonic() - begun < ALL_S:
        nearer = _spacing(request, model_of)
        found += [] if nearer is None else [nearer]
    return found


def _slacks(request: Request) -> Iterator[_Slack]:
    """The limits that may stand in the way."""
    n_carriers, n_sites = request.fixed.shape
    of_all = [any(f.carrier in (None, c) for f in request.floors) for c in range(n_carriers)]
    counts = request.fixed.sum(axis=1)
    spent = (request.cost * request.fixed).sum(axis=1)
    left_count = np.floor(request.max_sites + 1e-9) - counts
    own = _grouped(np.repeat(np.arange(n_carriers), n_sites), n_carriers)
    every = np.arange(n_carriers)
    limited = np.flatnonzero(np.isfinite(request.max_sites))
    for c in [c for c in limited.tolist() if of_all[c]]:
        free = replace(request, max_sites=np.where(every == c, np.inf, request.max_sites))
        now = float(request.max_sites[c])
        yield _Slack("max_sites", c, now, free, own[[c]], left_count[[c]], True)
    if len(limited) > 1:
        free = replace(request, max_sites=np.full(n_carriers, np.inf))
        yield _Slack("max_sites", None, 0.0, free, own[limited], left_count[limited], True)
    money = sparse.csr_array(own @ sparse.diags_array(request.cost.ravel()))
    for c in [c for c in every.tolist() if of_all[c] and np.isfinite(request.budget[c])]:
        free = replace(request, budget=np.where(every == c, np.inf, request.budget))
        now = float(request.budget[c])
        yield _Slack("budget", c, now, free, money[[c]], np.array([now - spent[c]]), False)
    if np.isfinite(request.programme_budget):
        now, whole = request.programme_budget, sparse.csr_array(request.cost.reshape(1, -1))
        free = replace(request, programme_budget=np.inf)
        left = np.array([now - spent.sum()])
        yield _Slack("programme_budget", None, now, free, whole, left, False)
    if (request.capacity < n_carriers).any():
        free = replace(request, capacity=np.full(n_sites, float(n_carriers)))
        left = np.floor(request.capacity + 1e-9) - request.fixed.sum(axis=0)
        now, by_site = (
            float(request.capacity.min()),
            _grouped(np.tile(np.arange(n_sites), n_carriers), n_sites),
        )
        yield _Slack("sharing_capacity", None, now, free, by_site, left, True)
    vetoed = request.forbidden & ~request.unavailable
    if vetoed.any():
        free = replace(request, forbidden=request.unavailable)
        ruled = sparse.csr_array(vetoed.reshape(1, -1).astype(np.float64))
        now = float(vetoed.sum())
        yield _Slack("forbidden", None, now, free, ruled, np.zeros(1), True)


def _grouped(rows: np.ndarray, n_rows: int) -> sparse.csr_array:
    """A matrix of ones with one entry a column, in the row that is given."""
    entries = (np.ones(len(rows)), (rows, np.arange(len(rows))))
    return sparse.csr_array(entries, shape=(n_rows, len(rows)))


def _least(slack: _Slack, request: Request, model: Model) -> Loosened | None:
    """The least by which a limit is exceeded; None where no plan is found that way."""
    m = model.arrays
    if exact.size(m) > MOST or m.n_pairs == 0:
        return None
    uses = slack.uses[:, model.carrier * request.fixed.shape[1] + model.site].tocsr()
    unit = 1.0 if slack.whole else max(float(uses.max()), 1e-300)
    need = max(float(m.need.max()), 1e-300)
    rows, lower, upper = exact.matrix(model.in_unit(need).arrays)
    n, n_rows = rows.shape[1], uses.shape[0]
    rise = sparse.hstack(
        [
            uses / unit,
            sparse.csr_array((n_rows, n - m.n_pairs)),
            sparse.csr_array(-np.ones((n_rows, 1))),
        ]
    )
    whole = np.concatenate([np.arange(m.n_pairs), [n] if slack.whole else []]).astype(np.int64)
    most = max(0.0, float((uses.sum(axis=1) - slack.most).max())) / unit
    found = exact.minimise(
        np.append(np.zeros(n), 1.0),
        np.append(np.ones(n), most),
        sparse.csr_matrix(
            sparse.vstack([sparse.hstack([rows, sparse.csr_array((len(lower), 1))]), rise])
        ),
        np.concatenate([lower, np.full(n_rows, -np.inf)]),
        np.concatenate([upper, slack.most / unit]),
        whole,
        nodes=NODES,
        time_limit_s=PATIENCE_S,
    )
    if found.values is None:
        return None
    chosen = found.values[: m.n_pairs] > 0.5
    if exact.short(m.need, exact.within(m, chosen)).any():
        return None
    # Counted again: the solver's own slack is right to its tolerances only.
    over = max(0.0, float((uses @ chosen - slack.most).max()))
    least = over <= found.least * unit * (1 + 1e-6) + (0.5 if slack.whole else 0.0)
    pairs: tuple[tuple[int, int], ...] = ()
    if slack.limit == "forbidden":
        held = zip(model.carrier[chosen].tolist(), model.site[chosen].tolist(), strict=True)
        pairs = tuple((c, i) for c, i in held if request.forbidden[c, i])
    return Loosened(slack.limit, slack.carrier, slack.now, slack.now + over, least, pairs)


def _spacing(request: Request, model_of: Callable[[Request], Model]) -> Loosened | None:
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
        model = model_of(replace(request, spacing_m=spacing_m))
        m = model.arrays
        if exact.size(m) > MOST or m.n_pairs == 0:
            return False
        need = max(float(m.need.max()), 1e-300)
        rows, lower, upper = exact.matrix(model.in_unit(need).arrays)
        n = rows.shape[1]
        pairs = np.arange(m.n_pairs)
        found = exact.minimise(
            np.zeros(n), np.ones(n), rows, lower, upper, pairs, nodes=NODES, time_limit_s=PATIENCE_S
        )
        least &= found.values is not None or found.infeasible
        if found.values is None:
            return False
        served = exact.within(m, found.values[: m.n_pairs] > 0.5)
        return not exact.short(m.need, served).any()

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
