"""What a map's page holds of a run: its meta data and its blocks of bytes and words."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from tdh import display, gaps, present, schemas, units
from tdh.maps import codec, georeference, network, offers
from tdh.maps.parts import MISSING_U16, Content, both, u16
from tdh.radio import exposure
from tdh.today import first_names

GEOGRAPHIC_CRS = georeference.GEOGRAPHIC_CRS
SIMPLIFY_M = 4.0
MOST_PARTS = 600_000

NO_CELL = 255
"""Value of the rasters of evidence where no cell is."""

_NOT_COUNTED = 255
"""A share in percent that is not known."""


def collect(run: Any, *, language: str = "ja", signals: bool = True) -> Content:
    """Everything that the page shows of a run.

    Parameters
    ----------
    run : Run
        A finished run.
    language : {"ja", "en"}
        Language in which the page opens.
    signals : bool
        Whether to put the rasters in; without them the page is small.
    """
    content = Content()
    found = display.service(run)
    origin = _origin(run)
    content.meta = {
        "name": run.name,
        "language": language,
        "notices": _notices(run),
        "people_notes": [both(text) for text in getattr(run, "people_notices", [])],
        "attributions": list(run.attributions),
        "date": display.made_on(run),
        "grid": {"rows": run.grid.n_rows, "cols": run.grid.n_cols, "cell_m": run.grid.cell_size_m},
        "geo": georeference.polynomials(run.grid),
        "bounds": _bounds(run),
        "carriers": _carriers(run),
        "top": run.scenario.scoring.top,
        "placements": [
            {"id": key, "ja": text.render("ja"), "en": text.render("en")}
            for key, text in display.PLACEMENTS.items()
        ],
        "gap": float(run.summary.get("gap") or 0.0),
        "status": both(display.status(str(run.summary.get("status", "")))),
        "gsi": None,
    }
    _municipalities(run, content, origin, found)
    _regions(run, content, origin, found)
    _assets(run, content, origin)
    network.sites(run, content, origin, _spatial_order)
    network.people(run, content, found)
    network.throughput(run, content)
    offers.plan(run, content)
    offers.antennas(run, content)
    offers.profiles(run, content)
    offers.places(run, content, origin)
    offers.goals(run, content)
    content.meta.pop("_order")
    if signals:
        _rasters(run, content)
    return content


def _notices(run: Any) -> list[dict[str, Any]]:
    # The first notice of a synthetic run says what is invented: it is the one that must stand out.
    # What is said of people stands below their sums.
    beside = len(getattr(run, "people_notices", []))
    return [
        {**both(text), "warn": bool(run.synthetic and i == 0)}
        for i, text in enumerate(run.notices[: len(run.notices) - beside])
    ]


def _bounds(run: Any) -> list[list[float]]:
    west, south, east, north = run.municipalities.to_crs(GEOGRAPHIC_CRS).total_bounds
    return [
        [round(float(south), 6), round(float(west), 6)],
        [round(float(north), 6), round(float(east), 6)],
    ]


def _origin(run: Any) -> tuple[float, float]:
    """A point south-west of everything, from which coordinates are counted."""
    west, south, _, _ = run.municipalities.to_crs(GEOGRAPHIC_CRS).total_bounds
    frame = run.assets
    lon = float(np.nanmin([west, *([frame["longitude"].min()] if len(frame) else [])]))
    lat = float(np.nanmin([south, *([frame["latitude"].min()] if len(frame) else [])]))
    return round(lon - 0.001, 6), round(lat - 0.001, 6)


def _carriers(run: Any) -> list[dict[str, Any]]:
    colours = display.colours(run)
    carriers = []
    for i, carrier in enumerate(run.carriers):
        bands = []
        for band_id in carrier.bands:
            band = run.bands[carrier.id, band_id]
            roof, pole = (
                None
                if eirp is None
                else round(float(exposure.compliance_distance_m(eirp, band.frequency_mhz)), 1)
                for eirp in (band.eirp_roof_dbm, band.eirp_pole_dbm)
            )
            bands.append(
                {
                    "id": band_id,
                    "label": f"{band_id} ({band.frequency_mhz / 1000:g} GHz)",
                    "covered": band.covered_dbm,
                    "good": band.good_dbm,
                    "exposure_roof": roof,
                    "exposure_pole": pole,
                }
            )
        carriers.append(
            {
                "id": carrier.id,
                "name": carrier.name,
                "colour": colours[carrier.id],
                "shape": display.SHAPES[i % len(display.SHAPES)],
                "max_sites": carrier.max_sites,
                "bands": bands,
            }
        )
    return carriers


def _rings(geometry: Any, origin: tuple[float, float]) -> list[list[list[list[int]]]]:
    """Polygons of a geometry in steps of 1e-5 degree (about a metre) from the origin."""
    polygons = []
    for polygon in shapely.get_parts(geometry):
        if polygon.geom_type != "Polygon" or polygon.is_empty:
            continue
        rings = []
        for ring in (polygon.exterior, *polygon.interiors):
            points = np.rint((shapely.get_coordinates(ring) - origin) * 1e5).astype(int)
            keep = np.ones(len(points), dtype=bool)
            keep[1:] = (np.diff(points, axis=0) != 0).any(axis=1)
            rings.append(points[keep].tolist())
        polygons.append(rings)
    return polygons


def _municipalities(
    run: Any, content: Content, origin: tuple[float, float], found: display.Service
) -> None:
    table = display.by_municipality(run, found)
    frame = run.municipalities
    simple = shapely.coverage_simplify(frame.geometry.to_numpy(), SIMPLIFY_M)
    shapes = gpd.GeoSeries(simple, crs=run.crs).to_crs(GEOGRAPHIC_CRS)
    labels = frame.geometry.representative_point().to_crs(GEOGRAPHIC_CRS)
    entries = []
    for code, name, shape, label in zip(
        frame.index, frame["municipality"], shapes, labels, strict=True
    ):
        rows = table[table["municipality_code"] == code]
        entries.append(
            {
                "code": code,
                "name": name,
                "rings": _rings(shape, origin),
                "label": [round((label.x - origin[0]) * 1e5), round((label.y - origin[1]) * 1e5)],
                "people": rows["people"].round(1).tolist(),
                "before": rows["gap_before"].round(1).tolist(),
                "after": rows["gap_after"].round(1).tolist(),
                "sites": rows["sites"].astype(int).tolist(),
            }
        )
    content.meta["municipalities"] = entries
    sums = table.groupby("carrier_id")[["gap_before", "gap_after"]].sum()
    chosen = run.plan["carrier_id"].value_counts()
    content.meta["sums"] = [
        {
            "sites": int(chosen.get(c.id, 0)),
            "before": round(float(sums.loc[c.id, "gap_before"]), 1),
            "after": round(float(sums.loc[c.id, "gap_after"]), 1),
        }
        for c in run.carriers
    ]


def _regions(
    run: Any, content: Content, origin: tuple[float, float], found: display.Service
) -> None:
    """The largest gaps of today with their reasons, with outlines a cell coarse.

    A run without table ``gap_regions`` shows those that remain after the plan.
    """
    today = display.todays_regions(run, found)
    table = display.gap_regions(run, found) if today is None else today
    content.meta["regions"] = {
        "today": today is not None,
        "reasons": [{"id": key, **both(text)} for key, text in gaps.REASONS.items()],
    }
    # Only the outer line of each is drawn; what is served within shows in the raster.
    hulls = [
        shapely.MultiPolygon([shapely.Polygon(p.exterior) for p in shapely.get_parts(g)])
        for g in table.geometry
    ]
    rough = gpd.GeoSeries(hulls, crs=run.crs).simplify(run.grid.cell_size_m * 1.5)
    outlines = rough.to_crs(GEOGRAPHIC_CRS)
    index = {m["code"]: i for i, m in enumerate(content.meta["municipalities"])}
    names = [c.id for c in run.carriers]
    parts = None if today is None else network.by_reason(table)
    regions = [
        {
            "carrier": names.index(row.carrier_id) if row.carrier_id in names else -1,
            "rank": row.rank,
            "municipality": index.get(row.municipality_code, -1),
            "rings": _rings(outline, origin),
            **(_remaining(row) if parts is None else _reasoned(row) | {"parts": parts[k]}),
        }
        for k, (row, outline) in enumerate(zip(table.itertuples(), outlines, strict=True))
    ]
    content.blocks["data-regions"] = codec.deflate(codec.json_block(regions).encode("utf-8"))


def _remaining(row: Any) -> dict[str, Any]:
    return {"people": round(row.people, 1), "ha": round(row.area_ha, 2)}


def _reasoned(row: Any) -> dict[str, Any]:
    """What is told of a region of today; None where it is not known."""

    def number(value: Any, digits: int) -> float | None:
        return None if pd.isna(value) else round(float(value), digits)

    return {
        "people": round(float(row.unmet_people), 1),
        "day": number(row.unmet_people_day, 1),
        "after": number(row.unmet_after, 1),
        "ha": round(float(row.area_m2) / 1e4, 2),
        "least": int(row.at_least),
        "reason": list(gaps.REASONS).index(row.reason),
        "places": number(row.places, 0),
        "named": first_names(row.place_names),
        "site_m": number(row.nearest_site_m, 0),
        "lacks_db": round(float(row.shortfall_db), 1),
    }


def _categories(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes and the list of texts, empty for a missing value."""
    codes, texts = pd.factorize(values.fillna("").astype(str), sort=True)
    return codes, [str(t) for t in texts]


