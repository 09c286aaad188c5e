"""Integer programmes that the covering model does not hold: exact, relaxed, and in between.

.. math::

    \\max\\; g^T v \\quad\\text{s.t.}\\quad A v \\le b,\\; 0 \\le v \\le 1,\\;
    v_1 \\dots v_n \\in \\{0, 1\\}

As every variable lies in [0, 1], any prices :math:`\\lambda \\ge 0` prove the bound
:math:`b^T \\lambda + \\sum_k \\max(0, g_k - (A^T \\lambda)_k)`, whatever solver proposed them
(Lagrangian duality; Geoffrion 1974): a relaxation that was not solved to the end is no less valid.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from ortools.linear_solver.python import model_builder_helper as helper
from scipy import optimize, sparse

from tdh.siting.solving import PATIENCE_S

SMALL = 6_000
"""Non-zeros up to which a programme goes straight to the solver."""
NODES = 10_000
"""Branch-and-bound nodes of a whole programme."""
CORE_NODES = 300
"""The same of a programme restricted to what its relaxation favours."""
CORE_SIZE = 60_000
"""Non-zeros of the choices in it up to which such a programme is tried."""
ITERATIONS = 6_000
"""Most steps of the first-order method."""
STEPS = 1.5e9
"""Steps times non-zeros at effort 1, some twenty seconds; a bound is valid wherever it ends."""
WHOLE = 250_000
"""Non-zeros up to which HiGHS takes a programme whole, if wanted."""
WHOLE_NODES = 20
"""Its branch-and-bound nodes; most of what it proves it proves with cuts, before it branches."""
SIMPLEX, SIMPLEX_STEPS = 400_000, 60_000
"""Non-zeros up to which, and steps within which, the simplex method solves a relaxation."""
NEAR = 1e-3
"""Relative gap at which what is left to find is not worth another search."""
SLACK = 1e-6
"""Share of what has to be reached that HiGHS may miss."""
TOLERANCE = 1e-6
"""Relative gap up to which a plan counts as optimal."""

SUMMED = 1e-9
"""Share of a bound that the rounding of its sum may take."""

_OPTIMAL, _INFEASIBLE = 0, 2
_NONE = 2
"""What scipy calls a programme that HiGHS proves to have no plan."""


class Programme(NamedTuple):
    """The programme above.

    Attributes
    ----------
    gain : (n,) float64
    matrix : csr_array (n_rows, n)
    limit : (n_rows,) float64
    n_whole : int
        The first so many variables are 0 or 1.
    """

    gain: np.ndarray
    matrix: sparse.csr_array
    limit: np.ndarray
    n_whole: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of a programme.

    Attributes
    ----------
    values : (n,) float64 or None
        The variables of the best plan; None if none was found.
    bound : float
        No plan gains more.
    proven : bool
        Whether the plan is the best, or that there is none.
    method : str
    reproducible : bool
        False where the wall clock ended a solver.
    """

    values: np.ndarray | None
    bound: float
    proven: bool
    method: str
    reproducible: bool = True


class Box(NamedTuple):
    """Limits of the variables, within [0, 1]: what is known of every plan that is wanted.

    Attributes
    ----------
    least, most : (n,) float64
    """

    least: np.ndarray
    most: np.ndarray


def open_box(n: int) -> Box:
    """Nothing is known."""
    return Box(np.zeros(n), np.ones(n))


Polish = Callable[[np.ndarray], np.ndarray | None]
"""From a fractional choice (n_whole,) to a plan's variables, or None."""


