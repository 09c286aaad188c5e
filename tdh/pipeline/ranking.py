"""A finished run's scores as a planner asks for them: the best, one in full, and who is left behind."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from tdh import gaps, schemas, scoring
from tdh.errors import InputError, Problem
from tdh.inventory import addresses
from tdh.language import Text
from tdh.results import Run, read_run

PUBLIC = "public"
"""The carrier of the scores for all carriers together."""
_SPREAD = 0.25
"""How uncertain weights are where nothing else is asked for, as in the run's own tables."""


def score(
    run: Run | str | os.PathLike[str],
    *,
    carrier: str | None = None,
    public: bool = False,
    municipality: str | None = None,
    top: int = 20,
    spread: float = _SPREAD,
) -> pd.DataFrame:
    """The best-scored assets of a run, with what their scores are made of and how firm ranks are.

    Parameters
    ----------
    run : Run or path
    carrier : str, optional
        Only this carrier.
    public : bool
        For all carriers together: every gap that an asset could close counts.
    municipality : str, optional
        Only assets there: a code of five or six digits, or a name.
    top : int
        Rows per carrier.
    spread : float
        How uncertain the weights are (:func:`tdh.scoring.stability`).

    Returns
    -------
    DataFrame
        The best ``top`` rows of table ``scores`` of each carrier, with ``name`` and
        ``municipality``. ``rank`` is that among all assets; ``stays_in_top`` how often the asset is
        among the ``top`` best of those asked for (of its municipality) when the weights are drawn.

    Raises
    ------
    InputError
        For a carrier or a municipality that the run does not know.
    DomainError
        For ``top`` below 1, or ``spread`` that is negative or not finite.
    """
    opened = _opened(run)
    table = _scores(opened, carrier, public)
    if municipality is not None:
        there = opened.assets["municipality_code"] == code_of(opened, municipality)
        table = table[table["asset_id"].isin(opened.assets.index[there])]
    told = (opened.scenario.scoring.top, _SPREAD, None)  # by the table, as on the map
    if (top, spread, municipality) != told or "stays_in_top" not in table:
        table = table.assign(
            stays_in_top=scoring.stability(table, top, spread=spread, seed=opened.scenario.seed)
        )
    order = _carriers(opened, public)
    table = table.assign(_at=table["carrier_id"].map(order.get_loc)).sort_values(["_at", "rank"])
    table = table.groupby("carrier_id", observed=True, sort=False).head(top).drop(columns="_at")
    return table.join(opened.assets[["name", "municipality"]], on="asset_id").reset_index(drop=True)


def explain_score(
    run: Run | str | os.PathLike[str],
    asset: str,
    *,
    carrier: str | None = None,
    public: bool = False,
) -> pd.DataFrame:
    """Every part of an asset's scores: what was measured, what it is compared with, its points.

    Parameters
    ----------
    run : Run or path
    asset : str
        ``asset_id``.
    carrier, public
        As in :func:`score`.

    Returns
    -------
    DataFrame
        Table ``score_parts``: a row per carrier and component. ``contribution`` is ``points`` times
        ``value`` over ``scale``, at most ``points``; together they are ``score``. What closes
        nothing of the gap earns nothing. Components without data have no value and no points. The
        public's score has no part for sharing.

    Raises
    ------
    InputError
        For an asset or a carrier that the run does not know or has not scored.
    """
    opened = _opened(run)
    table = _scores(opened, carrier, public)
    own = table[table["asset_id"] == asset]
    if own.empty:
        raise InputError(_no_such_asset(opened, asset, scored=not table.empty))
    weights = opened.score_weights
    if weights is None:
        raise InputError(
            Problem(
                Text(
                    "the run was made by an earlier version, which did not keep what points come from",
                    "配点を記録しない以前の版で計算されています",
                ),
                where=str(opened.folder),
                fix=Text("run the scenario again", "もう一度計算してください"),
            )
        )
    given = scoring.resolve_weights(opened.scenario.scoring.weights)
    rows = []
    for row in own.to_dict("records"):
        known = weights[weights["carrier_id"] == row["carrier_id"]].set_index("component")
        for component, column in scoring.VALUES.items():
            if public and component == "sharing":
                continue  # no part of that score
            counted = component in known.index
            rows.append(
                {
                    "asset_id": asset,
                    "carrier_id": row["carrier_id"],
                    "rank": row["rank"],
                    "score": row["score"],
                    "component": component,
                    "weight": given[component],
                    "points": known.at[component, "points"] if counted else 0.0,
                    "value": row[column] if counted else np.nan,
                    "scale": known.at[component, "scale"] if counted else np.nan,
                    "unit": scoring.UNITS[component].en,
                    "contribution": row[f"contribution_{component}"],
                    "value_column": column,
                }
            )
    parts = pd.DataFrame(rows)
    order = _carriers(opened, public)
    parts["_at"] = parts["carrier_id"].map(order.get_loc)
    parts = parts.sort_values(
        ["_at", "contribution", "points"], ascending=[True, False, False], kind="stable"
    )
    return schemas.conform(parts.drop(columns="_at").reset_index(drop=True), "score_parts")


