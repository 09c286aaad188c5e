"""``tdh check``: what is wrong with a scenario or a register, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tdh.cli import options
from tdh.errors import InputError, Problem
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.inventory import Register


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
@click.argument("files", nargs=-1, required=True)  # text: a register may be a URL, or -
@options.variant
@click.option(
    "--mapping",
    "show_mapping",
    is_flag=True,
    help=str(Text("Show which column became which field.", "列と項目の対応を表示します。")),
)
@click.option(
    "--crs",
    help=str(
        Text(
            "CRS of the registers' coordinates, such as EPSG:4301 (Tokyo datum).",
            "台帳の座標系。例: EPSG:4301(日本測地系)。",
        )
    ),
)
@click.option(
    "--kind", help=str(Text("Kind of all assets of the registers.", "台帳のアセットの種別。"))
)
@click.option(
    "--kinds",
    "more_kinds",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text("CSV of further kinds and words; may be repeated.", "種別と語を追加するCSV。複数可。")
    ),
)
@click.option(
    "--geocoder",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text(
            "Table of addresses and coordinates for records without a position.",
            "位置のない行のための、住所と座標の表。",
        )
    ),
)
@click.option(
    "--strict",
    type=click.Choice(["info", "warning", "error"]),
    help=str(
        Text(
            "Exit code 3 where a finding is of this severity or a graver one.",
            "この重要度以上の所見があれば終了コード3。",
        )
    ),
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(Text("Write the findings as a page.", "所見をHTMLに書きます。")),
)
@options.overwrite
@options.as_json
@options.lang
def command(
    files: tuple[str, ...],
    override: str | None,
    settings: tuple[str, ...],
    show_mapping: bool,
    crs: str | None,
    kind: str | None,
    more_kinds: tuple[Path, ...],
    geocoder: Path | None,
    strict: str | None,
    page: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from tdh.files import must_not_exist

    if page is not None:
        must_not_exist(page, overwrite)
    scenarios = [Path(f) for f in files if f.lower().endswith(".toml")]
    registers = [f for f in files if not f.lower().endswith(".toml")]
    problems: list[Problem] = []
    content: dict[str, Any] = {}
    for path in scenarios:
        problems += _scenario(path, override, settings, content, as_json)
    if registers:
        read, unreadable = _registers(registers, crs, kind, more_kinds, geocoder)
        problems += unreadable
        content["files"] = [_described(register, path) for path, register in read]
        if not as_json:
            _show_registers([register for _, register in read], show_mapping)
        if page is not None:
            _write_page(page, [register for _, register in read])
        problems += [_useless(register) for _, register in read if _no_use(register)]
        if strict is not None:
            problems += _graver(read, strict)
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
    paths: list[str],
    crs: str | None,
    kind: str | None,
    more_kinds: tuple[Path, ...],
    geocoder: Path | None,
) -> tuple[list[tuple[str, Register]], list[Problem]]:
    from tdh import inventory

    read: list[tuple[str, Register]] = []
    problems: list[Problem] = []
    with inventory.kinds.extended(*more_kinds):
        for path in paths:
            try:
                register = inventory.read_assets(path, crs=crs, kind=kind)
                if geocoder is not None:
                    register = inventory.geocode(register, geocoder)
            except InputError as error:
                problems.extend(error.problems)
            else:
                read.append((path, register))
    return read, problems


def _no_use(register: Register) -> bool:
    return len(register.assets) + len(register.needs_position) == 0


def _useless(register: Register) -> Problem:
    """Said of a register of which nothing can be used: most often it is another file."""
    return Problem(
        Text("no record of it can be used", "使えるレコードが1件もありません"),
        value=len(register.rejected),
        expected=Text(
            "columns such as 名称, 所在地, 緯度, 経度 (or name, address, latitude, longitude)",
            "名称・所在地・緯度・経度のような列",
        ),
        where=register.source,
        fix=Text(
            "is it the right file? name its columns in the scenario: mapping under [[assets]]",
            "ファイルは正しいですか。列名が違うときはシナリオの [[assets]] の mapping で対応を指定して"
            "ください",
        ),
    )


def _described(register: Register, path: str) -> dict[str, Any]:
    from tdh.inventory.checking import describe

    return describe(register, path)


def _show_registers(registers: list[Register], show_mapping: bool) -> None:
    from tdh import inventory, language

    for register in registers:
        click.echo(inventory.summary_text(register, language.current()))
        if show_mapping:
            # As a scenario takes it: to be pasted under [[assets]] and edited.
            pairs = ", ".join(
                f"{field} = {json.dumps(column, ensure_ascii=False)}"
                for field, column in register.mapping.items()
            )
            click.echo(f"  mapping = {{ {pairs} }}")


def _write_page(page: Path, registers: list[Register]) -> None:
    from tdh import inventory, language
    from tdh.files import atomic

    with atomic(page) as draft:
        draft.write_text(inventory.summary_html(registers, language.current()), encoding="utf-8")
    click.echo(str(page), err=True)


_GRAVITY = ("info", "warning", "error")


def _graver(read: list[tuple[str, Register]], strict: str) -> list[Problem]:
    """One problem per register and rule whose findings are as grave as asked for."""
    grave = _GRAVITY[_GRAVITY.index(strict) :]
    problems = []
    for _, register in read:
        found = register.findings[register.findings["severity"].isin(grave)]
        for rule, n in found["rule"].value_counts().items():
            problems.append(
                Problem(
                    Text("{n} findings of {rule}", "{rule} の所見が {n} 件", n=int(n), rule=rule),
                    where=register.source,
                )
            )
    return problems
