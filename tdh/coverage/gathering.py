"""How tiles of links become one matrix a band.

Links of a large job are hundreds of megabytes. Each is written where its tile is predicted, into a
block that is used again and stays in the processor's caches, and once more into its matrix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Block:
    """Room for the links of a tile, (n_bands, capacity): columns int32, signals and sight uint8."""

    columns: np.ndarray
    data: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(cls, n_bands: int, capacity: int) -> Block:
        """A block that nothing has been written to."""
        shape = (n_bands, capacity)
        return cls(np.empty(shape, np.int32), np.empty(shape, np.uint8), np.empty(shape, np.uint8))


Work = Callable[[tuple[int, int], Block], np.ndarray]
"""Writes the links of sites first..last into a block; how many, int64 (n_bands, n_sites)."""


def run_tiles(
    work: Work, tiles: Sequence[tuple[int, int]], n_bands: int, capacity: int, threads: int
) -> Iterator[tuple[Block, np.ndarray]]:
    """Tiles done on threads, in their order; a block holds until the next tile is asked for."""
    free = [Block.of(n_bands, capacity) for _ in range(min(threads + 1, len(tiles)))]
    running: deque[tuple[Block, Future[np.ndarray]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for tile in tiles:
            if not free:
                block, done = running.popleft()
                yield block, done.result()
                free.append(block)
            running.append((free[-1], pool.submit(work, tile, free.pop())))
        for block, done in running:
            yield block, done.result()


class Links:
    """The links of one band, tile after tile.

    Parameters
    ----------
    tiles : int
        How many tiles are to come: from those that came it follows how much memory to ask for.
    """

    def __init__(self, tiles: int) -> None:
        self._tiles, self._come, self._used = tiles, 0, 0
        self._columns = np.empty(0, np.int32)
        self._data = np.empty(0, np.uint8)
        self._seen = np.empty(0, np.uint8)
        self._counts: list[np.ndarray] = [np.zeros(1, dtype=np.int64)]

    def append(self, block: Block, band: int, counts: np.ndarray) -> None:
        """Take a tile's links of a band from a block."""
        self._come += 1
        self._counts.append(counts)
        links = int(counts.sum())
        end = self._used + links
        if end > self._data.size:
            self._resize(end * self._tiles // self._come + 1)
        for own, given in (
            (self._columns, block.columns),
            (self._data, block.data),
            (self._seen, block.seen),
        ):
            own[self._used : end] = given[band, :links]
        self._used = end

    def matrix(self, shape: tuple[int, int]) -> tuple[csr_array, np.ndarray]:
        """Signals, and for each of them whether it is in line of sight."""
        self._resize(self._used)
        indptr = np.concatenate(self._counts).cumsum()
        if indptr[-1] <= np.iinfo(np.int32).max:
            indptr = indptr.astype(np.int32)
        seen = self._seen.view(np.bool_)
        signal = csr_array((self._data, self._columns, indptr), shape=shape)
        if signal.has_sorted_indices:
            return signal, seen
        # Cells that are not in the grid's order: sort signals and sight together.
        both = csr_array((np.arange(signal.nnz), signal.indices, indptr), shape=shape)
        both.sort_indices()
        order = both.data
        return csr_array((signal.data[order], both.indices, indptr), shape=shape), seen[order]

    def _resize(self, size: int) -> None:
        # In place: a large array is moved by its pages, not copied.
        for own in (self._columns, self._data, self._seen):
            own.resize(size, refcheck=False)
