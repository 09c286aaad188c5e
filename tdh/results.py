"""A finished run: its folder, read table by table when asked for."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio

from tdh import manifest as manifests
from tdh import notices
from tdh.coverage import Coverage
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.radio.bands import Band
from tdh.scenario import Scenario

When = Literal["before", "after"]

_MOMENT = {
    "day": Text("people by day", "昼間の人口"),
    "night": Text("people by night", "夜間の人口"),
    "disaster": Text("people in a disaster", "災害時の人口"),
}
_KIND_JA = {"measured": "実測", "declared": "公表値", "predicted": "予測値", "estimated": "推定値"}


class VersionWarning(UserWarning):
    """A run folder was made by another version of tdh."""


@dataclass(frozen=True)
class CarrierInfo:
    """What a run knows of a carrier.

    Attributes
    ----------
    source : str
        Who published its list of present sites, with the licence; empty: not told.
    estimated_source : str
        The same of what its estimated sites come from.
    """

    id: str
    name: str
    bands: list[str]
    max_sites: int
    market_share: float
    synthetic: bool
    source: str = ""
    estimated_source: str = ""


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Open the folder of a finished run.

    Raises
    ------
    InputError
        If it is not one.

    Warns
    -----
    VersionWarning
        If another version of tdh made it.
    """
    manifest = manifests.read(folder)
    made_by, own = manifest.get("versions"), manifests.versions()["tdh"]
    made = made_by.get("tdh") if isinstance(made_by, dict) else None
    if made != own:
        told = Text(
            "{folder} was made by version {made} of tdh, this is {own}: what is read may differ; "
            "compute it again to be sure",
            "{folder} は tdh {made} で作られました(現在は {own})。内容が異なる可能性があります。"
            "計算し直すと確実です",
            folder=folder,
            made=made or "?",
            own=own,
        )
        warnings.warn(str(told), VersionWarning, stacklevel=2)
    return Run(Path(folder), manifest)


