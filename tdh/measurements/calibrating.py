"""The model that a run predicts with, fitted to measured links."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.model_selection import GroupKFold

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.measurements import robust
from tdh.measurements.estimator import MOST_FOLDS, REFERENCE_M, MeasuredCoverage
from tdh.measurements.links import names as names_of
from tdh.measurements.links import pairs
from tdh.measurements.predicted import EDGE, LINE, STREET
from tdh.radio.antenna import pattern_db
from tdh.radio.model import Model

_SECTORS_DEG = (0.0, 30.0, 90.0, 180.0)
"""Ahead of an antenna, beside it and behind it: what has to be measured to fit a pattern."""
_SURE = 0.15
"""Standard error of a weight, or of a beamwidth as a share of itself, up to which it is believed."""
_ASKED = ("height", "UMa", "UMi", "RMa")
"""What is kept only if the data are sure of it."""
_PULL = {
    "slope": 0.5,
    "width": 20.0,
    "limit": 20.0,
    "height": 5.0,
    "UMa": 5.0,
    "UMi": 5.0,
    "RMa": 5.0,
}
"""How strongly a parameter is held to the base's, in dB for its unit."""
_TEN = 10.0 / np.log(10.0)


@dataclass(frozen=True, eq=False)
class _Links:
    """Columns of X as arrays, and what is predicted for them if the model is changed."""

    base: Model
    decades: np.ndarray
    seen: np.ndarray
    off: np.ndarray
    down: np.ndarray
    tilt: np.ndarray
    has_sector: np.ndarray
    environment: np.ndarray
    line: np.ndarray | None
    street: np.ndarray | None
    edge: np.ndarray | None

    @classmethod
    def of(cls, X: pd.DataFrame, base: Model) -> _Links:
        def column(name: str, default: float) -> np.ndarray:
            if name in X.columns:
                return X[name].to_numpy(float)
            return np.full(len(X), default)

        parts: list[np.ndarray | None] = [None, None, None]
        if base.diffraction and {LINE, STREET, EDGE} <= set(X.columns):
            parts = [X[name].to_numpy(float) for name in (LINE, STREET, EDGE)]
        return cls(
            base,
            np.log10(np.maximum(X["distance_m"].to_numpy(float), 1.0) / REFERENCE_M),
            column("line_of_sight", 1.0) > 0,
            X["off_deg"].to_numpy(float),
            -column("elevation_deg", 0.0) if "tilt_deg" in X.columns else np.zeros(len(X)),
            column("tilt_deg", 0.0),
            X["turn_deg"].notna().to_numpy(),
            X["environment"].to_numpy(str) if "environment" in X.columns else np.full(len(X), ""),
            *parts,
        )

    def change_db(self, q: dict[str, float]) -> np.ndarray:
        """By how much the signal grows."""
        loss = np.where(self.seen, q["los"], q["nlos"]) + q["slope"] * self.decades
        if self.edge is not None:
            loss = self._loss_db(q) - self._loss_db({})
        gain = self._gain_db(q) - self._gain_db({})
        out: np.ndarray = np.where(self.has_sector, gain, 0.0) - loss
        return out

    def _gain_db(self, q: dict[str, float]) -> np.ndarray:
        return pattern_db(self.off, self.down, self.tilt, _pattern(self.base, q))

    def _loss_db(self, q: dict[str, float]) -> np.ndarray:
        """Loss by the laws and edges: :mod:`tdh.radio.prediction`."""
        assert self.line is not None and self.street is not None and self.edge is not None
        line = self.line + q.get("los", 0.0) + q.get("slope", 0.0) * self.decades
        street = self.street + q.get("nlos", 0.0) + q.get("slope", 0.0) * self.decades
        street = np.maximum(line, street)
        weight = np.ones(len(line))
        for name, before in self.base.diffraction_weights.items():
            weight[self.environment == name] = before + q.get(name, 0.0)
        over = line + weight * self.edge + self.base.diffraction_offset_db
        over = over + q.get("nlos", 0.0) - q.get("los", 0.0)
        blocked = np.maximum(-_TEN * np.logaddexp(-over / _TEN, -street / _TEN), line)
        out: np.ndarray = np.where(self.seen, line, blocked)
        return out

    def candidates(self) -> list[str]:
        """What may be fitted besides offsets and slope, before the data are asked."""
        names = []
        if _covers_pattern(self.off[self.has_sector]):
            names += ["width", "limit"]
        if self.down.any() and self.has_sector.any():
            names.append("height")
        if self.edge is not None:
            hidden = self.environment[~self.seen]
            names += [n for n in self.base.diffraction_weights if (hidden == n).any()]
        return names


