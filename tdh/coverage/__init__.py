"""From sites and a surface to who is served from where.

:func:`compute` and :func:`compute_many` give a :class:`Coverage`: a sparse footprint per site,
the same way for candidates and for networks that stand. :func:`candidate_sites` makes sites of
assets; :class:`Model` holds what a calibration may change.
"""

from tdh.coverage.compute import Receivers, compute, compute_many, receivers
from tdh.coverage.explain import BudgetLine, Edge, Link, Profile, explain_link
from tdh.coverage.footprint import Coverage, to_dbm
from tdh.coverage.quality import Shadowing, overlap, probability, probability_covered, sinr_db
from tdh.coverage.rasters import to_grid, write_raster
from tdh.coverage.sites import candidate_sites
from tdh.radio.prediction import Model

__all__ = [
    "BudgetLine",
    "Coverage",
    "Edge",
    "Link",
    "Model",
    "Profile",
    "Receivers",
    "Shadowing",
    "candidate_sites",
    "compute",
    "compute_many",
    "explain_link",
    "overlap",
    "probability",
    "probability_covered",
    "receivers",
    "sinr_db",
    "to_dbm",
    "to_grid",
    "write_raster",
]
