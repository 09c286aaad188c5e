"""Who is served by what: rasters with the plan on air, tables ``gaps`` and ``present``."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tdh.language import Text
from tdh.pipeline import standing
from tdh.pipeline.tallies import Ground, Tally, compared, differing, noted
from tdh.present import CODES


def coverage(ground: Ground) -> Tally:
    """Rasters: with the plan from those of today and the offers; today against the evidence.

    Levels of today are compared with the cells that today's sites are kept to serve where they
    stand on the model alone; of the model itself nothing is counted again.
    """
    run, said, counted, problems = ground.run, {}, {}, []
    for carrier, band in run.bands:
        name = f"{carrier}-{band}"
        after = ground.level(carrier, band, "after")
        said[f"{name}-after.tif"] = np.where(np.isinf(after), np.nan, after)
        level, _ = ground.on_air(carrier, band)
        counted[f"{name}-after.tif"] = np.where(np.isinf(level), np.nan, level)
        for what, cells in _of_evidence(ground, carrier, band):
            named = run.cells.index[cells].tolist()
            problems += noted(what, named, f"coverage/{name}-before.tif")
        problems += _beyond(ground, carrier, band)
    ids = run.cells.index
    what = Text(
        "levels with the plan on air, from today's and the offers",
        "計画後の電波の強さを、現在の値と提供アセットから",
    )
    one, other = pd.DataFrame(said), pd.DataFrame(counted)
    return differing("coverage", what, one, other, lambda row: str(ids[row]), problems=problems)


def _of_evidence(ground: Ground, carrier: str, band: str) -> list[tuple[Text, np.ndarray]]:
    """Cells whose level of today does not go with what it is told to stand on."""
    run, level = ground.run, ground.level(carrier, band, "before")
    evidence = run.evidence(carrier, band)
    if evidence is None:
        return []
    codes, told = evidence[ground.row, ground.col], _kinds(ground, carrier, band)
    kept = pd.read_parquet(standing.path_of(run.folder, carrier, band))
    sites = run.sites[(run.sites["carrier_id"] == carrier) & (run.sites["band"] == band)]
    guessed = sites.index[sites["evidence"] == "estimated"]
    names, site = kept["site_id"].cat.categories, kept["site_id"].cat.codes.to_numpy()
    modelled = np.zeros((2, len(level)), dtype=bool)
    modelled[names.isin(guessed)[site].astype(int), kept["cell"].to_numpy()] = True
    modelled_only = np.isin(codes, [CODES["predicted"], CODES["estimated"]])
    found = [
        (
            Text(
                "a cell stands on evidence that the scenario does not give",
                "シナリオにない根拠のセルがあります",
            ),
            ~np.isin(codes, [CODES[kind] for kind in told]),
        ),
        (
            Text(
                "a level without evidence, or evidence without a level",
                "根拠のない値、または値のない根拠があります",
            ),
            # Who measures or declares may say that nothing is there.
            np.where(np.isinf(level), modelled_only, codes == CODES["none"]),
        ),
    ]
    served = ground.served(carrier, band, "before")
    differs = Text(
        "it is not what today's sites are kept to serve", "現在の局ごとのエリアと一致しません"
    )
    if "predicted" not in _given(ground, carrier, band):
        predicted = codes == CODES["predicted"]
        found.append((differs, predicted & (served != modelled[0])))
    found.append((differs, (codes == CODES["estimated"]) & (served != modelled[1])))
    return found


def _given(ground: Ground, carrier: str, band: str) -> set[str]:
    """Kinds of evidence that the scenario's sources give of a band."""
    own = next(c for c in ground.run.scenario.carriers if c.id == carrier)
    return {s.kind for s in own.coverage if (s.band or own.band_ids[0]) == band}


def _kinds(ground: Ground, carrier: str, band: str) -> set[str]:
    return _given(ground, carrier, band) | {"none", "predicted"}


