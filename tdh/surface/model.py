"""The surface itself: rasters of buildings and ground on one grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tdh.grid import Grid


@dataclass(frozen=True, eq=False)
class Surface:
    """Buildings above ground, and the ground.

    Parameters
    ----------
    grid : Grid
        The rasters' grid, in the plan's CRS.
    building_m : ndarray of float32, shape grid.shape
        Height of buildings above ground in metres, 0 where there is none.
    terrain_m : ndarray of float32, shape grid.shape, or None
        Ground above sea level in metres; None: flat at 0.
    """

    grid: Grid
    building_m: np.ndarray
    terrain_m: np.ndarray | None = None

    @cached_property
    def top_m(self) -> np.ndarray:
        """Ground plus buildings, float32."""
        if self.terrain_m is None:
            return self.building_m
        return self.terrain_m + self.building_m

    def building_height_m(
        self, x_m: ArrayLike, y_m: ArrayLike, radius_m: float = 0.0
    ) -> np.ndarray:
        """The highest building at points, or within a radius of them.

        Parameters
        ----------
        x_m, y_m : array_like of float
            Easting and northing in metres; they broadcast.
        radius_m : float
            Radius in metres: cells whose centres lie within it count, and the point's own.

        Returns
        -------
        ndarray of float32
            Height above ground in metres; 0 in the open and off the raster.
        """
        x, y = np.broadcast_arrays(np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float))
        out = self._at(self.building_m, x, y)
        if radius_m > 0:
            cell = self.grid.cell_size_m
            row, col = self.grid.rowcol(x, y)
            reach = math.ceil(radius_m / cell)
            for dr in range(-reach, reach + 1):
                for dc in range(-reach, reach + 1):
                    cx, cy = self.grid.centres(row + dr, col + dc)
                    near = np.hypot(cx - x, cy - y) <= radius_m
                    out = np.where(near, np.maximum(out, self._at(self.building_m, cx, cy)), out)
        return out

    def ground_m(self, x_m: ArrayLike, y_m: ArrayLike) -> np.ndarray:
        """The ground's height above sea level at points, in metres; 0 where none is known."""
        x, y = np.broadcast_arrays(np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float))
        if self.terrain_m is None:
            return np.zeros(x.shape, dtype=np.float32)
        return self._at(self.terrain_m, x, y)

    def _at(self, raster: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        row, col = self.grid.rowcol(x, y)
        inside = self.grid.contains(row, col)
        values = raster[np.where(inside, row, 0), np.where(inside, col, 0)]
        return np.where(inside, values, np.float32(0.0))
