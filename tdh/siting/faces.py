"""The other problems of siting for GeoDataFrames: ids and geometries go in and come out.

Each is the array solver of the same name with assets, carriers, cells and years by their ids, and is
counted again by :mod:`tdh.siting.recounting` before it is returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import Problem, TdhError
from tdh.language import Text
from tdh.siting import recounting
from tdh.siting.backup import BackupPlan, solve_backup_cover
from tdh.siting.fair import FairPlan, solve_max_min
from tdh.siting.inputs import Checks
from tdh.siting.layered import Objective
from tdh.siting.lexicographic import LexicographicPlan, solve_lexicographic
from tdh.siting.naming import Reading, optional
from tdh.siting.partial import Cover, solve_partial_cover
from tdh.siting.solving import Effort
from tdh.siting.tenancy import TenancyPlan, solve_shared_cost
from tdh.siting.wording import called
from tdh.siting.years import YearsPlan, solve_years

Result = TypeVar("Result", Cover, FairPlan, BackupPlan, YearsPlan, LexicographicPlan, TenancyPlan)
_ALL = "all"
"""The one network of a problem without carriers."""


@dataclass(frozen=True, eq=False)
class PlacedPlan(Generic[Result]):
    """A plan in the terms of its assets.

    Attributes
    ----------
    result : Cover, FairPlan, BackupPlan, YearsPlan, LexicographicPlan or TenancyPlan
        What the solver returned, by position: value, bound, gap, status.
    chosen : GeoDataFrame
        One row a choice: asset_id, carrier_id (where there are carriers), the columns of the
        solver's own table (order, gain, loss_without, year …), cost and the asset's geometry.
    shares : Series or None
        Of :func:`plan_max_min`: the share of its demand that each area gets.
    """

    result: Result
    chosen: gpd.GeoDataFrame
    shares: pd.Series | None = None


def plan_cover(
    assets: gpd.GeoDataFrame,
    footprint: Any,
    demand: pd.Series,
    share: float = 1.0,
    *,
    cost: Any = None,
    fixed: Iterable[Any] = (),
    forbidden: Iterable[Any] = (),
    seed: int = 0,
    effort: Effort | None = None,
) -> PlacedPlan[Cover]:
    """The fewest, or cheapest, assets for a share; formulation: :func:`solve_partial_cover`.

    Parameters
    ----------
    assets, footprint, cost, seed, effort
        As for :func:`plan_sites`, of one network.
    demand : Series
        By cell.
    share : float
        Of what all assets together cover, in (0, 1].
    fixed, forbidden : asset ids

    Returns
    -------
    PlacedPlan
        Without carrier_id.

    Examples
    --------
    >>> from scipy import sparse
    >>> roofs = gpd.GeoDataFrame(index=["R1", "R2"], geometry=gpd.points_from_xy([0, 9], [0, 0]))
    >>> near = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1]], dtype=bool))
    >>> people = pd.Series([5.0, 1.0, 1.0], index=["m1", "m2", "m3"])
    >>> plan_cover(roofs, near, people, 0.8).chosen["asset_id"].tolist()
    ['R1']
    """
    checks = Checks()
    checks.kind("demand", demand, pd.Series, "Series")
    checks.done()
    reading = Reading(assets, {_ALL: footprint}, demand.to_frame(_ALL))
    by_asset = reading.rules(
        cost=cost,
        fixed=[(_ALL, a) for a in _ids(fixed)],
        forbidden=[(_ALL, a) for a in _ids(forbidden)],
    )
    (rows,) = reading.matrices()
    (wanted,) = reading.demand()
    reading.checks.done()
    rules = {
        name: None if by_asset[name] is None else by_asset[name][:, 1]
        for name in ("fixed", "forbidden")
    }
    rules["cost"] = by_asset["cost"]
    with called(reading.names()):
        found = solve_partial_cover(rows, wanted, share, seed=seed, effort=effort, **rules)
    _refuse(recounting.verify_cover(found, rows, wanted, share, **rules))
    chosen = reading.frame(found.plan.assignments, rules["cost"])
    return PlacedPlan(found, _in_front(chosen.drop(columns="carrier_id")))


def plan_max_min(
    assets: gpd.GeoDataFrame,
    footprints: Mapping[str, Any],
    demand: pd.DataFrame,
    areas: pd.Series,
    *,
    seed: int = 0,
    effort: Effort | None = None,
    tolerance: float = 0.0,
    **rules: Any,
) -> PlacedPlan[FairPlan]:
    """Best for the area that is served worst; formulation: :func:`solve_max_min`.

    Parameters
    ----------
    assets, footprints, demand, seed, effort, **rules
        As for :func:`plan_sites`, without floors.
    areas : Series
        Of each cell the area that it lies in, such as its municipality; cells without one do not
        count.
    tolerance : float
        As for :func:`solve_max_min`.

    Returns
    -------
    PlacedPlan
        ``shares`` by area.
    """
    reading = Reading(assets, footprints, demand)
    if not reading.checks.kind("areas", areas, pd.Series, "Series"):
        reading.checks.done()
    of_cell = areas.reindex(demand.index)
    # Codes of areas may be read as numbers in part: those come first.
    named = pd.factorize(of_cell, sort=True)[1].tolist()
    masks = [(of_cell == name).to_numpy(dtype=bool) for name in named]
    if not masks:
        reading.checks.add(
            "no cell lies in an area",
            "地域に属するセルがありません",
            "areas",
            areas.index[:2].tolist(),
            demand.index[:2].tolist(),
            Text(
                "give the areas by the ids of the demand's cells",
                "地域は、需要と同じセルIDで指定してください",
            ),
        )
    limits, rows, wanted = _by_position(reading, rules)
    with called(reading.names()):
        found = solve_max_min(
            rows, wanted, masks, seed=seed, effort=effort, tolerance=tolerance, **limits
        )
    _refuse(recounting.verify_max_min(found, rows, wanted, masks, tolerance=tolerance, **limits))
    chosen = reading.frame(found.plan.assignments, limits.get("cost"))
    return PlacedPlan(found, _in_front(chosen), pd.Series(found.shares, index=named))


def plan_backup(
    assets: gpd.GeoDataFrame,
    footprints: Mapping[str, Any],
    demand: pd.DataFrame,
    weights: Sequence[float] = (1.0, 0.5),
    *,
    seed: int = 0,
    effort: Effort | None = None,
    **rules: Any,
) -> PlacedPlan[BackupPlan]:
    """Most demand covered once, and again; formulation: :func:`solve_backup_cover`.

    Parameters
    ----------
    assets, footprints, demand, seed, effort, **rules
        As for :func:`plan_sites`.
    weights : sequence of float
        What the first, second … cover of a cell counts.

    Returns
    -------
    PlacedPlan
    """
    reading = Reading(assets, footprints, demand)
    limits, rows, wanted = _by_position(reading, rules)
    with called(reading.names()):
        found = solve_backup_cover(rows, wanted, weights, seed=seed, effort=effort, **limits)
    _refuse(recounting.verify_backup(found, rows, wanted, weights, **limits))
    return PlacedPlan(found, _in_front(reading.frame(found.plan.assignments, limits.get("cost"))))


def plan_in_order(
    assets: gpd.GeoDataFrame,
    footprints: Mapping[str, Any],
    objectives: Sequence[pd.DataFrame | tuple[pd.Series, int]],
    *,
    tolerance: float = 0.0,
    seed: int = 0,
    effort: Effort | None = None,
    **rules: Any,
) -> PlacedPlan[LexicographicPlan]:
    """Best in one objective after the other; formulation: :func:`solve_lexicographic`.

    Parameters
    ----------
    assets, footprints, seed, effort, **rules
        As for :func:`plan_sites`.
    objectives : sequence of DataFrame or (Series, at_least)
        The most important first, over the same cells: demand of each carrier (cells by carriers);
        or demand by cell that counts, once, where at least so many carriers serve it.
    tolerance : float
        Share of an objective that may be given up for later ones.

    Returns
    -------
    PlacedPlan
        ``loss_1``, ``loss_2`` …: what would be lost of each objective without the choice alone.
    """
    checks = Checks()
    listed = isinstance(objectives, Sequence)
    if not listed or not len(objectives):
        given = None if listed else type(objectives).__name__
        what = "there is no objective", "目的がありません"
        checks.add(*what, "objectives", given, "[DataFrame, (Series, at_least) …]")
    for k, objective in enumerate(objectives if listed else ()):
        first = objective[0] if isinstance(objective, tuple) and len(objective) == 2 else None
        if not isinstance(objective, pd.DataFrame) and not isinstance(first, pd.Series):
            checks.add(
                "an objective is a table of cells by carriers, or people by cell and a number",
                "目的は、セル×事業者の表か、セルごとの人口と事業者数の組です",
                f"objectives[{k}]",
                type(objective).__name__,
                "DataFrame, (Series, at_least)",
            )
    checks.done()
    cells = objectives[0][0].index if isinstance(objectives[0], tuple) else objectives[0].index
    reading = Reading(assets, footprints, pd.DataFrame(0.0, cells, list(footprints)))
    limits, rows, _ = _by_position(reading, rules)
    wanted = []
    for objective in objectives:
        if isinstance(objective, tuple):
            people, at_least = objective
            wanted.append(Objective(people.reindex(cells).to_numpy(float), at_least))
        else:
            own = objective.reindex(index=cells, columns=list(footprints))
            wanted.append(Objective(own.to_numpy(float).T))
    with called(reading.names()):
        found = solve_lexicographic(
            rows, wanted, tolerance=tolerance, seed=seed, effort=effort, **limits
        )
    _refuse(recounting.verify_lexicographic(found, rows, wanted, tolerance=tolerance, **limits))
    return PlacedPlan(found, _in_front(reading.frame(found.losses, limits.get("cost"))))


def plan_shared_cost(
    assets: gpd.GeoDataFrame,
    footprints: Mapping[str, Any],
    demand: pd.DataFrame,
    programme_budget: float,
    cost_first: Any,
    cost_next: Any,
    *,
    seed: int = 0,
    effort: Effort | None = None,
    **rules: Any,
) -> PlacedPlan[TenancyPlan]:
    """Most demand for a budget where sharing saves; formulation: :func:`solve_shared_cost`.

    Parameters
    ----------
    assets, footprints, demand, seed, effort, **rules
        As for :func:`plan_sites`; ``sharing_capacity`` is 2 by default.
    programme_budget : float
    cost_first, cost_next : number, name of a column of ``assets``, or Series by asset
        Cost of an asset for its first carrier (``np.inf`` if it cannot be had), and for each
        further one.

    Returns
    -------
    PlacedPlan
        ``cost``: the even part of what the asset costs.
    """
    reading = Reading(assets, footprints, demand)
    costs = {"cost_first": cost_first, "cost_next": cost_next}
    limits, rows, wanted = _by_position(reading, {"sharing_capacity": 2, **costs, **rules})
    for name in costs:
        limits[name] = np.broadcast_to(limits[name], len(assets))
    limits["programme_budget"] = programme_budget
    with called(reading.names()):
        found = solve_shared_cost(rows, wanted, seed=seed, effort=effort, **limits)
    _refuse(recounting.verify_shared_cost(found, rows, wanted, **limits))
    tenants = np.maximum(found.tenants, 1)
    first, more = (np.where(np.isinf(limits[name]), 0.0, limits[name]) for name in costs)
    even = (first + (tenants - 1) * more) / tenants
    return PlacedPlan(found, _in_front(reading.frame(found.plan.assignments, even)))


def plan_years(
    assets: gpd.GeoDataFrame,
    footprints: Mapping[str, Any],
    demand: pd.DataFrame,
    years: Sequence[Any],
    *,
    max_sites: Mapping[Any, Any] | None = None,
    yearly_budget: Mapping[Any, float] | None = None,
    seed: int = 0,
    effort: Effort | None = None,
    **rules: Any,
) -> PlacedPlan[YearsPlan]:
    """Which assets in which year; formulation: :func:`solve_years`.

    Parameters
    ----------
    assets, footprints, demand, seed, effort
        As for :func:`plan_sites`.
    years : sequence
        Their names in order, such as 2026, 2027.
    max_sites : mapping year -> number or mapping carrier -> number, optional
        Most new sites of each carrier in a year; in a year that is not named none, of a carrier
        that is not named any number.
    yearly_budget : mapping year -> number, optional
        Most cost of the programme in a year; of a year that is not named, none.
    **rules
        As for :func:`plan_sites`, and ``discount``, ``carry_over``, ``in_place`` (pairs (carrier,
        asset id)) and ``max_total`` of :func:`solve_years`.

    Returns
    -------
    PlacedPlan
        ``year`` by its name.
    """
    reading = Reading(assets, footprints, demand)
    twice = sorted({str(year) for k, year in enumerate(years) if year in years[:k]})
    if twice:
        reading.checks.add("a year occurs twice", "年度が重複しています", "years", ", ".join(twice))
    for where, given in (("max_sites", max_sites), ("yearly_budget", yearly_budget)):
        if given is not None and not reading.checks.kind(where, given, Mapping, "{year: limit}"):
            continue
        for name in [name for name in given or () if name not in years]:
            reading.unknown(where, name, years)
    limits, rows, wanted = _by_position(reading, rules)
    if max_sites is not None:
        each = [reading.by_carrier(max_sites.get(year, 0), "max_sites") for year in years]
        limits["max_sites"] = [
            reading.checks.limits(most, len(rows), f"max_sites[{year}]")
            for year, most in zip(years, each, strict=True)
        ]
        reading.checks.done()
    if yearly_budget is not None:
        limits["yearly_budget"] = [yearly_budget.get(year, 0.0) for year in years]
    limits["n_years"] = len(years)
    with called(reading.names()):
        found = solve_years(rows, wanted, seed=seed, effort=effort, **limits)
    _refuse(recounting.verify_years(found, rows, wanted, **limits))
    chosen = reading.frame(found.schedule, limits.get("cost"))
    chosen["year"] = np.array(years)[chosen["year"].to_numpy(dtype=np.int64)]
    return PlacedPlan(found, _in_front(chosen))


def _ids(given: Iterable[Any] | None) -> Iterable[Any]:
    """Ids of assets; one alone would be taken apart into its letters."""
    return [given] if isinstance(given, str) else optional(given)


def _by_position(
    reading: Reading, rules: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any], np.ndarray]:
    """Rules, footprints and demand; refuses what is unknown."""
    limits, rows, wanted = reading.rules(**rules), reading.matrices(), reading.demand()
    reading.checks.done()
    return limits, rows, wanted


def _refuse(broken: list[Problem]) -> None:
    if broken:
        raise TdhError(*broken)


def _in_front(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Ids first, geometry last, no positions."""
    table = table.drop(columns=["carrier", "site"])
    ids = [name for name in ("asset_id", "carrier_id", "year") if name in table]
    rest = [name for name in table.columns if name not in (*ids, "geometry")]
    return table[[*ids, *rest, "geometry"]]