def _beyond(ground: Ground, carrier: str, band: str) -> list:
    """Values of rasters where no cell is."""
    outside = np.ones(ground.run.grid.shape, dtype=bool)
    outside[ground.row, ground.col] = False
    what = Text("a value stands where no cell is", "セルのない場所に値があります")
    problems = []
    for when in ("before", "after"):
        raster = ground.run.signal(carrier, band, when)
        pixels = np.argwhere(outside & ~np.isnan(raster)).tolist()
        problems += noted(what, [str(p) for p in pixels], f"coverage/{carrier}-{band}-{when}.tif")
    return problems


def gaps(ground: Ground) -> Tally:
    """Table ``gaps``: the band that lacks least, its level and what it lacks, from the rasters."""
    run, table = ground.run, ground.run.gaps
    carriers = [c.id for c in run.carriers]
    order = list(dict.fromkeys(band for _, band in run.bands))
    who = pd.Index(carriers).get_indexer(table["carrier_id"].astype("str"))
    cell = run.cells.index.get_indexer(table["cell_id"].astype("str"))
    level = np.full((len(order), len(table)), np.nan)
    lacks = np.full(level.shape, np.inf)
    for (carrier, band), own in run.bands.items():
        rows = np.flatnonzero(who == carriers.index(carrier))
        values = ground.level(carrier, band, "before")[cell[rows]]
        k = order.index(band)
        level[k, rows] = np.where(np.isinf(values), np.nan, values)
        # As near as the raster's digits tell.
        missing = float(np.float32(own.covered_dbm)) - values.astype(float)
        lacks[k, rows] = np.where(np.isinf(values), np.inf, missing)
    best, rows = lacks.argmin(axis=0), np.arange(len(table))
    received = np.isfinite(lacks[best, rows])
    share = np.array([ground.shares[c] for c in carriers])
    counted = pd.DataFrame(
        {
            "band": np.where(received, best, -1).astype(float),
            "rsrp_dbm": np.where(received, level[best, rows], np.nan),
            "shortfall_db": np.where(received, lacks[best, rows], np.nan),
            "unmet_people": ground.people[cell] * share[who],
        }
    )
    said = table[["rsrp_dbm", "shortfall_db", "unmet_people"]].reset_index(drop=True)
    told = table["band"].astype(pd.CategoricalDtype(order)).cat.codes.to_numpy(float)
    what = Text(
        "the band that lacks least, its level, what it lacks and people, from the rasters",
        "最も近い帯域・電波の強さ・不足・人口をラスタから",
    )

    def name(row: int) -> str:
        return f"{table['carrier_id'].iloc[row]}, {table['cell_id'].iloc[row]}"

    return differing("gaps", what, said.assign(band=told)[list(counted)], counted, name)


def present(ground: Ground) -> Tally:
    """Table ``present`` from the rasters; points and differences of measurements as they stand."""
    run, rows = ground.run, {}
    assert run.present is not None
    keys = ["carrier_id", "band", "evidence"]
    said = run.present.set_index(keys)
    for carrier, band in run.bands:
        evidence = run.evidence(carrier, band)
        if evidence is None:
            continue
        codes, served = evidence[ground.row, ground.col], ground.served(carrier, band, "before")
        measured = _given(ground, carrier, band) & {"measured"}
        for kind, code in CODES.items():
            at = codes == code
            row = {
                "cells": at.sum(),
                "covered_cells": (at & served).sum(),
                "people": ground.people[at].sum(),
                "covered_people": ground.people[at & served].sum(),
            }
            if kind not in measured and (carrier, band, kind) in said.index:
                row |= {"points": 0, "difference_db": np.nan}
            elif (carrier, band, kind) in said.index:
                row |= said.loc[(carrier, band, kind), ["points", "difference_db"]].to_dict()
            rows[carrier, band, kind] = row
    counted = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    counted.index = pd.MultiIndex.from_tuples(list(rows), names=keys)
    what = Text(
        "cells and people on each kind of evidence, from the rasters",
        "根拠の種類別のセルと人口をラスタから",
    )
    return compared("present", what, said, counted)
