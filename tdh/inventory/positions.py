"""Where a register's coordinates stand, in which system, and the points that they give."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyproj
import shapely

from tdh.errors import Problem, RegisterError
from tdh.inventory import coordinates, datum
from tdh.inventory.findings import Findings
from tdh.inventory.headers import ColumnMap
from tdh.inventory.tables import RawTable
from tdh.language import Text

JGD2011 = "EPSG:6668"
# Latitude and longitude on these ellipsoids agree within decimetres, far below a register's own
# accuracy; transforming between them would need epoch and grid, which registers do not state.
_SAME = {4326, 4979, 4612, 6668, 6697, 4019, 4269}
_ROMAN = dict(
    zip(
        [
            "I",
            "II",
            "III",
            "IV",
            "V",
            "VI",
            "VII",
            "VIII",
            "IX",
            "X",
            "XI",
            "XII",
            "XIII",
            "XIV",
            "XV",
            "XVI",
            "XVII",
            "XVIII",
            "XIX",
        ],
        range(1, 20),
        strict=True,
    )
)


# Latitude, longitude, where anything was written, where the spelling was odd
Read = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Context:
    """What is known about a table's records while they are located.

    Parameters
    ----------
    table : RawTable
    columns : ColumnMap
    rows : ndarray of int, shape (n,)
        Record numbers.
    prefecture : Series of str, shape (n,)
        Codes of the prefectures that the records name; NA where they name none.
    crs : str or None
        What the user says.
    findings : Findings
    """

    table: RawTable
    columns: ColumnMap
    rows: np.ndarray
    prefecture: pd.Series
    crs: str | None
    findings: Findings

    def text(self, field: str) -> pd.Series:
        """A field's column, ``""`` where there is none."""
        column = self.columns.columns.get(field)
        if column is None:
            return pd.Series("", index=self.table.frame.index, dtype="str")
        return self.table.frame[column].str.strip()

    def has(self, *fields: str) -> bool:
        """Whether all fields have columns."""
        return all(field in self.columns.columns for field in fields)


def user_crs(crs: str | None) -> pyproj.CRS | None:
    """The CRS that a user names.

    Raises
    ------
    RegisterError
        If there is no such CRS.
    """
    if crs is None:
        return None
    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise RegisterError(
            Problem(
                Text("the CRS is not known", "座標系がわかりません"),
                value=crs,
                expected="EPSG:6677, EPSG:4301, …",
                where="crs",
            )
        ) from error


def locate(context: Context) -> coordinates.Points:
    """The points of a table's records, with what was repaired among the findings."""
    lat, lon, written, respelled = _read(context)
    points = coordinates.repair(lat, lon, written, respelled)
    _report_repairs(context, points)
    return points


def _read(context: Context) -> Read:
    n = len(context.table.frame)
    lat, lon = np.full(n, np.nan), np.full(n, np.nan)
    written, respelled = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    if context.table.geometry is not None:
        lat, lon = _from_geometry(context, context.table.geometry, context.table.crs)
        written = ~np.isnan(lat)
    found = context.table.geometry is not None
    for reader in (_from_degrees, _from_pair, _from_metres, _from_xy, _from_wkt, _from_tokyo):
        more = reader(context)
        if more is None:
            continue
        found = True
        more_lat, more_lon, more_written, more_respelled = more
        if context.table.geometry is not None:
            _compare(context, lat, lon, more_lat, more_lon)
        open_ = np.isnan(lat) | np.isnan(lon)
        lat, lon = np.where(open_, more_lat, lat), np.where(open_, more_lon, lon)
        respelled = np.where(open_, more_respelled, respelled)
        written |= more_written
    if not found:
        context.findings.add("no_coordinates")
    return lat, lon, written, respelled


