"""From longitude and latitude to cells of a plan's grid and back, as polynomials for the page.

A page has no map projections. Over the few tens of kilometres of a plan any of them is, to less
than a centimetre, a polynomial of the fifth degree in longitude and latitude; how well it fits is
checked here, so that it holds for any CRS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyproj import Transformer

from tdh.errors import DomainError, Problem
from tdh.grid import Grid
from tdh.language import Text

DEGREE = 5
TOLERANCE_M = 0.1
_LATTICE = 25
GEOGRAPHIC_CRS = "EPSG:6668"


def _powers(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """All products u^i v^j with i + j up to the degree, in the order that the page uses."""
    return np.stack(
        [u**i * v**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)], axis=-1
    )


def _fit(
    source: tuple[np.ndarray, np.ndarray], target: tuple[np.ndarray, np.ndarray], tolerance: float
) -> dict[str, Any]:
    centre = [float((s.max() + s.min()) / 2) for s in source]
    half = [float((s.max() - s.min()) / 2) or 1.0 for s in source]
    u, v = ((s - c) / h for s, c, h in zip(source, centre, half, strict=True))
    basis = _powers(u, v)
    terms, worst = [], 0.0
    for values in target:
        solution = np.linalg.lstsq(basis, values, rcond=None)[0]
        worst = max(worst, float(np.abs(basis @ solution - values).max()))
        terms.append([float(f"{t:.12g}") for t in solution])
    if worst > tolerance:
        raise DomainError(
            Problem(
                Text(
                    "the area is too large for a map of this kind",
                    "区域が広すぎてこの形式の地図にできません",
                ),
                value=f"{worst:.3g}",
                expected=f"<= {tolerance:.3g}",
                where="grid",
                fix=Text("plan in several areas", "区域を分けて計算してください"),
            )
        )
    return {"centre": centre, "half": half, "terms": terms}


def polynomials(grid: Grid) -> dict[str, Any]:
    """Coefficients from longitude and latitude to column and row, and back.

    Returns
    -------
    dict
        ``to_cell``: (longitude, latitude) in degrees to (column, row), fractional, 0 at the
        north-west corner; ``to_geo``: the inverse; each ``{centre, half, terms}``.

    Raises
    ------
    DomainError
        If a polynomial misses the projection by more than 0.1 m.
    """
    margin = 0.02
    u = np.linspace(-margin, 1 + margin, _LATTICE)
    col, row = (g.ravel() for g in np.meshgrid(u * grid.n_cols, u * grid.n_rows))
    to_geo = Transformer.from_crs(grid.crs, GEOGRAPHIC_CRS, always_xy=True)
    lon, lat = to_geo.transform(
        grid.x_min_m + col * grid.cell_size_m, grid.y_max_m - row * grid.cell_size_m
    )
    return {
        "degree": DEGREE,
        "to_cell": _fit((lon, lat), (col, row), TOLERANCE_M / grid.cell_size_m),
        "to_geo": _fit((col, row), (lon, lat), TOLERANCE_M / 111_000),
    }
