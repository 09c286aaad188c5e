"""Rows of files as events: those of a register, with their hashes, and those written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import (
    COLUMNS,
    GENESIS,
    Event,
    LedgerError,
    chained,
    dump,
    moment,
    shortened,
)
from tdh.register.states import BY_ACTION, NEW, SAME
from tdh.register.transfer import Row, action_of

Placed = tuple[str, dict[str, Any]]
"""Where it stands, and the row as the register holds it."""


def parted(rows: Sequence[Row], who: str = "") -> tuple[list[Placed], list[tuple[str, Event]]]:
    """Rows with a hash, checked against it, and rows by hand as events.

    Raises
    ------
    LedgerError
        With every row that cannot be used, and its place.
    """
    recorded: list[Placed] = []
    written: list[tuple[str, Event]] = []
    problems: list[Problem] = []
    for where, cells in rows:
        if cells.get("hash") or cells.get("previous"):
            row, found = _recorded(where, cells)
            recorded.append((where, row))
        else:
            event, found = _written(where, cells, who)
            if event is not None:
                written.append((where, event))
        problems += found
    if problems:
        raise LedgerError(*problems)
    return recorded, written


def _recorded(where: str, cells: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    row: dict[str, Any] = {name: cells.get(name, "") for name in COLUMNS}
    try:
        row["id"] = int(row["id"])
        intact = row["hash"] == chained(row)
    except ValueError:
        intact = False
    if not intact:
        return row, [
            Problem(
                Text(
                    "the row is not what was recorded: the chain of hashes does not hold",
                    "記録時の内容と一致しません(ハッシュの連鎖が途切れています)",
                ),
                value=shortened(str(row["id"])),
                where=where,
                fix=Text(
                    "export again; a spreadsheet may have changed numbers, dates or characters",
                    "書き出し直してください。表計算ソフトが数字・日付・文字を変えた可能性があります",
                ),
            )
        ]
    try:
        details = json.loads(row["details"])
        times = (row["at"], row["recorded"])
        if not isinstance(details, dict) or tuple(map(moment, times)) != times:
            raise ValueError(", ".join(times))
        event = Event(row["action"], row["who"], row["asset"], row["carrier"], row["round"],
                      row["why"], row["at"], details)  # fmt: skip
        if (event.who, event.why) != (row["who"], row["why"]):
            raise ValueError(ascii("\r"))
    except (ValueError, RecursionError) as error:
        text = Text("the row is not an event", "記録として読めない行です")
        return row, [Problem(text, shortened(str(error)), where=where)]
    return row, [_at(where, problem) for problem in event.problems()]


def _written(where: str, cells: Mapping[str, str], who: str) -> tuple[Event | None, list[Problem]]:
    problems = []
    details: Any = {}
    if text := cells.get("details", "").strip():
        try:
            details = json.loads(text)
        except (ValueError, RecursionError):
            details = None
        if not isinstance(details, dict):
            what = Text("details are not JSON", "詳細がJSONになりません")
            problems.append(Problem(what, shortened(text), '{"key": "value"}', where))
            details = {}
    for name in ("document", "due"):
        if text := cells.get(name, "").strip():
            details[name] = day(text) if name == "due" else text
    at = day(cells.get("at", "").strip())
    if not at:
        what = Text("the day on which it happened is missing", "発生日がありません")
        problems.append(Problem(what, expected="2026-11-23", where=where))
    event = Event(
        action_of(cells.get("action", "").strip()), cells.get("who", "").strip() or who,
        cells.get("asset", "").strip(), cells.get("carrier", "").strip(),
        cells.get("round", "").strip(), cells.get("why", ""), at or None, details,
    )  # fmt: skip
    problems += [_at(where, problem) for problem in event.problems()]
    return (None if problems else event), problems


SAID = ("at", "action", "round", "asset", "carrier", "who", "why", "details")
"""What two rows by hand have in common that tell of the same event."""


def unheard(
    written: Sequence[tuple[str, Event]], known: set[tuple[str, ...]]
) -> list[tuple[str, Event]]:
    """Events by hand that are not among ``known`` (as :data:`SAID`), each once, in their order.

    Lists of a day name no hour: events of the same day keep the order of their rows.
    """
    events = []
    for where, event in written:
        at = moment(event.at) if event.at is not None else ""
        said = (at, event.action, *event.key, event.who, event.why, dump(event.details))
        if said not in known:
            known.add(said)
            events.append((where, event))
    return events


def day(text: str) -> str:
    """A date as spreadsheets write it, in ISO 8601; what is no date stays as it is.

    >>> day("2026/4/1"), day("2026-04-01T00:00:00"), day("2026-04-01T10:30"), day("soon")
    ('2026-04-01', '2026-04-01', '2026-04-01T10:30', 'soon')
    """
    parts = text.replace("/", "-").removesuffix("T00:00:00").split("-")
    if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts):
        try:
            return date(*map(int, parts)).isoformat()
        except ValueError:
            return text
    return text


def _at(where: str, problem: Problem) -> Problem:
    inner = "" if problem.where is None else f": {problem.where}"
    return Problem(problem.what, problem.value, problem.expected, f"{where}{inner}", problem.fix)


def continued(
    rows: Sequence[Placed], mine: Sequence[str], states: dict[tuple[str, str, str], tuple[str, str]]
) -> list[Placed]:
    """The rows that a register does not hold yet, if they go on where it ends.

    Parameters
    ----------
    rows : sequence
        Checked rows in the order of their numbers.
    mine : sequence of str
        Hashes of the register's events.
    states : dict
        (round, asset, carrier) to state and time; brought up to date.

    Raises
    ------
    LedgerError
        If they tell another history, leave a gap, or do what the states do not allow.
    """
    new: list[Placed] = []
    problems: list[Problem] = []
    number, previous = len(mine), (mine[-1] if mine else GENESIS)
    for where, row in rows:
        if 1 <= row["id"] <= len(mine):
            if mine[row["id"] - 1] != row["hash"]:
                raise LedgerError(
                    Problem(
                        Text(
                            "the file tells another history than this register",
                            "この台帳と異なる履歴です",
                        ),
                        where=where,
                        fix=Text("import it into an empty register",
                                 "空の台帳に取り込んでください"),
                    )
                )  # fmt: skip
            continue
        if new and row["hash"] == previous:
            continue  # the same row twice
        if row["id"] != number + 1 or row["previous"] != previous:
            text = Text(
                "an event is missing before this one: the chain of hashes is broken",
                "直前の記録がありません(ハッシュの連鎖が途切れています)",
            )
            raise LedgerError(Problem(text, row["id"], str(number + 1), where))
        number, previous = row["id"], row["hash"]
        key = (row["round"], row["asset"], row["carrier"])
        state, since = states.get(key, (NEW, ""))
        transition = BY_ACTION[row["action"]]
        reached = state if transition.after == SAME else transition.after
        if state not in transition.before or row["state"] != reached or row["at"] < since:
            text = Text("this may not follow", "この状態からはできません")
            problems.append(Problem(text, f"{state or '-'} → {row['action']}", where=where))
        states[key] = (reached, row["at"])
        new.append((where, row))
    if problems:
        raise LedgerError(*problems)
    return new
