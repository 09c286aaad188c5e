"""Gaps on cells that can be counted by hand, and against a cell-by-cell recount."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from tdh import gaps
from tdh.errors import InputError
from tdh.grid import Grid

NAN = float("nan")


def cells_of(population: list[float], columns: int | None = None) -> gpd.GeoDataFrame:
    n = len(population)
    columns = columns or n
    row, col = np.divmod(np.arange(n), columns)
    return gpd.GeoDataFrame(
        {"row": row, "col": col, "population": population, "municipality_code": "13101"},
        index=pd.Index([f"c{i}" for i in range(n)], name="cell_id"),
        geometry=gpd.points_from_xy(col * 25 + 12.5, -row * 25.0 - 12.5),
        crs="EPSG:6677",
    )


@pytest.fixture
def hand() -> tuple[gpd.GeoDataFrame, dict[tuple[str, str], np.ndarray]]:
    cells = cells_of([10.0, 20.0, 0.0, 40.0])
    signals = {
        ("a", "n78"): np.array([-109.0, -110.0, -111.0, NAN], dtype=np.float32),
        ("a", "n257"): np.array([NAN, NAN, -120.0, NAN], dtype=np.float32),
        ("b", "n78"): np.array([-112.0, -90.0, NAN, -111.0], dtype=np.float32),
    }
    return cells, signals


def test_by_hand(hand: tuple[gpd.GeoDataFrame, dict[tuple[str, str], np.ndarray]]) -> None:
    cells, signals = hand
    found = gaps.find(cells, signals, {"n78": -110.0, "n257": -105.0}, {"a": 0.5, "b": 0.25})
    shown = found.astype({"cell_id": str, "carrier_id": str}).to_dict("list")
    assert shown["cell_id"] == ["c2", "c3", "c0", "c2", "c3"]
    assert shown["carrier_id"] == ["a", "a", "b", "b", "b"]
    assert shown["unmet_people"] == [0.0, 20.0, 2.5, 0.0, 10.0]
    assert found["band"].astype(object).where(found["band"].notna(), None).tolist() == [
        "n78",
        None,
        "n78",
        None,
        "n78",
    ]
    assert found["shortfall_db"].fillna(-1).tolist() == [1.0, -1.0, 2.0, -1.0, 1.0]
    unmet = gaps.unmet_matrix(found, cells, ["b", "a"])
    assert unmet.tolist() == [[2.5, 0, 0, 10.0], [0, 0, 0, 20.0]]
    closed = gaps.gap_matrix(found, cells, ["b", "a"])
    assert closed.tolist() == [[True, False, True, True], [False, False, True, True]]


def test_categories_and_plain_text_give_the_same_matrix(
    hand: tuple[gpd.GeoDataFrame, dict[tuple[str, str], np.ndarray]],
) -> None:
    cells, signals = hand
    found = gaps.find(cells, signals, {"n78": -110.0, "n257": -105.0}, {"a": 0.5, "b": 0.25})
    plain = found.astype({"cell_id": str, "carrier_id": str})
    same = gaps.unmet_matrix(plain, cells, ["a", "b"]) == gaps.unmet_matrix(
        found, cells, ["a", "b"]
    )
    assert same.all()


def test_a_carriers_own_threshold_wins(
    hand: tuple[gpd.GeoDataFrame, dict[tuple[str, str], np.ndarray]],
) -> None:
    cells, signals = hand
    thresholds = {("a", "n78"): -111.0, ("a", "n257"): -105.0, ("b", "n78"): -85.0}
    found = gaps.find(cells, signals, thresholds, {"a": 0.5, "b": 0.25})
    count = found.groupby("carrier_id", observed=True).size()
    assert count.to_dict() == {"a": 1, "b": 4}


def test_a_carrier_without_signals_serves_nobody() -> None:
    found = gaps.find(cells_of([1.0, 2.0]), {}, {}, {"new": 1.0})
    assert found["unmet_people"].tolist() == [1.0, 2.0]


def test_every_problem_is_told() -> None:
    signals = {("a", "n78"): np.zeros(3), ("x", "n1"): np.zeros(2)}
    with pytest.raises(InputError) as caught:
        gaps.find(cells_of([1.0, 2.0]), signals, {"n78": -110.0}, {"a": 1.0})
    assert len(caught.value.problems) == 3


def test_at_random_against_a_recount() -> None:
    rng = np.random.default_rng(3)
    n = 300
    cells = cells_of(rng.uniform(0, 50, n).tolist(), 20)
    keys = [("a", "n78"), ("a", "n28"), ("b", "n78"), ("b", "n257"), ("c", "n28")]
    signals = {k: rng.uniform(-125, -95, n).round() for k in keys}
    for values in signals.values():
        values[rng.random(n) < 0.3] = np.nan
    thresholds = {"n78": -110.0, "n28": -108.0, "n257": -105.0}
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    unmet = gaps.unmet_matrix(gaps.find(cells, signals, thresholds, shares), cells, list(shares))
    serving = gaps.carriers_serving(signals, thresholds)
    for i in range(n):
        count = 0
        for k, (carrier, share) in enumerate(shares.items()):
            served = any(signals[c, b][i] >= thresholds[b] for c, b in keys if c == carrier)
            assert unmet[k, i] == (0.0 if served else cells["population"].iloc[i] * share)
            count += served
        assert serving[i] == count


def test_probability_of_at_least_k_against_draws() -> None:
    rng = np.random.default_rng(0)
    medians = np.array([[-108.0, NAN], [-112.0, -109.0], [-104.0, -115.0]])
    thresholds = np.array([-110.0, -110.0, -105.0])
    draws = medians[:, :, None] + rng.normal(0, 6, (3, 2, 200_000))
    covered = (draws >= thresholds[:, None, None]).sum(axis=0)
    for k in (1, 2, 3):
        expected = (covered >= k).mean(axis=1)
        got = gaps.probability_at_least(medians, thresholds, 6.0, k)
        assert np.allclose(got, expected, atol=0.004)


def test_causes_in_their_order() -> None:
    """What takes least to mend comes first; a cell that is served has none."""
    every = np.indices((2, 2, 2, 2)).reshape(4, -1).astype(bool)
    found = gaps.causes(every[0], outdoors=every[1], usual=every[2], near=every[3])
    for gap, outdoors, usual, near, cause in zip(*every, found, strict=True):
        reason = "indoors_only" if outdoors else "blocked" if usual or near else "no_site_near"
        assert gaps.CAUSES[cause] == (reason if gap else "")


def test_regions_by_hand() -> None:
    """Two regions of a 4 x 4 grid, one of them too small; reasons by people."""
    grid = Grid(0, 0, 25, 4, 4, "EPSG:6677")
    cells = cells_of([5.0, 9.0, 5.0, 5.0] * 4, 4)
    lack = np.full(16, -20.0)
    lack[[0, 1, 4, 5]] = 5.0  # north-west
    lack[[11, 14, 15, 10]] = 30.0  # south-east
    lack[3] = 10.0  # north-east, alone
    cause = np.full(16, gaps.BLOCKED, dtype=np.uint8)
    cause[[0, 4, 10, 11, 14]] = gaps.INDOORS_ONLY
    region, areas = gaps.regions(lack > 0, cells, grid, lack, cause, share=0.5)
    assert region[[0, 1, 4, 5]].tolist() == [0] * 4 and region[3] == -1
    assert areas["cells"].tolist() == [4, 4]
    assert areas["unmet_people"].tolist() == [14.0, 10.0]
    assert areas.area.tolist() == [2500.0, 2500.0] == areas["area_m2"].tolist()
    # Two cells of nine people outweigh two of five.
    assert areas["reason"].tolist() == ["blocked", "indoors_only"]
    assert areas["people_blocked"].tolist() == [9.0, 2.5]
    assert areas["people_indoors_only"].tolist() == [5.0, 7.5]
    assert areas["shortfall_db"].tolist() == [5.0, 30.0]
    assert areas.geometry.iloc[0].equals(shapely.box(0, -50, 50, 0))
    nobody = cells.assign(population=0.0)
    _, empty = gaps.regions(lack > 0, nobody, grid, lack, cause, least_cells=1)
    assert len(empty) == 3 and empty["area_m2"].sum() == 9 * 625
    # Where nobody lives, cells count: three of four; of two and two the one that is mended first.
    by_place = empty.set_index(empty.centroid.x.round().astype(int))["reason"]
    assert by_place.to_dict() == {25: "indoors_only", 88: "blocked", 75: "indoors_only"}
    _, slow = gaps.regions(lack > 0, cells, grid, lack)
    assert set(slow["reason"]) == {"capacity"} and "people_blocked" not in slow


def test_no_gap_no_region() -> None:
    grid = Grid(0, 0, 25, 1, 2, "EPSG:6677")
    cells = cells_of([1.0, 1.0])
    found = gaps.find(cells, {("a", "n78"): np.full(2, -80.0)}, {"n78": -110.0}, {"a": 1.0})
    assert found.empty
    none = np.zeros(2, dtype=bool)
    region, areas = gaps.regions(none, cells, grid, np.zeros(2), none.astype(np.uint8))
    assert areas.empty and region.tolist() == [-1, -1]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("threshold", [-110.3, -110.7, -95.1])
def test_a_signal_stored_as_just_the_threshold_is_no_gap(kind: type, threshold: float) -> None:
    """As an area of which a carrier declares no more than that it is served."""
    cells = cells_of([10.0, 20.0])
    stored = np.array([threshold, threshold - 0.01]).astype(kind)
    found = gaps.find(cells, {("a", "n78"): stored}, {"n78": threshold}, {"a": 1.0})
    assert found["cell_id"].astype(str).tolist() == ["c1"]
    served = gaps.carriers_serving({("a", "n78"): stored}, {"n78": threshold})
    assert served.tolist() == [1, 0]
