"""Events to files and back: JSON lines, CSV, Excel and GeoPackage, none of which changes a letter."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from tdh import schemas
from tdh.errors import Problem
from tdh.files import atomic
from tdh.language import Text, current
from tdh.register.events import COLUMNS, LedgerError, dump, shortened
from tdh.register.states import BY_ACTION

Row = tuple[str, dict[str, str]]
"""Where it stands, and its cells by column."""

BY_HAND = ("document", "due")
"""Columns of lists that people write, beside those of the register."""
_HAND_LABELS = {"文書番号": "document", "期限": "due"}
_LONGEST_CELL = 32_000  # Excel: 32,767
_MOST_ROWS = 1_048_575  # Excel, without the header
_LARGEST = 2_000_000_000
_FORMULA = re.compile(r"['\s\ufeff]*[=+\-@＝＋－＠]|['\t\n]")


def neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula; :func:`restored` gives back what it was.

    >>> neutral("=1+1"), neutral("新宿"), restored(neutral("'=1+1"))
    ("'=1+1", '新宿', "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def restored(text: str) -> str:
    """The text that :func:`neutral` marked."""
    return text.removeprefix("'")


SUFFIXES = (".jsonl", ".csv", ".xlsx", ".gpkg")


def check_suffix(path: Path) -> None:
    """Refuse names of files that events are not kept in."""
    if path.suffix.lower() not in SUFFIXES:
        raise LedgerError(
            Problem(
                Text("not a file of events", "記録のファイルではありません"),
                value=shortened(path.suffix or path.name),
                expected=", ".join(SUFFIXES),
                where=str(path),
            )
        )


def check_rows(rows: int) -> None:
    """Refuse what a sheet of Excel cannot hold: its rows would be lost without a word."""
    if rows > _MOST_ROWS:
        raise LedgerError(
            Problem(
                Text("Excel cannot hold so many rows", "Excelの行数の上限を超えます"),
                value=rows,
                expected=f"≤ {_MOST_ROWS:,}",
                fix=Text("ask for fewer, or export to .csv or .gpkg",
                         "範囲を絞るか、.csv か .gpkg に書き出してください"),
            )
        )  # fmt: skip


# --- writing -------------------------------------------------------------------------------------


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A draft that takes its place when whole; what the disk refuses is said in words."""
    from xlsxwriter.exceptions import XlsxWriterException

    try:
        with atomic(path) as draft:
            yield draft
    except (OSError, XlsxWriterException) as error:
        raise LedgerError(
            Problem(
                Text("the file cannot be written", "ファイルを書けません"),
                value=str(error),
                where=str(path),
            )
        ) from None


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write events (table ``events``) as JSON lines, CSV (UTF-8 with BOM) or Excel, by the suffix.

    Raises
    ------
    LedgerError
        If the suffix is another, the disk does not take it, or Excel cannot hold it.
    """
    with written(path) as draft:
        {".csv": _write_csv, ".xlsx": _write_xlsx}.get(path.suffix.lower(), _write_lines)(
            frame, draft
        )


def _write_lines(frame: pd.DataFrame, draft: Path) -> None:
    with draft.open("w", encoding="utf-8", newline="\n") as handle:
        for row in frame.to_dict("records"):
            handle.write(dump(row) + "\n")


def _labels() -> list[str]:
    return [schemas.label("events", column, current()) for column in COLUMNS]


def _write_csv(frame: pd.DataFrame, draft: Path) -> None:
    with draft.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(_labels())
        for row in zip(*(frame[c] for c in COLUMNS), strict=True):
            writer.writerow([row[0], *map(neutral, row[1:])])


def _write_xlsx(frame: pd.DataFrame, draft: Path) -> None:
    import xlsxwriter

    details = frame["details"]
    parts = int(-(-details.str.len().max() // _LONGEST_CELL)) if len(frame) else 1
    check_rows(len(frame))
    book = xlsxwriter.Workbook(draft, {"strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("events")
    head = book.add_format({"bold": True, "bg_color": "#DCE6F1", "text_wrap": True})
    quoted = book.add_format({"quote_prefix": True})
    heads = [*_labels(), *(f"details_{n}" for n in range(2, parts + 1))]
    widths = {"id": 8, "at": 26, "recorded": 26, "why": 40, "details": 40, "asset": 22}
    for column, text in enumerate(heads):
        name = COLUMNS[column] if column < len(COLUMNS) else text
        sheet.set_column(column, column, widths.get(name, 14))
        sheet.write_string(0, column, text, head)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(1, len(frame)), len(heads) - 1)
    place = COLUMNS.index("details")
    for line, row in enumerate(zip(*(frame[c] for c in COLUMNS), strict=True), start=1):
        sheet.write_number(line, 0, row[0])
        cells = list(row)
        rest = [row[place][i : i + _LONGEST_CELL] for i in range(0, len(row[place]), _LONGEST_CELL)]
        cells[place] = rest[0]
        for column, text in enumerate([*cells[1:], *rest[1:]], start=1):
            if text:
                form = quoted if _FORMULA.match(text) else None
                # Workbooks escape with these letters, and openpyxl takes each of them out.
                text = text.replace("x005F_", "x00x005F_5F_")
                sheet.write_string(line, column, text, form)
    book.close()


# --- reading -------------------------------------------------------------------------------------


def read(path: Path) -> list[Row]:
    """The rows of a file: events that :func:`write` wrote, a register, or a list by hand.

    CSV may be UTF-8 or CP932 (what Excel in Japan saves); headings may be those of either
    language; columns that are not known are refused, since what they say would be lost.

    Raises
    ------
    LedgerError
        If the file cannot be read, with every row that is no event.
    """
    check_suffix(path)
    readers: dict[str, Callable[[Path], list[Row]]] = {
        ".csv": _read_csv, ".xlsx": _read_xlsx, ".gpkg": _read_gpkg, ".jsonl": _read_lines,
    }  # fmt: skip
    try:
        if path.stat().st_size > _LARGEST:
            raise OSError(f"> {_LARGEST:,} bytes")
        return readers[path.suffix.lower()](path)
    except (OSError, UnicodeDecodeError, csv.Error, sqlite3.DatabaseError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: object) -> LedgerError:
    return LedgerError(
        Problem(
            Text("the file cannot be read", "ファイルを読めません"),
            value=str(error),
            where=str(path),
        )
    )


def _read_lines(path: Path) -> list[Row]:
    rows, problems = [], []
    # Not splitlines: texts may hold other characters that Unicode takes for line ends.
    lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or set(row) != set(COLUMNS):
                raise ValueError("not an event")
            if not all(isinstance(row[n], str) for n in COLUMNS if n != "id"):
                raise ValueError("not text")
        except (ValueError, RecursionError) as error:
            text = Text("a line is not an event", "記録として読めない行です")
            problems.append(Problem(text, str(error), where=f"{path}, {number}"))
            continue
        rows.append((f"{path}, {number}", {**row, "id": str(row["id"])}))
    if problems:
        raise LedgerError(*problems)
    return rows


def _columns(path: Path, heads: list[str]) -> list[str]:
    """What the columns of a table are; headings of either language."""
    known = {schemas.label("events", c, "ja"): c for c in COLUMNS} | {c: c for c in COLUMNS}
    known |= _HAND_LABELS | {c: c for c in BY_HAND}
    names = [known.get(head, head) for head in (h.strip() for h in heads)]
    valid = {*COLUMNS, *BY_HAND}
    bad = [n for n in names if n not in valid and not re.fullmatch(r"details_[2-9]", n)]
    missing = [n for n in ("action", "who") if n not in names]
    problems = []
    if bad or len(set(names)) < len(names):
        text = Text("columns are not known, or there twice", "知らない列か、重複した列があります")
        twice = [n for n in names if names.count(n) > 1]
        problems.append(
            Problem(text, shortened(", ".join([*bad, *twice])), ", ".join([*COLUMNS, *BY_HAND]),
                    str(path))
        )  # fmt: skip
    if missing:
        text = Text("columns are missing", "必要な列がありません")
        problems.append(Problem(text, ", ".join(missing), where=str(path)))
    if problems:
        raise LedgerError(*problems)
    return names


def _table(path: Path, lines: Iterator[tuple[int, list[str]]]) -> list[Row]:
    _, heads = next(lines, (0, [""]))
    names = _columns(path, heads)
    rows: list[Row] = []
    problems = []
    for number, cells in lines:
        if not any(cells):
            continue
        where = str(Text("{path}, row {row}", "{path} {row}行目", path=path, row=number))
        if len(cells) > len(names) and any(cells[len(names) :]):
            text = Text("the row has more cells than columns", "列数より多いセルがあります")
            problems.append(Problem(text, len(cells), str(len(names)), where))
        row = dict(zip(names, cells, strict=False))
        more = [row.pop(n, "") for n in sorted(n for n in names if n.startswith("details_"))]
        if any(more):
            row["details"] = row.get("details", "") + "".join(more)
        rows.append((where, row))
    if problems:
        raise LedgerError(*problems)
    return rows


def _read_csv(path: Path) -> list[Row]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp932")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)

    def lines() -> Iterator[tuple[int, list[str]]]:
        for cells in reader:
            yield reader.line_num, [restored(cell) for cell in cells]

    return _table(path, lines())


def _read_xlsx(path: Path) -> list[Row]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _LARGEST:
                raise _unreadable(path, f"> {_LARGEST:,} bytes")
            if (bad := archive.testzip()) is not None:
                raise _unreadable(path, bad)
        book = openpyxl.load_workbook(path, read_only=True)
        try:
            sheet = book.worksheets[0]
            rows = enumerate(sheet.iter_rows(), start=1)
            return _table(path, ((n, [_cell(cell) for cell in row]) for n, row in rows))
        finally:
            book.close()
    except LedgerError:
        raise
    except (InvalidFileException, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError,
            KeyError, IndexError, ValueError, TypeError, AttributeError, SyntaxError) as error:  # fmt: skip
        # What zipfile and openpyxl raise on damaged workbooks; SyntaxError is the XML parser's,
        # RuntimeError a password's.
        raise _unreadable(path, f"{type(error).__name__}: {error}") from None


def _cell(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _read_gpkg(path: Path) -> list[Row]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        kind = "SELECT type FROM sqlite_master WHERE name = 'events'"
        if connection.execute(kind).fetchall() != [("table",)]:
            raise sqlite3.DatabaseError("no table of events")
        found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY id")
        return [
            (f"{path}, {row[0]}", dict(zip(COLUMNS, map(str, row), strict=True))) for row in found
        ]
    finally:
        connection.close()


def action_of(text: str) -> str:
    """An action by its name, or by its Japanese or English label.

    >>> action_of("request"), action_of("要望"), action_of("on air"), action_of("dance")
    ('request', 'request', 'on_air', 'dance')
    """
    if text in BY_ACTION:
        return text
    for action, transition in BY_ACTION.items():
        if text in (transition.label.en, transition.label.ja):
            return action
    return text
