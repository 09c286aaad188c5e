"""The stages, in the order in which the data flows: from registers to scores and a plan.

Each function reads tables of earlier stages from the run folder, writes its own, and returns the
facts that the manifest shall hold.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import sparse

from tdh import coverage, demand, gaps, inventory, networks, schemas, siting
from tdh.coverage import Coverage
from tdh.errors import InputError, Problem, ScenarioError, TdhError
from tdh.files import atomic
from tdh.grid import Grid
from tdh.language import Text
from tdh.pipeline.context import Context
from tdh.pipeline.limits import too_many_cells
from tdh.scenario import Scenario


def write_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write a table as (Geo)Parquet."""
    with atomic(folder / f"{name}.parquet") as path:
        frame.to_parquet(path, compression="zstd")


# --- area ----------------------------------------------------------------------------------------


def read_area(scenario: Scenario, municipalities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The municipalities of the plan, clipped to its bounds.

    Raises
    ------
    ScenarioError
        If nothing is left, or more than ``area.max_cells``.
    """
    area = scenario.area
    chosen = municipalities
    if area.municipalities:
        unknown = [
            code
            for code in area.municipalities
            if not municipalities.index.str.startswith(code).any()
        ]
        if unknown:
            raise ScenarioError(
                Problem(
                    Text(
                        "no municipality has such a code", "このコードで始まる市区町村がありません"
                    ),
                    value=", ".join(unknown),
                    expected=", ".join(municipalities.index[:30]),
                    where="area.municipalities",
                )
            )
        chosen = municipalities[municipalities.index.str.startswith(tuple(area.municipalities))]
    if area.bounds is not None:
        box = gpd.GeoSeries([shapely.box(*area.bounds).segmentize(0.01)], crs="EPSG:6668")
        chosen = gpd.clip(chosen, box.to_crs(scenario.crs)).sort_index()
    chosen = chosen[~chosen.is_empty & (chosen.area > 0)]
    if chosen.empty:
        west, south, east, north = municipalities.to_crs("EPSG:6668").total_bounds
        raise ScenarioError(
            Problem(
                Text("the area is empty", "対象区域が空です"),
                value=list(area.bounds or ()),
                where="area.bounds",
                fix=Text(
                    "the boundaries lie between longitude {west:.2f} and {east:.2f}, "
                    "latitude {south:.2f} and {north:.2f}",
                    "境界データの範囲は 経度{west:.2f}〜{east:.2f}、緯度{south:.2f}〜{north:.2f} です",
                    west=west,
                    east=east,
                    south=south,
                    north=north,
                ),
            )
        )
    problems = too_many_cells(area, chosen)
    if problems:
        raise ScenarioError(*problems)
    return schemas.conform(chosen, "municipalities")


def area(context: Context) -> dict[str, Any]:
    """Municipalities and the plan's grid."""
    scenario = context.scenario
    municipalities = read_area(scenario, context.all_municipalities)
    grid = Grid.around(tuple(municipalities.total_bounds), scenario.area.cell_size_m, scenario.crs)
    write_table(municipalities, context.folder, "municipalities")
    return {
        "municipalities": len(municipalities),
        "area_km2": round(float(municipalities.area.sum()) / 1e6, 3),
        "grid": asdict(grid),
    }


# --- assets --------------------------------------------------------------------------------------


def read_registers(scenario: Scenario) -> list[inventory.Register]:
    """Every register of the scenario.

    Raises
    ------
    InputError
        With the problems of all registers: unreadable, or without a single position.
    """
    registers: list[inventory.Register] = []
    problems: list[Problem] = []
    for source in scenario.assets:
        try:
            register = inventory.read_assets(
                source.path,
                mapping=source.mapping,
                crs=source.crs,
                kind=source.kind,
                owner=source.owner,
                synthetic=source.synthetic,
                plan_crs=scenario.crs,
            )
        except InputError as error:
            problems += error.problems
            continue
        if scenario.inventory.geocoder is not None:
            register = inventory.geocode(register, scenario.inventory.geocoder)
        if register.rows and register.assets.empty:
            problems.append(
                Problem(
                    Text(
                        "no record of the register has a usable position",
                        "位置の使える行が1行もありません",
                    ),
                    where=source.path.name,
                    fix=Text(
                        "see: tdh check --mapping {file}; name the columns of latitude and "
                        "longitude in mapping = {{…}}, or add coordinates",
                        "tdh check --mapping {file} で列の対応を確認し、mapping = {{…}} で緯度・経度の"
                        "列を指定するか、座標を加えてください",
                        file=source.path.name,
                    ),
                )
            )
        registers.append(register)
    if problems:
        raise InputError(*problems)
    return registers


def assets(context: Context) -> dict[str, Any]:
    """Registers to assets with heights, kinds and municipalities."""
    with inventory.kinds.extended(*context.scenario.inventory.kinds):
        register = inventory.concat(read_registers(context.scenario))
        found, more = inventory.complete(
            register.assets, context.surface, context.all_municipalities
        )
    unique = inventory.deduplicate(found)
    found, accepted = unique.assets, len(found)
    inside = found.geometry.within(context.run.municipalities.union_all())
    found["in_area"] = inside.to_numpy()
    usable = found["in_area"] & (found["placement"] != "none")
    if not usable.any():
        raise InputError(
            Problem(
                Text(
                    "no asset on which an antenna can stand lies in the area",
                    "対象区域内に、アンテナを置けるアセットがありません",
                ),
                value=Text(
                    "{n} assets, {m} of them in the area",
                    "アセット{n}件のうち区域内{m}件",
                    n=len(found),
                    m=int(inside.sum()),
                ),
                where="assets",
                fix=Text("widen the area or add registers", "区域を広げるか、台帳を加えてください"),
            )
        )
    found = schemas.conform(found, "assets")
    findings = pd.concat([register.findings, more], ignore_index=True)
    write_table(found, context.folder, "assets")
    for name, frame in (
        ("findings", schemas.conform(findings, "findings")),
        ("rejected", register.rejected),
        ("merged", unique.matches),
        ("needs_position", pd.DataFrame(register.needs_position)),
    ):
        with atomic(context.folder / f"{name}.csv") as path:
            frame.to_csv(path, index=name == "needs_position", encoding="utf-8-sig")
    return {
        "rows": register.rows,
        "accepted": accepted,
        "merged": len(unique.matches),
        "assets": len(found),
        "rejected": len(register.rejected),
        "needs_position": len(register.needs_position),
        "in_area": int(inside.sum()),
        "candidates": int(usable.sum()),
        "findings": {k: int(v) for k, v in findings["rule"].value_counts().items()},
    }


# --- cells ---------------------------------------------------------------------------------------


def cells(context: Context) -> dict[str, Any]:
    """The plan's cells, with people."""
    population = demand.read_population(context.scenario.demand.population)
    table = demand.make_cells(context.grid, context.run.municipalities, population, context.surface)
    if not table["population"].sum() > 0:
        raise InputError(
            Problem(
                Text("nobody lives in the area", "対象区域の人口が0人です"),
                where=context.scenario.demand.population.name,
                fix=Text(
                    "the population's meshes do not meet the area: another 1st-order mesh?",
                    "人口メッシュが区域と重なっていません。1次メッシュを確認してください",
                ),
            )
        )
    write_table(table, context.folder, "cells")
    return {"cells": len(table), "people": round(float(table["population"].sum()), 1)}


def places(context: Context) -> dict[str, Any]:
    """Places that must be served, where the scenario names any."""
    target = context.folder / "places.parquet"
    context.run.__dict__.pop("places", None)  # read again below, not what an earlier run had
    if not context.scenario.places:
        target.unlink(missing_ok=True)
        return {"places": 0}
    read = demand.read_places(context.scenario.places, context.scenario.crs)
    inside = read.places.within(context.run.municipalities.union_all())
    write_table(read.places[inside], context.folder, "places")
    return {
        "rows": read.rows,
        "without_position": read.without_position,
        "outside": int((~inside).sum()),
        "places": int(inside.sum()),
    }


# --- coverage ------------------------------------------------------------------------------------


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
            _write_signal(context, carrier_id, band_id, "before", rsrp)
            share = float((rsrp >= band.covered_dbm).mean())
            facts[carrier_id][band_id] = {"sites": len(sites), "area_covered": round(share, 4)}
    with_sites = [frame for frame in kept if len(frame)] or kept[:1]
    merged = gpd.GeoDataFrame(pd.concat(with_sites), geometry="geometry", crs=scenario.crs)
    write_table(schemas.conform(merged, "sites"), context.folder, "sites")
    return facts


def _write_signal(context: Context, carrier: str, band: str, when: str, values: np.ndarray) -> None:
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


# --- gaps -----------------------------------------------------------------------------


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


# --- plan ----------------------------------------------------------------------------------------


def plan(context: Context) -> dict[str, Any]:
    """Which assets to offer to which carriers, and how near that is to the best possible."""
    scenario, run = context.scenario, context.run
    carriers = [c.id for c in scenario.carriers]
    ids, footprints = carrier_footprints(context)
    unmet = gaps.unmet_matrix(run.gaps, run.cells, carriers)
    wanted = np.flatnonzero(unmet.sum(axis=0) > 0)
    clipped = [footprints[c][:, wanted].tocsr() for c in carriers]
    offered = run.assets.loc[ids]
    limits: dict[str, Any] = {
        "max_sites": [c.max_sites for c in scenario.carriers],
        "sharing_capacity": scenario.siting.sharing_capacity,
        "xy_m": np.column_stack([offered.geometry.x, offered.geometry.y]),
        "spacing_m": scenario.siting.spacing_m,
        "fixed": choices(scenario, ids, offer=True),
        "forbidden": choices(scenario, ids, offer=False),
    }
    solution = siting.solve_allocation(clipped, unmet[:, wanted], seed=scenario.seed, **limits)
    broken = siting.verify(solution, clipped, unmet[:, wanted], **limits)
    if broken:
        raise TdhError(*broken)
    table = _plan_table(context, solution.assignments, ids, carriers)
    write_table(table, context.folder, "plan")
    _write_after(context, table)
    summary = _summary(context, solution, table)
    with atomic(context.folder / "plan.json") as path:
        path.write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")
    return {key: summary[key] for key in ("status", "method", "objective", "bound", "gap")}


def choices(scenario: Scenario, ids: pd.Index, *, offer: bool) -> np.ndarray | None:
    """The planner's own decisions as pairs (carrier, asset), by position; None: there are none.

    Raises
    ------
    ScenarioError
        If an asset that is to be offered is no candidate.
    """
    wanted = [c for c in scenario.siting.choices if c.offer is offer]
    unknown = [c.asset for c in wanted if c.asset not in ids]
    if unknown and offer:
        raise ScenarioError(
            *(
                Problem(
                    Text(
                        "the asset is no candidate: not in the area, or no antenna can stand on it",
                        "候補ではありません(区域外か、アンテナを置けません)",
                    ),
                    value=asset,
                    expected=", ".join(difflib.get_close_matches(asset, ids, n=3)) or None,
                    where="siting.choices",
                )
                for asset in unknown
            )
        )
    carriers = [c.id for c in scenario.carriers]
    pairs = [(carriers.index(c.carrier), ids.get_loc(c.asset)) for c in wanted if c.asset in ids]
    return np.array(pairs, dtype=np.int64) if pairs else None


def _plan_table(
    context: Context, assignments: pd.DataFrame, ids: pd.Index, carriers: list[str]
) -> gpd.GeoDataFrame:
    table = pd.DataFrame(
        {
            "asset_id": ids.to_numpy()[assignments["site"].to_numpy(int)],
            "carrier_id": np.array(carriers)[assignments["carrier"].to_numpy(int)],
            "people_gained": assignments["gain"].to_numpy(float),
            "people_lost_without": assignments["loss_without"].to_numpy(float),
            "order": assignments["order"].to_numpy(int),
        }
    )
    table["order"] = table.groupby("carrier_id")["order"].rank(method="first").astype(int)
    table = table.sort_values(["carrier_id", "order"], ignore_index=True)
    bands = {c.id: ",".join(c.band_ids) for c in context.scenario.carriers}
    table["bands"] = table["carrier_id"].map(bands)
    words = [
        Text(
            "Choice {order} for the carrier: serves {gained:,.0f} people who are in its gap and whom "
            "no earlier choice serves; {lost:,.0f} of them depend on this site alone",
            "この事業者の第{order}選択。先に選んだ局では届かない未充足人口{gained:,.0f}人を新たに"
            "カバーし、うち{lost:,.0f}人はこの局だけが頼りです",
            order=row.order,
            gained=row.people_gained,
            lost=min(row.people_lost_without, row.people_gained),
        )
        for row in table.itertuples()
    ]
    table["reason_en"] = [text.render("en") for text in words]
    table["reason_ja"] = [text.render("ja") for text in words]
    points = context.run.assets.geometry.reindex(table["asset_id"]).to_numpy()
    frame = gpd.GeoDataFrame(table, geometry=points, crs=context.scenario.crs)
    return schemas.conform(frame, "plan")


def _write_after(context: Context, table: pd.DataFrame) -> None:
    """Best server's signal with the plan's sites on air."""
    rows, cols = context.run.cells["row"].to_numpy(), context.run.cells["col"].to_numpy()
    for carrier, band in context.bands:
        before = context.run.signal(carrier, band, "before")[rows, cols]
        chosen = table.loc[table["carrier_id"] == carrier, "asset_id"]
        signals = Coverage.load(context.folder / f"footprints/{carrier}-{band}.npz")
        rows_of = signals.site_ids.get_indexer(chosen)
        on_air = replace(
            signals,
            site_ids=pd.Index(chosen),
            signal=signals.signal[rows_of],
            line_of_sight=None,
        )
        new = on_air.best_server()[0]
        _write_signal(context, carrier, band, "after", np.fmax(before, new))


def _summary(context: Context, solution: siting.Plan, table: pd.DataFrame) -> dict[str, Any]:
    """``plan.json``; the gap after the plan is counted again from the rasters, not from the solver."""
    scenario = context.scenario
    before = _people(context.run.gaps)
    after = _people(find_gaps(context, "after"))
    closed = sum(before.values()) - sum(after.values())
    if abs(closed - solution.objective) > 1e-6 * max(1.0, closed):
        raise TdhError(
            Problem(
                Text(
                    "the plan's objective differs from a recount on the rasters of after",
                    "計画の目的関数値と、計画後ラスタからの再集計が一致しません",
                ),
                value=solution.objective,
                expected=f"{closed:.6f}",
                where="plan",
            )
        )
    people = float(context.run.cells["population"].sum())
    shares = scenario.market_shares
    per_carrier = {}
    for carrier in scenario.carriers:
        customers = people * shares[carrier.id]
        per_carrier[carrier.id] = {
            "bands": carrier.band_ids,
            "max_sites": carrier.max_sites,
            "sites": int((table["carrier_id"] == carrier.id).sum()),
            "people": customers,
            "people_in_gap_before": before.get(carrier.id, 0.0),
            "people_in_gap_after": after.get(carrier.id, 0.0),
            "covered_share_before": 1 - before.get(carrier.id, 0.0) / customers,
            "covered_share_after": 1 - after.get(carrier.id, 0.0) / customers,
        }
    return {
        "status": str(solution.status),
        "method": solution.method,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap,
        "people": people,
        "people_in_gap_before": sum(before.values()),
        "people_in_gap_after": sum(after.values()),
        "carriers": per_carrier,
        "sharing_capacity": scenario.siting.sharing_capacity,
        "spacing_m": scenario.siting.spacing_m,
        "seed": scenario.seed,
    }


def _people(table: pd.DataFrame) -> Mapping[str, float]:
    sums = table.groupby("carrier_id", observed=True)["unmet_people"].sum()
    return {str(carrier): float(value) for carrier, value in sums.items()}
