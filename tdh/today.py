"""Today's network in numbers, in the form that maps, reports and workbooks show them.

Measured throughput, people by day beside residents, what the present sites carry, and people
covered by probability. Each comes from a table of the run folder; a run without the table has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tdh import gaps
from tdh.language import Text

SPEEDS_MBPS = (10.0, 100.0, 300.0)
"""Borders of classes of download speed, beside the scenario's own threshold."""

BUSY_LOAD = 1.0
"""A site is busy from this load: what is asked for fills what the band carries."""

BUSIEST_SHARE = 0.1
"""Without loads: the share of the sites that serve anybody which counts as busy."""

EXPECTED = Text(
    "Expected people covered: residents times the probability that their place is covered. A "
    "prediction may be off by the shadowing (6 dB unless the scenario says otherwise): a cell just "
    "at the threshold counts half. Covered by yes or no counts a cell whole or not at all.",
    "期待カバー人口: 居住人口 × その場所がカバーされる確率の合計です。予測にはシャドウイングの"
    "ばらつき(シナリオに指定がなければ6 dB)を見込み、ちょうどしきい値のセルは半分に数えます。"
    "カバー人口は、セルごとに届く・届かないで数えた人口です。",
)
"""What table ``expected_people`` means, for people."""


@dataclass(frozen=True, eq=False)
class Throughput:
    """Throughput as it was measured, of all carriers together.

    Attributes
    ----------
    tiles : DataFrame
        Index ``quadkey``: download_mbps, upload_mbps, latency_ms (means weighted by tests where
        several files hold a tile) and tests; of the tiles in which a cell of the area lies.
    classes : DataFrame
        From slow to fast, with both borders in Mbit/s (``low`` belongs to the class, ``high`` is
        inf in the last): cells, people and, where they are known, people_day of the cells whose
        mean download is in it.
    least_mbps : float
        The scenario's threshold, one of the borders.
    unmeasured : dict
        The same counts of cells without a test.
    sources : list of str
        Files.
    """

    tiles: pd.DataFrame
    classes: pd.DataFrame
    least_mbps: float
    unmeasured: dict[str, float]
    sources: list[str]

    @property
    def below(self) -> dict[str, float]:
        """Counts of the cells below the scenario's threshold."""
        slow = self.classes[self.classes["high"] <= self.least_mbps]
        return {name: float(slow[name].sum()) for name in self.unmeasured}


def throughput(run: Any) -> Throughput | None:
    """Measured throughput of a run (table ``throughput``), or None where it has none.

    A cell in several tiles (of several files) has their mean, weighted by tests, as for the gaps of
    capacity.
    """
    table = getattr(run, "throughput", None)
    if table is None or table.empty:
        return None
    cells = run.cells
    least = float(run.scenario.gaps.least_download_mbps)
    tests = table["tests"].to_numpy(float)
    at = cells.index.get_indexer(table["cell_id"].astype("str"))
    weight = np.bincount(at, tests, minlength=len(cells))
    total = np.bincount(at, tests * table["download_mbps"].to_numpy(), minlength=len(cells))
    measured = weight > 0
    speed = np.divide(total, weight, out=np.zeros(len(cells)), where=measured)
    borders = np.array(sorted({0.0, least, *SPEEDS_MBPS}))
    number = np.where(measured, np.searchsorted(borders, speed, side="right") - 1, -1)
    counted = {"cells": np.ones(len(cells)), "people": cells["population"].to_numpy(float)}
    if by_day(cells):
        counted["people_day"] = cells["population_day"].to_numpy(float)
    classes = pd.DataFrame({"low": borders, "high": [*borders[1:], np.inf]})
    for name, values in counted.items():
        sums = np.bincount(number[measured], values[measured], minlength=len(borders))
        classes[name] = sums
    return Throughput(
        tiles=_tiles(table),
        classes=classes,
        least_mbps=least,
        unmeasured={name: float(values[~measured].sum()) for name, values in counted.items()},
        sources=sorted(table["source"].astype(str).unique()),
    )


def _tiles(table: pd.DataFrame) -> pd.DataFrame:
    """Each tile once: means of its files, weighted by their tests."""
    once = table.drop_duplicates(["quadkey", "source"])
    columns = ["download_mbps", "upload_mbps", "latency_ms"]
    sums = once[columns].mul(once["tests"], axis=0).assign(tests=once["tests"])
    sums = sums.groupby(once["quadkey"].astype(str)).sum()
    return sums[columns].div(sums["tests"], axis=0).assign(tests=sums["tests"].astype("int64"))


def by_day(cells: pd.DataFrame) -> bool:
    """Whether people by day are known."""
    return "population_day" in cells and bool(cells["population_day"].notna().any())


def people_by_day(run: Any, served: Mapping[tuple[str, str], np.ndarray]) -> pd.DataFrame | None:
    """People by day in a gap of each carrier, before and after the plan.

    Parameters
    ----------
    run : Run
    served : mapping
        (carrier, when) to whether each cell is served (:func:`tdh.display.service`).

    Returns
    -------
    DataFrame or None
        Index carrier_id: people (by day, times the market share), before, after. None where the
        run has no demand by day.
    """
    if not by_day(run.cells):
        return None
    people = run.cells["population_day"].to_numpy(float)
    rows = {
        carrier.id: {
            "people": float(people.sum()) * carrier.market_share,
            **{
                when: float(people[~served[carrier.id, when]].sum()) * carrier.market_share
                for when in ("before", "after")
            },
        }
        for carrier in run.carriers
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["people", "before", "after"])


