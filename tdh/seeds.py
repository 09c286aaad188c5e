"""Seeds of what is drawn at random: one range that every generator takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tdh.errors import InputError, Problem
from tdh.language import Text

LARGEST = 2**32 - 1
"""scikit-learn takes no larger seed."""


def whole(seed: Any, largest: int | None = LARGEST) -> int:
    """A seed as an int.

    Parameters
    ----------
    seed : int
        From 0.
    largest : int or None
        None: whatever is published, for lotteries that need no generator.

    Raises
    ------
    InputError
        If it is anything else: a generator would say so in words of its own, or cut it down.

    Examples
    --------
    >>> whole(7)
    7
    >>> whole(-1)
    Traceback (most recent call last):
    tdh.errors.InputError: seed: a seed is a whole number from 0: -1 (expected: 0 … 4294967295)
    """
    integer = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if integer and seed >= 0 and (largest is None or seed <= largest):
        return int(seed)
    raise InputError(
        Problem(
            Text("a seed is a whole number from 0", "シードは0以上の整数です"),
            value=repr(seed) if isinstance(seed, str) or seed is None else seed,
            expected=">= 0" if largest is None else f"0 … {largest}",
            where="seed",
        )
    )
