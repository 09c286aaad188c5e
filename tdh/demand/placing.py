"""Where people stand inside their mesh: by the volume of buildings, or as it was learnt.

:class:`tdh.demand.DasymetricRegressor` learns from meshes whose parts are known. It is used only
where it does better than volume, and than no buildings at all, on blocks that it has not seen; what
it did there is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from tdh import mesh, seeds
from tdh.demand.cells import Weigh
from tdh.demand.dasymetric import LEAST_MESHES, DasymetricRegressor, mesh_classes
from tdh.grid import Grid
from tdh.surface import Surface

FOLDS = 5
_PARENTS_PER_BLOCK = (10, 5, 3, 2)
"""Sides of blocks, in meshes of the sums (of 1 km: 10 km, …); the largest that gives five."""
WHY_NOT = ("no_buildings", "coarse_meshes", "few_meshes", "few_blocks", "no_better")
"""Why nothing was learnt though it was asked for."""
LEAST_TESTED = 16
"""So many meshes are needed to test whether Tokyo's kinds of buildings do better than volume."""
_KILOMETRES = 8
_FAR = 1_000_000
_LEVEL_ABOVE = {9: 8, 10: 9, 11: 10}
_SQUARE = 2
"""Meshes to a side of the squares whose sums take the place of a level above, where none is near."""


@dataclass(frozen=True, eq=False)
class Placing:
    """How people are placed.

    Parameters
    ----------
    weigh : callable or None
        Weights of cells for :func:`tdh.demand.make_cells`; None: volume.
    population : DataFrame
        ``mesh_code`` and ``population``, sums divided among their parts where that was learnt.
    facts : dict
        ``used`` (area, volume, preset or learnt); ``why_not`` (:data:`WHY_NOT`) if nothing was
        learnt; ``meshes`` learnt from or tested on, ``blocks``, ``divided`` sums; and of the blocks
        held out (of all, where nothing was learnt), in people per mesh, ``rmse_areal``,
        ``rmse_volume``, ``rmse_classes`` (volume weighted by class, which places
        people in cells) and, where sums can be divided, ``rmse_learnt`` (the whole regressor, which
        divides them).
    """

    weigh: Weigh | None
    population: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


def learn_placing(
    population: pd.DataFrame,
    municipalities: gpd.GeoDataFrame,
    surface: Surface | None,
    training: pd.DataFrame | None = None,
    *,
    seed: int = 0,
) -> Placing:
    """Learn in which buildings people live, if there is enough to learn from and it helps.

    Parameters
    ----------
    population : DataFrame
        ``mesh_code`` and ``population`` (:func:`tdh.demand.read_population`).
    municipalities : GeoDataFrame
        Table ``municipalities``. Only sums of meshes wholly inside are learnt from: buildings
        beyond may be unknown.
    surface : Surface or None
    training : DataFrame, optional
        The same people, or those of an earlier census, per finer mesh than ``population``, all of
        one level; by default ``population`` itself.
    seed : int

    Returns
    -------
    Placing
        Evenly where there is no surface. By volume, or evenly where that was tested to do better,
        where there are fewer than 100 meshes or five blocks, or where on the blocks held out the
        classes do not beat both. Where there are too few meshes to learn from, but 16 to test on,
        and Tokyo's kinds of buildings (:data:`tdh.demand.dasymetric.PRESET`) beat both there, by
        those. Where ``training`` is one level finer than a mesh of ``population`` wholly inside, the
        regressor divides it; sums are kept exactly.

    Notes
    -----
    Kinds of buildings are learnt from the shares of meshes in the mesh above; from the shares of
    1 km meshes, above which are only 10 km, in squares of 2 km.
    """
    seed = seeds.whole(seed)
    tried = {"asked": "learnt", "used": "area" if surface is None else "volume"}

    def without(why: str, **more: Any) -> Placing:
        return Placing(None, population, {**tried, "why_not": why, **more})

    if surface is None:
        return without("no_buildings")
    known = population if training is None else training
    lengths = known["mesh_code"].str.len()
    level = int(lengths.max()) if len(lengths) else 0
    if level != _KILOMETRES and level not in _LEVEL_ABOVE:
        return without("coarse_meshes")
    known = known[lengths == level].set_index("mesh_code")["population"]
    codes, squares = _whole_parts(known.index, level, municipalities)
    if codes.size < LEAST_MESHES:
        few = {"meshes": int(codes.size), "least": LEAST_MESHES}
        if codes.size < LEAST_TESTED:
            return without("few_meshes", **few)
        people = known.reindex(codes).fillna(0.0).to_numpy(float)
        return _by_preset(
            mesh_classes(surface, codes), people, squares, without("few_meshes", **few)
        )
    people = known.reindex(codes).fillna(0.0).to_numpy(float)
    above = _LEVEL_ABOVE.get(level)
    side = mesh.SIZE_IN_EIGHTHS[level] * _SQUARE
    blocks = _blocks(codes, side)
    n_blocks = np.unique(blocks).size
    classes = mesh_classes(surface, codes)
    facts: dict[str, Any] = {
        "meshes": int(codes.size),
        "blocks": int(n_blocks),
        "from_digits": above,
    }
    divides = training is not None and above is not None
    model = DasymetricRegressor(parent_digits=above or level, correct=divides, random_state=seed)
    told = _held_out(model, classes, people, blocks, squares) if n_blocks >= FOLDS else None
    if told is None:
        volume = without("few_blocks", least=LEAST_MESHES, **facts)
        return _by_preset(classes, people, squares, volume)
    if not divides:
        del told["rmse_learnt"]
    facts |= told
    if told["rmse_classes"] >= min(told["rmse_volume"], told["rmse_areal"]):
        return _plainly(without("no_better", **facts))
    model.fit(classes, people, None if divides else squares)
    divided = population
    if divides:
        divided, n = _divided(model, population, municipalities, surface, level)
        facts["divided"] = n
    return Placing(model.weigh, divided, {**tried, "used": "learnt", **facts})


