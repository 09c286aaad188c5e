"""Where a fitted estimator should not be trusted."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from tdh.measurements.estimator import MeasuredCoverage
from tdh.measurements.links import link_features


def trust_map(
    model: MeasuredCoverage, cells: gpd.GeoDataFrame, sites: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Where a fitted model should not be trusted.

    Parameters
    ----------
    model : MeasuredCoverage
        Fitted on :func:`link_features` alone.
    cells : GeoDataFrame
        Points, such as table ``cells``.
    sites : GeoDataFrame
        As for :func:`link_features`; present ones, or candidates that were never measured.

    Returns
    -------
    GeoDataFrame
        Index and points of ``cells``; ``site`` that is predicted strongest there, ``rsrp_dbm``,
        ``strangeness`` of that link (:meth:`MeasuredCoverage.strangeness`) and ``trusted``. For a
        raster: ``tdh.coverage.write_raster(path, table["strangeness"], cells, grid)``.
    """
    best = np.full(len(cells), -np.inf)
    strange, server = np.full(len(cells), np.inf), np.full(len(cells), "", dtype=object)
    for site in sites.index:
        links = gpd.GeoDataFrame({"site": str(site)}, index=cells.index, geometry=cells.geometry)
        X = link_features(links, sites)
        signal = model.predict(X)
        stronger = signal > best
        best[stronger], server[stronger] = signal[stronger], str(site)
        strange[stronger] = model.strangeness(X)[stronger]
    return gpd.GeoDataFrame(
        {"site": server, "rsrp_dbm": best, "strangeness": strange, "trusted": strange <= 1.0},
        index=cells.index,
        geometry=cells.geometry,
    )
