"""The command line: one module per command, loaded when it is called.

Exit codes: 0 done, 1 a defect, 2 usage, 3 invalid input, 4 infeasible, 5 no solution in the time.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import TracebackType
from typing import Any, TextIO

import click

import tdh
from tdh import language
from tdh.cli import words
from tdh.errors import InputError, TdhError, refused
from tdh.language import Text

# A command's name, its module and what it does in a line, in the order of the help.
COMMANDS: dict[str, tuple[str, Text]] = {
    "init": (
        "tdh.cli.init",
        Text("Write a scenario, commented, to start from.", "説明つきのシナリオの雛形を書き出す。"),
    ),
    "check": (
        "tdh.cli.check",
        Text("Check scenarios and registers of assets.", "シナリオとアセット台帳を検査する。"),
    ),
    "run": (
        "tdh.cli.run",
        Text(
            "Compute a scenario: coverage, gaps, scores, plan, map.",
            "シナリオを計算する(エリア・ギャップ・スコア・計画・地図)。",
        ),
    ),
    "demo": (
        "tdh.cli.demo",
        Text("Run the bundled sample: Nishi-Shinjuku.", "同梱の例(西新宿)を計算する。"),
    ),
    "score": (
        "tdh.cli.score",
        Text("List the best-scored assets, and why.", "高スコアのアセットを内訳つきで示す。"),
    ),
    "plan": (
        "tdh.cli.plan",
        Text(
            "List which asset goes to which carrier, and why.",
            "どのアセットをどの事業者に、なぜ提供するかを示す。",
        ),
    ),
    "verify": (
        "tdh.cli.verify",
        Text("Count a plan again, without the solver.", "計画をソルバーなしで数え直す。"),
    ),
    "link": (
        "tdh.cli.link",
        Text("Explain one link, loss by loss.", "1つの回線を損失ごとに説明する。"),
    ),
    "calibrate": (
        "tdh.cli.calibrate",
        Text(
            "Correct the predictions of a run by drive tests.",
            "走行測定で予測モデルを較正する。",
        ),
    ),
    "kpi": (
        "tdh.cli.kpi",
        Text(
            "The programme's indicators; what fails in an outage.",
            "事業の指標。局が停止したときの影響。",
        ),
    ),
    "map": (
        "tdh.cli.map",
        Text("Draw the map again, in one HTML file.", "地図を1つのHTMLに描き直す。"),
    ),
    "report": (
        "tdh.cli.report",
        Text(
            "Write report, workbook, GIS and slides again.",
            "報告書・Excel・GIS・スライドを書き直す。",
        ),
    ),
    "package": (
        "tdh.cli.package",
        Text("Write what a carrier is sent.", "事業者に送るパッケージを作る。"),
    ),
    "match": (
        "tdh.cli.match",
        Text("Resolve a round: answers to awards.", "募集回を決する(回答から割当へ)。"),
    ),
    "register": (
        "tdh.cli.register",
        Text("The ledger of offers, requests and awards.", "提示・要望・割当の台帳。"),
    ),
    "scenario": (
        "tdh.cli.scenario",
        Text("Every key of a scenario; one as it resolves.", "シナリオの全項目と、解決後の内容。"),
    ),
}


class _Context(click.Context):
    formatter_class = words.Formatter


def _in_words(command: click.Command) -> click.Command:
    """A command whose help pages are written by :class:`tdh.cli.words.Formatter`, and its own."""
    command.context_class = _Context
    if isinstance(command, click.Group):
        for own in command.commands.values():
            _in_words(own)
    return command


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return _in_words(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, str(does)) for name, (_, does) in COMMANDS.items()])

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

    root.context_class = _Context
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
    sys.excepthook = _defect
    if not sys.warnoptions:
        warnings.showwarning = _show_warning
    try:
        group().main(args=arguments, prog_name="tdh", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        words.show_usage_error(error)
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
        _show(error.render())
        sys.exit(error.exit_code)
    except OSError as error:
        problem = refused(error)
        if problem is None:
            raise
        _show(problem.render())
        sys.exit(InputError.exit_code)


def _show(problems: str) -> None:
    click.echo(str(Text("Error:", "エラー:")), err=True)
    click.echo(problems, err=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print what tdh itself warns of, in a line; what libraries say among themselves is not shown."""
    if category.__module__.startswith("tdh."):
        click.echo(f"※ {message}", err=True)


def _defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say that an error nobody foresaw is not the user's, and keep its details for a report."""
    import tempfile
    import traceback

    if issubclass(kind, MemoryError):
        _show(
            str(
                Text(
                    "there is not enough memory\n    → choose a smaller area or larger cells",
                    "メモリが足りません\n    → 区域を小さくするか、セルを大きくしてください",
                )
            )
        )
        return
    details = "".join(traceback.format_exception(kind, error, trace))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tdh-defect-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(details)
    except OSError:
        _show(details)
        return
    _show(
        str(
            Text(
                "a defect of tdh, not of your data: {kind}: {error}\n    → please report it with the "
                "details in {path}",
                "tdhの不具合です(データの誤りではありません): {kind}: {error}\n    → 詳細 {path} を添えて"
                "報告してください",
                kind=kind.__name__,
                error=error,
                path=file.name,
            )
        )
    )
