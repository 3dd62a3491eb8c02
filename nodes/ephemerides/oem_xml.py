"""Reads CCSDS Orbit Ephemeris Messages (OEM) as XML: CCSDS 505.0-B-3, alone or within an `ndm`.

Read as a stream by expat. A document type, an entity, more than 16 levels or a value of more than 1,000 characters
is refused where it begins, so no file can blow up or reach outside itself. Units that are stated must be the
standard's: km and km/s.
"""

from xml.parsers import expat

from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.oem import (
    ACCELERATION_NOTE,
    COVARIANCE_NOTE,
    VERSIONS,
    Block,
    add_meta,
    number_of,
    orbits,
)
from nodes.ephemerides.tables import TabulatedOrbit
from nodes.errors import EphemerisError

MAX_DEPTH = 16  # an OEM within an ndm has 7
MAX_VALUE = 1000  # characters of one value; the standard's longest line has 254
AXES = {"X": "km", "Y": "km", "Z": "km", "X_DOT": "km/s", "Y_DOT": "km/s", "Z_DOT": "km/s"}


def read_oem_xml(text: str, source: str, assume: Interpolation | None = None) -> list[TabulatedOrbit]:
    """The objects of an OEM in XML, in its order; arguments and errors as `nodes.ephemerides.oem.read_oem`."""
    reader = _Reader(source)
    reader.parse(text)
    return orbits(reader.blocks, source, assume)


class _Reader:
    """Collects the segments of a stream of XML."""

    def __init__(self, source: str) -> None:
        self.source, self.blocks = source, list[Block]()
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._state: dict[str, str] = {}
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._forbidden
        self._parser.EntityDeclHandler = self._forbidden

    def parse(self, text: str) -> None:
        try:
            self._parser.Parse(text.encode("utf-8"), True)
        except (expat.ExpatError, UnicodeEncodeError) as error:
            raise EphemerisError(f"{self.source}: not XML, or cut: {error}") from None

    @property
    def _where(self) -> str:
        return f"{self.source}, line {self._parser.CurrentLineNumber}"

    def _forbidden(self, *_: object) -> None:
        raise EphemerisError(f"{self._where}: a document type or an entity, which are refused; an OEM needs none")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        self._path.append(name)
        self._text, self._length = [], 0
        if len(self._path) > MAX_DEPTH:
            raise EphemerisError(f"{self._where}: more than {MAX_DEPTH} levels of XML; an OEM has fewer")
        match self._path:
            case [("oem" | "ndm")]:
                self._require_version(name, attributes)
            case ["ndm", "oem"]:
                self._require_version(name, attributes)
            case [_]:
                raise EphemerisError(f"{self._where}: begins with <{name[:40]}>; an OEM with <oem> or <ndm>")
            case [*_, "oem", "body", "segment"]:
                self.blocks.append(Block(self._where))
            case [*_, "segment", "data", "stateVector"]:
                self._state = {}
            case [*_, "data", "covarianceMatrix"]:
                self._block.notes.add(COVARIANCE_NOTE)
        if name in AXES and attributes.get("units", AXES[name]) != AXES[name]:
            raise EphemerisError(
                f"{self._where}: {name} has units {attributes['units'][:20]!r}; an OEM is in {AXES[name]}"
            )

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_VALUE:
            raise EphemerisError(f"{self._where}: a value of more than {MAX_VALUE} characters; an OEM has none")
        self._text.append(text)

    def _end(self, _: str) -> None:
        value = "".join(self._text).strip()
        match self._path:
            case [*_, "segment", "metadata", "COMMENT"]:
                pass
            case [*_, "segment", "metadata", keyword]:
                add_meta(self._block, keyword, value, self._where)
            case [*_, "data", "stateVector", keyword]:
                if keyword in self._state:
                    raise EphemerisError(f"{self._where}: {keyword[:40]} stands there twice")
                self._state[keyword] = value
            case [*_, "data", "stateVector"]:
                self._add_row()
        self._path.pop()
        self._text, self._length = [], 0

    @property
    def _block(self) -> Block:
        if not self.blocks:
            raise EphemerisError(f"{self._where}: stands outside of a segment")
        return self.blocks[-1]

    def _require_version(self, name: str, attributes: dict[str, str]) -> None:
        if name == "oem" and attributes.get("version") not in VERSIONS:
            version = attributes.get("version", "")[:20]
            raise EphemerisError(f"{self._where}: OEM version {version!r}; must be {' or '.join(VERSIONS)}")

    def _add_row(self) -> None:
        missing = [keyword for keyword in ("EPOCH", *AXES) if keyword not in self._state]
        if missing:
            raise EphemerisError(f"{self._where}: a state without {', '.join(missing)}")
        if "X_DDOT" in self._state:
            self._block.notes.add(ACCELERATION_NOTE)
        numbers = [number_of(self._state[axis], f"{self._where}, {axis}") for axis in AXES]
        self._block.rows.append((self._parser.CurrentLineNumber, self._state["EPOCH"], numbers))
