"""The register: transitions, as-of, the chain, writers that contend, and writers that are killed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import geopandas as gpd
import openpyxl
import pandas as pd
import pyogrio
import pytest

from tdh import matching, schemas
from tdh.register import TRANSITIONS, Event, LedgerError, Register, allowed
from tdh.register.states import BY_STATE, SAME

HERE = Path(__file__).parent
PAPER = {"document": "8都デ第12号", "due": "2026-12-01"}
CASE = {"round": "R1", "asset": "A-1", "carrier": "alpha"}


def test_every_transition_of_the_table_and_no_other(make: Callable[[str], str]) -> None:
    """For each state, each action: taken where the table allows it, refused where it does not."""
    paths: dict[tuple[str, str], list[str]] = {
        ("asset", ""): [],
        ("round", ""): [],
        ("case", ""): [],
    }
    grown = True
    while grown:
        grown = False
        for t in TRANSITIONS:
            for before in t.before:
                if t.after != SAME and (t.kind, before) in paths and (t.kind, t.after) not in paths:
                    paths[t.kind, t.after] = [*paths[t.kind, before], t.action]
                    grown = True
    assert set(BY_STATE) <= set(paths)  # every state can be reached
    keys = {"asset": {"asset": "{}"}, "round": {"round": "{}"}, "case": {**CASE, "asset": "{}"}}
    with Register(make("r")) as register:
        tries = [
            (t, state, actions, {k: v.format(f"{n}-{t.action}") for k, v in keys[kind].items()})
            for n, ((kind, state), actions) in enumerate(paths.items())
            for t in TRANSITIONS
            if t.kind == kind
        ]
        register.record_many(
            Event(action, "desk", why="because", details=PAPER, **key)
            for _, _, actions, key in tries
            for action in actions
        )
        for t, state, _, key in tries:
            if t.action in allowed(t.kind, state):
                register.record(t.action, "desk", why="because", details=PAPER, **key)
                assert register.state(**key) == (state if t.after == SAME else t.after)
            else:
                with pytest.raises(LedgerError, match="may not follow"):
                    register.record(t.action, "desk", why="because", details=PAPER, **key)
                assert register.state(**key) == state
        assert register.verify() == []


def test_as_of_any_day_and_as_known_then(register: Register) -> None:
    register.record("offer", "desk", **CASE, at="2026-01-10")
    register.record("request", "alpha", **CASE, at="2026-02-20")
    register.record("award", "desk", **CASE, at="2026-03-30")
    case = ("A-1", "alpha", "R1")
    days = {"2026-01-09": "", "2026-01-10": "offered", "2026-02-19": "offered",
            "2026-02-20": "requested", "2026-03-30": "awarded", "2026-12-31": "awarded"}  # fmt: skip
    assert {day: register.state(*case, as_of=day) for day in days} == days
    assert len(register.standing(as_of="2026-02-01")) == 1
    # All three were recorded on 1 April: the day before, the desk knew nothing of them.
    assert register.standing(known="2026-03-31").empty
    assert list(register.events(known=date(2026, 4, 1))["action"]) == ["offer", "request", "award"]


def test_all_or_nothing_and_all_problems_at_once(register: Register) -> None:
    with pytest.raises(LedgerError) as caught:
        register.record_many(
            [
                Event("offer", "desk", **CASE),
                Event("offer", " ", **CASE),
                Event("refuse", "desk", **CASE),
                Event("dance", "desk"),
                Event("list", "desk", asset="A", carrier="x"),
                Event("list", "desk", asset="A" * 5000),
                Event("list", "desk", asset="A", at="yesterday"),
                Event("list", "desk", asset="A", details={"x": float("nan")}),
            ]
        )
    assert len(caught.value.problems) == 7
    assert register.events().empty
    with pytest.raises(LedgerError) as caught:
        register.record_many([Event("offer", "desk", **CASE), Event("award", "desk", **CASE),
                              Event("on_air", "desk", **CASE)])  # fmt: skip
    assert len(caught.value.problems) == 2
    assert register.events().empty


def test_time_does_not_run_backwards_nor_ahead(register: Register) -> None:
    register.record("offer", "desk", **CASE, at="2026-03-01")
    for at in ("2026-02-28", "2030-01-01"):
        with pytest.raises(LedgerError, match="before the last event, or in the future"):
            register.record("request", "alpha", **CASE, at=at)


def test_nothing_can_be_changed_or_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "r.gpkg"
    with Register(path) as register:
        for i in range(3):
            register.record("list", "desk", asset=f"A-{i}")
        connection = sqlite3.connect(path)
        for sql in ("UPDATE events SET who = 'x'", "DELETE FROM events WHERE id = 2"):
            with pytest.raises(sqlite3.IntegrityError, match="only be added"):
                connection.execute(sql)
        # Whoever takes the guard away is found out by the chain.
        connection.executescript("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete;")
        connection.execute("UPDATE events SET who = 'x' WHERE id = 2")
        connection.commit()
        assert [p.value for p in register.verify()] == [2]
        connection.execute("DELETE FROM events WHERE id = 2")
        connection.commit()
        assert register.verify()
        connection.close()


def test_export_and_import_tell_the_same_history(
    register: Register, make: Callable[[str], str], tmp_path: Path
) -> None:
    assets = gpd.GeoDataFrame(
        {"name": ["=1+1", "新宿"], "kind": "pole", "owner": None, "latitude": [35.6, 35.7],
         "longitude": [139.7, 139.8]},
        index=pd.Index(["A-1", "A-2"], name="asset_id"),
        geometry=gpd.points_from_xy([139.7, 139.8], [35.6, 35.7], crs=6668),
    )  # fmt: skip
    assert register.list_assets(assets, "desk") == 2
    assert register.list_assets(assets, "desk") == 0
    register.offer("R1", {"alpha": ["A-1", "A-2"], "beta": ["A-1"]}, "desk")
    register.export(tmp_path / "all.jsonl")
    place = make("copy")
    with Register(place) as copy:
        assert copy.load(tmp_path / "all.jsonl") == 5
        assert copy.load(tmp_path / "all.jsonl") == 0
        pd.testing.assert_frame_equal(copy.events(), register.events())
        pd.testing.assert_frame_equal(copy.standing(), register.standing())
        assert copy.verify() == []
        copy.record("request", "alpha", **CASE)
        copy.export(tmp_path / "more.jsonl")
        register.load(tmp_path / "more.jsonl")
        assert register.state("A-1", "alpha", "R1") == "requested"
        copy.record("award", "desk", **CASE)
        copy.export(tmp_path / "theirs.jsonl")
    register.record("withdraw", "alpha", **CASE, why="no power")
    with pytest.raises(LedgerError, match="another history"):
        register.load(tmp_path / "theirs.jsonl")
    layer, layers = layers_of(place)
    assert dict(zip(layer["asset_id"], layer["name"], strict=True))["A-2"] == "新宿"
    assert layer.crs.to_epsg() == 6668 and layer.geometry.x.tolist() == [139.7, 139.8]
    assert {"assets", "events", "standing"} <= layers


def test_a_gis_shows_cases_where_their_assets_are(make: Callable[[str], str]) -> None:
    place = make("r")
    details = {"name": "新宿", "longitude": 139.7, "latitude": 35.6}
    with Register(place) as register:
        register.record_many([Event("list", "desk", asset="A-1", details=details)])
        assert register.list_assets(points("A-2", "A-3"), "desk") == 2
        register.offer("R1", {"alpha": ["A-1", "A-2"], "beta": ["A-2"]}, "desk")
        register.record("request", "beta", asset="A-2", carrier="beta", round="R1")
        moved = {"longitude": 139.5, "latitude": 35.0}
        register.record("amend", "desk", asset="A-2", why="moved", details=moved)
    if "://" not in place:
        layer = gpd.read_file(place, layer="cases")
    else:
        import psycopg

        with psycopg.connect(place) as server:
            rows = server.execute(
                "SELECT ST_AsBinary(geom), asset, carrier, state, name FROM cases"
            ).fetchall()
        layer = gpd.GeoDataFrame(
            rows, columns=["geometry", "asset", "carrier", "state", "name"]
        ).set_geometry(gpd.GeoSeries.from_wkb([row[0] for row in rows]), crs=6668)
    assert layer.crs.to_epsg() == 6668
    found = layer.set_index(["asset", "carrier"]).sort_index()
    assert found["state"].to_dict() == {
        ("A-1", "alpha"): "offered", ("A-2", "alpha"): "offered", ("A-2", "beta"): "requested",
    }  # fmt: skip
    assert found.loc[("A-1", "alpha"), "geometry"].x == 139.7
    assert found.loc[("A-2", "beta"), "geometry"].x == 139.5
    assert found.loc[("A-2", "beta"), "name"] == "A-2"


def points(*names: str) -> gpd.GeoDataFrame:
    """Assets of some names, a degree apart."""
    table = {
        "name": list(names),
        "latitude": 35.0,
        "longitude": [139.0 + i for i in range(len(names))],
    }
    return gpd.GeoDataFrame(table, index=pd.Index(names, name="asset_id"))


def layers_of(place: str) -> tuple[gpd.GeoDataFrame, set[str]]:
    """The map layer of assets as a GIS reads it, and the names of all tables."""
    if "://" not in place:
        return gpd.read_file(place, layer="assets"), set(pyogrio.list_layers(place)[:, 0])
    import psycopg

    with psycopg.connect(place) as server:
        rows = server.execute(
            "SELECT asset_id, name, ST_AsBinary(geom), ST_SRID(geom) FROM assets ORDER BY fid"
        ).fetchall()
        names = server.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        )
        layers = {name for (name,) in names}
    ids, labels, shapes, srids = zip(*rows, strict=True)
    (srid,) = set(srids)
    table = {"asset_id": ids, "name": labels}
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries.from_wkb(shapes), crs=srid), layers


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 1}', "\x00", "[" * 50_000])
def test_files_that_are_no_export_are_refused(
    register: Register, tmp_path: Path, text: str
) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(LedgerError):
        register.load(tmp_path / "x.jsonl")
    register.record("list", "desk", asset="A")
    register.export(tmp_path / "y.jsonl")
    row = json.loads((tmp_path / "y.jsonl").read_text())
    row["who"] = "somebody else"
    (tmp_path / "y.jsonl").write_text(json.dumps(row))
    with pytest.raises(LedgerError, match="chain"):
        register.load(tmp_path / "y.jsonl")


def test_files_that_are_no_register_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gpkg").write_text("not a database at all, however long it may be" * 100)
    connection = sqlite3.connect(tmp_path / "b.gpkg")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(LedgerError, match="not kept there"):
        Register("mysql://desk:secret@server/tdh")
    pytest.importorskip("psycopg")
    with pytest.raises(LedgerError, match="server did not do it") as caught:
        Register(f"postgresql://desk:secret@/tdh?host={tmp_path}&password=secret")
    assert "secret" not in str(caught.value)
    for name in "ab":
        with pytest.raises(LedgerError, match="not a register"):
            Register(tmp_path / f"{name}.gpkg")


def test_a_matching_is_recorded_with_its_reasons(register: Register) -> None:
    requests = pd.DataFrame(
        [(c, a, i) for c in ("alpha", "beta") for i, a in enumerate(("A-1", "A-2"), 1)],
        columns=["carrier", "asset", "rank"],
    )
    lists = {c: ["A-1", "A-2"] for c in ("alpha", "beta")}
    register.offer("R1", lists, "desk")
    register.record_many(
        Event("request", c, round="R1", asset=a, carrier=c) for c, ids in lists.items() for a in ids
    )
    award = matching.match(requests, 1, "serial_rotation", seed=4)
    assert register.award("R1", award, "desk") == 4
    standing = register.standing().set_index(["carrier", "asset"])
    assert set(standing.index[standing["state"] == "awarded"]) == award.pairs
    refused = standing[standing["state"] == "refused"]
    assert (refused["why"].str.len() > 5).all()
    schemas.conform(register.standing(), "standing")
    schemas.conform(register.events(), "events")


def test_the_desks_day(register: Register, tmp_path: Path) -> None:
    register.record("offer", "desk", **CASE, at="2026-01-01")
    register.record("offer", "desk", **{**CASE, "asset": '=cmd|" /C calc"!A0'}, at="2026-03-31")
    register.record("request", "alpha", **CASE, at="2026-01-05")
    waiting = register.next(date(2026, 4, 1))
    assert list(waiting["waits_for"]) == ["desk", "alpha"]
    assert waiting.loc[0, ["days", "overdue_days", "due"]].tolist() == [86, 56, "2026-02-04"]
    assert "award" in waiting.loc[0, "may_follow"]
    schemas.conform(waiting, "waiting")
    assert register.next(date(2026, 4, 1), {"requested": 90})["overdue_days"].max() == 0
    register.write_next(tmp_path / "day.xlsx", date(2026, 4, 1))
    sheet = openpyxl.load_workbook(tmp_path / "day.xlsx").active
    assert sheet.max_row == 3 and sheet["A1"].value == "waits_for"
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert any(cell.value == '=cmd|" /C calc"!A0' for cell in cells)


def test_writers_at_once_lose_nothing_and_never_both_win(make: Callable[[str], str]) -> None:
    path = make("r")
    writers = [
        subprocess.Popen(
            [sys.executable, str(HERE / "contending.py"), path, name, "40"],
            stdout=subprocess.PIPE, text=True,
        )
        for name in ("p", "q", "r")
    ]  # fmt: skip
    won = [json.loads(writer.communicate(timeout=100)[0]) for writer in writers]
    assert all(writer.returncode == 0 for writer in writers)
    with Register(path) as register:
        assert register.verify() == []
        assert len(register.events()) == 3 * 40 + 40
    assert sorted(case for cases in won for case in cases) == sorted(
        f"common-{i}" for i in range(40)
    )


def test_threads_that_share_a_register_take_turns(register: Register) -> None:
    def write(name: str) -> None:
        for i in range(15):
            register.record("list", name, asset=f"{name}-{i}")
            register.standing()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert len(register.events()) == 60
    assert register.verify() == []


@pytest.mark.slow
def test_writers_that_are_killed_leave_every_event_that_was_told(
    make: Callable[[str], str],
) -> None:
    place = make("r")
    kills = "40" if "://" in place else "120"
    run = subprocess.run(
        [sys.executable, str(HERE / "killing.py"), place, kills],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["events"] > 200
    assert (found["lost"], found["torn"], found["broken"]) == (0, 0, 0)


def test_the_server_keeps_events_from_being_changed(make: Callable[[str], str]) -> None:
    place = make("r")
    if "://" not in place:
        pytest.skip("the file has a test of its own")
    import psycopg

    with Register(place) as register, psycopg.connect(place, autocommit=True) as other:
        for i in range(3):
            register.record("list", "desk", asset=f"A-{i}")
        for sql in ("UPDATE events SET who = 'x'", "DELETE FROM events", "TRUNCATE events"):
            with pytest.raises(psycopg.errors.RaiseException, match="only be added"):
                other.execute(sql)
        other.execute("ALTER TABLE events DISABLE TRIGGER events_no_change")
        other.execute("UPDATE events SET who = 'x' WHERE id = 2")
        assert [p.value for p in register.verify()] == [2]


def test_a_schema_that_holds_something_else_and_a_broken_connection(
    make: Callable[[str], str],
) -> None:
    place = make("r")
    if "://" not in place:
        pytest.skip("of a server only")
    import psycopg

    with psycopg.connect(place, autocommit=True) as admin:
        admin.execute("CREATE TABLE standing (x int)")
        with pytest.raises(LedgerError, match="holds something else"):
            Register(place)
        admin.execute("DROP TABLE standing")
        with Register(place) as register:
            register.record("list", "desk", asset="A")
            ((own,),) = register._store.query("SELECT pg_backend_pid()")
            admin.execute("SELECT pg_terminate_backend(%s)", (own,))
            with pytest.raises(LedgerError, match="server did not do it"):
                register.record("list", "desk", asset="B")
        with Register(place) as register:
            assert list(register.events()["asset"]) == ["A"]
            assert register.verify() == []


def test_text_with_other_line_ends_is_exported_whole(register: Register, tmp_path: Path) -> None:
    register.record("list", "desk", asset="A", why="one\u2028two\x85three")
    register.export(tmp_path / "x.jsonl")
    assert register.load(tmp_path / "x.jsonl") == 0
