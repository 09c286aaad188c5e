"""Values of components to points, as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping
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
        Names of X's columns, needed where X is not a DataFrame.

    Attributes
    ----------
    components_ : list of str
        X's columns.
    points_ : ndarray, shape (n_components,)
        The weights in points; they add up to 100.
    scale_ : ndarray, shape (n_components,)
        The value that earns all points: the greatest of those seen in ``fit``, or 1 for
        components on their own scale.

    Examples
    --------
    >>> X = pd.DataFrame({"people": [50.0, 100.0], "installability": [1.0, 0.5]})
    >>> scorer = SiteScorer({"people": 3, "installability": 1}).fit(X)
    >>> scorer.transform(X)
       contribution_people  contribution_installability  score
    0                 37.5                         25.0   62.5
    1                 75.0                         12.5   87.5
    """

    def __init__(
        self, weights: Mapping[str, float] | None = None, components: list[str] | None = None
    ) -> None:
        self.weights = weights
        self.components = components

    def fit(self, X: pd.DataFrame | ArrayLike, y: object = None) -> SiteScorer:
        """Learn the scale of each component.

        Parameters
        ----------
        X : DataFrame or array_like, shape (n_assets, n_components)
            Values of at least 0.
        y : ignored
        """
        names = self._names(X)
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
        values = self._values(X, reset=True)
        self.components_ = names
        points = np.array([weights[name] for name in names])
        # Without data for any component with a weight, all components that there are count alike.
        points = points if points.sum() > 0 else np.ones(len(names))
        self.points_ = 100.0 * points / points.sum()
        most = values.max(axis=0, initial=0.0)
        own = np.array([name in OWN_SCALE for name in names])
        self.scale_ = np.where(own, 1.0, np.where(most > 0, most, 1.0))
        return self

    def transform(self, X: pd.DataFrame | ArrayLike) -> Any:
        """Contributions in points, one column a component, and ``score``, their sum.

        Returns
        -------
        DataFrame (where X is one) or ndarray, shape (n_assets, n_components + 1)
        """
        check_is_fitted(self)
        values = self._values(X, reset=False)
        parts = self.points_ * np.clip(values / self.scale_, 0.0, 1.0)
        out = np.column_stack([parts, parts.sum(axis=1)])
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(out, index=X.index, columns=list(self.get_feature_names_out()))
        return out

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the columns that ``transform`` gives."""
        check_is_fitted(self)
        names = [f"contribution_{name}" for name in self.components_]
        return np.array([*names, "score"], dtype=object)

    def _names(self, X: pd.DataFrame | ArrayLike) -> list[str]:
        if self.components is not None:
            return list(self.components)
        if isinstance(X, pd.DataFrame):
            return [str(name) for name in X.columns]
        raise InputError(
            Problem(
                Text("the components have no names", "評価項目の名前がありません"),
                fix=Text(
                    "give a DataFrame, or say components=[…]",
                    "DataFrameを渡すか、components=[…] を指定してください",
                ),
            )
        )

    def _values(self, X: pd.DataFrame | ArrayLike, reset: bool) -> np.ndarray:
        values: np.ndarray = validate_data(self, X, dtype=float, reset=reset)
        return values
