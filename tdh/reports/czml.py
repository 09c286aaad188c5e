"""The plan for Cesium: masts, sectors of antennas, and the cells that each offer newly serves."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np
import pandas as pd
import rasterio.features
import shapely
from pyproj import Transformer

from tdh import details, display
from tdh.files import atomic
from tdh.language import Language

GEOGRAPHIC_CRS = "EPSG:6668"
SECTOR_M = 45.0
ARC_POINTS = 9
MOST_POLYGONS = 40


def write_czml(run: Any, path: str | os.PathLike[str], language: Language = "ja") -> None:
    """Write the offers as CZML for Cesium, in the carriers' colours.

    A mast to the antenna's height, a wedge or disc where its sectors look, and on the ground the
    cells that nobody of the carrier serves today and the offer does (the largest patches). Heights
    count from the ground (``RELATIVE_TO_GROUND``), so that they stand right on any terrain.
    Descriptions are left to the names: Cesium shows a description as HTML.

    Parameters
    ----------
    run : Run
        A finished run.
    path : path
        The ``.czml`` file.
    language : {"ja", "en"}
        Language of names.
    """
    packets: list[dict[str, Any]] = [
        {
            "id": "document",
            "name": run.name,
            "version": "1.0",
            "properties": {"notices": [n.render(language) for n in run.notices]},
        }
    ]
    assets = run.assets.reindex(run.plan["asset_id"])
    colours = display.colours(run)
    names = {c.id: c.name for c in run.carriers}
    sectors = _sectors(run)
    newly = _NewlyServed(run)
    to_geographic = Transformer.from_crs(run.crs, GEOGRAPHIC_CRS, always_xy=True)
    for row, asset in zip(run.plan.to_dict("records"), assets.to_dict("records"), strict=True):
        key = (row["asset_id"], row["carrier_id"])
        name = f"{names[key[1]]} {row['order']}. {asset['name']}"
        x, y = row["geometry"].x, row["geometry"].y
        rgb = [int(colours[key[1]][i : i + 2], 16) for i in (1, 3, 5)]
        mount = asset["mounting_height_m"]
        height = max(0.0 if mount is None or mount != mount else float(mount), 1.0)
        lon, lat = to_geographic.transform(x, y)
        packets.append(
            {
                "id": f"{key[1]}/{key[0]}",
                "name": name,
                "position": {"cartographicDegrees": [round(lon, 7), round(lat, 7), height / 2]},
                "cylinder": {
                    "length": height,
                    "topRadius": 1.5,
                    "bottomRadius": 1.5,
                    "heightReference": "RELATIVE_TO_GROUND",
                    "material": _material(rgb, 220),
                },
                "properties": {
                    "people_gained": round(float(row["people_gained"]), 1),
                    "synthetic": bool(asset["synthetic"]),
                    "modelled": True,
                },
            }
        )
        for k, azimuth in enumerate(sectors.get(key, [])):
            ring = _wedge(x, y, azimuth)
            packets.append(
                {
                    "id": f"{key[1]}/{key[0]}/sector/{k}",
                    "name": name,
                    "polygon": {
                        "positions": _positions(ring, to_geographic),
                        "height": height,
                        "heightReference": "RELATIVE_TO_GROUND",
                        "material": _material(rgb, 150),
                    },
                }
            )
        for k, polygon in enumerate(newly.polygons(*key)):
            packets.append(
                {
                    "id": f"{key[1]}/{key[0]}/newly-served/{k}",
                    "name": name,
                    "polygon": {
                        "positions": _positions(polygon.exterior.coords, to_geographic),
                        "holes": {
                            "cartographicDegrees": [
                                _flat(hole.coords, to_geographic) for hole in polygon.interiors
                            ]
                        },
                        # On the ground only: buildings show the colours of their own.
                        "classificationType": "TERRAIN",
                        "material": _material(rgb, 90),
                    },
                }
            )
    with atomic(path) as draft:
        draft.write_text(json.dumps(packets, ensure_ascii=False), encoding="utf-8")


def _material(rgb: list[int], alpha: int) -> dict[str, Any]:
    return {"solidColor": {"color": {"rgba": [*rgb, alpha]}}}


def _flat(ring: Any, to_geographic: Transformer) -> list[float]:
    """Longitude, latitude and height 0 of each corner, one after the other."""
    points = np.asarray(ring)[:-1, :2]
    lon, lat = to_geographic.transform(points[:, 0], points[:, 1])
    flat = np.column_stack([lon, lat, np.zeros(len(points))]).round(7)
    return [float(v) for v in flat.ravel()]


def _positions(ring: Any, to_geographic: Transformer) -> dict[str, list[float]]:
    return {"cartographicDegrees": _flat(ring, to_geographic)}


def _sectors(run: Any) -> dict[tuple[str, str], list[float | None]]:
    """(asset, carrier) to where its sectors look, each direction once; None is all round."""
    table = details.antennas(run)
    found: dict[tuple[str, str], list[float | None]] = {}
    if table is not None:
        for row in table.drop_duplicates(["asset_id", "carrier_id", "azimuth_deg"]).itertuples():
            azimuth = None if row.azimuth_deg != row.azimuth_deg else float(row.azimuth_deg)
            found.setdefault((row.asset_id, row.carrier_id), []).append(azimuth)
    return found


def _wedge(x: float, y: float, azimuth: float | None) -> np.ndarray:
    """A closed ring: a sector of the beam's width, or a disc."""
    if azimuth is None:
        angles = np.radians(np.linspace(0, 360, 4 * ARC_POINTS + 1))
        return np.column_stack(
            [x + 0.5 * SECTOR_M * np.sin(angles), y + 0.5 * SECTOR_M * np.cos(angles)]
        )
    half = details.BEAM_DEG / 2
    angles = np.radians(np.linspace(azimuth - half, azimuth + half, ARC_POINTS))
    arc = np.column_stack([x + SECTOR_M * np.sin(angles), y + SECTOR_M * np.cos(angles)])
    return np.vstack([[x, y], arc, [x, y]])


