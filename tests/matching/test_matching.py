"""Rules on small markets against brute force, promises against misreports, reasons against reruns."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdh import exchange, matching
from tdh.errors import InputError

RULES = matching.RULES


def random_market(rng: np.random.Generator, *, sizes: bool = False) -> dict[str, Any]:
    carriers = [f"c{i}" for i in range(rng.integers(1, 4))]
    assets = [f"a{i}" for i in range(rng.integers(1, 5))]
    rows = []
    for carrier in carriers:
        wanted = rng.permutation(assets)[: rng.integers(1, len(assets) + 1)]
        rows += [(carrier, asset, rank) for rank, asset in enumerate(wanted, start=1)]
    requests = pd.DataFrame(rows, columns=["carrier", "asset", "rank"])
    if sizes:
        requests["places"] = rng.integers(1, 3, len(requests))
    market: dict[str, Any] = {
        "requests": requests.sample(frac=1, random_state=int(rng.integers(1000))),
        "capacity": {asset: int(rng.integers(0, 3)) for asset in assets},
        "seed": int(rng.integers(1000)),
    }
    if rng.random() < 0.6:
        market["caps"] = {c: int(rng.integers(0, 4)) for c in carriers}
    if rng.random() < 0.4:
        market["areas"] = {asset: f"z{i % 2}" for i, asset in enumerate(assets)}
        market["caps"] = market.get("caps", {}) | {("*", "z0"): int(rng.integers(0, 3))}
    return market


def check(award: matching.Award, market: dict[str, Any]) -> list[Any]:
    return matching.verify(
        award, market["requests"], market["capacity"], market.get("caps"),
        areas=market.get("areas"),
    )  # fmt: skip


def feasible_sets(market: dict[str, Any]) -> list[pd.DataFrame]:
    """Every set of requests that the places and caps allow, by trying all."""
    requests, caps = market["requests"], market.get("caps") or {}
    rows = list(requests.itertuples(index=False))
    zones = market.get("areas") or {}
    found = []
    for bits in itertools.product([False, True], repeat=len(rows)):
        taken = [row for row, bit in zip(rows, bits, strict=True) if bit]
        load: dict[str, int] = {}
        wins: dict[Any, int] = {}
        for row in taken:
            load[row.asset] = load.get(row.asset, 0) + getattr(row, "places", 1)
            for key in (row.carrier, (row.carrier, zones.get(row.asset))):
                wins[key] = wins.get(key, 0) + 1
        if any(n > market["capacity"][a] for a, n in load.items()):
            continue
        over = False
        for key, n in wins.items():
            general = "*" if isinstance(key, str) else ("*", key[1])
            most = caps.get(key, caps.get(general))
            over |= most is not None and n > most
        if not over:
            found.append(requests[list(bits)])
    return found


seeds = st.integers(0, 10**6)


@pytest.mark.parametrize("rule", RULES)
@given(seeds, st.booleans())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_awards_are_feasible_and_waste_no_place(rule: str, seed: int, sizes: bool) -> None:
    market = random_market(np.random.default_rng(seed), sizes=sizes)
    award = matching.match(**market, rule=rule)
    assert check(award, market) == []
    # Nothing refused would still fit (deferred acceptance lets nobody jump the queue of sizes).
    if rule != "deferred_acceptance" or not sizes:
        won = award.pairs
        index = pd.MultiIndex.from_frame(market["requests"][["carrier", "asset"]])
        for pair in set(index) - won:
            more = market["requests"][index.isin(won | {pair})]
            full = feasible_sets({**market, "requests": more})
            assert max(len(s) for s in full) < len(more)


@given(seeds, st.booleans())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_welfare_is_the_most_that_can_be(seed: int, sizes: bool) -> None:
    market = random_market(np.random.default_rng(seed), sizes=sizes)
    award = matching.match(**market, rule="welfare_maximal")
    longest = market["requests"]["rank"].max()
    best = max((longest + 1 - s["rank"]).sum() for s in feasible_sets(market))
    assert award.points == best


@given(seeds)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_great_rank_makes_no_list_longer(seed: int) -> None:
    """Ranks may have gaps; whoever states a rank of a million does not drown the others' ranks."""
    market = random_market(np.random.default_rng(seed))
    market["requests"]["tenants"] = 1 + np.arange(len(market["requests"])) % 3
    for rule in ("welfare_maximal", "lexicographic_fairness"):
        award = matching.match(**market, rule=rule)
        gaps = market["requests"].assign(rank=market["requests"]["rank"] ** 5 * 1_000)
        again = matching.match(**{**market, "requests": gaps}, rule=rule)
        assert again.pairs == award.pairs
        assert again.points == award.points


