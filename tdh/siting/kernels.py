"""The loops: aggregation, the primal-dual iteration of the bound, and the local search.

All take plain arrays of one type each, so that every function is compiled once, and cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from tdh.siting.model import Arrays

_njit = numba.njit(cache=True, nogil=True)

TOLERANCE = 1e-9


@_njit
def aggregate(indptr, indices, demand, usable, signature, keys):  # type: ignore[no-untyped-def]
    """See :func:`tdh.siting.model.aggregate`."""
    n_sites, n_cells = len(indptr) - 1, len(demand)
    name = np.zeros((n_cells, 2), dtype=np.uint64)
    for i in range(n_sites):
        if usable[i]:
            for k in range(indptr[i], indptr[i + 1]):
                name[indices[k], 0] += keys[i, 0]
                name[indices[k], 1] += keys[i, 1]
    n_active = 0
    for j in range(n_cells):
        if demand[j] > 0 and (name[j, 0] != 0 or name[j, 1] != 0):
            n_active += 1
    bits = 4
    while (1 << bits) < 2 * n_active:
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    slots = np.full(1 << bits, -1, dtype=np.int32)  # open addressing: group of a name
    group_of = np.full(n_cells, -1, dtype=np.int32)
    leads = np.zeros(n_cells, dtype=np.bool_)  # the first cell of each group
    cell = np.empty(n_active, dtype=np.int32)
    weight = np.empty(n_active, dtype=np.float64)
    n_groups = 0
    for j in range(n_cells):
        if not (demand[j] > 0 and (name[j, 0] != 0 or name[j, 1] != 0)):
            continue
        slot = (name[j, 0] ^ (signature[j] >> np.uint64(7))) & mask
        while True:
            group = slots[slot]
            if group < 0:
                slots[slot] = n_groups
                cell[n_groups] = j
                weight[n_groups] = demand[j]
                group_of[j] = n_groups
                leads[j] = True
                n_groups += 1
                break
            first = cell[group]
            if (
                name[first, 0] == name[j, 0]
                and name[first, 1] == name[j, 1]
                and signature[first] == signature[j]
            ):
                weight[group] += demand[j]
                group_of[j] = group
                break
            slot = (slot + np.uint64(1)) & mask
    ptr = np.zeros(n_sites + 1, dtype=np.int64)
    for i in range(n_sites):
        n = 0
        if usable[i]:
            for k in range(indptr[i], indptr[i + 1]):
                if leads[indices[k]]:
                    n += 1
        ptr[i + 1] = ptr[i] + n
    idx = np.empty(ptr[n_sites], dtype=np.int32)
    at = 0
    for i in range(n_sites):
        if usable[i]:
            for k in range(indptr[i], indptr[i + 1]):
                if leads[indices[k]]:
                    idx[at] = group_of[indices[k]]
                    at += 1
    return ptr, idx, weight[:n_groups].copy(), cell[:n_groups].astype(np.int64), group_of


@_njit
def transpose(ptr, idx, n_columns):  # type: ignore[no-untyped-def]
    """The compressed sparse columns of compressed sparse rows without values."""
    out_ptr = np.zeros(n_columns + 1, dtype=np.int64)
    for k in range(len(idx)):
        out_ptr[idx[k] + 1] += 1
    for j in range(n_columns):
        out_ptr[j + 1] += out_ptr[j]
    at = out_ptr[:-1].copy()
    out = np.empty(len(idx), dtype=np.int32)
    for i in range(len(ptr) - 1):
        for k in range(ptr[i], ptr[i + 1]):
            j = idx[k]
            out[at[j]] = i
            at[j] += 1
    return out_ptr, out


# --- the primal-dual iteration -------------------------------------------------------------------


@_njit
def values(m, price):  # type: ignore[no-untyped-def]
    """Sum of the groups' prices over the groups that each pair covers."""
    cover_ptr = m.cover_ptr
    cover_idx = m.cover_idx
    out = np.empty(len(m.cost))
    for p in range(len(m.cost)):
        total = 0.0
        for k in range(cover_ptr[p], cover_ptr[p + 1]):
            total += price[cover_idx[k]]
        out[p] = total
    return out


