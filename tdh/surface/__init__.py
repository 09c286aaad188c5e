"""Heights of buildings and terrain as rasters: what decides line of sight.

:func:`read` puts GeoTIFF, outlines, PLATEAU CityGML and FG-GML elevation models on one grid and
gives a :class:`Surface`.
"""

from tdh.surface.model import Surface
from tdh.surface.outlines import burn
from tdh.surface.reading import read

__all__ = ["Surface", "burn", "read"]
