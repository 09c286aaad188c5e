"""Learnt placing: used where it helps on blocks held out, told either way, sums kept exactly."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

import tdh
from tdh import demand, mesh
from tdh.demand.cells import Weigh
from tdh.demand.dasymetric import PRESET, WIDTHS_M, _width_m, building_classes
from tdh.demand.placing import WHY_NOT, _blocks, _whole_parts, learn_placing
from tdh.grid import Grid
from tdh.notices import WHY_NOT_LEARNT
from tdh.pipeline import STAGES
from tdh.pipeline.context import Context
from tdh.pipeline.engine import run_stages
from tdh.results import Run
from tdh.scenario import Demand
from tdh.surface import Surface
from tdh.surface import read as read_surface

CRS = "EPSG:6677"


def town(seed: int = 0, side: int = 6) -> tuple[pd.DataFrame, gpd.GeoDataFrame, Surface]:
    """People in narrow houses alone, beside wide halls of more volume, in side² meshes of 1 km."""
    rng = np.random.default_rng(seed)
    places = [(r, c) for r in range(side) for c in range(side)]
    names = [f"5339{4 + r // 10}{5 + c // 10}{r % 10}{c % 10}" for r, c in places]
    codes = mesh.children(names, 9).ravel()
    shapes = mesh.polygons(codes, CRS)
    whole = mesh.polygons(names, CRS).union_all()
    grid = Grid.around(tuple(whole.buffer(50).bounds), 10, CRS)
    height = np.zeros(grid.shape, dtype=np.float32)
    people = np.zeros(codes.size)
    for k, (x_min, y_min, x_max, y_max) in enumerate(shapes.bounds.to_numpy()):
        houses, halls = rng.integers(5, 60), rng.integers(0, 3)
        for _ in range(houses):
            x, y = rng.uniform(x_min + 30, x_max - 30), rng.uniform(y_min + 30, y_max - 250)
            row, col = grid.rowcol(x, y)
            people[k] += 20.0 if height[row, col] == 0 else 0.0
            height[row, col] = 6.0
        for h in range(halls):
            row, col = grid.rowcol(x_min + 30 + 130 * h, y_max - 60)
            height[row : row + 10, col : col + 10] = 25.0
    table = pd.DataFrame({"mesh_code": codes, "population": people}).astype({"mesh_code": "str"})
    area = gpd.GeoDataFrame(
        {"municipality": ["町"], "prefecture": ["東京都"]},
        index=pd.Index(["13101"], name="municipality_code"),
        geometry=[whole.buffer(1.0)],
        crs=CRS,
    )
    return table, area, Surface(grid, height)


def test_houses_are_told_from_halls() -> None:
    table, area, surface = town()
    placing = learn_placing(table, area, surface)
    facts = placing.facts
    assert facts["used"] == "learnt" and facts["meshes"] == 144 and facts["blocks"] >= 5
    assert facts["rmse_classes"] < 0.3 * facts["rmse_volume"]
    grid = Grid.around(tuple(area.total_bounds), 25, CRS)
    cells = demand.make_cells(grid, area, table, surface, weigh=placing.weigh)
    assert cells["population"].sum() == pytest.approx(table["population"].sum(), rel=1e-3)
    lon, lat = (getattr(cells.to_crs("EPSG:6668").geometry, axis).to_numpy() for axis in "xy")
    sums = cells["population"].groupby(mesh.from_lonlat(lon, lat, 9)).sum()
    inner = mesh.polygons(sums.index, CRS).within(area.union_all().buffer(-20)).to_numpy()
    truth = table.set_index("mesh_code")["population"].reindex(sums.index)
    np.testing.assert_allclose(sums[inner], truth[inner], rtol=1e-9)
    # Hardly anybody stands in a hall, which holds most of the volume.
    row, col = surface.grid.rowcol(cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy())
    hall = surface.building_m[row, col] == 25.0
    by_volume = demand.make_cells(grid, area, table, surface)["population"]
    assert by_volume[hall].sum() > 0.5 * by_volume.sum()
    assert cells["population"][hall].sum() < 0.1 * by_volume[hall].sum()


def test_sums_are_divided_by_what_finer_meshes_taught() -> None:
    table, area, surface = town(1)
    parents = mesh.parents(table["mesh_code"], 8)
    sums = table["population"].groupby(parents).sum()
    coarse = pd.DataFrame({"mesh_code": sums.index.astype("str"), "population": sums.to_numpy()})
    beyond = pd.DataFrame({"mesh_code": ["53394699"], "population": [500.0]})
    coarse = pd.concat([coarse, beyond.astype({"mesh_code": "str"})], ignore_index=True)
    placing = learn_placing(coarse, area, surface, table)
    assert placing.facts["divided"] == 36
    got = placing.population.set_index("mesh_code")["population"]
    assert got["53394699"] == 500.0 and len(got) == 145
    fine = got.drop("53394699")
    np.testing.assert_allclose(
        fine.groupby(mesh.parents(fine.index, 8)).sum().reindex(sums.index), sums, rtol=1e-12
    )
    truth = table.set_index("mesh_code")["population"]
    areal = np.repeat(sums.to_numpy() / 4, 4)
    error = np.sqrt(((fine.reindex(truth.index) - truth) ** 2).mean())
    assert error < 0.3 * np.sqrt(((areal - truth) ** 2).mean())


def test_kinds_are_learnt_from_kilometres_alone() -> None:
    """No finer counts anywhere: squares of 2 km tell in which buildings people live."""
    table, area, surface = town(5, side=12)
    parents = mesh.parents(table["mesh_code"], 8)
    sums = table["population"].groupby(parents).sum()
    coarse = pd.DataFrame({"mesh_code": sums.index.astype("str"), "population": sums.to_numpy()})
    placing = learn_placing(coarse, area, surface)
    assert placing.facts["used"] == "learnt" and placing.facts["meshes"] == 144
    assert "divided" not in placing.facts and "rmse_learnt" not in placing.facts
    assert placing.population is coarse and placing.weigh is not None
    grid = Grid.around(tuple(area.total_bounds), 25, CRS)

    def error(weigh: Weigh | None) -> float:
        cells = demand.make_cells(grid, area, coarse, surface, weigh=weigh)
        lon, lat = (getattr(cells.to_crs("EPSG:6668").geometry, axis).to_numpy() for axis in "xy")
        half = cells["population"].groupby(mesh.from_lonlat(lon, lat, 9)).sum()
        km = half.groupby(mesh.parents(half.index, 8)).sum()
        inner = mesh.polygons(km.index, CRS).within(area.union_all().buffer(-20)).to_numpy()
        np.testing.assert_allclose(km[inner], sums.reindex(km.index)[inner], rtol=1e-9)
        truth = table.set_index("mesh_code")["population"].reindex(half.index)
        return float(np.sqrt(((half - truth) ** 2).mean()))

    assert error(placing.weigh) < 0.5 * error(None)


def test_a_square_that_is_not_whole_is_not_learnt_from() -> None:
    table, area, _ = town(6, side=4)
    km = pd.Index(np.unique(mesh.parents(table["mesh_code"], 8)))
    codes, squares = _whole_parts(km, 8, area)
    assert len(codes) == 16 and (np.bincount(squares)[np.unique(squares)] == 4).all()
    smaller, _ = _whole_parts(km.drop("53394500"), 8, area)
    assert set(codes) - set(smaller) == {"53394500", "53394501", "53394510", "53394511"}


def test_widths_against_an_exact_transform() -> None:
    """Any town: classes of width as those of scipy's distances to the open."""
    rng = np.random.default_rng(7)
    for cell_m in (2.0, 4.0, 10.0):
        height = ndimage.uniform_filter(rng.normal(size=(220, 250)), 31) > 0.0
        exact = ndimage.distance_transform_edt(height, sampling=cell_m)
        wide = 2.0 * ndimage.maximum_filter(exact, size=7)
        got = _width_m(height.astype(np.float32), cell_m)
        classes = [np.searchsorted(WIDTHS_M, w.astype(np.float32)) for w in (wide, got)]
        np.testing.assert_array_equal(*classes)
        assert len(np.unique(classes[0])) == 3
        np.testing.assert_allclose(got[np.isfinite(got)], wide[np.isfinite(got)], rtol=1e-6)


