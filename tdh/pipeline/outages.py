"""What a run's indicators become if stations fail, and on which single station most depends.

A cell that is served today goes dark in a band if a station that is predicted to serve it there
fails and none that stands does. Cells whose service rests on measurements or areas that no known
site explains stay as they are: nobody knows what they hang on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from tdh import kpi, resilience, schemas
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.pipeline import hazards, kpis, standing
from tdh.pipeline.ranking import code_of
from tdh.pipeline.scored import place_counts
from tdh.pipeline.standing import PRESENT, Network
from tdh.results import Run, When

STATES: dict[str, Text] = {
    "before": Text("Today", "現在"),
    "before_outage": Text("Today, in the outage", "現在・停止時"),
    "after": Text("With the plan", "計画後"),
    "after_outage": Text("With the plan, in the outage", "計画後・停止時"),
}
"""States of the indicators, in order, by name for people."""

FORMS = (
    "ID,ID,… | top:N | flood:FILE | flood:METRES | district:FILE | municipality:NAME | "
    "backup:HOURS | backup:HOURS:known"
)
"""What an outage can be written as."""

_METRES = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_KINDS = ("top", "flood", "district", "municipality", "backup")


@dataclass(frozen=True, eq=False)
class Failure:
    """What follows if stations fail together.

    Attributes
    ----------
    failed : DataFrame
        Table ``failed_stations``: the stations, with what is lost if each fails alone.
    people : DataFrame
        Table ``outage_people``: customers and places per carrier, today and with the plan.
    counts : DataFrame
        :func:`tdh.kpi.counts` of the four states.
    notes : tuple of Text
        What to know of the figures: of how many stations the emergency power is not known.
    """

    failed: pd.DataFrame
    people: pd.DataFrame
    counts: pd.DataFrame
    notes: tuple[Text, ...] = ()

    def indicators(self, run: Run, year: int | None = None) -> pd.DataFrame:
        """The indicators in the four states (table ``kpi_values``)."""
        goals = run.scenario.goals
        return kpi.long(self.counts, year=year or goals.year, targets=goals.targets_by_year)


def networks(run: Run) -> dict[str, Network]:
    """Every carrier's stations, those of the plan among them."""
    return {c.id: standing.network(run, c.id, "after") for c in run.carriers}


def single_failures(run: Run, of: dict[str, Network] | None = None) -> pd.DataFrame:
    """N−1: what each station's failure alone takes from its carrier's customers.

    Returns
    -------
    DataFrame
        Table ``failed_stations``, worst first; with the plan on air.
    """
    found = networks(run) if of is None else of
    people, places = run.cells["population"].to_numpy(float), place_counts(run)
    shares = run.scenario.market_shares
    tables = []
    for carrier, network in found.items():
        lost = resilience.single_failures(
            network.footprint,
            network.stations.index,
            {"people": people * shares[carrier], "places": places},
        )
        stations = network.stations[["carrier_id", "origin"]]
        tables.append(stations.join(lost).reset_index())
    table = pd.concat(tables, ignore_index=True)
    table["places_lost"] = table["places_lost"].round().astype(np.int64)
    names = run.assets["name"].reindex(table["station_id"]).to_numpy(dtype=object)
    table["name"] = np.where(table["origin"] == PRESENT, None, names)
    table = table.sort_values(
        ["people_lost", "cells_lost", "carrier_id", "station_id"],
        ascending=[False, False, True, True],
        kind="stable",
        ignore_index=True,
    )
    return schemas.conform(table, "failed_stations")


