"""Signals of many sites at many receivers: the compiled core of coverage, arrays in and out.

One walk over the surface per link decides line of sight and finds both horizons; all bands share
it. Per band there remain a line in log10 of the distance (TR 38.901), one knife edge (P.526) and a
table of entry losses (P.2109).

Blocked links
-------------
A blocked signal arrives by two ways that add in power: over the controlling edges, and by
reflection and scatter through the streets, of which the NLOS law of TR 38.901 is the mean::

    L = max(L_LOS, -10 log10(10^(-(L_LOS + L_bull + offset)/10) + 10^(-L_NLOS/10)))

So loss grows continuously as an edge rises into the path, and never exceeds the NLOS law. The
offset of diffraction and offset and slope of both laws are what a calibration fits
(:class:`Model`).

A corner that a line clips between two points of its profile still blocks it, by the exact walk,
but adds no edge: the link is charged as grazing, which is what diffraction around the corner costs.

Left out in this core, with their size: the Earth's bulge (0.4 m in the middle of 5 km) and the
spherical-Earth term of the delta-Bullington method; :mod:`tdh.radio.p526` has both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np

from tdh.errors import DomainError, Problem
from tdh.language import Text
from tdh.radio import p526, p838, p2108, p2109, tr38901
from tdh.radio.line_of_sight import clip, horizon_slopes, leave, point_blocks, sees

OFFSET_DBM = -150.5
STEP_DB = 0.5
"""A stored signal q stands for −150.5 + 0.5 q dBm; 0 is absent."""
NEAREST_M = 10.0
"""Laws hold from 10 m; nearer links are charged as at 10 m."""
ROOF_STEP_M = 2.0
_CLUTTER_STEP_M = 10.0

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Model:
    """How loss is predicted, and what a calibration may change.

    Parameters
    ----------
    diffraction : bool
        Whether blocked links gain by diffraction over the controlling edges (P.526 Bullington).
        Without it they follow the NLOS law alone.
    diffraction_offset_db : float
        Added to the diffraction loss before the two ways are summed.
    los_offset_db, nlos_offset_db : float
        Added to the LOS and the NLOS law.
    los_slope_db, nlos_slope_db : float
        Added per decade of distance, zero at 100 m.
    own_building_m : float
        Antennas of a site stand at the edges of its roof, wherever its point lies: the roof that
        the point lies on does not block within this distance. The same holds for the building
        around an indoor receiver, which is charged by P.2109 instead.
    rain_rate_mm_h : float
        Rain along the whole path (P.838, vertical polarisation); 0: none.
    indoor : {None, "traditional", "efficient"}
        Predict for receivers inside buildings: entry loss by P.2109 everywhere.
    indoor_cells : {"traditional", "efficient"}
        The kind of building in cells that have no open place.
    entry_percent : float
        Percentage of P.2109: the entry loss that is not exceeded.
    clutter_percent : float
        Percentage of P.2108, where there is no surface.
    """

    diffraction: bool = True
    diffraction_offset_db: float = 0.0
    los_offset_db: float = 0.0
    nlos_offset_db: float = 0.0
    los_slope_db: float = 0.0
    nlos_slope_db: float = 0.0
    own_building_m: float = 40.0
    rain_rate_mm_h: float = 0.0
    indoor: Literal["traditional", "efficient"] | None = None
    indoor_cells: Literal["traditional", "efficient"] = "traditional"
    entry_percent: float = 50.0
    clutter_percent: float = 50.0

    def __post_init__(self) -> None:
        if not (self.rain_rate_mm_h >= 0 and self.own_building_m >= 0):
            raise DomainError(
                Problem(
                    Text(
                        "rain rate and distances must not be negative",
                        "降雨強度と距離は負にできません",
                    ),
                    value=(self.rain_rate_mm_h, self.own_building_m),
                )
            )


def law_constants(
    environments: np.ndarray,
    bs_height_m: np.ndarray,
    frequency_ghz: float,
    ut_height_m: float,
    model: Model,
) -> np.ndarray:
    """TR 38.901's lines for each site with the model's offsets, float64 (n_sites, 8).

    Columns as :class:`tdh.radio.tr38901.Coefficients`; ``environments`` holds positions in
    ``tr38901.SCENARIOS``.
    """
    out = np.empty((len(environments), 8))
    for position, scenario in enumerate(tr38901.SCENARIOS):
        rows = environments == position
        if rows.any():
            law = tr38901.coefficients(scenario, frequency_ghz, bs_height_m[rows], ut_height_m)
            out[rows] = np.stack(law, axis=1)
    for column, offset, slope in (
        (0, model.los_offset_db, model.los_slope_db),
        (4, model.los_offset_db, model.los_slope_db),
        (6, model.nlos_offset_db, model.nlos_slope_db),
    ):
        out[:, column] += offset - 2.0 * slope
        out[:, column + 1] += slope
    return out


def entry_table(frequency_ghz: float, building: p2109.Building, percent: float) -> np.ndarray:
    """P.2109 loss in dB for elevations of 0 to 90 degrees, float32 (91,)."""
    return p2109.building_entry_loss_db(
        frequency_ghz, percent, building, np.arange(91.0), outside="warn"
    ).astype(np.float32)


def rain_db_per_m(frequency_ghz: float, model: Model) -> float:
    """Rain's attenuation per metre; none below 1 GHz, where P.838 ends and rain does nothing."""
    if model.rain_rate_mm_h == 0 or frequency_ghz < 1.0:
        return 0.0
    rate = p838.specific_attenuation_db_per_km(frequency_ghz, model.rain_rate_mm_h, "V")
    return float(rate) / 1000.0


