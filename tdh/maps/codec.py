"""Arrays and words as short text inside a page: predicted, deflated, in base64.

The page undoes it with ``codec.js``. A raster of a million cells becomes a few hundred kilobytes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

OUTSIDE = 0
"""Code of a cell that is not in the area."""

NOTHING = 1
"""Code of a cell in which nothing is received."""

FLOOR_DBM = -150.5
STEP_DB = 0.5

SLOPES = (1, 2, 4, 7, 12, 20)
"""Where groups of cells begin, in codes between neighbours; ``codec.js`` has the same."""

SEPARATOR = "\x1f"


def deflate(content: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> str:
    """zlib and base64."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, strategy)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode("ascii")


def signal_codes(values_dbm: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Signals as one byte a cell, in steps of 0.5 dB from -149.5 dBm.

    Parameters
    ----------
    values_dbm : array of float, shape (rows, cols)
        NaN where nothing is received.
    inside : array of bool, shape (rows, cols)
        Cells of the area.

    Returns
    -------
    array of uint8
        0 outside the area, 1 where nothing is received, else 2 to 255.

    Examples
    --------
    >>> signal_codes(np.array([[-110.0, np.nan, -80.0]]), np.array([[True, True, False]])).tolist()
    [[81, 1, 0]]
    """
    scaled = np.rint((np.nan_to_num(values_dbm, nan=FLOOR_DBM) - FLOOR_DBM) / STEP_DB)
    codes = np.clip(scaled, NOTHING + 1, 255)
    codes[np.isnan(values_dbm)] = NOTHING
    codes[~inside] = OUTSIDE
    return codes.astype(np.uint8)


def raster(codes: np.ndarray) -> str:
    """A raster of bytes, each replaced by what differs from a guess out of its neighbours.

    The guess is the median of west, north, and west + north - north-west (the predictor of
    LOCO-I), which follows edges and slopes. What is left is sorted into groups by how much the
    neighbours differ from each other, so that small remainders stand beside small ones and each
    group gets a code of its own: some 7 to 13 % less. The reader knows a cell's group once it has
    its neighbours; it is told only where the groups begin.
    """
    q = codes.astype(np.int16)
    padded = np.pad(q, ((1, 0), (1, 0)))
    west, north, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    low, high = np.minimum(west, north), np.maximum(west, north)
    guess = np.where(corner >= high, low, np.where(corner <= low, high, west + north - corner))
    rest = (q - guess).astype(np.uint8)
    slope = np.abs(west - corner) + np.abs(corner - north)
    group = np.searchsorted(SLOPES, slope, side="right")
    groups = [rest[group == k] for k in range(len(SLOPES) + 1)]
    sizes = np.array([len(g) for g in groups], dtype="<u4")
    # What is left is noise: looking for repeated strings in it costs time and bytes.
    return deflate(sizes.tobytes() + b"".join(g.tobytes() for g in groups), zlib.Z_RLE)


def changes(before: np.ndarray, after: np.ndarray) -> str:
    """A raster as its difference from another, which is mostly nothing."""
    return deflate((after - before).astype(np.uint8).tobytes())


def columns(table: Mapping[str, tuple[np.ndarray, str]]) -> tuple[list[list[Any]], str]:
    """Columns of numbers as planes of bytes.

    Parameters
    ----------
    table : mapping
        Name to an array of non-negative whole numbers and its kind: ``u8``, ``u16`` or ``u32``,
        with a ``d`` behind it where neighbours are alike (differences are stored).

    Returns
    -------
    list, str
        [name, kind] of each column, and the text.
    """
    layout: list[list[Any]] = []
    planes: list[bytes] = []
    for name, (values, kind) in table.items():
        width = int(kind[1:].rstrip("d")) // 8
        numbers = np.asarray(values).astype(np.int64)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < 256**width:
            raise ValueError(f"column {name} does not fit in {kind}")
        if kind.endswith("d"):
            # Differences are folded, so that small ones of either sign have empty upper bytes.
            step = np.diff(numbers, prepend=0)
            numbers = np.where(step >= 0, 2 * step, -2 * step - 1)
        layout.append([name, kind])
        planes += [((numbers >> (8 * i)) & 255).astype(np.uint8).tobytes() for i in range(width)]
    return layout, deflate(b"".join(planes))


def words(texts: Iterable[object]) -> str:
    """A list of texts; None and NaN become empty."""
    cleaned = ("" if t is None or t != t else str(t).replace(SEPARATOR, " ") for t in texts)
    return deflate(SEPARATOR.join(cleaned).encode("utf-8", "replace"))


def json_block(value: object) -> str:
    """JSON that is safe inside a ``<script>`` element: no ``<`` can end it.

    >>> json_block({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
