"""``tdh plan``: which asset is offered to whom, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdh.cli import options
from tdh.language import Text, current

if TYPE_CHECKING:
    import pandas as pd


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
@click.option(
    "--not-chosen",
    type=click.IntRange(min=1),
    metavar="N",
    help=str(
        Text(
            "Instead: why assets are not offered, the N that would add most for each carrier.",
            "代わりに、選ばれなかった理由を、事業者ごとに追加効果の大きい順にN件。",
        )
    ),
)
@click.option(
    "--curve",
    metavar="SITES",
    help=str(
        Text(
            "Instead: what other numbers of sites a carrier (over all fiscal years) would bring by the "
            "scenario's own objective, with proven bounds: 2,4,8.",
            "代わりに、事業者あたりの局数(年度計画では全年度の合計)を変えた場合の効果を、シナリオの"
            "目的のとおりに(上界つき)。例: 2,4,8。",
        )
    ),
)
@click.option(
    "--share",
    "shares",
    metavar="PERCENT",
    help=str(
        Text(
            "Instead: how few assets (or, with costs, how little money) would serve so many percent of "
            "what all assets of a carrier could, whatever its budget: 50,90,100.",
            "代わりに、予算に関係なく、各事業者の全アセットで充足できる人口の何%かを満たすのに必要な"
            "最少の局数(費用があれば最小費用)。例: 50,90,100。",
        )
    ),
)
@click.option(
    "--alternatives",
    type=click.IntRange(min=1),
    metavar="N",
    help=str(
        Text(
            "Instead: up to N other plans, each with 30 % other choices and at most 2 % less of what "
            "the scenario's plan is the best for.",
            "代わりに、3割以上が異なり、シナリオの目的での低下が2%以内の代替案を最大N件。",
        )
    ),
)
@click.option(
    "--compare",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="OTHER",
    help=str(
        Text("Instead: side by side with the plan of the run folder OTHER.", "別の計画と比べます。")
    ),
)
@options.as_json
@options.lang
def command(
    run: Path,
    carrier: str | None,
    not_chosen: int | None,
    curve: str | None,
    shares: str | None,
    alternatives: int | None,
    compare: Path | None,
    as_json: bool,
) -> None:
    asked = [x for x in (not_chosen, curve, shares, alternatives, compare) if x is not None]
    if len(asked) > 1 or (carrier is not None and curve is not None):
        raise click.UsageError(
            str(
                Text(
                    "give one of --not-chosen, --curve, --share, --alternatives, --compare; the curve "
                    "is of all carriers together",
                    "--not-chosen、--curve、--share、--alternatives、--compare はどれか一つだけ指定"
                    "してください。--curve は全事業者の合計です",
                )
            )
        )
    steps, percents = _numbers(curve), _percents(shares)

    import pandas as pd

    import tdh
    from tdh.cli import tables
    from tdh.pipeline import weighing
    from tdh.pipeline.needed import needed

    opened = tdh.read_run(run)
    described = [opened]
    if steps is not None:
        table = weighing.curve(opened, steps).astype({"sites": "Int64"})
        reasons = table.pop(f"reason_{current()}").dropna()
        table = _filled(table.drop(columns=[c for c in table if c.startswith("reason_")]))
        if as_json:
            table[f"reason_{current()}"] = reasons
        else:
            table = _in_percent(table)
            table["gap"] = [_gap(*row) for row in zip(table["gap"], table["status"], strict=True)]
            table = _worded(table)
        tables.show(table, "plan_curve", as_json)
        if not as_json:
            for reason in reasons:
                click.echo(reason, err=True)
        return
    if not_chosen is not None:
        found = weighing.not_chosen(opened)
        name, table = "not_chosen", found.groupby("carrier_id", sort=False).head(not_chosen)
        columns = ["carrier_id", "asset_id", "name", "people_gained", "people_changed"]
        columns += [c for c in _ENTERS if table[c].notna().any()]
        columns += ["reason", "by_asset_id"] if as_json else []
        columns.append(f"reason_{current()}")
    elif percents is not None:
        name, table = "plan_needed", needed(opened, [percent / 100 for percent in percents])
        columns = [c for c in table if table[c].notna().any()]
    elif alternatives is not None:
        name, table = "plan_alternatives", weighing.alternatives(opened, alternatives)
        columns = ["alternative", "people_served", "carrier_id", "order", "asset_id", "name"]
        columns += ["people_gained", "in_plan"]
        columns[2:2] = [c for c in _OF_ALTERNATIVES if table[c].notna().any()]
        if table.empty and not as_json:
            click.echo(str(_NO_OTHER.render(current())), err=True)
    elif compare is not None:
        other = tdh.read_run(compare)
        name, table = "plan_compared", weighing.compared(opened, other)
        described.append(other)
        moved = weighing.moved(opened, other)
        if moved:
            shown = ", ".join(moved[:5]) + (" …" if len(moved) > 5 else "")
            text = _MOVED.render(current()).format(n=len(moved), ids=shown)
            click.echo(text, err=True)
        columns = ["carrier_id", "asset_id", "name", "where", "people_in_one", "people_in_other"]
    else:
        name, table = "plan", opened.plan.drop(columns="geometry")
        columns = ["carrier_id", "order", "asset_id", "name", "people_gained"]
        columns += ["people_lost_without", f"reason_{current()}"]
        if "fiscal_year" in table and table["fiscal_year"].notna().any():
            columns.insert(1, "fiscal_year")
    table = options.only_carrier(table, carrier, *described)
    if "asset_id" in table:
        names = pd.concat([one.assets["name"] for one in described])
        table = table.join(names[~names.index.duplicated()], on="asset_id")
    if not as_json:
        table = options.named_carriers(table, *described)
        for column in table.columns.intersection(["enters_at_sites"]):
            table[column] = table[column].astype("Int64")
        if name in ("plan_alternatives", "plan_compared", "plan_needed"):
            table = _in_percent(_worded(table))
        if name == "plan_needed":
            for column in ("share", "gap"):
                table[column] = [f"{value:.4g} %" for value in 100 * table[column]]
            table["at_least"] = table["at_least"].astype("Int64")
    tables.show(table[columns], name, as_json)


_ENTERS = ("enters_at_sites", "enters_at_yen", "enters_at_budget_yen")
"""When an asset would be taken in, where the scenario says so."""
_OF_ALTERNATIVES = (
    "people_over_years",
    "people_and_backup",
    "places",
    "any_carrier",
    "two_carriers",
    "worst_municipality",
    "fiscal_year",
)
"""Columns of an alternative that only some scenarios fill."""
_NO_OTHER = Text(
    "no other plan was found that differs by 30 % and comes within 2 % of this one",
    "3割以上異なり、効果の差が2%以内の代替案は見つかりませんでした",
)
_MOVED = Text(
    "※ {n} of the assets stand elsewhere in the other run: one id may mean two assets: {ids}",
    "※ 比較先では位置が異なるアセットが{n}件あります。同じIDが別の施設を指す可能性があります: {ids}",
)
_WORDS = {
    "both": Text("both", "両方"),
    "one": Text("only this", "この計画のみ"),
    "other": Text("only the other", "比較先のみ"),
    "optimal": Text("optimal", "最適"),
    "feasible": Text("feasible", "最適性は未証明"),
    "infeasible": Text("no plan is possible", "条件が両立せず計画なし"),
    "not_found": Text("none was found", "計画が見つからず"),
    True: Text("yes", "はい"),
    False: Text("no", "いいえ"),
}


def _gap(gap: float, status: str) -> str:
    """A gap in per cent; one that is not closed is not shown as nothing."""
    if gap != gap:
        return ""
    return "<0.01%" if status == "feasible" and gap < 5e-5 else f"{gap:.2%}"


def _in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of the municipality that gets least in per cent."""
    for column in table.columns.intersection(["worst_municipality", "worst_municipality_bound"]):
        table[column] = ["" if share != share else f"{share:.2%}" for share in table[column]]
    return table


