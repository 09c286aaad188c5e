"""Text registers: encodings, delimiters, header rows, and cells that are not where they should be.

Nothing is read past the bounds below, so that a hostile file costs a message, not the machine.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tdh.errors import Problem, RegisterError
from tdh.inventory import headers
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_BYTES = 512 << 20
MAX_LINE_BYTES = 4 << 20
MAX_COLUMNS = 2000
_SAMPLE_BYTES = 1 << 20
_SAMPLE_ROWS = 60
_DELIMITERS = ",\t;|"
_CANDIDATES = ("utf-8", "cp932", "euc_jp")
_RARE = re.compile("[\uff61-\uff9f\ue000-\uf8ff\x80-\x9f]")
_COMMON = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uff01-\uff5e\u3000-\u3002]")


def detect_encoding(data: bytes) -> str:
    """The encoding of a text, by its byte order mark or by which decoding reads like Japanese.

    >>> detect_encoding("名称,緯度".encode("cp932")), detect_encoding("名称".encode("euc_jp"))
    ('cp932', 'euc_jp')
    >>> detect_encoding(b"\\xef\\xbb\\xbfname"), detect_encoding(b"name")
    ('utf-8-sig', 'utf-8')
    """
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return name
    sample = data[:_SAMPLE_BYTES]
    pairs = np.frombuffer(sample[: len(sample) // 2 * 2], dtype=np.uint8).reshape(-1, 2)
    if len(pairs) > 1:
        high, low = float((pairs[:, 0] == 0).mean()), float((pairs[:, 1] == 0).mean())
        # Half of a Latin or numeric UTF-16 text is NUL, always on the same side.
        if low > 0.2 and high < 0.02:
            return "utf-16-le"
        if high > 0.2 and low < 0.02:
            return "utf-16-be"
    if b"\x1b$" in sample:
        return "iso2022_jp"
    if _decodes(data, "utf-8"):
        return "utf-8"
    return max(_CANDIDATES, key=lambda name: _likeness(sample, name))


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _likeness(sample: bytes, encoding: str) -> float:
    shown = sample.decode(encoding, errors="replace")
    wrong = shown.count("\ufffd")
    return len(_COMMON.findall(shown)) - 2 * len(_RARE.findall(shown)) - 10 * wrong


def decode(data: bytes, encoding: str | None = None) -> tuple[str, str, int]:
    """A text, its encoding, and how many characters could not be decoded."""
    encoding = encoding or detect_encoding(data)
    try:
        return data.decode(encoding), encoding, 0
    except UnicodeDecodeError:
        shown = data.decode(encoding, errors="replace")
        return shown, encoding, shown.count("\ufffd")


def _utf8(data: bytes, table: RawTable) -> bytes:
    """The text as UTF-8 without byte order mark and NUL; what was wrong is noted."""
    encoding = detect_encoding(data)
    table.encoding = encoding
    if encoding == "utf-8-sig":
        data = data[3:]
    elif encoding != "utf-8":
        shown, _, wrong = decode(data, encoding)
        data = shown.removeprefix("\ufeff").encode("utf-8", errors="replace")
        if wrong:
            table.note("undecodable", n=wrong, encoding=encoding)
    if encoding.startswith("utf-8") and not _decodes(data, "utf-8"):
        shown = data.decode("utf-8", errors="replace")
        table.note("undecodable", n=shown.count("\ufffd"), encoding="utf-8")
        data = shown.encode("utf-8")
    if b"\x00" in data:
        table.note("nul_bytes", n=data.count(b"\x00"))
        data = data.replace(b"\x00", b"")
    return data


def _refuse_long_lines(data: bytes, where: str) -> None:
    # A line of twice the bound or more covers a whole block, in which no line ends.
    for at in range(0, len(data) - MAX_LINE_BYTES, MAX_LINE_BYTES):
        end = at + MAX_LINE_BYTES
        if data.find(b"\n", at, end) >= 0 or data.find(b"\r", at, end) >= 0:
            continue
        raise RegisterError(
            Problem(
                Text("a line is too long for a table", "表としては長すぎる行があります"),
                expected=f"<= {MAX_LINE_BYTES:,} bytes",
                where=where,
                fix=Text(
                    "check that this is a table with one record a line",
                    "1行が1件の表であることを確認してください",
                ),
            )
        )


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    n_columns: int
    rows: list[list[str]]


def _parse_sample(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) >= _SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # what was parsed up to here is enough to judge the delimiter
    return rows


def _layout(data: bytes, where: str) -> _Layout:
    sample = data[:_SAMPLE_BYTES].decode("utf-8", errors="ignore")
    best: tuple[tuple[float, float], _Layout] | None = None
    for delimiter in _DELIMITERS:
        rows = _parse_sample(sample, delimiter)
        if not rows:
            continue
        widths = np.array([len(row) for row in rows])
        known = max(headers.recognised(row) for row in rows)
        score = (float(known), float(np.median(widths[widths > 0])) if widths.any() else 0.0)
        layout = _Layout(delimiter, int(widths.max()), rows)
        if best is None or score > best[0]:
            best = (score, layout)
    if best is None:
        raise RegisterError(
            Problem(
                Text("the file holds no table", "表がありません"),
                where=where,
                fix=Text("check the file", "ファイルを確認してください"),
            )
        )
    layout = best[1]
    if layout.n_columns > MAX_COLUMNS:
        raise RegisterError(
            Problem(
                Text("the table has too many columns", "列が多すぎます"),
                value=f"{layout.n_columns:,}",
                expected=f"<= {MAX_COLUMNS:,}",
                where=where,
            )
        )
    return layout


def _parse(data: bytes, layout: _Layout, table: RawTable) -> pd.DataFrame:
    options = {
        "sep": layout.delimiter,
        "header": None,
        "names": list(range(layout.n_columns)),
        "dtype": "str",
        "na_filter": False,
        "skip_blank_lines": False,
        "index_col": False,
        "encoding": "utf-8",
    }
    try:
        frame = pd.read_csv(io.BytesIO(data), engine="c", **options)
        for column in frame.columns[frame.isna().any()]:
            frame[column] = frame[column].fillna("").astype("str")
        return frame
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        # Ragged rows and open quotes: the slow reader takes whatever comes.
        return _parse_slowly(data, layout, table)


def _parse_slowly(data: bytes, layout: _Layout, table: RawTable) -> pd.DataFrame:
    text = data.decode("utf-8")
    rows: list[list[str]] | None = None
    try:
        rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
        )
    except csv.Error:
        table.note("bad_quotes")
    if rows is None:
        # A quotation mark is open somewhere: then quotation marks mean nothing in this file.
        rows = [
            [cell.strip('"') for cell in line.split(layout.delimiter)]
            for line in re.split(r"\r\n|\n|\r", text)
        ]
    n_columns = max((len(row) for row in rows), default=0)
    n_columns = min(n_columns, MAX_COLUMNS)
    usual = layout.n_columns
    ragged = sum(len(row) > usual for row in rows)
    if ragged:
        table.note("ragged", n=ragged)
    padded = [row[:n_columns] + [""] * (n_columns - len(row)) for row in rows]
    return pd.DataFrame(padded, dtype="str")


def read(data: bytes, where: str) -> RawTable:
    """A table of text (CSV, TSV, with ``;`` or ``|``) in any of the usual encodings.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.

    Raises
    ------
    RegisterError
        If it is too large, holds no table, or is not a table at all.
    """
    table = RawTable(pd.DataFrame(), "csv")
    data = _utf8(data, table)
    _refuse_long_lines(data, where)
    layout = _layout(data, where)
    table.format = "tsv" if layout.delimiter == "\t" else "csv"
    headers.set_header(table, _parse(data, layout, table))
    return table
