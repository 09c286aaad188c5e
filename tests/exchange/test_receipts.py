"""Answers count only if it is noted that they arrived while the round was open."""

from __future__ import annotations

import json
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner

from tdh import exchange
from tdh.cli import match
from tdh.errors import ExchangeError
from tdh.register import Register

TERMS = exchange.Round(
    id="2027-1", opens="2027-01-10", closes="2027-03-31", sharing_capacity=1, basis="joint"
)


@pytest.fixture
def sent(tmp_path: Path, fake: Any) -> dict[str, Path]:
    """Packages of two carriers, and an answer to each."""
    files = {}
    run = fake.run(offered={"alpha": ["A-1", "A-2"], "beta": ["A-1", "A-2"]})
    for carrier in ("alpha", "beta"):
        files[carrier] = tmp_path / f"{carrier}.zip"
        exchange.write_package(run, carrier, files[carrier], round=TERMS)
        files[f"{carrier}-answer"] = tmp_path / f"{carrier}-answer.zip"
        offer = exchange.read_offer(files[carrier])
        offer.request(["A-1", "A-2"]).write(files[f"{carrier}-answer"])
    return files


def settle(sent: dict[str, Path], **options: Any) -> Any:
    packages = [sent["alpha"], sent["beta"]]
    return exchange.match_round(
        packages, [sent["alpha-answer"], sent["beta-answer"]], **options
    )  # fmt: skip


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (date(2027, 1, 9), "before the round opened"),
        (date(2027, 1, 10), None),
        (date(2027, 3, 31), None),
        (date(2027, 4, 1), "after the round closed"),
        (datetime(2027, 3, 31, 23, 59), None),  # without a zone: Japan's
        (datetime.fromisoformat("2027-03-31T14:59:59Z"), None),
        (datetime.fromisoformat("2027-03-31T15:00:00Z"), "after the round closed"),
        (None, "not noted when"),
    ],
)
def test_only_what_arrived_between_the_dates_counts(
    sent: dict[str, Path], when: date | None, words: str | None
) -> None:
    if words is None:
        assert len(settle(sent, received=when).awards) == 2
        return
    with pytest.raises(ExchangeError, match=words) as caught:
        settle(sent, received=when)
    assert len(caught.value.problems) == 2  # both answers, at once


def test_a_files_own_date_never_counts(sent: dict[str, Path]) -> None:
    inside = datetime(2027, 2, 1).timestamp()
    for path in sent.values():
        os.utime(path, (inside, inside))
    with pytest.raises(ExchangeError, match="not noted when"):
        settle(sent)
    os.utime(sent["alpha-answer"], (0, 0))
    assert not settle(sent, received=date(2027, 2, 1)).awards.empty


def test_a_round_without_dates_needs_no_receipt(tmp_path: Path, fake: Any) -> None:
    exchange.write_package(fake.run(), "alpha", tmp_path / "p.zip")
    exchange.read_offer(tmp_path / "p.zip").request(["A-1"]).write(tmp_path / "a.zip")
    assert len(exchange.match_round([tmp_path / "p.zip"], [tmp_path / "a.zip"]).awards) == 1


def test_the_list_of_receipts_is_kept_by_content_and_the_first_stands(
    sent: dict[str, Path], tmp_path: Path
) -> None:
    listed = tmp_path / "receipts.csv"
    both = [sent["alpha-answer"], sent["beta-answer"]]
    assert len(exchange.note_receipts(listed, both, "=desk, 佐藤", date(2027, 3, 1))) == 2
    assert exchange.note_receipts(listed, both, "desk", date(2027, 5, 1)) == []
    moved = sent["alpha-answer"].rename(tmp_path / "名前が変わった.zip")
    sent["alpha-answer"] = moved
    with Register(tmp_path / "r.gpkg") as register:
        settle(sent, receipts=listed, register=register)
        (asked,) = (
            register.events(carrier="alpha", asset="A-1").query("action == 'request'").itertuples()
        )
        assert '"received":"2027-03-01"' in asked.details and "佐藤" in asked.details
    # An answer that was changed afterwards is another file.
    exchange.read_offer(sent["alpha"]).request(["A-2"]).write(moved)
    with pytest.raises(ExchangeError, match="not noted when"):
        settle(sent, receipts=listed)
    # What the desk states goes before the list.
    with pytest.raises(ExchangeError, match="after the round closed"):
        settle(sent, receipts=listed, received={moved.name: date(2027, 4, 2)})


