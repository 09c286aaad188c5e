"""Every option of an allocation at once: the recount against the definitions, and an exact peer.

The peer is an integer programme of HiGHS with a variable for each cell, written down from the
problem's definition; nothing of the project's models is in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from tdh.errors import InfeasibleError
from tdh.siting import (
    Effort,
    Status,
    exact,
    solve_allocation,
    solve_backup_cover,
    solve_lexicographic,
    solve_max_min,
    solving,
    verify,
    verify_max_min,
)
from tdh.siting.allocation import check, model_of
from tdh.siting.layered import Objective


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Up to twelve sites, two carriers; each option is there or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_carriers = draw(st.integers(1, 2))
    n_sites, n_cells = draw(st.integers(4, 12)), draw(st.integers(5, 20))
    dense = rng.random((n_carriers, n_sites, n_cells)) < draw(st.sampled_from([0.15, 0.3, 0.6]))
    out: dict[str, Any] = {
        "footprints": [sparse.csr_array(d) for d in dense],
        "demand": rng.integers(0, 9, (n_carriers, n_cells)).astype(float),
        "max_sites": rng.integers(1, 4, n_carriers).tolist(),
        "sharing_capacity": rng.integers(1, 3, n_sites),
        "xy_m": rng.integers(0, 6, (n_sites, 2)) * 100.0,
        "spacing_m": draw(st.sampled_from([0.0, 150.0])),
    }

    def pairs(n: int) -> list[tuple[int, int]]:
        return [(int(rng.integers(n_carriers)), int(rng.integers(n_sites))) for _ in range(n)]

    if draw(st.booleans()):
        out["cost"] = rng.integers(1, 5, (n_carriers, n_sites)).astype(float)
        out["budget"] = rng.integers(3, 9, n_carriers).astype(float)
        out["programme_budget"] = float(rng.integers(4, 12))
    if draw(st.booleans()):
        out["forbidden"] = pairs(2)
    if draw(st.integers(0, 2)) == 0:
        out["fixed"] = [p for p in pairs(1) if p not in out.get("forbidden", [])]
    if draw(st.booleans()):
        out["at_most"] = [(sorted(set(pairs(5))), 1)]
    return out


def options(problem: dict[str, Any], *without: str) -> dict[str, Any]:
    return {k: v for k, v in problem.items() if k not in ("footprints", "demand", *without)}


@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_recount_lets_pass_what_keeps_every_limit_and_nothing_else(
    every_plan: Callable[..., Any], problem: dict[str, Any], seed: int
) -> None:
    allowed = {frozenset(pairs) for pairs in every_plan(problem)}
    n_carriers, n_sites = problem["demand"].shape[0], problem["footprints"][0].shape[0]
    every = list(itertools.product(range(n_carriers), range(n_sites)))
    rng = np.random.default_rng(seed)
    tries = [frozenset(every[k] for k in rng.permutation(len(every))[:n]) for n in range(7)]
    known = sorted(allowed, key=sorted)
    tries += [known[int(rng.integers(len(known)))] for _ in range(5) if known]
    tries += [t | {every[int(rng.integers(len(every)))]} for t in tries[-5:]]
    for pairs in tries:
        chosen = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        wrong = verify(chosen, problem["footprints"], problem["demand"], **options(problem))
        assert (wrong == []) == (pairs in allowed), (sorted(pairs), wrong)


@given(problem=problems(), halves=st.booleans())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_max_min_with_every_option_against_enumeration(
    every_plan: Callable[..., Any], problem: dict[str, Any], halves: bool
) -> None:
    n_cells = problem["demand"].shape[1]
    problem["demand"] += 1.0
    masks = [np.arange(n_cells) % 3 == k for k in range(3)]
    if halves:
        masks = [np.arange(n_cells) < n_cells // 2, np.arange(n_cells) >= n_cells // 2]
    known = []
    covers = [f.toarray() for f in problem["footprints"]]
    for pairs in every_plan(problem):
        hit = np.zeros(problem["demand"].shape, dtype=bool)
        for c, i in pairs:
            hit[c] |= covers[c][i]
        got = problem["demand"] * hit
        known.append([got[:, m].sum() / problem["demand"][:, m].sum() for m in masks])
    rules = options(problem, "max_sites", "sharing_capacity")
    given = (problem["footprints"], problem["demand"], masks, problem["max_sites"])
    try:
        fair = solve_max_min(*given, problem["sharing_capacity"], **rules)
    except InfeasibleError:
        assert not known
        return
    assert verify_max_min(fair, *given, problem["sharing_capacity"], **rules) == []
    assert fair.reachable is not None
    shares = np.array(known)
    assert not shares[:, ~fair.reachable].any()
    best = shares[:, fair.reachable].min(axis=1).max() if fair.reachable.any() else 0.0
    assert fair.least_share == pytest.approx(best)
    assert fair.status is Status.OPTIMAL


@given(problem=problems())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_least_relaxation_against_enumeration(
    every_plan: Callable[..., Any], problem: dict[str, Any]
) -> None:
    """Floors of all and of one carrier that no plan keeps, or just so."""
    demand = problem["demand"]
    first = np.arange(demand.shape[1]) % 2 == 0
    floors = [(first, 0.7 * demand[:, first].sum()), (~first, 0.9 * demand[0, ~first].sum(), 0)]
    lacks = []
    covers = [f.toarray() for f in problem["footprints"]]
    for pairs in every_plan(problem):
        got = np.zeros(demand.shape)
        for c, i in pairs:
            got[c][covers[c][i]] = demand[c][covers[c][i]]
        served = [got[:, first].sum(), got[0, ~first].sum()]
        lacks.append(
            sum(max(0.0, need - s) for (_, need, *_), s in zip(floors, served, strict=True))
        )
    if not lacks:
        return
    m = model_of(check(**problem, floors=floors)).arrays
    found = exact.least_shortfall(m, nodes=1_000)
    assert found.lack is not None
    assert found.lack.sum() == pytest.approx(min(lacks), abs=1e-6)
    assert found.least == pytest.approx(min(lacks), abs=1e-6)
    if min(lacks) > 1e-6:
        with pytest.raises(InfeasibleError) as caught:
            solve_allocation(**problem, floors=floors)
        text = str(caught.value)
        assert "least relaxation" in text or "out of reach" in text


def test_the_recount_of_the_mask_served_worst_finds_what_is_wrong() -> None:
    near, demand = sparse.csr_array(np.eye(2, dtype=bool)), np.array([[4.0, 4.0]])
    masks = [np.array([True, False]), np.array([False, True])]
    fair = solve_max_min([near], demand, masks, 2)
    assert verify_max_min(fair, [near], demand, masks, 2) == []
    text = " ".join(map(str, verify_max_min(fair, [near], demand * [[1, 2]], masks[::-1], 1)))
    assert "too many sites" in text
    wrong = type(fair)(fair.plan, np.array([0.5, 1.0]), 0.2)
    text = " ".join(map(str, verify_max_min(wrong, [near], demand, masks, 2)))
    assert "shares[0]" in text and "bound is below" in text


class Peer:
    """The allocation of a problem as an integer programme, cell by cell."""

    def __init__(self, problem: dict[str, Any], copies: int = 1) -> None:
        self.n_carriers, self.n_cells = problem["demand"].shape
        self.n_sites = problem["footprints"][0].shape[0]
        self.n_x = self.n_carriers * self.n_sites
        self.copies = copies
        self.n = self.n_x + copies * self.n_carriers * self.n_cells
        self.rows: list[Any] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.least, self.most = np.zeros(self.n), np.ones(self.n)
        cost = np.broadcast_to(problem.get("cost", 1.0), (self.n_carriers, self.n_sites))
        for c in range(self.n_carriers):
            own = [self.x(c, i) for i in range(self.n_sites)]
            self.row(own, 1.0, -np.inf, problem["max_sites"][c])
            if "budget" in problem:
                self.row(own, cost[c], -np.inf, problem["budget"][c])
            for a, b in itertools.combinations(range(self.n_sites), 2):
                apart = np.hypot(*(problem["xy_m"][a] - problem["xy_m"][b]))
                if apart < problem["spacing_m"]:
                    self.row([own[a], own[b]], 1.0, -np.inf, 1)
            covers = problem["footprints"][c].toarray()
            for j in range(self.n_cells):
                ys = [self.y(c, j, k) for k in range(copies)]
                sites = [own[i] for i in np.flatnonzero(covers[:, j])]
                signs = [1.0] * len(ys) + [-1.0] * len(sites)
                self.row(ys + sites, signs, -np.inf, 0)
        for i in range(self.n_sites):
            users = [self.x(c, i) for c in range(self.n_carriers)]
            self.row(users, 1.0, -np.inf, problem["sharing_capacity"][i])
        if "programme_budget" in problem:
            self.row(list(range(self.n_x)), cost.ravel(), -np.inf, problem["programme_budget"])
        for mask, need, *of in problem.get("floors", []):
            carriers = of or range(self.n_carriers)
            at = [(c, j) for c in carriers for j in np.flatnonzero(mask)]
            weight = [problem["demand"][p] for p in at]
            self.row([self.y(c, int(j), 0) for c, j in at], weight, need, np.inf)
        for c, i in problem.get("fixed", []):
            self.least[self.x(c, i)] = 1.0
        for c, i in problem.get("forbidden", []):
            self.most[self.x(c, i)] = 0.0
        for of, n in problem.get("at_most", []):
            self.row([self.x(c, i) for c, i in of], 1.0, -np.inf, n)

    def x(self, c: int, i: int) -> int:
        return c * self.n_sites + i

    def y(self, c: int, j: int, k: int) -> int:
        return self.n_x + (k * self.n_carriers + c) * self.n_cells + j

    def row(self, at: list[int], coefs: Any, low: float, high: float) -> None:
        row = sparse.csr_array(
            (np.broadcast_to(coefs, len(at)), (np.zeros(len(at), dtype=int), at)), (1, self.n)
        )
        self.rows.append(row.astype(float))
        self.low.append(low)
        self.high.append(high)

    def more(self, n: int) -> int:
        """So many further variables; the position of the first."""
        first, self.n = self.n, self.n + n
        self.rows = [
            sparse.csr_array((r.data, r.indices, r.indptr), (1, self.n)) for r in self.rows
        ]
        self.least = np.append(self.least, np.zeros(n))
        self.most = np.append(self.most, np.ones(n))
        return first

    def best(self, gain: np.ndarray) -> float:
        found = optimize.milp(
            -gain,
            constraints=optimize.LinearConstraint(
                sparse.csc_matrix(sparse.vstack(self.rows)), self.low, self.high
            ),
            bounds=optimize.Bounds(self.least, self.most),
            integrality=np.arange(self.n) < self.n_x,
            options={"mip_rel_gap": 0.0},
        )
        assert found.status == 0, found.message
        return -float(found.fun)


def town(seed: int, n_carriers: int = 3, n_sites: int = 40, n_cells: int = 250) -> dict[str, Any]:
    """Sites and cells in a square of 2 km, with every option set so that it matters."""
    rng = np.random.default_rng(seed)
    sites, cells = rng.uniform(0, 2000, (n_sites, 2)), rng.uniform(0, 2000, (n_cells, 2))
    reach = rng.uniform(200, 450, (n_carriers, n_sites))
    far = np.hypot(*(sites[:, None] - cells[None]).transpose(2, 0, 1))
    demand = rng.lognormal(size=(n_carriers, n_cells))
    demand *= rng.random(demand.shape) < 0.7
    west = cells[:, 0] < 800
    return {
        "footprints": [sparse.csr_array(far < r[:, None]) for r in reach],
        "demand": demand,
        "max_sites": [5, 4, 6][:n_carriers],
        "sharing_capacity": np.where(np.arange(n_sites) % 3, 1, 2),
        "xy_m": sites,
        "spacing_m": 350.0,
        "cost": rng.integers(3, 10, (n_carriers, n_sites)).astype(float),
        "budget": [30.0, 24.0, 33.0][:n_carriers],
        "programme_budget": 25.0 * n_carriers,
        "fixed": [(0, 3)],
        "forbidden": [(1, 5), (1, 6), (0, 9)],
        "at_most": [([(c, i) for c in range(n_carriers) for i in range(10, 20)], 3)],
        "floors": [(west, 0.3 * demand[:, west].sum()), (~west, 0.15 * demand[0, ~west].sum(), 0)],
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("small", [solving.SMALL, -1])
def test_allocation_against_an_exact_peer(
    seed: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = town(seed)
    peer = Peer(problem)
    best = peer.best(np.concatenate([np.zeros(peer.n_x), problem["demand"].ravel()]))
    monkeypatch.setattr(solving, "SMALL", small)
    plan = solve_allocation(**problem, effort=Effort(gap=1e-6, work=0.1))
    assert verify(plan, problem["footprints"], problem["demand"], **options(problem)) == []
    assert plan.objective <= best * (1 + 1e-6)
    assert plan.bound >= best * (1 - 1e-6)
    assert plan.objective >= 0.98 * best


def test_second_cover_against_an_exact_peer() -> None:
    problem = town(3, 2)
    del problem["at_most"]
    peer = Peer(problem, copies=2)
    # A floor counts who is served at all, a second cover who is served by two.
    gains = [np.zeros(peer.n_x), problem["demand"].ravel(), 0.4 * problem["demand"].ravel()]
    best = peer.best(np.concatenate(gains))
    found = solve_backup_cover(**problem, weights=(1.0, 0.4), effort=Effort(work=0.1))
    assert found.plan.objective <= best * (1 + 1e-6)
    assert found.plan.bound >= best * (1 - 1e-6)
    assert found.plan.objective >= 0.97 * best


def test_order_of_objectives_against_an_exact_peer() -> None:
    """Any carrier, then two, then each carrier's own: every step is the best, or bounded."""
    problem = town(4, n_sites=25, n_cells=120)
    for key in ("floors", "at_most"):
        del problem[key]
    people = problem["demand"].max(axis=0)
    orders = [Objective(people, 1), Objective(people, 2), problem["demand"]]
    found = solve_lexicographic(
        problem["footprints"], orders, **options(problem), effort=Effort(work=0.2)
    )
    peer = Peer(problem)
    parts = []
    for least in (1, 2):
        first = peer.more(peer.n_cells)
        for j in range(peer.n_cells):
            for out in itertools.combinations(range(3), least - 1):
                ys = [peer.y(c, j, 0) for c in range(3) if c not in out]
                peer.row([first + j, *ys], [1.0] + [-1.0] * len(ys), -np.inf, 0)
        parts.append((list(range(first, first + peer.n_cells)), people))
    parts.append((list(range(peer.n_x, peer.n_x + 3 * peer.n_cells)), problem["demand"].ravel()))
    for k, (at, weight) in enumerate(parts):
        gain = np.zeros(peer.n)
        gain[at] = weight
        best = peer.best(gain)
        assert found.bounds[k] >= best * (1 - 1e-6)
        assert found.found[k] <= best * (1 + 1e-6)
        assert found.found[k] >= 0.98 * best
        peer.row(at, weight, found.found[k] * (1 - 1e-7), np.inf)
