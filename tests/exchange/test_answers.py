"""Answers: what carriers send is checked as a whole, in every form, and never trusted."""

from __future__ import annotations

import io
import json
import random
import time
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdh import exchange, matching
from tdh.errors import ExchangeError

JOINT = exchange.Round(id="試行2026", basis="joint")
NASTY = '=HYPERLINK("http://x","<script>alert(1)</script>&髙橋'


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory, fake_session: Any) -> exchange.Offer:
    path = tmp_path_factory.mktemp("offer") / "alpha.zip"
    run = fake_session.run(assets=fake_session.assets({"A-1": NASTY}))
    exchange.write_package(run, "alpha", path, round=JOINT)
    return exchange.read_offer(path)


def member(offer: exchange.Offer, name: str) -> bytes:
    with zipfile.ZipFile(offer.path) as archive:
        return archive.read(name)


def fill(offer: exchange.Offer, path: Path, cells: dict[str, Any], sheet: str = "要望") -> Path:
    book = openpyxl.load_workbook(io.BytesIO(member(offer, "form/request.xlsx")))
    for address, value in cells.items():
        book[sheet][address] = value
    book.save(path)
    return path


# --- there and back ------------------------------------------------------------------------------


def test_names_in_the_order_of_preference(offer: exchange.Offer, tmp_path: Path) -> None:
    offer.request(["A-2", "A-1"], contact="rf@alpha.example").write(tmp_path / "answer.zip")
    answer = exchange.read_answer(tmp_path / "answer.zip", offer.path)
    assert [(r.asset_id, r.rank) for r in answer.requests] == [("A-2", 1), ("A-1", 2)]
    award = matching.match(answer.table, {"A-1": 1, "A-2": 1}, "serial_rotation")
    assert award.pairs == {("alpha", "A-1"), ("alpha", "A-2")}


def test_a_table_with_gaps_as_pandas_makes_it(offer: exchange.Offer) -> None:
    """A row without a rank is not wanted, as in the form; it never takes another's place."""
    for missing, dtype in ((None, "Int64"), (float("nan"), "float64")):
        rank = pd.array([3, missing, 1], dtype=dtype)
        table = offer.assets.assign(rank=rank, wanted_year=[2027, None, None])
        first, _, last = offer.assets.index
        answer = offer.request(table)
        assert [(r.asset_id, r.rank) for r in answer.requests] == [(first, 3), (last, 1)]
        assert [r.wanted_year for r in answer.requests] == [2027, None]
    for wrong in ("A-1", None, 5, [7], offer.assets["people_alone"]):
        with pytest.raises(ExchangeError, match="neither an asset id nor a row"):
            offer.request(wrong)  # type: ignore[arg-type]
    with pytest.raises(ExchangeError, match=r"valid integer: 1\.5"):
        offer.request([{"asset_id": "A-1", "rank": 1.5}])


def test_everything_that_can_be_said_comes_back(offer: exchange.Offer, tmp_path: Path) -> None:
    frame = offer.assets.assign(rank=[3, 1, 2], antennas=[1, 2, 3], weight_kg=[10.5, None, 30.0])
    rows = frame.reset_index().to_dict("records")
    wish = [{k: r[k] for k in ("asset_id", "rank", "antennas")} for r in rows]
    wish[0] |= {"bands": ["n78"], "wanted_year": 2027, "conditions": "夜間工事のみ\n要相談",
                "tenants": ["docomo", "kddi"], "places": 2, "weight_kg": 120.0}  # fmt: skip
    ring = {"name": "SA-7", "latitude": 35.681, "longitude": 139.691, "radius_m": 200.0,
            "height_min_m": 2.0, "bands": ["n78"]}  # fmt: skip
    answer = offer.request(wish, search_rings=[ring])
    answer.write(tmp_path / "a.zip")
    answer.write(tmp_path / "a.json")
    for name in ("a.zip", "a.json"):
        assert exchange.read_answer(tmp_path / name, offer) == answer
    by_frame = offer.request(frame)
    assert {r.asset_id: r.rank for r in by_frame.requests} == dict(frame["rank"].items())
    table = answer.table.set_index("asset")
    assert table.loc[wish[0]["asset_id"], ["places", "tenants"]].tolist() == [2, 2]


