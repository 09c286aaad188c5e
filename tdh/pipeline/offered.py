"""What is offered, drawn out: the antennas of each offer, and the link that shows what it is for."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import coverage, gaps, schemas
from tdh.coverage import Coverage
from tdh.files import atomic
from tdh.pipeline.context import Context

MOST_POINTS = 200
"""Points of a stored profile; a longer one is thinned, its roofs kept."""


def links(context: Context) -> dict[str, Any]:
    """Tables ``antennas`` and ``profiles`` of the plan."""
    antennas = antenna_table(context)
    profiles = profile_table(context)
    for name, table in (("antennas", antennas), ("profiles", profiles)):
        with atomic(context.folder / f"{name}.parquet") as path:
            table.to_parquet(path, compression="zstd")
    return {"sectors": len(antennas), "profiles": len(profiles)}


def sites_of(context: Context, carrier_id: str) -> gpd.GeoDataFrame:
    """The assets offered to a carrier as sites, with its antennas on them."""
    run = context.run
    chosen = run.plan.loc[run.plan["carrier_id"] == carrier_id, "asset_id"]
    return run.candidate_sites(carrier_id).loc[chosen]


def antenna_table(context: Context) -> pd.DataFrame:
    """One row a sector and band of each offer (table ``antennas``)."""
    rows = []
    for (carrier_id, band_id), band in context.bands.items():
        for site in sites_of(context, carrier_id).itertuples():
            pole = site.placement == "pole"
            eirp = band.eirp_pole_dbm if pole else band.eirp_roof_dbm
            if eirp is None:
                continue
            sectors = [float(a) for a in site.azimuths_deg.split()] or [np.nan]
            rows += [
                {
                    "asset_id": site.Index,
                    "carrier_id": carrier_id,
                    "band": band_id,
                    "azimuth_deg": azimuth,
                    "tilt_deg": site.tilt_deg,
                    "height_agl_m": site.antenna_height_agl_m,
                    "eirp_dbm": eirp,
                }
                for azimuth in sectors
            ]
    names = schemas.columns("antennas")["column"]
    return schemas.conform(pd.DataFrame(rows, columns=list(names)), "antennas")


def profile_table(context: Context) -> pd.DataFrame:
    """The cut from each offer to the cell where it newly serves most people (table ``profiles``).

    The band is the highest of the carrier's that serves the cell from there. Empty without a
    surface: nothing then stands between.
    """
    run, scenario, surface = context.run, context.scenario, context.surface
    names = schemas.columns("profiles")["column"]
    rows: list[dict[str, Any]] = []
    carriers = [] if surface is None else [c.id for c in scenario.carriers]
    unmet = gaps.unmet_matrix(run.gaps, run.cells, [c.id for c in scenario.carriers])
    places = coverage.receivers(
        run.cells, surface, context.grid, scenario.coverage.receiver_height_m
    ).points
    for position, carrier_id in enumerate(carriers):
        sites = sites_of(context, carrier_id)
        held = sorted(
            (key for key in context.bands if key[0] == carrier_id),
            key=lambda key: -context.bands[key].frequency_mhz,
        )
        best = _best_cells(context, [band for _, band in held], carrier_id, sites, unmet[position])
        for asset_id, (cell, band_id) in best.items():
            band = context.bands[carrier_id, band_id]
            link = coverage.explain_link(
                sites,
                asset_id,
                float(places[cell, 0]),
                float(places[cell, 1]),
                surface,
                band,
                receiver_height_m=scenario.coverage.receiver_height_m,
                model=context.model,
            )
            assert link.profile is not None
            cut = link.profile.thinned(MOST_POINTS)
            rows.append(
                {
                    "asset_id": asset_id,
                    "carrier_id": carrier_id,
                    "band": band_id,
                    "cell_id": run.cells.index[cell],
                    "people": float(unmet[position, cell]),
                    "rsrp_dbm": link.rsrp_dbm,
                    "line_of_sight": link.line_of_sight,
                    "antenna_m": float(cut.line_m[0]),
                    "receiver_m": float(cut.line_m[-1]),
                    "distance_m": cut.distance_m.round(1).tolist(),
                    "ground_m": cut.ground_m.round(1).tolist(),
                    "top_m": cut.top_m.round(1).tolist(),
                }
            )
    return schemas.conform(pd.DataFrame(rows, columns=list(names)), "profiles")


def _best_cells(
    context: Context,
    bands: list[str],
    carrier_id: str,
    sites: gpd.GeoDataFrame,
    unmet: np.ndarray,
) -> dict[str, tuple[int, str]]:
    """Per offer the cell with most unmet people that it serves, and the band; highest band first."""
    best: dict[str, tuple[int, str]] = {}
    most: dict[str, float] = {}
    for band_id in bands:
        signals = Coverage.load(context.folder / f"footprints/{carrier_id}-{band_id}.npz")
        served = signals.footprint()
        for asset_id, row in zip(
            sites.index, signals.site_ids.get_indexer(sites.index), strict=True
        ):
            cells = served.indices[served.indptr[row] : served.indptr[row + 1]]
            if not cells.size:
                continue
            cell = int(cells[np.argmax(unmet[cells])])
            if unmet[cell] > most.get(asset_id, 0.0):
                best[asset_id], most[asset_id] = (cell, band_id), float(unmet[cell])
    return best
