r"""The programme of the least share of several masks, and searches that raise it.

.. math::

    \max\; t \quad\text{s.t.}\quad \sum_{j \in f} \frac{d_j}{D_f} y_j \ge t\ \forall f,\;
    y_j \le \sum_{i \in N(j)} x_i,\; x \text{ an allocation}

Its relaxation is the best of the bounds that any prices of the masks prove. What a relaxation, or a
plan at prices, leaves the worst-served mask is mended window by window: that mask and some others
are decided anew by branch and cut, all else standing still (Shaw 1998).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from tdh.siting import programme
from tdh.siting.allocation import Request
from tdh.siting.exchanging import Exchange
from tdh.siting.layered import Objective, groups_of, rows_of
from tdh.siting.programme import CORE_NODES, CORE_SIZE, TOLERANCE, Answer, Programme
from tdh.siting.solving import PATIENCE_S, Effort

REPRICED, MOVES = 6, 400
"""Times that masks are priced anew in the first search, and exchanges tried each time."""
STEEP = 8.0
"""How fast a mask's price falls with its share, in shares of the mean."""
LIKELY = 3
"""Pairs that are looked at, for each choice of a plan, beside those that the relaxation takes up."""
WINDOW, WINDOW_NODES = 3_000, 30
"""Entries of the covering matrix within a window, and its branch-and-bound nodes."""
WINDOWS, IN_VAIN = 16, 6
"""Windows at effort 1, and how many in a row that raise nothing are the last."""
TAKEN = 1e-3
"""Share of a pair from which on the relaxation takes it up."""
UNITS, LOW = 6, 1e-3
"""Units of the level tried at most, and the share of one below which a level is lost in rounding."""
SAME = 1e-9
"""Share of a level that may be rounding."""


@dataclass(frozen=True, eq=False)
class Sharing:
    """Masks whose shares of their demand are compared, and what serves them.

    Attributes
    ----------
    cover : csr_array (n_groups, n_pairs)
        Which pairs serve a group.
    weight : (n_groups,) float64
    part : csr_array (n_masks, n_groups)
        The share of a mask's demand that lies in a group.
    rows, limit
        What limits sets of pairs, and holds the fixed ones.
    usable, fixed : (n_pairs,) bool
    """

    cover: sparse.csr_array
    weight: np.ndarray
    part: sparse.csr_array
    rows: sparse.csr_array
    limit: np.ndarray
    usable: np.ndarray
    fixed: np.ndarray

    @cached_property
    def by_pair(self) -> sparse.csr_array:
        """The groups of each pair, (n_pairs, n_groups)."""
        return sparse.csr_array(self.cover.T.tocsr())

    @property
    def entries(self) -> np.ndarray:
        """How many groups each pair serves."""
        out: np.ndarray = np.diff(self.by_pair.indptr)
        return out

    def covered(self, chosen: np.ndarray) -> np.ndarray:
        """Which groups a choice serves: 1 or 0."""
        out: np.ndarray = np.minimum(self.cover @ chosen.astype(np.float64), 1.0)
        return out

    def shares(self, chosen: np.ndarray) -> np.ndarray:
        """The share of each mask that a choice serves."""
        out: np.ndarray = self.part @ self.covered(chosen)
        return out

    def search(self, worth: np.ndarray) -> Exchange:
        """Greedy choice and exchanges where each group is worth so much."""
        # The rows that hold the fixed pairs are the only ones below zero; they are kept anyway.
        upper = np.flatnonzero(self.limit >= 0)
        rows = sparse.csr_array(self.rows[upper])
        return Exchange(self.cover, worth[None], rows, self.limit[upper], self.usable, self.fixed)


def sharing(request: Request, inside: np.ndarray, whole: np.ndarray) -> Sharing:
    """What the masks (n_masks, n_cells) of so much demand (n_masks,) are served by."""
    available, rows, limit = rows_of(request)
    groups = groups_of(request, Objective(request.demand), available, list(inside))
    cover = sparse.csr_array(sparse.vstack([c for _, c in groups.covers], format="csr"))
    part = sparse.csr_array(inside[:, groups.cell] * groups.weight / whole[:, None])
    fixed = request.fixed.ravel()
    return Sharing(cover, groups.weight, part, rows, limit, available.ravel(), fixed)


def least_of(s: Sharing, unit: float) -> Programme:
    """The programme above, over pairs, groups and the least share in a unit that it cannot exceed."""
    n_masks = s.part.shape[0]
    level = sparse.csr_array(np.full((n_masks, 1), unit))
    return _stacked(s, level, np.zeros(n_masks), np.ones(1))


