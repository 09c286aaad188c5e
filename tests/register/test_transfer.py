"""Registers to files and back: the same events, all problems at once, all or nothing."""

from __future__ import annotations

import csv
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pyogrio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdh.language import speaking
from tdh.register import Event, LedgerError, Register, transfer, workbook

HOSTILE = [
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "'=1", "''", "  =1+1", "＝1", "\t=1", "\n=1",
    "<script>alert(1)</script>", "a,b;c\"d", "1\n2", "00012", "2026-04-01", "〜−‖髙橋🗼é",
    "_x0041_", "_x005F_x00x005F_5F_", "\u2028x\x85y", "{0}{why}%s?", "'; DROP TABLE events; --",
    "NaN", "null", "TRUE",
]  # fmt: skip


def fill(register: Register) -> None:
    for n, text in enumerate(HOSTILE):
        one = text.replace("\n", " ") or "x"
        asset = f"{one}{n}"
        register.record(
            "list", f"{text}w", asset=asset, why=text,
            details={"name": text, "longitude": 139.0 + n / 100, "latitude": 35.0, "x": [None, 1.5]},
        )  # fmt: skip
        register.record("offer", "desk", asset=asset, carrier=one + "c", round=one + "r")
    register.record("note", "desk", asset=asset, carrier=one + "c", round=one + "r", why="w",
                    details={"long": "あ" * 33_000 + "z"})  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".xlsx", ".gpkg"])
def test_a_round_trip_gives_the_same_events(
    register: Register, make: Callable[[str], str], tmp_path: Path, suffix: str, language: str
) -> None:
    fill(register)
    out = tmp_path / f"all{suffix}"
    with speaking("ja" if language == "ja" else "en"):
        n = register.export(out)
        assert register.load(out) == 0
        with Register(make("copy")) as copy:
            assert copy.load(out) == n == 2 * len(HOSTILE) + 1
            assert copy.load(out) == 0
            pd.testing.assert_frame_equal(copy.events(), register.events())
            pd.testing.assert_frame_equal(copy.standing(), register.standing())
            assert copy.verify() == []
            assert copy.facts() == register.facts()


