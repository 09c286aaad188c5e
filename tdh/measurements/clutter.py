"""What stands around a receiver and under its link: heights of clutter, density of buildings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tdh.surface import Surface

RADIUS_M = 50.0
"""How far around a receiver: the distance within which shadowing changes (TR 38.901, table 7.5-6)."""
_SAMPLES = 128
"""Of a link; beyond 500 m they are more than one cell of 4 m apart, which a mean can bear."""
_CHUNK = 4_000_000


def clutter_features(
    receiver_xy_m: np.ndarray, site_xy_m: np.ndarray, surface: Surface
) -> pd.DataFrame:
    """Heights and density of the buildings that each link meets.

    Parameters
    ----------
    receiver_xy_m, site_xy_m : ndarray of float64, shape (n, 2)
        Ends of the links in the CRS of the surface; they broadcast.
    surface : Surface
        Off its raster nothing is built.

    Returns
    -------
    DataFrame
        ``clutter_height_m``, mean height of what is built within :data:`RADIUS_M` of the receiver (0:
        nothing is), and ``building_density``, the share of that disc that is built;
        ``path_clutter_height_m`` and ``path_building_density``, the same along the link. Heights
        are above ground, as ITU-R P.1812's representative clutter heights.
    """
    receiver, site = np.broadcast_arrays(
        np.asarray(receiver_xy_m, dtype=float), np.asarray(site_xy_m, dtype=float)
    )
    cell = surface.grid.cell_size_m
    steps = np.arange(-int(RADIUS_M // cell), int(RADIUS_M // cell) + 1) * cell
    disc = np.array([(x, y) for x in steps for y in steps if np.hypot(x, y) <= RADIUS_M])
    along = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    out = np.empty((len(receiver), 4))
    for rows in _chunks(len(receiver), max(len(disc), _SAMPLES)):
        at = receiver[rows, None, :]
        out[rows, :2] = _built(surface, at + disc)
        out[rows, 2:] = _built(surface, at + along[:, None] * (site[rows, None, :] - at))
    names = ["clutter_height_m", "building_density"]
    return pd.DataFrame(out, columns=[*names, *(f"path_{name}" for name in names)])


def _built(surface: Surface, xy_m: np.ndarray) -> np.ndarray:
    """Mean height of what is built at the places of each row, and its share of them: (n, 2)."""
    height = surface.building_height_m(xy_m[..., 0], xy_m[..., 1])
    built = (height > 0).sum(axis=1)
    mean = height.sum(axis=1, dtype=float) / np.maximum(built, 1)
    return np.column_stack([mean, built / xy_m.shape[1]])


def _chunks(n: int, samples: int) -> Iterator[slice]:
    step = max(1, _CHUNK // samples)
    return (slice(first, first + step) for first in range(0, n, step))
