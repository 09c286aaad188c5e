"""What each present site serves, as a run keeps it, and the scores that rest on it, recounted."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tdh.errors import InputError
from tdh.pipeline import standing
from tdh.results import Run, read_run


def cells_of(run: Run, carrier: str) -> list[set[int]]:
    """Cells that each of a carrier's stations serves in any band."""
    foot = standing.network(run, carrier).footprint
    return [set(foot.indices[a:b]) for a, b in zip(foot.indptr, foot.indptr[1:], strict=False)]


def test_kept_footprints_are_the_coverage_of_today(demo_run: Run) -> None:
    rows, cols = demo_run.cells["row"].to_numpy(), demo_run.cells["col"].to_numpy()
    for (carrier, band_id), band in demo_run.bands.items():
        for when in ("before", "after"):
            network = standing.network(demo_run, carrier, when)
            served = np.zeros(len(demo_run.cells), dtype=bool)
            served[network.footprints[band_id].indices] = True
            raster = demo_run.signal(carrier, band_id, when)[rows, cols]
            assert np.array_equal(served, raster >= band.covered_dbm)
            assert served.any()


def test_stations_of_before_and_after(demo_run: Run) -> None:
    for carrier in demo_run.carriers:
        today = standing.network(demo_run, carrier.id)
        later = standing.network(demo_run, carrier.id, "after")
        own = demo_run.sites[demo_run.sites["carrier_id"] == carrier.id]
        offers = demo_run.plan[demo_run.plan["carrier_id"] == carrier.id]
        assert sorted(i for m in today.stations["members"] for i in m) == sorted(own.index)
        assert (later.stations["origin"] == standing.PLANNED).sum() == len(offers)
        assert len(later.stations) == len(today.stations) + len(offers)


def test_sites_at_one_place_are_one_station(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder)
    run = read_run(folder)
    carrier = run.carriers[0].id
    sites = run.sites.copy()
    first, second = sites.index[sites["carrier_id"] == carrier][:2]
    apart = {name: cells_of(run, carrier)[i] for i, name in enumerate(own_ids(run, carrier))}
    sites.loc[second, "geometry"] = sites.geometry[first]
    sites.to_parquet(folder / "sites.parquet")
    moved = standing.network(read_run(folder), carrier)
    assert moved.stations.loc[first, "members"] == (first, second)
    assert second not in moved.stations.index
    at = moved.stations.index.get_loc(first)
    foot = moved.footprint
    together = set(foot.indices[foot.indptr[at] : foot.indptr[at + 1]])
    assert together == apart[first] | apart[second]


def own_ids(run: Run, carrier: str) -> list[str]:
    return list(standing.network(run, carrier).stations.index)


def test_a_run_without_the_files_says_so(demo_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demo_run.folder, folder)
    for path in folder.glob("footprints/present-*.parquet"):
        path.unlink()
    with pytest.raises(InputError, match="compute the scenario again"):
        standing.network(read_run(folder), demo_run.carriers[0].id)


def test_second_cover_and_neighbours_by_hand(demo_run: Run) -> None:
    run = demo_run
    people = run.cells["population"].to_numpy()
    reach = run.scenario.scoring.neighbours_m
    for carrier in run.carriers[:2]:
        today = standing.network(run, carrier.id)
        sites = cells_of(run, carrier.id)
        customers = people * carrier.market_share
        scores = run.scores[run.scores["carrier_id"] == carrier.id].set_index("asset_id")
        footprint = run.footprint(carrier.id, carrier.bands[0]).footprint()
        ids = run.footprint(carrier.id, carrier.bands[0]).site_ids
        best = scores.sort_values("rank").index[:5]
        for asset in best:
            at = ids.get_loc(asset)
            own = footprint.indices[footprint.indptr[at] : footprint.indptr[at + 1]]
            point = run.assets.geometry[asset]
            fails = [
                bool(np.hypot(x - point.x, y - point.y) <= reach) for x, y in today.xy_m.tolist()
            ]
            second = kept = 0.0
            for cell in own:
                serving = [fails[i] for i, of in enumerate(sites) if cell in of]
                second += customers[cell] if len(serving) == 1 else 0.0
                kept += customers[cell] if serving and all(serving) else 0.0
            row = scores.loc[asset]
            assert row["people_given_second_cover"] == pytest.approx(second, rel=1e-9)
            assert row["people_kept_if_neighbours_fail"] == pytest.approx(kept, rel=1e-9)


def test_every_contribution_sums_and_exposure_counts(demo_run: Run) -> None:
    for table in (demo_run.scores, demo_run.scores_public):
        parts = [c for c in table.columns if c.startswith("contribution_")]
        assert np.abs(table[parts].sum(axis=1) - table["score"]).max() < 1e-9
        for name in ("second_cover", "neighbours", "installability", "quality"):
            assert (table[f"contribution_{name}"] > 0).any()
    candidates = demo_run.candidates
    assert (candidates["exposure_distance_m"] > 0).all()
    low = candidates["antenna_height_agl_m"] - 2.0 < candidates["exposure_distance_m"]
    assert candidates.loc[low, "people_within_exposure"].all()
    # The same pole, with people near and without: a fence costs a fifth of its ease.
    joined = demo_run.scores.merge(candidates, on=["asset_id", "carrier_id"]).merge(
        demo_run.assets[["height_source", "power"]], left_on="asset_id", right_index=True
    )
    like = joined[
        (joined["placement"] == "ground")
        & (joined["gap_cells_closed"] > 0)
        & (joined["antenna_height_agl_m"] <= 60)
    ]
    for _, group in like.groupby(["carrier_id", "height_source"], dropna=False):
        fenced = group.loc[group["people_within_exposure"], "contribution_installability"]
        free = group.loc[~group["people_within_exposure"], "contribution_installability"]
        if len(fenced) and len(free):
            assert fenced.max() == pytest.approx(0.8 * free.max())
