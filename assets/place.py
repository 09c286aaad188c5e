"""Where the sample lies: its bounds, its main roads and districts, its facts in metres.

Roads, districts and wards are drawn by hand with a few points each: good enough that a facility
falls into its ward and a main road passes its bus stops, and no better.
"""

from __future__ import annotations

from importlib.resources import files
from io import StringIO

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

CRS = "EPSG:6677"
GEOGRAPHIC_CRS = "EPSG:6668"

BOUNDS = (139.6775, 35.6795, 139.7065, 35.6985)
"""West, south, east, north of the plan's area in degrees: 2.6 km by 2.1 km."""

MARGIN_M = 300.0
"""How far buildings and residents go on beyond the area, so that its rim is no desert."""

# Longitude, latitude; the width is that of the whole street or railway in metres.
ROADS: dict[str, tuple[float, list[tuple[float, float]]]] = {
    "青梅街道": (
        36,
        [
            (139.7120, 35.6925),
            (139.7035, 35.6932),
            (139.6990, 35.6937),
            (139.6945, 35.6940),
            (139.6925, 35.6945),
            (139.6893, 35.6955),
            (139.6827, 35.6971),
            (139.6790, 35.6974),
            (139.6720, 35.6981),
        ],
    ),
    "甲州街道": (
        40,
        [
            (139.7120, 35.6892),
            (139.7060, 35.6892),
            (139.7000, 35.6888),
            (139.6964, 35.6875),
            (139.6935, 35.6864),
            (139.6905, 35.6843),
            (139.6886, 35.6818),
            (139.6862, 35.6808),
            (139.6800, 35.6788),
            (139.6720, 35.6765),
        ],
    ),
    "山手通り": (
        34,
        [
            (139.6805, 35.7030),
            (139.6827, 35.6971),
            (139.6842, 35.6899),
            (139.6850, 35.6840),
            (139.6852, 35.6804),
            (139.6870, 35.6740),
        ],
    ),
    "鉄道": (
        60,
        [
            (139.7000, 35.7030),
            (139.6998, 35.6960),
            (139.7002, 35.6905),
            (139.7008, 35.6870),
            (139.7020, 35.6830),
            (139.7026, 35.6740),
        ],
    ),
}

OPEN_SPACES: dict[str, list[tuple[float, float]]] = {
    "新宿中央公園": [
        (139.6887, 35.6882),
        (139.6903, 35.6882),
        (139.6906, 35.6919),
        (139.6893, 35.6921),
    ],
}

CORE = [
    (139.6903, 35.6882),
    (139.6917, 35.6857),
    (139.6964, 35.6878),
    (139.6994, 35.6890),
    (139.6990, 35.6936),
    (139.6925, 35.6942),
    (139.6907, 35.6940),
]
"""Nishi-Shinjuku's district of towers."""

_TRIPLE = (139.6822, 35.6906)
_NORTH_END = (139.6890, 35.7050)
_WEST_END = (139.6700, 35.6860)
_EAST_END = (139.7150, 35.6840)
_SHINJUKU_NAKANO = [(139.6868, 35.6958), (139.6838, 35.6925)]
_SHINJUKU_SHIBUYA = [
    (139.6842, 35.6893),
    (139.6850, 35.6850),
    (139.6865, 35.6838),
    (139.6864, 35.6816),
    (139.6880, 35.6815),
    (139.6903, 35.6845),
    (139.6933, 35.6866),
    (139.6964, 35.6877),
    (139.6995, 35.6886),
    (139.7030, 35.6890),
    (139.7042, 35.6870),
]
WARDS: dict[str, tuple[str, list[tuple[float, float]]]] = {
    "13104": (
        "新宿区",
        [
            _NORTH_END,
            *_SHINJUKU_NAKANO,
            _TRIPLE,
            *_SHINJUKU_SHIBUYA,
            _EAST_END,
            (139.7150, 35.7050),
        ],
    ),
    "13113": (
        "渋谷区",
        [
            _TRIPLE,
            *_SHINJUKU_SHIBUYA,
            _EAST_END,
            (139.7150, 35.6730),
            (139.6700, 35.6730),
            _WEST_END,
        ],
    ),
    "13114": (
        "中野区",
        [_NORTH_END, *_SHINJUKU_NAKANO, _TRIPLE, _WEST_END, (139.6700, 35.7050)],
    ),
}
"""Code to name and corners; neighbours share their points, so that no gap is left between them."""

_to_metres = Transformer.from_crs(GEOGRAPHIC_CRS, CRS, always_xy=True)
_to_degrees = Transformer.from_crs(CRS, GEOGRAPHIC_CRS, always_xy=True)


def to_metres(lonlat: np.ndarray) -> np.ndarray:
    """Longitudes and latitudes (n, 2) as eastings and northings (n, 2)."""
    lonlat = np.asarray(lonlat, float)
    return np.column_stack(_to_metres.transform(lonlat[:, 0], lonlat[:, 1]))


def to_degrees(xy_m: np.ndarray) -> np.ndarray:
    """Eastings and northings (n, 2) as longitudes and latitudes (n, 2)."""
    xy_m = np.asarray(xy_m, float)
    return np.column_stack(_to_degrees.transform(xy_m[:, 0], xy_m[:, 1]))


def area_m(margin_m: float = 0.0) -> shapely.Polygon:
    """The rectangle of the sample in metres, with a margin."""
    west, south, east, north = BOUNDS
    corners = to_metres(np.array([(west, south), (east, north)]))
    return shapely.box(*corners.ravel()).buffer(margin_m, join_style="mitre")


def polygon_m(corners: list[tuple[float, float]]) -> shapely.Polygon:
    """A polygon of degrees in metres."""
    return shapely.Polygon(to_metres(np.array(corners)))


def road_m(name: str) -> shapely.LineString:
    """The middle of a main road in metres."""
    return shapely.LineString(to_metres(np.array(ROADS[name][1])))


def read_facts(name: str) -> gpd.GeoDataFrame:
    """A table of facts with points in metres.

    Parameters
    ----------
    name : str
        ``"facilities.csv"`` or ``"towers.csv"``.
    """
    text = files("tdh.sample").joinpath(name).read_text(encoding="utf-8")
    table = pd.read_csv(StringIO(text), dtype={"id": "str", "height_m": "float64"})
    xy = to_metres(table[["longitude", "latitude"]].to_numpy())
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(xy[:, 0], xy[:, 1]), crs=CRS)


def wards() -> gpd.GeoDataFrame:
    """The three wards, simplified by hand, with the column names of KSJ N03."""
    rows = [
        {
            "N03_001": "東京都",
            "N03_004": name,
            "N03_007": code,
            "synthetic": True,
            "note": "手描きの簡略な境界(架空)",
            "geometry": shapely.Polygon(corners),
        }
        for code, (name, corners) in WARDS.items()
    ]
    return gpd.GeoDataFrame(rows, crs=GEOGRAPHIC_CRS)
