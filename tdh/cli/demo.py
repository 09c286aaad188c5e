"""``tdh demo``: the bundled sample, from registers to a map."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.cli.progress import Progress
from tdh.cli.run import show
from tdh.language import Text


@click.command(
    "demo",
    help=str(
        Text(
            "Run the bundled sample: Nishi-Shinjuku, with real public facilities; people, buildings "
            "and networks are invented.",
            "同梱の例を計算します。西新宿の実在の公共施設を使い、人口・建物・事業者の局は架空です。",
        )
    ),
)
@click.option(
    "--out",
    default=Path("tdh-demo"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help=str(Text("Folder for the inputs and the run.", "入力と結果のフォルダ。")),
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**32 - 1),
    default=0,
    show_default=True,
    help=str(Text("Seed.", "乱数の種。")),
)
@options.overwrite
@options.as_json
@options.quiet
@options.lang
def command(out: Path, seed: int, overwrite: bool, as_json: bool, quiet: bool) -> None:
    import tdh

    show(tdh.demo(out, seed=seed, overwrite=overwrite, report=Progress(quiet)), as_json)
