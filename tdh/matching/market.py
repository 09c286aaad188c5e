"""A round's requests, places and limits: checked as a whole, and put in one canonical order."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tdh import seeds
from tdh.errors import InputError, Problem
from tdh.language import Text

NO_CAP = np.iinfo(np.int32).max // 4
EVERYONE = "*"
Key = str | tuple[str, str]
_EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class Market:
    """Requests as arrays, sorted by carrier and rank, so that the order of rows never matters.

    Attributes
    ----------
    carriers, assets : tuple of str
        Names, sorted.
    carrier, asset : ndarray of int64, shape (n_requests,)
        Positions in ``carriers`` and ``assets``.
    rank : ndarray of int64
        1 is wanted most; distinct within a carrier.
    points : ndarray of float64
        What an award is worth: ``value`` where given, otherwise the longest list + 1 − the place in
        the carrier's own list; times ``tenants``.
    places : ndarray of int64
        Places of the asset that the request takes.
    brings : ndarray of object
        Names of the carriers that a sharing firm would serve there, as text; empty: none.
    priority : ndarray of int64
        Class; 1 is served first.
    capacity : ndarray of int64, shape (n_assets,)
        Places of each asset.
    cap : ndarray of int64, shape (n_carriers,)
        Most awards of each carrier.
    area : ndarray of int64, shape (n_assets,)
        Position in ``areas``; −1: none.
    area_cap : dict of (carrier, area) to int
        Most awards of a carrier within an area, by position.
    clashes : tuple of ndarray of int64
        Requests that would serve the same carrier on the same asset, where that is not allowed: of
        each group at most one is awarded.
    seed : int
    """

    carriers: tuple[str, ...]
    assets: tuple[str, ...]
    areas: tuple[str, ...]
    carrier: np.ndarray
    asset: np.ndarray
    rank: np.ndarray
    points: np.ndarray
    places: np.ndarray
    brings: np.ndarray
    priority: np.ndarray
    capacity: np.ndarray
    cap: np.ndarray
    area: np.ndarray
    area_cap: dict[tuple[int, int], int]
    clashes: tuple[np.ndarray, ...]
    seed: int

    def __len__(self) -> int:
        return len(self.carrier)

    @property
    def simple(self) -> bool:
        """Whether every request takes one place, and none rules another out."""
        return bool((self.places == 1).all()) and not self.clashes

    @cached_property
    def clashes_of(self) -> dict[int, list[int]]:
        """The groups in which a request stands, by position in ``clashes``."""
        found: dict[int, list[int]] = defaultdict(list)
        for group, members in enumerate(self.clashes):
            for request in members.tolist():
                found[request].append(group)
        return dict(found)

    @cached_property
    def lot(self) -> np.ndarray:
        """Each request's number in its asset's lottery, in [0, 1); the least is ahead.

        The first 52 bits of SHA-256 of ``seed|asset|carrier``: whoever knows the published seed
        can draw it again, and nobody's requests change anybody's number.
        """
        names = ((self.assets[a], self.carriers[c]) for a, c in zip(*self._ends, strict=True))
        return np.array([draw(self.seed, asset, carrier) for asset, carrier in names], dtype=float)

    @cached_property
    def carrier_lot(self) -> np.ndarray:
        """Each carrier's number in the round's lottery: SHA-256 of ``seed|carrier``."""
        return np.array([draw(self.seed, name) for name in self.carriers], dtype=float)

    @cached_property
    def request_area(self) -> np.ndarray:
        """The area of each request's asset; −1: none."""
        return self.area[self.asset]

    @cached_property
    def of_carrier(self) -> list[np.ndarray]:
        """Each carrier's requests, best rank first."""
        return [np.flatnonzero(self.carrier == c) for c in range(len(self.carriers))]

    @cached_property
    def of_asset(self) -> dict[int, np.ndarray]:
        """Each requested asset's requests, by class and lot."""
        order = np.lexsort((self.lot, self.priority, self.asset))
        starts = np.flatnonzero(np.diff(self.asset[order], prepend=-1))
        groups = np.split(order, starts[1:])
        return {int(self.asset[group[0]]): group for group in groups if len(group)}

    @property
    def _ends(self) -> tuple[list[int], list[int]]:
        return self.asset.tolist(), self.carrier.tolist()


