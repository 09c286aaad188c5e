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
from tdh.siting.wording import Positions


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
        return f"{name}[{(self.site if name == 'sharing_capacity' else self.carrier)(at)}]"

    def floor(self, floor: int, carrier: int | None) -> str:
        return f"floors[{floor}]" + ("" if carrier is None else f", {self.carrier(carrier)}")


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
            for part in [item] if isinstance(item, Coverage) or sparse.issparse(item) else item:
                if not isinstance(part, Coverage):
                    if part.shape != shape:
                        where = f"footprints[{carrier}]"
                        self.checks.add(
                            "it has the wrong shape", "形が違います", where, part.shape, shape
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
        return found

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
        for carrier, asset in given:
            if carrier not in self.given:
                self.unknown(where, carrier, self.carriers)
            elif asset not in self.assets.index:
                self.unknown(where, asset, self.assets.index)
            else:
                out.append((list(self.given).index(carrier), self.assets.index.get_loc(asset)))
        return np.array(out, dtype=np.int64) if out else None

    def floors(self, given: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        out = []
        for k, (cells, need, *of) in enumerate(given):
            mask = cells
            if isinstance(cells, pd.Series):
                mask = cells.reindex(self.people.index, fill_value=False).to_numpy(dtype=bool)
            position = None
            if of and of[0] is not None:
                if of[0] not in self.given:
                    self.unknown(f"floors[{k}]", of[0], self.carriers)
                    continue
                position = list(self.given).index(of[0])
            out.append((mask, need, position))
        return out

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
