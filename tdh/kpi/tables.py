"""All indicators of the whole area and of each municipality, before and after a plan.

Every indicator is counted as what is covered out of a total (people, meshes, places, hectares,
kilometres), so that the municipalities' counts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import schemas
from tdh.grid import Grid
from tdh.kpi.measures import (
    Service,
    cells_in,
    length_by_cell_km,
    meshes_of_cells,
    place_at,
    reaches,
)
from tdh.kpi.targets import applies, target_of
from tdh.language import Text

HIGH_BANDS = ("sub6", "mmw")
"""高周波数帯5G: what the programme's goals for places, areas and roads are about."""

UNITS = {
    "population": "people",
    "sub6": "meshes",
    "infrastructure": "meshes",
    "places": "places",
    "commercial_uncovered_ha": "ha",
    "roads": "km",
}
"""KPI to the unit of what is counted."""

KPIS: dict[str, Text] = {
    "population": Text("5G population coverage (500 m)", "5G人口カバー率(500mメッシュ)"),
    "sub6": Text("sub6 deployment (1 km)", "サブ6展開率(1kmメッシュ)"),
    "infrastructure": Text("5G infrastructure deployment (10 km)", "5G基盤展開率(10kmメッシュ)"),
    "places": Text("main facilities covered", "主要施設のカバー率"),
    "commercial_uncovered_ha": Text("commercial area not covered", "商業地域の未カバー面積"),
    "roads": Text("main roads covered", "主要道路のカバー率"),
}
"""KPI to its name for people."""

PLACE_KINDS: dict[str, Text] = {
    "town_hall": Text("town halls", "庁舎"),
    "disaster_hospital": Text("disaster hospitals", "災害拠点病院"),
    "temporary_stay": Text("temporary-stay buildings", "一時滞在施設"),
    "evacuation_area": Text("evacuation areas", "避難場所"),
    "station": Text("stations", "駅"),
    "other": Text("other places", "その他の施設"),
}
"""Kind of place to its name; the KPI of one kind is ``places_<kind>``."""

_LESS_IS_BETTER = "commercial_uncovered_ha"
_INPUTS = {
    "places": "[[places]]",
    "commercial_uncovered_ha": "[demand] commercial",
    "roads": "[demand] roads",
}
_NOTES = {
    "sub6": Text(
        "Of all 1 km meshes of the area: which of them are of high traffic is not known",
        "区域内の全1kmメッシュが分母です(高トラヒックエリアのメッシュは不明)",
    ),
    "infrastructure": Text(
        "Any sub6 or mmW station counts: which are parent stations of 10 Gbit/s is not known",
        "サブ6・ミリ波の局をすべて数えています(高度特定基地局かどうかは不明)",
    ),
}
_ABSENT = Text(
    "Not measured: the scenario gives no such data ({key})",
    "未計測: シナリオに該当データがありません({key})",
)


@dataclass(frozen=True)
class _Areas:
    """Which mesh and municipality each cell is in, as positions; −1: in no municipality."""

    half: np.ndarray
    kilometre: np.ndarray
    ten: np.ndarray
    kilometre_codes: np.ndarray
    ten_codes: np.ndarray
    municipality: np.ndarray
    municipality_codes: np.ndarray

    @classmethod
    def of(cls, cells: gpd.GeoDataFrame) -> _Areas:
        codes, half = np.unique(meshes_of_cells(cells, 9), return_inverse=True)
        kilometre_codes, of_half = np.unique(codes.astype("<U8"), return_inverse=True)
        ten_codes, of_kilometre = np.unique(kilometre_codes.astype("<U6"), return_inverse=True)
        place, municipalities = pd.factorize(cells["municipality_code"], sort=True)
        return cls(
            half,
            of_half[half],
            of_kilometre[of_half[half]],
            kilometre_codes,
            ten_codes,
            place,
            np.asarray(municipalities, dtype=str),
        )

    def municipality_of_mesh(self, mesh: np.ndarray, n_meshes: int) -> np.ndarray:
        """The municipality that holds most of each mesh's cells; of equals the first code's."""
        n = len(self.municipality_codes)
        if n == 0:
            return np.full(n_meshes, -1)
        known = self.municipality >= 0
        of = np.bincount(mesh[known] * n + self.municipality[known], minlength=n_meshes * n)
        table = of.reshape(n_meshes, n)
        return np.where(table.max(axis=1) > 0, table.argmax(axis=1), -1)


