"""Text of strangers (names in registers, remarks in answers) on its way into files."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from tdh.inventory import kinds
from tdh.language import plain

_FORMULA = "=+-@＝＋－＠\t\r\n"
GETA = "〓"
"""What printers of Japanese put where a character is missing."""
_LOOKALIKES = str.maketrans({"〜": "～", "−": "－", "‖": "∥", "¢": "￠", "£": "￡", "¬": "￢"})
"""Unicode characters for which CP932 holds a twin."""


def neutral(value: Any) -> Any:
    """A cell that a spreadsheet will not take for a formula; numbers stay as they are.

    >>> neutral('=HYPERLINK("http://x")'), neutral("新宿区"), neutral(-1.5)
    ('\\'=HYPERLINK("http://x")', '新宿区', -1.5)
    """
    if isinstance(value, str) and value.lstrip(" \u3000\ufeff\xa0")[:1] in set(_FORMULA):
        return f"'{value}"
    if isinstance(value, str) and value[:1] in {"\t", "\r", "\n"}:
        return f"'{value}"
    return value


def cell(value: Any) -> Any:
    """A cell of a CSV for a carrier: no formula, and nothing that a terminal would obey.

    >>> cell("\x1b=1+1"), cell("\x07bell\x1b[2J"), cell(2)
    ("'=1+1", 'bell[2J', 2)
    """
    return neutral(plain(value) if isinstance(value, str) else value)


def cp932(value: str) -> str:
    """Text with only characters that Windows' Shift_JIS knows; others become a geta mark.

    >>> cp932("〜髙橋🗼é")
    '～髙橋〓e'
    """
    value = value.translate(_LOOKALIKES)
    try:
        value.encode("cp932")
    except UnicodeEncodeError:
        return "".join(map(_cp932, value))
    return value


@cache
def _cp932(character: str) -> str:
    for attempt in (character, unicodedata.normalize("NFKD", character)[:1]):
        try:
            attempt.encode("cp932")
        except UnicodeEncodeError:
            continue
        return attempt
    return GETA


@cache
def kind_label(kind: str) -> str:
    """A kind of asset in words, in Japanese and English.

    >>> kind_label("bus_stop"), kind_label("of another register")
    ('バス停 / Bus stop', 'of another register')
    """
    table = kinds.table()
    if kind not in table.index:
        return kind
    return f"{table.loc[kind, 'label_ja']} / {table.loc[kind, 'label_en']}"


def slug(value: str) -> str:
    """A part of a file name: ASCII letters, digits, ``-`` and ``_``, at most 60 characters.

    >>> slug("../bus stop 1"), slug("新宿")
    ('bus-stop-1', 'x')
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", value).strip("-")[:60] or "x"
