"""Schedules by greedy choice and annealed moves: of sites, of years, of both.

A move builds a pair, drops one, shifts one to another year, has two change their years, or puts
another pair in one's place. Every schedule on the way keeps every limit. The counts of how often
each group is covered in each year make a move cheap (Kirkpatrick, Gelatt and Vecchi 1983).
"""

from __future__ import annotations

import numba
import numpy as np

from tdh.siting.drawing import draw
from tdh.siting.horizon import Horizon, transposed

_njit = numba.njit(cache=True, nogil=True, error_model="numpy")


class Search:
    """The arrays of a horizon for the kernels.

    Parameters
    ----------
    h : Horizon
    counts : (n_groups,) float64
        What a group counts for in the last year beyond its demand, such as for floors.
    """

    def __init__(self, h: Horizon, counts: np.ndarray) -> None:
        self.h = h
        weight = h.weight.copy()
        weight[:, -1] += counts
        most = h.accounts.limits
        slack = 1e-9 * np.maximum(1.0, np.where(most < np.inf, most, 0.0))
        self.arrays = (
            h.cover.indptr.astype(np.int64),
            h.cover.indices.astype(np.int32),
            h.by_group.indptr.astype(np.int64),
            h.by_group.indices.astype(np.int32),
            weight,
            *transposed(h.rows),
            h.row_limit + 1e-9,
            *transposed(h.accounts.uses),
            np.ascontiguousarray(most + slack),
            h.accounts.carry_over,
        )

    def take(self, when: np.ndarray, order: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """A schedule with those pairs of an order, each in its wanted year, that still fit."""
        return np.asarray(_take(*self.arrays, when.astype(np.int64), order, wanted))

    def fill(self, when: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """A schedule completed: in each year the pair that adds most, times its rate."""
        return np.asarray(_fill(*self.arrays, when.astype(np.int64), rate))

    def anneal(
        self, when: np.ndarray, steps: int, seed: int, hot: float, cold: float
    ) -> np.ndarray:
        """The best schedule on the way from one; heat in mean gains of a choice."""
        return np.asarray(
            _anneal(*self.arrays, when.astype(np.int64), self.h.must, steps, seed, hot, cold)
        )


@_njit
def _below(state, n):  # type: ignore[no-untyped-def]
    """A number from 0 to n - 1, by the xorshift sequence in ``state``."""
    return np.int64(draw(state) >> np.uint64(33)) % n


@_njit
def _share(state):  # type: ignore[no-untyped-def]
    """A number in [0, 1)."""
    return _below(state, 1 << 30) / (1 << 30)


@_njit
def _change(cp, ci, weight, count, p, old, new, do):  # type: ignore[no-untyped-def]
    """What moving a pair from one year to another adds; done only if wanted."""
    total = 0.0
    if new < old:
        for k in range(cp[p], cp[p + 1]):
            j = ci[k]
            for t in range(new, old):
                if count[j, t] == 0:
                    total += weight[j, t]
                if do:
                    count[j, t] += 1
    else:
        for k in range(cp[p], cp[p + 1]):
            j = ci[k]
            for t in range(old, new):
                if count[j, t] == 1:
                    total -= weight[j, t]
                if do:
                    count[j, t] -= 1
    return total


@_njit
def _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, p, old, new):  # type: ignore[no-untyped-def]
    """Move what a pair takes from one year's accounts to another's."""
    n_years = used.shape[1]
    if (old < n_years) != (new < n_years):
        sign = 1.0 if new < n_years else -1.0
        for k in range(rp[p], rp[p + 1]):
            row_used[ri[k]] += sign * rc[k]
    for k in range(ap[p], ap[p + 1]):
        if carry:
            for t in range(min(old, new), max(old, new)):
                used[ai[k], t] += ac[k] if new < old else -ac[k]
        else:
            if old < n_years:
                used[ai[k], old] -= ac[k]
            if new < n_years:
                used[ai[k], new] += ac[k]


@_njit
def _fits(rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, p, old, new):  # type: ignore[no-untyped-def]
    """Whether a pair may move from one year to another."""
    n_years = used.shape[1]
    if new < n_years and old == n_years:
        for k in range(rp[p], rp[p + 1]):
            if row_used[ri[k]] + rc[k] > rl[ri[k]]:
                return False
    for k in range(ap[p], ap[p + 1]):
        if carry:
            for t in range(new, old):
                if used[ai[k], t] + ac[k] > al[ai[k], t]:
                    return False
        elif new < n_years and new != old and used[ai[k], new] + ac[k] > al[ai[k], new]:
            return False
    return True


@_njit
def _state(cp, ci, weight, rp, ri, rc, ap, ai, ac, carry, n_rows, shape, when):  # type: ignore[no-untyped-def]
    n_years = weight.shape[1]
    count = np.zeros(weight.shape, np.int32)
    row_used, used = np.zeros(n_rows), np.zeros(shape)
    value = 0.0
    for p in range(when.size):
        if when[p] < n_years:
            value += _change(cp, ci, weight, count, p, n_years, when[p], True)
            _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, p, n_years, when[p])
    return count, row_used, used, value


@_njit
def _take(  # type: ignore[no-untyped-def]
    cp, ci, gp, gi, weight, rp, ri, rc, rl, ap, ai, ac, al, carry, when, order, wanted
):
    _, row_used, used, _ = _state(
        cp, ci, weight, rp, ri, rc, ap, ai, ac, carry, rl.size, al.shape, when
    )
    for p in order:
        old, new = when[p], wanted[p]
        if new < old and _fits(rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, p, old, new):
            _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, p, old, new)
            when[p] = new
    return when