def outage(run: Run, specs: Sequence[str], *, base: Path | None = None) -> Failure:
    """What a run's indicators and people become if stations fail.

    Parameters
    ----------
    run : Run
    specs : sequence of str
        What fails, all of it together; each is ids of sites and assets with commas between,
        ``top:N`` (the N stations on which most customers depend), ``flood:FILE`` (what stands
        inside polygons, but not on a roof), ``flood:METRES`` (what stands, not on a roof, where the
        scenario's maps or the register expect a deeper flood), ``district:FILE`` (all that stands
        inside), ``municipality:NAME`` (or its code: all that stands there),
        ``backup:HOURS`` (all whose emergency power is shorter, or not known) or
        ``backup:HOURS:known`` (only those of which it is known to be shorter).
    base : path, optional
        Folder that files are relative to.

    Raises
    ------
    InputError
        With every id that the run does not have and every file that cannot be read.
    """
    found = networks(run)
    alone = single_failures(run, found)
    fails_of = failing(run, found, alone, specs, base)
    lost: dict[str, dict[tuple[str, str], np.ndarray]] = {"before": {}, "after": {}}
    gone: dict[str, set[str]] = {}
    for carrier, network in found.items():
        fails = fails_of[carrier]
        present = (network.stations["origin"] == PRESENT).to_numpy()
        gone[carrier] = {i for ids in network.stations["members"][fails] for i in ids}
        for band, footprint in network.footprints.items():
            for state, on_air in (("before", present), ("after", np.ones_like(present))):
                depth = resilience.depth(footprint, on_air)
                left = resilience.depth(footprint, on_air & ~fails)
                lost[state][carrier, band] = (depth > 0) & (left == 0)
    states: dict[str, kpi.Service] = {}
    whens: tuple[When, When] = ("before", "after")
    for when in whens:
        states[when] = kpis.service(run, when)
        states[f"{when}_outage"] = kpis.service(run, when, lost=lost[when], failed=gone)
    settings, demand = run.scenario.goals, run.scenario.demand
    counts = kpi.counts(
        run.cells,
        run.grid,
        states,
        at_least=settings.at_least,
        rule=settings.rule,
        places=run.places,
        commercial=kpis.shapes(run, demand.commercial, "Polygon") if demand.commercial else None,
        roads=kpis.shapes(run, demand.roads, "LineString") if demand.roads else None,
        by_municipality=False,
    )
    chosen = {(c, i) for c, n in found.items() for i in n.stations.index[fails_of[c]]}
    pairs = zip(alone["carrier_id"].astype(str), alone["station_id"].astype(str), strict=True)
    failed = alone[[pair in chosen for pair in pairs]].reset_index(drop=True)
    people = _people(run, states, fails_of, found)
    return Failure(failed, people, counts, _backup_notes(run, found, specs))


def _backup_notes(run: Run, found: dict[str, Network], specs: Sequence[str]) -> tuple[Text, ...]:
    """Of how many stations the emergency power is not known, and what was made of them."""
    notes = []
    for spec in specs:
        if spec.partition(":")[0] != "backup":
            continue
        hours, unknown_fails = _backup(spec.partition(":")[2], [])
        facts = pd.concat([_facts(run, network) for network in found.values()])
        unknown = int(facts["backup_hours"].isna().sum())
        shorter = int((facts["backup_hours"] < hours).sum())
        fate = (
            Text(
                "are taken to fail (--outage backup:{hours:g}:known lets them stand)",
                "停止とみなしています(--outage backup:{hours:g}:known では稼働とみなす)",
                hours=hours,
            )
            if unknown_fails
            else Text(
                "are taken to stand (--outage backup:{hours:g} lets them fail)",
                "稼働とみなしています(--outage backup:{hours:g} では停止とみなす)",
                hours=hours,
            )
        )
        notes.append(
            Text(
                "Emergency power of {hours:g} h: of {stations:,} stations (today's and the plan's), "
                "{shorter:,} are known to have less and {longer:,} to have it; of {unknown:,} it is "
                "not known (lists of present sites tell none), and they {fate}",
                "非常用電源{hours:g}時間: {stations:,}局(現在の局と計画)のうち、不足が判明 "
                "{shorter:,}局、充足が判明 {longer:,}局、不明 {unknown:,}局(現在の局の一覧に記載なし)。"
                "不明の局は{fate}",
                hours=hours,
                stations=len(facts),
                shorter=shorter,
                longer=len(facts) - shorter - unknown,
                unknown=unknown,
                fate=fate,
            )
        )
    return tuple(notes)


def _people(
    run: Run,
    states: dict[str, kpi.Service],
    failing: dict[str, np.ndarray],
    found: dict[str, Network],
) -> pd.DataFrame:
    """Customers and places that go dark, per carrier and for any of them."""
    people, places = run.cells["population"].to_numpy(float), place_counts(run)
    shares = run.scenario.market_shares
    rows = []
    for when in ("before", "after"):
        normal, dark = states[when], states[f"{when}_outage"]
        for carrier in [*found, "any"]:
            if carrier == "any":
                on, off = normal.count() > 0, dark.count() > 0
                weight = people
            else:
                on, off = normal.of(carrier), dark.of(carrier)
                weight = people * shares[carrier]
            of = list(found) if carrier == "any" else [carrier]
            stations = sum(_count(failing[c], found[c], when) for c in of)
            gone = on & ~off
            served = float(weight[on].sum())
            rows.append(
                {
                    "carrier_id": carrier,
                    "state": when,
                    "stations_failed": stations,
                    "people_served": served,
                    "people_lost": float(weight[gone].sum()),
                    "share_lost": float(weight[gone].sum()) / served if served else np.nan,
                    "places_served": int(places[on].sum()),
                    "places_lost": int(places[gone].sum()),
                }
            )
    return schemas.conform(pd.DataFrame(rows), "outage_people")


