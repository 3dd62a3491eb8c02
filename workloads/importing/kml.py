"""Placemarks of a KML file, one pass, in bounded memory: the folders around each, its data, its first ring.

What could expand or reach outside is refused (`guarded_xml.py`). Source: OGC 12-007r2, KML 2.3.
"""

from dataclasses import dataclass, field

from workloads.errors import WorkloadError
from workloads.importing.guarded_xml import Limits, read_xml

MOST_DEPTH = 32  # elements within elements; a plan has 12
MOST_ELEMENTS = 5_000_000  # a plan of 16 days has 40,000
MOST_TEXT = 1 << 20  # characters of one value: a polygon of some 20,000 corners
_OWN = frozenset({"name", "begin", "end", "value", "coordinates"})


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
    read_xml(document, reader, Limits("a plan", MOST_DEPTH, MOST_TEXT, MOST_ELEMENTS, _OWN))
    if not reader.is_kml:
        raise WorkloadError(f"{source}: is XML, but no KML: its outermost element is not kml")
    return reader.found


class _Reader:
    """What is kept of one document."""

    family: type[ValueError] = WorkloadError

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[Placemark] = []
        self.is_kml = False
        self._folders: list[str] = []
        self._mark: Placemark | None = None
        self._key = ""

    def where(self, line: int) -> str:
        return f"{self.source}:{line}"

    def begin(self, path: list[str], attributes: dict[str, str], line: int) -> None:
        name = path[-1]
        if len(path) == 1:
            self.is_kml = name == "kml"
        if name == "Folder":
            self._folders.append("")
        elif name == "Placemark":
            self._mark = Placemark(line, tuple(filter(None, self._folders)))
        elif name == "Data":
            self._key = attributes.get("name", "")

    def end(self, path: list[str], value: str, _: int) -> None:
        name, around = path[-1], path[-2] if len(path) > 1 else ""
        if name == "Placemark" and self._mark is not None:
            self.found.append(self._mark)
            self._mark = None
        elif name == "Folder":
            self._folders.pop()
        elif name == "name" and around == "Folder" and self._mark is None:
            self._folders[-1] = value
        elif self._mark is not None:
            self._keep(self._mark, name, around, value)

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
