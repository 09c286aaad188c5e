"""Geographic files through GDAL and GeoParquet: GeoPackage, Shapefile, FlatGeobuf, GeoJSON."""

from __future__ import annotations

import io
import struct
import tempfile
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow
import pyogrio
import pyproj

from tdh.errors import Problem, RegisterError
from tdh.inventory import textfiles
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_ROWS = 5_000_000
_SUFFIXES = {"gpkg": ".gpkg", "flatgeobuf": ".fgb"}
# Fields of fixed width cut characters in half, which GDAL and pyogrio refuse. GDAL knows no encoding
# of this spelling, so that it hands the bytes on as they are, and they are decoded here.
_BYTES = "latin1"


def driver_of(head: bytes) -> str | None:
    """The format of a binary geographic file, by its first bytes."""
    if head.startswith(b"SQLite format 3\x00"):
        return "gpkg"
    if head.startswith(b"PAR1"):
        return "geoparquet"
    if head.startswith(b"fgb\x03"):
        return "flatgeobuf"
    return None


def read_bytes(data: bytes, name: str, driver: str) -> list[RawTable]:
    """As :func:`read`, from memory."""
    if driver == "geoparquet":
        return [_parquet(io.BytesIO(data), name)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"register{_SUFFIXES[driver]}"
        file.write_bytes(data)
        return read(file, name, driver)


def read(file: Path, name: str, driver: str) -> list[RawTable]:
    """All layers of a geographic file that hold records.

    Raises
    ------
    RegisterError
        If it cannot be read.
    """
    if driver == "geoparquet":
        return [_parquet(file, name)]
    if file.suffix.lower() != _SUFFIXES[driver]:
        # GDAL chooses its driver by the name, which may be wrong.
        return read_bytes(file.read_bytes(), name, driver)
    layers = _guard(lambda: pyogrio.list_layers(file), name)
    tables = []
    for layer, _ in layers:
        if str(layer).startswith(("layer_styles", "qgis_", "gpkg_", "rtree_")):
            continue
        table = _layer(file, name, driver, layer=str(layer))
        table.part = "" if len(layers) == 1 else str(layer)
        tables.append(table)
    if not tables:
        raise _no_layer(name)
    return tables


def _no_layer(name: str) -> RegisterError:
    return RegisterError(
        Problem(
            Text("the file holds no layer", "レイヤーがありません"),
            where=name,
            fix=Text("check the file", "ファイルを確認してください"),
        )
    )


def read_shapefile(file: Path, name: str) -> list[RawTable]:
    """A Shapefile; the encoding of its attributes is judged by content where it is not stated."""
    if not file.exists():
        raise RegisterError(
            Problem(
                Text("the Shapefile's .shp is missing", "シェープファイルの.shpがありません"),
                where=name,
                fix=Text("keep .shp, .shx and .dbf together", ".shp・.shx・.dbfをそろえてください"),
            )
        )
    encoding = _dbf_encoding(file)
    table = _layer(file, name, "shp", encoding=encoding)
    table.encoding = encoding
    return [table]


def _dbf_encoding(file: Path) -> str | None:
    """``.cpg`` lies more often than text does: the attributes themselves are asked first."""
    dbf = next(
        (p for p in file.parent.glob(f"{_escape(file.stem)}.*") if p.suffix.lower() == ".dbf"), None
    )
    if dbf is None:
        return None
    with dbf.open("rb") as handle:
        head = handle.read(32)
        if len(head) < 32:
            return None
        header_length = struct.unpack("<H", head[8:10])[0]
        fields = handle.read(max(0, header_length - 32))
        body = handle.read(1 << 20)
    names = [fields[i : i + 11].split(b"\x00")[0] for i in range(0, len(fields) - 1, 32)]
    # Cells are cut more seldom than names; names count where all cells are ASCII.
    sample = body if not body.isascii() else b"\n".join(map(_whole_characters, names))
    if sample.isascii() or _mostly_utf8(sample):
        return "utf-8"
    found = textfiles.detect_encoding(sample)
    return "cp932" if found.startswith("utf") else found


def _whole_characters(name: bytes) -> bytes:
    """A name without the half of a character at its end, if it is UTF-8."""
    for cut in range(min(4, len(name))):
        try:
            name[: len(name) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return name[: len(name) - cut]
    return name


def _mostly_utf8(sample: bytes) -> bool:
    """Fields of fixed width cut characters: some errors are no sign of another encoding."""
    shown = sample.decode("utf-8", errors="replace")
    return shown.count("\ufffd") < 0.05 * sum(not c.isascii() for c in shown)


def _escape(stem: str) -> str:
    import glob

    return glob.escape(stem)


def _layer(
    file: Path, name: str, driver: str, *, layer: str | None = None, encoding: str | None = None
) -> RawTable:
    def load() -> pd.DataFrame:
        with warnings.catch_warnings():
            # What GDAL finds odd about a file is no reason to stop; what is wrong shows in the rows.
            warnings.simplefilter("ignore")
            return pyogrio.read_dataframe(
                file,
                layer=layer,
                encoding=None if encoding is None else _BYTES,
                max_features=MAX_ROWS,
                datetime_as_string=True,
            )

    frame = _guard(load, name)
    return of_frame(frame if encoding is None else _decoded(frame, encoding), driver)


def _decoded(frame: pd.DataFrame, encoding: str) -> pd.DataFrame:
    """A frame whose texts are bytes in disguise, decoded; halves of characters are dropped."""

    def decode(text: object) -> object:
        if not isinstance(text, str):
            return text
        return text.encode(_BYTES).decode(encoding, errors="ignore")

    # What is left of two headers may be the same.
    seen: dict[str, int] = {}
    names = []
    for column in map(str, map(decode, frame.columns)):
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column} ({seen[column]})")
    frame = frame.set_axis(names, axis=1)
    for column in frame.columns[[pd.api.types.is_string_dtype(d) for d in frame.dtypes]]:
        frame[column] = frame[column].map(decode)
    return frame


def _guard(load, name: str):  # type: ignore[no-untyped-def]
    """Run a reader of GDAL or Arrow, whose errors are the file's."""
    try:
        return load()
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
        pyogrio.errors.GeometryError,
        pyogrio.errors.FieldError,
        pyogrio.errors.CRSError,
        pyproj.exceptions.CRSError,
        pyarrow.ArrowException,
        UnicodeDecodeError,
        ValueError,
        KeyError,
        RuntimeError,
        OSError,
    ) as error:
        raise RegisterError(
            Problem(
                Text(
                    "the file is damaged or of another format",
                    "壊れているか、別の形式のファイルです",
                ),
                value=str(error).splitlines()[0] if str(error) else type(error).__name__,
                where=name,
                fix=Text("export it anew", "書き出し直してください"),
            )
        ) from error


