"""An Excel workbook whose sheets share their look: frozen headers, filters, widths, formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from tdh.language import Language, Text

MAX_TEXT = 32_000
_RISKY = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Parameters
    ----------
    heading : Text
        With the unit in brackets.
    values : sequence
        One a row.
    width : float
        In characters.
    kind : str
        ``text``, ``int``, ``number`` (one decimal), ``share``, ``degrees`` or ``link``.
    scale : str or None
        ``good`` or ``bad``: a colour scale on which much is good or bad.
    """

    heading: Text
    values: Sequence[Any]
    width: float = 12
    kind: str = "text"
    scale: str | None = None


class Book:
    """A workbook with the formats that all sheets share."""

    def __init__(self, path: str, language: Language) -> None:
        # No text is ever read as a formula or an address: only what is written as such is one.
        self.book = xlsxwriter.Workbook(
            path,
            {
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "nan_inf_to_errors": False,
            },
        )
        self.language: Language = language
        font = {"font_name": "Yu Gothic" if language == "ja" else "Calibri", "font_size": 10}
        self.book.formats[0].set_font_name(font["font_name"])
        self.book.formats[0].set_font_size(10)
        base = {**font, "valign": "top"}
        edge = {**base, "bottom": 4, "bottom_color": "#B8C4CE"}
        self.formats: dict[str, Format] = {
            "head": self.book.add_format(
                {
                    **base,
                    "bold": True,
                    "bg_color": "#12283C",
                    "font_color": "#FFFFFF",
                    "text_wrap": True,
                    "valign": "vcenter",
                    "border": 1,
                    "border_color": "#456480",
                }
            ),
            "title": self.book.add_format({**base, "bold": True, "font_size": 16}),
            "h2": self.book.add_format(
                {**base, "bold": True, "font_size": 12, "font_color": "#0B5CAD", "bottom": 1}
            ),
            "warn": self.book.add_format(
                {**base, "bold": True, "bg_color": "#FFD166", "text_wrap": True}
            ),
            "plain": self.book.add_format({**base, "text_wrap": True}),
            "text": self.book.add_format(edge),
            "quoted": self.book.add_format({**edge, "quote_prefix": True}),
            "int": self.book.add_format({**edge, "num_format": "#,##0"}),
            "number": self.book.add_format({**edge, "num_format": "#,##0.0"}),
            "share": self.book.add_format({**edge, "num_format": "0.0%"}),
            "degrees": self.book.add_format({**edge, "num_format": "0.000000"}),
            "link": self.book.add_format({**edge, "font_color": "#0B5CAD", "underline": 1}),
        }

    def say(self, text: Text) -> str:
        return text.render(self.language)

    def text(self, sheet: Worksheet, row: int, col: int, value: object, form: str = "text") -> None:
        """Write text as text, marked as such where a spreadsheet could take it for a formula."""
        shown = "" if value is None or value != value else str(value)[:MAX_TEXT]
        risky = shown.startswith(_RISKY) and form == "text"
        sheet.write_string(row, col, shown, self.formats["quoted" if risky else form])

    def table(self, name: Text, columns: list[Column], frozen: int = 1) -> Worksheet:
        """A sheet with a frozen header, a filter, widths and formats."""
        sheet = self.book.add_worksheet(self.say(name))
        sheet.set_row(0, 44)
        rows = len(columns[0].values)
        for col, column in enumerate(columns):
            sheet.set_column(col, col, column.width)
            self.text(sheet, 0, col, self.say(column.heading), "head")
            self._column(sheet, col, column)
            if column.scale and rows:
                low, high = (
                    ("#FFFFFF", "#8CB9E0") if column.scale == "good" else ("#FFFFFF", "#F0A080")
                )
                sheet.conditional_format(
                    1,
                    col,
                    rows,
                    col,
                    {"type": "2_color_scale", "min_color": low, "max_color": high},
                )
        sheet.freeze_panes(1, frozen)
        sheet.autofilter(0, 0, max(rows, 1), len(columns) - 1)
        sheet.set_landscape()
        sheet.set_paper(8)  # A3
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer("&L&A&R&P / &N")
        return sheet

    def _column(self, sheet: Worksheet, col: int, column: Column) -> None:
        form = self.formats[column.kind]
        for row, value in enumerate(column.values, 1):
            if column.kind == "text":
                self.text(sheet, row, col, value)
            elif column.kind == "link":
                url, shown = value
                sheet.write_url(row, col, url, form, shown)
            elif value is None or value != value:
                sheet.write_blank(row, col, None, form)
            else:
                sheet.write_number(row, col, float(value), form)
