"""How far a prediction may be wrong: conformal intervals from errors at groups left out."""

from __future__ import annotations

import numpy as np

from tdh.errors import DomainError, Problem
from tdh.language import Text


def half_width_db(errors_db: np.ndarray, group: np.ndarray, level: float) -> tuple[float, bool]:
    """The error that a new link of a new group stays below with a given probability.

    The wider of two. Hierarchical conformal prediction: each of k groups weighs 1/(k + 1), however
    many links it has, and 1/(k + 1) is left to a group unlike any of them. And the quantile of all
    links together, since groups with many links may err more than others.

    Parameters
    ----------
    errors_db : ndarray of float64, shape (n,)
        Absolute errors, each at a group that the prediction did not see.
    group : ndarray, shape (n,)
        What was left out together.
    level : float
        Probability, between 0 and 1.

    Returns
    -------
    half_db : float
    guaranteed : bool
        Whether it holds if the new group is drawn as the k were. With fewer than
        level / (1 − level) groups no finite width can be guaranteed (80 %: 4 groups, 90 %: 9): then
        the width is the quantile of the groups that there are, and nothing is promised.

    Raises
    ------
    DomainError
        If the level is not a probability between 0 and 1.

    Notes
    -----
    Lee, Barber and Willett, "Distribution-free inference with hierarchical data", 2023. The errors
    come from fits with one group fewer than the prediction, which in general makes them larger.

    Examples
    --------
    >>> half_width_db(np.arange(1.0, 10.0), np.arange(9), 0.8)
    (8.0, True)
    >>> half_width_db(np.array([1.0, 2.0, 8.0]), np.array([0, 0, 1]), 0.8)
    (8.0, False)
    """
    if not 0.0 < level < 1.0:
        raise DomainError(
            Problem(
                Text("the level is not a probability", "水準が確率ではありません"),
                value=level,
                expected="0 < level < 1",
            )
        )
    order = np.argsort(errors_db, kind="stable")
    size = np.unique(group, return_inverse=True, return_counts=True)
    k = size[2].size
    share = (1.0 / size[2])[size[1]][order].cumsum()
    guaranteed = level * (k + 1) <= k + 1e-9
    wanted = level * (k + 1) if guaranteed else level * k
    at = min(int(np.searchsorted(share, wanted - 1e-9)), order.size - 1)
    of_all = min(int(np.ceil(level * (order.size + 1))), order.size) - 1
    return float(errors_db[order[max(at, of_all)]]), guaranteed
