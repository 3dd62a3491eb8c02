"""One run is one folder: what others use of the format of traces (`docs/trace-format.md`).

import emulator.trace
trace = emulator.trace.open("mesh-run")
trace.header.seed, trace.arrow("tasks"), trace.polars("hops")
"""

from os import PathLike
from pathlib import Path

from emulator.tracing.header import SCHEMA, Footer, Header
from emulator.tracing.reader import Line, Trace
from emulator.tracing.writer import TraceWriter, refuse_taken

__all__ = ["SCHEMA", "Footer", "Header", "Line", "Trace", "TraceWriter", "open", "refuse_taken"]


def open(folder: str | PathLike[str]) -> Trace:
    """Open a trace. Raises `TraceError` for what is not one, is damaged, or is of a schema this version cannot read."""
    return Trace(Path(folder))
