"""A schedule of a horizon and what none exceeds: exact, or by bound, search, and branch and cut."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tdh.errors import InfeasibleError, NoSolutionError, Problem
from tdh.language import Text
from tdh.siting import infeasible, lacking, programme
from tdh.siting.horizon import Horizon, programme_of, when_of
from tdh.siting.model import unit_of
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
WHOLE = 300_000
"""Non-zeros up to which branch and cut takes what the prices leave open, its groups merged."""
WHOLE_NODES = 20
FLOORED, FLOOR_NODES = 300_000, 1_000
"""Non-zeros of the floors alone up to which branch and cut decides on them, and its nodes."""
FAVOURED = 60_000
"""Non-zeros beyond which a schedule is sought first among the pairs that the relaxation favours."""
NEAR = 5e-5
"""Share of the bound that a pair's reduced gain may lack."""
NARROW = 0.5
"""Share of the allowed gap within which of the bound schedules are sought first."""

Standing = Callable[[], tuple[np.ndarray, bool]]
"""Pairs, (n_pairs,) bool, that keep the floors if all are built in the last year, and whether no
wall clock shaped them."""


@dataclass(frozen=True, eq=False)
class Found:
    """A schedule: the year of each pair (n_years: not built), and its bound."""

    when: np.ndarray
    bound: float
    method: str
    reproducible: bool


def solve(h: Horizon, cost: np.ndarray, seed: int, effort: Effort, at_the_end: Standing) -> Found:
    """The best schedule within the effort, and a bound.

    Parameters
    ----------
    h : Horizon
    cost : (n_pairs,) float64
        What the greedy choice may weigh gains by.
    seed : int
    effort : Effort
    at_the_end : callable
        Asked where no schedule is found that keeps the floors; raises if it finds none either.

    Raises
    ------
    InfeasibleError
        If what has to be built fits into no schedule, or no schedule keeps the floors.
    NoSolutionError
        If none was found within the effort.
    """
    unit = unit_of(h.weight, h.need)
    if unit != 1.0:
        found = solve(h.in_unit(unit), cost, seed, effort, at_the_end)
        return replace(found, bound=found.bound * unit)
    base = float(h.base.sum())
    p = programme_of(h)
    if len(h.pair) == 0:
        nothing = np.zeros(0, dtype=np.int64)
        if h.lack(nothing).any():
            at_the_end()
            raise _no_room(h)
        return Found(nothing, base, "nothing to choose", True)
    in_time = True
    if 0 < p.matrix.nnz <= SMALL:
        answer = programme.branch(p, nodes=NODES, seed=seed)
        if answer.proven and answer.values is None:
            if len(h.need):
                at_the_end()
            raise _no_room(h)
        if answer.proven and answer.values is not None:
            when = when_of(h, answer.values)
            if h.keeps(when) and not h.lack(when).any():
                return Found(when, answer.bound + base, "SCIP", answer.reproducible)
        in_time = answer.reproducible
    return _Planner(h, p, cost, seed, effort, at_the_end, in_time).run()


