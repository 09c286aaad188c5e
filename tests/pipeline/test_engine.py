"""Stages run again only when what they stand on has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tdh.language import Text
from tdh.manifest import StageRecord
from tdh.pipeline.engine import Stage, run_stages


class Context:
    def __init__(self, folder: Path, scenario: dict[str, Any]) -> None:
        self.folder = folder
        self.scenario = scenario
        self.ran: list[str] = []
        self.told: list[StageRecord] = []

    def finished(self, record: StageRecord) -> None:
        self.told.append(record)


def stage(name: str, reads: list[str], after: tuple[str, ...] = (), fail: bool = False) -> Stage:
    def work(context: Context) -> dict[str, Any]:
        context.ran.append(name)
        if fail:
            raise RuntimeError(name)
        (context.folder / name).write_text(str([context.scenario[r] for r in reads]))
        return {"name": name}

    return Stage(
        name,
        Text(name, name),
        work,
        lambda scenario: [scenario[r] for r in reads],  # type: ignore[index]
        lambda scenario: [name],
        after,
    )


STAGES = [stage("a", ["x"]), stage("b", ["y"]), stage("c", ["z"], after=("a",))]


def ran(folder: Path, scenario: dict[str, Any], stages: list[Stage] = STAGES) -> list[str]:
    context = Context(folder, scenario)
    run_stages(stages, context)
    assert [r.name for r in context.told] == [s.name for s in stages]
    assert all(r.facts == {"name": r.name} for r in context.told)
    return context.ran


def test_only_what_has_changed_runs_again(tmp_path: Path) -> None:
    (tmp_path / "input.csv").write_text("1")
    scenario = {"x": [tmp_path / "input.csv"], "y": 1, "z": 1}
    assert ran(tmp_path, scenario) == ["a", "b", "c"]
    assert ran(tmp_path, scenario) == []
    assert ran(tmp_path, {**scenario, "y": 2}) == ["b"]
    assert ran(tmp_path, {**scenario, "y": 2, "z": 2}) == ["c"]
    (tmp_path / "input.csv").write_text("22")
    assert ran(tmp_path, {**scenario, "y": 2, "z": 2}) == ["a", "c"]


def test_an_output_that_was_touched_or_lost_is_made_again(tmp_path: Path) -> None:
    scenario = {"x": 1, "y": 1, "z": 1}
    ran(tmp_path, scenario)
    (tmp_path / "b").write_text("changed by hand")
    (tmp_path / "c").unlink()
    assert ran(tmp_path, scenario) == ["b", "c"]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    scenario = {"x": 1, "y": 1, "z": 1}
    broken = [STAGES[0], stage("b", ["y"], fail=True), STAGES[2]]
    context = Context(tmp_path, scenario)
    with pytest.raises(RuntimeError):
        run_stages(broken, context)
    assert context.ran == ["a", "b"]
    assert ran(tmp_path, scenario) == ["b", "c"]


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    scenario = {"x": 1, "y": 1, "z": 1}
    ran(tmp_path, scenario)
    (tmp_path / ".stages" / "a.json").write_text("{")
    assert ran(tmp_path, scenario) == ["a"]


def test_a_whole_number_read_back_as_a_float_is_no_change(tmp_path: Path) -> None:
    assert ran(tmp_path, {"x": 500, "y": {"k": [1, 2]}, "z": True}) == ["a", "b", "c"]
    assert ran(tmp_path, {"x": 500.0, "y": {"k": [1.0, 2.0]}, "z": True}) == []
    assert ran(tmp_path, {"x": 500.5, "y": {"k": [1, 2]}, "z": True}) == ["a", "c"]


def test_a_run_that_fails_leaves_nothing_of_another_scenario(tmp_path: Path) -> None:
    scenario = {"x": 1, "y": 1, "z": 1}
    ran(tmp_path, scenario)
    context = Context(tmp_path, {**scenario, "x": 2})
    with pytest.raises(RuntimeError):
        run_stages([stage("a", ["x"], fail=True), *STAGES[1:]], context)
    # What stands on what has changed is gone, what does not is not.
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["b"]
    assert ran(tmp_path, scenario) == ["a", "c"]


def test_outputs_of_an_earlier_scenario_alone_are_taken_away(tmp_path: Path) -> None:
    def several(*names: str) -> Stage:
        def work(context: Context) -> dict[str, Any]:
            for name in names:
                (context.folder / name).write_text(name)
            return {}

        return Stage("a", Text("a", "a"), work, lambda s: list(names), lambda s: list(names))

    run_stages([several("one", "two")], Context(tmp_path, {}))
    run_stages([several("one")], Context(tmp_path, {}))
    assert (tmp_path / "one").exists() and not (tmp_path / "two").exists()
