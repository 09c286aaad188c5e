"""People per JIS X 0410 mesh: plain tables, and e-Stat's mesh statistics as downloaded.

An e-Stat file (地域メッシュ統計) is CP932 text with two header rows, the second in Japanese.
``HTKSYORI`` says how small counts are kept confidential (秘匿処理): 0 as it is; 1 the mesh holds
others' counts too (合算先); 2 its count was moved (秘匿対象, ``*``) to the mesh of ``HTKSAKI``.
So ``*`` is 0 here, and sums are exact: nothing is lost and nothing is counted twice.
"""

from __future__ import annotations

import io
import os
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tdh import mesh
from tdh.errors import InputError, Problem
from tdh.language import Text

_MESH_NAMES = ("key_code", "mesh_code", "meshcode", "mesh", "メッシュコード", "地域メッシュコード")
_PEOPLE_NAMES = (
    "population",
    "pop",
    "人口(総数)",
    "人口総数",
    "人口",
    "総人口",
    "people",
)
_SUFFIXES = (".txt", ".csv", ".zip", ".parquet", ".pq")
_HIDDEN = ("*", "", "-", "X", "…", "***")
_LARGEST_ARCHIVE_MEMBER = 1 << 30


def read_population(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    column: str | None = None,
) -> pd.DataFrame:
    """Read people per mesh.

    Parameters
    ----------
    path : path or sequence of paths
        Parquet, CSV (UTF-8 or CP932), or e-Stat's ``.txt`` or ``.zip``, or a folder of such files.
        Several files are joined; meshes at prefectures' borders, which each prefecture's file
        repeats, count once.
    column : str, optional
        The column of counts, by its code or its Japanese label (day, 65 and over, …); by default
        the total of residents, found by its name.

    Returns
    -------
    DataFrame
        ``mesh_code`` (str, unique, sorted) and ``population`` (float64, people, 0 where it is
        confidential and counted elsewhere).

    Raises
    ------
    InputError
        With every problem: columns that are not found, codes that are not meshes, counts that are
        not numbers or negative, a mesh with two different counts, a mesh beside its own parts.
    """
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    paths = [file for each in given for file in _files(Path(each))]
    frames = []
    problems: list[Problem] = []
    for each in paths:
        try:
            frames.append(_clean(_read(each), column, each.name))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    table = pd.concat(frames, ignore_index=True).drop_duplicates()
    where = ", ".join(file.name for file in paths)
    twice = table["mesh_code"].duplicated(keep=False)
    if twice.any():
        raise InputError(
            Problem(
                Text("meshes have two different counts", "同じメッシュに異なる値があります"),
                value=table.loc[twice, "mesh_code"].unique()[:5].tolist(),
                where=where,
            )
        )
    _refuse_nested(table["mesh_code"].to_numpy(str), where)
    return table.sort_values("mesh_code", ignore_index=True)


