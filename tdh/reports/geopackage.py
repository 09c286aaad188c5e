"""A GeoPackage that QGIS opens coloured and labelled: its styles travel in ``layer_styles``."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import details, display, today
from tdh.files import atomic
from tdh.language import Text

CREATION = {"dataset_options": {"VERSION": "1.3"}}
"""The version of the format that QGIS of a few years ago opens without a warning."""

QGIS_SHAPES = {
    "circle": "circle",
    "square": "square",
    "triangle": "triangle",
    "diamond": "diamond",
    "pentagon": "pentagon",
    "cross": "cross_fill",
}


def write_geopackage(run: Any, path: str | os.PathLike[str]) -> None:
    """Write offers, assets, present sites and municipalities with their styles.

    Layers: ``offers`` (coloured by carrier, labelled by order), ``assets`` (by best score),
    ``sites`` (by carrier, turned to their azimuth, with what they carry), ``gap_regions`` (the gaps
    of today that map and report show, by carrier, with what the plan leaves of them and people by
    reason; in a run without that table, the gaps that remain) and ``municipalities``
    (by the share of people in a gap after the plan).

    Parameters
    ----------
    run : Run
        A finished run.
    path : path
        The ``.gpkg`` file.
    """
    layers = tables(run)
    styles = {
        "municipalities": _municipality_style(),
        "gap_regions": _region_style(run),
        "sites": _site_style(run),
        "assets": _asset_style(),
        "offers": _offer_style(run),
    }
    with atomic(path) as draft:
        for name, frame in layers.items():
            areas = name in ("municipalities", "gap_regions")
            frame.to_file(
                draft,
                layer=name,
                driver="GPKG",
                engine="pyogrio",
                mode="a" if Path(draft).exists() else "w",
                geometry_type="MultiPolygon" if areas else "Point",
                promote_to_multi=areas,
                **({} if Path(draft).exists() else CREATION),
            )
        _write_styles(draft, styles)


def tables(run: Any) -> dict[str, gpd.GeoDataFrame]:
    """The tables of a plan for other tools, each with its geometry in the plan's CRS."""
    return {
        "municipalities": _municipalities(run),
        "gap_regions": _regions(run),
        "sites": today.sites(run).table.reset_index(),
        "assets": _assets(run),
        "offers": _offers(run),
    }