def _count(fails: np.ndarray, network: Network, when: str) -> int:
    on_air = np.ones(len(fails), bool)
    if when == "before":
        on_air = (network.stations["origin"] == PRESENT).to_numpy()
    return int((fails & on_air).sum())


def failing(
    run: Run,
    found: dict[str, Network],
    alone: pd.DataFrame,
    specs: Sequence[str],
    base: Path | None,
) -> dict[str, np.ndarray]:
    """Per carrier, which stations fail: bool, (n_stations,); arguments as :func:`outage`."""
    fails = {c: np.zeros(len(n.stations), dtype=bool) for c, n in found.items()}
    problems: list[Problem] = []
    for spec in specs:
        kind, _, value = spec.partition(":")
        if kind == "top":
            worst = alone.head(int(_number(kind, value, problems)))
            for carrier, network in found.items():
                ids = worst.loc[worst["carrier_id"] == carrier, "station_id"]
                fails[carrier] |= network.stations.index.isin(ids)
        elif kind == "backup":
            hours, unknown_fails = _backup(value, problems)
            for carrier, network in found.items():
                facts = _facts(run, network)
                fails[carrier] |= resilience.without_backup(facts, hours, unknown_fails)
        elif kind == "municipality":
            try:
                code = code_of(run, value)
            except InputError as error:
                problems += error.problems
                continue
            area = run.municipalities.geometry[[code]]
            for carrier, network in found.items():
                fails[carrier] |= resilience.in_district(network.stations, area)
        elif kind == "flood" and _METRES.fullmatch(value):
            try:
                below = _below_flood(run, found, float(value))
            except InputError as error:
                problems += error.problems
                continue
            for carrier, sunk in below.items():
                fails[carrier] |= sunk
        elif kind in ("flood", "district"):
            if not value:
                problems.append(_missing_value(kind))
                continue
            path = Path(value) if base is None else base / value
            try:
                must_have_shapes(path)
                area = kpis.shapes(run, path, "Polygon", cut=False)
            except InputError as error:
                problems += error.problems
                continue
            for carrier, network in found.items():
                inside = resilience.in_district(network.stations, area)
                if kind == "flood":
                    inside = inside & (_facts(run, network)["placement"] != "roof").to_numpy()
                fails[carrier] |= inside
        else:
            _by_id(found, spec, fails, problems)
    if problems:
        raise InputError(*problems)
    return fails


def _below_flood(run: Run, found: dict[str, Network], metres: float) -> dict[str, np.ndarray]:
    """Per carrier, stations that do not stand on a roof where a deeper flood is expected."""
    if not run.scenario.floods:
        raise InputError(
            Problem(
                Text(
                    "the scenario names no map of floods to expect",
                    "シナリオに浸水想定図がありません",
                ),
                where=f"--outage flood:{metres:g}",
                fix=Text(
                    "name one under [[floods]] and run again, or give its file: flood:areas.gpkg",
                    "[[floods]] に加えて計算し直すか、ファイルを指定してください: flood:areas.gpkg",
                ),
            )
        )
    maps = hazards.read_floods(run.scenario)
    below = {}
    for carrier, network in found.items():
        facts = _facts(run, network)
        told = run.assets["flood_depth_m"].reindex(facts.index).to_numpy(float, na_value=np.nan)
        present = (network.stations["origin"] == PRESENT).to_numpy()
        mapped = hazards.flood_depth_m(network.stations.geometry, maps)
        facts["flood_depth_m"] = np.where(present | np.isnan(told), mapped, told)
        below[carrier] = resilience.below_flood(facts, metres)
    return below


def must_have_shapes(path: Path) -> None:
    """Refuse a file that GDAL reads as a table without shapes, such as a CSV.

    Raises
    ------
    InputError
        If it is one; a file that cannot be read at all is left to who reads it.
    """
    try:
        kind = pyogrio.read_info(path)["geometry_type"]
    except (DataSourceError, DataLayerError):
        return
    if kind is None:
        raise InputError(
            Problem(
                Text("it holds no shapes", "図形がありません"),
                expected="GeoPackage, GeoJSON, Shapefile, GML, KML",
                where=str(path),
            )
        )


