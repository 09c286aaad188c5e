"""``tdh register``: the ledger of what was offered, asked, awarded, permitted, withdrawn."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text

_FILE = click.Path(dir_okay=False, path_type=Path)


class Ledger(click.ParamType):
    """The path of a register, or the URL of one on a server."""

    name = "file or postgresql://"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | Path:
        return value if "://" in str(value) else Path(_FILE.convert(value, param, ctx))


_LEDGER = Ledger()
_WHO = click.option("--who", required=True, help=str(Text("Who records it.", "記録する人。")))


@click.group(
    "register",
    help=str(
        Text(
            "The ledger: append-only events with who, when and why; states as of any date.",
            "台帳。だれが・いつ・なぜの記録を追記だけで残し、任意の日の状態を示します。",
        )
    ),
)
def command() -> None:
    pass


@command.command(
    "list",
    help=str(
        Text(
            "Put the assets of the run folder RUN into LEDGER.",
            "計算フォルダのアセットを台帳に載せます。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@_WHO
@options.lang
def list_assets(ledger: str | Path, run: Path, who: str) -> None:
    import tdh
    from tdh.register import Register

    with Register(ledger) as register:
        new = register.list_assets(tdh.read_run(run).assets, who)
    click.echo(str(Text("{n} assets are new", "新たに{n}件を載せました", n=new)))


@command.command("record", help=str(Text("Record one event.", "1件を記録します。")))
@click.argument("ledger", type=_LEDGER)
@click.argument("action")
@click.option("--asset", default="")
@click.option("--carrier", default="")
@click.option("--round", "round_", default="")
@click.option("--why", default="", help=str(Text("Why.", "理由。")))
@click.option(
    "--at", default=None, help=str(Text("When it happened (ISO 8601).", "起きた日時(ISO 8601)。"))
)
@_WHO
@options.lang
def record(
    ledger: str | Path,
    action: str,
    asset: str,
    carrier: str,
    round_: str,
    why: str,
    at: str | None,
    who: str,
) -> None:
    from tdh.register import Event, Register

    with Register(ledger) as register:
        number = register.record_many(
            [Event(action, who, asset=asset, carrier=carrier, round=round_, why=why, at=at)]
        )[0]
    click.echo(str(number))


@command.command(
    "next",
    help=str(
        Text(
            "What waits for whom, since when, and what is overdue.",
            "だれの対応待ちか、いつからか、期限超過は何か。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), default=None)
@click.option("--out", type=_FILE, help=str(Text("Write it to an .xlsx.", "xlsxに書きます。")))
@options.overwrite
@options.as_json
@options.lang
def next_(
    ledger: str | Path, today: object, out: Path | None, overwrite: bool, as_json: bool
) -> None:
    from datetime import datetime

    from tdh.cli import tables
    from tdh.files import must_not_exist

    day: date | None = today.date() if isinstance(today, datetime) else None
    with _opened(ledger) as register:
        if out is not None:
            must_not_exist(out, overwrite)
            register.write_next(out, day)
            click.echo(str(out), err=True)
        tables.show(register.next(day), "waiting", as_json)


@command.command(
    "show",
    help=str(
        Text(
            "The state of everything, now or as of a date; with --events, every event.",
            "すべての状態を、現在または任意の日について示します。--events で全記録。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@click.option("--as-of", default=None, help=str(Text("A date (ISO 8601).", "日付(ISO 8601)。")))
@click.option("--asset", default=None)
@click.option("--carrier", default=None)
@click.option("--events", is_flag=True)
@options.as_json
@options.lang
def show(
    ledger: str | Path,
    as_of: str | None,
    asset: str | None,
    carrier: str | None,
    events: bool,
    as_json: bool,
) -> None:
    from tdh.cli import tables

    with _opened(ledger) as register:
        if events:
            table = register.events(asset=asset, carrier=carrier, as_of=as_of)
            tables.show(table, "events", as_json)
            return
        table = register.standing(as_of=as_of)
        for column, value in (("asset", asset), ("carrier", carrier)):
            if value is not None:
                table = table[table[column] == value]
        tables.show(table, "standing", as_json)


@command.command(
    "verify",
    help=str(
        Text(
            "Check that nothing in LEDGER was changed behind its back.",
            "台帳が裏で書き換えられていないか検査します。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@options.lang
def verify(ledger: str | Path) -> None:
    from tdh.errors import InputError

    with _opened(ledger) as register:
        problems = register.verify()
    if problems:
        raise InputError(*problems)
    click.echo(str(Text("every event is as it was recorded", "すべて記録されたままです")))


@command.command(
    "export", help=str(Text("Write all events to a file.", "全記録をファイルに書きます。"))
)
@click.argument("ledger", type=_LEDGER)
@click.argument("out", type=_FILE)
@options.overwrite
@options.lang
def export(ledger: str | Path, out: Path, overwrite: bool) -> None:
    from tdh.files import must_not_exist

    must_not_exist(out, overwrite)
    with _opened(ledger) as register:
        click.echo(str(register.export(out)))


def _opened(ledger: str | Path):  # type: ignore[no-untyped-def]
    """A ledger that is there: reading commands make none."""
    from tdh.errors import InputError, Problem
    from tdh.register import Register

    if isinstance(ledger, Path) and not ledger.exists():
        raise InputError(
            Problem(
                Text("the register is not there", "台帳がありません"),
                where=str(ledger),
                fix=Text("make one with: tdh register list", "tdh register list で作れます"),
            )
        )
    return Register(ledger)
