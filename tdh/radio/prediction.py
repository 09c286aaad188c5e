"""Signals of many sites at many receivers: the compiled core of coverage, arrays in and out.

One walk over the surface per link decides line of sight and finds both horizons; all bands share
it. Per band there remain a line in log10 of the distance (TR 38.901), one knife edge (P.526) and a
table of entry losses (P.2109).

Blocked links
-------------
A blocked signal arrives by two ways that add in power: over the controlling edges, and by
reflection and scatter through the streets, of which the NLOS law of TR 38.901 is the mean::

    L = max(L_LOS, -10 log10(10^(-(L_LOS + w L_bull + offset)/10) + 10^(-L_NLOS/10)))

So loss grows continuously as an edge rises into the path, and never exceeds the NLOS law. The
weight and offset of diffraction and offset and slope of both laws are what a calibration fits
(:class:`tdh.radio.model.Model`).

A corner that a line clips between two points of its profile still blocks it, by the exact walk,
but adds no edge: the link is charged as grazing, which is what diffraction around the corner costs.

Left out in this core, with their size: the Earth's bulge (0.4 m in the middle of 5 km) and the
spherical-Earth term of the delta-Bullington method; :mod:`tdh.radio.p526` has both.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from tdh.radio import p526
from tdh.radio.line_of_sight import blocking_point, clip, horizon_slopes, leave, sees
from tdh.radio.tables import CLUTTER_STEP_M
from tdh.radio.vectors import angles_deg, bearing_deg, log2_of

OFFSET_DBM = -150.5
STEP_DB = 0.5
"""A stored signal q stands for −150.5 + 0.5 q dBm; 0 is absent."""
NEAREST_M = 10.0
"""Laws hold from 10 m; nearer links are charged as at 10 m."""
ROOF_STEP_M = 2.0
_SAME_PLACE = 1e-7  # cells

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")


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
    blocked, a, b, start, end = rises(
        top, x0, y0, z0, x1, y1, z1, cell_m, roof_m, inside, own_m, edges
    )
    if not blocked or not edges:
        return blocked, 0.0, start, end, 0.5
    length = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2) * cell_m
    return True, math.sqrt(2.0 * a * b / length), start, end, a / (a + b)


@_njit
def rises(top, x0, y0, z0, x1, y1, z1, cell_m, roof_m, inside, own_m, edges):  # type: ignore[no-untyped-def]
    """Whether a link is blocked, and how far either horizon rises above its line.

    Parameters as :func:`link_geometry`.

    Returns
    -------
    blocked : bool
    rx_m, tx_m : float
        Rise above the line over its whole length, of the receiver's and the transmitter's horizon.
        Where the two meet, the point lies a b / (a + b) above the line, a / (a + b) of the way from
        the transmitter: put into P.526's ν, the sum cancels, and ν √λ = √(2 a b / length).
    start, end : float
    """
    dx, dy = x1 - x0, y1 - y0
    if abs(dx) + abs(dy) < _SAME_PLACE:
        return False, 1e-6, 1e-6, 0.0, 1.0
    rows, cols = top.shape
    start, end = 0.0, 1.0
    if x0 < 0 or y0 < 0 or x0 >= cols or y0 >= rows or x1 < 0 or y1 < 0 or x1 >= cols or y1 >= rows:
        start, end = clip(x0, y0, dx, dy, rows, cols)
    if inside:
        own = min(own_m / (math.sqrt(dx * dx + dy * dy) * cell_m), 1.0)
        start = max(start, leave(top, x0, y0, dx, dy, z0 + 1e-3, np.inf, own))
    if not math.isnan(roof_m):
        own = min(own_m / (math.sqrt(dx * dx + dy * dy) * cell_m), 1.0)
        highest = max(z1, roof_m + ROOF_STEP_M)
        end = min(end, 1.0 - leave(top, x1, y1, -dx, -dy, roof_m - ROOF_STEP_M, highest, own))
    elif 0 <= x1 < cols and 0 <= y1 < rows and top[int(y1), int(x1)] > z1:
        # A pole beside a wall: the cell that it shares with the building does not count.
        out_x = (math.floor(x1) + (1.0 if dx < 0 else 0.0) - x1) / -dx if dx != 0.0 else np.inf
        out_y = (math.floor(y1) + (1.0 if dy < 0 else 0.0) - y1) / -dy if dy != 0.0 else np.inf
        end = min(end, 1.0 - min(out_x, out_y))
    if start >= end:
        return False, 1e-6, 1e-6, start, end
    if not edges:
        blocked = blocking_point(top, x0, y0, z0, x1, y1, z1, start, end) > 0 or not sees(
            top, x0, y0, z0, x1, y1, z1, start, end
        )
        return blocked, 1e-6, 1e-6, start, end
    dz = z1 - z0
    slope_rx, slope_tx = horizon_slopes(top, x0, y0, z0, x1, y1, z1, start, end)
    # A point clearly above the line proves it blocked; all else is left to the exact walk.
    if slope_rx <= dz + 1e-3 + 1e-5 * abs(dz) and sees(top, x0, y0, z0, x1, y1, z1, start, end):
        return False, 1e-6, 1e-6, start, end
    return True, max(slope_rx - dz, 1e-6), max(slope_tx + dz, 1e-6), start, end


@_njit
def antenna_gain_db(east, north, up, azimuths, site, tilt, pattern):  # type: ignore[no-untyped-def]
    """Gain towards a direction relative to boresight: :func:`tdh.radio.antenna.site_pattern_db`.

    ``azimuths`` (n_sites, n_sectors) in degrees, NaN where there is no sector; ``tilt`` NaN: no
    vertical pattern for an omnidirectional antenna, 0 for sectors. ``pattern``: beamwidths and limit.
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
    wide, high, limit = pattern
    loss = min(12.0 * (off / wide) ** 2, limit) + min(12.0 * (down / high) ** 2, limit)
    return -min(loss, limit)