class _Planner:
    def __init__(
        self,
        h: Horizon,
        p: Programme,
        cost: np.ndarray,
        seed: int,
        effort: Effort,
        at_the_end: Standing,
        in_time: bool,
    ) -> None:
        self.h, self.p, self.cost, self.seed, self.effort = h, p, cost, seed, effort
        self.at_the_end = at_the_end
        self.base = float(h.base.sum())
        self.when = np.full(len(h.pair), h.n_years, dtype=np.int64)
        self.value = -np.inf
        self.bound = self.base + float(h.weight.sum())
        self.stands: np.ndarray | None = None
        self.methods: list[str] = []
        self.reproducible = in_time
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
        if value > self.value and self.h.keeps(when) and not self.h.lack(when).any():
            self.when, self.value = when.copy(), value

    def run(self) -> Found:
        shares, prices = self.relax()
        if self.bound < self.base * (1.0 - 1e-6) - 1e-6:
            # No schedule serves less than what is in place.
            self.standing()
            raise _no_room(self.h)
        # What counts for a floor counts more in the last year, as the relaxation has it.
        counts = self.h.floors.T @ prices[len(prices) - len(self.h.need) :]
        search = Search(self.h, counts)
        for start in self.starts(search, shares):
            for rate in self.rates():
                self.keep(search.fill(start, rate))
        self.methods.append("greedy choice")
        if not self.enough and self.p.matrix.nnz > FAVOURED:
            self.choose_favoured(shares, prices)
        if not self.enough:
            self.decide(prices)
        if self.value == -np.inf:
            self.build_at_the_end()
        if self.value == -np.inf:
            self.keep_floors(search)
        if not self.enough:
            self.anneal(search)
        return Found(self.when, self.bound, " + ".join(self.methods), self.reproducible)

    def anneal(self, search: Search) -> None:
        """Rounds of annealed moves from the best schedule, each less hot."""
        self.methods.append("annealed moves")
        per_step = 150.0 + 6.0 * self.h.n_years * self.h.cover.nnz / len(self.h.pair)
        total = min(MOST, self.effort.work * WORK / per_step)
        for k, (hot, share) in enumerate(ROUNDS):
            if self.enough:
                break
            steps = max(1_000, int(total * share))
            self.keep(search.anneal(self.when, steps, 16 * (self.seed % 2**24) + k, hot, COLD))

    def relax(self) -> tuple[np.ndarray, np.ndarray]:
        """The relaxation: its bound, what stands in it, and its prices."""
        found = programme.simplex(self.p, steps=programme.SIMPLEX_STEPS)
        self.methods.append("simplex bound" if found is not None else "PDLP bound")
        if found is None:
            if len(self.h.need) and self.p.matrix.nnz <= programme.SIMPLEX:
                # Most often there is none: then the floors are out of reach even without years.
                self.standing()
            most = min(ITERATIONS, max(300.0, STEPS / max(1, self.p.matrix.nnz)))
            found = programme.relax(self.p, iterations=round(most * max(self.effort.work, 0.1)))
        shares, bound, prices = found
        self.bound = min(self.bound, bound + self.base)
        return shares[: self.p.n_whole].reshape(self.h.n_years, -1), prices

    def starts(self, search: Search, shares: np.ndarray) -> list[np.ndarray]:
        """What has to be built, with and without what mostly stands in the relaxation and fits."""
        start = self.needed()
        wanted = self.h.n_years - (shares > 0.5).sum(axis=0)
        order = np.argsort(-shares.sum(axis=0), kind="stable")
        return [search.take(start, order, wanted), start]

    def needed(self) -> np.ndarray:
        """A schedule of what has to be built and nothing else."""
        h = self.h
        when = np.full(len(h.pair), h.n_years, dtype=np.int64)
        if not h.must.any():
            return when
        answer = lacking.needed(h, self.seed)
        if answer.values is None:
            if answer.proven:
                raise _no_room(h)
            self.reproducible &= answer.reproducible
            raise self.not_found()
        return when_of(h, answer.values)

    def rates(self) -> list[np.ndarray]:
        """What gains are weighed by: nothing, the root of the cost, the cost."""
        flat = np.ones(len(self.cost))
        if (self.cost == self.cost[0]).all():
            return [flat]
        cost = np.maximum(self.cost, 1e-3 * max(1e-12, float(self.cost.max())))
        return [flat, 1.0 / np.sqrt(cost), 1.0 / cost]

    def choose_favoured(self, shares: np.ndarray, prices: np.ndarray) -> None:
        """Branch and cut of the pairs that stand in the relaxation, or nearly do: they are few.

        It says nothing of the bound, but finds schedules that keep floors in a hundredth of the time.
        """
        n = self.p.n_whole
        left = (self.p.gain - self.p.matrix.T @ prices)[:n].reshape(shares.shape).max(axis=0)
        # Where nothing is carried over, many schedules are alike: the more pairs, the longer it takes.
        near = left >= -NEAR * self.bound if self.h.accounts.carry_over else self.h.must
        favoured = (shares.max(axis=0) > 1e-6) | near | self.h.must
        stands = programme.Box(np.zeros(n), np.tile(1.0 * favoured, self.h.n_years))
        part = programme_of(self.h, stands)
        if part.matrix.nnz > WHOLE * min(1.0, self.effort.work):
            return
        box = programme.open_box(len(part.gain))
        box.most[:n] = stands.most
        answer = programme.cut(part, nodes=WHOLE_NODES, box=box, gap=0.1 * self.effort.gap)
        self.reproducible &= answer.reproducible
        self.methods.append("HiGHS on what the relaxation favours")
        if answer.values is not None:
            self.keep(when_of(self.h, answer.values))

    def decide(self, prices: np.ndarray) -> None:
        """Branch and cut of what the prices leave open: schedules near the bound first, then all.

        A variable whose reduced gain exceeds some *room* is the same in every schedule within that
        room of the bound (Dantzig, Fulkerson and Johnson 1954). At first the room is a share of the
        gap that is allowed; then it is so wide that no schedule outside it is better than the known
        one by more than that gap.
        """
        n = self.p.n_whole
        left = (self.p.gain - self.p.matrix.T @ prices)[:n]
        # What these prices prove, and not the best bound known: the values left belong to them.
        proven = programme.proven_by(self.p, prices) + self.base
        gap = 0.99 * self.effort.gap
        for narrow in (True, False):
            room = NARROW * gap * proven if narrow else proven - self.value / (1.0 - gap)
            stands = programme.Box(1.0 * (left > room), 1.0 * (left >= -room))
            part = programme_of(self.h, stands)
            if self.enough or part.matrix.nnz > WHOLE * min(1.0, self.effort.work):
                return
            box = programme.open_box(len(part.gain))
            box.least[:n], box.most[:n] = stands
            nodes = max(1, round(WHOLE_NODES * self.effort.work))
            answer = programme.cut(part, nodes=nodes, box=box, gap=gap)
            self.reproducible &= answer.reproducible
            if narrow:
                self.methods.append("HiGHS on what the bound leaves open")
            if answer.values is not None:
                self.keep(when_of(self.h, answer.values))
            elif answer.proven and not room < np.inf:
                self.standing()
                raise _no_room(self.h)
            # A schedule outside the room is no better than what lies at its end; within there may
            # be none.
            within = max(proven - room, answer.bound + self.base)
            self.bound = min(self.bound, max(self.value, within))

    def standing(self) -> np.ndarray:
        """What keeps the floors if all is built in the last year; asked once."""
        if self.stands is None:
            self.stands, in_time = self.at_the_end()
            self.reproducible &= in_time
        return self.stands

    def build_at_the_end(self) -> None:
        """Pairs that keep the floors without years, in the years that are best for them."""
        h = self.h
        stands = self.standing()
        self.methods.append("what keeps the floors, in its best years")
        when = np.where(stands, h.n_years - 1, h.n_years)
        self.keep(when)
        n = self.p.n_whole
        last = np.concatenate([np.zeros(n - len(stands)), stands])
        box = programme.Box(last, np.tile(1.0 * stands, h.n_years))
        part = programme_of(h, box)
        whole = programme.open_box(len(part.gain))
        whole.least[:n], whole.most[:n] = box
        answer = programme.cut(part, nodes=WHOLE_NODES, box=whole, gap=0.1 * self.effort.gap)
        self.reproducible &= answer.reproducible
        if answer.values is not None:
            self.keep(when_of(h, answer.values))

    def keep_floors(self, search: Search) -> None:
        """Branch and cut of the floors alone, where what keeps them fits into no years of its own."""
        h = self.h
        part, most, _ = lacking.floors_alone(h)
        if part.matrix.nnz <= FLOORED:
            self.methods.append("HiGHS on the floors alone")
            box = programme.open_box(len(part.gain))
            box.most[: self.p.n_whole] = most
            answer = programme.cut(part, nodes=FLOOR_NODES, box=box, gap=0.01)
            self.reproducible &= answer.reproducible
            if answer.values is not None:
                when = when_of(h, answer.values)
                for start in (when, *(search.fill(when, rate) for rate in self.rates())):
                    self.keep(start)
            elif answer.proven:
                raise _no_room(h)
        if self.value == -np.inf:
            raise self.not_found()

    def not_found(self) -> NoSolutionError:
        """That no schedule was found, and whether a wall clock had to do with it."""
        what = Text("no schedule was found", "年度計画が見つかりません")
        late = time.monotonic() > self.deadline
        return infeasible.not_found(_room(self.h, what), in_time=self.reproducible and not late)


def _room(h: Horizon, what: Text) -> Problem:
    return Problem(
        what,
        where=", ".join(["fixed, max_sites, yearly_budget", *(["floors"] if len(h.need) else [])]),
        fix=Text(
            "give the years more sites or money, or take out choices that must be made",
            "年度の局数か予算を増やすか、必ず選ぶものを減らしてください",
        )
        if not len(h.need)
        else Text(
            "give the years more sites or money, or lower the floors",
            "年度の局数か予算を増やすか、下限を下げてください",
        ),
    )


def _no_room(h: Horizon) -> InfeasibleError:
    what = Text(
        "what has to be built does not fit into the years' limits",
        "必ず選ぶものが各年度の上限に収まりません",
    )
    if len(h.need):
        what = Text(
            "what the floors need does not fit into the years' limits",
            "下限に必要なものが各年度の上限に収まりません",
        )
    return InfeasibleError(_room(h, what))
