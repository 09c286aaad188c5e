"""Measured links as the model predicts them, with the parts that a calibration weighs."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import units
from tdh.coverage.explain import geometry_over
from tdh.coverage.sites import SiteArrays, levels_dbm, site_arrays
from tdh.errors import DomainError, Problem
from tdh.language import Text
from tdh.measurements.clutter import clutter_features
from tdh.measurements.links import link_features
from tdh.radio import prediction, tables, tr38901
from tdh.radio.bands import Band
from tdh.radio.model import Model
from tdh.surface import Surface

LINE, EDGE, STREET = "los_loss_db", "edge_loss_db", "nlos_loss_db"


def predict_links(
    points: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    surface: Surface,
    band: Band,
    model: Model | None = None,
    receiver_height_m: float = 1.5,
) -> pd.DataFrame:
    """Each point as its cell sees it, with what the model predicts there.

    Parameters
    ----------
    points : GeoDataFrame
        As for :func:`link_features`, in the CRS of the surface.
    sites : GeoDataFrame
        Index ``site``, columns as for :func:`tdh.coverage.compute`.
    surface : Surface
    band : Band
    model : Model, optional
        What :func:`calibrate_model` is to correct.
    receiver_height_m : float

    Returns
    -------
    DataFrame
        :func:`link_features`, and ``predicted_dbm``; ``line_of_sight`` and ``indoors`` (bool: the
        point lies in a building); ``los_loss_db`` and ``nlos_loss_db`` by the laws with the
        model's offsets, ``edge_loss_db`` over the edges without weight and offset (0 in line of
        sight); ``environment``; ``tilt_deg`` (0 where no tilt is given); ``elevation_deg`` from
        the antenna's height above the surface's datum; and the columns of
        :func:`clutter_features`.

    Raises
    ------
    DomainError
        If points and surface are in different CRS.
    """
    model = model or Model()
    if points.crs is not None and points.crs != surface.grid.crs:
        raise DomainError(
            Problem(
                Text(
                    "points and surface are in different CRS",
                    "測定点と地表面の座標参照系が違います",
                ),
                value=str(points.crs),
                expected=surface.grid.crs,
            )
        )
    out = link_features(points, sites)
    arrays = site_arrays(sites, surface, None)
    laws = tables.law_constants(
        arrays.environments, arrays.heights_m, band.frequency_ghz, receiver_height_m, model
    )
    levels = levels_dbm(arrays, band)
    x, y = points.geometry.x.to_numpy(float), points.geometry.y.to_numpy(float)
    rx_m = surface.ground_m(x, y).astype(float) + receiver_height_m
    indoors = surface.building_height_m(x, y) > 0
    of = sites.index.astype("str").get_indexer(out["site"])
    table = np.array(
        [
            _link(arrays, laws[s], s, (x[i], y[i], rx_m[i]), bool(indoors[i]), surface, band, model)
            for i, s in enumerate(of)
        ]
    ).reshape(-1, 7)
    seen, gain, line, street, edge, loss, elevation = table.T
    out["predicted_dbm"] = levels[of] + gain - loss
    out["line_of_sight"], out["indoors"] = seen > 0, indoors
    out[LINE], out[STREET], out[EDGE] = line, street, edge
    out["environment"] = np.array(tr38901.SCENARIOS)[arrays.environments[of]]
    out["tilt_deg"] = np.nan_to_num(arrays.antennas.tilts)[of]
    out["elevation_deg"] = elevation
    stands = sites.geometry.get_coordinates().to_numpy()[of]
    around = clutter_features(np.column_stack([x, y]), stands, surface)
    out[around.columns] = around.to_numpy()
    if model.rain_rate_mm_h > 0:
        rain = tables.rain_db_per_m(band.frequency_ghz, model)
        out["predicted_dbm"] -= rain * out["distance_m"]
    return out


def _link(
    arrays: SiteArrays,
    law: np.ndarray,
    site: int,
    rx: tuple[float, float, float],
    indoors: bool,
    surface: Surface,
    band: Band,
    model: Model,
) -> tuple[float, float, float, float, float, float, float]:
    """One link: in sight, gain, both laws, edges, loss, elevation of the site from the receiver."""
    (x0, y0, z0), (x1, y1, z1, roof, _) = rx, arrays.numbers[site]
    east, north, up = x0 - x1, y0 - y1, z0 - z1
    distance = math.hypot(east, north)
    flat = max(distance, prediction.NEAREST_M)
    direct = math.hypot(flat, up)
    antennas = arrays.antennas
    tilt = antennas.tilts[site]
    gain = prediction.antenna_gain_db(east, north, up, antennas.azimuths, site, tilt, model.pattern)
    line, street = prediction.law_db(law, math.log10(direct), flat, direct)
    blocked, nu, _, _, _ = geometry_over(surface, rx, (x1, y1, z1), roof, indoors, model)
    edge = 0.0
    if blocked and model.diffraction:
        shift = -0.5 * math.log2(float(units.wavelength_m(band.frequency_ghz)))
        edge = prediction.edge_loss_db(math.log2(max(nu, 1e-6)) + shift, distance)
    loss = line
    if blocked:
        over = line + law[8] * edge + model.diffraction_offset_db
        loss = prediction.blend_db(line, street, over) if model.diffraction else street
    elevation = math.degrees(math.atan2(-up, max(distance, 1.0)))
    return float(not blocked), gain, line, street, edge, loss, elevation
