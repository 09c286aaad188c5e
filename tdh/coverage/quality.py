"""What a network's coverage is worth at each cell: probability, overlap, SINR."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from tdh.coverage.footprint import Coverage, to_dbm
from tdh.errors import DomainError, Problem
from tdh.language import Text

THERMAL_NOISE_DBM_PER_HZ = -174.0
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Shadowing:
    """Slow fading around the predicted median.

    Parameters
    ----------
    los_db, nlos_db : float
        Standard deviations. TR 38.901, table 7.4.1-1: 4 dB in line of sight; blocked 6 dB in UMa
        and 7.82 dB in UMi.
    correlation : float
        Of the fading of different sites at one place: 0 to 1.
    """

    los_db: float = 4.0
    nlos_db: float = 6.0
    correlation: float = 0.5

    def __post_init__(self) -> None:
        if not (self.los_db > 0 and self.nlos_db > 0 and 0 <= self.correlation < 1):
            raise DomainError(
                Problem(
                    Text("shadowing is out of range", "シャドウイングの値が範囲外です"),
                    value=(self.los_db, self.nlos_db, self.correlation),
                    expected="> 0 dB, > 0 dB, 0 <= correlation < 1",
                )
            )


def probability(median_dbm: ArrayLike, threshold_dbm: ArrayLike, sigma_db: ArrayLike) -> np.ndarray:
    """P(covered) = Φ((median − threshold)/σ) of one link; 0 where the median is NaN.

    >>> probability([-110.0, -104.0], -110.0, 6.0).round(3).tolist()
    [0.5, 0.841]
    """
    margin = np.asarray(median_dbm, dtype=float) - np.asarray(threshold_dbm, dtype=float)
    return np.where(np.isnan(margin), 0.0, ndtr(margin / np.asarray(sigma_db, dtype=float)))


def probability_covered(
    coverage: Coverage, threshold_dbm: float | None = None, shadowing: Shadowing | None = None
) -> np.ndarray:
    """The probability that at least one site serves each cell, float32 (n_cells,).

    Parameters
    ----------
    coverage : Coverage
        One carrier's sites in one band.
    threshold_dbm : float, optional
        By default the band's ``covered_dbm``.
    shadowing : Shadowing, optional

    Notes
    -----
    The fading of a link is a part common to all sites and a part of its own; given the common
    part, sites fail independently. The common part is integrated with nine Gauss-Hermite points.
    """
    shadowing = shadowing or Shadowing()
    threshold = coverage.band.covered_dbm if threshold_dbm is None else threshold_dbm
    levels = to_dbm(np.arange(256, dtype=np.uint8)).astype(float) - threshold
    rho = shadowing.correlation
    failing = np.empty((2, 256, len(_NODES)))
    for state, sigma in enumerate((shadowing.nlos_db, shadowing.los_db)):
        common = sigma * math.sqrt(rho) * _NODES
        own = sigma * math.sqrt(1.0 - rho)
        failing[state] = ndtr(-(levels[:, None] + common) / own)
    failing[:, 0] = 1.0
    # Products over sites become sums of logarithms, looked up by the stored signal.
    logs = np.log(np.maximum(failing, 1e-30))
    seen = coverage.line_of_sight
    if seen is None:
        seen = np.zeros(coverage.signal.nnz, dtype=bool)
    total = np.zeros((coverage.signal.shape[1], len(_NODES)))
    _add_logs(coverage.signal.indices, coverage.signal.data, seen.view(np.uint8), logs, total)
    return (1.0 - np.exp(total) @ _WEIGHTS).astype(np.float32)


def overlap(
    coverage: Coverage, within_db: float = 6.0, threshold_dbm: float | None = None
) -> np.ndarray:
    """How many sites serve each cell within so many decibels of the best, int32 (n_cells,).

    Only signals that reach the threshold (by default ``covered_dbm``) count.
    """
    threshold = coverage.band.covered_dbm if threshold_dbm is None else threshold_dbm
    rsrp, _ = coverage.best_server()
    signal = to_dbm(coverage.signal.data)
    columns = coverage.signal.indices
    near = (signal >= threshold) & (signal >= rsrp[columns] - np.float32(within_db))
    return np.bincount(columns[near], minlength=coverage.signal.shape[1]).astype(np.int32)


def sinr_db(coverage: Coverage, *, load: float = 0.5, noise_figure_db: float = 7.0) -> np.ndarray:
    """An estimate of SS-SINR at each cell, float32 (n_cells,), NaN where none is received.

    Parameters
    ----------
    coverage : Coverage
        One carrier's sites in one band.
    load : float
        Share of the resource elements on which the other sites transmit, 0 to 1.
    noise_figure_db : float
        Of the terminal.

    Notes
    -----
    Per resource element: the best server over the other sites' signals times the load plus thermal
    noise. Sites below the floor of the footprints do not count.
    """
    rsrp, _ = coverage.best_server()
    milliwatt = np.nan_to_num(10.0 ** (to_dbm(np.arange(256, dtype=np.uint8)).astype(float) / 10))
    total = np.bincount(
        coverage.signal.indices,
        weights=milliwatt[coverage.signal.data],
        minlength=coverage.signal.shape[1],
    )
    best = 10.0 ** (rsrp.astype(float) / 10)
    spacing_hz = coverage.band.subcarrier_spacing_khz * 1e3
    noise = 10.0 ** (
        (THERMAL_NOISE_DBM_PER_HZ + 10 * math.log10(spacing_hz) + noise_figure_db) / 10
    )
    interference = np.maximum(total - best, 0.0) * load
    return (10.0 * np.log10(best / (interference + noise))).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _add_logs(columns, data, seen, logs, total):  # type: ignore[no-untyped-def]
    for i in range(columns.size):
        for j in range(total.shape[1]):
            total[columns[i], j] += logs[seen[i], data[i], j]
