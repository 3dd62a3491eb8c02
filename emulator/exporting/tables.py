"""All tables of a trace as a folder of CSV or Parquet files: units in every column's name, row for row what the Python
API gives (`emulator/tracing/columns.py`).

Instants are seconds after the scenario's epoch, which `export.json` (and each Parquet file's metadata) gives in UTC.
Missing is missing: an empty cell in CSV, null in Parquet; never 0 or -1. Written as the log is read.
"""

import csv
from collections.abc import Callable
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from emulator.errors import BadInput
from emulator.exporting.outputs import new_folder
from emulator.trace import Trace
from emulator.tracing import columnar
from emulator.tracing.tables import about_trace, columns_of, stream, there
from emulator.tracing.telling import damage

Save = Callable[[Trace, Path], dict[str, int]]


def export_csv(trace: Trace, out: str | PathLike[str]) -> dict[str, int]:
    """Write `tasks.csv`, `hops.csv` and so on, and `export.json`, into the new folder `out`; returns the rows of each.

    RFC 4180 with line feeds; numbers in their shortest form that reads back the same. Raises `TraceError`, `BadInput`
    (a name that is taken), OSError.
    """
    return _export(trace, out, save_csv)


def export_parquet(trace: Trace, out: str | PathLike[str]) -> dict[str, int]:
    """As `export_csv`, in Parquet (zstd). Raises `BadInput`, naming the extra, where pyarrow is not installed."""
    try:
        columnar.library("pyarrow", "Parquet files")
    except BadInput as error:
        raise BadInput(f"{error}; or take --to csv") from error
    return _export(trace, out, columnar.save)


def save_csv(trace: Trace, folder: Path) -> dict[str, int]:
    """Write every table into `folder`, which exists, through the csv module: None is nothing, numbers read back."""
    tables = there(trace)
    counts = dict.fromkeys(tables, 0)
    with ExitStack() as stack:
        writers: dict[str, Any] = {}
        for table in tables:
            stream_ = stack.enter_context((folder / f"{table}.csv").open("w", encoding="utf-8", newline=""))
            writers[table] = csv.writer(stream_, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
            writers[table].writerow([column.name for column in columns_of(table)])
        with damage(trace):
            for table, cells in stream(trace, tables):
                writers[table].writerow(cells)
                counts[table] += 1
    return counts


def _export(trace: Trace, out: str | PathLike[str], save: Save) -> dict[str, int]:
    with new_folder(Path(out)) as folder:
        written = save(trace, folder)
        columns = {name: {each.name: each.says for each in columns_of(name)} for name in written}
        document = {**about_trace(trace), "rows": written, "columns": columns}
        (folder / "export.json").write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return written
