"""The command line: one module per command, loaded when it is called.

Exit codes: 0 done, 1 a defect, 2 usage, 3 invalid input, 4 infeasible, 5 no solution in the time.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

import tdh
from tdh import language
from tdh.errors import TdhError
from tdh.language import Text

# A command's name and its module, in the order of the help.
COMMANDS = {
    "init": "tdh.cli.init",
    "check": "tdh.cli.check",
    "run": "tdh.cli.run",
    "demo": "tdh.cli.demo",
    "score": "tdh.cli.score",
    "plan": "tdh.cli.plan",
    "verify": "tdh.cli.verify",
    "link": "tdh.cli.link",
    "kpi": "tdh.cli.kpi",
    "map": "tdh.cli.map",
    "report": "tdh.cli.report",
    "package": "tdh.cli.package",
    "match": "tdh.cli.match",
    "register": "tdh.cli.register",
    "scenario": "tdh.cli.scenario",
}


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        import difflib

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" → tdh {near[0]}" if near else f" ({', '.join(COMMANDS)})"
            text = Text("no such command: {name}", "そのコマンドはありません: {name}", name=args[0])
            ctx.fail(f"{text}{hint}")
        return super().resolve_command(ctx, args)


def _show_versions(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value:
        return
    from tdh.manifest import versions

    for name, version in versions().items():
        click.echo(f"{name:14} {version}")
    ctx.exit()


def group() -> click.Group:
    """The command ``tdh``, in the language in force."""

    @click.group(
        cls=_Commands,
        help=str(
            Text(
                "Which public assets to offer to which mobile carrier for 5G, why, and how near the "
                "best possible that is. Start with: tdh demo",
                "公共アセットをどの携帯事業者に5G用として提供するかを、根拠と最適性の保証つきで計画します。"
                "まずは: tdh demo",
            )
        ),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.version_option(tdh.__version__, prog_name="tdh")
    @click.option(
        "--show-versions",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_versions,
        help=str(Text("Show the versions of all libraries.", "ライブラリの版を表示します。")),
    )
    @click.option(
        "--lang",
        type=click.Choice(["ja", "en"]),
        expose_value=False,
        help=str(Text("Language of what people read.", "表示とレポートの言語。")),
    )
    def root() -> None:
        pass

    return root


def _wanted_language(arguments: list[str]) -> language.Language:
    """The language named anywhere on the command line; help is written before options are parsed."""
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        value = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and position + 1 < len(arguments):
            value = arguments[position + 1]
        if value in ("ja", "en"):
            return value  # type: ignore[return-value]
    return language.from_locale()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    arguments = sys.argv[1:] if arguments is None else arguments
    language.use(_wanted_language(arguments))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A console of another encoding shows a question mark instead of ending the run.
            stream.reconfigure(errors="replace")
    try:
        group().main(args=arguments, prog_name="tdh", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            str(
                Text(
                    "\nstopped; run it again to go on",
                    "\n中断しました。もう一度実行すると続きから再開します",
                )
            ),
            err=True,
        )
        sys.exit(130)
    except TdhError as error:
        click.echo(str(Text("Error:", "エラー:")), err=True)
        click.echo(error.render(), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