@_njit
def _spend(m, b, start, tau, theta):  # type: ignore[no-untyped-def]
    cost = m.cost
    spent, slope = 0.0, 0.0
    for p in range(m.budget_ptr[b], m.budget_ptr[b + 1]):
        x = start[p] - tau[p] * theta * cost[p]
        if x >= 1.0:
            spent += cost[p]
        elif x > 0.0:
            spent += x * cost[p]
            slope += tau[p] * cost[p] * cost[p]
    return spent, slope


@_njit
def _project(m, start, tau, theta, x):  # type: ignore[no-untyped-def]
    """The nearest point (in the metric 1/tau) within [0, 1] and every budget."""
    for b in range(len(m.limit)):
        spent, slope = _spend(m, b, start, tau, 0.0)
        price = 0.0
        if spent > m.limit[b]:
            low, high, price = 0.0, np.inf, theta[b]
            for _ in range(60):
                spent, slope = _spend(m, b, start, tau, price)
                over = spent - m.limit[b]
                if abs(over) <= 1e-9 * (1.0 + m.limit[b]):
                    break
                if over > 0:
                    low = price
                else:
                    high = price
                newton = price + over / slope if slope > 0 else -1.0
                if newton > low and newton < high:
                    price = newton
                elif high == np.inf:
                    price = 2.0 * price + 1e-6
                else:
                    price = 0.5 * (low + high)
            theta[b] = price
        for p in range(m.budget_ptr[b], m.budget_ptr[b + 1]):
            x[p] = min(1.0, max(0.0, start[p] - tau[p] * price * m.cost[p]))


@_njit
def step_lengths(m, weight, scale, balance):  # type: ignore[no-untyped-def]
    """Of each pair, the primal step (Pock and Chambolle 2011, alpha = 1)."""
    tau = values(m, weight)
    for p in range(len(tau)):
        for k in range(m.pair_ptr[p], m.pair_ptr[p + 1]):
            tau[p] += m.pair_coef[k] * scale[m.pair_idx[k]]
        # A pair that covers nothing of weight may step as it likes: its slope is 0.
        tau[p] = 1.0 / (balance * (tau[p] if tau[p] > 0.0 else 1.0))
    return tau


@_njit
def step_pairs(m, first, last, price, mu, tau, x, start):  # type: ignore[no-untyped-def]
    """The primal step of pairs ``first..last``, before it is brought back within the budgets."""
    cover_ptr, cover_idx = m.cover_ptr, m.cover_idx
    pair_ptr, pair_idx, pair_coef = m.pair_ptr, m.pair_idx, m.pair_coef
    for p in range(first, last):
        slope = 0.0
        for k in range(cover_ptr[p], cover_ptr[p + 1]):
            slope += price[cover_idx[k]]
        for k in range(pair_ptr[p], pair_ptr[p + 1]):
            slope -= pair_coef[k] * mu[pair_idx[k]]
        start[p] = x[p] + tau[p] * slope


@_njit
def step_limits(m, start, tau, theta, new, x, bar, x_mean, mu, mu_mean, scale, balance, n_steps):  # type: ignore[no-untyped-def]
    """Back within the budgets, the point ahead, and the rows' prices."""
    row_ptr, row_idx, row_coef, row_limit = m.row_ptr, m.row_idx, m.row_coef, m.row_limit
    _project(m, start, tau, theta, new)
    for p in range(len(x)):
        bar[p] = 2.0 * new[p] - x[p]
        x[p] = new[p]
        x_mean[p] += new[p] / n_steps
    for r in range(len(row_limit)):
        used, total = 0.0, 0.0
        for k in range(row_ptr[r], row_ptr[r + 1]):
            used += row_coef[k] * bar[row_idx[k]]
            total += row_coef[k]
        step = balance * scale[r] * (used - row_limit[r]) / total
        mu[r] = max(0.0, mu[r] + step)
        mu_mean[r] += mu[r] / n_steps


