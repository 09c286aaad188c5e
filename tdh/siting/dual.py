"""The bound: a linear relaxation solved by a first-order method, read through its dual.

For any prices 0 <= u <= 1 of the groups, mu >= 0 of the rows and phi >= 0 of the floors,

.. math::

    \\sum_j W_j (1 - u_j) + b^T \\mu - \\sum_f \\varphi_f L_f
    + \\sum_m \\max_{x \\in [0,1],\\, a x \\le B_m} \\sum_{p \\in m} (v_p - (A^T \\mu)_p) x_p,
    \\qquad W_j = w_j (1 + \\sum_{f \\ni j} \\varphi_f),\\; v_p = \\sum_{j \\in p} W_j u_j

is at least the best covered demand, whatever the prices; the iteration only makes it tight. Where
later covers count the share s of the weight, each adds :math:`\\sum_j W_j \\max(0, s_j - u_j)`.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tdh.siting import kernels
from tdh.siting.model import Arrays
from tdh.threads import available_threads

CHUNK = 60
THREADED = 500_000
"""Entries of the covering matrix from which steps run on threads."""


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices and what they prove.

    Attributes
    ----------
    bound : float
        No plan of the model covers more (without its base).
    x : (n_pairs,) float64
        The relaxation's plan, for rounding.
    reduced : (n_pairs,) float64
        What choosing a pair adds to the bound's optimum (negative: what it costs), after its
        budget's price; a pair below ``-(bound - objective)`` is in no better plan.
    u, mu, phi : ndarray
        Prices of groups (share of their weight), rows and floors.
    weight : (n_groups,) float64
        Weights with the floors' prices.
    """

    bound: float
    x: np.ndarray
    reduced: np.ndarray
    u: np.ndarray
    mu: np.ndarray
    phi: np.ndarray
    weight: np.ndarray


def floored_weight(m: Arrays, phi: np.ndarray) -> np.ndarray:
    """Weights raised by the prices of the floors that a group belongs to."""
    if len(phi) == 0:
        return m.weight
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    return m.weight * (1.0 + np.bincount(group, phi[m.floor_idx], m.n_groups))


def floor_sums(m: Arrays, share: np.ndarray) -> np.ndarray:
    """Demand covered within each floor when groups are covered to a share."""
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    return np.bincount(m.floor_idx, (m.weight * share)[group], len(m.need))


def bound_of(m: Arrays, u: np.ndarray, mu: np.ndarray, phi: np.ndarray) -> tuple[float, np.ndarray]:
    """The bound that prices prove, and the pairs' reduced values after their budgets' prices."""
    weight = floored_weight(m, phi)
    value = kernels.values(m, weight * u)
    if len(mu):
        pair = np.repeat(np.arange(m.n_pairs), np.diff(m.pair_ptr))
        value = value - np.bincount(pair, m.pair_coef * mu[m.pair_idx], m.n_pairs)
    total = float(weight @ (1.0 - u)) + float(m.row_limit @ mu) - float(phi @ m.need)
    for share in m.later:
        total += float(weight @ np.maximum(share - u, 0.0))
    reduced = np.empty_like(value)
    for b, limit in enumerate(m.limit):
        own = slice(m.budget_ptr[b], m.budget_ptr[b + 1])
        theta = _knapsack_price(value[own], m.cost[own], limit)
        reduced[own] = value[own] - theta * m.cost[own]
        total += theta * limit + float(np.maximum(reduced[own], 0.0).sum())
    return total, reduced


def _knapsack_price(value: np.ndarray, cost: np.ndarray, limit: float) -> float:
    """The price of a budget at which the fractional knapsack just spends it."""
    if not len(value) or cost.sum() <= limit:
        return 0.0
    free = cost <= 0
    ratio = np.where(free, 0.0, value / np.where(free, 1.0, cost))
    order = np.argsort(-ratio, kind="stable")
    spent = np.cumsum(cost[order])
    at = min(int(np.searchsorted(spent, limit, side="right")), len(order) - 1)
    return max(0.0, float(ratio[order[at]]))


