"""Opening a register by what it contains, whatever its name says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from tdh.errors import Problem, RegisterError
from tdh.inventory import archives, excel, geofiles, jsonfiles, textfiles, xmlfiles
from tdh.inventory.tables import RawTable
from tdh.language import Text

_HEAD = 4096


def open_register(path: str | os.PathLike[str]) -> tuple[list[RawTable], str]:
    """The tables of a register, and its name.

    Parameters
    ----------
    path : str or path
        A file or its ``file`` URL, ``-`` for standard input, or another URL (``http``, ``https``)
        where fsspec is installed.

    Raises
    ------
    RegisterError
        If it is not there, too large, or no register.
    """
    text = os.fspath(path)
    if text == "-":
        data = sys.stdin.buffer.read(textfiles.MAX_BYTES + 1)
        return read_bytes(data, "stdin"), "stdin"
    if text.lower().startswith("file://"):
        text = url2pathname(urlsplit(text).path)
        path = text
    if re.match(r"^[a-z][a-z0-9+]+://", text):
        name = PurePosixPath(unquote(urlsplit(text).path)).name or "register"
        return read_bytes(_fetch(text), name), name
    file = Path(path)
    if file.is_dir() and file.suffix.lower() != ".gdb":
        raise RegisterError(
            Problem(
                Text("this is a folder, not a file", "ファイルではなくフォルダーです"),
                where=text,
                fix=Text("name the files in it", "中のファイルを指定してください"),
            )
        )
    if not file.exists():
        raise RegisterError(
            Problem(
                Text("there is no such file", "ファイルがありません"),
                where=text,
                fix=Text("check the path", "パスを確認してください"),
            )
        )
    size = file.stat().st_size
    if size > textfiles.MAX_BYTES:
        raise too_large(size, text)
    try:
        return _read_file(file), file.name
    except OSError as error:
        raise RegisterError(
            Problem(Text("the file cannot be read", "ファイルを読めません"), str(error), where=text)
        ) from error


def too_large(size: int, where: str) -> RegisterError:
    """The error of a file beyond the bound."""
    return RegisterError(
        Problem(
            Text("the file is too large", "ファイルが大きすぎます"),
            value=f"{size:,} bytes",
            expected=f"<= {textfiles.MAX_BYTES:,} bytes",
            where=where,
            fix=Text("split it", "分割してください"),
        )
    )


def _fetch(url: str) -> bytes:
    try:
        import fsspec
    except ImportError as error:
        raise RegisterError(
            Problem(
                Text("URLs need the package fsspec", "URLを読むにはfsspecが必要です"),
                where=url,
                fix=Text(
                    "download the file first, or install fsspec",
                    "先にダウンロードするか、fsspecを導入してください",
                ),
            )
        ) from error
    try:
        with fsspec.open(url, "rb") as handle:
            data: bytes = handle.read(textfiles.MAX_BYTES + 1)
    except (OSError, ValueError, ImportError) as error:
        raise RegisterError(
            Problem(Text("the URL cannot be read", "URLを読めません"), str(error), where=url)
        ) from error
    return data


def _read_file(file: Path) -> list[RawTable]:
    """A file on disk; geographic formats are read in place, because they may have companions."""
    with file.open("rb") as handle:
        head = handle.read(_HEAD)
    name = file.name
    if file.suffix.lower() in (".shp", ".dbf") or head[:4] == b"\x00\x00\x27\x0a":
        return geofiles.read_shapefile(file.with_suffix(".shp") if file.suffix else file, name)
    driver = geofiles.driver_of(head)
    if driver is not None:
        return geofiles.read(file, name, driver)
    return read_bytes(file.read_bytes(), name)


def read_bytes(data: bytes, name: str, depth: int = 0) -> list[RawTable]:
    """The tables in the bytes of a file.

    Parameters
    ----------
    data : bytes
    name : str
        For messages; the format is judged by content.
    depth : int
        How many archives deep this is.
    """
    if len(data) > textfiles.MAX_BYTES:
        raise too_large(len(data), name)
    if not data.strip(b"\x00 \t\r\n"):
        raise RegisterError(
            Problem(
                Text("the file is empty", "ファイルが空です"),
                where=name,
                fix=Text("check the file", "ファイルを確認してください"),
            )
        )
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        if excel.is_workbook(data):
            return excel.read(data, name)
        return archives.read(data, name, depth, read_bytes)
    refused = _refusal(data)
    if refused is not None:
        raise RegisterError(
            Problem(
                refused,
                where=name,
                fix=Text(
                    "save it as CSV (UTF-8) or xlsx", "CSV（UTF-8）かxlsxで保存し直してください"
                ),
            )
        )
    driver = geofiles.driver_of(data[:_HEAD])
    if driver is not None:
        return geofiles.read_bytes(data, name, driver)
    start = data[:_HEAD].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start[:1] == b"<":
        return xmlfiles.read(data, name)
    if start[:1] in (b"{", b"["):
        tables = jsonfiles.read(data, name)
        if tables is not None:
            return tables
    return [textfiles.read(data, name)]


_SIGNATURES = {
    b"\xd0\xcf\x11\xe0": Text("this is an old Excel file (xls)", "古い形式のExcel（xls）です"),
    b"%PDF": Text("this is a PDF, not a table", "表ではなくPDFです"),
    b"\x89PNG": Text("this is a picture, not a table", "表ではなく画像です"),
    b"\xff\xd8\xff": Text("this is a picture, not a table", "表ではなく画像です"),
    b"GIF8": Text("this is a picture, not a table", "表ではなく画像です"),
    b"\x1f\x8b": Text("this is a gzip archive", "gzip形式の圧縮ファイルです"),
    b"7z\xbc\xaf": Text("this is a 7-Zip archive", "7-Zip形式の圧縮ファイルです"),
    b"Rar!": Text("this is a RAR archive", "RAR形式の圧縮ファイルです"),
    b"\x7fELF": Text("this is a program", "プログラムです"),
    b"MZ\x90": Text("this is a program", "プログラムです"),
}


def _refusal(data: bytes) -> Text | None:
    return next((t for magic, t in _SIGNATURES.items() if data.startswith(magic)), None)