def calibrate_model(X: pd.DataFrame, y: ArrayLike, base: Model | None = None) -> Model:
    """The model whose predictions fit measurements best: offsets, slope, pattern, diffraction.

    Parameters
    ----------
    X : DataFrame
        :func:`predict_links` by ``base``; or :func:`link_features` with ``predicted_dbm``, what
        ``base`` predicts with the antennas' pattern, and ``line_of_sight`` (bool), where it is
        known; without, one offset fits all. Links ``indoors`` (bool) are left out.
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
        in sight still holds. Each pair of site and device has an offset of its own, shrunk to 0,
        that is not the model's. What the data do not identify stays as in ``base``:

        * the antennas' horizontal beamwidth and their limit, unless enough links lie ahead of,
          beside and behind the antennas (:data:`_SECTORS_DEG`);
        * the vertical beamwidth, fitted only with the columns of :func:`predict_links`, unless
          its standard error is below :data:`_SURE` of itself;
        * the weight of diffraction in each environment, likewise, unless its standard error is
          below :data:`_SURE`.

        Standard errors count blocks of 100 m, not links.

    Raises
    ------
    InputError
        If there is no ``predicted_dbm``, or too little to learn from, or numbers are missing, as
        for :class:`MeasuredCoverage`.
    """
    base = base or Model()
    X, signal, blocks = _outdoors(X, y)
    return _changed(base, _fit_sure(_Links.of(X, base), X, signal, blocks))


def cross_validate(X: pd.DataFrame, y: ArrayLike, base: Model | None = None) -> pd.DataFrame:
    """What a calibration errs by at blocks of 100 m, and at whole sites, that it did not see.

    Parameters
    ----------
    X, y, base
        As for :func:`calibrate_model`.

    Returns
    -------
    DataFrame
        Index of the links outdoors. Measured minus predicted in dB: ``before`` by ``base``,
        ``blocks`` and ``sites`` left out in at most ten folds (NaN where all links are of one
        site). Offsets of sites and devices are not taken off: what a run errs by.

    Raises
    ------
    InputError
        As :func:`calibrate_model`.
    """
    base = base or Model()
    X, signal, blocks = _outdoors(X, y)
    out = pd.DataFrame({"before": signal - X["predicted_dbm"].to_numpy(float)}, index=X.index)
    for name, groups in (("blocks", blocks), ("sites", names_of(X["site"]).to_numpy(str))):
        error = np.full(len(X), np.nan)
        n = np.unique(groups).size
        folds = GroupKFold(min(n, MOST_FOLDS)).split(X, groups=groups) if n > 1 else ()
        for train, test in folds:
            seen, held = X.iloc[train], X.iloc[test]
            of = np.unique(blocks[train], return_inverse=True)[1]
            found = _fit_sure(_Links.of(seen, base), seen, signal[train], of)
            error[test] = out["before"].to_numpy()[test] - _Links.of(held, base).change_db(found)
        out[name] = error
    return out


