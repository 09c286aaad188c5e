"""Tables on stdout: aligned for people, JSON for programs, CSV for spreadsheets."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import click
import pandas as pd

from tdh import schemas
from tdh.cli import options
from tdh.language import current, printable

_WIDEST = 40


def show(table: pd.DataFrame, name: str, as_json: bool, rows: int | None = None) -> None:
    """Print a table; ``name`` is its name in ``columns.csv``, for the headings."""
    shown = table if rows is None else table.head(rows)
    if as_json:
        options.print_json(records(shown))
        return
    heads = [_head(name, str(column)) for column in shown.columns]
    last = len(heads) - 1  # may be as long as it is: nothing stands behind it
    columns = [
        [head, *(_cell(value, _WIDEST if i < last else None) for value in shown[c])]
        for i, (head, c) in enumerate(zip(heads, shown.columns, strict=True))
    ]
    right = [pd.api.types.is_numeric_dtype(shown[c]) for c in shown.columns]
    widths = [max(map(_width, column)) for column in columns]
    for i in range(len(shown) + 1):
        cells = [
            _padded(column[i], width, at_right)
            for column, width, at_right in zip(columns, widths, right, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON; what is missing is null."""
    rows: list[dict[str, Any]] = json.loads(
        table.to_json(orient="records", force_ascii=False, double_precision=15)
    )
    return rows


def _head(table: str, column: str) -> str:
    """The heading of a column; of one that was joined from the assets, theirs."""
    if current() == "en":
        return column.removesuffix("_en")
    head = schemas.label(table, column, "ja")
    return schemas.label("assets", column, "ja") if head == column else head


def _cell(value: Any, widest: int | None) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:,.1f}"
    if value is None or value is pd.NA:
        return ""
    text = printable(" ".join(str(value).split()))
    return text if widest is None or len(text) <= widest else text[: widest - 1] + "…"


def _width(text: str) -> int:
    """Columns that a text takes on a terminal: full-width characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int, at_right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if at_right else text + space
