"""Addresses and municipality codes: normalised, checked, taken apart."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from tdh.inventory import arrowtext

_PREFECTURE = r"(?P<v>東京都|北海道|(?:京都|大阪)府|(?:神奈川|和歌山|鹿児島|[^\s都道府県]{2})県)"
_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")}
_KANJI_NUMBER = "[〇一二三四五六七八九十百]+"


@cache
def municipalities() -> pd.DataFrame:
    """Municipalities that are known by name: code (5 digits), prefecture, municipality."""
    with files("tdh.inventory").joinpath("municipalities.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype="str")


@cache
def prefecture_codes() -> dict[str, str]:
    """Prefectures' names and codes of two digits."""
    with files("tdh.inventory").joinpath("prefectures.csv").open(encoding="utf-8") as handle:
        table = pd.read_csv(handle, dtype={"code": "str"})
    return dict(zip(table["name"], table["code"], strict=True))


def check_digit(code5: str) -> str:
    """The sixth digit of a municipality code (JIS X 0401 and 0402, modulus 11).

    >>> check_digit("13101"), check_digit("13000"), check_digit("13224")
    ('6', '1', '1')
    """
    total = sum(int(d) * w for d, w in zip(code5, (6, 5, 4, 3, 2), strict=True))
    return str((11 - total % 11) % 10)


def municipality_codes(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Codes of five digits from codes of five or six, and which of them are wrong.

    Parameters
    ----------
    column : Series of str, shape (n,)
        ``131016``, ``13101``, ``1101`` (a leading zero lost), full width, ``131016.0``; blank.

    Returns
    -------
    codes : Series of str, shape (n,)
        Five digits, or NA: blank, wrong, or a whole prefecture (``130001``).
    wrong : ndarray of bool, shape (n,)

    Examples
    --------
    >>> codes, wrong = municipality_codes(pd.Series(["131016", "13101", "131017", "130001", ""]))
    >>> codes.tolist()[:2], wrong.tolist()
    (['13101', '13101'], [False, False, True, False, False])
    """
    known: dict[str, tuple[str | None, bool]] = {t: _code(t) for t in column.unique()}
    codes = column.map({t: c for t, (c, _) in known.items()}).astype("str")
    wrong = column.map({t: w for t, (_, w) in known.items()}).to_numpy(dtype=bool)
    return codes, wrong


def _code(text: str) -> tuple[str | None, bool]:
    digits = re.sub(r"\.0$", "", unicodedata.normalize("NFKC", text[:20]).strip())
    if not digits:
        return None, False
    if re.fullmatch(r"\d{11,12}", digits):
        digits = digits[:5]  # a code of a town, which begins with its municipality's
    if not re.fullmatch(r"\d{2,6}", digits):
        return None, True
    if len(digits) == 2:
        return None, False
    if len(digits) in (3, 4):
        digits = digits.zfill(5)
    elif len(digits) == 5 and 0 < int(digits[2:]) < 100:
        digits = digits.zfill(6)  # municipalities count from 100: this is 01xxxx without its zero
    if len(digits) == 6:
        if check_digit(digits[:5]) != digits[5]:
            return None, True
        digits = digits[:5]
    if digits[:2] not in prefecture_codes().values():
        return None, True
    return (None, False) if digits.endswith("000") else (digits, False)


def normalise(column: pd.Series) -> pd.Series:
    """Addresses in one spelling, for comparing: width, spaces, hyphens, kanji numerals.

    >>> normalise(pd.Series(["東京都港区台場１丁目７−１", "港区台場一丁目 ７番１号"])).tolist()
    ['東京都港区台場1-7-1', '港区台場1-7-1']
    """
    text = column.str.normalize("NFKC").str.replace(r"\s+", "", regex=True)
    text = text.str.replace(
        rf"({_KANJI_NUMBER})(?=丁目|番|号|条)", lambda m: str(kanji_number(m[1])), regex=True
    )
    text = text.str.replace(r"(?<=\d)(?:丁目|番地の|番地|番|号|の(?=\d))", "-", regex=True)
    text = text.str.replace(r"[‐‑‒–—―−ー－]+(?=\d)|(?<=\d)[‐‑‒–—―−ー－]+", "-", regex=True)
    return text.str.replace(r"-{2,}", "-", regex=True).str.rstrip("-")


def kanji_number(text: str) -> int:
    """A number in kanji below a thousand.

    >>> kanji_number("十二"), kanji_number("二〇"), kanji_number("百五")
    (12, 20, 105)
    """
    if not re.search("[十百]", text):
        return int("".join(str(_DIGITS[c]) for c in text))
    total, last = 0, 0
    for char in text:
        if char in "十百":
            total += max(last, 1) * (10 if char == "十" else 100)
            last = 0
        else:
            last = _DIGITS[char]
    return total + last


def prefectures(addresses: pd.Series) -> pd.Series:
    """Codes of the prefectures that addresses begin with; NA where they name none.

    >>> prefectures(pd.Series(["埼玉県所沢市北秋津623", "港区台場"])).tolist()[0]
    '11'
    """
    names = arrowtext.extract(addresses, rf"^[\s　]*{_PREFECTURE}")
    return names.map(prefecture_codes()).astype("str")


def named_municipality(addresses: pd.Series, prefecture: pd.Series | None = None) -> pd.Series:
    """Codes of the municipality that addresses name first; NA where none is known by name.

    An address without a prefecture is looked up among all known municipalities; one with another
    prefecture than a municipality's is not matched with it.

    Parameters
    ----------
    addresses : Series of str, shape (n,)
    prefecture : Series of str, shape (n,), optional
        Codes of two digits that are known already; empty: what the addresses name.

    Examples
    --------
    >>> named_municipality(pd.Series(["東京都港区台場1-7", "千代田区丸の内"])).tolist()
    ['13103', '13101']
    """
    table = municipalities()
    own = prefectures(addresses) if prefecture is None else prefecture
    names = "|".join(sorted(map(re.escape, table["municipality"]), key=len, reverse=True))
    skipped = _PREFECTURE.replace("?P<v>", "?:")
    pattern = rf"^[\s　]*{skipped}?[\s　]*(?:[^\s市区町村]{{1,4}}郡)?(?P<v>{names})"
    found = arrowtext.extract(addresses, pattern)
    lookup = dict(zip(table["municipality"], table["code"], strict=True))
    codes = found.map(lookup).astype("str")
    elsewhere = own.notna() & (own != codes.str[:2])
    return codes.mask(elsewhere)


def without_prefecture(addresses: pd.Series) -> pd.Series:
    """Addresses without the prefecture that they begin with.

    >>> without_prefecture(pd.Series(["東京都港区台場1", "港区台場1"])).tolist()
    ['港区台場1', '港区台場1']
    """
    return arrowtext.replace(addresses, rf"^[\s　]*{_PREFECTURE}", "")
