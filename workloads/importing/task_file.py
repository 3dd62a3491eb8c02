"""Our own file of tasks or of a measured load: a line of JSON that says what it is, then one line for each.

    {"schema":"orbitmesh-tasks/1","epoch":"2024-11-28T12:50:30.621Z", ... ,"columns":["id","at_s","scenes"],"rows":2}
    ["49284-1",0.0,20]
    ["49284-2",410.2,9]

Columns that no row fills are left out, those alike in every row stand in `constants`; null is missing. The same records
give the same bytes. A file with fewer rows than it says is refused.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from workloads.errors import WorkloadError
from workloads.importing.records import BadRow, Imported, LoadSample, MissionTask, Record, Rows
from workloads.importing.source_file import read_text
from workloads.whole_file import whole

TASKS, LOAD = "orbitmesh-tasks/1", "orbitmesh-load/1"
KINDS: dict[str, type[MissionTask] | type[LoadSample]] = {TASKS: MissionTask, LOAD: LoadSample}


class TaskFileHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. `epoch` is the UTC instant of `at_s` 0, null where unknown; `sha256` is the source's."""

    schema: str
    epoch: str | None
    columns: list[str]
    rows: int
    form: str = ""
    source: str = ""
    sha256: str = ""
    attribution: str = ""
    skipped: int = 0
    notes: tuple[str, ...] = ()
    constants: dict[str, Any] = {}


def write_records(path: Path, imported: Imported, source: str, sha256: str) -> None:
    """Write tasks or a load, as JSON lines, or as CSV where the name ends so; whole, or not at all.

    Raises OSError, and WorkloadError for an epoch that is not UTC.
    """
    if imported.scale != "UTC":
        raise WorkloadError(f"{source}: its epoch is {imported.scale}; a task file's is UTC")
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        if path.suffix.lower() == ".csv":
            _write_csv(out, imported.records)
        else:
            _write_lines(out, imported, source, sha256)


def read_records(path: Path) -> Imported:
    """The tasks or the load of a file that `write_records` wrote as JSON lines. Raises WorkloadError."""
    return records_of(read_text(path), path.name[:200])


def records_of(text: str, source: str) -> Imported:
    """The same of a text at hand; `source` is what messages call it."""
    first, _, rest = text.partition("\n")
    header = _header(first, source)
    kind, records, rows = KINDS[header.schema], [], Rows(source, skip_bad=False)
    numbered = "id" in kind.__struct_fields__ and "id" not in header.columns
    for line, row in enumerate(rest.split("\n"), 2):
        if not row.strip():
            continue
        rows.read += 1
        record = _record(kind, header, row, f"{rows.read:06d}" if numbered else None, f"{source}:{line}")
        rows.check(line, record, rising=True)
        records.append(record)
    if len(records) != header.rows:
        raise WorkloadError(f"{source}: has {len(records)} whole rows, and should have {header.rows}: it was cut off")
    return Imported(
        form=header.form,
        epoch=header.epoch,
        records=records,
        read=len(records),
        skipped=tuple[BadRow, ...](),
        attribution=header.attribution,
        notes=header.notes,
    )


def _header(line: str, source: str) -> TaskFileHeader:
    try:
        header = msgspec.json.decode(line, type=TaskFileHeader)
    except (msgspec.DecodeError, RecursionError) as error:
        text = f"{source}:1: is no header of a task file: {error}; make one with orbitmesh convert"
        raise WorkloadError(text) from error
    if header.schema not in KINDS:
        raise WorkloadError(f"{source}:1: schema {header.schema[:40]!r} is unknown here; {', '.join(KINDS)} are read")
    known = KINDS[header.schema].__struct_fields__
    wrong = [name[:40] for name in (*header.columns, *header.constants) if name not in known]
    if wrong or len(set(header.columns)) < len(header.columns) or set(header.columns) & set(header.constants):
        raise WorkloadError(f"{source}:1: columns {', '.join(wrong) or 'stand there twice'}; known: {', '.join(known)}")
    return header


def _record(kind: type[Record], header: TaskFileHeader, row: str, name: str | None, where: str) -> Record:
    try:
        cells = msgspec.json.decode(row)
        if not isinstance(cells, list) or len(cells) != len(header.columns):
            raise WorkloadError(f"{where}: is no list of {len(header.columns)} values, as the header has columns")
        values = header.constants | dict(zip(header.columns, cells, strict=True))
        if name is not None:
            values["id"] = name
        return msgspec.convert({key: value for key, value in values.items() if value is not None}, kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WorkloadError(f"{where}: {error}") from error


def _write_lines(out: TextIO, imported: Imported, source: str, sha256: str) -> None:
    columns, constants = _layout(imported.records)
    header = TaskFileHeader(
        schema=LOAD if imported.records and isinstance(imported.records[0], LoadSample) else TASKS,
        epoch=imported.epoch,
        columns=columns,
        rows=len(imported.records),
        form=imported.form,
        source=source,
        sha256=sha256,
        attribution=imported.attribution,
        skipped=len(imported.skipped),
        notes=imported.notes,
        constants=constants,
    )
    out.write(msgspec.json.encode(header).decode() + "\n")
    for record in imported.records:
        out.write(msgspec.json.encode([getattr(record, name) for name in columns]).decode() + "\n")


def _layout(records: Sequence[Record]) -> tuple[list[str], dict[str, Any]]:
    """The columns that differ from row to row, and the values that do not; what nobody has is in neither."""
    columns, constants = [], {}
    for name in records[0].__struct_fields__ if records else ("at_s",):
        first = getattr(records[0], name) if records else None
        alike = all(getattr(record, name) == first for record in records)
        numbered = name == "id" and all(getattr(each, name) == f"{n:06d}" for n, each in enumerate(records, 1))
        if numbered:
            continue
        if not alike or name in ("id", "at_s"):
            columns.append(name)
        elif first is not None:
            constants[name] = list(first) if isinstance(first, tuple) else first
    return columns, constants


def _write_csv(out: TextIO, records: Sequence[Record]) -> None:
    """A header and a row for each; a missing value is an empty cell, several stations are joined by `/`."""
    columns, constants = _layout(records)
    names = [name for name in records[0].__struct_fields__ if name in {*columns, *constants, "id"}] if records else []
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        cells = [getattr(record, name) for name in names]
        writer.writerow(["/".join(cell) if isinstance(cell, tuple) else cell for cell in cells])
