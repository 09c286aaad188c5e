"""Dasymetric mapping that learns: which buildings people live in.

A volume of offices holds fewer residents than the same volume of flats, and a raster of heights
does not say which is which. Height and width of a building say something: houses are low and
narrow, flats high and narrow, sheds low and wide. :func:`building_classes` sorts volume by both,
and :class:`DasymetricRegressor` learns from meshes whose people are known at two levels how many
live in each class, how occupancy drifts over the city, and what that leaves unexplained.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numba
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pyproj import Transformer
from scipy import ndimage
from scipy.optimize import minimize, nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from tdh import mesh
from tdh.errors import InputError, Problem
from tdh.grid import Grid
from tdh.language import Text
from tdh.surface import Surface

HEIGHTS_M = (7.0, 10.5, 16.0, 31.0, 60.0)
"""Upper bounds of the classes of height; 31 m is the old limit of the Building Standards Act."""
WIDTHS_M = (18.0, 34.0)
"""Upper bounds of the classes of width: twice the greatest distance to the open nearby."""
CLASSES = [
    f"h{height:g}_w{width:g}" for height in (*HEIGHTS_M, np.inf) for width in (*WIDTHS_M, np.inf)
]

# fmt: off
PRESET = (
    8.0, 4.7, 9.8,
    4.7, 0.6, 1.0,
    6.0, 0.01, 0.01,
    3.5, 0.1, 0.08,
    5.2, 0.01, 0.01,
    8.4, 0.03, 0.01,
)
# fmt: on
"""People per 1000 m³ of each class as fitted by this project on the 23 wards of Tokyo.

A line a class of height, a column a class of width. Fitted to people per 500 m mesh of the census of
2015 (e-Stat) and heights of buildings of 2020 (MLIT Project PLATEAU); wide and high is mostly offices.
"""

_NEIGHBOURHOOD_CELLS = 7
_STRIP_ROWS = 512
_VOLUME_M3 = 1000.0
LEAST_MESHES = 100
_PULL = 3000.0
_FEW_PEOPLE = 200.0
_OWN, _SIDE, _CORNER = 9 / 16, 3 / 16, 1 / 16
"""Bilinear interpolation at a quarter's centre from the centres of the parents around it."""


def building_classes(surface: Surface, grid: Grid) -> np.ndarray:
    """Volume of buildings by class of height and width, in 1000 m³: (rows, cols, 18).

    Parameters
    ----------
    surface : Surface
    grid : Grid
        Cells to sum over, in the surface's CRS; a cell of the surface counts where its centre
        lies.
    """
    fine = surface.grid
    n = len(CLASSES)
    volume = np.zeros((grid.n_rows, grid.n_cols * n))
    halo = _NEIGHBOURHOOD_CELLS // 2 + math.ceil(WIDTHS_M[-1] / 2 / fine.cell_size_m)
    for top in range(0, fine.n_rows, _STRIP_ROWS):
        # What decides the class lies within the halo: strips give what the whole would.
        above = top - max(top - halo, 0)
        strip = surface.building_m[top - above : top + _STRIP_ROWS + halo]
        own = slice(above, above + _STRIP_ROWS)
        height, width = strip[own], _width_m(strip, fine.cell_size_m)[own]
        row, col = np.nonzero(height > 0)
        into_row, into_col = grid.rowcol(*fine.centres(row + top, col))
        inside = grid.contains(into_row, into_col)
        if not inside.any():
            continue
        row, col, into_row, into_col = (v[inside] for v in (row, col, into_row, into_col))
        tall = np.searchsorted(HEIGHTS_M, height[row, col])
        wide = np.searchsorted(WIDTHS_M, width[row, col])
        first, last = into_row.min(), into_row.max() + 1
        key = ((into_row - first) * grid.n_cols + into_col) * n
        key += tall * (len(WIDTHS_M) + 1) + wide
        size = (last - first) * grid.n_cols * n
        volume[first:last] += np.bincount(key, height[row, col], size).reshape(last - first, -1)
    scale = fine.cell_size_m**2 / _VOLUME_M3
    return volume.reshape(grid.n_rows, grid.n_cols, n) * scale


