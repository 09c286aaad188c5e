"""Sizes beyond which a run would take hours or all memory: refused before anything is computed."""

from __future__ import annotations

import math

import geopandas as gpd

from tdh.errors import Problem
from tdh.language import Text
from tdh.scenario import Area

GRID_PER_CELLS = 5
"""A plan's rasters span its bounding box: they may be so many times larger than its area."""
_STEP_M = 5
_LARGEST_CELL_M = 1000


def too_many_cells(area: Area, municipalities: gpd.GeoDataFrame) -> list[Problem]:
    """What is wrong with the size of cells: too many for the area, or for the box around it.

    Parameters
    ----------
    area : Area
        ``cell_size_m``, and ``max_cells``, the scenario's own limit.
    municipalities : GeoDataFrame
        The area, clipped, in a CRS in metres.
    """
    x_min, y_min, x_max, y_max = municipalities.total_bounds
    inside_m2 = float(municipalities.area.sum())
    box_m2 = float((x_max - x_min) * (y_max - y_min))
    most_in_box = GRID_PER_CELLS * area.max_cells
    if inside_m2 / area.cell_size_m**2 > area.max_cells:
        what = Text("the area has too many cells", "対象区域のセル数が多すぎます")
        number, limit = inside_m2 / area.cell_size_m**2, area.max_cells
    elif box_m2 / area.cell_size_m**2 > most_in_box:
        what = Text(
            "the box around the area has too many cells: its parts lie far apart",
            "対象区域を囲む範囲のセル数が多すぎます(離れた区域が含まれています)",
        )
        number, limit = box_m2 / area.cell_size_m**2, most_in_box
    else:
        return []
    needed = math.sqrt(max(inside_m2 / area.max_cells, box_m2 / most_in_box))
    size = _STEP_M * math.ceil(needed / _STEP_M)
    fix = Text(
        "use cell_size_m = {size} or more, fewer municipalities or bounds; where the machine is "
        "large enough, area.max_cells may be raised",
        "cell_size_m を {size} 以上にするか、市区町村・boundsを絞ってください。"
        "計算機に余裕があれば area.max_cells を増やせます",
        size=size,
    )
    if size > _LARGEST_CELL_M:
        fix = Text(
            "choose fewer municipalities, or bounds; one plan for each group of islands",
            "市区町村かboundsを絞ってください。島しょ部は地域ごとに分けて計画してください",
        )
    return [
        Problem(
            what,
            value=Text(
                "{n:,.0f} cells of {size:g} m", "{size:g} mのセルで{n:,.0f}個",
                n=number, size=area.cell_size_m,
            ),
            expected=f"<= {limit:,}",
            where="area.cell_size_m",
            fix=fix,
        )
    ]  # fmt: skip
