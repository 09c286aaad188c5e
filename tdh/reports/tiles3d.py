"""Buildings as 3D Tiles for a digital twin: extruded outlines, coloured by a carrier's signal.

Writes what OGC 3D Tiles 1.1 (22-025r4) and Khronos glTF 2.0 ask for, without a library: a
``tileset.json`` and binary glTF files, which Cesium and the viewers built on it open.
"""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer

from tdh import display
from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.surface import citygml

MOST_BUILDINGS = 2000
"""Most buildings of a tile; more are cut into four."""

GEOID_M = 36.7
"""Geoid over the ellipsoid in central Tokyo (GSIGEO2011)."""

# The map's colours: below the threshold orange, above it blue, span of decibels either side.
BELOW = ((250, 209, 160), (240, 165, 90), (204, 107, 28), (140, 66, 8), (84, 39, 8))
ABOVE = ((214, 230, 244), (158, 198, 226), (91, 154, 204), (38, 105, 171), (8, 48, 107))
BELOW_DB, ABOVE_DB = 15.0, 30.0
NOTHING = (58, 52, 48)
OUTSIDE = (200, 200, 200)

UNLIT = "KHR_materials_unlit"
SUN_DEG = 225.0
"""Where the light of the walls comes from; it is part of their colours."""
DARKEST = 0.55
"""What is left of a wall's colour on the far side; roofs keep all of it."""

_FLOAT, _UBYTE, _UINT = 5126, 5121, 5125


HEIGHTS = ("height_m", "measured_height", "measuredheight", "bldg_measuredheight", "height")


