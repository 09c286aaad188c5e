"""Whole rounds: from packages and answers to awards and the register, by configuration alone."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tdh import exchange, matching
from tdh.errors import ExchangeError
from tdh.register import Register

EVERYTHING = ["A-1", "A-2", "A-3", "A-4", "A-5"]
CARRIERS = ("alpha", "beta")


def send(fake: Any, folder: Path, terms: exchange.Round) -> dict[str, Path]:
    run = fake.run(offered=dict.fromkeys(CARRIERS, EVERYTHING))
    terms = terms.model_copy(update={"basis": "joint"})
    for carrier in CARRIERS:
        exchange.write_package(run, carrier, folder / f"{carrier}.zip", round=terms)
    return {carrier: folder / f"{carrier}.zip" for carrier in CARRIERS}


def answer(packages: dict[str, Path], **wishes: list[str]) -> list[Path]:
    for carrier, wish in wishes.items():
        path = packages[carrier].with_name(f"{carrier}-answer.zip")
        exchange.read_offer(packages[carrier]).request(wish).write(path)
    return [packages[carrier].with_name(f"{carrier}-answer.zip") for carrier in wishes]


@pytest.mark.parametrize("rule", ["serial_rotation", "deferred_acceptance", "welfare_maximal"])
def test_a_round_from_packages_to_the_register(tmp_path: Path, fake: Any, rule: str) -> None:
    terms = exchange.Round(id="2027-1", rule=rule, seed=5, sharing_capacity=1, caps={"*": 2})
    packages = send(fake, tmp_path, terms)
    answers = answer(packages, alpha=["A-1", "A-2", "A-3"], beta=["A-1", "A-5", "A-2"])
    with Register(tmp_path / "r.gpkg") as register:
        award = exchange.match_round(packages.values(), answers, register=register)
        assert len(award.awards) == 4 and award.awards["asset"].is_unique
        standing = register.standing().set_index(["carrier", "asset"])["state"]
        assert set(standing.index[standing == "awarded"]) == award.pairs
        assert (standing == "refused").sum() == 2 and (standing == "offered").sum() == 4
        assert register.verify() == []
        held = len(register.events())  # a round is settled once
        exchange.match_round(packages.values(), answers, register=register)
        assert len(register.events()) == held
        with pytest.raises(ValueError, match="settled already, with another result"):
            exchange.match_round(packages.values(), answers[:1], register=register)
        assert len(register.events()) == held


def test_a_franchise_programme_is_configuration_alone(tmp_path: Path, fake: Any) -> None:
    """Windows, a cap for each firm in each zone, several tenants on a pole, a class that is first."""
    (tmp_path / "round.toml").write_text(
        """
        id = "window-3"
        opens = 2027-01-10
        closes = 2027-03-31
        rule = "serial_rotation"
        sharing_capacity = 2
        area = "placement"
        caps = { "*" = 4, beta = 3 }
        area_caps = [{ area = "pole", most = 1 }, { carrier = "beta", area = "pole", most = 2 }]
        priority = { beta = 1 }
        """,
        encoding="utf-8",
    )
    terms = exchange.read_round(tmp_path / "round.toml")
    days = ("2027-01-09", "2027-01-10", "2027-03-31", "2027-04-01")
    assert [terms.open_on(date.fromisoformat(d)) for d in days] == [
        False, True, True, False,
    ]  # fmt: skip
    packages = send(fake, tmp_path, terms)
    award = exchange.match_round(
        packages.values(),
        answer(packages, alpha=EVERYTHING, beta=EVERYTHING),
        received=date(2027, 3, 1),
    )
    won = award.awards.groupby("carrier")["asset"].apply(sorted).to_dict()
    assert won == {"alpha": ["A-1", "A-4", "A-5"], "beta": ["A-1", "A-2", "A-4"]}


FIRMS = """
id = "tower-1"
sharing_capacity = 3
capacity_counts = "tenants"
firms = { beta = ["docomo", "kddi", "rakuten"] }
caps = { "*" = 2 }
"""


def test_a_sharing_firm_brings_carriers_as_the_rules_say(tmp_path: Path, fake: Any) -> None:
    """UK's way: multi-tenant poles. Each carrier served takes a place; the firm says whom."""
    (tmp_path / "round.toml").write_text(FIRMS, encoding="utf-8")
    packages = send(fake, tmp_path, exchange.read_round(tmp_path / "round.toml"))
    wishes = [
        {"asset_id": "A-1", "tenants": ["docomo", "kddi"]},
        {"asset_id": "A-2", "tenants": ["docomo", "kddi", "rakuten"]},
        {"asset_id": "A-3", "tenants": ["rakuten"]},
    ]
    firm = exchange.read_offer(packages["beta"])
    firm.request(wishes).write(tmp_path / "beta-answer.zip")
    both = [*answer(packages, alpha=["A-1", "A-2"]), tmp_path / "beta-answer.zip"]
    for rule in matching.RULES:
        terms = firm.round.model_copy(update={"rule": rule})
        offers = [exchange.read_offer(packages[c]) for c in CARRIERS]
        read = [exchange.read_answer(p, o) for p, o in zip(both, offers, strict=True)]
        award = exchange.resolve(terms, offers, read)
        won = award.awards.set_index(["carrier", "asset"])
        # On A-1 all three fit; on A-2 it is alpha or the firm's three; nobody has more than two.
        assert {("alpha", "A-1"), ("beta", "A-1")} <= set(won.index), rule
        assert (("alpha", "A-2") in won.index) != (("beta", "A-2") in won.index), rule
        assert award.awards.groupby("carrier").size().max() <= 2, rule
        assert award.awards.groupby("asset")["places"].sum().max() <= 3, rule
        assert won.loc[("beta", "A-1"), "tenants"] == "docomo, kddi"
        assert won.loc[("beta", "A-1"), "places"] == 2
    with Register(tmp_path / "r.gpkg") as register:
        exchange.match_round(packages.values(), both, register=register)
        events = register.events(carrier="beta", asset="A-1")
        assert "docomo, kddi" in events.query("action == 'award'")["why"].item()
    schema = json.loads(zipfile.ZipFile(packages["beta"]).read("answer.schema.json"))
    assert schema["$defs"]["Request"]["properties"]["tenants"]["items"] == {
        "enum": ["docomo", "kddi", "rakuten"]
    }


