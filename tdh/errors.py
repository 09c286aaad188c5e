"""Families of errors, and the problems that they carry.

Every error that tdh raises on purpose is a :class:`TdhError`; those that come from what a user
wrote or supplied are also :class:`ValueError`. An error holds all the problems that were found, not
only the first, and each says what is wrong, the value, what was expected, where, and how to mend
it. The command line turns a family into an exit code.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from tdh.language import Language, Text, current, printable

MAX_SHOWN = 50
MAX_LETTERS = 200
MAX_PLACE = 1000
"""Most letters that are shown of a value, and of the place where it stands."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in the words of whoever can mend it.

    Parameters
    ----------
    what : Text or str
        What is wrong.
    value : object, optional
        The value that was found.
    expected : Text or str, optional
        What would have been right.
    where : Text or str, optional
        File, sheet, row, column, or the key of a scenario.
    fix : Text or str, optional
        How to mend it.
    """

    what: Text | str
    value: object = None
    expected: Text | str | None = None
    where: Text | str | None = None
    fix: Text | str | None = None

    def render(self, language: Language | None = None) -> str:
        """One line (two with a fix) in a language, by default the one in force.

        >>> print(Problem("latitude is out of range", 139.7, "20 to 46", "a.csv, row 3"))
        a.csv, row 3: latitude is out of range: 139.7 (expected: 20 to 46)
        """
        language = language or current()

        def show(part: Text | str) -> str:
            return part.render(language) if isinstance(part, Text) else part

        line = show(self.what)
        if self.where is not None:
            line = f"{printable(show(self.where), MAX_PLACE)}: {line}"
        if self.value is not None:
            line += f": {printable(str(self.value), MAX_LETTERS)}"
        if self.expected is not None:
            word = "正しくは" if language == "ja" else "expected"
            line += f" ({word}: {show(self.expected)})"
        if self.fix is not None:
            line += f"\n    → {show(self.fix)}"
        return line

    def __str__(self) -> str:
        return self.render()


class TdhError(Exception):
    """The root of all errors of tdh.

    Parameters
    ----------
    *problems : Problem, Text or str
        Everything that was found wrong; at least one.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, *problems: Problem | Text | str) -> None:
        if not problems:
            raise TypeError(f"{type(self).__name__} needs at least one problem")
        self.problems: tuple[Problem, ...] = tuple(
            p if isinstance(p, Problem) else Problem(p) for p in problems
        )
        super().__init__(*problems)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> TdhError:
        """An error from a collection of problems."""
        return cls(*problems)

    def render(self, language: Language | None = None) -> str:
        """All problems, one under the other, at most fifty."""
        lines = [p.render(language) for p in self.problems[:MAX_SHOWN]]
        more = len(self.problems) - MAX_SHOWN
        if more > 0:
            lines.append(Text("… and {n} more", "… ほか {n} 件", n=more).render(language))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()


class InputError(TdhError, ValueError):
    """What the user wrote or supplied cannot be used as it is."""

    exit_code = 3


class ScenarioError(InputError):
    """A scenario says something impossible, unknown or contradictory."""


class RegisterError(InputError):
    """A register of assets cannot be read at all (single bad rows are findings, not errors)."""


class SchemaError(InputError):
    """A table does not have the columns, types or values that ``columns.csv`` asks for."""


class DomainError(InputError):
    """A number lies outside the range in which a model holds."""


class ExchangeError(InputError):
    """A package or an answer is damaged, of another round, or says something it may not."""


class OverwriteError(InputError):
    """Something is already there, and overwriting was not asked for."""


class InfeasibleError(TdhError):
    """No plan satisfies all limits; the problems say which of them conflict."""

    exit_code = 4


class NoSolutionError(TdhError):
    """No plan was found within the work or time allowed; one may exist."""

    exit_code = 5


# What the operating system refuses, and what helps; all else is a defect.
_REFUSED: dict[int, tuple[Text, Text | None]] = {
    errno.ENOENT: (
        Text("the file or folder is not there", "ファイルかフォルダがありません"),
        Text("check the path", "パスを確認してください"),
    ),
    errno.EACCES: (
        Text("no permission to read or write it", "読み書きの権限がありません"),
        Text(
            "close it if another program has it open, or choose another folder",
            "ほかのソフトで開いていれば閉じるか、別のフォルダを指定してください",
        ),
    ),
    errno.EROFS: (
        Text("the folder can only be read", "読み取り専用のフォルダです"),
        Text("choose another folder", "別のフォルダを指定してください"),
    ),
    errno.ENOSPC: (
        Text("the disk is full", "ディスクの空きがありません"),
        Text("free some space and run it again", "空きを作り、もう一度実行してください"),
    ),
    errno.ENOTDIR: (
        Text("a part of the path is a file, not a folder", "パスの途中がフォルダではありません"),
        Text("choose another folder", "別のフォルダを指定してください"),
    ),
    errno.EISDIR: (
        Text("it is a folder, not a file", "ファイルではなくフォルダです"),
        Text("name a file", "ファイルを指定してください"),
    ),
    errno.ENAMETOOLONG: (Text("the name is too long", "名前が長すぎます"), None),
}
_REFUSED[errno.EPERM] = _REFUSED[errno.EACCES]
_REFUSED[errno.EEXIST] = _REFUSED[errno.ENOTDIR]
if hasattr(errno, "EDQUOT"):  # not on Windows
    _REFUSED[errno.EDQUOT] = _REFUSED[errno.ENOSPC]


def refused(error: OSError, where: object = None) -> Problem | None:
    """What the operating system refused, in words; None if it is no matter of the user's files.

    Parameters
    ----------
    error : OSError
    where : path or str, optional
        The file, where the error does not name it.

    >>> print(refused(FileNotFoundError(2, "No such file or directory", "a.csv")))
    a.csv: the file or folder is not there
        → check the path
    """
    if error.errno not in _REFUSED:
        return None
    what, fix = _REFUSED[error.errno]
    place = error.filename2 or error.filename or where
    return Problem(what, where=None if place is None else str(place), fix=fix)
