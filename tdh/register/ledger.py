"""The register: what was offered to whom, asked, awarded, surveyed, permitted, on air, withdrawn."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tdh.errors import Problem
from tdh.language import Text
from tdh.register import checking, desk, importing, steps, telling, transfer
from tdh.register.desk import DEADLINES, Deadline
from tdh.register.events import (
    COLUMNS,
    GENESIS,
    JAPAN,
    Event,
    LedgerError,
    chained,
    dump,
    known_text,
    limit,
    moment,
    shortened,
)
from tdh.register.states import BY_ACTION, NEW, SAME
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
When = datetime | date | str
"""A time, or a day in Japan."""


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
    Every event carries the hash of the one before it: :meth:`verify` finds changes behind the
    register's back. Writers take turns; one that is killed leaves every event it was told of.

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

    def __exit__(self, *_: object) -> None:
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
        at: When | None = None,
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
        return self._add(list(events))

    def _add(
        self,
        events: list[Event],
        choose: Callable[[list[Event]], list[Event]] | None = None,
    ) -> list[int]:
        """Add events in one transaction; ``choose`` looks at the register and says which."""
        problems = [problem for event in events for problem in event.problems()]
        if problems:
            raise LedgerError(*problems)
        if not events:
            return []
        with self._store.transaction():
            if choose is not None:
                events = choose(events)
            rows = self._insert(events)
        return [int(row["id"]) for row in rows]

    def _insert(self, events: list[Event], places: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Events as rows into the tables, within a transaction; ``places``: where they stand."""
        rows, standing, problems = self._rows(events, moment(self._clock()), places)
        if problems:
            raise LedgerError(*problems)
        self._store.many(_INSERT, [[row[name] for name in COLUMNS] for row in rows])
        self._store.many(_STAND, [(*key, *value) for key, value in standing.items()])
        self._store.put_points(steps.points(events))
        return rows

    def _rows(
        self, events: list[Event], recorded: str, places: Sequence[str] = ()
    ) -> tuple[list[dict[str, Any]], dict[Any, tuple[str, str, int]], list[Problem]]:
        """Events as rows, the states that they lead to, and what speaks against them."""
        last = self._store.query("SELECT id, hash FROM events ORDER BY id DESC LIMIT 1")
        number, previous = last[0] if last else (0, GENESIS)
        before = self._states_of({event.key for event in events})
        after: dict[Any, tuple[str, str, int]] = {}
        rows: list[dict[str, Any]] = []
        problems: list[Problem] = []
        for turn, event in enumerate(events):
            transition = BY_ACTION[event.action]
            state, since = (after.get(event.key) or before.get(event.key) or (NEW, ""))[:2]
            at = moment(event.at) if event.at is not None else max(recorded, since)
            where = event.place if not places else f"{places[turn]}: {event.place}"
            if state not in transition.before:
                problems.append(checking.not_allowed(where, transition.kind, state))
                continue
            if not since <= at <= max(recorded, since):
                problems.append(checking.untimely(where, at, since, recorded))
                continue
            number += 1
            reached = state if transition.after == SAME else transition.after
            row: dict[str, Any] = {
                "id": number, "at": at, "recorded": recorded, "who": event.who, "why": event.why,
                "action": event.action, "round": event.round, "asset": event.asset,
                "carrier": event.carrier, "state": reached,
                "details": dump(event.details), "previous": previous,
            }  # fmt: skip
            previous = row["hash"] = chained(row)
            rows.append(row)
            after[event.key] = (reached, at, number)
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

    def list_assets(
        self, assets: gpd.GeoDataFrame, who: str, why: str = "", *, amend: bool = False
    ) -> int:
        """Put assets (table ``assets``) into the register and on its map; known ones are skipped.

        Parameters
        ----------
        assets : GeoDataFrame
        who, why : str
        amend : bool
            Also record facts of known assets that are no longer what the register holds; this
            needs a ``why``.

        Returns
        -------
        int
            How many were new.
        """
        events, new = steps.listing(assets, who, why), 0

        def choose(events: list[Event]) -> list[Event]:
            nonlocal new
            listed = "SELECT asset FROM standing WHERE carrier = '' AND asset > ''"
            known = self.facts() if amend else {asset: {} for (asset,) in self._store.query(listed)}
            chosen = [event for event in events if event.asset not in known]
            new = len(chosen)
            if amend:
                chosen += [
                    Event("amend", who, asset=event.asset, why=why, details=event.details)
                    for event in events
                    if event.asset in known
                    and {**known[event.asset], **event.details} != known[event.asset]
                ]
            problems = [problem for event in chosen for problem in event.problems()]
            if problems:
                raise LedgerError(*problems)
            return chosen

        self._add(events, choose)
        return new

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

    def record_new(self, events: Iterable[Event]) -> list[int]:
        """Add those events whose case (or asset, or round) the register has never heard of.

        So a plan's offers can be recorded again: the second time adds nothing.
        """

        def choose(events: list[Event]) -> list[Event]:
            known = self._states_of({event.key for event in events})
            return [event for event in events if event.key not in known]

        return self._add(list(events), choose)

    def award(self, round: str, award: Award, who: str) -> int:
        """Record a matching: every award and refusal with its reason. Returns their number.

        A second time with the same result, nothing is added.

        Raises
        ------
        LedgerError
            If the round was settled with another result, or a case was never requested.
        """
        return self.settle(round, [], award, who)

    def settle(self, round: str, before: Iterable[Event], award: Award, who: str) -> int:
        """Record a whole matching at once; a round that was closed is thereby settled.

        Parameters
        ----------
        round : str
        before : events
            Offers and requests; those that the register holds already are skipped.
        award : Award
        who : str
            Who settles it.

        Returns
        -------
        int
            How many awards and refusals were added: none where the same result stands already.

        Raises
        ------
        LedgerError
            If the round was settled with another result, or an event may not follow.
        """
        results = steps.results(round, award, who)
        added = 0

        def choose(events: list[Event]) -> list[Event]:
            nonlocal added
            held = self.events(round=round)
            matched = held["details"].str.contains('"rule":', regex=False)
            settled = held[matched & held["action"].isin(["award", "refuse"])]
            said = {(e.action, e.asset, e.carrier) for e in results}
            if len(settled):
                columns = (settled[c] for c in ("action", "asset", "carrier"))
                if set(zip(*columns, strict=True)) != said:
                    text = Text("the round is settled already, with another result",
                                "この募集回はすでに別の結果で確定しています")  # fmt: skip
                    fix = Text("change single cases with: tdh register record",
                               "個別の変更は tdh register record で記録してください")  # fmt: skip
                    raise LedgerError(Problem(text, where=shortened(round), fix=fix))
                return []
            columns = (held[c] for c in ("action", "asset", "carrier"))
            there = set(zip(*columns, strict=True))
            added = len(results)
            new = [e for e in events if (e.action, e.asset, e.carrier) not in there]
            own = held[(held["asset"] == "") & (held["carrier"] == "")]
            closed = len(own) and desk.without_staying(own)["state"].iloc[-1] == "closed"
            return [*new, Event("settle", who, round=round)] if closed else new

        self._add([*before, *results], choose)
        return added

    # --- reading -----------------------------------------------------------------------------

    def events(
        self,
        *,
        asset: str | None = None,
        carrier: str | None = None,
        round: str | None = None,
        as_of: When | None = None,
        known: When | None = None,
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
                values.append(known_text(value))
        for column, day in (("at", as_of), ("recorded", known)):
            if day is not None:
                sql += f" AND {column} <= ?"
                values.append(limit(day))
        frame = pd.DataFrame(self._store.query(sql + " ORDER BY id", values), columns=list(COLUMNS))
        return frame.astype({c: "int64" if c == "id" else "str" for c in COLUMNS})

    def state(
        self,
        asset: str = "",
        carrier: str = "",
        round: str = "",
        *,
        as_of: When | None = None,
    ) -> str:
        """The state of an asset, a round or a case; ``""``: the register knows nothing of it."""
        found = self.events(asset=asset, carrier=carrier, round=round, as_of=as_of)
        return str(found["state"].iloc[-1]) if len(found) else NEW

    def standing(self, *, as_of: When | None = None, known: When | None = None) -> pd.DataFrame:
        """Everything with its state, now or as of any time (table ``standing``)."""
        return self._standing(self.events(as_of=as_of, known=known))

    def _standing(self, events: pd.DataFrame) -> pd.DataFrame:
        frame = desk.without_staying(events)
        last = frame.drop_duplicates(["round", "asset", "carrier"], keep="last")
        kind = last["action"].map({name: t.kind for name, t in BY_ACTION.items()}).astype("str")
        table = last[["round", "asset", "carrier", "state", "at", "who", "why"]].rename(
            columns={"at": "since"}
        )
        table.insert(0, "kind", kind)
        return table.sort_values(["kind", "round", "asset", "carrier"]).reset_index(drop=True)

    def next(
        self,
        today: date | None = None,
        days: Mapping[str, int] | None = None,
        *,
        deadlines: Mapping[str, Deadline] | None = None,
        known: When | None = None,
    ) -> pd.DataFrame:
        """What waits for whom since when: the desk's day (table ``waiting``).

        Parameters
        ----------
        today : date, optional
            The day as of which; by default the clock's day in Japan.
        days : mapping of state to int, optional
            Days allowed in a state, where they differ from ``deadlines``.
        deadlines : mapping of state to Deadline, optional
            As :func:`tdh.register.desk.read_deadlines` reads them; by default those of
            :mod:`tdh.register.states`.
        known : datetime, date or str, optional
            Only what had been recorded by then.

        Returns
        -------
        DataFrame
            The longest overdue first, then what is due next.
        """
        now = today if today is not None else self._clock().astimezone(JAPAN).date()
        table = dict(deadlines if deadlines is not None else DEADLINES)
        for state, allowed_days in (days or {}).items():
            table[state] = Deadline(table[state].waits_for, allowed_days)
        with self._store.snapshot():
            events, facts = self.events(as_of=now, known=known), self.facts(as_of=now)
        return desk.waiting(self._standing(events), desk.due_days(events), facts, now, table)

    def facts(self, *, as_of: When | None = None) -> dict[str, dict[str, Any]]:
        """What the register knows of each asset: name, owner, municipality, position.

        As of a time; of an asset that was listed later, what its listing said.
        """
        until = None if as_of is None else limit(as_of)
        found: dict[str, dict[str, Any]] = {}
        for asset, at, details in self._store.query(
            "SELECT asset, at, details FROM events WHERE action IN ('list', 'amend') ORDER BY id"
        ):
            if asset not in found or until is None or at <= until:
                found.setdefault(asset, {}).update(json.loads(details))
        return found

    def history(
        self,
        *,
        asset: str | None = None,
        carrier: str | None = None,
        round: str | None = None,
        as_of: When | None = None,
        known: When | None = None,
    ) -> pd.DataFrame:
        """Events in words, in the language in force (table ``history``); see :meth:`events`."""
        return telling.history(
            self.events(asset=asset, carrier=carrier, round=round, as_of=as_of, known=known)
        )

    def cases(self, *, as_of: When | None = None, known: When | None = None) -> pd.DataFrame:
        """A row a case: its state, the day of each step, its papers (table ``cases``)."""
        with self._store.snapshot():
            events, facts = self.events(as_of=as_of, known=known), self.facts(as_of=as_of)
        return telling.cases(events, facts)

    def counts(
        self,
        by: Sequence[str] = (),
        *,
        as_of: When | None = None,
        known: When | None = None,
    ) -> pd.DataFrame:
        """How many are in each state, by ``round``, ``carrier`` or ``municipality``, if wanted."""
        with self._store.snapshot():
            standing = self.standing(as_of=as_of, known=known)
            facts = self.facts(as_of=as_of)
        return telling.counts(standing, facts, by)

    def verify(self) -> list[Problem]:
        """Whether the register is whole: the file, the chain of hashes, the states. Empty: it is."""
        problems = [
            Problem(Text("the file is damaged", "ファイルが壊れています"), value=text)
            for text in self._store.sound()[:_SHOWN]
        ]
        with self._store.snapshot():
            frame = self.events()
            standing = self._store.query("SELECT round, asset, carrier, state, event FROM standing")
        problems += checking.differences(frame, standing)
        return problems[:_SHOWN]

    # --- export and import -------------------------------------------------------------------

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all events, hashes included, to a file that :meth:`load` reads.

        Parameters
        ----------
        path : path
            ``.jsonl`` (JSON lines), ``.csv`` (UTF-8 with BOM), ``.xlsx``, or ``.gpkg``: a register
            of its own, with the map of assets. Cells that a spreadsheet could take for formulas
            are marked; :meth:`load` takes the mark away.

        Returns
        -------
        int
            The number of events.

        Raises
        ------
        LedgerError
            If it cannot be written, or is the register itself.
        """
        path = Path(path)
        transfer.check_suffix(path)
        own = getattr(self._store, "path", None)
        if own is not None and path.exists() and path.samefile(own):
            text = Text("this is the register itself", "書き出し先が台帳そのものです")
            raise LedgerError(Problem(text, where=str(path)))
        frame = self.events()
        if path.suffix.lower() != ".gpkg":
            transfer.write(frame, path)
            return len(frame)
        rows = [(str(row["id"]), row) for row in frame.to_dict("records")]
        with (
            transfer.written(path) as draft,
            Register(draft, clock=self._clock) as copy,
            copy._store.transaction(),
        ):
            copy._take(rows)
        return len(frame)

    def load(self, path: str | os.PathLike[str], *, who: str = "") -> int:
        """Take up the events of a file: all of them, or on any problem none.

        Rows with a hash are what :meth:`export` wrote (of this register, or of one that went on
        from here): those that are here already are skipped. Rows without one were written by
        hand: they are recorded as new, unless the same (day, action, whom, why) is here already.

        Parameters
        ----------
        path : path
            ``.jsonl``, ``.csv`` (UTF-8 or CP932), ``.xlsx`` or ``.gpkg``.
        who : str
            Who records rows that do not say.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        LedgerError
            If the file cannot be read, with every row that cannot be used; if it tells another
            history than this register.
        """
        recorded, written = importing.parted(transfer.read(Path(path)), who)
        with self._store.transaction():
            mine = [row[0] for row in self._store.query("SELECT hash FROM events ORDER BY id")]
            standing = self._store.query("SELECT round, asset, carrier, state, since FROM standing")
            states = {row[:3]: row[3:] for row in standing}
            ordered = sorted(recorded, key=lambda placed: placed[1]["id"])
            new = importing.continued(ordered, mine, states)
            self._take(new)
            known = self._store.query(f"SELECT {', '.join(importing.SAID)} FROM events")
            fresh = importing.unheard(written, set(known))
            events = [event for _, event in fresh]
            self._insert(events, [where for where, _ in fresh])
        return len(new) + len(events)

    def _take(self, rows: Sequence[importing.Placed]) -> None:
        """Rows of another register into the tables, within a transaction."""
        self._store.many(_INSERT, [[row[name] for name in COLUMNS] for _, row in rows])
        last = {(row["round"], row["asset"], row["carrier"]): row for _, row in rows}
        names = ("round", "asset", "carrier", "state", "at", "id")
        self._store.many(_STAND, [[row[n] for n in names] for row in last.values()])
        self._store.put_points(
            steps.points(
                Event(row["action"], "", row["asset"], details=json.loads(row["details"]))
                for _, row in rows
                if row["action"] in ("list", "amend")
            )
        )

    def write_next(
        self,
        path: str | os.PathLike[str],
        today: date | None = None,
        *,
        deadlines: Mapping[str, Deadline] | None = None,
    ) -> None:
        """The desk's day as an Excel workbook in the language in force; text stays text."""
        from tdh.register import workbook

        now = today if today is not None else self._clock().astimezone(JAPAN).date()
        workbook.write_waiting(self.next(now, deadlines=deadlines), Path(path), now)
