"""Table ``gap_regions`` counted again: each outline drawn on the cells, what lies in it and beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rasterio import features
from scipy import ndimage

from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline.tallies import MOST_NAMED, Ground, Tally, compared
from tdh.results import Run


def gap_regions(ground: Ground) -> Tally:
    """Table ``gap_regions``: each outline drawn on the cells, and what lies in it summed.

    The reasons of single cells need the radio model and are not counted again; that they add up
    to the region's people is, and that its reason is the one of most of them.
    """
    run = ground.run
    table = run.gap_regions
    assert table is not None
    regions = table.fillna({"band_class": "", "carrier_id": ""})
    slow = regions["reason"] == "capacity"
    what = Text(
        "cells, area, people, places and sums of reasons of gap regions, from their outlines",
        "不足区域のセル数・面積・人口・施設数・理由別の合計を、区域の図形から",
    )
    counted, problems = [], []
    names = ["carrier_id", "band_class", "at_least"]
    told = dict(iter(regions[~slow].groupby(names, sort=False)))
    for carrier, band_class, least in _questions(run):
        inside = np.zeros(len(ground.people), dtype=np.int32)
        if (carrier, band_class, least) in told:
            rows, inside = _inside(ground, told[carrier, band_class, least], carrier)
            counted.append(rows)
        gap = _gap(ground, carrier, band_class, least)
        where = f"gap_regions ({carrier or f'< {least}'}{band_class and f', {band_class}'})"
        problems += _left_out(ground, gap, inside, where)
    if slow.any():
        counted.append(_inside(ground, regions[slow], "")[0])
    reasons = [c for c in table if c.startswith("people_")]
    said = pd.DataFrame(table.drop(columns="geometry"))
    said["people_of_reasons"] = table[reasons].sum(axis=1).where(~slow)
    if counted:
        all_rows = pd.concat(counted)
        all_rows["people_of_reasons"] = all_rows["unmet_people"].where(~slow)
    else:
        all_rows = said.iloc[:0].select_dtypes("number")
    tally = compared("gap_regions", what, said, all_rows)
    people = table.loc[~slow & (table["unmet_people"] > 0), [*reasons, "reason"]]
    most = people[reasons].max(axis=1)
    named = people.apply(lambda r: r.get(f"people_{r['reason']}", 0.0), axis=1)
    own_people = named if len(people) else most
    tally.problems.extend(problems)
    for region in people.index[own_people < most - 1e-6][:MOST_NAMED]:
        tally.problems.append(
            Problem(
                Text(
                    "the reason is not that of most of its people",
                    "理由が最多人口の理由と違います",
                ),
                value=str(people.loc[region, "reason"]),
                where=f"gap_regions ({region}): reason",
            )
        )
    return tally


def _questions(run: Run) -> list[tuple[str, str, int]]:
    """Carrier (empty: all), class of bands (empty: all) and how many carriers are to serve."""
    held = {(carrier, band.band_class) for (carrier, _), band in run.bands.items()}
    classes = sorted({band_class for _, band_class in held})
    names = [c.id for c in run.carriers]
    return [
        question
        for band_class in ["", *(classes if len(classes) > 1 else [])]
        for question in (
            *((c, band_class, 1) for c in names if band_class == "" or (c, band_class) in held),
            *(("", band_class, k) for k in range(1, min(2, len(names)) + 1)),
        )
    ]


def _inside(ground: Ground, own: pd.DataFrame, carrier: str) -> tuple[pd.DataFrame, np.ndarray]:
    """What lies in regions of one question, and the region of each cell (0: none)."""
    run = ground.run
    shapes = zip(own.geometry, range(1, len(own) + 1), strict=True)
    drawn = features.rasterize(shapes, run.grid.shape, transform=run.grid.transform, dtype="int32")
    at = drawn[ground.row, ground.col]
    frame = pd.DataFrame({"cells": 1.0}, index=range(len(at)))
    share = ground.shares[carrier] if carrier else 1.0
    for column, people in ground.moments.items():
        frame[column.replace("population", "unmet_people")] = people * share
    sums = frame.groupby(at).sum().reindex(range(1, len(own) + 1), fill_value=0.0)
    sums["area_m2"] = sums["cells"] * run.grid.cell_size_m**2
    sums["places"] = np.nan
    if run.places is not None:
        size = run.grid.cell_size_m
        col = np.floor((run.places.geometry.x - run.grid.x_min_m) / size).astype(int)
        row = np.floor((run.grid.y_max_m - run.places.geometry.y) / size).astype(int)
        seen = (col >= 0) & (col < run.grid.n_cols) & (row >= 0) & (row < run.grid.n_rows)
        cells = np.zeros(run.grid.shape, dtype=drawn.dtype)
        cells[ground.row, ground.col] = at
        within = pd.Series(cells[row[seen], col[seen]])
        sums["places"] = within.value_counts().reindex(sums.index, fill_value=0).astype(float)
    return sums.set_axis(own.index), at


def _gap(ground: Ground, carrier: str, band_class: str, least: int) -> np.ndarray:
    """Cells that a carrier does not serve, or that fewer carriers than ``least`` do."""
    serving = ground.by_carrier("before", None if band_class == "" else [band_class])
    if carrier:
        return np.asarray(~serving[[c.id for c in ground.run.carriers].index(carrier)])
    return np.asarray(serving.sum(axis=0) < least)


def _left_out(ground: Ground, gap: np.ndarray, inside: np.ndarray, where: str) -> list[Problem]:
    """Cells in a region that are no gap, and gaps large enough for one that lie in none."""
    raster = np.zeros(ground.run.grid.shape, dtype=bool)
    raster[ground.row, ground.col] = gap & (inside == 0)
    labels, n = ndimage.label(raster)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    missed = int(sizes[sizes >= ground.run.scenario.gaps.least_cells].sum())
    wrong = int((~gap & (inside > 0)).sum())
    problems = []
    if wrong:
        what = Text(
            "{n} cells of gap regions are no gap", "不足ではないセルが{n}個含まれます", n=wrong
        )
        problems.append(Problem(what, where=where))
    if missed:
        what = Text(
            "{n} cells of gaps lie in no region",
            "不足のセル{n}個がどの区域にも入っていません",
            n=missed,
        )
        problems.append(Problem(what, where=where))
    return problems
