"""Files that are either whole or not there, and hashes of what they hold."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdh.errors import OverwriteError, Problem
from tdh.language import Text


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, moved to its final name when the block ends well.

    The file is written into a hidden folder beside its place, under its own name (so that drivers
    that look at the suffix are content), flushed to the disk and moved. If the block fails or the
    process is killed, nothing appears under the final name.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic(target) as path:
    ...     _ = path.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        error.filename = str(target)  # what was to be written, not the draft's name
        raise
    try:
        draft = folder / target.name
        yield draft
        if draft.is_file():
            with draft.open("rb") as handle:
                os.fsync(handle.fileno())
            draft.replace(target)
        elif draft.is_dir():
            if target.exists():
                target.replace(folder / f"{target.name}.old")
            draft.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def must_not_exist(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse to go on where something would be overwritten.

    Raises
    ------
    OverwriteError
        If the path exists (a folder: and is not empty) and ``overwrite`` is false.
    """
    path = Path(path)
    if overwrite or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    raise OverwriteError(
        Problem(
            Text("it exists already", "すでに存在します"),
            where=str(path),
            fix=Text(
                "choose another place, or say --overwrite (overwrite=True)",
                "別の場所を指定するか、--overwrite(overwrite=True)を付けてください",
            ),
        )
    )
