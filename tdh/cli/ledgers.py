"""What the commands of the register share: how a ledger is named, opened and asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdh.language import Text

if TYPE_CHECKING:
    from tdh.register import Register

FILE = click.Path(dir_okay=False, path_type=Path)


class Ledger(click.ParamType):
    """The path of a register, or the URL of one on a server."""

    name = "file or postgresql://"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | Path:
        return value if "://" in str(value) else Path(FILE.convert(value, param, ctx))


LEDGER = Ledger()
WHO = click.option("--who", required=True, help=str(Text("Who records it.", "記録する人。")))
WHY = click.option("--why", default="", help=str(Text("Why.", "理由。")))
AS_OF = click.option(
    "--as-of",
    help=str(Text("As of the end of a day (ISO 8601).", "その日の終わりの時点(ISO 8601)。")),
)
KNOWN = click.option(
    "--known",
    help=str(
        Text(
            "Only what had been recorded by the end of that day.",
            "その日の終わりまでに記録されたものだけ。",
        )
    ),
)
XLSX = click.option(
    "--xlsx",
    "--out",
    "out",
    type=FILE,
    help=str(Text("Write it to an .xlsx.", "xlsxに書きます。")),
)


def filters(function: Callable[..., None]) -> Callable[..., None]:
    for name, text in (
        ("--round", Text("Only this round's.", "この募集回だけ。")),
        ("--carrier", Text("Only this carrier's.", "この事業者だけ。")),
        ("--asset", Text("Only this asset's.", "このアセットだけ。")),
    ):
        function = click.option(name, help=str(text))(function)
    return function


def opened(ledger: str | Path) -> Register:
    """A ledger that is there."""
    from tdh.errors import InputError, Problem
    from tdh.register import Register

    if isinstance(ledger, Path) and not ledger.exists():
        raise InputError(
            Problem(
                Text("the register is not there", "台帳がありません"),
                where=str(ledger),
                fix=Text(
                    "make one with: tdh register list, load, import or init",
                    "tdh register list・load・import・init で作れます",
                ),
            )
        )
    return Register(ledger)
