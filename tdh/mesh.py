"""JIS X 0410 standard area meshes: codes, bounds, centres, polygons, parents and children.

A code's number of digits is its level:

====== =========== ======================= ==============
digits side, about latitude by longitude   name
====== =========== ======================= ==============
4      80 km       40' by 1°               1st order
6      10 km       5' by 7'30"             2nd order
8      1 km        30" by 45"              3rd order
9      500 m       15" by 22.5"            half
10     250 m       7.5" by 11.25"          quarter
11     125 m       3.75" by 5.625"         eighth
====== =========== ======================= ==============

All arithmetic is on whole numbers of eighth meshes (1/960° of latitude by 1/640° of longitude),
so that neighbours share their borders exactly. Coordinates are in JGD2011 (EPSG:6668).

Source: JIS X 0410:2002; 総務省統計局「地域メッシュ統計の特質・沿革」.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike

from tdh.errors import DomainError, Problem
from tdh.language import Text

CRS = "EPSG:6668"
SIZE_IN_EIGHTHS = {4: 640, 6: 80, 8: 8, 9: 4, 10: 2, 11: 1}
"""Digits to the side in eighth meshes."""
ROWS_PER_DEGREE = 960
COLS_PER_DEGREE = 640
WEST_DEG = 100

_LAT_LIMITS = (0.0, 66.0 + 2 / 3)
_LON_LIMITS = (100.0, 200.0)
_ON_BORDER = 1e-7
"""In eighth meshes (0.01 mm): decimal degrees that mean a border fall on its north or east side."""
_EXAMPLES = 5


def from_lonlat(longitude_deg: ArrayLike, latitude_deg: ArrayLike, digits: int = 8) -> np.ndarray:
    """The codes of the meshes in which points lie.

    Parameters
    ----------
    longitude_deg, latitude_deg : array_like of float
        JGD2011; they broadcast. A point on a border belongs to the mesh north or east of it.
    digits : {4, 6, 8, 9, 10, 11}
        Level of the mesh.

    Returns
    -------
    ndarray of str, of the broadcast shape

    Raises
    ------
    DomainError
        If ``digits`` is no level, or a point lies outside what codes can express.

    Examples
    --------
    >>> [str(from_lonlat(139.6917, 35.6895, d)) for d in (4, 6, 8)]
    ['5339', '533945', '53394525']
    >>> [str(from_lonlat(139.6917, 35.6895, d)) for d in (9, 10, 11)]
    ['533945253', '5339452532', '53394525323']
    """
    size = _size(digits)
    lon, lat = np.broadcast_arrays(
        np.asarray(longitude_deg, dtype=float), np.asarray(latitude_deg, dtype=float)
    )
    inside = (lat >= _LAT_LIMITS[0]) & (lat < _LAT_LIMITS[1])
    inside &= (lon >= _LON_LIMITS[0]) & (lon < _LON_LIMITS[1])
    if not inside.all():
        bad = np.argwhere(~inside)[:_EXAMPLES]
        raise DomainError(
            Problem(
                Text(
                    "{n} points lie outside the area of JIS X 0410 meshes",
                    "{n} 点が地域メッシュの範囲外です",
                    n=int((~inside).sum()),
                ),
                value=[(float(lon[tuple(i)]), float(lat[tuple(i)])) for i in bad],
                expected="100 <= longitude < 200, 0 <= latitude < 66.67",
                fix=Text("are the columns swapped?", "緯度と経度が逆ではありませんか"),
            )
        )
    row = np.floor(lat * ROWS_PER_DEGREE + _ON_BORDER).astype(np.int64)
    col = np.floor((lon - WEST_DEG) * COLS_PER_DEGREE + _ON_BORDER).astype(np.int64)
    return _encode(row // size * size, col // size * size, digits).reshape(lon.shape)


def bounds(codes: Iterable[str] | ArrayLike) -> np.ndarray:
    """West, south, east and north of meshes, in degrees.

    Parameters
    ----------
    codes : sequence of str
        Levels may be mixed.

    Returns
    -------
    ndarray of float64, shape (n, 4)

    Raises
    ------
    DomainError
        If a code is not valid.

    Examples
    --------
    >>> bounds(["5339"]).round(4).tolist()
    [[139.0, 35.3333, 140.0, 36.0]]
    """
    row, col, size = indices(codes)
    return np.column_stack(
        [
            WEST_DEG + col / COLS_PER_DEGREE,
            row / ROWS_PER_DEGREE,
            WEST_DEG + (col + size) / COLS_PER_DEGREE,
            (row + size) / ROWS_PER_DEGREE,
        ]
    )


def to_lonlat(codes: Iterable[str] | ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of meshes' centres, in degrees.

    >>> [float(v[0]) for v in to_lonlat(["53394525"])]
    [139.69375, 35.6875]
    """
    west, south, east, north = bounds(codes).T
    return (west + east) / 2, (south + north) / 2


