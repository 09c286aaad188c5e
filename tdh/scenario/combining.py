"""Which rules of the plan cannot go together, and what to do instead."""

from __future__ import annotations

from tdh.errors import Problem
from tdh.language import Text
from tdh.scenario.models import Scenario

_YEARS_INSTEAD = Text(
    "plan without years first; then give its offers as [[siting.choices]] with offer = true, and "
    "the years settle when each is made",
    "先に年度なしで計画し、その結果を [[siting.choices]](offer = true)に書けば、年度計画が実施年度を"
    "決めます",
)
_WHY_NOT_IN_YEARS = {
    "first": Text(
        "a schedule maximises one sum over all years, and has no order of objectives in it",
        "年度計画は全年度の合計を最大化するもので、目的の優先順を扱えません",
    ),
    "backup": Text(
        "a schedule counts who is served at all in a year, not who is served twice",
        "年度計画が数えるのは各年度にカバーされる人で、二重のカバーは数えません",
    ),
    "shared_saving": Text(
        "what an offer costs would depend on whether another carrier came in an earlier year",
        "費用が、他社がそれ以前の年度に入ったかどうかで変わってしまいます",
    ),
}


def contradictions(scenario: Scenario, where: str) -> list[Problem]:
    """Where the rules under ``[siting]`` and ``[costs]`` exclude each other."""
    return [
        *_of_first(scenario, where),
        *_of_years(scenario, where),
        *_of_backup(scenario, where),
        *_of_sharing(scenario, where),
    ]


def _apart(where: str, one: str, *others: str) -> Problem:
    """Two keys of which one has to go."""
    return Problem(
        Text("these rules cannot go together", "次の設定は併用できません"),
        value=", ".join([one, *others]),
        where=f"{where}: {one}",
        fix=Text(
            "take out {one}, or {others}",
            "{one} か {others} を消してください",
            one=one,
            others=", ".join(others),
        ),
    )


def _together(where: str, one: str, others: dict[str, bool]) -> list[Problem]:
    """One problem for the keys that are set beside another that excludes them."""
    given = [name for name, is_set in others.items() if is_set]
    return [_apart(where, one, *given)] if given else []


def _of_first(scenario: Scenario, where: str) -> list[Problem]:
    first, problems = scenario.siting.first, []
    if first and scenario.siting.floors:
        problems.append(
            Problem(
                Text(
                    "floors count people, so nothing can come before people",
                    "下限は人口で数えるため、人口より先の目的とは併用できません",
                ),
                value=", ".join(first),
                where=f"{where}: siting.first",
                fix=Text("take out first or floors", "first か floors を消してください"),
            )
        )
    if len(set(first)) < len(first):
        problems.append(
            Problem(
                Text("it is listed more than once", "重複しています"),
                value=", ".join(first),
                where=f"{where}: siting.first",
            )
        )
    if "worst_municipality" in first and set(first) != {"worst_municipality"}:
        problems.append(
            Problem(
                Text(
                    "worst_municipality stands alone: its solver knows no other order of objectives",
                    "worst_municipality は他の目的と順序づけられず、単独でだけ指定できます",
                ),
                value=", ".join(first),
                where=f"{where}: siting.first",
                fix=Text(
                    'write first = ["worst_municipality"], or take it out',
                    'first = ["worst_municipality"] とするか、消してください',
                ),
            )
        )
    if "two_carriers" in first and len(scenario.carriers) < 2:
        problems.append(
            Problem(
                Text("two carriers are needed", "事業者が2社以上必要です"),
                value=len(scenario.carriers),
                expected=">= 2",
                where=f"{where}: siting.first",
                fix=Text("take out two_carriers", "two_carriers を消してください"),
            )
        )
    return problems


def _of_years(scenario: Scenario, where: str) -> list[Problem]:
    rules = scenario.siting
    if not rules.years:
        return []
    problems = [
        Problem(
            Text("it cannot go with years: {why}", "年度計画とは併用できません。{why}", why=why),
            value=name,
            where=f"{where}: siting.years",
            fix=_YEARS_INSTEAD,
        )
        for name, is_set, why in (
            ("siting.first", bool(rules.first), _WHY_NOT_IN_YEARS["first"]),
            ("siting.backup", rules.backup is not None, _WHY_NOT_IN_YEARS["backup"]),
            (
                "costs.shared_saving",
                scenario.costs.shared_saving > 0,
                _WHY_NOT_IN_YEARS["shared_saving"],
            ),
        )
        if is_set
    ]
    years = [y.fiscal_year for y in rules.years]
    if sorted(set(years)) != years:
        problems.append(
            Problem(
                Text("fiscal years are not in order", "年度が順に並んでいません"),
                value=", ".join(map(str, years)),
                where=f"{where}: siting.years",
            )
        )
    known = [c.id for c in scenario.carriers]
    for i, year in enumerate(rules.years):
        named = year.max_sites if isinstance(year.max_sites, dict) else {}
        problems += [
            Problem(
                Text("there is no such carrier", "その事業者はありません"),
                value=name,
                expected=", ".join(known),
                where=f"{where}: siting.years[{i}].max_sites",
            )
            for name in named
            if name not in known
        ]
    return problems


def sites_of_year(scenario: Scenario, year: int, carrier: int) -> int | None:
    """Most new assets of a carrier in the year at a position; None: no limit of its own."""
    given = scenario.siting.years[year].max_sites
    return given.get(scenario.carriers[carrier].id) if isinstance(given, dict) else given


def _of_backup(scenario: Scenario, where: str) -> list[Problem]:
    rules = scenario.siting
    if rules.backup is None:
        return []
    of_places = rules.backup.of == "places"
    problems = _together(
        where,
        "siting.backup",
        {
            "siting.first": bool(rules.first),
            'siting.floors (backup.of = "places")': of_places and bool(rules.floors),
        },
    )
    if of_places and not scenario.places:
        problems.append(
            Problem(
                Text(
                    "a second cover of places is wanted, but the scenario names none",
                    "重点施設の二重カバーには施設の台帳が必要です",
                ),
                where=f"{where}: siting.backup.of",
                fix=Text(
                    'add [[places]], or of = "people"',
                    '[[places]] を加えるか、of = "people" にしてください',
                ),
            )
        )
    return problems


def _of_sharing(scenario: Scenario, where: str) -> list[Problem]:
    """A saving changes what a budget buys; only one of the solvers counts costs by tenants."""
    rules, costs = scenario.siting, scenario.costs
    if not costs.shared_saving:
        return []
    problems = _together(
        where,
        "costs.shared_saving",
        {
            "carriers.budget_yen": any(c.budget_yen is not None for c in scenario.carriers),
            "siting.budget_yen + siting.first": rules.budget_yen is not None and bool(rules.first),
            "siting.budget_yen + siting.backup": rules.budget_yen is not None
            and rules.backup is not None,
        },
    )
    if not costs.yen:
        problems.append(
            Problem(
                Text("a saving needs costs", "共用による節約には費用が必要です"),
                value=costs.shared_saving,
                where=f"{where}: costs.shared_saving",
                fix=Text("add [costs] yen = {{ … }}", "[costs] yen = {{ … }} を加えてください"),
            )
        )
    return problems
