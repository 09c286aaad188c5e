"""What a plan would gain if one of a carrier's choices were replaced, within every limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tdh.siting import exact
from tdh.siting.counting import cells_of
from tdh.siting.model import unit_of
from tdh.siting.spacing import too_near

if TYPE_CHECKING:
    from tdh.siting.allocation import Request


def best_swaps(
    request: Request, chosen: np.ndarray, c: int, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each site the choice of the carrier that it would replace best, and what that changes.

    Choices that must be made are not replaced, and no limit is broken: spacing, sharing, money,
    sets and floors.

    Parameters
    ----------
    request : Request
    chosen : (n_carriers, n_sites) bool
    c : int
        The carrier.
    count : (n_cells,) int64
        How many of its sites serve a cell.

    Returns
    -------
    rival : (n_sites,) int64
        -1 where there is none.
    change : (n_sites,) float64
        Of the plan's demand; NaN where there is none.
    """
    n_sites = chosen.shape[1]
    own = np.flatnonzero(chosen[c] & ~request.fixed[c])
    if not len(own):
        return np.full(n_sites, -1, dtype=np.int64), np.full(n_sites, np.nan)
    every = np.ones(request.demand.shape[1], dtype=bool)
    change = _changes(request, c, own, count, every)
    allowed = _allowed(request, chosen, c, own)
    unit = unit_of(request.demand, [floor.need for floor in request.floors])
    for mask, need, carrier in request.floors:
        if carrier in (None, c):
            left = _served(request, chosen, mask, carrier) + _changes(request, c, own, count, mask)
            allowed &= ~exact.short(np.array(need / unit), left / unit)
    values = np.where(allowed, change, -np.inf)
    best = values.argmax(axis=1)
    value = values[np.arange(n_sites), best]
    # What sums leave in their last places is no change.
    value = np.where(np.abs(value) <= 1e-12 * request.demand[c].sum(), 0.0, value)
    some = np.isfinite(value)
    return np.where(some, own[best], -1), np.where(some, value, np.nan)


def _changes(
    request: Request, c: int, own: np.ndarray, count: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """What each site would change in the place of each choice, within a mask: (n_sites, n_own)."""
    matrix = request.footprints[c].astype(np.float64)
    demand = np.where(mask, request.demand[c], 0.0)
    only = [cells[count[cells] == 1] for cells in (cells_of(request, c, i) for i in own.tolist())]
    column = np.repeat(np.arange(len(own)), [len(cells) for cells in only])
    rows = np.concatenate(only)
    # A cell that one choice alone serves belongs to that choice: one entry a row.
    lost = sparse.csr_array((demand[rows], (rows, column)), shape=(len(demand), len(own)))
    gain = matrix @ np.where(count == 0, demand, 0.0)
    kept = sparse.csr_array(matrix @ lost).toarray()
    changes: np.ndarray = gain[:, None] - (lost.sum(axis=0)[None] - kept)
    return changes


def _served(request: Request, chosen: np.ndarray, mask: np.ndarray, carrier: int | None) -> float:
    """What a plan covers within a floor's mask."""
    total = 0.0
    for c in range(len(chosen)) if carrier is None else [carrier]:
        hit = request.footprints[c][np.flatnonzero(chosen[c])].sum(axis=0) > 0
        total += float(request.demand[c, hit & mask].sum())
    return total


def _allowed(request: Request, chosen: np.ndarray, c: int, own: np.ndarray) -> np.ndarray:
    """Whether each site may take the place of each choice, floors aside: (n_sites, n_own)."""
    cost = request.cost[c]
    more = cost[:, None] - cost[own][None]
    spent = (request.cost * chosen).sum(axis=1)
    allowed = more + spent[c] <= request.budget[c] + 1e-9 * max(1.0, spent[c])
    allowed &= more + spent.sum() <= request.programme_budget + 1e-9 * max(1.0, spent.sum())
    free = ~request.forbidden[c] & ~chosen[c] & (chosen.sum(axis=0) + 1 <= request.capacity)
    allowed &= free[:, None]
    for mask, most in request.at_most:
        left = (mask & chosen).sum() - mask[c, own][None] + mask[c][:, None].astype(int)
        allowed &= left <= most
    if request.xy_m is not None and request.spacing_m > 0:
        near = too_near(request.xy_m, request.spacing_m)
        both = np.concatenate([near, near[:, ::-1]])
        both = both[chosen[c, both[:, 1]]]
        crowd = np.bincount(both[:, 0], minlength=len(cost))
        place = np.full(len(cost), -1)
        place[own] = np.arange(len(own))
        both = both[place[both[:, 1]] >= 0]
        beside = np.zeros((len(cost), len(own)), dtype=np.int64)
        beside[both[:, 0], place[both[:, 1]]] = 1
        allowed &= crowd[:, None] - beside == 0
    return allowed
