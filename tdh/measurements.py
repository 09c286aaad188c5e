"""Drive tests, and coverage calibrated by them.

:func:`read_drive_test` reads what phones and scanners write, :func:`thin` averages points that say
the same thing, :func:`link_features` describes each point as seen from its cell, and
:class:`MeasuredCoverage` calibrates a law of propagation by them, learns the rest only where that
helps at places left out, and says how far it may be wrong.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted

from tdh.errors import InputError, Problem
from tdh.files import atomic
from tdh.language import Text
from tdh.present import drive_tests
from tdh.radio.antenna import BEAMWIDTH_DEG, pattern_db
from tdh.radio.model import Model
from tdh.scenario import Scenario

_BUILDINGS = {None, "traditional", "efficient"}
_LEAST_POINTS = 60
_LEAST_BLOCKS = 4
_SECTORS_DEG = (0.0, 30.0, 90.0, 180.0)
"""Ahead of an antenna, beside it and behind it: what has to be measured to fit a pattern."""
_REFERENCE_M = 100.0
_LAW = ("level_dbm", "slope_db", "far_slope_db", "beamwidth_deg", "limit_db", "trust", "turn_deg")
_MOST_TURN_DEG = 20.0
"""A common error of all azimuths: magnetic north instead of true north is 4–10° off."""
_WORTHWHILE = 0.95
"""Trees that lower the error at what was left out by less than 5 % are not worth their risk."""


def read_drive_test(path: str | os.PathLike[str]) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Read measured signals from CSV, whatever wrote it.

    As :func:`tdh.present.drive_tests.read`, whose settings are left at their defaults: an NR
    column where there is one, WGS 84.

    Returns
    -------
    points : GeoDataFrame
        ``source_row`` (from 1), ``rsrp_dbm``, ``site`` and ``device`` (str, "" where not said),
        in EPSG:4326.
    rejected : DataFrame
        ``source_row``, ``reason``, ``original``: rows without a position or a possible signal, or
        of another radio than the one that is read.

    Raises
    ------
    InputError
        If there is no column of latitude, longitude or RSRP, or no usable row.
    """
    test = drive_tests.read(path)
    return test.points.to_crs("EPSG:4326"), test.rejected


def thin(points: gpd.GeoDataFrame, cell_size_m: float = 10.0) -> gpd.GeoDataFrame:
    """One row per site, device and square of the ground: mean dBm, number of points.

    A phone that stands still writes the same thing a thousand times; averaging keeps such places
    from ruling the fit.

    Parameters
    ----------
    points : GeoDataFrame
        ``rsrp_dbm``, ``site``, ``device``, in a projected CRS.
    cell_size_m : float
    """
    size = cell_size_m
    keyed = pd.DataFrame(
        {
            "site": points["site"].to_numpy(),
            "device": points["device"].to_numpy(),
            "x": np.floor(points.geometry.x.to_numpy() / size),
            "y": np.floor(points.geometry.y.to_numpy() / size),
            "rsrp_dbm": points["rsrp_dbm"].to_numpy(float),
        }
    )
    keys = ["site", "device", "x", "y"]
    mean = keyed.groupby(keys, as_index=False)["rsrp_dbm"].agg(["mean", "size"])
    mean = mean.rename(columns={"mean": "rsrp_dbm", "size": "points"})
    geometry = gpd.points_from_xy((mean["x"] + 0.5) * size, (mean["y"] + 0.5) * size)
    return gpd.GeoDataFrame(mean.drop(columns=["x", "y"]), geometry=geometry, crs=points.crs)


