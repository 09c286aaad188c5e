"""XML and web pages: refused where they could harm, else handed to the reader of their kind."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.parsers import expat

import pandas as pd

from tdh.errors import Problem, RegisterError
from tdh.inventory import headers, textfiles
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_XML_BYTES = 256 << 20
MAX_DEPTH = 100
_CHUNK = 1 << 16
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding=[\"']([A-Za-z0-9._\-]+)[\"']")
_EXPAT_READS = {"utf-8", "utf-16", "us-ascii", "iso-8859-1", "ascii"}


class _RootReached(Exception):
    """A signal, no error."""


def refuse_doctype(where: str) -> None:
    """Raise the error of a document that declares a document type."""
    raise RegisterError(
        Problem(
            Text(
                "the XML declares a document type, which could hide entities",
                "XMLに文書型宣言（DOCTYPE）があり、安全に読めません",
            ),
            where=where,
            fix=Text("remove the line <!DOCTYPE …>", "<!DOCTYPE …> の行を除いてください"),
        )
    )


def refuse_declarations(head: bytes, where: str) -> None:
    """Refuse XML with a document type: only there can entities be declared.

    Parameters
    ----------
    head : bytes
        The beginning of the document, up to its root element.
    where : str
        For the message.

    Raises
    ------
    RegisterError
        If there is a document type declaration, or the text is no XML.
    """
    parser = expat.ParserCreate()

    def root(*_: object) -> None:
        raise _RootReached

    parser.StartDoctypeDeclHandler = lambda *_: refuse_doctype(where)
    parser.StartElementHandler = root
    try:
        parser.Parse(head, False)
    except _RootReached:
        return
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise damaged(where, error) from error


def damaged(where: str, error: Exception) -> RegisterError:
    """The error of a document that is no XML."""
    return RegisterError(
        Problem(
            Text("the XML is damaged", "XMLが壊れています"),
            value=str(error),
            where=where,
            fix=Text("export it anew", "書き出し直してください"),
        )
    )


class _Builder:
    """Builds elements from a parser's events; names keep their prefixes, bound or not.

    PLATEAU and other files use prefixes that they never declare, which a parser that minds
    namespaces would refuse.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[tuple[str, int, ET.Element]] = []
        self.stack: list[ET.Element] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = lambda *_: refuse_doctype(name)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = ET.Element(tag, attributes)
        if self.stack:
            self.stack[-1].append(element)
        self.stack.append(element)
        if len(self.stack) > MAX_DEPTH:
            raise RegisterError(
                Problem(
                    Text("the XML is nested too deeply", "XMLの入れ子が深すぎます"),
                    where=self.name,
                )
            )
        self.events.append(("start", len(self.stack), element))

    def _end(self, _: str) -> None:
        element = self.stack.pop()
        self.events.append(("end", len(self.stack), element))

    def _text(self, text: str) -> None:
        element = self.stack[-1]
        if len(element) == 0:
            element.text = (element.text or "") + text


def elements(data: bytes, name: str) -> Iterator[tuple[str, int, ET.Element]]:
    """Events (``start``, ``end``), depths and elements of a document, as it is parsed.

    Raises
    ------
    RegisterError
        If it is damaged, nested too deeply, or declares a document type.
    """
    builder = _Builder(name)
    try:
        for at in range(0, len(data), _CHUNK):
            builder.parser.Parse(data[at : at + _CHUNK], False)
            yield from builder.events
            builder.events.clear()
        builder.parser.Parse(b"", True)
        yield from builder.events
    except (expat.ExpatError, LookupError, UnicodeError) as error:
        raise damaged(name, error) from error


def local(tag: object) -> str:
    """A tag without its prefix.

    >>> local("kml:Placemark")
    'Placemark'
    """
    return tag.rsplit(":", 1)[-1] if isinstance(tag, str) else ""


def read(data: bytes, name: str) -> list[RawTable]:
    """The tables in a document: KML, GML (KSJ, PLATEAU CityGML), or a web page with a table.

    Raises
    ------
    RegisterError
        If it declares entities, is damaged, too large, or holds no register.
    """
    from tdh.inventory import gmlfiles, kmlfiles

    if len(data) > MAX_XML_BYTES:
        raise RegisterError(
            Problem(
                Text("the XML is too large", "XMLが大きすぎます"),
                value=f"{len(data):,} bytes",
                expected=f"<= {MAX_XML_BYTES:,} bytes",
                where=name,
            )
        )
    start = data[:4096].replace(b"\x00", b"").lower()
    if b"<!doctype html" in start or re.search(rb"<(html|head|body|table|meta|div)[\s>]", start):
        return [_page(data, name)]
    data = _plain(data)
    root = next((local(e.tag) for event, _, e in elements(data, name) if event == "start"), "")
    return kmlfiles.read(data, name) if root.lower() == "kml" else gmlfiles.read(data, name)


def _plain(data: bytes) -> bytes:
    """A document in an encoding that the parser knows; Japanese ones are converted."""
    match = _DECLARED.match(data[:200].removeprefix(b"\xef\xbb\xbf"))
    if match is None or match[1].decode().lower() in _EXPAT_READS:
        return data
    text, _, _ = textfiles.decode(data)
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", text.removeprefix("\ufeff")).encode("utf-8")


class _Tables(HTMLParser):
    """Collects the cells of a page's tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self._close()
            self._cell = []
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._close()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _close(self) -> None:
        if self._cell is not None and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("".join(self._cell).strip())
        self._cell = None


def _page(data: bytes, name: str) -> RawTable:
    """The largest table of a web page that has a known header."""
    text, encoding, _ = textfiles.decode(data)
    parser = _Tables()
    parser.feed(text)
    grids = [
        [row[: textfiles.MAX_COLUMNS] for row in table if row]
        for table in parser.tables
        if any(headers.recognised(row) >= 2 for row in table[:30])
    ]
    if not grids:
        raise RegisterError(
            Problem(
                Text(
                    "this is a web page, not a register",
                    "台帳ではなくウェブページ（HTML）です",
                ),
                where=name,
                fix=Text(
                    "download the data file itself; the link may lead to a page about it",
                    "データのファイルそのものをダウンロードしてください",
                ),
            )
        )
    rows = max(grids, key=len)
    width = max(len(row) for row in rows)
    table = RawTable(pd.DataFrame(), "html", encoding=encoding)
    grid = pd.DataFrame([row + [""] * (width - len(row)) for row in rows], dtype="str")
    headers.set_header(table, grid)
    return table
