"""Integer programmes of allocations that count cells by how many carriers serve them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import sparse

from tdh.siting import allocation
from tdh.siting.allocation import Request
from tdh.siting.inputs import Floor
from tdh.siting.model import Rows, aggregate, signature_of
from tdh.siting.programme import Programme


@dataclass(frozen=True, eq=False)
class Objective:
    """What one step of a lexicographic allocation counts.

    Attributes
    ----------
    demand : array
        (n_carriers, n_cells): each carrier's covered demand counts, such as its people in a gap
        plus what its town halls and hospitals weigh; or (n_cells,) with ``at_least``.
    at_least : int or None
        A cell of ``demand`` (n_cells,) counts, once, where at least so many carriers serve it.
    """

    demand: np.ndarray
    at_least: int | None = None

    def value(self, covered: np.ndarray) -> float:
        """The demand that counts, where ``covered`` (n_carriers, n_cells) is."""
        if self.at_least is None:
            return float(self.demand[covered].sum())
        return float(self.demand[covered.sum(axis=0) >= self.at_least].sum())


@dataclass(frozen=True, eq=False)
class Groups:
    """The variables of an objective: groups of cells, each with the sets of pairs that it needs.

    Attributes
    ----------
    weight : (n_groups,) float64
    cell, carrier : (n_groups,) int64
        A cell of the group, and its carrier (-1: all).
    covers : list of (group positions, csr_array (n_rows, n_pairs))
        A group counts only if each of its rows, with the chosen pairs, adds up to one.
    """

    weight: np.ndarray
    cell: np.ndarray
    carrier: np.ndarray
    covers: list[tuple[np.ndarray, sparse.csr_array]]


def groups_of(
    request: Request, objective: Objective, usable: np.ndarray, masks: Sequence[np.ndarray] = ()
) -> Groups:
    r"""Cells that the same pairs serve, as one variable.

    A cell is served by at least k carriers if and only if, whichever t < k carriers are left out,
    k - t others serve it: :math:`(k - |T|) z_j \le \sum_{c \notin T} \sum_{i \in N_c(j)} x_{ci}`
    for every set T of fewer than k carriers. Those with k - 1 carriers are enough for whole x; in
    the relaxation the others keep three halves from making two.
    """
    n_carriers, n_sites = usable.shape
    n_cells = request.demand.shape[1]
    signature = signature_of(masks, n_cells)
    if objective.at_least is None:
        weights, cells, carriers, covers, offset = [], [], [], [], 0
        for c in range(n_carriers):
            part = aggregate(request.footprints[c], objective.demand[c], usable[c], signature)
            matrix = _by_group(part[0], part[1], len(part[2]), n_sites)
            shifted = sparse.csr_array(
                (matrix.data, matrix.indices + c * n_sites, matrix.indptr),
                shape=(len(part[2]), n_carriers * n_sites),
            )
            covers.append((offset + np.arange(len(part[2])), shifted))
            weights.append(part[2])
            cells.append(part[3])
            carriers.append(np.full(len(part[2]), c))
            offset += len(part[2])
        return Groups(
            np.concatenate(weights),
            np.concatenate(cells).astype(np.int64),
            np.concatenate(carriers),
            covers,
        )
    stacked = sparse.csr_array(sparse.vstack(request.footprints, format="csr"))
    ptr, idx, weight, cell, _ = aggregate(stacked, objective.demand, usable.ravel(), signature)
    matrix = _by_group(ptr, idx, len(weight), n_carriers * n_sites)
    owner = matrix.indices // n_sites
    every = np.arange(len(weight))
    covers = []
    least = objective.at_least
    left_out = [T for t in range(least - 1, -1, -1) for T in combinations(range(n_carriers), t)]
    for out in left_out:
        data = np.where(np.isin(owner, out), 0.0, 1.0 / (least - len(out)))
        part = sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
        part = part.copy()
        part.eliminate_zeros()
        covers.append((every, part))
    return Groups(weight, cell.astype(np.int64), np.full(len(weight), -1), covers)


def programme_of(
    request: Request,
    groups: Sequence[Groups],
    usable: np.ndarray,
    rows: sparse.csr_array,
    limits: np.ndarray,
    held: Sequence[float],
    floors: Sequence[Floor] = (),
) -> Programme:
    """Maximise the last objective while the earlier ones keep what is held.

    Parameters
    ----------
    request : Request
    groups : sequence of Groups
        One an objective, in order.
    usable : (n_carriers, n_sites) bool
        Pairs that may be chosen, without the fixed ones.
    rows, limits
        What :func:`rows_of` says.
    held : sequence of float
        Least value of each earlier objective.
    floors : sequence of Floor
        Over the first objective's demand.

    Returns
    -------
    Programme
        Its first ``n_carriers * n_sites`` variables are the pairs.
    """
    n_x = usable.size
    sizes = [len(g.weight) for g in groups]
    starts = n_x + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(starts[-1])
    parts, most = [_widen(rows, n)], [limits]
    for start, group in zip(starts, groups, strict=False):
        for at, cover in group.covers:
            own = sparse.csr_array(
                (np.ones(len(at)), (np.arange(len(at)), start + at)), shape=(len(at), n)
            )
            parts.append(sparse.csr_array(own - _widen(cover, n)))
            most.append(np.zeros(len(at)))
    for start, group, need in zip(starts, groups, held, strict=False):
        row = np.zeros(n)
        row[start : start + len(group.weight)] = -group.weight
        scale = max(1.0, need)
        parts.append(sparse.csr_array(row[None] / scale))
        most.append(np.array([-need / scale]))
    for mask, need, carrier in floors:
        first = groups[0]
        inside = mask[first.cell] & ((first.carrier == carrier) if carrier is not None else True)
        row = np.zeros(n)
        row[n_x : n_x + len(first.weight)] = np.where(inside, -first.weight, 0.0)
        scale = max(1.0, need)
        parts.append(sparse.csr_array(row[None] / scale))
        most.append(np.array([-need / scale]))
    gain = np.zeros(n)
    gain[starts[-2] :] = groups[-1].weight
    matrix = sparse.csr_array(sparse.vstack(parts, format="csr"))
    return Programme(gain, matrix, np.concatenate(most), n_x)


def rows_of(request: Request) -> tuple[np.ndarray, sparse.csr_array, np.ndarray]:
    """Every limit on the pairs as rows: budgets, sharing, spacing, fixed and ruled out.

    Returns
    -------
    available : (n_carriers, n_sites) bool
        Pairs that may be chosen or are.
    rows : csr_array (n_rows, n_carriers * n_sites)
    limits : (n_rows,) float64
    """
    usable, cost, limit, rows = allocation.limits_of(request)
    n_carriers, n_sites = usable.shape
    pairs = [c * n_sites + np.arange(n_sites) for c in range(n_carriers)]
    every = Rows(
        [*pairs, *rows.pairs],
        [*cost, *rows.coefs],
        [*limit.tolist(), *rows.limits],
    )
    matrix = matrix_of(every, usable.ravel())
    fixed = np.flatnonzero(request.fixed.ravel())
    out = np.flatnonzero(~(usable | request.fixed).ravel())
    ones = sparse.csr_array(
        (-np.ones(len(fixed)), (np.arange(len(fixed)), fixed)), shape=(len(fixed), usable.size)
    )
    shut = sparse.csr_array((np.ones(len(out)), (np.zeros(len(out), int), out)), (1, usable.size))
    whole = sparse.csr_array(sparse.vstack([matrix, ones, shut], format="csr"))
    limits = np.concatenate([every.limits, -np.ones(len(fixed)), [0.0]])
    return usable | request.fixed, whole, limits


def matrix_of(rows: Rows, usable: np.ndarray) -> sparse.csr_array:
    """Rows over the pairs that may be chosen, (n_rows, n_pairs)."""
    lengths = [len(p) for p in rows.pairs]
    row = np.repeat(np.arange(len(lengths)), lengths)
    column = np.concatenate([*rows.pairs, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    coef = np.concatenate([*rows.coefs, np.zeros(0)])
    keep = usable[column]
    shape = (len(lengths), len(usable))
    return sparse.csr_array((coef[keep], (row[keep], column[keep])), shape=shape)


def _by_group(ptr: np.ndarray, idx: np.ndarray, n_groups: int, n_pairs: int) -> sparse.csr_array:
    by_pair = sparse.csr_array((np.ones(len(idx)), idx, ptr), shape=(n_pairs, n_groups))
    return sparse.csr_array(by_pair.T.tocsr())


def _widen(matrix: sparse.csr_array, n: int) -> sparse.csr_array:
    return sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), (matrix.shape[0], n))
