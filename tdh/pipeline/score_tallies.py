"""Scores of a finished run counted again, from the rasters of today and the footprints.

What lies behind a score (people, cells, places, municipalities served worse) is added up cell by
cell; points follow from the scenario's weights and the best asset. Of decibels, second covers,
neighbours, endurance, ease and cost the value stands as the table tells it; its points are counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tdh import coverage
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline.tallies import Ground, Tally, compared
from tdh.results import Run

_EARLIER = Text(
    "not counted again: the run was made by an earlier version, which did not keep what points "
    "come from",
    "再集計なし(配点を記録しない以前の版で計算)",
)
_WHAT = Text(
    "people, cells and places that each asset would serve, from the rasters of today and the "
    "footprints; points by the scenario's weights, their sum and the ranks",
    "各アセットが新たにカバーする人口・セル・施設(現在のラスタとフットプリントから)、シナリオの重みによる"
    "得点とその合計、順位",
)
_VALUES = {
    "people": "people_newly_served",
    "area": "gap_cells_closed",
    "equity": "people_worse_off_newly_served",
    "sharing": "people_of_others_newly_served",
    "places": "place_priority_newly_served",
    "quality": "people_db_lifted",
    "resilience": "endurance",
    "installability": "ease_of_installation",
    "daytime": "daytime_people_newly_served",
    "second_cover": "people_given_second_cover",
    "neighbours": "people_kept_if_neighbours_fail",
    "cost": "cheapness",
}
_OWN_SCALE = {"resilience", "installability", "cost"}
_KEY = ["carrier_id", "asset_id"]
_CHUNK = 4_000_000


def scores(ground: Ground) -> Tally:
    """Each carrier's scores; nothing of runs that do not tell what points come from."""
    if ground.run.score_weights is None:
        return _skipped("scores")
    counted = _counted(ground)
    return _tally(ground.run, "scores", counted)


def scores_public(ground: Ground) -> Tally:
    """Scores of all carriers together; nothing of runs that do not tell what points come from."""
    if ground.run.score_weights is None:
        return _skipped("scores_public")
    each = _counted(ground)
    columns = ["people", "area", "places", "daytime"]
    together = each.groupby("asset_id", sort=False)[[c for c in columns if c in each]].sum(
        min_count=1
    )
    unmet = np.sum([own for own, _ in _gaps(ground)], axis=0)
    worse = _worse(ground, unmet, 1.0)
    behind = {
        carrier.id: _sums(ground, carrier.id, own * worse)
        for carrier, (own, _) in zip(ground.run.carriers, _gaps(ground), strict=True)
    }
    together["equity"] = pd.DataFrame(behind).sum(axis=1).reindex(together.index)
    together = together.reset_index().assign(carrier_id="public")
    return _tally(ground.run, "scores_public", together)


def _skipped(name: str) -> Tally:
    return Tally(name, _WHAT, 0, 0.0, "", skipped=_EARLIER)


def _tally(run: Run, name: str, counted: pd.DataFrame) -> Tally:
    """Values and points of a table beside those counted."""
    table: pd.DataFrame = getattr(run, name)
    every = table.assign(carrier_id=table["carrier_id"].astype(str)).set_index(_KEY)
    counted = counted.set_index(_KEY)
    apart = every.index.symmetric_difference(counted.index)
    said = every[every.index.isin(counted.index) & ~every.index.duplicated()]
    counted = counted.reindex(said.index)
    values = pd.DataFrame(
        {
            component: counted[component] if component in counted else said[column]
            for component, column in _VALUES.items()
            if component in counted or column in said
        }
    )
    found = values.rename(columns=_VALUES).astype(float)
    for _, own in values.groupby(level="carrier_id", sort=False):
        known = [c for c in values if own[c].notna().any()]
        weight = pd.Series({c: _weight(run, c) for c in known})
        points = 100 * weight / weight.sum() if weight.sum() > 0 else weight + 100 / len(known)
        closes = own["area"] > 0
        total = pd.Series(0.0, index=own.index)
        for component in values:
            part = pd.Series(0.0, index=own.index)
            if component in known:
                useful = own[component].where(closes, 0.0)
                best = 1.0 if component in _OWN_SCALE else float(useful.max())
                part = points[component] * (useful / (best if best > 0 else 1.0)).clip(0.0, 1.0)
            found.loc[own.index, f"contribution_{component}"] = part
            total += part
        found.loc[own.index, "score"] = total
        asset = own.index.get_level_values("asset_id").astype(str)
        order = pd.DataFrame(
            {"score": -total.round(9), "people": -own["people"].to_numpy(), "asset": asset},
            index=own.index,
        ).sort_values(["score", "people", "asset"], kind="stable")
        same = order["score"].diff().abs().lt(1e-6) | order["score"].diff(-1).abs().lt(1e-6)
        rank = pd.Series(np.arange(1.0, len(order) + 1), index=order.index)
        # Of scores that differ by rounding alone the table's own order stands.
        found.loc[own.index, "rank"] = rank.where(~same, said.loc[order.index, "rank"]).reindex(
            own.index
        )
        told = [f"contribution_{c}" for c in values if f"contribution_{c}" in said]
        found.loc[own.index, "sum_of_parts"] = said.loc[own.index, told].sum(axis=1)
    said = said.assign(sum_of_parts=said["score"])
    tally = compared(name, _WHAT, said, found, looser={"sum_of_parts": 1e-11, "rank": 1e-12})
    for rows, what in (
        (apart, Text("a row is missing, or one too many", "行の過不足があります")),
        (
            every.index[every.index.duplicated()],
            Text("a row occurs twice", "同じ行が重複しています"),
        ),
    ):
        if len(rows):
            value = f"{', '.join(map(str, rows[0]))} ({len(rows)})"
            tally.problems.append(Problem(what, value=value, where=name))
    return tally