def read_buildings(path: str | os.PathLike[str]) -> gpd.GeoDataFrame:
    """Outlines with a column ``height_m`` from PLATEAU CityGML or any file of polygons.

    Raises
    ------
    InputError
        If it cannot be read, has no CRS, or no column tells heights.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    try:
        if suffix in {".gml", ".zip"}:
            return citygml.read(path)
        parquet = suffix in {".parquet", ".geoparquet"}
        frame = gpd.read_parquet(path) if parquet else gpd.read_file(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            Problem(
                Text("the buildings cannot be read", "建物データを読めません"),
                value=str(error),
                where=str(path),
            )
        ) from error
    column = next((c for c in frame.columns if str(c).lower() in HEIGHTS), None)
    if column is None or frame.crs is None:
        raise InputError(
            Problem(
                Text("the buildings need heights and a CRS", "建物データに高さと座標系が必要です"),
                value=", ".join(str(c) for c in frame.columns)[:200],
                expected=", ".join(HEIGHTS),
                where=str(path),
            )
        )
    return frame.rename(columns={column: "height_m"})


def write_3d_tiles(
    run: Any,
    folder: str | os.PathLike[str],
    buildings: gpd.GeoDataFrame,
    carrier: str,
    *,
    when: display.When = "after",
    height: str = "height_m",
    ground: str | None = None,
    geoid_m: float = GEOID_M,
) -> Path:
    """Write buildings with a carrier's margin to its threshold as their colour.

    Parameters
    ----------
    run : Run
        A finished run.
    folder : path
        Folder of ``tileset.json`` and its ``*.glb``; made if it is missing.
    buildings : GeoDataFrame
        Polygons in any CRS, with a column of heights in metres.
    carrier : str
        Whose signal: of its bands the one with the largest margin counts.
    when : {"before", "after"}
        Without or with the plan.
    height : str
        Column of heights above ground; not positive or missing: left out.
    ground : str, optional
        Column of the ground's height above sea level in metres; by default the ground is at 0.
    geoid_m : float
        Geoid over the ellipsoid, which Cesium counts heights from.

    Returns
    -------
    Path
        ``tileset.json``.

    Raises
    ------
    InputError
        If the run has no such carrier, the column is missing, or no building is in the area.
    """
    frame = _usable(run, buildings, carrier, height)
    colours = _colours(run, frame, carrier, when)
    tops = frame[height].to_numpy(dtype=float)
    base = np.zeros(len(frame)) if ground is None else frame[ground].fillna(0.0).to_numpy(float)
    base = base + geoid_m
    folder = Path(folder)
    children = []
    for number, rows in enumerate(_split(frame, np.arange(len(frame)))):
        name = f"{number}.glb"
        model = _Model(frame.geometry.to_numpy()[rows], tops[rows], base[rows], colours[rows])
        content, tile = model.render(run.crs, name)
        with atomic(folder / name) as draft:
            draft.write_bytes(content)
        children.append(tile)
    regions = np.array([child["boundingVolume"]["region"] for child in children])
    whole = [*regions[:, [0, 1]].min(0), *regions[:, [2, 3]].max(0)]
    whole += [float(regions[:, 4].min()), float(regions[:, 5].max())]
    names = {c.id: c.name for c in run.carriers}
    tileset = {
        "asset": {
            "version": "1.1",
            "extras": {
                "title": run.name,
                "carrier": names[carrier],
                "when": when,
                "notices": [n.render("ja") for n in run.notices],
                "attribution": list(run.attributions),
            },
        },
        "geometricError": 2000,
        "root": {
            "boundingVolume": {"region": [float(v) for v in whole]},
            "geometricError": 500,
            "refine": "ADD",
            "children": children,
        },
    }
    target = folder / "tileset.json"
    with atomic(target) as draft:
        draft.write_text(json.dumps(tileset, ensure_ascii=False), encoding="utf-8")
    return target


def _usable(run: Any, buildings: gpd.GeoDataFrame, carrier: str, height: str) -> gpd.GeoDataFrame:
    """The buildings of the area that can be drawn, one polygon a row, in the plan's CRS."""
    if carrier not in {c.id for c in run.carriers}:
        raise InputError(
            Problem(
                Text("the run has no such carrier", "その事業者は計算結果にありません"),
                value=carrier,
                expected=", ".join(c.id for c in run.carriers),
            )
        )
    if height not in buildings.columns:
        raise InputError(
            Problem(
                Text("the buildings have no column of heights", "建物データに高さの列がありません"),
                value=", ".join(str(c) for c in buildings.columns)[:200],
                expected=height,
            )
        )
    frame = buildings.to_crs(run.crs)
    left, bottom, right, top = run.grid.bounds
    frame = frame.cx[left:right, bottom:top].explode(ignore_index=True)
    polygon = frame.geometry.geom_type == "Polygon"
    frame = frame[polygon & frame.geometry.is_valid & (frame[height] > 0)].reset_index(drop=True)
    if frame.empty:
        raise InputError(
            Problem(Text("no building is in the area", "区域内に建物がありません"), value=0)
        )
    frame.geometry = shapely.orient_polygons(shapely.force_2d(frame.geometry.to_numpy()))
    return frame


def _colours(run: Any, frame: gpd.GeoDataFrame, carrier: str, when: display.When) -> np.ndarray:
    """Colour of each building by the margin in the cell of its inner point: uint8, (n, 3)."""
    margin = np.full(run.grid.shape, -np.inf)
    for (owner, band_id), band in run.bands.items():
        if owner == carrier:
            signal = run.signal(carrier, band_id, when) - band.covered_dbm
            margin = np.fmax(margin, signal)
    inside = np.zeros(run.grid.shape, dtype=bool)
    inside[run.cells["row"].to_numpy(), run.cells["col"].to_numpy()] = True
    points = frame.geometry.representative_point()
    row, col = run.grid.rowcol(points.x.to_numpy(), points.y.to_numpy())
    within = run.grid.contains(row, col)
    row, col = np.where(within, row, 0), np.where(within, col, 0)
    found = np.where(within & inside[row, col], margin[row, col], np.nan)
    colours = margin_colours(found)
    colours[np.isnan(found)] = OUTSIDE
    return colours


def margin_colours(margin_db: np.ndarray) -> np.ndarray:
    """The map's colours of margins to a threshold: uint8, (n, 3).

    >>> margin_colours(np.array([-15.0, 0.0, 30.0, -np.inf])).tolist()
    [[84, 39, 8], [214, 230, 244], [8, 48, 107], [58, 52, 48]]
    """
    known = np.nan_to_num(margin_db, nan=0.0, neginf=0.0)
    out = np.empty((known.size, 3))
    for ramp, part, mine in (
        (BELOW, -known / BELOW_DB, known < 0),
        (ABOVE, known / ABOVE_DB, known >= 0),
    ):
        steps = np.linspace(0, 1, len(ramp))
        for k in range(3):
            channel = np.interp(part, steps, [colour[k] for colour in ramp])
            out[:, k] = np.where(mine, channel, out[:, k])
    out[np.isneginf(margin_db)] = NOTHING
    return np.rint(out).astype(np.uint8)


