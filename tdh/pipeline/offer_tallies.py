"""Antennas of a finished run counted again: tables ``candidates``, ``antennas``, ``profiles``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tdh import gaps
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline.tallies import Ground, Tally, compared, noted
from tdh.radio.bands import Band

_KEYS = ["asset_id", "carrier_id"]
_REFLECTION = 2.56  # K of the notice on exposure, as docs/exposure tells
_PERSON_M = 2.0
_MACRO_FROM_M = 16.0


def candidates(ground: Ground) -> Tally:
    """Table ``candidates`` from the assets, the scenario and the bands.

    Which turn and tilt are best needs the radio model, and whether a neighbouring building comes
    within the distance of exposure needs the surface: both stand as they are told.
    """
    run, settings = ground.run, ground.run.scenario.coverage
    assets = run.assets
    height = assets["mounting_height_m"]
    usable = assets["in_area"].astype(bool) & (assets["placement"] != "none") & (height > 0)
    sites = pd.DataFrame(
        {
            "antenna_height_agl_m": height[usable].astype(float),
            "placement": assets.loc[usable, "placement"].astype("str"),
        }
    ).rename_axis("asset_id")
    pole = sites["placement"] == "pole"
    low = pole | (sites["antenna_height_agl_m"] < _MACRO_FROM_M)
    sites["environment"] = np.where(low, "UMi", "UMa")
    sites["radius_m"] = np.where(pole, settings.radius_pole_m, settings.radius_roof_m)
    said = run.candidates.set_index(_KEYS)
    parts = []
    for carrier in run.carriers:
        own = [run.bands[carrier.id, b] for b in carrier.bands]
        squares = sum(np.where(pole, _square_m2(b, "pole"), _square_m2(b, "roof")) for b in own)
        part = sites.assign(carrier_id=carrier.id, exposure_distance_m=np.sqrt(squares))
        told = said.reindex(pd.MultiIndex.from_product([sites.index, [carrier.id]]))
        # What is chosen has a weight.
        chosen = told["antenna_gain_weight"].notna().to_numpy()
        roof = (sites["placement"] == "roof").to_numpy()
        wanted = roof & settings.choose_antennas
        part["antenna_gain_weight"] = np.where(wanted, told["antenna_gain_weight"], np.nan)
        plain = np.degrees(np.arctan2(sites["antenna_height_agl_m"], sites["radius_m"]))
        tilt = np.where(chosen, told["tilt_deg"].to_numpy(float), plain)
        part["tilt_deg"] = np.where(roof, tilt, np.nan)
        parts.append(part.reset_index().set_index(_KEYS))
    counted = pd.concat(parts)
    what = Text(
        "height, placement, environment, radius and distance of exposure, from assets and bands",
        "高さ・設置形態・伝搬環境・半径・防護距離を、アセットと帯域から",
    )
    tally = compared("candidates", what, said, counted)
    problems = [
        *_strangers("candidates", said.index, counted.index),
        *(_sectors(said) if len(said) else ()),
        *(_exposed(said) if len(said) else ()),
    ]
    tally.problems.extend(problems)
    return tally


def _square_m2(band: Band, placement: str) -> float:
    """The squared distance from which a band keeps to the limit of exposure; 0: it is not used."""
    dbm = band.eirp_pole_dbm if placement == "pole" else band.eirp_roof_dbm
    if dbm is None:
        return 0.0
    milliwatt_cm2 = min(1.0, band.frequency_mhz / 1500)
    return float(10 ** (dbm / 10 - 3) * _REFLECTION / (40 * np.pi * milliwatt_cm2))


def _strangers(table: str, said: pd.Index, counted: pd.Index) -> list[Problem]:
    apart = said.symmetric_difference(counted)
    what = Text("a row is missing, or one too many", "行の過不足があります")
    return noted(what, [", ".join(map(str, row)) for row in apart], table)


def _sectors(said: pd.DataFrame) -> list[Problem]:
    """Sectors and tilt of roofs, and none of others."""
    words = said["azimuths_deg"]
    right = words.map({w: _are_azimuths(w) for w in words.unique()})
    roof = said["placement"] == "roof"
    right &= ((words != "") == roof) & (said["tilt_deg"].notna() == roof)
    what = Text("the sectors are no azimuths of a roof", "セクタの方位角が違います")
    rows = [", ".join(row) for row in said.index[~right]]
    return noted(what, rows, "candidates: azimuths_deg")


def _are_azimuths(words: str) -> bool:
    try:
        return all(0 <= float(word) < 360 for word in words.split())
    except ValueError:
        return False


def _exposed(said: pd.DataFrame) -> list[Problem]:
    """Antennas so low that people on the ground come within the distance, and are not told to."""
    near = said["antenna_height_agl_m"] - _PERSON_M < said["exposure_distance_m"] * (1 - 1e-9)
    told = said["people_within_exposure"].eq(True)
    what = Text("people come nearer on the ground", "地上の人が防護距離内に入ります")
    rows = [", ".join(row) for row in said.index[near & ~told]]
    return noted(what, rows, "candidates: people_within_exposure")


def antennas(ground: Ground) -> Tally:
    """Table ``antennas``: a row for each sector and band of each offer, from ``candidates``."""
    run = ground.run
    assert run.antennas is not None
    offers = run.plan[_KEYS].astype("str").merge(run.candidates, on=_KEYS)
    sectors = offers.assign(azimuth_deg=offers["azimuths_deg"].str.split()).explode("azimuth_deg")
    sectors["azimuth_deg"] = pd.to_numeric(sectors["azimuth_deg"])
    bands = pd.DataFrame(
        [
            {
                "carrier_id": carrier,
                "band": band,
                "roof": own.eirp_roof_dbm,
                "pole": own.eirp_pole_dbm,
            }
            for (carrier, band), own in run.bands.items()
        ]
    ).astype({"roof": float, "pole": float})
    rows = sectors.merge(bands, on="carrier_id")
    rows["eirp_dbm"] = np.where(rows["placement"] == "pole", rows["pole"], rows["roof"])
    rows = rows[rows["eirp_dbm"].notna()]
    rows = rows.rename(columns={"antenna_height_agl_m": "height_agl_m"})
    keys, numbers = [*_KEYS, "band", "azimuth_deg"], ["tilt_deg", "height_agl_m", "eirp_dbm"]
    said, counted = (t.fillna({"azimuth_deg": -1.0}).set_index(keys) for t in (run.antennas, rows))
    what = Text(
        "sectors of each offer and band, from the candidates",
        "提供ごとのセクタと帯域を、候補のアンテナから",
    )
    return compared("antennas", what, said, counted[numbers])


def profiles(ground: Ground) -> Tally:
    """Table ``profiles``: which cell each offer is for, and that its cut through the town agrees.

    Level and sight are those of the footprint; heights along the path need the surface and stand
    as they are told, but for the antenna's and their number.
    """
    run = ground.run
    assert run.profiles is not None
    said = run.profiles.astype(dict.fromkeys(_KEYS, "str")).set_index(_KEYS)
    has_surface = bool(run.scenario.surface.buildings or run.scenario.surface.terrain)
    unmet = gaps.unmet_matrix(run.gaps, run.cells, [c.id for c in run.carriers])
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for carrier, people in zip(run.carriers if has_surface else [], unmet, strict=False):
        own_bands = [
            (-run.bands[carrier.id, b].frequency_mhz, k) for k, b in enumerate(carrier.bands)
        ]
        for band in (carrier.bands[k] for _, k in sorted(own_bands)):
            signals = run.footprint(carrier.id, band)
            served, least = signals.signal, run.bands[carrier.id, band].covered_dbm
            for asset in ground.offers(carrier.id):
                at = int(np.flatnonzero(signals.site_ids == asset)[0])
                span = np.arange(served.indptr[at], served.indptr[at + 1])
                dbm = -150.5 + 0.5 * served.data[span].astype(float)
                span, dbm = span[dbm >= least], dbm[dbm >= least]
                most = people[served.indices[span]]
                best = rows.get((asset, carrier.id), {"people": 0.0})
                if most.size and most.max() > best["people"]:
                    k = int(most.argmax())
                    seen = signals.line_of_sight
                    rows[asset, carrier.id] = {
                        "band": band,
                        "cell_id": run.cells.index[served.indices[span[k]]],
                        "people": float(most[k]),
                        "rsrp_dbm": dbm[k],
                        "line_of_sight": None if seen is None else bool(seen[span[k]]),
                    }
    counted = pd.DataFrame(list(rows.values()), columns=_OF_PROFILE)
    counted.index = pd.MultiIndex.from_tuples(list(rows), names=_KEYS) if rows else said.index[:0]
    # Footprints hold signals to half a decibel.
    told = said["rsrp_dbm"].reindex(counted.index)
    near = (told - counted["rsrp_dbm"]).abs() <= 0.2501
    counted["rsrp_dbm"] = told.where(near, counted["rsrp_dbm"])
    if counted["line_of_sight"].isna().all():
        counted = counted.drop(columns="line_of_sight")
    what = Text(
        "the cell that each offer is for, its people, level and sight, from gaps and footprints",
        "提供ごとの代表セルとその人口・電波の強さ・見通しを、不足区域とフットプリントから",
    )
    tally = compared("profiles", what, said, counted)
    if not tally.problems:
        tally.problems.extend(_cuts(ground, said))
    return tally


def _cuts(ground: Ground, said: pd.DataFrame) -> list[Problem]:
    """Cuts through the town that do not lead from the antenna to the cell."""
    run, wrong = ground.run, []
    heights = run.candidates.set_index(_KEYS)["antenna_height_agl_m"]
    slack = run.grid.cell_size_m * np.sqrt(0.5) + 0.1
    for key, row in said.iterrows():
        way, ground_m, top = (
            np.asarray(row[c], dtype=float) for c in ("distance_m", "ground_m", "top_m")
        )
        point = run.assets.geometry[key[0]]
        far = point.distance(run.cells.geometry[row["cell_id"]])
        right = len(way) > 1 and len(way) == len(ground_m) == len(top)
        right = right and way[0] == 0 and bool((np.diff(way) > 0).all())
        right = right and bool((top >= ground_m - 0.1).all()) and abs(way[-1] - far) <= slack
        right = right and abs(row["antenna_m"] - ground_m[0] - heights[key]) <= 0.11
        up = run.scenario.coverage.receiver_height_m
        if not (right and abs(row["receiver_m"] - ground_m[-1] - up) <= 0.11):
            wrong.append(", ".join(key))
    what = Text(
        "the cut does not lead from the antenna to the cell", "断面がアンテナからセルに至りません"
    )
    return noted(what, wrong, "profiles")


_OF_PROFILE = ["band", "cell_id", "people", "rsrp_dbm", "line_of_sight"]
