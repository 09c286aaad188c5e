"""What each station serves: kept of today's network, so that it can be told who depends on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh.coverage import Coverage, united
from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.pipeline.context import Context
from tdh.results import Run, When

PRESENT, PLANNED = "present", "plan"
"""Where a station comes from: the carrier's network of today, or an asset of the plan."""


def path_of(folder: Path, carrier_id: str, band_id: str) -> Path:
    """The file of what a carrier's present sites serve in a band."""
    return folder / f"footprints/present-{carrier_id}-{band_id}.parquet"


def keep(context: Context, carrier_id: str, band_id: str, predicted: Sequence[Coverage]) -> None:
    """Keep which cells each of today's sites serves: ``site_id``, ``cell`` (position in ``cells``).

    Signals below coverage, most of them, are dropped.
    """
    parts = [signals.footprint() for signals in predicted]
    ids = [site for signals in predicted for site in signals.site_ids]
    served = [np.diff(part.indptr) for part in parts]
    columns = [part.indices.astype(np.int32, copy=False) for part in parts]
    number = np.repeat(np.arange(len(ids)), np.concatenate(served) if served else 0)
    table = pd.DataFrame(
        {
            "site_id": pd.Categorical.from_codes(number, categories=pd.Index(ids, dtype="str")),
            "cell": np.concatenate(columns) if columns else np.empty(0, np.int32),
        }
    )
    with atomic(path_of(context.folder, carrier_id, band_id)) as path:
        # Cells come in runs along the rows of the grid: their steps are small numbers.
        table.to_parquet(
            path,
            compression="zstd",
            index=False,
            use_dictionary=["site_id"],
            column_encoding={"cell": "DELTA_BINARY_PACKED"},
        )


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
        return united(self.footprints.values())

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
        band: _footprint(run, carrier_id, band, rows, place, first.size) for band in bands
    }
    return Network(stations, footprints)


def _footprint(
    run: Run,
    carrier_id: str,
    band_id: str,
    rows: gpd.GeoDataFrame,
    place: np.ndarray,
    n_stations: int,
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
    kept = pd.read_parquet(path)
    position = rows.index[rows["origin"] == PRESENT].get_indexer(kept["site_id"].cat.categories)
    of_present = place[(rows["origin"] == PRESENT).to_numpy()][position]
    station = [of_present[kept["site_id"].cat.codes.to_numpy()]]
    cell = [kept["cell"].to_numpy()]
    offered = (rows["origin"] == PLANNED).to_numpy()
    if offered.any():
        signals = run.footprint(carrier_id, band_id)
        served = signals.footprint()[signals.site_ids.get_indexer(rows.index[offered])]
        station.append(np.repeat(place[offered], np.diff(served.indptr)))
        cell.append(served.indices)
    rows_of, columns = np.concatenate(station), np.concatenate(cell)
    united = sparse.coo_array(
        (np.ones(rows_of.size, bool), (rows_of, columns)), shape=(n_stations, len(run.cells))
    )
    return sparse.csr_array(united.tocsr()).astype(bool)