def test_the_form_filled_in_by_hand(offer: exchange.Offer, tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(member(offer, "form/request.xlsx")))["要望"]
    heads = {cell.value: cell.column_letter for cell in sheet[1]}
    rows = {sheet.cell(r, 1).value: r for r in range(3, 6)}
    path = fill(
        offer,
        tmp_path / "form.xlsx",
        {
            f"{heads['希望順位']}{rows['A-2']}": "１",
            f"{heads['希望順位']}{rows['A-1']}": 2,
            f"{heads['バンド n78']}{rows['A-1']}": "○",
            f"{heads['重量 (kg)']}{rows['A-1']}": "1,200.5",
            f"{heads['希望年度']}{rows['A-1']}": 2027.0,
            f"{heads['共用事業者(読点区切り)']}{rows['A-1']}": "ドコモ、KDDI",
            f"{heads['条件']}{rows['A-1']}": "夜間のみ",
        },
    )
    answer = exchange.read_answer(path, offer)
    first, second = sorted(answer.requests, key=lambda r: r.rank)
    assert (first.asset_id, first.bands) == ("A-2", ())
    assert (second.asset_id, second.bands, second.weight_kg) == ("A-1", ("n78",), 1200.5)
    assert (second.wanted_year, second.tenants) == (2027, ("ドコモ", "KDDI"))


def test_the_form_has_drop_downs_and_no_formula(offer: exchange.Offer) -> None:
    book = openpyxl.load_workbook(io.BytesIO(member(offer, "form/request.xlsx")))
    kinds = [rule.type for rule in book["要望"].data_validations.dataValidation]
    assert kinds.count("list") >= 4 and "whole" in kinds
    assert book["tdh"].sheet_state == "hidden"
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert any(cell.value == NASTY for cell in cells)


def test_packages_are_the_same_seconds_later(offer: exchange.Offer, fake: Any) -> None:
    time.sleep(2.1)  # a zip counts in two seconds
    run = fake.run(assets=fake.assets({"A-1": NASTY}))
    later = offer.path.with_name("later.zip")
    exchange.write_package(run, "alpha", later, round=JOINT)
    assert later.read_bytes() == offer.path.read_bytes()


def test_the_schema_takes_good_answers_and_refuses_others(offer: exchange.Offer) -> None:
    schema = json.loads(member(offer, "answer.schema.json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    good = json.loads(offer.request(["A-1", "A-2"]).to_json())
    jsonschema.validate(good, schema)
    for key, value in (("carrier", "beta"), ("round", "other"), ("offer_sha256", "0" * 64),
                       ("requests", [{"asset_id": "Z-9", "rank": 1}]), ("surprise", 1),
                       ("requests", [{"asset_id": "A-1", "rank": 0}])):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, key: value}, schema)


def test_sheets_escape_what_registers_say(offer: exchange.Offer) -> None:
    with zipfile.ZipFile(offer.path) as archive:
        names = [n for n in archive.namelist() if n.startswith("sheets/")]
        pages = [archive.read(n).decode() for n in names]
    assert len(pages) == 3
    assert all("<script" not in page and "JGD2011" in page and "WGS 84" in page for page in pages)
    assert any("&lt;script&gt;" in page for page in pages)
    assert all("台帳に記載なし / not in the register" in page for page in pages)
    assert all("<td></td>" not in page and "nan" not in page for page in pages)
    assert all("架空" in page and "Ground elevation" in page for page in pages)


# --- what is refused -----------------------------------------------------------------------------


def test_everything_wrong_is_said_at_once(offer: exchange.Offer, tmp_path: Path) -> None:
    content = json.loads(offer.request(["A-1"]).to_json())
    content |= {"carrier": "beta", "round": "last year", "offer_sha256": "0" * 64}
    content["requests"] = [
        {"asset_id": "A-1", "rank": 1, "bands": ["n999"]},
        {"asset_id": "A-1", "rank": 1, "conditions": "\u202egnirts"},
        {"asset_id": "Z-9", "rank": 2},
    ]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ExchangeError) as caught:
        exchange.read_answer(tmp_path / "a.json", offer)
    text = str(caught.value)
    for words in ("another round", "another carrier", "another package", "not in the package",
                  "requested twice", "rank is given twice", "not one of the package's",
                  "control characters"):  # fmt: skip
        assert words in text
    assert len(caught.value.problems) == 8


