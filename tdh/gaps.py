"""Who is not served: cells in which none of a carrier's bands reaches its threshold.

A cell is a carrier's gap if no band of the carrier reaches its threshold there; the people who
miss something are the residents times the carrier's market share. Nobody lives in many a gap
cell: such rows are kept, for a gap is also a place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import ndimage
from scipy.special import ndtr

from tdh import schemas
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text

Signals = Mapping[tuple[str, str], np.ndarray]

REASONS = {
    "no_site_near": Text("no site near", "近くに基地局なし"),
    "blocked": Text("a site is near, its signal is blocked", "基地局は近いが遮られている"),
    "indoors_only": Text("indoors only", "屋内のみ"),
    "capacity": Text("signal is there, throughput is low", "電波は届くが速度が不足"),
}
"""Why a region is a gap: values of ``gap_regions.reason`` in words."""
CAUSES = ("", "indoors_only", "blocked", "no_site_near")
"""Why a cell is a gap, from served (0) to what takes most to mend."""
INDOORS_ONLY, BLOCKED, NO_SITE_NEAR = 1, 2, 3

_PEOPLE = {
    "population": "unmet_people",
    "population_day": "unmet_people_day",
    "population_night": "unmet_people_night",
    "population_disaster": "unmet_people_disaster",
}

Thresholds = Mapping[str, float] | Mapping[tuple[str, str], float]


def find(
    cells: pd.DataFrame,
    signals: Signals,
    thresholds_dbm: Thresholds,
    market_share: Mapping[str, float],
) -> pd.DataFrame:
    """The cells that each carrier does not serve.

    Parameters
    ----------
    cells : DataFrame
        Table ``cells``.
    signals : mapping of (carrier, band) to ndarray of float, shape (n_cells,)
        Best server's SS-RSRP in dBm; NaN where nothing is received.
    thresholds_dbm : mapping of band, or of (carrier, band), to float
        Level from which a cell is served; reaching it is enough.
    market_share : mapping of carrier to float
        Share of residents who are the carrier's customers. A carrier without any signal serves
        nobody: all cells are its gap.

    Returns
    -------
    DataFrame
        Table ``gaps``: one row per carrier and cell, in the order of ``market_share`` and of the
        cells. ``cell_id``, ``carrier_id`` and ``band`` are categories: a table may have millions
        of rows. The band is the one that lacks least.

    Raises
    ------
    InputError
        If a signal has no threshold, no market share or the wrong length.
    """
    _check(cells, signals, thresholds_dbm, market_share)
    population = cells["population"].to_numpy(dtype=float)
    bands = list(dict.fromkeys(band for _, band in signals))
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("cell", "carrier", "band", "rsrp", "shortfall", "people")
    }
    for number, (carrier, share) in enumerate(market_share.items()):
        nearest, rsrp, shortfall = _nearest_band(
            len(cells), carrier, signals, thresholds_dbm, bands
        )
        gap = np.flatnonzero(~(shortfall <= 0))
        columns["cell"].append(gap.astype(np.int32))
        columns["carrier"].append(np.full(gap.size, number, dtype=np.int8))
        columns["band"].append(nearest[gap])
        columns["rsrp"].append(rsrp[gap].astype(float))
        columns["shortfall"].append(shortfall[gap].astype(float))
        columns["people"].append(population[gap] * share)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    identifiers = cells.index.astype("str")
    table = pd.DataFrame(
        {
            "cell_id": pd.Categorical.from_codes(joined["cell"], categories=identifiers),
            "carrier_id": pd.Categorical.from_codes(
                joined["carrier"], categories=pd.Index(list(market_share), dtype="str")
            ),
            "band": pd.Categorical.from_codes(
                joined["band"], categories=pd.Index(bands, dtype="str")
            ),
            "rsrp_dbm": joined["rsrp"],
            "shortfall_db": joined["shortfall"],
            "unmet_people": joined["people"],
        }
    )
    return schemas.conform(table, "gaps")


def _nearest_band(
    n: int, carrier: str, signals: Signals, thresholds_dbm: Thresholds, bands: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Band that lacks least (−1: none is received), its signal, and what it lacks (NaN: all)."""
    nearest = np.full(n, -1, dtype=np.int8)
    rsrp = np.full(n, np.nan)
    shortfall = np.full(n, np.nan)
    for number, band in enumerate(bands):
        if (carrier, band) not in signals:
            continue
        own, threshold = (
            np.asarray(signals[carrier, band]),
            threshold_of(thresholds_dbm, carrier, band),
        )
        # A signal that was stored as just the threshold reaches it, whatever became of its digits.
        lacks = np.result_type(own, np.float32).type(threshold).astype(float) - own.astype(float)
        better = ~np.isnan(own) & ~(shortfall <= lacks)
        nearest[better] = number
        rsrp[better] = own[better]
        shortfall[better] = lacks[better]
    return nearest, rsrp, shortfall


