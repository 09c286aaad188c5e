"""``tdh run``: from a scenario to a run folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdh.cli import options
from tdh.cli.progress import Progress
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.results import Run


def show(run: Run, as_json: bool) -> None:
    """Print what a planner wants first: people in a gap before and after, and how near the best."""
    summary = run.summary
    if as_json:
        options.print_json({"run": str(run.folder), **summary})
        return
    before, after = summary["people_in_gap_before"], summary["people_in_gap_after"]
    for notice in run.notices:
        click.echo(f"※ {notice}")
    lines = [
        Text("People in a gap before: {n:,.0f}", "計画前にギャップにいる人: {n:,.0f}人", n=before),
        Text(
            "People in a gap after:  {n:,.0f} ({sites} offers)",
            "計画後にギャップにいる人: {n:,.0f}人 (提供 {sites}件)",
            n=after,
            sites=len(run.plan),
        ),
        _nearness(summary["gap"], summary["status"]),
        Text("Map:    {path}", "地図: {path}", path=run.folder / "map.html"),
        Text("Report: {path}", "報告書: {path}", path=run.folder / "report.html"),
    ]
    for line in lines:
        click.echo(str(line))


def _nearness(gap: float, status: str) -> Text:
    """How near the best the plan is, rounded so that it never claims more than is proven."""
    if status == "optimal":
        return Text(
            "How near the best:      no plan under these rules is better (proven)",
            "最適との近さ: この条件でこれより良い計画はありません(証明済み)",
        )
    share = math.floor((1 - gap) * 10_000) / 10_000
    return Text(
        "How near the best:      at least {share:.2%} of the best possible (proven)",
        "最適との近さ: 理論上の最良の {share:.2%} 以上(証明済み)",
        share=share,
    )


@click.command(
    "run",
    help=str(
        Text(
            "Compute SCENARIO into a run folder: coverage, gaps, scores, plan, maps, packages. Stages "
            "whose inputs have not changed are skipped.",
            "シナリオを計算し、エリア・ギャップ・スコア・計画・地図・パッケージを1つのフォルダに書き出します。"
            "入力の変わっていない段階は再利用します。",
        )
    ),
)
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help=str(Text("The run folder.", "出力フォルダ。")),
)
@options.variant
@options.overwrite
@options.as_json
@options.quiet
@options.lang
def command(
    scenario: Path,
    out: Path,
    override: str | None,
    settings: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    import tdh

    resolved = tdh.read_scenario(scenario, override, settings)
    show(tdh.run(resolved, out, overwrite=overwrite, report=Progress(quiet)), as_json)
