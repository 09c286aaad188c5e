"""``tdh score`` and its functions against the tables of the run, and a count of their own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tdh
from tdh import scoring
from tdh.cli import group
from tdh.errors import DomainError, InputError
from tdh.language import Language, speaking
from tdh.results import Run


def printed(run: Run, *arguments: str) -> list[dict[str, object]]:
    told = CliRunner().invoke(group(), ["score", str(run.folder), *arguments, "--json"])
    assert told.exit_code == 0, told.output
    found: list[dict[str, object]] = json.loads(told.stdout)
    return found


def test_function_and_command_say_the_same(demo_run: Run) -> None:
    table = tdh.score(demo_run.folder, top=5)
    rows = printed(demo_run, "--top", "5", "--lang", "en")
    assert len(rows) == len(table) == 5 * len(demo_run.carriers)
    for column in ("asset_id", "rank", "stays_in_top", "score", "contribution_people", "reason_en"):
        assert [row[column] for row in rows] == table[column].tolist()
    for row in rows:
        parts = sum(float(v) for k, v in row.items() if k.startswith("contribution_"))  # type: ignore[arg-type]
        assert parts == pytest.approx(row["score"], abs=1e-9)
    own = scoring.stability(demo_run.scores, 5, seed=demo_run.scenario.seed)
    key = ["carrier_id", "asset_id"]
    shares = demo_run.scores.assign(own=own).set_index(key)["own"]
    assert (
        table["stays_in_top"].tolist() == shares.loc[pd.MultiIndex.from_frame(table[key])].tolist()
    )


@pytest.mark.parametrize("public", [False, True])
def test_the_runs_own_share_where_the_same_is_asked_for(demo_run: Run, public: bool) -> None:
    """One number for one thing: what map, report and workbook show."""
    top = demo_run.scenario.scoring.top
    key = ["carrier_id", "asset_id"]
    own = (demo_run.scores_public if public else demo_run.scores).set_index(key)["stays_in_top"]
    assert own.between(0.01, 0.99).any()
    table = tdh.score(demo_run, top=top, public=public).set_index(key)["stays_in_top"]
    assert table.tolist() == own.loc[table.index].tolist()
    wider = tdh.score(demo_run, top=top, spread=0.5, public=public)["stays_in_top"]
    assert wider.tolist() != table.tolist()
    earlier = Run(demo_run.folder, demo_run.manifest)  # whose table for the public had no shares
    name = "scores_public" if public else "scores"
    earlier.__dict__[name] = getattr(demo_run, name).drop(columns="stays_in_top")
    drawn = tdh.score(earlier, top=top, public=public)["stays_in_top"]
    assert drawn.to_numpy() == pytest.approx(table.to_numpy(), abs=0.2)


def test_the_best_of_a_municipality(demo_run: Run) -> None:
    table = tdh.score(demo_run, municipality="13114", top=3, carrier="carrier-b")
    at = demo_run.assets.index[demo_run.assets["municipality"] == "中野区"]
    own = demo_run.scores[demo_run.scores["carrier_id"] == "carrier-b"]
    own = own[own["asset_id"].isin(at)].sort_values("rank")
    assert table["asset_id"].tolist() == own["asset_id"].head(3).tolist()
    assert table["rank"].tolist() == own["rank"].head(3).tolist()  # among all, not from 1
    assert set(table["municipality"]) == {"中野区"}
    assert table["stays_in_top"].min() > 0  # among those of the municipality
    for other in ("131148", "中野区", "中野"):
        again = tdh.score(demo_run, municipality=other, top=3, carrier="carrier-b")
        pd.testing.assert_frame_equal(again, table)
    for wrong in ("八王子市", "13101", "131016", ""):
        with pytest.raises(InputError, match="no such municipality"):
            tdh.score(demo_run, municipality=wrong)
    with pytest.raises(InputError, match=r"check digit .* is wrong: 131149.* 131148 中野区"):
        tdh.score(demo_run, municipality="131149")


def test_several_municipalities_of_a_name(demo_run: Run) -> None:
    """By a part of their names, or by a name that two have: those alone are told, with codes."""
    with pytest.raises(InputError, match="several municipalities match: give the code") as caught:
        tdh.score(demo_run, municipality="区")
    for code, name in demo_run.municipalities["municipality"].items():
        assert f"{code} {name}" in str(caught.value)
    run = Run(demo_run.folder, demo_run.manifest)
    names = ["北区", "北区", *demo_run.municipalities["municipality"].iloc[2:]]
    run.__dict__["municipalities"] = demo_run.municipalities.assign(municipality=names)
    one, two, *others = demo_run.municipalities.index
    with pytest.raises(InputError, match=f"several .*{one} 北区, {two} 北区") as caught:
        tdh.score(run, municipality="北区")
    assert not any(code in str(caught.value) for code in others)
    there = tdh.score(run, municipality=str(two))["asset_id"]
    assert set(run.assets.loc[there, "municipality_code"]) == {two}


def test_the_public(demo_run: Run) -> None:
    table = tdh.score(demo_run, public=True, top=7)
    best = demo_run.scores_public.sort_values("rank").head(7)
    assert table["asset_id"].tolist() == best["asset_id"].tolist()
    rows = printed(demo_run, "--public", "--top", "7")
    assert [r["asset_id"] for r in rows] == table["asset_id"].tolist()
    assert {r["carrier_id"] for r in rows} == {"public"}
    with pytest.raises(InputError, match="not both"):
        tdh.score(demo_run, public=True, carrier="carrier-a")
    assert demo_run.scores_public["stays_in_top"].sum() == pytest.approx(
        min(demo_run.scenario.scoring.top, len(demo_run.scores_public))
    )


@pytest.mark.parametrize("public", [False, True])
def test_every_part_of_a_score_can_be_counted_again(demo_run: Run, public: bool) -> None:
    """Contributions out of what was measured, the weights' points and the best value."""
    table = demo_run.scores_public if public else demo_run.scores
    best = table.sort_values("rank")["asset_id"].iloc[0]
    worst = table.sort_values("rank")["asset_id"].iloc[-1]
    for asset in (best, worst):
        parts = tdh.explain_score(demo_run, asset, public=public)
        for carrier, own in parts.groupby("carrier_id", sort=False):
            row = table[(table["asset_id"] == asset) & (table["carrier_id"] == carrier)].iloc[0]
            assert set(own["component"]) == set(scoring.DEFAULT_WEIGHTS) - (
                {"sharing"} if public else set()
            )
            assert own["contribution"].sum() == pytest.approx(row["score"], abs=1e-9)
            known = own[own["value"].notna()]
            assert known["points"].sum() == pytest.approx(100.0)
            ratio = known["weight"] / known["weight"].sum()
            assert known["points"].to_numpy() == pytest.approx(100 * ratio.to_numpy())
            again = known["points"] * np.minimum(known["value"] / known["scale"], 1.0)
            if row["gap_cells_closed"] == 0:
                again = again * 0.0
            assert known["contribution"].to_numpy() == pytest.approx(again.to_numpy(), abs=1e-9)
            for part in known.to_dict("records"):
                assert part["value"] == row[part["value_column"]]
    rows = printed(demo_run, "--explain", best, *(["--public"] if public else []))
    assert sum(float(r["contribution"]) for r in rows) == pytest.approx(  # type: ignore[arg-type]
        table.loc[table["asset_id"] == best, "score"].sum(), abs=1e-9
    )


