"""Reads XML that comes from outside as a stream of elements, by expat: nothing is fetched and nothing can blow up.

A document type, an entity, and more levels, elements or characters of one value than a format has are refused where
they begin. Prefixes of names are left out.
"""

import codecs
import re
from dataclasses import dataclass
from typing import NoReturn, Protocol
from xml.parsers import expat

_ENCODING = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["'](iso-8859-\d{1,2}|windows-125\d)["']""",
    re.IGNORECASE,
)


def text_of(data: bytes, errors: str = "strict") -> str:
    """A file as text: UTF-8 (a byte-order mark taken off), or, of XML, UTF-16 or the one-byte encoding it declares.

    Raises UnicodeDecodeError, and LookupError for an encoding of those families that there is not.
    """
    if data.removeprefix(codecs.BOM_UTF16_LE)[:2] == b"<\0":
        return data.decode("utf-16-le", errors).removeprefix("\ufeff")
    if data.removeprefix(codecs.BOM_UTF16_BE)[:2] == b"\0<":
        return data.decode("utf-16-be", errors).removeprefix("\ufeff")
    declared = _ENCODING.match(data)
    return data.decode("utf-8-sig" if declared is None else declared[1].decode(), errors)


@dataclass(frozen=True)
class Limits:
    """What a format, which messages call `what` (`an OEM`), has at most.

    `elements` None is any number, where the file's size is limited. `values` are the only elements whose text is read;
    None is all.
    """

    what: str
    levels: int
    value_chars: int
    elements: int | None = None
    values: frozenset[str] | None = None


class Reader(Protocol):
    """What is done with the elements of one document; `path` are the names from the outermost element to this one."""

    family: type[ValueError]  # of its errors

    def where(self, line: int) -> str:
        """The place of a line, as its messages call it."""

    def begin(self, path: list[str], attributes: dict[str, str], line: int) -> None:
        """An element begins."""

    def end(self, path: list[str], value: str, line: int) -> None:
        """An element ends; `value` is its text, without blanks around it and without what stood before an inner one."""


def read_xml(document: bytes | str, reader: Reader, limits: Limits) -> None:
    """Hand the elements of a document to `reader`. A text is decoded, so what it says of its encoding does not count.

    Raises the reader's `family` for what is no XML, is cut off, or is beyond the limits.
    """
    encoding = None
    if isinstance(document, str):
        try:
            document, encoding = document.encode(), "utf-8"
        except UnicodeEncodeError as error:
            raise reader.family(f"{reader.where(1)}: is no text that XML can hold: {error.reason}") from error
    _Parse(reader, limits, encoding).read(document)


class _Parse:
    """The handlers of one parse."""

    def __init__(self, reader: Reader, limits: Limits, encoding: str | None) -> None:
        self._reader, self._limits = reader, limits
        self._parser = parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = self._declares
        self._path: list[str] = []
        self._pieces: list[str] = []
        self._chars = self._elements = 0

    def read(self, document: bytes) -> None:
        try:
            self._parser.Parse(document, True)
        except self._reader.family:
            raise
        except expat.ExpatError as error:
            self._refuse(f"is no whole XML: {expat.errors.messages[error.code]}; was it cut?", error.lineno, error)
        except (LookupError, ValueError) as error:  # an encoding that Python has no name for, or expat no table
            self._refuse(f"its encoding is unknown: {error}", 1, error)

    def _refuse(self, problem: str, line: int | None = None, cause: Exception | None = None) -> NoReturn:
        where = self._reader.where(self._parser.CurrentLineNumber if line is None else line)
        raise self._reader.family(f"{where}: {problem}") from cause

    def _declares(self, *_: object) -> None:
        self._refuse(f"declares a document type or entities, which {self._limits.what} never needs; take them out")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        limits = self._limits
        self._elements += 1
        if len(self._path) >= limits.levels:
            self._refuse(f"more than {limits.levels} levels of XML; {limits.what} has fewer")
        if limits.elements is not None and self._elements > limits.elements:
            self._refuse(f"more than {limits.elements} elements; {limits.what} has fewer")
        self._path.append(tag.rpartition(":")[2])
        self._pieces, self._chars = [], 0
        self._reader.begin(self._path, attributes, self._parser.CurrentLineNumber)

    def _text(self, piece: str) -> None:
        limits = self._limits
        if limits.values is not None and (not self._path or self._path[-1] not in limits.values):
            return
        self._chars += len(piece)
        if self._chars > limits.value_chars:
            self._refuse(f"a value of more than {limits.value_chars} characters; {limits.what} has none")
        self._pieces.append(piece)

    def _end(self, _: str) -> None:
        self._reader.end(self._path, "".join(self._pieces).strip(), self._parser.CurrentLineNumber)
        self._path.pop()
        self._pieces, self._chars = [], 0
