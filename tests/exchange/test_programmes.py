"""Programmes of other places by configuration alone: the round files of docs/rounds."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tdh import exchange, matching
from tdh.errors import ExchangeError

DOCS = Path(__file__).parents[2] / "docs"
EVERYTHING = ["A-1", "A-2", "A-3", "A-4", "A-5"]
ZONES = ["13104", "13104", "13113", "13361", "13201"]


def send(fake: Any, folder: Path, terms: exchange.Round, *carriers: str) -> dict[str, Path]:
    """A package for each of some carriers; each asset serves two cells, so that all are offered."""
    scenario = fake.scenario(
        carriers=[{"id": c, "bands": ["n78"], "new_entrant": True} for c in carriers]
    )
    assets = fake.assets()
    assets["municipality_code"] = ZONES
    run = fake.run(
        scenario=scenario,
        assets=assets,
        unmet={c: [10.0] * 10 for c in carriers},
        reach={c: {a: [2 * i, 2 * i + 1] for i, a in enumerate(EVERYTHING)} for c in carriers},
    )
    paths = {c: folder / f"{c}.zip" for c in carriers}
    for carrier, path in paths.items():
        exchange.write_package(run, carrier, path, round=terms)
    return paths


def answer(package: Path, wishes: list[Any]) -> Path:
    path = package.with_name(f"{package.stem}-answer.zip")
    exchange.read_offer(package).request(wishes).write(path)
    return path


@pytest.mark.parametrize("rule", matching.RULES)
def test_windows_and_a_cap_for_each_franchise_in_each_zone(
    tmp_path: Path, fake: Any, rule: str
) -> None:
    """New York's way. The file as it is, but for caps small enough to bind five assets."""
    text = (DOCS / "rounds/franchise.toml").read_text(encoding="utf-8")
    assert exchange.read_round(DOCS / "rounds/franchise.toml").limits["*", "centre"] == 50
    small = text.replace("most = 50", "most = 1").replace("most = 80", "most = 2")
    (tmp_path / "round.toml").write_text(
        small.replace('"serial_rotation"', f'"{rule}"'), encoding="utf-8"
    )
    terms = exchange.read_round(tmp_path / "round.toml")
    packages = send(fake, tmp_path, terms, "newcomer", "operator-a", "operator-b")
    answers = [answer(package, EVERYTHING) for package in packages.values()]
    award = exchange.match_round(packages.values(), answers, received=date(2027, 3, 31))
    won = award.awards.groupby("carrier")["asset"].apply(set).to_dict()
    centre = {"A-1", "A-2", "A-3"}
    assert len(won["newcomer"] & centre) == 2  # its own cap there, and its class is first
    assert all(len(assets & centre) <= 1 for c, assets in won.items() if c != "newcomer")
    assert award.awards["asset"].is_unique and set(award.awards["asset"]) == set(EVERYTHING)
    capped = award.refusals[award.refusals["cause"] == "area_cap"]
    assert all(asset in centre for asset in capped["asset"])
    if rule in ("serial_rotation", "serial_dictatorship", "deferred_acceptance"):
        assert capped["reason_en"].str.contains("centre").all() and len(capped)
    with pytest.raises(ExchangeError, match="after the round closed"):
        exchange.match_round(packages.values(), answers, received=date(2027, 4, 1))


@pytest.mark.parametrize("rule", matching.RULES)
def test_poles_of_several_tenants_that_nobody_has_for_itself(
    tmp_path: Path, fake: Any, rule: str
) -> None:
    """UK's way: always open, four tenants on a pole, firms that bring several."""
    text = (DOCS / "rounds/open-access.toml").read_text(encoding="utf-8")
    (tmp_path / "round.toml").write_text(
        text.replace('"deferred_acceptance"', f'"{rule}"'), encoding="utf-8"
    )
    terms = exchange.read_round(tmp_path / "round.toml")
    packages = send(fake, tmp_path, terms, "operator-b", "host-1", "host-2")
    both = [{"asset_id": a, "tenants": ["operator-a", "newcomer"]} for a in EVERYTHING[:2]]
    three = [
        {"asset_id": a, "tenants": ["operator-a", "operator-b", "newcomer"]}
        for a in EVERYTHING[1:3]
    ]
    answers = [
        answer(packages["operator-b"], ["A-2", "A-1"]),
        answer(packages["host-1"], three),
        answer(packages["host-2"], both),
    ]
    award = exchange.match_round(packages.values(), answers)  # no dates: no receipt is needed
    held = award.awards.groupby("asset")["places"].sum()
    assert held.max() <= 4
    # operator-b and host-2's two. A-2: six ask for four places. A-3: host-1's three.
    assert {("operator-b", "A-1"), ("host-2", "A-1"), ("host-1", "A-3")} <= award.pairs
    assert held["A-2"] in (3, 4) and len(award.refusals) == 1
    assert award.refusals["asset"].item() == "A-2" and award.refusals["cause"].item() == "full"
    with pytest.raises(ExchangeError, match="do not let it bring"):
        answer(packages["host-2"], [{"asset_id": "A-1", "tenants": ["operator-b"]}])


def test_zones_that_overlap_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('id = "R"\nzones = { a = ["1", "2"], b = ["2"] }')
    with pytest.raises(ExchangeError, match="in more than one zone: 2"):
        exchange.read_round(tmp_path / "r.toml")


def test_the_document_names_every_key_and_rule_and_no_other() -> None:
    text = (DOCS / "rounds.md").read_text(encoding="utf-8")
    keys, rules = (
        {name for line in re.findall(r"^\| (`.*?) \|", part, flags=re.M)
         for name in re.findall(r"`(\w+)`", line)}
        for part in (text.split("## Rules")[0], text.split("## Rules")[1].split("##")[0])
    )  # fmt: skip
    assert keys == set(exchange.Round.model_fields)
    assert rules == set(matching.RULES)
