"""What is known of today's coverage beyond the carriers' lists of sites, for the stage of present.

Files are read first, all of them, so that all problems are told at once (:func:`read`); then each
speaks on the plan's cells (:func:`evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio

from tdh import present as sources
from tdh import schemas
from tdh.coverage.rasters import geotiff
from tdh.coverage.sites import environment_for
from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.grid import Grid
from tdh.language import Text
from tdh.pipeline.context import Context, write_table
from tdh.present import CODES, Evidence
from tdh.radio.bands import Band
from tdh.scenario import Carrier, CoverageSource, Scenario

OUTSIDE = 255
"""What a raster of sources holds where no cell is."""


@dataclass(frozen=True, eq=False)
class Known:
    """One source of a carrier's coverage, read."""

    carrier_id: str
    band: str
    source: CoverageSource
    content: Any

    @property
    def where(self) -> str:
        """The file, in a message."""
        return self.source.path.name


def read(scenario: Scenario) -> list[Known]:
    """Read all carriers' sources of coverage.

    Raises
    ------
    InputError
        With the problems of all of them.
    """
    found: list[Known] = []
    problems: list[Problem] = []
    for carrier in scenario.carriers:
        for source in carrier.coverage:
            band = source.band or carrier.band_ids[0]
            try:
                content = _content(source, carrier, band, scenario.crs)
            except InputError as error:
                problems += error.problems
            else:
                found.append(Known(carrier.id, band, source, content))
    if problems:
        raise InputError(*problems)
    return found


def read_throughput(scenario: Scenario) -> list[pd.DataFrame]:
    """Read all files of measured throughput.

    Raises
    ------
    InputError
        With the problems of all of them.
    """
    found = []
    problems: list[Problem] = []
    for source in scenario.throughput:
        try:
            found.append(sources.ookla.read(source.path))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


def facts(scenario: Scenario) -> list[dict[str, Any]]:
    """What each source holds, for ``check``."""
    told = [
        {
            "carrier": k.carrier_id,
            "band": k.band,
            "path": k.where,
            "evidence": k.source.kind,
            **_size(k.content),
        }
        for k in read(scenario)
    ]
    tiles = zip(scenario.throughput, read_throughput(scenario), strict=True)
    told += [{"path": t.path.name, "evidence": "measured", "tiles": len(n)} for t, n in tiles]
    return told


def files_of(path: Path) -> list[Path]:
    """A file with those that belong to it: a Shapefile is several."""
    if path.suffix.lower() != ".shp":
        return [path]
    return sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.is_file())


def estimated_sites(
    known: Sequence[Known], carrier_id: str, bands: Mapping[Any, Band]
) -> gpd.GeoDataFrame | None:
    """A carrier's sites that OpenCelliD makes likely, as table ``sites``; None without any."""
    frames = []
    for k in known:
        if k.carrier_id != carrier_id or k.source.type != "opencellid":
            continue
        band, height = bands[carrier_id, k.band], k.source.antenna_height_agl_m
        frames.append(
            k.content.assign(
                carrier_id=carrier_id,
                band=k.band,
                frequency_mhz=float(band.frequency_mhz),
                bandwidth_mhz=float(band.bandwidth_mhz),
                eirp_dbm=float(band.eirp_roof_dbm),
                antenna_height_agl_m=height,
                azimuth_deg=np.nan,
                tilt_deg=np.nan,
                environment=environment_for("roof", height),
                placement="roof",
                synthetic=k.source.synthetic,
                evidence="estimated",
            ).drop(columns=["radio", "cells", "samples"])
        )
    if not frames:
        return None
    return gpd.GeoDataFrame(pd.concat(frames), geometry="geometry", crs=frames[0].crs)


def evidence(
    known: Sequence[Known],
    carrier_id: str,
    band: Band,
    cells: pd.DataFrame,
    grid: Grid,
    problems: list[Problem],
) -> list[Evidence]:
    """What a carrier's sources say of a band's cells; OpenCelliD apart, which is predicted from.

    A source that says nothing of any cell is noted in ``problems``: its CRS or its place is wrong,
    or it is of no use.
    """
    own = [k for k in known if (k.carrier_id, k.band) == (carrier_id, band.id)]
    layers: list[Evidence] = []
    tests: dict[int, list[Known]] = {}
    for k in own:
        said: list[Evidence] = []
        if k.source.type == "drive_test":
            tests.setdefault(k.source.least_points, []).append(k)
            said = [sources.drive_tests.on_cells([k.content], cells, grid)]
        elif k.source.type == "area":
            said = sources.areas.on_cells(
                k.content,
                cells,
                grid,
                served_dbm=band.covered_dbm,
                kind=k.source.kind,
                outside=k.source.outside,
            )
        elif k.source.type == "raster":
            said = [sources.rasters.on_cells(k.content, cells, grid, k.source.kind)]
        else:
            continue
        # That nothing outside is served holds of every cell, if the areas lie elsewhere, too.
        if not any((~np.isnan(e.rsrp_dbm) | (e.points is not None) & e.said).any() for e in said):
            problems.append(
                Problem(
                    Text("it says nothing of the plan's area", "計画の区域にかかっていません"),
                    value=f"{carrier_id}, {band.id}",
                    where=k.where,
                    fix=Text(
                        "correct its crs (latitude and longitude swapped?), or take it out",
                        "座標系(緯度と経度の入れ違いなど)を直すか、外してください",
                    ),
                )
            )
        if k.source.type != "drive_test":
            layers += said
    # The points of all drive tests together: a median of medians would weigh a short one as much.
    for least, group in tests.items():
        layers.append(
            sources.drive_tests.on_cells(
                [k.content for k in group], cells, grid, least_points=least
            )
        )
    return layers