def write_geoparquet(run: Any, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the same tables as GeoParquet files, and places and antennas where the run has them.

    Parameters
    ----------
    run : Run
        A finished run.
    folder : path
        Folder of the files; made if it is missing.

    Returns
    -------
    list of Path
        ``municipalities``, ``gap_regions``, ``sites``, ``assets``, ``offers``, and where they are
        known ``antennas`` and ``places``; zstd, with the plan's CRS.
    """
    frames = tables(run)
    antennas, places = details.antennas(run), details.places(run)
    if antennas is not None:
        at = run.assets.geometry.reindex(antennas["asset_id"]).to_numpy()
        frames["antennas"] = gpd.GeoDataFrame(antennas, geometry=at, crs=run.crs)
    if places is not None:
        frames["places"] = places
    written = []
    for name, frame in frames.items():
        path = Path(folder) / f"{name}.parquet"
        with atomic(path) as draft:
            frame.to_parquet(draft, index=False, compression="zstd", write_covering_bbox=True)
        written.append(path)
    return written


def _offers(run: Any) -> gpd.GeoDataFrame:
    plan = run.plan
    assets = run.assets.reindex(plan["asset_id"])
    names = {c.id: c.name for c in run.carriers}
    frame = plan.copy()
    frame.insert(1, "carrier", plan["carrier_id"].map(names))
    for column in ("name", "kind", "address", "municipality", "owner"):
        frame[column] = assets[column].to_numpy()
    for column in ("height_agl_m", "mounting_height_m", "synthetic"):
        frame[column] = assets[column].to_numpy()
    return frame


def _assets(run: Any) -> gpd.GeoDataFrame:
    frame = run.assets.reset_index()
    best = display.best_scores(run.scores).reindex(run.assets.index)
    frame["best_score"] = best["score"].to_numpy()
    frame["best_carrier"] = best["carrier_id"].to_numpy()
    public = run.scores_public.set_index("asset_id").reindex(run.assets.index)
    for column in ("score", "rank"):
        frame[f"public_{column}"] = public[column].to_numpy()
    for carrier in run.carriers:
        scores = run.scores[run.scores["carrier_id"] == carrier.id].set_index("asset_id")
        mine = scores["people_newly_served"].reindex(run.assets.index)
        frame[f"people_{carrier.id}"] = mine.to_numpy()
    frame["offered"] = frame["asset_id"].isin(run.plan["asset_id"])
    return frame


def _regions(run: Any) -> gpd.GeoDataFrame:
    frame = display.todays_regions(run)
    if frame is None:
        frame = display.gap_regions(run)
        frame["municipality"] = (
            run.municipalities["municipality"].reindex(frame["municipality_code"]).to_numpy()
        )
        return frame
    frame["people_capacity"] = today.people_by_reason(frame)["capacity"]
    return frame.reset_index()


def _municipalities(run: Any) -> gpd.GeoDataFrame:
    table = display.by_municipality(run)
    sums = table.groupby("municipality_code")[["people", "gap_before", "gap_after", "sites"]].sum()
    frame = run.municipalities.reset_index()
    for column in sums.columns:
        frame[column] = sums[column].reindex(frame["municipality_code"]).to_numpy()
    people = frame["people"].where(frame["people"] > 0)
    frame["gap_share_after"] = np.asarray(frame["gap_after"] / people, dtype=float)
    wide = table.pivot(index="municipality_code", columns="carrier_id", values="gap_after")
    for carrier in run.carriers:
        frame[f"gap_after_{carrier.id}"] = (
            wide[carrier.id].reindex(frame["municipality_code"]).to_numpy()
        )
    return frame


# --- styles in QGIS's own XML --------------------------------------------------------------------


def _options(parent: ET.Element, **values: str) -> None:
    holder = ET.SubElement(parent, "Option", type="Map")
    for name, value in values.items():
        ET.SubElement(holder, "Option", name=name, value=value, type="QString")


def _rgba(colour: str, alpha: int = 255) -> str:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"{r},{g},{b},{alpha}"


def _marker(
    symbols: ET.Element, name: str, colour: str, shape: str, size: str, angle: str | None = None
) -> None:
    symbol = ET.SubElement(
        symbols, "symbol", type="marker", name=name, alpha="1", clip_to_extent="1"
    )
    layer = ET.SubElement(
        symbol, "layer", {"class": "SimpleMarker", "enabled": "1", "pass": "0", "locked": "0"}
    )
    _options(
        layer,
        color=_rgba(colour),
        name=shape,
        size=size,
        size_unit="MM",
        outline_color="255,255,255,255",
        outline_style="solid",
        outline_width="0.3",
        outline_width_unit="MM",
        angle="0",
    )
    if angle is not None:
        _defined(layer, "angle", angle)


def _defined(parent: ET.Element, key: str, expression: str) -> None:
    """A property that QGIS computes from a feature's own values."""
    holder = ET.SubElement(ET.SubElement(parent, "data_defined_properties"), "Option", type="Map")
    ET.SubElement(holder, "Option", name="name", value="", type="QString")
    properties = ET.SubElement(holder, "Option", name="properties", type="Map")
    one = ET.SubElement(properties, "Option", name=key, type="Map")
    ET.SubElement(one, "Option", name="active", value="true", type="bool")
    ET.SubElement(one, "Option", name="expression", value=expression, type="QString")
    ET.SubElement(one, "Option", name="type", value="3", type="int")
    ET.SubElement(holder, "Option", name="type", value="collection", type="QString")


def _fill(symbols: ET.Element, name: str, colour: str) -> None:
    symbol = ET.SubElement(
        symbols, "symbol", type="fill", name=name, alpha="0.6", clip_to_extent="1"
    )
    layer = ET.SubElement(
        symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"}
    )
    _options(
        layer,
        color=_rgba(colour),
        style="solid",
        outline_color="72,83,94,255",
        outline_style="solid",
        outline_width="0.26",
        outline_width_unit="MM",
    )


def _document() -> ET.Element:
    return ET.Element(
        "qgis", version="3.28", styleCategories="Symbology|Labeling", labelsEnabled="0"
    )


def _label(root: ET.Element, expression: str, size: str, *, is_expression: bool = True) -> None:
    root.set("labelsEnabled", "1")
    labeling = ET.SubElement(root, "labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    style = ET.SubElement(
        settings,
        "text-style",
        fieldName=expression,
        isExpression="1" if is_expression else "0",
        fontFamily="Noto Sans CJK JP",
        fontSize=size,
        fontSizeUnit="Point",
        textColor="27,39,51,255",
        fontWeight="75",
    )
    ET.SubElement(
        style,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.8",
        bufferSizeUnits="MM",
        bufferColor="255,255,255,255",
    )
    ET.SubElement(settings, "placement", placement="0", dist="1", distUnits="MM")


def _categorised(root: ET.Element, run: Any) -> tuple[ET.Element, ET.Element, ET.Element]:
    """A renderer with a category for each carrier, its categories and its (empty) symbols."""
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        type="categorizedSymbol",
        attr="carrier_id",
        symbollevels="0",
        enableorderby="0",
    )
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for i, carrier in enumerate(run.carriers):
        _category(categories, i, carrier.id, carrier.name)
    return renderer, categories, symbols


