"""Awards counted again, from the requests and the limits alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tdh.errors import Problem
from tdh.language import Text
from tdh.matching import acceptance
from tdh.matching.award import Award
from tdh.matching.market import EVERYONE, Key, build, limits_of


def verify(
    award: Award,
    requests: pd.DataFrame,
    capacity: Mapping[str, int] | pd.Series | int,
    caps: Mapping[Key, int] | int | None = None,
    *,
    areas: Mapping[str, str] | pd.Series | None = None,
    once: bool = False,
) -> list[Problem]:
    """Whether an award keeps to the requests, places and caps; nothing of the rules is used.

    Returns
    -------
    list of Problem
        Empty where it does.
    """
    problems = []
    frame = requests.astype({"carrier": "str", "asset": "str"}).set_index(["carrier", "asset"])
    won = pd.MultiIndex.from_frame(award.awards[["carrier", "asset"]])
    lost = pd.MultiIndex.from_frame(award.refusals[["carrier", "asset"]])
    both = won.append(lost)
    if both.has_duplicates or set(both) != set(frame.index):
        problems.append(
            Problem(
                Text(
                    "awards and refusals are not the requests, each once",
                    "割当と不割当の合計が要望と一致しません",
                )
            )
        )
    mine = frame.loc[frame.index.isin(won)].reset_index()
    need = mine["places"] if "places" in mine else pd.Series(1, index=mine.index)
    used = need.groupby(mine["asset"]).sum()
    if isinstance(capacity, int | np.integer):
        capacity = dict.fromkeys(used.index, int(capacity))
    has = pd.Series(dict(capacity), dtype=float)
    for asset in used.index[used.to_numpy() > has.reindex(used.index).fillna(0).to_numpy()]:
        problems.append(
            Problem(
                Text("an asset has more on it than places", "共用数を超えています"),
                value=asset,
                expected=f"<= {has.get(asset, 0):g}",
            )
        )
    if once:
        served = [
            (row.asset, name)
            for row in mine.itertuples()
            for name in (getattr(row, "brings", "") or row.carrier).split(", ")
        ]
        twice = sorted(pair for pair, count in Counter(served).items() if count > 1)
        problems += [
            Problem(
                Text(
                    "a carrier is served twice on an asset", "同じアセットで重ねて割り当てています"
                ),
                value=pair,
            )
            for pair in twice
        ]
    limits = limits_of(caps)
    zone = dict(areas if areas is not None else {})
    for carrier, rows in mine.groupby("carrier"):
        where = rows["asset"].map(zone)
        totals: dict[Key, int] = {carrier: len(rows)}
        totals |= {(carrier, area): int((where == area).sum()) for area in where.dropna().unique()}
        for key, count in totals.items():
            general: Key = EVERYONE if isinstance(key, str) else (EVERYONE, key[1])
            most = limits.get(key, limits.get(general))
            if most is not None and count > most:
                problems.append(
                    Problem(
                        Text("a cap is exceeded", "上限を超えています"),
                        value=f"{key}: {count}",
                        expected=f"<= {most}",
                    )
                )
    return problems


def blocking_pairs(
    award: Award,
    requests: pd.DataFrame,
    capacity: Mapping[str, int] | pd.Series | int,
    priority: Mapping[Key, int] | None = None,
    caps: Mapping[Key, int] | int | None = None,
    *,
    areas: Mapping[str, str] | pd.Series | None = None,
) -> list[tuple[str, str]]:
    """(carrier, asset) that would both rather have each other; empty for a stable award."""
    market = build(requests, capacity, priority, caps, areas, award.seed)
    pairs = award.pairs
    chosen = np.array(
        [
            (market.carriers[c], market.assets[a]) in pairs
            for c, a in zip(market.carrier.tolist(), market.asset.tolist(), strict=True)
        ],
        dtype=bool,
    )
    return [
        (market.carriers[int(market.carrier[i])], market.assets[int(market.asset[i])])
        for i in acceptance.blocking_pairs(market, chosen)
    ]
