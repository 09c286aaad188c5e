"""From the Tokyo datum to JGD2011, by the official grid of parameters (TKY2JGD).

The Geographical Survey Institute's ``TKY2JGD.par`` version 2.1.1 holds, per cell of the standard
grid square of the third order, what to add to latitude and longitude in seconds; between corners
the values are interpolated bilinearly, as the institute's program of that name does. The parameter
file comes with the package ``tky2jgd``. JGD2000 is taken for JGD2011, which differ only by what the
ground moved (decimetres in Tokyo).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyproj

# The grid in whole cells: 30 seconds of latitude by 45 seconds of longitude.
_ROWS_PER_DEGREE, _COLS_PER_DEGREE = 120, 80
_SOUTH, _WEST = 20, 120
_N_ROWS, _N_COLS = (46 - _SOUTH) * _ROWS_PER_DEGREE + 2, (154 - _WEST) * _COLS_PER_DEGREE + 2


@cache
def _parameters() -> tuple[np.ndarray, np.ndarray]:
    """Seconds to add to latitude and longitude at the cells' south-west corners; NaN: none."""
    path = files("tky2jgd").joinpath("data/TKY2JGD.par")
    with path.open("rb") as handle:
        table = pd.read_csv(
            handle, sep=r"\s+", skiprows=2, header=None, names=["mesh", "lat", "lon"], engine="c"
        )
    mesh = table["mesh"].to_numpy(dtype=np.int64)
    # A mesh code is pp uu q v r w: 1.5 p latitude, u + 100 longitude, then eighths, then tenths.
    row = (mesh // 10**6) * 80 + (mesh // 1000 % 10) * 10 + mesh // 10 % 10
    col = (mesh // 10**4 % 100 + 100) * 80 + (mesh // 100 % 10) * 10 + mesh % 10
    row, col = row - _SOUTH * _ROWS_PER_DEGREE, col - _WEST * _COLS_PER_DEGREE
    d_lat = np.full((_N_ROWS, _N_COLS), np.nan)
    d_lon = d_lat.copy()
    d_lat[row, col], d_lon[row, col] = table["lat"], table["lon"]
    return d_lat, d_lon


def tokyo_to_jgd(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latitude and longitude in JGD2000/2011 of points in the Tokyo datum.

    Parameters
    ----------
    lat, lon : ndarray of float, shape (n,)
        Degrees in the Tokyo datum; NaN is passed on.

    Returns
    -------
    lat, lon : ndarray of float, shape (n,)
        Degrees in JGD2000.
    approximate : ndarray of bool, shape (n,)
        Where the grid has no parameters and the national three were used (within some metres).

    Examples
    --------
    The first-order triangulation point at Tsukuba:

    >>> lat, lon, _ = tokyo_to_jgd(np.array([36.100578889]), np.array([140.091149167]))
    >>> round(float(lat[0]), 8), round(float(lon[0]), 8)
    (36.10377077, 140.08787083)
    """
    lat, lon = np.asarray(lat, dtype=float), np.asarray(lon, dtype=float)
    known = np.isfinite(lat) & np.isfinite(lon)
    inside = known & (lat >= _SOUTH) & (lat <= 46) & (lon >= _WEST) & (lon <= 154)
    shift_lat, shift_lon = np.full(lat.shape, np.nan), np.full(lat.shape, np.nan)
    if inside.any():
        row_f = (lat[inside] - _SOUTH) * _ROWS_PER_DEGREE
        col_f = (lon[inside] - _WEST) * _COLS_PER_DEGREE
        row, col = np.floor(row_f + 1e-9).astype(int), np.floor(col_f + 1e-9).astype(int)
        v, u = np.maximum(row_f - row, 0), np.maximum(col_f - col, 0)
        for grid, shift in zip(_parameters(), (shift_lat, shift_lon), strict=True):
            sw, se = grid[row, col], grid[row, col + 1]
            nw, ne = grid[row + 1, col], grid[row + 1, col + 1]
            shift[inside] = (
                sw * (1 - u) * (1 - v) + se * u * (1 - v) + nw * (1 - u) * v + ne * u * v
            )
    approximate = known & np.isnan(shift_lat)
    new_lat, new_lon = lat + shift_lat / 3600, lon + shift_lon / 3600
    if approximate.any():
        # pyproj may not use the grid of its own data package: ask for the three parameters.
        transformer = pyproj.Transformer.from_pipeline(
            "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=push +v_3"
            " +step +proj=cart +ellps=bessel +step +proj=helmert +x=-146.414 +y=507.337 +z=680.507"
            " +step +inv +proj=cart +ellps=GRS80 +step +proj=pop +v_3"
            " +step +proj=unitconvert +xy_in=rad +xy_out=deg"
        )
        new_lon[approximate], new_lat[approximate] = transformer.transform(
            lon[approximate], lat[approximate]
        )
    return new_lat, new_lon, approximate
