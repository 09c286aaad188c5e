"""Table ``gap_regions`` counted again: each outline drawn on the cells, what lies in it and beside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from rasterio import features
from scipy import ndimage, spatial

from tdh import demand
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline.tallies import MOST_NAMED, Ground, Tally, compared, noted

_UNRECEIVED_DB = 30.0  # what counts as missing where nothing is received, and the most that counts


class _Asked(NamedTuple):
    """Carrier and class of bands (empty: all), how many carriers are to serve, and the gap.

    ``lack_db`` is what is missing to the threshold in each cell, ``gap`` which cells count.
    """

    carrier: str
    band_class: str
    at_least: int
    slow: bool
    lack_db: np.ndarray
    gap: np.ndarray

    @property
    def where(self) -> str:
        name = self.carrier or ("capacity" if self.slow else f"< {self.at_least}")
        return f"gap_regions ({name}{self.band_class and f', {self.band_class}'})"


def gap_regions(ground: Ground) -> Tally:
    """Table ``gap_regions``: each outline drawn on the cells, and what lies in it summed.

    The reasons of single cells need the radio model and are not counted again; that they add up
    to the region's people is, and that its reason is the one of most of them.
    """
    table = ground.run.gap_regions
    assert table is not None
    regions = table.fillna({"band_class": "", "carrier_id": ""})
    slow = regions["reason"] == "capacity"
    keys = [regions["carrier_id"], regions["band_class"], regions["at_least"], slow]
    told = dict(iter(regions.groupby(keys, sort=False)))
    counted, problems = [], []
    for asked in _questions(ground):
        own = told.get(asked[:4], regions.iloc[:0])
        rows, inside = _inside(ground, own, asked)
        counted.append(rows)
        problems += _parted(ground, asked, inside)
    what = Text(
        "cells, area, people, places, shortfall, nearest sites and sums of reasons of gap regions, "
        "from their outlines",
        "不足区域のセル数・面積・人口・施設・不足量・最寄り局・理由別の合計を、区域の図形から",
    )
    reasons = [c for c in table if c.startswith("people_")]
    said = pd.DataFrame(regions.drop(columns="geometry"))
    said["people_of_reasons"] = table[reasons].sum(axis=1, skipna=False).where(~slow)
    all_rows = pd.concat([c for c in counted if len(c)] or counted[:1])
    all_rows["people_of_reasons"] = all_rows["unmet_people"].where(~slow)
    tally = compared("gap_regions", what, said, all_rows)
    people = table.loc[~slow & (table["unmet_people"] > 0), [*reasons, "reason"]]
    named = [row.get(f"people_{row['reason']}", 0.0) for _, row in people.iterrows()]
    least = np.array(named, dtype=float) < people[reasons].max(axis=1) - 1e-6
    unlike = Text("the reason is not that of most of its people", "理由が最多人口の理由と違います")
    problems += [
        Problem(unlike, value=people.loc[region, "reason"], where=f"gap_regions ({region}): reason")
        for region in people.index[least][:MOST_NAMED]
    ]
    tally.problems.extend(problems)
    return tally


def _questions(ground: Ground) -> list[_Asked]:
    """Every question of which a run tells the regions."""
    run, n = ground.run, len(ground.people)
    classes = sorted({band.band_class for band in run.bands.values()})
    names, found = [c.id for c in run.carriers], []
    for band_class in ["", *(classes if len(classes) > 1 else [])]:
        lacks, held = np.full((len(names), n), _UNRECEIVED_DB, dtype=np.float32), set()
        for (carrier, band), own in run.bands.items():
            if band_class in ("", own.band_class):
                held.add(carrier)
                lack = np.float32(own.covered_dbm) - ground.level(carrier, band, "before")
                lacks[names.index(carrier)] = np.minimum(lacks[names.index(carrier)], lack)
        for lack, carrier in zip(lacks, names, strict=True):
            if carrier in held:
                found.append(_Asked(carrier, band_class, 1, False, lack, lack > 0))
        of_kth = np.sort(lacks, axis=0)
        for k in range(1, min(2, len(names)) + 1):
            found.append(_Asked("", band_class, k, False, of_kth[k - 1], of_kth[k - 1] > 0))
        if band_class == "" and run.throughput is not None:
            slow = _slow(ground) & (of_kth[0] <= 0)
            found.append(_Asked("", "", 1, True, of_kth[0], slow))
    return found


def _slow(ground: Ground) -> np.ndarray:
    """Cells whose measured download, weighted by tests, is below the scenario's least."""
    run = ground.run
    assert run.throughput is not None
    table = run.throughput.assign(sum=run.throughput["tests"] * run.throughput["download_mbps"])
    sums = table.groupby("cell_id")[["sum", "tests"]].sum().reindex(run.cells.index)
    least = run.scenario.gaps.least_download_mbps
    return (sums["sum"] < least * sums["tests"]).to_numpy()


