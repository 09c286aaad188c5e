"""What click itself says, in the language in force: help pages and usage errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from tdh.language import Text, current

_HEADINGS = {"Options": "オプション", "Commands": "コマンド"}

# What click writes into the right column of a help page.
_OPTIONS = (
    (r"Show this message and exit\.", "この説明を表示します。"),
    (r"Show the version and exit\.", "版を表示します。"),
    (r"\[default: ", "[既定: "),
    (r"required\]", "必須]"),
)

# Messages of click's usage errors, whole; \\1 and \\2 are what they name.
_ERRORS = (
    (r"Missing (?:argument|parameter) '(.+?)'\.(.*)", r"引数 \1 が指定されていません。\2"),
    (r"Missing option '(.+?)'\.(.*)", r"オプション \1 が指定されていません。\2"),
    (r"Missing command\.", "コマンドが指定されていません。"),
    (r"No such command '(.+?)'\.(.*)", r"そのコマンドはありません: \1。\2"),
    (
        r"No such option:? '?(.+?)'?\.?(?: (.*Did you mean.*))?",
        r"そのオプションはありません: \1。\2",
    ),
    (r"Option '(.+?)' requires an argument\.", r"オプション \1 には値が必要です。"),
    (r"Option '(.+?)' requires (\d+) arguments\.", r"オプション \1 には値が\2個必要です。"),
    (r"Option '(.+?)' does not take a value\.", r"オプション \1 に値は付けられません。"),
    (r"Got unexpected extra arguments? \((.+)\)", r"余分な引数があります: \1"),
    (r"Invalid value for '?(.+?)'?: (.*)", r"\1 の値が正しくありません: \2"),
    (r"Invalid value: (.*)", r"値が正しくありません: \1"),
)

# What follows "Invalid value for …".
_VALUES = (
    (r"('.*') is not a valid integer(?: range)?\.", r"\1 は整数ではありません。"),
    (r"('.*') is not a valid float(?: range)?\.", r"\1 は数ではありません。"),
    (r"('.*') is not one of (.*)\.", r"\1 ではなく、\2 のいずれかを指定してください。"),
    (r"(\S+) is not in the range (.*)\.", r"\1 は範囲 \2 の外です。"),
    (r"(?:Directory|File|Path) ('.*') does not exist\.", r"\1 がありません。"),
    (r"Directory ('.*') is a file\.", r"\1 はフォルダではなくファイルです。"),
    (r"File ('.*') is a directory\.", r"\1 はファイルではなくフォルダです。"),
    (r"(?:Directory|File|Path) ('.*') is not readable\.", r"\1 を読む権限がありません。"),
    (r"(?:Directory|File|Path) ('.*') is not writable\.", r"\1 に書く権限がありません。"),
    (r"('.*') does not match the formats? (.*)\.", r"\1 は \2 の形ではありません。"),
)

_GUESSES = (
    (r"Did you mean (.+)\?", r"\1 ではありませんか?"),
    (r"\(Did you mean one of: (.+)\?\)", r"(\1 ではありませんか?)"),
)


def said(message: str) -> str:
    """A message of click in the language in force; what is not known stays English.

    >>> from tdh.language import speaking
    >>> with speaking("ja"):
    ...     said("Invalid value for '--top': 'x' is not a valid integer.")
    "--top の値が正しくありません: 'x' は整数ではありません。"
    """
    if current() != "ja":
        return message
    for patterns, whole in ((_ERRORS, True), (_VALUES, False), (_GUESSES, False)):
        for pattern, wording in patterns:
            match = (re.fullmatch if whole else re.search)(pattern, message, re.DOTALL)
            if match is not None:
                start, end = match.span()
                message = f"{message[:start]}{match.expand(wording)}{message[end:]}"
                break
    return message.strip()


def show_usage_error(error: click.UsageError) -> None:
    """Print a usage error on stderr: how the command is written, what is wrong, where help is."""
    if error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        click.echo(
            str(
                Text(
                    "Try '{command} --help' for help.\n",
                    "説明: {command} --help\n",
                    command=error.ctx.command_path,
                )
            ),
            err=True,
        )
    click.echo(f"{Text('Error:', 'エラー:')} {said(error.format_message())}", err=True)


class Formatter(click.HelpFormatter):
    """Click's help pages, their own words in the language in force."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, "使い方: " if current() == "ja" else prefix)

    def write_heading(self, heading: str) -> None:
        super().write_heading(_HEADINGS.get(heading, heading) if current() == "ja" else heading)

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **more: Any) -> None:
        if current() == "ja":
            rows = [(left, self._in_japanese(right)) for left, right in rows]
        super().write_dl(rows, *args, **more)

    @staticmethod
    def _in_japanese(text: str) -> str:
        for pattern, wording in _OPTIONS:
            text = re.sub(pattern, wording, text)
        return text
