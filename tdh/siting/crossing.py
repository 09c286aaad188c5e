"""The best of two plans, part by part of the plane: partition crossover.

What both plans choose stays. Of the other sites, two can only matter to each other where they share
a group that the common ones do not cover; what is connected by that, directly or not, is a part. To
take a part from one plan or from the other changes what is covered, and how many sites there are,
by amounts that add up exactly over the parts. Which to take is then a small knapsack problem, and a
plan that is better in one place and worse in another still gives what it is better in.

Whitley, Hains and Howe (2009), Tunneling between optima: partition crossover for the traveling
salesman problem; here for covering.
"""

from __future__ import annotations

import numba
import numpy as np

from tdh.siting.model import Arrays

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")


def cross(m: Arrays, one: np.ndarray, other: np.ndarray, number: int) -> np.ndarray:
    """The best plan that takes each part from one of two plans.

    Parameters
    ----------
    m : Arrays
        A model in which the number of choices is the only limit.
    one, other : (n_pairs,) bool
        The plans; the first has at most ``number`` choices, the other may have more.
    number : int
        How many choices are allowed.

    Returns
    -------
    (n_pairs,) bool
        It covers no less than ``one``, nor than ``other`` if that keeps the number.
    """
    part, gain, more = _parts(m.cover_ptr, m.cover_idx, m.weight, one, other)
    taken = _choose(gain, more, number - int(one.sum()))
    return np.where(part >= 0, one ^ taken[part], one) if len(taken) else one.copy()


@_njit
def _root(above, r):  # type: ignore[no-untyped-def]
    """The root of r in a forest of sets, with its path halved."""
    while above[r] != r:
        above[r] = above[above[r]]
        r = above[r]
    return r


@_njit
def _parts(cover_ptr, cover_idx, weight, one, other):  # type: ignore[no-untyped-def]
    """The part of each site that one plan alone chooses (-1 for others), and what it changes.

    The value and the number of sites, if the part is taken from ``other`` instead of ``one``.
    """
    n = one.size
    common = np.zeros(weight.size, np.bool_)
    for site in range(n):
        if one[site] and other[site]:
            for k in range(cover_ptr[site], cover_ptr[site + 1]):
                common[cover_idx[k]] = True
    above = np.arange(n)
    first = np.full(weight.size, -1, np.int64)  # of the sites that cover a group
    for site in range(n):
        if one[site] != other[site]:
            for k in range(cover_ptr[site], cover_ptr[site + 1]):
                j = cover_idx[k]
                if first[j] < 0:
                    first[j] = site
                elif not common[j]:
                    above[_root(above, site)] = _root(above, first[j])
    part, number = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    n_parts = 0
    for site in range(n):
        if one[site] != other[site]:
            root = _root(above, site)
            if number[root] < 0:
                number[root] = n_parts
                n_parts += 1
            part[site] = number[root]
    gain, more = np.zeros(n_parts), np.zeros(n_parts, np.int64)
    for plan, sign in ((one, -1), (other, 1)):
        counted = common.copy()
        for site in range(n):
            if plan[site] and part[site] >= 0:
                more[part[site]] += sign
                for k in range(cover_ptr[site], cover_ptr[site + 1]):
                    j = cover_idx[k]
                    if not counted[j]:
                        counted[j] = True
                        gain[part[site]] += sign * weight[j]
    return part, gain, more


@_njit
def _choose(gain, more, room):  # type: ignore[no-untyped-def]
    """The parts that gain most with at most ``room`` more sites, by dynamic programming."""
    n = gain.size
    least = np.minimum(more, 0).sum()
    width = np.abs(more).sum() + 1
    best = np.full((n + 1, width), -np.inf)  # of the first parts, by the number of sites
    best[0, -least] = 0.0
    for r in range(n):
        for q in range(width):
            best[r + 1, q] = best[r, q]
            if 0 <= q - more[r] < width:
                best[r + 1, q] = max(best[r, q], best[r, q - more[r]] + gain[r])
    at = np.argmax(best[n, : max(0, room - least) + 1])
    taken = np.zeros(n, np.bool_)
    for r in range(n - 1, -1, -1):
        if best[r + 1, at] != best[r, at]:
            taken[r] = True
            at -= more[r]
    return taken