def _width_m(height: np.ndarray, cell_size_m: float) -> np.ndarray:
    """Twice the greatest distance to the open nearby: float32, shape of ``height``.

    Infinite beyond the widest class, for wider is not told apart.
    """
    reach = math.ceil(WIDTHS_M[-1] / 2 / cell_size_m)
    squared = _open_squared(np.ascontiguousarray(height > 0), reach)
    most = ndimage.maximum_filter(squared, size=_NEIGHBOURHOOD_CELLS)
    with np.errstate(over="ignore"):
        width = np.sqrt(most.astype(np.float32)) * np.float32(2.0 * cell_size_m)
    width[most > reach * reach] = np.inf
    return width


@numba.njit(cache=True, nogil=True)
def _open_squared(built, reach):  # type: ignore[no-untyped-def]
    """Squared distance in cells to the nearest open cell, exact up to ``reach``, more beyond it."""
    n_rows, n_cols = built.shape
    far = reach + 1
    along = np.empty((n_rows, n_cols), dtype=np.int32)
    for r in range(n_rows):
        since = far
        for c in range(n_cols):
            since = min(since + 1, far) if built[r, c] else 0
            along[r, c] = since
        since = far
        for c in range(n_cols - 1, -1, -1):
            since = min(since + 1, far) if built[r, c] else 0
            along[r, c] = min(along[r, c], since)
    out = np.empty((n_rows, n_cols), dtype=np.int32)
    for r in range(n_rows):
        first, last = max(0, r - reach), min(n_rows, r + reach + 1)
        for c in range(n_cols):
            best = far * far
            if built[r, c]:
                for k in range(first, last):
                    there = along[k, c] * along[k, c] + (k - r) * (k - r)
                    best = min(best, there)
            else:
                best = 0
            out[r, c] = best
    return out


