"""Sites too near each other: the pairs, and cliques that say the same in fewer, stronger rows."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from tdh.siting.kernels import neighbour_cliques

TOUCH_M = 1e-6
"""Two sites at exactly the spacing are far enough apart, whatever the rounding."""


def too_near(xy_m: np.ndarray, spacing_m: float) -> np.ndarray:
    """Pairs of sites whose distance is below the spacing.

    Parameters
    ----------
    xy_m : (n_sites, 2) float
        Projected coordinates in metres.
    spacing_m : float
        The least distance allowed.

    Returns
    -------
    (n, 2) int64
        Ascending positions, sorted.

    Examples
    --------
    >>> too_near(np.array([[0, 0], [99, 0], [199, 0]]), 100).tolist()
    [[0, 1]]
    """
    if spacing_m <= 0 or len(xy_m) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    tree = cKDTree(np.asarray(xy_m, dtype=np.float64))
    pairs = tree.query_pairs(spacing_m - TOUCH_M, output_type="ndarray").astype(np.int64)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def cliques(pairs: np.ndarray, n_sites: int) -> list[np.ndarray]:
    """Sets of sites, each pairwise too near, that together hold every pair.

    At most one site of a clique can be chosen: one row instead of one a pair, and a far tighter
    relaxation (three sites of a triangle add up to 1 and not to 1.5).

    Examples
    --------
    >>> [c.tolist() for c in cliques(np.array([[0, 1], [0, 2], [1, 2], [2, 3]]), 4)]
    [[0, 1, 2], [2, 3]]
    """
    if not len(pairs):
        return []
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    ptr = np.searchsorted(both[:, 0], np.arange(n_sites + 1)).astype(np.int64)
    out_ptr, out = neighbour_cliques(ptr, both[:, 1].astype(np.int64))
    return np.split(out, out_ptr[1:-1])
