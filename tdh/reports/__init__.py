"""What a run says on paper and in the tools that people already use.

:func:`write_report` for whoever decides, :func:`write_workbook` for Excel, :func:`write_geopackage`
for QGIS, :func:`write_slides` for
presentations, and in :mod:`tdh.reports.exports` KML, CZML, COG, PDF and PNG.
"""

from tdh.reports.czml import write_czml
from tdh.reports.exports import (
    PrintError,
    write_cog,
    write_kml,
    write_pdf,
    write_picture,
)
from tdh.reports.geopackage import write_geopackage, write_geoparquet
from tdh.reports.profiles import write_profile
from tdh.reports.report import write_report
from tdh.reports.slides import write_slides
from tdh.reports.tiles3d import read_buildings, write_3d_tiles
from tdh.reports.workbook import write_workbook

__all__ = [
    "PrintError",
    "read_buildings",
    "write_3d_tiles",
    "write_cog",
    "write_czml",
    "write_geopackage",
    "write_geoparquet",
    "write_kml",
    "write_pdf",
    "write_picture",
    "write_profile",
    "write_report",
    "write_slides",
    "write_workbook",
]
