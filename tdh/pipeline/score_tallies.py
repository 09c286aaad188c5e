"""Scores of a finished run counted again, from the rasters of today and the footprints.

What lies behind a score (people, cells, places, municipalities served worse) is added up cell by
cell; points follow from the scenario's weights and the best asset. Of neighbours, endurance and ease
the value stands as the table tells it; its points are counted. How often an asset stays in the top
is drawn at random and stands as it is told.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tdh import coverage, kpi, scoring
from tdh.language import Text
from tdh.pipeline import rules, standing
from tdh.pipeline.tallies import Ground, Tally, compared, noted
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
_NOTHING_DBM = -125.0  # what a cell without any signal counts as


def scores(ground: Ground) -> Tally:
    """Each carrier's scores; nothing of runs that do not tell what points come from."""
    if ground.run.score_weights is None:
        return _skipped("scores")
    return _tally(ground.run, "scores", _counted(ground))


def scores_public(ground: Ground) -> Tally:
    """Scores of all carriers together; nothing of runs that do not tell what points come from."""
    if ground.run.score_weights is None:
        return _skipped("scores_public")
    each = _counted(ground).drop(columns=["equity", "sharing"], errors="ignore")
    by_asset = each.drop(columns="carrier_id").groupby("asset_id", sort=False)
    together = by_asset.sum(min_count=1)
    if "cost" in together:
        together["cost"] = by_asset["cost"].min()
    together = together.rename(columns={"equity_public": "equity"}).reset_index()
    return _tally(ground.run, "scores_public", together.assign(carrier_id="public"))


def score_weights(ground: Ground) -> Tally:
    """Table ``score_weights``: the scenario's weights, and the value of the best asset."""
    run = ground.run
    assert run.score_weights is not None
    parts = {}
    for table in (run.scores, run.scores_public):
        values = table.rename(columns={column: c for c, column in _VALUES.items()})
        values = values[[c for c in _VALUES if c in values]].astype(float)
        for carrier, own in values.groupby(table["carrier_id"].astype("str"), sort=False):
            parts[carrier] = _weighed(run, own)
    counted = pd.concat(parts)
    what = Text(
        "weights, points and the value that earns them, from the scenario and the scores",
        "重み・配点・満点の値を、シナリオとスコアの表から",
    )
    said = run.score_weights.set_index(["carrier_id", "component"])
    return compared("score_weights", what, said, counted)


def _skipped(name: str) -> Tally:
    return Tally(name, _WHAT, 0, 0.0, "", skipped=_EARLIER)


def _tally(run: Run, name: str, counted: pd.DataFrame) -> Tally:
    """Values and points of a table beside those counted."""
    table: pd.DataFrame = getattr(run, name)
    every = table.assign(carrier_id=table["carrier_id"].astype(str)).set_index(_KEY)
    counted = counted.set_index(_KEY)
    apart = every.index.symmetric_difference(counted.index)
    said = every[every.index.isin(counted.index)]
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
        weighed = _weighed(run, own)
        total = pd.Series(0.0, index=own.index)
        for component in values:
            part = pd.Series(0.0, index=own.index)
            if component in weighed.index:
                points, best = weighed.loc[component, ["points", "scale"]]
                part = points * (own[component].where(own["area"] > 0, 0.0) / best).clip(0.0, 1.0)
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
    # Words must be those of their row's numbers, which are compared by themselves.
    for name_of in ("ja", "en"):
        found[f"reason_{name_of}"] = scoring.reasons(said, name_of)
    tally = compared(name, _WHAT, said, found, looser={"sum_of_parts": 1e-11, "rank": 1e-12})
    what = Text("a row is missing, or one too many", "行の過不足があります")
    tally.problems.extend(noted(what, [", ".join(map(str, row)) for row in apart], name))
    return tally


def _weighed(run: Run, values: pd.DataFrame) -> pd.DataFrame:
    """Weight, points and the value that earns them, of each component with data.

    ``values`` has a column for each component and a row for each of a carrier's assets; those that
    close nothing earn nothing.
    """
    known = [c for c in values if values[c].notna().any()]
    weight = pd.Series(scoring.resolve_weights(run.scenario.scoring.weights))[known]
    points = 100 * weight / weight.sum() if weight.sum() > 0 else weight + 100 / len(known)
    best = values[known].where(values["area"] > 0, 0.0).max()
    best = best.where(best > 0, 1.0).where(~best.index.isin(_OWN_SCALE), 1.0)
    return pd.DataFrame({"weight": weight, "points": points, "scale": best})


