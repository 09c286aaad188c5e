"""Zips: written the same for the same content, and read as what a stranger sent."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tdh.errors import ExchangeError, Problem, refused
from tdh.files import atomic
from tdh.language import Text

MAX_ZIP_BYTES = 1_000_000_000
MAX_MEMBERS = 120_000
MAX_MEMBER_BYTES = 500_000_000
MAX_TOTAL_BYTES = 2_000_000_000
MAX_RATIO = 500
"""Most that a member may expand; text with few distinct values reaches about 200."""
_RATIO_FREE_BYTES = 1_000_000
"""A member below this size may expand as it likes."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (NotImplementedError, RuntimeError, ValueError)
"""What zipfile says of patches, passwords and names that it cannot decode."""


def write_zip(path: str | os.PathLike[str], members: Mapping[str, bytes]) -> None:
    """Write members under their names: the same bytes for the same members, at any time.

    Parameters
    ----------
    path : path
        The zip; it appears whole or not at all.
    members : mapping of str to bytes
        Name to content, in the order in which they are stored.
    """
    with atomic(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content, compresslevel=6)


def digest(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


class Archive:
    """A zip from a stranger: nothing of it is written to disk, and no limit is left to it.

    Parameters
    ----------
    path : path
        The zip.
    max_bytes, max_members, max_total : int
        Most bytes of the file, most members, most bytes of all members unpacked.

    Raises
    ------
    ExchangeError
        With all that is wrong with its directory: too large, too many, paths that leave the
        folder, links, encryption, names that occur twice.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_ZIP_BYTES,
        max_members: int = MAX_MEMBERS,
        max_total: int = MAX_TOTAL_BYTES,
    ) -> None:
        self.path = Path(path)
        self.max_bytes, self.max_members, self.max_total = max_bytes, max_members, max_total
        try:
            size = self.path.stat().st_size
            if size > max_bytes:
                raise ExchangeError(_too_large(str(path), size, max_bytes))
            self._zip = zipfile.ZipFile(self.path)
        except OSError as error:
            raise ExchangeError(
                refused(error, path)
                or Problem(
                    Text("the file cannot be read", "ファイルを読めません"),
                    value=error.strerror,
                    where=str(path),
                )
            ) from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise ExchangeError(
                Problem(
                    Text("the file is not a whole zip", "zipファイルではないか、壊れています"),
                    value=str(error),
                    where=str(path),
                    fix=Text("ask for it again", "もう一度受け取ってください"),
                )
            ) from None
        problems = self._directory()
        if problems:
            self._zip.close()
            raise ExchangeError(*problems)
        self.names = [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises
        ------
        ExchangeError
            If it is damaged, or larger than the directory says.
        """
        where = f"{self.path.name}/{name}"
        parts, size = [], 0
        try:
            stated = self._zip.getinfo(name).file_size
            with self._zip.open(name) as handle:
                while chunk := handle.read(_CHUNK):
                    size += len(chunk)
                    if size > stated:  # pragma: no cover - zipfile stops there by itself
                        raise ExchangeError(_too_large(where, size, stated))
                    parts.append(chunk)
        except (KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, *_UNREADABLE) as error:
            raise ExchangeError(_damaged(where, str(error))) from None
        return b"".join(parts)

    def _directory(self) -> list[Problem]:
        members = self._zip.infolist()
        where = self.path.name
        problems = []
        if len(members) > self.max_members:
            return [
                Problem(
                    Text("the zip has too many members", "zip内のファイル数が多すぎます"),
                    value=len(members),
                    expected=f"<= {self.max_members}",
                    where=where,
                )
            ]
        total = sum(info.file_size for info in members)
        if total > self.max_total:
            problems.append(_too_large(where, total, self.max_total))
        seen: set[str] = set()
        for info in members:
            name = info.filename
            place = f"{where}/{name}"
            if not _safe(name) or stat.S_ISLNK(info.external_attr >> 16):
                problems.append(
                    Problem(
                        Text(
                            "a member's path leaves the package, or is a link",
                            "パッケージの外を指すパス、またはリンクが含まれています",
                        ),
                        value=repr(name),
                        where=where,
                    )
                )
            if name.casefold() in seen:
                problems.append(
                    Problem(Text("a name occurs twice", "同じ名前が2度あります"), where=place)
                )
            seen.add(name.casefold())
            if info.flag_bits & 0x1 or info.compress_type not in _METHODS:
                problems.append(
                    Problem(
                        Text(
                            "a member is encrypted, or packed by a method that is not allowed",
                            "暗号化されているか、使えない方式で圧縮されています",
                        ),
                        where=place,
                    )
                )
            if info.file_size > MAX_MEMBER_BYTES or (
                info.file_size > _RATIO_FREE_BYTES
                and info.file_size > MAX_RATIO * max(info.compress_size, 1)
            ):
                problems.append(_too_large(place, info.file_size, MAX_MEMBER_BYTES))
        return problems


def _safe(name: str) -> bool:
    """Whether a member's name stays inside a folder on every system.

    >>> [_safe(n) for n in ("a/b.csv", "../a", "/etc/x", "C:/x", "a\\\\b", "a/../b", "")]
    [True, False, False, False, False, False, False]
    """
    if not name or "\\" in name or ":" in name or any(ord(c) < 32 for c in name):
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and not {"..", "."} & set(name.split("/"))


def _damaged(where: str, detail: str) -> Problem:
    return Problem(
        Text("a member is damaged", "ファイルが壊れています"),
        value=detail,
        where=where,
        fix=Text("ask for it again", "もう一度受け取ってください"),
    )


def _too_large(where: str, size: int, limit: int) -> Problem:
    return Problem(
        Text("it is larger than allowed, or expands beyond reason", "許容サイズを超えています"),
        value=f"{size:,} bytes",
        expected=f"<= {limit:,} bytes",
        where=where,
    )
