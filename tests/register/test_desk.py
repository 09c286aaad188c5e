"""The one-stop desk's day: deadlines, workbooks, histories in words, counts; and its commands."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import geopandas as gpd
import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from tdh import schemas
from tdh.cli import group
from tdh.errors import InputError, OverwriteError
from tdh.language import speaking
from tdh.register import (
    TRANSITIONS,
    Event,
    LedgerError,
    Register,
    Transition,
    desk,
    telling,
    workbook,
)

CASE = {"round": "R1", "asset": "A-1", "carrier": "alpha"}


def fill(register: Register) -> None:
    """A case from offer to on air, one that was refused, and one that waits."""
    assets = gpd.GeoDataFrame(
        {"name": ["第一庁舎", "=2+2", "倉庫"], "municipality": ["新宿区", "新宿区", "港区"],
         "latitude": 35.7, "longitude": [139.69, 139.7, 139.75]},
        index=["A-1", "A-2", "A-3"],
    )  # fmt: skip
    register.list_assets(assets, "desk")
    steps = [
        ("offer", "2026-01-05", "", {}), ("request", "2026-01-20", "", {}),
        ("award", "2026-02-01", "1st wish", {}), ("survey", "2026-02-10", "", {}),
        ("apply", "2026-02-15", "", {"document": "K-7"}),
        ("permit", "2026-02-20", "", {"document": "8都デ第12号"}),
    ]  # fmt: skip
    register.record_many(
        Event(action, "desk", **CASE, why=why, at=at, details=details)
        for action, at, why, details in steps
    )
    other = {**CASE, "asset": "A-2", "carrier": "beta"}
    register.record("offer", "desk", **other, at="2026-01-05")
    register.record("request", "beta", **other, at="2026-01-21")
    register.record("refuse", "desk", **other, at="2026-02-01", why="屋上に余地なし",
                    details={"reason_en": "no room", "change_en": "a mast",
                             "change_ja": "鉄塔があれば"})  # fmt: skip
    waits = {**CASE, "asset": "A-3", "carrier": "beta"}
    register.record("offer", "desk", **waits, at="2026-01-05", details={"due": "2026-01-31"})


def test_what_waits_is_as_of_the_day(register: Register) -> None:
    fill(register)
    then = register.next(date(2026, 1, 31))
    assert dict(zip(then["asset"], then["waits_for"], strict=True)) == {
        "A-1": "desk", "A-2": "desk", "A-3": "beta"
    }  # fmt: skip
    assert (then["overdue_days"] == 0).all()
    assert list(then["asset"]) == ["A-3", "A-1", "A-2"]  # what is due next, first
    now = register.next(date(2026, 3, 31))
    assert now[["asset", "waits_for", "due", "overdue_days"]].values.tolist() == [
        ["A-3", "beta", "2026-01-31", 59],
        ["A-1", "alpha", "2026-04-21", 0],
    ]
    assert now[["name", "municipality"]].values.tolist() == [
        ["倉庫", "港区"],
        ["第一庁舎", "新宿区"],
    ]
    schemas.conform(now, "waiting")
    assert register.next(date(2025, 12, 31)).empty


def test_a_moved_deadline_counts_until_the_next_step(register: Register) -> None:
    fill(register)
    waits = {**CASE, "asset": "A-3", "carrier": "beta"}
    register.record("extend", "desk", **waits, why="年度末", details={"due": "2026-05-15"})
    row = register.next(date(2026, 5, 1)).set_index("asset").loc["A-3"]
    assert row[["state", "since", "due", "overdue_days"]].tolist() == [
        "offered", "2026-01-05", "2026-05-15", 0,
    ]  # fmt: skip
    register.record("note", "desk", **waits, why="電話で督促")
    assert register.next(date(2026, 5, 20)).set_index("asset").loc["A-3", "overdue_days"] == 5
    register.record("request", "beta", **waits)
    row = register.next(date(2026, 5, 20)).set_index("asset").loc["A-3"]
    assert (row["waits_for"], row["due"]) == ("desk", "2026-05-01")
    with pytest.raises(LedgerError, match="the day that it is due cannot be read"):
        register.record("extend", "desk", **waits, why="later", details={"due": "soon"})
    with pytest.raises(LedgerError, match="the day that it is due cannot be read"):
        register.record("extend", "desk", **waits, why="later")


@pytest.mark.parametrize("action", ["apply", "permit", "contract"])
def test_papers_have_numbers(register: Register, action: str) -> None:
    before = {"apply": "survey", "permit": "apply", "contract": "permit"}
    steps = [action]
    while steps[0] in before:
        steps.insert(0, before[steps[0]])
    for step in ("offer", "request", "award", *steps[:-1]):
        register.record(step, "desk", **CASE, details={"document": "1"})
    for details in ({}, {"document": "  "}, {"document": None}):
        with pytest.raises(LedgerError, match="the number of the document is missing"):
            register.record(action, "desk", **CASE, details=details)
    register.record(action, "desk", **CASE, details={"document": "第2号"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "state,days,waits_for\nrequested,20,\nsurveyed,,bureau\nclosed,0,\n"),
        ("a.toml", "[days]\nrequested = 20\nsurveyed = false\nclosed = 0\n"
                   "[waits_for]\nsurveyed = 'bureau'\n"),
    ],
)  # fmt: skip
def test_a_programme_sets_its_own_days(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    table = desk.read_deadlines(tmp_path / name)
    assert table["requested"] == desk.Deadline("desk", 20)
    assert table["surveyed"] == desk.Deadline("bureau", None)
    assert table["closed"] == desk.Deadline("desk", 0)
    assert {k: v for k, v in table.items() if desk.DEADLINES[k] != v}.keys() == {
        "requested", "surveyed", "closed"
    }  # fmt: skip


def test_every_mistake_in_a_table_of_days_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("state,days\nrequested,soon\nwaiting,3\non_air,3\nawarded,-1\n")
    with pytest.raises(LedgerError) as caught:
        desk.read_deadlines(path)
    assert [str(p.where)[-1] for p in caught.value.problems] == ["2", "3", "4", "5"]
    for name, text in (("b.csv", "a,b\n1,2\n"), ("b.toml", "days = 3"), ("c.toml", "[days"),
                       ("d.toml", "[x]\ny = 1"), ("none.csv", None)):  # fmt: skip
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(LedgerError, match="the deadlines cannot be read"):
            desk.read_deadlines(tmp_path / name)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_workbook_of_the_day(register: Register, tmp_path: Path, language: str) -> None:
    fill(register)
    register.record("offer", "desk", round="R1", asset="A-2", carrier="=1+1", at="2026-03-28")
    register.record("announce", "desk", round="R2", at="2026-03-01")
    with speaking("ja" if language == "ja" else "en"):
        register.write_next(tmp_path / "day.xlsx", date(2026, 4, 15))
    book = openpyxl.load_workbook(tmp_path / "day.xlsx")
    sheet, totals = book.worksheets
    heads = {cell.value: cell.column for cell in sheet[1]}
    assert ("対応者" in heads) == (language == "ja")
    column = {name: heads[schemas.label("waiting", name, language)] for name in desk.WAITING}
    assert sheet.freeze_panes == "B2" and sheet.auto_filter.ref == f"A1:M{sheet.max_row}"
    assert sheet.print_title_rows == "$1:$1"
    colours = {
        sheet.cell(row, column["asset"]).value: sheet.cell(row, 1).fill.fgColor.rgb
        for row in range(2, sheet.max_row + 1)
        if sheet.cell(row, column["carrier"]).value != "=1+1"
    }
    assert colours == {"A-3": "FFF8CBAD", "A-1": "FFFFF2CC", None: "00000000"}
    due = sheet.cell(2, column["due"])
    assert due.is_date and due.value.date() == date(2026, 1, 31)
    words = {sheet.cell(2, column[name]).value for name in ("kind", "state")}
    assert words == ({"案件", "提示中"} if language == "ja" else {"case", "offered"})
    assert all(c.data_type != "f" for s in book.worksheets for row in s.iter_rows() for c in row)
    counted = {row[0]: row[1:] for row in totals.iter_rows(min_row=2, values_only=True)}
    assert counted == {
        "beta": (1, 1, 74), "alpha": (1, 0, 0), "=1+1": (1, 0, 0),
        "窓口" if language == "ja" else "desk": (1, 0, 0),
    }  # fmt: skip


def test_a_history_in_words(register: Register) -> None:
    fill(register)
    with speaking("ja"):
        told = register.history(asset="A-2", carrier="beta")
    assert list(told["text"])[-1] == (
        "不割当・不許可(desk)。理由: 屋上に余地なし。変わり得た条件: 鉄塔があれば"
    )
    told = register.history(asset="A-1", as_of="2026-02-20")
    assert list(told["text"]) == [
        "offered (by desk)", "requested (by desk)", "awarded (by desk). Reason: 1st wish",
        "surveyed (by desk)", "use applied for (by desk). Document: K-7",
        "use permitted (by desk). Document: 8都デ第12号",
    ]  # fmt: skip
    assert told["day"].iloc[0] == "2026-01-05"
    schemas.conform(told, "history")
    assert register.history(asset="A-1", as_of="2026-01-04").empty


def test_a_row_a_case(register: Register, tmp_path: Path) -> None:
    fill(register)
    register.record("note", "desk", **CASE, why="called")
    table = register.cases()
    schemas.conform(table, "cases")
    rows = table.set_index("asset")
    days = ["offered", "requested", "awarded", "surveyed", "applied", "permitted", "contracted",
            "on_air", "ended"]  # fmt: skip
    assert rows.loc["A-1", days].tolist() == [
        "2026-01-05", "2026-01-20", "2026-02-01", "2026-02-10", "2026-02-15", "2026-02-20",
        "", "", "",
    ]  # fmt: skip
    papers = ["apply_document", "permit_document", "contract_document"]
    assert rows.loc["A-1", papers].tolist() == ["K-7", "8都デ第12号", ""]
    assert rows.loc["A-2", ["state", "ended", "why"]].tolist() == [
        "refused", "2026-02-01", "屋上に余地なし",
    ]  # fmt: skip
    assert rows.loc["A-3", ["state", "name", "municipality"]].tolist() == [
        "offered",
        "倉庫",
        "港区",
    ]
    assert register.cases(as_of="2026-01-31")["state"].tolist() == [
        "requested",
        "requested",
        "offered",
    ]
    assert register.cases(as_of="2026-01-04").empty
    assert len(register.cases(known="2026-03-31")) == 0
    with speaking("ja"):
        assert telling.in_words(table)["state"].tolist() == [
            "使用許可済",
            "不割当・不許可",
            "提示中",
        ]
        workbook.write_tables({"案件": table}, tmp_path / "n.xlsx", "cases")
    sheet = openpyxl.load_workbook(tmp_path / "n.xlsx").active
    heads = [cell.value for cell in sheet[1]]
    first = dict(zip(heads, (cell.value for cell in sheet[2]), strict=True))
    assert first["使用許可日"].date() == date(2026, 2, 20) and first["契約日"] is None
    assert first["許可書番号"] == "8都デ第12号"


def test_counts_by_state_ward_and_carrier(register: Register, tmp_path: Path) -> None:
    fill(register)

    def counted(*by: str, as_of: str | None = None) -> dict[tuple[str, ...], int]:
        table = register.counts(by, as_of=as_of)
        schemas.conform(table, "register_counts")
        cases = table[table["kind"] == "case"]
        names = ["state", *by]
        return {tuple(row[n] for n in names): row["n"] for row in cases.to_dict("records")}

    assert counted() == {("offered",): 1, ("refused",): 1, ("permitted",): 1}
    assert list(counted()) == [("offered",), ("refused",), ("permitted",)]
    assert counted(as_of="2026-01-10") == {("offered",): 3}
    register.record(
        "amend", "desk", asset="A-1", why="区の訂正", details={"municipality": "渋谷区"}
    )
    assert counted("municipality", "carrier") == {
        ("offered", "港区", "beta"): 1, ("refused", "新宿区", "beta"): 1,
        ("permitted", "渋谷区", "alpha"): 1,
    }  # fmt: skip
    tables = {"a": register.counts(["municipality"])}
    workbook.write_tables(tables, tmp_path / "n.xlsx", "register_counts")
    sheet = openpyxl.load_workbook(tmp_path / "n.xlsx").active
    assert sum(row[-1] for row in sheet.iter_rows(min_row=2, values_only=True)) == 6


def test_facts_that_changed_are_amended_with_a_reason(register: Register) -> None:
    fill(register)
    assets = gpd.GeoDataFrame(
        {"name": ["第一庁舎", "新倉庫"], "latitude": 35.7, "longitude": [139.69, 139.76]},
        index=["A-1", "A-3"],
    )
    assert register.list_assets(assets, "desk") == 0
    assert register.facts()["A-3"]["name"] == "倉庫"
    with pytest.raises(LedgerError, match="the reason is missing"):
        register.list_assets(assets, "desk", amend=True)
    assert register.list_assets(assets, "desk", "renamed", amend=True) == 0
    assert register.facts()["A-3"] | {"x": 1} == {
        "name": "新倉庫", "municipality": "港区", "latitude": 35.7, "longitude": 139.76, "x": 1
    }  # fmt: skip
    assert list(register.events(asset="A-1", carrier="")["action"]) == ["list"]
    assert register.state("A-3") == "listed"
    assert register.facts(as_of="2026-03-31")["A-3"]["name"] == "倉庫"
    assert register.verify() == []
    with pytest.raises(LedgerError, match="twice"):
        register.list_assets(pd.concat([assets, assets]), "desk")


HOSTILE = ["a\x00b", "a\x07b", "\ud800", "\udfff", "\ufffe", "\x1b[31m", "\x7f", "x" * 1_000_000]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_no_file_could_hold_is_refused(register: Register, text: str) -> None:
    for event in (
        Event("list", text, asset="A"),
        Event("list", "desk", asset=text),
        Event("list", "desk", asset="A", why=text),
        Event("list", "desk", asset="A", details={"name": text}),
        Event(text, "desk", asset="A"),
        Event("list", "desk", asset="A", at=text),
    ):
        if event.details and ord(text[0]) < 0x7F and len(text) < 100:
            continue  # JSON escapes it
        with pytest.raises(LedgerError) as caught:
            register.record_many([event])
        shown = str(caught.value)
        assert len(shown) < 2000 and shown.encode("utf-8") and "\x00" not in shown
    assert register.events().empty
    assert register.history(asset=text, carrier=text, round=text).empty
    assert register.state(text) == ""
    with pytest.raises(LedgerError, match="not JSON"):
        register.record("list", "desk", asset="A", details=[text])  # type: ignore[arg-type]
    register.record("list", "desk", asset="A", why="one\r\ntwo\rthree")
    assert register.events()["why"].iloc[0] == "one\ntwo\nthree"


def test_hostile_names_are_shown_as_text(register: Register, tmp_path: Path) -> None:
    """What JSON holds and sheets cannot is left out of the sheet, not of the register."""
    details = {"name": "a\x00\x07<b>&_x0041_{0}", "longitude": float(139), "latitude": 35}
    register.record("list", "desk", asset="<script>", details=details)
    register.record("offer", "d", asset="<script>", carrier="c", round="r", at="2026-01-01")
    assert register.facts()["<script>"]["name"] == details["name"]
    register.write_next(tmp_path / "x.xlsx", date(2026, 4, 15))
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").worksheets[0]
    assert "a<b>&_x0041_{0}" in [cell.value for cell in sheet[2]]
    shown = telling.in_words(register.next(date(2026, 4, 15)))
    assert shown["name"].tolist() == ["a<b>&_x0041_{0}"]
    why = {"document": "\x1b[2J{x}"}
    register.record("extend", "d", asset="<script>", carrier="c", round="r", why="{why}",
                    details={**why, "due": "2026-05-01"})  # fmt: skip
    told = register.history(asset="<script>")["text"].iloc[-1]
    assert told == "deadline moved (by d). Reason: {why}. Document: [2J{x}. Due: 2026-05-01"


def test_words_and_times_for_people(register: Register) -> None:
    fill(register)
    with speaking("ja"):
        row = telling.in_words(register.next(date(2026, 3, 31))).iloc[0]
        assert row[["kind", "state", "may_follow"]].tolist() == [
            "案件", "提示中", "提示取消、期限内要望なし、要望、期限変更、経過記録",
        ]  # fmt: skip
        shown = telling.in_words(register.standing()).set_index(["asset", "carrier"])
        assert shown.loc[("A-1", "alpha"), "since"] == "2026-02-20 00:00"
        assert set(telling.in_words(register.counts())["kind"]) == {"アセット", "案件"}
    row = telling.in_words(register.next(date(2026, 3, 31))).iloc[0]
    assert row[["kind", "state"]].tolist() == ["case", "offered"]


@pytest.mark.parametrize("day", ["soon", "", "0001-01-01", "9999-12-31", "2026-02-30", "\x00"])
def test_dates_that_cannot_be_read(register: Register, day: str) -> None:
    for query in (register.events, register.standing, register.counts, register.history):
        for name in ("as_of", "known"):
            with pytest.raises(LedgerError, match="the date cannot be read"):
                query(**{name: day})


# --- commands ------------------------------------------------------------------------------------


def call(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(group(), ["register", *map(str, arguments)])
    if code == 0 and result.exception is not None:
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def test_the_desk_at_the_command_line(tmp_path: Path) -> None:
    ledger = tmp_path / "台帳.gpkg"
    source = tmp_path / "施設.csv"
    source.write_text(
        "名称,住所,緯度,経度\n第一庁舎,東京都新宿区西新宿2-8-1,35.6896,139.6917\n"
        "倉庫,東京都港区芝公園1-1-1,35.6585,139.7454\n", encoding="cp932",
    )  # fmt: skip
    for new in (2, 0):
        said = json.loads(call("load", ledger, source, "--who", "desk", "--json").stdout)
        assert said == {"assets": 2, "new": new, "offered": 0}
    with Register(ledger) as register:
        asset, _ = sorted(register.facts())
    case = ["--asset", asset, "--carrier", "alpha", "--round", "R1", "--who", "desk"]
    call("record", ledger, "offer", *case, "--at", "2024-01-05", "--due", "2024-02-28")
    call("record", ledger, "要望", *case, "--at", "2024-01-10", "--detail", "height_m=12")
    rows = json.loads(call("next", ledger, "--as-of", "2024-01-07", "--json").stdout)
    assert [(r["waits_for"], r["due"]) for r in rows] == [("alpha", "2024-02-28")]
    (tmp_path / "days.csv").write_text("state,days\nrequested,5\n")
    shown = call(
        "next", ledger, "--as-of", "2024-01-20", "--deadlines", tmp_path / "days.csv",
        "--overdue", "--for", "desk", "--xlsx", tmp_path / "day.xlsx", "--json",
    )  # fmt: skip
    assert [r["overdue_days"] for r in json.loads(shown.stdout)] == [5]
    assert openpyxl.load_workbook(tmp_path / "day.xlsx").worksheets[0].max_row == 2
    told = json.loads(call("history", ledger, "--asset", asset, "--json").stdout)
    assert [row["action"] for row in told] == ["offer", "request", "list"]
    counted = json.loads(
        call("report", ledger, "--by", "ward", "--xlsx", tmp_path / "n.xlsx", "--json").stdout
    )
    assert {(r["kind"], r["state"]): r["n"] for r in counted if r["kind"] == "case"} == {
        ("case", "requested"): 1
    }
    assert len(openpyxl.load_workbook(tmp_path / "n.xlsx").worksheets) == 5
    assert json.loads(call("show", ledger, "--as-of", "2024-01-06", "--json").stdout)[0][
        "state"
    ] == ("offered")
    assert call("export", ledger, tmp_path / "all.xlsx").stdout.strip() == "4"
    assert call("import", tmp_path / "copy.gpkg", tmp_path / "all.xlsx").stdout.strip() == "4"
    assert call("import", tmp_path / "copy.gpkg", tmp_path / "all.xlsx").stdout.strip() == "0"
    assert "as it was recorded" in call("verify", tmp_path / "copy.gpkg").stdout
    (row,) = json.loads(
        call("cases", ledger, "--carrier", "alpha", "--xlsx", tmp_path / "c.xlsx", "--json").stdout
    )
    assert (row["state"], row["offered"], row["requested"]) == (
        "requested", "2024-01-05", "2024-01-10",
    )  # fmt: skip
    assert openpyxl.load_workbook(tmp_path / "c.xlsx").active.max_row == 2
    call("record", ledger, "offer", *case, "--detail", "height", code=2)
    where = ["--detail", "latitude=35.69", "--detail", "longitude=139.70", "--who", "desk"]
    call("record", ledger, "amend", "--asset", asset, "--why", "surveyed", *where)
    call("record", ledger, "amend", "--asset", asset, "--why", "x", "--who", "x",
         "--detail", "latitude=north", code=2)  # fmt: skip
    with Register(ledger) as register:
        assert register.facts()[asset]["latitude"] == 35.69
    unknown = ["--asset", "typo", "--carrier", "alpha", "--round", "R1", "--who", "desk"]
    assert "no asset 'typo' is listed" in call("record", ledger, "offer", *unknown).stderr


def test_the_tables_that_commands_print_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text(call("deadlines").stdout)
    assert desk.read_deadlines(path) == desk.DEADLINES
    listed = json.loads(call("actions", "--json").stdout)
    assert {row["action"]: row["needs"] for row in listed}["contract"] == ["document"]
    assert "terminate" in call("actions").stdout


def test_a_mistyped_name_does_not_become_a_register(tmp_path: Path) -> None:
    announce = ["announce", "--round", "R", "--who", "desk", "--at", "2024-01-01"]
    with pytest.raises(InputError, match="import or init"):
        call("record", tmp_path / "typo.gpkg", *announce)
    assert not (tmp_path / "typo.gpkg").exists()
    call("init", tmp_path / "r.gpkg")
    assert call("record", tmp_path / "r.gpkg", *announce).stdout.strip() == "1"
    with pytest.raises(OverwriteError):
        call("init", tmp_path / "r.gpkg")


@pytest.mark.parametrize("transition", [t for t in TRANSITIONS if t.needs_reason])
def test_what_is_taken_away_has_a_reason(transition: Transition) -> None:
    keys = {"asset": {"asset": "A"}, "round": {"round": "R"}, "case": CASE}[transition.kind]
    details = {"document": "1", "due": "2026-01-01"}
    for why in ("", " \n"):
        event = Event(transition.action, "desk", why=why, details=details, **keys)
        assert [str(p.what) for p in event.problems()] == ["the reason is missing"]
    assert Event(transition.action, "desk", why="x", details=details, **keys).problems() == []


def test_withdrawals_and_refusals_are_among_them() -> None:
    needed = {t.action for t in TRANSITIONS if t.needs_reason}
    assert {"refuse", "withdraw", "revoke", "terminate", "remove", "unlist", "cancel"} <= needed