def _from_degrees(context: Context) -> Read | None:
    if not context.has("latitude", "longitude"):
        return None
    lat_text, lon_text = context.text("latitude"), context.text("longitude")
    lat, lat_odd = coordinates.parse_angles(lat_text)
    lon, lon_odd = coordinates.parse_angles(lon_text)
    written = ((lat_text != "") | (lon_text != "")).to_numpy()
    if _large(lat, lon):
        # Columns that are called latitude and longitude may hold metres.
        return _metres_to_degrees(context, lon, lat, written)
    lat, lon = _to_jgd2011(context, lat, lon, context.crs or _stated_datum(context))
    return lat, lon, written, lat_odd | lon_odd


def _large(lat: np.ndarray, lon: np.ndarray) -> bool:
    lat, lon, _ = coordinates.unpack_integers(lat, lon)
    known = ~(np.isnan(lat) | np.isnan(lon))
    return bool(known.any() and (np.maximum(np.abs(lat), np.abs(lon))[known] > 360).mean() > 0.5)


def _from_pair(context: Context) -> Read | None:
    field = next((f for f in ("lat_lon", "lon_lat") if context.has(f)), None)
    if field is None:
        return None
    text = context.text(field)
    first, second = coordinates.split_pairs(text)
    lat_text, lon_text = (first, second) if field == "lat_lon" else (second, first)
    geometry_like = text.str.contains("POINT", case=False, regex=False)
    lat_text, lon_text = (
        lat_text.where(~geometry_like, second),
        lon_text.where(~geometry_like, first),
    )
    lat, lat_odd = coordinates.parse_angles(lat_text)
    lon, lon_odd = coordinates.parse_angles(lon_text)
    if _mostly_swapped(lat, lon):
        lat, lon = lon, lat  # one cell has no header for each half: the order is read, not repaired
    lat, lon = _to_jgd2011(context, lat, lon, context.crs or _stated_datum(context))
    return lat, lon, (text != "").to_numpy(), lat_odd | lon_odd


def _mostly_swapped(lat: np.ndarray, lon: np.ndarray) -> bool:
    swapped = coordinates.in_japan(lon, lat).sum()
    return bool(swapped > coordinates.in_japan(lat, lon).sum())


def _from_tokyo(context: Context) -> Read | None:
    if not context.has("latitude_tokyo", "longitude_tokyo"):
        return None
    lat_text, lon_text = context.text("latitude_tokyo"), context.text("longitude_tokyo")
    lat, lat_odd = coordinates.parse_angles(lat_text)
    lon, lon_odd = coordinates.parse_angles(lon_text)
    written = ((lat_text != "") | (lon_text != "")).to_numpy()
    if not context.has("latitude", "longitude") and context.table.geometry is None:
        context.findings.add("datum_tokyo")
    lat, lon = _tokyo_to_jgd2011(context, lat, lon)
    return lat, lon, written, lat_odd | lon_odd


def _from_metres(context: Context) -> Read | None:
    if not context.has("northing", "easting"):
        return None
    north_text, east_text = context.text("northing"), context.text("easting")
    north, _ = coordinates.parse_angles(north_text)
    east, _ = coordinates.parse_angles(east_text)
    written = ((north_text != "") | (east_text != "")).to_numpy()
    if _degrees_like(east, north):
        return north, east, written, np.zeros(len(north), dtype=bool)
    return _metres_to_degrees(context, east, north, written)


def _from_xy(context: Context) -> Read | None:
    if not context.has("x", "y") or context.has("latitude", "longitude"):
        return None
    x_text, y_text = context.text("x"), context.text("y")
    x, x_odd = coordinates.parse_angles(x_text)
    y, y_odd = coordinates.parse_angles(y_text)
    written = ((x_text != "") | (y_text != "")).to_numpy()
    if _degrees_like(x, y) or not _large(y, x):
        if _mostly_swapped(y, x):
            x, y = y, x  # X for latitude is a convention of its own, no mistake
        lat, lon = _to_jgd2011(context, y, x, context.crs or _stated_datum(context))
        return lat, lon, written, x_odd | y_odd
    japanese = "座標" in unicodedata.normalize("NFKC", context.columns.columns["x"])
    east, north = (y, x) if japanese else (x, y)
    swapped = _metres_to_degrees(context, north, east, written, quiet=True)
    straight = _metres_to_degrees(context, east, north, written)
    if straight[0].size and _fits(context, swapped) > _fits(context, straight) + 0.5:
        straight, japanese = swapped, not japanese
    context.findings.add(
        "axis_order",
        column=context.columns.columns["x"],
        axis="northing" if japanese else "easting",
        axis_ja="北方向" if japanese else "東方向",
    )
    return straight


