"""Sites as coverage takes them: from assets, and from frames to arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import Problem, SchemaError
from tdh.language import Text
from tdh.radio import tr38901
from tdh.radio.bands import Band
from tdh.surface import Surface

SECTORS_DEG = (0.0, 120.0, 240.0)
"""Boresights of a rooftop that has no antenna plan."""
URBAN_MACRO_FROM_M = 16.0
"""Antennas from this height follow UMa, lower ones UMi: between the tables' 25 m and 10 m."""


def environment_for(placement: str | None, height_m: float) -> str:
    """The scenario of TR 38.901 of a site that names none.

    >>> environment_for("pole", 30.0), environment_for("roof", 30.0)
    ('UMi', 'UMa')
    """
    if placement == "pole" or height_m < URBAN_MACRO_FROM_M:
        return "UMi"
    return "UMa"


def candidate_sites(
    assets: gpd.GeoDataFrame, *, radius_roof_m: float = 1000.0, radius_pole_m: float = 300.0
) -> gpd.GeoDataFrame:
    """Sites that assets could become.

    Parameters
    ----------
    assets : GeoDataFrame
        Table "assets", completed: placement and mounting height.
    radius_roof_m, radius_pole_m : float
        How far a rooftop (and any other place) and a pole are looked at, in metres.

    Returns
    -------
    GeoDataFrame
        Index site_id (the asset's id), columns antenna_height_agl_m, placement, environment,
        radius_m, azimuths_deg, tilt_deg, geometry. Assets with placement "none", and those
        without a mounting height, are left out. Rooftops get three sectors, tilted to the
        edge of their radius; poles and others are omnidirectional.
    """
    missing = [c for c in ("placement", "mounting_height_m") if c not in assets.columns]
    if missing:
        raise SchemaError(
            Problem(
                Text("columns are missing", "列がありません"),
                value=", ".join(missing),
                where="assets",
                fix=Text(
                    "complete the assets first (tdh.inventory.complete)",
                    "先に tdh.inventory.complete で補ってください",
                ),
            )
        )
    height = pd.to_numeric(assets["mounting_height_m"], errors="coerce").astype("float64")
    usable = (assets["placement"] != "none") & assets["placement"].notna() & (height > 0)
    chosen = assets.loc[usable]
    height = height.loc[usable]
    placement = chosen["placement"].astype("str")
    radius = np.where(placement == "pole", radius_pole_m, radius_roof_m)
    roof = (placement == "roof").to_numpy()
    tilt = np.degrees(np.arctan2(height.to_numpy(), radius))
    frame = gpd.GeoDataFrame(
        {
            "antenna_height_agl_m": height,
            "placement": placement,
            "environment": [environment_for(p, h) for p, h in zip(placement, height, strict=True)],
            "radius_m": radius,
            "azimuths_deg": np.where(roof, " ".join(f"{a:g}" for a in SECTORS_DEG), ""),
            "tilt_deg": np.where(roof, tilt, np.nan),
        },
        geometry=chosen.geometry,
        index=chosen.index,
        crs=assets.crs,
    )
    frame.index = frame.index.astype("str")
    frame.index.name = "site_id"
    return frame


@dataclass(frozen=True, eq=False)
class Antennas:
    """Sectors of sites; see :func:`tdh.radio.antenna.site_pattern_db`."""

    azimuths: np.ndarray
    """float64 (n, sectors), NaN where there is none."""
    tilts: np.ndarray
    """float64 (n,), NaN where none is given."""


def antenna_arrays(sites: pd.DataFrame) -> Antennas:
    """The sectors of sites: ``azimuths_deg`` ("0 120 240"), else ``azimuth_deg``; ``tilt_deg``."""
    single = _floats(sites, "azimuth_deg")
    several = _words(sites, "azimuths_deg")
    cache: Mapping[str | None, list[float]] = {
        words: [float(a) for a in (words or "").replace(";", " ").split()] for words in set(several)
    }
    width = max([1, *(len(v) for v in cache.values())])
    azimuths = np.full((len(sites), width), np.nan)
    azimuths[:, 0] = single
    for row, words in enumerate(several):
        values = cache[words]
        if values:
            azimuths[row, : len(values)] = values
    return Antennas(azimuths, _floats(sites, "tilt_deg"))