@_njit
def step_groups(m, first, last, weight, bar, u, u_mean, price, balance, n_steps):  # type: ignore[no-untyped-def]
    """The dual step of groups ``first..last``.

    With later covers the slope changes where the price passes what one of them counts.
    """
    group_ptr, group_idx, later = m.group_ptr, m.group_idx, m.later
    n_later = len(later)
    for j in range(first, last):
        covered = 0.0
        for k in range(group_ptr[j], group_ptr[j + 1]):
            covered += bar[group_idx[k]]
        degree = group_ptr[j + 1] - group_ptr[j]
        old = u[j]
        u[j] = min(1.0, max(0.0, old + balance * (1.0 - covered) / degree))
        for k in range(n_later):
            # Where more covers count than the price says they are worth, it rises, up to the next.
            more = old + balance * (2.0 + k - covered) / degree
            u[j] = max(u[j], min(more, later[k, j]))
        u_mean[j] += u[j] / n_steps
        price[j] = weight[j] * u[j]


@_njit
def primal_dual(m, weight, x, u, mu, theta, scale, balance, n_steps):  # type: ignore[no-untyped-def]
    """Steps of the primal-dual hybrid gradient method on the linear relaxation.

    The saddle is ``max_x min_u sum_j W_j (1 - u_j + u_j (Cx)_j) + mu (b - Ax)`` with u in [0, 1]
    and x within its budgets; steps are diagonally scaled. ``x``, ``u``, ``mu`` and ``theta`` are
    updated in place; their averages are returned.
    """
    n_pairs, n_groups = len(m.cost), len(weight)
    tau = step_lengths(m, weight, scale, balance)
    price = weight * u
    start, new, bar = np.empty(n_pairs), np.empty(n_pairs), np.empty(n_pairs)
    x_mean, u_mean, mu_mean = np.zeros(n_pairs), np.zeros(n_groups), np.zeros(len(m.row_limit))
    for _ in range(n_steps):
        step_pairs(m, 0, n_pairs, price, mu, tau, x, start)
        step_limits(m, start, tau, theta, new, x, bar, x_mean, mu, mu_mean, scale, balance, n_steps)
        step_groups(m, 0, n_groups, weight, bar, u, u_mean, price, balance, n_steps)
    return x_mean, u_mean, mu_mean


@_njit
def covered_share(m, x):  # type: ignore[no-untyped-def]
    """What a fractional x covers of each group's weight: at most 1 and its later covers."""
    group_ptr = m.group_ptr
    group_idx = m.group_idx
    later = m.later
    out = np.empty(len(m.weight))
    for j in range(len(m.weight)):
        total = 0.0
        for k in range(group_ptr[j], group_ptr[j + 1]):
            total += x[group_idx[k]]
        out[j] = min(1.0, total)
        for k in range(len(later)):
            out[j] += later[k, j] * min(1.0, max(0.0, total - 1.0 - k))
    return out


# --- local search --------------------------------------------------------------------------------


class State(NamedTuple):
    """A plan under construction; ``weight`` are the groups' weights with the floors' prices."""

    weight: np.ndarray
    chosen: np.ndarray
    times: np.ndarray
    owner: np.ndarray
    gain: np.ndarray
    loss: np.ndarray
    left: np.ndarray
    slack: np.ndarray
    floor: np.ndarray
    value: np.ndarray


def empty_state(m: Arrays, weight: np.ndarray) -> State:
    """Nothing chosen."""
    return State(
        weight,
        np.zeros(m.n_pairs, dtype=np.bool_),
        np.zeros(m.n_groups, dtype=np.int32),
        np.zeros(m.n_groups, dtype=np.int32),
        values(m, weight),
        np.zeros(m.n_pairs),
        m.limit.copy(),
        m.row_limit.copy(),
        np.zeros(len(m.need)),
        np.zeros(1),
    )


