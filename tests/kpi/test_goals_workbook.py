"""``tdh kpi``: the table of a run on the terminal, as JSON and as a workbook."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from tdh.cli import group
from tdh.errors import OverwriteError
from tdh.language import Language, speaking
from tdh.results import Run


def call(*arguments: object, language: Language = "en") -> str:
    with speaking(language):
        result = CliRunner().invoke(group(), [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_terminal_shows_what_is_stored(demo_run: Run) -> None:
    assert demo_run.kpis is not None
    english = call("kpi", demo_run.folder)
    assert "Not measured: the scenario gives no such data ([demand] roads)" in english
    assert "any carrier" in english
    japanese = call("kpi", demo_run.folder, "--municipalities", language="ja")
    assert "5G人口カバー率" in japanese
    assert "2社以上" in japanese
    assert "13104" in japanese
    rows = pd.DataFrame(json.loads(call("kpi", demo_run.folder, "--json")))
    stored = demo_run.kpis[demo_run.kpis["level"] == "metropolis"]
    assert len(rows) == 2 * len(stored)
    population = rows[(rows["kpi"] == "population") & (rows["carrier_id"] == "any")]
    assert population.set_index("state")["value"].to_dict() == pytest.approx(
        stored.set_index(["kpi", "carrier"]).loc[("population", "")][["before", "after"]].to_dict()
    )


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_workbook_holds_the_same_figures(
    demo_run: Run, tmp_path: Path, language: Language
) -> None:
    target = tmp_path / "goals.xlsx"
    call("kpi", demo_run.folder, "--xlsx", target, language=language)
    book = openpyxl.load_workbook(target)
    whole, local, _ = book.worksheets
    assert whole.title == ("全域" if language == "ja" else "Whole area")
    assert whole.freeze_panes == "C2"
    assert len(whole._charts) == 1
    assert demo_run.kpis is not None
    for sheet, level, first in ((whole, "metropolis", 1), (local, "municipality", 3)):
        stored = demo_run.kpis[demo_run.kpis["level"] == level].reset_index(drop=True)
        assert sheet.max_row == len(stored) + 1
        for i, row in stored.iterrows():
            shown = [sheet.cell(i + 2, first + 2 + k).value for k in range(2)]
            for value, column in zip(shown, ("before", "after"), strict=True):
                expected = row[column]
                assert (value is None) if pd.isna(expected) else value == pytest.approx(expected)
    assert whole.cell(2, 3).number_format == "0.0%"
    with pytest.raises(OverwriteError):
        call("kpi", demo_run.folder, "--xlsx", target)
