"""Zip archives: what they hold is read in memory within bounds; nothing is unpacked by its own path."""

from __future__ import annotations

import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tdh.errors import Problem, RegisterError
from tdh.inventory import geofiles
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_UNPACKED = 1 << 30
MAX_RATIO = 200
MAX_MEMBERS = 10_000
MAX_DEPTH = 2
_SIDE = {".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qpj", ".qmd", ".shp.xml", ".fix"}
_SKIP = {".pdf", ".txt", ".md", ".html", ".htm", ".png", ".jpg", ".jpeg", ".gif", ".xsd", ".qml",
         ".lyr", ".sld", ".doc", ".docx", ".tif", ".tiff", ".jgw", ".css", ".js"}  # fmt: skip
_ORDER = [".gpkg", ".geojson", ".shp", ".fgb", ".parquet", ".csv", ".tsv", ".xlsx", ".json", ".kml",
          ".kmz", ".gml", ".xml", ".zip"]  # fmt: skip

Reader = Callable[[bytes, str, int], list[RawTable]]


def _refuse(
    what: Text, name: str, value: str | None = None, expected: str | None = None
) -> RegisterError:
    return RegisterError(
        Problem(
            what,
            value=value,
            expected=expected,
            where=name,
            fix=Text(
                "unpack it and name the file inside", "展開して中のファイルを指定してください"
            ),
        )
    )


@contextmanager
def opened(data: bytes, name: str) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose table of contents is within bounds.

    Raises
    ------
    RegisterError
        If it is damaged, encrypted, or would swell beyond the bounds.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _refuse(
            Text("the archive is damaged", "圧縮ファイルが壊れています"), name, str(error)
        ) from error
    with archive:
        members = archive.infolist()
        total = sum(m.file_size for m in members)
        if len(members) > MAX_MEMBERS:
            raise _refuse(
                Text("the archive has too many members", "圧縮ファイルの中身が多すぎます"),
                name, f"{len(members):,}", f"<= {MAX_MEMBERS:,}",
            )  # fmt: skip
        if total > MAX_UNPACKED or (total > 50 << 20 and total > MAX_RATIO * max(1, len(data))):
            raise _refuse(
                Text("the archive swells beyond reason", "展開すると大きくなりすぎます"),
                name, f"{total:,} bytes", f"<= {MAX_UNPACKED:,} bytes, {MAX_RATIO} times",
            )  # fmt: skip
        if any(m.flag_bits & 1 for m in members):
            raise _refuse(
                Text("the archive is encrypted", "圧縮ファイルが暗号化されています"), name
            )
        yield archive


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name; those of old Japanese archives are CP932 that was taken for CP437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("cp932")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return info.filename


def member_bytes(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, limit: int | None = None
) -> bytes:
    """A member's bytes; never more than its entry in the table of contents states."""
    try:
        with archive.open(info) as handle:
            data = handle.read(limit or info.file_size + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
    ) as error:
        raise _refuse(
            Text("the archive is damaged", "圧縮ファイルが壊れています"), name, str(error)
        ) from error
    if len(data) > info.file_size:
        raise _refuse(
            Text("the archive lies about its sizes", "圧縮ファイルの記載が不正です"), name
        )
    return data


def read(data: bytes, name: str, depth: int, read_bytes: Reader) -> list[RawTable]:
    """The registers in an archive: of copies in several formats or encodings one is read.

    Parameters
    ----------
    data : bytes
    name : str
        For messages.
    depth : int
        How many archives deep this is.
    read_bytes : callable
        Reads a member that is a file of its own.
    """
    if depth >= MAX_DEPTH:
        raise _refuse(
            Text("archives are nested too deeply", "圧縮ファイルの入れ子が深すぎます"), name
        )
    with opened(data, name) as archive:
        members = {
            member_name(info): info
            for info in archive.infolist()
            if not info.is_dir() and "__MACOSX" not in info.filename and info.file_size > 0
        }
        stops = [n for n in members if PurePosixPath(n).name == "stops.txt"]
        if stops:
            tables = read_bytes(
                member_bytes(archive, members[stops[0]], name), "stops.txt", depth + 1
            )
            return _labelled(tables, "gtfs", "stops.txt")
        chosen = _choose(list(members))
        if not chosen:
            raise _refuse(
                Text("the archive holds no register", "圧縮ファイルに台帳がありません"),
                name, ", ".join(list(members)[:10]) or "0",
            )  # fmt: skip
        return _read_chosen(archive, members, chosen, name, depth, read_bytes)


def _read_chosen(
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    chosen: list[str],
    name: str,
    depth: int,
    read_bytes: Reader,
) -> list[RawTable]:
    tables: list[RawTable] = []
    problems: list[Problem] = []
    for member in chosen:
        try:
            if member.lower().endswith(".shp"):
                found = _shapefile(archive, members, member, name)
            else:
                found = read_bytes(member_bytes(archive, members[member], name), member, depth + 1)
        except RegisterError as error:
            problems.extend(error.problems)
            continue
        tables.extend(_labelled(found, f"zip:{found[0].format}", PurePosixPath(member).stem))
    if not tables:
        raise RegisterError(*problems)
    for problem in problems:
        tables[0].note("skipped_part", before=str(problem.where or ""), reason=str(problem.what))
    return tables


def _labelled(tables: list[RawTable], format: str, part: str) -> list[RawTable]:
    for table in tables:
        table.format = format
        table.part = f"{part} {table.part}".strip()
    return tables


def _choose(names: list[str]) -> list[str]:
    """Members that are registers, one of each stem: the richest format, not the old encoding."""
    best: dict[str, tuple[tuple[int, int, str], str]] = {}
    for member in names:
        path = PurePosixPath(member)
        suffix = path.suffix.lower()
        if suffix in _SIDE or suffix in _SKIP or path.name.startswith("."):
            continue
        if path.stem.lower() in ("meta", "metadata", "readme") or "META" in path.stem:
            continue
        rank = _ORDER.index(suffix) if suffix in _ORDER else len(_ORDER)
        old = int("shift" in member.lower() or "sjis" in member.lower())
        key = path.stem.lower()
        candidate = ((old, rank, member), member)
        if key not in best or candidate < best[key]:
            best[key] = candidate
    return [member for _, member in sorted(best.values(), key=lambda pair: pair[1])]


def _shapefile(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], member: str, name: str
) -> list[RawTable]:
    """A Shapefile and its companions, written under names of our own choice."""
    stem = member[:-4].lower()
    with tempfile.TemporaryDirectory() as folder:
        for other, info in members.items():
            suffix = PurePosixPath(other).suffix.lower()
            if other[: -len(suffix)].lower() == stem and suffix in _SIDE | {".shp"}:
                (Path(folder) / f"register{suffix}").write_bytes(member_bytes(archive, info, name))
        return geofiles.read_shapefile(Path(folder) / "register.shp", f"{name}: {member}")
