"""Which method solves a covering model: exact where it is small, bound and search where not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tdh.siting import (
    columns,
    crossing,
    dual,
    exact,
    kernels,
    restricting,
    swapping,
    weighting,
    windows,
)
from tdh.siting.model import Arrays, unit_of

Progress = Callable[[int, int], None]

SMALL = 4_000
"""Non-zeros up to which a model goes straight to the integer programme."""
RESIDUAL, LARGER, LARGER_NODES = 12_000, 30_000, 50
"""Non-zeros up to which what the bound leaves open does, and up to which it does with so few
branch-and-bound nodes: cuts and heuristics close most of the gap, nodes take long."""
FEW, FEW_RESIDUAL = 150, 60_000
"""Pairs so few that branching ends soon, and the non-zeros up to which those left open do."""
NODES, EARLY_NODES = 1_000, 200
"""Branch-and-bound nodes for what the bound leaves open: at the end, and after the first round."""
PATIENCE_S = 120.0
"""Wall clock after which a solver that its node limit did not stop is stopped; then the plan is
marked as not reproducible."""
WORK = 1.5e9
"""Elementary operations of the local search at effort 1; some seconds."""
CORE = 20
"""Pairs that the local search looks at, for each choice of a plan."""
HURRIED, HURRIED_CORE = 30_000, 0.5
"""Moves for each choice of a plan below which only so many pairs for each are looked at beside those
of the relaxation's plan: fewer groups of cells are left to tell apart, so that each move is cheaper
besides."""
ROUNDS = ((0.03, 0.03), (0.07, 0.1), (0.2, 0.03), (0.3, 0.1), (0.4, 0.02))
"""Share of the work and starting heat (in mean gains of a choice) of each round."""
MOVES, MELTED = 1.2, 4_000
"""Share of the work for rounds of :mod:`tdh.siting.swapping`, and the steps for each choice of a
plan after which a search ends: so few that the next one, from the start again, gains more."""
UNION = 2.0
"""Times the number of choices that plans have together when the best of their pairs is sought."""
ALL, WEIGHTED = 0.02, 6e9
"""What is left out, in mean gains of a choice, below which row weighting takes over, and the
elementary operations of its searches."""
HURRIED_MOVES = (0.08, 0.92)
"""Shares of that work where moves are few for each choice: the first is short, for where that is
enough, and one longer round is better than several."""
WINDOWED, WINDOWS = 100_000, 6
"""Non-zeros of a model with floors up to which windows of it are decided anew, and how many."""
WINDOW, WINDOW_NODES = 3_000, 20
"""Entries of the covering matrix within a window, and its branch-and-bound nodes."""
RECOMBINED, RECOMBINE_NODES, COVERED = 8_000, 50, 30
"""Non-zeros and branch-and-bound nodes for the best plan of the pairs of several plans, and how
many times as many entries their footprints may hold before groups are merged."""
LIMITS = 10
"""Budgets at most whose relaxations are solved to find the least for a demand."""
CHUNKS = 60
"""Work limit of the bound at effort 1."""
TIGHT = 1e-4
"""Nearness of the bound to the relaxation's own value at which more work is not worth while."""
ROUGH, TIGHTER = 3e-3, 1e-5
"""The same, far off and at the end, where the least budget is sought: the last sites add little."""


@dataclass(frozen=True)
class Effort:
    """How long to try.

    Attributes
    ----------
    gap : float
        Stop when the proven gap is at most this.
    work : float
        Factor on the work limits; 1 is some seconds at the largest sizes.
    time_limit_s : float or None
        Wall clock; a plan that it ended is marked as not reproducible.
    """

    gap: float = 0.002
    work: float = 1.0
    time_limit_s: float | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """A choice of pairs with its bound (both without the model's base).

    ``chosen`` is None where no plan keeps the limits (``proven``) or none was found; ``lack`` then
    says what the nearest plan lacks of each floor.
    """

    chosen: np.ndarray | None
    bound: float
    proven: bool
    method: str
    reproducible: bool = True
    lack: np.ndarray | None = None


