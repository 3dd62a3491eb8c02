"""Reads CCSDS Orbit Ephemeris Messages (OEM) in keyword-value notation: CCSDS 502.0-B-3, section 5 and 7.

Kilometres and km/s, as the standard has them. One time system in a file (5.2.4). A file may hold several objects, as
some tools write them although the standard has one (5.1). Covariances and accelerations are passed over, and the
notes say so. Every line ends with a line end (7.3), so a file cut within a number is seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nodes.ephemerides.frames import frame_of
from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.segments import RawSegment, orbit_of
from nodes.ephemerides.tables import TabulatedOrbit
from nodes.ephemerides.times import SYSTEMS, ccsds_instant
from nodes.errors import EphemerisError, NodeError

M_PER_KM = 1000.0
VERSIONS = ("1.0", "2.0", "3.0")
REQUIRED = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME")
OPTIONAL = ("REF_FRAME_EPOCH", "USEABLE_START_TIME", "USEABLE_STOP_TIME", "INTERPOLATION", "INTERPOLATION_DEGREE")
HEADER = ("CCSDS_OEM_VERS", "CLASSIFICATION", "CREATION_DATE", "ORIGINATOR", "MESSAGE_ID")
UNKNOWN = "UNKNOWN"  # OBJECT_ID of an object without one: CCSDS 502.0-B-3, table 5-3
COVARIANCE_NOTE = "covariances are passed over"
ACCELERATION_NOTE = "accelerations are passed over"


@dataclass
class Block:
    """One segment as it stands in a file: metadata, rows of (line or record, epoch, six numbers), what was left out."""

    where: str
    meta: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[int, str, list[float]]] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    unit: str = "line"


def read_oem(text: str, source: str, assume: Interpolation | None = None) -> list[TabulatedOrbit]:
    """The objects of an OEM in keyword-value notation, in its order; `source` is the file's name for messages.

    `assume` is the interpolation of segments that state none; without it they are refused. Raises EphemerisError,
    with the line, for all that the standard forbids, frames and time systems that cannot be converted, and cut files.
    """
    return orbits(list(_blocks(text, source)), source, assume)


def orbits(blocks: Sequence[Block], source: str, assume: Interpolation | None) -> list[TabulatedOrbit]:
    """The objects of the segments of one message, in keyword-value notation or XML. Raises EphemerisError."""
    if not blocks:
        raise EphemerisError(f"{source}: no segment in it; an OEM has metadata and states")
    systems = {block.meta.get("TIME_SYSTEM", "").upper() for block in blocks}
    if len(systems) > 1:
        raise EphemerisError(f"{source}: mixes the time systems {', '.join(sorted(systems))}; an OEM has one "
                             "(CCSDS 502.0-B-3, 5.2.4): split the file")  # fmt: skip
    found: dict[tuple[str, str], tuple[list[RawSegment], set[str]]] = {}
    for block in blocks:
        raw, notes = _raw(block, assume), set(block.notes)
        if assume is not None and "INTERPOLATION" not in block.meta:
            notes.add(assumed(assume))
        key = block.meta["OBJECT_NAME"], block.meta["OBJECT_ID"]
        segments, said = found.setdefault(key, ([], set()))
        segments.append(raw)
        said |= notes
    return [
        orbit_of(name or number, "" if number == UNKNOWN else number, source, segments, sorted(notes))
        for (name, number), (segments, notes) in found.items()
    ]


def _blocks(text: str, source: str) -> Iterator[Block]:
    if not text.endswith(("\n", "\r")):
        raise EphemerisError(f"{source}: the last line has no line end; the file was cut, or give it one")
    block: Block | None = None
    part = "header"
    for number, raw in enumerate(text.splitlines(), 1):
        line, where = raw.strip(), f"{source}, line {number}"
        if number == 1:
            _require_version(line, where)
        if not line or line.split(None, 1)[0] == "COMMENT":
            continue
        if line == "META_START" and part in ("header", "data"):
            if block is not None:
                yield block
            block, part = Block(where), "meta"
        elif line == "META_STOP" and part == "meta":
            part = "data"
        elif line == "COVARIANCE_START" and part == "data" and block is not None:
            block.notes.add(COVARIANCE_NOTE)
            part = "covariance"
        elif line == "COVARIANCE_STOP" and part == "covariance":
            part = "data"
        elif part == "meta" and block is not None:
            keyword, value = _pair(line, where)
            add_meta(block, keyword, value, where)
        elif part == "data" and block is not None:
            block.rows.append(_row(line, number, where, block))
        elif part == "header":
            keyword, _ = _pair(line, where)
            if keyword not in HEADER:
                raise EphemerisError(f"{where}: {keyword[:60]!r} is no keyword of the header; {', '.join(HEADER)}")
        elif part != "covariance":
            raise EphemerisError(f"{where}: {line[:60]!r} cannot stand here")
    if block is None or part != "data":
        raise EphemerisError(f"{source}: ends within its {part}; the file was cut")
    yield block


def _require_version(line: str, where: str) -> None:
    keyword, value = _pair(line, where)
    if keyword != "CCSDS_OEM_VERS" or value not in VERSIONS:
        raise EphemerisError(f"{where}: {line[:60]!r}; must be CCSDS_OEM_VERS = {' or '.join(VERSIONS)}")


def _pair(line: str, where: str) -> tuple[str, str]:
    keyword, equals, value = line.partition("=")
    if not equals:
        raise EphemerisError(f"{where}: {line[:60]!r}; must be KEYWORD = value")
    return keyword.strip(), value.strip()


def add_meta(block: Block, keyword: str, value: str, where: str) -> None:
    """Add one keyword to a segment's metadata; raises EphemerisError where it is unknown or there already."""
    if keyword not in (*REQUIRED, *OPTIONAL):
        raise EphemerisError(
            f"{where}: {keyword[:60]!r} is no keyword of OEM metadata; {', '.join(REQUIRED + OPTIONAL)}"
        )
    if keyword in block.meta:
        raise EphemerisError(f"{where}: {keyword} stands there twice")
    block.meta[keyword] = " ".join(value.split())


