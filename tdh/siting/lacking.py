"""The least that floors lack at the end of a plan of years whose limits hold year by year.

Without carry-over the years' limits cannot be added up: what may stand at the end is no covering
problem of its own, and the elastic model is that of the whole horizon.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from tdh.siting import exact, programme
from tdh.siting.horizon import Horizon, programme_of, when_of

MOST = 60_000
"""Non-zeros of the programme up to which it is solved."""
NODES, PATIENCE_S = 2_000, 60.0


def least_lack(h: Horizon) -> exact.Shortfall | None:
    """What each floor lacks when the sum is least; None where the model is too large.

    Parameters
    ----------
    h : Horizon
        With floors.

    Returns
    -------
    Shortfall or None
        ``chosen`` is None.
    """
    # What serves no floor plays no part.
    weight = np.zeros_like(h.weight)
    weight[:, -1] = h.floors.sum(axis=0)
    useful = 1.0 * ((h.cover @ weight[:, -1] > 0) | h.must)
    n, n_f = len(h.pair) * h.n_years, len(h.need)
    box = programme.Box(np.zeros(n), np.tile(useful, h.n_years))
    p = programme_of(replace(h, weight=weight), box)
    if p.matrix.nnz > MOST:
        return None
    need = np.maximum(h.need, 0.0)
    scale = max(float(need.max(initial=0.0)), 1e-300)
    # The floors are the last rows, each in its own unit.
    slack = -scale / np.maximum(1.0, h.need)
    n_rows, n_columns = p.matrix.shape
    rows = sparse.csr_array(
        (slack, (np.arange(n_rows - n_f, n_rows), np.arange(n_f))), shape=(n_rows, n_f)
    )
    most = np.concatenate([np.ones(n_columns), need / scale])
    most[:n] = box.most
    by_row = programme.row_scale(p)
    found = exact.minimise(
        np.concatenate([np.zeros(n_columns), np.ones(n_f)]),
        most,
        sparse.csr_matrix(
            sparse.diags_array(1.0 / by_row) @ sparse.hstack([p.matrix, rows], format="csr")
        ),
        np.full(n_rows, -np.inf),
        p.limit / by_row,
        np.arange(n),
        nodes=NODES,
        time_limit_s=PATIENCE_S,
    )
    if found.values is None:
        return exact.Shortfall(None, found.least * scale, in_time=found.in_time)
    when = when_of(h, found.values)
    lack = h.lack(when)
    return exact.Shortfall(lack, min(found.least * scale, float(lack.sum())), None, found.in_time)
