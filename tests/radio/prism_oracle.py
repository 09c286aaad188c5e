"""Line of sight by brute force: every prism of the raster against every line, no walk at all.

A line is blocked by a prism where the stretch of the line inside the prism's square (found by
clipping against its four sides) dips below its top. Slow, and shares no idea with the kernel.
"""

from __future__ import annotations

import numpy as np


def crossings(
    shape: tuple[int, int], x0: float, y0: float, x1: float, y1: float
) -> tuple[np.ndarray, np.ndarray]:
    """Entry and exit of a line over each cell, in shares of its length; exit < entry: not crossed."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    enter, leave = np.zeros(shape), np.ones(shape)
    for origin, delta, low in ((x0, x1 - x0, cols), (y0, y1 - y0, rows)):
        if delta == 0:
            outside = (origin < low) | (origin >= low + 1)
            leave[outside] = -1.0
            continue
        a, b = (low - origin) / delta, (low + 1 - origin) / delta
        enter, leave = np.maximum(enter, np.minimum(a, b)), np.minimum(leave, np.maximum(a, b))
    return enter, leave


def sees(top: np.ndarray, x0: float, y0: float, z0: float, x1: float, y1: float, z1: float) -> bool:
    """Whether the line from (x0, y0, z0) to (x1, y1, z1) clears every prism that it crosses."""
    enter, leave = crossings(top.shape, x0, y0, x1, y1)
    crossed = leave - enter > 1e-9
    lowest = z0 + (z1 - z0) * (enter if z1 >= z0 else leave)
    return not bool((crossed & (top.astype(float) > lowest)).any())


def visible(
    top: np.ndarray, cell: float, tx: tuple[int, int, float], radius: float, rx_height: float
) -> np.ndarray:
    """As :func:`tdh.radio.line_of_sight.visible`, by brute force."""
    row, col, height = tx
    reach = int(radius // cell)
    out = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=bool)
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            r, c = row - reach + i, col - reach + j
            if not (0 <= r < top.shape[0] and 0 <= c < top.shape[1]):
                continue
            if np.hypot(r - row, c - col) * cell > radius:
                continue
            # Only the box around the line can hold prisms that it crosses.
            r0, r1, c0, c1 = min(r, row), max(r, row) + 1, min(c, col), max(c, col) + 1
            out[i, j] = (r, c) == (row, col) or sees(
                top[r0:r1, c0:c1],
                c + 0.5 - c0,
                r + 0.5 - r0,
                float(top[r, c]) + rx_height,
                col + 0.5 - c0,
                row + 0.5 - r0,
                height,
            )
    return out
