"""``tdh check``: what is wrong with a scenario or a register, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tdh.cli import options
from tdh.errors import InputError, Problem
from tdh.language import Text


@click.command(
    "check",
    help=str(
        Text(
            "Check scenarios (.toml) and registers of assets; nothing is computed or changed. Exit "
            "code 3 where something cannot be used.",
            "シナリオ(.toml)とアセット台帳を検査します。計算も変更もしません。使えないものがあれば"
            "終了コードは3です。",
        )
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.variant
@click.option(
    "--mapping",
    "show_mapping",
    is_flag=True,
    help=str(Text("Show which column became which field.", "列と項目の対応を表示します。")),
)
@options.as_json
@options.lang
def command(
    files: tuple[Path, ...],
    override: str | None,
    settings: tuple[str, ...],
    show_mapping: bool,
    as_json: bool,
) -> None:
    scenarios = [f for f in files if f.suffix.lower() == ".toml"]
    registers = [f for f in files if f not in scenarios]
    problems: list[Problem] = []
    content: dict[str, Any] = {}
    for path in scenarios:
        problems += _scenario(path, override, settings, content, as_json)
    if registers:
        problems += _registers(registers, content, as_json, show_mapping)
    if as_json:
        options.print_json(content)
    if problems:
        raise InputError(*problems)


def _scenario(
    path: Path,
    override: str | None,
    settings: tuple[str, ...],
    content: dict[str, Any],
    as_json: bool,
) -> list[Problem]:
    import tdh

    result = tdh.check(path, override, settings)
    content.setdefault("scenarios", []).append(
        {
            "path": str(path),
            "ok": result.ok,
            "problems": [str(p) for p in result.problems],
            "facts": result.facts,
        }
    )
    if not as_json:
        for name, fact in result.facts.items():
            click.echo(f"{name}: {json.dumps(fact, ensure_ascii=False)}")
        if result.ok:
            click.echo(str(Text("{path}: ready to run", "{path}: 計算できます", path=path)))
    return result.problems


def _registers(
    paths: list[Path], content: dict[str, Any], as_json: bool, show_mapping: bool
) -> list[Problem]:
    from tdh import inventory, language
    from tdh.inventory.checking import describe

    problems: list[Problem] = []
    content["files"] = []
    for path in paths:
        try:
            register = inventory.read_assets(path)
        except InputError as error:
            problems += error.problems
            continue
        content["files"].append(describe(register, str(path)))
        if as_json:
            continue
        click.echo(inventory.summary_text(register, language.current()))
        if show_mapping:
            for field, column in register.mapping.items():
                click.echo(f"    {field:22} ← {column}")
    return problems
