"""Exact line of sight over a raster of flat-topped prisms, and the edges that block it.

Every raster cell that the line between two antennas crosses counts, over the whole stretch in
which it crosses it: a cell blocks where its top rises above the line anywhere in that stretch. No
ray is shared between receivers and no height is interpolated. Cells that the line only touches at
a corner are not crossed.

Two walks share the work. :func:`sees` visits every cell that is crossed and is exact. In front of
it, points along the line are looked at, first where neighbouring lines were blocked: a point inside
a prism proves the line blocked, at a fraction of the cost, so that the exact walk is left with the
lines that are probably clear. The answer is the exact walk's in every case.
"""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import ArrayLike

from tdh.errors import DomainError, Problem
from tdh.language import Text
from tdh.radio.vectors import largest

_TOUCH = 1e-9  # shares of the line's length below which a cell is touched, not crossed

# Points stand at (i - PHASE) / n of a line, i = 1..n. The golden ratio is the number that is
# hardest to approximate by fractions: between cells' centres, no point comes nearer to a corner
# of cells than rounding could carry it across, so a point never lies in a cell that the line does
# not cross.
PHASE = (3.0 - math.sqrt(5.0)) / 2.0
MOST_POINTS = 4096
_FROM_RX = (1.0 / (np.arange(MOST_POINTS + 1) - PHASE)).astype(np.float32)
_FROM_TX = (1.0 / (np.arange(MOST_POINTS + 1) + PHASE)).astype(np.float32)
_FIXED = 4294967296.0  # positions as integers of 2**-32 cells: no conversion per point

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")
# Largest values do not depend on the order in which they are found: these flags change no result.
_njit_max = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz"}
)


@_njit
def clip(x0, y0, dx, dy, rows, cols):  # type: ignore[no-untyped-def]
    """The stretch ``start, end`` of a line (in shares of its length) that lies over the raster."""
    start, end = 0.0, 1.0
    for origin, delta, size in ((x0, dx, cols), (y0, dy, rows)):
        if delta == 0.0:
            if origin < 0.0 or origin >= size:
                return 1.0, 0.0
        else:
            a, b = -origin / delta, (size - origin) / delta
            if a > b:
                a, b = b, a
            start, end = max(start, a), min(end, b)
    # A hair inside, so that no point falls off the raster by rounding.
    return start + 1e-6, end - 1e-6


@_njit
def leave(top, x0, y0, dx, dy, lowest, highest, longest):  # type: ignore[no-untyped-def]
    """How far a line runs from its start over cells with tops within ``lowest..highest``.

    Looked at once a column or row, whichever it crosses more, and exactly at the end. Returns the
    share of its length (at most ``longest``) at which it leaves the last such cell.
    """
    rows, cols = top.shape
    n = max(math.ceil(max(abs(dx), abs(dy))), 1)
    sx, sy = np.int64(dx / n * _FIXED), np.int64(dy / n * _FIXED)
    kx, ky = np.int64(math.floor(x0 * _FIXED)), np.int64(math.floor(y0 * _FIXED))
    ix = iy = np.int64(-1)
    for _ in range(math.ceil(longest * n)):
        c, r = kx >> 32, ky >> 32
        if c < 0 or r < 0 or c >= cols or r >= rows:
            break
        if not (lowest <= top[np.uint64(r), np.uint64(c)] <= highest):
            break
        ix, iy = c, r
        kx += sx
        ky += sy
    if ix < 0:
        return 0.0
    # From the last cell looked at, cell by cell: a corner between two looks may belong to them, too.
    while True:
        out_x = (ix + (dx > 0) - x0) / dx if dx != 0.0 else np.inf
        out_y = (iy + (dy > 0) - y0) / dy if dy != 0.0 else np.inf
        out = min(out_x, out_y, longest)
        if out >= longest:
            return longest
        if out_x <= out_y:
            ix += 1 if dx > 0 else -1
        else:
            iy += 1 if dy > 0 else -1
        inside = 0 <= ix < cols and 0 <= iy < rows
        if not inside or not lowest <= top[iy, ix] <= highest:
            return out