def most_of(s: Sharing, least: float) -> Programme:
    """The most demand of all with every mask at least at a share."""
    n_masks = s.part.shape[0]
    none = sparse.csr_array((n_masks, 0))
    return _stacked(s, none, np.full(n_masks, -least), np.zeros(0))._replace(
        gain=np.concatenate([np.zeros(len(s.usable)), s.weight])
    )


def _stacked(s: Sharing, level: sparse.csr_array, limit: np.ndarray, gain: np.ndarray) -> Programme:
    n_groups, n_x = s.cover.shape
    eye = sparse.eye_array(n_groups)
    matrix = sparse.block_array(
        [
            [s.rows, None, None],
            [-s.cover, eye, None],
            [None, -s.part, level if level.shape[1] else None],
        ],
        format="csr",
    )
    return Programme(
        np.concatenate([np.zeros(n_x + n_groups), gain]),
        sparse.csr_array(matrix),
        np.concatenate([s.limit, np.zeros(n_groups), limit]),
        n_x,
    )


class Raised(NamedTuple):
    """A choice and what its least share cannot exceed.

    Attributes
    ----------
    chosen : (n_pairs,) bool
    bound : float
    method : str
    reproducible : bool
    """

    chosen: np.ndarray
    bound: float
    method: str
    reproducible: bool


