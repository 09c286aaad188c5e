"""The plan of a finished run as positions, and what it reaches, from its tables and footprints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import gaps, resilience
from tdh.coverage import Coverage, united
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline import rules, standing
from tdh.results import Run
from tdh.scenario import Scenario

_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Counted:
    """The offers that can be counted.

    Attributes
    ----------
    run : Run
    offers : GeoDataFrame
        Rows of the table ``plan``, each pair of carrier and asset once.
    footprints : list of csr_array, shape (n_sites, n_cells)
        One a carrier, whatever its bands.
    ids : Index
        Assets, (n_sites,).
    site, who : ndarray of int, shape (n_offers,)
        Asset and carrier of each offer.
    stored : dict of str to int
        Carrier and band to how many signals its footprint holds.
    """

    run: Run
    offers: gpd.GeoDataFrame
    footprints: list[sparse.csr_array]
    ids: pd.Index
    site: np.ndarray
    who: np.ndarray
    stored: dict[str, int]

    @cached_property
    def scenario(self) -> Scenario:
        return self.run.scenario

    @cached_property
    def carriers(self) -> list[str]:
        return [c.id for c in self.run.carriers]

    @cached_property
    def shares(self) -> np.ndarray:
        """Market shares, (n_carriers, 1)."""
        return np.array([[self.scenario.market_shares[c]] for c in self.carriers])

    @cached_property
    def population(self) -> np.ndarray:
        """Residents of each cell."""
        return self.run.cells["population"].to_numpy(float)

    @cached_property
    def missing(self) -> np.ndarray:
        """Which cells are which carrier's gap, (n_carriers, n_cells)."""
        return gaps.gap_matrix(self.run.gaps, self.run.cells, self.carriers)

    @cached_property
    def unmet(self) -> np.ndarray:
        """People of each carrier's gap."""
        people: np.ndarray = self.missing * self.population * self.shares
        return people

    @cached_property
    def count(self) -> np.ndarray:
        """How many offers of each carrier serve each cell."""
        own = [f[self.site[self.who == k]] for k, f in enumerate(self.footprints)]
        return np.vstack([np.bincount(f.indices, minlength=f.shape[1]) for f in own])

    @cached_property
    def people(self) -> float:
        """People of the gaps whom the plan serves."""
        return float(self.unmet[self.count > 0].sum())

    @cached_property
    def full_yen(self) -> np.ndarray | None:
        """What each offer would cost if nobody shared its asset; None without costs."""
        each = rules.cost_yen(self.scenario, self.run.assets.loc[self.ids])
        return None if each is None else each[self.site]

    @cached_property
    def yen(self) -> np.ndarray | None:
        """What each offer costs: an asset's tenants pay even parts of what it costs for all."""
        if self.full_yen is None:
            return None
        tenants = np.bincount(self.site, minlength=len(self.ids))[self.site]
        whole = self.full_yen * (1 + (tenants - 1) * (1 - self.scenario.costs.shared_saving))
        cost: np.ndarray = whole / tenants
        return cost

    @cached_property
    def year(self) -> np.ndarray:
        """Position of each offer's fiscal year in the scenario; −1: it is none of them."""
        known = [str(y.fiscal_year) for y in self.scenario.siting.years]
        return np.asarray(pd.Index(known).get_indexer(self.offers["fiscal_year"].astype(str)))

    @cached_property
    def people_by_year(self) -> list[float]:
        """People of the gaps whom each year's end sees served."""
        seen, found = np.zeros(self.unmet.shape, dtype=bool), []
        for t in range(len(self.scenario.siting.years)):
            for k, footprint in enumerate(self.footprints):
                own = self.site[(self.year == t) & (self.who == k)]
                seen[k, footprint[own].indices] = True
            found.append(float(self.unmet[seen].sum()))
        return found

    def objective(self, name: str) -> tuple[float, float]:
        """What the plan reaches of an objective of ``first`` or of people, and all that there is."""
        reached = self.count > 0
        if name in ("any_carrier", "two_carriers"):
            least = 1 if name == "any_carrier" else 2
            before = (~self.missing).sum(axis=0)
            after = (~self.missing | reached).sum(axis=0)
            short = self.population * (before < least)
            return float(short[after >= least].sum()), float(short.sum())
        if name == "places":
            worth = self.missing * self.priorities
            return float(worth[reached].sum()), float(worth.sum())
        if name == "worst_municipality":
            return self.least_share, 1.0
        return self.people, float(self.unmet.sum())

    @cached_property
    def least_share(self) -> float:
        """The share of its gap that is closed in the municipality that gets least, of those in
        whose gap any asset could serve somebody."""
        ruled_out = rules.choices(self.scenario, self.ids, offer=False)
        could = np.zeros(self.unmet.shape, dtype=bool)
        for k, footprint in enumerate(self.footprints):
            kept = np.ones(len(self.ids), dtype=bool)
            if ruled_out is not None:
                kept[ruled_out[ruled_out[:, 0] == k, 1]] = False
            could[k, footprint[kept].indices] = True
        parts = {"all": True, "could": could, "served": self.count > 0}
        people = pd.DataFrame({n: (self.unmet * cells).sum(axis=0) for n, cells in parts.items()})
        of = people.groupby(self.run.cells["municipality_code"].to_numpy(object)).sum()
        of = of[of["could"] > 0]
        return float((of["served"] / of["all"]).min()) if len(of) else 0.0

    @cached_property
    def priorities(self) -> np.ndarray:
        """The priorities of the places in each cell of the plan."""
        run, found = self.run, np.zeros(len(self.population))
        if run.places is None:
            return found
        row, col = run.grid.rowcol(
            run.places.geometry.x.to_numpy(float), run.places.geometry.y.to_numpy(float)
        )
        cells = pd.MultiIndex.from_arrays([run.cells["row"], run.cells["col"]])
        at = cells.get_indexer(pd.MultiIndex.from_arrays([row, col]))
        np.add.at(found, at[at >= 0], run.places["priority"].to_numpy(float)[at >= 0])
        return found

    @cached_property
    def second_covers(self) -> float:
        """What second covers, or those of places, count for beside people."""
        backup = self.scenario.siting.backup
        assert backup is not None
        value, at_places = 0.0, backup.place_people * self.priorities
        for k, carrier in enumerate(self.carriers):
            today = resilience.depth(standing.network(self.run, carrier).footprint)
            gap, offers = self.missing[k], self.count[k]
            second = ((today == 1) & ~gap & (offers >= 1)) | (gap & (offers >= 2))
            if backup.of == "people":
                value += backup.weight * self.shares[k, 0] * self.population[second].sum()
            else:
                value += backup.weight * at_places[second].sum()
                value += at_places[gap & (offers >= 1)].sum()
        return float(value)


