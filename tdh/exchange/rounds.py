"""A round of offers: what it is called, when it runs, and by which published rules."""

from __future__ import annotations

import os
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from tdh.errors import ExchangeError, Problem, refused
from tdh.exchange.checks import problems_of
from tdh.language import Text

RoundId = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
TenantName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^,、]+$"),
]

AreaColumn = Literal["municipality_code", "municipality", "bureau", "owner", "kind", "placement"]


class AreaCap(BaseModel):
    """Most awards of one carrier (``"*"``: of each) within one area."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    carrier: str = Field(default="*", max_length=200)
    area: str = Field(max_length=200)
    most: int = Field(ge=0)


class Round(BaseModel):
    """The facts of a round, the same for every carrier.

    A window programme (New York's, a council's) is a round with dates; a programme that is always
    open has none. Everything here is printed in every package, so nothing here may differ between
    carriers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: RoundId = Field(description="Name of the round; answers must repeat it")
    programme: str = Field(default="", max_length=200, description="Programme, as carriers know it")
    issued: date | None = Field(default=None, description="Date that the packages bear")
    opens: date | None = Field(default=None, description="First day on which answers are taken")
    closes: date | None = Field(default=None, description="Last day on which answers are taken")
    rule: Literal[
        "serial_rotation",
        "serial_dictatorship",
        "deferred_acceptance",
        "welfare_maximal",
        "lexicographic_fairness",
    ] = Field(default="serial_rotation", description="Rule by which conflicts will be resolved")
    seed: int = Field(default=0, ge=0, description="Published seed by which ties will be broken")
    sharing_capacity: int | None = Field(
        default=None, ge=1, le=20, description="Most carriers on one asset; empty: the plan's"
    )
    capacity_counts: Literal["places", "awards", "tenants"] = Field(
        default="places",
        description="What takes a place of an asset: what each request states, each award, or each "
        "carrier that an award serves",
    )
    firms: dict[str, tuple[TenantName, ...]] = Field(
        default={},
        description="Infra-sharing firms and the carriers whom each may bring; where any is named, "
        "nobody else brings tenants",
    )
    once: bool = Field(
        default=False,
        description="Serve nobody twice on an asset: by itself and through a firm, or through two",
    )
    basis: Literal["own", "joint"] = Field(
        default="own",
        description="Which assets a carrier is offered: those that would gain it most if it were "
        "alone, or those that the plan for all carriers together gives it",
    )
    caps: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description='Most awards of a carrier; "*" is everyone'
    )
    area: AreaColumn = Field(
        default="municipality_code", description="What an area is, for caps of areas"
    )
    zones: dict[str, tuple[str, ...]] = Field(
        default={},
        max_length=10_000,
        description="Zones made of several areas, by name; an area in no zone stands for itself",
    )
    area_caps: tuple[AreaCap, ...] = Field(
        default=(), max_length=10_000, description="Most awards of a carrier within an area"
    )
    priority: dict[str, Annotated[int, Field(ge=1, le=100)]] = Field(
        default={}, description="Class of a carrier, 1 first; who is not named comes last"
    )
    licence: str = Field(
        default="",
        max_length=500,
        description="Terms on which the package is given; empty: not stated",
    )
    contact: str = Field(default="", max_length=500, description="Where answers and questions go")

    @property
    def limits(self) -> dict[str | tuple[str, str], int]:
        """All caps as :func:`tdh.matching.match` takes them."""
        limits: dict[str | tuple[str, str], int] = dict(self.caps.items())
        limits.update({(cap.carrier, cap.area): cap.most for cap in self.area_caps})
        return limits

    def places_of(self, stated: int, tenants: int) -> int:
        """Places of an asset that a request takes.

        >>> [Round(id="R", capacity_counts=c).places_of(2, 3) for c in ("places", "awards", "tenants")]
        [2, 1, 3]
        """
        counts = {"places": stated, "awards": 1, "tenants": max(1, tenants)}
        return counts[self.capacity_counts]

    def zone_of(self, area: str) -> str:
        """The zone that an area belongs to, or else the area itself.

        >>> terms = Round(id="R", zones={"centre": ("13101", "13102")})
        >>> terms.zone_of("13102"), terms.zone_of("13201")
        ('centre', '13201')
        """
        return next((zone for zone, areas in self.zones.items() if area in areas), area)

    def open_on(self, day: date) -> bool:
        """Whether answers are taken on a day; both ends count, and a missing end is open."""
        after = self.opens is None or day >= self.opens
        return after and (self.closes is None or day <= self.closes)

    @field_validator("basis", mode="before")
    @classmethod
    def _earlier_name(cls, value: object) -> object:
        """What was called ``plan`` is called ``joint``."""
        return "joint" if value == "plan" else value

    @model_validator(mode="after")
    def _in_order(self) -> Round:
        if self.opens is not None and self.closes is not None and self.closes < self.opens:
            raise ValueError("closes lies before opens")
        if self.once and not self.firms:
            # Else anybody could name a rival as its tenant, and keep it off an asset.
            raise ValueError("once needs firms: who may bring whom")
        areas = [area for zone in self.zones.values() for area in zone]
        twice = sorted({area for area in areas if areas.count(area) > 1})
        if twice:
            raise ValueError(f"in more than one zone: {', '.join(twice)}")
        return self


def read_round(path: str | os.PathLike[str]) -> Round:
    """A round's facts from a TOML file.

    Raises
    ------
    ExchangeError
        With everything that is wrong with it.

    Examples
    --------
    A programme with windows, a cap per firm, and a cap for all in one ward, written by hand::

        id = "2027-1"
        opens = 2027-01-10
        closes = 2027-03-31
        rule = "serial_rotation"
        seed = 20270110
        sharing_capacity = 2
        caps = { "*" = 200, jtower = 300 }
        area_caps = [{ area = "13104", most = 50 }]
    """
    where = str(path)
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        known = refused(error, path) if isinstance(error, OSError) else None
        unread = Text("the round cannot be read", "募集回の設定を読めません")
        raise ExchangeError(known or Problem(unread, value=str(error), where=where)) from None
    try:
        return Round.model_validate(content)
    except ValidationError as error:
        raise ExchangeError(*problems_of(error, where)) from None
