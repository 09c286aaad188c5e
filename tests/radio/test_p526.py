"""Diffraction: single values of the Recommendation, limits, and how little the core leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from tdh.errors import DomainError
from tdh.radio import line_of_sight, p526, prediction


def test_knife_edge_values() -> None:
    # J(0) = 6.0 dB; from ν = 1: 13.9; 2.4: 20.5 (figure 9 of the Recommendation).
    loss = p526.knife_edge_loss_db([0.0, 1.0, 2.4, -0.8])
    assert loss[0] == pytest.approx(6.03, abs=0.01)
    assert loss[1] == pytest.approx(13.93, abs=0.01)
    assert loss[2] == pytest.approx(20.54, abs=0.1)
    assert loss[3] == 0


def profile(*edges: tuple[float, float], length: float = 1000.0) -> tuple[np.ndarray, np.ndarray]:
    distance = np.arange(0.0, length + 1.0, 2.0)
    height = np.zeros_like(distance)
    for at, top in edges:
        height[np.argmin(abs(distance - at))] = top
    return distance, height


def test_one_edge_is_the_knife_edge_of_its_clearance() -> None:
    distance, height = profile((500.0, 40.0))
    flat = p526.bullington_loss_db(distance, height, 20, 20, 3.65, earth_radius_m=np.inf)
    nu = 20.0 * np.sqrt(2 / (299.792458e6 / 3.65e9) * (1 / 500 + 1 / 500))
    single = p526.knife_edge_loss_db(nu)
    assert flat == pytest.approx(float(p526.bullington_excess_db(single, 1000.0)), abs=0.01)


def test_a_clear_path_loses_nothing() -> None:
    distance, height = profile()
    assert p526.delta_bullington_loss_db(distance, height, 60, 60, 28.0) == 0


def test_loss_rises_with_the_edge_and_the_frequency() -> None:
    for frequency in (0.7, 3.65, 28.0):
        losses = [
            p526.delta_bullington_loss_db(*profile((300.0, top), (700, 15)), 25, 1.5, frequency)
            for top in (10.0, 20.0, 30.0, 60.0)
        ]
        assert (np.diff(losses) >= 0).all()
    by_frequency = [
        p526.delta_bullington_loss_db(*profile((300.0, 40.0)), 25, 1.5, f) for f in (0.7, 3.65, 28)
    ]
    assert (np.diff(by_frequency) > 0).all()


def test_over_the_smooth_earth_delta_bullington_is_the_spherical_earth() -> None:
    # P.526-15, 4.5.3: for a smooth profile the method gives the spherical Earth's own loss.
    for length, frequency in ((40_000.0, 0.7), (60_000.0, 3.65)):
        distance = np.linspace(0, length, 400)
        whole = p526.delta_bullington_loss_db(distance, np.zeros(400), 20, 10, frequency)
        sphere = p526.spherical_earth_loss_db(length, 20, 10, frequency)
        assert sphere > 20
        assert whole == pytest.approx(sphere, abs=0.5)


def test_profiles_that_do_not_rise_are_refused() -> None:
    with pytest.raises(DomainError):
        p526.delta_bullington_loss_db([0, 100, 50], [0, 0, 0], 10, 10, 3.65)


def test_the_core_s_tables_are_the_formulas() -> None:
    for nu in np.geomspace(2.0**-7, 2.0**13, 500):
        wanted = float(p526.bullington_excess_db(p526.knife_edge_loss_db(nu), 800.0))
        assert prediction.edge_loss_db(np.log2(nu), 800.0) == pytest.approx(wanted, abs=0.03)
    for apart in np.linspace(0, 40, 300):
        wanted = -10 * np.log10(10**-12.0 + 10 ** (-(120 + apart) / 10))
        assert prediction.blend_db(90.0, 120.0 + apart, 120.0) == pytest.approx(wanted, abs=0.02)
    assert prediction.blend_db(118.0, 120.0, 120.0) == 118.0


@pytest.mark.parametrize("frequency", [0.7, 3.65, 28.0])
def test_what_the_core_leaves_out_is_small(frequency: float) -> None:
    """The core's edge against the whole method on profiles of a town: flat Earth, no delta term."""
    rng = np.random.default_rng(4)
    shift = -0.5 * np.log2(299.792458e6 / (frequency * 1e9))
    for _ in range(40):
        n = int(rng.integers(60, 500))
        plots = n // 3 + 1  # buildings and gaps of 12 m
        heights = np.where(rng.random(plots) < 0.5, rng.gamma(4, 3, plots) + 3, 0.0)
        top = np.repeat(heights, 3)[:n].astype(np.float32)
        top[0] = top[-1] = 0.0
        tx = float(rng.uniform(8, 45))
        blocked, nu, *_ = prediction.link_geometry(
            top[None, :].copy(), n - 0.5, 0.5, 1.5, 0.5, 0.5, tx, 4.0, np.nan, False, 0.0, True
        )
        if not blocked:
            continue
        length = 4.0 * (n - 1)
        core = float(prediction.edge_loss_db(np.log2(nu) + shift, length))
        # The profile at the core's own points; it skips every other one in the middle.
        share = (np.arange(n - 1, 0, -1) - line_of_sight.PHASE) / (n - 1)  # from the receiver
        height = top[np.floor(n - 0.5 - share * (n - 1)).astype(int)].astype(float)
        distance = np.concatenate([[0.0], (1 - share) * length, [length]])
        height = np.concatenate([[0.0], height, [0.0]])
        whole = p526.delta_bullington_loss_db(distance, height, tx, 1.5, frequency)
        assert core == pytest.approx(whole, abs=2.0)


# The working group's validation examples of P.1812 (b2iseac, rural, 95.3 MHz; ITU-R Study Group 3):
# ground and cover above it in metres, antennas' heights above the sea, and its Ld50 (equation (39)).
KIPPURE = (
    (0.0, 754.4, 0), (0.2, 754.4, 10), (0.4, 729.9, 10), (0.6, 685.3, 10), (0.8, 634.3, 10),
    (1.0, 610.3, 10), (1.2, 601.0, 10), (1.4, 591.7, 10), (1.6, 530.4, 10), (1.8, 455.9, 10),
    (2.0, 385.1, 10), (2.5, 373.4, 10), (3.0, 358.5, 0), (3.5, 309.0, 0), (4.0, 316.6, 15),
    (4.5, 335.3, 10), (5.0, 408.1, 10), (5.5, 532.7, 10), (6.0, 556.3, 10), (6.5, 556.3, 10),
    (7.0, 488.2, 10), (7.5, 367.7, 10), (8.0, 304.8, 0), (8.5, 292.6, 0), (9.0, 238.3, 0),
    (9.5, 265.1, 0), (10.0, 250.3, 0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("n_points", "rx_height_m", "wanted_db"), [(6, 617.3, 15.34252882), (27, 257.3, 28.49553647)]
)
def test_diffraction_of_the_validation_examples_of_p1812(
    n_points: int, rx_height_m: float, wanted_db: float
) -> None:
    km, ground, cover = np.array(KIPPURE[:n_points]).T
    cover[-1] = 0.0
    loss = p526.delta_bullington_loss_db(
        km * 1000, ground + cover, 814.4, rx_height_m, 0.0953, earth_radius_m=8930.776786e3
    )
    assert loss == pytest.approx(wanted_db, abs=2e-4)  # they take the speed of light as 2.998e8