@dataclass(frozen=True)
class _Count:
    """Something to be covered: how much of it, where, and in which municipality."""

    kpi: str
    place_kind: str
    weight: np.ndarray
    municipality: np.ndarray
    covered: np.ndarray

    def rows(self, codes: np.ndarray, by_municipality: bool) -> Iterator[dict[str, object]]:
        good = self.weight * self.covered
        yield self._row(None, good.sum(), self.weight.sum())
        if by_municipality:
            inside = self.municipality >= 0
            at = self.municipality[inside]
            goods = np.bincount(at, good[inside], minlength=len(codes))
            totals = np.bincount(at, self.weight[inside], minlength=len(codes))
            for code, g, t in zip(codes, goods, totals, strict=True):
                yield self._row(str(code), g, t)

    def _row(self, code: str | None, covered: float, total: float) -> dict[str, object]:
        return {
            "kpi": self.kpi,
            "place_kind": self.place_kind,
            "municipality_code": code,
            "covered": float(covered),
            "total": float(total),
        }


def counts(
    cells: gpd.GeoDataFrame,
    grid: Grid,
    states: Mapping[str, Service],
    *,
    at_least: Sequence[int] = (1, 2),
    rule: Literal[">=", ">"] = ">=",
    places: gpd.GeoDataFrame | None = None,
    commercial: gpd.GeoSeries | None = None,
    roads: gpd.GeoSeries | None = None,
    counted_1km: Sequence[str] | None = None,
    classes: Sequence[str] = HIGH_BANDS,
    by_municipality: bool = True,
) -> pd.DataFrame:
    """What is covered, and out of how much, for every indicator; parameters as :func:`table`.

    Returns
    -------
    DataFrame
        ``kpi``, ``place_kind`` (empty: all kinds), ``municipality_code`` (None: the
        whole area), ``carrier_id``, ``state``, ``covered``, ``total``. A mesh counts to the
        municipality that holds most of its cells, 500 m meshes by the people of each.
    """
    areas = _Areas.of(cells)
    people = cells["population"].to_numpy(float)
    kilometre_at = areas.municipality_of_mesh(areas.kilometre, len(areas.kilometre_codes))
    counted = np.ones(len(areas.kilometre_codes))
    if counted_1km is not None:
        counted = np.isin(areas.kilometre_codes, list(counted_1km)).astype(float)
    fixed: list[tuple[str, str, np.ndarray, np.ndarray]] = []  # kpi, kind, weight, cell
    if places is not None:
        at = place_at(places, cells, grid)
        fixed.append(("places", "", np.ones((at >= 0).sum()), at[at >= 0]))
        if "kind" in places:
            known = places["kind"].isin(list(PLACE_KINDS))
            kinds = places["kind"].where(known, "other").astype(str).to_numpy()
            for kind in sorted(set(kinds)):
                own = at[(kinds == kind) & (at >= 0)]
                fixed.append((f"places_{kind}", kind, np.ones(own.size), own))
    if commercial is not None:
        own = np.flatnonzero(cells_in(commercial, cells, grid))
        size = np.full(own.size, grid.cell_size_m**2 / 10_000)
        fixed.append(("commercial_uncovered_ha", "", size, own))
    if roads is not None:
        length = length_by_cell_km(roads, cells, grid)
        own = np.flatnonzero(length)
        fixed.append(("roads", "", length[own], own))
    rows: list[dict[str, object]] = []
    for state, service in states.items():
        for name, carrier, least in _who(service, at_least):
            everywhere = service.of(carrier) if carrier else service.count() >= least
            high = service.of(carrier, classes) if carrier else service.count(classes) >= least
            found = [
                _Count(
                    "population",
                    "",
                    people,
                    areas.municipality,
                    reaches(_shares(areas.half, everywhere), 0.5, rule)[areas.half],
                )
            ]
            if carrier is not None or name == "any":
                sub6 = service.of(carrier, ["sub6"]) if carrier else service.count(["sub6"]) >= 1
                served = reaches(_shares(areas.kilometre, sub6), 0.75)
                served |= np.isin(
                    areas.kilometre_codes, service.meshes_with_station(carrier, "sub6")
                )
                found.append(_Count("sub6", "", counted, kilometre_at, served))
                wide_band = [service.meshes_with_station(carrier, k, 6) for k in ("sub6", "mmw")]
                ten = np.isin(areas.ten_codes, np.concatenate(wide_band))
                nowhere = np.full(ten.size, -1)  # 10 km is too coarse for a municipality
                found.append(_Count("infrastructure", "", np.ones(ten.size), nowhere, ten))
            found += [
                _Count(kpi, kind, weight, areas.municipality[at], high[at])
                for kpi, kind, weight, at in fixed
            ]
            for count in found:
                local = by_municipality and count.kpi != "infrastructure"
                for row in count.rows(areas.municipality_codes, local):
                    rows.append({**row, "carrier_id": name, "state": state})
    return pd.DataFrame(rows)


