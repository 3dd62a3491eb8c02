"""Reads two-line element sets (TLE), with or without a line of the name above, into `Elements`.

Columns, checksum and Alpha-5 numbers: https://celestrak.org/columns/v04n03/ and Space Track's documentation.
Columns in messages count from 1, as there. Nothing is guessed: a line that does not fit is refused with its number.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta

from sgp4.alpha5 import from_alpha5

from nodes.elements import Elements, leave_out, require_orbits
from nodes.errors import ElementsError
from workloads.importing.records import BadRow

MAX_CHARACTERS = 64_000_000  # 64 MB; a day's whole public catalogue is 5 MB
LINE_COLUMNS = 69
FIRST_YEAR = 57  # two-digit years from 57 are 19xx: the first satellite flew in 1957
MICROSECONDS_PER_STEP = 864  # the epoch's last digit is 1e-8 day
FORM = {
    1: "1 NNNNNC NNNNNAAA NNNNN.NNNNNNNN +.NNNNNNNN +NNNNN-N +NNNNN-N N NNNNN",
    2: "2 NNNNN NNN.NNNN NNN.NNNN NNNNNNN NNN.NNNN NNN.NNNN NN.NNNNNNNNNNNNNN",
}
# where each field lies (Python slice), and what it must look like
FIELDS = {
    1: {
        "satellite number": (slice(2, 7), r" *\d+|[A-HJ-NP-Z]\d{4}"),
        "international designator": (slice(9, 17), r"\d{5}[A-Z]{1,3} *|[ \w]*"),
        "epoch year": (slice(18, 20), r"\d\d"),
        "epoch day": (slice(20, 32), r" {0,2}\d{1,3}\.\d{1,8} *"),
        "mean motion dot": (slice(33, 43), r" *[+-]?\d?\.\d+ *"),
        "mean motion ddot": (slice(44, 52), r"[ +-][ \d]{4}\d[+-]\d"),
        "B*": (slice(53, 61), r"[ +-][ \d]{4}\d[+-]\d"),
        "ephemeris type": (slice(62, 63), r"[ 02]"),  # 0 and 2 are SGP4; 4 is SGP4-XP, another theory
    },
    2: {
        "satellite number": (slice(2, 7), r" *\d+|[A-HJ-NP-Z]\d{4}"),
        "inclination": (slice(8, 16), r" *\d{1,3}\.\d+ *"),
        "right ascension of the node": (slice(17, 25), r" *\d{1,3}\.\d+ *"),
        "eccentricity": (slice(26, 33), r"[ \d]{6}\d"),
        "argument of perigee": (slice(34, 42), r" *\d{1,3}\.\d+ *"),
        "mean anomaly": (slice(43, 51), r" *\d{1,3}\.\d+ *"),
        "mean motion": (slice(52, 63), r" *\d{1,2}\.\d+ *"),
    },
}
_PATTERNS = {
    line: {name: (at, re.compile(form, re.ASCII)) for name, (at, form) in FIELDS[line].items()} for line in (1, 2)
}


def read_tle(
    text: str, source: str, *, verification: bool = False, skipped: list[BadRow] | None = None
) -> list[Elements]:  # fmt: skip
    """The satellites of a TLE text, in its order; `source` is the file's name for messages.

    Raises ElementsError, with the line's number, for wrong columns, lengths, checksums and numbers that do not match,
    for a satellite that occurs twice, and for values that are no orbit. With `skipped`, a bad element set is left out
    and appended there instead. `verification` is for SGP4's own test file (`SGP4-VER.TLE`) only: checksums are not
    verified, text after column 69 is ignored, and a satellite may recur.
    """
    if len(text) > MAX_CHARACTERS:
        raise ElementsError(f"{source}: {len(text)} characters; at most {MAX_CHARACTERS} are read")
    found: list[Elements] = []
    first_seen: dict[int, int] = {}
    for number, name, lines in _sets(text, source, skipped):
        try:
            elements = _one(number, name, lines, source, verification)
            if not verification and elements.norad_cat_id in first_seen:
                raise ElementsError(
                    f"{source}, line {number}: satellite {elements.norad_cat_id} ({elements.name}) is already on line "
                    f"{first_seen[elements.norad_cat_id]}; keep one element set for each satellite"
                )
            if skipped is not None:
                require_orbits((elements,), source)
        except ElementsError as error:
            if skipped is None:
                raise
            leave_out(skipped, number, str(error), source)
            continue
        first_seen[elements.norad_cat_id] = number
        found.append(elements)
    if not found:
        raise ElementsError(f"{source}: no element set in it; two lines that begin with '1 ' and '2 ' make one")
    require_orbits(found, source)
    return found


def _one(number: int, name: str, lines: tuple[str, str], source: str, verification: bool) -> Elements:
    fields = _fields(lines[0], 1, f"{source}, line {number}", verification)
    fields |= _fields(lines[1], 2, f"{source}, line {number + 1}", verification)
    if lines[0][2:7] != lines[1][2:7]:
        raise ElementsError(
            f"{source}, line {number + 1}: satellite number {lines[1][2:7]!r}, but line {number} above is of "
            f"{lines[0][2:7]!r}; both lines must be of one satellite"
        )
    return _elements(fields, name, f"{source}, line {number}")


def _sets(
    text: str, source: str, skipped: list[BadRow] | None
) -> Iterator[tuple[int, str, tuple[str, str]]]:  # fmt: skip
    """(number of line 1, name or "", the two lines) of each element set; `#` begins a comment line."""

    def bad(number: int, reason: str) -> None:
        if skipped is None:
            raise ElementsError(f"{source}, line {number}: {reason}")
        leave_out(skipped, number, f"{source}, line {number}: {reason}", source)

    name, first = (0, ""), (0, "")
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if first[0] and line.startswith("2 "):
            yield first[0], name[1], (first[1], line)
            name, first = (0, ""), (0, "")
            continue
        if first[0]:
            bad(
                number,
                f"line 2 of line {first[0]}'s element set must stand here:\n  {FORM[2]}\n  {line[:LINE_COLUMNS]}",
            )
            name, first = (0, ""), (0, "")
        if line.startswith("1 ") and (name[0] or len(line) >= LINE_COLUMNS - 1):
            first = (number, line)
            continue
        if name[0]:
            bad(number, f"line 1 of {name[1]!r} must stand here:\n  {FORM[1]}\n  {line[:LINE_COLUMNS]}")
        name = (number, line.removeprefix("0 ").strip())
    if name[0] or first[0]:
        bad(first[0] or name[0], "the file ends within an element set")


def _fields(line: str, kind: int, where: str, verification: bool) -> dict[str, str]:
    if len(line) != LINE_COLUMNS and not verification:
        raise ElementsError(f"{where}: {len(line)} columns, must be {LINE_COLUMNS}:\n  {FORM[kind]}\n  {line[:120]}")
    if not verification:
        expected, last = str(checksum(line)), line[LINE_COLUMNS - 1]
        if last != expected:
            raise ElementsError(f"{where}: checksum is {last!r} but the line adds up to {expected!r}; it was altered")
    fields = {}
    for name, (at, form) in _PATTERNS[kind].items():
        if form.fullmatch(line[at]) is None:
            raise ElementsError(
                f"{where}: columns {at.start + 1}-{at.stop} ({name}) hold {line[at]!r}:\n  {FORM[kind]}\n  {line}"
            )
        fields[name] = line[at]
    return fields


def checksum(line: str) -> int:
    """The sum of the digits of the first 68 columns, each minus sign counting 1, modulo 10."""
    columns = line[: LINE_COLUMNS - 1]
    return (sum(int(c) for c in columns if c in "0123456789") + columns.count("-")) % 10


def _elements(fields: dict[str, str], name: str, where: str) -> Elements:
    number = from_alpha5(fields["satellite number"].strip())
    return Elements(
        name=name or f"{number:05d}",
        epoch=_epoch(fields["epoch year"], fields["epoch day"].strip(), where),
        mean_motion_rev_per_day=float(fields["mean motion"]),
        eccentricity=float("0." + fields["eccentricity"].replace(" ", "0")),
        inclination_deg=float(fields["inclination"]),
        raan_deg=float(fields["right ascension of the node"]),
        arg_of_perigee_deg=float(fields["argument of perigee"]),
        mean_anomaly_deg=float(fields["mean anomaly"]),
        bstar=_with_exponent(fields["B*"]),
        mean_motion_dot=float(fields["mean motion dot"]),
        mean_motion_ddot=_with_exponent(fields["mean motion ddot"]),
        norad_cat_id=number,
        object_id=_object_id(fields["international designator"].strip()),
    )


def _epoch(year: str, day: str, where: str) -> str:
    """UTC text, exact to the microsecond: the day's fraction has steps of 864 us."""
    whole, _, fraction = day.partition(".")
    if not 1 <= int(whole) <= 366:
        raise ElementsError(f"{where}: day {day} of the year; must be from 1 to below 367")
    first = date(int(year) + (1900 if int(year) >= FIRST_YEAR else 2000), 1, 1)
    microseconds = int(fraction.ljust(8, "0")) * MICROSECONDS_PER_STEP
    minutes, microseconds = divmod(microseconds, 60_000_000)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{microseconds // 1_000_000:02d}.{microseconds % 1_000_000:06d}"
    return f"{(first + timedelta(days=int(whole) - 1)).isoformat()}T{clock}Z"


def _with_exponent(text: str) -> float:
    """` 12345-6` is 0.12345e-6."""
    return float(f"{text[0].strip()}0.{text[1:6].replace(' ', '0')}e{text[6:]}")


def _object_id(text: str) -> str:
    """`25100A` is 2025-100A; blank stays blank."""
    if len(text) < 6 or not text[:5].isdigit():
        return text
    return f"{19 if int(text[:2]) >= FIRST_YEAR else 20}{text[:2]}-{text[2:]}"