@dataclass(frozen=True, eq=False)
class Sites:
    """Present sites with what they carry.

    Attributes
    ----------
    table : GeoDataFrame
        Table ``sites`` in its order, index site_id, with customers, customers_day (NaN: not
        known), capacity_mbps, kbps_per_customer, load (NaN: not known) and busy; customers_after,
        kbps_after and load_after with the plan on air, and busy_after.
    known : bool
        Whether the run holds table ``site_load``.
    by_load : bool
        Whether a busy site is one of a load of at least :data:`BUSY_LOAD`; otherwise it is one
        of the tenth that has least capacity for each customer.
    after : bool
        Whether the run holds table ``site_load_after``.
    level : float
        The level that decides: a load, or kbit/s for each customer (NaN: no site serves anybody).
    """

    table: pd.DataFrame
    known: bool
    by_load: bool
    after: bool
    level: float


_LOAD = ("customers", "customers_day", "capacity_mbps", "kbps_per_customer", "load")


def sites(run: Any) -> Sites:
    """Present sites with the load that table ``site_load`` tells of them."""
    frame = run.sites.copy()
    loads = getattr(run, "site_load", None)
    known = loads is not None and not loads.empty
    for name in _LOAD:
        frame[name] = np.nan
        if loads is not None and name in loads:
            frame[name] = loads[name].reindex(frame.index).astype(float)
    later = _after(run, "present")
    for name, column in _AFTER.items():
        frame[name] = np.nan
        if later is not None:
            frame[name] = later.set_index("site_id")[column].reindex(frame.index).astype(float)
    by_load = bool(frame["load"].notna().any())
    if by_load:
        level = BUSY_LOAD
        frame["busy"], frame["busy_after"] = frame["load"] >= level, frame["load_after"] >= level
    else:
        level = float(frame["kbps_per_customer"].quantile(BUSIEST_SHARE))
        frame["busy"] = frame["kbps_per_customer"] <= level
        frame["busy_after"] = frame["kbps_after"] <= level
    return Sites(frame, known, by_load, later is not None, level)


_AFTER = {
    "customers_after": "customers_after",
    "kbps_after": "kbps_per_customer_after",
    "load_after": "load_after",
}


def _after(run: Any, origin: str) -> pd.DataFrame | None:
    """Rows of table ``site_load_after`` of present sites or of offers; None without the table."""
    table = getattr(run, "site_load_after", None)
    return None if table is None else table[table["origin"] == origin]


def offers(run: Any) -> pd.DataFrame | None:
    """What each offer would carry (rows of table ``site_load_after``), or None.

    Returns
    -------
    DataFrame or None
        asset_id, carrier_id, band, capacity_mbps, customers_after, kbps_after, load_after (NaN:
        not known).
    """
    table = _after(run, "plan")
    if table is None:
        return None
    columns = {column: name for name, column in _AFTER.items()} | {"site_id": "asset_id"}
    names = ["asset_id", "carrier_id", "band", "capacity_mbps", *_AFTER]
    return table.rename(columns=columns)[names].reset_index(drop=True)


def busiest(found: Sites) -> pd.DataFrame:
    """The sites that serve anybody, the busiest first."""
    table = found.table[found.table["kbps_per_customer"].notna()]
    return table.sort_values("kbps_per_customer", kind="stable")


def expected(run: Any) -> pd.DataFrame | None:
    """Table ``expected_people``: of all bands together, a row of each carrier and of any; or None."""
    table = getattr(run, "expected_people", None)
    if table is None:
        return None
    return table[table["band"].fillna("") == ""].reset_index(drop=True)


def expected_municipalities(run: Any) -> pd.DataFrame | None:
    """Table ``expected_municipalities``, in the order of the run's municipalities; or None."""
    table = getattr(run, "expected_municipalities", None)
    if table is None:
        return None
    order = {code: i for i, code in enumerate(run.municipalities.index)}
    held = table[table["municipality_code"].isin(order)]
    return held.iloc[np.argsort(held["municipality_code"].map(order), kind="stable")]


def people_by_reason(regions: pd.DataFrame) -> pd.DataFrame:
    """People of gap regions by reason.

    Parameters
    ----------
    regions : DataFrame
        Rows of table ``gap_regions``.

    Returns
    -------
    DataFrame
        The same index; a column of each of :data:`tdh.gaps.REASONS`, people. They are the table's
        own columns; of a gap of capacity, all its people lack capacity. NaN: not known.
    """
    slow = regions["reason"] == "capacity"
    columns = {}
    for reason in gaps.REASONS:
        if reason == "capacity":
            columns[reason] = regions["unmet_people"].where(slow)
        else:
            held = regions.get(f"people_{reason}", pd.Series(np.nan, index=regions.index))
            columns[reason] = held.astype(float).mask(slow)
    return pd.DataFrame(columns, index=regions.index)


MOST_NAMES = 3


def first_names(names: object) -> str:
    """The first of a region's places, the most important ones, and a mark where there are more.

    >>> first_names("a、b、c、d")
    'a、b、c…'
    """
    if not isinstance(names, str):
        return ""
    parts = names.split("、")
    return "、".join(parts[:MOST_NAMES]) + ("…" if len(parts) > MOST_NAMES else "")
