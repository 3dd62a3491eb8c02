"""Reads CCSDS Orbit Ephemeris Messages (OEM) as XML: CCSDS 505.0-B-3, alone or within an `ndm`.

What could blow up or reach outside itself is refused (`workloads.importing.guarded_xml`). Units that are stated must be
the standard's: km and km/s.
"""

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
from workloads.importing.guarded_xml import Limits, read_xml

LIMITS = Limits("an OEM", levels=16, value_chars=1000)  # within an ndm it has 7; the standard's longest line has 254
AXES = {"X": "km", "Y": "km", "Z": "km", "X_DOT": "km/s", "Y_DOT": "km/s", "Z_DOT": "km/s"}


def read_oem_xml(text: str, source: str, assume: Interpolation | None = None) -> list[TabulatedOrbit]:
    """The objects of an OEM in XML, in its order; arguments and errors as `nodes.ephemerides.oem.read_oem`."""
    reader = _Reader(source)
    read_xml(text, reader, LIMITS)
    for block in reader.blocks:
        block.notes |= reader.passed_over
    return orbits(reader.blocks, source, assume)


class _Reader:
    """Collects the segments of one document."""

    family: type[ValueError] = EphemerisError

    def __init__(self, source: str) -> None:
        self.source, self.blocks = source, list[Block]()
        self.passed_over = set[str]()  # in words, what else a combined message holds
        self._state: dict[str, str] = {}
        self._line = 1

    def where(self, line: int) -> str:
        return f"{self.source}, line {line}"

    @property
    def _where(self) -> str:
        return self.where(self._line)

    def begin(self, path: list[str], attributes: dict[str, str], line: int) -> None:
        name, self._line = path[-1], line
        match path:
            case [("oem" | "ndm")]:
                self._require_version(name, attributes)
            case ["ndm", "oem"]:
                self._require_version(name, attributes)
            case ["ndm", ("omm" | "opm" | "ocm")]:
                text = f"holds <{name}> beside or before <oem>, and the two are different orbits"
                raise EphemerisError(f"{self._where}: {text}; give each a file of its own")
            case ["ndm", ("aem" | "apm" | "acm" | "cdm" | "tdm" | "rdm")]:
                self.passed_over.add(f"the {name.upper()} beside it is passed over")
            case [_]:
                raise EphemerisError(f"{self._where}: begins with <{name[:40]}>; an OEM with <oem> or <ndm>")
            case [*_, "oem", "body", "segment"]:
                self.blocks.append(Block(self._where))
            case [*_, "oem", "body", "segment", "data", "stateVector"]:
                self._state = {}
            case [*_, "oem", "body", "segment", "data", "covarianceMatrix"]:
                self._block.notes.add(COVARIANCE_NOTE)
        if name in AXES and attributes.get("units", AXES[name]) != AXES[name]:
            raise EphemerisError(
                f"{self._where}: {name} has units {attributes['units'][:20]!r}; an OEM is in {AXES[name]}"
            )

    def end(self, path: list[str], value: str, line: int) -> None:
        self._line = line
        match path:
            case [*_, "oem", "body", "segment", "metadata", "COMMENT"]:
                pass
            case [*_, "oem", "body", "segment", "metadata", keyword]:
                add_meta(self._block, keyword, value, self._where)
            case [*_, "oem", "body", "segment", "data", "stateVector", keyword]:
                if keyword in self._state:
                    raise EphemerisError(f"{self._where}: {keyword[:40]} stands there twice")
                self._state[keyword] = value
            case [*_, "oem", "body", "segment", "data", "stateVector"]:
                self._add_row()

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
        self._block.rows.append((self._line, self._state["EPOCH"], numbers))
