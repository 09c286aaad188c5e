"""Events: what happened, to what, when, by whom and why; checked, and chained by hashes."""

from __future__ import annotations

import hashlib
import json
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
        Anything else, as JSON: heights agreed, file numbers, fees.
    """

    action: str
    who: str
    asset: str = ""
    carrier: str = ""
    round: str = ""
    why: str = ""
    at: datetime | date | str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """(round, asset, carrier)."""
        return (self.round, self.asset, self.carrier)

    def problems(self) -> list[Problem]:
        """What is wrong with it, whatever the register holds."""
        where = f"{self.action} {'/'.join(part for part in self.key if part)}"
        transition = BY_ACTION.get(self.action)
        if transition is None:
            return [
                Problem(
                    Text("the action is not known", "知らない操作です"),
                    value=self.action,
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
            if len(value) > MAX_TEXT or "\x00" in value:
                found.append(
                    Problem(
                        Text("{name} is too long or holds a null", "{name} が長すぎるか不正です", name=name),
                        where=where,
                    )
                )  # fmt: skip
        try:
            if len(dump(self.details)) > MAX_DETAILS:
                found.append(Problem(Text("details are too long", "詳細が長すぎます"), where=where))
        except (TypeError, ValueError) as error:
            found.append(Problem(Text("details are not JSON", "詳細がJSONになりません"),
                                 value=str(error), where=where))  # fmt: skip
        if self.at is not None:
            try:
                moment(self.at)
            except ValueError:
                found.append(
                    Problem(
                        Text("the time cannot be read", "日時を読めません"),
                        value=self.at,
                        expected="2026-11-23, 2026-11-23T10:00+09:00",
                        where=where,
                    )
                )
        return found


def moment(value: datetime | date | str, *, end_of_day: bool = False) -> str:
    """A time as the register writes it: UTC, to the microsecond, so that text sorts as time.

    >>> moment("2026-11-23")
    '2026-11-22T15:00:00.000000Z'
    >>> moment("2026-11-23", end_of_day=True)
    '2026-11-23T14:59:59.999999Z'
    """
    if isinstance(value, str):
        value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=JAPAN)
        if end_of_day:
            value += timedelta(days=1) - timedelta(microseconds=1)
    if value.tzinfo is None:
        value = value.replace(tzinfo=JAPAN)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
