"""Any CSV with a map that says which column is what, in which unit.

    kind = "tasks"                      # or "load": measured power over time

    [time]
    column = "timestamp"                # ISO 8601; a number needs unit and epoch
    # unit = "ms"
    # epoch = "2025-10-03T16:00:00Z"
    # scale = "GPS"                     # of the instants, and of the epoch; UTC unless said

    [columns.raw_bytes]
    column = "size"
    unit = "MB"

Every field with a dimension names its unit. Rows must come in order of time.
"""

import csv
import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Any, Literal

import msgspec

from workloads.errors import WorkloadError
from workloads.importing.csv_lines import CsvLines
from workloads.importing.instants import NS, Instants, iso_utc, utc_ns
from workloads.importing.records import MOST_AT_S, Imported, LoadSample, MissionTask, Record, Rows
from workloads.importing.units import INSTANTS, UNITS, to_si, unit_problem

MOST_ROWS = 5_000_000  # a row kept costs about half a kilobyte [guess]
MOST_SINCE_NS = MOST_AT_S * NS
MOST_CIVIL_NS = 10_000_000_000 * NS  # 317 years: from 1858, where Modified Julian Dates begin, to after 2056
FIRST_ORBIT_NS = utc_ns("1957-10-04T00:00:00Z")[0]  # Sputnik 1; counts from before are calendars', of whole days
_FIELDS = {
    "tasks": [name for name in MissionTask.__struct_fields__ if name in UNITS],
    "load": [name for name in LoadSample.__struct_fields__ if name in UNITS],
}
SCALES = ("UTC", "GPS", "TAI", "TT")  # all but UTC have days of 86,400 s without exception
_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,15})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


class TimeColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The column of instants: ISO 8601 without `unit`, else numbers of that unit since `epoch` (unknown: "").

    `scale` is that of the texts or of the epoch; in another than UTC, neither names a zone.
    """

    column: str
    unit: str = ""
    epoch: str = ""
    scale: str = "UTC"

    @property
    def uniform(self) -> bool:
        """Whether no leap second is ever in a count."""
        return self.scale != "UTC"

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        found = []
        if self.unit and self.unit not in INSTANTS:
            found.append(("time.unit", f"is {self.unit[:40]!r}, unknown; one of {', '.join(INSTANTS)}"))
        if self.scale not in SCALES:
            found.append(("time.scale", f"is {self.scale[:40]!r}, unknown; one of {', '.join(SCALES)}"))
        elif self.uniform and self.unit and not self.epoch:
            found.append(("time.scale", f"is {self.scale}, of numbers whose zero is unknown; give their epoch"))
        if self.epoch and not self.unit:
            found.append(("time.epoch", "goes with a unit; instants in ISO 8601 need none"))
        if self.epoch:
            try:
                if utc_ns(self.epoch)[1] and self.uniform:
                    text = f"is {self.epoch[:40]!r}, with a time zone; in {self.scale} it is written without Z"
                    found.append(("time.epoch", text))
            except WorkloadError as error:
                found.append(("time.epoch", str(error)))
        return found


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column by the name in its header, and its unit."""

    column: str
    unit: str = ""


class ColumnMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column of a CSV is what. Without a column for `id`, tasks are numbered."""

    time: TimeColumn
    columns: dict[str, Column] = {}
    kind: Literal["tasks", "load"] = "tasks"
    delimiter: str = ","

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        found = []
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            found.append(("delimiter", f"is {self.delimiter[:10]!r}; one character"))
        found += self.time.problems()
        for field, column in self.columns.items():
            if field not in _FIELDS[self.kind]:
                text = f"is no field of kind {self.kind!r}; there are {', '.join(_FIELDS[self.kind])}"
                found.append((f"columns.{field[:40]}", text))
            elif problem := unit_problem(field, column.unit):
                found.append((f"columns.{field}.unit", problem))
        return found


def csv_records(
    text: str, source: str, using: ColumnMap, *, skip_bad: bool = False, form: str = "columns", attribution: str = ""
) -> Imported:
    """The rows of a CSV as tasks or samples of a load, counted from the first instant, or from the map's epoch.

    Unix time (an epoch of 1970-01-01T00:00:00Z) counts no leap seconds, as `iso_utc` does not, nor do calendars' counts
    from before 1957, such as Modified Julian Dates and those of spreadsheets: their rows count from the first instant.
    So do those of a map whose `time.scale` is not UTC; then `Imported.scale` is that of `Imported.epoch`, too.

    Raises WorkloadError for a map that cannot be, columns that are missing or there twice, and bad rows.
    """
    for field, message in using.problems():
        raise WorkloadError(f"the column map: {field} {message}")
    rows = Rows(source, skip_bad)
    lines = CsvLines(text, using.delimiter, source)
    header = next(_filled(lines, source), (0, []))[1]
    places = _places(using, [name.strip() for name in header], source)
    instants = Instants()
    instant_ns, epoch_ns = _instants(using.time, instants)
    made: list[Record] = []
    zero_ns = epoch_ns
    for line, row in _counted(_filled(lines, source, rows), rows):
        if reason := lines.stray(row, len(header), places.values()):
            rows.bad(line, reason)
            continue
        try:
            if len(row) != len(header):
                raise WorkloadError(f"has {len(row)} columns where the header has {len(header)}")
            at_ns = instant_ns(row[places["at_s"]].strip())
            base_ns = at_ns if zero_ns is None else zero_ns
            record = _record(using, places, row, (at_ns - base_ns) / NS, rows.read)
        except WorkloadError as error:
            rows.bad(line, str(error))
            continue
        if rows.check(line, record, rising=True):
            zero_ns = base_ns
            made.append(record)
    if not made:
        raise WorkloadError(f"{source}: holds no row of data")
    dated = not using.time.unit or bool(using.time.epoch)
    return Imported(
        form=form,
        epoch=iso_utc(zero_ns) if dated and zero_ns is not None else None,
        scale=using.time.scale,
        records=made,
        read=rows.read,
        skipped=tuple(rows.skipped),
        attribution=attribution,
        notes=("instants without a time zone count as UTC",) if instants.zoned is False else (),
    )


def _counted(filled: Iterator[tuple[int, list[str]]], rows: Rows) -> Iterator[tuple[int, list[str]]]:
    """The same, counted, as many as there may be."""
    for line, row in filled:
        rows.read += 1
        if rows.read > MOST_ROWS:
            raise WorkloadError(f"{rows.source}:{line}: has more than {MOST_ROWS} rows; split it")
        yield line, row


def _filled(lines: CsvLines, source: str, rows: Rows | None = None) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every row that is not blank; a row that is no CSV is bad, or refused without `rows`."""
    while True:
        try:
            row = lines.row()
        except StopIteration:
            return
        except csv.Error as error:
            if rows is None:
                raise WorkloadError(f"{source}:{lines.line}: is no CSV: {error}") from error
            rows.read += 1
            rows.bad(lines.line, f"is no CSV: {error}")
            lines.give_back()
            continue
        if any(cell.strip() for cell in row):
            yield lines.line, row


def _places(using: ColumnMap, header: list[str], source: str) -> dict[str, int]:
    """The number of each field's column."""
    wanted = {"at_s": using.time.column} | {field: column.column for field, column in using.columns.items()}
    for field, name in wanted.items():
        if header.count(name) != 1:
            says = "is there twice" if name in header else "is not there"
            text = f"column {name[:60]!r}, wanted for {field}, {says}; the header has {', '.join(header)[:200]}"
            raise WorkloadError(f"{source}:1: {text}")
    return {field: header.index(name) for field, name in wanted.items()}


def _instants(time: TimeColumn, instants: Instants) -> tuple[Callable[[str], int], int | None]:
    """What reads the column of instants, and its zero in nanoseconds if that is known beforehand."""
    if not time.unit:
        return partial(_without_zone, time.scale) if time.uniform else instants.read, None
    scale_ns = INSTANTS[time.unit]
    epoch_ns = utc_ns(time.epoch)[0] if time.epoch else None
    civil = epoch_ns is not None and (epoch_ns == 0 or epoch_ns < FIRST_ORBIT_NS)
    most_ns = MOST_CIVIL_NS if civil else MOST_SINCE_NS

    def read(text: str) -> int:
        if not _NUMBER.fullmatch(text):
            raise WorkloadError(f"{text[:60]!r} is no number of {time.unit}, as instants of this column are")
        since = Decimal(text) * int(scale_ns)  # decimal, so that large counts lose no digit
        if abs(since) > most_ns:
            raise WorkloadError(f"{text[:60]!r} {time.unit} is more than {317 if civil else 126} years from zero")
        return (epoch_ns or 0) + int(since.to_integral_value(ROUND_HALF_EVEN))

    return read, None if civil or time.uniform else epoch_ns  # of civil counts no leap second may lie before the rows


def _without_zone(scale: str, text: str) -> int:
    """Nanoseconds of a date in a uniform scale, counted as `utc_ns` does."""
    instant_ns, zoned = utc_ns(text)
    if zoned:
        raise WorkloadError(f"{text[:60]!r} names a time zone, and the map says that instants are {scale}")
    return instant_ns


def _record(using: ColumnMap, places: dict[str, int], row: list[str], at_s: float, number: int) -> Record:
    values: dict[str, Any] = {"at_s": at_s}
    for field, column in using.columns.items():
        text = row[places[field]].strip()
        if text:  # an empty cell is missing, not 0
            values[field] = to_si(field, column.unit, text) if UNITS[field] else text
    if "station_names" in values:
        values["station_names"] = tuple(name.strip() for name in values["station_names"].split("/") if name.strip())
    if using.kind == "load":
        return _sample(values)
    values.setdefault("id", f"{number:06d}")
    return MissionTask(**values)


def _sample(values: dict[str, Any]) -> LoadSample:
    """A sample; its power is current times voltage where none was measured."""
    current_a, voltage_v = values.get("current_a"), values.get("voltage_v")
    if "power_w" not in values and current_a is not None and voltage_v is not None:
        values["power_w"] = current_a * voltage_v
    return LoadSample(**values)
