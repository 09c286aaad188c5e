"""What the compiled core looks up per band: each law of a Recommendation as constants or a table."""

from __future__ import annotations

import numpy as np

from tdh.radio import p838, p2108, p2109, tr38901
from tdh.radio.model import Model

CLUTTER_STEP_M = 10.0


def law_constants(
    environments: np.ndarray,
    bs_height_m: np.ndarray,
    frequency_ghz: float,
    ut_height_m: float,
    model: Model,
) -> np.ndarray:
    """TR 38.901's lines for each site with the model's offsets, float64 (n_sites, 9).

    Columns as :class:`tdh.radio.tr38901.Coefficients`, then the weight of diffraction;
    ``environments`` holds positions in ``tr38901.SCENARIOS``.
    """
    out = np.empty((len(environments), 9))
    for position, scenario in enumerate(tr38901.SCENARIOS):
        rows = environments == position
        if rows.any():
            law = tr38901.coefficients(scenario, frequency_ghz, bs_height_m[rows], ut_height_m)
            out[rows, :8] = np.stack(law, axis=1)
            out[rows, 8] = model.diffraction_weights[scenario]
    for column, offset, slope in (
        (0, model.los_offset_db, model.los_slope_db),
        (4, model.los_offset_db, model.los_slope_db),
        (6, model.nlos_offset_db, model.nlos_slope_db),
    ):
        out[:, column] += offset - 2.0 * slope
        out[:, column + 1] += slope
    return out


def entry_table(frequency_ghz: float, building: p2109.Building, percent: float) -> np.ndarray:
    """P.2109 loss in dB for elevations of 0 to 90 degrees, float32 (91,)."""
    return p2109.building_entry_loss_db(
        frequency_ghz, percent, building, np.arange(91.0), outside="warn"
    ).astype(np.float32)


def rain_db_per_m(frequency_ghz: float, model: Model) -> float:
    """Rain's attenuation per metre; none below 1 GHz, where P.838 ends and rain does nothing."""
    if model.rain_rate_mm_h == 0 or frequency_ghz < 1.0:
        return 0.0
    rate = p838.specific_attenuation_db_per_km(frequency_ghz, model.rain_rate_mm_h, "V")
    return float(rate) / 1000.0


def clutter_table(frequency_ghz: float, longest_m: float, percent: float) -> np.ndarray:
    """P.2108 loss in dB in steps of 10 m, 0 below its 250 m, float32."""
    distance_m = np.arange(0.0, longest_m + 2 * CLUTTER_STEP_M, CLUTTER_STEP_M)
    loss = np.zeros_like(distance_m)
    far = distance_m >= 250.0
    if far.any():
        loss[far] = p2108.terrestrial_clutter_loss_db(
            frequency_ghz, distance_m[far] / 1000.0, percent, outside="warn"
        )
    return loss.astype(np.float32)


def los_probability_table(longest_m: float, ut_height_m: float) -> np.ndarray:
    """LOS probability by scenario in steps of 1 m, float32 (3, n)."""
    distance_m = np.arange(0.0, longest_m + 2.0)
    rows = [tr38901.los_probability(s, distance_m, ut_height_m) for s in tr38901.SCENARIOS]
    return np.stack(rows).astype(np.float32)
