"""Recommendation ITU-R P.526-15: diffraction over knife edges and over a path profile.

The profile's method is the delta-Bullington of clause 4.5: the Bullington construction of the
profile (4.5.1), corrected by what the same construction misses on a smooth spherical Earth
(4.5.2, with 3.2). Buildings stand in the profile as flat-topped edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tdh import units
from tdh.radio import domain

EFFECTIVE_EARTH_RADIUS_M = 8_500_000.0
"""Median effective Earth radius (k = 4/3)."""
_NU_FLOOR = -0.78


def knife_edge_loss_db(nu: ArrayLike) -> np.ndarray:
    """Loss J(ν) of a single knife edge; zero below ν = −0.78.

    Notes
    -----
    P.526-15, equation (31).

    Examples
    --------
    >>> knife_edge_loss_db([-1.0, 0.0, 1.0]).round(2).tolist()
    [0.0, 6.03, 13.93]
    """
    v = np.asarray(nu, dtype=float) - 0.1
    with np.errstate(divide="ignore"):
        loss = 6.9 + 20.0 * np.log10(np.sqrt(v * v + 1.0) + v)
    return np.where(v + 0.1 > _NU_FLOOR, loss, 0.0)


def bullington_excess_db(knife_edge_db: ArrayLike, distance_m: ArrayLike) -> np.ndarray:
    """Bullington's loss from that of its equivalent edge (P.526-15, equation (58)).

    Examples
    --------
    >>> bullington_excess_db(20.0, 1000.0).round(2).item()
    29.66
    """
    loss = np.asarray(knife_edge_db, dtype=float)
    distance_km = np.asarray(distance_m, dtype=float) / 1000.0
    return loss + (1.0 - np.exp(-loss / 6.0)) * (10.0 + 0.02 * distance_km)


def equivalent_edge(
    slope_from_tx: float, slope_from_rx: float, tx_height_m: float, rx_height_m: float, d_m: float
) -> tuple[float, float]:
    """Bullington's point: where the horizons' lines of both ends meet.

    Parameters
    ----------
    slope_from_tx, slope_from_rx : float
        Steepest rise from each end to any point of the profile, in metres per metre.
    tx_height_m, rx_height_m : float
        Antennas' heights above the profile's datum.
    d_m : float
        Length of the path.

    Returns
    -------
    distance_m, clearance_m : float
        Distance of the point from the transmitter, and its height above the line between the
        antennas (positive: it blocks).
    """
    point = (rx_height_m - tx_height_m + slope_from_rx * d_m) / (slope_from_tx + slope_from_rx)
    point = min(max(point, 1e-3 * d_m), d_m * (1.0 - 1e-3))
    line = (tx_height_m * (d_m - point) + rx_height_m * point) / d_m
    return point, tx_height_m + slope_from_tx * point - line


def bullington_loss_db(
    distance_m: ArrayLike,
    height_m: ArrayLike,
    tx_height_m: float,
    rx_height_m: float,
    frequency_ghz: float,
    *,
    earth_radius_m: float = EFFECTIVE_EARTH_RADIUS_M,
) -> float:
    """Bullington's loss of a profile.

    Parameters
    ----------
    distance_m : array_like of float, shape (n,)
        Distances of the profile's points from the transmitter, rising from 0 to the receiver.
    height_m : array_like of float, shape (n,)
        Heights of the points above the datum; those of the two ends are not edges.
    tx_height_m, rx_height_m : float
        Antennas' heights above the datum.
    frequency_ghz : float
    earth_radius_m : float
        Effective radius of the Earth; infinity for a flat one.

    Returns
    -------
    float
        Loss beyond free space in dB.

    Notes
    -----
    P.526-15, 4.5.1, equations (52) to (58).
    """
    d = np.asarray(distance_m, dtype=float)
    h = np.asarray(height_m, dtype=float)
    total = float(d[-1])
    x, y = d[1:-1], h[1:-1]
    if x.size == 0:
        return 0.0
    bulge = x * (total - x) / (2.0 * earth_radius_m)
    raised = y + bulge
    line_slope = (rx_height_m - tx_height_m) / total
    from_tx = float(np.max((raised - tx_height_m) / x))
    scale = np.sqrt(2.0 / units.wavelength_m(frequency_ghz))
    if from_tx < line_slope:
        line = (tx_height_m * (total - x) + rx_height_m * x) / total
        nu = float(np.max((raised - line) * scale * np.sqrt(total / (x * (total - x)))))
    else:
        from_rx = float(np.max((raised - rx_height_m) / (total - x)))
        point, above = equivalent_edge(from_tx, from_rx, tx_height_m, rx_height_m, total)
        nu = above * float(scale) * np.sqrt(total / (point * (total - point)))
    return float(bullington_excess_db(knife_edge_loss_db(nu), total))


def delta_bullington_loss_db(
    distance_m: ArrayLike,
    height_m: ArrayLike,
    tx_height_m: float,
    rx_height_m: float,
    frequency_ghz: float,
    *,
    earth_radius_m: float = EFFECTIVE_EARTH_RADIUS_M,
) -> float:
    """Diffraction loss of a profile by the complete delta-Bullington method.

    Parameters, units and result as :func:`bullington_loss_db`. The polarisation is vertical and
    the ground of the smooth Earth an average one; over the few kilometres of a cell both hardly
    matter.

    Raises
    ------
    DomainError
        If the profile has fewer than two points, or its distances do not rise.

    Notes
    -----
    P.526-15, 4.5.2 and 4.5.3: ``L = L_bull(profile) + max(L_sphere − L_bull(smooth), 0)``.
    """
    d = np.asarray(distance_m, dtype=float)
    h = np.asarray(height_m, dtype=float)
    rising = d.size >= 2 and bool((np.diff(d) > 0).all())
    domain.apply(
        "error",
        [domain.beyond("profile", float(rising), 1.0, 1.0, "(rising distances)", "ITU-R P.526-15")],
    )
    rough = bullington_loss_db(
        d, h, tx_height_m, rx_height_m, frequency_ghz, earth_radius_m=earth_radius_m
    )
    tx_effective, rx_effective = _effective_heights(d, h, tx_height_m, rx_height_m)
    smooth = bullington_loss_db(
        d,
        np.zeros_like(d),
        tx_effective,
        rx_effective,
        frequency_ghz,
        earth_radius_m=earth_radius_m,
    )
    sphere = spherical_earth_loss_db(
        float(d[-1] - d[0]), tx_effective, rx_effective, frequency_ghz, earth_radius_m
    )
    return rough + max(sphere - smooth, 0.0)


def _effective_heights(
    d: np.ndarray, h: np.ndarray, tx_height_m: float, rx_height_m: float
) -> tuple[float, float]:
    """Antennas' heights above the smooth surface fitted to the profile (P.526-15, 4.5.2)."""
    total = float(d[-1])
    step = np.diff(d)
    area = float(np.sum(step * (h[1:] + h[:-1])))
    moment = float(np.sum(step * (h[1:] * (2 * d[1:] + d[:-1]) + h[:-1] * (d[1:] + 2 * d[:-1]))))
    start = (2 * area * total - moment) / total**2
    end = (moment - area * total) / total**2
    x, y = d[1:-1], h[1:-1]
    if x.size:
        above = y - (tx_height_m * (total - x) + rx_height_m * x) / total
        highest = float(above.max())
        if highest > 0:
            a_tx, a_rx = float((above / x).max()), float((above / (total - x)).max())
            start -= highest * a_tx / (a_tx + a_rx)
            end -= highest * a_rx / (a_tx + a_rx)
    start, end = min(start, float(h[0])), min(end, float(h[-1]))
    return max(tx_height_m - start, 0.0), max(rx_height_m - end, 0.0)


