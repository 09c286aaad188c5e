"""Terrain of the Geospatial Information Authority's 基盤地図情報 (FG-GML DEM 5A, 5B, 5C, 10A, 10B).

One document holds one JIS X 0410 mesh on JGD2011 (EPSG:6668). A value of −9999 is no data
whatever its word, except on sea (海水面), which is 0 m; water inland (内水面) and other (その他)
carry real heights. The list may begin behind the first cell (startPoint) and end before the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyproj import Transformer

from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.surface import xml

CRS = "EPSG:6668"
SEA = "海水面"
NO_DATA = -9999.0
MOST_CELLS = 20_000_000

# Finer surveys first: laser, photogrammetry, contour lines.
_ORDER = ("5A", "5B", "5C", "1A", "10A", "10B")


@dataclass(frozen=True, eq=False)
class Tile:
    """One mesh: heights from the north-west, NaN where there is none."""

    west: float
    south: float
    east: float
    north: float
    height_m: np.ndarray
    kind: str


def read(path: Path) -> list[Tile]:
    """The meshes of a file or a zip, finest survey first.

    Raises
    ------
    InputError
        If a document is not an FG-GML DEM, with what is wrong.
    """
    tiles = []
    with xml.documents(path, (".xml", ".gml")) as found:
        for where, handle in found:
            values = _Values()
            xml.parse(handle, where, values.start, values.end)
            tiles.append(values.tile(where))
    return sorted(tiles, key=lambda t: _rank(t.kind))


def _rank(kind: str) -> int:
    return next((i for i, mark in enumerate(_ORDER) if mark in kind), len(_ORDER))


class _Values:
    _WANTED = ("lowerCorner", "upperCorner", "low", "high", "startPoint", "type", "tupleList")

    def __init__(self) -> None:
        self.text: dict[str, str] = {}
        self.order = "+x-y"

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sequenceRule":
            self.order = attributes.get("order", self.order)

    def end(self, name: str, text: str) -> None:
        if name in self._WANTED and name not in self.text:
            self.text[name] = text

    def tile(self, where: str) -> Tile:
        missing = [n for n in (*self._WANTED[:4], "tupleList") if n not in self.text]
        if missing:
            raise InputError(
                Problem(
                    Text("not an FG-GML elevation model", "基盤地図情報の標高モデルではありません"),
                    value=", ".join(missing),
                    expected=", ".join(self._WANTED),
                    where=where,
                )
            )
        try:
            south, west = (float(v) for v in self.text["lowerCorner"].split())
            north, east = (float(v) for v in self.text["upperCorner"].split())
            low = [int(v) for v in self.text["low"].split()]
            high = [int(v) for v in self.text["high"].split()]
            first = [int(v) for v in self.text.get("startPoint", "0 0").split()]
            n_cols, n_rows = high[0] - low[0] + 1, high[1] - low[1] + 1
            skip = (first[1] - low[1]) * n_cols + first[0] - low[0]
            values = _values(self.text["tupleList"])
        except (ValueError, IndexError) as error:
            raise InputError(
                Problem(
                    Text("the elevation model is damaged", "標高モデルが壊れています"),
                    value=str(error),
                    where=where,
                )
            ) from error
        cells = n_cols * n_rows
        sound = 0 < cells <= MOST_CELLS and n_cols > 0 and 0 <= skip <= cells
        if not sound or not (south < north and west < east) or self.order != "+x-y":
            raise InputError(
                Problem(
                    Text("the elevation model's frame cannot be", "標高モデルの枠が不正です"),
                    value=(low, high, first, self.order),
                    expected="order +x-y, low <= startPoint <= high",
                    where=where,
                )
            )
        if values.size > cells - skip:
            raise InputError(
                Problem(
                    Text("the elevation model has too many values", "標高の値が多すぎます"),
                    value=values.size,
                    expected=str(cells - skip),
                    where=where,
                )
            )
        height = np.full(cells, np.nan, dtype=np.float32)
        height[skip : skip + values.size] = values
        return Tile(
            west, south, east, north, height.reshape(n_rows, n_cols), self.text.get("type", "")
        )


def _values(text: str) -> np.ndarray:
    out = []
    for number, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        word, comma, value = line.strip().rpartition(",")
        if not comma:
            raise ValueError(f"tuple {number}: {line.strip()[:40]!r}")
        height = float(value)
        if height <= NO_DATA:
            height = 0.0 if word == SEA else np.nan
        out.append(height)
    return np.array(out, dtype=np.float32)


def lay(tile: Tile, grid: Grid) -> tuple[slice, slice, np.ndarray] | None:
    """A mesh on the part of a grid that it covers; None where they do not meet.

    Returns
    -------
    rows, columns : slice
    height_m : ndarray of float32
        Bilinear between the mesh's cells, the nearest where a neighbour has no data; NaN off it.
    """
    forth = Transformer.from_crs(CRS, grid.crs, always_xy=True)
    left, bottom, right, top = forth.transform_bounds(tile.west, tile.south, tile.east, tile.north)
    (r0, r1), (c0, c1) = grid.rowcol([left, right], [top, bottom])
    rows = slice(max(int(r0), 0), min(int(r1) + 1, grid.n_rows))
    columns = slice(max(int(c0), 0), min(int(c1) + 1, grid.n_cols))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    row, col = np.mgrid[rows, columns]
    x, y = grid.centres(row, col)
    lon, lat = Transformer.from_crs(grid.crs, CRS, always_xy=True).transform(x, y)
    n_rows, n_cols = tile.height_m.shape
    u = (lon - tile.west) / (tile.east - tile.west) * n_cols - 0.5
    v = (tile.north - lat) / (tile.north - tile.south) * n_rows - 0.5
    inside = (u >= -0.5) & (u < n_cols - 0.5) & (v >= -0.5) & (v < n_rows - 0.5)
    i0 = np.clip(np.floor(v).astype(int), 0, max(n_rows - 2, 0))
    j0 = np.clip(np.floor(u).astype(int), 0, max(n_cols - 2, 0))
    i1, j1 = np.minimum(i0 + 1, n_rows - 1), np.minimum(j0 + 1, n_cols - 1)
    a, b = np.clip(v - i0, 0.0, 1.0), np.clip(u - j0, 0.0, 1.0)
    h = tile.height_m
    smooth = (h[i0, j0] * (1 - b) + h[i0, j1] * b) * (1 - a) + (
        h[i1, j0] * (1 - b) + h[i1, j1] * b
    ) * a
    nearest = h[np.where(a < 0.5, i0, i1), np.where(b < 0.5, j0, j1)]
    height = np.where(np.isnan(smooth), nearest, smooth)
    return rows, columns, np.where(inside, height, np.nan).astype(np.float32)