@given(seeds, st.booleans())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_fairness_is_the_leximin_of_counts(seed: int, sizes: bool) -> None:
    market = random_market(np.random.default_rng(seed), sizes=sizes)
    award = matching.match(**market, rule="lexicographic_fairness")
    carriers = sorted(set(market["requests"]["carrier"]))

    def counts(frame: pd.DataFrame) -> list[int]:
        return sorted((frame["carrier"] == c).sum() for c in carriers)

    best = max(counts(s) for s in feasible_sets(market))
    assert counts(award.awards) == best
    if not sizes:  # of the awards with each carrier's count, the most points
        mine = award.awards["carrier"].value_counts().to_dict()
        longest = market["requests"]["rank"].max()
        alike = [s for s in feasible_sets(market) if s["carrier"].value_counts().to_dict() == mine]
        assert award.points == max((longest + 1 - s["rank"]).sum() for s in alike)


@given(seeds)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_nobody_jumps_an_assets_queue_whatever_the_sizes(seed: int) -> None:
    from tdh.matching.market import draw

    market = random_market(np.random.default_rng(seed), sizes=True)
    award = matching.match(**market, rule="deferred_acceptance")
    assert award.promises["stable"] == (market["requests"]["places"] == 1).all()
    for row in award.refusals[award.refusals["cause"] == "full"].itertuples():
        if "needs" in row.reason_en:
            continue
        lot = draw(market["seed"], row.asset, row.carrier)
        kept = [draw(market["seed"], a, c) for c, a in award.pairs if a == row.asset]
        assert all(other < lot for other in kept)


@given(seeds)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_deferred_acceptance_leaves_no_blocking_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    market = random_market(rng)
    carriers = sorted(set(market["requests"]["carrier"]))
    market["priority"] = {c: int(rng.integers(1, 3)) for c in carriers[:2]}
    award = matching.match(**market, rule="deferred_acceptance")
    assert award.promises["stable"]
    limits = {k: market[k] for k in ("caps", "areas", "priority") if k in market}
    assert matching.blocking_pairs(award, market["requests"], market["capacity"], **limits) == []
    if "areas" in market:
        return
    # The same by the textbook's definition, from the table alone.
    from tdh.matching.market import draw

    rank = market["requests"].set_index(["carrier", "asset"])["rank"]
    won = award.pairs
    last = max(market["priority"].values()) + 1

    def ahead(carrier: str, asset: str) -> tuple[int, float]:
        return market["priority"].get(carrier, last), draw(market["seed"], asset, carrier)

    for carrier, asset in set(rank.index) - won:
        mine = [a for c, a in won if c == carrier]
        there = [c for c, a in won if a == asset]
        cap = (market.get("caps") or {}).get(carrier, 99)
        would = len(mine) < cap or any(rank[carrier, a] > rank[carrier, asset] for a in mine)
        taken = len(there) < market["capacity"][asset] or any(
            ahead(c, asset) > ahead(carrier, asset) for c in there
        )
        assert not (would and taken and cap > 0 and market["capacity"][asset] > 0)


