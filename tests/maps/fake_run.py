"""A run that is invented and seeded, with the attributes that maps and reports read.

Scalable: from a few hundred cells for a quick test to 50,000 assets and a million cells of four
carriers for the benchmarks. Signals are rounded to 0.5 dB, as coverage rounds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import shapely.affinity
from scipy import ndimage, sparse

from tdh import schemas
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio import bands as radio_bands

CRS = "EPSG:6677"
ORIGIN_M = (-16000.0, -36000.0)
WARDS = ("北見区", "港南区", "星ヶ丘区", "若葉市", "青柳市", "東雲区")
KINDS = ("building", "park", "bus_stop", "street_light", "school", "signage")
WORDS = ("中央", "若葉", "桜台", "緑が丘", "本町", "南", "北口", "城山", "泉", "旭")
THINGS = ("区民センター", "公園", "停留所", "街路灯", "小学校", "案内サイン")


@dataclass(frozen=True)
class FakeCarrier:
    """The attributes of a carrier of a run."""

    id: str
    name: str
    bands: list[str]
    max_sites: int
    market_share: float
    synthetic: bool = True


@dataclass(frozen=True)
class FakeCoverage:
    """Candidates' signals in one band, as ``tdh.coverage.Coverage`` holds them."""

    band: radio_bands.Band
    site_ids: pd.Index
    cell_ids: pd.Index
    signal: sparse.csr_array

    def footprint(self, threshold_dbm: float | None = None) -> sparse.csr_array:
        """Which candidate serves which cell."""
        level = self.band.covered_dbm if threshold_dbm is None else threshold_dbm
        least = int(np.ceil((level + 150.5) / 0.5))
        found = sparse.csr_array(self.signal, copy=True)
        found.data = found.data >= least
        found.eliminate_zeros()
        return found.astype(bool)


