"""Events: what happened, to what, when, by whom and why; checked, and chained by hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.register.states import BY_ACTION

JAPAN = timezone(timedelta(hours=9))
"""A date without a time is a day in Japan."""
MAX_TEXT = 4_000
MAX_DETAILS = 100_000
GENESIS = "0" * 64
_FORBIDDEN = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters and halves of characters: no file for people could hold them."""


class LedgerError(InputError):
    """An event that the register does not take, or a register that is not whole."""


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Parameters
    ----------
    action : str
        One of the actions of :mod:`tdh.register.states`.
    who : str
        Who did it.
    asset, carrier, round : str
        What it concerns: an asset; a round; or all three, a case.
    why : str
        Reason; some actions demand one.
    at : datetime, date or str, optional
        When it happened; a date is a day in Japan. By default, now.
    details : mapping
        Anything else, as JSON: heights agreed, fees. ``document`` is the number of the paper (file
        number of a permit), ``due`` the day by which the next step is due.
    """

    action: str
    who: str
    asset: str = ""
    carrier: str = ""
    round: str = ""
    why: str = ""
    at: datetime | date | str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Forms and mails end their lines in three ways; files for people keep one of them.
        for name in ("who", "why"):
            value = getattr(self, name)
            if "\r" in value:
                value = value.replace("\r\n", "\n").replace("\r", "\n")
                object.__setattr__(self, name, value)

    @property
    def key(self) -> tuple[str, str, str]:
        """(round, asset, carrier)."""
        return (self.round, self.asset, self.carrier)

    @property
    def place(self) -> str:
        """What it is about, for messages."""
        return shortened(f"{self.action} {'/'.join(part for part in self.key if part)}")

    def problems(self) -> list[Problem]:
        """What is wrong with it, whatever the register holds."""
        where = self.place
        transition = BY_ACTION.get(self.action)
        if transition is None:
            return [
                Problem(
                    Text("the action is not known", "知らない操作です"),
                    value=shortened(self.action),
                    expected=", ".join(BY_ACTION),
                )
            ]
        found = []
        needed = {"asset": {"asset"}, "round": {"round"}, "case": {"asset", "carrier", "round"}}
        for name in ("asset", "carrier", "round"):
            given, wanted = bool(getattr(self, name)), name in needed[transition.kind]
            if given != wanted:
                text = (
                    Text("{name} must be given", "{name} が必要です", name=name)
                    if wanted
                    else Text("{name} does not belong here", "{name} は不要です", name=name)
                )
                found.append(Problem(text, where=where))
        if not self.who.strip():
            found.append(Problem(Text("who did it is missing", "操作者が空です"), where=where))
        if transition.needs_reason and not self.why.strip():
            found.append(Problem(Text("the reason is missing", "理由が必要です"), where=where))
        for name in ("who", "why", "asset", "carrier", "round"):
            value = getattr(self, name)
            if len(value) > MAX_TEXT:
                text = Text("{name} is too long", "{name} が長すぎます", name=name)
                found.append(Problem(text, len(value), f"≤ {MAX_TEXT:,}", where=where))
            if _FORBIDDEN.search(value) or (name not in ("who", "why") and "\n" in value):
                text = Text("{name} holds characters that cannot be kept",
                            "{name} に保存できない文字があります", name=name)  # fmt: skip
                found.append(Problem(text, ascii(value[:80]), where=where))
        found += self._details(where, transition.needs_document)
        if self.at is not None:
            try:
                moment(self.at)
            except ValueError:
                found.append(
                    Problem(
                        Text("the time cannot be read", "日時を読めません"),
                        value=shortened(str(self.at)),
                        expected="2026-11-23, 2026-11-23T10:00+09:00",
                        where=where,
                    )
                )
        return found

    def _details(self, where: str, needs_document: bool) -> list[Problem]:
        """What is wrong with the details."""
        if not isinstance(self.details, Mapping):
            return [Problem(Text("details are not JSON", "詳細がJSONになりません"), where=where)]
        try:
            size = len(dump(self.details).encode("utf-8"))
        except (TypeError, ValueError, RecursionError) as error:
            text = Text("details are not JSON", "詳細がJSONになりません")
            return [Problem(text, value=ascii(error), where=where)]
        found = []
        if _FORBIDDEN.search(dump(self.details)):
            text = Text("details hold characters that cannot be kept",
                        "詳細に保存できない文字があります")  # fmt: skip
            found.append(Problem(text, where=where))
        if size > MAX_DETAILS:
            text = Text("details are too long", "詳細が長すぎます")
            found.append(Problem(text, size, f"≤ {MAX_DETAILS:,}", where=where))
        if needs_document and not str(self.details.get("document") or "").strip():
            found.append(
                Problem(
                    Text("the number of the document is missing", "文書番号が必要です"),
                    where=where,
                    fix=Text("--document NUMBER", "--document 番号"),
                )
            )
        due = self.details.get("due")
        if due is not None or self.action == "extend":
            try:
                date.fromisoformat(str(due))
            except ValueError:
                text = Text("the day that it is due cannot be read", "期限の日付を読めません")
                found.append(Problem(text, shortened(str(due)), "2026-11-23", where=where))
        return found


def known_text(text: str) -> str:
    """A text to ask for; one that no event can hold becomes a text that none holds, either."""
    return "\t" if _FORBIDDEN.search(text) else text


def shortened(text: str) -> str:
    """A place in a message: one line, no control characters, at most 200 of them."""
    text = "".join(c if c.isprintable() else "?" for c in text[:201])
    return text if len(text) <= 200 else text[:199] + "…"


def moment(value: datetime | date | str, *, end_of_day: bool = False) -> str:
    """A time as the register writes it: UTC, to the microsecond, so that text sorts as time.

    Raises
    ------
    ValueError
        If it cannot be read, or lies outside the years 1900 to 2199.

    Examples
    --------
    >>> moment("2026-11-23")
    '2026-11-22T15:00:00.000000Z'
    >>> moment("2026-11-23", end_of_day=True)
    '2026-11-23T14:59:59.999999Z'
    """
    if isinstance(value, str):
        text = value
        try:
            value = date.fromisoformat(text)
        except ValueError:
            value = datetime.fromisoformat(text)
    if not 1900 <= value.year < 2200:
        raise ValueError(f"year {value.year}")
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=JAPAN)
        if end_of_day:
            value += timedelta(days=1) - timedelta(microseconds=1)
    if value.tzinfo is None:
        value = value.replace(tzinfo=JAPAN)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def limit(value: datetime | date | str) -> str:
    """A time up to which is asked; a date is the end of that day in Japan.

    Raises
    ------
    LedgerError
        If it cannot be read.
    """
    try:
        return moment(value, end_of_day=True)
    except ValueError:
        raise LedgerError(
            Problem(
                Text("the date cannot be read", "日付を読めません"),
                value=shortened(str(value)),
                expected="2026-11-23 (1900–2199)",
            )
        ) from None


def day_in_japan(at: str) -> date:
    """The day in Japan of a time as the register writes it.

    >>> day_in_japan("2026-11-22T15:00:00.000000Z")
    datetime.date(2026, 11, 23)
    """
    return datetime.fromisoformat(at).astimezone(JAPAN).date()


def dump(content: Any) -> str:
    """JSON in one canonical form."""
    return json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


COLUMNS = (
    *("id", "at", "recorded", "who", "why", "action", "round", "asset", "carrier", "state"),
    *("details", "previous", "hash"),
)


def chained(row: Mapping[str, Any]) -> str:
    """The hash of an event: over all its columns and the hash of the event before it."""
    content = [row[name] for name in COLUMNS if name != "hash"]
    return hashlib.sha256(dump(content).encode("utf-8")).hexdigest()
