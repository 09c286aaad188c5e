"""One link of a run, explained with the run's own inputs and settings."""

from __future__ import annotations

import difflib

import geopandas as gpd
import shapely

from tdh import coverage, measurements, surface
from tdh.coverage import Link
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.results import Run
from tdh.surface import Surface

_BEYOND_M = 5000.0
"""The longest radius that a scenario may give a site."""
_MARGIN_M = 100.0


def explain(
    run: Run,
    asset_id: str,
    latitude: float,
    longitude: float,
    carrier_id: str | None = None,
    band_id: str | None = None,
) -> Link:
    """The link from an asset to a place, in the band of a carrier (by default the first of each).

    Raises
    ------
    InputError
        If the run has no such asset, carrier or band, the place is not in the area, no antenna can
        stand on the asset, or the file of buildings is no longer there.
    """
    key, problems = known_band(run, carrier_id, band_id)
    if asset_id not in run.assets.index:
        near = difflib.get_close_matches(asset_id, run.assets.index, n=3)
        problems.append(
            Problem(
                Text("the run has no such asset", "そのアセットはありません"),
                value=asset_id,
                expected=", ".join(near) or None,
                fix=Text(
                    "tdh plan RUN and tdh score RUN list ids",
                    "IDは tdh plan RUN や tdh score RUN で見られます",
                ),
            )
        )
    problems += _no_place(run, latitude, longitude)
    if problems:
        raise InputError(*problems)
    assert key is not None
    settings = run.scenario.coverage
    sites = run.candidate_sites(key[0])
    if asset_id not in sites.index:
        raise InputError(
            Problem(
                Text("no antenna can stand on the asset", "このアセットにはアンテナを置けません"),
                value=asset_id,
            )
        )
    place = _projected(run, latitude, longitude)
    site = sites.geometry.loc[asset_id]
    ends = shapely.MultiPoint([site, place])
    heights = read_surface(run, ends.buffer(_MARGIN_M).bounds)
    return coverage.explain_link(
        sites,
        asset_id,
        place.x,
        place.y,
        heights,
        run.bands[key],
        receiver_height_m=settings.receiver_height_m,
        model=measurements.model_of(run.scenario),
    )


def known_band(
    run: Run, carrier_id: str | None, band_id: str | None
) -> tuple[tuple[str, str] | None, list[Problem]]:
    """The first carrier and band of a run that are asked for, or the problem that there is none."""
    for carrier, band in run.bands:
        if carrier_id in (None, carrier) and band_id in (None, band):
            return (carrier, band), []
    return None, [
        Problem(
            Text("the run has no such carrier and band", "その事業者・バンドはありません"),
            value=f"{carrier_id or '*'} {band_id or '*'}",
            expected=", ".join(f"{c} {b}" for c, b in run.bands),
        )
    ]


def read_surface(run: Run, bounds: tuple[float, float, float, float]) -> Surface | None:
    """The run's buildings and terrain within bounds in its CRS; None where it has neither.

    Raises
    ------
    InputError
        If a file is no longer there.
    """
    source = run.scenario.surface
    missing = [p for p in (*source.buildings, *source.terrain) if not p.exists()]
    if missing:
        raise InputError(
            *(
                Problem(
                    Text("the run's file of buildings is gone", "建物データのファイルがありません"),
                    where=str(path),
                )
                for path in missing
            )
        )
    if not source.buildings and not source.terrain:
        return None
    return surface.read(
        source.buildings,
        source.terrain,
        bounds=bounds,
        crs=run.crs,
        cell_size_m=source.cell_size_m,
    )


def _projected(run: Run, latitude: float, longitude: float) -> shapely.Point:
    return gpd.points_from_xy([longitude], [latitude], crs="EPSG:6668").to_crs(run.crs)[0]


def _no_place(run: Run, latitude: float, longitude: float) -> list[Problem]:
    """That a place lies beyond what any site of the area reaches, if it does."""
    x_min, y_min, x_max, y_max = run.grid.bounds
    near = shapely.box(x_min, y_min, x_max, y_max).buffer(_BEYOND_M)
    on_earth = abs(latitude) <= 90 and abs(longitude) <= 180  # not so of NaN
    if on_earth and near.contains(_projected(run, latitude, longitude)):
        return []
    west, south, east, north = (
        gpd.GeoSeries([near], crs=run.crs).to_crs("EPSG:6668").total_bounds.round(3)
    )
    return [
        Problem(
            Text("the place is not in the area", "地点が対象区域の外です"),
            value=f"{latitude:g} {longitude:g}",
            expected=Text(
                "latitude {south} to {north}, longitude {west} to {east}",
                "緯度 {south}〜{north}、経度 {west}〜{east}",
                south=south,
                north=north,
                west=west,
                east=east,
            ),
            fix=Text(
                "give latitude first, then longitude, in degrees",
                "緯度、経度の順に度で指定してください",
            ),
        )
    ]