@dataclass(frozen=True, eq=False)
class SiteArrays:
    """Sites as the compiled core takes them; see :func:`tdh.radio.prediction.predict`."""

    numbers: np.ndarray
    """float64 (n, 5): x, y, z, roof, radius."""
    antennas: Antennas
    environments: np.ndarray
    """int64 (n,): positions in tr38901.SCENARIOS."""
    heights_m: np.ndarray
    """float64 (n,): antennas above ground."""
    eirp_dbm: np.ndarray
    """float64 (n,): as given, NaN where the band's default stands."""
    poles: np.ndarray
    """bool (n,)."""


def site_arrays(
    sites: gpd.GeoDataFrame, surface: Surface | None, radius_m: float | None
) -> SiteArrays:
    """Check sites and turn them into arrays.

    Raises
    ------
    SchemaError
        With every column that is missing and every value that cannot be.
    """
    problems = []
    if "antenna_height_agl_m" not in sites.columns:
        problems.append(
            Problem(
                Text("a column is missing", "列がありません"),
                expected="antenna_height_agl_m",
                where="sites",
            )
        )
        raise SchemaError(*problems)
    n = len(sites)
    heights = _floats(sites, "antenna_height_agl_m")
    radius = np.full(n, np.nan) if radius_m is None else np.full(n, float(radius_m))
    if radius_m is None:
        radius = np.where(np.isnan(own := _floats(sites, "radius_m")), 1000.0, own)
    placement = _words(sites, "placement")
    environment = _words(sites, "environment")
    filled = np.array(
        [
            e or environment_for(p, h)
            for e, p, h in zip(environment, placement, heights, strict=True)
        ],
        dtype=object,
    )
    x, y = sites.geometry.x.to_numpy(dtype=float), sites.geometry.y.to_numpy(dtype=float)
    for name, bad, expected in (
        ("antenna_height_agl_m", ~(heights > 0), "> 0"),
        ("radius_m", ~((radius > 0) & (radius <= 10_000)), "0..10000"),
        ("environment", ~np.isin(filled, tr38901.SCENARIOS), ", ".join(tr38901.SCENARIOS)),
        ("geometry", ~(np.isfinite(x) & np.isfinite(y)), "points"),
    ):
        if bad.any():
            problems.append(
                Problem(
                    Text(
                        "{n} sites cannot be used", "{n} 件の基地局が使えません", n=int(bad.sum())
                    ),
                    value=sites.index[bad][:3].tolist(),
                    expected=expected,
                    where=f"sites.{name}",
                )
            )
    if problems:
        raise SchemaError(*problems)
    ground = np.zeros(n)
    roof = np.full(n, np.nan)
    poles = np.array([p == "pole" for p in placement], dtype=bool)
    if surface is not None:
        ground = surface.ground_m(x, y).astype(float)
        building = surface.building_height_m(x, y).astype(float)
        roof = np.where((building > 0) & ~poles, building + ground, np.nan)
    numbers = np.ascontiguousarray(
        np.stack([x, y, ground + heights, roof, radius], axis=1), dtype=float
    )
    positions = np.searchsorted(np.array(["RMa", "UMa", "UMi"]), filled.astype(str))
    environments = np.array([2, 0, 1], dtype=np.int64)[positions]
    return SiteArrays(
        numbers, antenna_arrays(sites), environments, heights, _floats(sites, "eirp_dbm"), poles
    )


def levels_dbm(arrays: SiteArrays, band: Band) -> np.ndarray:
    """SS-RSRP of each site before any loss, NaN where the band is not used there; float64 (n,)."""
    roof, pole = band.eirp_roof_dbm, band.eirp_pole_dbm
    default = np.where(arrays.poles, np.nan if pole is None else pole, roof)
    eirp = np.where(np.isnan(arrays.eirp_dbm), default, arrays.eirp_dbm)
    return eirp + band.carrier_to_rsrp_db


def _floats(sites: pd.DataFrame, column: str) -> np.ndarray:
    if column not in sites.columns:
        return np.full(len(sites), np.nan)
    return pd.to_numeric(sites[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _words(sites: pd.DataFrame, column: str) -> list[str | None]:
    if column not in sites.columns:
        return [None] * len(sites)
    return [None if pd.isna(v) or not str(v) else str(v) for v in sites[column]]