def _outdoors(X: pd.DataFrame, y: ArrayLike) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The links that are used, their signals and the blocks that they lie in."""
    if "predicted_dbm" not in X.columns:
        raise InputError(
            Problem(Text("a column is missing", "列がありません"), expected="predicted_dbm")
        )
    helper = MeasuredCoverage()
    signal = helper._usable(X, y)
    if "indoors" in X.columns:
        outside = ~X["indoors"].to_numpy(bool)
        X, signal = X[outside], signal[outside]
    blocks = helper._blocks(X)
    helper._refuse_too_little(X, signal, blocks)
    return X, signal, blocks


def _changed(base: Model, found: dict[str, float]) -> Model:
    """A base with what was fitted."""
    wide, high, limit = _pattern(base, found)
    los, nlos, slope = found["los"], found["nlos"], found["slope"]
    weights = {n: w + found.get(n, 0.0) for n, w in base.diffraction_weights.items()}
    return replace(
        base,
        beamwidth_deg=wide,
        vertical_beamwidth_deg=high,
        pattern_limit_db=limit,
        los_offset_db=base.los_offset_db + los,
        nlos_offset_db=base.nlos_offset_db + nlos,
        diffraction_offset_db=base.diffraction_offset_db + nlos - los,
        los_slope_db=base.los_slope_db + slope,
        nlos_slope_db=base.nlos_slope_db + slope,
        diffraction_weight_uma=weights["UMa"],
        diffraction_weight_umi=weights["UMi"],
        diffraction_weight_rma=weights["RMa"],
    )


def _fit_sure(
    links: _Links, X: pd.DataFrame, signal: np.ndarray, blocks: np.ndarray
) -> dict[str, float]:
    """Each parameter's value, of those that the data are sure of."""
    names = ["los", "nlos", "slope", *links.candidates()]
    found, doubt = _fit(links, X, signal, blocks, names)
    sure = [n for n in names if n not in _ASKED or doubt[n] <= _SURE]
    return found if sure == names else _fit(links, X, signal, blocks, sure)[0]


def _fit(
    links: _Links, X: pd.DataFrame, signal: np.ndarray, blocks: np.ndarray, names: list[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Each parameter's value, and its standard error by blocks."""
    number = pd.factorize(pairs(X))[0]
    error = X["predicted_dbm"].to_numpy(float) - signal
    n = len(names)
    pull = np.array([_PULL.get(name, 0.0) for name in names])

    def changed(q: np.ndarray) -> np.ndarray:
        return error + links.change_db(dict(zip(names, q.tolist(), strict=True)))

    def prior(q: np.ndarray) -> np.ndarray:
        # A kind of link that was hardly measured keeps near the other's offset.
        return np.append(pull * q, 0.5 * (q[names.index("los")] - q[names.index("nlos")]))

    weights = links.base.diffraction_weights
    low = np.array([-max(weights[name], 1e-6) if name in weights else -np.inf for name in names])
    fit = robust.fit(changed, prior, number, np.zeros(n), low, np.full(n, np.inf))
    # Cluster-robust: the scores of a block's links add up before they are squared. What only holds
    # parameters to the base's is not evidence, so it does not count.
    damped = np.sqrt(1.0 + (fit.residual / robust.SCALE_DB) ** 2)
    curvature = np.maximum(damped**-3, np.finfo(float).eps) ** 0.5
    pushes = sparse.diags_array(fit.residual / damped / curvature) @ fit.slopes
    n_blocks = int(blocks.max()) + 1
    of_block = sparse.csr_array((np.ones(len(X)), (blocks, np.arange(len(X)))))
    by_block = of_block @ pushes[: len(X)] * np.sqrt(n_blocks / (n_blocks - 1.0))
    evidence = np.ones(len(damped), dtype=bool)
    evidence[len(X) : len(X) + n] = False
    told = fit.slopes[evidence]
    size = told.shape[1]
    inverse = np.linalg.inv((told.T @ told).toarray() + 1e-6 * np.eye(size))[:n]
    noise = np.mean((fit.residual[: len(X)] / damped[: len(X)]) ** 2)
    spread = np.square(by_block @ inverse.T).sum(axis=0)
    doubt = np.sqrt(np.maximum(spread, noise * np.diag(inverse)))
    values = dict(zip(names, fit.law.tolist(), strict=True))
    common = float(fit.offsets.mean())
    values["los"], values["nlos"] = values["los"] + common, values["nlos"] + common
    return values, dict(zip(names, doubt.tolist(), strict=True))


def _pattern(base: Model, q: dict[str, float]) -> tuple[float, float, float]:
    """Beamwidths (at most a whole turn) and limit of a base, each times a power of e."""
    wide, high, limit = base.pattern
    return (
        min(wide * float(np.exp(q.get("width", 0.0))), 360.0),
        min(high * float(np.exp(q.get("height", 0.0))), 360.0),
        limit * float(np.exp(q.get("limit", 0.0))),
    )


def _covers_pattern(off_deg: np.ndarray) -> bool:
    """Whether a twentieth of the links, and ten, lie in each of the sectors."""
    counts = np.histogram(off_deg, _SECTORS_DEG)[0]
    return bool((counts >= max(10.0, 0.05 * off_deg.size)).all())
