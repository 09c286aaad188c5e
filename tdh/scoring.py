"""What each asset would close for each carrier, as a score whose contributions are kept.

A score is a sum of contributions, from 0 to 100. Each is a component's value, from 0 to 1, times
its weight in points. The components:

people
    people of the carrier's gap whom the asset alone would serve
area
    gap cells that it alone would serve, inhabited or not
equity
    as people, weighted by how far their municipality is served worse than the carrier's mean
sharing
    people of the other carriers' gaps whom it would serve: the case for a shared site
places
    priority places of the gap (town halls, disaster hospitals, stations) that it would serve
quality
    decibels by which it would lift weak signals, times people (:func:`quality_lift`)
resilience
    what the site itself withstands: hours of backup, flood depth (:func:`endurance`)
installability
    how easily an antenna stands there: placement, height, whether they are known

The first six are measured against the carrier's best asset; the others are on a scale of their
own. A component for which there are no data gives its weight to the others. An asset that closes
nothing scores 0, however easy it would be to build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from tdh import gaps, schemas
from tdh.errors import InputError, Problem
from tdh.language import Text

DEFAULT_WEIGHTS: dict[str, float] = {
    "people": 50.0,
    "area": 10.0,
    "equity": 10.0,
    "sharing": 10.0,
    "places": 10.0,
    "quality": 5.0,
    "resilience": 5.0,
    "installability": 5.0,
}
"""Weight of each component; only their proportions matter."""

LABELS: dict[str, Text] = {
    "people": Text("people", "人口"),
    "area": Text("area", "面積"),
    "equity": Text("equity between municipalities", "地域間の公平"),
    "sharing": Text("sharing", "共用"),
    "places": Text("priority places", "重点施設"),
    "quality": Text("signal quality", "品質"),
    "resilience": Text("resilience", "耐災害性"),
    "installability": Text("installability", "設置しやすさ"),
}

CLOSES = Text(
    "Alone serves {people:,.0f} people and {closed:,} cells of the gap; {score:.1f} points ({parts})",
    "未充足人口{people:,.0f}人・{closed:,}セルをこのアセットだけで解消。{score:.1f}点({parts})",
)
NOTHING = Text("Closes nothing of the carrier's gap", "この事業者の未整備エリアを解消しません")

OWN_SCALE = frozenset({"resilience", "installability"})
"""Components that come as values from 0 to 1 and are not compared with the best asset."""

EASE = {"roof": 1.0, "ground": 0.7, "pole": 0.5, "none": 0.0}
"""Ease of installation by placement (an engineering judgement)."""
_HEIGHT_NOT_KNOWN = 0.8
_TOO_HIGH_M = 60.0
_TOO_HIGH = 0.7
_BACKUP_HOURS = 24.0
_CHUNK = 1 << 22
_MOST_SAMPLES = 1 << 24


def resolve_weights(weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """The weight of every component: those given, and defaults for the others.

    Raises
    ------
    InputError
        With every problem: unknown components, negative weights, all of them zero.
    """
    given = dict(weights or {})
    problems = [
        Problem(
            Text("no such component of a score", "その評価項目はありません"),
            value=name,
            expected=", ".join(DEFAULT_WEIGHTS),
            where="scoring.weights",
        )
        for name in given
        if name not in DEFAULT_WEIGHTS
    ]
    problems += [
        Problem(
            Text("a weight must be a number of at least 0", "重みは0以上の数にしてください"),
            value=value,
            where=f"scoring.weights.{name}",
        )
        for name, value in given.items()
        if not (np.isfinite(value) and value >= 0)
    ]
    merged = {**DEFAULT_WEIGHTS, **given}
    if not problems and sum(merged.values()) <= 0:
        problems.append(
            Problem(
                Text("all weights are zero", "重みがすべて0です"),
                where="scoring.weights",
                fix=Text("give one component a weight", "どれかの項目に重みをつけてください"),
            )
        )
    if problems:
        raise InputError(*problems)
    return merged


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


def score_assets(
    assets: pd.DataFrame,
    footprints: Mapping[str, sparse.csr_array] | Mapping[tuple[str, str], sparse.csr_array],
    unmet: np.ndarray,
    weights: Mapping[str, float] | None = None,
    *,
    cells: pd.DataFrame,
    market_share: Mapping[str, float] | None = None,
    gap_cells: np.ndarray | None = None,
    places: np.ndarray | None = None,
    more: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> pd.DataFrame:
    """Score every asset for every carrier.

    Parameters
    ----------
    assets : DataFrame
        Table ``assets``, in the order of the footprints' rows.
    footprints : mapping of carrier, or of (carrier, band), to csr_array of bool
        Cells that each asset would serve, (n_assets, n_cells). Carriers' bands are united.
    unmet : ndarray of float, shape (n_carriers, n_cells)
        Unmet people (:func:`tdh.gaps.unmet_matrix`), carriers in the order of ``footprints``.
    weights : mapping of component to float, optional
        What differs from :data:`DEFAULT_WEIGHTS`.
    cells : DataFrame
        Table ``cells``.
    market_share : mapping of carrier to float, optional
        Share of residents who are its customers; equal shares by default.
    gap_cells : ndarray of bool, shape (n_carriers, n_cells), optional
        Gap cells, inhabited or not (:func:`tdh.gaps.gap_matrix`); by default those with people.
    places : ndarray of float, shape (n_cells,), optional
        Priorities of the places that must be served, summed by cell.
    more : mapping of component to mapping of carrier to ndarray, shape (n_assets,), optional
        Values of further components, such as ``quality``.

    Returns
    -------
    DataFrame
        Table ``scores``: one row per carrier and asset. ``contribution_<component>`` columns add
        up to the score; the rank breaks ties by people, then by id.
    """
    united = _unite(footprints)
    carriers = list(united)
    gap = np.asarray(unmet > 0 if gap_cells is None else gap_cells)
    shares = market_share or dict.fromkeys(carriers, 1.0 / len(carriers))
    problems = _mismatches(united, assets, unmet, gap, cells)
    if problems:
        raise InputError(*problems)
    served = {
        carrier: sums(
            united[carrier],
            np.column_stack(
                [
                    unmet[k],
                    gap[k],
                    unmet[k] * gaps.deficit(cells, unmet[k], shares[carrier]),
                    gap[k] * (np.zeros(len(cells)) if places is None else places),
                ]
            ),
        )
        for k, carrier in enumerate(carriers)
    }
    everyone = np.sum([s[:, 0] for s in served.values()], axis=0)
    constant = {"installability": installability(assets), "resilience": endurance(assets)}
    tables = []
    for carrier in carriers:
        people, closed, behind, important = served[carrier].T
        components = {
            "people": people,
            "area": closed,
            "equity": behind,
            "sharing": everyone - people if len(carriers) > 1 else None,
            "places": important if places is not None else None,
            **{name: of[carrier] for name, of in (more or {}).items()},
            **constant,
        }
        tables.append(_table(assets.index, carrier, components, weights))
    scores = schemas.conform(pd.concat(tables, ignore_index=True), "scores")
    parts = [c for c in scores.columns if c.startswith("contribution_")]
    scores[parts] = scores[parts].fillna(0.0)  # what no data speak of contributes nothing
    return scores


def score_public(
    assets: pd.DataFrame,
    footprints: Mapping[str, sparse.csr_array] | Mapping[tuple[str, str], sparse.csr_array],
    unmet: np.ndarray,
    weights: Mapping[str, float] | None = None,
    *,
    cells: pd.DataFrame,
    gap_cells: np.ndarray | None = None,
    places: np.ndarray | None = None,
) -> pd.DataFrame:
    """Score every asset for the public: all carriers' gaps that it could close, together.

    As :func:`score_assets`, with one row per asset and ``carrier_id`` ``public``. A cell counts
    once for every carrier that the asset would bring there; there is no part for sharing.
    """
    united = _unite(footprints)
    n = len(united)
    gap = np.asarray(unmet > 0 if gap_cells is None else gap_cells)
    problems = _mismatches(united, assets, unmet, gap, cells)
    if problems:
        raise InputError(*problems)
    repeated = cells.iloc[np.tile(np.arange(len(cells)), n)]
    return score_assets(
        assets,
        {"public": sparse.csr_array(sparse.hstack(list(united.values()), format="csr"))},
        unmet.reshape(1, -1),
        weights,
        cells=repeated,
        # Customers of all carriers are the residents, once.
        market_share={"public": 1.0 / n},
        gap_cells=gap.reshape(1, -1),
        places=None if places is None else np.tile(places, n),
    )


def _table(
    ids: pd.Index,
    carrier: str,
    components: Mapping[str, np.ndarray | None],
    weights: Mapping[str, float] | None,
) -> pd.DataFrame:
    """One carrier's rows of the table ``scores``."""
    known = {n: components[n] for n in DEFAULT_WEIGHTS if components.get(n) is not None}
    values = pd.DataFrame(known, dtype=float)
    # What closes nothing earns nothing.
    values[~(values["area"] > 0)] = 0.0
    points = SiteScorer(weights).fit(values).transform(values)
    people = values["people"].to_numpy()
    order = np.lexsort((ids.to_numpy(dtype=str), -people, -points["score"].to_numpy().round(9)))
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(1, len(ids) + 1)
    table = pd.DataFrame(
        {
            "asset_id": ids,
            "carrier_id": carrier,
            "people_newly_served": people,
            "gap_cells_closed": values["area"].round().astype(np.int64),
            "score": points["score"].clip(0.0, 100.0),
            "rank": rank,
        }
    )
    parts = points.drop(columns="score")
    table = pd.concat([table, parts], axis=1)
    for language in ("ja", "en"):
        table[f"reason_{language}"] = reasons(table, language)
    return table


