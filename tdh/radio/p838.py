"""Recommendation ITU-R P.838-3: specific attenuation by rain, 1 to 1000 GHz."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tdh.radio import domain
from tdh.radio.domain import Outside

Polarization = Literal["H", "V"]
POLARIZATIONS: tuple[Polarization, ...] = ("H", "V")

# Tables 1 to 4: rows (a_j, b_j, c_j), then (m, c).
_K = {
    "H": (
        (
            (-5.33980, -0.10008, 1.13098),
            (-0.35351, 1.26970, 0.45400),
            (-0.23789, 0.86036, 0.15354),
            (-0.94158, 0.64552, 0.16817),
        ),
        (-0.18961, 0.71147),
    ),
    "V": (
        (
            (-3.80595, 0.56934, 0.81061),
            (-3.44965, -0.22911, 0.51059),
            (-0.39902, 0.73042, 0.11899),
            (0.50167, 1.07319, 0.27195),
        ),
        (-0.16398, 0.63297),
    ),
}
_ALPHA = {
    "H": (
        (
            (-0.14318, 1.82442, -0.55187),
            (0.29591, 0.77564, 0.19822),
            (0.32177, 0.63773, 0.13164),
            (-5.37610, -0.96230, 1.47828),
            (16.1721, -3.29980, 3.43990),
        ),
        (0.67849, -1.95537),
    ),
    "V": (
        (
            (-0.07771, 2.33840, -0.76284),
            (0.56727, 0.95545, 0.54039),
            (-0.20238, 1.14520, 0.26809),
            (-48.2991, 0.791669, 0.116226),
            (48.5833, 0.791459, 0.116479),
        ),
        (-0.053739, 0.83433),
    ),
}


def specific_attenuation_db_per_km(
    frequency_ghz: ArrayLike,
    rain_rate_mm_h: ArrayLike,
    polarization: Polarization = "V",
    *,
    outside: Outside = "error",
) -> np.ndarray:
    """Specific attenuation of a horizontal path in rain.

    Parameters
    ----------
    frequency_ghz : array_like of float
        1 to 1000 GHz.
    rain_rate_mm_h : array_like of float
        Rain rate in mm/h, not negative; no rain gives 0 dB/km.
    polarization : {"H", "V"}
    outside : {"error", "warn", "ignore"}
        What to do outside the range of frequencies.

    Returns
    -------
    ndarray of float64
        Attenuation in dB/km, of the broadcast shape.

    Raises
    ------
    DomainError
        For values outside their range.

    Notes
    -----
    P.838-3, equations (1) to (3), tables 1 to 4.

    Examples
    --------
    >>> specific_attenuation_db_per_km(28.0, 50.0, "H").round(1).item()
    9.0
    """
    domain.choice("polarization", polarization, POLARIZATIONS)
    clause = "ITU-R P.838-3"
    tiny = np.finfo(float).tiny
    domain.apply(
        "error",
        [
            domain.beyond("frequency_ghz", frequency_ghz, tiny, np.inf, "GHz", clause),
            domain.beyond("rain_rate_mm_h", rain_rate_mm_h, 0.0, np.inf, "mm/h", clause),
        ],
    )
    domain.apply(
        outside, [domain.beyond("frequency_ghz", frequency_ghz, 1.0, 1000.0, "GHz", clause)]
    )
    log_f = np.log10(np.asarray(frequency_ghz, dtype=float))
    k = 10.0 ** _curve(log_f, *_K[polarization])
    alpha = _curve(log_f, *_ALPHA[polarization])
    return k * np.asarray(rain_rate_mm_h, dtype=float) ** alpha


def _curve(
    log_f: np.ndarray, bumps: tuple[tuple[float, float, float], ...], line: tuple[float, float]
) -> np.ndarray:
    total = line[0] * log_f + line[1]
    for a, b, c in bumps:
        total = total + a * np.exp(-(((log_f - b) / c) ** 2))
    return total
