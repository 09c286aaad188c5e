"""The register: what was offered to whom, asked, awarded, surveyed, permitted, on air, withdrawn."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd

from tdh.errors import Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.register.events import COLUMNS, GENESIS, Event, LedgerError, chained, dump, moment
from tdh.register.states import BY_ACTION, BY_STATE, NEW, allowed
from tdh.register.store import open_store

if TYPE_CHECKING:
    import geopandas as gpd

    from tdh.matching import Award

_INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_STAND = (
    "INSERT INTO standing (round, asset, carrier, state, since, event) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (round, asset, carrier) DO UPDATE SET state = excluded.state, "
    "since = excluded.since, event = excluded.event"
)
_SHOWN = 50


class Register:
    """A ledger to which events are added and from which nothing is taken.

    Parameters
    ----------
    path : path or str
        A GeoPackage, made where there is none; or ``postgresql://user@host/database``, whose
        tables are made where there are none (PostGIS). QGIS shows the assets and tables of both.
    clock : callable, optional
        What gives the time of recording; by default the system's, in UTC.

    Raises
    ------
    LedgerError
        If the file or the schema is something else, or the server cannot be reached.

    Notes
    -----
    Every event carries the hash of the one before it: a change behind the register's back is
    found by :meth:`verify`. Writers take turns; a process that is killed leaves every event that
    it had been told was recorded.

    Examples
    --------
    >>> import tempfile
    >>> with Register(Path(tempfile.mkdtemp()) / "register.gpkg") as register:
    ...     _ = register.record("offer", "desk", round="R1", asset="A-1", carrier="alpha")
    ...     _ = register.record("request", "alpha", round="R1", asset="A-1", carrier="alpha")
    ...     register.state("A-1", "alpha", "R1")
    'requested'
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._clock = clock if clock is not None else lambda: datetime.now(UTC)
        self._store = open_store(path)

    def __enter__(self) -> Register:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the register."""
        self._store.close()

    # --- writing -----------------------------------------------------------------------------

    def record(
        self,
        action: str,
        who: str,
        *,
        asset: str = "",
        carrier: str = "",
        round: str = "",
        why: str = "",
        at: datetime | date | str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Add one event; see :class:`Event`. Returns its number.

        Raises
        ------
        LedgerError
            If the event is incomplete, or may not follow what the register holds.
        """
        event = Event(action, who, asset, carrier, round, why, at, details or {})
        return self.record_many([event])[-1]

    def record_many(self, events: Iterable[Event]) -> list[int]:
        """Add events in their order: all of them, or on any problem none.

        Raises
        ------
        LedgerError
            With the problems of all events.
        """
        return self._add(list(events), [])

    def _add(self, events: list[Event], points: list[tuple[str, str, float, float]]) -> list[int]:
        problems = [problem for event in events for problem in event.problems()]
        if problems:
            raise LedgerError(*problems)
        if not events:
            return []
        with self._store.transaction():
            recorded = moment(self._clock())
            rows, standing, problems = self._rows(events, recorded)
            if problems:
                raise LedgerError(*problems)
            self._store.many(_INSERT, [[row[name] for name in COLUMNS] for row in rows])
            self._store.many(_STAND, [(*key, *value) for key, value in standing.items()])
            self._store.put_points(points)
        return [int(row["id"]) for row in rows]

    def _rows(
        self, events: list[Event], recorded: str
    ) -> tuple[list[dict[str, Any]], dict[Any, tuple[str, str, int]], list[Problem]]:
        """Events as rows, the states that they lead to, and what speaks against them."""
        last = self._store.query("SELECT id, hash FROM events ORDER BY id DESC LIMIT 1")
        number, previous = last[0] if last else (0, GENESIS)
        before = self._states_of({event.key for event in events})
        after: dict[Any, tuple[str, str, int]] = {}
        rows: list[dict[str, Any]] = []
        problems: list[Problem] = []
        for event in events:
            transition = BY_ACTION[event.action]
            state, since = (after.get(event.key) or before.get(event.key) or (NEW, ""))[:2]
            at = moment(event.at) if event.at is not None else max(recorded, since)
            where = f"{event.action} {'/'.join(part for part in event.key if part)}"
            if state not in transition.before:
                problems.append(_not_allowed(where, transition.kind, state))
                continue
            if not since <= at <= max(recorded, since):
                problems.append(_untimely(where, at, since, recorded))
                continue
            number += 1
            row: dict[str, Any] = {
                "id": number, "at": at, "recorded": recorded, "who": event.who, "why": event.why,
                "action": event.action, "round": event.round, "asset": event.asset,
                "carrier": event.carrier, "state": transition.after,
                "details": dump(event.details), "previous": previous,
            }  # fmt: skip
            previous = row["hash"] = chained(row)
            rows.append(row)
            after[event.key] = (transition.after, at, number)
        return rows, after, problems

    def _states_of(self, keys: set[tuple[str, str, str]]) -> dict[Any, tuple[str, str]]:
        if len(keys) > 500:
            every = self._store.query("SELECT round, asset, carrier, state, since FROM standing")
            return {row[:3]: row[3:] for row in every if row[:3] in keys}
        found = {}
        for key in keys:
            for row in self._store.query(
                "SELECT state, since FROM standing WHERE round = ? AND asset = ? AND carrier = ?",
                key,
            ):
                found[key] = row
        return found

    # --- whole steps of a round --------------------------------------------------------------

    def list_assets(self, assets: gpd.GeoDataFrame, who: str, why: str = "") -> int:
        """Put assets (table ``assets``) into the register and on its map; known ones are skipped.

        Returns
        -------
        int
            How many were new.
        """
        known = {
            row[0]
            for row in self._store.query("SELECT asset FROM standing WHERE carrier = '' AND asset > ''")
        }  # fmt: skip
        new = assets[~assets.index.isin(known)]
        facts = [c for c in ("name", "kind", "owner", "latitude", "longitude") if c in new.columns]
        events = [
            Event("list", who, asset=str(asset), why=why, details=_plain(details))
            for asset, details in zip(new.index, new[facts].to_dict("records"), strict=True)
        ]
        places = [
            (str(asset), str(row["name"]), float(row["longitude"]), float(row["latitude"]))
            for asset, row in zip(new.index, new.to_dict("records"), strict=True)
        ]
        self._add(events, places)
        return len(new)

    def offer(
        self, round: str, offers: Mapping[str, Iterable[str]], who: str, why: str = ""
    ) -> int:
        """Record what is offered in a round: carrier to assets. Returns the number of cases."""
        return len(
            self.record_many(
                Event("offer", who, asset=asset, carrier=carrier, round=round, why=why)
                for carrier, assets in offers.items()
                for asset in assets
            )
        )

    def award(self, round: str, award: Award, who: str) -> int:
        """Record a matching: every award and refusal with its reason. Returns their number."""
        rule = {"rule": award.rule, "seed": award.seed}
        events = [
            Event("award", who, asset=row.asset, carrier=row.carrier, round=round,
                  why=row.reason_ja, details={**rule, "rank": row.rank, "reason_en": row.reason_en})
            for row in award.awards.itertuples()
        ]  # fmt: skip
        events += [
            Event("refuse", who, asset=row.asset, carrier=row.carrier, round=round,
                  why=row.reason_ja,
                  details={**rule, "rank": row.rank, "cause": row.cause, "reason_en": row.reason_en,
                           "change_ja": row.change_ja, "change_en": row.change_en})
            for row in award.refusals.itertuples()
        ]  # fmt: skip
        return len(self.record_many(events))

    # --- reading -----------------------------------------------------------------------------

    def events(
        self,
        *,
        asset: str | None = None,
        carrier: str | None = None,
        round: str | None = None,
        as_of: datetime | date | str | None = None,
        known: datetime | date | str | None = None,
    ) -> pd.DataFrame:
        """Events in the order of recording (table ``events``).

        Parameters
        ----------
        asset, carrier, round : str, optional
            Only theirs.
        as_of : datetime, date or str, optional
            Only what had happened by then; a date is the end of that day in Japan.
        known : datetime, date or str, optional
            Only what had been recorded by then: what the desk knew.
        """
        sql, values = f"SELECT {', '.join(COLUMNS)} FROM events WHERE 1 = 1", []
        for column, value in (("asset", asset), ("carrier", carrier), ("round", round)):
            if value is not None:
                sql += f" AND {column} = ?"
                values.append(value)
        for column, limit in (("at", as_of), ("recorded", known)):
            if limit is not None:
                sql += f" AND {column} <= ?"
                values.append(moment(limit, end_of_day=True))
        frame = pd.DataFrame(self._store.query(sql + " ORDER BY id", values), columns=list(COLUMNS))
        return frame.astype({c: "int64" if c == "id" else "str" for c in COLUMNS})

    def state(
        self,
        asset: str = "",
        carrier: str = "",
        round: str = "",
        *,
        as_of: datetime | date | str | None = None,
    ) -> str:
        """The state of an asset, a round or a case; ``""``: the register knows nothing of it."""
        found = self.events(asset=asset, carrier=carrier, round=round, as_of=as_of)
        return str(found["state"].iloc[-1]) if len(found) else NEW

    def standing(
        self,
        *,
        as_of: datetime | date | str | None = None,
        known: datetime | date | str | None = None,
    ) -> pd.DataFrame:
        """Everything with its state, now or as of any time (table ``standing``)."""
        frame = self.events(as_of=as_of, known=known)
        last = frame.drop_duplicates(["round", "asset", "carrier"], keep="last")
        kind = last["action"].map({name: t.kind for name, t in BY_ACTION.items()}).astype("str")
        table = last[["round", "asset", "carrier", "state", "at", "who", "why"]].rename(
            columns={"at": "since"}
        )
        table.insert(0, "kind", kind)
        return table.sort_values(["kind", "round", "asset", "carrier"]).reset_index(drop=True)

    def next(
        self, today: date | None = None, days: Mapping[str, int] | None = None
    ) -> pd.DataFrame:
        """What waits for whom since when: the desk's day (table ``waiting``).

        Parameters
        ----------
        today : date, optional
            By default the clock's day in Japan.
        days : mapping of state to int, optional
            Days allowed in a state, where they differ from :mod:`tdh.register.states`.

        Returns
        -------
        DataFrame
            The longest overdue first.
        """
        now = today if today is not None else (self._clock() + timedelta(hours=9)).date()
        rows = []
        for row in self.standing().itertuples():
            state = BY_STATE[row.kind, row.state]
            if state.waits_for is None:
                continue
            limit = (days or {}).get(state.name, state.days)
            since = (datetime.fromisoformat(row.since) + timedelta(hours=9)).date()
            due = since + timedelta(days=limit) if limit is not None else None
            rows.append(
                {
                    "waits_for": row.carrier if state.waits_for == "carrier" and row.carrier
                    else state.waits_for,
                    "kind": row.kind, "round": row.round, "asset": row.asset,
                    "carrier": row.carrier, "state": row.state, "since": since.isoformat(),
                    "days": (now - since).days, "due": due.isoformat() if due else None,
                    "overdue_days": max(0, (now - due).days) if due else 0,
                    "may_follow": ", ".join(allowed(row.kind, row.state)),
                }
            )  # fmt: skip
        columns = ["waits_for", "kind", "round", "asset", "carrier", "state", "since", "days",
                   "due", "overdue_days", "may_follow"]  # fmt: skip
        frame = pd.DataFrame(rows, columns=columns)
        order = ["overdue_days", "days", "round", "asset", "carrier"]
        return frame.sort_values(order, ascending=[False, False, True, True, True]).reset_index(
            drop=True
        )

    def verify(self) -> list[Problem]:
        """Whether the register is whole: the file, the chain of hashes, the states. Empty: it is."""
        problems = [
            Problem(Text("the file is damaged", "ファイルが壊れています"), value=text)
            for text in self._store.sound()[:_SHOWN]
        ]
        with self._store.snapshot():
            frame = self.events()
            standing = self._store.query("SELECT round, asset, carrier, state, event FROM standing")
        previous, states = GENESIS, {}
        for number, row in enumerate(frame.to_dict("records"), start=1):
            if row["id"] != number or row["previous"] != previous or row["hash"] != chained(row):
                problems.append(
                    Problem(
                        Text(
                            "an event is not what was recorded, or one is missing before it",
                            "記録が書き換えられたか、直前の記録が失われています",
                        ),
                        value=row["id"],
                        where="events",
                    )
                )
            previous = row["hash"]
            states[row["round"], row["asset"], row["carrier"]] = (row["state"], row["id"])
        held = {row[:3]: row[3:] for row in standing}
        if held != states:
            problems.append(
                Problem(
                    Text("states do not follow from the events", "状態が記録と一致しません"),
                    value=[k for k in {**held, **states} if held.get(k) != states.get(k)][:3],
                    where="standing",
                )
            )
        return problems[:_SHOWN]

    # --- export and import -------------------------------------------------------------------

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all events as JSON lines, hashes included. Returns their number."""
        frame = self.events()
        with atomic(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as handle:
            for row in frame.to_dict("records"):
                handle.write(dump(row) + "\n")
        return len(frame)

    def load(self, path: str | os.PathLike[str]) -> int:
        """Take up events that :meth:`export` wrote, where they continue this register.

        Events that are here already are skipped; a history that differs is refused as a whole.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        LedgerError
            If the file is damaged, or tells another story.
        """
        rows = _read_lines(Path(path))
        with self._store.transaction():
            mine = [row[0] for row in self._store.query("SELECT hash FROM events ORDER BY id")]
            problems = _unlike(rows, mine, str(path))
            if problems:
                raise LedgerError(*problems)
            new = rows[len(mine) :]
            self._store.many(_INSERT, [[row[name] for name in COLUMNS] for row in new])
            self._store.many(
                _STAND,
                [
                    [row[n] for n in ("round", "asset", "carrier", "state", "at", "id")]
                    for row in new
                ],
            )
            points = [point for row in new if (point := _point(row)) is not None]
            self._store.put_points(points)
        return len(new)

    def write_next(self, path: str | os.PathLike[str], today: date | None = None) -> None:
        """The desk's day as an Excel workbook, one sheet; text stays text."""
        import xlsxwriter

        from tdh import schemas

        frame = self.next(today)
        with atomic(path) as draft:
            book = xlsxwriter.Workbook(
                draft, {"strings_to_formulas": False, "strings_to_urls": False}
            )
            sheet = book.add_worksheet("待ち一覧")
            bold = book.add_format({"bold": True, "bg_color": "#DCE6F1", "text_wrap": True})
            late = book.add_format({"bg_color": "#F8CBAD"})
            for column, name in enumerate(frame.columns):
                sheet.write_string(0, column, schemas.label("waiting", name, "ja"), bold)
                sheet.set_column(column, column, 16)
            for line, row in enumerate(frame.itertuples(index=False), start=1):
                style = late if row.overdue_days else None
                for column, value in enumerate(row):
                    if isinstance(value, int):
                        sheet.write_number(line, column, value, style)
                    elif isinstance(value, str):
                        sheet.write_string(line, column, value, style)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, max(1, len(frame)), len(frame.columns) - 1)
            book.close()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if isinstance(v, str) or (v is not None and v == v)}


