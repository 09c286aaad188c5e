"""``tdh register``: the ledger of what was offered, asked, awarded, permitted, withdrawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tdh.cli import ledgers, options, register_queries
from tdh.cli.ledgers import Ledger
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.register import Event
    from tdh.results import Run

__all__ = ["Ledger", "command"]


@click.group(
    "register",
    help=str(
        Text(
            "The ledger: append-only events with who, when and why; states as of any date.",
            "台帳。だれが・いつ・なぜの記録を追記だけで残し、任意の日の状態を示します。",
        )
    ),
)
@options.lang
def command() -> None:
    pass


@command.command(
    "init",
    help=str(
        Text(
            "Make an empty register; 'load', 'list' and 'import' make one where there is none, too.",
            "空の台帳を作ります。load・list・import も、なければ作ります。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@options.lang
def init(ledger: str | Path) -> None:
    from tdh.files import must_not_exist
    from tdh.register import Register

    if isinstance(ledger, Path):
        must_not_exist(ledger)
    Register(ledger).close()
    click.echo(str(Text("made", "作成しました")))


@command.command(
    "load",
    help=str(
        Text(
            "Put the assets of SOURCE (a run folder, or a register of assets as it is published) "
            "into LEDGER; of a run, with --round, also its offers. What is there already is skipped.",
            "SOURCE(計算フォルダ、または公表された資産台帳)のアセットを台帳に載せます。"
            "計算フォルダに --round を付けると提示も記録します。既にあるものは飛ばします。",
        )
    ),
    short_help=str(Text("Put assets into LEDGER.", "アセット(と提示)を台帳に載せます。")),
)
@click.argument("ledger", type=ledgers.LEDGER)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--round",
    "round_",
    default="",
    help=str(
        Text(
            "Record what the run's packages offer, in this round: its name, or its file (TOML), as "
            "the packages were made with.",
            "計算フォルダのパッケージの提示を、この募集回の提示として記録します。募集回の名称、または"
            "パッケージ作成時の設定ファイル(TOML)を指定。",
        )
    ),
)
@click.option(
    "--amend",
    is_flag=True,
    help=str(
        Text(
            "Also record facts of known assets that have changed (needs --why).",
            "既知のアセットの諸元の変更も記録します(--why が必要)。",
        )
    ),
)
@ledgers.WHO
@ledgers.WHY
@options.as_json
@options.lang
def load(
    ledger: str | Path,
    source: Path,
    round_: str,
    amend: bool,
    who: str,
    why: str,
    as_json: bool,
) -> None:
    import tdh
    from tdh import inventory
    from tdh.errors import InputError, Problem
    from tdh.register import Register

    events: list[Event] = []
    if source.is_dir():
        run = tdh.read_run(source)
        assets = run.assets
        if round_:
            events = _offers(run, round_, who, why)
    elif round_:
        text = Text("only a run folder holds offers", "提示があるのは計算フォルダだけです")
        raise InputError(Problem(text, where=str(source)))
    else:
        assets = inventory.read_assets(source).assets
    with Register(ledger) as register:
        new = register.list_assets(assets, who, why, amend=amend)
        offered = len(register.record_new(events))
    if as_json:
        options.print_json({"assets": len(assets), "new": new, "offered": offered})
        return
    click.echo(
        str(
            Text(
                "{new} of {n} assets are new, {offers} offers",
                "{n}件のうち新たに{new}件を載せ、{offers}件の提示を記録しました",
                n=len(assets),
                new=new,
                offers=offered,
            )
        )
    )


def _offers(run: Run, round_: str, who: str, why: str) -> list[Event]:
    """The offers of a run, as its packages make them: what the plan gives a carrier need not be."""
    from tdh import exchange
    from tdh.exchange.offered import offered_assets
    from tdh.register import Event

    source = run.scenario.packages.round
    terms = None
    if round_.endswith(".toml"):
        terms = exchange.read_round(round_)
        round_ = terms.id
    elif source is not None:
        terms = exchange.read_round(source)
    columns = ["order", "bands", "people_gained", "reason_en"]
    return [
        Event("offer", who, asset=row["asset_id"], carrier=carrier.id, round=round_,
              why=why or row["reason_ja"], details={c: row[c] for c in columns})
        for carrier in run.carriers
        for row in offered_assets(run, carrier.id, terms.basis if terms else "own")
        .drop(columns="geometry").reset_index().to_dict("records")
    ]  # fmt: skip


@command.command(
    "list",
    help=str(
        Text(
            "Put the assets of the run folder RUN into LEDGER.",
            "計算フォルダのアセットを台帳に載せます。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@ledgers.WHO
@options.lang
def list_assets(ledger: str | Path, run: Path, who: str) -> None:
    import tdh
    from tdh.register import Register

    with Register(ledger) as register:
        new = register.list_assets(tdh.read_run(run).assets, who)
    click.echo(str(Text("{n} assets are new", "新たに{n}件を載せました", n=new)))


@command.command(
    "record",
    help=str(
        Text(
            "Record one event. ACTION is one of those that 'tdh register actions' lists.",
            "1件を記録します。ACTION は tdh register actions にある操作です。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@click.argument("action")
@click.option("--asset", default="")
@click.option("--carrier", default="")
@click.option("--round", "round_", default="")
@ledgers.WHY
@click.option(
    "--at", default=None, help=str(Text("When it happened (ISO 8601).", "起きた日時(ISO 8601)。"))
)
@click.option("--document", help=str(Text("Number of the paper.", "文書番号。")))
@click.option(
    "--due", help=str(Text("Day by which the next step is due.", "次の手続の期限(日付)。"))
)
@click.option(
    "--detail",
    "more",
    multiple=True,
    metavar="KEY=VALUE",
    help=str(Text("Anything else; repeat.", "その他の事項。複数可。")),
)
@ledgers.WHO
@options.lang
def record(
    ledger: str | Path,
    action: str,
    asset: str,
    carrier: str,
    round_: str,
    why: str,
    at: str | None,
    document: str | None,
    due: str | None,
    more: tuple[str, ...],
    who: str,
) -> None:
    from tdh.register import Event
    from tdh.register.transfer import action_of

    if bad := [part for part in more if not part.partition("=")[1]]:
        raise click.BadParameter(", ".join(bad), param_hint="--detail KEY=VALUE")
    details: dict[str, Any] = {key: value for key, _, value in (p.partition("=") for p in more)}
    for name in ("latitude", "longitude", "height_agl_m"):
        if name in details:
            try:
                details[name] = float(details[name])
            except ValueError:
                raise click.BadParameter(details[name], param_hint=f"--detail {name}=…") from None
    details |= {k: v for k, v in (("document", document), ("due", due)) if v is not None}
    event = Event(action_of(action), who, asset, carrier, round_, why, at, details)
    with ledgers.opened(
        ledger
    ) as register:  # a mistyped name must not become a register of its own
        number = register.record_many([event])[0]
        stranger = bool(asset) and not register.state(asset)
    if stranger:
        text = Text("note: no asset {id} is listed in the register",
                    "注意: アセット {id} は台帳に載っていません", id=ascii(asset))  # fmt: skip
        click.echo(str(text), err=True)
    click.echo(str(number))


@command.command(
    "verify",
    help=str(
        Text(
            "Check that nothing in LEDGER was changed behind its back.",
            "台帳が裏で書き換えられていないか検査します。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@options.lang
def verify(ledger: str | Path) -> None:
    from tdh.errors import InputError

    with ledgers.opened(ledger) as register:
        problems = register.verify()
    if problems:
        raise InputError(*problems)
    click.echo(str(Text("every event is as it was recorded", "すべて記録されたままです")))


@command.command(
    "export",
    help=str(
        Text(
            "Write all events to OUT: .jsonl, .csv, .xlsx, or .gpkg (a copy of the register).",
            "全記録を書き出します: .jsonl、.csv、.xlsx、.gpkg(台帳の写し)。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@click.argument("out", type=ledgers.FILE)
@options.overwrite
@options.lang
def export(ledger: str | Path, out: Path, overwrite: bool) -> None:
    from tdh.files import must_not_exist

    must_not_exist(out, overwrite)
    with ledgers.opened(ledger) as register:
        click.echo(str(register.export(out)))


@command.command(
    "import",
    help=str(
        Text(
            "Take up the events of FILE (.jsonl, .csv, .xlsx, .gpkg; an export, or a list by hand): "
            "all of them or none. What is there already is skipped. Prints how many were new.",
            "FILE(.jsonl、.csv、.xlsx、.gpkg。書き出したもの、または手書きの一覧)の記録を、"
            "すべて取り込むか、1件も取り込みません。既にあるものは飛ばし、新規の件数を出します。",
        )
    ),
    short_help=str(Text("Take up the events of FILE.", "ファイルの記録を取り込みます。")),
)
@click.argument("ledger", type=ledgers.LEDGER)
@click.argument("file", type=ledgers.FILE)
@click.option(
    "--who",
    default="",
    help=str(Text("Who records rows that do not say.", "操作者の記入がない行の記録者。")),
)
@options.lang
def import_(ledger: str | Path, file: Path, who: str) -> None:
    from tdh.register import Register

    with Register(ledger) as register:
        click.echo(str(register.load(file, who=who)))


for _query in register_queries.COMMANDS:
    command.add_command(_query)
