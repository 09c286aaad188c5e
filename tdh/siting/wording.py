"""How the limits of a problem are called when it cannot be solved: by position, or in ids and keys.

A solver knows positions. Who asked it knows assets, carriers and keys of a scenario: an error that
it raises is :class:`Untold`, which can be told again in those names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Protocol

from tdh.errors import InfeasibleError, Problem
from tdh.language import Text


class Names(Protocol):
    """What is needed to tell of limits in the terms of whoever set them."""

    def carrier(self, carrier: int) -> str:
        """A carrier."""

    def site(self, site: int) -> str:
        """A site."""

    def choices(self, carrier: int, *sites: int) -> str:
        """Where choices of a carrier, or of all carriers (-1), are set."""

    def limit(self, name: str, at: int | None = None) -> str:
        """Where a limit is set: its argument's name, and a position in it."""

    def amount(self, name: str, value: float, *, up: bool) -> Text | str:
        """An amount in the unit of a limit, rounded up, or down."""

    def raised(self, name: str, by: float, to: float, at: int | None = None) -> Text | str:
        """What to write in place of a limit so that it is looser by an amount."""

    def floor(self, floor: int, carrier: int | None) -> str:
        """Where a floor is set."""

    def asked(self, floor: int, need: float) -> Text | str:
        """What a floor asks for."""

    def people(self, value: float, *, up: bool) -> Text | str:
        """An amount in the unit of demand."""

    def lowered(self, floor: int, lows: dict[int, float]) -> Text | str:
        """What to write in place of a floor; ``lows`` holds all floors that are lowered."""


