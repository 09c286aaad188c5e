"""A part of a covering model: some pairs forced, some free, the others out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tdh.siting import exact, kernels
from tdh.siting.model import Arrays, aggregate, memberships, signature_of


@dataclass(frozen=True, eq=False)
class Part:
    """A restricted model.

    Attributes
    ----------
    arrays : Arrays
        The free pairs, with groups merged again.
    free, forced : (n,) bool
        Over the pairs of the whole model.
    base : float
        What the forced pairs cover.
    group : (n_groups,) int32
        The group of the part that each of the whole went into; -1 where none is left.
    row : (n_rows,) bool
        The rows of the whole that may still bind.
    """

    arrays: Arrays
    free: np.ndarray
    forced: np.ndarray
    base: float
    group: np.ndarray
    row: np.ndarray

    def lift(self, chosen: np.ndarray) -> np.ndarray:
        """A choice of the part as a choice of the whole."""
        out = self.forced.copy()
        out[np.flatnonzero(self.free)[chosen]] = True
        return out


def restrict(m: Arrays, free: np.ndarray, forced: np.ndarray) -> Part | None:
    """The model of the free pairs once the forced ones are chosen; None if those break a limit."""
    limit = m.limit - np.bincount(m.budget, m.cost * forced, len(m.limit))
    pair = np.repeat(np.arange(m.n_pairs), np.diff(m.pair_ptr))
    row_limit = m.row_limit - np.bincount(m.pair_idx, m.pair_coef * forced[pair], len(m.row_limit))
    if (limit < -1e-7).any() or (row_limit < -1e-7).any():
        return None
    done = exact.covered(m, forced)
    weight = np.where(done, 0.0, m.weight)
    masks = _floor_masks(m)
    need = m.need - np.array([float(m.weight[mask & done].sum()) for mask in masks])
    cover = sparse.csr_array(
        (np.ones(len(m.cover_idx), dtype=bool), m.cover_idx, m.cover_ptr),
        shape=(m.n_pairs, m.n_groups),
    )
    blocked = _blocked(m, limit, row_limit)
    free = free & ~blocked
    # Of later covers only what counts alike is one group.
    alike = [share == value for share in m.later for value in np.unique(share)[1:]]
    signature = signature_of([*masks, *alike], m.n_groups)
    ptr, idx, merged, cell, group = aggregate(cover, weight, free, signature)
    free = free & (np.diff(ptr) > 0)
    cover_ptr = np.concatenate([[0], np.cumsum(np.diff(ptr)[free])]).astype(np.int64)
    group_ptr, group_idx = kernels.transpose(cover_ptr, idx, len(merged))
    rows = sparse.csr_array(
        (m.row_coef, m.row_idx, m.row_ptr), shape=(len(m.row_limit), m.n_pairs)
    )[:, np.flatnonzero(free)].tocsr()
    binding = np.asarray(rows.sum(axis=1)).ravel() > row_limit + 1e-9
    rows = rows[np.flatnonzero(binding)]
    by_pair = rows.T.tocsr()
    floor_ptr, floor_idx = memberships(masks, cell)
    budget = m.budget[free]
    arrays = Arrays(
        cover_ptr,
        idx,
        group_ptr,
        group_idx,
        merged,
        budget,
        m.cost[free],
        np.searchsorted(budget, np.arange(len(limit) + 1)).astype(np.int64),
        np.maximum(limit, 0.0),
        rows.indptr.astype(np.int64),
        rows.indices.astype(np.int32),
        rows.data.astype(np.float64),
        np.maximum(row_limit[binding], 0.0),
        by_pair.indptr.astype(np.int64),
        by_pair.indices.astype(np.int32),
        by_pair.data.astype(np.float64),
        floor_ptr,
        floor_idx,
        need,
        m.later[:, cell] if len(m.later) else m.later,
    )
    return Part(arrays, free, forced, float(m.weight[done].sum()), group, binding)


def _floor_masks(m: Arrays) -> list[np.ndarray]:
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    masks = []
    for f in range(len(m.need)):
        mask = np.zeros(m.n_groups, dtype=bool)
        mask[group[m.floor_idx == f]] = True
        masks.append(mask)
    return masks


def _blocked(m: Arrays, limit: np.ndarray, row_limit: np.ndarray) -> np.ndarray:
    """Pairs for which the forced ones leave no room."""
    blocked = m.cost > limit[m.budget] + 1e-9
    pair = np.repeat(np.arange(m.n_pairs), np.diff(m.pair_ptr))
    blocked[pair[m.pair_coef > row_limit[m.pair_idx] + 1e-9]] = True
    return blocked
