"""The stages of coverage: who is served today, the gaps, and what each candidate would serve."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import coverage, gaps, kpi, mesh, networks, schemas
from tdh.coverage import Coverage
from tdh.errors import InputError, Problem
from tdh.pipeline import known, loads, standing, trusted
from tdh.pipeline.context import Context, write_table
from tdh.present import CODES, Evidence, combine
from tdh.radio.bands import Band
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
    """Who is served today: the signal per carrier and band, and on which evidence it stands.

    Measured goes before declared, declared before predicted, predicted (the model over the
    carrier's sites, and rasters that it gives) before estimated (the model over sites that
    OpenCelliD makes likely), in each cell by itself: :func:`tdh.present.combine`.
    """
    scenario, table, facts = context.scenario, context.run.cells, {}
    told = known.read(scenario)
    problems: list[Problem] = []
    kept, every, rows, carried, learnt = [], [], [], [], []
    for carrier_id, network in read_networks(scenario).items():
        every.append(network.sites.assign(evidence="known"))
        near = _near(context, every[-1])
        kept.append(near)
        facts[carrier_id] = {
            "sites": len(network.sites),
            "sites_near": len(near),
            "rows_of_other_bands": network.other_bands,
        }
        guessed = known.estimated_sites(told, carrier_id, context.bands)
        if guessed is not None:
            every.append(guessed)
            guessed = _near(context, guessed)
            kept.append(guessed)
            facts[carrier_id]["sites_estimated"] = len(guessed)
        serving: list[loads.Serving] = []
        for (owner, band_id), band in context.bands.items():
            if owner != carrier_id:
                continue
            layers = known.evidence(told, carrier_id, band, table, context.grid, problems)
            signals = _predicted(context, near, band)
            strongest, server = _strongest(context, signals)
            layers.append(Evidence.of_signal("predicted", strongest))
            followed, sites_of = [signals], [near]
            if guessed is not None:
                signals = _predicted(context, guessed, band)
                strongest, other = _strongest(context, signals)
                layers.append(Evidence.of_signal("estimated", strongest))
                followed.append(signals)
                sites_of.append(guessed)
                before = 0 if followed[0] is None else len(followed[0].site_ids)
                server = np.where((server < 0) & (other >= 0), other + before, server)
            trusted.path_of(context.folder, carrier_id, band_id).unlink(missing_ok=True)
            if context.learnt_from is not None:
                layers_of = list(zip(followed, sites_of, strict=True))
                learnt.append(
                    trusted.write(context, carrier_id, band_id, context.learnt_from, layers_of)
                )
            found = [s for s in followed if s is not None]
            standing.keep(context, carrier_id, band_id, found)
            rsrp, source = combine(layers, len(table))
            ids = pd.Index([site for s in found for site in s.site_ids], dtype="str")
            server = np.where(rsrp >= band.covered_dbm, server, -1)
            serving.append(loads.Serving(band, ids, server))
            path = context.folder / f"coverage/{carrier_id}-{band_id}-server.tif"
            loads.write_servers(path, server, table, context.grid)
            modelled, _ = combine([e for e in layers if e.kind == "predicted"], len(table))
            rows.append(known.tell(carrier_id, band, rsrp, source, modelled, layers, table))
            write_signal(context, carrier_id, band_id, "before", rsrp)
            path = context.folder / f"coverage/{carrier_id}-{band_id}-source.tif"
            known.write_sources(path, source, table, context.grid)
            share = float((rsrp >= band.covered_dbm).mean())
            facts[carrier_id][band_id] = {
                "sites": int((near["band"] == band_id).sum()),
                "area_covered": round(share, 4),
                "cells": {
                    kind: int((source == code).sum())
                    for kind, code in CODES.items()
                    if (source == code).any()
                },
            }
        people = loads.customers_of(table, scenario.market_shares[carrier_id])
        carried.append(loads.of_carrier(carrier_id, serving, people, scenario.gaps))
    if problems:
        raise InputError(*problems)
    carried = [frame for frame in carried if len(frame)] or carried[:1]
    write_table(schemas.conform(pd.concat(carried), "site_load"), context.folder, "site_load")
    write_table(schemas.conform(pd.concat(rows), "present"), context.folder, "present")
    throughput = known.write_throughput(context)
    if throughput:
        facts["throughput"] = throughput
    if learnt:
        predicted, like = np.sum(learnt, axis=0).tolist()
        facts["calibrated"] = {"cells": predicted, "like_measured": like}
    elif scenario.coverage.calibration is not None:
        facts["calibrated"] = {}
    with_sites = [frame for frame in kept if len(frame)] or kept[:1]
    merged = gpd.GeoDataFrame(pd.concat(with_sites), geometry="geometry", crs=scenario.crs)
    write_table(schemas.conform(merged, "sites"), context.folder, "sites")
    beyond = _beyond(context, every, merged)
    write_table(schemas.conform(beyond, "border_sites"), context.folder, "border_sites")
    return facts


def _beyond(
    context: Context, every: list[gpd.GeoDataFrame], near: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Sites too far to be followed that stand in a 10 km mesh of the plan: indicators count them."""
    with_sites = [frame for frame in every if len(frame)] or every[:1]
    merged = gpd.GeoDataFrame(pd.concat(with_sites), geometry="geometry", crs=near.crs)
    far = merged[~merged.index.isin(near.index)]
    if far.empty:
        return far
    cells = context.run.cells
    meshes = np.unique(kpi.meshes_of_cells(cells, 6))
    degrees = far.to_crs(mesh.CRS).geometry
    own = mesh.from_lonlat(degrees.x.to_numpy(), degrees.y.to_numpy(), 6)
    return far[np.isin(own, meshes)]


