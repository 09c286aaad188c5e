"""Tables' columns, types, units and checks, as ``columns.csv`` lists them.

``columns.csv`` is schema, checks and documentation in one. A check is one of: ``unique``; ``>= a``
or ``> a``; ``a..b`` (inclusive); ``one of x|y|z``; ``code5`` (five digits).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import Problem, SchemaError
from tdh.language import Text

Frame = TypeVar("Frame", bound=pd.DataFrame)

_EXAMPLES = 3


@cache
def _all_columns() -> pd.DataFrame:
    with files("tdh").joinpath("columns.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype=str, keep_default_na=False)


def columns(table: str) -> pd.DataFrame:
    """The columns of a table: column, dtype, unit, required, check, label_ja, description.

    >>> list(columns("municipalities")["column"])
    ['municipality_code', 'municipality', 'prefecture', 'geometry']
    """
    rows = _all_columns()
    rows = rows[rows["table"] == table]
    if rows.empty:
        raise KeyError(f"no table {table!r} in columns.csv")
    return rows.drop(columns="table").reset_index(drop=True)


def label(table: str, column: str, language: str = "en") -> str:
    """A heading for people: the Japanese label or the column's name, with its unit.

    >>> label("sites", "antenna_height_agl_m", "ja")
    'アンテナ高 (m)'
    """
    rows = columns(table)
    match = rows[rows["column"] == column]
    if match.empty:
        return column
    row = match.iloc[0]
    unit = f" ({unit_label(row['unit'], language)})" if row["unit"] else ""
    return f"{row['label_ja']}{unit}" if language == "ja" else column


_UNITS_JA = {
    "people": "人",
    "people dB": "人・dB",
    "JPY": "円",
    "h": "時間",
    "d": "日",
    "deg": "度",
    "m2": "m²",
    "meshes": "メッシュ",
    "places": "施設",
}


def unit_label(unit: str, language: str = "en") -> str:
    """A unit for people: those that are words, in their language.

    >>> unit_label("people", "ja"), unit_label("dBm", "ja"), unit_label("people")
    ('人', 'dBm', 'people')
    """
    return _UNITS_JA.get(unit, unit) if language == "ja" else unit


def conform(frame: Frame, table: str) -> Frame:
    """A table as ``columns.csv`` wants it: checked, cast, and in order.

    Optional columns that are absent are added empty; columns that ``columns.csv`` does not list
    are kept behind the others.

    Raises
    ------
    SchemaError
        With every problem of the table.
    """
    spec = columns(table)
    problems: list[Problem] = []
    index_name = next((r.column for r in spec.itertuples() if r.dtype == "index"), None)
    out = frame.copy(deep=False)
    if index_name is not None:
        if index_name in out.columns:
            out = out.set_index(index_name)
        out.index = out.index.astype("str")
        out.index.name = index_name
    else:
        out = out.reset_index(drop=True)
    known = [row for row in spec.itertuples() if row.dtype != "index"]
    for row in known:
        if row.column not in out.columns:
            if row.required == "yes":
                problems.append(
                    Problem(
                        Text("a column is missing", "列がありません"),
                        expected=row.column,
                        where=table,
                    )
                )
                continue
            out[row.column] = np.nan if row.dtype == "float64" else None
        if row.dtype not in {"geometry", "list"}:
            problem = _cast(out, table, row.column, row.dtype)
            if problem is not None:
                problems.append(problem)
                continue
        problems.extend(_check(out, table, row))
    if index_name is not None and not out.index.is_unique:
        twice = out.index[out.index.duplicated()].unique()[:_EXAMPLES].tolist()
        problems.append(
            Problem(
                Text("identifiers occur more than once", "IDが重複しています"),
                value=twice,
                where=f"{table}.{index_name}",
            )
        )
    if problems:
        raise SchemaError(*problems)
    order = [row.column for row in known if row.column in out.columns]
    rest = [column for column in out.columns if column not in set(order)]
    out = out[order + rest]
    if "geometry" in out.columns and not isinstance(out, gpd.GeoDataFrame):
        out = gpd.GeoDataFrame(out, geometry="geometry")
    return out


def _cast(frame: pd.DataFrame, table: str, column: str, dtype: str) -> Problem | None:
    try:
        if dtype == "str" and isinstance(frame[column].dtype, pd.CategoricalDtype):
            return None  # a long table may hold its identifiers as categories
        frame[column] = frame[column].astype(dtype)
    except (TypeError, ValueError) as error:
        return Problem(
            Text("values are of the wrong type", "値の型が違います"),
            value=str(error),
            expected=dtype,
            where=f"{table}.{column}",
        )
    return None


def _check(frame: pd.DataFrame, table: str, row: object) -> list[Problem]:
    column, check, required = row.column, row.check, row.required == "yes"  # type: ignore[attr-defined]
    values = frame[column]
    problems = []
    missing = values.isna()
    if required and missing.any():
        problems.append(
            Problem(
                Text(
                    "values are missing in {n} rows", "{n} 行で値がありません", n=int(missing.sum())
                ),
                value=frame.index[missing][:_EXAMPLES].tolist(),
                where=f"{table}.{column}",
            )
        )
    present = values[~missing]
    if check and not present.empty:
        bad = ~_satisfies(present, check)
        if bad.any():
            problems.append(
                Problem(
                    Text(
                        "{n} values are not allowed",
                        "許されない値が {n} 件あります",
                        n=int(bad.sum()),
                    ),
                    value=present[bad].iloc[:_EXAMPLES].tolist(),
                    expected=check,
                    where=f"{table}.{column}",
                )
            )
    return problems


def _satisfies(values: pd.Series, check: str) -> pd.Series:
    if check == "unique":
        return ~values.duplicated()
    if check == "code5":
        return values.str.fullmatch(r"\d{5}")
    if check.startswith("one of "):
        return values.isin(check.removeprefix("one of ").split("|"))
    if match := re.fullmatch(r"(>=?)\s*(-?[\d.]+)", check):
        bound = float(match[2])
        return values >= bound if match[1] == ">=" else values > bound
    if match := re.fullmatch(r"(-?[\d.]+?)\.\.(-?[\d.]+)", check):
        return values.between(float(match[1]), float(match[2]))
    raise ValueError(f"columns.csv has a check that is not known: {check!r}")