def clutter_table(frequency_ghz: float, longest_m: float, percent: float) -> np.ndarray:
    """P.2108 loss in dB in steps of 10 m, 0 below its 250 m, float32."""
    distance_m = np.arange(0.0, longest_m + 2 * _CLUTTER_STEP_M, _CLUTTER_STEP_M)
    loss = np.zeros_like(distance_m)
    far = distance_m >= 250.0
    if far.any():
        loss[far] = p2108.terrestrial_clutter_loss_db(
            frequency_ghz, distance_m[far] / 1000.0, percent, outside="warn"
        )
    return loss.astype(np.float32)


def los_probability_table(longest_m: float, ut_height_m: float) -> np.ndarray:
    """LOS probability by scenario in steps of 1 m, float32 (3, n)."""
    distance_m = np.arange(0.0, longest_m + 2.0)
    rows = [tr38901.los_probability(s, distance_m, ut_height_m) for s in tr38901.SCENARIOS]
    return np.stack(rows).astype(np.float32)


# Both functions below are looked up: of log2 ν, and of the difference of two levels.
_NU_LOG2 = (-8.0, 14.0)
_NU_STEPS = 128.0
_EDGE_DB = p526.bullington_excess_db(
    p526.knife_edge_loss_db(2.0 ** np.arange(*_NU_LOG2, 1.0 / _NU_STEPS)), 0.0
).astype(np.float32)
_APART_DB = 24.0
_APART_STEPS = 64.0
_SUM_DB = np.append(
    10.0 * np.log10(1.0 + 10.0 ** (-np.arange(0.0, _APART_DB, 1.0 / _APART_STEPS) / 10.0)), 0.0
).astype(np.float32)
# log2 over [1, 2] in powers, within 2e-7: what is left is single precision's own rounding.
_LOG2 = (
    np.polynomial.Chebyshev.interpolate(np.log2, 9, domain=[1.0, 2.0])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)

# Abramowitz and Stegun's 4.4.49: the arc tangent of 0 to 1 within 1e-5, here in degrees.
_ATAN = np.degrees([0.9998660, -0.3302995, 0.1801410, -0.0851330, 0.0208351]).astype(np.float32)


