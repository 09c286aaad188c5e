"""Every public estimator of tdh under scikit-learn's own checks.

``tdh.measurements`` has tests of its own. What a check needs and data of the trade do not have (names
of columns, a hundred meshes) is given as parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from tdh.demand import DasymetricRegressor
from tdh.errors import InputError
from tdh.scoring import DEFAULT_WEIGHTS, SiteScorer

ESTIMATORS = [SiteScorer(), DasymetricRegressor(least_parts=1)]
FIVE = ["people", "area", "equity", "sharing", "cost"]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


# Some checks give a scorer that was fitted with names an array, which scikit-learn warns of.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize(
    ("check", "names"),
    [
        ("check_set_output_transform", None),
        ("check_set_output_transform_pandas", FIVE),
        ("check_global_output_transform_pandas", FIVE),
        ("check_transformer_get_feature_names_out", None),
        ("check_transformer_get_feature_names_out_pandas", FIVE[:3]),
        ("check_get_feature_names_out_error", None),
        ("check_dataframe_column_names_consistency", [*FIVE, "places", "quality", "daytime"]),
    ],
)
def test_names_and_outputs_of_the_scorer(check: str, names: list[str] | None) -> None:
    getattr(estimator_checks, check)("SiteScorer", SiteScorer(components=names))


def test_pandas_out_of_arrays_and_tables() -> None:
    X = pd.DataFrame({"people": [1.0, 4.0], "cost": [0.5, 1.0]}, index=["a", "b"])
    scorer = clone(SiteScorer({"people": 3.0, "cost": 1.0}, ["people", "cost"]))
    table = scorer.set_output(transform="pandas").fit_transform(X.to_numpy())
    assert list(table.columns) == ["contribution_people", "contribution_cost", "score"]
    assert table["score"].tolist() == [75 / 4 + 25 / 2, 100.0]
    named = make_pipeline(FunctionTransformer(), SiteScorer({"people": 3.0, "cost": 1.0}))
    again = named.set_output(transform="pandas").fit_transform(X)
    assert again.index.tolist() == ["a", "b"]
    np.testing.assert_allclose(again.to_numpy(), table.to_numpy())


def test_scores_in_cross_validation_and_searches() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(0, 1, (60, 3)), columns=["people", "places", "cost"])
    y = 2 * X["people"] + X["cost"] + 0.01 * rng.normal(size=60)
    model = make_pipeline(SiteScorer(), LinearRegression())
    assert cross_val_score(model, X, y).min() > 0.98
    only_people = {**dict.fromkeys(DEFAULT_WEIGHTS, 0.0), "people": 1.0}
    search = GridSearchCV(model, {"sitescorer__weights": [only_people, None]}).fit(X, y)
    assert search.best_params_ == {"sitescorer__weights": None}  # the other tells nothing of cost


def test_clear_errors_are_kept() -> None:
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(InputError, match=r"no such component of a score: \['beauty'\]"):
        SiteScorer().fit(pd.DataFrame(X, columns=["people", "beauty"]))
    with pytest.raises(InputError, match="no names for the weights"):
        SiteScorer({"people": 1.0}).fit(X)
    with pytest.raises(InputError, match=r"as many names .*: 1 .*2"):
        SiteScorer(components=["people"]).fit(X)
    with pytest.raises(InputError, match="beauty"):
        SiteScorer(components=["people", "beauty"]).fit(X)
    scorer = SiteScorer().fit(pd.DataFrame(X, columns=["people", "cost"]))
    with pytest.raises(ValueError, match="feature names"):
        scorer.transform(pd.DataFrame(X, columns=["cost", "people"]))
    assert SiteScorer().fit(X).get_feature_names_out().tolist() == [
        "contribution_x0", "contribution_x1", "score",
    ]  # fmt: skip


def test_parts_without_codes_have_no_sums_to_divide() -> None:
    rng = np.random.default_rng(1)
    X = rng.gamma(1.0, 10.0, (40, 3))
    people = X @ [3.0, 0.0, 1.0]
    model = DasymetricRegressor(least_parts=10).fit(X, people)
    np.testing.assert_allclose(model.coef_, [3.0, 0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(model.predict(X), people)
    with pytest.raises(InputError, match="mesh codes are needed"):
        model.predict(X, pd.Series([1.0], index=["53394525"]))
    with pytest.raises(InputError, match="too few meshes"):
        DasymetricRegressor().fit(X, people)