def test_why_nothing_was_learnt() -> None:
    table, area, surface = town(2, side=3)
    assert learn_placing(table, area, None).facts == {
        "asked": "learnt", "used": "area", "why_not": "no_buildings",
    }  # fmt: skip
    for digits, why in ((8, "few_meshes"), (6, "coarse_meshes")):
        coarse = mesh.parents(table["mesh_code"], digits)
        sums = table.assign(mesh_code=coarse).drop_duplicates("mesh_code")
        none = learn_placing(sums, area, surface)
        assert none.facts["why_not"] == why and none.facts["used"] == "volume"
        assert none.weigh is None and none.population is sums
    table, area, surface = town(2, side=5)  # 100 meshes, 80 without a block
    assert learn_placing(table, area, surface).facts["why_not"] == "few_blocks"
    # As many people as volume: nothing does better.
    table, area, surface = town(3)
    volume = demand.mesh_classes(surface, table["mesh_code"]).sum(axis=1).to_numpy()
    even = learn_placing(table.assign(population=volume), area, surface)
    assert even.facts["why_not"] == "no_better" and even.weigh is None
    assert even.facts["rmse_volume"] == 0.0 < even.facts["rmse_areal"]
    assert {*WHY_NOT_LEARNT, "no_buildings"} == set(WHY_NOT)


