"""Greedy choice and exchanges where a cell's second and later covers count too.

The value of a choice is :math:`\\sum_j \\sum_{l \\le n_j} w_{lj}`, n_j being the number of chosen
pairs that cover j. With w falling in l it is monotone and submodular, so that greedy choice is
near the best (Nemhauser, Wolsey and Fisher 1978) and exchanges mend most of what it leaves.
"""

from __future__ import annotations

import time

import numpy as np
from scipy import sparse


class Exchange:
    """A choice of pairs with what every pair would add and every choice would take away.

    Parameters
    ----------
    cover : csr_array (n_groups, n_pairs)
        Which pairs cover a group.
    worth : (n_levels, n_groups) float64
        What a group's first, second, … cover is worth; not rising.
    rows : csr_array (n_rows, n_pairs)
        Limits ``rows @ chosen <= limit``, not negative.
    limit : (n_rows,) float64
    usable : (n_pairs,) bool
    fixed : (n_pairs,) bool
        Chosen for good; ``limit`` is what they leave.
    """

    def __init__(
        self,
        cover: sparse.csr_array,
        worth: np.ndarray,
        rows: sparse.csr_array,
        limit: np.ndarray,
        usable: np.ndarray,
        fixed: np.ndarray,
    ) -> None:
        self.by_group = cover
        self.by_pair = sparse.csr_array(cover.T.tocsr())
        levels, n_groups = worth.shape
        # Level 0 stands for no cover, the last for covers that are worth nothing more.
        self.worth = np.vstack([np.zeros((1, n_groups)), worth, np.zeros((1, n_groups))])
        self.top = levels + 1
        self.rows, self.slack = sparse.csr_array(rows), limit.astype(np.float64).copy()
        self.row_of = np.repeat(np.arange(len(limit)), np.diff(self.rows.indptr))
        self.column = sparse.csr_array(self.rows.T.tocsr())
        self.usable, self.fixed = usable & ~fixed, fixed
        self.count = np.zeros(n_groups, dtype=np.int64)
        self.chosen = np.zeros(len(usable), dtype=bool)
        self.gain = np.asarray(self.by_pair @ self.worth[1])
        self.loss = np.zeros(len(usable))
        for p in np.flatnonzero(fixed).tolist():
            self._shift(p, 1)

    @property
    def value(self) -> float:
        """What the choice is worth."""
        total = np.cumsum(self.worth, axis=0)
        level = np.minimum(self.count, self.top)
        return float(total[level, np.arange(len(level))].sum())

    def _shift(self, p: int, by: int) -> None:
        own = slice(self.by_pair.indptr[p], self.by_pair.indptr[p + 1])
        groups = self.by_pair.indices[own]
        before = np.minimum(self.count[groups], self.top)
        self.count[groups] += by
        after = np.minimum(self.count[groups], self.top)
        self.chosen[p] = by > 0
        upper = np.minimum(np.stack([before, after]) + 1, self.top)
        d_gain = self.worth[upper[1], groups] - self.worth[upper[0], groups]
        d_loss = self.worth[after, groups] - self.worth[before, groups]
        part = self.by_group[groups]
        each = np.diff(part.indptr)
        size = len(self.chosen)
        self.gain += np.bincount(part.indices, np.repeat(d_gain, each), size)
        self.loss += np.bincount(part.indices, np.repeat(d_loss, each), size)

    def move(self, p: int, by: int) -> None:
        """Take a pair in (1) or out (-1)."""
        own = slice(self.column.indptr[p], self.column.indptr[p + 1])
        self.slack[self.column.indices[own]] -= by * self.column.data[own]
        self._shift(p, by)

    def open(self) -> np.ndarray:
        """Pairs that could be added now."""
        over = self.rows.data > self.slack[self.row_of] + 1e-9
        stuck = np.bincount(self.rows.indices[over], minlength=len(self.chosen)) > 0
        return self.usable & ~self.chosen & ~stuck

    def start(self, order: np.ndarray) -> None:
        """Take in what fits, in an order; then greedily by gain."""
        for p in order.tolist():
            own = slice(self.column.indptr[p], self.column.indptr[p + 1])
            fits = (self.column.data[own] <= self.slack[self.column.indices[own]] + 1e-9).all()
            if fits and self.usable[p] and not self.chosen[p]:
                self.move(p, 1)
        self.fill()

    def fill(self) -> None:
        """Add the pair that gains most as long as one gains."""
        least = 1e-12 * max(1.0, float(self.worth[1].sum()))
        while len(self.chosen):
            value = np.where(self.open(), self.gain, 0.0)
            p = int(value.argmax())
            if value[p] <= least:
                return
            self.move(p, 1)

    def improve(self, moves: int, deadline: float = np.inf) -> None:
        """Exchange one choice for a better pair as long as that helps, at most ``moves`` tries.

        ``deadline`` is one of the monotonic clock.
        """
        tried = 0
        helped = True
        while helped and tried < moves:
            helped = False
            own = np.flatnonzero(self.chosen & ~self.fixed)
            for p in own[np.argsort(self.loss[own], kind="stable")].tolist():
                tried += 1
                lost = float(self.loss[p])
                self.move(p, -1)
                value = np.where(self.open(), self.gain, -1.0)
                value[p] = lost
                q = int(value.argmax())
                if value[q] <= lost * (1 + 1e-9) + 1e-12:
                    q = p
                self.move(q, 1)
                helped |= q != p
                if tried >= moves or time.monotonic() > deadline:
                    helped = False
                    break
            self.fill()
