"""``tdh scenario``: the schema of scenarios, and a scenario as it resolves."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text


@click.group(
    "scenario",
    help=str(
        Text(
            "The schema of scenarios, and a scenario as it resolves.",
            "シナリオの書式と、解決後の内容。",
        )
    ),
)
@options.lang
def command() -> None:
    pass


@command.command(
    "schema",
    help=str(Text("Print the JSON Schema of scenarios.", "シナリオのJSON Schemaを出力します。")),
)
@options.lang
def schema() -> None:
    from tdh.scenario import Scenario

    options.print_json(Scenario.model_json_schema())


@command.command(
    "show",
    help=str(
        Text(
            "Print SCENARIO as JSON with every default, override and setting applied.",
            "既定値・override・設定を適用したシナリオをJSONで出力します。",
        )
    ),
)
@click.argument("scenario", type=click.Path(path_type=Path))
@options.variant
@options.lang
def show(scenario: Path, override: str | None, settings: tuple[str, ...]) -> None:
    import tdh

    options.print_json(tdh.read_scenario(scenario, override, settings).model_dump(mode="json"))