def _category(categories: ET.Element, symbol: int, value: str, label: str) -> None:
    ET.SubElement(
        categories,
        "category",
        symbol=str(symbol),
        value=value,
        label=label,
        render="true",
        type="string",
    )


def _markers(run: Any, size: str, angle: str | None = None) -> tuple[ET.Element, ET.Element]:
    root = _document()
    renderer, _, symbols = _categorised(root, run)
    colours = display.colours(run)
    for i, carrier in enumerate(run.carriers):
        shape = (
            "arrowhead_filled" if angle else QGIS_SHAPES[display.SHAPES[i % len(display.SHAPES)]]
        )
        _marker(symbols, str(i), colours[carrier.id], shape, size, angle)
    return root, renderer


def _offer_style(run: Any) -> str:
    root, _ = _markers(run, "4.2")
    _label(root, '"order" || \' \' || "name"', "9")
    return _text(root)


def _region_style(run: Any) -> str:
    root = _document()
    _, categories, symbols = _categorised(root, run)
    colours = display.colours(run)
    for i, carrier in enumerate(run.carriers):
        _fill(symbols, str(i), colours[carrier.id])
    # Where fewer carriers serve than are to, the gap is of none of them.
    i = len(run.carriers)
    label = Text("too few carriers", "事業者数が不足")
    _category(categories, i, "", f"{label.render('ja')} / {label.render('en')}")
    _fill(symbols, str(i), "#2b333b")
    return _text(root)


def _site_style(run: Any) -> str:
    root, _ = _markers(run, "2.2", angle='coalesce("azimuth_deg", 0) - 90')
    return _text(root)


def _graduated(
    root: ET.Element, attribute: str, steps: list[tuple[float, float, str, str]]
) -> tuple[ET.Element, ET.Element]:
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        type="graduatedSymbol",
        attr=attribute,
        graduatedMethod="GraduatedColor",
        symbollevels="0",
        enableorderby="0",
    )
    ranges, symbols = ET.SubElement(renderer, "ranges"), ET.SubElement(renderer, "symbols")
    for i, (low, high, label, _) in enumerate(steps):
        ET.SubElement(
            ranges,
            "range",
            symbol=str(i),
            lower=str(low),
            upper=str(high),
            label=label,
            render="true",
        )
    return renderer, symbols


def _asset_style() -> str:
    root = _document()
    steps = [
        (0.0, 20.0, "0–20", "#f7f4fc"),
        (20.0, 40.0, "20–40", "#cbc0e4"),
        (40.0, 60.0, "40–60", "#9580c2"),
        (60.0, 80.0, "60–80", "#653e9a"),
        (80.0, 100.0, "80–100", "#3f0f6e"),
    ]
    _, symbols = _graduated(root, "best_score", steps)
    for i, step in enumerate(steps):
        _marker(symbols, str(i), step[3], "circle", "1.8")
    return _text(root)


def _municipality_style() -> str:
    root = _document()
    steps = [
        (0.0, 0.05, "0–5%", "#feedde"),
        (0.05, 0.15, "5–15%", "#fdbe85"),
        (0.15, 0.3, "15–30%", "#fd8d3c"),
        (0.3, 1.0, "30–100%", "#d94701"),
    ]
    _, symbols = _graduated(root, "gap_share_after", steps)
    for i, step in enumerate(steps):
        _fill(symbols, str(i), step[3])
    _label(root, "municipality", "10", is_expression=False)
    return _text(root)


def _text(root: ET.Element) -> str:
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(
        root, encoding="unicode"
    )


def _write_styles(path: Path, styles: dict[str, str]) -> None:
    """The table in which QGIS looks for a layer's style."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            """CREATE TABLE layer_styles (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT,
                f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT,
                useAsDefault BOOLEAN, description TEXT, owner TEXT, ui TEXT,
                update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""
        )
        columns = dict(db.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
        for name, style in styles.items():
            db.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
                "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner) "
                "VALUES ('', '', ?, ?, ?, ?, '', 1, 'tdh', '')",
                (name, columns[name], name, style),
            )
        db.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', 'styles for QGIS', "
            "strftime('%Y-%m-%dT%H:%M:%fZ','now'))"
        )


def read_styles(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The styles of a GeoPackage: f_table_name, styleName, styleQML."""
    with closing(sqlite3.connect(path)) as db:
        return pd.read_sql_query(
            "SELECT f_table_name, styleName, styleQML FROM layer_styles ORDER BY id", db
        )
