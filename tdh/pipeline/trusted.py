"""Where a calibrated prediction must not be trusted: cells served by links unlike any measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from scipy import sparse

from tdh.coverage import Coverage
from tdh.coverage.rasters import geotiff
from tdh.coverage.sites import antenna_arrays
from tdh.files import atomic
from tdh.measurements.kinds import Kinds
from tdh.measurements.links import half_turn
from tdh.pipeline.context import Context

NOTHING, LIKE, UNLIKE, OUTSIDE = 0, 1, 2, 255
"""What the raster holds: nothing is predicted; by a kind of link that was measured; by another."""


def path_of(folder: Path, carrier_id: str, band_id: str) -> Path:
    """The raster of a carrier's band."""
    return folder / f"coverage/{carrier_id}-{band_id}-trust.tif"


def write(
    context: Context,
    carrier_id: str,
    band_id: str,
    kinds: Kinds,
    layers: Sequence[tuple[Coverage | None, gpd.GeoDataFrame]],
) -> tuple[int, int]:
    """Write the raster of a band; the number of cells with a prediction, and of those to trust.

    Parameters
    ----------
    kinds : Kinds
        What was measured.
    layers : sequence of (Coverage, GeoDataFrame)
        Predicted signals and their sites; the first that says something of a cell counts.
    """
    cells = context.run.cells
    codes = np.full(len(cells), NOTHING, dtype=np.uint8)
    for signals, sites in layers:
        if signals is None:
            continue
        own = sites[sites["band"] == band_id]
        _, server = signals.best_server()
        new = np.flatnonzero((server >= 0) & (codes == NOTHING))
        like = _like(context, kinds, signals, own, server[new], new)
        codes[new] = np.where(like, LIKE, UNLIKE)
    raster = np.full(context.grid.shape, OUTSIDE, dtype=np.uint8)
    raster[cells["row"].to_numpy(), cells["col"].to_numpy()] = codes
    with (
        atomic(path_of(context.folder, carrier_id, band_id)) as draft,
        rasterio.open(draft, "w", **geotiff(context.grid, "uint8", OUTSIDE)) as target,
    ):
        target.write(raster, 1)
        told = "0 no prediction, 1 like links that were measured, 2 unlike: do not trust"
        target.set_band_description(1, told)
    return int((codes != NOTHING).sum()), int((codes == LIKE).sum())


def _like(
    context: Context,
    kinds: Kinds,
    signals: Coverage,
    sites: gpd.GeoDataFrame,
    server: np.ndarray,
    cell: np.ndarray,
) -> np.ndarray:
    """Whether each link of a site (position in ``site_ids``) to a cell is of a measured kind."""
    own = sites.set_axis(sites.index.astype("str")).loc[signals.site_ids]
    cells = context.run.cells.geometry
    east = cells.x.to_numpy()[cell] - own.geometry.x.to_numpy()[server]
    north = cells.y.to_numpy()[cell] - own.geometry.y.to_numpy()[server]
    height = own["antenna_height_agl_m"].to_numpy(float)[server]
    up = height - context.scenario.coverage.receiver_height_m
    turn = np.degrees(np.arctan2(east, north))[:, None] - antenna_arrays(own).azimuths[server]
    off = np.nan_to_num(np.nanmin(np.abs(half_turn(turn)), axis=1, initial=360.0))
    off[np.isnan(turn).all(axis=1)] = 0.0
    sight = np.zeros(len(cell), dtype=bool)
    if signals.line_of_sight is not None:
        matrix = signals.signal
        seen = sparse.csr_array(
            (signals.line_of_sight.astype(np.int8), matrix.indices, matrix.indptr), matrix.shape
        )
        sight = np.asarray(seen[server, cell]).ravel() > 0
    distance = np.sqrt(east**2 + north**2 + up**2)
    return kinds.like(distance, off, sight)
