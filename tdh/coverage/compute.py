"""Sites over a surface to footprints: tiles of sites on threads, all bands on one geometry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from tdh import units
from tdh.coverage.footprint import Coverage
from tdh.coverage.sites import Antennas, SiteArrays, antenna_arrays, levels_dbm, site_arrays
from tdh.errors import DomainError, Problem, SchemaError
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio import prediction
from tdh.radio.bands import Band
from tdh.radio.line_of_sight import available_threads
from tdh.radio.prediction import Model
from tdh.surface import Surface

Progress = Callable[[int, int], None]

FLOOR_DBM = -125.0
TILE_LINKS = 300_000
"""Links a tile of sites holds at most (one site may hold more)."""


@dataclass(frozen=True, eq=False)
class Receivers:
    """Where each cell's signal is predicted; see :func:`receivers`."""

    points: np.ndarray
    """float64 (n, 3): easting, northing, height in metres."""
    inside: np.ndarray
    """uint8 (n,): 1 where the whole cell is built over."""
    lookup: np.ndarray
    """int32 (grid.shape): the cell's position, −1 where there is none."""


def receivers(
    cells: gpd.GeoDataFrame, surface: Surface | None, grid: Grid, receiver_height_m: float = 1.5
) -> Receivers:
    """Receivers in the open place nearest each cell's centre.

    Parameters
    ----------
    cells : GeoDataFrame
        Table "cells": row and col in the grid.
    surface : Surface or None
        None: all receivers stand at their cell's centre, on flat ground.
    grid : Grid
        The plan's grid.
    receiver_height_m : float
        Height above ground.

    Notes
    -----
    The open place is a surface cell without building whose centre lies in the plan cell. A plan
    cell with none is indoors: its receiver stands at the cell's centre at the same height, the
    building around it does not block, and P.2109's entry loss is charged instead.
    """
    problems = [
        Problem(Text("a column is missing", "列がありません"), expected=c, where="cells")
        for c in ("row", "col")
        if c not in cells.columns
    ]
    if problems:
        raise SchemaError(*problems)
    row, col = cells["row"].to_numpy(dtype=np.int64), cells["col"].to_numpy(dtype=np.int64)
    if not grid.contains(row, col).all():
        raise SchemaError(
            Problem(
                Text("cells lie outside the grid", "セルが計画格子の外にあります"),
                value=cells.index[~grid.contains(row, col)][:3].tolist(),
                where="cells",
            )
        )
    lookup = np.full(grid.shape, -1, dtype=np.int32)
    lookup[row, col] = np.arange(len(cells), dtype=np.int32)
    x, y = grid.centres(row, col)
    inside = np.zeros(len(cells), dtype=np.uint8)
    if surface is None:
        z = np.full(len(cells), float(receiver_height_m))
        return Receivers(np.stack([x, y, z], axis=1), inside, lookup)
    place = np.empty((len(cells), 2), dtype=np.int64)
    prediction.open_places(
        surface.building_m,
        np.array([surface.grid.x_min_m, surface.grid.y_max_m, surface.grid.cell_size_m]),
        np.stack([x, y], axis=1),
        grid.cell_size_m,
        place,
    )
    found = place[:, 0] >= 0
    open_x, open_y = surface.grid.centres(place[:, 0], place[:, 1])
    # Without an open place: indoors where there is a building, otherwise finer than the surface.
    built = surface.building_height_m(x, y) > 0
    inside[~found & built] = 1
    x, y = np.where(found, open_x, x), np.where(found, open_y, y)
    z = surface.ground_m(x, y).astype(float) + receiver_height_m
    return Receivers(np.stack([x, y, z], axis=1), inside, lookup)


