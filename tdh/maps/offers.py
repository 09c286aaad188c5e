"""What a page tells of offers: footprints, antennas, path profiles; places and goals beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import details
from tdh.maps import codec, georeference
from tdh.maps.parts import Content, both, u16

MOST_FOOTPRINTS = 1500
MOST_PROFILES = 1500


def plan(run: Any, content: Content) -> None:
    """Which asset is offered to which carrier, why, and the cells that it serves."""
    index = content.meta["_order"]
    names = [c.id for c in run.carriers]
    rows: list[dict[str, Any]] = []
    bits, at = [], 0
    prints = _Footprints(run)
    priced = "cost_yen" in run.plan and bool(run.plan["cost_yen"].notna().all())
    for row in run.plan.itertuples():
        entry = {
            "asset": int(index.get_loc(row.asset_id)),
            "carrier": names.index(row.carrier_id),
            "order": int(row.order),
            "gained": round(float(row.people_gained), 1),
            "lost": round(float(row.people_lost_without), 1),
            **({"cost": round(float(row.cost_yen) / 1e6, 3)} if priced else {}),
            "ja": row.reason_ja,
            "en": row.reason_en,
        }
        window = (
            prints.window(row.carrier_id, row.asset_id) if len(rows) < MOST_FOOTPRINTS else None
        )
        if window is not None:
            top, left, mask = window
            packed = np.packbits(mask.ravel(), bitorder="little").tobytes()
            entry["footprint"] = [at, top, left, *mask.shape]
            bits.append(packed)
            at += len(packed)
        rows.append(entry)
    content.blocks["data-plan"] = _packed(rows)
    content.blocks["data-footprints"] = codec.deflate(b"".join(bits))


class _Footprints:
    """Cells that a chosen asset serves for a carrier, in any of its bands."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.row = run.cells["row"].to_numpy()
        self.col = run.cells["col"].to_numpy()
        self.chosen: dict[str, tuple[pd.Index, list[sparse.csr_array]]] = {}

    def _of(self, carrier: str) -> tuple[pd.Index, list[sparse.csr_array]]:
        if carrier not in self.chosen:
            wanted = pd.Index(self.run.plan.loc[self.run.plan["carrier_id"] == carrier, "asset_id"])
            parts = []
            for owner, band in self.run.bands:
                if owner == carrier:
                    signals = self.run.footprint(carrier, band)
                    least = int(np.ceil((self.run.bands[owner, band].covered_dbm + 150.5) / 0.5))
                    rows = signals.signal[signals.site_ids.get_indexer(wanted)]
                    rows.data = (rows.data >= least).astype(np.uint8)
                    rows.eliminate_zeros()
                    parts.append(rows)
            self.chosen[carrier] = wanted, parts
        return self.chosen[carrier]

    def window(self, carrier: str, asset: str) -> tuple[int, int, np.ndarray] | None:
        """Top row, left column and mask of the smallest window around the cells."""
        wanted, parts = self._of(carrier)
        at = int(wanted.get_loc(asset))
        cells = np.unique(
            np.concatenate([p.indices[p.indptr[at] : p.indptr[at + 1]] for p in parts])
        )
        if not len(cells):
            return None
        row, col = self.row[cells], self.col[cells]
        top, left = int(row.min()), int(col.min())
        mask = np.zeros((int(row.max()) - top + 1, int(col.max()) - left + 1), dtype=np.uint8)
        mask[row - top, col - left] = 1
        return top, left, mask


def antennas(run: Any, content: Content) -> None:
    """Sectors of the offers, by the offer's place in the plan."""
    table = details.antennas(run)
    content.meta["antennas"] = None
    if table is None:
        return
    at = _offers(run)
    bands = [c.bands for c in run.carriers]
    names = [c.id for c in run.carriers]
    table = table.assign(
        offer=[at[key] for key in zip(table["asset_id"], table["carrier_id"], strict=True)],
        place=[
            bands[names.index(c)].index(b) if b in bands[names.index(c)] else 255
            for c, b in zip(table["carrier_id"], table["band"], strict=True)
        ],
    ).sort_values(["offer", "place", "azimuth_deg"], kind="stable")
    layout, content.blocks["data-antennas"] = codec.columns(
        {
            "offer": (table["offer"], "u32d"),
            "band": (table["place"], "u8"),
            "azimuth": (u16(table["azimuth_deg"] % 360), "u16"),
            "tilt": (u16(table["tilt_deg"] + 90), "u16"),  # up is negative
            "height": (u16(table["height_agl_m"]), "u16"),
            "eirp": (u16(table["eirp_dbm"] + 100), "u16"),
        }
    )
    content.meta["antennas"] = {"n": len(table), "layout": layout, "beam": details.BEAM_DEG}


