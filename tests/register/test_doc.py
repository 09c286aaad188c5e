"""docs/register.md is true: its commands are run, its diagram is the table of transitions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tdh.cli import _wanted_language, group
from tdh.errors import TdhError
from tdh.language import speaking
from tdh.register import TRANSITIONS
from tdh.register.states import NEW, SAME

PAGE = Path(__file__).parents[2] / "docs" / "register.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TDH_LANG", "en")
    return tmp_path


def blocks() -> Iterator[tuple[str, str, str]]:
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        yield match[1], match[2] or "", match[3]


def said(command: str) -> str:
    """What a command prints, errors included, as a terminal shows it."""
    program, *arguments = shlex.split(command)
    assert program == "tdh"
    with speaking(_wanted_language(arguments)):
        result = CliRunner().invoke(group(), arguments)
        if isinstance(result.exception, TdhError):
            return f"Error:\n{result.exception.render()}\n"
    assert result.exit_code == 0, result.output
    return result.output


def test_the_page_tells_what_happens(folder: Path) -> None:
    commands = 0
    for kind, name, content in blocks():
        if kind == "csv":
            (folder / name).write_text(content, encoding="utf-8")
        elif kind == "console":
            shown = ""
            for line in content.splitlines():
                if line.startswith("$ "):
                    shown += f"{line}\n{said(line[2:])}"
                    commands += 1
            assert shown == content
        elif kind == "python":
            exec(compile(content, str(PAGE), "exec"), {})
    assert commands > 30


def test_the_diagram_is_the_table_of_transitions() -> None:
    drawn = set()
    for kind, _, content in blocks():
        if kind == "mermaid":
            for before, after, actions in re.findall(r"(\S+) --> (\S+): (.+)", content):
                drawn |= {(before, action, after) for action in actions.split(", ")}
    table = {
        ("[*]" if before == NEW else before, t.action, t.after)
        for t in TRANSITIONS
        for before in t.before
        if t.after != SAME
    }
    assert drawn == table
    page = PAGE.read_text(encoding="utf-8")
    for words, needs in (
        ("a reason (`--why`)", [t.action for t in TRANSITIONS if t.needs_reason]),
        (
            "the number of a paper (`--document`)",
            [t.action for t in TRANSITIONS if t.needs_document],
        ),
    ):
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {words} |"))
        assert re.findall(r"`(\w+)`", row.partition("|")[2].split("|")[1]) == needs
