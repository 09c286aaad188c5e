"""What a carrier is told of the assets offered to it: their facts, and its own gain by them.

The plan is optimised for all carriers at once, so everything in its table is coloured by the
others: the choice, its order, the gains along that order, the wording of a reason. None of that is
copied, and unless the round's rules say so, not even the choice is. The facts are the register's;
the gains are counted here again from nothing but the list of assets offered to this carrier, its
own footprints and its own gap.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from tdh import schemas
from tdh.errors import ExchangeError, Problem
from tdh.language import Text
from tdh.radio import exposure

if TYPE_CHECKING:
    from tdh.radio.bands import Band
    from tdh.results import Run

FACTS = [
    *("name", "kind", "owner", "bureau", "address", "municipality_code", "municipality"),
    *("latitude", "longitude", "height_agl_m", "height_source", "placement", "mounting_height_m"),
    *("published_id", "ground_m", "floors", "area_m2", "year_built", "structure", "power"),
    *("backup_hours", "fibre", "flood_depth_m", "access", "restrictions"),
    *("source", "source_row", "synthetic"),
]
"""Columns of the register that go into a package; any other column stays at home."""


Basis = Literal["own", "joint"]
_GAINS = ["order", "people_alone", "people_gained", "people_lost_without"]


def offered_assets(run: Run, carrier_id: str, basis: Basis = "own") -> gpd.GeoDataFrame:
    """The assets that are offered to a carrier, with its own gains and nobody else's.

    Parameters
    ----------
    run : Run
        A finished run.
    carrier_id : str
        One of its carriers.
    basis : {"own", "joint"}
        Which assets are offered: those that would gain the carrier most if it were alone
        (:func:`own_choice`), or those that the plan for all carriers together gives it.

    Returns
    -------
    GeoDataFrame
        Table ``offers`` of columns.csv, in the order of the carrier's own gain, in the plan's CRS.

    Raises
    ------
    ExchangeError
        If the run has no such carrier.

    Notes
    -----
    With ``own`` nothing depends on the other carriers: several may be offered the same place, and
    the round's rule resolves it. With ``joint`` one thing does: *that* an asset is offered (and
    in which fiscal year, of a plan by years), since an asset whose places went to others is not.
    """
    known = [carrier.id for carrier in run.carriers]
    if carrier_id not in known:
        raise ExchangeError(
            Problem(
                Text("the run has no such carrier", "この計算に該当する事業者がありません"),
                value=carrier_id,
                expected=", ".join(known),
            )
        )
    bands = {band: run.bands[carrier_id, band] for band in _bands_of(run, carrier_id)}
    if basis == "own":
        ids = pd.Series(own_choice(run, carrier_id), dtype="str")
    else:
        ids = run.plan.loc[run.plan["carrier_id"] == carrier_id, "asset_id"].astype(str)
    assets = run.assets.loc[sorted(set(ids))].reindex(columns=[*FACTS, run.assets.geometry.name])
    assets["ground_source"] = pd.Series("register", index=assets.index, dtype="str").where(
        assets["ground_m"].notna()
    )
    served = _served(run, carrier_id, list(assets.index), bands)
    unmet = own_gap(run, carrier_id)
    table = pd.DataFrame(_own_gains(list(assets.index), served, unmet), columns=_GAINS)
    table["bands"] = [", ".join(_bands_there(bands, p)) for p in assets["placement"]]
    table["exposure_distance_m"] = [
        _exposure_distance_m(bands, placement) for placement in assets["placement"]
    ]
    for column in ("municipality_code", "municipality"):
        assets[column] = assets[column].astype("str")
    table.index = assets.index
    offers = assets.join(table).sort_values("order")
    if basis == "joint" and "fiscal_year" in run.plan:
        mine = run.plan[run.plan["carrier_id"] == carrier_id].set_index("asset_id")
        offers["fiscal_year"] = mine["fiscal_year"].reindex(offers.index)
    words = [_reason(row) for row in offers.itertuples()]
    offers["reason_ja"] = [text.render("ja") for text in words]
    offers["reason_en"] = [text.render("en") for text in words]
    return schemas.conform(offers, "offers")


def own_choice(run: Run, carrier_id: str) -> list[str]:
    """What a carrier would be offered if it were alone: greedy, from its own data only.

    Assets that the planner says must be offered to it come first, those that must not are left
    out. Then each next asset adds most people of the carrier's own gap, up to its budget, at the
    scenario's spacing, until nothing is gained. The greedy choice reaches at least 1 − 1/e (63 %)
    of the most that so many assets can serve (without spacing).

    Returns
    -------
    list of str
        Asset ids, best first.
    """
    bands = {band: run.bands[carrier_id, band] for band in _bands_of(run, carrier_id)}
    budget = next(carrier.max_sites for carrier in run.carriers if carrier.id == carrier_id)
    assets = run.assets[run.assets["placement"] != "none"].sort_index()
    cells = _rows(_served(run, carrier_id, list(assets.index), bands))
    xy = np.column_stack([assets.geometry.x, assets.geometry.y])
    spacing = run.scenario.siting.spacing_m
    decided = {c.asset: c.offer for c in run.scenario.siting.choices if c.carrier == carrier_id}
    chosen = [i for i, asset in enumerate(assets.index) if decided.get(str(asset), False)]
    unmet = own_gap(run, carrier_id)
    for i in chosen:
        unmet[cells[i]] = 0.0

    def fits(i: int) -> bool:
        if str(assets.index[i]) in decided:
            return False
        if spacing <= 0 or not chosen:
            return True
        return bool(np.hypot(*(xy[chosen] - xy[i]).T).min() >= spacing)

    for i, gain in _greedy(cells, unmet, fits):
        if gain <= 0 or len(chosen) >= budget:
            break
        chosen.append(i)
    return [str(assets.index[i]) for i in chosen]


def _bands_of(run: Run, carrier_id: str) -> list[str]:
    return next(carrier.bands for carrier in run.carriers if carrier.id == carrier_id)


def _bands_there(bands: dict[str, Band], placement: str) -> list[str]:
    """Bands that can be used at a placement."""
    return [name for name, band in bands.items() if band.eirp_dbm(placement) is not None]


def _served(
    run: Run, carrier_id: str, asset_ids: list[str], bands: dict[str, Band]
) -> sparse.csr_array:
    """Which cells each asset would serve, in any of the carrier's bands."""
    cell_ids = run.cells.index
    total: sparse.csr_array | None = None
    for name, band in bands.items():
        coverage = run.footprint(carrier_id, name)
        rows = coverage.site_ids.get_indexer(pd.Index(asset_ids))
        present = rows >= 0
        part = dataclasses.replace(
            coverage,
            site_ids=coverage.site_ids[rows[present]],
            signal=coverage.signal[rows[present]],
            line_of_sight=None,
        ).footprint(band.covered_dbm)
        # An asset that is no candidate in this band (a rooftop band on a pole) serves nothing.
        spread = sparse.csr_array(
            (np.ones(int(present.sum())), (np.flatnonzero(present), np.arange(present.sum()))),
            shape=(len(asset_ids), int(present.sum())),
        )
        columns = cell_ids.get_indexer(coverage.cell_ids)
        own = sparse.csr_array(
            (np.ones(part.nnz), columns[part.indices], part.indptr),
            shape=(part.shape[0], len(cell_ids)),
        )
        own = spread @ own
        total = own if total is None else total + own
    if total is None:
        return sparse.csr_array((len(asset_ids), len(cell_ids)), dtype=bool)
    return sparse.csr_array(total > 0)