def _inside(ground: Ground, own: pd.DataFrame, asked: _Asked) -> tuple[pd.DataFrame, np.ndarray]:
    """What lies in regions of one question, and the region of each cell (0: none)."""
    run, size = ground.run, ground.run.grid.cell_size_m
    numbers = range(1, len(own) + 1)
    drawn = np.zeros(run.grid.shape, dtype="int32")
    if len(own):
        shapes = zip(own.geometry, numbers, strict=True)
        drawn = features.rasterize(
            shapes, run.grid.shape, transform=run.grid.transform, dtype="int32"
        )
    at = drawn[ground.row, ground.col]
    share = ground.shares[asked.carrier] if asked.carrier else 1.0
    frame = pd.DataFrame({"cells": 1.0, "shortfall_db": np.maximum(asked.lack_db, 0.0)})
    frame["shortfall_db"] = frame["shortfall_db"].astype(float)
    for column, people in ground.moments.items():
        frame[column.replace("population", "unmet_people")] = people * share
    sums = frame.groupby(at).sum().reindex(numbers, fill_value=0.0)
    for moment in demand.MOMENTS:
        if f"unmet_people_{moment}" not in sums:
            sums[f"unmet_people_{moment}"] = np.nan
    sums["area_m2"] = sums["cells"] * size**2
    sums["shortfall_db"] /= sums["cells"]
    codes = pd.DataFrame({"region": at, "code": ground.municipality})[at > 0].value_counts()
    codes = codes.reset_index().sort_values(
        ["region", "count", "code"], ascending=[True, False, True]
    )
    sums["municipality_code"] = codes.drop_duplicates("region").set_index("region")["code"]
    sums["municipality"] = sums["municipality_code"].map(run.municipalities["municipality"])
    keys = _bands(ground, asked)
    levels = {run.bands[key].covered_dbm for key in keys}
    sums["threshold_dbm"] = levels.pop() if len(levels) == 1 else np.nan
    sums["nearest_site_m"] = _nearest(ground, own, asked, at).reindex(sums.index)
    sums["places"] = np.nan
    if run.places is not None:
        ranked = run.places.sort_values("priority", ascending=False, kind="stable")
        col = np.floor((ranked.geometry.x - run.grid.x_min_m) / size).astype(int)
        row = np.floor((run.grid.y_max_m - ranked.geometry.y) / size).astype(int)
        seen = (col >= 0) & (col < run.grid.n_cols) & (row >= 0) & (row < run.grid.n_rows)
        cells = np.zeros(run.grid.shape, dtype=drawn.dtype)
        cells[ground.row, ground.col] = at
        within = cells[row[seen], col[seen]]
        words = ranked["name"].fillna(ranked.index.to_series())[seen].astype(str)
        sums["places"] = pd.Series(within).value_counts().reindex(numbers, fill_value=0)
        sums["place_names"] = words.groupby(within).agg("、".join).reindex(numbers)
    return sums.set_axis(own.index), at


def _bands(ground: Ground, asked: _Asked) -> list[tuple[str, str]]:
    return [
        (carrier, band)
        for (carrier, band), own in ground.run.bands.items()
        if asked.carrier in ("", carrier) and asked.band_class in ("", own.band_class)
    ]


def _nearest(ground: Ground, own: pd.DataFrame, asked: _Asked, at: np.ndarray) -> pd.Series:
    """From each region's middle cell to the nearest site; of several carriers', the k-th.

    Where several cells are as near to the centre of gravity the one that is told is meant.
    """
    run, size = ground.run, ground.run.grid.cell_size_m
    cells = pd.DataFrame({"region": at, "row": ground.row, "col": ground.col})[at > 0]
    means = cells.groupby("region")[["row", "col"]].transform("mean")
    off = ((cells[["row", "col"]] - means) ** 2).sum(axis=1)
    cells = cells[off <= off.groupby(cells["region"]).transform("min") + 1e-6]
    x = run.grid.x_min_m + (cells["col"].to_numpy() + 0.5) * size
    y = run.grid.y_max_m - (cells["row"].to_numpy() + 0.5) * size
    keys, far = pd.MultiIndex.from_tuples(_bands(ground, asked)), []
    sites = run.sites[pd.MultiIndex.from_frame(run.sites[["carrier_id", "band"]]).isin(keys)]
    for carrier in [asked.carrier] if asked.carrier else [c.id for c in run.carriers]:
        points = sites.geometry[sites["carrier_id"] == carrier]
        xy = np.column_stack([points.x, points.y])
        distance = spatial.KDTree(xy).query(np.column_stack([x, y]))[0] if len(xy) else np.inf
        far.append(np.broadcast_to(distance, x.shape))
    kth = np.sort(np.array(far), axis=0)[asked.at_least - 1]
    found = cells.assign(m=np.where(np.isinf(kth), np.nan, kth))
    told = own["nearest_site_m"].set_axis(range(1, len(own) + 1))
    found["apart"] = (found["m"] - found["region"].map(told)).abs()
    return found.sort_values("apart").drop_duplicates("region").set_index("region")["m"]


def _parted(ground: Ground, asked: _Asked, inside: np.ndarray) -> list[Problem]:
    """Cells in a region that are no gap, gaps that lie in none, and regions that do not hang
    together as the gap does."""
    raster = np.zeros(ground.run.grid.shape, dtype=bool)
    raster[ground.row, ground.col] = asked.gap
    labels, n = ndimage.label(raster)
    size = np.bincount(labels.ravel(), minlength=n + 1)
    label = labels[ground.row, ground.col]
    large = asked.gap & (size[label] >= ground.run.scenario.gaps.least_cells)
    pairs = pd.DataFrame({"label": label, "region": inside})[(inside > 0) & large]
    pairs = pairs.drop_duplicates()
    apart = pairs[pairs.duplicated("label", keep=False) | pairs.duplicated("region", keep=False)]
    ids = ground.run.cells.index
    return [
        p
        for what, cells in (
            (
                Text("cells of gap regions are no gap", "不足ではないセルが含まれます"),
                (inside > 0) & ~asked.gap,
            ),
            (
                Text("cells of gaps lie in no region", "不足のセルがどの区域にも入っていません"),
                (inside == 0) & large,
            ),
            (
                Text(
                    "regions are not the parts of the gap that hang together",
                    "区域が不足セルのつながりと一致しません",
                ),
                np.isin(np.arange(len(ids)), apart.index),
            ),
        )
        for p in noted(what, ids[cells].tolist(), asked.where)
    ]
