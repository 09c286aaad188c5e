"""The one-stop desk's day: what waits for whom, since when, until when; also as a workbook."""

from __future__ import annotations

import csv
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import LedgerError, day_in_japan, shortened
from tdh.register.states import BY_STATE, SAME, STATES, TRANSITIONS, allowed

WAITING = (
    *("waits_for", "kind", "round", "asset", "name", "municipality", "carrier", "state", "since"),
    *("days", "due", "overdue_days", "may_follow"),
)
_STAYING = frozenset(t.action for t in TRANSITIONS if t.after == SAME)
_MOST_DAYS = 36_500


@dataclass(frozen=True)
class Deadline:
    """Who must act in a state, and within how many days; None: no limit."""

    waits_for: str | None
    days: int | None


DEADLINES: Mapping[str, Deadline] = {s.name: Deadline(s.waits_for, s.days) for s in STATES}
"""What holds where nothing else is said: the table of :mod:`tdh.register.states`."""


def read_deadlines(path: str | os.PathLike[str]) -> dict[str, Deadline]:
    """Deadlines of a programme: those of a file, and for other states :data:`DEADLINES`.

    Parameters
    ----------
    path : path
        CSV with the columns ``state``, ``days`` (empty: no limit) and, if wanted, ``waits_for``;
        or TOML with a table ``[days]`` (``requested = 20``; 0 is due the same day, ``false`` no
        limit) and, if wanted, ``[waits_for]`` (``surveyed = "bureau"``).

    Raises
    ------
    LedgerError
        With everything that is wrong in the file.
    """
    path = Path(path)
    try:
        held = path.read_bytes()
        try:
            content = held.decode("utf-8-sig")
        except UnicodeDecodeError:
            content = held.decode("cp932")
        toml = path.suffix.lower() == ".toml"
        said = list(_of_toml(content) if toml else _of_csv(content))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise LedgerError(
            Problem(
                Text("the deadlines cannot be read", "期限表を読めません"),
                value=str(error),
                where=str(path),
            )
        ) from None
    out, problems = dict(DEADLINES), []
    for where, state, column, value in said:
        place = f"{path}, {where}"
        if state not in DEADLINES or DEADLINES[state].waits_for is None:
            text = Text("nothing waits in this state", "待ちの生じない状態です")
            waiting = [s for s, d in DEADLINES.items() if d.waits_for]
            problems.append(Problem(text, shortened(state), ", ".join(waiting), place))
            continue
        old = out[state]
        if column == "waits_for":
            out[state] = Deadline(str(value), old.days)
            continue
        days = _days(value)
        if days is None and value not in ("", False, None):
            text = Text("not a number of days", "日数ではありません")
            problems.append(Problem(text, shortened(str(value)), f"0–{_MOST_DAYS}", place))
        out[state] = Deadline(old.waits_for, days)
    if problems:
        raise LedgerError(*problems)
    return out


def _of_toml(content: str) -> Iterable[tuple[str, str, str, Any]]:
    tables = tomllib.loads(content)
    for table, entries in tables.items():
        if table not in ("days", "waits_for") or not isinstance(entries, dict):
            raise tomllib.TOMLDecodeError(f"[{table}]: only [days] and [waits_for] are known")
        for state, value in entries.items():
            yield f"{table}.{state}", state, table, value


def _of_csv(content: str) -> Iterable[tuple[str, str, str, Any]]:
    reader = csv.DictReader(content.splitlines(), strict=True)
    if not {"state", "days"} <= set(reader.fieldnames or ()):
        raise csv.Error("columns: state, days, waits_for")
    for row in reader:
        state = (row["state"] or "").strip()
        yield str(reader.line_num), state, "days", (row["days"] or "").strip()
        if who := (row.get("waits_for") or "").strip():
            yield str(reader.line_num), state, "waits_for", who


def _days(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _MOST_DAYS else None


def waiting(
    standing: pd.DataFrame,
    due: Mapping[tuple[str, str, str], str],
    facts: Mapping[str, Mapping[str, Any]],
    today: date,
    deadlines: Mapping[str, Deadline],
) -> pd.DataFrame:
    """What waits for whom (table ``waiting``), the longest overdue first, then the next due.

    Parameters
    ----------
    standing : DataFrame
        Table ``standing`` as of the day.
    due : mapping
        (round, asset, carrier) to a day that an event named; it goes before the table's days.
    facts : mapping
        Asset to what the register knows of it.
    today : date
        The day in Japan.
    deadlines : mapping of state to Deadline
    """
    rows = []
    for row in standing.itertuples():
        said = deadlines.get(row.state, DEADLINES[row.state])
        if said.waits_for is None or BY_STATE[row.kind, row.state].waits_for is None:
            continue
        since = day_in_japan(row.since)
        last = due.get((row.round, row.asset, row.carrier))
        if last is None and said.days is not None:
            last = (since + timedelta(days=said.days)).isoformat()
        asset = facts.get(row.asset, {})
        by_carrier = said.waits_for == "carrier" and row.carrier
        rows.append(
            {
                "waits_for": row.carrier if by_carrier else said.waits_for,
                "kind": row.kind, "round": row.round, "asset": row.asset,
                "carrier": row.carrier, "state": row.state, "since": since.isoformat(),
                "days": (today - since).days, "due": last,
                "overdue_days": max(0, (today - date.fromisoformat(last)).days) if last else 0,
                "may_follow": ", ".join(allowed(row.kind, row.state)),
                "name": str(asset.get("name", "")),
                "municipality": str(asset.get("municipality", "")),
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(WAITING))
    frame["due"] = frame["due"].astype("str")
    for column in ("days", "overdue_days"):
        frame[column] = frame[column].astype("int64")
    order = ["overdue_days", "due", "days", "round", "asset", "carrier"]
    return frame.sort_values(order, ascending=[False, True, False, True, True, True]).reset_index(
        drop=True
    )


def due_days(events: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """Days that events named for the present step of each case: the last that was said counts."""
    found: dict[tuple[str, str, str], str] = {}
    columns = (events[c] for c in ("round", "asset", "carrier", "action", "details"))
    for round_, asset, carrier, action, details in zip(*columns, strict=True):
        key = (round_, asset, carrier)
        if action not in _STAYING:
            found.pop(key, None)  # a new step, a new deadline
        if '"due"' in details and (day := json.loads(details).get("due")) is not None:
            found[key] = str(date.fromisoformat(str(day)))
    return found


def without_staying(events: pd.DataFrame) -> pd.DataFrame:
    """Events that led somewhere: notes and moved deadlines change no state."""
    return events[~events["action"].isin(_STAYING)]
