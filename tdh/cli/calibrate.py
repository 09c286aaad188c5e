"""``tdh calibrate``: a run's predictions corrected by drive tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdh.cli import options
from tdh.language import Text

if TYPE_CHECKING:
    from tdh.pipeline.calibrating import Calibration

_ROWS = {
    "before": Text("the model as it is", "いまのモデル"),
    "calibrated": Text("calibrated, as a run uses it", "較正後(計算で使うもの)"),
    "offsets": Text("and an offset of each site (Python)", "局ごとの補正も(Python)"),
    "trees": Text("and trees on clutter and density (Python)", "周囲の建物から学習(Python)"),
    "places": Text("and measured places near by (Python)", "近くの測定値も使う(Python)"),
    "both": Text("and trees and places (Python)", "学習と近くの測定値(Python)"),
}


@click.command(
    "calibrate",
    help=str(
        Text(
            "Correct how the run folder RUN predicts signals by drive tests (CSV, whose rows name the "
            "site), and say how far predictions err at places and sites that the correction did not "
            "see. Without TESTS: the drive tests of the run's scenario.",
            "走行測定(CSV。行ごとに局名が必要)で計算フォルダの予測モデルを較正し、較正に使っていない場所や"
            "局での誤差を示します。CSVを省くとシナリオの走行測定を使います。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.argument("tests", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--carrier", help=str(Text("Carrier (default: the first).", "事業者(既定は最初)。")))
@click.option(
    "--band", help=str(Text("Band (default: the carrier's first).", "バンド(既定は最初)。"))
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=NAME",
    help=str(
        Text(
            "Take a field (site, rsrp_dbm, latitude, longitude, device) from this column; may be "
            "repeated.",
            "項目(site、rsrp_dbm、latitude、longitude、device)を読む列名。複数可。",
        )
    ),
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text(
            "Write the corrected model here (JSON), for coverage.calibration of a scenario.",
            "較正したモデルの書き出し先(JSON)。シナリオの coverage.calibration で使います。",
        )
    ),
)
@options.overwrite
@options.as_json
@options.lang
def command(
    run: Path,
    tests: tuple[Path, ...],
    carrier: str | None,
    band: str | None,
    columns: tuple[str, ...],
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    import tdh
    from tdh.files import must_not_exist

    taken = {}
    for given in columns:
        field, equals, name = given.partition("=")
        if not equals:
            raise click.BadParameter(given, param_hint="--column FIELD=NAME")
        taken[field] = name
    if out is not None:
        must_not_exist(out, overwrite)
    found = tdh.calibrate(run, tests, carrier=carrier, band=band, columns=taken, out=out)
    if as_json:
        options.print_json(_told(found))
    else:
        _show(found)
    for doubt in found.doubts():
        click.echo(f"※ {doubt}", err=True)
    if out is not None:
        text = Text(
            "written: {out}; use it, for all carriers and bands: "
            "tdh run SCENARIO --set coverage.calibration={path}",
            "書き出しました: {out}。使い方(全事業者・全バンドに効きます): "
            "tdh run シナリオ --set coverage.calibration={path}",
            out=out,
            path=out.resolve(),
        )
        click.echo(str(text), err=True)


def _told(found: Calibration) -> dict[str, object]:
    return {
        "carrier_id": found.carrier_id,
        "band": found.band_id,
        "squares": len(found.links),
        "left_out": found.left_out,
        "rmse_db": {
            row: {k: None if math.isnan(v) else v for k, v in values.items()}
            for row, values in found.errors.to_dict(orient="index").items()
        },
        "helps": found.helps,
        "doubts": [str(doubt) for doubt in found.doubts()],
        "changes": {k: {"before": a, "after": b} for k, (a, b) in found.changes().items()},
        "sites": found.sites.reset_index().to_dict(orient="records"),
    }


def _show(found: Calibration) -> None:
    from tdh.pipeline import calibrating

    text = Text(
        "{carrier} {band}: {n:,} squares of 10 m, sites: {sites}",
        "{carrier} {band}: 局{sites}、10 m四方の区画{n:,}",
        carrier=found.carrier_id,
        band=found.band_id,
        n=len(found.links),
        sites=len(found.sites),
    )
    click.echo(str(text))
    for reason, n in found.left_out.items():
        click.echo(f"  {calibrating.left_out_words(reason, n)}")
    click.echo(
        str(
            Text(
                "RMSE in dB, at blocks of 100 m and at sites left out:",
                "誤差(RMSE、dB)。左は除外した100 m区画、右は除外した局:",
            )
        )
    )
    for row, blocks, sites in found.errors.itertuples():
        at_sites = "     –" if math.isnan(sites) else f"{sites:6.2f}"
        click.echo(f"{blocks:8.2f} {at_sites}  {_ROWS[row]}")
    for name, (before, after) in found.changes().items():
        click.echo(f"  {name}: {before:g} → {after:.3g}")