@_njit
def sees(top, x0, y0, z0, x1, y1, z1, start, end):  # type: ignore[no-untyped-def]
    """Whether no prism blocks a line: exact.

    Parameters
    ----------
    top : float32 (rows, cols)
        Tops in metres.
    x0, y0, z0, x1, y1, z1 : float
        The receiver (0) and the transmitter (1): column and row in cells (a cell's centre lies at
        .5), height in metres in the raster's datum. Off the raster nothing blocks.
    start, end : float
        The stretch of the line, in shares of its length from the receiver, that counts.
    """
    rows, cols = top.shape
    dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
    ix, iy = math.floor(x0), math.floor(y0)
    step_x, step_y = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
    inverse_x = 1.0 / dx if dx != 0.0 else np.inf
    inverse_y = 1.0 / dy if dy != 0.0 else np.inf
    t_x = (ix + (dx > 0) - x0) * inverse_x if dx != 0.0 else np.inf
    t_y = (iy + (dy > 0) - y0) * inverse_y if dy != 0.0 else np.inf
    delta_x, delta_y = abs(inverse_x), abs(inverse_y)
    rising = dz >= 0
    t = 0.0
    while True:
        leaving = min(t_x, t_y, end)
        # The line's lowest point over a cell is where it enters (rising) or leaves (falling).
        if (
            leaving > start
            and 0 <= iy < rows
            and 0 <= ix < cols
            and top[iy, ix] > z0 + dz * (max(t, start) if rising else leaving)
            and leaving - max(t, start) > _TOUCH
        ):
            return False
        if leaving >= end:
            return True
        t = leaving
        if t_x < t_y:
            ix += step_x
            t_x += delta_x
        else:
            iy += step_y
            t_y += delta_y


@_njit_max
def _steepest(top, kx, ky, sx, sy, h0, h1, n, first, last):  # type: ignore[no-untyped-def]
    rx = tx = np.float32(-1e9)
    for i in range(first, last):
        height = top[np.uint64((ky + i * sy) >> 32), np.uint64((kx + i * sx) >> 32)]
        rx = largest(rx, (height - h0) * _FROM_RX[np.uint64(i)])  # type: ignore[call-arg]
        tx = largest(tx, (height - h1) * _FROM_TX[np.uint64(n - i)])
    return rx, tx


