"""People by day from residents and a ratio per municipality (昼夜間人口比率).

The census publishes, per municipality, how many people are there by day for 100 who live there:
residents, less those who leave for work or school, plus those who come. It is the one source of
people by day that every planner has. Tables of it come in many shapes: CSV (CP932, UTF-8) or a
workbook, title lines above headings of several rows, codes such as ``13101_千代田区``, full-width
digits, notes at the end, or one figure a row as the database of e-Stat writes them.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tdh.errors import InputError, Problem
from tdh.inventory import textfiles
from tdh.language import Text

_RATIO = ("昼夜間人口比", "昼夜間比率", "day_night_ratio", "day/nightpopulationratio", "a6108")
_NIGHT = ("夜間人口", "常住地による人口", "常住人口", "population_night")
_DAY = ("昼間人口", "従業地・通学地による人口", "population_day")
_PART_OF_ALL = re.compile("男|女|male|歳|15~|15～")
_VALUE = ("value", "値", "数値")
_WHEN = ("time", "時間軸", "調査年", "年次", "年度")
_CODE_HEADING = re.compile("コード|code|地域|団体|市区町村|municipality")
_CODE = re.compile(r"(\d{4,6})(?:\.0)?(?:[_ :].*)?")
_HIDDEN = ("", "-", "…", "*", "***", "x", "−", "―", "‐", "...")
_LEAST, _MOST = 20.0, 100_000.0
"""Percent. The lowest of any municipality is near 68; a share (0.98) lies far below the bound."""


def read_ratios(path: str | os.PathLike[str], column: str | None = None) -> pd.Series:
    """Read how many people there are by day for each resident.

    Parameters
    ----------
    path : path
        CSV or a workbook with a column of municipality codes (5 digits, or 6 with the check digit;
        a name may follow as in ``13101_千代田区``), and either the ratio in percent, or people by
        day and by night; or one figure a row with the names of items in a column.
    column : str, optional
        Words of the heading of the ratio, where several columns hold one.

    Returns
    -------
    Series of float64
        People by day per resident (14.606 for a ratio of 1460.6), by municipality code of five
        digits. Municipalities whose ratio is not published are left out.

    Raises
    ------
    InputError
        If the file cannot be read, has no such columns or several, or ratios that are no percents.

    Notes
    -----
    総務省統計局 国勢調査 従業地・通学地による人口・就業状態等集計: 昼夜間人口比率 = 昼間人口 /
    夜間人口(常住人口) × 100.
    """
    where = Path(path).name
    grids = _grids(Path(path), where)
    found, seen = [], []
    for grid in grids:
        table = _table(grid)
        if table is None:
            continue
        seen += [heading for heading in table.columns if heading]
        ratios = _ratios(table, column, where)
        if ratios is not None:
            found.append(ratios)
    if not found:
        raise InputError(
            Problem(
                Text(
                    "no table holds day/night ratios of municipalities",
                    "市区町村ごとの昼夜間人口比率の表がありません",
                ),
                value=column,
                expected=Text(
                    "a column of codes (地域コード) and one of 昼夜間人口比率, "
                    "or of 昼間人口 and 夜間人口",
                    "市区町村コード(地域コード)の列と、昼夜間人口比率の列"
                    "(または昼間人口と夜間人口の列)",
                ),
                where=where,
                fix=Text("found: {found}", "現在の列: {found}", found=", ".join(seen[:20])),
            )
        )
    ratios = pd.concat(found)
    _check(ratios, where)
    return ratios.groupby(level=0).first() / 100.0


def by_day(
    ratios: pd.Series, cells: pd.DataFrame, weight: np.ndarray | None, where: str
) -> np.ndarray:
    """People by day per cell.

    Each municipality's residents in the plan, times its ratio, stand by day in proportion to
    ``weight`` (the volume of buildings: offices and schools as well as homes), and where there is
    none in a municipality, in proportion to its residents.

    Parameters
    ----------
    ratios : Series
        :func:`read_ratios`.
    cells : DataFrame
        Table ``cells``: ``population`` and ``municipality_code``.
    weight : ndarray of float, shape (n_cells,), or None
    where : str
        The file, in a message.

    Returns
    -------
    ndarray of float64, shape (n_cells,)
        Sums by municipality are residents times ratio.

    Raises
    ------
    InputError
        If a municipality with residents has no ratio.
    """
    codes, of = np.unique(cells["municipality_code"].to_numpy(str), return_inverse=True)
    residents = cells["population"].to_numpy(float)
    n = codes.size
    living = np.bincount(of, residents, minlength=n)
    ratio = ratios.reindex(codes).to_numpy(float)
    absent = np.isnan(ratio) & (living > 0)
    if absent.any():
        raise InputError(
            Problem(
                Text(
                    "{n} municipalities of the plan have no day/night ratio",
                    "計画区域の{n}市区町村に昼夜間人口比率がありません",
                    n=int(absent.sum()),
                ),
                value=", ".join(codes[absent][:20]),
                where=where,
            )
        )
    present = living * np.nan_to_num(ratio)
    volume = np.zeros(residents.size) if weight is None else np.asarray(weight, dtype=float)
    known = np.bincount(of, volume, minlength=n) > 0
    share = np.where(known[of], volume, residents)
    whole = np.bincount(of, share, minlength=n)
    per_unit = np.divide(present, whole, out=np.zeros(n), where=whole > 0)
    people: np.ndarray = share * per_unit[of]
    return people


def _grids(path: Path, where: str) -> list[list[list[str]]]:
    """The file's sheets as rows of plain text."""
    try:
        content = path.read_bytes()
        if zipfile.is_zipfile(io.BytesIO(content)):
            sheets = pd.read_excel(io.BytesIO(content), sheet_name=None, header=None, dtype=str)
            grids = [sheet.fillna("").to_numpy(dtype=object).tolist() for sheet in sheets.values()]
            return [[[_plain(cell) for cell in row] for row in grid] for grid in grids]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            Problem(Text("it cannot be read", "読めません"), value=str(error), where=where)
        ) from error
    text, _, wrong = textfiles.decode(content)
    if wrong:
        raise InputError(
            Problem(
                Text("the encoding is not known", "文字コードが分かりません"),
                expected="UTF-8, CP932",
                where=where,
            )
        )
    separator = "\t" if text.count("\t") > text.count(",") else ","
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=separator))
    except csv.Error as error:
        raise InputError(
            Problem(Text("it is not a table", "表として読めません"), value=str(error), where=where)
        ) from error
    return [[[_plain(cell) for cell in row] for row in rows]]


