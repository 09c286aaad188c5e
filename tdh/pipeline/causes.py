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

Causes = Mapping[tuple[str, str], np.ndarray]
"""(carrier, band) to positions in :data:`tdh.gaps.CAUSES`: uint8, (n_cells,)."""

_FLOOR_DBM = -150.0
_DECLARED = CODES["declared"]


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
    missing = np.ones(gap.size, dtype=bool)
    near, usual, outdoors = ~missing, ~missing, ~missing
    if len(sites) and gap.size:
        cells, height_m = run.cells.iloc[gap], run.scenario.coverage.receiver_height_m
        in_a_usual_town = coverage.compute(
            sites,
            None,
            cells,
            band,
            grid=run.grid,
            receiver_height_m=height_m,
            model=replace(model, indoor=None),
        )
        usual = in_a_usual_town.best_server()[0] >= band.covered_dbm
        x, y = run.grid.centres(row[gap], col[gap])
        near = gaps.nearest_m(sites, x, y) <= run.scenario.gaps.near_m
        if surface is not None:
            evidence = run.evidence(*key)
            modelled = missing if evidence is None else evidence[row[gap], col[gap]] < _DECLARED
            outdoors = _enough_outdoors(run, band, sites, surface, model, cells, modelled)
    cause = np.zeros(len(run.cells), dtype=np.uint8)
    cause[gap] = gaps.causes(missing, outdoors=outdoors, usual=usual, near=near)
    return cause


def _enough_outdoors(
    run: Run,
    band: Band,
    sites: gpd.GeoDataFrame,
    surface: Surface,
    model: Model,
    cells: gpd.GeoDataFrame,
    modelled: np.ndarray,
) -> np.ndarray:
    """Cells indoors, of those with a level of the model, where outdoors it would be enough."""
    height_m = run.scenario.coverage.receiver_height_m
    inside = modelled.copy()
    if model.indoor is None:
        inside &= receivers(cells, surface, run.grid, height_m).inside > 0
    enough = np.zeros(len(cells), dtype=bool)
    if inside.any():
        level = coverage.compute(
            sites,
            surface,
            cells[inside],
            band,
            grid=run.grid,
            receiver_height_m=height_m,
            floor_dbm=_FLOOR_DBM,
            model=model,
        ).best_server()[0]
        # The loss at level incidence is the least: nothing is said to be enough that is not.
        building = model.indoor or model.indoor_cells
        level = level + tables.entry_table(band.frequency_ghz, building, model.entry_percent)[0]
        enough[inside] = level >= band.covered_dbm
    return enough