def _split(frame: gpd.GeoDataFrame, rows: np.ndarray) -> list[np.ndarray]:
    """Rows in groups of neighbours: quarters of quarters, until each is small enough."""
    if len(rows) <= MOST_BUILDINGS:
        return [rows]
    points = frame.geometry.iloc[rows].centroid
    x, y = points.x.to_numpy(), points.y.to_numpy()
    east, north = x > np.median(x), y > np.median(y)
    parts = [rows[(east == e) & (north == n)] for e in (False, True) for n in (False, True)]
    kept = [part for part in parts if part.size]
    if len(kept) == 1:  # all at one place
        middle = len(rows) // 2
        kept = [rows[:middle], rows[middle:]]
    return [group for part in kept for group in _split(frame, part)]


class _Model:
    """One tile: walls and roofs as triangles with a normal and a colour at each corner."""

    def __init__(
        self, shapes: np.ndarray, tops: np.ndarray, base: np.ndarray, colours: np.ndarray
    ) -> None:
        parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        for shape, top, low, colour in zip(shapes, tops, base, colours, strict=True):
            for ring in (shape.exterior, *shape.interiors):
                parts.append((*_walls(shapely.get_coordinates(ring), low, low + top), colour))
            parts.append((*_roof(shape, low + top), colour))
        self.xyz = np.concatenate([p[0] for p in parts])
        self.normals = np.concatenate([p[1] for p in parts])
        counts = [len(p[0]) for p in parts]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        faces = [p[2] + start for p, start in zip(parts, starts, strict=True)]
        self.faces = np.concatenate(faces).astype(np.uint32)
        self.colours = np.repeat(np.array([p[3] for p in parts]), counts, axis=0)

    def render(self, crs: str, name: str) -> tuple[bytes, dict[str, Any]]:
        """The binary glTF, and the tile that refers to it."""
        to_geographic = Transformer.from_crs(crs, "EPSG:6668", always_xy=True)
        lon, lat = to_geographic.transform(self.xyz[:, 0], self.xyz[:, 1])
        up = self.xyz[:, 2]
        centre = float(np.mean([lon.min(), lon.max()])), float(np.mean([lat.min(), lat.max()]))
        # JGD2011 and WGS 84 differ by less than the outlines' own errors.
        to_earth = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
        origin = np.array(to_earth.transform(*centre, float(up.min())))
        earth = np.column_stack(to_earth.transform(lon, lat, up))
        axes = _axes(*centre)
        east, north, high = ((earth - origin) @ axes.T).T
        # glTF has y up; 3D Tiles turn it back.
        positions = np.column_stack([east, high, -north]).astype(np.float32)
        nx, ny, nz = self.normals.T
        normals = np.column_stack([nx, nz, -ny]).astype(np.float32)
        region = [*np.radians([lon.min(), lat.min(), lon.max(), lat.max()]), up.min(), up.max()]
        matrix = np.eye(4)
        matrix[:3, :3] = axes.T
        matrix[:3, 3] = origin
        tile = {
            "boundingVolume": {"region": [float(v) for v in region]},
            "geometricError": 0,
            "transform": [float(v) for v in matrix.T.ravel()],
            "content": {"uri": name},
        }
        shaded = _linear(self.colours * _shade(self.normals)[:, None])
        return glb(positions, normals, shaded, self.faces), tile


