"""Gaps as areas on a made-up town, recounted with geopandas and by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh import gaps
from tdh.grid import Grid
from tdh.pipeline import regions
from tdh.radio import bands

SIDE = 40
GRID = Grid(1000.0, 2000.0, 25.0, SIDE, SIDE, "EPSG:6677")
SHARES = {"a": 0.6, "b": 0.4}


class Town:
    """What :func:`tdh.pipeline.regions.find` reads of a run: two carriers, one with two bands."""

    def __init__(self, seed: int = 5, throughput: pd.DataFrame | None = None) -> None:
        rng = np.random.default_rng(seed)
        row, col = np.divmod(np.arange(SIDE * SIDE), SIDE)
        kept = rng.random(row.size) > 0.05
        row, col = row[kept], col[kept]
        x, y = GRID.centres(row, col)
        self.grid = GRID
        self.crs = GRID.crs
        self.cells = gpd.GeoDataFrame(
            {
                "row": row,
                "col": col,
                "population": rng.uniform(0, 30, row.size),
                "population_day": rng.uniform(0, 90, row.size),
                "municipality_code": np.where(col < 17, "13101", "13102"),
            },
            index=pd.Index([f"c{i}" for i in range(row.size)], name="cell_id"),
            geometry=gpd.points_from_xy(x, y),
            crs=GRID.crs,
        )
        names = pd.Index(["13101", "13102"], name="municipality_code")
        self.municipalities = pd.DataFrame({"municipality": ["千代田区", "中央区"]}, index=names)
        self.bands = {
            (carrier, band): bands.get(band)
            for carrier, band in (("a", "n78"), ("a", "n257"), ("b", "n78"))
        }
        self.carriers = [SimpleNamespace(id=c) for c in SHARES]
        self.scenario = SimpleNamespace(
            market_shares=SHARES,
            gaps=SimpleNamespace(near_m=200.0, least_cells=3, least_download_mbps=35.0),
        )
        self.throughput = throughput
        self.sites = gpd.GeoDataFrame(
            {"carrier_id": ["a", "a", "b"], "band": ["n78", "n257", "n78"]},
            geometry=[
                shapely.Point(1200, 1800),
                shapely.Point(1700, 1300),
                shapely.Point(1900, 1100),
            ],
            crs=GRID.crs,
        )
        spots = rng.uniform([900, 900], [2100, 2100], (200, 2))
        self.places = gpd.GeoDataFrame(
            {"name": [f"施設{i}" for i in range(200)], "priority": rng.integers(1, 5, 200) * 1.0},
            index=pd.Index([f"p{i}" for i in range(200)], name="place_id"),
            geometry=gpd.points_from_xy(*spots.T),
            crs=GRID.crs,
        )
        self.signals = {}
        for number, key in enumerate(self.bands):
            level = self.bands[key].covered_dbm
            wave = 9 * np.sin(np.arange(SIDE) / 5 + number)
            image = level + 4 + wave[:, None] + wave[None, :] + rng.normal(0, 1, GRID.shape)
            image[rng.random(GRID.shape) < 0.02] = np.nan
            self.signals[key] = image.astype(np.float32)

    def signal(self, carrier: str, band: str) -> np.ndarray:
        return self.signals[carrier, band]

    def served(self, carrier: str, band_class: str = "") -> np.ndarray:
        """Cell by cell, without the code under test."""
        found = []
        for row, col in zip(self.cells["row"], self.cells["col"], strict=True):
            found.append(
                any(
                    self.signals[key][row, col] >= band.covered_dbm
                    for key, band in self.bands.items()
                    if key[0] == carrier and band_class in ("", band.band_class)
                )
            )
        return np.array(found)


def why(town: Town, east: int = 1, west: int = 3) -> dict[tuple[str, str], np.ndarray]:
    """Why cells are gaps: one reason in the columns from 20 on, one in those before."""
    found = {}
    for key, band in town.bands.items():
        level = town.signals[key][town.cells["row"], town.cells["col"]]
        cause = np.where(town.cells["col"] >= 20, east, west).astype(np.uint8)
        found[key] = np.where(level >= band.covered_dbm, np.uint8(0), cause)
    return found


def found(town: Town, reasons: dict[tuple[str, str], np.ndarray] | None = None) -> gpd.GeoDataFrame:
    run: Any = town
    return regions.find(run, reasons or why(town))


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def test_people_places_and_cells_recounted(town: Town) -> None:
    """Every region holds what a spatial join of cells and places finds in its outline."""
    areas = found(town)
    assert areas["reason"].isin(["indoors_only", "no_site_near"]).all()
    cells = gpd.sjoin(town.cells, areas[["geometry"]], predicate="within")
    sums = cells.groupby("region_id")[["population", "population_day"]].sum().reindex(areas.index)
    share = areas["carrier_id"].map(SHARES).fillna(1.0)
    assert np.allclose(areas["unmet_people"], sums["population"] * share)
    assert np.allclose(areas["unmet_people_day"], sums["population_day"] * share)
    assert areas["unmet_people_disaster"].isna().all()
    size = cells.groupby("region_id").size().reindex(areas.index)
    assert (size == areas["cells"]).all()
    assert np.allclose(areas.area, areas["area_m2"])
    most = cells.groupby("region_id")["municipality_code"].agg(lambda s: s.value_counts().index[0])
    tied = cells.groupby("region_id")["municipality_code"].agg(
        lambda s: s.value_counts().nunique() == 1 and s.nunique() == 2
    )
    clear = ~tied.reindex(areas.index)
    assert (areas["municipality_code"] == most.reindex(areas.index))[clear].all()
    assert set(areas["municipality"]) == {"千代田区", "中央区"}
    places = gpd.sjoin(town.places, areas[["geometry"]], predicate="within")
    expected = places.groupby("region_id").size().reindex(areas.index).fillna(0)
    assert (expected == areas["places"]).all()
    assert areas["places"].sum() > 20
    for region, inside in places.groupby("region_id"):
        names = areas.loc[str(region), "place_names"].split("、")
        assert sorted(names) == sorted(inside["name"])
        priority = town.places.set_index("name")["priority"].loc[names]
        assert priority.is_monotonic_decreasing
    assert (areas["place_names"].isna() == (areas["places"] == 0)).all()


@pytest.mark.parametrize("band_class", ["", "sub6", "mmw"])
def test_regions_are_the_gap_cells(town: Town, band_class: str) -> None:
    """With regions of one cell, too, the regions of a question hold just its gap cells."""
    town = Town()
    town.scenario.gaps.least_cells = 1
    areas = found(town)
    areas = areas[areas["band_class"] == band_class]
    served = {c: town.served(c, band_class) for c in SHARES}
    count = sum(own.astype(int) for own in served.values())
    questions = {("", 1): count < 1, ("", 2): count < 2} | {
        (c, 1): ~own for c, own in served.items() if (c, band_class) != ("b", "mmw")
    }
    asked = areas.groupby(["carrier_id", "at_least"])
    assert set(asked.groups) == set(questions)
    for key, own in asked:
        held = gpd.sjoin(town.cells, own[["geometry"]], predicate="within").index
        assert held.is_unique
        assert set(held) == set(town.cells.index[questions[key]])


def test_reason_is_that_of_most_people() -> None:
    town = Town()
    town.cells["population"] *= np.where(town.cells["col"] >= 20, 3.0, 1.0)
    areas = found(town)
    # No site of b has mmW, so of two carriers the second is nowhere.
    nowhere = areas[(areas["band_class"] == "mmw") & (areas["at_least"] == 2)]
    assert len(nowhere)
    assert nowhere["nearest_site_m"].isna().all()
    assert set(nowhere["reason"]) == {"no_site_near"}
    areas = areas.drop(nowhere.index)
    east = town.cells.assign(inside=town.cells["population"] * (town.cells["col"] >= 20))
    held = gpd.sjoin(east, areas[["geometry"]], predicate="within")
    sums = held.groupby("region_id")[["inside", "population"]].sum().reindex(areas.index)
    share = areas["carrier_id"].map(SHARES).fillna(1.0)
    assert np.allclose(areas["people_indoors_only"], sums["inside"] * share)
    assert np.allclose(areas["people_no_site_near"], (sums["population"] - sums["inside"]) * share)
    assert (areas["people_blocked"] == 0).all()
    most = np.where(sums["inside"] * 2 >= sums["population"], "indoors_only", "no_site_near")
    assert (areas["reason"] == most).all()
    by_cells = held.assign(east=held["col"] >= 20).groupby("region_id")["east"].mean()
    assert ((by_cells > 0.5) != (areas["reason"] == "indoors_only")).any()  # people decide


def test_where_nobody_lives_cells_decide() -> None:
    town = Town()
    town.cells["population"] = 0.0
    areas = found(town)
    areas = areas[(areas["band_class"] != "mmw") | (areas["at_least"] == 1)]
    held = gpd.sjoin(town.cells, areas[["geometry"]], predicate="within")
    share = held.assign(east=held["col"] >= 20).groupby("region_id")["east"].mean()
    assert ((share.reindex(areas.index) >= 0.5) == (areas["reason"] == "indoors_only")).all()


def test_of_several_carriers_the_kth_easiest_to_mend_decides(town: Town) -> None:
    """Blocked for a, no site of b near: for one carrier blocked, for two no site near."""
    reasons = {
        key: np.where(cause > 0, 2 if key[0] == "a" else 3, 0).astype(np.uint8)
        for key, cause in why(town).items()
    }
    areas = found(town, reasons)
    of = {key: set(own["reason"]) for key, own in areas.groupby(["carrier_id", "at_least"])}
    assert of["a", 1] == {"blocked"}
    assert of["b", 1] == {"no_site_near"}
    assert of["", 1] == {"blocked"}
    assert "no_site_near" in of["", 2]


def test_capacity_is_served_and_slow(town: Town) -> None:
    """Slow where somebody serves is capacity; a tile of more tests weighs more."""
    ids = town.cells.index[(town.cells["row"] < 12).to_numpy()].astype("str")
    one = pd.DataFrame({"cell_id": ids, "download_mbps": 80.0, "tests": 1})
    many = pd.DataFrame({"cell_id": ids, "download_mbps": 20.0, "tests": 9})
    fast = pd.DataFrame(
        {"cell_id": town.cells.index[-300:].astype("str"), "download_mbps": 35.0, "tests": 2}
    )
    measured = Town(throughput=pd.concat([one, many, fast]))
    measured.scenario.gaps.least_cells = 1
    areas = found(measured)
    slow = areas[areas["reason"] == "capacity"]
    assert set(slow["carrier_id"]) == {""}
    held = gpd.sjoin(measured.cells, slow[["geometry"]], predicate="within").index
    served = measured.served("a") | measured.served("b")
    assert set(held) == set(measured.cells.index[(measured.cells["row"] < 12) & served])
    assert (slow["shortfall_db"] == 0).all()
    assert slow["people_blocked"].isna().all()


def test_no_data_no_reason(town: Town) -> None:
    town = Town()
    town.places = None
    areas = found(town)
    assert "capacity" not in set(areas["reason"])
    assert areas["places"].isna().all()
    assert areas["place_names"].isna().all()


def test_no_gap_no_region() -> None:
    town = Town()
    for key in town.signals:
        town.signals[key] = np.full(GRID.shape, -60.0, dtype=np.float32)
    town.bands = {key: band for key, band in town.bands.items() if key[1] == "n78"}
    assert found(town).empty


def test_reasons_are_in_both_languages() -> None:
    for text in gaps.REASONS.values():
        assert text.render("ja") != text.render("en")
