"""The stage of scores: all that a run knows of what each asset would close."""

from __future__ import annotations

from typing import Any

import numpy as np

from tdh import coverage, gaps, scoring
from tdh.coverage import Coverage
from tdh.pipeline import covered
from tdh.pipeline.context import Context, write_table

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
    }
    assets_of = run.assets.loc[ids]
    table = scoring.score_assets(
        assets_of,
        footprints,
        unmet,
        market_share=scenario.market_shares,
        more={"quality": _quality(context)},
        **common,
    )
    table["stays_in_top"] = scoring.stability(
        table, scenario.scoring.top, samples=STABILITY_DRAWS, seed=scenario.seed
    )
    write_table(table, context.folder, "scores")
    public = scoring.score_public(assets_of, footprints, unmet, **common)
    write_table(public, context.folder, "scores_public")
    parts = [c for c in table.columns if c.startswith("contribution_")]
    silent = [c.removeprefix("contribution_") for c in parts if not (table[c] > 0).any()]
    return {"rows": len(table), "components_without_points": silent}


def place_priorities(context: Context) -> np.ndarray | None:
    """The priorities of places that must be served, summed by cell; None: there are none."""
    places = context.run.places
    if places is None or places.empty:
        return None
    grid, table = context.grid, context.run.cells
    row, col = grid.rowcol(places.geometry.x.to_numpy(), places.geometry.y.to_numpy())
    inside = grid.contains(row, col)
    sums = np.zeros(grid.shape)
    np.add.at(sums, (row[inside], col[inside]), places["priority"].to_numpy()[inside])
    of_cells: np.ndarray = sums[table["row"].to_numpy(), table["col"].to_numpy()]
    return of_cells


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