def outcomes(market: dict[str, Any], rule: str, carrier: str) -> list[int]:
    """Ranks (by its true list) that each misreport wins, the truth first."""
    requests = market["requests"]
    mine = requests[requests["carrier"] == carrier]
    others = requests[requests["carrier"] != carrier]
    true = mine.set_index("asset")["rank"]
    results = []
    assets = list(mine.sort_values("rank")["asset"])
    lies = [
        list(order)
        for length in range(len(assets), 0, -1)
        for order in itertools.permutations(assets, length)
    ]
    for order in [assets, *lies]:
        told = pd.DataFrame({"carrier": carrier, "asset": order, "rank": range(1, len(order) + 1)})
        award = matching.match(
            **{**market, "requests": pd.concat([others, told], ignore_index=True)}, rule=rule
        )
        results.append(sorted(true[a] for c, a in award.pairs if c == carrier))
    return results


@pytest.mark.parametrize("rule", RULES)
def test_no_misreport_gains_where_the_rule_promises_it(rule: str) -> None:
    promised = 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        market = random_market(rng)
        market.pop("areas", None)
        market["caps"] = 1 if seed % 2 else {"c0": int(rng.integers(1, 4)), "*": 2}
        award = matching.match(**market, rule=rule)
        if not award.promises["strategy_proof"]:
            continue
        promised += 1
        for carrier in sorted(set(market["requests"]["carrier"])):
            truth, *lies = outcomes(market, rule, carrier)
            for lie in lies:
                # By responsive preferences: no lie wins a bundle that is better place by place.
                padded = truth + [99] * (len(lie) - len(truth))
                assert all(t <= x for t, x in zip(padded, lie, strict=False)), (seed, carrier)
    assert (promised > 4) == (rule in ("serial_dictatorship", "deferred_acceptance"))


def test_rotation_can_be_gamed_and_says_so() -> None:
    """Why the promise matters: in a draft it can pay to take first what others want too."""
    gained = False
    for seed in range(10):
        market = random_market(np.random.default_rng(seed))
        market.pop("areas", None)
        market["caps"] = 2
        award = matching.match(**market, rule="serial_rotation")
        assert not award.promises["strategy_proof"]
        for carrier in sorted(set(market["requests"]["carrier"])):
            truth, *lies = outcomes(market, "serial_rotation", carrier)
            gained |= any(len(x) == len(truth) and x < truth and
                          all(a <= b for a, b in zip(x, truth, strict=True)) for x in lies)  # fmt: skip
    assert gained


# --- reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["serial_rotation", "serial_dictatorship"])
def test_what_would_have_changed_it_would_have(rule: str) -> None:
    """Every "ranked above X" of a refusal is tried: the asset is awarded, in the turn of X."""
    tried = 0
    for seed in range(90):
        market = random_market(np.random.default_rng(seed))
        award = matching.match(**market, rule=rule)
        for row in award.refusals.itertuples():
            words = re.fullmatch(
                r"ranked above (\S+) \(your rank \d+\), it would .* instead of that", row.change_en
            )
            if words is None:
                continue
            tried += 1
            requests = market["requests"].copy()
            requests["rank"] *= 2
            mine = (requests["carrier"] == row.carrier)  # fmt: skip
            above = requests.loc[mine & (requests["asset"] == words[1]), "rank"].item() - 1
            requests.loc[mine & (requests["asset"] == row.asset), "rank"] = above
            again = matching.match(**{**market, "requests": requests}, rule=rule)
            turn, before = (
                a.awards.set_index(["carrier", "asset"])["turn"] for a in (again, award)
            )
            assert turn[row.carrier, row.asset] == before[row.carrier, words[1]]
    assert tried > 6


