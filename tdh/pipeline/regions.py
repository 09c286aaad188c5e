"""The stage of gaps as areas: what lies in each, and why it is a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import gaps, schemas
from tdh.pipeline import causes
from tdh.pipeline.context import Context, write_table
from tdh.results import Run

UNRECEIVED_DB = 30.0
"""What counts as missing where nothing is received, and the most that counts."""


def gap_regions(context: Context) -> dict[str, Any]:
    """Write today's gaps as areas."""
    table = find(context.run, causes.of_cells(context.run, context.surface, context.model))
    write_table(table, context.folder, "gap_regions")
    return {"regions": len(table), "reasons": table["reason"].value_counts().to_dict()}


def find(run: Run, why: causes.Causes) -> gpd.GeoDataFrame:
    """Today's gaps as areas, per carrier and for fewer than 1 and fewer than 2 carriers.

    Each is told for all bands, and for each class of bands where the run has several. Its reason
    is the one that holds for most of its people (of its cells, where nobody lives); of several
    bands or carriers a cell has that of the one that takes least to mend, where k carriers are to
    serve of the k-th. A region is of ``capacity`` if at least one carrier serves its cells, yet
    the download measured there (table ``throughput``, the mean of a cell's tiles weighted by their
    tests) is below ``gaps.least_download_mbps``. Such tests are of all carriers together, so no
    carrier is named. Without ``[[throughput]]`` it is never given.

    Parameters
    ----------
    run : Run
        As far as places and present coverage.
    why : mapping of (carrier, band) to ndarray of uint8, shape (n_cells,)
        Why each cell is a gap: :func:`tdh.pipeline.causes.of_cells`.

    Returns
    -------
    GeoDataFrame
        Table ``gap_regions``, most people first.
    """
    cells, settings = run.cells, run.scenario.gaps
    lacks = _lacks(run)
    carriers = [c.id for c in run.carriers]
    shares = run.scenario.market_shares
    classes = sorted({band.band_class for band in run.bands.values()})
    frames = []
    for name in ["", *(classes if len(classes) > 1 else [])]:
        wanted = [k for k, band in run.bands.items() if name in ("", band.band_class)]
        own = {c: [k for k in wanted if k[0] == c] for c in carriers}
        # What each carrier lacks in the band that lacks least; a carrier without such a band, all.
        least = np.full((len(carriers), len(cells)), UNRECEIVED_DB, dtype=np.float32)
        cause = np.full(least.shape, gaps.NO_SITE_NEAR, dtype=np.uint8)
        for number, keys in enumerate(own.values()):
            for key in keys:
                np.fmin(least[number], lacks[key], out=least[number])
                np.minimum(cause[number], why[key], out=cause[number])
        for number, carrier in enumerate(carriers):
            if own[carrier]:
                asked = _Asked(run, carrier, name, 1, own[carrier])
                frames.append(asked.regions(least[number], cause[number], shares[carrier]))
        ordered, of_carriers = np.sort(least, axis=0), np.sort(cause, axis=0)
        for k in range(1, min(2, len(carriers)) + 1):
            asked = _Asked(run, "", name, k, wanted)
            frames.append(asked.regions(ordered[k - 1], of_carriers[k - 1], 1.0))
        if name == "" and run.throughput is not None:
            slow = _slow(run, settings.least_download_mbps) & (ordered[0] <= 0)
            asked = _Asked(run, "", name, 1, wanted)
            frames.append(asked.regions(ordered[0], of_carriers[0], 1.0, slow))
    merged = pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
    order = ["unmet_people", "carrier_id", "band_class", "at_least", "cells"]
    merged = merged.sort_values(
        order, ascending=[False, True, True, True, False], kind="stable", ignore_index=True
    )
    merged.index = pd.Index([f"gap-{i:06d}" for i in range(1, len(merged) + 1)], dtype="str")
    merged.index.name = "region_id"
    return schemas.conform(
        gpd.GeoDataFrame(merged, geometry="geometry", crs=run.crs), "gap_regions"
    )


def _lacks(run: Run) -> dict[tuple[str, str], np.ndarray]:
    """What each band lacks to its threshold in dB, float32 (n_cells,); NaN: nothing received."""
    rows, cols = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    return {
        key: np.float32(band.covered_dbm) - run.signal(*key)[rows, cols]
        for key, band in run.bands.items()
    }


