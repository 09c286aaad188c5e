"""The limits of a plan in the terms of its scenario: keys, assets, carriers, people and yen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

import pandas as pd

from tdh.language import Text
from tdh.pipeline.rules import Asked
from tdh.scenario import Scenario
from tdh.siting.wording import YEARLY_MONEY, YEARLY_SITES, outward

_MONEY = ("budget", "programme_budget", YEARLY_MONEY)
_SHARE = Decimal("0.0001")


class ScenarioNames:
    """Names of limits for a planner; see :class:`tdh.siting.wording.Names`.

    Parameters
    ----------
    scenario : Scenario
    assets : DataFrame
        Table ``assets`` of the candidates, by position.
    floors : sequence of Asked
        The plan's floors, by position.
    """

    def __init__(self, scenario: Scenario, assets: pd.DataFrame, floors: Sequence[Asked]) -> None:
        self.scenario, self.assets, self.floors = scenario, assets, floors

    def carrier(self, carrier: int) -> str:
        one = self.scenario.carriers[carrier]
        return f"{one.id} {one.name}" if one.name and one.name != one.id else one.id

    def site(self, site: int) -> str:
        asset, name = self.assets.index[site], self.assets["name"].iloc[site]
        return str(asset) if pd.isna(name) or not name else f"{asset} {name}"

    def choices(self, carrier: int, *sites: int) -> str:
        if carrier < 0:
            return "siting.choices"
        assets = {self.assets.index[i] for i in sites}
        places = [
            f"siting.choices[{k}]"
            for k, choice in enumerate(self.scenario.siting.choices)
            if choice.carrier == self.scenario.carriers[carrier].id and choice.asset in assets
        ]
        return ", ".join(places) or "siting.choices"

    def limit(self, name: str, at: int | None = None) -> str:
        if name in ("max_sites", "max_total", "budget"):
            key = "budget_yen" if name == "budget" else "max_sites"
            if at is None:
                return f"carriers[…].{key}"
            return f"carriers[{at}].{key} ({self.carrier(at)})"
        if name == YEARLY_SITES:
            whose = "" if at is None else f" ({self.carrier(at)})"
            return f"siting.years[…].max_sites{whose}"
        keys = {
            "programme_budget": "siting.budget_yen",
            YEARLY_MONEY: "siting.years[…].budget_yen",
            "sharing_capacity": "siting.sharing_capacity",
            "spacing_m": "siting.spacing_m",
            "forbidden": "siting.choices (offer = false)",
        }
        return keys.get(name, name)

    def amount(self, name: str, value: float, *, up: bool) -> Text | str:
        if name in _MONEY:
            return Text("{yen:,} yen", "{yen:,}円", yen=_whole(value, up=up))
        if name == "spacing_m":
            return f"{outward(value, up=up, digits=4)} m"
        return Text("{n}", "{n}局", n=_whole(value, up=up)) if "sites" in name else outward(
            value, up=up
        )  # fmt: skip

    def raised(self, name: str, by: float, to: float, at: int | None = None) -> Text | str:
        if name == "spacing_m":
            return f"{outward(to, up=by >= 0, digits=4)} m"
        if name == "max_sites" and at is not None:
            # The solver may hold today's network as one site more of every carrier.
            to = self.scenario.carriers[at].max_sites + by
        amount = self.amount(name, to, up=by >= 0)
        if name in (YEARLY_MONEY, YEARLY_SITES):
            return Text("{n} over all years", "全年度の合計で {n}", n=amount)
        return amount

    def floor(self, floor: int, carrier: int | None) -> str:
        asked = self.floors[floor]
        return f"siting.floors[{asked.entry}] ({asked.name})"

    def asked(self, floor: int, need: float) -> Text | str:
        share = self.scenario.siting.floors[self.floors[floor].entry].share
        people = self.people(need, up=True)
        if share is None:
            return people
        return Text("share = {share:g} ({n})", "share = {share:g}({n})", share=share, n=people)

    def people(self, value: float, *, up: bool) -> Text | str:
        return Text("{n:,} people", "{n:,}人", n=_whole(value, up=up))

    def lowered(self, floor: int, lows: dict[int, float]) -> Text | str:
        asked = self.floors[floor]
        entry = self.scenario.siting.floors[asked.entry]
        if entry.people is not None:
            key, number = "people", Decimal(_whole(lows[floor], up=False))
        else:
            key, number = "share", _share(lows[floor], asked.there)
        new = f"{key} = {number.normalize():f}"
        if entry.municipality == "each":
            # One entry has one number for all: a municipality of its own needs one of its own.
            if number <= 0:
                return Text(
                    "0: in place of each, give every other municipality a floor of its own",
                    "0 (each の代わりに、他の市区町村ごとに下限を書く)",
                )
            return Text(
                "{new} (in place of each, give every municipality a floor of its own)",
                "{new}(each の代わりに、市区町村ごとに下限を書く)",
                new=new,
            )
        return Text("0: take it out", "0(この下限を削除)") if number <= 0 else new


def _whole(value: float, *, up: bool) -> int:
    """A whole number that is not below, or not above; rounding of sums is no reason for one more.

    >>> _whole(205.2, up=True), _whole(205.9, up=False), _whole(45_000_000.000001, up=True)
    (206, 205, 45000000)
    """
    near = round(value)
    if abs(near - value) <= 1e-10 * max(1.0, abs(value)):
        return near
    return math.ceil(value) if up else math.floor(value)


def _share(people: float, there: float) -> Decimal:
    """A share of four places that asks for no more people."""
    exact = Decimal(people) / Decimal(there)
    return exact.quantize(_SHARE, rounding=ROUND_FLOOR)