class Room:
    """Places and caps that are left while awards are made."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.places = market.capacity.copy()
        self.cap = market.cap.copy()
        self.area = dict(market.area_cap)
        self.served: set[int] = set()

    def refusal(self, request: int) -> str | None:
        """Why a request does not fit now: ``served``, ``full``, ``cap``, ``area_cap``; None: it fits."""
        market = self.market
        if not self.served.isdisjoint(market.clashes_of.get(request, ())):
            return "served"
        carrier = int(market.carrier[request])
        if self.places[market.asset[request]] < market.places[request]:
            return "full"
        if self.cap[carrier] < 1:
            return "cap"
        if self.area.get((carrier, int(market.request_area[request])), 1) < 1:
            return "area_cap"
        return None

    def take(self, request: int) -> None:
        """Give the request what it takes."""
        market = self.market
        carrier = int(market.carrier[request])
        self.places[market.asset[request]] -= market.places[request]
        self.cap[carrier] -= 1
        self.served.update(market.clashes_of.get(request, ()))
        key = (carrier, int(market.request_area[request]))
        if key in self.area:
            self.area[key] -= 1


def draw(seed: int, *names: str) -> float:
    """A number in [0, 1) that anybody can draw again.

    >>> round(draw(7, "A-1", "alpha"), 6) == round(draw(7, "A-1", "alpha"), 6)
    True
    """
    text = "|".join([str(seed), *names])
    return int(hashlib.sha256(text.encode("utf-8")).hexdigest()[:13], 16) / 2**52


# --- reading -------------------------------------------------------------------------------------


def build(
    requests: pd.DataFrame,
    capacity: Mapping[str, int] | pd.Series | int,
    priority: Mapping[Key, int] | None,
    caps: Mapping[Key, int] | int | None,
    areas: Mapping[str, str] | pd.Series | None,
    seed: int,
    once: bool = False,
) -> Market:
    """Check everything that :func:`tdh.matching.match` is given, and make a market of it.

    Raises
    ------
    InputError
        With every problem.
    """
    seed = seeds.whole(seed, largest=None)
    problems = _columns(requests)
    if problems:
        raise InputError(*problems)
    frame = _numbers(requests, problems)
    if isinstance(capacity, int | np.integer):
        capacity = dict.fromkeys(frame["asset"], int(capacity))
    places = {str(key): value for key, value in dict(capacity).items()}
    problems += _contradictions(frame, places)
    zones = {
        str(key): str(value) for key, value in dict(areas if areas is not None else {}).items()
    }
    limits = limits_of(caps)
    problems += _limits(limits, frame, zones)
    if problems:
        raise InputError(*problems)
    frame = frame.sort_values(["carrier", "rank"], kind="stable")
    carriers = tuple(sorted(set(frame["carrier"])))
    assets = tuple(sorted(set(frame["asset"])))
    names = tuple(sorted(set(zones.values())))
    positions = {name: i for i, name in enumerate(names)}
    carrier = np.searchsorted(np.array(carriers, dtype=object), frame["carrier"].to_numpy(object))
    asset = np.searchsorted(np.array(assets, dtype=object), frame["asset"].to_numpy(object))
    rank = frame["rank"].to_numpy(np.int64)
    # By the place in a carrier's list: a rank of a million would make a list no longer, and would
    # drown what the others' ranks say.
    place = frame.groupby("carrier").cumcount().to_numpy(np.int64) + 1
    longest = int(place.max()) if len(place) else 0
    points = frame["value"].to_numpy(float) if "value" in frame else longest + 1.0 - place
    tenants = frame["tenants"].to_numpy(float) if "tenants" in frame else 1.0
    cap, area_cap = _caps(limits, carriers, positions)
    return Market(
        carriers=carriers,
        assets=assets,
        areas=names,
        carrier=carrier.astype(np.int64),
        asset=asset.astype(np.int64),
        rank=rank,
        points=np.asarray(points * tenants, dtype=float),
        places=frame["places"].to_numpy(np.int64),
        brings=frame["brings"].to_numpy(object),
        priority=_classes(priority, frame),
        capacity=np.array([places[name] for name in assets], dtype=np.int64),
        cap=cap,
        area=np.array([positions.get(zones.get(a, ""), -1) for a in assets], dtype=np.int64),
        area_cap=area_cap,
        clashes=_clashes(frame) if once else (),
        seed=seed,
    )


def _clashes(frame: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Positions of the requests that would serve the same carrier on the same asset."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    columns = (frame["carrier"], frame["asset"], frame["brings"])
    for position, (carrier, asset, brings) in enumerate(zip(*columns, strict=True)):
        for name in brings.split(", ") if brings else [carrier]:
            groups[asset, name].append(position)
    return tuple(np.array(members) for members in groups.values() if len(members) > 1)


def limits_of(caps: Mapping[Key, int] | int | None) -> dict[Key, int]:
    """Caps by name, a number being everyone's."""
    if isinstance(caps, int | np.integer):
        return {EVERYONE: int(caps)}
    return dict(caps or {})


def _problem(text: Text, value: object = None, expected: str | None = None) -> Problem:
    return Problem(text, value=value, expected=expected, where="requests")


def _columns(requests: pd.DataFrame) -> list[Problem]:
    return [
        _problem(Text("a column is missing", "列がありません"), expected=name)
        for name in ("carrier", "asset", "rank")
        if name not in requests.columns
    ]