def own_gap(run: Run, carrier_id: str) -> np.ndarray:
    """The carrier's own unmet people, by cell."""
    own = run.gaps[run.gaps["carrier_id"] == carrier_id]
    unmet = np.zeros(len(run.cells))
    position = run.cells.index.get_indexer(pd.Index(own["cell_id"].astype(str)))
    unmet[position[position >= 0]] = own["unmet_people"].to_numpy()[position >= 0]
    return unmet


def _own_gains(
    asset_ids: list[str], served: sparse.csr_array, unmet: np.ndarray
) -> list[dict[str, float]]:
    """Gains of each asset alone, in the carrier's own best order, and what is lost without it.

    The order is greedy: each next asset adds most to those before it; ties go by identifier.
    """
    cells = _rows(served)
    times = np.zeros(len(unmet), dtype=np.int32)
    for own in cells:
        times[own] += 1
    alone = [float(unmet[own].sum()) for own in cells]
    rows: list[dict[str, float]] = [
        {
            "people_alone": alone[i],
            "people_lost_without": float(unmet[own[times[own] == 1]].sum()),
        }
        for i, own in enumerate(cells)
    ]
    for order, (best, gain) in enumerate(_greedy(cells, unmet), start=1):
        rows[best].update(order=order, people_gained=gain)
    return rows


def _rows(served: sparse.csr_array) -> list[np.ndarray]:
    """The cells that each asset serves."""
    starts = served.indptr
    return [served.indices[starts[i] : starts[i + 1]] for i in range(served.shape[0])]


def _greedy(
    cells: list[np.ndarray], unmet: np.ndarray, fits: Callable[[int], bool] = lambda _: True
) -> Iterator[tuple[int, float]]:
    """Positions in the order of what each adds to those before it, and what it adds.

    Of equal gains the first position's comes first. One that does not fit when its turn comes is
    passed over, and takes no people from those that follow.
    """
    left = unmet.copy()
    # Gains only shrink, so an old gain bounds the new one: look again only at the foremost.
    queue = [(-float(unmet[own].sum()), i) for i, own in enumerate(cells)]
    heapq.heapify(queue)
    while queue:
        _, best = heapq.heappop(queue)
        entry = (-float(left[cells[best]].sum()), best)
        if queue and entry > queue[0]:
            heapq.heappush(queue, entry)
            continue
        if not fits(best):
            continue
        yield best, -entry[0]
        left[cells[best]] = 0.0


def _exposure_distance_m(bands: dict[str, Band], placement: str) -> float:
    """Distance from which all of the carrier's bands together keep to the exposure limit."""
    pairs = [
        (level, band.frequency_mhz)
        for band in bands.values()
        if (level := band.eirp_dbm(placement)) is not None
    ]
    if not pairs:
        return float("nan")
    eirp_dbm, frequency_mhz = zip(*pairs, strict=True)
    return round(exposure.combined_distance_m(eirp_dbm, frequency_mhz), 1)


def _reason(row: object) -> Text:
    return Text(
        "alone it would serve {alone:,.0f} people of your gap; after the {before} assets that "
        "gain you more it adds {gained:,.0f}",
        "単独で貴社の未充足人口 {alone:,.0f} 人をカバー。増分の大きい {before} 件の後では "
        "{gained:,.0f} 人を追加",
        alone=row.people_alone,  # type: ignore[attr-defined]
        before=row.order - 1,  # type: ignore[attr-defined]
        gained=row.people_gained,  # type: ignore[attr-defined]
    )
