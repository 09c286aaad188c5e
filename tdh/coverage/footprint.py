"""What sites give: a sparse footprint per site, and what follows from it per cell."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path

import numba
import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from tdh import files
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.radio.bands import Band
from tdh.radio.prediction import OFFSET_DBM, STEP_DB

_FORMAT = 1
_DATE = (1980, 1, 1, 0, 0, 0)


def to_dbm(q: np.ndarray) -> np.ndarray:
    """Stored signals to dBm, float32; absent (0) becomes NaN.

    >>> to_dbm(np.array([0, 1, 81], dtype=np.uint8)).tolist()
    [nan, -150.0, -110.0]
    """
    dbm = np.float32(OFFSET_DBM) + np.float32(STEP_DB) * np.asarray(q).astype(np.float32)
    return np.where(np.asarray(q) == 0, np.float32(np.nan), dbm)


def least_stored(threshold_dbm: float) -> int:
    """The least stored signal that reaches a threshold.

    >>> least_stored(-110.0)
    81
    """
    return max(1, int(np.ceil((threshold_dbm - OFFSET_DBM) / STEP_DB - 1e-9)))


def united(footprints: Iterable[csr_array]) -> csr_array:
    """Which cells each site serves in any of several bands: csr_array of bool, (n_sites, n_cells).

    Parameters
    ----------
    footprints : iterable of csr_array of bool, shape (n_sites, n_cells)
        One a band, at least one; the rows are the same sites.
    """
    return csr_array(reduce(lambda one, other: (one + other).astype(bool), footprints))


@dataclass(frozen=True, eq=False)
class Coverage:
    """Signals of sites at cells, in one band.

    Parameters
    ----------
    band : Band
    site_ids, cell_ids : Index
        Names of the rows and columns.
    signal : csr_array of uint8, shape (n_sites, n_cells)
        q stands for −150.5 + 0.5 q dBm of SS-RSRP; 0 (not stored) is absent.
    line_of_sight : ndarray of bool, shape (signal.nnz,), or None
        Whether each stored link is in line of sight, in the order of ``signal.data``.
    """

    band: Band
    site_ids: pd.Index
    cell_ids: pd.Index
    signal: csr_array
    line_of_sight: np.ndarray | None = None

    def best_server(self) -> tuple[np.ndarray, np.ndarray]:
        """The strongest signal at each cell, and whose it is.

        Returns
        -------
        rsrp_dbm : ndarray of float32, shape (n_cells,)
            NaN where no site is received.
        server : ndarray of int32, shape (n_cells,)
            Position in ``site_ids``, −1 where none. Of equal signals the least id's counts, so
            that the order of sites does not matter.
        """
        rank = np.argsort(np.argsort(self.site_ids.to_numpy(dtype=str), kind="stable"))
        best = np.zeros(self.signal.shape[1], dtype=np.uint8)
        server = np.full(self.signal.shape[1], -1, dtype=np.int32)
        _strongest(
            self.signal.indptr.astype(np.int64),
            self.signal.indices.astype(np.int32, copy=False),
            self.signal.data,
            rank.astype(np.int64),
            best,
            server,
        )
        return to_dbm(best).astype(np.float32), server

    def of_sites(self, site_ids: Iterable[str]) -> Coverage:
        """The same of some of the sites, in the order given."""
        ids = pd.Index(site_ids, name="site_id", dtype="str")
        signal = self.signal[self.site_ids.get_indexer(ids)]
        return Coverage(self.band, ids, self.cell_ids, signal)

    def footprint(self, threshold_dbm: float | None = None) -> csr_array:
        """Which cells each site serves: csr_array of bool, shape (n_sites, n_cells).

        Parameters
        ----------
        threshold_dbm : float, optional
            Level from which a cell is served; by default the band's ``covered_dbm``.
        """
        threshold = self.band.covered_dbm if threshold_dbm is None else threshold_dbm
        served = self.signal.data >= least_stored(threshold)
        kept = np.concatenate([[0], np.cumsum(served)])
        indptr = kept[self.signal.indptr].astype(self.signal.indptr.dtype)
        indices = self.signal.indices[served]
        return csr_array((np.ones(indices.size, bool), indices, indptr), shape=self.signal.shape)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a .npz file that any numpy reads without pickle. Equal content, equal bytes."""
        columns = self.signal.indices.astype(np.int32, copy=False)
        steps = np.diff(columns, prepend=np.int32(0)).astype(np.int32)
        arrays = {
            "about": np.array(
                json.dumps(
                    {"format": _FORMAT, "shape": self.signal.shape, "band": asdict(self.band)}
                )
            ),
            "site_ids": _pack_text(self.site_ids),
            "cell_ids": _pack_text(self.cell_ids),
            "indptr": self.signal.indptr.astype(np.int64),
            "column_steps": steps,
            "signal": self.signal.data,
        }
        if self.line_of_sight is not None:
            arrays["line_of_sight"] = np.packbits(self.line_of_sight)
        with (
            files.atomic(path) as draft,
            zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, array, allow_pickle=False)
                archive.writestr(
                    zipfile.ZipInfo(f"{name}.npy", _DATE),
                    buffer.getbuffer(),
                    zipfile.ZIP_DEFLATED,
                    compresslevel=1,
                )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Coverage:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is not such a file, or is damaged.
        """
        try:
            with Path(path).open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
                about = json.loads(str(archive["about"]))
                indptr = archive["indptr"]
                columns = np.cumsum(archive["column_steps"], dtype=np.int64).astype(np.int32)
                data = archive["signal"]
                sites, cells = _unpack_text(archive["site_ids"]), _unpack_text(archive["cell_ids"])
                seen = None
                if "line_of_sight" in archive:
                    seen = np.unpackbits(archive["line_of_sight"], count=data.size).astype(bool)
            if about["format"] != _FORMAT:
                raise ValueError(f"format {about['format']}")
            signal = csr_array((data, columns, indptr), shape=tuple(about["shape"]))
            if signal.shape != (len(sites), len(cells)):
                raise ValueError("ids and matrix differ in number")
            signal.check_format(full_check=True)
            band = Band(**about["band"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                Problem(
                    Text(
                        "not a footprint file, or damaged",
                        "電波到達範囲のファイルではないか、壊れています",
                    ),
                    value=str(error),
                    where=str(path),
                )
            ) from error
        return cls(
            band,
            pd.Index(sites, name="site_id", dtype="str"),
            pd.Index(cells, name="cell_id", dtype="str"),
            signal,
            seen,
        )


def _pack_text(index: pd.Index) -> np.ndarray:
    return np.frombuffer("\n".join(index.astype("str")).encode(), dtype=np.uint8)


def _unpack_text(packed: np.ndarray) -> list[str]:
    text = packed.tobytes().decode()
    return text.split("\n") if text else []


@numba.njit(cache=True, nogil=True)
def _strongest(indptr, indices, data, rank, best, server):  # type: ignore[no-untyped-def]
    for s in range(indptr.size - 1):
        for i in range(indptr[s], indptr[s + 1]):
            k = indices[i]
            if data[i] > best[k] or (
                data[i] == best[k] and data[i] > 0 and rank[s] < rank[server[k]]
            ):
                best[k] = data[i]
                server[k] = s
