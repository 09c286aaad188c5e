"""How many people may be expected to be covered: probabilities instead of yes or no.

A signal is predicted as a median; around it places fade. P(covered) of a carrier at a cell is
Φ((level − threshold)/σ) of its best server:

* predicted and estimated: σ is ``goals.shadowing_db``, 6 dB (TR 38.901, table 7.4.1-1, UMa without
  line of sight, which is the state of nearly all cells near the threshold);
* measured: the level is the median of points in the cell; σ is :data:`MEASURED_DB`;
* declared: taken at its word, 1 where the area says served and 0 where it says not. A declaration
  names no probability;
* nothing received: 0.

A carrier's bands at one place share site and obstacles: the best of them counts, as if they faded
as one. So do its sites: a second site that could stand in is not counted, which errs on the low
side. Carriers stand on different sites: their fading is correlated by
``goals.shadowing_correlation``, 0.5 as between sites in LTE studies (SEAMCAT Handbook,
9.11: 0.5 between sites, 1 between the sectors of one). The spread of P.2109's entry loss indoors is
not counted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from tdh import gaps, schemas
from tdh.present import CODES
from tdh.results import Run, When

MEASURED_DB = 5.2
"""Scatter of one phone's median of a 10 m square, from squares that two visited at 3.6 GHz: half the
variance of their difference of 7.4 dB (docs/measurements.md)."""


def of_run(run: Run) -> pd.DataFrame:
    """Expected people covered, before and after the plan (table ``expected_people``).

    Rows are each carrier's bands, each carrier, ``any`` carrier and ``at_least_k`` carriers for
    the scenario's ``goals.at_least``.
    """
    whole, _ = counted(run)
    return whole


def counted(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables ``expected_people`` and, of all bands together, ``expected_municipalities``."""
    carriers = [c.id for c in run.carriers]
    several = {c: [b for owner, b in run.bands if owner == c] for c in carriers}
    least = [k for k in run.scenario.goals.at_least if k <= len(carriers)]
    found = _Sums(run)
    for when in ("before", "after"):
        best = np.full((len(carriers), len(run.cells)), np.nan, dtype=np.float32)
        served = np.zeros(best.shape, dtype=bool)
        for number, carrier in enumerate(carriers):
            for band in several[carrier]:
                own, yes = _margins(run, (carrier, band), when)
                if len(several[carrier]) > 1:
                    found.add((carrier, band), when, yes, ndtr(np.nan_to_num(own, nan=-np.inf)))
                np.fmax(best[number], own, out=best[number])
                served[number] |= yes
            single = gaps.probability_of_margins(best[number : number + 1])
            found.add((carrier, ""), when, served[number], single)
        count = served.sum(axis=0)
        for k in least:
            together = gaps.probability_of_margins(
                best, k, run.scenario.goals.shadowing_correlation
            )
            found.add(("any" if k == 1 else f"at_least_{k}", ""), when, count >= k, together)
    return found.whole(), found.municipalities()


class _Sums:
    """People by yes or no and by probability, of the whole area and of each municipality."""

    def __init__(self, run: Run) -> None:
        self.people = run.cells["population"].to_numpy(float)
        self.at, codes = pd.factorize(run.cells["municipality_code"], sort=True)
        self.codes = pd.Index(codes, dtype="str")
        self.names = run.municipalities["municipality"]
        self.sums: dict[tuple[str, str], dict[str, np.ndarray]] = {}

    def add(
        self, who: tuple[str, str], when: str, served: np.ndarray, probability: np.ndarray
    ) -> None:
        row = self.sums.setdefault(who, {})
        row[f"covered_{when}"] = self._of(self.people * served)
        row[f"expected_{when}"] = self._of(self.people * probability)

    def _of(self, people: np.ndarray) -> np.ndarray:
        """Sums of the municipalities, then of cells in none: float64, (n_municipalities + 1,)."""
        return np.bincount(self.at % (len(self.codes) + 1), people, minlength=len(self.codes) + 1)

    def whole(self) -> pd.DataFrame:
        rows = [
            {"carrier_id": who, "band": band, "people": float(self.people.sum())}
            | {name: float(values.sum()) for name, values in columns.items()}
            for (who, band), columns in self.sums.items()
        ]
        return schemas.conform(pd.DataFrame(rows), "expected_people")

    def municipalities(self) -> pd.DataFrame:
        n = len(self.codes)
        frames = [
            pd.DataFrame(
                {
                    "carrier_id": who,
                    "municipality_code": self.codes,
                    "municipality": self.codes.map(self.names.to_dict()),
                    "people": self._of(self.people)[:n],
                    **{name: values[:n] for name, values in columns.items()},
                }
            )
            for (who, band), columns in self.sums.items()
            if band == ""
        ]
        return schemas.conform(pd.concat(frames, ignore_index=True), "expected_municipalities")


def _margins(run: Run, key: tuple[str, str], when: When) -> tuple[np.ndarray, np.ndarray]:
    """A band's margin to its threshold in standard deviations, and who is served by yes or no."""
    row, col = run.cells["row"].to_numpy(), run.cells["col"].to_numpy()
    threshold = run.bands[key].covered_dbm
    level = run.signal(*key)[row, col]
    margin = (level - np.float32(threshold)) / np.float32(run.scenario.goals.shadowing_db)
    evidence = run.evidence(*key)
    if evidence is not None:
        source = evidence[row, col]
        measured = source == CODES["measured"]
        margin[measured] = (level[measured] - threshold) / MEASURED_DB
        declared = source == CODES["declared"]
        margin[declared] = np.where(level[declared] >= threshold, np.inf, -np.inf)
    if when == "after":
        # Where the plan is stronger it adds its own way; today's stays.
        after = run.signal(*key, "after")[row, col]
        better = (after > level) | (np.isnan(level) & ~np.isnan(after))
        new = (after - np.float32(threshold)) / np.float32(run.scenario.goals.shadowing_db)
        margin[better] = np.fmax(margin[better], new[better])
        level = np.fmax(level, after)
    return margin, level >= threshold
