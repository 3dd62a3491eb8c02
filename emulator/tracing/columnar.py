"""Tables of a trace as Arrow, and as Parquet files; needs the extra `parquet`, which brings pyarrow.

Rows become Arrow a few thousand at a time, so that a trace of any length is written in the memory of one row group of
each table. `save` writes all tables in one pass over the log, each whole or not at all. A table that lies in the
trace's folder `tables` is read from there, if it is of this trace.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from emulator.errors import BadInput, TraceError
from emulator.tracing.columns import TEXT, Column
from emulator.tracing.reader import Trace
from emulator.tracing.tables import Cells, about_trace, columns_of, stream, there
from emulator.tracing.telling import damage
from workloads.whole_file import whole

BATCH_ROWS = 8192  # are Python's at a time: some megabytes
GROUP_ROWS = 131_072  # of a Parquet row group: some megabytes as Arrow
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
    columns = columns_of(table)
    saved = trace.folder / SAVED / f"{table}.parquet"
    if trace.closed and saved.is_file() and from_s is None and to_s is None:
        return _saved(trace, saved, columns)
    gathered = Gathered(trace, columns)
    with damage(trace):
        for _, cells in stream(trace, [table], from_s, to_s):
            gathered.add(cells)
        return pa.Table.from_batches(gathered.taken(), schema=gathered.schema)


def polars_frame(table: Any) -> Any:
    """An Arrow table as a polars DataFrame."""
    return library("polars", "tables as polars").from_arrow(table)


def save(trace: Trace, folder: Path) -> dict[str, int]:
    """Write every table as Parquet (zstd) into `folder`, which exists; returns the rows of each."""
    tables = there(trace)
    with ExitStack() as stack:
        paths = {table: stack.enter_context(whole(folder / f"{table}.parquet")) for table in tables}
        writers = {table: stack.enter_context(ParquetFile(trace, table, path)) for table, path in paths.items()}
        with damage(trace):
            for table, cells in stream(trace, tables):
                writers[table].add(cells)
        return {table: writer.finish() for table, writer in writers.items()}


class Gathered:
    """Rows of a table that become Arrow by and by."""

    def __init__(self, trace: Trace, columns: Sequence[Column]) -> None:
        self._pa = library("pyarrow")
        self.schema = _schema(trace, columns)
        self.count = 0
        self._rows: list[Cells] = []
        self._batches: list[Any] = []

    def add(self, cells: Cells) -> None:
        """One more row."""
        self._rows.append(cells)
        self.count += 1
        if len(self._rows) >= BATCH_ROWS:
            self._pack()

    def taken(self) -> list[Any]:
        """The record batches of all rows since this was last asked."""
        self._pack()
        batches, self._batches = self._batches, []
        return batches

    def _pack(self) -> None:
        if self._rows:
            columns = zip(zip(*self._rows, strict=True), self.schema.types, strict=True)
            arrays = [self._pa.array(values, kind) for values, kind in columns]
            self._batches.append(self._pa.RecordBatch.from_arrays(arrays, schema=self.schema))
            self._rows = []


class ParquetFile:
    """One table's file; whole when `finish` has been called and it is closed."""

    def __init__(self, trace: Trace, table: str, path: Path) -> None:
        self._rows = Gathered(trace, columns_of(table))
        self._path = path

    def __enter__(self) -> "ParquetFile":
        parquet = library("pyarrow.parquet")
        self._writer = parquet.ParquetWriter(
            self._path, self._rows.schema, compression="zstd", write_page_checksum=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()

    def add(self, cells: Cells) -> None:
        """One more row; whole groups are written."""
        self._rows.add(cells)
        if self._rows.count % GROUP_ROWS == 0:
            self._write()

    def finish(self) -> int:
        """Write the rest; returns how many rows there are."""
        self._write()
        return self._rows.count

    def _write(self) -> None:
        batches = self._rows.taken()
        if batches:
            self._writer.write_table(library("pyarrow").Table.from_batches(batches))


def _saved(trace: Trace, path: Path, columns: Sequence[Column]) -> Any:
    parquet, pa = library("pyarrow.parquet"), library("pyarrow")
    try:
        table = parquet.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise TraceError(f"{path}: cannot be read: {error}; remove it, it can be made again") from error
    digest = (table.schema.metadata or {}).get(b"digest", b"").decode(errors="replace")
    if digest != trace.header.digest:
        raise TraceError(f"{path} is of another trace, of digest {digest!r}; remove it, it can be made again")
    if table.column_names != [column.name for column in columns]:
        raise TraceError(f"{path} has the columns of another version; remove it, it can be made again")
    return table


def _schema(trace: Trace, columns: Sequence[Column]) -> Any:
    pa = library("pyarrow")
    kinds = {"float": pa.float64(), "int": pa.int64(), TEXT: pa.string()}
    fields = [pa.field(each.name, kinds[each.kind], metadata={"says": each.says}) for each in columns]
    return pa.schema(fields, metadata=about_trace(trace))
