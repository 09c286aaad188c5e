"""How loss is predicted, and what a calibration may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tdh.errors import DomainError, Problem
from tdh.language import Text
from tdh.radio.antenna import BEAMWIDTH_DEG, LIMIT_DB

LEAST_DECADE_DB = 20.0
"""What the laws in sight lose per decade of distance, at least (TR 38.901, table 7.4.1-1)."""


@dataclass(frozen=True)
class Model:
    """How loss is predicted, and what a calibration may change.

    Parameters
    ----------
    diffraction : bool
        Whether blocked links gain by diffraction over the controlling edges (P.526 Bullington).
        Without it they follow the NLOS law alone.
    diffraction_offset_db : float
        Added to the diffraction loss before the two ways are summed.
    diffraction_weight_uma, diffraction_weight_umi, diffraction_weight_rma : float
        Factors of the diffraction loss, by the environment of the site: over the roofs, along the
        streets, in the country.
    los_offset_db, nlos_offset_db : float
        Added to the LOS and the NLOS law.
    los_slope_db, nlos_slope_db : float
        Added per decade of distance, zero at 100 m.
    own_building_m : float
        Antennas of a site stand at the edges of its roof, wherever its point lies: the roof that
        the point lies on does not block within this distance. The same holds for the building
        around an indoor receiver, which is charged by P.2109 instead.
    rain_rate_mm_h : float
        Rain along the whole path (P.838, vertical polarisation); 0: none.
    indoor : {None, "traditional", "efficient"}
        Predict for receivers inside buildings: entry loss by P.2109 everywhere.
    indoor_cells : {"traditional", "efficient"}
        The kind of building in cells that have no open place.
    entry_percent : float
        Percentage of P.2109: the entry loss that is not exceeded.
    clutter_percent : float
        Percentage of P.2108, where there is no surface.
    beamwidth_deg, vertical_beamwidth_deg : float
        Half-power beamwidths of the antennas (:func:`tdh.radio.antenna.pattern_db`).
    pattern_limit_db : float
        Their side-lobe and front-to-back limit.
    """

    diffraction: bool = True
    diffraction_offset_db: float = 0.0
    diffraction_weight_uma: float = 1.0
    diffraction_weight_umi: float = 1.0
    diffraction_weight_rma: float = 1.0
    los_offset_db: float = 0.0
    nlos_offset_db: float = 0.0
    los_slope_db: float = 0.0
    nlos_slope_db: float = 0.0
    own_building_m: float = 40.0
    rain_rate_mm_h: float = 0.0
    indoor: Literal["traditional", "efficient"] | None = None
    indoor_cells: Literal["traditional", "efficient"] = "traditional"
    entry_percent: float = 50.0
    clutter_percent: float = 50.0
    beamwidth_deg: float = BEAMWIDTH_DEG
    vertical_beamwidth_deg: float = BEAMWIDTH_DEG
    pattern_limit_db: float = LIMIT_DB

    @property
    def pattern(self) -> tuple[float, float, float]:
        """Horizontal and vertical half-power beamwidth in degrees, and the limit in dB."""
        wide, high = float(self.beamwidth_deg), float(self.vertical_beamwidth_deg)
        return wide, high, float(self.pattern_limit_db)

    @property
    def diffraction_weights(self) -> dict[str, float]:
        """Factor of the diffraction loss by environment."""
        return {
            "UMa": float(self.diffraction_weight_uma),
            "UMi": float(self.diffraction_weight_umi),
            "RMa": float(self.diffraction_weight_rma),
        }

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in self.pattern):
            raise DomainError(
                Problem(
                    Text(
                        "beamwidths and the pattern's limit must be positive",
                        "ビーム幅と指向性の下限は正の数でなければなりません",
                    ),
                    value=self.pattern,
                )
            )
        if not all(np.isfinite(w) and w >= 0 for w in self.diffraction_weights.values()):
            raise DomainError(
                Problem(
                    Text(
                        "weights of diffraction must not be negative",
                        "回折損失の係数は負にできません",
                    ),
                    value=self.diffraction_weights,
                )
            )
        if min(self.los_slope_db, self.nlos_slope_db) <= -LEAST_DECADE_DB:
            raise DomainError(
                Problem(
                    Text(
                        "signals would not fall with distance",
                        "距離が離れても信号が弱くならないモデルです",
                    ),
                    value=(self.los_slope_db, self.nlos_slope_db),
                    expected=f"> {-LEAST_DECADE_DB:g} dB",
                    where="los_slope_db, nlos_slope_db",
                    fix=Text(
                        "of a drive test: do rows name the right site, and are positions right?",
                        "走行測定の局名と位置が正しいか確かめてください",
                    ),
                )
            )
        if not (self.rain_rate_mm_h >= 0 and self.own_building_m >= 0):
            raise DomainError(
                Problem(
                    Text(
                        "rain rate and distances must not be negative",
                        "降雨強度と距離は負にできません",
                    ),
                    value=(self.rain_rate_mm_h, self.own_building_m),
                )
            )