def _parquet(source: io.BytesIO | Path, name: str) -> RawTable:
    def load() -> pd.DataFrame:
        try:
            return gpd.read_parquet(source)
        except ValueError as error:
            if "geo" not in str(error).lower():
                raise
            if isinstance(source, io.BytesIO):
                source.seek(0)
            return pd.read_parquet(source)

    return of_frame(_guard(load, name), "geoparquet")


def of_frame(frame: pd.DataFrame, driver: str) -> RawTable:
    """A table of text of a frame with typed columns and perhaps geometry."""
    geometry, crs = None, None
    if isinstance(frame, gpd.GeoDataFrame) and frame.active_geometry_name is not None:
        geometry = frame.geometry.to_numpy().copy()
        crs = frame.crs.to_string() if frame.crs is not None else None
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    for column in [c for c, d in frame.dtypes.items() if str(d) == "geometry"]:
        frame = frame.drop(columns=column)
    cells = {str(column): as_text(frame[column]) for column in frame.columns}
    out = pd.DataFrame(cells, index=frame.index).reset_index(drop=True)
    table = RawTable(out, driver, geometry=geometry, crs=crs)
    if geometry is not None and all(g is None for g in geometry):
        table.geometry = None
    return table


def as_text(column: pd.Series) -> pd.Series:
    """A typed column as a spreadsheet's reader would see it: whole numbers without a point.

    >>> as_text(pd.Series([1.0, 2.5, None])).tolist(), as_text(pd.Series([True, False])).tolist()
    (['1', '2.5', ''], ['True', 'False'])
    """
    if pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        whole = np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 1e15)
        shown = pd.Series(values, index=column.index).astype("str")
        shown = shown.mask(
            whole,
            pd.Series(np.where(whole, values, 0).astype("int64"), index=column.index).astype("str"),
        )
        return shown.where(~np.isnan(values), "").astype("str")
    shown = (
        column.astype("str")
        if not pd.api.types.is_object_dtype(column.dtype)
        else column.map(_cell)
    )
    return shown.fillna("").astype("str")


def _cell(value: object) -> str:
    if (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and np.isnan(value))
    ):
        return ""
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
