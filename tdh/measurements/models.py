"""Files of calibrated models: written for a scenario, read by a run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.measurements.kinds import Kinds
from tdh.radio.model import Model
from tdh.scenario import Scenario

_LEARNT_FROM = "learnt_from"
_BUILDINGS = ("traditional", "efficient")
_MOST = 1000.0
"""No number of a model is larger."""


def write_model(model: Model, path: str | os.PathLike[str], X: pd.DataFrame | None = None) -> None:
    """Write a model as JSON, for ``[coverage] calibration`` of a scenario.

    Parameters
    ----------
    model : Model
    path : path
    X : DataFrame, optional
        The links that it was calibrated by: the file then tells which kinds of links those were
        (:class:`tdh.measurements.kinds.Kinds`; no places), and a run says where it meets others.
    """
    told = asdict(model)
    if X is not None:
        told[_LEARNT_FROM] = Kinds.of(X).told()
    with atomic(path) as draft:
        draft.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read the model that :func:`write_model` wrote; what is left out keeps its default.

    Raises
    ------
    InputError
        If it is not such a file, or holds a key or value that a model does not have.
    """
    return _read(path)[0]


def read_kinds(path: str | os.PathLike[str]) -> Kinds | None:
    """The kinds of links that a file's model was calibrated by; None where it does not say.

    Raises
    ------
    InputError
        As :func:`read_model`.
    """
    return _read(path)[1]


def _read(path: str | os.PathLike[str]) -> tuple[Model, Kinds | None]:
    known = {f.name: f.default for f in fields(Model)}
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("not a table")
        kinds = Kinds.from_told(told.pop(_LEARNT_FROM)) if _LEARNT_FROM in told else None
        for key, value in told.items():
            if key not in known:
                raise ValueError(f"{key}: unknown")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if isinstance(known[key], float) and not (number and abs(value) <= _MOST):
                raise ValueError(f"{key}: {value!r}")
            if isinstance(known[key], bool) and not isinstance(value, bool):
                raise ValueError(f"{key}: {value!r}")
        for key, allowed in (("indoor", (None, *_BUILDINGS)), ("indoor_cells", _BUILDINGS)):
            if told.get(key, known[key]) not in allowed:
                raise ValueError(f"{key}: {told[key]!r}")
        return Model(**told), kinds
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
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


def kinds_of(scenario: Scenario) -> Kinds | None:
    """The kinds of links that a scenario's calibration tells; None without, or if it tells none."""
    path = scenario.coverage.calibration
    return None if path is None else read_kinds(path)
