"""The programme's indicators of a finished run, before and after its plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import demand, kpi, mesh
from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.pipeline import expected, loads
from tdh.pipeline.context import Context, write_table
from tdh.results import Run, When


def of_run(
    run: Run,
    *,
    places: Path | Sequence[Path] | None = None,
    commercial: Path | None = None,
    roads: Path | None = None,
    at_least: Sequence[int] | None = None,
    rule: Literal[">=", ">"] | None = None,
    year: int | None = None,
) -> pd.DataFrame:
    """All indicators of a run (table ``kpi_values``), today and with the plan on air.

    What is not given is the scenario's: its files, and the settings under ``[goals]``.

    Parameters
    ----------
    run : Run
    places : path or sequence of path, optional
        Registers of places that must be served (any that :func:`tdh.inventory.read_assets` reads);
        of which kind each is, its words or those of the file's name say.
    commercial, roads : path, optional
        Polygons of commercial areas; lines of main roads (any file that GDAL reads).
    at_least, rule, year
        As for :func:`tdh.kpi.table`.

    Raises
    ------
    InputError
        If a file cannot be read, or holds nothing of the kind.
    """
    return kpi.long(
        counted(
            run, places=places, commercial=commercial, roads=roads, at_least=at_least, rule=rule
        ),
        year=year or run.scenario.goals.year,
        targets=run.scenario.goals.targets_by_year,
    )


def counted(
    run: Run,
    *,
    places: Path | Sequence[Path] | None = None,
    commercial: Path | None = None,
    roads: Path | None = None,
    at_least: Sequence[int] | None = None,
    rule: Literal[">=", ">"] | None = None,
) -> pd.DataFrame:
    """What is covered, and out of how much (:func:`tdh.kpi.counts`); parameters as :func:`of_run`.

    Files and settings that are not given are the scenario's.
    """
    given, goals = run.scenario.demand, run.scenario.goals
    commercial, roads = commercial or given.commercial, roads or given.roads
    return kpi.counts(
        run.cells,
        run.grid,
        {"before": service(run, "before"), "after": service(run, "after")},
        at_least=at_least or goals.at_least,
        rule=rule or goals.rule,
        places=run.places if places is None else _places(run, places),
        commercial=None if commercial is None else shapes(run, commercial, "Polygon"),
        roads=None if roads is None else shapes(run, roads, "LineString"),
    )


def compared(
    run: Run,
    *,
    places: Path | Sequence[Path] | None = None,
    commercial: Path | None = None,
    roads: Path | None = None,
    at_least: Sequence[int] | None = None,
    rule: Literal[">=", ">"] | None = None,
    year: int | None = None,
) -> pd.DataFrame:
    """All indicators of a run, before and after in one row (table ``kpis``).

    The run's own table where nothing else is asked for; parameters as :func:`of_run`.
    """
    asked = (places, commercial, roads, at_least, rule, year)
    if run.kpis is not None and all(value is None for value in asked):
        return run.kpis
    return kpi.wide(
        counted(
            run, places=places, commercial=commercial, roads=roads, at_least=at_least, rule=rule
        ),
        year=year or run.scenario.goals.year,
        targets=run.scenario.goals.targets_by_year,
        notes=_notes(run),
    )


def goals(context: Context) -> dict[str, Any]:
    """Stage: ``kpis`` (Parquet, and CSV), people by probability, and loads with the plan on air."""
    settings = context.scenario.goals
    table = kpi.wide(
        counted(context.run),
        year=settings.year,
        targets=settings.targets_by_year,
        notes=_notes(context.run),
    )
    with atomic(context.folder / "kpis.parquet") as path:
        table.to_parquet(path, compression="zstd")
    with atomic(context.folder / "kpis.csv") as path:
        table.to_csv(path, index=False, encoding="utf-8-sig")
    likely, local = expected.counted(context.run)
    write_table(likely, context.folder, "expected_people")
    write_table(local, context.folder, "expected_municipalities")
    loaded = loads.with_plan(context.run)
    if loaded is not None:
        write_table(loaded, context.folder, "site_load_after")
    whole = table[(table["level"] == "metropolis") & (table["carrier"] == "")]
    return {
        "year": settings.year,
        "after": {
            row.kpi: None if np.isnan(row.after) else round(row.after, 6)
            for row in whole.itertuples()
        },
        "expected_people": {
            row.carrier_id: [round(row.expected_before, 1), round(row.expected_after, 1)]
            for row in likely[likely["band"] == ""].itertuples()
        },
    }


def service(
    run: Run,
    when: When,
    *,
    lost: Mapping[tuple[str, str], np.ndarray] | None = None,
    failed: Mapping[str, Collection[str]] | None = None,
) -> kpi.Service:
    """Who serves each cell, and where the outdoor stations stand.

    Parameters
    ----------
    run : Run
    when : {"before", "after"}
    lost : mapping of (carrier, band) to ndarray of bool, shape (n_cells,), optional
        Cells that an outage takes from a band.
    failed : mapping of carrier to collection of str, optional
        Ids of its sites and assets that are off the air.
    """
    row, col = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    every = _stations(run)
    served: dict[tuple[str, str], np.ndarray] = {}
    stations: dict[tuple[str, str], np.ndarray] = {}
    for (carrier, band_id), band in run.bands.items():
        key = (carrier, band.band_class)
        reached = run.signal(carrier, band_id, when)[row, col] >= band.covered_dbm
        if lost is not None:
            reached &= ~lost[carrier, band_id]
        served[key] = reached | served[key] if key in served else reached
        sites = every[(every["carrier_id"] == carrier) & (every["band"] == band_id)]
        off = [] if failed is None else list(failed.get(carrier, ()))
        points = [sites.geometry[~sites.index.isin(off)]]
        if when == "after":
            own = run.plan[run.plan["carrier_id"] == carrier]
            points.append(own.geometry[~own["asset_id"].isin(off)])
        found = _meshes(gpd.GeoSeries(pd.concat(points), crs=run.crs))
        stations[key] = np.union1d(found, stations[key]) if key in stations else found
    return kpi.Service(served, stations)


def _stations(run: Run) -> gpd.GeoDataFrame:
    """Present sites that count as stations: also those beyond the border, in the plan's meshes."""
    columns = ["carrier_id", "band", "evidence", "geometry"]
    parts = [run.sites.reindex(columns=columns)]
    if run.border_sites is not None and len(run.border_sites):
        parts.append(run.border_sites[columns])
    found = gpd.GeoDataFrame(pd.concat(parts), geometry="geometry", crs=run.crs)
    if not run.scenario.goals.count_estimated_sites:
        found = found[found["evidence"] != "estimated"]
    return found


