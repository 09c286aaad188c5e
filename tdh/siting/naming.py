"""Ids of assets, carriers and cells as positions, and back; all that is unknown is told at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh.coverage import Coverage
from tdh.language import Text
from tdh.siting.inputs import Checks
from tdh.siting.model import canonical
from tdh.siting.wording import YEARLY_SITES, Positions


class Ids(Positions):
    """The names of assets and carriers in place of their positions.

    Parameters
    ----------
    assets, carriers : sequence
        Ids by position.
    """

    def __init__(self, assets: Sequence[object], carriers: Sequence[str]) -> None:
        self.assets, self.carriers = assets, carriers

    def carrier(self, carrier: int) -> str:
        return self.carriers[carrier]

    def site(self, site: int) -> str:
        return str(self.assets[site])

    def choices(self, carrier: int, *sites: int) -> str:
        return "fixed"

    def limit(self, name: str, at: int | None = None) -> str:
        if at is None or name == "at_most":
            return super().limit(name, at)
        if name == YEARLY_SITES:
            return f"max_sites[:, {self.carrier(at)}]"
        return f"{name}[{(self.site if name == 'sharing_capacity' else self.carrier)(at)}]"

    def floor(self, floor: int, carrier: int | None) -> str:
        return f"floors[{floor}]" + ("" if carrier is None else f", {self.carrier(carrier)}")


def optional(given: Iterable[Any] | None) -> Iterable[Any]:
    """What is given, or nothing."""
    return () if given is None else given


class Reading:
    """Assets, carriers and cells by their ids.

    Parameters
    ----------
    assets, footprints, demand
        As for :func:`tdh.siting.plan_sites`.
    """

    def __init__(
        self, assets: gpd.GeoDataFrame, footprints: Mapping[str, Any], demand: pd.DataFrame
    ) -> None:
        self.checks = Checks()
        self.checks.kind("assets", assets, gpd.GeoDataFrame, "GeoDataFrame")
        self.checks.kind("footprints", footprints, Mapping, "{carrier: footprint}")
        self.checks.kind("demand", demand, pd.DataFrame, "DataFrame")
        self.checks.done()
        self.assets, self.given, self.people = assets, footprints, demand
        self.carriers = [str(c) for c in footprints]
        for name, index in (("assets", assets.index), ("demand", demand.index)):
            if not index.is_unique:
                twice = index[index.duplicated()][:3].tolist()
                self.checks.add("an id occurs twice", "IDが重複しています", name, twice)
        for carrier in [c for c in footprints if c not in demand.columns]:
            self.unknown("demand", carrier, demand.columns)
        self.checks.done()

    def unknown(self, where: str, value: Any, known: Iterable[Any]) -> None:
        near = difflib.get_close_matches(str(value), [str(k) for k in known], n=3)
        self.checks.add("it is unknown", "未知の名前です", where, value, ", ".join(near) or None)

    def names(self) -> Ids:
        """How to tell of limits in ids."""
        return Ids(self.assets.index.to_numpy(dtype=object), self.carriers)

    def demand(self) -> np.ndarray:
        columns = [self.numbers(self.people[c], f"demand[{c}]") for c in self.given]
        return np.array(columns).reshape(len(self.given), len(self.people))

    def numbers(self, values: pd.Series, where: str) -> np.ndarray:
        """A column as float64; zeros where it holds text, which is noted."""
        array = self.checks.array(values, where, np.float64)
        return np.zeros(len(values)) if array is None else array

    def matrices(self) -> list[sparse.csr_array]:
        shape = (len(self.assets), len(self.people))
        out = []
        for carrier, item in self.given.items():
            whole = sparse.csr_array(shape, dtype=bool)
            where = f"footprints[{carrier}]"
            alone = isinstance(item, Coverage | np.ndarray) or sparse.issparse(item)
            if not alone and not self.checks.kind(where, item, Iterable, "Coverage, csr_array"):
                continue
            for part in [item] if alone else item:
                if not isinstance(part, Coverage):
                    if np.shape(part) != shape:
                        self.checks.add(
                            "it has the wrong shape", "形が違います", where, np.shape(part), shape
                        )
                        continue
                    served = canonical(part).astype(bool)
                else:
                    served = self.aligned(part, str(carrier))
                whole = sparse.csr_array((whole + served).astype(bool))
            out.append(whole)
        return out

    def aligned(self, part: Coverage, carrier: str) -> sparse.csr_array:
        """A band's footprint with the rows of the assets and the columns of the demand."""
        served = part.footprint().tocoo()
        row = self.assets.index.get_indexer(part.site_ids)
        column = self.people.index.get_indexer(part.cell_ids)
        where = f"footprints[{carrier}]"
        if (row < 0).all() or (column < 0).all():
            self.checks.add(
                "no id of its sites, or of its cells, is known",
                "候補地またはセルのIDが一つも一致しません",
                where,
                [*part.site_ids[:2].tolist(), *part.cell_ids[:2].tolist()],
            )
        row, column = row[served.coords[0]], column[served.coords[1]]
        keep = (row >= 0) & (column >= 0)
        shape = (len(self.assets), len(self.people))
        ones = np.ones(int(keep.sum()), dtype=bool)
        return sparse.csr_array(sparse.coo_array((ones, (row[keep], column[keep])), shape=shape))

    def rules(
        self,
        *,
        sharing_capacity: Any = 1,
        spacing_m: float = 0.0,
        floors: Sequence[tuple[Any, ...]] | None = None,
        fixed: Iterable[tuple[str, Any]] = (),
        forbidden: Iterable[tuple[str, Any]] = (),
        **others: Any,
    ) -> dict[str, Any]:
        """The rules of :func:`tdh.siting.plan_sites` by position."""
        spacing_m = self.checks.number(spacing_m, "spacing_m")
        found = {
            "sharing_capacity": self.by_asset(sharing_capacity, "sharing_capacity"),
            "xy_m": self.points(spacing_m),
            "spacing_m": spacing_m,
            "floors": self.floors(floors or ()),
            "fixed": self.pairs(fixed, "fixed"),
            "forbidden": self.pairs(forbidden, "forbidden"),
        }
        for name, value in others.items():
            if name in ("max_sites", "budget", "max_total"):
                found[name] = self.by_carrier(value, name)
            elif name == "in_place":
                found[name] = self.pairs(value, name)
            elif name.startswith("cost"):
                found[name] = None if value is None else self.by_asset(value, name)
            else:
                found[name] = value
        for name in ("cost", "cost_first"):
            self.payable(found.get(name), found["fixed"], found.get("in_place"), name)
        return found

    def payable(
        self, cost: Any, fixed: np.ndarray | None, in_place: np.ndarray | None, where: str
    ) -> None:
        """Refuse fixed choices that cannot be had for money, by their ids."""
        if cost is None or fixed is None:
            return
        shape = (len(self.given), len(self.assets))
        try:
            lost = np.broadcast_to(np.isinf(np.asarray(cost, dtype=np.float64)), shape)
        except (TypeError, ValueError):
            return  # the solver's own checks say what a cost is
        stands = set() if in_place is None else set(map(tuple, in_place.tolist()))
        pairs = [(c, i) for c, i in fixed.tolist() if lost[c, i] and (c, i) not in stands]
        if pairs:
            self.checks.add(
                "a fixed choice has an infinite cost, which means that it cannot be had",
                "固定した選択の費用が無限大(利用できないことを表す)になっています",
                where,
                ", ".join(f"{self.assets.index[i]} ({self.carriers[c]})" for c, i in pairs[:3]),
                fix=Text(
                    "give it a cost, or take it out of the fixed choices",
                    "費用を指定するか、固定した選択から外してください",
                ),
            )

    def points(self, spacing_m: float) -> np.ndarray | None:
        if not spacing_m > 0:
            return None
        crs = self.assets.crs
        # A foot is 0.3048 m; a CRS in feet is projected too.
        if crs is None or not crs.is_projected or crs.axis_info[0].unit_conversion_factor != 1.0:
            self.checks.add(
                "spacing needs a projected CRS in metres",
                "離隔にはメートル単位の投影座標系が必要です",
                "assets.crs",
                None if crs is None else f"{crs.name} ({crs.axis_info[0].unit_name})",
                fix=Text(
                    "bring the assets into such a CRS, such as assets.to_crs(6677)",
                    "assets.to_crs(6677) などで、そのような座標系に変換してください",
                ),
            )
        points = self.assets.geometry.representative_point()
        return np.column_stack([points.x, points.y])

    def by_carrier(self, value: Any, where: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        for name in value:
            if name not in self.given:
                self.unknown(where, name, self.carriers)
        return [value.get(c) for c in self.given]

    def by_asset(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            if value not in self.assets.columns:
                self.unknown(where, value, self.assets.columns)
                return 1
            value = self.assets[value]
        if not isinstance(value, pd.Series | pd.DataFrame):
            return value
        missing = self.assets.index.difference(value.index)
        if len(missing):
            self.checks.add(
                "assets have no value", "値のない資産があります", where, missing[:3].tolist()
            )
            return 1
        if isinstance(value, pd.DataFrame):
            for name in [c for c in self.given if c not in value.columns]:
                self.unknown(where, name, value.columns)
                return 1
            of = value.loc[self.assets.index]
            return np.array([self.numbers(of[c], f"{where}[{c}]") for c in self.given])
        return self.numbers(value.loc[self.assets.index], where)

    def pairs(self, given: Iterable[tuple[str, Any]], where: str) -> np.ndarray | None:
        out = []
        for pair in given.tolist() if isinstance(given, np.ndarray) else optional(given):
            if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
                self.checks.add(
                    "a choice is a carrier and an asset",
                    "選択は事業者とアセットの組です",
                    where,
                    pair,
                    "(carrier, asset id)",
                )
                continue
            carrier, asset = pair
            if carrier not in self.given:
                self.unknown(where, carrier, self.carriers)
            elif asset not in self.assets.index:
                self.unknown(where, asset, self.assets.index)
            else:
                out.append((list(self.given).index(carrier), self.assets.index.get_loc(asset)))
        return np.array(out, dtype=np.int64) if out else None

    def floors(self, given: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        out = []
        for k, floor in enumerate(given):
            where = f"floors[{k}]"
            if not isinstance(floor, Sequence) or len(floor) not in (2, 3):
                out.append(floor)  # the solver's own checks say what a floor is
                continue
            cells, need, carrier = (*floor, None)[:3]
            mask = self.within(cells, where) if isinstance(cells, pd.Series) else cells
            position = None
            if carrier is not None:
                if carrier not in self.given:
                    self.unknown(where, carrier, self.carriers)
                    continue
                position = list(self.given).index(carrier)
            out.append((mask, need, position))
        return out

    def within(self, cells: pd.Series, where: str) -> np.ndarray:
        """A mask of the demand's cells from one by id; a cell that is not named is not within."""
        known = cells.index.isin(self.people.index)
        if cells.dtype != bool or not cells.index.is_unique or not known.any():
            self.checks.add(
                "a truth value by cell is expected",
                "セルIDごとの真偽値が必要です",
                where,
                f"{cells.dtype}: {cells.index[:2].tolist()}",
                f"bool: {self.people.index[:2].tolist()}",
            )
            return np.zeros(len(self.people), dtype=bool)
        mask: np.ndarray = cells.reindex(self.people.index, fill_value=False).to_numpy(dtype=bool)
        return mask

    def frame(self, table: pd.DataFrame, cost: Any = None) -> gpd.GeoDataFrame:
        """A table of positions (``carrier``, ``site``) with ids, what a choice costs and geometries."""
        site, carrier = (table[name].to_numpy(dtype=np.int64) for name in ("site", "carrier"))
        costs = np.asarray(1.0 if cost is None else cost, dtype=np.float64)
        costs = np.broadcast_to(costs, (len(self.given), len(self.assets)))
        out = table.assign(
            asset_id=self.assets.index.to_numpy()[site],
            carrier_id=np.array(self.carriers, dtype=object)[carrier],
            cost=costs[carrier, site],
        )
        shapes = self.assets.geometry.to_numpy()[site]
        return gpd.GeoDataFrame(out, geometry=shapes, crs=self.assets.crs)
