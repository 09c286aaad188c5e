"""Who is to be served: municipalities, people per mesh, and the plan's cells that hold them.

:func:`read_municipalities` and :func:`read_population` read what is published;
:func:`make_cells` places the people in the plan's cells by the volume of buildings.
"""

from tdh.demand.cells import make_cells
from tdh.demand.municipalities import read_municipalities
from tdh.demand.population import read_population

__all__ = ["make_cells", "read_municipalities", "read_population"]
