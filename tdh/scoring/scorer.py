"""Values of components to points, as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.scoring.weights import DEFAULT_WEIGHTS, OWN_SCALE, resolve_weights


class SiteScorer(TransformerMixin, BaseEstimator):
    """Components' values to contributions in points and their sum, the score.

    Parameters
    ----------
    weights : mapping of component to float, optional
        What differs from :data:`DEFAULT_WEIGHTS`.
    components : sequence of str, optional
        Names of X's columns where X is not a DataFrame, or instead of those it has.

    Attributes
    ----------
    components_ : list of str
        X's columns.
    points_ : ndarray, shape (n_components,)
        The weights in points; they add up to 100.
    scale_ : ndarray, shape (n_components,)
        The value that earns all points: the greatest of those seen in ``fit``, or 1 for
        components on their own scale.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X was a DataFrame.

    Notes
    -----
    Columns without any names (an array, without ``components`` and ``weights``) are called ``x0``,
    ``x1``, … and count alike: what they are is not known, so no component's weight is theirs.
    Values below 0 earn nothing, those beyond ``scale_`` all points and no more.

    Examples
    --------
    >>> X = pd.DataFrame({"people": [50.0, 100.0], "installability": [1.0, 0.5]})
    >>> scorer = SiteScorer({"people": 3, "installability": 1}).fit(X)
    >>> scorer.transform(X)
       contribution_people  contribution_installability  score
    0                 37.5                         25.0   62.5
    1                 75.0                         12.5   87.5
    >>> SiteScorer().fit_transform([[50.0, 2.0], [100.0, 1.0]]).tolist()
    [[25.0, 50.0, 75.0], [50.0, 25.0, 75.0]]
    """

    def __init__(
        self, weights: Mapping[str, float] | None = None, components: Sequence[str] | None = None
    ) -> None:
        self.weights = weights
        self.components = components

    def fit(self, X: pd.DataFrame | ArrayLike, y: object = None) -> SiteScorer:
        """Learn the scale of each component.

        Parameters
        ----------
        X : DataFrame or array_like, shape (n_assets, n_components)
            Finite values of at least 0.
        y : ignored

        Raises
        ------
        InputError
            For columns that are no components, weights that have no names to go with, or other
            names than X has columns.
        """
        values = self._values(X, reset=True)
        names = self._names(X, values.shape[1])
        if names is None:
            resolve_weights(self.weights)
            self.components_ = [f"x{i}" for i in range(values.shape[1])]
            points = np.ones(values.shape[1])
        else:
            weights = resolve_weights(self.weights)
            unknown = [name for name in names if name not in weights]
            if unknown:
                raise InputError(
                    Problem(
                        Text("no such component of a score", "その評価項目はありません"),
                        value=unknown,
                        expected=", ".join(DEFAULT_WEIGHTS),
                    )
                )
            self.components_ = names
            points = np.array([weights[name] for name in names])
        # Without data for any component with a weight, all components that there are count alike.
        points = points if points.sum() > 0 else np.ones(len(points))
        self.points_ = 100.0 * points / points.sum()
        most = values.max(axis=0, initial=0.0)
        own = np.array([name in OWN_SCALE for name in self.components_])
        self.scale_ = np.where(own, 1.0, np.where(most > 0, most, 1.0))
        return self

    def transform(self, X: pd.DataFrame | ArrayLike) -> Any:
        """Contributions in points, one column a component, and ``score``, their sum.

        Returns
        -------
        DataFrame (where X is one) or ndarray, shape (n_assets, n_components + 1)
            As ``set_output`` says, where it was called.
        """
        check_is_fitted(self)
        values = self._values(X, reset=False)
        parts = self.points_ * np.clip(values / self.scale_, 0.0, 1.0)
        out = np.column_stack([parts, parts.sum(axis=1)])
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(out, index=X.index, columns=list(self.get_feature_names_out()))
        return out

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns that ``transform`` gives.

        Parameters
        ----------
        input_features : array_like of str, optional
            Only checked: the names of X's columns, as many as ``fit`` saw.
        """
        check_is_fitted(self)
        if input_features is not None:
            given, seen = list(np.asarray(input_features)), getattr(self, "feature_names_in_", None)
            if seen is not None and given != list(seen):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(given) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(given)}"
                )
        names = [f"contribution_{name}" for name in self.components_]
        return np.array([*names, "score"], dtype=object)

    def _names(self, X: pd.DataFrame | ArrayLike, n_columns: int) -> list[str] | None:
        """Names of X's columns; None: there are none, and none are needed."""
        if self.components is not None:
            names = [str(name) for name in self.components]
            if len(names) != n_columns:
                raise InputError(
                    Problem(
                        Text(
                            "as many names of components are needed as there are columns",
                            "評価項目の名前の数が列数と違います",
                        ),
                        value=len(names),
                        expected=str(n_columns),
                        where="components",
                    )
                )
            return names
        columns = getattr(X, "columns", None)
        if columns is not None:
            return [str(name) for name in columns]
        if self.weights is None:
            return None
        raise InputError(
            Problem(
                Text(
                    "the components have no names for the weights to go with",
                    "重みを当てる評価項目の名前がありません",
                ),
                value=list(self.weights),
                fix=Text(
                    "give a DataFrame, or say components=[…]",
                    "DataFrameを渡すか、components=[…] を指定してください",
                ),
            )
        )

    def _values(self, X: pd.DataFrame | ArrayLike, reset: bool) -> np.ndarray:
        values: np.ndarray = validate_data(self, X, dtype=float, reset=reset)
        return values
