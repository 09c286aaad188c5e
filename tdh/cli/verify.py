"""``tdh verify``: a finished run counted again."""

from __future__ import annotations

from pathlib import Path

import click

from tdh.cli import options
from tdh.language import Text


@click.command(
    "verify",
    help=str(
        Text(
            "Count the plan of the run folder RUN again from its tables and footprints, with nothing "
            "of the solver.",
            "計算フォルダの計画を、ソルバーを使わず表とフットプリントから数え直します。",
        )
    ),
)
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@options.as_json
@options.lang
def command(run: Path, as_json: bool) -> None:
    import tdh
    from tdh.errors import TdhError
    from tdh.pipeline import checks

    opened = tdh.read_run(run)
    problems = checks.verify(opened)
    if as_json:
        options.print_json({"ok": not problems, "problems": [str(p) for p in problems]})
    if problems:
        raise TdhError(*problems)
    if not as_json:
        click.echo(
            str(
                Text(
                    "the plan keeps every limit, and serves what it says ({n:,.1f} people)",
                    "計画はすべての条件を満たし、記載どおりの人数({n:,.1f}人)をカバーします",
                    n=opened.summary["objective"],
                )
            )
        )
