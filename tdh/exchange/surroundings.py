"""What stands around an asset: a small plan of buildings and boundaries for its sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import rasterio.features
import shapely
from affine import Affine

from tdh import surface
from tdh.surface import Surface

if TYPE_CHECKING:
    from tdh.results import Run

HALF_M = 150.0
"""Half the side of a plan, in metres."""
PIXELS = 360
_STEPS_M = (10.0, 31.0)
"""Heights at which buildings are drawn darker; above 31 m they may stand in fixed links' way."""
_FILLS = ("", "#d9d4cb", "#b9b1a3", "#8f8574")
_LOWEST_M = 2.0


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Buildings, ground and boundaries around the assets of a run: common to all carriers.

    Parameters
    ----------
    surface : Surface or None
        None: heights are not known.
    municipalities : GeoDataFrame
        Table ``municipalities``.
    """

    surface: Surface | None
    municipalities: gpd.GeoDataFrame
    _drawn: dict[tuple[float, float], str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, run: Run, assets: gpd.GeoDataFrame) -> Surroundings:
        """Read anew what a run was made with, around some of its assets.

        Without a surface where the scenario names none, or its files are no longer there.
        """
        source = run.scenario.surface
        files = [*source.buildings, *source.terrain]
        heights = None
        if files and len(assets) and all(path.exists() for path in files):
            settings = run.scenario.coverage
            reach = max(settings.radius_roof_m, settings.radius_pole_m) + run.grid.cell_size_m
            x_min, y_min, x_max, y_max = assets.total_bounds
            heights = surface.read(
                source.buildings,
                source.terrain,
                bounds=(x_min - reach, y_min - reach, x_max + reach, y_max + reach),
                crs=run.crs,
                cell_size_m=source.cell_size_m,
            )
        return cls(heights, run.municipalities)

    def ground_m(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """The ground above sea level, float64; NaN where no terrain is known."""
        if self.surface is None or self.surface.terrain_m is None:
            return np.full(np.shape(x_m), np.nan)
        return np.asarray(self.surface.ground_m(x_m, y_m), dtype=float)

    def plan(self, x_m: float, y_m: float, others: Sequence[tuple[int, float, float]]) -> str:
        """A plan as SVG, north up, to scale, without links to anything outside.

        Parameters
        ----------
        x_m, y_m : float
            The asset: easting and northing.
        others : sequence of (int, float, float)
            Number, easting and northing of other assets of the same offer near it.
        """
        if (x_m, y_m) not in self._drawn:
            self._drawn[x_m, y_m] = self._buildings(x_m, y_m) + self._boundaries(x_m, y_m)
        scale, half = PIXELS / (2 * HALF_M), PIXELS / 2
        dots = []
        for number, x, y in others:
            px, py = half + (x - x_m) * scale, half - (y - y_m) * scale
            dots.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="#555"/>')
            dots.append(f'<text x="{px + 6:.1f}" y="{py + 4:.1f}">{number}</text>')
        bar = 50 * scale
        return (
            f'<svg viewBox="0 0 {PIXELS} {PIXELS}" width="{PIXELS}" height="{PIXELS}" role="img">'
            f'<rect width="{PIXELS}" height="{PIXELS}" fill="#f7f7f4" stroke="#999"/>'
            f"{self._drawn[x_m, y_m]}{''.join(dots)}"
            f'<circle cx="{half}" cy="{half}" r="7" fill="#0072b2" stroke="#fff" '
            'stroke-width="2"/>'
            '<path d="M20 40 L26 18 L32 40 Z" fill="#333"/><text x="22" y="54">N</text>'
            f'<path d="M20 {PIXELS - 20} h{bar:.0f}" stroke="#333" stroke-width="3"/>'
            f'<text x="20" y="{PIXELS - 26}">50 m</text></svg>'
        )

    def _buildings(self, x_m: float, y_m: float) -> str:
        """Outlines of buildings, by classes of height, from the raster; edges run along cells."""
        if self.surface is None:
            return ""
        grid = self.surface.grid
        top, left = (int(v) for v in grid.rowcol(x_m - HALF_M, y_m + HALF_M))
        cells = int(np.ceil(2 * HALF_M / grid.cell_size_m)) + 1
        rows = slice(max(top, 0), max(top + cells, 0))
        columns = slice(max(left, 0), max(left + cells, 0))
        heights = self.surface.building_m[rows, columns]
        if not heights.size:
            return ""
        classes = np.digitize(heights, (_LOWEST_M, *_STEPS_M)).astype(np.uint8)
        paths: dict[int, list[str]] = {}
        for shape, value in rasterio.features.shapes(
            classes, mask=classes > 0, connectivity=4, transform=Affine.identity()
        ):
            paths.setdefault(int(value), []).extend(map(_ring, shape["coordinates"]))
        # From cells to pixels, so that outlines are written in whole numbers.
        scale = PIXELS / (2 * HALF_M)
        x0 = grid.x_min_m + columns.start * grid.cell_size_m - (x_m - HALF_M)
        y0 = (y_m + HALF_M) - (grid.y_max_m - rows.start * grid.cell_size_m)
        size = grid.cell_size_m * scale
        drawn = "".join(
            f'<path fill="{_FILLS[value]}" fill-rule="evenodd" d="{"".join(parts)}"/>'
            for value, parts in sorted(paths.items())
        )
        return (
            f'<svg width="{PIXELS}" height="{PIXELS}"><g transform="translate({x0 * scale:.2f} '
            f'{y0 * scale:.2f}) scale({size:.4f})">{drawn}</g></svg>'
        )

    @cached_property
    def _lines(self) -> tuple[shapely.STRtree, np.ndarray]:
        lines = shapely.get_parts(self.municipalities.geometry.boundary.to_numpy())
        return shapely.STRtree(lines), lines

    def _boundaries(self, x_m: float, y_m: float) -> str:
        """Municipalities' boundaries within the plan."""
        tree, lines = self._lines
        window = shapely.box(x_m - HALF_M, y_m - HALF_M, x_m + HALF_M, y_m + HALF_M)
        scale = PIXELS / (2 * HALF_M)
        paths = []
        for line in shapely.get_parts(shapely.intersection(lines[tree.query(window)], window)):
            points = shapely.get_coordinates(line)
            if len(points) < 2:
                continue
            pixels = np.column_stack(
                [(points[:, 0] - x_m + HALF_M) * scale, (y_m + HALF_M - points[:, 1]) * scale]
            )
            paths.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in pixels.tolist()))
        if not paths:
            return ""
        return (
            f'<path d="{"".join(paths)}" fill="none" stroke="#a0a" stroke-width="1.5" '
            'stroke-dasharray="8 3 2 3"/>'
        )


def _ring(points: list[tuple[float, float]]) -> str:
    """A ring whose edges run along cells, in relative steps.

    >>> _ring([(1.0, 2.0), (1.0, 4.0), (3.0, 4.0), (3.0, 2.0), (1.0, 2.0)])
    'M1 2v2h2v-2z'
    """
    x, y = points[0]
    parts = [f"M{x:.0f} {y:.0f}"]
    for nx, ny in points[1:-1]:
        parts.append(f"h{nx - x:.0f}" if ny == y else f"v{ny - y:.0f}")
        x, y = nx, ny
    return "".join(parts) + "z"