def _plain(cell: object) -> str:
    """Text without differences of width; line breaks inside a heading are dropped."""
    return "".join(unicodedata.normalize("NFKC", str(cell)).split()).lower()


def _code(cell: str) -> str | None:
    """Five digits of a municipality's or prefecture's code, None if the cell is none."""
    match = _CODE.fullmatch(cell)
    if match is None:
        return None
    digits = match[1].zfill(5)[:5]
    return digits if digits[:2] <= "47" else None


def _table(grid: list[list[str]]) -> pd.DataFrame | None:
    """Records of the grid by code (column ``""`` is the code), None if it holds none.

    Headings of several rows are joined. A heading over several columns (merged cells) counts for
    those to its right that are blank in its row.
    """
    width = max((len(row) for row in grid), default=0)
    rows = [row + [""] * (width - len(row)) for row in grid]
    for at in range(min(width, 12)):
        codes = [_code(row[at]) for row in rows]
        first = next((i for i, code in enumerate(codes) if code is not None), None)
        if first is None or sum(code is not None for code in codes) < 0.5 * (len(rows) - first):
            continue
        headings = _headings(rows[:first], width)
        joined = any("_" in row[at] for row in rows[first:])
        if not joined and not _CODE_HEADING.search(headings[at]):
            continue
        kept = [i for i, code in enumerate(codes) if code is not None]
        table = pd.DataFrame([rows[i] for i in kept], columns=headings, dtype=object)
        table.insert(0, "", [codes[i] for i in kept], allow_duplicates=True)
        return table
    return None


def _headings(rows: list[list[str]], width: int) -> list[str]:
    names = [""] * width
    blank = [i for i, row in enumerate(rows) if not any(row)]
    for row in rows[blank[-1] + 1 if blank and any(any(r) for r in rows[blank[-1] :]) else 0 :]:
        if sum(bool(cell) for cell in row) < 2:
            continue  # a title
        last = ""
        for k, cell in enumerate(row):
            last = cell or last
            if last and last not in names[k]:
                names[k] += last
    return names