def solve(
    p: Programme,
    *,
    seed: int = 0,
    work: float = 1.0,
    polish: Polish | None = None,
    whole: bool = False,
    relaxed: tuple[np.ndarray, float] | None = None,
    time_limit_s: float | None = None,
) -> Answer:
    """The best plan within the effort, and a bound.

    Small programmes are solved by SCIP. Of larger ones the relaxation (PDLP) gives the bound, and
    the plan is the better of what ``polish`` makes of the relaxation and, where that is small, what
    SCIP finds among the choices that the relaxation or that plan take up.

    Parameters
    ----------
    p : Programme
    seed : int
        Of SCIP's permutations.
    work : float
        Factor on the work limits.
    polish : callable, optional
        A heuristic that knows the problem.
    whole : bool
        Whether HiGHS may take the programme whole where the relaxation (then by the simplex
        method) leaves much open: many rows, few of them long.
    relaxed : tuple of (n,) float64 and float, optional
        Of the relaxation, how far it chooses at least the whole variables, and a bound, where a
        method is known that is better than PDLP.
    time_limit_s : float, optional
        Wall clock of relaxation and branching; an answer that it ended is marked as not
        reproducible.

    Returns
    -------
    Answer
    """
    deadline = np.inf if time_limit_s is None else time.monotonic() + time_limit_s

    def left_s() -> float:
        return float(np.clip(deadline - time.monotonic(), 0.1, PATIENCE_S))

    if p.matrix.nnz <= SMALL:
        nodes = round(NODES * max(work, 0.05))
        answer = branch(p, nodes=nodes, seed=seed, time_limit_s=left_s())
        if answer.proven:
            return answer
    found = None
    if whole:
        left = None if time_limit_s is None else left_s()
        found = simplex(p, steps=round(SIMPLEX_STEPS * max(work, 0.1)), time_limit_s=left)
    best, reproducible = None, True
    if found is None and relaxed is not None:
        shares, bound = relaxed
        methods = ["primal-dual bound"]
    elif found is None:
        most = min(ITERATIONS, max(300.0, STEPS / max(1, p.matrix.nnz)))
        left = None if time_limit_s is None else left_s()
        shares, bound, _ = relax(p, iterations=round(most * max(work, 0.1)), time_limit_s=left)
        methods = ["PDLP bound"]
    else:
        shares, bound, _ = found
        methods = ["simplex bound"]
    if polish is not None:
        best = polish(shares[: p.n_whole])
        methods.append("greedy and exchanges")
    likely = shares[: p.n_whole] > 1e-3
    if best is not None:
        likely |= best[: p.n_whole] > 0.5
    value = -np.inf if best is None else float(p.gain @ best)
    part: Answer | None = None
    if whole and bound - value > NEAR * abs(bound) and p.matrix.nnz <= WHOLE:
        part = cut(p, nodes=max(1, round(WHOLE_NODES * work)), time_limit_s=left_s())
        reproducible = part.reproducible
        methods.append(part.method)
        if part.values is None and part.proven and best is None:
            return Answer(None, -np.inf, True, part.method, reproducible)
        if part.values is not None:
            bound = min(bound, part.bound)
            likely |= part.values[: p.n_whole] > 0.5
            if keeps(p, part.values) and float(p.gain @ part.values) > value:
                best, value = part.values, float(p.gain @ part.values)
    inside = np.bincount(p.matrix.indices, minlength=len(p.gain))[: p.n_whole][likely].sum()
    enough = NEAR if part is not None else TOLERANCE
    late = best is not None and time.monotonic() > deadline
    if bound - value > enough * abs(bound) and (inside <= CORE_SIZE or best is None) and not late:
        upper = np.ones(len(p.gain))
        upper[: p.n_whole] = likely
        nodes = max(1, round(CORE_NODES * work))
        part = branch(p, nodes=nodes, seed=seed, most=upper, time_limit_s=left_s())
        reproducible &= part.reproducible
        methods.append("SCIP on what the relaxation favours")
        if (
            part.values is not None
            and float(p.gain @ part.values) > value
            # Without any plan, one that misses what has to be reached by the solver's tolerance.
            and (best is None or keeps(p, part.values))
        ):
            best, value = part.values, float(p.gain @ part.values)
    proven = best is not None and bound - value <= TOLERANCE * abs(bound)
    reproducible &= time.monotonic() <= deadline
    return Answer(best, max(bound, value), proven, " + ".join(methods), reproducible)


