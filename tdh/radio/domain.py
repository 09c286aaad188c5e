"""The range in which a model holds, and what to do outside it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tdh.errors import DomainError, Problem
from tdh.language import Text

Outside = Literal["error", "warn", "ignore"]
"""What to do with values outside a model's range."""


class RangeWarning(UserWarning):
    """A model was used outside the range that its source gives."""


def beyond(
    name: str, values: ArrayLike, low: float, high: float, unit: str, clause: str
) -> Problem | None:
    """The problem with values outside ``low..high``, or None. NaN counts as outside.

    >>> print(beyond("frequency", [0.1, 5], 0.5, 100, "GHz", "TR 38.901, 7.4.1"))
    TR 38.901, 7.4.1: frequency is outside the model's range: 0.1 (expected: 0.5 to 100 GHz)
    """
    array = np.asarray(values, dtype=float)
    bad = ~((array >= low) & (array <= high))
    if not bad.any():
        return None
    return Problem(
        Text("{name} is outside the model's range", "{name} がモデルの適用範囲外です", name=name),
        value=float(array[bad].flat[0]) if array.ndim else float(array),
        expected=f"{low:g} to {high:g} {unit}".rstrip(),
        where=clause,
    )


def apply(outside: Outside, problems: Sequence[Problem | None]) -> None:
    """Raise, warn or say nothing.

    Raises
    ------
    DomainError
        With all problems, where ``outside`` is ``"error"``.
    """
    found = [p for p in problems if p is not None]
    if not found or outside == "ignore":
        return
    if outside == "error":
        raise DomainError(*found)
    for problem in found:
        warnings.warn(str(problem), RangeWarning, stacklevel=3)


def choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is not one of the known ones.

    Raises
    ------
    DomainError
        If it is not.
    """
    if value not in allowed:
        raise DomainError(
            Problem(
                Text("{name} is not known", "{name} は使えない値です", name=name),
                value=value,
                expected=", ".join(allowed),
            )
        )