def link_features(points: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> pd.DataFrame:
    """Each point as its cell sees it.

    Parameters
    ----------
    points : GeoDataFrame
        ``site`` and optionally ``device``, in a projected CRS.
    sites : GeoDataFrame
        Index ``site``; ``antenna_height_agl_m``, optionally ``azimuth_deg``, same CRS.

    Returns
    -------
    DataFrame
        ``x_m``, ``y_m``, ``distance_m`` (3D), ``off_deg`` (0–180 off boresight; 0 for an
        omnidirectional antenna), ``turn_deg`` (−180 to 180, clockwise from the stated azimuth; NaN
        for an omnidirectional antenna), ``elevation_deg``, ``site``, ``device``; index of
        ``points``.
        Further columns (``predicted_dbm``, line of sight, blocking edges, clutter heights …) may
        be added for :class:`MeasuredCoverage`.
    """
    of = sites.index.astype("str").get_indexer(points["site"].astype("str"))
    if (of < 0).any():
        unknown = points["site"][of < 0].unique()
        raise InputError(
            Problem(
                Text("measured cells are not in the table of sites", "局の表にないセルがあります"),
                value=list(unknown[:5]),
                expected=", ".join(map(str, sites.index[:20])),
            )
        )
    east = points.geometry.x.to_numpy() - sites.geometry.x.to_numpy()[of]
    north = points.geometry.y.to_numpy() - sites.geometry.y.to_numpy()[of]
    flat = np.hypot(east, north)
    height = sites["antenna_height_agl_m"].to_numpy(float)[of] - 1.5
    turn = np.full(len(points), np.nan)
    if "azimuth_deg" in sites.columns:
        azimuth = sites["azimuth_deg"].to_numpy(float)[of]
        turn = _half_turn(np.degrees(np.arctan2(east, north)) - azimuth)
    return pd.DataFrame(
        {
            "x_m": points.geometry.x.to_numpy(),
            "y_m": points.geometry.y.to_numpy(),
            "distance_m": np.hypot(flat, height),
            "off_deg": np.nan_to_num(np.abs(turn)),
            "turn_deg": turn,
            "elevation_deg": np.degrees(np.arctan2(height, np.maximum(flat, 1.0))),
            "site": points["site"].astype("str").to_numpy(),
            "device": points["device"].astype("str").to_numpy() if "device" in points else "",
        },
        index=points.index,
    )


def _half_turn(angle_deg: np.ndarray) -> np.ndarray:
    out: np.ndarray = (angle_deg + 180.0) % 360.0 - 180.0
    return out


def calibrate_model(X: pd.DataFrame, y: ArrayLike, base: Model | None = None) -> Model:
    """The model whose predictions fit measurements best: offsets of LOS and NLOS, slope, pattern.

    Parameters
    ----------
    X : DataFrame
        :func:`link_features` with ``predicted_dbm``, what ``base`` predicts with the antennas'
        pattern, and ``line_of_sight`` (bool), where it is known; without, one offset fits all.
    y : array_like, shape (n,)
        Measured SS-RSRP in dBm.
    base : Model, optional
        What is corrected.

    Returns
    -------
    Model
        For :func:`tdh.coverage.compute`, and for a run by :func:`write_model`. The blocked links'
        offset goes to both of their ways, around and over the edges, and the slope is common, so
        that predictions move by what was fitted; only that no blocked link may lose less than one
        in sight still holds. The antennas' horizontal beamwidth and their limit are fitted, in
        logarithms and held near the base's, where enough links lie ahead of, beside and behind the
        antennas (:data:`_SECTORS_DEG`); else they stay. Each pair of site and
        device has an offset of its own, shrunk to 0, that is not the model's.

    Raises
    ------
    InputError
        If there is no ``predicted_dbm``, or too little to learn from, as for
        :class:`MeasuredCoverage`.
    """
    base = base or Model()
    if "predicted_dbm" not in X.columns:
        raise InputError(
            Problem(Text("a column is missing", "列がありません"), expected="predicted_dbm")
        )
    signal, helper = np.asarray(y, dtype=float), MeasuredCoverage()
    helper._refuse_too_little(X, signal, helper._blocks(X))
    decades = np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0) / _REFERENCE_M)
    seen = np.ones(len(X)) if "line_of_sight" not in X else X["line_of_sight"].to_numpy(float)
    number, names = pd.factorize(X["site"].astype("str") + "\n" + X["device"].astype("str"))
    error = X["predicted_dbm"].to_numpy(float) - signal
    off = X["off_deg"].to_numpy(float)
    has_sector = X["turn_deg"].notna().to_numpy()
    before = _horizontal_db(off, base.beamwidth_deg, base.pattern_limit_db)
    covers_pattern = _covers_pattern(off[has_sector])

    def rest(q: np.ndarray) -> np.ndarray:
        loss = q[0] * seen + q[1] * (1.0 - seen) + q[2] * decades
        gain = np.zeros(len(off))
        if covers_pattern:
            width, limit = _scaled(base, q[3:5])
            gain = np.where(has_sector, _horizontal_db(off, width, limit) - before, 0.0)
        # A kind of link that was hardly measured keeps near the other's offset.
        prior = np.array([0.5 * (q[0] - q[1]), 0.5 * q[2], *(20.0 * q[3:5])])
        return np.concatenate([error + gain - loss - q[5:][number], prior, 3.0 * q[5:]])

    found = least_squares(rest, np.zeros(5 + len(names)), loss="soft_l1", f_scale=8.0).x
    common = float(found[5:].mean())
    width, limit = _scaled(base, found[3:5] if covers_pattern else np.zeros(2))
    los, nlos, slope = float(found[0]) + common, float(found[1]) + common, float(found[2])
    return replace(
        base,
        beamwidth_deg=width,
        pattern_limit_db=limit,
        los_offset_db=base.los_offset_db + los,
        nlos_offset_db=base.nlos_offset_db + nlos,
        diffraction_offset_db=base.diffraction_offset_db + nlos - los,
        los_slope_db=base.los_slope_db + slope,
        nlos_slope_db=base.nlos_slope_db + slope,
    )


