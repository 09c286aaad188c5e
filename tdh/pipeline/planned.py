"""The stage of the plan: which assets are offered to which carriers, and what that changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from tdh import demand, gaps, schemas, siting
from tdh.coverage import Coverage
from tdh.errors import Problem, TdhError
from tdh.files import atomic
from tdh.language import Text
from tdh.pipeline import questions, rules, tenants
from tdh.pipeline.context import Context, write_table
from tdh.pipeline.covered import find_gaps, write_signal
from tdh.pipeline.objectives import Answer
from tdh.scenario import Scenario


def plan(context: Context) -> dict[str, Any]:
    """Which assets to offer to which carriers, and how near that is to the best possible."""
    question = questions.asked(context)
    answer = questions.answered(context, question)
    cost = rules.cost_yen(context.scenario, context.run.assets.loc[question.ids])
    carriers = [c.id for c in context.scenario.carriers]
    table = _plan_table(context, answer, question.ids, carriers, cost)
    write_table(table, context.folder, "plan")
    _write_after(context, table)
    summary = {**_summary(context, answer.plan, table), **answer.facts}
    with atomic(context.folder / "plan.json") as path:
        path.write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")
    return {key: summary[key] for key in ("status", "method", "objective", "bound", "gap")}


def _plan_table(
    context: Context,
    answer: Answer,
    ids: pd.Index,
    carriers: list[str],
    cost: np.ndarray | None,
) -> gpd.GeoDataFrame:
    assignments, scenario = answer.plan.assignments, context.scenario
    site = assignments["site"].to_numpy(int)
    table = pd.DataFrame(
        {
            "asset_id": ids.to_numpy()[site],
            "carrier_id": np.array(carriers)[assignments["carrier"].to_numpy(int)],
            "people_gained": assignments["gain"].to_numpy(float),
            "people_lost_without": assignments["loss_without"].to_numpy(float),
            "order": assignments["order"].to_numpy(int),
        }
    )
    if cost is not None:
        on_it = np.bincount(site, minlength=len(ids))[site]
        table["cost_yen"] = tenants.split(cost[site], on_it, scenario.costs.shared_saving)
    for name, values in answer.columns.items():
        table[name] = values
    table["order"] = table.groupby("carrier_id")["order"].rank(method="first").astype(int)
    table = table.sort_values(["carrier_id", "order"], ignore_index=True)
    bands = {c.id: ",".join(c.band_ids) for c in scenario.carriers}
    table["bands"] = table["carrier_id"].map(bands)
    table = table.assign(**reasons(table, scenario))
    points = context.run.assets.geometry.reindex(table["asset_id"]).to_numpy()
    frame = gpd.GeoDataFrame(table, geometry=points, crs=context.scenario.crs)
    return schemas.conform(frame, "plan")


def reasons(table: pd.DataFrame, scenario: Scenario) -> dict[str, list[str]]:
    """Why each offer was chosen, in both languages, from the other columns of the table ``plan``."""
    required = {
        (choice.carrier, choice.asset): f"siting.choices[{k}]"
        for k, choice in enumerate(scenario.siting.choices)
        if choice.offer
    }
    words = [
        _reason(
            row.order,
            row.people_gained,
            row.people_lost_without,
            backed=scenario.siting.backup is not None,
            required=required.get((row.carrier_id, row.asset_id)),
        )
        for row in table.itertuples()
    ]
    found = {
        "reason_en": [text.render("en") for text in words],
        "reason_ja": [text.render("ja") for text in words],
    }
    if scenario.siting.years:
        for name, form in (("reason_en", "Fiscal year {}. {}"), ("reason_ja", "{}年度。{}")):
            pairs = zip(table["fiscal_year"], found[name], strict=True)
            found[name] = [form.format(*pair) for pair in pairs]
    return found


def _reason(
    order: int, gained: float, lost: float, *, backed: bool, required: str | None = None
) -> Text:
    """Why an offer is made, in words; ``required`` is the key of the scenario that asks for it."""
    if required is not None:
        return Text(
            "Required by the scenario ({key}), whatever it serves: {gained:,.0f} people in the "
            "carrier's gap whom no other choice before it serves; {lost:,.0f} of them depend on "
            "this site alone",
            "シナリオ({key})で指定された選択(効果にかかわらず採用)。先に選んだ局では届かない"
            "未充足人口{gained:,.0f}人をカバーし、うち{lost:,.0f}人はこの局だけが頼りです",
            key=required,
            gained=max(gained, 0.0),
            lost=min(lost, max(gained, 0.0)),
        )
    if gained <= 0 and backed:
        return Text(
            "Choice {order} for the carrier: a second station for what depends on one; all people "
            "of the gap there are served by other choices",
            "この事業者の第{order}選択。1局だけが頼りの場所を2局目としてカバーします。周辺の未充足"
            "人口は他の選択でカバー済みです",
            order=order,
        )
    if gained <= 0:
        return Text(
            "Choice {order} for the carrier: serves what comes before people in the scenario; all "
            "people of the gap there are served by other choices",
            "この事業者の第{order}選択。シナリオで人口より優先とした対象をカバーします。周辺の未充足"
            "人口は他の選択でカバー済みです",
            order=order,
        )
    return Text(
        "Choice {order} for the carrier: serves {gained:,.0f} people who are in its gap and whom "
        "no earlier choice serves; {lost:,.0f} of them depend on this site alone",
        "この事業者の第{order}選択。先に選んだ局では届かない未充足人口{gained:,.0f}人を新たに"
        "カバーし、うち{lost:,.0f}人はこの局だけが頼りです",
        order=order,
        gained=gained,
        lost=min(lost, gained),
    )


def _write_after(context: Context, table: pd.DataFrame) -> None:
    """Best server's signal with the plan's sites on air."""
    rows, cols = context.run.cells["row"].to_numpy(), context.run.cells["col"].to_numpy()
    for carrier, band in context.bands:
        before = context.run.signal(carrier, band, "before")[rows, cols]
        chosen = table.loc[table["carrier_id"] == carrier, "asset_id"]
        signals = Coverage.load(context.folder / f"footprints/{carrier}-{band}.npz")
        rows_of = signals.site_ids.get_indexer(chosen)
        on_air = replace(
            signals,
            site_ids=pd.Index(chosen),
            signal=signals.signal[rows_of],
            line_of_sight=None,
        )
        new = on_air.best_server()[0]
        write_signal(context, carrier, band, "after", np.fmax(before, new))


def _summary(context: Context, solution: siting.Plan, table: pd.DataFrame) -> dict[str, Any]:
    """``plan.json``; the gap after the plan is counted again from the rasters, not from the solver."""
    scenario = context.scenario
    gaps_after = find_gaps(context, "after")
    before, after = _people(context.run.gaps), _people(gaps_after)
    moments = _moments(context, gaps_after)
    closed = sum(before.values()) - sum(after.values())
    if abs(closed - solution.objective) > 1e-6 * max(1.0, closed):
        raise TdhError(
            Problem(
                Text(
                    "the plan's objective differs from a recount on the rasters of after",
                    "計画の目的関数値と、計画後ラスタからの再集計が一致しません",
                ),
                value=solution.objective,
                expected=f"{closed:.6f}",
                where="plan",
            )
        )
    people = float(context.run.cells["population"].sum())
    shares = scenario.market_shares
    per_carrier = {}
    for carrier in scenario.carriers:
        customers = people * shares[carrier.id]
        per_carrier[carrier.id] = {
            "bands": carrier.band_ids,
            "max_sites": carrier.max_sites,
            "sites": int((table["carrier_id"] == carrier.id).sum()),
            **_money(scenario, table[table["carrier_id"] == carrier.id], carrier.budget_yen),
            "people": customers,
            "people_in_gap_before": before.get(carrier.id, 0.0),
            "people_in_gap_after": after.get(carrier.id, 0.0),
            **{key: values[carrier.id] for key, values in moments.items()},
            "covered_share_before": 1 - before.get(carrier.id, 0.0) / customers,
            "covered_share_after": 1 - after.get(carrier.id, 0.0) / customers,
        }
    return {
        "status": str(solution.status),
        "method": solution.method,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap,
        **_money(scenario, table, scenario.siting.budget_yen),
        **_saved(scenario, table),
        "people": people,
        "people_in_gap_before": sum(before.values()),
        "people_in_gap_after": sum(after.values()),
        **{key: sum(values.values()) for key, values in moments.items()},
        "carriers": per_carrier,
        "sharing_capacity": scenario.siting.sharing_capacity,
        "spacing_m": scenario.siting.spacing_m,
        "seed": scenario.seed,
    }


def _moments(context: Context, gaps_after: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Customers in a gap by day and in a disaster, before and after, where the cells hold them."""
    run, scenario = context.run, context.scenario
    carriers = [c.id for c in scenario.carriers]
    found = {}
    for moment in demand.MOMENTS:
        for when, table in (("before", run.gaps), ("after", gaps_after)):
            people = gaps.people_matrix(
                table, run.cells, carriers, scenario.market_shares, f"population_{moment}"
            )
            if people is not None:
                sums = people.sum(axis=1).tolist()
                found[f"people_{moment}_in_gap_{when}"] = dict(zip(carriers, sums, strict=True))
    return found


def _money(scenario: Scenario, table: pd.DataFrame, budget_yen: float | None) -> dict[str, float]:
    if not scenario.costs.yen:
        return {}
    spent = {"cost_yen": float(table["cost_yen"].sum())}
    return spent if budget_yen is None else {**spent, "budget_yen": budget_yen}


def _saved(scenario: Scenario, table: pd.DataFrame) -> dict[str, float]:
    """What the same offers would cost more if nobody shared an asset."""
    saving = scenario.costs.shared_saving
    if not saving or not scenario.costs.yen:
        return {}
    on_it = table.groupby("asset_id")["asset_id"].transform("size").to_numpy(float)
    alone = table["cost_yen"].to_numpy(float) / tenants.split(np.ones(len(table)), on_it, saving)
    return {"saved_yen": float(alone.sum() - table["cost_yen"].sum())}


def _people(table: pd.DataFrame) -> Mapping[str, float]:
    sums = table.groupby("carrier_id", observed=True)["unmet_people"].sum()
    return {str(carrier): float(value) for carrier, value in sums.items()}