def cut(
    p: Programme,
    *,
    nodes: int,
    box: Box | None = None,
    gap: float = NEAR / 10,
    unit: float | None = None,
    time_limit_s: float = PATIENCE_S,
) -> Answer:
    """Branch and cut by HiGHS, which needs few nodes where cuts close most of the gap.

    Parameters
    ----------
    p : Programme
    nodes : int
        Work limit.
    box : Box, optional
        Limits of the variables; the bound holds within them only.
    gap : float
        Relative gap at which to stop.
    unit : float, optional
        The gain that is one to the solver, whose tolerances are absolute; the greatest by default.
    time_limit_s : float
        A last resort: an answer that it ended is marked as not reproducible.

    Returns
    -------
    Answer
        Its plan may miss rows with a negative limit by :data:`SLACK`.
    """
    box = box or open_box(len(p.gain))
    by_row, unit = row_scale(p), unit_of(p) if unit is None else unit
    # What has to be reached, and can only just be, the presolve may take for out of reach.
    limit = p.limit + np.where(p.limit < 0, SLACK * np.abs(p.limit), 0.0)
    begun = time.monotonic()
    found = optimize.milp(
        -p.gain / unit,
        constraints=optimize.LinearConstraint(
            sparse.csc_matrix(sparse.diags_array(1.0 / by_row) @ p.matrix),
            np.full(len(p.limit), -np.inf),
            limit / by_row,
        ),
        bounds=optimize.Bounds(box.least, box.most),
        integrality=np.arange(len(p.gain)) < p.n_whole,
        options={"node_limit": nodes, "mip_rel_gap": gap, "time_limit": time_limit_s},
    )
    in_time = time.monotonic() - begun < time_limit_s
    every = float(np.maximum(p.gain, 0).sum())
    if found.x is None:
        none = found.status == _NONE
        return Answer(None, -np.inf if none else every, none, "HiGHS", in_time)
    # Of a programme without whole variables the solver names no bound: where it ended, it is solved.
    if found.mip_dual_bound is None:
        bound = -float(found.fun) * unit if found.status == 0 else every
    else:
        bound = -float(found.mip_dual_bound) * unit
    values = np.clip(found.x, 0.0, 1.0)
    values[: p.n_whole] = np.round(values[: p.n_whole])
    gained = float(p.gain @ values)
    bound = max(bound, gained)
    return Answer(values, bound, bound - gained <= TOLERANCE * bound, "HiGHS", in_time)


def branch(
    p: Programme,
    *,
    nodes: int,
    seed: int,
    most: np.ndarray | None = None,
    time_limit_s: float = PATIENCE_S,
) -> Answer:
    """Branch and cut to optimality or to a limit of nodes.

    Parameters
    ----------
    p : Programme
    nodes : int
        Work limit.
    seed : int
    most : (n,) float64, optional
        Upper limits of the variables; then the bound holds within them only.
    time_limit_s : float
        A last resort: an answer that it ended is marked as not reproducible.

    Returns
    -------
    Answer
    """
    if not len(p.gain):
        # Of no variables there is one plan, which keeps the rows or does not.
        kept = keeps(p, p.gain)
        return Answer(p.gain if kept else None, 0.0 if kept else -np.inf, True, "nothing to choose")
    model, unit = _model(p, most)
    for k in range(p.n_whole):
        model.set_var_integrality(k, True)
    solver = helper.ModelSolverHelper("scip")
    solver.set_solver_specific_parameters(
        f"limits/totalnodes = {nodes}\nrandomization/randomseedshift = {seed % 1000}\n"
        "limits/gap = 0\n"
    )
    solver.set_time_limit_in_seconds(time_limit_s)
    begun = time.monotonic()
    solver.solve(model)
    in_time = time.monotonic() - begun < time_limit_s
    every = float(np.maximum(p.gain, 0).sum())
    if not solver.has_solution():
        infeasible = int(solver.status()) == _INFEASIBLE
        return Answer(None, -np.inf if infeasible else every, infeasible, "SCIP", in_time)
    values = np.asarray(solver.variable_values(), dtype=np.float64)
    values[: p.n_whole] = np.round(values[: p.n_whole])
    gained = float(p.gain @ values)
    bound = max(gained, float(solver.best_objective_bound()) * unit)
    proven = int(solver.status()) == _OPTIMAL
    return Answer(values, bound, proven, "SCIP", in_time)