class _NewlyServed:
    """Cells that a carrier does not serve today and an offer does."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.before = display.service(run).served
        self.row = run.cells["row"].to_numpy()
        self.col = run.cells["col"].to_numpy()
        # The carriers' footprints are large: one at a time, in the order of the plan.
        self.held: tuple[str, list[tuple[pd.Index, Any]]] = ("", [])

    def polygons(self, asset: str, carrier: str) -> list[shapely.Polygon]:
        """The largest patches, in the plan's CRS."""
        if self.held[0] != carrier:
            bands = [band for owner, band in self.run.bands if owner == carrier]
            found = []
            for band in bands:
                coverage = self.run.footprint(carrier, band)
                level = self.run.bands[carrier, band].covered_dbm
                found.append((coverage.site_ids, (coverage.signal, _code(level))))
            self.held = (carrier, found)
        grid = self.run.grid
        image = np.zeros(grid.shape, dtype=np.uint8)
        fresh = ~self.before[carrier, "before"]
        for ids, (signal, least) in self.held[1]:
            at = ids.get_indexer([asset])[0]
            if at < 0:
                continue
            start, stop = signal.indptr[at : at + 2]
            cells = signal.indices[start:stop][signal.data[start:stop] >= least]
            cells = cells[fresh[cells]]
            image[self.row[cells], self.col[cells]] = 1
        shapes = rasterio.features.shapes(image, mask=image > 0, transform=grid.transform)
        patches = [shapely.geometry.shape(shape) for shape, _ in shapes]
        return sorted(patches, key=lambda p: -p.area)[:MOST_POLYGONS]


def _code(level_dbm: float) -> int:
    """The least stored code of a level (steps of 0.5 dB from -150.5 dBm)."""
    return math.ceil((level_dbm + 150.5) / 0.5)
