"""Who is to be served: municipalities, people per mesh, and the plan's cells that hold them.

:func:`read_municipalities` and :func:`read_population` read what is published;
:func:`make_cells` places the people in the plan's cells by the volume of buildings, and
:class:`DasymetricRegressor` learns in which buildings people live (:func:`learn_placing` uses it
where it helps). :func:`on_cells` adds any
other source of demand: stations, roads, :func:`people_at` people by day, by night and in a
disaster. :func:`read_stations` reads S12's passengers, :func:`read_ratios` day/night ratios.
:func:`read_places` reads the places that must be served.
"""

from tdh.demand.cells import building_volume_m3, make_cells
from tdh.demand.dasymetric import DasymetricRegressor, building_classes, mesh_classes
from tdh.demand.moments import MOMENTS, people_at, place_sources, read_source
from tdh.demand.municipalities import read_municipalities
from tdh.demand.places import PRIORITY_OF_KIND, Places, PlaceSource, read_places
from tdh.demand.placing import Placing, learn_placing
from tdh.demand.population import read_population
from tdh.demand.ratios import read_ratios
from tdh.demand.sources import on_cells
from tdh.demand.stations import Stations, read_stations

__all__ = [
    "MOMENTS",
    "PRIORITY_OF_KIND",
    "DasymetricRegressor",
    "PlaceSource",
    "Places",
    "Placing",
    "Stations",
    "building_classes",
    "building_volume_m3",
    "learn_placing",
    "make_cells",
    "mesh_classes",
    "on_cells",
    "people_at",
    "place_sources",
    "read_municipalities",
    "read_places",
    "read_population",
    "read_ratios",
    "read_source",
    "read_stations",
]
