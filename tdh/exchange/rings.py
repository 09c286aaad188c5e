"""Search rings answered with the assets inside them."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from tdh import schemas
from tdh.errors import ExchangeError, Problem
from tdh.exchange import archive
from tdh.exchange.answers import Answer, SearchRing
from tdh.exchange.formats import fixed_date
from tdh.exchange.offered import FACTS
from tdh.exchange.text import cell
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.results import Run

SCHEMA = "tdh-rings/1"
_JGD2011 = "EPSG:6668"


def inside(assets: gpd.GeoDataFrame, ring: SearchRing) -> gpd.GeoDataFrame:
    """The assets within a search ring, the nearest first.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets`` (or ``offers``) in a projected CRS in metres.
    ring : SearchRing
        Circle in JGD2011; heights are those at which an antenna can be mounted. An asset without
        a known height is kept: whether it suits is for the carrier to say.

    Returns
    -------
    GeoDataFrame
        The register's facts and ``distance_m``; assets on which nothing can be mounted are left
        out.
    """
    centre = gpd.GeoSeries.from_xy([ring.longitude], [ring.latitude], crs=_JGD2011)
    point = centre.to_crs(assets.crs).iloc[0]
    distance = assets.geometry.distance(point)
    height = assets["mounting_height_m"].to_numpy(dtype=float)
    low = -np.inf if ring.height_min_m is None else ring.height_min_m
    high = np.inf if ring.height_max_m is None else ring.height_max_m
    fits = np.isnan(height) | ((height >= low) & (height <= high))
    keep = (distance <= ring.radius_m) & fits & (assets["placement"] != "none")
    facts = [name for name in FACTS if name in assets.columns]
    found = assets.loc[keep, [*facts, assets.geometry.name]].copy()
    found.insert(0, "distance_m", distance[keep].round(1))
    return found.sort_values("distance_m", kind="stable")


def answer_rings(
    assets: gpd.GeoDataFrame, rings: Iterable[SearchRing]
) -> dict[str, gpd.GeoDataFrame]:
    """Each ring's name to the assets inside it; see :func:`inside`."""
    return {ring.name: inside(assets, ring) for ring in rings}


def write_rings(run: Run, answer: Answer, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Answer the search rings of a carrier: one zip with the assets inside each.

    The zip holds ``assets.csv`` (UTF-8 with BOM), ``rings.gpkg`` (layers ``assets`` and ``rings``)
    and ``manifest.json``. Assets are those of the registers, whatever has been offered to whom: it
    holds their facts and distances, and nothing of any carrier but the rings that were sent.

    Parameters
    ----------
    run : Run
        Whose assets.
    answer : Answer
        With at least one search ring.
    path : path
        The zip; the same bytes for the same assets and rings.

    Returns
    -------
    DataFrame
        Ring by ring: ``ring``, ``assets`` (how many are inside).

    Raises
    ------
    ExchangeError
        If the answer has no search ring.
    """
    if not answer.search_rings:
        raise ExchangeError(
            Problem(
                Text("the answer has no search ring", "回答に探索範囲がありません"),
                value=answer.carrier,
            )
        )
    found = answer_rings(run.assets, answer.search_rings)
    parts = [table.reset_index().assign(ring=name) for name, table in found.items()]
    assets = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=run.assets.crs)
    assets = assets[["ring", *(c for c in assets.columns if c != "ring")]]
    counts = pd.DataFrame({"ring": list(found), "assets": [len(t) for t in found.values()]})
    members = {
        "assets.csv": _csv(assets.drop(columns=assets.geometry.name)),
        "rings.gpkg": _geopackage(assets, answer.search_rings),
    }
    sources = [p for p in run.scenario.assets if p.source]
    manifest = {
        "schema": SCHEMA,
        "round": answer.round,
        "carrier": answer.carrier,
        "answer_sha256": archive.digest(answer.to_json()),
        "crs": {"plan": run.crs, "geographic": _JGD2011},
        "rings": [
            {**ring.model_dump(mode="json"), "assets": len(found[ring.name])}
            for ring in answer.search_rings
        ],
        "synthetic": bool(assets["synthetic"].any()),
        "attributions": list(
            dict.fromkeys(f"{p.source} ({p.licence})" if p.licence else p.source for p in sources)
        ),
        "members": {
            name: {"sha256": archive.digest(content), "bytes": len(content)}
            for name, content in members.items()
        },
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False)
    archive.write_zip(path, {"manifest.json": text.encode("utf-8"), **members})
    return counts


def _csv(frame: pd.DataFrame) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([_label(column) for column in frame.columns])
    for row in frame.astype(object).itertuples(index=False):
        writer.writerow(["" if _missing(value) else cell(value) for value in row])
    return "\ufeff".encode() + buffer.getvalue().encode("utf-8")


def _label(column: str) -> str:
    words = {"ring": "探索範囲", "distance_m": "中心からの距離 (m)"}
    return f"{words.get(column) or schemas.label('assets', column, 'ja')} / {column}"


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _geopackage(assets: gpd.GeoDataFrame, rings: Iterable[SearchRing]) -> bytes:
    """Two layers: what was found, and the circles."""
    rows = [ring.model_dump(mode="json") for ring in rings]
    table = pd.DataFrame(rows).assign(bands=[", ".join(row["bands"]) for row in rows])
    centres = gpd.points_from_xy(table["longitude"], table["latitude"], crs=_JGD2011)
    circles = gpd.GeoSeries(centres).to_crs(assets.crs).buffer(table["radius_m"], quad_segs=32)
    drawn = gpd.GeoDataFrame(table, geometry=circles)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rings.gpkg"
        with fixed_date():
            for layer, frame, kind in (("assets", assets, "Point"), ("rings", drawn, "Polygon")):
                pyogrio.write_dataframe(
                    frame, path, layer=layer, driver="GPKG", geometry_type=kind,
                    append=layer == "rings",
                )  # fmt: skip
        return path.read_bytes()
