"""What each choice of an allocation means to each of several objectives."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tdh.siting.allocation import Request
from tdh.siting.counting import cells_of
from tdh.siting.layered import Objective


def covered_cells(request: Request, chosen: np.ndarray) -> np.ndarray:
    """Which cells of each carrier an allocation serves."""
    out = np.zeros((len(chosen), request.demand.shape[1]), dtype=bool)
    for c, matrix in enumerate(request.footprints):
        out[c, matrix[np.flatnonzero(chosen[c])].indices] = True
    return out


def changes(
    request: Request, wanted: list[Objective], count: np.ndarray, c: int, i: int
) -> list[float]:
    """What each objective loses without a choice; ``count`` is (n_carriers, n_cells) int."""
    cells = cells_of(request, c, i)
    with_it = count[:, cells] > 0
    without = with_it.copy()
    without[c] = count[c, cells] > 1
    out = []
    for o in wanted:
        part = Objective(o.demand[..., cells], o.at_least)
        out.append(part.value(with_it) - part.value(without))
    return out


def counts(request: Request, chosen: np.ndarray) -> np.ndarray:
    """How many chosen sites of each carrier serve each cell."""
    count = np.zeros((len(chosen), request.demand.shape[1]), dtype=np.int32)
    for c, i in np.argwhere(chosen).tolist():
        count[c, cells_of(request, c, i)] += 1
    return count


def prune(request: Request, wanted: list[Objective], chosen: np.ndarray) -> np.ndarray:
    """Without choices that no objective misses; fixed ones stay."""
    chosen, count = chosen.copy(), counts(request, chosen)
    for c, i in np.argwhere(chosen & ~request.fixed).tolist():
        if max(changes(request, wanted, count, c, i)) <= 0:
            chosen[c, i] = False
            count[c, cells_of(request, c, i)] -= 1
    return chosen


def losses_of(request: Request, wanted: list[Objective], chosen: np.ndarray) -> pd.DataFrame:
    """One row a choice: what each objective would lose without it alone."""
    count = counts(request, chosen)
    pairs = np.argwhere(chosen).tolist()
    rows = [(c, i, *changes(request, wanted, count, c, i)) for c, i in pairs]
    names = ["carrier", "site", *(f"loss_{k + 1}" for k in range(len(wanted)))]
    return pd.DataFrame(rows, columns=names)
