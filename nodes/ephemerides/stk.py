"""Reads STK ephemeris files (`.e`): EphemerisTimePosVel and EphemerisTimePos of an Earth satellite.

Keywords: AGI, "Ephemeris File Format (*.e)". Where the format has a default that decides where the satellite is
(interpolation, frame), the file must state it. Distances are in metres unless it says Kilometers; times count from
ScenarioEpoch, which is UTC. A file has no name for its satellite: it takes the file's.
"""

from bisect import bisect_right
from collections.abc import Iterator
from math import inf

import numpy as np

from nodes.ephemerides.frames import frame_of
from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.oem import COVARIANCE_NOTE, assumed, number_of
from nodes.ephemerides.segments import RawSegment, orbit_of
from nodes.ephemerides.tables import SAME_S, TabulatedOrbit
from nodes.ephemerides.times import Instant, stk_instant
from nodes.errors import EphemerisError, NodeError

UNITS_M = {"meters": 1.0, "kilometers": 1000.0}
TABLES = {"ephemeristimeposvel": 7, "ephemeristimepos": 4}  # numbers on a line
KEYWORDS = (
    "numberofephemerispoints", "scenarioepoch", "interpolationmethod", "interpolationsamplesm1", "interpolationorder",
    "centralbody", "coordinatesystem", "distanceunit", "blockingfactor", "messagelevel", "coordinatesystemepoch",
    "timeformat",
)  # fmt: skip
Row = tuple[int, list[float]]
BOUNDARIES = "segmentboundarytimes"


def read_stk(text: str, source: str, name: str, assume: Interpolation | None = None) -> list[TabulatedOrbit]:
    """The one satellite of an `.e` file, named `name`; `source` is the file's name for messages.

    `assume` is the interpolation if none is stated. Raises EphemerisError, with the line, for keywords, units, frames
    and tables that are not taken, a count of points that is not kept, and a file that was cut.
    """
    words, rows, boundaries_s, notes = _parts(text, source)
    _require_count(words, rows, source)
    rule = _rule(words, source, assume)
    if assume is not None and "interpolationmethod" not in words:
        notes.add(assumed(assume))
    _require(words, "centralbody", ("earth",), source, "Earth")
    unit = _require(words, "distanceunit", tuple(UNITS_M), source, "meters")
    _require(words, "timeformat", ("epsec",), source, "EpSec")
    if "coordinatesystemepoch" in words:
        raise EphemerisError(f"{source}: CoordinateSystemEpoch freezes the frame at an instant, which is not converted")
    try:
        epoch, frame = stk_instant(words.get("scenarioepoch", "")), frame_of(words.get("coordinatesystem", ""))
    except NodeError as error:
        raise EphemerisError(f"{source}: ScenarioEpoch or CoordinateSystem: {error}") from None
    states = np.array([row for _, row in rows], np.float64)
    states[:, 1:] *= UNITS_M[unit.lower()]
    raw = [
        RawSegment(
            frame=frame,
            rule=rule,
            instants=[_after(epoch, t_s) for t_s in states[part, 0].tolist()],
            positions=states[part, 1:4],
            velocities=states[part, 4:7] if states.shape[1] == 7 else None,
            useable=None,
            where=source,
            lines=[line for line, _ in rows[part]],
            frame_name=words["coordinatesystem"],
        )
        for part in _pieces(states[:, 0].tolist(), boundaries_s)
    ]
    return [orbit_of(name, "", source, raw, sorted(notes))]