def equity(
    run: Run | str | os.PathLike[str], *, carrier: str | None = None, top: int = 20
) -> pd.DataFrame:
    """Which municipalities each carrier serves worse than its mean today, and what is there to help.

    Parameters
    ----------
    run : Run or path
    carrier : str, optional
        Only this carrier.
    top : int
        ``assets_in_top`` counts assets among so many best of the carrier.

    Returns
    -------
    DataFrame
        Table ``score_equity``: a row per carrier and municipality, the worst served first.
    """
    opened = _opened(run)
    scores = _scores(opened, carrier, False)
    cells, carriers = opened.cells, [c.id for c in opened.carriers]
    unmet = gaps.unmet_matrix(opened.gaps, cells, carriers)
    names = opened.municipalities["municipality"]
    home = opened.assets["municipality_code"]
    tables = []
    for k, known in enumerate(carriers):
        if carrier not in (None, known):
            continue
        share = opened.scenario.market_shares[known]
        by = pd.DataFrame(
            {
                "municipality_code": cells["municipality_code"].to_numpy(),
                "customers": cells["population"].to_numpy(float) * share,
                "people_in_gap": unmet[k],
                "worse_by": gaps.deficit(cells, unmet[k], share),
            }
        ).groupby("municipality_code", sort=True)
        table = by[["customers", "people_in_gap"]].sum()
        table["worse_by"] = by["worse_by"].first()
        table["share_in_gap"] = table["people_in_gap"] / table["customers"].where(
            table["customers"] > 0
        )
        everyone = table["customers"].sum()
        table["share_of_carrier"] = table["people_in_gap"].sum() / everyone if everyone else np.nan
        own = scores[(scores["carrier_id"] == known) & (scores["gap_cells_closed"] > 0)]
        own = own.assign(code=home.reindex(own["asset_id"]).to_numpy()).sort_values("rank")
        at = own.groupby("code")
        table["assets_that_help"] = at.size().reindex(table.index).fillna(0)
        table["assets_in_top"] = (own["rank"] <= top).groupby(own["code"]).sum()
        table["assets_in_top"] = table["assets_in_top"].fillna(0)
        best = at.first().reindex(table.index)
        table["best_asset_id"], table["best_rank"] = best["asset_id"], best["rank"]
        table["best_people"] = best["people_newly_served"]
        table["carrier_id"] = known
        table["municipality"] = names.reindex(table.index)
        tables.append(
            table.reset_index().sort_values(
                ["worse_by", "share_in_gap"], ascending=False, kind="stable"
            )
        )
    found = pd.concat(tables, ignore_index=True)
    found = found.join(opened.assets["name"].rename("best_name"), on="best_asset_id")
    return schemas.conform(found, "score_equity")


