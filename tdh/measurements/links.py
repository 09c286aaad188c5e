"""Drive tests read, averaged over squares, and described as links of their cells."""

from __future__ import annotations

import os

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.present import drive_tests


def read_drive_test(path: str | os.PathLike[str]) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Read measured signals from CSV, whatever wrote it.

    As :func:`tdh.present.drive_tests.read`, whose settings are left at their defaults: an NR
    column where there is one, WGS 84.

    Returns
    -------
    points : GeoDataFrame
        ``source_row`` (from 1), ``rsrp_dbm``, ``site`` and ``device`` (str, "" where not said),
        in EPSG:4326.
    rejected : DataFrame
        ``source_row``, ``reason``, ``original``: rows without a position or a possible signal, or
        of another radio than the one that is read.

    Raises
    ------
    InputError
        If there is no column of latitude, longitude or RSRP, or no usable row.
    """
    test = drive_tests.read(path)
    return test.points.to_crs("EPSG:4326"), test.rejected


def thin(points: gpd.GeoDataFrame, cell_size_m: float = 10.0) -> gpd.GeoDataFrame:
    """One row per site, device and square of the ground: mean dBm, mean place, number of points.

    A phone that stands still writes the same thing a thousand times; averaging keeps such places
    from ruling the fit. The mean place, not the square's centre, which may lie behind a wall.

    Parameters
    ----------
    points : GeoDataFrame
        ``rsrp_dbm``, ``site``, ``device``, in a projected CRS.
    cell_size_m : float
    """
    x, y = points.geometry.x.to_numpy(), points.geometry.y.to_numpy()
    keyed = pd.DataFrame(
        {
            "site": points["site"].to_numpy(),
            "device": points["device"].to_numpy(),
            "column": np.floor(x / cell_size_m),
            "row": np.floor(y / cell_size_m),
            "rsrp_dbm": points["rsrp_dbm"].to_numpy(float),
            "x": x,
            "y": y,
        }
    )
    groups = keyed.groupby(["site", "device", "column", "row"])
    mean = groups[["rsrp_dbm", "x", "y"]].mean()
    mean["points"] = groups.size()
    mean = mean.reset_index().drop(columns=["column", "row"])
    geometry = gpd.points_from_xy(mean.pop("x"), mean.pop("y"))
    return gpd.GeoDataFrame(mean, geometry=geometry, crs=points.crs)


def link_features(points: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> pd.DataFrame:
    """Each point as its cell sees it.

    Parameters
    ----------
    points : GeoDataFrame
        ``site`` and optionally ``device``, in a projected CRS.
    sites : GeoDataFrame
        Index ``site``; ``antenna_height_agl_m``, optionally ``azimuth_deg``, same CRS.

    Returns
    -------
    DataFrame
        ``x_m``, ``y_m``, ``distance_m`` (3D), ``off_deg`` (0–180 off boresight; 0 for an
        omnidirectional antenna), ``turn_deg`` (−180 to 180, clockwise from the stated azimuth; NaN
        for an omnidirectional antenna), ``elevation_deg``, ``site``, ``device``; index of
        ``points``.
        Further columns (``predicted_dbm``, line of sight, blocking edges, clutter heights …) may
        be added for :class:`MeasuredCoverage`.
    """
    of = sites.index.astype("str").get_indexer(points["site"].astype("str"))
    if (of < 0).any():
        unknown = points["site"][of < 0].unique()
        raise InputError(
            Problem(
                Text("measured cells are not in the table of sites", "局の表にないセルがあります"),
                value=list(unknown[:5]),
                expected=", ".join(map(str, sites.index[:20])),
            )
        )
    east = points.geometry.x.to_numpy() - sites.geometry.x.to_numpy()[of]
    north = points.geometry.y.to_numpy() - sites.geometry.y.to_numpy()[of]
    flat = np.hypot(east, north)
    height = sites["antenna_height_agl_m"].to_numpy(float)[of] - 1.5
    turn = np.full(len(points), np.nan)
    if "azimuth_deg" in sites.columns:
        azimuth = sites["azimuth_deg"].to_numpy(float)[of]
        turn = half_turn(np.degrees(np.arctan2(east, north)) - azimuth)
    return pd.DataFrame(
        {
            "x_m": points.geometry.x.to_numpy(),
            "y_m": points.geometry.y.to_numpy(),
            "distance_m": np.hypot(flat, height),
            "off_deg": np.nan_to_num(np.abs(turn)),
            "turn_deg": turn,
            "elevation_deg": np.degrees(np.arctan2(height, np.maximum(flat, 1.0))),
            "site": points["site"].astype("str").to_numpy(),
            "device": names(points["device"]).to_numpy() if "device" in points else "",
        },
        index=points.index,
    )


def names(column: pd.Series) -> pd.Series:
    """A column of sites or devices as str, "" where it does not say."""
    return column.astype("object").where(column.notna(), "").astype("str")


def pairs(X: pd.DataFrame) -> pd.MultiIndex:
    """Site and device of each link."""
    return pd.MultiIndex.from_arrays([names(X["site"]), names(X["device"])])


def half_turn(angle_deg: np.ndarray) -> np.ndarray:
    """Angles as -180 to 180 degrees."""
    out: np.ndarray = (angle_deg + 180.0) % 360.0 - 180.0
    return out
