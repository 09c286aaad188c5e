"""Covering models whose groups are not one carrier's at one time: layers stacked side by side.

A *layer* is a kind of demand with its own columns: a demand matrix held beside another, people
served by any carrier, a year. Each column is covered by pairs of any carrier, so the covering
model of :mod:`tdh.siting.model` is built from one matrix (pairs x columns of all layers) and its
budgets are handed back to the carriers afterwards; bound and search are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import sparse

from tdh.siting.allocation import Request
from tdh.siting.model import Model, Rows, build, canonical


class Layer(NamedTuple):
    """Demand with its own columns.

    Attributes
    ----------
    cover : csr_array (n_pairs, n_columns)
        Which pairs (in carrier-major order) cover a column.
    weight : (n_columns,) float64
    """

    cover: sparse.csr_array
    weight: np.ndarray


class Budgets(NamedTuple):
    """Budgets of contiguous pairs.

    Attributes
    ----------
    ptr : (n_budgets + 1,) int64
        Where each budget's pairs begin.
    cost : (n_pairs,) float64
    limit : (n_budgets,) float64
    """

    ptr: np.ndarray
    cost: np.ndarray
    limit: np.ndarray


def each_carrier(request: Request, demand: np.ndarray) -> Layer:
    """A layer that counts what every carrier covers: ``demand`` is (n_carriers, n_cells)."""
    cover = sparse.block_diag(request.footprints, format="csr")
    return Layer(sparse.csr_array(cover), np.ascontiguousarray(demand, dtype=np.float64).ravel())


def any_carrier(request: Request, demand: np.ndarray) -> Layer:
    """A layer that counts a cell once, whoever covers it: ``demand`` is (n_cells,)."""
    cover = sparse.vstack(request.footprints, format="csr")
    return Layer(sparse.csr_array(cover), np.asarray(demand, dtype=np.float64))


def stack(
    layers: Sequence[Layer],
    usable: np.ndarray,
    fixed: np.ndarray,
    budgets: Budgets,
    rows: Rows,
    needs: Sequence[tuple[int, np.ndarray | None, float]] = (),
) -> Model:
    """The covering model of all layers together.

    Parameters
    ----------
    layers : sequence of Layer
    usable, fixed : (n_pairs,) bool
        Pairs that may be chosen, and those that are.
    budgets : Budgets
        What fixed pairs leave.
    rows : Rows
        Further limits, over positions of pairs.
    needs : sequence of (layer, columns, need)
        Least weight to cover in a layer: within a bool mask of its columns, or in all of it.

    Returns
    -------
    Model
        Its ``site`` is a pair's position.
    """
    matrix = canonical(sparse.csr_array(sparse.hstack([a.cover for a in layers], format="csr")))
    weight = np.concatenate([a.weight for a in layers]).astype(np.float64)
    starts = np.concatenate([[0], np.cumsum([len(a.weight) for a in layers])])
    served = np.zeros(len(weight), dtype=bool)
    served[matrix[np.flatnonzero(fixed)].indices] = True
    floors = []
    for k, columns, need in needs:
        mask = np.zeros(len(weight), dtype=bool)
        mask[starts[k] : starts[k + 1]] = True if columns is None else columns
        floors.append((mask, need - float(weight[mask & served].sum())))
    model = build(
        [matrix],
        np.where(served, 0.0, weight)[None],
        (usable & ~fixed)[None],
        budgets.cost[None],
        np.array([np.inf]),
        rows,
        floors,
        float(weight[served].sum()),
    )
    ptr = np.searchsorted(model.site, budgets.ptr).astype(np.int64)
    arrays = model.arrays._replace(
        budget=np.repeat(np.arange(len(budgets.limit), dtype=np.int32), np.diff(ptr)),
        budget_ptr=ptr,
        limit=np.asarray(budgets.limit, dtype=np.float64),
    )
    return replace(model, arrays=arrays)


def budgets_of(cost: np.ndarray, limit: np.ndarray) -> Budgets:
    """One budget a carrier, from cost (n_carriers, n_sites) and limits (n_carriers,)."""
    n_carriers, n_sites = cost.shape
    ptr = np.arange(n_carriers + 1, dtype=np.int64) * n_sites
    return Budgets(ptr, np.ascontiguousarray(cost.ravel()), limit)
