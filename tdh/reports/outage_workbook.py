"""What follows if stations fail, as an Excel workbook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tdh import display, schemas
from tdh.files import atomic
from tdh.language import Language, Text
from tdh.reports.book import Book, Column

_MEANING = (
    Text(
        "A cell goes dark if a station that is predicted to serve it fails and none that stands "
        "does. Service that no known site explains is taken to stay.",
        "停止した局だけがカバーすると予測されたセルが圏外になります。既知の局では説明できない"
        "サービスは残るものとしています。",
    ),
    Text(
        "All sites of a carrier at one place are one station and fail together.",
        "同じ位置にある同一事業者の局は1局と数え、同時に停止するものとしています。",
    ),
    Text("Sources: ", "出典: "),
)


def write_outage(
    run: Any,
    sheets: Sequence[tuple[Text, str, pd.DataFrame]],
    path: str | os.PathLike[str],
    language: Language = "ja",
    notes: Sequence[Text] = (),
) -> None:
    """Write tables of an outage as sheets.

    Parameters
    ----------
    run : Run
        Gives what must be said beside the figures.
    sheets : sequence of (Text, str, DataFrame)
        Name of the sheet, name of the table in ``columns.csv`` for its headings, and the table.
    path : path
        The ``.xlsx`` file.
    language : {"ja", "en"}
    notes : sequence of Text
        What else to know of the figures.
    """
    with atomic(path) as draft:
        book = Book(str(draft), language)
        for name, table_name, table in sheets:
            columns = [
                Column(
                    Text(*(schemas.label(table_name, str(c), code) for code in ("en", "ja"))),
                    table[c].tolist(),
                    _width(table[c]),
                    _kind(str(c), table[c]),
                )
                for c in table.columns
            ]
            book.table(name, columns)
        sheet = book.book.add_worksheet(book.say(Text("Read me", "説明")))
        sheet.set_column(0, 0, 120)
        book.text(sheet, 0, 0, run.name, "title")
        lines = [("warn", f"※ {book.say(notice)}") for notice in run.notices]
        lines += [("warn", f"※ {book.say(note)}") for note in notes]
        lines += [("plain", book.say(line)) for line in _MEANING]
        lines += [("plain", line) for line in run.attributions]
        for row, (form, line) in enumerate(lines, 1):
            book.text(sheet, row, 0, line, form)
        book.book.set_properties({"title": run.name, "comments": f"tdh {display.made_on(run)}"})
        book.book.close()


def _kind(name: str, values: pd.Series) -> str:
    if name.startswith("share_"):
        return "share"
    if pd.api.types.is_integer_dtype(values):
        return "int"
    return "number" if pd.api.types.is_numeric_dtype(values) else "text"


def _width(values: pd.Series) -> float:
    if pd.api.types.is_numeric_dtype(values):
        return 13
    return float(min(40, 6 + values.astype(str).str.len().max())) if len(values) else 13
