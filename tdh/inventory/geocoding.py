"""Positions for records that have only an address, from what the user supplies; never invented."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj

from tdh import schemas
from tdh.errors import Problem, RegisterError
from tdh.inventory import addresses, findings, headers, opening, positions
from tdh.inventory.tables import Register
from tdh.language import Text

Geocoder = Callable[[str], tuple[float, float] | None]


def geocode(register: Register, geocoder: str | os.PathLike[str] | Geocoder) -> Register:
    """Place records that wait for a position.

    Parameters
    ----------
    register : Register
    geocoder : path or callable
        A table (CSV, Excel, …) with addresses, latitudes and longitudes, which are matched after
        normalisation (width, kanji numerals, with or without the prefecture); ``"jageocoder"`` for
        the package of that name, if it is installed with its dictionary; or a function from an
        address to (latitude, longitude) or None.

    Returns
    -------
    Register
        The same records; those that were placed have moved from ``needs_position`` to ``assets``, each
        with a finding ``geocoded``.

    Raises
    ------
    RegisterError
        If the table has no addresses or no coordinates, or jageocoder is not installed.
    """
    waiting = register.needs_position
    if waiting.empty:
        return register
    texts = waiting["address"].fillna("")
    if callable(geocoder):
        found = [geocoder(text) if text else None for text in texts]
    elif os.fspath(geocoder) == "jageocoder":
        found = [_jageocoder(text) for text in texts]
    else:
        found = _from_table(waiting, geocoder)
    placed = np.array([point is not None for point in found], dtype=bool)
    if not placed.any():
        return register
    lat = np.array([point[0] for point in found if point is not None], dtype=float)
    lon = np.array([point[1] for point in found if point is not None], dtype=float)
    return _move(register, placed, lat, lon)


def _from_table(
    waiting: pd.DataFrame, path: str | os.PathLike[str]
) -> list[tuple[float, float] | None]:
    tables, name = opening.open_register(path)
    table = tables[0]
    columns = headers.map_columns(table).columns
    missing = [f for f in ("address", "latitude", "longitude") if f not in columns]
    if missing:
        raise RegisterError(
            Problem(
                Text("the table of addresses lacks columns", "住所位置表に列が足りません"),
                value=", ".join(missing),
                expected="address, latitude, longitude (住所, 緯度, 経度)",
                where=name,
            )
        )
    lat = pd.to_numeric(table.frame[columns["latitude"]], errors="coerce")
    lon = pd.to_numeric(table.frame[columns["longitude"]], errors="coerce")
    keys = _keys(table.frame[columns["address"]])
    known = (lat.notna() & lon.notna() & (keys != "")).to_numpy()
    # Where an address stands twice with different points, none of them is certain.
    points = pd.DataFrame({"key": keys, "lat": lat, "lon": lon})[known].drop_duplicates()
    points = points[~points["key"].duplicated(keep=False)].set_index("key")
    wanted = _keys(waiting["address"].fillna(""))
    hit = wanted.isin(points.index)
    return [
        (float(points.at[key, "lat"]), float(points.at[key, "lon"])) if yes else None
        for key, yes in zip(wanted, hit, strict=True)
    ]


def _keys(texts: pd.Series) -> pd.Series:
    """Addresses for matching: normalised, without the prefecture where the municipality is known."""
    plain = addresses.normalise(texts)
    known = addresses.named_municipality(plain).notna()
    return plain.where(~known, addresses.without_prefecture(plain))


@cache
def _initialised() -> Any:
    """The package jageocoder with its dictionary open."""
    try:
        import jageocoder  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise RegisterError(
            Problem(
                Text("jageocoder is not installed", "jageocoderが導入されていません"),
                where="geocoder",
                fix=Text("supply a CSV of addresses", "住所位置表（CSV）を用意してください"),
            )
        ) from error
    jageocoder.init()
    return jageocoder


def _jageocoder(text: str) -> tuple[float, float] | None:
    candidates = _initialised().search(text).get("candidates") or []
    # Level 7 is a block (番), 8 a house: a town's centre would be a position that nobody gave.
    if len(candidates) != 1 or int(candidates[0].get("level", 0)) < 7:
        return None
    return float(candidates[0]["y"]), float(candidates[0]["x"])


def _move(register: Register, placed: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> Register:
    crs = register.assets.crs
    transformer = pyproj.Transformer.from_crs(positions.JGD2011, crs, always_xy=True)
    moved = register.needs_position[placed].drop(columns=["reason"], errors="ignore").copy()
    moved["latitude"], moved["longitude"] = lat, lon
    moved["repaired"] = True
    x, y = transformer.transform(lon, lat)
    points = gpd.GeoDataFrame(moved, geometry=gpd.points_from_xy(x, y), crs=crs)
    assets = pd.concat([register.assets, schemas.conform(points, "assets")])
    order = np.argsort(assets["source_row"].to_numpy(), kind="stable")
    shown = [f"{a:.8g},{b:.9g}" for a, b in zip(lat, lon, strict=True)]
    found = findings.of(
        register.source,
        moved["source_row"].to_numpy(),
        "geocoded",
        before=moved["address"].to_numpy(dtype=object),
        after=np.array(shown, dtype=object),
    )
    return replace(
        register,
        assets=schemas.conform(assets.iloc[order], "assets"),
        needs_position=register.needs_position[~placed],
        findings=pd.concat([register.findings, found], ignore_index=True),
    )
