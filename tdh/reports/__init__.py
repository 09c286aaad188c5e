"""What a run says on paper and in the tools that people already use.

:func:`write_report` for whoever decides, :func:`write_workbook` for Excel, :func:`write_geopackage`
for QGIS.
"""

from tdh.reports.geopackage import write_geopackage
from tdh.reports.report import write_report
from tdh.reports.workbook import write_workbook

__all__ = ["write_geopackage", "write_report", "write_workbook"]
