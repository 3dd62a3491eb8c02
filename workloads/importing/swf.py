"""Standard Workload Format: batch jobs of a parallel machine, one a line, 18 numbers.

-1 is missing, and stays so. Seconds count from `UnixStartTime`; without that line the list has no epoch. What a job
asks in operations follows only from what one processor of that machine did, which the caller has to say.
Source: Feitelson, Tsafrir, Krakov, "Experience with using the Parallel Workloads Archive", JPDC 74(10), 2014.
"""

import re
from io import StringIO
from math import isfinite

from workloads.errors import WorkloadError
from workloads.importing.instants import NS, iso_utc
from workloads.importing.records import Imported, MissionTask, Rows
from workloads.importing.units import decimal

FIELDS = 18
_START = re.compile(r";\s*UnixStartTime:\s*(.*)", re.ASCII | re.IGNORECASE)


def swf_jobs(
    text: str, source: str, *, skip_bad: bool = False, ops_per_s: float | None = None
) -> Imported:  # fmt: skip
    """The jobs of a log, in its order; `ops_per_s` of one processor of that machine makes their `ops`.

    `at_s` is the submission; `wait_s`, `run_s` and `processors` are as logged. Raises WorkloadError.
    """
    if ops_per_s is not None and not 0.0 < ops_per_s < float("inf"):
        raise WorkloadError(f"{ops_per_s} operations a second cannot be; a finite number above 0")
    rows = Rows(source, skip_bad)
    start_s: int | None = None
    made: list[MissionTask] = []
    for line, whole in enumerate(StringIO(text), 1):
        row = whole.strip()
        if row.startswith(";"):
            start_s = _start_s(row, start_s, f"{source}:{line}")
        elif row:
            rows.read += 1
            try:
                job = _job(row.split(), ops_per_s)
            except WorkloadError as error:
                rows.bad(line, str(error))
                continue
            if rows.check(line, job, rising=True):
                made.append(job)
    if not made:
        raise WorkloadError(f"{source}: holds no job")
    if start_s is not None and start_s * NS > 2**62:
        raise WorkloadError(f"{source}: UnixStartTime {start_s} lies beyond the year 2116")
    return Imported(
        form="swf",
        epoch=iso_utc(start_s * NS) if start_s is not None else None,
        records=made,
        read=rows.read,
        skipped=tuple(rows.skipped),
        notes=("ops is run time x processors x what --ops-per-s says of one",) if ops_per_s is not None else (),
    )


def _start_s(comment: str, known: int | None, where: str) -> int | None:
    """The zero that a comment states, else the one known; raises WorkloadError for another, or one that is none."""
    match = _START.fullmatch(comment)
    if match is None or not match[1]:
        return known
    if not re.fullmatch(r"\d{1,12}", match[1], re.ASCII):
        raise WorkloadError(f"{where}: UnixStartTime is {match[1][:40]!r}; whole seconds since 1970, or no such line")
    if known not in (None, int(match[1])):
        raise WorkloadError(f"{where}: UnixStartTime is {match[1]}, and {known} above; a log has one zero")
    return int(match[1])


def _job(cells: list[str], ops_per_s: float | None) -> MissionTask:
    if len(cells) != FIELDS:
        raise WorkloadError(f"has {len(cells)} fields; a job has {FIELDS}")
    numbers: list[float | None] = []
    for place, cell in enumerate(cells, 1):
        try:
            value = decimal(cell)
        except ValueError:
            raise WorkloadError(f"field {place} is {cell[:40]!r}; a number, or -1 where it is not known") from None
        if not isfinite(value) or (value < 0.0 and value != -1.0):
            raise WorkloadError(f"field {place} is {cell[:40]}; 0 or more, or -1 where it is not known")
        numbers.append(None if value == -1.0 else value)
    number, submit_s, wait_s, run_s, allocated = numbers[:5]
    if number is None or submit_s is None:
        raise WorkloadError("has no job number or no submit time, fields 1 and 2")
    if number != int(number) or number >= 1 << 53:
        raise WorkloadError(f"field 1 is {cells[0][:40]}; a job's number is a whole one, below 2^53")
    used = allocated if allocated is not None else numbers[7]  # field 8: processors asked for
    ops = run_s * used * ops_per_s if ops_per_s is not None and run_s is not None and used is not None else None
    return MissionTask(
        id=f"{number:.0f}",
        at_s=submit_s,
        wait_s=wait_s,
        run_s=run_s,
        processors=None if used is None else round(used),
        ops=ops,
    )
