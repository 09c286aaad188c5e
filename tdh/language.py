"""Text in two languages: written together where it is needed, rendered when it is shown.

A message is a :class:`Text` with an English and a Japanese wording. It stays a value until
somebody reads it, so that an error raised deep in the library speaks the language of whoever
prints it.

>>> greeting = Text("{n} rows", "{n} 行", n=3)
>>> str(greeting)
'3 rows'
>>> with speaking("ja"):
...     str(greeting)
'3 行'
"""

from __future__ import annotations

import locale
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Language = Literal["en", "ja"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNPRINTED = ("Cc", "Cf", "Cs", "Zl", "Zp")

_language: ContextVar[Language] = ContextVar("tdh_language", default="en")


class Text:
    """A message in English and Japanese, with values to fill in.

    Parameters
    ----------
    en, ja : str
        The wordings, as ``str.format`` templates.
    **values
        What the templates name. A value that is itself a :class:`Text` is rendered in the same
        language.
    """

    __slots__ = ("en", "ja", "values")

    def __init__(self, en: str, ja: str, **values: object) -> None:
        self.en = en
        self.ja = ja
        self.values = values

    def render(self, language: Language | None = None) -> str:
        """The text in one language, by default the one in force."""
        language = language or _language.get()
        template = self.ja if language == "ja" else self.en
        if not self.values:
            return template
        shown = {
            key: value.render(language) if isinstance(value, Text) else value
            for key, value in self.values.items()
        }
        return template.format(**shown)

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"Text({self.render('en')!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Text):
            return NotImplemented
        return (self.en, self.ja, self.values) == (other.en, other.ja, other.values)

    def __hash__(self) -> int:
        return hash((self.en, self.ja))


def plain(value: str) -> str:
    """Text without characters that XML forbids (control characters, lone surrogates).

    >>> plain("a\\x00b")
    'ab'
    """
    return _NOT_XML.sub("", value)


def printable(text: str, most: int | None = None) -> str:
    r"""What a stranger may have written, for a terminal: in one line, and of bounded length.

    Control characters, and those that turn the direction of writing, are spelled out: they could
    clear the screen or feign other messages.

    >>> print(printable("a\x1b[2J\u202eb\nError: none"))
    a\x1b[2J\u202eb\nError: none
    """
    cut = text if most is None or len(text) <= most else f"{text[:most]}…"
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in _UNPRINTED else c for c in cut)


def current() -> Language:
    """The language in force."""
    return _language.get()


def use(language: Language) -> None:
    """Speak this language from now on in this context."""
    _language.set(language)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Speak a language for the length of a block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def from_locale() -> Language:
    """Japanese where the environment's locale is Japanese, otherwise English.

    ``TDH_LANG`` wins over ``LC_ALL``, ``LC_MESSAGES`` and ``LANG``; on Windows, where those are
    not set, the system's own setting is asked.
    """
    for name in ("TDH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "ja" if value.lower().startswith("ja") else "en"
    name = locale.getlocale()[0] or ""
    return "ja" if name.lower().startswith("ja") else "en"