def _ratios(table: pd.DataFrame, column: str | None, where: str) -> pd.Series | None:
    """Percents by code, as published."""
    wanted = (_plain(column),) if column else _RATIO
    at = _columns(table, wanted, where, column)
    if at is not None:
        return _numbers(table, at, where)
    long = _one_a_row(table, wanted)
    if long is not None:
        return _numbers(*long, where)
    if column is None:
        bare = table.loc[:, [not any(w in str(c) for w in _RATIO) for c in table.columns]]
        day, night = (_columns(bare, words, where, None) for words in (_DAY, _NIGHT))
        if day is not None and night is not None:
            people, residents = _numbers(bare, day, where), _numbers(bare, night, where)
            both = pd.concat({"day": people, "night": residents}, axis=1).dropna()
            both = both[both["night"] > 0]
            return 100.0 * both["day"] / both["night"]
    return None


def _columns(
    table: pd.DataFrame, words: Sequence[str], where: str, named: str | None
) -> int | None:
    """Position of the column whose heading holds one of the words."""
    names = [str(c) for c in table.columns]
    at = [k for k, name in enumerate(names) if any(word in name for word in words)]
    exact = [k for k in at if names[k] in words]
    whole = [k for k in at if not _PART_OF_ALL.search(names[k])]
    at = exact or (whole if whole and named is None else at)
    if len(at) > 1:
        raise InputError(
            Problem(
                Text("several columns hold it", "該当する列が複数あります"),
                value=", ".join(names[k] for k in at[:8]),
                where=where,
                fix=Text("name one in column = …", "column = … で1つ指定してください"),
            )
        )
    return at[0] if at else None


def _one_a_row(table: pd.DataFrame, words: Sequence[str]) -> tuple[pd.DataFrame, int] | None:
    """The records that hold the ratio where each has one figure, the newest year; and its column."""
    names = [str(c) for c in table.columns]
    ends = [k for word in _VALUE for k, name in enumerate(names) if name.endswith(word)]
    value = ends[0] if ends else None
    if value is None:
        return None
    for k in range(1, len(names)):
        items = table.iloc[:, k].astype(str)
        chosen = items.map(lambda item: any(word in item for word in words))
        chosen &= ~items.str.contains(_PART_OF_ALL)
        if not chosen.any():
            continue
        rows = table[chosen.to_numpy()]
        when = next((j for j, n in enumerate(names) if any(word in n for word in _WHEN)), None)
        if when is not None:
            times = rows.iloc[:, when].astype(str)
            rows = rows[(times == times.max()).to_numpy()]
        return rows, value
    return None


def _numbers(table: pd.DataFrame, at: int, where: str) -> pd.Series:
    text = table.iloc[:, at].astype(str).str.replace(",", "").str.rstrip("%")
    hidden = text.isin(_HIDDEN)
    values = pd.to_numeric(text.where(~hidden), errors="coerce").astype(float)
    bad = values.isna() & ~hidden
    if bad.any():
        raise InputError(
            Problem(
                Text(
                    "{n} cells are not numbers", "数値でないセルが{n}件あります", n=int(bad.sum())
                ),
                value=text[bad].iloc[:3].tolist(),
                where=f"{where}: {table.columns[at]}",
            )
        )
    known = values.notna().to_numpy()
    codes = table.iloc[:, 0].to_numpy(str)[known]
    return pd.Series(values.to_numpy()[known], index=pd.Index(codes, name="municipality_code"))


def _check(ratios: pd.Series, where: str) -> None:
    problems = []
    bad = ~ratios.between(_LEAST, _MOST)
    if bad.any():
        problems.append(
            Problem(
                Text("ratios are not percents", "比率が%の値ではありません"),
                value=[f"{code}: {value:g}" for code, value in ratios[bad].iloc[:3].items()],
                expected=f"{_LEAST:g}–{_MOST:g}",
                where=where,
            )
        )
    spread = ratios.groupby(level=0).agg(lambda values: values.max() - values.min())
    if (spread > 0).any():
        problems.append(
            Problem(
                Text(
                    "municipalities have several different ratios",
                    "1つの市区町村に異なる比率があります",
                ),
                value=", ".join(spread[spread > 0].index[:5]),
                where=where,
            )
        )
    if problems:
        raise InputError(*problems)