def threshold_of(thresholds_dbm: Thresholds, carrier: str, band: str) -> float:
    """The threshold of a carrier's band: its own, or the band's."""
    both: Mapping[object, float] = thresholds_dbm  # type: ignore[assignment]
    return float(both[carrier, band] if (carrier, band) in both else both[band])


def _check(
    cells: pd.DataFrame,
    signals: Signals,
    thresholds_dbm: Thresholds,
    market_share: Mapping[str, float],
) -> None:
    problems = []
    for (carrier, band), values in signals.items():
        where = f"{carrier}, {band}"
        if carrier not in market_share:
            problems.append(
                Problem(
                    Text("the carrier has no market share", "市場シェアがありません"), where=where
                )
            )
        if (carrier, band) not in thresholds_dbm and band not in thresholds_dbm:
            problems.append(
                Problem(Text("the band has no threshold", "しきい値がありません"), where=where)
            )
        if np.shape(values) != (len(cells),):
            problems.append(
                Problem(
                    Text("signals and cells differ in number", "信号とセルの数が違います"),
                    value=np.shape(values),
                    expected=(len(cells),),  # type: ignore[arg-type]
                    where=where,
                )
            )
    if problems:
        raise InputError(*problems)


def unmet_matrix(gaps: pd.DataFrame, cells: pd.DataFrame, carriers: Sequence[str]) -> np.ndarray:
    """Unmet people as a matrix.

    Parameters
    ----------
    gaps, cells : DataFrame
        Tables ``gaps`` and ``cells``.
    carriers : sequence of str
        Carriers in the order of the rows; others' gaps are left out.

    Returns
    -------
    ndarray of float64, shape (n_carriers, n_cells)
        0 where the carrier serves the cell (and where nobody lives: see :func:`gap_matrix`).

    Raises
    ------
    InputError
        If ``gaps`` names a cell that is not in ``cells``.
    """
    row, col = _places(gaps, cells, carriers)
    unmet = np.zeros((len(carriers), len(cells)))
    kept = row >= 0
    unmet[row[kept], col[kept]] = gaps["unmet_people"].to_numpy(float)[kept]
    return unmet


def gap_matrix(gaps: pd.DataFrame, cells: pd.DataFrame, carriers: Sequence[str]) -> np.ndarray:
    """Which cells are which carrier's gap, inhabited or not: bool, (n_carriers, n_cells)."""
    row, col = _places(gaps, cells, carriers)
    matrix = np.zeros((len(carriers), len(cells)), dtype=bool)
    kept = row >= 0
    matrix[row[kept], col[kept]] = True
    return matrix


def people_matrix(
    gaps: pd.DataFrame,
    cells: pd.DataFrame,
    carriers: Sequence[str],
    market_share: Mapping[str, float],
    column: str,
) -> np.ndarray | None:
    """Customers in each carrier's gap of another column of people, (n_carriers, n_cells).

    None if ``cells`` has no such column: people by day, or in a disaster, were not named.
    """
    if column not in cells:
        return None
    share = np.array([market_share[c] for c in carriers])
    gap = gap_matrix(gaps, cells, carriers)
    return gap * cells[column].to_numpy(dtype=float) * share[:, None]


