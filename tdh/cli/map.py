"""``tdh map``: the map of a run, drawn again."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text


@click.command(
    "map",
    help=str(
        Text(
            "Draw the map of the run folder RUN again, in one HTML file that opens without a network.",
            "計算フォルダの地図を、ネットワークなしで開ける1つのHTMLとして描き直します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(Text("The HTML file (default: RUN/map.html).", "HTMLファイル(既定は RUN/map.html)。")),
)
@options.overwrite
@options.lang
def command(run: Path, out: Path | None, overwrite: bool) -> None:
    import tdh
    from tdh import maps
    from tdh.files import must_not_exist

    opened = tdh.read_run(run)
    target = out or run / "map.html"
    must_not_exist(target, overwrite)
    maps.save(maps.plan_map(opened), target)
    click.echo(str(target))