def _by_preset(
    classes: pd.DataFrame, people: np.ndarray, squares: np.ndarray, volume: Placing
) -> Placing:
    """By Tokyo's kinds of buildings where they do better than volume on the meshes that there are."""
    model = DasymetricRegressor.preset()
    rmse = _rmse(people, squares, {
        "areal": np.ones(people.size),
        "volume": classes.to_numpy(float).sum(axis=1),
        "classes": model.predict(classes.to_numpy(float)),
    })  # fmt: skip
    told = {**volume.facts, **rmse}
    if rmse["rmse_classes"] >= min(rmse["rmse_volume"], rmse["rmse_areal"]):
        return _plainly(Placing(None, volume.population, told))
    return Placing(model.weigh, volume.population, {**told, "used": "preset"})


def _plainly(volume: Placing) -> Placing:
    """By volume, or evenly where that has less error."""
    if volume.facts["rmse_areal"] >= volume.facts["rmse_volume"]:
        return volume
    return Placing(_evenly, volume.population, {**volume.facts, "used": "area"})


def _evenly(_: Surface, grid: Grid) -> np.ndarray:
    return np.ones(grid.shape)


def _rmse(
    people: np.ndarray, squares: np.ndarray, weights: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Errors of dividing the squares' people by weights, in people per mesh."""
    parent = np.unique(squares, return_inverse=True)[1]
    of_parent = np.bincount(parent, people)[parent]
    found = {}
    for name, weight in weights.items():
        lived = weight + 1e-9  # a mesh without buildings is divided evenly
        shared = of_parent * lived / np.bincount(parent, lived)[parent]
        found[f"rmse_{name}"] = round(float(np.sqrt(np.mean((shared - people) ** 2))), 3)
    return found


def _whole_parts(
    known: pd.Index, level: int, municipalities: gpd.GeoDataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Meshes to learn from, four to a square wholly inside, and the number of each one's square."""
    if level in _LEVEL_ABOVE:
        whole = _within(np.unique(mesh.parents(known, _LEVEL_ABOVE[level])), municipalities)
        codes = mesh.children(whole, level).ravel()
        return codes, np.repeat(np.arange(whole.size), _SQUARE**2)
    codes = _within(known.to_numpy(str), municipalities)
    row, col, _ = mesh.indices(codes)
    side = mesh.SIZE_IN_EIGHTHS[level] * _SQUARE
    numbers = row // side * _FAR + col // side
    _, square, size = np.unique(numbers, return_inverse=True, return_counts=True)
    full = size[square] == _SQUARE**2
    return codes[full], square[full]


def _within(codes: np.ndarray, municipalities: gpd.GeoDataFrame) -> np.ndarray:
    inside = mesh.polygons(codes, municipalities.crs).within(municipalities.union_all())
    found: np.ndarray = codes[inside.to_numpy()]
    return found


def _blocks(codes: np.ndarray, side: int) -> np.ndarray:
    """A number for the square block in which each mesh lies; of sums ``side`` eighths wide."""
    row, col, _ = mesh.indices(codes)
    numbers = np.zeros(codes.size, dtype=np.int64)
    for parents in _PARENTS_PER_BLOCK:
        numbers = row // (side * parents) * _FAR + col // (side * parents)
        if np.unique(numbers).size >= FOLDS:
            break
    return numbers


def _held_out(
    model: DasymetricRegressor,
    classes: pd.DataFrame,
    people: np.ndarray,
    blocks: np.ndarray,
    squares: np.ndarray,
) -> dict[str, float] | None:
    """Root mean square errors where nothing was learnt; None if a fold leaves too little."""
    totals = None
    if model.correct:
        codes = mesh.parents(classes.index.to_numpy(str), model.parent_digits)
        totals = pd.Series(people).groupby(codes).sum()
    volumes = classes.to_numpy(float)
    weighted, learnt = np.zeros(people.size), np.zeros(people.size)
    for train, test in _folds(blocks):
        if train.size < LEAST_MESHES:
            return None
        model.fit(classes.iloc[train], people[train], None if model.correct else squares[train])
        weighted[test] = volumes[test] @ model.coef_
        if totals is not None:
            learnt[test] = model.predict(classes.iloc[test], totals)
    found = _rmse(people, squares, {
        "areal": np.ones(people.size), "volume": volumes.sum(axis=1), "classes": weighted,
    })  # fmt: skip
    found["rmse_learnt"] = round(float(np.sqrt(np.mean((learnt - people) ** 2))), 3)
    return found


def _folds(blocks: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield from GroupKFold(FOLDS).split(blocks, groups=blocks)


def _divided(
    model: DasymetricRegressor,
    population: pd.DataFrame,
    municipalities: gpd.GeoDataFrame,
    surface: Surface,
    level: int,
) -> tuple[pd.DataFrame, int]:
    """Sums wholly inside the plan as their parts, others as they are; and how many were divided."""
    coarse = population["mesh_code"].str.len() == model.parent_digits
    sums = population[coarse].set_index("mesh_code")["population"]
    if sums.empty:
        return population, 0
    whole = _within(sums.index.to_numpy(str), municipalities)
    if whole.size == 0:
        return population, 0
    codes = mesh.children(whole, level).ravel()
    parts = model.predict(mesh_classes(surface, codes), sums)
    fine = pd.DataFrame({"mesh_code": codes, "population": parts}).astype({"mesh_code": "str"})
    kept = population[~population["mesh_code"].isin(whole)]
    return pd.concat([kept, fine], ignore_index=True), int(whole.size)