@_njit
def add(m, s, p):  # type: ignore[no-untyped-def]
    """Choose a pair; the exclusive-or of a group's chosen pairs names its owner if it has one."""
    cover_ptr = m.cover_ptr
    cover_idx = m.cover_idx
    group_ptr = m.group_ptr
    group_idx = m.group_idx
    gain = s.gain
    times = s.times
    owner = s.owner
    weight = s.weight
    s.chosen[p] = True
    s.left[m.budget[p]] -= m.cost[p]
    for k in range(m.pair_ptr[p], m.pair_ptr[p + 1]):
        s.slack[m.pair_idx[k]] -= m.pair_coef[k]
    loss = 0.0
    for k in range(cover_ptr[p], cover_ptr[p + 1]):
        j = cover_idx[k]
        w = weight[j]
        if times[j] == 0:
            s.value[0] += m.weight[j]
            for f in range(m.floor_ptr[j], m.floor_ptr[j + 1]):
                s.floor[m.floor_idx[f]] += m.weight[j]
            for q in range(group_ptr[j], group_ptr[j + 1]):
                gain[group_idx[q]] -= w
            loss += w
        elif times[j] == 1:
            s.loss[owner[j]] -= w
        times[j] += 1
        owner[j] ^= p
    s.loss[p] = loss


@_njit
def drop(m, s, p):  # type: ignore[no-untyped-def]
    """Undo :func:`add`."""
    cover_ptr = m.cover_ptr
    cover_idx = m.cover_idx
    group_ptr = m.group_ptr
    group_idx = m.group_idx
    gain = s.gain
    times = s.times
    owner = s.owner
    weight = s.weight
    s.chosen[p] = False
    s.left[m.budget[p]] += m.cost[p]
    for k in range(m.pair_ptr[p], m.pair_ptr[p + 1]):
        s.slack[m.pair_idx[k]] += m.pair_coef[k]
    for k in range(cover_ptr[p], cover_ptr[p + 1]):
        j = cover_idx[k]
        w = weight[j]
        times[j] -= 1
        owner[j] ^= p
        if times[j] == 0:
            s.value[0] -= m.weight[j]
            for f in range(m.floor_ptr[j], m.floor_ptr[j + 1]):
                s.floor[m.floor_idx[f]] -= m.weight[j]
            for q in range(group_ptr[j], group_ptr[j + 1]):
                gain[group_idx[q]] += w
        elif times[j] == 1:
            s.loss[owner[j]] += w
    s.loss[p] = 0.0


@_njit
def fits(m, s, p):  # type: ignore[no-untyped-def]
    """Whether a pair that is not chosen keeps every limit."""
    if s.chosen[p] or m.cost[p] > s.left[m.budget[p]] + TOLERANCE:
        return False
    for k in range(m.pair_ptr[p], m.pair_ptr[p + 1]):
        if m.pair_coef[k] > s.slack[m.pair_idx[k]] + TOLERANCE:
            return False
    return True


@_njit
def best_pair(m, s, b, rate, banned):  # type: ignore[no-untyped-def]
    """The pair of a budget that fits and gains most (times its rate); -1 if none gains."""
    gain = s.gain
    best, best_score = -1, 1e-9
    if s.left[b] <= 0:
        return best, best_score
    for p in range(m.budget_ptr[b], m.budget_ptr[b + 1]):
        score = gain[p] * rate[p]
        if score > best_score and not banned[p] and fits(m, s, p):
            best, best_score = p, score
    return best, best_score


@_njit
def refill(m, s, rate, banned, active, added):  # type: ignore[no-untyped-def]
    """Greedily choose while anything of the active budgets fits and gains; returns how many."""
    n_added = 0
    n_budgets = len(m.limit)
    best = np.full(n_budgets, -1, dtype=np.int64)
    score = np.zeros(n_budgets)
    for b in range(n_budgets):
        if active[b]:
            best[b], score[b] = best_pair(m, s, b, rate, banned)
    while True:
        at = -1
        for b in range(n_budgets):
            if best[b] >= 0 and (at < 0 or score[b] > score[at]):
                at = b
        if at < 0:
            return n_added
        p = best[at]
        if fits(m, s, p):  # a pair of another budget may have taken its place meanwhile
            add(m, s, p)
            added[n_added] = p
            n_added += 1
        best[at], score[at] = best_pair(m, s, at, rate, banned)


