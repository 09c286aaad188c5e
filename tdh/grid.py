"""Regular square grids in a projected CRS: the cells of demand and coverage, the rasters of height.

A grid's corners lie on whole multiples of its cell size, so that grids of the same cell size and
CRS always fall on each other, whatever the area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Grid:
    """A north-up grid of square cells; row 0 is the northernmost.

    Parameters
    ----------
    x_min_m, y_max_m : float
        The north-west corner: easting and northing in the CRS, in metres.
    cell_size_m : float
        The side of a cell in metres.
    n_rows, n_cols : int
        The size.
    crs : str
        The projected CRS, such as ``"EPSG:6677"``.
    """

    x_min_m: float
    y_max_m: float
    cell_size_m: float
    n_rows: int
    n_cols: int
    crs: str

    @classmethod
    def around(
        cls, bounds: tuple[float, float, float, float], cell_size_m: float, crs: str
    ) -> Grid:
        """The smallest grid over bounds (x_min, y_min, x_max, y_max) in metres.

        >>> Grid.around((1, 2, 11, 12), 5, "EPSG:6677").shape
        (3, 3)
        """
        x_min, y_min, x_max, y_max = bounds
        left = math.floor(x_min / cell_size_m)
        right = math.ceil(x_max / cell_size_m)
        bottom = math.floor(y_min / cell_size_m)
        top = math.ceil(y_max / cell_size_m)
        return cls(
            left * cell_size_m, top * cell_size_m, cell_size_m, top - bottom, right - left, crs
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_rows, self.n_cols

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max in metres."""
        return (
            self.x_min_m,
            self.y_max_m - self.n_rows * self.cell_size_m,
            self.x_min_m + self.n_cols * self.cell_size_m,
            self.y_max_m,
        )

    @property
    def transform(self) -> Affine:
        """The affine transform of GDAL's kind, from column and row to easting and northing."""
        return Affine(self.cell_size_m, 0, self.x_min_m, 0, -self.cell_size_m, self.y_max_m)

    def centres(self, row: ArrayLike, col: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Easting and northing in metres of cells' centres."""
        x = self.x_min_m + (np.asarray(col) + 0.5) * self.cell_size_m
        y = self.y_max_m - (np.asarray(row) + 0.5) * self.cell_size_m
        return x, y

    def rowcol(self, x_m: ArrayLike, y_m: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The row and column in which points lie; outside the grid they are negative or too large.

        >>> grid = Grid(0, 100, 10, 10, 10, "EPSG:6677")
        >>> [int(i) for i in grid.rowcol(15, 95)]
        [0, 1]
        """
        col = np.floor((np.asarray(x_m, dtype=float) - self.x_min_m) / self.cell_size_m)
        row = np.floor((self.y_max_m - np.asarray(y_m, dtype=float)) / self.cell_size_m)
        return row.astype(np.int64), col.astype(np.int64)

    def contains(self, row: ArrayLike, col: ArrayLike) -> np.ndarray:
        """Whether rows and columns lie in the grid."""
        row, col = np.asarray(row), np.asarray(col)
        return (row >= 0) & (row < self.n_rows) & (col >= 0) & (col < self.n_cols)
