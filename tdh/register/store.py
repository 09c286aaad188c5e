"""Where a register's events are kept: what the ledger asks of a store, and which store a name means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import LedgerError
from tdh.register.sqlite import SqliteStore

SCHEMES = ("postgresql", "postgres")


class Store(Protocol):
    """A database with the tables ``events``, ``standing`` and ``assets``; values are marked ``?``."""

    def transaction(self) -> AbstractContextManager[None]:
        """All of the block or nothing; no other writer meanwhile."""

    def snapshot(self) -> AbstractContextManager[None]:
        """All queries of the block see the same state."""

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """A statement for many rows."""

    def put_points(self, rows: Sequence[tuple[str, str, float, float]]) -> None:
        """Place assets on the register's map layer: id, name, longitude, latitude (JGD2011)."""

    def sound(self) -> list[str]:
        """What the database itself finds wrong."""

    def close(self) -> None:
        """Let go of the database."""


def open_store(place: str | os.PathLike[str]) -> Store:
    """The store of a path (SQLite) or of a URL ``postgresql://…`` (PostGIS).

    Raises
    ------
    LedgerError
        If it is neither, cannot be reached, or holds something else.
    """
    scheme, separator, _ = str(place).partition("://")
    if not separator:
        return SqliteStore(place)
    if scheme not in SCHEMES:
        raise LedgerError(
            Problem(
                Text("registers are not kept there", "台帳をそこに置くことはできません"),
                value=f"{scheme}://…",
                expected=Text(
                    "a .gpkg file, or postgresql://…", ".gpkg ファイル、または postgresql://…"
                ).render("en"),
            )
        )
    from tdh.register.postgres import PostgresStore

    return PostgresStore(str(place))