def simplex(
    p: Programme, *, steps: int, box: Box | None = None, time_limit_s: float | None = None
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """As :func:`relax`, to the end, by the dual simplex method; None if that takes too long."""
    if p.matrix.nnz > SIMPLEX:
        return None
    box = box or open_box(len(p.gain))
    by_row, unit = row_scale(p), unit_of(p)
    found = optimize.linprog(
        -p.gain / unit,
        A_ub=sparse.csr_matrix(sparse.diags_array(1.0 / by_row) @ p.matrix),
        b_ub=p.limit / by_row,
        bounds=np.column_stack(box),
        method="highs-ds",
        options={"maxiter": steps, "time_limit": time_limit_s},
    )
    if found.status != 0:
        return None
    prices = np.maximum(-found.ineqlin.marginals * unit / by_row, 0.0)
    return np.clip(found.x, 0.0, 1.0), proven_by(p, prices, box), prices


def settled(
    p: Programme, least: float, box: Box, *, steps: int, time_limit_s: float | None = None
) -> tuple[Box, float] | None:
    """What every plan that gains at least so much holds, and leaves, by the relaxation's prices.

    A variable whose reduced gain is more than what the bound leaves above ``least`` cannot be
    otherwise (reduced cost fixing; Dantzig, Fulkerson and Johnson 1954).

    Parameters
    ----------
    p : Programme
    least : float
    box : Box
        What is known already.
    steps : int
        Of the simplex method.
    time_limit_s : float, optional
        Its wall clock.

    Returns
    -------
    tuple or None
        The box, and the bound; None where the relaxation takes too long.

    Examples
    --------
    >>> one = sparse.csr_array(np.ones((1, 3)))
    >>> p = Programme(np.array([5.0, 2.0, 0.5]), one, np.array([1.5]), 3)
    >>> box, bound = settled(p, 5.0, open_box(3), steps=100)
    >>> box.least.tolist(), box.most.tolist(), bound
    ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0], 6.0)
    """
    found = simplex(p, steps=steps, box=box, time_limit_s=time_limit_s)
    if found is None:
        return None
    _, bound, prices = found
    # Prices of zero are prices too: they tell what the sum of all gains cannot do without.
    for own in (prices, np.zeros_like(prices)):
        left = p.gain - p.matrix.T @ own
        # Any prices prove their bound: all that is uncertain of it is the rounding of its sum.
        proven = proven_by(p, own, box)
        room = max(proven - least, 0.0) + SUMMED * max(abs(proven), unit_of(p))
        box = Box(
            np.where(left > room, box.most, box.least), np.where(left < -room, box.least, box.most)
        )
    return box, bound


def keeps(p: Programme, values: np.ndarray) -> bool:
    """Whether a plan keeps every row; what has to be reached it may not miss.

    Examples
    --------
    >>> least = sparse.csr_array(-np.ones((1, 2)))
    >>> p = Programme(np.ones(2), least, np.array([-1.0]), 2)
    >>> keeps(p, np.array([1.0, 0.0])), keeps(p, np.array([1 - 1e-6, 0.0]))
    (True, False)
    """
    room = np.where(p.limit < 0, 1e-9, 1e-6)
    return bool((p.matrix @ values <= p.limit + room).all())


class Open(NamedTuple):
    """What a box leaves open of a programme.

    Attributes
    ----------
    programme : Programme
        Its open variables, and the rows that they could break.
    base : float
        What the settled variables gain.
    values : (n,) float64
        The settled variables' values; zero for the others.
    free : (n,) bool
        The open variables.
    rows : (n_rows,) int64
        Positions of the rows that are left.
    """

    programme: Programme
    base: float
    values: np.ndarray
    free: np.ndarray
    rows: np.ndarray

    def whole(self, values: np.ndarray) -> np.ndarray:
        """All variables, from those that are open."""
        out = self.values.copy()
        out[self.free] = values
        return out


def within(p: Programme, box: Box) -> Open:
    """A programme without the variables that a box settles, and the rows that then say nothing.

    Examples
    --------
    >>> rows = sparse.csr_array(np.array([[1.0, 1.0, 1.0], [0.0, -1.0, 1.0]]))
    >>> p = Programme(np.array([5.0, 2.0, 1.0]), rows, np.array([2.0, 1.0]), 3)
    >>> left = within(p, Box(np.array([1.0, 0.0, 0.0]), np.ones(3)))
    >>> left.base, left.programme.limit.tolist(), left.rows.tolist(), left.whole(np.ones(2)).tolist()
    (5.0, [1.0], [0], [1.0, 1.0, 1.0])
    """
    free = box.most > box.least
    values = np.where(free, 0.0, box.least)
    part = sparse.csr_array(p.matrix.tocsc()[:, np.flatnonzero(free)].tocsr())
    limit = p.limit - p.matrix @ values
    most = np.asarray(part.maximum(0).sum(axis=1)).ravel()
    # A row that only the settled could break is one that no plan keeps: it stays.
    rows = np.flatnonzero(most > limit)
    reduced = Programme(p.gain[free], part[rows], limit[rows], int(free[: p.n_whole].sum()))
    return Open(reduced, float(p.gain @ values), values, free, rows)


def relax(
    p: Programme, *, iterations: int, time_limit_s: float | None = None
) -> tuple[np.ndarray, float, np.ndarray]:
    """The relaxation by a first-order method, and the bound that its prices prove.

    Parameters
    ----------
    p : Programme
    iterations : int
        Work limit.
    time_limit_s : float, optional
        Wall clock; the bound is valid wherever it ends.

    Returns
    -------
    shares : (n,) float64
        In [0, 1].
    bound : float
    prices : (n_rows,) float64
    """
    n = len(p.gain)
    model, unit = _model(p)
    solver = helper.ModelSolverHelper("pdlp")
    solver.set_solver_specific_parameters(
        f"num_threads: 1 termination_criteria {{ iteration_limit: {iterations} "
        "simple_optimality_criteria { eps_optimal_relative: 1e-5 eps_optimal_absolute: 1e-7 } }"
    )
    if time_limit_s is not None:
        solver.set_time_limit_in_seconds(time_limit_s)
    solver.solve(model)
    shares = np.clip(np.asarray(solver.variable_values(), dtype=np.float64), 0, 1)
    if len(shares) != n:
        shares = np.zeros(n)
    prices = np.asarray(solver.dual_values(), dtype=np.float64) * unit
    prices = prices / row_scale(p) if len(prices) == len(p.limit) else np.zeros(len(p.limit))
    # A solver may count prices of a maximum from below; the better sign is as valid.
    both = [np.maximum(prices, 0.0), np.maximum(-prices, 0.0)]
    bounds = [proven_by(p, own) for own in both]
    k = int(np.argmin(bounds))
    return shares, bounds[k], both[k]


def proven_by(p: Programme, prices: np.ndarray, box: Box | None = None) -> float:
    """The bound that prices of the rows prove, within a box.

    Examples
    --------
    >>> one = sparse.csr_array(np.ones((1, 2)))
    >>> proven_by(Programme(np.array([3.0, 2.0]), one, np.array([1.0]), 2), np.array([2.0]))
    3.0
    """
    left = p.gain - p.matrix.T @ prices
    least, most = box or open_box(len(left))
    return float(p.limit @ prices + np.where(left > 0, left * most, left * least).sum())


def row_scale(p: Programme) -> np.ndarray:
    """The largest coefficient of each row, so that costs in yen or in millions make no difference.

    Examples
    --------
    >>> two = sparse.csr_array(np.array([[3e6, 0.0], [0.0, -2.0]]))
    >>> row_scale(Programme(np.ones(2), two, np.ones(2), 2)).tolist()
    [3000000.0, 2.0]
    """
    if not p.matrix.shape[1]:
        return np.ones(len(p.limit))
    out = np.asarray(abs(p.matrix).max(axis=1).todense(), dtype=np.float64).ravel()
    return np.where(out > 0, out, 1.0)


def _model(p: Programme, most: np.ndarray | None = None) -> tuple[Any, float]:
    """The programme without its whole variables; gains near one keep tolerances relative."""
    n, unit = len(p.gain), unit_of(p)
    by_row = row_scale(p)
    model = helper.ModelBuilderHelper()
    fill: Any = model.fill_model_from_sparse_data  # its stub names no type of array that exists
    fill(
        np.zeros(n),
        np.ones(n) if most is None else most,
        p.gain / unit,
        np.full(len(p.limit), -np.inf),
        p.limit / by_row,
        sparse.csr_matrix(sparse.diags_array(1.0 / by_row) @ p.matrix),
    )
    model.set_maximize(True)
    return model, unit


def unit_of(p: Programme) -> float:
    """The greatest gain, or one where nothing gains."""
    unit = float(np.abs(p.gain).max()) if len(p.gain) else 1.0
    return unit if unit > 0 else 1.0