def _numbers(requests: pd.DataFrame, problems: list[Problem]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "carrier": requests["carrier"].astype("str").to_numpy(object),
            "asset": requests["asset"].astype("str").to_numpy(object),
        }
    )
    missing = requests["carrier"].isna() | requests["asset"].isna()
    if missing.any():
        problems.append(_problem(Text("a carrier or an asset is missing", "事業者またはアセットが空です"),
                                 value=int(missing.sum())))  # fmt: skip
    brings = requests["brings"] if "brings" in requests.columns else pd.Series("", requests.index)
    frame["brings"] = brings.fillna("").astype("str").to_numpy(object)
    least = {"rank": 1, "places": 1, "tenants": 1, "value": 0}
    for name, bound in least.items():
        if name not in requests.columns:
            if name == "places":
                frame[name] = 1
            continue
        values = pd.to_numeric(requests[name], errors="coerce").to_numpy(float, copy=True)
        bad = ~np.isfinite(values) | (values < bound) | (values > 1e9)
        if name != "value":
            bad |= np.where(np.isfinite(values), values, 0.5) % 1 != 0
        if bad.any():
            problems.append(
                _problem(
                    Text("{name} is not right", "{name} の値が正しくありません", name=name),
                    value=requests.loc[bad, name].iloc[:_EXAMPLES].tolist(),
                    expected=f">= {bound}" + ("" if name == "value" else ", whole"),
                )
            )
        values[bad] = bound
        frame[name] = values if name == "value" else values.astype(np.int64)
    return frame


def _contradictions(frame: pd.DataFrame, capacity: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for keys, text in (
        (["carrier", "asset"], Text("an asset is requested twice", "同じアセットが2度要望されています")),
        (["carrier", "rank"], Text("a rank is given twice", "同じ順位が2度あります")),
    ):  # fmt: skip
        twice = frame[frame.duplicated(keys)]
        if len(twice):
            problems.append(_problem(text, value=twice[keys].head(_EXAMPLES).values.tolist()))
    unknown = sorted(set(frame["asset"]) - set(capacity))
    if unknown:
        problems.append(
            _problem(
                Text("assets are requested that the round does not offer",
                     "提示されていないアセットが要望されています"),
                value=unknown[:_EXAMPLES],
            )
        )  # fmt: skip
    bad = [a for a, n in capacity.items() if not float(n).is_integer() or not 0 <= n < 1e6]
    if bad:
        problems.append(
            Problem(Text("a capacity is not right", "共用数が正しくありません"),
                    value=bad[:_EXAMPLES], expected=">= 0, whole", where="capacity")
        )  # fmt: skip
    return problems


def _limits(
    limits: Mapping[Key, Any], frame: pd.DataFrame, zones: Mapping[str, str]
) -> list[Problem]:
    problems = []
    known = set(zones.values())
    for key, value in limits.items():
        if not float(value).is_integer() or not 0 <= value < 1e6:
            problems.append(
                Problem(Text("a cap is not right", "上限が正しくありません"), value=f"{key}: {value}",
                        expected=">= 0, whole", where="caps")
            )  # fmt: skip
        if isinstance(key, tuple) and key[1] not in known:
            problems.append(
                Problem(
                    Text("a cap names an area that no asset lies in",
                         "上限の区域に該当するアセットがありません"),
                    value=key, expected=", ".join(sorted(known)[:_EXAMPLES]) or None, where="caps",
                    fix=Text("say which asset lies where with areas=",
                             "areas= で各アセットの区域を指定してください"),
                )
            )  # fmt: skip
    return problems


def _caps(
    limits: Mapping[Key, int], carriers: tuple[str, ...], areas: Mapping[str, int]
) -> tuple[np.ndarray, dict[tuple[int, int], int]]:
    """A carrier's own cap, or else everyone's."""
    cap = np.array([limits.get(c, limits.get(EVERYONE, NO_CAP)) for c in carriers], dtype=np.int64)
    area_cap: dict[tuple[int, int], int] = {}
    per_carrier: dict[str, dict[str, int]] = defaultdict(dict)
    for key, value in limits.items():
        if isinstance(key, tuple):
            per_carrier[key[0]][key[1]] = int(value)
    for i, carrier in enumerate(carriers):
        for area, value in {**per_carrier[EVERYONE], **per_carrier[carrier]}.items():
            area_cap[i, areas[area]] = value
    return cap, area_cap


def _classes(priority: Mapping[Key, int] | None, frame: pd.DataFrame) -> np.ndarray:
    """The class of each request: its own, else its carrier's, else behind all that are named."""
    if not priority:
        return np.ones(len(frame), dtype=np.int64)
    last = max(int(value) for value in priority.values()) + 1
    pairs = zip(frame["carrier"], frame["asset"], strict=True)
    return np.array(
        [int(priority.get((c, a), priority.get(c, last))) for c, a in pairs], dtype=np.int64
    )