@_njit
def start_from(m, s, order, rate):  # type: ignore[no-untyped-def]
    """Choose pairs in an order where they fit, then greedily."""
    for k in range(len(order)):
        if fits(m, s, order[k]):
            add(m, s, order[k])
    banned = np.zeros(len(m.cost), dtype=np.bool_)
    active = np.ones(len(m.limit), dtype=np.bool_)
    refill(m, s, rate, banned, active, np.empty(len(m.cost), dtype=np.int64))


@_njit
def merit(m, s, penalty):  # type: ignore[no-untyped-def]
    """Demand covered, less a penalty for what the floors lack."""
    short = 0.0
    for f in range(len(m.need)):
        short += max(0.0, m.need[f] - s.floor[f])
    return s.value[0] - penalty * short, short


@_njit
def _below(state, n):  # type: ignore[no-untyped-def]
    """A random whole number below n (xorshift64*): the same on every machine."""
    state[0] ^= state[0] >> np.uint64(12)
    state[0] ^= state[0] << np.uint64(25)
    state[0] ^= state[0] >> np.uint64(27)
    return np.int64((state[0] * np.uint64(2685821657736338717) >> np.uint64(33)) % np.uint64(n))


@_njit
def _neighbour(m, p, rng):  # type: ignore[no-untyped-def]
    """A random pair that shares a group or a row with a pair."""
    n_rows = m.pair_ptr[p + 1] - m.pair_ptr[p]
    if n_rows > 0 and _below(rng, 4) == 0:
        r = m.pair_idx[m.pair_ptr[p] + _below(rng, n_rows)]
        return m.row_idx[m.row_ptr[r] + _below(rng, m.row_ptr[r + 1] - m.row_ptr[r])]
    j = m.cover_idx[m.cover_ptr[p] + _below(rng, m.cover_ptr[p + 1] - m.cover_ptr[p])]
    return m.group_idx[m.group_ptr[j] + _below(rng, m.group_ptr[j + 1] - m.group_ptr[j])]