def _walls(ring: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners, normals and triangles of the walls over a ring; what is built lies to its left."""
    start, end = ring[:-1], ring[1:]
    length = np.hypot(*(end - start).T)
    start, end, length = (v[length > 0] for v in (start, end, length))
    n = len(start)
    corners = np.empty((n, 4, 3))
    corners[:, 0, :2] = corners[:, 3, :2] = start
    corners[:, 1, :2] = corners[:, 2, :2] = end
    corners[:, :2, 2], corners[:, 2:, 2] = low, high
    dx, dy = ((end - start) / length[:, None]).T
    normal = np.column_stack([dy, -dx, np.zeros(n)])
    faces = np.array([0, 1, 2, 0, 2, 3]) + 4 * np.arange(n)[:, None]
    return corners.reshape(-1, 3), np.repeat(normal, 4, axis=0), faces.ravel()


def _roof(shape: shapely.Polygon, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners, normals and triangles of a flat roof."""
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(shape))
    rings = shapely.get_coordinates(shapely.orient_polygons(triangles)).reshape(-1, 4, 2)[:, :3]
    corners = np.column_stack([rings.reshape(-1, 2), np.full(rings.size // 2, high)])
    normals = np.tile([0.0, 0.0, 1.0], (len(corners), 1))
    return corners, normals, np.arange(len(corners))


def _axes(lon_deg: float, lat_deg: float) -> np.ndarray:
    """East, north and up at a place, as rows, in the Earth's axes."""
    lon, lat = math.radians(lon_deg), math.radians(lat_deg)
    return np.array(
        [
            [-math.sin(lon), math.cos(lon), 0.0],
            [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)],
            [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)],
        ]
    )


def _shade(normals: np.ndarray) -> np.ndarray:
    """Share of its colour that a face shows, by where it looks: (n,).

    >>> _shade(np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])).round(2).tolist()
    [1.0, 0.89, 0.61]
    """
    sun = math.radians(SUN_DEG)
    facing = normals[:, 0] * math.sin(sun) + normals[:, 1] * math.cos(sun)
    walls = DARKEST + (0.95 - DARKEST) * (1 + facing) / 2
    return np.where(normals[:, 2] > 0.5, 1.0, walls)


def _linear(colours: np.ndarray) -> np.ndarray:
    """sRGB to the linear scale in which glTF keeps colours: uint8, (n, 4)."""
    s = colours / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    alpha = np.full((len(colours), 1), 255)
    return np.hstack([np.rint(255 * linear), alpha]).astype(np.uint8)


def glb(
    positions: np.ndarray, normals: np.ndarray, colours: np.ndarray, faces: np.ndarray
) -> bytes:
    """One mesh as binary glTF 2.0.

    Parameters
    ----------
    positions, normals : array of float32, shape (n, 3)
        With y up.
    colours : array of uint8, shape (n, 4)
        Linear.
    faces : array of uint32, shape (3 m,)
        Corners of triangles, counterclockwise from outside.
    """
    blocks = [positions.tobytes(), normals.tobytes(), colours.tobytes(), faces.tobytes()]
    starts = np.concatenate([[0], np.cumsum([len(b) for b in blocks])[:-1]]).tolist()
    targets = (34962, 34962, 34962, 34963)
    n = len(positions)
    vertex = {"bufferView": 0, "componentType": _FLOAT, "count": n, "type": "VEC3"}
    document = {
        "asset": {"version": "2.0", "generator": "tdh"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2},
                        "indices": 3,
                        "material": 0,
                    }
                ]
            }
        ],
        # A viewer's sun would darken the colours by the hour, and at night to black.
        "extensionsUsed": [UNLIT],
        "materials": [
            {
                "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 1},
                "extensions": {UNLIT: {}},
            }
        ],
        "accessors": [
            {**vertex, "min": positions.min(0).tolist(), "max": positions.max(0).tolist()},
            {**vertex, "bufferView": 1},
            {
                "bufferView": 2,
                "componentType": _UBYTE,
                "normalized": True,
                "count": n,
                "type": "VEC4",
            },
            {"bufferView": 3, "componentType": _UINT, "count": len(faces), "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": len(block), "target": target}
            for start, block, target in zip(starts, blocks, targets, strict=True)
        ],
        "buffers": [{"byteLength": sum(len(b) for b in blocks)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    binary = b"".join(blocks)
    binary += b"\0" * (-len(binary) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    return (
        struct.pack("<4sII", b"glTF", 2, size)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(binary), b"BIN\0")
        + binary
    )