def _who(service: Service, at_least: Sequence[int]) -> Iterator[tuple[str, str | None, int]]:
    """Name, carrier (None: several together) and how many must serve."""
    for carrier in service.carriers():
        yield carrier, carrier, 1
    for k in at_least:
        yield ("any" if k == 1 else f"at_least_{k}"), None, k


def _shares(mesh: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Covered share of every mesh's cells: float64, (n_meshes,)."""
    shares: np.ndarray = np.bincount(mesh, covered) / np.bincount(mesh)
    return shares


def table(
    cells: gpd.GeoDataFrame,
    grid: Grid,
    states: Mapping[str, Service],
    *,
    at_least: Sequence[int] = (1, 2),
    rule: Literal[">=", ">"] = ">=",
    places: gpd.GeoDataFrame | None = None,
    commercial: gpd.GeoSeries | None = None,
    roads: gpd.GeoSeries | None = None,
    counted_1km: Sequence[str] | None = None,
    classes: Sequence[str] = HIGH_BANDS,
    year: int = 2026,
    by_municipality: bool = True,
    targets: Mapping[str, Mapping[int, float]] | None = None,
) -> pd.DataFrame:
    """All KPIs as one long table, a row for each state.

    Parameters
    ----------
    cells : GeoDataFrame
        Table ``cells``.
    grid : Grid
    states : mapping of name to Service
        Such as ``before`` and ``after`` the plan.
    at_least : sequence of int
        Numbers of carriers: 1 is coverage by any, 2 the goal for 2030.
    rule : {">=", ">"}
        Of 5G人口カバー率.
    places, commercial, roads : optional
        What つながる東京 counts; KPIs without data are left out. ``kind`` of places, where there
        is such a column, gives a row for each kind.
    counted_1km : sequence of str, optional
        Denominator of サブ6展開率.
    classes : sequence of str
        Classes of bands that count for places, areas and roads.
    year : int
        Fiscal year of the targets.
    by_municipality : bool
        Whether rows of municipalities follow those of the whole area.
    targets : mapping of KPI to mapping of year to target, optional
        Instead of the programme's (:func:`tdh.kpi.target_of`).

    Returns
    -------
    DataFrame
        Table ``kpi_values``.
    """
    found = counts(
        cells,
        grid,
        states,
        at_least=at_least,
        rule=rule,
        places=places,
        commercial=commercial,
        roads=roads,
        counted_1km=counted_1km,
        classes=classes,
        by_municipality=by_municipality,
    )
    return long(found, year=year, targets=targets)


def long(
    found: pd.DataFrame, *, year: int = 2026, targets: Mapping[str, Mapping[int, float]] | None
) -> pd.DataFrame:
    """Counts as the table ``kpi_values``: a row for each state."""
    rows = found.copy()
    rows["value"] = _values(rows, "covered")
    rows["unit"] = np.where(rows["kpi"] == _LESS_IS_BETTER, "ha", "")
    _add_targets(rows, "carrier_id", year, targets)
    rows["missing"] = _missing(rows, "value")
    return schemas.conform(rows, "kpi_values")


def wide(
    found: pd.DataFrame,
    *,
    year: int = 2026,
    targets: Mapping[str, Mapping[int, float]] | None = None,
    before: str = "before",
    after: str = "after",
    notes: Mapping[str, Text] | None = None,
) -> pd.DataFrame:
    """Counts as the table ``kpis``: before and after in one row, with target, gap and notes.

    KPIs without data stand there too, with no figure and a note that says which input is absent.
    ``notes`` are added to those of their KPIs.
    """
    keys = ["kpi", "place_kind", "municipality_code", "carrier_id"]
    named = found.assign(municipality_code=found["municipality_code"].fillna(""))
    first = named[named["state"] == before].drop(columns="state").set_index(keys)
    last = named[named["state"] == after].drop(columns="state").set_index(keys)
    rows = first.rename(columns={"covered": "covered_before"}).join(
        last["covered"].rename("covered_after")
    )
    rows = rows.reset_index()
    absent = [kpi for kpi in KPIS if kpi not in set(rows["kpi"])]
    rows = pd.concat(
        [rows, pd.DataFrame([{"kpi": k, "carrier_id": "any"} for k in absent])], ignore_index=True
    )
    rows[["place_kind", "municipality_code"]] = rows[["place_kind", "municipality_code"]].fillna("")
    rows["before"] = _values(rows, "covered_before")
    rows["after"] = _values(rows, "covered_after")
    rows["unit"] = np.where(rows["kpi"] == _LESS_IS_BETTER, "ha", "")
    rows["total_unit"] = _of_all_kinds(rows["kpi"]).map(UNITS)
    rows["level"] = np.where(rows["municipality_code"] == "", "metropolis", "municipality")
    _add_targets(rows, "carrier_id", year, targets)
    rows["missing_before"] = _missing(rows, "before")
    rows["missing"] = _missing(rows, "after")
    added = notes or {}
    told = [(_note(kpi, kpi in absent), added.get(kpi)) for kpi in rows["kpi"]]
    rows["note_ja"] = ["。".join(note.render("ja") for note in pair if note) for pair in told]
    rows["note_en"] = [". ".join(note.render("en") for note in pair if note) for pair in told]
    rows["carrier"] = rows["carrier_id"].where(rows["carrier_id"] != "any", "")
    order = {kpi: i for i, kpi in enumerate(KPIS)}
    rows["_order"] = _of_all_kinds(rows["kpi"]).map(order)
    rows = rows.sort_values(
        ["level", "municipality_code", "_order", "place_kind"], kind="stable", ignore_index=True
    )
    rows["municipality_code"] = rows["municipality_code"].replace("", None)
    return schemas.conform(rows.drop(columns=["carrier_id", "_order"]), "kpis")


def label(kpi: str) -> Text:
    """A KPI's name for people, also that of one kind of places."""
    kind = PLACE_KINDS.get(kpi.removeprefix("places_"))
    if kpi not in KPIS and kind is not None:
        return Text(f"{KPIS['places'].en}: {kind.en}", f"{KPIS['places'].ja}: {kind.ja}")
    return KPIS[kpi]


def _of_all_kinds(kpis: pd.Series) -> pd.Series:
    """``places`` for the KPIs of its kinds."""
    return kpis.where(~kpis.str.startswith("places_"), "places")


def _note(kpi: str, absent: bool) -> Text | None:
    if absent:
        return Text(_ABSENT.en, _ABSENT.ja, key=_INPUTS.get(kpi, kpi))
    return _NOTES.get(kpi)


def _values(rows: pd.DataFrame, covered: str) -> pd.Series:
    """A share of the total, or the hectares that are left; NaN where there is nothing to count."""
    share = (rows[covered] / rows["total"]).where(rows["total"] > 0)
    return share.where(rows["kpi"] != _LESS_IS_BETTER, rows["total"] - rows[covered])


def _add_targets(
    rows: pd.DataFrame,
    carrier: str,
    year: int,
    own: Mapping[str, Mapping[int, float]] | None,
) -> None:
    """Adds ``target`` and ``target_year``. Shares hold for municipalities too, hectares do not."""
    code = rows["municipality_code"].fillna("")
    found = [
        target_of(kpi, year, own)
        if applies(kpi, who) and not (where and kpi == _LESS_IS_BETTER)
        else None
        for kpi, who, where in zip(rows["kpi"], rows[carrier], code, strict=True)
    ]
    rows["target"] = [np.nan if t is None else t[0] for t in found]
    rows["target_year"] = [np.nan if t is None else float(t[1]) for t in found]


def _missing(rows: pd.DataFrame, value: str) -> pd.Series:
    """What is missing to the target, never negative, in the KPI's unit."""
    less = rows["kpi"] == _LESS_IS_BETTER
    missing = (rows["target"] - rows[value]).where(~less, rows[value] - rows["target"])
    return missing.clip(lower=0.0)
