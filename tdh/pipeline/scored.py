"""The stage of scores: all that a run knows of what each asset would close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import coverage, gaps, kpi, resilience, scoring
from tdh.coverage import Coverage
from tdh.pipeline import covered, rules, standing
from tdh.pipeline.context import Context, write_table
from tdh.results import Run

STABILITY_DRAWS = 200
"""Draws of uncertain weights."""


def scores(context: Context) -> dict[str, Any]:
    """What each asset would close for each carrier and for the public, and why that is its score."""
    run, scenario = context.run, context.scenario
    ids, footprints = covered.carrier_footprints(context)
    carriers = [c.id for c in scenario.carriers]
    unmet = gaps.unmet_matrix(run.gaps, run.cells, carriers)
    common: dict[str, Any] = {
        "weights": scenario.scoring.weights,
        "cells": run.cells,
        "gap_cells": gaps.gap_matrix(run.gaps, run.cells, carriers),
        "places": place_priorities(context),
        "daytime": gaps.people_matrix(
            run.gaps, run.cells, carriers, scenario.market_shares, "population_day"
        ),
    }
    assets_of = run.assets.loc[ids]
    more = {
        "quality": _quality(context),
        "installability": _installability(context, assets_of),
        **_if_sites_fail(context, footprints, assets_of),
    }
    cost = scoring.cheapness(assets_of, rules.cost_yen(scenario, assets_of))
    if cost is not None:
        more["cost"] = dict.fromkeys(carriers, cost)
    each = scoring.scored(
        assets_of,
        footprints,
        unmet,
        market_share=scenario.market_shares,
        more=more,
        **common,
    )
    together = {
        # The public counts every carrier's customers; a mast must be possible for all who come.
        name: (np.min if name in scoring.OWN_SCALE else np.sum)(list(of.values()), axis=0)
        for name, of in more.items()
    }
    public = scoring.scored_public(assets_of, footprints, unmet, more=together, **common)
    table = each.scores
    for name, found in (("scores", table), ("scores_public", public.scores)):
        found["stays_in_top"] = scoring.stability(
            found, scenario.scoring.top, samples=STABILITY_DRAWS, seed=scenario.seed
        )
        write_table(found, context.folder, name)
    weights = pd.concat([each.weights, public.weights], ignore_index=True)
    write_table(weights, context.folder, "score_weights")
    parts = [c for c in table.columns if c.startswith("contribution_")]
    silent = [c.removeprefix("contribution_") for c in parts if not (table[c] > 0).any()]
    return {"rows": len(table), "components_without_points": silent}


def _installability(context: Context, assets: gpd.GeoDataFrame) -> dict[str, np.ndarray]:
    """Per carrier, how easily its antennas stand there; less where people come too near."""
    near = context.run.candidates.set_index(["carrier_id", "asset_id"])["people_within_exposure"]
    return {
        carrier.id: scoring.installability(
            assets, near.loc[carrier.id].reindex(assets.index).to_numpy(dtype=bool)
        )
        for carrier in context.scenario.carriers
    }


def _if_sites_fail(
    context: Context, footprints: Mapping[str, sparse.csr_array], assets: gpd.GeoDataFrame
) -> dict[str, dict[str, np.ndarray]]:
    """Per carrier, customers who would have a second site, and whom each asset keeps if those
    around it fail; by what today's sites are predicted to serve."""
    people = context.run.cells["population"].to_numpy(float)
    xy = np.column_stack([assets.geometry.x.to_numpy(float), assets.geometry.y.to_numpy(float)])
    second, kept = {}, {}
    for carrier, footprint in footprints.items():
        customers = people * context.scenario.market_shares[carrier]
        today = standing.network(context.run, carrier)
        sites = today.footprint
        second[carrier] = scoring.second_cover(footprint, resilience.depth(sites), customers)
        kept[carrier] = scoring.kept_if_neighbours_fail(
            footprint, xy, sites, today.xy_m, customers, context.scenario.scoring.neighbours_m
        )
    return {"second_cover": second, "neighbours": kept}


def place_priorities(context: Context) -> np.ndarray | None:
    """The priorities of places that must be served, summed by cell; None: there are none."""
    return place_priorities_of(context.run)


def place_priorities_of(run: Run) -> np.ndarray | None:
    """As :func:`place_priorities`, of a finished run."""
    if run.places is None or run.places.empty:
        return None
    return _at_cells(run, run.places["priority"].to_numpy())


def place_counts(run: Run) -> np.ndarray:
    """How many places that must be served lie in each cell: float64, (n_cells,)."""
    n = 0 if run.places is None else len(run.places)
    return _at_cells(run, np.ones(n)) if n else np.zeros(len(run.cells))


def _at_cells(run: Run, values: np.ndarray) -> np.ndarray:
    """Values of the places, summed by cell."""
    assert run.places is not None
    at = kpi.place_at(run.places, run.cells, run.grid)
    inside = at >= 0
    sums: np.ndarray = np.bincount(at[inside], values[inside], len(run.cells))
    return sums


def _quality(context: Context) -> dict[str, np.ndarray]:
    """Per carrier, decibels times customers by which each asset lifts weak signals in its best band."""
    table = context.run.cells
    rows, cols = table["row"].to_numpy(), table["col"].to_numpy()
    levels = coverage.to_dbm(np.arange(256, dtype=np.uint8))
    lifts: dict[str, np.ndarray] = {}
    for (carrier, band_id), band in context.bands.items():
        signals = Coverage.load(context.folder / f"footprints/{carrier}-{band_id}.npz")
        lift = scoring.quality_lift(
            signals.signal,
            levels,
            context.run.signal(carrier, band_id, "before")[rows, cols],
            table["population"].to_numpy() * context.scenario.market_shares[carrier],
            band.good_dbm,
        )
        lifts[carrier] = lift if carrier not in lifts else np.maximum(lifts[carrier], lift)
    return lifts