def relax(
    m: Arrays,
    *,
    chunks: int,
    tolerance: float,
    start: Prices | None = None,
    deadline: float = np.inf,
) -> Prices:
    """Prices near the best, by the primal-dual hybrid gradient method with restarts.

    Parameters
    ----------
    m : Arrays
        The model.
    chunks : int
        Work limit, in runs of :data:`CHUNK` steps.
    tolerance : float
        Stop when the bound is this near, relatively, to the relaxation's own value.
    start : Prices, optional
        Where to go on from.
    deadline : float
        Of the monotonic clock; the bound is valid wherever it ends.
    """
    scale = _row_scale(m)
    theta = np.zeros(len(m.limit))
    if start is None:
        x, u = np.zeros(m.n_pairs), np.ones(m.n_groups)
        mu, phi = np.zeros(len(m.row_limit)), np.zeros(len(m.need))
    else:
        x, u, mu, phi = start.x.copy(), start.u.copy(), start.mu.copy(), start.phi.copy()
    best: Prices | None = start
    floor_step = np.full(len(m.need), 0.5)
    floor_side = np.zeros(len(m.need))
    balance, stalled = 1.0, 0
    for _ in range(chunks):
        weight = floored_weight(m, phi)
        before = x.copy(), u.copy()
        means = _steps(m, weight, x, u, mu, theta, scale, balance)
        found = []
        for x_, u_, mu_ in ((x, u, mu), means):
            bound, reduced = bound_of(m, u_, mu_, phi)
            found.append((bound, reduced, x_, u_, mu_))
        bound, reduced, x_, u_, mu_ = min(found, key=lambda item: item[0])
        if best is None or bound < best.bound:
            gain = np.inf if best is None else best.bound - bound
            best = Prices(
                bound, x_.copy(), reduced, u_.copy(), mu_.copy(), phi.copy(), weight.copy()
            )
            stalled = 0 if gain > tolerance / 4 * max(bound, 0.0) else stalled + 1
        else:
            stalled += 1
        share = kernels.covered_share(m, x_)
        if len(phi) == 0:
            reached = float(m.weight @ share)
            if len(m.row_limit) == 0 and best.bound - reached <= tolerance * best.bound:
                break
        else:
            lack = (m.need - floor_sums(m, share)) / np.maximum(m.need, 1e-9)
            side = np.sign(lack)
            floor_step = np.where(side * floor_side < 0, floor_step * 0.6, floor_step * 1.1)
            floor_side = np.where(side != 0, side, floor_side)
            phi = np.maximum(0.0, phi + np.clip(4.0 * lack, -1, 1) * floor_step)
        if stalled >= 4 or time.monotonic() > deadline:
            break
        x, u, mu = x_.copy(), u_.copy(), mu_.copy()
        balance = _rebalance(m, weight, balance, x - before[0], u - before[1])
    assert best is not None
    return best


def _steps(
    m: Arrays,
    weight: np.ndarray,
    x: np.ndarray,
    u: np.ndarray,
    mu: np.ndarray,
    theta: np.ndarray,
    scale: np.ndarray,
    balance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`tdh.siting.kernels.primal_dual`, on threads where the model is large: the same bits."""
    threads = available_threads()
    if threads == 1 or len(m.cover_idx) < THREADED:
        return kernels.primal_dual(m, weight, x, u, mu, theta, scale, balance, CHUNK)
    tau = kernels.step_lengths(m, weight, scale, balance)
    price = weight * u
    start, new, bar = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    means = np.zeros_like(x), np.zeros_like(u), np.zeros_like(mu)
    pairs, groups = (_shares(ptr, threads) for ptr in (m.cover_ptr, m.group_ptr))

    def of_pairs(part: tuple[int, int]) -> None:
        first, last = part
        kernels.step_pairs(m, first, last, price, mu, tau, x, start)

    def of_groups(part: tuple[int, int]) -> None:
        first, last = part
        kernels.step_groups(m, first, last, weight, bar, u, means[1], price, balance, CHUNK)

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(CHUNK):
            list(pool.map(of_pairs, pairs))
            kernels.step_limits(
                m, start, tau, theta, new, x, bar, means[0], mu, means[2], scale, balance, CHUNK
            )
            list(pool.map(of_groups, groups))
    return means


def _shares(ptr: np.ndarray, parts: int) -> list[tuple[int, int]]:
    """Ranges of rows with about as many entries each."""
    cuts = np.searchsorted(ptr, np.linspace(0, ptr[-1], parts + 1)[1:-1])
    return list(pairwise([0, *cuts.tolist(), len(ptr) - 1]))


def _row_scale(m: Arrays) -> np.ndarray:
    """The size of a row's price: the mean worth of its pairs."""
    worth = kernels.values(m, m.weight)
    out = np.empty(len(m.row_limit))
    for r in range(len(out)):
        out[r] = worth[m.row_idx[m.row_ptr[r] : m.row_ptr[r + 1]]].mean()
    return out


def _rebalance(
    m: Arrays, weight: np.ndarray, balance: float, dx: np.ndarray, du: np.ndarray
) -> float:
    """Primal against dual step length, from how far each went (as PDLP does)."""
    worth = kernels.values(m, weight)
    primal = float(np.sqrt(worth @ dx**2))
    dual = float(np.sqrt((weight * np.diff(m.group_ptr)) @ du**2))
    if primal < 1e-12 or dual < 1e-12:
        return balance
    return float(np.exp(0.5 * np.log(np.clip(dual / primal, 1e-2, 1e2)) + 0.5 * np.log(balance)))
