"""Which assets would keep the places that matter connected in an outage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import resilience, schemas
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.pipeline import outages, standing
from tdh.pipeline.scored import place_priorities_of
from tdh.pipeline.standing import PLANNED, Network
from tdh.results import Run


def keep_connected(
    run: Run, specs: Sequence[str], *, fold: int = 1, base: Path | None = None
) -> pd.DataFrame:
    """Assets beyond the plan that connect priority places in an outage, in order of choice.

    For each carrier, with the plan on air: among the assets that the plan does not offer it and
    that the outage leaves standing, always the one that gives most of what the places still miss.

    Parameters
    ----------
    run : Run
        Its scenario names places (``[[places]]``).
    specs : sequence of str
        What fails, as for :func:`tdh.pipeline.outages.outage`; assets that it would strike (in a
        flooded area, without backup) are no candidates.
    fold : int
        Stations that shall serve each place in the outage: 2 keeps it through one more failure.
    base : path, optional
        Folder that files are relative to.

    Returns
    -------
    DataFrame
        Table ``keep_connected`` with ``carrier_id`` and ``name``.

    Raises
    ------
    InputError
        If there are no places, or as :func:`tdh.pipeline.outages.outage`.
    """
    priorities = place_priorities_of(run)
    if priorities is None:
        raise InputError(
            Problem(
                Text("the scenario names no places", "シナリオに重点施設がありません"),
                where="--keep-connected",
                fix=Text("add [[places]] and run again", "[[places]] を加えて計算し直してください"),
            )
        )
    found = outages.networks(run)
    wider = {c: _with_assets(run, c, network) for c, network in found.items()}
    alone = outages.single_failures(run, found)
    failing = outages.failing(run, wider, alone, specs, base)
    tables = []
    for carrier, network in wider.items():
        further = np.arange(len(network.stations)) >= len(found[carrier].stations)
        fails = failing[carrier]
        table = resilience.keep_connected(
            network.footprint,
            network.stations.index,
            fails | further,
            priorities,
            candidates=further & ~fails,
            fold=fold,
        )
        tables.append(table.assign(carrier_id=carrier))
    whole = pd.concat(tables, ignore_index=True)
    whole["name"] = run.assets["name"].reindex(whole["site_id"]).to_numpy(dtype=object)
    return schemas.conform(whole, "keep_connected")


def _with_assets(run: Run, carrier_id: str, network: Network) -> Network:
    """A carrier's stations, and behind them the assets that the plan does not offer it."""
    bands = list(network.footprints)
    signals = {band: run.footprint(carrier_id, band) for band in bands}
    ids = signals[bands[0]].site_ids
    offered = run.plan.loc[run.plan["carrier_id"] == carrier_id, "asset_id"]
    further = np.flatnonzero(~ids.isin(offered))
    names = ids[further].astype("str")
    assets = gpd.GeoDataFrame(
        {
            "origin": PLANNED,
            "carrier_id": carrier_id,
            "members": [(str(name),) for name in names],
        },
        index=names,
        geometry=run.assets.geometry.reindex(names).to_numpy(),
        crs=run.crs,
    )
    stations = gpd.GeoDataFrame(pd.concat([network.stations, assets]), crs=run.crs)
    footprints = {
        band: sparse.csr_array(
            sparse.vstack([own, signals[band].footprint()[further]], format="csr")
        )
        for band, own in network.footprints.items()
    }
    return standing.Network(stations, footprints)