def polygons(codes: Iterable[str] | ArrayLike, crs: str | None = None) -> gpd.GeoSeries:
    """Meshes as polygons, indexed by code.

    Parameters
    ----------
    codes : sequence of str
    crs : str, optional
        CRS to bring them to; by default JGD2011 degrees.
    """
    names = as_strings(codes)
    index = pd.Index(names, name="mesh_code", dtype="str")
    series = gpd.GeoSeries(shapely.box(*bounds(names).T), index=index, crs=CRS)
    return series if crs is None else series.to_crs(crs)


def parents(codes: Iterable[str] | ArrayLike, digits: int) -> np.ndarray:
    """The codes of the larger meshes that hold meshes.

    >>> parents(["53394525323", "5339"], 4).tolist()
    ['5339', '5339']
    """
    size = _size(digits)
    row, col, own = indices(codes)
    if (own > size).any():
        raise DomainError(
            Problem(
                Text("a mesh has no parent that is smaller", "親メッシュのほうが小さくなります"),
                value=as_strings(codes)[own > size][:_EXAMPLES].tolist(),
                expected=Text("{n} digits or more", "{n} 桁以上", n=digits),
            )
        )
    return _encode(row // size * size, col // size * size, digits)


def children(codes: Iterable[str] | ArrayLike, digits: int) -> np.ndarray:
    """The codes of the smaller meshes inside each mesh, from south-west to north-east.

    Returns
    -------
    ndarray of str, shape (n, m)
        All codes must be of one level.

    Examples
    --------
    >>> children(["53394525"], 9).tolist()
    [['533945251', '533945252', '533945253', '533945254']]
    """
    size = _size(digits)
    row, col, own = indices(codes)
    if row.size and (np.unique(own).size > 1 or own[0] < size):
        raise DomainError(
            Problem(
                Text(
                    "meshes must be of one level, and not smaller than their parts",
                    "メッシュの階級をそろえ、子より大きくしてください",
                ),
                value=sorted({len(c) for c in as_strings(codes)}),
                expected=Text("one level of at most {n} digits", "{n} 桁以下の1階級", n=digits),
            )
        )
    steps = np.arange(0, own[0] if own.size else size, size)
    south = np.repeat(steps, steps.size)
    west = np.tile(steps, steps.size)
    rows, cols = row[:, None] + south, col[:, None] + west
    return _encode(rows, cols, digits).reshape(rows.shape)


def valid(codes: Iterable[str] | ArrayLike) -> np.ndarray:
    """Whether each code is one that JIS X 0410 can give.

    >>> valid(["5339", "533985", "533945250", "53394525"]).tolist()
    [True, False, False, True]
    """
    names = as_strings(codes)
    good = np.zeros(names.size, dtype=bool)
    lengths = np.char.str_len(names)
    for digits in SIZE_IN_EIGHTHS:
        rows = np.flatnonzero(lengths == digits)
        if rows.size:
            good[rows] = _well_formed(names[rows], digits)
    return good


def indices(codes: Iterable[str] | ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """South-west corner and side of meshes, in eighth meshes from 0° N, 100° E.

    Returns
    -------
    row, col, size : ndarray of int64, shape (n,)

    Raises
    ------
    DomainError
        If a code is not valid; it names the first of them and counts all.
    """
    names = as_strings(codes)
    good = valid(names)
    if not good.all():
        raise DomainError(
            Problem(
                Text(
                    "{n} values are not mesh codes of JIS X 0410",
                    "{n} 件が地域メッシュコードではありません",
                    n=int((~good).sum()),
                ),
                value=names[~good][:_EXAMPLES].tolist(),
                expected=Text("4, 6, 8, 9, 10 or 11 digits", "4・6・8・9・10・11桁の数字"),
            )
        )
    row, col, size = (np.zeros(names.size, dtype=np.int64) for _ in range(3))
    lengths = np.char.str_len(names)
    for digits, side in SIZE_IN_EIGHTHS.items():
        rows = np.flatnonzero(lengths == digits)
        if rows.size:
            row[rows], col[rows] = _decode(_digits_of(names[rows], digits))
            size[rows] = side
    return row, col, size


def as_strings(codes: Iterable[str] | ArrayLike) -> np.ndarray:
    """Codes as a flat array of text, whatever they came as."""
    listed = list(codes) if isinstance(codes, Iterator | set | frozenset) else codes
    return np.asarray(listed).astype(np.str_).ravel()


def _size(digits: int) -> int:
    if digits not in SIZE_IN_EIGHTHS:
        raise DomainError(
            Problem(
                Text("there is no such level of mesh", "そのようなメッシュ階級はありません"),
                value=digits,
                expected=", ".join(map(str, SIZE_IN_EIGHTHS)),
            )
        )
    return SIZE_IN_EIGHTHS[digits]


def _digits_of(names: np.ndarray, digits: int) -> np.ndarray:
    """Characters' code points less that of '0', shape (n, digits)."""
    points = np.ascontiguousarray(names.astype(f"<U{digits}")).view(np.uint32)
    return points.reshape(-1, digits).astype(np.int64) - ord("0")


def _well_formed(names: np.ndarray, digits: int) -> np.ndarray:
    d = _digits_of(names, digits)
    good: np.ndarray = np.logical_and.reduce((d >= 0) & (d <= 9), axis=1)
    if digits >= 6:
        good &= (d[:, 4] <= 7) & (d[:, 5] <= 7)
    for k in range(8, digits):
        good &= (d[:, k] >= 1) & (d[:, k] <= 4)
    return good


def _decode(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    row = (d[:, 0] * 10 + d[:, 1]) * 640
    col = (d[:, 2] * 10 + d[:, 3]) * 640
    if d.shape[1] >= 6:
        row, col = row + d[:, 4] * 80, col + d[:, 5] * 80
    if d.shape[1] >= 8:
        row, col = row + d[:, 6] * 8, col + d[:, 7] * 8
    for k, side in zip(range(8, d.shape[1]), (4, 2, 1), strict=False):
        quarter = d[:, k] - 1
        row, col = row + quarter // 2 * side, col + quarter % 2 * side
    return row, col


def _encode(row: np.ndarray, col: np.ndarray, digits: int) -> np.ndarray:
    row, col = row.ravel(), col.ravel()
    code = row // 640 * 100 + col // 640
    if digits >= 6:
        code = code * 100 + row % 640 // 80 * 10 + col % 640 // 80
    if digits >= 8:
        code = code * 100 + row % 80 // 8 * 10 + col % 80 // 8
    for length, side in ((9, 4), (10, 2), (11, 1)):
        if digits >= length:
            quarter = row % (2 * side) // side * 2 + col % (2 * side) // side
            code = code * 10 + quarter + 1
    return np.char.mod(f"%0{digits}d", code).astype(f"<U{digits}")
