"""``tdh link``: one link, line by line."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text, current


@click.command(
    "link",
    help=str(
        Text(
            "Explain the link from ASSET of the run folder RUN to a place: distance, line of sight or "
            "the blocking edge, each loss with its clause.",
            "計算フォルダのアセットから地点までの回線を、距離・見通しまたは遮る縁・各損失と根拠の順に示します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.argument("asset")
@click.argument("latitude", type=float)
@click.argument("longitude", type=float)
@click.option("--carrier", help=str(Text("Carrier (default: the first).", "事業者(既定は最初)。")))
@click.option(
    "--band", help=str(Text("Band (default: the carrier's first).", "バンド(既定は最初)。"))
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text(
            "Also draw the path profile: a file .svg or .png (PNG needs matplotlib).",
            "断面図も描く(.svg か .png。PNGはmatplotlibが必要)。",
        )
    ),
)
@options.overwrite
@options.as_json
@options.lang
def command(
    run: Path,
    asset: str,
    latitude: float,
    longitude: float,
    carrier: str | None,
    band: str | None,
    picture: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    import tdh
    from tdh.files import must_not_exist
    from tdh.pipeline import links

    if picture is not None:
        must_not_exist(picture, overwrite)
    link = links.explain(tdh.read_run(run), asset, latitude, longitude, carrier, band)
    if picture is not None:
        from tdh import reports

        reports.write_profile(link, picture)
    if as_json:
        options.print_json(link.to_dict(current()))
        return
    for line in link.lines:
        sign = " " if line.counts else "·"
        click.echo(f"{sign} {line.value:9.2f} {line.unit:4} {line.label}  [{line.clause}]")
    if link.edge is not None:
        click.echo(
            str(
                Text(
                    "blocked {at:.0f} m from the site by an edge of {top:.1f} m, {above:.1f} m above "
                    "the line",
                    "局から{at:.0f} mの高さ{top:.1f} mの縁が、見通し線より{above:.1f} m高く遮っています",
                    at=link.edge.distance_m,
                    top=link.edge.top_m,
                    above=link.edge.above_line_m,
                )
            )
        )
    covered = Text("covered", "圏内") if link.covered else Text("not covered", "圏外")
    click.echo(
        f"= {link.rsrp_dbm:.1f} dBm SS-RSRP, {covered} (≥ {link.band.covered_dbm:g} dBm), "
        f"P = {link.probability_covered:.0%}"
    )