def _point(row: Mapping[str, Any]) -> tuple[str, str, float, float] | None:
    if row["action"] != "list":
        return None
    details = json.loads(row["details"])
    if "longitude" not in details or "latitude" not in details:
        return None
    name = str(details.get("name", ""))
    return row["asset"], name, float(details["longitude"]), float(details["latitude"])


def _read_lines(path: Path) -> list[dict[str, Any]]:
    rows, problems = [], []
    try:
        # Not splitlines: texts may hold other characters that Unicode takes for line ends.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        lines = [] if lines == [""] else lines
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(
            Problem(Text("the file cannot be read", "ファイルを読めません"), value=str(error),
                    where=str(path))
        ) from None  # fmt: skip
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or set(row) != set(COLUMNS):
                raise ValueError("not an event")
            if not all(isinstance(row[n], str) for n in COLUMNS if n != "id"):
                raise ValueError("not text")
            if row["action"] not in BY_ACTION or BY_ACTION[row["action"]].after != row["state"]:
                raise ValueError("action and state do not fit")
            json.loads(row["details"])
        except (ValueError, RecursionError) as error:
            problems.append(
                Problem(Text("a line is not an event", "記録として読めない行です"), value=str(error),
                        where=f"{path}, {number}")
            )  # fmt: skip
            continue
        rows.append(row)
    if problems:
        raise LedgerError(*problems[:_SHOWN])
    return rows