@_njit
def _fill(  # type: ignore[no-untyped-def]
    cp, ci, gp, gi, weight, rp, ri, rc, rl, ap, ai, ac, al, carry, when, rate
):
    n_years, n = weight.shape[1], when.size
    count, row_used, used, _ = _state(
        cp, ci, weight, rp, ri, rc, ap, ai, ac, carry, rl.size, al.shape, when
    )
    upper = np.empty(n)
    for p in range(n):
        upper[p] = rate[p] * _change(cp, ci, weight, count, p, n_years, 0, False)
    for year in range(n_years):
        shut = when < n_years
        while True:
            # Gains only fall, so that one seen before is a bound of what it is now.
            best, value = -1, 0.0
            for p in range(n):
                if not shut[p] and upper[p] > value:
                    best, value = p, upper[p]
            if best < 0:
                break
            if not _fits(
                rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, best, n_years, year
            ):
                shut[best] = True
                continue
            now = rate[best] * _change(cp, ci, weight, count, best, n_years, year, False)
            if now >= value * (1 - 1e-12):
                when[best] = year
                shut[best] = True
                _change(cp, ci, weight, count, best, n_years, year, True)
                _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, best, n_years, year)
            upper[best] = now
    return when


@_njit
def _anneal(  # type: ignore[no-untyped-def]
    cp,
    ci,
    gp,
    gi,
    weight,
    rp,
    ri,
    rc,
    rl,
    ap,
    ai,
    ac,
    al,
    carry,
    when,
    must,
    steps,
    seed,
    hot,
    cold,
):
    n_years, n = weight.shape[1], when.size
    state = np.array([np.uint64(88172645463325252) + np.uint64(seed) * np.uint64(2654435761)])
    count, row_used, used, value = _state(
        cp, ci, weight, rp, ri, rc, ap, ai, ac, carry, rl.size, al.shape, when
    )
    built, place = np.empty(n, np.int64), np.full(n, -1, np.int64)
    size = 0
    for p in range(n):
        if when[p] < n_years:
            built[size], place[p] = p, size
            size += 1
    best, best_when = value, when.copy()
    if n == 0:
        return best_when
    heat = hot * max(value, 1e-12) / max(1, size)
    cooling = (cold / hot) ** (1.0 / max(1, steps - 1))
    for _ in range(steps):
        heat *= cooling
        what = _share(state)
        # p moves from a to b and then q from c to d; a pair that is not built has year n_years.
        p, a, b = -1, 0, 0
        q, c, d = -1, 0, 0
        if size == 0 or what < 0.12:
            p = _below(state, n)
            a, b = when[p], _below(state, n_years)
            if a < n_years:
                continue
            # The first year that has room from there on.
            while b < n_years and not _fits(
                rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, p, a, b
            ):
                b += 1
            if b == n_years:
                continue
        else:
            p = built[_below(state, size)]
            a = when[p]
            if what < 0.2:
                b = n_years
                if must[p]:
                    continue
            elif what < 0.3:
                b = _below(state, n_years)
            elif what < 0.45:
                q = built[_below(state, size)]
                c = when[q]
                b, d = c, a
            else:
                if must[p]:
                    continue
                b = n_years
                if what < 0.9 and cp[p + 1] > cp[p]:
                    j = ci[cp[p] + _below(state, cp[p + 1] - cp[p])]
                    q = gi[gp[j] + _below(state, gp[j + 1] - gp[j])]
                else:
                    q = _below(state, n)
                c, d = when[q], a
                if q == p or (c < n_years and c <= a):
                    continue
            if b == a or q == p:
                continue
        change = 0.0
        if q >= 0:
            # First whatever goes to a later year, so that it leaves room.
            if b < a:
                p, a, b, q, c, d = q, c, d, p, a, b
            if not _fits(rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, p, a, b) and (
                carry or b == n_years
            ):
                continue
            change = _change(cp, ci, weight, count, p, a, b, True)
            _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, p, a, b)
            ok = _fits(rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, q, c, d)
            if ok:
                change += _change(cp, ci, weight, count, q, c, d, False)
                ok = change >= 0 or _share(state) < np.exp(change / heat)
            if ok:
                _change(cp, ci, weight, count, q, c, d, True)
                _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, q, c, d)
                if not carry and b < n_years:
                    # p went where it may have had no room before q left.
                    for k in range(ap[p], ap[p + 1]):
                        ok = ok and used[ai[k], b] <= al[ai[k], b]
                    if not ok:
                        _change(cp, ci, weight, count, q, d, c, True)
                        _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, q, d, c)
            if not ok:
                _change(cp, ci, weight, count, p, b, a, True)
                _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, p, b, a)
                continue
        else:
            if not _fits(rp, ri, rc, rl, ap, ai, ac, al, carry, row_used, used, p, a, b):
                continue
            change = _change(cp, ci, weight, count, p, a, b, False)
            if change < 0 and _share(state) >= np.exp(change / heat):
                continue
            _change(cp, ci, weight, count, p, a, b, True)
            _book(rp, ri, rc, ap, ai, ac, carry, row_used, used, p, a, b)
        value += change
        for turn in range(2):
            r, new = (p, b) if turn == 0 else (q, d)
            if r < 0:
                continue
            when[r] = new
            if new < n_years and place[r] < 0:
                built[size], place[r] = r, size
                size += 1
            elif new == n_years and place[r] >= 0:
                size -= 1
                built[place[r]] = built[size]
                place[built[size]] = place[r]
                place[r] = -1
        if value > best * (1 + 1e-12):
            best = value
            best_when[:] = when
    return best_when
