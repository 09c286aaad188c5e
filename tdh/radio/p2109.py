"""Recommendation ITU-R P.2109-1: building entry loss, 0.08 to 100 GHz."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from tdh.radio import domain
from tdh.radio.domain import Outside

Building = Literal["traditional", "efficient"]
BUILDINGS: tuple[Building, ...] = ("traditional", "efficient")

# Table 1 of the Recommendation: r, s, t, u, v, w, x, y, z.
_TABLE = {
    "traditional": (12.64, 3.72, 0.96, 9.6, 2.0, 9.1, -3.0, 4.5, -2.0),
    "efficient": (28.19, -3.00, 8.48, 13.5, 3.8, 27.8, -2.9, 9.4, -2.1),
}


def building_entry_loss_db(
    frequency_ghz: ArrayLike,
    probability_percent: ArrayLike = 50.0,
    building: Building = "traditional",
    elevation_deg: ArrayLike = 0.0,
    *,
    outside: Outside = "error",
) -> np.ndarray:
    """Building entry loss that is not exceeded with a probability.

    Parameters
    ----------
    frequency_ghz : array_like of float
        0.08 to 100 GHz.
    probability_percent : array_like of float
        Above 0 and below 100; 50 gives the median.
    building : {"traditional", "efficient"}
        ``"efficient"``: metallised glass and foil-backed panels.
    elevation_deg : array_like of float
        Elevation of the path at the facade, −90 to 90 degrees.
    outside : {"error", "warn", "ignore"}
        What to do outside the range of frequencies.

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
    P.2109-1, equations (1) to (9) and table 1.

    Examples
    --------
    >>> building_entry_loss_db([0.7, 28.0]).round(1).tolist()
    [14.1, 20.2]
    """
    domain.choice("building", building, BUILDINGS)
    clause = "ITU-R P.2109-1, 3"
    tiny = np.finfo(float).tiny
    domain.apply(
        "error",
        [
            domain.beyond("frequency_ghz", frequency_ghz, tiny, np.inf, "GHz", clause),
            domain.beyond(
                "probability_percent",
                probability_percent,
                tiny,
                float(np.nextafter(100.0, 0.0)),
                "%",
                clause,
            ),
            domain.beyond("elevation_deg", elevation_deg, -90.0, 90.0, "deg", clause),
        ],
    )
    domain.apply(
        outside, [domain.beyond("frequency_ghz", frequency_ghz, 0.08, 100.0, "GHz", clause)]
    )
    r, s, t, u, v, w, x, y, z = _TABLE[building]
    log_f = np.log10(np.asarray(frequency_ghz, dtype=float))
    deviate = ndtri(np.asarray(probability_percent, dtype=float) / 100.0)
    horizontal = r + s * log_f + t * log_f**2
    by_elevation = 0.212 * np.abs(np.asarray(elevation_deg, dtype=float))
    a = deviate * (u + v * log_f) + horizontal + by_elevation
    b = deviate * (y + z * log_f) + w + x * log_f
    c = -3.0
    return 10.0 * np.log10(10.0 ** (0.1 * a) + 10.0 ** (0.1 * b) + 10.0 ** (0.1 * c))
