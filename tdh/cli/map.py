"""``tdh map``: the map of a run, drawn again."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text, current


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
@click.option(
    "--online-base",
    is_flag=True,
    help=str(
        Text(
            "Offer GSI tiles (地理院タイル) as a base map; the page then asks for them when online.",
            "地理院タイルを背景に選べるようにします。オンラインのときだけ取得します。",
        )
    ),
)
@options.overwrite
@options.lang
def command(run: Path, out: Path | None, online_base: bool, overwrite: bool) -> None:
    import tdh
    from tdh import maps
    from tdh.files import must_not_exist

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        said = Text(
            "{file} does not end in .html", "{file} の末尾が .html ではありません", file=out
        )
        raise click.BadParameter(str(said), param_hint="--out")
    opened = tdh.read_run(run)
    target = out or run / "map.html"
    must_not_exist(target, overwrite)
    maps.save(maps.plan_map(opened, language=current(), online_base=online_base), target)
    click.echo(str(target))
