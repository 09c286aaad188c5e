"""What a run holds beside its plan, in the form that maps and reports show it.

Antennas and path profiles of offered assets, priority places and the programme's goals. Older runs
and runs without such inputs have none of them: then every function here returns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.language import Text

BEAM_DEG = 65.0
"""Horizontal beam width of a sector (3GPP TR 38.901, table 7.3-1)."""

MOST_POINTS = 96

BUILDING_M = 0.5
"""Least height above terrain that is a building."""

GOALS: dict[str, Text] = {
    "population": Text("People covered (5G, 500 m)", "5G人口カバー率(500 mメッシュ)"),
    "sub6": Text("Sub6 deployment (1 km)", "サブ6展開率(1 kmメッシュ)"),
    "infrastructure": Text("5G infrastructure (10 km)", "5G基盤展開率(10 kmメッシュ)"),
    "places": Text("Priority places covered", "重点施設のカバー率"),
    "commercial_uncovered_ha": Text("Commercial area not covered", "商業地域の未カバー面積"),
    "roads": Text("Main roads covered", "主要道路のカバー率"),
}

PLACE_KINDS: dict[str, Text] = {
    "town_hall": Text("Town hall", "区市町村庁舎"),
    "disaster_hospital": Text("Disaster hospital", "災害拠点病院"),
    "temporary_stay": Text("Temporary stay facility", "一時滞在施設"),
    "evacuation_area": Text("Evacuation area", "避難場所"),
    "station": Text("Railway station", "鉄道駅"),
    "other": Text("Other place", "その他の重点施設"),
}

ANY = "any"


@dataclass(frozen=True)
class Profile:
    """What stands between an antenna and the place that it is offered for.

    Attributes
    ----------
    asset_id, carrier_id, band, cell_id : str
    people : float
        Residents of the cell.
    rsrp_dbm : float
    line_of_sight : bool
    antenna_m, receiver_m : float
        Heights above the datum.
    distance_m, ground_m, top_m : array of float, shape (n_points,)
        Along the path from the antenna: distance, terrain, and terrain with buildings.
    """

    asset_id: str
    carrier_id: str
    band: str
    cell_id: str
    people: float
    rsrp_dbm: float
    line_of_sight: bool
    antenna_m: float
    receiver_m: float
    distance_m: np.ndarray
    ground_m: np.ndarray
    top_m: np.ndarray

    @property
    def sight_m(self) -> np.ndarray:
        """Height of the straight line from antenna to receiver at each point."""
        span = max(float(self.distance_m[-1] - self.distance_m[0]), 1e-9)
        part = (self.distance_m - self.distance_m[0]) / span
        sight: np.ndarray = self.antenna_m + (self.receiver_m - self.antenna_m) * part
        return sight

    @property
    def between(self) -> np.ndarray:
        """Points that may block: not those of the buildings on which the two ends stand."""
        open_air = self.top_m - self.ground_m <= BUILDING_M
        inner: np.ndarray = np.maximum.accumulate(open_air)
        inner &= np.maximum.accumulate(open_air[::-1])[::-1]
        inner[[0, -1]] = False
        return inner


@dataclass(frozen=True)
class Goal:
    """A goal of the programme, for the whole area or a municipality.

    ``carrier_id`` is a carrier, :data:`ANY`, or ``at_least_2``; ``unit`` is empty where the values
    are shares from 0 to 1; ``municipality_code`` is empty for the whole area. Values that are not
    known are None; where neither is, ``note`` says why it was not measured. ``total`` counts what
    there is to cover, in ``total_unit``.
    """

    kpi: str
    carrier_id: str
    municipality_code: str
    before: float | None
    after: float | None
    target: float | None
    unit: str
    target_year: int | None = None
    total: float | None = None
    total_unit: str = ""
    note: Text = field(default_factory=lambda: Text("", ""))

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return self.before is not None or self.after is not None

    @property
    def less_is_better(self) -> bool:
        """Whether a smaller value is the goal."""
        return self.kpi.endswith("_uncovered_ha")

    @property
    def met(self) -> bool | None:
        """Whether the plan reaches the target; None without one."""
        if self.target is None or self.after is None:
            return None
        if self.less_is_better:
            return self.after <= self.target + 1e-9
        return self.after >= self.target - 1e-9


def _table(run: Any, name: str) -> Any:
    """A table of the run, or None where it is absent or empty."""
    table = getattr(run, name, None)
    if table is None or not len(table):
        return None
    if "carrier" in table.columns and "carrier_id" not in table.columns:
        table = table.rename(columns={"carrier": "carrier_id"})
    return table.reset_index() if table.index.name else table


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def antennas(run: Any) -> pd.DataFrame | None:
    """Sectors of offered assets, of those offers that the plan makes.

    Returns
    -------
    DataFrame or None
        asset_id, carrier_id, band, azimuth_deg (NaN: all round), tilt_deg, height_agl_m, eirp_dbm.
    """
    table = _table(run, "antennas")
    if table is None:
        return None
    offered = run.plan[["asset_id", "carrier_id"]]
    found: pd.DataFrame = table.merge(offered, on=["asset_id", "carrier_id"], how="inner")
    return found if len(found) else None


def profiles(run: Any) -> dict[tuple[str, str], Profile]:
    """(asset, carrier) to the profile of its path; rows that cannot be drawn are left out."""
    table = _table(run, "profiles")
    if table is None:
        return {}
    found = {}
    for row in table.to_dict("records"):
        ground, top = (np.asarray(row[name], dtype=float) for name in ("ground_m", "top_m"))
        along = np.atleast_1d(np.asarray(row["distance_m"], dtype=float))
        if along.size == 1:  # only how long the path is: its points are spaced evenly
            along = np.linspace(0.0, float(along[0]), ground.size)
        ends = np.array([row["antenna_m"], row["receiver_m"]], dtype=float)
        known = all(np.isfinite(part).all() for part in (ground, top, along, ends))
        if ground.size < 2 or not known or not ground.size == top.size == along.size:
            continue
        key = (str(row["asset_id"]), str(row["carrier_id"]))
        found[key] = Profile(
            *key,
            str(row["band"]),
            str(row["cell_id"]),
            float(row["people"]),
            float(row["rsrp_dbm"]),
            bool(row["line_of_sight"]),
            float(ends[0]),
            float(ends[1]),
            *thinned(along, ground, top),
        )
    return found


def thinned(
    along: np.ndarray, ground: np.ndarray, top: np.ndarray, most: int = MOST_POINTS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A path of at most so many points, in which every stretch keeps its highest obstacle.

    >>> d, g, t = thinned(np.arange(6.0), np.zeros(6), np.array([0.0, 9, 0, 0, 5, 0]), most=4)
    >>> d.tolist(), t.tolist()
    ([0.0, 1.0, 4.0, 5.0], [0.0, 9.0, 5.0, 0.0])
    """
    n = len(along)
    if n <= most:
        return along, ground, top
    edges = np.linspace(1, n - 1, most - 1).round().astype(int)
    keep = [a + int(np.argmax(top[a:b])) for a, b in pairwise(edges)]
    at = np.array([0, *keep, n - 1])
    return along[at], ground[at], top[at]


