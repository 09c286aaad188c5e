"""The offered assets in the formats that carriers' tools read, the same bytes for the same table."""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import geopandas as gpd
import pandas as pd
import pyogrio

from tdh import schemas
from tdh.exchange.text import cell, cp932
from tdh.language import plain

LAYER = "offers"
_FIXED_DATE = "2000-01-01T00:00:00.000Z"
"""GeoPackage wants a date of change; the round's own dates stand in the manifest."""
_KML = "http://www.opengis.net/kml/2.2"


Rows = Sequence[Mapping[str, Any]]


def records(offers: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """Rows as plain values: identifiers first, missing values None, no geometry."""
    frame = pd.DataFrame(offers.drop(columns=offers.geometry.name)).reset_index()
    return [
        {str(key): _value(value) for key, value in row.items()}
        for row in frame[_names()].astype(object).to_dict("records")
    ]


def _names() -> list[str]:
    return [column for column in schemas.columns(LAYER)["column"] if column != "geometry"]


def _value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if value is None or value is pd.NA or value is pd.NaT else value


# --- GeoJSON -------------------------------------------------------------------------------------


def geojson(rows: Rows) -> bytes:
    """RFC 7946: longitude and latitude, in JGD2011, which WGS 84 equals to a few centimetres."""
    features = [
        {
            "type": "Feature",
            "id": row["asset_id"],
            "properties": row,
            "geometry": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
        }
        for row in rows
    ]
    return json.dumps(
        {"type": "FeatureCollection", "name": LAYER, "features": features},
        ensure_ascii=False,
        indent=1,
        allow_nan=False,
    ).encode("utf-8")


# --- CSV -----------------------------------------------------------------------------------------


def csv_utf8(rows: Rows) -> bytes:
    """UTF-8 with a byte order mark, as Excel wants it; formulas neutralised."""
    return "\ufeff".encode() + _csv_text(rows).encode("utf-8")


def csv_cp932(rows: Rows) -> bytes:
    """Windows' Shift_JIS for older tools; characters that it lacks become 〓."""
    return cp932(_csv_text(rows)).encode("cp932")


def _csv_text(rows: Rows) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(_names())
    for row in rows:
        writer.writerow(["" if v is None else cell(v) for v in row.values()])
    return buffer.getvalue()


# --- KML -----------------------------------------------------------------------------------------


def kml(rows: Rows, title: str, notes: list[str]) -> bytes:
    """OGC KML 2.2, one placemark per asset, its columns as extended data with Japanese labels."""
    labels = {column: _xml(schemas.label("offers", column, "ja")) for column in _names()}
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<kml xmlns="{_KML}"><Document>',
        f"<name>{_xml(title)}</name>",
        f"<description>{_xml(chr(10).join(notes))}</description>",
        # aabbggrr
        '<Style id="offer"><IconStyle><color>ffb47800</color></IconStyle></Style>',
    ]
    for row in rows:
        parts.append(f'<Placemark id="{_xml(row["asset_id"])}"><name>{_xml(row["name"])}</name>')
        parts.append(
            f"<description>{_xml(row['reason_ja'])}\n{_xml(row['reason_en'])}</description>"
        )
        parts.append("<styleUrl>#offer</styleUrl><ExtendedData>")
        parts += [
            f'<Data name="{key}"><displayName>{labels[key]}</displayName>'
            f"<value>{_xml(str(value))}</value></Data>"
            for key, value in row.items()
            if value is not None
        ]
        place = f"{row['longitude']!r},{row['latitude']!r}"
        parts.append(
            f"</ExtendedData><Point><coordinates>{place}</coordinates></Point></Placemark>"
        )
    parts.append("</Document></kml>\n")
    return "\n".join(parts).encode("utf-8")


def _xml(text: str) -> str:
    return escape(plain(text), {'"': "&quot;"})


# --- MapInfo -------------------------------------------------------------------------------------


def mif_mid(rows: Rows) -> tuple[bytes, bytes]:
    """MapInfo interchange files in Windows' Shift_JIS: geometry and table.

    Coordinates are longitude and latitude on the WGS 84 datum (projection 1, datum 104).
    """
    columns = []
    for row in schemas.columns("offers").itertuples():
        if row.dtype == "index" or row.dtype in ("str", "bool"):
            columns.append((row.column, "Char(254)"))
        elif row.dtype == "int64":
            columns.append((row.column, "Integer"))
        elif row.dtype == "float64":
            columns.append((row.column, "Float"))
    head = [
        "Version 300",
        'Charset "WindowsJapanese"',
        'Delimiter ","',
        "CoordSys Earth Projection 1, 104",
        f"Columns {len(columns)}",
        *(f"  {name} {kind}" for name, kind in columns),
        "Data",
        "",
    ]
    shapes, lines = [], []
    for record in rows:
        shapes.append(f"Point {record['longitude']!r} {record['latitude']!r}")
        shapes.append("    Symbol (35,30924,9)")
        lines.append(",".join(_mid_cell(record[name], kind) for name, kind in columns))
    mif = "\r\n".join([*head, *shapes, ""])
    mid = "\r\n".join([*lines, ""])
    return mif.encode("ascii"), mid.encode("cp932")


