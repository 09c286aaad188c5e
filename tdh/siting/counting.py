"""What each choice of a plan adds, and what is lost without it."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tdh.siting.allocation import Request


def assignments(request: Request, chosen: np.ndarray) -> pd.DataFrame:
    """One row per choice, greedily by gain; fixed choices come first, useless ones are left out.

    Parameters
    ----------
    request : Request
        The problem.
    chosen : (n_carriers, n_sites) bool

    Returns
    -------
    DataFrame
        Columns carrier, site, order, gain, loss_without.
    """
    pairs = [(int(c), int(i)) for c, i in zip(*np.nonzero(chosen), strict=True)]
    cells = {(c, i): cells_of(request, c, i) for c, i in pairs}
    open_ = request.demand.copy()
    rows: list[tuple[int, int, float]] = []

    def take(pair: tuple[int, int], gain: float) -> None:
        rows.append((*pair, gain))
        open_[pair[0], cells[pair]] = 0.0

    def gain_of(pair: tuple[int, int]) -> float:
        return float(open_[pair[0], cells[pair]].sum())

    for pair in pairs:
        if request.fixed[pair]:
            take(pair, gain_of(pair))
    # Gains only fall as choices are made, so a gain that is still the largest after being counted
    # again is the largest of all (Minoux 1978).
    heap = [(-gain_of(pair), pair) for pair in pairs if not request.fixed[pair]]
    heapq.heapify(heap)
    while heap:
        _, pair = heapq.heappop(heap)
        gain = gain_of(pair)
        if heap and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, pair))
        elif gain > 0:
            take(pair, gain)
    count = np.zeros(request.demand.shape, dtype=np.int32)
    for c, i, _ in rows:
        count[c, cells[c, i]] += 1
    losses = [
        float(request.demand[c, own][count[c, own] == 1].sum())
        for c, i, _ in rows
        for own in (cells[c, i],)
    ]
    return pd.DataFrame(
        {
            "carrier": np.array([r[0] for r in rows], dtype=np.int64),
            "site": np.array([r[1] for r in rows], dtype=np.int64),
            "order": np.arange(1, len(rows) + 1),
            "gain": np.array([r[2] for r in rows], dtype=np.float64),
            "loss_without": np.array(losses, dtype=np.float64),
        }
    )


def cells_of(request: Request, carrier: int, site: int) -> np.ndarray:
    """The cells that a site serves for a carrier."""
    matrix = request.footprints[carrier]
    return matrix.indices[matrix.indptr[site] : matrix.indptr[site + 1]]
