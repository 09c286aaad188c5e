"""Covering over several years as one model: what stands in each year, and when it was built.

With :math:`z_{pt}` for a pair (carrier, site) that stands in year t,

.. math::

    \\max \\sum_t \\sum_j w_{tj} y_{tj} \\quad\\text{s.t.}\\quad
    y_{tj} \\le \\sum_{p \\ni j} z_{pt},\\; z_{pt} \\le z_{p,t+1},\\; A z_T \\le b,\\;
    \\sum_p a_{kp} z_{pt} \\le B_{kt},\\; F y_T \\ge L

(without carry-over the *accounts* k hold for :math:`z_{pt} - z_{p,t-1}`). Each year is then a
covering problem of its own within all that may be used by then, and years are tied by nothing but
:math:`z_{pt} \\le z_{p,t+1}`: the relaxation is as tight as that of one year. With a variable for
the year of building instead, every year's cover hangs on a sum over years and on all accounts
together, which first-order methods take long to settle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from tdh.siting import layered
from tdh.siting.allocation import Request, limits_of
from tdh.siting.programme import Box, Programme

ROUNDING = 1e-10
"""Share of a floor that may be missing: sums of many people, in another order."""


@dataclass(frozen=True, eq=False)
class Accounts:
    """What years may use of something, such as a carrier's sites or the programme's money.

    Attributes
    ----------
    uses : csr_array (n_accounts, n_carriers * n_sites)
        What a pair takes.
    limits : (n_accounts, n_years) float64
        Most of each year's own, or, with carry-over, of all years so far.
    carry_over : bool
    """

    uses: sparse.csr_array
    limits: np.ndarray
    carry_over: bool


@dataclass(frozen=True, eq=False)
class Horizon:
    """The model above; only pairs that may be chosen and serve somebody, or must be.

    Attributes
    ----------
    pair : (n_pairs,) int64
        Position ``carrier * n_sites + site``.
    must : (n_pairs,) bool
        Pairs that have to stand in the last year.
    cover : csr_array (n_pairs, n_groups)
    by_group : csr_array (n_groups, n_pairs)
    weight : (n_groups, n_years) float64
    base : (n_years,) float64
        Demand that sites in place serve.
    rows : csr_array (n_rows, n_pairs)
        Limits of the last year, such as sharing and spacing.
    row_limit : (n_rows,) float64
    accounts : Accounts
        Over the pairs.
    floors : csr_array (n_floors, n_groups)
        What a group counts for in each floor, in the last year.
    need : (n_floors,) float64
        Least of it, beyond what sites in place serve.
    """

    pair: np.ndarray
    must: np.ndarray
    cover: sparse.csr_array
    by_group: sparse.csr_array
    weight: np.ndarray
    base: np.ndarray
    rows: sparse.csr_array
    row_limit: np.ndarray
    accounts: Accounts
    floors: sparse.csr_array
    need: np.ndarray

    @property
    def n_years(self) -> int:
        """Number of years."""
        return self.weight.shape[1]

    def in_unit(self, unit: float) -> Horizon:
        """The same with demand in another unit."""
        return replace(
            self,
            weight=self.weight / unit,
            base=self.base / unit,
            floors=self.floors / unit,
            need=self.need / unit,
        )

    def value(self, when: np.ndarray) -> float:
        """Weight covered over all years; ``when`` (n_pairs,) is n_years for what is not built."""
        total = float(self.base.sum())
        for t in range(self.n_years):
            total += float(self.weight[self.covered(when, t), t].sum())
        return total

    def covered(self, when: np.ndarray, year: int) -> np.ndarray:
        """Which groups are served in a year."""
        out = np.zeros(len(self.weight), dtype=bool)
        out[self.cover[np.flatnonzero(when <= year)].indices] = True
        return out

    def lack(self, when: np.ndarray) -> np.ndarray:
        """What each floor lacks in the last year; rounding is none."""
        served = self.floors @ self.covered(when, self.n_years - 1).astype(np.float64)
        short = self.need - served
        return np.where(short > ROUNDING * np.maximum(1.0, np.abs(self.need)), short, 0.0)

    def keeps(self, when: np.ndarray) -> bool:
        """Whether a schedule keeps every limit; floors are told by :meth:`lack`."""
        if (when[self.must] == self.n_years).any():
            return False
        last = (when < self.n_years).astype(np.float64)
        if (self.rows @ last > self.row_limit + 1e-6 * np.maximum(1.0, self.row_limit)).any():
            return False
        used = np.column_stack(
            [self.accounts.uses @ (when == t).astype(np.float64) for t in range(self.n_years)]
        )
        if self.accounts.carry_over:
            used = np.cumsum(used, axis=1)
        most = self.accounts.limits
        return bool((used <= most + 1e-9 * np.maximum(1.0, np.where(most < np.inf, most, 0))).all())


def horizon_of(
    request: Request, demand: np.ndarray, must: np.ndarray, accounts: Accounts
) -> Horizon:
    """The model of a checked request.

    Parameters
    ----------
    request : Request
        Its ``fixed`` is in place from the start; its floors count the demand of the last year.
    demand : (n_years, n_carriers, n_cells) float64
        What a year's cover counts.
    must : (n_carriers, n_sites) bool
        Pairs that have to be built in some year.
    accounts : Accounts
        Over all pairs.
    """
    usable, cost, limit, rows = limits_of(request)
    n_carriers, n_sites = usable.shape
    covers, weights, base = [], [], np.zeros(len(demand))
    floors: list[list[np.ndarray]] = [[] for _ in request.floors]
    need = np.array([floor.need for floor in request.floors])
    for c, footprint in enumerate(request.footprints):
        served = np.zeros(footprint.shape[1], dtype=bool)
        served[footprint[np.flatnonzero(request.fixed[c])].indices] = True
        base += demand[:, c, served].sum(axis=1)
        weight, cover, group = grouped(footprint, np.where(served, 0.0, demand[:, c]), usable[c])
        covers.append(cover)
        weights.append(weight)
        for f, (mask, _, carrier) in enumerate(request.floors):
            inside = np.where(mask & (carrier in (None, c)), demand[-1, c], 0.0)
            need[f] -= inside[served].sum()
            kept = group >= 0
            floors[f].append(np.bincount(group[kept], inside[kept], weight.shape[1]))
    cover = sparse.csr_array(sparse.block_diag(covers, format="csr"))
    serves = np.diff(cover.indptr) > 0
    affordable = np.ones(usable.size, dtype=bool)
    most = accounts.limits.max(axis=1)
    uses = sparse.csc_array(accounts.uses)
    over = uses.data > most[uses.indices] + 1e-9
    affordable[np.repeat(np.arange(usable.size), np.diff(uses.indptr))[over]] = False
    pair = np.flatnonzero((serves & affordable & usable.ravel()) | must.ravel())
    budgets = sparse.csr_array(
        (cost.ravel(), (np.repeat(np.arange(n_carriers), n_sites), np.arange(cost.size))),
        shape=(n_carriers, cost.size),
    )
    every = sparse.csr_array(
        sparse.vstack([budgets, layered.matrix_of(rows, np.ones(cost.size, dtype=bool))])
    )[:, pair].tocsr()
    limits = np.concatenate([limit, rows.limits])
    binding = np.flatnonzero(every.sum(axis=1) > limits + 1e-9)
    cover = sparse.csr_array(cover[pair])
    return Horizon(
        pair,
        must.ravel()[pair],
        cover,
        sparse.csr_array(cover.T.tocsr()),
        np.ascontiguousarray(np.concatenate(weights, axis=1).T),
        base,
        sparse.csr_array(every[binding]),
        limits[binding],
        Accounts(
            sparse.csr_array(accounts.uses[:, pair].tocsr()), accounts.limits, accounts.carry_over
        ),
        sparse.csr_array([np.concatenate(own) for own in floors])
        if floors
        else sparse.csr_array((0, cover.shape[1])),
        need,
    )


def grouped(
    footprint: sparse.csr_array, demand: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, sparse.csr_array, np.ndarray]:
    """Cells that the same usable sites serve, as one group with a weight of each year.

    Returns
    -------
    weight : (n_years, n_groups) float64
    cover : csr_array (n_sites, n_groups)
    group : (n_cells,) int64
        The group of a cell; -1 where there is no demand or no site.

    Examples
    --------
    >>> near = sparse.csr_array(np.array([[1, 1, 0, 1], [0, 0, 1, 1]], dtype=bool))
    >>> weight, cover, group = grouped(near, np.array([[1.0, 2, 4, 8]]), np.array([True, True]))
    >>> sorted(weight[0].tolist()), cover.shape, bool(group[0] == group[1])
    ([3.0, 4.0, 8.0], (2, 3), True)
    """
    # Two independent 64-bit sums of keys name a set of sites, as in tdh.siting.model.
    keys = np.random.default_rng(0x7D4).integers(
        1, 2**64 - 1, size=(footprint.shape[0], 2), dtype=np.uint64
    )
    keys[~usable] = 0
    by_cell = sparse.csr_array(footprint.T.tocsr()).astype(np.uint64)
    names = by_cell @ keys
    wanted = np.flatnonzero((demand.sum(axis=0) > 0) & names.any(axis=1))
    order = wanted[np.lexsort(names[wanted].T)]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (names[order][1:] != names[order][:-1]).any(axis=1)
    group = np.cumsum(first) - 1
    # Of no cells at all numpy counts whole numbers.
    counts = [np.bincount(group, own[order], int(first.sum())) for own in demand]
    weight = np.array(counts, dtype=np.float64)
    kept = sparse.csr_array(sparse.diags_array(usable.astype(np.float64)) @ footprint)
    cover = sparse.csr_array(kept[:, order[first]].tocsr())
    cover.eliminate_zeros()
    of_cell = np.full(footprint.shape[1], -1, dtype=np.int64)
    of_cell[order] = group
    return weight, cover, of_cell


def programme_of(h: Horizon, stands: Box | None = None) -> Programme:
    """The integer programme: variables are z by year and pair, then y by year and group.

    Parameters
    ----------
    h : Horizon
    stands : Box, optional
        Limits of z. Groups that the same open pairs serve are then one, as all are that a pair
        serves which has to stand: the smaller the box, the fewer the variables.
    """
    n, n_years = len(h.pair), h.n_years
    open_ = np.ones((n_years, n), bool) if stands is None else stands.most.reshape(n_years, n) > 0
    sure = np.zeros((n_years, n), bool) if stands is None else stands.least.reshape(n_years, n) > 0
    parts = [_merged(h, t, open_[t], sure[t]) for t in range(n_years)]
    sizes = [part.shape[1] for _, part in parts]
    blocks: list[sparse.csr_array] = []
    limits: list[np.ndarray] = []

    def add(limit: np.ndarray, z: dict[int, object], y: dict[int, object]) -> None:
        if not len(limit):
            return
        row = [z.get(t, sparse.csr_array((len(limit), n))) for t in range(n_years)]
        row += [y.get(t, sparse.csr_array((len(limit), sizes[t]))) for t in range(n_years)]
        blocks.append(sparse.csr_array(sparse.hstack(row, format="csr")))
        limits.append(limit)

    same = sparse.eye_array(n, format="csr")
    for t, (serving, _) in enumerate(parts):
        add(np.zeros(sizes[t]), {t: -serving}, {t: sparse.eye_array(sizes[t])})
        if t + 1 < n_years:
            add(np.zeros(n), {t: same, t + 1: -same}, {})
        open_accounts = np.flatnonzero(h.accounts.limits[:, t] < np.inf)
        uses = h.accounts.uses[open_accounts]
        since = {} if h.accounts.carry_over or t == 0 else {t - 1: -uses}
        add(h.accounts.limits[open_accounts, t], {t: uses, **since}, {})
    add(h.row_limit, {n_years - 1: h.rows}, {})
    must = np.flatnonzero(h.must)
    add(-np.ones(len(must)), {n_years - 1: -same[must]}, {})
    unit = np.maximum(1.0, h.need)
    counted = sparse.diags_array(1.0 / unit) @ h.floors @ parts[-1][1]
    add(-h.need / unit, {}, {n_years - 1: -sparse.csr_array(counted)})
    weights = [h.weight[:, t] @ part for t, (_, part) in enumerate(parts)]
    gain = np.concatenate([np.zeros(n * n_years), *weights])
    matrix = sparse.csr_array(sparse.vstack(blocks, format="csr")) if blocks else None
    if matrix is None:
        return Programme(gain, sparse.csr_array((0, len(gain))), np.zeros(0), n * n_years)
    return Programme(gain, matrix, np.concatenate(limits), n * n_years)


def _merged(
    h: Horizon, year: int, open_: np.ndarray, sure: np.ndarray
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Groups of a year that the same open pairs serve, or a sure one, as one.

    Returns
    -------
    serving : csr_array (n_merged, n_pairs)
    part : csr_array (n_groups, n_merged)
        Which groups are in it.
    """
    keys = np.random.default_rng(0x7D4).integers(
        1, 2**64 - 1, size=(len(h.pair), 2), dtype=np.uint64
    )
    keys[~open_] = 0
    names = h.by_group.astype(np.uint64) @ keys
    names[h.by_group @ sure.astype(np.float64) > 0] = 1
    live = np.flatnonzero(names.any(axis=1) & (h.weight[:, year] > 0))
    _, first, group = np.unique(names[live], axis=0, return_index=True, return_inverse=True)
    part = sparse.csr_array(
        (np.ones(len(live)), (live, group.ravel())), shape=(len(names), len(first))
    )
    serving = sparse.csr_array(
        h.by_group[live[first]] @ sparse.diags_array(open_.astype(np.float64))
    )
    serving.eliminate_zeros()
    return serving, part


def when_of(h: Horizon, values: np.ndarray) -> np.ndarray:
    """The year in which each pair is built, from a plan's variables."""
    stands = values[: len(h.pair) * h.n_years].reshape(h.n_years, -1) > 0.5
    return h.n_years - stands.sum(axis=0)


def transposed(matrix: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of a matrix as (ptr, idx, coefficients) of the kernels."""
    by_column = sparse.csc_array(matrix)
    return (
        by_column.indptr.astype(np.int64),
        by_column.indices.astype(np.int32),
        by_column.data.astype(np.float64),
    )
