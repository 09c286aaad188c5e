"""The estimator: a calibrated law, what is learnt of the rest, and how far it may be wrong."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.measurements import robust
from tdh.measurements.conformal import half_width_db
from tdh.measurements.links import half_turn, names, pairs
from tdh.measurements.places import Places

_LEAST_POINTS = 60
_LEAST_BLOCKS = 4
REFERENCE_M = 100.0
_LAW = ("level_dbm", "slope_db", "far_slope_db", "beamwidth_deg", "limit_db", "trust", "turn_deg")
_MOST_TURN_DEG = 20.0
"""A common error of all azimuths: magnetic north instead of true north is 4–10° off."""
_WORTHWHILE = 0.95
"""What lowers the error at what was left out by less than 5 % is not worth its risk."""
MOST_FOLDS = 10
_COLUMNS = ("site", "device", "x_m", "y_m", "distance_m", "off_deg")
"""Columns that X must have; more are features."""
_PREDICTED = "predicted_dbm"
_NUMBERS = ("x_m", "y_m", "distance_m", "off_deg", _PREDICTED)
"""What must be known of every link, where X has it."""
_PARTS = {
    (False, False): "calibrated",
    (True, False): "residual",
    (False, True): "places",
    (True, True): "both",
}
"""What is predicted with trees, and with places, by its name in the errors."""


class MeasuredCoverage(RegressorMixin, BaseEstimator):
    """SS-RSRP from a calibrated law, what trees learn of the rest, and what places have in common.

    Parameters
    ----------
    residual : {"auto", "always", "never"}
        Whether the residual is learnt: by trees of the features, and by the places of measured
        links near by (:class:`tdh.measurements.places.Places`). "auto": trees only if they lower
        the error at blocks left out and at sites left out, places only if they lower it at blocks.
    block_m : float
        Side of the spatial blocks that are left out together.
    floor_dbm : float
        Receivers report nothing below; the law bends towards it.
    random_state : int

    Attributes
    ----------
    law_ : dict of str to float
        ``level_dbm`` at 100 m on boresight, ``slope_db`` per decade, ``far_slope_db`` added beyond
        100 m, ``beamwidth_deg``, ``limit_db`` of the pattern; with ``predicted_dbm`` in X, the
        same as corrections of that prediction, with ``trust`` its factor. ``turn_deg``: how far
        clockwise of their stated azimuths all antennas point, as a register of magnetic bearings
        makes them; 0 where X has no ``turn_deg``.
    offsets_ : dict of (site, device) to float
        dB of each measured pair, shrunk to 0; a pair that was not measured gets its device's mean.
    block_rmse_, site_rmse_ : dict of str to float
        Error at blocks, and at whole sites, left out: of the law (``calibrated``), with trees
        (``residual``), with places (``places``), with trees and places (``both``).
    residual_used_, places_used_ : bool
        Whether predictions use trees, and places.
    n_sites_ : int
        How many sites were measured.
    errors_db_, block_errors_db_ : ndarray of float64, shape (n,)
        Absolute errors, in the order of X, at whole sites left out (blocks, with one site) and at
        blocks left out: what intervals are made of.
    """

    def __init__(
        self,
        residual: str = "auto",
        block_m: float = 100.0,
        floor_dbm: float = -140.0,
        random_state: int = 0,
    ) -> None:
        self.residual = residual
        self.block_m = block_m
        self.floor_dbm = floor_dbm
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> MeasuredCoverage:
        """Calibrate and learn.

        Parameters
        ----------
        X : DataFrame
            :func:`link_features`; further numeric columns go to the trees.
        y : array_like, shape (n,)
            Measured SS-RSRP in dBm.

        Raises
        ------
        InputError
            If there are fewer than 60 points or fewer than 4 blocks: too little to learn from; if
            there are not as many signals as links, or columns or numbers are missing.
        """
        signal = self._usable(X, y)
        blocks = self._blocks(X)
        self._refuse_too_little(X, signal, blocks)
        sites = names(X["site"]).to_numpy(str)
        self.n_sites_ = int(np.unique(sites).size)
        groups = sites if self.n_sites_ >= 2 else blocks
        by_block, by_site = (self._left_out(X, signal, g) for g in (blocks, groups))
        self.block_rmse_, self.site_rmse_ = _rmse(by_block), _rmse(by_site)
        self.residual_used_, self.places_used_ = self._choose()
        used = _PARTS[self.residual_used_, self.places_used_]
        self.errors_db_, self.block_errors_db_ = np.abs(by_site[used]), np.abs(by_block[used])
        self.error_sites_, self.error_blocks_ = groups, blocks
        self._fit_parts(X, signal)
        if self.places_used_:
            self.places_ = self._places_of(X, signal, self.residual_used_)
        self.tree_ = cKDTree(self._place(X))
        spacing = self.tree_.query(self._place(X), k=2)[0][:, 1]
        self.reach_ = float(max(3.0 * np.quantile(spacing, 0.95), 0.25))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Median SS-RSRP in dBm, float64 (n,).

        Raises
        ------
        InputError
            If X lacks a column that was fitted, or numbers of distance, angle, place or prediction.
        """
        check_is_fitted(self)
        known = set(self.features_) if self.residual_used_ else set(self.features_) & {_PREDICTED}
        problems = _lacking(X, {*_COLUMNS, *known}) or _incomplete(X)
        if problems:
            raise InputError(*problems)
        if _PREDICTED not in self.features_:
            X = X.drop(columns=_PREDICTED, errors="ignore")  # the law was fitted without it
        if not len(X):
            return np.zeros(0)
        out = self._law(X, self.parameters_) + self._offset(X)
        if self.residual_used_ and self.trees_ is not None:
            out = out + self.trees_.predict(self._features(X))
        if self.places_used_:
            out = out + self.places_.predict(*_where(X))
        return out

    def predict_interval(
        self, X: pd.DataFrame, level: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound that hold the truth with probability ``level``.

        Links of a measured pair of site and device are held to the errors at blocks left out, all
        others to those at sites left out, whose own level is not known. What is promised, where
        :meth:`guaranteed` says so, is the probability for any link of a block (site) that is drawn
        as the measured ones were: each counts once, with many links or few. Of the links of one
        site that errs as a whole fewer are held, or more.

        Returns
        -------
        low, high : ndarray of float64, shape (n,)
        """
        middle = self.predict(X)
        block, site = self._half_widths(level)
        half = np.where(self._measured(X), block[0], site[0])
        return middle - half, middle + half

    def guaranteed(self, X: pd.DataFrame, level: float = 0.8) -> np.ndarray:
        """Whether there are sites (blocks, for a measured pair) enough for the level: bool (n,).

        80 % need four sites; with fewer, :meth:`predict_interval` is as wide as those that there
        are suggest (:func:`tdh.measurements.conformal.half_width_db`).
        """
        check_is_fitted(self)
        block, site = self._half_widths(level)
        return np.where(self._measured(X), block[1], site[1])

    def trusted(self, X: pd.DataFrame) -> np.ndarray:
        """Whether something like each link was measured: bool (n,). Elsewhere it extrapolates."""
        check_is_fitted(self)
        return self.strangeness(X) <= 1.0

    def strangeness(self, X: pd.DataFrame) -> np.ndarray:
        """How far each link is from all that were measured: float64 (n,).

        By distance (in decades) and angle off boresight; 1 is three times what lies between
        neighbours among the measured ones.
        """
        check_is_fitted(self)
        far: np.ndarray = self.tree_.query(self._place(X))[0]
        return far / self.reach_

    # --- parts ---------------------------------------------------------------------------------

    def _choose(self) -> tuple[bool, bool]:
        """Whether trees, and whether places, are used."""
        if self.residual != "auto":
            return self.residual == "always", self.residual == "always"
        both = (self.block_rmse_, self.site_rmse_)
        trees = all(e["residual"] < _WORTHWHILE * e["calibrated"] for e in both)
        without, having = _PARTS[trees, False], _PARTS[trees, True]
        places = self.block_rmse_[having] < _WORTHWHILE * self.block_rmse_[without]
        return trees, places

    def _half_widths(self, level: float) -> tuple[tuple[float, bool], tuple[float, bool]]:
        half, guaranteed = half_width_db(self.errors_db_, self.error_sites_, level)
        return (
            half_width_db(self.block_errors_db_, self.error_blocks_, level),
            (half, guaranteed and self.n_sites_ >= 2),  # one site's blocks tell nothing of others
        )

    def _measured(self, X: pd.DataFrame) -> np.ndarray:
        """Whether the pair of site and device was measured."""
        return np.array([p in self.offsets_ for p in pairs(X)], dtype=bool)

    @staticmethod
    def _usable(X: pd.DataFrame, y: ArrayLike) -> np.ndarray:
        """The signals, if there is one for each link, and each link has its columns."""
        lacking = _lacking(X, _COLUMNS)
        if lacking:
            raise InputError(*lacking)
        signal = np.asarray(y, dtype=float)
        if signal.shape != (len(X),):
            raise InputError(
                Problem(
                    Text("not one signal for each link", "信号の数がリンクの数と合いません"),
                    value=signal.shape,
                    expected=str((len(X),)),
                    where="y",
                )
            )
        return signal

    def _refuse_too_little(self, X: pd.DataFrame, y: np.ndarray, blocks: np.ndarray) -> None:
        problems = []
        n_blocks = np.unique(blocks).size
        for value, least, what in (
            (len(X), _LEAST_POINTS, Text("too few measurements", "測定点が少なすぎます")),
            (
                n_blocks,
                _LEAST_BLOCKS,
                Text("measurements lie too close together", "測定点が1か所に集まりすぎています"),
            ),
        ):
            if value < least:
                problems.append(
                    Problem(
                        what,
                        value=value,
                        expected=f">= {least}",
                        fix=Text(
                            "use the prediction as it is, or measure more",
                            "予測値をそのまま使うか、測定を追加してください",
                        ),
                    )
                )
        if not np.isfinite(y).all():
            problems.append(Problem(Text("signals are missing", "信号に欠測があります")))
        problems += _incomplete(X)
        if problems:
            raise InputError(*problems)

    def _blocks(self, X: pd.DataFrame) -> np.ndarray:
        cells = np.floor(X[["x_m", "y_m"]].to_numpy(float) / self.block_m)
        return np.unique(cells, axis=0, return_inverse=True)[1].ravel()

    def _fit_parts(self, X: pd.DataFrame, y: np.ndarray) -> None:
        number, measured = pd.factorize(pairs(X))
        start = np.array([0.0, 0.0, 0.0, 50.0, 25.0, 1.0, 0.0])
        if _PREDICTED not in X.columns:
            start[:3] = np.median(y), -35.0, 0.0
        # Priors: 3GPP's slope (36.7 dB a decade in UMi), its element's width and limit.
        weight = np.array([0.0, 0.5, 0.5, 0.3, 0.5, 60.0, 0.5])

        low = np.array([-250.0, -120, -120, 20, 5, 0.0, -_MOST_TURN_DEG])
        high = np.array([250.0, 60, 60, 180, 60, 2.0, _MOST_TURN_DEG])
        found = robust.fit(
            lambda q: y - self._law(X, q), lambda q: weight * (q - start), number, start, low, high
        )
        common = found.offsets.mean()
        self.parameters_, offsets = found.law, found.offsets - common
        self.parameters_[0] += common
        self.law_ = dict(zip(_LAW, self.parameters_.tolist(), strict=True))
        self.offsets_ = dict(zip(measured, offsets.tolist(), strict=True))
        by_device = pd.Series(self.offsets_).groupby(level=1).mean()
        self.device_offsets_ = {str(k): float(v) for k, v in by_device.items()}
        self.features_ = [
            c
            for c in X.columns
            if c not in ("site", "device", "x_m", "y_m", "turn_deg")
            and pd.api.types.is_numeric_dtype(X[c])
        ]
        self.trees_ = None
        if self.residual != "never":
            error = y - self._law(X, self.parameters_) - self._offset(X)
            self.trees_ = ExtraTreesRegressor(
                60, min_samples_leaf=10, random_state=self.random_state
            ).fit(self._features(X), error)

    def _places_of(self, X: pd.DataFrame, y: np.ndarray, trees: bool) -> Places:
        """What the law, and the trees, leave at the measured links."""
        error = y - self._law(X, self.parameters_) - self._offset(X)
        if trees and self.trees_ is not None:
            error = error - self.trees_.predict(self._features(X))
        return Places(*_where(X), error)

    def _law(self, X: pd.DataFrame, q: np.ndarray) -> np.ndarray:
        decades = np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0) / REFERENCE_M)
        off = X["off_deg"].to_numpy(float)
        if "turn_deg" in X.columns:
            turned = np.abs(half_turn(X["turn_deg"].to_numpy(float) - q[6]))
            off = np.where(np.isnan(turned), off, turned)
        pattern = q[4] * -np.expm1(-12.0 * (off / q[3]) ** 2 / q[4])
        median = q[0] + q[1] * decades + q[2] * np.maximum(decades, 0.0) - pattern
        if _PREDICTED in X.columns:
            median = median + q[5] * X[_PREDICTED].to_numpy(float)
        knee = 3.0
        bent: np.ndarray = self.floor_dbm + knee * np.logaddexp(
            0.0, (median - self.floor_dbm) / knee
        )
        return bent

    def _offset(self, X: pd.DataFrame) -> np.ndarray:
        return np.array(
            [self.offsets_.get(p, self.device_offsets_.get(p[1], 0.0)) for p in pairs(X)],
            dtype=float,
        )

    def _features(self, X: pd.DataFrame) -> np.ndarray:
        return X[self.features_].to_numpy(float)

    def _place(self, X: pd.DataFrame) -> np.ndarray:
        """Links in units that count alike: 0.15 decades of distance, 20° off boresight."""
        decades = np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0))
        return np.column_stack([decades / 0.15, X["off_deg"].to_numpy(float) / 20.0])

    def _left_out(
        self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Errors at groups that the fit did not see, of each combination of parts."""
        error = {part: np.full(len(X), np.nan) for part in _PARTS.values()}
        n = np.unique(groups).size
        for train, test in GroupKFold(min(n, MOST_FOLDS)).split(X, groups=groups):
            model = clone(self)
            seen, held = X.iloc[train], X.iloc[test]
            model._fit_parts(seen, y[train])
            left = y[test] - model._law(held, model.parameters_) - model._offset(held)
            for trees in (False, True):
                if trees:
                    if model.trees_ is None:
                        continue
                    left = left - model.trees_.predict(model._features(held))
                error[_PARTS[trees, False]][test] = left
                if self.residual != "never":
                    places = model._places_of(seen, y[train], trees)
                    error[_PARTS[trees, True]][test] = left - places.predict(*_where(held))
        return error


def _lacking(X: pd.DataFrame, needed: Collection[str]) -> list[Problem]:
    missing = sorted(set(needed) - set(X.columns))
    return [Problem(Text("a column is missing", "列がありません"), expected=c) for c in missing]


def _incomplete(X: pd.DataFrame) -> list[Problem]:
    """Numbers that the law needs and a link lacks; trees bear missing ones."""
    missing = {c: int((~np.isfinite(X[c].to_numpy(float))).sum()) for c in _NUMBERS if c in X}
    return [
        Problem(Text("numbers are missing", "数値に欠測があります"), value=n, where=column)
        for column, n in missing.items()
        if n
    ]


def _where(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return X[["x_m", "y_m"]].to_numpy(float), names(X["site"]).to_numpy(str)


def _rmse(errors: dict[str, np.ndarray]) -> dict[str, float]:
    return {part: float(np.sqrt(np.mean(error**2))) for part, error in errors.items()}