def _notes(run: Run) -> dict[str, Text]:
    """What indicators by stations leave out, or stand on: estimated sites."""
    parts = [t for t in (run.sites, run.border_sites) if t is not None and "evidence" in t]
    n = sum(int((t["evidence"] == "estimated").sum()) for t in parts)
    if n == 0:
        return {}
    if run.scenario.goals.count_estimated_sites:
        said = Text(
            "Sites estimated from cells that phones have seen ({n}) count as stations",
            "端末の観測から推定した局{n}件も局として数えています",
            n=n,
        )
    else:
        said = Text(
            "Sites estimated from cells that phones have seen ({n}) do not count as stations",
            "端末の観測から推定した局{n}件は局として数えていません",
            n=n,
        )
    return {"sub6": said, "infrastructure": said}


def _meshes(points: gpd.GeoSeries) -> np.ndarray:
    degrees = points.to_crs("EPSG:6668")
    codes: np.ndarray = np.unique(mesh.from_lonlat(degrees.x.to_numpy(), degrees.y.to_numpy(), 8))
    return codes


def _places(run: Run, given: Path | Sequence[Path]) -> gpd.GeoDataFrame:
    paths = [given] if isinstance(given, Path) else list(given)
    paths = list({Path(path).resolve(): path for path in paths}.values())  # each file counts once
    places = demand.read_places([demand.PlaceSource(path) for path in paths], run.crs).places
    inside = places[places.within(run.municipalities.union_all())]
    if inside.empty:
        raise InputError(
            Problem(
                Text("no place lies in the area", "対象区域内の場所がありません"),
                value=len(places),
                where=", ".join(path.name for path in paths),
            )
        )
    return inside


def shapes(run: Run, path: Path, kind: str, *, cut: bool = True) -> gpd.GeoSeries:
    """Shapes of a kind, in the plan's CRS, cut to the area unless ``cut`` is false."""
    try:
        read = gpd.read_file(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            Problem(Text("it cannot be read", "読めません"), value=str(error), where=path.name)
        ) from None
    if not isinstance(read, gpd.GeoDataFrame):  # a table, such as a CSV without geometry
        raise InputError(
            Problem(Text("it has no geometry", "図形がありません"), expected=kind, where=path.name)
        )
    if read.crs is None:
        read = read.set_crs("EPSG:6668")
    found = read.geometry.to_crs(run.crs).explode()
    found = found[found.geom_type == kind]
    if cut:
        found = gpd.clip(found, run.municipalities.union_all(), keep_geom_type=True)
    if found.empty:
        raise InputError(
            Problem(
                Text(
                    "it holds nothing of the kind in the area",
                    "対象区域内に該当する図形がありません",
                ),
                expected=kind,
                where=path.name,
            )
        )
    return found
