"""The table of scores: one row per carrier and asset, with every contribution and the reason."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec

import numpy as np
import pandas as pd
from scipy import sparse

from tdh import coverage, gaps, schemas
from tdh.errors import InputError, Problem
from tdh.language import Text
from tdh.scoring.scorer import SiteScorer
from tdh.scoring.values import endurance, installability, sums
from tdh.scoring.weights import DEFAULT_WEIGHTS, LABELS, resolve_weights

MEASURED = {
    "equity": "people_worse_off_newly_served",
    "sharing": "people_of_others_newly_served",
    "places": "place_priority_newly_served",
    "quality": "people_db_lifted",
    "resilience": "endurance",
    "installability": "ease_of_installation",
    "daytime": "daytime_people_newly_served",
    "second_cover": "people_given_second_cover",
    "neighbours": "people_kept_if_neighbours_fail",
    "cost": "cheapness",
}
"""Component to the column that holds what was measured, before any weight."""

VALUES = {"people": "people_newly_served", "area": "gap_cells_closed", **MEASURED}
"""Component to the column of its value, of all components."""

CLOSES = Text(
    "Alone serves {people:,.0f} people and {closed:,} cells of the gap; {score:.1f} points ({parts})",
    "未充足人口{people:,.0f}人・{closed:,}セルをこのアセットだけで解消。{score:.1f}点({parts})",
)
NOTHING = Text("Closes nothing of the carrier's gap", "この事業者の未整備エリアを解消しません")


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores, and what their points come from.

    Parameters
    ----------
    scores : DataFrame
        Table ``scores``.
    weights : DataFrame
        Table ``score_weights``: for each carrier and component its weight, the points that the best
        asset earns and the value that earns them.
    """

    scores: pd.DataFrame
    weights: pd.DataFrame


def scored(
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
    daytime: np.ndarray | None = None,
    same: Mapping[str, np.ndarray | None] | None = None,
) -> Scored:
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
    daytime : ndarray of float, shape (n_carriers, n_cells), optional
        As ``unmet``, of the people who are there by day.
    same : mapping of component to ndarray of float, shape (n_assets,), optional
        Values that are the same for all carriers, such as ``cost``; ``installability`` and
        ``resilience`` are the register's where they are not given.

    Returns
    -------
    Scored
        Its table ``scores`` has one row per carrier and asset. ``contribution_<component>`` columns
        add up to the score; the rank breaks ties by people, then by id.
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
                    np.zeros(len(cells)) if daytime is None else daytime[k],
                ]
            ),
        )
        for k, carrier in enumerate(carriers)
    }
    everyone = np.sum([s[:, 0] for s in served.values()], axis=0)
    constant = {
        "installability": installability(assets),
        "resilience": endurance(assets),
        **(same or {}),
    }
    tables, weighed = [], []
    for carrier in carriers:
        people, closed, behind, important, by_day = served[carrier].T
        components = {
            "people": people,
            "area": closed,
            "equity": behind,
            "sharing": everyone - people if len(carriers) > 1 else None,
            "places": important if places is not None else None,
            "daytime": by_day if daytime is not None else None,
            **constant,
            **{name: of[carrier] for name, of in (more or {}).items()},
        }
        table, weight = _table(assets.index, carrier, components, weights)
        tables.append(table)
        weighed.append(weight)
    scores = schemas.conform(pd.concat(tables, ignore_index=True), "scores")
    parts = [c for c in scores.columns if c.startswith("contribution_")]
    scores[parts] = scores[parts].fillna(0.0)  # what no data speak of contributes nothing
    return Scored(scores, schemas.conform(pd.concat(weighed, ignore_index=True), "score_weights"))