def reasons(table: pd.DataFrame, language: str) -> list[str]:
    """In words: what each asset closes, and the three greatest parts of its score."""
    ja = language == "ja"
    prefix = "contribution_"
    names = [c for c in table.columns if c.startswith(prefix)]
    labels = [LABELS[c.removeprefix(prefix)].render("ja" if ja else "en") for c in names]
    gap, template = ("", CLOSES.ja) if ja else (" ", CLOSES.en)
    nothing = NOTHING.render("ja" if ja else "en")
    parts = table[names].to_numpy()
    largest = np.argsort(-parts, axis=1, kind="stable")[:, :3]
    words = []
    for people, closed, score, row, best in zip(
        table["people_newly_served"],
        table["gap_cells_closed"],
        table["score"],
        parts,
        largest,
        strict=True,
    ):
        shown = [f"{labels[j]}{gap}{row[j]:.1f}" for j in best if row[j] >= 0.05]
        inner = ("、" if ja else ", ").join(shown)
        filled = template.format(people=people, closed=closed, score=score, parts=inner)
        words.append(filled if closed else nothing)
    return words


def sums(footprint: sparse.csr_array, values: np.ndarray) -> np.ndarray:
    """Sums of cells' values over each site's footprint.

    Parameters
    ----------
    footprint : csr_array of bool, shape (n_sites, n_cells)
    values : ndarray of float, shape (n_cells, n_kinds)

    Returns
    -------
    ndarray of float64, shape (n_sites, n_kinds)

    Notes
    -----
    Sites go in chunks, for a product casts the whole matrix to float64.
    """
    dense = np.ascontiguousarray(values, dtype=float)
    out = np.zeros((footprint.shape[0], dense.shape[1]))
    for start, end in _chunks(footprint):
        out[start:end] = footprint[start:end].astype(float) @ dense
    return out


