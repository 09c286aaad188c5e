"""What stands in the way of a plan of years whose limits hold year by year, and the least that mends it.

Without carry-over the years' limits cannot be added up: what may stand at the end is no covering
problem of its own, and the elastic model is that of the whole horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import sparse

from tdh.siting import exact, programme
from tdh.siting.allocation import Request
from tdh.siting.elastic import Beside, Posed, Slack
from tdh.siting.horizon import Accounts, Horizon, programme_of, when_of
from tdh.siting.programme import Box, Programme
from tdh.siting.wording import YEARLY_MONEY, YEARLY_SITES

MOST = 60_000
"""Non-zeros of the programme up to which it is solved whole."""
NODES, PATIENCE_S = 2_000, 60.0
ITERATIONS = 4_000
"""Most steps of the first-order method."""
FITTING = 10_000
"""Branch-and-bound nodes for whether choices find years."""


def floors_alone(
    h: Horizon, among: np.ndarray | None = None
) -> tuple[Programme, np.ndarray, Horizon]:
    """The programme of a horizon in which nothing counts but its floors, at the end of the last year.

    Without other cover, that of earlier years, and pairs that serve no floor and need not be built,
    it has a schedule if and only if the whole one has.

    Parameters
    ----------
    h : Horizon
    among : (n_pairs,) bool, optional
        Pairs that may be built besides those that must be.

    Returns
    -------
    Programme
        Its last rows are the floors.
    (n_pairs * n_years,) float64
        Most of the variables of pairs: zero for those that play no part.
    Horizon
        With the floors' weight and no other.
    """
    weight = np.zeros_like(h.weight)
    weight[:, -1] = h.floors.sum(axis=0)
    serves = h.cover @ weight[:, -1] > 0
    useful = np.tile(1.0 * ((serves if among is None else serves & among) | h.must), h.n_years)
    own = replace(h, weight=weight)
    return programme_of(own, Box(np.zeros(len(useful)), useful)), useful, own


def least_lack(h: Horizon, at_the_end: Callable[[], exact.Shortfall], seed: int) -> exact.Shortfall:
    """What each floor lacks when the sum is least; what is near it where the model is large.

    Parameters
    ----------
    h : Horizon
        With floors.
    at_the_end : callable
        Asked where the model is large: what they lack if all is built in the last year, which is no
        more; ``chosen`` is over the horizon's pairs.
    seed : int

    Returns
    -------
    Shortfall
        ``chosen`` is None; so is ``lack`` where no schedule was found.
    """
    p, most, unit = _elastic(h, None)
    if p.matrix.nnz <= MOST:
        return _solved(h, p, most, unit)
    # Where what lacks least without years finds years of its own, it lacks least with them.
    end = at_the_end()
    if (
        end.chosen is not None
        and needed(replace(h, must=end.chosen | h.must), seed).values is not None
    ):
        return replace(end, chosen=None)
    box = Box(np.zeros(len(most)), most)
    found = programme.simplex(p, steps=programme.SIMPLEX_STEPS, box=box)
    shares, bound, _ = found or programme.relax(p, iterations=ITERATIONS)
    least = max(end.least, -bound * unit)
    among = shares[: len(h.pair) * h.n_years].reshape(h.n_years, -1).max(axis=0) > 1e-6
    p, most, unit = _elastic(h, among)
    if p.matrix.nnz > MOST:
        return exact.Shortfall(None, least)
    near = _solved(h, p, most, unit)
    sure = least if near.lack is None else min(least, float(near.lack.sum()))
    return replace(near, least=sure)


def needed(h: Horizon, seed: int) -> programme.Answer:
    """A schedule of what has to be built and nothing else; floors are for others to keep."""
    bare = programme_of(replace(h, floors=h.floors[:0], need=h.need[:0]))
    most = np.tile(h.must.astype(np.float64), h.n_years)
    most = np.concatenate([most, np.ones(len(bare.gain) - len(most))])
    return programme.branch(bare, nodes=FITTING, seed=seed, most=most)


def _elastic(h: Horizon, among: np.ndarray | None) -> tuple[Programme, np.ndarray, float]:
    """Floors may be missed: it gains, in a unit, what they lack less."""
    p, useful, _ = floors_alone(h, among)
    n, n_f = len(useful), len(h.need)
    need = np.maximum(h.need, 0.0)
    unit = max(float(need.max(initial=0.0)), 1e-300)
    # The floors are the last rows, each in its own unit.
    slack = -need / np.maximum(1.0, h.need)
    n_rows, n_columns = p.matrix.shape
    rows = sparse.csr_array(
        (slack, (np.arange(n_rows - n_f, n_rows), np.arange(n_f))), shape=(n_rows, n_f)
    )
    missed = Programme(
        np.concatenate([np.zeros(n_columns), -need / unit]),
        sparse.csr_array(sparse.hstack([p.matrix, rows], format="csr")),
        p.limit,
        n,
    )
    return missed, np.concatenate([useful, np.ones(n_columns - n + n_f)]), unit


def _solved(h: Horizon, p: Programme, most: np.ndarray, unit: float) -> exact.Shortfall:
    by_row = programme.row_scale(p)
    found = exact.minimise(
        -p.gain,
        most,
        sparse.csr_matrix(sparse.diags_array(1.0 / by_row) @ p.matrix),
        np.full(len(p.limit), -np.inf),
        p.limit / by_row,
        np.arange(p.n_whole),
        nodes=NODES,
        time_limit_s=PATIENCE_S,
    )
    if found.values is None:
        return exact.Shortfall(None, found.least * unit, in_time=found.in_time)
    lack = h.lack(when_of(h, found.values))
    return exact.Shortfall(lack, min(found.least * unit, float(lack.sum())), None, found.in_time)


class YearByYear:
    """A horizon without carry-over, posed with other limits; see :class:`tdh.siting.elastic.Posing`.

    Parameters
    ----------
    request : Request
        Its limits over all years.
    accounts : Accounts
        The years' own: sites of each carrier, then money.
    horizon_of : callable
        From both to the horizon.
    """

    def __init__(
        self,
        request: Request,
        accounts: Accounts,
        horizon_of: Callable[[Request, Accounts], Horizon],
    ) -> None:
        self.request, self.accounts, self.horizon_of = request, accounts, horizon_of

    def posed(self, request: Request) -> Posed | None:
        return self._of(self.horizon_of(request, self.accounts))

    def _of(self, h: Horizon) -> Posed | None:
        p, useful, _ = floors_alone(h)
        if p.matrix.nnz > MOST:
            return None
        n_pairs, n = len(h.pair), len(useful)
        by_row = programme.row_scale(p)
        last = n - n_pairs + np.arange(n_pairs)
        stands = sparse.csr_array(
            (np.ones(n_pairs), (h.pair, last)), shape=(self.request.fixed.size, n)
        )

        def keeps(chosen: np.ndarray) -> bool:
            when = when_of(h, chosen.astype(np.float64))
            return not (when[h.must] == h.n_years).any() and not h.lack(when).any()

        return Posed(
            sparse.csr_array(sparse.diags_array(1.0 / by_row) @ p.matrix),
            np.full(len(p.limit), -np.inf),
            p.limit / by_row,
            np.concatenate([useful, np.ones(len(p.gain) - n)]),
            n,
            stands,
            keeps,
        )

    def own(self) -> Iterator[Slack]:
        """Each year's sites of a carrier, and its money; what holds over all years may follow."""
        request, accounts = self.request, self.accounts
        n_carriers = len(request.fixed)
        every = np.arange(n_carriers)
        for k in range(n_carriers + 1):
            limits = accounts.limits[k]
            if np.isinf(limits).all():
                continue
            without = accounts.limits.copy()
            without[k] = np.inf
            if k < n_carriers:
                name, at, key, now = YEARLY_SITES, k, "max_sites", float(request.max_sites[k])
                free = replace(request, max_sites=np.where(every == k, np.inf, request.max_sites))
                held = request.fixed[k].sum()
            else:
                name, at, key, now = (
                    YEARLY_MONEY,
                    None,
                    "programme_budget",
                    request.programme_budget,
                )
                free = replace(request, programme_budget=np.inf)
                held = (request.cost * request.fixed).sum()
            h = self.horizon_of(free, replace(accounts, limits=without))
            n_pairs, n = len(h.pair), len(h.pair) * h.n_years
            uses = h.accounts.uses[[k]]
            # What a year builds is what stands in it and did not in the year before.
            steps = sparse.eye_array(h.n_years) - sparse.eye_array(h.n_years, k=-1)
            last = sparse.csr_array((1, n - n_pairs))
            yield Slack(
                name,
                at,
                float(limits.sum()),
                self._of(h),
                sparse.csr_array(sparse.kron(steps, uses, format="csr")),
                limits,
                k < n_carriers,
                each=True,
                beside=Beside(
                    key,
                    at,
                    now,
                    now - float(held),
                    sparse.csr_array(sparse.hstack([last, uses], format="csr")),
                ),
            )
