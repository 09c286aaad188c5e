"""Exposure of people to radio waves by Japan's rule: compliance distances and sums of ratios.

Radio Act, article 30; enforcement regulations, article 21-3 and appended table 2-3-2 (general
environment, six-minute means); calculation by MPT notice 300 of 1999: S = P G K / (40 π R²) in
mW/cm², with P in watts, R in metres and K = 2.56 for the ground's reflection at 76 MHz and above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tdh import units
from tdh.radio import domain

GROUND_REFLECTION = 2.56
"""K with reflection from the ground, 76 MHz and above (4 below, and beside water; 1 with none)."""
EXEMPT_DBM = 13.0103
"""Stations of at most 20 mW mean power are exempt."""


def power_density_limit_mw_cm2(frequency_mhz: ArrayLike) -> np.ndarray:
    """The limit of power density for places that people enter.

    Parameters
    ----------
    frequency_mhz : array_like of float
        300 to 300,000 MHz.

    Returns
    -------
    ndarray of float64
        f/1500 mW/cm² below 1.5 GHz, 1 mW/cm² from there.

    Examples
    --------
    >>> power_density_limit_mw_cm2([750.0, 3650.0]).tolist()
    [0.5, 1.0]
    """
    domain.apply(
        "error",
        [domain.beyond("frequency_mhz", frequency_mhz, 300.0, 300_000.0, "MHz", "別表第2号の3の2")],
    )
    return np.minimum(np.asarray(frequency_mhz, dtype=float) / 1500.0, 1.0)


def power_density_mw_cm2(
    eirp_dbm: ArrayLike, distance_m: ArrayLike, reflection: float = GROUND_REFLECTION
) -> np.ndarray:
    """Power density at a distance, with reflection.

    Examples
    --------
    >>> power_density_mw_cm2(70.0, 14.27).round(2).item()
    1.0
    """
    watt = units.dbm_to_watt(eirp_dbm)
    with np.errstate(divide="ignore"):
        return watt * reflection / (40.0 * np.pi * np.asarray(distance_m, dtype=float) ** 2)


def compliance_distance_m(
    eirp_dbm: ArrayLike,
    frequency_mhz: ArrayLike,
    *,
    reflection: float = GROUND_REFLECTION,
    duty: ArrayLike = 1.0,
    pattern_db: ArrayLike = 0.0,
) -> np.ndarray:
    """The distance from which the power density keeps to the limit.

    Parameters
    ----------
    eirp_dbm : array_like of float
        Peak EIRP of a sector in dBm.
    frequency_mhz : array_like of float
        300 to 300,000 MHz.
    reflection : float
        K of the notice: 2.56, 4 beside water, 1 without reflection.
    duty : array_like of float
        Share of the six minutes' mean in the peak (time division, beams that move), 0 to 1. One is
        the strictest.
    pattern_db : array_like of float
        Gain in the direction looked at, relative to boresight, in dB.

    Returns
    -------
    ndarray of float64
        Distance in metres, of the broadcast shape.

    Examples
    --------
    >>> compliance_distance_m([50.0, 70.0], 3650.0).round(1).tolist()
    [1.4, 14.3]
    """
    domain.apply("error", [domain.beyond("duty", duty, 0.0, 1.0, "", "6 min mean")])
    limit = power_density_limit_mw_cm2(frequency_mhz)
    level = np.asarray(eirp_dbm, dtype=float) + np.asarray(pattern_db, dtype=float)
    watt = units.dbm_to_watt(level) * np.asarray(duty, dtype=float)
    return np.sqrt(watt * reflection / (40.0 * np.pi * limit))


def ratio_sum(
    eirp_dbm: ArrayLike,
    frequency_mhz: ArrayLike,
    distance_m: ArrayLike,
    *,
    reflection: float = GROUND_REFLECTION,
    axis: int = -1,
) -> np.ndarray:
    """Sum over co-sited transmitters of power density over its limit; above 1 is not allowed.

    Parameters
    ----------
    eirp_dbm, frequency_mhz, distance_m : array_like of float
        EIRP towards the place, frequency, and distance; they broadcast.
    axis : int
        The axis of transmitters.

    Examples
    --------
    >>> ratio_sum([70.0, 70.0], [3650.0, 4550.0], 14.27).round(2).item()
    2.0
    """
    limit = power_density_limit_mw_cm2(frequency_mhz)
    density = power_density_mw_cm2(eirp_dbm, distance_m, reflection)
    return np.sum(density / limit, axis=axis)


def combined_distance_m(
    eirp_dbm: ArrayLike, frequency_mhz: ArrayLike, *, reflection: float = GROUND_REFLECTION
) -> float:
    """The distance from which co-sited transmitters together keep to the limit.

    Ratios fall with the square of the distance, so squares of compliance distances add.

    Examples
    --------
    >>> round(combined_distance_m([70.0, 70.0], [3650.0, 4550.0]), 1)
    20.2
    """
    each = compliance_distance_m(eirp_dbm, frequency_mhz, reflection=reflection)
    return float(np.sqrt(np.sum(each**2)))