def test_points_that_were_lacking_were_lacking() -> None:
    """A refused request with fewer points than it "would have needed" stays refused."""
    tried = 0
    for seed in range(100):
        market = random_market(np.random.default_rng(seed))
        longest = market["requests"]["rank"].max()
        market["requests"]["value"] = 3 * (longest + 1 - market["requests"]["rank"])
        award = matching.match(**market, rule="welfare_maximal")
        for row in award.refusals.itertuples():
            words = re.match(r"at least ([\d.e+-]+) points more", row.change_en)
            if words is None or float(words[1]) < 2:
                continue
            tried += 1
            requests = market["requests"].copy()
            this = (requests["carrier"] == row.carrier) & (requests["asset"] == row.asset)
            requests["value"] = requests["value"].astype(float)
            requests.loc[this, "value"] += float(words[1]) - 1
            again = matching.match(**{**market, "requests": requests}, rule="welfare_maximal")
            assert (row.carrier, row.asset) not in again.pairs
    assert tried > 4


@pytest.mark.parametrize("rule", RULES)
def test_every_request_has_its_reason_in_both_languages_and_names_no_other(rule: str) -> None:
    requests = pd.DataFrame(
        [(c, f"a{i}", i + 1) for c in ("alpha", "beta", "gamma") for i in range(4)],
        columns=["carrier", "asset", "rank"],
    )
    award = matching.match(requests, 1, rule, caps=3, seed=5)
    assert len(award.awards) + len(award.refusals) == 12
    for frame in (award.awards, award.refusals):
        for row in frame.itertuples():
            words = [getattr(row, f) for f in row._fields if f.startswith(("reason", "change"))]
            assert all(words)
            for other in {"alpha", "beta", "gamma"} - {row.carrier}:
                assert not any(other in text for text in words)
    assert str(award.rule_text) and award.rule_text.render("ja") != award.rule_text.render("en")
    part = award.of("beta")
    assert set(part.awards["carrier"]) <= {"beta"} and set(part.refusals["carrier"]) <= {"beta"}


@pytest.mark.parametrize("rule", RULES)
def test_a_carriers_part_counts_nothing_of_others(rule: str, tmp_path: Path) -> None:
    """What beta is sent is the same, byte for byte, however much others ask for elsewhere."""
    alone = {"alpha": ["a1", "a2"], "beta": ["a1", "a3", "a2"]}
    busy = {
        "alpha": ["a1", "a2", *(f"b{i}" for i in range(40))],
        "beta": ["a1", "a3", "a2"],
        "gamma": [f"b{i}" for i in range(7)],
        "aleph": ["b3"],
    }
    sent = []
    for lists in (alone, busy):
        rows = [(c, a, i) for c, wanted in lists.items() for i, a in enumerate(wanted, start=1)]
        requests = pd.DataFrame(rows, columns=["carrier", "asset", "rank"])
        capacity = {a: 1 if a == "a1" else 3 for a in requests["asset"]}
        first = {("alpha", "a1"): 1}
        award = matching.match(requests, capacity, rule, first, seed=5)
        exchange.write_award(award.of("beta"), tmp_path / "beta.json")
        sent.append((tmp_path / "beta.json").read_text(encoding="utf-8"))
    assert sent[0] == sent[1]
    assert '"cause":"full"' in sent[0].replace(" ", "")


# --- the rules by hand -----------------------------------------------------------------------


def table(**lists: str) -> pd.DataFrame:
    return pd.DataFrame(
        [(c, a, i) for c, word in lists.items() for i, a in enumerate(word, start=1)],
        columns=["carrier", "asset", "rank"],
    )


def test_rotation_reverses() -> None:
    requests = table(x="abcdef", y="abcdef")
    award = matching.match(requests, 1, "serial_rotation", seed=1)
    order = award.awards.sort_values("turn")
    first, second = order["carrier"].iloc[:2]
    assert list(order["carrier"]) == [first, second, second, first, first, second]
    assert list(order["asset"]) == list("abcdef")


def test_classes_go_first() -> None:
    requests = table(x="ab", y="ab", z="ab")
    for rule in RULES:
        award = matching.match(requests, 1, rule, priority={"z": 1, "y": 2}, caps=1, seed=3)
        assert ("z", "a") in award.pairs, rule
        assert ("y", "b") in award.pairs, rule
    award = matching.match(
        requests, 1, "deferred_acceptance", priority={("x", "b"): 1, "y": 2, "z": 2}
    )
    assert ("x", "b") in award.pairs