def test_lists_of_receipts_that_are_wrong_say_where(sent: dict[str, Path], tmp_path: Path) -> None:
    listed = tmp_path / "receipts.csv"
    listed.write_text("file,sha256,received,who\na,b,yesterday,x\nc,d,2027-13-01,y\n")
    with pytest.raises(ExchangeError) as caught:
        settle(sent, receipts=listed)
    assert sum("receipts.csv" in str(p.where) for p in caught.value.problems) == 2
    listed.write_text("name\n")
    with pytest.raises(ExchangeError, match="columns are missing"):
        exchange.read_receipts(listed)
    with pytest.raises(ExchangeError, match="is not there"):
        exchange.note_receipts(listed.with_name("new.csv"), [tmp_path / "absent.zip"], "desk")


def test_the_desk_notes_and_settles_from_the_command_line(
    sent: dict[str, Path], tmp_path: Path
) -> None:
    answers = ["--answer", str(sent["alpha-answer"]), "--answer", str(sent["beta-answer"])]
    packages = ["--package", str(sent["alpha"]), "--package", str(sent["beta"])]
    listed = ["--receipts", str(tmp_path / "receipts.csv")]

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(match.command, arguments)

    noted = call(*answers, *listed, "--receive", "--received", "2027-02-01T09:30", "--who", "佐藤")
    assert noted.exit_code == 0 and len(noted.stdout.splitlines()) == 2
    each = tmp_path / "each"
    done = call(*packages, *answers, *listed, "--each", str(each), "--json")
    assert done.exit_code == 0 and call(*packages, *answers, *listed, "--each", str(each)).exception
    for mine, other in (("alpha", "beta"), ("beta", "alpha")):
        book = openpyxl.load_workbook(each / f"{mine}.xlsx")
        cells = [str(c.value) for sheet in book for row in sheet.iter_rows() for c in row]
        assert mine in cells and not any(other in cell for cell in cells)
    assert isinstance(call(*packages, *answers, "--json").exception, ExchangeError)
    late = f"{sent['beta-answer'].name}=2027-04-01"
    stated = call(*packages, *answers, "--received", late, "--received", "2027-03-01", "--json")
    (problem,) = stated.exception.problems
    assert "after the round closed" in str(problem) and "beta-answer.zip" in str(problem)
    json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    for wrong in (["--received", "soon"], ["--received", "other.zip=2027-03-01"], ["--receive"]):
        assert call(*packages, *answers, *wrong).exit_code == 2
    assert call(*answers).exit_code == 2


def test_two_answers_of_one_name_have_their_own_dates(
    sent: dict[str, Path], tmp_path: Path
) -> None:
    """Both carriers call it answer.zip, as the README does: a date is not taken for both."""
    packages, answers, paths = [], [], []
    for carrier in ("alpha", "beta"):
        path = tmp_path / carrier / "answer.zip"
        path.parent.mkdir()
        sent[f"{carrier}-answer"].rename(path)
        paths.append(path)
        packages += ["--package", str(sent[carrier])]
        answers += ["--answer", str(path)]

    def call(*received: str) -> Any:
        stated = [word for when in received for word in ("--received", when)]
        return CliRunner().invoke(match.command, [*packages, *answers, *stated])

    unclear = call("2027-03-01", "answer.zip=2027-04-01")
    assert unclear.exit_code == 2 and "several answers" in unclear.output
    with pytest.raises(ExchangeError, match="several answers bear"):
        exchange.match_round(
            [sent["alpha"], sent["beta"]], paths, received={"answer.zip": date(2027, 3, 1)}
        )
    late = call("2027-03-01", f"{paths[1]}=2027-04-01")
    (problem,) = late.exception.problems
    assert "after the round closed" in str(problem)
    assert call(f"{paths[0]}=2027-03-01", f"{paths[1]}=2027-03-02").exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
def test_a_name_in_another_encoding_is_noted(sent: dict[str, Path], tmp_path: Path) -> None:
    """As a zip of Windows leaves it on Linux; the content is known by its hash."""
    path = tmp_path / os.fsdecode("回答.zip".encode("cp932"))
    sent["alpha-answer"].rename(path)
    exchange.note_receipts(tmp_path / "receipts.csv", [path], "desk", date(2027, 3, 1))
    (receipt,) = exchange.read_receipts(tmp_path / "receipts.csv")
    award = exchange.match_round(
        [sent["alpha"], sent["beta"]], [path], receipts=tmp_path / "receipts.csv"
    )
    assert receipt.file.isprintable() and len(award.awards) == 2
