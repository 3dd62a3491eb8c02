"""Writes orbits as CCSDS Orbit Ephemeris Messages (OEM) 2.0, in keyword-value notation or XML.

States have 16 digits, nanometres in low orbit; epochs are UTC with microseconds, or nanoseconds (8 um) where a grid
needs them. Interpolation and useable span are stated, so what reads the file flies the same orbit. No clock: the
creation date comes in.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

import numpy as np

from nodes.ephemerides.frames import Frame, from_teme
from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.oem import M_PER_KM, UNKNOWN
from nodes.ephemerides.oem_xml import AXES
from nodes.ephemerides.tables import Segment, TabulatedOrbit
from nodes.ephemerides.times import instant_of, utc_text
from nodes.epoch import Epoch
from nodes.errors import EphemerisError
from nodes.orbit import Ephemeris
from workloads.whole_file import whole

Form = Literal["kvn", "xml"]

CUBIC = Interpolation("hermite", 3)  # how `Ephemeris` itself reads its grid


def tabulate(
    ephemeris: Ephemeris, epoch: Epoch, *, frame: Frame = "TEME", object_ids: Sequence[str] = (), note: str = ""
) -> list[TabulatedOrbit]:
    """The grid of a scenario's ephemeris as tables in `frame`, its cubic Hermite stated, one orbit a satellite."""
    times_s = ephemeris.grid_s
    positions, velocities = ephemeris.states(times_s)
    found = []
    for row, name in enumerate(ephemeris.names):
        states = from_teme(frame, epoch, times_s, (positions[row], velocities[row]))
        segment = Segment(frame, CUBIC, times_s, *states, (float(times_s[0]), float(times_s[-1])), name, frame)
        number = object_ids[row] if row < len(object_ids) else ""
        found.append(TabulatedOrbit(name, number, "", instant_of(epoch), (segment,), (note,) if note else ()))
    return found


def write_oem(
    path: Path | str,
    orbits: Sequence[TabulatedOrbit],
    *,
    created: str,
    form: Form = "kvn",
    originator: str = "ORBITMESH",
    comments: Sequence[str] = (),
) -> int:
    """Write orbits as OEM, whole or not at all; returns how many states were written.

    One orbit becomes the file `path`. An OEM has one object (CCSDS 502.0-B-3, 5.1), so several become a new folder
    `path` with a file for each, numbered in their order, which `read` reads in that order. `created` is the messages'
    UTC creation date, such as `2025-10-03T16:00:00`. Raises EphemerisError for no orbits, a table without velocities,
    which an OEM needs, and a folder that is there already; OSError where it cannot be written.
    """
    if not orbits:
        raise EphemerisError("there is no orbit to write")
    for orbit in orbits:
        if any(segment.velocities is None for segment in orbit.segments):
            raise EphemerisError(f"{orbit.name}: its table has no velocities, which an OEM needs; fly it first")
    target = Path(path)
    if len(orbits) > 1 and target.exists():
        raise EphemerisError(f"{target}: is there already; {len(orbits)} orbits need a new folder")
    make = _kvn if form == "kvn" else _xml
    created, said = _flat(created.removesuffix("Z")), [_flat(each) for each in comments]
    with whole(target) as partial:
        if len(orbits) == 1:
            _write(partial, make(orbits[0], created, originator, said))
        else:
            partial.mkdir()
            for number, orbit in enumerate(orbits, 1):
                file = partial / f"{number:04d}-{_file_name(orbit.name)}{'.oem' if form == 'kvn' else '.xml'}"
                _write(file, make(orbit, created, originator, said))
    return sum(len(segment.times_s) for orbit in orbits for segment in orbit.segments)


def _write(file: Path, lines: Iterable[str]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _file_name(name: str) -> str:
    """A satellite's name as part of a file's name: no path, no surprise."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:64] or "satellite"


def _meta(orbit: TabulatedOrbit, segment: Segment) -> list[tuple[str, str]]:
    first, last = float(segment.times_s[0]), float(segment.times_s[-1])
    useable = [_utc(orbit, each) for each in segment.useable_s]
    name = segment.frame_name or segment.frame
    return [
        ("OBJECT_NAME", _flat(orbit.name)),
        ("OBJECT_ID", _flat(orbit.object_id) or UNKNOWN),
        ("CENTER_NAME", "EARTH"),
        ("REF_FRAME", _flat(name)),
        ("TIME_SYSTEM", "UTC"),
        ("START_TIME", _utc(orbit, first)),
        ("USEABLE_START_TIME", useable[0]),
        ("USEABLE_STOP_TIME", useable[1]),
        ("STOP_TIME", _utc(orbit, last)),
        ("INTERPOLATION", segment.rule.method.upper()),
        ("INTERPOLATION_DEGREE", str(segment.rule.degree)),
    ]


def _rows(orbit: TabulatedOrbit, segment: Segment) -> Iterator[tuple[str, list[str]]]:
    velocities = np.zeros_like(segment.positions) if segment.velocities is None else segment.velocities
    states = np.concatenate((segment.positions, velocities), axis=1) / M_PER_KM
    for t_s, state in zip(segment.times_s.tolist(), states.tolist(), strict=True):
        yield _utc(orbit, t_s), [f"{number:.15e}" for number in state]


def _kvn(orbit: TabulatedOrbit, created: str, originator: str, comments: Sequence[str]) -> Iterator[str]:
    yield "CCSDS_OEM_VERS = 2.0"
    yield from (f"COMMENT {text}" for text in comments)
    yield from (f"CREATION_DATE = {created}", f"ORIGINATOR = {_flat(originator)}")
    for segment in orbit.segments:
        yield from ("", "META_START")
        yield from (f"{keyword} = {value}" for keyword, value in _meta(orbit, segment))
        yield "META_STOP"
        yield from (f"COMMENT {_flat(note)}" for note in orbit.notes)
        yield from (f"{epoch} {' '.join(state)}" for epoch, state in _rows(orbit, segment))


def _xml(orbit: TabulatedOrbit, created: str, originator: str, comments: Sequence[str]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<oem id="CCSDS_OEM_VERS" version="2.0">'
    yield "<header>" + "".join(f"<COMMENT>{escape(text)}</COMMENT>" for text in comments)
    yield f"<CREATION_DATE>{escape(created)}</CREATION_DATE>"
    yield f"<ORIGINATOR>{escape(_flat(originator))}</ORIGINATOR></header>"
    yield "<body>"
    for segment in orbit.segments:
        yield "<segment><metadata>"
        yield from (f"<{keyword}>{escape(value)}</{keyword}>" for keyword, value in _meta(orbit, segment))
        yield "</metadata><data>"
        yield from (f"<COMMENT>{escape(_flat(note))}</COMMENT>" for note in orbit.notes)
        for epoch, state in _rows(orbit, segment):
            axes = zip(AXES.items(), state, strict=True)
            values = "".join(f'<{axis} units="{unit}">{number}</{axis}>' for (axis, unit), number in axes)
            yield f"<stateVector><EPOCH>{epoch}</EPOCH>{values}</stateVector>"
        yield "</data></segment>"
    yield "</body></oem>"


def _utc(orbit: TabulatedOrbit, t_s: float) -> str:
    whole = int(t_s // 1.0)
    fraction = orbit.zero[1] + (t_s - whole)
    return utc_text((orbit.zero[0] + whole + int(fraction // 1.0), fraction % 1.0))


def _flat(text: str) -> str:
    """Text on one line: no name may open a line of its own."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
