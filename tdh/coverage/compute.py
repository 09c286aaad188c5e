"""Sites over a surface to footprints: tiles of sites on threads, all bands on one geometry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import units
from tdh.coverage.footprint import Coverage
from tdh.coverage.gathering import Block, Links, run_tiles
from tdh.coverage.receivers import Place, Receivers, grid_of, receivers
from tdh.coverage.sites import Antennas, SiteArrays, antenna_arrays, levels_dbm, site_arrays
from tdh.errors import DomainError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio import prediction, tables
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.surface import Surface
from tdh.threads import available_threads

Progress = Callable[[int, int], None]

FLOOR_DBM = -125.0
TILE_LINKS = 300_000
"""Links a tile of sites holds at most (one site may hold more)."""


def compute(
    sites: gpd.GeoDataFrame,
    surface: Surface | None,
    cells: gpd.GeoDataFrame,
    band: Band,
    *,
    grid: Grid | None = None,
    receiver_height_m: float = 1.5,
    receiver_place: Place = "street",
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
        receiver_place=receiver_place,
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
    receiver_place: Place = "street",
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
        Receivers' height above what they stand on, 0.5 to 22.5 m.
    receiver_place : {"street", "roof"}
        Where they stand; see :func:`receivers`. Receivers in the rooms of a building are those of
        ``Model(indoor=…)``.
    radius_m : float, optional
        One radius for all sites, instead of their own (1,000 m where they have none).
    floor_dbm : float
        Weaker signals are not kept.
    model : Model, optional
        How loss is predicted; by default :class:`tdh.radio.model.Model`.
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
    points = receivers(cells, surface, grid, receiver_height_m, receiver_place)
    arrays = site_arrays(sites, surface, radius_m)
    given = {id(frame): frame for frame in (antennas or {}).values()}
    read = {key: antenna_arrays(frame.loc[sites.index]) for key, frame in given.items()}
    held = [read.get(id((antennas or {}).get(name)), arrays.antennas) for name in bands]
    job = _Job.of(
        arrays, points, surface, grid, list(bands.values()), receiver_height_m, model, held
    )
    tiles = job.tiles()
    capacity = max((int(job.capacities[slice(*tile)].sum()) for tile in tiles), default=0)
    links = [Links(len(tiles)) for _ in bands]
    work = partial(job.run, floor_dbm=floor_dbm)
    done = run_tiles(work, tiles, len(bands), capacity, available_threads(threads))
    for (_, last), (block, counts) in zip(tiles, done, strict=True):
        for b, own in enumerate(links):
            own.append(block, b, counts[b])
        if progress is not None:
            progress(last, len(sites))
    site_ids = pd.Index(sites.index.astype("str"), name="site_id")
    cell_ids = pd.Index(cells.index.astype("str"), name="cell_id")
    out = {}
    for name, band in bands.items():
        signal, seen = links.pop(0).matrix((len(sites), len(cells)))
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
    pattern: tuple[float, float, float]
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
                tables.rain_db_per_m(b.frequency_ghz, model),
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
                    tables.law_constants(
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
                [tables.entry_table(b.frequency_ghz, building, model.entry_percent) for b in bands]
            ),
            clutter=np.stack(
                [
                    tables.clutter_table(b.frequency_ghz, longest, model.clutter_percent)
                    for b in bands
                ]
            ),
            probability=tables.los_probability_table(longest, receiver_height_m),
            pattern=model.pattern,
            options=np.array(
                [float(model.diffraction), model.diffraction_offset_db, model.own_building_m, 0.0]
            ),
        )

    @cached_property
    def capacities(self) -> np.ndarray:
        """The most links that each site can have, int64 (n_sites,)."""
        reach = self.sites.numbers[:, 4] / self.grid[2] + 1.5
        return np.ceil(np.minimum(np.pi * reach**2, self.receivers.points.shape[0])).astype(int)

    def tiles(self) -> list[tuple[int, int]]:
        """Runs of sites of at most ``TILE_LINKS`` links."""
        out, first, links = [], 0, 0
        for i, own in enumerate(self.capacities):
            if i > first and links + own > TILE_LINKS:
                out.append((first, i))
                first, links = i, 0
            links += int(own)
        if first < self.sites.numbers.shape[0]:
            out.append((first, self.sites.numbers.shape[0]))
        return out

    def run(self, tile: tuple[int, int], block: Block, floor_dbm: float) -> np.ndarray:
        """Predict one tile of sites into a block."""
        first, last = tile
        counts = np.zeros((len(self.bands), last - first), dtype=np.int64)
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
            self.pattern,
            options,
            block.columns,
            block.data,
            block.seen,
            counts,
        )
        return counts


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