def tell(
    carrier_id: str,
    band: Band,
    rsrp_dbm: np.ndarray,
    source: np.ndarray,
    predicted_dbm: np.ndarray,
    layers: Sequence[Evidence],
    cells: pd.DataFrame,
) -> pd.DataFrame:
    """Rows of table ``present``: how much of the band's coverage stands on which evidence."""
    people = cells["population"].to_numpy(float)
    served = rsrp_dbm >= band.covered_dbm
    rows = []
    for kind, code in CODES.items():
        at = source == code
        points = sum(
            int(e.points[at].sum()) for e in layers if e.kind == kind and e.points is not None
        )
        difference = (rsrp_dbm - predicted_dbm)[at & (kind == "measured")]
        difference = difference[~np.isnan(difference)]
        rows.append(
            {
                "carrier_id": carrier_id,
                "band": band.id,
                "evidence": kind,
                "cells": int(at.sum()),
                "covered_cells": int((at & served).sum()),
                "people": float(people[at].sum()),
                "covered_people": float(people[at & served].sum()),
                "points": points,
                "difference_db": float(np.median(difference)) if difference.size else np.nan,
            }
        )
    return pd.DataFrame(rows)


def write_sources(path: Path, source: np.ndarray, cells: pd.DataFrame, grid: Grid) -> None:
    """Write which evidence each cell stands on: uint8, :data:`tdh.present.CODES`."""
    raster = np.full(grid.shape, OUTSIDE, dtype=np.uint8)
    raster[cells["row"].to_numpy(), cells["col"].to_numpy()] = source
    with (
        atomic(path) as draft,
        rasterio.open(draft, "w", **geotiff(grid, "uint8", OUTSIDE)) as target,
    ):
        target.write(raster, 1)
        target.set_band_description(1, ", ".join(f"{code} {kind}" for kind, code in CODES.items()))


def write_throughput(context: Context) -> dict[str, Any]:
    """Write measured throughput by cell, of every file; an old table goes where there is none."""
    tiles = read_throughput(context.scenario)
    if not tiles:
        (context.folder / "throughput.parquet").unlink(missing_ok=True)
        return {}
    cells = context.run.cells
    frames, problems = [], []
    for source, own in zip(context.scenario.throughput, tiles, strict=True):
        found = sources.ookla.on_cells(own, cells, context.grid)
        if found.empty:
            problems.append(
                Problem(
                    Text("it says nothing of the plan's area", "計画の区域にかかっていません"),
                    value=f"{len(own)} tiles",
                    where=source.path.name,
                )
            )
        frames.append(found.assign(source=source.path.name))
    if problems:
        raise InputError(*problems)
    table = schemas.conform(pd.concat(frames, ignore_index=True), "throughput")
    write_table(table, context.folder, "throughput")
    return {"tiles": int(table["quadkey"].nunique()), "cells": int(table["cell_id"].nunique())}


def _content(source: CoverageSource, carrier: Carrier, band: str, crs: str) -> Any:
    if source.type == "drive_test":
        return sources.drive_tests.read(
            source.path,
            radio=source.radio,
            columns=source.columns,
            select=source.select,
            crs=source.crs,
            missing=source.missing,
        )
    if source.type == "area":
        return sources.areas.read(
            source.path,
            columns=source.columns,
            levels=source.levels,
            level_dbm=source.level_dbm,
            select=source.select,
            crs=source.crs,
        )
    if source.type == "raster":
        return sources.rasters.read(source.path, source.crs)
    return sources.open_cell_id.read_sites(
        source.path,
        source.plmn,
        radios=[source.radio],
        crs=crs,
        prefix=f"{carrier.id}-{band}-opencellid",
    )


def _size(content: Any) -> dict[str, Any]:
    if isinstance(content, sources.drive_tests.DriveTest):
        return {
            "points": len(content.points),
            "rejected": len(content.rejected),
            "columns": content.columns,
        }
    if isinstance(content, sources.areas.Areas):
        return {"areas": len(content.polygons), "skipped": content.skipped}
    if isinstance(content, gpd.GeoDataFrame):
        return {"sites": len(content)}
    return {}