def grid_of(cells: gpd.GeoDataFrame) -> Grid:
    """The grid that cells were cut from, by their rows, columns and centres.

    Raises
    ------
    SchemaError
        If the cells have no row, col and CRS, or are too few or too irregular to tell.
    """
    known = {"row", "col"} <= set(cells.columns) and cells.crs is not None and len(cells) > 0
    if known:
        row, col = cells["row"].to_numpy(dtype=float), cells["col"].to_numpy(dtype=float)
        x, y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
        side = max(np.ptp(col), np.ptp(row))
        if side > 0:
            cell = (np.ptp(x) if np.ptp(col) >= np.ptp(row) else np.ptp(y)) / side
            cell = round(float(cell), 6)
            left, top = (
                float((x - (col + 0.5) * cell).mean()),
                float((y + (row + 0.5) * cell).mean()),
            )
            grid = Grid(
                round(left, 6),
                round(top, 6),
                cell,
                int(row.max()) + 1,
                int(col.max()) + 1,
                cells.crs.to_string(),
            )
            centre_x, centre_y = grid.centres(row, col)
            if max(abs(centre_x - x).max(), abs(centre_y - y).max()) < 0.01 * cell:
                return grid
    raise SchemaError(
        Problem(
            Text("the cells do not tell their grid", "セルから計画格子を求められません"),
            expected="row, col, centres, CRS",
            where="cells",
            fix=Text("give grid=", "grid= を指定してください"),
        )
    )


