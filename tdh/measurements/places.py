"""What a place adds or takes away, carried from measured links to others near by (kriging)."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

DEVIATION_DB = 6.0
"""Standard deviation of shadowing, and below the distance over which it changes: TR 38.901,
table 7.5-6, UMa NLOS."""
DECORRELATION_M = 50.0
SHARED = 0.5
"""Correlation of the shadowing at one place from two sites: TR 36.814, table A.2.1.1-2."""
NOISE_DB = 4.0
"""What differs from a square to itself: the repeat scatter of drive tests (docs/measurements.md)."""
_NEIGHBOURS = 64
_REACH = 4.0
"""Beyond as many decorrelation distances a place says nothing (2 % of the covariance)."""
_CHUNK = 1000


class Places:
    """Simple kriging of what a law leaves, by the measured links nearest to a place.

    Shadowing has an exponential covariance with constants that are printed and not fitted: two or
    three sites are too few to tell how much places have in common. A link of the same site shares
    all of it, a link of another site a half: behind a wall or under trees every site is weak.

    Parameters
    ----------
    xy_m : ndarray of float64, shape (n, 2)
    site : ndarray of str, shape (n,)
    residual_db : ndarray of float64, shape (n,)
        Measured minus predicted.

    Examples
    --------
    >>> near = Places(np.zeros((1, 2)), np.array(["a"]), np.array([5.2]))
    >>> xy, site = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 0.0]]), np.array(["a", "a", "b"])
    >>> near.predict(xy, site).round(2).tolist()
    [3.6, 1.32, 1.8]
    """

    def __init__(self, xy_m: np.ndarray, site: np.ndarray, residual_db: np.ndarray) -> None:
        self.tree = cKDTree(xy_m)
        self.site = site
        self.residual_db = residual_db

    def predict(self, xy_m: np.ndarray, site: np.ndarray) -> np.ndarray:
        """Expected residual in dB, float64 (n,); 0 far from everything that was measured."""
        out = np.zeros(len(xy_m))
        k = min(_NEIGHBOURS, len(self.residual_db))
        far, at = self.tree.query(
            xy_m, k=np.arange(1, k + 1), distance_upper_bound=_REACH * DECORRELATION_M
        )
        rows = np.flatnonzero(np.isfinite(far[:, 0]))
        for first in range(0, len(rows), _CHUNK):
            own = rows[first : first + _CHUNK]
            out[own] = self._local(far[own], at[own], site[own])
        return out

    def _local(self, far: np.ndarray, at: np.ndarray, site: np.ndarray) -> np.ndarray:
        """Each row's own small system over its neighbours; absent ones share nothing."""
        absent = ~np.isfinite(far)
        at = np.where(absent, 0, at)
        places, sites = self.tree.data[at], self.site[at]
        apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
        between = _covariance(apart, sites[:, :, None] == sites[:, None])
        between[absent[:, :, None] | absent[:, None]] = 0.0
        diagonal = np.arange(at.shape[1])
        between[:, diagonal, diagonal] = DEVIATION_DB**2 + NOISE_DB**2
        towards = np.where(absent, 0.0, _covariance(far, sites == site[:, None]))
        weight = np.linalg.solve(between, self.residual_db[at][:, :, None])[:, :, 0]
        out: np.ndarray = (towards * weight).sum(axis=1)
        return out


def _covariance(apart_m: np.ndarray, same_site: np.ndarray) -> np.ndarray:
    shared = np.exp(-apart_m / DECORRELATION_M) * np.where(same_site, 1.0, SHARED)
    out: np.ndarray = DEVIATION_DB**2 * shared
    return out