def _gaps(ground: Ground) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per carrier, customers in cells that it does not serve today, and those cells."""
    served = ground.by_carrier("before")
    for number, carrier in enumerate(ground.run.carriers):
        gap = ~served[number]
        yield np.where(gap, ground.people * ground.shares[carrier.id], 0.0), gap


def _counted(ground: Ground) -> pd.DataFrame:
    """What every asset would bring every carrier: a row for each, a column for each component."""
    if ground.newly_served is not None:
        return ground.newly_served
    run, gaps = ground.run, list(_gaps(ground))
    priority = _priorities(ground)
    by_day = ground.moments.get("population_day")
    worse = _worse(ground, np.sum([own for own, _ in gaps], axis=0), 1.0)
    found = []
    for carrier, (unmet, gap) in zip(run.carriers, gaps, strict=True):
        share = ground.shares[carrier.id]
        depth = np.bincount(
            standing.network(run, carrier.id).footprint.indices, minlength=len(unmet)
        )
        values = {
            "people": unmet,
            "area": gap.astype(float),
            "equity": unmet * _worse(ground, unmet, share),
            "equity_public": unmet * worse,
            "second_cover": np.where(depth == 1, ground.people * share, 0.0),
        }
        if priority is not None:
            values["places"] = gap * priority
        if by_day is not None:
            values["daytime"] = gap * by_day * share
        table = _sums(ground, carrier.id, values)
        yen = rules.cost_yen(run.scenario, run.assets.loc[table.index])
        if yen is not None and not np.isnan(yen).all():
            own = pd.Series(yen, index=table.index)
            table["cost"] = (own.min() / own).where(own > own.min(), 1.0).where(own.notna(), 0.0)
        found.append(table.reset_index().assign(carrier_id=carrier.id))
    table = pd.concat(found, ignore_index=True)
    if len(run.carriers) > 1:
        everyone = table.groupby("asset_id")["people"].transform("sum")
        table["sharing"] = everyone - table["people"]
    ground.newly_served = table
    return table


def _sums(ground: Ground, carrier: str, values: dict[str, np.ndarray]) -> pd.DataFrame:
    """Values of the cells that each asset would serve in any of the carrier's bands, added up.

    ``quality`` is added to them: decibels by which weak signals are lifted times customers, of the
    band that lifts most.
    """
    run, n = ground.run, len(ground.people)
    bands = next(c.bands for c in run.carriers if c.id == carrier)
    levels = coverage.to_dbm(np.arange(256, dtype=np.uint8)).astype(float)
    customers = ground.people * ground.shares[carrier]
    found = [
        (run.footprint(carrier, b), run.bands[carrier, b], ground.level(carrier, b, "before"))
        for b in bands
    ]
    ids = found[0][0].site_ids
    total = {name: np.zeros(len(ids)) for name in (*values, "quality")}
    nnz = max(1, sum(c.signal.nnz for c, _, _ in found))
    step = max(1, int(len(ids) * _CHUNK / nnz))
    for first in range(0, len(ids), step):
        last = min(first + step, len(ids))
        keys = []
        for own, band, level in found:
            part = own.signal[first:last]
            asset, cell = np.repeat(np.arange(last - first), np.diff(part.indptr)), part.indices
            dbm = levels[part.data]
            good = dbm >= band.covered_dbm
            keys.append(asset[good] * n + cell[good])
            today = np.where(np.isinf(level), _NOTHING_DBM, level)[cell]
            lift = np.maximum(np.minimum(dbm, band.good_dbm) - today, 0.0) * customers[cell]
            lifted = np.bincount(asset, lift, last - first)
            total["quality"][first:last] = np.maximum(total["quality"][first:last], lifted)
        key = keys[0] if len(keys) == 1 else np.unique(np.concatenate(keys))
        asset, cell = np.divmod(key, n)
        for name, own_values in values.items():
            total[name][first:last] = np.bincount(asset, own_values[cell], last - first)
    return pd.DataFrame(total, index=pd.Index(ids.astype(str), name="asset_id"))


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
    at = kpi.place_at(places, ground.run.cells, ground.run.grid)
    sums = np.zeros(len(ground.people))
    for cell, priority in zip(at, places["priority"], strict=True):
        if cell >= 0:
            sums[cell] += priority
    return sums
