"""XML from others, read as a stream and without trust.

Documents with a DOCTYPE are refused: neither PLATEAU nor the Geospatial Information Authority
writes one, and entities are how a small file becomes an endless one. Nothing outside the document
is ever fetched. Zip archives are read member by member, up to a limit of unpacked size.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from xml.parsers import expat

from tdh.errors import InputError, Problem
from tdh.language import Text

MOST_BYTES = 4 * 1024**3
"""Unpacked size up to which a member of an archive is read."""
_CHUNK = 1 << 20

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str, str], None]


class _Refused(Exception):
    """A document type declaration was found."""


def parse(handle: IO[bytes], where: str, start: Start, end: End) -> None:
    """Read a document, calling ``start(name, attributes)`` and ``end(name, text)``.

    Names are local, without prefix; ``text`` is the element's own text up to its end (for
    elements without children: all of it).

    Raises
    ------
    InputError
        If it is not well-formed XML, declares a document type, or is too large.
    """
    # Without namespaces: published files use prefixes that they forget to declare.
    parser = expat.ParserCreate()
    parser.buffer_text = True
    pieces: list[str] = []

    def on_start(name: str, attributes: dict[str, str]) -> None:
        pieces.clear()
        start(name.rpartition(":")[2], attributes)

    def on_end(name: str) -> None:
        end(name.rpartition(":")[2], "".join(pieces).strip())
        pieces.clear()

    def refuse(*_: object) -> int:
        raise _Refused

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = pieces.append
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    read = 0
    try:
        while chunk := handle.read(_CHUNK):
            read += len(chunk)
            if read > MOST_BYTES:
                raise InputError(
                    Problem(
                        Text("the document is too large", "文書が大きすぎます"),
                        expected=f"<= {MOST_BYTES} bytes",
                        where=where,
                    )
                )
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except _Refused:
        raise InputError(
            Problem(
                Text("the document declares a DOCTYPE", "文書に DOCTYPE 宣言があります"),
                expected=Text("no DOCTYPE and no entities", "DOCTYPE・実体宣言なし"),
                where=where,
            )
        ) from None
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise InputError(
            Problem(
                Text("the document is not well-formed XML", "正しい XML ではありません"),
                value=str(error),
                where=where,
            )
        ) from error


@contextmanager
def documents(path: Path, suffixes: tuple[str, ...]) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The documents of a file or a zip archive, as (where, handle), in the order of names.

    Raises
    ------
    InputError
        If an archive is damaged, encrypted, or holds no such document.
    """
    if path.suffix.lower() != ".zip":
        with path.open("rb") as handle:
            yield iter([(str(path), handle)])
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if n.lower().endswith(suffixes))
            if not names:
                raise InputError(
                    Problem(
                        Text("the archive holds no document", "アーカイブに文書がありません"),
                        expected=", ".join(suffixes),
                        where=str(path),
                    )
                )
            yield ((f"{path}: {name}", archive.open(name)) for name in names)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise InputError(
            Problem(
                Text("the archive cannot be read", "アーカイブを読めません"),
                value=str(error),
                where=str(path),
            )
        ) from error