def _chunks(matrix: sparse.csr_array) -> Iterator[tuple[int, int]]:
    """Spans of rows with some four million stored values each."""
    start = 0
    while start < matrix.shape[0]:
        goal = matrix.indptr[start] + _CHUNK
        end = max(start + 1, int(np.searchsorted(matrix.indptr, goal, side="right")) - 1)
        yield start, end
        start = end


def installability(assets: pd.DataFrame) -> np.ndarray:
    """How easily an antenna stands on each asset: 0 to 1, (n_assets,).

    By placement (:data:`EASE`); less where the height is a default that nobody has measured, and
    above 60 m, where lifting and obstacle lights cost.
    """
    ease = assets["placement"].map(EASE).fillna(0.0).to_numpy(dtype=float)
    if "height_source" in assets.columns:
        guessed = (assets["height_source"] == "default").fillna(False).to_numpy(dtype=bool)
        ease = np.where(guessed, ease * _HEIGHT_NOT_KNOWN, ease)
    if "mounting_height_m" in assets.columns:
        high = assets["mounting_height_m"].to_numpy(dtype=float) > _TOO_HIGH_M
        ease = np.where(high, ease * _TOO_HIGH, ease)
    return ease


def endurance(assets: pd.DataFrame) -> np.ndarray | None:
    """What a site withstands: 0 to 1, (n_assets,); None where no register says anything.

    Two thirds for backup hours (all for 24 h, which
    事業用電気通信設備規則 11条3項 asks of stations that cover offices), one third for no flood;
    what is not known earns nothing.
    """
    columns = ("backup_hours", "flood_depth_m")
    known = [c for c in columns if c in assets and assets[c].notna().any()]
    if not known:
        return None
    total = np.zeros(len(assets))
    if "backup_hours" in known:
        hours = assets["backup_hours"].fillna(0.0).to_numpy(float)
        total += 2 / 3 * np.clip(hours / _BACKUP_HOURS, 0.0, 1.0)
    if "flood_depth_m" in known:
        total += 1 / 3 * (assets["flood_depth_m"] == 0).to_numpy(float)
    return total


