"""A small run, made by hand: two carriers, five assets, ten cells in a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from shapely import box

from tdh import schemas
from tdh.coverage import Coverage
from tdh.radio import bands
from tdh.scenario import Scenario

CRS = "EPSG:6677"
CELLS = [f"c{i}" for i in range(10)]
REACH = {"A-1": [0, 1, 2], "A-2": [2, 3], "A-3": [3, 4, 5, 6], "A-4": [7], "A-5": [8, 9]}


def scenario(**changes: Any) -> Scenario:
    carriers = [
        {
            "id": "alpha",
            "name": "アルファ",
            "bands": ["n78"],
            "new_entrant": True,
            "source": "Alpha's list",
            "synthetic": True,
        },
        {
            "id": "beta",
            "bands": ["n79"],
            "new_entrant": True,
            "source": "Beta's secret list",
            "licence": "secret",
        },
    ]
    content = {
        "name": "試行2026",
        "area": {"boundaries": "n03.geojson", "source": "国土数値情報", "licence": "CC BY 4.0"},
        "assets": [{"path": "assets.csv", "source": "東京都", "licence": "CC BY 4.0"}],
        "demand": {"population": "pop.csv", "source": "国勢調査"},
        "carriers": carriers,
    }
    return Scenario.model_validate(content | changes)


def assets(names: dict[str, str] | None = None) -> gpd.GeoDataFrame:
    names = names or {}
    ids = list(REACH)
    frame = pd.DataFrame(
        {
            "asset_id": ids,
            "name": [names.get(i, f"都営バス停 髙橋町{i}〜前") for i in ids],
            "kind": "bus_stop",
            "owner": "東京都",
            "bureau": "交通局",
            "address": "東京都新宿区西新宿2-8-1",
            "municipality_code": "13104",
            "municipality": "新宿区",
            "latitude": [35.68 + 0.001 * i for i in range(5)],
            "longitude": [139.69 + 0.001 * i for i in range(5)],
            "height_agl_m": [3.0, 3.0, np.nan, 40.0, 12.0],
            "height_source": ["default", "default", None, "register", "surface"],
            "placement": ["pole", "pole", "pole", "roof", "roof"],
            "mounting_height_m": [3.0, 3.0, 3.0, 42.0, 14.0],
            "source": "assets.csv",
            "source_row": range(1, 6),
            "repaired": False,
            "synthetic": False,
            "in_area": True,
        }
    )
    points = gpd.points_from_xy(frame["longitude"], frame["latitude"], crs="EPSG:6668").to_crs(CRS)
    return schemas.conform(gpd.GeoDataFrame(frame, geometry=points), "assets")


@dataclass
class FakeRun:
    """What the exchange asks of a run."""

    scenario: Scenario = field(default_factory=scenario)
    assets: gpd.GeoDataFrame = field(default_factory=assets)
    offered: dict[str, list[str]] = field(
        default_factory=lambda: {"alpha": ["A-1", "A-2", "A-3"], "beta": ["A-3", "A-5"]}
    )
    unmet: dict[str, list[float]] = field(
        default_factory=lambda: {"alpha": [10.0] * 10, "beta": [float(i) for i in range(10)]}
    )
    reach: dict[str, dict[str, list[int]]] = field(
        default_factory=lambda: {"alpha": REACH, "beta": REACH}
    )
    crs: str = CRS

    @property
    def carriers(self) -> list[Any]:
        return [
            SimpleNamespace(
                id=c.id, name=c.label, bands=c.band_ids, max_sites=c.max_sites, synthetic=True
            )
            for c in self.scenario.carriers
        ]

    @property
    def bands(self) -> dict[tuple[str, str], Any]:
        return {(c.id, b): bands.get(b) for c in self.scenario.carriers for b in c.band_ids}

    @property
    def municipalities(self) -> gpd.GeoDataFrame:
        x, y = self.assets.geometry.x, self.assets.geometry.y
        west, east = (
            box(x.min() - 999, y.min() - 999, x.iloc[1], y.max() + 999),
            box(x.iloc[1], y.min() - 999, x.max() + 999, y.max() + 999),
        )
        frame = gpd.GeoDataFrame(
            {"municipality_code": ["13104", "13113"], "municipality": ["新宿区", "渋谷区"]},
            geometry=[west, east],
            crs=CRS,
        )
        return schemas.conform(frame, "municipalities")

    @property
    def cells(self) -> pd.DataFrame:
        return pd.DataFrame(index=pd.Index(CELLS, name="cell_id"))

    @property
    def gaps(self) -> pd.DataFrame:
        rows = [
            {"cell_id": cell, "carrier_id": carrier, "unmet_people": people}
            for carrier, line in self.unmet.items()
            for cell, people in zip(CELLS, line, strict=True)
        ]
        return pd.DataFrame(rows)

    @property
    def plan(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"asset_id": a, "carrier_id": c, "order": i, "reason_en": f"{c} shares {a}"}
                for c, ids in self.offered.items()
                for i, a in enumerate(ids, start=1)
            ]
        )

    def footprint(self, carrier: str, band: str) -> Coverage:
        signal = np.zeros((len(REACH), len(CELLS)), dtype=np.uint8)
        for row, cells in enumerate(self.reach[carrier].values()):
            signal[row, cells] = 140
        return Coverage(bands.get(band), pd.Index(list(REACH)), pd.Index(CELLS), csr_array(signal))


@pytest.fixture
def fake() -> Any:
    """The class of the small run, and the makers of its parts."""
    return SimpleNamespace(run=FakeRun, scenario=scenario, assets=assets, reach=REACH)


@pytest.fixture(scope="session")
def fake_session() -> Any:
    """The same, for fixtures that last longer."""
    return SimpleNamespace(run=FakeRun, scenario=scenario, assets=assets, reach=REACH)
