"""Recommendations against values that are not ours."""

from __future__ import annotations

from pathlib import Path

import itur
import numpy as np
import pandas as pd
import pytest

from tdh.errors import DomainError
from tdh.radio import p838, p2108, p2109, tr38901
from tdh.radio.domain import RangeWarning

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:astropy")


@pytest.mark.real
@pytest.mark.parametrize(("los", "column"), [(True, "PL_LOS_dB"), (False, "PL_NLOS_dB")])
def test_path_loss_of_tr38901(data_dir: Path, los: bool, column: str) -> None:
    table = pd.read_csv(data_dir / "reference" / "tr38901_pathloss.csv")
    for scenario, rows in table.groupby("scenario"):
        loss = tr38901.path_loss_db(
            scenario, los, rows["d2D_m"], rows["fc_GHz"], rows["h_BS_m"], rows["h_UT_m"]
        )
        np.testing.assert_allclose(loss, rows[column], atol=0.01)


@pytest.mark.real
def test_los_probability_of_tr38901(data_dir: Path) -> None:
    table = pd.read_csv(data_dir / "reference" / "tr38901_pathloss.csv")
    for scenario, rows in table.groupby("scenario"):
        probability = tr38901.los_probability(scenario, rows["d2D_m"], rows["h_UT_m"])
        np.testing.assert_allclose(probability, rows["P_LOS"], atol=1e-6)


@pytest.mark.real
def test_clutter_of_p2108(data_dir: Path) -> None:
    table = pd.read_csv(data_dir / "reference" / "p2108_terrestrial_clutter.csv")
    loss = p2108.terrestrial_clutter_loss_db(table["f_GHz"], table["d_km"], table["p_pct"])
    np.testing.assert_allclose(loss, table["L_proplib_dB"], atol=0.01)


@pytest.mark.real
@pytest.mark.parametrize("building", p2109.BUILDINGS)
def test_entry_loss_of_p2109(data_dir: Path, building: p2109.Building) -> None:
    table = pd.read_csv(data_dir / "reference" / "p2109_building_entry_loss.csv")
    table.columns = pd.Index(["f", "p", "building", "elevation", "loss"])
    rows = table[table["building"] == p2109.BUILDINGS.index(building) + 1]
    loss = p2109.building_entry_loss_db(rows["f"], rows["p"], building, rows["elevation"])
    np.testing.assert_allclose(loss, rows["loss"], atol=1e-6)


@pytest.mark.real
@pytest.mark.parametrize("polarization", p838.POLARIZATIONS)
def test_rain_of_p838(data_dir: Path, polarization: p838.Polarization) -> None:
    table = pd.read_csv(data_dir / "reference" / "p838_rain_specific_attenuation.csv")
    rows = table[table["pol"] == polarization]
    got = p838.specific_attenuation_db_per_km(rows["f_GHz"], rows["R_mm_h"], polarization)
    np.testing.assert_allclose(got, rows["g_itur"], atol=1e-4)


@pytest.mark.parametrize("polarization", p838.POLARIZATIONS)
def test_rain_agrees_with_a_peer_at_all_frequencies(polarization: p838.Polarization) -> None:
    frequency = np.geomspace(1, 1000, 60)
    tilt = 0 if polarization == "H" else 90
    peer = [itur.models.itu838.rain_specific_attenuation(40.0, f, 0, tilt).value for f in frequency]
    ours = p838.specific_attenuation_db_per_km(frequency, 40.0, polarization)
    np.testing.assert_allclose(ours, peer, rtol=1e-9)


@pytest.mark.parametrize(
    ("frequency", "traditional", "efficient"),
    [(0.7, 14.1, 31.6), (3.7, 15.8, 31.0), (28, 20.2, 41.7)],
)
def test_median_entry_losses(frequency: float, traditional: float, efficient: float) -> None:
    assert p2109.building_entry_loss_db(frequency) == pytest.approx(traditional, abs=0.05)
    assert p2109.building_entry_loss_db(frequency, 50, "efficient") == pytest.approx(
        efficient, abs=0.05
    )


def test_clutter_stays_beyond_two_kilometres() -> None:
    near, far = p2108.terrestrial_clutter_loss_db(3.7, [2.0, 20.0], 90)
    assert far <= near
    assert far == pytest.approx(near, abs=0.01)