@_njit
def edge_loss_db(log2_nu, distance_m):  # type: ignore[no-untyped-def]
    """Bullington's loss from log2 ν of its equivalent edge (P.526-15, equations (31) and (58)).

    Looked up, within 0.03 dB; ν below 1/256 counts as that.
    """
    place = int((log2_nu - _NU_LOG2[0]) * _NU_STEPS + 0.5)
    return _EDGE_DB[min(max(place, 0), _EDGE_DB.size - 1)] + 2e-5 * distance_m


@_njit
def blend_db(los_db, nlos_db, diffracted_db):  # type: ignore[no-untyped-def]
    """Loss of a blocked link: its two ways' powers added (see the module).

    Looked up, within 0.02 dB.
    """
    place = min(int(abs(nlos_db - diffracted_db) * _APART_STEPS + 0.5), _SUM_DB.size - 1)
    return max(min(nlos_db, diffracted_db) - _SUM_DB[place], los_db)


@_njit
def expected_db(share, los_db, hidden_db):  # type: ignore[no-untyped-def]
    """Loss where only the probability of line of sight is known: the mean field strength's.

    It lies between the mean of the losses (too low a signal near the site) and the loss of the mean
    power (carried by the few that see the site from afar).
    """
    fade = 10.0 ** ((los_db - hidden_db) * 0.05)
    return los_db - 20.0 * math.log10(share + (1.0 - share) * fade)


@_njit
def link_geometry(top, x0, y0, z0, x1, y1, z1, cell_m, roof_m, inside, own_m, edges):  # type: ignore[no-untyped-def]
    """Whether a link is blocked, and ν·√λ of its equivalent edge.

    Parameters
    ----------
    x0, y0, z0, x1, y1, z1 : float
        Receiver (0) and transmitter (1): column and row in cells of the surface, height in metres.
    cell_m : float
        Side of a cell in metres.
    roof_m : float
        Top of the roof that the antenna stands on; NaN: it stands on none.
    inside : bool
        Whether the receiver is inside a building.
    own_m : float
        Length within which an end's own building does not block.
    edges : bool
        Whether the edges are wanted; without, ν is 0 and the answer comes sooner.

    Returns
    -------
    blocked : bool
    nu : float
        P.526's ν times the root of the wavelength in metres.
    start, end : float
        The stretch of the line that was looked at, in shares of its length from the receiver.
    point : float
        The equivalent edge's distance from the transmitter, in shares of the length.
    """
    dx, dy = x1 - x0, y1 - y0
    length = math.sqrt(dx * dx + dy * dy) * cell_m
    if length < 1e-6:
        return False, 0.0, 0.0, 1.0, 0.5
    rows, cols = top.shape
    start, end = 0.0, 1.0
    if x0 < 0 or y0 < 0 or x0 >= cols or y0 >= rows or x1 < 0 or y1 < 0 or x1 >= cols or y1 >= rows:
        start, end = clip(x0, y0, dx, dy, rows, cols)
    own = own_m / length
    if inside:
        start = max(start, leave(top, x0, y0, dx, dy, z0 + 1e-3, np.inf, min(own, 1.0)))
    if not math.isnan(roof_m):
        highest = max(z1, roof_m + ROOF_STEP_M)
        run = leave(top, x1, y1, -dx, -dy, roof_m - ROOF_STEP_M, highest, min(own, 1.0))
        end = min(end, 1.0 - run)
    elif 0 <= x1 < cols and 0 <= y1 < rows and top[int(y1), int(x1)] > z1:
        # A pole beside a wall: the cell that it shares with the building does not count.
        out_x = (math.floor(x1) + (1.0 if dx < 0 else 0.0) - x1) / -dx if dx != 0.0 else np.inf
        out_y = (math.floor(y1) + (1.0 if dy < 0 else 0.0) - y1) / -dy if dy != 0.0 else np.inf
        end = min(end, 1.0 - min(out_x, out_y))
    if start >= end:
        return False, 0.0, start, end, 0.5
    if not edges:
        blocked = point_blocks(top, x0, y0, z0, x1, y1, z1, start, end) or not sees(
            top, x0, y0, z0, x1, y1, z1, start, end
        )
        return blocked, 0.0, start, end, 0.5
    dz = z1 - z0
    slope_rx, slope_tx = horizon_slopes(top, x0, y0, z0, x1, y1, z1, start, end)
    # A point clearly above the line proves it blocked; all else is left to the exact walk.
    if slope_rx <= dz + 1e-3 + 1e-5 * abs(dz) and sees(top, x0, y0, z0, x1, y1, z1, start, end):
        return False, 0.0, start, end, 0.5
    # How far either horizon rises above the line, per length. Where the two lines meet, the point
    # lies a b / (a + b) above it, a / (a + b) of the way: put into P.526's ν, the sum cancels.
    a, b = max(slope_rx - dz, 1e-6), max(slope_tx + dz, 1e-6)
    return True, math.sqrt(2.0 * a * b / length), start, end, a / (a + b)


