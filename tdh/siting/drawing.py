"""Random numbers in compiled code: the same on every machine, and whatever else draws."""

from __future__ import annotations

import numba
import numpy as np

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_njit
def draw(state):  # type: ignore[no-untyped-def]
    """The next 64 bits of the xorshift sequence in ``state`` (Marsaglia 2003)."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return x


@_njit
def scale(bits, n):  # type: ignore[no-untyped-def]
    """A number from 0 to n − 1, from 32 random bits."""
    return np.int64(((bits & np.uint64(0xFFFFFFFF)) * np.uint64(n)) >> np.uint64(32))


@_njit
def below(state, n):  # type: ignore[no-untyped-def]
    """A random number from 0 to n − 1."""
    return scale(draw(state) >> np.uint64(32), n)
