"""The segments of a CCSDS OMM in XML as fields by name: CCSDS 505.0-B-3, alone or within an `ndm`.

What could blow up or reach outside itself is refused (`workloads.importing.guarded_xml`). A unit that is stated must
be the standard's.
"""

from collections.abc import Mapping

from nodes.errors import ElementsError
from workloads.importing.guarded_xml import Limits, read_xml

LIMITS = Limits("an OMM", levels=16, value_chars=1000)  # within an ndm it has 7; the standard's longest line has 254
UNITS = {  # CCSDS 502.0-B-3, table 4-3
    "MEAN_MOTION": "rev/day", "INCLINATION": "deg", "RA_OF_ASC_NODE": "deg", "ARG_OF_PERICENTER": "deg",
    "MEAN_ANOMALY": "deg", "BSTAR": "1/ER", "MEAN_MOTION_DOT": "rev/day**2", "MEAN_MOTION_DDOT": "rev/day**3",
}  # fmt: skip
BESIDE = frozenset({"aem", "apm", "acm", "cdm", "tdm", "rdm"})  # what else an ndm may hold, none an orbit to fly
REPEATED = ("COMMENT", "USER_DEFINED")  # what may stand in a segment more than once


def segments(text: str, source: str) -> list[Mapping[str, str]]:
    """The leaves of every `<segment>`, in order; raises ElementsError, with the line, for what no OMM may hold."""
    reader = _Reader(source)
    read_xml(text, reader, LIMITS)
    return reader.found


class _Reader:
    """What is kept of one document."""

    family: type[ValueError] = ElementsError

    def __init__(self, source: str) -> None:
        self.source, self.found = source, list[Mapping[str, str]]()
        self._fields: dict[str, str] | None = None  # of the segment that is open
        self._leaf: list[bool] = []  # of each open element: whether it has no element in it so far

    def where(self, line: int) -> str:
        return f"{self.source}, line {line}"

    def begin(self, path: list[str], attributes: dict[str, str], line: int) -> None:
        name = path[-1]
        if self._leaf:
            self._leaf[-1] = False
        self._leaf.append(True)
        if path[:-1] == ["ndm"] and name in ("oem", "opm", "ocm"):
            text = f"holds <{name}> beside or before <omm>, and the two are different orbits"
            raise ElementsError(f"{self.where(line)}: {text}; give each a file of its own")
        if name == "segment" and not BESIDE.intersection(path):
            self._fields = {}
        if name in UNITS and attributes.get("units", UNITS[name]) != UNITS[name]:
            said = attributes["units"][:20]
            raise ElementsError(f"{self.where(line)}: {name} has units {said!r}; in an OMM it is in {UNITS[name]}")

    def end(self, path: list[str], value: str, line: int) -> None:
        name = path[-1]
        kept = self._leaf.pop() and self._fields is not None and name not in REPEATED
        if kept and self._fields is not None and self._fields.setdefault(name, value) != value:
            raise ElementsError(f"{self.where(line)}: {name[:60]} stands there twice, with different values")
        if name == "segment" and self._fields is not None:
            self.found.append(self._fields)
            self._fields = None
