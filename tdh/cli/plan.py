"""``tdh plan``: which asset is offered to whom, and why."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text, current


@click.command(
    "plan",
    help=str(
        Text(
            "List the plan of the run folder RUN: which asset for which carrier, and why.",
            "計算フォルダの計画(どのアセットをどの事業者に、なぜ)を表示します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--carrier", help=str(Text("Only this carrier.", "この事業者だけ。")))
@options.as_json
@options.lang
def command(run: Path, carrier: str | None, as_json: bool) -> None:
    import tdh
    from tdh.cli import tables

    opened = tdh.read_run(run)
    table = options.only_carrier(opened, opened.plan.drop(columns="geometry"), carrier)
    table = table.join(opened.assets["name"], on="asset_id")
    columns = ["carrier_id", "order", "asset_id", "name", "people_gained", "people_lost_without"]
    if "fiscal_year" in table and table["fiscal_year"].notna().any():
        columns.insert(1, "fiscal_year")
    if not as_json:
        table = options.named_carriers(opened, table)
    tables.show(table[[*columns, f"reason_{current()}"]], "plan", as_json)