def mesh_classes(surface: Surface, codes: Iterable[str], cell_size_m: float = 25.0) -> pd.DataFrame:
    """Volume by class of meshes of one level, in 1000 m³: index mesh code, a column a class.

    Cells of ``cell_size_m`` count to the mesh in which their centre lies.
    """
    names = mesh.as_strings(list(codes))
    digits = len(names[0])
    grid = Grid.around(surface.grid.bounds, cell_size_m, surface.grid.crs)
    volumes = building_classes(surface, grid).reshape(-1, len(CLASSES))
    used = np.flatnonzero(volumes.any(axis=1))
    x, y = grid.centres(used // grid.n_cols, used % grid.n_cols)
    lon, lat = Transformer.from_crs(grid.crs, mesh.CRS, always_xy=True).transform(x, y)
    position = pd.Index(names).get_indexer(mesh.from_lonlat(lon, lat, digits))
    known = position >= 0
    sums = np.zeros((names.size, len(CLASSES)))
    np.add.at(sums, position[known], volumes[used[known]])
    return pd.DataFrame(sums, index=pd.Index(names, name="mesh_code", dtype="str"), columns=CLASSES)


class DasymetricRegressor(RegressorMixin, BaseEstimator):
    """People of meshes' parts, from the meshes' sums and the buildings in the parts.

    Parameters
    ----------
    parent_digits : int
        Level of the sums that are known where the model is used: 8 for 1 km.
    occupancy : float
        Exponent of the occupancy (people per weighted volume) interpolated from the sums of the
        meshes around: 0 does without, 1 takes it as it is.
    correct : bool
        Whether boosted trees learn what classes and occupancy leave unexplained.
    least_parts : int
        Fewer parts than this are too few to learn from.
    random_state : int

    Attributes
    ----------
    coef_ : ndarray, shape (n_classes,)
        People per 1000 m³ of each class, relative to each other.
    trees_ : HistGradientBoostingRegressor or None
        Learns the rest of each part's share of its parent.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X was a DataFrame.

    Notes
    -----
    Coefficients minimise the squared error of the parts' people given their parents' sums (not of
    densities), from a non-negative least squares start and pulled to it, by L-BFGS-B. Each part's
    people are its parent's times its share, so sums are kept exactly.

    Which parent a part belongs to stands in its code, the index of X. An array has no codes: its
    coefficients are those of non-negative least squares, and what is predicted are people by class
    alone, as they are for any X whose sums are not told.
    """

    def __init__(
        self,
        parent_digits: int = 8,
        occupancy: float = 1.0,
        correct: bool = True,
        least_parts: int = LEAST_MESHES,
        random_state: int = 0,
    ) -> None:
        self.parent_digits = parent_digits
        self.occupancy = occupancy
        self.correct = correct
        self.least_parts = least_parts
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame | ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> DasymetricRegressor:
        """Learn from parts whose people are known.

        Parameters
        ----------
        X : DataFrame or array_like, shape (n_parts, n_classes)
            :func:`mesh_classes` of the parts, one level below the parents (four each).
        y : array_like, shape (n_parts,)
            People.
        groups : array_like, shape (n_parts,), optional
            What each part belongs to, where that is no mesh of ``parent_digits``. Occupancy and
            trees, which need a part's place in its parent, are then not learnt.

        Raises
        ------
        InputError
            If there are fewer than ``least_parts`` parts: too few to learn from.
        """
        volumes, people = validate_data(self, X, y, dtype=float, y_numeric=True)
        if len(volumes) < self.least_parts:
            raise InputError(
                Problem(
                    Text(
                        "too few meshes to learn where people live",
                        "人口の配分を学習するにはメッシュが足りません",
                    ),
                    value=len(volumes),
                    expected=f">= {self.least_parts}",
                    fix=Text(
                        "spread people by volume instead", "建物容積による配分を使ってください"
                    ),
                )
            )
        self.trees_ = None
        if groups is not None:
            parent = np.unique(np.asarray(groups), return_inverse=True)[1]
            self.coef_ = _coefficients(volumes, people, parent, np.bincount(parent, people))
            return self
        codes = _codes(X)
        if codes is None:
            self.coef_ = nnls(volumes, people)[0]
            return self
        parent = self._parents(codes)
        total = np.bincount(parent, people)
        self.coef_ = _coefficients(volumes, people, parent, total)
        if self.correct:
            share, features = self._shares(volumes, codes, parent, total)
            with np.errstate(invalid="ignore", divide="ignore"):
                true = np.where(total[parent] > 0, people / total[parent], share)
            self.trees_ = HistGradientBoostingRegressor(
                max_iter=150,
                learning_rate=0.05,
                min_samples_leaf=15,
                l2_regularization=5.0,
                # Of 255, scikit-learn 1.9 finds each by a weighted percentile of its own: two
                # thirds of the fit, for errors on blocks held out that differ by half a per cent.
                max_bins=64,
                early_stopping=False,
                random_state=self.random_state,
            ).fit(features, true - share, sample_weight=total[parent] ** 2 + 1.0)
        return self

    def predict(self, X: pd.DataFrame | ArrayLike, totals: pd.Series | None = None) -> np.ndarray:
        """People of parts.

        Parameters
        ----------
        X : DataFrame or array_like, shape (n_parts, n_classes)
            :func:`mesh_classes` of the parts; a DataFrame where ``totals`` are given.
        totals : Series, optional
            People by code of the parents. Those of parents around help, whether or not their
            parts are wanted.

        Returns
        -------
        ndarray of float64, shape (n_parts,)
            The parts of each parent in X add up to its total. Without totals: people by class.
        """
        check_is_fitted(self)
        volumes = validate_data(self, X, dtype=float, reset=False)
        if totals is None:
            by_class: np.ndarray = volumes @ self.coef_
            return by_class
        codes = _codes(X)
        if codes is None:
            raise InputError(
                Problem(
                    Text(
                        "to divide sums, the parts' mesh codes are needed",
                        "合計を分けるには各行のメッシュコードが必要です",
                    ),
                    fix=Text(
                        "give a DataFrame with mesh codes as its index",
                        "メッシュコードをindexにしたDataFrameを渡してください",
                    ),
                )
            )
        parent = self._parents(codes)
        above = np.unique(mesh.parents(codes, self.parent_digits))
        total = totals.reindex(above).fillna(0.0).to_numpy(float)
        share, features = self._shares(volumes, codes, parent, total)
        if self.trees_ is not None:
            share = np.maximum(share + self.trees_.predict(features), 1e-3)
        whole = np.bincount(parent, share)
        people: np.ndarray = total[parent] * share / whole[parent]
        return people

    def weigh(self, surface: Surface, grid: Grid) -> np.ndarray:
        """Weights of cells for :func:`tdh.demand.make_cells`: classes times coefficients."""
        check_is_fitted(self)
        weights: np.ndarray = building_classes(surface, grid) @ self.coef_
        return weights

    @classmethod
    def preset(cls) -> DasymetricRegressor:
        """The kinds of buildings as people live in them in Tokyo (:data:`PRESET`), nothing learnt."""
        model = cls(occupancy=0.0, correct=False)
        model.coef_ = np.array(PRESET)
        model.trees_ = None
        model.n_features_in_ = len(CLASSES)
        return model

    def _parents(self, codes: np.ndarray) -> np.ndarray:
        return np.unique(mesh.parents(codes, self.parent_digits), return_inverse=True)[1]

    def _shares(
        self, volumes: np.ndarray, codes: np.ndarray, parent: np.ndarray, total: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each part's share of its parent by classes and occupancy, and features of the rest."""
        lived = volumes @ self.coef_ + 1e-9
        whole = np.bincount(parent, lived)
        log_occupancy = np.log((total + _FEW_PEOPLE) / (whole + 0.02 * np.median(whole)))
        around = _interpolated(codes, self.parent_digits, parent, log_occupancy)
        plain = lived / whole[parent]
        adjusted = lived * np.exp(self.occupancy * around)
        adjusted /= np.bincount(parent, adjusted)[parent]
        bulk = volumes.sum(axis=1)
        by_parent = np.column_stack([np.bincount(parent, column) for column in volumes.T])
        mix = volumes / (bulk[:, None] + 1.0)
        mix_of_parent = by_parent / (by_parent.sum(axis=1, keepdims=True) + 1.0)
        features = np.column_stack(
            [
                plain,
                adjusted,
                mix,
                mix - mix_of_parent[parent],
                bulk,
                bulk / (by_parent.sum(axis=1)[parent] + 1.0),
                np.log(total + 1.0)[parent],
                log_occupancy[parent],
                around - log_occupancy[parent],
            ]
        )
        return adjusted, features


def _codes(X: pd.DataFrame | ArrayLike) -> np.ndarray | None:
    """The mesh codes of a table's rows; None where rows are only numbered."""
    if isinstance(X, pd.DataFrame) and not isinstance(X.index, pd.RangeIndex):
        codes: np.ndarray = X.index.to_numpy(str)
        return codes
    return None


def _coefficients(
    volumes: np.ndarray, people: np.ndarray, parent: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """People per 1000 m³ of each class (see :class:`DasymetricRegressor`)."""
    start, _ = nnls(volumes, people)
    start = np.log(np.maximum(start, 1e-3 * start.max()))
    goal = total[parent]

    def error(log_coef: np.ndarray) -> tuple[float, np.ndarray]:
        coef = np.exp(log_coef)
        lived = volumes @ coef + 1e-9
        whole = np.bincount(parent, lived)[parent]
        share = lived / whole
        rest = goal * share - people
        slope = 2 * rest * goal / whole
        slope -= np.bincount(parent, slope * share)[parent]
        pull = log_coef - start
        value = rest @ rest / rest.size + _PULL * np.mean(pull**2)
        gradient = (slope @ volumes) * coef / rest.size + 2 * _PULL * pull / pull.size
        return float(value), gradient

    found = minimize(error, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    coef: np.ndarray = np.exp(found.x)
    return coef


def _interpolated(
    codes: np.ndarray, parent_digits: int, parent: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Parents' values at the centres of their quarters, bilinearly; own value where none is near."""
    side = mesh.SIZE_IN_EIGHTHS[parent_digits]
    row, col, size = mesh.indices(codes)
    north = np.where((row + size / 2) % side > side / 2, 1, -1)
    east = np.where((col + size / 2) % side > side / 2, 1, -1)
    first = np.unique(parent, return_index=True)[1]
    p_row, p_col = row // side, col // side
    keys = p_row[first] * 100_000 + p_col[first]
    order = np.argsort(keys)
    own = values[parent]

    def at(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        wanted = r * 100_000 + c
        place = np.searchsorted(keys[order], wanted).clip(max=keys.size - 1)
        found = keys[order][place] == wanted
        return np.where(found, values[order[place]], own)

    sides = at(p_row + north, p_col) + at(p_row, p_col + east)
    return _OWN * own + _SIDE * sides + _CORNER * at(p_row + north, p_col + east)
