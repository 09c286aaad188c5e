"""Maps that open by double click on a closed network, with all of a city in them.

:func:`plan_map` draws a run as a ``folium.Map``, which a notebook shows and folium can extend;
:func:`save` writes it as one file that asks no other host for anything. :mod:`tdh.maps.layers` has
layers one by one, for any ``folium.Map``.
"""

from tdh.maps import layers
from tdh.maps.page import PageError, save
from tdh.maps.plan import plan_map

__all__ = ["PageError", "layers", "plan_map", "save"]
