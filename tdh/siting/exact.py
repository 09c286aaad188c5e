"""A covering model as an integer programme, solved by SCIP or HiGHS through OR-Tools."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.linear_solver.python import model_builder_helper as helper
from scipy import sparse

from tdh.siting import kernels
from tdh.siting.model import Arrays

_OPTIMAL, _FEASIBLE, _INFEASIBLE = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a solver says of a model.

    Attributes
    ----------
    chosen : (n_pairs,) bool or None
        The plan; None if none was found.
    bound : float
        No plan covers more.
    proven : bool
        Whether the plan is optimal, or that there is none.
    """

    chosen: np.ndarray | None
    bound: float
    proven: bool


def size(m: Arrays) -> int:
    """Non-zeros of the integer programme."""
    return len(m.cover_idx) + m.n_groups + len(m.row_idx) + m.n_pairs + len(m.floor_idx)


def matrix(m: Arrays) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """The rows over (x, y) with their lower and upper limits: cover, budgets, rows, floors."""
    n_x, n_y = m.n_pairs, m.n_groups
    ones = np.ones(len(m.group_idx))
    cover = sparse.csr_array((-ones, m.group_idx, m.group_ptr), shape=(n_y, n_x))
    pair = np.arange(n_x)
    budget = sparse.csr_array((m.cost, (m.budget, pair)), shape=(len(m.limit), n_x))
    rows = sparse.csr_array((m.row_coef, m.row_idx, m.row_ptr), shape=(len(m.row_limit), n_x))
    group = np.repeat(np.arange(n_y), np.diff(m.floor_ptr))
    floors = sparse.csr_array((m.weight[group], (m.floor_idx, group)), shape=(len(m.need), n_y))
    whole = sparse.block_array(
        [[cover, sparse.eye_array(n_y)], [budget, None], [rows, None], [None, floors]]
    )
    n_up = len(m.limit) + len(m.row_limit)
    lower = np.concatenate([np.full(n_y + n_up, -np.inf), m.need])
    upper = np.concatenate([np.zeros(n_y), m.limit, m.row_limit, np.full(len(m.need), np.inf)])
    return sparse.csr_matrix(whole), lower, upper


def _alone(m: Arrays) -> tuple[Arrays, np.ndarray]:
    """The model without groups that one pair alone covers, and what those are worth to each pair.

    Choosing the pair is what covers them: they need no variable unless a floor counts them.
    """
    degree = np.diff(m.group_ptr)
    floors = np.diff(m.floor_ptr)
    alone = (degree == 1) & (floors == 0)
    worth = np.bincount(m.group_idx[m.group_ptr[:-1][alone]], m.weight[alone], m.n_pairs)
    rest = m._replace(
        group_ptr=np.concatenate([[0], np.cumsum(degree[~alone])]),
        group_idx=m.group_idx[np.repeat(~alone, degree)],
        weight=m.weight[~alone],
        floor_ptr=np.concatenate([[0], np.cumsum(floors[~alone])]),
    )
    return rest, worth


def solve(m: Arrays, *, nodes: int, seed: int, time_limit_s: float | None = None) -> Outcome:
    """Solve a model to optimality or to a limit of branch-and-bound nodes.

    Parameters
    ----------
    m : Arrays
        The model.
    nodes : int
        Work limit.
    seed : int
        Of SCIP's permutations.
    time_limit_s : float, optional
        Wall clock; makes the outcome depend on the machine.
    """
    n_x = m.n_pairs
    if n_x == 0:
        lacking = bool((m.need > kernels.TOLERANCE).any())
        return Outcome(None if lacking else np.zeros(0, dtype=bool), 0.0, True)
    rest, worth = _alone(m)
    n_y = rest.n_groups
    rows, lower, upper = matrix(rest)
    # Weights near one keep the solver's absolute tolerances relative.
    unit = float(m.weight.max()) if m.n_groups else 1.0
    model = helper.ModelBuilderHelper()
    fill: Any = model.fill_model_from_sparse_data  # its stub names no type of array that exists
    fill(
        np.zeros(n_x + n_y),
        np.ones(n_x + n_y),
        np.concatenate([worth, rest.weight]) / unit,
        lower,
        upper,
        rows,
    )
    for p in range(n_x):
        model.set_var_integrality(p, True)
    model.set_maximize(True)
    solver = helper.ModelSolverHelper("scip")
    solver.set_solver_specific_parameters(
        f"limits/totalnodes = {nodes}\nrandomization/randomseedshift = {seed % 1000}\n"
        "limits/gap = 0\n"
    )
    if time_limit_s is not None:
        solver.set_time_limit_in_seconds(time_limit_s)
    solver.solve(model)
    if not solver.has_solution():
        infeasible = int(solver.status()) == _INFEASIBLE
        return Outcome(None, -np.inf if infeasible else float(m.weight.sum()), infeasible)
    chosen = np.asarray(solver.variable_values())[:n_x] > 0.5
    value = float(m.weight[covered(m, chosen)].sum())
    bound = max(value, float(solver.best_objective_bound()) * unit)
    return Outcome(chosen, bound, int(solver.status()) == _OPTIMAL)


@dataclass(frozen=True, eq=False)
class Shortfall:
    """The elastic model's answer.

    Attributes
    ----------
    lack : (n_floors,) float64 or None
        What each floor lacks in the plan that lacks least altogether; None if none was found.
    least : float
        No plan lacks less altogether.
    chosen : (n_pairs,) bool or None
        That plan.
    in_time : bool
        False where wall clock, and not the work limit, ended the search.
    """

    lack: np.ndarray | None
    least: float
    chosen: np.ndarray | None = None
    in_time: bool = True


