"""From sites and a surface to who is served from where.

:func:`compute` and :func:`compute_many` give a :class:`Coverage`: a sparse footprint per site,
the same way for candidates and for networks that stand. :func:`candidate_sites` makes sites of
assets; :class:`Model` holds what a calibration may change; :func:`explain_link` says how one
link's signal comes about.
"""

from tdh.coverage.antennas import choose_antennas, turned, without_pattern
from tdh.coverage.compute import compute, compute_many
from tdh.coverage.drawing import profile_svg
from tdh.coverage.explain import BudgetLine, Edge, Link, Profile, explain_link
from tdh.coverage.exposure import exposure_of_sites
from tdh.coverage.footprint import Coverage, to_dbm, united
from tdh.coverage.quality import Shadowing, overlap, probability, probability_covered, sinr_db
from tdh.coverage.rasters import to_grid, write_raster
from tdh.coverage.receivers import Receivers, grid_of, receivers
from tdh.coverage.sites import candidate_sites
from tdh.coverage.tiles import Tile, gather, open_surface, run_tile, store_surface
from tdh.radio.model import Model

__all__ = [
    "BudgetLine",
    "Coverage",
    "Edge",
    "Link",
    "Model",
    "Profile",
    "Receivers",
    "Shadowing",
    "Tile",
    "candidate_sites",
    "choose_antennas",
    "compute",
    "compute_many",
    "explain_link",
    "exposure_of_sites",
    "gather",
    "grid_of",
    "open_surface",
    "overlap",
    "probability",
    "probability_covered",
    "profile_svg",
    "receivers",
    "run_tile",
    "sinr_db",
    "store_surface",
    "to_dbm",
    "to_grid",
    "turned",
    "united",
    "without_pattern",
    "write_raster",
]
