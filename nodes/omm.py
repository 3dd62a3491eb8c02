"""Reads CCSDS Orbit Mean-Elements Messages (OMM) as CSV, JSON, XML or keyword-value notation into `Elements`.

Field names: CCSDS 502.0-B-3, tables 4-2 and 4-3. Only what SGP4 can propagate is taken: Earth, TEME, UTC, SGP4.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Literal

import msgspec

from nodes.elements import Elements, leave_out, require_orbits
from nodes.errors import ElementsError
from nodes.omm_kvn import messages
from nodes.omm_xml import segments
from workloads.importing.json_names import named_twice
from workloads.importing.records import BadRow
from workloads.importing.units import decimal

Format = Literal["csv", "json", "xml", "kvn"]

MAX_CHARACTERS = 64_000_000  # 64 MB; a day's whole public catalogue is 20 MB
# what must stand there if the field is there at all
ONLY = {
    "CENTER_NAME": ("EARTH",),
    "REF_FRAME": ("TEME", "TEME OF DATE"),
    "TIME_SYSTEM": ("UTC",),
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
    "EPHEMERIS_TYPE": ("", "0", "2"),  # 4 is SGP4-XP, another theory: CCSDS 502.0-B-3, table 4-3
}
MOST_NAME_SHOWN = 80  # characters of a satellite's name in a message
MAX_DIGITS = 9  # of a catalogue number: CCSDS 502.0-B-3, table 4-3
_DAY_OF_YEAR = re.compile(r"([12]\d{3})-(\d{3})(T.+)", re.ASCII)


def read_omm(text: str, source: str, form: Format, *, skipped: list[BadRow] | None = None) -> list[Elements]:
    """The satellites of an OMM text in `form`, in its order; `source` is the file's name for messages.

    Raises ElementsError, with the record and the field, for text that is not of that form, fields that are missing or
    no numbers, frames or theories that are not SGP4's, a satellite that occurs twice, and values that are no orbit.
    With `skipped`, a bad record is left out and appended there instead; text that is not of that form is refused still.
    """
    if len(text) > MAX_CHARACTERS:
        raise ElementsError(f"{source}: {len(text)} characters; at most {MAX_CHARACTERS} are read")
    records = {"csv": _csv, "json": _json, "xml": _xml, "kvn": messages}[form]
    found: list[Elements] = []
    first_seen: dict[int, str] = {}
    for line, where, fields in records(text, source):
        try:
            elements = _elements(fields, f"{source}, {where}")
            number = elements.norad_cat_id
            if number and number in first_seen:
                raise ElementsError(
                    f"{source}, {where}: satellite {number} ({elements.name}) is already in {first_seen[number]}; "
                    "keep one element set for each satellite"
                )
            if skipped is not None:
                require_orbits((elements,), f"{source}, {where}")
        except ElementsError as error:
            if skipped is None:
                raise
            leave_out(skipped, line, str(error), source)
            continue
        first_seen[number] = where
        found.append(elements)
    if not found:
        raise ElementsError(f"{source}: no OMM record in it")
    require_orbits(found, source)
    return found


Found = Iterator[tuple[int, str, Mapping[str, str]]]  # line or number of the record, where, its fields


def _csv(text: str, source: str) -> Found:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ElementsError(f"{source}, line 1: column {twice[0][:60]!r} is there twice; which one counts?")
        reader.fieldnames = names
        for row in reader:
            yield reader.line_num, f"line {reader.line_num}", row
    except csv.Error as error:
        raise ElementsError(f"{source}, line {reader.line_num}: not CSV: {error}") from None


def _json(text: str, source: str) -> Found:
    scalar = str | int | float | None
    try:
        records = msgspec.json.decode(text, type=list[dict[str, scalar]] | dict[str, scalar])
        twice = named_twice(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ElementsError(f"{source}: not a JSON list of OMM records: {error}") from None
    if twice:
        raise ElementsError(f"{source}: {twice[:60]!r} stands in one record twice; which one counts?")
    for index, record in enumerate(records if isinstance(records, list) else [records], 1):
        yield index, f"record {index}", {key: "" if value is None else str(value) for key, value in record.items()}


def _xml(text: str, source: str) -> Found:
    for index, fields in enumerate(segments(text, source), 1):
        yield index, f"segment {index}", fields


def _elements(fields: Mapping[str, str], where: str) -> Elements:
    if None in fields:
        raise ElementsError(f"{where}: more values than the header has names")
    if None in fields.values():  # else a row that was cut would have no drag
        raise ElementsError(f"{where}: fewer values than the header has names; the row was cut")
    name = fields.get("OBJECT_NAME", "").strip()
    if name:
        where = f"{where} ({name[:MOST_NAME_SHOWN]})"
    for field, allowed in ONLY.items():
        value = fields.get(field, allowed[0]).strip().upper()
        if value not in allowed:
            raise ElementsError(
                f"{where}: {field} is {value[:40]!r}; only {allowed[0] or allowed[1]!r} can be propagated"
            )
    number = fields.get("NORAD_CAT_ID", "").strip() or "0"
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS):
        raise ElementsError(f"{where}: NORAD_CAT_ID is {number[:40]!r}; must be a whole number of nine digits at most")
    return Elements(
        name=name or f"{int(number):05d}",
        epoch=_epoch(fields.get("EPOCH", ""), where),
        mean_motion_rev_per_day=_number(fields, "MEAN_MOTION", where),
        eccentricity=_number(fields, "ECCENTRICITY", where),
        inclination_deg=_number(fields, "INCLINATION", where),
        raan_deg=_number(fields, "RA_OF_ASC_NODE", where),
        arg_of_perigee_deg=_number(fields, "ARG_OF_PERICENTER", where),
        mean_anomaly_deg=_number(fields, "MEAN_ANOMALY", where),
        bstar=_number(fields, "BSTAR", where),
        mean_motion_dot=_number(fields, "MEAN_MOTION_DOT", where, "0"),
        mean_motion_ddot=_number(fields, "MEAN_MOTION_DDOT", where, "0"),
        norad_cat_id=int(number),
        object_id=fields.get("OBJECT_ID", "").strip(),
    )


def _number(fields: Mapping[str, str], field: str, where: str, default: str = "") -> float:
    text = fields.get(field, "").strip() or default
    if not text:
        raise ElementsError(f"{where}: {field} is missing")
    try:
        return decimal(text)
    except ValueError:
        raise ElementsError(f"{where}: {field} is {text[:40]!r}, which is no number") from None


def _epoch(text: str, where: str) -> str:
    """UTC text with a month and a day; CCSDS also allows the day of the year."""
    text = text.strip()
    if not text:
        raise ElementsError(f"{where}: EPOCH is missing")
    match = _DAY_OF_YEAR.fullmatch(text)
    if match is not None and 1 <= int(match[2]) <= 366:
        text = (date(int(match[1]), 1, 1) + timedelta(days=int(match[2]) - 1)).isoformat() + match[3]
    return text if text.endswith("Z") else text + "Z"
