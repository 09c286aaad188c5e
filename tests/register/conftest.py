"""Empty registers in a file and on a server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tdh.register import Register


class Clock:
    """Time that moves a minute at each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 4, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Names of empty registers in either kind of store; on the server each is a schema."""
    if request.param == "sqlite":
        yield lambda name: str(tmp_path / f"{name}.gpkg")
        return
    if not (server := os.environ.get("TDH_POSTGRES")):
        pytest.skip("TDH_POSTGRES names no server")
    import psycopg

    schemas_ = []
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(1)")  # CREATE EXTENSION does not wait for itself
        admin.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        admin.execute("SELECT pg_advisory_unlock(1)")

        def url(name: str) -> str:
            schemas_.append(f"t{uuid.uuid4().hex}_{name}")
            admin.execute(f"CREATE SCHEMA {schemas_[-1]}")
            mark = "&" if "?" in server else "?"
            return f"{server}{mark}options=-csearch_path%3D{schemas_[-1]},public"

        yield url
        for schema in schemas_:
            admin.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def register(make: Callable[[str], str]) -> Iterator[Register]:
    with Register(make("register"), clock=Clock()) as opened:
        yield opened
