"""Lines of a register that are no records, and cells that were damaged before they arrived."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import shapely

from tdh.inventory import arrowtext
from tdh.inventory.findings import Findings
from tdh.inventory.headers import ColumnMap
from tdh.inventory.tables import RawTable

_NOTE = re.compile(
    r"^\s*(?:[※*＊◎●■]|注[)）:：意\d]|備考|出典|凡例|資料|\(?注\)?|合計|総計|小計|計$|ver\.?\s*\d|"
    r"version|source:|note:|以上$|以下余白|total\b|\d{4}年.*現在|令和.*現在|平成.*現在)",
    re.IGNORECASE,
)
_KEY_FIELDS = (
    "latitude", "longitude", "lat_lon", "lon_lat", "x", "y", "northing", "easting", "wkt",
    "latitude_tokyo", "name", "address", "address_city", "address_town",
)  # fmt: skip
_EXCEL_DATE = (
    r"^(?:\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)|(?:Jan|Feb|Mar|Apr|May|Jun|Jul"
    r"|Aug|Sep|Oct|Nov|Dec)-\d{1,4}|\d{1,2}月\d{1,2}日|(?:19|20)\d\d/\d{1,2}/\d{1,2}"
    r"|(?:19|20)\d\d-\d\d-\d\d(?: 00:00:00)?)$"
)


def drop(table: RawTable, columns: ColumnMap, findings: Findings) -> None:
    """Take blank lines, repeated headers and notes out of a table; each kind is a finding."""
    frame = table.frame
    keep = np.ones(len(frame), dtype=bool)
    candidates = _without_content(table, columns)
    if candidates.any():
        filled = frame[candidates].apply(lambda column: column.str.strip() != "")
        n_filled = filled.sum(axis=1).to_numpy()
        where = np.flatnonzero(candidates)
        blank = where[n_filled == 0]
        if len(blank):
            findings.add("blank_rows", n=len(blank))
            keep[blank] = False
        for row in where[n_filled == 1]:
            cells = frame.iloc[row]
            said = next(c.strip() for c in cells if c.strip())
            if _NOTE.search(said) or (len(frame.columns) > 2 and not said.isdigit()):
                findings.add("note_line", before=said[:200])
                keep[row] = False
    keep &= ~_repeats_header(frame, columns, findings)
    keep &= ~_notes_in_key_columns(frame, columns, keep, findings)
    if not keep.all():
        table.frame = frame[keep].reset_index(drop=True)
        if table.geometry is not None:
            table.geometry = table.geometry[keep]


def _without_content(table: RawTable, columns: ColumnMap) -> np.ndarray:
    """Rows in which no column of place, name or address holds anything."""
    frame = table.frame
    empty = np.ones(len(frame), dtype=bool)
    if table.geometry is not None:
        empty &= shapely.is_missing(table.geometry) | shapely.is_empty(table.geometry)
    for name in _KEY_FIELDS:
        if name in columns.columns and empty.any():
            empty &= (frame[columns.columns[name]].str.strip() == "").to_numpy(dtype=bool)
    return empty


def _repeats_header(frame: pd.DataFrame, columns: ColumnMap, findings: Findings) -> np.ndarray:
    used = [c for n, c in columns.columns.items() if n in _KEY_FIELDS][:3]
    out = np.zeros(len(frame), dtype=bool)
    if len(used) < 2:
        return out
    out[:] = True
    for column in used:
        out &= (frame[column].str.strip() == column).to_numpy(dtype=bool)
    if out.any():
        findings.add("repeated_header", n=int(out.sum()))
    return out


def _notes_in_key_columns(
    frame: pd.DataFrame, columns: ColumnMap, keep: np.ndarray, findings: Findings
) -> np.ndarray:
    """Rows whose only cell says that it is a note, although it stands in the column of names."""
    out = np.zeros(len(frame), dtype=bool)
    for name in ("name", "address"):
        column = columns.columns.get(name)
        if column is None:
            continue
        marked = keep & arrowtext.contains(frame[column], _NOTE.pattern, ignore_case=True)
        for row in np.flatnonzero(marked):
            if sum(bool(c.strip()) for c in frame.iloc[row]) == 1:
                findings.add("note_line", before=frame[column].iloc[row].strip()[:200])
                out[row] = True
    return out


def check_cells(table: RawTable, columns: ColumnMap, rows: np.ndarray, findings: Findings) -> None:
    """Report lot numbers that became dates, cells like formulas, and records told twice."""
    frame = table.frame
    for name in ("address", "address_block", "address_town"):
        column = columns.columns.get(name)
        if column is None:
            continue
        cells = frame[column].str.strip()
        dates = arrowtext.contains(cells, _EXCEL_DATE)
        if dates.any():
            before = cells[dates].to_numpy(dtype=object)
            findings.add("excel_date", rows[dates], column=column, before=before)
    for name in ("name", "address", "owner", "bureau", "kind"):
        column = columns.columns.get(name)
        if column is None:
            continue
        formula = arrowtext.contains(frame[column], r"^\s*(?:[=@]|[+\-][A-Za-z(])")
        if formula.any():
            findings.add("formula_text", column=column, n=int(formula.sum()))
    if len(frame.columns) > 1:
        findings.add("duplicate_row", rows[_told_twice(table)])


def _told_twice(table: RawTable) -> np.ndarray:
    """Positions of records that repeat an earlier one in every column.

    Column by column, only records that still have a double are looked at again, so that a column
    of identifiers ends the search at once.
    """
    left = table.frame
    if table.geometry is not None:
        left = left.assign(**{"\0geometry": shapely.to_wkb(table.geometry, hex=True)})
    for column in left.columns:
        left = left[left[column].duplicated(keep=False)]
        if left.empty:
            break
    return left.index[left.duplicated(keep="first")].to_numpy(dtype=np.int64)
