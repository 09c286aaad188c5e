"""Bands as data, the antenna's pattern, and exposure by Japan's rule."""

from __future__ import annotations

import numpy as np
import pytest

from tdh.errors import DomainError
from tdh.radio import antenna, bands, exposure, log_distance, p525, prediction
from tdh.radio.model import Model


def test_all_bands_of_the_table_can_be_had() -> None:
    for name in ("n28", "n77", "n78", "n79", "n257"):
        band = bands.get(name)
        assert band.id == name
        assert band.covered_dbm < band.good_dbm
    assert bands.get("n28").eirp_dbm("pole") is None
    assert bands.get("n78").eirp_dbm("pole") == 48
    assert bands.get("n78").eirp_dbm("roof") == bands.get("n78").eirp_dbm(None) == 70


@pytest.mark.parametrize(("name", "level"), [("n28", -28.0), ("n78", -35.2), ("n257", -29.0)])
def test_carrier_to_one_resource_element(name: str, level: float) -> None:
    assert bands.get(name).carrier_to_rsrp_db == pytest.approx(level, abs=0.05)


def test_a_scenario_changes_a_band_or_makes_one() -> None:
    assert bands.get("n78", frequency_mhz=3750.0, eirp_pole_dbm=None).frequency_ghz == 3.75
    own = {
        "frequency_mhz": 2330.0, "bandwidth_mhz": 40.0, "subcarrier_spacing_khz": 30.0,
        "n_rb": 106, "eirp_roof_dbm": 63.0, "covered_dbm": -110.0, "good_dbm": -100.0,
        "band_class": "sub6",
    }  # fmt: skip
    assert bands.get("n40", **own).eirp_pole_dbm is None
    with pytest.raises(DomainError, match="n_rb"):
        bands.get("n40", **{k: v for k, v in own.items() if k != "n_rb"})
    with pytest.raises(DomainError, match="power"):
        bands.get("n78", power=3)
    with pytest.raises(DomainError) as caught:
        bands.get("n78", frequency_mhz=-1.0, good_dbm=-120.0)
    assert len(caught.value.problems) == 2


def test_the_element_s_pattern() -> None:
    assert antenna.pattern_db(0, -5, tilt_deg=5) == 0
    assert antenna.pattern_db(32.5, 0) == pytest.approx(-3.0)
    assert antenna.pattern_db(0, 32.5) == pytest.approx(-3.0)
    assert antenna.pattern_db(180, 80) == -30
    assert antenna.pattern_db(-350, 0) == antenna.pattern_db(10, 0)


def test_another_pattern() -> None:
    pattern = (90.0, 10.0, 25.0)
    assert antenna.pattern_db(45.0, 0.0, 0.0, pattern) == pytest.approx(-3.0)
    assert antenna.pattern_db(0.0, 5.0, 0.0, pattern) == pytest.approx(-3.0)
    assert antenna.pattern_db(180.0, 0.0, 0.0, pattern) == -25.0
    for wrong in ({"beamwidth_deg": 0.0}, {"pattern_limit_db": np.nan}):
        with pytest.raises(DomainError, match="beamwidths"):
            Model(**wrong)


@pytest.mark.parametrize("pattern", [antenna.PATTERN, (90.0, 10.0, 25.0)])
def test_the_core_s_pattern_is_the_same(pattern: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        east, north, up = rng.normal(0, 100, 3)
        azimuths = rng.uniform(0, 360, 3)
        azimuths[rng.integers(1, 4) :] = np.nan
        tilt = float(rng.choice([np.nan, 0.0, 7.0]))
        wanted = antenna.site_pattern_db(
            np.degrees(np.arctan2(east, north)),
            np.degrees(np.arctan2(up, np.hypot(east, north))),
            azimuths,
            0.0 if np.isnan(tilt) else tilt,
            pattern,
        )
        got = prediction.antenna_gain_db(east, north, up, azimuths[None], 0, tilt, pattern)
        assert got == pytest.approx(float(wanted), abs=2e-3)
    none = np.array([[np.nan]])
    assert prediction.antenna_gain_db(1.0, 1.0, -50.0, none, 0, np.nan, pattern) == 0
    half = prediction.antenna_gain_db(100.0, 0.0, 0.0, none, 0, pattern[1] / 2, pattern)
    assert half == pytest.approx(-3.0)


def test_free_space_and_log_distance() -> None:
    assert p525.free_space_loss_db(100.0, 3.65) == pytest.approx(83.69, abs=0.01)
    fit = log_distance.path_loss_db([10.0, 1000.0], p525.free_space_loss_db(1.0, 3.65), 2.0)
    np.testing.assert_allclose(fit, p525.free_space_loss_db([10.0, 1000.0], 3.65))
    with pytest.raises(DomainError):
        p525.free_space_loss_db(0.0, 3.65)


@pytest.mark.parametrize(
    ("eirp", "distance"),
    [(40, 0.45), (50, 1.4), (60, 4.5), (65, 8.0), (70, 14.3), (75, 25), (78, 36)],
)
def test_compliance_distances(eirp: float, distance: float) -> None:
    assert exposure.compliance_distance_m(eirp, 3650.0) == pytest.approx(distance, rel=0.02)


def test_limits_below_one_and_a_half_gigahertz() -> None:
    assert exposure.power_density_limit_mw_cm2(700.0) == pytest.approx(0.467, abs=1e-3)
    low, high = exposure.compliance_distance_m(60.0, [700.0, 28_000.0])
    assert low / high == pytest.approx(np.sqrt(1 / 0.4667), rel=1e-3)
    with pytest.raises(DomainError):
        exposure.compliance_distance_m(60.0, 100.0)


def test_co_sited_transmitters_add() -> None:
    eirp, frequency = np.array([70.0, 61.0, 60.0]), np.array([3650.0, 765.0, 28_000.0])
    distance = exposure.combined_distance_m(eirp, frequency)
    assert exposure.ratio_sum(eirp, frequency, distance) == pytest.approx(1.0)
    assert distance > exposure.compliance_distance_m(eirp, frequency).max()
    halved = exposure.compliance_distance_m(70.0, 3650.0, duty=0.25)
    assert halved == pytest.approx(float(exposure.compliance_distance_m(70.0, 3650.0)) / 2)
