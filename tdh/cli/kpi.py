"""``tdh kpi``: the numbers that the programme is judged by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from tdh.cli import options
from tdh.language import Text, current

if TYPE_CHECKING:
    import pandas as pd

    from tdh.results import Run

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "kpi",
    help=str(
        Text(
            "The programme's indicators of the run folder RUN, before and after its plan, with the "
            "targets of YEAR: population coverage (500 m), sub6 and infrastructure deployment (1 km, "
            "10 km), places, commercial areas and main roads. Files and settings that are not given "
            "here are the scenario's; what has no data is listed as not measured.",
            "計算フォルダの指標(5G人口カバー率・サブ6展開率・基盤展開率・主要施設・商業地域・"
            "主要道路)を、計画の前後と目標とともに示します。ここで指定しないファイルと設定は"
            "シナリオのものを使い、データのない指標は未計測と示します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--places",
    type=_FILE,
    multiple=True,
    help=str(
        Text(
            "Register of places to serve; may be repeated. The kind of place is told by its name or "
            "the file's.",
            "主要施設の台帳(複数可)。種類は施設名かファイル名から判別します。",
        )
    ),
)
@click.option(
    "--commercial", type=_FILE, help=str(Text("Commercial areas (polygons).", "商業地域(面)。"))
)
@click.option("--roads", type=_FILE, help=str(Text("Main roads (lines).", "主要道路(線)。")))
@click.option("--year", type=int, help=str(Text("Fiscal year of the targets.", "目標の年度。")))
@click.option(
    "--rule",
    type=click.Choice([">=", ">"]),
    help=str(
        Text(
            "A 500 m mesh counts from half of its area, or above.",
            "メッシュの半分以上か、半分超か。",
        )
    ),
)
@click.option(
    "--municipalities", is_flag=True, help=str(Text("Also per municipality.", "市区町村別も表示。"))
)
@click.option(
    "--xlsx",
    type=_FILE,
    help=str(Text("Also write an Excel workbook.", "Excelファイルにも書き出す。")),
)
@click.option(
    "--outage",
    multiple=True,
    metavar="WHAT",
    help=str(
        Text(
            "Indicators and people if stations fail: ids with commas between; top:N, those on which "
            "most customers depend; flood:FILE, what stands in polygons and not on a roof; "
            "flood:METRES, the same where the scenario's maps expect deeper floods; district:FILE, "
            "all in polygons; municipality:NAME, all there; backup:HOURS, all whose emergency power "
            "is shorter or not known (backup:HOURS:known: known to be shorter). Several fail together.",
            "局が停止したときの指標と人口。IDをコンマで並べるか、top:N(頼る顧客の多い順)、"
            "flood:FILE(面の中で屋上以外)、flood:METRES(シナリオの浸水想定がそれより深い所で屋上以外)、"
            "district:FILE(面の中すべて)、municipality:市区町村名(その中すべて)、backup:HOURS(非常用"
            "電源がそれより短いか不明の局。backup:HOURS:known は短いと判明した局だけ)。複数指定は同時停止。",
        )
    ),
)
@click.option(
    "--worst",
    type=click.IntRange(min=1),
    metavar="N",
    help=str(
        Text(
            "The N stations whose failure alone costs most customers (N-1).",
            "単独で停止すると影響の大きい局をN件(N-1)。",
        )
    ),
)
@click.option(
    "--keep-connected",
    type=click.IntRange(1, 3),
    is_flag=False,
    flag_value=1,
    metavar="[TIMES]",
    help=str(
        Text(
            "With --outage: which further assets would keep the places of the scenario connected, "
            "in order; TIMES stations a place (1).",
            "--outage と併用: 施設の通信を保つために追加できるアセットを効果の大きい順に。施設あたり"
            "TIMES局(既定1)。",
        )
    ),
)
@options.overwrite
@options.as_json
@options.lang
def command(
    run: Path,
    places: tuple[Path, ...],
    commercial: Path | None,
    roads: Path | None,
    year: int | None,
    rule: Literal[">=", ">"] | None,
    municipalities: bool,
    xlsx: Path | None,
    outage: tuple[str, ...],
    worst: int | None,
    keep_connected: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    import tdh
    from tdh.cli import tables
    from tdh.files import must_not_exist
    from tdh.pipeline import kpis
    from tdh.pipeline.outages import must_have_shapes

    if keep_connected and not outage:
        raise click.UsageError(
            str(
                Text(
                    "--keep-connected needs --outage WHAT",
                    "--keep-connected には --outage が必要です",
                )
            )
        )
    unused = {
        "--places": places,
        "--commercial": commercial,
        "--roads": roads,
        "--rule": rule,
        "--municipalities": municipalities,
    }
    given = [option for option, value in unused.items() if value]
    if (outage or worst) and given:
        raise click.UsageError(
            str(
                Text(
                    "{given}: not with --outage or --worst, which use the scenario's places and "
                    "settings",
                    "{given} は --outage・--worst と併用できません(施設や設定はシナリオのものを使います)",
                    given=", ".join(given),
                )
            )
        )
    if xlsx is not None:
        if xlsx.suffix.lower() != ".xlsx":
            raise click.BadParameter(
                str(
                    Text(
                        "{file} does not end in .xlsx",
                        "{file} の末尾が .xlsx ではありません",
                        file=xlsx,
                    )
                ),
                param_hint="--xlsx",
            )
        must_not_exist(xlsx, overwrite)
    opened = tdh.read_run(run)
    for shapes in (commercial, roads):
        if shapes is not None:
            must_have_shapes(shapes)
    if outage or worst:
        from tdh.cli import outages

        outages.show(opened, outage, worst, year, xlsx, as_json, keep_connected)
        return
    table = kpis.compared(
        opened, places=places or None, commercial=commercial, roads=roads, rule=rule, year=year
    )
    if xlsx is not None:
        from tdh.reports import goals_workbook

        goals_workbook.write_goals(opened, table, xlsx, current())
    if not municipalities:
        table = table[table["level"] == "metropolis"].drop(columns="municipality_code")
    if as_json:
        tables.show(_by_state(table), "kpi_values", as_json=True)
        return
    tables.show(_in_words(opened, table), "kpis", as_json=False)


def _by_state(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each state, as the table ``kpi_values``, with the notes."""
    import pandas as pd

    shared = table.drop(
        columns=["before", "after", "covered_before", "covered_after", "missing_before", "missing"]
    ).rename(columns={"carrier": "carrier_id"})
    shared["carrier_id"] = shared["carrier_id"].replace("", "any")
    states = [
        shared.assign(
            state=state,
            value=table[state],
            covered=table[f"covered_{state}"],
            missing=table["missing" if state == "after" else "missing_before"],
        )
        for state in ("before", "after")
    ]
    return pd.concat(states, ignore_index=True)


def _in_words(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Names for ids, shares in percent, and only what fits a terminal."""
    from tdh import kpi, schemas, units
    from tdh.reports import goals_workbook

    language = current()
    shown = table.copy()
    shown["kpi"] = [kpi.label(name).render(language) for name in table["kpi"]]
    shown["carrier"] = goals_workbook.carrier_names(run, table["carrier"], language)
    if "municipality_code" in shown:
        names = run.municipalities["municipality"]
        shown["municipality_code"] = [
            f"{code} {names[code]}" if code in names.index else ""
            for code in shown["municipality_code"]
        ]
    share = shown["unit"].fillna("") == ""
    figures = ["before", "after", "target", "missing"]
    for column in figures:
        shown[column] = shown[column].where(~share, units.percents(shown[column]))
    shown["unit"] = shown["unit"].where(~share, "%")
    shown["total_unit"] = [schemas.unit_label(unit, language) for unit in shown["total_unit"]]
    shown["target_year"] = [str(int(y)) if y == y else "" for y in table["target_year"]]
    keys = [c for c in ("municipality_code", "kpi", "carrier") if c in shown.columns]
    note = f"note_{language}"
    return shown[[*keys, "unit", *figures, "target_year", "total", "total_unit", note]]
