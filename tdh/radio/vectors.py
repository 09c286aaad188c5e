"""Mathematics for compiled loops over arrays, in single precision.

Plain steps over arrays: the compiler turns them into vector instructions, which it cannot do with
calls into a library of mathematics.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")

# log2 over [1, 2] in powers, within 2e-7: what is left is single precision's own rounding.
_LOG2 = (
    np.polynomial.Chebyshev.interpolate(np.log2, 9, domain=[1.0, 2.0])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)

# Abramowitz and Stegun's 4.4.49: the arc tangent of 0 to 1 within 1e-5, here in degrees.
_ATAN = np.degrees([0.9998660, -0.3302995, 0.1801410, -0.0851330, 0.0208351]).astype(np.float32)


@intrinsic
def largest(typing_context: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    """The greater of two float32, neither NaN, as the compiler's own instruction.

    A running ``max`` of Python's semantics keeps a loop from being turned into vector instructions;
    this one does not. Largest values do not depend on the order in which they are found.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(
            "llvm.maxnum", [kind], ir.FunctionType(kind, [kind, kind])
        )
        return builder.call(function, arguments, fastmath=("nnan", "ninf", "nsz"))

    return types.float32(types.float32, types.float32), generate


@_njit
def bearing_deg(y, x):  # type: ignore[no-untyped-def]
    """The angle of (x, y) from the x axis in degrees, −180 to 180, within 0.001°.

    Half the time of the exact arc tangent; the polynomial is Abramowitz and Stegun's 4.4.49.
    """
    a, b = abs(x), abs(y)
    high = max(a, b)
    if high == 0.0:
        return 0.0
    q = min(a, b) / high
    s = q * q
    angle = q * (0.9998660 + s * (-0.3302995 + s * (0.1801410 + s * (-0.0851330 + s * 0.0208351))))
    if b > a:
        angle = 0.5 * math.pi - angle
    if x < 0.0:
        angle = math.pi - angle
    return math.copysign(angle * (180.0 / math.pi), y)


@_njit
def log2_of(values, whole, rest, out, n):  # type: ignore[no-untyped-def]
    """log2 of positive float32 values; ``whole`` int32 and ``rest`` float32 are for work."""
    bits, rest_bits = values.view(np.int32), rest.view(np.int32)
    for i in range(n):
        whole[i] = (bits[i] >> 23) - 127
        rest_bits[i] = (bits[i] & 0x7FFFFF) | 0x3F800000
    for i in range(n):
        m = rest[i]
        total = _LOG2[9]
        for k in range(8, -1, -1):
            total = total * m + _LOG2[k]
        out[i] = total + np.float32(whole[i])


@_njit
def angles_deg(y, x, out, n):  # type: ignore[no-untyped-def]
    """:func:`bearing_deg` of float32 arrays."""
    for i in range(n):
        a, b = abs(x[i]), abs(y[i])
        q = min(a, b) / max(max(a, b), np.float32(1e-20))
        t = q * q
        angle = q * (_ATAN[0] + t * (_ATAN[1] + t * (_ATAN[2] + t * (_ATAN[3] + t * _ATAN[4]))))
        angle = np.float32(90.0) - angle if b > a else angle
        angle = np.float32(180.0) - angle if x[i] < 0 else angle
        out[i] = -angle if y[i] < 0 else angle
