"""Kinds of assets, judged from the register's own words.

``kinds.csv`` lists, per kind: names in both languages, whether it is an installation, where an
antenna would stand, default heights, and the words by which it is known. Users add their own rows
with the same columns.

The judgement follows the languages: the head of a Japanese compound, and of an English one before
its first preposition, stands last (日比谷公園前バス停 is a bus stop, 日比谷公園 a park). Installations
(bus stops, hydrants, lamps) are often named after the place where they stand, so that a register of
installations says more about its records than their names do:

1. an explicit kind;
2. an installation named by the record's name;
3. an installation named by the record's own type or identifier;
4. an installation named by the register (file, title, sheet, headers);
5. any other kind named by the record's name, its type, the register, in this order.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tdh.errors import InputError, Problem, refused
from tdh.inventory import arrowtext
from tdh.language import Text

UNKNOWN = "other"
_LIST_WORDS = re.compile(
    r"一覧表?|リスト|台帳|オープンデータ|データ(?:セット)?|情報|位置|箇所|設置|\d+|list|locations?|data(?:set)?"
)
# Themes of the National Land Numerical Information (KSJ), whose columns are called P11_001 and so on.
_KSJ_THEMES = {
    "N02": "station",
    "P02": "building",
    "P04": "hospital",
    "P05": "office",
    "P11": "bus_stop",
    "P13": "park",
    "P17": "fire_police",
    "P18": "fire_police",
    "P29": "school",
    "P36": "bus_stop",
}
_PREPOSITION = r"\s(?:at|in|of|on|near|by|behind|opposite|for|to|from|along)\s.*$"
_NEAR = r"(?:前|付近|脇|際|横|裏|先|隣|側|沿い|入口|手前)\s*$"
_BRACKETS = r"[(\[【<{「『（［].*?[)\]】>}」』）］]"


_COLUMNS = ["label_en", "label_ja", "installation", "placement", "height_m", "mounting_m",
            "from_surface", "words"]  # fmt: skip
_PLACEMENTS = ("roof", "pole", "ground", "none")
_extra: ContextVar[tuple[str, ...]] = ContextVar("tdh_kinds", default=())


def table() -> pd.DataFrame:
    """All kinds, by name: labels, installation, placement, default heights and words.

    >>> str(table().loc["bus_stop", "placement"])
    'pole'
    """
    return _table(_extra.get())


@contextmanager
def extended(*paths: str | os.PathLike[str]) -> Iterator[None]:
    """Know further kinds and words for the length of a block.

    Parameters
    ----------
    *paths : str or path
        CSV files with the columns of ``kinds.csv``; of a kind that is known already, cells that are
        filled in replace the old ones, and words are added. Later files win.

    Raises
    ------
    InputError
        If a file lacks columns or says something impossible; with every problem.
    """
    wanted = (*_extra.get(), *(os.fspath(path) for path in paths))
    _table(wanted)
    token = _extra.set(wanted)
    try:
        yield
    finally:
        _extra.reset(token)


@cache
def _table(paths: tuple[str, ...]) -> pd.DataFrame:
    with files("tdh.inventory").joinpath("kinds.csv").open(encoding="utf-8") as handle:
        frame = pd.read_csv(handle, index_col="kind", dtype="str", keep_default_na=False)
    for path in paths:
        frame = _overlay(frame, _user_kinds(path))
    for name in ("height_m", "mounting_m"):
        frame[name] = pd.to_numeric(frame[name].replace("", None)).astype(float)
    for name in ("installation", "from_surface"):
        frame[name] = frame[name] == "yes"
    return frame


def _overlay(frame: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    # New words come first, so that they win where two kinds claim the same word.
    out = pd.concat([more, frame[~frame.index.isin(more.index)]])
    for kind in more.index.intersection(frame.index):
        for name in _COLUMNS:
            if not more.at[kind, name]:
                out.at[kind, name] = frame.at[kind, name]
        if more.at[kind, "words"]:
            out.at[kind, "words"] = f"{more.at[kind, 'words']}|{frame.at[kind, 'words']}"
    return out


def _user_kinds(path: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        unread = Problem(
            Text("the table of kinds cannot be read", "種別表を読めません"),
            value=str(error),
            where=path,
        )
        known = refused(error, path) if isinstance(error, OSError) else None
        raise InputError(known or unread) from error
    missing = [name for name in ("kind", *_COLUMNS) if name not in frame.columns]
    if missing:
        raise InputError(
            Problem(
                Text("the table of kinds lacks columns", "種別表に列が足りません"),
                value=", ".join(missing),
                where=path,
            )
        )
    problems: list[Problem] = []
    for row in frame.itertuples():
        wrong = {
            "kind": not re.fullmatch(r"[a-z][a-z0-9_]*", row.kind),
            "placement": row.placement not in ("", *_PLACEMENTS),
            "height_m": not re.fullmatch(r"(\d+(\.\d+)?)?", row.height_m),
            "mounting_m": not re.fullmatch(r"(\d+(\.\d+)?)?", row.mounting_m),
        }
        problems.extend(
            Problem(
                Text(
                    "a value of the table of kinds is not allowed", "種別表に許されない値があります"
                ),
                value=getattr(row, name),
                where=f"{path}, {row.Index + 2}: {name}",
            )
            for name, bad in wrong.items()
            if bad
        )
    if problems:
        raise InputError(*problems)
    return frame.set_index("kind")[_COLUMNS]


def all_words() -> frozenset[str]:
    """Every word by which a kind is known, folded."""
    return _all_words(_extra.get())


@cache
def _all_words(paths: tuple[str, ...]) -> frozenset[str]:
    words = "|".join(_table(paths)["words"]).split("|")
    return frozenset(unicodedata.normalize("NFKC", word).lower() for word in words)


def flagged(kind: pd.Series, column: str) -> np.ndarray:
    """Whether kinds have a flag of the table (``installation``, ``from_surface``); NA has none."""
    return kind.isin(table().index[table()[column]]).to_numpy(dtype=bool)


def check(kind: str) -> str:
    """A kind, if there is one of this name.

    Raises
    ------
    InputError
        If there is none; the message lists all.
    """
    if kind not in table().index:
        raise InputError(
            Problem(
                Text("there is no such kind of asset", "その種別はありません"),
                value=kind,
                expected=", ".join(table().index),
                where="kind",
            )
        )
    return kind


@dataclass(frozen=True)
class _Words:
    final: str
    pattern: str
    kinds: dict[str, str]


@cache
def _words(paths: tuple[str, ...]) -> _Words:
    """Patterns over reversed text: the first match is the word that ends last, the longest."""
    kinds: dict[str, str] = {}
    for kind, words in _table(paths)["words"].items():
        for word in filter(None, words.split("|")):
            folded = unicodedata.normalize("NFKC", word).lower()
            kinds.setdefault(folded[::-1], str(kind))
    longest_first = sorted(kinds, key=len, reverse=True)
    latin = [re.escape(w) for w in longest_first if w.isascii()]
    japanese = [re.escape(w) for w in longest_first if not w.isascii() and len(w) > 1]
    single = [re.escape(w) for w in longest_first if not w.isascii() and len(w) == 1]
    # A single character is a word only at the end: 駅 in 新宿駅, not in 駅前通り. The longer word
    # that ends there too must win, so it is tried first.
    long = "|".join(japanese)
    final = rf"^(?P<v>{long}|{'|'.join(single)})"
    pattern = rf"(?P<v>{long}|\bs?(?:{'|'.join(latin)})\b)"
    kinds.update({f"s{word}": kind for word, kind in kinds.items() if word.isascii()})
    return _Words(final, pattern, kinds)


def by_words(texts: pd.Series, *, drop_place: bool = False) -> pd.Series:
    """The kind that each text names last; NA where it names none.

    Parameters
    ----------
    texts : Series of str, shape (n,)
    drop_place : bool
        True to take texts that end in "in front of", "beside" and the like for places.

    Examples
    --------
    >>> by_words(pd.Series(["日比谷公園前バス停", "上野公園", "Public toilet at Ueno Park"])).tolist()
    ['bus_stop', 'park', 'toilet']
    """
    # Numbers say nothing about a kind; without them, far fewer texts are distinct.
    index, distinct = pd.factorize(arrowtext.replace(texts, "[0-9０-９]+", "0"))
    folded = arrowtext.nfkc(pd.Series(distinct, dtype="str").str.slice(0, 200)).str.lower()
    bare = arrowtext.replace(folded, _BRACKETS, " ")
    bare = arrowtext.replace(bare, _PREPOSITION, "")
    bare = arrowtext.replace(bare, r"[\s\d\-._・号第]+$|no\.?\s*\d*\s*$", "").str.strip()
    found = _search(bare)
    missing = found.isna() & (folded != bare)
    if missing.any():
        found = found.where(~missing, _search(folded))
    if drop_place:
        found = found.mask(arrowtext.contains(bare, _NEAR) & ~flagged(found, "installation"))
    return pd.Series(found.to_numpy(dtype=object)[index], index=texts.index, dtype="str")


def _search(texts: pd.Series) -> pd.Series:
    words = _words(_extra.get())
    reverse = pc.utf8_reverse(pa.array(texts, type=pa.string()))
    reversed_ = pd.Series(pd.array(reverse, dtype="str"))
    word = arrowtext.extract(reversed_, words.final)
    # Most names end with their word; only the others are searched through.
    open_ = word.isna()
    if open_.any():
        word[open_] = arrowtext.extract(reversed_[open_], words.pattern)
    return pd.Series(word.map(words.kinds).to_numpy(dtype=object), index=texts.index, dtype="str")


def of_register(texts: Iterable[str], columns: Sequence[str]) -> str | None:
    """The kind that a register's own words name: file, title, sheets, header of names, headers.

    Parameters
    ----------
    texts : iterable of str
        The register's words, the most telling first.
    columns : sequence of str
        Its headers.

    Examples
    --------
    >>> of_register(["toei_bus_stops"], []), of_register(["消火栓一覧"], [])
    ('bus_stop', 'hydrant')
    >>> of_register(["a"], ["男性トイレ総数", "女性トイレ総数", "多機能トイレ数", "名称"])
    'toilet'
    """
    themes = [m[1] for c in columns if (m := re.match(r"([A-Z]\d\d)_\d{3}", c))]
    if themes and themes[0] in _KSJ_THEMES:
        return _KSJ_THEMES[themes[0]]
    for text in texts:
        folded = unicodedata.normalize("NFKC", text[:300]).lower()
        shown = _LIST_WORDS.sub(" ", re.sub(r"[_\-.]+", " ", folded)).strip()
        if shown and isinstance(found := by_words(pd.Series([shown], dtype="str")).iloc[0], str):
            return found
    hits = by_words(pd.Series(list(columns), dtype="str")).dropna()
    hits = hits[flagged(hits, "installation")]
    contained = pd.Series([_contains_installation(c) for c in columns], dtype="str").dropna()
    counts = pd.concat([hits, contained]).value_counts()
    return str(counts.index[0]) if len(counts) and counts.iloc[0] >= 3 else None


def _contains_installation(column: str) -> str | None:
    for kind, row in table()[table()["installation"]].iterrows():
        if any(not w.isascii() and len(w) > 2 and w in column for w in row["words"].split("|")):
            return str(kind)
    return None


@dataclass(frozen=True)
class Judgement:
    """Kinds of records, and where they come from.

    Parameters
    ----------
    kind : Series of str, shape (n,)
    basis : ndarray of str, shape (n,)
        ``argument``, ``name``, ``type``, ``register``, ``majority`` or ``unknown``.
    """

    kind: pd.Series
    basis: np.ndarray


def judge(
    names: pd.Series,
    types: pd.Series,
    ids: pd.Series,
    register_kind: str | None,
    kind: str | None = None,
) -> Judgement:
    """The kind of every record; see the module's rules.

    Parameters
    ----------
    names, types, ids : Series of str, shape (n,)
        Names, types and identifiers as published, ``""`` where there is none.
    register_kind : str or None
        What the register's own words name.
    kind : str, optional
        What the user says; it wins.
    """
    n = len(names)
    if kind is not None:
        fixed = pd.Series(check(kind), index=names.index, dtype="str")
        return Judgement(fixed, np.full(n, "argument"))
    by_name = by_words(names, drop_place=True)
    by_type = by_words(types)
    by_id = by_words(ids.where(arrowtext.contains(ids, "[A-Za-z]{4}"), ""))
    by_register = pd.Series(register_kind, index=names.index, dtype="str")
    out = pd.Series(None, index=names.index, dtype="str")
    basis = np.full(n, "unknown", dtype=object)
    strict = [(by_name, "name"), (by_type, "type"), (by_id, "type"), (by_register, "register")]
    for only_installations in (True, False):
        for found, label in strict:
            fits = out.isna() & found.notna() & (found != UNKNOWN)
            if only_installations:
                fits &= flagged(found, "installation")
            out = out.mask(fits, found)
            basis[fits.to_numpy()] = label
    return _fill_unknown(out, basis)


def _fill_unknown(out: pd.Series, basis: np.ndarray) -> Judgement:
    unknown = out.isna().to_numpy()
    if unknown.any():
        placements = out.dropna().map(table()["placement"])
        roofs = int((placements == "roof").sum())
        if unknown.sum() < 0.5 * len(out) and roofs > 0.5 * len(out):
            out = out.fillna("building")
            basis[unknown] = "majority"
        else:
            out = out.fillna(UNKNOWN)
    return Judgement(out, basis)