def _fits(context: Context, read: Read) -> float:
    """The share of records whose point lies in the prefecture that they name."""
    named = context.prefecture.notna().to_numpy()
    if not named.any():
        return float(coordinates.in_japan(read[0], read[1]).mean())
    inside = np.zeros(len(named), dtype=bool)
    for code in context.prefecture[named].unique():
        here = context.prefecture.eq(code).to_numpy(dtype=bool, na_value=False)
        inside |= here & coordinates.in_prefecture(code, read[0], read[1])
    return float(inside[named].mean())


def _degrees_like(x: np.ndarray, y: np.ndarray) -> bool:
    return bool((coordinates.in_japan(y, x) | coordinates.in_japan(x, y)).any())


def _from_wkt(context: Context) -> Read | None:
    if not context.has("wkt"):
        return None
    text = context.text("wkt")
    shapes = read_shapes(text)
    if not any(shape is not None for shape in shapes):
        return _from_location_text(context, text)
    lat, lon = _from_geometry(context, shapes, context.crs)
    return lat, lon, (text != "").to_numpy(), np.zeros(len(text), dtype=bool)


def _from_location_text(context: Context, text: pd.Series) -> Read:
    """A column called location may hold pairs of angles, or only words."""
    first, second = coordinates.split_pairs(text.where(text.str.len() < 100, ""))
    lat, _ = coordinates.parse_angles(first)
    lon, _ = coordinates.parse_angles(second)
    if _mostly_swapped(lat, lon):
        lat, lon = lon, lat
    known = ~np.isnan(lat) & ~np.isnan(lon)
    return lat, lon, known, np.zeros(len(lat), dtype=bool)


def read_shapes(text: pd.Series) -> np.ndarray:
    """Geometries of WKT, of hexadecimal WKB or of GeoJSON; None where a text is none of them."""
    values = text.str.replace(r"^SRID=\d+;", "", regex=True).to_numpy(dtype=object)
    with np.errstate(all="ignore"):  # absurd numbers are sorted out as points
        shapes = shapely.from_wkt(values, on_invalid="ignore")
    open_ = shapely.is_missing(shapes)
    hexadecimal = text.str.fullmatch(r"[0-9A-Fa-f]{18,}").to_numpy(dtype=bool) & open_
    if hexadecimal.any():
        shapes[hexadecimal] = shapely.from_wkb(values[hexadecimal], on_invalid="ignore")
    json = text.str.startswith("{").to_numpy(dtype=bool) & open_
    if json.any():
        shapes[json] = shapely.from_geojson(values[json], on_invalid="ignore")
    return shapes


