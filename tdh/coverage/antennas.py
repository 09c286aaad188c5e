"""Azimuths and tilt for sites that have no antenna plan: the best of a few, by what they close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import ArrayLike

from tdh.coverage.compute import compute
from tdh.coverage.sites import SECTORS_DEG
from tdh.errors import DomainError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio.bands import Band
from tdh.surface import Surface

TURNS_DEG = (0.0, 30.0, 60.0, 90.0)
"""Turns of the three sectors that are tried; at 120° they repeat."""
TILTS_DEG = (2.0, 6.0, 10.0)


def choose_antennas(
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    cells: gpd.GeoDataFrame,
    band: Band,
    weight: ArrayLike,
    *,
    grid: Grid,
    turns_deg: Sequence[float] = TURNS_DEG,
    tilts_deg: Sequence[float] = TILTS_DEG,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> gpd.GeoDataFrame:
    """The sites with the turn and tilt of their sectors that close most.

    Parameters
    ----------
    sites : GeoDataFrame
        As for :func:`tdh.coverage.compute`. Only those with several sectors (``azimuths_deg``) are
        turned; the others are returned as they are.
    surface, cells, band, grid
        As for :func:`tdh.coverage.compute`. Choose in the highest of a site's bands: it is the
        most selective.
    weight : array_like of float, shape (n_cells,)
        What serving a cell is worth, such as unmet people; not negative. Cells of no weight are
        not computed.
    turns_deg, tilts_deg : sequence of float
        What to try, each with each.
    progress : callable, optional
        Called with (choices done, choices in all).
    **options
        Further options of :func:`tdh.coverage.compute`.

    Returns
    -------
    GeoDataFrame
        The sites with ``azimuths_deg``, ``tilt_deg`` and ``antenna_gain_weight`` (the weight
        served). Of equal choices the first wins, so that the answer does not depend on threads.

    Raises
    ------
    DomainError
        If weights are negative or not one a cell, or there is nothing to choose from.
    """
    values = np.asarray(weight, dtype=float)
    fits = values.shape == (len(cells),) and bool((values >= 0).all())
    if not fits or not turns_deg or not tilts_deg:
        raise DomainError(
            Problem(
                Text(
                    "weights must be one a cell and not negative, and choices not empty",
                    "重みはセルごとに非負で、選択肢は1つ以上必要です",
                ),
                value=values.shape,
                expected=str((len(cells),)),
            )
        )
    out = sites.copy()
    several = np.zeros(len(sites), dtype=bool)
    if "azimuths_deg" in sites.columns:
        several = sites["azimuths_deg"].fillna("").str.split().str.len().to_numpy() > 1
    turned = sites.loc[several]
    out["antenna_gain_weight"] = np.nan
    wanted = cells.loc[values > 0]
    if turned.empty or wanted.empty:
        return out
    choices = [(turn, tilt) for tilt in tilts_deg for turn in turns_deg]
    served = np.empty((len(choices), len(turned)))
    for i, (turn, tilt) in enumerate(choices):
        tried = turned.assign(azimuths_deg=_sectors(turn), tilt_deg=tilt)
        got = compute(tried, surface, wanted, band, grid=grid, **options)
        served[i] = got.footprint().astype(float) @ values[values > 0]
        if progress is not None:
            progress(i + 1, len(choices))
    best = served.argmax(axis=0)
    out.loc[several, "azimuths_deg"] = [_sectors(choices[i][0]) for i in best]
    out.loc[several, "tilt_deg"] = [choices[i][1] for i in best]
    out.loc[several, "antenna_gain_weight"] = served.max(axis=0)
    return out


def _sectors(turn_deg: float) -> str:
    return " ".join(f"{(a + turn_deg) % 360:g}" for a in SECTORS_DEG)
