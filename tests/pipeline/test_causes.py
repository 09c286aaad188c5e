"""Why cells are gaps, in small towns whose reason is evident."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from tdh import coverage, gaps
from tdh.grid import Grid
from tdh.pipeline import causes
from tdh.present import CODES
from tdh.radio import bands
from tdh.radio.model import Model
from tdh.surface import Surface

CELL_M = 10.0
GRID = Grid(-300.0, 50.0, CELL_M, 10, 130, "EPSG:6677")
FINE = Grid(-302.5, 52.5, 5.0, 21, 261, "EPSG:6677")
BAND = replace(bands.get("n257"), covered_dbm=-105.0)
KEY = ("a", BAND.id)


class Street:
    """1.3 km of street with a 28 GHz antenna 20 m above its metre 0, of 45 dBm EIRP."""

    def __init__(self, *buildings: tuple[float, float, float], near_m: float = 1.0) -> None:
        row, col = (a.ravel() for a in np.indices(GRID.shape))
        x, y = GRID.centres(row, col)
        self.x = x
        self.grid = GRID
        self.cells = gpd.GeoDataFrame(
            {"row": row, "col": col},
            index=pd.Index([f"c{i}" for i in range(row.size)], name="cell_id"),
            geometry=gpd.points_from_xy(x, y),
            crs=GRID.crs,
        )
        heights = np.zeros(FINE.shape, dtype=np.float32)
        middle, _ = FINE.centres(np.zeros(FINE.n_cols, int), np.arange(FINE.n_cols))
        for start, end, height in buildings:
            heights[:, (middle > start) & (middle < end)] = height
        self.surface = Surface(FINE, heights)
        self.sites = gpd.GeoDataFrame(
            {
                "carrier_id": ["a"],
                "band": [BAND.id],
                "antenna_height_agl_m": [20.0],
                "placement": ["roof"],
                "eirp_dbm": [45.0],
                "radius_m": [1000.0],
            },
            index=pd.Index(["s"], name="site_id"),
            geometry=gpd.points_from_xy([0.0], [0.0]),
            crs=GRID.crs,
        )
        self.bands = {KEY: BAND}
        self.scenario = SimpleNamespace(
            coverage=SimpleNamespace(receiver_height_m=1.5), gaps=SimpleNamespace(near_m=near_m)
        )
        self.model = Model()
        self.source = np.full(GRID.shape, CODES["predicted"], dtype=np.uint8)

    @property
    def level(self) -> np.ndarray:
        """The model's level by cell."""
        found = coverage.compute(
            self.sites, self.surface, self.cells, BAND, grid=GRID, model=self.model
        )
        return found.best_server()[0]

    def signal(self, carrier: str, band: str) -> np.ndarray:
        return self.level.reshape(GRID.shape)

    def evidence(self, carrier: str, band: str) -> np.ndarray:
        return self.source

    def why(self, surface: Surface | None = None) -> np.ndarray:
        """Reason of each cell, in words."""
        run: Any = self
        found = causes.of_cells(run, surface or self.surface, self.model)
        return np.array(gaps.CAUSES)[found[KEY]]

    def among(self, start: float, end: float) -> set[str]:
        """Reasons of the cells between two metres of the street."""
        return set(self.why()[(self.x > start) & (self.x < end)])


def test_open_street_is_served_then_too_far() -> None:
    """Without a building there is free sight to 1 km: what is no gap has no reason."""
    street = Street()
    assert street.among(20, 250) == {""}
    gap = ~(street.level >= BAND.covered_dbm)
    assert gap.any()
    assert ((street.why() != "") == gap).all()
    assert street.among(850, 1000) == {"no_site_near"}


def test_behind_a_wall_is_blocked_far_behind_it_no_site_is_near() -> None:
    wall = (60.0, 80.0, 60.0)
    street = Street(wall)
    assert street.among(120, 170) == {"blocked"}
    assert street.among(600, 1000) == {"no_site_near"}
    assert street.among(-200, 50) == {""}
    # A stronger antenna reaches around the wall, and would usually reach farther.
    street.sites["eirp_dbm"] = 60.0
    assert street.among(120, 170) == {""}
    assert "blocked" in street.among(300, 600)


def test_in_a_hall_in_sight_of_the_antenna_is_indoors_only() -> None:
    hall = (-152.0, -117.0, 8.0)
    street = Street(hall)
    assert street.among(-150, -120) == {"indoors_only"}
    # The same hall behind a wall has no signal outdoors either.
    hidden = Street(hall, (-80.0, -60.0, 60.0))
    assert hidden.among(-150, -120) == {"blocked"}
    # A stronger signal comes in.
    street.sites["eirp_dbm"] = 65.0
    assert street.among(-150, -120) == {""}


def test_rooms_everywhere() -> None:
    """With receivers in rooms, gaps that outdoors would be none are indoors only."""
    street = Street()
    street.model = Model(indoor="efficient")
    assert street.among(100, 140) == {"indoors_only"}


@pytest.mark.parametrize("kind", ["declared", "measured"])
def test_what_is_measured_or_declared_is_outdoors(kind: str) -> None:
    street = Street((-152.0, -117.0, 8.0))
    street.source[:] = CODES[kind]
    assert street.among(-150, -120) == {"blocked"}


def test_a_site_within_near_m_is_near_in_any_case() -> None:
    wall = (60.0, 80.0, 60.0)
    assert Street(wall, near_m=650.0).among(600, 640) == {"blocked"}
    assert Street(wall, near_m=650.0).among(700, 1000) == {"no_site_near"}


def test_without_sites_none_is_near() -> None:
    street = Street()
    street.sites = street.sites.iloc[:0]
    run: Any = SimpleNamespace(**{**vars(street), "signal": _nothing, "evidence": lambda *_: None})
    found = causes.of_cells(run, None, street.model)
    assert set(found[KEY]) == {gaps.NO_SITE_NEAR}


def _nothing(carrier: str, band: str) -> np.ndarray:
    return np.full(GRID.shape, np.nan, dtype=np.float32)
