"""What each asset is worth in every component, before any weight: people, decibels, hours, ease."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numba
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree

EASE = {"roof": 1.0, "ground": 0.7, "pole": 0.5, "none": 0.0}
"""Ease of installation by placement (an engineering judgement)."""
_HEIGHT_NOT_KNOWN = 0.8
_TOO_HIGH_M = 60.0
_TOO_HIGH = 0.7
_NO_POWER = 0.7
_FENCED = 0.8
_BACKUP_HOURS = 24.0
_NO = re.compile(
    r"無|なし|ない|不可|未整備|\b(?:no|none|not|without|false)\b|^0$|^×$", re.IGNORECASE
)
_CHUNK = 1 << 22


def sums(footprint: sparse.csr_array, values: np.ndarray) -> np.ndarray:
    """Sums of cells' values over each site's footprint.

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_sites, n_cells)
    values : ndarray of float, shape (n_cells, n_kinds)

    Returns
    -------
    ndarray of float64, shape (n_sites, n_kinds)

    Notes
    -----
    Sites go in chunks, for a product casts the whole matrix to float64.
    """
    dense = np.ascontiguousarray(values, dtype=float)
    out = np.zeros((footprint.shape[0], dense.shape[1]))
    for start, end in _chunks(footprint):
        out[start:end] = footprint[start:end].astype(float) @ dense
    return out


def _chunks(matrix: sparse.csr_array) -> Iterator[tuple[int, int]]:
    """Spans of rows with some four million stored values each."""
    start = 0
    while start < matrix.shape[0]:
        goal = matrix.indptr[start] + _CHUNK
        end = max(start + 1, int(np.searchsorted(matrix.indptr, goal, side="right")) - 1)
        yield start, end
        start = end


def installability(assets: pd.DataFrame, people_near: np.ndarray | None = None) -> np.ndarray:
    """How easily an antenna stands on each asset: 0 to 1, (n_assets,).

    By placement (:data:`EASE`); less where the height is a default that nobody has measured, above
    60 m, where lifting and obstacle lights cost, where the register says that there is no mains,
    and where people come nearer than the limit of exposure, so that a fence is needed.

    Parameters
    ----------
    assets : DataFrame
        Table ``assets``. What a register does not say costs nothing.
    people_near : ndarray of bool, shape (n_assets,), optional
        Whether people come within the compliance distance of the antennas
        (:func:`tdh.coverage.exposure_of_sites`).
    """
    ease = assets["placement"].map(EASE).fillna(0.0).to_numpy(dtype=float)
    if "height_source" in assets.columns:
        guessed = (assets["height_source"] == "default").fillna(False).to_numpy(dtype=bool)
        ease = np.where(guessed, ease * _HEIGHT_NOT_KNOWN, ease)
    if "mounting_height_m" in assets.columns:
        high = assets["mounting_height_m"].to_numpy(dtype=float) > _TOO_HIGH_M
        ease = np.where(high, ease * _TOO_HIGH, ease)
    if "power" in assets.columns:
        ease = np.where(said(assets["power"]) == 0, ease * _NO_POWER, ease)
    if people_near is not None:
        ease = np.where(people_near, ease * _FENCED, ease)
    return ease


def said(words: pd.Series) -> np.ndarray:
    """What a register says of power or fibre: 1 that there is, 0 that there is none, NaN nothing.

    >>> said(pd.Series(["あり", "無し", "200V", "none", None])).tolist()
    [1.0, 0.0, 1.0, 0.0, nan]
    """
    present = words.notna() & (words.astype(str).str.strip() != "")
    denied = words.astype(str).str.strip().str.contains(_NO)
    return np.where(present, np.where(denied, 0.0, 1.0), np.nan)


def endurance(assets: pd.DataFrame) -> np.ndarray | None:
    """What a site withstands: 0 to 1, (n_assets,); None where no register says anything.

    Two parts for backup hours (all for 24 h, which
    事業用電気通信設備規則 11条3項 asks of stations that cover offices), one for no flood, and where a
    register speaks of fibre, one for it; what is not known earns nothing.
    """
    columns = ("backup_hours", "flood_depth_m", "fibre")
    known = [c for c in columns if c in assets and assets[c].notna().any()]
    if not known:
        return None
    total = np.zeros(len(assets))
    if "backup_hours" in known:
        hours = assets["backup_hours"].fillna(0.0).to_numpy(float)
        total += 2 * np.clip(hours / _BACKUP_HOURS, 0.0, 1.0)
    if "flood_depth_m" in known:
        total += (assets["flood_depth_m"] == 0).to_numpy(float)
    if "fibre" in known:
        return (total + (said(assets["fibre"]) == 1)) / 4
    return total / 3


def cheapness(
    assets: pd.DataFrame, costs: Mapping[str, float] | np.ndarray | None
) -> np.ndarray | None:
    """How cheap each asset is: the least cost over its own, 0 to 1; None without costs.

    Parameters
    ----------
    assets : DataFrame
        Table ``assets``.
    costs : mapping of placement to float, or ndarray of float, shape (n_assets,)
        Cost of a site by placement (roof, pole, ground) or of each asset, in any unit; 0 for one
        that is free, NaN for one where no antenna can stand.
    """
    if isinstance(costs, np.ndarray):
        if np.isnan(costs).all():
            return None
        own = np.where(np.isnan(costs), np.inf, costs)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(own <= own.min(), 1.0, own.min() / own)
    if not costs:
        return None
    least = min(costs.values())
    share = {k: 1.0 if cost <= least else least / cost for k, cost in costs.items()}
    return assets["placement"].map(share).fillna(0.0).to_numpy(dtype=float)


def second_cover(
    footprint: sparse.csr_array, depth: np.ndarray, customers: np.ndarray
) -> np.ndarray:
    """Customers who depend on one site today and whom each asset would also serve: (n_assets,).

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_assets, n_cells)
    depth : ndarray of int, shape (n_cells,)
        How many of the carrier's sites serve each cell (:func:`tdh.resilience.depth`).
    customers : ndarray of float, shape (n_cells,)
    """
    return sums(footprint, np.where(depth == 1, customers, 0.0)[:, None])[:, 0]


def kept_if_neighbours_fail(
    footprint: sparse.csr_array,
    asset_xy_m: np.ndarray,
    network: sparse.csr_array,
    site_xy_m: np.ndarray,
    customers: np.ndarray,
    radius_m: float = 500.0,
) -> np.ndarray:
    """Customers whom each asset would keep if all the carrier's sites around it failed at once.

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_assets, n_cells)
    asset_xy_m : ndarray of float, shape (n_assets, 2)
    network : csr_array of bool, shape (n_sites, n_cells)
        What the carrier's present sites serve.
    site_xy_m : ndarray of float, shape (n_sites, 2)
    customers : ndarray of float, shape (n_cells,)
    radius_m : float
        Sites this near an asset are its neighbours.

    Returns
    -------
    ndarray of float64, shape (n_assets,)
        Customers in cells of the asset's footprint all of whose present sites fail. Gap cells,
        which nobody serves today, do not count.
    """
    if network.shape[0] == 0 or footprint.shape[0] == 0:
        return np.zeros(footprint.shape[0])
    near = cKDTree(site_xy_m).query_ball_point(asset_xy_m, radius_m, return_sorted=True)
    starts = np.concatenate([[0], np.cumsum([len(n) for n in near])]).astype(np.int64)
    sites = np.concatenate([np.asarray(n, dtype=np.int64) for n in near])
    depth = np.bincount(network.indices, minlength=network.shape[1]).astype(np.int32)
    return _kept(
        footprint.indptr.astype(np.int64),
        footprint.indices.astype(np.int32, copy=False),
        network.indptr.astype(np.int64),
        network.indices.astype(np.int32, copy=False),
        starts,
        sites,
        depth,
        np.asarray(customers, dtype=np.float64),
    )


@numba.njit(cache=True, nogil=True)
def _kept(foot_ptr, foot, net_ptr, net, starts, sites, depth, customers):  # type: ignore[no-untyped-def]
    failing = np.zeros(depth.size, dtype=np.int32)
    out = np.zeros(foot_ptr.size - 1)
    for i in range(out.size):
        for k in range(starts[i], starts[i + 1]):
            for c in range(net_ptr[sites[k]], net_ptr[sites[k] + 1]):
                failing[net[c]] += 1
        for c in range(foot_ptr[i], foot_ptr[i + 1]):
            cell = foot[c]
            if depth[cell] > 0 and failing[cell] == depth[cell]:
                out[i] += customers[cell]
        for k in range(starts[i], starts[i + 1]):
            for c in range(net_ptr[sites[k]], net_ptr[sites[k] + 1]):
                failing[net[c]] = 0
    return out


def quality_lift(
    signal: sparse.csr_array,
    to_dbm: np.ndarray,
    before_dbm: np.ndarray,
    people: np.ndarray,
    good_dbm: float,
    floor_dbm: float = -125.0,
) -> np.ndarray:
    """Decibels × people by which each site lifts signals that are not good yet: (n_sites,).

    Parameters
    ----------
    signal : csr_array of uint8, shape (n_sites, n_cells)
        :attr:`tdh.coverage.Coverage.signal`.
    to_dbm : ndarray, shape (256,)
        dBm of each stored level.
    before_dbm : ndarray, shape (n_cells,)
        Best server's signal today; NaN: none, which counts as ``floor_dbm``.
    people : ndarray, shape (n_cells,)
    good_dbm : float
        Beyond this level nothing is gained.
    """
    before = np.nan_to_num(np.asarray(before_dbm, dtype=float), nan=floor_dbm)
    out = np.zeros(signal.shape[0])
    for start, end in _chunks(signal):
        span = slice(signal.indptr[start], signal.indptr[end])
        at = signal.indices[span]
        new = np.minimum(to_dbm[signal.data[span]], good_dbm)
        gain = np.clip(new - before[at], 0.0, None) * people[at]
        site = np.repeat(np.arange(end - start), np.diff(signal.indptr[start : end + 1]))
        out[start:end] = np.bincount(site, gain, minlength=end - start)
    return out
