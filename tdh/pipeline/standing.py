"""What each station serves: kept of today's network, so that it can be told who depends on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh.coverage import Coverage
from tdh.coverage.footprint import least_stored
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.pipeline.context import Context
from tdh.radio.bands import Band
from tdh.results import Run, When

PRESENT, PLANNED = "present", "plan"
"""Where a station comes from: the carrier's network of today, or an asset of the plan."""


def path_of(folder: Path, carrier_id: str, band_id: str) -> Path:
    """The file of what a carrier's present sites serve in a band."""
    return folder / f"footprints/present-{carrier_id}-{band_id}.npz"


def keep(
    context: Context, carrier_id: str, band_id: str, band: Band, predicted: Sequence[Coverage]
) -> None:
    """Keep of today's sites what they serve; signals below coverage, most of them, are dropped."""
    cells = context.run.cells.index
    parts = [_served(signals) for signals in predicted]
    empty = sparse.csr_array((0, len(cells)), dtype=np.uint8)
    ids = [site for signals in predicted for site in signals.site_ids]
    merged = Coverage(
        band,
        pd.Index(ids, name="site_id", dtype="str"),
        pd.Index(cells, name="cell_id", dtype="str"),
        sparse.csr_array(sparse.vstack(parts, format="csr")) if parts else empty,
    )
    merged.save(path_of(context.folder, carrier_id, band_id))


def _served(signals: Coverage) -> sparse.csr_array:
    footprint = signals.footprint()
    least = least_stored(signals.band.covered_dbm)
    kept = signals.signal.data[signals.signal.data >= least]
    return sparse.csr_array((kept, footprint.indices, footprint.indptr), shape=footprint.shape)


@dataclass(frozen=True, eq=False)
class Network:
    """A carrier's stations and which cells each serves.

    Attributes
    ----------
    stations : GeoDataFrame
        Index ``station_id`` (of several rows at one place the first one's id); ``carrier_id``,
        ``origin`` (``present`` or ``plan``), ``members`` (all ids that stand there, as a tuple).
    footprints : dict of str to csr_array of bool, shape (n_stations, n_cells)
        By band.
    """

    stations: gpd.GeoDataFrame
    footprints: dict[str, sparse.csr_array]

    @property
    def footprint(self) -> sparse.csr_array:
        """Cells that each station serves in any band."""
        parts = list(self.footprints.values())
        whole = parts[0]
        for part in parts[1:]:
            whole = (whole + part).astype(bool)
        return sparse.csr_array(whole)

    @property
    def xy_m(self) -> np.ndarray:
        """Where the stations stand: float64, (n_stations, 2)."""
        points = self.stations.geometry
        return np.column_stack([points.x.to_numpy(float), points.y.to_numpy(float)])


def network(run: Run, carrier_id: str, when: When = "before") -> Network:
    """A carrier's stations today, or with its offers of the plan on air.

    All its sites at one place are one station, for they fail together: sectors and bands share
    the mast, its power and its line.

    Raises
    ------
    InputError
        If the run folder is of a version that did not keep what sites serve.
    """
    sites = run.sites[run.sites["carrier_id"] == carrier_id]
    bands = [band for carrier, band in run.bands if carrier == carrier_id]
    tables = [gpd.GeoDataFrame({"origin": PRESENT}, index=sites.index, geometry=sites.geometry)]
    offered = run.plan[run.plan["carrier_id"] == carrier_id] if when == "after" else None
    if offered is not None:
        ids = pd.Index(offered["asset_id"])
        points = gpd.GeoSeries(offered.geometry.to_numpy(), index=ids, crs=run.crs)
        tables.append(gpd.GeoDataFrame({"origin": PLANNED}, index=ids, geometry=points))
    rows = gpd.GeoDataFrame(pd.concat([t for t in tables if len(t)] or tables[:1]), crs=run.crs)
    xy = np.column_stack([rows.geometry.x.to_numpy(float), rows.geometry.y.to_numpy(float)])
    # An offer beside a present site is a station of its own: another roof, another lease.
    origin = (rows["origin"] == PLANNED).to_numpy(float)
    places = np.column_stack([np.round(xy, 1), origin])
    _, first, place = np.unique(places, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(first.size, dtype=np.int64)
    number[order] = np.arange(first.size)
    place = number[place.ravel()]
    members: list[list[str]] = [[] for _ in range(first.size)]
    for station, name in zip(place, rows.index, strict=True):
        members[station].append(str(name))
    stations = rows.iloc[first[order]].assign(
        carrier_id=carrier_id, members=[tuple(dict.fromkeys(names)) for names in members]
    )
    stations.index = stations.index.astype("str").rename("station_id")
    footprints = {
        band: _footprint(run, carrier_id, band, rows, place, first.size, when) for band in bands
    }
    return Network(stations, footprints)


def _footprint(
    run: Run,
    carrier_id: str,
    band_id: str,
    rows: gpd.GeoDataFrame,
    place: np.ndarray,
    n_stations: int,
    when: When,
) -> sparse.csr_array:
    """A band's footprints, rows at one place united: bool, (n_stations, n_cells)."""
    path = path_of(run.folder, carrier_id, band_id)
    if not path.exists():
        raise InputError(
            Problem(
                Text(
                    "the run does not hold what each present site serves",
                    "現在の局ごとのエリアが計算フォルダにありません",
                ),
                where=str(path),
                fix=Text(
                    "compute the scenario again with this version",
                    "この版でシナリオを計算し直してください",
                ),
            )
        )
    parts, station = [], []
    present = (rows["origin"] == PRESENT).to_numpy()
    for of_origin, file in ((present, path), (~present, None)):
        if file is None and when == "before":
            continue
        signals = Coverage.load(file) if file else run.footprint(carrier_id, band_id)
        at = np.flatnonzero(of_origin)
        position = signals.site_ids.get_indexer(rows.index[at])
        at, position = at[position >= 0], position[position >= 0]
        if at.size:
            chosen = replace(
                signals,
                site_ids=signals.site_ids[position],
                signal=sparse.csr_array(signals.signal[position]),
                line_of_sight=None,
            )
            parts.append(chosen.footprint())
            station.append(place[at])
    if not parts:
        return sparse.csr_array((n_stations, len(run.cells)), dtype=bool)
    stacked = sparse.csr_array(sparse.vstack(parts, format="csr"))
    of_row = np.concatenate(station)
    gathered = sparse.csr_array(
        (np.ones(of_row.size, bool), (of_row, np.arange(of_row.size))),
        shape=(n_stations, of_row.size),
    )
    return sparse.csr_array(gathered @ stacked).astype(bool)
