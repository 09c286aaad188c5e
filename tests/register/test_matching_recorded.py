"""``tdh match … --register``: awards and refusals land with their reasons, once, in either store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

import tdh
from tdh.cli import group
from tdh.errors import TdhError
from tdh.matching import Award
from tdh.register import Event, LedgerError, Register
from tdh.results import Run


def call(*arguments: object) -> Any:
    result = CliRunner().invoke(group(), [*map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result


def test_what_is_recorded_as_offered_is_what_the_packages_offer(
    make: Callable[[str], str], demo_run: Run
) -> None:
    """By the round's basis each carrier's own choice, which the plan for all together is not."""
    ledger = make("offers")
    call("register", "load", ledger, demo_run.folder, "--round", "R-1", "--who", "desk")
    with Register(ledger) as register:
        events = register.events(round="R-1")
    recorded = set(zip(events["carrier"], events["asset"], strict=True))
    packages = [demo_run.folder / f"packages/{c.id}.zip" for c in demo_run.carriers]
    offers = [tdh.read_offer(package) for package in packages]
    assert recorded == {(o.carrier_id, str(asset)) for o in offers for asset in o.assets.index}
    reasons = {
        (o.carrier_id, str(asset)): why
        for o in offers
        for asset, why in o.assets["reason_ja"].items()
    }
    for row in events.itertuples():
        assert row.why == reasons[row.carrier, row.asset]


def test_a_round_is_recorded_once_with_its_reasons(
    make: Callable[[str], str], demo_run: Run, tmp_path: Path
) -> None:
    ledger = make("round")
    first, second = (carrier.id for carrier in demo_run.carriers[:2])
    terms = tmp_path / "round.toml"
    terms.write_text('id = "R-1"\nsharing_capacity = 1\nbasis = "joint"\n')
    files: list[object] = []
    offered: dict[str, list[str]] = {}
    for carrier in (first, second):
        package, answer = tmp_path / f"{carrier}.zip", tmp_path / f"{carrier}-answer.zip"
        call("package", demo_run.folder, "--carrier", carrier, "--round", terms, "--out", package)
        offer = tdh.read_offer(package)
        offered[carrier] = list(offer.assets.index)
        offer.request(offered[carrier][:3]).write(answer)
        files += ["--package", package, "--answer", answer]
    call("register", "load", ledger, demo_run.folder, "--round", terms, "--who", "desk")
    once = json.loads(call("match", *files, "--register", ledger, "--json").stdout)
    with Register(ledger) as register:
        held = register.events()
        standing = register.standing()
    cases = standing[standing["kind"] == "case"].set_index(["carrier", "asset"])
    for group_, state in (("awards", "awarded"), ("refusals", "refused")):
        for row in once[group_]:
            case = cases.loc[(row["carrier"], row["asset"])]
            assert (case["state"], case["why"]) == (state, row["reason_ja"])
            assert len(row["reason_ja"]) > 5
    assert len(once["awards"]) + len(once["refusals"]) == 6
    assert (cases["state"] == "offered").sum() == len(cases) - 6
    offers = held[held["action"] == "offer"]
    assert set(zip(offers["carrier"], offers["asset"], strict=True)) == set(
        zip(demo_run.plan["carrier_id"], demo_run.plan["asset_id"], strict=True)
    )
    # The second time everything is there already.
    assert json.loads(call("match", *files, "--register", ledger, "--json").stdout) == once
    call("register", "load", ledger, demo_run.folder, "--round", terms, "--who", "desk")
    with Register(ledger) as register:
        pd.testing.assert_frame_equal(register.events(), held)
        assert register.verify() == []
    # Another answer would give another result: what was published stands.
    offer = tdh.read_offer(tmp_path / f"{first}.zip")
    offer.request(offered[first][3:4]).write(tmp_path / "late.zip")
    late = [tmp_path / "late.zip" if f == tmp_path / f"{first}-answer.zip" else f for f in files]
    with pytest.raises(TdhError, match="settled already, with another result"):
        call("match", *late, "--register", ledger)
    with Register(ledger) as register:
        pd.testing.assert_frame_equal(register.events(), held)
    day = tmp_path / "day.xlsx"
    call("register", "next", ledger, "--xlsx", day)
    assert openpyxl.load_workbook(day).worksheets[0].max_row > len(once["awards"])


def test_a_result_without_its_requests_is_refused_whole(register: Register) -> None:
    table = {"carrier": ["a"], "asset": ["A"], "rank": [1], "reason_ja": ["第1希望のため"],
             "reason_en": ["first wish"]}  # fmt: skip
    more = {"cause": ["full"], "change_ja": ["x"], "change_en": ["x"]}

    class Result(Award):
        def __init__(self) -> None:
            object.__setattr__(self, "rule", "serial_rotation")
            object.__setattr__(self, "seed", 0)
            object.__setattr__(self, "awards", pd.DataFrame(table))
            object.__setattr__(self, "refusals", pd.DataFrame({**table, **more}).iloc[:0])

    offers = [Event("offer", "desk", asset="A", carrier="a", round="R")]
    with pytest.raises(LedgerError, match="may not follow"):
        register.settle("R", offers, Result(), "desk")
    assert register.events().empty
    offers.append(Event("request", "a", asset="A", carrier="a", round="R"))
    for action in ("announce", "open", "close"):
        register.record(action, "desk", round="R")
    assert register.settle("R", offers, Result(), "desk") == 1
    assert register.settle("R", offers, Result(), "desk") == 0
    events = register.events()
    assert list(events["action"])[3:] == ["offer", "request", "award", "settle"]
    assert register.state(round="R") == "settled"