def _offers(run: Any) -> dict[tuple[str, str], int]:
    """(asset, carrier) to the offer's place in the plan."""
    keys = zip(run.plan["asset_id"], run.plan["carrier_id"], strict=True)
    return {key: i for i, key in enumerate(keys)}


def profiles(run: Any, content: Content) -> None:
    """Paths of the offers in decimetres; heights count from the lowest point of the path."""
    at = _offers(run)
    cells = run.cells
    rows: list[dict[str, Any]] = []
    for key, path in sorted(details.profiles(run).items(), key=lambda item: at.get(item[0], -1)):
        if key not in at or len(rows) == MOST_PROFILES:
            continue
        known = path.cell_id in cells.index
        low = float(min(path.ground_m.min(), path.antenna_m, path.receiver_m))
        rows.append(
            {
                "offer": at[key],
                "band": path.band,
                "people": round(path.people, 1),
                "rsrp": round(path.rsrp_dbm, 1),
                "los": path.line_of_sight,
                "low": _tenths(low),
                "ends": [_tenths(path.antenna_m - low), _tenths(path.receiver_m - low)],
                "cell": [int(cells.at[path.cell_id, k]) for k in ("row", "col")] if known else None,
                "d": np.diff(_tenths(path.distance_m), prepend=0).tolist(),
                "g": _tenths(path.ground_m - low).tolist(),
                "b": _tenths(np.maximum(path.top_m - path.ground_m, 0)).tolist(),
            }
        )
    content.meta["profiles"] = [row["offer"] for row in rows]
    if rows:
        content.blocks["data-profiles"] = _packed(rows)


def _tenths(values: Any) -> Any:
    found = np.rint(np.asarray(values) * 10).astype(int)
    return found if found.ndim else int(found)


def _packed(value: object) -> str:
    return codec.deflate(codec.json_block(value).encode("utf-8", "replace"))


def places(run: Any, content: Content, origin: tuple[float, float]) -> None:
    """Priority places and stations, with their names."""
    frame = details.places(run)
    content.meta["places"] = None
    if frame is None:
        return
    kinds = list(details.PLACE_KINDS)
    points = frame.geometry.to_crs(georeference.GEOGRAPHIC_CRS).representative_point()
    lon, lat = points.x.to_numpy(), points.y.to_numpy()
    start = (
        round(min(origin[0], float(lon.min()) - 0.001), 6),
        round(min(origin[1], float(lat.min()) - 0.001), 6),
    )
    layout, content.blocks["data-places"] = codec.columns(
        {
            "lon": (np.rint((lon - start[0]) * 1e6), "u32d"),
            "lat": (np.rint((lat - start[1]) * 1e6), "u32d"),
            "kind": (np.array([kinds.index(details.place_kind(k)) for k in frame["kind"]]), "u8"),
            "priority": (u16(frame["priority"], 100), "u16"),
        }
    )
    content.blocks["data-places-names"] = codec.words(frame["name"])
    content.meta["places"] = {
        "n": len(frame),
        "layout": layout,
        "origin": list(start),
        "kinds": [{"id": k, **both(text)} for k, text in details.PLACE_KINDS.items()],
    }


def goals(run: Any, content: Content) -> None:
    """The programme's goals, of the whole area and of municipalities."""
    found = details.goals(run)
    codes = {m["code"]: i for i, m in enumerate(content.meta["municipalities"])}
    names = {c.id: c.name for c in run.carriers}
    kpis = list(dict.fromkeys(g.kpi for g in found))
    whos = list(dict.fromkeys(g.carrier_id for g in found))
    said = {g.note.render("ja"): g.note for g in found}
    notes = list(said)
    rows = [
        [
            kpis.index(g.kpi),
            whos.index(g.carrier_id),
            codes[g.municipality_code] if g.municipality_code else -1,
            *(None if v is None else round(v, 5) for v in (g.before, g.after, g.target)),
            notes.index(g.note.render("ja")),
        ]
        for g in found
        if not g.municipality_code or g.municipality_code in codes
    ]
    first = {g.kpi: g for g in reversed(found)}
    table = {
        "kpis": [
            {"unit": first[k].unit, "less": first[k].less_is_better, **both(details.goal_label(k))}
            for k in kpis
        ],
        "whos": [
            {"carrier": list(names).index(w) if w in names else -1}
            | both(details.who_label(w, names))
            for w in whos
        ],
        "notes": [both(note) for note in said.values()],
        "rows": rows,
    }
    content.blocks["data-goals"] = _packed(table)
