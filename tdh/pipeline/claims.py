"""What ``plan.json`` and ``plan.parquet`` say, name by name, as it is counted again.

Each function returns a table of names and what is counted for them, in the form of the file. What
no recount gives stands in it as it is said, if it agrees with the rest: a bound must be no lower
than the plan, gap and status must follow from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from tdh import demand
from tdh.errors import Problem
from tdh.language import Text
from tdh.pipeline import planned
from tdh.pipeline.counted import Counted
from tdh.siting import claims

_RELATIVE = 1e-9
_MOST_NAMED = 5
_MISSING = object()
_FILE = "plan.json"
_OBJECTIVES = Text("the objectives are not those of the scenario", "目的の順序が違います")
_YEARS = Text("the years are not those of the scenario", "年度がシナリオと違います")


# --- plan.json -----------------------------------------------------------------------------------


def summary(plan: Counted) -> list[Problem]:
    """Where ``plan.json`` says something else than is counted."""
    said = plan.run.summary
    counted = _summary(plan, said)
    problems = _other_entries(said, counted, "objectives", "name", _OBJECTIVES)
    if "years" in counted:
        years = block(said, "years")
        problems += _other_entries(years, counted["years"], "each", "fiscal_year", _YEARS)
    return problems + differences(said, counted, _FILE)


def _summary(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    scenario, rules = plan.scenario, plan.scenario.siting
    in_gap = _in_gap(plan)
    proven = {**said, "bound": _bound(plan, said)}
    counted: dict[str, Any] = {
        "objective": plan.people,
        **_proof(proven, plan.people, float(plan.unmet.sum())),
        "method": _words(said.get("method")),
        **_money(plan, np.ones(len(plan.who), dtype=bool), rules.budget_yen),
        "people": float(plan.population.sum()),
        **{name: people.sum() for name, people in in_gap.items()},
        "carriers": {c: _carrier(plan, k, in_gap) for k, c in enumerate(plan.carriers)},
        "sharing_capacity": rules.sharing_capacity,
        "spacing_m": rules.spacing_m,
        "seed": scenario.seed,
    }
    if plan.full_yen is not None and scenario.costs.shared_saving:
        counted["saved_yen"] = plan.full_yen.sum() - counted["cost_yen"]
    if rules.years:
        counted["years"] = _years(plan, block(said, "years"))
    if rules.first:
        names = [*rules.first, "people"]
        own = [*entries(said.get("objectives")), *({} for _ in names)]
        counted["objectives"] = [
            _objective(plan, name, own[k], last=k == len(rules.first))
            for k, name in enumerate(names)
        ]
    if rules.backup is not None:
        counted["backup"] = _backup(plan, block(said, "backup"))
    return counted


def _bound(plan: Counted, said: dict[str, Any]) -> Any:
    """The bound of people, as it follows from that of what was solved."""
    rules, share = plan.scenario.siting, 1.0
    if rules.years:
        own, share = block(said, "years"), rules.discount ** (len(rules.years) - 1)
    elif rules.backup is not None:
        own = block(said, "backup")
    elif rules.first:
        objectives = entries(said.get("objectives"))
        return objectives[-1].get("bound") if objectives else None
    else:
        return said.get("bound")
    bound, objective = own.get("bound"), own.get("objective")
    if not (is_number(bound) and is_number(objective)):
        return None  # a finding of its own
    return plan.people + (bound - objective) / share


def _carrier(plan: Counted, k: int, in_gap: dict[str, np.ndarray]) -> dict[str, Any]:
    carrier, own = plan.scenario.carriers[k], plan.who == k
    customers = float(plan.population.sum() * plan.shares[k, 0])
    return {
        "bands": carrier.band_ids,
        "max_sites": carrier.max_sites,
        "sites": int(own.sum()),
        **_money(plan, own, carrier.budget_yen),
        "people": customers,
        **{name: people[k] for name, people in in_gap.items()},
        "covered_share_before": 1 - in_gap["people_in_gap_before"][k] / customers,
        "covered_share_after": 1 - in_gap["people_in_gap_after"][k] / customers,
    }


def _in_gap(plan: Counted) -> dict[str, np.ndarray]:
    """Customers of each carrier in its gap, before and after the plan, at each moment of the cells."""
    names = {"people": "population", **{f"people_{m}": f"population_{m}" for m in demand.MOMENTS}}
    gap = {"before": plan.missing, "after": plan.missing & (plan.count == 0)}
    return {
        f"{name}_in_gap_{when}": plan.shares[:, 0]
        * (cells @ plan.run.cells[column].to_numpy(float))
        for name, column in names.items()
        if column in plan.run.cells
        for when, cells in gap.items()
    }


def _money(plan: Counted, own: np.ndarray, budget_yen: float | None) -> dict[str, Any]:
    if plan.yen is None:
        return {}
    spent = {"cost_yen": plan.yen[own].sum()}
    return spent if budget_yen is None else {**spent, "budget_yen": budget_yen}


def _years(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    rules, served = plan.scenario.siting, plan.people_by_year
    total = sum(rules.discount**t * people for t, people in enumerate(served))
    in_all = rules.carry_over and rules.budget_yen is not None
    with_yen = in_all or any(y.budget_yen is not None for y in rules.years)
    each = []
    for t, year in enumerate(rules.years):
        now = plan.year == t
        sites = {c: int((now & (plan.who == k)).sum()) for k, c in enumerate(plan.carriers)}
        each.append(
            {
                "fiscal_year": year.fiscal_year,
                "sites": sites,
                **_money(plan, now, None),
                **({"budget_yen": year.budget_yen} if with_yen else {}),
                "people_served": served[t],
            }
        )
    return {
        "carry_over": rules.carry_over,
        "discount": rules.discount,
        "objective": total,
        **_proof(said, total, float(plan.unmet.sum()) * len(each)),
        "each": each,
    }


def _objective(plan: Counted, name: str, said: dict[str, Any], *, last: bool) -> dict[str, Any]:
    """An objective of ``first``; what was held of it is known of the last alone."""
    counted, whole = plan.objective(name)
    held = said.get("held")
    if last or not is_number(held) or held < 0:
        held = counted
    return {
        "name": name,
        "value": counted,
        "held": held,
        **_proof(said, held, whole, least=max(held, counted)),
    }


def _backup(plan: Counted, said: dict[str, Any]) -> dict[str, Any]:
    backup = plan.scenario.siting.backup
    assert backup is not None
    total = plan.people + plan.second_covers
    return {
        "of": backup.of,
        "weight": backup.weight,
        "value": plan.second_covers,
        "objective": total,
        **_proof(said, total, float(plan.unmet.sum())),
    }


def _proof(
    said: dict[str, Any], value: float, whole: float, least: float | None = None
) -> dict[str, Any]:
    """Bound, gap and status as they have to be beside what is counted."""
    bound, least = said.get("bound"), value if least is None else least
    if not is_number(bound) or bound < least - _RELATIVE * max(1.0, abs(least)):
        bound = least
    return {
        "bound": bound,
        "gap": (bound - value) / bound if bound > 0 else 0.0,
        "status": claims.status_of(value, bound, said.get("status"), whole),
    }


def _words(value: Any) -> Any:
    """What no recount decides: that there are words at all."""
    return value if isinstance(value, str) and value else Text("words", "語句")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether something is a finite number that float64 can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def block(said: Any, name: str) -> dict[str, Any]:
    """A part of ``plan.json``; empty where it is no table."""
    part = said.get(name) if isinstance(said, dict) else None
    return part if isinstance(part, dict) else {}


def entries(part: Any) -> list[dict[str, Any]]:
    """The entries of a list of ``plan.json``; empty where one is no table."""
    return [e if isinstance(e, dict) else {} for e in part] if isinstance(part, list) else []


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar with its place, entries of lists with what names them."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for k, part in enumerate(value):
            own = part if isinstance(part, dict) else {}
            name = own.get("name", own.get("fiscal_year"))
            yield from _flat(part, f"{path}[{k}]" + (f" ({name})" if name is not None else ""))
    else:
        yield path, value


def _same(said: Any, counted: Any) -> bool:
    if isinstance(counted, np.generic):
        counted = counted.item()
    if said is counted:
        return True
    if is_number(counted) and is_number(said):
        return bool(abs(said - counted) <= _RELATIVE * max(1.0, abs(counted)))
    return type(said) is type(counted) and bool(said == counted)


_WORDS = {
    "objective": Text("plan.json says another objective", "plan.json の目的関数値が一致しません"),
    "bound": Text("the bound is below the plan", "上界が計画値を下回ります"),
    "gap": Text("the gap does not follow from the bound", "ギャップが上界と整合しません"),
    "status": Text("the status does not follow from the bound", "状態が上界と整合しません"),
}
_OTHER = Text("{file} says another number", "{file} の値が再集計と一致しません")
_TOO_FEW = Text("{file} does not say it", "{file} に値がありません")
_TOO_MANY = Text(
    "{file} says what this run has no number for", "この計算にはない値が {file} にあります"
)


def _other_entries(
    said: dict[str, Any], counted: dict[str, Any], part: str, key: str, what: Text
) -> list[Problem]:
    """A list with other entries than counted: one finding, and not one for each of its numbers."""
    if part not in counted:
        return []
    names, expected = ([e.get(key) for e in entries(of.get(part))] for of in (said, counted))
    if names == expected:
        return []
    counted[part] = said.get(part, _MISSING)
    value, known = (", ".join(map(str, own)) for own in (names, expected))
    return [Problem(what, value=value or None, expected=known, where=f"{_FILE}: {part}")]


def differences(said: dict[str, Any], counted: dict[str, Any], file: str) -> list[Problem]:
    """Where a file says something else than is counted, place by place."""
    one, other = dict(_flat(said)), dict(_flat(counted))
    problems = []
    for name in [*other, *(n for n in one if n not in other)]:
        value, expected = one.get(name, _MISSING), other.get(name, _MISSING)
        if _same(value, expected):
            continue
        what = _WORDS.get(name.rpartition(".")[2], _OTHER)
        if value is _MISSING or expected is _MISSING:
            what = _TOO_FEW if value is _MISSING else _TOO_MANY
        problems.append(
            Problem(
                Text(what.en, what.ja, file=file),
                value=None if value is _MISSING else value,
                expected=None if expected is _MISSING else _shown(expected),
                where=f"{file}: {name}",
            )
        )
    return problems


def _shown(value: Any) -> Text | str:
    if isinstance(value, Text):
        return value
    return f"{value:.9g}" if is_number(value) else str(value)


# --- plan.parquet --------------------------------------------------------------------------------


def offers(plan: Counted) -> list[Problem]:
    """Where a row of ``plan.parquet`` says something else than is counted."""
    table, counted = plan.offers, _offers(plan)
    problems = [
        Problem(what, value=name, where="plan.parquet")
        for what, names in (
            (Text("a column is missing", "列がありません"), counted.keys() - set(table)),
            (
                Text("the scenario has nothing for this column", "シナリオにない列です"),
                set(table) - counted.keys() - {"asset_id", "carrier_id"},
            ),
        )
        for name in sorted(names)
    ]
    problems += [
        Problem(
            Text("the column holds no numbers", "数値の列ではありません"),
            value=str(table[name].dtype),
            where=f"plan.parquet: {name}",
        )
        for name, values in counted.items()
        if name in table and _is_float(values) and not pd.api.types.is_numeric_dtype(table[name])
    ]
    if getattr(table, "crs", None) != plan.run.crs:
        what = Text("the CRS is not that of the run", "座標系が計算と違います")
        told = getattr(table, "crs", None)
        problems.append(Problem(what, value=told, expected=plan.run.crs, where="plan.parquet"))
    rows = [f"{a}, {c}" for a, c in zip(table["asset_id"], table["carrier_id"], strict=True)]
    scale = float(plan.unmet.sum())
    for name, values in counted.items():
        if name not in table:
            continue
        wrong = np.flatnonzero(~_alike(table[name], values, scale))
        problems += [
            Problem(
                Text("plan.parquet says something else", "plan.parquet の値が再集計と違います"),
                value=table[name].iloc[k],
                expected=None if values[k] is None else _shown(values[k]),
                where=f"plan.parquet: {name} ({rows[k]})",
            )
            for k in wrong[:_MOST_NAMED].tolist()
        ]
        if wrong.size > _MOST_NAMED:
            more = Text("{n} more rows", "ほか{n}行", n=int(wrong.size) - _MOST_NAMED)
            problems.append(Problem(more, where=f"plan.parquet: {name}"))
    return problems


def _offers(plan: Counted) -> dict[str, Any]:
    """What each column says of the offers, counted."""
    table, scenario = plan.offers, plan.scenario
    order = _numbers(table["order"])
    cells = [
        plan.footprints[c].indices[slice(*plan.footprints[c].indptr[i : i + 2])]
        for c, i in zip(plan.who.tolist(), plan.site.tolist(), strict=True)
    ]
    gained, lost = claims.marginal(cells, plan.who, order.to_numpy(float), plan.unmet)
    bands = [",".join(c.band_ids) for c in scenario.carriers]
    points = plan.run.assets.geometry.reindex(table["asset_id"])
    counted: dict[str, Any] = {
        "order": order.groupby(table["carrier_id"]).rank(method="first").to_numpy(float),
        "bands": [bands[c] for c in plan.who.tolist()],
        "people_gained": gained,
        "people_lost_without": lost,
        "geometry": points.to_numpy(),
    }
    # In which year an offer is made is counted year by year; columns that may be absent are empty.
    known = [str(y.fiscal_year) for y in scenario.siting.years]
    if known:
        counted["fiscal_year"] = [known[t] for t in plan.year.tolist()]
    elif "fiscal_year" in table:
        counted["fiscal_year"] = [None] * len(table)
    if plan.yen is not None:
        counted["cost_yen"] = plan.yen
    elif "cost_yen" in table:
        counted["cost_yen"] = np.full(len(table), np.nan)
    # A reason must be that of its row's numbers, which are compared by themselves.
    names = ["order", "people_gained", "people_lost_without"]
    if all(name in table for name in names):
        numbers = table.assign(**{name: _numbers(table[name]) for name in names})
        return {**counted, **planned.reasons(numbers, scenario)}
    return {**counted, **{n: table[n] for n in ("reason_en", "reason_ja") if n in table}}


def _is_float(counted: Any) -> bool:
    return isinstance(counted, np.ndarray) and counted.dtype.kind == "f"


def _numbers(values: pd.Series) -> pd.Series:
    """The numbers of a column; NaN where it has none."""
    single = values.astype(object).map(lambda value: value if np.ndim(value) == 0 else None)
    return pd.to_numeric(single, errors="coerce")


def _alike(said: pd.Series, counted: Any, scale: float) -> np.ndarray:
    """Row by row, whether a column says what is counted."""
    if _is_float(counted):
        numbers = _numbers(said).to_numpy(float)
        most = _RELATIVE * np.maximum(np.abs(counted), scale if "people" in str(said.name) else 0)
        empty = said.isna().to_numpy() & np.isnan(counted)
        return empty | (np.abs(numbers - counted) <= most)
    pairs = zip(said, counted, strict=True)
    return np.array([_equal(a, b) for a, b in pairs], dtype=bool)


def _equal(said: Any, counted: Any) -> bool:
    if np.ndim(said) > 0:
        return False
    return bool(pd.isna(said)) if counted is None else bool(said == counted)
