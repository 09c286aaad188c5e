"""Exchanges that raise one objective of an allocation while earlier ones keep what is held."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tdh.siting.allocation import Request
from tdh.siting.layered import Objective


class Swaps:
    """An allocation that is changed choice by choice.

    Parameters
    ----------
    request : Request
    wanted : sequence of Objective
        The last is raised; the others are held.
    held : sequence of float
        Least value of each but the last.
    rows, limits
        Limits over pairs, of which those below zero (fixed choices) are kept by never moving them.
    available : (n_carriers, n_sites) bool
    chosen : (n_carriers, n_sites) bool
        Where to start.
    """

    def __init__(
        self,
        request: Request,
        wanted: Sequence[Objective],
        held: Sequence[float],
        rows: sparse.csr_array,
        limits: np.ndarray,
        available: np.ndarray,
        chosen: np.ndarray,
    ) -> None:
        # Cells that no objective counts, or no pair serves, change nothing.
        served = np.zeros(request.demand.shape[1], dtype=bool)
        for matrix in request.footprints:
            served[matrix.indices] = True
        counts = [o.demand if o.demand.ndim == 1 else o.demand.sum(axis=0) for o in wanted]
        cells = np.flatnonzero(served & (np.sum(counts, axis=0) > 0))
        self.covers = [
            sparse.csr_array(sparse.csr_array(f)[:, cells]).astype(np.float64)
            for f in request.footprints
        ]
        self.wanted = [Objective(o.demand[..., cells], o.at_least) for o in wanted]
        self.held = np.asarray(held, dtype=np.float64)
        upper = np.flatnonzero(limits >= 0)
        self.rows = sparse.csr_array(rows[upper])
        self.row_of = np.repeat(np.arange(len(upper)), np.diff(self.rows.indptr))
        self.column = sparse.csr_array(self.rows.T.tocsr())
        self.free = (available & ~request.fixed).ravel()
        self.chosen = chosen.ravel().copy()
        self.n_sites = chosen.shape[1]
        self.slack = limits[upper] - self.rows @ (self.chosen & ~request.fixed.ravel())
        self.count = np.zeros((len(self.covers), len(cells)))
        for p in np.flatnonzero(self.chosen).tolist():
            c, own = self._cells(p)
            self.count[c, own] += 1

    def _cells(self, p: int) -> tuple[int, np.ndarray]:
        c, i = divmod(p, self.n_sites)
        matrix = self.covers[c]
        return c, matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]

    def values(self) -> np.ndarray:
        """The value of each objective."""
        covered = self.count > 0
        return np.array([o.value(covered) for o in self.wanted])

    def _move(self, p: int, by: int) -> None:
        c, own = self._cells(p)
        self.count[c, own] += by
        self.chosen[p] = by > 0
        part = slice(self.column.indptr[p], self.column.indptr[p + 1])
        self.slack[self.column.indices[part]] -= by * self.column.data[part]

    def _gains(self) -> np.ndarray:
        """What each pair would add to each objective, (n_objectives, n_pairs)."""
        covered = self.count > 0
        number = covered.sum(axis=0)
        out = []
        for o in self.wanted:
            parts = []
            for c, matrix in enumerate(self.covers):
                if o.at_least is None:
                    open_ = np.where(covered[c], 0.0, o.demand[c])
                else:
                    open_ = np.where(~covered[c] & (number == o.at_least - 1), o.demand, 0.0)
                parts.append(matrix @ open_)
            out.append(np.concatenate(parts))
        return np.array(out)

    def _open(self) -> np.ndarray:
        over = self.rows.data > self.slack[self.row_of] + 1e-9
        stuck = np.bincount(self.rows.indices[over], minlength=len(self.chosen)) > 0
        return self.free & ~self.chosen & ~stuck

    def _best(self, now: np.ndarray) -> tuple[int, float]:
        """The pair whose addition raises the last objective most and keeps the others."""
        gains = self._gains()
        keeps = self._open()
        for value, gain, least in zip(now, gains, self.held, strict=False):
            keeps &= value + gain >= least
        if not keeps.any():
            return -1, 0.0
        # Of equal ones that which leaves the others most room.
        room = sum((g / max(1.0, float(h)) for g, h in zip(gains, self.held, strict=False)), 0.0)
        merit = np.where(keeps, gains[-1] * (1 + 1e-9) + 1e-6 * np.asarray(room), -np.inf)
        p = int(np.argmax(merit))
        return p, float(gains[-1, p])

    def run(self, moves: int, deadline: float = np.inf) -> np.ndarray:
        """Additions and exchanges as long as they help, at most so many tries.

        ``deadline`` is one of the monotonic clock.
        """
        tried, helped = 0, True
        shape = (len(self.covers), self.n_sites)
        while helped and tried < moves:
            helped = False
            now = self.values()
            p, gain = self._best(now)
            while p >= 0 and gain > 1e-9 * max(1.0, float(now[-1])) and tried < moves:
                if time.monotonic() > deadline:
                    break
                self._move(p, 1)
                tried, helped, now = tried + 1, True, self.values()
                p, gain = self._best(now)
            for p in np.flatnonzero(self.chosen & self.free).tolist():
                if tried >= moves or time.monotonic() > deadline:
                    break
                tried += 1
                before = self.values()
                self._move(p, -1)
                after = self.values()
                q, gain = self._best(after)
                lost = float(before[-1] - after[-1])
                if q < 0 or q == p or gain <= lost + 1e-9 * max(1.0, float(before[-1])):
                    q = p
                self._move(q, 1)
                helped |= q != p
        return self.chosen.reshape(shape)
