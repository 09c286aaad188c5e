"""Greedy choice and exchanges where a cell's second and later covers count too.

The value of a choice is :math:`\\sum_j \\sum_{l \\le n_j} w_{lj}`, n_j being the number of chosen
pairs that cover j. With w falling in l it is monotone and submodular, so that greedy choice is
near the best (Nemhauser, Wolsey and Fisher 1978) and exchanges mend most of what it leaves.
"""

from __future__ import annotations

import copy
import time

import numba
import numpy as np
from scipy import sparse

_njit = numba.njit(cache=True, nogil=True)


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
        by_pair = sparse.csr_array(cover.T.tocsr())
        self.by_group, self.by_pair = _links(cover), _links(by_pair)
        levels, n_groups = worth.shape
        # Level 0 stands for no cover, the last for covers that are worth nothing more.
        self.worth = np.vstack([np.zeros((1, n_groups)), worth, np.zeros((1, n_groups))])
        self.top = levels + 1
        self.slack = limit.astype(np.float64).copy()
        column = sparse.csr_array(sparse.csr_array(rows).T.tocsr())
        self.column = (*_links(column), column.data.astype(np.float64))
        self.usable, self.fixed = usable & ~fixed, fixed
        self.count = np.zeros(n_groups, dtype=np.int64)
        self.chosen = np.zeros(len(usable), dtype=bool)
        self.gain = np.asarray(by_pair @ self.worth[1])
        self.loss = np.zeros(len(usable))
        for p in np.flatnonzero(fixed).tolist():
            self._shift(p, 1)

    @property
    def value(self) -> float:
        """What the choice is worth."""
        total = np.cumsum(self.worth, axis=0)
        level = np.minimum(self.count, self.top)
        return float(total[level, np.arange(len(level))].sum())

    def copy(self) -> Exchange:
        """The same choice, to be changed on its own; what never changes is shared."""
        out = copy.copy(self)
        for name in ("slack", "count", "chosen", "gain", "loss"):
            setattr(out, name, getattr(self, name).copy())
        return out

    def _shift(self, p: int, by: int) -> None:
        self.chosen[p] = by > 0
        _shift(*self.by_pair, *self.by_group, self.worth, self.count, self.gain, self.loss, p, by)

    def move(self, p: int, by: int) -> None:
        """Take a pair in (1) or out (-1)."""
        ptr, row, coef = self.column
        own = slice(ptr[p], ptr[p + 1])
        self.slack[row[own]] -= by * coef[own]
        self._shift(p, by)

    def _best(self, least: float) -> int:
        """The pair that could be added now and gains most, and more than so much; -1 if none."""
        out: int = _best(*self.column, self.slack, self.usable, self.chosen, self.gain, least)
        return out

    def start(self, order: np.ndarray) -> None:
        """Take in what fits, in an order; then greedily by gain."""
        for p in order.tolist():
            if _fits(*self.column, self.slack, self.usable, self.chosen, p):
                self.move(p, 1)
        self.fill()

    def fill(self) -> None:
        """Add the pair that gains most as long as one gains."""
        least = 1e-12 * max(1.0, float(self.worth[1].sum()))
        p = self._best(least)
        while p >= 0:
            self.move(p, 1)
            p = self._best(least)

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
                q = self._best(lost * (1 + 1e-9) + 1e-12)
                q = p if q < 0 else q
                self.move(q, 1)
                helped |= q != p
                if tried >= moves or time.monotonic() > deadline:
                    helped = False
                    break
            self.fill()


def _links(matrix: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows begin, and their columns."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)


@_njit
def _shift(cover_ptr, cover_idx, group_ptr, group_idx, worth, count, gain, loss, p, by):  # type: ignore[no-untyped-def]
    """One cover more or less of all groups of a pair, and what that changes for other pairs."""
    top = len(worth) - 1
    for k in range(cover_ptr[p], cover_ptr[p + 1]):
        j = cover_idx[k]
        before = min(count[j], top)
        count[j] += by
        after = min(count[j], top)
        more = worth[min(after + 1, top), j] - worth[min(before + 1, top), j]
        less = worth[after, j] - worth[before, j]
        if more != 0.0 or less != 0.0:
            for e in range(group_ptr[j], group_ptr[j + 1]):
                gain[group_idx[e]] += more
                loss[group_idx[e]] += less


@_njit
def _fits(ptr, row, coef, slack, usable, chosen, p):  # type: ignore[no-untyped-def]
    """Whether a pair could be added."""
    fits = usable[p] and not chosen[p]
    for k in range(ptr[p], ptr[p + 1]):
        fits &= coef[k] <= slack[row[k]] + 1e-9
    return fits


@_njit
def _best(ptr, row, coef, slack, usable, chosen, gain, least):  # type: ignore[no-untyped-def]
    """See :meth:`Exchange._best`."""
    best = -1
    for p in range(len(gain)):
        if gain[p] > least and _fits(ptr, row, coef, slack, usable, chosen, p):
            best, least = p, gain[p]
    return best
