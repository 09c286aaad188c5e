"""Places that must be served: from any register, with a kind and a priority."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from tdh import inventory, schemas
from tdh.errors import InputError, Problem
from tdh.language import Text

PRIORITY_OF_KIND = {
    "town_hall": 3.0,
    "disaster_hospital": 3.0,
    "temporary_stay": 2.0,
    "evacuation_area": 2.0,
    "station": 2.0,
    "other": 1.0,
}
"""What a place of a kind is worth against others, where a scenario says nothing."""

# The first that is found decides: in the place's name, else in the file's.
_WORDS = (
    ("disaster_hospital", re.compile("災害拠点病院|救命救急|disaster_?hospital", re.IGNORECASE)),
    (
        "town_hall",
        # 合同庁舎 houses offices of the state.
        re.compile("[都区市町村](?:役所|役場)|(?<!合同)庁舎|town_?hall", re.IGNORECASE),
    ),
    ("temporary_stay", re.compile("一時滞在|帰宅困難|temporary_?stay", re.IGNORECASE)),
    ("evacuation_area", re.compile("避難|evacuation|shelter", re.IGNORECASE)),
    ("station", re.compile("駅$|station", re.IGNORECASE)),
)


@dataclass(frozen=True)
class PlaceSource:
    """One register of places.

    Parameters
    ----------
    path : path
        Any file that :func:`tdh.inventory.read_assets` reads.
    kind : str, optional
        A kind of :data:`PRIORITY_OF_KIND` for all of them; otherwise each by its words.
    priority : float, optional
        For all of them; otherwise by their kind.
    """

    path: str | os.PathLike[str]
    kind: str | None = None
    priority: float | None = None


@dataclass(frozen=True, eq=False)
class Places:
    """Places and what became of the records that are not among them."""

    places: gpd.GeoDataFrame
    """Table ``places``."""
    rows: int
    """Records read."""
    without_position: int
    """Records without a usable position."""
    findings: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Table ``findings``, of all registers."""


def read_places(sources: Sequence[PlaceSource | Any], crs: str) -> Places:
    """Places that must be served, of one or more registers.

    Parameters
    ----------
    sources : sequence of PlaceSource
        Objects with ``path``, ``kind`` and ``priority``.
    crs : str
        The plan's CRS.

    Raises
    ------
    InputError
        With the problems of all registers: unreadable, of an unknown kind, or without a position.
    """
    frames, findings, problems = [], [], []
    rows = lost = 0
    for source in sources:
        if source.kind is not None and source.kind not in PRIORITY_OF_KIND:
            problems.append(
                Problem(
                    Text("there is no such kind of place", "その種類の場所はありません"),
                    value=source.kind,
                    expected=", ".join(PRIORITY_OF_KIND),
                    where=Path(source.path).name,
                )
            )
            continue
        try:
            register = inventory.read_assets(source.path, plan_crs=crs)
        except InputError as error:
            problems += error.problems
            continue
        if register.assets.empty:
            problems.append(
                Problem(
                    Text("no place has a usable position", "位置の使える場所が1件もありません"),
                    value=register.rows,
                    where=Path(source.path).name,
                    fix=Text(
                        "see: tdh check --mapping {file}",
                        "tdh check --mapping {file} で列の対応を確認してください",
                        file=Path(source.path).name,
                    ),
                )
            )
            continue
        rows += register.rows
        lost += register.rows - len(register.assets)
        findings.append(register.findings)
        frames.append(_table(register.assets, source))
    if problems:
        raise InputError(*problems)
    if not frames:
        empty = gpd.GeoDataFrame(
            {c: [] for c in ("place_id", "name", "kind", "priority")}, geometry=[], crs=crs
        )
        return Places(schemas.conform(empty, "places"), 0, 0)
    # Two registers may number their records alike.
    joined = pd.concat(frames)
    again = joined.groupby(level=0).cumcount()
    joined.index = joined.index.where(again == 0, joined.index + "-" + (again + 1).astype(str))
    places = gpd.GeoDataFrame(joined, geometry="geometry", crs=crs)
    places.index.name = "place_id"
    return Places(
        schemas.conform(places, "places"), rows, lost, pd.concat(findings, ignore_index=True)
    )


def _table(assets: gpd.GeoDataFrame, source: Any) -> gpd.GeoDataFrame:
    name = assets["name"].fillna("").astype(str)
    if source.kind is not None:
        kind = pd.Series(source.kind, index=assets.index)
    else:
        by_file = _kind_of(Path(source.path).stem) or "other"
        kind = pd.Series([_kind_of(n) for n in name], index=assets.index, dtype=object)
        kind = kind.mask(assets["kind"] == "station", "station")
        kind = kind.where(kind.notna(), by_file)
    priority = kind.map(PRIORITY_OF_KIND) if source.priority is None else float(source.priority)
    return gpd.GeoDataFrame(
        {"name": name, "kind": kind, "priority": priority},
        geometry=assets.geometry,
        crs=assets.crs,
    )


def _kind_of(words: str) -> str | None:
    return next((kind for kind, pattern in _WORDS if pattern.search(words)), None)