def _horizontal_db(off_deg: np.ndarray, width_deg: float, limit_db: float) -> np.ndarray:
    """The pattern at the horizon (:func:`tdh.radio.antenna.pattern_db`)."""
    return pattern_db(off_deg, 0.0, 0.0, (width_deg, BEAMWIDTH_DEG, limit_db))


def _scaled(base: Model, logs: np.ndarray) -> tuple[float, float]:
    """Beamwidth (at most a whole turn) and limit of a base, each times a power of e."""
    width = min(base.beamwidth_deg * float(np.exp(logs[0])), 360.0)
    return width, base.pattern_limit_db * float(np.exp(logs[1]))


def _covers_pattern(off_deg: np.ndarray) -> bool:
    """Whether a twentieth of the links, and ten, lie in each of the sectors."""
    counts = np.histogram(off_deg, _SECTORS_DEG)[0]
    return bool((counts >= max(10.0, 0.05 * off_deg.size)).all())


def write_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model as JSON, for ``[coverage] calibration`` of a scenario."""
    with atomic(path) as draft:
        draft.write_text(json.dumps(asdict(model), indent=1) + "\n", encoding="utf-8")


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read what :func:`write_model` wrote; what is left out keeps its default.

    Raises
    ------
    InputError
        If it is not such a file, or holds a key or value that a model does not have.
    """
    known = {f.name: f.default for f in fields(Model)}
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("not a table")
        for key, value in told.items():
            if key not in known:
                raise ValueError(f"{key}: unknown")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if isinstance(known[key], float) and not (number and np.isfinite(value)):
                raise ValueError(f"{key}: {value!r}")
            if isinstance(known[key], bool) and not isinstance(value, bool):
                raise ValueError(f"{key}: {value!r}")
        if not {told.get("indoor"), told.get("indoor_cells", "traditional")} <= _BUILDINGS:
            raise ValueError(f"indoor: {told.get('indoor')!r}, {told.get('indoor_cells')!r}")
        return Model(**told)
    except (OSError, ValueError) as error:
        raise InputError(
            Problem(
                Text("it does not hold a model", "予測モデルのファイルではありません"),
                value=str(error),
                expected=", ".join(known),
                where=Path(path).name,
            )
        ) from error


