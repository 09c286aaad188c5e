"""The only conversions between decibels and linear units.

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