@_njit
def bearing_deg(y, x):  # type: ignore[no-untyped-def]
    """The angle of (x, y) from the x axis in degrees, −180 to 180, within 0.001°.

    Half the time of the exact arc tangent; the polynomial is Abramowitz and Stegun's 4.4.49.
    """
    a, b = abs(x), abs(y)
    high = max(a, b)
    if high == 0.0:
        return 0.0
    q = min(a, b) / high
    s = q * q
    angle = q * (0.9998660 + s * (-0.3302995 + s * (0.1801410 + s * (-0.0851330 + s * 0.0208351))))
    if b > a:
        angle = 0.5 * math.pi - angle
    if x < 0.0:
        angle = math.pi - angle
    return math.copysign(angle * (180.0 / math.pi), y)


@_njit
def antenna_gain_db(east, north, up, azimuths, site, tilt):  # type: ignore[no-untyped-def]
    """Gain towards a direction relative to boresight: :func:`tdh.radio.antenna.site_pattern_db`.

    ``azimuths`` (n_sites, n_sectors) in degrees, NaN where there is no sector; ``tilt`` NaN: no
    vertical pattern for an omnidirectional antenna, 0 for sectors.
    """
    off = 0.0
    if not math.isnan(azimuths[site, 0]):
        off = 360.0
        bearing = bearing_deg(east, north)
        for i in range(azimuths.shape[1]):
            azimuth = azimuths[site, i]
            if not math.isnan(azimuth):
                turn = abs(bearing - azimuth)
                while turn > 180.0:
                    turn = abs(turn - 360.0)
                off = min(off, turn)
        if math.isnan(tilt):
            tilt = 0.0
    elif math.isnan(tilt):
        return 0.0
    down = bearing_deg(up, math.sqrt(east * east + north * north)) + tilt
    loss = min(12.0 * (off / 65.0) ** 2, 30.0) + min(12.0 * (down / 65.0) ** 2, 30.0)
    return -min(loss, 30.0)


@_njit
def law_db(law, x, distance_2d, distance_3d):  # type: ignore[no-untyped-def]
    """LOS and NLOS loss by a site's constants (:func:`law_constants`), x = log10 of 3D distance."""
    if distance_2d <= law[3]:
        los = law[0] + law[1] * x + law[2] * distance_3d
    else:
        los = law[4] + law[5] * x
    return los, max(los, law[6] + law[7] * x)


@_njit
def _log2(values, whole, rest, out, n):  # type: ignore[no-untyped-def]
    """log2 of positive float32 values; ``whole`` int32 and ``rest`` float32 are for work.

    Plain steps over arrays, here and below: the compiler turns them into vector instructions, which
    it cannot do with calls into a library of mathematics.
    """
    bits, rest_bits = values.view(np.int32), rest.view(np.int32)
    for i in range(n):
        whole[i] = (bits[i] >> 23) - 127
        rest_bits[i] = (bits[i] & 0x7FFFFF) | 0x3F800000
    for i in range(n):
        m = rest[i]
        total = _LOG2[9]
        for k in range(8, -1, -1):
            total = total * m + _LOG2[k]
        out[i] = total + np.float32(whole[i])