def _row(line: str, number: int, where: str, block: Block) -> tuple[int, str, list[float]]:
    epoch, *numbers = line.split()
    if len(numbers) not in (6, 9):
        raise EphemerisError(
            f"{where}: {len(numbers)} numbers after the epoch; must be x y z in km and x y z in km/s (and may be "
            f"followed by three accelerations):\n  {line[:120]}"
        )
    if len(numbers) == 9:
        block.notes.add(ACCELERATION_NOTE)
    return number, epoch, [number_of(each, where) for each in numbers[:6]]


def number_of(text: str, where: str) -> float:
    """A number as CCSDS writes it; raises EphemerisError for what Python alone would take."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value != 0.0 or "_" in text or not text.isascii():  # not for infinities, NaN, digits of other scripts
        raise EphemerisError(f"{where}: {text[:40]!r} is no number")
    return value


def _raw(block: Block, assume: Interpolation | None) -> RawSegment:
    meta, where = block.meta, block.where
    missing = [keyword for keyword in REQUIRED if not meta.get(keyword) and keyword != "OBJECT_NAME"]
    if missing or not (meta.get("OBJECT_NAME") or meta.get("OBJECT_ID")):
        raise EphemerisError(f"{where}: metadata without {', '.join(missing) or 'OBJECT_NAME'}")
    meta.setdefault("OBJECT_NAME", "")
    if meta["CENTER_NAME"].upper() != "EARTH":
        raise EphemerisError(
            f"{where}: CENTER_NAME is {meta['CENTER_NAME'][:40]!r}; only orbits of the Earth are flown"
        )
    system = meta["TIME_SYSTEM"].upper()
    if system not in SYSTEMS:
        text = f"is {system[:40]!r}, which cannot be converted; there are {', '.join(SYSTEMS)}"
        raise EphemerisError(f"{where}: TIME_SYSTEM {text}")
    try:
        frame = frame_of(meta["REF_FRAME"])
        if "REF_FRAME_EPOCH" in meta and frame not in ("ICRF", "EME2000"):
            raise EphemerisError("REF_FRAME_EPOCH freezes the frame at an instant, which cannot be converted")
        named = {key: ccsds_instant(meta[key], system) for key in meta if key.endswith(("START_TIME", "STOP_TIME"))}
    except NodeError as error:
        raise EphemerisError(f"{where}: {error}") from None
    instants = []
    for number, epoch, _ in block.rows:
        try:
            instants.append(ccsds_instant(epoch, system))
        except NodeError as error:
            raise EphemerisError(f"{where}, {block.unit} {number}: {error}") from None
    numbers = M_PER_KM * np.array([row for _, _, row in block.rows], np.float64).reshape(-1, 6)
    return RawSegment(
        frame=frame,
        rule=_rule(meta, where, assume),
        instants=instants,
        positions=numbers[:, :3],
        velocities=numbers[:, 3:],
        useable=(
            named.get("USEABLE_START_TIME", named["START_TIME"]),
            named.get("USEABLE_STOP_TIME", named["STOP_TIME"]),
        ),
        where=where,
        lines=[number for number, _, _ in block.rows],
        unit=block.unit,
        frame_name=meta["REF_FRAME"],
    )


def assumed(rule: Interpolation) -> str:
    """The note on an interpolation that the file does not state."""
    return f"no interpolation stated: {rule.method.upper()} of degree {rule.degree} is assumed [guess]"


def _rule(meta: Mapping[str, str], where: str, assume: Interpolation | None) -> Interpolation:
    method, degree = meta.get("INTERPOLATION", "").upper(), meta.get("INTERPOLATION_DEGREE", "")
    if not method and not degree and assume is not None:
        return assume
    if not method or not degree:
        raise EphemerisError(
            f"{where}: states no {'INTERPOLATION' if not method else 'INTERPOLATION_DEGREE'}, and which it is decides "
            "where the satellite is between states; add INTERPOLATION = HERMITE and INTERPOLATION_DEGREE = 7 to the "
            "metadata if that is right"
        )
    if not (degree.isascii() and degree.isdigit() and len(degree) < 4):
        raise EphemerisError(f"{where}: INTERPOLATION_DEGREE is {degree[:20]!r}; must be a whole number")
    match method, int(degree):
        case ("LAGRANGE", number):
            return Interpolation("lagrange", number)
        case ("HERMITE", number):
            return Interpolation("hermite", number)
        case ("LINEAR", 1):
            return Interpolation("lagrange", 1)
        case _:
            raise EphemerisError(
                f"{where}: INTERPOLATION is {method[:20]!r} of degree {degree}; only LAGRANGE, HERMITE and LINEAR of "
                "degree 1 are flown"
            )
