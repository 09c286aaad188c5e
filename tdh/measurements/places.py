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
_NEIGHBOURS, _OWN = 64, 32
"""How many of the nearest links count, and of the same site at least, however many others there are."""
_REACH = 4.0
"""Beyond as many decorrelation distances a place says nothing (2 % of the covariance)."""
_CHUNK = 500


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
        self.of_site = {str(name): np.flatnonzero(site == name) for name in np.unique(site)}

    def predict(self, xy_m: np.ndarray, site: np.ndarray) -> np.ndarray:
        """Expected residual in dB, float64 (n,); 0 far from everything that was measured."""
        out = np.zeros(len(xy_m))
        far, at = self._near(xy_m, site)
        count = np.isfinite(far).sum(axis=1)
        rows = np.argsort(count, kind="stable")
        rows = rows[count[rows] > 0]
        for first in range(0, len(rows), _CHUNK):
            own = rows[first : first + _CHUNK]
            most = count[own].max()
            out[own] = self._local(far[own, :most], at[own, :most], site[own])
        return out

    def _near(self, xy_m: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance and number of each place's neighbours, the nearest first; inf where absent."""
        far, at = _nearest(self.tree, xy_m, _NEIGHBOURS)
        own_far, own_at = np.full((len(xy_m), _OWN), np.inf), np.zeros((len(xy_m), _OWN), dtype=int)
        for name in np.unique(site):
            here, links = np.flatnonzero(site == name), self.of_site.get(str(name))
            if links is not None:
                found, which = _nearest(cKDTree(self.tree.data[links]), xy_m[here], _OWN)
                own_far[here, : found.shape[1]] = found
                own_at[here, : found.shape[1]] = links[np.minimum(which, len(links) - 1)]
        own_far[own_far <= far[:, -1:]] = np.inf  # already among the nearest of all
        far, at = np.hstack([far, own_far]), np.hstack([at, own_at])
        order = np.argsort(far, axis=1, kind="stable")
        return np.take_along_axis(far, order, axis=1), np.take_along_axis(at, order, axis=1)

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


def _nearest(tree: cKDTree, xy_m: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    far, at = tree.query(
        xy_m, k=np.arange(1, min(most, tree.n) + 1), distance_upper_bound=_REACH * DECORRELATION_M
    )
    return far, at


def _covariance(apart_m: np.ndarray, same_site: np.ndarray) -> np.ndarray:
    shared = np.exp(-apart_m / DECORRELATION_M) * np.where(same_site, 1.0, SHARED)
    out: np.ndarray = DEVIATION_DB**2 * shared
    return out
