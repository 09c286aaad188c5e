"""The scenario's rules of the plan as arguments of :func:`tdh.siting.solve_allocation`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import Problem, ScenarioError
from tdh.language import Text
from tdh.scenario import Floor, Scenario


def cost_yen(scenario: Scenario, assets: pd.DataFrame) -> np.ndarray | None:
    """What an offered site costs, by the asset's kind or else its placement; None without costs.

    Raises
    ------
    ScenarioError
        If an asset on which an antenna can stand has no cost.
    """
    yen = scenario.costs.yen
    if not yen:
        return None
    own = assets["kind"].map(yen).fillna(assets["placement"].map(yen))
    without = own.isna() & (assets["placement"] != "none")
    if without.any():
        kinds = assets.loc[without, ["kind", "placement"]].drop_duplicates()
        raise ScenarioError(
            Problem(
                Text("these kinds of asset have no cost", "費用のない種別があります"),
                value=", ".join(f"{kind} ({placement})" for kind, placement in kinds.to_numpy()),
                expected=", ".join(sorted({str(p) for p in kinds["placement"]})),
                where="costs.yen",
                fix=Text(
                    "give each kind, or its placement, a cost",
                    "種別か設置形態ごとに費用を書いてください",
                ),
            )
        )
    return own.to_numpy(dtype=float)


def limits(
    scenario: Scenario,
    candidates: gpd.GeoDataFrame,
    municipality_codes: Sequence[str] | np.ndarray,
    unmet: np.ndarray,
) -> dict[str, Any]:
    """Every limit of the plan.

    Parameters
    ----------
    scenario : Scenario
    candidates : GeoDataFrame
        Table ``assets`` for the sites of the footprints, in their order.
    municipality_codes : array_like of str, shape (n_cells,)
        Of the cells in ``unmet``.
    unmet : ndarray of float, shape (n_carriers, n_cells)
        People of each carrier's gap.
    """
    rules, carriers = scenario.siting, scenario.carriers
    found: dict[str, Any] = {
        "max_sites": [c.max_sites for c in carriers],
        "sharing_capacity": rules.sharing_capacity,
        "xy_m": np.column_stack([candidates.geometry.x, candidates.geometry.y]),
        "spacing_m": rules.spacing_m,
        "fixed": choices(scenario, candidates.index, offer=True),
        "forbidden": choices(scenario, candidates.index, offer=False),
        "floors": [
            (mask, need) if carrier is None else (mask, need, carrier)
            for _, mask, need, carrier in floors(scenario, municipality_codes, unmet)
        ],
    }
    cost = cost_yen(scenario, candidates)
    if cost is not None:
        found["cost"] = cost
        found["budget"] = [np.inf if c.budget_yen is None else c.budget_yen for c in carriers]
        found["programme_budget"] = rules.budget_yen
    return found


class Asked(NamedTuple):
    """A floor of the plan.

    Attributes
    ----------
    name : str
        Of its municipality and carrier, or ``area``.
    mask : ndarray of bool, shape (n_cells,)
    need : float
        People to serve.
    carrier : int or None
        Whose; None: of all together.
    entry : int
        Its place in ``siting.floors``.
    there : float
        People in a gap there.
    """

    name: str
    mask: np.ndarray
    need: float
    carrier: int | None
    entry: int
    there: float


def floors(
    scenario: Scenario, municipality_codes: Sequence[str] | np.ndarray, unmet: np.ndarray
) -> list[tuple[str, np.ndarray, float, int | None]]:
    """Each floor with its name, cells, people to serve and carrier (None: all together).

    As :func:`asked_floors`.
    """
    return [f[:4] for f in asked_floors(scenario, municipality_codes, unmet)]


def asked_floors(
    scenario: Scenario, municipality_codes: Sequence[str] | np.ndarray, unmet: np.ndarray
) -> list[Asked]:
    """Each floor of the plan.

    A floor for each municipality leaves out those where nobody is in a gap.

    Raises
    ------
    ScenarioError
        If a floor's municipality has no such cell.
    """
    codes = pd.Index(municipality_codes)
    known = sorted(codes.dropna().unique())
    unknown = [
        (i, f.municipality)
        for i, f in enumerate(scenario.siting.floors)
        if f.municipality not in (None, "each", *known)
    ]
    if unknown:
        raise ScenarioError(
            *(
                Problem(
                    Text("no cell with people in a gap has this code", "対象区域にないコードです"),
                    value=code,
                    expected=", ".join(known),
                    where=f"siting.floors[{i}].municipality",
                )
                for i, code in unknown
            )
        )
    ids = [c.id for c in scenario.carriers]
    found = []
    for entry, floor in enumerate(scenario.siting.floors):
        carrier = None if floor.carrier is None else ids.index(floor.carrier)
        open_people = unmet.sum(axis=0) if carrier is None else unmet[carrier]
        for code in _municipalities(floor, codes):
            mask = np.ones(len(codes), dtype=bool) if code is None else np.asarray(codes == code)
            there = float(open_people[mask].sum())
            need = floor.people if floor.people is not None else (floor.share or 0.0) * there
            if need > 0 and (there > 0 or floor.municipality != "each"):
                name = ", ".join(x for x in (code, floor.carrier) if x is not None)
                found.append(Asked(name or "area", mask, float(need), carrier, entry, there))
    return found


def _municipalities(floor: Floor, codes: pd.Index) -> list[str | None]:
    if floor.municipality == "each":
        return sorted(codes.dropna().unique())
    return [floor.municipality]


def named(
    problems: Sequence[Problem],
    scenario: Scenario,
    municipality_codes: Sequence[str] | np.ndarray,
    unmet: np.ndarray,
    sites: Sequence[str] | None = None,
) -> list[Problem]:
    """The solver's problems with names instead of the numbers of floors, carriers and sites."""
    known = asked_floors(scenario, municipality_codes, unmet)
    ids = [c.id for c in scenario.carriers]

    def name(where: str) -> str:  # the solver's places are plain words
        where = re.sub(
            r"floors\[(\d+)\](, carrier\[\d+\])?",
            lambda m: f"siting.floors[{known[int(m[1])].entry}] ({known[int(m[1])].name})",
            where,
        )
        if sites is not None:
            where = re.sub(r"\bsite\[(\d+)\]", lambda m: sites[int(m[1])], where)
        return re.sub(r"\bcarrier\[(\d+)\]", lambda m: ids[int(m[1])], where)

    return [
        replace(p, where=name(p.where) if isinstance(p.where, str) else p.where) for p in problems
    ]


def choices(scenario: Scenario, ids: pd.Index, *, offer: bool) -> np.ndarray | None:
    """The planner's own decisions as pairs (carrier, asset), by position; None: there are none.

    Raises
    ------
    ScenarioError
        If an asset that is to be offered is no candidate.
    """
    wanted = [c for c in scenario.siting.choices if c.offer is offer]
    unknown = [c.asset for c in wanted if c.asset not in ids]
    if unknown and offer:
        raise ScenarioError(
            *(
                Problem(
                    Text(
                        "the asset is no candidate: not in the area, or no antenna can stand on it",
                        "候補ではありません(区域外か、アンテナを置けません)",
                    ),
                    value=asset,
                    expected=", ".join(difflib.get_close_matches(asset, ids, n=3)) or None,
                    where="siting.choices",
                )
                for asset in unknown
            )
        )
    carriers = [c.id for c in scenario.carriers]
    pairs = [(carriers.index(c.carrier), ids.get_loc(c.asset)) for c in wanted if c.asset in ids]
    return np.array(pairs, dtype=np.int64) if pairs else None
