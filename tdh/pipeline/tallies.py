"""Tables of a finished run counted again, by arithmetic of its own.

What is read are the rasters of today and of after the plan, the cells, the sites and the plan's
footprints; what is counted is compared number by number with what the tables say. Shared with the
stages that wrote them are how files are read, the meaning of codes and names, the scenario's
weights, and in which cell a place lies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline import forms
from tdh.present import CODES
from tdh.results import Run, When

MOST_NAMED = 5
_MEASURED_DB = 5.2  # as docs/present-coverage.md tells of measured squares
_WHENS: tuple[When, When] = ("before", "after")


@dataclass(frozen=True)
class Tally:
    """A table counted again.

    Attributes
    ----------
    table : str
    what : Text
        What was counted, from what.
    numbers : int
        How many numbers were compared.
    largest : float
        The largest difference, in the unit of the number.
    where : str
        Which number that is.
    problems : list of Problem
        Numbers that differ by more than rounding, the worst first; the last tells how many more.
    skipped : Text or None
        What could not be counted again, and why.
    """

    table: str
    what: Text
    numbers: int
    largest: float
    where: str
    problems: list[Problem] = field(default_factory=list)
    skipped: Text | None = None

    @property
    def line(self) -> Text:
        """What was counted again and the largest difference, for people."""
        if self.numbers == 0 and self.skipped is not None:
            return Text("{t}: {why}", "{t}: {why}", t=self.table, why=self.skipped)
        line = Text(
            "{t}: {n:,} numbers counted again ({what}); largest difference {d:.2g}{at}",
            "{t}: {n:,}個の値を再集計({what})。最大の差 {d:.2g}{at}",
            t=self.table,
            n=self.numbers,
            what=self.what,
            d=self.largest,
            at=f" [{self.where}]" if self.problems else "",
        )
        return (
            line if self.skipped is None else Text("{a}; {b}", "{a}。{b}", a=line, b=self.skipped)
        )


def compared(
    table: str,
    what: Text,
    said: pd.DataFrame,
    counted: pd.DataFrame,
    *,
    relative: float = 1e-6,
    looser: Mapping[str, float] | None = None,
    skipped: Text | None = None,
) -> Tally:
    """Two tables of the same keys and columns, value by value.

    Parameters
    ----------
    said, counted : DataFrame
        Indexed by what names a row. A row that only one of them has is a difference, unless the
        other has no value in it. Where a counted column holds words the words are compared.
    relative : float
        Share of a number that may be rounding (of numbers below 1, of 1).
    looser : mapping of str to float, optional
        Columns for which another share holds.
    """
    columns = [c for c in counted.columns if c in said.columns]
    lacking = [Problem(forms.MISSING, value=c, where=table) for c in counted if c not in said]
    twice = said.index[said.index.duplicated()].unique()
    if len(twice):
        lacking.append(Problem(forms.TWICE, value=f"{twice[0]} ({len(twice)})", where=table))
    said = said[~said.index.duplicated()]
    index = said.index.union(counted.index, sort=False)
    one, other = said.reindex(index)[columns], counted.reindex(index)[columns]
    names = index.to_list()

    def name(row: int) -> str:
        key = names[row] if isinstance(names[row], tuple) else (names[row],)
        return ", ".join(str(k) for k in key if str(k) not in ("", "nan", "None"))

    share = [(looser or {}).get(c, relative) for c in columns]
    return differing(table, what, one, other, name, share, lacking, skipped)


def differing(
    table: str,
    what: Text,
    said: pd.DataFrame,
    counted: pd.DataFrame,
    name: Callable[[int], str],
    share: Sequence[float] | float = 1e-6,
    problems: Sequence[Problem] = (),
    skipped: Text | None = None,
) -> Tally:
    """Two tables of the same rows and columns; ``name`` tells what a row is by its position.

    ``share`` of a number may be rounding: of all, or of each column; ``problems`` are those that
    are known already.
    """
    columns = list(counted)
    one, other = np.empty(said.shape), np.empty(said.shape)
    words: dict[int, pd.Index] = {}
    for k, column in enumerate(columns):
        is_, told = counted[column], said[column]
        if pd.api.types.is_numeric_dtype(is_) or is_.isna().all():
            one[:, k], other[:, k] = (pd.to_numeric(v, errors="coerce") for v in (told, is_))
        else:
            both = pd.concat([told.astype(object), is_.astype(object)])
            codes, words[k] = pd.factorize(both)
            one[:, k], other[:, k] = np.where(codes < 0, np.nan, codes).reshape(2, -1)
    missing = np.isnan(one) & np.isnan(other)
    with np.errstate(invalid="ignore"):
        apart = np.where(missing | (one == other), 0.0, np.abs(one - other))
    worded = np.isin(np.arange(len(columns)), list(words))
    apart[np.isnan(apart) | (worded & (apart > 0))] = np.inf
    size = np.fmax(1.0, np.fmax(np.abs(one), np.abs(other)))
    flat = apart.ravel()
    bad = np.flatnonzero((apart > share * size).ravel())
    worst = bad[np.argsort(-flat[bad], kind="stable")]

    def where(place: int) -> str:
        row, column = divmod(place, len(columns))
        inside = name(row)
        return f"{table} ({inside}): {columns[column]}" if inside else f"{table}: {columns[column]}"

    def shown(values: np.ndarray, place: int) -> str | float:
        value, known = float(values.flat[place]), words.get(place % len(columns))
        return value if known is None or np.isnan(value) else str(known[int(value)])

    differs = Text("the table says something else", "表の値が再集計と一致しません")
    found = [*problems]
    for i in worst[:MOST_NAMED].tolist():
        expected = shown(other, i)
        expected = f"{expected:.6f}" if isinstance(expected, float) else expected
        found.append(Problem(differs, value=shown(one, i), expected=expected, where=where(i)))
    if worst.size > MOST_NAMED:
        more = Text(
            "{n} more numbers of the table differ",
            "同じ表のほか{n}件も一致しません",
            n=int(worst.size) - MOST_NAMED,
        )
        found.append(Problem(more, where=table))
    at = int(flat.argmax()) if flat.size else 0
    largest = float(flat[at]) if flat.size else 0.0
    n, place = int((~missing).sum()), where(at) if largest > 0 else ""
    return Tally(table, what, n, largest, place, found, skipped)


def noted(what: Text, found: Sequence[str], where: str) -> list[Problem]:
    """One finding for all that is wrong in the same way: the first, and how many."""
    return [Problem(what, value=f"{found[0]} ({len(found)})", where=where)] if len(found) else []


class Ground:
    """What all counts start from: levels in the cells, and who lives there."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.row = run.cells["row"].to_numpy()
        self.col = run.cells["col"].to_numpy()
        self.people = run.cells["population"].to_numpy(float)
        self.municipality = run.cells["municipality_code"].to_numpy(object)
        self.shares = run.scenario.market_shares
        self._levels: dict[tuple[str, str, str], np.ndarray] = {}
        self.newly_served: pd.DataFrame | None = None
        self._on_air: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def level(self, carrier: str, band: str, when: When) -> np.ndarray:
        """SS-RSRP in the cells, dBm; minus infinity where nothing is received."""
        key = (carrier, band, when)
        if key not in self._levels:
            raster = self.run.signal(carrier, band, when)[self.row, self.col]
            self._levels[key] = np.where(np.isnan(raster), -np.inf, raster)
        return self._levels[key]

    def served(self, carrier: str, band: str, when: When) -> np.ndarray:
        """Cells at the threshold or above: bool, (n_cells,)."""
        least = self.run.bands[carrier, band].covered_dbm
        return np.asarray(self.level(carrier, band, when) >= least)

    def by_carrier(self, when: When, classes: Iterable[str] | None = None) -> np.ndarray:
        """Cells that each carrier serves in bands of some classes: bool, (n_carriers, n_cells)."""
        wanted = None if classes is None else set(classes)
        found = np.zeros((len(self.run.carriers), len(self.people)), dtype=bool)
        for number, carrier in enumerate(self.run.carriers):
            for band in carrier.bands:
                if wanted is None or self.run.bands[carrier.id, band].band_class in wanted:
                    found[number] |= self.served(carrier.id, band, when)
        return found

    def offers(self, carrier: str) -> list[str]:
        """The assets that are offered to a carrier, in the order of the table."""
        plan = self.run.plan
        return [str(a) for a in plan.loc[plan["carrier_id"] == carrier, "asset_id"]]

    def on_air(self, carrier: str, band: str) -> tuple[np.ndarray, np.ndarray]:
        """Levels with the plan on air, and which offer gives them (−1: today's network).

        Offers are laid over today one by one: of equal ones the least id serves, and today's site
        goes before all.
        """
        if (carrier, band) not in self._on_air:
            signals = self.run.footprint(carrier, band)
            level = self.level(carrier, band, "before").copy()
            by, chosen = np.full(len(level), -1), self.offers(carrier)
            for asset in sorted(chosen):
                row = int(np.flatnonzero(signals.site_ids == asset)[0])
                span = slice(signals.signal.indptr[row], signals.signal.indptr[row + 1])
                cell = signals.signal.indices[span]
                dbm = -150.5 + 0.5 * signals.signal.data[span].astype(float)
                stronger = dbm > level[cell]
                level[cell[stronger]] = dbm[stronger]
                by[cell[stronger]] = chosen.index(asset)
            self._on_air[carrier, band] = level, by
        return self._on_air[carrier, band]

    @cached_property
    def probabilities(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """People of each cell in the columns of ``expected_people``, by carrier and band."""
        return _probabilities(self)

    @cached_property
    def moments(self) -> dict[str, np.ndarray]:
        """People by column of ``cells``."""
        names = [c for c in self.run.cells if c.startswith("population")]
        return {c: self.run.cells[c].to_numpy(float) for c in names}


def of_run(run: Run, only: Collection[str] | None = None) -> list[Tally]:
    """Every table that a run holds of these: people expected, loads, gap regions, indicators, scores.

    Parameters
    ----------
    run : Run
    only : collection of str, optional
        Names of tables; by default all.
    """
    from tdh.pipeline import (
        kpi_tallies,
        level_tallies,
        offer_tallies,
        place_tallies,
        region_tallies,
        score_tallies,
    )

    ground = Ground(run)
    asked: dict[str, Callable[[Ground], Tally]] = {
        "cells": place_tallies.cells,
        "assets": place_tallies.assets,
        "throughput": place_tallies.throughput,
        "coverage": level_tallies.coverage,
        "present": level_tallies.present,
        "gaps": level_tallies.gaps,
        "candidates": offer_tallies.candidates,
        "antennas": offer_tallies.antennas,
        "profiles": offer_tallies.profiles,
        "expected_people": expected_people,
        "expected_municipalities": expected_municipalities,
        "site_load": site_load,
        "site_load_after": site_load_after,
        "gap_regions": region_tallies.gap_regions,
        "kpis": kpi_tallies.kpis,
        "score_weights": score_tallies.score_weights,
        "scores": score_tallies.scores,
        "scores_public": score_tallies.scores_public,
    }
    found = []
    for table, count in asked.items():
        if only is not None and table not in only:
            continue
        problems = [] if table == "coverage" else forms.of_table(run, table)
        if problems:
            found.append(Tally(table, _UNREADABLE, 0, 0.0, "", problems, skipped=_UNREADABLE))
        elif getattr(run, table, run.plan) is not None:
            found.append(count(ground))
    return found


_UNREADABLE = Text(
    "not counted again: the table is not as it is written", "再集計なし: 表の形式が違います"
)


# --- people by probability -----------------------------------------------------------------------


def _sigmas(ground: Ground, carrier: str, band: str, when: When) -> np.ndarray:
    """How far a band's level is above its threshold, in standard deviations of its fading."""
    run, threshold = ground.run, ground.run.bands[carrier, band].covered_dbm
    spread = np.full(len(ground.people), run.scenario.goals.shadowing_db)
    today = ground.level(carrier, band, "before")
    codes = run.evidence(carrier, band)
    certain = np.zeros(len(ground.people), dtype=bool)
    if codes is not None:
        own = codes[ground.row, ground.col]
        spread[own == CODES["measured"]] = _MEASURED_DB
        certain = own == CODES["declared"]
    above = (today - threshold) / spread
    above[certain] = np.where(today[certain] >= threshold, np.inf, -np.inf)
    if when == "before":
        return above
    after = ground.level(carrier, band, "after")
    added = (after - threshold) / run.scenario.goals.shadowing_db
    return np.where(after > today, np.maximum(above, added), above)


def _at_least(above: np.ndarray, k: int, correlation: float) -> np.ndarray:
    """P(at least k): over the common part by the trapezoid rule, the carriers by enumeration."""
    n = len(above)
    if n == 1:
        return np.asarray(special.ndtr(above[0]))
    spacing = 0.5 * min(1.0, np.sqrt((1 - correlation) / correlation)) if correlation else 1.0
    nodes = np.arange(-5.0, 5.0 + spacing, spacing) if correlation else np.zeros(1)
    weights = np.exp(-(nodes**2) / 2)
    total = np.zeros(above.shape[1])
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        up = special.ndtr((above + np.sqrt(correlation) * node) / np.sqrt(1 - correlation))
        fewer = np.zeros(above.shape[1])
        for chosen in range(2**n):
            which = [bool(chosen >> i & 1) for i in range(n)]
            if sum(which) < k:
                fewer += np.prod([p if on else 1 - p for p, on in zip(up, which, strict=True)], 0)
        total += weight * (1 - fewer)
    return total


def _probabilities(ground: Ground) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """People of each cell, by yes or no and by probability, of each row of ``expected_people``."""
    run, goals = ground.run, ground.run.scenario.goals
    lived = ground.people > 0
    found: dict[tuple[str, str], dict[str, np.ndarray]] = {}

    def tell(who: tuple[str, str], when: str, served: np.ndarray, chance: np.ndarray) -> None:
        row = found.setdefault(who, {})
        row[f"covered_{when}"] = ground.people * served
        row[f"expected_{when}"] = np.zeros(len(ground.people))
        row[f"expected_{when}"][lived] = ground.people[lived] * chance

    for when in _WHENS:
        best = []
        for carrier in run.carriers:
            own = [_sigmas(ground, carrier.id, band, when)[lived] for band in carrier.bands]
            if len(own) > 1:
                for band, above in zip(carrier.bands, own, strict=True):
                    served = ground.served(carrier.id, band, when)
                    tell((carrier.id, band), when, served, special.ndtr(above))
            best.append(np.max(own, axis=0))
        serving = ground.by_carrier(when)
        for number, carrier in enumerate(run.carriers):
            tell((carrier.id, ""), when, serving[number], special.ndtr(best[number]))
        for k in goals.at_least:
            if k <= len(run.carriers):
                name = "any" if k == 1 else f"at_least_{k}"
                chance = _at_least(np.array(best), k, goals.shadowing_correlation)
                tell((name, ""), when, serving.sum(axis=0) >= k, chance)
    return found


# The table integrates over the common part by few points: that is what may differ.
_QUADRATURE = {"expected_before": 1e-4, "expected_after": 1e-4}


def expected_people(ground: Ground) -> Tally:
    """Table ``expected_people`` from the rasters of signal and evidence."""
    assert ground.run.expected_people is not None
    counted = pd.DataFrame(
        {
            who: {"people": ground.people.sum()} | {k: v.sum() for k, v in row.items()}
            for who, row in ground.probabilities.items()
        }
    ).T
    said = ground.run.expected_people.set_index(["carrier_id", "band"])
    what = Text(
        "people covered, by yes or no and by probability, from the rasters of signal and evidence",
        "カバー人口(有無と確率)を信号と根拠のラスタから",
    )
    return compared("expected_people", what, said, counted, looser=_QUADRATURE)


def expected_municipalities(ground: Ground) -> Tally:
    """Table ``expected_municipalities``, the same of each municipality."""
    assert ground.run.expected_municipalities is not None
    known = pd.notna(ground.municipality)
    codes = ground.municipality[known].astype(str)
    parts = {}
    for (who, band), row in ground.probabilities.items():
        if band == "":
            frame = pd.DataFrame({"people": ground.people, **row})[known]
            parts[who] = frame.groupby(codes).sum()
    counted = pd.concat(parts)
    names = ground.run.municipalities["municipality"].astype("str")
    counted["municipality"] = counted.index.get_level_values(1).map(names)
    said = ground.run.expected_municipalities.set_index(["carrier_id", "municipality_code"])
    what = Text("the same of each municipality", "同じ値を市区町村別に")
    return compared("expected_municipalities", what, said, counted, looser=_QUADRATURE)


# --- loads of sites --------------------------------------------------------------------------------


def _loads(
    ground: Ground, carrier: str, server: Mapping[str, np.ndarray], ids: Mapping[str, list[str]]
) -> pd.DataFrame:
    """Load of a carrier's sites, from which site serves each cell in each band (−1: none)."""
    run, settings = ground.run, ground.run.scenario.gaps
    capacity = {}
    for band in server:
        own = run.bands[carrier, band]
        part = 1.0 if own.band_class == "low" else settings.downlink_share
        capacity[band] = own.bandwidth_mhz * settings.bits_per_hertz * part
    together = sum(np.where(server[b] >= 0, capacity[b], 0.0) for b in server)
    rows = []
    for band, at in server.items():
        cells = pd.DataFrame({"site": at, "part": capacity[band]})
        cells["part"] /= together
        for column, name in _CUSTOMERS.items():
            people = ground.moments.get(column, np.full(len(at), np.nan))
            cells[name] = people * ground.shares[carrier] * cells["part"]
        sums = cells[cells["site"] >= 0].drop(columns="part").groupby("site").sum()
        sums = sums.reindex(range(len(ids[band])), fill_value=0.0)
        sums[[name for column, name in _CUSTOMERS.items() if column not in ground.moments]] = np.nan
        sums["capacity_mbps"] = capacity[band]
        sums.index = pd.MultiIndex.from_product([[carrier], [band], ids[band]], names=_SITE)
        rows.append(sums)
    table = pd.concat(rows)
    most = table[list(_CUSTOMERS.values())].max(axis=1)
    table["kbps_per_customer"] = 1000 * table["capacity_mbps"] / most.replace(0.0, np.nan)
    table["load"] = np.nan
    if settings.busy_kbps is not None:
        table["load"] = most * settings.busy_kbps / (1000 * table["capacity_mbps"])
    return table


_CUSTOMERS = {
    "population": "customers",
    "population_day": "customers_day",
    "population_night": "customers_night",
}
_SITE = ["carrier_id", "band", "site_id"]
_NO_SERVER = Text(
    "not counted again: the run does not hold which site serves each cell; compute it again",
    "再集計なし: セルごとの接続局が計算フォルダにありません。計算し直してください",
)


def _today(ground: Ground, carrier: str) -> tuple[dict[str, Any], dict[str, list[str]]] | None:
    """Which of today's sites serves each cell, by band, and the sites' ids."""
    table, servers, ids = ground.run.site_load, {}, {}
    assert table is not None
    for c, band in ground.run.bands:
        if c == carrier:
            raster = ground.run.server(carrier, band)
            if raster is None:
                return None
            servers[band] = raster[ground.row, ground.col].astype(np.int64)
            own = (table["carrier_id"] == carrier) & (table["band"] == band)
            ids[band] = table.index[own].tolist()
    return servers, ids


def site_load(ground: Ground) -> Tally:
    """Table ``site_load`` from the raster of servers, which must serve the cells they stand for."""
    assert ground.run.site_load is not None
    what = Text(
        "customers, capacity and load of present sites, from the rasters of serving sites",
        "現在局の利用者・容量・負荷を接続局のラスタから",
    )
    parts, problems = [], []
    for carrier in ground.run.carriers:
        found = _today(ground, carrier.id)
        if found is None:
            return Tally("site_load", what, 0, 0.0, "", skipped=_NO_SERVER)
        servers, ids = found
        for band, at in servers.items():
            problems += _not_serving(ground, carrier.id, band, at, ids[band])
        parts.append(_loads(ground, carrier.id, servers, ids))
    said = ground.run.site_load.reset_index().set_index(_SITE)
    tally = compared("site_load", what, said, pd.concat(parts))
    tally.problems.extend(problems)
    return tally


def _not_serving(
    ground: Ground, carrier: str, band: str, server: np.ndarray, ids: list[str]
) -> list[Problem]:
    """Cells whose site serves them by no footprint though nothing but the model says so."""
    run = ground.run
    kept = pd.read_parquet(run.folder / f"footprints/present-{carrier}-{band}.parquet")
    position = pd.Index(ids).get_indexer(kept["site_id"].cat.categories)
    site, cell = position[kept["site_id"].cat.codes.to_numpy()], kept["cell"].to_numpy()
    wrong = server >= 0
    wrong[cell[server[cell] == site]] = False
    codes = run.evidence(carrier, band)
    if codes is not None:
        own = codes[ground.row, ground.col]
        wrong &= (own == CODES["predicted"]) | (own == CODES["estimated"])
    wrong |= (server >= 0) & ~ground.served(carrier, band, "before")
    if not wrong.any():
        return []
    what = Text(
        "{n} cells are told to be served by a site that does not serve them",
        "{n}個のセルが、届かない局に接続とされています",
        n=int(wrong.sum()),
    )
    return [Problem(what, where=f"coverage/{carrier}-{band}-server.tif")]


def site_load_after(ground: Ground) -> Tally:
    """Table ``site_load_after``: offers laid over today's sites, one by one."""
    run = ground.run
    assert run.site_load_after is not None
    what = Text(
        "the same with the plan on air, offers laid over them one by one",
        "計画後の同じ値を、提供アセットを1局ずつ重ねて",
    )
    parts = []
    for carrier in run.carriers:
        found = _today(ground, carrier.id)
        if found is None:
            return Tally("site_load_after", what, 0, 0.0, "", skipped=_NO_SERVER)
        servers, ids = found
        offers = ground.offers(carrier.id)
        for band in carrier.bands:
            level, by = ground.on_air(carrier.id, band)
            servers[band] = np.where(by < 0, servers[band], len(ids[band]) + by)
            servers[band][level < run.bands[carrier.id, band].covered_dbm] = -1
            ids[band] = [*ids[band], *offers]
        parts.append(_loads(ground, carrier.id, servers, ids).add_suffix("_after"))
    counted = pd.concat(parts).rename(columns={"capacity_mbps_after": "capacity_mbps"})
    said = run.site_load_after.set_index(_SITE)
    counted["origin"] = "plan"
    if run.site_load is not None:
        before = run.site_load.reset_index().set_index(_SITE)
        before = before.drop(columns="capacity_mbps").add_suffix("_before")
        counted = counted.join(before, how="left")
        counted["origin"] = np.where(counted.index.isin(before.index), "present", "plan")
    return compared("site_load_after", what, said, counted)
