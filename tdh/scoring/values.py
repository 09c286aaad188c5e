"""What each asset is worth in every component, before any weight: people, decibels, hours, ease."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import sparse

EASE = {"roof": 1.0, "ground": 0.7, "pole": 0.5, "none": 0.0}
"""Ease of installation by placement (an engineering judgement)."""
_HEIGHT_NOT_KNOWN = 0.8
_TOO_HIGH_M = 60.0
_TOO_HIGH = 0.7
_BACKUP_HOURS = 24.0
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


def installability(assets: pd.DataFrame) -> np.ndarray:
    """How easily an antenna stands on each asset: 0 to 1, (n_assets,).

    By placement (:data:`EASE`); less where the height is a default that nobody has measured, and
    above 60 m, where lifting and obstacle lights cost.
    """
    ease = assets["placement"].map(EASE).fillna(0.0).to_numpy(dtype=float)
    if "height_source" in assets.columns:
        guessed = (assets["height_source"] == "default").fillna(False).to_numpy(dtype=bool)
        ease = np.where(guessed, ease * _HEIGHT_NOT_KNOWN, ease)
    if "mounting_height_m" in assets.columns:
        high = assets["mounting_height_m"].to_numpy(dtype=float) > _TOO_HIGH_M
        ease = np.where(high, ease * _TOO_HIGH, ease)
    return ease


def endurance(assets: pd.DataFrame) -> np.ndarray | None:
    """What a site withstands: 0 to 1, (n_assets,); None where no register says anything.

    Two thirds for backup hours (all for 24 h, which
    事業用電気通信設備規則 11条3項 asks of stations that cover offices), one third for no flood;
    what is not known earns nothing.
    """
    columns = ("backup_hours", "flood_depth_m")
    known = [c for c in columns if c in assets and assets[c].notna().any()]
    if not known:
        return None
    total = np.zeros(len(assets))
    if "backup_hours" in known:
        hours = assets["backup_hours"].fillna(0.0).to_numpy(float)
        total += 2 / 3 * np.clip(hours / _BACKUP_HOURS, 0.0, 1.0)
    if "flood_depth_m" in known:
        total += 1 / 3 * (assets["flood_depth_m"] == 0).to_numpy(float)
    return total


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