def quality_lift(
    signal: sparse.csr_array,
    to_dbm: np.ndarray,
    before_dbm: np.ndarray,
    people: np.ndarray,
    good_dbm: float,
    floor_dbm: float = -125.0,
) -> np.ndarray:
    """Decibels × people by which each site lifts signals that are not good yet: (n_sites,).

    Parameters
    ----------
    signal : csr_array of uint8, shape (n_sites, n_cells)
        :attr:`tdh.coverage.Coverage.signal`.
    to_dbm : ndarray, shape (256,)
        dBm of each stored level.
    before_dbm : ndarray, shape (n_cells,)
        Best server's signal today; NaN: none, which counts as ``floor_dbm``.
    people : ndarray, shape (n_cells,)
    good_dbm : float
        Beyond this level nothing is gained.
    """
    before = np.nan_to_num(np.asarray(before_dbm, dtype=float), nan=floor_dbm)
    out = np.zeros(signal.shape[0])
    for start, end in _chunks(signal):
        span = slice(signal.indptr[start], signal.indptr[end])
        at = signal.indices[span]
        new = np.minimum(to_dbm[signal.data[span]], good_dbm)
        gain = np.clip(new - before[at], 0.0, None) * people[at]
        site = np.repeat(np.arange(end - start), np.diff(signal.indptr[start : end + 1]))
        out[start:end] = np.bincount(site, gain, minlength=end - start)
    return out


def stability(
    scores: pd.DataFrame,
    top: int,
    *,
    spread: float = 0.25,
    samples: int = 1000,
    seed: int = 0,
) -> pd.Series:
    """How often each row stays in its carrier's top n when the weights are uncertain.

    Parameters
    ----------
    scores : DataFrame
        Table ``scores``.
    top : int
        n.
    spread : float
        Standard deviation of the logarithm of each weight's factor: 0.25 is about ± 25 %.
    samples : int
        Draws of the weights.
    seed : int

    Returns
    -------
    Series of float
        Share of draws, from 0 to 1, with the index of ``scores``. Ties count by rank.
    """
    names = [c for c in scores.columns if c.startswith("contribution_")]
    rng = np.random.default_rng(seed)
    factors = np.exp(rng.normal(0.0, spread, (len(names), samples)))
    out = pd.Series(0.0, index=scores.index)
    for _, own in scores.groupby("carrier_id", observed=True, sort=False):
        own = own.sort_values("rank", kind="stable")
        parts = own[names].fillna(0.0).to_numpy()
        n = min(top, len(own))
        times = np.zeros(len(own))
        step = max(1, _MOST_SAMPLES // max(1, len(own)))
        for first in range(0, samples, step):
            drawn = -np.round(parts @ factors[:, first : first + step], 9)
            best = np.argsort(drawn, axis=0, kind="stable")[:n]
            times += np.bincount(best.ravel(), minlength=len(own))
        out[own.index] = times / samples
    return out


def _unite(
    footprints: Mapping[str, sparse.csr_array] | Mapping[tuple[str, str], sparse.csr_array],
) -> dict[str, sparse.csr_array]:
    """Carrier to what any of its bands serves."""
    united: dict[str, sparse.csr_array] = {}
    for key, footprint in footprints.items():
        carrier = key if isinstance(key, str) else key[0]
        if carrier in united:
            footprint = (united[carrier] + footprint).astype(bool)
        united[carrier] = sparse.csr_array(footprint)
    return united


def _mismatches(
    footprints: Mapping[str, sparse.csr_array],
    assets: pd.DataFrame,
    unmet: np.ndarray,
    gap: np.ndarray,
    cells: pd.DataFrame,
) -> list[Problem]:
    rows = (len(footprints), len(cells))
    expected = {
        f"footprints, {c}": (f.shape, (len(assets), len(cells))) for c, f in footprints.items()
    }
    expected |= {"unmet": (unmet.shape, rows), "gap_cells": (gap.shape, rows)}
    return [
        Problem(
            Text(
                "the number of assets, carriers or cells differs",
                "アセット・事業者・セルの数が違います",
            ),
            value=found,
            expected=str(wanted),
            where=where,
        )
        for where, (found, wanted) in expected.items()
        if found != wanted
    ]