@_njit
def points_on(x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """How many points along a line are looked at: one a column or row, whichever it crosses more."""
    return min(max(math.ceil(max(abs(x1 - x0), abs(y1 - y0))), 1), MOST_POINTS)


@_njit
def horizon_slopes(top, x0, y0, z0, x1, y1, z1, start, end):  # type: ignore[no-untyped-def]
    """The steepest rises from both ends of a line to the tops at points along it.

    Parameters as :func:`sees`; the stretch must lie over the raster. The profile is taken once a
    cell.

    Returns
    -------
    slope_rx, slope_tx : float
        Rise over the whole length of the line, from the receiver and from the transmitter; very
        small where no point lies in the stretch.
    """
    n = points_on(x0, y0, x1, y1)
    inverse = 1.0 / n
    step_x, step_y = (x1 - x0) * inverse, (y1 - y0) * inverse
    sx, sy = np.int64(step_x * _FIXED), np.int64(step_y * _FIXED)
    kx, ky = np.int64((x0 - PHASE * step_x) * _FIXED), np.int64((y0 - PHASE * step_y) * _FIXED)
    first = max(math.ceil(start * n + PHASE), 1)
    last = min(math.floor(end * n + PHASE), n) + 1
    rx, tx = _steepest(top, kx, ky, sx, sy, np.float32(z0), np.float32(z1), n, first, last)
    return float(rx) * n, float(tx) * n


@_njit
def blocking_point(top, x0, y0, z0, x1, y1, z1, start, end, hint=0, hint2=0):  # type: ignore[no-untyped-def]
    """A point of the line that lies inside a prism, counted from the receiver; 0 proves nothing.

    Parameters as :func:`sees`; the stretch must lie over the raster. ``hint`` and ``hint2`` are the
    points that blocked neighbouring lines (0: none): what hides a receiver mostly hides its
    neighbours, so the points about there are looked at first.
    """
    n = points_on(x0, y0, x1, y1)
    inverse = 1.0 / n
    step_x, step_y, rise = (x1 - x0) * inverse, (y1 - y0) * inverse, (z1 - z0) * inverse
    sx, sy = np.int64(step_x * _FIXED), np.int64(step_y * _FIXED)
    kx, ky = np.int64((x0 - PHASE * step_x) * _FIXED), np.int64((y0 - PHASE * step_y) * _FIXED)
    z = z0 - PHASE * rise + 1e-6
    first, last = max(math.ceil(start * n + PHASE), 1), math.floor(end * n + PHASE)
    for near in (hint, hint2):
        if near > 0:
            for i in range(max(near - 1, first), min(near + 1, last) + 1):
                if (
                    top[np.uint64((ky + i * sy) >> 32), np.uint64((kx + i * sx) >> 32)]
                    > z + i * rise
                ):
                    return i
    kx += first * sx
    ky += first * sy
    z += first * rise
    for i in range(first, last + 1):
        if top[np.uint64(ky >> 32), np.uint64(kx >> 32)] > z:
            return i
        kx += sx
        ky += sy
        z += rise
    return 0


@_njit
def _visible_rows(top, row, col, height, radius_cells, rx_height, reach, first, last, out):  # type: ignore[no-untyped-def]
    rows, cols = top.shape
    x1, y1 = col + 0.5, row + 0.5
    limit = radius_cells * radius_cells
    hints = np.zeros(2 * reach + 1, np.int64)
    for i in range(first, last):
        r = row - reach + i
        if r < 0 or r >= rows:
            continue
        hint = 0
        for j in range(2 * reach + 1):
            c = col - reach + j
            if c < 0 or c >= cols or (r - row) ** 2 + (c - col) ** 2 > limit:
                continue
            z0 = top[r, c] + rx_height
            if r == row and c == col:
                out[i, j] = True
                continue
            end = 1.0
            if top[row, col] > height:  # the antenna stands inside its own cell's prism
                dx, dy = abs(x1 - c - 0.5), abs(y1 - r - 0.5)
                end = 1.0 - 0.5 / max(dx, dy)
            x0, y0 = c + 0.5, r + 0.5
            found = blocking_point(top, x0, y0, z0, x1, y1, height, 0.0, end, hint, hints[j])
            hints[j] = found
            if found > 0:
                hint = found
            else:
                out[i, j] = sees(top, x0, y0, z0, x1, y1, height, 0.0, end)


def visible(
    height_m: ArrayLike,
    cell_size_m: float,
    tx_row_col_height: tuple[int, int, float],
    radius_m: float,
    rx_height_m: float = 1.5,
    *,
    threads: int = 1,
) -> np.ndarray:
    """Which cells around a transmitter see it: exact, over flat-topped prisms.

    Parameters
    ----------
    height_m : array_like of float, shape (rows, cols)
        Tops of the cells in metres above the raster's datum (with buildings above flat ground:
        their heights, 0 in the open).
    cell_size_m : float
        Side of a cell in metres.
    tx_row_col_height : tuple of (int, int, float)
        The transmitter: row and column of its cell, at whose centre it stands, and its height in
        metres above the same datum as ``height_m`` (not above the roof).
    radius_m : float
        Radius in metres, between cells' centres.
    rx_height_m : float
        Receivers' height in metres above their cell's top: street level in the open, on the roof
        where there is a building.
    threads : int
        Threads to share the rows; the answer does not depend on it.

    Returns
    -------
    ndarray of bool, shape (2 n + 1, 2 n + 1), n = floor(radius / cell size)
        The transmitter's cell lies in the middle. False beyond the radius and off the raster.

    Raises
    ------
    DomainError
        If the transmitter lies off the raster, or sizes are not positive.

    Notes
    -----
    The tops of the transmitter's and the receiver's own cells count, as any other's; only where
    the transmitter stands below its own cell's top, that cell is left out.

    Examples
    --------
    A wall of 20 m hides what lies behind it:

    >>> raster = np.zeros((1, 7)); raster[0, 4] = 20
    >>> visible(raster, 5.0, (0, 2, 10.0), 20.0)[4].tolist()
    [False, False, True, True, True, True, False, False, False]
    """
    top = np.ascontiguousarray(height_m, dtype=np.float32)
    row, col, height = int(tx_row_col_height[0]), int(tx_row_col_height[1]), tx_row_col_height[2]
    problems = []
    if not (0 <= row < top.shape[0] and 0 <= col < top.shape[1]):
        problems.append(
            Problem(
                Text("the transmitter lies off the raster", "送信点がラスタの外にあります"),
                value=(row, col),
                expected=f"0..{top.shape[0] - 1}, 0..{top.shape[1] - 1}",
            )
        )
    if not (cell_size_m > 0 and radius_m >= 0):
        problems.append(
            Problem(
                Text("cell size and radius must be positive", "セルと半径は正の数が必要です"),
                value=(cell_size_m, radius_m),
            )
        )
    if problems:
        raise DomainError(*problems)
    reach = math.floor(radius_m / cell_size_m + 1e-9)
    out = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.bool_)
    cells = radius_m / cell_size_m + 1e-9
    parts = np.linspace(0, out.shape[0], threads + 1).astype(int)
    jobs = [
        (top, row, col, float(height), cells, float(rx_height_m), reach, int(a), int(b), out)
        for a, b in itertools.pairwise(parts)
    ]
    if threads == 1:
        _visible_rows(*jobs[0])
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda job: _visible_rows(*job), jobs))
    return out
