"""The one model behind the siting problems, after aggregation.

Every problem is reduced to the *covering model*

.. math::

    \\max\\; \\sum_j w_j y_j \\quad \\text{s.t.}\\quad y_j \\le \\sum_{p \\ni j} x_p,\\;
    A x \\le b,\\; \\sum_{p \\in m} a_p x_p \\le B_m\\ \\forall m,\\;
    \\sum_{j \\in f} w_j y_j \\ge L_f\\ \\forall f,\\; x, y \\in \\{0, 1\\}

A *pair* p is a site for a carrier; a *group* j is all cells of one carrier that exactly the same
sites cover (so nothing is lost by adding up their demand); each pair belongs to one *budget* m;
the *rows* A (non-negative, sparse) hold sharing, spacing and whatever else limits sets of pairs;
*floors* f are sets of groups with a least covered demand. Where later covers of a group count too
(:mod:`tdh.siting.backup`), a share of its weight stands for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from tdh.siting import kernels


class Arrays(NamedTuple):
    """The covering model as arrays, all in compressed sparse row form.

    Attributes
    ----------
    cover_ptr, cover_idx : (n_pairs + 1,) int64, int32
        The groups that a pair covers.
    group_ptr, group_idx : (n_groups + 1,) int64, int32
        The pairs that cover a group.
    weight : (n_groups,) float64
        Demand.
    budget, cost : (n_pairs,) int32, float64
        The budget that a pair belongs to and what it takes from it.
    budget_ptr, limit : (n_budgets + 1,) int64, (n_budgets,) float64
        Pairs of a budget are contiguous; what may be spent.
    row_ptr, row_idx, row_coef, row_limit
        The rows A and b: pairs of a row.
    pair_ptr, pair_idx, pair_coef
        The rows of a pair.
    floor_ptr, floor_idx, need
        The floors of a group; the demand still needed.
    later : (n_later, n_groups) float64
        What a group's second, third, … cover counts, as shares of its weight that do not rise; none
        in the covering model itself. There are no floors beside them.
    """

    cover_ptr: np.ndarray
    cover_idx: np.ndarray
    group_ptr: np.ndarray
    group_idx: np.ndarray
    weight: np.ndarray
    budget: np.ndarray
    cost: np.ndarray
    budget_ptr: np.ndarray
    limit: np.ndarray
    row_ptr: np.ndarray
    row_idx: np.ndarray
    row_coef: np.ndarray
    row_limit: np.ndarray
    pair_ptr: np.ndarray
    pair_idx: np.ndarray
    pair_coef: np.ndarray
    floor_ptr: np.ndarray
    floor_idx: np.ndarray
    need: np.ndarray
    later: np.ndarray = np.zeros((0, 0))

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.cost)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.weight)


@dataclass(frozen=True, eq=False)
class Model:
    """A covering model and what its pairs mean.

    Attributes
    ----------
    arrays : Arrays
        The model.
    carrier, site : (n_pairs,) int
        What each pair stands for.
    base : float
        Demand that fixed choices cover already; part of every plan.
    """

    arrays: Arrays
    carrier: np.ndarray
    site: np.ndarray
    base: float

    def in_unit(self, unit: float) -> Model:
        """The same with demand in another unit."""
        m = self.arrays._replace(weight=self.arrays.weight / unit, need=self.arrays.need / unit)
        return replace(self, arrays=m, base=self.base / unit)


class Rows(NamedTuple):
    """Rows ``sum(coef * x[pair]) <= limit`` over positions in carrier-major order."""

    pairs: Sequence[np.ndarray]
    coefs: Sequence[np.ndarray]
    limits: Sequence[float]


def canonical(footprint: Any) -> sparse.csr_array:
    """A footprint without stored zeros or double entries, with 32-bit indices where they fit.

    What is stored twice for a site and a cell serves it if either is not zero: added up, values
    could cancel each other, or small whole numbers overflow.

    Examples
    --------
    >>> twice = sparse.coo_array(([1, -1], ([0, 0], [1, 1])), shape=(1, 2))
    >>> canonical(twice).toarray().tolist()
    [[False, True]]
    """
    plain = isinstance(footprint, sparse.csr_array)
    if plain and footprint.has_canonical_format and footprint.data.all():
        return footprint
    if not sparse.issparse(footprint):
        return sparse.csr_array(footprint)
    # Of truth values the sum is "or".
    out = sparse.csr_array(footprint.astype(bool))
    out.sum_duplicates()
    out.eliminate_zeros()
    return out


def aggregate(
    footprint: sparse.csr_array, demand: np.ndarray, usable: np.ndarray, signature: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cells that the same usable sites cover, and whose signature is the same, become one group.

    Parameters
    ----------
    footprint : csr_array, shape (n_sites, n_cells)
    demand : (n_cells,) float64
        Cells without demand vanish.
    usable : (n_sites,) bool
        Sites that count; the others cover nothing.
    signature : (n_cells,) uint64
        Cells of different signature are never one group.

    Returns
    -------
    ptr, idx : int64, int32
        Groups of each site, in compressed sparse row form.
    weight : float64
        Demand of each group.
    cell : int64
        A cell of each group.
    group : (n_cells,) int32
        The group of each cell; -1 where no usable site covers it, or without demand.
    """
    # Two independent 64-bit sums of site keys name a set of sites; that two different sets of some
    # ten million share both has a probability below 1e-23.
    keys = np.random.default_rng(0x7D4).integers(
        1, 2**64 - 1, size=(footprint.shape[0], 2), dtype=np.uint64
    )
    indptr = footprint.indptr.astype(np.int64, copy=False)
    indices = footprint.indices.astype(np.int32, copy=False)
    return kernels.aggregate(indptr, indices, demand, usable, np.ascontiguousarray(signature), keys)