def outward(value: float, *, up: bool, digits: int = 6) -> str:
    """A number of few digits that is not below (``up``) or not above the value.

    Examples
    --------
    >>> outward(205.93482, up=True), outward(7276.20819, up=False), outward(4991177.6, up=True)
    ('205.935', '7276.2', '4991180')
    >>> outward(3.0000000000000004, up=True), outward(0.0, up=False)
    ('3', '0')
    """
    near = Context(prec=digits).create_decimal(Decimal(value))
    # What sums leave in the last places of a number is no reason to go a step further.
    if abs(float(near) - value) > 1e-11 * abs(value):
        rounding = ROUND_CEILING if up else ROUND_FLOOR
        near = Context(prec=digits, rounding=rounding).create_decimal(Decimal(value))
    text = format(near, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


YEARLY_SITES, YEARLY_MONEY = "yearly_sites", "yearly_budget"
"""Names of the years' limits, all years together."""


class Positions:
    """The names of arrays: arguments, and positions in them."""

    def carrier(self, carrier: int) -> str:
        return f"carrier[{carrier}]"

    def site(self, site: int) -> str:
        return str(site)

    def choices(self, carrier: int, *sites: int) -> str:
        return "fixed" if carrier < 0 else f"fixed[{carrier}]"

    def limit(self, name: str, at: int | None = None) -> str:
        if name == YEARLY_SITES:
            return "max_sites" if at is None else f"max_sites[:, {at}]"
        return name if at is None else f"{name}[{at}]"

    def amount(self, name: str, value: float, *, up: bool) -> Text | str:
        return outward(value, up=up)

    def raised(self, name: str, by: float, to: float, at: int | None = None) -> Text | str:
        number = outward(to, up=by >= 0)
        if name in (YEARLY_SITES, YEARLY_MONEY):
            return Text("{n} over all years", "全年の合計で {n}", n=number)
        return number

    def floor(self, floor: int, carrier: int | None) -> str:
        return f"floors[{floor}]" if carrier is None else f"floors[{floor}], carrier[{carrier}]"

    def asked(self, floor: int, need: float) -> Text | str:
        return outward(need, up=True)

    def people(self, value: float, *, up: bool) -> Text | str:
        return outward(value, up=up)

    def lowered(self, floor: int, lows: dict[int, float]) -> Text | str:
        return outward(lows[floor], up=False)


class Untold(InfeasibleError):
    """That limits conflict, in positions, and how to say it in other names.

    Parameters
    ----------
    tell : callable
        From names to the problems.
    names : Names, optional
        Those of whoever called the solver with arrays.
    """

    def __init__(self, tell: Callable[[Names], list[Problem]], names: Names | None = None) -> None:
        self.tell = tell
        super().__init__(*tell(Positions() if names is None else names))


@contextmanager
def called(names: Names) -> Iterator[None]:
    """What is raised within the block is told in these names."""
    try:
        yield
    except Untold as error:
        raise Untold(error.tell, names) from error


@contextmanager
def through(lens: Callable[[Names], Names]) -> Iterator[None]:
    """What is raised within the block is told in names as they are seen through others."""
    try:
        yield
    except Untold as error:
        tell = error.tell
        raise Untold(lambda names: tell(lens(names))) from error


class OverYears:
    """Names for the limits of all years together, of which the nearer is told.

    Parameters
    ----------
    names : Names
    total, yearly : (n_carriers + 1,) sequence of float
        The limits over all years and the sums of the years' own: sites of each carrier, and money.
    in_place : (n_carriers + 1,) sequence of float
        What sites in place take from the limits as the solver sees them.
    spent : (n_carriers,) sequence of float, optional
        What they take from each carrier's budget.
    """

    def __init__(
        self,
        names: Names,
        total: Sequence[float],
        yearly: Sequence[float],
        in_place: Sequence[float],
        spent: Sequence[float] = (),
    ) -> None:
        self.names, self.total, self.yearly, self.in_place = names, total, yearly, in_place
        self.spent = spent

    def _keys(self, name: str, at: int | None) -> list[tuple[str, int | None, float]]:
        """Names of a limit and what they are, the nearer first."""
        known: list[tuple[str, int | None, float]]
        if name == "programme_budget":
            known = [(YEARLY_MONEY, None, self.yearly[-1]), (name, None, self.total[-1])]
        elif name == "max_sites" and at is not None:
            known = [(YEARLY_SITES, at, self.yearly[at]), ("max_total", at, self.total[at])]
        else:
            return [(name, at, float("inf"))]
        return sorted(known, key=lambda k: k[2])

    def limit(self, name: str, at: int | None = None) -> str:
        if name == "max_sites" and at is None:
            # Of every carrier: the years' limits, those over all years, or both.
            kinds = ((YEARLY_SITES, self.yearly), ("max_total", self.total))
            limited = [key for key, of in kinds if min(of[:-1]) < float("inf")]
            return ", ".join(self.names.limit(key) for key in limited)
        key, place, _ = self._keys(name, at)[0]
        return self.names.limit(key, place)

    def raised(self, name: str, by: float, to: float, at: int | None = None) -> Text | str:
        keys = self._keys(name, at)
        if len(keys) == 1:
            if name == "budget" and at is not None and len(self.spent):
                to -= self.spent[at]
            return self.names.raised(name, by, to, at)
        to -= self.in_place[-1 if at is None else at]
        first = self.names.raised(keys[0][0], by, to, at)
        if by <= 0 or keys[1][2] >= to:
            return first
        return Text(
            "{to}, and {other} likewise",
            "{to}({other} も同じ)",
            to=first,
            other=self.names.limit(*keys[1][:2]),
        )

    def carrier(self, carrier: int) -> str:
        return self.names.carrier(carrier)

    def site(self, site: int) -> str:
        return self.names.site(site)

    def choices(self, carrier: int, *sites: int) -> str:
        return self.names.choices(carrier, *sites)

    def amount(self, name: str, value: float, *, up: bool) -> Text | str:
        return self.names.amount(name, value, up=up)

    def floor(self, floor: int, carrier: int | None) -> str:
        return self.names.floor(floor, carrier)

    def asked(self, floor: int, need: float) -> Text | str:
        return self.names.asked(floor, need)

    def people(self, value: float, *, up: bool) -> Text | str:
        return self.names.people(value, up=up)

    def lowered(self, floor: int, lows: dict[int, float]) -> Text | str:
        return self.names.lowered(floor, lows)
