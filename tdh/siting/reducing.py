"""What of a set covering problem has to be looked at.

A group that every cover of another group covers too, and a site that covers nothing that a cheaper
one does not, can be left out; a site that alone covers a group is taken. Each opens the way for the
others (Toregas and ReVelle 1972). Footprints on a plane lose most of their groups by it.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from scipy import sparse

from tdh.siting import kernels

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")

ROUNDS = 20
"""How often each is tried; what is left after that is not wrong, only larger."""


class Reduced(NamedTuple):
    """The part of a covering problem that is open.

    Attributes
    ----------
    forced : (n_sites,) bool
        Sites that a cheapest cover can be had with.
    site, group : int64
        Positions of the sites and groups that are left, ascending.
    """

    forced: np.ndarray
    site: np.ndarray
    group: np.ndarray


def reduce(cover: sparse.csr_array, cost: np.ndarray) -> Reduced:
    """Drop dominated groups and sites and take what has to be taken, as long as that helps.

    Parameters
    ----------
    cover : csr_array, shape (n_sites, n_groups)
        Indices sorted, no group without a site.
    cost : (n_sites,) float64
        Not negative.

    Returns
    -------
    Reduced
        A cheapest cover of what is left is, with ``forced``, a cheapest cover of all.

    Examples
    --------
    >>> covers = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 1, 0]], dtype=bool)
    >>> left = reduce(sparse.csr_array(covers), np.ones(4))
    >>> left.forced.tolist(), left.site.tolist(), left.group.tolist()
    ([True, False, True, False], [], [])
    """
    ptr, idx = cover.indptr.astype(np.int64), cover.indices.astype(np.int32)
    group_ptr, group_idx = kernels.transpose(ptr, idx, cover.shape[1])
    forced, site_in, group_in = _reduce(ptr, idx, group_ptr, group_idx, cost, ROUNDS)
    return Reduced(forced, np.flatnonzero(site_in), np.flatnonzero(group_in))


@_njit
def _sizes(ptr, idx, own_in, other_in):  # type: ignore[no-untyped-def]
    """How many of its members each set has left."""
    size = np.zeros(own_in.size, np.int64)
    for i in range(own_in.size):
        if own_in[i]:
            for k in range(ptr[i], ptr[i + 1]):
                size[i] += other_in[idx[k]]
    return size


@_njit
def _inside(ptr, idx, other_in, small, large):  # type: ignore[no-untyped-def]
    """Whether one set's members are all the other's."""
    b, end = ptr[large], ptr[large + 1]
    for a in range(ptr[small], ptr[small + 1]):
        k = idx[a]
        if other_in[k]:
            while b < end and idx[b] < k:
                b += 1
            if b == end or idx[b] != k:
                return False
    return True


@_njit
def _rarest(ptr, idx, i, other_in, other_size):  # type: ignore[no-untyped-def]
    """The member of a set that fewest others hold, or -1."""
    out = -1
    for k in range(ptr[i], ptr[i + 1]):
        j = idx[k]
        if other_in[j] and (out < 0 or other_size[j] < other_size[out]):
            out = j
    return out


@_njit
def _reduce(cover_ptr, cover_idx, group_ptr, group_idx, cost, rounds):  # type: ignore[no-untyped-def]
    n, n_groups = cover_ptr.size - 1, group_ptr.size - 1
    forced = np.zeros(n, np.bool_)
    site_in, group_in = np.ones(n, np.bool_), np.ones(n_groups, np.bool_)
    for _ in range(rounds):
        changed = False
        by_site = _sizes(cover_ptr, cover_idx, site_in, group_in)
        by_group = _sizes(group_ptr, group_idx, group_in, site_in)
        for j in range(n_groups):  # that has to be covered, whatever else is
            if not group_in[j]:
                continue
            rare = _rarest(group_ptr, group_idx, j, site_in, by_site)
            for k in range(cover_ptr[rare], cover_ptr[rare + 1]):
                wider = cover_idx[k]
                if not group_in[wider] or wider == j or by_group[wider] < by_group[j]:
                    continue
                if by_group[wider] == by_group[j] and wider < j:
                    continue
                if _inside(group_ptr, group_idx, site_in, j, wider):
                    group_in[wider] = False
                    changed = True
        by_site = _sizes(cover_ptr, cover_idx, site_in, group_in)
        by_group = _sizes(group_ptr, group_idx, group_in, site_in)
        for i in range(n):  # that a cheaper one replaces
            if not site_in[i]:
                continue
            rare = _rarest(cover_ptr, cover_idx, i, group_in, by_group)
            if rare < 0:
                site_in[i] = False
                continue
            for k in range(group_ptr[rare], group_ptr[rare + 1]):
                wider = group_idx[k]
                if not site_in[wider] or wider == i or by_site[wider] < by_site[i]:
                    continue
                same = by_site[wider] == by_site[i] and cost[wider] == cost[i]
                if cost[wider] > cost[i] or (same and wider > i):
                    continue
                if _inside(cover_ptr, cover_idx, group_in, i, wider):
                    site_in[i] = False
                    changed = True
                    break
        for j in range(n_groups):
            if not group_in[j]:
                continue
            only, several = -1, False
            for k in range(group_ptr[j], group_ptr[j + 1]):
                if site_in[group_idx[k]]:
                    several |= only >= 0
                    only = group_idx[k]
            if only >= 0 and not several:
                forced[only], site_in[only], changed = True, False, True
                for k in range(cover_ptr[only], cover_ptr[only + 1]):
                    group_in[cover_idx[k]] = False
        if not changed:
            break
    return forced, site_in, group_in
