"""Loads of sites by hand, and against a whole run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tdh.pipeline import loads
from tdh.radio import bands
from tdh.results import Run
from tdh.scenario.models import GapSettings

SETTINGS = GapSettings(bits_per_hertz=5.0, downlink_share=0.6, busy_kbps=200.0)


def test_capacity_is_bandwidth_times_efficiency_and_downlink_share() -> None:
    assert loads.capacity_mbps(bands.get("n78"), SETTINGS) == pytest.approx(100 * 5 * 0.6)
    low = bands.get("n28")
    assert loads.capacity_mbps(low, SETTINGS) == pytest.approx(low.bandwidth_mhz * 5)


def test_customers_by_hand() -> None:
    """n78 carries 300, n28 50 Mbit/s: where both serve, customers are divided six to one."""
    wide = loads.Serving(bands.get("n78"), pd.Index(["s1", "s2"]), np.array([0, 0, 1, -1, -1]))
    low = loads.Serving(bands.get("n28"), pd.Index(["s3", "idle"]), np.array([0, -1, -1, 0, -1]))
    people = {
        "customers": np.array([70.0, 10.0, 20.0, 30.0, 99.0]),
        "customers_day": np.array([700.0, 0.0, 0.0, 0.0, 99.0]),
    }
    table = loads.of_carrier("a", [wide, low], people, SETTINGS)
    assert table["customers"].to_dict() == pytest.approx({"s1": 70, "s2": 20, "s3": 40, "idle": 0})
    assert table["customers_day"].to_dict() == pytest.approx(
        {"s1": 600, "s2": 0, "s3": 100, "idle": 0}
    )
    assert table.loc["s1", "kbps_per_customer"] == pytest.approx(300_000 / 600)
    assert table.loc["s2", "load"] == pytest.approx(20 * 0.2 / 300)
    assert table.loc["s3", "load"] == pytest.approx(100 * 0.2 / 50)
    assert np.isnan(table.loc["idle", "kbps_per_customer"])
    assert table.loc["idle", "load"] == 0
    assert table["customers"].sum() == 130  # who is served; the fifth cell is not
    silent = loads.of_carrier("a", [wide], people, GapSettings())
    assert silent["load"].isna().all()


def test_in_a_run_every_served_customer_has_one_site(demo_run: Run) -> None:
    table = demo_run.site_load
    assert table is not None
    assert set(table.index) == set(demo_run.sites.index)
    cells = demo_run.cells
    people = cells["population"].to_numpy()
    row, col = cells["row"].to_numpy(), cells["col"].to_numpy()
    for carrier in demo_run.carriers:
        (band,) = carrier.bands
        level = demo_run.signal(carrier.id, band)[row, col]
        served = people[level >= demo_run.bands[carrier.id, band].covered_dbm].sum()
        own = table[table["carrier_id"] == carrier.id]
        assert own["customers"].sum() == pytest.approx(served * carrier.market_share)
        assert (own["capacity_mbps"] == 100 * 7.8 * 0.75).all()
    assert table["load"].isna().all()


def test_with_the_plan_an_offer_takes_the_cells_where_it_is_stronger(demo_run: Run) -> None:
    """Counted offer by offer from the rasters and footprints, for the first carrier."""
    table = demo_run.site_load_after
    assert table is not None and demo_run.site_load is not None
    carrier = demo_run.carriers[0]
    (band_id,) = carrier.bands
    own = table[table["carrier_id"] == carrier.id].set_index("site_id")
    before = demo_run.site_load.loc[demo_run.site_load["carrier_id"] == carrier.id, "customers"]
    present = own[own["origin"] == "present"]
    assert present["customers_before"].to_dict() == before.to_dict()
    assert set(own.index[own["origin"] == "plan"]) == set(
        demo_run.plan.loc[demo_run.plan["carrier_id"] == carrier.id, "asset_id"]
    )
    cells = demo_run.cells
    row, col = cells["row"].to_numpy(), cells["col"].to_numpy()
    today, after = (demo_run.signal(carrier.id, band_id, w)[row, col] for w in ("before", "after"))
    threshold = demo_run.bands[carrier.id, band_id].covered_dbm
    people = cells["population"].to_numpy() * carrier.market_share
    # Who has something new is served by an offer, everybody else as before.
    new = (after >= threshold) & ~(today >= after)
    offers = own.loc[own["origin"] == "plan", "customers_after"]
    assert offers.sum() == pytest.approx(people[new].sum())
    assert own["customers_after"].sum() == pytest.approx(people[after >= threshold].sum())
    assert (present["customers_after"] <= present["customers_before"] + 1e-9).all()
    signals = demo_run.footprint(carrier.id, band_id)
    for asset, customers in offers.items():
        signal = signals.signal[[signals.site_ids.get_loc(asset)]].toarray()[0]
        assert customers <= people[new & (signal > 0)].sum() + 1e-9
