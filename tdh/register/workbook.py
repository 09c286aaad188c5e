"""Workbooks of the register: the desk's day, and how many are in which state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tdh import schemas
from tdh.language import Text, current
from tdh.register import telling
from tdh.register.transfer import check_rows, neutral, written

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

_WIDTHS = {
    "waits_for": 14, "kind": 8, "round": 14, "asset": 22, "carrier": 14, "state": 14, "since": 11,
    "days": 9, "due": 11, "overdue_days": 9, "may_follow": 34, "name": 28, "municipality": 12, "why": 40,
}  # fmt: skip
_SOON_DAYS = 7
_DAYS = frozenset({"since", "due", "ended", *telling.STEPS.values()})
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


class _Sheets:
    """A workbook with the formats of the register."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        edge = {"valign": "top", "font_size": 10}
        self.head = book.add_format(
            {"bold": True, "bg_color": "#1F4E79", "font_color": "#FFFFFF", "text_wrap": True,
             "valign": "vcenter", "border": 1}
        )  # fmt: skip
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.styles = {
            (colour, kind): book.add_format(
                {**edge, **form, **({"bg_color": colour} if colour else {})}
            )
            for colour in ("", "#F8CBAD", "#FFF2CC")
            for kind, form in (
                ("text", {"text_wrap": True}),
                ("quoted", {"text_wrap": True, "quote_prefix": True}),
                ("number", {"num_format": "#,##0"}),
                ("date", {"num_format": "yyyy-mm-dd"}),
            )
        }

    def table(self, name: str, heads: list[str], widths: list[float], top: int = 0) -> Worksheet:
        """A sheet with its headings at row ``top``, which stay in view and on every page."""
        sheet = self.book.add_worksheet(name)
        sheet.set_row(top, 32)
        for column, (text, width) in enumerate(zip(heads, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(top, column, text, self.head)
        sheet.freeze_panes(top + 1, 1)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(top)
        sheet.set_footer("&L&A&R&P / &N")
        return sheet

    def put(self, sheet: Worksheet, row: int, column: int, value: Any, colour: str = "") -> None:
        """A cell: numbers and days as such, text as text."""
        if isinstance(value, date):
            sheet.write_datetime(row, column, datetime(value.year, value.month, value.day),
                                 self.styles[colour, "date"])  # fmt: skip
        elif isinstance(value, str):
            shown = _CONTROLS.sub("", value)[:32_000]
            form = "quoted" if neutral(shown) != shown else "text"
            if shown:
                sheet.write_string(row, column, shown, self.styles[colour, form])
            else:
                sheet.write_blank(row, column, None, self.styles[colour, form])
        elif value is None or value != value:
            sheet.write_blank(row, column, None, self.styles[colour, "text"])
        else:
            sheet.write_number(row, column, float(value), self.styles[colour, "number"])


def write_waiting(waiting: pd.DataFrame, path: Path, today: date) -> None:
    """Write the desk's day (table ``waiting``) as a workbook in the language in force.

    A sheet of all, overdue rows in red and those due within a week in yellow; a sheet of who has
    how much to do. Headings stay in view, every column filters, days are real dates, and a page
    is A4 across.
    """
    import xlsxwriter

    check_rows(len(waiting))
    with written(path) as draft:
        book = xlsxwriter.Workbook(draft, {"strings_to_formulas": False, "strings_to_urls": False})
        sheets = _Sheets(book)
        columns = list(waiting.columns)
        heads = [schemas.label("waiting", c, current()) for c in columns]
        title = str(Text("Waiting", "待ち一覧"))
        sheet = sheets.table(title, heads, [_WIDTHS.get(c, 14) for c in columns])
        for line, row in enumerate(waiting.to_dict("records"), start=1):
            due = row["due"] if isinstance(row["due"], str) else None
            colour = _colour(due, today)
            for column, name in enumerate(columns):
                sheets.put(sheet, line, column, _shown(name, row), colour)
        sheet.autofilter(0, 0, max(1, len(waiting)), len(columns) - 1)
        sheet.set_header(f"&L{title}&R{today.isoformat()}")
        _totals(sheets, waiting)
        book.close()


def _colour(due: str | None, today: date) -> str:
    if due is None:
        return ""
    left = (date.fromisoformat(due) - today).days
    return "#F8CBAD" if left < 0 else "#FFF2CC" if left <= _SOON_DAYS else ""


def _shown(name: str, row: Mapping[Any, Any]) -> Any:
    if name in _DAYS:
        return date.fromisoformat(row[name]) if row[name] and isinstance(row[name], str) else None
    return telling.word(name, row)


def _totals(sheets: _Sheets, waiting: pd.DataFrame) -> None:
    heads = [
        Text("waits for", "対応者"), Text("waiting", "待ち件数"), Text("overdue", "うち期限超過"),
        Text("longest overdue (days)", "最長超過(日)"),
    ]  # fmt: skip
    name = str(Text("By whom", "対応者別"))
    sheet = sheets.table(name, [str(h) for h in heads], [20, 12, 12, 14])
    grouped = waiting.groupby("waits_for", sort=True)["overdue_days"]
    for line, (who, late) in enumerate(grouped, start=1):
        colour = "#F8CBAD" if (late > 0).any() else ""
        cells = (
            telling.word("waits_for", {"waits_for": who}),
            len(late),
            int((late > 0).sum()),
            int(late.max()),
        )
        for column, value in enumerate(cells):
            sheets.put(sheet, line, column, value, colour)


def write_tables(tables: Mapping[str, pd.DataFrame], path: Path, schema: str) -> None:
    """Write tables of the register (``cases``, ``register_counts``), a sheet each, in words."""
    import xlsxwriter

    with written(path) as draft:
        book = xlsxwriter.Workbook(draft, {"strings_to_formulas": False, "strings_to_urls": False})
        sheets = _Sheets(book)
        for name, table in tables.items():
            check_rows(len(table))
            columns = list(table.columns)
            heads = [schemas.label(schema, c, current()) for c in columns]
            sheet = sheets.table(name, heads, [_WIDTHS.get(c, 14) for c in columns])
            for line, row in enumerate(table.to_dict("records"), start=1):
                for column, key in enumerate(columns):
                    sheets.put(sheet, line, column, _shown(key, row))
            sheet.autofilter(0, 0, max(1, len(table)), len(columns) - 1)
        book.close()
