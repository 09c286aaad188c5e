"""Sites against Japan's limits of exposure: distances, sums over bands, and who comes too near."""

from __future__ import annotations

import math
from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.coverage.sites import levels_dbm, site_arrays
from tdh.radio import exposure
from tdh.radio.bands import Band
from tdh.radio.prediction import ROOF_STEP_M
from tdh.surface import Surface

PERSON_M = 2.0
"""Height up to which a person standing on a ground or roof reaches."""


def exposure_of_sites(
    sites: gpd.GeoDataFrame,
    bands: Mapping[str, Band],
    surface: Surface | None = None,
    *,
    reflection: float = exposure.GROUND_REFLECTION,
    duty: float = 1.0,
) -> pd.DataFrame:
    """The compliance distance of each site, all its bands together, and whether people come nearer.

    Parameters
    ----------
    sites : GeoDataFrame
        As for :func:`tdh.coverage.compute`. All bands are taken to transmit from every site on
        whose placement they are used; one sector a band points at a place.
    bands : mapping of str to Band
    surface : Surface, optional
        For neighbouring buildings; without it only the ground and the own roof are looked at.
    reflection : float
        K of the notice; see :mod:`tdh.radio.exposure`.
    duty : float
        Share of the six-minute mean in the peak EIRP; 1 is the strictest.

    Returns
    -------
    DataFrame
        Index site_id; ``compliance_<band>_m`` for each band (NaN where it is not used),
        ``combined_m`` (from there the ratios' sum is at most 1), ``ground_inside``,
        ``roof_inside`` (someone on the site's own roof), ``building_inside`` (a neighbouring
        building within the distance), ``flag`` (any place that people may enter without passing
        the site's own roof door: ground or neighbouring building).

    Notes
    -----
    The strictest reading: the peak EIRP in every direction, no pattern. So a flag means "look
    here", and its absence holds for any azimuth and tilt.
    """
    arrays = site_arrays(sites, surface, None)
    out = pd.DataFrame(index=pd.Index(sites.index.astype("str"), name="site_id"))
    squares = np.zeros(len(sites))
    for name, band in bands.items():
        eirp = levels_dbm(arrays, band) - band.carrier_to_rsrp_db
        used = ~np.isnan(eirp)
        distance = np.full(len(sites), np.nan)
        if used.any():
            distance[used] = exposure.compliance_distance_m(
                eirp[used], band.frequency_mhz, reflection=reflection, duty=duty
            )
        out[f"compliance_{name}_m"] = distance
        squares += np.nan_to_num(distance) ** 2
    combined = np.sqrt(squares)
    out["combined_m"] = combined
    out["ground_inside"] = arrays.heights_m - PERSON_M < combined
    roof = arrays.numbers[:, 3]
    above_roof = arrays.numbers[:, 2] - roof
    out["roof_inside"] = np.nan_to_num(above_roof, nan=np.inf) - PERSON_M < combined
    near = np.zeros(len(sites), dtype=bool)
    if surface is not None:
        for i, reach in enumerate(combined):
            near[i] = _building_within(surface, arrays.numbers[i], float(reach))
    out["building_inside"] = near
    out["flag"] = out["ground_inside"] | out["building_inside"]
    return out


def _building_within(surface: Surface, site: np.ndarray, reach_m: float) -> bool:
    """Whether a building other than the site's own comes within a distance of the antenna."""
    x, y, z, roof = site[:4]
    grid = surface.grid
    cell = grid.cell_size_m
    row, col = (int(v) for v in grid.rowcol(x, y))
    n = math.ceil(reach_m / cell)
    r0, r1 = max(row - n, 0), min(row + n + 1, grid.n_rows)
    c0, c1 = max(col - n, 0), min(col + n + 1, grid.n_cols)
    if r0 >= r1 or c0 >= c1:
        return False
    building, top = surface.building_m[r0:r1, c0:c1], surface.top_m[r0:r1, c0:c1]
    own = abs(top - roof) <= ROOF_STEP_M if not math.isnan(roof) else np.zeros(top.shape, bool)
    cx, cy = grid.centres(*np.mgrid[r0:r1, c0:c1])
    # From the antenna to the nearest point of each prism, people on its top included.
    dx = np.maximum(abs(cx - x) - cell / 2, 0.0)
    dy = np.maximum(abs(cy - y) - cell / 2, 0.0)
    dz = np.maximum(z - (top + PERSON_M), 0.0)
    others = (building > 0) & ~own
    return bool((others & (dx * dx + dy * dy + dz * dz < reach_m**2)).any())
