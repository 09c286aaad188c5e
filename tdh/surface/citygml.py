"""Buildings of CityGML 2.0 as PLATEAU publishes them: outlines and heights above ground.

The height is ``bldg:measuredHeight``; −9999 and 9999 mean no data. Where it is missing, the extent
in z of the LOD1 (or LOD2) solid stands in, and after that the storeys above ground at 3 m each.
The outline is the LOD0 footprint or roof edge, otherwise the solid seen from above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.surface import xml

NO_DATA = 9000.0
"""Heights and storeys at or beyond this, either sign, are PLATEAU's no-data (9999, −9999)."""
STOREY_M = 3.0
DEFAULT_CRS = "EPSG:6697"

_FEATURES = {"Building", "BuildingPart"}
# Geometry to prefer for the outline, best first.
_OUTLINES = ("lod0FootPrint", "lod0RoofEdge", "lod1Solid", "lod1MultiSurface", "lod2")
_LOD2 = {"lod2Solid", "lod2MultiSurface"}


@dataclass
class _Feature:
    rings: dict[str, list[list[np.ndarray]]] = field(default_factory=dict)
    height_m: float = np.nan
    storeys: float = np.nan
    parts: list[_Feature] = field(default_factory=list)


def read(path: Path) -> gpd.GeoDataFrame:
    """Read a CityGML file, or a zip of them.

    Returns
    -------
    GeoDataFrame
        height_m (NaN where nothing tells it) and geometry (2D, longitude and latitude or easting
        and northing), CRS as the file names it (EPSG:6697 reduced to EPSG:6668).

    Raises
    ------
    InputError
        If a document is not XML, declares a DOCTYPE, or names CRS that differ.
    """
    heights: list[float] = []
    outlines: list[shapely.Geometry] = []
    codes: set[str] = set()
    with xml.documents(path, (".gml", ".xml")) as found:
        for where, handle in found:
            reader = _Reader()
            xml.parse(handle, where, reader.start, reader.end)
            codes.add(reader.crs or DEFAULT_CRS)
            for feature in reader.features:
                for height, outline in _resolve(feature, np.nan, where):
                    heights.append(height)
                    outlines.append(outline)
    if len(codes) > 1:
        raise InputError(
            Problem(
                Text("the documents are in different CRS", "文書の座標参照系が一致しません"),
                value=", ".join(sorted(codes)),
                where=str(path),
            )
        )
    crs, swap = _horizontal(codes.pop() if codes else DEFAULT_CRS, str(path))
    geometry = np.array(outlines, dtype=object)
    if swap and geometry.size:
        geometry = shapely.transform(geometry, lambda xy: xy[:, ::-1])
    return gpd.GeoDataFrame(
        {"height_m": np.array(heights, dtype=float)}, geometry=geometry, crs=crs
    )


class _Reader:
    """Collects features while the document streams by."""

    def __init__(self) -> None:
        self.features: list[_Feature] = []
        self.crs: str | None = None
        self._open: list[_Feature] = []
        self._kind: list[str] = []
        self._ring = ""
        self._polygon: list[np.ndarray] | None = None
        self._positions: list[str] = []
        self._dimension = 3

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if "srsName" in attributes and self.crs is None:
            match = re.search(r"(\d{4,5})\D*$", attributes["srsName"])
            self.crs = f"EPSG:{match[1]}" if match else None
        if "srsDimension" in attributes:
            self._dimension = 2 if attributes["srsDimension"] == "2" else 3
        if name in _FEATURES:
            feature = _Feature()
            (self._open[-1].parts if self._open else self.features).append(feature)
            self._open.append(feature)
        elif self._open and (name in _OUTLINES or name in _LOD2):
            self._kind.append("lod2" if name in _LOD2 else name)
        elif name == "Polygon":
            self._polygon = []
        elif name in ("exterior", "interior") and self._polygon is not None:
            self._ring = name
            self._positions = []

    def end(self, name: str, text: str) -> None:
        if name in _FEATURES:
            self._open.pop()
        elif not self._open:
            return
        elif name in _OUTLINES or name in _LOD2:
            self._kind.pop()
        elif name == "measuredHeight":
            self._open[-1].height_m = _number(text)
        elif name == "storeysAboveGround":
            self._open[-1].storeys = _number(text)
        elif name in ("posList", "pos") and self._polygon is not None:
            self._positions.append(text)
        elif name in ("exterior", "interior") and self._polygon is not None:
            ring = _ring(self._positions, self._dimension)
            if ring is not None and (self._ring == "exterior") == (not self._polygon):
                self._polygon.append(ring)
        elif name == "Polygon":
            if self._polygon and self._kind:
                self._open[-1].rings.setdefault(self._kind[-1], []).append(self._polygon)
            self._polygon = None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if 0 < value < NO_DATA else np.nan


def _ring(texts: list[str], dimension: int) -> np.ndarray | None:
    try:
        values = np.array(" ".join(texts).split(), dtype=float)
    except ValueError:
        return None
    if values.size % dimension or values.size < 3 * dimension or not np.isfinite(values).all():
        return None
    return values.reshape(-1, dimension)


def _resolve(
    feature: _Feature, inherited_m: float, where: str
) -> list[tuple[float, shapely.Geometry]]:
    """Heights and outlines of a building and its parts."""
    height = feature.height_m
    if np.isnan(height):
        height = _solid_height(feature)
    if np.isnan(height):
        height = inherited_m
    if np.isnan(height) and not np.isnan(feature.storeys):
        height = feature.storeys * STOREY_M
    out = []
    for kind in _OUTLINES:
        outline = _seen_from_above(feature.rings.get(kind, []))
        if outline is not None:
            out.append((float(height), outline))
            break
    for part in feature.parts:
        out += _resolve(part, height, where)
    return out


def _solid_height(feature: _Feature) -> float:
    for kind in ("lod1Solid", "lod1MultiSurface", "lod2"):
        z = [ring[0][:, 2] for ring in feature.rings.get(kind, []) if ring[0].shape[1] == 3]
        if z:
            values = np.concatenate(z)
            extent = float(values.max() - values.min())
            if 0 < extent < NO_DATA:
                return extent
    return np.nan


def _seen_from_above(polygons: list[list[np.ndarray]]) -> shapely.Geometry | None:
    """The union of polygons in the plane; holes that lie outside their polygon are ignored."""
    flat = []
    for exterior, *holes in polygons:
        shell = shapely.make_valid(shapely.Polygon(exterior[:, :2]))
        for hole in holes:
            inner = shapely.make_valid(shapely.Polygon(hole[:, :2]))
            if shell.contains(inner):
                shell = shell.difference(inner)
        flat += [part for part in shapely.get_parts(shell) if part.area > 0]
    if not flat:
        return None
    union = shapely.union_all(flat)
    return None if union.is_empty or union.area == 0 else union


def _horizontal(code: str, where: str) -> tuple[str, bool]:
    """The CRS without heights, and whether its first axis is the northing or latitude."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(code)
    except CRSError as error:
        raise InputError(
            Problem(
                Text("the CRS is not known", "座標参照系が不明です"),
                value=code,
                where=where,
            )
        ) from error
    flat = crs.to_2d() if not crs.is_compound else crs.sub_crs_list[0]
    north_first = flat.axis_info[0].direction.lower() == "north"
    epsg = flat.to_epsg()
    return (f"EPSG:{epsg}" if epsg else flat.to_wkt()), north_first