def _files(path: Path) -> list[Path]:
    """The file, or the tables in a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES)
    if not found:
        raise InputError(
            Problem(
                Text("the folder holds no table", "フォルダに表がありません"),
                expected=", ".join(_SUFFIXES),
                where=path.name,
            )
        )
    return found


def _read(path: Path) -> pd.DataFrame:
    """The file as a table of text (Parquet: as it is), with the labels row in ``attrs``."""
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        content = path.read_bytes()
        if zipfile.is_zipfile(io.BytesIO(content)):
            content = _member(content, path.name)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            Problem(Text("it cannot be read", "読めません"), value=str(error), where=path.name)
        ) from error
    return _parse(content, path.name)


def _member(content: bytes, where: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [i for i in archive.infolist() if i.filename.lower().endswith((".txt", ".csv"))]
        if len(names) != 1 or names[0].file_size > _LARGEST_ARCHIVE_MEMBER:
            raise InputError(
                Problem(
                    Text(
                        "the archive must hold one text file of at most 1 GB",
                        "ZIPには1GB以下のテキストファイルを1つだけ入れてください",
                    ),
                    value=[i.filename for i in names],
                    where=where,
                )
            )
        return archive.read(names[0])


def _parse(content: bytes, where: str) -> pd.DataFrame:
    text = None
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if text is None:
        raise InputError(
            Problem(
                Text("the encoding is not known", "文字コードが分かりません"),
                expected="UTF-8, CP932",
                where=where,
            )
        )
    first = text.split("\n", 1)[0]
    separator = "\t" if first.count("\t") > first.count(",") else ","
    try:
        frame = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            Problem(Text("it is not a table", "表として読めません"), value=str(error), where=where)
        ) from error
    frame.columns = frame.columns.str.strip()
    key = _named(frame, _MESH_NAMES)
    if key is not None and len(frame) and not str(frame[key].iloc[0]).strip().isdigit():
        labels = {str(c): str(v).strip() for c, v in frame.iloc[0].items()}
        frame = frame.iloc[1:].reset_index(drop=True)
        frame.attrs["labels"] = labels
    return frame


def _clean(frame: pd.DataFrame, column: str | None, where: str) -> pd.DataFrame:
    key = _named(frame, _MESH_NAMES) or _looks_like_meshes(frame)
    counts = _counts_column(frame, column, key)
    problems = []
    if key is None:
        problems.append(_absent(Text("mesh codes", "メッシュコード"), _MESH_NAMES, frame, where))
    if counts is None:
        names = (column,) if column else _PEOPLE_NAMES
        problems.append(_absent(Text("people", "人口"), names, frame, where))
    if key is None or counts is None:
        raise InputError(*problems)
    codes = frame[key].astype("str").str.strip().str.removesuffix(".0")
    raw = frame[counts]
    if pd.api.types.is_numeric_dtype(raw):
        people = raw.fillna(0).to_numpy(float)
    else:
        text = raw.astype("str").str.strip().str.replace(",", "", regex=False)
        people = pd.to_numeric(text.where(~text.isin(_HIDDEN), "0"), errors="coerce").to_numpy(
            float
        )
    good = mesh.valid(codes.to_numpy(str))
    if not good.all():
        problems.append(
            _rows(Text("mesh codes are not valid", "メッシュコードが不正です"), codes, ~good, where)
        )
    bad = ~(people >= 0) | ~np.isfinite(people)
    if bad.any():
        problems.append(
            _rows(Text("counts are not numbers of people", "人数が不正です"), raw, bad, where)
        )
    if problems:
        raise InputError(*problems)
    return pd.DataFrame({"mesh_code": codes.to_numpy(str), "population": people}).astype(
        {"mesh_code": "str"}
    )


def _normal(name: object) -> str:
    """A heading without differences of width, case and spaces (e-Stat's labels are full-width)."""
    return "".join(unicodedata.normalize("NFKC", str(name)).lower().split())


def _named(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    known = {_normal(c): str(c) for c in frame.columns}
    return next((known[_normal(n)] for n in names if _normal(n) in known), None)


def _looks_like_meshes(frame: pd.DataFrame) -> str | None:
    """The first column whose name speaks of a mesh or grid and whose values are mesh codes."""
    for name in frame.columns:
        if any(word in str(name).lower() for word in ("mesh", "grid", "メッシュ", "code")):
            sample = frame[name].head(100).astype("str").str.strip()
            if len(sample) and mesh.valid(sample.to_numpy(str)).all():
                return str(name)
    return None


def _counts_column(frame: pd.DataFrame, column: str | None, key: str | None) -> str | None:
    labels: dict[str, str] = frame.attrs.get("labels", {})
    by_label: dict[str, str] = {}
    for name, label in labels.items():
        by_label.setdefault(_normal(label), name)
    for wanted in (column,) if column else _PEOPLE_NAMES:
        found = _named(frame, (wanted,)) or by_label.get(_normal(wanted))
        if found is not None:
            return found
    if column is None:
        others = [c for c in frame.columns if c != key and pd.api.types.is_numeric_dtype(frame[c])]
        if len(frame.columns) == 2 and len(others) == 1:
            return str(others[0])
    return None


def _absent(what: Text, names: Sequence[str], frame: pd.DataFrame, where: str) -> Problem:
    labels = frame.attrs.get("labels", {})
    found = ", ".join(f"{c} ({labels[c]})" if labels.get(c) else str(c) for c in frame.columns[:30])
    return Problem(
        Text("no column holds {what}", "{what}の列がありません", what=what),
        expected=", ".join(names),
        where=where,
        fix=Text("found: {found}", "現在の列: {found}", found=found),
    )


def _rows(what: Text, values: pd.Series, bad: np.ndarray, where: str) -> Problem:
    rows = np.flatnonzero(bad)
    return Problem(
        Text("{what} in {n} rows", "{what}({n}行)", what=what, n=rows.size),
        value=values.iloc[rows[:5]].tolist(),
        where=Text("{file}, record {row}", "{file} {row}件目", file=where, row=int(rows[0]) + 1),
    )


def _refuse_nested(codes: np.ndarray, where: str) -> None:
    """A mesh and a part of it in one table would count people twice."""
    lengths = np.char.str_len(codes) if codes.size else np.zeros(0, dtype=int)
    levels = sorted(set(lengths.tolist()))
    for k, digits in enumerate(levels[:-1]):
        above = codes[lengths == digits]
        below = codes[np.isin(lengths, levels[k + 1 :])]
        both = np.intersect1d(above, mesh.parents(below, digits))
        if both.size:
            raise InputError(
                Problem(
                    Text(
                        "{n} meshes stand beside their own parts: people would count twice",
                        "{n} メッシュが、その内訳のメッシュと重なっています(二重計上)",
                        n=both.size,
                    ),
                    value=both[:5].tolist(),
                    where=where,
                )
            )
