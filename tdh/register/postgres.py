"""The register on a server: PostgreSQL with PostGIS, the same tables as in the file."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import LedgerError
from tdh.register.sqlite import BUSY_SECONDS, VERSION

if TYPE_CHECKING:
    import psycopg

_SRID = 6668
_CONNECT_SECONDS = 10
_PREPARING = 0x7464_6872
"""The advisory lock under which the tables are made ("tdhr")."""

# Times and identifiers sort by their bytes, as in the file, whatever the server's language is.
_TABLES = f"""
CREATE TABLE register (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE events (id bigint PRIMARY KEY, at text COLLATE "C" NOT NULL,
  recorded text COLLATE "C" NOT NULL, who text NOT NULL, why text NOT NULL, action text NOT NULL,
  round text NOT NULL, asset text NOT NULL, carrier text NOT NULL, state text NOT NULL,
  details text NOT NULL, previous text NOT NULL, hash text NOT NULL UNIQUE);
CREATE INDEX events_case ON events (round, asset, carrier, id);
CREATE FUNCTION events_only_grow() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'events can only be added'; END $$;
CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION events_only_grow();
CREATE TABLE standing (fid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, round text NOT NULL,
  asset text NOT NULL, carrier text NOT NULL, state text NOT NULL, since text COLLATE "C" NOT NULL,
  event bigint NOT NULL, UNIQUE (round, asset, carrier));
CREATE TABLE assets (fid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  geom geometry(Point, {_SRID}), asset_id text NOT NULL UNIQUE, name text);
CREATE INDEX assets_geom ON assets USING gist (geom);
CREATE VIEW cases AS SELECT s.fid, a.geom, s.round, s.asset, a.name, s.carrier, s.state, s.since
  FROM standing s JOIN assets a ON a.asset_id = s.asset WHERE s.carrier > '';
INSERT INTO register VALUES ('version', '{VERSION}');
"""


class PostgresStore:
    """Events in the first schema of a connection's search path. One writer at a time.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host/database``, as libpq reads it; other programmes'
        registers in the same database have a schema each: ``?options=-csearch_path%3Dname,public``.

    Raises
    ------
    LedgerError
        If psycopg is not installed, the server cannot be reached, PostGIS is missing, or the
        schema holds something else. The password is in no message.

    Notes
    -----
    A writer locks the table of events, so numbers and hashes follow each other without gaps;
    readers are never held up. A commit is answered after it is on the server's disk.
    """

    def __init__(self, url: str) -> None:
        if find_spec("psycopg") is None:
            raise LedgerError(
                Problem(
                    Text(
                        "a register on a server needs psycopg",
                        "サーバー上の台帳にはpsycopgが必要です",
                    ),
                    fix=Text(
                        "pip install 'tdh[postgis]'",
                        "pip install 'tdh[postgis]' を実行してください",
                    ),
                )
            )
        import psycopg

        self._where = re.sub(r"^(\w+://)(?:[^/@]*@)?([^?]*).*$", r"\1\2", url)
        self._lock = threading.RLock()  # threads that share a register take turns
        with self._told():
            self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(
                url, autocommit=True, connect_timeout=_CONNECT_SECONDS
            )
        try:
            with self._told():
                # What was told must survive, however the server is set up.
                self._connection.execute("SET synchronous_commit = on")
                self._connection.execute(f"SET lock_timeout = {round(BUSY_SECONDS * 1000)}")
                self._connection.execute("SET client_min_messages = warning")
                self._prepare()
        except LedgerError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; no other writer meanwhile, readers as ever."""
        with self._lock, self._told(), self._connection.transaction():
            self._connection.execute("LOCK TABLE events IN EXCLUSIVE MODE")
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries of the block see the same state."""
        with self._lock, self._told(), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self._lock, self._told():
            return self._connection.execute(_marked(sql), values).fetchall()

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """A statement for many rows."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.executemany(_marked(sql), rows)

    def put_points(self, rows: Sequence[tuple[str, str, float, float]]) -> None:
        """Place assets on the register's map layer: id, name, longitude, latitude."""
        self.many(
            "INSERT INTO assets (geom, asset_id, name) "
            f"VALUES (ST_SetSRID(ST_MakePoint(?, ?), {_SRID}), ?, ?) "
            "ON CONFLICT (asset_id) DO UPDATE SET geom = excluded.geom, "
            "name = COALESCE(NULLIF(excluded.name, ''), assets.name)",
            [(longitude, latitude, asset, name) for asset, name, longitude, latitude in rows],
        )

    def sound(self) -> list[str]:
        """Nothing: the server looks after its own files (its administrator has pg_amcheck)."""
        return []

    def _prepare(self) -> None:
        """Make the tables, unless they are there; of several processes the first does."""
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_PREPARING,))
            if self._holds("register"):
                found = self.query("SELECT value FROM register WHERE key = 'version'")
                if found != [(VERSION,)]:
                    raise LedgerError(self._other(f"version {found}, expected {VERSION}"))
                return
            taken = [name for name in ("events", "standing", "assets") if self._holds(name)]
            if taken:
                raise LedgerError(self._other(", ".join(taken)))
            if not self.query("SELECT 1 FROM pg_extension WHERE extname = 'postgis'"):
                self._connection.execute("CREATE EXTENSION postgis")
            self._connection.execute(_TABLES)

    def _holds(self, table: str) -> bool:
        return bool(
            self.query(
                "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?",
                (table,),
            )
        )

    def _other(self, value: str) -> Problem:
        return Problem(
            Text("the schema holds something else", "スキーマに別のものが入っています"),
            value=value,
            where=self._where,
            fix=Text(
                "use a schema of its own: ?options=-csearch_path%3Dname,public",
                "専用のスキーマを使ってください: ?options=-csearch_path%3Dname,public",
            ),
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the server says, in words for the desk."""
        import psycopg

        try:
            yield
        except psycopg.errors.LockNotAvailable:
            raise LedgerError(
                Problem(
                    Text(
                        "another writer holds the register for too long",
                        "他の書き込みが終わりません",
                    ),
                    where=self._where,
                    fix=Text("try again later", "後でもう一度実行してください"),
                )
            ) from None
        except psycopg.Error as error:
            raise LedgerError(
                Problem(
                    Text("the server did not do it", "サーバーで処理できませんでした"),
                    value=" ".join(str(error).split()) or type(error).__name__,
                    where=self._where,
                    fix=Text(
                        "check the address, the rights and that PostGIS is installed; after a "
                        "broken connection look at the last events before recording again",
                        "接続先・権限・PostGISの有無を確認してください。接続が切れた後は、"
                        "最後の記録を確かめてから記録し直してください",
                    ),
                )
            ) from None


def _marked(sql: str) -> str:
    """A statement of the ledger as the server's driver marks values; none holds ``%`` or ``?``."""
    return sql.replace("?", "%s")