@pytest.mark.parametrize(
    "request_",
    [
        {"asset_id": "A-1", "rank": 0}, {"asset_id": "A-1", "rank": 1.5},
        {"asset_id": "A-1", "rank": "1"}, {"asset_id": "A-1", "rank": True},
        {"asset_id": "", "rank": 1}, {"asset_id": "A-1", "rank": 1, "x": 1}, {"rank": 1}, [], 7,
        {"asset_id": "A-1", "rank": 1, "weight_kg": -1}, {"asset_id": "A" * 500, "rank": 1},
        {"asset_id": "A-1", "rank": 1, "conditions": "x" * 5000},
        {"asset_id": "A-1", "rank": 1, "wanted_year": 1999},
        {"asset_id": "A-1", "rank": 1, "antennas": 10**30},
    ],
)  # fmt: skip
def test_requests_out_of_bounds(offer: exchange.Offer, tmp_path: Path, request_: Any) -> None:
    content = json.loads(offer.request(["A-1"]).to_json())
    content["requests"] = [request_]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ExchangeError):
        exchange.read_answer(tmp_path / "a.json", offer)


def test_an_answer_of_another_carrier_or_an_older_package(
    offer: exchange.Offer, tmp_path: Path, fake: Any
) -> None:
    exchange.write_package(fake.run(), "beta", tmp_path / "beta.zip", round=JOINT)
    theirs = exchange.read_offer(tmp_path / "beta.zip").request(["A-3"])
    theirs.write(tmp_path / "theirs.zip")
    with pytest.raises(ExchangeError, match="another carrier's answer"):
        exchange.read_answer(tmp_path / "theirs.zip", offer)
    exchange.write_package(
        fake.run(), "alpha", tmp_path / "older.zip", round=JOINT
    )  # another name of A-1
    exchange.read_offer(tmp_path / "older.zip").request(["A-3"]).write(tmp_path / "old.zip")
    with pytest.raises(ExchangeError, match="another package"):
        exchange.read_answer(tmp_path / "old.zip", offer)


def test_an_answer_that_was_changed_on_its_way(offer: exchange.Offer, tmp_path: Path) -> None:
    offer.request(["A-1", "A-2"]).write(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        content = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("answer.json", content["answer.json"].replace(b"A-1", b"A-3"))
        archive.writestr("answer.sha256", content["answer.sha256"])
    with pytest.raises(ExchangeError, match="changed after it was sealed"):
        exchange.read_answer(tmp_path / "b.zip", offer)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("answer.json", content["answer.json"])
        archive.writestr("../../evil", "x")
    with pytest.raises(ExchangeError, match="leaves the package"):
        exchange.read_answer(tmp_path / "c.zip", offer)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("macro.bin", "x")
    with pytest.raises(ExchangeError, match="not an answer"):
        exchange.read_answer(tmp_path / "d.zip", offer)


def test_forms_that_are_wrong_say_in_which_cells(offer: exchange.Offer, tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(member(offer, "form/request.xlsx")))["要望"]
    heads = {cell.value: cell.column_letter for cell in sheet[1]}
    rank, band, year = heads["希望順位"], heads["バンド n78"], heads["希望年度"]
    path = fill(offer, tmp_path / "f.xlsx", {f"{rank}3": "first", f"{band}4": "yes",
                                            f"{year}5": 2027, f"{rank}4": 1.5})  # fmt: skip
    with pytest.raises(ExchangeError) as caught:
        exchange.read_answer(path, offer)
    places = " ".join(str(problem.where) for problem in caught.value.problems)
    assert all(place in places for place in (f"{rank}3", f"{band}4", f"{rank}4", "要望!5"))
    hidden = fill(offer, tmp_path / "g.xlsx", {"B3": "beta"}, "tdh")
    with pytest.raises(ExchangeError, match="another carrier"):
        exchange.read_answer(hidden, offer)
    book = openpyxl.Workbook()
    book.save(tmp_path / "h.xlsx")
    with pytest.raises(ExchangeError, match="not the request form"):
        exchange.read_answer(tmp_path / "h.xlsx", offer)


def test_a_form_with_entities_or_rubbish_inside(offer: exchange.Offer, tmp_path: Path) -> None:
    source = member(offer, "form/request.xlsx")
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 20) for i in range(8)
    ) + b"]><worksheet>&i;</worksheet>"  # fmt: skip
    for rubbish in (bomb, b"", b"<worksheet", b"\0" * 100):
        with (
            zipfile.ZipFile(io.BytesIO(source)) as old,
            zipfile.ZipFile(tmp_path / "x.xlsx", "w") as new,
        ):
            for name in old.namelist():
                new.writestr(name, rubbish if name.endswith("sheet2.xml") else old.read(name))
        with pytest.raises(ExchangeError):
            exchange.read_answer(tmp_path / "x.xlsx", offer)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rubbish_is_an_error_and_never_a_defect(offer: exchange.Offer, content: bytes) -> None:
    path = offer.path.with_name("rubbish")
    path.write_bytes(content)
    with pytest.raises(ExchangeError):
        exchange.read_answer(path, offer)