def test_what_was_measured_for_equity_and_sharing(demo_run: Run) -> None:
    """The people behind both parts, from the footprints and the gaps alone."""
    carriers = [c.id for c in demo_run.carriers]
    cells = demo_run.cells
    unmet = {}
    for carrier in carriers:
        rows = demo_run.gaps[demo_run.gaps["carrier_id"] == carrier]
        people = pd.Series(rows["unmet_people"].to_numpy(), index=rows["cell_id"].astype(str))
        unmet[carrier] = people.reindex(cells.index).fillna(0.0).to_numpy()
    carrier = carriers[0]
    parts = tdh.score(demo_run, carrier=carrier, top=4)
    share = demo_run.scenario.market_shares[carrier]
    customers = (cells["population"] * share).groupby(cells["municipality_code"]).sum()
    lacking = pd.Series(unmet[carrier]).groupby(cells["municipality_code"].to_numpy()).sum()
    mean = lacking.sum() / customers.sum()
    worse = ((lacking / customers - mean) / (1 - mean)).clip(lower=0)
    for row in parts.to_dict("records"):
        reach = {}
        for other in carriers:
            reached = np.zeros(len(cells), dtype=bool)
            for band in next(c.bands for c in demo_run.carriers if c.id == other):
                found = demo_run.footprint(other, band)
                at = list(found.site_ids).index(row["asset_id"])
                reached |= found.footprint()[[at]].toarray()[0]
            reach[other] = reached
        weight = cells["municipality_code"].map(worse).to_numpy()
        behind = (unmet[carrier] * weight)[reach[carrier]].sum()
        others = sum(unmet[o][reach[o]].sum() for o in carriers[1:])
        assert row["people_worse_off_newly_served"] == pytest.approx(behind)
        assert row["people_of_others_newly_served"] == pytest.approx(others)
    table = tdh.equity(demo_run, carrier=carrier, top=10).set_index("municipality_code")
    assert table["worse_by"].to_dict() == pytest.approx(worse.to_dict())
    assert table["people_in_gap"].to_dict() == pytest.approx(lacking.to_dict())
    assert table["share_in_gap"].to_dict() == pytest.approx((lacking / customers).to_dict())
    assert table["share_of_carrier"].to_numpy() == pytest.approx(mean)
    assert table["assets_in_top"].sum() == 10
    code = table.index[0]
    mine = tdh.score(demo_run, carrier=carrier, municipality=str(code), top=1).iloc[0]
    assert table.loc[code, "best_asset_id"] == mine["asset_id"]
    assert table.loc[code, "best_rank"] == mine["rank"]


