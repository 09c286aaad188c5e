"""The bound of a large model from its likely pairs: column generation with first-order prices.

Nearly all pairs of a large model stand in no good plan, and without them groups of cells that only
they told apart are one: what is left is some ten times smaller. Prices of that part are prices of
the whole, with what none of its pairs covers at price 1; no pair outside it is then worth more than
its budget's price if the part holds those that matter, and the bound is the same (Dantzig and Wolfe
1960). Whatever the part, :func:`tdh.siting.dual.bound_of` the whole is valid.
"""

from __future__ import annotations

import time

import numpy as np

from tdh.siting import dual, restricting
from tdh.siting.model import Arrays

LARGE = 300_000
"""Entries of the covering matrix from which a part is looked at first."""
ROUGH = 1
"""Runs of steps on the whole model, after which a part is chosen."""
EACH = 6
"""Pairs in the part for each choice of the relaxation's plan."""
PARTS = 4
"""How often what is worth more than its price outside the part is added to it."""


def relax(
    m: Arrays,
    *,
    chunks: int,
    tolerance: float,
    start: dual.Prices | None = None,
    deadline: float = np.inf,
) -> dual.Prices:
    """As :func:`tdh.siting.dual.relax`, sooner where the model is large."""
    if len(m.cover_idx) < LARGE or len(m.need):
        # What floors cost shows only late, and until then a part lacks the pairs that serve them.
        return dual.relax(m, chunks=chunks, tolerance=tolerance, start=start, deadline=deadline)
    best = start or dual.relax(m, chunks=ROUGH, tolerance=tolerance)
    likely = np.argsort(-best.reduced, kind="stable")
    core = best.x > 0
    core[likely[: EACH * int(best.x.sum()) + 200]] = True
    now = best
    for _ in range(PARTS):
        part = restricting.restrict(m, core, np.zeros(m.n_pairs, dtype=bool))
        if part is None or not part.arrays.n_groups:
            break
        within = dual.relax(
            part.arrays,
            chunks=chunks,
            tolerance=tolerance,
            start=_narrow(part, now),
            deadline=deadline,
        )
        now = _widen(m, part, within)
        best = min(best, now, key=lambda prices: prices.bound)
        if best.bound <= within.bound * (1 + tolerance) or time.monotonic() > deadline:
            return best
        core = part.free | (now.reduced > 0)
    return dual.relax(m, chunks=chunks, tolerance=tolerance, start=best, deadline=deadline)


def _narrow(part: restricting.Part, prices: dual.Prices) -> dual.Prices:
    """Prices of a part from those of the whole; a merged group's is the mean by weight."""
    a, kept = part.arrays, part.group >= 0
    group, worth = part.group[kept], prices.weight[kept]
    weight = np.bincount(group, worth, a.n_groups)
    u = np.bincount(group, worth * prices.u[kept], a.n_groups) / weight
    x, reduced = prices.x[part.free], prices.reduced[part.free]
    return dual.Prices(np.inf, x, reduced, u, prices.mu[part.row], prices.phi, weight)


def _widen(m: Arrays, part: restricting.Part, prices: dual.Prices) -> dual.Prices:
    """Prices of the whole from those of a part, and what they prove."""
    x, mu = np.zeros(m.n_pairs), np.zeros(len(m.row_limit))
    x[part.free], mu[part.row] = prices.x, prices.mu
    u = np.where(part.group >= 0, prices.u[part.group], 1.0)
    bound, reduced = dual.bound_of(m, u, mu, prices.phi)
    return dual.Prices(bound, x, reduced, u, mu, prices.phi, dual.floored_weight(m, prices.phi))