def compute(
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    cells: gpd.GeoDataFrame,
    band: Band,
    *,
    grid: Grid | None = None,
    receiver_height_m: float = 1.5,
    radius_m: float | None = None,
    floor_dbm: float = FLOOR_DBM,
    model: Model | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Coverage:
    """Signals of sites at cells in one band; parameters as :func:`compute_many`."""
    return compute_many(
        sites,
        surface,
        cells,
        {band.id: band},
        grid=grid,
        receiver_height_m=receiver_height_m,
        radius_m=radius_m,
        floor_dbm=floor_dbm,
        model=model,
        threads=threads,
        progress=progress,
    )[band.id]


def compute_many(
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    cells: gpd.GeoDataFrame,
    bands: Mapping[str, Band],
    *,
    grid: Grid | None = None,
    receiver_height_m: float = 1.5,
    radius_m: float | None = None,
    floor_dbm: float = FLOOR_DBM,
    model: Model | None = None,
    antennas: Mapping[str, pd.DataFrame] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Coverage]:
    """Signals of sites at cells in several bands that share the geometry.

    Parameters
    ----------
    sites : GeoDataFrame
        Index site_id; antenna_height_agl_m; optionally placement (roof, pole, ground),
        environment (UMa, UMi, RMa), radius_m, eirp_dbm (missing: the band's by placement),
        azimuth_deg (one sector; missing: omnidirectional) or azimuths_deg ("0 120 240"), tilt_deg.
        Points in the CRS of the surface and the grid.
    surface : Surface or None
        Decides line of sight. None: the loss of the mean field strength by the LOS probability of
        TR 38.901, blocked links charged the greater of the NLOS law and P.2108's clutter on the
        LOS law.
    cells : GeoDataFrame
        Table "cells" with row and col in the grid.
    bands : mapping of str to Band
        The bands by the name under which the result holds them.
    grid : Grid, optional
        The plan's grid; by default the one that the cells' rows, columns and centres tell.
    receiver_height_m : float
        Receivers' height above ground, 0.5 to 22.5 m.
    radius_m : float, optional
        One radius for all sites, instead of their own (1,000 m where they have none).
    floor_dbm : float
        Weaker signals are not kept.
    model : Model, optional
        How loss is predicted; by default :class:`tdh.radio.prediction.Model`.
    antennas : mapping of str to DataFrame, optional
        Sectors by name of the band, where they differ between bands: azimuths_deg and tilt_deg for
        the index of ``sites``. By default those of ``sites``.
    threads : int, optional
        By default as many as the process may use. The result does not depend on it.
    progress : callable, optional
        Called with (sites done, sites in all).

    Returns
    -------
    dict of str to Coverage

    Raises
    ------
    SchemaError
        If sites or cells lack columns or hold values that cannot be.
    DomainError
        If the receivers' height is out of range.
    """
    model = model or Model()
    grid = grid or grid_of(cells)
    _check(sites, surface, grid, receiver_height_m)
    points = receivers(cells, surface, grid, receiver_height_m)
    arrays = site_arrays(sites, surface, radius_m)
    given = {id(frame): frame for frame in (antennas or {}).values()}
    read = {key: antenna_arrays(frame.loc[sites.index]) for key, frame in given.items()}
    held = [read.get(id((antennas or {}).get(name)), arrays.antennas) for name in bands]
    job = _Job.of(
        arrays, points, surface, grid, list(bands.values()), receiver_height_m, model, held
    )
    tiles = job.tiles()
    parts: list[_Part | None] = [None] * len(tiles)
    done = 0
    with ThreadPoolExecutor(available_threads(threads)) as pool:
        futures = {
            pool.submit(job.run, first, last, floor_dbm): i for i, (first, last) in enumerate(tiles)
        }
        for future in as_completed(futures):
            i = futures[future]
            parts[i] = future.result()
            done += tiles[i][1] - tiles[i][0]
            if progress is not None:
                progress(done, len(sites))
    whole = [part for part in parts if part is not None]
    site_ids = pd.Index(sites.index.astype("str"), name="site_id")
    cell_ids = pd.Index(cells.index.astype("str"), name="cell_id")
    out = {}
    for b, (name, band) in enumerate(bands.items()):
        signal, seen = _assemble(whole, b, (len(sites), len(cells)))
        out[name] = Coverage(band, site_ids, cell_ids, signal, seen)
    return out


def _check(
    sites: gpd.GeoDataFrame, surface: Surface | None, grid: Grid, receiver_height_m: float
) -> None:
    problems = []
    if not 0.5 <= receiver_height_m <= 22.5:
        problems.append(
            Problem(
                Text("the receivers' height is out of range", "受信高が範囲外です"),
                value=receiver_height_m,
                expected="0.5..22.5 m",
            )
        )
    if surface is not None and surface.grid.crs != grid.crs:
        problems.append(
            Problem(
                Text(
                    "surface and grid are in different CRS",
                    "地表面と計画格子の座標参照系が違います",
                ),
                value=surface.grid.crs,
                expected=grid.crs,
            )
        )
    if sites.crs is not None and sites.crs != grid.crs:
        problems.append(
            Problem(
                Text(
                    "sites and grid are in different CRS", "基地局と計画格子の座標参照系が違います"
                ),
                value=str(sites.crs),
                expected=grid.crs,
            )
        )
    if problems:
        raise DomainError(*problems)


@dataclass(frozen=True, eq=False)
class _Part:
    """What a tile of sites gives, per band."""

    columns: list[np.ndarray]
    data: list[np.ndarray]
    seen: list[np.ndarray]
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class _Job:
    """Everything that all tiles share, as arrays: a tile is this and two numbers."""

    surface: np.ndarray
    top: np.ndarray
    grid: np.ndarray
    receivers: Receivers
    sites: SiteArrays
    azimuths: np.ndarray
    tilts: np.ndarray
    laws: np.ndarray
    levels: np.ndarray
    plans: np.ndarray
    bands: np.ndarray
    entry: np.ndarray
    clutter: np.ndarray
    probability: np.ndarray
    options: np.ndarray

    @classmethod
    def of(
        cls,
        sites: SiteArrays,
        points: Receivers,
        surface: Surface | None,
        grid: Grid,
        bands: list[Band],
        receiver_height_m: float,
        model: Model,
        antennas: Sequence[Antennas],
    ) -> _Job:
        top = np.zeros((1, 1), dtype=np.float32) if surface is None else surface.top_m
        frame = np.zeros(4)
        longest = 1.0
        if surface is None:
            longest = float(sites.numbers[:, 4].max(initial=1.0)) + grid.cell_size_m
        else:
            own = surface.grid
            frame = np.array([1.0, own.x_min_m, own.y_max_m, own.cell_size_m])
        per_band = [
            (
                -0.5 * np.log2(units.wavelength_m(b.frequency_ghz)),
                prediction.rain_db_per_m(b.frequency_ghz, model),
                float(model.indoor is not None),
            )
            for b in bands
        ]
        building = model.indoor or model.indoor_cells
        azimuths, tilts, plans = _distinct(antennas)
        return cls(
            surface=frame,
            top=top,
            grid=np.array([grid.x_min_m, grid.y_max_m, grid.cell_size_m]),
            receivers=points,
            sites=sites,
            azimuths=azimuths,
            tilts=tilts,
            plans=plans,
            laws=np.stack(
                [
                    prediction.law_constants(
                        sites.environments,
                        sites.heights_m,
                        b.frequency_ghz,
                        receiver_height_m,
                        model,
                    )
                    for b in bands
                ],
                axis=1,
            ),
            levels=np.stack([levels_dbm(sites, b) for b in bands], axis=1),
            bands=np.array(per_band),
            entry=np.stack(
                [
                    prediction.entry_table(b.frequency_ghz, building, model.entry_percent)
                    for b in bands
                ]
            ),
            clutter=np.stack(
                [
                    prediction.clutter_table(b.frequency_ghz, longest, model.clutter_percent)
                    for b in bands
                ]
            ),
            probability=prediction.los_probability_table(longest, receiver_height_m),
            options=np.array(
                [float(model.diffraction), model.diffraction_offset_db, model.own_building_m, 0.0]
            ),
        )

    def capacities(self) -> np.ndarray:
        """The most links that each site can have, int64 (n_sites,)."""
        reach = self.sites.numbers[:, 4] / self.grid[2] + 1.5
        return np.ceil(np.minimum(np.pi * reach**2, self.receivers.points.shape[0])).astype(int)

    def tiles(self) -> list[tuple[int, int]]:
        """Runs of sites of at most ``TILE_LINKS`` links."""
        out, first, links = [], 0, 0
        for i, own in enumerate(self.capacities()):
            if i > first and links + own > TILE_LINKS:
                out.append((first, i))
                first, links = i, 0
            links += int(own)
        if first < self.sites.numbers.shape[0]:
            out.append((first, self.sites.numbers.shape[0]))
        return out

    def run(self, first: int, last: int, floor_dbm: float) -> _Part:
        """Predict one tile."""
        n_bands = len(self.bands)
        capacity = int(self.capacities()[first:last].sum())
        columns = np.empty((n_bands, capacity), dtype=np.int32)
        data = np.empty((n_bands, capacity), dtype=np.uint8)
        seen = np.empty((n_bands, capacity), dtype=np.uint8)
        counts = np.zeros((n_bands, last - first), dtype=np.int64)
        options = self.options.copy()
        options[3] = floor_dbm
        prediction.predict(
            first,
            last,
            self.surface,
            self.top,
            self.grid,
            self.receivers.lookup,
            self.receivers.points,
            self.receivers.inside,
            self.sites.numbers,
            self.azimuths,
            self.tilts,
            self.sites.environments,
            self.laws,
            self.levels,
            self.plans,
            self.bands,
            self.entry,
            self.clutter,
            self.probability,
            options,
            columns,
            data,
            seen,
            counts,
        )
        used = counts.sum(axis=1)
        return _Part(
            [columns[b, : used[b]].copy() for b in range(n_bands)],
            [data[b, : used[b]].copy() for b in range(n_bands)],
            [seen[b, : used[b]].astype(bool) for b in range(n_bands)],
            counts,
        )


def _distinct(antennas: Sequence[Antennas]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Azimuths and tilts without repetition, and which of them each band uses."""
    known = list({id(a): a for a in antennas}.values())
    width = max(a.azimuths.shape[1] for a in known)
    azimuths = np.stack(
        [
            np.pad(a.azimuths, ((0, 0), (0, width - a.azimuths.shape[1])), constant_values=np.nan)
            for a in known
        ]
    )
    plans = np.array([next(i for i, a in enumerate(known) if a is own) for own in antennas])
    return azimuths, np.stack([a.tilts for a in known]), plans


def _assemble(
    parts: list[_Part], band: int, shape: tuple[int, int]
) -> tuple[csr_array, np.ndarray]:
    """The tiles' links of one band as a matrix; the tiles let go of theirs."""
    if not parts:
        return csr_array(shape, dtype=np.uint8), np.zeros(0, dtype=bool)
    counts = np.concatenate([part.counts[band] for part in parts])
    indptr = np.concatenate([[0], np.cumsum(counts)])
    columns = np.concatenate([part.columns[band] for part in parts])
    data = np.concatenate([part.data[band] for part in parts])
    seen = np.concatenate([part.seen[band] for part in parts])
    for part in parts:
        empty = np.zeros(0)
        part.columns[band] = part.data[band] = part.seen[band] = empty
    if indptr[-1] <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    signal = csr_array((data, columns, indptr), shape=shape)
    if not signal.has_sorted_indices:
        # Cells that are not in the grid's order: sort signals and sight together.
        both = csr_array((np.arange(data.size), columns, indptr), shape=shape)
        both.sort_indices()
        order = both.data
        signal = csr_array((data[order], both.indices, indptr), shape=shape)
        seen = seen[order]
    return signal, seen