def _mid_cell(value: Any, kind: str) -> str:
    if not kind.startswith("Char"):
        return "" if value is None else repr(value)
    text = cp932(plain("" if value is None else str(value)))
    text = " ".join(text.split()).replace('"', '""')
    # The width is of bytes; a character must not be cut in two.
    return '"' + text.encode("cp932")[:254].decode("cp932", errors="ignore") + '"'


# --- GeoPackage ----------------------------------------------------------------------------------


def geopackage(offers: gpd.GeoDataFrame, title: str) -> bytes:
    """One layer ``offers`` in the plan's CRS, with its QGIS style inside.

    The date of change that the format demands is fixed, so that equal tables give equal bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "offers.gpkg"
        with fixed_date():
            pyogrio.write_dataframe(
                offers.reset_index(),
                path,
                layer=LAYER,
                driver="GPKG",
                geometry_type="Point",
                layer_options={"DESCRIPTION": title, "IDENTIFIER": LAYER},
            )
        with closing(sqlite3.connect(path)) as connection, connection:
            _add_style(connection, "geom")
        return path.read_bytes()


@contextmanager
def fixed_date() -> Iterator[None]:
    """While it lasts, GDAL writes one and the same date of change."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _FIXED_DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _add_style(connection: sqlite3.Connection, geometry: str) -> None:
    """The table in which QGIS keeps a layer's default style."""
    connection.execute(
        "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog TEXT, "
        "f_table_schema TEXT, f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, "
        "styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT, "
        "ui TEXT, update_time DATETIME)"
    )
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
        (_FIXED_DATE,),
    )
    connection.execute(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
        "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, "
        "update_time) VALUES ('', '', ?, ?, 'offers', ?, ?, 1, '', '', ?)",
        (LAYER, geometry, _QML, _SLD, _FIXED_DATE),
    )


_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28" styleCategories="Symbology|Labeling">
 <renderer-v2 type="singleSymbol" enableorderby="0" forceraster="0" symbollevels="0">
  <symbols>
   <symbol type="marker" name="0" alpha="1" clip_to_extent="1" force_rhr="0">
    <layer class="SimpleMarker" enabled="1" locked="0" pass="0">
     <Option type="Map">
      <Option type="QString" name="name" value="circle"/>
      <Option type="QString" name="color" value="0,120,180,255"/>
      <Option type="QString" name="outline_color" value="255,255,255,255"/>
      <Option type="QString" name="outline_width" value="0.4"/>
      <Option type="QString" name="size" value="3"/>
      <Option type="QString" name="size_unit" value="MM"/>
     </Option>
    </layer>
   </symbol>
  </symbols>
 </renderer-v2>
 <labeling type="simple">
  <settings calloutType="simple">
   <text-style fieldName="name" fontSize="8" fontSizeUnit="Point" textColor="40,40,40,255">
    <text-buffer bufferDraw="1" bufferSize="0.8" bufferColor="255,255,255,255"/>
   </text-style>
   <placement placement="6" dist="1"/>
   <rendering scaleVisibility="1" scaleMin="0" scaleMax="20000"/>
  </settings>
 </labeling>
</qgis>
"""

_SLD = """<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor version="1.1.0" xmlns="http://www.opengis.net/sld" \
xmlns:se="http://www.opengis.net/se">
 <NamedLayer><se:Name>offers</se:Name><UserStyle><se:Name>offers</se:Name><se:FeatureTypeStyle>
  <se:Rule><se:PointSymbolizer><se:Graphic><se:Mark><se:WellKnownName>circle</se:WellKnownName>
   <se:Fill><se:SvgParameter name="fill">#0078b4</se:SvgParameter></se:Fill>
   <se:Stroke><se:SvgParameter name="stroke">#ffffff</se:SvgParameter></se:Stroke>
  </se:Mark><se:Size>11</se:Size></se:Graphic></se:PointSymbolizer></se:Rule>
 </se:FeatureTypeStyle></UserStyle></NamedLayer>
</StyledLayerDescriptor>
"""