@_njit
def _angles_deg(y, x, out, n):  # type: ignore[no-untyped-def]
    """:func:`bearing_deg` of float32 arrays."""
    for i in range(n):
        a, b = abs(x[i]), abs(y[i])
        q = min(a, b) / max(max(a, b), np.float32(1e-20))
        t = q * q
        angle = q * (_ATAN[0] + t * (_ATAN[1] + t * (_ATAN[2] + t * (_ATAN[3] + t * _ATAN[4]))))
        angle = np.float32(90.0) - angle if b > a else angle
        angle = np.float32(180.0) - angle if x[i] < 0 else angle
        out[i] = -angle if y[i] < 0 else angle


@_njit
def _gains_db(bearing, elevation, azimuths, tilt, off, out, n):  # type: ignore[no-untyped-def]
    """:func:`antenna_gain_db` of float32 arrays of angles; ``off`` is for work."""
    several = not math.isnan(azimuths[0])
    if not several and math.isnan(tilt):
        out[:n] = 0.0
        return
    for i in range(n):
        off[i] = 360.0 if several else 0.0
    for azimuth in azimuths:
        if math.isnan(azimuth):
            continue
        towards = np.float32(azimuth % 360.0)
        for i in range(n):
            turn = abs(bearing[i] - towards)
            turn = min(turn, abs(turn - np.float32(360.0)))
            off[i] = min(off[i], turn)
    down = np.float32(0.0 if math.isnan(tilt) else tilt)
    for i in range(n):
        flat, steep = off[i] / np.float32(65.0), (elevation[i] + down) / np.float32(65.0)
        limit = np.float32(30.0)
        loss = min(np.float32(12.0) * flat * flat, limit)
        loss += min(np.float32(12.0) * steep * steep, limit)
        out[i] = -min(loss, limit)


@_njit
def _losses_db(law, x, flat, direct, blocked, nu_log2, shift, edges, offset, out, n):  # type: ignore[no-untyped-def]
    """Loss of links over a surface in one band: :func:`law_db`, :func:`edge_loss_db`, :func:`blend_db`."""
    c = law.astype(np.float32)
    low, per_step = np.float32(_NU_LOG2[0]), np.float32(_NU_STEPS)
    half, last_edge, last_sum = np.float32(0.5), _EDGE_DB.size - 1, _SUM_DB.size - 1
    move, more = np.float32(shift), np.float32(offset)
    for i in range(n):
        near = c[0] + c[1] * x[i] + c[2] * direct[i]
        los = near if flat[i] <= c[3] else c[4] + c[5] * x[i]
        loss = max(los, c[6] + c[7] * x[i])
        if edges:
            place = int((nu_log2[i] + move - low) * per_step + half)
            edge = _EDGE_DB[np.uint64(min(max(place, 0), last_edge))]
            over = los + edge + np.float32(2e-5) * flat[i] + more
            apart = int(abs(loss - over) * np.float32(_APART_STEPS) + half)
            loss = max(min(loss, over) - _SUM_DB[np.uint64(min(apart, last_sum))], los)
        out[i] = loss if blocked[i] else los


@_njit
def _expected_losses_db(law, x, flat, direct, share, clutter, out, n):  # type: ignore[no-untyped-def]
    """Loss of links without a surface in one band: :func:`expected_db`."""
    for i in range(n):
        los, nlos = law_db(law, float(x[i]), float(flat[i]), float(direct[i]))
        step = int(min(flat[i] / _CLUTTER_STEP_M, clutter.size - 1))
        out[i] = expected_db(share[i], los, max(nlos, los + clutter[step]))


@_njit
def _keep(signal, q, n, floor_dbm):  # type: ignore[no-untyped-def]
    """Signals in dBm as they are stored, 0 below the floor."""
    low, step, half = np.float32(OFFSET_DBM), np.float32(1.0 / STEP_DB), np.float32(0.5)
    for i in range(n):
        stored = int(min(max((signal[i] - low) * step + half, np.float32(0.0)), np.float32(255.0)))
        q[i] = stored if signal[i] >= floor_dbm else 0


