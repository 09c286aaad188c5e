"""``tdh kpi``: the numbers that the programme is judged by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from tdh.cli import options
from tdh.language import Text

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "kpi",
    help=str(
        Text(
            "The programme's indicators of the run folder RUN, before and after its plan, with the "
            "targets of YEAR: population coverage (500 m), sub6 and infrastructure deployment (1 km, "
            "10 km), and with files of them places, commercial areas and main roads.",
            "計算フォルダの指標(5G人口カバー率・サブ6展開率・基盤展開率、ファイルがあれば主要施設・"
            "商業地域・主要道路)を、計画の前後と目標とともに示します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--places", type=_FILE, help=str(Text("Register of places to serve.", "主要施設の台帳。"))
)
@click.option(
    "--commercial", type=_FILE, help=str(Text("Commercial areas (polygons).", "商業地域(面)。"))
)
@click.option("--roads", type=_FILE, help=str(Text("Main roads (lines).", "主要道路(線)。")))
@click.option(
    "--year", default=2026, show_default=True, help=str(Text("Fiscal year.", "目標の年度。"))
)
@click.option(
    "--rule",
    type=click.Choice([">=", ">"]),
    default=">=",
    show_default=True,
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
@options.as_json
@options.lang
def command(
    run: Path,
    places: Path | None,
    commercial: Path | None,
    roads: Path | None,
    year: int,
    rule: Literal[">=", ">"],
    municipalities: bool,
    as_json: bool,
) -> None:
    import tdh
    from tdh.cli import tables
    from tdh.pipeline import kpis

    table = kpis.of_run(
        tdh.read_run(run), places=places, commercial=commercial, roads=roads, rule=rule, year=year
    )
    if not municipalities:
        table = table[table["municipality_code"].isna()].drop(columns="municipality_code")
    if not as_json:
        table = _side_by_side(table)
    tables.show(table, "kpi_values", as_json)


def _side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """Before and after in one row, shares in percent; JSON keeps the table as it is."""
    shown = table.copy()
    share = shown["unit"].fillna("") == ""
    for column in ("value", "target", "missing"):
        shown[column] = shown[column].where(~share, shown[column] * 100)
    shown["unit"] = shown["unit"].where(~share, "%")
    keys = [c for c in ("kpi", "carrier_id", "municipality_code", "unit") if c in shown.columns]
    after = (
        shown[shown["state"] == "after"].drop(columns="state").rename(columns={"value": "after"})
    )
    before = shown[shown["state"] == "before"].set_index(keys)["value"].rename("before")
    merged = after.join(before, on=keys)
    return merged[[*keys, "before", "after", "target", "missing"]]
