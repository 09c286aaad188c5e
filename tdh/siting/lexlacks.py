"""What floors lack that count cells served by several carriers, where no plan keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tdh.errors import Problem
from tdh.language import Text
from tdh.siting import programme
from tdh.siting.inputs import Floor
from tdh.siting.programme import Programme
from tdh.siting.wording import outward

NODES = 20_000
"""Branch-and-bound nodes for the least relaxation."""


def conflict(p: Programme, floors: Sequence[Floor], seed: int, unit: float = 1.0) -> list[Problem]:
    """The floors that give way in the least relaxation of all of them together.

    Parameters
    ----------
    p : Programme
        One that no plan keeps; its last rows are the floors.
    floors : sequence of Floor
    seed : int
    unit : float
        What one of the programme's demand is in the unit of who reads this.

    Returns
    -------
    list of Problem
        One a floor that lacks something; if none is known, one of all.
    """
    what = Text(
        "no plan keeps this floor together with the other floors and limits",
        "この下限を、他の下限や上限とともに満たす計画はありません",
    )
    found = programme.branch(elastic(p, floors), nodes=NODES, seed=seed)
    if found.values is None:
        return [Problem(what, where="floors")]
    need = np.array([max(floor.need, 0.0) for floor in floors])
    lack = need * found.values[len(p.gain) :]
    named = np.flatnonzero(lack > 1e-6 * need)
    fix_en = "a plan is known once it is lowered by {lack}"
    fix_ja = "これを {lack} 下げれば計画があります"
    if found.proven:
        fix_en = "the least relaxation lowers it by {lack}"
        fix_ja = "最小の緩和では、これを {lack} 下げます"
    return [
        Problem(
            what,
            value=floors[f].need * unit,
            where=f"floors[{f}]",
            fix=Text(fix_en, fix_ja, lack=outward(max(0.0, float(lack[f]) * unit), up=True)),
        )
        for f in (named if len(named) else np.flatnonzero(need)).tolist()
    ]


def elastic(p: Programme, floors: Sequence[Floor]) -> Programme:
    """The programme in which each floor may be missed, at the price of what it then lacks.

    Its variables are those of ``p`` and, of each floor, the share of it that is missed.

    Examples
    --------
    >>> least = sparse.csr_array(np.array([[1.0, 1.0], [-5.0, 0.0], [0.0, -3.0]]))
    >>> p = Programme(np.zeros(2), least, np.array([1.0, -5.0, -3.0]), 2)
    >>> mask = np.ones(2, dtype=bool)
    >>> found = programme.branch(elastic(p, [Floor(mask, 5), Floor(mask, 3)]), nodes=9, seed=0)
    >>> abs(found.values.round()).tolist(), found.bound
    ([1.0, 0.0, 0.0, 1.0], -3.0)
    """
    n_rows, n = p.matrix.shape
    n_floors = len(floors)
    at = np.arange(n_rows - n_floors, n_rows)
    missed = sparse.csr_array(
        (np.minimum(p.limit[at], 0.0), (at, np.arange(n_floors))), shape=(n_rows, n_floors)
    )
    price = -np.array([max(floor.need, 0.0) for floor in floors])
    return Programme(
        np.concatenate([np.zeros(n), price]),
        sparse.csr_array(sparse.hstack([p.matrix, missed], format="csr")),
        p.limit,
        p.n_whole,
    )
