"""What maps and reports both show of a run: who is served where, sums by municipality, colours.

Everything is derived from the tables and rasters of a run, so that a map and a report of the same
run never disagree.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Literal, Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio.features
import shapely
from scipy import ndimage

from tdh.grid import Grid
from tdh.language import Language, Text
from tdh.radio.bands import Band

When = Literal["before", "after"]

# Okabe and Ito's palette, which readers with any common colour blindness tell apart; black and
# yellow are left out, for they vanish on text and on paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#e69f00", "#56b4e9", "#882255", "#44aa99")

GAP_COLOUR = "#c8470b"
CLOSED_COLOUR = "#0f6cbd"
SERVED_COLOUR = "#dbe7ef"

SHAPES = ("circle", "square", "triangle", "diamond", "pentagon", "cross")


class CarrierLike(Protocol):
    """What is read of a carrier."""

    id: str
    name: str
    bands: list[str]
    max_sites: int
    market_share: float
    synthetic: bool


class RunLike(Protocol):
    """What is read of a run; ``tdh.results.Run`` has it all."""

    name: str
    crs: str
    summary: dict
    manifest: dict

    @property
    def synthetic(self) -> bool: ...
    @property
    def notices(self) -> list[Text]: ...
    @property
    def attributions(self) -> list[str]: ...
    @property
    def grid(self) -> Grid: ...
    @property
    def carriers(self) -> list: ...
    @property
    def bands(self) -> dict[tuple[str, str], Band]: ...
    @property
    def assets(self) -> gpd.GeoDataFrame: ...
    @property
    def sites(self) -> gpd.GeoDataFrame: ...
    @property
    def municipalities(self) -> gpd.GeoDataFrame: ...
    @property
    def cells(self) -> gpd.GeoDataFrame: ...
    @property
    def scores(self) -> pd.DataFrame: ...
    @property
    def plan(self) -> gpd.GeoDataFrame: ...
    @property
    def findings(self) -> pd.DataFrame: ...

    def signal(self, carrier: str, band: str, when: When = "before") -> np.ndarray: ...


@dataclass(frozen=True)
class Service:
    """Whether each cell is served, per carrier.

    Attributes
    ----------
    served : dict
        (carrier, when) to an array of bool, one value a cell of ``run.cells``: some band of the
        carrier reaches its level ``covered_dbm`` there.
    """

    served: dict[tuple[str, str], np.ndarray]

    def count(self, when: When) -> np.ndarray:
        """How many carriers serve each cell."""
        parts = [values for (_, w), values in self.served.items() if w == when]
        return np.asarray(np.sum(parts, axis=0, dtype=np.int64))


def service(run: RunLike) -> Service:
    """Who serves each cell before and after the plan."""
    rows, cols = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    served: dict[tuple[str, str], np.ndarray] = {}
    times: tuple[When, When] = ("before", "after")
    for (carrier, band_id), band in run.bands.items():
        for when in times:
            # A comparison with NaN is false: nothing received is not served.
            reached = run.signal(carrier, band_id, when)[rows, cols] >= band.covered_dbm
            key = (carrier, when)
            served[key] = reached | served[key] if key in served else reached
    return Service(served)


def by_municipality(run: RunLike, found: Service | None = None) -> pd.DataFrame:
    """People of each carrier in each municipality, and how many of them are in its gap.

    Returns
    -------
    DataFrame
        One row per municipality and carrier, in the order of both: municipality_code,
        municipality, carrier_id, people (residents times market share), gap_before, gap_after
        (people), sites (assets offered).
    """
    found = found or service(run)
    cells = run.cells
    codes = cells["municipality_code"].to_numpy(dtype=object)
    population = cells["population"].to_numpy()
    where = run.assets["municipality_code"].reindex(run.plan["asset_id"]).to_numpy(dtype=object)
    frames = []
    for carrier in run.carriers:
        people = population * carrier.market_share
        sums = pd.DataFrame(
            {
                "people": people,
                "gap_before": np.where(found.served[carrier.id, "before"], 0.0, people),
                "gap_after": np.where(found.served[carrier.id, "after"], 0.0, people),
            }
        )
        table = sums.groupby(codes).sum().reindex(run.municipalities.index, fill_value=0.0)
        mine = pd.Series(where[(run.plan["carrier_id"] == carrier.id).to_numpy()])
        table["sites"] = mine.value_counts().reindex(table.index, fill_value=0)
        table.insert(0, "carrier_id", carrier.id)
        table.insert(0, "municipality", run.municipalities["municipality"])
        table.index.name = "municipality_code"
        frames.append(table.reset_index())
    return pd.concat(frames, ignore_index=True)


def gap_regions(run: RunLike, found: Service | None = None, most: int = 40) -> gpd.GeoDataFrame:
    """Where gaps remain after the plan: connected gap cells of each carrier, most people first.

    Parameters
    ----------
    most : int
        Most regions a carrier.

    Returns
    -------
    GeoDataFrame
        carrier_id, rank (1 is the most people), people (residents times market share), area_ha,
        cells, municipality_code (of the cell with the most people) and geometry in the plan's CRS.
        Cells that touch at a corner belong together; regions without people are left out.
    """
    found = found or service(run)
    grid, cells = run.grid, run.cells
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    population = cells["population"].to_numpy()
    codes = cells["municipality_code"].to_numpy(dtype=object)
    records: list[dict[str, object]] = []
    for carrier in run.carriers:
        gap = ~found.served[carrier.id, "after"]
        image = np.zeros(grid.shape, dtype=bool)
        image[rows[gap], cols[gap]] = True
        labels, count = ndimage.label(image, structure=np.ones((3, 3)))
        of_cell = labels[rows, cols]
        people = np.bincount(of_cell, population * carrier.market_share, count + 1)
        sizes = np.bincount(of_cell, minlength=count + 1)
        people[0] = 0.0
        order = np.argsort(-people, kind="stable")[:most]
        order = order[people[order] > 0]
        rank = np.zeros(count + 1, dtype=np.int32)
        rank[order] = np.arange(1, len(order) + 1)
        ranked = rank[labels]
        parts: dict[int, list[object]] = {}
        for shape, value in rasterio.features.shapes(
            ranked, mask=ranked > 0, transform=grid.transform, connectivity=4
        ):
            parts.setdefault(int(value), []).append(shapely.geometry.shape(shape))
        for k, label in enumerate(order, 1):
            mine = np.flatnonzero(of_cell == label)
            records.append(
                {
                    "carrier_id": carrier.id,
                    "rank": k,
                    "people": float(people[label]),
                    "area_ha": float(sizes[label]) * grid.cell_size_m**2 / 1e4,
                    "cells": int(sizes[label]),
                    "municipality_code": codes[mine[np.argmax(population[mine])]],
                    "geometry": shapely.union_all(parts[k]),
                }
            )
    columns = ["carrier_id", "rank", "people", "area_ha", "cells", "municipality_code", "geometry"]
    return gpd.GeoDataFrame(
        pd.DataFrame(records, columns=columns), geometry="geometry", crs=run.crs
    )


def todays_regions(
    run: RunLike, found: Service | None = None, most: int = 40
) -> gpd.GeoDataFrame | None:
    """Today's gaps as areas, with their reasons: the largest of table ``gap_regions``.

    Parameters
    ----------
    most : int
        Most regions of a carrier, of each number of carriers that are to serve, and of low
        throughput: what is measured stands apart from what is predicted, with ranks of its own.

    Returns
    -------
    GeoDataFrame or None
        The table's columns of the regions in which all bands are counted, index region_id, most
        people first within carrier and number; with ``rank`` (1 is the most people) and
        ``unmet_after``: those of ``unmet_people`` who are still in a gap with the plan (NaN: not
        known, a gap of capacity). None in a run without the table.
    """
    table = getattr(run, "gap_regions", None)
    if table is None:
        return None
    found = found or service(run)
    table = table[table["band_class"].isna() | (table["band_class"] == "")]
    who = table["carrier_id"].fillna("").astype(str)
    table = table.assign(carrier_id=who).sort_values("unmet_people", ascending=False, kind="stable")
    cells, shares = run.cells, {c.id: c.market_share for c in run.carriers}
    rows, cols = cells["row"].to_numpy(), cells["col"].to_numpy()
    population, count = cells["population"].to_numpy(), found.count("after")
    parts = []
    slow = table["reason"] == "capacity"
    for (carrier, least, _), mine in table.groupby(["carrier_id", "at_least", slow], sort=False):
        mine = mine.head(most).copy()
        mine["rank"] = np.arange(1, len(mine) + 1)
        mine["unmet_after"] = np.nan
        known = (mine["reason"] != "capacity").to_numpy()
        if known.any():
            shapes = zip(mine.geometry[known], np.flatnonzero(known) + 1, strict=True)
            inside = rasterio.features.rasterize(
                shapes, run.grid.shape, transform=run.grid.transform, dtype="int32"
            )[rows, cols]
            short = ~found.served[carrier, "after"] if carrier else count < least
            people = population * short * shares.get(carrier, 1.0)
            left = np.bincount(inside, people, len(mine) + 1)[1:]
            mine.loc[known, "unmet_after"] = left[known]
        parts.append(mine)
    return (
        gpd.GeoDataFrame(pd.concat(parts), crs=run.crs)
        if parts
        else table.assign(rank=0, unmet_after=np.nan)
    )


def colours(run: RunLike) -> dict[str, str]:
    """Carrier to its colour, in the order of the scenario."""
    return {c.id: COLOURS[i % len(COLOURS)] for i, c in enumerate(run.carriers)}


EVIDENCE = {
    "measured": Text("measured", "実測"),
    "declared": Text("declared", "公表"),
    "predicted": Text("predicted", "予測"),
    "estimated": Text("estimated sites", "推定局からの予測"),
    "none": Text("nothing received or known", "受信なし・不明"),
}
"""Kinds of evidence, the strongest first, as people read them."""


def best_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Each asset's best score over carriers, and whose it is; index asset_id."""
    order = scores.sort_values(["score", "carrier_id"], ascending=[False, True], kind="stable")
    best = order.drop_duplicates("asset_id").set_index("asset_id")
    return best[["carrier_id", "score", "people_newly_served"]]


