"""People on cells: sums are kept, buildings draw them, borders do not draw the neighbours'."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh import demand, mesh
from tdh.errors import InputError
from tdh.grid import Grid
from tdh.surface import Surface

CRS = "EPSG:6677"
CODES = ["533945253", "533945254", "533945251", "533945252"]  # one 1 km mesh


def municipality(shape: shapely.Geometry) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"municipality": ["甲"], "prefecture": ["東京都"]},
        index=pd.Index(["13101"], name="municipality_code"),
        geometry=[shape],
        crs=CRS,
    )


@pytest.fixture
def whole() -> shapely.Geometry:
    return mesh.polygons(CODES, CRS).union_all().buffer(60)


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame({"mesh_code": CODES, "population": [400.0, 300.0, 200.0, 0.0]})


def surface_over(shape: shapely.Geometry, margin_m: float = 100.0) -> Surface:
    x0, y0, x1, y1 = shape.bounds
    grid = Grid.around((x0 - margin_m, y0 - margin_m, x1 + margin_m, y1 + margin_m), 4, CRS)
    return Surface(grid, np.zeros(grid.shape, dtype=np.float32))


def test_sums_are_kept_without_buildings(whole: shapely.Geometry, people: pd.DataFrame) -> None:
    grid = Grid.around(whole.bounds, 25, CRS)
    cells = demand.make_cells(grid, municipality(whole), people)
    assert cells["population"].sum() == pytest.approx(900.0, rel=1e-12)
    lon, lat = cells.to_crs("EPSG:6668").geometry.x, cells.to_crs("EPSG:6668").geometry.y
    at = mesh.from_lonlat(lon, lat, 9)
    for code, expected in zip(CODES, people["population"], strict=True):
        inside = cells["population"][at == code]
        assert inside.sum() == pytest.approx(expected, rel=1e-12)
        assert inside.max() == pytest.approx(inside.min())
    x, y = grid.centres(cells["row"].to_numpy(), cells["col"].to_numpy())
    assert np.allclose(cells.geometry.x, x)
    assert np.allclose(cells.geometry.y, y)


def test_people_follow_the_volume_of_buildings(
    whole: shapely.Geometry, people: pd.DataFrame
) -> None:
    surface = surface_over(whole)
    first = mesh.polygons([CODES[0]], CRS).iloc[0].centroid
    row, col = surface.grid.rowcol(first.x, first.y)
    surface.building_m[row, col] = 30.0
    surface.building_m[row, col + 25] = 10.0  # 100 m east, in the same mesh
    grid = Grid.around(whole.bounds, 25, CRS)
    cells = demand.make_cells(grid, municipality(whole), people, surface)
    assert cells["population"].sum() == pytest.approx(900.0, rel=1e-12)
    lon, lat = cells.to_crs("EPSG:6668").geometry.x, cells.to_crs("EPSG:6668").geometry.y
    inside = cells["population"][mesh.from_lonlat(lon, lat, 9) == CODES[0]]
    assert inside[inside > 0].sort_values().to_list() == pytest.approx([100.0, 300.0])


def test_a_mesh_across_the_border_is_split_by_area_where_buildings_end_there(
    whole: shapely.Geometry,
) -> None:
    """Half of the mesh is another municipality whose buildings nobody gave."""
    people = pd.DataFrame({"mesh_code": [CODES[0]], "population": [400.0]})
    x0, y0, x1, y1 = mesh.polygons([CODES[0]], CRS).iloc[0].bounds
    half = shapely.box(x0 - 100, y0 - 100, (x0 + x1) / 2, y1 + 100)
    surface = surface_over(whole)
    _, col = surface.grid.rowcol((x0 + x1) / 2, y0)
    surface.building_m[:, :col] = 10.0
    grid = Grid.around(half.bounds, 25, CRS)
    one_sided = demand.make_cells(grid, municipality(half), people, surface)
    assert one_sided["population"].sum() == pytest.approx(200.0, abs=12.0)
    # With three times the volume on the other side, a quarter stays.
    surface.building_m[:, col:] = 30.0
    both = demand.make_cells(grid, municipality(half), people, surface)
    assert both["population"].sum() == pytest.approx(100.0, abs=6.0)


def test_meshes_of_several_levels_and_kinds_of_people(whole: shapely.Geometry) -> None:
    quarters = mesh.children([CODES[3]], 10)[0].tolist()
    people = pd.DataFrame(
        {
            "mesh_code": [*CODES[:3], *quarters],
            "population": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
            "population_day": [10.0] * 7,
        }
    )
    grid = Grid.around(whole.bounds, 20, CRS)
    cells = demand.make_cells(grid, municipality(whole), people)
    assert cells["population"].sum() == pytest.approx(28.0)
    assert cells["population_day"].sum() == pytest.approx(70.0)


def test_ids_do_not_depend_on_the_area(whole: shapely.Geometry, people: pd.DataFrame) -> None:
    grid = Grid.around(whole.bounds, 25, CRS)
    x0, y0, x1, y1 = whole.bounds
    small = Grid.around((x0 + 300, y0 + 200, x1 - 200, y1 - 300), 25, CRS)
    all_cells = demand.make_cells(grid, municipality(whole), people)
    some = demand.make_cells(small, municipality(whole), people)
    shared = all_cells.loc[some.index]
    assert np.allclose(shared.geometry.x, some.geometry.x)
    assert np.allclose(shared["population"], some["population"])
    assert all(re.fullmatch(r"n-?\d+e-?\d+", i) for i in some.index)


def test_an_area_without_cells_is_refused(people: pd.DataFrame) -> None:
    grid = Grid(0, 0, 25, 4, 4, CRS)
    with pytest.raises(InputError, match="no cell"):
        demand.make_cells(grid, municipality(shapely.box(900, 900, 901, 901)), people)


@pytest.mark.real
def test_the_23_wards(data_dir: Path) -> None:
    """The census counted 9,272,740 people in the 23 wards in 2015."""
    tokyo = data_dir / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["131"]
    )
    people = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    grid = Grid.around(tuple(wards.total_bounds), 50, CRS)
    cells = demand.make_cells(grid, wards, people)
    assert len(wards) == 23
    assert cells["population"].sum() == pytest.approx(9_272_740, rel=0.005)
    assert len(cells) * 2500 == pytest.approx(wards.area.sum(), rel=0.001)
    inside = mesh.polygons(people["mesh_code"].to_numpy(), CRS).within(
        wards.union_all().buffer(-40)
    )
    kept = people[inside.to_numpy()]
    lonlat = cells.to_crs("EPSG:6668").geometry
    at = pd.Series(mesh.from_lonlat(lonlat.x, lonlat.y, 9))
    sums = cells["population"].groupby(at.to_numpy()).sum()
    got = sums.reindex(kept["mesh_code"]).to_numpy()
    assert len(kept) > 2000
    assert np.allclose(got, kept["population"], rtol=1e-9, atol=1e-9)
