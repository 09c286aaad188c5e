"""What ``tdh kpi --outage`` and ``--worst`` show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tdh import units
from tdh.language import Text, current

if TYPE_CHECKING:
    import pandas as pd

    from tdh.pipeline.outages import Failure
    from tdh.results import Run

_PEOPLE = Text("Who loses service", "サービスを失う人口")
_INDICATORS = Text("Indicators", "指標")
_FAILED = Text("Stations that fail", "停止した局")
_CONNECTED = Text(
    "Assets beyond the plan that keep places connected", "施設の通信を保つために追加できるアセット"
)
_CONNECTED_SHEET = Text("Assets that keep connected", "通信を保つアセット")
_WORST = Text("Worst single failures", "単独停止の影響が大きい局")


def show(
    run: Run,
    outage: tuple[str, ...],
    worst: int | None,
    year: int | None,
    xlsx: Path | None,
    as_json: bool,
    keep_connected: int | None = None,
) -> None:
    """Print what follows if stations fail; also as a workbook where ``xlsx`` is given."""
    from tdh.cli import options, tables
    from tdh.pipeline import connected, outages

    failure = outages.outage(run, outage) if outage else None
    alone = outages.single_failures(run).head(worst) if worst else None
    keeping = None
    if keep_connected:
        keeping = connected.keep_connected(run, outage, fold=keep_connected)
    if xlsx is not None:
        _workbook(run, failure, alone, keeping, xlsx, year)
    if as_json:
        options.print_json(_json(run, failure, alone, keeping, year))
        return
    if failure is not None:
        click.echo(_PEOPLE.render(current()))
        people = _people(run, failure)
        people["share_lost"] = [units.percent(share) for share in people["share_lost"]]
        tables.show(people, "outage_people", as_json=False)
        for note in failure.notes:
            click.echo(f"※ {note}")
        click.echo(f"\n{_INDICATORS.render(current())}")
        tables.show(_indicators(run, failure, year), "kpis", as_json=False)
    if alone is not None:
        click.echo(f"\n{_WORST.render(current())}" if failure else _WORST.render(current()))
        tables.show(_stations(run, alone), "failed_stations", as_json=False)
    if keeping is not None:
        click.echo(f"\n{_CONNECTED.render(current())}")
        tables.show(_keeping(run, keeping), "keep_connected", as_json=False)


_ORIGINS = {"present": Text("present", "現在の局"), "plan": Text("plan", "計画")}


def _stations(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        carrier_id=_names(run, table["carrier_id"].astype(str)),
        origin=[_ORIGINS[str(origin)].render(current()) for origin in table["origin"]],
    )


def _keeping(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    shown = table[["carrier_id", "order", "site_id", "name", "gained"]]
    return shown.assign(carrier_id=_names(run, shown["carrier_id"].astype(str)))


def _workbook(
    run: Run,
    failure: Failure | None,
    alone: pd.DataFrame | None,
    keeping: pd.DataFrame | None,
    path: Path,
    year: int | None,
) -> None:
    from tdh.reports import outage_workbook

    sheets = []
    if failure is not None:
        sheets += [
            (_PEOPLE, "outage_people", _people(run, failure)),
            (_INDICATORS, "kpis", _indicators(run, failure, year)),
            (_FAILED, "failed_stations", _stations(run, failure.failed)),
        ]
    if alone is not None:
        sheets.append((_WORST, "failed_stations", _stations(run, alone)))
    if keeping is not None:
        sheets.append((_CONNECTED_SHEET, "keep_connected", _keeping(run, keeping)))
    notes = () if failure is None else failure.notes
    outage_workbook.write_outage(run, sheets, path, current(), notes)


def _people(run: Run, failure: Failure) -> pd.DataFrame:
    from tdh.pipeline import outages

    return failure.people.assign(
        carrier_id=_names(run, failure.people["carrier_id"]),
        state=[outages.STATES[state].render(current()) for state in failure.people["state"]],
    )


def _names(run: Run, carriers: pd.Series) -> list[str]:
    from tdh.reports import goals_workbook

    return goals_workbook.carrier_names(run, carriers.replace("any", ""), current())


def _indicators(run: Run, failure: Failure, year: int | None) -> pd.DataFrame:
    """A row for each indicator and carrier, a column for each state, shares in percent."""
    from tdh import kpi
    from tdh.pipeline import outages

    found = failure.indicators(run, year)
    share = found["unit"].fillna("") == ""
    found["value"] = found["value"].where(~share, units.percents(found["value"]))
    found["unit"] = found["unit"].where(~share, "%")
    keys = ["kpi", "carrier_id", "unit"]
    table = found.pivot_table(
        index=keys, columns="state", values="value", sort=False, dropna=False, observed=True
    )
    table = table[list(outages.STATES)].dropna(how="all").reset_index()
    table["kpi"] = [kpi.label(name).render(current()) for name in table["kpi"]]
    table["carrier_id"] = _names(run, table["carrier_id"].astype(str))
    return table.rename(
        columns={state: name.render(current()) for state, name in outages.STATES.items()}
        | {"carrier_id": "carrier"}
    )


def _json(
    run: Run,
    failure: Failure | None,
    alone: pd.DataFrame | None,
    keeping: pd.DataFrame | None,
    year: int | None,
) -> dict[str, Any]:
    def rows(table: pd.DataFrame) -> Any:
        return json.loads(table.to_json(orient="records", force_ascii=False))

    found: dict[str, Any] = {}
    if failure is not None:
        found["failed"] = rows(failure.failed)
        found["notes"] = [str(note) for note in failure.notes]
        found["people"] = rows(failure.people)
        found["indicators"] = rows(failure.indicators(run, year))
    if alone is not None:
        found["worst"] = rows(alone)
    if keeping is not None:
        found["keep_connected"] = rows(keeping)
    return found
