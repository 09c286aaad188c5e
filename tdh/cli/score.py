"""``tdh score``: what assets would close, and what their scores are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdh.cli import options
from tdh.language import Text, current

if TYPE_CHECKING:
    import pandas as pd

    from tdh.results import Run


@click.command(
    "score",
    help=str(
        Text(
            "List the best-scored assets of the run folder RUN, per carrier or for the public, how "
            "firm their ranks are, and with --json every contribution.",
            "計算フォルダの高スコアのアセットを、事業者別または公共(全事業者)で、順位の確かさとともに"
            "表示します。--json では全内訳も出します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--carrier", help=str(Text("Only this carrier.", "この事業者だけ。")))
@click.option(
    "--public",
    is_flag=True,
    help=str(
        Text(
            "For all carriers together: what an asset would close of any carrier's gap.",
            "全事業者合計のスコア(どの事業者のギャップでも数える)。",
        )
    ),
)
@click.option(
    "--municipality",
    metavar="NAME|CODE",
    help=str(
        Text(
            "Only assets of this municipality; the rank stays that among all.",
            "この市区町村のアセットだけ(順位は全体でのもの)。",
        )
    ),
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help=str(
        Text(
            "Rows per carrier; stays_in_top tells how often an asset is among them when all weights "
            "are uncertain by some 25 %.",
            "事業者ごとの行数。上位維持率は、重みが25%程度不確かなときにこの中に残る割合。",
        )
    ),
)
@click.option(
    "--explain",
    metavar="ASSET",
    help=str(
        Text(
            "Instead: every part of this asset's score: value, unit, weight, points.",
            "代わりに、このアセットのスコアの全内訳(値・単位・重み・得点)。",
        )
    ),
)
@click.option(
    "--equity",
    is_flag=True,
    help=str(
        Text(
            "Instead: which municipalities each carrier serves worse than its mean, and the best "
            "asset there.",
            "代わりに、事業者ごとに平均よりカバーの遅れた市区町村と、そこでの最上位アセット。",
        )
    ),
)
@options.as_json
@options.lang
def command(
    run: Path,
    carrier: str | None,
    public: bool,
    municipality: str | None,
    top: int,
    explain: str | None,
    equity: bool,
    as_json: bool,
) -> None:
    wrong = [
        name
        for name, given in (
            ("--explain", explain is not None and (equity or municipality is not None)),
            ("--equity", equity and (public or municipality is not None)),
            ("--public", public and carrier is not None),
        )
        if given
    ]
    if wrong:
        raise click.UsageError(
            str(
                Text(
                    "{option} does not go with the other options given",
                    "{option} は同時に指定された他のオプションと併用できません",
                    option=wrong[0],
                )
            )
        )

    import tdh
    from tdh.cli import tables
    from tdh.pipeline import ranking

    opened = tdh.read_run(run)
    if explain is not None:
        parts = ranking.explain_score(opened, explain, carrier=carrier, public=public)
        if as_json:
            tables.show(parts, "score_parts", as_json=True)
        else:
            _show_parts(opened, parts)
        return
    if equity:
        table = ranking.equity(opened, carrier=carrier, top=top)
        if not as_json:
            table = options.named_carriers(table, opened)
            for column in ("share_in_gap", "share_of_carrier", "worse_by"):
                table[column] = _percent(table[column])
            table["best_rank"] = table["best_rank"].astype("Int64")
            table = table.drop(columns=["municipality_code", "best_asset_id"])
        tables.show(table, "score_equity", as_json)
        return
    table = ranking.score(
        opened, carrier=carrier, public=public, municipality=municipality, top=top
    )
    columns = ["carrier_id", "rank", "stays_in_top", "asset_id", "name", "score"]
    columns += ["people_newly_served"]
    if as_json:
        columns += ["municipality", "gap_cells_closed"]
        columns += [c for c in table.columns if c.startswith("contribution_")]
    else:
        table = _named(opened, table)
        table["stays_in_top"] = _percent(table["stays_in_top"])
    tables.show(table[[*columns, f"reason_{current()}"]], "scores", as_json)


_CLOSES_NOTHING = Text(
    "closes nothing of the gap, so it earns nothing", "ギャップを解消しないため0点"
)
_ALL = Text("all carriers", "全事業者")


def _named(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Carriers by their names; the public in words."""
    names = {c.id: c.name for c in run.carriers} | {"public": str(_ALL)}
    return table.assign(carrier_id=[names[str(carrier)] for carrier in table["carrier_id"]])


def _percent(shares: pd.Series) -> list[str]:
    from tdh import units

    return ["" if share != share else units.percent(share, 0) for share in shares]


def _show_parts(run: Run, parts: pd.DataFrame) -> None:
    """One carrier after the other: its score and rank, then every component, the greatest first."""
    from tdh import scoring
    from tdh.cli import tables

    named = _named(run, parts)
    asset = str(parts["asset_id"].iloc[0])
    click.echo(f"{asset}  {run.assets.at[asset, 'name']}")
    for carrier, own in named.groupby("carrier_id", sort=False):
        click.echo()
        click.echo(
            str(
                Text(
                    "{carrier}: {score:.1f} points, rank {rank}",
                    "{carrier}: {score:.1f}点、{rank}位",
                    carrier=str(carrier),
                    score=own["score"].iloc[0],
                    rank=own["rank"].iloc[0],
                )
            )
        )
        if (own.loc[own["component"] == "area", "value"] == 0).all():
            click.echo(str(_CLOSES_NOTHING))
        shown = own.assign(
            component=[str(scoring.LABELS[name]) for name in own["component"]],
            unit=[str(scoring.UNITS[name]) for name in own["component"]],
            value=[_figure(v) for v in own["value"]],
            scale=[_figure(v) for v in own["scale"]],
        )
        columns = ["component", "contribution", "points", "weight", "value", "scale", "unit"]
        tables.show(shown[columns], "score_parts", as_json=False)
    click.echo()
    click.echo(
        str(
            Text(
                "contribution = points × value ÷ scale (at most the points); together they are the "
                "score. Nothing in value: no data, its weight goes to the others.",
                "得点=配点×値÷満点の値(配点まで)。合計がスコア。値が空欄の項目はデータがなく、"
                "重みは他の項目に配分されます。",
            )
        )
    )


def _figure(value: float) -> str:
    """A number of any size: whole where it is large, two decimals where it is small."""
    if value != value:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
