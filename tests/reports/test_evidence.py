"""What the report says of the evidence, traced to table ``present``."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tdh import schemas
from tdh.reports import evidence, report


@pytest.fixture
def present() -> pd.DataFrame:
    """A band that is measured in part, and one all of predictions."""
    rows = [
        ("docomo", "n78", "measured", 100, 90, 4321.0, 4000.0, 57, -2.5),
        ("docomo", "n78", "declared", 300, 300, 6543.0, 3000.0, 0, None),
        ("docomo", "n78", "none", 50, 0, 987.0, 0.0, 0, None),
        ("kddi", "n78", "predicted", 450, 200, 11851.0, 1000.0, 0, None),
    ]
    columns = ["carrier_id", "band", "evidence", "cells", "covered_cells", "people"]
    columns += ["covered_people", "points", "difference_db"]
    return schemas.conform(pd.DataFrame(rows, columns=columns), "present")


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "measured 50.0%, declared 37.5%, predicted 12.5%."),
        ("ja", "実測 50.0%、公表 37.5%、予測 12.5%。"),
    ],
)
def test_people_and_shares_by_evidence(
    fake_run: Any, present: pd.DataFrame, monkeypatch: Any, language: Any, line: str
) -> None:
    monkeypatch.setattr(fake_run, "present", present, raising=False)
    html = report.render(fake_run, language)
    assert line in html.split('id="rests-on"')[1].split("</li>")[0]
    table = html.split('id="evidence"')[1].split("</table>")[0]
    for row in present.itertuples():
        assert f"<td>{row.people:,.0f}</td><td>{row.covered_people:,.0f}</td>" in table


def test_nothing_is_said_without_the_table(fake_run: Any) -> None:
    assert evidence.shares(fake_run, "en") == []
    assert 'id="rests-on"' not in report.render(fake_run, "en")


def test_nobody_covered_has_no_shares(
    fake_run: Any, present: pd.DataFrame, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fake_run, "present", present.assign(covered_people=0.0), raising=False)
    assert evidence.shares(fake_run, "en") == []