def test_tenants_that_the_rules_do_not_allow_are_refused(tmp_path: Path, fake: Any) -> None:
    (tmp_path / "round.toml").write_text(FIRMS, encoding="utf-8")
    packages = send(fake, tmp_path, exchange.read_round(tmp_path / "round.toml"))
    firm, operator = (exchange.read_offer(packages[c]) for c in ("beta", "alpha"))
    with pytest.raises(ExchangeError) as caught:
        firm.request(
            [
                {"asset_id": "A-1", "tenants": ["docomo", "docomo"]},
                {"asset_id": "A-2", "tenants": ["softbank"]},
                {"asset_id": "A-3"},
                {"asset_id": "A-4", "tenants": ["kddi"], "places": 2},
            ]
        )
    assert [str(p.where).split(": ")[-1] for p in caught.value.problems] == [
        f"requests[{i}].{name}"
        for i, name in ((0, "tenants"), (1, "tenants"), (2, "tenants"), (3, "places"))
    ]
    with pytest.raises(ExchangeError, match="do not let it bring"):
        operator.request([{"asset_id": "A-1", "tenants": ["kddi"]}])


def test_tenants_that_nobody_vouches_for_weigh_nothing(tmp_path: Path, fake: Any) -> None:
    """Twenty invented tenants take one place; without firms they do not win it by their number."""
    terms = exchange.Round(id="one", rule="welfare_maximal", sharing_capacity=1)
    packages = send(fake, tmp_path, terms)
    honest = answer(packages, alpha=["A-1", "A-2"])[0]
    cheat = tmp_path / "cheat.zip"
    offer = exchange.read_offer(packages["beta"])
    invented = [f"x{i}" for i in range(20)]
    wishes = [{"asset_id": a, "tenants": invented} for a in ("A-2", "A-3", "A-1")]
    offer.request(wishes).write(cheat)
    award = exchange.match_round(packages.values(), [honest, cheat])
    plain = answer(packages, beta=["A-2", "A-3", "A-1"])[0]
    assert award.pairs == exchange.match_round(packages.values(), [honest, plain]).pairs
    for name in ("kddi, docomo", "kddi、docomo", " "):  # would count as one, or as nobody
        with pytest.raises(ExchangeError, match="tenants"):
            offer.request([{"asset_id": "A-1", "tenants": [name]}])
    with pytest.raises(ValueError, match="once needs firms"):  # else it keeps rivals out
        exchange.Round(id="one", once=True)