def least_shortfall(m: Arrays, *, nodes: int, time_limit_s: float | None = None) -> Shortfall:
    """The elastic model: every floor may be missed; how much each lacks when the sum is least.

    Parameters
    ----------
    m : Arrays
        The model; its weights play no part beside the floors.
    nodes : int
        Work limit.
    time_limit_s : float, optional
        Wall clock.
    """
    n_x, n_f = m.n_pairs, len(m.need)
    need = np.maximum(m.need, 0.0)
    if n_x == 0:
        return Shortfall(need, float(need.sum()), np.zeros(0, dtype=bool))
    counted, floors = np.diff(m.floor_ptr) > 0, np.diff(m.floor_ptr)
    degree = np.diff(m.group_ptr)
    whole = m
    m = m._replace(
        group_ptr=np.concatenate([[0], np.cumsum(degree[counted])]),
        group_idx=m.group_idx[np.repeat(counted, degree)],
        weight=m.weight[counted],
        floor_ptr=np.concatenate([[0], np.cumsum(floors[counted])]),
    )
    # Floors near one keep the solver's absolute tolerances relative.
    unit = max(float(need.max()), 1e-300)
    rows, lower, upper = matrix(m._replace(weight=m.weight / unit, need=m.need / unit))
    n_y = m.n_groups
    slack = sparse.coo_array(
        (np.ones(n_f), (np.arange(rows.shape[0] - n_f, rows.shape[0]), np.arange(n_f))),
        shape=(rows.shape[0], n_f),
    )
    found = minimise(
        np.concatenate([np.zeros(n_x + n_y), np.ones(n_f)]),
        np.concatenate([np.ones(n_x + n_y), need / unit]),
        sparse.csr_matrix(sparse.hstack([rows, slack])),
        lower,
        upper,
        np.arange(n_x),
        nodes=nodes,
        time_limit_s=time_limit_s,
    )
    least = found.least * unit
    if found.values is None:
        return Shortfall(None, least, in_time=found.in_time)
    chosen = found.values[:n_x] > 0.5
    # Counted again: the solver's own slack is right to its tolerances only.
    lack = whole.need - within(whole, chosen)
    lack = np.where(lack > kernels.TOLERANCE * (1.0 + need), lack, 0.0)
    return Shortfall(lack, min(least, float(lack.sum())), chosen, found.in_time)


@dataclass(frozen=True, eq=False)
class Minimum:
    """What a solver says of a least cost.

    Attributes
    ----------
    values : (n_columns,) float64 or None
        The best that was found.
    least : float
        Nothing costs less.
    infeasible : bool
        Whether there is proven to be nothing.
    in_time : bool
        False where wall clock, and not the work limit, ended the search.
    """

    values: np.ndarray | None
    least: float
    infeasible: bool
    in_time: bool


def minimise(
    cost: np.ndarray,
    most: np.ndarray,
    rows: sparse.csr_matrix,
    lower: np.ndarray,
    upper: np.ndarray,
    whole: np.ndarray,
    *,
    nodes: int,
    time_limit_s: float | None = None,
) -> Minimum:
    """The least cost of variables between 0 and ``most`` within rows.

    Parameters
    ----------
    cost, most : (n_columns,) float64
        Costs are not negative.
    rows : csr_matrix (n_rows, n_columns)
    lower, upper : (n_rows,) float64
    whole : (n,) int
        Columns that are whole numbers.
    nodes : int
        Work limit.
    time_limit_s : float, optional
        Wall clock.
    """
    model = helper.ModelBuilderHelper()
    fill: Any = model.fill_model_from_sparse_data
    fill(np.zeros(len(cost)), most, cost, lower, upper, rows)
    for column in whole.tolist():
        model.set_var_integrality(column, True)
    solver = helper.ModelSolverHelper("scip")
    solver.set_solver_specific_parameters(f"limits/totalnodes = {nodes}\n")
    if time_limit_s is not None:
        solver.set_time_limit_in_seconds(time_limit_s)
    begun = time.monotonic()
    solver.solve(model)
    in_time = time_limit_s is None or time.monotonic() - begun < time_limit_s
    if not solver.has_solution():
        infeasible = int(solver.status()) == _INFEASIBLE
        least = float(solver.best_objective_bound()) if not infeasible else np.inf
        return Minimum(
            None, max(0.0, least) if infeasible or np.isfinite(least) else 0.0, infeasible, in_time
        )
    least = max(0.0, float(solver.best_objective_bound()))
    return Minimum(np.asarray(solver.variable_values()), least, False, in_time)


def within(m: Arrays, chosen: np.ndarray) -> np.ndarray:
    """What a choice covers within each floor: (n_floors,) float64."""
    group = np.repeat(np.arange(m.n_groups), np.diff(m.floor_ptr))
    counts = covered(m, chosen)[group]
    sums: np.ndarray = np.bincount(
        m.floor_idx[counts], m.weight[group[counts]], minlength=len(m.need)
    )
    return sums


def short(need: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Which floors lie above what is covered within them, beyond rounding.

    Examples
    --------
    >>> short(np.array([3.0, 3.0, -1.0]), np.array([3.0 - 1e-12, 2.9, 0.0])).tolist()
    [False, True, False]
    """
    lacks: np.ndarray = covered < need * (1 - 1e-9) - 1e-9
    return lacks


def covered(m: Arrays, chosen: np.ndarray) -> np.ndarray:
    """Which groups a choice covers."""
    out = np.zeros(m.n_groups, dtype=bool)
    for p in np.flatnonzero(chosen):
        out[m.cover_idx[m.cover_ptr[p] : m.cover_ptr[p + 1]]] = True
    return out
