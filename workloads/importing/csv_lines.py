"""Rows of a CSV, each with the line it begins on, which a stray quote does not take others with it.

RFC 4180 lets a quoted cell run over lines, so a quote that nobody closed swallows all rows up to the next one. A row
that is broken so gives back its lines but the first, and these are read as rows of their own.
"""

import csv
from collections import deque
from collections.abc import Collection
from io import StringIO

from workloads.errors import WorkloadError

MOST_ROW_LINES = 100  # a cell of text, such as a remark, has a few [guess]
MOST_AGAIN = 1 << 30  # characters read again: some ten seconds [guess]


class CsvLines:
    """Reads `text` row by row, which messages call `source`; `line` is where the row at hand begins, from 1."""

    def __init__(self, text: str, delimiter: str, source: str) -> None:
        self.line, self._source = 1, source
        self._text = StringIO(text, newline="")
        self._again: deque[str] = deque()
        self._row: list[str] = []  # the lines of the row at hand
        self._left = MOST_AGAIN
        self._reader = csv.reader(self, delimiter=delimiter, strict=True)

    def __iter__(self) -> "CsvLines":
        return self

    def __next__(self) -> str:
        """The next line, for the CSV reader."""
        if len(self._row) >= MOST_ROW_LINES:
            raise csv.Error(f"a quote begins a cell that does not end within {MOST_ROW_LINES} lines")
        line = self._again.popleft() if self._again else next(self._text)
        self._row.append(line)
        return line

    def row(self) -> list[str]:
        """The cells of the next row. Raises csv.Error where it is none, StopIteration after the last."""
        self.line += len(self._row)
        self._row.clear()
        return next(self._reader)

    def give_back(self) -> None:
        """Have all lines of the row at hand but its first read as rows. Raises WorkloadError where that has no end."""
        self._left -= sum(map(len, self._row[1:]))
        if self._left < 0:
            raise WorkloadError(f"{self._source}:{self.line}: too many cells begin with a quote and do not end: no CSV")
        self._again.extendleft(reversed(self._row[1:]))
        del self._row[1:]

    def stray(self, row: list[str], width: int, wanted: Collection[int]) -> str:
        """Give back what a stray quote swallowed, and say so; empty where `row` shows none. Raises as `give_back`.

        One shows in a row over several lines without `width` cells, or with a line end in a cell that is `wanted`.
        """
        lines = len(self._row)
        if lines == 1 or (len(row) == width and not any("\n" in row[cell] or "\r" in row[cell] for cell in wanted)):
            return ""
        self.give_back()
        return f"a quote begins a cell that ends only {lines - 1} lines further down"
