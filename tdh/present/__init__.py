"""Present coverage from whatever a carrier or the metropolis has.

Each source is read by a module of its own, becomes :class:`Evidence` on the plan's cells, and keeps
its kind: measured, declared, predicted or estimated. :func:`combine` makes one signal of them and
says, cell by cell, which kind it stands on.
"""

from tdh.present import areas, drive_tests, ookla, open_cell_id, rasters
from tdh.present.evidence import CODES, Evidence, combine

__all__ = [
    "CODES",
    "Evidence",
    "areas",
    "combine",
    "drive_tests",
    "ookla",
    "open_cell_id",
    "rasters",
]