def spherical_earth_loss_db(
    distance_m: float,
    tx_height_m: float,
    rx_height_m: float,
    frequency_ghz: float,
    earth_radius_m: float = EFFECTIVE_EARTH_RADIUS_M,
) -> float:
    """Diffraction loss over a smooth spherical Earth, antennas' heights above it in metres.

    Notes
    -----
    P.526-15, 3.2: the first term of the residue series (3.1.1) beyond the horizon, and between
    the horizon and full clearance an interpolation. Average ground (ε_r 22, 3 mS/m), vertical
    polarisation.
    """
    d, h1, h2, a = distance_m, tx_height_m, rx_height_m, earth_radius_m
    wavelength = float(units.wavelength_m(frequency_ghz))
    horizon = np.sqrt(2.0 * a) * (np.sqrt(h1) + np.sqrt(h2))
    if d >= horizon:
        return max(_first_term_db(d, h1, h2, frequency_ghz, a), 0.0)
    clearance, d1, d2 = _clearance(d, h1, h2, a)
    needed = 0.552 * np.sqrt(d1 * d2 * wavelength / d)
    if clearance > needed:
        return 0.0
    longer = 0.5 * (d / (np.sqrt(h1) + np.sqrt(h2))) ** 2
    loss = _first_term_db(d, h1, h2, frequency_ghz, longer)
    return max(0.0, (1.0 - clearance / needed) * loss)


