"""A run that could never end is refused with the cell size that would do."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

import tdh
from tdh.errors import InputError
from tdh.pipeline.limits import too_many_cells
from tdh.results import Run
from tdh.scenario import Area


def area(cell_size_m: float, max_cells: int = 1_000) -> Area:
    return Area(boundaries=Path("wards.geojson"), cell_size_m=cell_size_m, max_cells=max_cells)


def squares(*corners: tuple[float, float]) -> gpd.GeoDataFrame:
    """One square kilometre for each south-west corner."""
    boxes = [shapely.box(x, y, x + 1000, y + 1000) for x, y in corners]
    return gpd.GeoDataFrame(geometry=boxes, crs="EPSG:6677")


def test_the_cell_size_that_is_named_is_enough_and_hardly_more() -> None:
    (problem,) = too_many_cells(area(5), squares((0, 0)))
    assert "40,000 cells of 5 m" in str(problem)
    assert "cell_size_m = 35 or more" in str(problem)  # 32 m would be a thousand cells
    assert too_many_cells(area(35), squares((0, 0))) == []
    assert too_many_cells(area(30), squares((0, 0))) != []
    assert too_many_cells(area(30, 2_000), squares((0, 0))) == []


def test_islands_far_apart_make_a_box_that_is_too_large() -> None:
    far = squares((0, 0), (9_000, 9_000))
    (problem,) = too_many_cells(area(50), far)
    assert "its parts lie far apart" in str(problem)
    assert "cell_size_m = 145 or more" in str(problem)
    assert too_many_cells(area(145), far) == []
    (hopeless,) = too_many_cells(area(1000), squares((0, 0), (900_000, 900_000)))
    assert "fewer municipalities" in str(hopeless)


def test_check_and_run_refuse(demo_run: Run, tmp_path: Path) -> None:
    small = demo_run.scenario.area.model_copy(update={"max_cells": 100})
    scenario = demo_run.scenario.model_copy(update={"area": small})
    assert "too many cells" in str(tdh.check(scenario).problems[0])
    with pytest.raises(InputError, match="too many cells"):
        tdh.run(scenario, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()