def _number(kind: str, value: str, problems: list[Problem]) -> float:
    """A count of stations, or hours; 0 and a problem where it is none."""
    try:
        number = float(int(value) if kind == "top" else float(value))
    except ValueError:
        number = -1.0
    if number > 0 and np.isfinite(number):
        return number
    problems.append(
        Problem(
            Text("it must be a whole number above 0", "0より大きい整数にしてください")
            if kind == "top"
            else Text("it must be a number above 0", "0より大きい数にしてください"),
            value=value or None,
            expected="top:5" if kind == "top" else "backup:24 | backup:24:known",
            where=f"--outage {kind}:",
        )
    )
    return 0.0


def _backup(value: str, problems: list[Problem]) -> tuple[float, bool]:
    """Hours of ``HOURS`` or ``HOURS:known``, and whether what is not known fails."""
    known = value.endswith(":known")
    return _number("backup", value.removesuffix(":known"), problems), not known


def _missing_value(kind: str) -> Problem:
    return Problem(
        Text("a file of polygons is missing", "面のファイルが指定されていません"),
        expected=f"{kind}:areas.gpkg",
        where=f"--outage {kind}:",
    )


def _by_id(
    found: dict[str, Network],
    spec: str,
    failing: dict[str, np.ndarray],
    problems: list[Problem],
) -> None:
    wanted = {name.strip() for name in spec.split(",") if name.strip()}
    known: set[str] = set()
    every: set[str] = set()
    for carrier, network in found.items():
        members = network.stations["members"]
        hit = np.array([not wanted.isdisjoint(ids) for ids in members], bool)
        failing[carrier] |= hit
        known |= {i for ids in members[hit] for i in ids}
        every |= {i for ids in members for i in ids}
    unknown = sorted(wanted - known)
    if not unknown and wanted:
        return
    near = sorted({i for name in unknown for i in get_close_matches(name, every, 2, 0.8)})
    kind = spec.partition(":")[0].strip()
    meant = get_close_matches(kind.casefold(), _KINDS, 1) if ":" in spec else []
    fix = Text(
        "write ids of present sites or of offers of the plan (site-1,site-2), or top:5 (the 5 on "
        "which most depend), flood:areas.gpkg, flood:0.5 (metres), district:areas.gpkg, "
        "municipality:新宿区, backup:24 (hours); "
        "tdh kpi RUN --worst 20 lists ids",
        "現在の局か計画のアセットのID(site-1,site-2)、または top:5(頼る顧客の多い5局)、"
        "flood:areas.gpkg、flood:0.5(m)、district:areas.gpkg、municipality:新宿区、backup:24(時間)と"
        "書いてください。"
        "IDの例は tdh kpi RUN --worst 20 で見られます",
    )
    if meant or near:
        guess = f"{meant[0]}:{spec.partition(':')[2]}" if meant else ", ".join(near[:5])
        fix = Text("{guess}? — {fix}", "{guess} ではありませんか? {fix}", guess=guess, fix=fix)
    problems.append(
        Problem(
            Text(
                "neither a present site nor an offer of the plan has this id",
                "このIDの現在の局も、計画のアセットもありません",
            )
            if not meant and ":" not in spec
            else Text(
                "no such kind of outage, and no site or offer of this id",
                "この種類の停止も、このIDの局・アセットもありません",
            ),
            value=", ".join(unknown[:10]) or spec,
            expected=FORMS,
            where="--outage",
            fix=fix,
        )
    )


def _facts(run: Run, network: Network) -> pd.DataFrame:
    """Placement and hours of backup of each station: an asset's own, of a present site its list's.

    Lists of present sites tell no backup; their placement follows from their power where they
    tell none.
    """
    ids = network.stations.index
    present = (network.stations["origin"] == PRESENT).to_numpy()
    of_sites = run.sites["placement"].reindex(ids).to_numpy(dtype=object)
    of_assets = run.assets.reindex(ids)
    hours = (
        of_assets["backup_hours"].to_numpy(float, na_value=np.nan)
        if "backup_hours" in of_assets
        else np.full(len(ids), np.nan)
    )
    return pd.DataFrame(
        {
            "placement": np.where(present, of_sites, of_assets["placement"].to_numpy(object)),
            "backup_hours": np.where(present, np.nan, hours),
        },
        index=ids,
    )
