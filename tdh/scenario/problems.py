"""What can be wrong with a scenario, in the words of whoever wrote it."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pyproj import CRS
from pyproj.exceptions import CRSError

from tdh.errors import Problem
from tdh.language import Text
from tdh.scenario import combining
from tdh.scenario.models import Carrier, Scenario

TARGETED = (
    "population",
    "sub6",
    "infrastructure",
    "places",
    "commercial_uncovered_ha",
    "roads",
)
"""Indicators that may have a target (:data:`tdh.kpi.KPIS`)."""

_WORDS: dict[str, Text] = {
    "missing": Text("a key is missing", "必要なキーがありません"),
    "extra_forbidden": Text("the key is not known", "知らないキーです"),
    "too_short": Text("it must not be empty", "空にはできません"),
    "string_pattern_mismatch": Text(
        "only lower-case letters, digits, - and _ are allowed",
        "使えるのは英小文字・数字・-・_ だけです",
    ),
    "greater_than_equal": Text("the value is too small", "値が小さすぎます"),
    "greater_than": Text("the value is too small", "値が小さすぎます"),
    "less_than_equal": Text("the value is too large", "値が大きすぎます"),
    "less_than": Text("the value is too large", "値が大きすぎます"),
    "literal_error": Text("the value is not one of the choices", "選べない値です"),
    "finite_number": Text("it must be a finite number", "有限の数にしてください"),
    "share_or_people": Text(
        "a floor gives share or people, one of the two",
        "下限は share か people のどちらか一方を書いてください",
    ),
    "ratio_by_day": Text(
        'type = "ratio" gives people by day: moment must be "day"',
        'type = "ratio" は昼間の人口です。moment は "day" にしてください',
    ),
    "training_unread": Text(
        'training is read only with placing = "learnt"',
        'training を使うのは placing = "learnt" のときだけです',
    ),
    "string_type": Text("it must be a text in quotes", '文字列にしてください("…")'),
    "list_type": Text("it must be a list: […]", "一覧にしてください([…])"),
    "model_type": Text("it must be a table: {…}", "表にしてください({…})"),
    "dict_type": Text("it must be a table: {…}", "表にしてください({…})"),
    **dict.fromkeys(
        ("int_parsing", "int_type", "int_from_float"),
        Text("it must be a whole number", "整数(半角)にしてください"),
    ),
    **dict.fromkeys(
        ("float_parsing", "float_type"), Text("it must be a number", "数(半角)にしてください")
    ),
    **dict.fromkeys(
        ("bool_parsing", "bool_type"),
        Text("it must be true or false", "true か false にしてください"),
    ),
}


def problem_of(details: Any, where: str) -> Problem:
    """A finding of pydantic as a problem, with the nearest known key where one was mistyped."""
    location = list(details["loc"])
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else (f".{part}" if place else str(part))
    kind, context = details["type"], details.get("ctx", {})
    what = _WORDS.get(
        kind,
        Text("the value is not right: {message}", "値が正しくありません: {message}",
             message=details["msg"]),
    )  # fmt: skip
    expected: Text | str | None = None
    for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if key in context:
            expected = f"{sign} {context[key]:g}"
    if "expected" in context:
        expected = str(context["expected"])
    fix: Text | None = None
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _keys_at(location[:-1]), n=1)
        fix = (
            Text("did you mean {name}?", "{name} ではありませんか", name=near[0])
            if near
            else Text(
                "take it out; known here: {keys}",
                "削除してください。ここで使えるキー: {keys}",
                keys=", ".join(_keys_at(location[:-1])),
            )
        )
    elif location and location[-1] == "max_sites" and kind == "greater_than_equal":
        fix = Text(
            "a budget below 1 leaves nothing to plan: give at least 1, or take the carrier out",
            "1未満の予算では計画できません。1以上にするか、その事業者を除いてください",
        )
    value = None if kind == "missing" else details.get("input")
    if isinstance(value, dict | list):
        value = None
    return Problem(what, value=value, expected=expected, where=f"{where}: {place}", fix=fix)


def _keys_at(location: Sequence[Any]) -> list[str]:
    """The keys that a place of a scenario may hold."""
    model: Any = Scenario
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = _model_in(field.annotation)
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


# --- contradictions ------------------------------------------------------------------------------


def unknown_carriers(siting: Any, known: Sequence[str], where: str) -> list[Problem]:
    """Choices and floors of carriers that the scenario does not have.

    Parameters
    ----------
    siting : Any
        The table as it was written, right or wrong elsewhere.
    known : sequence of str
        Ids of the carriers.
    where : str
    """
    problems = []
    for key in ("choices", "floors"):
        entries = siting.get(key) if isinstance(siting, dict) else None
        for i, entry in enumerate(entries if isinstance(entries, list) else []):
            carrier = entry.get("carrier") if isinstance(entry, dict) else None
            if isinstance(carrier, str) and carrier not in known:
                problems.append(
                    Problem(
                        Text("there is no such carrier", "その事業者はありません"),
                        value=carrier,
                        expected=", ".join(known),
                        where=f"{where}: siting.{key}[{i}]",
                    )
                )
    return problems


def contradictions(scenario: Scenario, where: str) -> list[Problem]:
    """Where the parts of a scenario do not fit each other."""
    problems: list[Problem] = []
    for key, ids in (
        ("carriers", [c.id for c in scenario.carriers]),
        ("bands", [b.id for b in scenario.bands]),
        ("assets", [str(a.path) for a in scenario.assets]),
        ("places", [str(p.path) for p in scenario.places]),
    ):
        for twice in sorted({i for i in ids if ids.count(i) > 1}):
            problems.append(
                Problem(
                    Text("it is listed more than once", "重複しています"),
                    value=twice,
                    where=f"{where}: {key}",
                )
            )
    known = [c.id for c in scenario.carriers]
    decided = [(c.carrier, c.asset) for c in scenario.siting.choices]
    for i, choice in enumerate(scenario.siting.choices):
        place = f"{where}: siting.choices[{i}]"
        if decided.count((choice.carrier, choice.asset)) > 1:
            problems.append(
                Problem(
                    Text("it is decided more than once", "重複して指定されています"),
                    value=f"{choice.carrier}, {choice.asset}",
                    where=place,
                )
            )
    written = scenario.siting.model_dump(include={"choices", "floors"})
    problems += unknown_carriers(written, known, where)
    problems += combining.contradictions(scenario, where)
    budgets = [("siting.budget_yen", scenario.siting.budget_yen)]
    budgets += [
        (f"carriers[{i}].budget_yen", c.budget_yen) for i, c in enumerate(scenario.carriers)
    ]
    budgets += [
        (f"siting.years[{i}].budget_yen", y.budget_yen) for i, y in enumerate(scenario.siting.years)
    ]
    for place, budget in budgets:
        if budget is not None and not scenario.costs.yen:
            problems.append(
                Problem(
                    Text("a budget in yen needs costs", "金額の予算には費用が必要です"),
                    value=budget,
                    where=f"{where}: {place}",
                    fix=Text("add [costs] yen = {{ … }}", "[costs] yen = {{ … }} を加えてください"),
                )
            )
    given = [c for c in scenario.carriers if c.market_share is not None]
    total = sum(scenario.market_shares.values())
    if given and len(given) < len(scenario.carriers):
        problems.append(
            Problem(
                Text(
                    "some carriers have a market share and some have none",
                    "市場シェアのある事業者とない事業者が混ざっています",
                ),
                where=f"{where}: carriers.market_share",
                fix=Text("give all of them, or none", "全社に書くか、全社から消してください"),
            )
        )
    elif total > 1 + 1e-6:
        problems.append(
            Problem(
                Text("market shares add up to more than 1", "市場シェアの合計が1を超えています"),
                value=f"{total:.3f}",
                where=f"{where}: carriers.market_share",
            )
        )
    for i, carrier in enumerate(scenario.carriers):
        place = f"{where}: carriers[{i}]"
        problems += _of_coverage(carrier, place)
        if carrier.sites is None and not carrier.coverage and not carrier.new_entrant:
            problems.append(
                Problem(
                    Text(
                        "the carrier has no file of present sites", "既存局のファイルがありません"
                    ),
                    value=carrier.id,
                    where=f"{place}.sites",
                    fix=Text(
                        "give sites = …, or new_entrant = true where it has no network yet",
                        "sites = … を書くか、まだ局がない事業者なら new_entrant = true に",
                    ),
                )
            )
        if len(set(carrier.band_ids)) < len(carrier.band_ids):
            problems.append(
                Problem(
                    Text("a band is listed more than once", "バンドが重複しています"),
                    value=carrier.id,
                    where=f"{place}.bands",
                    fix=Text(
                        "two slots of one band: define a second id under [[bands]]",
                        "同じバンドに2枠ある場合は [[bands]] に別のidを定義してください",
                    ),
                )
            )
    for name in scenario.goals.targets:
        if name not in TARGETED:
            problems.append(
                Problem(
                    Text("there is no such indicator", "その指標はありません"),
                    value=name,
                    expected=", ".join(TARGETED),
                    where=f"{where}: goals.targets",
                )
            )
    if scenario.area.bounds is not None:
        west, south, east, north = scenario.area.bounds
        if not (west < east and south < north and 120 < west < 155 and 20 < south < 47):
            problems.append(
                Problem(
                    Text(
                        "bounds are not west, south, east, north in degrees within Japan",
                        "boundsは日本国内の経緯度で 西・南・東・北 の順にしてください",
                    ),
                    value=list(scenario.area.bounds),
                    expected="[139.67, 35.68, 139.71, 35.70]",
                    where=f"{where}: area.bounds",
                )
            )
    return problems


_COVERAGE_KEYS = {
    "evidence": ("area", "raster"),
    "columns": ("area", "drive_test"),
    "select": ("area", "drive_test"),
    "crs": ("area", "raster", "drive_test"),
    "level_dbm": ("area",),
    "levels": ("area",),
    "outside": ("area",),
    "radio": ("drive_test", "opencellid"),
    "missing": ("drive_test",),
    "least_points": ("drive_test",),
    "plmn": ("opencellid",),
    "antenna_height_agl_m": ("opencellid",),
}
"""Keys that only some types of coverage sources have."""


def _of_coverage(carrier: Carrier, place: str) -> list[Problem]:
    """What is contradictory in a carrier's sources of coverage."""
    problems = []
    for i, source in enumerate(carrier.coverage):
        at = f"{place}.coverage[{i}]"
        if source.band is None and len(carrier.bands) > 1:
            problems.append(
                Problem(
                    Text("it does not say which band it is about", "どのバンドか分かりません"),
                    expected=", ".join(carrier.band_ids),
                    where=f"{at}.band",
                )
            )
        elif source.band is not None and source.band not in carrier.band_ids:
            problems.append(
                Problem(
                    Text("the carrier does not hold the band", "この事業者のバンドではありません"),
                    value=source.band,
                    expected=", ".join(carrier.band_ids),
                    where=f"{at}.band",
                )
            )
        for key, types in _COVERAGE_KEYS.items():
            if key in source.model_fields_set and source.type not in types:
                problems.append(
                    Problem(
                        Text("the key has no meaning here", "このtypeでは使わないキーです"),
                        value=key,
                        expected=f"type = {' | '.join(types)}",
                        where=f"{at}.{key}",
                    )
                )
        if source.type == "opencellid" and not source.plmn:
            problems.append(
                Problem(
                    Text("the carrier's network codes are missing", "ネットワーク番号がありません"),
                    expected='plmn = ["440-10"]',
                    where=f"{at}.plmn",
                )
            )
        if source.crs is not None and not _is_crs(source.crs):
            problems.append(
                Problem(
                    Text("the CRS is not known", "知らない座標系です"),
                    value=source.crs,
                    expected="EPSG:4326",
                    where=f"{at}.crs",
                )
            )
    return problems


