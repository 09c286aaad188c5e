"""Calibrated models: fitted to measurements, written for a scenario, read by a run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.measurements.estimator import REFERENCE_M, MeasuredCoverage
from tdh.radio.antenna import BEAMWIDTH_DEG, pattern_db
from tdh.radio.model import Model
from tdh.scenario import Scenario

_BUILDINGS = {None, "traditional", "efficient"}
_SECTORS_DEG = (0.0, 30.0, 90.0, 180.0)
"""Ahead of an antenna, beside it and behind it: what has to be measured to fit a pattern."""


def calibrate_model(X: pd.DataFrame, y: ArrayLike, base: Model | None = None) -> Model:
    """The model whose predictions fit measurements best: offsets of LOS and NLOS, slope, pattern.

    Parameters
    ----------
    X : DataFrame
        :func:`link_features` with ``predicted_dbm``, what ``base`` predicts with the antennas'
        pattern, and ``line_of_sight`` (bool), where it is known; without, one offset fits all.
    y : array_like, shape (n,)
        Measured SS-RSRP in dBm.
    base : Model, optional
        What is corrected.

    Returns
    -------
    Model
        For :func:`tdh.coverage.compute`, and for a run by :func:`write_model`. The blocked links'
        offset goes to both of their ways, around and over the edges, and the slope is common, so
        that predictions move by what was fitted; only that no blocked link may lose less than one
        in sight still holds. The antennas' horizontal beamwidth and their limit are fitted, in
        logarithms and held near the base's, where enough links lie ahead of, beside and behind the
        antennas (:data:`_SECTORS_DEG`); else they stay. Each pair of site and
        device has an offset of its own, shrunk to 0, that is not the model's.

    Raises
    ------
    InputError
        If there is no ``predicted_dbm``, or too little to learn from, as for
        :class:`MeasuredCoverage`.
    """
    base = base or Model()
    if "predicted_dbm" not in X.columns:
        raise InputError(
            Problem(Text("a column is missing", "列がありません"), expected="predicted_dbm")
        )
    signal, helper = np.asarray(y, dtype=float), MeasuredCoverage()
    helper._refuse_too_little(X, signal, helper._blocks(X))
    decades = np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0) / REFERENCE_M)
    seen = np.ones(len(X)) if "line_of_sight" not in X else X["line_of_sight"].to_numpy(float)
    number, names = pd.factorize(X["site"].astype("str") + "\n" + X["device"].astype("str"))
    error = X["predicted_dbm"].to_numpy(float) - signal
    off = X["off_deg"].to_numpy(float)
    has_sector = X["turn_deg"].notna().to_numpy()
    before = _horizontal_db(off, base.beamwidth_deg, base.pattern_limit_db)
    covers_pattern = _covers_pattern(off[has_sector])

    def rest(q: np.ndarray) -> np.ndarray:
        loss = q[0] * seen + q[1] * (1.0 - seen) + q[2] * decades
        gain = np.zeros(len(off))
        if covers_pattern:
            width, limit = _scaled(base, q[3:5])
            gain = np.where(has_sector, _horizontal_db(off, width, limit) - before, 0.0)
        # A kind of link that was hardly measured keeps near the other's offset.
        prior = np.array([0.5 * (q[0] - q[1]), 0.5 * q[2], *(20.0 * q[3:5])])
        return np.concatenate([error + gain - loss - q[5:][number], prior, 3.0 * q[5:]])

    found = least_squares(rest, np.zeros(5 + len(names)), loss="soft_l1", f_scale=8.0).x
    common = float(found[5:].mean())
    width, limit = _scaled(base, found[3:5] if covers_pattern else np.zeros(2))
    los, nlos, slope = float(found[0]) + common, float(found[1]) + common, float(found[2])
    return replace(
        base,
        beamwidth_deg=width,
        pattern_limit_db=limit,
        los_offset_db=base.los_offset_db + los,
        nlos_offset_db=base.nlos_offset_db + nlos,
        diffraction_offset_db=base.diffraction_offset_db + nlos - los,
        los_slope_db=base.los_slope_db + slope,
        nlos_slope_db=base.nlos_slope_db + slope,
    )


def _horizontal_db(off_deg: np.ndarray, width_deg: float, limit_db: float) -> np.ndarray:
    """The pattern at the horizon (:func:`tdh.radio.antenna.pattern_db`)."""
    return pattern_db(off_deg, 0.0, 0.0, (width_deg, BEAMWIDTH_DEG, limit_db))


def _scaled(base: Model, logs: np.ndarray) -> tuple[float, float]:
    """Beamwidth (at most a whole turn) and limit of a base, each times a power of e."""
    width = min(base.beamwidth_deg * float(np.exp(logs[0])), 360.0)
    return width, base.pattern_limit_db * float(np.exp(logs[1]))


def _covers_pattern(off_deg: np.ndarray) -> bool:
    """Whether a twentieth of the links, and ten, lie in each of the sectors."""
    counts = np.histogram(off_deg, _SECTORS_DEG)[0]
    return bool((counts >= max(10.0, 0.05 * off_deg.size)).all())


def write_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model as JSON, for ``[coverage] calibration`` of a scenario."""
    with atomic(path) as draft:
        draft.write_text(json.dumps(asdict(model), indent=1) + "\n", encoding="utf-8")


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read what :func:`write_model` wrote; what is left out keeps its default.

    Raises
    ------
    InputError
        If it is not such a file, or holds a key or value that a model does not have.
    """
    known = {f.name: f.default for f in fields(Model)}
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("not a table")
        for key, value in told.items():
            if key not in known:
                raise ValueError(f"{key}: unknown")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if isinstance(known[key], float) and not (number and np.isfinite(value)):
                raise ValueError(f"{key}: {value!r}")
            if isinstance(known[key], bool) and not isinstance(value, bool):
                raise ValueError(f"{key}: {value!r}")
        if not {told.get("indoor"), told.get("indoor_cells", "traditional")} <= _BUILDINGS:
            raise ValueError(f"indoor: {told.get('indoor')!r}, {told.get('indoor_cells')!r}")
        return Model(**told)
    except (OSError, ValueError) as error:
        raise InputError(
            Problem(
                Text("it does not hold a model", "予測モデルのファイルではありません"),
                value=str(error),
                expected=", ".join(known),
                where=Path(path).name,
            )
        ) from error


def model_of(scenario: Scenario) -> Model:
    """How a scenario's signals are predicted: its calibration, or the model as it is."""
    path = scenario.coverage.calibration
    return Model() if path is None else read_model(path)
