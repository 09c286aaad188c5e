"""Sharing firms that bring several carriers: places, caps and points on small markets, by trying all."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdh import matching

OPERATORS = ("op-a", "op-b", "op-c")
seeds = st.integers(0, 10**6)


def market(seed: int, counting: str) -> dict[str, Any]:
    """Two operators and a firm that brings one to three; assets of one to four places."""
    rng = np.random.default_rng(seed)
    assets = [f"a{i}" for i in range(rng.integers(1, 4))]
    rows = []
    for carrier in ("op-a", "op-b", "firm"):
        wanted = rng.permutation(assets)[: rng.integers(1, len(assets) + 1)]
        for rank, asset in enumerate(wanted, start=1):
            names = OPERATORS[: rng.integers(1, 4)] if carrier == "firm" else ()
            rows.append((carrier, asset, rank, max(1, len(names)), ", ".join(names)))
    requests = pd.DataFrame(rows, columns=["carrier", "asset", "rank", "tenants", "brings"])
    if counting == "tenants":
        requests["places"] = requests["tenants"]
    return {
        "requests": requests,
        "capacity": {asset: int(rng.integers(1, 5)) for asset in assets},
        "caps": {"firm": int(rng.integers(1, 3)), "*": 2},
        "seed": int(rng.integers(100)),
    }


def served(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(asset, carrier) of everybody whom awards or requests would serve, by name."""
    return [
        (row.asset, name)
        for row in frame.itertuples()
        for name in (row.brings or row.carrier).split(", ")
    ]


def feasible(case: dict[str, Any]) -> list[pd.DataFrame]:
    """Every set of requests within places and caps; served carriers are counted from the names."""
    requests, found = case["requests"], []
    for bits in itertools.product([False, True], repeat=len(requests)):
        chosen = requests[list(bits)]
        need = chosen["places"] if "places" in chosen else pd.Series(1, chosen.index)
        load = need.groupby(chosen["asset"]).sum()
        if any(n > case["capacity"][asset] for asset, n in load.items()):
            continue
        if case.get("once") and len(set(served(chosen))) < len(served(chosen)):
            continue
        won = chosen["carrier"].value_counts()
        if all(won[c] <= case["caps"].get(c, case["caps"]["*"]) for c in won.index):
            found.append(chosen)
    return found


@pytest.mark.parametrize("counting", ["awards", "tenants"])
@pytest.mark.parametrize("rule", matching.RULES)
@given(seeds)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_places_and_caps_hold_and_awards_name_the_tenants(
    rule: str, counting: str, seed: int
) -> None:
    case = market(seed, counting)
    award = matching.match(**case, rule=rule)
    assert matching.verify(award, case["requests"], case["capacity"], case["caps"]) == []
    asked = case["requests"].set_index(["carrier", "asset"])
    awards, refusals = (t.fillna({"tenants": ""}) for t in (award.awards, award.refusals))
    for asset, rows in awards.groupby("asset"):
        on_it = [n for row in rows.itertuples() for n in (row.tenants or row.carrier).split(", ")]
        load = len(on_it) if counting == "tenants" else len(rows)
        assert load <= case["capacity"][asset]
    for frame in (awards, refusals):
        for row in frame.itertuples():
            told = asked.loc[(row.carrier, row.asset)]
            assert row.tenants == told["brings"]
            assert row.places == (told["tenants"] if counting == "tenants" else 1)
    for row in awards[awards["carrier"] == "firm"].itertuples():
        assert f"for {row.tenants}" in row.reason_en and row.tenants in row.reason_ja
        assert f"takes {row.places} of the asset's {case['capacity'][row.asset]}" in row.reason_en


@pytest.mark.parametrize("rule", matching.RULES)
@given(seeds)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_nobody_is_served_twice_on_an_asset_where_the_rules_say_so(rule: str, seed: int) -> None:
    case = market(seed, "tenants")
    award = matching.match(**case, once=True, rule=rule)
    limits = (case["requests"], case["capacity"], case["caps"])
    assert matching.verify(award, *limits, once=True) == []
    names = served(award.awards.rename(columns={"tenants": "brings"}).fillna({"brings": ""}))
    assert len(set(names)) == len(names)
    for row in award.refusals[award.refusals["cause"] == "served"].itertuples():
        mine = case["requests"].set_index(["carrier", "asset"]).loc[(row.carrier, row.asset)]
        would = (mine["brings"] or row.carrier).split(", ")
        assert any((row.asset, name) in names for name in would)
        assert "nobody twice" in row.reason_en and not any(
            f" {o} " in row.reason_en for o in OPERATORS
        )
    clash = any(
        len({*served(pair)}) < len(served(pair)) for _, pair in case["requests"].groupby("asset")
    )
    if clash:
        assert not any(award.promises.values())


def test_serving_somebody_twice_is_found() -> None:
    requests = pd.DataFrame(
        [("op-a", "a", 1, ""), ("firm", "a", 1, "op-a")],
        columns=["carrier", "asset", "rank", "brings"],
    )
    twice = matching.match(requests, 2, "serial_rotation")
    assert len(twice.awards) == 2 and matching.verify(twice, requests, 2) == []
    assert len(matching.verify(twice, requests, 2, once=True)) == 1
    assert len(matching.match(requests, 2, "serial_rotation", once=True).awards) == 1


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("counting", ["awards", "tenants"])
@given(seeds)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_best_by_trying_all(counting: str, once: bool, seed: int) -> None:
    """Most points, each times the carriers served; and the fairest counts."""
    case = market(seed, counting) | {"once": once}
    longest = case["requests"]["rank"].max()
    sets = feasible(case)

    def points(frame: pd.DataFrame) -> int:
        return int(((longest + 1 - frame["rank"]) * frame["tenants"]).sum())

    award = matching.match(**case, rule="welfare_maximal")
    assert award.points == max(map(points, sets))
    carriers = sorted(set(case["requests"]["carrier"]))

    def counts(frame: pd.DataFrame) -> list[int]:
        return sorted(int((frame["carrier"] == c).sum()) for c in carriers)

    award = matching.match(**case, rule="lexicographic_fairness")
    assert counts(award.awards) == max(map(counts, sets))


@pytest.mark.parametrize("rule", matching.RULES)
def test_who_needs_more_places_than_are_left_is_told_so(rule: str) -> None:
    requests = pd.DataFrame(
        [("op-a", "a", 1, 1, 1, 9.0), ("firm", "a", 1, 3, 3, 1.0)],
        columns=["carrier", "asset", "rank", "places", "tenants", "value"],
    )
    award = matching.match(requests, 3, rule, priority={"op-a": 1})
    (row,) = award.refusals.itertuples()
    assert (row.carrier, row.cause) == ("firm", "full")
    assert "tenants" in row.change_en and "op-a" not in row.reason_en + row.change_en
    (row,) = matching.match(requests, 2, rule).refusals.itertuples()
    assert row.reason_en == "it needs 3 places and the asset has 2"


@pytest.mark.parametrize("places", [1, 2])
@pytest.mark.parametrize("rule", matching.RULES)
def test_where_there_is_room_for_all_all_are_awarded(rule: str, places: int) -> None:
    requests = pd.DataFrame(
        [("op-a", "a", 1), ("op-b", "a", 1), ("op-b", "b", 2)], columns=["carrier", "asset", "rank"]
    ).assign(places=places)
    assert len(matching.match(requests, 4, rule).awards) == 3
