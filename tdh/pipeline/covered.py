"""The stages of coverage: who is served today, the gaps, and what each candidate would serve."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import coverage, gaps, networks, schemas
from tdh.coverage import Coverage
from tdh.errors import InputError, Problem
from tdh.pipeline.context import Context, write_table
from tdh.scenario import Scenario


def read_networks(scenario: Scenario) -> dict[str, networks.Network]:
    """Each carrier's present sites.

    Raises
    ------
    InputError
        With the problems of all carriers.
    """
    found: dict[str, networks.Network] = {}
    problems: list[Problem] = []
    for carrier in scenario.carriers:
        if carrier.sites is None:
            found[carrier.id] = networks.Network(networks.no_sites(scenario.crs), {})
            continue
        try:
            found[carrier.id] = networks.read_sites(
                carrier.sites, carrier.id, carrier.band_ids, scenario.crs, carrier.synthetic
            )
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


def present(context: Context) -> dict[str, Any]:
    """Who is served today: best server's signal per carrier and band."""
    scenario, table, facts = context.scenario, context.run.cells, {}
    settings = scenario.coverage
    reach = max(settings.radius_roof_m, settings.radius_pole_m)
    x_min, y_min, x_max, y_max = context.grid.bounds
    kept = []
    for carrier_id, network in read_networks(scenario).items():
        near = network.sites.cx[x_min - reach : x_max + reach, y_min - reach : y_max + reach]
        radius = near["placement"].map(
            {"roof": settings.radius_roof_m, "pole": settings.radius_pole_m}
        )
        near = near.assign(radius_m=radius.astype(float))
        kept.append(near)
        facts[carrier_id] = {
            "sites": len(network.sites),
            "sites_near": len(near),
            "rows_of_other_bands": network.other_bands,
        }
        for (owner, band_id), band in context.bands.items():
            if owner != carrier_id:
                continue
            rsrp = np.full(len(table), np.nan, dtype=np.float32)
            sites = near[near["band"] == band_id]
            if len(sites):
                served = coverage.compute(
                    sites,
                    context.surface,
                    table,
                    band,
                    grid=context.grid,
                    receiver_height_m=settings.receiver_height_m,
                )
                rsrp = served.best_server()[0]
            write_signal(context, carrier_id, band_id, "before", rsrp)
            share = float((rsrp >= band.covered_dbm).mean())
            facts[carrier_id][band_id] = {"sites": len(sites), "area_covered": round(share, 4)}
    with_sites = [frame for frame in kept if len(frame)] or kept[:1]
    merged = gpd.GeoDataFrame(pd.concat(with_sites), geometry="geometry", crs=scenario.crs)
    write_table(schemas.conform(merged, "sites"), context.folder, "sites")
    return facts


def write_signal(context: Context, carrier: str, band: str, when: str, values: np.ndarray) -> None:
    """Write the raster of a band's best server before or after the plan."""
    path = context.folder / f"coverage/{carrier}-{band}-{when}.tif"
    coverage.write_raster(path, values, context.run.cells, context.grid)


def candidates(context: Context) -> dict[str, Any]:
    """What each asset would serve: signals of assets × cells in every carrier's band."""
    settings = context.scenario.coverage
    usable = context.run.assets[context.run.assets["in_area"]]
    sites = coverage.candidate_sites(
        usable, radius_roof_m=settings.radius_roof_m, radius_pole_m=settings.radius_pole_m
    )
    named = {f"{carrier}-{band}": value for (carrier, band), value in context.bands.items()}
    antennas = _antennas(context, sites)
    predicted = coverage.compute_many(
        sites,
        context.surface,
        context.run.cells,
        named,
        grid=context.grid,
        receiver_height_m=settings.receiver_height_m,
        antennas={f"{carrier}-{band}": antennas[carrier] for carrier, band in context.bands},
    )
    for name, signals in predicted.items():
        signals.save(context.folder / f"footprints/{name}.npz")
    table = pd.concat([pd.DataFrame(own).assign(carrier_id=c) for c, own in antennas.items()])
    table = table.drop(columns="geometry").rename_axis("asset_id").reset_index()
    write_table(schemas.conform(table, "candidates"), context.folder, "candidates")
    return {
        "assets": len(sites),
        "signals": {name: int(signals.signal.nnz) for name, signals in predicted.items()},
    }


def _antennas(context: Context, sites: gpd.GeoDataFrame) -> dict[str, gpd.GeoDataFrame]:
    """The sites with each carrier's antennas, chosen by that carrier's own gaps alone."""
    run, settings = context.run, context.scenario.coverage
    carriers = [c.id for c in context.scenario.carriers]
    unmet = gaps.unmet_matrix(run.gaps, run.cells, carriers)
    wanted = unmet.sum(axis=0) > 0
    roofs = sites[coverage.turned(sites)]
    if not settings.choose_antennas or roofs.empty or not wanted.any():
        return dict.fromkeys(carriers, sites)
    shared: dict[str, Any] = {
        "grid": context.grid,
        "receiver_height_m": settings.receiver_height_m,
    }
    chosen = {}
    cells = run.cells[wanted]
    named = {f"{carrier}-{band}": value for (carrier, band), value in context.bands.items()}
    plain = coverage.without_pattern(roofs, context.surface, cells, named, **shared)
    for k, carrier in enumerate(carriers):
        own = {f"{c}-{b}": band for (c, b), band in context.bands.items() if c == carrier}
        chosen[carrier] = coverage.choose_antennas(
            sites, context.surface, cells, own, unmet[k, wanted], isotropic=plain, **shared
        )
    return chosen


def find_gaps(context: Context, when: str = "before") -> pd.DataFrame:
    """Table ``gaps`` from the rasters of before or after the plan."""
    table = context.run.cells
    rows, cols = table["row"].to_numpy(), table["col"].to_numpy()
    signals = {
        (carrier, band): context.run.signal(carrier, band, when)[rows, cols]  # type: ignore[arg-type]
        for carrier, band in context.bands
    }
    thresholds = {key: band.covered_dbm for key, band in context.bands.items()}
    return gaps.find(table, signals, thresholds, context.scenario.market_shares)


def gap_table(context: Context) -> dict[str, Any]:
    """Cells that a carrier does not serve, and how many of its customers live there."""
    found = find_gaps(context)
    write_table(found, context.folder, "gaps")
    people = found.groupby("carrier_id", observed=True)["unmet_people"].sum()
    return {"rows": len(found), "people": {str(k): round(float(v), 1) for k, v in people.items()}}


def carrier_footprints(context: Context) -> tuple[pd.Index, dict[str, sparse.csr_array]]:
    """Per carrier, which assets would serve which cells in any of its bands."""
    union: dict[str, sparse.csr_array] = {}
    ids = pd.Index([])
    for carrier, band in context.bands:
        signals = Coverage.load(context.folder / f"footprints/{carrier}-{band}.npz")
        served = signals.footprint()
        union[carrier] = served if carrier not in union else (union[carrier] + served).astype(bool)
        ids = signals.site_ids
    return ids, union