def test_an_answer_of_a_carrier_that_is_not_in_the_round(tmp_path: Path, fake: Any) -> None:
    packages = send(fake, tmp_path, exchange.Round(id="one"))
    with pytest.raises(ExchangeError, match="carrier without a package here: beta") as caught:
        exchange.match_round([packages["alpha"]], answer(packages, beta=["A-1"]))
    assert len(caught.value.problems) == 1
    # In another's name: what the desk is told, and may pass on, does not help to do it better.
    forged = exchange.read_offer(packages["alpha"]).request(["A-1"])
    forged.model_copy(update={"carrier": "beta"}).write(tmp_path / "forged.zip")
    with pytest.raises(ExchangeError, match="another package") as caught:
        exchange.match_round(packages.values(), [tmp_path / "forged.zip"])
    assert exchange.read_offer(packages["beta"]).sha256 not in str(caught.value)


def test_rounds_that_are_wrong_say_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'id = ""\nrule = "first_come"\nsharing_capacity = 0\ncloses = 2027-01-01\nextra = 1\n'
        'caps = { x = -1 }'
    )  # fmt: skip
    with pytest.raises(ExchangeError) as caught:
        exchange.read_round(tmp_path / "a.toml")
    assert len(caught.value.problems) == 5
    (tmp_path / "b.toml").write_text('id = "x"\nopens = 2027-02-01\ncloses = 2027-01-01')
    with pytest.raises(ExchangeError, match="closes lies before opens"):
        exchange.read_round(tmp_path / "b.toml")
    with pytest.raises(ExchangeError, match="is not there"):
        exchange.read_round(tmp_path / "c.toml")


def test_files_that_do_not_belong_are_all_named(tmp_path: Path, fake: Any) -> None:
    packages = send(fake, tmp_path, exchange.Round(id="one"))
    answers = answer(packages, alpha=["A-1"], beta=["A-2"])
    (tmp_path / "other").mkdir()
    others = send(fake, tmp_path / "other", exchange.Round(id="two"))
    stray = answer(others, beta=["A-3"])
    rubbish = tmp_path / "rubbish.zip"
    rubbish.write_bytes(b"PK nothing")
    with pytest.raises(ExchangeError) as caught:
        exchange.match_round([*packages.values(), rubbish], [*answers, answers[0], *stray])
    text = str(caught.value)
    for words in ("rubbish.zip", "the carrier is there twice", "answers another round"):
        assert words in text
    with pytest.raises(ExchangeError, match="different rounds"):
        exchange.match_round([packages["alpha"], others["beta"]], [])
    with pytest.raises(ExchangeError, match="no package"):
        exchange.match_round([], [])
    assert exchange.match_round(packages.values(), []).awards.empty


def test_results_are_printed_with_their_rule(tmp_path: Path, fake: Any) -> None:
    packages = send(fake, tmp_path, exchange.Round(id="one", sharing_capacity=1, seed=9))
    award = exchange.match_round(packages.values(), answer(packages, alpha=["A-1"], beta=["A-1"]))
    for language, title in (("ja", "ルール"), ("en", "Rule")):
        exchange.write_award(award, tmp_path / "all.xlsx", language)
        book = openpyxl.load_workbook(tmp_path / "all.xlsx")
        assert book.sheetnames[0] == title
        assert book[title]["A1"].value == award.rule_text.render(language)
        assert "seed: 9" in book[title]["A3"].value
        assert all(c.data_type != "f" for s in book for row in s.iter_rows() for c in row)
    exchange.write_award(award.of("alpha"), tmp_path / "alpha.json")
    text = (tmp_path / "alpha.json").read_text(encoding="utf-8")
    assert "beta" not in text and json.loads(text)["rule"] == "serial_rotation"
