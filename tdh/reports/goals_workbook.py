"""The programme's indicators as an Excel workbook: one sheet a level, with a chart of the whole."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from xlsxwriter.worksheet import Worksheet

from tdh import display, kpi
from tdh.files import atomic
from tdh.language import Language, Text
from tdh.reports.book import Book, Column

WHOLE = Text("Whole area", "全域")
MUNICIPALITIES = Text("Municipalities", "市区町村別")
_CHART = Text("Before and with the plan", "計画前と計画後")
_BEFORE = Text("Before", "計画前")
_AFTER = Text("With the plan", "計画後")
_TARGET = Text("Target", "目標")


def write_goals(
    run: Any, table: pd.DataFrame, path: str | os.PathLike[str], language: Language = "ja"
) -> None:
    """Write the table ``kpis`` of a run as an Excel workbook.

    Parameters
    ----------
    run : Run
        Gives the names of carriers and municipalities, and what must be said beside the figures.
    table : DataFrame
        Table ``kpis``.
    path : path
        The ``.xlsx`` file.
    language : {"ja", "en"}
        Language of headings and notes.

    Notes
    -----
    Names are written as text cells, never as formulas or links.
    """
    whole = table[table["level"] == "metropolis"].reset_index(drop=True)
    local = table[table["level"] == "municipality"].reset_index(drop=True)
    with atomic(path) as draft:
        book = Book(str(draft), language)
        sheet = _sheet(book, run, whole, WHOLE, language)
        _chart(book, sheet, whole)
        if len(local):
            _sheet(book, run, local, MUNICIPALITIES, language)
        _about(book, run, language)
        book.book.set_properties({"title": run.name, "comments": f"tdh {display.made_on(run)}"})
        book.book.close()


def carrier_names(run: Any, carriers: pd.Series, language: Language) -> list[str]:
    """Carriers of the table ``kpis`` in words.

    Parameters
    ----------
    run : Run
    carriers : Series of str
        Ids, empty for any of them, ``at_least_k``.
    """
    names = {c.id: c.name for c in run.carriers}
    names[""] = Text("any carrier", "いずれかの事業者").render(language)
    for who in carriers.unique():
        if who not in names and who.startswith("at_least_"):
            n = int(who.removeprefix("at_least_"))
            names[who] = Text("{n} carriers or more", "{n}社以上", n=n).render(language)
    return [names.get(who, who) for who in carriers]


def _sheet(book: Book, run: Any, table: pd.DataFrame, name: Text, language: Language) -> Worksheet:
    areas = run.municipalities["municipality"].to_dict()
    codes = table["municipality_code"]
    local = [
        Column(Text("Municipality code", "市区町村コード"), codes.tolist(), 10),
        Column(Text("Municipality", "市区町村"), [areas.get(c, c) for c in codes], 12),
    ]
    figures: list[tuple[Text, str]] = [
        (_BEFORE, "before"),
        (_AFTER, "after"),
        (_TARGET, "target"),
        (Text("Missing to the target", "目標との差"), "missing"),
    ]
    columns = [
        *(local if name is MUNICIPALITIES else []),
        Column(
            Text("Indicator", "指標"), [kpi.label(k).render(language) for k in table["kpi"]], 36
        ),
        Column(Text("Carrier", "事業者"), carrier_names(run, table["carrier"], language), 18),
        *(Column(heading, table[column].tolist(), 11, "share") for heading, column in figures),
        Column(Text("Target's year", "目標年度"), table["target_year"].tolist(), 9),
        Column(
            Text("Covered before", "カバー数 計画前"), table["covered_before"].tolist(), 13, "int"
        ),
        Column(
            Text("Covered with the plan", "カバー数 計画後"),
            table["covered_after"].tolist(),
            13,
            "int",
        ),
        Column(Text("Total", "総数"), table["total"].tolist(), 13, "int"),
        Column(
            Text("Unit of the total", "総数の単位"),
            [_UNITS[unit].render(language) for unit in table["total_unit"]],
            10,
        ),
        Column(Text("Note", "注記"), table[f"note_{language}"].tolist(), 60),
    ]
    sheet = book.table(name, columns, frozen=4 if name is MUNICIPALITIES else 2)
    headings = [column.heading for column in columns]
    first, year = headings.index(_BEFORE), headings.index(Text("Target's year", "目標年度"))
    for row, (_, record) in enumerate(table.iterrows(), 1):
        if not pd.isna(record["target_year"]):
            sheet.write_number(row, year, int(record["target_year"]), book.formats["text"])
        form = book.formats["number"]
        for offset, (_, column) in enumerate(figures):
            if record["unit"] == "ha" and not pd.isna(record[column]):
                sheet.write_number(row, first + offset, float(record[column]), form)
        if record["total_unit"] in ("ha", "km"):
            for offset, column in enumerate(("covered_before", "covered_after", "total")):
                if not pd.isna(record[column]):
                    sheet.write_number(row, year + 1 + offset, float(record[column]), form)
    return sheet


_UNITS = {
    "people": Text("people", "人"),
    "meshes": Text("meshes", "メッシュ"),
    "places": Text("places", "施設"),
    "ha": Text("ha", "ha"),
    "km": Text("km", "km"),
}


def _chart(book: Book, sheet: Worksheet, table: pd.DataFrame) -> None:
    """Columns of the shares: before, with the plan, and the target; below the table."""
    shown = table[(table["unit"] == "") & table["before"].notna()]
    shown = shown[~shown["kpi"].str.startswith("places_")]
    if shown.empty:
        return
    name = book.say(WHOLE)
    chart = book.book.add_chart({"type": "column"})
    # One range for each indicator stands together in the table: population comes first.
    own = shown[shown["kpi"] == shown["kpi"].iloc[0]]
    first, last = int(own.index.min()) + 1, int(own.index.max()) + 1
    for heading, column in ((_BEFORE, 2), (_AFTER, 3), (_TARGET, 4)):
        chart.add_series(
            {
                "name": book.say(heading),
                "categories": [name, first, 1, last, 1],
                "values": [name, first, column, last, column],
            }
        )
    title = kpi.label(str(own["kpi"].iloc[0]))
    chart.set_title({"name": f"{book.say(title)}: {book.say(_CHART)}", "name_font": {"size": 11}})
    chart.set_y_axis({"num_format": "0%", "min": 0, "max": 1})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 720, "height": 320})
    sheet.insert_chart(len(table) + 2, 0, chart)


def _about(book: Book, run: Any, language: Language) -> None:
    sheet = book.book.add_worksheet(book.say(Text("Read me", "説明")))
    sheet.set_column(0, 0, 120)
    book.text(sheet, 0, 0, run.name, "title")
    row = 1
    for notice in run.notices:
        book.text(sheet, row, 0, f"※ {book.say(notice)}", "warn")
        row += 1
    for line in (
        Text(
            "Shares are of what there is to cover in the area of the plan; a mesh's area is that of "
            "its cells inside the plan.",
            "割合は計画区域内の総数に対するもの。メッシュの面積は計画区域内のセルの面積です。",
        ),
        Text(
            "A target is that of the first fiscal year, from the chosen one on, for which there is "
            "one; municipalities are held against the targets of the whole.",
            "目標は、指定年度以降で最初に定められたもの。市区町村にも全域の目標を当てています。",
        ),
        Text("Sources: ", "出典: "),
    ):
        book.text(sheet, row, 0, book.say(line), "plain")
        row += 1
    for line in run.attributions:
        book.text(sheet, row, 0, line, "plain")
        row += 1