def test_spreadsheets_take_nothing_for_a_formula(register: Register, tmp_path: Path) -> None:
    fill(register)
    register.export(tmp_path / "a.csv")
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert "'=cmd|' /C calc'!A0" in cells
    assert not [c for c in cells if c.lstrip(" \t\n")[:1] in {"=", "+", "-", "@", "＝"}]
    register.export(tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    risky = [c for row in sheet.iter_rows() for c in row if str(c.value).startswith(("=", "@"))]
    assert risky and all(cell.quotePrefix for cell in risky)


def test_the_geopackage_is_a_register_that_a_gis_reads(register: Register, tmp_path: Path) -> None:
    fill(register)
    register.export(tmp_path / "copy.gpkg")
    layer = pyogrio.read_dataframe(tmp_path / "copy.gpkg", layer="assets")
    assert len(layer) == len(HOSTILE) and layer.crs.to_epsg() == 6668
    with Register(tmp_path / "copy.gpkg") as copy:
        assert copy.verify() == []
        copy.record("list", "desk", asset="one more")
    assert register.load(tmp_path / "copy.gpkg") == 1


def test_a_list_by_hand_in_cp932(register: Register, tmp_path: Path) -> None:
    register.record("offer", "desk", asset="A-1", carrier="甲社", round="R1", at="2026-01-05")
    register.record("request", "甲社", asset="A-1", carrier="甲社", round="R1", at="2026-01-20")
    path = tmp_path / "紙の台帳.csv"
    path.write_bytes(
        "発生日時,操作,募集回,アセットID,事業者,操作者,理由,文書番号,期限\r\n"
        "2026/2/1,割当,R1,A-1,甲社,窓口,順位1,,\r\n"
        "2026/2/10,survey,R1,A-1,甲社,港湾局,,,2026/3/1\r\n"
        "2026/2/20,使用許可申請,R1,A-1,甲社,甲社,,8都デ第12号,\r\n"
        "\r\n".encode("cp932")
    )
    assert register.load(path) == 3
    assert register.load(path) == 0
    assert register.state("A-1", "甲社", "R1") == "applied"
    events = register.events()
    assert list(events["at"].str[:10])[2:] == ["2026-01-31", "2026-02-09", "2026-02-19"]
    assert json.loads(events["details"].iloc[-1]) == {"document": "8都デ第12号"}
    assert json.loads(events["details"].iloc[-2]) == {"due": "2026-03-01"}


def test_all_bad_rows_are_reported_with_their_numbers(register: Register, tmp_path: Path) -> None:
    lines = [
        "at,action,round,asset,carrier,who,why,due",
        "2026-01-05,offer,R1,A-1,x,desk,,",  # right, but not taken
        "2026-01-05,dance,R1,A-1,x,desk,,",
        ",offer,R1,A-2,x,desk,,",
        "2026-02-31,offer,R1,A-3,x,desk,,",
        "2026-01-05,offer,R1,,x,desk,,",
        "2026-01-05,offer,R1,A-4,x,,,",
        "2026-01-05,refuse,R1,A-4,x,desk,,",
        "2026-01-05,offer,R1,A-5,x,desk,,soon",
        "2026-01-05,offer,R1,A-6,x,desk,,,more",
    ]
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(LedgerError) as caught:
        register.load(path)
    wheres = [str(problem.where) for problem in caught.value.problems]
    assert [next(n for n in range(2, 11) if f"row {n}" in w) for w in wheres] == [
        3,
        4,
        5,
        6,
        7,
        8,
        9,
    ]
    path.write_text("\n".join([lines[0], lines[-1]]), encoding="utf-8")
    with pytest.raises(LedgerError, match=r"row 2: the row has more cells"):
        register.load(path)
    path.write_text("at,action,whom\n", encoding="utf-8")
    with pytest.raises(LedgerError, match=r"(?s)whom.*columns are missing: who"):
        register.load(path)
    assert register.events().empty


def test_rows_that_may_not_follow_are_named_too(register: Register, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "at,action,round,asset,carrier,who\n2026-01-05,offer,R1,A,x,desk\n"
        "2026-01-06,award,R1,A,x,desk\n2099-01-05,request,R1,A,x,desk\n"
        "2026-01-01,request,R1,A,x,desk\n2026-01-05,offer,R1,A,x,desk\n"
    )
    with pytest.raises(LedgerError) as caught:
        register.load(path)
    places = [str(problem.where).partition("row ")[2][:1] for problem in caught.value.problems]
    assert places == ["3", "4", "5"]  # the last is told twice, and counts once
    assert register.events().empty


def test_rows_that_are_told_twice_count_once(register: Register, tmp_path: Path) -> None:
    fill(register)
    register.export(tmp_path / "a.jsonl")
    twice = (tmp_path / "a.jsonl").read_text(encoding="utf-8") * 2
    (tmp_path / "a.jsonl").write_text(twice, encoding="utf-8")
    with Register(tmp_path / "copy.gpkg") as copy:
        assert copy.load(tmp_path / "a.jsonl") == len(register.events())
        assert copy.verify() == []


def test_rows_that_were_touched_are_all_named(register: Register, tmp_path: Path) -> None:
    fill(register)
    register.export(tmp_path / "a.csv")
    frame = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    frame.loc[[3, 7], "who"] = "somebody else"
    frame.to_csv(tmp_path / "b.csv", index=False)
    for name in ("empty", "same"):
        target = Register(tmp_path / "empty.gpkg") if name == "empty" else register
        before = target.events()
        with pytest.raises(LedgerError) as caught:
            target.load(tmp_path / "b.csv")
        assert [p.value for p in caught.value.problems] == ["4", "8"]
        pd.testing.assert_frame_equal(target.events(), before)
    frame = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False).drop(index=5)
    frame.to_csv(tmp_path / "c.csv", index=False)
    with (
        Register(tmp_path / "other.gpkg") as other,
        pytest.raises(LedgerError, match="missing before this one"),
    ):
        other.load(tmp_path / "c.csv")
    assert register.load(tmp_path / "c.csv") == 0  # a part of what is here