def test_a_franchise_has_a_cap_in_each_zone() -> None:
    """New York's way by configuration alone: a cap for everyone in a zone, another for one firm."""
    requests = table(x="abcd", y="abcd")
    areas = {"a": "1", "b": "1", "c": "2", "d": "2"}
    for rule in RULES:
        award = matching.match(
            requests, 2, rule, caps={("*", "1"): 1, ("y", "1"): 2, ("*", "2"): 2}, areas=areas
        )
        count = award.awards.assign(area=award.awards["asset"].map(areas))
        found = count.groupby(["carrier", "area"]).size().to_dict()
        assert found == {("x", "1"): 1, ("x", "2"): 2, ("y", "1"): 2, ("y", "2"): 2}, rule


def test_a_sharing_firm_counts_for_those_it_brings() -> None:
    requests = table(docomo="a", jtower="a").assign(tenants=[1, 3])
    award = matching.match(requests, 1, "welfare_maximal")
    assert award.pairs == {("jtower", "a")}
    wide = table(docomo="a", jtower="a").assign(places=[1, 3])
    award = matching.match(wide, {"a": 3}, "welfare_maximal", seed=2)
    assert len(award.pairs) == 1


def test_the_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    requests = table(x="abcdefgh", y="abcdefgh", z="hgfedcba")
    for rule in RULES:
        one = matching.match(requests, 1, rule, caps=3, seed=1)
        two = matching.match(requests.sample(frac=1, random_state=0), 1, rule, caps=3, seed=1)
        pd.testing.assert_frame_equal(one.awards, two.awards)
        pd.testing.assert_frame_equal(one.refusals, two.refusals)
        others = [matching.match(requests, 1, rule, caps=3, seed=s).pairs for s in range(12)]
        assert len({frozenset(pairs) for pairs in others}) > 1, rule


def test_no_requests_are_no_awards() -> None:
    for rule in RULES:
        award = matching.match(table(), {}, rule)
        assert award.awards.empty and award.refusals.empty and award.points == 0


def test_everything_wrong_is_said_at_once() -> None:
    requests = table(x="aab", y="q").assign(places=[1, 1, 0.5, 1], value=[1, 2, -1, np.nan])
    requests.loc[1, "rank"] = 1
    with pytest.raises(InputError) as caught:
        matching.match(
            requests, {"a": 1, "b": -1}, "serial_rotation", caps={("x", "z"): 1, "y": -2}
        )
    text = str(caught.value)
    for word in ("requested twice", "rank is given twice", "does not offer", "places is not right",
                 "value is not right", "capacity is not right", "cap is not right", "area"):  # fmt: skip
        assert word in text
    with pytest.raises(InputError, match="rule is not known"):
        matching.match(requests, 1, "first_come")
    with pytest.raises(InputError, match="column is missing"):
        matching.match(pd.DataFrame({"carrier": []}), 1, "serial_rotation")


def test_verify_finds_what_is_wrong() -> None:
    requests = table(x="ab", y="ab")
    award = matching.match(requests, 2, "serial_rotation")
    assert matching.verify(award, requests, 2) == []
    assert len(matching.verify(award, requests, 1)) == 2
    assert len(matching.verify(award, requests, 2, caps=1)) == 2
    assert len(matching.verify(award, requests.iloc[:3], 2)) == 1


def test_the_tables_are_those_of_columns_csv() -> None:
    from tdh import schemas

    award = matching.match(table(x="ab", y="ab"), 1, "serial_rotation")
    for name, frame in (("awards", award.awards), ("refusals", award.refusals)):
        assert set(frame.columns) == set(schemas.columns(name)["column"])
        schemas.conform(frame, name)
