"""GML: National Land Numerical Information (KSJ), PLATEAU CityGML, simple features.

A feature's leaves become columns under their local names; geometry is taken from inside the feature
or from where it points to. Latitude comes first, as the geographic systems of these products say;
should a file have it otherwise, the swap is repaired and reported like any other.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import shapely

from tdh.errors import Problem, RegisterError
from tdh.inventory.tables import RawTable
from tdh.inventory.xmlfiles import elements, local
from tdh.language import Text

_GEOMETRIES = {"Point", "Curve", "Surface", "Polygon", "MultiSurface", "MultiCurve", "LineString",
               "MultiPoint", "Solid", "CompositeSurface", "MultiSolid"}  # fmt: skip
_SKIP = {
    "boundedBy",
    "metaDataProperty",
    "appearanceMember",
    "Envelope",
    "description",
    "timePosition",
}
_ORDER_OF_DETAIL = ("lod0RoofEdge", "lod0FootPrint", "lod1Geometry", "lod1Solid", "lod2Geometry")
_MAX_LEAVES = 400


def read(data: bytes, name: str) -> list[RawTable]:
    """The features of a GML document, one table for each kind of feature.

    Raises
    ------
    RegisterError
        If there is none.
    """
    places: dict[str, np.ndarray] = {}
    features: dict[str, list[tuple[dict[str, str], np.ndarray | None, str]]] = {}
    crs = ""
    wrapped = False
    for event, depth, element in elements(data, name):
        tag = local(element.tag)
        crs = crs or element.get("srsName", "")
        if event == "start":
            wrapped = wrapped or (depth == 2 and _is_member(tag))
            continue
        level = 2 if wrapped else 1
        if depth != level or _is_member(tag) or tag in _SKIP:
            if depth == 1:
                element.clear()
            continue
        identifier = element.get("gml:id") or element.get("id") or ""
        if tag in _GEOMETRIES:
            places[identifier] = _numbers(element)
        else:
            record, target = _leaves(element, identifier)
            features.setdefault(tag, []).append((record, _place(element), target))
        element.clear()
    tables = [
        _table(tag, rows, places, crs)
        for tag, rows in features.items()
        if any(place is not None or target in places for _, place, target in rows)
    ]
    if not tables:
        raise RegisterError(
            Problem(
                Text("the XML holds no register", "台帳でないXMLです"),
                where=name,
                expected="KML, GML, CityGML",
                fix=Text(
                    "save it as CSV (UTF-8) or xlsx", "CSV（UTF-8）かxlsxで保存し直してください"
                ),
            )
        )
    return tables


def _is_member(tag: str) -> bool:
    return tag.endswith(("Member", "member", "members", "Members"))


def _leaves(feature: ET.Element, identifier: str) -> tuple[dict[str, str], str]:
    """A feature's texts by name, and the identifier of the geometry that it points to."""
    record = {"gml_id": identifier} if identifier else {}
    target = ""
    stack: list[ET.Element] = list(reversed(list(feature)))
    while stack and len(record) < _MAX_LEAVES:
        element = stack.pop()
        tag = local(element.tag)
        if tag in _GEOMETRIES or tag in _SKIP or tag.startswith("lod"):
            continue
        href = element.get("xlink:href", "")
        if href.startswith("#") and not target:
            target = href[1:]
        children = list(element)
        label = element.get("name")
        if label and children:  # generic attributes of CityGML carry their name apart
            value = next((c.text for c in children if local(c.tag) == "value"), None)
            if value is not None:
                record.setdefault(label, value.strip())
                continue
        if not children and element.text and element.text.strip():
            record.setdefault(tag, element.text.strip())
        stack.extend(reversed(children))
    return record, target


def _numbers(element: ET.Element) -> np.ndarray:
    """The positions of a geometry's first ring, line or point; shape (n, 2), as written."""
    for part in element.iter():
        tag = local(part.tag)
        if tag in ("pos", "posList", "coordinates") and part.text:
            try:
                values = np.array(re.split(r"[\s,]+", part.text.strip()), dtype=float)
            except ValueError:
                return np.empty((0, 2))
            dimension = 3 if _is_3d(part, values) else 2
            whole = len(values) // dimension * dimension
            return values[:whole].reshape(-1, dimension)[:, :2]
    return np.empty((0, 2))


def _is_3d(part: ET.Element, values: np.ndarray) -> bool:
    stated = part.get("srsDimension")
    if stated is not None:
        return stated == "3"
    if len(values) % 3:
        return False
    if len(values) % 2:
        return True
    # Six numbers may be two points in space or three in the plane: latitudes repeat at every third.
    return bool(np.ptp(values[::3]) < 0.5 and np.ptp(values[1::3]) < 0.5)


def _place(feature: ET.Element) -> np.ndarray | None:
    """Positions of the geometry inside a feature, the flattest first."""
    for wanted in _ORDER_OF_DETAIL:
        for element in feature.iter():
            if local(element.tag) == wanted:
                numbers = _numbers(element)
                if len(numbers):
                    return numbers
    numbers = _numbers(feature)
    return numbers if len(numbers) else None


def _table(
    tag: str,
    rows: list[tuple[dict[str, str], np.ndarray | None, str]],
    places: dict[str, np.ndarray],
    crs: str,
) -> RawTable:
    shapes = np.full(len(rows), None, dtype=object)
    projected = _projected(crs)
    for i, (_, place, target) in enumerate(rows):
        numbers = place if place is not None else places.get(target)
        if numbers is not None and len(numbers):
            shapes[i] = _shape(numbers[:, ::-1])
    columns = list(dict.fromkeys(key for record, _, _ in rows for key in record))
    frame = pd.DataFrame(
        {c: pd.Series([record.get(c, "") for record, _, _ in rows], dtype="str") for c in columns}
    )
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tag)
    return RawTable(
        frame.reset_index(drop=True).reindex(range(len(rows)), fill_value=""),
        "gml",
        "utf-8",
        geometry=shapes,
        crs=projected or "EPSG:6668",
        title=words,
    )


def _projected(crs: str) -> str | None:
    """A projected system that the document names; northing comes first in those too."""
    match = re.search(r"(\d{4,5})$", crs)
    if match is None:
        return None
    code = int(match[1])
    if code in (4301, 4612) or 2443 <= code <= 2461 or 6669 <= code <= 6687:
        return f"EPSG:{code}"
    return None


def _shape(xy: np.ndarray) -> shapely.Geometry:
    if len(xy) == 1:
        return shapely.Point(xy[0])
    if len(xy) >= 4 and np.allclose(xy[0], xy[-1]):
        return shapely.Polygon(xy)
    return shapely.LineString(xy)
