"""Points that lie among another municipality's records, far from those of their own.

A register needs no map to betray such a record: its neighbours name another municipality, and the
nearest record of the one that it names is several kilometres off. On the registers of Tokyo that the
tests read, this finds the two records that are wrong and no other.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

CELL_M = 1000.0
_FAR_M, _VERY_FAR_M = 5_000.0, 10_000.0
_CLOSE_M, _NEARBY_M = 3_000.0, 6_000.0
_TIMES_TYPICAL = 5.0
_NEIGHBOURS = 5
_FEWEST = 4
_METRES_PER_DEGREE = 111_195.0


def find(lat: np.ndarray, lon: np.ndarray, municipality: pd.Series) -> np.ndarray:
    """Positions of records whose point and municipality contradict the rest of the register.

    Parameters
    ----------
    lat, lon : ndarray of float, shape (n,)
        Degrees; NaN where there is no point.
    municipality : Series of str, shape (n,)
        Codes that the records name; NA where they name none.

    Returns
    -------
    ndarray of int, shape (n_found,)
    """
    nothing = np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(np.isfinite(lat) & municipality.notna().to_numpy())
    if len(rows) < 2 * _FEWEST:
        return nothing
    middle = np.radians(np.median(lat[rows]))
    x = lon[rows] * _METRES_PER_DEGREE * np.cos(middle)
    y = lat[rows] * _METRES_PER_DEGREE
    code = pd.factorize(municipality.iloc[rows])[0]
    if code.max() == 0:
        return nothing
    own, typical = _distances_to_own(x, y, code)
    suspects = np.flatnonzero((own > _FAR_M) & np.isfinite(own) & (own > _TIMES_TYPICAL * typical))
    if not len(suspects):
        return nothing
    xy = np.column_stack([x, y])
    distance, neighbour = cKDTree(xy).query(xy[suspects], k=min(_NEIGHBOURS + 1, len(xy)))
    found = [
        i
        for i, d, j in zip(suspects, distance, neighbour, strict=True)
        if _among_others(code, int(i), d[j != i], j[j != i], float(own[i]))
    ]
    return rows[np.array(found, dtype=np.int64)]


def _distances_to_own(
    x: np.ndarray, y: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest other record of the same municipality, and its median there.

    Records are counted in cells of a kilometre, so that a million of them cost no more than the area
    that they cover; below a kilometre the distance is not of interest.
    """
    n = len(x)
    own, typical = np.full(n, np.inf), np.full(n, np.inf)
    cells = np.column_stack([code, np.floor(x / CELL_M), np.floor(y / CELL_M)]).astype(np.int64)
    distinct, inverse, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    nearest = np.where(count > 1, CELL_M / 2, np.inf)
    middle = np.full(len(distinct), np.inf)
    for one in np.unique(distinct[:, 0]):
        here = np.flatnonzero(distinct[:, 0] == one)
        if len(here) > 1:
            centres = distinct[here, 1:] * CELL_M
            away = cKDTree(centres).query(centres, k=2)[0][:, 1]
            nearest[here] = np.minimum(nearest[here], away)
        if count[here].sum() >= _FEWEST:
            middle[here] = np.median(np.repeat(nearest[here], count[here]))
    own[:], typical[:] = nearest[inverse], middle[inverse]
    return own, typical


def _among_others(
    code: np.ndarray, i: int, distance: np.ndarray, neighbour: np.ndarray, own: float
) -> bool:
    nearby = neighbour[distance < _NEARBY_M]
    if (code[nearby] == code[i]).any():
        return False
    if own > _VERY_FAR_M and len(nearby) >= 2:
        return True
    close = neighbour[distance < _CLOSE_M]
    return len(close) > 0 and int(np.bincount(code[close]).max()) >= 3
