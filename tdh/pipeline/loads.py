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
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tdh.radio.bands import Band
from tdh.scenario.models import GapSettings


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
