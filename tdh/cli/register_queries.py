"""``tdh register``: what waits, what was, how many; nothing here changes a ledger."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from tdh.cli import ledgers, options
from tdh.language import Text


@click.command(
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


@click.command(
    "next",
    help=str(
        Text(
            "What waits for whom, since when, and what is overdue.",
            "だれの対応待ちか、いつからか、期限超過は何か。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
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
    type=ledgers.FILE,
    help=str(
        Text(
            "Days per state (CSV or TOML) that differ from 'tdh register deadlines'.",
            "状態ごとの日数(CSVかTOML)。既定は tdh register deadlines。",
        )
    ),
)
@click.option("--for", "whom", help=str(Text("Only what waits for them.", "この対応者の分だけ。")))
@click.option("--overdue", is_flag=True, help=str(Text("Only what is overdue.", "期限超過だけ。")))
@ledgers.XLSX
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
    with ledgers.opened(ledger) as register:
        waiting = register.next(day, deadlines=deadlines)
    if whom is not None:
        waiting = waiting[waiting["waits_for"] == whom]
    if overdue:
        waiting = waiting[waiting["overdue_days"] > 0]
    if out is not None:
        workbook.write_waiting(waiting, out, day)
        click.echo(str(out), err=True)
    tables.show(waiting if as_json else telling.in_words(waiting), "waiting", as_json)


@click.command(
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


@click.command(
    "show",
    help=str(
        Text(
            "The state of everything, now or as of a date; with --events, every event.",
            "すべての状態を、現在または任意の日について示します。--events で全記録。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@ledgers.AS_OF
@ledgers.KNOWN
@ledgers.filters
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

    with ledgers.opened(ledger) as register:
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


@click.command(
    "history",
    help=str(
        Text(
            "What happened to an asset, a carrier or a round, in words.",
            "アセット・事業者・募集回の経過を文で示します。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@ledgers.AS_OF
@ledgers.KNOWN
@ledgers.filters
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

    with ledgers.opened(ledger) as register:
        table = register.history(
            asset=asset, carrier=carrier, round=round, as_of=as_of, known=known
        )
    shown = table if as_json else table[["day", "round", "asset", "carrier", "text"]]
    tables.show(shown, "history", as_json)


@click.command(
    "cases",
    help=str(
        Text(
            "A row a case: the day of each step from offer to on air, documents, the last reason.",
            "案件ごとに1行。提示から運用開始までの各日付、文書番号、直近の理由。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@ledgers.AS_OF
@ledgers.KNOWN
@ledgers.filters
@ledgers.XLSX
@options.overwrite
@options.as_json
@options.lang
def cases(
    ledger: str | Path,
    as_of: str | None,
    known: str | None,
    asset: str | None,
    carrier: str | None,
    round: str | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from tdh.cli import tables
    from tdh.files import must_not_exist
    from tdh.register import telling, workbook

    if out is not None:
        must_not_exist(out, overwrite)
    with ledgers.opened(ledger) as register:
        table = register.cases(as_of=as_of, known=known)
    for column, value in (("asset", asset), ("carrier", carrier), ("round", round)):
        if value is not None:
            table = table[table[column] == value]
    if out is not None:
        workbook.write_tables({str(Text("Cases", "案件一覧")): table}, out, "cases")
        click.echo(str(out), err=True)
    tables.show(table if as_json else telling.in_words(table), "cases", as_json)


@click.command(
    "report",
    help=str(
        Text(
            "How many are in each state, by round, carrier or ward.",
            "状態ごとの件数を、募集回・事業者・区市町村別に示します。",
        )
    ),
)
@click.argument("ledger", type=ledgers.LEDGER)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["round", "carrier", "ward"]),
    help=str(Text("Count by this, too; repeat.", "これも区別して数えます。複数可。")),
)
@ledgers.AS_OF
@ledgers.KNOWN
@ledgers.XLSX
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
    with ledgers.opened(ledger) as register:
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
            workbook.write_tables(content, out, "register_counts")
            click.echo(str(out), err=True)
        table = register.counts(columns, as_of=as_of, known=known)
    tables.show(table if as_json else telling.in_words(table), "register_counts", as_json)


COMMANDS = (actions, next_, deadlines_, show, cases, history, report)