@cache
def kind_labels(language: Language) -> dict[str, str]:
    """Kind of asset to its label, from the inventory's table of kinds."""
    with files("tdh.inventory").joinpath("kinds.csv").open(encoding="utf-8") as handle:
        table = pd.read_csv(handle, usecols=["kind", f"label_{language}"], dtype=str)
    return dict(zip(table["kind"], table[f"label_{language}"], strict=True))


PLACEMENTS: dict[str, Text] = {
    "roof": Text("roof", "屋上"),
    "pole": Text("pole", "柱"),
    "ground": Text("ground", "地上"),
    "none": Text("not usable", "設置不可"),
}

STATUSES: dict[str, Text] = {
    "optimal": Text("proven optimal", "最適であることを証明済み"),
    "feasible": Text("feasible, with a proven bound", "実行可能解(上界を証明済み)"),
}


def status(value: str) -> Text:
    """A solver's status in words."""
    return STATUSES.get(value, Text(value, value))


def made_on(run: RunLike) -> str:
    """The date of a run, as YYYY-MM-DD; of today while the run is still being made."""
    created = str(run.manifest.get("created", ""))[:10]
    if created:
        return created
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.date().isoformat()


_OBJECTIVES = {
    "places": Text("Places in a gap, by priority", "ギャップにある重点施設(優先度の合計)"),
    "any_carrier": Text("People whom nobody serves today", "現在どの事業者も届かない人口"),
    "two_carriers": Text(
        "People whom fewer than two carriers serve today", "現在2社以上が届いていない人口"
    ),
    "worst_municipality": Text(
        "Share of its gap that is closed in the municipality that gets least",
        "最も少ない市区町村での、不足人口のうち解消される割合",
    ),
    "people": Text("People in a gap", "不足人口"),
}


def objective(name: str) -> Text:
    """An objective of the plan in words."""
    return _OBJECTIVES.get(name, Text(name, name))


def amount(objective: str, value: float) -> str:
    """How much a plan has of an objective, or may have: a number, or a share in per cent."""
    return f"{value:.2%}" if objective == "worst_municipality" else f"{value:,.1f}"