def test_a_whole_chain_that_breaks_the_rules_is_refused(tmp_path: Path) -> None:
    from tdh.register.events import COLUMNS, GENESIS, chained

    row = {"id": 1, "at": "2026-01-01T00:00:00.000000Z", "recorded": "2026-01-01T00:00:00.000000Z",
           "who": "x", "why": "", "action": "award", "round": "R", "asset": "A", "carrier": "c",
           "state": "awarded", "details": "{}", "previous": GENESIS}  # fmt: skip
    row["hash"] = chained({**row, "hash": ""})
    assert set(row) == set(COLUMNS)
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    with (
        Register(tmp_path / "r.gpkg") as register,
        pytest.raises(LedgerError, match=r"may not follow: - → award"),
    ):
        register.load(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("column", "value"),
    [("recorded", "Tomorrow"), ("at", "2026-01-01"), ("details", "[]"), ("who", "a\x1b"),
     ("who", "a\rb"), ("state", "on_air"), ("previous", "1" * 64), ("id", 2), ("who", ""),
     ("details", "{" * 100_000), ("asset", ""), ("action", "dance")],
)  # fmt: skip
def test_chains_made_by_others_are_checked_as_events_are(
    register: Register, tmp_path: Path, column: str, value: object
) -> None:
    from tdh.register.events import GENESIS, chained

    row = {"id": 1, "at": "2026-01-01T00:00:00.000000Z", "recorded": "2026-01-01T00:00:00.000000Z",
           "who": "x", "why": "", "action": "list", "round": "", "asset": "A", "carrier": "",
           "state": "listed", "details": "{}", "previous": GENESIS, column: value}  # fmt: skip
    row["hash"] = chained({**row, "hash": ""})
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    with pytest.raises(LedgerError):
        register.load(tmp_path / "x.jsonl")
    assert register.events().empty
    row[column] = {"recorded": row["at"], "at": row["recorded"], "details": "{}", "who": "x",
                   "state": "listed", "previous": GENESIS, "id": 1, "asset": "A",
                   "action": "list"}[column]  # fmt: skip
    row["hash"] = chained({**row, "hash": ""})
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    assert register.load(tmp_path / "x.jsonl") == 1


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".xlsx", ".gpkg", ".txt", ""])
@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff\xfe\x00", b"PK\x03\x04", b'"', b"\x82"])
def test_what_is_no_export_is_refused_in_words(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with Register(tmp_path / "r.gpkg") as register:
        if suffix == ".jsonl" and not content:
            assert register.load(path) == 0  # the export of an empty register
            return
        with pytest.raises(LedgerError):
            register.load(path)


def test_damaged_workbooks_are_refused_in_words(register: Register, tmp_path: Path) -> None:
    """An export with bytes changed at random: refused, or the same events."""
    register.record("list", "desk", asset="A-1", at="2026-01-01")
    rng = random.Random(0)
    for suffix in (".xlsx", ".gpkg", ".csv"):
        path = tmp_path / f"a{suffix}"
        register.export(path)
        content = path.read_bytes()
        for turn in range(30):
            damaged = bytearray(content)
            for _ in range(rng.choice([1, 40])):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            path.write_bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
            try:
                assert register.load(path) == 0, turn
            except LedgerError as error:
                assert str(error)
        path.unlink()


def test_a_bomb_is_not_unpacked(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register.record("list", "desk", asset="A-1")
    register.export(tmp_path / "a.xlsx")
    monkeypatch.setattr(transfer, "_LARGEST", (tmp_path / "a.xlsx").stat().st_size + 1)
    with pytest.raises(LedgerError, match="bytes"):
        register.load(tmp_path / "a.xlsx")


def test_what_excel_cannot_hold_is_said(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register.record_many(Event("list", "desk", asset=f"A-{i}") for i in range(3))
    monkeypatch.setattr(transfer, "_MOST_ROWS", 2)
    with pytest.raises(LedgerError, match="Excel cannot hold"):
        register.export(tmp_path / "a.xlsx")
    register.record_many(
        Event("offer", "desk", asset=f"A-{i}", carrier="c", round="R") for i in range(3)
    )
    with pytest.raises(LedgerError, match="Excel cannot hold"):
        register.write_next(tmp_path / "a.xlsx")
    with pytest.raises(LedgerError, match="Excel cannot hold"):
        workbook.write_tables({"a": register.cases()}, tmp_path / "a.xlsx", "cases")
    assert list(tmp_path.glob("*.xlsx")) == []


def test_exports_go_nowhere_else(tmp_path: Path) -> None:
    ledger = tmp_path / "r.gpkg"
    with Register(ledger) as register:
        register.record("list", "desk", asset="A-1")
        (tmp_path / "link.gpkg").symlink_to(ledger)
        for name in ("r.gpkg", "link.gpkg"):
            with pytest.raises(LedgerError, match="the register itself"):
                register.export(tmp_path / name)
        with pytest.raises(LedgerError, match="not a file of events"):
            register.export(tmp_path / "x.pdf")
        (tmp_path / "file").touch()
        for place in (tmp_path / "file" / "a.csv", Path("/proc/none/a.csv")):
            with pytest.raises(LedgerError, match="cannot be written"):
                register.export(place)
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(LedgerError, match="cannot be read"):
            register.load(tmp_path / "folder.csv")


def test_an_import_that_is_killed_leaves_all_or_nothing(
    make: Callable[[str], str], tmp_path: Path
) -> None:
    source = tmp_path / "many.jsonl"
    with Register(tmp_path / "source.gpkg") as register:
        register.record_many(Event("list", "desk", asset=f"A-{i}") for i in range(3000))
        register.export(source)
    place = make("killed")
    Register(place).close()
    code = (
        "import sys; from tdh.register import Register; r = Register(sys.argv[1]);"
        "print('go', flush=True); r.load(sys.argv[2])"
    )
    rng, outcomes = random.Random(1), []
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", code, place, str(source)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.wait(rng.uniform(0.02, 0.25))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with Register(place) as register:
            outcomes.append(len(register.events()))
            assert outcomes[-1] in (0, 3000)
            assert register.verify() == []
    with Register(place) as register:
        assert register.load(source) == 3000 - outcomes[-1]
        assert register.verify() == []


def test_a_full_disk_loses_nothing_and_is_said(tmp_path: Path) -> None:
    """The process may write files of 300 kB only: what is larger fails as on a full disk."""
    code = """if True:
        import resource, sys
        from pathlib import Path
        from tdh.register import Event, LedgerError, Register
        place = Path(sys.argv[1])
        with Register(place / "r.gpkg") as register:
            register.record_many(Event("list", "desk", asset=f"A-{i}") for i in range(100))
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
            told = 100
            try:
                while True:
                    told = register.record_many(
                        Event("list", "desk", asset=f"{told}-{i}", why="x" * 500)
                        for i in range(50)
                    )[-1]
            except LedgerError as error:
                assert "the disk does not take it" in str(error), error
            assert len(register.events()) == told > 100
            for name in ("a.csv", "a.jsonl", "a.gpkg"):
                try:
                    register.export(place / name)
                except LedgerError:
                    assert not (place / name).exists()
        print(told)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with Register(tmp_path / "r.gpkg") as register:
        assert len(register.events()) == int(done.stdout)
        assert register.verify() == []
        register.record("list", "desk", asset="after the disk was cleared")


def test_a_register_whose_file_broke_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r.gpkg"
    with Register(path) as register:
        register.record_many(Event("list", "desk", asset=f"A-{i}") for i in range(2000))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40_000] = bytes(40_000)
    path.write_bytes(content)
    with Register(path) as register:
        try:
            assert register.verify()
        except LedgerError as error:
            assert "damaged" in str(error)
    path.write_bytes(content[:5000])
    with pytest.raises(LedgerError, match=r"damaged|not a register"):
        Register(path)


def test_a_register_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "r.gpkg"
    with Register(path) as register:
        register.record("list", "desk", asset="A")
    with Register(path) as register:
        register._store._connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]
        assert len(register.events()) == 1
        with pytest.raises(LedgerError, match="may only be read"):
            register.record("list", "desk", asset="B")


def test_places_where_no_register_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "r.gpkg", Path("/proc/none/r.gpkg")):
        with pytest.raises(LedgerError, match="cannot be opened"):
            Register(place)


def test_a_table_of_another_kind_is_not_read_as_events(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.gpkg")
    connection.execute("CREATE VIEW events AS SELECT 1 AS id")
    connection.close()
    with (
        Register(tmp_path / "r.gpkg") as register,
        pytest.raises(LedgerError, match="no table of events"),
    ):
        register.load(tmp_path / "x.gpkg")


WRITABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n'=+-@\",;_x05F"),
    min_size=1,
    max_size=30,
)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.tuples(WRITABLE, st.text(max_size=30)), min_size=1, max_size=8))
def test_whatever_can_be_recorded_comes_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with Register(folder / "r.gpkg") as register:
        for n, (why, name) in enumerate(texts):
            event = Event("list", why, asset=f"A-{n}", why=why, details={"name": name})
            if not event.problems():
                register.record_many([event])
        for suffix in (".csv", ".xlsx"):
            register.export(folder / f"a{suffix}")
            with Register(folder / f"{suffix}.gpkg") as copy:
                copy.load(folder / f"a{suffix}")
                pd.testing.assert_frame_equal(copy.events(), register.events())
