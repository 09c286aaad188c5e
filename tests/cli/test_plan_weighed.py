"""``tdh plan`` beside other plans: not chosen, the curve, alternatives and a comparison."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from tdh.cli import group
from tdh.language import speaking
from tdh.results import Run


def rows(*arguments: object) -> list[dict[str, Any]]:
    result = CliRunner().invoke(group(), ["plan", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_every_pair_is_offered_or_has_its_reason(demo_run: Run) -> None:
    left = rows(demo_run.folder, "--not-chosen", 10_000)
    pairs = {(r["carrier_id"], r["asset_id"]) for r in left}
    offered = set(zip(demo_run.plan["carrier_id"], demo_run.plan["asset_id"], strict=True))
    first = demo_run.carriers[0]
    candidates = demo_run.footprint(first.id, first.bands[0]).site_ids
    assert not pairs & offered
    assert len(pairs | offered) == len(candidates) * len(demo_run.carriers)
    assert all(r.get("reason_en") or r.get("reason_ja") for r in left)


def test_the_curve_passes_through_the_plan(demo_run: Run) -> None:
    fewer, same = rows(demo_run.folder, "--curve", "6,3")
    assert (fewer["max_sites"], same["max_sites"]) == (3, 6)
    assert same["people_served"] == pytest.approx(demo_run.summary["objective"])
    assert fewer["people_served"] <= fewer["bound"] < same["people_served"]


def test_an_alternative_differs_and_is_nearly_as_good(demo_run: Run) -> None:
    other = rows(demo_run.folder, "--alternatives", 1)
    shared = sum(r["in_plan"] for r in other)
    assert len(other) > 0 and shared <= 0.7 * len(demo_run.plan)
    assert other[0]["people_served"] >= 0.98 * demo_run.summary["objective"]
    assert sum(r["people_gained"] for r in other) == pytest.approx(other[0]["people_served"])


def test_a_plan_equals_itself(demo_run: Run) -> None:
    beside = rows(demo_run.folder, "--compare", demo_run.folder)
    assert len(beside) == len(demo_run.plan)
    assert all(r["where"] == "both" and r["people_in_one"] == r["people_in_other"] for r in beside)


@pytest.mark.parametrize("given", [["--curve", "2,x"], ["--curve", "2", "--not-chosen", "3"]])
def test_what_makes_no_sense_is_refused(demo_run: Run, given: list[str]) -> None:
    result = CliRunner().invoke(group(), ["plan", str(demo_run.folder), *given])
    assert result.exit_code == 2
    assert "--curve" in result.output


def test_a_carrier_is_known_by_its_name(demo_run: Run) -> None:
    first = demo_run.carriers[0]
    assert rows(demo_run.folder, "--carrier", first.name) == rows(
        demo_run.folder, "--carrier", first.id
    )


def test_the_curve_is_told_in_words(demo_run: Run) -> None:
    with speaking("ja"):
        result = CliRunner().invoke(group(), ["plan", str(demo_run.folder), "--curve", "2"])
    assert result.exit_code == 0, result.output
    assert "最適" in result.stdout
    assert "optimal" not in result.stdout and "feasible" not in result.stdout