def _above(frame: pd.DataFrame) -> np.ndarray:
    """Mounting height over the asset's own, in tenths from 10000: mostly the same few values."""
    height, mounting = u16(frame["height_agl_m"]), u16(frame["mounting_height_m"])
    over = mounting - np.where(height == MISSING_U16, 0, height) + 10_000
    return np.where(mounting == MISSING_U16, MISSING_U16, np.clip(over, 0, MISSING_U16 - 1))


def _short_ids(frame: pd.DataFrame) -> list[str]:
    """Ids without the record number where they end in it; a mark says so."""
    short = []
    for asset_id, row in zip(frame.index, frame["source_row"], strict=True):
        tail = f"-{row}"
        ends = asset_id.endswith(tail)
        short.append(f"{asset_id.removesuffix(tail)}\x1e" if ends else asset_id)
    return short


def _spatial_order(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Neighbours next to each other: interleaved bits of the two coordinates."""

    def spread(values: np.ndarray) -> np.ndarray:
        span = max(float(np.ptp(values)), 1e-9) if len(values) else 1.0
        low = values.min() if len(values) else 0.0
        bits = ((values - low) / span * 65535).astype(np.uint64)
        for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
            bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
        return bits

    return np.argsort(spread(lon) | (spread(lat) << np.uint64(1)), kind="stable")


def _assets(run: Any, content: Content, origin: tuple[float, float]) -> None:
    frame = run.assets
    if "in_area" in frame.columns:
        inside = frame["in_area"].fillna(True).astype(bool)
        frame = frame[inside | frame.index.isin(run.plan["asset_id"])]
    order = _spatial_order(frame["longitude"].to_numpy(), frame["latitude"].to_numpy())
    frame = frame.iloc[order]
    kind, kinds = _categories(frame["kind"])
    owner, owners = _categories(frame["owner"])
    source, sources = _categories(frame["source"])
    codes = {m["code"]: i for i, m in enumerate(content.meta["municipalities"])}
    municipality = frame["municipality_code"].map(codes).fillna(MISSING_U16)
    placements = list(display.PLACEMENTS)
    best = display.best_scores(run.scores).reindex(frame.index)
    layout, content.blocks["data-assets"] = codec.columns(
        {
            "lon": (np.rint((frame["longitude"] - origin[0]) * 1e6), "u32d"),
            "lat": (np.rint((frame["latitude"] - origin[1]) * 1e6), "u32d"),
            "kind": (kind, "u8"),
            "owner": (owner, "u16"),
            "municipality": (municipality, "u16"),
            "placement": (frame["placement"].map(placements.index), "u8"),
            "height": (u16(frame["height_agl_m"]), "u16"),
            "score": (np.rint(best["score"].fillna(0)), "u8"),
            "synthetic": (frame["synthetic"].astype(int), "u8"),
        }
    )
    details: dict[str, tuple[Any, str]] = {
        "above": (_above(frame), "u16"),
        "source": (source, "u8" if len(sources) < 256 else "u16"),
        "row": (frame["source_row"], "u32"),
    }
    of_all = [run.scores[run.scores["carrier_id"] == carrier.id] for carrier in run.carriers]
    for i, table in [*enumerate(of_all), ("_public", run.scores_public)]:
        scores = table.set_index("asset_id")
        mine = scores[["score", "rank", "people_newly_served", "gap_cells_closed"]]
        mine = mine.reindex(frame.index).fillna(0)
        stays = scores["stays_in_top"].reindex(frame.index).astype(float)
        shown = units.percents(stays.fillna(0.0), 0)
        details[f"stays{i}"] = (np.where(stays.isna(), _NOT_COUNTED, shown), "u8")
        details[f"rank{i}"] = (mine["rank"], "u32")
        # Scores fall with the rank: in that order they cost almost nothing.
        falling = np.zeros(len(frame) + 1)
        rank = mine["rank"].to_numpy(dtype=int)
        falling[np.minimum(rank, len(frame))] = np.rint(mine["score"] * 10)
        details[f"falling{i}"] = (np.maximum.accumulate(falling[:0:-1])[::-1], "u16d")
        details[f"people{i}"] = (np.rint(mine["people_newly_served"]), "u32")
        details[f"cells{i}"] = (mine["gap_cells_closed"], "u32")
    more, content.blocks["data-numbers"] = codec.columns(details)
    _parts(run, content, frame.index)
    content.blocks["data-names"] = codec.words(frame["name"])
    content.blocks["data-ids"] = codec.words(_short_ids(frame))
    content.blocks["data-addresses"] = codec.words(frame["address"])
    content.blocks["data-sources"] = codec.words(sources)
    ja, en = (display.kind_labels(language) for language in ("ja", "en"))
    content.meta["kinds"] = [{"id": k, "ja": ja.get(k, k), "en": en.get(k, k)} for k in kinds]
    content.meta["owners"] = owners
    content.meta["assets"] = {
        "n": len(frame),
        "origin": list(origin),
        "layout": layout,
        "more": more,
        "sources": len(sources),
    }
    content.meta["_order"] = frame.index


def _parts(run: Any, content: Content, index: pd.Index) -> None:
    """Contributions to scores in half points, for all assets or, in a large run, the chosen."""
    names = [c for c in run.scores.columns if c.startswith("contribution_")]
    everybody = len(index) * len(run.carriers) * len(names) <= MOST_PARTS
    shown = index if everybody else index[index.isin(run.plan["asset_id"])]
    table: dict[str, tuple[Any, str]] = {"asset": (index.get_indexer(shown), "u32d")}
    for i, carrier in enumerate(run.carriers):
        scores = run.scores[run.scores["carrier_id"] == carrier.id].set_index("asset_id")
        for k, name in enumerate(names):
            points = scores[name].reindex(shown).fillna(0).clip(0, 127)
            table[f"part{i}_{k}"] = (np.rint(points * 2), "u8")
    layout, content.blocks["data-parts"] = codec.columns(table)
    content.meta["parts"] = {
        "n": len(shown),
        "layout": layout,
        "names": [
            {
                "ja": schemas.label("scores", name, "ja"),
                "en": name.removeprefix("contribution_"),
            }
            for name in names
        ],
    }


def _rasters(run: Any, content: Content) -> None:
    inside = np.zeros(run.grid.shape, dtype=bool)
    inside[run.cells["row"].to_numpy(), run.cells["col"].to_numpy()] = True
    rasters: dict[str, dict[str, Any]] = {}
    for i, carrier in enumerate(run.carriers):
        first: np.ndarray | None = None
        for band in carrier.bands:
            before = codec.signal_codes(run.signal(carrier.id, band, "before"), inside)
            after = codec.signal_codes(run.signal(carrier.id, band, "after"), inside)
            key, block = f"{i}/{band}", f"data-r-{i}-{band}"
            packed, base = codec.raster(before), None
            if first is not None:
                # A carrier's bands often share masts and shadows: then their difference is smaller.
                other = codec.raster((before - first).astype(np.uint8))
                if len(other) < len(packed):
                    packed, base = other, f"{i}/{carrier.bands[0]}/before"
            else:
                first = before
            content.blocks[f"{block}-b"] = packed
            content.blocks[f"{block}-a"] = codec.changes(before, after)
            rasters[f"{key}/before"] = {"block": f"{block}-b", "base": base, "predicted": True}
            rasters[f"{key}/after"] = {
                "block": f"{block}-a",
                "base": f"{key}/before",
                "predicted": False,
            }
    content.meta["rasters"] = rasters
    _evidence(run, content, inside)


def _evidence(run: Any, content: Content, inside: np.ndarray) -> None:
    """On what each band's signal of today stands, where that is more than predictions.

    A band without a raster of its own is predicted wherever something is received.
    """
    content.meta["evidence"] = [
        {"id": kind, **both(display.EVIDENCE[kind])} for kind in present.CODES
    ]
    said = False
    find = getattr(run, "evidence", None)
    plain = [present.CODES["none"], present.CODES["predicted"]]
    for i, carrier in enumerate(run.carriers):
        for band in carrier.bands:
            codes = None if find is None else find(carrier.id, band)
            if codes is None or np.isin(codes[inside], plain).all():
                continue
            block = f"data-e-{i}-{band}"
            shown = np.where(inside & (codes != NO_CELL), codes + np.uint8(1), codec.OUTSIDE)
            content.blocks[block] = codec.raster(shown.astype(np.uint8))
            entry = {"block": block, "base": None, "predicted": True}
            content.meta["rasters"][f"{i}/{band}/source"] = entry
            said = True
    if not said:
        del content.meta["evidence"]