def trust_map(
    model: MeasuredCoverage, cells: gpd.GeoDataFrame, sites: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Where a fitted model should not be trusted.

    Parameters
    ----------
    model : MeasuredCoverage
        Fitted on :func:`link_features` alone.
    cells : GeoDataFrame
        Points, such as table ``cells``.
    sites : GeoDataFrame
        As for :func:`link_features`; present ones, or candidates that were never measured.

    Returns
    -------
    GeoDataFrame
        Index and points of ``cells``; ``site`` that is predicted strongest there, ``rsrp_dbm``,
        ``strangeness`` of that link (:meth:`MeasuredCoverage.strangeness`) and ``trusted``. For a
        raster: ``tdh.coverage.write_raster(path, table["strangeness"], cells, grid)``.
    """
    best = np.full(len(cells), -np.inf)
    strange, server = np.full(len(cells), np.inf), np.full(len(cells), "", dtype=object)
    for site in sites.index:
        links = gpd.GeoDataFrame({"site": str(site)}, index=cells.index, geometry=cells.geometry)
        X = link_features(links, sites)
        signal = model.predict(X)
        stronger = signal > best
        best[stronger], server[stronger] = signal[stronger], str(site)
        strange[stronger] = model.strangeness(X)[stronger]
    return gpd.GeoDataFrame(
        {"site": server, "rsrp_dbm": best, "strangeness": strange, "trusted": strange <= 1.0},
        index=cells.index,
        geometry=cells.geometry,
    )


def model_of(scenario: Scenario) -> Model:
    """How a scenario's signals are predicted: its calibration, or the model as it is."""
    path = scenario.coverage.calibration
    return Model() if path is None else read_model(path)


class MeasuredCoverage(RegressorMixin, BaseEstimator):
    """SS-RSRP from a calibrated law, and what trees learn of the rest.

    Parameters
    ----------
    residual : {"auto", "always", "never"}
        Whether trees learn the residual; "auto": only if that lowers the error at blocks
        left out and at sites left out.
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
        Error at blocks, and at whole sites, left out: ``calibrated`` and ``residual``.
    residual_used_ : bool
    errors_db_ : ndarray
        Absolute errors at whole sites left out (blocks, with one site): what intervals
        are made of.
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
            If there are fewer than 60 points or fewer than 4 blocks: too little to learn from.
        """
        signal = np.asarray(y, dtype=float)
        blocks = self._blocks(X)
        self._refuse_too_little(X, signal, blocks)
        self._fit_parts(X, signal)
        self.block_rmse_ = self._errors_without(X, signal, blocks)
        sites = X["site"].to_numpy(str)
        groups = sites if np.unique(sites).size >= 2 else blocks
        self.site_rmse_ = self._errors_without(X, signal, groups)
        better = all(
            e["residual"] < _WORTHWHILE * e["calibrated"]
            for e in (self.block_rmse_, self.site_rmse_)
        )
        self.residual_used_ = self.residual == "always" or (self.residual == "auto" and better)
        self.errors_db_ = np.sort(np.abs(self._left_out(X, signal, groups)))
        self.tree_ = cKDTree(self._place(X))
        spacing = self.tree_.query(self._place(X), k=2)[0][:, 1]
        self.reach_ = float(max(3.0 * np.quantile(spacing, 0.95), 0.25))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Median SS-RSRP in dBm, float64 (n,)."""
        check_is_fitted(self)
        out = self._law(X, self.parameters_) + self._offset(X)
        if self.residual_used_ and self.trees_ is not None:
            out = out + self.trees_.predict(self._features(X))
        return out

    def predict_interval(
        self, X: pd.DataFrame, level: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound that hold the truth at a new site with probability ``level``.

        Split conformal: the quantile of absolute errors at what was left out.

        Returns
        -------
        low, high : ndarray of float64, shape (n,)
        """
        middle = self.predict(X)
        n = self.errors_db_.size
        rank = min(int(np.ceil(level * (n + 1))), n) - 1
        half = self.errors_db_[rank]
        return middle - half, middle + half

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
        if problems:
            raise InputError(*problems)

    def _blocks(self, X: pd.DataFrame) -> np.ndarray:
        cells = np.floor(X[["x_m", "y_m"]].to_numpy(float) / self.block_m)
        return np.unique(cells, axis=0, return_inverse=True)[1].ravel()

    def _fit_parts(self, X: pd.DataFrame, y: np.ndarray) -> None:
        pairs = X["site"].astype("str") + "\n" + X["device"].astype("str")
        number, names = pd.factorize(pairs)
        start = np.array([0.0, 0.0, 0.0, 50.0, 25.0, 1.0, 0.0])
        if "predicted_dbm" not in X.columns:
            start[:3] = np.median(y), -35.0, 0.0
        # Priors: 3GPP's slope (36.7 dB a decade in UMi), its element's width and limit.
        weight = np.array([0.0, 0.5, 0.5, 0.3, 0.5, 60.0, 0.5])

        n = len(start)

        def rest(q: np.ndarray) -> np.ndarray:
            error = y - self._law(X, q[:n]) - q[n:][number]
            return np.concatenate([error, weight * (q[:n] - start), 3.0 * q[n:]])

        wide = np.full(len(names), 40.0)
        low = np.concatenate([[-250, -120, -120, 20, 5, 0.0, -_MOST_TURN_DEG], -wide])
        high = np.concatenate([[250, 60, 60, 180, 60, 2.0, _MOST_TURN_DEG], wide])
        guess = np.concatenate([start, np.zeros(len(names))])
        found = least_squares(rest, guess, bounds=(low, high), loss="soft_l1", f_scale=8.0)
        self.parameters_ = found.x[:n]
        offsets = found.x[n:] - found.x[n:].mean()
        self.parameters_[0] += found.x[n:].mean()
        self.law_ = dict(zip(_LAW, self.parameters_.tolist(), strict=True))
        self.offsets_ = {
            tuple(n.split("\n")): float(v) for n, v in zip(names, offsets, strict=True)
        }
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

    def _law(self, X: pd.DataFrame, q: np.ndarray) -> np.ndarray:
        decades = np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0) / _REFERENCE_M)
        off = X["off_deg"].to_numpy(float)
        if "turn_deg" in X.columns:
            turned = np.abs(_half_turn(X["turn_deg"].to_numpy(float) - q[6]))
            off = np.where(np.isnan(turned), off, turned)
        pattern = q[4] * -np.expm1(-12.0 * (off / q[3]) ** 2 / q[4])
        median = q[0] + q[1] * decades + q[2] * np.maximum(decades, 0.0) - pattern
        if "predicted_dbm" in X.columns:
            median = median + q[5] * X["predicted_dbm"].to_numpy(float)
        knee = 3.0
        bent: np.ndarray = self.floor_dbm + knee * np.logaddexp(
            0.0, (median - self.floor_dbm) / knee
        )
        return bent

    def _offset(self, X: pd.DataFrame) -> np.ndarray:
        pairs = zip(X["site"].astype("str"), X["device"].astype("str"), strict=True)
        return np.array([self.offsets_.get(p, self.device_offsets_.get(p[1], 0.0)) for p in pairs])

    def _features(self, X: pd.DataFrame) -> np.ndarray:
        return X[self.features_].to_numpy(float)

    def _place(self, X: pd.DataFrame) -> np.ndarray:
        """Links in units that count alike: 0.15 decades of distance, 20° off boresight."""
        decades = np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0))
        return np.column_stack([decades / 0.15, X["off_deg"].to_numpy(float) / 20.0])

    def _errors_without(
        self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray
    ) -> dict[str, float]:
        """RMSE at groups left out, of the law alone and with the trees."""
        folds = GroupKFold(min(5, np.unique(groups).size)).split(X, groups=groups)
        error = {"calibrated": np.zeros(len(X)), "residual": np.full(len(X), np.nan)}
        for train, test in folds:
            model = clone(self)
            model._fit_parts(X.iloc[train], y[train])
            held = X.iloc[test]
            error["calibrated"][test] = y[test] - model._law(held, model.parameters_)
            error["calibrated"][test] -= model._offset(held)
            if model.trees_ is not None:
                learnt = model.trees_.predict(model._features(held))
                error["residual"][test] = error["calibrated"][test] - learnt
        return {k: float(np.sqrt(np.mean(v**2))) for k, v in error.items()}

    def _left_out(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Errors at groups that the fit did not see."""
        error = np.zeros(len(X))
        n = np.unique(groups).size
        for train, test in GroupKFold(min(n, 10)).split(X, groups=groups):
            model = clone(self)
            model._fit_parts(X.iloc[train], y[train])
            model.residual_used_ = self.residual_used_
            error[test] = y[test] - model.predict(X.iloc[test])
        return error