@_njit
def predict(  # type: ignore[no-untyped-def]
    first,
    last,
    surface,  # (has, x_min, y_max, cell) and its tops
    top,
    grid,  # (x_min, y_max, cell, rows, cols)
    lookup,
    receivers,  # float64 (n_cells, 3): x, y, z
    inside,  # uint8 (n_cells,): 1 indoors
    sites,  # float64 (n_sites, 5): x, y, z, roof, radius
    azimuths,  # float64 (n_plans, n_sites, n_sectors)
    tilts,  # float64 (n_plans, n_sites)
    environments,  # int64 (n_sites,)
    laws,  # float64 (n_sites, n_bands, 8)
    levels,  # float64 (n_sites, n_bands): SS-RSRP without loss, NaN: not transmitted
    plans,  # int64 (n_bands,): which of the antenna plans the band uses
    bands,  # float64 (n_bands, 3): log2 1/sqrt(wavelength), rain dB/m, 1 where entry loss everywhere
    entry,  # float32 (n_bands, 91)
    clutter,  # float32 (n_bands, n)
    probability,  # float32 (3, n)
    options,  # float64: diffraction, its offset, own building, floor
    columns,
    data,
    in_sight,
    counts,
):
    """Signals of sites ``first..last`` at all receivers in their radius, appended per band.

    ``columns`` int32, ``data`` uint8 and ``in_sight`` uint8 are (n_bands, capacity); ``counts``
    (n_bands, last − first) takes how many of them are each site's. A row of the grid at a time:
    first the geometry, link by link, then what follows from it, all links of the row together.
    """
    n_bands, n_plans = laws.shape[1], azimuths.shape[0]
    used = np.zeros(n_bands, np.int64)
    has_surface = surface[0] != 0.0
    n_rows, n_cols = lookup.shape
    edges = options[0] != 0.0
    cell = np.empty(n_cols, np.int32)
    hidden = np.empty(n_cols, np.bool_)
    indoors = np.empty(n_cols, np.float32)
    east, north, up, nu, share, work, part, distance, flat, direct, x, bearing, elevation = (
        np.empty((13, n_cols), np.float32)
    )
    gains = np.empty((n_plans, n_cols), np.float32)
    signal = np.empty(n_cols, np.float32)
    whole = np.empty(n_cols, np.int32)
    stored = np.empty(n_cols, np.uint8)
    for s in range(first, last):
        x1, y1, z1, roof, radius = sites[s]
        before = used.copy()
        cx1, cy1 = (x1 - surface[1]) / surface[3], (surface[2] - y1) / surface[3]
        r0 = max(math.floor((grid[1] - y1 - radius) / grid[2]), 0)
        r1 = min(math.ceil((grid[1] - y1 + radius) / grid[2]), n_rows)
        c0 = max(math.floor((x1 - radius - grid[0]) / grid[2]), 0)
        c1 = min(math.ceil((x1 + radius - grid[0]) / grid[2]), n_cols)
        for r in range(r0, r1):
            centre_y = grid[1] - (r + 0.5) * grid[2]
            n = 0
            any_indoors = False
            for c in range(c0, c1):
                k = lookup[r, c]
                if k < 0:
                    continue
                centre_x = grid[0] + (c + 0.5) * grid[2]
                if (centre_x - x1) ** 2 + (centre_y - y1) ** 2 > radius * radius:
                    continue
                x0, y0, z0 = receivers[k, 0], receivers[k, 1], receivers[k, 2]
                blocked, edge = False, 1.0
                if has_surface:
                    blocked, edge, _, _, _ = link_geometry(
                        top,
                        (x0 - surface[1]) / surface[3],
                        (surface[2] - y0) / surface[3],
                        z0,
                        cx1,
                        cy1,
                        z1,
                        surface[3],
                        roof,
                        inside[k] != 0,
                        options[2],
                        edges,
                    )
                cell[n], hidden[n], indoors[n] = k, blocked, inside[k]
                east[n], north[n], up[n], nu[n] = x0 - x1, y0 - y1, z0 - z1, max(edge, 1e-6)
                any_indoors |= inside[k] != 0
                n += 1
            if n == 0:
                continue
            for i in range(n):
                square = east[i] * east[i] + north[i] * north[i]
                distance[i] = np.sqrt(square)
                near = max(square, np.float32(NEAREST_M * NEAREST_M))
                flat[i] = np.sqrt(near)
                part[i] = near + up[i] * up[i]
                direct[i] = np.sqrt(part[i])
            _log2(part, whole, work, x, n)
            for i in range(n):
                x[i] *= np.float32(0.5 * math.log10(2.0))
            if edges and has_surface:
                part[:n] = nu[:n]
                _log2(part, whole, work, nu, n)
            if not has_surface:
                for i in range(n):
                    far = int(min(distance[i], probability.shape[1] - 1))
                    share[i] = probability[environments[s], far]
                    hidden[i] = share[i] < 0.5
            _angles_deg(east, north, bearing, n)
            _angles_deg(up, distance, elevation, n)
            for p in range(n_plans):
                _gains_db(bearing, elevation, azimuths[p, s], tilts[p, s], work, gains[p], n)
            for b in range(n_bands):
                level = levels[s, b]
                if math.isnan(level):
                    continue
                if has_surface:
                    _losses_db(
                        laws[s, b], x, flat, direct, hidden, nu, bands[b, 0], edges, options[1], part, n
                    )  # fmt: skip
                else:
                    _expected_losses_db(laws[s, b], x, flat, direct, share, clutter[b], part, n)
                gain, rain = gains[plans[b]], np.float32(bands[b, 1])
                for i in range(n):
                    signal[i] = np.float32(level) + gain[i] - part[i] - rain * direct[i]
                everywhere = bands[b, 2] != 0.0
                if any_indoors or everywhere:
                    for i in range(n):
                        steep = int(abs(elevation[i]) + np.float32(0.5))
                        share_in = np.float32(1.0) if everywhere else indoors[i]
                        signal[i] -= entry[b, np.uint64(steep)] * share_in
                _keep(signal, stored, n, options[3])
                m = used[b]
                for i in range(n):
                    if stored[i]:
                        columns[b, m] = cell[i]
                        data[b, m] = stored[i]
                        in_sight[b, m] = not hidden[i]
                        m += 1
                used[b] = m
        for b in range(n_bands):
            counts[b, s - first] = used[b] - before[b]


