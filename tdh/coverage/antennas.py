"""Azimuths and tilt for sites that have no antenna plan: the best of a few, by what they close."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numba
import numpy as np
from numpy.typing import ArrayLike

from tdh.coverage.compute import compute_many
from tdh.coverage.footprint import Coverage
from tdh.coverage.receivers import receivers
from tdh.coverage.sites import SECTORS_DEG, site_arrays
from tdh.errors import DomainError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.radio.prediction import OFFSET_DBM, STEP_DB
from tdh.radio.vectors import bearing_deg
from tdh.surface import Surface

TURNS_DEG = (0.0, 30.0, 60.0, 90.0)
"""Turns of the three sectors that are tried; at 120° they repeat."""
TILTS_DEG = (2.0, 6.0, 10.0)


def choose_antennas(
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    cells: gpd.GeoDataFrame,
    bands: Band | Mapping[str, Band],
    weight: ArrayLike,
    *,
    grid: Grid,
    turns_deg: Sequence[float] = TURNS_DEG,
    tilts_deg: Sequence[float] = TILTS_DEG,
    isotropic: Mapping[str, Coverage] | None = None,
    **options: Any,
) -> gpd.GeoDataFrame:
    """The sites with the turn and tilt of their sectors that close most.

    The geometry is computed once, without a pattern; each choice then only adds its gain. A cell
    counts once, whichever of the bands serves it.

    Parameters
    ----------
    sites : GeoDataFrame
        As for :func:`tdh.coverage.compute`. Only those with several sectors (``azimuths_deg``) are
        turned; the others are returned as they are.
    surface, cells, grid
        As for :func:`tdh.coverage.compute`.
    bands : Band or mapping of str to Band
        All bands that these antennas carry.
    weight : array_like of float, shape (n_cells,)
        What serving a cell is worth, such as unmet people; not negative. Cells of no weight are
        not computed.
    turns_deg, tilts_deg : sequence of float
        What to try, each with each.
    isotropic : mapping of str to Coverage, optional
        What :func:`without_pattern` gave for (at least) these sites, cells and bands, where several
        weights share it.
    **options
        Further options of :func:`tdh.coverage.compute_many`.

    Returns
    -------
    GeoDataFrame
        The sites with ``azimuths_deg``, ``tilt_deg`` and ``antenna_gain_weight`` (the weight
        served, by signals rounded to half a decibel). Of equal choices the first wins.

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
    named = {bands.id: bands} if isinstance(bands, Band) else dict(bands)
    out = sites.copy()
    out["antenna_gain_weight"] = np.nan
    several = turned(sites)
    if not several.any() or not (values > 0).any():
        return out
    own = sites.loc[several]
    if isotropic is None:
        isotropic = without_pattern(
            own, surface, cells.loc[values > 0], named, grid=grid, **options
        )
    choices = [(turn, tilt) for tilt in tilts_deg for turn in turns_deg]
    azimuths = np.array([_turned(turn) for turn, _ in choices])
    tilts = np.array([tilt for _, tilt in choices], dtype=float)
    any_band = next(iter(isotropic.values()))
    rows = any_band.site_ids.get_indexer(own.index.astype("str"))
    at = cells.index.get_indexer(any_band.cell_ids)
    arrays = site_arrays(own, surface, None)
    points = receivers(cells.iloc[at], surface, grid, options.get("receiver_height_m", 1.5)).points
    served = np.zeros((len(own), len(choices)))
    stamps = np.zeros((len(choices), len(at)), dtype=np.int32)
    indptr = np.stack([isotropic[name].signal.indptr for name in named]).astype(np.int64)
    indices = [isotropic[name].signal.indices for name in named]
    data = [isotropic[name].signal.data for name in named]
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in data])]).astype(np.int64)
    _weigh(
        rows,
        arrays.numbers,
        points,
        values[at],
        indptr,
        np.concatenate(indices),
        np.concatenate(data),
        offsets,
        np.array([band.covered_dbm for band in named.values()]),
        azimuths,
        tilts,
        (options.get("model") or Model()).pattern,
        stamps,
        served,
    )
    best = served.argmax(axis=1)
    out.loc[several, "azimuths_deg"] = [_words(choices[i][0]) for i in best]
    out.loc[several, "tilt_deg"] = [choices[i][1] for i in best]
    out.loc[several, "antenna_gain_weight"] = served.max(axis=1)
    return out


def turned(sites: gpd.GeoDataFrame) -> np.ndarray:
    """Which sites have several sectors, that can be turned: bool (n_sites,)."""
    if "azimuths_deg" not in sites.columns:
        return np.zeros(len(sites), dtype=bool)
    several: np.ndarray = sites["azimuths_deg"].fillna("").str.split().str.len().to_numpy() > 1
    return several


def without_pattern(
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    cells: gpd.GeoDataFrame,
    bands: Mapping[str, Band],
    *,
    grid: Grid,
    **options: Any,
) -> dict[str, Coverage]:
    """Signals as if every antenna radiated its EIRP in all directions, where they would cover.

    Parameters as :func:`tdh.coverage.compute_many`.
    """
    plain = sites.assign(azimuths_deg="", azimuth_deg=np.nan, tilt_deg=np.nan)
    options.pop("floor_dbm", None)
    lowest = min(band.covered_dbm for band in bands.values())
    return compute_many(plain, surface, cells, bands, grid=grid, floor_dbm=lowest, **options)


def _turned(turn_deg: float) -> list[float]:
    return [(a + turn_deg) % 360 for a in SECTORS_DEG]


def _words(turn_deg: float) -> str:
    return " ".join(f"{a:g}" for a in _turned(turn_deg))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weigh(  # type: ignore[no-untyped-def]
    rows, sites, points, weight, indptr, indices, data, offsets, covered, azimuths, tilts,
    pattern, stamps, served,
):  # fmt: skip
    """The weight that each site serves with each choice, (n_sites, n_choices), into ``served``."""
    n_choices = tilts.size
    wide, high, limit = pattern
    for s in range(rows.size):
        row = rows[s]
        if row < 0:
            continue
        for b in range(indptr.shape[0]):
            for k in range(indptr[b, row], indptr[b, row + 1]):
                cell = indices[offsets[b] + k]
                spare = OFFSET_DBM + STEP_DB * data[offsets[b] + k] - covered[b]
                if weight[cell] <= 0.0 or spare < 0.0:
                    continue
                east, north = points[cell, 0] - sites[s, 0], points[cell, 1] - sites[s, 1]
                bearing = bearing_deg(east, north)
                level = bearing_deg(points[cell, 2] - sites[s, 2], math.hypot(east, north))
                for c in range(n_choices):
                    if stamps[c, cell] == s + 1:
                        continue
                    off = 360.0
                    for azimuth in azimuths[c]:
                        turn = abs(bearing - azimuth)
                        off = min(off, turn, abs(turn - 360.0))
                    steep = level + tilts[c]
                    loss = min(12.0 * (off / wide) ** 2, limit)
                    loss = min(loss + min(12.0 * (steep / high) ** 2, limit), limit)
                    if loss <= spare:
                        stamps[c, cell] = s + 1
                        served[s, c] += weight[cell]