def _near(context: Context, sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Sites that can reach the plan's area, each with how far it is followed."""
    settings = context.scenario.coverage
    reach = max(settings.radius_roof_m, settings.radius_pole_m)
    x_min, y_min, x_max, y_max = context.grid.bounds
    near = sites.cx[x_min - reach : x_max + reach, y_min - reach : y_max + reach]
    radius = near["placement"].map({"roof": settings.radius_roof_m, "pole": settings.radius_pole_m})
    return near.assign(radius_m=radius.astype(float))


def _predicted(context: Context, sites: gpd.GeoDataFrame, band: Band) -> Coverage | None:
    """Signals of a band's sites at the cells; None where there is no such site."""
    own = sites[sites["band"] == band.id]
    if own.empty:
        return None
    return coverage.compute(
        own,
        context.surface,
        context.run.cells,
        band,
        grid=context.grid,
        receiver_height_m=context.scenario.coverage.receiver_height_m,
        model=context.model,
    )


def _strongest(context: Context, signals: Coverage | None) -> tuple[np.ndarray, np.ndarray]:
    """Best server's SS-RSRP at the cells, and which it is; NaN and −1 where nothing is received."""
    if signals is None:
        n = len(context.run.cells)
        return np.full(n, np.nan, dtype=np.float32), np.full(n, -1, dtype=np.int32)
    return signals.best_server()


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
        model=context.model,
        antennas={f"{carrier}-{band}": antennas[carrier] for carrier, band in context.bands},
    )
    for name, signals in predicted.items():
        signals.save(context.folder / f"footprints/{name}.npz")
    table = pd.concat(
        [
            pd.DataFrame(own).assign(carrier_id=c, **_exposure(context, c, sites))
            for c, own in antennas.items()
        ]
    )
    table = table.drop(columns="geometry").rename_axis("asset_id").reset_index()
    write_table(schemas.conform(table, "candidates"), context.folder, "candidates")
    return {
        "assets": len(sites),
        "signals": {name: int(signals.signal.nnz) for name, signals in predicted.items()},
    }


def _exposure(context: Context, carrier_id: str, sites: gpd.GeoDataFrame) -> dict[str, Any]:
    """How near people may come to a carrier's antennas, all its bands together, and whether they do.

    The strictest reading, which holds for any azimuth and tilt (:mod:`tdh.coverage.exposure`).
    """
    own = {band_id: band for (c, band_id), band in context.bands.items() if c == carrier_id}
    found = coverage.exposure_of_sites(sites, own, context.surface)
    return {
        "exposure_distance_m": found["combined_m"].to_numpy(),
        "people_within_exposure": found["flag"].to_numpy(),
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
        "model": context.model,
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
    parts: dict[str, list[sparse.csr_array]] = {}
    ids = pd.Index([])
    for carrier, band in context.bands:
        signals = Coverage.load(context.folder / f"footprints/{carrier}-{band}.npz")
        parts.setdefault(carrier, []).append(signals.footprint())
        ids = signals.site_ids
    return ids, {carrier: coverage.united(own) for carrier, own in parts.items()}
