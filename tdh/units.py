"""The only conversions between decibels and linear units, and of shares to percent.

Levels: dBm is decibels over one milliwatt. Ratios: dB. All functions broadcast as numpy does and
return float64 arrays or scalars.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

SPEED_OF_LIGHT_M_S = 299_792_458.0


def db_to_ratio(db: ArrayLike) -> np.ndarray:
    """Decibels to a ratio of powers.

    >>> float(db_to_ratio(3.0103)).__round__(4)
    2.0
    """
    return np.power(10.0, np.asarray(db, dtype=float) / 10.0)


def ratio_to_db(ratio: ArrayLike) -> np.ndarray:
    """A ratio of powers to decibels; zero becomes minus infinity.

    >>> float(ratio_to_db(100))
    20.0
    """
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(np.asarray(ratio, dtype=float))


def dbm_to_watt(dbm: ArrayLike) -> np.ndarray:
    """Dbm to watts.

    >>> float(dbm_to_watt(30))
    1.0
    """
    return db_to_ratio(np.asarray(dbm, dtype=float) - 30.0)


def watt_to_dbm(watt: ArrayLike) -> np.ndarray:
    """Watts to dBm; zero becomes minus infinity.

    >>> float(watt_to_dbm(0.001))
    0.0
    """
    return ratio_to_db(watt) + 30.0


def wavelength_m(frequency_ghz: ArrayLike) -> np.ndarray:
    """Wavelength in metres of a frequency in GHz.

    >>> float(wavelength_m(0.299792458))
    1.0
    """
    return SPEED_OF_LIGHT_M_S / (np.asarray(frequency_ghz, dtype=float) * 1e9)


def percents(shares: ArrayLike, digits: int = 1) -> np.ndarray:
    """Shares as percent, rounded so that what is not all never reads as 100, nor some as 0.

    >>> percents([0.99961, 1.0, 0.0002, 0.0, 0.5]).tolist()
    [99.9, 100.0, 0.1, 0.0, 50.0]
    """
    share = np.asarray(shares, dtype=float)
    rounded, step = np.round(100 * share, digits), 10.0**-digits
    rounded = np.where((share < 1) & (rounded >= 100), 100 - step, rounded)
    return np.where((share > 0) & (rounded <= 0), step, rounded)


def percent(share: float, digits: int = 1) -> str:
    """One share as people read it, rounded as :func:`percents` does.

    >>> percent(0.99961), percent(1.0), percent(1.2, 0), percent(0.00001, 2)
    ('99.9%', '100.0%', '120%', '0.01%')
    """
    return f"{float(percents(share, digits)):.{digits}f}%"
