"""``tdh score``: what assets would close, and what their scores are made of."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text, current


@click.command(
    "score",
    help=str(
        Text(
            "List the best-scored assets of the run folder RUN, per carrier, with the contributions.",
            "計算フォルダの高スコアのアセットを、事業者別に内訳つきで表示します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--carrier", help=str(Text("Only this carrier.", "この事業者だけ。")))
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help=str(Text("Rows per carrier.", "事業者ごとの行数。")),
)
@options.as_json
@options.lang
def command(run: Path, carrier: str | None, top: int, as_json: bool) -> None:
    import tdh
    from tdh.cli import tables

    opened = tdh.read_run(run)
    table = options.only_carrier(opened, opened.scores, carrier)
    table = table[table["rank"] <= top].sort_values(["carrier_id", "rank"])
    table = table.join(opened.assets["name"], on="asset_id")
    parts = [c for c in table.columns if c.startswith("contribution_")]
    reason = f"reason_{current()}"
    columns = ["carrier_id", "rank", "asset_id", "name", "score", "people_newly_served"]
    if not as_json:
        table = options.named_carriers(opened, table)
    tables.show(table[[*columns, *(parts if as_json else []), reason]], "scores", as_json)
