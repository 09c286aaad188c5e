"""Scores of whole runs: parts that add up, ranks that stay, figures that lead back to tables."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import openpyxl
import pandas as pd
import pytest

import tdh
from tdh import scoring, units
from tdh.pipeline import STAGES
from tdh.pipeline.context import Context
from tdh.pipeline.engine import run_stages
from tdh.results import Run

SCENARIO = Path(__file__).parents[2] / "benchmarks" / "tokyo23.toml"


def adds_up(run: Run) -> None:
    for table in (run.scores, run.scores_public):
        parts = [c for c in table.columns if c.startswith("contribution_")]
        assert len(parts) == len(scoring.DEFAULT_WEIGHTS)
        assert np.abs(table[parts].sum(axis=1) - table["score"]).max() < 1e-9
        assert (table[parts] >= 0).all(axis=None)
        assert table["score"].between(0, 100).all()
        for _, own in table.groupby("carrier_id", observed=True):
            ordered = own.sort_values("rank")
            assert ordered["rank"].tolist() == list(range(1, len(own) + 1))
            assert np.diff(ordered["score"]).max() < 1e-9


def test_parts_of_the_demo_add_up(demo_run: Run) -> None:
    adds_up(demo_run)


@pytest.mark.real
def test_parts_of_a_real_run_add_up(data_dir: Path, tmp_path: Path) -> None:
    """Every asset, each of four carriers and the public, over the 23 wards in cells of 100 m."""
    told = tdh.read_scenario(SCENARIO)
    area = told.area.model_copy(update={"cell_size_m": 100.0})
    settings = told.coverage.model_copy(update={"choose_antennas": False})
    context = Context(
        told.model_copy(update={"area": area, "coverage": settings}), tmp_path / "run"
    )
    (context.folder / ".stages").mkdir(parents=True)
    upto = [stage.name for stage in STAGES].index("scores") + 1
    run_stages(STAGES[:upto], context)
    assert len(context.run.scores) > 15_000
    adds_up(context.run)


@pytest.mark.parametrize("top", [5, 20])
def test_ranking_stability_against_brute_force(demo_run: Run, top: int) -> None:
    """Weights drawn one by one, scores added and sorted: within the error of the draws."""
    table = demo_run.scores
    draws = 1000
    own = scoring.stability(table, top, spread=0.25, samples=draws, seed=3)
    rng = np.random.default_rng(99)  # other draws than the library's
    names = [c for c in table.columns if c.startswith("contribution_")]
    undecided = 0
    for _, rows in table.groupby("carrier_id", observed=True):
        ordered = rows.sort_values("rank")
        points = ordered[names].fillna(0.0).to_numpy()
        count = np.zeros(len(ordered))
        for _ in range(draws):
            drawn = (points * rng.lognormal(0.0, 0.25, len(names))).sum(axis=1).round(9)
            count[np.argsort(-drawn, kind="stable")[:top]] += 1
        share = pd.Series(count / draws, index=ordered.index)
        pooled = (share + own[share.index]) / 2
        error = np.sqrt(2 * pooled * (1 - pooled) / draws)
        assert ((share - own[share.index]).abs() <= 4.5 * error + 1e-12).all()
        undecided += int(share.between(0.05, 0.95).sum())
    assert undecided > 0


def test_stays_in_top_is_the_tables_own(demo_run: Run) -> None:
    top = demo_run.scenario.scoring.top
    share = demo_run.scores["stays_in_top"]
    for _, own in demo_run.scores.groupby("carrier_id", observed=True):
        assert share[own.index].sum() == pytest.approx(min(top, len(own)))


class Sheets(HTMLParser):
    """Annex of offered assets: what stands in the table of offers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.asset = ""
        self.row: list[str] | None = None
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "article" and (given.get("id") or "").startswith("asset-"):
            self.asset = unquote(str(given["id"]).removeprefix("asset-"))
        elif tag == "tr" and self.asset:
            self.row = []
        elif tag in ("td", "th") and self.row is not None:
            self.row.append("")
            self.inside = True

    def handle_data(self, data: str) -> None:
        if self.row and self.inside:
            self.row[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False
        elif tag == "tr" and self.row is not None:
            if len(self.row) == 8 and re.fullmatch(r"\d+", self.row[1].strip()):
                self.rows.append([self.asset, *(cell.strip() for cell in self.row)])
            self.row = None
        elif tag == "article":
            self.asset = ""


def test_each_score_of_the_report_stands_in_a_table(demo_run: Run) -> None:
    parser = Sheets()
    parser.feed((demo_run.folder / "report.html").read_text(encoding="utf-8"))
    assert len(parser.rows) == len(demo_run.plan)
    names = {c.name: c.id for c in demo_run.carriers}
    plan = demo_run.plan.set_index(["asset_id", "carrier_id"])
    scores = demo_run.scores.set_index(["asset_id", "carrier_id"])
    for asset, carrier, order, _, gained, lost, score, rank, stays in parser.rows:
        key = (asset, next(names[name] for name in names if carrier.endswith(name)))
        assert int(order) == plan.loc[key, "order"]
        assert gained == f"{plan.loc[key, 'people_gained']:,.0f}"
        assert lost == f"{plan.loc[key, 'people_lost_without']:,.0f}"
        assert score == f"{scores.loc[key, 'score']:.1f}"
        assert rank == f"{scores.loc[key, 'rank']:,}"
        assert stays == units.percent(scores.loc[key, "stays_in_top"], 0)


TITLES = {
    "アセットID": "Id",
    "提供先": "Carrier",
    "スコア (0–100)": "Score (0–100)",
    "順位": "Rank",
    "最高スコア (0–100)": "Best score (0–100)",
    "公共スコア (0–100)": "For the public: score (0–100)",
    "公共スコア順位": "For the public: rank",
}


def tables_of(path: Path) -> list[pd.DataFrame]:
    """Sheets that begin with a line of titles, in English whatever the workbook's language."""
    book = openpyxl.load_workbook(path, read_only=True)
    sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
    book.close()
    return [
        pd.DataFrame(rows[1:], columns=[TITLES.get(str(t), str(t)) for t in rows[0]])
        for rows in sheets
    ]


def test_each_score_of_the_workbook_stands_in_a_table(demo_run: Run) -> None:
    sheets = tables_of(demo_run.folder / "offers.xlsx")
    scores = demo_run.scores
    by_key = scores.set_index(["asset_id", "carrier_id"])
    best = scores.groupby("asset_id")["score"].max()
    names = {c.name: c.id for c in demo_run.carriers}
    offers = next(t for t in sheets if "Score (0–100)" in t)
    assert len(offers) == len(demo_run.plan)
    keys = list(zip(offers["Id"], offers["Carrier"].map(names), strict=True))
    for shown, column in (("Score (0–100)", "score"), ("Rank", "rank")):
        assert offers[shown].to_numpy(float) == pytest.approx(by_key.loc[keys, column].to_numpy())
    top = demo_run.scenario.scoring.top
    (stays,) = [c for c in offers if c in (f"In best {top} (%)", f"上位{top}維持率 (%)")]
    shares = by_key.loc[keys, "stays_in_top"].to_numpy()
    assert offers[stays].to_numpy(float) == pytest.approx(100 * shares)
    assets = next(t for t in sheets if "Best score (0–100)" in t)
    assert set(assets["Id"]) == set(best.index)
    ids = assets["Id"].tolist()
    assert assets["Best score (0–100)"].to_numpy(float) == pytest.approx(best[ids].to_numpy())
    public = demo_run.scores_public.set_index("asset_id").loc[ids]
    for shown, column in (
        ("For the public: score (0–100)", "score"),
        ("For the public: rank", "rank"),
    ):
        assert assets[shown].to_numpy(float) == pytest.approx(public[column].to_numpy(float))
    for name, carrier in names.items():
        rows = by_key.loc[[(i, carrier) for i in ids]]
        of_carrier = [c for c in assets.columns if c.startswith(name)]
        assert len(of_carrier) == 3  # offered, people newly served, rank
        for shown, column in zip(of_carrier[1:], ("people_newly_served", "rank"), strict=True):
            assert assets[shown].to_numpy(float) == pytest.approx(rows[column].to_numpy(float))