@_njit
def open_places(building, surface, centres, cell_m, out):  # type: ignore[no-untyped-def]
    """The open surface cell nearest to each plan cell's centre, within the plan cell.

    ``surface`` is (x_min, y_max, cell); ``centres`` float64 (n, 2). ``out`` int64 (n, 2) takes row
    and column, −1 where all of the plan cell is built over (or off the surface).
    """
    rows, cols = building.shape
    half = cell_m / 2.0
    for k in range(centres.shape[0]):
        x, y = centres[k]
        c0 = max(math.ceil((x - half - surface[0]) / surface[2] - 0.5), 0)
        c1 = min(math.floor((x + half - surface[0]) / surface[2] - 0.5), cols - 1)
        r0 = max(math.ceil((surface[1] - y - half) / surface[2] - 0.5), 0)
        r1 = min(math.floor((surface[1] - y + half) / surface[2] - 0.5), rows - 1)
        nearest = np.inf
        out[k, 0] = out[k, 1] = -1
        for r in range(r0, r1 + 1):
            dy = surface[1] - (r + 0.5) * surface[2] - y
            for c in range(c0, c1 + 1):
                dx = surface[0] + (c + 0.5) * surface[2] - x
                far = dx * dx + dy * dy
                if building[r, c] == 0.0 and far < nearest - 1e-6:
                    nearest = far
                    out[k, 0], out[k, 1] = r, c