def solve(
    m: Arrays, *, seed: int = 0, effort: Effort | None = None, progress: Progress | None = None
) -> Solution:
    """The best plan within the effort, and a bound.

    Parameters
    ----------
    m : Arrays
        The model.
    seed : int
        The same seed and effort give the same plan, whatever the machine's load.
    effort : Effort
        When to stop.
    progress : callable, optional
        Called with (done, total) rounds.
    """
    unit = unit_of(m.weight, m.need)
    if unit != 1.0:
        near_one = m._replace(weight=m.weight / unit, need=m.need / unit)
        found = solve(near_one, seed=seed, effort=effort, progress=progress)
        lack = None if found.lack is None else found.lack * unit
        return replace(found, bound=found.bound * unit, lack=lack)
    effort, begun = effort or Effort(), time.monotonic()
    if exact.size(m) <= SMALL:
        outcome = exact.solve(m, nodes=20_000, seed=seed, time_limit_s=effort.time_limit_s)
        if outcome.proven:
            return Solution(outcome.chosen, outcome.bound, True, "SCIP")
    return _Search(m, seed, effort, progress or (lambda done, total: None), begun).run()


def least_limit(m: Arrays, need: float, enough: float) -> tuple[float, np.ndarray]:
    """The least budget within which the linear relaxation covers a demand.

    What the prices at one budget prove of every other is a curve above the bound, which is concave:
    where that curve reaches the demand is the next budget to look at (Newton's method).

    Parameters
    ----------
    m : Arrays
        A model with one budget and without floors.
    need : float
    enough : float
        A budget within which it can be covered.

    Returns
    -------
    limit : float
        No plan that costs less covers the demand.
    shares : (n_pairs,) float64
        The relaxation's plan.
    """
    unit = unit_of(m.weight)
    m, need = m._replace(weight=m.weight / unit), need / unit
    proven, limit, tolerance, start = 0.0, enough, ROUGH, None
    for _ in range(LIMITS):
        here = m._replace(limit=np.array([limit]))
        prices = columns.relax(here, chunks=CHUNKS, tolerance=tolerance, start=start)
        low, high = proven, enough
        while high - low > 1e-9 * high:
            middle = 0.5 * (low + high)
            at_middle = m._replace(limit=np.array([middle]))
            if dual.bound_of(at_middle, prices.u, prices.mu, prices.phi)[0] < need:
                low = middle
            else:
                high = middle
        last = tolerance <= TIGHT and low <= proven * (1 + 5.0 * TIGHT)
        # Far off, rough prices are enough; and where everything is covered they tell nothing.
        off = abs(prices.bound - need) / need
        tolerance = float(np.clip(0.1 * off, TIGHTER, ROUGH))
        proven, limit = low, max(high, 0.7 * limit if prices.bound > need else 0.0)
        if last:
            break
        start = replace(prices, bound=np.inf)
    return proven, prices.x


