"""Neighbourhoods of a plan that an integer programme decides anew while the rest stays.

Where floors bind, a better plan often differs in a whole part of the plane at once: moves of
single choices pass through plans that miss a floor. A window is small enough to be solved nearly
exactly (large neighbourhood search, Shaw 1998).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from tdh.siting.model import Arrays

LOCAL, SAME_FLOOR = 64, 500
"""Pairs of a row and of a floor up to which it says that they are near each other."""


def neighbours(m: Arrays) -> sparse.csr_array:
    """Which pairs cover the same groups or share a row or a floor with few others, and how often.

    A floor counts little: it only joins what nothing else does.

    Returns
    -------
    (n_pairs, n_pairs) csr_array
    """
    cover = sparse.csr_array(
        (np.ones(len(m.cover_idx), dtype=np.float32), m.cover_idx, m.cover_ptr),
        shape=(m.n_pairs, m.n_groups),
    )
    rows = sparse.csr_array(
        (np.ones(len(m.row_idx), dtype=np.float32), m.row_idx, m.row_ptr),
        shape=(len(m.row_limit), m.n_pairs),
    )
    rows = rows[np.flatnonzero(np.diff(rows.indptr) <= LOCAL)]
    floors = sparse.csr_array(
        (np.ones(len(m.floor_idx), dtype=np.float32), m.floor_idx, m.floor_ptr),
        shape=(m.n_groups, len(m.need)),
    )
    members = sparse.csc_array((cover @ floors) > 0)
    members = members[:, np.flatnonzero(np.diff(members.indptr) <= SAME_FLOOR)].astype(np.float32)
    return sparse.csr_array(cover @ cover.T + rows.T @ rows + 1e-3 * (members @ members.T))


def around(m: Arrays, near: sparse.csr_array, start: int, entries: int) -> np.ndarray:
    """The pairs nearest to one, ring by ring, until they cover so many entries.

    Parameters
    ----------
    m : Arrays
        The model.
    near : (n_pairs, n_pairs) csr_array
        From :func:`neighbours`.
    start : int
        The pair in the middle.
    entries : int
        Entries of the covering matrix within the window.

    Returns
    -------
    (n_pairs,) bool
    """
    size = np.diff(m.cover_ptr)
    inside = np.zeros(m.n_pairs, dtype=bool)
    inside[start] = True
    ring = inside
    while size[inside].sum() < entries:
        closeness = near @ ring.astype(np.float32)
        closeness[inside] = 0.0
        order = np.argsort(-closeness, kind="stable")[: np.count_nonzero(closeness)]
        room = entries - size[inside].sum()
        taken = order[: int(np.searchsorted(np.cumsum(size[order]), room, side="right"))]
        if not len(taken):
            break
        ring = np.zeros(m.n_pairs, dtype=bool)
        ring[taken] = True
        inside = inside | ring
    return inside
