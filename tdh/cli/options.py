"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tdh.language import Text

if TYPE_CHECKING:
    import pandas as pd

    from tdh.results import Run

Command = TypeVar("Command", bound=Callable[..., Any])

lang = click.option(
    "--lang",
    type=click.Choice(["ja", "en"]),
    expose_value=False,
    help=str(
        Text(
            "Language of what people read (default: the locale's).",
            "表示とレポートの言語(既定はロケール)。",
        )
    ),
)

quiet = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help=str(Text("No progress on stderr.", "進行状況を表示しません。")),
)

overwrite = click.option(
    "--overwrite",
    is_flag=True,
    help=str(Text("Replace what is there already.", "すでにあるものを置き換えます。")),
)

as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help=str(Text("Print JSON on stdout.", "標準出力にJSONを出します。")),
)


def variant(command: Command) -> Command:
    """``--override NAME`` and ``--set KEY=VALUE``: a scenario changed without editing it."""
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help=str(
            Text(
                "Change a value, such as siting.spacing_m=300 or carriers.carrier-a.max_sites=40; "
                "may be repeated.",
                "値を変えます。例: siting.spacing_m=300、carriers.carrier-a.max_sites=40。複数可。",
            )
        ),
    )(command)
    return click.option(
        "--override",
        metavar="NAME",
        help=str(
            Text(
                "Apply the scenario's [overrides.NAME].",
                "シナリオの [overrides.NAME] を適用します。",
            )
        ),
    )(command)


def known_carrier(run: Run, carrier: str) -> str:
    """The id of a carrier, by its id or name; refuses one that the run does not know."""
    from tdh.pipeline import ranking

    return ranking.known_carrier(run, carrier)


def only_carrier(table: pd.DataFrame, carrier: str | None, *runs: Run) -> pd.DataFrame:
    """The rows of one carrier, of the first of the runs that knows it, or all."""
    if carrier is None:
        return table
    know = [run for run in runs if any(carrier in (c.id, c.name) for c in run.carriers)]
    return table[table["carrier_id"] == known_carrier((know or runs)[0], carrier)]


def named_carriers(table: pd.DataFrame, *runs: Run) -> pd.DataFrame:
    """A table for people: carriers by their names, in the first of the runs that knows them."""
    names = {c.id: c.name or c.id for run in reversed(runs) for c in run.carriers}
    return table.assign(carrier_id=[names[str(carrier)] for carrier in table["carrier_id"]])


def print_json(content: Any) -> None:
    """Print JSON for programs: UTF-8 as it is, numbers unrounded."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=1))