class Raising:
    """The search for the highest least share.

    Parameters
    ----------
    s : Sharing
        Each mask served by some pair.
    seed : int
    effort : Effort
    """

    def __init__(self, s: Sharing, seed: int, effort: Effort) -> None:
        self.s, self.seed, self.effort = s, seed, effort
        self.most = float(s.part.sum(axis=1).min())
        self.bound = self.most
        self.best = s.fixed.copy()
        self.shares = s.shares(self.best)
        self.methods: list[str] = []
        self.reproducible = True
        limit = effort.time_limit_s
        self.deadline = np.inf if limit is None else time.monotonic() + limit

    @property
    def enough(self) -> bool:
        """Whether the plan is near enough, or the time is over."""
        if self.bound - float(self.shares.min()) <= self.effort.gap * self.bound:
            return True
        late = time.monotonic() > self.deadline
        self.reproducible &= not late
        return late

    @property
    def patience_s(self) -> float:
        """Wall clock that a solver may take."""
        return float(np.clip(self.deadline - time.monotonic(), 0.1, PATIENCE_S))

    def keep(self, chosen: np.ndarray) -> bool:
        """Take a choice if its least share is higher; of equal ones, if the next is."""
        shares = self.s.shares(chosen)
        old, new = np.sort(self.shares), np.sort(shares)
        apart = np.flatnonzero(np.abs(new - old) > SAME * np.maximum(new, old))
        if not len(apart) or new[apart[0]] < old[apart[0]]:
            return False
        self.best, self.shares = chosen.copy(), shares
        return True

    def run(self) -> Raised:
        """All steps, within the effort."""
        self.price_masks()
        # Solvers' tolerances are absolute: the level is counted in a unit near what it can be.
        unit = min(self.most, 2.0 * max(float(self.shares.mean()), 1e-6 * self.most))
        for _ in range(UNITS):
            bound = self.solve_in(unit)
            if bound >= unit * (1.0 - TOLERANCE) and unit < self.most:
                unit = min(self.most, 4.0 * unit)  # too low: the level ended at its limit
                continue
            self.bound = max(min(self.bound, bound), float(self.shares.min()))
            if bound > LOW * unit or self.proven:
                break
            unit = 2.0 * bound
        return Raised(self.best, self.bound, " + ".join(self.methods), self.reproducible)

    @property
    def proven(self) -> bool:
        """Whether the least share is the highest."""
        return self.bound - float(self.shares.min()) <= TOLERANCE * self.bound

    def price_masks(self) -> None:
        """Exchanges at prices of the masks, which fall with what each is served."""
        s = self.s
        price, start = np.ones(s.part.shape[0]), np.zeros(0, dtype=np.int64)
        self.methods = ["exchanges at prices"]
        for _ in range(REPRICED):
            search = s.search(s.part.T @ price)
            search.start(start)
            search.improve(round(MOVES * self.effort.work), self.deadline)
            self.keep(search.chosen)
            start = np.flatnonzero(search.chosen & ~s.fixed)
            shares = s.shares(search.chosen)
            price = price * np.exp(-STEEP * (shares - shares.min()) / max(shares.mean(), 1e-300))
            price /= max(price.max(), 1e-300)

    def solve_in(self, unit: float) -> float:
        """Relaxation, branch and cut of what it takes up, and windows; the bound."""
        p, n_x = least_of(self.s, unit), len(self.s.usable)
        work = self.effort.work
        if p.matrix.nnz <= programme.SMALL:
            nodes = round(programme.NODES * max(work, 0.05))
            answer = self.branch(p, nodes, None)
            self.methods = ["SCIP"]
            if answer.proven:
                return answer.bound * unit
        iterations = min(programme.ITERATIONS, max(300.0, programme.STEPS / p.matrix.nnz))
        limit_s = None if self.effort.time_limit_s is None else self.patience_s
        taken, bound, prices = programme.relax(
            p, iterations=round(iterations * max(work, 0.1)), time_limit_s=limit_s
        )
        self.methods = ["PDLP bound", "exchanges at prices"]
        self.bound = min(self.bound, bound * unit) if bound < 1.0 else self.bound
        left = (p.gain - p.matrix.T @ prices)[:n_x]
        likely = (taken[:n_x] > TAKEN) | self.best
        if not self.enough and int(self.s.entries[likely].sum()) <= CORE_SIZE:
            most = np.ones(len(p.gain))
            most[:n_x] = likely
            self.methods.append("SCIP on what the relaxation favours")
            self.branch(p, max(1, round(CORE_NODES * work)), most)
        number = LIKELY * int(self.best.sum())
        likely[np.argsort(-left, kind="stable")[:number]] = True
        self.decide_windows(likely, unit)
        return bound * unit

    def branch(self, p: Programme, nodes: int, most: np.ndarray | None) -> Answer:
        """Branch and cut, whose plan is kept if it is better."""
        answer = programme.branch(
            p, nodes=nodes, seed=self.seed, most=most, time_limit_s=self.patience_s
        )
        self.reproducible &= answer.reproducible
        if answer.values is not None and programme.keeps(p, answer.values):
            self.keep(answer.values[: p.n_whole] > 0.5)
        return answer

    def decide_windows(self, likely: np.ndarray, unit: float) -> None:
        """The worst-served mask and some others decided anew, again and again."""
        s, rng = self.s, np.random.default_rng(self.seed)
        served = sparse.csr_array(s.part @ s.cover)  # which pairs serve a mask
        served.sort_indices()
        in_vain = 0
        for k in range(round(WINDOWS * self.effort.work)):
            if self.enough or in_vain >= IN_VAIN:
                return
            if k == 0:
                self.methods.append("windows around the worst-served")
            worst = int(self.shares.argmin())
            others = rng.permutation(np.delete(np.arange(len(self.shares)), worst))
            free = np.zeros(len(s.usable), dtype=bool)
            within = np.zeros(len(self.shares), dtype=bool)
            for f in [worst, *others.tolist()]:
                more = free.copy()
                more[served.indices[served.indptr[f] : served.indptr[f + 1]]] = True
                more &= s.usable & ~s.fixed & (likely | self.best)
                if within.any() and s.entries[more].sum() > WINDOW:
                    break
                free, within[f] = more, True
            in_vain = 0 if self.decide(free, within, unit, self.seed + k) else in_vain + 1

    def decide(self, free: np.ndarray, within: np.ndarray, unit: float, seed: int) -> bool:
        """Branch and cut of some pairs for some masks, all else as it is; whether that is better."""
        s, own = self.s, np.flatnonzero(free)
        if not len(own):
            return False
        stays = self.best & ~free
        base = s.covered(stays)
        part_of = sparse.csr_array(s.by_pair[own])
        open_ = np.zeros(len(base), dtype=bool)
        open_[part_of.indices] = True
        open_ &= base < 1
        groups = np.flatnonzero(open_)
        cover = sparse.csr_array(part_of[:, groups].T)
        inside = sparse.csr_array(s.part[:, groups])
        there = s.part @ base
        least = float(self.shares.min()) * (1.0 - SAME)
        rows = sparse.csr_array(s.rows[:, own])
        limit = s.limit - s.rows @ (stays.astype(np.float64))
        bind = np.asarray(rows.sum(axis=1)).ravel() > limit
        told = np.flatnonzero((there < least) | within)
        p = _stacked(
            Sharing(
                cover,
                s.weight[groups],
                sparse.csr_array(inside[told]),
                sparse.csr_array(rows[bind]),
                limit[bind],
                np.ones(len(own), dtype=bool),
                np.zeros(len(own), dtype=bool),
            ),
            sparse.csr_array((unit * within[told])[:, None]),
            np.where(within[told], there[told], there[told] - least),
            np.ones(1),
        )
        answer = programme.branch(p, nodes=WINDOW_NODES, seed=seed, time_limit_s=self.patience_s)
        self.reproducible &= answer.reproducible
        if answer.values is None or not programme.keeps(p, answer.values):
            return False
        chosen = stays.copy()
        chosen[own] = answer.values[: len(own)] > 0.5
        return self.keep(chosen)