@pytest.mark.parametrize(
    "asked",
    [{"top": 0}, {"top": -3}, {"spread": -1.0}, {"spread": np.nan}, {"spread": np.inf}],
)
def test_numbers_that_mean_nothing(demo_run: Run, asked: dict[str, Any]) -> None:
    (name,) = asked
    for municipality in (None, "13114"):
        with pytest.raises(DomainError, match=name):
            tdh.score(demo_run, municipality=municipality, **asked)


def test_an_empty_table_is_told_as_such(demo_run: Run) -> None:
    run = Run(demo_run.folder, demo_run.manifest)
    run.__dict__["scores"] = demo_run.scores.iloc[:0]
    asset = str(demo_run.scores["asset_id"].iloc[0])
    with pytest.raises(InputError, match="the table of scores is empty"):
        tdh.explain_score(run, asset)
    with pytest.raises(InputError, match="no such asset"):
        tdh.explain_score(run, "nobody")
    assert tdh.score(run).empty


def test_what_cannot_be_asked(demo_run: Run) -> None:
    asset = str(demo_run.scores["asset_id"].iloc[0])
    with pytest.raises(InputError, match=r"no such asset: nobody"):
        tdh.explain_score(demo_run, "nobody")
    name = str(demo_run.assets.at[asset, "name"])
    with pytest.raises(InputError, match=asset):  # by name: its id is told
        tdh.explain_score(demo_run, name)
    for wrong in (
        ["--explain", asset, "--equity"],
        ["--explain", asset, "--municipality", "13104"],
        ["--equity", "--public"],
        ["--public", "--carrier", "carrier-a"],
    ):
        told = CliRunner().invoke(group(), ["score", str(demo_run.folder), *wrong])
        assert (
            told.exit_code == 2 and "併用" in told.output + told.stderr
        ) or "go with" in told.stderr


@pytest.mark.parametrize(("language", "word"), [("ja", "満点の値"), ("en", "second cover")])
def test_parts_in_words(demo_run: Run, language: Language, word: str) -> None:
    asset = str(demo_run.scores_public.sort_values("rank")["asset_id"].iloc[0])
    with speaking(language):
        said = CliRunner().invoke(group(), ["score", str(demo_run.folder), "--explain", asset])
        listed = CliRunner().invoke(group(), ["score", str(demo_run.folder), "--equity"])
    assert said.exit_code == 0 and word in said.output
    for carrier in demo_run.carriers:
        assert carrier.name in said.output
    assert listed.exit_code == 0 and "中野区" in listed.output and "%" in listed.output


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ja", "ギャップを解消しないため0点"),
        ("en", "closes nothing of the gap, so it earns nothing"),
    ],
)
def test_what_closes_nothing_is_told_to_earn_nothing(
    demo_run: Run, language: Language, words: str
) -> None:
    """Its values may be full marks: without the words they would contradict the points."""
    for public in (False, True):
        table = demo_run.scores_public if public else demo_run.scores
        cells = table.groupby("asset_id")["gap_cells_closed"].agg(lambda n: int((n == 0).sum()))
        for asset in (cells.idxmin(), cells.idxmax()):
            chosen = ["--explain", str(asset), *(["--public"] if public else [])]
            with speaking(language):
                said = CliRunner().invoke(group(), ["score", str(demo_run.folder), *chosen])
            assert said.exit_code == 0 and said.output.count(words) == cells[asset]
            assert ("共用" in said.output or "sharing" in said.output) is not public
