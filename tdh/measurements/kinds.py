"""Which kinds of links a calibration has seen: what a run needs to say where not to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

STEP_DECADES = 0.15
STEP_OFF_DEG = 20.0
LEAST_LINKS = 5


@dataclass(frozen=True)
class Kinds:
    """Kinds of links of which at least :data:`LEAST_LINKS` were measured.

    A kind is a step of distance (a factor of 1.41), 20° off boresight, and whether the link is in
    line of sight.

    Parameters
    ----------
    measured : frozenset of (int, int, bool)
        Steps of distance from 1 m, and of angle, and line of sight.

    Examples
    --------
    >>> links = {"distance_m": [100.0] * 5 + [900.0], "off_deg": 10.0, "line_of_sight": True}
    >>> kinds = Kinds.of(pd.DataFrame(links))
    >>> kinds.like(np.array([105.0, 900.0]), np.array([3.0, 10.0]), np.array([True, True])).tolist()
    [True, False]
    """

    measured: frozenset[tuple[int, int, bool]] = frozenset()

    @classmethod
    def of(cls, X: pd.DataFrame) -> Kinds:
        """The kinds of measured links.

        Parameters
        ----------
        X : DataFrame
            As for :func:`tdh.measurements.calibrate_model`. Links ``indoors`` do not count; without
            ``line_of_sight`` each counts as either.
        """
        if "indoors" in X.columns:
            X = X[~X["indoors"].astype(bool)]
        far, off = _steps(X["distance_m"].to_numpy(float), X["off_deg"].to_numpy(float))
        found: set[tuple[int, int, bool]] = set()
        for sight in (False, True):
            own = np.ones(len(X), dtype=bool)
            if "line_of_sight" in X.columns:
                own = X["line_of_sight"].to_numpy(bool) == sight
            kinds, counts = np.unique(
                np.column_stack([far[own], off[own]]), axis=0, return_counts=True
            )
            found |= {(int(f), int(o), sight) for f, o in kinds[counts >= LEAST_LINKS]}
        return cls(frozenset(found))

    def like(self, distance_m: np.ndarray, off_deg: np.ndarray, sight: np.ndarray) -> np.ndarray:
        """Whether each link is of a measured kind: bool (n,)."""
        far, off = _steps(distance_m, off_deg)
        links = zip(far.tolist(), off.tolist(), sight.tolist(), strict=True)
        return np.array([kind in self.measured for kind in links], dtype=bool)

    def told(self) -> dict[str, Any]:
        """What a file of a model says of them."""
        return {
            "distance_step_decades": STEP_DECADES,
            "off_boresight_step_deg": STEP_OFF_DEG,
            "kinds": [[f, o, int(s)] for f, o, s in sorted(self.measured)],
        }

    @classmethod
    def from_told(cls, told: Any) -> Kinds:
        """What a file says.

        Raises
        ------
        ValueError
            If it is not what :meth:`told` makes.
        """
        steps = {"distance_step_decades": STEP_DECADES, "off_boresight_step_deg": STEP_OFF_DEG}
        if not isinstance(told, dict) or {k: told.get(k) for k in steps} != steps:
            raise ValueError(f"learnt_from: {steps} expected")
        kinds = told.get("kinds")
        if not isinstance(kinds, list) or not all(
            isinstance(kind, list)
            and len(kind) == 3
            and all(type(v) is int for v in kind)
            and kind[2] in (0, 1)
            for kind in kinds
        ):
            raise ValueError("learnt_from: kinds")
        return cls(frozenset((f, o, bool(s)) for f, o, s in kinds))


def _steps(distance_m: np.ndarray, off_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    far = np.floor(np.log10(np.maximum(distance_m, 1.0)) / STEP_DECADES).astype(int)
    return far, np.floor(off_deg / STEP_OFF_DEG).astype(int)