def _parts(text: str, source: str) -> tuple[dict[str, str], list[Row], list[float], set[str]]:
    """Keywords, the rows of the table, segment boundaries and what was passed over."""
    words: dict[str, str] = {}
    rows: list[Row] = []
    boundaries_s: list[float] = []
    notes: set[str] = set()
    part, wide, where = "", 0, source
    for number, line in _lines(text, source):
        where = f"{source}, line {number}"
        word, _, value = line.partition(" ")
        key = word.lower()
        if not part:
            if not key.startswith("stk.v."):
                raise EphemerisError(f"{where}: {line[:40]!r}; an STK file begins with stk.v.4.0 or later")
            part = "version"
        elif part == "version" and line.lower() == "begin ephemeris":
            part = "words"
        elif part in ("words", "table", "other") and line.lower() == "end ephemeris":
            part = "end"
        elif part == "boundaries":
            part = "words" if line.lower() == f"end {BOUNDARIES}" else part
            boundaries_s += [] if part == "words" else [number_of(line, where)]
        elif part in ("words", "table") and line.lower() == f"begin {BOUNDARIES}":
            part = "boundaries"
        elif key.startswith("covariance") and part in ("words", "table"):
            notes.add(COVARIANCE_NOTE)
            part = "other" if not value else part
        elif part == "words" and key in TABLES and not rows:
            part, wide = "table", TABLES[key]
        elif part == "words" and key in KEYWORDS:
            if key in words:
                raise EphemerisError(f"{where}: {word} stands there twice")
            words[key] = " ".join(value.split())
        elif part == "table":
            rows.append((number, _row(line, wide, where)))
        elif part != "other":
            taken = "EphemerisTimePosVel and EphemerisTimePos are the tables taken"
            raise EphemerisError(f"{where}: {line[:60]!r} is not understood here; {taken}")
    if part != "end":
        raise EphemerisError(f"{where}: the file ends without END Ephemeris; it was cut")
    return words, rows, boundaries_s, notes


def _lines(text: str, source: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without comments and blank lines."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            yield number, " ".join(line.split())


def _row(line: str, wide: int, where: str) -> list[float]:
    fields = line.split()
    if len(fields) != wide:
        what = "seconds, x y z" + (" and velocities x y z" if wide == 7 else "")
        raise EphemerisError(f"{where}: {len(fields)} numbers; must be {wide}: {what}:\n  {line[:120]}")
    return [number_of(each, where) for each in fields]


def _rule(words: dict[str, str], source: str, assume: Interpolation | None) -> Interpolation:
    method = words.get("interpolationmethod", "").lower()
    samples = words.get("interpolationsamplesm1", words.get("interpolationorder", ""))
    if not method and not samples and assume is not None:
        return assume
    if not method or not samples:
        raise EphemerisError(
            f"{source}: states no {'InterpolationMethod' if not method else 'InterpolationSamplesM1'}, and which it is "
            "decides where the satellite is between states; add InterpolationMethod Lagrange and "
            "InterpolationSamplesM1 7 if that is right"
        )
    if not (samples.isascii() and samples.isdigit() and len(samples) < 4):
        raise EphemerisError(f"{source}: InterpolationSamplesM1 is {samples[:20]!r}; must be a whole number")
    if method == "lagrange":
        return Interpolation("lagrange", int(samples))  # samples less one
    if method == "hermite" and "interpolationsamplesm1" in words:
        return Interpolation("hermite", 2 * (int(samples) + 1) - 1)
    raise EphemerisError(
        f"{source}: InterpolationMethod {method[:20]!r}; Lagrange, and Hermite with InterpolationSamplesM1, are flown"
    )


def _require_count(words: dict[str, str], rows: list[Row], source: str) -> None:
    count = words.get("numberofephemerispoints", str(len(rows)))
    if count != str(len(rows)) or not rows:
        raise EphemerisError(
            f"{source}: NumberOfEphemerisPoints is {count[:20]}, and there are {len(rows)}; was it cut?"
        )


def _require(words: dict[str, str], key: str, allowed: tuple[str, ...], source: str, default: str) -> str:
    value = words.get(key, default)
    if value.lower() not in allowed:
        raise EphemerisError(f"{source}: {key} is {value[:40]!r}; must be {' or '.join(allowed)}")
    return value


def _pieces(times_s: list[float], boundaries_s: list[float]) -> Iterator[slice]:
    """Parts of the table between segment boundaries: there the instant stands twice, and states may jump."""
    first, known_s = 0, [*sorted(boundaries_s), inf]
    for index in range(1, len(times_s)):
        at = times_s[index]
        if abs(at - times_s[index - 1]) < SAME_S and known_s[bisect_right(known_s, at - SAME_S)] < at + SAME_S:
            yield slice(first, index)
            first = index
    yield slice(first, len(times_s))


def _after(epoch: Instant, t_s: float) -> Instant:
    total = epoch[1] + t_s
    whole = int(total // 1.0)
    return epoch[0] + whole, total - whole