def scored_public(
    assets: pd.DataFrame,
    footprints: Mapping[str, sparse.csr_array] | Mapping[tuple[str, str], sparse.csr_array],
    unmet: np.ndarray,
    weights: Mapping[str, float] | None = None,
    *,
    cells: pd.DataFrame,
    gap_cells: np.ndarray | None = None,
    places: np.ndarray | None = None,
    daytime: np.ndarray | None = None,
    more: Mapping[str, np.ndarray] | None = None,
) -> Scored:
    """Score every asset for the public: all carriers' gaps that it could close, together.

    As :func:`scored`, with one row per asset and ``carrier_id`` ``public``. A cell counts
    once for every carrier that the asset would bring there; there is no part for sharing.

    Parameters
    ----------
    more : mapping of component to ndarray of float, shape (n_assets,), optional
        Values of further components, of all carriers together.
    """
    united = _unite(footprints)
    n = len(united)
    gap = np.asarray(unmet > 0 if gap_cells is None else gap_cells)
    problems = _mismatches(united, assets, unmet, gap, cells)
    if problems:
        raise InputError(*problems)
    repeated = cells.iloc[np.tile(np.arange(len(cells)), n)]
    return scored(
        assets,
        {"public": sparse.csr_array(sparse.hstack(list(united.values()), format="csr"))},
        unmet.reshape(1, -1),
        weights,
        cells=repeated,
        # Customers of all carriers are the residents, once.
        market_share={"public": 1.0 / n},
        gap_cells=gap.reshape(1, -1),
        places=None if places is None else np.tile(places, n),
        daytime=None if daytime is None else daytime.reshape(1, -1),
        more={name: {"public": values} for name, values in (more or {}).items()},
    )


P = ParamSpec("P")


def _scores_of(function: Callable[P, Scored], name: str) -> Callable[P, pd.DataFrame]:
    """A function that gives the table ``scores`` alone."""

    @functools.wraps(function)
    def table(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        return function(*args, **kwargs).scores

    table.__name__ = table.__qualname__ = name
    table.__doc__ = f"As :func:`{function.__name__}`, the table ``scores`` alone."
    return table


score_assets = _scores_of(scored, "score_assets")
score_public = _scores_of(scored_public, "score_public")


def _table(
    ids: pd.Index,
    carrier: str,
    components: Mapping[str, np.ndarray | None],
    weights: Mapping[str, float] | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One carrier's rows of the tables ``scores`` and ``score_weights``."""
    known = {n: components[n] for n in DEFAULT_WEIGHTS if components.get(n) is not None}
    values = pd.DataFrame(known, dtype=float)
    measured = {MEASURED[n]: values[n].to_numpy(copy=True) for n in values if n in MEASURED}
    # What closes nothing earns nothing.
    values[~(values["area"] > 0)] = 0.0
    scorer = SiteScorer(weights).fit(values)
    points = scorer.transform(values)
    given = resolve_weights(weights)
    weighed = pd.DataFrame(
        {
            "carrier_id": carrier,
            "component": scorer.components_,
            "weight": [given[name] for name in scorer.components_],
            "points": scorer.points_,
            "scale": scorer.scale_,
        }
    )
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
            **measured,
        }
    )
    parts = points.drop(columns="score")
    table = pd.concat([table, parts], axis=1)
    for language in ("ja", "en"):
        table[f"reason_{language}"] = reasons(table, language)
    return table, weighed


def reasons(table: pd.DataFrame, language: str) -> list[str]:
    """In words: what each asset closes, and all parts of its score, the greatest first."""
    ja = language == "ja"
    prefix = "contribution_"
    names = [c for c in table.columns if c.startswith(prefix)]
    labels = [LABELS[c.removeprefix(prefix)].render("ja" if ja else "en") for c in names]
    gap, template = ("", CLOSES.ja) if ja else (" ", CLOSES.en)
    nothing = NOTHING.render("ja" if ja else "en")
    parts = table[names].to_numpy()
    largest = np.argsort(-parts, axis=1, kind="stable")
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


def _unite(
    footprints: Mapping[str, sparse.csr_array] | Mapping[tuple[str, str], sparse.csr_array],
) -> dict[str, sparse.csr_array]:
    """Carrier to what any of its bands serves."""
    parts: dict[str, list[sparse.csr_array]] = {}
    for key, footprint in footprints.items():
        parts.setdefault(key if isinstance(key, str) else key[0], []).append(footprint)
    return {carrier: coverage.united(own) for carrier, own in parts.items()}


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