def places(run: Any) -> gpd.GeoDataFrame | None:
    """Priority places and stations, or None: place_id, name, kind, priority, geometry (points)."""
    table = _table(run, "places")
    if table is None:
        return None
    frame = gpd.GeoDataFrame(table, geometry="geometry", crs=table.crs)
    frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
    return frame if len(frame) else None


def place_kind(kind: object) -> str:
    """A kind that is known, or ``other``."""
    return str(kind) if kind in PLACE_KINDS else "other"


def goals(run: Any) -> list[Goal]:
    """The programme's goals before and after the plan, also those that were not measured.

    Reads a row per goal (``before``, ``after``) as well as a row per goal and ``state``.
    """
    table = _table(run, "kpis")
    if table is None:
        return []
    table = table.copy()
    for name in ("carrier_id", "municipality_code", "unit", "target"):
        if name not in table.columns:
            table[name] = None
    keys = ["kpi", "carrier_id", "municipality_code"]
    for name in (*keys, "unit"):
        table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
    if "state" in table.columns:
        wide = table.pivot_table(
            index=keys, columns="state", values="value", aggfunc="first", sort=False
        )
        facts = table.drop_duplicates(keys).set_index(keys)[["unit", "target"]]
        table = facts.join(wide).reset_index()
    return [
        Goal(
            row["kpi"],
            row["carrier_id"] or ANY,
            row["municipality_code"],
            _number(row.get("before")),
            _number(row.get("after")),
            _number(row.get("target")),
            row["unit"],
            None if (year := _number(row.get("target_year"))) is None else round(year),
            _number(row.get("total")),
            _word(row.get("total_unit")),
            Text(
                "{text}", "{note}", text=_word(row.get("note_en")), note=_word(row.get("note_ja"))
            ),
        )
        for row in table.to_dict("records")
    ]


def _word(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def goal_label(kpi: str) -> Text:
    """A goal in words; one that is not known, by its name."""
    kind = kpi.removeprefix("places_")
    if kind != kpi and kind in PLACE_KINDS:
        return Text("{kind}: covered", "{kind}のカバー率", kind=PLACE_KINDS[kind])
    return GOALS.get(kpi, Text("{name}", "{name}", name=kpi))


def who_label(carrier_id: str, names: dict[str, str]) -> Text:
    """Whose coverage a goal counts, in words."""
    if carrier_id == ANY:
        return Text("any carrier", "いずれか1社")
    if carrier_id.startswith("at_least_"):
        n = carrier_id.removeprefix("at_least_")
        return Text("{n} carriers or more", "{n}社以上", n=n)
    return Text("{name}", "{name}", name=names.get(carrier_id, carrier_id))
