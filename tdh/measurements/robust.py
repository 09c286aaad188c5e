"""Robust least squares of a law whose links have an offset of their own in each group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import least_squares

SCALE_DB = 8.0
"""Errors beyond count less than their square."""
HELD = 3.0
"""How strongly offsets are held to 0."""
_STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Fit:
    """What was found.

    Attributes
    ----------
    law : ndarray of float64, shape (n,)
    offsets : ndarray of float64, shape (k,)
    residual : ndarray of float64
        Of the links, the law's priors and the offsets' in turn.
    slopes : csr_array, shape (len(residual), n + k)
        Derivatives of the residual, each row as the loss damps it.
    """

    law: np.ndarray
    offsets: np.ndarray
    residual: np.ndarray
    slopes: sparse.csr_array


def fit(
    error: Callable[[np.ndarray], np.ndarray],
    prior: Callable[[np.ndarray], np.ndarray],
    group: np.ndarray,
    start: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> Fit:
    """Minimise the soft L1 loss of ``error(law) - offsets[group]``, priors and held offsets.

    The derivatives by the offsets are one entry a link: a carrier's drive test over a city has
    thousands of sites, and a dense matrix would not fit.

    Parameters
    ----------
    error, prior : callable
        From the law's parameters (n,) to the links' errors in dB, and to what holds them.
    group : ndarray of int, shape (links,)
        The group of each link, from 0.
    start, low, high : ndarray of float64, shape (n,)
    """
    n, k, n_links = len(start), int(group.max()) + 1, len(group)
    own = sparse.csr_array(
        (np.full(n_links, -1.0), (np.arange(n_links), group)), shape=(n_links, k)
    )
    offsets_rows = sparse.vstack(
        [own, sparse.csr_array((len(prior(start)), k)), HELD * sparse.eye_array(k)]
    )

    def of_law(q: np.ndarray) -> np.ndarray:
        return np.concatenate([error(q), prior(q), np.zeros(k)])

    def residual(p: np.ndarray) -> np.ndarray:
        out: np.ndarray = of_law(p[:n]) + offsets_rows @ p[n:]
        return out

    def slopes(p: np.ndarray) -> sparse.csr_array:
        here, step = of_law(p[:n]), _STEP * np.maximum(1.0, np.abs(p[:n]))
        law = [(of_law(p[:n] + h * e) - here) / h for h, e in zip(step, np.eye(n), strict=True)]
        return sparse.csr_array(sparse.hstack([np.column_stack(law), offsets_rows]))

    found = least_squares(
        residual,
        np.concatenate([start, np.zeros(k)]),
        jac=slopes,
        bounds=(np.append(low, np.full(k, -np.inf)), np.append(high, np.full(k, np.inf))),
        loss="soft_l1",
        f_scale=SCALE_DB,
        x_scale="jac",
    )
    return Fit(found.x[:n], found.x[n:], found.fun, sparse.csr_array(found.jac))