def test_outside_the_range_the_caller_chooses() -> None:
    arguments = ("UMa", True, 6000.0, 3.7, 25.0, 1.5)
    with pytest.raises(DomainError, match="distance_2d_m"):
        tr38901.path_loss_db(*arguments)
    with pytest.warns(RangeWarning, match="distance_2d_m"):
        warned = tr38901.path_loss_db(*arguments, outside="warn")
    assert warned == tr38901.path_loss_db(*arguments, outside="ignore")


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DomainError) as caught:
        tr38901.path_loss_db("UMa", True, 6000.0, 300.0, 25.0, 0.5)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("bad", [{"frequency_ghz": -1.0}, {"frequency_ghz": np.nan}])
def test_impossible_values_are_refused_whatever_the_caller_chose(bad: dict[str, float]) -> None:
    arguments = {
        "distance_2d_m": 100.0,
        "frequency_ghz": 3.7,
        "bs_height_m": 25.0,
        "ut_height_m": 1.5,
    }
    with pytest.raises(DomainError):
        tr38901.path_loss_db("UMa", True, **(arguments | bad), outside="ignore")  # type: ignore[arg-type]


def test_unknown_words_are_refused() -> None:
    with pytest.raises(DomainError, match="UMa, UMi, RMa"):
        tr38901.path_loss_db("urban", True, 100, 3.7, 25, 1.5)  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="traditional"):
        p2109.building_entry_loss_db(3.7, 50, "old")  # type: ignore[arg-type]


def test_arguments_broadcast() -> None:
    loss = tr38901.path_loss_db("UMi", [[True], [False]], [20.0, 100.0, 400.0], 28.0, 10.0, 1.5)
    assert loss.shape == (2, 3)
    assert (loss[1] >= loss[0]).all()


@pytest.mark.parametrize("scenario", tr38901.SCENARIOS)
@pytest.mark.parametrize("los", [True, False])
def test_loss_never_falls_with_distance(scenario: tr38901.Scenario, los: bool) -> None:
    distance = np.linspace(10, 5000, 20000)
    for height in (5.0, 10.0, 25.0, 60.0):
        loss = tr38901.path_loss_db(scenario, los, distance, 3.7, height, 1.5, outside="ignore")
        assert (np.diff(loss) >= -1e-9).all()


def test_clutter_agrees_with_a_peer_over_its_whole_range() -> None:
    peer = pytest.importorskip("ITS.ITU.PSeries.P2108")
    for frequency in (0.5, 0.8, 3.65, 28.0, 67.0):
        for distance in (0.25, 0.6, 1.4, 2.0, 7.0):
            for percent in (1.0, 20.0, 50.0, 95.0):
                theirs = peer.TerrestrialStatisticalModel(frequency, distance, percent)
                ours = p2108.terrestrial_clutter_loss_db(frequency, distance, percent)
                assert ours == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize("frequency", [0.8, 3.65, 4.55, 28.0])
def test_streets_lie_within_the_scatter_of_p1411(frequency: float) -> None:
    # P.1411-10, 4.1.1, table 4 (both ends below the roofs, urban): alpha, beta, gamma, sigma.
    def wanted(alpha: float, beta: float, gamma: float, distance: np.ndarray) -> np.ndarray:
        return 10 * alpha * np.log10(distance) + beta + 10 * gamma * np.log10(frequency)

    flat = np.geomspace(30, 660, 60)
    direct = np.hypot(flat, 8.5)
    blocked = tr38901.path_loss_db("UMi", False, flat, frequency, 10.0, 1.5)
    assert abs(blocked - wanted(4.00, 10.2, 2.36, direct)).max() < 7.60
    # In sight up to the breakpoint; beyond it TR 38.901 falls with the fourth power, P.1411 does not.
    near = flat < 4 * 9.0 * 0.5 * frequency * 1e9 / 3e8
    seen = tr38901.path_loss_db("UMi", True, flat[near], frequency, 10.0, 1.5)
    assert abs(seen - wanted(2.12, 29.2, 2.11, direct[near])).max() < 5.06
