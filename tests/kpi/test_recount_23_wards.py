"""All indicators of the 23 wards counted again, from the definitions and the files of a run.

Nothing of ``tdh.kpi`` or ``tdh.mesh`` is used: JIS X 0410 from latitude and longitude, pandas and
geopandas for the rest. No public data tell where the commercial areas (商業地域) or the main roads
lie, so both are drawn between real stations.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

import tdh
from tdh.pipeline import STAGES
from tdh.pipeline.context import Context
from tdh.pipeline.engine import run_stages
from tdh.scenario import Scenario

SCENARIO = Path(__file__).parents[2] / "benchmarks" / "tokyo23.toml"
WANTED = {"area", "assets", "cells", "places", "present", "gaps", "candidates", "plan", "kpis"}
HIGH = ("sub6", "mmw")
CELL_M = 100.0
"""At 25 m, the plan's own size, all holds too, in three and a half minutes."""
pytestmark = pytest.mark.real


def drawn(data_dir: Path, folder: Path) -> tuple[Path, Path]:
    """400 m around each of the 60 busiest stations, and straight lines from one to the next."""
    source = data_dir / "tokyo" / "population" / "S12-22_stations_passenger_derived.json"
    busiest = pd.DataFrame(json.loads(source.read_text(encoding="utf-8"))).head(60)
    points = gpd.GeoSeries(gpd.points_from_xy(busiest["lng"], busiest["lat"]), crs="EPSG:6668")
    metres = points.to_crs("EPSG:6677")
    commercial, roads = folder / "commercial.geojson", folder / "roads.geojson"
    metres.buffer(400).to_crs("EPSG:6668").to_file(commercial)
    ends = metres.iloc[np.argsort(metres.x.to_numpy(), kind="stable")].to_numpy()
    lines = [shapely.LineString(pair) for pair in itertools.pairwise(ends)]
    gpd.GeoSeries(lines, crs="EPSG:6677").to_crs("EPSG:6668").to_file(roads)
    return commercial, roads


