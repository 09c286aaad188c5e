"""The request form: an Excel workbook to fill in by hand, with drop-downs, and its reader."""

from __future__ import annotations

import io
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import openpyxl
import xlsxwriter

from tdh.errors import ExchangeError, Problem
from tdh.exchange.text import kind_label
from tdh.language import Text, plain

GUIDE, REQUESTS, RINGS, HIDDEN = "記入方法", "要望", "探索範囲", "tdh"
_FIRST_ROW = 2
"""Row (from 0) of the first record, under the two rows of headings."""
_RINGS_ROWS = 50
_MAX_ROWS = 110_000
_YES = "○"
_FACTS = ("asset_id", "name", "kind", "address", "placement", "mounting_height_m", "people_gained")
_FACT_LABELS = (
    ("アセットID", "Asset"), ("名称", "Name"), ("種別", "Kind"), ("所在地", "Address"),
    ("設置形態", "Placement"), ("設置可能高 (m)", "Mounting height (m)"),
    ("増分充足人口(参考)", "People gained (for reference)"),
)  # fmt: skip
_INPUTS = {
    "rank": ("希望順位", "Rank"),
    "antennas": ("空中線数", "Antennas"),
    "weight_kg": ("重量 (kg)", "Weight (kg)"),
    "wanted_year": ("希望年度", "Wanted year"),
    "places": ("共用数", "Places"),
    "tenants": ("共用事業者(読点区切り)", "Tenants (comma separated)"),
    "conditions": ("条件", "Conditions"),
}
_RING_INPUTS = {
    "name": ("名称", "Name"),
    "latitude": ("緯度", "Latitude"),
    "longitude": ("経度", "Longitude"),
    "radius_m": ("半径 (m)", "Radius (m)"),
    "height_min_m": ("最低高 (m)", "Least height (m)"),
    "height_max_m": ("最高高 (m)", "Greatest height (m)"),
    "bands": ("バンド(読点区切り)", "Bands (comma separated)"),
    "objective": ("目的", "Objective"),
}
_COUNTS = {
    "places": "要望ごとの申告 / as each request states",
    "awards": "1割当で1 / one an award",
    "tenants": "利用事業者ごとに1 / one for each carrier served",
}
_NUMBERS = {"rank", "antennas", "weight_kg", "wanted_year", "places", "latitude", "longitude",
            "radius_m", "height_min_m", "height_max_m"}  # fmt: skip
_WHOLE = {"rank", "antennas", "wanted_year", "places"}
_LISTS = {"tenants", "bands"}


