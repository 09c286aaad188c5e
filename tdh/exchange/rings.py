"""Search rings answered with the assets inside them."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np

from tdh.exchange.answers import SearchRing
from tdh.exchange.offered import FACTS

_JGD2011 = "EPSG:6668"


def inside(assets: gpd.GeoDataFrame, ring: SearchRing) -> gpd.GeoDataFrame:
    """The assets within a search ring, the nearest first.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets`` (or ``offers``) in a projected CRS in metres.
    ring : SearchRing
        Circle in JGD2011; heights are those at which an antenna can be mounted. An asset without
        a known height is kept: whether it suits is for the carrier to say.

    Returns
    -------
    GeoDataFrame
        The register's facts and ``distance_m``; assets on which nothing can be mounted are left
        out.
    """
    centre = gpd.GeoSeries.from_xy([ring.longitude], [ring.latitude], crs=_JGD2011)
    point = centre.to_crs(assets.crs).iloc[0]
    distance = assets.geometry.distance(point)
    height = assets["mounting_height_m"].to_numpy(dtype=float)
    low = -np.inf if ring.height_min_m is None else ring.height_min_m
    high = np.inf if ring.height_max_m is None else ring.height_max_m
    fits = np.isnan(height) | ((height >= low) & (height <= high))
    keep = (distance <= ring.radius_m) & fits & (assets["placement"] != "none")
    facts = [name for name in FACTS if name in assets.columns]
    found = assets.loc[keep, [*facts, assets.geometry.name]].copy()
    found.insert(0, "distance_m", distance[keep].round(1))
    return found.sort_values("distance_m", kind="stable")


def answer_rings(
    assets: gpd.GeoDataFrame, rings: Iterable[SearchRing]
) -> dict[str, gpd.GeoDataFrame]:
    """Each ring's name to the assets inside it; see :func:`inside`."""
    return {ring.name: inside(assets, ring) for ring in rings}
