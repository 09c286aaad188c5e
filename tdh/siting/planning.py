"""A schedule of a horizon and what none exceeds: exact, or by bound, search, and branch and cut."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from tdh.errors import InfeasibleError, NoSolutionError, Problem
from tdh.language import Text
from tdh.siting import programme
from tdh.siting.horizon import Horizon, programme_of, when_of
from tdh.siting.programme import Programme
from tdh.siting.scheduling import Search
from tdh.siting.solving import Effort

SMALL = 6_000
"""Non-zeros up to which a programme goes straight to branch and cut, and its nodes."""
NODES = 10_000
ROUNDS = ((0.2, 0.25), (0.1, 0.35), (0.05, 0.4))
"""Starting heat, in mean gains of a choice, and share of the steps of each round of moves."""
COLD = 0.002
WORK, MOST = 1.5e9, 8_000_000
"""Elementary operations of the moves at effort 1, some seconds, and most steps."""
ITERATIONS, STEPS = 6_000, 1.2e10
"""Most steps of the first-order method, and steps times non-zeros at effort 1."""
WHOLE = 180_000
"""Non-zeros up to which branch and cut takes what the prices leave open."""
WHOLE_NODES = 20


@dataclass(frozen=True, eq=False)
class Found:
    """A schedule: the year of each pair (n_years: not built), and its bound."""

    when: np.ndarray
    bound: float
    method: str
    reproducible: bool


def solve(h: Horizon, cost: np.ndarray, seed: int, effort: Effort) -> Found:
    """The best schedule within the effort, and a bound.

    Parameters
    ----------
    h : Horizon
    cost : (n_pairs,) float64
        What the greedy choice may weigh gains by.
    seed : int
    effort : Effort

    Raises
    ------
    InfeasibleError
        If what has to be built fits into no schedule.
    """
    base = float(h.base.sum())
    p = programme_of(h)
    if len(h.pair) == 0:
        return Found(np.zeros(0, dtype=np.int64), base, "nothing to choose", True)
    if p.matrix.nnz <= SMALL:
        answer = programme.branch(p, nodes=NODES, seed=seed)
        if answer.proven and answer.values is None:
            raise _no_room()
        if answer.proven and answer.values is not None:
            when = when_of(h, answer.values)
            if h.keeps(when):
                return Found(when, answer.bound + base, "SCIP", answer.reproducible)
    return _Planner(h, p, cost, seed, effort).run()


class _Planner:
    def __init__(
        self, h: Horizon, p: Programme, cost: np.ndarray, seed: int, effort: Effort
    ) -> None:
        self.h, self.p, self.cost, self.seed, self.effort = h, p, cost, seed, effort
        self.base = float(h.base.sum())
        self.search = Search(h)
        self.when = np.full(len(h.pair), h.n_years, dtype=np.int64)
        self.value = -np.inf
        self.bound = self.base + float(h.weight.sum())
        self.methods: list[str] = []
        self.reproducible = True
        limit = effort.time_limit_s
        self.deadline = np.inf if limit is None else time.monotonic() + limit

    @property
    def enough(self) -> bool:
        if time.monotonic() > self.deadline:
            self.reproducible = False
            return True
        return self.bound - self.value <= self.effort.gap * self.bound

    def keep(self, when: np.ndarray) -> None:
        value = self.h.value(when)
        if value > self.value and self.h.keeps(when):
            self.when, self.value = when.copy(), value

    def run(self) -> Found:
        shares, prices = self.relax()
        for start in self.starts(shares):
            for rate in self.rates():
                self.keep(self.search.fill(start, rate))
        self.methods.append("greedy choice and annealed moves")
        per_step = 150.0 + 6.0 * self.h.n_years * self.h.cover.nnz / len(self.h.pair)
        total = min(MOST, self.effort.work * WORK / per_step)
        for k, (hot, share) in enumerate(ROUNDS):
            if self.enough:
                break
            steps = max(1_000, int(total * share))
            self.keep(self.search.anneal(self.when, steps, 16 * (self.seed % 2**24) + k, hot, COLD))
        if not self.enough and self.p.matrix.nnz <= WHOLE * min(1.0, self.effort.work):
            self.decide(prices)
        return Found(self.when, self.bound, " + ".join(self.methods), self.reproducible)

    def relax(self) -> tuple[np.ndarray, np.ndarray]:
        """The relaxation: its bound, what stands in it, and its prices."""
        found = programme.simplex(self.p, steps=programme.SIMPLEX_STEPS)
        self.methods.append("simplex bound" if found is not None else "PDLP bound")
        if found is None:
            most = min(ITERATIONS, max(300.0, STEPS / max(1, self.p.matrix.nnz)))
            found = programme.relax(self.p, iterations=round(most * max(self.effort.work, 0.1)))
        shares, bound, prices = found
        self.bound = min(self.bound, bound + self.base)
        return shares[: self.p.n_whole].reshape(self.h.n_years, -1), prices

    def starts(self, shares: np.ndarray) -> list[np.ndarray]:
        """What has to be built, and with it what mostly stands in the relaxation, if that fits."""
        start = self.needed()
        stands = shares > 0.5
        rounded = np.minimum(start, self.h.n_years - stands.sum(axis=0))
        return [start, rounded] if self.h.keeps(rounded) else [start]

    def needed(self) -> np.ndarray:
        """A schedule of what has to be built and nothing else."""
        h = self.h
        when = np.full(len(h.pair), h.n_years, dtype=np.int64)
        if not h.must.any():
            return when
        most = np.tile(h.must.astype(np.float64), h.n_years)
        most = np.concatenate([most, np.ones(len(self.p.gain) - len(most))])
        answer = programme.branch(self.p, nodes=NODES, seed=self.seed, most=most)
        if answer.values is None:
            if answer.proven:
                raise _no_room()
            raise NoSolutionError(_room(Text("no schedule was found", "年度計画が見つかりません")))
        return when_of(h, answer.values)

    def rates(self) -> list[np.ndarray]:
        """What gains are weighed by: nothing, the root of the cost, the cost."""
        flat = np.ones(len(self.cost))
        if (self.cost == self.cost[0]).all():
            return [flat]
        cost = np.maximum(self.cost, 1e-3 * max(1e-12, float(self.cost.max())))
        return [flat, 1.0 / np.sqrt(cost), 1.0 / cost]

    def decide(self, prices: np.ndarray) -> None:
        """Branch and cut of what the prices leave open: all that a better schedule could hold."""
        left = (self.p.gain - self.p.matrix.T @ prices)[: self.p.n_whole]
        # What these prices prove, and not the best bound known: the values left belong to them.
        proven = programme.proven_by(self.p, prices) + self.base
        room = (proven - self.value) * (1 + 1e-9) + 1e-9
        box = programme.open_box(len(self.p.gain))
        box.most[: self.p.n_whole] = left >= -room
        nodes = max(1, round(WHOLE_NODES * self.effort.work))
        answer = programme.cut(self.p, nodes=nodes, box=box, gap=self.effort.gap / 2)
        self.methods.append("HiGHS on what the bound leaves open")
        self.reproducible &= answer.reproducible
        if answer.values is not None:
            self.keep(when_of(self.h, answer.values))
        # A schedule with what is left out is no better than the one that was known.
        self.bound = min(self.bound, max(self.value, answer.bound + self.base))


def _room(what: Text) -> Problem:
    return Problem(
        what,
        where="fixed, max_sites, yearly_budget",
        fix=Text(
            "give the years more sites or money, or take out choices that must be made",
            "年度の局数か予算を増やすか、必ず選ぶものを減らしてください",
        ),
    )


def _no_room() -> InfeasibleError:
    return InfeasibleError(
        _room(
            Text(
                "what has to be built does not fit into the years' limits",
                "必ず選ぶものが各年度の上限に収まりません",
            )
        )
    )
