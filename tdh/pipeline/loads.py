"""How many customers each present site serves, and what its band can carry: its load today.

A customer belongs to the site that is strongest at the cell, if the carrier serves the cell; where
several of its bands do, customers are divided in proportion to what the bands can carry. A row of
``sites`` is one transmission point (a sector, or a site that is told as omnidirectional)::

    capacity = bandwidth · bits per hertz · share of the time that is downlink

* ``gaps.bits_per_hertz``: 7.8 bit/s/Hz, the least average that IMT-2020 must reach in dense towns
  (ITU-R M.2410; from general knowledge, for massive MIMO: older equipment carries less);
* ``gaps.downlink_share``: 0.75 in TDD (an assumption); FDD bands (class low) carry on all of it.

Residents stay where they live; where people by day are given, they are counted beside them. What
a customer asks for in the busy hour (``gaps.busy_kbps``) nobody publishes: without it the table
says what is left for each, and no load.

With the plan on air an offer takes over the cells where it is stronger: table ``site_load_after``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from tdh import schemas
from tdh.coverage.rasters import geotiff
from tdh.files import atomic
from tdh.grid import Grid
from tdh.radio.bands import Band
from tdh.results import Run
from tdh.scenario.models import GapSettings

_KEYS = ["carrier_id", "band", "site_id"]


@dataclass(frozen=True, eq=False)
class Serving:
    """Who serves each cell in one band of a carrier.

    Parameters
    ----------
    band : Band
    site_ids : Index
    server : ndarray of int, shape (n_cells,)
        Position in ``site_ids``; −1 where the carrier does not serve in this band.
    """

    band: Band
    site_ids: pd.Index
    server: np.ndarray


def capacity_mbps(band: Band, settings: GapSettings) -> float:
    """What one transmission point of a band carries, downlink, in Mbit/s."""
    share = 1.0 if band.band_class == "low" else settings.downlink_share
    return float(band.bandwidth_mhz * settings.bits_per_hertz * share)


def of_carrier(
    carrier_id: str,
    serving: list[Serving],
    customers: Mapping[str, np.ndarray],
    settings: GapSettings,
) -> pd.DataFrame:
    """Load of each of a carrier's sites (rows of table ``site_load``).

    Parameters
    ----------
    carrier_id : str
    serving : list of Serving
        By band.
    customers : mapping of str to ndarray of float, shape (n_cells,)
        Columns ``customers`` and, where people by day or by night are given,
        ``customers_day``, ``customers_night``.
    settings : GapSettings
    """
    carries = [capacity_mbps(own.band, settings) for own in serving]
    total = sum((own.server >= 0) * carried for own, carried in zip(serving, carries, strict=True))
    frames = []
    for own, carried in zip(serving, carries, strict=True):
        at = np.flatnonzero(own.server >= 0)
        part = carried / np.asarray(total)[at]
        columns: dict[str, object] = {
            "carrier_id": carrier_id,
            "band": own.band.id,
            "capacity_mbps": carried,
        }
        for name, people in customers.items():
            weights = people[at] * part
            columns[name] = np.bincount(own.server[at], weights, minlength=len(own.site_ids))
        frames.append(pd.DataFrame(columns, index=own.site_ids))
    table = pd.concat(frames)
    table.index.name = "site_id"
    most = table[list(customers)].max(axis=1)
    table["kbps_per_customer"] = (table["capacity_mbps"] * 1000 / most).where(most > 0)
    table["load"] = np.nan
    if settings.busy_kbps is not None:
        table["load"] = most * settings.busy_kbps / 1000 / table["capacity_mbps"]
    return table


def customers_of(cells: pd.DataFrame, market_share: float) -> dict[str, np.ndarray]:
    """A carrier's customers by cell: residents, and people by day and by night where given."""
    moments = {"customers": "population"}
    moments |= {f"customers_{when}": f"population_{when}" for when in ("day", "night")}
    return {k: cells[v].to_numpy(float) * market_share for k, v in moments.items() if v in cells}


def write_servers(path: Path, server: np.ndarray, cells: pd.DataFrame, grid: Grid) -> None:
    """Write which present site serves each cell: its position in the band's footprints, or −1."""
    raster = np.full(grid.shape, -1, dtype=np.int32)
    raster[cells["row"].to_numpy(), cells["col"].to_numpy()] = server
    with (
        atomic(path) as draft,
        rasterio.open(draft, "w", **geotiff(grid, "int32", -1)) as target,
    ):
        target.write(raster, 1)


def with_plan(run: Run) -> pd.DataFrame | None:
    """Loads with the plan on air beside those of today (table ``site_load_after``).

    An offer takes the cells where it is stronger than what is received today; elsewhere who serves
    today goes on serving. Busy-hour demand and capacity are counted as for ``site_load``.

    Returns
    -------
    DataFrame or None
        Present sites and offers, each with its load before and after; None in a run that has not
        kept which site serves each cell.
    """
    before, row, col = run.site_load, run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    if before is None:
        return None
    frames = []
    for carrier in run.carriers:
        assets = run.plan.loc[run.plan["carrier_id"] == carrier.id, "asset_id"]
        serving = []
        for band_id in carrier.bands:
            server = run.server(carrier.id, band_id)
            if server is None:
                return None
            band = run.bands[carrier.id, band_id]
            server, today = server[row, col], run.signal(carrier.id, band_id)[row, col]
            own = before[(before["carrier_id"] == carrier.id) & (before["band"] == band_id)]
            level, offer = run.footprint(carrier.id, band_id).of_sites(assets).best_server()
            stronger = (level > today) | (np.isnan(today) & ~np.isnan(level))
            server = np.where(stronger, offer + len(own), server)
            server[~(np.fmax(today, level) >= band.covered_dbm)] = -1
            ids = pd.Index([*own.index, *assets], dtype="str")
            serving.append(Serving(band, ids, server))
        people = customers_of(run.cells, carrier.market_share)
        frames.append(of_carrier(carrier.id, serving, people, run.scenario.gaps))
    after = pd.concat(frames).reset_index()
    told = [c for c in after if c not in (*_KEYS, "capacity_mbps")]
    table = after.merge(before.reset_index()[[*_KEYS, *told]], "left", _KEYS, suffixes=("", "_b"))
    table = table.rename(columns={c: f"{c}_after" for c in told})
    table = table.rename(columns={f"{c}_b": f"{c}_before" for c in told})
    known = pd.MultiIndex.from_frame(before.reset_index()[_KEYS])
    planned = ~pd.MultiIndex.from_frame(table[_KEYS]).isin(known)
    table["origin"] = np.where(planned, "plan", "present")
    return schemas.conform(table, "site_load_after")
