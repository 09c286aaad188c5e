"""Objectives in order: each is made as good as the earlier ones allow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tdh import seeds
from tdh.errors import InfeasibleError, InputError, Problem
from tdh.language import Text
from tdh.siting import infeasible, lexlacks, pricing, programme, solving, stacked
from tdh.siting.allocation import Request, check, limits_of
from tdh.siting.inputs import Checks
from tdh.siting.layered import Groups, Objective, groups_of, programme_of, rows_of
from tdh.siting.lexlosses import covered_cells, losses_of, prune
from tdh.siting.lexswap import Swaps
from tdh.siting.model import unit_of
from tdh.siting.plan import Status
from tdh.siting.programme import Answer, Box, Programme
from tdh.siting.solving import Effort

LIGHT = 1e-3
"""What all of an objective that is held weighs against all of the one that is sought: floors of
the covering model count what its objective counts, so what is held must weigh something."""
EXCHANGES = 3_000
"""Exchanges tried at effort 1."""
FEW = 50
"""The same where branch and cut does the rest."""
ROOT = 100_000
"""Non-zeros up to which a covering step is first left to one node of branch and cut: relaxations of
so little are whole, or nearly."""
FAR = 1e-2
"""Relative gap from which on a programme solved at once is tried at prices."""
EQUAL = 1e-5
"""Share of an objective up to which plans are equally good in it where the best is not proven."""
ROUNDING = 1e-7
"""Share of a held value that rounding may take."""


@dataclass(frozen=True, eq=False)
class LexicographicPlan:
    """An allocation with its value in each objective.

    Attributes
    ----------
    selected : (n, 2) int64
        Pairs (carrier, site), sorted.
    values : (n_objectives,) float64
        What the plan covers of each objective.
    found : (n_objectives,) float64
        What each reached when it was sought, or, as good but for :data:`EQUAL`, in the plan of the
        step after; the plan keeps ``(1 - tolerance)`` of it.
    bounds : (n_objectives,) float64
        No allocation that keeps the earlier objectives so far covers more.
    statuses : tuple of Status
        Whether ``found`` is proven to be the most.
    methods : tuple of str
    losses : DataFrame
        One row a choice: carrier, site and, for each objective k, ``loss_k``: what would be lost
        without this choice alone.
    reproducible : bool
        False where the wall clock ended a solver.
    """

    selected: np.ndarray
    values: np.ndarray
    found: np.ndarray
    bounds: np.ndarray
    statuses: tuple[Status, ...]
    methods: tuple[str, ...]
    losses: pd.DataFrame
    reproducible: bool = True

    @property
    def gaps(self) -> np.ndarray:
        """Of each objective, the share of the bound that is not proven to be out of reach."""
        safe = np.where(self.bounds > 0, self.bounds, 1.0)
        return np.where(self.bounds > 0, (self.bounds - self.found) / safe, 0.0)


def solve_lexicographic(
    footprints: Sequence[Any],
    objectives: Sequence[Any],
    max_sites: Any = None,
    sharing_capacity: Any = 1,
    *,
    tolerance: float = 0.0,
    seed: int = 0,
    effort: Effort | None = None,
    **limits: Any,
) -> LexicographicPlan:
    r"""The allocation that is best in the first objective, then in the second, and so on.

    With :math:`V_k(x)` the k-th objective's covered demand and :math:`\epsilon` the tolerance,

    .. math::

        v_k = \max V_k(x) \quad\text{s.t.}\quad V_l(x) \ge (1 - \epsilon)\, v_l\ \forall l < k,\;
        x \text{ an allocation}

    (lexicographic, or preemptive, optimisation; Ehrgott 2005, ch. 5). "Any carrier first, then at
    least two" is ``[Objective(people, at_least=1), Objective(people, at_least=2)]``; places before
    people is ``[places, people]``, both (n_carriers, n_cells).

    Small steps are solved exactly. Larger ones whose cells count once covered are covering models
    as :func:`solve_allocation` has, unless one node of branch and cut ends them. Of larger ones with
    ``at_least`` >= 2 what the earlier steps settle is fixed (reduced costs), and branch and cut takes
    the rest: with rows that are held at their best in the objective at a price, or at a limit of
    nodes as it is. Its bound or that of the linear relaxation or of the sum over all carriers is
    given. Where the step before is not proven, plans within :data:`EQUAL` of what it found are as
    good in it.

    Parameters
    ----------
    footprints, max_sites, sharing_capacity, seed, effort, **limits
        As for :func:`solve_allocation`; ``floors`` count the first objective's demand (a carrier
        can be named only where that is a matrix of the carriers).
    objectives : sequence of Objective or array (n_carriers, n_cells)
        The most important first.
    tolerance : float
        Share of an objective, in [0, 1), that may be given up for later ones.

    Returns
    -------
    LexicographicPlan

    Raises
    ------
    InputError, InfeasibleError, NoSolutionError
        As :func:`solve_allocation`.

    Examples
    --------
    >>> from scipy import sparse
    >>> near = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1]], dtype=bool))
    >>> people = np.array([3, 1, 2])
    >>> any_first = [Objective(people, 1), Objective(people, 2)]
    >>> plan = solve_lexicographic([near, near], any_first, [2, 1], 2)
    >>> plan.values.tolist(), plan.selected.tolist()
    ([6.0, 4.0], [[0, 0], [0, 1], [1, 0]])
    """
    effort, seed = effort or Effort(), seeds.whole(seed)
    request, wanted = _check(footprints, objectives, max_sites, sharing_capacity, tolerance, limits)
    infeasible.check_fixed(request)
    units = np.array([unit_of(o.demand) for o in wanted])
    steps = _Steps(request, wanted, units, tolerance, seed, effort)
    chosen: np.ndarray | None = None
    found: list[float] = []
    bounds: list[float] = []
    methods, reproducible, give = [], True, 0.0
    for k, objective in enumerate(wanted):
        least = [
            (1.0 - tolerance) * value / unit for value, unit in zip(found, units, strict=False)
        ]
        step = steps.take(k, least, chosen, give)
        chosen, covered = step.chosen, covered_cells(request, step.chosen)
        if step.level:
            found[-1] = wanted[k - 1].value(covered)
            bounds[-1] = max(bounds[-1], found[-1])
        found.append(objective.value(covered))
        bounds.append(max(step.bound * units[k], found[-1]))
        proven = bounds[-1] - found[-1] <= programme.TOLERANCE * abs(bounds[-1])
        give = 0.0 if tolerance or proven else EQUAL
        methods.append(step.method)
        reproducible &= step.reproducible and time.monotonic() <= steps.deadline
    assert chosen is not None
    chosen = prune(request, wanted, chosen)
    covered = covered_cells(request, chosen)
    return LexicographicPlan(
        np.argwhere(chosen),
        np.array([o.value(covered) for o in wanted]),
        np.array(found),
        np.array(bounds),
        tuple(
            # Where nothing can be served a solver's bound is zero but for rounding.
            Status.OPTIMAL
            if b - v <= 1e-6 * abs(b) + 1e-12 * float(o.demand.sum())
            else Status.FEASIBLE
            for b, v, o in zip(bounds, found, wanted, strict=True)
        ),
        tuple(methods),
        losses_of(request, wanted, chosen),
        reproducible,
    )


def _check(
    footprints: Sequence[Any],
    objectives: Sequence[Any],
    max_sites: Any,
    sharing_capacity: Any,
    tolerance: float,
    limits: dict[str, Any],
) -> tuple[Request, list[Objective]]:
    checks = Checks()
    rows = checks.footprints(footprints)
    n_carriers, n_cells = len(rows), rows[0].shape[1]
    if not len(objectives):
        checks.add("there is no objective", "目的がありません", "objectives")
    checks.fraction(tolerance, "tolerance", zero=True, one=False)
    wanted = []
    for k, item in enumerate(objectives):
        given = item if isinstance(item, Objective) else Objective(item)
        shape = (n_carriers, n_cells) if given.at_least is None else (n_cells,)
        wanted.append(
            Objective(
                checks.numbers(given.demand, shape, f"objectives[{k}]", finite=True),
                given.at_least,
            )
        )
        if given.at_least is not None and given.at_least not in range(1, n_carriers + 1):
            checks.add(
                "so many carriers there are not",
                "事業者の数が範囲外です",
                f"objectives[{k}].at_least",
                given.at_least,
                f"1 … {n_carriers}",
            )
    first = wanted[0].demand if wanted else 0.0
    request = check(rows, first, max_sites, sharing_capacity, checks=checks, **limits)
    if wanted[0].at_least is not None and any(f.carrier is not None for f in request.floors):
        raise InputError(
            Problem(
                Text(
                    "a carrier's floor needs a first objective that counts each carrier",
                    "事業者別の下限には、事業者ごとに数える第1目的が必要です",
                ),
                where="floors",
            )
        )
    return request, wanted


class _Step(NamedTuple):
    """The plan of a step.

    Attributes
    ----------
    chosen : (n_carriers, n_sites) bool
    bound : float
    method : str
    reproducible : bool
    level : bool
        Whether the bound is that of plans with as much of the objective before as this plan has,
        and not with what was held of it.
    """

    chosen: np.ndarray
    bound: float
    method: str
    reproducible: bool
    level: bool = False


class _Steps:
    """One step after the other, with what they share."""

    def __init__(
        self,
        request: Request,
        wanted: list[Objective],
        units: np.ndarray,
        tolerance: float,
        seed: int,
        effort: Effort,
    ):
        # Solvers' tolerances are absolute: each objective is counted in a unit of its own, and the
        # floors in that of the first.
        self.given, self.unit = request, float(units[0])
        request = request.in_unit(self.unit)
        wanted = [replace(o, demand=o.demand / unit) for o, unit in zip(wanted, units, strict=True)]
        self.request, self.wanted, self.seed, self.effort = request, wanted, seed, effort
        limit_s = effort.time_limit_s
        self.deadline = np.inf if limit_s is None else time.monotonic() + limit_s
        self.tight = tolerance == 0
        self.available, self.rows, self.limits = rows_of(request)
        masks = [floor.mask for floor in request.floors]
        self.groups: list[Groups] = [
            groups_of(request, o, self.available, masks if k == 0 else ())
            for k, o in enumerate(wanted)
        ]

    def left_s(self) -> float | None:
        """What is left of the wall clock; None where it has no limit."""
        return None if self.deadline == np.inf else max(0.1, self.deadline - time.monotonic())

    def patience_s(self) -> float:
        """The same of one solver."""
        return min(solving.PATIENCE_S, self.left_s() or np.inf)

    def programme(self, k: int, held: list[float]) -> Programme:
        """The whole programme of step k."""
        return programme_of(
            self.request,
            self.groups[: k + 1],
            self.available & ~self.request.fixed,
            self.rows,
            self.limits,
            held[:k],
            self.request.floors,
        )

    def take(self, k: int, least: list[float], before: np.ndarray | None, give: float) -> _Step:
        """The plan of step k.

        ``least`` is what earlier objectives must have; of the one before, a plan may miss the share
        ``give``.
        """
        held = [value * (1.0 - ROUNDING) for value in least]
        p = self.programme(k, held)
        several = max(o.at_least or 0 for o in self.wanted[: k + 1]) > 1
        most = np.inf
        if p.matrix.nnz <= programme.SMALL:
            nodes = round(programme.NODES * max(self.effort.work, 0.05))
            answer = programme.branch(
                p, nodes=nodes, seed=self.seed, time_limit_s=self.patience_s()
            )
            if answer.proven and answer.values is not None:
                return self.step(answer)
            if answer.proven and several and k == 0:
                raise self.out_of_reach(p)
        elif p.matrix.nnz <= ROOT and not several:
            answer = programme.cut(
                p,
                nodes=1,
                gap=0.0,
                unit=1e-3 * programme.unit_of(p),
                time_limit_s=self.patience_s(),
            )
            most = answer.bound
            if answer.values is not None:
                step = self.step(answer)
                # What is held the solver counts up to its tolerance only, whatever is covered.
                values = self.variables(k, step.chosen)
                if programme.keeps(p, values):
                    if most - float(p.gain @ values) <= programme.TOLERANCE * most:
                        return step
                    before = self.better(k, held, before, step.chosen)
        start, bound, method, sure = before, np.inf, "", True
        # What covers the most over all carriers says little of what several serve, and prices of the
        # covering model little of what is held at its best.
        other = several or (k > 0 and self.tight)
        if not other or before is None or p.matrix.nnz > programme.SIMPLEX:
            start, bound, method, sure = self.cover(k, held, before)
            if not several and start is not None:
                return _Step(start, min(bound, most), method, sure)
        # The covering model counted all carriers in the place of at least so many.
        bound = min(most, self.sum_bound(k, held, bound))
        found = self.of_several(k, p, least, start, give, sure)
        if not found.level:
            found = found._replace(bound=min(bound, found.bound))
        return found._replace(reproducible=found.reproducible and sure)

    def of_several(
        self,
        k: int,
        p: Programme,
        least: list[float],
        start: np.ndarray | None,
        give: float,
        sure: bool,
    ) -> _Step:
        """The step by its whole programme, of which what is held settles a part.

        ``sure`` says whether what came before it is reproducible.
        """
        left = programme.within(p, self.settled(k, least, give))
        q, last = left.programme, len(p.limit) - len(self.request.floors)
        if start is not None and not len(q.gain):
            return _Step(start, left.base, "what is held settles all", True)
        hard = np.flatnonzero((left.rows >= last - k) & (left.rows < last))
        tight = self.tight and len(hard) > 0
        if start is not None and not tight and not self.request.floors:
            # What is not held at its best leaves room for exchanges.
            few = p.matrix.nnz <= programme.SIMPLEX
            held = [value * (1.0 - ROUNDING) for value in least]
            start = self.exchanged(k, held, start, FEW if few else EXCHANGES)
        known = None if start is None else self.variables(k, start)
        if known is not None and k == 0 and not programme.keeps(_rows_from(p, last), known):
            known = None  # of the covering model, whose floors count cells that one carrier serves
        if known is not None:
            known = known[left.free]
        kept: pricing.Kept | None = None
        if tight:
            gives = np.where(left.rows[hard] == last - 1, give, 0.0)
            kept = pricing.at_prices(
                q,
                hard,
                gives,
                known,
                work=self.effort.work,
                seed=self.seed,
                time_limit_s=self.left_s(),
            )
        answer, level = kept or (self.with_room(q, hard, known), False)
        if answer.values is None:
            if answer.proven and k == 0:
                raise self.out_of_reach(p)
            raise infeasible.not_found(
                Problem(
                    infeasible.NOT_FOUND,
                    where="floors",
                ),
                in_time=answer.reproducible and sure,
            )
        return self.step(
            replace(answer, values=left.whole(answer.values), bound=answer.bound + left.base), level
        )

    def out_of_reach(self, p: Programme) -> InfeasibleError:
        """That no plan keeps the floors of the first step, whose programme is ``p``.

        What the covering model says of them is too little: it counts one carrier's cover as well.
        """
        return InfeasibleError(*lexlacks.conflict(p, self.request.floors, self.seed, self.unit))

    def with_room(self, q: Programme, hard: np.ndarray, known: np.ndarray | None) -> Answer:
        """A programme at once and, where that leaves much open, with what is held at a price."""
        work, seed = self.effort.work, self.seed
        answer = programme.solve(
            q,
            seed=seed,
            work=work,
            polish=lambda shares: known,
            whole=True,
            time_limit_s=self.left_s(),
        )
        value = -np.inf if answer.values is None else float(q.gain @ answer.values)
        if not len(hard) or answer.bound - value <= FAR * abs(answer.bound):
            return answer
        kept = pricing.at_prices(
            q,
            hard,
            np.zeros(len(hard)),
            answer.values,
            price=pricing.FAIR,
            work=work,
            seed=seed,
            time_limit_s=self.left_s(),
        )
        if kept is None:
            return answer
        more = kept.answer
        return replace(
            more,
            bound=min(answer.bound, more.bound),
            method=f"{answer.method} + {more.method}",
            reproducible=answer.reproducible and more.reproducible,
        )

    def step(self, answer: Answer, level: bool = False) -> _Step:
        """A solver's answer as a step."""
        assert answer.values is not None
        chosen = answer.values[: self.available.size].reshape(self.available.shape) > 0.5
        return _Step(chosen, answer.bound, answer.method, answer.reproducible, level)

    def sum_bound(self, k: int, held: list[float], bound: float) -> float:
        r"""What the covering model's bound says of a step.

        With :math:`V_{\ge l}` what at least l carriers serve, the sum over all carriers is
        :math:`\sum_l V_{\ge l} \ge V_{\ge 1} + (m - 1) V_{\ge m}`; so that where at least one
        is held at L, :math:`V_{\ge m} \le (\text{bound} - L) / (m - 1)`.
        """
        o = self.wanted[k]
        if o.at_least is None or o.at_least == 1:
            return bound
        out = bound / o.at_least
        for earlier, least in zip(self.wanted, held, strict=False):
            if earlier.at_least == 1 and np.array_equal(earlier.demand, o.demand):
                out = min(out, (bound - least) / (o.at_least - 1))
        return out

    def settled(self, k: int, least: list[float], give: float) -> Box:
        """What holding the earlier objectives settles of step k.

        Held at its best, an objective has to cover nearly every group that it can cover, and only
        so many sites do that.
        """
        n_x = self.available.size
        sizes = n_x + np.cumsum([len(group.weight) for group in self.groups])
        box = programme.open_box(int(sizes[k]))
        box.least[:n_x] = self.request.fixed.ravel()
        box.most[:n_x] = self.available.ravel()
        steps = round(programme.SIMPLEX_STEPS * max(self.effort.work, 0.1))
        for i, value in enumerate(least):
            part = Box(box.least[: sizes[i]], box.most[: sizes[i]])
            wanted = value * (1.0 - give) if i == k - 1 else value
            held = [of * (1.0 - ROUNDING) for of in least[:i]]
            found = programme.settled(
                self.programme(i, held), wanted, part, steps=steps, time_limit_s=self.left_s()
            )
            if found is not None:
                box.least[: sizes[i]], box.most[: sizes[i]] = found[0]
        return box

    def exchanged(self, k: int, held: list[float], start: np.ndarray, moves: int) -> np.ndarray:
        """A plan after so many exchanges at effort 1."""
        swaps = Swaps(
            self.request,
            self.wanted[: k + 1],
            held,
            self.rows,
            self.limits,
            self.available,
            start,
        )
        return swaps.run(round(moves * self.effort.work), self.deadline)

    def cover(
        self, k: int, held: list[float], before: np.ndarray | None
    ) -> tuple[np.ndarray | None, float, str, bool]:
        """The step as a covering model; what counts several carriers counts all instead."""
        request = self.request
        n_carriers, n_cells = request.demand.shape
        layers = []
        for o in self.wanted[: k + 1]:
            if o.at_least == 1:
                layers.append(stacked.any_carrier(request, o.demand))
            else:
                spread = np.broadcast_to(o.demand, (n_carriers, n_cells))
                layers.append(stacked.each_carrier(request, spread))
        whole = float(layers[-1].weight.sum())
        light = [
            LIGHT * whole / max(float(a.weight.sum()), 1e-300) if whole > 0 else 1.0
            for a in layers[:-1]
        ]
        scaled = [
            a._replace(weight=a.weight * f) for a, f in zip(layers, [*light, 1.0], strict=True)
        ]
        usable, cost, limit, rows = limits_of(request)
        needs: list[tuple[int, np.ndarray | None, float]] = []
        factor = light[0] if k else 1.0
        for mask, need, carrier in request.floors:
            columns = mask
            if self.wanted[0].at_least != 1:
                of = np.arange(n_carriers) == carrier if carrier is not None else True
                columns = (np.broadcast_to(mask, (n_carriers, n_cells)).T & of).T.ravel()
            needs.append((0, columns, need * factor))
        held_here: list[tuple[int, np.ndarray | None, float]] = [
            (i, None, need * light[i])
            for i, need in enumerate(held)
            if (self.wanted[i].at_least or 1) == 1
        ]
        model = stacked.stack(
            scaled,
            usable.ravel(),
            request.fixed.ravel(),
            stacked.budgets_of(cost, limit),
            rows,
            needs + held_here,
        )
        effort = replace(self.effort, time_limit_s=self.left_s())
        solution = solving.solve(model.arrays, seed=self.seed, effort=effort)
        spare = sum(need for _, _, need in held_here)
        if solution.chosen is None:
            if before is None:
                left = infeasible.explain(
                    self.given, model.in_unit(1.0 / self.unit), solution.proven
                )
                sure = solution.reproducible and left.in_time
                return None, np.inf, solution.method, sure
            # That the floors are proven out of reach can be the work of rounding only.
            bound = whole if solution.proven else solution.bound + model.base - spare
            return before, min(whole, bound), "the earlier plan", solution.reproducible
        chosen = request.fixed.copy()
        chosen.ravel()[model.site[solution.chosen]] = True
        bound = solution.bound + model.base - spare
        best = self.better(k, held, before, chosen)
        return best, bound, solution.method, solution.reproducible

    def better(
        self, k: int, held: list[float], before: np.ndarray | None, chosen: np.ndarray | None
    ) -> np.ndarray | None:
        """The better of two plans that keep what is held."""
        if chosen is None:
            return before
        covered = covered_cells(self.request, chosen)
        values = [o.value(covered) for o in self.wanted[: k + 1]]
        keeps = all(v >= h * (1 - 2 * ROUNDING) for v, h in zip(values, held, strict=False))
        if before is None:
            return chosen
        if keeps and values[k] > self.wanted[k].value(covered_cells(self.request, before)):
            return chosen
        return before

    def variables(self, k: int, chosen: np.ndarray) -> np.ndarray:
        """A plan as the programme's variables."""
        parts = [chosen.ravel().astype(np.float64)]
        for group in self.groups[: k + 1]:
            counts = np.ones(len(group.weight), dtype=bool)
            for at, cover in group.covers:
                counts[at] &= cover @ parts[0] > 1.0 - 1e-6
            parts.append(counts.astype(np.float64))
        return np.concatenate(parts)


def _rows_from(p: Programme, first: int) -> Programme:
    """A programme of the last rows alone."""
    return p._replace(matrix=p.matrix[first:], limit=p.limit[first:])