def build(
    footprints: Sequence[sparse.csr_array],
    demand: np.ndarray,
    usable: np.ndarray,
    cost: np.ndarray,
    limit: np.ndarray,
    rows: Rows,
    floors: Sequence[tuple[np.ndarray, float]] = (),
    base: float = 0.0,
) -> Model:
    """A covering model from footprints, one budget a carrier.

    Parameters
    ----------
    footprints : sequence of csr_array (n_sites, n_cells)
        Canonical; one a carrier.
    demand : (n_carriers, n_cells) float64
        Demand that is still open.
    usable : (n_carriers, n_sites) bool
        Pairs that may be chosen.
    cost : (n_carriers, n_sites) float64
        What a pair takes from its carrier's budget.
    limit : (n_carriers,) float64
        The budgets.
    rows : Rows
        Further limits; pairs are positions ``carrier * n_sites + site``.
    floors : sequence of (bool mask (n_cells,), float)
        Least demand still to cover within a mask, over all carriers.
    base : float
        Demand covered already.
    """
    n_carriers, n_sites = usable.shape
    n_cells = demand.shape[1]
    signature = signature_of([mask for mask, _ in floors], n_cells)
    parts, kept, weights, cells, ptrs, offset = [], [], [], [], [], 0
    for carrier in range(n_carriers):
        ptr, idx, weight, cell, _ = aggregate(
            footprints[carrier], demand[carrier], usable[carrier], signature
        )
        sites = np.flatnonzero(np.diff(ptr) > 0)
        kept.append(carrier * n_sites + sites)
        ptrs.append(np.diff(ptr)[sites])
        parts.append(idx + np.int32(offset))  # rows of sites not kept are empty
        weights.append(weight)
        cells.append(cell)
        offset += len(weight)
    pair = np.concatenate(kept)
    cover_ptr = np.concatenate([[0], np.cumsum(np.concatenate(ptrs))]).astype(np.int64)
    cover_idx = np.concatenate(parts)
    weight = np.concatenate(weights)
    group_ptr, group_idx = kernels.transpose(cover_ptr, cover_idx, len(weight))
    floor_ptr, floor_idx = memberships([mask for mask, _ in floors], np.concatenate(cells))
    n_kept = [len(k) for k in kept]
    arrays = Arrays(
        cover_ptr,
        cover_idx,
        group_ptr,
        group_idx,
        weight,
        np.repeat(np.arange(n_carriers, dtype=np.int32), n_kept),
        np.ascontiguousarray(cost.ravel()[pair], dtype=np.float64),
        np.concatenate([[0], np.cumsum(n_kept)]).astype(np.int64),
        np.asarray(limit, dtype=np.float64),
        *_rows(rows, pair, n_carriers * n_sites),
        floor_ptr,
        floor_idx,
        np.array([need for _, need in floors], dtype=np.float64),
    )
    return Model(arrays, pair // n_sites, pair % n_sites, base)


def unit_of(weight: np.ndarray, need: np.ndarray | Sequence[float] = ()) -> float:
    """A unit in which the greatest weight is about one; one where it is that or more already.

    Tolerances of solvers and of floors are absolute: where every weight lies below them, any plan
    would keep every floor. A power of two, so that dividing by it and back is exact.

    Parameters
    ----------
    weight : float64 array
        Of any shape.
    need : sequence of float
        Decides where there is no weight.

    Examples
    --------
    >>> unit_of(np.array([3e-7, 0.0])), unit_of(np.array([0.0]), [0.5]), unit_of(np.array([7.0]))
    (2.384185791015625e-07, 0.5, 1.0)
    """
    most = float(np.max(weight, initial=0.0)) or float(np.max(np.asarray(need), initial=0.0))
    return 2.0 ** float(np.floor(np.log2(most))) if 0.0 < most < 1.0 else 1.0


def signature_of(masks: Sequence[np.ndarray], n_cells: int) -> np.ndarray:
    signature = np.zeros(n_cells, dtype=np.uint64)
    keys = np.random.default_rng(0xF1005).integers(1, 2**63, size=len(masks), dtype=np.uint64)
    for mask, key in zip(masks, keys, strict=True):
        signature[mask] += key
    return signature


def memberships(masks: Sequence[np.ndarray], cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not masks:
        return np.zeros(len(cells) + 1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    inside = sparse.csr_array(np.column_stack([mask[cells] for mask in masks]))
    return inside.indptr.astype(np.int64), inside.indices.astype(np.int32)


_RowArrays = tuple[
    np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray
]


def _rows(rows: Rows, pair: np.ndarray, n_all: int) -> _RowArrays:
    """Rows over the pairs kept; those that can no longer bind are left out."""
    position = np.full(n_all, -1, dtype=np.int64)
    position[pair] = np.arange(len(pair))
    lengths = np.array([len(p) for p in rows.pairs], dtype=np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    column = position[np.concatenate([*rows.pairs, np.zeros(0, dtype=np.int64)]).astype(np.int64)]
    coef = np.concatenate([*rows.coefs, np.zeros(0)]).astype(np.float64)
    limits = np.asarray(rows.limits, dtype=np.float64)
    keep = (column >= 0) & (coef > 0)
    binding = np.bincount(row[keep], coef[keep], len(lengths)) > limits + 1e-9
    keep &= binding[row]
    number = np.cumsum(binding) - 1
    matrix = sparse.csr_array(
        (coef[keep], (number[row[keep]], column[keep])), shape=(int(binding.sum()), len(pair))
    )
    by_pair = matrix.T.tocsr()
    return (
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data,
        limits[binding],
        by_pair.indptr.astype(np.int64),
        by_pair.indices.astype(np.int32),
        by_pair.data,
    )
