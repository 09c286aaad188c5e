"""What an offered asset is for: the cut from it to the people whom it would serve most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tdh import coverage, measurements
from tdh.coverage import Link

if TYPE_CHECKING:
    from tdh.radio.bands import Band
    from tdh.results import Run
    from tdh.surface import Surface

MOST_POINTS = 120
"""Points of a drawn profile; a longer one is thinned, its roofs kept."""


def links(
    run: Run,
    carrier_id: str,
    asset_ids: list[str],
    unmet: np.ndarray,
    bands: Mapping[str, Band],
    surface: Surface | None,
) -> dict[str, Link]:
    """For each asset the link to the cell with most unmet people that it would serve.

    Everything is the carrier's own: its footprints, gap, bands and antennas. In the highest of its
    bands that serves the cell from there. Empty without a surface: there is nothing to draw.

    Parameters
    ----------
    run : Run
    carrier_id : str
    asset_ids : list of str
    unmet : ndarray of float64, shape (n_cells,)
        The carrier's unmet people.
    bands : mapping of str to Band
        The carrier's bands.
    surface : Surface or None
    """
    if surface is None or not asset_ids:
        return {}
    best = _best_cells(run, carrier_id, asset_ids, unmet, bands)
    chosen = np.unique([cell for cell, _ in best.values()]).astype(np.int64)
    height = run.scenario.coverage.receiver_height_m
    model = measurements.model_of(run.scenario)
    points = coverage.receivers(run.cells.iloc[chosen], surface, run.grid, height).points
    places = dict(zip(chosen.tolist(), points.tolist(), strict=True))
    sites = run.candidate_sites(carrier_id)
    found = {}
    for asset_id, (cell, band) in best.items():
        x, y, _ = places[cell]
        link = coverage.explain_link(
            sites,
            asset_id,
            x,
            y,
            surface,
            bands[band],
            receiver_height_m=height,
            model=model,
        )
        if link.profile is not None:
            link = replace(link, profile=link.profile.thinned(MOST_POINTS))
        found[asset_id] = link
    return found


def _best_cells(
    run: Run,
    carrier_id: str,
    asset_ids: list[str],
    unmet: np.ndarray,
    bands: Mapping[str, Band],
) -> dict[str, tuple[int, str]]:
    """Per asset the cell with most unmet people that it serves, and the band, highest first."""
    best: dict[str, tuple[int, str]] = {}
    for band_id in sorted(bands, key=lambda b: -bands[b].frequency_mhz):
        signals = run.footprint(carrier_id, band_id)
        rows = signals.site_ids.get_indexer(pd.Index(asset_ids))
        there = rows >= 0
        served = replace(
            signals,
            site_ids=signals.site_ids[rows[there]],
            signal=signals.signal[rows[there]],
            line_of_sight=None,
        ).footprint(bands[band_id].covered_dbm)
        columns = run.cells.index.get_indexer(signals.cell_ids)
        for i, at in enumerate(np.flatnonzero(there).tolist()):
            cells = columns[served.indices[served.indptr[i] : served.indptr[i + 1]]]
            if not cells.size:
                continue
            cell, asset_id = int(cells[np.argmax(unmet[cells])]), asset_ids[at]
            if unmet[cell] > (unmet[best[asset_id][0]] if asset_id in best else 0.0):
                best[asset_id] = (cell, band_id)
    return best
