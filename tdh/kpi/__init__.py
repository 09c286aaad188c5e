"""The numbers that the programme is judged by.

* つながる東京: priority places, commercial area (ha) and roads (km) covered by any carrier, and by
  at least k (展開方針 2023-08; targets of the 3か年アクションプラン 2023-12 in :data:`TARGETS`).
* 5G人口カバー率: people of the 500 m meshes of which half or more of the area is covered.
* サブ6展開率: 1 km meshes with an outdoor sub6 station, or with ¾ of the area covered by sub6.
* 5G基盤展開率: 10 km meshes with a station of the wide-band kind.

:mod:`tdh.kpi.measures` holds each by its definition, :mod:`tdh.kpi.tables` counts all of them for
the whole area and for each municipality.
"""

from tdh.kpi.measures import (
    EXACTLY,
    Service,
    area_covered_ha,
    cell_at,
    cells_in,
    deployment,
    length_by_cell_km,
    length_covered_km,
    mesh_shares,
    meshes_of_cells,
    place_at,
    places_covered,
    population_coverage,
    reaches,
)
from tdh.kpi.tables import HIGH_BANDS, KPIS, PLACE_KINDS, counts, label, long, table, wide
from tdh.kpi.targets import TARGETS, target_of

__all__ = [
    "EXACTLY",
    "HIGH_BANDS",
    "KPIS",
    "PLACE_KINDS",
    "TARGETS",
    "Service",
    "area_covered_ha",
    "cell_at",
    "cells_in",
    "counts",
    "deployment",
    "label",
    "length_by_cell_km",
    "length_covered_km",
    "long",
    "mesh_shares",
    "meshes_of_cells",
    "place_at",
    "places_covered",
    "population_coverage",
    "reaches",
    "table",
    "target_of",
    "wide",
]
