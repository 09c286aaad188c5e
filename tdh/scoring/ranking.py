"""How far a ranking depends on weights that nobody knows exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tdh import seeds
from tdh.errors import DomainError, Problem
from tdh.language import Text

_MOST_SAMPLES = 1 << 24


def stability(
    scores: pd.DataFrame,
    top: int,
    *,
    spread: float = 0.25,
    samples: int = 1000,
    seed: int = 0,
) -> pd.Series:
    """How often each row stays in its carrier's top n when the weights are uncertain.

    Parameters
    ----------
    scores : DataFrame
        Table ``scores``.
    top : int
        n.
    spread : float
        Standard deviation of the logarithm of each weight's factor: 0.25 is about ± 25 %.
    samples : int
        Draws of the weights.
    seed : int

    Returns
    -------
    Series of float
        Share of draws, from 0 to 1, with the index of ``scores``. Ties count by rank.

    Raises
    ------
    DomainError
        For fewer than one of the best, or a spread that is no finite number of zero or more.
    """
    if top < 1:
        raise DomainError(
            Problem(
                Text("the number of best must be positive", "上位の件数は1以上です"),
                where="top",
                value=top,
                expected="1 ≤ top",
            )
        )
    if not 0 <= spread < np.inf:
        raise DomainError(
            Problem(
                Text("the spread must be zero or more", "重みのばらつきは0以上の有限値です"),
                where="spread",
                value=spread,
                expected="0 ≤ spread < ∞",
            )
        )
    names = [c for c in scores.columns if c.startswith("contribution_")]
    rng = np.random.default_rng(seeds.whole(seed))
    factors = np.exp(rng.normal(0.0, spread, (len(names), samples)))
    out = pd.Series(0.0, index=scores.index)
    for _, own in scores.groupby("carrier_id", observed=True, sort=False):
        own = own.sort_values("rank", kind="stable")
        parts = own[names].fillna(0.0).to_numpy()
        n = min(top, len(own))
        times = np.zeros(len(own))
        step = max(1, _MOST_SAMPLES // max(1, len(own)))
        for first in range(0, samples, step):
            drawn = -np.round(parts @ factors[:, first : first + step], 9)
            best = np.argsort(drawn, axis=0, kind="stable")[:n]
            times += np.bincount(best.ravel(), minlength=len(own))
        out[own.index] = times / samples
    return out