def write(offers: gpd.GeoDataFrame, head: Mapping[str, Any]) -> bytes:
    """The form for one package; the same bytes for the same package.

    Text goes into cells as text: a name that looks like a formula stays a name.
    """
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(buffer, options)
    book.set_properties({"created": datetime(2000, 1, 1), "title": str(head["round"]["id"])})
    formats = {
        "title": book.add_format({"bold": True, "font_size": 14}),
        "head": book.add_format({"bold": True, "bg_color": "#DCE6F1", "text_wrap": True, "border": 1}),
        "input": book.add_format({"bg_color": "#FFF9DB", "border": 1}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
    }  # fmt: skip
    _guide(book, head, formats)
    _requests(book, offers, head, formats)
    _rings(book, formats)
    hidden = book.add_worksheet(HIDDEN)
    facts = {
        "schema": "tdh-answer/1",
        "round": head["round"]["id"],
        "carrier": head["carrier"]["id"],
        "offer_sha256": head["offer_sha256"],
    }
    for row, (key, value) in enumerate(facts.items()):
        hidden.write_string(row, 0, key)
        hidden.write_string(row, 1, value)
    hidden.hide()
    book.close()
    return buffer.getvalue()


def _guide(book: Any, head: Mapping[str, Any], formats: Mapping[str, Any]) -> None:
    sheet = book.add_worksheet(GUIDE)
    sheet.set_column(0, 0, 110)
    round_ = head["round"]
    sheet.write_string(0, 0, f"{round_['id']} — {head['carrier']['name']}", formats["title"])
    lines = [
        f"シート「{REQUESTS}」の黄色の欄に記入してください。希望順位を入れた行だけが要望になります"
        "(1が最優先、同じ順位は使えません)。",
        "Fill in the yellow cells of the sheet 要望. Rows with a rank are requests (1 is wanted most; "
        "no rank twice).",
        f"シート「{RINGS}」には、提示以外で探している場所を書けます。 / In 探索範囲 you may say where "
        "else you look for sites.",
        f"受付期間 / Open: {round_['opens'] or '―'} – {round_['closes'] or '―'}",
        f"決定方式 / Rule: {round_['rule']} (seed {round_['seed']})",
        f"共用数 / Places: {round_['sharing_capacity'] or 2} ({_COUNTS[round_['capacity_counts']]})",
        f"送付先 / Send to: {round_['contact'] or '―'}",
        *head["notices"]["ja"],
        *head["notices"]["en"],
    ]
    for row, line in enumerate(lines, start=2):
        sheet.write_string(row, 0, plain(line), formats["wrap"])


def _heading(sheet: Any, column: int, label: tuple[str, str], style: Any) -> None:
    sheet.write_string(0, column, label[0], style)
    sheet.write_string(1, column, label[1], style)


def _requests(
    book: Any, offers: gpd.GeoDataFrame, head: Mapping[str, Any], formats: Mapping[str, Any]
) -> None:
    sheet = book.add_worksheet(REQUESTS)
    bands = [(f"バンド {band}", f"Band {band}") for band in head["carrier"]["bands"]]
    labels = [*_FACT_LABELS, _INPUTS["rank"], *bands, *list(_INPUTS.values())[1:]]
    for column, label in enumerate(labels):
        _heading(sheet, column, label, formats["head"])
        sheet.set_column(column, column, 24 if column in (1, 3, len(labels) - 1) else 13)
    frame = offers.drop(columns=offers.geometry.name).reset_index()[list(_FACTS)]
    frame["kind"] = frame["kind"].map(kind_label)
    for line, row in enumerate(frame.itertuples(index=False), start=_FIRST_ROW):
        for column, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(line, column, plain(value))
            elif isinstance(value, float) and value == value:
                sheet.write_number(line, column, round(value, 1))
        for column in range(len(_FACTS), len(labels)):
            sheet.write_blank(line, column, None, formats["input"])
    last = _FIRST_ROW + max(len(frame), 1) - 1
    at = {label: column for column, label in enumerate(labels)}
    rules: dict[tuple[str, str], dict[str, Any]] = {
        _INPUTS["rank"]: _whole(1, 1_000_000),
        _INPUTS["antennas"]: {"validate": "list", "source": list(range(1, 13))},
        _INPUTS["weight_kg"]: {"validate": "decimal", "criteria": "between", "minimum": 0,
                               "maximum": 10_000},
        _INPUTS["wanted_year"]: {"validate": "list", "source": _years(head)},
        _INPUTS["places"]: {"validate": "list", "source": list(range(1, 6))},
        **{label: {"validate": "list", "source": [_YES]} for label in bands},
    }  # fmt: skip
    for label, rule in rules.items():
        sheet.data_validation(_FIRST_ROW, at[label], last, at[label], rule)
    sheet.freeze_panes(_FIRST_ROW, 2)


def _years(head: Mapping[str, Any]) -> list[int]:
    """Ten fiscal years from the round's; from 2026 where it has no date."""
    date = head["round"]["opens"] or head["round"]["issued"] or "2026-04-01"
    first = int(date[:4])
    return list(range(first, first + 10))


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"validate": "integer", "criteria": "between", "minimum": low, "maximum": high}


def _rings(book: Any, formats: Mapping[str, Any]) -> None:
    sheet = book.add_worksheet(RINGS)
    for column, label in enumerate(_RING_INPUTS.values()):
        _heading(sheet, column, label, formats["head"])
        sheet.set_column(column, column, 18)
        for line in range(_FIRST_ROW, _FIRST_ROW + _RINGS_ROWS):
            sheet.write_blank(line, column, None, formats["input"])
    sheet.freeze_panes(_FIRST_ROW, 1)


# --- reading -------------------------------------------------------------------------------------


