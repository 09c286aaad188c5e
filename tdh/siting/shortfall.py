"""What floors lack altogether, at least and in a plan, where the elastic model is a large one.

Its relaxation is nearly whole: few pairs stand in it by a fraction. What its prices prove is a bound
for every plan, and the same model of no other pairs than those that it favours is small enough to be
solved.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from tdh.siting import exact, programme, restricting
from tdh.siting.model import Arrays
from tdh.siting.programme import Programme

ITERATIONS, STEPS = 4_000, 3e9
"""Most steps of the first-order method, and steps times non-zeros."""
FAVOURED = 1
"""Pairs among which the plan is sought, for each that stands in the relaxation."""
NODES, PATIENCE_S = 200, 60.0


def of_large(m: Arrays) -> exact.Shortfall:
    """The elastic model by its relaxation.

    Parameters
    ----------
    m : Arrays
        With floors.

    Returns
    -------
    Shortfall
        ``lack`` and ``chosen`` are None where no plan was found.
    """
    need = np.maximum(m.need, 0.0)
    unit = max(float(need.max(initial=0.0)), 1e-300)
    p = elastic_of(m, unit)
    shares, bound, prices = programme.simplex(p, steps=programme.SIMPLEX_STEPS) or programme.relax(
        p, iterations=round(min(ITERATIONS, max(300.0, STEPS / max(1, p.matrix.nnz))))
    )
    least = max(0.0, -bound) * unit
    reduced = (p.gain - p.matrix.T @ prices)[: m.n_pairs]
    stands = shares[: m.n_pairs]
    n = FAVOURED * int(np.ceil(stands.sum())) + 20
    favoured = stands > 1e-6
    favoured[np.argsort(-reduced, kind="stable")[:n]] = True
    part = restricting.restrict(m, favoured, np.zeros(m.n_pairs, dtype=bool))
    if part is None:
        return exact.Shortfall(None, least)
    found = exact.least_shortfall(part.arrays, nodes=NODES, time_limit_s=PATIENCE_S)
    if found.chosen is None or found.lack is None:
        return exact.Shortfall(None, least, in_time=found.in_time)
    lack = found.lack
    return exact.Shortfall(
        lack, min(least, float(lack.sum())), part.lift(found.chosen), found.in_time
    )


def elastic_of(m: Arrays, unit: float) -> Programme:
    """The model whose floors may be missed: it gains, in a unit, what they lack less.

    Columns are pairs, the groups that some floor counts, and the share of each floor's need that is
    missed.
    """
    counted = np.diff(m.floor_ptr) > 0
    degree, floors = np.diff(m.group_ptr), np.diff(m.floor_ptr)
    rows, lower, upper = exact.matrix(
        m._replace(
            group_ptr=np.concatenate([[0], np.cumsum(degree[counted])]),
            group_idx=m.group_idx[np.repeat(counted, degree)],
            weight=m.weight[counted] / unit,
            floor_ptr=np.concatenate([[0], np.cumsum(floors[counted])]),
            need=m.need / unit,
        )
    )
    need = np.maximum(m.need, 0.0) / unit
    n_f = len(need)
    above, below = rows[:-n_f], rows[-n_f:]
    matrix = sparse.block_array([[above, None], [-below, -sparse.diags_array(need)]], format="csr")
    return Programme(
        np.concatenate([np.zeros(rows.shape[1]), -need]),
        sparse.csr_array(matrix),
        np.concatenate([upper[:-n_f], -lower[-n_f:]]),
        m.n_pairs,
    )