def _worded(table: pd.DataFrame) -> pd.DataFrame:
    """Codes in words."""
    for column in table.columns.intersection(["where", "in_plan", "status"]):
        table[column] = [_WORDS[value].render(current()) for value in table[column]]
    return table


def _filled(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns that are for other scenarios."""
    return table.drop(columns=[c for c in table if table[c].isna().all()])


def _numbers(given: str | None) -> list[int] | None:
    """Numbers of sites with commas between them."""
    if given is None:
        return None
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdigit() for part in parts):
        raise click.BadParameter(
            str(
                Text(
                    "write whole numbers with commas between: 2,4,8",
                    "整数をカンマ区切りで書いてください: 2,4,8",
                )
            ),
            param_hint="--curve",
        )
    return [int(part) for part in parts]


def _percents(given: str | None) -> list[float] | None:
    """Percentages with commas between them."""
    if given is None:
        return None
    parts = [part.strip().removesuffix("%").strip() for part in given.split(",") if part.strip()]
    try:
        percents = [float(part) for part in parts]
    except ValueError:
        percents = []
    if not percents or not all(0 < percent <= 100 for percent in percents):
        raise click.BadParameter(
            str(
                Text(
                    "write percentages above 0 and up to 100 with commas between: 50,90,100",
                    "0より大きく100以下の百分率をカンマ区切りで書いてください: 50,90,100",
                )
            ),
            param_hint="--share",
        )
    return percents
