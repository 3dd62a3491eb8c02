"""The segments of a CCSDS OMM in XML as fields by name: CCSDS 505.0-B-3, alone or within an `ndm`.

Read as a stream by expat, each segment handed on when it ends. A document type, an entity, more than 16 levels or a
value of more than 1,000 characters is refused where it begins, so no file can blow up or reach outside itself. A unit
that is stated must be the standard's.
"""

from collections.abc import Mapping
from xml.parsers import expat

from nodes.errors import ElementsError

MAX_DEPTH = 16  # an OMM within an ndm has 7
MAX_VALUE = 1000  # characters of one value; the standard's longest line has 254
UNITS = {  # CCSDS 502.0-B-3, table 4-3
    "MEAN_MOTION": "rev/day", "INCLINATION": "deg", "RA_OF_ASC_NODE": "deg", "ARG_OF_PERICENTER": "deg",
    "MEAN_ANOMALY": "deg", "BSTAR": "1/ER", "MEAN_MOTION_DOT": "rev/day**2", "MEAN_MOTION_DDOT": "rev/day**3",
}  # fmt: skip
REPEATED = ("COMMENT", "USER_DEFINED")  # what may stand in a segment more than once


def segments(text: str, source: str) -> list[Mapping[str, str]]:
    """The leaves of every `<segment>`, in order; raises ElementsError, with the line, for what no OMM may hold."""
    reader = _Reader(source)
    try:
        reader.parser.Parse(text.encode("utf-8"), True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise ElementsError(f"{source}: not XML: {error}") from None
    return reader.found


class _Reader:
    """The handlers of one parse."""

    def __init__(self, source: str) -> None:
        self.source, self.found = source, list[Mapping[str, str]]()
        self._fields: dict[str, str] | None = None  # of the segment that is open
        self._leaf: list[bool] = []  # of each open element: whether it has no element in it so far
        self._pieces: list[str] = []
        self._length = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._forbidden
        self.parser.EntityDeclHandler = self._forbidden

    @property
    def _where(self) -> str:
        return f"{self.source}, line {self.parser.CurrentLineNumber}"

    def _forbidden(self, *_: object) -> None:
        raise ElementsError(f"{self._where}: a document type or an entity, which are refused; an OMM needs none")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if len(self._leaf) >= MAX_DEPTH:
            raise ElementsError(f"{self._where}: more than {MAX_DEPTH} levels of XML; an OMM has fewer")
        if self._leaf:
            self._leaf[-1] = False
        self._leaf.append(True)
        self._pieces, self._length = [], 0
        if name == "segment":
            self._fields = {}
        if name in UNITS and attributes.get("units", UNITS[name]) != UNITS[name]:
            said = attributes["units"][:20]
            raise ElementsError(f"{self._where}: {name} has units {said!r}; in an OMM it is in {UNITS[name]}")

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_VALUE:
            raise ElementsError(f"{self._where}: a value of more than {MAX_VALUE} characters; an OMM has none")
        self._pieces.append(text)

    def _end(self, tag: str) -> None:
        name, value = tag.rpartition(":")[2], "".join(self._pieces).strip()
        kept = self._leaf.pop() and self._fields is not None and name not in REPEATED
        if kept and self._fields is not None and self._fields.setdefault(name, value) != value:
            raise ElementsError(f"{self._where}: {name[:60]} stands there twice, with different values")
        if name == "segment" and self._fields is not None:
            self.found.append(self._fields)
            self._fields = None
        self._pieces, self._length = [], 0
