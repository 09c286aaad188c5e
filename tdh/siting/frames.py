"""Allocation of the assets of a GeoDataFrame: ids and geometries go in and come out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh.coverage import Coverage
from tdh.errors import TdhError
from tdh.siting.allocation import solve_allocation
from tdh.siting.explaining import explain_unchosen, named
from tdh.siting.inputs import Checks
from tdh.siting.plan import Plan
from tdh.siting.solving import Effort, Progress
from tdh.siting.verifying import verify


@dataclass(frozen=True, eq=False)
class SitePlan:
    """An allocation in the terms of its assets.

    Attributes
    ----------
    plan : Plan
        The allocation by position, with its bound, gap and status.
    carriers : tuple of str
        The carriers in the order of the plan's positions.
    chosen : GeoDataFrame
        One row a choice: asset_id, carrier_id, order, gain, loss_without (in the unit of the
        demand), cost and the asset's geometry.
    unchosen : GeoDataFrame
        One row a pair that was not chosen: asset_id, carrier_id, reason, by_asset_id (the asset in
        its way, None if none), gain, change, enters_at, enters_at_cost (see
        :func:`explain_unchosen`), cost, reason_en, reason_ja and geometry.
    """

    plan: Plan
    carriers: tuple[str, ...]
    chosen: gpd.GeoDataFrame
    unchosen: gpd.GeoDataFrame


def plan_sites(
    assets: gpd.GeoDataFrame,
    footprints: Mapping[str, Any],
    demand: pd.DataFrame,
    *,
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    spacing_m: float = 0.0,
    floors: Sequence[tuple[Any, ...]] | None = None,
    fixed: Iterable[tuple[str, Any]] = (),
    forbidden: Iterable[tuple[str, Any]] = (),
    cost: Any = None,
    budget: Any = None,
    programme_budget: float | None = None,
    seed: int = 0,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> SitePlan:
    """Which assets to offer to which carriers; formulation: :func:`solve_allocation`.

    Parameters
    ----------
    assets : GeoDataFrame
        The candidates; the index holds their ids. Spacing needs a projected CRS in metres; it is
        measured between the geometries' representative points.
    footprints : mapping
        Of each carrier a :class:`tdh.coverage.Coverage`, several of them (one a band; a cell is
        served in any), or a csr_array (rows as ``assets``, columns as ``demand``). Rows of a
        Coverage whose site is no asset do not count; an asset without a row serves no cell.
    demand : DataFrame
        Rows are cells (by id), columns the carriers: what is open, such as people in a gap.
    max_sites, budget : number or mapping carrier -> number, optional
        Most sites and cost of each carrier.
    sharing_capacity, cost : number, name of a column of ``assets``, or Series by asset, optional
        Most carriers on an asset; cost of a choice (also a DataFrame of assets by carriers).
    spacing_m : float
        Least distance between two sites of one carrier in metres.
    floors : sequence of (cells, need) or (cells, need, carrier), optional
        ``cells`` is a bool Series by cell, or an array in the order of ``demand``.
    fixed, forbidden : pairs (carrier, asset id)
        The planner's own choices.
    programme_budget, seed, effort, progress
        As for :func:`solve_allocation`.

    Returns
    -------
    SitePlan

    Raises
    ------
    InputError
        If ids, carriers or columns are unknown; all are named.
    InfeasibleError, NoSolutionError
        As :func:`solve_allocation`.

    Examples
    --------
    >>> roofs = gpd.GeoDataFrame(
    ...     {"rent": [2.0, 1.0]}, index=["R1", "R2"],
    ...     geometry=gpd.points_from_xy([0, 500], [0, 0]), crs=6677,
    ... )
    >>> near = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1]], dtype=bool))
    >>> people = pd.DataFrame({"a": [5.0, 1.0, 1.0]}, index=["m1", "m2", "m3"])
    >>> made = plan_sites(roofs, {"a": near}, people, max_sites=1, cost="rent")
    >>> made.chosen[["asset_id", "carrier_id", "gain", "cost"]].to_numpy().tolist()
    [['R1', 'a', 6.0, 2.0]]
    >>> made.unchosen["reason"].tolist(), made.unchosen["enters_at_cost"].tolist()
    (['budget'], [3.0])
    """
    reading = _Reading(assets, footprints, demand)
    limits: dict[str, Any] = {
        "max_sites": reading.by_carrier(max_sites, "max_sites"),
        "sharing_capacity": reading.by_asset(sharing_capacity, "sharing_capacity"),
        "xy_m": reading.points(spacing_m),
        "spacing_m": spacing_m,
        "floors": reading.floors(floors or ()),
        "fixed": reading.pairs(fixed, "fixed"),
        "forbidden": reading.pairs(forbidden, "forbidden"),
        "cost": None if cost is None else reading.by_asset(cost, "cost"),
        "budget": reading.by_carrier(budget, "budget"),
        "programme_budget": programme_budget,
    }
    rows, wanted = reading.matrices(), reading.demand()
    reading.checks.done()
    plan = solve_allocation(rows, wanted, seed=seed, effort=effort, progress=progress, **limits)
    broken = verify(plan, rows, wanted, **limits)
    if broken:
        raise TdhError(*broken)
    why = explain_unchosen(plan, rows, wanted, **limits)
    chosen, unchosen = reading.frame(plan.assignments, limits), reading.frame(why, limits)
    blocking = why["by"].to_numpy(dtype=np.int64)
    ids = assets.index.to_numpy(dtype=object)
    unchosen["by_asset_id"] = [ids[k] if k >= 0 else None for k in blocking]
    texts = [named(text, ids, reading.carriers) for text in why["text"]]
    unchosen["reason_en"] = [text.render("en") for text in texts]
    unchosen["reason_ja"] = [text.render("ja") for text in texts]
    front = ["asset_id", "carrier_id"]
    first = [*front, "order", "gain", "loss_without", "cost", "geometry"]
    second = [*front, "reason", "by_asset_id", "gain", "change", "enters_at", "enters_at_cost"]
    second += ["cost", "reason_en", "reason_ja", "geometry"]
    return SitePlan(plan, tuple(reading.carriers), chosen[first], unchosen[second])


class _Reading:
    """Ids to positions; collects what is wrong."""

    def __init__(
        self, assets: gpd.GeoDataFrame, footprints: Mapping[str, Any], demand: pd.DataFrame
    ) -> None:
        self.checks = Checks()
        self.assets, self.given, self.people = assets, footprints, demand
        self.carriers = [str(c) for c in footprints]
        for name, index in (("assets", assets.index), ("demand", demand.index)):
            if not index.is_unique:
                twice = index[index.duplicated()][:3].tolist()
                self.checks.add("an id occurs twice", "IDが重複しています", name, twice)
        for carrier in [c for c in footprints if c not in demand.columns]:
            self.unknown("demand", carrier, demand.columns)
        self.checks.done()

    def unknown(self, where: str, value: Any, known: Iterable[Any]) -> None:
        near = difflib.get_close_matches(str(value), [str(k) for k in known], n=3)
        self.checks.add("it is unknown", "未知の名前です", where, value, ", ".join(near) or None)

    def demand(self) -> np.ndarray:
        return self.people[list(self.given)].to_numpy(dtype=np.float64).T

    def matrices(self) -> list[sparse.csr_array]:
        shape = (len(self.assets), len(self.people))
        out = []
        for carrier, item in self.given.items():
            whole = sparse.csr_array(shape, dtype=bool)
            for part in [item] if isinstance(item, Coverage) or sparse.issparse(item) else item:
                if not isinstance(part, Coverage):
                    if part.shape != shape:
                        where = f"footprints[{carrier}]"
                        self.checks.add(
                            "it has the wrong shape", "形が違います", where, part.shape, shape
                        )
                        continue
                    served = sparse.csr_array(part).astype(bool)
                else:
                    served = self.aligned(part, str(carrier))
                whole = sparse.csr_array((whole + served).astype(bool))
            out.append(whole)
        return out

    def aligned(self, part: Coverage, carrier: str) -> sparse.csr_array:
        """A band's footprint with the rows of the assets and the columns of the demand."""
        served = part.footprint().tocoo()
        row = self.assets.index.get_indexer(part.site_ids)
        column = self.people.index.get_indexer(part.cell_ids)
        where = f"footprints[{carrier}]"
        if (row < 0).all() or (column < 0).all():
            self.checks.add(
                "no id of its sites, or of its cells, is known",
                "候補地またはセルのIDが一つも一致しません",
                where,
                [*part.site_ids[:2].tolist(), *part.cell_ids[:2].tolist()],
            )
        row, column = row[served.coords[0]], column[served.coords[1]]
        keep = (row >= 0) & (column >= 0)
        shape = (len(self.assets), len(self.people))
        ones = np.ones(int(keep.sum()), dtype=bool)
        return sparse.csr_array(sparse.coo_array((ones, (row[keep], column[keep])), shape=shape))

    def points(self, spacing_m: float) -> np.ndarray | None:
        if not spacing_m > 0:
            return None
        crs = self.assets.crs
        if crs is None or not crs.is_projected:
            self.checks.add(
                "spacing needs a projected CRS in metres",
                "離隔にはメートル単位の投影座標系が必要です",
                "assets.crs",
                None if crs is None else crs.name,
            )
        points = self.assets.geometry.representative_point()
        return np.column_stack([points.x, points.y])

    def by_carrier(self, value: Any, where: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        for name in value:
            if name not in self.given:
                self.unknown(where, name, self.carriers)
        return [value.get(c) for c in self.given]

    def by_asset(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            if value not in self.assets.columns:
                self.unknown(where, value, self.assets.columns)
                return 1
            value = self.assets[value]
        if not isinstance(value, pd.Series | pd.DataFrame):
            return value
        missing = self.assets.index.difference(value.index)
        if len(missing):
            self.checks.add(
                "assets have no value", "値のない資産があります", where, missing[:3].tolist()
            )
            return 1
        if isinstance(value, pd.DataFrame):
            for name in [c for c in self.given if c not in value.columns]:
                self.unknown(where, name, value.columns)
                return 1
            return value.loc[self.assets.index, list(self.given)].to_numpy(dtype=np.float64).T
        return value.loc[self.assets.index].to_numpy(dtype=np.float64)

    def pairs(self, given: Iterable[tuple[str, Any]], where: str) -> np.ndarray | None:
        out = []
        for carrier, asset in given:
            if carrier not in self.given:
                self.unknown(where, carrier, self.carriers)
            elif asset not in self.assets.index:
                self.unknown(where, asset, self.assets.index)
            else:
                out.append((list(self.given).index(carrier), self.assets.index.get_loc(asset)))
        return np.array(out, dtype=np.int64) if out else None

    def floors(self, given: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        out = []
        for k, (cells, need, *of) in enumerate(given):
            mask = cells
            if isinstance(cells, pd.Series):
                mask = cells.reindex(self.people.index, fill_value=False).to_numpy(dtype=bool)
            position = None
            if of and of[0] is not None:
                if of[0] not in self.given:
                    self.unknown(f"floors[{k}]", of[0], self.carriers)
                    continue
                position = list(self.given).index(of[0])
            out.append((mask, need, position))
        return out

    def frame(self, table: pd.DataFrame, limits: dict[str, Any]) -> gpd.GeoDataFrame:
        site = table["site"].to_numpy(dtype=np.int64)
        carrier = table["carrier"].to_numpy(dtype=np.int64)
        cost = 1.0 if limits["cost"] is None else limits["cost"]
        costs = np.broadcast_to(np.asarray(cost), (len(self.given), len(self.assets)))
        out = table.assign(
            asset_id=self.assets.index.to_numpy()[site],
            carrier_id=np.array(self.carriers, dtype=object)[carrier],
            cost=costs[carrier, site].astype(np.float64),
        )
        shapes = self.assets.geometry.to_numpy()[site]
        return gpd.GeoDataFrame(out, geometry=shapes, crs=self.assets.crs)
