"""Where things lie: tables ``cells``, ``assets`` and ``throughput`` against grid and boundaries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from rasterio import features

from tdh.language import Text
from tdh.pipeline.tallies import Ground, Tally, compared, differing, noted

_DEGREES = "EPSG:6668"
_MERCATOR_DEGREES = "EPSG:4326"


def cells(ground: Ground) -> Tally:
    """Table ``cells``: centres, and the municipality in which each lies.

    People are placed by the surface and stand as they are told.
    """
    run, grid = ground.run, ground.run.grid
    areas = run.municipalities
    x = grid.x_min_m + (ground.col + 0.5) * grid.cell_size_m
    y = grid.y_max_m - (ground.row + 0.5) * grid.cell_size_m
    shapes = zip(areas.geometry, range(1, len(areas) + 1), strict=True)
    drawn = features.rasterize(shapes, grid.shape, transform=grid.transform, dtype="int32")
    known = pd.Series(areas.index, index=range(1, len(areas) + 1))
    inside = (ground.row < grid.n_rows) & (ground.col < grid.n_cols)
    code = np.zeros(len(x), dtype=int)
    code[inside] = drawn[ground.row[inside], ground.col[inside]]
    counted = pd.DataFrame({"x": x, "y": y, "municipality_code": known.reindex(code).to_numpy()})
    said = pd.DataFrame(
        {
            "x": run.cells.geometry.x.to_numpy(),
            "y": run.cells.geometry.y.to_numpy(),
            "municipality_code": ground.municipality,
        }
    )
    # Drawing is exact but for centres on a boundary: those are looked at one by one.
    other = (said["municipality_code"] != counted["municipality_code"]).to_numpy()
    for k in np.flatnonzero(other):
        told = said["municipality_code"].iloc[k]
        if told in areas.index and areas.geometry[told].distance(shapely.Point(x[k], y[k])) < 1e-6:
            counted.loc[k, "municipality_code"] = told
    what = Text(
        "centres and municipalities, from the grid and the boundaries",
        "中心の座標と市区町村を、格子と境界から",
    )
    ids, problems = run.cells.index, []
    drawn[ground.row[inside], ground.col[inside]] = 0
    left = np.argwhere(drawn > 0)
    lacking = Text("a cell of the area is missing", "区域内のセルがありません")
    problems += noted(lacking, [f"row {r}, col {c}" for r, c in left.tolist()], "cells")
    return differing("cells", what, said, counted, lambda row: str(ids[row]), problems=problems)


def assets(ground: Ground) -> Tally:
    """Table ``assets``: coordinates, and which lie in the area.

    What registers say stands as it is told.
    """
    run = ground.run
    turn = Transformer.from_crs(_DEGREES, run.crs, always_xy=True)
    x, y = turn.transform(run.assets["longitude"].to_numpy(), run.assets["latitude"].to_numpy())
    points = run.assets.geometry
    inside = shapely.contains_xy(run.municipalities.union_all(), points.x, points.y)
    counted = pd.DataFrame({"x": x, "y": y, "in_area": inside.astype(float)}, index=points.index)
    said = pd.DataFrame({"x": points.x, "y": points.y, "in_area": run.assets["in_area"]})
    what = Text(
        "coordinates, and which lie in the area", "座標と、区域内かどうかを緯度・経度と境界から"
    )
    return compared("assets", what, said.astype(float), counted)


def throughput(ground: Ground) -> Tally:
    """Table ``throughput``: each cell's tile, whose values are the same in all its cells.

    What was measured in a tile stands as it is told.
    """
    run, table = ground.run, ground.run.throughput
    assert table is not None
    turn = Transformer.from_crs(run.crs, _MERCATOR_DEGREES, always_xy=True)
    lon, lat = turn.transform(run.cells.geometry.x.to_numpy(), run.cells.geometry.y.to_numpy())
    tiles = table.drop(columns="cell_id").groupby(["source", "quadkey"], sort=False).first()
    parts = [table.iloc[:0].assign(column=0, row=0)]
    for (source, zoom), own in tiles.groupby(
        [tiles.index.get_level_values(0), tiles.index.get_level_values(1).str.len()]
    ):
        column = np.floor((lon / 360 + 0.5) * 2**zoom).astype(int)
        mercator = np.arcsinh(np.tan(np.radians(lat))) / (2 * np.pi)
        row = np.floor((0.5 - mercator) * 2**zoom).astype(int)
        place = pd.DataFrame({"column": column, "row": row, "cell_id": run.cells.index})
        keys = own.reset_index()
        digits = keys["quadkey"].map(lambda key: [int(d) for d in key])
        keys["column"] = digits.map(lambda own: int("".join(str(d % 2) for d in own), 2))
        keys["row"] = digits.map(lambda own: int("".join(str(d // 2) for d in own), 2))
        parts.append(keys.merge(place, on=["column", "row"]).assign(source=source))
    keys = ["cell_id", "source", "quadkey"]
    counted = pd.concat(parts).set_index(keys).drop(columns=["column", "row"])
    what = Text("each cell's tile, and its values", "セルごとのタイルとその値")
    return compared("throughput", what, table.set_index(keys), counted)
