"""Who loses service when sites fail, and which sites keep what matters connected.

All works on footprints: which cells each site serves. A cell is served while at least one of its
sites stands; how many there are is its depth. Counting depth once answers every N−1 question in
one pass: a cell of depth 1 depends on its only site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import schemas
from tdh.errors import InputError, Problem
from tdh.language import Text

OFFICE_HOURS = 24.0
"""Backup asked of stations that cover prefectural and municipal offices (事業用電気通信設備規則 11条3項)."""


def depth(footprint: sparse.csr_array, standing: np.ndarray | None = None) -> np.ndarray:
    """How many sites serve each cell: int64, (n_cells,).

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_sites, n_cells)
    standing : ndarray of bool, shape (n_sites,), optional
        Sites on air; by default all.
    """
    _check(footprint, standing)
    kept = footprint if standing is None else footprint[np.flatnonzero(standing)]
    return np.bincount(kept.indices, minlength=footprint.shape[1])


def single_failures(
    footprint: sparse.csr_array, site_ids: pd.Index, weights: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """N−1: what is lost if one site fails and all others stand.

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_sites, n_cells)
    site_ids : Index
    weights : mapping of name to ndarray of float, shape (n_cells,)
        What counts: ``people``, ``places`` (priorities summed by cell), …

    Returns
    -------
    DataFrame
        Index ``site_id``; ``cells_lost`` and ``<name>_lost`` of every weight, worst first by the
        first weight.
    """
    alone = depth(footprint) == 1
    only = footprint.indices[alone[footprint.indices]]
    starts = np.concatenate([[0], np.cumsum(alone[footprint.indices])])[footprint.indptr]
    site = np.repeat(np.arange(footprint.shape[0]), np.diff(starts))
    out = pd.DataFrame(index=site_ids.rename("site_id"))
    out["cells_lost"] = np.bincount(site, minlength=len(out)).astype(np.int64)
    for name, values in weights.items():
        lost = np.bincount(site, np.asarray(values, dtype=float)[only], minlength=len(out))
        out[f"{name}_lost"] = lost
    first = [*[f"{name}_lost" for name in weights][:1], "cells_lost"]
    return out.sort_values(first, ascending=False, kind="stable")


@dataclass(frozen=True)
class Outage:
    """What remains after some sites fail together.

    Parameters
    ----------
    failed : Index
        Sites that fail.
    lost : ndarray of bool, shape (n_cells,)
        Cells that were served and no longer are.
    remaining : ndarray of int64, shape (n_cells,)
        Depth of what stands.
    totals : dict of str to tuple of float
        Name of a weight to what was served before and what is lost.
    """

    failed: pd.Index
    lost: np.ndarray
    remaining: np.ndarray
    totals: dict[str, tuple[float, float]]


def outage(
    footprint: sparse.csr_array,
    site_ids: pd.Index,
    failed: np.ndarray,
    weights: Mapping[str, np.ndarray],
) -> Outage:
    """What is lost if a set of sites fails.

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_sites, n_cells)
    site_ids : Index
    failed : ndarray of bool, shape (n_sites,)
        See :func:`without_backup`, :func:`below_flood` and :func:`in_district`.
    weights : mapping of name to ndarray of float, shape (n_cells,)
    """
    fails = np.asarray(failed, dtype=bool)
    before, after = depth(footprint), depth(footprint, ~fails)
    lost = (before > 0) & (after == 0)
    totals = {
        name: (float(np.sum(values[before > 0])), float(np.sum(values[lost])))
        for name, values in weights.items()
    }
    return Outage(site_ids[fails], lost, after, totals)


def without_backup(
    sites: pd.DataFrame, hours: float = OFFICE_HOURS, unknown_fails: bool = True
) -> np.ndarray:
    """Sites whose emergency power ends before so many hours: bool, (n_sites,).

    What is not known fails unless ``unknown_fails`` is false: 70 to 80 % of outages in the
    typhoons of 2019 were exhausted power.
    """
    backup = sites["backup_hours"].to_numpy(float)
    return np.where(np.isnan(backup), unknown_fails, backup < hours)


def below_flood(sites: pd.DataFrame, clearance_m: float = 0.0) -> np.ndarray:
    """Sites on the ground or a pole whose expected flood is deeper than a clearance: bool.

    Roofs stand; a depth that is not known does not fail.
    """
    depth_m = sites["flood_depth_m"].fillna(0.0).to_numpy(float)
    on_roof = (sites["placement"] == "roof").to_numpy(bool)
    return (depth_m > clearance_m) & ~on_roof


def in_district(sites: gpd.GeoDataFrame, area: gpd.GeoSeries) -> np.ndarray:
    """Sites in an area: bool, (n_sites,)."""
    inside: np.ndarray = sites.geometry.within(area.to_crs(sites.crs).union_all()).to_numpy()
    return inside


def keep_connected(
    footprint: sparse.csr_array,
    site_ids: pd.Index,
    failed: np.ndarray,
    places: np.ndarray,
    candidates: np.ndarray | None = None,
    fold: int = 1,
) -> pd.DataFrame:
    """Which assets would keep the places that matter connected, in order of choice.

    Greedy: each next asset is the one that gives most of what priority places still miss to be
    served ``fold`` times by what stands.

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_sites, n_cells)
        Sites and assets together.
    site_ids : Index
    failed : ndarray of bool, shape (n_sites,)
        What fails, and what is not built.
    places : ndarray of float, shape (n_cells,)
        Priorities of places, summed by cell; 0 elsewhere.
    candidates : ndarray of bool, shape (n_sites,), optional
        What may be chosen; by default all that fails.
    fold : int
        Cover wanted: 2 keeps a place through one more failure.

    Returns
    -------
    DataFrame
        ``site_id``, ``order``, ``gained`` (priority × missing cover that it gives).
    """
    fails = np.asarray(failed, dtype=bool)
    may = fails.copy() if candidates is None else np.asarray(candidates, dtype=bool).copy()
    missing = np.clip(fold - depth(footprint, ~fails), 0, None)
    columns = np.flatnonzero((places > 0) & (missing > 0))
    reach = footprint[:, columns].astype(float).tocsr()
    missing, priority = missing[columns], places[columns]
    rows: list[dict[str, object]] = []
    while True:
        gain = np.where(may, reach @ (priority * (missing > 0)), 0.0)
        best = int(np.argmax(gain))
        if gain.size == 0 or gain[best] <= 0:
            break
        rows.append({"site_id": site_ids[best], "order": len(rows) + 1, "gained": gain[best]})
        may[best] = False
        served = reach.indices[reach.indptr[best] : reach.indptr[best + 1]]
        missing[served] = np.maximum(missing[served] - 1, 0)
    return schemas.conform(
        pd.DataFrame(rows, columns=["site_id", "order", "gained"]), "keep_connected"
    )


def _check(footprint: sparse.csr_array, standing: np.ndarray | None) -> None:
    if standing is not None and np.shape(standing) != (footprint.shape[0],):
        raise InputError(
            Problem(
                Text("sites differ in number", "局の数が違います"),
                value=np.shape(standing),
                expected=str((footprint.shape[0],)),
            )
        )