def _places(
    gaps: pd.DataFrame, cells: pd.DataFrame, carriers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Row (−1: another carrier's) and column of each gap in a matrix of carriers and cells."""
    col = _positions(gaps["cell_id"], pd.Index(cells.index))
    if (col < 0).any():
        unknown = gaps["cell_id"][col < 0]
        raise InputError(
            Problem(
                Text(
                    "{n} gaps lie in unknown cells", "不明なセルが {n} 件あります", n=len(unknown)
                ),
                value=unknown.iloc[:3].astype("str").tolist(),
                where="gaps.cell_id",
            )
        )
    return _positions(gaps["carrier_id"], pd.Index(list(carriers))), col


def _positions(names: pd.Series, index: pd.Index) -> np.ndarray:
    """Position of each name in an index, by categories where there are some."""
    if isinstance(names.dtype, pd.CategoricalDtype):
        of_category = index.get_indexer(names.cat.categories)
        return np.asarray(of_category)[names.cat.codes.to_numpy()]
    return np.asarray(index.get_indexer(names))


def deficit(cells: pd.DataFrame, unmet: np.ndarray, share: float) -> np.ndarray:
    """How far each cell's municipality is served worse than the carrier's mean: 0 to 1.

    ``(u − ū) / (1 − ū)`` for the unserved shares of customers u of the municipality and ū of all;
    0 where it is served at least as well, 1 where nobody is served.

    Returns
    -------
    ndarray of float64, shape (n_cells,)
    """
    code, _ = pd.factorize(cells["municipality_code"], use_na_sentinel=False)
    customers = np.bincount(code, cells["population"].to_numpy(float) * share)
    missing = np.bincount(code, unmet)
    rate = np.divide(missing, customers, out=np.zeros_like(missing), where=customers > 0)
    mean = missing.sum() / customers.sum() if customers.sum() > 0 else 0.0
    if mean >= 1.0:
        return np.zeros(len(cells))
    worse: np.ndarray = np.clip((rate - mean) / (1.0 - mean), 0.0, 1.0)[code]
    return worse


def carriers_serving(
    signals: Signals, thresholds_dbm: Thresholds, carriers: Iterable[str] | None = None
) -> np.ndarray:
    """How many carriers serve each cell with at least one of the given bands: int16, (n_cells,).

    ``>= 1`` is coverage by any carrier; the programme's goal for 2030 is ``>= 2``. Give the
    signals of one class of bands (sub6, mmW) to count that class alone.
    """
    wanted = list(dict.fromkeys(c for c, _ in signals)) if carriers is None else list(carriers)
    n = len(next(iter(signals.values()))) if signals else 0
    count = np.zeros(n, dtype=np.int16)
    for carrier in wanted:
        served = np.zeros(n, dtype=bool)
        for (owner, band), values in signals.items():
            if owner == carrier:
                served |= np.asarray(values) >= threshold_of(thresholds_dbm, carrier, band)
        count += served
    return count


def probability_at_least(
    medians_dbm: np.ndarray,
    thresholds_dbm: np.ndarray,
    sigma_db: float,
    k: int = 1,
    correlation: float = 0.0,
) -> np.ndarray:
    """The probability that at least k of several signals reach their thresholds.

    Parameters
    ----------
    medians_dbm : ndarray, shape (n_signals, n_cells)
        Predicted medians; NaN where nothing is received.
    thresholds_dbm : ndarray, shape (n_signals,)
    sigma_db : float
        Standard deviation of shadow fading.
    k : int
        1: any carrier.
    correlation : float
        Of the fading of any two of the signals, 0 (independent) to below 1.

    Returns
    -------
    ndarray of float64, shape (n_cells,)
        By the recursion of the Poisson binomial distribution.

    Examples
    --------
    >>> probability_at_least(np.array([[-110.0], [-110.0]]), np.array([-110.0, -110.0]), 6.0)
    array([0.75])
    """
    medians = np.atleast_2d(np.asarray(medians_dbm, dtype=float))
    margin = (medians - np.asarray(thresholds_dbm, dtype=float)[:, None]) / sigma_db
    return probability_of_margins(margin, k, correlation)


def probability_of_margins(
    margins: np.ndarray, k: int = 1, correlation: float = 0.0, chunk: int = 100_000
) -> np.ndarray:
    """The probability that at least k signals fade by less than their margins.

    Parameters
    ----------
    margins : ndarray, shape (n_signals, n_cells)
        In standard deviations of the fading; infinite: certain, NaN: never.
    k : int
    correlation : float
        Of the fading of any two signals, 0 to below 1: the root of it is common to all, and given
        the common part they fail independently (integrated with 9 Gauss-Hermite points, 41 for
        correlations above 0.5).
    chunk : int
        Cells that are worked on at a time.

    Returns
    -------
    ndarray of float64, shape (n_cells,)
    """
    nodes, weights = np.zeros(1), np.ones(1)
    if correlation > 0:
        nodes, weights = np.polynomial.hermite_e.hermegauss(9 if correlation <= 0.5 else 41)
        weights = weights / weights.sum()
    out = np.empty(margins.shape[1])
    for start in range(0, margins.shape[1], chunk):
        part = np.asarray(margins[:, start : start + chunk], dtype=float)
        part = np.where(np.isnan(part), -np.inf, part)
        below = np.zeros(part.shape[1])
        for node, weight in zip(nodes, weights, strict=True):
            common = np.sqrt(correlation) * node
            exactly = np.zeros((k, part.shape[1]))
            exactly[0] = 1.0
            for p in ndtr((part + common) / np.sqrt(1.0 - correlation)):
                lower = np.vstack([np.zeros((1, p.size)), exactly[:-1]])
                exactly = exactly * (1 - p) + lower * p
            below += weight * exactly.sum(axis=0)
        out[start : start + chunk] = np.clip(1.0 - below, 0.0, 1.0)
    return out


def causes(
    gap: np.ndarray, *, outdoors: np.ndarray, usual: np.ndarray, near: np.ndarray
) -> np.ndarray:
    """Why cells are gaps: the first of these that holds, as a position in :data:`CAUSES`.

    Parameters
    ----------
    gap : ndarray of bool, shape (n_cells,)
    outdoors : ndarray of bool, shape (n_cells,)
        The receiver is indoors, and outdoors the level would be enough: ``indoors_only``.
    usual, near : ndarray of bool, shape (n_cells,)
        A site at its distance would usually be enough, or stands near: ``blocked``.

    Returns
    -------
    ndarray of uint8, shape (n_cells,)

    Examples
    --------
    >>> no, yes = np.array([False, False]), np.array([True, False])
    >>> causes(~no, outdoors=no, usual=yes, near=no).tolist()
    [2, 3]
    """
    reasons = [INDOORS_ONLY, BLOCKED]
    cause = np.select([outdoors, usual | near], reasons, NO_SITE_NEAR)
    return np.where(gap, cause, 0).astype(np.uint8)


def regions(
    mask: np.ndarray,
    cells: pd.DataFrame,
    grid: Grid,
    lack_db: np.ndarray,
    cause: np.ndarray | None = None,
    *,
    share: float = 1.0,
    least_cells: int = 4,
) -> tuple[np.ndarray, gpd.GeoDataFrame]:
    """Gaps as areas: cells that touch side by side, with their people and a reason.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_cells,)
        The gap.
    cells : DataFrame
        Table ``cells``.
    grid : Grid
        The plan's grid.
    lack_db : ndarray of float, shape (n_cells,)
        What is missing to the threshold; below 0 counts as 0.
    cause : ndarray of uint8, shape (n_cells,), optional
        As of :func:`causes`. A region's reason is that of most of its people (of its cells, where
        nobody lives); without causes it is ``capacity``.
    share : float
        Of the residents who count.
    least_cells : int
        Smaller regions are left out.

    Returns
    -------
    region : ndarray of int64, shape (n_cells,)
        Region of each cell, from 0; −1 outside of all.
    table : GeoDataFrame
        The columns of ``gap_regions`` that follow from the cells, in the order of the regions.
    """
    region, outlines = connected(mask, cells, grid, least_cells)
    n, at = len(outlines), np.flatnonzero(region >= 0)
    own = region[at]
    count = np.bincount(own, minlength=n)
    columns: dict[str, object] = {
        "cells": count,
        "area_m2": count * grid.cell_size_m**2,
        "shortfall_db": np.bincount(own, np.clip(lack_db[at], 0, None), minlength=n) / count,
        "reason": "capacity",
    }
    for column, target in _PEOPLE.items():
        known = column in cells
        people = cells[column].to_numpy(float)[at] if known else np.full(at.size, np.nan)
        columns[target] = np.bincount(own, people, minlength=n) * share
    if cause is not None:
        kinds = len(CAUSES)
        place, people = own * kinds + cause[at], cells["population"].to_numpy(float)[at]
        by_cells = np.bincount(place, minlength=n * kinds).reshape(n, kinds)
        by_people = np.bincount(place, people, minlength=n * kinds).reshape(n, kinds)
        inhabited = by_people.sum(axis=1, keepdims=True) > 0
        most = np.where(inhabited, by_people, by_cells).argmax(axis=1)
        columns["reason"] = np.array(CAUSES)[most]
        for number, name in enumerate(CAUSES[1:], 1):
            columns[f"people_{name}"] = by_people[:, number] * share
    return region, gpd.GeoDataFrame(columns, index=range(n), geometry=outlines, crs=grid.crs)


def connected(
    mask: np.ndarray, cells: pd.DataFrame, grid: Grid, least_cells: int = 1
) -> tuple[np.ndarray, list[shapely.Geometry]]:
    """Cells that touch side by side, as regions.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_cells,)
    cells : DataFrame
        Table ``cells``.
    grid : Grid
    least_cells : int
        Smaller regions are left out.

    Returns
    -------
    region : ndarray of int64, shape (n_cells,)
        Region of each cell, from 0; −1 outside of all.
    outlines : list of Polygon or MultiPolygon
        By region, in the plan's CRS; none is empty.
    """
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    raster = np.zeros(grid.shape, dtype=bool)
    raster[rows, cols] = mask
    labels, n = ndimage.label(raster)
    kept = np.flatnonzero(np.bincount(labels.ravel(), minlength=n + 1)[1:] >= least_cells)
    number = np.full(n + 1, -1, dtype=np.int64)
    number[kept + 1] = np.arange(kept.size)
    return number[labels[rows, cols]], _outlines(labels, kept, grid)


def middles(region: np.ndarray, cells: pd.DataFrame) -> np.ndarray:
    """Position of each region's cell nearest to its centre of gravity: int64, (n_regions,)."""
    at = np.flatnonzero(region >= 0)
    if at.size == 0:
        return at
    rows, cols = cells["row"].to_numpy()[at], cells["col"].to_numpy()[at]
    n = int(region.max()) + 1
    middle: np.ndarray = at[_middle_cells(region[at], rows, cols, n)]
    return middle


def _middle_cells(label: np.ndarray, row: np.ndarray, col: np.ndarray, n: int) -> np.ndarray:
    """Of each region the position of the cell nearest to its centre of gravity."""
    count = np.bincount(label, minlength=n)
    mean_row = np.bincount(label, row, minlength=n) / count
    mean_col = np.bincount(label, col, minlength=n) / count
    far = (row - mean_row[label]) ** 2 + (col - mean_col[label]) ** 2
    order = np.lexsort((far, label))
    first = np.searchsorted(label[order], np.arange(n))
    middle: np.ndarray = order[first]
    return middle


def nearest_m(sites: gpd.GeoDataFrame, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance from points to the nearest site in metres; infinite where there is none."""
    if sites.empty or x.size == 0:
        return np.full(x.size, np.inf)
    tree = shapely.STRtree(sites.geometry.to_numpy())
    points = shapely.points(x, y)
    _, distance = tree.query_nearest(points, return_distance=True, all_matches=False)
    return np.asarray(distance, dtype=float)


def _outlines(labels: np.ndarray, kept: np.ndarray, grid: Grid) -> list[shapely.Geometry]:
    """Regions' cells as polygons, by merging runs of cells along the rows."""
    wanted = np.zeros(int(labels.max(initial=0)) + 1, dtype=bool)
    wanted[kept + 1] = True
    masked = np.where(wanted[labels], labels, 0)
    edge = np.diff(masked, axis=1, prepend=-1) != 0
    row, start = np.nonzero(edge)
    last = np.append(np.diff(row) > 0, True)
    end = np.where(last, grid.n_cols, np.append(start[1:], 0))
    label = masked[row, start]
    run = label > 0
    row, start, end, label = row[run], start[run], end[run], label[run]
    size = grid.cell_size_m
    top = grid.y_max_m - row * size
    boxes = shapely.box(grid.x_min_m + start * size, top - size, grid.x_min_m + end * size, top)
    order = np.argsort(label, kind="stable")
    pieces = np.split(boxes[order], np.flatnonzero(np.diff(label[order])) + 1)
    return [shapely.union_all(part) for part in pieces] if kept.size else []
