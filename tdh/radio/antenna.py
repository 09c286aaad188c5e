"""The antenna element of TR 38.901 and sectors made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

BEAMWIDTH_DEG = 65.0
"""Half-power beamwidth, horizontal and vertical (TR 38.901, table 7.3-1)."""
LIMIT_DB = 30.0
"""Side-lobe and front-to-back limit (TR 38.901, table 7.3-1)."""
PATTERN = (BEAMWIDTH_DEG, BEAMWIDTH_DEG, LIMIT_DB)
"""Horizontal and vertical beamwidth, and the limit."""
ELEMENT_GAIN_DBI = 8.0
"""Gain of one element (TR 38.901, table 7.3-1). EIRP includes it: patterns here peak at 0 dB."""


def pattern_db(
    azimuth_off_deg: ArrayLike,
    elevation_deg: ArrayLike,
    tilt_deg: ArrayLike = 0.0,
    pattern: tuple[float, float, float] = PATTERN,
) -> np.ndarray:
    """Gain relative to boresight.

    Parameters
    ----------
    azimuth_off_deg : array_like of float
        Angle from boresight in the horizontal plane, in degrees; any turn.
    elevation_deg : array_like of float
        Elevation of the direction above the horizon, in degrees (down is negative).
    tilt_deg : array_like of float
        Tilt of boresight below the horizon, in degrees.
    pattern : tuple of three float
        Horizontal and vertical half-power beamwidth in degrees, and the limit in dB.

    Returns
    -------
    ndarray of float64
        0 dB at boresight, at least minus the limit, of the broadcast shape.

    Notes
    -----
    TR 38.901 V16.1.0, table 7.3-1, by default 65° by 65° with limits of 30 dB. The tilt is
    mechanical and taken as a shift of the elevation, which is exact at boresight's azimuth.

    Examples
    --------
    >>> pattern_db([0.0, 32.5, 180.0], 0.0).tolist()
    [0.0, -3.0, -30.0]
    """
    flat, steep, limit = pattern
    off = (np.asarray(azimuth_off_deg, dtype=float) + 180.0) % 360.0 - 180.0
    horizontal = 12.0 * (off / flat) ** 2
    down = np.asarray(elevation_deg, dtype=float) + np.asarray(tilt_deg, dtype=float)
    vertical = 12.0 * (down / steep) ** 2
    loss = np.minimum(horizontal, limit) + np.minimum(vertical, limit)
    return 0.0 - np.minimum(loss, limit)


def site_pattern_db(
    bearing_deg: ArrayLike,
    elevation_deg: ArrayLike,
    azimuths_deg: ArrayLike,
    tilt_deg: float = 0.0,
    pattern: tuple[float, float, float] = PATTERN,
) -> np.ndarray:
    """Gain of a site's best sector, relative to boresight.

    Parameters
    ----------
    bearing_deg, elevation_deg : array_like of float
        Direction clockwise from north, and above the horizon, in degrees.
    azimuths_deg : array_like of float, shape (n,)
        Boresights of the sectors; none (or only NaN): omnidirectional in azimuth.
    tilt_deg : float
        Tilt below the horizon of all sectors.
    pattern : tuple of three float
        As for :func:`pattern_db`.

    Returns
    -------
    ndarray of float64
        Gain in dB, of the broadcast shape of directions.

    Examples
    --------
    >>> site_pattern_db([0.0, 60.0], 0.0, [0.0, 120.0, 240.0]).round(1).tolist()
    [0.0, -10.2]
    """
    bearing, elevation = np.broadcast_arrays(
        np.asarray(bearing_deg, dtype=float), np.asarray(elevation_deg, dtype=float)
    )
    azimuths = np.asarray(azimuths_deg, dtype=float).ravel()
    azimuths = azimuths[~np.isnan(azimuths)]
    if azimuths.size == 0:
        return pattern_db(np.zeros_like(bearing), elevation, tilt_deg, pattern)
    gains = [pattern_db(bearing - azimuth, elevation, tilt_deg, pattern) for azimuth in azimuths]
    return np.max(gains, axis=0)
