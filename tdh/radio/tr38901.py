"""3GPP TR 38.901 (V16.1.0): path loss, LOS probability and shadow fading, 0.5 to 100 GHz.

Clause 7.4.1 (tables 7.4.1-1) and 7.4.2 (table 7.4.2-1). All laws are linear in log10 of the 3D
distance (the rural one has a small term in the distance itself), with constants that depend on
frequency and heights only: :func:`coefficients` is their single source, used by
:func:`path_loss_db` and by the prediction kernel alike.

The tables are given for base stations of 25 m (UMa) and 10 m (UMi); other heights are an
extrapolation that the laws' form allows: see :func:`extrapolates`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tdh.radio import domain
from tdh.radio.domain import Outside

Scenario = Literal["UMa", "UMi", "RMa"]
SCENARIOS: tuple[Scenario, ...] = ("UMa", "UMi", "RMa")

# TR 38.901 itself computes with c = 3.0e8 m/s (table 7.4.1-1, note 1), and the effective
# environment height h_E of UMa is 1 m for street-level terminals.
LIGHT_M_S = 3.0e8
EFFECTIVE_ENVIRONMENT_M = 1.0
STREET_WIDTH_M = 20.0
BUILDING_HEIGHT_M = 5.0

SHADOW_FADING_DB = {
    ("UMa", True): 4.0,
    ("UMa", False): 6.0,
    ("UMi", True): 4.0,
    ("UMi", False): 7.82,
    ("RMa", True): 4.0,
    ("RMa", False): 8.0,
}
"""Standard deviation by scenario and line of sight (table 7.4.1-1; RMa LOS before the break)."""

_NOMINAL_BS_M = {"UMa": (25.0, 25.0), "UMi": (10.0, 10.0), "RMa": (10.0, 150.0)}
_UT_M = {"UMa": (1.5, 22.5), "UMi": (1.5, 22.5), "RMa": (1.0, 10.0)}
_FREQUENCY_GHZ = {"UMa": (0.5, 100.0), "UMi": (0.5, 100.0), "RMa": (0.5, 30.0)}


class Coefficients(NamedTuple):
    """Path loss as lines in x = log10(d3D / 1 m).

    ``LOS = los_a + los_b x + los_c d3D`` up to the breakpoint (a 2D distance in metres), beyond it
    ``far_a + far_b x``; ``NLOS = max(LOS, nlos_a + nlos_b x)``. Arrays of one shape.
    """

    los_a: np.ndarray
    los_b: np.ndarray
    los_c: np.ndarray
    breakpoint_m: np.ndarray
    far_a: np.ndarray
    far_b: np.ndarray
    nlos_a: np.ndarray
    nlos_b: np.ndarray


def extrapolates(scenario: Scenario, bs_height_m: ArrayLike) -> np.ndarray:
    """Whether a base station's height is not the one that the tables were fitted for.

    >>> bool(extrapolates("UMi", 5.0))
    True
    """
    low, high = _NOMINAL_BS_M[scenario]
    height = np.asarray(bs_height_m, dtype=float)
    return (height < low) | (height > high)


def coefficients(
    scenario: Scenario, frequency_ghz: ArrayLike, bs_height_m: ArrayLike, ut_height_m: ArrayLike
) -> Coefficients:
    """The laws' constants for frequencies and antenna heights (above ground); they broadcast.

    Source: TR 38.901, table 7.4.1-1. No range is checked here.
    """
    domain.choice("scenario", scenario, SCENARIOS)
    f, h_bs, h_ut = np.broadcast_arrays(
        np.asarray(frequency_ghz, dtype=float),
        np.asarray(bs_height_m, dtype=float),
        np.asarray(ut_height_m, dtype=float),
    )
    log_f = 20.0 * np.log10(f)
    zero = np.zeros_like(f)
    if scenario == "RMa":
        return _rural(f, h_bs, h_ut, log_f)
    # Antennas at or below the effective environment have no breakpoint to speak of.
    effective = np.maximum(h_bs - EFFECTIVE_ENVIRONMENT_M, 0.01) * np.maximum(
        h_ut - EFFECTIVE_ENVIRONMENT_M, 0.01
    )
    breakpoint_m = 4.0 * effective * f * 1e9 / LIGHT_M_S
    square = np.log10(breakpoint_m**2 + (h_bs - h_ut) ** 2)
    if scenario == "UMa":
        return Coefficients(
            28.0 + log_f,
            zero + 22.0,
            zero,
            breakpoint_m,
            28.0 + log_f - 9.0 * square,
            zero + 40.0,
            13.54 + log_f - 0.6 * (h_ut - 1.5),
            zero + 39.08,
        )
    return Coefficients(
        32.4 + log_f,
        zero + 21.0,
        zero,
        breakpoint_m,
        32.4 + log_f - 9.5 * square,
        zero + 40.0,
        22.4 + 21.3 * np.log10(f) - 0.3 * (h_ut - 1.5),
        zero + 35.3,
    )


def _rural(f: np.ndarray, h_bs: np.ndarray, h_ut: np.ndarray, log_f: np.ndarray) -> Coefficients:
    h, w = BUILDING_HEIGHT_M, STREET_WIDTH_M
    zero = np.zeros_like(f)
    los_a = 20.0 * np.log10(40.0 * np.pi / 3.0) + log_f - min(0.044 * h**1.72, 14.77)
    los_b = zero + 20.0 + min(0.03 * h**1.72, 10.0)
    los_c = zero + 0.002 * np.log10(h)
    breakpoint_m = 2.0 * np.pi * h_bs * h_ut * f * 1e9 / LIGHT_M_S
    # PL2 = PL1(d_BP) + 40 log10(d3D / d_BP), with PL1 taken at a 3D distance of d_BP.
    log_b = np.log10(breakpoint_m)
    far_a = los_a + los_b * log_b + los_c * breakpoint_m - 40.0 * log_b
    slope = 43.42 - 3.1 * np.log10(h_bs)
    nlos_a = (
        161.04
        - 7.1 * np.log10(w)
        + 7.5 * np.log10(h)
        - (24.37 - 3.7 * (h / h_bs) ** 2) * np.log10(h_bs)
        - 3.0 * slope
        + log_f
        - (3.2 * np.log10(11.75 * h_ut) ** 2 - 4.97)
    )
    return Coefficients(los_a, los_b, los_c, breakpoint_m, far_a, zero + 40.0, nlos_a, slope)


def path_loss_db(
    scenario: Scenario,
    los: ArrayLike,
    distance_2d_m: ArrayLike,
    frequency_ghz: ArrayLike,
    bs_height_m: ArrayLike,
    ut_height_m: ArrayLike,
    *,
    outside: Outside = "error",
) -> np.ndarray:
    """Median path loss between isotropic antennas, without shadow fading.

    Parameters
    ----------
    scenario : {"UMa", "UMi", "RMa"}
    los : array_like of bool
        Whether the terminal is in line of sight.
    distance_2d_m : array_like of float
        Horizontal distance in metres: 10 m to 5 km (RMa in line of sight: 10 km).
    frequency_ghz : array_like of float
        0.5 to 100 GHz (RMa: 30 GHz).
    bs_height_m, ut_height_m : array_like of float
        Antennas' heights above ground in metres. The terminal: 1.5 to 22.5 m (RMa: 1 to 10 m).
        The base station: any above ground; see :func:`extrapolates`.
    outside : {"error", "warn", "ignore"}
        What to do outside these ranges.

    Returns
    -------
    ndarray of float64
        Loss in dB, of the broadcast shape.

    Raises
    ------
    DomainError
        For values outside the range, unless the caller chose otherwise; always for distances,
        frequencies or heights that are not positive.

    Notes
    -----
    TR 38.901 V16.1.0, table 7.4.1-1.

    Examples
    --------
    >>> path_loss_db("UMa", [True, False], 100.0, 3.7, 25.0, 1.5).round(2).tolist()
    [83.62, 103.52]
    """
    domain.choice("scenario", scenario, SCENARIOS)
    clause = "TR 38.901, 7.4.1"
    tiny = np.finfo(float).tiny
    domain.apply(
        "error",
        [
            domain.beyond("distance_2d_m", distance_2d_m, 0.0, np.inf, "m", clause),
            domain.beyond("frequency_ghz", frequency_ghz, tiny, np.inf, "GHz", clause),
            domain.beyond("bs_height_m", bs_height_m, tiny, np.inf, "m", clause),
            domain.beyond("ut_height_m", ut_height_m, tiny, np.inf, "m", clause),
        ],
    )
    los = np.asarray(los, dtype=bool)
    longest = 10_000.0 if scenario == "RMa" and los.all() else 5_000.0
    domain.apply(
        outside,
        [
            domain.beyond("distance_2d_m", distance_2d_m, 10.0, longest, "m", clause),
            domain.beyond("frequency_ghz", frequency_ghz, *_FREQUENCY_GHZ[scenario], "GHz", clause),
            domain.beyond("ut_height_m", ut_height_m, *_UT_M[scenario], "m", clause),
        ],
    )
    law = coefficients(scenario, frequency_ghz, bs_height_m, ut_height_m)
    d_2d = np.asarray(distance_2d_m, dtype=float)
    drop = np.asarray(bs_height_m, dtype=float) - np.asarray(ut_height_m, dtype=float)
    d_3d = np.hypot(d_2d, drop)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log10(d_3d)
        near = law.los_a + law.los_b * x + law.los_c * d_3d
        in_sight = np.where(d_2d <= law.breakpoint_m, near, law.far_a + law.far_b * x)
        blocked = np.maximum(in_sight, law.nlos_a + law.nlos_b * x)
    return np.where(los, in_sight, blocked)


def los_probability(
    scenario: Scenario, distance_2d_m: ArrayLike, ut_height_m: ArrayLike = 1.5
) -> np.ndarray:
    """Probability that an outdoor terminal is in line of sight.

    Parameters
    ----------
    scenario : {"UMa", "UMi", "RMa"}
    distance_2d_m : array_like of float
        Horizontal (outdoor) distance in metres.
    ut_height_m : array_like of float
        Terminal's height above ground in metres, at most 23 m; only UMa depends on it.

    Returns
    -------
    ndarray of float64
        Probability from 0 to 1, of the broadcast shape.

    Notes
    -----
    TR 38.901 V16.1.0, table 7.4.2-1. For tall terminals at middle distances the UMa formula
    exceeds one; it is then one.

    Examples
    --------
    >>> los_probability("UMi", [10.0, 36.0]).round(4).tolist()
    [1.0, 0.6839]
    """
    domain.choice("scenario", scenario, SCENARIOS)
    clause = "TR 38.901, 7.4.2"
    domain.apply(
        "error",
        [
            domain.beyond("distance_2d_m", distance_2d_m, 0.0, np.inf, "m", clause),
            domain.beyond("ut_height_m", ut_height_m, 0.0, 23.0, "m", clause),
        ],
    )
    d, h_ut = np.broadcast_arrays(
        np.asarray(distance_2d_m, dtype=float), np.asarray(ut_height_m, dtype=float)
    )
    if scenario == "RMa":
        return np.where(d <= 10.0, 1.0, np.exp(-(d - 10.0) / 1000.0))
    safe = np.maximum(d, 18.0)
    decay = 63.0 if scenario == "UMa" else 36.0
    probability = 18.0 / safe + np.exp(-safe / decay) * (1.0 - 18.0 / safe)
    if scenario == "UMa":
        tall = np.maximum((h_ut - 13.0) / 10.0, 0.0) ** 1.5
        probability = probability * (
            1.0 + tall * 1.25 * (safe / 100.0) ** 3 * np.exp(-safe / 150.0)
        )
    return np.minimum(np.where(d <= 18.0, 1.0, probability), 1.0)