@dataclass
class FakeRun:
    """An invented run."""

    n_assets: int = 300
    rows: int = 60
    cols: int = 80
    cell_size_m: float = 25.0
    n_carriers: int = 4
    n_bands: int = 2
    max_sites: int = 6
    seed: int = 0
    rich: bool = True  # whether the run holds antennas, profiles, places and goals
    names: list[str] = field(default_factory=list)
    folder: Path = Path("fake-run")

    def __post_init__(self) -> None:
        self.name = "架空の街の試算"
        self.crs = CRS
        self.synthetic = True
        self.scenario = SimpleNamespace(scoring=SimpleNamespace(top=20))
        x, y = ORIGIN_M
        self.grid = Grid(x, y, self.cell_size_m, self.rows, self.cols, CRS)
        codes = ["docomo", "kddi", "softbank", "rakuten"][: self.n_carriers]
        labels = ["架空ドコモ", "架空KDDI", "架空ソフトバンク", "架空楽天"]
        self.carriers = [
            FakeCarrier(code, label, ["n78", "n28", "n257"][: self.n_bands], self.max_sites, 0.25)
            for code, label in zip(codes, labels, strict=False)
        ]
        self.bands = {(c.id, b): radio_bands.get(b) for c in self.carriers for b in c.bands}
        self.notices = [
            Text(
                "Synthetic, not real: networks, assets",
                "架空のデータ(実在しません): 基地局, アセット",
            ),
            Text(
                "Coverage is modelled (3GPP TR 38.901), not measured",
                "エリアは予測値です(3GPP TR 38.901)。実測ではありません",
            ),
        ]
        self.attributions = ["架空データ(tdh の試験用)", "国土数値情報 行政区域 N03 (CC BY 4.0)"]
        self.manifest: dict[str, Any] = {
            "created": "2026-11-23T00:00:00+00:00",
            "versions": {"tdh": "0.1.0", "python": "3.11"},
            "inputs": [
                {
                    "part": "assets",
                    "path": "assets.csv",
                    "sha256": "0" * 64,
                    "source": "架空データ",
                    "licence": "CC BY 4.0",
                    "synthetic": True,
                }
            ],
            "stages": [{"name": "assets", "seconds": 1.5, "facts": {"rows": self.n_assets}}],
        }

    @cached_property
    def _outline(self) -> np.ndarray:
        """Cells of the area: an ellipse with a bay."""
        row, col = np.mgrid[0 : self.rows, 0 : self.cols]
        u, v = (col + 0.5) / self.cols - 0.5, (row + 0.5) / self.rows - 0.5
        bay = (u - 0.28) ** 2 + (v - 0.42) ** 2 < 0.16**2
        return (np.abs(u) ** 3 + np.abs(v) ** 3 < 0.122) & ~bay

    @cached_property
    def municipalities(self) -> gpd.GeoDataFrame:
        """Six municipalities."""
        rng = np.random.default_rng(self.seed)
        x0, y0, x1, y1 = self.grid.bounds
        seeds = rng.uniform(0.15, 0.85, (6, 2)) * [x1 - x0, y1 - y0] + [x0, y0]
        points = shapely.MultiPoint(seeds)
        voronoi = shapely.voronoi_polygons(points, extend_to=shapely.box(x0, y0, x1, y1))
        theta = np.linspace(0, 2 * np.pi, 240, endpoint=False)
        radius = (0.122 / (np.abs(np.cos(theta)) ** 3 + np.abs(np.sin(theta)) ** 3)) ** (1 / 3)
        u, v = radius * np.cos(theta), radius * np.sin(theta)
        ring = np.column_stack([(u + 0.5) * (x1 - x0) + x0, y1 - (v + 0.5) * (y1 - y0)])
        bay = shapely.affinity.scale(
            shapely.Point(0.78 * (x1 - x0) + x0, y1 - 0.92 * (y1 - y0)).buffer(1),
            0.16 * (x1 - x0),
            0.16 * (y1 - y0),
        )
        area = shapely.Polygon(ring).difference(bay)
        parts = [p.intersection(area) for p in voronoi.geoms]
        frame = gpd.GeoDataFrame(
            {
                "municipality_code": [f"131{i:02d}" for i in range(1, len(parts) + 1)],
                "municipality": list(WARDS[: len(parts)]),
                "prefecture": "架空県",
            },
            geometry=parts,
            crs=CRS,
        )
        return schemas.conform(frame, "municipalities")

    @cached_property
    def cells(self) -> gpd.GeoDataFrame:
        """Cells of the area with people."""
        row, col = np.nonzero(self._outline)
        rng = np.random.default_rng(self.seed + 1)
        x, y = self.grid.centres(row, col)
        people = rng.gamma(0.6, 12.0, len(row)) * (rng.random(len(row)) < 0.7)
        owner = self._municipality_of(x, y)
        frame = gpd.GeoDataFrame(
            {
                "cell_id": [f"r{r:05d}c{c:05d}" for r, c in zip(row, col, strict=True)],
                "row": row,
                "col": col,
                "population": people,
                "municipality_code": owner,
            },
            geometry=gpd.points_from_xy(x, y),
            crs=CRS,
        )
        return schemas.conform(frame, "cells")

    def _municipality_of(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        codes = self.municipalities.index.to_numpy()
        shapes = self.municipalities.geometry.to_numpy()
        owner = np.full(len(x), codes[0], dtype=object)
        for code, shape in zip(codes, shapes, strict=True):
            shapely.prepare(shape)
            owner[shapely.contains_xy(shape, x, y)] = code
        return owner

    @cached_property
    def assets(self) -> gpd.GeoDataFrame:
        """Assets in the area."""
        rng = np.random.default_rng(self.seed + 2)
        cells = self.cells
        pick = rng.integers(0, len(cells), self.n_assets)
        half = self.cell_size_m / 2
        x = cells.geometry.x.to_numpy()[pick] + rng.uniform(-half, half, self.n_assets)
        y = cells.geometry.y.to_numpy()[pick] + rng.uniform(-half, half, self.n_assets)
        kind = rng.integers(0, len(KINDS), self.n_assets)
        words = rng.integers(0, len(WORDS), (self.n_assets, 2))
        names = [
            f"{WORDS[a]}{WORDS[b]}第{i % 97 + 1}{THINGS[k]}"
            for i, (k, (a, b)) in enumerate(zip(kind, words, strict=True))
        ]
        names[: len(self.names)] = self.names
        points = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=CRS)
        lonlat = points.to_crs("EPSG:6668")
        codes = cells["municipality_code"].to_numpy()[pick]
        height = np.round(rng.gamma(2.0, 8.0, self.n_assets) + 3, 1)
        named = self.municipalities["municipality"].reindex(codes).to_numpy()
        frame = gpd.GeoDataFrame(
            {
                "asset_id": [f"assets-{i + 1}" for i in range(self.n_assets)],
                "name": names,
                "kind": np.array(KINDS)[kind],
                "owner": np.where(kind < 3, "東京都", "区"),
                "bureau": None,
                "address": [f"{m}{i % 9 + 1}丁目{i % 30 + 1}" for i, m in enumerate(named)],
                "municipality_code": codes,
                "municipality": named,
                "latitude": lonlat.y.to_numpy(),
                "longitude": lonlat.x.to_numpy(),
                "height_agl_m": height,
                "height_source": "surface",
                "placement": np.where(kind < 1, "roof", "pole"),
                "mounting_height_m": height + 3,
                "source": "assets.csv",
                "source_row": np.arange(1, self.n_assets + 1),
                "repaired": False,
                "synthetic": True,
                "in_area": True,
            },
            geometry=points,
            crs=CRS,
        )
        return schemas.conform(frame, "assets")

    @cached_property
    def sites(self) -> gpd.GeoDataFrame:
        """Present sites: three sectors a mast."""
        rng = np.random.default_rng(self.seed + 3)
        x0, y0, x1, y1 = self.grid.bounds
        masts = max(3, int((x1 - x0) * (y1 - y0) / 1.1e6))
        frames = []
        for i, (carrier, band) in enumerate(self.bands):
            share = masts if i % self.n_bands else max(2, masts // 2)
            xy = rng.uniform([x0, y0], [x1, y1], (share, 2))
            for sector in range(3):
                frames.append(
                    gpd.GeoDataFrame(
                        {
                            "site_id": [f"{carrier}-{band}-{j}-{sector}" for j in range(share)],
                            "carrier_id": carrier,
                            "band": band,
                            "frequency_mhz": self.bands[carrier, band].frequency_mhz,
                            "bandwidth_mhz": self.bands[carrier, band].bandwidth_mhz,
                            "eirp_dbm": 70.0,
                            "antenna_height_agl_m": 30.0,
                            "azimuth_deg": (20.0 + 120 * sector) % 360,
                            "tilt_deg": 6.0,
                            "placement": "roof",
                            "environment": "UMa",
                            "synthetic": True,
                        },
                        geometry=gpd.points_from_xy(xy[:, 0], xy[:, 1]),
                        crs=CRS,
                    )
                )
        return schemas.conform(
            gpd.GeoDataFrame(pd.concat(frames), geometry="geometry", crs=CRS), "sites"
        )

    @cached_property
    def _shadow(self) -> np.ndarray:
        """Shadowing of streets and blocks in dB, shared by all."""
        rng = np.random.default_rng(self.seed + 4)
        fine = rng.normal(0, 1, (self.rows, self.cols))
        broad = ndimage.gaussian_filter(rng.normal(0, 1, (self.rows, self.cols)), 3)
        return 12 * broad / broad.std() + 3 * ndimage.gaussian_filter(fine, 0.7)

    def _field(self, xy: np.ndarray, band: radio_bands.Band, seed: int) -> np.ndarray:
        """Best server's signal of transmitters, with shadowing, in dBm."""
        mask = np.ones(self.grid.shape)
        row, col = self.grid.rowcol(xy[:, 0], xy[:, 1])
        inside = self.grid.contains(row, col)
        mask[row[inside], col[inside]] = 0
        distance = ndimage.distance_transform_edt(mask) * self.cell_size_m + 10
        rng = np.random.default_rng(seed)
        noise = ndimage.gaussian_filter(rng.normal(0, 1, self.grid.shape), 1)
        rsrp = -32 - 33 * np.log10(distance) + 6 * noise + self._shadow
        return rsrp - (0 if band.band_class == "sub6" else -8 if band.band_class == "low" else 6)

    def signal(self, carrier: str, band: str, when: str = "before") -> np.ndarray:
        """Best server's signal in dBm on the grid."""
        if (carrier, band, when) not in self._signals:
            self._signals[carrier, band, when] = self._signal(carrier, band, when)
        return self._signals[carrier, band, when]

    @cached_property
    def _signals(self) -> dict[tuple[str, str, str], np.ndarray]:
        return {}

    def _signal(self, carrier: str, band: str, when: str) -> np.ndarray:
        key = list(self.bands).index((carrier, band))
        spec = self.bands[carrier, band]
        mine = self.sites[(self.sites["carrier_id"] == carrier) & (self.sites["band"] == band)]
        rsrp = self._field(np.column_stack([mine.geometry.x, mine.geometry.y]), spec, 100 + key)
        if when == "after":
            coverage = self.footprint(carrier, band)
            rows = coverage.site_ids.get_indexer(
                self.plan.loc[self.plan["carrier_id"] == carrier, "asset_id"]
            )
            best = np.full(len(self.cells), -np.inf)
            for site in rows:
                start, stop = coverage.signal.indptr[site : site + 2]
                where = coverage.signal.indices[start:stop]
                values = -150.5 + 0.5 * coverage.signal.data[start:stop].astype(float)
                best[where] = np.maximum(best[where], values)
            cells = self.cells
            r, c = cells["row"].to_numpy(), cells["col"].to_numpy()
            rsrp[r, c] = np.maximum(rsrp[r, c], best)
        rsrp = np.round(rsrp * 2) / 2
        rsrp[(rsrp < -125) | ~self._outline] = np.nan
        return rsrp.astype(np.float32)

    @cached_property
    def _coverages(self) -> dict[tuple[str, str], FakeCoverage]:
        return {}

    def footprint(self, carrier: str, band: str) -> FakeCoverage:
        """Signals of the first assets: at most 400, so that a benchmark stays small."""
        if (carrier, band) not in self._coverages:
            cells, spec = self.cells, self.bands[carrier, band]
            some = self.assets.iloc[:400]
            lookup = np.full(self.grid.shape, -1)
            lookup[cells["row"], cells["col"]] = np.arange(len(cells))
            reach = max(3, int(300 / self.cell_size_m))
            cell_x, cell_y = cells.geometry.x.to_numpy(), cells.geometry.y.to_numpy()
            cell_row, cell_col = cells["row"].to_numpy(), cells["col"].to_numpy()
            rows, cols, data = [], [], []
            for i, point in enumerate(some.geometry):
                r, c = (int(k) for k in self.grid.rowcol(point.x, point.y))
                near = lookup[max(0, r - reach) : r + reach + 1, max(0, c - reach) : c + reach + 1]
                near = near[near >= 0]
                x = cell_x[near] - point.x
                y = cell_y[near] - point.y
                shadow = self._shadow[cell_row[near], cell_col[near]]
                rsrp = -46 - 30 * np.log10(np.hypot(x, y) + 10) + shadow
                keep = rsrp >= -125
                cols.append(near[keep])
                rows.append(np.full(int(keep.sum()), i))
                data.append(np.clip((rsrp[keep] + 150.5) * 2, 1, 255).astype(np.uint8))
            signal = sparse.csr_array(
                (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))),
                shape=(len(some), len(cells)),
            )
            self._coverages[carrier, band] = FakeCoverage(spec, some.index, cells.index, signal)
        return self._coverages[carrier, band]

    def _served(self, carrier: str, when: str) -> np.ndarray:
        cells = self.cells
        r, c = cells["row"].to_numpy(), cells["col"].to_numpy()
        served = np.zeros(len(cells), dtype=bool)
        for owner, band in self.bands:
            if owner == carrier:
                level = self.bands[owner, band].covered_dbm
                served |= self.signal(owner, band, when)[r, c] >= level
        return served

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Cells that a carrier does not serve before the plan."""
        frames = []
        for carrier in self.carriers:
            missing = self.cells[~self._served(carrier.id, "before")]
            frames.append(
                pd.DataFrame(
                    {
                        "cell_id": missing.index.to_numpy(),
                        "carrier_id": carrier.id,
                        "band": carrier.bands[0],
                        "rsrp_dbm": -115.0,
                        "shortfall_db": 5.0,
                        "unmet_people": missing["population"].to_numpy() * carrier.market_share,
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of all assets for all carriers."""
        rng = np.random.default_rng(self.seed + 5)
        frames = []
        for carrier in self.carriers:
            people = np.round(rng.gamma(0.5, 120, self.n_assets), 1)
            score = 100 * people / people.max()
            rank = np.empty(self.n_assets, dtype=int)
            rank[np.argsort(-score, kind="stable")] = np.arange(1, self.n_assets + 1)
            frames.append(
                pd.DataFrame(
                    {
                        "asset_id": self.assets.index.to_numpy(),
                        "carrier_id": carrier.id,
                        "band": carrier.bands[0],
                        "people_newly_served": people,
                        "gap_cells_closed": (people / 6).astype(int),
                        "score": score,
                        "rank": rank,
                        "stays_in_top": np.clip(1.5 - rank / 20, 0.0, 1.0),
                        "contribution_people": score * 0.7,
                        "contribution_area": score * 0.3,
                        "reason_ja": "架空の値です",
                        "reason_en": "Invented",
                    }
                )
            )
        return schemas.conform(pd.concat(frames, ignore_index=True), "scores")

    @cached_property
    def scores_public(self) -> pd.DataFrame:
        """The scores of the first carrier, as those of all together."""
        first = self.scores["carrier_id"] == self.carriers[0].id
        return self.scores[first].assign(carrier_id="public")

    @cached_property
    def plan(self) -> gpd.GeoDataFrame:
        """The best of the first assets for each carrier; the first is shared by two."""
        frames = []
        for carrier in self.carriers:
            mine = self.scores[self.scores["carrier_id"] == carrier.id].iloc[:400]
            best = mine.nlargest(self.max_sites - 1, "people_newly_served")
            ids = list(dict.fromkeys(["assets-1", *best["asset_id"]]))[: self.max_sites]
            people = np.linspace(900, 120, len(ids))
            frames.append(
                pd.DataFrame(
                    {
                        "asset_id": ids,
                        "carrier_id": carrier.id,
                        "bands": ",".join(carrier.bands),
                        "people_gained": people,
                        "people_lost_without": people * 0.8,
                        "order": np.arange(1, len(ids) + 1),
                        "reason_ja": "先に選んだ局では届かない未充足人口を新たにカバーします",
                        "reason_en": "Serves people in a gap whom no earlier choice serves",
                    }
                )
            )
        table = pd.concat(frames, ignore_index=True)
        points = self.assets.geometry.reindex(table["asset_id"]).to_numpy()
        return schemas.conform(gpd.GeoDataFrame(table, geometry=points, crs=CRS), "plan")

    @cached_property
    def antennas(self) -> pd.DataFrame | None:
        """Sectors of the offers: three on roofs, one all round on poles."""
        if not self.rich:
            return None
        rows = []
        for i, offer in enumerate(self.plan.itertuples()):
            placement = self.assets.at[offer.asset_id, "placement"]
            turns = [(10.0 + 30 * i + 120 * k) % 360 for k in range(3)]
            for band in offer.bands.split(","):
                for azimuth in turns if placement == "roof" else [np.nan]:
                    rows.append(
                        {
                            "asset_id": offer.asset_id,
                            "carrier": offer.carrier_id,
                            "band": band,
                            "azimuth_deg": azimuth,
                            "tilt_deg": 6.0,
                            "height_agl_m": self.assets.at[offer.asset_id, "mounting_height_m"],
                            "eirp_dbm": 61.0,
                        }
                    )
        return pd.DataFrame(rows)

    @cached_property
    def profiles(self) -> pd.DataFrame | None:
        """A path of 320 m for each offer, every second one blocked by a house of 24 m."""
        if not self.rich:
            return None
        rows = []
        for i, offer in enumerate(self.plan.itertuples()):
            distance = np.arange(0.0, 321.0, 4.0)
            ground = 22 + 3 * np.sin(distance / 90)
            house = np.where((distance > 180) & (distance < 212), 24.0 if i % 2 else 4.0, 0.0)
            rows.append(
                {
                    "asset_id": offer.asset_id,
                    "carrier": offer.carrier_id,
                    "band": offer.bands.split(",")[0],
                    "cell_id": self.cells.index[(37 * i) % len(self.cells)],
                    "people": 41.5,
                    "rsrp_dbm": -101.5 if i % 2 else -84.0,
                    "line_of_sight": i % 2 == 0,
                    "antenna_m": ground[0] + 30,
                    "receiver_m": ground[-1] + 1.5,
                    "distance_m": distance.tolist(),
                    "ground_m": ground.tolist(),
                    "top_m": (ground + house).tolist(),
                }
            )
        return pd.DataFrame(rows)

    @cached_property
    def places(self) -> gpd.GeoDataFrame | None:
        """A place of every kind, and twenty stations."""
        if not self.rich:
            return None
        kinds = ["town_hall", "disaster_hospital", "temporary_stay", "evacuation_area", "other"]
        kinds += ["station"] * 20
        rng = np.random.default_rng(self.seed + 7)
        at = self.cells.iloc[rng.integers(0, len(self.cells), len(kinds))]
        return gpd.GeoDataFrame(
            {
                "place_id": [f"place-{i}" for i in range(len(kinds))],
                "name": [f"{WORDS[i % len(WORDS)]}{i}" for i in range(len(kinds))],
                "kind": kinds,
                "priority": 1.0,
            },
            geometry=at.geometry.to_numpy(),
            crs=CRS,
        )

    @cached_property
    def kpis(self) -> pd.DataFrame | None:
        """Goals of the whole area and, of people, of each municipality."""
        if not self.rich:
            return None
        people = {"kpi": "population", "unit": "", "total": 1e4}
        rows = [
            {**people, "level": "metropolis", "carrier": "", "before": 0.91, "after": 0.975},
            {**people, "level": "metropolis", "carrier": "docomo", "before": 0.8, "after": 0.9},
            {"kpi": "places", "level": "metropolis", "carrier": "", "before": 0.84, "after": 0.9},
            {
                "kpi": "commercial_uncovered_ha",
                "level": "metropolis",
                "carrier": "at_least_2",
                "before": 210.0,
                "after": 90.0,
                "unit": "ha",
            },
        ]
        targets = [0.97, 0.97, 0.96, 0.0]
        for row, target in zip(rows, targets, strict=True):
            row["target"] = target
        rows += [
            {
                **people,
                "level": "municipality",
                "municipality_code": code,
                "carrier": "",
                "before": 0.7 + 0.04 * i,
                "after": 0.8 + 0.035 * i,
            }
            for i, code in enumerate(self.municipalities.index)
        ]
        return pd.DataFrame(rows)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What was found in the registers."""
        return pd.DataFrame(
            {
                "source": "assets.csv",
                "source_row": [3, 7, 7],
                "rule": ["swapped_coordinates", "missing_height", "missing_height"],
                "severity": ["info", "warning", "warning"],
                "column": ["緯度", "高さ", "高さ"],
                "before": ["139.7", "", ""],
                "after": ["35.7", "12", "12"],
                "message": [
                    "緯度と経度が入れ替わっていました",
                    "高さがありません",
                    "高さがありません",
                ],
            }
        )

    @cached_property
    def summary(self) -> dict[str, Any]:
        """``plan.json``."""
        people = float(self.cells["population"].sum())
        population = self.cells["population"].to_numpy()
        carriers = {}
        for carrier in self.carriers:
            customers = people * carrier.market_share
            before = float(population[~self._served(carrier.id, "before")].sum()) * 0.25
            after = float(population[~self._served(carrier.id, "after")].sum()) * 0.25
            carriers[carrier.id] = {
                "bands": carrier.bands,
                "max_sites": carrier.max_sites,
                "sites": int((self.plan["carrier_id"] == carrier.id).sum()),
                "people": customers,
                "people_in_gap_before": before,
                "people_in_gap_after": after,
                "covered_share_before": 1 - before / customers,
                "covered_share_after": 1 - after / customers,
            }
        before = sum(c["people_in_gap_before"] for c in carriers.values())
        after = sum(c["people_in_gap_after"] for c in carriers.values())
        return {
            "status": "feasible",
            "method": "lazy greedy + exchange",
            "objective": before - after,
            "bound": (before - after) * 1.021,
            "gap": 0.021,
            "people": people,
            "people_in_gap_before": before,
            "people_in_gap_after": after,
            "carriers": carriers,
            "sharing_capacity": 2,
            "spacing_m": 100.0,
            "seed": self.seed,
        }
