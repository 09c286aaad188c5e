"""An invented city around the real landmarks: lots along streets, buildings, residents."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from tdh.sample import place

_STREET_M = 6.0
_FLOOR_M = 3.2
_PEOPLE_PER_M2 = 0.009
"""Residents for a square metre of floor outside the district of towers."""
_WORKERS_PER_M2 = 0.02
"""Workers for a square metre of floor of offices."""
_HOME_BY_DAY = 0.6
"""Of the residents; the others work or learn beyond the sample."""
_FLOORS_LIVED_IN = 6
"""Above these a building is rather an office here."""

_WITHOUT_BUILDING = {
    "park",
    "subway entrance",
    "bus stop",
    "signage",
    "phone booth",
}


def buildings(rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Outlines with heights: landmarks in their places, invented lots everywhere else.

    Returns
    -------
    GeoDataFrame
        ``building_id, name, height_m, height_source, use, synthetic, geometry`` in the sample's
        CRS. Every outline is invented (``synthetic``); ``height_source`` names the table of facts
        where the height is real, and says ``synthetic`` where it is not.
    """
    marks = _landmarks(rng)
    parts = [_lots(district, core, rng) for district, core in _districts()]
    lots = pd.concat(parts, ignore_index=True)
    around = shapely.STRtree(lots.geometry.to_numpy())
    _, hits = around.query(marks.geometry.to_numpy(), predicate="dwithin", distance=5.0)
    lots = lots.drop(index=np.unique(hits))
    table = pd.concat([marks, lots], ignore_index=True)
    table["height_m"] = table["height_m"].round(1)
    table["synthetic"] = True
    table.insert(0, "building_id", [f"synthetic-{i:05d}" for i in range(len(table))])
    return gpd.GeoDataFrame(table, geometry="geometry", crs=place.CRS)


def residents(houses: gpd.GeoDataFrame) -> np.ndarray:
    """Residents of every building, by its floor space; none in landmarks."""
    per_m2 = houses["use"].map({"lot": 1.0, "core": 0.05}).fillna(0.0).to_numpy()
    lived_in = np.minimum(_floors(houses), _FLOORS_LIVED_IN)
    return houses.area.to_numpy() * lived_in * per_m2 * _PEOPLE_PER_M2


def people_by_day(houses: gpd.GeoDataFrame) -> np.ndarray:
    """People by day in every building: residents at home, and workers by the offices' floors."""
    floors = _floors(houses)
    above = np.maximum(floors - _FLOORS_LIVED_IN, 0)
    offices = np.where(houses["use"].to_numpy() == "lot", above, floors)
    workers = houses.area.to_numpy() * offices * _WORKERS_PER_M2
    return _HOME_BY_DAY * residents(houses) + workers


def _floors(houses: gpd.GeoDataFrame) -> np.ndarray:
    floors: np.ndarray = np.maximum(np.floor(houses["height_m"].to_numpy() / _FLOOR_M), 1)
    return floors


def _districts() -> list[tuple[shapely.Geometry, bool]]:
    """What the main roads leave over, piece by piece, and whether it is the district of towers."""
    whole = place.area_m(place.MARGIN_M)
    streets = [place.road_m(name).buffer(width / 2) for name, (width, _) in place.ROADS.items()]
    parks = [place.polygon_m(corners) for corners in place.OPEN_SPACES.values()]
    core = place.polygon_m(place.CORE)
    taken = shapely.union_all([*streets, *parks])
    pieces = [(p, False) for p in _parts(whole.difference(taken).difference(core))]
    return pieces + [(p, True) for p in _parts(core.difference(taken))]


def _parts(geometry: shapely.Geometry) -> list[shapely.Geometry]:
    return [p for p in shapely.get_parts(geometry) if p.area > 2_000]


