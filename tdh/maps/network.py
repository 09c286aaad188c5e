"""What a page tells of today's network: throughput, present sites, people by day and by chance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from tdh import details, display, today
from tdh.language import Text
from tdh.maps import codec, georeference
from tdh.maps.parts import Content, both, u16

MISSING_U32 = 2**32 - 1


def throughput(run: Any, content: Content) -> None:
    """Measured tiles with their speeds, and the people of each class of speed."""
    found = today.throughput(run)
    if found is None:
        return
    tiles = found.tiles
    column, row, zoom = (np.array(v) for v in zip(*map(_tile, tiles.index), strict=True))
    # Large tiles first: smaller ones are drawn over them.
    order = np.lexsort((column, row, zoom))
    layout, content.blocks["data-throughput"] = codec.columns(
        {
            "zoom": (zoom[order], "u8"),
            "x": (column[order], "u32d"),
            "y": (row[order], "u32d"),
            "down": (_u32(tiles["download_mbps"], 100)[order], "u32"),
            "up": (_u32(tiles["upload_mbps"], 100)[order], "u32"),
            "latency": (_u32(tiles["latency_ms"], 10)[order], "u32"),
            "tests": (_u32(tiles["tests"], 1)[order], "u32"),
        }
    )
    counts = [
        {
            "low": row.low,
            "people": round(row.people, 1),
            "day": round(row.people_day, 1) if "people_day" in found.classes else None,
        }
        for row in found.classes.itertuples()
    ]
    content.meta["throughput"] = {
        "n": len(tiles),
        "layout": layout,
        "least": found.least_mbps,
        "classes": counts,
        "below": {k: round(v, 1) for k, v in found.below.items()},
        "unmeasured": {k: round(v, 1) for k, v in found.unmeasured.items()},
        "sources": found.sources,
    }


def _tile(key: str) -> tuple[int, int, int]:
    """Column, row and zoom of a Web Mercator tile.

    >>> _tile("213")
    (3, 5, 3)
    """
    column = int("".join(str(int(c) & 1) for c in key), 2)
    row = int("".join(str(int(c) >> 1) for c in key), 2)
    return column, row, len(key)


def _u32(values: Any, scale: float) -> np.ndarray:
    numbers = np.rint(np.asarray(values, dtype=float) * scale)
    known = np.where(np.isnan(numbers), MISSING_U32, np.clip(numbers, 0, MISSING_U32 - 1))
    return known.astype(np.int64)


def sites(run: Any, content: Content, origin: tuple[float, float], order: Any) -> None:
    """Present sites: where they stand, and apart from it, read when asked for, what they are.

    Parameters
    ----------
    order : callable
        Longitudes and latitudes to an order in which neighbours stand together.
    """
    found = today.sites(run)
    points = run.sites.geometry.to_crs(georeference.GEOGRAPHIC_CRS)
    lon, lat = points.x.to_numpy(), points.y.to_numpy()
    at = order(lon, lat)
    names = [c.id for c in run.carriers]
    start = (
        round(min(origin[0], float(lon.min()) - 0.001), 6) if len(lon) else origin[0],
        round(min(origin[1], float(lat.min()) - 0.001), 6) if len(lat) else origin[1],
    )
    frame = found.table.iloc[at]
    estimated = np.zeros(len(frame), dtype=bool)
    if "evidence" in frame.columns:
        estimated = (frame["evidence"] == "estimated").to_numpy(dtype=bool)
    layout, content.blocks["data-sites"] = codec.columns(
        {
            "lon": (np.rint((lon[at] - start[0]) * 1e6), "u32d"),
            "lat": (np.rint((lat[at] - start[1]) * 1e6), "u32d"),
            "carrier": (frame["carrier_id"].map(names.index).to_numpy(), "u8"),
            "azimuth": (u16(frame["azimuth_deg"] % 360), "u16"),
            "estimated": (estimated.astype(int), "u8"),
            "busy": (frame["busy"].to_numpy(dtype=int), "u8"),
        }
    )
    band, bands = pd.factorize(frame["band"].astype(str))
    placement, placements = pd.factorize(frame["placement"].fillna("").astype(str))
    more, content.blocks["data-sites-more"] = codec.columns(
        {
            "band": (band, "u8"),
            "placement": (placement, "u8"),
            "height": (u16(frame["antenna_height_agl_m"]), "u16"),
            "eirp": (u16(frame["eirp_dbm"] + 100), "u16"),
            "synthetic": (frame["synthetic"].astype(int), "u8"),
            "customers": (_u32(frame["customers"], 1), "u32"),
            "day": (_u32(frame["customers_day"], 1), "u32"),
            "capacity": (_u32(frame["capacity_mbps"], 10), "u32"),
            "kbps": (_u32(frame["kbps_per_customer"], 1), "u32"),
            "load": (_u32(frame["load"], 1e5), "u32"),
            **(
                {
                    "customers_after": (_u32(frame["customers_after"], 1), "u32"),
                    "kbps_after": (_u32(frame["kbps_after"], 1), "u32"),
                    "load_after": (_u32(frame["load_after"], 1e5), "u32"),
                }
                if found.after
                else {}
            ),
        }
    )
    content.blocks["data-sites-ids"] = codec.words(frame.index)
    labels = [display.PLACEMENTS.get(p, Text("{p}", "{p}", p=p)) for p in placements]
    content.meta["sites"] = {
        "n": len(frame),
        "layout": layout,
        "more": more,
        "origin": list(start),
        "estimated": int(estimated.sum()),
        "bands": [str(b) for b in bands],
        "placements": [both(text) for text in labels],
        "sources": [
            [getattr(c, "source", ""), getattr(c, "estimated_source", "")] for c in run.carriers
        ],
        "load": {
            "known": found.known,
            "day": bool(frame["customers_day"].notna().any()),
            "by_load": found.by_load,
            "after": found.after,
            "level": None if math.isnan(found.level) else round(found.level, 3),
            "busy": int(frame["busy"].sum()),
            "busy_after": int(frame["busy_after"].sum()) if found.after else None,
        },
    }
    carried = today.offers(run)
    if carried is not None:
        places = content.meta["_order"]
        content.meta["carried"] = [
            [
                int(places.get_indexer([row.asset_id])[0]),
                names.index(row.carrier_id),
                row.band,
                *(
                    None if math.isnan(v) else round(v, digits)
                    for v, digits in (
                        (row.customers_after, 0),
                        (row.kbps_after, 0),
                        (row.load_after, 4),
                    )
                ),
            ]
            for row in carried.itertuples()
        ]


def by_reason(regions: pd.DataFrame) -> list[list[float | None]]:
    """People of each region by reason, in the order of the reasons; None: not known."""
    table = today.people_by_reason(regions)
    return [
        [None if math.isnan(v) else round(v, 1) for v in row]
        for row in table.to_numpy(float).tolist()
    ]


def people(run: Any, content: Content, found: display.Service) -> None:
    """People by day beside residents, and people covered by yes or no and by probability."""
    by_day = today.people_by_day(run, found.served)
    if by_day is not None:
        for sums, carrier in zip(content.meta["sums"], run.carriers, strict=True):
            sums["day"] = [round(float(by_day.at[carrier.id, w]), 1) for w in ("before", "after")]
    table = today.expected(run)
    if table is None:
        return
    names = {c.id: c.name for c in run.carriers}
    ids = list(names)
    content.meta["expected"] = {
        "what": both(today.EXPECTED),
        "rows": [
            {
                "carrier": ids.index(row.carrier_id) if row.carrier_id in names else -1,
                **both(details.who_label(row.carrier_id, names)),
                **{name: round(float(getattr(row, name)), 1) for name in _EXPECTED},
            }
            for row in table.itertuples()
        ],
        "places": _expected_places(run),
    }


_EXPECTED = ("people", "covered_before", "expected_before", "covered_after", "expected_after")


def _expected_places(run: Any) -> list[dict[str, Any]]:
    """Of any carrier and of several: people of each municipality, in the map's order."""
    table = today.expected_municipalities(run)
    if table is None:
        return []
    names = {c.id: c.name for c in run.carriers}
    rows = []
    for who, own in table[~table["carrier_id"].isin(names)].groupby("carrier_id", sort=False):
        own = own.set_index("municipality_code").reindex(run.municipalities.index)
        numbers = own[list(_EXPECTED)].astype(float).round(1)
        rows.append(
            both(details.who_label(who, names))
            | {
                "rows": [
                    None if any(map(math.isnan, row)) else row
                    for row in numbers.to_numpy().tolist()
                ]
            }
        )
    return rows
