"""One link of a run, explained with the run's own inputs and settings."""

from __future__ import annotations

import difflib

import geopandas as gpd

from tdh import coverage, measurements, surface
from tdh.coverage import Link
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.results import Run


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
        If the run has no such asset, carrier or band, no antenna can stand on the asset, or the
        file of buildings is no longer there.
    """
    key = next(
        (key for key in run.bands if carrier_id in (None, key[0]) and band_id in (None, key[1])),
        None,
    )
    problems = []
    if key is None:
        problems.append(
            Problem(
                Text("the run has no such carrier and band", "その事業者・バンドはありません"),
                value=f"{carrier_id or '*'} {band_id or '*'}",
                expected=", ".join(f"{c} {b}" for c, b in run.bands),
            )
        )
    if asset_id not in run.assets.index:
        near = difflib.get_close_matches(asset_id, run.assets.index, n=3)
        problems.append(
            Problem(
                Text("the run has no such asset", "そのアセットはありません"),
                value=asset_id,
                expected=", ".join(near) or None,
            )
        )
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
    place = gpd.points_from_xy([longitude], [latitude], crs="EPSG:6668").to_crs(run.crs)[0]
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
    site = sites.geometry.loc[asset_id]
    margin = 100.0
    heights = None
    if source.buildings or source.terrain:
        heights = surface.read(
            source.buildings,
            source.terrain,
            bounds=(
                min(site.x, place.x) - margin,
                min(site.y, place.y) - margin,
                max(site.x, place.x) + margin,
                max(site.y, place.y) + margin,
            ),
            crs=run.crs,
            cell_size_m=source.cell_size_m,
        )
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