class Run:
    """The tables and rasters of a run folder; each is read once, when first used.

    Attributes
    ----------
    folder : Path
    manifest : dict
        ``manifest.json``.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    def __repr__(self) -> str:
        return f"<tdh.Run {self.name!r} in {self.folder}>"

    # --- what the run is ---------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.scenario.name)

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as it was resolved."""
        return Scenario.model_validate(self.manifest["scenario"])

    @property
    def crs(self) -> str:
        """The plan's CRS."""
        return self.scenario.crs

    @property
    def grid(self) -> Grid:
        """The plan's grid of cells."""
        return Grid(**self.manifest["grid"])

    @cached_property
    def carriers(self) -> list[CarrierInfo]:
        """Carriers in the scenario's order."""
        shares = self.scenario.market_shares
        return [
            CarrierInfo(
                c.id,
                c.label,
                c.band_ids,
                c.max_sites,
                shares[c.id],
                c.synthetic,
                _origin(c),
                "; ".join(filter(None, (_origin(s) for s in c.coverage if s.type == "opencellid"))),
            )
            for c in self.scenario.carriers
        ]

    @cached_property
    def bands(self) -> dict[tuple[str, str], Band]:
        """(carrier, band) to the band as that carrier holds it."""
        return {
            (entry["carrier_id"], entry["band"]["id"]): Band(**entry["band"])
            for entry in self.manifest["bands"]
        }

    @property
    def synthetic(self) -> bool:
        """Whether any input is invented."""
        return any(p.synthetic for _, p in self.scenario.provenances())

    @property
    def notices(self) -> list[Text]:
        """What must be said wherever results are shown: what is invented, what is modelled."""
        told = []
        invented = self._invented()
        if invented:
            told.append(
                Text(
                    f"Synthetic, not real: {', '.join(text.render('en') for text in invented)}",
                    f"架空のデータ(実在しません): {'、'.join(text.render('ja') for text in invented)}",
                )
            )
        told.append(
            Text(
                "Coverage is modelled (3GPP TR 38.901, line of sight over building heights), "
                "not measured",
                "エリアは予測値です(3GPP TR 38.901、建物高による見通し判定)。実測ではありません",
            )
        )
        kinds = dict.fromkeys(s.kind for c in self.scenario.carriers for s in c.coverage)
        if kinds:
            told.append(
                Text(
                    "Today's coverage of some carriers is in part {kinds_en} (table present)",
                    "一部事業者の現在のエリアには{kinds_ja}を使っています(表 present)",
                    kinds_en=", ".join(kinds),
                    kinds_ja="・".join(_KIND_JA[kind] for kind in kinds),
                )
            )
        calibrated = notices.of_calibration(self.manifest.get("calibrated"))
        return told + calibrated + self.people_notices

    @property
    def people_notices(self) -> list[Text]:
        """What is derived or learnt of people; the last of the notices."""
        ratios = [s.path.name for s in self.scenario.demand.sources if s.type == "ratio"]
        return notices.of_people(self.manifest.get("placing", {}), ratios)

    def _invented(self) -> list[Text]:
        """The parts of the scenario that are invented, in words."""
        scenario = self.scenario
        words = []
        if scenario.area.synthetic:
            words.append(Text("boundaries", "区域の境界"))
        for every, some, parts in (
            (
                Text("registers", "台帳"),
                ("{n} of {of} registers", "台帳{of}件のうち{n}件"),
                scenario.assets,
            ),
            (
                Text("the carriers and their networks", "事業者とその局"),
                ("{n} of {of} carriers", "事業者{of}社のうち{n}社"),
                scenario.carriers,
            ),
        ):
            n = sum(part.synthetic for part in parts)
            if n:
                words.append(every if n == len(parts) else Text(*some, n=n, of=len(parts)))
        if any(s.synthetic for c in scenario.carriers for s in c.coverage):
            words.append(Text("what is known of coverage", "エリアの資料"))
        if scenario.surface.synthetic:
            words.append(Text("buildings", "建物"))
        if scenario.demand.synthetic:
            words.append(Text("residents", "人口"))
        for moment, word in _MOMENT.items():
            if any(s.synthetic and s.moment == moment for s in scenario.demand.sources):
                words.append(word)
        if any(place.synthetic for place in scenario.places):
            words.append(Text("places to be served", "対象施設"))
        if any(t.synthetic for t in scenario.throughput):
            words.append(Text("measured throughput", "スループットの測定値"))
        if any(flood.synthetic for flood in scenario.floods):
            words.append(Text("floods", "浸水想定"))
        if scenario.costs.yen and scenario.costs.synthetic:
            words.append(Text("costs", "費用"))
        return words

    @property
    def attributions(self) -> list[str]:
        """Each input's publisher and licence, as the licence wants it shown."""
        lines = [_origin(p) for _, p in self.scenario.provenances() if p.source]
        return list(dict.fromkeys(lines))

    # --- tables ------------------------------------------------------------------------------

    @cached_property
    def assets(self) -> gpd.GeoDataFrame:
        """Assets of the area (table ``assets``)."""
        return self._geo("assets")

    @cached_property
    def sites(self) -> gpd.GeoDataFrame:
        """Present sites of all carriers (table ``sites``)."""
        return self._geo("sites")

    @cached_property
    def border_sites(self) -> gpd.GeoDataFrame | None:
        """Sites too far to be followed, in the area's 10 km meshes (as table ``sites``), or None."""
        path = self.folder / "border_sites.parquet"
        return gpd.read_parquet(path) if path.exists() else None

    @cached_property
    def site_load(self) -> pd.DataFrame | None:
        """Customers and capacity of each present site (table ``site_load``), or None."""
        return self._optional("site_load")

    @cached_property
    def site_load_after(self) -> pd.DataFrame | None:
        """The same with the plan on air, beside today's (table ``site_load_after``), or None."""
        return self._optional("site_load_after")

    @cached_property
    def present(self) -> pd.DataFrame | None:
        """How much of today's coverage stands on which evidence (table ``present``), or None."""
        return self._optional("present")

    @cached_property
    def throughput(self) -> pd.DataFrame | None:
        """Throughput measured by cell (table ``throughput``); None where none is given."""
        return self._optional("throughput")

    @cached_property
    def municipalities(self) -> gpd.GeoDataFrame:
        """Municipalities of the area (table ``municipalities``)."""
        return self._geo("municipalities")

    @cached_property
    def cells(self) -> gpd.GeoDataFrame:
        """Cells of the area (table ``cells``)."""
        return self._geo("cells")

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Cells that a carrier does not serve (table ``gaps``)."""
        return self._table("gaps")

    @cached_property
    def gap_regions(self) -> gpd.GeoDataFrame | None:
        """Today's gaps as areas (table ``gap_regions``); None in a run that has none yet."""
        return self._geo("gap_regions") if (self.folder / "gap_regions.parquet").exists() else None

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """The antennas that each carrier would put on each asset (table ``candidates``)."""
        return self._table("candidates")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """What each asset would close for each carrier (table ``scores``)."""
        return self._table("scores")

    @cached_property
    def scores_public(self) -> pd.DataFrame:
        """What each asset would close for all carriers together (as table ``scores``)."""
        return self._table("scores_public")

    @cached_property
    def score_weights(self) -> pd.DataFrame | None:
        """What each component's points come from (table ``score_weights``), or None."""
        return self._optional("score_weights")

    @cached_property
    def plan(self) -> gpd.GeoDataFrame:
        """Which asset is offered to which carrier (table ``plan``)."""
        return self._geo("plan")

    @cached_property
    def antennas(self) -> pd.DataFrame | None:
        """Sectors of each offer (table ``antennas``); None in a run that has none yet."""
        return self._optional("antennas")

    @cached_property
    def profiles(self) -> pd.DataFrame | None:
        """What each offer serves, as a cut through the town (table ``profiles``), or None."""
        return self._optional("profiles")

    @cached_property
    def places(self) -> gpd.GeoDataFrame | None:
        """Places that must be served (table ``places``); None where the scenario names none."""
        return self._geo("places") if (self.folder / "places.parquet").exists() else None

    @cached_property
    def kpis(self) -> pd.DataFrame | None:
        """The programme's indicators (table ``kpis``); None in a run that has none yet."""
        return self._optional("kpis")

    @cached_property
    def expected_people(self) -> pd.DataFrame | None:
        """People covered by probability (table ``expected_people``); None in a run without it."""
        return self._optional("expected_people")

    @cached_property
    def expected_municipalities(self) -> pd.DataFrame | None:
        """The same of each municipality (table ``expected_municipalities``), or None."""
        return self._optional("expected_municipalities")

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What was found in the registers (table ``findings``)."""
        with _readable(self._path("findings.csv")) as path:
            return pd.read_csv(path, dtype={"before": str, "after": str})

    @cached_property
    def summary(self) -> dict[str, Any]:
        """``plan.json``: objective, bound, gap, people in a gap before and after."""
        with _readable(self._path("plan.json")) as path:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict) or "objective" not in content:
                raise ValueError("no objective in it")
        return content

    def candidate_sites(self, carrier_id: str) -> gpd.GeoDataFrame:
        """Assets as a carrier's sites, with the antennas they were predicted with: index site_id."""
        own = self.candidates[self.candidates["carrier_id"] == carrier_id].set_index("asset_id")
        own.index.name = "site_id"
        points = self.assets.geometry.reindex(own.index).to_numpy()
        return gpd.GeoDataFrame(own.drop(columns="carrier_id"), geometry=points, crs=self.crs)

    # --- rasters and footprints --------------------------------------------------------------

    def signal(self, carrier: str, band: str, when: When = "before") -> np.ndarray:
        """Best server's SS-RSRP.

        Returns
        -------
        array of float32, shape (grid.n_rows, grid.n_cols)
            In dBm; NaN where nothing is received or no cell is.
        """
        path = self._path(f"coverage/{carrier}-{band}-{when}.tif")
        with _readable(path), rasterio.open(path) as raster:
            values: np.ndarray = raster.read(1)
        return values

    def evidence(self, carrier: str, band: str) -> np.ndarray | None:
        """On which evidence a band's signal of today stands.

        Returns
        -------
        array of uint8, shape (grid.n_rows, grid.n_cols), or None
            :data:`tdh.present.CODES`; 255 where no cell is. None in a run that has none yet.
        """
        return self._codes(f"coverage/{carrier}-{band}-source.tif")

    def trust(self, carrier: str, band: str) -> np.ndarray | None:
        """Whether each cell's calibrated prediction is by a kind of link that was measured.

        Returns
        -------
        array of uint8, shape (grid.n_rows, grid.n_cols), or None
            0 nothing is predicted, 1 like links that were measured, 2 unlike: do not trust; 255
            where no cell is. None in a run without calibration, or if its file does not tell by
            which kinds of links.
        """
        return self._codes(f"coverage/{carrier}-{band}-trust.tif")

    def server(self, carrier: str, band: str) -> np.ndarray | None:
        """Which present site serves each cell.

        Returns
        -------
        array of int32, shape (grid.n_rows, grid.n_cols), or None
            Position among the rows of ``site_load`` of this carrier and band; −1 where none does.
            None in a run that has none yet.
        """
        return self._codes(f"coverage/{carrier}-{band}-server.tif")

    def footprint(self, carrier: str, band: str) -> Coverage:
        """The candidates' signals in a carrier's band: assets × cells, sparse."""
        with _readable(self._path(f"footprints/{carrier}-{band}.npz")) as path:
            return Coverage.load(path)

    # -----------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise InputError(
                Problem(
                    Text("a file of the run is missing", "計算結果のファイルがありません"),
                    where=str(path),
                    fix=Text(
                        "run the scenario again with --overwrite; only what is missing is made again",
                        "--overwrite を付けてもう一度計算してください。足りない分だけ作り直します",
                    ),
                )
            )
        return path

    def _codes(self, name: str) -> np.ndarray | None:
        path = self.folder / name
        if not path.exists():
            return None
        with _readable(path), rasterio.open(path) as raster:
            codes: np.ndarray = raster.read(1)
        return codes

    def _optional(self, table: str) -> pd.DataFrame | None:
        return self._table(table) if (self.folder / f"{table}.parquet").exists() else None

    def _table(self, table: str) -> pd.DataFrame:
        with _readable(self._path(f"{table}.parquet")) as path:
            return pd.read_parquet(path)

    def _geo(self, table: str) -> gpd.GeoDataFrame:
        with _readable(self._path(f"{table}.parquet")) as path:
            return gpd.read_parquet(path)


def _origin(part: Any) -> str:
    """Who published an input, with its licence."""
    return f"{part.source} ({part.licence})" if part.licence else str(part.source)


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """A file of the run, read in the block: an error says that it is damaged, and what helps."""
    try:
        yield path
    except InputError:
        raise
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            Problem(
                Text("a file of the run is damaged", "計算結果のファイルが壊れています"),
                value=next(iter(str(error).splitlines()), type(error).__name__),
                where=str(path),
                fix=Text(
                    "delete the file and run the scenario again with --overwrite; only what is "
                    "missing is made again",
                    "このファイルを削除し、--overwrite を付けてもう一度計算してください。足りない分だけ"
                    "作り直します",
                ),
            )
        ) from error
