"""The register's file: a GeoPackage whose table of events can be added to and nothing else."""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import shapely

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import LedgerError

_APPLICATION = 0x47504B47  # "GPKG"
_USER_VERSION = 10300
_SRS_ID = 6668
VERSION = "1"
BUSY_SECONDS = 60.0

_TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT NULL
  DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, min_y DOUBLE, max_x DOUBLE,
  max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL PRIMARY KEY
  REFERENCES gpkg_contents(table_name), column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id), z TINYINT NOT NULL,
  m TINYINT NOT NULL);
CREATE TABLE register (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, at TEXT NOT NULL, recorded TEXT NOT NULL,
  who TEXT NOT NULL, why TEXT NOT NULL, action TEXT NOT NULL, round TEXT NOT NULL,
  asset TEXT NOT NULL, carrier TEXT NOT NULL, state TEXT NOT NULL, details TEXT NOT NULL,
  previous TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE INDEX events_case ON events (round, asset, carrier, id);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events can only be added'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'events can only be added'); END;
CREATE TABLE standing (fid INTEGER PRIMARY KEY, round TEXT NOT NULL, asset TEXT NOT NULL,
  carrier TEXT NOT NULL, state TEXT NOT NULL, since TEXT NOT NULL, event INTEGER NOT NULL,
  UNIQUE (round, asset, carrier));
CREATE TABLE assets (fid INTEGER PRIMARY KEY, geom BLOB, asset_id TEXT NOT NULL UNIQUE, name TEXT);
CREATE VIEW cases AS SELECT s.fid AS fid, a.geom AS geom, s.round AS round, s.asset AS asset,
  a.name AS name, s.carrier AS carrier, s.state AS state, s.since AS since
  FROM standing s JOIN assets a ON a.asset_id = s.asset WHERE s.carrier > '';
"""


class SqliteStore:
    """Events in a file. One writer at a time; others wait for it.

    The rollback journal is used, not the write-ahead log: the latter needs shared memory, which
    the network drives of offices do not have.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()  # threads that share a register take turns, too
        with self._told():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise sqlite3.OperationalError(f"unable to open: {error.strerror}") from None
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._told():
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA trusted_schema = OFF")
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; no other writer meanwhile."""
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled it back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries of the block see the same state."""
        with self._lock, self._told():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self._lock, self._told():
            return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """A statement for many rows."""
        with self._told():
            self._connection.executemany(sql, rows)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the database says, in words for the desk."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            what, fix = _meaning(error)
            raise LedgerError(
                Problem(what, value=str(error), where=str(self.path), fix=fix)
            ) from None

    def put_points(self, rows: Sequence[tuple[str, str, float, float]]) -> None:
        """Place assets on the register's map layer: id, name, longitude, latitude."""
        if not rows:
            return
        points = shapely.points([(lon, lat) for _, _, lon, lat in rows])
        header = b"GP" + struct.pack("<BBi", 0, 1, _SRS_ID)
        content = [
            (header + wkb, asset, name)
            for (asset, name, _, _), wkb in zip(
                rows, shapely.to_wkb(points, byte_order=1).tolist(), strict=True
            )
        ]
        self._connection.executemany(
            "INSERT INTO assets (geom, asset_id, name) VALUES (?, ?, ?) "
            "ON CONFLICT (asset_id) DO UPDATE SET geom = excluded.geom, "
            "name = COALESCE(NULLIF(excluded.name, ''), assets.name)",
            content,
        )

    def sound(self) -> list[str]:
        """What the database itself finds wrong with the file."""
        return [row[0] for row in self.query("PRAGMA integrity_check") if row[0] != "ok"]

    def _prepare(self) -> None:
        tables = {r[0] for r in self.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "register" in tables:
            ((version,),) = self.query("SELECT value FROM register WHERE key = 'version'")
            if version != VERSION:
                raise sqlite3.DatabaseError(f"version {version}, expected {VERSION}")
            return
        if tables:
            raise sqlite3.DatabaseError("it holds other tables")
        with self.transaction():
            # Another process may have been quicker.
            if self.query("SELECT 1 FROM sqlite_master WHERE name = 'register'"):
                return
            for statement in _statements(_TABLES):
                self._connection.execute(statement)
            self._connection.executemany(
                "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)",
                _reference_systems(),
            )
            for table, kind in (("assets", "features"), ("cases", "features"),
                                ("events", "attributes"), ("standing", "attributes")):  # fmt: skip
                self._connection.execute(
                    "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
                    "VALUES (?, ?, ?, ?)",
                    (table, kind, table, _SRS_ID if kind == "features" else None),
                )
            self._connection.executemany(
                "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'POINT', ?, 0, 0)",
                [("assets", _SRS_ID), ("cases", _SRS_ID)],
            )
            self._connection.execute("INSERT INTO register VALUES ('version', ?)", (VERSION,))
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {_USER_VERSION}")


_DISK = Text(
    "free space on the disk or check the drive, then do it again: nothing of it was recorded",
    "ディスクの空きや接続を確かめてからやり直してください。何も記録されていません",
)


def _meaning(error: sqlite3.DatabaseError) -> tuple[Text, Text | None]:
    """What an error of the database means for the desk, and how to mend it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    text = str(error)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return Text("the disk does not take it", "ディスクに書けません"), _DISK
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            Text("another writer holds the register for too long", "他の書き込みが終わりません"),
            Text("try again later", "後でもう一度実行してください"),
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
        return (
            Text("the register may only be read", "台帳に書き込む権限がありません"),
            Text("check the rights of file and folder", "ファイルとフォルダの権限を確認してください"),
        )  # fmt: skip
    if name.startswith("SQLITE_CORRUPT"):
        return (
            Text("the register's file is damaged", "台帳ファイルが壊れています"),
            Text(
                "put the last backup back, then import later exports into it",
                "直近のバックアップを戻し、その後のエクスポートを取り込んでください",
            ),
        )
    if name.startswith("SQLITE_CANTOPEN") or "unable to open" in text:
        return Text("the register cannot be opened", "台帳を開けません"), None
    return Text("the file is not a register", "台帳ファイルではありません"), None


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's inner semicolon does not end it."""
    part = ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            yield part
            part = ""


def _reference_systems() -> list[tuple[str, int, str, int, str]]:
    from pyproj import CRS

    return [
        ("Undefined Cartesian", -1, "NONE", -1, "undefined"),
        ("Undefined geographic", 0, "NONE", 0, "undefined"),
        ("WGS 84", 4326, "EPSG", 4326, CRS.from_epsg(4326).to_wkt("WKT1_GDAL")),
        ("JGD2011", _SRS_ID, "EPSG", _SRS_ID, CRS.from_epsg(_SRS_ID).to_wkt("WKT1_GDAL")),
    ]