def test_tokyos_kinds_of_buildings_where_too_little_is_known() -> None:
    """Tested on the few meshes that there are; volume where that does better."""
    table, area, surface = town(2, side=3)
    placing = learn_placing(table, area, surface)
    facts = placing.facts
    assert (facts["used"], facts["why_not"], facts["meshes"]) == ("preset", "few_meshes", 36)
    assert facts["rmse_classes"] < facts["rmse_volume"]
    # The errors, counted again mesh by mesh.
    classes = demand.mesh_classes(surface, table["mesh_code"])
    frame = table.assign(
        parent=mesh.parents(table["mesh_code"], 8),
        volume=classes.sum(axis=1).to_numpy(),
        classes=(classes * np.array(PRESET)).sum(axis=1).to_numpy(),
    )
    for name in ("volume", "classes"):
        of_parent = frame.groupby("parent")[["population", name]].transform("sum")
        shared = of_parent["population"] * frame[name] / of_parent[name]
        error = np.sqrt(((shared - frame["population"]) ** 2).mean())
        assert facts[f"rmse_{name}"] == pytest.approx(error, abs=2e-3)
    grid = Grid.around(tuple(area.total_bounds), 25, CRS)
    cells = demand.make_cells(grid, area, table, surface, weigh=placing.weigh)
    assert cells["population"].sum() == pytest.approx(table["population"].sum(), rel=1e-3)
    # People live by volume here: Tokyo's kinds are worse, and not used.
    offices = learn_placing(table.assign(population=frame["volume"]), area, surface)
    assert offices.facts["used"] == "volume" and offices.weigh is None
    assert offices.facts["rmse_volume"] < offices.facts["rmse_classes"]
    # Too few to test on: nothing is claimed.
    few = learn_placing(table, area.set_geometry(area.buffer(-700)), surface)
    assert few.facts["why_not"] == "few_meshes" and few.facts["used"] == "volume"
    assert few.facts["meshes"] < 16 and "rmse_classes" not in few.facts
    blocks = learn_placing(*town(2, side=5))
    assert (blocks.facts["used"], blocks.facts["why_not"]) == ("preset", "few_blocks")


def test_evenly_where_that_has_the_least_error() -> None:
    """As many people in each mesh, whatever is built there."""
    for given, why in ((town(2, side=3), "few_meshes"), (town(3), "no_better")):
        table, area, surface = given
        placing = learn_placing(table.assign(population=100.0), area, surface)
        facts = placing.facts
        assert (facts["used"], facts["why_not"]) == ("area", why)
        assert facts["rmse_areal"] == 0.0 < min(facts["rmse_volume"], facts["rmse_classes"])
        grid = Grid.around(tuple(area.total_bounds), 25, CRS)
        placed = demand.make_cells(grid, area, placing.population, surface, weigh=placing.weigh)
        by_area = demand.make_cells(grid, area, table.assign(population=100.0))
        np.testing.assert_allclose(placed["population"], by_area["population"])
        run = Run(Path(), {"placing": facts})
        run.__dict__["scenario"] = SimpleNamespace(demand=SimpleNamespace(sources=[]))
        (notice,) = run.people_notices
        assert "spread evenly" in notice.render("en") and "均等に配分" in notice.render("ja")
        # A run of an earlier version may have chosen otherwise: no share of nothing.
        for used in ("preset", "learnt"):
            run.manifest["placing"]["used"] = used
            (notice,) = run.people_notices
            assert f"{facts['rmse_classes']:.1f} people per mesh" in notice.render("en")
            assert f"{facts['rmse_classes']:.1f}人" in notice.render("ja")


@pytest.mark.real
def test_two_wards_by_kinds_of_buildings(data_dir: Path) -> None:
    """Too small to learn from: far better than volume there, too."""
    tokyo = data_dir / "tokyo"
    wards = demand.read_municipalities(
        tokyo / "boundaries" / "N03-21_13_210101_simplified.geojson", CRS, ["13104", "13113"]
    )
    people = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    heights = read_surface(
        [tokyo / "buildings" / "tokyo23_building_height_4m.tif"],
        bounds=tuple(wards.total_bounds),
        crs=CRS,
    )
    facts = learn_placing(people, wards, heights).facts
    assert (facts["used"], facts["why_not"]) == ("preset", "few_meshes")
    assert facts["rmse_classes"] < 0.7 * facts["rmse_areal"] < facts["rmse_volume"]


def test_blocks_are_squares_of_the_largest_side_that_gives_five() -> None:
    codes = mesh.children(mesh.children(["533945"], 8)[0], 9).ravel()
    blocks = _blocks(codes, 8)  # 10 km by 10 km: one of 10 km; 2 by 2 of 5; 4 by 4 of 3 at most
    assert np.unique(blocks).size in (9, 12, 16)
    of_parent = pd.Series(blocks).groupby(mesh.parents(codes, 8)).nunique()
    assert (of_parent == 1).all()
    far = mesh.children(["533945", "533946", "533935", "533936", "533947"], 9).ravel()
    assert (pd.Series(_blocks(far, 8)).groupby(mesh.parents(far, 6)).nunique() == 1).all()


