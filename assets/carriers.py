"""Four invented carriers: where they have sites already, and where each of them has none.

Nothing here is a real network. No carrier publishes its sites, and none is behind these names.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from tdh.sample import place

ROOF_EIRP_DBM = 61
POLE_EIRP_DBM = 50
_ROOF_SEARCH_M = 30.0

_MAST_M = 3.0
"""An antenna stands this far above the roof."""


@dataclass(frozen=True)
class Network:
    """How a carrier's network is invented.

    Parameters
    ----------
    band, frequency_mhz : str, int
        What its sites send; 100 MHz each.
    spacing_m : float
        Distance between its sites outside its holes.
    holes : tuple of (longitude, latitude, radius in metres)
        Where it has no site at all.
    poles : int
        Small cells along the main roads.
    """

    band: str
    frequency_mhz: int
    spacing_m: float
    holes: tuple[tuple[float, float, float], ...]
    poles: int


NETWORKS: dict[str, Network] = {
    "carrier-a": Network("n78", 3650, 520, ((139.6815, 35.6890, 1000),), 10),
    "carrier-b": Network("n78", 3750, 560, ((139.6930, 35.6815, 950), (139.6960, 35.6985, 450)), 8),
    "carrier-c": Network("n77", 3950, 620, ((139.6880, 35.6975, 800), (139.7050, 35.6830, 650)), 6),
    "carrier-d": Network(
        "n77", 3850, 700, ((139.6810, 35.6840, 1050), (139.6930, 35.6950, 750)), 4
    ),
}


def sites(houses: gpd.GeoDataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The carriers' present sites, on invented roofs and poles.

    Parameters
    ----------
    houses : GeoDataFrame
        Buildings, in the sample's CRS.

    Returns
    -------
    DataFrame
        ``site_id, carrier_id, latitude, longitude, antenna_height_agl_m, band, frequency_mhz,
        bandwidth_mhz, eirp_dbm, synthetic``.
    """
    lots = houses[houses["use"] != "landmark"]
    parts = []
    for carrier, network in NETWORKS.items():
        roofs = _outside_holes(_lattice(network.spacing_m, rng), network)
        xy, heights = _on_roofs(roofs, lots)
        poles = _outside_holes(_along_roads(rng), network)[: network.poles]
        both = np.vstack([xy, poles])
        lonlat = place.to_degrees(both).round(6)
        small = np.arange(len(both)) >= len(xy)
        parts.append(
            pd.DataFrame(
                {
                    "site_id": [f"synthetic-{carrier}-{i:03d}" for i in range(len(both))],
                    "carrier_id": carrier,
                    "latitude": lonlat[:, 1],
                    "longitude": lonlat[:, 0],
                    "antenna_height_agl_m": np.concatenate(
                        [heights + _MAST_M, np.full(len(poles), 8.0)]
                    ).round(1),
                    "band": network.band,
                    "frequency_mhz": network.frequency_mhz,
                    "bandwidth_mhz": 100,
                    "eirp_dbm": np.where(small, POLE_EIRP_DBM, ROOF_EIRP_DBM),
                    "synthetic": True,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _lattice(spacing_m: float, rng: np.random.Generator) -> np.ndarray:
    """Points on triangles of a side, each moved by up to a fifth of it."""
    x0, y0, x1, y1 = place.area_m(place.MARGIN_M - 50).bounds
    rise = spacing_m * np.sqrt(3) / 2
    points = [
        (x, y)
        for j, y in enumerate(np.arange(y0, y1, rise))
        for x in np.arange(x0 + (j % 2) * spacing_m / 2, x1, spacing_m)
    ]
    start = rng.uniform(0, 0.5, 2) * spacing_m
    move = rng.uniform(-0.2, 0.2, (len(points), 2)) * spacing_m
    xy = np.array(points) + start + move
    return xy[(xy[:, 0] < x1) & (xy[:, 1] < y1)]


def _along_roads(rng: np.random.Generator) -> np.ndarray:
    """Points beside the main roads of the area, in random order."""
    area = place.area_m()
    points = []
    for name, (width, _) in place.ROADS.items():
        if name == "鉄道":
            continue
        kerb = place.road_m(name).offset_curve(width / 2 - 2).intersection(area)
        along = shapely.line_interpolate_point(kerb, np.arange(60, kerb.length, 150))
        points.append(shapely.get_coordinates(along))
    xy = np.vstack(points)
    return xy[rng.permutation(len(xy))]


def _outside_holes(xy: np.ndarray, network: Network) -> np.ndarray:
    far = np.ones(len(xy), bool)
    for longitude, latitude, radius_m in network.holes:
        centre = place.to_metres(np.array([(longitude, latitude)]))
        far &= np.hypot(*(xy - centre).T) > radius_m
    return xy[far]


def _on_roofs(xy: np.ndarray, lots: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Each point moved to the highest roof near it, and that roof's height."""
    outlines = np.asarray(lots.geometry)
    tree = shapely.STRtree(outlines)
    height = lots["height_m"].to_numpy()
    roofs = []
    for point in shapely.points(xy):
        near = np.sort(tree.query(point, predicate="dwithin", distance=_ROOF_SEARCH_M))
        if len(near):
            roofs.append(near[np.argmax(height[near])])
    chosen = np.unique(roofs)
    return shapely.get_coordinates(shapely.centroid(outlines[chosen])), height[chosen]