def _slow(run: Run, least_mbps: float) -> np.ndarray:
    """Cells whose measured download is below a level: bool, (n_cells,)."""
    table = run.throughput
    assert table is not None
    at = run.cells.index.get_indexer(table["cell_id"].astype("str"))
    tests = table["tests"].to_numpy(float)
    weight = np.bincount(at, tests, minlength=len(run.cells))
    total = np.bincount(at, tests * table["download_mbps"].to_numpy(), minlength=len(run.cells))
    return (weight > 0) & (total < least_mbps * weight)


class _Asked:
    """One question: whose gap, in which class of bands, by how many carriers."""

    def __init__(
        self,
        run: Run,
        carrier: str,
        band_class: str,
        at_least: int,
        keys: Sequence[tuple[str, str]],
    ) -> None:
        self.run, self.keys = run, keys
        self.carrier, self.band_class, self.at_least = carrier, band_class, at_least

    def regions(
        self,
        lack_db: np.ndarray,
        cause: np.ndarray,
        share: float,
        slow: np.ndarray | None = None,
    ) -> gpd.GeoDataFrame:
        """Rows of table ``gap_regions``, of slow cells if they are given."""
        run, cells = self.run, self.run.cells
        region, table = gaps.regions(
            lack_db > 0 if slow is None else slow,
            cells,
            run.grid,
            lack_db,
            cause if slow is None else None,
            share=share,
            least_cells=run.scenario.gaps.least_cells,
        )
        n, at = len(table), np.flatnonzero(region >= 0)
        distance = self._distance_m(gaps.middles(region, cells))
        levels = {run.bands[key].covered_dbm for key in self.keys}
        codes = _most_common(region[at], cells["municipality_code"].iloc[at], n)
        return table.assign(
            carrier_id=self.carrier,
            band_class=self.band_class,
            at_least=self.at_least,
            threshold_dbm=levels.pop() if len(levels) == 1 else np.nan,
            nearest_site_m=np.where(np.isinf(distance), np.nan, distance),
            municipality_code=codes,
            municipality=codes.map(_municipality_names(run)).to_numpy(),
            **_places_inside(run, region, n),
        )

    def _distance_m(self, middle: np.ndarray) -> np.ndarray:
        """From the regions' middle cells to the nearest site; of several carriers', the k-th."""
        cells, sites = self.run.cells, self.run.sites
        x, y = self.run.grid.centres(
            cells["row"].to_numpy()[middle], cells["col"].to_numpy()[middle]
        )
        key = pd.MultiIndex.from_arrays([sites["carrier_id"], sites["band"]])
        counted = sites[key.isin(list(self.keys))]
        carriers = [self.carrier] if self.carrier else [c.id for c in self.run.carriers]
        each = [gaps.nearest_m(counted[counted["carrier_id"] == c], x, y) for c in carriers]
        nearest: np.ndarray = np.sort(np.vstack(each), axis=0)[self.at_least - 1]
        return nearest


def _municipality_names(run: Run) -> dict[str, str]:
    table = run.municipalities
    return {str(k): str(v) for k, v in table["municipality"].items()}


def _most_common(region: np.ndarray, codes: pd.Series, n: int) -> pd.Series:
    """The municipality of most cells of each region; the lowest code of equals."""
    table = pd.DataFrame({"region": region, "code": codes.to_numpy()}).dropna()
    counts = table.groupby(["region", "code"]).size().reset_index(name="n")
    counts = counts.sort_values(["region", "n", "code"], ascending=[True, False, True])
    first = counts.drop_duplicates("region").set_index("region")["code"]
    return first.reindex(range(n))


def _places_inside(run: Run, region: np.ndarray, n: int) -> dict[str, Any]:
    """Number and names of the priority places in each region, by the cell in which each lies."""
    places = run.places
    if places is None:
        return {}
    grid = run.grid
    raster = np.full(grid.shape, -1, dtype=np.int64)
    raster[run.cells["row"].to_numpy(), run.cells["col"].to_numpy()] = region
    ranked = places.sort_values("priority", ascending=False, kind="stable")
    row, col = grid.rowcol(ranked.geometry.x.to_numpy(), ranked.geometry.y.to_numpy())
    inside = grid.contains(row, col)
    own = np.full(len(ranked), -1, dtype=np.int64)
    own[inside] = raster[row[inside], col[inside]]
    names = ranked["name"].fillna(ranked.index.to_series()).astype("str")
    listed = names[own >= 0].groupby(own[own >= 0]).agg("、".join)
    return {
        "places": np.bincount(own[own >= 0], minlength=n),
        "place_names": listed.reindex(range(n)).to_numpy(dtype=object),
    }
