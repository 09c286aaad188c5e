"""``tdh report``: the report, the workbook and the GeoPackage of a run, written again."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text, current


@click.command(
    "report",
    help=str(
        Text(
            "Write report.html, offers.xlsx and plan.gpkg of the run folder RUN again, in the language "
            "asked for.",
            "計算フォルダの report.html・offers.xlsx・plan.gpkg を、指定の言語で書き直します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=str(Text("Folder (default: RUN).", "出力フォルダ(既定は RUN)。")),
)
@options.overwrite
@options.lang
def command(run: Path, out: Path | None, overwrite: bool) -> None:
    import tdh
    from tdh import reports
    from tdh.files import must_not_exist

    opened = tdh.read_run(run)
    folder = out or run
    targets = [folder / name for name in ("report.html", "offers.xlsx", "plan.gpkg")]
    for target in targets:
        must_not_exist(target, overwrite)
    reports.write_report(opened, targets[0], language=current())
    reports.write_workbook(opened, targets[1], language=current())
    reports.write_geopackage(opened, targets[2])
    for target in targets:
        click.echo(str(target))
