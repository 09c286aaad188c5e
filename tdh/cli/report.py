"""``tdh report``: the report, the workbook and the GeoPackage of a run, written again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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
@click.option(
    "--pdf",
    is_flag=True,
    help=str(Text("Also report.pdf (needs Chromium).", "report.pdf も書く(Chromiumが必要)。")),
)
@click.option(
    "--png",
    is_flag=True,
    help=str(
        Text("Also plan.png for slides (needs Chromium).", "plan.png も書く(Chromiumが必要)。")
    ),
)
@click.option("--kml", is_flag=True, help=str(Text("Also plan.kmz.", "plan.kmz も書く。")))
@click.option(
    "--czml",
    is_flag=True,
    help=str(Text("Also plan.czml for Cesium.", "Cesium用の plan.czml も書く。")),
)
@click.option(
    "--geoparquet",
    is_flag=True,
    help=str(
        Text("Also the tables as geoparquet/*.parquet.", "表を geoparquet/*.parquet にも書く。")
    ),
)
@click.option(
    "--slides",
    is_flag=True,
    help=str(
        Text(
            "Also slides/*.png, 16:9 (needs matplotlib).",
            "スライド用の slides/*.png も書く(matplotlibが必要)。",
        )
    ),
)
@click.option(
    "--buildings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=str(
        Text(
            "Also 3dtiles/CARRIER/tileset.json: the buildings of this file (outlines with heights, or "
            "CityGML), coloured by each carrier's signal with the plan, for Cesium.",
            "この建物ファイル(高さ付き外形またはCityGML)を計画後の電波で色分けした3D Tiles "
            "(3dtiles/事業者/tileset.json、Cesium用)も書く。",
        )
    ),
)
@options.overwrite
@options.lang
def command(
    run: Path,
    out: Path | None,
    pdf: bool,
    png: bool,
    kml: bool,
    czml: bool,
    geoparquet: bool,
    slides: bool,
    buildings: Path | None,
    overwrite: bool,
) -> None:
    import tdh
    from tdh import reports
    from tdh.files import must_not_exist

    opened = tdh.read_run(run)
    folder = out or run
    language = current()
    page = folder / "report.html"
    writers: dict[Path, Callable[[Path], object]] = {
        page: lambda p: reports.write_report(opened, p, language=language),
        folder / "offers.xlsx": lambda p: reports.write_workbook(opened, p, language=language),
        folder / "plan.gpkg": lambda p: reports.write_geopackage(opened, p),
    }
    if pdf:
        writers[folder / "report.pdf"] = lambda p: reports.write_pdf(page, p)
    if png:
        writers[folder / "plan.png"] = lambda p: reports.write_picture(opened, p, language)
    if kml:
        writers[folder / "plan.kmz"] = lambda p: reports.write_kml(opened, p, language)
    if czml:
        writers[folder / "plan.czml"] = lambda p: reports.write_czml(opened, p, language)
    if geoparquet:
        writers[folder / "geoparquet"] = lambda p: reports.write_geoparquet(opened, p)
    if buildings:
        frame = reports.read_buildings(buildings)
        for carrier in opened.carriers:
            writers[folder / "3dtiles" / carrier.id] = partial(
                _tiles, opened, frame=frame, carrier=carrier.id
            )
    if slides:
        writers[folder / "slides"] = lambda p: reports.write_slides(opened, p, language)
    for target in writers:
        must_not_exist(target, overwrite)
    for target, write in writers.items():
        write(target)
        click.echo(str(target))


def _tiles(run: Any, folder: Path, *, frame: Any, carrier: str) -> None:
    from tdh import reports

    reports.write_3d_tiles(run, folder, frame, carrier)