def _unlike(rows: list[dict[str, Any]], mine: list[str], where: str) -> list[Problem]:
    previous = GENESIS
    for number, row in enumerate(rows, start=1):
        if row["id"] != number or row["previous"] != previous or row["hash"] != chained(row):
            return [
                Problem(
                    Text("the chain of hashes is broken", "ハッシュの連鎖が途切れています"),
                    value=row["id"],
                    where=f"{where}, {number}",
                )
            ]
        previous = row["hash"]
    same = [row["hash"] for row in rows[: len(mine)]]
    if same != mine[: len(same)]:
        return [
            Problem(
                Text(
                    "the file tells another history than this register",
                    "この台帳と異なる履歴です",
                ),
                where=where,
                fix=Text("load it into an empty register", "空の台帳に読み込んでください"),
            )
        ]
    return []


def _not_allowed(where: str, kind: str, state: str) -> Problem:
    label = BY_STATE[kind, state].label if state else Text("nothing recorded yet", "未登録")
    return Problem(
        Text("this may not follow", "この状態からはできません"),
        value=str(state) or "-",
        expected=", ".join(allowed(kind, state)) or "-",
        where=where,
        fix=Text("its state is: {label}", "現在の状態: {label}", label=label),
    )


def _untimely(where: str, at: str, since: str, recorded: str) -> Problem:
    return Problem(
        Text("the time lies before the last event, or in the future", "直前の記録より前か、未来の日時です"),
        value=at,
        expected=f"{since or '…'} – {recorded}",
        where=where,
    )  # fmt: skip
