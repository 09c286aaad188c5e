"""``tdh match``: a round's packages and answers to awards, by the published rule."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.cli.register import Ledger
from tdh.language import Text, current

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "match",
    help=str(
        Text(
            "Resolve a round: hold every answer against the package that it answers, and award by the "
            "rule that the packages print. Each award and refusal has its reason.",
            "募集回を決します。回答をパッケージと照合し、公表済みの規則で割り当てます。"
            "割当と不採用のすべてに理由がつきます。",
        )
    ),
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    required=True,
    type=_FILE,
    help=str(
        Text(
            "A package that was sent; repeat for each carrier.",
            "送付したパッケージ。事業者ごとに指定。",
        )
    ),
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    required=True,
    type=_FILE,
    help=str(Text("An answer that came back; repeat.", "届いた回答。複数可。")),
)
@click.option(
    "--register",
    "ledger",
    type=Ledger(),
    help=str(Text("Record the round in this register.", "この台帳に記録します。")),
)
@click.option(
    "--who", default="desk", show_default=True, help=str(Text("Who settles it.", "担当者。"))
)
@click.option(
    "--out", type=_FILE, help=str(Text("Write the awards to an .xlsx.", "結果をxlsxに書きます。"))
)
@options.overwrite
@options.as_json
@options.lang
def command(
    packages: tuple[Path, ...],
    answers: tuple[Path, ...],
    ledger: str | Path | None,
    who: str,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from tdh import exchange
    from tdh.cli import tables
    from tdh.files import must_not_exist
    from tdh.register import Register

    if out is not None:
        must_not_exist(out, overwrite)
    if ledger is None:
        award = exchange.match_round(packages, answers)
    else:
        with Register(ledger) as register:
            award = exchange.match_round(packages, answers, register=register, who=who)
    if out is not None:
        exchange.write_award(award, out, language=current())
        click.echo(str(out), err=True)
    if as_json:
        options.print_json(
            {
                "rule": award.rule,
                "seed": award.seed,
                "awards": award.awards.to_dict("records"),
                "refusals": award.refusals.to_dict("records"),
            }
        )
        return
    reason = f"reason_{current()}"
    tables.show(award.awards[["carrier", "asset", "rank", reason]], "awards", as_json)
    tables.show(award.refusals[["carrier", "asset", "rank", reason]], "refusals", as_json)