@_njit
def anneal(m, s, rate, best, n_steps, hot, cold, penalty, seed, n_ruin):  # type: ignore[no-untyped-def]
    """Ruin and recreate: drop a few chosen pairs near each other, refill, accept by temperature.

    Half of the steps force a pair in that is not chosen, dropping whatever stands in its way.
    ``best`` (bool, n_pairs) holds the best plan met that keeps the floors, or else the one that
    lacks least; its merit is returned.
    """
    n_pairs = len(m.cost)
    rng = np.array([np.uint64(seed * 2 + 1) * np.uint64(0x9E3779B97F4A7C15)])
    banned = np.zeros(n_pairs, dtype=np.bool_)
    active = np.zeros(len(m.limit), dtype=np.bool_)
    dropped, added = np.empty(n_pairs, dtype=np.int64), np.empty(n_pairs, dtype=np.int64)
    now, _short = merit(m, s, penalty)
    best_merit = now
    for p in range(n_pairs):
        best[p] = s.chosen[p]
    for step in range(n_steps):
        heat = hot * (cold / hot) ** (step / n_steps)
        n_dropped, forced = 0, -1
        p = _below(rng, n_pairs)
        for _ in range(8):
            if s.chosen[p]:
                break
            p = _neighbour(m, p, rng)
        if not s.chosen[p]:
            forced = p
            for k in range(m.pair_ptr[p], m.pair_ptr[p + 1]):
                r = m.pair_idx[k]
                if m.pair_coef[k] <= s.slack[r] + TOLERANCE:
                    continue
                for i in range(m.row_ptr[r], m.row_ptr[r + 1]):
                    q = m.row_idx[i]
                    if s.chosen[q]:
                        drop(m, s, q)
                        dropped[n_dropped] = q
                        n_dropped += 1
                        if m.pair_coef[k] <= s.slack[r] + TOLERANCE:
                            break
        else:
            drop(m, s, p)
            dropped[n_dropped] = p
            n_dropped += 1
        wanted = 1 + _below(rng, n_ruin)
        q = p
        for _ in range(12 * wanted):
            if n_dropped >= wanted:
                break
            q = _neighbour(m, q, rng)
            if s.chosen[q]:
                drop(m, s, q)
                dropped[n_dropped] = q
                n_dropped += 1
        n_added = 0
        if forced >= 0 and not fits(m, s, forced):
            # Its budget is spent: the least useful choice of the budget makes room.
            b = m.budget[forced]
            while m.cost[forced] > s.left[b] + TOLERANCE:
                least = -1
                for q in range(m.budget_ptr[b], m.budget_ptr[b + 1]):
                    if s.chosen[q] and (
                        least < 0 or s.loss[q] * rate[q] < s.loss[least] * rate[least]
                    ):
                        least = q
                if least < 0:
                    break
                drop(m, s, least)
                dropped[n_dropped] = least
                n_dropped += 1
        if forced >= 0 and fits(m, s, forced):
            add(m, s, forced)
            added[0] = forced
            n_added = 1
        active[:] = False
        for i in range(n_dropped):
            q = dropped[i]
            active[m.budget[q]] = True
            banned[q] = _below(rng, 2) == 0
            for k in range(m.pair_ptr[q], m.pair_ptr[q + 1]):
                r = m.pair_idx[k]
                for e in range(m.row_ptr[r], m.row_ptr[r + 1]):
                    active[m.budget[m.row_idx[e]]] = True
        n_added += refill(m, s, rate, banned, active, added[n_added:])
        for i in range(n_dropped):
            banned[dropped[i]] = False
        n_added += refill(m, s, rate, banned, active, added[n_added:])
        new, _short = merit(m, s, penalty)
        luck = (_below(rng, 1 << 20) + 1) / (1 << 20)
        if new >= now + heat * np.log(luck):
            now = new
            if new > best_merit + 1e-9 * abs(best_merit):
                best_merit = new
                for q in range(n_pairs):
                    best[q] = s.chosen[q]
        else:
            for i in range(n_added - 1, -1, -1):
                drop(m, s, added[i])
            for i in range(n_dropped - 1, -1, -1):
                add(m, s, dropped[i])
    return best_merit


# --- spacing -------------------------------------------------------------------------------------


@_njit
def _slot(ptr, idx, a, b):  # type: ignore[no-untyped-def]
    """Where b stands among the sorted neighbours of a; -1 if it does not."""
    low, high = ptr[a], ptr[a + 1]
    while low < high:
        middle = (low + high) // 2
        if idx[middle] < b:
            low = middle + 1
        else:
            high = middle
    return low if low < ptr[a + 1] and idx[low] == b else -1


@_njit
def neighbour_cliques(ptr, idx):  # type: ignore[no-untyped-def]
    """Cliques of a graph, grown greedily until every edge lies in one."""
    done = np.zeros(len(idx), dtype=np.bool_)
    out_ptr = [0]
    out = [np.int64(0)]
    out.pop()
    clique = np.empty(len(ptr), dtype=np.int64)
    for a in range(len(ptr) - 1):
        for k in range(ptr[a], ptr[a + 1]):
            if done[k] or idx[k] < a:
                continue
            clique[0], clique[1] = a, idx[k]
            n = 2
            for e in range(ptr[a], ptr[a + 1]):
                c = idx[e]
                inside = c != idx[k]
                for i in range(1, n):
                    if not inside:
                        break
                    inside = _slot(ptr, idx, clique[i], c) >= 0
                if inside:
                    clique[n] = c
                    n += 1
            members = np.sort(clique[:n])
            for i in range(n):
                out.append(members[i])
                for e in range(n):
                    if e != i:
                        done[_slot(ptr, idx, members[i], members[e])] = True
            out_ptr.append(len(out))
    return np.array(out_ptr), np.array(out)
