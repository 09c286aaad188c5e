"""Tables of text as loggers and exports write them."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tdh.errors import InputError, Problem
from tdh.language import Text

ENCODINGS = ("utf-8-sig", "cp932")
_SEPARATORS = ",;\t|"
_PREAMBLE = 40
"""A header is looked for in so many lines."""
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
"""Zero-width characters, which some loggers write into headers."""


MISSING = frozenset({"", "-", "--", "nan", "null", "none", "n/a"})
"""What loggers write where there is nothing, in lower case."""


def words(text: pd.Series) -> pd.Series:
    """Text without what only says that there is none.

    >>> words(pd.Series([" a ", "-", None])).tolist()
    ['a', '', '']
    """
    plain = text.fillna("").str.strip()
    return plain.where(~plain.str.lower().isin(MISSING), "")


def compact(name: str) -> str:
    """A column's name without case, spaces, signs and unit.

    >>> compact(" SS-RSRP [dBm]"), compact("Lat (deg)"), compact("経度")
    ('ssrsrp', 'lat', '経度')
    """
    text = re.sub(r"[\[(]\s*(dbm|db|deg|degrees|°)\s*[\])]+", "", str(name).lower())
    text = re.sub(r"[\W_]+", "", text)
    return re.sub("dbm$", "", text) or text


def numbers(text: pd.Series) -> pd.Series:
    """Numbers of a column of text, with or without a unit; NaN where there is none.

    >>> numbers(pd.Series(["-101 dBm", "-", "35,5", None])).tolist()
    [-101.0, nan, 35.5, nan]
    """
    plain = pd.to_numeric(text, errors="coerce").astype(float)
    odd = plain.isna() & text.notna()
    if odd.any():
        found = (
            text[odd]
            .str.strip()
            .str.extract(
                r"^([-+\u2212]?\d+(?:[.,]\d+)?)\s*(?:dBm|dB|°|deg)?$", flags=re.IGNORECASE
            )[0]
        )
        cleaned = found.str.replace(",", ".").str.replace("\u2212", "-")
        plain[odd] = pd.to_numeric(cleaned, errors="coerce").astype(float)
    return plain


def decoded(path: Path) -> str:
    """A file's text: UTF-8, UTF-16 with a byte order mark, or CP932.

    Raises
    ------
    InputError
        If it is none of them, or empty.
    """
    content = path.read_bytes()
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ENCODINGS
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not text.strip():
            raise InputError(
                Problem(Text("the file is empty", "ファイルが空です"), where=path.name)
            )
        return text
    raise InputError(
        Problem(
            Text("the encoding is not known", "文字コードが分かりません"),
            expected="UTF-8, CP932, UTF-16",
            where=path.name,
        )
    )


def read_text_table(path: Path, is_header: Callable[[list[str]], bool]) -> pd.DataFrame:
    """A table of text, all values as they stand, index from 0.

    Parameters
    ----------
    path : Path
    is_header : callable
        Whether a line's cells can be the header. Lines before it are passed over; without such a
        line the first that is neither empty nor a comment is the header.

    Raises
    ------
    InputError
        If the file is empty, of an unknown encoding, or no table.
    """
    text = decoded(path).translate(_UNSEEN)
    lines = text.split("\n", _PREAMBLE)[:_PREAMBLE]
    usable = [i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    if not usable:
        raise InputError(Problem(Text("the file is empty", "ファイルが空です"), where=path.name))

    def cells(line: str) -> list[str]:
        separator = max(_SEPARATORS, key=line.count)
        return [cell.strip().strip('"') for cell in line.split(separator)]

    header = next((i for i in usable if is_header(cells(lines[i]))), usable[0])
    separator = max(_SEPARATORS, key=lines[header].count)
    rest = text.split("\n", header)[header]
    try:
        with warnings.catch_warnings():
            # Lines that end with a separator: what is cut off is empty.
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(rest),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                skipinitialspace=True,
                index_col=False,
            )
    except pd.errors.ParserError:
        table = _uneven(rest, separator, path)
    table.columns = [str(c).strip() for c in table.columns]
    return table[~table.iloc[:, 0].fillna("").str.startswith("#")]


def _uneven(text: str, separator: str, path: Path) -> pd.DataFrame:
    """A table whose lines are of uneven length: short ones are filled, long ones cut."""
    try:
        header, *rows = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    except csv.Error as error:
        raise InputError(
            Problem(
                Text("it is not a CSV file", "CSVとして読めません"),
                value=str(error),
                where=path.name,
            )
        ) from None
    width = len(header)
    even = [(row + [""] * width)[:width] for row in rows if row]
    return pd.DataFrame(even, columns=header, dtype=str).replace("", None)


def selected(
    table: pd.DataFrame, select: Mapping[str, str | Sequence[str]], where: str
) -> tuple[pd.Series, list[Problem]]:
    """Which rows have the wanted values, and what is wrong with the wish."""
    wanted = pd.Series(True, index=table.index)
    problems = []
    for name, values in select.items():
        if name not in table.columns:
            problems.append(
                Problem(
                    Text("there is no such column to select by", "選択に使う列がありません"),
                    value=name,
                    expected=", ".join(map(str, table.columns[:30])),
                    where=where,
                )
            )
            continue
        allowed = {values} if isinstance(values, str) else set(values)
        own = table[name].astype("str").str.strip().isin(allowed)
        if not own.any():
            held = table[name].dropna().astype("str").unique()[:10]
            problems.append(
                Problem(
                    Text("no row has the value that is selected", "選択に合う行がありません"),
                    value=", ".join(sorted(allowed)),
                    expected=", ".join(held),
                    where=f"{where}: {name}",
                )
            )
        wanted &= own
    if not problems and len(select) > 1 and not wanted.any():
        problems.append(
            Problem(
                Text("no row has the values that are selected", "選択に合う行がありません"),
                value=str(dict(select)),
                where=where,
            )
        )
    return wanted, problems