def test_damage_anywhere_is_an_error_and_never_a_defect(
    offer: exchange.Offer, tmp_path: Path
) -> None:
    """Bytes flipped in an answer, in a form, and in the parts of a form."""
    rng = random.Random(0)
    offer.request(["A-1", "A-2"]).write(tmp_path / "a.zip")
    form = member(offer, "form/request.xlsx")
    with zipfile.ZipFile(io.BytesIO(form)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    files = [(tmp_path / "a.zip").read_bytes(), form]
    refused = 0
    for _ in range(40):
        damaged = []
        for raw in files:
            flipped = bytearray(raw)
            for _ in range(rng.randint(1, 4)):
                flipped[rng.randrange(len(flipped))] = rng.randrange(256)
            damaged.append(bytes(flipped))
        hit, buffer = rng.choice(list(parts)), io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, raw in parts.items():
                at = rng.randrange(max(1, len(raw)))
                archive.writestr(name, raw[:at] + b"<" + raw[at + 1 :] if name == hit else raw)
        for raw in (*damaged, buffer.getvalue()):
            (tmp_path / "x").write_bytes(raw)
            try:
                exchange.read_answer(tmp_path / "x", offer)
            except ExchangeError as error:
                assert str(error)
                refused += 1
    assert refused > 60, "of 120, the rest harmless"


# --- search rings --------------------------------------------------------------------------------


def test_search_rings_are_answered_with_the_assets_inside(fake: Any) -> None:
    assets = fake.assets()
    ring = exchange.SearchRing(name="SA-1", latitude=35.68, longitude=139.69, radius_m=300.0)
    found = exchange.inside(assets, ring)
    # Steps of 0.001° are 143 m apart: the centre's own, and two more.
    assert list(found.index) == ["A-1", "A-2", "A-3"]
    assert found["distance_m"].tolist() == pytest.approx([0.0, 143.0, 286.1], abs=0.5)
    high = exchange.SearchRing(
        name="SA-2", latitude=35.682, longitude=139.692, radius_m=1000, height_min_m=10,
        height_max_m=20,
    )  # fmt: skip
    both = exchange.answer_rings(assets, [ring, high])
    assert list(both["SA-2"].index) == ["A-5"]
    assert "repaired" not in found.columns


def test_requests_are_a_table_for_the_matching(offer: exchange.Offer) -> None:
    assert offer.request([]).table.empty
    assert list(offer.request(["A-1"]).table.columns) == [
        "carrier", "asset", "rank", "places", "tenants", "brings",
    ]  # fmt: skip
    frame = pd.DataFrame({"asset_id": ["A-1", "A-2"], "rank": [2, 1]})
    assert offer.request(frame).table["rank"].tolist() == [2, 1]
