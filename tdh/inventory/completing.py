"""What a register does not say: municipality by the point, height by the surface, placement by kind."""

from __future__ import annotations

from typing import Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from tdh import schemas
from tdh.inventory import addresses, findings, kinds

BORDER_M = 300.0
_RADII_M = (0.0, 8.0, 20.0)
_DEFAULT_ROOF_MAST_M = 3.0


class HasBuildings(Protocol):
    """What of a surface is needed here."""

    def building_height_m(self, x: np.ndarray, y: np.ndarray, radius_m: float = 0.0) -> np.ndarray:
        """Greatest height above ground of buildings within a radius; 0 where there is none."""


def complete(
    assets: gpd.GeoDataFrame,
    surface: HasBuildings | None = None,
    municipalities: gpd.GeoDataFrame | None = None,
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Fill in municipality, height, placement and mounting height; what is filled in is marked.

    Parameters
    ----------
    assets : GeoDataFrame
        Table ``assets``.
    surface : Surface, optional
        Gives heights to kinds with a roof where the register has none (``height_source`` is
        ``"surface"``): of the building at the point, else the highest within 8 m, then 20 m.
    municipalities : GeoDataFrame, optional
        Table ``municipalities``, in the same CRS. A point within 300 m of the municipality that its
        record names belongs to that one (simplified boundaries, quays); farther off, it belongs to
        the one it lies in, and that is a finding.

    Returns
    -------
    assets : GeoDataFrame
        The same rows in the same order.
    findings : DataFrame
        Table ``findings``.
    """
    out = assets.copy()
    parts = []
    if municipalities is not None:
        parts.append(_municipalities(out, municipalities))
    parts.append(_heights(out, surface))
    _mounting(out)
    found = pd.concat(parts, ignore_index=True) if parts else findings.empty()
    return schemas.conform(out, "assets"), schemas.conform(found, "findings")


def _collect(
    assets: gpd.GeoDataFrame, mask: np.ndarray, rule: str, **values: object
) -> pd.DataFrame:
    """Findings of some assets, by their registers."""
    parts = [findings.empty()]
    for source in pd.unique(assets["source"][mask]):
        here = mask & (assets["source"] == source).to_numpy(dtype=bool)
        chosen = {
            name: value[here] if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }
        parts.append(
            findings.of(str(source), assets["source_row"][here].to_numpy(), rule, **chosen)
        )
    return pd.concat(parts, ignore_index=True)


def _municipalities(assets: gpd.GeoDataFrame, municipalities: gpd.GeoDataFrame) -> pd.DataFrame:
    if municipalities.crs != assets.crs:
        municipalities = municipalities.to_crs(assets.crs)
    shapes = municipalities.geometry.to_numpy()
    codes = municipalities.index.to_numpy(dtype=object)
    names = municipalities["municipality"].to_numpy(dtype=object)
    points = assets.geometry.to_numpy()
    inside = np.full(len(assets), -1)
    if len(points) and len(shapes):
        which, where = shapely.STRtree(shapes).query(points, predicate="intersects")
        inside[which] = where
    named = assets["municipality_code"].map({c: i for i, c in enumerate(codes)})
    stated = named.fillna(-1).to_numpy(dtype=int)
    # A name alone serves too, where the register gives a municipality that the plan knows.
    by_name = assets["municipality"].map({n: i for i, n in enumerate(names)}).fillna(-1)
    stated = np.where(stated < 0, by_name.to_numpy(dtype=int), stated)
    others = _also_named(assets, codes)
    foreign = assets["municipality_code"].notna().to_numpy() & (stated < 0)
    near = np.zeros(len(assets), dtype=bool)
    check = (stated >= 0) & (stated != inside)
    if check.any():
        near[check] = shapely.distance(points[check], shapes[stated[check]]) <= BORDER_M
    chosen = np.where(near, stated, inside)
    lost = (chosen < 0) & (stated < 0) & ~foreign
    if lost.any():
        chosen[lost] = _nearest(points[lost], shapes)
    several = np.array(
        [i >= 0 and codes[i] in o for i, o in zip(inside, others, strict=True)], dtype=bool
    )
    differs = (stated >= 0) & (chosen >= 0) & (chosen != stated) & ~several
    outside = (chosen < 0) & ~foreign
    after = np.array([names[i] if i >= 0 else "" for i in chosen], dtype=object)
    before = assets["municipality"].fillna("").to_numpy(dtype=object)
    parts = [
        _collect(assets, differs, "municipality_differs", before=before, after=after),
        _collect(assets, outside, "outside_municipalities", before=before),
    ]
    known = chosen >= 0
    assets.loc[known, "municipality_code"] = codes[chosen[known]]
    assets.loc[known, "municipality"] = names[chosen[known]]
    return pd.concat(parts, ignore_index=True)


def _nearest(points: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The municipality within 300 m of points that lie in none (quays, simplified coasts)."""
    found = np.full(len(points), -1)
    which, where = shapely.STRtree(shapes).query_nearest(
        points, max_distance=BORDER_M, all_matches=False
    )
    found[which] = where
    return found


def _also_named(assets: gpd.GeoDataFrame, codes: np.ndarray) -> list[set[str]]:
    """Municipalities that an address names anywhere: large parks have several."""
    table = addresses.municipalities()
    table = table[table["code"].isin(set(codes))]
    pairs = list(zip(table["municipality"], table["code"], strict=True))
    several = (
        assets["address"].fillna("").str.contains("[、・／,，。(（]|　", regex=True).to_numpy()
    )
    texts = assets["address"].fillna("").to_numpy(dtype=object)
    return [
        {code for name, code in pairs if name in text} if many else set()
        for text, many in zip(texts, several, strict=True)
    ]


def _heights(assets: gpd.GeoDataFrame, surface: HasBuildings | None) -> pd.DataFrame:
    table = kinds.table()
    parts = [findings.empty()]
    roofs = kinds.flagged(assets["kind"], "from_surface")
    x, y = assets.geometry.x.to_numpy(), assets.geometry.y.to_numpy()
    height = assets["height_agl_m"].to_numpy(dtype=float).copy()
    source = assets["height_source"].to_numpy(dtype=object).copy()
    if surface is not None and roofs.any():
        seen = np.zeros(len(assets))
        for radius in _RADII_M:
            open_ = roofs & ~(seen > 0)
            if open_.any():
                found = np.asarray(surface.building_height_m(x[open_], y[open_], radius), float)
                seen[open_] = np.nan_to_num(found)
        filled = np.isnan(height) & (seen > 0)
        differs = (
            ~np.isnan(height)
            & (seen > 0)
            & (np.abs(height - seen) > 0.5 * np.maximum(height, seen))
        )
        differs &= source == "register"
        shown = np.array([f"{h:.1f}" for h in height], dtype=object)
        shown_seen = np.array([f"{h:.1f}" for h in seen], dtype=object)
        parts.append(_collect(assets, differs, "height_differs", before=shown, after=shown_seen))
        height[filled], source[filled] = seen[filled], "surface"
        parts.append(_count(assets, filled, "height_from_surface"))
    default = assets["kind"].map(table["height_m"]).to_numpy(dtype=float, na_value=np.nan)
    filled = np.isnan(height) & ~np.isnan(default)
    height[filled], source[filled] = default[filled], "default"
    parts.append(_count(assets, filled, "height_default"))
    assets["height_agl_m"] = height
    assets["height_source"] = pd.Series(source, index=assets.index, dtype="str")
    return pd.concat(parts, ignore_index=True)


def _count(assets: gpd.GeoDataFrame, mask: np.ndarray, rule: str) -> pd.DataFrame:
    counts = assets["source"][mask].value_counts(sort=False)
    parts = [findings.of(str(s), 0, rule, n=int(n)) for s, n in counts.items()]
    return pd.concat([findings.empty(), *parts], ignore_index=True)


def _mounting(assets: gpd.GeoDataFrame) -> None:
    """Placement by kind; on a roof a mast above it, on a pole its top, on ground a new pole."""
    table = kinds.table()
    placement = assets["kind"].map(table["placement"]).fillna("none").to_numpy(dtype=object)
    height = assets["height_agl_m"].to_numpy(dtype=float)
    mounting = assets["kind"].map(table["mounting_m"]).to_numpy(dtype=float, na_value=np.nan)
    default = assets["kind"].map(table["height_m"]).to_numpy(dtype=float, na_value=np.nan)
    above = np.where(np.isnan(default), _DEFAULT_ROOF_MAST_M, mounting - default)
    roof, pole = placement == "roof", placement == "pole"
    mounting = np.where((roof | pole) & ~np.isnan(height), height + above, mounting)
    mounting = np.where(placement == "none", np.nan, mounting)
    assets["placement"] = pd.Series(placement, index=assets.index, dtype="str")
    assets["mounting_height_m"] = np.clip(mounting, 0, 750)
