r"""Rows of a programme in its objective, at a price.

.. math::

    b_H^T \lambda + \max\; (g - A_H^T \lambda)^T v \quad\text{s.t. the other rows}

is a bound of the programme for every :math:`\lambda \ge 0` (Lagrangian duality), and a plan that is
the best at those prices is the best of all that keep the rows as far as it does itself (Everett
1963). Earlier objectives that are held at their best leave hardly any plan that a solver would find;
at a price it finds many.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from tdh.siting.programme import (
    NEAR,
    SIMPLEX_STEPS,
    Answer,
    Programme,
    branch,
    cut,
    keeps,
    row_scale,
    simplex,
    unit_of,
)
from tdh.siting.solving import PATIENCE_S

PRICE = 4.0
"""What a row costs in the objective, in prices of the relaxation. Those are too low: a plan of
whole choices has to give up more."""
FAIR = 1.5
"""The same, and what it is raised by, of rows that are not held at their best."""
DEAR = 1e4
"""Most that a row at its price may gain for one variable, in greatest gains of the programme:
beyond that what the programme gains is lost among the solver's tolerances, and so is its bound."""
DOUBT = 1e-6
"""Share of a programme at prices by which its bound is taken to be wrong."""
NODES = 60
"""Branch-and-bound nodes of a programme with rows in the objective."""
RAISED, RAISE = 6, 4.0
"""Times that prices are tried, and what they are raised by where the plan at them misses a row."""
UNION_NODES = 200
"""Branch-and-bound nodes of what the plans at all prices choose."""


class Kept(NamedTuple):
    """A plan, and how far it keeps the rows that were priced.

    Attributes
    ----------
    answer : Answer
        Its values are None if no plan was found.
    level : bool
        Whether the bound is that of plans that keep the rows that may give way as far as this plan
        does, a little less or more than was asked.
    """

    answer: Answer
    level: bool


def priced(
    p: Programme,
    hard: np.ndarray,
    prices: np.ndarray,
    *,
    nodes: int,
    gap: float | None = None,
    time_limit_s: float = PATIENCE_S,
) -> Answer:
    """The programme with some rows in the objective, by branch and cut.

    Parameters
    ----------
    p : Programme
    hard : (n,) int64
        Rows.
    prices : (n,) float64
        Their prices, not negative.
    nodes : int
        Work limit.
    gap : float, optional
        Gap at which to stop, in the unit of gains.
    time_limit_s : float
        A last resort.

    Returns
    -------
    Answer
        The bound is one of the programme; the plan need not keep the rows.
    """
    rest = np.setdiff1d(np.arange(len(p.limit)), hard)
    gain = p.gain - p.matrix[hard].T @ prices
    worth = float(prices @ np.abs(p.limit[hard]))
    within = NEAR / 10 if gap is None else max(1e-9, gap / (worth + float(p.gain.sum())))
    answer = cut(
        Programme(gain, p.matrix[rest], p.limit[rest], p.n_whole),
        nodes=nodes,
        gap=within,
        unit=unit_of(p),
        time_limit_s=time_limit_s,
    )
    bound = answer.bound + float(prices @ p.limit[hard]) + DOUBT * worth
    return Answer(answer.values, bound, False, "HiGHS at prices", answer.reproducible)


def at_prices(
    p: Programme,
    hard: np.ndarray,
    give: np.ndarray,
    known: np.ndarray | None,
    *,
    price: float | None = None,
    work: float,
    seed: int,
    time_limit_s: float | None = None,
) -> Kept | None:
    """Prices raised until the plan at them keeps the rows.

    Parameters
    ----------
    p : Programme
    hard : (n,) int64
        Rows.
    give : (n,) float64
        How far a plan may miss each; where it is zero, not at all.
    known : (n_variables,) float64 or None
        A plan that keeps the rows.
    price : float, optional
        Where to begin, in prices of the relaxation, and what they are raised by; :data:`PRICE` and
        :data:`RAISE` by default.
    work : float
        Factor on the work limits.
    seed : int
    time_limit_s : float, optional
        Wall clock; an answer that it ended is marked as not reproducible.

    Returns
    -------
    Kept or None
        Where no price was high enough, the best plan of what those at all prices choose; None where
        the relaxation, whose prices come first, takes too long.
    """
    deadline = np.inf if time_limit_s is None else time.monotonic() + time_limit_s

    def left_s() -> float:
        return float(np.clip(deadline - time.monotonic(), 0.1, PATIENCE_S))

    relaxed = simplex(p, steps=round(SIMPLEX_STEPS * max(work, 0.1)), time_limit_s=time_limit_s)
    if relaxed is None:
        return None
    _, bound, prices = relaxed
    taken = np.zeros(p.n_whole, dtype=bool) if known is None else known[: p.n_whole] > 0.5
    best, reproducible, method = known, True, "HiGHS at prices"
    rest = np.setdiff1d(np.arange(len(p.limit)), hard)
    others = p._replace(matrix=p.matrix[rest], limit=p.limit[rest])
    most = DEAR * unit_of(p) / row_scale(p)[hard]
    # What costs nothing would not be counted.
    prices = np.maximum((price or PRICE) * prices[hard], NEAR * abs(bound))
    for _ in range(RAISED):
        prices = np.minimum(prices, most)
        nodes = max(1, round(NODES * work))
        part = priced(p, hard, prices, nodes=nodes, gap=NEAR * abs(bound), time_limit_s=left_s())
        reproducible &= part.reproducible
        if part.values is None:
            break
        bound = min(bound, part.bound)
        taken |= part.values[: p.n_whole] > 0.5
        over = p.matrix[hard] @ part.values - p.limit[hard]
        missed = over > np.maximum(give, 1e-9)
        if not missed.any() and keeps(others, part.values):
            if give.any():
                own = part.bound + float(prices @ np.where(give > 0, over, 0.0))
                return Kept(Answer(part.values, own, False, method, reproducible), True)
            best = _better(p, best, part.values)
        if not missed.any() or (prices[missed] >= most[missed]).all():
            break
        if time.monotonic() > deadline:
            reproducible = False
            break
        prices = (price or RAISE) * prices
    if best is None or bound - float(p.gain @ best) > NEAR * abs(bound):
        upper = np.ones(len(p.gain))
        upper[: p.n_whole] = taken
        nodes = max(1, round(UNION_NODES * work))
        part = branch(p, nodes=nodes, seed=seed, most=upper, time_limit_s=left_s())
        reproducible &= part.reproducible
        method += " + SCIP on what its plans hold"
        if part.values is not None and keeps(p, part.values):
            best = _better(p, best, part.values)
    return Kept(Answer(best, bound, False, method, reproducible), False)


def _better(p: Programme, one: np.ndarray | None, other: np.ndarray) -> np.ndarray:
    return other if one is None or float(p.gain @ other) > float(p.gain @ one) else one
