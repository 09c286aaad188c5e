"""Exact line of sight over a raster of flat-topped prisms, and the edges that block it.

Every raster cell that the line between two antennas crosses counts, over the whole stretch in
which it crosses it: a cell blocks where its top rises above the line anywhere in that stretch. No
ray is shared between receivers and no height is interpolated. Cells that the line only touches at
a corner are not crossed.

The walk runs from the receiver, near which the blocking roofs stand. A coarse raster of maxima
lets it skip whole blocks of cells that cannot matter; since a block is skipped only when its
highest top stays below every line that decides, the answer is the same with and without it.
"""

from __future__ import annotations

import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import ArrayLike

from tdh.errors import DomainError, Problem
from tdh.language import Text

BLOCK = 16
"""Side of a block of the coarse raster, in cells."""
_SHIFT = 4
_TOUCH = 1e-9  # shares of the line's length below which a cell is touched, not crossed

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_njit
def block_maxima(top):  # type: ignore[no-untyped-def]
    """The highest top of each block of ``BLOCK`` by ``BLOCK`` cells, float32."""
    rows, cols = top.shape
    out = np.full(((rows + BLOCK - 1) // BLOCK, (cols + BLOCK - 1) // BLOCK), -np.inf, np.float32)
    for r in range(rows):
        for c in range(cols):
            if top[r, c] > out[r >> _SHIFT, c >> _SHIFT]:
                out[r >> _SHIFT, c >> _SHIFT] = top[r, c]
    return out


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
    return start, end


@_njit
def leave(top, x0, y0, dx, dy, lowest, highest, longest):  # type: ignore[no-untyped-def]
    """How far a line runs from its start over cells with tops within ``lowest..highest``.

    Returns the share of its length (at most ``longest``) at which it enters the first other cell.
    """
    rows, cols = top.shape
    ix, iy = math.floor(x0), math.floor(y0)
    step_x, step_y = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
    t = 0.0
    while t < longest:
        if ix < 0 or iy < 0 or ix >= cols or iy >= rows:
            return t
        if not (lowest <= top[iy, ix] <= highest):
            return t
        t_x = (ix + (step_x > 0) - x0) / dx if dx != 0.0 else np.inf
        t_y = (iy + (step_y > 0) - y0) / dy if dy != 0.0 else np.inf
        if t_x < t_y:
            ix += step_x
            t = t_x
        else:
            iy += step_y
            t = t_y
    return longest


@_njit
def horizon_slopes(top, coarse, x0, y0, z0, x1, y1, z1, start, end):  # type: ignore[no-untyped-def]
    """The steepest lines from both ends of a path over the tops that it crosses.

    Parameters
    ----------
    top, coarse : float32 (rows, cols)
        Tops in metres and their block maxima.
    x0, y0, z0, x1, y1, z1 : float
        The receiver (0) and the transmitter (1): column and row in cells (a cell's centre lies at
        .5), height in metres in the raster's datum.
    start, end : float
        The stretch of the line, in shares of its length from the receiver, within which cells
        count. It must lie over the raster.

    Returns
    -------
    blocked : bool
    slope_rx, slope_tx : float
        Rise per whole length of the path, from the receiver and from the transmitter. Not blocked:
        those of the line itself.
    """
    dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
    slope_rx, slope_tx = dz, -dz
    blocked = False
    if start >= end:
        return blocked, slope_rx, slope_tx
    rows, cols = top.shape
    step_x, step_y = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
    ahead_x, ahead_y = (1 if dx > 0 else 0), (1 if dy > 0 else 0)
    inverse_x = 1.0 / dx if dx != 0.0 else np.inf
    inverse_y = 1.0 / dy if dy != 0.0 else np.inf
    t = start
    ix, iy = math.floor(x0 + t * dx), math.floor(y0 + t * dy)
    ix, iy = min(max(ix, 0), cols - 1), min(max(iy, 0), rows - 1)
    block_x, block_y = -1, -1
    while True:
        if (ix >> _SHIFT) != block_x or (iy >> _SHIFT) != block_y:
            # A new block: leave it whole where even its highest top stays under both horizons.
            block_x, block_y = ix >> _SHIFT, iy >> _SHIFT
            out_x = ((block_x + ahead_x) * BLOCK - x0) * inverse_x if dx != 0.0 else np.inf
            out_y = ((block_y + ahead_y) * BLOCK - y0) * inverse_y if dy != 0.0 else np.inf
            out = min(out_x, out_y, end)
            highest = coarse[block_y, block_x]
            if highest <= min(z0 + slope_rx * t, z0 + slope_rx * out) and highest <= min(
                z1 + slope_tx * (1.0 - t), z1 + slope_tx * (1.0 - out)
            ):
                if out >= end:
                    return blocked, slope_rx, slope_tx
                t = out
                if out_x <= out_y:
                    ix = (block_x + ahead_x) * BLOCK - (1 - ahead_x)
                    iy = math.floor(y0 + t * dy)
                    iy = min(max(iy, block_y * BLOCK), block_y * BLOCK + BLOCK - 1)
                else:
                    iy = (block_y + ahead_y) * BLOCK - (1 - ahead_y)
                    ix = math.floor(x0 + t * dx)
                    ix = min(max(ix, block_x * BLOCK), block_x * BLOCK + BLOCK - 1)
                if ix < 0 or iy < 0 or ix >= cols or iy >= rows:
                    return blocked, slope_rx, slope_tx
                continue
        t_x = (ix + ahead_x - x0) * inverse_x if dx != 0.0 else np.inf
        t_y = (iy + ahead_y - y0) * inverse_y if dy != 0.0 else np.inf
        leaving = min(t_x, t_y, end)
        if leaving - t > _TOUCH:
            height = top[iy, ix]
            if height > z0 + slope_rx * t or height > z0 + slope_rx * leaving:
                blocked = True
                # The near edge is the steeper one for what rises above the receiver.
                at = t if height > z0 else leaving
                slope_rx = (height - z0) / max(at, _TOUCH)
            if height > z1 + slope_tx * (1.0 - t) or height > z1 + slope_tx * (1.0 - leaving):
                at = 1.0 - leaving if height > z1 else 1.0 - t
                slope_tx = (height - z1) / max(at, _TOUCH)
        if leaving >= end:
            return blocked, slope_rx, slope_tx
        t = leaving
        if t_x < t_y:
            ix += step_x
        else:
            iy += step_y
        if ix < 0 or iy < 0 or ix >= cols or iy >= rows:
            return blocked, slope_rx, slope_tx


@_njit
def sees(top, x0, y0, z0, x1, y1, z1, end):  # type: ignore[no-untyped-def]
    """Whether nothing blocks a line: :func:`horizon_slopes` without the slopes, and faster.

    The whole line must lie over the raster; it starts at the receiver (0), ``end`` as there.
    """
    dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
    ix, iy = int(x0), int(y0)
    step_x, step_y = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
    ahead_x, ahead_y = (1 if dx > 0 else 0), (1 if dy > 0 else 0)
    inverse_x = 1.0 / dx if dx != 0.0 else np.inf
    inverse_y = 1.0 / dy if dy != 0.0 else np.inf
    t_x = (ix + ahead_x - x0) * inverse_x if dx != 0.0 else np.inf
    t_y = (iy + ahead_y - y0) * inverse_y if dy != 0.0 else np.inf
    delta_x, delta_y = abs(inverse_x), abs(inverse_y)
    rising = dz >= 0
    t = 0.0
    while True:
        leaving = min(t_x, t_y, end)
        # The line's lowest point over a cell is where it enters (rising) or leaves (falling).
        if top[iy, ix] > z0 + dz * (t if rising else leaving) and leaving - t > _TOUCH:
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


@_njit
def _visible_rows(top, row, col, height, radius_cells, rx_height, reach, first, last, out):  # type: ignore[no-untyped-def]
    rows, cols = top.shape
    x1, y1 = col + 0.5, row + 0.5
    limit = radius_cells * radius_cells
    for i in range(first, last):
        r = row - reach + i
        if r < 0 or r >= rows:
            continue
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
            out[i, j] = sees(top, c + 0.5, r + 0.5, z0, x1, y1, height, end)


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


def available_threads(threads: int | None = None) -> int:
    """The number of threads to use: as asked, or as many as this process may run on."""
    if threads is not None:
        return max(1, int(threads))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