def representative(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A point for every geometry: the centroid where it lies inside, else a point inside."""
    n = len(shapes)
    x, y = np.full(n, np.nan), np.full(n, np.nan)
    present = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    points = shapes.copy()
    extended = present & (shapely.get_type_id(shapes) != 0)
    if extended.any():
        centre = shapely.centroid(shapes[extended])
        areas = shapely.get_dimensions(shapes[extended]) == 2
        inside = ~areas | shapely.intersects(shapes[extended], centre)
        points[extended] = np.where(inside, centre, shapely.point_on_surface(shapes[extended]))
    x[present], y[present] = shapely.get_x(points[present]), shapely.get_y(points[present])
    return x, y


def _from_geometry(
    context: Context, shapes: np.ndarray, crs: str | None
) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        x, y = representative(shapes)
    known = user_crs(context.crs) or (pyproj.CRS.from_user_input(crs) if crs else None)
    if known is not None and not known.is_geographic:
        return _transform(known, x, y)
    if known is None and np.isfinite(x).any() and not _degrees_like(x, y) and _large(y, x):
        lat, lon, _, _ = _metres_to_degrees(context, x, y, np.isfinite(x))
        return lat, lon
    return _to_jgd2011(context, y, x, known)


def _transform(crs: pyproj.CRS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = pyproj.Transformer.from_crs(crs, JGD2011, always_xy=True).transform(x, y)
    bad = ~(np.isfinite(lat) & np.isfinite(lon))
    return np.where(bad, np.nan, lat), np.where(bad, np.nan, lon)


def _stated_datum(context: Context) -> pyproj.CRS | None:
    """The datum that a column 測地系 names for most records."""
    words = context.text("datum")
    words = words[words != ""]
    if words.empty:
        return None
    tokyo = words.str.contains("日本測地系(?!2)|旧|tokyo", case=False, regex=True)
    return pyproj.CRS.from_epsg(4301) if tokyo.mean() > 0.5 else None


def _to_jgd2011(
    context: Context, lat: np.ndarray, lon: np.ndarray, crs: pyproj.CRS | str | None
) -> tuple[np.ndarray, np.ndarray]:
    if crs is None:
        return lat, lon
    known = user_crs(crs) if isinstance(crs, str) else crs
    assert known is not None
    code = known.to_epsg()
    if not known.is_geographic or code in _SAME:
        return lat, lon  # a projected CRS says nothing about columns in degrees
    swapped = coordinates.in_japan(lon, lat)
    lat, lon = np.where(swapped, lon, lat), np.where(swapped, lat, lon)
    if code == 4301:
        context.findings.add("datum_tokyo")
        lat, lon = _tokyo_to_jgd2011(context, lat, lon)
    else:
        lat, lon = _transform(known, lon, lat)
    return np.where(swapped, lon, lat), np.where(swapped, lat, lon)


def _tokyo_to_jgd2011(
    context: Context, lat: np.ndarray, lon: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    new_lat, new_lon, approximate = datum.tokyo_to_jgd(lat, lon)
    context.findings.add("datum_outside_grid", context.rows[approximate])
    return new_lat, new_lon


def _metres_to_degrees(
    context: Context,
    east: np.ndarray,
    north: np.ndarray,
    written: np.ndarray,
    *,
    quiet: bool = False,
) -> Read:
    """Degrees of metres, in the CRS that is said, stated by a column, or concluded."""
    nothing = np.zeros(len(east), dtype=bool)
    crs = user_crs(context.crs) or _zone_crs(context)
    concluded = False
    if crs is None or crs.is_geographic:
        crs, concluded = _conclude(context, east, north), True
    if crs is None:
        if not quiet:
            context.findings.add("crs_unknown")
        blank = np.full(len(east), np.nan)
        return blank, blank, written, nothing
    if concluded and not quiet:
        context.findings.add("crs_assumed", crs=f"{crs.to_string()} ({crs.name})")
    lat, lon = _transform(crs, east, north)
    return lat, lon, written, nothing


def _zone_crs(context: Context) -> pyproj.CRS | None:
    words = context.text("zone")
    words = words[words != ""]
    if words.empty:
        return None
    word = unicodedata.normalize("NFKC", str(words.mode().iloc[0])).upper()
    if match := re.search(r"\b(\d{4,5})\b", word):
        try:
            return pyproj.CRS.from_epsg(int(match[1]))
        except pyproj.exceptions.CRSError:
            return None
    number = None
    if match := re.search(r"\d+", word):
        number = int(match[0])
    elif match := re.search(r"\b[IVX]+\b", word):
        number = _ROMAN.get(match[0])
    return pyproj.CRS.from_epsg(6668 + number) if number and number <= 19 else None


def _conclude(context: Context, east: np.ndarray, north: np.ndarray) -> pyproj.CRS | None:
    """The CRS of metres by their size, and by the prefecture that most records name."""
    known = np.isfinite(east) & np.isfinite(north)
    if not known.any():
        return None
    e, n = float(np.median(east[known])), float(np.median(north[known]))
    if 1.35e7 < e < 1.72e7 and 2.2e6 < n < 5.8e6:
        return pyproj.CRS.from_epsg(3857)
    named = context.prefecture.dropna()
    if named.empty:
        return None
    boxes = coordinates.prefecture_boxes()
    boxes = boxes[boxes["code"] == named.mode().iloc[0]]
    if 1.5e5 < e < 8.5e5 and 2.2e6 < n < 5.2e6:
        lon = float((boxes["west"] + boxes["east"]).iloc[0]) / 2
        return pyproj.CRS.from_epsg(6688 + int((lon + 180) // 6) + 1 - 51)
    if abs(e) < 3e5 and abs(n) < 1.2e6:
        return pyproj.CRS.from_epsg(6668 + int(boxes["zone"].iloc[0]))
    return None


def _compare(
    context: Context, lat: np.ndarray, lon: np.ndarray, lat2: np.ndarray, lon2: np.ndarray
) -> None:
    with np.errstate(invalid="ignore"):
        apart = np.hypot((lat - lat2) * 111_000, (lon - lon2) * 111_000 * np.cos(np.radians(lat)))
        far = coordinates.in_japan(lat, lon) & coordinates.in_japan(lat2, lon2) & (apart > 100)
    context.findings.add("geometry_differs", context.rows[far])


def _shown(context: Context, mask: np.ndarray, points: coordinates.Points) -> np.ndarray:
    """The coordinates of some records as published."""
    for fields in (("latitude", "longitude"), ("lat_lon",), ("lon_lat",), ("x", "y"),
                   ("northing", "easting"), ("latitude_tokyo", "longitude_tokyo")):  # fmt: skip
        if context.has(*fields):
            parts = [context.text(field)[mask] for field in fields]
            shown = parts[0] if len(parts) == 1 else parts[0] + "," + parts[1]
            return shown.to_numpy(dtype=object)
    if context.table.geometry is None:
        return np.full(int(mask.sum()), "", dtype=object)
    lat, lon = points.lat[mask], points.lon[mask]
    lat, lon = np.where(points.swapped[mask], lon, lat), np.where(points.swapped[mask], lat, lon)
    return _pair(lat, lon)


def _has_coordinates(context: Context) -> bool:
    pairs = (("latitude", "longitude"), ("lat_lon",), ("lon_lat",), ("x", "y"), ("wkt",),
             ("northing", "easting"), ("latitude_tokyo", "longitude_tokyo"))  # fmt: skip
    return context.table.geometry is not None or any(context.has(*fields) for fields in pairs)


def _pair(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    return np.array([f"{a:.8g},{b:.9g}" for a, b in zip(lat, lon, strict=True)], dtype=object)


def _report_repairs(context: Context, points: coordinates.Points) -> None:
    add, rows = context.findings.add, context.rows
    column = context.columns.columns.get("latitude")
    for rule in ("respelled", "swapped"):
        mask = getattr(points, rule) & np.isfinite(points.lat)
        if mask.any():
            add(
                rule,
                rows[mask],
                column=column,
                before=_shown(context, mask, points),
                after=_pair(points.lat[mask], points.lon[mask]),
            )
    for rule, mask in (
        ("blank_coordinates", points.blank),
        ("zero_coordinates", points.zero),
        ("unreadable_coordinates", points.unreadable),
        ("outside_japan", points.outside),
    ):
        if mask.any() and _has_coordinates(context):
            add(rule, rows[mask], column=column, before=_shown(context, mask, points))
    foreign = np.isfinite(points.lat) & ~coordinates.in_japan(points.lat, points.lon)
    if foreign.any():
        add("foreign_register")
