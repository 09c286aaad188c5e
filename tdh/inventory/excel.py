"""Excel workbooks: every sheet that holds a register, as text."""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
import zlib
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from tdh.errors import Problem, RegisterError
from tdh.inventory import archives, headers, textfiles, xmlfiles
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_ROWS = 1_100_000
MAX_CELLS = 12_000_000
_LEGENDS = (
    "凡例",
    "記入例",
    "入力例",
    "説明",
    "項目定義",
    "readme",
    "選択肢",
    "リスト",
    "マスタ",
    "注意",
)


def is_workbook(data: bytes) -> bool:
    """Whether a zip archive is a workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False


def read(data: bytes, name: str) -> list[RawTable]:
    """The sheets of a workbook that hold records with known headers; at least one table.

    Raises
    ------
    RegisterError
        If it is damaged, swells beyond the bounds when unpacked, or holds no table.
    """
    with archives.opened(data, name) as archive:
        for member in archive.infolist():
            if member.filename.endswith((".xml", ".rels")):
                head = archives.member_bytes(archive, member, name, 1 << 16)
                xmlfiles.refuse_declarations(head, f"{name}: {member.filename}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unsupported decorations of a workbook
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            sheets = [(ws.title, _grid(ws, name)) for ws in book.worksheets]
            hidden = {ws.title for ws in book.worksheets if ws.sheet_state != "visible"}
            book.close()
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        SyntaxError,
        OSError,
        EOFError,
        OverflowError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise RegisterError(
            Problem(
                Text("the workbook is damaged", "Excelファイルが壊れています"),
                value=str(error)[:200] or type(error).__name__,
                where=name,
                fix=Text("open it in Excel and save it anew", "Excelで開いて保存し直してください"),
            )
        ) from error
    return _choose(sheets, hidden, name)


def _choose(sheets: list[tuple[str, pd.DataFrame]], hidden: set[str], name: str) -> list[RawTable]:
    """Sheets with a header of known words; failing those, the largest sheet."""
    tables, skipped = [], []
    for title, grid in sheets:
        if grid.empty:
            continue
        table = RawTable(pd.DataFrame(), "xlsx", part=title)
        known = max((headers.recognised(row) for row in grid.iloc[:30].to_numpy()), default=0)
        headers.set_header(table, grid)
        legend = any(word in title.lower() for word in _LEGENDS) or title in hidden
        if known >= 2 and not legend and _has_place(table):
            tables.append(table)
        else:
            skipped.append((len(grid), table))
    if not tables and skipped:
        tables = [max(skipped, key=lambda pair: pair[0])[1]]
    if not tables:
        raise RegisterError(
            Problem(Text("the workbook holds no table", "Excelに表がありません"), where=name)
        )
    for _, table in skipped:
        if table not in tables:
            tables[0].note("skipped_part", before=table.part, reason=table.part)
    return tables


def _has_place(table: RawTable) -> bool:
    fields = headers.map_columns(table).columns
    return any(f in fields for f in ("latitude", "lat_lon", "lon_lat", "x", "northing", "address",
                                     "address_city", "latitude_tokyo", "wkt"))  # fmt: skip


def _grid(sheet: Any, name: str) -> pd.DataFrame:
    # Dimensions that a workbook states may be wrong, or chosen to exhaust the reader.
    sheet.reset_dimensions()
    rows: list[list[str]] = []
    cells = 0
    for row in sheet.iter_rows(values_only=True):
        shown = [_cell(value) for value in row]
        while shown and not shown[-1]:
            shown.pop()
        if len(shown) > textfiles.MAX_COLUMNS:
            raise _beyond(name, sheet.title, f"{len(shown):,} columns")
        cells += len(shown) + 1
        rows.append(shown)
        if len(rows) > MAX_ROWS or cells > MAX_CELLS:
            raise _beyond(name, sheet.title, f"{len(rows):,} rows")
    while rows and not rows[-1]:
        rows.pop()
    width = max((len(row) for row in rows), default=0)
    return pd.DataFrame([row + [""] * (width - len(row)) for row in rows], dtype="str")


def _beyond(name: str, sheet: str, value: str) -> RegisterError:
    return RegisterError(
        Problem(
            Text("the sheet is too large", "シートが大きすぎます"),
            value=value,
            expected=f"<= {MAX_ROWS:,} rows, {textfiles.MAX_COLUMNS:,} columns",
            where=f"{name}: {sheet}",
            fix=Text("save the table alone", "表だけを保存してください"),
        )
    )


def _cell(value: object) -> str:
    """A cell as text, as Excel would write it into a CSV file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time(0)
        return f"{value:%Y-%m-%d}" if midnight else f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value).strip("\u0000")
