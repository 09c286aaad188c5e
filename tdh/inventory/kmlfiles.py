"""KML: placemarks with their data, whoever wrote it (GDAL, Google, ArcGIS)."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import shapely

from tdh.errors import Problem, RegisterError
from tdh.inventory.tables import RawTable
from tdh.inventory.xmlfiles import elements, local
from tdh.language import Text

_NUMBERED = re.compile(r"^(.*\.|ID_?|kml_|pm)\d+$|^[0-9A-F]{16,}$")
_CELLS = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.IGNORECASE | re.DOTALL)


def read(data: bytes, name: str) -> list[RawTable]:
    """All placemarks as one table.

    Raises
    ------
    RegisterError
        If there is none.
    """
    records: list[dict[str, str]] = []
    shapes: list[shapely.Geometry | None] = []
    titles: list[str] = []
    for event, depth, element in elements(data, name):
        if event != "end":
            continue
        tag = local(element.tag)
        if tag == "Placemark":
            records.append(_record(element))
            shapes.append(_shape(element))
            element.clear()
        elif tag == "name" and depth <= 3 and element.text and len(titles) < 5:
            titles.append(element.text.strip())
    if not records:
        raise RegisterError(
            Problem(
                Text("the KML holds no placemark", "KMLに地点（Placemark）がありません"),
                where=name,
                fix=Text(
                    "a network link must be downloaded first",
                    "リンクだけのKMLは、先の本体をダウンロードしてください",
                ),
            )
        )
    columns = list(dict.fromkeys(key for record in records for key in record))
    frame = pd.DataFrame(
        {c: pd.Series([r.get(c, "") for r in records], dtype="str") for c in columns}
    )
    geometry = np.full(len(shapes), None, dtype=object)
    geometry[:] = shapes
    return [
        RawTable(
            frame.reset_index(drop=True),
            "kml",
            "utf-8",
            geometry=geometry,
            crs="EPSG:4326",
            title=" ".join(titles),
        )
    ]


def _record(placemark: ET.Element) -> dict[str, str]:
    record: dict[str, str] = {}
    for element in placemark.iter():
        tag = local(element.tag)
        text = (element.text or "").strip()
        if tag == "SimpleData":
            record[element.get("name", "")] = text
        elif tag == "Data":
            value = next((c.text for c in element if local(c.tag) == "value"), None)
            record[element.get("name", "")] = (value or "").strip()
    description = ""
    for child in placemark:
        tag = local(child.tag)
        text = (child.text or "").strip()
        if tag == "name" and not any(k.lower() in ("name", "名称") for k in record):
            record.setdefault("Name", text)
        elif tag == "address":
            record.setdefault("address", text)
        elif tag == "description":
            description = text
    if description and len(record) <= 1:
        record.update(_of_description(description))
    record.pop("", None)
    identifier = placemark.get("id", "")
    # GDAL keeps a register's identifiers here, and numbers those that have none.
    if identifier and "id" not in map(str.lower, record) and not _NUMBERED.search(identifier):
        record["id"] = identifier
    return record


def _of_description(description: str) -> dict[str, str]:
    """The pairs of a table in a description, or the description itself."""
    cells = [html.unescape(re.sub(r"<[^>]+>", "", c)).strip() for c in _CELLS.findall(description)]
    if len(cells) >= 2 and len(cells) % 2 == 0:
        return dict(zip(cells[::2], cells[1::2], strict=True))
    return {"description": description}


def _shape(placemark: ET.Element) -> shapely.Geometry | None:
    """The placemark's geometry; of several the first with an area, else a line, else a point."""
    best: tuple[int, shapely.Geometry] | None = None
    for element in placemark.iter():
        tag = local(element.tag)
        if tag not in ("Point", "LineString", "Polygon", "LinearRing"):
            continue
        text = next((e.text for e in element.iter() if local(e.tag) == "coordinates"), None)
        xy = _coordinates(text or "")
        if tag == "Point" and len(xy) >= 1:
            shape, rank = shapely.Point(xy[0]), 0
        elif tag == "LineString" and len(xy) >= 2:
            shape, rank = shapely.LineString(xy), 1
        elif tag == "Polygon" and len(xy) >= 4:
            shape, rank = shapely.Polygon(xy), 2
        else:
            continue
        if best is None or rank > best[0]:
            best = (rank, shape)
    return None if best is None else best[1]


def _coordinates(text: str) -> list[tuple[float, float]]:
    out = []
    for part in text.split():
        numbers = part.split(",")
        try:
            out.append((float(numbers[0]), float(numbers[1])))
        except (ValueError, IndexError):
            return []
    return out
