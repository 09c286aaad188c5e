"""Recommendation ITU-R P.525-4: free-space basic transmission loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tdh.radio import domain
from tdh.units import SPEED_OF_LIGHT_M_S


def free_space_loss_db(distance_3d_m: ArrayLike, frequency_ghz: ArrayLike) -> np.ndarray:
    """Loss between isotropic antennas in free space.

    Parameters
    ----------
    distance_3d_m : array_like of float
        Distance in metres, positive.
    frequency_ghz : array_like of float
        Frequency in GHz, positive.

    Returns
    -------
    ndarray of float64
        Loss in dB, of the broadcast shape.

    Notes
    -----
    P.525-4, equation (4): 20 log10(4 π d / λ).

    Examples
    --------
    >>> free_space_loss_db(1000.0, 1.0).round(2).item()
    92.45
    """
    tiny = np.finfo(float).tiny
    domain.apply(
        "error",
        [
            domain.beyond("distance_3d_m", distance_3d_m, tiny, np.inf, "m", "ITU-R P.525-4"),
            domain.beyond("frequency_ghz", frequency_ghz, tiny, np.inf, "GHz", "ITU-R P.525-4"),
        ],
    )
    d = np.asarray(distance_3d_m, dtype=float)
    f = np.asarray(frequency_ghz, dtype=float) * 1e9
    return 20.0 * np.log10(4.0 * np.pi * d * f / SPEED_OF_LIGHT_M_S)