def _clearance(d: float, h1: float, h2: float, a: float) -> tuple[float, float, float]:
    if h1 + h2 == 0:
        return 0.0, d / 2, d / 2
    swapped = h2 > h1
    if swapped:
        h1, h2 = h2, h1
    c = (h1 - h2) / (h1 + h2)
    m = d * d / (4.0 * a * (h1 + h2))
    angle = np.pi / 3 + np.arccos(min(3 * c / 2 * np.sqrt(3 * m / (m + 1) ** 3), 1.0)) / 3
    b = 2 * np.sqrt((m + 1) / (3 * m)) * np.cos(angle)
    d1 = d / 2 * (1 + b)
    d2 = d - d1
    clearance = ((h1 - d1**2 / (2 * a)) * d2 + (h2 - d2**2 / (2 * a)) * d1) / d
    return float(clearance), float(d1), float(d2)


def _first_term_db(d: float, h1: float, h2: float, frequency_ghz: float, a: float) -> float:
    frequency_mhz, a_km, d_km = frequency_ghz * 1e3, a / 1e3, d / 1e3
    permittivity, conductivity = 22.0, 0.003
    k_h = (
        0.36
        * (a_km * frequency_mhz) ** (-1 / 3)
        * ((permittivity - 1) ** 2 + (18e3 * conductivity / frequency_mhz) ** 2) ** -0.25
    )
    k = k_h * np.sqrt(permittivity**2 + (18e3 * conductivity / frequency_mhz) ** 2)
    k2 = k * k
    beta = (1 + 1.6 * k2 + 0.67 * k2 * k2) / (1 + 4.5 * k2 + 1.53 * k2 * k2)
    x = 2.188 * beta * frequency_mhz ** (1 / 3) * a_km ** (-2 / 3) * d_km
    distance_term = (
        11 + 10 * np.log10(x) - 17.6 * x if x >= 1.6 else -20 * np.log10(x) - 5.6488 * x**1.425
    )
    y_scale = 9.575e-3 * beta * frequency_mhz ** (2 / 3) * a_km ** (-1 / 3)
    heights = [_height_gain_db(y_scale * h, beta, k) for h in (h1, h2)]
    return float(-(distance_term + sum(heights)))


def _height_gain_db(y: float, beta: float, k: float) -> float:
    b = beta * y
    if b > 2:
        gain = 17.6 * np.sqrt(b - 1.1) - 5 * np.log10(b - 1.1) - 8
    else:
        gain = 20 * np.log10(b + 0.1 * b**3) if b > 0 else -np.inf
    return float(max(gain, 2 + 20 * np.log10(k)))
