"""``tdh register``: the ledger of what was offered, asked, awarded, permitted, withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tdh.cli import options
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.register import Register

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
_WHY = click.option("--why", default="", help=str(Text("Why.", "理由。")))
_AS_OF = click.option(
    "--as-of",
    help=str(Text("As of the end of a day (ISO 8601).", "その日の終わりの時点(ISO 8601)。")),
)
_KNOWN = click.option(
    "--known",
    help=str(
        Text(
            "Only what had been recorded by the end of that day.",
            "その日の終わりまでに記録されたものだけ。",
        )
    ),
)
_XLSX = click.option(
    "--xlsx",
    "--out",
    "out",
    type=_FILE,
    help=str(Text("Write it to an .xlsx.", "xlsxに書きます。")),
)


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for name, text in (
        ("--round", Text("Only this round's.", "この募集回だけ。")),
        ("--carrier", Text("Only this carrier's.", "この事業者だけ。")),
        ("--asset", Text("Only this asset's.", "このアセットだけ。")),
    ):
        function = click.option(name, help=str(text))(function)
    return function


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
    "load",
    help=str(
        Text(
            "Put the assets of SOURCE (a run folder, or a register of assets as it is published) "
            "into LEDGER; of a run, with --round, also its offers. What is there already is skipped.",
            "SOURCE(計算フォルダ、または公表された資産台帳)のアセットを台帳に載せます。"
            "計算フォルダに --round を付けると提示も記録します。既にあるものは飛ばします。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--round",
    "round_",
    default="",
    help=str(Text("Record the run's offers in this round.", "この募集回の提示として記録します。")),
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
@_WHO
@_WHY
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
    from tdh.register import Event, Register

    plan = None
    if source.is_dir():
        run = tdh.read_run(source)
        assets, plan = run.assets, run.plan
    elif round_:
        text = Text("only a run folder holds offers", "提示があるのは計算フォルダだけです")
        raise InputError(Problem(text, where=str(source)))
    else:
        assets = inventory.read_assets(source).assets
    columns = ["order", "bands", "people_gained", "reason_en"]
    events = [] if plan is None or not round_ else [
        Event("offer", who, asset=row["asset_id"], carrier=row["carrier_id"], round=round_,
              why=why or row["reason_ja"], details={c: row[c] for c in columns})
        for row in plan.drop(columns="geometry").to_dict("records")
    ]  # fmt: skip
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


@command.command(
    "record",
    help=str(
        Text(
            "Record one event. ACTION is one of those that 'tdh register actions' lists.",
            "1件を記録します。ACTION は tdh register actions にある操作です。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@click.argument("action")
@click.option("--asset", default="")
@click.option("--carrier", default="")
@click.option("--round", "round_", default="")
@_WHY
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
    document: str | None,
    due: str | None,
    more: tuple[str, ...],
    who: str,
) -> None:
    from tdh.register import Event, Register
    from tdh.register.transfer import action_of

    if bad := [part for part in more if not part.partition("=")[1]]:
        raise click.BadParameter(", ".join(bad), param_hint="--detail KEY=VALUE")
    details: dict[str, Any] = {key: value for key, _, value in (p.partition("=") for p in more)}
    details |= {k: v for k, v in (("document", document), ("due", due)) if v is not None}
    event = Event(action_of(action), who, asset, carrier, round_, why, at, details)
    with Register(ledger) as register:
        number = register.record_many([event])[0]
        stranger = bool(asset) and not register.state(asset)
    if stranger:
        text = Text("note: no asset {id} is listed in the register",
                    "注意: アセット {id} は台帳に載っていません", id=ascii(asset))  # fmt: skip
        click.echo(str(text), err=True)
    click.echo(str(number))


@command.command(
    "actions",
    help=str(
        Text(
            "Which action may follow which state, and what it demands.",
            "どの状態からどの操作ができ、何が必要か。",
        )
    ),
)
@options.as_json
@options.lang
def actions(as_json: bool) -> None:
    from tdh.register import TRANSITIONS
    from tdh.register.states import SAME

    rows: list[dict[str, Any]] = [
        {
            "kind": t.kind, "action": t.action, "label": str(t.label),
            "before": [s or "-" for s in t.before],
            "after": None if t.after == SAME else t.after,
            "needs": [n for n, is_so in (("why", t.needs_reason), ("document", t.needs_document))
                      if is_so],
        }
        for t in TRANSITIONS
    ]  # fmt: skip
    if as_json:
        options.print_json(rows)
        return
    for row in rows:
        needs = "".join(f" --{name}" for name in row["needs"])
        line = (
            f"{row['kind']:5} {row['action']:9} {', '.join(row['before'])} → {row['after'] or '='}"
        )
        click.echo(f"{line}{needs}  ({row['label']})")


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
@click.option(
    "--as-of",
    "--today",
    "as_of",
    type=click.DateTime(["%Y-%m-%d"]),
    help=str(Text("As of this day (default: today).", "この日の時点(既定は今日)。")),
)
@click.option(
    "--deadlines",
    "table",
    type=_FILE,
    help=str(
        Text(
            "Days per state (CSV or TOML) that differ from 'tdh register deadlines'.",
            "状態ごとの日数(CSVかTOML)。既定は tdh register deadlines。",
        )
    ),
)
@click.option("--for", "whom", help=str(Text("Only what waits for them.", "この対応者の分だけ。")))
@click.option("--overdue", is_flag=True, help=str(Text("Only what is overdue.", "期限超過だけ。")))
@_XLSX
@options.overwrite
@options.as_json
@options.lang
def next_(
    ledger: str | Path,
    as_of: datetime | None,
    table: Path | None,
    whom: str | None,
    overdue: bool,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from tdh.cli import tables
    from tdh.files import must_not_exist
    from tdh.register import desk, telling, workbook
    from tdh.register.events import JAPAN

    day: date = as_of.date() if as_of is not None else datetime.now(JAPAN).date()
    deadlines = None if table is None else desk.read_deadlines(table)
    if out is not None:
        must_not_exist(out, overwrite)
    with _opened(ledger) as register:
        waiting = register.next(day, deadlines=deadlines)
    if whom is not None:
        waiting = waiting[waiting["waits_for"] == whom]
    if overdue:
        waiting = waiting[waiting["overdue_days"] > 0]
    if out is not None:
        workbook.write_waiting(waiting, out, day)
        click.echo(str(out), err=True)
    tables.show(waiting if as_json else telling.in_words(waiting), "waiting", as_json)


@command.command(
    "deadlines",
    help=str(
        Text(
            "The days allowed in each state, as CSV: change it and give it to 'next --deadlines'.",
            "状態ごとの期限日数をCSVで示します。直して next --deadlines に渡せます。",
        )
    ),
)
@options.lang
def deadlines_() -> None:
    from tdh.register.desk import DEADLINES

    click.echo("state,days,waits_for")
    for state, deadline in DEADLINES.items():
        if deadline.waits_for is not None:
            days = "" if deadline.days is None else deadline.days
            click.echo(f"{state},{days},{deadline.waits_for}")


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
@_AS_OF
@_KNOWN
@_filters
@click.option("--events", is_flag=True)
@options.as_json
@options.lang
def show(
    ledger: str | Path,
    as_of: str | None,
    known: str | None,
    asset: str | None,
    carrier: str | None,
    round: str | None,
    events: bool,
    as_json: bool,
) -> None:
    from tdh.cli import tables
    from tdh.register import telling

    with _opened(ledger) as register:
        if events:
            table = register.events(
                asset=asset, carrier=carrier, round=round, as_of=as_of, known=known
            )
            tables.show(table if as_json else telling.in_words(table), "events", as_json)
            return
        table = register.standing(as_of=as_of, known=known)
    for column, value in (("asset", asset), ("carrier", carrier), ("round", round)):
        if value is not None:
            table = table[table[column] == value]
    tables.show(table if as_json else telling.in_words(table), "standing", as_json)


@command.command(
    "history",
    help=str(
        Text(
            "What happened to an asset, a carrier or a round, in words.",
            "アセット・事業者・募集回の経過を文で示します。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@_AS_OF
@_KNOWN
@_filters
@options.as_json
@options.lang
def history(
    ledger: str | Path,
    as_of: str | None,
    known: str | None,
    asset: str | None,
    carrier: str | None,
    round: str | None,
    as_json: bool,
) -> None:
    from tdh.cli import tables

    with _opened(ledger) as register:
        table = register.history(
            asset=asset, carrier=carrier, round=round, as_of=as_of, known=known
        )
    shown = table if as_json else table[["day", "round", "asset", "carrier", "text"]]
    tables.show(shown, "history", as_json)


@command.command(
    "report",
    help=str(
        Text(
            "How many are in each state, by round, carrier or ward.",
            "状態ごとの件数を、募集回・事業者・区市町村別に示します。",
        )
    ),
)
@click.argument("ledger", type=_LEDGER)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["round", "carrier", "ward"]),
    help=str(Text("Count by this, too; repeat.", "これも区別して数えます。複数可。")),
)
@_AS_OF
@_KNOWN
@_XLSX
@options.overwrite
@options.as_json
@options.lang
def report(
    ledger: str | Path,
    by: tuple[str, ...],
    as_of: str | None,
    known: str | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from tdh.cli import tables
    from tdh.files import must_not_exist
    from tdh.register import telling, workbook

    columns = ["municipality" if name == "ward" else name for name in by]
    if out is not None:
        must_not_exist(out, overwrite)
    with _opened(ledger) as register:
        if out is not None:
            sheets: tuple[tuple[Text, list[str]], ...] = (
                (Text("Totals", "合計"), []),
                (Text("By round", "募集回別"), ["round"]),
                (Text("By carrier", "事業者別"), ["carrier"]),
                (Text("By ward", "区市町村別"), ["municipality"]),
                (Text("By ward and carrier", "区市町村・事業者別"), ["municipality", "carrier"]),
            )
            content = {
                str(name): register.counts(groups, as_of=as_of, known=known)
                for name, groups in sheets
            }
            workbook.write_counts(content, out)
            click.echo(str(out), err=True)
        table = register.counts(columns, as_of=as_of, known=known)
    tables.show(table if as_json else telling.in_words(table), "register_counts", as_json)


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
    "export",
    help=str(
        Text(
            "Write all events to OUT: .jsonl, .csv, .xlsx, or .gpkg (a copy of the register).",
            "全記録を書き出します: .jsonl、.csv、.xlsx、.gpkg(台帳の写し)。",
        )
    ),
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
)
@click.argument("ledger", type=_LEDGER)
@click.argument("file", type=_FILE)
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


def _opened(ledger: str | Path) -> Register:
    """A ledger that is there: reading commands make none."""
    from tdh.errors import InputError, Problem
    from tdh.register import Register

    if isinstance(ledger, Path) and not ledger.exists():
        raise InputError(
            Problem(
                Text("the register is not there", "台帳がありません"),
                where=str(ledger),
                fix=Text(
                    "make one with: tdh register list, load or import",
                    "tdh register list・load・import で作れます",
                ),
            )
        )
    return Register(ledger)
