"""Coverage in tiles: each a pure function of files and numbers, for any scheduler.

A surface is stored once as memory-mapped arrays (:func:`store_surface`); a tile (:class:`Tile`)
names files, a run of sites and their bands; :func:`run_tile` opens only the window of the surface
that its sites reach, and writes one footprint file a band. :func:`gather` puts tiles together.
Nothing is shared between tiles, and a tile's result does not depend on the others: threads run
them today, and a cluster only has to call :func:`run_tile` on each.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.sparse import vstack

from tdh import files
from tdh.coverage.compute import FLOOR_DBM, compute_many
from tdh.coverage.footprint import Coverage
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.surface import Surface


@dataclass(frozen=True)
class Tile:
    """One tile of sites.

    Parameters
    ----------
    sites, cells : path
        GeoParquet of sites and of cells.
    surface : path or None
        Folder of :func:`store_surface`.
    first, last : int
        The run of sites, last excluded.
    bands : tuple of Band
    grid : Grid
        The plan's grid.
    out : path
        Folder for the footprint files ``<first>-<last>-<band>.npz``.
    receiver_height_m, radius_m, floor_dbm, model
        As for :func:`tdh.coverage.compute_many`.
    """

    sites: str
    cells: str
    surface: str | None
    first: int
    last: int
    bands: tuple[Band, ...]
    grid: Grid
    out: str
    receiver_height_m: float = 1.5
    radius_m: float | None = None
    floor_dbm: float = FLOOR_DBM
    model: Model = field(default_factory=Model)

    def path(self, band: Band) -> Path:
        """The footprint file of a band."""
        return Path(self.out) / f"{self.first:07d}-{self.last:07d}-{band.id}.npz"


def store_surface(surface: Surface, folder: str | os.PathLike[str]) -> None:
    """Write a surface as arrays that can be mapped into memory."""
    with files.atomic(folder) as draft:
        draft.mkdir()
        (draft / "grid.json").write_text(json.dumps(asdict(surface.grid)), encoding="utf-8")
        np.save(draft / "building_m.npy", surface.building_m)
        if surface.terrain_m is not None:
            np.save(draft / "terrain_m.npy", surface.terrain_m)


def open_surface(
    folder: str | os.PathLike[str], bounds: tuple[float, float, float, float] | None = None
) -> Surface:
    """A stored surface, or its window over bounds in metres; only what is looked at is read.

    Raises
    ------
    InputError
        If the folder is not a stored surface.
    """
    folder = Path(folder)
    try:
        grid = Grid(**json.loads((folder / "grid.json").read_text(encoding="utf-8")))
        rows, cols = slice(0, grid.n_rows), slice(0, grid.n_cols)
        if bounds is not None:
            west, south, east, north = bounds
            (r0, r1), (c0, c1) = grid.rowcol([west, east], [north, south])
            rows = slice(*np.clip([r0, r1 + 1], 0, grid.n_rows).tolist())
            cols = slice(*np.clip([c0, c1 + 1], 0, grid.n_cols).tolist())
        # Copy-on-write: the arrays are of the kind that the compiled core knows.
        building = np.load(folder / "building_m.npy", mmap_mode="c")
        if building.shape != grid.shape:
            raise ValueError(f"{building.shape} is not {grid.shape}")
        terrain = None
        if (folder / "terrain_m.npy").exists():
            terrain = np.load(folder / "terrain_m.npy", mmap_mode="c")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            Problem(
                Text("not a stored surface", "保存された地表面ではありません"),
                value=str(error),
                where=str(folder),
            )
        ) from error
    window = Grid(
        grid.x_min_m + cols.start * grid.cell_size_m,
        grid.y_max_m - rows.start * grid.cell_size_m,
        grid.cell_size_m,
        rows.stop - rows.start,
        cols.stop - cols.start,
        grid.crs,
    )
    return Surface(
        window,
        np.ascontiguousarray(building[rows, cols]),
        None if terrain is None else np.ascontiguousarray(terrain[rows, cols]),
    )


def run_tile(tile: Tile) -> list[Path]:
    """Compute one tile and write its footprints; one that is written already is not done again.

    Returns
    -------
    list of Path
        One file a band.
    """
    paths = [tile.path(band) for band in tile.bands]
    if all(path.exists() for path in paths):
        return paths
    sites = gpd.read_parquet(tile.sites).iloc[tile.first : tile.last]
    cells = gpd.read_parquet(tile.cells)
    reach = tile.radius_m
    if reach is None:
        reach = float(sites["radius_m"].max()) if "radius_m" in sites.columns else 1000.0
    west, south, east, north = sites.total_bounds
    # A receiver stands in its cell, up to a cell's diagonal beyond the radius around the site.
    halo = reach + 2 * tile.grid.cell_size_m
    bounds = (west - halo, south - halo, east + halo, north + halo)
    near = (
        cells.geometry.x.between(bounds[0], bounds[2])
        & cells.geometry.y.between(bounds[1], bounds[3])
    ).to_numpy()
    found = compute_many(
        sites,
        None if tile.surface is None else open_surface(tile.surface, bounds),
        cells.loc[near],
        {band.id: band for band in tile.bands},
        grid=tile.grid,
        receiver_height_m=tile.receiver_height_m,
        radius_m=tile.radius_m,
        floor_dbm=tile.floor_dbm,
        model=tile.model,
        threads=1,
    )
    for band, path in zip(tile.bands, paths, strict=True):
        found[band.id].save(path)
    return paths


def gather(paths: list[Path], cell_ids: pd.Index) -> Coverage:
    """Tiles of one band, in the order of sites, as one coverage over all cells.

    Raises
    ------
    InputError
        If there is none, or a tile holds cells that are not among them.
    """
    parts = [Coverage.load(path) for path in paths]
    if not parts:
        raise InputError(Problem(Text("there are no tiles", "タイルがありません")))
    names = pd.Index(cell_ids.astype("str"), name="cell_id")
    rows = []
    seen = []
    for part, path in zip(parts, paths, strict=True):
        place = names.get_indexer(part.cell_ids)
        if (place < 0).any() or (np.diff(place) < 0).any():
            raise InputError(
                Problem(
                    Text("a tile is of other cells", "別のセルのタイルです"),
                    where=str(path),
                )
            )
        signal = part.signal.copy()
        signal.indices = place[signal.indices].astype(signal.indices.dtype)
        signal = type(signal)(
            (signal.data, signal.indices, signal.indptr), shape=(signal.shape[0], len(names))
        )
        rows.append(signal)
        seen.append(part.line_of_sight)
    known = [s for s in seen if s is not None]
    sight = np.concatenate(known) if len(known) == len(seen) else None
    sites = pd.Index(np.concatenate([p.site_ids for p in parts]), name="site_id")
    return Coverage(parts[0].band, sites, names, vstack(rows, format="csr"), sight)
