"""Why a cell is not served: because no site is near, because of what stands in the way, or indoors.

Three levels of the carrier's present sites are compared with the threshold, all by the same model:

* outdoors as it is: with what stands in the way, without the loss of entering a building;
* as usual: what the sites give at their distance in a town of the usual kind, where TR 38.901's
  probability of line of sight and P.2108's clutter stand for the buildings
  (:func:`tdh.coverage.compute` without a surface);
* as the run has it.

Free sight would be the wrong yardstick: at 28 GHz it reaches kilometres, over which no town lets
anything pass, so that every gap within the followed radius would be one of blocking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import geopandas as gpd
import numpy as np

from tdh import coverage, gaps
from tdh.coverage.receivers import receivers
from tdh.present import CODES
from tdh.radio import tables
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.results import Run
from tdh.surface import Surface

REASONS = ("", "indoors_only", "blocked", "no_site_near")
"""What a cell's number means, from served (0) to what takes most to mend."""
INDOORS_ONLY, BLOCKED, NO_SITE_NEAR = 1, 2, 3

Causes = Mapping[tuple[str, str], np.ndarray]
"""(carrier, band) to positions in :data:`REASONS`: uint8, (n_cells,)."""

_FLOOR_DBM = -150.0


def of_cells(run: Run, surface: Surface | None, model: Model) -> Causes:
    """Why each cell is a gap of each carrier's band.

    The first that holds:

    * ``indoors_only``: the receiver is inside a building, and outdoors the level would be enough.
      Not where the level is measured or declared, which is one outdoors.
    * ``blocked``: usually a site would be enough at its distance, or one stands within
      ``gaps.near_m``; what stands in the way here keeps it below.
    * ``no_site_near``: neither.

    Parameters
    ----------
    run : Run
        As far as present coverage.
    surface : Surface or None
        The one that the run was predicted over.
    model : Model
        The one that it was predicted with.
    """
    found = {}
    for (carrier, band_id), band in run.bands.items():
        sites = run.sites
        own = sites[(sites["carrier_id"] == carrier) & (sites["band"] == band_id)]
        found[carrier, band_id] = _of_band(run, (carrier, band_id), band, own, surface, model)
    return found


def _of_band(
    run: Run,
    key: tuple[str, str],
    band: Band,
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    model: Model,
) -> np.ndarray:
    row, col = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    gap = np.flatnonzero(~(run.signal(*key)[row, col] >= band.covered_dbm))
    cause = np.zeros(len(run.cells), dtype=np.uint8)
    cause[gap] = NO_SITE_NEAR
    if sites.empty or gap.size == 0:
        return cause
    cells, grid = run.cells.iloc[gap], run.grid
    height_m = run.scenario.coverage.receiver_height_m
    outdoors = replace(model, indoor=None)
    usual = coverage.compute(
        sites, None, cells, band, grid=grid, receiver_height_m=height_m, model=outdoors
    )
    x, y = grid.centres(row[gap], col[gap])
    near = gaps.nearest_m(sites, x, y) <= run.scenario.gaps.near_m
    cause[gap[near | (usual.best_server()[0] >= band.covered_dbm)]] = BLOCKED
    if surface is None:
        return cause
    inside = receivers(cells, surface, grid, height_m).inside > 0
    if model.indoor is not None:
        inside[:] = True
    evidence = run.evidence(*key)
    if evidence is not None:
        inside &= evidence[row[gap], col[gap]] < CODES["declared"]
    if inside.any():
        level = coverage.compute(
            sites,
            surface,
            cells[inside],
            band,
            grid=grid,
            receiver_height_m=height_m,
            floor_dbm=_FLOOR_DBM,
            model=model,
        ).best_server()[0]
        # The loss at level incidence is the least: nothing is said to be enough that is not.
        building = model.indoor or model.indoor_cells
        level = level + tables.entry_table(band.frequency_ghz, building, model.entry_percent)[0]
        cause[gap[inside][level >= band.covered_dbm]] = INDOORS_ONLY
    return cause
