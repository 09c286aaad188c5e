"""Line of sight against brute force, on invented and on real buildings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import from_bounds

from tdh.errors import DomainError
from tdh.radio.line_of_sight import blocking_point, horizon_slopes, leave, sees, visible

sys.path.insert(0, str(Path(__file__).parent))
import prism_oracle as oracle


def invented(seed: int, shape: tuple[int, int] = (70, 60)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    raster = np.zeros(shape, dtype=np.float32)
    for _ in range(60):
        r, c = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        raster[r : r + rng.integers(1, 7), c : c + rng.integers(1, 7)] = rng.uniform(3, 40)
    return raster


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_brute_force_everywhere(seed: int) -> None:
    raster = invented(seed)
    rng = np.random.default_rng(seed + 100)
    row, col = int(rng.integers(5, 65)), int(rng.integers(5, 55))
    tx = (row, col, float(raster[row, col] + rng.choice([3.0, 8.0, 25.0])))
    got = visible(raster, 4.0, tx, 100.0, 1.5)
    np.testing.assert_array_equal(got, oracle.visible(raster, 4.0, tx, 100.0, 1.5))


@pytest.mark.real
@pytest.mark.parametrize(("x", "y", "above"), [(-12800, -34600, 3.0), (-12000, -35200, 8.0)])
def test_agrees_with_brute_force_in_shinjuku(
    data_dir: Path, x: float, y: float, above: float
) -> None:
    path = data_dir / "tokyo" / "buildings" / "tokyo23_building_height_4m.tif"
    with rasterio.open(path) as source:
        window = from_bounds(x - 200, y - 200, x + 200, y + 200, source.transform)
        raster = source.read(1, window=window) * np.float32(source.scales[0])
    tx = (50, 50, float(raster[50, 50]) + above)
    got, truth = visible(raster, 4.0, tx, 200.0, 1.5), oracle.visible(raster, 4.0, tx, 200.0, 1.5)
    assert truth.sum() > 50
    assert (got & truth).sum() / (got | truth).sum() >= 0.99


points = st.tuples(st.floats(0.01, 59.9), st.floats(0.01, 69.9), st.floats(0.5, 60))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 5), points, points)
def test_any_line_agrees_with_brute_force(
    seed: int, a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    raster = invented(seed)
    if np.hypot(a[0] - b[0], a[1] - b[1]) > 1e-3:
        assert sees(raster, *a, *b, 0.0, 1.0) == oracle.sees(raster, *a, *b)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 5), points, points)
def test_horizons_rise_no_steeper_than_the_edges_that_are_crossed(
    seed: int, a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    raster = invented(seed)
    if np.hypot(a[0] - b[0], a[1] - b[1]) < 2:
        return
    slope_rx, slope_tx = horizon_slopes(raster, *a, *b, 0.0, 1.0)
    enter, leave = oracle.crossings(raster.shape, *a[:2], *b[:2])
    crossed = leave > enter
    top, near, far = raster[crossed], enter[crossed] + 1e-12, leave[crossed]
    steepest_rx = np.maximum((top - a[2]) / near, (top - a[2]) / far).max()
    steepest_tx = np.maximum((top - b[2]) / (1 - near), (top - b[2]) / (1 - far + 1e-12)).max()
    assert slope_rx <= steepest_rx + 1e-4 * abs(steepest_rx) + 1e-3
    assert slope_tx <= steepest_tx + 1e-4 * abs(steepest_tx) + 1e-3


def test_the_horizon_of_a_wall_is_its_top() -> None:
    raster = np.zeros((9, 60), dtype=np.float32)
    raster[:, 10] = 20.0
    slope_rx, slope_tx = horizon_slopes(raster, 5.5, 4.5, 0.0, 45.5, 4.5, 10.0, 0.0, 1.0)
    assert slope_rx == pytest.approx(20.0 / (5 / 40), rel=0.1)
    assert slope_tx == pytest.approx(10.0 / (35 / 40), rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_the_screen_never_contradicts_the_exact_walk(seed: int) -> None:
    # All lines between cells' centres around a cell: those that meet corners are among them.
    raster = invented(seed)
    for r in range(70):
        for c in range(60):
            if (r, c) == (33, 29):
                continue
            line = (c + 0.5, r + 0.5, float(raster[r, c]) + 1.5, 29.5, 33.5, 30.0)
            for hints in ((0, 0), (3, 0), (20, 60)):
                if blocking_point(raster, *line, 0.0, 1.0, *hints):
                    assert not sees(raster, *line, 0.0, 1.0)


def test_a_line_leaves_the_last_cell_of_its_building() -> None:
    raster = np.zeros((9, 9), dtype=np.float32)
    raster[3:6, 2:7] = 10.0
    rng = np.random.default_rng(0)
    for _ in range(500):
        x, y = rng.uniform([2, 3], [7, 6])
        dx, dy = rng.uniform(-8, 8, 2)
        # The building is convex: the line leaves it where it leaves its rectangle.
        out = min(
            ((7 if dx > 0 else 2) - x) / dx,
            ((6 if dy > 0 else 3) - y) / dy,
        )
        got = leave(raster, x, y, dx, dy, 9.0, 11.0, 1.0)
        assert got == pytest.approx(min(out, 1.0), abs=1e-9)
        assert leave(raster, x, y, dx, dy, 11.0, 12.0, 1.0) == 0.0
        assert leave(raster, x, y, dx, dy, 9.0, 11.0, 0.01) <= 0.01


def test_threads_change_nothing() -> None:
    raster = invented(1)
    one = visible(raster, 4.0, (30, 30, 20.0), 120.0, 1.5)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(
            one, visible(raster, 4.0, (30, 30, 20.0), 120.0, 1.5, threads=threads)
        )


@pytest.mark.parametrize("seed", range(4))
def test_a_higher_transmitter_loses_nothing_that_lies_open(seed: int) -> None:
    raster = invented(seed)
    low = visible(raster, 4.0, (35, 30, float(raster[35, 30]) + 2), 120.0, 1.5)
    open_cells = np.zeros_like(low)
    for i in range(low.shape[0]):
        for j in range(low.shape[1]):
            r, c = 35 - 30 + i, 30 - 30 + j
            if 0 <= r < 70 and 0 <= c < 60:
                open_cells[i, j] = raster[r, c] == 0
    for height in (5, 20, 80):
        high = visible(raster, 4.0, (35, 30, float(raster[35, 30]) + height), 120.0, 1.5)
        assert not (low & open_cells & ~high).any()
        low = high


def test_over_flat_ground_all_is_seen_within_the_radius() -> None:
    got = visible(np.zeros((50, 50)), 5.0, (25, 25, 10.0), 60.0, 1.5)
    rows, cols = np.mgrid[-12:13, -12:13]
    np.testing.assert_array_equal(got, np.hypot(rows, cols) * 5 <= 60)


def test_cells_off_the_raster_are_not_seen() -> None:
    got = visible(np.zeros((3, 3)), 5.0, (0, 0, 10.0), 10.0, 1.5)
    assert got.sum() == 6
    assert not got[:2].any()


def test_a_pole_beside_a_wall_is_not_walled_in() -> None:
    raster = np.zeros((9, 9))
    raster[4, 4] = 30.0  # the pole's cell, mostly built over
    got = visible(raster, 4.0, (4, 4, 8.0), 16.0, 1.5)
    assert got[4, 0] and got[0, 4]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(DomainError) as caught:
        visible(np.zeros((5, 5)), -1.0, (9, 0, 10.0), 10.0)
    assert len(caught.value.problems) == 2
