"""JSON registers: arrays of objects, wrapped or not, line by line, and GeoJSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import shapely

from tdh.errors import Problem, RegisterError
from tdh.inventory import textfiles
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_JSON_BYTES = 256 << 20


def read(data: bytes, name: str) -> list[RawTable] | None:
    """The table in a JSON text; None if the text is no JSON at all.

    Numbers keep the spelling of the file.

    Raises
    ------
    RegisterError
        If it is JSON without records, or nested beyond reason.
    """
    if len(data) > MAX_JSON_BYTES:
        raise RegisterError(
            Problem(
                Text("the JSON is too large", "JSONが大きすぎます"),
                value=f"{len(data):,} bytes",
                expected=f"<= {MAX_JSON_BYTES:,} bytes",
                where=name,
                fix=Text("convert it to GeoPackage or CSV", "GeoPackageかCSVに変換してください"),
            )
        )
    text, encoding, wrong = textfiles.decode(data)
    text = text.removeprefix("\ufeff")
    document = _load(text, name)
    if document is None:
        return None
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        table = _geojson(document)
    else:
        records = _records(document)
        if not records:
            raise RegisterError(
                Problem(
                    Text("the JSON holds no list of records", "JSONに台帳の一覧がありません"),
                    where=name,
                    expected='[{"name": …, "latitude": …, "longitude": …}, …]',
                )
            )
        table = RawTable(_frame(records, name), "json")
    table.encoding = encoding
    if wrong:
        table.note("undecodable", n=wrong, encoding=encoding)
    return [table]


def _load(text: str, name: str) -> Any:
    options = {"parse_float": str, "parse_int": str, "parse_constant": lambda _: None}
    try:
        return json.loads(text, **options)  # type: ignore[arg-type]
    except RecursionError as error:
        raise RegisterError(
            Problem(Text("the JSON is nested too deeply", "JSONの入れ子が深すぎます"), where=name)
        ) from error
    except ValueError:
        pass
    try:
        lines = [json.loads(line, **options) for line in text.split("\n") if line.strip()]  # type: ignore[arg-type]
    except (ValueError, RecursionError) as error:
        if (text.lstrip()[:1] == "[" and text.count("\n") < 3) or text.lstrip().startswith('{"'):
            raise RegisterError(
                Problem(
                    Text("the JSON is damaged", "JSONが壊れています"), value=str(error), where=name
                )
            ) from error
        return None
    if lines and all(isinstance(line, dict) and line.get("type") == "Feature" for line in lines):
        return {"type": "FeatureCollection", "features": lines}
    return lines


def _records(document: Any, depth: int = 0) -> list[dict[str, Any]]:
    """The longest list of objects in a document."""
    if depth > 4:
        return []
    if isinstance(document, list):
        found = [item for item in document if isinstance(item, dict)]
        if found and len(found) >= 0.5 * len(document):
            return found
        if document and all(isinstance(item, list) for item in document) and len(document) > 1:
            return _rows(document)
        return []
    if isinstance(document, dict):
        lists = [_records(value, depth + 1) for value in document.values()]
        best = max(lists, key=len, default=[])
        if best:
            return best
        if depth == 0 and any(not isinstance(v, dict | list) for v in document.values()):
            return [document]
    return []


def _rows(document: list[list[Any]]) -> list[dict[str, Any]]:
    """An array of arrays, whose first is the header."""
    header = [str(cell) for cell in document[0]]
    return [dict(zip(header, row, strict=False)) for row in document[1:]]


def _flat(value: Any, prefix: str, out: dict[str, str], depth: int = 0) -> None:
    if isinstance(value, dict) and depth < 6:
        for key, part in value.items():
            _flat(part, f"{prefix}.{key}" if prefix else str(key), out, depth + 1)
    elif isinstance(value, list | dict):
        out[prefix] = json.dumps(value, ensure_ascii=False)[:10_000]
    elif value is not None:
        out[prefix] = str(value)


def _frame(records: list[dict[str, Any]], name: str) -> pd.DataFrame:
    flat: list[dict[str, str]] = []
    columns: dict[str, None] = {}
    for record in records:
        cells: dict[str, str] = {}
        _flat(record, "", cells)
        columns.update(dict.fromkeys(cells))
        flat.append(cells)
        if len(columns) > textfiles.MAX_COLUMNS:
            raise RegisterError(
                Problem(
                    Text("the records have too many different keys", "項目の種類が多すぎます"),
                    expected=f"<= {textfiles.MAX_COLUMNS}",
                    where=name,
                )
            )
    names = _short_names(list(columns))
    frame = pd.DataFrame(
        {names[c]: pd.Series([cells.get(c, "") for cells in flat], dtype="str") for c in columns}
    )
    return frame.reset_index(drop=True)


def _short_names(columns: list[str]) -> dict[str, str]:
    """Japanese wordings of a key that has several, and leaf names where they are unique."""
    leaves: dict[str, int] = {}
    for column in columns:
        leaf = column.rsplit(".", 1)[-1]
        leaves[leaf] = leaves.get(leaf, 0) + 1
    out = {}
    for column in columns:
        leaf = column.rsplit(".", 1)[-1]
        plain = leaves[leaf] == 1 and leaf not in ("ja", "en", "type", "id", "name")
        out[column] = leaf if plain else column
    return out


def _geojson(document: dict[str, Any]) -> RawTable:
    features = [f for f in document.get("features") or [] if isinstance(f, dict)]
    records = []
    for feature in features:
        properties = feature.get("properties")
        record = dict(properties) if isinstance(properties, dict) else {}
        if "id" in feature and "id" not in record and isinstance(feature["id"], str):
            record["id"] = feature["id"]
        records.append(record)
    frame = _frame(records, "GeoJSON") if records else pd.DataFrame()
    frame = frame.reindex(range(len(features)), fill_value="")
    shapes = np.full(len(features), None, dtype=object)
    for i, feature in enumerate(features):
        shapes[i] = _shape(feature.get("geometry"))
    crs = None
    stated = document.get("crs")
    if isinstance(stated, dict) and isinstance(stated.get("properties"), dict):
        name = stated["properties"].get("name")
        crs = name if isinstance(name, str) and "CRS84" not in name else None
    return RawTable(frame, "geojson", geometry=shapes, crs=crs or "EPSG:4326")


def _shape(geometry: Any) -> shapely.Geometry | None:
    if not isinstance(geometry, dict):
        return None
    coordinates = geometry.get("coordinates")
    if geometry.get("type") == "Point" and isinstance(coordinates, list) and len(coordinates) >= 2:
        try:
            return shapely.Point(float(coordinates[0]), float(coordinates[1]))
        except (TypeError, ValueError):
            return None
    # The numbers were kept as text: they are written back without quotation marks.
    plain = json.dumps(geometry, ensure_ascii=True)
    shape = shapely.from_geojson(_unquote(plain), on_invalid="ignore")
    return shape if isinstance(shape, shapely.Geometry) else None


def _unquote(text: str) -> str:
    import re

    return re.sub(r'"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"', r"\1", text)
