"""What a plan says, name by name, against what is counted again: nothing here is of the solvers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tdh.errors import Problem
from tdh.language import Text
from tdh.siting.plan import Status

RELATIVE = 1e-9
"""Share of a number that may be rounding."""
TOLERANCE = 1e-6
"""Share of the bound up to which a plan is proven optimal."""

_DIFFERS = Text("another number is counted", "再集計と一致しません")
_WORDS = {
    "objective": Text("the objective differs", "目的関数値が一致しません"),
    "spent": Text("the cost differs", "費用が一致しません"),
    "status": Text("the status does not follow from the bound", "状態が上界と整合しません"),
    "selected": Text(
        "what is selected and what is told of each choice differ", "選択と各選択の内訳が違います"
    ),
}


def problem(en: str, ja: str, where: str, value: object, expected: object = None) -> Problem:
    """A finding."""
    text = None if expected is None else str(expected)
    return Problem(Text(en, ja), value=value, expected=text, where=where)


def over(used: Any, most: Any) -> Any:
    """Whether more is used than may be, rounding aside; NaN is more than anything."""
    return ~np.less_equal(used, np.multiply(most, 1 + RELATIVE) + RELATIVE)


def numbers(values: Any) -> np.ndarray:
    """What a plan says as float64; NaN where it says no number: words and truths are none.

    >>> numbers("12").tolist(), numbers([1, True]).tolist(), numbers(["one", 2]).tolist()
    (nan, [1.0, nan], [nan, 2.0])
    """
    # A list of numbers and truths would become an array of numbers.
    array = np.asarray(values, dtype=None if hasattr(values, "dtype") else object)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    return np.vectorize(_number, otypes=[np.float64])(array.astype(object))


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, Real) and not isinstance(value, bool) else np.nan
    except OverflowError:
        return np.nan


def read_pairs(
    values: Any, n_carriers: int, n_sites: int, where: str = "selected"
) -> tuple[np.ndarray, list[Problem]]:
    """The pairs (carrier, site) that can be counted, and what is wrong with the others.

    Parameters
    ----------
    values : array_like
        What a plan says, whatever it is; sites alone where it has one dimension.
    n_carriers, n_sites : int
    where : str

    Returns
    -------
    pairs : ndarray of int64, shape (n, 2)
        Within range, each once, in the order in which they are told.
    problems : list of Problem
    """
    none = np.zeros((0, 2), dtype=np.int64)
    array = numbers(values)
    if array.ndim == 1:
        array = np.column_stack([np.zeros(len(array)), array])
    if array.ndim != 2 or array.shape[1] != 2:
        what = "pairs of carrier and site are expected", "事業者と候補地の組が必要です"
        return none, [problem(*what, where, np.shape(array), "(n, 2)")]
    whole = (array == np.floor(array)).all(axis=1)
    inside = whole & ((array >= 0) & (array < [n_carriers, n_sites])).all(axis=1)
    problems = [
        problem(
            "there is no such carrier or site",
            "その事業者か候補地はありません",
            where,
            tuple(pair),
            f"< ({n_carriers}, {n_sites})",
        )
        for pair in array[~inside].tolist()
    ]
    pairs = array[inside].astype(np.int64)
    once = list(dict.fromkeys(map(tuple, pairs.tolist())))
    if len(once) < len(pairs):
        problems.append(
            problem("a choice occurs twice", "同じ選択が重複しています", where, len(pairs))
        )
    return np.array(once, dtype=np.int64).reshape(-1, 2), problems


def given_pairs(values: Any) -> set[tuple[int, int]]:
    """Choices of a problem as its solvers read them: pairs or sites by position, or a bool mask.

    >>> sorted(given_pairs([3, 5])), given_pairs([(1, 2)]), given_pairs([[False, True]])
    ([(0, 3), (0, 5)], {(1, 2)}, {(0, 1)})
    """
    array = np.asarray([] if values is None else values)
    if array.dtype == bool:
        array = np.flatnonzero(array) if array.ndim == 1 else np.argwhere(array)
    array = array.astype(np.int64)
    if array.ndim == 1:
        return {(0, i) for i in array.tolist()}
    return {(c, i) for c, i in array.reshape(-1, 2).tolist()}


def cells_of(footprints: Sequence[sparse.csr_array], pairs: np.ndarray) -> list[np.ndarray]:
    """The cells that each choice serves."""
    found = []
    for c, i in pairs.tolist():
        row = footprints[c]
        part = slice(row.indptr[i], row.indptr[i + 1])
        found.append(np.unique(row.indices[part][row.data[part] != 0]))
    return found


def served(footprints: Sequence[Any], pairs: np.ndarray) -> np.ndarray:
    """How many chosen sites of each carrier serve each cell, (n_carriers, n_cells) int."""
    rows = [sparse.csr_array(f) for f in footprints]
    out = np.zeros((len(rows), rows[0].shape[1]), dtype=np.int64)
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    for c, cells in zip(pairs[:, 0].tolist(), cells_of(rows, pairs), strict=True):
        out[c, cells] += 1
    return out


def differing(claims: Mapping[str, tuple[Any, Any]], scale: float = 0.0) -> list[Problem]:
    """Numbers, or arrays of them, that a plan says otherwise than they are counted.

    Parameters
    ----------
    claims : mapping of str to (said, counted)
    scale : float
        Rounding is a share of this, or of the number itself where that is larger.

    Examples
    --------
    >>> [p.where for p in differing({"sites": (2, 2), "covered": ([5.0, 8.0], [5.0, 9.0])})]
    ['covered[1]']
    """
    found = []
    for name, (said, counted) in claims.items():
        what = _WORDS.get(name, _DIFFERS)
        is_ = np.asarray(counted, dtype=np.float64)
        says = numbers(said)
        if says.shape != is_.shape:
            found.append(Problem(what, value=says.shape, expected=str(is_.shape), where=name))
            continue
        near = np.abs(says - is_) <= RELATIVE * np.maximum(np.abs(is_), scale)
        for at in np.argwhere(~(near | (says == is_))).tolist():
            value, expected = float(says[tuple(at)]), f"{is_[tuple(at)]:.9g}"
            where = name + "".join(f"[{k}]" for k in at)
            found.append(Problem(what, value=value, expected=expected, where=where))
    return found


def bounded(value: float, bound: Any, where: str = "bound", scale: float = 0.0) -> list[Problem]:
    """A bound from above that a plan exceeds.

    Parameters
    ----------
    value : float
        What the plan reaches, counted.
    bound
        What it says that no plan exceeds.
    where : str
    scale : float
        The whole demand, of which rounding is a share.
    """
    said = numbers(bound)
    if said.ndim == 0 and value - RELATIVE * max(abs(value), scale) <= said < np.inf:
        return []
    what = "the bound is below the plan", "上界が計画値を下回ります"
    return [problem(*what, where, bound, f">= {value:.9g}")]


def proven(
    value: float, bound: Any, status: Any, where: str = "", scale: float = 0.0
) -> list[Problem]:
    """Bound and status: no recount gives them, but they must agree with what is counted.

    Parameters
    ----------
    value, bound, scale
        As for :func:`bounded`.
    status
        What the plan says.
    where : str
        Before the names of both.
    """
    found = bounded(value, bound, f"{where}bound", scale)
    if found:
        return found
    expected = status_of(value, float(bound), status, scale)
    if isinstance(status, str) and status == expected:
        return []
    return [Problem(_WORDS["status"], value=str(status), expected=expected, where=f"{where}status")]


def status_of(value: float, bound: float, said: Any = None, scale: float = 0.0) -> str:
    """The status that follows from a bound; at the edge of the tolerance what is said, if it is one.

    >>> status_of(99.0, 100.0), status_of(100.0, 100.0)
    ('feasible', 'optimal')
    """
    apart, most = bound - value, TOLERANCE * abs(bound)
    if apart <= 0.999 * most:
        return str(Status.OPTIMAL)
    # Where next to nothing can be served a solver's bound is that but for rounding.
    near = apart <= 1.001 * most + 1e-12 * scale
    if near and isinstance(said, str) and said in tuple(Status):
        return str(said)
    return str(Status.FEASIBLE)


def of_choices(
    table: pd.DataFrame,
    pairs: np.ndarray,
    footprints: Sequence[sparse.csr_array],
    demand: np.ndarray,
    weights: Sequence[float] = (1.0,),
    together: set[tuple[int, int]] | None = None,
) -> list[Problem]:
    """What is told of each choice, counted again: its place in the order, gain and loss.

    Parameters
    ----------
    table : DataFrame
        As :attr:`Plan.assignments`.
    pairs : ndarray of int, shape (n, 2)
        What the plan selects.
    footprints : sequence of csr_array, shape (n_sites, n_cells)
    demand : ndarray of float, shape (n_carriers, n_cells)
    weights : sequence of float
        What the first, second, … cover of a cell counts.
    together : set of (int, int), optional
        Choices of whose gains only the sum is told.
    """
    columns = ("carrier", "site", "order", "gain", "loss_without")
    missing = [c for c in columns if not isinstance(table, pd.DataFrame) or c not in table]
    if missing:
        return [problem("a column is missing", "列がありません", "assignments", ", ".join(missing))]
    own, found = read_pairs(
        table[["carrier", "site"]].to_numpy(), len(demand), footprints[0].shape[0], "assignments"
    )
    if found:
        return found
    if set(map(tuple, own.tolist())) != set(map(tuple, pairs.tolist())):
        return [Problem(_WORDS["selected"], value=len(own), expected=str(len(pairs)))]
    order, said = numbers(table["order"]), numbers(table["gain"])
    if not np.array_equal(np.sort(order), np.arange(1, len(order) + 1)):
        what = "the order is no count from 1", "順序が1からの連番ではありません"
        return [problem(*what, "assignments.order", order.tolist()[:3])]
    gain, loss = marginal(cells_of(footprints, own), own[:, 0], order, demand, weights)
    if together:
        one = np.array([tuple(p) in together for p in own.tolist()], dtype=bool)
        said, gain = (np.append(x[~one], x[one].sum()) for x in (said, gain))
    claims = {
        "assignments.gain": (said, gain),
        "assignments.loss_without": (table["loss_without"], loss),
    }
    return differing(claims, float(demand.sum()))


def marginal(
    cells: Sequence[np.ndarray],
    carrier: np.ndarray,
    order: np.ndarray,
    demand: np.ndarray,
    weights: Sequence[float] = (1.0,),
) -> tuple[np.ndarray, np.ndarray]:
    """What each choice adds to those before it, and what is lost without it alone.

    Parameters
    ----------
    cells : sequence of ndarray of int
        The cells that each choice serves.
    carrier, order : ndarray, shape (n,)
    demand : ndarray of float, shape (n_carriers, n_cells)
    weights : sequence of float
        What the first, second, … cover of a cell counts.

    Returns
    -------
    gain, loss : ndarray of float, shape (n,)

    Examples
    --------
    >>> cells, who = [np.array([0, 1]), np.array([1, 2])], np.array([0, 0])
    >>> [x.tolist() for x in marginal(cells, who, np.array([1, 2]), np.array([[4.0, 3.0, 2.0]]))]
    [[7.0, 2.0], [4.0, 2.0]]
    """
    count = np.zeros(demand.shape, dtype=np.int64)
    worth = np.append(np.asarray(weights, dtype=np.float64), 0.0)
    gain, loss = np.zeros(len(cells)), np.zeros(len(cells))
    for k in np.argsort(order, kind="stable").tolist():
        c, own = carrier[k], cells[k]
        gain[k] = demand[c, own] @ worth[np.minimum(count[c, own], len(weights))]
        count[c, own] += 1
    for k, own in enumerate(cells):
        c = carrier[k]
        loss[k] = demand[c, own] @ worth[np.minimum(count[c, own] - 1, len(weights))]
    return gain, loss