def _is_crs(text: str) -> bool:
    try:
        CRS.from_user_input(text)
    except CRSError:
        return False
    return True


def crs_problems(crs: Any, where: str) -> list[Problem]:
    """What is wrong with the plan's CRS: unknown, not in metres, or stretched."""
    place = f"{where}: crs"
    example = "EPSG:6677"
    fix = Text(
        "use a plane-rectangular zone of JGD2011, EPSG:6669 (zone I) to EPSG:6687 (XIX); "
        "Tokyo's mainland is EPSG:6677 (IX)",
        "JGD2011の平面直角座標系 EPSG:6669(I系)〜EPSG:6687(XIX系)を使ってください。"
        "東京の本土は EPSG:6677(IX系)です",
    )
    try:
        parsed = CRS.from_user_input(crs)
    except CRSError:
        return [
            Problem(Text("the CRS is not known", "知らない座標系です"), crs, example, place, fix)
        ]
    metres = all(axis.unit_name == "metre" for axis in parsed.axis_info[:2])
    if not parsed.is_projected or not metres:
        what = Text(
            "the plan's CRS is not projected in metres",
            "計画の座標系がメートル単位の投影座標系ではありません",
        )
        return [Problem(what, crs, example, place, fix)]
    if "Pseudo-Mercator" in parsed.name:
        what = Text("Web Mercator stretches distances", "Webメルカトルは距離が伸びます")
        return [Problem(what, crs, example, place, fix)]
    return []