def _lots(district: shapely.Geometry, core: bool, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Rows of lots back to back between parallel streets, turned by the district's own angle."""
    angle = np.deg2rad(rng.uniform(-20, 20))
    depth, width, gap = (55.0, 60.0, 10.0) if core else (19.0, 17.0, 1.6)
    street = 20.0 if core else _STREET_M
    centre = np.array(district.centroid.coords[0])
    reach = np.hypot(*(np.array(district.bounds[2:]) - np.array(district.bounds[:2]))) / 2 + 100

    pairs = int(2 * reach / (2 * depth + street)) + 1
    front = -reach + np.arange(pairs) * (2 * depth + street)
    west, east = _along_a_row(reach, width, street, rng)
    corners = []
    for v in np.sort(np.concatenate([front, front + depth])):
        # Walls between neighbours move from row to row, the side streets run through.
        move = rng.uniform(-0.15, 0.15, len(west) + 1) * width
        wall = np.concatenate([[True], west[1:] - east[:-1] < 1e-6, [True]])
        left = west + np.where(wall[:-1], move[:-1], 0.0)
        right = east + np.where(wall[1:], move[1:], 0.0)
        setback = rng.uniform(0, 0.25 * depth, len(west))
        corners.append(
            np.column_stack(
                [
                    left + gap / 2,
                    np.full(len(west), v + gap / 2),
                    right - gap / 2,
                    v + depth - gap / 2 - setback,
                ]
            )
        )
    boxes = np.vstack(corners)
    middle = np.column_stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, [1, 3]].mean(axis=1)])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    here = shapely.contains_xy(district, *(middle @ turn + centre).T)
    boxes = boxes[here]
    ring = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ turn + centre
    outlines = shapely.polygons(ring)
    shapely.prepare(district)
    inside = shapely.covers(district, outlines) & (rng.random(len(outlines)) > 0.04)
    outlines = outlines[inside]
    return gpd.GeoDataFrame(
        {
            "name": "",
            "height_m": _heights(outlines, core, rng),
            "height_source": "synthetic",
            "use": "core" if core else "lot",
        },
        geometry=outlines,
        crs=place.CRS,
    )


def _along_a_row(
    reach: float, width: float, street: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Where lots begin and end along a street: four to six of them, then a side street."""
    west, east, at = [], [], -reach
    while at < reach:
        n = int(rng.integers(4, 7))
        west.append(at + np.arange(n) * width)
        east.append(at + np.arange(1, n + 1) * width)
        at += n * width + street
    return np.concatenate(west), np.concatenate(east)


def _heights(outlines: np.ndarray, core: bool, rng: np.random.Generator) -> np.ndarray:
    """Low houses in the middle of a block of main roads, higher ones along them."""
    n = len(outlines)
    if core:
        return rng.choice([28.0, 38.0, 48.0, 60.0, 85.0], n, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    points = shapely.centroid(outlines)
    to_road = np.min([shapely.distance(place.road_m(r), points) for r in place.ROADS], axis=0)
    station = shapely.Point(place.to_metres(np.array([(139.7005, 35.6905)]))[0])
    to_station = shapely.distance(station, points)
    floors = rng.choice([2, 2, 3, 3, 4, 5], n).astype(float)
    floors += np.where(to_road < 45, rng.integers(4, 11, n), 0)
    floors += np.where(to_station < 650, rng.integers(1, 7, n), 0)
    floors += np.where(rng.random(n) < 0.02, rng.integers(5, 14, n), 0)
    return floors * _FLOOR_M + rng.uniform(0.3, 1.5, n)


def _landmarks(rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Square outlines at the places of the facts; a height that nobody published is invented."""
    facilities = place.read_facts("facilities.csv")
    facilities = facilities[~facilities["kind"].isin(_WITHOUT_BUILDING)]
    towers = place.read_facts("towers.csv")
    tables = []
    for source, table in (("facilities.csv", facilities), ("towers.csv", towers)):
        known = table["height_m"].notna().to_numpy()
        height = np.where(known, table["height_m"], rng.uniform(11, 24, len(table)))
        # Schools and libraries spread, towers rise: a side between 26 and 60 m.
        side = np.clip(np.where(known, 0.25 * height, 36.0), 26.0, 60.0)
        x, y = table.geometry.x.to_numpy(), table.geometry.y.to_numpy()
        tables.append(
            gpd.GeoDataFrame(
                {
                    "name": table["name"].to_numpy(),
                    "height_m": height,
                    "height_source": np.where(known, source, "synthetic"),
                    "use": "landmark",
                },
                geometry=shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2),
                crs=place.CRS,
            )
        )
    return gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=place.CRS)