def _weight(run: Run, component: str) -> float:
    from tdh import scoring

    return float(scoring.resolve_weights(run.scenario.scoring.weights)[component])


def _gaps(ground: Ground) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per carrier, customers in cells that it does not serve today, and those cells."""
    served = ground.by_carrier("before")
    for number, carrier in enumerate(ground.run.carriers):
        gap = ~served[number]
        yield np.where(gap, ground.people * ground.shares[carrier.id], 0.0), gap


def _counted(ground: Ground) -> pd.DataFrame:
    """What every asset would bring every carrier: a row for each, a column for each component."""
    run = ground.run
    gaps = list(_gaps(ground))
    priority = _priorities(ground)
    by_day = ground.moments.get("population_day")
    found = []
    for carrier, (unmet, gap) in zip(run.carriers, gaps, strict=True):
        values = {
            "people": unmet,
            "area": gap.astype(float),
            "equity": unmet * _worse(ground, unmet, ground.shares[carrier.id]),
        }
        if priority is not None:
            values["places"] = gap * priority
        if by_day is not None:
            values["daytime"] = gap * by_day * ground.shares[carrier.id]
        table = pd.DataFrame({k: _sums(ground, carrier.id, v) for k, v in values.items()})
        found.append(table.rename_axis("asset_id").reset_index().assign(carrier_id=carrier.id))
    table = pd.concat(found, ignore_index=True)
    if len(run.carriers) > 1:
        everyone = table.groupby("asset_id")["people"].transform("sum")
        table["sharing"] = everyone - table["people"]
    return table


def _sums(ground: Ground, carrier: str, values: np.ndarray) -> pd.Series:
    """Values of the cells that each asset would serve in any of the carrier's bands, added up."""
    run = ground.run
    bands = next(c.bands for c in run.carriers if c.id == carrier)
    levels = coverage.to_dbm(np.arange(256, dtype=np.uint8))
    found = [(run.footprint(carrier, b), run.bands[carrier, b].covered_dbm) for b in bands]
    ids = found[0][0].site_ids
    total = np.zeros(len(ids))
    nnz = max(1, sum(c.signal.nnz for c, _ in found))
    step = max(1, int(len(ids) * _CHUNK / nnz))
    for first in range(0, len(ids), step):
        last = min(first + step, len(ids))
        keys = []
        for own, least in found:
            part = own.signal[first:last]
            asset = np.repeat(np.arange(last - first), np.diff(part.indptr))
            good = levels[part.data] >= least
            keys.append(asset[good] * len(values) + part.indices[good])
        key = keys[0] if len(keys) == 1 else np.unique(np.concatenate(keys))
        total[first:last] = np.bincount(key // len(values), values[key % len(values)], last - first)
    return pd.Series(total, index=pd.Index(ids.astype(str), name="asset_id"))


def _worse(ground: Ground, unmet: np.ndarray, share: float) -> np.ndarray:
    """By how much each cell's municipality is served worse than the mean."""
    table = pd.DataFrame(
        {"code": ground.municipality, "customers": ground.people * share, "unmet": unmet}
    )
    sums = table.groupby("code", dropna=False)[["customers", "unmet"]].sum()
    mean = sums["unmet"].sum() / sums["customers"].sum()
    if not mean < 1:
        return np.zeros(len(unmet))
    rate = (sums["unmet"] / sums["customers"]).fillna(0.0)
    worse = ((rate - mean) / (1 - mean)).clip(0.0, 1.0)
    return table["code"].map(worse).fillna(0.0).to_numpy(float)


def _priorities(ground: Ground) -> np.ndarray | None:
    """Priorities of the places in each cell; None without places."""
    places = ground.run.places
    if places is None or places.empty:
        return None
    from tdh import kpi

    at = kpi.place_at(places, ground.run.cells, ground.run.grid)
    sums = np.zeros(len(ground.people))
    for cell, priority in zip(at, places["priority"], strict=True):
        if cell >= 0:
            sums[cell] += priority
    return sums
