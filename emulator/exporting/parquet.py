"""Tables as Parquet by pyarrow, which is an extra: imported when the first file is written, and missed by name."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from emulator.exporting.tables import Cells, Column, no_pyarrow

GROUP_ROWS = 131_072  # of a row group: some megabytes in memory


def write_parquet(path: Path, columns: Sequence[Column], rows: Iterator[Cells], about: dict[str, str]) -> int:
    """Write `path`.parquet and return its number of rows; `about` goes into the file's key-value metadata.

    Raises `BadInput`, naming the extra, where pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise no_pyarrow(error) from error
    kinds = {"text": pyarrow.string(), "int": pyarrow.int64(), "float": pyarrow.float64()}
    says = [pyarrow.field(c.name, kinds[c.kind], metadata={"says": c.says}) for c in columns]
    schema: Any = pyarrow.schema(says, metadata=about)
    count = 0
    with ParquetWriter(path.with_suffix(".parquet"), schema, compression="zstd") as writer:
        while group := list(islice(rows, GROUP_ROWS)):
            by_column = zip(columns, zip(*group, strict=True), strict=True)
            cells = [pyarrow.array(values, kinds[column.kind]) for column, values in by_column]
            writer.write_table(pyarrow.Table.from_arrays(cells, schema=schema))
            count += len(group)
    return count
