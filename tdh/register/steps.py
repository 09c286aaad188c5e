"""Steps of a programme as events: assets that are listed, and the results of a matching."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tdh.errors import Problem
from tdh.language import Text
from tdh.register.events import Event, LedgerError, shortened

if TYPE_CHECKING:
    import geopandas as gpd

    from tdh.matching import Award

Point = tuple[str, str, float, float]
"""Asset, name, longitude, latitude."""
_FACTS = (
    *("name", "kind", "owner", "bureau", "address", "municipality_code", "municipality"),
    *("latitude", "longitude", "height_agl_m", "source", "synthetic"),
)


def listing(assets: gpd.GeoDataFrame, who: str, why: str) -> list[Event]:
    """Each asset (table ``assets``) as listed, with its facts.

    Raises
    ------
    LedgerError
        If an asset is there twice.
    """
    if twice := sorted({str(a) for a in assets.index[assets.index.duplicated()]}):
        text = Text("assets are there twice", "アセットIDが重複しています")
        raise LedgerError(Problem(text, shortened(", ".join(twice))))
    records = assets[[c for c in _FACTS if c in assets.columns]].to_dict("records")
    return [
        Event("list", who, asset=str(asset), why=why, details=_plain(details))
        for asset, details in zip(assets.index, records, strict=True)
    ]


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if isinstance(v, str) or (v is not None and v == v)}


def results(round: str, award: Award, who: str) -> list[Event]:
    """Each award and each refusal of a matching, with its reason and what would have changed it."""
    rule = {"rule": award.rule, "seed": award.seed}
    events = [
        Event("award", who, asset=row.asset, carrier=row.carrier, round=round,
              why=row.reason_ja, details={**rule, "rank": row.rank, "reason_en": row.reason_en})
        for row in award.awards.itertuples()
    ]  # fmt: skip
    events += [
        Event("refuse", who, asset=row.asset, carrier=row.carrier, round=round,
              why=row.reason_ja,
              details={**rule, "rank": row.rank, "cause": row.cause, "reason_en": row.reason_en,
                       "change_ja": row.change_ja, "change_en": row.change_en})
        for row in award.refusals.itertuples()
    ]  # fmt: skip
    return events


def _point(event: Event) -> Point | None:
    """Where an asset stands on the map: id, name, longitude, latitude; None: nobody knows."""
    if event.action not in ("list", "amend"):
        return None
    place = [event.details.get(name) for name in ("longitude", "latitude")]
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in place):
        return None
    longitude, latitude = (float(value) for value in place)  # type: ignore[arg-type]
    return event.asset, shortened(str(event.details.get("name", ""))), longitude, latitude


def points(events: Iterable[Event]) -> list[Point]:
    """Where events put assets on the map; of several places of an asset, the last."""
    found = {}
    for event in events:
        if (point := _point(event)) is not None:
            found[event.asset] = point
    return list(found.values())
