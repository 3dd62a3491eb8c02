"""Turns orbits from one form into another: elements (TLE, OMM) and ephemerides (CCSDS OEM, STK `.e`).

Elements become an OEM by SGP4 over a span that is stated. An ephemeris becomes no elements: that would be an orbit
determination. What is wanted is told by the target's suffix, or said with `--to`; nothing is half-written.
"""

from pathlib import Path
from typing import Literal

import msgspec

from emulator.errors import BadInput
from emulator.instants import epoch_of
from nodes.catalogue import read_elements
from nodes.element_files import Form, write_elements
from nodes.elements import Elements
from nodes.ephemerides import TabulatedOrbit, fly, is_ephemeris, read, tabulate, write_oem
from nodes.ephemerides.times import utc_text
from nodes.orbit import Ephemeris, age_warnings
from workloads.importing.records import BadRow

ELEMENTS: dict[str, Form] = {"tle": "tle", "omm-csv": "csv", "omm-json": "json", "omm-xml": "xml"}
EPHEMERIDES: dict[str, Literal["kvn", "xml"]] = {"oem": "kvn", "oem-xml": "xml"}
SUFFIXES = {".tle": "tle", ".csv": "omm-csv", ".json": "omm-json", ".xml": "omm-xml", ".oem": "oem"}
MOST_DURATION_S = 366 * 86400.0
STEP_S = 60.0  # cubic Hermite over it errs by (w dt)^4 / 384 of the radius, 0.35 m at 500 km: nodes/hermite.py
MOST_STEP_S = 3600.0  # cubic Hermite over an hour of a low orbit is no orbit
SYNTHETIC = "synthetic: propagated with SGP4 from mean elements, not measured"


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when to when (UTC) and how often an ephemeris made from elements has states."""

    start: str | None = None
    stop: str | None = None
    step_s: float | None = None  # STEP_S


class OrbitReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, written and left out; `states` is None for elements."""

    form: str  # of the source: "elements" or "ephemeris"
    read: int
    written: int
    states: int | None = None
    skipped: tuple[BadRow, ...] = ()
    notes: tuple[str, ...] = ()


def figures(report: OrbitReport) -> dict[str, int]:
    """The report's counts by name, without those that do not apply."""
    found = {"satellites": report.written}
    return found if report.states is None else found | {"states": report.states}


def holds_orbits(source: Path, start: str) -> bool:
    """Whether a source that begins with `start` has elements or an ephemeris; a folder can only have ephemerides."""
    if is_ephemeris(source):
        return True
    lines = [line.rstrip() for line in start.splitlines() if line.strip() and not line.startswith("#")][:2]
    return any(line.startswith("1 ") and len(line) == 69 for line in lines) or "MEAN_MOTION" in start


def convert_orbits(source: Path, target: Path, to: str, span: Span, *, skip_bad: bool = False) -> OrbitReport:
    """Convert a file, or a folder of ephemerides. Raises `BadInput`, `NodeError`, and OSError where writing fails.

    Several orbits as OEM become a folder: an OEM has one object.
    """
    tabulated = is_ephemeris(source)
    wanted = to or SUFFIXES.get(target.suffix.lower(), "")
    if not to and tabulated and wanted == "omm-xml":
        wanted = "oem-xml"
    if wanted not in (*ELEMENTS, *EPHEMERIDES):
        forms = ",".join((*ELEMENTS, *EPHEMERIDES))
        raise BadInput(f"OUT {str(target)[:200]}: its name does not tell a form of orbits; say --to {{{forms}}}")
    if tabulated:
        return _from_tables(source, target, wanted, span)
    skipped: list[BadRow] = []
    elements = read_elements(source, skipped if skip_bad else None)
    count = len(elements) + len(skipped)
    if wanted in EPHEMERIDES:
        tables, created = _propagated(elements, span)
        states = write_oem(target, tables, created=created, form=EPHEMERIDES[wanted])
        start = epoch_of("--start", created)
        notes = (SYNTHETIC, *age_warnings(elements, start, start.seconds(epoch_of("--stop", span.stop or "").utc)))
        return OrbitReport(form="elements", read=count, written=len(elements), states=states, skipped=tuple(skipped),
                           notes=notes)  # fmt: skip
    if span != Span():
        raise BadInput(f"--start, --stop and --step are of an ephemeris (oem, oem-xml), and {wanted} has no span")
    done = write_elements(target, elements, ELEMENTS[wanted], skip_bad=skip_bad)
    left_out = (*skipped, *done.skipped)
    return OrbitReport(form="elements", read=count, written=done.written, skipped=left_out, notes=done.notes)


def _from_tables(source: Path, target: Path, wanted: str, span: Span) -> OrbitReport:
    if wanted not in EPHEMERIDES:
        text = "an ephemeris becomes another ephemeris, never elements: that would be an orbit determination"
        raise BadInput(f"{source}: {text}; say --to oem or oem-xml")
    tables = read(source)
    created = utc_text(tables[0].zero)
    if any(segment.velocities is None for each in tables for segment in each.segments) or span != Span():
        tables, created = _resampled(tables, span)
    states = write_oem(target, tables, created=created, form=EPHEMERIDES[wanted])
    notes = tuple(f"{each.name}: {note}" for each in tables for note in each.notes)
    return OrbitReport(form="ephemeris", read=len(tables), written=len(tables), states=states, notes=notes)


def _span_s(span: Span) -> float:
    """The length of the span; refuses one that is not stated, empty, or too long."""
    if not span.start or not span.stop:
        raise BadInput("an OEM is a table over time; give --start UTC and --stop UTC")
    start, stop = epoch_of("--start", span.start), epoch_of("--stop", span.stop)
    duration_s = start.seconds(stop.utc)
    if not 0.0 < duration_s <= MOST_DURATION_S:
        raise BadInput(f"--stop {span.stop}: is not after --start {span.start}, or by more than 366 days")
    if span.step_s is not None and not 0.0 < span.step_s <= MOST_STEP_S:
        raise BadInput(f"--step {span.step_s}: must be above 0 and at most {MOST_STEP_S:g} s")
    return duration_s


def _propagated(elements: list[Elements], span: Span) -> tuple[list[TabulatedOrbit], str]:
    """Tables by SGP4 from the start to the stop, and the start."""
    duration_s = _span_s(span)
    epoch = epoch_of("--start", span.start or "")
    ephemeris = Ephemeris.propagate(elements, epoch, duration_s, min(span.step_s or STEP_S, duration_s), margin_s=0.0)
    numbers = [each.object_id for each in elements]
    return tabulate(ephemeris, epoch, object_ids=numbers, note=SYNTHETIC), epoch.utc


def _resampled(tables: list[TabulatedOrbit], span: Span) -> tuple[list[TabulatedOrbit], str]:
    """Tables of the same orbits on one grid, TEME, with velocities."""
    duration_s = _span_s(span)
    epoch = epoch_of("--start", span.start or "")
    made = tabulate(
        fly(tables, epoch, duration_s, span.step_s or STEP_S), epoch, object_ids=[each.object_id for each in tables]
    )
    return made, epoch.utc
