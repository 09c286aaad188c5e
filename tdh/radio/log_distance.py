"""The log-distance law, for calibration against measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tdh.radio import domain


def path_loss_db(
    distance_3d_m: ArrayLike, intercept_db: ArrayLike, exponent: ArrayLike, reference_m: float = 1.0
) -> np.ndarray:
    """``intercept + 10 · exponent · log10(d / reference)``.

    Parameters
    ----------
    distance_3d_m : array_like of float
        Distance in metres, positive.
    intercept_db : array_like of float
        Loss at the reference distance in dB.
    exponent : array_like of float
        Path loss exponent; 2 is free space.
    reference_m : float
        Reference distance in metres.

    Returns
    -------
    ndarray of float64
        Loss in dB, of the broadcast shape.

    Examples
    --------
    >>> path_loss_db([1.0, 100.0], 43.3, 2.0).round(1).tolist()
    [43.3, 83.3]
    """
    tiny = np.finfo(float).tiny
    domain.apply(
        "error",
        [
            domain.beyond("distance_3d_m", distance_3d_m, tiny, np.inf, "m", "log-distance"),
            domain.beyond("reference_m", reference_m, tiny, np.inf, "m", "log-distance"),
        ],
    )
    d = np.asarray(distance_3d_m, dtype=float)
    return np.asarray(intercept_db, dtype=float) + 10.0 * np.asarray(
        exponent, dtype=float
    ) * np.log10(d / reference_m)
