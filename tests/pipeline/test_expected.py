"""Expected people against Monte Carlo, and against the tables of a whole run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from tdh import gaps
from tdh.pipeline import expected
from tdh.present import CODES
from tdh.radio import bands
from tdh.results import Run

N = 6
BANDS = {
    ("a", "n78"): bands.get("n78"),
    ("a", "n257"): bands.get("n257"),
    ("b", "n78"): bands.get("n78"),
}


class Town:
    """Six cells in a row, two carriers, one of them with two bands."""

    def __init__(self) -> None:
        self.carriers = [SimpleNamespace(id="a"), SimpleNamespace(id="b")]
        self.bands = BANDS
        self.cells = pd.DataFrame(
            {
                "row": 0,
                "col": np.arange(N),
                "population": [10.0, 20.0, 30.0, 40.0, 50.0, 0.0],
                "municipality_code": ["13102", "13101", "13101", "13102", None, "13101"],
            }
        )
        self.municipalities = pd.DataFrame(
            {"municipality": ["East", "West"]}, index=["13101", "13102"]
        )
        self.scenario: Any = SimpleNamespace(
            goals=SimpleNamespace(at_least=[1, 2, 3], shadowing_db=6.0, shadowing_correlation=0.5)
        )
        nan = np.nan
        # Margins to thresholds in dB, before and after the plan.
        margins = {
            ("a", "n78"): ([0, 6, -6, nan, 12, nan], [0, 6, 9, nan, 12, nan]),
            ("a", "n257"): ([-6, 12, nan, -3, nan, nan], [-6, 12, nan, -3, nan, nan]),
            ("b", "n78"): ([3, 3, -12, nan, 0, nan], [3, 3, -12, 3, 6, nan]),
        }
        self.margins = {
            (*key, when): np.array(own, dtype=np.float32)
            for key, pair in margins.items()
            for when, own in zip(("before", "after"), pair, strict=True)
        }
        self.sources = {key: np.full((1, N), CODES["predicted"], np.uint8) for key in BANDS}

    def signal(self, carrier: str, band: str, when: str = "before") -> np.ndarray:
        level = BANDS[carrier, band].covered_dbm + self.margins[carrier, band, when]
        return np.asarray(level, dtype=np.float32)[None, :]

    def evidence(self, carrier: str, band: str) -> np.ndarray:
        return self.sources[carrier, band]

    def table(self) -> pd.DataFrame:
        run: Any = self
        return expected.of_run(run).set_index(["carrier_id", "band"])


def simulated(town: Town, when: str, draws: int = 400_000) -> dict[str, float]:
    """Expected people by drawing: a common part and one of each carrier, bands fading as one."""
    rng = np.random.default_rng(7)
    people = town.cells["population"].to_numpy()
    common = rng.standard_normal((draws, 1)) * np.sqrt(0.5)
    count = np.zeros((draws, N), dtype=int)
    found = {}
    for carrier in ("a", "b"):
        fade = 6.0 * (common + np.sqrt(0.5) * rng.standard_normal((draws, 1)))
        served = np.zeros((draws, N), dtype=bool)
        for owner, band in BANDS:
            if owner == carrier:
                served |= town.margins[owner, band, when] + fade >= 0
        found[carrier] = float(served.mean(axis=0) @ people)
        count += served
    found["any"] = float((count >= 1).mean(axis=0) @ people)
    found["at_least_2"] = float((count >= 2).mean(axis=0) @ people)
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_against_monte_carlo(when: str) -> None:
    town = Town()
    table = town.table()
    assert (table["people"] == 150.0).all()
    for who, people in simulated(town, when).items():
        assert table.loc[(who, ""), f"expected_{when}"] == pytest.approx(people, abs=0.4)
    assert "at_least_3" not in table.index.get_level_values(0)  # there are two carriers


def test_by_hand() -> None:
    table = Town().table()
    # a in n78: margins 0, 6, −6 and 12 dB in the inhabited cells; yes or no counts 10 + 20 + 50.
    of = norm.cdf([0.0, 1.0, -1.0, 2.0]) @ [10, 20, 30, 50]
    assert table.loc[("a", "n78"), "expected_before"] == pytest.approx(of, rel=1e-6)
    assert table.loc[("a", "n78"), "covered_before"] == 80.0
    assert table.loc[("a", "n78"), "covered_after"] == 110.0
    assert table.loc[("any", ""), "covered_before"] == 80.0
    assert table.loc[("at_least_2", ""), "covered_before"] == 80.0
    assert table.loc[("any", ""), "covered_after"] == 150.0
    assert set(table.xs("b").index) == {""}  # one band: told once


def test_municipalities_by_hand() -> None:
    """One cell of 50 people lies in no municipality: it counts to the whole alone."""
    run: Any = Town()
    whole, local = expected.counted(run)
    table = local.set_index(["carrier_id", "municipality"])
    assert table.loc["any", "people"].to_dict() == {"East": 50.0, "West": 50.0}
    # a in n78: margins of 6 and −6 dB in the east (20 and 30 people), 0 and nothing in the west;
    # in n257, which is better where it is told, 12 dB where 20 live and −3 where 40 do.
    east = norm.cdf([2.0, -1.0]) @ [20, 30]
    west = norm.cdf([0.0, -0.5]) @ [10, 40]
    of = table.loc["a", "expected_before"].to_dict()
    assert of == pytest.approx({"East": east, "West": west}, rel=1e-6)
    assert table.loc["a", "covered_before"].to_dict() == {"East": 20.0, "West": 10.0}
    assert table.loc["a", "covered_after"].to_dict() == {"East": 50.0, "West": 10.0}
    every = whole.set_index(["carrier_id", "band"]).loc[("a", ""), "covered_after"]
    assert every == 110.0


def test_declared_is_certain_measured_has_its_own_spread() -> None:
    town = Town()
    town.sources["b", "n78"][0, :] = CODES["declared"]
    # Declared at the threshold or above is served, below it is not, whatever the margin.
    assert town.table().loc[("b", ""), "expected_before"] == 10.0 + 20.0 + 50.0
    # The plan serves a cell that is declared not to be: by its own probability.
    after = town.table().loc[("b", ""), "expected_after"]
    assert after == pytest.approx(80.0 + 40.0 * norm.cdf(0.5), rel=1e-6)
    town.sources["b", "n78"][0, :] = CODES["measured"]
    of = norm.cdf(np.array([3.0, 3.0, -12.0, 0.0]) / expected.MEASURED_DB) @ [10, 20, 30, 50]
    assert town.table().loc[("b", ""), "expected_before"] == pytest.approx(of, rel=1e-6)


def test_correlated_probability_against_the_bivariate_normal() -> None:
    rng = np.random.default_rng(1)
    margins = rng.normal(0, 1.5, (2, 40))
    for rho in (0.2, 0.5, 0.8):
        joint = np.array(
            [norm_2d(a, b, rho) for a, b in margins.T]  # both are served
        )
        both = gaps.probability_of_margins(margins, 2, rho, chunk=7)
        either = gaps.probability_of_margins(margins, 1, rho)
        single = norm.cdf(margins).sum(axis=0)
        assert np.allclose(both, joint, atol=2e-3)
        assert np.allclose(either, single - joint, atol=2e-3)
    # One signal's own probability does not depend on the correlation.
    alone = gaps.probability_of_margins(margins[:1], 1, 0.5)
    assert np.allclose(alone, norm.cdf(margins[0]), atol=1e-3)


def norm_2d(a: float, b: float, rho: float) -> float:
    from scipy.stats import multivariate_normal

    return float(multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([a, b]))


def test_certain_and_never() -> None:
    margins = np.array([[np.inf, np.nan, np.nan], [np.nan, np.nan, np.inf], [np.inf, np.nan, 0.0]])
    assert gaps.probability_of_margins(margins, 1, 0.5).tolist() == [1.0, 0.0, 1.0]
    assert gaps.probability_of_margins(margins, 2).tolist() == [1.0, 0.0, 0.5]


def test_in_a_run(demo_run: Run) -> None:
    table = demo_run.expected_people
    assert table is not None
    table = table.set_index(["carrier_id", "band"])
    assert {"any", "at_least_2", *(c.id for c in demo_run.carriers)} <= set(table.index.levels[0])
    assert (table["expected_after"] >= table["expected_before"] - 1e-6).all()
    whole = table.xs("", level="band")
    assert (whole["expected_after"] <= whole["people"]).all()
    assert whole.loc["any", "expected_before"] >= whole.loc["at_least_2", "expected_before"]
    people = demo_run.cells["population"].sum()
    unmet = demo_run.gaps.groupby("carrier_id", observed=True)["unmet_people"].sum()
    for carrier in demo_run.carriers:
        served = people - unmet[carrier.id] / carrier.market_share
        assert whole.loc[carrier.id, "covered_before"] == pytest.approx(served)