def read(raw: bytes, where: str) -> dict[str, Any]:
    """The content of a form that was filled in, as an answer's loose content.

    The zip's sizes and paths must have been checked before.

    Raises
    ------
    ExchangeError
        If it is no such form, or cells hold what they cannot: each with its address.
    """
    problems: list[Problem] = []
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # openpyxl warns of Excel's extensions that it does not read
        try:
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            try:
                facts = {
                    str(row[0]): row[1]
                    for row in book[HIDDEN].iter_rows(max_row=10, max_col=2, values_only=True)
                    if len(row) == 2 and row[0] is not None
                }
                requests = _read_requests(book[REQUESTS], where, problems)
                rings = (
                    _read_rings(book[RINGS], where, problems) if RINGS in book.sheetnames else []
                )
            finally:
                book.close()
        except (
            KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, EOFError,
            RuntimeError, OverflowError, zipfile.BadZipFile, zlib.error, ElementTree.ParseError,
        ) as error:  # fmt: skip
            raise ExchangeError(
                Problem(
                    Text("it is not the request form of a package", "要望記入様式ではありません"),
                    value=str(error),
                    where=where,
                    fix=Text("use form/request.xlsx of the package",
                             "パッケージの form/request.xlsx を使ってください"),
                )
            ) from None  # fmt: skip
    if problems:
        raise ExchangeError(*problems)
    keys = ("schema", "round", "carrier", "offer_sha256")
    return {**{k: facts.get(k) for k in keys}, "requests": requests, "search_rings": rings}


def _read_requests(sheet: Any, where: str, problems: list[Problem]) -> list[dict[str, Any]]:
    rows = _rows(sheet, where, problems)
    heads = {label[0]: name for name, label in _INPUTS.items()} | {_FACT_LABELS[0][0]: "asset_id"}
    found = []
    for line, row in rows:
        entry: dict[str, Any] = {}
        bands: list[str] = []
        for (column, label), value in row.items():
            place = f"{where}, {REQUESTS}!{_address(column, line)}"
            if label.startswith("バンド "):
                if str(value).strip() not in ("", _YES, "〇", "◯", "o", "O"):
                    problems.append(_cell(place, value, _YES))
                else:
                    bands.append(label.removeprefix("バンド ").strip())
            elif label in heads:
                name = heads[label]
                entry[name] = _parsed(name, value, place, problems)
        if entry.get("rank") is None:
            if set(entry) - {"asset_id"} or bands:
                problems.append(
                    Problem(
                        Text(
                            "the row is filled in but has no rank",
                            "希望順位がない行に記入があります",
                        ),
                        value=entry.get("asset_id"),
                        where=f"{where}, {REQUESTS}!{line}",
                    )
                )
            continue
        found.append({**entry, "bands": bands})
    return found


def _read_rings(sheet: Any, where: str, problems: list[Problem]) -> list[dict[str, Any]]:
    heads = {label[0]: name for name, label in _RING_INPUTS.items()}
    found = []
    for line, row in _rows(sheet, where, problems):
        entry = {
            heads[label]: _parsed(heads[label], value, f"{where}, {RINGS}!{_address(column, line)}",
                                  problems)
            for (column, label), value in row.items()
            if label in heads
        }  # fmt: skip
        if entry:
            found.append(entry)
    return found


def _rows(
    sheet: Any, where: str, problems: list[Problem]
) -> list[tuple[int, dict[tuple[int, str], Any]]]:
    """Rows under the headings that hold anything: line number and cells by column and heading."""
    sheet.reset_dimensions()  # what a file says of its own size is not to be relied on
    lines = sheet.iter_rows(max_col=200, values_only=True)
    labels = [str(v or "").strip() for v in next(lines, ())]
    next(lines, None)
    found = []
    for line, values in enumerate(lines, start=_FIRST_ROW + 1):
        if line > _MAX_ROWS:
            problems.append(
                Problem(Text("the sheet has too many rows", "行が多すぎます"), where=where,
                        expected=f"<= {_MAX_ROWS:,}")
            )  # fmt: skip
            break
        cells = {
            (column, labels[column]): value
            for column, value in enumerate(values[: len(labels)])
            if value is not None and str(value).strip()
        }
        if cells:
            found.append((line, cells))
    return found


def _parsed(name: str, value: Any, place: str, problems: list[Problem]) -> Any:
    """A cell as the answer wants it: people write 1, "1", "１" and 1.0 for one."""
    text = unicodedata.normalize("NFKC", str(value)).strip()
    if name in _LISTS:
        parts = text.replace("、", ",").replace("・", ",").split(",")
        return [part.strip() for part in parts if part.strip()]
    if name not in _NUMBERS:
        return str(value).strip()
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        problems.append(_cell(place, value, "0–9"))
        return None
    if name in _WHOLE:
        if not number.is_integer():
            problems.append(_cell(place, value, "1, 2, 3 …"))
            return None
        return int(number)
    return number


def _cell(place: str, value: Any, expected: str) -> Problem:
    return Problem(
        Text("the cell cannot be read", "セルの値を読めません"),
        value=value,
        expected=expected,
        where=place,
    )


def _address(column: int, line: int) -> str:
    return f"{openpyxl.utils.get_column_letter(column + 1)}{line}"
