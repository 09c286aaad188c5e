"""What each offer is drawn with: its sectors, and the cut to the people it newly serves."""

from __future__ import annotations

import numpy as np

from tdh.coverage import Profile
from tdh.pipeline.offered import MOST_POINTS
from tdh.results import Run


def test_every_offer_has_its_antennas_in_every_band(demo_run: Run) -> None:
    antennas = demo_run.antennas
    assert antennas is not None
    offers = set(map(tuple, demo_run.plan[["asset_id", "carrier_id"]].to_numpy()))
    assert set(map(tuple, antennas[["asset_id", "carrier_id"]].to_numpy())) == offers
    placement = demo_run.assets["placement"].reindex(antennas["asset_id"]).to_numpy()
    sectors = antennas.groupby(["asset_id", "carrier_id", "band"])["azimuth_deg"].size()
    assert set(sectors) == {1, 3}
    assert antennas["azimuth_deg"].isna().to_numpy()[placement == "pole"].all()
    assert not antennas["azimuth_deg"].isna().to_numpy()[placement == "roof"].any()


def test_profiles_lead_to_people_whom_the_offer_serves(demo_run: Run) -> None:
    profiles = demo_run.profiles
    assert profiles is not None and len(profiles) == len(demo_run.plan)
    cells = demo_run.cells
    for row in profiles.itertuples():
        asset, cell = demo_run.assets.loc[row.asset_id], cells.loc[row.cell_id]
        far = np.hypot(asset.geometry.x - cell.geometry.x, asset.geometry.y - cell.geometry.y)
        assert abs(row.distance_m[-1] - far) <= demo_run.grid.cell_size_m
        assert row.distance_m[0] == 0 and (np.diff(row.distance_m) >= 0).all()
        assert (np.asarray(row.top_m) >= np.asarray(row.ground_m)).all()
        band = demo_run.bands[row.carrier_id, row.band]
        assert row.rsrp_dbm >= band.covered_dbm - 0.5
        signal = demo_run.signal(row.carrier_id, row.band, "before")[cell["row"], cell["col"]]
        assert not signal >= band.covered_dbm  # a gap before the plan
        assert row.people > 0


def test_a_thinned_profile_keeps_ends_and_roofs() -> None:
    n = 5 * MOST_POINTS + 3
    top = np.zeros(n)
    top[777] = 60.0
    whole = Profile(np.arange(n) * 2.0, np.zeros(n), top, np.linspace(30.0, 1.5, n))
    cut = whole.thinned(MOST_POINTS)
    assert len(cut.distance_m) == MOST_POINTS
    assert cut.top_m.max() == 60.0
    assert abs(cut.distance_m[cut.top_m.argmax()] - 777 * 2.0) <= 2.0 * n / MOST_POINTS + 2
    assert (cut.distance_m[0], cut.distance_m[-1]) == (0.0, 2.0 * (n - 1))
    assert (cut.line_m[0], cut.line_m[-1]) == (30.0, 1.5)
