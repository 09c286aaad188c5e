"""``tdh verify``: a finished run counted again."""

from __future__ import annotations

import math
from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text, current


@click.command(
    "verify",
    help=str(
        Text(
            "Count the plan of the run folder RUN again from its tables and footprints, with nothing "
            "of the solver: every limit, all that plan.json says (people, money, years, second covers, "
            "each objective that comes first; status and gap must follow from the bound), and every "
            "offer of plan.parquet. Then the rasters with the plan on air and the tables: cells, gaps, "
            "evidence, antennas, profiles, people by probability, loads of sites, gap regions, "
            "indicators and scores, a line for each; and what the manifest says of them. What "
            "registers say and what the radio model predicts stands; the map, report, workbook and "
            "packages are not opened.",
            "計算フォルダの計画を、ソルバーを使わず表とフットプリントから数え直します。すべての条件と、"
            "plan.json のすべての値(人数・費用・年度・二重カバー・優先した目的。状態とギャップは上界との"
            "整合)と plan.parquet の各行を確かめます。確率によるカバー"
            "人口・局の負荷・不足区域・指標・スコアのほか、セル・ギャップ・根拠・アンテナ・断面の表と"
            "計画後のラスタ、manifest.json の内容も数え直し、1行ずつ示します。台帳の内容と電波予測は"
            "そのまま用い、地図・報告書・Excel・パッケージは開きません。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@options.as_json
@options.lang
def command(run: Path, as_json: bool) -> None:
    import tdh
    from tdh import display
    from tdh.errors import TdhError
    from tdh.pipeline import checks, claims

    opened = tdh.read_run(run)
    of_plan, counted = checks.recounted(opened)
    problems = of_plan + [p for tally in counted for p in tally.problems]
    order = claims.entries(opened.summary.get("objectives"))
    if as_json:
        options.print_json(
            {
                "ok": not problems,
                "problems": [str(p) for p in problems],
                "objectives": order,
                "tables": [
                    {
                        "table": t.table,
                        "numbers": t.numbers,
                        "largest_difference": t.largest if t.largest < math.inf else None,
                        "at": t.where,
                        "skipped": None if t.skipped is None else str(t.skipped),
                    }
                    for t in counted
                ],
            }
        )
    else:
        for tally in counted:
            click.echo(str(tally.line))
    if problems:
        raise TdhError(*problems)
    if not as_json:
        click.echo(
            str(
                Text(
                    "the plan keeps every limit, and serves what it says ({n:,.1f} people)",
                    "計画はすべての条件を満たし、記載どおりの人数({n:,.1f}人)をカバーします",
                    n=opened.summary["objective"],
                )
            )
        )
        for number, entry in enumerate(order, 1):
            click.echo(
                str(
                    Text(
                        "{number}. {name}: {value} counted, {held} held, at most {bound}",
                        "{number}. {name}: 再集計 {value}、保証 {held}、上界 {bound}",
                        number=number,
                        name=display.objective(entry["name"]).render(current()),
                        **{
                            key: display.amount(entry["name"], entry.get(key, entry["value"]))
                            for key in ("value", "held", "bound")
                        },
                    )
                )
            )
