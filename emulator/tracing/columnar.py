"""Tables of a trace as Arrow, and as Parquet files; needs the extra `parquet`, which brings pyarrow.

`save` writes every table beside each other, whole or not at all. A table that lies in the trace's folder `tables` is
read from there, if it is of this trace.
"""

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from emulator.errors import BadInput, TraceError
from emulator.tracing.reader import Trace
from emulator.tracing.tables import TABLES, fact_rows, rows

GROUP_ROWS = 131_072  # of a Parquet row group: some megabytes, so that ten million facts never lie in memory at once
SAVED = "tables"


def library(name: str, what: str = "tables as Arrow or Parquet") -> Any:
    """An optional library. Raises `BadInput` that names the extra."""
    try:
        return import_module(name)
    except ImportError as error:
        root = name.partition(".")[0]
        extra = "pip install 'orbitmesh[parquet]'" if root == "pyarrow" else f"pip install {root}"
        raise BadInput(f"{what} need {root}, which is not installed: {extra}") from error


def arrow(trace: Trace, table: str, from_s: float | None = None, to_s: float | None = None) -> Any:
    """A table as Arrow; units stand in the columns' names, what is missing is null."""
    pa = library("pyarrow")
    if table not in TABLES:
        raise BadInput(f"there is no table {table!r} in a trace; there are {', '.join(TABLES)}")
    saved = trace.folder / SAVED / f"{table}.parquet"
    if saved.is_file() and from_s is None and to_s is None:
        return _saved(trace, saved)
    return pa.Table.from_pylist(rows(trace, table, from_s, to_s), schema=_schema(trace, table))


def polars_frame(table: Any) -> Any:
    """An Arrow table as a polars DataFrame."""
    return library("polars", "tables as polars").from_arrow(table)


def save(trace: Trace, folder: Path) -> dict[str, int]:
    """Write every table as Parquet into `folder`, which exists; returns the rows of each."""
    parquet = library("pyarrow.parquet")
    pa = library("pyarrow")
    counts: dict[str, int] = {}
    for table in TABLES:
        if table == "decisions" and not (trace.folder / "decisions.jsonl.gz").is_file():
            continue  # schema 3 kept none
        schema = _schema(trace, table)
        each: Iterator[Any] = fact_rows(trace) if table == "facts" else iter(rows(trace, table))
        counts[table] = 0
        partial = folder / f"{table}.parquet.partial"
        with parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
            while group := list(islice(each, GROUP_ROWS)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                counts[table] += len(group)
        partial.rename(folder / f"{table}.parquet")
    return counts


def _saved(trace: Trace, path: Path) -> Any:
    parquet, pa = library("pyarrow.parquet"), library("pyarrow")
    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise TraceError(f"{path}: cannot be read: {error}; remove it, it can be made again") from error
    digest = (table.schema.metadata or {}).get(b"digest", b"").decode(errors="replace")
    if digest != trace.header.digest:
        raise TraceError(f"{path} is of another trace, of digest {digest!r}; remove it, it can be made again")
    return table


def _schema(trace: Trace, table: str) -> Any:
    pa = library("pyarrow")
    kinds = {"float": pa.float64(), "int": pa.int64(), "str": pa.string()}
    about = {"digest": trace.header.digest, "scenario": trace.header.scenario, "epoch_utc": trace.header.epoch}
    return pa.schema([pa.field(name, kinds[kind]) for name, kind in TABLES[table].items()], metadata=about)