@_njit
def law_db(law, x, distance_2d, distance_3d):  # type: ignore[no-untyped-def]
    """LOS and NLOS loss by a site's :func:`tdh.radio.tables.law_constants`; x = log10 of the 3D distance."""
    if distance_2d <= law[3]:
        los = law[0] + law[1] * x + law[2] * distance_3d
    else:
        los = law[4] + law[5] * x
    return los, max(los, law[6] + law[7] * x)


@_njit
def _gains_db(bearing, elevation, azimuths, tilt, pattern, off, out, n):  # type: ignore[no-untyped-def]
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
    wide, high, limit = np.float32(pattern[0]), np.float32(pattern[1]), np.float32(pattern[2])
    for i in range(n):
        flat, steep = off[i] / wide, (elevation[i] + down) / high
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
            over = los + c[8] * (edge + np.float32(2e-5) * flat[i]) + more
            apart = int(abs(loss - over) * np.float32(_APART_STEPS) + half)
            loss = max(min(loss, over) - _SUM_DB[np.uint64(min(apart, last_sum))], los)
        out[i] = loss if blocked[i] else los


@_njit
def _expected_losses_db(law, x, flat, direct, share, clutter, out, n):  # type: ignore[no-untyped-def]
    """Loss of links without a surface in one band: :func:`expected_db`."""
    for i in range(n):
        los, nlos = law_db(law, float(x[i]), float(flat[i]), float(direct[i]))
        step = int(min(flat[i] / CLUTTER_STEP_M, clutter.size - 1))
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
    pattern,  # three floats: beamwidths and limit of the antennas
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
                blocked, a, b = False, 1.0, 1.0
                if has_surface:
                    blocked, a, b, _, _ = rises(
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
                east[n], north[n], up[n], nu[n] = x0 - x1, y0 - y1, z0 - z1, a * b
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
            log2_of(part, whole, work, x, n)
            for i in range(n):
                x[i] *= np.float32(0.5 * math.log10(2.0))
            if edges and has_surface:
                for i in range(n):
                    nu[i] *= np.float32(2.0) / max(distance[i], np.float32(1.0))
                    part[i] = max(nu[i], np.float32(1e-12))
                log2_of(part, whole, work, nu, n)
                for i in range(n):
                    nu[i] *= np.float32(0.5)
            if not has_surface:
                for i in range(n):
                    far = int(min(distance[i], probability.shape[1] - 1))
                    share[i] = probability[environments[s], far]
                    hidden[i] = share[i] < 0.5
            angles_deg(east, north, bearing, n)
            angles_deg(up, distance, elevation, n)
            for p in range(n_plans):
                _gains_db(
                    bearing, elevation, azimuths[p, s], tilts[p, s], pattern, work, gains[p], n
                )
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
