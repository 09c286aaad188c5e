"""Bands as data: ``bands.csv`` and what a scenario changes in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import pandas as pd

from tdh.errors import DomainError, Problem
from tdh.language import Text

BandClass = Literal["low", "sub6", "mmw"]
SUBCARRIERS_PER_RB = 12


@dataclass(frozen=True)
class Band:
    """A band as it is transmitted, with the levels from which a place counts as served.

    Parameters
    ----------
    id : str
        Name, such as ``"n78"``.
    frequency_mhz, bandwidth_mhz : float
        Centre frequency of the downlink and channel bandwidth in MHz.
    subcarrier_spacing_khz : float
        Spacing of subcarriers in kHz.
    n_rb : int
        Resource blocks of the carrier.
    eirp_roof_dbm : float
        EIRP at boresight of a rooftop antenna in dBm, over the whole carrier.
    eirp_pole_dbm : float or None
        The same on a pole; None where the band is not used on poles.
    covered_dbm, good_dbm : float
        SS-RSRP in dBm from which a place counts as covered, and as well covered.
    band_class : {"low", "sub6", "mmw"}

    Notes
    -----
    The EIRP and the levels of ``bands.csv`` are engineering defaults, not read from Japanese
    licences; a scenario can change each of them.
    """

    id: str
    frequency_mhz: float
    bandwidth_mhz: float
    subcarrier_spacing_khz: float
    n_rb: int
    eirp_roof_dbm: float
    eirp_pole_dbm: float | None
    covered_dbm: float
    good_dbm: float
    band_class: BandClass

    def __post_init__(self) -> None:
        problems = [
            Problem(
                Text("a band's value must be positive", "バンドの値は正の数でなければなりません"),
                value=getattr(self, name),
                expected="> 0",
                where=f"band {self.id}, {name}",
            )
            for name in ("frequency_mhz", "bandwidth_mhz", "subcarrier_spacing_khz", "n_rb")
            if not getattr(self, name) > 0
        ]
        if self.good_dbm < self.covered_dbm:
            problems.append(
                Problem(
                    Text(
                        "good_dbm lies below covered_dbm",
                        "good_dbm が covered_dbm より低くなっています",
                    ),
                    value=self.good_dbm,
                    expected=f">= {self.covered_dbm:g}",
                    where=f"band {self.id}",
                )
            )
        if problems:
            raise DomainError(*problems)

    @property
    def frequency_ghz(self) -> float:
        """Centre frequency in GHz."""
        return self.frequency_mhz / 1000.0

    @property
    def carrier_to_rsrp_db(self) -> float:
        """What the power of one resource element lies below the carrier's, in dB (negative).

        >>> round(get("n78").carrier_to_rsrp_db, 1)
        -35.2
        """
        return -10.0 * math.log10(SUBCARRIERS_PER_RB * self.n_rb)

    def eirp_dbm(self, placement: str | None) -> float | None:
        """The default EIRP of a placement; None where the band is not used there."""
        return self.eirp_pole_dbm if placement == "pole" else self.eirp_roof_dbm


_FIELDS = tuple(f.name for f in fields(Band) if f.name != "id")


@cache
def table() -> pd.DataFrame:
    """The bands of ``bands.csv``, one a row, index id."""
    with files("tdh.radio").joinpath("bands.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, index_col="id")


def get(id: str, **overrides: Any) -> Band:
    """A band of ``bands.csv`` with changes, or a new one where all fields are given.

    Parameters
    ----------
    id : str
        Name of the band; ``eirp_pole_dbm`` may be left out of a new one.
    **overrides
        Fields of :class:`Band` that differ from the table. None leaves the table's value.

    Raises
    ------
    DomainError
        For a band that is not known and not fully given, for unknown fields and values that
        cannot be.

    Examples
    --------
    >>> get("n78", covered_dbm=-105.0).covered_dbm
    -105.0
    """
    unknown = sorted(set(overrides) - set(_FIELDS))
    if unknown:
        raise DomainError(
            Problem(
                Text("a band has no such field", "バンドにない項目です"),
                value=", ".join(unknown),
                expected=", ".join(_FIELDS),
                where=f"band {id}",
            )
        )
    known = table()
    values: dict[str, Any] = {}
    if id in known.index:
        row = known.loc[id]
        values = {name: None if pd.isna(row[name]) else row[name] for name in _FIELDS}
    values.update({k: v for k, v in overrides.items() if v is not None})
    missing = [n for n in _FIELDS if values.get(n) is None and n != "eirp_pole_dbm"]
    if missing:
        raise DomainError(
            Problem(
                Text("the band is not known", "登録されていないバンドです"),
                value=id,
                expected=", ".join(known.index),
                fix=Text(
                    "give these fields too: {fields}",
                    "次の項目も指定してください: {fields}",
                    fields=", ".join(missing),
                ),
            )
        )
    numbers = {
        n: float(values[n]) for n in _FIELDS if n not in ("n_rb", "band_class", "eirp_pole_dbm")
    }
    pole = values.get("eirp_pole_dbm")
    return Band(
        id=id,
        n_rb=int(values["n_rb"]),
        band_class=str(values["band_class"]),  # type: ignore[arg-type]
        eirp_pole_dbm=None if pole is None else float(pole),
        **numbers,
    )
