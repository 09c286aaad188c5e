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

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tdh.errors import InputError, Problem
from tdh.inventory import arrowtext
from tdh.language import Text

UNKNOWN = "other"
_LIST_WORDS = re.compile(
    r"一覧表?|リスト|台帳|オープンデータ|データ(?:セット)?|情報|位置|箇所|設置|\d+|list|locations?|data(?:set)?"
)
_PREPOSITION = r"\s(?:at|in|of|on|near|by|behind|opposite|for|to|from|along)\s.*$"
_NEAR = r"(?:前|付近|脇|際|横|裏|先|隣|側|沿い|入口|手前)\s*$"
_BRACKETS = r"[(\[【<{「『（［].*?[)\]】>}」』）］]"


@cache
def table() -> pd.DataFrame:
    """All kinds, by name: labels, installation, placement, default heights and words.

    >>> str(table().loc["bus_stop", "placement"])
    'pole'
    """
    with files("tdh.inventory").joinpath("kinds.csv").open(encoding="utf-8") as handle:
        frame = pd.read_csv(
            handle,
            index_col="kind",
            dtype={"label_en": "str", "label_ja": "str", "placement": "str", "words": "str"},
        )
    frame["installation"] = frame["installation"] == "yes"
    frame["from_surface"] = frame["from_surface"] == "yes"
    return frame


@cache
def all_words() -> frozenset[str]:
    """Every word by which a kind is known, folded."""
    words = "|".join(table()["words"]).split("|")
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
def _words() -> _Words:
    """Patterns over reversed text: the first match is the word that ends last, the longest."""
    kinds: dict[str, str] = {}
    for kind, words in table()["words"].items():
        for word in words.split("|"):
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
    words = _words()
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
