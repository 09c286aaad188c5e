"""``tdh init``: a scenario to start from."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text


@click.command(
    "init",
    help=str(
        Text(
            "Write FOLDER/scenario.toml, commented, to start from.",
            "説明つきの雛形 フォルダ/scenario.toml を書き出します。",
        )
    ),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
@options.overwrite
@options.lang
def command(folder: Path, overwrite: bool) -> None:
    import tdh

    path = tdh.init(folder, overwrite=overwrite)
    click.echo(str(path))
    click.echo(
        str(
            Text(
                "Name your files in it, then: tdh check {path}",
                "ファイル名を書き入れてから: tdh check {path}",
                path=path,
            )
        ),
        err=True,
    )