@pytest.fixture(scope="module")
def context(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """The 23 wards up to their indicators, sub6 and mmW."""
    folder = tmp_path_factory.mktemp("wards")
    told = tdh.read_scenario(SCENARIO).model_dump(mode="python")
    told["area"]["cell_size_m"] = CELL_M
    told["coverage"]["choose_antennas"] = False
    told["bands"].append({"id": "n257"})
    for carrier in told["carriers"]:
        carrier["bands"].append({"band": "n257"})
    stays = data_dir / "tokyo" / "assets" / "都立一時滞在施設一覧.csv"
    evacuation = data_dir / "tokyo" / "assets" / "130001_evacuation_area.csv"
    told["places"] = [
        {"path": stays, "kind": "temporary_stay"},
        {"path": evacuation, "kind": "evacuation_area"},
    ]
    told["demand"]["commercial"], told["demand"]["roads"] = drawn(data_dir, folder)
    made = Context(Scenario.model_validate(told), folder / "run")
    (made.folder / ".stages").mkdir(parents=True)
    run_stages([stage for stage in STAGES if stage.name in WANTED], made)
    return made


class Recount:
    """One state of a run: who serves which cell, and where stations stand."""

    def __init__(self, context: Context, when: str) -> None:
        folder, run = context.folder, context.run
        self.cells = gpd.read_parquet(folder / "cells.parquet")
        self.size = context.scenario.area.cell_size_m
        degrees = self.cells.to_crs("EPSG:6668").geometry
        self.half, self.kilometre, self.ten = (
            mesh_of(degrees, per_degree) for per_degree in (240, 120, 12)
        )
        sites = gpd.read_parquet(folder / "sites.parquet")
        plan = gpd.read_parquet(folder / "plan.parquet")
        self.served: dict[tuple[str, str], np.ndarray] = {}
        self.stations: dict[tuple[str, str], gpd.GeoSeries] = {}
        for entry in run.manifest["bands"]:
            carrier, band = entry["carrier_id"], entry["band"]
            name = f"coverage/{carrier}-{band['id']}-{when}.tif"
            with rasterio.open(folder / name) as raster:
                signal = raster.read(1)[self.cells["row"], self.cells["col"]]
            key = (carrier, band["band_class"])
            assert key not in self.served  # a band of each class
            self.served[key] = signal >= band["covered_dbm"]
            own = sites[(sites["carrier_id"] == carrier) & (sites["band"] == band["id"])]
            points = own.geometry
            if when == "after":
                points = pd.concat([points, plan[plan["carrier_id"] == carrier].geometry])
            self.stations[key] = gpd.GeoSeries(points, crs=run.crs).to_crs("EPSG:6668")
        self.carriers = list(dict.fromkeys(carrier for carrier, _ in self.served))

    def by(self, who: str, classes: tuple[str, ...]) -> np.ndarray:
        """Cells that a carrier serves, or any, or two of them, in some classes of bands."""
        of_each = {
            c: np.any([v for (o, k), v in self.served.items() if o == c and k in classes], axis=0)
            for c in self.carriers
        }
        if who in of_each:
            return of_each[who]
        return np.sum(list(of_each.values()), axis=0) >= {"": 1, "at_least_2": 2}[who]

    def with_station(self, who: str, classes: tuple[str, ...], per_degree: int) -> set[int]:
        own = [v for (o, k), v in self.stations.items() if k in classes and (not who or o == who)]
        return set(mesh_of(pd.concat(own), per_degree))


def mesh_of(points: gpd.GeoSeries, per_degree: int) -> np.ndarray:
    """Numbers of meshes: JIS X 0410 divides latitude by 1.5 times as many steps as longitude."""
    north = np.floor(points.y.to_numpy() * per_degree).astype(np.int64)
    east = np.floor(points.x.to_numpy() * per_degree / 1.5).astype(np.int64)
    return north * 1_000_000 + east


def stored(context: Context, kpi: str, who: str, when: str) -> pd.Series:
    """Municipality (empty: the 23 wards) to ``covered`` as the run has it."""
    table = context.run.kpis
    assert table is not None
    own = table[(table["kpi"] == kpi) & (table["carrier"] == who)]
    return own.set_index(own["municipality_code"].fillna(""))[[f"covered_{when}", "total"]]


def same(context: Context, kpi: str, who: str, when: str, counted: pd.DataFrame) -> None:
    """Compare covered and total, for the whole and every ward."""
    whole = pd.DataFrame([counted.sum()], index=[""])
    expected = pd.concat([whole, counted])
    found = stored(context, kpi, who, when)
    missing = found.index.difference(expected.index)
    assert (found.loc[missing, "total"] == 0).all()  # a ward without anything of the kind
    got = found.loc[expected.index].to_numpy(float)
    np.testing.assert_allclose(got, expected.to_numpy(float), rtol=1e-9, err_msg=f"{kpi} {who}")


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_indicator_of_every_ward_and_carrier(context: Context, when: str) -> None:
    state = Recount(context, when)
    cells = state.cells.reset_index()
    ward = cells["municipality_code"].astype(str)
    # 1 km meshes belong to the ward with most of their cells, of equals to the first.
    size = cells.groupby([state.kilometre, ward]).size().rename("n").reset_index()
    size.columns = pd.Index(["mesh", "ward", "n"])
    size = size.sort_values(["n", "ward"], ascending=[False, True])
    ward_of_mesh = size.drop_duplicates("mesh").set_index("mesh")["ward"]
    for who in [*state.carriers, "", "at_least_2"]:
        every = pd.Series(state.by(who, ("low", "sub6", "mmw")))
        full = (every.groupby(state.half).mean() >= 0.5).reindex(state.half).to_numpy()
        people = cells["population"]
        counted = pd.DataFrame({"covered": people * full, "total": people}).groupby(ward).sum()
        same(context, "population", who, when, counted)
        if who == "at_least_2":
            continue
        share = pd.Series(state.by(who, ("sub6",))).groupby(state.kilometre).mean()
        there = share.index.isin(state.with_station(who, ("sub6",), 120))
        meshes = pd.DataFrame({"covered": (share >= 0.75) | there, "total": 1})
        same(context, "sub6", who, when, meshes.groupby(ward_of_mesh.reindex(share.index)).sum())
        tens = set(state.ten)
        found = stored(context, "infrastructure", who, when).loc[""]
        expected = [len(tens & state.with_station(who, HIGH, 12)), len(tens)]
        assert found.tolist() == expected


def squares(state: Recount, chosen: np.ndarray) -> gpd.GeoDataFrame:
    """Cells as squares with their ward and whether they are chosen."""
    x, y = state.cells.geometry.x.to_numpy(), state.cells.geometry.y.to_numpy()
    h = state.size / 2
    return gpd.GeoDataFrame(
        {"covered": chosen, "ward": state.cells["municipality_code"].astype(str).to_numpy()},
        geometry=shapely.box(x - h, y - h, x + h, y + h),
        crs=state.cells.crs,
    )


@pytest.mark.parametrize("when", ["before", "after"])
def test_places_areas_and_roads_by_overlaying_squares(context: Context, when: str) -> None:
    """Shapes cut by the cells as squares: places exactly, areas and lengths but for the edges."""
    state = Recount(context, when)
    wards = context.run.municipalities
    whole = wards.union_all()
    places = gpd.read_parquet(context.folder / "places.parquet")
    given = context.scenario.demand
    assert given.commercial is not None
    assert given.roads is not None
    areas = gpd.read_file(given.commercial).to_crs(context.run.crs).union_all() & whole
    roads = gpd.read_file(given.roads).to_crs(context.run.crs).geometry.intersection(whole)
    for who in [*state.carriers, "", "at_least_2"]:
        grid = squares(state, state.by(who, HIGH))
        met = gpd.sjoin_nearest(places[["geometry"]], grid, how="left")  # inside: distance 0
        met = met[~met.index.duplicated()]
        counted = pd.DataFrame({"covered": met["covered"].astype(int), "total": 1})
        same(context, "places", who, when, counted.groupby(met["ward"]).sum())
        good = grid.loc[grid["covered"], "geometry"]
        served = shapely.intersection(good.to_numpy(), areas)
        found = stored(context, "commercial_uncovered_ha", who, when).loc[""]
        centred = state.cells.within(areas).to_numpy()
        hectares = [(centred & grid["covered"]).sum(), centred.sum()]
        assert found.to_numpy() == pytest.approx(np.array(hectares) * state.size**2 / 1e4)
        # Squares along the edge are in or out as a whole: errors add up as those of coins.
        slack = np.sqrt(areas.length / state.size) * state.size**2 / 1e4
        assert found["total"] == pytest.approx(areas.area / 1e4, abs=slack)
        assert found.iloc[0] == pytest.approx(shapely.area(served).sum() / 1e4, abs=slack)
        pieces = gpd.overlay(
            gpd.GeoDataFrame(geometry=roads[~roads.is_empty], crs=context.run.crs),
            grid,
            how="intersection",
            keep_geom_type=True,
        )
        length = pieces.length.groupby(pieces["covered"]).sum() / 1000
        found = stored(context, "roads", who, when).loc[""]
        assert found["total"] == pytest.approx(length.sum(), rel=0.003)
        assert found.iloc[0] == pytest.approx(float(length.get(True, 0.0)), rel=0.005)


def test_people_are_the_census_and_areas_of_meshes_their_cells(
    context: Context, data_dir: Path
) -> None:
    """Meshes wholly inside hold what the census counts, and nearly as many cells as fit."""
    state = Recount(context, "before")
    source = data_dir / "tokyo" / "population" / "pop_grid500m_5339_2015.parquet"
    census = pd.read_parquet(source)
    code, people = census.iloc[:, 0].astype(str), census.iloc[:, 1].astype(float)
    first = code.str[:2].astype(int) * 40 * 4  # 1st-order meshes are 40 minutes by 1 degree
    north = first + code.str[4].astype(int) * 20 + code.str[6].astype(int) * 2
    east = (code.str[2:4].astype(int) + 100) * 160
    east += code.str[5].astype(int) * 20 + code.str[7].astype(int) * 2
    quarter = code.str[8].astype(int) - 1
    north, east = north + quarter // 2, east + quarter % 2
    box = shapely.box(east / 160, north / 240, (east + 1) / 160, (north + 1) / 240)
    number = (north * 1_000_000 + east).to_numpy()
    meshes = gpd.GeoSeries(np.asarray(box), index=number, crs="EPSG:6668")
    inside = meshes.to_crs("EPSG:6677")
    inside = inside[inside.buffer(state.size).within(context.run.municipalities.union_all())]
    assert len(inside) > 1_500
    expected = pd.Series(people.to_numpy(), index=meshes.index).reindex(inside.index)
    held = state.cells["population"].groupby(state.half).agg(["sum", "size"]).loc[inside.index]
    np.testing.assert_allclose(held["sum"], expected, rtol=1e-9, atol=1e-9)
    share = held["size"] * state.size**2 / inside.area
    assert share.between(1 - 3 * state.size / 500, 1 + 3 * state.size / 500).all()
