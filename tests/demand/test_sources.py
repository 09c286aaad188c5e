"""Points, lines and areas on nine cells of 10 m, counted by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh import demand
from tdh.errors import InputError
from tdh.grid import Grid

GRID = Grid(0, 30, 10, 3, 3, "EPSG:6677")
ROW, COL = np.divmod(np.arange(8), 3)  # the last cell, south-east, is outside the plan
CELLS = pd.DataFrame({"row": ROW, "col": COL})


def series(*shapes: shapely.Geometry) -> gpd.GeoSeries:
    return gpd.GeoSeries(list(shapes), crs="EPSG:6677")


def test_points_lines_and_areas_together() -> None:
    source = series(
        shapely.Point(5, 25),
        shapely.Point(25, 5),  # in the cell outside
        shapely.LineString([(0, 15), (40, 15)]),  # a quarter in each cell, a quarter beyond
        shapely.box(0, 0, 20, 10),  # two cells
        shapely.box(11, 26, 12, 27),  # holds no centre
        shapely.MultiPoint([(5, 25), (15, 25)]),
    )
    got = demand.on_cells(source, CELLS, GRID, [1.0, 10.0, 8.0, 6.0, 3.0, 2.0])
    assert got.tolist() == [1.0 + 1.0, 3.0 + 1.0, 0.0, 2.0, 2.0, 2.0, 3.0, 3.0]


def test_other_coordinates_and_one_weight_for_all() -> None:
    source = series(shapely.Point(5, 25), shapely.Point(5, 24)).to_crs("EPSG:6668")
    assert demand.on_cells(source, CELLS, GRID).tolist() == [2.0] + [0.0] * 7


def test_every_problem_is_told() -> None:
    with pytest.raises(InputError) as caught:
        demand.on_cells(series(shapely.Point(), shapely.Point(1, 1)), CELLS, GRID, [1.0, -2.0])
    assert len(caught.value.problems) == 2