def test_strips_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, surface = town(4, side=2)
    grid = Grid.around(surface.grid.bounds, 25, CRS)
    monkeypatch.setattr("tdh.demand.dasymetric._STRIP_ROWS", 10_000)
    whole = building_classes(surface, grid)
    monkeypatch.setattr("tdh.demand.dasymetric._STRIP_ROWS", 17)
    np.testing.assert_array_equal(building_classes(surface, grid), whole)
    assert np.isinf(_width_m(np.ones((3, 3), dtype=np.float32), 4.0)).all()


def test_a_run_tells_of_it(demo_run: Run, tmp_path: Path) -> None:
    """The sample is too small to learn from: how people stand there is told wherever it is shown."""
    facts = next(s for s in demo_run.manifest["stages"] if s["name"] == "cells")["facts"]["placing"]
    assert (facts["asked"], facts["used"], facts["why_not"]) == ("learnt", "preset", "few_meshes")
    assert demo_run.manifest["placing"] == facts
    told = f"{facts['rmse_classes'] / facts['rmse_areal']:.2f}"
    assert any(told in notice.render("ja") for notice in demo_run.notices)
    assert "as in Tokyo" in shown(demo_run) or "東京23区での推定" in shown(demo_run)
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder, copy_function=shutil.copy2)
    people = demo_run.scenario.demand.model_copy(update={"placing": "volume"})
    scenario = demo_run.scenario.model_copy(update={"demand": people})
    run = tdh.run(scenario, folder, overwrite=True)
    before, after = demo_run.cells["population"], run.cells["population"]
    assert after.sum() == pytest.approx(before.sum(), rel=1e-3) and (before - after).abs().max() > 1
    assert run.manifest["placing"] == {"used": "volume"}
    assert len(run.notices) == len(demo_run.notices) - 1
    assert "as in Tokyo" not in shown(run) and "東京23区での推定" not in shown(run)
    with pytest.raises(ValueError, match="placing must be learnt"):
        Demand(population=people.population, training=people.population, placing="volume")


def shown(run: Run) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.real
@pytest.mark.slow
def test_stages_that_learn(data_dir: Path, tmp_path: Path) -> None:
    """A third of the 23 wards: sums per 1 km, divided by what 500 m meshes taught."""
    tokyo = data_dir / "tokyo"
    fine = demand.read_population(tokyo / "population" / "pop_grid500m_5339_2015.parquet")
    coarse = fine.assign(mesh_code=mesh.parents(fine["mesh_code"], 8))
    coarse = coarse.groupby("mesh_code", as_index=False)["population"].sum()
    coarse.to_csv(tmp_path / "km.csv", index=False)
    known = tdh.read_scenario(Path(__file__).parents[2] / "benchmarks" / "tokyo23.toml")
    people = known.demand.model_copy(
        update={
            "population": tmp_path / "km.csv",
            "placing": "learnt",
            "training": known.demand.population,
        }
    )
    area = known.area.model_copy(update={"bounds": (139.60, 35.60, 139.75, 35.75)})
    scenario = known.model_copy(update={"area": area, "demand": people})
    context = Context(scenario, tmp_path)
    run_stages([s for s in STAGES if s.name in ("area", "cells")], context)
    placing = context.facts["cells"]["placing"]
    assert placing["used"] == "learnt" and placing["blocks"] >= 5
    assert placing["rmse_learnt"] < 0.7 * placing["rmse_areal"] < placing["rmse_volume"]
    cells = context.run.cells
    lon, lat = (getattr(cells.to_crs("EPSG:6668").geometry, axis).to_numpy() for axis in "xy")
    half = cells["population"].groupby(mesh.from_lonlat(lon, lat, 9)).sum()
    km = mesh.parents(half.index, 8)
    whole = mesh.polygons(km, CRS).within(context.run.municipalities.union_all()).to_numpy()
    half, km = half[whole], km[whole]
    assert len(half) == 4 * placing["divided"] > 400
    sums = coarse.set_index("mesh_code")["population"].reindex(np.unique(km))
    np.testing.assert_allclose(half.groupby(km).sum(), sums, rtol=1e-9)
    truth = fine.set_index("mesh_code")["population"].reindex(half.index).fillna(0.0)
    areal = sums.reindex(km).to_numpy() / 4
    # Learnt from these very meshes: an error near that of the blocks held out, not a measure.
    assert np.sqrt(((half - truth) ** 2).mean() / ((areal - truth) ** 2).mean()) < 0.6
