"""Placemarks of a KML file, one pass, in bounded memory: the folders around each, its data, its first ring.

No document type, no entities, nothing fetched: a file that declares any is refused before it can expand. Source: OGC
12-007r2, KML 2.3.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from workloads.errors import WorkloadError

MOST_DEPTH = 32  # elements within elements; a plan has 12
MOST_ELEMENTS = 5_000_000  # a plan of 16 days has 40,000
MOST_TEXT = 1 << 20  # characters of one value: a polygon of some 20,000 corners
_OWN = {"name", "begin", "end", "value", "coordinates"}


@dataclass
class Placemark:
    """One placemark: the line it starts on, the names of the folders around it, and what it holds as text."""

    line: int
    folders: tuple[str, ...]
    name: str = ""
    begin: str = ""
    end: str = ""
    coordinates: str = ""  # of the first ring: "longitude,latitude,height ..."
    data: dict[str, str] = field(default_factory=dict)
    twice: str = ""  # a name of `data` that came a second time, with another value


def placemarks(document: bytes, source: str) -> list[Placemark]:
    """All placemarks, in order. Raises WorkloadError for what is no KML, is cut off, or would expand."""
    reader = _Reader(source)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: reader.start(tag, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda tag: reader.end(tag)
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(document, True)
    except WorkloadError:
        raise
    except expat.ExpatError as error:
        text = f"{source}:{error.lineno}: is no whole XML: {expat.errors.messages[error.code]}"
        raise WorkloadError(text) from error
    except (LookupError, ValueError) as error:  # an encoding that Python has no name for, or expat no table
        raise WorkloadError(f"{source}: its encoding is unknown: {error}") from error
    if not reader.is_kml:
        raise WorkloadError(f"{source}: is XML, but no KML: its outermost element is not kml")
    return reader.found


class _Reader:
    """The handlers of one parse."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[Placemark] = []
        self.is_kml = False
        self._path: list[str] = []
        self._folders: list[str] = []
        self._mark: Placemark | None = None
        self._key = ""
        self._pieces: list[str] = []
        self._size = self._elements = 0

    def refuse(self, *_: object) -> None:
        raise WorkloadError(f"{self.source}: declares a document type or entities, which no plan needs; take them out")

    def start(self, tag: str, attributes: dict[str, str], line: int) -> None:
        name = tag.rpartition(" ")[2]
        if not self._path:
            self.is_kml = name == "kml"
        self._elements += 1
        if len(self._path) >= MOST_DEPTH or self._elements > MOST_ELEMENTS:
            limits = f"{MOST_DEPTH} elements deep or {MOST_ELEMENTS} elements"
            raise WorkloadError(f"{self.source}:{line}: is more than {limits}; no plan is")
        self._path.append(name)
        if name == "Folder":
            self._folders.append("")
        elif name == "Placemark":
            self._mark = Placemark(line, tuple(filter(None, self._folders)))
        elif name == "Data":
            self._key = attributes.get("name", "")
        self._pieces, self._size = [], 0

    def text(self, piece: str) -> None:
        if not self._path or self._path[-1] not in _OWN:
            return
        self._size += len(piece)
        if self._size > MOST_TEXT:
            raise WorkloadError(
                f"{self.source}: a <{self._path[-1]}> has more than {MOST_TEXT} characters; no plan has"
            )
        self._pieces.append(piece)

    def end(self, tag: str) -> None:
        name = self._path.pop()
        value = "".join(self._pieces).strip() if name in _OWN else ""
        around = self._path[-1] if self._path else ""
        if name == "Placemark" and self._mark is not None:
            self.found.append(self._mark)
            self._mark = None
        elif name == "Folder":
            self._folders.pop()
        elif name == "name" and around == "Folder" and self._mark is None:
            self._folders[-1] = value
        elif self._mark is not None:
            self._keep(self._mark, name, around, value)
        self._pieces, self._size = [], 0

    def _keep(self, mark: Placemark, name: str, around: str, value: str) -> None:
        if name == "value" and around == "Data":
            if mark.data.setdefault(self._key, value) != value:
                mark.twice = self._key
        elif (name, around) == ("name", "Placemark"):
            mark.name = value
        elif name in ("begin", "end") and around == "TimeSpan":
            setattr(mark, name, value)
        elif name == "coordinates" and not mark.coordinates:
            mark.coordinates = value
