"""Allocation of the assets of a GeoDataFrame: ids and geometries go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import TdhError
from tdh.siting.allocation import solve_allocation
from tdh.siting.explaining import explain_unchosen, named
from tdh.siting.naming import Reading
from tdh.siting.plan import Plan
from tdh.siting.solving import Effort, Progress
from tdh.siting.verifying import verify
from tdh.siting.wording import called


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
    >>> from scipy import sparse
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
    reading = Reading(assets, footprints, demand)
    limits = reading.rules(
        max_sites=max_sites,
        sharing_capacity=sharing_capacity,
        spacing_m=spacing_m,
        floors=floors,
        fixed=fixed,
        forbidden=forbidden,
        cost=cost,
        budget=budget,
        programme_budget=programme_budget,
    )
    rows, wanted = reading.matrices(), reading.demand()
    reading.checks.done()
    with called(reading.names()):
        plan = solve_allocation(rows, wanted, seed=seed, effort=effort, progress=progress, **limits)
    broken = verify(plan, rows, wanted, **limits)
    if broken:
        raise TdhError(*broken)
    why = explain_unchosen(plan, rows, wanted, **limits)
    chosen, unchosen = (reading.frame(table, limits["cost"]) for table in (plan.assignments, why))
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