def read(run: Run) -> tuple[Counted | None, list[Problem]]:
    """The offers of a run that can be counted, and what is wrong with the others.

    Returns
    -------
    counted : Counted or None
        None where nothing can be counted.
    problems : list of Problem
    """
    footprints, ids, stored, problems = _footprints(run)
    if problems:
        return None, problems
    needed = ["asset_id", "carrier_id", "order"]
    needed += ["fiscal_year"] if run.scenario.siting.years else []
    missing = [c for c in needed if c not in run.plan]
    if missing:
        what = Text("a column is missing", "列がありません")
        return None, [Problem(what, value=", ".join(missing), where="plan.parquet")]
    offers = run.plan
    names = offers[["asset_id", "carrier_id"]]
    names = names.where(names.map(lambda name: isinstance(name, str)))
    site = ids.get_indexer(names["asset_id"])
    who = pd.Index([c.id for c in run.carriers]).get_indexer(names["carrier_id"])
    twice = names.duplicated().to_numpy()
    problems = [
        Problem(what, value=_some(offers.loc[rows, column]), where="plan.parquet")
        for what, column, rows in (
            (
                Text("the plan names assets without a footprint", "未知のアセットです"),
                "asset_id",
                site < 0,
            ),
            (Text("there is no such carrier", "その事業者はありません"), "carrier_id", who < 0),
            (Text("an offer occurs twice", "同じ提供が重複しています"), "asset_id", twice),
        )
        if rows.any()
    ]
    kept = (site >= 0) & (who >= 0) & ~twice
    rows = offers[kept].reset_index(drop=True)
    return Counted(run, rows, footprints, ids, site[kept], who[kept], stored), problems


def _footprints(
    run: Run,
) -> tuple[list[sparse.csr_array], pd.Index, dict[str, int], list[Problem]]:
    """What each carrier's antennas would serve, the assets, how many signals are stored, and what
    is wrong with the files."""
    footprints: list[sparse.csr_array] = []
    stored: dict[str, int] = {}
    problems: list[Problem] = []
    ids = pd.Index([])
    for carrier in run.carriers:
        parts = []
        for band in carrier.bands:
            signals = run.footprint(carrier.id, band)
            ids = signals.site_ids if ids.empty else ids
            stored[f"{carrier.id}-{band}"] = int(signals.signal.nnz)
            problems += _foreign(run, carrier.id, band, signals, ids)
            parts.append(signals.footprint())
        if not problems:
            footprints.append(united(parts))
    missing = ids[~ids.isin(run.assets.index)]
    if len(missing) or not run.assets.index.is_unique:
        what = Text("assets are missing, or occur twice", "アセットの欠落か重複があります")
        twice = run.assets.index[run.assets.index.duplicated()]
        value = _some(pd.Series([*missing, *twice]))
        problems.append(Problem(what, value=value, where="assets.parquet"))
    return footprints, ids, stored, problems


def _foreign(
    run: Run, carrier: str, band: str, signals: Coverage, ids: pd.Index
) -> Iterator[Problem]:
    """Where a footprint is not of the run's assets, cells and band."""
    where = f"footprints/{carrier}-{band}.npz"
    if not signals.site_ids.equals(ids):
        yield Problem(
            Text("its assets are not those of the others", "他のファイルとアセットが違います"),
            where=where,
        )
    if not signals.cell_ids.equals(run.cells.index.astype("str")):
        yield Problem(
            Text("its cells are not those of the run", "計算のセルと違います"), where=where
        )
    if signals.band != run.bands.get((carrier, band)):
        yield Problem(
            Text("its band is not that of the manifest", "manifest.json の周波数帯と違います"),
            where=where,
        )


def _some(values: pd.Series) -> str:
    """The first few of a column, and how many they are in all."""
    named = ", ".join(map(str, values.iloc[:_MOST_NAMED]))
    return named if len(values) <= _MOST_NAMED else f"{named}, … ({len(values)})"
