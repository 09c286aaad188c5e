"""Recommendation ITU-R P.2108-1, 3.2: statistical clutter loss of terrestrial paths.

Only where no building surface is given: together with one it counts the clutter twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from tdh.radio import domain
from tdh.radio.domain import Outside

FARTHEST_KM = 2.0
"""Beyond this distance the loss stays as it is there (P.2108-1, 3.2.2)."""


def terrestrial_clutter_loss_db(
    frequency_ghz: ArrayLike,
    distance_km: ArrayLike,
    location_percent: ArrayLike = 50.0,
    *,
    outside: Outside = "error",
) -> np.ndarray:
    """Clutter loss at one end of a path that is not exceeded at a percentage of places.

    Parameters
    ----------
    frequency_ghz : array_like of float
        0.5 to 67 GHz.
    distance_km : array_like of float
        Length of the whole path, from 0.25 km.
    location_percent : array_like of float
        Above 0 and below 100; 50 gives the median.
    outside : {"error", "warn", "ignore"}
        What to do outside the ranges of frequency and distance.

    Returns
    -------
    ndarray of float64
        Loss in dB, of the broadcast shape.

    Raises
    ------
    DomainError
        For values outside their range.

    Notes
    -----
    P.2108-1, equations (3) to (6).

    Examples
    --------
    >>> terrestrial_clutter_loss_db(3.7, 1.0).round(2).item()
    30.31
    """
    clause = "ITU-R P.2108-1, 3.2"
    tiny = np.finfo(float).tiny
    domain.apply(
        "error",
        [
            domain.beyond("frequency_ghz", frequency_ghz, tiny, np.inf, "GHz", clause),
            domain.beyond("distance_km", distance_km, tiny, np.inf, "km", clause),
            domain.beyond(
                "location_percent",
                location_percent,
                tiny,
                float(np.nextafter(100.0, 0.0)),
                "%",
                clause,
            ),
        ],
    )
    domain.apply(
        outside,
        [
            domain.beyond("frequency_ghz", frequency_ghz, 0.5, 67.0, "GHz", clause),
            domain.beyond("distance_km", distance_km, 0.25, np.inf, "km", clause),
        ],
    )
    f = np.asarray(frequency_ghz, dtype=float)
    d = np.asarray(distance_km, dtype=float)
    deviate = ndtri(1.0 - np.asarray(location_percent, dtype=float) / 100.0)
    here = _loss(f, d, deviate)
    return np.minimum(here, _loss(f, np.full_like(d, FARTHEST_KM), deviate))


def _loss(f: np.ndarray, d: np.ndarray, deviate: np.ndarray) -> np.ndarray:
    sigma_long, sigma_short = 4.0, 6.0
    long = -2.0 * np.log10(10.0 ** (-5.0 * np.log10(f) - 12.5) + 10.0**-16.5)
    short = 32.98 + 23.9 * np.log10(d) + 3.0 * np.log10(f)
    weight_long, weight_short = 10.0 ** (-0.2 * long), 10.0 ** (-0.2 * short)
    total = weight_long + weight_short
    sigma = np.sqrt((sigma_long**2 * weight_long + sigma_short**2 * weight_short) / total)
    return -5.0 * np.log10(total) - sigma * deviate