class _Search:
    """Bound, rounding, annealed ruin and recreate, and the integer programme of what stays open."""

    def __init__(
        self, m: Arrays, seed: int, effort: Effort, progress: Progress, begun: float
    ) -> None:
        self.m, self.seed, self.effort, self.progress = m, seed, effort, progress
        self.deadline = np.inf if effort.time_limit_s is None else begun + effort.time_limit_s
        self.rate = 1.0 / np.maximum(m.cost, 1e-12) if (m.cost != 1).any() else np.ones(m.n_pairs)
        self.best = np.zeros(m.n_pairs, dtype=bool)
        self.merit = -np.inf
        self.short = np.inf
        self.bound = float(m.weight.sum())
        self.penalty = 0.0
        self.lack = m.need.copy()
        self.reproducible = True
        self.closed = self.infeasible = False
        self.methods = ["primal-dual bound"]

    @property
    def gap(self) -> float:
        if not self.keeps_floors(self.short):
            return np.inf
        return (self.bound - self.merit) / self.bound if self.bound > 0 else 0.0

    def keeps_floors(self, short: float) -> bool:
        """Whether what all floors lack together is nothing but rounding."""
        # What fixed choices serve beyond a floor makes its need negative.
        return short <= kernels.TOLERANCE * (1 + float(np.maximum(self.m.need, 0.0).sum()))

    def late(self) -> bool:
        """Whether the time limit has passed; then the plan is not reproducible."""
        late = time.monotonic() > self.deadline
        self.reproducible &= not late
        return late

    def run(self) -> Solution:
        m = self.m
        prices = self.relax(max(TIGHT, 0.2 * self.effort.gap), None)
        self.penalty = 0.0 if len(m.need) == 0 else 3.0 + 2.0 * float(prices.phi.max())
        methods = self.methods
        order = np.argsort(-prices.x, kind="stable")
        for start in (order[prices.x[order] > 0.5], np.zeros(0, dtype=np.int64)):
            state = kernels.empty_state(m, prices.weight)
            kernels.start_from(m, state, start, self.rate)
            self.keep(state.chosen)
        if swapping.applies(m):
            methods.append("annealed moves of single sites")
            prices = self.move(prices)
        else:
            methods.append("annealed ruin and recreate")
            self.anneal(prices)
            self.decide_windows()
            prices = self.tighten(prices)
        if self.gap > 1e-6 and not self.infeasible and not self.late():
            self.closed |= self.close(prices, NODES)
        if self.closed:
            methods.append("SCIP on what the bound leaves open")
        if self.gap == np.inf and not self.infeasible:
            self.decide_floors()
        if self.infeasible:
            return Solution(None, -np.inf, True, "SCIP", lack=self.lack)
        feasible = self.gap < np.inf
        self.late()
        return Solution(
            self.best if feasible else None,
            max(self.bound, self.merit) if feasible else self.bound,
            feasible and self.gap <= 1e-6,
            " + ".join(methods),
            self.reproducible,
            None if feasible else self.lack,
        )

    def relax(self, tolerance: float, start: dual.Prices | None) -> dual.Prices:
        """Prices, and the bound that they prove."""
        chunks = round(CHUNKS * max(1.0, self.effort.work))
        prices = columns.relax(self.m, chunks=chunks, tolerance=tolerance, start=start)
        self.bound = min(self.bound, prices.bound)
        return prices

    def tighten(self, prices: dual.Prices) -> dual.Prices:
        """Tighter prices where the plan is nearly near enough: the bound may be what is missing."""
        if self.effort.gap < self.gap < 1.5 * self.effort.gap and not self.late():
            return self.relax(TIGHT, prices)
        return prices

    def keep(self, chosen: np.ndarray) -> bool:
        """Take a plan if it is better; its value is counted afresh."""
        m = self.m
        got = exact.covered(m, chosen)
        value = float(m.weight[got].sum())
        lack = np.maximum(0.0, m.need - dual.floor_sums(m, got.astype(float)))
        short = float(lack.sum())
        merit = value - self.penalty * short
        if self.keeps_floors(short) != self.keeps_floors(self.short):
            # No demand makes up for a floor that is missed, however little.
            if not self.keeps_floors(short):
                return False
        elif merit <= self.merit * (1 + 1e-12):
            return False
        self.best, self.merit, self.short = chosen.copy(), merit, short
        self.lack = lack
        return True

    def raise_penalty(self) -> None:
        """Make what the floors lack dearer, so that no demand elsewhere makes up for it."""
        value = self.merit + self.penalty * self.short
        self.penalty *= 5.0
        self.merit = value - self.penalty * self.short

    def anneal(self, prices: dual.Prices) -> None:
        """Rounds of growing length from the best plan, on the pairs that the prices favour."""
        if not self.best.any():
            return
        part = restricting.restrict(
            self.m, self.core(prices.reduced), np.zeros(self.m.n_pairs, dtype=bool)
        )
        if part is None:
            return
        m = part.arrays
        phi = prices.phi.copy()
        rate = self.rate[part.free]
        degree = len(m.cover_idx) / max(1, m.n_groups)
        per_step = (
            400.0
            + 2.0 * m.n_pairs / len(m.limit)
            + 6.0 * degree * len(m.cover_idx) / max(1, m.n_pairs)
        )
        total = WORK * self.effort.work / per_step
        mean = max(self.merit, prices.bound * 0.1) / max(1, int(self.best.sum()))
        for k, (share, hot) in enumerate(ROUNDS):
            if self.gap <= self.effort.gap or self.infeasible or self.late():
                break
            if k and self.short > 0:
                # Floors are still missed: they weigh more, in the choice and in the merit.
                phi = np.where(self.lack > 0, 2.0 * phi + 0.5, phi)
                self.raise_penalty()
            state = kernels.empty_state(m, dual.floored_weight(m, phi))
            kernels.start_from(m, state, np.flatnonzero(self.best[part.free]), rate)
            best = np.zeros(m.n_pairs, dtype=bool)
            steps = max(2_000, min(250_000, int(total * share)))
            heat = hot * mean
            kernels.anneal(
                m, state, rate, best, steps, heat, 0.03 * heat, self.penalty, self.seed * 16 + k, 4
            )
            self.keep(part.lift(best))
            self.progress(k + 1, len(ROUNDS) + 1)
            if k == 0 and len(m.row_limit) and self.gap > self.effort.gap and not self.late():
                # What the bound leaves open may be small already: then rounds are not needed.
                self.closed |= self.close(prices, EARLY_NODES)

    def decide_windows(self) -> None:
        """Windows of the plan, one after the other, decided anew by the integer programme."""
        m = self.m
        if not len(m.need) or self.short > 0 or exact.size(m) > WINDOWED:
            return
        near = windows.neighbours(m)
        rng = np.random.default_rng(self.seed)
        for k in range(round(WINDOWS * self.effort.work)):
            if self.gap <= self.effort.gap or self.late():
                return
            free = windows.around(m, near, int(rng.choice(np.flatnonzero(self.best))), WINDOW)
            part = restricting.restrict(m, free, self.best & ~free)
            if part is None:
                continue
            left = max(0.1, self.deadline - time.monotonic()) if self.deadline < np.inf else None
            outcome = exact.solve(
                part.arrays, nodes=WINDOW_NODES, seed=self.seed + k, time_limit_s=left
            )
            if outcome.chosen is not None:
                self.keep(part.lift(outcome.chosen))

    def decide_floors(self) -> None:
        """What the root of the integer programme says where the search missed the floors."""
        if exact.size(self.m) > WINDOWED:
            return
        outcome = self.patiently(self.m, 1)
        if outcome.chosen is not None:
            self.keep(outcome.chosen)
        self.infeasible = outcome.proven and outcome.chosen is None

    def patiently(self, m: Arrays, nodes: int) -> exact.Outcome:
        """The integer programme, with wall clock as a last resort, which is noted."""
        begun = time.monotonic()
        left = min(PATIENCE_S, max(0.1, self.deadline - begun))
        outcome = exact.solve(m, nodes=nodes, seed=self.seed, time_limit_s=left)
        self.reproducible &= time.monotonic() - begun < left
        return outcome

    def move(self, prices: dual.Prices) -> dual.Prices:
        """Rounds of annealed moves, each from the best plan; the prices at their end."""
        if self.gap > self.effort.gap and not self.late():
            # A tighter bound takes less time than moves, and may be what is missing.
            prices = self.relax(max(TIGHT, 0.05 * self.effort.gap), prices)
        if self.gap <= self.effort.gap:
            return prices
        number = swapping.number_of(self.m)
        none = np.zeros(self.m.n_pairs, dtype=bool)
        hurried = swapping.steps_for(self.m, 1.0) < HURRIED * number
        each = HURRIED_CORE + np.count_nonzero(prices.x > 1e-3) / number
        core = self.core(prices.reduced, each) if hurried else ~none
        part = restricting.restrict(self.m, core, none)
        if part is None:
            return prices
        near = swapping.nearest(part.arrays)
        left = float(self.m.weight.sum()) - self.bound
        cold = swapping.final_heat(left, self.merit / number)
        work = MOVES * swapping.steps_for(part.arrays, self.effort.work)
        rounds = max(2, round(work / (swapping.CHAINS * MELTED * number)))
        shares = HURRIED_MOVES if hurried else (1.0 / rounds,) * rounds
        union = self.best.copy()
        tight = False
        for k, share in enumerate(shares):
            if self.gap <= self.effort.gap or self.late():
                break
            start, steps = self.best[part.free], int(work * share / swapping.CHAINS)
            for end in swapping.anneal(part.arrays, near, start, steps, (self.seed, k), cold):
                child = crossing.cross(part.arrays, self.best[part.free], end, number)
                self.fill(part.lift(child))
                union |= self.best | part.lift(end)
            if union.sum() >= UNION * number or k + 1 == len(shares):
                self.recombine(union)
                union = self.best.copy()
            if not tight:
                before, prices = prices, self.tighten(prices)
                tight = prices is not before
            self.progress(k + 1, len(shares) + 1)
            if float(self.m.weight.sum()) - self.merit < ALL * self.merit / number:
                self.cover_all()
                break
        return prices

    def cover_all(self) -> None:
        """Row weighting, where next to nothing is left out: moves then change next to nothing."""
        m = self.m
        sets = weighting.Sets(
            m.cover_ptr, m.cover_idx, m.group_ptr, m.group_idx, np.ones_like(m.cost)
        )
        work = WEIGHTED * self.effort.work
        left = (self.deadline - time.monotonic()) * weighting.RATE
        if left < work:
            work, self.reproducible = max(0.0, left), False
        self.keep(weighting.fuller(sets, m.weight, self.best, work=work, seed=(self.seed,)))
        self.methods.append("row weighting")

    def fill(self, chosen: np.ndarray) -> None:
        """Take a plan, completed greedily, if it is better."""
        state = kernels.empty_state(self.m, self.m.weight)
        kernels.start_from(self.m, state, np.flatnonzero(chosen), self.rate)
        self.keep(state.chosen)

    def recombine(self, union: np.ndarray) -> None:
        """The best of all plans of pairs that some plan chose, where they are few enough."""
        if np.diff(self.m.cover_ptr)[union].sum() > COVERED * RECOMBINED:
            return
        part = restricting.restrict(self.m, union, np.zeros(self.m.n_pairs, dtype=bool))
        if part is None or exact.size(part.arrays) > RECOMBINED * min(1.0, self.effort.work):
            return
        left = max(0.1, self.deadline - time.monotonic()) if self.deadline < np.inf else None
        outcome = exact.solve(part.arrays, nodes=RECOMBINE_NODES, seed=self.seed, time_limit_s=left)
        if outcome.chosen is not None:
            self.keep(part.lift(outcome.chosen))

    def core(self, reduced: np.ndarray, each: float = CORE) -> np.ndarray:
        """The best plan so far and, for each of its choices, so many of the likeliest pairs."""
        n_core = round(each * int(self.best.sum())) + 200
        if n_core >= 0.7 * self.m.n_pairs:
            return np.ones(self.m.n_pairs, dtype=bool)
        core = self.best.copy()
        core[np.argsort(-reduced, kind="stable")[:n_core]] = True
        return core

    def close(self, prices: dual.Prices, nodes: int) -> bool:
        """Fix what the reduced values settle; solve the rest exactly if it is small."""
        m = self.m
        room = prices.bound - self.merit if self.short <= 0 else np.inf
        free = prices.reduced > -room * (1 + 1e-9) - 1e-9
        forced = prices.reduced > room * (1 + 1e-9) + 1e-9
        if self.short > 0:
            forced[:] = False
        part = restricting.restrict(m, free & ~forced, forced)
        if part is None:
            return False
        size, work = exact.size(part.arrays), min(1.0, self.effort.work)
        if self.gap <= self.effort.gap:
            most = float(SMALL)
        elif part.arrays.n_pairs <= FEW:
            most = FEW_RESIDUAL * work
        else:
            most = LARGER * work
            if size > RESIDUAL * work:
                nodes = min(nodes, LARGER_NODES)
        if size > most:
            return False
        outcome = self.patiently(part.arrays, nodes)
        if outcome.chosen is not None:
            self.keep(part.lift(outcome.chosen))
        elif outcome.proven and self.short > 0:
            # Without a plan nothing was fixed: the whole model has none.
            self.infeasible = True
            return True
        # A plan outside the restriction is no better than the one that was known.
        self.bound = min(self.bound, max(self.merit, outcome.bound + part.base))
        return True
