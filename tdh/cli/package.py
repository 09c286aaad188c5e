"""``tdh package``: what a carrier is sent."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text


@click.command(
    "package",
    help=str(
        Text(
            "Write the package of a carrier from the run folder RUN. It holds nothing that derives "
            "from another carrier's data.",
            "計算フォルダから事業者向けパッケージを作ります。他社のデータに由来するものは入りません。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--carrier", required=True, help=str(Text("The carrier's id.", "事業者のid。")))
@click.option(
    "--round",
    "round_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(Text("Facts of the round (TOML).", "募集回の設定(TOML)。")),
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text(
            "The zip (default: RUN/packages/CARRIER.zip).", "zip(既定は RUN/packages/事業者.zip)。"
        )
    ),
)
@click.option(
    "--rings",
    "answer_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text(
            "Instead, answer the search rings of this answer with the assets inside them "
            "(default --out: RUN/packages/CARRIER-rings.zip).",
            "代わりに、この回答の探索範囲に、範囲内のアセットで回答します"
            "(--out の既定は RUN/packages/事業者-rings.zip)。",
        )
    ),
)
@click.option(
    "--sent",
    type=click.Path(dir_okay=False, path_type=Path),
    help=str(
        Text(
            "The package that the answer answers (default: RUN/packages/CARRIER.zip).",
            "回答の元になったパッケージ(既定は RUN/packages/事業者.zip)。",
        )
    ),
)
@options.overwrite
@options.lang
def command(
    run: Path,
    carrier: str,
    round_file: Path | None,
    out: Path | None,
    answer_file: Path | None,
    sent: Path | None,
    overwrite: bool,
) -> None:
    import tdh
    from tdh import exchange
    from tdh.errors import ExchangeError, Problem
    from tdh.files import must_not_exist

    opened = tdh.read_run(run)
    carrier = options.known_carrier(opened, carrier)
    if answer_file is not None:
        answer = exchange.read_answer(answer_file, sent or run / "packages" / f"{carrier}.zip")
        if answer.carrier != carrier:  # else its rings would be filed, and sent, as another's
            raise ExchangeError(
                Problem(
                    Text("it is another carrier's answer", "別の事業者の回答です"),
                    value=answer.carrier,
                    expected=carrier,
                    where=answer_file.name,
                )
            )
        target = out or run / "packages" / f"{carrier}-rings.zip"
        must_not_exist(target, overwrite)
        for row in exchange.write_rings(opened, answer, target).itertuples():
            click.echo(f"{row.ring}\t{row.assets}", err=True)
        click.echo(str(target))
        return
    facts = None if round_file is None else exchange.read_round(round_file)
    target = out or run / "packages" / f"{carrier}.zip"
    must_not_exist(target, overwrite)
    exchange.write_package(opened, carrier, target, round=facts)
    click.echo(str(target))