def known_carrier(run: Run, carrier: str) -> str:
    """The id of a carrier of the run, by its id or name.

    Raises
    ------
    InputError
        If the run has none, or several of that name.
    """
    known = {c.id: c.name for c in run.carriers}
    called = [key for key, name in known.items() if name == carrier]
    if carrier not in known and len(called) == 1:
        return called[0]
    if carrier not in known:
        raise InputError(
            Problem(
                Text("the run has no such carrier", "その事業者はありません"),
                value=carrier,
                expected=", ".join(f"{key} ({name})" for key, name in known.items()),
                where=str(run.folder),
            )
        )
    return carrier


def _opened(run: Run | str | os.PathLike[str]) -> Run:
    return run if isinstance(run, Run) else read_run(run)


def _carriers(run: Run, public: bool) -> pd.Index:
    return pd.Index([PUBLIC] if public else [c.id for c in run.carriers])


def _scores(run: Run, carrier: str | None, public: bool) -> pd.DataFrame:
    """The table asked for: of one carrier, of all, or for the public."""
    if public:
        if carrier is not None:
            raise InputError(
                Problem(
                    Text(
                        "the score for the public is of all carriers together",
                        "公共スコアは全事業者の合計です",
                    ),
                    value=carrier,
                    fix=Text(
                        "give a carrier or the public, not both",
                        "事業者と公共スコアのどちらか一方を指定してください",
                    ),
                )
            )
        return run.scores_public
    if carrier is None:
        return run.scores
    return run.scores[run.scores["carrier_id"] == known_carrier(run, carrier)]


def code_of(run: Run, wanted: str) -> str:
    """The code of a municipality of the run, by code (five digits, or six that are right) or name.

    Raises
    ------
    InputError
        If none is so named, or several are.
    """
    names = run.municipalities["municipality"]
    plain = wanted.strip()
    if plain.isascii() and plain.isdigit() and plain[:5] in names.index and len(plain) in (5, 6):
        if len(plain) == 6 and plain[5] != addresses.check_digit(plain[:5]):
            raise InputError(
                Problem(
                    Text(
                        "the check digit of the municipality code is wrong",
                        "市区町村コードの検査数字が正しくありません",
                    ),
                    value=wanted,
                    expected=f"{plain[:5]}{addresses.check_digit(plain[:5])} {names[plain[:5]]}",
                    where=str(run.folder),
                )
            )
        return plain[:5]
    found = names.index[names == plain]
    if len(found) == 0 and plain:  # 中野 for 中野区, 瑞穂町 for 西多摩郡瑞穂町
        found = names.index[names.str.contains(plain, regex=False)]
    if len(found) > 1:
        raise InputError(
            Problem(
                Text(
                    "several municipalities match: give the code",
                    "該当する市区町村が複数あります。コードで指定してください",
                ),
                value=wanted,
                expected=", ".join(f"{code} {names[code]}" for code in found),
                where=str(run.folder),
            )
        )
    if len(found) == 0:
        raise InputError(
            Problem(
                Text("the run has no such municipality", "その市区町村はありません"),
                value=wanted,
                expected=", ".join(f"{code} {name}" for code, name in names.items()),
                where=str(run.folder),
            )
        )
    return str(found[0])


def _no_such_asset(run: Run, asset: str, *, scored: bool) -> Problem:
    if asset in run.assets.index and not scored:
        return Problem(
            Text("the table of scores is empty", "スコアの表が空です"),
            value=asset,
            where=str(run.folder),
        )
    if asset in run.assets.index:
        return Problem(
            Text(
                "no antenna can stand on this asset, so that it has no score",
                "アンテナを設置できないアセットのため、スコアがありません",
            ),
            value=asset,
            where=str(run.folder),
        )
    named = run.assets.index[run.assets["name"].astype(str).str.contains(asset, regex=False)]
    like = ", ".join(f"{key} ({run.assets.at[key, 'name']})" for key in named[:10])
    return Problem(
        Text("the run has no such asset", "そのアセットはありません"),
        value=asset,
        expected=like or None,
        where=str(run.folder),
        fix=Text(
            "asset ids stand in tdh score, on the map and in assets.parquet",
            "アセットIDは tdh score、地図、assets.parquet にあります",
        ),
    )
