"""``tdh match``: a round's packages and answers to awards, by the published rule."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

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
    "--receipts",
    type=_FILE,
    help=str(
        Text(
            "The list of receipts in the round's folder, receipts.csv: when each answer arrived, "
            "noted by whom.",
            "募集回フォルダの受領一覧 receipts.csv(各回答の受領日時と記録者)。",
        )
    ),
)
@click.option(
    "--received",
    multiple=True,
    metavar="[FILE=]WHEN",
    help=str(
        Text(
            "When an answer (or all) arrived: 2027-03-31 or 2027-03-31T17:15; repeat. A file's own "
            "date never counts.",
            "回答(または全回答)の受領日。2027-03-31 または 2027-03-31T17:15。複数可。"
            "ファイルの日付は使いません。",
        )
    ),
)
@click.option(
    "--receive",
    is_flag=True,
    help=str(
        Text(
            "Only note in --receipts that the answers arrived, now or when --received says; "
            "nothing is resolved.",
            "回答の受領を(現在、または --received の日時で)--receipts に記録するだけで、割当はしません。",
        )
    ),
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
@click.option(
    "--each",
    type=click.Path(file_okay=False, path_type=Path),
    help=str(
        Text(
            "Write to this folder, for each carrier, an .xlsx of its own awards and refusals, which "
            "says nothing of others: what may be sent to it.",
            "事業者ごとの結果(自社分のみ、他社の情報なし)をこのフォルダにxlsxで書きます。送付用。",
        )
    ),
)
@options.overwrite
@options.as_json
@options.lang
def command(
    packages: tuple[Path, ...],
    answers: tuple[Path, ...],
    receipts: Path | None,
    received: tuple[str, ...],
    receive: bool,
    ledger: str | Path | None,
    who: str,
    out: Path | None,
    each: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from tdh import exchange
    from tdh.cli import tables
    from tdh.files import must_not_exist
    from tdh.register import Register

    stated = _stated(received, answers)
    if receive:
        if receipts is None:
            raise click.UsageError(
                str(Text("--receive needs --receipts", "--receive には --receipts が必要です"))
            )
        for answer in answers:
            when = stated.get(str(answer))
            for receipt in exchange.note_receipts(receipts, [answer], who, when):
                click.echo(f"{receipt.received.isoformat()}\t{receipt.file}\t{receipt.sha256}")
        return
    if not packages:
        raise click.UsageError(str(Text("--package is missing", "--package が指定されていません")))
    if out is not None:
        must_not_exist(out, overwrite)
    if each is not None:
        must_not_exist(each, overwrite)
    arrival: dict[str, Any] = {"received": stated, "receipts": receipts, "who": who}
    if ledger is None:
        award = exchange.match_round(packages, answers, **arrival)
    else:
        with Register(ledger) as register:
            award = exchange.match_round(packages, answers, register=register, **arrival)
    if out is not None:
        exchange.write_award(award, out, language=current())
        click.echo(str(out), err=True)
    if each is not None:
        for carrier in award.summary["carrier"]:
            exchange.write_award(award.of(carrier), each / f"{carrier}.xlsx", language=current())
            click.echo(str(each / f"{carrier}.xlsx"), err=True)
    if as_json:
        options.print_json(
            {
                "rule": award.rule,
                "seed": award.seed,
                "awards": tables.records(award.awards),
                "refusals": tables.records(award.refusals),
            }
        )
        return
    reason = f"reason_{current()}"
    tables.show(award.awards[["carrier", "asset", "rank", reason]], "awards", as_json)
    tables.show(award.refusals[["carrier", "asset", "rank", reason]], "refusals", as_json)


def _stated(received: tuple[str, ...], answers: tuple[Path, ...]) -> dict[str, date | datetime]:
    """Each answer's path to when it arrived; a value without a name is for every answer."""
    from tdh.exchange.receipts import parse_received

    found: dict[str, date | datetime] = {}
    for value in sorted(received, key=lambda v: "=" in v):  # what names a file goes before
        name, _, when = value.rpartition("=")
        named = [path for path in answers if not name or path == Path(name)]
        named = named or [path for path in answers if path.name == name]
        if len(named) > 1 and name:
            raise click.BadParameter(
                str(
                    Text(
                        "{name} is the name of several answers: say which with its folder",
                        "{name} という名前の回答が複数あります。フォルダ名を付けて指定してください",
                        name=name,
                    )
                ),
                param_hint="--received",
            )
        if not named:
            raise click.BadParameter(
                str(
                    Text(
                        "{name} is none of the answers",
                        "{name} は回答のファイルにありません",
                        name=name,
                    )
                ),
                param_hint="--received",
            )
        try:
            moment = parse_received(when)
        except ValueError:
            raise click.BadParameter(
                str(
                    Text(
                        "{when} is no date such as 2027-03-31 or 2027-03-31T17:15",
                        "{when} は 2027-03-31 や 2027-03-31T17:15 のような日時ではありません",
                        when=when,
                    )
                ),
                param_hint="--received",
            ) from None
        found.update(dict.fromkeys(map(str, named), moment))
    return found
